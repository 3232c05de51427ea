/**
 * Hooks that make served defaults visible.
 *
 * When an evaluation fails, the caller gets the default value and the application
 * goes on, so nobody notices. This hook counts such evaluations, writes one log
 * line per interval for each cause, and can alert somebody.
 *
 * @since 0.2.0
 */
import type { Logger } from "@openfeature/server-sdk"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Severity } from "effect/LogLevel"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import type { ErrorCode } from "../EvaluationError.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as Check from "../internal/check.ts"
import * as Alerts from "../internal/hook/alerts.ts"
import { domainOf, providerNameOf } from "../internal/hook/view.ts"
import { Limiter } from "../internal/limiter.ts"
import { type Attributes, maxLabelLength, Series, SeriesLookup } from "../internal/series.ts"
import * as SdkLogger from "../internal/sdkLogger.ts"
import * as Services from "../internal/services.ts"
import * as Started from "../internal/started.ts"
import { oneLine } from "../internal/text.ts"
import * as BackgroundHook from "./BackgroundHook.ts"

/**
 * An evaluation that served the default value. It has nothing of the user.
 *
 * @category models
 * @since 0.2.0
 */
export interface Fallback {
  /** The key of the flag. */
  readonly flagKey: string
  /** The type of the flag. */
  readonly flagValueType: HookContext["flagValueType"]
  /** The domain of the client, if it has one. */
  readonly domain: string | undefined
  /** The name of the provider. */
  readonly provider: string
  /** The reason, as the provider gave it. */
  readonly reason: string | undefined
  /** The error code after an error. */
  readonly errorCode: ErrorCode | undefined
  /** The number of further ones with the same cause that were left out since the previous alert. */
  readonly suppressed: number
  /** Whether there are more causes than `maxCauses`, so this alert stands for all further ones. */
  readonly isOverflow: boolean
}

/**
 * The options of a fallback monitor.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options<out B = unknown> {
  /** The minimum time between two alerts for the same flag, domain, reason and error code, 1 minute by default. */
  readonly interval?: Duration.Input | undefined
  /**
   * The maximum number of causes that are told apart at the same time, 1,024 by
   * default. All further ones share one alert per interval.
   */
  readonly maxCauses?: number | undefined
  /**
   * Whether the reason `DEFAULT` counts as well; `false` by default, since many
   * providers use it for the regular value of a flag without targeting.
   */
  readonly defaultReason?: boolean | undefined
  /**
   * Runs for each alert, one after the other, in the background. Returns an
   * effect, a promise, or nothing. None by default.
   */
  readonly onFallback?: ((fallback: Fallback) => B) | undefined
  /** The level of the log line, `"Warn"` by default, or `false` to not log it. */
  readonly logLevel?: Severity | false | undefined
  /** The logger. By default, that of the caller. */
  readonly logger?: Logger | undefined
  /** The maximum number of alerts that wait for `onFallback` or a slow reader, 1,024 by default. Further ones are dropped. */
  readonly capacity?: number | undefined
  /** The maximum number of series of `counter`, 1,000 by default. Further causes share one, so totals stay exact. */
  readonly maxSeries?: number | undefined
  /** The maximum time that closing waits for `onFallback`, 3 seconds by default. */
  readonly closeTimeout?: Duration.Input | undefined
}

/**
 * The numbers of a fallback monitor so far.
 *
 * @category models
 * @since 0.2.0
 */
export interface Counts {
  /** The evaluations that served the default value. */
  readonly fallbacks: number
  /** The alerts about them. */
  readonly alerts: number
  /** The alerts that a slow reader of the stream lost. */
  readonly dropped: number
}

/**
 * A hook that watches for fallbacks, and its alerts.
 *
 * @category models
 * @since 0.2.0
 */
export interface FallbackMonitor {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook
  /**
   * All alerts from the subscription on, until the scope closes. A fiber that reads
   * them may subscribe later than it is forked; `onFallback` misses none.
   */
  readonly alerts: Stream.Stream<Fallback>
  /** The present numbers. */
  readonly counts: Effect.Effect<Counts>
  /** Waits until `onFallback` has had all alerts. */
  readonly flush: Effect.Effect<void>
}

/**
 * The monitor of an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook
  /** Returns the present numbers. */
  readonly counts: () => Counts
  /** Waits until `onFallback` has had all alerts. */
  readonly flush: () => Promise<void>
  /** Ends the alerts. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** Ends the alerts, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * Counts evaluations that served the default value, with Effect's `Metric`.
 *
 * **Details**
 *
 * The attributes are `flag_key`, `reason` in lower case, and `error_code`.
 * Attributes without a value are left out.
 *
 * @category metrics
 * @since 0.2.0
 */
export const counter: Metric.Counter<number> = Metric.counter("feature_flag_fallbacks_total", {
  description: "Evaluations of feature flags that served the default value",
  incremental: true
})

const seriesOf = (limit: number): SeriesLookup<Metric.Counter<number>> => {
  const make = (attributes: Attributes) =>
    Metric.withAttributes(
      counter,
      Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, String(value)]))
    )
  // No error has this code, so it is not the series of a flag named `overflow`.
  const series = new Series(make({ flag_key: "overflow", reason: "overflow", error_code: "overflow" }))
  return new SeriesLookup(limit, ({ errorCode, flagKey, reason }) =>
    series.of(
      {
        flag_key: oneLine(flagKey, maxLabelLength),
        ...reason === undefined ? undefined : { reason: oneLine(reason, 64).toLowerCase() },
        ...errorCode === undefined ? undefined : { error_code: errorCode }
      },
      limit,
      make
    ))
}

const line = ({ domain, errorCode, flagKey, isOverflow, provider, reason, suppressed }: Fallback, level: Severity) =>
  Effect.annotateLogs(
    Effect.logWithLevel(level)(
      isOverflow ? "further feature flags served their default values" : "a feature flag served its default value"
    ),
    {
      flag_key: flagKey,
      provider_name: provider,
      ...domain === undefined ? undefined : { domain },
      ...reason === undefined ? undefined : { reason },
      ...errorCode === undefined ? undefined : { error_code: errorCode },
      ...suppressed === 0 ? undefined : { suppressed }
    }
  )

const textOf = (text: string | undefined): string | undefined => text === undefined ? undefined : oneLine(text, 256)

const acquire = Effect.fnUntraced(function*<B>(
  {
    capacity = 1024,
    closeTimeout,
    defaultReason = false,
    interval = "1 minute",
    logLevel = "Warn",
    logger,
    maxCauses = 1024,
    maxSeries = 1000,
    onFallback
  }: Options<B>
) {
  const name = "fallback-monitor"
  const clock = yield* Clock.Clock
  const alerts = yield* Alerts.make<Fallback, FeatureHook.StageServices<B>>({
    name,
    counter: BackgroundHook.counter,
    onAlert: onFallback,
    capacity,
    closeTimeout
  })
  const limiter = new Limiter(interval, maxCauses)
  const series = seriesOf(maxSeries)
  const log = SdkLogger.to(logger)
  const counts = { fallbacks: 0 }

  const alert = (context: HookContext, { errorCode, reason }: EvaluationDetails): Fallback | undefined => {
    const domain = domainOf(context)
    const flagKey = oneLine(context.flagKey, 256)
    const cause = [domain, flagKey, reason, errorCode].map((part) => textOf(part) ?? "").join("\n")
    const taken = limiter.take(cause, clock.monotonicTimeNanosUnsafe())
    return taken && Object.freeze({
      flagKey,
      flagValueType: context.flagValueType,
      domain: textOf(domain),
      provider: oneLine(providerNameOf(context), 256),
      reason: textOf(reason),
      errorCode,
      ...taken
    })
  }
  const hook = FeatureHook.observe(FeatureHook.make(name, {
    finally: (context, details) => {
      const { errorCode, reason } = details
      if (errorCode === undefined && reason !== "ERROR" && !(defaultReason && reason === "DEFAULT")) return undefined
      counts.fallbacks++
      series.of(context.flagKey, "", { errorCode, reason }, "").updateUnsafe(1, Services.current())
      const fallback = alert(context, details)
      if (fallback === undefined) return undefined
      alerts.send(fallback, fallback.flagKey)
      return logLevel === false ? undefined : log(line(fallback, logLevel))
    }
  }))
  const monitor: FallbackMonitor = {
    hook,
    alerts: alerts.stream,
    counts: Effect.sync(() => ({ ...counts, ...alerts.counts })),
    flush: alerts.flush
  }
  return monitor
})

const checked = (owner: string, options: Options): void =>
  void Check.options(owner, options, {
    interval: Check.positiveDuration,
    maxCauses: Check.positiveInteger,
    defaultReason: Check.aBoolean,
    onFallback: Check.aFunction,
    logLevel: Check.severityOrFalse,
    logger: SdkLogger.rule,
    capacity: Check.positiveInteger,
    maxSeries: Check.positiveInteger,
    closeTimeout: Check.finiteDuration
  })

/**
 * Creates a hook that tells when callers get default values, until the scope closes.
 *
 * **When to use**
 *
 * Use to notice a provider that is down, a flag that was deleted too early or a
 * context that a provider refuses.
 *
 * **Details**
 *
 * A fallback is an evaluation with an error, or with the reason `ERROR`. The reason
 * `DEFAULT` alone is none, unless `defaultReason` is set.
 *
 * Each fallback counts in `counter`. For each flag, domain, reason and error code,
 * the first one in an interval is an alert: a log line, an element of `alerts`, and
 * a run of `onFallback`. The next alert has the number of those left out as
 * `suppressed`. Where the log line goes is described at `LoggingHook.make`.
 *
 * The evaluation never waits for `onFallback`, which has the services of the
 * program that creates the hook. Its failures go to `HookFailures`, and its runs
 * count in `BackgroundHook.counter`.
 *
 * No alert and no log line has a value, an attribute or an error message.
 *
 * **Gotchas**
 *
 * With a flag key that does not exist, the first evaluation in each interval is an
 * alert. Do not make flag keys from data of users.
 *
 * Throws a `RangeError` when an option is invalid or unknown.
 *
 * **Example** (Reading the first alert)
 *
 * ```ts
 * import { Effect, Fiber, Stream } from "effect"
 * import { FallbackMonitorHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const program = Effect.gen(function*() {
 *   const monitor = yield* FallbackMonitorHook.make({ logLevel: false })
 *   const reader = yield* Effect.forkChild(Stream.runHead(monitor.alerts), { startImmediately: true })
 *   for (const _ of [1, 2, 3]) yield* Fixtures.run(monitor.hook, { error: new Error("no connection") })
 *   const alert = yield* Effect.fromOption(yield* Fiber.join(reader))
 *   return { errorCode: alert.errorCode, ...yield* monitor.counts }
 * })
 * const told = await Effect.runPromise(Effect.scoped(program))
 * told // => { errorCode: "GENERAL", fallbacks: 3, alerts: 1, dropped: 0 }
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = <B = void>(
  options: Options<B> = {}
): Effect.Effect<FallbackMonitor, never, FeatureHook.StageServices<B> | Scope.Scope> => {
  checked("FallbackMonitorHook.make", options)
  return acquire(options)
}

/**
 * Creates a fallback monitor for an application without Effect.
 *
 * **Details**
 *
 * The same as `make`. Without `onFallback`, it needs no closing.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * **Example** (Sending a message about each fallback)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { FallbackMonitorHook, OpenFeatureHook } from "effect-openfeature"
 *
 * const messages: Array<string> = []
 * const monitor = FallbackMonitorHook.start({
 *   onFallback: async ({ flagKey, errorCode }) => {
 *     messages.push(`${flagKey}: ${errorCode}`) // await chat.post(...)
 *   },
 *   logLevel: false
 * })
 * const client = OpenFeature.getClient("monitored").addHooks(OpenFeatureHook.make(monitor.hook))
 * const text = await client.getStringValue("banner", "Welcome", {}, {
 *   hooks: [{ before: () => { throw new Error("no") } }]
 * })
 * text // => "Welcome"
 * await monitor.close()
 * messages // => ["banner: GENERAL"]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const start = <B extends PromiseLike<unknown> | Effect.Effect<unknown, unknown> | void>(
  options: Options<B> = {}
): Running => {
  checked("FallbackMonitorHook.start", options)
  return Started.counting(Started.start(acquire<void>(options)))
}
