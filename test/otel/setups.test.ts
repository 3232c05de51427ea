import { SpanStatusCode } from "@opentelemetry/api"
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { assert, describe, it } from "@effect/vitest"
import { InMemoryLogRecordExporter, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs"
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Effect, Layer, Metric } from "effect"
import { EvaluationError, FeatureFlags, FeatureHook } from "effect-openfeature"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook, SemanticConventions } from "effect-openfeature/otel"
import { TestProvider } from "effect-openfeature/testing"
import { Otlp, OtlpExporter } from "effect/observability"
import { deferred, newDomain, random, scale } from "../support.ts"
import { collector, recordOf } from "./collector.ts"
import { metering, type Series, seriesOf } from "./metering.ts"
import { Reader } from "./reader.ts"
import { logsInMemory, spansInMemory } from "./support.ts"

const evaluations = 10_000 * scale
const seed = 20_260_201

const { active, duration, error, requests, success } = SemanticConventions.metrics

const script = {
  sale: TestProvider.value(true, { variant: "on", reason: "TARGETING_MATCH", flagMetadata: { tier: "gold" } }),
  limit: TestProvider.value(10, { reason: "RULE_MATCH" }),
  bare: TestProvider.value(false),
  bad: TestProvider.error("PARSE_ERROR", "text"),
  boom: TestProvider.throwing(new Error("text")),
  rejected: TestProvider.value(true)
}
const keys = [...Object.keys(script), "gone"]

const rejecting = FeatureHook.make("rejecting", {
  before: ({ flagKey }) =>
    flagKey === "rejected"
      ? Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no" }))
      : undefined
})

/** Something from every part of the vocabulary. */
const options = {
  attributes: { team: "shop" },
  dimensions: ["tier"],
  exclude: ["feature_flag.set.id"],
  context: ["plan"],
  values: true
}

/** The same evaluations, whatever the hooks, and what came of them. */
const evaluateAll = Effect.fnUntraced(
  function*(hooks: ReadonlyArray<FeatureHook.FeatureHook>) {
    const provider = yield* TestProvider.make({ flags: script })
    const flags = yield* FeatureFlags.make({
      domain: newDomain(),
      provider: Effect.succeed(provider),
      hooks: [...hooks, rejecting]
    })
    const { below, oneOf } = random(seed)
    const counts = { failed: 0, evaluated: 0 }
    while (counts.evaluated < evaluations) {
      const flagKey = oneOf(keys)
      const context = { targetingKey: `user-${below(1000)}`, plan: below(4) === 0 ? "pro" : "free" }
      const { errorCode } = flagKey === "limit"
        ? yield* flags.numberDetails(flagKey, 0, { context })
        : yield* flags.booleanDetails(flagKey, false, { context })
      counts.evaluated++
      if (errorCode !== undefined) counts.failed++
    }
    return counts
  },
  Effect.scoped,
  Effect.orDie
)

/** Figures by name and attributes. */
type Figures = ReadonlyMap<string, number>
interface Exported {
  readonly counts: { readonly failed: number; readonly evaluated: number }
  readonly metrics: Figures
  readonly spans: Figures
  readonly events: Figures
}

type Attributes = Readonly<Record<string, unknown>>

// Effect's metrics have texts as attributes, and its exporters add some of their own.
const own = /^(feature_flag\.|error\.type$|team$|tier$)/
const text = (value: unknown): string => typeof value === "string" ? value : JSON.stringify(value)

const idOf = (name: string, attributes: Attributes): string =>
  JSON.stringify([
    name,
    ...Object.entries(attributes).flatMap(([key, value]) => own.test(key) ? [`${key}=${text(value)}`] : []).sort()
  ])

const figuresOf = (all: Iterable<readonly [name: string, attributes: Attributes, value: number]>): Figures => {
  const figures = new Map<string, number>()
  for (const [name, attributes, value] of all) {
    const id = idOf(name, attributes)
    figures.set(id, (figures.get(id) ?? 0) + value)
  }
  return new Map(Array.from(figures).sort(([a], [b]) => a < b ? -1 : 1))
}

/** Cumulative: what comes later says it all. */
const latestOf = (all: Iterable<readonly [name: string, attributes: Attributes, value: number]>): Figures =>
  figuresOf(new Map(Array.from(all, (one) => [idOf(one[0], one[1]), one])).values())

const ofSeries = (series: ReadonlyArray<Series>): Figures =>
  figuresOf(series.map(({ attributes, metric, unit, value }) => [
    // Effect's counters have no unit.
    metric === duration.name ? `${metric} in ${unit}` : metric,
    attributes,
    value
  ]))
const ofSpans = (spans: ReadonlyArray<ReadableSpan>): Figures =>
  figuresOf(
    spans.map((
      { attributes, name, status }
    ) => [`${name} ${status.code === SpanStatusCode.ERROR ? "failed" : ""}`, attributes, 1])
  )

/** A set-up: it makes hooks, evaluates, and says what was exported. */
type SetUp = (change: (hook: FeatureHook.FeatureHook) => FeatureHook.FeatureHook) => Effect.Effect<Exported>

const openTelemetry: SetUp = Effect.fnUntraced(function*(change) {
  const metrics = metering()
  const spans = spansInMemory()
  const logs = logsInMemory()
  const counts = yield* evaluateAll([
    OtelMetricsHook.make({ ...options, meterProvider: metrics.provider }),
    OtelTracingHook.make({ ...options, tracerProvider: spans.provider }),
    OtelEventHook.make({ ...options, logs: logs.provider })
  ].map(change))
  return {
    counts,
    metrics: ofSeries(yield* metrics.series),
    spans: ofSpans(yield* spans.spans),
    events: figuresOf((yield* logs.records).map(({ attributes, eventName, severityText }) => [
      `${eventName} ${severityText}`,
      attributes,
      1
    ]))
  }
})

/** The hooks of programs that are traced, measured and logged by Effect. */
const effectHooks = Effect.map(OtelMetricsHook.makeMetric(options), (metrics) => [
  metrics,
  OtelTracingHook.make(options),
  OtelEventHook.make(options)
])

const isolated = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map()))

const effectOpenTelemetry: SetUp = (change) =>
  isolated(Effect.gen(function*() {
    const reader = new Reader()
    const spans = new InMemorySpanExporter()
    const logs = new InMemoryLogRecordExporter()
    return yield* Effect.gen(function*() {
      const counts = yield* evaluateAll((yield* effectHooks).map(change))
      const { resourceMetrics } = yield* Effect.promise(() => reader.collect())
      return {
        counts,
        metrics: ofSeries(seriesOf(resourceMetrics)),
        spans: ofSpans(spans.getFinishedSpans()),
        events: figuresOf(
          logs.getFinishedLogRecords().map(({ attributes, severityText }) => [
            `${text(attributes["event.name"])} ${severityText?.toUpperCase()}`,
            attributes,
            1
          ])
        )
      }
    }).pipe(Effect.provide(NodeSdk.layer(() => ({
      resource: { serviceName: "test" },
      metricReader: reader,
      spanProcessor: new SimpleSpanProcessor(spans),
      logRecordProcessor: new SimpleLogRecordProcessor({ exporter: logs }),
      loggerMergeWithExisting: false
    }))))
  }))

const effectOtlp: SetUp = (change) =>
  isolated(Effect.gen(function*() {
    const otlp = collector()
    const counts = yield* Effect.gen(function*() {
      const counts = yield* evaluateAll((yield* effectHooks).map(change))
      yield* (yield* OtlpExporter.Flusher).flush
      return counts
    }).pipe(Effect.provide(
      Otlp.layerJson({
        baseUrl: "http://collector.test",
        resource: { serviceName: "test" },
        loggerMergeWithExisting: false
      }).pipe(Layer.provide(otlp.layer))
    ))
    return {
      counts,
      metrics: latestOf(
        otlp.metrics().flatMap(({ gauge, histogram, name, sum, unit }) =>
          (sum ?? gauge ?? histogram)?.dataPoints.map((point) =>
            [
              name === duration.name ? `${name} in ${unit}` : name,
              recordOf(point.attributes),
              point.asDouble ?? point.asInt ?? point.count ?? Number.NaN
            ] as const
          ) ?? []
        )
      ),
      spans: figuresOf(
        otlp.spans().map(({ attributes, name, status }) => [
          `${name} ${status.code === 2 ? "failed" : ""}`,
          recordOf(attributes),
          1
        ])
      ),
      events: figuresOf(
        otlp.records().map(({ attributes, severityNumber }) => {
          const all = recordOf(attributes)
          return [`${text(all["event.name"])} ${severityNumber === 13 ? "WARN" : "INFO"}`, all, 1]
        })
      )
    }
  }))

const sum = (figures: Figures, prefix: string): number =>
  Array.from(figures).reduce((sum, [id, value]) => id.startsWith(`["${prefix}`) ? sum + value : sum, 0)

describe("the same 10,000 evaluations have the same names and figures", () => {
  for (
    const [path, change] of [
      ["synchronous", (hook: FeatureHook.FeatureHook) => hook],
      ["asynchronous", (hook: FeatureHook.FeatureHook) => deferred(hook)]
    ] as const
  ) {
    it.effect(
      `with the OpenTelemetry SDK, @effect/opentelemetry and Effect's exporters, ${path}`,
      () =>
        Effect.gen(function*() {
          console.log(`telemetry set-ups seed ${seed}`)
          const known = yield* openTelemetry(change)
          assert.strictEqual(known.counts.evaluated, evaluations)
          assert.strictEqual(sum(known.metrics, requests.name), evaluations)
          assert.strictEqual(sum(known.metrics, success.name), evaluations - known.counts.failed)
          assert.strictEqual(sum(known.metrics, error.name), known.counts.failed)
          assert.strictEqual(sum(known.metrics, duration.name), evaluations)
          assert.strictEqual(sum(known.metrics, active.name), 0)
          assert.strictEqual(sum(known.spans, SemanticConventions.event), evaluations)
          assert.strictEqual(sum(known.events, `${SemanticConventions.event} WARN`), known.counts.failed)
          assert.strictEqual(sum(known.events, SemanticConventions.event), evaluations)
          for (const setUp of [effectOpenTelemetry, effectOtlp]) assert.deepStrictEqual(yield* setUp(change), known)
        }),
      180_000
    )
  }
})
