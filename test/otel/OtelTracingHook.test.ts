import { assert, describe, it } from "@effect/vitest"
import { context, diag, DiagLogLevel, SpanStatusCode, trace } from "@opentelemetry/api"
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks"
import type { ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace-base"
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Clock, Deferred, Effect, Exit, Fiber, Option, Tracer } from "effect"
import { FeatureHook, HookFailures, OpenFeatureHook } from "effect-openfeature"
import { OtelTracingHook } from "effect-openfeature/otel"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { TestClock } from "effect/testing"
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest"
import { client, collectFailures, deferred, paths, plainClient, random, rangeError, turns, until } from "../support.ts"
import { countingClock } from "../clocks.ts"

const name = "feature_flag.evaluation"
const exporter = new InMemorySpanExporter()
let started: Array<string> = []
const counting: SpanProcessor = {
  onStart: (span) => void started.push(span.name),
  onEnd: () => undefined,
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve()
}
const provider = new BasicTracerProvider({ spanProcessors: [counting, new SimpleSpanProcessor(exporter)] })
const tracer = provider.getTracer("test")
// What the SDK says about spans that are used after their end.
const complaints: Array<string> = []
const complain = (message: string): void => void complaints.push(message)

beforeAll(() => {
  diag.setLogger({ error: complain, warn: complain, info: () => {}, debug: () => {}, verbose: () => {} }, {
    logLevel: DiagLogLevel.WARN
  })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(provider)
})
beforeEach(() => {
  exporter.reset()
  started = []
})
afterEach(() => {
  assert.deepStrictEqual(complaints.splice(0), [])
})
afterAll(() => {
  trace.disable()
  context.disable()
  diag.disable()
})

const spans = (): ReadonlyArray<ReadableSpan> => exporter.getFinishedSpans().filter((span) => span.name === name)
const begun = (): number => started.filter((started) => started === name).length
const onlySpan = (): ReadableSpan => {
  assert.strictEqual(begun(), 1)
  const [span, ...others] = spans()
  assert.deepStrictEqual(others, [])
  if (span === undefined) throw new Error("there is no span")
  return span
}
const millisOf = ([seconds, nanos]: readonly [number, number]): number => seconds * 1e3 + nanos / 1e6

/** Runs in an active span of OpenTelemetry. */
const within = <A>(name: string, use: (spanId: string) => Promise<A>): Effect.Effect<A> =>
  Effect.promise(() =>
    tracer.startActiveSpan(name, async (span) => {
      try {
        return await use(span.spanContext().spanId)
      } finally {
        span.end()
      }
    })
  )

class RecordedSpan extends Tracer.NativeSpan {
  ends = 0
  override end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    this.ends++
    super.end(endTime, exit)
  }
}

/** A tracer of Effect that keeps its spans. */
const recording = () => {
  const all: Array<RecordedSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new RecordedSpan(options)
      all.push(span)
      return span
    }
  })
  return { tracer, all, spans: () => all.filter((span) => span.name === name) }
}
const exitOf = (span: RecordedSpan | undefined): Exit.Exit<unknown, unknown> | undefined =>
  span?.status._tag === "Ended" ? span.status.exit : undefined

const flags = {
  on: TestProvider.value(true, { variant: "v1" }),
  bad: TestProvider.error("PARSE_ERROR", "secret text"),
  boom: TestProvider.throwing(new Error("secret text")),
  hang: TestProvider.never
}

describe("the span of an evaluation", () => {
  for (const [path, change] of paths) {
    it.effect(`has the name, the attributes and the active span of a plain client as its parent, ${path}`, () =>
      Effect.gen(function*() {
        const { client } = yield* plainClient({ flags, name: "memory" })
        client.addHooks(OpenFeatureHook.make(change(OtelTracingHook.make())))
        const parent = yield* within("caller", async (spanId) => {
          assert.isTrue(await client.getBooleanValue("on", false))
          return spanId
        })
        const span = onlySpan()
        assert.strictEqual(span.parentSpanContext?.spanId, parent)
        assert.strictEqual(span.instrumentationScope.name, "effect-openfeature")
        assert.strictEqual(span.status.code, SpanStatusCode.UNSET)
        assert.deepStrictEqual(span.events, [])
        assert.deepStrictEqual(span.attributes, {
          "feature_flag.key": "on",
          "feature_flag.provider.name": "memory",
          "feature_flag.result.reason": "static",
          "feature_flag.result.variant": "v1"
        })
      }))

    it.effect(`is a child of the span that is active where an Effect is run, ${path}`, () =>
      Effect.gen(function*() {
        const service = yield* client(flags, { hooks: [change(OtelTracingHook.make())] })
        const services = yield* Effect.context()
        const parent = yield* within("caller", async (spanId) => {
          await Effect.runPromiseWith(services)(Effect.andThen(Effect.yieldNow, service.flags.boolean("on", false)))
          return spanId
        })
        assert.strictEqual(onlySpan().parentSpanContext?.spanId, parent)
      }))

    it.effect(`is a child of the active span behind hooks that are asynchronous, ${path}`, () =>
      Effect.gen(function*() {
        const { client } = yield* plainClient({ flags })
        client.addHooks({ before: async () => void await new Promise((resolve) => setImmediate(resolve)) })
        const slow = FeatureHook.make("slow", { before: () => Effect.promise(() => Promise.resolve()) })
        client.addHooks(OpenFeatureHook.make(deferred(slow), change(OtelTracingHook.make())))
        const parent = yield* within("caller", async (spanId) => {
          await client.getBooleanValue("on", false)
          return spanId
        })
        assert.strictEqual(onlySpan().parentSpanContext?.spanId, parent)
      }))

    it.effect(`is a child of its own caller's span behind a hook that another evaluation lets go on, ${path}`, () =>
      Effect.gen(function*() {
        const gate = yield* Deferred.make<void>()
        const waiting = FeatureHook.make("waiting", { before: () => Deferred.await(gate) })
        const { client } = yield* plainClient({ flags: { first: flags.on, second: flags.on } })
        client.addHooks(OpenFeatureHook.make(waiting, change(OtelTracingHook.make())))
        const evaluate = (key: string) =>
          within(key, async (spanId) => {
            await client.getBooleanValue(key, false)
            return [key, spanId] as const
          })
        const fiber = yield* Effect.forkChild(
          Effect.all([evaluate("first"), evaluate("second")], { concurrency: "unbounded" })
        )
        yield* turns()
        assert.deepStrictEqual(started, ["first", "second"])
        yield* within("other", () => Effect.runPromise(Deferred.succeed(gate, undefined)))
        const parents = yield* Fiber.join(fiber)
        assert.strictEqual(spans().length, 2)
        assert.deepStrictEqual(
          new Map<unknown, unknown>(
            spans().map((span) => [span.attributes["feature_flag.key"], span.parentSpanContext?.spanId])
          ),
          new Map<unknown, unknown>(parents)
        )
      }))

    it.effect(`is the root of a trace where there is no span, ${path}`, () =>
      Effect.gen(function*() {
        const { client } = yield* plainClient({ flags })
        client.addHooks(OpenFeatureHook.make(change(OtelTracingHook.make())))
        yield* Effect.promise(() => client.getBooleanValue("on", false))
        assert.isUndefined(onlySpan().parentSpanContext)
      }))

    it.effect(`is not a child of a span that Effect gives but nobody exports, ${path}`, () =>
      Effect.gen(function*() {
        const service = yield* client(flags, { hooks: [change(OtelTracingHook.make())] })
        yield* service.flags.boolean("on", false).pipe(Effect.withSpan("of Effect"))
        assert.isUndefined(onlySpan().parentSpanContext)
        const services = yield* Effect.context()
        exporter.reset()
        const parent = yield* within("caller", async (spanId) => {
          await Effect.runPromiseWith(services)(Effect.withSpan(service.flags.boolean("on", false), "of Effect"))
          return spanId
        })
        assert.strictEqual(spans()[0]?.parentSpanContext?.spanId, parent)
      }))

    it.effect(`is Effect's where a tracer is installed, a child of the current span, ${path}`, () =>
      Effect.gen(function*() {
        const recorded = recording()
        const service = yield* client(flags, { hooks: [change(OtelTracingHook.make())] })
        yield* service.flags.boolean("on", false).pipe(
          Effect.withSpan("caller"),
          Effect.provideService(Tracer.Tracer, recorded.tracer)
        )
        assert.strictEqual(begun(), 0)
        const [caller, span, ...others] = recorded.all
        assert.deepStrictEqual(others, [])
        assert.strictEqual(span?.name, name)
        assert.strictEqual(span && Option.getOrUndefined(span.parent), caller)
        assert.strictEqual(span?.traceId, caller?.traceId)
        assert.strictEqual(span?.ends, 1)
        assert.deepStrictEqual(exitOf(span), Exit.void)
        assert.strictEqual(span?.attributes.get("feature_flag.key"), "on")
        assert.strictEqual(span?.attributes.get("feature_flag.result.variant"), "v1")
      }))

    it.effect(`has Effect's span as a remote parent where a provider is given, ${path}`, () =>
      Effect.gen(function*() {
        const recorded = recording()
        const service = yield* client(flags, { hooks: [change(OtelTracingHook.make({ tracerProvider: provider }))] })
        yield* service.flags.boolean("on", false).pipe(
          Effect.withSpan("caller"),
          Effect.provideService(Tracer.Tracer, recorded.tracer)
        )
        const span = onlySpan()
        const [caller, ...others] = recorded.all
        assert.deepStrictEqual(others, [])
        assert.strictEqual(span.parentSpanContext?.spanId, caller?.spanId)
        assert.strictEqual(span.spanContext().traceId, caller?.traceId)
      }))

    it.effect(`fails with the error, and tells no message unless it may, ${path}`, () =>
      Effect.gen(function*() {
        const ended = Effect.fnUntraced(function*(options: OtelTracingHook.Options, flagKey: string) {
          const { client } = yield* plainClient({ flags })
          client.addHooks(OpenFeatureHook.make(change(OtelTracingHook.make(options))))
          exporter.reset()
          started = []
          yield* Effect.promise(() => client.getBooleanValue(flagKey, false))
          return onlySpan()
        })
        for (
          const [flagKey, type] of [["bad", "parse_error"], ["boom", "general"], ["gone", "flag_not_found"]] as const
        ) {
          const span = yield* ended({}, flagKey)
          assert.deepStrictEqual(span.status, { code: SpanStatusCode.ERROR, message: type })
          assert.strictEqual(span.attributes["error.type"], type)
          assert.strictEqual(span.attributes["feature_flag.result.reason"], "error")
          assert.deepStrictEqual(span.events, [])
          assert.notInclude(JSON.stringify([span.status, span.attributes]), "secret")
        }
        const open = yield* ended({ errorMessage: true, recordException: true }, "bad")
        assert.deepStrictEqual(open.status, { code: SpanStatusCode.ERROR, message: "secret text" })
        assert.strictEqual(open.attributes["feature_flag.error.message"], "secret text")
        const [event, ...others] = open.events
        assert.deepStrictEqual(others, [])
        assert.strictEqual(event?.name, "exception")
        assert.include(event?.attributes, { "exception.type": "ParseError", "exception.message": "secret text" })
        const closed = yield* ended({ setStatus: false, recordException: true }, "bad")
        assert.deepStrictEqual(closed.status, { code: SpanStatusCode.UNSET })
        assert.deepStrictEqual(
          closed.events.map(({ attributes }) => attributes),
          [{ "exception.type": "ParseError", "exception.message": "parse_error" }]
        )
      }))

    it.effect(`of Effect fails with the error, and tells no message unless it may, ${path}`, () =>
      Effect.gen(function*() {
        const ended = Effect.fnUntraced(function*(options: OtelTracingHook.Options) {
          const recorded = recording()
          yield* TestClock.adjust("5 millis")
          const service = yield* client(flags, { hooks: [change(OtelTracingHook.make(options))] })
          yield* Effect.provideService(service.flags.boolean("bad", false), Tracer.Tracer, recorded.tracer)
          const [span, ...others] = recorded.all
          assert.deepStrictEqual(others, [])
          assert.strictEqual(span?.ends, 1)
          return span
        })
        const usual = yield* ended({})
        assert.deepStrictEqual(exitOf(usual), Exit.fail("parse_error"))
        assert.deepStrictEqual(usual?.events, [])
        assert.strictEqual(usual?.attributes.get("error.type"), "parse_error")
        assert.isFalse(usual?.attributes.has("feature_flag.error.message"))
        const open = yield* ended({ errorMessage: true, recordException: true })
        assert.deepStrictEqual(exitOf(open), Exit.fail("secret text"))
        const [[event, at, { "exception.stacktrace": _, ...attributes }] = ["", 0n, {}]] = open?.events ?? []
        assert.deepStrictEqual([event, at], ["exception", 10_000_000n])
        assert.deepStrictEqual(attributes, { "exception.type": "ParseError", "exception.message": "secret text" })
        assert.deepStrictEqual(exitOf(yield* ended({ setStatus: false })), Exit.void)
      }))

    it.effect(`ends when another hook fails, before or after this one, ${path}`, () =>
      Effect.gen(function*() {
        const tracing = change(OtelTracingHook.make())
        for (const stage of ["before", "after", "error", "finally"] as const) {
          for (const isFirst of [true, false]) {
            const failing = FeatureHook.make("failing", { [stage]: () => Effect.fail(new Error("no")) })
            exporter.reset()
            started = []
            yield* collectFailures(() =>
              Fixtures.run(
                isFirst ? FeatureHook.combine(failing, tracing) : FeatureHook.combine(tracing, failing),
                stage === "error" ? { error: new Error("no") } : {}
              )
            )
            // Where a hook before this one fails in `before`, it has none.
            const runs = !(isFirst && stage === "before")
            assert.strictEqual(begun(), runs ? 1 : 0, `${stage}, ${isFirst}`)
            assert.strictEqual(spans().length, runs ? 1 : 0, `${stage}, ${isFirst}`)
            const code = stage === "finally" ? SpanStatusCode.UNSET : SpanStatusCode.ERROR
            if (runs) assert.strictEqual(spans()[0]?.status.code, code)
          }
        }
      }))

    it.effect(`ends when the evaluation is interrupted, ${path}`, () =>
      Effect.gen(function*() {
        const service = yield* client(flags, { hooks: [change(OtelTracingHook.make())], interruptTimeout: "1 second" })
        const fiber = yield* Effect.forkChild(service.flags.boolean("hang", false))
        yield* until(() => begun() === 1)
        yield* turns()
        assert.strictEqual(spans().length, 0)
        const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber))
        for (let i = 0; i < 3; i++) {
          yield* turns()
          yield* TestClock.adjust("1 second")
        }
        yield* Fiber.join(interrupting)
        const span = onlySpan()
        assert.strictEqual(span.attributes["error.type"], "general")
        assert.strictEqual(span.status.code, SpanStatusCode.ERROR)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(spans().length, 1)
      }))

    it.effect(`ends after the limit when the provider hangs, and a late answer ends nothing twice, ${path}`, () =>
      Effect.gen(function*() {
        const answer = yield* Deferred.make<void>()
        const service = yield* client(
          { late: Effect.andThen(Deferred.await(answer), TestProvider.value(true)) },
          { hooks: [change(OtelTracingHook.make({ maxDuration: "10 seconds" }))] }
        )
        const fiber = yield* Effect.forkChild(service.flags.boolean("late", false))
        yield* until(() => begun() === 1)
        yield* turns()
        yield* TestClock.adjust("9 seconds")
        yield* turns()
        assert.strictEqual(spans().length, 0)
        yield* TestClock.adjust("2 seconds")
        yield* turns()
        const span = onlySpan()
        assert.strictEqual(span.attributes["error.type"], "timeout")
        assert.deepStrictEqual(span.status, { code: SpanStatusCode.ERROR, message: "timeout" })
        yield* Deferred.succeed(answer, undefined)
        assert.isTrue(yield* Fiber.join(fiber))
        assert.strictEqual(spans().length, 1)
        assert.strictEqual(onlySpan().attributes["feature_flag.key"], "late")
        assert.isUndefined(onlySpan().attributes["feature_flag.result.reason"])
      }))

    it.effect(`of Effect ends once and lasts as long as the evaluation, ${path}`, () =>
      Effect.gen(function*() {
        const recorded = recording()
        const service = yield* client(
          { slow: TestProvider.delayed("250 millis", TestProvider.value(true)), hang: TestProvider.never },
          { hooks: [change(OtelTracingHook.make({ maxDuration: "10 seconds" }))] }
        )
        const evaluate = (flagKey: string) =>
          Effect.forkDetach(
            Effect.provideService(service.flags.boolean(flagKey, false), Tracer.Tracer, recorded.tracer)
          )
        yield* TestClock.adjust("1 hour")
        const slow = yield* evaluate("slow")
        yield* evaluate("hang")
        yield* until(() => recorded.all.length === 2)
        yield* turns()
        yield* TestClock.adjust("250 millis")
        assert.isTrue(yield* Fiber.join(slow))
        const [first, second] = recorded.all
        const status = first?.status
        assert.strictEqual(status?.startTime, 3_600_000_000_000n)
        assert.strictEqual(status?._tag === "Ended" && status.endTime - status.startTime, 250_000_000n)
        assert.strictEqual(second?.status._tag, "Started")
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(exitOf(second), Exit.fail("timeout"))
        assert.strictEqual(second?.attributes.get("error.type"), "timeout")
        assert.deepStrictEqual(recorded.all.map(({ ends }) => ends), [1, 1])
      }))

    it.effect(`has the right parent in each of 1000 evaluations at once, ${path}`, () =>
      Effect.gen(function*() {
        const seed = 20_261_121
        const { oneOf } = random(seed)
        const keys = Array.from({ length: 1000 }, (_, i) => `flag-${i}`)
        const script = Object.fromEntries(
          keys.map((key) => [key, Effect.andThen(turns(oneOf([0, 1, 2, 3, 5])), TestProvider.value(true))])
        )
        const { client } = yield* plainClient({ flags: script })
        client.addHooks(OpenFeatureHook.make(change(OtelTracingHook.make())))
        const parents = new Map<unknown, string>()
        yield* Effect.forEach(keys, (key) =>
          within(key, async (spanId) => {
            parents.set(key, spanId)
            await client.getBooleanValue(key, false)
          }), { concurrency: "unbounded" })
        assert.strictEqual(spans().length, 1000)
        for (const span of spans()) {
          const key = span.attributes["feature_flag.key"]
          assert.strictEqual(span.parentSpanContext?.spanId, parents.get(key), `seed ${seed}, ${String(key)}`)
          parents.delete(key)
        }
        assert.strictEqual(parents.size, 0)
      }))

    it.effect(`of Effect has the right parent in each of 1000 evaluations at once, ${path}`, () =>
      Effect.gen(function*() {
        const seed = 20_261_122
        const { oneOf } = random(seed)
        const keys = Array.from({ length: 1000 }, (_, i) => `flag-${i}`)
        const script = Object.fromEntries(
          keys.map((key) => [key, Effect.andThen(turns(oneOf([0, 1, 2, 3, 5])), TestProvider.value(true))])
        )
        const recorded = recording()
        const service = yield* client(script, { hooks: [change(OtelTracingHook.make())] })
        yield* Effect.forEach(keys, (key) => Effect.withSpan(service.flags.boolean(key, false), key), {
          concurrency: "unbounded"
        }).pipe(Effect.provideService(Tracer.Tracer, recorded.tracer))
        const seen = recorded.spans().map((span) => {
          const key = span.attributes.get("feature_flag.key")
          const parent = Option.getOrUndefined(span.parent)
          assert.strictEqual(parent?._tag === "Span" && parent.name, key, `seed ${seed}`)
          assert.strictEqual(span.ends, 1)
          return key
        })
        assert.deepStrictEqual(new Set(seen), new Set(keys))
        assert.strictEqual(seen.length, 1000)
      }))
  }

  it.live("lasts as long as the evaluation", () =>
    Effect.gen(function*() {
      const { client } = yield* plainClient({ flags: { slow: Effect.delay(TestProvider.value(true), "30 millis") } })
      client.addHooks(OpenFeatureHook.make(OtelTracingHook.make()))
      const begin = performance.now()
      yield* Effect.promise(() => client.getBooleanValue("slow", false))
      const elapsed = performance.now() - begin
      const duration = millisOf(onlySpan().duration)
      assert.isAtLeast(duration, 28)
      assert.isAtMost(duration, elapsed + 2)
    }))

  it.effect("has the names of an older version where one is asked for", () =>
    Effect.gen(function*() {
      yield* Fixtures.run(OtelTracingHook.make({ version: "1.31" }))
      assert.strictEqual(onlySpan().attributes["feature_flag.variant"], "on")
      assert.notProperty(onlySpan().attributes, "feature_flag.result.variant")
    }))

  it.effect("ends and is reported when it cannot be described", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const recorded = recording()
        const failing = Tracer.make({
          span: (options) => {
            const span = recorded.tracer.span(options)
            span.attribute = (name) => {
              if (name === "feature_flag.result.reason") throw new Error("no attribute")
            }
            return span
          }
        })
        const outcome = yield* Effect.provideService(Fixtures.run(OtelTracingHook.make()), Tracer.Tracer, failing)
        assert.strictEqual(outcome.details.value, true)
        assert.deepStrictEqual(recorded.all.map(({ ends }) => ends), [1])
        assert.deepStrictEqual(failures.map(({ hook, stage }) => [hook, stage]), [["otel-tracing", "finally"]])
      })
    ))

  it.effect("that cannot be started is reported and changes nothing", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const tracerProvider = {
          getTracer: () => {
            throw new Error("no tracer")
          }
        }
        const outcome = yield* Fixtures.run(OtelTracingHook.make({ tracerProvider }))
        assert.strictEqual(outcome.details.value, true)
        assert.deepStrictEqual(failures.map(({ hook, stage }) => [hook, stage]), [["otel-tracing", "before"]])
      })
    ))
})

describe("the watch over spans", () => {
  it.effect("is one for all spans, ends with the last and begins again", () =>
    Effect.gen(function*() {
      const { clock, sleeping } = yield* countingClock()
      const service = yield* client(flags, { hooks: [OtelTracingHook.make()] })
      const evaluate = Effect.provideService(service.flags.boolean("on", false), Clock.Clock, clock)
      for (const ever of [1, 2]) {
        yield* Effect.all([evaluate, evaluate, evaluate], { concurrency: "unbounded" })
        assert.deepStrictEqual(sleeping, { now: 1, ever })
        yield* TestClock.adjust("1 second")
        yield* turns()
        assert.deepStrictEqual(sleeping, { now: 0, ever })
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(sleeping, { now: 0, ever })
      }
    }))

  it.effect("ends each span at its own time", () =>
    Effect.gen(function*() {
      const service = yield* client(flags, { hooks: [OtelTracingHook.make({ maxDuration: "5 seconds" })] })
      for (let i = 1; i <= 3; i++) {
        yield* Effect.forkDetach(service.flags.boolean("hang", false))
        yield* until(() => begun() === i)
        yield* turns()
        yield* TestClock.adjust("2 seconds")
      }
      const counts: Array<number> = []
      for (let i = 0; i < 5; i++) {
        yield* turns()
        counts.push(spans().length)
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(counts, [1, 2, 2, 3, 3])
    }))

  for (const [path, change] of paths) {
    it.effect(`ends a span on its own clock, though the hook was first used on a clock that stands still, ${path}`, () =>
      Effect.gen(function*() {
        const elsewhere = yield* TestClock.make()
        const service = yield* client(flags, {
          hooks: [change(OtelTracingHook.make({ maxDuration: "5 seconds" }))]
        })
        const evaluate = (key: string) => service.flags.boolean(key, false)
        yield* evaluate("on")
        yield* Effect.forkDetach(evaluate("hang"))
        yield* until(() => begun() === 2)
        yield* Effect.forkDetach(Effect.provideService(evaluate("hang"), Clock.Clock, elsewhere))
        yield* until(() => begun() === 3)
        yield* turns()
        const ended = () => spans().map(({ attributes }) => attributes["error.type"])
        assert.deepStrictEqual(ended(), [undefined])
        yield* elsewhere.adjust("6 seconds")
        yield* turns()
        assert.deepStrictEqual(ended(), [undefined, "timeout"])
        yield* TestClock.adjust("6 seconds")
        yield* turns()
        assert.deepStrictEqual(ended(), [undefined, "timeout", "timeout"])
      }))
  }

  it.effect("goes on when a span cannot be ended", () =>
    Effect.gen(function*() {
      const recorded = recording()
      const hook = OtelTracingHook.make({ maxDuration: "2 seconds" })
      const failing = Tracer.make({
        span: (options) => {
          const span = recorded.tracer.span(options)
          span.end = () => {
            throw new Error("no end")
          }
          return span
        }
      })
      const before = yield* (yield* HookFailures.HookFailures).counts
      const service = yield* client(flags, { hooks: [hook] })
      const evaluate = (tracer: Tracer.Tracer) =>
        Effect.forkDetach(Effect.provideService(service.flags.boolean("hang", false), Tracer.Tracer, tracer))
      yield* evaluate(failing)
      yield* evaluate(recorded.tracer)
      yield* until(() => recorded.all.length === 2)
      yield* turns()
      yield* TestClock.adjust("4 seconds")
      yield* turns()
      assert.deepStrictEqual(recorded.all.map(({ ends }) => ends), [0, 1])
      yield* evaluate(recorded.tracer)
      yield* until(() => recorded.all.length === 3)
      yield* turns()
      yield* TestClock.adjust("4 seconds")
      yield* turns()
      assert.deepStrictEqual(recorded.all.map(({ ends }) => ends), [0, 1, 1])
      const after = yield* (yield* HookFailures.HookFailures).counts
      assert.strictEqual(after.reported - before.reported, 1)
    }))
})

describe("settings that make no sense", () => {
  it("throw a RangeError that says which", () => {
    for (const maxDuration of ["0 seconds", "-1 seconds", "Infinity"] as const) {
      assert.strictEqual(
        rangeError(() => OtelTracingHook.make({ maxDuration })),
        `OtelTracingHook.make: maxDuration must be finite and positive, got ${maxDuration}`
      )
    }
    assert.strictEqual(
      rangeError(() => OtelTracingHook.make({ maxLength: 0 })),
      "OtelTracingHook.make: maxLength must be an integer >= 1, got 0"
    )
    for (const maxFlags of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.strictEqual(
        rangeError(() => OtelTracingHook.makeAttributes({ maxFlags })),
        `OtelTracingHook.makeAttributes: maxFlags must be an integer >= 1, got ${maxFlags}`
      )
    }
    assert.strictEqual(
      rangeError(() => OtelTracingHook.makeAttributes({ maxDepth: 0.5 })),
      "OtelTracingHook.makeAttributes: maxDepth must be an integer >= 1, got 0.5"
    )
  })
})

describe("the attributes on the caller's span", () => {
  const script = {
    variant: TestProvider.value("red", { variant: "v1" }),
    boolean: TestProvider.value(false),
    number: TestProvider.value(1.5),
    text: TestProvider.value("private"),
    structure: TestProvider.value({ a: [1] }),
    bad: TestProvider.error("PARSE_ERROR", "secret text")
  }
  const written = {
    "feature_flag.evaluation.variant": "v1",
    "feature_flag.evaluation.boolean": false,
    "feature_flag.evaluation.number": 1.5,
    "feature_flag.evaluation.bad": "error:parse_error"
  }
  const attributesOf = (name: string) => exporter.getFinishedSpans().find((span) => span.name === name)?.attributes

  for (const [path, change] of paths) {
    it.effect(`are the variant, a scalar value or the error, ${path}`, () =>
      Effect.gen(function*() {
        const evaluateAll = Effect.fnUntraced(function*(name: string, options: OtelTracingHook.AttributeOptions) {
          const { client } = yield* plainClient({ flags: script })
          client.addHooks(OpenFeatureHook.make(change(OtelTracingHook.makeAttributes(options))))
          yield* within(name, async () => {
            await client.getStringValue("variant", "")
            await client.getBooleanValue("boolean", true)
            await client.getNumberValue("number", 0)
            await client.getStringValue("text", "")
            await client.getObjectValue("structure", {})
            await client.getBooleanValue("bad", false)
          })
          return attributesOf(name)
        })
        assert.deepStrictEqual(yield* evaluateAll("usual", {}), written)
        assert.deepStrictEqual(yield* evaluateAll("with values", { values: true }), {
          ...written,
          "feature_flag.evaluation.text": "private",
          "feature_flag.evaluation.structure": "{\"a\":[1]}"
        })
        const redact = (name: string, value: unknown) => name === "variant" ? undefined : value
        const { "feature_flag.evaluation.variant": _, ...others } = written
        assert.deepStrictEqual(yield* evaluateAll("redacted", { redact }), others)
      }))

    it.effect(`are on Effect's current span where a tracer is installed, ${path}`, () =>
      Effect.gen(function*() {
        const recorded = recording()
        const service = yield* client(script, { hooks: [change(OtelTracingHook.makeAttributes())] })
        const services = yield* Effect.context()
        const evaluate = Effect.andThen(service.flags.string("variant", ""), service.flags.boolean("bad", false)).pipe(
          Effect.withSpan("caller"),
          Effect.provideService(Tracer.Tracer, recorded.tracer)
        )
        yield* within("outer", () => Effect.runPromiseWith(services)(evaluate))
        assert.strictEqual(recorded.all.length, 1)
        assert.deepStrictEqual(
          recorded.all[0]?.attributes,
          new Map([["feature_flag.evaluation.variant", "v1"], ["feature_flag.evaluation.bad", "error:parse_error"]])
        )
        assert.deepStrictEqual(attributesOf("outer"), {})
      }))

    it.effect(`are nowhere where there is no span, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const service = yield* client(script, { hooks: [change(OtelTracingHook.makeAttributes())] })
          assert.strictEqual(yield* service.flags.string("variant", ""), "red")
          const recorded = recording()
          yield* Effect.provideService(service.flags.string("variant", ""), Tracer.Tracer, recorded.tracer)
          assert.deepStrictEqual(recorded.all, [])
          assert.deepStrictEqual(started, [])
          assert.deepStrictEqual(failures, [])
        })
      ))

    it.effect(`are of as many flags as they may be, on each span, ${path}`, () =>
      Effect.gen(function*() {
        const values = Array.from({ length: 5 }, (_, i) => [`flag-${i}`, TestProvider.value(i)] as const)
        const { client, provider } = yield* plainClient({ flags: { ...script, ...Object.fromEntries(values) } })
        client.addHooks(OpenFeatureHook.make(change(OtelTracingHook.makeAttributes({ maxFlags: 2 }))))
        const evaluate = (...keys: ReadonlyArray<string>) => async () => {
          // What is not written takes no place.
          await client.getStringValue("text", "")
          for (const key of keys) await client.getNumberValue(key, -1)
        }
        yield* within("first", evaluate("flag-0", "flag-1", "flag-2", "flag-3"))
        yield* within("second", evaluate("flag-4", "flag-3", "flag-0"))
        assert.deepStrictEqual(attributesOf("first"), {
          "feature_flag.evaluation.flag-0": 0,
          "feature_flag.evaluation.flag-1": 1
        })
        assert.deepStrictEqual(attributesOf("second"), {
          "feature_flag.evaluation.flag-4": 4,
          "feature_flag.evaluation.flag-3": 3
        })
        // A flag that is there already is kept up to date.
        yield* within("third", async () => {
          await evaluate("flag-0", "flag-1", "flag-2")()
          await Effect.runPromise(provider.set("flag-0", TestProvider.value(10)))
          await evaluate("flag-0")()
        })
        assert.deepStrictEqual(attributesOf("third"), {
          "feature_flag.evaluation.flag-0": 10,
          "feature_flag.evaluation.flag-1": 1
        })
      }))
  }

  it.effect("are of 100 flags unless said otherwise", () =>
    Effect.gen(function*() {
      const { client } = yield* plainClient({
        flags: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`flag-${i}`, TestProvider.value(i)]))
      })
      client.addHooks(OpenFeatureHook.make(OtelTracingHook.makeAttributes()))
      yield* within("caller", async () => {
        for (let i = 0; i < 101; i++) await client.getNumberValue(`flag-${i}`, -1)
      })
      assert.strictEqual(Object.keys(attributesOf("caller") ?? {}).length, 100)
    }))
})
