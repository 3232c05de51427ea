import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Function, Metric, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  FeatureFlags,
  FeatureHook,
  HookFailures,
  HookHints,
  OpenFeatureHook,
  RateLimitHook,
  ResolutionProvider
} from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import * as SDK from "@openfeature/server-sdk"
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
import { limitOf, rateLimitContract, strangeKeys } from "./limitContract.ts"

rateLimitContract("memory", {
  store: RateLimitHook.memoryStore(),
  pass: TestClock.adjust,
  test: it.effect
})

interface Evaluation {
  readonly flagKey?: string
  readonly user?: string | undefined
  readonly context?: Record<string, string | number>
  readonly value?: boolean | string
  readonly type?: SDK.FlagValueType
  readonly reason?: string
  readonly variant?: string | undefined
}

const evaluate = <E>(hook: FeatureHook.FeatureHook<E>, evaluation: Evaluation = {}) => {
  const { context = {}, flagKey = "sale", reason, type = "boolean", user, value = true } = evaluation
  return Effect.map(
    Fixtures.run(hook, {
      context: {
        flagKey,
        flagValueType: type,
        context: { ...context, ...user === undefined ? undefined : { targetingKey: user } }
      },
      details: {
        value,
        ...reason === undefined ? undefined : { reason },
        ...Object.hasOwn(evaluation, "variant") ? { variant: evaluation.variant } : undefined
      }
    }),
    ({ details }) => details
  )
}

/** Throws at whatever is done with it. */
const hostile = (): object => {
  const fail = () => {
    throw new Error("no")
  }
  return new Proxy({}, { get: fail, has: fail, getPrototypeOf: fail, ownKeys: fail })
}

const minute = { limit: 2, window: "1 minute" } as const

const seedOf = (): number => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000)
  console.log(`SEED=${seed}`)
  return seed
}

/** The same rule in another form: the time at which the bucket is full again, in exact numbers. */
class Reference {
  readonly #fullAt = new Map<string, bigint>()
  take(rule: RateLimitHook.Rule, key: string, micros: bigint): boolean {
    const limit = BigInt(rule.limit)
    const now = micros * limit
    const fullAt = this.#fullAt.get(key) ?? 0n
    const next = (fullAt > now ? fullAt : now) + BigInt(rule.window)
    if (next - now > BigInt(rule.burst) * BigInt(rule.window)) return false
    this.#fullAt.set(key, next)
    return true
  }
}

describe("a rate limit", () => {
  for (const [path, change] of paths) {
    it.effect(`rejects what is over the limit, with the time to wait, ${path}`, () =>
      Effect.gen(function*() {
        const { counts, hook } = yield* RateLimitHook.make({ ...minute, name: "checkout", by: "subject" })
        const limited = change(hook)
        for (const user of ["ana", "ana", "ben"]) {
          assert.isUndefined((yield* evaluate(limited, { user })).errorCode)
        }
        const { errorCode, errorMessage, reason, value } = yield* evaluate(limited, { user: "ana" })
        assert.deepStrictEqual(
          [value, reason, errorCode, errorMessage],
          [false, "ERROR", "GENERAL", "the rate limit \"checkout\" is exceeded"]
        )
        yield* TestClock.adjust("30 seconds")
        assert.isUndefined((yield* evaluate(limited, { user: "ana" })).errorCode)
        assert.isDefined((yield* evaluate(limited, { user: "ana" })).errorCode)
        const { evicted, keys, limited: over, passed, rejected } = yield* counts
        assert.deepStrictEqual({ passed, over, rejected, keys, evicted }, {
          passed: 4,
          over: 2,
          rejected: 2,
          keys: 2,
          evicted: 0
        })
      }))

    it.effect(`serves the last answer of the same flag, type and subject, and of no other, ${path}`, () =>
      Effect.gen(function*() {
        const { counts, hook } = yield* RateLimitHook.make({
          limit: 1,
          window: "1 minute",
          by: "flag",
          onLimited: "last"
        })
        const limited = change(hook)
        assert.strictEqual((yield* evaluate(limited, { user: "ana", value: true })).reason, "STATIC")
        const served = yield* evaluate(limited, { user: "ana", value: false })
        assert.deepStrictEqual([served.value, served.variant, served.reason], [true, "on", "STALE"])
        for (const other of [{ user: "ben" }, { user: "ana", type: "string" as const, value: "a" }, {}]) {
          const { errorCode } = yield* evaluate(limited, other)
          assert.strictEqual(errorCode, "GENERAL")
        }
        // An answer that was served gets no younger.
        yield* TestClock.adjust("1 hour")
        yield* evaluate(limited, { user: "ben" })
        assert.strictEqual((yield* evaluate(limited, { user: "ana" })).errorCode, "GENERAL")
        const { rejected, served: times } = yield* counts
        assert.deepStrictEqual([rejected, times], [4, 1])
      }))

    it.effect(`serves nobody the default value of another caller, ${path}`, () =>
      Effect.gen(function*() {
        const cases: ReadonlyArray<readonly [reason: string, variant: string | undefined, last: string]> = [
          ["DISABLED", undefined, "ERROR"],
          ["DISABLED", "off", "ERROR"],
          ["DEFAULT", undefined, "ERROR"],
          ["ERROR", undefined, "ERROR"],
          // The value that the provider has for those that no rule selects.
          ["DEFAULT", "on", "STALE"],
          ["STATIC", undefined, "STALE"]
        ]
        for (const [reason, variant, last] of cases) {
          const { hook } = yield* RateLimitHook.make({ limit: 1, window: "1 hour", onLimited: "last" })
          yield* evaluate(change(hook), { user: "ana", reason, variant })
          assert.strictEqual((yield* evaluate(change(hook), { user: "ana" })).reason, last, `${reason} ${variant}`)
        }
        // Nor an answer that the provider gave before the flag was off.
        const { hook } = yield* RateLimitHook.make({ ...minute, onLimited: "last" })
        yield* evaluate(change(hook), { user: "ana" })
        yield* evaluate(change(hook), { user: "ana", reason: "DISABLED", variant: undefined })
        assert.strictEqual((yield* evaluate(change(hook), { user: "ana" })).reason, "ERROR")
      }))

    it.effect(`serves no answer that a later hook gave in place of the provider, ${path}`, () =>
      Effect.gen(function*() {
        const { counts, hook } = yield* RateLimitHook.make({ limit: 2, window: "1 hour", onLimited: "last" })
        let isForced = false
        const override = FeatureHook.make("override", {
          before: () => isForced ? { resolution: { value: false, variant: "forced", reason: "OVERRIDE" } } : undefined
        })
        const both = FeatureHook.combine(change(hook), override)
        assert.isTrue((yield* evaluate(both, { user: "ana" })).value)
        isForced = true
        assert.strictEqual((yield* evaluate(both, { user: "ana" })).variant, "forced")
        isForced = false
        const { reason, value, variant } = yield* evaluate(both, { user: "ana" })
        assert.deepStrictEqual([value, variant, reason], [true, "on", "STALE"])
        assert.deepInclude(yield* counts, { passed: 2, served: 1 })
      }))

    it.effect(`only tells, ${path}`, () =>
      Effect.gen(function*() {
        const { alerts, counts, hook } = yield* RateLimitHook.make({ ...minute, by: "flag", onLimited: "report" })
        const reader = yield* Effect.forkChild(Stream.runHead(alerts), { startImmediately: true })
        for (let i = 0; i < 5; i++) assert.isTrue((yield* evaluate(change(hook))).value)
        const alert = yield* Effect.fromOption(yield* Fiber.join(reader))
        assert.deepStrictEqual(alert, {
          limit: "rate-limit",
          key: "sale",
          flagKey: "sale",
          outcome: "passed",
          retryAfter: 30_000,
          suppressed: 0,
          isOverflow: false
        })
        const { alerts: told, limited, passed, rejected } = yield* counts
        assert.deepStrictEqual({ told, limited, passed, rejected }, { told: 1, limited: 3, passed: 2, rejected: 0 })
      }))

    it.effect(`lets pass, or not, when the store fails, hangs, dies or gives garbage, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const stores: ReadonlyArray<readonly [string, RateLimitHook.Store["take"]]> = [
            ["fails", () => Effect.fail("no connection")],
            ["fails later", () => Effect.andThen(Effect.yieldNow, Effect.fail("no connection"))],
            ["hangs", () => Effect.never],
            ["hangs in a region of its own", () => Effect.uninterruptible(Effect.never)],
            ["dies", () => Effect.die("a bug")],
            ["throws", () => {
              throw new Error("a bug")
            }],
            ["gives no effect", () => Function.cast({})],
            ["gives nothing", () => Function.cast(Effect.void)],
            ["gives garbage", () => Function.cast(Effect.succeed({ isPassed: "yes", retryAfter: Number.NaN }))],
            ["gives what nobody can look at", () => Function.cast(hostile())],
            ["gives an answer that nobody can look at", () => Function.cast(Effect.succeed(hostile()))],
            ["gives an answer that can be read once", () => {
              let reads = 0
              return Effect.succeed({
                retryAfter: 0,
                get isPassed(): boolean {
                  if (reads++ > 0) throw new Error("no")
                  return true
                }
              })
            }]
          ]
          for (const [name, take] of stores) {
            for (const whenDown of ["open", "closed"] as const) {
              failures.length = 0
              const { counts, hook } = yield* RateLimitHook.make({ ...minute, store: { take }, whenDown })
              const fiber = yield* Effect.forkChild(evaluate(change(hook)))
              for (let i = 0; i < 20; i++) yield* Effect.yieldNow
              yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
              yield* TestClock.adjust("50 millis")
              const { errorCode, errorMessage } = yield* Fiber.join(fiber)
              assert.strictEqual(errorCode, whenDown === "open" ? undefined : "GENERAL", name)
              if (errorMessage !== undefined) {
                assert.strictEqual(errorMessage, "the rate limit \"rate-limit\" cannot be checked")
              }
              assert.deepStrictEqual(failures.map(({ hook, stage }) => [hook, stage]), [["rate-limit", "before"]], name)
              assert.strictEqual((yield* counts).unchecked, 1)
            }
          }
        })
      ))
  }

  for (const [path, change] of paths) {
    it.effect(`leaves a store alone that hangs, and asks it again, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          for (const whenDown of ["open", "closed"] as const) {
            failures.length = 0
            let asked = 0
            let hangs = true
            const take = () => {
              asked++
              return hangs ? Effect.never : Effect.succeed({ isPassed: true, retryAfter: 0 })
            }
            const { counts, hook } = yield* RateLimitHook.make({ ...minute, store: { take }, whenDown })
            const begin = Effect.forkChild(evaluate(change(hook)), { startImmediately: true })
            const code = whenDown === "open" ? undefined : "GENERAL"
            for (let i = 1; i <= 3; i++) {
              const together = [yield* begin, yield* begin]
              yield* turns()
              assert.isTrue(together.every((fiber) => fiber.pollUnsafe() === undefined))
              yield* TestClock.adjust("50 millis")
              for (const fiber of together) assert.strictEqual((yield* Fiber.join(fiber)).errorCode, code)
              assert.strictEqual(asked, 2 * i)
            }
            // Now no evaluation waits.
            for (let i = 0; i < 10; i++) assert.strictEqual((yield* evaluate(change(hook))).errorCode, code)
            assert.strictEqual(asked, 6)
            assert.strictEqual((yield* counts).unchecked, 16)
            const told = failures.length
            assert.isAtMost(told, 6)
            // One finds out that the store is still down.
            yield* TestClock.adjust("1 second")
            const one = yield* begin
            yield* turns()
            assert.strictEqual((yield* evaluate(change(hook))).errorCode, code)
            assert.strictEqual(asked, 7)
            yield* TestClock.adjust("50 millis")
            assert.strictEqual((yield* Fiber.join(one)).errorCode, code)
            yield* TestClock.adjust("999 millis")
            yield* evaluate(change(hook))
            assert.strictEqual(asked, 7)
            assert.strictEqual(failures.length, told)
            // And one that it is back.
            hangs = false
            yield* TestClock.adjust("1 millis")
            for (let i = 0; i < 5; i++) assert.isUndefined((yield* evaluate(change(hook))).errorCode)
            assert.strictEqual(asked, 12)
            const { passed, unchecked } = yield* counts
            assert.deepStrictEqual([passed, unchecked], [5, 19])
          }
        })
      ))
  }

  for (const [path, change] of paths) {
    it.effect(`asks a store again whose last question was interrupted, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          let asked = 0
          let hangs = true
          const take = () => {
            asked++
            return hangs ? Effect.never : Effect.succeed({ isPassed: true, retryAfter: 0 })
          }
          const { counts, hook } = yield* RateLimitHook.make({ ...minute, store: { take } })
          const { flags } = yield* client({ sale: TestProvider.value(true) }, { hooks: [change(hook)] })
          const evaluation = flags.boolean("sale", false)
          const begin = Effect.tap(Effect.forkChild(evaluation, { startImmediately: true }), turns())
          for (let i = 0; i < 3; i++) {
            const fiber = yield* begin
            yield* TestClock.adjust("50 millis")
            yield* Fiber.join(fiber)
          }
          for (let i = 4; i < 7; i++) {
            yield* TestClock.adjust("1 second")
            const one = yield* begin
            assert.isUndefined(one.pollUnsafe())
            yield* Fiber.interrupt(one)
            // The others go on without it.
            yield* evaluation
            assert.strictEqual(asked, i)
          }
          hangs = false
          yield* TestClock.adjust("1 second")
          for (let i = 0; i < 3; i++) yield* evaluation
          assert.deepInclude(yield* counts, { passed: 3, unchecked: 6 })
        })
      ))
  }

  it.effect("tells of wrong keys as often as they come, and asks the store about others", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const by = ({ flagKey }: { readonly flagKey: string }) =>
          flagKey === "sale" ? Function.cast<number, string>(1) : flagKey
        const { counts, hook } = yield* RateLimitHook.make({ ...minute, by })
        for (let i = 0; i < 10; i++) yield* evaluate(hook)
        yield* evaluate(hook, { flagKey: "other" })
        assert.strictEqual(failures.length, 10)
        const { passed, unchecked } = yield* counts
        assert.deepStrictEqual([passed, unchecked], [1, 10])
      })
    ))

  for (const [path, change] of paths) {
    it.effect(`says once that no evaluation has a key, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const Team = HookHints.key<string>("team")
          const team = { context: { team: "secret" } }
          const misspelt: ReadonlyArray<RateLimitHook.By> = [
            { attribute: "taem" },
            { hint: Team },
            "subject",
            "subjectAndFlag"
          ]
          for (const by of misspelt) {
            failures.length = 0
            const { counts, hook } = yield* RateLimitHook.make({ ...minute, by })
            for (let i = 0; i < 99; i++) yield* evaluate(change(hook), team)
            assert.strictEqual(failures.length, 0)
            for (let i = 0; i < 200; i++) yield* evaluate(change(hook), team)
            assert.deepStrictEqual(failures.map(({ hook, stage }) => [hook, stage]), [["rate-limit", "before"]])
            assert.notInclude(String(failures[0]?.cause), "secret")
            assert.strictEqual((yield* counts).unkeyed, 299)
          }
          // Some evaluations may have no key, and a function says so on purpose.
          failures.length = 0
          const some = yield* RateLimitHook.make({ ...minute, by: { attribute: "team" } })
          yield* evaluate(change(some.hook), team)
          const none = yield* RateLimitHook.make({ ...minute, by: () => undefined })
          for (let i = 0; i < 200; i++) {
            yield* evaluate(change(some.hook))
            yield* evaluate(change(none.hook))
          }
          assert.strictEqual(failures.length, 0)
        })
      ))
  }

  it.effect("holds in a burst of any size, with a store that answers later", () =>
    Effect.gen(function*() {
      const memory = yield* RateLimitHook.memoryStore()
      const take: RateLimitHook.Store["take"] = (rule, key) => Effect.delay(memory.take(rule, key), "10 millis")
      const { counts, hook } = yield* RateLimitHook.make({ ...minute, store: { take } })
      const burst = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 3000 }), () => evaluate(hook), { concurrency: "unbounded", discard: true })
      )
      yield* turns()
      yield* TestClock.adjust("10 millis")
      yield* Fiber.join(burst)
      const { passed, rejected, unchecked } = yield* counts
      assert.deepStrictEqual({ passed, rejected, unchecked }, { passed: 2, rejected: 2998, unchecked: 0 })
    }))

  it.effect("takes a promise that rejects for no answer, and leaves it to nobody else", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const rejected = () => Function.cast<Promise<never>, never>(Promise.reject(new Error("no connection")))
        const found = yield* unhandledRejections(Effect.gen(function*() {
          const wrong: ReadonlyArray<Partial<RateLimitHook.Options>> = [{ store: { take: rejected } }, { by: rejected }]
          for (const options of wrong) {
            const { hook } = yield* RateLimitHook.make({ ...options, ...minute })
            assert.isUndefined((yield* evaluate(hook)).errorCode)
          }
        }))
        assert.deepStrictEqual(found, [])
        assert.strictEqual(failures.length, 2)
      })
    ))

  it.effect("leaves no promise that rejects to anybody, whatever function of the application gives it", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const reject = () => Promise.reject(new Error("no"))
        const rejected = () => Function.cast<Promise<never>, string>(reject())
        const found = yield* unhandledRejections(Effect.gen(function*() {
          const { counts, flush, hook } = yield* RateLimitHook.make({
            limit: 1,
            window: "1 minute",
            by: "subject",
            onLimited: "last",
            lastKey: rejected,
            printKey: rejected,
            onAlert: reject
          })
          for (let i = 0; i < 2; i++) yield* evaluate(hook, { user: "ana" })
          yield* flush
          assert.deepInclude(yield* counts, { passed: 1, rejected: 1, served: 0 })
        }))
        assert.deepStrictEqual(found, [])
        // That of `onAlert`.
        assert.deepStrictEqual(failures.map(({ hook }) => hook), ["rate-limit"])
      })
    ))

  it.effect("agrees with a simple reference in any history", () =>
    Effect.gen(function*() {
      const { below, chance, oneOf } = random(seedOf())
      for (let history = 0; history < 10_000 * scale; history++) {
        const store = yield* RateLimitHook.memoryStore()
        const reference = new Reference()
        const rule = limitOf(1 + below(7), oneOf([1, 7, 100, 1000, 86_400_000]), 1 + below(9))
        let micros = 0n
        const started = BigInt(
          Math.floor((yield* Effect.clockWith(({ currentTimeMillis }) => currentTimeMillis)) * 1000)
        )
        for (let step = 0; step < 20; step++) {
          if (chance(0.4)) {
            const millis = oneOf([0, 1, 2, 13, Math.floor(rule.window / 1000 / rule.limit), rule.window / 1000])
            micros += BigInt(millis) * 1000n
            yield* TestClock.adjust(millis)
            continue
          }
          const key = oneOf(["a", "b"])
          const { isPassed, retryAfter } = yield* store.take(rule, key)
          const expected = reference.take(rule, key, started + micros)
          assert.strictEqual(isPassed, expected, `history ${history}, step ${step}`)
          if (isPassed) continue
          // After that time there is a token, and a millisecond before there is none.
          micros += BigInt(retryAfter - 1) * 1000n
          yield* TestClock.adjust(retryAfter - 1)
          const early = yield* store.take(rule, key)
          assert.strictEqual(early.isPassed, reference.take(rule, key, started + micros))
          assert.isFalse(early.isPassed)
          micros += 1000n
          yield* TestClock.adjust(1)
          assert.isTrue((yield* store.take(rule, key)).isPassed)
          assert.isTrue(reference.take(rule, key, started + micros))
        }
      }
    }))

  it.effect("counts by what it is told to", () =>
    Effect.gen(function*() {
      const Team = HookHints.key<string>("team")
      const cases: ReadonlyArray<readonly [RateLimitHook.By, ReadonlyArray<Evaluation>, number]> = [
        ["all", [{ user: "ana" }, { user: "ben", flagKey: "b" }], 1],
        ["flag", [{ user: "ana" }, { user: "ben" }, { flagKey: "b" }], 2],
        ["subject", [{ user: "ana" }, { user: "ana", flagKey: "b" }, { user: "ben" }], 2],
        ["subjectAndFlag", [{ user: "ana" }, { user: "ana", flagKey: "b" }, { user: "ana" }], 2],
        ["domain", [{}, {}], 1],
        [{ attribute: "team" }, [{ context: { team: "a" } }, { context: { team: 1 } }, { context: { team: "1" } }], 2],
        [({ context }) => JSON.stringify(context["team"]), [{ context: { team: "a" } }, { context: { team: "b" } }], 2]
      ]
      for (const [by, evaluations, passed] of cases) {
        const { counts, hook } = yield* RateLimitHook.make({ limit: 1, window: "1 hour", by })
        for (const evaluation of evaluations) yield* evaluate(hook, evaluation)
        assert.strictEqual((yield* counts).passed, passed, JSON.stringify(by))
      }
      const { counts, hook } = yield* RateLimitHook.make({ limit: 1, window: "1 hour", by: { hint: Team } })
      for (const team of ["a", "a", "b"]) yield* Fixtures.run(hook, { hints: HookHints.make(Team, team) })
      yield* Fixtures.run(hook)
      const { passed, unkeyed } = yield* counts
      assert.deepStrictEqual([passed, unkeyed], [2, 1])
    }))

  it.effect("waits for a store that answers later", () =>
    Effect.gen(function*() {
      const memory = yield* RateLimitHook.memoryStore()
      const store: RateLimitHook.Store = {
        take: (rule, key) => Effect.andThen(Effect.yieldNow, memory.take(rule, key))
      }
      for (const onLimited of ["reject", "last", "report"] as const) {
        const { counts, hook } = yield* RateLimitHook.make({ ...minute, name: onLimited, store, onLimited })
        const reasons: Array<string | undefined> = []
        for (let i = 0; i < 3; i++) reasons.push((yield* evaluate(hook, { user: "ana" })).reason)
        const last = { reject: "ERROR", last: "STALE", report: "STATIC" }[onLimited]
        assert.deepStrictEqual(reasons, ["STATIC", "STATIC", last])
        const { limited, passed, unchecked } = yield* counts
        assert.deepStrictEqual([passed, limited, unchecked], [2, 1, 0])
      }
    }))

  it.effect("asks a store that is full of calls past their time no more, and again when they have ended", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const open = yield* Deferred.make<void>()
        let asked = 0
        const store: RateLimitHook.Store = {
          take: () => {
            asked++
            return Effect.uninterruptible(Effect.as(Deferred.await(open), { isPassed: true, retryAfter: 0 }))
          }
        }
        const { counts, hook } = yield* RateLimitHook.make({ ...minute, store })
        const fibers = yield* Effect.forEach(
          Array.from({ length: 1500 }),
          () => Effect.forkChild(Fixtures.run(hook), { startImmediately: true })
        )
        yield* turns()
        yield* TestClock.adjust("50 millis")
        yield* Fiber.awaitAll(fibers)
        assert.strictEqual((yield* counts).unchecked, 1500)
        yield* Fixtures.run(hook)
        assert.strictEqual((yield* counts).unchecked, 1501)
        assert.strictEqual(asked, 1500)
        yield* Deferred.succeed(open, undefined)
        yield* turns()
        yield* Fixtures.run(hook)
        assert.strictEqual((yield* counts).passed, 1)
      })
    ))

  it.effect("does not limit an evaluation that belongs to nobody, or that another hook has answered", () =>
    Effect.gen(function*() {
      const { counts, hook } = yield* RateLimitHook.make({
        limit: 1,
        window: "1 hour",
        by: "subject",
        onLimited: "last"
      })
      for (let i = 0; i < 3; i++) assert.isUndefined((yield* evaluate(hook)).errorCode)
      assert.strictEqual((yield* counts).unkeyed, 3)
      const cache = FeatureHook.make("cache", { before: () => ({ resolution: { value: false, reason: "CACHED" } }) })
      for (let i = 0; i < 3; i++) {
        assert.strictEqual((yield* evaluate(FeatureHook.combine(cache, hook), { user: "ana" })).reason, "CACHED")
      }
      assert.strictEqual((yield* counts).passed, 0)
    }))

  it.effect("treats a key that throws, or is no text, like a store that is down", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const bys: ReadonlyArray<RateLimitHook.By> = [() => {
          throw new Error("no")
        }, () =>
          Function.cast(1), () =>
          Function.cast(Promise.reject(new Error("no")))]
        for (const by of bys) {
          for (const [whenDown, errorCode] of [["open", undefined], ["closed", "GENERAL"]] as const) {
            const { hook } = yield* RateLimitHook.make({ ...minute, by, whenDown })
            assert.strictEqual((yield* evaluate(hook)).errorCode, errorCode)
          }
        }
        assert.strictEqual(failures.length, 6)
        assert.include(String(failures[3]?.cause), "gave a key that is no text")
        assert.include(String(failures[5]?.cause), "gave a promise instead of a key")
      })
    ))

  it.effect("gives a last answer to nobody without a targeting key, unless the context is empty or lastKey says so", () =>
    Effect.gen(function*() {
      const options = { limit: 1, window: "1 hour", onLimited: "last" } as const
      const answer = (options: RateLimitHook.Options<void>, context: Record<string, string>) =>
        Effect.gen(function*() {
          const { hook } = yield* RateLimitHook.make(options)
          yield* evaluate(hook, { context })
          return (yield* evaluate(hook, { context })).reason
        })
      assert.strictEqual(yield* answer(options, { email: "a@b.c" }), "ERROR")
      assert.strictEqual(yield* answer(options, {}), "STALE")
      const email = { email: "a@b.c" }
      assert.strictEqual(
        yield* answer({ ...options, lastKey: ({ context }) => JSON.stringify(context) }, email),
        "STALE"
      )
      assert.strictEqual(yield* answer({ ...options, lastKey: () => String(JSON.parse("{")) }, {}), "ERROR")
      assert.strictEqual(yield* answer({ ...options, whenNoLast: "pass" }, { email: "a@b.c" }), "STATIC")
    }))

  it.effect("remembers what is null, which is a value of an object flag", () =>
    Effect.gen(function*() {
      const { counts, hook } = yield* RateLimitHook.make({ limit: 1, window: "1 hour", onLimited: "last" })
      const run = Fixtures.run(hook, {
        context: { flagValueType: "object", context: { targetingKey: "ana" } },
        details: { value: null, reason: "STATIC" }
      })
      yield* run
      const { reason, value } = (yield* run).details
      assert.deepStrictEqual([reason, value], ["STALE", null])
      assert.strictEqual((yield* counts).served, 1)
    }))

  it.effect("remembers no value that cannot be served: of another type, or an instance of a class", () =>
    Effect.gen(function*() {
      class Price {}
      const cases = [["boolean", "on"], ["object", new Price()]] as const
      for (const [type, value] of cases) {
        for (const whenNoLast of ["pass", "reject"] as const) {
          const options = { limit: 1, window: "1 hour", onLimited: "last", whenNoLast } as const
          const { counts, hook } = yield* RateLimitHook.make(options)
          const run = Fixtures.run(hook, {
            context: { flagValueType: type, context: { targetingKey: "ana" } },
            details: { value: Function.cast(value), reason: "STATIC" }
          })
          yield* run
          const { errorMessage, reason } = (yield* run).details
          const expected = whenNoLast === "pass"
            ? ["STATIC", undefined]
            : ["ERROR", "the rate limit \"rate-limit\" is exceeded"]
          assert.deepStrictEqual([reason, errorMessage], expected, `${type} ${whenNoLast}`)
          assert.strictEqual((yield* counts).served, 0)
        }
      }
    }))

  it.effect("remembers nothing when a later hook changes whose answer it is", () =>
    Effect.gen(function*() {
      const { hook } = yield* RateLimitHook.make({ limit: 1, window: "1 hour", onLimited: "last" })
      let user = 0
      const subject = FeatureHook.make("subject", { before: () => ({ context: { targetingKey: `user-${++user}` } }) })
      const both = FeatureHook.combine(hook, subject)
      yield* evaluate(both)
      assert.strictEqual((yield* evaluate(both)).errorCode, "GENERAL")
    }))

  it.effect("serves no last answer when a later hook changes whose it is", () =>
    Effect.gen(function*() {
      for (const whenNoLast of ["reject", "pass"] as const) {
        const { hook } = yield* RateLimitHook.make({ limit: 2, window: "1 hour", onLimited: "last", whenNoLast })
        let user: string | undefined = undefined
        const subject = FeatureHook.make("subject", {
          before: () => user === undefined ? undefined : { context: { targetingKey: user } }
        })
        const provider = yield* TestProvider.make({
          flags: (_, { targetingKey }) => TestProvider.value(`for ${targetingKey}`)
        })
        const flags = yield* FeatureFlags.make({
          domain: newDomain(),
          provider: Effect.succeed(provider),
          hooks: [hook, subject]
        })
        const evaluate = flags.stringDetails("sale", "none", { context: { targetingKey: "ana" } })
        const answers = []
        for (user of [undefined, undefined, undefined, "ben", undefined]) {
          const { reason, value } = yield* evaluate
          answers.push(`${reason} ${value}`)
        }
        assert.deepStrictEqual(answers, [
          "STATIC for ana",
          "STATIC for ana",
          "STALE for ana",
          whenNoLast === "pass" ? "STATIC for ben" : "ERROR none",
          "STALE for ana"
        ])
      }
    }))

  it.effect("rejects with an error where the provider serves no resolutions, and says once that it has no last answers", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const script = { flags: { sale: TestProvider.value(true) } }
        for (const onLimited of ["reject", "last"] as const) {
          const { client } = yield* plainClient(script)
          const { hook } = yield* RateLimitHook.make({ limit: 1, window: "1 hour", onLimited, name: onLimited })
          client.addHooks(OpenFeatureHook.make(hook))
          const evaluate = Effect.promise(() => client.getBooleanDetails("sale", false))
          assert.isTrue((yield* evaluate).value)
          for (let i = 0; i < 2; i++) {
            const { errorCode, errorMessage, value } = yield* evaluate
            assert.deepStrictEqual([errorCode, errorMessage, value], [
              "GENERAL",
              `the rate limit "${onLimited}" is exceeded`,
              false
            ])
          }
        }
        assert.deepStrictEqual(failures.map((failure) => [failure.hook, HookFailures.kind(failure.cause)]), [
          ["last", "defect"]
        ])
      })
    ))

  it.effect("tells a client of Effect the time to wait in the metadata of the flag", () =>
    Effect.scoped(Effect.gen(function*() {
      const { hook } = yield* RateLimitHook.make({ ...minute, limit: 1 })
      const { flags } = yield* client({ sale: TestProvider.value(true) }, { hooks: [hook] })
      yield* flags.boolean("sale", false)
      const { errorCode, flagMetadata, value } = yield* flags.booleanDetails("sale", false)
      assert.deepStrictEqual([value, errorCode, flagMetadata], [false, "GENERAL", { retryAfter: 60_000 }])
    })))

  it.effect("alerts once per key and interval, without the key of a subject", () =>
    Effect.gen(function*() {
      const seen: Array<RateLimitHook.Alert> = []
      const limit = yield* RateLimitHook.make({
        limit: 1,
        window: "1 day",
        by: "subject",
        onAlert: (alert) => Effect.sync(() => seen.push(alert))
      })
      for (const user of ["ana", "ana", "ana", "ben", "ben"]) yield* evaluate(limit.hook, { user })
      yield* limit.flush
      assert.deepStrictEqual(seen.map(({ key, suppressed }) => [key, suppressed]), [[undefined, 0], [undefined, 0]])
      yield* TestClock.adjust("1 minute")
      yield* evaluate(limit.hook, { user: "ana" })
      yield* limit.flush
      assert.strictEqual(seen[2]?.suppressed, 1)
      assert.notInclude(JSON.stringify(seen), "ana")
    }))

  it.effect("counts with Effect's Metric, with a bounded number of series", () =>
    Effect.gen(function*() {
      const { hook } = yield* RateLimitHook.make({ limit: 1, window: "1 day", name: "series", maxSeries: 2 })
      for (const flagKey of ["a", "a", "b", "c", "d"]) yield* evaluate(hook, { flagKey })
      const count = (attributes: Record<string, string>) =>
        Effect.map(
          Metric.value(Metric.withAttributes(RateLimitHook.counter, { limit: "series", ...attributes })),
          ({ count }) => count
        )
      assert.strictEqual(yield* count({ flag_key: "a", outcome: "rejected" }), 1)
      assert.strictEqual(yield* count({ flag_key: "b", outcome: "rejected" }), 1)
      assert.strictEqual(yield* count({ flag_key: "overflow", outcome: "overflow" }), 2)
    }))

  it.effect("keeps a million subjects within its capacity, and the drained ones longest", () =>
    Effect.gen(function*() {
      const store = yield* RateLimitHook.memoryStore(1000)
      const rule = limitOf(10, 3_600_000)
      for (let i = 0; i < 10; i++) yield* store.take(rule, "drained")
      globalThis.gc?.()
      const before = process.memoryUsage().heapUsed
      for (let i = 0; i < 1_000_000 * scale; i++) yield* store.take(rule, `user-${i}`)
      globalThis.gc?.()
      const grown = process.memoryUsage().heapUsed - before
      assert.isBelow(grown, 4_000_000)
      assert.isFalse((yield* store.take(rule, "drained")).isPassed)
    }))

  it.effect("forgets keys whose bucket is full again", () =>
    Effect.gen(function*() {
      const { counts, hook } = yield* RateLimitHook.make({ ...minute, by: "subject" })
      for (let i = 0; i < 1000; i++) yield* evaluate(hook, { user: `user-${i}` })
      assert.strictEqual((yield* counts).keys, 1000)
      yield* TestClock.adjust("1 minute")
      // Each use looks at a few others.
      for (let i = 0; i < 6000; i++) yield* evaluate(hook, { user: `late-${i % 3}` })
      const { evicted, keys } = yield* counts
      assert.isBelow(keys, 10)
      assert.strictEqual(evicted, 0)
    }))

  it.effect("takes subjects with any text", () =>
    Effect.gen(function*() {
      const { counts, hook } = yield* RateLimitHook.make({
        limit: 1,
        window: "1 day",
        by: "subject",
        onLimited: "last"
      })
      const users = strangeKeys.filter((key) => key !== "")
      for (const user of users) yield* evaluate(hook, { user })
      for (const user of users) yield* evaluate(hook, { user })
      const { passed, rejected, served } = yield* counts
      assert.strictEqual(passed, users.length)
      // The two of a megabyte are too long to be remembered.
      assert.deepStrictEqual([served, rejected], [users.length - 2, 2])
    }))

  it("works for a plain client, and tells its mistakes by name", async () => {
    const domain = newDomain()
    const provider = new SDK.InMemoryProvider({
      sale: { variants: { on: true }, defaultVariant: "on", disabled: false }
    })
    await SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider))
    const seen: Array<string> = []
    await using limit = RateLimitHook.start({
      limit: 1,
      window: "1 hour",
      onAlert: async ({ outcome }) => {
        seen.push(outcome)
      }
    })
    const client = SDK.OpenFeature.getClient(domain).addHooks(OpenFeatureHook.make(limit.hook))
    assert.isTrue(await client.getBooleanValue("sale", false))
    const details = await client.getBooleanDetails("sale", false)
    assert.strictEqual(details.errorCode, "GENERAL")
    assert.isAbove(Number(details.flagMetadata["retryAfter"]), 3_000_000)
    await limit.flush()
    assert.deepStrictEqual(seen, ["rejected"])
    assert.strictEqual(limit.counts().rejected, 1)

    assert.include(
      rangeError(() => RateLimitHook.make(Function.cast<object, RateLimitHook.Options>({ window: "1 second" }))),
      "limit must be"
    )
    assert.include(
      rangeError(() => RateLimitHook.make(Function.cast<object, RateLimitHook.Options>({ limit: 1 }))),
      "window must be"
    )
    assert.include(
      rangeError(() => RateLimitHook.start({ ...minute, onLimited: "report", whenDown: "closed" })),
      "whenDown \"closed\" has no effect"
    )
    for (const by of ["user", { attribute: "" }, { hint: "a" }, { attribute: "a", hint: "b" }, 1]) {
      assert.include(rangeError(() => RateLimitHook.make({ ...minute, by: Function.cast(by) })), "by must be")
    }
    assert.strictEqual(
      rangeError(() => RateLimitHook.make({ ...minute, by: Function.cast({ hint: "team" }) })),
      "RateLimitHook.make: by must be { hint } with a key of HookHints.key, and not its name, got {…}"
    )
  })

  it.effect("interrupts the store with the evaluation", () =>
    Effect.gen(function*() {
      const isEnded = yield* Deferred.make<void>()
      const take = () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(isEnded, undefined))
      const { hook } = yield* RateLimitHook.make({ ...minute, store: { take }, timeout: "1 hour" })
      const { flags } = yield* client({ sale: TestProvider.value(true) }, { hooks: [hook] })
      const fiber = yield* Effect.forkChild(flags.boolean("sale", false), { startImmediately: true })
      for (let i = 0; i < 5; i++) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(isEnded)
    }))
})
