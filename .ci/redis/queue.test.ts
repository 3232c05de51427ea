import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { AuditHook } from "effect-openfeature"
import * as AuditQueue from "effect-openfeature/audit/AuditQueue"
import { Fixtures } from "effect-openfeature/testing"
import { freePort, type Process, startRedis } from "../../examples/durable-queue/processes.ts"
import { redisStore } from "../../examples/durable-queue/store.ts"
import { contract } from "../../test/audit/queueContract.ts"
import { afterAll } from "vitest"

const given = process.env["REDIS_URL"]
const port = await freePort()
let redis: Process | undefined = given === undefined ? await startRedis(port) : undefined
const store = redisStore(given ?? `redis://127.0.0.1:${port}`)

afterAll(() => redis?.kill())

contract("Redis", store)

const settled = async (queue: AuditQueue.Running): Promise<AuditQueue.Counts> => {
  const { close, flush } = queue
  await Promise.race([flush(), new Promise((resolve) => setTimeout(resolve, 20_000, undefined).unref())])
  const counts = queue.counts()
  await close()
  return counts
}

/** Evaluates every 5 milliseconds for a second, and returns the longest time that one took. */
const slowest = async (queue: AuditQueue.Running): Promise<number> => {
  const hook = AuditHook.make(queue)
  let longest = 0
  for (const end = performance.now() + 1000; performance.now() < end;) {
    const started = performance.now()
    const { details } = await Effect.runPromise(Fixtures.run(hook))
    assert.isTrue(details.value)
    longest = Math.max(longest, performance.now() - started)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return longest
}

const outages: ReadonlyArray<readonly [string, () => Promise<void>, () => Promise<void>]> = [
  ["hangs", async () => redis?.pause(), async () => redis?.resume()],
  ["dies", async () => redis?.kill(), async () => {
    redis = await startRedis(port)
  }]
]

describe.skipIf(given !== undefined)("Redis that", () => {
  for (const [name, begin, end] of outages) {
    // Without the bound it would be as long as the outage. What it was is printed.
    for (const [guarantee, bound] of [["buffered", 150], ["stored", 500]] as const) {
      it(`${name} delays no evaluation beyond the bound, with the guarantee "${guarantee}"`, async () => {
        const options = { name: `${name}-${guarantee}`, guarantee, timeout: "200 millis", capacity: 10_000 } as const
        const queue = AuditQueue.start(store, options)
        const before = await slowest(queue)
        await begin()
        const during = await slowest(queue)
        assert.isAbove(queue.counts().pending, 0)
        await end()
        const { dropped, offered, pending, stored } = await settled(queue)
        console.log(
          `Redis ${name}, ${guarantee}: slowest evaluation ${before.toFixed(1)} ms before, ${during.toFixed(1)} ms ` +
            `meanwhile; ${offered} records, ${stored} stored, ${dropped} dropped`
        )
        assert.isBelow(during, bound)
        assert.deepStrictEqual([dropped, pending, stored], [0, 0, offered])
      }, 40_000)
    }
  }
})
