/**
 * Failures inside hooks that do not reach the caller.
 *
 * The `error` and `finally` stages never change a result, and neither do
 * observed hooks. A hook that fails with anything but an `EvaluationError`
 * reaches the caller as a fixed message only. This module collects the original
 * causes: as a `Stream`, as a counter, and as a log line that can be silenced.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PubSub from "effect/PubSub"
import { UnhandledLogLevel } from "effect/References"
import * as Stream from "effect/Stream"
import * as Check from "./internal/check.ts"
import { LogLines } from "./internal/logLines.ts"
import { notify, tryOr } from "./internal/untrusted.ts"
import { oneLine } from "./internal/text.ts"

/**
 * The four stages of a hook (specification 4.3).
 *
 * @category models
 * @since 0.1.0
 */
export type Stage = "before" | "after" | "error" | "finally"

/**
 * A failure of a hook.
 *
 * **Gotchas**
 *
 * The cause can contain any data that the hook put into its errors. The log line
 * leaves it out by default.
 *
 * @category models
 * @since 0.1.0
 */
export interface HookFailure {
  /** The name of the hook. */
  readonly hook: string
  /** The stage that failed. */
  readonly stage: Stage
  /** The key of the evaluated flag. */
  readonly flagKey: string
  /** The original cause. */
  readonly cause: Cause.Cause<unknown>
}

/**
 * A collector of hook failures.
 *
 * @category models
 * @since 0.1.0
 */
export interface HookFailures {
  /** All failures from the subscription on. A reader that is too slow loses the newest failures. */
  readonly stream: Stream.Stream<HookFailure>
  /** The number of reported failures, and of those dropped because a reader was too slow. */
  readonly counts: Effect.Effect<{
    /** The number of reported failures. */
    readonly reported: number
    /** The number of failures that a reader lost because it was too slow. */
    readonly dropped: number
  }>
  /** Takes a failure. Never fails, and never waits for a reader. */
  readonly report: (failure: HookFailure) => Effect.Effect<void>
}

/**
 * Counts hook failures with Effect's `Metric`, by `hook` and `stage`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const counter: Metric.Counter<number> = Metric.counter("feature_flag_hook_failures_total", {
  description: "Failures inside feature flag hooks that did not reach a caller",
  incremental: true
})

/**
 * The kinds of hook failures, for logs and labels.
 *
 * **Details**
 *
 * - `"failure"`: a typed failure.
 * - `"defect"`: an unexpected error, such as a thrown exception.
 * - `"timeout"`: the stage exceeded its `FeatureHook.timeout`.
 * - `"interruption"`: the stage was interrupted.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = "failure" | "defect" | "timeout" | "interruption"

/**
 * Returns the kind of failure of a cause.
 *
 * **Example** (Distinguishing a timeout from a defect)
 *
 * ```ts
 * import { Cause } from "effect"
 * import { HookFailures } from "effect-openfeature"
 *
 * HookFailures.kind(Cause.fail(new Cause.TimeoutError("20 millis"))) // => "timeout"
 * HookFailures.kind(Cause.die("a bug")) // => "defect"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const kind = (cause: Cause.Cause<unknown>): Kind => {
  if (Cause.hasDies(cause)) return "defect"
  const failed = cause.reasons.find(Cause.isFailReason)
  if (failed === undefined) return "interruption"
  return tryOr(() => Cause.isTimeoutError(failed.error), () => false) ? "timeout" : "failure"
}

const verbs: Record<Kind, string> = {
  failure: "failed",
  defect: "died",
  timeout: "timed out",
  interruption: "was interrupted"
}

/**
 * Describes a failure in one line, without the text of the error.
 *
 * **Example** (Describing a defect)
 *
 * ```ts
 * import { Cause } from "effect"
 * import { HookFailures } from "effect-openfeature"
 *
 * const failure = { hook: "audit", stage: "after", flagKey: "new-checkout", cause: Cause.die("a bug") } as const
 * HookFailures.describe(failure) // => "hook \"audit\" died in its after stage"
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const describe = (failure: Pick<HookFailure, "hook" | "stage" | "cause">): string =>
  `hook "${oneLine(failure.hook, 128)}" ${verbs[kind(failure.cause)]} in its ${failure.stage} stage`

// The author of the hook must be told what a stage gave that cannot be used, and nobody else.
const misuse = ({ cause, hook, stage }: HookFailure): string | undefined => {
  const found = cause.reasons.find(Cause.isDieReason)?.defect
  const printed = `hook "${oneLine(hook, 128)}"`
  return tryOr(() => {
    if (found instanceof Check.Advice) return `${printed}: ${found.message}`
    return found instanceof Check.Misuse ? `${printed} ${found.message} in its ${stage} stage` : undefined
  }, () => undefined)
}

// The text of an error can have data of a user, so the line only says where it is.
const pointers: Record<Kind, string> = {
  failure: " (HookFailures.onFailure has the error)",
  defect: " (HookFailures.onFailure has the error)",
  timeout: "",
  interruption: ""
}

const log = (failure: HookFailure, withCause: boolean, suppressed = 0): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    const level = fiber.getRef(UnhandledLogLevel)
    if (level === undefined) return Effect.void
    const text = misuse(failure) ?? describe(failure) + (withCause ? "" : pointers[kind(failure.cause)])
    const message = withCause ? [text, failure.cause] : [text]
    return Effect.logWithLevel(level)(...message).pipe(
      Effect.annotateLogs({
        hook: oneLine(failure.hook, 128),
        stage: failure.stage,
        flag_key: oneLine(failure.flagKey, 256),
        kind: kind(failure.cause),
        ...suppressed === 0 ? undefined : { suppressed }
      })
    )
  })

const fromPubSub = (
  pubsub: PubSub.PubSub<HookFailure>,
  logCause: boolean,
  logInterval: Duration.Duration
): HookFailures => {
  const lines = new LogLines(logInterval)
  let reported = 0
  let dropped = 0
  return {
    stream: Stream.fromPubSub(pubsub),
    counts: Effect.sync(() => ({ reported, dropped })),
    report: (failure) =>
      Effect.suspend(() => {
        reported++
        if (!PubSub.publishUnsafe(pubsub, failure)) dropped++
        return Effect.andThen(
          Metric.update(
            Metric.withAttributes(counter, { hook: oneLine(failure.hook, 128), stage: failure.stage }),
            1
          ),
          Effect.withFiber((fiber) => {
            const { cause, hook, stage } = failure
            const key = `${hook}\n${stage}\n${kind(cause)}\n${fiber.getRef(UnhandledLogLevel)}`
            return lines.log(key, (suppressed) => log(failure, logCause, suppressed))
          })
        )
      }).pipe(Effect.catchCause(() => Effect.void))
  }
}

/**
 * The options of a collector.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The maximum number of failures that wait for a slow reader, 1,024 by
   * default. Further ones are dropped and counted.
   */
  readonly capacity?: number | undefined
  /**
   * Adds the original cause to the log line, including the text of the error and
   * any data in it; `false` by default.
   */
  readonly logCause?: boolean | undefined
  /**
   * The minimum time between two log lines of one hook, stage and kind, 10 seconds
   * by default. The next line has the number of those left out as `suppressed`.
   * Zero logs every failure.
   */
  readonly logInterval?: Duration.Input | undefined
}

/**
 * Creates a collector of hook failures.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that names the option when an option is unknown or has
 * an invalid value.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Effect.Effect<HookFailures> => {
  const { capacity = 1024, logCause = false, logInterval = "10 seconds" } = Check.options(
    "HookFailures.make",
    options,
    {
      capacity: Check.positiveInteger,
      logCause: Check.aBoolean,
      logInterval: Check.finiteDuration
    }
  )
  const interval = Duration.fromInputUnsafe(logInterval)
  return Effect.map(PubSub.dropping<HookFailure>(capacity), (pubsub) => fromPubSub(pubsub, logCause, interval))
}

/**
 * The current collector of hook failures: one for the whole process, unless
 * `layer` provides another.
 *
 * **When to use**
 *
 * Use to read hook failures from anywhere in an application.
 *
 * **Details**
 *
 * Failures are logged at `References.UnhandledLogLevel`, at most one line for
 * each hook, stage and kind in 10 seconds (`logInterval`). Each logger gets a line
 * of its own, up to 10 of them. The line has no text of an error; `stream` and
 * `onFailure` have the error. Set that reference to `undefined` to silence the
 * log line.
 *
 * **Example** (Reading the first failure)
 *
 * ```ts
 * import { Effect, Fiber, References, Stream } from "effect"
 * import { FeatureHook, HookFailures } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const audit = FeatureHook.make("audit", { after: () => Effect.fail("the disk is full") })
 * const program = Effect.gen(function*() {
 *   const failures = yield* HookFailures.HookFailures
 *   const reader = yield* Effect.forkChild(Stream.runHead(failures.stream), { startImmediately: true })
 *   yield* Fixtures.run(FeatureHook.observe(audit))
 *   const first = yield* Effect.fromOption(yield* Fiber.join(reader))
 *   return HookFailures.describe(first)
 * }).pipe(Effect.provideService(References.UnhandledLogLevel, undefined))
 *
 * await Effect.runPromise(program) // => "hook \"audit\" failed in its after stage"
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const HookFailures: Context.Reference<HookFailures> = Context.Reference<HookFailures>(
  "effect-openfeature/HookFailures",
  // oxlint-disable-next-line no-restricted-properties -- the default of a reference is made outside of any fiber
  { defaultValue: () => Effect.runSync(make()) }
)

/**
 * Provides a new collector of hook failures.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that names the option when an option is unknown or has
 * an invalid value.
 *
 * **Example** (Logging the original causes)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags, HookFailures } from "effect-openfeature"
 *
 * const withCauses = FeatureFlags.boolean("new-checkout", false).pipe(
 *   Effect.provide(FeatureFlags.layer()),
 *   Effect.provide(HookFailures.layer({ logCause: true }))
 * )
 * await Effect.runPromise(withCauses) // => false
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options | undefined): Layer.Layer<never> => Layer.effect(HookFailures, make(options))

/**
 * A hook failure with its error, for `onFailure`.
 *
 * @category models
 * @since 0.2.0
 */
export interface FailureEvent extends HookFailure {
  /** The kind of the failure. */
  readonly kind: Kind
  /** What the hook failed with, such as the error that it threw. */
  readonly error: unknown
}

type Listener = (failure: HookFailure, services: Context.Context<never>) => void

const listeners = new Set<Listener>()

/**
 * Calls a function for every hook failure in the process, with the services of
 * the stage. Returns a function that ends it.
 *
 * @internal
 */
export const listen = (listener: Listener): () => void => {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

/**
 * Calls a function for every hook failure in the process. Returns a function
 * that ends it.
 *
 * **When to use**
 *
 * Use in an application without Effect to see what a hook failed with. With
 * Effect, use the `stream` of `HookFailures`.
 *
 * **Details**
 *
 * The function runs at once, in the context of the evaluation, so values of an
 * `AsyncLocalStorage` are available. What it throws or rejects with is ignored.
 *
 * **Gotchas**
 *
 * The error can contain any data that the hook put into it.
 *
 * Throws a `RangeError` when the argument is not a function.
 *
 * **Example** (Printing the error of a hook)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { FeatureHook, HookFailures, OpenFeatureHook } from "effect-openfeature"
 *
 * const errors: Array<string> = []
 * const stop = HookFailures.onFailure(({ hook, stage, error }) => errors.push(`${hook} ${stage}: ${error}`))
 *
 * const audit = FeatureHook.make("audit", {
 *   finally: async () => {
 *     throw new Error("the disk is full")
 *   }
 * })
 * const client = OpenFeature.getClient("checkout")
 * await client.getBooleanValue("new-checkout", false, {}, { hooks: [OpenFeatureHook.make(audit)] })
 * stop()
 * errors // => ["audit finally: Error: the disk is full"]
 * ```
 *
 * @category listening
 * @since 0.2.0
 */
export const onFailure = (listener: (failure: FailureEvent) => void): () => void => {
  Check.aFunction("HookFailures.onFailure", "listener", listener)
  return listen((failure) => listener(eventOf(failure)))
}

/**
 * Adds the error and the kind to a failure.
 *
 * @internal
 */
export const eventOf = (failure: HookFailure): FailureEvent => ({
  ...failure,
  kind: kind(failure.cause),
  error: errorOf(failure)
})

// A rejected promise is a failure with its reason as the cause.
const errorOf = ({ cause }: HookFailure): unknown => {
  const error = Cause.squash(cause)
  return Cause.isUnknownError(error) ? error.cause : error
}

/**
 * Reports a failure to the current collector, and to the functions of
 * `onFailure`.
 *
 * **When to use**
 *
 * Use in a hook that handles its own failures and still wants them to be
 * collected.
 *
 * **Details**
 *
 * Never fails, and never waits for the collector, which runs in a fiber of its
 * own. If the collector fails, the failure is logged instead.
 *
 * **Example** (Reporting a handled failure)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureHook, HookFailures } from "effect-openfeature"
 *
 * const save = Effect.fail("the disk is full")
 * const audit = FeatureHook.make("audit", {
 *   after: ({ flagKey }) =>
 *     Effect.catchCause(save, (cause) => HookFailures.report({ hook: "audit", stage: "after", flagKey, cause }))
 * })
 * audit.name // => "audit"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const report = (failure: HookFailure): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    for (const listener of listeners) notify(() => listener(failure, fiber.context))
    const collect = Effect.suspend(() => fiber.getRef(HookFailures).report(failure)).pipe(
      Effect.catchCause(() => log(failure, false)),
      Effect.catchCause(() => Effect.void)
    )
    return Effect.asVoid(Effect.forkDetach(collect, { startImmediately: true }))
  })
