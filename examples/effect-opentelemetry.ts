// Metrics, spans and log records of flag evaluations with the layers of @effect/opentelemetry, by OTLP to a receiver.
// Prints what arrived, and checks that it adds up and that everything of one request belongs together.
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { FlagdProvider } from "@openfeature/flagd-provider"
import { context } from "@opentelemetry/api"
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks"
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http"
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http"
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { BatchLogRecordProcessor } from "@opentelemetry/sdk-logs"
import { PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics"
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Config, ConfigProvider, Effect, Layer } from "effect"
import { type EvaluationContext, FeatureFlags, OpenFeatureHook } from "effect-openfeature"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook } from "effect-openfeature/otel"
import { fileURLToPath } from "node:url"
import { OtlpReceiver } from "./otel-otlp/receiver.ts"
import { report } from "./otel-otlp/report.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Telemetry: the SDK of OpenTelemetry behind Effect's metrics, tracer and logger. Flushed when the layer is released.
// ---------------------------------------------------------------------------------------------------------------------

const SdkLive = NodeSdk.layer(Effect.gen(function*() {
  const endpoint = yield* Config.String("OTEL_EXPORTER_OTLP_ENDPOINT").pipe(Config.withDefault("http://localhost:4318"))
  const url = (signal: string) => ({ url: `${endpoint}/v1/${signal}` })
  return {
    resource: { serviceName: "shop" },
    metricReader: new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(url("metrics")) }),
    spanProcessor: new BatchSpanProcessor(new OTLPTraceExporter(url("traces"))),
    logRecordProcessor: new BatchLogRecordProcessor({ exporter: new OTLPLogExporter(url("logs")) }),
    loggerMergeWithExisting: false
  }
}))

// Up to version 4.0, log records belong to the trace of their span only with a context manager.
const ContextLive = Layer.effectDiscard(Effect.acquireRelease(
  Effect.sync(() => context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())),
  () => Effect.sync(() => context.disable())
))

const TelemetryLive = Layer.provideMerge(SdkLive, ContextLive)

// ---------------------------------------------------------------------------------------------------------------------
// Flags: NodeSdk sets no global providers, so the hooks count on Effect's metrics, and use its tracer and its logger
// ---------------------------------------------------------------------------------------------------------------------

const privacy = { targetingKey: "raw" } as const // or Privacy.hmac(secret)

const HooksLive = Layer.unwrap(Effect.map(
  OtelMetricsHook.makeMetric(),
  (metrics) => OpenFeatureHook.layer(metrics, OtelTracingHook.make(privacy), OtelEventHook.make(privacy))
))

const FlagsLive = FeatureFlags.layer({
  domain: "shop",
  provider: Effect.sync(() =>
    new FlagdProvider({
      resolverType: "in-process",
      offlineFlagSourcePath: fileURLToPath(new URL("flags.json", import.meta.url))
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
    Effect.withSpan("GET /checkout", { kind: "server", attributes: { "user.id": user.targetingKey } })
  )
})

const shop = Effect.forEach(users, request, { concurrency: 8 }).pipe(
  Effect.map((results) => results.flat()),
  Effect.provide([HooksLive, FlagsLive]),
  Effect.provide(TelemetryLive)
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
