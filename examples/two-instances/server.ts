// One of the instances: a web server whose flags come from a slow provider, with a cache, a rate limit and a budget that
// all instances share through Redis.
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
import { CacheHook, OpenFeatureHook, RateLimitHook, ResolutionProvider, UsageHook } from "effect-openfeature"
import { RedisCacheStore, RedisRateLimitStore, RedisUsageStore } from "effect-openfeature/redis"
import { createServer } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { budget, limit } from "./settings.ts"

const redis = NodeRedis.layer({
  url: process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379",
  // Otherwise, a command waits for ever while Redis is away.
  disableOfflineQueue: true
})
const prefix = process.env["PREFIX"] ?? "shop:"

// A provider behind a network.
class RemoteProvider extends InMemoryProvider {
  calls = 0
  override async resolveNumberEvaluation(...args: Parameters<InMemoryProvider["resolveNumberEvaluation"]>) {
    this.calls++
    await sleep(20)
    return super.resolveNumberEvaluation(...args)
  }
}
const provider = new RemoteProvider({
  "price-limit": { variants: { low: 100, high: 1000 }, defaultVariant: "low", disabled: false }
})
await OpenFeature.setProviderAndWait(ResolutionProvider.make(provider))

const [limits, budgets, answered] = await Promise.all([
  RedisRateLimitStore.start(redis, { prefix: `${prefix}limit:` }),
  RedisUsageStore.start(redis, { prefix: `${prefix}usage:` }),
  RedisCacheStore.start(redis, { prefix: `${prefix}cache:` })
])
const rateLimit = RateLimitHook.start({
  ...limit,
  by: "subject",
  store: limits.store,
  timeout: "1 second"
})
const alerts: Array<number> = []
const usage = UsageHook.start({
  ...budget,
  store: budgets.store,
  onAlert: ({ threshold }) => void alerts.push(threshold),
  timeout: "1 second"
})
const cache = CacheHook.makeUnsafe({
  key: ["targetingKey"],
  timeToLive: "1 minute",
  store: answered.store,
  timeout: "1 second"
})
const client = OpenFeature.getClient()
// In this order: an evaluation over the limit costs no budget, and one that is cached costs no call of the provider.
client.addHooks(OpenFeatureHook.make(rateLimit.hook, usage.hook, cache.hook))

const answers = { served: 0, limited: 0, other: 0 }

const figures = async () => {
  await usage.flush()
  return {
    answers,
    limit: rateLimit.counts(),
    usage: { ...usage.counts(), used: usage.report().keys[0]?.used ?? 0, thresholds: alerts },
    cache: cache.counts(),
    calls: provider.calls
  }
}

const server = createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://localhost")
  if (url.pathname === "/figures") {
    void figures().then((figures) => response.end(JSON.stringify(figures)))
    return
  }
  const context = { targetingKey: url.searchParams.get("user") ?? "nobody" }
  void client.getNumberDetails("price-limit", 0, context).then(({ errorCode, flagMetadata, value }) => {
    const { retryAfter } = flagMetadata
    if (errorCode === undefined && value === 100) answers.served++
    else if (typeof retryAfter === "number") {
      answers.limited++
      response.writeHead(429, { "Retry-After": String(Math.ceil(retryAfter / 1000)) })
    } else answers.other++
    response.end(JSON.stringify({ value }))
  })
})
server.listen(Number(process.env["PORT"] ?? 0), "127.0.0.1", () => {
  console.log("the server listens")
})
