/**
 * Hooks that trace evaluations, with the OpenTelemetry API or Effect's tracer.
 *
 * @since 0.1.0
 */
import type * as Otel from "@opentelemetry/api"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as HookFailures from "../HookFailures.ts"
import * as Check from "../internal/check.ts"
import * as Services from "../internal/services.ts"
import { tryOr } from "../internal/untrusted.ts"
import * as Privacy from "../Privacy.ts"
import { errorTypeOf, Writer, written } from "./internal/attributes.ts"
import * as Conventions from "./internal/conventions.ts"
import { Flight, InFlight } from "./internal/inFlight.ts"
import { current, type EvaluationSpan, Spans } from "./internal/span.ts"
import { Watch } from "./internal/watch.ts"
import type * as SemanticConventions from "./SemanticConventions.ts"

/**
 * The options of a tracing hook, with those of `Privacy`.
 *
 * **Details**
 *
 * - `version`: the version of the attribute names, `"1.45"` by default.
 * - `setStatus`: whether a failed evaluation sets the error status of its span;
 *   `true` by default.
 * - `recordException`: whether a failed evaluation adds an `exception` event;
 *   `false` by default. Effect's own exporter adds one to every failed span.
 * - `maxDuration`: the maximum duration of a span when the evaluation hangs, 30
 *   seconds by default. The span then ends with the error type `timeout`.
 * - `tracerProvider`: by default Effect's tracer if one is installed, otherwise
 *   the global provider of the OpenTelemetry API.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Privacy.Options {
  readonly version?: SemanticConventions.Version | undefined
  readonly setStatus?: boolean | undefined
  readonly recordException?: boolean | undefined
  readonly maxDuration?: Duration.Input | undefined
  readonly tracerProvider?: Otel.TracerProvider | undefined
}

/**
 * The options of a hook that writes attributes to the caller's span, with those
 * of `Privacy`.
 *
 * **Details**
 *
 * - `maxFlags`: the maximum number of flags per span, 100 by default.
 *
 * @category models
 * @since 0.1.0
 */
export interface AttributeOptions extends Privacy.Options {
  readonly maxFlags?: number | undefined
}

const name = "otel-tracing"

class Evaluation extends Flight {
  readonly #expire: (evaluation: Evaluation) => void
  flagKey = ""
  span: EvaluationSpan | undefined = undefined

  constructor(expire: (evaluation: Evaluation) => void) {
    super()
    this.#expire = expire
  }
  override onExpired(): void {
    this.#expire(this)
  }
}

// A span must end even when writing its attributes fails.
const ended = (span: EvaluationSpan, describe: () => void): void => {
  try {
    describe()
  } finally {
    span.end()
  }
}

/**
 * Creates a hook that makes a span for each evaluation.
 *
 * **Details**
 *
 * The span is named `feature_flag.evaluation` and has the attributes of the
 * event of that name. It lasts from the hook's `before` stage to its `finally`
 * stage, or up to `maxDuration` if the evaluation hangs. Its parent is the
 * caller's span: Effect's if Effect is traced, otherwise the active span of the
 * OpenTelemetry context.
 *
 * The hook is an observer: its failures go to `HookFailures` and never change an
 * evaluation.
 *
 * **Gotchas**
 *
 * The semantic conventions define no such span. The span is not active while the
 * provider runs, since the SDK gives a hook no way to run the provider.
 *
 * An evaluation that fails in the `before` stage of an earlier hook has no span.
 * An open span keeps the process alive for up to a second, or for `maxDuration`
 * if that is shorter. Create the hook once, not for each evaluation: each hook
 * watches its own spans.
 *
 * Throws a `RangeError` that names the option when an option is invalid.
 *
 * **Example** (Tracing with the OpenTelemetry API)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { OpenFeatureHook } from "effect-openfeature"
 * import { OtelTracingHook } from "effect-openfeature/otel"
 *
 * OpenFeature.getClient("checkout").addHooks(OpenFeatureHook.make(OtelTracingHook.make({ maxDuration: "5 seconds" })))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): FeatureHook.FeatureHook => {
  const { recordException = false, setStatus = true, tracerProvider } = Check.options("OtelTracingHook.make", options, {
    ...Privacy.rules,
    version: Conventions.rule,
    setStatus: Check.aBoolean,
    recordException: Check.aBoolean,
    maxDuration: Check.positiveDuration,
    tracerProvider: Check.withMethods("getTracer")
  })
  const privacy = Privacy.fromChecked(options)
  const limit = Duration.fromInputUnsafe(options.maxDuration ?? "30 seconds")
  const writer = new Writer(privacy, options.version)
  const spans = new Spans(tracerProvider)
  const watch = new Watch(limit)
  const expire = ({ flagKey, span }: Evaluation): void => {
    if (span === undefined) return
    const timedOut = () => {
      span.set({ [writer.names.errorType]: "timeout" })
      if (setStatus) span.status({ type: "timeout", message: undefined })
    }
    tryOr(() => ended(span, timedOut), (error) => {
      const failure = { hook: name, stage: "finally", flagKey, cause: Cause.die(error) } as const
      Effect.runForkWith(Context.empty())(HookFailures.report(failure))
    })
  }
  const begin = (context: HookContext, evaluation: Evaluation, services: Context.Context<never>): void => {
    // Samplers, and spans that time out, need the attributes that are known before the flag is resolved.
    evaluation.span = spans.start(services, Conventions.event, writer.request(context))
    evaluation.flagKey = context.flagKey
    watch.begin(evaluation, Context.get(services, Clock.Clock))
  }
  const describe = (span: EvaluationSpan, context: HookContext, details: EvaluationDetails): void => {
    span.set(writer.result({}, context, details))
    const type = errorTypeOf(details.errorCode)
    if (type === undefined) return
    const failure = { type, message: privacy.errorMessage(details.errorMessage) }
    if (recordException) span.exception(failure)
    if (setStatus) span.status(failure)
  }
  const end = (context: HookContext, details: EvaluationDetails, evaluation: Evaluation): void => {
    const { span } = evaluation
    if (span !== undefined && InFlight.end(evaluation)) ended(span, () => describe(span, context, details))
  }

  return FeatureHook.observe(FeatureHook.make(name, {
    hookData: () => new Evaluation(expire),
    before: (context, _hints, evaluation) => begin(context, evaluation, Services.current()),
    finally: (context, details, _hints, evaluation) => end(context, details, evaluation)
  }))
}

// All hooks share the flags of a span, so that `maxFlags` holds for the span.
const flagsOf = new WeakMap<object, Set<string>>()

/**
 * Creates a hook that writes each evaluated flag to the caller's span.
 *
 * **Details**
 *
 * The attribute is `feature_flag.evaluation.<flag key>`. Its value is the
 * variant or, after an error, `error:` with the error type. Without a variant it
 * is the flag value, if that is a boolean or a number, or if the option `values`
 * is set.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that names the option when an option is invalid.
 *
 * **Example** (Adding flags to the span of a request)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { OpenFeatureHook } from "effect-openfeature"
 * import { OtelTracingHook } from "effect-openfeature/otel"
 *
 * OpenFeature.getClient("checkout").addHooks(OpenFeatureHook.make(OtelTracingHook.makeAttributes()))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeAttributes = (options: AttributeOptions = {}): FeatureHook.FeatureHook => {
  const { maxFlags = 100 } = Check.options("OtelTracingHook.makeAttributes", options, {
    ...Privacy.rules,
    maxFlags: Check.positiveInteger
  })
  const privacy = Privacy.fromChecked(options)
  const resultOf = (details: EvaluationDetails): string | number | boolean | undefined => {
    const { value, variant } = details
    const errorType = errorTypeOf(details.errorCode)
    if (errorType !== undefined) return `error:${errorType}`
    if (variant !== undefined) return privacy.write("variant", variant)
    return typeof value === "boolean" || typeof value === "number" || privacy.values
      ? written(privacy, privacy.keep("value", value))
      : undefined
  }
  const write = (context: HookContext, details: EvaluationDetails, services: Context.Context<never>): void => {
    const span = current(services)
    const result = span && resultOf(details)
    if (span === undefined || result === undefined) return
    const flags = flagsOf.get(span.key) ?? new Set()
    flagsOf.set(span.key, flags)
    const flagKey = privacy.print(context.flagKey)
    if (flags.size >= maxFlags && !flags.has(flagKey)) return
    flags.add(flagKey)
    span.set({ [`feature_flag.evaluation.${flagKey}`]: result })
  }
  return FeatureHook.observe(FeatureHook.make("otel-attributes", {
    finally: (context, details) => write(context, details, Services.current())
  }))
}
