// The program of a user. Evaluates in two requests, with hooks that were given providers and with hooks that find the
// global ones, and prints how many of everything arrived.
import assert from "node:assert/strict"
import { createServer } from "node:http"
import { json } from "node:stream/consumers"
import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
import { context, metrics, trace } from "@opentelemetry/api"
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks"
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http"
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http"
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs"
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader
} from "@opentelemetry/sdk-metrics"
import { OpenFeatureHook } from "effect-openfeature"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook } from "effect-openfeature/otel"
import { InMemorySpanExporter, logs, spanProcessorOf, TracerProvider } from "./sdk.mjs"

const received = { traces: [], logs: [], metrics: [] }
const server = createServer((request, response) => {
  void json(request).then((data) => {
    received[request.url.replace("/v1/", "")].push(data)
    response.writeHead(200, { "content-type": "application/json" }).end("{}")
  })
})
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve))
const url = (signal) => ({ url: `http://127.0.0.1:${server.address().port}/v1/${signal}` })

const providersOf = (metricExporter, spanExporter, logExporter) => {
  return {
    meterProvider: new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter: metricExporter })] }),
    tracerProvider: new TracerProvider({ spanProcessors: [spanProcessorOf(spanExporter)] }),
    loggerProvider: new LoggerProvider({ processors: [new SimpleLogRecordProcessor({ exporter: logExporter })] })
  }
}
const inMemory = {
  metrics: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
  spans: new InMemorySpanExporter(),
  logs: new InMemoryLogRecordExporter()
}
const given = providersOf(inMemory.metrics, inMemory.spans, inMemory.logs)
const byOtlp = providersOf(
  new OTLPMetricExporter(url("metrics")),
  new OTLPTraceExporter(url("traces")),
  new OTLPLogExporter(url("logs"))
)

await OpenFeature.setProviderAndWait(
  new InMemoryProvider({
    known: { variants: { on: true, off: false }, defaultVariant: "on", disabled: false }
  })
)
const client = OpenFeature.getClient("matrix")
client.addHooks(
  OpenFeatureHook.make(
    OtelMetricsHook.make({ meterProvider: given.meterProvider }),
    OtelTracingHook.make({ tracerProvider: given.tracerProvider }),
    OtelEventHook.make({ logs: given.loggerProvider })
  ),
  OpenFeatureHook.make(OtelMetricsHook.make(), OtelTracingHook.make(), OtelEventHook.make({ logs }))
)
// The hooks are there before the global providers; what they count until then is not lost.
await client.getBooleanValue("known", false)
metrics.setGlobalMeterProvider(byOtlp.meterProvider)
trace.setGlobalTracerProvider(byOtlp.tracerProvider)
logs.setGlobalLoggerProvider(byOtlp.loggerProvider)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

const traceIds = await Promise.all(
  ["first", "second"].map((name) =>
    trace.getTracer("matrix").startActiveSpan(name, async (span) => {
      assert.equal(await client.getBooleanValue("known", false), true)
      assert.equal(await client.getBooleanValue("unknown", false), false)
      span.end()
      return span.spanContext().traceId
    })
  )
)

// Read before they are shut down, which makes the exporters in memory forget.
await Promise.all([given, byOtlp].flatMap(Object.values).map((provider) => provider.forceFlush()))
const inMemorySpans = inMemory.spans.getFinishedSpans()
const inMemoryLogs = inMemory.logs.getFinishedLogRecords()
const inMemoryMetrics = inMemory.metrics.getMetrics().at(-1).scopeMetrics
await Promise.all([given, byOtlp].flatMap(Object.values).map((provider) => provider.shutdown()))
server.close()
server.closeAllConnections()

const isEvaluation = (name) => name === "feature_flag.evaluation"
const sum = (numbers) => numbers.reduce((total, next) => total + next, 0)
const shown = (kind, spans, records, points) => ({
  kind,
  spans: spans.filter(({ name }) => isEvaluation(name)).length,
  records: records.length,
  inTraces: traceIds.map((traceId) => [
    spans.filter((span) => span.traceId === traceId && isEvaluation(span.name) && span.hasParent).length,
    records.filter((record) => record.traceId === traceId).length
  ]),
  ...Object.fromEntries(["requests_total", "success_total", "error_total", "active_count", "duration"].map((name) => [
    name,
    sum(points.filter((point) => point.name === `feature_flag.evaluation_${name}`).map(({ value }) => Number(value)))
  ]))
})
const memory = shown(
  "memory",
  inMemorySpans.map((span) => ({
    name: span.name,
    traceId: span.spanContext().traceId,
    hasParent: span.parentSpanContext !== undefined
  })),
  inMemoryLogs.map((record) => {
    assert(isEvaluation(record.eventName))
    return { traceId: record.spanContext?.traceId }
  }),
  inMemoryMetrics.flatMap((scope) => scope.metrics).flatMap((metric) =>
    metric.dataPoints.map(({ value }) => ({ name: metric.descriptor.name, value: value.count ?? value }))
  )
)
const otlp = shown(
  "OTLP",
  received.traces.flatMap((data) => data.resourceSpans).flatMap((data) => data.scopeSpans).flatMap((data) => data.spans)
    .map((span) => ({ ...span, hasParent: Boolean(span.parentSpanId) })),
  received.logs.flatMap((data) => data.resourceLogs).flatMap((data) => data.scopeLogs)
    .flatMap((data) => data.logRecords).filter((record) => isEvaluation(record.eventName)),
  received.metrics.at(-1).resourceMetrics.flatMap((data) => data.scopeMetrics).flatMap((data) => data.metrics)
    .flatMap((metric) =>
      (metric.sum ?? metric.histogram).dataPoints.map((point) => ({
        name: metric.name,
        value: point.asInt ?? point.asDouble ?? point.count
      }))
    )
)
const counted = { requests_total: 5, success_total: 3, error_total: 2, active_count: 0 }
const inTraces = [[2, 2], [2, 2]]
// The evaluation before there were any was traced and told by the given providers only; its duration was recorded there.
assert.deepEqual(memory, { kind: "memory", spans: 5, records: 5, inTraces, ...counted, duration: 5 })
assert.deepEqual(otlp, { kind: "OTLP", spans: 4, records: 4, inTraces, ...counted, duration: 4 })
console.log(
  `in memory ${memory.requests_total} evaluations, ${memory.spans} spans, ${memory.records} log records;`,
  `by OTLP ${otlp.requests_total}, ${otlp.spans}, ${otlp.records}`
)
