/**
 * Token buckets in Redis, which processes share.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import { RateLimitStore, type Rule, type Store, type Taken } from "../hooks/RateLimitHook.ts"
import * as Connection from "./internal/connection.ts"
import * as Shared from "./internal/shared.ts"

/**
 * The options of a store of token buckets in Redis.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** The start of all its keys in Redis, `"openfeature:limit:"` by default. */
  readonly prefix?: string | undefined
}

// The credit is in microseconds times the limit, as in the memory of a process, so sums are exact. What makes no
// sense, such as a key of another kind, is a full bucket.
const script = Redis.script(
  (key: string, { burst, limit, window }: Rule) => [key, limit, window, burst],
  {
    numberOfKeys: 1,
    lua: `
local limit, window, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local full = burst * window
local credit, isAhead = full, false
local kind = redis.call("TYPE", KEYS[1]).ok
if kind == "hash" then
  local bucket = redis.call("HMGET", KEYS[1], "credit", "at")
  local known, at = tonumber(bucket[1]), tonumber(bucket[2])
  if known and at and at == at and known >= 0 and known <= full then
    credit = math.min(full, known + math.max(0, now - at) * limit)
    isAhead = at > now
  end
end
local function keep()
  redis.call("HSET", KEYS[1], "credit", string.format("%.17g", credit), "at", string.format("%.0f", now))
  local millis = math.min(math.ceil((full - credit) / limit / 1000) + 1, 1e14)
  redis.call("PEXPIRE", KEYS[1], string.format("%.0f", millis))
end
if credit < window then
  -- The clock went back, and would refill nothing until it is there again.
  if isAhead then keep() end
  return {0, string.format("%.0f", math.ceil((window - credit) / limit / 1000))}
end
if kind ~= "hash" and kind ~= "none" then redis.call("DEL", KEYS[1]) end
credit = credit - window
keep()
return {1, "0"}
`
  }
).withReturnType<unknown>()

const parse = (answer: unknown): Taken => {
  const [isPassed, retryAfter] = Shared.numbers(answer, 2)
  return { isPassed: isPassed === 1, retryAfter: retryAfter ?? Number.NaN }
}

/**
 * Creates a store of token buckets in Redis.
 *
 * **Details**
 *
 * Each evaluation is one script, which is atomic and has the clock of Redis, so the
 * clocks of the processes do not matter. A key in Redis has the prefix and a SHA-256
 * of the name and the numbers of the limit, and of the key, so no data of a user is
 * readable in it. Redis forgets a bucket when it is full again.
 *
 * Processes share a limit that has the same prefix, name, `limit`, `window` and
 * `burst`.
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
  const prefix = Shared.prefixOf("RedisRateLimitStore.make", options, "openfeature:limit:")
  return Effect.map(Redis.Redis, (redis) => {
    const run = redis.eval(script)
    return {
      take: (rule, key) => Effect.map(run(Shared.keyOf(prefix, rule.id, key), rule), parse)
    }
  })
}

/**
 * Provides a store of token buckets in Redis as `RateLimitHook.RateLimitStore`.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options = {}): Layer.Layer<RateLimitStore, never, Redis.Redis> =>
  Layer.effect(RateLimitStore, make(options))

/**
 * The token buckets of an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running {
  /** The store, for the option `store` of `RateLimitHook.start`. */
  readonly store: Store
  /** Ends the connection. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** Ends the connection, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * Creates a store of token buckets for an application without Effect.
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
  Connection.start("RedisRateLimitStore.start", redis, make(options))
