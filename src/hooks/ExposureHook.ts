/**
 * Hooks that tell another system who was exposed to which variant, once per
 * subject.
 *
 * An evaluation is not an exposure: a page evaluates a flag many times for one
 * user, and an experiment counts the user once. These hooks report each subject,
 * flag and variant once in a window of time, in batches, in the background.
 *
 * @since 0.2.0
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { cast } from "effect/Function"
import * as Metric from "effect/Metric"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as SDK from "@openfeature/server-sdk"
import type { EvaluationContext } from "../EvaluationContext.ts"
import { EvaluationError } from "../EvaluationError.ts"
import * as FeatureHook from "../FeatureHook.ts"
import * as HookFailures from "../HookFailures.ts"
import * as Check from "../internal/check.ts"
import * as ExposureCounts from "../internal/hook/exposureCounts.ts"
import * as ExposureSettings from "../internal/hook/exposureSettings.ts"
import * as Stores from "../internal/hook/exposureStore.ts"
import * as Exposing from "../internal/hook/exposing.ts"
import type * as Sightings from "../internal/hook/sighting.ts"
import type * as Work from "../internal/hook/work.ts"
import * as Started from "../internal/started.ts"
import { readString } from "../internal/untrusted.ts"
import type * as BackgroundHook from "./BackgroundHook.ts"

/**
 * A value of an exposure that fits into any format. Structures are printed.
 *
 * @category models
 * @since 0.2.0
 */
export type Value = Sightings.Value

/**
 * What a sink is told about a subject, a flag and a variant.
 *
 * @category models
 * @since 0.2.0
 */
export interface Exposure extends Sightings.Exposure {}

/**
 * An evaluation, as a `subject` and a `filter` see it. A hook context is one, too.
 *
 * @category models
 * @since 0.2.0
 */
export interface Evaluation extends Sightings.Evaluation {}

/**
 * What a reservation of an exposure is.
 *
 * @category models
 * @since 0.2.0
 */
export interface Reservation extends Stores.Reservation {}

/**
 * What processes share, so that a subject is exposed once in all of them.
 *
 * **Details**
 *
 * Keys are digests. `reserve` gives one `Reservation` per key: `"reserved"` for the
 * owner, `"pending"` while another owner holds it, `"exposed"` once confirmed.
 * `confirm` marks keys as exposed for a time, and `release` gives up the
 * reservations that the owner still has.
 *
 * `RedisExposureStore` of `effect-openfeature/redis` is one.
 *
 * @category models
 * @since 0.2.0
 */
export interface Store extends Stores.Store {}

/**
 * The service of a store, for layers such as `RedisExposureStore.layer`.
 *
 * @category services
 * @since 0.2.0
 */
export class ExposureStore extends Context.Service<ExposureStore, Store>()("effect-openfeature/ExposureStore") {}

/**
 * The options of all exposure hooks with subjects, with those of `Privacy`.
 *
 * **Details**
 *
 * Of the options of `Privacy`, `values` adds `value`, and `context` adds
 * `attributes`.
 *
 * @category models
 * @since 0.2.0
 */
export interface Settings extends ExposureSettings.Settings {}

/**
 * The options of `make` and `start`.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options<out B = unknown> extends Settings {
  /**
   * Takes a batch of exposures, in their order. Returns an effect, a promise, or
   * nothing. They count as exposed when it succeeds.
   */
  readonly send: (exposures: ReadonlyArray<Exposure>) => B
}

/**
 * What has become of the evaluations that can be exposures.
 *
 * **Details**
 *
 * `offered` is always the sum of `delivered`, `dropped`, `failed`, `suppressed` and
 * `pending`.
 *
 * @category models
 * @since 0.2.0
 */
export interface Counts {
  /** All successful evaluations with a subject, and those given to `expose`, without overrides and what `filter` left out. */
  readonly offered: number
  /** The exposures that the sink has accepted. */
  readonly delivered: number
  /** The exposures that were not sent, or given up when the hook closed. */
  readonly dropped: number
  /** The exposures that the sink did not accept. */
  readonly failed: number
  /** Those whose subject was exposed before, here or in another process, or whose exposure was on its way. */
  readonly suppressed: number
  /** The exposures on their way to the sink. */
  readonly pending: number
  /** The successful evaluations without a subject. They are not part of `offered`. */
  readonly anonymous: number
  /** The exposures that were forgotten within their window, since `capacity` was reached. */
  readonly evicted: number
  /** The present number of exposures that are remembered. */
  readonly size: number
}

/**
 * What the caller knows of an evaluation: the details that a client returns.
 *
 * @category models
 * @since 0.2.0
 */
export interface Details extends Exposing.Details {}

/**
 * The options of an explicit exposure.
 *
 * @category models
 * @since 0.2.0
 */
export interface ExposeOptions {
  /** The domain of the client that evaluated the flag. The default domain by default. */
  readonly domain?: string | undefined
}

/**
 * An exposure hook, and what is known about its work.
 *
 * @category models
 * @since 0.2.0
 */
export interface ExposureHook {
  /** The hook for an evaluation. It does nothing when `automatic` is `false`. */
  readonly hook: FeatureHook.FeatureHook
  /**
   * Exposes what was evaluated, at the moment when it is shown: the details that a
   * client returned, and the evaluation context with the subject. Gives `true` if an
   * exposure is on its way now.
   */
  readonly expose: (
    details: Details,
    context: EvaluationContext,
    options?: ExposeOptions | undefined
  ) => Effect.Effect<boolean>
  /** The present counts. */
  readonly counts: Effect.Effect<Counts>
  /** Waits until no exposure is pending, without a limit. */
  readonly flush: Effect.Effect<void>
  /** Forgets what was exposed in this process, such as after a new release of the flags. The counts stay. */
  readonly reset: Effect.Effect<void>
}

/**
 * An exposure hook with its exposures as a stream.
 *
 * @category models
 * @since 0.2.0
 */
export interface ExposureStream extends ExposureHook {
  /** The exposures. Each goes to one reader. It ends after the scope has closed. */
  readonly exposures: Stream.Stream<Exposure>
}

/**
 * The form of `ExposureHook` for an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running {
  /** The hook for an evaluation. It does nothing when `automatic` is `false`. */
  readonly hook: FeatureHook.FeatureHook
  /** Exposes what was evaluated. Returns `true` if an exposure is on its way now. */
  readonly expose: (details: Details, context: EvaluationContext, options?: ExposeOptions | undefined) => boolean
  /** Returns the present counts. */
  readonly counts: () => Counts
  /** Waits until no exposure is pending, without a limit. */
  readonly flush: () => Promise<void>
  /** Forgets what was exposed in this process. The counts stay. */
  readonly reset: () => void
  /** Sends the rest within `closeTimeout`. Later exposures are dropped. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** The same as `close`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * Counts exposures with Effect's `Metric`, by `hook` and `outcome`: `delivered`,
 * `dropped` or `failed`.
 *
 * @category metrics
 * @since 0.2.0
 */
export const counter: Metric.Counter<number> = Metric.counter("feature_flag_exposures_total", {
  description: "Exposures of feature flags by what has become of them",
  incremental: true
})

const acquire = Effect.fnUntraced(function*<B>(owner: string, options: Options<B>) {
  const exposing = yield* Exposing.make<FeatureHook.StageServices<B>>(owner, { ...options, counter })
  const name = ExposureSettings.nameOf(options)
  const { see } = exposing
  const hook = options.automatic === false
    ? FeatureHook.empty
    : FeatureHook.watcher(FeatureHook.make(name, { finally: (context, details) => see(context, details) }))
  const exposures: ExposureHook = {
    hook,
    // The details and the context can be of any form.
    expose: (details, context, { domain } = {}) =>
      Effect.suspend(() => Effect.succeed(exposing.expose(details, context, domain))).pipe(
        Effect.catchCause((cause: Cause.Cause<never>) =>
          Effect.as(HookFailures.report({ hook: name, stage: "finally", flagKey: "", cause }), false)
        )
      ),
    counts: Effect.sync(exposing.counts),
    flush: exposing.flush,
    reset: Effect.sync(exposing.reset)
  }
  return exposures
})

/**
 * Creates a hook that exposes each subject, flag and variant once per window, until
 * the scope closes.
 *
 * **When to use**
 *
 * Use to tell an analytics or experimentation service who got which variant.
 *
 * **Details**
 *
 * - Successful evaluations with a subject count. The others are left out, and those
 *   without a subject are counted as `anonymous`. Overrides count only with the
 *   option `overrides`.
 * - A subject that gets another variant is exposed again, and where a provider has
 *   no variants, one that gets another value.
 * - An evaluation only looks up whether its subject was exposed. Hashing, the store
 *   and the sink come later, in the background, in batches.
 * - An exposure counts as exposed when the sink has accepted its batch. When the
 *   sink fails, after the last `retry`, the next evaluation exposes again. While an
 *   exposure is on its way, there is no second one.
 * - The window starts with the evaluation, and is measured with Effect's monotonic
 *   clock.
 * - With a `store`, processes expose a subject once between them. A store that fails,
 *   or does not answer within `timeout`, is reported to `HookFailures`, and the
 *   exposure is sent: at least once.
 *
 * **Gotchas**
 *
 * By default the subject is hashed without a secret, which a service can reproduce,
 * and which hides nothing that can be guessed, such as a user number. Use
 * `Privacy.hmac` to hide it, or `"raw"` for a service that needs it.
 *
 * A `send` that never ends keeps its place. Limit it, such as with `Effect.timeout`.
 *
 * Throws a `RangeError` when an option is missing, invalid or unknown, and outside
 * of Node.js.
 *
 * **Example** (Exposing a user once)
 *
 * ```ts
 * import { Effect, Schedule } from "effect"
 * import { ExposureHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const sent: Array<string> = []
 * const program = Effect.gen(function*() {
 *   const exposures = yield* ExposureHook.make({
 *     targetingKey: "raw",
 *     retry: Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 3 })),
 *     send: (batch) =>
 *       Effect.sync(() => sent.push(...batch.map(({ flagKey, subject, variant }) => `${subject}: ${flagKey} ${variant}`)))
 *   })
 *   for (const variant of ["on", "on", "off"]) {
 *     yield* Fixtures.run(exposures.hook, {
 *       context: { flagKey: "sale", context: { targetingKey: "user-1" } },
 *       details: { variant }
 *     })
 *   }
 *   yield* exposures.flush
 *   return yield* exposures.counts
 * })
 * const { delivered, offered, suppressed } = await Effect.runPromise(Effect.scoped(program))
 * sent // => ["user-1: sale on", "user-1: sale off"]
 * offered // => 3
 * delivered // => 2
 * suppressed // => 1
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = <B>(
  options: Options<B>
): Effect.Effect<ExposureHook, never, FeatureHook.StageServices<B> | Scope.Scope> => {
  const owner = "ExposureHook.make"
  ExposureSettings.checkedWithSend(owner, options)
  return acquire(owner, options)
}

/**
 * Creates an exposure hook, for an application without Effect.
 *
 * **Details**
 *
 * The same as `make`. Close it before the process ends, or the exposures that are
 * left are lost.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * **Example** (Exposing when the variant is shown)
 *
 * ```ts
 * import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
 * import { ExposureHook } from "effect-openfeature"
 *
 * const shown: Array<unknown> = []
 * const exposures = ExposureHook.start({
 *   automatic: false,
 *   targetingKey: "raw",
 *   send: async (batch) => {
 *     shown.push(...batch.map(({ subject, variant }) => `${subject}: ${variant}`)) // await analytics.insert(batch)
 *   }
 * })
 * const sale = { variants: { on: true, off: false }, defaultVariant: "on", disabled: false }
 * await OpenFeature.setProviderAndWait("exposures", new InMemoryProvider({ sale }))
 *
 * const user = { targetingKey: "user-1" }
 * const details = await OpenFeature.getClient("exposures").getBooleanDetails("sale", false, user)
 * // later, when the page shows it
 * exposures.expose(details, user) // => true
 * exposures.expose(details, user) // => false
 * await exposures.close()
 * shown // => ["user-1: on"]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const start = <B extends PromiseLike<unknown> | Effect.Effect<unknown, unknown> | void>(
  options: Options<B>
): Running => {
  const owner = "ExposureHook.start"
  ExposureSettings.checkedWithSend(owner, options)
  const { value, ...closing } = Started.start(
    acquire<void>(owner, { ...options, send: (batch) => cast(options.send(batch)) })
  )
  return {
    hook: value.hook,
    expose: (details, context, given) => Started.runSync(value.expose(details, context, given)),
    counts: () => Started.runSync(value.counts),
    flush: () => Started.runPromise(value.flush),
    reset: () => Started.runSync(value.reset),
    ...closing
  }
}

/**
 * Creates an exposure hook with its exposures as a stream.
 *
 * **Details**
 *
 * The options are those of `make` without `send`. A batch is accepted when it waits
 * for the reader and the batch before it was taken, so a slow reader lets exposures
 * wait in the hook, up to `maxPending`. When the scope closes, the stream ends after
 * the last batch.
 *
 * **Gotchas**
 *
 * A reader takes exposures by the batch. What is left of its batch when it ends goes
 * to no other reader, and counts as delivered.
 *
 * Throws like `make`.
 *
 * **Example** (Reading exposures)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { ExposureHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const program = Effect.gen(function*() {
 *   const { exposures, hook } = yield* ExposureHook.makeStream({ targetingKey: "raw", maxWait: 0 })
 *   yield* Fixtures.run(hook, { context: { context: { targetingKey: "user-1" } } })
 *   return yield* Stream.runCollect(Stream.take(exposures, 1))
 * })
 * const [first] = await Effect.runPromise(Effect.scoped(program))
 * first?.subject // => "user-1"
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeStream = (settings: Settings = {}): Effect.Effect<ExposureStream, never, Scope.Scope> => {
  const owner = "ExposureHook.makeStream"
  ExposureSettings.checked(owner, settings)
  return Effect.gen(function*() {
    const queue = yield* Queue.bounded<ReadonlyArray<Exposure>, Cause.Done>(1)
    // Runs after the rest of the exposures was sent, since it was added before.
    yield* Effect.addFinalizer(() => Queue.end(queue))
    const exposing = yield* acquire(owner, { ...settings, send: (batch) => Queue.offer(queue, batch) })
    return { ...exposing, exposures: Stream.flatMap(Stream.fromQueue(queue), Stream.fromIterable) }
  })
}

/**
 * Creates a store in the memory of the process, for hooks that share a sink, and for
 * tests.
 *
 * **Details**
 *
 * It has at most `capacity` keys, 100,000 by default. The oldest one is forgotten.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the capacity is not an integer of at least 1.
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeMemoryStore = (capacity = 100_000): Effect.Effect<Store> =>
  Stores.makeMemory(Check.positiveInteger("ExposureHook.makeMemoryStore", "capacity", capacity))

/**
 * What `track` needs of a client of the SDK.
 *
 * @category models
 * @since 0.2.0
 */
export interface Tracker {
  /** Sends a tracking event to the provider (specification 6.1). */
  readonly track: (name: string, context: SDK.EvaluationContext, details: SDK.TrackingEventDetails) => void
  /** The status of the provider. Without it, the provider counts as ready. */
  readonly providerStatus?: string | undefined
}

/**
 * Creates a `send` that gives exposures to the provider of a client, as tracking
 * events.
 *
 * **Details**
 *
 * The event is called `exposure`, unless `name` is given. Its context has the subject
 * as the targeting key, and the attributes of the exposure. Its details have `id`,
 * `flagKey`, `variant` and `time`, if there is one.
 *
 * While the provider is not ready, the batch fails, so it can be sent again.
 *
 * **Gotchas**
 *
 * Most providers need the subject as it is: set `targetingKey` to `"raw"`. The SDK
 * ignores what a provider throws, and providers that do not track.
 *
 * Throws a `RangeError` when the client has no `track`, or the name is empty.
 *
 * **Example** (Sending exposures through the provider)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { ExposureHook, OpenFeatureHook } from "effect-openfeature"
 *
 * const client = OpenFeature.getClient("tracked-exposures")
 * const exposures = ExposureHook.start({ targetingKey: "raw", send: ExposureHook.track(client) })
 * client.addHooks(OpenFeatureHook.make(exposures.hook))
 * await exposures.close()
 * ```
 *
 * @category sinks
 * @since 0.2.0
 */
export const track = (
  client: Tracker,
  name = "exposure"
): (exposures: ReadonlyArray<Exposure>) => Effect.Effect<void, EvaluationError> => {
  Check.withMethods("track")("ExposureHook.track", "client", client)
  Check.aText("ExposureHook.track", "name", name)
  return (exposures) =>
    Effect.suspend(() => {
      const status = readString(client, "providerStatus")
      if (status === "NOT_READY" || status === "FATAL") {
        return Effect.fail(
          new EvaluationError({ code: "PROVIDER_NOT_READY", message: "the provider cannot track yet" })
        )
      }
      for (const { attributes, flagKey, id, subject, time, variant } of exposures) {
        const details = { id, flagKey, time }
        client.track(
          name,
          { ...attributes, targetingKey: subject },
          variant === undefined ? details : { ...details, variant }
        )
      }
      return Effect.void
    })
}

/**
 * How often a flag gave a variant in a minute.
 *
 * @category models
 * @since 0.2.0
 */
export interface Total extends ExposureCounts.Total {}

/**
 * The options of `makeCounts` and `startCounts`.
 *
 * @category models
 * @since 0.2.0
 */
export interface CountOptions<out B = unknown> extends ExposureCounts.Options<B> {}

/**
 * What has become of the evaluations that were counted.
 *
 * **Details**
 *
 * These are numbers of evaluations, not of totals. `offered` is always the sum of
 * the others.
 *
 * @category models
 * @since 0.2.0
 */
export interface CountCounts extends Work.Counts {}

/**
 * A hook that counts evaluations.
 *
 * @category models
 * @since 0.2.0
 */
export interface CountHook {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook
  /** The present counts. */
  readonly counts: Effect.Effect<CountCounts>
  /** Sends what was collected, and waits until it is sent. */
  readonly flush: Effect.Effect<void>
}

const acquireCounts = Effect.fnUntraced(function*<B>(options: CountOptions<B>) {
  const { see, ...counting } = yield* ExposureCounts.make<FeatureHook.StageServices<B>>(options)
  const hook = FeatureHook.watcher(FeatureHook.make(ExposureCounts.nameOf(options), {
    finally: (context, details) => see(context, details)
  }))
  return { hook, ...counting }
})

/**
 * Creates a hook that counts successful evaluations by flag, variant and minute,
 * until the scope closes.
 *
 * **When to use**
 *
 * Use where totals are enough. It costs little, and has no data of any subject.
 *
 * **Details**
 *
 * It counts evaluations, and not exposures: a user who gets a flag twice counts
 * twice, also without a targeting key. The totals of a flag, a variant and a minute
 * add up to the number of evaluations in it. There is one for each batch, so more
 * than one if a batch is sent within the minute.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when an option is missing, invalid or unknown.
 *
 * **Example** (Counting evaluations)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ExposureHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const sent: Array<string> = []
 * const program = Effect.gen(function*() {
 *   const { flush, hook } = yield* ExposureHook.makeCounts({
 *     send: (totals) => {
 *       for (const { evaluations, flagKey, variant } of totals) sent.push(`${flagKey} ${variant}: ${evaluations}`)
 *     }
 *   })
 *   for (const variant of ["on", "off", "on"]) {
 *     yield* Fixtures.run(hook, { context: { flagKey: "sale" }, details: { variant } })
 *   }
 *   yield* flush
 * })
 * await Effect.runPromise(Effect.scoped(program))
 * sent // => ["sale on: 2", "sale off: 1"]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeCounts = <B>(
  options: CountOptions<B>
): Effect.Effect<CountHook, never, FeatureHook.StageServices<B> | Scope.Scope> => {
  ExposureCounts.checked("ExposureHook.makeCounts", options)
  return acquireCounts(options)
}

/**
 * Creates a hook that counts evaluations, for an application without Effect.
 *
 * **Details**
 *
 * The same as `makeCounts`. Close it before the process ends, or the totals that are
 * left are lost.
 *
 * **Gotchas**
 *
 * Throws like `makeCounts`.
 *
 * @category constructors
 * @since 0.2.0
 */
export const startCounts = <B extends PromiseLike<unknown> | Effect.Effect<unknown, unknown> | void>(
  options: CountOptions<B>
): BackgroundHook.Running => {
  ExposureCounts.checked("ExposureHook.startCounts", options)
  const acquired = acquireCounts<void>({ ...options, send: (totals) => cast(options.send(totals)) })
  return Started.counting(Started.start(acquired))
}
