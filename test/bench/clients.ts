/**
 * Clients to measure, of the SDK and of this library, all with the same provider
 * behind them; and the work of a batch on each.
 */
import { type Client, type EvaluationContext, type Hook, OpenFeature, type Provider } from "@openfeature/server-sdk"
import { Effect, Exit, Scope } from "effect"
import { FeatureFlags, type FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { type Batch, timed } from "./measure.ts"

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

// A domain of its own for each client, so that no hook is seen by another.
const domain = async (): Promise<string> => {
  const name = `bench-${++domains}`
  await OpenFeature.setProviderAndWait(name, provider())
  return name
}

export const client = async (hooks: ReadonlyArray<Hook>): Promise<Client> =>
  OpenFeature.getClient(await domain()).addHooks(...hooks)

/** The hooks as one hook of the SDK, or none where there are none. */
export const bridged = (hooks: ReadonlyArray<FeatureHook.FeatureHook<unknown>>): ReadonlyArray<Hook> =>
  hooks.length === 0 ? [] : [OpenFeatureHook.make(...hooks)]

export type Flags = FeatureFlags.FeatureFlags["Service"]

/** A client of this library that lives as long as the process. */
export const flags = async (hooks: ReadonlyArray<FeatureHook.FeatureHook>): Promise<Flags> =>
  Effect.runPromise(Scope.provide(FeatureFlags.make({ domain: await domain(), hooks }), Effect.runSync(Scope.make())))

const context: EvaluationContext = { targetingKey: "user-1", plan: "pro", region: "eu" }

/** Evaluations with the client of the SDK, as an application without Effect makes them. */
export const evaluating = (client: Client, evaluationContext = context): Batch =>
  timed(async (count) => {
    for (let i = 0; i < count; i++) await client.getBooleanValue("new-checkout", false, evaluationContext)
  })

const request = { context }

/** One evaluation with a client of this library. */
export const evaluation = (
  flags: Flags,
  hooks?: ReadonlyArray<FeatureHook.FeatureHook>
): () => Effect.Effect<boolean> => {
  const options = hooks === undefined ? request : { context, hooks }
  return () => flags.boolean("new-checkout", false, options)
}

/** One evaluation with the client of the SDK, inside an Effect program. */
export const sdkEvaluation = (client: Client): () => Effect.Effect<boolean> => () =>
  Effect.promise(() => client.getBooleanValue("new-checkout", false, context))

/** Evaluations inside an Effect program. The work of a batch is one program, as it is in an application. */
export const looping = (
  evaluate: () => Effect.Effect<unknown>,
  region: (program: Effect.Effect<void>) => Effect.Effect<void> = (program) => program
): Batch =>
  timed((count) =>
    Effect.runPromise(region(Effect.gen(function*() {
      for (let i = 0; i < count; i++) yield* evaluate()
    })))
  )

/** Evaluations right after a hook was added, and removed afterwards; only the evaluations are timed. */
export const evaluatingAfterAdding = (flags: Flags, hook: FeatureHook.FeatureHook): Batch => (count) =>
  Effect.runPromise(Effect.gen(function*() {
    const evaluate = evaluation(flags)
    let nanos = 0n
    for (let i = 0; i < count; i++) {
      const scope = yield* Scope.make()
      yield* Scope.provide(flags.addHooks(hook), scope)
      const start = process.hrtime.bigint()
      yield* evaluate()
      nanos += process.hrtime.bigint() - start
      yield* Scope.close(scope, Exit.void)
    }
    return Number(nanos)
  }))
