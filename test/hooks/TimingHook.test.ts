import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import { FeatureHook, HookHints, TimingHook } from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { client, type LogRecord, logsTo, paths, rangeError, turns } from "../support.ts"

const asking = (seen: Array<Option.Option<number>>) => {
  const ask = (hints: HookHints.HookHints) =>
    Effect.map(TimingHook.elapsed(hints), (elapsed) => void seen.push(Option.map(elapsed, Duration.toMillis)))
  return FeatureHook.make("asking", {
    before: (_context, hints) => ask(hints),
    after: (_context, _details, hints) => ask(hints),
    error: (_context, _error, hints) => ask(hints),
    finally: (_context, _details, hints) => ask(hints)
  })
}

const slow = (hook: FeatureHook.FeatureHook) =>
  Effect.gen(function*() {
    const { flags } = yield* client({ slow: TestProvider.delayed("2 seconds", TestProvider.value(true)) })
    const fiber = yield* Effect.forkChild(flags.boolean("slow", false, { hooks: [hook] }))
    yield* turns()
    yield* TestClock.adjust("2 seconds")
    return yield* Fiber.join(fiber)
  })

describe("elapsed", () => {
  for (const [path, change] of paths) {
    it.effect(`tells every later hook how long it has taken, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<Option.Option<number>> = []
        yield* slow(FeatureHook.combine(change(TimingHook.make()), change(asking(seen))))
        assert.deepStrictEqual(seen, [Option.some(0), Option.some(2000), Option.some(2000)])
      }))
  }

  it.effect("knows nothing without a timing hook", () =>
    Effect.gen(function*() {
      const seen: Array<Option.Option<number>> = []
      yield* Fixtures.run(asking(seen))
      assert.deepStrictEqual(seen, [Option.none(), Option.none(), Option.none()])
    }))

  it.effect("is not fooled by a wall clock that steps back, and is never negative", () =>
    Effect.gen(function*() {
      let monotonic = 5_000_000_000n
      let wall = 1_000_000
      const clock = yield* Clock.Clock
      const stepping: Clock.Clock = {
        currentTimeMillisUnsafe: () => wall -= 1000,
        currentTimeMillis: Effect.sync(() => wall -= 1000),
        currentTimeNanosUnsafe: () => BigInt(wall -= 1000) * 1_000_000n,
        currentTimeNanos: Effect.sync(() => BigInt(wall -= 1000) * 1_000_000n),
        monotonicTimeNanosUnsafe: () => monotonic += 7_000_000n,
        monotonicTimeNanos: Effect.sync(() => monotonic += 7_000_000n),
        sleep: (duration) => clock.sleep(duration)
      }
      const seen: Array<Option.Option<number>> = []
      const run = Fixtures.run(FeatureHook.combine(TimingHook.make(), asking(seen)))
      yield* Effect.provideService(run, Clock.Clock, stepping)
      assert.deepStrictEqual(seen, [Option.some(7), Option.some(14), Option.some(21)])
      const hints = HookHints.make(TimingHook.Start, monotonic + 10_000_000_000n)
      const early = yield* Effect.provideService(TimingHook.elapsed(hints), Clock.Clock, stepping)
      assert.deepStrictEqual(early, Option.some(Duration.zero))
    }))
})

describe("make", () => {
  it.effect("keeps a start that is already there", () =>
    Effect.gen(function*() {
      const seen: Array<Option.Option<number>> = []
      const waiting = FeatureHook.make("waiting", { before: () => Effect.sleep("1 second") })
      const hook = FeatureHook.combineAll([TimingHook.make(), waiting, TimingHook.make(), asking(seen)])
      const fiber = yield* Effect.forkChild(Fixtures.run(hook))
      yield* turns()
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(seen[0], Option.some(1000))
    }))

  for (const [path, change] of paths) {
    it.effect(`logs evaluations that are too slow, and no others, ${path}`, () =>
      Effect.gen(function*() {
        const records: Array<LogRecord> = []
        yield* slow(change(TimingHook.make({ slowerThan: "1 second" }))).pipe(Effect.provide(logsTo(records)))
        assert.deepStrictEqual(records, [{
          level: "Warn",
          message: "slow feature flag evaluation",
          annotations: { flag_key: "slow", duration_ms: 2000 }
        }])
        records.length = 0
        yield* slow(change(TimingHook.make({ slowerThan: "2 seconds" }))).pipe(Effect.provide(logsTo(records)))
        assert.deepStrictEqual(records, [])
        yield* slow(change(TimingHook.make({ slowerThan: "1 second", logLevel: "Info" }))).pipe(
          Effect.provide(logsTo(records))
        )
        assert.deepStrictEqual(records.map(({ level }) => level), ["Info"])
      }))
  }

  it.effect("logs nothing when its before never ran", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const failing = FeatureHook.make("failing", { before: () => Effect.fail("no") })
      yield* Fixtures.run(FeatureHook.combine(failing, TimingHook.make({ slowerThan: "1 millis" }))).pipe(
        Effect.provide(logsTo(records))
      )
      assert.deepStrictEqual(records.map(({ message }) => message), [
        "hook \"failing\" failed in its before stage (HookFailures.onFailure has the error)"
      ])
    }))

  it("refuses a limit that is not finite", () => {
    for (const slowerThan of ["Infinity", Number.NaN, "-1 millis"] as const) {
      assert.include(
        rangeError(() => TimingHook.make({ slowerThan })),
        "TimingHook.make: slowerThan must be finite and not negative, got "
      )
    }
  })
})
