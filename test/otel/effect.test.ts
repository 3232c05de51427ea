import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric, Tracer } from "effect"
import { FeatureFlags } from "effect-openfeature"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook } from "effect-openfeature/otel"
import { TestProvider } from "effect-openfeature/testing"
import { Otlp, OtlpExporter } from "effect/observability"
import { newDomain, paths } from "../support.ts"
import { collector, recordOf } from "./collector.ts"

const flags = {
  "new-checkout": TestProvider.value(true, { variant: "on" }),
  bad: TestProvider.error("PARSE_ERROR", "secret text")
}

describe("the exporters of Effect", () => {
  for (const [path, change] of paths) {
    /** What is exported when something is evaluated in a span called `caller`. */
    const exported = Effect.fnUntraced(function*(flagKey: string, options: OtelTracingHook.Options = {}) {
      const otlp = collector()
      const provider = yield* TestProvider.make({ flags })
      const metrics = yield* OtelMetricsHook.makeMetric()
      const hooks = [OtelTracingHook.make(options), OtelEventHook.make(), metrics, OtelTracingHook.makeAttributes()]
      const evaluate = Effect.gen(function*() {
        const service = yield* FeatureFlags.FeatureFlags
        yield* service.boolean(flagKey, false)
      }).pipe(Effect.withSpan("caller"))
      const program = Effect.gen(function*() {
        yield* evaluate
        yield* (yield* OtlpExporter.Flusher).flush
      })
      yield* program.pipe(
        Effect.provide(FeatureFlags.layer({
          domain: newDomain(),
          provider: Effect.succeed(provider),
          hooks: hooks.map((hook) => change(hook))
        })),
        Effect.provide(
          Otlp.layerJson({
            baseUrl: "http://collector.test",
            resource: { serviceName: "test" },
            loggerMergeWithExisting: false
          }).pipe(
            Layer.provide(otlp.layer)
          )
        ),
        Effect.provideService(Metric.MetricRegistry, new Map())
      )
      const [callers, spans] = [
        otlp.spans().filter(({ name }) => name === "caller"),
        otlp.spans().filter(({ name }) => name !== "caller")
      ]
      const [caller] = callers
      const [span] = spans
      const [record] = otlp.records()
      if (caller === undefined || span === undefined || record === undefined) throw new Error("nothing was exported")
      assert.deepStrictEqual([callers.length, spans.length, otlp.records().length], [1, 1, 1])
      return { caller, span, record, metrics: otlp.metrics() }
    })

    it.effect(`carry the span and the event of an evaluation in the trace of its caller, ${path}`, () =>
      Effect.gen(function*() {
        const { caller, record, span } = yield* exported("new-checkout")
        const attributes = {
          "feature_flag.key": "new-checkout",
          "feature_flag.provider.name": "test",
          "feature_flag.result.reason": "static",
          "feature_flag.result.variant": "on"
        }
        assert.strictEqual(span.name, "feature_flag.evaluation")
        assert.strictEqual(span.traceId, caller.traceId)
        assert.strictEqual(span.parentSpanId, caller.spanId)
        assert.deepStrictEqual(recordOf(span.attributes), attributes)
        assert.strictEqual(span.status.code, 1)
        assert.strictEqual(record.traceId, caller.traceId)
        assert.strictEqual(record.spanId, caller.spanId)
        assert.strictEqual(record.severityNumber, 9)
        assert.strictEqual(record.body.stringValue, "feature_flag.evaluation")
        const { "effect.fiberId": _, ...told } = recordOf(record.attributes)
        assert.deepStrictEqual(told, { "event.name": "feature_flag.evaluation", ...attributes })
        assert.strictEqual(recordOf(caller.attributes)["feature_flag.evaluation.new-checkout"], "on")
      }))

    it.effect(`carry the metrics of an evaluation, ${path}`, () =>
      Effect.gen(function*() {
        const { metrics } = yield* exported("new-checkout")
        const points = new Map(metrics.map((metric) => {
          const [point] = (metric.sum ?? metric.gauge ?? metric.histogram)?.dataPoints ?? []
          return [metric.name, point] as const
        }))
        const valueOf = (name: string) => {
          const point = points.get(`feature_flag.evaluation_${name}`)
          return point?.count ?? point?.asDouble ?? point?.asInt
        }
        assert.strictEqual(valueOf("requests_total"), 1)
        assert.strictEqual(valueOf("success_total"), 1)
        assert.strictEqual(valueOf("active_count"), 0)
        assert.strictEqual(valueOf("duration"), 1)
        assert.isUndefined(valueOf("error_total"))
        const success = points.get("feature_flag.evaluation_success_total")
        assert.strictEqual(success && recordOf(success.attributes)["feature_flag.result.variant"], "on")
        assert.strictEqual(success && recordOf(success.attributes)["feature_flag.key"], "new-checkout")
      }))

    it.effect(`carry an evaluation that failed, without its message unless it may be told, ${path}`, () =>
      Effect.gen(function*() {
        const { record, span } = yield* exported("bad")
        assert.deepStrictEqual(span.status, { code: 2, message: "parse_error" })
        assert.strictEqual(recordOf(span.attributes)["error.type"], "parse_error")
        assert.strictEqual(record.severityNumber, 13)
        assert.notInclude(JSON.stringify([span, record]), "secret")
        // What the exporter adds to a span that failed.
        assert.deepStrictEqual(span.events.map(({ name }) => name), ["exception"])
        const told = yield* exported("bad", { errorMessage: true })
        assert.deepStrictEqual(told.span.status, { code: 2, message: "secret text" })
        const silent = yield* exported("bad", { setStatus: false })
        assert.strictEqual(silent.span.status.code, 1)
        assert.deepStrictEqual(silent.span.events, [])
      }))
  }

  it.effect("have nothing of an evaluation where tracing is turned off", () =>
    Effect.gen(function*() {
      const spans: Array<string> = []
      const tracer = Tracer.make({
        span: (options) => {
          spans.push(options.name)
          return new Tracer.NativeSpan(options)
        }
      })
      const provider = yield* TestProvider.make({ flags })
      const layer = FeatureFlags.layer({
        domain: newDomain(),
        provider: Effect.succeed(provider),
        hooks: [OtelTracingHook.make()]
      })
      const evaluate = Effect.flatMap(FeatureFlags.FeatureFlags, (service) => service.boolean("new-checkout", false))
        .pipe(
          Effect.provide(layer),
          Effect.provideService(Tracer.Tracer, tracer)
        )
      assert.isTrue(yield* Effect.withTracerEnabled(evaluate, false))
      assert.deepStrictEqual(spans, [])
      assert.isTrue(yield* evaluate)
      assert.deepStrictEqual(spans, ["feature_flag.evaluation"])
    }))
})
