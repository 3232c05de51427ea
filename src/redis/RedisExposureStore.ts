/**
 * Exposures that processes share in Redis, so that a subject is exposed once in all
 * of them.
 *
 * @since 0.2.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as ExposureHook from "../hooks/ExposureHook.ts"
import * as Check from "../internal/check.ts"
import { sha256Hex } from "../internal/node.ts"
import * as Connection from "./internal/connection.ts"

/**
 * The options of a store of exposures.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** What the keys in Redis begin with, `feature-flag-exposure:` by default. */
  readonly prefix?: string | undefined
}

/**
 * A store of an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running {
  /** The store, for the option `store` of an exposure hook. */
  readonly store: ExposureHook.Store
  /** Closes the connection. Close the hooks first. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** The same as `close`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

// "+" is what was exposed, "-" and an owner a reservation. Anything else, of any type, is garbage, and so is a
// reservation without an end, which would hold for ever.
const reserveScript = Redis.script((key: string, owner: string, lease: number) => [key, owner, lease], {
  numberOfKeys: 1,
  lua: `
local key, mine, lease = KEYS[1], "-" .. ARGV[1], ARGV[2]
if redis.call("TYPE", key)["ok"] == "string" then
  local value = redis.call("GET", key)
  local ttl = redis.call("PTTL", key)
  if value == "+" then return {"exposed", ttl} end
  if value ~= mine and string.sub(value, 1, 1) == "-" and ttl >= 0 then return {"pending", ttl} end
end
redis.call("SET", key, mine, "PX", lease)
return {"reserved", 0}`
}).withReturnType<unknown>()

const releaseScript = Redis.script((key: string, owner: string) => [key, owner], {
  numberOfKeys: 1,
  lua: `
local key = KEYS[1]
if redis.call("TYPE", key)["ok"] == "string" and redis.call("GET", key) == "-" .. ARGV[1] then
  return redis.call("DEL", key)
end
return 0`
}).withReturnType<unknown>()

const reservationOf = (answer: unknown): ExposureHook.Reservation => {
  const [state, ttl]: ReadonlyArray<unknown> = Array.isArray(answer) ? answer : []
  if (state === "exposed") return typeof ttl === "number" && ttl >= 0 ? { state, remaining: ttl } : { state }
  return { state: state === "pending" ? "pending" : "reserved" }
}

/** Redis takes whole milliseconds, and not more than this number of them. */
const millisOf = (time: Duration.Duration): number =>
  Math.min(Math.max(1, Math.ceil(Duration.toMillis(time))), Number.MAX_SAFE_INTEGER / 2)

const checked = (owner: string, options: Options): string => {
  const { prefix = "feature-flag-exposure:" } = Check.options(owner, options, { prefix: Check.aString })
  return prefix
}

const storeOf = (prefix: string, redis: Redis.Redis["Service"]): ExposureHook.Store => {
  const digest = sha256Hex("RedisExposureStore")
  // A key of a caller of its own can be of any length and content.
  const keyOf = (key: string): string => prefix + (/^[0-9a-f]{64}$/.test(key) ? key : digest(key))
  const each = <A>(
    keys: ReadonlyArray<string>,
    ask: (key: string) => Effect.Effect<A, Redis.RedisError>
  ): Effect.Effect<Array<A>, Redis.RedisError> =>
    // One command per key, all at once: the keys of one script would have to be on one node of a cluster.
    Effect.forEach(keys, (key) => ask(keyOf(key)), { concurrency: "unbounded" })
  const reserve = redis.eval(reserveScript)
  const release = redis.eval(releaseScript)
  return {
    reserve: (keys, owner, lease) =>
      each(keys, (key) => Effect.map(reserve(key, owner, millisOf(lease)), reservationOf)),
    confirm: (keys, _owner, window) =>
      Effect.asVoid(each(keys, (key) =>
        Duration.isFinite(window)
          ? redis.send("SET", key, "+", "PX", String(millisOf(window)))
          : redis.send("SET", key, "+"))),
    release: (keys, owner) => Effect.asVoid(each(keys, (key) => release(key, owner)))
  }
}

/**
 * Creates a store on Effect's `Redis` service.
 *
 * **When to use**
 *
 * Use when several processes expose the same subjects, and the sink does not count a
 * repeated `id` once.
 *
 * **Details**
 *
 * An exposure takes two steps. A process reserves it, with a script that is atomic,
 * sends it, and then confirms it for the window. When the sink fails, it releases the
 * reservation, so another process can expose it. A process that dies leaves a
 * reservation that ends with its `lease`.
 *
 * Keys in Redis are digests, and values have no data of an evaluation. Each key has
 * an end, unless the window is infinite. Values of other programs under the same keys
 * are replaced.
 *
 * **Gotchas**
 *
 * Give the client of Redis a limit for commands, and no offline queue. Otherwise
 * commands pile up while Redis is away.
 *
 * Throws a `RangeError` when an option is invalid or unknown.
 *
 * **Example** (Sharing exposures between processes)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ExposureHook } from "effect-openfeature"
 * import { RedisExposureStore } from "effect-openfeature/redis"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* RedisExposureStore.make({ prefix: "shop:exposure:" })
 *   return yield* ExposureHook.make({ store, send: (batch) => Effect.logInfo(`${batch.length} exposures`) })
 * })
 * Effect.isEffect(program) // => true
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: Options = {}): Effect.Effect<ExposureHook.Store, never, Redis.Redis> => {
  const prefix = checked("RedisExposureStore.make", options)
  return Effect.map(Redis.Redis, (redis) => storeOf(prefix, redis))
}

/**
 * Provides a store on Effect's `Redis` service as `ExposureHook.ExposureStore`.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options = {}): Layer.Layer<ExposureHook.ExposureStore, never, Redis.Redis> => {
  const prefix = checked("RedisExposureStore.layer", options)
  return Layer.effect(ExposureHook.ExposureStore, Effect.map(Redis.Redis, (redis) => storeOf(prefix, redis)))
}

/**
 * Connects a store to Redis, for an application without Effect.
 *
 * **Details**
 *
 * Takes a layer with Effect's `Redis` service, such as `NodeRedis.layer` of
 * `@effect/platform-node`. It connects in the background. A Redis that is down or
 * hangs at the start is asked again, and a warning tells. Until it answers, each
 * process exposes for itself.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the layer is none, or an option is invalid or unknown.
 * A layer that lacks a service or its configuration is told as an error in the log.
 *
 * @category constructors
 * @since 0.2.0
 */
export const start = (redis: Layer.Layer<Redis.Redis, unknown>, options: Options = {}): Running => {
  const owner = "RedisExposureStore.start"
  return Connection.startNow(owner, redis, make(options))
}
