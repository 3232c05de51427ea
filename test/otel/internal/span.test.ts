import { assert, describe, it } from "@effect/vitest"
import { context, trace } from "@opentelemetry/api"
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks"
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Context, Effect, Exit, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { afterAll, afterEach, beforeAll } from "vitest"
import { contextOf, current, Spans } from "../../../src/otel/internal/span.ts"

const exporter = new InMemorySpanExporter()
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
const tracer = provider.getTracer("test")

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
})
afterEach(() => {
  exporter.reset()
  trace.disable()
})
afterAll(() => {
  context.disable()
})

const recording = () => {
  const all: Array<Tracer.NativeSpan> = []
  return {
    all,
    tracer: Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        all.push(span)
        return span
      }
    })
  }
}

const spanContextOf = Effect.withFiber((fiber) => Effect.succeed(trace.getSpanContext(contextOf(fiber.context))))

/** Runs with the services of the test while a span of OpenTelemetry is active, and gives its id too. */
const inActiveSpan = <A>(effect: Effect.Effect<A>): Effect.Effect<readonly [A, string]> =>
  Effect.contextWith((services: Context.Context<never>) =>
    Effect.promise(() =>
      tracer.startActiveSpan("active", async (span) => {
        const result = await Effect.runPromiseWith(services)(effect)
        span.end()
        return [result, span.spanContext().spanId] as const
      })
    )
  )

describe("the context of a fiber", () => {
  it.effect("is the active one where Effect is not traced", () =>
    Effect.gen(function*() {
      assert.isUndefined(yield* spanContextOf)
      assert.isUndefined(yield* Effect.withSpan(spanContextOf, "of Effect"))
      const [found, active] = yield* inActiveSpan(Effect.withSpan(spanContextOf, "of Effect"))
      assert.strictEqual(found?.spanId, active)
    }))

  it.effect("has Effect's span where Effect is traced, and otherwise what is active", () =>
    Effect.gen(function*() {
      const recorded = recording()
      const traced = Effect.provideService(Tracer.Tracer, recorded.tracer)
      const [found] = yield* inActiveSpan(traced(Effect.withSpan(spanContextOf, "of Effect")))
      const [span] = recorded.all
      assert.deepStrictEqual(found, { traceId: span?.traceId ?? "", spanId: span?.spanId ?? "", traceFlags: 1 })
      const [outside, active] = yield* inActiveSpan(traced(spanContextOf))
      assert.strictEqual(outside?.spanId, active)
    }))

  it.effect("keeps what else the active context has", () =>
    Effect.gen(function*() {
      const key = Symbol("key")
      const recorded = recording()
      const values = yield* Effect.withFiber((fiber) =>
        Effect.sync(() =>
          context.with(context.active().setValue(key, "kept"), () => contextOf(fiber.context).getValue(key))
        )
      ).pipe(Effect.withSpan("of Effect"), Effect.provideService(Tracer.Tracer, recorded.tracer))
      assert.strictEqual(values, "kept")
      assert.strictEqual(recorded.all.length, 1)
    }))

  it.effect("says whether the span is sampled", () =>
    Effect.gen(function*() {
      const recorded = recording()
      const found = yield* Effect.withSpan(spanContextOf, "of Effect", { sampled: false }).pipe(
        Effect.provideService(Tracer.Tracer, recorded.tracer)
      )
      assert.strictEqual(found?.traceFlags, 0)
    }))

  it.effect("has a span from elsewhere, also with a short trace id", () =>
    Effect.gen(function*() {
      const recorded = recording()
      const external = Tracer.externalSpan({ traceId: "463ac35c9f6413ad", spanId: "a2fb4a1d1a96d312" })
      const found = yield* Effect.withParentSpan(spanContextOf, external).pipe(
        Effect.provideService(Tracer.Tracer, recorded.tracer)
      )
      assert.deepStrictEqual(found, {
        traceId: "0000000000000000463ac35c9f6413ad",
        spanId: "a2fb4a1d1a96d312",
        traceFlags: 1
      })
    }))

  it.effect("has no span that is not traced, but the one around it or the active one", () =>
    Effect.gen(function*() {
      const recorded = recording()
      const untraced = Effect.withTracerEnabled(Effect.withSpan(spanContextOf, "untraced"), false)
      const traced = Effect.provideService(Tracer.Tracer, recorded.tracer)
      const nested = yield* traced(Effect.withSpan(untraced, "outer"))
      assert.deepStrictEqual(recorded.all.map(({ name }) => name), ["outer"])
      assert.strictEqual(nested?.spanId, recorded.all[0]?.spanId)
      const [found, active] = yield* inActiveSpan(traced(untraced))
      assert.strictEqual(found?.spanId, active)
      const external = Tracer.externalSpan({
        traceId: "463ac35c9f6413ad463ac35c9f6413ad",
        spanId: "a2fb4a1d1a96d312",
        annotations: Context.make(Tracer.DisablePropagation, true)
      })
      assert.isUndefined(yield* traced(Effect.withParentSpan(spanContextOf, external)))
    }))
})

describe("a span that is started", () => {
  const begin = (given?: BasicTracerProvider) =>
    Effect.withFiber((fiber) => Effect.sync(() => new Spans(given).start(fiber.context, "evaluation", {})))

  it.effect("is of the given provider, of Effect's tracer or of the global provider", () =>
    Effect.gen(function*() {
      const recorded = recording()
      const traced = Effect.provideService(Tracer.Tracer, recorded.tracer)
      const finished = () => exporter.getFinishedSpans().length
      ;(yield* begin()).end()
      assert.strictEqual(finished(), 0)
      trace.setGlobalTracerProvider(provider)
      ;(yield* begin()).end()
      assert.strictEqual(finished(), 1)
      ;(yield* traced(begin())).end()
      assert.strictEqual(finished(), 1)
      assert.strictEqual(recorded.all.length, 1)
      trace.disable()
      ;(yield* traced(begin(provider))).end()
      assert.strictEqual(finished(), 2)
      assert.strictEqual(recorded.all.length, 1)
    }))

  it.effect("of Effect has the times of the clock and an exit that tells the status", () =>
    Effect.gen(function*() {
      const recorded = recording()
      yield* TestClock.adjust("1 second")
      const span = yield* Effect.provideService(begin(), Tracer.Tracer, recorded.tracer)
      yield* TestClock.adjust("2 seconds")
      span.set({ text: "a", number: 1, boolean: true })
      span.event("exception", { "exception.type": "general" })
      span.status({ type: "general", message: "told" })
      span.end()
      const [native] = recorded.all
      assert.deepStrictEqual(native?.status, {
        _tag: "Ended",
        startTime: 1_000_000_000n,
        endTime: 3_000_000_000n,
        exit: Exit.fail("told")
      })
      assert.deepStrictEqual(
        native?.attributes,
        new Map<string, unknown>([["text", "a"], ["number", 1], ["boolean", true]])
      )
      const exception = { "exception.type": "general" }
      assert.deepStrictEqual(native?.events, [["exception", 3_000_000_000n, exception]])
    }))
})

describe("the span that the caller is in", () => {
  const found = Effect.withFiber((fiber) => Effect.sync(() => current(fiber.context)))

  it.effect("is none where there is none, and none of Effect where Effect is not traced", () =>
    Effect.gen(function*() {
      assert.isUndefined(yield* found)
      assert.isUndefined(yield* Effect.withSpan(found, "of Effect"))
    }))

  it.effect("is the active one, the same object each time", () =>
    Effect.gen(function*() {
      const twice = Effect.all([found, found])
      const [[first, second]] = yield* inActiveSpan(
        Effect.tap(twice, ([span]) => Effect.sync(() => span?.set({ a: 1 })))
      )
      assert.isDefined(first)
      assert.strictEqual(first?.key, second?.key)
      assert.deepStrictEqual(exporter.getFinishedSpans().map(({ attributes }) => attributes), [{ a: 1 }])
    }))

  it.effect("is Effect's where Effect is traced, unless it is one from elsewhere", () =>
    Effect.gen(function*() {
      const recorded = recording()
      const traced = Effect.provideService(Tracer.Tracer, recorded.tracer)
      const [span] = yield* inActiveSpan(traced(Effect.withSpan(found, "of Effect")))
      assert.strictEqual(span?.key, recorded.all[0])
      const external = Tracer.externalSpan({ traceId: "1".repeat(32), spanId: "2".repeat(16) })
      assert.isUndefined(yield* traced(Effect.withParentSpan(found, external)))
      const set = Effect.tap(found, (span) => Effect.sync(() => span?.set({ a: 1 })))
      yield* inActiveSpan(traced(Effect.withParentSpan(set, external)))
      assert.deepStrictEqual(exporter.getFinishedSpans().map(({ attributes }) => attributes), [{}, { a: 1 }])
    }))
})
