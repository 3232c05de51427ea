/**
 * Hooks that measure evaluations, with your own effect or with Effect's `Metric`.
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
 * One evaluation, when it is over.
 *
 * **Details**
 *
 * `duration` is the time from this hook's `before` to its `finally`, by the
 * monotonic clock. It is missing when an earlier hook failed, so that this
 * `before` never ran. `success` says whether the details have no error.
 *
 * @category models
 * @since 0.1.0
 */
export interface Evaluation {
  readonly flagKey: string
  readonly duration: Duration.Duration | undefined
  readonly success: boolean
  readonly details: EvaluationDetails
  readonly context: HookContext
}

/** Makes a hook that times evaluations. There is no time when an earlier hook failed, so that its `before` never ran. */
const timed = <A>(
  end: (
    context: HookContext,
    details: EvaluationDetails,
    nanos: bigint | undefined,
    services: Context.Context<never>
  ) => A
): FeatureHook.FeatureHook<never, FeatureHook.StageServices<A>> => {
  const clockOf = (services: Context.Context<never>) => Context.get(services, Clock.Clock)
  return FeatureHook.observe(FeatureHook.make("metrics", {
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
 * Creates a hook that calls a function once per evaluation, when it is over. The
 * function gives an effect, a promise, or nothing.
 *
 * **Details**
 *
 * Every evaluation counts exactly once, also one that a hook rejected or that
 * had no ready provider. A failure of the effect never changes an evaluation; it
 * goes to `HookFailures`.
 *
 * **Example** (Sending durations somewhere)
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
 * The attributes are `flag_key`, `variant`, `reason` in lower case and
 * `error_code`. An attribute that does not apply is missing.
 *
 * @category metrics
 * @since 0.1.0
 */
export const counter: Metric.Counter<number> = Metric.counter("feature_flag_evaluations_total", {
  description: "Evaluations of feature flags",
  incremental: true
})

/**
 * Measures how long evaluations take, in seconds, with Effect's `Metric`.
 *
 * **Details**
 *
 * The attribute is `flag_key`. The buckets reach from 10 microseconds to 10
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
 * The settings of `makeMetric`.
 *
 * **Details**
 *
 * - `maxSeries`: the maximum number of attribute sets of each metric, 1,000 by
 *   default. All further evaluations share one series, so totals stay exact. Its
 *   attributes `flag_key`, `variant`, `reason` and `error_code` all have the value
 *   `overflow`, in both metrics. A flag named `overflow` has series of its own:
 *   no evaluation has `overflow` for an `error_code`.
 *
 * @category models
 * @since 0.1.0
 */
export interface MetricOptions {
  readonly maxSeries?: number | undefined
}

// There is no such error code, so this is no series of a flag of that name.
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
 * Use with any exporter of Effect's metrics: Prometheus, OTLP, or your own.
 *
 * **Details**
 *
 * Updates `counter` and `histogram`. It is an effect, since each hook keeps a
 * list of its series.
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
export const makeMetric = (options?: MetricOptions | undefined): Effect.Effect<FeatureHook.FeatureHook> => {
  const maxSeries = Check.positiveInteger("MetricsHook.makeMetric", "maxSeries", options?.maxSeries ?? 1000)
  return Effect.sync(() => {
    const counters = lookup(maxSeries, (attributes) => Metric.withAttributes(counter, attributes))
    const histograms = lookup(maxSeries, (attributes) => Metric.withAttributes(histogram, attributes))
    return timed(({ flagKey }, details, nanos, services) => {
      counters.of(flagKey, "", details, "").updateUnsafe(1, services)
      if (nanos !== undefined) histograms.of(flagKey, "", noOutcome, "").updateUnsafe(Number(nanos) / 1e9, services)
    })
  })
}
