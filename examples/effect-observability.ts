// Metrics, spans and log records of flag evaluations without any OpenTelemetry SDK: Effect's metrics, tracer and logger,
// exported by OTLP to a receiver, and the metrics once more as Prometheus' text. Prints what arrived, and checks that
// it adds up and that everything of one request belongs together.
import { FlagdProvider } from "@openfeature/flagd-provider"
import { ConfigProvider, Effect, Layer } from "effect"
import { type EvaluationContext, FeatureFlags, OpenFeatureHook } from "effect-openfeature"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook } from "effect-openfeature/otel"
import { FetchHttpClient } from "effect/http"
import { Otlp, OtlpSerialization, PrometheusMetrics } from "effect/observability"
import { fileURLToPath } from "node:url"
import { OtlpReceiver } from "./otel-otlp/receiver.ts"
import { report } from "./otel-otlp/report.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Telemetry: by the variables of OpenTelemetry, such as OTEL_EXPORTER_OTLP_ENDPOINT. Flushed when the layer is released.
// ---------------------------------------------------------------------------------------------------------------------

const TelemetryLive = Otlp.layerFromConfig({ loggerMergeWithExisting: false }).pipe(
  Layer.provide([OtlpSerialization.layerJson, FetchHttpClient.layer])
)

// ---------------------------------------------------------------------------------------------------------------------
// Flags: where Effect is traced, spans are Effect's; without `logs`, events go to Effect's logger
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
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_SERVICE_NAME: "shop",
      OTEL_LOGS_EXPORTER: "otlp",
      OTEL_METRICS_EXPORTER: "otlp",
      OTEL_TRACES_EXPORTER: "otlp"
    })))
  )
  yield* report({ requests: users.length, results, received: yield* receiver.received })

  // What PrometheusMetrics.layerHttp() serves at /metrics.
  const lines = (yield* PrometheusMetrics.format()).split("\n").filter((line) => line !== "")
  console.log("\n4. The same for Prometheus, but for the buckets\n")
  for (const line of lines) if (!line.includes("_bucket{")) console.log(`   ${line}`)
  const requests = lines
    .filter((line) => line.startsWith("feature_flag_evaluation_requests_total{"))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0)
  if (requests !== results.length) return yield* Effect.die(new Error(`Prometheus' text has ${requests} requests`))
})

await Effect.runPromise(Effect.provide(main, OtlpReceiver.layer))
