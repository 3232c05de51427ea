// The global meter provider of OpenTelemetry, with a page for Prometheus to scrape, for as long as the layer lives.
import { metrics } from "@opentelemetry/api"
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus"
import { resourceFromAttributes } from "@opentelemetry/resources"
import { MeterProvider } from "@opentelemetry/sdk-metrics"
import { Config, Data, Effect, Layer } from "effect"

class PrometheusError extends Data.TaggedError("PrometheusError")<{
  readonly port: number
  readonly cause: unknown
}> {
  override get message(): string {
    return `nothing can be served on port ${this.port}`
  }
}

export const PrometheusLive = Layer.effectDiscard(Effect.gen(function*() {
  const host = yield* Config.String("OTEL_EXPORTER_PROMETHEUS_HOST").pipe(Config.withDefault("127.0.0.1"))
  const port = yield* Config.Port("OTEL_EXPORTER_PROMETHEUS_PORT").pipe(Config.withDefault(9464))
  const serviceName = yield* Config.String("OTEL_SERVICE_NAME").pipe(Config.withDefault("shop"))

  const resource = resourceFromAttributes({ "service.name": serviceName })
  const exporter = new PrometheusExporter({ host, port, preventServerStart: true })
  const provider = yield* Effect.acquireRelease(
    Effect.sync(() => new MeterProvider({ resource, readers: [exporter] })),
    (provider) => Effect.promise(() => provider.shutdown())
  )
  yield* Effect.tryPromise({
    try: () => exporter.startServer(),
    catch: (cause) => new PrometheusError({ port, cause })
  })
  yield* Effect.acquireRelease(
    Effect.sync(() => metrics.setGlobalMeterProvider(provider)),
    () => Effect.sync(() => metrics.disable())
  )
  yield* Effect.log(`metrics are on http://${host}:${port}/metrics`)
}))
