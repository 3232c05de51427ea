import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Metric, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { FallbackMonitorHook, type FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { collectFailures, type LogRecord, logsTo, newDomain, paths, plainClient, random, turns } from "../support.ts"

const failing = (hook: FeatureHook.FeatureHook, flagKey: string) =>
  Fixtures.run(hook, { context: { flagKey }, error: new Error("secret@example.org") })

const textsOf = (records: ReadonlyArray<LogRecord>) =>
  records.map(({ annotations }) => `${String(annotations["flag_key"])} ${Number(annotations["suppressed"] ?? 0)}`)

describe("a fallback", () => {
  for (const [path, change] of paths) {
    it.effect(`is told once per flag, cause and interval, with the number left out, ${path}`, () =>
      Effect.gen(function*() {
        const records: Array<LogRecord> = []
        const alerts: Array<FallbackMonitorHook.Fallback> = []
        const monitor = yield* FallbackMonitorHook.make({
          interval: "10 seconds",
          onFallback: (fallback) => void alerts.push(fallback)
        })
        const hook = change(monitor.hook)
        yield* Effect.gen(function*() {
          for (const flagKey of ["a", "a", "b", "a"]) yield* failing(hook, flagKey)
          yield* TestClock.adjust("10 seconds")
          for (const flagKey of ["a", "a", "b"]) yield* failing(hook, flagKey)
          yield* Fixtures.run(hook, { context: { flagKey: "a" } })
        }).pipe(Effect.provide(logsTo(records)))
        yield* monitor.flush
        assert.deepStrictEqual(textsOf(records), ["a 0", "b 0", "a 2", "b 0"])
        assert.deepStrictEqual(alerts.map(({ flagKey, suppressed }) => `${flagKey} ${suppressed}`), textsOf(records))
        assert.deepStrictEqual(yield* monitor.counts, { fallbacks: 7, alerts: 4, dropped: 0 })
        assert.strictEqual(records[0]?.level, "Warn")
        assert.deepInclude(records[0]?.annotations, { error_code: "GENERAL", reason: "ERROR", provider_name: "test" })
        assert.notInclude(JSON.stringify([records, alerts]), "secret")
      }))

    it.effect(`is an error, and the reason DEFAULT only by option, ${path}`, () =>
      Effect.gen(function*() {
        for (const defaultReason of [false, true]) {
          const monitor = yield* FallbackMonitorHook.make({ defaultReason, logLevel: false })
          const hook = change(monitor.hook)
          for (const reason of ["STATIC", "TARGETING_MATCH", "DEFAULT", "CACHED"]) {
            yield* Fixtures.run(hook, { details: { reason } })
          }
          assert.strictEqual((yield* monitor.counts).fallbacks, defaultReason ? 1 : 0)
          yield* Fixtures.run(hook, { details: { reason: "ERROR" } })
          assert.strictEqual((yield* monitor.counts).fallbacks, defaultReason ? 2 : 1)
        }
      }))

    it.effect(`never waits for a function that hangs or fails, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const ends: ReadonlyArray<() => Effect.Effect<void, string> | Promise<void>> = [
            () => Effect.never,
            () => Effect.fail("no"),
            () => Promise.reject(new Error("no")),
            () => {
              throw new Error("bug")
            }
          ]
          for (const onFallback of ends) {
            const scope = yield* Scope.make()
            const monitor = yield* Scope.provide(
              FallbackMonitorHook.make({ onFallback, logLevel: false, capacity: 1, closeTimeout: 0 }),
              scope
            )
            for (const flagKey of ["a", "b", "c", "d"]) yield* failing(change(monitor.hook), flagKey)
            assert.deepInclude(yield* monitor.counts, { alerts: 4 })
            yield* turns()
            yield* Scope.close(scope, Exit.void)
          }
          yield* turns()
          assert.deepStrictEqual(
            new Set(failures.map(({ hook, stage }) => `${hook} ${stage}`)),
            new Set(["fallback-monitor finally"])
          )
        })
      ))
  }

  it.effect("reaches every reader of the stream, and a slow one loses the newest", () =>
    Effect.gen(function*() {
      const monitor = yield* FallbackMonitorHook.make({ logLevel: false, capacity: 2 })
      const taking = (count: number) =>
        Effect.forkChild(Stream.runCollect(Stream.take(monitor.alerts, count)), { startImmediately: true })
      const readers = [yield* taking(1), yield* taking(1)]
      yield* failing(monitor.hook, "a")
      for (const reader of readers) {
        assert.deepStrictEqual((yield* Fiber.join(reader)).map(({ flagKey }) => flagKey), ["a"])
      }
      const slow = yield* Effect.forkChild(
        Stream.runForEach(monitor.alerts, () => Effect.never),
        { startImmediately: true }
      )
      for (const flagKey of ["b", "c", "d", "e", "f"]) {
        yield* failing(monitor.hook, flagKey)
        yield* turns(1)
      }
      assert.isAbove((yield* monitor.counts).dropped, 0)
      yield* Fiber.interrupt(slow)
    }))

  it.effect("loses nothing without a reader, also when the monitor is closed", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const monitor = yield* Scope.provide(FallbackMonitorHook.make({ logLevel: false, capacity: 1 }), scope)
      for (const flagKey of ["a", "b"]) yield* failing(monitor.hook, flagKey)
      yield* Scope.close(scope, Exit.void)
      for (const flagKey of ["c", "d"]) yield* failing(monitor.hook, flagKey)
      assert.deepStrictEqual(yield* monitor.counts, { fallbacks: 4, alerts: 4, dropped: 0 })
    }))

  it.effect("has the services of the program that made the monitor", () =>
    Effect.gen(function*() {
      class Chat extends Context.Service<Chat, Array<string>>()("test/Chat") {}
      const make = FallbackMonitorHook.make({
        onFallback: ({ flagKey }) => Effect.map(Chat, (chat) => void chat.push(flagKey)),
        logLevel: false
      })
      // @ts-expect-error the service is missing
      const missing: Effect.Effect<unknown, never, Scope.Scope> = make
      assert.isTrue(Effect.isEffect(missing))
      const chat: Array<string> = []
      const monitor = yield* Effect.provideService(make, Chat, chat)
      yield* failing(monitor.hook, "a")
      yield* monitor.flush
      assert.deepStrictEqual(chat, ["a"])
    }))

  it.effect("counts in a metric with a limited number of series", () =>
    Effect.gen(function*() {
      const monitor = yield* FallbackMonitorHook.make({ logLevel: false, maxSeries: 2 })
      for (const flagKey of ["a", "b", "c", "d", "a"]) yield* failing(monitor.hook, flagKey)
      const count = (flag_key: string, reason = "error", error_code = "GENERAL") =>
        Effect.map(
          Metric.value(Metric.withAttributes(FallbackMonitorHook.counter, { flag_key, reason, error_code })),
          ({ count }) => count
        )
      assert.deepStrictEqual(
        [yield* count("a"), yield* count("b"), yield* count("overflow", "overflow", "overflow")],
        [2, 1, 2]
      )
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
})

describe("many causes", () => {
  it.effect("share one alert per interval, until those that do not come back make room", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const monitor = yield* FallbackMonitorHook.make({ interval: "10 seconds", maxCauses: 2 })
      yield* Effect.gen(function*() {
        for (const flagKey of ["a", "b", "c", "d", "e", "a"]) yield* failing(monitor.hook, flagKey)
        assert.deepStrictEqual(textsOf(records.splice(0)), ["a 0", "b 0", "c 0"])
        yield* TestClock.adjust("10 seconds")
        for (const flagKey of ["c", "d", "e"]) yield* failing(monitor.hook, flagKey)
      }).pipe(Effect.provide(logsTo(records)))
      assert.deepStrictEqual(textsOf(records), ["c 0", "d 0", "e 2"])
      assert.strictEqual(records[2]?.message, "further feature flags served their default values")
    }))

  it.effect("cost a bounded number of alerts, and each fallback counts once", () =>
    Effect.gen(function*() {
      const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
      const { below } = random(seed)
      const alerts: Array<FallbackMonitorHook.Fallback> = []
      const monitor = yield* FallbackMonitorHook.make({
        interval: "1 second",
        maxCauses: 20,
        maxSeries: 10,
        logLevel: false,
        capacity: 10_000,
        onFallback: (fallback) => void alerts.push(fallback)
      })
      for (let second = 0; second < 20; second++) {
        const before = (yield* monitor.counts).alerts
        for (let i = 0; i < 100; i++) yield* failing(monitor.hook, `flag-${below(500)}`)
        assert.isAtMost((yield* monitor.counts).alerts - before, 21, `SEED=${seed}`)
        yield* TestClock.adjust("1 second")
      }
      yield* monitor.flush
      assert.strictEqual((yield* monitor.counts).fallbacks, 2000, `SEED=${seed}`)
      assert.strictEqual(alerts.length, (yield* monitor.counts).alerts, `SEED=${seed}`)
      assert.isAtMost(alerts.reduce((sum, { suppressed }) => sum + 1 + suppressed, 0), 2000, `SEED=${seed}`)
    }))
})

describe("in a plain application", () => {
  it("the alerts end with the monitor, and the lines go to the logger of the SDK", async () => {
    const alerts: Array<string> = []
    const lines: Array<unknown> = []
    const monitor = FallbackMonitorHook.start({
      onFallback: async ({ domain, flagKey, errorCode }) => {
        await Promise.resolve()
        alerts.push(`${domain} ${flagKey} ${errorCode}`)
      }
    })
    const logger = {
      error: () => {},
      warn: (...line: Array<unknown>) => lines.push(line),
      info: () => {},
      debug: () => {}
    }
    const { client, domain } = await Effect.runPromise(plainClient({ flags: { a: TestProvider.throwing("secret") } }))
    client.setLogger(logger).addHooks(OpenFeatureHook.make(monitor.hook))
    assert.isFalse(await client.getBooleanValue("a", false, { targetingKey: "secret" }))
    assert.isFalse(await client.getBooleanValue("a", false))
    await monitor.close()
    await monitor.close()
    assert.isFalse(await client.getBooleanValue("b", false))
    assert.deepStrictEqual(alerts, [`${domain} a GENERAL`])
    assert.deepStrictEqual(monitor.counts(), { fallbacks: 3, alerts: 2, dropped: 0 })
    assert.match(JSON.stringify(lines), /served its default value/)
    assert.notInclude(JSON.stringify(lines), "secret")
    await SDK.OpenFeature.getClient(newDomain()).getBooleanValue("a", false)
  })
})
