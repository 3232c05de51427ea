import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { FeatureFlags, FeatureHook, type HookFailures, OpenFeatureHook } from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { countingClock } from "../../clocks.ts"
import { clients, flagsDetails, sdkDetails } from "../../clients.ts"
import {
  client,
  collectFailures,
  type LogRecord,
  logsTo,
  newDomain,
  paths,
  plainClient,
  rangeError,
  turns
} from "../../support.ts"

const stages: ReadonlyArray<HookFailures.Stage> = ["before", "after", "error", "finally"]

/** Evaluations with this clock find that each stage took 200 milliseconds. */
const slowClock = Effect.suspend(() => {
  let nanos = 0n
  const next = () => nanos += 200_000_000n
  return countingClock({ monotonicTimeNanosUnsafe: next, monotonicTimeNanos: Effect.sync(next) })
})

type Given = FeatureHook.Contribution | void

type Before = () => Given | Promise<Given> | Effect.Effect<Given, string>

const sleeping = (stage: HookFailures.Stage) => FeatureHook.make("audit", { [stage]: () => Effect.sleep("2 seconds") })

const texts = (records: ReadonlyArray<LogRecord>) => records.map(({ message }) => message)

describe("warnWhenSlow", () => {
  for (const [path, change] of paths) {
    it.effect(`warns while a stage still runs, ${path}`, () =>
      Effect.gen(function*() {
        for (const stage of stages) {
          const records: Array<LogRecord> = []
          const hook = FeatureHook.warnWhenSlow(change(sleeping(stage)), "100 millis")
          const options = stage === "error" ? { error: new Error("no") } : {}
          const fiber = yield* Effect.forkChild(Effect.provide(Fixtures.run(hook, options), logsTo(records)))
          yield* turns()
          yield* TestClock.adjust("99 millis")
          assert.deepStrictEqual(records, [])
          yield* TestClock.adjust("1 millis")
          assert.deepStrictEqual(records, [{
            level: "Warn",
            message: `hook "audit" is slow in its ${stage} stage`,
            annotations: { hook: "audit", stage, flag_key: "test-flag", duration_ms: 100 }
          }])
          assert.isUndefined(fiber.pollUnsafe())
          yield* TestClock.adjust("10 seconds")
          yield* Fiber.join(fiber)
          assert.strictEqual(records.length, 1)
        }
      }))

    it.effect(`leaves the stage as it is: contribution, failure and defect, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const results: Array<unknown> = []
          const stages: ReadonlyArray<Before> = [
            () => ({ context: { plan: "pro" } }),
            () => Effect.succeed({ context: { plan: "pro" } }),
            async () => ({ context: { plan: "pro" } }),
            () => Effect.fail("no"),
            () => Effect.die("no"),
            () => {
              throw new Error("no")
            }
          ]
          for (const before of stages) {
            const hook = change(FeatureHook.make("audit", { before }))
            for (const same of [hook, FeatureHook.warnWhenSlow(hook, "1 second")]) {
              const { context, details } = yield* Fixtures.run(same)
              results.push([context, details, failures.splice(0).map(({ cause }) => String(cause))])
            }
          }
          for (let i = 0; i < results.length; i += 2) assert.deepStrictEqual(results[i + 1], results[i])
        })
      ))
  }

  for (const by of clients) {
    it.effect(`warns of a promise that never settles, ${by}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const records: Array<LogRecord> = []
          const hook = FeatureHook.make("audit", { after: () => new Promise<void>(() => {}) }).pipe(
            FeatureHook.warnWhenSlow("1 second"),
            FeatureHook.timeout("1 minute"),
            FeatureHook.observe
          )
          const { client, domain } = yield* plainClient({ flags: { sale: TestProvider.value(true) } })
          const evaluate = by === "sdk"
            ? Effect.flatMap(
              OpenFeatureHook.makeEffect(hook),
              (hook) => sdkDetails(client, "sale", false, {}, { hooks: [hook] })
            )
            : Effect.flatMap(
              FeatureFlags.make({ domain }),
              (flags) => flagsDetails(flags, "sale", false, { hooks: [hook] })
            )
          const fiber = yield* Effect.forkChild(Effect.provide(evaluate, logsTo(records)))
          yield* turns()
          yield* TestClock.adjust("1 second")
          yield* turns()
          assert.deepStrictEqual(texts(records), ["hook \"audit\" is slow in its after stage"])
          yield* TestClock.adjust("1 minute")
          assert.isTrue((yield* Fiber.join(fiber)).value)
          assert.strictEqual(records.length, 1)
        })
      ))
  }

  it.effect("warns afterwards of a stage that has blocked the thread, also when it fails", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const { clock, sleeping } = yield* slowClock
        const records: Array<LogRecord> = []
        const ways: ReadonlyArray<Before> = [
          () => {},
          () => Effect.void,
          () => Effect.sync(() => {}),
          () => Effect.fail("no"),
          () => {
            throw new Error("no")
          }
        ]
        for (const before of ways) {
          const hook = FeatureHook.warnWhenSlow(FeatureHook.make("audit", { before }), "100 millis")
          yield* Fixtures.run(hook).pipe(Effect.provideService(Clock.Clock, clock), Effect.provide(logsTo(records)))
        }
        assert.deepStrictEqual(
          texts(records),
          ways.map(() => "hook \"audit\" was slow in its before stage")
        )
        assert.isAtLeast(Number(records[0]?.annotations["duration_ms"]), 200)
        assert.strictEqual(failures.length, 2)
        assert.strictEqual(sleeping.ever, 0)
      })
    ))

  it.effect("starts no timer for a stage that waits for nothing, and leaves none behind a stage that does", () =>
    Effect.gen(function*() {
      const { clock, sleeping } = yield* slowClock
      const run = (before: Before, after: () => Effect.Effect<void> | void) => {
        const hook = FeatureHook.make("audit", { before, after }).pipe(FeatureHook.warnWhenSlow("1 hour"))
        return Effect.forkChild(Effect.provideService(Fixtures.run(hook), Clock.Clock, clock))
      }
      for (const result of [undefined, { context: {} }, Effect.succeed({ context: {} }), Effect.sync(() => {})]) {
        yield* Fiber.join(yield* run(() => result, () => {}))
      }
      yield* turns()
      assert.strictEqual(sleeping.ever, 0)

      const latch = yield* Deferred.make<void>()
      const ended = yield* run(() => Deferred.await(latch), () => {})
      yield* turns()
      assert.deepStrictEqual(sleeping, { now: 1, ever: 1 })
      yield* Deferred.succeed(latch, undefined)
      yield* Fiber.join(ended)
      assert.deepStrictEqual(sleeping, { now: 0, ever: 1 })
    }))

  it.effect("leaves no timer behind a stage that is interrupted or given up", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const { clock, sleeping } = yield* slowClock
        const { flags } = yield* client({ sale: TestProvider.value(true) })
        const hook = FeatureHook.make("audit", { before: () => Effect.never }).pipe(FeatureHook.warnWhenSlow("1 hour"))
        const run = (hook: FeatureHook.FeatureHook<unknown>) =>
          Effect.forkChild(Effect.provideService(flags.boolean("sale", false, { hooks: [hook] }), Clock.Clock, clock))

        const interrupted = yield* run(hook)
        yield* turns()
        assert.strictEqual(sleeping.now, 1)
        yield* Fiber.interrupt(interrupted)
        yield* turns()
        assert.strictEqual(sleeping.now, 0)

        const givenUp = yield* run(FeatureHook.timeout(hook, "1 second"))
        yield* turns()
        assert.strictEqual(sleeping.now, 2)
        yield* TestClock.adjust("1 second")
        assert.isFalse(yield* Fiber.join(givenUp))
        yield* turns()
        assert.strictEqual(sleeping.now, 0)
      })
    ))

  it.effect("logs one line per hook, stage and interval, and counts those left out", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const { clock } = yield* slowClock
      const two = FeatureHook.combine(
        FeatureHook.make("a", { before: () => {} }),
        FeatureHook.make("b", { before: () => {}, finally: () => {} })
      )
      const loggers = yield* Layer.build(logsTo(records))
      const run = (hook: FeatureHook.FeatureHook) =>
        Fixtures.run(hook).pipe(Effect.provideService(Clock.Clock, clock), Effect.provideContext(loggers))
      // Each of the three stages reads the clock several times, so 5 evaluations take less than the minute.
      const limited = FeatureHook.warnWhenSlow(two, "100 millis", { logInterval: "1 minute" })
      for (let i = 0; i < 5; i++) yield* run(limited)
      const lines = () =>
        records.splice(0).map(({ annotations: { hook, stage, suppressed } }) => [hook, stage, suppressed])
      assert.deepStrictEqual(lines(), [["a", "before", undefined], ["b", "before", undefined], [
        "b",
        "finally",
        undefined
      ]])
      for (let i = 0; i < 300; i++) clock.monotonicTimeNanosUnsafe()
      yield* run(limited)
      assert.deepStrictEqual(lines(), [["a", "before", 4], ["b", "before", 4], ["b", "finally", 4]])
      const every = FeatureHook.warnWhenSlow(two, "100 millis", { logInterval: 0 })
      for (let i = 0; i < 5; i++) yield* run(every)
      assert.strictEqual(records.length, 15)
    }))

  it.effect("does not count the time of the provider in a program around the evaluation", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const { flags } = yield* client({ slow: TestProvider.delayed("1 minute", TestProvider.value(true)) })
      const hook = FeatureHook.around("traced", (_context, evaluate) =>
        Effect.andThen(Effect.sleep("1 second"), evaluate))
      const fiber = yield* flags.boolean("slow", false, { hooks: [FeatureHook.warnWhenSlow(hook, "2 seconds")] }).pipe(
        Effect.provide(logsTo(records)),
        Effect.forkChild
      )
      yield* turns()
      yield* TestClock.adjust("1 second")
      yield* turns()
      yield* TestClock.adjust("1 minute")
      assert.isTrue(yield* Fiber.join(fiber))
      assert.deepStrictEqual(records, [])
    }))

  it("writes to the logger of the application for a caller of the plain SDK, or to the given one", async () => {
    const lines: Array<string> = []
    const loggerOf = (name: string): SDK.Logger => {
      const write = (text: unknown) => void lines.push(`${name}: ${String(text)}`)
      return { error: write, warn: write, info: write, debug: write }
    }
    const audit = FeatureHook.make("audit", {
      finally: () => new Promise<void>((resolve) => setTimeout(resolve, 20))
    })
    const sdk = SDK.OpenFeature.getClient(newDomain()).setLogger(loggerOf("application"))
    for (const options of [{}, { logger: loggerOf("own") }]) {
      const hook = OpenFeatureHook.make(FeatureHook.warnWhenSlow(audit, "1 millis", options))
      await sdk.getBooleanValue("sale", false, {}, { hooks: [hook] })
    }
    // On a busy machine, the stage may have ended when the timer runs.
    assert.deepStrictEqual(
      lines.map((line) => line.replace(" was ", " is ")),
      ["application", "own"].map((name) => `${name}: hook "audit" is slow in its finally stage`)
    )
  })

  it.effect("keeps a logger that throws from the evaluation", () =>
    Effect.gen(function*() {
      const { clock } = yield* slowClock
      const broken = Logger.layer([
        Logger.make(() => {
          throw new Error("no log")
        })
      ])
      for (const [_, change] of paths) {
        const hook = change(FeatureHook.make("audit", { before: () => ({ context: { plan: "pro" } }) }))
        const outcome = yield* Fixtures.run(FeatureHook.warnWhenSlow(hook, "100 millis")).pipe(
          Effect.provideService(Clock.Clock, clock),
          Effect.provide(broken)
        )
        assert.deepStrictEqual(outcome.context, { plan: "pro" })
      }
    }))

  it.effect("prints one line of bounded length for names from outside", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const { clock } = yield* slowClock
      const hook = FeatureHook.make("a\nb", { before: () => {} })
      yield* Fixtures.run(FeatureHook.warnWhenSlow(hook, "1 millis"), {
        context: { flagKey: `x\n${"y".repeat(1000)}` }
      })
        .pipe(Effect.provideService(Clock.Clock, clock), Effect.provide(logsTo(records)))
      assert.strictEqual(records[0]?.message, "hook \"a\\u000ab\" was slow in its before stage")
      assert.strictEqual(String(records[0].annotations["flag_key"]).length, 256)
      assert.notInclude(String(records[0].annotations["flag_key"]), "\n")
    }))

  it("refuses a duration that is not finite and positive", () => {
    for (const duration of [0, -1, Number.NaN, "soon", "Infinity", null]) {
      const message = rangeError(() =>
        Reflect.apply(FeatureHook.warnWhenSlow, undefined, [FeatureHook.empty, duration])
      )
      assert.match(message, /^FeatureHook.warnWhenSlow: slowerThan must be finite and positive, got /)
    }
  })
})
