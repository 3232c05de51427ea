/**
 * A provider that does what a script says, and writes down what it was asked.
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

/**
 * How the provider answers one flag: an effect, so it may wait, fail, or never
 * end.
 *
 * **Details**
 *
 * What it fails with is thrown as it is.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer = Effect.Effect<SDK.ResolutionDetails<SDK.FlagValue>, unknown>

/**
 * What can be said about a resolution beside its value.
 *
 * @category models
 * @since 0.1.0
 */
export interface ValueOptions {
  readonly variant?: string | undefined
  readonly reason?: string | undefined
  readonly flagMetadata?: SDK.FlagMetadata | undefined
}

/**
 * Answers with a value.
 *
 * @category answers
 * @since 0.1.0
 */
export const value = (value: FlagValue, options: ValueOptions = {}): Answer => {
  const { flagMetadata, reason = "STATIC", variant } = options
  return Effect.sync(() => ({
    value: toSdkValue(value),
    reason,
    ...variant === undefined ? {} : { variant },
    ...flagMetadata === undefined ? {} : { flagMetadata: { ...flagMetadata } }
  }))
}

/**
 * Answers with an error code, as a provider does that knows what is wrong.
 *
 * @category answers
 * @since 0.1.0
 */
export const error = (code: ErrorCode, message: string): Answer =>
  Effect.sync(() => ({ value: false, errorCode: SDK.ErrorCode[code], errorMessage: message, reason: "ERROR" }))

/**
 * Throws anything, as a provider does that has a bug.
 *
 * @category answers
 * @since 0.1.0
 */
export const throwing = (thrown: unknown): Answer => Effect.fail(thrown)

/**
 * Never answers.
 *
 * @category answers
 * @since 0.1.0
 */
export const never: Answer = Effect.never

/**
 * Answers later, by the clock of whoever made the provider.
 *
 * @category answers
 * @since 0.1.0
 */
export const delayed = (duration: Duration.Input, answer: Answer): Answer => Effect.delay(answer, duration)

/**
 * One call of the provider.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  readonly flagKey: string
  readonly flagValueType: SDK.FlagValueType
  readonly defaultValue: unknown
  readonly context: EvaluationContext.EvaluationContext
}

/**
 * A provider with its script and its journal.
 *
 * @category models
 * @since 0.1.0
 */
export interface TestProvider extends SDK.Provider {
  /** Changes the script for one flag. */
  readonly set: (flagKey: string, answer: Answer) => Effect.Effect<void>
  /** Emits a provider event; the SDK derives the status from it. */
  readonly emit: (type: SDK.ServerProviderEvents, details?: SDK.EventContext) => Effect.Effect<void>
  readonly calls: Effect.Effect<ReadonlyArray<Call>>
  readonly tracked: Effect.Effect<ReadonlyArray<string>>
  readonly isClosed: Effect.Effect<boolean>
}

/**
 * The script of a provider.
 *
 * **Details**
 *
 * - `flags`: the answers; a flag without one is `FLAG_NOT_FOUND`.
 * - `name`: the provider's name, `test` by default.
 * - `initialize`: what happens while the SDK waits for it; one that never ends
 *   leaves the status at `NOT_READY`, one that fails with the code
 *   `PROVIDER_FATAL` sets it to `FATAL`.
 * - `close`: what happens when it is closed.
 * - `hooks`: the hooks of the provider level.
 *
 * @category models
 * @since 0.1.0
 */
export interface Script {
  readonly flags?: Readonly<Record<string, Answer>> | undefined
  readonly name?: string | undefined
  readonly initialize?: Effect.Effect<void, unknown> | undefined
  readonly close?: Effect.Effect<void, unknown> | undefined
  readonly hooks?: Array<SDK.Hook> | undefined
}

/**
 * Creates a provider that follows a script.
 *
 * **Details**
 *
 * Answers run with the context of whoever makes the provider, so under a test
 * clock a delayed answer waits for the test.
 *
 * **Example** (A flag that is there and one that is not)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 * import { TestProvider } from "effect-openfeature/testing"
 *
 * const provider = TestProvider.make({ flags: { "new-checkout": TestProvider.value(true) } })
 * const program = Effect.gen(function*() {
 *   const flags = yield* FeatureFlags.FeatureFlags
 *   return [yield* flags.boolean("new-checkout", false), yield* flags.boolean("missing", false)]
 * })
 * await Effect.runPromise(Effect.provide(program, FeatureFlags.layer({ domain: "docs", provider }))) // => [true, false]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(script: Script = {}): Effect.fn.Return<TestProvider> {
  const services = yield* Effect.context()
  const answers = new Map(Object.entries(script.flags ?? {}))
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
    return run(answers.get(flagKey) ?? error("FLAG_NOT_FOUND", `flag "${flagKey}" is not in the script`))
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

// A script may answer with a value of the wrong type, which the SDK's types do
// not foresee and its evaluator does not check.
function resolvers(resolve: Resolve): Resolvers
function resolvers(resolve: Resolve): unknown {
  return {
    resolveBooleanEvaluation: resolve.bind(undefined, "boolean"),
    resolveStringEvaluation: resolve.bind(undefined, "string"),
    resolveNumberEvaluation: resolve.bind(undefined, "number"),
    resolveObjectEvaluation: resolve.bind(undefined, "object")
  }
}
