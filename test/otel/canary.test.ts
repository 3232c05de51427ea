import { assert, describe, it } from "@effect/vitest"
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http"
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http"
import { PrometheusExporter, PrometheusSerializer } from "@opentelemetry/exporter-prometheus"
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { OTLPExporterBase } from "@opentelemetry/otlp-exporter-base"
import { convertLegacyHttpOptions, createOtlpHttpExportDelegate } from "@opentelemetry/otlp-exporter-base/node-http"
import {
  type IExporterMetricsHelper,
  type ISerializer,
  LogsExporterMetricsHelper,
  MetricsExporterMetricsHelper,
  ProtobufLogsSerializer,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
  TraceExporterMetricsHelper
} from "@opentelemetry/otlp-transformer"
import { LoggerProvider, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs"
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics"
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Effect, Layer, Logger, Metric, References } from "effect"
import { EvaluationError, FeatureHook, HookHints, LoggingHook, MetricsHook, type Privacy } from "effect-openfeature"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook } from "effect-openfeature/otel"
import { TestProvider } from "effect-openfeature/testing"
import { FetchHttpClient } from "effect/http"
import { Otlp, OtlpSerialization, PrometheusMetrics } from "effect/observability"
import { createServer, type IncomingMessage, type Server } from "node:http"
import { collectFailures, paths } from "../support.ts"
import { clients, flagKey, type Request } from "./support.ts"

// A text that is in the data of an evaluation, with the place behind it, and
// that nothing which leaves the process may contain.
const canary = "canary"
const hidden = (place: string): string => `${canary}-${place}`

interface Received {
  readonly sink: string
  readonly body: Buffer
}

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Uint8Array> = []
  for await (const chunk of request) if (chunk instanceof Uint8Array) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const urlOf = (server: Server): string => {
  const address = server.address()
  if (typeof address !== "object" || address === null) throw new Error("the server has no port")
  return `http://127.0.0.1:${address.port}`
}

/** A collector on the loopback interface: the first part of the path says who sends. */
const collector = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly received: Array<Received>; readonly close: () => void }>(
    (resume) => {
      const received: Array<Received> = []
      const server = createServer((request, response) => {
        void bodyOf(request).then((body) => {
          received.push({ sink: request.url ?? "", body })
          response.writeHead(200, { "content-type": request.headers["content-type"] ?? "text/plain" }).end()
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const close = () => {
          server.closeAllConnections()
          server.close()
        }
        resume(Effect.succeed({ url: urlOf(server), received, close }))
      })
    }
  ),
  ({ close }) => Effect.sync(close)
)

const protobuf = <Internal, Response>(
  url: string,
  serializer: ISerializer<Internal, Response>,
  helper: IExporterMetricsHelper<Internal>
) =>
  new OTLPExporterBase(createOtlpHttpExportDelegate(
    convertLegacyHttpOptions({ url }, "CANARY", "", { "Content-Type": "application/x-protobuf" }),
    serializer,
    "otlp_http_exporter",
    helper,
    undefined
  ))

/** What the hooks are set to. The same object is spread into the options of each. */
interface Settings {
  readonly privacy?: Privacy.Options
  readonly metrics?: OtelMetricsHook.MetricOptions
}

type Use = (hooks: ReadonlyArray<FeatureHook.FeatureHook>) => Effect.Effect<void>

/** The SDK of OpenTelemetry: OTLP as JSON and as protobuf, and Prometheus by exporter and serializer. */
const viaOpenTelemetry = ({ metrics: further, privacy }: Settings, url: string, received: Array<Received>, use: Use) =>
  Effect.gen(function*() {
    const exporters = {
      spans: [
        new OTLPTraceExporter({ url: `${url}/otel/json/spans` }),
        protobuf(`${url}/otel/protobuf/spans`, ProtobufTraceSerializer, TraceExporterMetricsHelper)
      ],
      logs: [
        new OTLPLogExporter({ url: `${url}/otel/json/logs` }),
        protobuf(`${url}/otel/protobuf/logs`, ProtobufLogsSerializer, LogsExporterMetricsHelper)
      ],
      metrics: [
        new OTLPMetricExporter({ url: `${url}/otel/json/metrics` }),
        protobuf(`${url}/otel/protobuf/metrics`, ProtobufMetricsSerializer, MetricsExporterMetricsHelper)
      ]
    }
    const prometheus = new PrometheusExporter({ preventServerStart: true })
    const tracerProvider = new BasicTracerProvider({
      spanProcessors: exporters.spans.map((exporter) => new SimpleSpanProcessor(exporter))
    })
    const logs = new LoggerProvider({
      processors: exporters.logs.map((exporter) => new SimpleLogRecordProcessor({ exporter }))
    })
    const readers = exporters.metrics.map((exporter) => new PeriodicExportingMetricReader({ exporter }))
    const meterProvider = new MeterProvider({ readers: [...readers, prometheus] })
    const all = { ...privacy, ...further }
    yield* use([
      OtelEventHook.make({ logs, ...privacy }),
      OtelTracingHook.make({ tracerProvider, recordException: true, ...privacy }),
      OtelMetricsHook.make({ meterProvider, ...all })
    ])
    const scrape = yield* Effect.promise(() => prometheus.collect())
    const text = new PrometheusSerializer().serialize(scrape.resourceMetrics)
    received.push({ sink: "/otel/prometheus/serializer", body: Buffer.from(text) })
    const scraped = yield* Effect.acquireUseRelease(
      Effect.callback<Server>((resume) => {
        const server = createServer((request, response) => prometheus.getMetricsRequestHandler(request, response))
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.promise(async () => (await fetch(`${urlOf(server)}/metrics`)).text()),
      (server) =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
    )
    received.push({ sink: "/otel/prometheus/exporter", body: Buffer.from(scraped) })
    for (const provider of [tracerProvider, logs, meterProvider]) yield* Effect.promise(() => provider.forceFlush())
    for (const provider of [tracerProvider, logs, meterProvider]) yield* Effect.promise(() => provider.shutdown())
  })

/** What Effect brings: its loggers, OTLP as JSON or protobuf, and Prometheus' text. */
const viaEffect = (
  { metrics: further, privacy }: Settings,
  format: "json" | "protobuf",
  url: string,
  received: Array<Received>,
  use: Use
) => {
  const line = (sink: string) => (text: string) => {
    received.push({ sink: `/effect/logger/${sink}`, body: Buffer.from(`${text}\n`) })
  }
  const loggers = Logger.layer([
    Logger.map(Logger.formatJson, line("json")),
    Logger.map(Logger.formatLogFmt, line("logfmt")),
    Logger.map(Logger.formatSimple, line("simple"))
  ])
  const baseUrl = `${url}/effect/${format}`
  const otlp = Otlp.layer({ baseUrl, resource: { serviceName: "test" }, loggerMergeWithExisting: true }).pipe(
    Layer.provide(format === "json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf),
    Layer.provide(FetchHttpClient.layer)
  )
  const all = { ...privacy, ...further }
  return Effect.gen(function*() {
    const hooks = [
      OtelEventHook.make(privacy),
      OtelTracingHook.make({ recordException: true, ...privacy }),
      OtelTracingHook.makeAttributes(privacy),
      yield* OtelMetricsHook.makeMetric(all),
      LoggingHook.make({ before: "Info", after: "Info", error: "Info", ...privacy })
    ]
    yield* Effect.withSpan(use(hooks), "request")
    const text = yield* PrometheusMetrics.format()
    received.push({ sink: "/effect/prometheus", body: Buffer.from(text) })
  }).pipe(
    Effect.provide(Layer.provideMerge(otlp, loggers)),
    Effect.provideService(References.MinimumLogLevel, "Trace"),
    Effect.provideService(Metric.MetricRegistry, new Map())
  )
}

/** Every byte that leaves the process, by where it goes. */
const exported = (settings: Settings, use: Use) =>
  Effect.gen(function*() {
    const { received, url } = yield* collector
    yield* viaOpenTelemetry(settings, url, received, use)
    yield* viaEffect(settings, "json", url, received, use)
    yield* viaEffect(settings, "protobuf", url, received, use)
    const bySink = new Map<string, Array<Buffer>>()
    for (const { body, sink } of received) bySink.set(sink, [...bySink.get(sink) ?? [], body])
    return bySink
  }).pipe(Effect.scoped)

const sinks = [
  "/effect/json/v1/logs",
  "/effect/json/v1/metrics",
  "/effect/json/v1/traces",
  "/effect/logger/json",
  "/effect/logger/logfmt",
  "/effect/logger/simple",
  "/effect/prometheus",
  "/effect/protobuf/v1/logs",
  "/effect/protobuf/v1/metrics",
  "/effect/protobuf/v1/traces",
  "/otel/json/logs",
  "/otel/json/metrics",
  "/otel/json/spans",
  "/otel/prometheus/exporter",
  "/otel/prometheus/serializer",
  "/otel/protobuf/logs",
  "/otel/protobuf/metrics",
  "/otel/protobuf/spans"
]

/** Nothing is exported that contains the canary, and something is exported everywhere. */
const assertSilent = (bySink: ReadonlyMap<string, ReadonlyArray<Buffer>>) => {
  assert.deepStrictEqual(Array.from(bySink.keys()).sort(), sinks)
  for (const [sink, bodies] of bySink) {
    const all = Buffer.concat(bodies)
    assert.isTrue(all.includes(flagKey), `${sink}: nothing of the evaluations`)
    const at = all.indexOf(canary)
    assert.strictEqual(at, -1, `${sink}: ${all.subarray(Math.max(0, at - 100), at + 50).toString("latin1")}`)
  }
}

/** An error with the canary wherever one has a text. */
const thrown = Object.assign(new Error(hidden("message"), { cause: new Error(hidden("cause")) }), {
  name: hidden("error-name"),
  stack: hidden("stack"),
  [hidden("error-key")]: hidden("error-value")
})

const Secret = HookHints.key<string>("secret")
const metadata = {
  owner: hidden("owner"),
  contextId: hidden("context-id"),
  [hidden("metadata-key")]: hidden("metadata-value"),
  description: hidden("description")
}
const everywhere = {
  context: {
    targetingKey: hidden("targeting-key"),
    email: hidden("email"),
    [hidden("context-key")]: 1,
    nested: { list: [{ deep: hidden("deep") }], [hidden("nested-key")]: true }
  },
  hints: HookHints.add(HookHints.fromRecord({ raw: hidden("raw-hint") }), Secret, hidden("hint")),
  text: hidden("default")
} as const

/** One evaluation for each way that data can be in one, with more metadata and a variant if asked for. */
const requests = (more: TestProvider.ValueOptions = {}): ReadonlyArray<Request> => {
  const flagMetadata = { ...metadata, ...more.flagMetadata }
  const options = { ...more, flagMetadata }
  const { variant } = more
  const resolved = { flagMetadata, ...variant === undefined ? {} : { variant } }
  const failed = (code: EvaluationError.ErrorCode) =>
    Effect.map(TestProvider.error(code, hidden("error")), (details) => ({ ...details, ...resolved }))
  const answers: ReadonlyArray<Pick<Request, "type" | "answer">> = [
    { type: "string", answer: TestProvider.value(hidden("text"), options) },
    { type: "object", answer: TestProvider.value({ [hidden("object-key")]: hidden("object-value") }, options) },
    { type: "boolean", answer: TestProvider.value(true, options) },
    // A value of the wrong type.
    { type: "number", answer: TestProvider.value(hidden("wrong-type"), options) },
    { type: "string", answer: failed("PARSE_ERROR") },
    { type: "object", answer: failed("TARGETING_KEY_MISSING") },
    { type: "string", answer: TestProvider.throwing(thrown) },
    { type: "string", answer: TestProvider.throwing(hidden("thrown-text")) },
    { type: "object", answer: TestProvider.throwing({ code: hidden("code"), message: hidden("thrown-object") }) }
  ]
  return answers.map((answer) => ({ ...everywhere, ...answer }))
}

const failing = [
  FeatureHook.make("failing-before", { before: () => Effect.fail(thrown) }),
  FeatureHook.make("failing-after", { after: () => Effect.die(thrown) }),
  FeatureHook.make("rejecting", {
    before: () =>
      Effect.fail(
        new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: hidden("rejection"), cause: thrown })
      )
  }),
  FeatureHook.make("adding", { before: () => Effect.succeed({ context: { added: hidden("added") } }) })
]

/** Evaluates everything, alone and next to hooks that fail. */
const evaluateAll = (
  [, evaluate]: (typeof clients)[number],
  change: (typeof paths)[number][1],
  more: TestProvider.ValueOptions = {}
): Use =>
(hooks) =>
  collectFailures((failures) =>
    Effect.gen(function*() {
      const changed = hooks.map((hook) => change(hook))
      for (const request of requests(more)) yield* evaluate(request, changed)
      for (const hook of failing) {
        for (const request of requests(more).slice(0, 2)) yield* evaluate(request, [...changed, hook])
      }
      assert.deepStrictEqual(failures.filter(({ hook }) => !hook.startsWith("failing")), [])
    })
  )

describe("with the default settings nothing that is exported contains", () => {
  for (const client of clients) {
    for (const [path, change] of paths) {
      it.effect(`context, hints, values, metadata and error texts, with ${client[0]}, ${path}`, () =>
        Effect.map(exported({}, evaluateAll(client, change)), assertSilent))
    }
  }

  it.effect("a variant in the metrics of Effect that know no convention, unless the flag has one", () =>
    Effect.gen(function*() {
      const [client] = clients
      assert.isDefined(client)
      const format = (more: TestProvider.ValueOptions) =>
        Effect.gen(function*() {
          const hook = yield* MetricsHook.makeMetric()
          yield* evaluateAll(client, (hook) => hook, more)([hook])
          return yield* PrometheusMetrics.format()
        }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
      const text = yield* format({})
      assert.include(text, flagKey)
      assert.notInclude(text, canary)
      const matches = (yield* format({ variant: hidden("variant") })).match(/\w+="[^"]*canary[^"]*"/g)
      assert.deepStrictEqual(new Set(matches), new Set([`variant="${hidden("variant")}"`]))
    }))
})

// The conventions require the variant, and recommend the set id and the version:
// what is in there is told, by name.
const exceptions: TestProvider.ValueOptions = {
  variant: hidden("variant"),
  flagMetadata: { flagSetId: hidden("set-id"), version: hidden("version") }
}

type Found = readonly [place: string, text: string]

/** The texts with the canary in a JSON document, with the attribute or member that each is in. */
const textsIn = (value: unknown, place = "?"): ReadonlyArray<Found> => {
  if (typeof value === "string") return value.includes(canary) ? [[place, value]] : []
  if (typeof value !== "object" || value === null) return []
  if ("key" in value && typeof value.key === "string" && "value" in value) return textsIn(value.value, value.key)
  return Array.isArray(value)
    ? value.flatMap((item) => textsIn(item, place))
    : Object.entries(value).flatMap(([key, item]) => [
      ...textsIn(key, `a name in ${place}`),
      ...textsIn(item, key.endsWith("Value") ? place : key)
    ])
}
const labelsIn = (text: string): ReadonlyArray<Found> =>
  Array.from(text.matchAll(/(\w+)="([^"]*canary[^"]*)"/g), ([, label = "?", value = "?"]) => [label, value])

const occurrences = (bodies: ReadonlyArray<Buffer>, text = canary): number =>
  Buffer.concat(bodies).toString("latin1").split(text).length - 1

const byPlace = (found: ReadonlyArray<Found>) =>
  Object.fromEntries(found.map(([place]) => [
    place,
    Array.from(new Set(found.flatMap(([other, text]) => other === place ? [text] : [])))
  ]))

const variant = [hidden("variant")]
const named = {
  "feature_flag.result.variant": variant,
  "feature_flag.set.id": [hidden("set-id")],
  "feature_flag.version": [hidden("version")]
}
const onCaller = { [`feature_flag.evaluation.${flagKey}`]: variant }

describe("the variant, the set id and the version, which the conventions ask for, are", () => {
  for (const client of clients) {
    for (const [path, change] of paths) {
      const use = evaluateAll(client, change, exceptions)

      it.effect(`in their attributes and in no others, with ${client[0]}, ${path}`, () =>
        Effect.gen(function*() {
          const bySink = yield* exported({}, use)
          assert.deepStrictEqual(Array.from(bySink.keys()).sort(), sinks)
          const bodies = (sink: string) => bySink.get(sink) ?? []
          const foundIn = (sink: string, read: (text: string) => ReadonlyArray<Found>) => {
            const found = bodies(sink).flatMap((body) => read(body.toString("utf8")))
            assert.strictEqual(found.length, occurrences(bodies(sink)), `${sink}: somewhere else too`)
            return byPlace(found)
          }
          const json = (text: string) => textsIn(JSON.parse(text))
          assert.deepStrictEqual(foundIn("/otel/json/spans", json), named)
          assert.deepStrictEqual(foundIn("/otel/json/logs", json), named)
          assert.deepStrictEqual(foundIn("/otel/json/metrics", json), { "feature_flag.result.variant": variant })
          assert.deepStrictEqual(foundIn("/effect/json/v1/traces", json), { ...named, ...onCaller })
          // The event, and the records of the logging hook.
          assert.deepStrictEqual(foundIn("/effect/json/v1/logs", json), { ...named, variant })
          assert.deepStrictEqual(foundIn("/effect/logger/json", json), { ...named, variant })
          assert.deepStrictEqual(foundIn("/effect/json/v1/metrics", json), { "feature_flag.result.variant": variant })
          for (const sink of ["/otel/prometheus/exporter", "/otel/prometheus/serializer", "/effect/prometheus"]) {
            assert.deepStrictEqual(foundIn(sink, labelsIn), { feature_flag_result_variant: variant }, sink)
          }
          const same = [
            ["/otel/protobuf/spans", "/otel/json/spans"],
            ["/otel/protobuf/logs", "/otel/json/logs"],
            ["/otel/protobuf/metrics", "/otel/json/metrics"],
            ["/effect/protobuf/v1/traces", "/effect/json/v1/traces"],
            ["/effect/protobuf/v1/logs", "/effect/json/v1/logs"],
            ["/effect/protobuf/v1/metrics", "/effect/json/v1/metrics"],
            ["/effect/logger/logfmt", "/effect/logger/json"],
            ["/effect/logger/simple", "/effect/logger/json"]
          ] as const
          for (const [sink, known] of same) {
            assert.isAbove(occurrences(bodies(sink)), 0, sink)
            assert.strictEqual(occurrences(bodies(sink)), occurrences(bodies(known)), sink)
          }
        }))

      const dropping: Privacy.Options = {
        redact: (name, value) => name === "variant" || name.startsWith("metadata.") ? undefined : value
      }

      it.effect(`nowhere with a redact that drops them, metrics among them, with ${client[0]}, ${path}`, () =>
        Effect.map(exported({ privacy: dropping }, use), assertSilent))

      it.effect(`nowhere with that and a metric that excludes the variant, with ${client[0]}, ${path}`, () =>
        Effect.map(
          exported({ privacy: dropping, metrics: { exclude: ["feature_flag.result.variant"] } }, use),
          assertSilent
        ))
    }
  }
})

describe("with everything told", () => {
  it.effect("the canary is everywhere, but in metrics only what `context` names, so that the other tests would see it", () =>
    Effect.gen(function*() {
      const [client] = clients
      assert.isDefined(client)
      const privacy = { values: true, errorMessage: true, targetingKey: "raw", context: ["email", "nested"] } as const
      const bySink = yield* exported({ privacy }, evaluateAll(client, (hook) => hook))
      for (const sink of sinks) {
        for (const place of ["email", "deep", "text", "object-value", "error", "message"]) {
          const isTold = !/metrics|prometheus/.test(sink) || place === "email" || place === "deep"
          assert.strictEqual(occurrences(bySink.get(sink) ?? [], hidden(place)) > 0, isTold, `${sink}: ${place}`)
        }
        const tellsSubject = occurrences(bySink.get(sink) ?? [], hidden("targeting-key")) > 0
        assert.isFalse(tellsSubject && /metrics|prometheus/.test(sink), sink)
      }
    }))
})
