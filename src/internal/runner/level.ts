/**
 * The hooks of one level together with the services they need, which nobody
 * else has to know.
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Context from "effect/Context"
import type { Owner } from "../owner.ts"
import type { Part } from "../part.ts"
import type { Caller } from "./caller.ts"
import { type Accept, Run } from "./run.ts"
import { Stack } from "./stack.ts"

export interface Level {
  /** Starts one evaluation: a hook for the SDK. */
  readonly start: (caller: Caller, accept?: Accept | undefined) => SDK.Hook
}

export const make = <R>(
  parts: ReadonlyArray<Part<unknown, R>>,
  services: Context.Context<R>,
  owner?: Owner | undefined
): Level => {
  const stack = new Stack(parts, services, owner)
  return { start: (caller, accept) => new Run(stack, caller, accept) }
}

export const empty: Level = make([], Context.empty())
