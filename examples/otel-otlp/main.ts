// Metrics, spans and log records of flag evaluations, through the OpenTelemetry SDK and by OTLP to a receiver. Prints
// what arrived there, and checks that it adds up and that everything of one request belongs together.
import { FlagdProvider } from "@openfeature/flagd-provider"
import { context, metrics, SpanKind, trace } from "@opentelemetry/api"
import { logs } from "@opentelemetry/api-logs"
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks"
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http"
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http"
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { resourceFromAttributes } from "@opentelemetry/resources"
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs"
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics"
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Config, ConfigProvider, type Context, Effect, Layer } from "effect"
import { type EvaluationContext, FeatureFlags, OpenFeatureHook } from "effect-openfeature"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook } from "effect-openfeature/otel"
import { fileURLToPath } from "node:url"
import { OtlpReceiver } from "./receiver.ts"
import { report } from "./report.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Telemetry: the global providers of the OpenTelemetry API, until the layer is released. Then all of them are flushed.
// ---------------------------------------------------------------------------------------------------------------------

const provider = <P extends { shutdown(): Promise<void> }>(make: () => P) =>
  Effect.acquireRelease(Effect.sync(make), (provider) => Effect.promise(() => provider.shutdown()))

const TelemetryLive = Layer.effectDiscard(Effect.gen(function*() {
  const endpoint = yield* Config.String("OTEL_EXPORTER_OTLP_ENDPOINT").pipe(Config.withDefault("http://localhost:4318"))
  const serviceName = yield* Config.String("OTEL_SERVICE_NAME").pipe(Config.withDefault("shop"))
  const resource = resourceFromAttributes({ "service.name": serviceName })
  const url = (signal: string) => ({ url: `${endpoint}/v1/${signal}` })

  const meterProvider = yield* provider(() =>
    new MeterProvider({
      resource,
      readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(url("metrics")) })]
    })
  )
  const tracerProvider = yield* provider(() =>
    new BasicTracerProvider({
      resource,
      spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(url("traces")))]
    })
  )
  const loggerProvider = yield* provider(() =>
    new LoggerProvider({
      resource,
      processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter(url("logs")) })]
    })
  )
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      metrics.setGlobalMeterProvider(meterProvider)
      trace.setGlobalTracerProvider(tracerProvider)
      logs.setGlobalLoggerProvider(loggerProvider)
      context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    }),
    () => Effect.sync(() => [metrics, trace, logs, context].forEach((api) => api.disable()))
  )
}))

// ---------------------------------------------------------------------------------------------------------------------
// Flags: the hooks find the global providers by themselves
// ---------------------------------------------------------------------------------------------------------------------

const privacy = { targetingKey: "raw" } as const // or Privacy.hmac(secret)

const HooksLive = OpenFeatureHook.layer(
  OtelMetricsHook.make(),
  OtelTracingHook.make(privacy),
  OtelEventHook.make({ ...privacy, logs })
)

const FlagsLive = FeatureFlags.layer({
  domain: "shop",
  provider: Effect.sync(() =>
    new FlagdProvider({
      resolverType: "in-process",
      offlineFlagSourcePath: fileURLToPath(new URL("../flags.json", import.meta.url))
    })
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// The shop
// ---------------------------------------------------------------------------------------------------------------------

const users = Array.from({ length: 20 }, (_, index): EvaluationContext.EvaluationContext => ({
  targetingKey: `user-${index}`,
  plan: index % 4 === 0 ? "pro" : "free"
}))

// What an instrumentation of HTTP does: the span of a request is the active one for as long as it is handled.
const traced = (name: string, user: EvaluationContext.EvaluationContext) => <A, R>(self: Effect.Effect<A, never, R>) =>
  Effect.contextWith((services: Context.Context<R>) =>
    Effect.promise((signal) =>
      trace.getTracer("shop").startActiveSpan(
        name,
        { kind: SpanKind.SERVER, attributes: { "user.id": user.targetingKey } },
        (span) => Effect.runPromiseWith(services)(self, { signal }).finally(() => span.end())
      )
    )
  )

const request = Effect.fnUntraced(function*(user: EvaluationContext.EvaluationContext) {
  const flags = yield* FeatureFlags.FeatureFlags
  return yield* Effect.all([
    flags.booleanDetails("new-checkout", false),
    flags.numberDetails("price-limit", 100),
    flags.stringDetails("banner", ""),
    flags.objectDetails("checkout-config", {}),
    flags.booleanDetails("loyalty-points", false) // for the plan pro it names a variant that is not there
  ]).pipe(
    FeatureFlags.withContext(user),
    traced("GET /checkout", user)
  )
})

const shop = Effect.forEach(users, request, { concurrency: 8 }).pipe(
  Effect.map((results) => results.flat()),
  Effect.provide(Layer.merge(HooksLive, FlagsLive).pipe(Layer.provideMerge(TelemetryLive)))
)

// ---------------------------------------------------------------------------------------------------------------------
// The shop with a receiver
// ---------------------------------------------------------------------------------------------------------------------

const main = Effect.gen(function*() {
  const receiver = yield* OtlpReceiver
  const results = yield* shop.pipe(
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url })))
  )
  yield* report({ requests: users.length, results, received: yield* receiver.received })
})

await Effect.runPromise(Effect.provide(main, OtlpReceiver.layer))
