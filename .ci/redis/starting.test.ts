import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { CacheHook, ExposureHook, FeatureFlags, RateLimitHook, UsageHook } from "effect-openfeature"
import {
  ExposureQueue,
  RedisCacheStore,
  RedisExposureStore,
  RedisRateLimitStore,
  RedisUsageStore
} from "effect-openfeature/redis"
import { TestProvider } from "effect-openfeature/testing"
import { afterAll } from "vitest"
import { redisConnection } from "../../examples/durable-queue/store.ts"
import { collectFailures } from "../../test/support.ts"
import { measure, printed, testRedis } from "./outages.ts"

const redis = await testRedis()
const layer = redisConnection(redis.url, 100)

afterAll(redis.close)

interface Closing {
  readonly close: () => Promise<void>
}

describe.skipIf(!redis.isOwn)("a server starts while Redis", () => {
  for (const { begin, end, name } of redis.outages) {
    it.live(
      `${name}, evaluates, and shares with others when Redis is back`,
      () =>
        collectFailures((failures) =>
          Effect.gen(function*() {
            yield* Effect.promise(begin)
            const before = performance.now()
            const prefix = `start-${name}:`
            const [answers, limits, usages] = yield* Effect.promise(() =>
              Promise.all([
                RedisCacheStore.start(layer, { prefix: `${prefix}cache:` }),
                RedisRateLimitStore.start(layer, { prefix: `${prefix}limit:` }),
                RedisUsageStore.start(layer, { prefix: `${prefix}usage:` })
              ])
            )
            const shared = RedisExposureStore.start(layer, { prefix: `${prefix}exposure:` })
            const queue = ExposureQueue.start(
              Layer.provide(ExposureQueue.layerRedis({ prefix: `${prefix}queue:` }), layer)
            )
            const took = performance.now() - before
            const running: ReadonlyArray<Closing> = [answers, limits, usages, shared, queue]

            const cache = yield* CacheHook.make({ key: ["targetingKey"], store: answers.store })
            const limit = yield* RateLimitHook.make({ limit: 1e6, window: "1 second", store: limits.store })
            const usage = yield* UsageHook.make({ budget: 1e6, window: "1 day", store: usages.store })
            const exposures = yield* ExposureHook.make({ send: queue.send, store: shared.store, maxWait: "20 millis" })
            const provider = TestProvider.make({ flags: { sale: TestProvider.value(true) } })
            const hooks = [limit.hook, usage.hook, exposures.hook, cache.hook]
            const flags = yield* FeatureFlags.make({ domain: prefix, provider, hooks })
            let users = 0
            const evaluate = Effect.suspend(() =>
              flags.boolean("sale", false, { context: { targetingKey: `user-${users++ % 3}` } })
            )
            const times = yield* Effect.promise(() =>
              measure(async () => assert.isTrue(await Effect.runPromise(evaluate)))
            )
            console.log(
              `Redis ${name} at the start: started in ${took.toFixed(0)} ms, slowest evaluation ${printed(times)}`
            )
            assert.isBelow(took, 2500)
            assert.isBelow(times.longest, 500)
            assert.strictEqual((yield* cache.counts).hits, 0)
            assert.isAbove((yield* limit.counts).unchecked, 0)
            assert.isAbove(failures.length, 0)

            yield* Effect.promise(end)
            const isBack = Effect.gen(function*() {
              const unchecked = (yield* limit.counts).unchecked + (yield* usage.counts).unchecked
              const { hits } = yield* cache.counts
              for (let i = 0; i < 5; i++) yield* evaluate
              yield* exposures.reset
              const later = (yield* limit.counts).unchecked + (yield* usage.counts).unchecked
              return later === unchecked && (yield* cache.counts).hits > hits &&
                (yield* exposures.counts).delivered > 0
            })
            for (let i = 0; i < 300 && !(yield* isBack); i++) yield* Effect.sleep("50 millis")
            assert.isTrue(yield* isBack)
            yield* Effect.promise(() => Promise.all(running.map(({ close }) => close())))
          })
        )
    )

    it.live(`${name}, and stops while it still does`, () =>
      Effect.promise(async () => {
        await begin()
        const { close } = await RedisCacheStore.start(layer)
        const shared = RedisExposureStore.start(layer)
        const before = performance.now()
        await Promise.all([close(), shared.close()])
        const took = performance.now() - before
        await end()
        assert.isBelow(took, 4000)
      }))
  }
})
