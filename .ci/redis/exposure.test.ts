import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer } from "effect"
import { ExposureHook } from "effect-openfeature"
import { RedisExposureStore } from "effect-openfeature/redis"
import { Redis } from "effect/persistence"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { redisConnection } from "../../examples/durable-queue/store.ts"
import { contract } from "../../test/hooks/exposureStoreContract.ts"
import { afterAll } from "vitest"
import { testRedis } from "./outages.ts"

const redis = await testRedis()
const { url } = redis

afterAll(redis.close)

const layer = redisConnection(url, 1000)
const connect = Effect.map(
  Effect.orDie(Layer.build(Layer.fresh(layer))),
  (services) => Context.get(services, Redis.Redis)
)
const prefix = `exposure-test-${process.pid}:`
const storeOn = (service: Redis.Redis["Service"]) =>
  Effect.provideService(RedisExposureStore.make({ prefix }), Redis.Redis, service)

contract("Redis", () =>
  Effect.gen(function*() {
    return [yield* Effect.flatMap(connect, storeOn), yield* Effect.flatMap(connect, storeOn)] as const
  }))

describe("exposures in Redis", () => {
  it.live("replace what other programs have left under their keys, and have an end", () =>
    Effect.gen(function*() {
      const service = yield* connect
      const store = yield* storeOn(service)
      const key = "a".repeat(64)
      const garbage: ReadonlyArray<readonly [string, ...Array<string>]> = [
        ["SET", "{\"version\":9}"],
        ["SET", ""],
        ["SET", "-somebody"],
        ["RPUSH", "a", "b"],
        ["HSET", "a", "b"]
      ]
      for (const [command, ...values] of garbage) {
        yield* service.send("DEL", prefix + key)
        yield* service.send(command, prefix + key, ...values)
        yield* store.release([key], "one")
        const [found] = yield* store.reserve([key], "one", Duration.minutes(1))
        assert.strictEqual(found?.state, "reserved", command)
        assert.isAbove(yield* service.send<number>("PTTL", prefix + key), 50_000)
        yield* store.confirm([key], "one", Duration.minutes(2))
        assert.isAbove(yield* service.send<number>("PTTL", prefix + key), 100_000)
      }
      const names = yield* service.send<ReadonlyArray<string>>("KEYS", `${prefix}*`)
      for (const name of names) assert.match(name.slice(prefix.length), /^[0-9a-f]{64}$/)
    }).pipe(Effect.scoped))

  it("reach a sink once from two processes", async () => {
    const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))
    const start = Date.now() + 4000
    const run = (order: string) =>
      promisify(execFile)(process.execPath, [
        path("../../node_modules/tsx/dist/cli.mjs"),
        "--tsconfig",
        path("../../tsconfig.json"),
        path("exposureProcess.ts"),
        url,
        `${prefix}two:`,
        order,
        String(start)
      ], { timeout: 30_000 })
    const outputs = (await Promise.all([run("up"), run("down")])).map(({ stdout }) => stdout)
    const sent = outputs.flatMap((output) => output.split("\n").filter((line) => line.startsWith("sent user-")))
    assert.strictEqual(sent.length, 500)
    assert.strictEqual(new Set(sent).size, 500)
    const counts = outputs.map((output) => /done (\d+) (\d+)/.exec(output)?.slice(1).map(Number) ?? [])
    assert.strictEqual(counts.flat().reduce((sum, count) => sum + count, 0), 1002)
    console.log(`two processes: ${counts.map(([delivered]) => delivered).join(" + ")} exposures of 500 subjects`)
  })

  const limit = (bytes: string) =>
    Effect.runPromise(
      Effect.scoped(Effect.flatMap(connect, (service) => service.send("CONFIG", "SET", "maxmemory", bytes)))
    )
  const full = { name: "is full", begin: () => limit("1"), end: () => limit("0") }
  for (const { begin, end, name } of redis.isOwn ? [...redis.outages, full] : []) {
    it(`are sent all the same while Redis ${name}`, async () => {
      const { close, store } = RedisExposureStore.start(layer, { prefix: `${prefix}${name}:` })
      let sent = 0
      const exposures = ExposureHook.start({
        store,
        name,
        automatic: false,
        send: async (batch) => {
          sent += batch.length
        }
      })
      const expose = (count: number) => {
        let longest = 0
        for (let i = 0; i < count; i++) {
          const started = performance.now()
          exposures.expose({ flagKey: "sale", variant: "on", value: true }, { targetingKey: `${name}-${sent}-${i}` })
          longest = Math.max(longest, performance.now() - started)
        }
        return longest
      }
      expose(100)
      await exposures.flush()
      await begin()
      const longest = expose(500)
      const started = performance.now()
      await exposures.flush()
      const took = performance.now() - started
      await end()
      console.log(`Redis ${name}: 500 exposures sent in ${took.toFixed(0)} ms, slowest call ${longest.toFixed(1)} ms`)
      assert.strictEqual(sent, 600)
      assert.isBelow(took, 5000)
      assert.deepInclude(exposures.counts(), { offered: 600, delivered: 600, pending: 0 })
      await exposures.close()
      await close()
    })
  }
})
