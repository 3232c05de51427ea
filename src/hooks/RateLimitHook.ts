/**
 * Hooks that limit how often flags are evaluated.
 *
 * A component in a loop, or one subject with many requests, can ask a remote
 * provider more often than it allows. This hook counts evaluations in token
 * buckets, and rejects those over the limit, serves them from the last answer, or
 * only tells about them.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { EvaluationError } from "../EvaluationError.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import type * as HookHints from "../HookHints.ts"
import * as Check from "../internal/check.ts"
import * as Alerts from "../internal/hook/alerts.ts"
import * as Buckets from "../internal/hook/buckets.ts"
import * as LimitKey from "../internal/hook/limitKey.ts"
import * as LimitOptions from "../internal/hook/limitOptions.ts"
import * as OverLimit from "../internal/hook/overLimit.ts"
import { StoreCalls } from "../internal/hook/storeCalls.ts"
import { Limiter } from "../internal/limiter.ts"
import { boundedCounter } from "../internal/series.ts"
import * as Started from "../internal/started.ts"
import { oneLine } from "../internal/text.ts"
import * as BackgroundHook from "./BackgroundHook.ts"

/**
 * A limit, as a store gets it.
 *
 * @category models
 * @since 0.2.0
 */
export interface Rule extends Buckets.Rule {}

/**
 * What a store of token buckets says about an evaluation.
 *
 * @category models
 * @since 0.2.0
 */
export interface Taken extends Buckets.Taken {}

/**
 * A store of token buckets.
 *
 * **Details**
 *
 * A bucket that the store does not know is full. A store that answers with an
 * `Exit`, such as `Effect.succeed`, answers at once, so the evaluation needs no
 * fiber.
 *
 * @category models
 * @since 0.2.0
 */
export interface Store {
  /**
   * Takes a token from the bucket of a key. The key can be any text of any length,
   * and data of a user. A store that fails for some keys can count as down for all.
   */
  readonly take: (rule: Rule, key: string) => Effect.Effect<Taken, unknown>
}

/**
 * A store for the layers of an application, such as that of `RedisRateLimitStore`.
 *
 * @category services
 * @since 0.2.0
 */
export class RateLimitStore extends Context.Service<RateLimitStore, Store>()("effect-openfeature/RateLimitStore") {}

/**
 * What evaluations are counted by.
 *
 * **Details**
 *
 * - `"all"`: all evaluations together, such as those of one component.
 * - `"domain"`: each domain of a client.
 * - `"flag"`: each flag.
 * - `"subject"`: each targeting key.
 * - `"subjectAndFlag"`: each flag of each targeting key.
 * - `{ attribute }`: each value of an attribute of the evaluation context, which is a
 *   text, a number or a boolean.
 * - `{ hint }`: each value of a hint, such as `{ hint: HookHints.key<string>("team") }`.
 * - A function that returns the key.
 *
 * An evaluation without a key, such as one without a targeting key, is not
 * limited. `HookFailures` is told once when none of the first 100 has a key, unless
 * `by` is a function.
 *
 * @category models
 * @since 0.2.0
 */
export type By = LimitKey.By

/**
 * What happens to an evaluation over the limit.
 *
 * @category models
 * @since 0.2.0
 */
export interface WhenLimited extends OverLimit.Options {}

/**
 * The options of a rate limit.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options<out B = unknown> extends WhenLimited {
  /** The number of evaluations that each key may make in a window. */
  readonly limit: number
  /** The window, such as `"1 second"`. */
  readonly window: Duration.Input
  /** The number of evaluations that a key may make at once after a pause, by default `limit`. */
  readonly burst?: number | undefined
  /** The name of the limit in metrics, alerts, messages and the store, `"rate-limit"` by default. */
  readonly name?: string | undefined
  /** What is counted, `"all"` by default. */
  readonly by?: By | undefined
  /** What happens over the limit, `"reject"` by default. */
  readonly onLimited?: "reject" | "last" | "report" | undefined
  /** The store of the buckets. By default they are in the memory of the hook. */
  readonly store?: Store | undefined
  /**
   * The maximum number of keys in the memory of the hook, 100,000 by default.
   * When more of them are in use, one with a fuller bucket than others is
   * forgotten, and starts with a full one.
   */
  readonly capacity?: number | undefined
  /** The maximum time that an evaluation waits for the store, 50 milliseconds by default. */
  readonly timeout?: Duration.Input | undefined
  /**
   * Runs for each alert, one after the other, in the background. Returns an
   * effect, a promise, or nothing. None by default.
   */
  readonly onAlert?: ((alert: Alert) => B) | undefined
  /** The minimum time between two alerts for the same key, 1 minute by default. */
  readonly alertInterval?: Duration.Input | undefined
  /** The maximum number of keys with alerts of their own, 1,024 by default. All further ones share one alert per interval. */
  readonly maxAlertKeys?: number | undefined
  /** The maximum number of alerts that wait for `onAlert` or a slow reader, 1,024 by default. Further ones are dropped. */
  readonly alertCapacity?: number | undefined
  /**
   * How the key is written into alerts: `"omit"`, `"raw"`, or a function. By
   * default it is left out, unless it is the name of a flag or a domain.
   */
  readonly printKey?: "omit" | "raw" | ((key: string) => string) | undefined
  /** The maximum number of series of `counter`, 1,000 by default. Further flags share one, so totals stay exact. */
  readonly maxSeries?: number | undefined
  /** The maximum time that closing waits for `onAlert`, 3 seconds by default. */
  readonly closeTimeout?: Duration.Input | undefined
}

/**
 * What became of an evaluation over the limit: `"rejected"`, `"served"` from the
 * last answer, or `"passed"`.
 *
 * @category models
 * @since 0.2.0
 */
export type Outcome = OverLimit.Outcome

/**
 * An evaluation over the limit. It has nothing of the user, unless `printKey` says so.
 *
 * @category models
 * @since 0.2.0
 */
export interface Alert {
  /** The name of the limit. */
  readonly limit: string
  /** The key, if `printKey` allows it. */
  readonly key: string | undefined
  /** The key of the flag. */
  readonly flagKey: string
  /** What became of the evaluation. */
  readonly outcome: Outcome
  /** The milliseconds until the next evaluation passes. */
  readonly retryAfter: number
  /** The number of further ones of the same key that were left out since the previous alert. */
  readonly suppressed: number
  /** Whether there are more keys than `maxAlertKeys`, so this alert stands for all further ones. */
  readonly isOverflow: boolean
}

/**
 * The numbers of a rate limit so far.
 *
 * @category models
 * @since 0.2.0
 */
export interface Counts {
  /** The evaluations within the limit. */
  readonly passed: number
  /** The evaluations over the limit. */
  readonly limited: number
  /** The evaluations that were rejected. */
  readonly rejected: number
  /** The evaluations that were served from the last answer. */
  readonly served: number
  /** The evaluations without a key. */
  readonly unkeyed: number
  /** The evaluations for which the store, or the key, gave no answer. */
  readonly unchecked: number
  /** The alerts. */
  readonly alerts: number
  /** The alerts that a slow reader of the stream lost. */
  readonly dropped: number
  /** The present number of keys in the memory of the hook. Zero with another store. */
  readonly keys: number
  /** The keys that were forgotten before their bucket was full again, since `capacity` was reached. */
  readonly evicted: number
}

/**
 * A hook that limits evaluations, and what it tells.
 *
 * @category models
 * @since 0.2.0
 */
export interface RateLimitHook {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook<EvaluationError>
  /** All alerts from the subscription on, until the scope closes. */
  readonly alerts: Stream.Stream<Alert>
  /** The present numbers. */
  readonly counts: Effect.Effect<Counts>
  /** Waits until `onAlert` has had all alerts. */
  readonly flush: Effect.Effect<void>
}

/**
 * The rate limit of an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook<EvaluationError>
  /** Returns the present numbers. */
  readonly counts: () => Counts
  /** Waits until `onAlert` has had all alerts. */
  readonly flush: () => Promise<void>
  /** Ends the alerts. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** Ends the alerts, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * Counts evaluations over a limit with Effect's `Metric`.
 *
 * **Details**
 *
 * The attributes are `limit`, the name, `flag_key`, and `outcome`: `rejected`,
 * `served`, `passed`, or `unchecked` when the store gave no answer.
 *
 * @category metrics
 * @since 0.2.0
 */
export const counter: Metric.Counter<number> = Metric.counter("feature_flag_rate_limited_total", {
  description: "Evaluations of feature flags over a rate limit",
  incremental: true
})

const defaultCapacity = 100_000

const acquire = Effect.fnUntraced(function*<B>(options: Options<B>) {
  const { alertInterval = "1 minute", by = "all", name = "rate-limit", onAlert } = options
  const clock = yield* Clock.Clock
  const memory = new Buckets.Buckets(options.capacity ?? defaultCapacity, clock)
  const store = options.store ?? memory
  const buckets = store instanceof Buckets.Buckets ? store : undefined
  const rule = Buckets.ruleOf(name, options)
  const keys = new LimitKey.Keys(name, by)
  const over = new OverLimit.OverLimit({
    name,
    kind: "rate limit",
    exceeded: "is exceeded",
    onLimited: options.onLimited ?? "reject",
    series: boundedCounter(counter, "limit", name, options.maxSeries ?? 1000),
    clock
  }, options)
  const calls = new StoreCalls(name, Duration.fromInputUnsafe(options.timeout ?? "50 millis"), clock)
  const alerts = yield* Alerts.make<Alert, FeatureHook.StageServices<B>>({
    name,
    counter: BackgroundHook.counter,
    onAlert,
    capacity: options.alertCapacity ?? 1024,
    closeTimeout: options.closeTimeout
  })
  const limiter = new Limiter(alertInterval, options.maxAlertKeys ?? 1024)
  const printed = LimitKey.printer(options.printKey, by)
  let passed = 0

  const alert = (context: HookContext, key: string, outcome: Outcome, retryAfter: number): void => {
    const taken = limiter.take(Buckets.bounded(key), clock.monotonicTimeNanosUnsafe())
    if (taken === undefined) return
    const flagKey = oneLine(context.flagKey, 256)
    alerts.send(Object.freeze({ limit: name, key: printed(key), flagKey, outcome, retryAfter, ...taken }), flagKey)
  }
  const limit = (context: HookContext, turn: OverLimit.Turn, key: string, retryAfter: number): OverLimit.Verdict => {
    const { outcome, verdict } = over.decide(context, turn, retryAfter)
    alert(context, key, outcome, retryAfter)
    return verdict
  }
  const pass = (): undefined => {
    passed++
    return undefined
  }
  const before = (context: HookContext, hints: HookHints.HookHints, turn: OverLimit.Turn): OverLimit.Verdict => {
    if (!over.begin(context, turn)) return undefined
    const key = keys.read(context, hints)
    if (key === undefined) return undefined
    // Most evaluations, without anything that is made for those that have to wait.
    if (buckets !== undefined && typeof key === "string") {
      const { isPassed, retryAfter } = buckets.takeNow(rule, key)
      return isPassed ? pass() : limit(context, turn, key, retryAfter)
    }
    const { flagKey } = context
    const onDown = () => over.decideUnchecked(context, turn)
    if (typeof key !== "string") return calls.down({ stage: "before", flagKey, onDown }, key)
    return calls.ask(() => store.take(rule, key), {
      stage: "before",
      flagKey,
      is: Buckets.isTaken,
      onAnswer: ({ isPassed, retryAfter }) => isPassed ? pass() : limit(context, turn, key, retryAfter),
      onDown
    })
  }
  // Hook data takes time, and without last answers there is nothing to hand on.
  const hook = over.remembers
    ? FeatureHook.make(name, {
      hookData: () => new OverLimit.Turn(),
      before,
      after: (context, details, _hints, turn) => over.remember(context, details, turn)
    })
    : FeatureHook.make(name, { before: (context, hints) => before(context, hints, OverLimit.noTurn) })
  const limited: RateLimitHook = {
    hook,
    alerts: alerts.stream,
    counts: Effect.sync(() => {
      const { unkeyed } = keys
      return { passed, unkeyed, ...over.counts, ...alerts.counts, ...memory.counts }
    }),
    flush: alerts.flush
  }
  return limited
})

/**
 * Creates a store of token buckets in memory, for several hooks. A hook without a
 * store has one of its own.
 *
 * **Details**
 *
 * It answers at once. It forgets buckets that are full again. When a limit has
 * `capacity` keys, 100,000 by default, it forgets the fullest of 16.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the capacity is not a positive integer.
 *
 * **Example** (One limit for two hooks)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { RateLimitHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const program = Effect.gen(function*() {
 *   const store = yield* RateLimitHook.memoryStore()
 *   const options = { name: "checkout", limit: 1, window: "1 second", store } as const
 *   const one = yield* RateLimitHook.make(options)
 *   const other = yield* RateLimitHook.make(options)
 *   yield* Fixtures.run(one.hook)
 *   const { details } = yield* Fixtures.run(other.hook)
 *   return details.errorMessage
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => "the rate limit \"checkout\" is exceeded"
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const memoryStore = (capacity: number = defaultCapacity): Effect.Effect<Store> => {
  Check.positiveInteger("RateLimitHook.memoryStore", "capacity", capacity)
  return Effect.map(Clock.Clock, (clock) => new Buckets.Buckets(capacity, clock))
}

const checked = (owner: string, options: Options): void => {
  Check.options(owner, options, {
    ...LimitOptions.rules,
    limit: Check.positiveInteger,
    window: Check.positiveDuration,
    burst: Check.positiveInteger,
    store: Check.withMethods("take"),
    alertInterval: Check.positiveDuration,
    maxAlertKeys: Check.positiveInteger
  })
  Check.positiveInteger(owner, "limit", options.limit)
  Check.positiveDuration(owner, "window", options.window)
  OverLimit.check(owner, options)
}

/**
 * Creates a hook that limits how often flags are evaluated, until the scope closes.
 *
 * **When to use**
 *
 * Use to keep a component, or a subject, from asking a remote provider more often
 * than it allows. Use `UsageHook` for a budget of a day or 30 days.
 *
 * **Details**
 *
 * Each key has a bucket of `burst` tokens. An evaluation takes one, and `limit`
 * tokens come back in each `window`, one by one. Without a token, the evaluation
 * is over the limit, and `onLimited` decides.
 *
 * A rejected evaluation has the error code `GENERAL`. Where the provider serves
 * resolutions (see `ResolutionProvider`), `flagMetadata` has the milliseconds
 * until the next one passes as `retryAfter`.
 *
 * A last answer is only served for the same domain, flag, type and subject. It
 * needs a provider that serves resolutions.
 *
 * An evaluation that an earlier hook has answered, such as a cache, asks no
 * provider and counts nothing. The store never delays an evaluation by more than
 * `timeout`. Its failures go to `HookFailures`. After three in a row the store is
 * left alone, so that no evaluation waits, and asked by one a second until it
 * answers; `whenDown` decides about the others.
 *
 * **Gotchas**
 *
 * Put the hook after those that add the targeting key.
 *
 * In a process with more than `capacity` busy keys, a forgotten key can make
 * `burst` evaluations at once. `evicted` tells how many were forgotten.
 *
 * Throws a `RangeError` when an option is invalid or unknown, or when `whenDown`
 * is `"closed"` and `onLimited` is `"report"`.
 *
 * **Example** (Limiting each subject)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { RateLimitHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const program = Effect.gen(function*() {
 *   const { counts, hook } = yield* RateLimitHook.make({ limit: 2, window: "1 minute", by: "subject" })
 *   for (const targetingKey of ["ana", "ana", "ana", "ben"]) {
 *     yield* Fixtures.run(hook, { context: { context: { targetingKey } } })
 *   }
 *   const { passed, rejected } = yield* counts
 *   return { passed, rejected }
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => { passed: 3, rejected: 1 }
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = <B = void>(
  options: Options<B>
): Effect.Effect<RateLimitHook, never, FeatureHook.StageServices<B> | Scope.Scope> => {
  checked("RateLimitHook.make", options)
  return acquire(options)
}

/**
 * Creates a rate limit for an application without Effect.
 *
 * **Details**
 *
 * The same as `make`. Without `onAlert`, it needs no closing.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * **Example** (Serving the last answer over the limit)
 *
 * ```ts
 * import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
 * import { OpenFeatureHook, RateLimitHook, ResolutionProvider } from "effect-openfeature"
 *
 * const provider = new InMemoryProvider({
 *   sale: { variants: { on: true, off: false }, defaultVariant: "on", disabled: false }
 * })
 * await OpenFeature.setProviderAndWait("limited", ResolutionProvider.make(provider))
 * const limit = RateLimitHook.start({ limit: 1, window: "1 minute", onLimited: "last" })
 * const client = OpenFeature.getClient("limited").addHooks(OpenFeatureHook.make(limit.hook))
 *
 * const ana = { targetingKey: "ana" }
 * await client.getBooleanValue("sale", false, ana) // => true
 * const { reason, value } = await client.getBooleanDetails("sale", false, ana)
 * value // => true
 * reason // => "STALE"
 *
 * const { errorCode } = await client.getBooleanDetails("sale", false, { targetingKey: "ben" })
 * errorCode // => "GENERAL"
 * await limit.close()
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const start = <B extends PromiseLike<unknown> | Effect.Effect<unknown, unknown> | void>(
  options: Options<B>
): Running => {
  checked("RateLimitHook.start", options)
  return Started.counting(Started.start(acquire<void>(options)))
}
