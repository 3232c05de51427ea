/**
 * Hooks that count and measure evaluations, with OpenTelemetry or with Effect's
 * metrics under the same names.
 *
 * @since 0.1.0
 */
import type * as Otel from "@opentelemetry/api"
import * as Effect from "effect/Effect"
import type { Severity } from "effect/LogLevel"
import type * as FeatureHook from "../FeatureHook.ts"
import * as Check from "../internal/check.ts"
import { EffectMeter } from "./internal/effectMeter.ts"
import * as Labels from "./internal/labels.ts"
import * as Metering from "./internal/metering.ts"
import { CurrentMeter } from "./internal/otelMeter.ts"

/**
 * The options of a metrics hook, with those of `Privacy`.
 *
 * **Details**
 *
 * - `maxSeries`: the maximum number of attribute sets, 1,000 by default. It
 *   applies to requests and results separately. Further evaluations share one
 *   series with the attribute `otel.metric.overflow`, so totals stay exact.
 * - `attributes`: additional attributes for all metrics, or a function that
 *   returns them. Requests and active evaluations are counted before the flag is
 *   resolved, so for them it runs without details. If it throws, it adds nothing.
 * - `dimensions`: names of flag metadata to add as attributes to the metrics of
 *   results; none by default.
 * - `exclude`: names of attributes to leave out, from any source; none by
 *   default.
 * - `rewrite`: receives the attributes of a series at last, and returns those to
 *   write. It runs when a series is looked up for the first time, not for each
 *   evaluation. If it throws, none are written.
 * - `version`: the version of the attribute names, `"1.45"` by default.
 *
 * An attribute of a metric needs few distinct values, so the options of `Privacy`
 * mean less here:
 *
 * - `values`: adds the value to the metrics of results if it is a boolean.
 * - `context`: adds the named attributes of the evaluation context to all
 *   metrics, as `feature_flag.context.attribute.<name>`.
 * - `targetingKey`: formats the targeting key. Metrics contain it only if
 *   `context` names `targetingKey`.
 * - `errorMessage`: has no effect. Metrics contain the error type.
 * - `maxLength`: at most 256.
 *
 * **Gotchas**
 *
 * `rewrite` must depend on its argument only.
 *
 * @category models
 * @since 0.1.0
 */
export interface MetricOptions extends Labels.Options {
  /** Whether to record durations; `true` by default. */
  readonly duration?: boolean | undefined
}

/**
 * The options of a metrics hook for OpenTelemetry.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends MetricOptions {
  /** The meter provider; by default the global one at the time of each evaluation. */
  readonly meterProvider?: Otel.MeterProvider | undefined
  /**
   * The level of the log record that tells, once, that there is still no meter
   * provider ten seconds after the first evaluation; `"Warn"` by default.
   * `false` turns it off.
   */
  readonly whenUnread?: Severity | false | undefined
}

const rules: Check.Rules<MetricOptions> = { ...Labels.rules, duration: Check.aBoolean }

const unread = "flag evaluations are counted, but there is no global meter provider that exports them: " +
  "set one, give OtelMetricsHook.make a meterProvider, or count on Effect's metrics with OtelMetricsHook.makeMetric"

/**
 * Creates a hook that exports metrics of evaluations with OpenTelemetry.
 *
 * **When to use**
 *
 * Use when the process has an OpenTelemetry SDK with a meter provider. Use
 * `makeMetric` with the layers of `@effect/opentelemetry`, which read Effect's
 * metrics, and without an SDK.
 *
 * **Details**
 *
 * - `feature_flag.evaluation_requests_total` and
 *   `feature_flag.evaluation_active_count` have the flag key and the provider.
 * - `feature_flag.evaluation_success_total` and
 *   `feature_flag.evaluation_error_total` also have the variant, the reason and,
 *   after an error, its type.
 * - `feature_flag.evaluation_duration`, in seconds, has the flag key, the
 *   provider and the error type.
 *
 * All but the duration are the metrics of every OpenFeature SDK.
 *
 * Each evaluation counts once, as a success or as an error, no matter which hook
 * it failed in. A hung evaluation counts as active for ten minutes.
 *
 * Counts from before there is a meter provider are exported by the first one.
 * Durations are recorded from then on.
 *
 * The hook is an observer: its failures go to `HookFailures` and never change an
 * evaluation.
 *
 * **Gotchas**
 *
 * Hooks with the same meter provider share its series. Counts from before there
 * is a meter provider are exported from the next evaluation on. `NodeSdk.layer`
 * of `@effect/opentelemetry` sets no global meter provider, so it exports nothing
 * of this hook. The hook then logs a warning; see `whenUnread`.
 *
 * Throws a `RangeError` that names the option when an option is invalid.
 *
 * **Example** (Using the global meter provider)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { OpenFeatureHook } from "effect-openfeature"
 * import { OtelMetricsHook } from "effect-openfeature/otel"
 *
 * OpenFeature.getClient("checkout").addHooks(OpenFeatureHook.make(OtelMetricsHook.make()))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): FeatureHook.FeatureHook => {
  const { duration = true, meterProvider, whenUnread = "Warn" } = Check.options("OtelMetricsHook.make", options, {
    ...rules,
    meterProvider: Check.withMethods("getMeter"),
    whenUnread: Check.severityOrFalse
  })
  const labelling = Labels.make(options)
  const meter = new CurrentMeter(meterProvider, labelling)
  const tell = whenUnread === false ? undefined : Effect.logWithLevel(whenUnread)(unread)
  return Metering.make(
    labelling,
    duration,
    () => meter.get(),
    tell && ((evaluation) => meter.isUnread(evaluation) ? tell : undefined)
  )
}

/**
 * Creates a hook that counts with Effect's metrics, under the same names and
 * with the same attributes as `make`.
 *
 * **When to use**
 *
 * Use with `NodeSdk.layer` of `@effect/opentelemetry`, or without an
 * OpenTelemetry SDK. Effect exports its metrics through OTLP
 * (`effect/observability/OtlpMetrics`) and as Prometheus text
 * (`effect/observability/PrometheusMetrics`).
 *
 * **Gotchas**
 *
 * A hung evaluation stays active. Create the hook once: Effect's registry keeps
 * all series, and each hook has a limit of its own.
 *
 * Throws a `RangeError` that names the option when an option is invalid.
 *
 * **Example** (Counting without an OpenTelemetry SDK)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 * import { OtelMetricsHook } from "effect-openfeature/otel"
 *
 * const program = Effect.gen(function*() {
 *   const flags = yield* FeatureFlags.make({ hooks: [yield* OtelMetricsHook.makeMetric()] })
 *   return yield* flags.boolean("new-checkout", false)
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => false
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMetric = (options: MetricOptions = {}): Effect.Effect<FeatureHook.FeatureHook> => {
  const labelling = Labels.make(Check.options("OtelMetricsHook.makeMetric", options, rules))
  return Effect.sync(() => {
    const meter = new EffectMeter(labelling)
    return Metering.make(labelling, options.duration !== false, () => meter)
  })
}
