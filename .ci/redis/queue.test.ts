import { assert, describe, it } from "@effect/vitest"
import { AuditHook } from "effect-openfeature"
import * as AuditQueue from "effect-openfeature/audit/AuditQueue"
import { Fixtures } from "effect-openfeature/testing"
import { redisStore } from "../../examples/durable-queue/store.ts"
import { contract } from "../../test/audit/queueContract.ts"
import { afterAll } from "vitest"
import { measure, printed, testRedis } from "./outages.ts"

const redis = await testRedis()
const store = redisStore(redis.url)

afterAll(redis.close)

contract("Redis", store)

const settled = async (queue: AuditQueue.Running): Promise<AuditQueue.Counts> => {
  const { close, flush } = queue
  await Promise.race([flush(), new Promise((resolve) => setTimeout(resolve, 20_000, undefined).unref())])
  const counts = queue.counts()
  await close()
  return counts
}

describe.skipIf(!redis.isOwn)("Redis that", () => {
  for (const { begin, end, name } of redis.outages) {
    // Without the bound it would be as long as the outage. What it was is printed.
    for (const [guarantee, bound] of [["buffered", 150], ["stored", 500]] as const) {
      it(`${name} delays no evaluation beyond the bound, with the guarantee "${guarantee}"`, async () => {
        const options = { name: `${name}-${guarantee}`, guarantee, timeout: "200 millis", capacity: 10_000 } as const
        const queue = AuditQueue.start(store, options)
        const hook = AuditHook.make(queue)
        const evaluate = async () => assert.isTrue((await Fixtures.runPromise(hook)).details.value)
        const before = await measure(evaluate)
        await begin()
        const during = await measure(evaluate)
        assert.isAbove(queue.counts().pending, 0)
        await end()
        const { dropped, offered, pending, stored } = await settled(queue)
        console.log(
          `Redis ${name}, ${guarantee}: slowest evaluation ${printed(before)} before, ${printed(during)} ` +
            `meanwhile; ${offered} records, ${stored} stored, ${dropped} dropped`
        )
        assert.isBelow(during.longest, bound)
        assert.deepStrictEqual([dropped, pending, stored], [0, 0, offered])
      })
    }
  }
})
