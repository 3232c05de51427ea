/**
 * What a hook is given, made by hand, and a way to run one hook through its
 * stages without a client.
 *
 * @since 0.1.0
 */
import * as SDK from "@openfeature/server-sdk"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as EvaluationContext from "../EvaluationContext.ts"
import * as EvaluationDetails from "../EvaluationDetails.ts"
import * as EvaluationError from "../EvaluationError.ts"
import type { FeatureHook } from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as HookHints from "../HookHints.ts"
import * as Registration from "../internal/hook/registration.ts"
import { View } from "../internal/hook/view.ts"
import { Evaluation } from "../internal/runner/evaluation.ts"
import { Run } from "../internal/runner/run.ts"
import { Stack } from "../internal/runner/stack.ts"

/**
 * What can be said about a hook context; the rest is filled in.
 *
 * @category models
 * @since 0.1.0
 */
export interface HookContextOptions {
  readonly flagKey?: string | undefined
  readonly flagValueType?: SDK.FlagValueType | undefined
  readonly defaultValue?: EvaluationDetails.FlagValue | undefined
  readonly context?: EvaluationContext.EvaluationContext | undefined
  readonly domain?: string | undefined
  readonly providerName?: string | undefined
}

const silent: SDK.Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined
}

const sdkHookContext = (options: HookContextOptions): SDK.BeforeHookContext => ({
  flagKey: options.flagKey ?? "test-flag",
  flagValueType: options.flagValueType ?? "boolean",
  defaultValue: EvaluationDetails.toSdkValue(EvaluationContext.snapshot(options.defaultValue ?? false)),
  // Frozen all the way down but at the top, where the SDK assigns: a hook that
  // writes into what it is given fails here.
  context: EvaluationContext.toSdk(EvaluationContext.snapshot(options.context ?? EvaluationContext.empty)),
  clientMetadata: { domain: options.domain ?? "test", providerMetadata: { name: options.providerName ?? "test" } },
  providerMetadata: { name: options.providerName ?? "test" },
  logger: silent,
  hookData: new SDK.MapHookData()
})

/**
 * Makes a hook context, frozen all the way down.
 *
 * **Example** (Asking a filter)
 *
 * ```ts
 * import { FlagFilter } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const context = Fixtures.hookContext({ flagKey: "checkout-button", domain: "shop" })
 * FlagFilter.domain("shop")(context) // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const hookContext = (options: HookContextOptions = {}): HookContext => new View({ sdk: sdkHookContext(options) })

/**
 * Makes evaluation details, frozen all the way down: `true` with the variant
 * `on`, unless said otherwise.
 *
 * @category constructors
 * @since 0.1.0
 */
export const details = (
  options: Partial<EvaluationDetails.EvaluationDetails> = {}
): EvaluationDetails.EvaluationDetails =>
  EvaluationContext.snapshot({
    flagKey: "test-flag",
    value: true,
    variant: "on",
    reason: "STATIC",
    flagMetadata: {},
    ...options
  })

/**
 * What one run of a hook is given: about the evaluation, and how the provider
 * ends it.
 *
 * @category models
 * @since 0.1.0
 */
export interface RunOptions {
  readonly context?: HookContextOptions | undefined
  readonly hints?: HookHints.HookHints | undefined
  /** What the provider resolves, if it does. */
  readonly details?: Partial<EvaluationDetails.EvaluationDetails> | undefined
  /** What the provider throws instead. */
  readonly error?: unknown
}

/**
 * What became of the evaluation.
 *
 * **Details**
 *
 * `context` is what the provider was asked with, `hints` what they were at the
 * end, `details` what the caller gets.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome {
  readonly context: EvaluationContext.EvaluationContext
  readonly hints: HookHints.HookHints
  readonly details: EvaluationDetails.EvaluationDetails
}

/**
 * Runs a hook through its stages: `before`, then `after` or `error`, then
 * `finally`, as an evaluation would.
 *
 * **Details**
 *
 * Everything the hook is given is frozen all the way down, so a hook that writes
 * to it fails. It runs with the services of the test, its clock among them.
 *
 * **Example** (What a hook contributes)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const enrich = FeatureHook.make("enrich", { before: () => Effect.succeed({ context: { region: "eu" } }) })
 * const outcome = await Effect.runPromise(Fixtures.run(enrich, { context: { context: { plan: "pro" } } }))
 * outcome.context // => { plan: "pro", region: "eu" }
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = <E, R>(hook: FeatureHook<E, R>, options: RunOptions = {}): Effect.Effect<Outcome, never, R> =>
  Effect.contextWith((services: Context.Context<R>) => {
    const evaluation = new Evaluation(services, options.hints ?? HookHints.empty)
    const run = new Run(new Stack([Registration.make(hook.parts, services)]), evaluation)
    const sdk = sdkHookContext(options.context ?? {})
    return Effect.map(
      Effect.promise(() => evaluate(run, sdk, options)),
      (details): Outcome => ({ context: { ...sdk.context }, hints: evaluation.hints, details })
    )
  })

const evaluate = async (
  run: Run,
  sdk: SDK.BeforeHookContext,
  options: RunOptions
): Promise<EvaluationDetails.EvaluationDetails> => {
  const resolved = { ...details(options.details), flagKey: sdk.flagKey }
  let outcome: EvaluationDetails.EvaluationDetails = resolved
  try {
    Object.assign(sdk.context, await run.before(sdk, undefined))
    if ("error" in options) throw options.error
    const failure = EvaluationError.fromDetails(resolved)
    if (failure !== undefined) throw failure
    await run.after(sdk, EvaluationDetails.toSdk(resolved), undefined)
  } catch (error) {
    await run.error(sdk, error, undefined)
    outcome = EvaluationDetails.failed(sdk.flagKey, EvaluationContext.snapshot(sdk.defaultValue), error)
  }
  await run.finally(sdk, EvaluationDetails.toSdk(outcome), undefined)
  return outcome
}
