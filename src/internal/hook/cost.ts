/** What evaluations cost. */
import { isPromiseLike } from "effect/Predicate"
import type { HookContext } from "../../HookContext.ts"
import type * as HookFailures from "../../HookFailures.ts"
import * as Check from "../check.ts"
import { ignoreRejection, isRecord } from "../untrusted.ts"
import { tell } from "./tell.ts"

type Cost = number | Readonly<Record<string, number>> | ((context: HookContext) => number)

const isCost = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value) && value >= 0

export const rule: Check.Rule = (owner, name, value) => {
  const isFine = typeof value === "function" || isCost(value) ||
    (isRecord(value) && Object.values(value).every(isCost))
  if (!isFine) Check.reject(owner, name, "a number >= 0, a record of numbers >= 0, or a function", value)
}

export const costOf = (cost: Cost): (context: HookContext) => unknown => {
  if (typeof cost === "function") return cost
  if (typeof cost === "number") return () => cost
  return ({ flagKey }) => Object.hasOwn(cost, flagKey) ? cost[flagKey] : 1
}

/** A cost that is none counts as 1, and its author is told. */
export const checked = (cost: unknown, hook: string, stage: HookFailures.Stage, flagKey: string): number => {
  if (isCost(cost)) return cost
  ignoreRejection(cost)
  const what = isPromiseLike(cost) ? "a promise instead of a cost" : "a cost that is no number >= 0"
  tell(hook, stage, flagKey, new Check.Misuse(`gave ${what}`))
  return 1
}
