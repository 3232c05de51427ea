/**
 * What the stores in Redis make of its answers. What their scripts do is tested on a
 * real Redis (`npm run redis`).
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Function, Layer } from "effect"
import { CacheHook, type EvaluationDetails, ExposureHook, RateLimitHook, UsageHook } from "effect-openfeature"
import { RedisCacheStore, RedisExposureStore, RedisRateLimitStore, RedisUsageStore } from "effect-openfeature/redis"
import { Redis } from "effect/persistence"
import { type LogRecord, logsTo, rangeError, turns } from "../support.ts"

/** Answers as it is told to, and keeps what it was asked. */
class Scripted {
  readonly asked: Array<ReadonlyArray<unknown>> = []
  readonly #answers: Array<unknown>

  constructor(...answers: ReadonlyArray<unknown>) {
    this.#answers = Array.from(answers)
  }
  #ask(asked: ReadonlyArray<unknown>): Effect.Effect<unknown> {
    return Effect.sync(() => {
      this.asked.push(asked)
      return this.#answers.shift()
    })
  }
  get layer(): Layer.Layer<Redis.Redis> {
    const service: Redis.Redis["Service"] = {
      send: (...command) => Function.cast(this.#ask(command)),
      eval: () => (...params) => Function.cast(this.#ask(params)),
      subscribe: () => Effect.die("not scripted"),
      reserve: Effect.die("not scripted")
    }
    return Layer.succeed(Redis.Redis, service)
  }
}

const key: CacheHook.Key = { domain: "shop", flagKey: "sale", flagValueType: "boolean", text: "ana" }

const found = { answer: undefined, isStale: false, isClaimed: false }

describe("a cache in Redis", () => {
  const json = JSON.stringify({ value: true, variant: "on", flagMetadata: {} })

  it.effect("takes an answer for fresh, stale, or claimed, and all else for none", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const cases: ReadonlyArray<readonly [unknown, Partial<CacheHook.Lookup>]> = [
        [["v", "fresh", json], { isStale: false, isClaimed: false, version: "v" }],
        [["v", "stale", json], { isStale: true, isClaimed: false, version: "v" }],
        [["v", "claimed", json], { isStale: true, isClaimed: true, version: "v" }],
        [["v", "none", ""], { ...found, version: "v" }],
        [["", "none", ""], { ...found, version: undefined }],
        [["v", "garbage", ""], { ...found, version: "v" }],
        [["v", "fresh", "{"], { ...found, version: "v" }],
        [["v", "fresh", "{}"], { ...found, version: "v" }],
        [["v", "fresh", "null"], { ...found, version: "v" }],
        [["v", "fresh", 7], { ...found, version: "v" }],
        ["OK", { ...found, version: undefined }],
        [undefined, { ...found, version: undefined }]
      ]
      const redis = new Scripted(...cases.map(([answer]) => answer))
      const store = yield* Effect.provide(RedisCacheStore.make(), redis.layer)
      for (const [answer, expected] of cases) {
        const lookup = yield* store.get(key, 1000).pipe(Effect.provide(logsTo(records)))
        assert.deepInclude(lookup, expected, JSON.stringify(answer))
        assert.strictEqual(lookup.answer?.variant, "answer" in expected ? undefined : "on")
      }
      assert.strictEqual(records.length, 1)
    }))

  it.effect("stores only what JSON keeps as it is, in the length that it may have, and for a time that Redis takes", () =>
    Effect.gen(function*() {
      const redis = new Scripted()
      const store = yield* Effect.provide(RedisCacheStore.make({ maxLength: 100 }), redis.layer)
      const times = { version: "v", timeToLive: Infinity, staleFor: 0.2 }
      const holes: Array<EvaluationDetails.FlagValue> = [1, 2]
      Reflect.deleteProperty(holes, 0)
      const changed = [
        Number.NaN,
        -0,
        holes,
        Object.assign([...holes], { name: 1 }),
        [undefined],
        { a: undefined },
        { a: new Date(0) },
        { a: 1n },
        { [Symbol("a")]: 1 },
        { toJSON: () => 1 }
      ]
      for (const value of changed) yield* store.set(key, { value: Function.cast(value) }, times)
      yield* store.set(key, { value: "x".repeat(200) }, times)
      // What was stored before is removed, and nothing else is done.
      yield* store.remove(key)
      const removal = redis.asked.pop()
      assert.deepStrictEqual(redis.asked.splice(0), Array.from({ length: changed.length + 1 }, () => removal))
      yield* store.set(key, { value: true }, times)
      const month = Duration.toMillis("30 days")
      assert.deepStrictEqual(redis.asked[0]?.slice(1), ["v", "{\"value\":true}", 1, month + 1])
      yield* store.set({ ...key, domain: undefined }, { value: true }, { ...times, timeToLive: 0 })
      assert.strictEqual(redis.asked[1]?.[4], 2)
    }))

  it.effect("stores what is as long as it may be, whatever its structure", () =>
    Effect.gen(function*() {
      const values = [
        "x".repeat(200_000),
        Array.from({ length: 5000 }, (_, id) => ({ id })),
        Array.from({ length: 30 }).reduce<EvaluationDetails.FlagValue>((value) => [value], true)
      ]
      for (const value of values) {
        const redis = new Scripted()
        const store = yield* Effect.provide(RedisCacheStore.make({ maxLength: 300_000 }), redis.layer)
        yield* store.set(key, { value, variant: "on" }, { version: "v", timeToLive: 1000, staleFor: 0 })
        assert.deepStrictEqual(JSON.parse(String(redis.asked[0]?.[2])), { value, variant: "on" })
      }
    }))

  it.effect("removes and invalidates by keys that say nothing of the subject, in a layer and without Effect", () =>
    Effect.gen(function*() {
      const redis = new Scripted()
      const { close, store } = yield* Effect.promise(() => RedisCacheStore.start(redis.layer, { prefix: "p:" }))
      const services = yield* Layer.build(Layer.provide(RedisCacheStore.layer(), redis.layer))
      yield* Context.get(services, CacheHook.CacheStore).remove(key)
      yield* store.remove(key)
      for (const flags of [{}, { flagKey: "sale" }, { domain: "shop" }, { domain: "shop", flagKey: "sale" }]) {
        yield* store.invalidate(flags)
      }
      assert.strictEqual(new Set(redis.asked.map(String)).size, 6)
      assert.notMatch(redis.asked.join(), /ana|sale|shop/)
      yield* Effect.promise(close)
    }).pipe(Effect.scoped))
})

describe("exposures in Redis", () => {
  const digest = "0".repeat(64)

  it.effect("are reserved, pending or exposed, and confirmed for a time or for ever", () =>
    Effect.gen(function*() {
      const redis = new Scripted(["exposed", 5], ["exposed", -1], ["pending", 7], ["reserved", 0], "garbage")
      const store = yield* Effect.provide(RedisExposureStore.make({ prefix: "p:" }), redis.layer)
      const keys = ["a", "b", "c", "d", digest]
      assert.deepStrictEqual(yield* store.reserve(keys, "me", Duration.seconds(1)), [
        { state: "exposed", remaining: 5 },
        { state: "exposed" },
        { state: "pending" },
        { state: "reserved" },
        { state: "reserved" }
      ])
      assert.deepStrictEqual(redis.asked[4], [`p:${digest}`, "me", 1000])
      assert.match(String(redis.asked[0]?.[0]), /^p:[0-9a-f]{64}$/)
      yield* store.confirm([digest], "me", Duration.infinity)
      yield* store.confirm([digest], "me", Duration.seconds(2))
      yield* store.release([digest], "me")
      assert.deepStrictEqual(redis.asked.slice(5), [
        ["SET", `p:${digest}`, "+"],
        ["SET", `p:${digest}`, "+", "PX", "2000"],
        [`p:${digest}`, "me"]
      ])
    }))

  it.live("wait for the first attempt to connect without Effect, and are those of a layer", () =>
    Effect.gen(function*() {
      const redis = new Scripted(["reserved", 0], ["pending", 1])
      let attempts = 0
      const late = Layer.effect(
        Redis.Redis,
        Effect.suspend(() =>
          ++attempts === 1 ? Effect.fail("not yet") : Effect.map(Layer.build(redis.layer), Context.get(Redis.Redis))
        )
      )
      const { close, store } = RedisExposureStore.start(late)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(store.reserve([digest], "me", Duration.seconds(1)))))
      const isTried = () => attempts > 1
      while (!isTried()) yield* Effect.sleep("20 millis")
      const reserved = yield* store.reserve([digest], "me", Duration.seconds(1))
      assert.deepStrictEqual([reserved, attempts], [[{ state: "reserved" }], 2])
      yield* store.confirm([digest], "me", Duration.seconds(1))
      yield* store.release([digest], "me")
      yield* Effect.promise(close)
      const services = yield* Layer.build(Layer.provide(RedisExposureStore.layer(), redis.layer))
      yield* turns()
      assert.deepStrictEqual(redis.asked.length, 3)
      assert.isDefined(Context.get(services, ExposureHook.ExposureStore))
    }).pipe(Effect.scoped))
})

describe("limits and budgets in Redis", () => {
  const rule = { id: "limit", limit: 1, window: 1000, burst: 1 }

  it.effect("read the numbers of a script, also as texts, and take all else for no answer", () =>
    Effect.gen(function*() {
      const redis = new Scripted([1, 0], ["0", "250"], "OK", [1], ["", ""])
      const store = yield* Effect.provide(RedisRateLimitStore.make(), redis.layer)
      const taken = yield* Effect.forEach([1, 2, 3, 4, 5], () => store.take(rule, "ana"))
      assert.deepStrictEqual(taken, [
        { isPassed: true, retryAfter: 0 },
        { isPassed: false, retryAfter: 250 },
        { isPassed: false, retryAfter: Number.NaN },
        { isPassed: false, retryAfter: Number.NaN },
        { isPassed: false, retryAfter: Number.NaN }
      ])
      assert.notInclude(redis.asked.join(), "ana")
    }))

  it.effect("read what was spent, and take all else for no answer", () =>
    Effect.gen(function*() {
      const redis = new Scripted([1, 0, 5, 0, 1000, 60], undefined)
      const budget = { id: "usage", budget: 10, window: 1000 }
      const { close, store } = yield* Effect.promise(() => RedisUsageStore.start(redis.layer))
      assert.deepStrictEqual(yield* store.spend(budget, "ana", 5, false), {
        isPassed: true,
        usedBefore: 0,
        used: 5,
        refused: 0,
        windowStart: 1000,
        resetsAfter: 60
      })
      assert.deepInclude(yield* store.spend(budget, "ana", 5, false), { isPassed: false, used: Number.NaN })
      yield* Effect.promise(close)
    }))

  it.effect("are those of a layer", () =>
    Effect.gen(function*() {
      const redis = new Scripted([1, 0])
      const layer = Layer.mergeAll(RedisRateLimitStore.layer(), RedisUsageStore.layer({ prefix: "p:" }))
      const services = yield* Layer.build(Layer.provide(layer, redis.layer))
      assert.isTrue((yield* Context.get(services, RateLimitHook.RateLimitStore).take(rule, "ana")).isPassed)
      assert.isDefined(Context.get(services, UsageHook.UsageStore))
    }).pipe(Effect.scoped))
})

it("what is no layer is refused by name", () => {
  const url: Layer.Layer<Redis.Redis> = Function.cast("redis://127.0.0.1")
  assert.match(rangeError(() => RedisExposureStore.start(url)), /^RedisExposureStore.start: redis must be a layer/)
})

it("what is no layer rejects, by name", async () => {
  const url: Layer.Layer<Redis.Redis> = Function.cast("redis://127.0.0.1")
  for (const start of [RedisCacheStore.start, RedisRateLimitStore.start, RedisUsageStore.start]) {
    const reason = await start(url).then(() => "connected", String)
    assert.match(reason, /^RangeError: Redis\w+Store.start: redis must be a layer/)
  }
})
