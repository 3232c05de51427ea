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

/** One evaluation of one level: a hook of the SDK that can also be finished from outside. */
export interface Evaluation extends SDK.Hook {
  /** Runs the stages that are owed when the SDK will not run them. */
  finish(error: unknown): Promise<void>
}

export interface Level {
  readonly isEmpty: boolean
  readonly start: (caller: Caller, accept?: Accept | undefined) => Evaluation
  readonly append: (that: Level) => Level
  /** @internal */
  readonly appendTo: <R0>(parts: ReadonlyArray<Part<unknown, R0>>, services: Context.Context<R0>) => Level
}

export const make = <R>(
  parts: ReadonlyArray<Part<unknown, R>>,
  services: Context.Context<R>,
  owner?: Owner | undefined
): Level => {
  // Compiled when first used: a list that is still growing is not.
  let stack: Stack<R> | undefined = undefined
  return {
    isEmpty: parts.length === 0,
    start: (caller, accept) => new Run(stack ??= new Stack(parts, services, owner), caller, accept),
    append: (that) => that.appendTo(parts, services),
    appendTo: <R0>(before: ReadonlyArray<Part<unknown, R0>>, theirs: Context.Context<R0>) =>
      make<R0 | R>([...before, ...parts], Context.merge(theirs, services), owner)
  }
}

export const empty: Level = make([], Context.empty())
