/**
 * Hooks that measure evaluations, with a custom function or with Effect's
 * `Metric`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import { durationBoundaries, nanosSince } from "../internal/duration.ts"
import * as Check from "../internal/check.ts"
import { type Labels, maxLabelLength, noOutcome, Series, SeriesLookup } from "../internal/series.ts"
import * as Services from "../internal/services.ts"
import { oneLine } from "../internal/text.ts"

/**
 * A finished evaluation.
 *
 * @category models
 * @since 0.1.0
 */
export interface Evaluation {
  /** The key of the flag. */
  readonly flagKey: string
  /**
   * The time from the `before` stage of this hook to its `finally` stage, by the
   * monotonic clock. It is `undefined` when an earlier hook failed and this
   * `before` never ran.
   */
  readonly duration: Duration.Duration | undefined
  /** Whether the evaluation details contain no error. */
  readonly success: boolean
  /** The evaluation details that the caller gets. */
  readonly details: EvaluationDetails
  /** The hook context of the evaluation. */
  readonly context: HookContext
}

/**
 * Creates a hook that measures the time of evaluations. The time is missing when
 * an earlier hook failed and `before` never ran.
 */
const timed = <A>(
  end: (
    context: HookContext,
    details: EvaluationDetails,
    nanos: bigint | undefined,
    services: Context.Context<never>
  ) => A
): FeatureHook.FeatureHook<never, FeatureHook.StageServices<A>> => {
  const clockOf = (services: Context.Context<never>) => Context.get(services, Clock.Clock)
  return FeatureHook.watcher(FeatureHook.make("metrics", {
    hookData: (): { startedAt: bigint | undefined } => ({ startedAt: undefined }),
    before: (_context, _hints, data) => {
      data.startedAt = clockOf(Services.current()).monotonicTimeNanosUnsafe()
    },
    finally: (context, details, _hints, { startedAt }) => {
      const services = Services.current()
      return end(
        context,
        details,
        startedAt === undefined ? undefined : nanosSince(startedAt, clockOf(services)),
        services
      )
    }
  }))
}

/**
 * Creates a hook that runs a function after each evaluation. The function
 * returns an effect, a promise, or nothing.
 *
 * **When to use**
 *
 * Use to send measurements to a system that has no hook here.
 *
 * **Details**
 *
 * The function runs exactly once per evaluation, including those that a hook
 * rejected and those without a ready provider. The hook is an observer: a
 * failure of the function goes to `HookFailures`.
 *
 * **Gotchas**
 *
 * The evaluation waits for an effect or a promise. Limit it with
 * `FeatureHook.timeout`.
 *
 * Throws a `RangeError` when the argument is not a function.
 *
 * **Example** (Logging the duration of each evaluation)
 *
 * ```ts
 * import { Duration, Effect } from "effect"
 * import { MetricsHook } from "effect-openfeature"
 *
 * const hook = MetricsHook.make(({ duration, flagKey, success }) =>
 *   Effect.log(`${flagKey}: ${success} after ${duration && Duration.toMillis(duration)} ms`)
 * )
 * hook.name // => "metrics"
 * ```
 *
 * **Example** (Counting without an effect)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { MetricsHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * let failed = 0
 * const hook = MetricsHook.make(({ success }) => {
 *   if (!success) failed++
 * })
 * await Effect.runPromise(Fixtures.run(hook, { error: new Error("no connection") }))
 * failed // => 1
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A>(
  record: (evaluation: Evaluation) => A
): FeatureHook.FeatureHook<never, FeatureHook.StageServices<A>> => {
  Check.aFunction("MetricsHook.make", "record", record)
  return timed((context, details, nanos) =>
    record({
      flagKey: context.flagKey,
      duration: nanos === undefined ? undefined : Duration.nanos(nanos),
      success: details.errorCode === undefined,
      details,
      context
    })
  )
}

/**
 * Counts evaluations with Effect's `Metric`.
 *
 * **Details**
 *
 * The attributes are `flag_key`, `variant`, `reason` in lower case, and
 * `error_code`. Attributes without a value are left out.
 *
 * @category metrics
 * @since 0.1.0
 */
export const counter: Metric.Counter<number> = Metric.counter("feature_flag_evaluations_total", {
  description: "Evaluations of feature flags",
  incremental: true
})

/**
 * Measures the duration of evaluations in seconds, with Effect's `Metric`.
 *
 * **Details**
 *
 * The attribute is `flag_key`. The buckets range from 10 microseconds to 10
 * seconds.
 *
 * @category metrics
 * @since 0.1.0
 */
export const histogram: Metric.Histogram<number> = Metric.histogram("feature_flag_evaluation_duration_seconds", {
  description: "Duration of feature flag evaluations in seconds",
  boundaries: durationBoundaries
})

/**
 * The options of `makeMetric`.
 *
 * @category models
 * @since 0.1.0
 */
export interface MetricOptions {
  /**
   * The maximum number of attribute sets per metric. By default 1,000. Further
   * evaluations share one series, so totals stay exact. Its attributes `flag_key`,
   * `variant`, `reason` and `error_code` have the value `overflow`. No error code
   * has that value, so a flag named `overflow` keeps its own series.
   */
  readonly maxSeries?: number | undefined
}

// No error has this code, so it is not the series of a flag named `overflow`.
const overflow = { flag_key: "overflow", variant: "overflow", reason: "overflow", error_code: "overflow" }

const attributesOf = ({ errorCode, flagKey, reason, variant }: Labels): Record<string, string> => {
  const attributes: Record<string, string> = { flag_key: oneLine(flagKey, maxLabelLength) }
  if (variant !== undefined) attributes["variant"] = oneLine(variant, maxLabelLength)
  if (reason !== undefined) attributes["reason"] = oneLine(reason, 64).toLowerCase()
  if (errorCode !== undefined) attributes["error_code"] = errorCode
  return attributes
}

const lookup = <A>(limit: number, make: (attributes: Record<string, string>) => A): SeriesLookup<A> => {
  const series = new Series(make(overflow))
  return new SeriesLookup(limit, (labels) => series.of(attributesOf(labels), limit, make))
}

/**
 * Creates a hook that counts and measures evaluations with Effect's `Metric`.
 *
 * **When to use**
 *
 * Use with any exporter of Effect's metrics, such as Prometheus or OTLP, if two
 * metrics with short names are enough. `OtelMetricsHook.makeMetric` of
 * `effect-openfeature/otel` has the names of every OpenFeature SDK, which the
 * dashboard queries.
 *
 * **Details**
 *
 * Updates `counter` and `histogram`. It is an effect because each hook has its
 * own series.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `maxSeries` is not an integer of at least 1.
 *
 * **Example** (Counting evaluations)
 *
 * ```ts
 * import { Effect, Metric } from "effect"
 * import { MetricsHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const program = Effect.gen(function*() {
 *   const hook = yield* MetricsHook.makeMetric()
 *   yield* Fixtures.run(hook, { context: { flagKey: "new-checkout" }, details: { variant: "on", reason: "STATIC" } })
 *   const series = Metric.withAttributes(MetricsHook.counter, {
 *     flag_key: "new-checkout",
 *     variant: "on",
 *     reason: "static"
 *   })
 *   return (yield* Metric.value(series)).count
 * })
 * await Effect.runPromise(program) // => 1
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMetric = (options: MetricOptions = {}): Effect.Effect<FeatureHook.FeatureHook> => {
  const { maxSeries = 1000 } = Check.options("MetricsHook.makeMetric", options, { maxSeries: Check.positiveInteger })
  return Effect.sync(() => {
    const counters = lookup(maxSeries, (attributes) => Metric.withAttributes(counter, attributes))
    const histograms = lookup(maxSeries, (attributes) => Metric.withAttributes(histogram, attributes))
    return timed(({ flagKey }, details, nanos, services) => {
      counters.of(flagKey, "", details, "").updateUnsafe(1, services)
      if (nanos !== undefined) histograms.of(flagKey, "", noOutcome, "").updateUnsafe(Number(nanos) / 1e9, services)
    })
  })
}
