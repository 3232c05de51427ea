/** The hook under test, in each form in which a user has one. */
import type * as SDK from "@openfeature/server-sdk"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as FeatureHook from "../../../FeatureHook.ts"
import * as Check from "../../../internal/check.ts"
import * as Part from "../../../internal/hook/part.ts"
import { read } from "../../../internal/untrusted.ts"
import type { Subject } from "./world.ts"

export interface Owned {
  /** The hook under test. */
  readonly hook: Subject
  /** Releases what the hook owns. Nothing by default. */
  readonly close?: (() => PromiseLike<void> | void) | undefined
}

export type Made = Subject | Owned

export type Make = () => Made | PromiseLike<Made> | Effect.Effect<Made, unknown, Scope.Scope>

const isOwned = (made: Made): made is Owned => Predicate.isObject(read(made, "hook"))

const isSdkHook = (hook: unknown): hook is SDK.Hook =>
  Part.stages.some((stage) => typeof read(hook, stage) === "function")

const checked = (owner: string, hook: Subject): Subject =>
  FeatureHook.isFeatureHook(hook) || isSdkHook(hook)
    ? hook
    : Check.reject(owner, "the result of make", "a FeatureHook, a hook of the SDK, or an object with a hook", hook)

const owned = (owner: string, made: Made): Effect.Effect<Subject, never, Scope.Scope> =>
  Effect.suspend(() => {
    if (!isOwned(made)) return Effect.succeed(checked(owner, made))
    const release = Effect.promise(async () => made.close?.())
    return Effect.acquireRelease(Effect.sync(() => checked(owner, made.hook)), () => release)
  })

/** Creates a new hook, which lives as long as the scope. Its failure is a defect: there is nothing to test. */
export const acquire = (owner: string, make: Make): Effect.Effect<Subject, never, Scope.Scope> =>
  Effect.suspend(() => {
    const made = make()
    if (Effect.isEffect(made)) return Effect.orDie(made)
    return Predicate.isPromiseLike(made) ? Effect.promise(() => made) : Effect.succeed(made)
  }).pipe(Effect.flatMap((made) => owned(owner, made)))
