/** A hook with what it owns, as plain code makes it. */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as FeatureHook from "../../FeatureHook.ts"
import { read } from "../untrusted.ts"

interface Owned {
  readonly hook: FeatureHook.FeatureHook<unknown>
  readonly [Symbol.asyncDispose]: () => PromiseLike<unknown>
}

type Made = FeatureHook.FeatureHook<unknown> | Owned

/** A hook, one with what it owns, or a function that makes one of them. */
export type Source = Made | (() => Made | PromiseLike<Made>)

const isOwned = (value: unknown): value is Owned =>
  FeatureHook.isFeatureHook(read(value, "hook")) && typeof read(value, Symbol.asyncDispose) === "function"

export const isSource = (value: unknown): value is Source =>
  FeatureHook.isFeatureHook(value) || typeof value === "function" || isOwned(value)

/** Makes a hook, and releases what it owns with the scope. A function can make anything. */
export const acquire = (source: Source): Effect.Effect<unknown, unknown, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.flatMap(
      Effect.try({ try: (): unknown => typeof source === "function" ? source() : source, catch: identity }),
      // What is there at once must not wait for a turn of the event loop.
      (made) =>
        Predicate.isPromiseLike(made) ? Effect.tryPromise({ try: () => made, catch: identity }) : Effect.succeed(made)
    ),
    (made) => isOwned(made) ? Effect.promise(async () => made[Symbol.asyncDispose]()) : Effect.void
  ).pipe(Effect.map((made) => isOwned(made) ? made.hook : made))
