import { assert, describe, it } from "@effect/vitest"
import { context, ROOT_CONTEXT, trace } from "@opentelemetry/api"
import { logs, SeverityNumber } from "@opentelemetry/api-logs"
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks"
import type { ReadableLogRecord } from "@opentelemetry/sdk-logs"
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs"
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base"
import { Effect, Logger, type LogLevel, Tracer } from "effect"
import { FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { OtelEventHook } from "effect-openfeature/otel"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { afterAll, afterEach, beforeAll } from "vitest"
import { client, collectFailures, type LogRecord, logsTo, paths, plainClient, rangeError } from "../support.ts"

const name = "feature_flag.evaluation"
const tracer = new BasicTracerProvider().getTracer("test")

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
})
afterEach(() => {
  logs.disable()
})
afterAll(() => {
  context.disable()
})

/** A logger provider of the SDK that keeps its records. */
const inMemory = () => {
  const exporter = new InMemoryLogRecordExporter()
  const provider = new LoggerProvider({ processors: [new SimpleLogRecordProcessor({ exporter })] })
  const records = Effect.promise(async () => {
    await provider.forceFlush()
    return exporter.getFinishedLogRecords()
  })
  return { provider, records }
}

const only = (records: ReadonlyArray<ReadableLogRecord>): ReadableLogRecord => {
  const [record, ...others] = records
  assert.deepStrictEqual(others, [])
  if (record === undefined) throw new Error("there is no record")
  return record
}

const flags = {
  on: TestProvider.value(true, { variant: "v1" }),
  bad: TestProvider.error("PARSE_ERROR", "secret text")
}
const attributes = {
  "feature_flag.key": "on",
  "feature_flag.provider.name": "memory",
  "feature_flag.result.reason": "static",
  "feature_flag.result.variant": "v1"
}

describe("a logger provider", () => {
  it("is the global one or one of the SDK, as they are typed", () => {
    const global: OtelEventHook.LoggerProvider = logs
    const own: OtelEventHook.LoggerProvider = inMemory().provider
    assert.strictEqual(OtelEventHook.make({ logs: global }).name, OtelEventHook.make({ logs: own }).name)
  })

  for (const [path, change] of paths) {
    it.effect(`gets one record of each evaluation, ${path}`, () =>
      Effect.gen(function*() {
        const { provider, records } = inMemory()
        const { client } = yield* plainClient({ flags, name: "memory" })
        client.addHooks(OpenFeatureHook.make(change(OtelEventHook.make({ logs: provider }))))
        yield* Effect.promise(() => client.getBooleanValue("on", false))
        const record = only(yield* records)
        assert.strictEqual(record.eventName, name)
        assert.strictEqual(record.severityNumber, 9)
        assert.strictEqual(record.severityText, "INFO")
        assert.isUndefined(record.body)
        assert.isUndefined(record.spanContext)
        assert.strictEqual(record.instrumentationScope.name, "effect-openfeature")
        assert.deepStrictEqual(record.attributes, attributes)
        yield* Effect.promise(() => client.getBooleanValue("bad", false))
        const [, failed, ...others] = yield* records
        assert.deepStrictEqual(others, [])
        assert.strictEqual(failed?.eventName, name)
        assert.strictEqual(failed.severityNumber, 13)
        assert.strictEqual(failed.severityText, "WARN")
        assert.strictEqual(failed.attributes["error.type"], "parse_error")
        assert.notInclude(JSON.stringify(failed.attributes), "secret")
      }))

    it.effect(`gets records with the severities that are asked for, ${path}`, () =>
      Effect.gen(function*() {
        const levels = [
          ["Trace", SeverityNumber.TRACE],
          ["Debug", SeverityNumber.DEBUG],
          ["Info", SeverityNumber.INFO],
          ["Warn", SeverityNumber.WARN],
          ["Error", SeverityNumber.ERROR],
          ["Fatal", SeverityNumber.FATAL]
        ] as const
        for (const [level, expected] of levels) {
          const { provider, records } = inMemory()
          const usual = change(OtelEventHook.make({ logs: provider, level }))
          const failing = change(OtelEventHook.make({ logs: provider, errorLevel: level }))
          yield* Fixtures.run(usual)
          yield* Fixtures.run(failing, { error: new Error("no") })
          assert.deepStrictEqual(
            (yield* records).map(({ severityNumber, severityText }) => [severityNumber, severityText]),
            [[expected, level.toUpperCase()], [expected, level.toUpperCase()]]
          )
        }
      }))

    it.effect(`gets records in the trace of the active span, ${path}`, () =>
      Effect.gen(function*() {
        const { provider, records } = inMemory()
        const slow = FeatureHook.make("slow", { finally: () => Effect.promise(() => Promise.resolve()) })
        const { client } = yield* plainClient({ flags })
        client.addHooks(OpenFeatureHook.make(change(OtelEventHook.make({ logs: provider })), slow))
        const span = tracer.startSpan("caller", {}, ROOT_CONTEXT)
        yield* Effect.promise(() =>
          context.with(trace.setSpan(ROOT_CONTEXT, span), () => client.getBooleanValue("on", false))
        )
        assert.strictEqual(only(yield* records).spanContext?.traceId, span.spanContext().traceId)
        assert.strictEqual(only(yield* records).spanContext?.spanId, span.spanContext().spanId)
      }))

    it.effect(`gets records in the trace of Effect where a tracer is installed, ${path}`, () =>
      Effect.gen(function*() {
        const { provider, records } = inMemory()
        const service = yield* client(flags, { hooks: [change(OtelEventHook.make({ logs: provider }))] })
        const ids: Array<readonly [string, string]> = []
        const effectTracer = Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })
        const evaluate = Effect.gen(function*() {
          const { spanId, traceId } = yield* Effect.currentSpan
          ids.push([traceId, spanId])
          yield* service.flags.boolean("on", false)
        }).pipe(Effect.withSpan("caller"))
        yield* Effect.orDie(Effect.provideService(evaluate, Tracer.Tracer, effectTracer))
        yield* Effect.orDie(evaluate)
        const [traced, untraced] = yield* records
        assert.deepStrictEqual([[traced?.spanContext?.traceId, traced?.spanContext?.spanId]], [ids[0]])
        assert.isDefined(untraced)
        assert.isUndefined(untraced?.spanContext)
      }))

    it.effect(`that is global may be registered before the hook is made or after, ${path}`, () =>
      Effect.gen(function*() {
        const { provider, records } = inMemory()
        const early = change(OtelEventHook.make({ logs }))
        yield* Fixtures.run(early)
        logs.setGlobalLoggerProvider(provider)
        const late = change(OtelEventHook.make({ logs }))
        assert.strictEqual((yield* records).length, 0)
        yield* Fixtures.run(early, { context: { flagKey: "early" } })
        yield* Fixtures.run(late, { context: { flagKey: "late" } })
        assert.deepStrictEqual(
          (yield* records).map(({ attributes, eventName }) => [eventName, attributes["feature_flag.key"]]),
          [[name, "early"], [name, "late"]]
        )
      }))

    it.effect(`that throws is reported and changes nothing, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const throwing = () => {
            throw new Error("no logger")
          }
          for (const logs of [{ getLogger: throwing }, { getLogger: () => ({ emit: throwing }) }]) {
            failures.length = 0
            const service = yield* client(flags, { hooks: [change(OtelEventHook.make({ logs }))] })
            assert.isTrue(yield* service.flags.boolean("on", false))
            assert.deepStrictEqual(
              failures.map(({ flagKey, hook, stage }) => [hook, stage, flagKey]),
              [["otel-event", "finally", "on"]]
            )
          }
        })
      ))
  }

  it.effect("gets the names of an older version where one is asked for", () =>
    Effect.gen(function*() {
      const { provider, records } = inMemory()
      yield* Fixtures.run(OtelEventHook.make({ logs: provider, version: "1.31" }))
      assert.strictEqual(only(yield* records).attributes["feature_flag.variant"], "on")
    }))

  it.effect("gets values and messages only where they may be told", () =>
    Effect.gen(function*() {
      const { provider, records } = inMemory()
      const open = OtelEventHook.make({ logs: provider, values: true, errorMessage: true, targetingKey: "raw" })
      yield* Fixtures.run(open, { context: { context: { targetingKey: "u" } }, details: { value: "v" } })
      yield* Fixtures.run(open, { error: { code: "PARSE_ERROR", message: "told" } })
      const [succeeded, failed] = yield* records
      assert.strictEqual(succeeded?.attributes["feature_flag.result.value"], "v")
      assert.strictEqual(succeeded?.attributes["feature_flag.context.id"], "u")
      assert.strictEqual(failed?.attributes["feature_flag.error.message"], "told")
    }))

  it.effect("gets one record of each of many evaluations at once, each in its own trace", () =>
    Effect.gen(function*() {
      const keys = Array.from({ length: 300 }, (_, i) => `flag-${i}`)
      const { provider, records } = inMemory()
      const { client } = yield* plainClient({
        flags: Object.fromEntries(keys.map((key) => [key, TestProvider.value(true)]))
      })
      client.addHooks(OpenFeatureHook.make(OtelEventHook.make({ logs: provider })))
      const ids = new Map<string, string>()
      yield* Effect.forEach(keys, (key) =>
        Effect.promise(() =>
          tracer.startActiveSpan(key, (span) => {
            ids.set(key, span.spanContext().spanId)
            return client.getBooleanValue(key, false)
          })
        ), { concurrency: "unbounded" })
      const seen = new Map((yield* records).map(({ attributes, spanContext }) => {
        const key = attributes["feature_flag.key"]
        return [typeof key === "string" ? key : "", spanContext?.spanId ?? ""]
      }))
      assert.strictEqual((yield* records).length, 300)
      assert.deepStrictEqual(seen, ids)
    }))
})

describe("Effect's logger", () => {
  for (const [path, change] of paths) {
    it.effect(`gets one record of each evaluation, with the attributes as annotations, ${path}`, () =>
      Effect.gen(function*() {
        const records: Array<LogRecord> = []
        const service = yield* client(flags, { hooks: [change(OtelEventHook.make())] })
        yield* Effect.andThen(service.flags.boolean("on", false), service.flags.boolean("bad", false)).pipe(
          Effect.annotateLogs("request", "r-1"),
          Effect.provide(logsTo(records))
        )
        assert.deepStrictEqual(records, [
          {
            level: "Info",
            message: name,
            annotations: {
              request: "r-1",
              "event.name": name,
              ...attributes,
              "feature_flag.provider.name": "test"
            }
          },
          {
            level: "Warn",
            message: name,
            annotations: {
              request: "r-1",
              "event.name": name,
              "feature_flag.key": "bad",
              "feature_flag.provider.name": "test",
              "feature_flag.result.reason": "error",
              "error.type": "parse_error"
            }
          }
        ])
      }))

    it.effect(`gets records of the levels that are asked for, from its minimum level on, ${path}`, () =>
      Effect.gen(function*() {
        const levels = Effect.fnUntraced(function*(options: OtelEventHook.Options, minimum: LogLevel.LogLevel) {
          const records: Array<LogRecord> = []
          const hook = change(OtelEventHook.make(options))
          yield* Fixtures.run(hook).pipe(
            Effect.andThen(Fixtures.run(hook, { error: new Error("no") })),
            Effect.provide(logsTo(records, minimum))
          )
          return records.map(({ level }) => level)
        })
        assert.deepStrictEqual(yield* levels({}, "Info"), ["Info", "Warn"])
        assert.deepStrictEqual(yield* levels({}, "Warn"), ["Warn"])
        assert.deepStrictEqual(yield* levels({}, "Error"), [])
        assert.deepStrictEqual(yield* levels({ level: "Trace", errorLevel: "Fatal" }, "Trace"), ["Trace", "Fatal"])
        assert.deepStrictEqual(yield* levels({ level: "Trace", errorLevel: "Fatal" }, "Debug"), ["Fatal"])
      }))

    it.effect(`that throws is reported and changes nothing, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const service = yield* client(flags, { hooks: [change(OtelEventHook.make())] })
          const throwing = Logger.make(() => {
            throw new Error("no logger")
          })
          const value = yield* Effect.provide(service.flags.boolean("on", false), Logger.layer([throwing]))
          assert.isTrue(value)
          assert.deepStrictEqual(failures.map(({ hook, stage }) => [hook, stage]), [["otel-event", "finally"]])
        })
      ))
  }
})

describe("settings that make no sense", () => {
  it("throw a RangeError that says which", () => {
    for (const limit of ["maxLength", "maxDepth", "maxSize"] as const) {
      assert.strictEqual(
        rangeError(() => OtelEventHook.make({ [limit]: 0 })),
        `OtelEventHook.make: ${limit} must be an integer >= 1, got 0`
      )
    }
  })
})
