/**
 * A hook that counts and times evaluations with OpenTelemetry, or with Effect's
 * metrics under the same names.
 *
 * @since 0.1.0
 */
import type * as Otel from "@opentelemetry/api"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import { nanosSince } from "../internal/durations.ts"
import type { Aggregate, Bound, Counts } from "../internal/otel/aggregate.ts"
import { Follower, Table } from "../internal/otel/aggregate.ts"
import { LabelCache, type Labels } from "../internal/otel/cache.ts"
import * as Labeller from "../internal/otel/labels.ts"
import { Open } from "../internal/otel/open.ts"
import { providerNameOf } from "../internal/hook/view.ts"
import type { Attributes } from "./EvaluationEvent.ts"
import type * as Privacy from "../Privacy.ts"
import * as SemanticConventions from "./SemanticConventions.ts"

/**
 * The settings of a metrics hook.
 *
 * **Details**
 *
 * - `duration`: whether durations are recorded; `true` by default.
 * - `maxSeries`: how many combinations of attributes are told apart, among
 *   requests and among results, 1000 by default. The rest counts on one more series, with the attribute
 *   `otel.metric.overflow`.
 * - `attributes`: further attributes for every metric. For the number of
 *   requests and of active evaluations, which are counted before the flag has
 *   resolved, it is called without details. One that throws adds none.
 * - `dimensions`: the names of flag metadata to add as attributes to the metrics
 *   of results.
 * - `exclude`: the names of attributes to leave out, whoever has set them.
 * - `redact`: that of `Privacy`, for the variant and for `dimensions`.
 * - `version`: whose names the attributes have, `"1.45"` by default.
 *
 * @category models
 * @since 0.1.0
 */
export interface MetricOptions extends Pick<Privacy.Options, "redact"> {
  readonly duration?: boolean | undefined
  readonly maxSeries?: number | undefined
  readonly attributes?:
    | ((context: HookContext, details: EvaluationDetails | undefined) => Attributes)
    | undefined
  readonly dimensions?: ReadonlyArray<string> | undefined
  readonly exclude?: ReadonlyArray<string> | undefined
  readonly version?: SemanticConventions.Version | undefined
}

/**
 * The settings of a metrics hook for OpenTelemetry.
 *
 * **Details**
 *
 * - `meterProvider`: by default the global one, at the time of each evaluation.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends MetricOptions {
  readonly meterProvider?: Otel.MeterProvider | undefined
}

class Evaluation extends Open {
  aggregate: Aggregate | undefined = undefined
  counts: Counts | undefined = undefined
  provider = ""
  override onExpired(): void {
    if (this.counts !== undefined) this.counts.active--
  }
}

const secondsSince = (start: bigint, clock: Clock.Clock): number => Number(nanosSince(start, clock)) / 1e9

/**
 * Creates a hook that exports the metrics of evaluations with OpenTelemetry.
 *
 * **When to use**
 *
 * With an OpenTelemetry SDK in the process. Without one, `makeMetric` counts
 * with Effect's metrics.
 *
 * **Details**
 *
 * `feature_flag.evaluation_requests_total` and
 * `feature_flag.evaluation_active_count` have the flag's key and the provider;
 * `feature_flag.evaluation_success_total` and
 * `feature_flag.evaluation_error_total` also the variant, the reason and, after
 * an error, its type; `feature_flag.evaluation_duration`, in seconds, the flag's
 * key, the provider and the type of error. But for the duration these are the
 * metrics of every OpenFeature SDK.
 *
 * Counting starts with the hook. What is counted before there is a meter
 * provider is exported by the first one; durations are recorded from then on.
 *
 * Every evaluation is counted once, as a success or an error, whichever hook it
 * failed in. One that never ends counts as active for ten minutes.
 *
 * It is an observer: whatever goes wrong in it is reported to `HookFailures`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `maxSeries` is not an integer of at least 1.
 *
 * Hooks that count for the same meter provider share its series. What was
 * counted before there was one is exported from the next evaluation on.
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
  const { labelsOf, maxSeries, seriesOf } = Labeller.make("OtelMetricsHook.make", options)
  const follower = new Follower(options.meterProvider, maxSeries)
  const isTimed = options.duration !== false
  const countsOf = (bound: Bound, table: "requests" | "results", labels: Labels): Counts =>
    seriesOf(bound[table], bound.aggregate[table], labels)
  const request = (bound: Bound, context: HookContext, evaluation: Evaluation): Counts => {
    evaluation.provider = providerNameOf(context)
    const counts = countsOf(bound, "requests", labelsOf(context, evaluation.provider, undefined))
    counts.requests++
    return counts
  }

  return FeatureHook.observe(FeatureHook.make("otel-metrics", {
    hookData: () => new Evaluation(),
    before: (context, _hints, evaluation) =>
      Effect.clockWith((clock) => {
        const bound = follower.current
        const { aggregate } = bound
        evaluation.counts = request(bound, context, evaluation)
        evaluation.counts.active++
        evaluation.aggregate = aggregate
        const now = clock.monotonicTimeNanosUnsafe()
        aggregate.clock = clock
        aggregate.open.expire(now)
        aggregate.open.add(evaluation, now)
        return Effect.void
      }),
    finally: (context, details, _hints, evaluation) =>
      Effect.clockWith((clock) => {
        const bound = follower.current
        bound.aggregate.clock = clock
        // Where a hook before this one has failed, there was no `before`.
        if (evaluation.counts === undefined) request(bound, context, evaluation)
        else if (evaluation.aggregate?.open.remove(evaluation) === true) evaluation.counts.active--
        const counts = countsOf(bound, "results", labelsOf(context, evaluation.provider, details))
        if (details.errorCode === undefined) counts.success++
        else counts.error++
        if (isTimed && evaluation.counts !== undefined) {
          bound.aggregate.duration?.record(secondsSince(evaluation.startedAt, clock), counts.durationAttributes)
        }
        return Effect.void
      })
  }))
}

const textsOf = (attributes: Attributes): Record<string, string> =>
  Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, String(value)]))

// The metrics of one combination of labels.
const metricsOf = (series: Attributes, durationSeries: Attributes) => {
  const { active, duration, error, requests, success } = SemanticConventions.metrics
  const attributes = textsOf(series)
  return {
    requests: Metric.counter(requests.name, { ...requests, attributes, incremental: true }),
    active: Metric.gauge(active.name, { ...active, attributes }),
    success: Metric.counter(success.name, { ...success, attributes, incremental: true }),
    error: Metric.counter(error.name, { ...error, attributes, incremental: true }),
    duration: Metric.histogram(duration.name, {
      ...duration,
      // Effect's OTLP exporter takes the unit from here.
      attributes: { ...textsOf(durationSeries), unit: duration.unit },
      boundaries: SemanticConventions.durationBoundaries
    })
  }
}
type Metrics = ReturnType<typeof metricsOf>

class Measured {
  metrics: Metrics | undefined = undefined
  provider = ""
  startedAt = 0n
}

/**
 * Creates a hook that counts with Effect's metrics, under the same names and
 * with the same attributes as `make`.
 *
 * **When to use**
 *
 * Without an OpenTelemetry SDK: Effect exports its metrics by OTLP
 * (`effect/observability/OtlpMetrics`) and as Prometheus' text
 * (`effect/observability/PrometheusMetrics`).
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `maxSeries` is not an integer of at least 1.
 *
 * An evaluation that never ends stays active. Make the hook once: Effect's
 * registry keeps every series, and each hook has a limit of its own.
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
  const { labelsOf, maxSeries, seriesOf } = Labeller.make("OtelMetricsHook.makeMetric", options)
  return Effect.sync(() => {
    const isTimed = options.duration !== false
    const known = { requests: new LabelCache<Metrics>(maxSeries), results: new LabelCache<Metrics>(maxSeries) }
    const tables = { requests: new Table(metricsOf), results: new Table(metricsOf) }
    const of = (table: "requests" | "results", labels: Labels): Metrics => seriesOf(known[table], tables[table], labels)
    const request = (context: HookContext, evaluation: Measured): Metrics => {
      evaluation.provider = providerNameOf(context)
      return of("requests", labelsOf(context, evaluation.provider, undefined))
    }
    return FeatureHook.observe(FeatureHook.make("otel-metrics", {
      hookData: () => new Measured(),
      before: (context, _hints, evaluation) =>
        Effect.clockWith((clock) => {
          const metrics = request(context, evaluation)
          evaluation.metrics = metrics
          evaluation.startedAt = clock.monotonicTimeNanosUnsafe()
          return Effect.andThen(Metric.update(metrics.requests, 1), Metric.modify(metrics.active, 1))
        }),
      finally: (context, details, _hints, evaluation) =>
        Effect.clockWith((clock) => {
          const { metrics: started, startedAt } = evaluation
          const begun = started === undefined
            ? Metric.update(request(context, evaluation).requests, 1)
            : Metric.modify(started.active, -1)
          const { duration, error, success } = of("results", labelsOf(context, evaluation.provider, details))
          const counted = Effect.andThen(begun, Metric.update(details.errorCode === undefined ? success : error, 1))
          return isTimed && started !== undefined
            ? Effect.andThen(counted, Metric.update(duration, secondsSince(startedAt, clock)))
            : counted
        })
    }))
  })
}
