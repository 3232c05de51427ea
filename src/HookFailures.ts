/**
 * Where everything ends up that went wrong inside a hook without reaching the
 * caller.
 *
 * The `error` and `finally` stages never change a result, an observed hook
 * never does, and a hook that fails with something else than an
 * `EvaluationError` reaches the caller as a fixed message only. What really
 * happened arrives here: as a `Stream`, as a counter, and as one log line that
 * can be silenced.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PubSub from "effect/PubSub"
import { UnhandledLogLevel } from "effect/References"
import * as Stream from "effect/Stream"
import { tryOr } from "./internal/untrusted.ts"
import { oneLine } from "./internal/text.ts"

/**
 * The four stages of a hook, in the words of the specification.
 *
 * @category models
 * @since 0.1.0
 */
export type Stage = "before" | "after" | "error" | "finally"

/**
 * One thing that went wrong in a hook.
 *
 * **Gotchas**
 *
 * The cause is the original one, so it may hold whatever the hook put into its
 * errors. The log line leaves it out.
 *
 * @category models
 * @since 0.1.0
 */
export interface HookFailure {
  readonly hook: string
  readonly stage: Stage
  readonly flagKey: string
  readonly cause: Cause.Cause<unknown>
}

/**
 * Collects the failures of hooks.
 *
 * @category models
 * @since 0.1.0
 */
export interface HookFailures {
  /** Every failure from now on; a slow reader loses the newest. */
  readonly stream: Stream.Stream<HookFailure>
  /** How many failures there were, and how many of them a reader lost. */
  readonly counts: Effect.Effect<{ readonly reported: number; readonly dropped: number }>
  /** Takes a failure. Never fails, never waits for a reader. */
  readonly report: (failure: HookFailure) => Effect.Effect<void>
}

/**
 * Counts the failures of hooks, by `hook` and `stage`, on Effect's `Metric`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const counter: Metric.Counter<number> = Metric.counter("feature_flag_hook_failures_total", {
  description: "Failures inside feature flag hooks that did not reach a caller",
  incremental: true
})

/**
 * The kinds of things that can go wrong, for logs and labels.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = "failure" | "defect" | "timeout" | "interruption"

/**
 * Tells what kind of failure a cause is.
 *
 * **Example** (A hook that was too slow)
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
 * Says in one line what went wrong, without the text of the error.
 *
 * **Example** (The message that a caller or a log gets to see)
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

const log = (failure: HookFailure, withCause: boolean): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    const level = fiber.getRef(UnhandledLogLevel)
    if (level === undefined) return Effect.void
    const message = withCause ? [describe(failure), failure.cause] : [describe(failure)]
    return Effect.logWithLevel(level)(...message).pipe(
      Effect.annotateLogs({
        hook: oneLine(failure.hook, 128),
        stage: failure.stage,
        flag_key: oneLine(failure.flagKey, 256),
        kind: kind(failure.cause)
      })
    )
  })

const fromPubSub = (pubsub: PubSub.PubSub<HookFailure>, logCause: boolean): HookFailures => {
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
          log(failure, logCause)
        )
      }).pipe(Effect.catchCause(() => Effect.void))
  }
}

const defaultCapacity = 1024

/**
 * The settings of a collector.
 *
 * **Details**
 *
 * - `capacity`: how many failures are kept for a reader that is slower than they
 *   come, 1024 by default. What does not fit is dropped and counted.
 * - `logCause`: adds the original cause to the log line, with the text of the
 *   error and whatever the hook put into it; `false` by default.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly capacity?: number | undefined
  readonly logCause?: boolean | undefined
}

/**
 * Creates a collector.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `capacity` is not an integer of at least 1.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options | undefined): Effect.Effect<HookFailures> => {
  const capacity = options?.capacity ?? defaultCapacity
  if (!Number.isInteger(capacity) || capacity < 1) {
    throw new RangeError(`HookFailures.make: capacity must be an integer >= 1, got ${capacity}`)
  }
  return Effect.map(
    PubSub.dropping<HookFailure>(capacity),
    (pubsub) => fromPubSub(pubsub, options?.logCause ?? false)
  )
}

/**
 * The collector that hooks report to: one for the whole process, unless `layer`
 * provides another.
 *
 * **When to use**
 *
 * Use to read what went wrong, from anywhere.
 *
 * **Details**
 *
 * The log line is written at `References.UnhandledLogLevel`; set that to
 * `undefined` to silence it.
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
 * Provides a collector of its own to everything below.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `capacity` is not an integer of at least 1.
 *
 * **Example** (Showing operators what really happened)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags, HookFailures } from "effect-openfeature"
 *
 * const program = Effect.gen(function*() {
 *   const flags = yield* FeatureFlags.FeatureFlags
 *   return yield* flags.boolean("new-checkout", false)
 * })
 * const withCauses = program.pipe(
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
 * Reports a failure to the collector of the current context.
 *
 * **Details**
 *
 * Never fails and never waits: a collector that dies or hangs affects nobody. The
 * failure is logged then.
 *
 * @category combinators
 * @since 0.1.0
 */
export const report = (failure: HookFailure): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    const collect = Effect.suspend(() => fiber.getRef(HookFailures).report(failure)).pipe(
      Effect.catchCause(() => log(failure, false)),
      Effect.catchCause(() => Effect.void)
    )
    return Effect.asVoid(Effect.forkDetach(collect, { startImmediately: true }))
  })
