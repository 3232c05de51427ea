/**
 * Hooks that measure evaluations: with your own effect, or on Effect's `Metric`.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import { durationBoundaries, nanosSince } from "../internal/durations.ts"
import * as Check from "../internal/check.ts"
import { oneLine } from "../internal/text.ts"

/**
 * What is known about one evaluation when it is over.
 *
 * **Details**
 *
 * `duration` is measured with the monotonic clock from this hook's `before` to
 * its `finally`; it is missing when an earlier hook failed, so that this `before`
 * never ran. `success` says that the details carry no error.
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

class Started {
  at: bigint | undefined = undefined
}

/**
 * Creates a hook that runs an effect once per evaluation, when it is over.
 *
 * **Details**
 *
 * Counts evaluations of any outcome exactly once, those that a hook rejected or
 * whose provider was not ready among them. A failure of the effect changes
 * nothing; it is reported to `HookFailures`.
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
export const make = <E, R>(
  record: (evaluation: Evaluation) => Effect.Effect<unknown, E, R>
): FeatureHook.FeatureHook<never, R> =>
  FeatureHook.observe(FeatureHook.make("metrics", {
    hookData: () => new Started(),
    before: (_context, _hints, started) =>
      Effect.clockWith((clock) => {
        started.at = clock.monotonicTimeNanosUnsafe()
        return Effect.void
      }),
    finally: (context, details, _hints, started) =>
      Effect.clockWith((clock) => {
        return record({
          flagKey: context.flagKey,
          duration: started.at === undefined ? undefined : Duration.nanos(nanosSince(started.at, clock)),
          success: details.errorCode === undefined,
          details,
          context
        })
      })
  }))

/**
 * Counts evaluations, on Effect's `Metric`.
 *
 * **Details**
 *
 * The attributes are `flag_key`, `variant`, `reason` in lower case and
 * `error_code`; one that does not apply is missing.
 *
 * @category metrics
 * @since 0.1.0
 */
export const counter: Metric.Counter<number> = Metric.counter("feature_flag_evaluations_total", {
  description: "Evaluations of feature flags",
  incremental: true
})

/**
 * Measures how long evaluations take, in seconds, on Effect's `Metric`.
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
 * - `maxSeries`: how many series of each metric may come into being, 1,000 by
 *   default. What comes after that is counted in one series whose attributes all
 *   say `overflow`, so totals stay exact.
 *
 * @category models
 * @since 0.1.0
 */
export interface MetricOptions {
  readonly maxSeries?: number | undefined
}

const attributesOf = (details: EvaluationDetails, flagKey: string): Record<string, string> => {
  const attributes: Record<string, string> = { flag_key: flagKey }
  if (details.variant !== undefined) attributes["variant"] = oneLine(details.variant, 256)
  if (details.reason !== undefined) attributes["reason"] = oneLine(details.reason, 64).toLowerCase()
  if (details.errorCode !== undefined) attributes["error_code"] = details.errorCode
  return attributes
}

/** Remembers series up to a limit, and one more for the rest. */
const bounded = <A>(limit: number, names: ReadonlyArray<string>, make: (attributes: Record<string, string>) => A) => {
  const known = new Map<string, A>()
  const overflow = make(Object.fromEntries(names.map((name) => [name, "overflow"])))
  return (attributes: Record<string, string>): A => {
    const key = JSON.stringify(attributes)
    const found = known.get(key)
    if (found !== undefined) return found
    if (known.size >= limit) return overflow
    const made = make(attributes)
    known.set(key, made)
    return made
  }
}

/**
 * Creates a hook that counts and measures evaluations on Effect's `Metric`.
 *
 * **When to use**
 *
 * Use with any exporter of Effect's metrics: Prometheus, OTLP, or your own.
 *
 * **Details**
 *
 * Updates `counter` and `histogram`. An effect, since the hook remembers which
 * series it has made.
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
    const counters = bounded(
      maxSeries,
      ["flag_key", "variant", "reason", "error_code"],
      (attributes) => Metric.withAttributes(counter, attributes)
    )
    const histograms = bounded(maxSeries, ["flag_key"], (attributes) => Metric.withAttributes(histogram, attributes))
    return make(({ details, duration, flagKey }) => {
      const key = oneLine(flagKey, 256)
      const count = Metric.update(counters(attributesOf(details, key)), 1)
      return duration === undefined
        ? count
        : Effect.andThen(count, Metric.update(histograms({ flag_key: key }), Duration.toSeconds(duration)))
    })
  })
}
