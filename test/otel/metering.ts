import { metrics } from "@opentelemetry/api"
import { DataPointType, MeterProvider, type ResourceMetrics } from "@opentelemetry/sdk-metrics"
import { Effect, Metric } from "effect"
import { OtelMetricsHook } from "effect-openfeature/otel"
import { Fixtures } from "effect-openfeature/testing"
import { Reader } from "./reader.ts"

/** One series of a metric, of any meter. */
export interface Series {
  readonly scope: string
  readonly metric: string
  readonly unit: string
  readonly description: string
  readonly attributes: Readonly<Record<string, unknown>>
  /** Of a histogram, how many it has measured. */
  readonly value: number
  readonly sum: number
  /** How many a histogram has measured up to each boundary, and above the last. */
  readonly buckets: ReadonlyArray<readonly [upTo: number, count: number]>
}

/** The series of what a reader has collected. */
export const seriesOf = ({ scopeMetrics }: ResourceMetrics): ReadonlyArray<Series> =>
  scopeMetrics.flatMap(({ metrics, scope }) =>
    metrics.flatMap((data) => {
      const common = {
        scope: scope.name,
        metric: data.descriptor.name,
        unit: data.descriptor.unit,
        description: data.descriptor.description
      }
      switch (data.dataPointType) {
        case DataPointType.GAUGE:
        case DataPointType.SUM:
          return data.dataPoints.map(({ attributes, value }): Series => ({
            ...common,
            attributes,
            value,
            sum: value,
            buckets: []
          }))
        case DataPointType.HISTOGRAM:
          return data.dataPoints.map(({ attributes, value: { buckets, count, sum } }): Series => ({
            ...common,
            attributes,
            value: count,
            sum: sum ?? 0,
            buckets: buckets.counts.map((count, i) => [buckets.boundaries[i] ?? Infinity, count] as const)
          }))
        default:
          throw new Error(`no metric of this library: ${data.descriptor.name}`)
      }
    })
  )

/** A meter provider of the OpenTelemetry SDK whose metrics stay in memory. */
export const metering = () => {
  const reader = new Reader()
  const collect = (): Promise<ReadonlyArray<Series>> =>
    reader.collect().then(({ errors, resourceMetrics }) => {
      if (errors.length > 0) throw errors[0]
      return seriesOf(resourceMetrics)
    })
  return { provider: new MeterProvider({ readers: [reader] }), series: Effect.promise(collect) }
}

/** The series in the registry of Effect's metrics. */
export const effectSeries: Effect.Effect<ReadonlyArray<Series>> = Effect.map(
  Metric.snapshot,
  (snapshots) =>
    snapshots.flatMap((data): ReadonlyArray<Series> => {
      const { description = "" } = data
      // Effect's OTLP exporter takes the unit from the attribute of that name.
      const { unit = "", ...attributes } = Object.fromEntries(Object.entries(data.attributes ?? {}))
      const common = { scope: "effect", metric: data.id, unit, description, attributes, buckets: [] }
      switch (data.type) {
        case "Counter":
          return [{ ...common, value: Number(data.state.count), sum: Number(data.state.count) }]
        case "Gauge":
          return [{ ...common, value: Number(data.state.value), sum: Number(data.state.value) }]
        case "Histogram": {
          const { buckets, count, sum } = data.state
          let below = 0
          const each = buckets.map(([boundary, upTo]) => {
            const own = upTo - below
            below = upTo
            return [boundary, own] as const
          })
          return [{ ...common, value: count, sum, buckets: [...each, [Infinity, count - below]] }]
        }
        default:
          return []
      }
    })
)

/** Gives a program a registry of Effect's metrics of its own. */
export const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map()))

/** The sum over all series of a metric. */
export const total = (series: ReadonlyArray<Series>, metric: string): number =>
  series.reduce((sum, one) => one.metric === metric ? sum + one.value : sum, 0)

/** The attributes of the series of a metric that have counted anything. */
export const attributesOf = (
  series: ReadonlyArray<Series>,
  metric: string
): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  series.filter((one) => one.metric === metric && one.value !== 0).map(({ attributes }) => attributes)

/** Makes a meter provider the global one until the scope closes. */
export const asGlobal = (provider: MeterProvider) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      metrics.disable()
      return metrics.setGlobalMeterProvider(provider)
    }),
    () => Effect.sync(() => metrics.disable())
  )

/** No global meter provider, and nothing that waits for one. */
export const withoutGlobal = Effect.gen(function*() {
  yield* Effect.scoped(Effect.gen(function*() {
    yield* asGlobal(metering().provider)
    yield* Fixtures.run(OtelMetricsHook.make())
  }))
  metrics.disable()
})
