/**
 * Hook contexts and evaluation details for tests, and a function that runs a
 * hook without a client.
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
import { serve } from "../internal/hook/serve.ts"
import * as Check from "../internal/check.ts"
import * as Registration from "../internal/hook/registration.ts"
import { noteServer } from "../internal/hook/server.ts"
import { View } from "../internal/hook/view.ts"
import { Evaluation } from "../internal/runner/evaluation.ts"
import { Run } from "../internal/runner/run.ts"
import { Stack } from "../internal/runner/stack.ts"

/**
 * The fields of a hook context. Missing ones have a default.
 *
 * @category models
 * @since 0.1.0
 */
export interface HookContextOptions {
  /** The key of the flag, `"test-flag"` by default. */
  readonly flagKey?: string | undefined
  /** The type of the flag, `"boolean"` by default. */
  readonly flagValueType?: SDK.FlagValueType | undefined
  /** The default value of the flag, `false` by default. */
  readonly defaultValue?: EvaluationDetails.FlagValue | undefined
  /** The evaluation context, empty by default. */
  readonly context?: EvaluationContext.EvaluationContext | undefined
  /** The domain of the client, `"test"` by default. */
  readonly domain?: string | undefined
  /** The name of the provider, `"test"` by default. */
  readonly providerName?: string | undefined
}

// Names, and what the tester decides. What comes from a provider may have any type, to test a hook with it.
const checkContext = (owner: string, options: HookContextOptions): void => {
  Check.options(owner, options, {
    flagKey: Check.aString,
    flagValueType: Check.among("boolean", "string", "number", "object"),
    defaultValue: Check.anything,
    context: Check.aRecord,
    domain: Check.aString,
    providerName: Check.anything
  })
}

const checkDetails = (owner: string, options: Partial<EvaluationDetails.EvaluationDetails>): void => {
  Check.options(owner, options, {
    flagKey: Check.aString,
    value: Check.anything,
    variant: Check.anything,
    reason: Check.anything,
    errorCode: (owner, name, value) => {
      if (!EvaluationError.isErrorCode(value)) Check.reject(owner, name, "an error code of OpenFeature", value)
    },
    errorMessage: Check.anything,
    flagMetadata: Check.anything
  })
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
  // The SDK assigns to the top level only. Everything below is frozen, so a hook that writes to it
  // fails.
  context: EvaluationContext.toSdk(EvaluationContext.snapshot(options.context ?? EvaluationContext.empty)),
  clientMetadata: { domain: options.domain ?? "test", providerMetadata: { name: options.providerName ?? "test" } },
  providerMetadata: noteServer({ name: options.providerName ?? "test" }),
  logger: silent,
  hookData: new SDK.MapHookData()
})

/**
 * Creates a deeply frozen hook context.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when an option is unknown or has the wrong type.
 *
 * **Example** (Testing a filter)
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
export const hookContext = (options: HookContextOptions = {}): HookContext => {
  checkContext("Fixtures.hookContext", options)
  return new View({ sdk: sdkHookContext(options) })
}

/**
 * Creates deeply frozen evaluation details: by default the value `true` with the
 * variant `on` and the reason `STATIC`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when a field is unknown or has the wrong type.
 *
 * **Example** (Creating the details of an error)
 *
 * ```ts
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const details = Fixtures.details({ value: false, reason: "ERROR", errorCode: "FLAG_NOT_FOUND" })
 * details.flagKey // => "test-flag"
 * details.errorCode // => "FLAG_NOT_FOUND"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const details = (
  options: Partial<EvaluationDetails.EvaluationDetails> = {}
): EvaluationDetails.EvaluationDetails => {
  checkDetails("Fixtures.details", options)
  return EvaluationContext.snapshot({
    flagKey: "test-flag",
    value: true,
    variant: "on",
    reason: "STATIC",
    flagMetadata: {},
    ...options
  })
}

/**
 * The options of a run: the evaluation, and the result of the provider.
 *
 * @category models
 * @since 0.1.0
 */
export interface RunOptions {
  /** The fields of the hook context. */
  readonly context?: HookContextOptions | undefined
  /** The hook hints, empty by default. */
  readonly hints?: HookHints.HookHints | undefined
  /** The evaluation details that the provider resolves; the defaults are those of `Fixtures.details`. */
  readonly details?: Partial<EvaluationDetails.EvaluationDetails> | undefined
  /** The error that the provider throws instead. */
  readonly error?: unknown
}

/**
 * The result of a run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome {
  /** The evaluation context that the provider received. */
  readonly context: EvaluationContext.EvaluationContext
  /** The hook hints at the end of the evaluation. */
  readonly hints: HookHints.HookHints
  /** The evaluation details that the caller gets. */
  readonly details: EvaluationDetails.EvaluationDetails
}

/**
 * Runs a hook through its stages, like an evaluation: `before`, then `after` or
 * `error`, then `finally`. A resolution that the hook contributes is served.
 *
 * **Details**
 *
 * The arguments of the stages are deeply frozen, so a hook that writes to them
 * fails. The hook runs with the services of the test, including its clock.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when an option is unknown or has the wrong type.
 *
 * **Example** (Testing a contribution)
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
export const run = <E, R>(hook: FeatureHook<E, R>, options: RunOptions = {}): Effect.Effect<Outcome, never, R> => {
  checkRun("Fixtures.run", options)
  return Effect.contextWith((services: Context.Context<R>) => {
    const evaluation = new Evaluation(services, options.hints ?? HookHints.empty)
    const run = new Run(new Stack([Registration.make(hook.parts, services)]), evaluation)
    const sdk = sdkHookContext(options.context ?? {})
    return Effect.map(
      Effect.promise(() => evaluate(run, sdk, options)),
      (details): Outcome => ({ context: { ...sdk.context }, hints: evaluation.hints, details })
    )
  })
}

const checkRun = (owner: string, options: RunOptions): void => {
  Check.options(owner, options, {
    context: Check.aRecord,
    hints: (owner, name, value) => {
      if (!HookHints.isHookHints(value)) Check.reject(owner, name, "HookHints", value)
    },
    details: Check.aRecord,
    error: Check.anything
  })
  if (options.context !== undefined) checkContext(`${owner}: context`, options.context)
  if (options.details !== undefined) checkDetails(`${owner}: details`, options.details)
}

/**
 * Runs a hook through its stages, as a promise.
 *
 * **When to use**
 *
 * Use in a test without Effect. With Effect, use `run`, which has the clock and
 * the services of the test.
 *
 * **Example** (Testing a hook without Effect)
 *
 * ```ts
 * import { FeatureHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const enrich = FeatureHook.make("enrich", { before: async () => ({ context: { region: "eu" } }) })
 * const outcome = await Fixtures.runPromise(enrich)
 * outcome.context // => { region: "eu" }
 * ```
 *
 * @category running
 * @since 0.2.0
 */
export const runPromise = <E>(hook: FeatureHook<E>, options?: RunOptions | undefined): Promise<Outcome> =>
  Effect.runPromise(run(hook, options))

const evaluate = async (
  run: Run,
  sdk: SDK.BeforeHookContext,
  options: RunOptions
): Promise<EvaluationDetails.EvaluationDetails> => {
  let outcome: EvaluationDetails.EvaluationDetails = { ...details(options.details), flagKey: sdk.flagKey }
  try {
    Object.assign(sdk.context, await run.before(sdk, undefined))
    const resolution = run.evaluation.resolutionOf(sdk.flagKey)
    if (resolution !== undefined) {
      const served = await serve<EvaluationDetails.FlagValue>(sdk.flagValueType, resolution)
      const { flagKey } = sdk
      outcome = EvaluationDetails.withValue({ flagMetadata: {}, ...served, flagKey }, served.value)
    } else if ("error" in options) throw options.error
    const failure = EvaluationError.fromDetails(outcome)
    if (failure !== undefined) throw failure
    await run.after(sdk, EvaluationDetails.toSdk(outcome), undefined)
  } catch (error) {
    await run.error(sdk, error, undefined)
    outcome = EvaluationDetails.failed(sdk.flagKey, EvaluationContext.snapshot(sdk.defaultValue), error)
  }
  await run.finally(sdk, EvaluationDetails.toSdk(outcome), undefined)
  return outcome
}
