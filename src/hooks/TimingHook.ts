/**
 * A hook that makes the elapsed time of an evaluation available to later hooks.
 *
 * @since 0.1.0
 */
import type { Logger } from "@openfeature/server-sdk"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Severity } from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as FeatureHook from "../FeatureHook.ts"
import * as HookHints from "../HookHints.ts"
import * as Check from "../internal/check.ts"
import { nanosSince } from "../internal/duration.ts"
import * as Services from "../internal/services.ts"
import * as SdkLogger from "../internal/sdkLogger.ts"
import { oneLine } from "../internal/text.ts"

/**
 * The hint with the start of the evaluation, in nanoseconds of the monotonic
 * clock.
 *
 * @category hints
 * @since 0.1.0
 */
export const Start: HookHints.Key<bigint> = HookHints.key(
  "effect-openfeature.timing.start",
  Predicate.isBigInt
)

/**
 * The options of a timing hook.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Logs evaluations that take longer than this duration. By default none are logged. */
  readonly slowerThan?: Duration.Input | undefined
  /** The level of that log record, `"Warn"` by default. */
  readonly logLevel?: Severity | undefined
  /** The logger of that log record. By default, that of the caller. */
  readonly logger?: Logger | undefined
}

/**
 * Returns the elapsed time of the evaluation, or `None` without a timing hook.
 *
 * **Details**
 *
 * Uses the monotonic clock, so changes of the wall clock have no effect. The
 * time is never negative.
 *
 * **Example** (Reading the elapsed time in another hook)
 *
 * ```ts
 * import { Effect, Option } from "effect"
 * import { FeatureHook, TimingHook } from "effect-openfeature"
 *
 * const hook = FeatureHook.make("duration", {
 *   finally: (_context, _details, hints) =>
 *     Effect.flatMap(TimingHook.elapsed(hints), (elapsed) =>
 *       Option.isSome(elapsed) ? Effect.log("took", elapsed.value) : Effect.void)
 * })
 * FeatureHook.combine(TimingHook.make(), hook).name // => "timing + duration"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const elapsed = (hints: HookHints.HookHints): Effect.Effect<Option.Option<Duration.Duration>> =>
  Effect.clockWith((clock) => Effect.succeed(Option.fromUndefinedOr(elapsedBy(clock, hints))))

/**
 * Creates a hook that records the start of an evaluation and can log slow ones.
 *
 * **When to use**
 *
 * Use as the first hook, so the measured time includes all other hooks.
 *
 * **Details**
 *
 * Keeps the start that an earlier timing hook recorded. The log record has the
 * fields `flag_key` and `duration_ms`. The hook is an observer.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that names the option when an option is unknown or has
 * an invalid value.
 *
 * **Example** (Logging slow evaluations)
 *
 * ```ts
 * import { TimingHook } from "effect-openfeature"
 *
 * const hook = TimingHook.make({ slowerThan: "50 millis" })
 * hook.name // => "timing"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): FeatureHook.FeatureHook => {
  const { logLevel: level = "Warn", slowerThan } = Check.options("TimingHook.make", options, {
    slowerThan: Check.finiteDuration,
    logLevel: Check.severity,
    logger: SdkLogger.rule
  })
  const logger = SdkLogger.to(options.logger)
  const limit = slowerThan === undefined ? undefined : Duration.fromInputUnsafe(slowerThan)
  return FeatureHook.watcher(FeatureHook.make("timing", {
    before: (_context, hints) =>
      HookHints.getOrUndefined(hints, Start) === undefined
        ? { hints: HookHints.make(Start, Services.clock().monotonicTimeNanosUnsafe()) }
        : undefined,
    finally: limit && ((context, _details, hints) => {
      const taken = elapsedBy(Services.clock(), hints)
      if (taken === undefined || Duration.isLessThanOrEqualTo(taken, limit)) return undefined
      return logger(Effect.annotateLogs(Effect.logWithLevel(level)("slow feature flag evaluation"), {
        flag_key: oneLine(context.flagKey, 256),
        duration_ms: Duration.toMillis(taken)
      }))
    })
  }))
}

const elapsedBy = (clock: Clock.Clock, hints: HookHints.HookHints): Duration.Duration | undefined => {
  const start = HookHints.getOrUndefined(hints, Start)
  return start === undefined ? undefined : Duration.nanos(nanosSince(start, clock))
}
