/**
 * Clients to measure: the same provider behind each, the same small work in each
 * hook, written in different ways.
 */
import { type Client, type Hook, OpenFeature, type Provider } from "@openfeature/server-sdk"
import { Context, Effect } from "effect"
import { FeatureHook, OpenFeatureHook } from "effect-openfeature"
import type { Batch } from "./measure.ts"

/** What every hook does: so little that the rest shows, so much that it cannot be left out. */
export const work = { done: 0 }

const resolved = { value: true, reason: "STATIC" }

const provider = (): Provider => ({
  metadata: { name: "bench" },
  runsOn: "server",
  resolveBooleanEvaluation: () => Promise.resolve(resolved),
  resolveStringEvaluation: (_key, value) => Promise.resolve({ value }),
  resolveNumberEvaluation: (_key, value) => Promise.resolve({ value }),
  resolveObjectEvaluation: (_key, value) => Promise.resolve({ value })
})

let domains = 0

export const domain = async (): Promise<string> => {
  const name = `bench-${++domains}`
  await OpenFeature.setProviderAndWait(name, provider())
  return name
}

export const client = async (hooks: ReadonlyArray<Hook>): Promise<Client> =>
  OpenFeature.getClient(await domain()).addHooks(...hooks)

export const context = { targetingKey: "user-1", plan: "pro", region: "eu" }

export const evaluating = (client: Client, evaluationContext = context): Batch => async (count) => {
  for (let i = 0; i < count; i++) await client.getBooleanValue("new-checkout", false, evaluationContext)
}

const step = () => void work.done++

export const times = <A>(count: number, make: (index: number) => A): Array<A> =>
  Array.from({ length: count }, (_, index) => make(index))

/** The hooks as they are written by hand. */
export const handwritten = (): Hook => ({
  before: async () => step(),
  after: async () => step(),
  finally: async () => step()
})

export const handwrittenSync = (): Hook => ({
  before: () => step(),
  after: () => step(),
  finally: () => step()
})

/** A bridge as it is written first: each stage its own promise. */
export const naive = (): Hook => ({
  before: () => Effect.runPromise(Effect.sync(step)),
  after: () => Effect.runPromise(Effect.sync(step)),
  finally: () => Effect.runPromise(Effect.sync(step))
})

export const effect = (index: number): FeatureHook.FeatureHook =>
  FeatureHook.make(`hook-${index}`, {
    before: () => Effect.sync(step),
    after: () => Effect.sync(step),
    finally: () => Effect.sync(step)
  })

const stageNames = ["before", "after", "finally"] as const

export const sparseHandwritten = (index: number): Hook => ({
  [stageNames[index % stageNames.length] ?? "before"]: async () => step()
})

export const sparseEffect = (index: number): FeatureHook.FeatureHook =>
  FeatureHook.make(`hook-${index}`, { [stageNames[index % stageNames.length] ?? "before"]: () => Effect.sync(step) })

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

interface Stages {
  readonly before?: (() => Effect.Effect<unknown>) | undefined
  readonly after?: (() => Effect.Effect<unknown>) | undefined
  readonly finally?: (() => Effect.Effect<unknown>) | undefined
}

/**
 * The least that Effect hooks can cost: per stage one fiber that runs them, and
 * none of what makes hooks safe. No errors, no contexts, details, hints or data.
 */
export const bare = (hooks: ReadonlyArray<Stages>): Hook => {
  const stage = (name: keyof Stages) => {
    const effects = hooks.flatMap((hook) => hook[name] ?? [])
    return effects.length === 0 ? undefined : () => run(effects)
  }
  const [before, after, last] = [stage("before"), stage("after"), stage("finally")]
  return { ...before && { before }, ...after && { after }, ...last && { finally: last } }
}

const fork = Effect.runForkWith(Context.empty())

const run = (effects: ReadonlyArray<() => Effect.Effect<unknown>>): Promise<void> | undefined => {
  const fiber = fork(Effect.whileLoop(new Loop(effects)))
  if (fiber.pollUnsafe() !== undefined) return undefined
  return new Promise((resolve) => fiber.addObserver(() => resolve()))
}

class Loop {
  readonly #effects: ReadonlyArray<() => Effect.Effect<unknown>>
  #index = 0
  constructor(effects: ReadonlyArray<() => Effect.Effect<unknown>>) {
    this.#effects = effects
  }
  while(): boolean {
    return this.#index < this.#effects.length
  }
  body(): Effect.Effect<unknown> {
    return this.#effects[this.#index]?.() ?? Effect.void
  }
  step(): void {
    this.#index++
  }
}

export const bareEffect = (): Stages => ({
  before: () => Effect.sync(step),
  after: () => Effect.sync(step),
  finally: () => Effect.sync(step)
})

export const bareSparse = (index: number): Stages => ({
  [stageNames[index % stageNames.length] ?? "before"]: () => Effect.sync(step)
})

export const bareAsync = (): Stages => ({
  ...bareEffect(),
  after: () => Effect.map(Effect.promise(() => promise), step)
})

export const bridged = (hooks: ReadonlyArray<FeatureHook.FeatureHook<unknown>>): ReadonlyArray<Hook> => [
  OpenFeatureHook.make(...hooks)
]
