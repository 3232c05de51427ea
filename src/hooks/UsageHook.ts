/**
 * Hooks that keep a budget of evaluations.
 *
 * A remote provider may be paid per call, or some flags may cost more than others.
 * This hook counts what evaluations cost in a window, such as a day, alerts when a
 * share of the budget is used, and guards the rest.
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
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import type { EvaluationError } from "../EvaluationError.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import type * as HookHints from "../HookHints.ts"
import * as Check from "../internal/check.ts"
import { decimal } from "../internal/decimal.ts"
import * as Alerts from "../internal/hook/alerts.ts"
import * as Cost from "../internal/hook/cost.ts"
import * as LimitKey from "../internal/hook/limitKey.ts"
import * as LimitOptions from "../internal/hook/limitOptions.ts"
import * as OverLimit from "../internal/hook/overLimit.ts"
import { StoreCalls } from "../internal/hook/storeCalls.ts"
import * as Usage from "../internal/hook/usage.ts"
import * as Windows from "../internal/hook/windows.ts"
import { boundedCounter } from "../internal/series.ts"
import * as Services from "../internal/services.ts"
import * as Started from "../internal/started.ts"
import { oneLine } from "../internal/text.ts"
import { tryOr } from "../internal/untrusted.ts"
import * as BackgroundHook from "./BackgroundHook.ts"
import type { By, WhenLimited } from "./RateLimitHook.ts"

/**
 * A budget, as a store gets it.
 *
 * @category models
 * @since 0.2.0
 */
export interface Rule extends Windows.Rule {}

/**
 * What a store of usage says about an evaluation.
 *
 * @category models
 * @since 0.2.0
 */
export interface Spent extends Windows.Spent {}

/**
 * A store of what was used.
 *
 * **Details**
 *
 * A store that answers with an `Exit`, such as `Effect.succeed`, answers at once,
 * so the evaluation needs no fiber. `usedBefore` and `used` must be of one atomic
 * step, so that each threshold is reached by one evaluation.
 *
 * @category models
 * @since 0.2.0
 */
export interface Store {
  /**
   * Adds a cost to what a key has used, unless the budget would be exceeded. With
   * `isForced`, adds it in any case. A cost of zero asks whether anything is left.
   * The key can be any text of any length, and data of a user. A store that fails
   * for some keys can count as down for all.
   */
  readonly spend: (rule: Rule, key: string, cost: number, isForced: boolean) => Effect.Effect<Spent, unknown>
}

/**
 * A store for the layers of an application, such as that of `RedisUsageStore`.
 *
 * @category services
 * @since 0.2.0
 */
export class UsageStore extends Context.Service<UsageStore, Store>()("effect-openfeature/UsageStore") {}

/**
 * The options of a budget.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options<out B = unknown> extends WhenLimited {
  /** The cost that each key may use in a window. */
  readonly budget: number
  /**
   * The window, such as `"1 day"`. Windows start at multiples of it since 1970, in
   * UTC: a day at midnight, and a week on a Thursday.
   */
  readonly window: Duration.Input
  /** The name of the budget in metrics, alerts, messages and the store, `"usage"` by default. */
  readonly name?: string | undefined
  /** What has a budget of its own, `"all"` by default: all evaluations have one together. */
  readonly by?: By | undefined
  /**
   * What an evaluation costs, 1 by default: a number, a record by flag key (others
   * cost 1), or a function of the hook context. It is spent before the flag is
   * resolved. Sums are rounded to 15 significant digits, so 0.1 and 0.2 are 0.3.
   */
  readonly cost?: number | Readonly<Record<string, number>> | ((context: HookContext) => number) | undefined
  /**
   * Returns what an evaluation costs by its result, instead of `cost`, such as
   * `UsageHook.metadataCost`. It is spent after the flag was resolved, so the last
   * evaluations in a window can exceed the budget.
   */
  readonly resultCost?: ((context: HookContext, details: EvaluationDetails) => number) | undefined
  /** The shares of the budget that alert when they are reached, `[0.5, 0.8, 1]` by default. At most 16, up to 10. */
  readonly thresholds?: ReadonlyArray<number> | undefined
  /** What happens over the budget, `"report"` by default. */
  readonly onLimited?: "reject" | "last" | "report" | undefined
  /** The store of what was used. By default it is in the memory of the hook. */
  readonly store?: Store | undefined
  /**
   * The maximum number of keys in the memory of the hook, 100,000 by default.
   * When more of them are in use, one that has used less than others is forgotten,
   * and starts anew.
   */
  readonly capacity?: number | undefined
  /** The maximum number of keys in `report`, 1,000 by default. What further keys use is its `overflow`. */
  readonly maxKeys?: number | undefined
  /** The maximum time that an evaluation waits for the store, 50 milliseconds by default. */
  readonly timeout?: Duration.Input | undefined
  /**
   * Runs for each alert, one after the other, in the background. Returns an
   * effect, a promise, or nothing. None by default.
   */
  readonly onAlert?: ((alert: Alert) => B) | undefined
  /** The maximum number of alerts that wait for `onAlert` or a slow reader, 1,024 by default. Further ones are dropped. */
  readonly alertCapacity?: number | undefined
  /**
   * How the key is written into alerts: `"omit"`, `"raw"`, or a function. By
   * default it is left out, unless it is the name of a flag or a domain.
   */
  readonly printKey?: "omit" | "raw" | ((key: string) => string) | undefined
  /** The maximum number of series of each counter, 1,000 by default. Further flags share one, so totals stay exact. */
  readonly maxSeries?: number | undefined
  /** The maximum time that closing waits for `onAlert`, 3 seconds by default. */
  readonly closeTimeout?: Duration.Input | undefined
}

/**
 * A threshold that was reached. It has nothing of the user, unless `printKey` says so.
 *
 * @category models
 * @since 0.2.0
 */
export interface Alert extends Usage.Alert {}

/**
 * What a key has used.
 *
 * @category models
 * @since 0.2.0
 */
export interface Used extends Usage.Used {}

/**
 * What was used in the present window.
 *
 * @category models
 * @since 0.2.0
 */
export interface Report extends Usage.Report {}

/**
 * The numbers of a budget so far.
 *
 * @category models
 * @since 0.2.0
 */
export interface Counts {
  /** The evaluations that were counted. */
  readonly counted: number
  /** What they cost. */
  readonly cost: number
  /** The evaluations over the budget. */
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
  /** The keys that were forgotten within their window, since `capacity` was reached. */
  readonly evicted: number
}

/**
 * A hook that keeps a budget, and what it tells.
 *
 * @category models
 * @since 0.2.0
 */
export interface UsageHook {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook<EvaluationError>
  /** All alerts from the subscription on, until the scope closes. */
  readonly alerts: Stream.Stream<Alert>
  /** What was used in the present window. */
  readonly report: Effect.Effect<Report>
  /** The present numbers. */
  readonly counts: Effect.Effect<Counts>
  /** Waits until `onAlert` has had all alerts. */
  readonly flush: Effect.Effect<void>
}

/**
 * The budget of an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook<EvaluationError>
  /** Returns what was used in the present window. */
  readonly report: () => Report
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
 * Adds up what evaluations cost, with Effect's `Metric`. The attributes are
 * `budget`, the name, and `flag_key`.
 *
 * @category metrics
 * @since 0.2.0
 */
export const counter: Metric.Counter<number> = Metric.counter("feature_flag_usage_total", {
  description: "What evaluations of feature flags cost",
  incremental: true
})

/**
 * Counts evaluations over a budget with Effect's `Metric`.
 *
 * **Details**
 *
 * The attributes are `budget`, the name, `flag_key`, and `outcome`: `rejected`,
 * `served`, `passed`, or `unchecked` when the store gave no answer.
 *
 * @category metrics
 * @since 0.2.0
 */
export const exceeded: Metric.Counter<number> = Metric.counter("feature_flag_over_budget_total", {
  description: "Evaluations of feature flags over a budget",
  incremental: true
})

const defaultCapacity = 100_000

class Turn extends OverLimit.Turn {
  /** The key of an evaluation whose cost is known by its result, or that may ask the provider after all. */
  key: string | undefined = undefined
  /** What it costs then, if that does not depend on its result. */
  cost = 0
}

const acquire = Effect.fnUntraced(function*<B>(options: Options<B>) {
  const { by = "all", maxSeries = 1000, name = "usage", onAlert, resultCost } = options
  const clock = yield* Clock.Clock
  const memory = new Windows.Windows(options.capacity ?? defaultCapacity, clock)
  const store = options.store ?? memory
  const rule = Windows.ruleOf(name, options)
  const keys = new LimitKey.Keys(name, by)
  const over = new OverLimit.OverLimit({
    name,
    kind: "budget",
    exceeded: "is used up",
    onLimited: options.onLimited ?? "report",
    series: boundedCounter(exceeded, "budget", name, maxSeries),
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
  const usage = new Usage.Usage(rule, options.maxKeys ?? 1000, clock)
  const thresholds = Array.from(options.thresholds ?? [0.5, 0.8, 1])
  const printed = LimitKey.printer(options.printKey, by)
  const costs = boundedCounter(counter, "budget", name, maxSeries)
  const counts = { counted: 0, cost: 0 }
  const costBefore = Cost.costOf(options.cost ?? 1)

  const noteSpent = (context: HookContext, key: string, spent: Spent, cost: number, isLimited = false): void => {
    const { flagKey } = context
    usage.note(key, spent)
    for (const threshold of Usage.reached(thresholds, rule.budget, spent)) {
      const alert = Usage.alertOf(rule, spent, { name, key: printed(key), flagKey: oneLine(flagKey, 256), threshold })
      alerts.send(alert, alert.flagKey)
    }
    if (!spent.isPassed || cost === 0) return
    counts.counted++
    counts.cost = decimal(counts.cost + cost)
    costs(flagKey).updateUnsafe(cost, Services.current())
    if (spent.used > rule.budget && !isLimited) over.passed(context)
  }
  const before = (context: HookContext, hints: HookHints.HookHints, turn: Turn): OverLimit.Verdict => {
    if (!over.begin(context, turn)) return undefined
    const key = keys.read(context, hints)
    if (key === undefined) return undefined
    const { flagKey } = context
    // What asks the provider in any case costs something, also over the budget.
    const passes = over.passes(context, turn)
    if (typeof key === "string" && resultCost !== undefined) {
      turn.key = key
      // Nothing would be refused.
      if (passes) return undefined
    }
    const cost = resultCost === undefined
      ? Cost.checked(tryOr<unknown, undefined>(() => costBefore(context), () => undefined), name, "before", flagKey)
      : 0
    if (cost === 0 && resultCost === undefined) return undefined
    const onDown = () => over.decideUnchecked(context, turn)
    if (typeof key !== "string") return calls.down({ stage: "before", flagKey, onDown }, key)
    return calls.ask(() => store.spend(rule, key, cost, passes), {
      stage: "before",
      flagKey,
      is: Windows.isSpent,
      onDown,
      onAnswer: (spent) => {
        noteSpent(context, key, spent, cost)
        if (spent.isPassed) return undefined
        turn.key = key
        turn.cost = cost
        return over.decide(context, turn, spent.resetsAfter).verdict
      }
    })
  }
  const costAfter = (context: HookContext, details: EvaluationDetails, { cost, isUnserved }: Turn): number => {
    if (resultCost === undefined) return isUnserved ? cost : 0
    const given = tryOr<unknown, undefined>(() => resultCost(context, details), () => undefined)
    return Cost.checked(given, name, "after", context.flagKey)
  }
  const spendAfter = (context: HookContext, details: EvaluationDetails, turn: Turn) => {
    const { isOurs, isUnserved, key } = turn
    if (key === undefined || isOurs) return undefined
    const { flagKey } = context
    const cost = costAfter(context, details, turn)
    if (cost === 0) return undefined
    return calls.ask(() => store.spend(rule, key, cost, true), {
      stage: "after",
      flagKey,
      is: Windows.isSpent,
      onAnswer: (spent) => {
        noteSpent(context, key, spent, cost, isUnserved)
        return undefined
      },
      onDown: () => over.passedUnchecked(flagKey)
    })
  }
  const hook = FeatureHook.make(name, {
    hookData: () => new Turn(),
    before,
    after: over.remembers || resultCost !== undefined
      ? (context, details, _hints, turn) => {
        over.remember(context, details, turn)
        return spendAfter(context, details, turn)
      }
      : undefined
  })
  const budget: UsageHook = {
    hook,
    alerts: alerts.stream,
    report: Effect.sync(() => usage.report()),
    counts: Effect.sync(() => {
      const { unkeyed } = keys
      return { ...counts, unkeyed, ...over.counts, ...alerts.counts, ...memory.counts }
    }),
    flush: alerts.flush
  }
  return budget
})

/**
 * Creates a store of what was used in memory, for several hooks. A hook without a
 * store has one of its own.
 *
 * **Details**
 *
 * It answers at once. It forgets windows that are over. When a budget has
 * `capacity` keys, 100,000 by default, it forgets the one of 16 that used least.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the capacity is not a positive integer.
 *
 * @category constructors
 * @since 0.2.0
 */
export const memoryStore = (capacity: number = defaultCapacity): Effect.Effect<Store> => {
  Check.positiveInteger("UsageHook.memoryStore", "capacity", capacity)
  return Effect.map(Clock.Clock, (clock) => new Windows.Windows(capacity, clock))
}

/**
 * Returns the cost that a provider gives in the metadata of a flag, for
 * `resultCost`. A flag without it costs `orElse`, 1 by default.
 *
 * **Example** (A cost from the metadata)
 *
 * ```ts
 * import { UsageHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const cost = UsageHook.metadataCost("cost")
 * cost(Fixtures.hookContext(), Fixtures.details({ flagMetadata: { cost: 5 } })) // => 5
 * cost(Fixtures.hookContext(), Fixtures.details()) // => 1
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const metadataCost =
  (name: string, orElse = 1): (context: HookContext, details: EvaluationDetails) => number =>
  (_context, { flagMetadata }) => {
    const found = Object.hasOwn(flagMetadata, name) ? flagMetadata[name] : undefined
    return typeof found === "number" ? found : orElse
  }

const positive: Check.Rule = (owner, name, value) =>
  typeof value === "number" && Number.isFinite(value) && value > 0
    ? value
    : Check.reject(owner, name, "a finite number > 0", value)

const checked = (owner: string, options: Options): void => {
  Check.options(owner, options, {
    ...LimitOptions.rules,
    budget: positive,
    window: Check.positiveDuration,
    cost: Cost.rule,
    resultCost: Check.aFunction,
    thresholds: Usage.thresholdsRule,
    store: Check.withMethods("spend"),
    maxKeys: Check.positiveInteger
  })
  positive(owner, "budget", options.budget)
  Check.positiveDuration(owner, "window", options.window)
  if (options.cost !== undefined && options.resultCost !== undefined) {
    throw new RangeError(`${owner}: give cost or resultCost, not both`)
  }
  OverLimit.check(owner, { ...options, onLimited: options.onLimited ?? "report" })
}

/**
 * Creates a hook that keeps a budget of evaluations, until the scope closes.
 *
 * **When to use**
 *
 * Use for a provider that is paid per call, or to see who uses how much. Use
 * `RateLimitHook` to even out bursts.
 *
 * **Details**
 *
 * Each key has the whole `budget` in each window. The windows are fixed, so at the
 * end of one and the start of the next, a key can use twice the budget in a short
 * time.
 *
 * Over the budget, `onLimited` decides, as described at `RateLimitHook.make`. The
 * default only tells. A rejected evaluation costs nothing. An evaluation that fails
 * later has cost what `cost` says.
 *
 * Each of `thresholds` alerts once per window and key: when that share is used. What
 * does not fit into the rest of the budget reaches the threshold 1. With a store
 * that is shared, one process alerts.
 *
 * An evaluation that an earlier hook has answered, such as a cache, costs nothing.
 * The store never delays an evaluation by more than `timeout`, in each of two
 * stages with `resultCost`. Its failures go to `HookFailures`. After three in a row
 * it is left alone, as described at `RateLimitHook.make`. A cost that is not a
 * number >= 0 goes to `HookFailures` too, and counts as 1.
 *
 * **Gotchas**
 *
 * The memory of a hook is lost with the process, so its budget starts anew.
 *
 * Throws a `RangeError` when an option is invalid or unknown, when both `cost` and
 * `resultCost` are given, or when `whenDown` is `"closed"` and `onLimited` is
 * `"report"`.
 *
 * **Example** (Telling who uses how much)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { UsageHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const program = Effect.gen(function*() {
 *   const { hook, report } = yield* UsageHook.make({
 *     budget: 10,
 *     window: "1 day",
 *     by: { attribute: "team" },
 *     cost: { "ranking-model": 4 }
 *   })
 *   for (const flagKey of ["ranking-model", "new-checkout"]) {
 *     yield* Fixtures.run(hook, { context: { flagKey, context: { team: "search" } } })
 *   }
 *   return (yield* report).keys
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => [{ key: "search", used: 5, share: 0.5 }]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = <B = void>(
  options: Options<B>
): Effect.Effect<UsageHook, never, FeatureHook.StageServices<B> | Scope.Scope> => {
  checked("UsageHook.make", options)
  return acquire(options)
}

/**
 * Creates a budget for an application without Effect.
 *
 * **Details**
 *
 * The same as `make`. Without `onAlert`, it needs no closing.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * **Example** (Sending a message when half of the budget is used)
 *
 * ```ts
 * import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
 * import { OpenFeatureHook, UsageHook } from "effect-openfeature"
 *
 * const provider = new InMemoryProvider({
 *   sale: { variants: { on: true, off: false }, defaultVariant: "on", disabled: false }
 * })
 * await OpenFeature.setProviderAndWait("paid", provider)
 * const messages: Array<string> = []
 * const usage = UsageHook.start({
 *   budget: 4,
 *   window: "1 day",
 *   onAlert: async ({ budget, used }) => {
 *     messages.push(`${used} of ${budget}`) // await chat.post(...)
 *   }
 * })
 * const client = OpenFeature.getClient("paid").addHooks(OpenFeatureHook.make(usage.hook))
 * for (let i = 0; i < 3; i++) await client.getBooleanValue("sale", false)
 * await usage.flush()
 * messages // => ["2 of 4"]
 * usage.counts().cost // => 3
 * await usage.close()
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const start = <B extends PromiseLike<unknown> | Effect.Effect<unknown, unknown> | void>(
  options: Options<B>
): Running => {
  checked("UsageHook.start", options)
  const started = Started.start(acquire<void>(options))
  return { ...Started.counting(started), report: () => Started.runSync(started.value.report) }
}
