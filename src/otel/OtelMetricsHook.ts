/**
 * Hooks that count and measure evaluations, with OpenTelemetry or with Effect's
 * metrics under the same names.
 *
 * @since 0.1.0
 */
import type * as Otel from "@opentelemetry/api"
import * as Effect from "effect/Effect"
import type * as FeatureHook from "../FeatureHook.ts"
import * as Check from "../internal/check.ts"
import { EffectMeter } from "./internal/effectMeter.ts"
import * as Labels from "./internal/labels.ts"
import * as Metering from "./internal/metering.ts"
import { CurrentMeter } from "./internal/otelMeter.ts"

/**
 * The options of a metrics hook.
 *
 * **Details**
 *
 * - `duration`: whether to record durations; `true` by default.
 * - `maxSeries`: the maximum number of attribute sets, 1,000 by default. It
 *   applies to requests and results separately. Further evaluations share one
 *   series with the attribute `otel.metric.overflow`, so totals stay exact.
 * - `attributes`: returns additional attributes for all metrics. Requests and
 *   active evaluations are counted before the flag is resolved, so for them it
 *   runs without details. If it throws, it adds nothing.
 * - `dimensions`: names of flag metadata to add as attributes to the metrics of
 *   results; none by default.
 * - `exclude`: names of attributes to leave out, from any source; none by
 *   default.
 * - `redact`: replaces the variant and `dimensions`, as in `Privacy`.
 * - `version`: the version of the attribute names, `"1.45"` by default.
 *
 * @category models
 * @since 0.1.0
 */
export interface MetricOptions extends Labels.Options {
  readonly duration?: boolean | undefined
}

/**
 * The options of a metrics hook for OpenTelemetry.
 *
 * **Details**
 *
 * - `meterProvider`: by default the global one at the time of each evaluation.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends MetricOptions {
  readonly meterProvider?: Otel.MeterProvider | undefined
}

const rules: Check.Rules<MetricOptions> = { ...Labels.rules, duration: Check.aBoolean }

/**
 * Creates a hook that exports metrics of evaluations with OpenTelemetry.
 *
 * **When to use**
 *
 * Use when the process has an OpenTelemetry SDK. Use `makeMetric` without one.
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
 * is a meter provider are exported from the next evaluation on.
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
  const labelling = Labels.make(Check.options("OtelMetricsHook.make", options, {
    ...rules,
    meterProvider: Check.withMethods("getMeter")
  }))
  const meter = new CurrentMeter(options.meterProvider, labelling)
  return Metering.make(labelling, options.duration !== false, () => meter.get())
}

/**
 * Creates a hook that counts with Effect's metrics, under the same names and
 * with the same attributes as `make`.
 *
 * **When to use**
 *
 * Use without an OpenTelemetry SDK. Effect exports its metrics through OTLP
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
