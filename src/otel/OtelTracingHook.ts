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
import type { EvaluationError } from "../EvaluationError.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as HookFailures from "../HookFailures.ts"
import * as Check from "../internal/check.ts"
import * as Services from "../internal/services.ts"
import { tryOr } from "../internal/untrusted.ts"
import { type Attributes, errorTypeOf, written } from "./internal/attributes.ts"
import * as Conventions from "./internal/conventions.ts"
import { exceptionOf } from "./internal/exception.ts"
import { Flight, InFlight } from "./internal/inFlight.ts"
import * as Roots from "./internal/roots.ts"
import { current, type EvaluationSpan, root, Spans } from "./internal/span.ts"
import * as Vocabulary from "./internal/vocabulary.ts"
import { Watch } from "./internal/watch.ts"

/**
 * The options of a tracing hook, with those of `Privacy`.
 *
 * **Details**
 *
 * - `attributes`: additional attributes, or a function that returns them. A span
 *   starts before the flag is resolved, so there the function runs without
 *   details, and again with them at the end. If it throws, it adds nothing.
 * - `dimensions`: names of flag metadata to add as attributes; none by default.
 * - `exclude`: names of attributes to leave out, from any source; none by
 *   default.
 * - `rewrite`: receives the attributes at last, and returns those to write. It
 *   runs for those that the span starts with, for all of them at the end, and
 *   for those of an exception. If it throws, none are written.
 * - `version`: the version of the attribute names, `"1.45"` by default.
 *
 * **Gotchas**
 *
 * An attribute that a span has started with stays, unless `rewrite` returns
 * another value for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Vocabulary.Options {
  /** Whether a failed evaluation sets the error status of its span; `true` by default. */
  readonly setStatus?: boolean | undefined
  /**
   * Whether a failed evaluation adds an `exception` event with the class of
   * the error; `false` by default. With `errorMessage`, the event also has the
   * message and the stack, which `redact` receives as `error_stack`. Effect's
   * own exporter adds one to every failed span.
   */
  readonly recordException?: boolean | undefined
  /**
   * The maximum duration of a span when the evaluation hangs, 30 seconds by
   * default. The span then ends with the error type `timeout`.
   */
  readonly maxDuration?: Duration.Input | undefined
  /** By default Effect's tracer if one is installed, otherwise the global provider of the OpenTelemetry API. */
  readonly tracerProvider?: Otel.TracerProvider | undefined
}

/**
 * The options of a hook that writes attributes to the caller's span, with those
 * of `Privacy`.
 *
 * **Details**
 *
 * - `attributes`, `exclude`, `rewrite`, `version`: as in `Options`. Additional
 *   attributes have their own names on the span, so those of the latest
 *   evaluation stay.
 * - `dimensions`: names of flag metadata to add, as
 *   `feature_flag.evaluation.<flag key>.<name>`.
 * - `errorMessage`: adds the message of an error, as
 *   `feature_flag.evaluation.<flag key>.error.message`.
 *
 * @category models
 * @since 0.1.0
 */
export interface AttributeOptions extends Vocabulary.Options {
  /**
   * `"current"` for the caller's span, which is the default, or `"root"` for
   * the topmost span above it in this process. With the OpenTelemetry API,
   * that needs a `rootSpanProcessor`.
   */
  readonly span?: "current" | "root" | undefined
  /** The maximum number of flags per span, 100 by default. */
  readonly maxFlags?: number | undefined
}

const name = "otel-tracing"

class Evaluation extends Flight {
  readonly #expire: (evaluation: Evaluation) => void
  flagKey = ""
  span: EvaluationSpan | undefined = undefined
  error: EvaluationError | undefined = undefined

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
    ...Vocabulary.rules,
    setStatus: Check.aBoolean,
    recordException: Check.aBoolean,
    maxDuration: Check.positiveDuration,
    tracerProvider: Check.withMethods("getTracer")
  })
  const vocabulary = new Vocabulary.Vocabulary(options)
  const { names, privacy } = vocabulary
  const limit = Duration.fromInputUnsafe(options.maxDuration ?? "30 seconds")
  const spans = new Spans(tracerProvider)
  const watch = new Watch(limit)
  const expire = ({ flagKey, span }: Evaluation): void => {
    if (span === undefined) return
    const timedOut = () => {
      span.set(vocabulary.finish({ [names.errorType]: "timeout" }))
      if (setStatus) span.status({ type: "timeout", message: undefined })
    }
    tryOr(() => ended(span, timedOut), (error) => {
      const failure = { hook: name, stage: "finally", flagKey, cause: Cause.die(error) } as const
      Effect.runForkWith(Context.empty())(HookFailures.report(failure))
    })
  }
  const begin = (context: HookContext, evaluation: Evaluation, services: Context.Context<never>): void => {
    // Samplers, and spans that time out, need the attributes that are known before the flag is resolved.
    evaluation.span = spans.start(services, Conventions.event, vocabulary.begin(context))
    evaluation.flagKey = context.flagKey
    watch.begin(evaluation, Context.get(services, Clock.Clock))
  }
  const describe = (
    span: EvaluationSpan,
    context: HookContext,
    details: EvaluationDetails,
    error: EvaluationError | undefined
  ): void => {
    span.set(vocabulary.end(context, details))
    const type = errorTypeOf(details.errorCode)
    if (type === undefined) return
    const message = privacy.errorMessage(details.errorMessage)
    if (recordException) span.event("exception", vocabulary.finish(exceptionOf(privacy, type, message, error)))
    if (setStatus) span.status({ type, message })
  }
  const end = (context: HookContext, details: EvaluationDetails, evaluation: Evaluation): void => {
    const { error, span } = evaluation
    if (span !== undefined && InFlight.end(evaluation)) ended(span, () => describe(span, context, details, error))
  }

  return FeatureHook.watcher(FeatureHook.make(name, {
    hookData: () => new Evaluation(expire),
    before: (context, _hints, evaluation) => begin(context, evaluation, Services.current()),
    error: recordException
      ? (_context, error, _hints, evaluation) => {
        evaluation.error = error
      }
      : undefined,
    finally: (context, details, _hints, evaluation) => end(context, details, evaluation)
  }))
}

/**
 * A span processor that remembers the root of each span, for
 * `makeAttributes({ span: "root" })`.
 *
 * @category models
 * @since 0.2.0
 */
export interface RootSpanProcessor {
  /** Remembers the root of the span. */
  readonly onStart: (span: Otel.Span, parentContext: Otel.Context) => void
  /** Forgets the ids of the span. */
  readonly onEnd: (span: Pick<Otel.Span, "spanContext">) => void
  /** Does nothing. */
  readonly forceFlush: () => Promise<void>
  /** Does nothing. */
  readonly shutdown: () => Promise<void>
}

/**
 * The span processor that lets `makeAttributes({ span: "root" })` find the root of
 * a span of the OpenTelemetry API.
 *
 * **When to use**
 *
 * Use as one of the span processors of the OpenTelemetry SDK. Effect's spans lead
 * to their parents without it.
 *
 * **Details**
 *
 * The root is the topmost span that this process has started. It keeps no span
 * alive.
 *
 * **Example** (Adding it to a tracer provider)
 *
 * ```ts
 * import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base"
 * import { OtelTracingHook } from "effect-openfeature/otel"
 *
 * const tracerProvider = new BasicTracerProvider({
 *   spanProcessors: [OtelTracingHook.rootSpanProcessor] // and the one that exports
 * })
 * await tracerProvider.shutdown()
 * ```
 *
 * @category processors
 * @since 0.2.0
 */
export const rootSpanProcessor: RootSpanProcessor = {
  onStart: Roots.begin,
  onEnd: Roots.end,
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve()
}

// Deprecated attributes of the conventions have the same prefix as the flags of a span.
const prefix = "feature_flag.evaluation."
const reserved = new Set(
  Object.values(Conventions.names["1.31"]).flatMap((name) => name.startsWith(prefix) ? [name.slice(prefix.length)] : [])
)

// Reversible, so that two flags never share an attribute.
const attributeOf = (flagKey: string): string => {
  const bare = flagKey.startsWith("flag.") ? flagKey.replace(/^(?:flag\.)+/, "") : flagKey
  return reserved.has(bare) ? `${prefix}flag.${flagKey}` : prefix + flagKey
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
 * The attributes of the evaluation context and the targeting key that `Privacy`
 * allows have the names of the event.
 *
 * **Gotchas**
 *
 * `feature_flag.evaluation.reason` and some others are attributes of older
 * conventions. A flag with the key `reason`, `value` or `error.message` is
 * written as `feature_flag.evaluation.flag.<flag key>`.
 *
 * With `span: "root"`, a root that another tracing library started is unknown. The
 * attributes are then on the topmost span that is known: of Effect's spans the
 * outermost, and with the OpenTelemetry API, without `rootSpanProcessor`, the
 * current one.
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
  const { maxFlags = 100, span: which = "current" } = Check.options("OtelTracingHook.makeAttributes", options, {
    ...Vocabulary.rules,
    span: Check.among("current", "root"),
    maxFlags: Check.positiveInteger
  })
  const vocabulary = new Vocabulary.Vocabulary(options)
  const { privacy, writer } = vocabulary
  const isSubjectTold = options.targetingKey !== undefined || options.context !== undefined
  const spanOf = which === "root" ? root : current
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
    const span = spanOf(services)
    const result = span && resultOf(details)
    if (span === undefined || result === undefined) return
    const flags = flagsOf.get(span.key) ?? new Set()
    flagsOf.set(span.key, flags)
    const flagKey = privacy.print(context.flagKey)
    if (flags.size >= maxFlags && !flags.has(flagKey)) return
    flags.add(flagKey)
    const name = attributeOf(flagKey)
    const attributes: Attributes = { [name]: result }
    const message = privacy.errorMessage(details.errorMessage)
    if (message !== undefined) attributes[`${name}.error.message`] = message
    if (isSubjectTold) writer.subject(attributes, context, details.flagMetadata)
    span.set(vocabulary.shape(attributes, context, details, `${name}.`))
  }
  return FeatureHook.watcher(FeatureHook.make("otel-attributes", {
    finally: (context, details) => write(context, details, Services.current())
  }))
}
