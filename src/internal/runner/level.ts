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
  /** Levels of one origin have the same services and the same owner. */
  readonly origin: object
  /** Starts one evaluation: a hook for the SDK. */
  readonly start: (caller: Caller, accept?: Accept | undefined) => SDK.Hook
  /** Joins a later level of the same origin to this one. */
  readonly append: (that: Level) => Level
  readonly appendTo: <R0>(parts: ReadonlyArray<Part<unknown, R0>>, services: Context.Context<R0>) => Level
}

export const make = <R>(
  parts: ReadonlyArray<Part<unknown, R>>,
  services: Context.Context<R>,
  owner?: Owner | undefined,
  origin: object = owner ?? services
): Level => {
  // Compiled when first used: a list that is still growing is not.
  let stack: Stack<R> | undefined = undefined
  return {
    origin,
    start: (caller, accept) => new Run(stack ??= new Stack(parts, services, owner), caller, accept),
    append: (that) => that.appendTo(parts, services),
    appendTo: <R0>(before: ReadonlyArray<Part<unknown, R0>>, theirs: Context.Context<R0>) =>
      make<R0 | R>([...before, ...parts], Context.merge(theirs, services), owner, origin)
  }
}

export const empty: Level = make([], Context.empty())
