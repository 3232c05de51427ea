import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { ExposureHook } from "effect-openfeature"
import { ExposureQueue } from "effect-openfeature/redis"
import { Redis } from "effect/persistence"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { folder, type Process, start } from "../../examples/durable-queue/processes.ts"
import { redisConnection, redisStore } from "../../examples/durable-queue/store.ts"
import { contract } from "../../test/redis/exposureQueueContract.ts"
import { afterAll } from "vitest"
import { type Outage, testRedis } from "./outages.ts"

const redis = await testRedis()
const { url } = redis
const store = redisStore(url)

afterAll(redis.close)

contract("Redis", store)

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  for (let i = 0; i < 200 && !await condition(); i++) await new Promise((resolve) => setTimeout(resolve, 100))
}

const run = (file: string, ready: string, ...args: ReadonlyArray<string>): Promise<Process> =>
  start(process.execPath, ["--import", "tsx", fileURLToPath(new URL(file, import.meta.url)), ...args], ready, {
    TSX_TSCONFIG_PATH: fileURLToPath(new URL("../../tsconfig.json", import.meta.url))
  })

describe("processes with a queue of exposures", () => {
  it("lose none when a consumer is killed, and repeat none without its identifier", async () => {
    const name = `processes-${process.pid}`
    const ledger = join(folder, name)
    writeFileSync(ledger, "")
    const lines = () => readFileSync(ledger, "utf8").split("\n").filter((line) => line !== "")
    const part = (index: number) => new Set(lines().map((line) => line.split(" ")[index]))
    const consumer = () => run("exposureConsumer.ts", "the consumer waits", url, name, ledger)
    // They expose 300 users both.
    const producer = (from: number, to: number) =>
      run("exposureProducer.ts", `stored ${to - from}`, url, name, String(from), String(to))
    const [first] = await Promise.all([consumer(), consumer()])
    const producers = Promise.all([producer(0, 600), producer(300, 900)])
    await until(() => lines().length > 100)
    await first.kill()
    const before = lines().length
    await producers
    await until(() => part(1).size === 900 && part(2).size === 1200)
    // Late ones would be seen here: what the killed one had comes back after 2 seconds.
    await new Promise((resolve) => setTimeout(resolve, 4000))
    const [ids, subjects, deliveries] = [0, 1, 2].map((index) => part(index).size)
    console.log(
      `one of two consumers killed after ${before} deliveries: ${lines().length} deliveries of ${deliveries} exposures, ` +
        `${ids} by id, ${subjects} subjects`
    )
    assert.strictEqual(subjects, 900)
    assert.strictEqual(ids, 900)
    assert.isAbove(deliveries ?? 0, 900)
    assert.isAtLeast(lines().length, deliveries ?? 0)
    assert.isBelow(lines().length, 1250)
  })
})

describe("a queue of exposures", () => {
  it("forgets what was handled when its time is over, and stores nothing twice before", async () => {
    const exposure = { id: "1", time: "2026-01-01T00:00:00.000Z", subject: "ana", flagKey: "sale" }
    const takenIn = async (timeToLive: "1 millis" | "1 day") => {
      const layer = ExposureQueue.layerRedis({ prefix: `${timeToLive}:`, timeToLive, pollInterval: "50 millis" })
      const inRedis = Layer.provide(layer, redisConnection(url))
      const taken: Array<string> = []
      for (let round = 1; round <= 2; round++) {
        const queue = ExposureQueue.start(inRedis, { timeout: "5 seconds" })
        const consumer = ExposureQueue.startConsumer(inRedis, ({ subject }) => void taken.push(subject))
        for (let i = 0; i < 40 && taken.length < round; i++) {
          await Effect.runPromise(queue.send([exposure]))
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
        await Promise.all([consumer.close(), queue.close()])
      }
      return taken.length
    }
    assert.deepStrictEqual([await takenIn("1 millis"), await takenIn("1 day")], [2, 1])
  })
})

const command = (...[name, ...args]: readonly [string, ...ReadonlyArray<string>]): Promise<unknown> =>
  Redis.Redis.pipe(
    Effect.flatMap((redis) => redis.send(name, ...args)),
    Effect.provide(redisConnection(url)),
    Effect.scoped,
    Effect.runPromise
  )

describe("a queue of exposures beside other data", () => {
  it("forgets what is its own, and nothing else with the same prefix", async () => {
    await command("ZADD", "shop:top:ids", "1", "product-1")
    await command("ZADD", "shop:queue:feature-flag-exposures:ids", "1", "handled")
    const store = ExposureQueue.layerRedis({ prefix: "shop:" }).pipe(Layer.provide(redisConnection(url)))
    const queue = ExposureQueue.start(store, { timeout: "5 seconds" })
    const sizeOf = (key: string) => command("ZCARD", key)
    await until(async () => await sizeOf("shop:queue:feature-flag-exposures:ids") === 0)
    await queue.close()
    assert.deepStrictEqual(
      [await sizeOf("shop:queue:feature-flag-exposures:ids"), await sizeOf("shop:top:ids")],
      [0, 1]
    )
  })
})

const full = {
  name: "is full",
  begin: async () => void await command("CONFIG", "SET", "maxmemory", "1"),
  end: async () => void await command("CONFIG", "SET", "maxmemory", "0")
}
const troubles: ReadonlyArray<Pick<Outage, "begin" | "end"> & { readonly name: string }> = redis.isOwn
  ? [...redis.outages, full]
  : []

describe("a queue of exposures in a Redis that", () => {
  for (const { begin, end, name } of troubles) {
    it(`${name} loses none that is sent again, and delays nobody`, async () => {
      const options = { name: name.replace(" ", "-") }
      const queue = ExposureQueue.start(store, { ...options, timeout: "200 millis" })
      const shared = { automatic: false, maxSize: 50, maxWait: 20, targetingKey: "raw", send: queue.send } as const
      const patient = ExposureHook.start({ ...shared, retry: Schedule.spaced("100 millis") })
      const impatient = ExposureHook.start({ ...shared, name: "impatient" })
      const taken = new Set<string>()
      const consumer = ExposureQueue.startConsumer(store, ({ subject }) => void taken.add(subject), {
        ...options,
        concurrency: 8,
        renewInterval: "1 second"
      })
      const expose = (hook: ExposureHook.Running, who: string) => {
        let longest = 0
        for (let i = 0; i < 200; i++) {
          const started = performance.now()
          hook.expose({ flagKey: "sale", variant: "on", value: true }, { targetingKey: `${who}-${i}` })
          longest = Math.max(longest, performance.now() - started)
        }
        return longest
      }
      expose(patient, "before")
      await patient.flush()
      await begin()
      const longest = Math.max(expose(patient, "patient"), expose(impatient, "impatient"))
      const started = performance.now()
      await impatient.flush()
      const took = performance.now() - started
      assert.deepInclude(impatient.counts(), { failed: 200, pending: 0, size: 0 })
      assert.deepInclude(patient.counts(), { delivered: 200, pending: 200, failed: 0 })
      await end()
      await patient.flush()
      assert.deepInclude(patient.counts(), { delivered: 400, failed: 0, dropped: 0, pending: 0 })
      // Some of a batch that was given up may be stored.
      const ours = () => Array.from(taken).filter((who) => !who.startsWith("impatient")).length
      await until(() => ours() === 400)
      console.log(
        `Redis ${name}: slowest call ${longest.toFixed(1)} ms, 200 given up after ${took.toFixed(0)} ms, ` +
          `${ours()} of 400 taken in the end`
      )
      await Promise.all([patient.close(), impatient.close()])
      await Promise.all([consumer.close(), queue.close()])
      assert.strictEqual(ours(), 400)
      // Without the queue of the hook, it would be as long as the outage. What it was is printed.
      assert.isBelow(longest, 1000)
    })
  }
})
