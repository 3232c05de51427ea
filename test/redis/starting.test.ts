/** What happens when Redis is not there at the start. What a real one does is tested in `.ci/redis`. */
import { assert, describe, it } from "@effect/vitest"
import { Config, Duration, Effect, Exit, Fiber, Function, Layer, Scope } from "effect"
import { AuditHook, CacheHook, ExposureHook } from "effect-openfeature"
import * as AuditQueue from "effect-openfeature/audit/AuditQueue"
import {
  ExposureQueue,
  RedisCacheStore,
  RedisExposureStore,
  RedisRateLimitStore,
  RedisUsageStore
} from "effect-openfeature/redis"
import { Fixtures } from "effect-openfeature/testing"
import { PersistedQueue, Redis } from "effect/persistence"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { inScope } from "../../src/redis/internal/connection.ts"
import { collectFailures, type LogRecord, logsTo, rangeError } from "../support.ts"
import { exposureOf } from "./exposureQueueContract.ts"

const service: Redis.Redis["Service"] = {
  send: (...command) => Function.cast(Effect.succeed(command[0])),
  eval: () => () => Function.cast(Effect.succeed([1, 0])),
  subscribe: () => Effect.die("not used"),
  reserve: Effect.die("not used")
}

/** A layer that is built with what the attempts give, one after the other, and counts what it acquires and releases. */
const attempting = (...attempts: ReadonlyArray<Effect.Effect<unknown, unknown>>) => {
  const seen = { attempts: 0, open: 0 }
  const layer = Layer.effect(
    Redis.Redis,
    Effect.gen(function*() {
      yield* Effect.acquireRelease(Effect.sync(() => seen.open++), () => Effect.sync(() => seen.open--))
      yield* attempts[seen.attempts++] ?? Effect.void
      return service
    })
  )
  return { layer, seen }
}

const down = Effect.fail(new Redis.RedisError({ cause: new Error("ECONNREFUSED") }))
const texts = (records: ReadonlyArray<LogRecord>) => records.map(({ level, message }) => `${level} ${message}`)

describe("Redis at the start", () => {
  it.effect("that answers is connected when the first attempt has ended, and nothing is told", () => {
    const records: Array<LogRecord> = []
    return Effect.gen(function*() {
      const { layer, seen } = attempting(Effect.sleep("20 millis"))
      const connection = yield* inScope("Owner", layer)
      const asked = yield* Effect.forkChild(connection.redis.send("PING"), { startImmediately: true })
      yield* TestClock.adjust("20 millis")
      assert.strictEqual(yield* Fiber.join(asked), "PING")
      yield* connection.attempted
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(seen, { attempts: 1, open: 1 })
      assert.deepStrictEqual(texts(records), [])
    }).pipe(Effect.scoped, Effect.provide(logsTo(records)))
  })

  it.effect("that is down fails at once, is asked again ever later, and is used when it is back", () => {
    const records: Array<LogRecord> = []
    return Effect.gen(function*() {
      const { layer, seen } = attempting(down, down, Effect.orDie(down), ...Array.from({ length: 10 }, () => down))
      const connection = yield* inScope("Owner", layer)
      yield* connection.attempted
      const error = yield* Effect.flip(connection.redis.send("PING"))
      assert.match(String(error.cause), /^Error: Owner: Redis has not answered yet$/)
      yield* TestClock.adjust("700 millis")
      assert.strictEqual(seen.attempts, 4)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(seen, { attempts: 14, open: 1 })
      assert.strictEqual(yield* connection.redis.send("PING"), "PING")
      const script = Redis.script(() => [], { lua: "", numberOfKeys: 0 }).withReturnType<unknown>()
      assert.deepStrictEqual(yield* connection.redis.eval(script)(), [1, 0])
      assert.deepStrictEqual(texts(records), [
        "Warn Owner: Redis does not answer; it is asked again in the background",
        "Info Owner: Redis answers"
      ])
    }).pipe(Effect.scoped, Effect.provide(logsTo(records)))
  })

  it.effect("that hangs is waited for a second, then fails at once, and is used when it goes on", () => {
    const records: Array<LogRecord> = []
    return Effect.gen(function*() {
      const { layer, seen } = attempting(Effect.sleep("1 hour"))
      const connection = yield* inScope("Owner", layer)
      const attempted = yield* Effect.forkChild(connection.attempted, { startImmediately: true })
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(attempted.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(attempted)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(connection.redis.send("PING"))))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* connection.redis.send("PING"), "PING")
      assert.deepStrictEqual(seen, { attempts: 1, open: 1 })
      assert.strictEqual(records.length, 2)
    }).pipe(Effect.scoped, Effect.provide(logsTo(records)))
  })

  it.effect("is left alone when the scope closes, also while it is asked", () =>
    Effect.gen(function*() {
      for (const attempts of [[Effect.never], [down, Effect.never], [Effect.void], [down, down]]) {
        const { layer, seen } = attempting(...attempts)
        yield* Effect.scoped(Effect.gen(function*() {
          yield* inScope("Owner", layer)
          yield* TestClock.adjust("250 millis")
        }))
        const { attempts: count, open } = seen
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual([seen.attempts, open], [count, 0])
      }
    }).pipe(Effect.provide(logsTo([]))))

  it.effect("that hangs when it is closed keeps nobody from closing", () =>
    Effect.gen(function*() {
      const layer = Layer.effect(Redis.Redis, Effect.as(Effect.addFinalizer(() => Effect.never), service))
      const closing = yield* Effect.forkChild(
        Effect.scoped(Effect.flatMap(inScope("Owner", layer), (it) => it.attempted))
      )
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(closing)
    }))
})

describe("a store without Effect", () => {
  const starts = { RedisCacheStore, RedisRateLimitStore, RedisUsageStore }

  for (const [name, { start }] of Object.entries(starts)) {
    it(`${name} starts although Redis is down`, async () => {
      const { layer, seen } = attempting(down, Effect.never)
      const store = await start(layer)
      await store.close()
      assert.strictEqual(seen.open, 0)
    })
    it(`${name} rejects by name what can never connect`, async () => {
      const reasonOf = (layer: unknown) =>
        start(Function.cast<unknown, Layer.Layer<Redis.Redis>>(layer)).then(() => "connected", String)
      const mistakes: ReadonlyArray<readonly [unknown, string]> = [
        [Layer.empty, "must provide the service effect/persistence/Redis"],
        [RedisCacheStore.layer(), "needs the service effect/persistence/Redis; provide it with Layer.provide"],
        [attempting(Config.String("NO_SUCH_URL")).layer, "lacks its configuration, or has a wrong one"],
        [
          attempting(Effect.sync(() => new URL("localhost"))).layer,
          "cannot be built: it throws a TypeError, such as for a wrong address"
        ]
      ]
      for (const [layer, problem] of mistakes) {
        assert.strictEqual(await reasonOf(layer), `RangeError: ${name}.start: redis ${problem}`)
      }
    })
  }

  it("tells no password that a wrong address has", async () => {
    const wrong = Effect.sync(() => new URL("redis://app:secret@127.0.0.1:port"))
    const { layer } = attempting(wrong, wrong)
    const mistake: unknown = await RedisCacheStore.start(layer).catch((error: unknown) => error)
    assert.include(String(mistake), "such as for a wrong address")
    assert.notInclude(inspect(mistake, { depth: 10 }), "secret")

    const { close, store } = RedisExposureStore.start(layer)
    const failure = await Effect.runPromise(Effect.flip(store.reserve(["a"], "me", Duration.seconds(1))))
    assert.notInclude(inspect(failure, { depth: 10 }), "secret")
    await close()
  })
  it.effect("fails at once when it was closed before the first attempt had ended", () =>
    Effect.gen(function*() {
      const { layer } = attempting(Effect.never)
      const scope = yield* Scope.make()
      const { redis } = yield* Scope.provide(inScope("Owner", layer), scope)
      const asked = yield* Effect.forkChild(Effect.flip(redis.send("PING")), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      assert.include(String((yield* Fiber.join(asked)).cause), "Redis has not answered yet")
      assert.include(String((yield* Effect.flip(redis.send("PING"))).cause), "Redis has not answered yet")

      const queue = ExposureQueue.start(Layer.effect(PersistedQueue.PersistedQueueFactory, Effect.never), {
        timeout: "1 hour"
      })
      yield* Effect.promise(queue.close)
      assert.include(String(yield* Effect.flip(queue.send([exposureOf("a")]))), "the exposure queue is closed")
    }))

  it.live("exposes all the same, and tells what can never connect", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const { close, store } = RedisExposureStore.start(Function.cast(Layer.empty))
        const sent: Array<string> = []
        const send = (batch: ReadonlyArray<ExposureHook.Exposure>) =>
          void sent.push(...batch.map(({ flagKey }) => flagKey))
        const exposures = yield* ExposureHook.make({ send, automatic: false, store })
        yield* exposures.expose({ flagKey: "sale", value: 1 }, { targetingKey: "ana" })
        yield* exposures.flush
        assert.deepStrictEqual(sent, ["sale"])
        assert.include(String(failures[0]?.cause), "RedisError")
        yield* Effect.promise(close)
      })
    ))

  it.live("a cache asks the provider while Redis is down", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const { layer } = attempting(down, Effect.never)
        const { close, store } = yield* Effect.promise(() => RedisCacheStore.start(layer))
        const cache = yield* CacheHook.make({ key: ["targetingKey"], store, timeout: "10 seconds" })
        yield* Fixtures.run(cache.hook, {})
        assert.isAtMost(failures.length, 3)
        yield* Effect.promise(close)
      })
    ))
})

describe("a queue", () => {
  it.live("of exposures names the service that its store lacks, and does not wait for it", () =>
    Effect.gen(function*() {
      const { layer } = attempting()
      for (
        const [store, problem] of [
          [layer, "must provide the service effect/persistence/PersistedQueue/PersistedQueueFactory"],
          [ExposureQueue.layerRedis(), "needs the service effect/persistence/Redis; provide it with Layer.provide"]
        ] as const
      ) {
        const queue = ExposureQueue.start(Function.cast(store), { timeout: "1 hour" })
        const { message } = yield* Effect.flip(queue.send([exposureOf("a")]))
        assert.strictEqual(message, `ExposureQueue.start: store ${problem}`)
        yield* Effect.promise(() => queue.close())
      }
    }))

  it.effect("of records names the service that its store lacks, once", () => {
    const records: Array<LogRecord> = []
    return Effect.gen(function*() {
      const store: AuditQueue.Store = Function.cast(Layer.provide(PersistedQueue.layer, Layer.empty))
      const queue = yield* AuditQueue.make(store, { closeTimeout: 0 })
      yield* Fixtures.run(AuditHook.make(queue))
      yield* TestClock.adjust("1 minute")
      const lines = texts(records).filter((line) => line.startsWith("Error"))
      assert.deepStrictEqual(lines, [
        "Error the store of the audit queue needs the service effect/persistence/PersistedQueue/PersistedQueueStore; " +
        "provide it with Layer.provide"
      ])
    }).pipe(Effect.scoped, Effect.provide(logsTo(records)))
  })

  it("in Redis refuses options that it does not have", () => {
    const typo = Function.cast<unknown, ExposureQueue.RedisOptions>({ prefixes: "" })
    assert.include(rangeError(() => ExposureQueue.layerRedis(typo)), "did you mean \"prefix\"")
    for (const prefix of ["shop[eu]:", "*", "a?", "\\"]) {
      assert.include(rangeError(() => ExposureQueue.layerRedis({ prefix })), "without *, ?, [ and \\")
    }
  })
})
