import { context, type Span, trace } from "@opentelemetry/api"
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { assert, describe, it } from "@effect/vitest"
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks"
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Effect } from "effect"
import { OpenFeatureHook } from "effect-openfeature"
import { OtelTracingHook } from "effect-openfeature/otel"
import { TestProvider } from "effect-openfeature/testing"
import { afterAll, beforeAll } from "vitest"
import { client, paths, plainClient } from "../support.ts"

beforeAll(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()))
afterAll(() => context.disable())

const flags = { sale: TestProvider.value(true, { variant: "on" }) }
const attribute = "feature_flag.evaluation.sale"

const exporting = (remembers: boolean) => {
  const exporter = new InMemorySpanExporter()
  const simple = new SimpleSpanProcessor(exporter)
  const spanProcessors = remembers ? [OtelTracingHook.rootSpanProcessor, simple] : [simple]
  const tracer = new BasicTracerProvider({ spanProcessors }).getTracer("test")
  /** Runs in spans, the outermost first. */
  const within = (names: ReadonlyArray<string>, use: (spans: ReadonlyArray<Span>) => Promise<unknown>) => {
    const inside = (names: ReadonlyArray<string>, spans: ReadonlyArray<Span>): Promise<unknown> => {
      const [name, ...others] = names
      if (name === undefined) return use(spans)
      return tracer.startActiveSpan(
        name,
        (span) => inside(others, [...spans, span]).finally(() => span.isRecording() && span.end())
      )
    }
    return Effect.promise(() => inside(names, []))
  }
  const written = () => exporter.getFinishedSpans().filter(({ attributes }) => attribute in attributes)
  return { within, names: () => written().map(({ name }) => name) }
}

describe("the root span of the OpenTelemetry API", () => {
  for (const [path, change] of paths) {
    const hook = change(OtelTracingHook.makeAttributes({ span: "root" }))
    const evaluating = Effect.gen(function*() {
      const { client } = yield* plainClient({ flags })
      client.addHooks(OpenFeatureHook.make(hook))
      return () => client.getBooleanValue("sale", false)
    })

    it.effect(`has the flags of spans below it, with the span processor, ${path}`, () =>
      Effect.gen(function*() {
        const { names, within } = exporting(true)
        const evaluate = yield* evaluating
        yield* within(["request", "handler", "query"], evaluate)
        yield* within(["alone"], evaluate)
        assert.deepStrictEqual(names(), ["request", "alone"])
      }))

    it.effect(`is the one of this process where the trace began in another, ${path}`, () =>
      Effect.gen(function*() {
        const { names, within } = exporting(true)
        const evaluate = yield* evaluating
        const remote = { traceId: "1".repeat(32), spanId: "2".repeat(16), traceFlags: 1, isRemote: true }
        yield* Effect.promise(() =>
          context.with(
            trace.setSpanContext(context.active(), remote),
            () => Effect.runPromise(within(["request", "handler"], evaluate))
          )
        )
        assert.deepStrictEqual(names(), ["request"])
      }))

    it.effect(`is the current one when the root has ended, and without the span processor, ${path}`, () =>
      Effect.gen(function*() {
        const evaluate = yield* evaluating
        const remembering = exporting(true)
        yield* remembering.within(["request", "background"], ([request]) => {
          request?.end()
          return evaluate()
        })
        assert.deepStrictEqual(remembering.names(), ["background"])
        const other = exporting(false)
        yield* other.within(["request", "handler"], evaluate)
        assert.deepStrictEqual(other.names(), ["handler"])
      }))

    it.effect(`is that above Effect's spans, with @effect/opentelemetry, ${path}`, () =>
      Effect.gen(function*() {
        const { names, within } = exporting(true)
        const evaluate = client(flags, { hooks: [hook] }).pipe(
          Effect.flatMap(({ flags }) => flags.boolean("sale", false)),
          Effect.withSpan("handler"),
          Effect.withSpan("router"),
          Effect.provide(NodeSdk.layer(() => ({
            resource: { serviceName: "test" },
            spanProcessor: OtelTracingHook.rootSpanProcessor
          }))),
          Effect.scoped
        )
        yield* within(["request"], () => Effect.runPromise(evaluate))
        assert.deepStrictEqual(names(), ["request"])
      }))
  }
})
