import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Fiber, Function, Layer, Logger, Metric, References, Stream } from "effect"
import { TestClock } from "effect/testing"
import { FeatureHook, HookFailures, OpenFeatureHook } from "effect-openfeature"
import { Fixtures } from "effect-openfeature/testing"
import {
  asynchronous,
  deferred,
  type LogRecord,
  logsTo,
  paths,
  plainClient,
  rangeError,
  turns,
  unhandledRejections
} from "./support.ts"

const failure = (cause: Cause.Cause<unknown> = Cause.die("a bug")): HookFailures.HookFailure => ({
  hook: "audit",
  stage: "after",
  flagKey: "a",
  cause
})

const silent = Effect.provideService(References.UnhandledLogLevel, undefined)

const registry = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map()))

describe("the stream", () => {
  it.effect("gives every failure from now on", () =>
    Effect.gen(function*() {
      const failures = yield* HookFailures.HookFailures
      yield* failures.report(failure())
      const reader = yield* Effect.forkChild(Stream.runCollect(Stream.take(failures.stream, 2)))
      yield* turns()
      yield* HookFailures.report({ ...failure(), flagKey: "b" })
      yield* HookFailures.report({ ...failure(), flagKey: "c" })
      assert.deepStrictEqual((yield* Fiber.join(reader)).map(({ flagKey }) => flagKey), ["b", "c"])
      assert.deepStrictEqual(yield* failures.counts, { reported: 3, dropped: 0 })
    }).pipe(silent, Effect.provide(HookFailures.layer())))

  it.effect("drops the newest for a slow reader, counts it, and makes nobody wait", () =>
    Effect.gen(function*() {
      const failures = yield* HookFailures.HookFailures
      const first = yield* Effect.forkChild(Stream.runForEach(failures.stream, () => Effect.never))
      yield* turns()
      for (let i = 0; i < 100; i++) yield* failures.report({ ...failure(), flagKey: String(i) })
      yield* turns()
      const { dropped, reported } = yield* failures.counts
      assert.strictEqual(reported, 100)
      assert.isAtLeast(dropped, 90)
      assert.isBelow(dropped, 100)
      yield* Fiber.interrupt(first)
    }).pipe(silent, Effect.provide(HookFailures.layer({ capacity: 4 }))))

  it("has a capacity of at least 1", () => {
    for (const capacity of [0, -1, 1.5, Number.NaN]) {
      const expected = `HookFailures.make: capacity must be an integer >= 1, got ${capacity}`
      assert.strictEqual(rangeError(() => HookFailures.make({ capacity })), expected)
      assert.strictEqual(rangeError(() => HookFailures.layer({ capacity })), expected)
    }
  })
})

describe("report", () => {
  for (const [path, change] of paths) {
    it.effect(`counts by hook and stage, exactly, ${path}`, () =>
      Effect.gen(function*() {
        const hook = (name: string) =>
          FeatureHook.observe(change(FeatureHook.make(name, {
            before: () => Effect.fail("no"),
            finally: () => Effect.die("no")
          })))
        for (let i = 0; i < 5; i++) yield* Fixtures.run(FeatureHook.combine(hook("a"), hook("b")))
        for (const name of ["a", "b"]) {
          for (const stage of ["before", "finally"]) {
            const series = Metric.withAttributes(HookFailures.counter, { hook: name, stage })
            assert.strictEqual((yield* Metric.value(series)).count, 5)
          }
        }
        const failures = yield* HookFailures.HookFailures
        assert.strictEqual((yield* failures.counts).reported, 20)
      }).pipe(silent, Effect.provide(HookFailures.layer()), registry))
  }

  it.effect("writes one line, without the text of the error, at a level that can be chosen", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const texts: Array<string> = []
      const report = HookFailures.report({
        hook: "audit\nforged",
        stage: "after",
        flagKey: "flag\u001b[31m",
        cause: Cause.fail(new Error("canary-text"))
      })
      yield* Effect.provide(report, logsTo(records))
      assert.deepStrictEqual(records, [{
        level: "Error",
        message: "hook \"audit\\u000aforged\" failed in its after stage (HookFailures.onFailure has the error)",
        annotations: {
          hook: "audit\\u000aforged",
          stage: "after",
          flag_key: "flag\\u001b[31m",
          kind: "failure"
        }
      }])
      const line = Logger.layer([Logger.map(Logger.formatLogFmt, (text) => void texts.push(text))])
      yield* Effect.provide(report, line)
      assert.strictEqual(texts.length, 1)
      assert.notInclude(texts.join(""), "canary")
      assert.notInclude(texts.join(""), "\n")
      assert.notInclude(texts.join(""), "\u001b")
      records.length = 0
      yield* report.pipe(
        Effect.provideService(References.UnhandledLogLevel, "Debug"),
        Effect.provide(logsTo(records))
      )
      assert.deepStrictEqual(records.map(({ level }) => level), ["Debug"])
      records.length = 0
      yield* silent(Effect.provide(report, logsTo(records)))
      assert.deepStrictEqual(records, [])
    }).pipe(Effect.provide(HookFailures.layer())))

  it.effect("survives a logger that throws", () =>
    Effect.gen(function*() {
      const throwing = Logger.layer([Logger.make(() => {
        throw new Error("logger")
      })])
      const hook = FeatureHook.observe(FeatureHook.make("a", { finally: () => Effect.die("bug") }))
      const outcome = yield* Effect.provide(Fixtures.run(FeatureHook.combine(hook, deferred(hook))), throwing)
      assert.strictEqual(outcome.details.value, true)
      const failures = yield* HookFailures.HookFailures
      assert.strictEqual((yield* failures.counts).reported, 2)
    }).pipe(Effect.provide(HookFailures.layer())))
})

describe("the log line", () => {
  const linesOf = (records: ReadonlyArray<LogRecord>) =>
    records.map(({ annotations }) => annotations["suppressed"] ?? 0)

  it.effect("is written at most once in ten seconds for each hook and stage, with the number of those left out", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      yield* Effect.gen(function*() {
        for (let i = 0; i < 5; i++) yield* HookFailures.report(failure())
        yield* HookFailures.report({ ...failure(), stage: "before" })
        yield* HookFailures.report({ ...failure(), hook: "other" })
        // A timeout must not hide what else goes wrong.
        yield* HookFailures.report(failure(Cause.fail("down")))
        assert.deepStrictEqual(linesOf(records), [0, 0, 0, 0])
        yield* TestClock.adjust("9 seconds")
        yield* HookFailures.report(failure())
        yield* TestClock.adjust("1 second")
        yield* HookFailures.report(failure())
        yield* HookFailures.report({ ...failure(), stage: "before" })
        assert.deepStrictEqual(linesOf(records), [0, 0, 0, 0, 5, 0])
      }).pipe(Effect.provide(logsTo(records)))
      const failures = yield* HookFailures.HookFailures
      assert.strictEqual((yield* failures.counts).reported, 11)
    }).pipe(Effect.provide(HookFailures.layer())))

  it.effect("is limited for each of two loggers that take turns", () =>
    Effect.gen(function*() {
      const first: Array<LogRecord> = []
      const second: Array<LogRecord> = []
      const [one, other] = [yield* Layer.build(logsTo(first)), yield* Layer.build(logsTo(second))]
      const both = Effect.andThen(
        Effect.provideContext(HookFailures.report(failure()), one),
        Effect.provideContext(HookFailures.report(failure()), other)
      )
      for (let i = 0; i < 10; i++) yield* both
      assert.deepStrictEqual([linesOf(first), linesOf(second)], [[0], [0]])
      yield* TestClock.adjust("10 seconds")
      yield* both
      assert.deepStrictEqual([linesOf(first), linesOf(second)], [[0, 18], [0, 0]])
    }).pipe(Effect.provide(HookFailures.layer())))

  it.effect("is limited for loggers that live as long as a request", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const request = Effect.suspend(() => Effect.provide(HookFailures.report(failure()), logsTo(records)))
      for (let i = 0; i < 100; i++) yield* request
      assert.strictEqual(records.length, 10)
      yield* TestClock.adjust("10 seconds")
      yield* request
      assert.deepStrictEqual(linesOf(records).at(-1), 90)
    }).pipe(Effect.provide(HookFailures.layer())))

  it.effect("is written for every failure with an interval of zero", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      yield* Effect.provide(Effect.repeat(HookFailures.report(failure()), { times: 4 }), logsTo(records))
      assert.deepStrictEqual(linesOf(records), [0, 0, 0, 0, 0])
    }).pipe(Effect.provide(HookFailures.layer({ logInterval: 0 }))))

  it.effect("remembers a bounded number of hooks", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      yield* Effect.gen(function*() {
        for (let i = 0; i < 1001; i++) yield* HookFailures.report({ ...failure(), hook: `hook-${i}` })
        yield* HookFailures.report({ ...failure(), hook: "hook-1000" })
        yield* HookFailures.report({ ...failure(), hook: "hook-0" })
      }).pipe(Effect.provide(logsTo(records)))
      // The first was forgotten, and so is written again.
      assert.strictEqual(records.length, 1002)
    }).pipe(Effect.provide(HookFailures.layer())))

  it.effect("says what a stage gave that cannot be used, without any value", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const bare = FeatureHook.make("bare", {
        before: () => Function.cast<object, FeatureHook.Contribution>({ region: "canary" })
      })
      const outcome = yield* Effect.provide(Fixtures.run(bare), logsTo(records))
      assert.deepStrictEqual(outcome.context, {})
      assert.deepStrictEqual(records.map(({ message }) => message), [
        "hook \"bare\" gave an attribute outside of the context, as in { context: { region: … } }, in its before stage"
      ])
    }).pipe(Effect.provide(HookFailures.layer())))

  it.effect("writes a sentence about the application as it is, and points at no error beside the error itself", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const unserved = FeatureHook.make("fixed", { before: () => ({ resolution: { value: true } }) })
      const { client } = yield* plainClient({ flags: {} })
      yield* Effect.gen(function*() {
        client.addHooks(yield* OpenFeatureHook.makeEffect(unserved))
        yield* Effect.promise(() => client.getBooleanDetails("sale", false))
      }).pipe(Effect.provide(logsTo(records)))
      const slow = { hook: "slow", stage: "before", flagKey: "a", cause: Cause.fail(new Cause.TimeoutError()) } as const
      yield* Effect.provide(HookFailures.report(slow), logsTo(records))
      assert.deepStrictEqual(records.map(({ message }) => message), [
        "hook \"fixed\": the provider serves no answers of hooks; wrap it: setProvider(ResolutionProvider.make(provider))",
        "hook \"slow\" timed out in its before stage"
      ])
    }).pipe(Effect.provide(HookFailures.layer())))
})

describe("a contribution with something beside the context and the hints", () => {
  for (const [path, change] of paths) {
    it.effect(`is taken, and the rest is told once, ${path}`, () =>
      Effect.gen(function*() {
        const told = (rest: object) =>
          Effect.gen(function*() {
            const records: Array<LogRecord> = []
            const contribution = { context: { plan: "pro" }, ...rest }
            const hook = change(FeatureHook.make("enrich", { before: () => contribution }))
            const run = Effect.provide(Fixtures.run(hook), logsTo(records))
            assert.deepStrictEqual((yield* run).context, { plan: "pro" })
            return records.map(({ message }) => message)
          })
        assert.deepStrictEqual(yield* told({}), [])
        assert.deepStrictEqual(yield* told({ hint: {} }), [
          "hook \"enrich\" gave \"hint\" where \"hints\" was probably meant in its before stage"
        ])
      }).pipe(Effect.provide(HookFailures.layer({ logInterval: 0 }))))
  }
})

describe("onFailure", () => {
  for (const [path, change] of paths) {
    it.effect(`tells what a hook failed with, at once, until it is ended, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const error = new Error("the disk is full")
        const stages = { after: () => Effect.fail(error), finally: () => Promise.reject(error) }
        const hook = FeatureHook.observe(change(FeatureHook.make("audit", stages)))
        const stop = HookFailures.onFailure(({ error, flagKey, hook, kind, stage }) =>
          seen.push([hook, stage, flagKey, kind, error])
        )
        yield* Fixtures.run(hook)
        stop()
        yield* Fixtures.run(hook)
        assert.deepStrictEqual(seen, [
          ["audit", "after", "test-flag", "failure", error],
          ["audit", "finally", "test-flag", "failure", error]
        ])
      }).pipe(silent))
  }

  it.effect("survives a function that throws", () =>
    Effect.gen(function*() {
      const stop = HookFailures.onFailure(() => {
        throw new Error("listener")
      })
      const hook = FeatureHook.make("audit", { finally: () => Effect.fail("no") })
      assert.strictEqual((yield* Fixtures.run(hook)).details.value, true)
      stop()
    }).pipe(silent))

  it.effect("survives an asynchronous function that rejects, and goes on with the others", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const stops = [
        HookFailures.onFailure(asynchronous(() => Promise.reject(new Error("listener")))),
        HookFailures.onFailure(({ hook }) => seen.push(hook))
      ]
      const hook = FeatureHook.make("audit", { finally: () => Effect.fail("no") })
      assert.deepStrictEqual(yield* unhandledRejections(Fixtures.run(hook)), [])
      assert.deepStrictEqual(seen, ["audit"])
      for (const stop of stops) stop()
    }).pipe(silent))

  it("takes a function", () => {
    // @ts-expect-error it is none
    assert.include(rangeError(() => HookFailures.onFailure("log")), "listener must be a function, got log")
  })
})

describe("kind and describe", () => {
  it("tell failure, defect, timeout and interruption apart", () => {
    const cases: ReadonlyArray<readonly [Cause.Cause<unknown>, HookFailures.Kind, string]> = [
      [Cause.fail("no"), "failure", "failed"],
      [Cause.die("no"), "defect", "died"],
      [Cause.fail(new Cause.TimeoutError("1 second")), "timeout", "timed out"],
      [Cause.interrupt(1), "interruption", "was interrupted"],
      [Cause.combine(Cause.fail("no"), Cause.die("bug")), "defect", "died"],
      [Cause.combine(Cause.interrupt(1), Cause.fail("no")), "failure", "failed"],
      [Cause.empty, "interruption", "was interrupted"]
    ]
    for (const [cause, kind, verb] of cases) {
      assert.strictEqual(HookFailures.kind(cause), kind)
      assert.strictEqual(HookFailures.describe(failure(cause)), `hook "audit" ${verb} in its after stage`)
    }
  })

  it("never throw, whatever a hook failed with", () => {
    const trap = () => {
      throw new Error("trap")
    }
    const proxy: unknown = new Proxy({}, { get: trap, has: trap, getPrototypeOf: trap, ownKeys: trap })
    for (const value of [undefined, null, Symbol("s"), Object.create(null), proxy]) {
      assert.strictEqual(HookFailures.kind(Cause.fail(value)), "failure")
      assert.strictEqual(HookFailures.kind(Cause.die(value)), "defect")
    }
  })

  it("cut a long name", () => {
    assert.isBelow(HookFailures.describe({ ...failure(), hook: "x".repeat(10_000) }).length, 200)
  })
})

describe("the collector", () => {
  it.effect("is one for the process unless a layer provides another", () =>
    Effect.gen(function*() {
      const global = yield* HookFailures.HookFailures
      assert.strictEqual(yield* HookFailures.HookFailures, global)
      const before = (yield* global.counts).reported
      const own = yield* Effect.provide(
        Effect.gen(function*() {
          yield* HookFailures.report(failure())
          const failures = yield* HookFailures.HookFailures
          return (yield* failures.counts).reported
        }),
        Layer.fresh(HookFailures.layer())
      )
      assert.strictEqual(own, 1)
      assert.strictEqual((yield* global.counts).reported, before)
      yield* HookFailures.report(failure())
      assert.strictEqual((yield* global.counts).reported, before + 1)
    }).pipe(silent))
})
