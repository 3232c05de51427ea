/**
 * One evaluation with hooks at every level, in four variants: through a client
 * of the plain SDK or through `FeatureFlags`, with hooks that stay synchronous
 * or that do not.
 */
import { describe, it } from "@effect/vitest"
import type * as SDK from "@openfeature/server-sdk"
import { OpenFeature } from "@openfeature/server-sdk"
import { Effect, type Scope } from "effect"
import {
  EvaluationContext,
  type EvaluationDetails,
  FeatureFlags,
  FeatureHook,
  HookHints,
  OpenFeatureHook
} from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"

type Hooks = ReadonlyArray<FeatureHook.FeatureHook<unknown>>

export interface Evaluation {
  readonly api?: Hooks
  readonly client?: Hooks
  readonly invocation?: Hooks
  readonly provider?: Hooks
  readonly answer?: TestProvider.Answer
  readonly context?: EvaluationContext.EvaluationContext
  readonly hints?: SDK.HookHints
}

export interface Outcome {
  readonly details: EvaluationDetails.EvaluationDetails
  /** What the provider was asked with, once per call. */
  readonly calls: ReadonlyArray<EvaluationContext.EvaluationContext>
}

export type Rig = (evaluation: Evaluation) => Effect.Effect<Outcome>

export const flagKey = "flag"

let domains = 0

const rig = (client: "sdk" | "FeatureFlags", path: "sync" | "async"): Rig => (evaluation) =>
  Effect.gen(function*(): Effect.fn.Return<Outcome, unknown, Scope.Scope> {
    const prepare = (hooks: Hooks = []): Hooks =>
      path === "sync"
        ? hooks
        : hooks.map((hook) => FeatureHook.transform(hook, (stage) => Effect.andThen(Effect.yieldNow, stage)))
    const domain = `spec-${domains++}`
    const provider = yield* TestProvider.make({
      flags: { [flagKey]: evaluation.answer ?? TestProvider.value(true, { variant: "on" }) },
      hooks: [OpenFeatureHook.make(...prepare(evaluation.provider))]
    })
    yield* Effect.promise(() => OpenFeature.setProviderAndWait(domain, provider))
    yield* OpenFeatureHook.register(OpenFeature, ...prepare(evaluation.api))
    const details = yield* client === "sdk"
      ? plain(domain, evaluation, prepare)
      : effectful(domain, evaluation, prepare)
    const calls = yield* provider.calls
    return { details, calls: calls.map((call) => call.context) }
  }).pipe(Effect.scoped, Effect.orDie)

const plain = (domain: string, evaluation: Evaluation, prepare: (hooks?: Hooks) => Hooks) =>
  Effect.promise(async (): Promise<EvaluationDetails.EvaluationDetails> => {
    const sdk = OpenFeature.getClient(domain)
    sdk.addHooks(OpenFeatureHook.make(...prepare(evaluation.client)))
    return sdk.getBooleanDetails(flagKey, false, EvaluationContext.toSdk(evaluation.context ?? {}), {
      hooks: [OpenFeatureHook.make(...prepare(evaluation.invocation))],
      ...evaluation.hints === undefined ? {} : { hookHints: evaluation.hints }
    })
  })

const effectful = (domain: string, evaluation: Evaluation, prepare: (hooks?: Hooks) => Hooks) =>
  Effect.gen(function*() {
    const flags = yield* FeatureFlags.make({ domain, hooks: prepare(evaluation.client) })
    return yield* flags.booleanDetails(flagKey, false, {
      context: evaluation.context,
      hooks: prepare(evaluation.invocation),
      hints: HookHints.fromRecord(evaluation.hints)
    })
  })

/** A test of a rule, in all four variants. */
export const rule = <E>(name: string, test: (rig: Rig) => Effect.Effect<void, E, Scope.Scope>): void =>
  describe.each([["sdk", "sync"], ["sdk", "async"], ["FeatureFlags", "sync"], ["FeatureFlags", "async"]] as const)(
    "%s, %s",
    (client, path) => {
      it.effect(name, () => Effect.scoped(test(rig(client, path))))
    }
  )
