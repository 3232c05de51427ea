/**
 * What was used of budgets, in Redis, which processes share.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import { type Rule, type Spent, type Store, UsageStore } from "../hooks/UsageHook.ts"
import * as Connection from "./internal/connection.ts"
import * as Shared from "./internal/shared.ts"

/**
 * The options of a store of usage in Redis.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** The start of all its keys in Redis, `"openfeature:usage:"` by default. */
  readonly prefix?: string | undefined
}

// A clock that goes back stays in the later window. What makes no sense is a new window. A sum that is no finite number
// would be such. Sums are rounded as in the memory of a process.
const script = Redis.script(
  (key: string, { budget, window }: Rule, cost: number, isForced: boolean) => [
    key,
    budget,
    window,
    cost,
    isForced ? 1 : 0
  ],
  {
    numberOfKeys: 1,
    lua: `
local budget, window, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local start = now - now % window
local used, refused, most = 0, 0, 1.7976931348623157e308
local kind = redis.call("TYPE", KEYS[1]).ok
if kind == "hash" then
  local known = redis.call("HMGET", KEYS[1], "start", "used", "refused")
  local knownStart, knownUsed, knownRefused = tonumber(known[1]), tonumber(known[2]), tonumber(known[3])
  if knownStart and knownUsed and knownRefused and knownUsed >= 0 and knownUsed < math.huge and
    knownRefused >= 0 and knownRefused < math.huge and knownStart >= start and knownStart <= start + window then
    start, used, refused = knownStart, knownUsed, knownRefused
  end
end
local before, sum = used, math.min(used + cost, most)
if sum % 1 ~= 0 then sum = tonumber(string.format("%.15g", sum)) end
local passed = ARGV[4] == "1"
if not passed then
  if cost == 0 then passed = used < budget else passed = sum <= budget end
end
if passed then used = sum else refused = refused + 1 end
if not passed or cost > 0 then
  if kind ~= "hash" and kind ~= "none" then redis.call("DEL", KEYS[1]) end
  redis.call(
    "HSET", KEYS[1],
    "start", string.format("%.0f", start), "used", string.format("%.17g", used), "refused", string.format("%.0f", refused)
  )
  redis.call("PEXPIRE", KEYS[1], string.format("%.0f", math.min(start + window - now + 1000, 1e14)))
end
return {
  passed and 1 or 0, string.format("%.17g", before), string.format("%.17g", used), string.format("%.0f", refused),
  string.format("%.0f", start), string.format("%.0f", start + window - now)
}
`
  }
).withReturnType<unknown>()

const parse = (answer: unknown): Spent => {
  const none = Number.NaN
  const [isPassed, usedBefore = none, used = none, refused = none, windowStart = none, resetsAfter = none] = Shared
    .numbers(answer, 6)
  return { isPassed: isPassed === 1, usedBefore, used, refused, windowStart, resetsAfter }
}

/**
 * Creates a store of usage in Redis.
 *
 * **Details**
 *
 * Each evaluation is one script, which is atomic and has the clock of Redis, so the
 * clocks of the processes do not matter, and one process reaches each threshold. A
 * key in Redis has the prefix and a SHA-256 of its name and of the key, so no data
 * of a user is readable in it. Redis forgets a window one second after its end.
 *
 * Processes share a budget that has the same prefix, name and `window`.
 *
 * **Gotchas**
 *
 * Give the client of `redis` the options `disableOfflineQueue`, so that commands fail
 * while Redis is away, and `commandOptions: { timeout: 100 }`, so that those that the
 * socket has no room for fail while Redis hangs.
 *
 * Throws a `RangeError` when an option is invalid or unknown.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: Options = {}): Effect.Effect<Store, never, Redis.Redis> => {
  const prefix = Shared.prefixOf("RedisUsageStore.make", options, "openfeature:usage:")
  return Effect.map(Redis.Redis, (redis) => {
    const run = redis.eval(script)
    return {
      spend: (rule, key, cost, isForced) =>
        Effect.map(run(Shared.keyOf(prefix, rule.id, key), rule, cost, isForced), parse)
    }
  })
}

/**
 * Provides a store of usage in Redis as `UsageHook.UsageStore`.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options = {}): Layer.Layer<UsageStore, never, Redis.Redis> =>
  Layer.effect(UsageStore, make(options))

/**
 * The usage of an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running {
  /** The store, for the option `store` of `UsageHook.start`. */
  readonly store: Store
  /** Ends the connection. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** Ends the connection, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * Creates a store of usage for an application without Effect.
 *
 * **Details**
 *
 * Waits for the connection, for at most 1 second. A Redis that is down or hangs is
 * asked again in the background. Until it answers, the store fails at once, so the
 * hook does what it does for a store that is down. A warning tells.
 *
 * **Gotchas**
 *
 * Throws like `make`, and rejects with a `RangeError` when the layer lacks a service
 * or its configuration.
 *
 * @category constructors
 * @since 0.2.0
 */
export const start = <E>(redis: Layer.Layer<Redis.Redis, E>, options: Options = {}): Promise<Running> =>
  Connection.start("RedisUsageStore.start", redis, make(options))
