/** What stores of rate limits and of budgets promise, in memory and in Redis. */
import { assert, describe, type it } from "@effect/vitest"
import { Effect } from "effect"
import type { RateLimitHook, UsageHook } from "effect-openfeature"

/** A store, and a way to let its time pass. */
export interface Place<S> {
  readonly store: Effect.Effect<S>
  readonly pass: (millis: number) => Effect.Effect<void>
  readonly test: typeof it.effect | typeof it.live
}

let names = 0

/** Each test has a limit of its own. */
export const limitOf = (limit: number, millis: number, burst = limit): RateLimitHook.Rule => {
  const window = millis * 1000
  return { id: `${limit}/${window}/${burst} limit-${process.pid}-${++names}`, limit, window, burst }
}

export const budgetOf = (budget: number, window: number): UsageHook.Rule => ({
  id: `${window} budget-${process.pid}-${++names}`,
  budget,
  window
})

/** Different keys, whatever a store joins them with. */
export const strangeKeys: ReadonlyArray<string> = [
  "",
  "a",
  "a:b",
  "a:b:",
  "a/b",
  "{a}b",
  "a\nb",
  "a\u0000b",
  "__proto__",
  "constructor",
  "größe\u202e",
  // Halves of characters, which UTF-8 does not tell apart.
  "\ud800",
  "\udfff",
  "\ufffd",
  "x".repeat(1_000_000),
  `${"x".repeat(1_000_000)}y`
]

export const rateLimitContract = (kind: string, { pass, store, test }: Place<RateLimitHook.Store>): void => {
  describe(`a store of rate limits in ${kind}`, () => {
    test("lets a full bucket pass, and then one after the other", () =>
      Effect.gen(function*() {
        const { take } = yield* store
        const rule = limitOf(2, 1000, 3)
        const taken: Array<RateLimitHook.Taken> = []
        for (let i = 0; i < 4; i++) taken.push(yield* take(rule, "a"))
        assert.deepStrictEqual(taken.map(({ isPassed }) => isPassed), [true, true, true, false])
        assert.deepStrictEqual(taken.slice(0, 3).map(({ retryAfter }) => retryAfter), [0, 0, 0])
        const { retryAfter } = taken[3] ?? { retryAfter: 0 }
        assert.isAbove(retryAfter, 300)
        assert.isAtMost(retryAfter, 500)
        yield* pass(retryAfter)
        assert.isTrue((yield* take(rule, "a")).isPassed)
        assert.isFalse((yield* take(rule, "a")).isPassed)
      }))

    test("is full again after a pause, and no fuller", () =>
      Effect.gen(function*() {
        const { take } = yield* store
        const rule = limitOf(20, 100, 4)
        for (let i = 0; i < 4; i++) yield* take(rule, "a")
        yield* pass(500)
        const rest = limitOf(4, 3_600_000)
        for (const one of [rule, rest]) {
          const passed = yield* Effect.forEach([1, 2, 3, 4], () => take(one, "a"))
          assert.isTrue(passed.every(({ isPassed }) => isPassed))
        }
        assert.isFalse((yield* take(rest, "a")).isPassed)
      }))

    test("never lets more pass than the limit, at the same time", () =>
      Effect.gen(function*() {
        const { take } = yield* store
        const rule = limitOf(10, 3_600_000)
        const taken = yield* Effect.forEach(Array.from({ length: 100 }), () => take(rule, "a"), {
          concurrency: "unbounded"
        })
        assert.strictEqual(taken.filter(({ isPassed }) => isPassed).length, 10)
      }))

    test("tells keys and limits apart, whatever is in them", () =>
      Effect.gen(function*() {
        const { take } = yield* store
        const rules = [limitOf(1, 3_600_000), limitOf(1, 3_600_000)]
        for (const isPassed of [true, false]) {
          for (const rule of rules) {
            for (const key of strangeKeys) {
              assert.strictEqual((yield* take(rule, key)).isPassed, isPassed, key.slice(0, 20))
            }
          }
        }
      }))
  })
}

export const usageContract = (kind: string, { pass, store, test }: Place<UsageHook.Store>): void => {
  describe(`a store of usage in ${kind}`, () => {
    test("adds costs, and refuses what does not fit", () =>
      Effect.gen(function*() {
        const { spend } = yield* store
        const rule = budgetOf(10, 3_600_000_000)
        const spent: Array<ReadonlyArray<unknown>> = []
        for (
          const [cost, isForced] of [[0, false], [4, false], [4.5, false], [2, false], [1.5, false], [0, false], [
            3,
            true
          ], [0.1, true]] as const
        ) {
          const { isPassed, refused, used, usedBefore } = yield* spend(rule, "a", cost, isForced)
          spent.push([isPassed, usedBefore, used, refused])
        }
        assert.deepStrictEqual(spent, [
          [true, 0, 0, 0],
          [true, 0, 4, 0],
          [true, 4, 8.5, 0],
          [false, 8.5, 8.5, 1],
          [true, 8.5, 10, 1],
          [false, 10, 10, 2],
          [true, 10, 13, 2],
          [true, 13, 13 + 0.1, 2]
        ])
      }))

    test("adds fractions as people do", () =>
      Effect.gen(function*() {
        const { spend } = yield* store
        const rule = budgetOf(0.3, 3_600_000_000)
        const spent: Array<readonly [boolean, number]> = []
        for (let i = 0; i < 4; i++) {
          const { isPassed, used } = yield* spend(rule, "a", 0.1, false)
          spent.push([isPassed, used])
        }
        assert.deepStrictEqual(spent, [[true, 0.1], [true, 0.2], [true, 0.3], [false, 0.3]])
        // In units of a tenth of a millionth, whose sums are exact.
        const units = [1, 25, 3, 1_000_000, 11_500_000, 700_000, 9_999_999, 333, 123_456_789_000]
        const any = budgetOf(1e6, 3_600_000_000)
        let sum = 0
        for (let i = 0; i < 300; i++) {
          const unit = units[(i * i + i) % units.length] ?? 1
          sum += unit
          const { used } = yield* spend(any, "a", Number(`${unit}e-7`), true)
          assert.strictEqual(used, Number(`${sum}e-7`), `step ${i}`)
        }
      }))

    test("keeps costs that are beyond all numbers", () =>
      Effect.gen(function*() {
        const { spend } = yield* store
        const rule = budgetOf(10, 3_600_000_000)
        for (let i = 0; i < 4; i++) yield* spend(rule, "a", 1e308, true)
        const { isPassed, refused, used } = yield* spend(rule, "a", 0, false)
        assert.deepStrictEqual([isPassed, used, refused], [false, Number.MAX_VALUE, 1])
      }))

    test("starts anew in each window, which is aligned to the epoch", () =>
      Effect.gen(function*() {
        const { spend } = yield* store
        const rule = budgetOf(1, 500)
        const first = yield* spend(rule, "a", 1, false)
        assert.strictEqual(first.windowStart % 500, 0)
        assert.isAbove(first.resetsAfter, 0)
        assert.isAtMost(first.resetsAfter, 500)
        yield* pass(first.resetsAfter)
        const next = yield* spend(rule, "a", 1, false)
        assert.isTrue(next.isPassed)
        assert.deepStrictEqual([next.usedBefore, next.used, next.refused], [0, 1, 0])
        assert.isAbove(next.windowStart, first.windowStart)
        assert.strictEqual((next.windowStart - first.windowStart) % 500, 0)
      }))

    test("reaches each amount once, at the same time", () =>
      Effect.gen(function*() {
        const { spend } = yield* store
        const rule = budgetOf(10, 3_600_000_000)
        const spent = yield* Effect.forEach(Array.from({ length: 50 }), () => spend(rule, "a", 1, false), {
          concurrency: "unbounded"
        })
        const passed = spent.filter(({ isPassed }) => isPassed).map(({ used }) => used).sort((a, b) => a - b)
        assert.deepStrictEqual(passed, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
        assert.strictEqual(spent.filter(({ isPassed, refused }) => !isPassed && refused === 1).length, 1)
      }))

    test("tells keys and budgets apart, whatever is in them", () =>
      Effect.gen(function*() {
        const { spend } = yield* store
        const rules = [budgetOf(1, 3_600_000_000), budgetOf(1, 3_600_000_000)]
        for (const isPassed of [true, false]) {
          for (const rule of rules) {
            for (const key of strangeKeys) {
              assert.strictEqual((yield* spend(rule, key, 1, false)).isPassed, isPassed, key.slice(0, 20))
            }
          }
        }
      }))
  })
}
