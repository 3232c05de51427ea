import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Function, Metric, Stream } from "effect"
import { TestClock } from "effect/testing"
import { FeatureHook, OpenFeatureHook, UsageHook } from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import {
  client,
  collectFailures,
  newDomain,
  paths,
  plainClient,
  random,
  rangeError,
  scale,
  turns,
  unhandledRejections
} from "../support.ts"
import { budgetOf, usageContract } from "./limitContract.ts"

usageContract("memory", {
  store: UsageHook.memoryStore(),
  pass: TestClock.adjust,
  test: it.effect
})

interface Evaluation {
  readonly flagKey?: string
  readonly user?: string | undefined
  readonly metadata?: Record<string, number | string>
  readonly error?: Error
}

const evaluate = <E>(hook: FeatureHook.FeatureHook<E>, evaluation: Evaluation = {}) => {
  const { error, flagKey = "sale", metadata = {}, user } = evaluation
  return Effect.map(
    Fixtures.run(hook, {
      context: { flagKey, context: user === undefined ? {} : { targetingKey: user } },
      details: { flagMetadata: metadata },
      ...error && { error }
    }),
    ({ details }) => details
  )
}

const collecting = (seen: Array<UsageHook.Alert>) => (alert: UsageHook.Alert) =>
  Effect.sync(() => void seen.push(alert))

describe("a budget", () => {
  for (const [path, change] of paths) {
    it.effect(`tells each threshold once per window and key, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<UsageHook.Alert> = []
        const { counts, flush, hook } = yield* UsageHook.make({
          budget: 10,
          window: "1 day",
          by: "flag",
          thresholds: [0.5, 1, 1.5],
          onAlert: collecting(seen)
        })
        const told = Effect.andThen(
          flush,
          Effect.sync(() => seen.splice(0).map(({ key, threshold, used }) => [key, threshold, used]))
        )
        for (let i = 0; i < 30; i++) assert.isTrue((yield* evaluate(change(hook))).value)
        assert.deepStrictEqual(yield* told, [["sale", 0.5, 5], ["sale", 1, 10], ["sale", 1.5, 15]])
        for (let i = 0; i < 5; i++) yield* evaluate(change(hook), { flagKey: "other" })
        assert.deepStrictEqual(yield* told, [["other", 0.5, 5]])
        yield* TestClock.adjust("1 day")
        for (let i = 0; i < 5; i++) yield* evaluate(change(hook))
        assert.deepStrictEqual(yield* told, [["sale", 0.5, 5]])
        const { cost, counted, limited } = yield* counts
        assert.deepStrictEqual({ cost, counted, limited }, { cost: 40, counted: 40, limited: 20 })
      }))

    it.effect(`rejects what is over the budget, until the next window, ${path}`, () =>
      Effect.gen(function*() {
        const { counts, hook } = yield* UsageHook.make({
          budget: 2,
          window: "1 hour",
          by: "subject",
          onLimited: "reject",
          name: "quota"
        })
        for (const user of ["ana", "ana", "ben"]) {
          assert.isUndefined((yield* evaluate(change(hook), { user })).errorCode)
        }
        const { errorCode, errorMessage } = yield* evaluate(change(hook), { user: "ana" })
        assert.deepStrictEqual([errorCode, errorMessage], ["GENERAL", "the budget \"quota\" is used up"])
        yield* TestClock.adjust("1 hour")
        assert.isUndefined((yield* evaluate(change(hook), { user: "ana" })).errorCode)
        const { cost, rejected } = yield* counts
        assert.deepStrictEqual({ cost, rejected }, { cost: 4, rejected: 1 })
      }))

    it.effect(`serves the last answer over the budget, ${path}`, () =>
      Effect.gen(function*() {
        const { hook } = yield* UsageHook.make({ budget: 1, window: "1 hour", onLimited: "last" })
        const reasons: Array<string | undefined> = []
        for (const user of ["ana", "ana", "ben"]) reasons.push((yield* evaluate(change(hook), { user })).reason)
        assert.deepStrictEqual(reasons, ["STATIC", "STALE", "ERROR"])
      }))

    it.effect(`counts what asks the provider after all, since a later hook changes the subject, ${path}`, () =>
      Effect.gen(function*() {
        for (const costs of [{}, { resultCost: () => 1 }]) {
          const { counts, hook, report } = yield* UsageHook.make({
            budget: 1,
            window: "1 hour",
            onLimited: "last",
            whenNoLast: "pass",
            ...costs
          })
          const session = FeatureHook.make("session", {
            before: ({ context }) => context["as"] === undefined ? undefined : { context: { targetingKey: "ben" } }
          })
          const { flags, provider } = yield* client({ sale: TestProvider.value(true) }, {
            hooks: [change(hook), session]
          })
          yield* flags.boolean("sale", false, { context: { targetingKey: "ana" } })
          yield* flags.boolean("sale", false, { context: { targetingKey: "ana", as: "ben" } })
          assert.strictEqual((yield* provider.calls).length, 2)
          assert.deepInclude(yield* counts, { counted: 2, cost: 2, limited: 1 })
          assert.deepStrictEqual((yield* report).keys, [{ key: "", used: 2, share: 2 }])
        }
      }))

    it.effect(`counts once what passes over the budget without a last answer, ${path}`, () =>
      Effect.gen(function*() {
        for (const costs of [{}, { resultCost: () => 1 }]) {
          const seen: Array<UsageHook.Alert> = []
          const { counts, flush, hook, report } = yield* UsageHook.make({
            budget: 2,
            window: "1 hour",
            thresholds: [1, 2],
            onLimited: "last",
            whenNoLast: "pass",
            onAlert: collecting(seen),
            ...costs
          })
          const reasons: Array<string | undefined> = []
          for (const user of ["ana", "ben", "cem", "ana", "dan"]) {
            reasons.push((yield* evaluate(change(hook), { user })).reason)
          }
          yield* flush
          const [name] = Object.keys(costs)
          assert.deepStrictEqual(reasons, ["STATIC", "STATIC", "STATIC", "STALE", "STATIC"], name)
          assert.deepInclude(yield* counts, { counted: 4, cost: 4, limited: 3, served: 1, rejected: 0 }, name)
          assert.deepStrictEqual((yield* report).keys, [{ key: "", used: 4, share: 2 }], name)
          assert.deepStrictEqual(seen.map(({ threshold }) => threshold), [1, 2], name)
        }
      }))

    it.effect(`spends a cost by the result after the flag was resolved, ${path}`, () =>
      Effect.gen(function*() {
        const { counts, hook } = yield* UsageHook.make({
          budget: 10,
          window: "1 hour",
          resultCost: UsageHook.metadataCost("cost", 2),
          onLimited: "reject"
        })
        const codes: Array<string | undefined> = []
        for (const metadata of [{ cost: 7 }, {}, { cost: 5 }, {}] as ReadonlyArray<Record<string, number>>) {
          codes.push((yield* evaluate(change(hook), { metadata })).errorCode)
        }
        assert.deepStrictEqual(codes, [undefined, undefined, undefined, "GENERAL"])
        // An evaluation that fails has no result.
        yield* TestClock.adjust("1 hour")
        yield* evaluate(change(hook), { error: new Error("no") })
        assert.strictEqual((yield* counts).cost, 14)
      }))

    it.effect(`counts a promise in place of a cost as 1, and tells what it was given, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const cost = () => Function.cast<unknown, number>(Promise.reject(new Error("no")))
          const { counts, hook } = yield* UsageHook.make({ budget: 10, window: "1 hour", cost })
          yield* evaluate(change(hook))
          assert.strictEqual((yield* counts).cost, 1)
          assert.include(String(failures[0]?.cause), "gave a promise instead of a cost")
        })
      ))

    it.effect(`spends the whole of a budget that no decimal number is equal to, ${path}`, () =>
      Effect.gen(function*() {
        for (const budget of [1 / 3, 2 / 3, 200 / 3]) {
          for (const options of [{ cost: budget }, { resultCost: () => budget }]) {
            const { counts, hook } = yield* UsageHook.make({
              budget,
              window: "1 hour",
              onLimited: "reject",
              ...options
            })
            const codes: Array<string | undefined> = []
            for (let i = 0; i < 2; i++) codes.push((yield* evaluate(change(hook))).errorCode)
            assert.deepStrictEqual(codes, [undefined, "GENERAL"], `${budget} ${Object.keys(options).join()}`)
            assert.deepInclude(yield* counts, { counted: 1, limited: 1, rejected: 1, alerts: 3 })
          }
        }
      }))

    it.effect(`lets pass, or not, when the store fails or hangs, in both stages, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const spends: ReadonlyArray<UsageHook.Store["spend"]> = [
            () => Effect.fail("no connection"),
            () => Effect.never,
            () => Effect.uninterruptible(Effect.never),
            () => Function.cast(Effect.succeed({ isPassed: true, used: Number.NaN }))
          ]
          for (const spend of spends) {
            for (const whenDown of ["open", "closed"] as const) {
              failures.length = 0
              const { counts, hook } = yield* UsageHook.make({
                budget: 1,
                window: "1 day",
                onLimited: "reject",
                resultCost: () => 1,
                store: { spend },
                whenDown
              })
              const fiber = yield* Effect.forkChild(evaluate(change(hook)))
              for (let i = 0; i < 2; i++) {
                yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
                yield* TestClock.adjust("50 millis")
              }
              const { errorCode } = yield* Fiber.join(fiber)
              assert.strictEqual(errorCode, whenDown === "open" ? undefined : "GENERAL")
              const stages = whenDown === "open" ? ["before", "after"] : ["before"]
              assert.deepStrictEqual(failures.map(({ stage }) => stage), stages)
              assert.strictEqual((yield* counts).unchecked, stages.length)
            }
          }
        })
      ))
  }

  for (const [path, change] of paths) {
    it.effect(`leaves a store alone that hangs, in both stages, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          let asked = 0
          let hangs = true
          const memory = yield* UsageHook.memoryStore()
          const spend: UsageHook.Store["spend"] = (...given) => {
            asked++
            return hangs ? Effect.never : memory.spend(...given)
          }
          const { counts, hook } = yield* UsageHook.make({
            budget: 10,
            window: "1 day",
            onLimited: "reject",
            resultCost: () => 1,
            store: { spend }
          })
          for (let i = 0; i < 2; i++) {
            const fiber = yield* Effect.forkChild(evaluate(change(hook)), { startImmediately: true })
            for (let stage = 0; stage < 2; stage++) {
              yield* turns()
              yield* TestClock.adjust("50 millis")
            }
            assert.isTrue((yield* Fiber.join(fiber)).value)
          }
          for (let i = 0; i < 10; i++) assert.isTrue((yield* evaluate(change(hook))).value)
          assert.strictEqual(asked, 3)
          assert.strictEqual((yield* counts).unchecked, 24)
          hangs = false
          yield* TestClock.adjust("1 second")
          for (let i = 0; i < 3; i++) yield* evaluate(change(hook))
          const { cost, unchecked } = yield* counts
          assert.deepStrictEqual([cost, unchecked], [3, 24])
        })
      ))
  }

  it.effect("agrees with a simple reference in any history", () =>
    Effect.gen(function*() {
      const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000)
      console.log(`SEED=${seed}`)
      const { below, chance, oneOf } = random(seed)
      let now = yield* Effect.clockWith(({ currentTimeMillis }) => currentTimeMillis)
      for (let history = 0; history < 10_000 * scale; history++) {
        const store = yield* UsageHook.memoryStore()
        const rule = budgetOf(1 + below(12), oneOf([1, 60, 1000, 86_400_000]))
        // All that was ever spent, and when.
        const spent: Array<readonly [window: number, key: string, cost: number]> = []
        const refused: Array<readonly [window: number, key: string]> = []
        for (let step = 0; step < 20; step++) {
          if (chance(0.3)) {
            const millis = oneOf([0, 1, 30, rule.window, below(rule.window)])
            now += millis
            yield* TestClock.adjust(millis)
            continue
          }
          const key = oneOf(["a", "b"])
          const cost = below(4)
          const isForced = chance(0.2)
          const window = Math.floor(now / rule.window)
          const before = spent.filter(([at, of]) => at === window && of === key).reduce(
            (sum, [, , one]) => sum + one,
            0
          )
          const isPassed = isForced || (cost === 0 ? before < rule.budget : before + cost <= rule.budget)
          if (isPassed) spent.push([window, key, cost])
          else refused.push([window, key])
          assert.deepStrictEqual(yield* store.spend(rule, key, cost, isForced), {
            isPassed,
            usedBefore: before,
            used: isPassed ? before + cost : before,
            refused: refused.filter(([at, of]) => at === window && of === key).length,
            windowStart: window * rule.window,
            resetsAfter: (window + 1) * rule.window - now
          }, `history ${history}, step ${step}`)
        }
      }
    }))

  it.effect("has costs by flag and by context, of which a wrong one counts as 1 and is told", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const costs: ReadonlyArray<readonly [UsageHook.Options["cost"], number]> = [
          [undefined, 2],
          [3, 6],
          [{ sale: 5 }, 6],
          [{ __proto__: 7 }, 2],
          [({ flagKey }) => flagKey.length, 9],
          [0, 0]
        ]
        for (const [cost, expected] of costs) {
          const { counts, hook } = yield* UsageHook.make({ budget: 100, window: "1 day", cost })
          for (const flagKey of ["sale", "other"]) yield* evaluate(hook, { flagKey })
          assert.strictEqual((yield* counts).cost, expected)
        }
        const wrong: ReadonlyArray<() => number> = [() => Number.NaN, () => -1, () => Function.cast("1"), () => {
          throw new Error("no")
        }]
        for (const cost of wrong) {
          for (const options of [{ cost }, { resultCost: cost }]) {
            const { counts, hook } = yield* UsageHook.make({ budget: 100, window: "1 day", ...options })
            yield* evaluate(hook)
            assert.strictEqual((yield* counts).cost, 1)
          }
        }
        assert.strictEqual(failures.length, 8)
      })
    ))

  it.effect("adds fractions as people do, in all that it tells", () =>
    Effect.gen(function*() {
      const seen: Array<UsageHook.Alert> = []
      const { counts, flush, hook, report } = yield* UsageHook.make({
        budget: 3,
        window: "1 day",
        by: "flag",
        cost: 0.1,
        thresholds: [0.1],
        maxKeys: 1,
        onAlert: collecting(seen)
      })
      for (let i = 0; i < 3; i++) yield* evaluate(hook)
      yield* flush
      assert.deepStrictEqual(seen.map(({ used }) => used), [0.3])
      assert.strictEqual((yield* counts).cost, 0.3)
      for (let i = 0; i < 3; i++) yield* evaluate(hook, { flagKey: "other" })
      const { keys, overflow } = yield* report
      assert.deepStrictEqual(keys, [{ key: "sale", used: 0.3, share: 0.1 }])
      assert.strictEqual(overflow, 0.3)
    }))

  it.effect("reports again after a clock that was far ahead went back", () =>
    Effect.gen(function*() {
      const { hook, report } = yield* UsageHook.make({ budget: 100, window: "1 day" })
      for (const day of [0, 365, 1]) {
        yield* TestClock.setTime(day * 86_400_000)
        yield* evaluate(hook)
        const { keys, windowStart } = yield* report
        assert.deepStrictEqual([windowStart, keys], [day * 86_400_000, [{ key: "", used: 1, share: 0.01 }]])
      }
    }))

  for (const [path, change] of paths) {
    it.effect(`reports by the clock of the store, ${path}`, () =>
      Effect.gen(function*() {
        const hour = 3_600_000
        yield* TestClock.setTime(100.25 * hour)
        for (const skew of [-7 * hour, 0, 7 * hour]) {
          const memory = yield* UsageHook.memoryStore()
          const spend: UsageHook.Store["spend"] = (...given) =>
            Effect.map(memory.spend(...given), (spent) => ({ ...spent, windowStart: spent.windowStart + skew }))
          const { hook, report } = yield* UsageHook.make({ budget: 4, window: "1 hour", by: "flag", store: { spend } })
          yield* evaluate(change(hook))
          yield* TestClock.adjust("30 minutes")
          const start = Math.floor((yield* Effect.clockWith(({ currentTimeMillis }) => currentTimeMillis)) / hour) *
            hour
          const keys = [{ key: "sale", used: 1, share: 0.25 }]
          assert.deepInclude(yield* report, { windowStart: start + skew, windowEnd: start + skew + hour, keys })
          yield* TestClock.adjust("30 minutes")
          assert.deepInclude(yield* report, { windowStart: start + skew + hour, keys: [] })
        }
      }))
  }

  it.effect("takes a promise for no cost, and leaves its rejection to nobody else", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const cost = () => Function.cast<Promise<number>, number>(Promise.reject(new Error("no")))
        const found = yield* unhandledRejections(Effect.gen(function*() {
          for (const options of [{ cost }, { resultCost: cost }]) {
            const { counts, hook } = yield* UsageHook.make({ budget: 100, window: "1 day", ...options })
            yield* evaluate(hook)
            assert.strictEqual((yield* counts).cost, 1)
          }
        }))
        assert.deepStrictEqual(found, [])
        assert.strictEqual(failures.length, 2)
      })
    ))

  it.effect("reaches the threshold 1 with what does not fit into the rest, and only once", () =>
    Effect.gen(function*() {
      const seen: Array<UsageHook.Alert> = []
      const { flush, hook } = yield* UsageHook.make({
        budget: 10,
        window: "1 day",
        cost: { big: 4 },
        onLimited: "reject",
        thresholds: [1],
        onAlert: collecting(seen)
      })
      for (const flagKey of ["big", "big", "big", "big", "a", "a", "a"]) yield* evaluate(hook, { flagKey })
      yield* flush
      assert.deepStrictEqual(seen.map(({ flagKey, used }) => [flagKey, used]), [["big", 8]])
    }))

  it.effect("alerts in one of the hooks that share a store", () =>
    Effect.gen(function*() {
      const store = yield* UsageHook.memoryStore()
      const seen: Array<UsageHook.Alert> = []
      const options = { budget: 10, window: "1 day", store, onAlert: collecting(seen) } as const
      const hooks = [yield* UsageHook.make(options), yield* UsageHook.make(options)]
      for (let i = 0; i < 6; i++) for (const { hook } of hooks) yield* evaluate(hook)
      for (const { flush } of hooks) yield* flush
      assert.deepStrictEqual(seen.map(({ threshold }) => threshold).sort((a, b) => a - b), [0.5, 0.8, 1])
    }))

  it.effect("reports what was used in the present window, with a bounded number of keys", () =>
    Effect.gen(function*() {
      const { hook, report } = yield* UsageHook.make({ budget: 4, window: "1 hour", by: "subject", maxKeys: 2 })
      for (const user of ["ana", "ben", "ben", "__proto__", "eve"]) yield* evaluate(hook, { user })
      const { windowStart } = yield* report
      assert.deepStrictEqual(yield* report, {
        windowStart,
        windowEnd: windowStart + 3_600_000,
        keys: [{ key: "ben", used: 2, share: 0.5 }, { key: "ana", used: 1, share: 0.25 }],
        overflow: 2
      })
      yield* TestClock.adjust("90 minutes")
      assert.deepStrictEqual(yield* report, {
        windowStart: windowStart + 3_600_000,
        windowEnd: windowStart + 7_200_000,
        keys: [],
        overflow: 0
      })
    }))

  it.effect("counts nothing for what another hook has answered, or belongs to nobody", () =>
    Effect.gen(function*() {
      const { counts, hook } = yield* UsageHook.make({ budget: 1, window: "1 day", by: "subject", resultCost: () => 1 })
      const cache = FeatureHook.make("cache", { before: () => ({ resolution: { value: true, reason: "CACHED" } }) })
      yield* evaluate(FeatureHook.combine(cache, hook), { user: "ana" })
      yield* evaluate(hook)
      const { cost, unkeyed } = yield* counts
      assert.deepStrictEqual([cost, unkeyed], [0, 1])
    }))

  it.effect("adds up costs with Effect's Metric, with a bounded number of series", () =>
    Effect.gen(function*() {
      const { hook } = yield* UsageHook.make({ budget: 1, window: "1 day", name: "series", cost: 2, maxSeries: 1 })
      for (const flagKey of ["a", "b", "c"]) yield* evaluate(hook, { flagKey })
      const count = (metric: Metric.Counter<number>, attributes: Record<string, string>) =>
        Effect.map(
          Metric.value(Metric.withAttributes(metric, { budget: "series", ...attributes })),
          ({ count }) => count
        )
      assert.strictEqual(yield* count(UsageHook.counter, { flag_key: "a" }), 2)
      assert.strictEqual(yield* count(UsageHook.counter, { flag_key: "overflow", outcome: "overflow" }), 4)
      assert.strictEqual(yield* count(UsageHook.exceeded, { flag_key: "a", outcome: "passed" }), 1)
    }))

  it.effect("keeps a million subjects within its capacity, and forgets windows that are over", () =>
    Effect.gen(function*() {
      const store = yield* UsageHook.memoryStore(1000)
      const rule = budgetOf(10, 3_600_000)
      yield* store.spend(rule, "much", 10, false)
      globalThis.gc?.()
      const before = process.memoryUsage().heapUsed
      for (let i = 0; i < 1_000_000 * scale; i++) yield* store.spend(rule, `user-${i}`, 1, false)
      globalThis.gc?.()
      assert.isBelow(process.memoryUsage().heapUsed - before, 4_000_000)
      assert.isFalse((yield* store.spend(rule, "much", 1, false)).isPassed)
      const { counts, hook } = yield* UsageHook.make({ budget: 10, window: "1 hour", by: "subject" })
      for (let i = 0; i < 500; i++) yield* evaluate(hook, { user: `user-${i}` })
      yield* TestClock.adjust("1 hour")
      for (let i = 0; i < 3000; i++) yield* evaluate(hook, { user: "late" })
      const { evicted, keys } = yield* counts
      assert.deepStrictEqual([keys, evicted], [1, 0])
    }))

  it.effect("streams alerts without the key of a subject, unless the application asks for it", () =>
    Effect.gen(function*() {
      for (
        const [printKey, key] of [[undefined, undefined], ["raw", "ana"], [
          (key: string) => `${key.length}`,
          "3"
        ]] as const
      ) {
        const { alerts, hook } = yield* UsageHook.make({ budget: 1, window: "1 day", by: "subject", printKey })
        const reader = yield* Effect.forkChild(Stream.runHead(alerts), { startImmediately: true })
        yield* evaluate(hook, { user: "ana" })
        assert.strictEqual((yield* Effect.fromOption(yield* Fiber.join(reader))).key, key)
      }
    }))

  it.effect("rejects with an error where the provider serves no resolutions", () =>
    Effect.gen(function*() {
      const { client } = yield* plainClient({ flags: { sale: TestProvider.value(true) } })
      const { hook } = yield* UsageHook.make({ budget: 1, window: "1 day", onLimited: "reject" })
      client.addHooks(OpenFeatureHook.make(hook))
      const codes: Array<unknown> = []
      for (let i = 0; i < 2; i++) {
        codes.push((yield* Effect.promise(() => client.getBooleanDetails("sale", false))).errorCode)
      }
      assert.deepStrictEqual(codes, [undefined, "GENERAL"])
    }))

  it("works for a plain client, and tells its mistakes by name", async () => {
    const domain = newDomain()
    await SDK.OpenFeature.setProviderAndWait(domain, new SDK.InMemoryProvider({}))
    const seen: Array<number> = []
    await using usage = UsageHook.start({
      budget: 2,
      window: "1 day",
      thresholds: [1],
      onAlert: async ({ used }) => {
        seen.push(used)
      }
    })
    const client = SDK.OpenFeature.getClient(domain).addHooks(OpenFeatureHook.make(usage.hook))
    for (let i = 0; i < 3; i++) await client.getBooleanValue("sale", false)
    await usage.flush()
    assert.deepStrictEqual(seen, [2])
    assert.strictEqual(usage.counts().cost, 3)
    assert.strictEqual(usage.report().keys[0]?.used, 3)

    const day = { budget: 1, window: "1 day" } as const
    const mistakes: ReadonlyArray<readonly [object, string]> = [
      [{ window: "1 day" }, "budget must be"],
      [{ budget: 1 }, "window must be"],
      [{ ...day, thresholds: [0.5, 0.5] }, "thresholds must be"],
      [{ ...day, thresholds: [0] }, "thresholds must be"],
      [{ ...day, cost: -1 }, "cost must be"],
      [{ ...day, cost: { a: "1" } }, "cost must be"],
      [{ ...day, cost: 1, resultCost: () => 1 }, "give cost or resultCost, not both"],
      [{ ...day, whenDown: "closed" }, "whenDown \"closed\" has no effect"],
      [{ ...day, burst: 1 }, "there is no option \"burst\""]
    ]
    for (const [options, message] of mistakes) {
      assert.include(rangeError(() => UsageHook.make(Function.cast<object, UsageHook.Options>(options))), message)
    }
  })
})
