// One of several processes with the same limit, or the same budget. Prints what it got as JSON.
import { RateLimitHook, UsageHook } from "effect-openfeature"
import { RedisRateLimitStore, RedisUsageStore } from "effect-openfeature/redis"
import { Fixtures } from "effect-openfeature/testing"
import { once } from "node:events"
import { redisConnection } from "../../examples/durable-queue/store.ts"

const [url = "", kind = "", name = "", amount = "1", window = "1 second", hours = "0"] = process.argv.slice(2)
const millis = Number(process.argv[8] ?? 0)

// Its clock is wrong by hours.
const now = Date.now.bind(Date)
Date.now = () => now() + Number(hours) * 3_600_000

/** At least so many evaluations, 10 at once, for at least so many milliseconds. */
const evaluate = async (hook: Parameters<typeof Fixtures.runPromise>[0]): Promise<void> => {
  const end = performance.now() + millis
  for (let i = 0; i < 20 || performance.now() < end; i++) {
    await Promise.all(Array.from({ length: 10 }, () => Fixtures.runPromise(hook)))
  }
}

const options = { name, window: Number(window), timeout: "5 seconds", onLimited: "reject" } as const
const run = async (): Promise<object> => {
  if (kind === "limit") {
    const { close, store } = await RedisRateLimitStore.start(redisConnection(url))
    const limit = RateLimitHook.start({ ...options, limit: Number(amount), store })
    console.log("ready")
    await once(process.stdin, "data")
    await evaluate(limit.hook)
    await close()
    return limit.counts()
  }
  const { close, store } = await RedisUsageStore.start(redisConnection(url))
  const usage = UsageHook.start({ ...options, budget: Number(amount), store })
  console.log("ready")
  await once(process.stdin, "data")
  await evaluate(usage.hook)
  await close()
  return usage.counts()
}

const counts = await run()
console.log(JSON.stringify(counts))
process.exit(0)
