/**
 * A provider that follows a script and records its invocations.
 *
 * @since 0.1.0
 */
import * as SDK from "@openfeature/server-sdk"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as EvaluationContext from "../EvaluationContext.ts"
import type { FlagValue } from "../EvaluationDetails.ts"
import { toSdkValue } from "../EvaluationDetails.ts"
import type { ErrorCode } from "../EvaluationError.ts"
import { isFeatureHook } from "../FeatureHook.ts"
import * as Check from "../internal/check.ts"

/**
 * The result of the provider for one flag: an effect that can wait, fail, or
 * never end.
 *
 * **Details**
 *
 * The provider throws the failure of the effect as it is.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer = Effect.Effect<SDK.ResolutionDetails<SDK.FlagValue>, unknown>

/**
 * The options of a resolved value.
 *
 * **Details**
 *
 * - `variant`: the variant; none by default.
 * - `reason`: the reason, `"STATIC"` by default.
 * - `flagMetadata`: the flag metadata; none by default.
 *
 * @category models
 * @since 0.1.0
 */
export interface ValueOptions {
  /** The variant; none by default. */
  readonly variant?: string | undefined
  /** The reason, `"STATIC"` by default. */
  readonly reason?: string | undefined
  /** The flag metadata; none by default. */
  readonly flagMetadata?: SDK.FlagMetadata | undefined
}

/**
 * Creates an answer with a value.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when an option is unknown or has the wrong type.
 *
 * @category answers
 * @since 0.1.0
 */
export const value = (value: FlagValue, options: ValueOptions = {}): Answer => {
  const { flagMetadata, reason = "STATIC", variant } = Check.options("TestProvider.value", options, {
    // A provider can give a variant and a reason of any type, and hooks are tested with it.
    variant: Check.anything,
    reason: Check.anything,
    flagMetadata: Check.aRecord
  })
  return Effect.sync(() => ({
    value: toSdkValue(value),
    reason,
    ...variant === undefined ? {} : { variant },
    ...flagMetadata === undefined ? {} : { flagMetadata: { ...flagMetadata } }
  }))
}

/**
 * Creates an answer with an error code, which the provider returns without
 * throwing.
 *
 * @category answers
 * @since 0.1.0
 */
export const error = (code: ErrorCode, message: string): Answer =>
  Effect.sync(() => ({ value: false, errorCode: SDK.ErrorCode[code], errorMessage: message, reason: "ERROR" }))

/**
 * Creates an answer that throws any value.
 *
 * @category answers
 * @since 0.1.0
 */
export const throwing = (thrown: unknown): Answer => Effect.fail(thrown)

/**
 * An answer that never ends.
 *
 * @category answers
 * @since 0.1.0
 */
export const never: Answer = Effect.never

/**
 * Delays an answer, by the clock of the fiber that created the provider.
 *
 * @category answers
 * @since 0.1.0
 */
export const delayed = (duration: Duration.Input, answer: Answer): Answer => Effect.delay(answer, duration)

/**
 * A recorded invocation of the provider.
 *
 * **Details**
 *
 * - `flagKey`, `flagValueType`, `defaultValue`: the evaluated flag.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  /** The key of the flag. */
  readonly flagKey: string
  /** The type of the flag: boolean, string, number or object. */
  readonly flagValueType: SDK.FlagValueType
  /** The default value of the flag. */
  readonly defaultValue: unknown
  /** A frozen copy of the evaluation context. */
  readonly context: EvaluationContext.EvaluationContext
}

/**
 * A test provider, with its script and its records.
 *
 * @category models
 * @since 0.1.0
 */
export interface TestProvider extends SDK.Provider {
  /** Replaces the answer for one flag. */
  readonly set: (flagKey: string, answer: Answer) => Effect.Effect<void>
  /** Emits a provider event, from which the SDK derives the status. */
  readonly emit: (type: SDK.ServerProviderEvents, details?: SDK.EventContext) => Effect.Effect<void>
  /** The recorded invocations, in order. */
  readonly calls: Effect.Effect<ReadonlyArray<Call>>
  /** The names of the tracking events, in order. */
  readonly tracked: Effect.Effect<ReadonlyArray<string>>
  /** Whether the SDK has closed the provider. */
  readonly isClosed: Effect.Effect<boolean>
}

/**
 * The script of a test provider.
 *
 * @category models
 * @since 0.1.0
 */
export interface Script {
  /** The answers by flag key, or a function that finds them. Other flags give `FLAG_NOT_FOUND`. */
  readonly flags?:
    | Readonly<Record<string, Answer>>
    | ((flagKey: string, context: SDK.EvaluationContext) => Answer | undefined)
    | undefined
  /** The name of the provider, `"test"` by default. */
  readonly name?: string | undefined
  /**
   * Runs when the SDK initialises the provider. If it never ends, the status
   * stays `NOT_READY`. If it fails with the code `PROVIDER_FATAL`, the status
   * becomes `FATAL`.
   */
  readonly initialize?: Effect.Effect<void, unknown> | undefined
  /** Runs when the SDK closes the provider. */
  readonly close?: Effect.Effect<void, unknown> | undefined
  /** The provider hooks; none by default. */
  readonly hooks?: Array<SDK.Hook> | undefined
}

/**
 * Creates a provider that follows a script.
 *
 * **Details**
 *
 * Answers run with the services of the fiber that creates the provider. Under a
 * test clock, a delayed answer waits for the test.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when an option is unknown or has the wrong type.
 *
 * **Example** (Evaluating a known and an unknown flag)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 * import { TestProvider } from "effect-openfeature/testing"
 *
 * const provider = TestProvider.make({ flags: { "new-checkout": TestProvider.value(true) } })
 * const program = Effect.all([
 *   FeatureFlags.boolean("new-checkout", false),
 *   FeatureFlags.boolean("missing", false)
 * ])
 * await Effect.runPromise(Effect.provide(program, FeatureFlags.layer({ domain: "docs", provider }))) // => [true, false]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (script: Script = {}): Effect.Effect<TestProvider> => follow(checked(script))

const checked = (script: Script): Script =>
  Check.options("TestProvider.make", script, {
    flags: answersOrFunction,
    name: Check.aText,
    initialize: Check.anEffect,
    close: Check.anEffect,
    hooks: sdkHooks
  })

const answersOrFunction: Check.Rule = (owner, name, value) => {
  if (typeof value === "function") return
  Check.aRecord(owner, name, value)
  for (const [flagKey, answer] of Object.entries(Object(value))) Check.anEffect(owner, `${name}["${flagKey}"]`, answer)
}

const sdkHooks: Check.Rule = (owner, name, value) => {
  Check.aList(owner, name, value)
  if (Array.isArray(value) && value.some(isFeatureHook)) {
    throw new RangeError(`${owner}: ${name} must be hooks of the SDK; OpenFeatureHook.make converts a FeatureHook`)
  }
}

const follow = Effect.fnUntraced(function*(script: Script): Effect.fn.Return<TestProvider> {
  const services = yield* Effect.context()
  const { flags = {} } = script
  const answers = new Map(typeof flags === "function" ? [] : Object.entries(flags))
  const find = typeof flags === "function" ? flags : () => undefined
  const journal: Array<Call> = []
  const tracked: Array<string> = []
  let closed = false
  const events = new SDK.OpenFeatureEventEmitter()
  const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> => Effect.runPromiseWith(services)(effect)

  const resolve = (
    flagValueType: SDK.FlagValueType,
    flagKey: string,
    defaultValue: unknown,
    context: SDK.EvaluationContext
  ) => {
    journal.push({ flagKey, flagValueType, defaultValue, context: EvaluationContext.snapshot(context) })
    const answer = answers.get(flagKey) ?? find(flagKey, context)
    return run(answer ?? error("FLAG_NOT_FOUND", `flag "${flagKey}" is not in the script`))
  }

  return {
    metadata: { name: script.name ?? "test" },
    runsOn: "server",
    events,
    hooks: script.hooks ?? [],
    initialize: () => run(script.initialize ?? Effect.void),
    onClose: () => {
      closed = true
      return run(script.close ?? Effect.void)
    },
    track: (name) => void tracked.push(name),
    ...resolvers(resolve),
    set: (flagKey, answer) => Effect.sync(() => void answers.set(flagKey, answer)),
    emit: (type, details) => Effect.sync(() => events.emit(type, details)),
    calls: Effect.sync(() => Array.from(journal)),
    tracked: Effect.sync(() => Array.from(tracked)),
    isClosed: Effect.sync(() => closed)
  }
})

type Resolve = (
  flagValueType: SDK.FlagValueType,
  flagKey: string,
  defaultValue: unknown,
  context: SDK.EvaluationContext
) => Promise<SDK.ResolutionDetails<SDK.FlagValue>>

type Resolvers = Pick<
  SDK.Provider,
  "resolveBooleanEvaluation" | "resolveStringEvaluation" | "resolveNumberEvaluation" | "resolveObjectEvaluation"
>

// The types of the SDK do not allow a value of the wrong type, but its evaluator does not check.
function resolvers(resolve: Resolve): Resolvers
function resolvers(resolve: Resolve): unknown {
  return {
    resolveBooleanEvaluation: resolve.bind(undefined, "boolean"),
    resolveStringEvaluation: resolve.bind(undefined, "string"),
    resolveNumberEvaluation: resolve.bind(undefined, "number"),
    resolveObjectEvaluation: resolve.bind(undefined, "object")
  }
}
