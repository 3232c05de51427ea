import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { CacheHook, FeatureFlags } from "effect-openfeature"
import { RedisCacheStore } from "effect-openfeature/redis"
import { TestProvider } from "effect-openfeature/testing"
import { Redis } from "effect/persistence"
import { afterAll } from "vitest"
import { redisConnection } from "../../examples/durable-queue/store.ts"
import { contract, keyOf, put, variantIn } from "../../test/hooks/cacheStoreContract.ts"
import { collectFailures, type LogRecord, logsTo } from "../../test/support.ts"
import { measure, printed, testRedis } from "./outages.ts"

const redis = await testRedis()
const connection = redisConnection(redis.url)

const running: Array<RedisCacheStore.Running> = []
const start = async (options: RedisCacheStore.Options = {}): Promise<CacheHook.Store> => {
  const started = await RedisCacheStore.start(connection, options)
  running.push(started)
  return started.store
}

afterAll(async () => {
  await Promise.all(running.map((store) => store.close()))
  await redis.close()
})

// Two clients of their own, as two processes have them.
const stores = [await start(), await start()] as const
let opened = 0

contract("Redis", () => Effect.sync(() => stores[++opened % 2 === 0 ? 0 : 1]), {
  wait: (millis) => Effect.promise(() => new Promise((resolve) => setTimeout(resolve, millis))),
  slack: 60
})

const commands = (...[command, ...args]: readonly [string, ...ReadonlyArray<string>]): Promise<unknown> =>
  Redis.Redis.pipe(
    Effect.flatMap((redis) => redis.send(command, ...args)),
    Effect.provide(connection),
    Effect.scoped,
    Effect.runPromise
  )

const listed = (value: unknown): ReadonlyArray<string> => Array.isArray(value) ? value.map(String) : []

describe("a store in Redis", () => {
  it.live("has nothing of the subject, the flag or the domain in its keys", () =>
    Effect.gen(function*() {
      const [store] = stores
      yield* put(store, keyOf("secret-flag", "secret-user", "secret-domain"), "on")
      const keys = listed(yield* Effect.promise(() => commands("KEYS", "*")))
      assert.isAbove(keys.length, 0)
      for (const key of keys) {
        assert.match(key, /^feature-flag-cache:(answer|claim|version(-domain)?(-flag)?):[\w-]{43}$/)
      }
    }))

  it.live("keeps nothing for ever", () =>
    Effect.gen(function*() {
      const [store] = stores
      yield* put(store, keyOf("lasting"), "on", { timeToLive: Number.POSITIVE_INFINITY })
      for (const key of listed(yield* Effect.promise(() => commands("KEYS", "*")))) {
        assert.notStrictEqual(yield* Effect.promise(() => commands("PTTL", key)), -1, key)
      }
    }))

  it.live("takes garbage for no answer, tells once, and stores over it", () =>
    Effect.gen(function*() {
      const store = yield* Effect.promise(() => start({ prefix: "garbage:" }))
      const records: Array<LogRecord> = []
      const garbage: ReadonlyArray<(key: string) => ReadonlyArray<string>> = [
        (key) => ["SET", key, "garbage"],
        (key) => ["SET", key, ""],
        (key) => ["SET", key, "2 something of a later version"],
        (key) => ["LPUSH", key, "a"],
        (key) => ["APPEND", key, "garbage"],
        (key) => ["SETRANGE", key, "0", "\u0000\u0001"],
        (key) => ["PERSIST", key]
      ]
      for (const [index, write] of garbage.entries()) {
        const key = keyOf(`garbage-${index}`)
        yield* put(store, key, "on")
        for (const one of listed(yield* Effect.promise(() => commands("KEYS", "garbage:answer:*")))) {
          const [name = "", ...args] = write(one)
          if (name === "LPUSH") yield* Effect.promise(() => commands("DEL", one))
          yield* Effect.promise(() => commands(name, ...args))
        }
        assert.isUndefined(yield* Effect.provide(variantIn(store, key), logsTo(records)), `garbage ${index}`)
        yield* put(store, key, "new")
        assert.strictEqual(yield* variantIn(store, key), "new")
        yield* store.remove(key)
      }
      assert.strictEqual(records.length, 1)
      // Versions of the wrong type are made anew.
      const key = keyOf("garbage-0")
      for (const one of listed(yield* Effect.promise(() => commands("KEYS", "garbage:version*")))) {
        yield* Effect.promise(() => commands("DEL", one))
        yield* Effect.promise(() => commands("LPUSH", one, "a"))
      }
      assert.isUndefined(yield* variantIn(store, key))
      yield* put(store, key, "new")
      assert.strictEqual(yield* variantIn(store, key), "new")
    }))

  it.live("never brings an answer back that was invalidated, when versions are evicted", () =>
    Effect.gen(function*() {
      const store = yield* Effect.promise(() => start({ prefix: "evicted:" }))
      const key = keyOf("evicted")
      yield* put(store, key, "old")
      yield* store.invalidate({ flagKey: "evicted" })
      for (let i = 0; i < 3; i++) {
        for (const one of listed(yield* Effect.promise(() => commands("KEYS", "evicted:version*")))) {
          yield* Effect.promise(() => commands("DEL", one))
        }
        assert.isUndefined(yield* variantIn(store, key))
      }
    }))

  it.live("stores no answer that is too long, or that JSON would change", () =>
    Effect.gen(function*() {
      const store = yield* Effect.promise(() => start({ prefix: "long:", maxLength: 100 }))
      for (const [index, value] of ["x".repeat(101), Number.NaN, { a: Number.POSITIVE_INFINITY }, -0].entries()) {
        const key = keyOf(`value ${index}`)
        const { version = "" } = yield* store.get(key, 100)
        yield* store.set(key, { value }, { version, timeToLive: 10_000, staleFor: 0 })
        assert.isUndefined((yield* store.get(key, 100)).answer)
      }
    }))

  it.live("serves no stale answer any more after one that it cannot store", () =>
    Effect.gen(function*() {
      const store = yield* Effect.promise(() => start({ prefix: "longer:", maxLength: 100 }))
      const key = keyOf("grown")
      yield* put(store, key, "short", { timeToLive: 1, staleFor: 60_000 })
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 60)))
      const { isClaimed, version = "" } = yield* store.get(key, 100)
      assert.isTrue(isClaimed)
      yield* store.set(key, { value: "x".repeat(101) }, { version, timeToLive: 1, staleFor: 60_000 })
      assert.isUndefined((yield* store.get(key, 100)).answer)
    }))

  it.live.skipIf(!redis.isOwn)(
    "answers what it has when it is full, and invalidates",
    () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const store = yield* Effect.promise(() => start({ prefix: "full:" }))
          yield* put(store, keyOf("known"), "on")
          yield* put(store, keyOf("outdated"), "on")
          yield* Effect.promise(() => commands("CONFIG", "SET", "maxmemory", "1"))
          try {
            assert.strictEqual(yield* variantIn(store, keyOf("known")), "on")
            yield* store.invalidate({ flagKey: "outdated" })
            assert.isUndefined(yield* variantIn(store, keyOf("outdated")))
            const cache = yield* CacheHook.make({ key: ["targetingKey"], store })
            const provider = TestProvider.make({ flags: { sale: TestProvider.value(true) } })
            const flags = yield* FeatureFlags.make({ domain: "full", provider, hooks: [cache.hook] })
            for (let i = 0; i < 3; i++) assert.isTrue(yield* flags.boolean("sale", false))
            assert.deepInclude(yield* cache.counts, { hits: 0, misses: 3 })
          } finally {
            yield* Effect.promise(() => commands("CONFIG", "SET", "maxmemory", "0"))
          }
          yield* put(store, keyOf("outdated"), "new")
          assert.strictEqual(yield* variantIn(store, keyOf("outdated")), "new")
          assert.isAtMost(failures.length, 3)
        })
      )
  )
})

describe("processes that share Redis", () => {
  it.live("ask the provider once for a stale answer, and get each other's answers", () =>
    Effect.gen(function*() {
      const machine = Effect.fnUntraced(function*() {
        const store = yield* Effect.promise(() => start({ prefix: "machines:" }))
        const cache = yield* CacheHook.make({
          key: ["targetingKey"],
          store,
          timeToLive: "200 millis",
          staleFor: "1 minute",
          waitTimeout: "5 seconds",
          timeout: "1 second"
        })
        let asked = 0
        const provider = TestProvider.make({
          flags: { sale: Effect.andThen(Effect.sync(() => asked++), TestProvider.value(true)) }
        })
        const flags = yield* FeatureFlags.make({ domain: "machines", provider, hooks: [cache.hook] })
        return {
          cache,
          asked: () => asked,
          evaluate: flags.booleanDetails("sale", false, { context: { targetingKey: "ana" } })
        }
      })
      const machines = yield* Effect.all([machine(), machine(), machine()])
      const asked = () => machines.reduce((sum, machine) => sum + machine.asked(), 0)
      const [first, second] = machines
      yield* first.evaluate
      yield* Effect.sleep("50 millis")
      assert.strictEqual((yield* second.evaluate).reason, "CACHED")
      assert.strictEqual(asked(), 1)
      yield* Effect.sleep("250 millis")
      const all = machines.flatMap(({ evaluate }) => Array.from({ length: 10 }, () => evaluate))
      yield* Effect.all(all, { concurrency: "unbounded" })
      assert.strictEqual(asked(), 2)
      yield* first.cache.invalidate({ domain: "machines", flagKey: "sale" })
      assert.notStrictEqual((yield* second.evaluate).reason, "CACHED")
      assert.strictEqual(asked(), 3)
    }))
})

describe.skipIf(!redis.isOwn)("Redis that", () => {
  for (const { begin, end, name } of redis.outages) {
    it.live(
      `${name} delays no evaluation beyond the bound, fails none, and is used again`,
      () =>
        collectFailures((failures) =>
          Effect.gen(function*() {
            const store = yield* Effect.promise(() => start({ prefix: `${name}:` }))
            const cache = yield* CacheHook.make({ key: ["targetingKey"], store, timeout: "50 millis" })
            const provider = TestProvider.make({ flags: { sale: TestProvider.value(true) } })
            const flags = yield* FeatureFlags.make({ domain: name, provider, hooks: [cache.hook] })
            const evaluate = flags.boolean("sale", false, { context: { targetingKey: "ana" } })
            const measured = Effect.promise(() => measure(async () => assert.isTrue(await Effect.runPromise(evaluate))))
            const before = yield* measured
            assert.isAbove((yield* cache.counts).hits, 10)
            yield* Effect.promise(begin)
            const during = yield* measured
            const { errors, hits } = yield* cache.counts
            assert.isAbove(errors, 0)
            assert.isAbove(failures.length, 0)
            yield* Effect.promise(end)
            let now = hits
            for (let i = 0; i < 200 && now < hits + 10; i++) {
              yield* evaluate
              yield* Effect.sleep("20 millis")
              now = (yield* cache.counts).hits
            }
            assert.isAtLeast(now, hits + 10)
            console.log(
              `Redis ${name}: slowest evaluation ${printed(before)} before, ${printed(during)} meanwhile, ` +
                `${errors} failures of the store`
            )
            // Without the bound it would be as long as the outage, of a second. What it was is printed.
            assert.isBelow(during.longest, 500)
          })
        )
    )
  }
})
