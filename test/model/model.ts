/**
 * What an evaluation does with hooks, as a pure function: the oracle. The order
 * of stages, contexts and errors are the SDK's; what becomes of the failures of
 * Effect hooks, and of hooks with a scope that is closed, is this library's.
 */
import type { Client } from "../clients.ts"
import {
  type Act,
  hooksOf,
  type HookSpec,
  onFailure,
  type Placed,
  type Program,
  type Record_,
  rejects,
  replacement,
  type Slot,
  type Stage,
  type Step
} from "./program.ts"

export interface Details {
  readonly value: unknown
  readonly variant: string | undefined
  readonly errorCode: string | undefined
  readonly errorMessage: string | undefined
}

/** What one stage of one hook got to see; `count` is the number of stages that it remembers. */
export interface Entry {
  readonly hook: string
  readonly stage: Stage
  readonly count: number
  readonly context: Record_
  readonly error?: { readonly code: string; readonly message: string } | undefined
  readonly details?: Details | undefined
  /** The value that an earlier `before` has resolved the flag with, which Effect hooks see. */
  readonly resolution?: unknown
}

export interface Observation {
  readonly trace: ReadonlyArray<Entry>
  /** What the provider was asked with, if it was asked. */
  readonly resolved: Record_ | undefined
  readonly details: Details
  /** What was reported to `HookFailures`. */
  readonly failures: ReadonlyArray<string>
}

interface Failure {
  readonly code: string
  readonly message: string
  /** What hooks of the SDK are told where they are converted: what another one has thrown. */
  readonly thrown?: { readonly code: string; readonly message: string } | undefined
  /** The caller learns no more than which hook failed; the rest goes to the operator. */
  readonly isUnexpected?: boolean
}

const statuses = {
  NOT_READY: { code: "PROVIDER_NOT_READY", message: "provider has not yet initialized" },
  FATAL: { code: "PROVIDER_FATAL", message: "provider is in an irrecoverable error state" }
} as const

const mismatch: Failure = {
  code: "TYPE_MISMATCH",
  message: "the resolution of a hook is not of the type boolean"
}

const guarded: Failure = { code: "GENERAL", message: "the scope of a hook that guards this evaluation is closed" }

const describe = (hook: HookSpec, stage: Stage, verb: string): string =>
  `hook "${hook.name}" ${verb} in its ${stage} stage`

// A foreign code says nothing about an evaluation, and only a provider can say that it is broken.
const isRejection = (code: string): boolean => code !== "ENOENT" && !code.startsWith("PROVIDER_")

const failureOf = (hook: HookSpec, stage: Stage, { act, way }: Step): Failure | undefined => {
  if (act._tag === "hang") return hidden(hook, stage, "was interrupted")
  if (!("message" in act)) return undefined
  const thrown = { code: "code" in act ? act.code : "GENERAL", message: act.message }
  if (hook.style === "plain") return thrown
  if (hook.style === "effect" && way === "now") return hidden(hook, stage, "died")
  if (act._tag === "fail") return thrown
  // Converted hooks and promises throw what they throw; an effect says how it fails.
  if (hook.style === "effect" && way !== "promise") return hidden(hook, stage, act._tag === "die" ? "died" : "failed")
  return act._tag === "failCode" && isRejection(act.code) ? thrown : { ...hidden(hook, stage, "failed"), thrown }
}

const hidden = (hook: HookSpec, stage: Stage, verb: string): Failure => ({
  code: "GENERAL",
  message: describe(hook, stage, verb),
  isUnexpected: true
})

/** What a report says; of a failure that the caller is told about, that it was one. */
const reportOf = (hook: HookSpec, stage: Stage, { isUnexpected, message }: Failure): string =>
  isUnexpected === true ? message : describe(hook, stage, "failed")

/** What is reported of a `before` that gives back what is neither a contribution nor nothing, or what is not served. */
export const ignored = (hook: HookSpec, isServing: boolean): string | undefined => {
  const act = hook.steps.before?.act
  const isUnserved = act?._tag === "resolve" && !isServing
  const isAsked = !hook.changes.includes("break") && onFailure(hook, "before") !== "ignore"
  return isAsked && hook.style === "effect" && (isUnserved || (act?._tag === "garbage" && act.value !== undefined))
    ? describe(hook, "before", "died")
    : undefined
}

/** A hook that keeps its count by a hook context that is a new one in each stage. */
const forgets = ({ hook, slot }: Placed): boolean =>
  hook.style === "plain" && hook.memory === "WeakMap" && slot.form !== "same"

/** What the `error` stage of a hook is given. */
const told = ({ hook, slot }: Placed, outcome: Failure): Entry["error"] => {
  const { code, message } = hook.style === "converted" || slot.isAgain ? outcome.thrown ?? outcome : outcome
  // Effect hooks know the codes of OpenFeature alone.
  return { code: hook.style === "effect" && code === "ENOENT" ? "GENERAL" : code, message }
}

export const predict = (program: Program, client: Client): Observation => {
  const hooks = hooksOf(program).map((placed) => ({ ...placed, count: 0, isBroken: false }))
  const trace: Array<Entry> = []
  const failures: Array<string> = []
  const context = { ...program.contexts.api, ...program.contexts.client, ...program.contexts.invocation }
  // What FeatureFlags does about a provider that is replaced, it does for one of its own, which serves.
  const isServing = program.isServing || (client === "FeatureFlags" && program.replacedBy !== undefined)
  const closed = new Set<Slot>()
  const scoped = hooks.map(({ slot }) => slot).filter(({ scope }) => scope !== undefined)
  let answer = program.answer
  let resolution: (Act & { readonly _tag: "resolve" }) | undefined = undefined

  const run = (placed: typeof hooks[number], stage: Stage, more?: Pick<Entry, "error" | "details">) => {
    const { hook, slot } = placed
    const step = hook.steps[stage]
    if (step === undefined) return undefined
    if (closed.has(slot)) return rejects(stage) && slot.scope?.whenClosed === "reject" ? guarded : undefined
    if (hook.changes.includes("leave") || placed.isBroken) return undefined
    placed.isBroken = hook.changes.includes("break")
    if (placed.isBroken) return settle(placed, stage, hidden(hook, stage, "died"))

    const count = forgets(placed) ? 1 : ++placed.count
    // Behind a copy of the evaluation context it may be seen or not.
    const isSeen = hook.style === "effect" && slot.form !== "deep"
    const seen = isSeen && resolution !== undefined ? { resolution: resolution.value } : {}
    trace.push({ hook: hook.name, stage, count, context: { ...context }, ...seen, ...more })
    for (const slot of scoped) {
      if (slot.scope?.closedBy === hook.name && slot.scope.at === stage) closed.add(slot)
    }
    // The SDK calls the method of the old provider on the new one. One that serves is asked itself.
    if (program.replacedBy === hook.name && stage === "before" && client === "sdk" && !isServing) answer = replacement

    // A scope that closes interrupts its hooks: they count as done.
    const isDone = step.act._tag === "hang" && slot.scope?.whenClosed === "skip" && rejects(stage)
    const failure = isDone ? undefined : failureOf(hook, stage, step)
    if (failure !== undefined) return settle(placed, stage, failure)
    const { act } = step
    if (stage === "before" && (act._tag === "add" || act._tag === "mutate")) Object.assign(context, act.context)
    if (stage === "before" && act._tag === "resolve" && isServing) resolution ??= act
    const report = stage === "before" ? ignored(hook, isServing) : undefined
    if (report !== undefined && !failures.includes(report)) failures.push(report)
    return undefined
  }

  /** Whether a failure rejects the evaluation, or is reported, or both. */
  const settle = ({ hook }: Placed, stage: Stage, failure: Failure): Failure | undefined => {
    const policy = onFailure(hook, stage)
    const isRejected = policy === "reject"
    if (hook.style !== "plain" && policy !== "ignore" && !(isRejected && failure.isUnexpected !== true)) {
      failures.push(reportOf(hook, stage, failure))
    }
    return isRejected ? failure : undefined
  }

  const firstFailure = (
    slots: typeof hooks,
    stage: "before" | "after",
    more?: Pick<Entry, "details">
  ): Failure | undefined => {
    for (const slot of slots) {
      const failure = run(slot, stage, more)
      if (failure !== undefined) return failure
    }
    return undefined
  }
  const reversed = Array.from(hooks).reverse()
  const isProvider = ({ level }: Placed) => level === "provider"

  let resolved: Record_ | undefined = undefined
  const resolve = (): Failure | Details => {
    const rejected = firstFailure(hooks, "before")
    if (rejected !== undefined) return rejected
    if (program.status !== "READY") return statuses[program.status]
    const given = resolution ?? answer
    if (resolution === undefined) resolved = { ...context }
    else if (resolution.errorCode !== undefined) {
      return { code: resolution.errorCode, message: resolution.errorMessage ?? "" }
    } else if (typeof resolution.value !== "boolean") return mismatch
    if (!("value" in given)) return { code: given.code ?? "GENERAL", message: given.message }
    const details = { value: given.value, variant: given.variant, errorCode: undefined, errorMessage: undefined }
    // FeatureFlags refuses a value that is no boolean before its own hooks see it.
    const isRefused = client === "FeatureFlags" && typeof given.value !== "boolean"
    return firstFailure(reversed.filter(isProvider), "after", { details }) ??
      (isRefused
        ? { code: "TYPE_MISMATCH", message: "the flag's value is not a boolean" }
        : firstFailure(reversed.filter((slot) => !isProvider(slot)), "after", { details })) ??
      details
  }

  const outcome = resolve()
  if ("value" in outcome) {
    for (const slot of reversed) run(slot, "finally", { details: outcome })
    return { trace, resolved, details: outcome, failures }
  }
  const details = { value: false, variant: undefined, errorCode: outcome.code, errorMessage: outcome.message }
  for (const slot of reversed) run(slot, "error", { error: told(slot, outcome) })
  for (const slot of reversed) run(slot, "finally", { details })
  return { trace, resolved, details, failures }
}
