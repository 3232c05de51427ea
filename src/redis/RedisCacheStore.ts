/**
 * A store for `CacheHook` in Redis, which processes share.
 *
 * @since 0.2.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Redis } from "effect/persistence"
import { type ResolutionDetails, resolutionFrom } from "../EvaluationDetails.ts"
import * as CacheHook from "../hooks/CacheHook.ts"
import * as Check from "../internal/check.ts"
import { randomUUID, sha256 } from "../internal/node.ts"
import { tryOr } from "../internal/untrusted.ts"
import * as Connection from "./internal/connection.ts"

/**
 * The options of a store of answers.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** The text that all keys in Redis start with, `"feature-flag-cache:"` by default. */
  readonly prefix?: string | undefined
  /** The maximum length of an answer, in characters of JSON, 100,000 by default. Longer ones are not stored. */
  readonly maxLength?: number | undefined
}

/**
 * The store of an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running {
  /** The store, for the option `store` of `CacheHook.makeUnsafe`. */
  readonly store: CacheHook.Store
  /** Ends the connection. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** Ends the connection, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** What answers of this form start with. Another form needs another one. */
const form = "1 "

/** Without evaluations for so long, the versions of a flag are forgotten, and with them its answers. */
const versionLifetime = Duration.toMillis("1 day")

/** Redis keeps no answer for longer. */
const maxLifetime = Duration.toMillis("30 days")

// A version has a part for each scope that can be invalidated. A part that is missing, since it was invalidated or
// evicted, gets a value that it never had, so that answers with the old one stay outdated.
const getScript = Redis.script(
  (
    keys: ReadonlyArray<string>,
    claim: number,
    unique: string
  ) => [...keys, claim, unique, versionLifetime],
  {
    numberOfKeys: (keys) => keys.length,
    lua: `
local parts = {}
for i = 3, #KEYS do
  local part = redis.pcall('GET', KEYS[i])
  if type(part) ~= 'string' then
    part = ARGV[2]
    local made = redis.pcall('SET', KEYS[i], part, 'PX', ARGV[3])
    if made.err then return { '', 'none', '' } end
  end
  parts[#parts + 1] = part
end
local version = table.concat(parts, ' ')
local entry = redis.pcall('GET', KEYS[1])
if not entry then return { version, 'none', '' } end
if type(entry) ~= 'string' or entry:sub(1, ${form.length}) ~= '${form}' then return { version, 'garbage', '' } end
local head = '${form}' .. version .. '\\n'
if entry:sub(1, #head) ~= head then return { version, 'none', '' } end
local staleFor, answer = entry:sub(#head + 1):match('^(%d+)\\n(.*)$')
local left = redis.call('PTTL', KEYS[1])
if not staleFor or left < 0 then return { version, 'garbage', '' } end
if left > tonumber(staleFor) then return { version, 'fresh', answer } end
local claimed = redis.pcall('SET', KEYS[2], '1', 'NX', 'PX', ARGV[1])
if claimed and claimed.ok then return { version, 'claimed', answer } end
return { version, 'stale', answer }
`
  }
).withReturnType<unknown>()

const setScript = Redis.script(
  (
    keys: ReadonlyArray<string>,
    version: string,
    answer: string,
    staleFor: number,
    lifetime: number
  ) => [...keys, version, answer, staleFor, lifetime],
  {
    numberOfKeys: (keys) => keys.length,
    lua: `
local parts = {}
for i = 3, #KEYS do
  local part = redis.pcall('GET', KEYS[i])
  if type(part) ~= 'string' then return 0 end
  parts[#parts + 1] = part
end
if table.concat(parts, ' ') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], '${form}' .. ARGV[1] .. '\\n' .. ARGV[3] .. '\\n' .. ARGV[2], 'PX', ARGV[4])
redis.call('DEL', KEYS[2])
for i = 3, #KEYS do
  local left = redis.call('PTTL', KEYS[i])
  if left >= 0 and left < tonumber(ARGV[4]) + ${versionLifetime / 2} then
    redis.call('PEXPIRE', KEYS[i], tonumber(ARGV[4]) + ${versionLifetime})
  end
end
return 1
`
  }
)

const noAnswer = { answer: undefined, isStale: false, isClaimed: false }

const text = (value: unknown): string => typeof value === "string" ? value : ""

/** Whether JSON keeps it as it is. */
const isJson = (value: unknown): boolean => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0)
    case "object": {
      if (value === null) return true
      const names = Reflect.ownKeys(value)
      if (Array.isArray(value)) return names.length === value.length + 1 && Array.from(value).every(isJson)
      const prototype: unknown = Object.getPrototypeOf(value)
      return (prototype === Object.prototype || prototype === null) &&
        names.every((name) => typeof name === "string" && isJson(Reflect.get(value, name)))
    }
    default:
      return false
  }
}

const encode = (answer: ResolutionDetails, maxLength: number): string | undefined => {
  const json = JSON.stringify(answer)
  return json.length <= maxLength && isJson(answer) ? json : undefined
}

const decode = (json: string): ResolutionDetails | undefined =>
  tryOr(() => resolutionFrom(JSON.parse(json)), () => undefined)

const checked = (owner: string, options: Options): void => {
  Check.options(owner, options, { prefix: Check.aText, maxLength: Check.positiveInteger })
  if (sha256("") === undefined) throw new RangeError(`${owner}: needs Node.js`)
}

const create = Effect.fnUntraced(function*({ maxLength = 100_000, prefix = "feature-flag-cache:" }: Options) {
  const redis = yield* Redis.Redis
  const process = randomUUID() ?? ""
  let requests = 0
  const isTold = { garbage: false }

  const keyOf = (kind: string, ...texts: ReadonlyArray<string>): string =>
    `${prefix}${kind}:${sha256(texts.map((text) => `${text.length}:${text}`).join("")) ?? ""}`
  const versionKey = ({ domain, flagKey }: CacheHook.Flags): string =>
    `${prefix}version${domain === undefined ? "" : "-domain"}${flagKey === undefined ? "" : "-flag"}` +
    keyOf("", domain ?? "", flagKey ?? "").slice(prefix.length)
  const keysOf = ({ domain, flagKey, text }: CacheHook.Key): ReadonlyArray<string> => [
    keyOf("answer", text),
    keyOf("claim", text),
    versionKey({}),
    versionKey({ flagKey }),
    ...domain === undefined ? [] : [versionKey({ domain }), versionKey({ domain, flagKey })]
  ]
  const tellGarbage = Effect.suspend(() => {
    if (isTold.garbage) return Effect.void
    isTold.garbage = true
    return Effect.logWarning("the cache in Redis has what is no answer, or one of another version; it counts as none")
  })

  const get = redis.eval(getScript)
  const set = redis.eval(setScript)
  const remove = (key: CacheHook.Key): Effect.Effect<void, Redis.RedisError> =>
    Effect.asVoid(redis.send("DEL", keyOf("answer", key.text), keyOf("claim", key.text)))
  const store: CacheHook.Store = {
    get: (key, claim) =>
      Effect.suspend(() => get(keysOf(key), Math.max(1, Math.ceil(claim)), `${process}-${++requests}`)).pipe(
        Effect.flatMap((result): Effect.Effect<CacheHook.Lookup> => {
          const [versionText, state, json] = Array.isArray(result) ? result.map(text) : []
          const version = versionText || undefined
          if (state === "none") return Effect.succeed({ ...noAnswer, version })
          const answer = state === "garbage" || json === undefined ? undefined : decode(json)
          if (answer === undefined) return Effect.as(tellGarbage, { ...noAnswer, version })
          return Effect.succeed({ answer, isStale: state !== "fresh", isClaimed: state === "claimed", version })
        })
      ),
    set: (key, answer, { staleFor, timeToLive, version }) =>
      Effect.suspend(() => {
        const json = tryOr(() => encode(answer, maxLength), () => undefined)
        // What was stored before is outdated all the same. As a stale answer, it would be served for long.
        if (json === undefined) return remove(key)
        const stale = Math.min(Math.ceil(staleFor), maxLifetime)
        const lifetime = Math.min(Math.max(1, Math.ceil(timeToLive)), maxLifetime) + stale
        return Effect.asVoid(set(keysOf(key), `${version}`, json, stale, lifetime))
      }),
    remove: (key) => Effect.suspend(() => remove(key)),
    invalidate: (flags) => Effect.suspend(() => Effect.asVoid(redis.send("DEL", versionKey(flags))))
  }
  return store
})

/**
 * Creates a store for `CacheHook` in Redis.
 *
 * **When to use**
 *
 * Use when several processes or machines evaluate the same flags. What one of them
 * resolves, all can serve, and an invalidation by one holds for all.
 *
 * **Details**
 *
 * - Flag keys, domains and attributes are hashed with SHA-256 in the keys of Redis.
 *   Values, variants and metadata are stored in clear.
 * - Of all processes that find the same stale answer, one refreshes it.
 * - A value that JSON does not keep as it is, such as `NaN`, is not stored. Neither is
 *   one that is too long. The answer before it is removed.
 * - What is no answer, or one of another version of this library, counts as none. A
 *   warning tells once.
 * - When Redis evicts keys, answers are missing, and none that was invalidated comes
 *   back.
 *
 * **Gotchas**
 *
 * Give the client of `redis` the options `disableOfflineQueue`, so that commands fail
 * while Redis is away, and `commandOptions: { timeout: 100 }`, so that those that the
 * socket has no room for fail while Redis hangs. Redis must be one instance with its
 * replicas, not a cluster.
 *
 * A Redis that starts from an older snapshot, or a replica that takes over, can have
 * lost an invalidation. Then the old answers come back until their time is over.
 *
 * Whoever can write to Redis decides about flags. Somebody who can read the keys and
 * guesses an evaluation context can find out whether it was evaluated.
 *
 * Throws a `RangeError` when an option is invalid or unknown, or outside of Node.js.
 *
 * **Example** (Sharing a cache)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { CacheHook } from "effect-openfeature"
 * import { RedisCacheStore } from "effect-openfeature/redis"
 *
 * const cache = Effect.gen(function*() {
 *   const store = yield* RedisCacheStore.make({ prefix: "shop:" })
 *   return yield* CacheHook.make({ key: ["targetingKey"], staleFor: "1 minute", store })
 * }) // needs the service Redis
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: Options = {}): Effect.Effect<CacheHook.Store, never, Redis.Redis> => {
  checked("RedisCacheStore.make", options)
  return create(options)
}

/**
 * Provides a store in Redis as `CacheHook.CacheStore`.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options = {}): Layer.Layer<CacheHook.CacheStore, never, Redis.Redis> => {
  checked("RedisCacheStore.layer", options)
  return Layer.effect(CacheHook.CacheStore, create(options))
}

/**
 * Connects a store in Redis, for an application without Effect.
 *
 * **Details**
 *
 * Takes a layer that connects to Redis, and waits for the connection, for at most
 * 1 second. A Redis that is down or hangs is asked again in the background. Until it
 * answers, the store fails at once, so the provider is asked. A warning tells.
 *
 * **Gotchas**
 *
 * Throws like `make`, and rejects with a `RangeError` when the layer lacks a service
 * or its configuration.
 *
 * **Example** (Sharing a cache without Effect)
 *
 * ```ts
 * import { CacheHook } from "effect-openfeature"
 * import { RedisCacheStore } from "effect-openfeature/redis"
 * import type { Layer } from "effect"
 * import type { Redis } from "effect/persistence"
 *
 * // NodeRedis.layer({ url, disableOfflineQueue: true, commandOptions: { timeout: 100 } }) of @effect/platform-node
 * const cacheIn = async (redis: Layer.Layer<Redis.Redis, unknown>) => {
 *   const { close, store } = await RedisCacheStore.start(redis)
 *   return { cache: CacheHook.makeUnsafe({ key: ["targetingKey"], store }), close }
 * }
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const start = <E>(redis: Layer.Layer<Redis.Redis, E>, options: Options = {}): Promise<Running> => {
  checked("RedisCacheStore.start", options)
  return Connection.start("RedisCacheStore.start", redis, create(options))
}
