/**
 * A hook that traces evaluations, with the OpenTelemetry API or with the tracer
 * of Effect.
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
import { tryOr } from "../internal/untrusted.ts"
import * as Check from "../internal/check.ts"
import { Open, OpenList } from "../internal/otel/open.ts"
import { current, type EvaluationSpan, Spans } from "../internal/otel/span.ts"
import { providerNameOf } from "../internal/hook/view.ts"
import * as Privacy from "../Privacy.ts"
// oxlint-disable-next-line no-restricted-imports -- there is no other way out of a request's asynchronous context
import { AsyncResource } from "node:async_hooks"
import * as EvaluationEvent from "./EvaluationEvent.ts"
import * as SemanticConventions from "./SemanticConventions.ts"

/**
 * The settings of a tracing hook, with those of `Privacy` for what may be told.
 *
 * **Details**
 *
 * - `version`: whose names the attributes have, `"1.45"` by default.
 * - `setStatus`: whether a failed evaluation makes the span a failed one; `true`
 *   by default.
 * - `recordException`: whether it adds an `exception` event; `false` by default.
 *   Effect's own exporter adds one of its own to every span that failed.
 * - `maxDuration`: when the span of an evaluation that hangs is ended, with the
 *   error type `timeout`; 30 seconds by default.
 * - `tracerProvider`: by default Effect's tracer where there is one, otherwise
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
 * The settings of a hook that writes attributes on the caller's span.
 *
 * **Details**
 *
 * - `maxFlags`: how many flags are written on one span, 100 by default.
 *
 * @category models
 * @since 0.1.0
 */
export interface AttributeOptions extends Privacy.Options {
  readonly maxFlags?: number | undefined
}

const name = "otel-tracing"

const { attributes: names } = SemanticConventions

class Evaluation extends Open {
  readonly #expired: (evaluation: Evaluation) => void
  flagKey = ""
  span: EvaluationSpan | undefined = undefined

  constructor(expired: (evaluation: Evaluation) => void) {
    super()
    this.#expired = expired
  }
  override onExpired(): void {
    this.#expired(this)
  }
}

// A span that cannot be described is still one that ends.
const ended = (span: EvaluationSpan, describe: () => void): void => {
  try {
    describe()
  } finally {
    span.end()
  }
}

// What starts here keeps nothing of the request that it starts in.
const outside = new AsyncResource("effect-openfeature")

// Looks after spans for as long as any is open. It runs with neither the services
// nor the asynchronous context of whoever happened to open the first.
const watch = (list: OpenList, every: Duration.Duration, clock: Clock.Clock, onEnd: () => void): void => {
  const round: Effect.Effect<void> = Effect.suspend(() => {
    list.expire(clock.monotonicTimeNanosUnsafe())
    if (!list.isEmpty) return Effect.andThen(Effect.sleep(every), round)
    onEnd()
    return Effect.void
  })
  const fork = Effect.runForkWith(Context.make(Clock.Clock, clock))
  outside.runInAsyncScope(() => void fork(Effect.andThen(Effect.sleep(every), round)))
}

/**
 * Creates a hook that makes a span of every evaluation.
 *
 * **Details**
 *
 * The span is called `feature_flag.evaluation`, has the attributes of the event
 * of that name, and lasts from the hook's `before` to its `finally`. It ends when
 * the evaluation has failed and, after `maxDuration`, when it hangs. Its parent is
 * the span of the caller: Effect's where Effect is traced, otherwise the active
 * one of the OpenTelemetry context.
 *
 * It is an observer: whatever goes wrong in it is reported to `HookFailures`.
 *
 * **Gotchas**
 *
 * The semantic conventions define no such span. While the evaluation runs the
 * span is not the active one: the SDK gives a hook no way to run the provider.
 *
 * An evaluation that fails in a hook before this one has no span. A span that is
 * open keeps the process for up to a second, or to `maxDuration`. Make the hook
 * once, and not for each evaluation: each looks after its own spans.
 *
 * Throws a `RangeError` that names the option when one is not what it may be.
 *
 * **Example** (A span for each evaluation)
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
  const { recordException = false, setStatus = true, tracerProvider } = options
  const version = SemanticConventions.checkedVersion("OtelTracingHook.make", options.version)
  const privacy = Privacy.make("OtelTracingHook.make", options)
  const limit = Check.positiveDuration("OtelTracingHook.make", "maxDuration", options.maxDuration ?? "30 seconds")
  const every = Duration.min(limit, Duration.seconds(1))
  const spans = new Spans(tracerProvider)
  const list = new OpenList(Duration.toNanosUnsafe(limit))
  let isWatched = false
  const open = (evaluation: Evaluation, clock: Clock.Clock): void => {
    list.add(evaluation, clock.monotonicTimeNanosUnsafe())
    if (isWatched) return
    isWatched = true
    watch(list, every, clock, () => void (isWatched = false))
  }
  const expired = ({ flagKey, span }: Evaluation): void => {
    if (span === undefined) return
    const timedOut = () => {
      span.set({ [names.errorType.names[version]]: "timeout" })
      if (setStatus) span.status({ type: "timeout", message: undefined })
    }
    tryOr(() => ended(span, timedOut), (error) => {
      const failure = { hook: name, stage: "finally", flagKey, cause: Cause.die(error) } as const
      Effect.runForkWith(Context.empty())(HookFailures.report(failure))
    })
  }
  // What is known from the start, for a sampler and for a span that ends for its age.
  const initial = (context: HookContext): EvaluationEvent.Attributes => ({
    [names.key.names[version]]: privacy.print(context.flagKey),
    [names.provider.names[version]]: privacy.print(providerNameOf(context))
  })
  const describe = (span: EvaluationSpan, context: HookContext, details: EvaluationDetails): void => {
    span.set(EvaluationEvent.attributesOf(context, details, privacy, version))
    const type = EvaluationEvent.errorTypeOf(details)
    if (type === undefined) return
    const failure = { type, message: privacy.errorMessage(details.errorMessage) }
    if (recordException) span.exception(failure)
    if (setStatus) span.status(failure)
  }

  return FeatureHook.observe(FeatureHook.make(name, {
    hookData: () => new Evaluation(expired),
    before: (context, _hints, evaluation) =>
      Effect.withFiber((fiber) =>
        Effect.map(spans.start(fiber, SemanticConventions.event, initial(context)), (span) => {
          evaluation.flagKey = context.flagKey
          evaluation.span = span
          open(evaluation, fiber.getRef(Clock.Clock))
        })
      ),
    finally: (context, details, _hints, evaluation) =>
      Effect.sync(() => {
        const { span } = evaluation
        if (span === undefined || !list.remove(evaluation)) return
        ended(span, () => describe(span, context, details))
      })
  }))
}

// By span, whichever hook writes.
const written = new WeakMap<object, Set<string>>()

/**
 * Creates a hook that writes each flag on the span that the caller is in.
 *
 * **Details**
 *
 * The attribute is `feature_flag.evaluation.<flag key>`, its value the variant;
 * without one a boolean or a number stands for itself, and any other value where
 * `values` is set; after an error it is `error:` with the type.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that names the option when one is not what it may be.
 *
 * **Example** (Seeing in a trace which flags a request had)
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
  const privacy = Privacy.make("OtelTracingHook.makeAttributes", options)
  const maxFlags = Check.positiveInteger("OtelTracingHook.makeAttributes", "maxFlags", options.maxFlags ?? 100)
  const resultOf = (details: EvaluationDetails): string | number | boolean | undefined => {
    const { value, variant } = details
    const errorType = EvaluationEvent.errorTypeOf(details)
    if (errorType !== undefined) return `error:${errorType}`
    if (variant !== undefined) return privacy.write("variant", variant)
    return typeof value === "boolean" || typeof value === "number" || privacy.values
      ? EvaluationEvent.written(privacy, privacy.keep("value", value))
      : undefined
  }
  return FeatureHook.observe(FeatureHook.make("otel-attributes", {
    finally: (context, details) =>
      Effect.withFiber((fiber) => {
        const span = current(fiber)
        const result = span && resultOf(details)
        if (span === undefined || result === undefined) return Effect.void
        const flags = written.get(span.key) ?? new Set()
        written.set(span.key, flags)
        const flagKey = privacy.print(context.flagKey)
        if (flags.size >= maxFlags && !flags.has(flagKey)) return Effect.void
        flags.add(flagKey)
        span.set({ [`feature_flag.evaluation.${flagKey}`]: result })
        return Effect.void
      })
  }))
}
