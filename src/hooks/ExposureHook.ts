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
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { cast } from "effect/Function"
import * as Metric from "effect/Metric"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as SDK from "@openfeature/server-sdk"
import type { EvaluationContext } from "../EvaluationContext.ts"
import * as EvaluationDetails from "../EvaluationDetails.ts"
import { EvaluationError } from "../EvaluationError.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as HookFailures from "../HookFailures.ts"
import * as Check from "../internal/check.ts"
import * as Delivery from "../internal/hook/delivery.ts"
import { Exposed, type Sighting } from "../internal/hook/exposed.ts"
import * as ExposureCounts from "../internal/hook/exposureCounts.ts"
import * as Stores from "../internal/hook/exposureStore.ts"
import { publish } from "../internal/hook/publish.ts"
import * as Sightings from "../internal/hook/sighting.ts"
import { domainOf, targetingKeyOf } from "../internal/hook/view.ts"
import type * as Work from "../internal/hook/work.ts"
import { sha256Hex } from "../internal/node.ts"
import * as Services from "../internal/services.ts"
import * as Started from "../internal/started.ts"
import { oneLine } from "../internal/text.ts"
import { formatTime } from "../internal/time.ts"
import { readString } from "../internal/untrusted.ts"
import * as Privacy from "../Privacy.ts"
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
export interface Settings extends Omit<Privacy.Options, "targetingKey"> {
  /** The name of the hook, `exposure` by default. Hooks with different names expose a subject each for itself. */
  readonly name?: string | undefined
  /** Returns the subject, or `undefined` for nobody. By default the targeting key. */
  readonly subject?: ((evaluation: Evaluation) => string | undefined) | undefined
  /**
   * Selects exposures by the result, such as by flag metadata. By default all
   * successful evaluations count. `FeatureHook.when` selects by the hook context.
   */
  readonly filter?: ((details: EvaluationDetails.EvaluationDetails, evaluation: Evaluation) => boolean) | undefined
  /** Whether evaluations are exposures; `true` by default. With `false`, only `expose` makes them. */
  readonly automatic?: boolean | undefined
  /** The time in which a subject is exposed once to a variant, 1 hour by default. It can be `"Infinity"`. */
  readonly window?: Duration.Input | undefined
  /**
   * The maximum number of exposures to remember, 50,000 by default. One that was
   * last used long ago is forgotten, and can be exposed again.
   */
  readonly capacity?: number | undefined
  /**
   * How the subject is written: `"hash"`, the default, for its SHA-256 in
   * hexadecimal digits, `"raw"`, or a function such as `Privacy.hmac`. The function
   * must give different texts for different subjects.
   */
  readonly targetingKey?: "hash" | "raw" | ((subject: string) => string) | undefined
  /** The names of the flag metadata to include; none by default. */
  readonly metadata?: ReadonlyArray<string> | undefined
  /** The maximum number of exposures in a batch, 100 by default. */
  readonly maxSize?: number | undefined
  /** The maximum time that an exposure waits for a batch to fill, 1 second by default. */
  readonly maxWait?: Duration.Input | undefined
  /**
   * Sends a batch again when the sink fails, as long as the schedule continues. By
   * default a batch is sent once. A failed effect and a rejected promise are
   * tried again. A defect, such as an error that is thrown at once, is final.
   */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** The maximum number of exposures that wait for a batch, 10,000 by default. */
  readonly maxPending?: number | undefined
  /** What happens when `maxPending` is reached: the new exposure is dropped, the default, or the oldest one. */
  readonly overflow?: "dropNewest" | "dropOldest" | undefined
  /** The number of batches that are sent at the same time, 1 by default. */
  readonly concurrency?: number | undefined
  /** The maximum time that closing waits for the rest of the exposures, 3 seconds by default. */
  readonly closeTimeout?: Duration.Input | undefined
  /** What processes share, such as a `RedisExposureStore`. None by default: each process exposes for itself. */
  readonly store?: Store | undefined
  /** The maximum time for each question to the store, 100 milliseconds by default. No evaluation waits for it. */
  readonly timeout?: Duration.Input | undefined
  /**
   * How long a process may take to send an exposure that it has reserved in the
   * store, 1 minute by default. Then another process may send it as well.
   */
  readonly lease?: Duration.Input | undefined
}

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
  /** All successful evaluations with a subject, and those given to `expose`, unless `filter` left them out. */
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
export interface Details {
  /** The key of the flag. */
  readonly flagKey: string
  /** The flag value. */
  readonly value: unknown
  /** The variant. None by default. */
  readonly variant?: string | undefined
  /** Why the flag has this value. None by default. */
  readonly reason?: string | undefined
  /** The error code of a failed evaluation, which is no exposure. */
  readonly errorCode?: string | undefined
  /** Facts about the flag. None by default. */
  readonly flagMetadata?: Readonly<Record<string, string | number | boolean>> | undefined
}

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

const aSchedule: Check.Rule = (owner, name, value) =>
  Schedule.isSchedule(value) || Check.reject(owner, name, "a schedule", value)

const settingRules: Check.Rules<Settings> = {
  ...Privacy.rules,
  name: Check.aText,
  subject: Check.aFunction,
  filter: Check.aFunction,
  automatic: Check.aBoolean,
  window: Check.lifetime,
  capacity: Check.positiveInteger,
  targetingKey: (owner, name, value) => typeof value === "function" || Check.oneOf(owner, name, ["hash", "raw"], value),
  metadata: Check.names,
  maxSize: Check.positiveInteger,
  maxWait: Check.finiteDuration,
  retry: aSchedule,
  maxPending: Check.positiveInteger,
  overflow: Check.among("dropNewest", "dropOldest"),
  concurrency: Check.positiveInteger,
  closeTimeout: Check.finiteDuration,
  store: Check.withMethods("reserve", "confirm", "release"),
  timeout: Check.positiveDuration,
  lease: Check.positiveDuration
}

const checked = <B>(owner: string, options: Options<B>): Options<B> => {
  const { send } = Check.options(owner, options, { ...settingRules, send: Check.aFunction })
  Check.aFunction(owner, "send", send)
  // Fails outside of Node, also for options that need no digest: the identifiers of exposures do.
  sha256Hex(owner)
  return options
}

// All that is synchronous, so that the plain form needs no fiber for it.
interface Core {
  readonly hook: FeatureHook.FeatureHook
  readonly expose: (details: Details, context: EvaluationContext, options?: ExposeOptions) => boolean
  readonly counts: () => Counts
  readonly flush: Effect.Effect<void>
  readonly reset: () => void
}

const acquire = Effect.fnUntraced(function*<B>(owner: string, options: Options<B>) {
  const { automatic = true, capacity = 50_000, filter, maxPending = 10_000, store } = options
  const name = oneLine(options.name ?? "exposure", 128)
  const subjectOf = options.subject
  const clock = yield* Clock.Clock
  const services = Services.lasting(yield* Effect.context())
  const window = Duration.fromInputUnsafe(options.window ?? "1 hour")
  const records = new Sightings.Records(name, options, sha256Hex(owner))
  const exposed = new Exposed<Sightings.Seen>(clock, window, capacity)
  const metric = (outcome: Work.Outcome) => Metric.withAttributes(counter, { hook: name, outcome })
  const metrics = { delivered: metric("delivered"), dropped: metric("dropped"), failed: metric("failed") }
  const delivery = yield* Delivery.make<Sighting<Sightings.Seen>, FeatureHook.StageServices<B>>({
    name,
    counter: undefined,
    send: publish<Sightings.Seen, Exposure, FeatureHook.StageServices<B>>({
      name,
      retry: options.retry,
      send: options.send,
      finish: (seen) => records.finish(seen),
      sharing: store && {
        store,
        window,
        timeout: Duration.fromInputUnsafe(options.timeout ?? "100 millis"),
        lease: Duration.fromInputUnsafe(options.lease ?? "1 minute")
      }
    }),
    onEnd: (outcome, sighting) => {
      const actual = exposed.end(outcome, sighting)
      if (actual !== undefined) metrics[actual].updateUnsafe(1, services)
    },
    capacity: maxPending,
    overflow: options.overflow,
    concurrency: options.concurrency,
    closeTimeout: options.closeTimeout,
    maxSize: options.maxSize ?? 100,
    maxWait: options.maxWait ?? "1 second"
  })
  const see = (
    evaluation: Evaluation,
    subject: string | undefined,
    details: EvaluationDetails.EvaluationDetails,
    domain = ""
  ): boolean => {
    if (filter !== undefined && !filter(details, evaluation)) return false
    if (typeof subject !== "string" || subject === "") {
      exposed.anonymous++
      return false
    }
    const { flagKey } = evaluation
    const result = Sightings.resultOf(details)
    if (exposed.isLatest(flagKey, result, domain, subject)) return false
    const key = records.bounded(Sightings.keyOf(flagKey, result, domain, subject))
    if (exposed.isKnown(key, flagKey, result, domain, subject)) return false
    const time = formatTime(clock.currentTimeMillisUnsafe())
    const sighting = exposed.begin(key, flagKey, records.see(evaluation, details, subject, domain, result, time))
    delivery.offer(sighting, flagKey)
    return exposed.isPending(sighting)
  }
  const core: Core = {
    hook: automatic
      ? FeatureHook.watcher(FeatureHook.make(name, {
        finally: (context: HookContext, details) => {
          if (details.errorCode !== undefined) return
          see(
            context,
            subjectOf === undefined ? targetingKeyOf(context) : subjectOf(context),
            details,
            domainOf(context)
          )
        }
      }))
      : FeatureHook.empty,
    expose: (details, context, { domain } = {}) => {
      if (details.errorCode) return false
      const evaluation = { flagKey: details.flagKey, context }
      const subject = subjectOf === undefined ? context.targetingKey : subjectOf(evaluation)
      return see(evaluation, subject, EvaluationDetails.shown(details), domain)
    },
    counts: () => exposed.counts,
    flush: delivery.flush,
    reset: () => exposed.reset()
  }
  return core
})

const exposing = (core: Core, name: string): ExposureHook => ({
  hook: core.hook,
  // The details and the context can be of any form.
  expose: (details, context, options) =>
    Effect.suspend(() => Effect.succeed(core.expose(details, context, options))).pipe(
      Effect.catchCause((cause: Cause.Cause<never>) =>
        Effect.as(HookFailures.report({ hook: name, stage: "finally", flagKey: "", cause }), false)
      )
    ),
  counts: Effect.sync(core.counts),
  flush: core.flush,
  reset: Effect.sync(core.reset)
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
 *   without a subject are counted as `anonymous`.
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
  checked(owner, options)
  return Effect.map(acquire(owner, options), (core) => exposing(core, nameOf(options)))
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
  checked(owner, options)
  const { value, ...closing } = Started.start(
    acquire<void>(owner, { ...options, send: (batch) => cast(options.send(batch)) })
  )
  const { expose } = exposing(value, nameOf(options))
  return {
    hook: value.hook,
    expose: (details, context, given) => Started.runSync(expose(details, context, given)),
    counts: value.counts,
    flush: () => Started.runPromise(value.flush),
    reset: value.reset,
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
  Check.options(owner, settings, settingRules)
  sha256Hex(owner)
  return Effect.gen(function*() {
    const queue = yield* Queue.bounded<ReadonlyArray<Exposure>, Cause.Done>(1)
    // Runs after the rest of the exposures was sent, since it was added before.
    yield* Effect.addFinalizer(() => Queue.end(queue))
    const core = yield* acquire(owner, { ...settings, send: (batch) => Queue.offer(queue, batch) })
    return {
      ...exposing(core, nameOf(settings)),
      exposures: Stream.flatMap(Stream.fromQueue(queue), Stream.fromIterable)
    }
  })
}

const nameOf = ({ name = "exposure" }: Settings): string => oneLine(name, 128)

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
export interface CountOptions<out B = unknown> {
  /** Takes a batch of totals. Returns an effect, a promise, or nothing. */
  readonly send: (totals: ReadonlyArray<Total>) => B
  /** The name of the hook, `exposure-counts` by default. */
  readonly name?: string | undefined
  /** How long totals are collected before they are sent, 1 minute by default. */
  readonly interval?: Duration.Input | undefined
  /** The maximum number of totals that are collected, 1,000 by default. When it is reached, they are sent early. */
  readonly capacity?: number | undefined
  /** Sends a batch again when `send` fails, as long as the schedule continues. By default a batch is sent once. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** The maximum time that closing waits for the rest of the totals, 3 seconds by default. */
  readonly closeTimeout?: Duration.Input | undefined
}

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

const checkedCounts = <B>(owner: string, options: CountOptions<B>): void => {
  const { send } = Check.options(owner, options, {
    send: Check.aFunction,
    name: Check.aText,
    interval: Check.positiveDuration,
    capacity: Check.positiveInteger,
    retry: aSchedule,
    closeTimeout: Check.finiteDuration
  })
  Check.aFunction(owner, "send", send)
}

const acquireCounts = Effect.fnUntraced(function*<B>(options: CountOptions<B>) {
  const { capacity = 1000, interval = "1 minute", name: given = "exposure-counts" } = options
  const name = oneLine(given, 128)
  const totals = new ExposureCounts.Totals(yield* Clock.Clock)
  const delivery = yield* Delivery.make<ExposureCounts.Series, FeatureHook.StageServices<B>>({
    name,
    counter: undefined,
    send: (series) => options.send(series.map((one) => totals.seal(one))),
    onEnd: (outcome, series) => totals.end(outcome, series),
    retry: options.retry,
    capacity,
    maxSize: capacity,
    maxWait: interval,
    closeTimeout: options.closeTimeout
  })
  const hook = FeatureHook.watcher(FeatureHook.make(name, {
    finally: (context: HookContext, { errorCode, variant }) => {
      if (errorCode !== undefined) return
      const series = totals.add(context.flagKey, variant, domainOf(context))
      if (series !== undefined) delivery.offer(series, context.flagKey)
    }
  }))
  return { hook, counts: Effect.sync(() => totals.counts), flush: delivery.flush }
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
  checkedCounts("ExposureHook.makeCounts", options)
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
  checkedCounts("ExposureHook.startCounts", options)
  const acquired = acquireCounts<void>({ ...options, send: (totals) => cast(options.send(totals)) })
  return Started.counting(Started.start(acquired))
}
