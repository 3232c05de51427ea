/**
 * A cache of resolved flags, in memory or in a store that processes share.
 *
 * @since 0.2.0
 */
import type { Client } from "@openfeature/server-sdk"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import { type ErrorCode, isErrorCode } from "../EvaluationError.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as Check from "../internal/check.ts"
import { Cache, type Result, Turn } from "../internal/hook/cache.ts"
import { Keys, type Names } from "../internal/hook/cacheKey.ts"
import { Memory } from "../internal/hook/cacheMemory.ts"
import type * as Stores from "../internal/hook/cacheStore.ts"
import * as Watch from "../internal/hook/cacheWatch.ts"
import { providerCodes } from "../internal/hook/part.ts"
import { type Attributes, maxLabelLength, Series, SeriesLookup } from "../internal/series.ts"
import * as Services from "../internal/services.ts"
import * as Started from "../internal/started.ts"
import { oneLine } from "../internal/text.ts"
import { ignoreRejection, isRecord } from "../internal/untrusted.ts"

/**
 * Where a cache keeps its answers: `RedisCacheStore` of `effect-openfeature/redis`,
 * or one of your own.
 *
 * **Details**
 *
 * An effect that is already an `Exit` costs an evaluation no fiber. Failures are
 * reported and count as an answer that is not there.
 *
 * @category stores
 * @since 0.2.0
 */
export interface Store extends Stores.Store {}

/**
 * A store for the layers of an application, such as that of `RedisCacheStore`.
 *
 * @category services
 * @since 0.2.0
 */
export class CacheStore extends Context.Service<CacheStore, Store>()("effect-openfeature/CacheStore") {}

/**
 * What an answer is stored under.
 *
 * @category stores
 * @since 0.2.0
 */
export interface Key extends Stores.Key {}

/**
 * The flags whose answers are outdated. Without a name, all of them.
 *
 * @category stores
 * @since 0.2.0
 */
export interface Flags extends Stores.Scope {}

/**
 * What a store knows about a key.
 *
 * @category stores
 * @since 0.2.0
 */
export interface Lookup extends Stores.Lookup {}

/**
 * How an answer is stored.
 *
 * @category stores
 * @since 0.2.0
 */
export interface Storing extends Stores.Storing {}

/**
 * The attributes of the evaluation context that an answer depends on.
 *
 * **Details**
 *
 * - A list of names, with `"targetingKey"` among them: each subject has answers of
 *   its own, one for each combination of the other attributes.
 * - `"context"`: all attributes. It is never wrong, and hits only the same context.
 * - `{ shared: [...] }`: all subjects share their answers, apart from the named
 *   attributes. With an empty list, there is one answer per flag.
 *
 * @category models
 * @since 0.2.0
 */
export type KeyChoice =
  | ReadonlyArray<string>
  | "context"
  | {
    /** The names of the attributes that make a difference. */
    readonly shared: ReadonlyArray<string>
  }

/**
 * The options of a cache.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /**
   * The attributes of the evaluation context that an answer depends on. There is no
   * default. `HookFailures` is told once of a name that none of the first 100
   * evaluations has, since it may be misspelt.
   */
  readonly key: KeyChoice
  /**
   * How long an answer is fresh, 1 minute by default. A function decides for each
   * answer of the provider; with `undefined` or zero, the answer is not stored.
   * `"Infinity"` keeps it until it is invalidated.
   */
  readonly timeToLive?:
    | Duration.Input
    | ((details: EvaluationDetails, context: HookContext) => Duration.Input | undefined)
    | undefined
  /**
   * Other times for some reasons, such as `{ STATIC: "1 hour" }`. Answers with the
   * reasons `DEFAULT`, `DISABLED` and `ERROR` are stored only if they are named here,
   * since providers give the default value of the caller for them. None by default.
   */
  readonly reasons?: Readonly<Record<string, Duration.Input>> | undefined
  /**
   * How long an error is stored, by its code, such as
   * `{ FLAG_NOT_FOUND: "10 seconds" }`. The message is not stored. None by default.
   */
  readonly errors?: Readonly<Partial<Record<ErrorCode, Duration.Input>>> | undefined
  /**
   * How long an answer that is no longer fresh is still served, while one
   * evaluation asks the provider, and gets its error when it fails; zero by default.
   */
  readonly staleFor?: Duration.Input | undefined
  /**
   * The maximum time that an evaluation waits for another one with the same key, 1
   * second by default. Then it asks the provider, too. A refresh that takes longer
   * is made again. With zero, none waits, and each evaluation refreshes what is stale.
   */
  readonly waitTimeout?: Duration.Input | undefined
  /** The maximum number of answers in memory, 10,000 by default. The least recently used one is forgotten. */
  readonly capacity?: number | undefined
  /** Where the answers are. In memory by default. */
  readonly store?: Store | undefined
  /** The maximum time that an evaluation waits for the store, 50 milliseconds by default. */
  readonly timeout?: Duration.Input | undefined
  /** The maximum number of series of `counter`, 1,000 by default. Further flags share one. */
  readonly maxSeries?: number | undefined
}

/**
 * The numbers of a cache so far.
 *
 * @category models
 * @since 0.2.0
 */
export interface Counts {
  /** The evaluations that got a fresh answer, or an error that `errors` names. */
  readonly hits: number
  /** The evaluations that got a stale answer. */
  readonly stale: number
  /** The evaluations that got the answer of another one that ran at the same time. */
  readonly shared: number
  /** The evaluations that found no answer. They ask the provider, unless a later hook answers or refuses. */
  readonly misses: number
  /**
   * The evaluations that the cache has no part in: an attribute of the key is no data
   * or too large, the cache is in the wrong place, or the provider is no
   * `ResolutionProvider`.
   */
  readonly bypassed: number
  /** The failures of the store and of options that are functions, and the lookups while the store was left alone. */
  readonly errors: number
  /** The answers in memory that were forgotten before their time, since `capacity` was reached. */
  readonly evicted: number
  /** The present number of answers in memory, outdated ones included. Zero with a `store`. */
  readonly size: number
}

/**
 * A hook that answers from a cache, and what is known about it.
 *
 * @category models
 * @since 0.2.0
 */
export interface CacheHook {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook
  /** The counts at the time of the call. */
  readonly counts: Effect.Effect<Counts>
  /**
   * Makes sure that answers which were resolved before are no longer served. Fails
   * when the store does. Throws a `RangeError` when it is given something else.
   */
  readonly invalidate: (flags?: Flags | undefined) => Effect.Effect<void, unknown>
  /**
   * Invalidates what the provider says has changed, until the scope closes: the
   * flags that its event names, or all flags of the domain. These are also
   * invalidated when another provider takes its place. What the store fails to do is
   * tried again, after 30 seconds at the latest. Throws a `RangeError` when it is
   * given no client.
   */
  readonly watch: (client: Client) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * The form of `CacheHook` for an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Plain {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook
  /** Returns the present counts. */
  readonly counts: () => Counts
  /**
   * Makes sure that answers which were resolved before are no longer served. Rejects
   * when the store fails. Throws a `RangeError` when it is given something else.
   */
  readonly invalidate: (flags?: Flags | undefined) => Promise<void>
  /**
   * Invalidates what the provider says has changed: the flags that its event names,
   * or all flags of the domain. These are also invalidated when another provider
   * takes its place. What the store fails to do is tried again, after 30 seconds at
   * the latest. Returns a function that ends it. Throws a `RangeError` when it is
   * given no client.
   */
  readonly watch: (client: Client) => () => void
}

/**
 * Counts evaluations that ask a cache, with Effect's `Metric`.
 *
 * **Details**
 *
 * The attributes are `flag_key` and `result`: `hit`, `stale`, `shared`, `miss`, or
 * `bypass` for an evaluation that the cache has no part in.
 *
 * @category metrics
 * @since 0.2.0
 */
export const counter: Metric.Counter<number> = Metric.counter("feature_flag_cache_requests_total", {
  description: "Evaluations of feature flags that asked a cache",
  incremental: true
})

/**
 * Counts failures of the store of a cache, with Effect's `Metric`.
 *
 * @category metrics
 * @since 0.2.0
 */
export const errorCounter: Metric.Counter<number> = Metric.counter("feature_flag_cache_errors_total", {
  description: "Failures of the store of a cache of feature flags",
  incremental: true
})

const name = "cache"

const aKey: Check.Rule = (owner, name, value) => {
  if (value === "context") return
  if (Array.isArray(value)) {
    if (Check.names(owner, name, value).includes("targetingKey")) return
    throw new RangeError(
      `${owner}: ${name} must name "targetingKey", or say that subjects share their answers, as in ` +
        "{ shared: [\"plan\"] }"
    )
  }
  if (!isRecord(value)) Check.reject(owner, name, "a list of attributes, \"context\", or { shared: [...] }", value)
  else {
    Check.knownNames(`${owner}: ${name}`, value, { shared: true })
    Check.names(owner, `${name}.shared`, value["shared"])
  }
}

const timeOrFunction: Check.Rule = (owner, name, value) =>
  typeof value === "function" || Check.lifetime(owner, name, value)

const times: Check.Rule = (owner, name, value) => {
  Check.aRecord(owner, name, value)
  for (const [key, time] of Object.entries(Object(value))) Check.lifetime(owner, `${name}.${oneLine(key, 64)}`, time)
}

const errorTimes: Check.Rule = (owner, name, value) => {
  times(owner, name, value)
  const wrong = Object.keys(Object(value)).find((code) => !isErrorCode(code) || providerCodes.has(code))
  if (wrong !== undefined) {
    Check.reject(owner, name, "an object with error codes that are not about the state of the provider", wrong)
  }
}

const rules: Check.Rules<Options> = {
  key: aKey,
  timeToLive: timeOrFunction,
  reasons: times,
  errors: errorTimes,
  staleFor: Check.finiteDuration,
  waitTimeout: Check.finiteDuration,
  capacity: Check.positiveInteger,
  store: Check.withMethods("get", "set", "remove", "invalidate"),
  timeout: Check.positiveDuration,
  maxSeries: Check.positiveInteger
}

const checked = (owner: string, options: Options): void => {
  Check.options(owner, options, rules)
  // What is not given counts as wrong here, and is no mistake in other options.
  aKey(owner, "key", options.key)
  if (options.store !== undefined && options.capacity !== undefined) {
    throw new RangeError(`${owner}: capacity is that of the memory; give store or capacity, not both`)
  }
}

const namesOf = (key: KeyChoice): Names => {
  if (key === "context") return undefined
  return "shared" in key ? key.shared : key
}

const millisOf = (time: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(time))

const byName = (times: Readonly<Record<string, Duration.Input>> = {}): ReadonlyMap<string, number> =>
  new Map(Object.entries(times).map(([name, time]) => [name, millisOf(time)]))

// Providers give the default value of the caller for them, and other callers can have another one.
const unstored: ReadonlySet<string> = new Set(["DEFAULT", "DISABLED", "ERROR"])

const timeToLiveOf = ({ reasons, timeToLive = "1 minute" }: Options) => {
  const byReason = byName(reasons)
  const always = typeof timeToLive === "function" ? undefined : millisOf(timeToLive)
  return (details: EvaluationDetails, context: HookContext): number => {
    const { reason } = details
    const found = reason === undefined ? undefined : byReason.get(reason)
    if (found !== undefined) return found
    if (reason !== undefined && unstored.has(reason)) return 0
    if (always !== undefined || typeof timeToLive !== "function") return always ?? 0
    const time = timeToLive(details, context)
    if (!Predicate.isPromiseLike(time)) return time === undefined ? 0 : millisOf(time)
    ignoreRejection(time)
    throw new Check.Misuse("got a promise from timeToLive, which has to give a time at once")
  }
}

const countingIn = (limit: number) => {
  const make = (attributes: Attributes) =>
    Metric.withAttributes(
      counter,
      Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, String(value)]))
    )
  const series = new Series(make({ flag_key: "overflow", result: "overflow" }))
  const lookup = new SeriesLookup(
    limit,
    ({ flagKey, reason = "" }) => series.of({ flag_key: oneLine(flagKey, maxLabelLength), result: reason }, limit, make)
  )
  const outcomes = { hit: "hit", stale: "stale", shared: "shared", miss: "miss", bypass: "bypass" } as const
  const byResult = new Map(Object.values(outcomes).map((reason) => [reason, { reason }]))
  return (flagKey: string, result: Result): void =>
    lookup.of(flagKey, "", byResult.get(result) ?? {}, "").updateUnsafe(1, Services.current())
}

const create = (options: Options) => {
  const { capacity = 10_000, key, maxSeries = 1000, staleFor = 0, timeout = "50 millis", waitTimeout = "1 second" } =
    options
  const memory = options.store === undefined ? new Memory(capacity) : undefined
  const store: Store = options.store ?? memory ?? new Memory(capacity)
  const errorTimes = byName(options.errors)
  const cache = new Cache({
    name,
    keys: new Keys(namesOf(key)),
    store,
    timeout: Duration.fromInputUnsafe(timeout),
    timeToLive: timeToLiveOf(options),
    errorTime: ({ code }) => errorTimes.get(code) ?? 0,
    staleFor: millisOf(staleFor),
    waitTimeout: millisOf(waitTimeout),
    count: countingIn(maxSeries),
    countError: () => errorCounter.updateUnsafe(1, Services.current())
  })
  const stages = FeatureHook.make(name, {
    hookData: () => new Turn(),
    before: (context, _hints, turn) => cache.before(context, turn),
    after: (context, details, _hints, turn) => cache.after(context, details, turn),
    error: (context, error, _hints, turn) => cache.error(context, error, turn),
    finally: (_context, _details, _hints, turn) => cache.finally(turn)
  })
  const hook = FeatureHook.observe(stages)
  const counts = (): Counts => {
    const { bypassed, calls: { errors }, hits, misses, shared, stale } = cache
    const { evicted = 0, size = 0 } = memory ?? {}
    return { hits, stale, shared, misses, bypassed, errors, evicted, size }
  }
  const invalidate = (flags: Flags = {}) => {
    Check.options("CacheHook.invalidate", flags, { domain: Check.aString, flagKey: Check.aString })
    return cache.calls.invalidate(flags)
  }
  const watch = (client: Client) =>
    Watch.watch(client, { invalidate, failed: (cause) => cache.calls.failed("before", "", cause) })
  return { hook, counts, invalidate, watch }
}

/**
 * Creates a hook that answers from a cache what the provider resolved before.
 *
 * **When to use**
 *
 * Use when the provider takes long to resolve a flag, or has limits or costs. Do
 * not use it for a provider that resolves flags in memory: it is as fast.
 *
 * **Details**
 *
 * - An answer has the reason `CACHED`, and the value, variant and metadata that the
 *   provider gave. It is found by the domain, the flag key, the flag type, the name
 *   of the provider and the attributes of `key`. A missing attribute counts as
 *   missing, and types are kept apart.
 * - What the provider resolved is stored. Answers of hooks are not, and errors and
 *   defaults only if `errors` and `reasons` name them.
 * - When several evaluations miss the same key at the same time, one asks the
 *   provider. The others wait for it, up to `waitTimeout`. Processes that share a
 *   store do not wait for each other.
 * - A store that is slow or down delays no evaluation beyond `timeout`, and fails
 *   none. Its failures go to `HookFailures`. After three in a row it is left alone,
 *   and asked by one evaluation a second until it answers.
 *
 * **Gotchas**
 *
 * A client of the SDK needs a `ResolutionProvider`. Without it, the cache has no part
 * in evaluations, and reports that once. `FeatureFlags` with a `provider` needs
 * nothing.
 *
 * Put each attribute that a rule of the flag reads into `key`. Put the cache after
 * the hooks that contribute attributes. When a later hook changes an attribute of
 * the key, the answer is not served and the provider is asked; the cache reports it
 * and leaves the flag alone from then on.
 *
 * Without `watch`, a change of the flags shows when the time to live is over.
 *
 * The error of another hook cannot be told from one of the provider, so it is
 * stored if `errors` has its code.
 *
 * Throws a `RangeError` when an option is invalid or unknown, when `key` is
 * missing, or when it ignores the targeting key without `shared`.
 *
 * **Example** (Asking the provider once)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { CacheHook, FeatureFlags } from "effect-openfeature"
 * import { TestProvider } from "effect-openfeature/testing"
 *
 * const program = Effect.gen(function*() {
 *   const cache = yield* CacheHook.make({ key: ["targetingKey", "plan"], timeToLive: "30 seconds" })
 *   const provider = TestProvider.make({ flags: { sale: TestProvider.value(true) } })
 *   const flags = yield* FeatureFlags.make({ provider, hooks: [cache.hook] })
 *   yield* cache.watch(flags.client)
 *   const context = { targetingKey: "user-1", plan: "pro" }
 *   yield* flags.boolean("sale", false, { context })
 *   const { reason } = yield* flags.booleanDetails("sale", false, { context })
 *   const { hits, misses } = yield* cache.counts
 *   return { reason, hits, misses }
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => { reason: "CACHED", hits: 1, misses: 1 }
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: Options): Effect.Effect<CacheHook> => {
  checked("CacheHook.make", options)
  return Effect.sync(() => {
    const { counts, ...rest } = create(options)
    return { ...rest, counts: Effect.sync(counts) }
  })
}

/**
 * Creates a cache for an application without Effect.
 *
 * **Details**
 *
 * The same as `make`, at once.
 *
 * **Gotchas**
 *
 * Throws like `make`. The provider of the client must be a `ResolutionProvider`.
 *
 * **Example** (Caching on a client of the SDK)
 *
 * ```ts
 * import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
 * import { CacheHook, OpenFeatureHook, ResolutionProvider } from "effect-openfeature"
 *
 * const flag = { variants: { on: true, off: false }, defaultVariant: "on", disabled: false } as const
 * const provider = new InMemoryProvider({ sale: flag })
 * await OpenFeature.setProviderAndWait("cache", ResolutionProvider.make(provider))
 *
 * const cache = CacheHook.makeUnsafe({ key: ["targetingKey"], timeToLive: "5 minutes" })
 * const client = OpenFeature.getClient("cache").addHooks(OpenFeatureHook.make(cache.hook))
 * cache.watch(client)
 *
 * const user = { targetingKey: "user-1" }
 * await client.getBooleanValue("sale", false, user)
 * const { reason } = await client.getBooleanDetails("sale", false, user)
 * reason // => "CACHED"
 *
 * await provider.putConfiguration({ sale: { ...flag, defaultVariant: "off" } })
 * await client.getBooleanValue("sale", true, user) // => false
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeUnsafe = (options: Options): Plain => {
  checked("CacheHook.makeUnsafe", options)
  const { invalidate, watch, ...rest } = create(options)
  return {
    ...rest,
    invalidate: (flags) => Started.runPromise(invalidate(flags)),
    watch: (client) => {
      const { close } = Started.start(watch(client))
      return () => void close()
    }
  }
}
