/**
 * The hooks that are measured: the same small work in each stage, written in
 * different ways.
 */
import type { Hook } from "@openfeature/server-sdk"
import { Effect } from "effect"
import { constVoid } from "effect/Function"
import { FeatureHook } from "effect-openfeature"

/** What every hook does: so little that the rest shows, so much that it cannot be left out. */
export const work = { done: 0 }

const step = (): void => {
  work.done++
}

export const times = <A>(count: number, make: (index: number) => A): Array<A> =>
  Array.from({ length: count }, (_, index) => make(index))

/** By hand, as most people write hooks for the SDK. */
export const handwritten = (): Hook => ({
  before: async () => step(),
  after: async () => step(),
  finally: async () => step()
})

/** By hand, without promises. The SDK waits for each stage all the same. */
export const handwrittenSync = (): Hook => ({
  before: step,
  after: step,
  finally: step
})

/** Each stage is a plain function that gives its result at once. */
export const plain = (index: number): FeatureHook.FeatureHook =>
  FeatureHook.make(`hook-${index}`, { before: step, after: step, finally: step })

/** Each stage does nothing at all. */
export const noop = (name: string): FeatureHook.FeatureHook =>
  FeatureHook.make(name, { before: constVoid, after: constVoid, finally: constVoid })

/** Each stage is an effect. */
export const effect = (index: number): FeatureHook.FeatureHook =>
  FeatureHook.make(`hook-${index}`, {
    before: () => Effect.sync(step),
    after: () => Effect.sync(step),
    finally: () => Effect.sync(step)
  })

const stageNames = ["before", "after", "finally"] as const

const onlyStage = (index: number) => stageNames[index % stageNames.length] ?? "before"

export const sparseHandwritten = (index: number): Hook => ({ [onlyStage(index)]: async () => step() })

export const sparseEffect = (index: number): FeatureHook.FeatureHook =>
  FeatureHook.make(`hook-${index}`, { [onlyStage(index)]: () => Effect.sync(step) })

const promise = Promise.resolve()

export const asyncHandwritten = (): Hook => ({
  ...handwritten(),
  after: async () => {
    await promise
    step()
  }
})

export const asyncEffect = (index: number): FeatureHook.FeatureHook =>
  FeatureHook.make(`hook-${index}`, {
    before: () => Effect.sync(step),
    after: () => Effect.map(Effect.promise(() => promise), step),
    finally: () => Effect.sync(step)
  })

/** The effects of a hook, without the hook: what the floor is made of. */
export interface Stages {
  readonly before?: (() => Effect.Effect<unknown>) | undefined
  readonly after?: (() => Effect.Effect<unknown>) | undefined
  readonly finally?: (() => Effect.Effect<unknown>) | undefined
}

export const bareEffect = (): Stages => ({
  before: () => Effect.sync(step),
  after: () => Effect.sync(step),
  finally: () => Effect.sync(step)
})

export const bareSparse = (index: number): Stages => ({ [onlyStage(index)]: () => Effect.sync(step) })

export const bareAsync = (): Stages => ({
  ...bareEffect(),
  after: () => Effect.map(Effect.promise(() => promise), step)
})
