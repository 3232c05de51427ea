import { assert, describe, it } from "@effect/vitest"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { Context, Duration, Effect, Layer, References } from "effect"
import { ExposureHook } from "effect-openfeature"
import { RedisExposureStore } from "effect-openfeature/redis"
import { Redis } from "effect/persistence"
import { build } from "esbuild"
import { execFile } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { folder, freePort, type Process, startRedis } from "../../examples/durable-queue/processes.ts"
import { contract } from "../../test/hooks/exposureStoreContract.ts"
import { afterAll } from "vitest"

const given = process.env["REDIS_URL"]
const port = await freePort()
let redis: Process | undefined = given === undefined ? await startRedis(port) : undefined
const url = given ?? `redis://127.0.0.1:${port}`

afterAll(() => redis?.kill())

const layer = NodeRedis.layer({ url, disableOfflineQueue: true, commandOptions: { timeout: 1000 } }).pipe(
  // Redis is killed here on purpose, so each lost connection need not be logged.
  Layer.provide(Layer.succeed(References.MinimumLogLevel, "None"))
)
const connect = Effect.map(Effect.orDie(Layer.build(Layer.fresh(layer))), (services) => Context.get(services, Redis.Redis))
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
    const outfile = join(folder, "exposureProcess.mjs")
    const source = fileURLToPath(new URL("../../", import.meta.url))
    await build({
      entryPoints: [join(source, ".ci/redis/exposureProcess.ts")],
      outfile,
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node20",
      banner: { js: "import { createRequire } from \"node:module\"; const require = createRequire(import.meta.url)" },
      tsconfigRaw: {
        compilerOptions: {
          paths: {
            "effect-openfeature": [join(source, "src/index.ts")],
            "effect-openfeature/redis": [join(source, "src/redis/index.ts")]
          }
        }
      },
      nodePaths: [join(source, "examples/durable-queue/node_modules"), join(source, "node_modules")]
    })
    const run = () =>
      promisify(execFile)(process.execPath, [outfile], {
        env: { ...process.env, REDIS_URL: url, PREFIX: `${prefix}two:` },
        timeout: 30_000
      })
    const outputs = (await Promise.all([run(), run()])).map(({ stdout }) => stdout)
    const sent = outputs.flatMap((output) => output.split("\n").filter((line) => line.startsWith("sent ")))
    assert.strictEqual(sent.length, 500)
    assert.strictEqual(new Set(sent).size, 500)
    const counts = outputs.map((output) => /done (\d+) (\d+)/.exec(output)?.slice(1).map(Number) ?? [])
    assert.strictEqual(counts.flat().reduce((sum, count) => sum + count, 0), 1000)
    console.log(`two processes: ${counts.map(([delivered]) => delivered).join(" + ")} exposures of 500 subjects`)
  }, 40_000)

  const outages: ReadonlyArray<readonly [string, () => Promise<void>, () => Promise<void>]> = [
    ["hangs", async () => redis?.pause(), async () => redis?.resume()],
    ["dies", async () => redis?.kill(), async () => {
      redis = await startRedis(port)
    }]
  ]
  for (const [name, begin, end] of outages) {
    it.skipIf(given !== undefined)(`are sent all the same while Redis ${name}`, async () => {
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
    }, 40_000)
  }
})
