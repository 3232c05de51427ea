// Packs the project, installs the tarball together with each major version of the OpenTelemetry SDK, and looks whether
// metrics, spans and log records of evaluations arrive: through given providers, and through the global ones by OTLP.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { execute, must, root, strictConsumer, temporary } from "./shared.mjs"

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const pinned = (name) => `${name}@${manifest.devDependencies[name]}`
const scoped = (version, ...names) => names.map((name) => `@opentelemetry/${name}@${version}`)

const combinations = [
  {
    node: process.versions.node,
    packages: [
      "api",
      "api-logs",
      "context-async-hooks",
      "exporter-logs-otlp-http",
      "exporter-metrics-otlp-http",
      "exporter-trace-otlp-http",
      "sdk-logs",
      "sdk-metrics",
      "sdk-trace-base"
    ].map((name) => pinned(`@opentelemetry/${name}`)),
    logs: "@opentelemetry/api-logs",
    trace: "@opentelemetry/sdk-trace-base",
    TracerProvider: "BasicTracerProvider",
    // What the constructor of a span processor takes.
    processor: "exporter"
  },
  {
    node: "26",
    packages: [
      ...scoped("1.10.0", "api"),
      ...scoped("3.1.1", "context-async-hooks", "sdk-logs", "sdk-metrics", "sdk-trace"),
      ...scoped("0.301.0", "exporter-logs-otlp-http", "exporter-metrics-otlp-http", "exporter-trace-otlp-http")
    ],
    logs: "@opentelemetry/api", // which has the Logs API since 1.10
    trace: "@opentelemetry/sdk-trace",
    TracerProvider: "TracerProvider",
    processor: "{ exporter }"
  }
]

// The program of a user. Evaluates in two requests, with hooks that were given providers and with hooks that find the
// global ones, and prints how many of everything arrived.
const program = ({ TracerProvider, logs, processor, trace }) => `
import assert from "node:assert/strict"
import { createServer } from "node:http"
import { json } from "node:stream/consumers"
import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
import { context, metrics, trace } from "@opentelemetry/api"
import { logs } from "${logs}"
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks"
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http"
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http"
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs"
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics"
import { ${TracerProvider} as TracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "${trace}"
import { OpenFeatureHook } from "effect-openfeature"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook } from "effect-openfeature/otel"

const received = { traces: [], logs: [], metrics: [] }
const server = createServer(async (request, response) => {
  received[request.url.replace("/v1/", "")].push(await json(request))
  response.writeHead(200, { "content-type": "application/json" }).end("{}")
})
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve))
const url = (signal) => ({ url: \`http://127.0.0.1:\${server.address().port}/v1/\${signal}\` })

const providersOf = (metricExporter, spanExporter, logExporter) => {
  const spanProcessorOf = (exporter) => new SimpleSpanProcessor(${processor})
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

await OpenFeature.setProviderAndWait(new InMemoryProvider({
  known: { variants: { on: true, off: false }, defaultVariant: "on", disabled: false }
}))
const client = OpenFeature.getClient("matrix")
client.addHooks(
  OpenFeatureHook.make(
    OtelMetricsHook.make(given),
    OtelTracingHook.make(given),
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

const traceIds = await Promise.all(["first", "second"].map((name) =>
  trace.getTracer("matrix").startActiveSpan(name, async (span) => {
    assert.equal(await client.getBooleanValue("known", false), true)
    assert.equal(await client.getBooleanValue("unknown", false), false)
    span.end()
    return span.spanContext().traceId
  })
))

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
    sum(points.filter((point) => point.name === \`feature_flag.evaluation_\${name}\`).map(({ value }) => Number(value)))
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
console.log(\`in memory \${memory.requests_total} evaluations, \${memory.spans} spans, \${memory.records} log records;\`,
  \`by OTLP \${otlp.requests_total}, \${otlp.spans}, \${otlp.records}\`)
`

// The types that a user sees: everything that a hook takes of OpenTelemetry, from the API and from the SDK.
const types = ({ TracerProvider, logs, trace }) => `
import * as otel from "@opentelemetry/api"
import { logs } from "${logs}"
import { LoggerProvider } from "@opentelemetry/sdk-logs"
import { MeterProvider } from "@opentelemetry/sdk-metrics"
import { ${TracerProvider} as TracerProvider } from "${trace}"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook } from "effect-openfeature/otel"

OtelEventHook.make({ logs })
OtelEventHook.make({ logs: new LoggerProvider() })
OtelTracingHook.make({ tracerProvider: new TracerProvider() })
OtelTracingHook.make({ tracerProvider: otel.trace.getTracerProvider() })
OtelMetricsHook.make({ meterProvider: new MeterProvider() })
OtelMetricsHook.make({ meterProvider: otel.metrics.getMeterProvider() })
// @ts-expect-error no logger provider
OtelEventHook.make({ logs: otel.metrics })
// @ts-expect-error no tracer provider
OtelTracingHook.make({ tracerProvider: otel.metrics.getMeterProvider() })
// @ts-expect-error no meter provider
OtelMetricsHook.make({ meterProvider: otel.trace.getTracerProvider() })
`

// Packed from a copy: packing builds, and the folder dist may be in use.
const folder = temporary("otel-matrix")
const copy = join(folder, "copy")
mkdirSync(copy)
for (const name of ["src", ".ci", "package.json", ...manifest.files.filter((file) => file.endsWith(".md"))]) {
  cpSync(join(root, name), join(copy, name), { recursive: true })
}
symlinkSync(join(root, "node_modules"), join(copy, "node_modules"), "junction")
must("npm", ["pack", "--pack-destination", folder], { cwd: copy })
const tarball = join(folder, readdirSync(folder).find((file) => file.endsWith(".tgz")))

const nodeOf = (wanted) =>
  wanted === process.versions.node
    ? process.execPath
    : must("npx", ["-y", "-p", `node@${wanted}`, "node", "-p", "process.execPath"]).trim()

const run = (combination, index) => {
  const consumer = join(folder, `consumer-${index}`)
  mkdirSync(consumer)
  const write = (name, text) => writeFileSync(join(consumer, name), text)
  write("package.json", JSON.stringify({ name: "consumer", private: true, type: "module" }))
  write("program.mjs", program(combination))
  write("types.ts", types(combination))
  write("tsconfig.json", JSON.stringify({ compilerOptions: strictConsumer, files: ["types.ts"] }))
  must("npm", [
    "install",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    tarball,
    ...["effect", "@openfeature/server-sdk", "@openfeature/core", "@types/node"].map(pinned),
    ...combination.packages
  ], { cwd: consumer })

  // One copy of the API, the one under test.
  const modules = join(consumer, "node_modules")
  if (existsSync(join(modules, manifest.name, "node_modules"))) {
    throw new Error("the package has dependencies of its own")
  }
  const versionOf = (name) => JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8")).version
  const versions = `SDK ${versionOf(combination.trace)}, API ${versionOf("@opentelemetry/api")}`

  const node = nodeOf(combination.node)
  const version = must(node, ["-p", "process.versions.node"]).trim()
  const result = execute(node, ["program.mjs"], { cwd: consumer, timeout: 60_000 })
  // Declarations of other packages may have errors of their own; those of this package must have none.
  const checked = execute(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "--pretty", "false"], {
    cwd: consumer
  })
  const errors = checked.output.split("\n").filter((line) => line.includes("error TS"))
  const own = errors.filter((line) =>
    !line.startsWith("node_modules/") || line.startsWith(`node_modules/${manifest.name}/`)
  )
  const isTyped = own.length === 0 && (checked.ok || errors.length > 0)
  const foreign = errors.length > own.length ? ` (${errors.length - own.length} errors in other packages)` : ""
  return {
    ok: result.ok && isTyped,
    text: `${versions}, Node ${version}: ${result.stdout.trim() || "FAIL"}; types ${
      isTyped ? "pass" : "FAIL"
    }${foreign}`,
    output: `${result.ok ? "" : result.output}${isTyped ? "" : checked.output}`
  }
}

let failed = 0
for (const [index, combination] of combinations.entries()) {
  const started = performance.now()
  const { ok, output, text } = (() => {
    try {
      return run(combination, index)
    } catch (error) {
      return { ok: false, text: `${combination.trace}: could not be run`, output: error.message }
    }
  })()
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${ok ? "pass" : "FAIL"} ${text} (${seconds} s)`)
  if (!ok) {
    failed++
    console.log(output)
  }
}
if (failed > 0) {
  console.error(`otel-matrix: ${failed} of ${combinations.length} combinations failed`)
  process.exit(1)
}
