import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Metric } from "effect"
import { TestClock } from "effect/testing"
import { expectTypeOf } from "vitest"
import { EvaluationError, FeatureFlags, FeatureHook, MetricsHook } from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { client, collectFailures, newDomain, paths, rangeError, turns, until } from "../support.ts"

const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map()))

const series = Effect.map(
  Metric.snapshot,
  (snapshots) =>
    snapshots.flatMap((metric) =>
      metric.type === "Counter" && metric.id === "feature_flag_evaluations_total"
        ? [[metric.attributes ?? {}, Number(metric.state.count)] as const]
        : []
    ).filter(([, count]) => count > 0)
)

const histograms = Effect.map(
  Metric.snapshot,
  (snapshots) =>
    snapshots.flatMap((metric) =>
      metric.type === "Histogram" && metric.id === "feature_flag_evaluation_duration_seconds"
        ? [[metric.attributes ?? {}, metric.state.count, metric.state.sum] as const]
        : []
    ).filter(([, count]) => count > 0)
)

describe("makeMetric", () => {
  for (const [path, change] of paths) {
    it.effect(`counts every evaluation exactly once, of any outcome, ${path}`, () =>
      isolated(collectFailures(() =>
        Effect.gen(function*() {
          const metrics = yield* MetricsHook.makeMetric()
          const rejecting = FeatureHook.make("rejecting", {
            before: () => Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no" }))
          })
          const { flags } = yield* client({
            good: TestProvider.value(true, { variant: "on", reason: "TARGETING_MATCH" }),
            wrong: TestProvider.value("text"),
            bad: TestProvider.error("PARSE_ERROR", "m"),
            throwing: TestProvider.throwing(new Error("m"))
          }, { hooks: [change(metrics)] })
          for (const key of ["good", "good", "wrong", "bad", "throwing", "missing"]) yield* flags.boolean(key, false)
          yield* flags.boolean("good", false, { hooks: [change(rejecting)] })
          const counted = new Map(
            (yield* series).map(([attributes, count]) => [JSON.stringify(attributes), count])
          )
          assert.deepStrictEqual(
            counted,
            new Map([
              [JSON.stringify({ flag_key: "good", variant: "on", reason: "targeting_match" }), 2],
              [JSON.stringify({ flag_key: "wrong", reason: "error", error_code: "TYPE_MISMATCH" }), 1],
              [JSON.stringify({ flag_key: "bad", reason: "error", error_code: "PARSE_ERROR" }), 1],
              [JSON.stringify({ flag_key: "throwing", reason: "error", error_code: "GENERAL" }), 1],
              [JSON.stringify({ flag_key: "missing", reason: "error", error_code: "FLAG_NOT_FOUND" }), 1],
              [JSON.stringify({ flag_key: "good", reason: "error", error_code: "INVALID_CONTEXT" }), 1]
            ])
          )
          const total = (yield* histograms).reduce((sum, [, count]) => sum + count, 0)
          assert.strictEqual(total, 7)
        })
      )))

    it.effect(`counts evaluations of a provider that is not ready, or that an earlier hook rejected, ${path}`, () =>
      isolated(collectFailures(() =>
        Effect.gen(function*() {
          const metrics = change(yield* MetricsHook.makeMetric())
          const flags = yield* FeatureFlags.make({
            domain: newDomain(),
            provider: TestProvider.make({ initialize: Effect.never }),
            initializeTimeout: "1 second",
            onProviderError: "ignore",
            hooks: [change(FeatureHook.make("rejecting", { before: () => Effect.fail("no") })), metrics]
          }).pipe(Effect.forkChild, Effect.tap(() => Effect.andThen(turns(), TestClock.adjust("1 second"))))
            .pipe(Effect.flatMap(Fiber.join))
          yield* flags.boolean("a", false)
          yield* flags.clearHooks
          yield* flags.addHooks(metrics)
          yield* flags.boolean("a", false)
          const counts = (yield* series).map(([attributes, count]) => [attributes["error_code"], count])
          assert.deepStrictEqual(counts, [["GENERAL", 1], ["PROVIDER_NOT_READY", 1]])
          // The one that was rejected before this hook began has no duration.
          assert.deepStrictEqual((yield* histograms).map(([, count]) => count), [1])
        })
      )))
  }

  it.effect("caps the series and keeps the totals exact", () =>
    isolated(Effect.gen(function*() {
      const metrics = yield* MetricsHook.makeMetric({ maxSeries: 10 })
      for (let i = 0; i < 200; i++) {
        yield* Fixtures.run(metrics, { context: { flagKey: `flag-${i % 50}` }, details: { variant: `v${i}` } })
      }
      const counted = yield* series
      assert.strictEqual(counted.length, 11)
      assert.strictEqual(counted.reduce((sum, [, count]) => sum + count, 0), 200)
      const overflow = counted.find(([attributes]) => attributes["flag_key"] === "overflow")
      assert.deepStrictEqual(overflow, [{
        flag_key: "overflow",
        variant: "overflow",
        reason: "overflow",
        error_code: "overflow"
      }, 190])
      const measured = yield* histograms
      assert.strictEqual(measured.length, 11)
      assert.strictEqual(measured.reduce((sum, [, count]) => sum + count, 0), 200)
    })))

  for (const [path, change] of paths) {
    it.effect(`counts a flag named overflow apart from the series for the rest, in both metrics, ${path}`, () =>
      isolated(Effect.gen(function*() {
        const metrics = change(yield* MetricsHook.makeMetric({ maxSeries: 1 }))
        const details = { variant: "overflow", reason: "OVERFLOW" }
        for (const flagKey of ["overflow", "overflow", "a", "b", "c"]) {
          yield* Fixtures.run(metrics, { context: { flagKey }, details })
        }
        const counted = new Map((yield* series).map(([attributes, count]) => [JSON.stringify(attributes), count]))
        const rest = { flag_key: "overflow", variant: "overflow", reason: "overflow", error_code: "overflow" }
        const { error_code: _, ...flag } = rest
        assert.deepStrictEqual(counted, new Map([[JSON.stringify(flag), 2], [JSON.stringify(rest), 3]]))
        assert.deepStrictEqual(
          new Map((yield* histograms).map(([attributes, count]) => [JSON.stringify(attributes), count])),
          new Map([[JSON.stringify({ flag_key: "overflow" }), 2], [JSON.stringify(rest), 3]])
        )
      })))
  }

  it.effect("counts a variant and a reason that are no text", () =>
    isolated(collectFailures((failures) =>
      Effect.gen(function*() {
        const metrics = yield* MetricsHook.makeMetric()
        for (const odd of [null, 5, { a: 1 }]) {
          const details = { variant: odd, reason: odd } as unknown as NonNullable<Fixtures.RunOptions["details"]>
          yield* Fixtures.run(metrics, { details })
        }
        assert.deepStrictEqual(failures, [])
        assert.strictEqual((yield* series).reduce((sum, [, count]) => sum + count, 0), 3)
      })
    )))

  it("refuses a cap below 1", () => {
    for (const maxSeries of [0, -1, 1.5, Number.NaN]) {
      assert.strictEqual(
        rangeError(() => MetricsHook.makeMetric({ maxSeries })),
        `MetricsHook.makeMetric: maxSeries must be an integer >= 1, got ${maxSeries}`
      )
    }
  })
})

describe("make", () => {
  it.effect("measures from before to finally with the monotonic clock", () =>
    Effect.gen(function*() {
      const seen: Array<MetricsHook.Evaluation> = []
      const hook = MetricsHook.make((evaluation) => Effect.sync(() => seen.push(evaluation)))
      const { flags } = yield* client({ slow: TestProvider.delayed("3 seconds", TestProvider.value(true)) }, {
        hooks: [hook]
      })
      const fiber = yield* Effect.forkChild(flags.boolean("slow", false))
      yield* turns()
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(fiber)
      assert.strictEqual(seen.length, 1)
      assert.strictEqual(Duration.toMillis(seen[0].duration ?? Duration.zero), 3000)
      assert.isTrue(seen[0].success)
      assert.strictEqual(seen[0].flagKey, "slow")
      assert.strictEqual(seen[0].details.value, true)
      assert.strictEqual(seen[0].context.flagKey, "slow")
    }))

  it.effect("never measures a negative duration", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      let now = 1_000n
      const backwards: Clock.Clock = {
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
        currentTimeMillis: clock.currentTimeMillis,
        currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
        currentTimeNanos: clock.currentTimeNanos,
        monotonicTimeNanosUnsafe: () => now -= 100n,
        monotonicTimeNanos: clock.monotonicTimeNanos,
        sleep: (duration) => clock.sleep(duration)
      }
      const seen: Array<Duration.Duration | undefined> = []
      const hook = MetricsHook.make(({ duration }) => Effect.sync(() => seen.push(duration)))
      yield* Effect.provideService(Fixtures.run(hook), Clock.Clock, backwards)
      assert.deepStrictEqual(seen.map((duration) => duration && Duration.toMillis(duration)), [0])
    }))

  it.effect("measures no duration when its before never ran", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const seen: Array<readonly [number | undefined, boolean]> = []
        const hook = MetricsHook.make(({ duration, success }) =>
          Effect.sync(() => seen.push([duration && Duration.toMillis(duration), success]))
        )
        const failing = FeatureHook.make("failing", { before: () => Effect.fail("no") })
        yield* Fixtures.run(FeatureHook.combine(failing, hook))
        assert.deepStrictEqual(seen, [[undefined, false]])
      })
    ))

  it.effect("reports a record that fails, dies or throws, and changes nothing", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const records: ReadonlyArray<() => Effect.Effect<void, string>> = [
          () => Effect.fail("no"),
          () => Effect.die("no"),
          () => {
            throw new Error("no")
          }
        ]
        for (const record of records) {
          const hook = MetricsHook.make(record)
          expectTypeOf(hook).toEqualTypeOf<FeatureHook.FeatureHook>()
          assert.strictEqual((yield* Fixtures.run(hook)).details.value, true)
        }
        assert.deepStrictEqual(failures.map(({ hook, stage }) => `${hook}.${stage}`), [
          "metrics.finally",
          "metrics.finally",
          "metrics.finally"
        ])
      })
    ))

  it.effect("counts an interrupted evaluation", () =>
    Effect.gen(function*() {
      const seen: Array<boolean> = []
      const hook = MetricsHook.make(({ success }) => Effect.sync(() => seen.push(success)))
      const { flags } = yield* client({ a: TestProvider.never }, { hooks: [hook] })
      const fiber = yield* Effect.forkChild(flags.boolean("a", false))
      yield* turns()
      const interrupt = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* turns()
      yield* TestClock.adjust("1 second")
      yield* until(() => seen.length > 0)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(interrupt)
      assert.deepStrictEqual(seen, [false])
    }))
})
