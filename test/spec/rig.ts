/**
 * One evaluation with hooks at every level, in several variants: through a
 * client of the plain SDK or through `FeatureFlags`, with hooks that stay
 * synchronous or that do not.
 */
import { describe, it } from "@effect/vitest"
import type * as SDK from "@openfeature/server-sdk"
import {
  AsyncLocalStorageTransactionContextPropagator,
  NOOP_TRANSACTION_CONTEXT_PROPAGATOR,
  OpenFeature
} from "@openfeature/server-sdk"
import { type Context, Effect, Function, References, type Scope } from "effect"
import {
  EvaluationContext,
  type EvaluationDetails,
  EvaluationError,
  FeatureFlags,
  type FeatureHook,
  HookHints,
  OpenFeatureHook
} from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { type Client, clients, flagsDetails, sdkDetails } from "../clients.ts"
import { deferred } from "../support.ts"
import { make, type Way } from "./hook.ts"

/** How the hooks of the tests give their results. `"value"` and `"promise"` are for stages without Effect. */
const ways: ReadonlyArray<Way> = ["value", "promise", "effect", "later"]

type Hooks = ReadonlyArray<FeatureHook.FeatureHook<unknown>>

export interface Evaluation {
  readonly api?: Hooks
  readonly client?: Hooks
  readonly invocation?: Hooks
  readonly provider?: Hooks
  readonly answer?: TestProvider.Answer
  /** `false` by default. The flag has the type of this value. */
  readonly defaultValue?: EvaluationDetails.FlagValue
  readonly apiContext?: EvaluationContext.EvaluationContext
  readonly clientContext?: EvaluationContext.EvaluationContext
  /** The context of the invocation. */
  readonly context?: EvaluationContext.EvaluationContext
  readonly hints?: SDK.HookHints
}

export interface Outcome {
  readonly details: EvaluationDetails.EvaluationDetails
  /** What the provider was asked with, once per call. */
  readonly calls: ReadonlyArray<EvaluationContext.EvaluationContext>
  /** The provider's own metadata, after the evaluation. */
  readonly providerMetadata: unknown
}

export interface Rig {
  readonly evaluate: (evaluation: Evaluation) => Effect.Effect<Outcome>
  /** What the caller reads of a message: the SDK's client gives it word for word, `FeatureFlags` as one bounded line. */
  readonly told: (message: string | undefined) => string | undefined
  /** Makes an Effect hook whose stages give their results in the way of the variant. */
  readonly hook: ReturnType<typeof make>
}

export const flagKey = "flag"

/** An answer of a provider that does not give a value. */
export const failure = TestProvider.throwing(new Error("the provider is broken"))

/** Keeps what goes wrong on purpose out of the log. */
export const silent = Effect.provideService(References.UnhandledLogLevel, undefined)

let domains = 0

export const newDomain = (): string => `spec-${domains++}`

/** Sets the context of the API object until the scope closes. */
export const apiContext = (context: EvaluationContext.EvaluationContext): Effect.Effect<void, never, Scope.Scope> =>
  Effect.suspend(() => {
    const saved = OpenFeature.getContext()
    return Effect.acquireRelease(
      Effect.sync(() => void OpenFeature.setContext(EvaluationContext.toSdk(context))),
      () => Effect.sync(() => OpenFeature.setContext(saved))
    )
  })

/** Gives the API object transactions until the scope closes. */
export const transactions: Effect.Effect<void, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    OpenFeature.setTransactionContextPropagator(new AsyncLocalStorageTransactionContextPropagator())
  }),
  () => Effect.sync(() => OpenFeature.setTransactionContextPropagator(NOOP_TRANSACTION_CONTEXT_PROPAGATOR))
)

/** Runs in a transaction of the API object. */
export const inTransaction =
  (context: EvaluationContext.EvaluationContext) =>
  <A, R>(effect: Effect.Effect<A, never, R>): Effect.Effect<A, never, R> =>
    Effect.contextWith((services: Context.Context<R>) =>
      Effect.promise(() =>
        new Promise<A>((resolve) => {
          const run = () => resolve(Effect.runPromiseWith(services)(effect))
          OpenFeature.setTransactionContext(EvaluationContext.toSdk(context), run)
        })
      )
    )

/** Metadata with something nested in it, which the SDK's type does not foresee and providers have. */
const metadata = (): SDK.ProviderMetadata => Function.cast({ name: "test", nested: { level: "live" } })

const evaluateWith = (client: Client, prepare: (hooks?: Hooks) => Hooks): Rig["evaluate"] => (evaluation) =>
  Effect.gen(function*(): Effect.fn.Return<Outcome, unknown, Scope.Scope> {
    const domain = newDomain()
    const scripted = yield* TestProvider.make({
      flags: { [flagKey]: evaluation.answer ?? TestProvider.value(true, { variant: "on" }) },
      hooks: [OpenFeatureHook.make(...prepare(evaluation.provider))]
    })
    const provider = { ...scripted, metadata: metadata() }
    yield* Effect.promise(() => OpenFeature.setProviderAndWait(domain, provider))
    if (evaluation.apiContext !== undefined) yield* apiContext(evaluation.apiContext)
    yield* OpenFeatureHook.register(OpenFeature, ...prepare(evaluation.api))
    const details = yield* client === "sdk"
      ? plain(domain, evaluation, prepare)
      : effectful(domain, evaluation, prepare)
    const calls = yield* provider.calls
    return { details, calls: calls.map((call) => call.context), providerMetadata: provider.metadata }
  }).pipe(Effect.scoped, Effect.orDie)

const plain = (domain: string, evaluation: Evaluation, prepare: (hooks?: Hooks) => Hooks) =>
  Effect.suspend(() => {
    const sdk = OpenFeature.getClient(domain, EvaluationContext.toSdk(evaluation.clientContext ?? {}))
    sdk.addHooks(OpenFeatureHook.make(...prepare(evaluation.client)))
    return sdkDetails(sdk, flagKey, evaluation.defaultValue ?? false, evaluation.context, {
      hooks: [OpenFeatureHook.make(...prepare(evaluation.invocation))],
      ...evaluation.hints === undefined ? {} : { hookHints: evaluation.hints }
    })
  })

const effectful = (domain: string, evaluation: Evaluation, prepare: (hooks?: Hooks) => Hooks) =>
  Effect.gen(function*() {
    const flags = yield* FeatureFlags.make({
      domain,
      context: evaluation.clientContext,
      hooks: prepare(evaluation.client)
    })
    return yield* flagsDetails(flags, flagKey, evaluation.defaultValue ?? false, {
      context: evaluation.context,
      hooks: prepare(evaluation.invocation),
      hints: HookHints.fromRecord(evaluation.hints)
    })
  })

const rigOf = (client: Client, way: Way): Rig => ({
  // Hooks that are written with effects, or converted, take a turn too.
  evaluate: evaluateWith(client, (hooks = []) => way === "later" ? hooks.map(deferred) : hooks),
  told: (message) => client === "sdk" ? message : EvaluationError.fromUnknown({ message }).message,
  hook: make(way)
})

type Test<E> = (rig: Rig) => Effect.Effect<void, E, Scope.Scope>

/** A test of a rule about hooks, in all variants. */
export const rule = <E>(name: string, test: Test<E>, through: ReadonlyArray<Client> = clients): void =>
  describe.each(through.flatMap((client) => ways.map((way) => [client, way] as const)))("%s, %s", (client, way) => {
    it.effect(name, () => Effect.scoped(test(rigOf(client, way))))
  })

// Without any hook, an evaluation takes another path.
const watched = (rig: Rig): Rig => {
  const hooks = [rig.hook("idle", { before: () => undefined, after: () => undefined, finally: () => undefined })]
  return { ...rig, evaluate: (evaluation) => rig.evaluate({ client: hooks, ...evaluation }) }
}

/** A test of a rule about evaluations: through both clients, with a hook and without. */
export const clientRule = <E>(name: string, test: Test<E>, through: ReadonlyArray<Client> = clients): void =>
  describe.each(through)("%s", (client) => {
    const rig = rigOf(client, "effect")
    it.effect(name, () => Effect.scoped(test(rig)))
    it.effect(`${name}, with a hook`, () => Effect.scoped(test(watched(rig))))
  })
