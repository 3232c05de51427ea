/**
 * Hooks that count and time evaluations, with OpenTelemetry or with Effect's
 * metrics under the same names.
 *
 * @since 0.1.0
 */
import type * as Otel from "@opentelemetry/api"
import * as Effect from "effect/Effect"
import type * as FeatureHook from "../FeatureHook.ts"
import { EffectMeter } from "./internal/effectMeter.ts"
import * as Labels from "./internal/labels.ts"
import * as Metering from "./internal/metering.ts"
import { CurrentMeter } from "./internal/otelMeter.ts"

/**
 * The settings of a metrics hook.
 *
 * **Details**
 *
 * - `duration`: whether to record durations; `true` by default.
 * - `maxSeries`: the maximum number of attribute sets, 1000 by default. It
 *   applies to requests and to results separately. All further evaluations share
 *   one series with the attribute `otel.metric.overflow`, so totals stay exact.
 * - `attributes`: makes further attributes for every metric. Requests and active
 *   evaluations are counted before the flag has resolved, so for them it is
 *   called without details. If it throws, it adds nothing.
 * - `dimensions`: names of flag metadata to add as attributes to the metrics of
 *   results.
 * - `exclude`: names of attributes to leave out, wherever they come from.
 * - `redact`: as in `Privacy`, for the variant and for `dimensions`.
 * - `version`: which version's names to use, `"1.45"` by default.
 *
 * @category models
 * @since 0.1.0
 */
export interface MetricOptions extends Labels.Options {
  readonly duration?: boolean | undefined
}

/**
 * The settings of a metrics hook for OpenTelemetry.
 *
 * **Details**
 *
 * - `meterProvider`: by default the one that is global at the time of each
 *   evaluation.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends MetricOptions {
  readonly meterProvider?: Otel.MeterProvider | undefined
}

/**
 * Creates a hook that exports the metrics of evaluations with OpenTelemetry.
 *
 * **When to use**
 *
 * Use when the process has an OpenTelemetry SDK. Without one, use `makeMetric`.
 *
 * **Details**
 *
 * - `feature_flag.evaluation_requests_total` and
 *   `feature_flag.evaluation_active_count` have the flag's key and the provider.
 * - `feature_flag.evaluation_success_total` and
 *   `feature_flag.evaluation_error_total` also have the variant, the reason and,
 *   after an error, its type.
 * - `feature_flag.evaluation_duration`, in seconds, has the flag's key, the
 *   provider and the type of error.
 *
 * All but the duration are the metrics of every OpenFeature SDK.
 *
 * Counting starts with the hook. Counts from before there is a meter provider
 * are exported by the first one; durations are recorded from then on.
 *
 * Every evaluation counts once, as a success or as an error, no matter which
 * hook it failed in. A hung evaluation counts as active for ten minutes.
 *
 * The hook is an observer: its failures never change an evaluation, they go to
 * `HookFailures`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that names the option when one is not valid.
 *
 * Hooks that count for the same meter provider share its series. Counts from
 * before there was one are exported from the next evaluation on.
 *
 * **Example** (Counting for the global meter provider)
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
  const labelling = Labels.make("OtelMetricsHook.make", options)
  const meter = new CurrentMeter(options.meterProvider, labelling)
  return Metering.make(labelling, options.duration !== false, () => meter.get())
}

/**
 * Creates a hook that counts with Effect's metrics, under the same names and
 * with the same attributes as `make`.
 *
 * **When to use**
 *
 * Use without an OpenTelemetry SDK. Effect exports its metrics by OTLP
 * (`effect/observability/OtlpMetrics`) and as the text of Prometheus
 * (`effect/observability/PrometheusMetrics`).
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that names the option when one is not valid.
 *
 * A hung evaluation stays active. Make the hook once: Effect's registry keeps
 * every series, and each hook has a limit of its own.
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
  const labelling = Labels.make("OtelMetricsHook.makeMetric", options)
  return Effect.sync(() => {
    const meter = new EffectMeter(labelling)
    return Metering.make(labelling, options.duration !== false, () => meter)
  })
}
