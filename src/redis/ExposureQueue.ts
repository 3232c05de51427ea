/**
 * Exposures in a durable queue, from which another process takes them.
 *
 * The queue is Effect's `PersistedQueue`, in memory or in Redis.
 *
 * @since 0.2.0
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import type * as Redis from "effect/persistence/Redis"
import * as Schema from "effect/Schema"
import type { StageServices } from "../FeatureHook.ts"
import type { Exposure } from "../hooks/ExposureHook.ts"
import * as Check from "../internal/check.ts"
import * as Connecting from "../internal/hook/connecting.ts"
import * as Durable from "../internal/hook/durable.ts"
import * as Started from "../internal/started.ts"

const value = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean])
const values = Schema.Record(Schema.String, value)

/**
 * The schema of the exposures in the queue, for a consumer of your own.
 *
 * @category schemas
 * @since 0.2.0
 */
export const schema: Schema.Codec<Exposure> = Schema.Struct({
  id: Schema.String,
  time: Schema.String,
  subject: Schema.String,
  flagKey: Schema.String,
  variant: Schema.optional(value),
  value: Schema.optional(value),
  reason: Schema.optional(Schema.String),
  domain: Schema.optional(Schema.String),
  attributes: Schema.optional(values),
  metadata: Schema.optional(values)
})

/**
 * The options of a queue.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** The name of the queue, `feature-flag-exposures` by default. Consumers use the same. */
  readonly name?: string | undefined
  /** The maximum number of exposures that are stored at the same time, 32 by default. */
  readonly concurrency?: number | undefined
  /** The maximum time to store a batch, 1 second by default. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * The options of a consumer of exposures.
 *
 * @category models
 * @since 0.2.0
 */
export interface ConsumerOptions {
  /** The name of the queue, `feature-flag-exposures` by default. */
  readonly name?: string | undefined
  /** The maximum number of exposures that are handled at the same time, 1 by default. */
  readonly concurrency?: number | undefined
  /** How often an exposure is handed to a handler that fails, 10 times by default. Then the store sets it aside. */
  readonly maxAttempts?: number | undefined
  /** How often the consumer connects anew, 1 minute by default. Handlers that are not done go on. */
  readonly renewInterval?: Duration.Input | undefined
}

/**
 * Stores a batch of exposures in a queue. It is a `send` for an exposure hook.
 *
 * @category models
 * @since 0.2.0
 */
export type Send = (
  exposures: ReadonlyArray<Exposure>
) => Effect.Effect<void, PersistedQueue.PersistedQueueError | Schema.SchemaError | Cause.TimeoutError>

/**
 * A queue, for an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running {
  /** For the option `send` of an exposure hook. */
  readonly send: Send
  /** Closes the connection. Close the hooks first. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** The same as `close`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * A running consumer of exposures, for an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Consumer {
  /** Stops. An exposure that is being handled goes back to the queue. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** The same as `close`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * What is known of an exposure besides its fields.
 *
 * @category models
 * @since 0.2.0
 */
export interface Delivery {
  /** The identifier in the queue, the same in each delivery. `id` of the exposure is the same in each window, too. */
  readonly id: string
  /** The number of this attempt, from 1. */
  readonly attempts: number
}

/**
 * A layer with a store for queues of exposures, in memory or in Redis.
 *
 * @category models
 * @since 0.2.0
 */
export type Store<E = never, R = never> = Layer.Layer<PersistedQueue.PersistedQueueFactory, E, R>

/**
 * Creates one memory for a queue and its consumers in the same process, for
 * development and tests.
 *
 * **Gotchas**
 *
 * Exposures that nobody takes stay in the memory.
 *
 * @category layers
 * @since 0.2.0
 */
export const makeMemory = (): Store => Durable.makeMemory()

/**
 * The options of a store in Redis.
 *
 * @category models
 * @since 0.2.0
 */
export interface RedisOptions {
  /**
   * What its keys in Redis begin with, `feature-flag-exposure-` by default. After it
   * comes `queue:`. It has none of `*?[\`. Consumers use the same.
   */
  readonly prefix?: string | undefined
  /** How often consumers look for exposures, every second by default. */
  readonly pollInterval?: Duration.Input | undefined
  /** When the exposures of a consumer that was killed come back, after 90 seconds by default. */
  readonly lockExpiration?: Duration.Input | undefined
  /** How often a consumer renews its locks, every 30 seconds by default. */
  readonly lockRefreshInterval?: Duration.Input | undefined
  /**
   * How long the queue remembers an exposure that was handled, 1 day by default. An
   * exposure that is sent again meanwhile is not stored again.
   */
  readonly timeToLive?: Duration.Input | undefined
}

// Effect looks for the keys with it as a pattern, and would not find its own, or find those of others.
const aPrefix: Check.Rule = (owner, name, value) =>
  typeof value === "string" && !/[*?[\\]/.test(value)
    ? value
    : Check.reject(owner, name, "a text without *, ?, [ and \\", value)

/**
 * Provides a store for queues in Redis.
 *
 * **Details**
 *
 * It needs Effect's `Redis` service, such as `NodeRedis.layer` of
 * `@effect/platform-node`. Once an hour, the queue forgets what was handled before
 * `timeToLive`. What has failed too often is kept.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when an option is invalid or unknown.
 *
 * **Example** (Storing exposures in Redis)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { ExposureQueue } from "effect-openfeature/redis"
 * import type { Redis } from "effect/persistence"
 *
 * const queueIn = (redis: Layer.Layer<Redis.Redis, unknown>) =>
 *   ExposureQueue.start(ExposureQueue.layerRedis({ prefix: "shop:" }).pipe(Layer.provide(redis)))
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layerRedis = (options: RedisOptions = {}): Store<never, Redis.Redis> => {
  Check.options("ExposureQueue.layerRedis", options, {
    prefix: aPrefix,
    pollInterval: Check.positiveDuration,
    lockExpiration: Check.positiveDuration,
    lockRefreshInterval: Check.positiveDuration,
    timeToLive: Check.positiveDuration
  })
  const { prefix = "feature-flag-exposure-", timeToLive = "1 day", ...times } = options
  return Layer.merge(PersistedQueue.layer, PersistedQueue.layerCleanup({ timeToLive })).pipe(
    // Effect cleans whatever matches `${prefix}*:ids`, which with "shop:" alone could be data of the application.
    Layer.provide(PersistedQueue.layerStoreRedis({ prefix: `${prefix}queue:`, ...times }))
  )
}

const defaultName = "feature-flag-exposures"

const checked = (owner: string, options: Options): Options =>
  Check.options(owner, options, {
    name: Check.aText,
    concurrency: Check.positiveInteger,
    timeout: Check.positiveDuration
  })

const sendTo = (
  { concurrency = 32, timeout = "1 second" }: Options,
  queue: Effect.Effect<PersistedQueue.PersistedQueue<Exposure>, PersistedQueue.PersistedQueueError>
): Send =>
(exposures) =>
  queue.pipe(
    Effect.flatMap((queue) =>
      // With its identifier, the store takes an exposure of a batch that is sent again once.
      Effect.forEach(exposures, (exposure) => queue.offer(exposure, { id: `${exposure.id}:${exposure.time}` }), {
        concurrency,
        discard: true
      })
    ),
    Effect.timeout(timeout)
  )

/**
 * Creates a `send` for an exposure hook that stores exposures in a queue.
 *
 * **When to use**
 *
 * Use when another process hands exposures on, and when they must survive that the
 * service behind it is down for long.
 *
 * **Details**
 *
 * Exposures count as exposed once the queue has stored their whole batch. Those of a
 * batch that is sent again are stored once. Another process takes them with
 * `consume`.
 *
 * A store that is full, down or slow fails the batch, after `timeout` at the latest.
 * With the option `retry` of the hook, it is sent again.
 *
 * **Gotchas**
 *
 * A store other than `layerRedis` remembers the identifier of each exposure. Provide
 * `PersistedQueue.layerCleanup` in one process, or it grows without end.
 *
 * Throws a `RangeError` when an option is invalid or unknown.
 *
 * **Example** (Exposing into a queue)
 *
 * ```ts
 * import { Deferred, Effect } from "effect"
 * import { ExposureHook } from "effect-openfeature"
 * import { ExposureQueue } from "effect-openfeature/redis"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const memory = ExposureQueue.makeMemory()
 * const program = Effect.gen(function*() {
 *   const send = yield* ExposureQueue.make()
 *   const exposures = yield* ExposureHook.make({ send, targetingKey: "raw" })
 *   yield* Fixtures.run(exposures.hook, { context: { context: { targetingKey: "user-1" } } })
 *   yield* exposures.flush
 *   // another process does this
 *   const taken = yield* Deferred.make<string>()
 *   yield* Effect.forkScoped(ExposureQueue.consume(memory, ({ subject }) => Deferred.succeed(taken, subject)))
 *   return yield* Deferred.await(taken)
 * })
 * await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(memory))) // => "user-1"
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: Options = {}): Effect.Effect<Send, never, PersistedQueue.PersistedQueueFactory> => {
  const { name = defaultName } = checked("ExposureQueue.make", options)
  return Effect.map(PersistedQueue.make({ name, schema }), (queue) => sendTo(options, Effect.succeed(queue)))
}

/**
 * Connects to a queue, for an application without Effect.
 *
 * **Details**
 *
 * The same as `make`, with a store. It connects in the background, also when the
 * store is down at the start. Until then, batches fail after `timeout`. With a layer
 * that lacks a service or its configuration, they fail at once, and the log has an
 * error.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * **Example** (Exposing into a queue without Effect)
 *
 * ```ts
 * import { ExposureHook } from "effect-openfeature"
 * import { ExposureQueue } from "effect-openfeature/redis"
 *
 * const queue = ExposureQueue.start(ExposureQueue.makeMemory())
 * const exposures = ExposureHook.start({ send: queue.send })
 * exposures.expose({ flagKey: "sale", variant: "on", value: true }, { targetingKey: "user-1" })
 * await exposures.close()
 * await queue.close()
 * exposures.counts().delivered // => 1
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const start = (store: Store<unknown>, options: Options = {}): Running => {
  const owner = "ExposureQueue.start"
  Durable.checkedStore(owner, store)
  checked(owner, options)
  const { value: send, ...closing } = Started.start(acquire(store, options))
  return { send, ...closing }
}

const acquire = Effect.fnUntraced(function*(store: Store<unknown>, options: Options) {
  const connected = Deferred.makeUnsafe<PersistedQueue.PersistedQueue<Exposure>, PersistedQueue.PersistedQueueError>()
  let isWarned = false
  const failed: Connecting.OnFailure = (_cause, mistake) => {
    if (mistake !== undefined) {
      const { message } = mistake
      return Effect.asVoid(
        Deferred.fail(connected, new PersistedQueue.PersistedQueueError({ message, cause: mistake }))
      )
    }
    if (isWarned) return Effect.void
    isWarned = true
    return Effect.logWarning("the store of the exposure queue does not answer; it is asked again")
  }
  const name = options.name ?? defaultName
  yield* Connecting.inBackground(
    Durable.connect("ExposureQueue.start: store", store, { name, schema }, failed).pipe(
      Effect.flatMap((queue) => Deferred.succeed(connected, queue))
    )
  )
  // Batches after the end wait for no store.
  yield* Effect.addFinalizer(() =>
    Deferred.fail(connected, new PersistedQueue.PersistedQueueError({ message: "the exposure queue is closed" }))
  )
  return sendTo(options, Deferred.await(connected))
})

/**
 * Takes exposures out of a queue, one after the other, and hands them to a handler.
 * It never ends.
 *
 * **Details**
 *
 * The handler returns an effect, a promise, or nothing. An exposure leaves the queue
 * when the handler has succeeded. After a failure, it comes back later, and after
 * `maxAttempts` the store sets it aside.
 *
 * An exposure also comes back when this process is killed while it handles it. So it
 * can come more than once: use its `id` to count it once.
 *
 * What the schema cannot read, such as from another version, is set aside at once.
 *
 * A store that is down is asked again. Failures are logged without the exposure.
 *
 * **Gotchas**
 *
 * The exposures of a process that was killed come back when its locks expire, after
 * 90 seconds unless the store has another `lockExpiration`. After a failure of the
 * store, it can take `renewInterval` longer.
 *
 * Throws a `RangeError` when an option is invalid or unknown.
 *
 * **Example** (Counting exposures once)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ExposureQueue } from "effect-openfeature/redis"
 *
 * const seen = new Set<string>()
 * const consumer = ExposureQueue.consume(ExposureQueue.makeMemory(), ({ flagKey, id, subject }) =>
 *   Effect.suspend(() => {
 *     if (seen.has(id)) return Effect.void
 *     seen.add(id)
 *     return Effect.logInfo(`${subject} was exposed to ${flagKey}`)
 *   }))
 * await Effect.runPromise(Effect.timeoutOption(consumer, "10 millis"))
 * seen.size // => 0
 * ```
 *
 * @category consuming
 * @since 0.2.0
 */
export const consume = <A, E, R>(
  store: Store<E, R>,
  handler: (exposure: Exposure, delivery: Delivery) => A,
  options: ConsumerOptions = {}
): Effect.Effect<never, never, R | StageServices<A>> => {
  Durable.checkedConsumer("ExposureQueue.consume", store, handler, options)
  return consuming(store, handler, options)
}

const consuming = <A, E, R>(
  store: Store<E, R>,
  handler: (exposure: Exposure, delivery: Delivery) => A,
  options: ConsumerOptions
): Effect.Effect<never, never, R | StageServices<A>> =>
  Durable.consume<Exposure, E, R, StageServices<A>>({
    ...options,
    name: options.name ?? defaultName,
    schema,
    store,
    handler,
    called: ["exposure queue", "an exposure"]
  })

/**
 * Starts a consumer of exposures, for an application without Effect.
 *
 * **Details**
 *
 * The same as `consume`, until it is closed.
 *
 * **Gotchas**
 *
 * Throws like `consume`.
 *
 * **Example** (Handling exposures without Effect)
 *
 * ```ts
 * import { ExposureHook } from "effect-openfeature"
 * import { ExposureQueue } from "effect-openfeature/redis"
 *
 * const memory = ExposureQueue.makeMemory()
 * const queue = ExposureQueue.start(memory)
 * const exposures = ExposureHook.start({ targetingKey: "raw", send: queue.send })
 * exposures.expose({ flagKey: "sale", variant: "on", value: true }, { targetingKey: "user-1" })
 * await exposures.close()
 * await queue.close()
 *
 * // another process
 * const taken: Array<string> = []
 * const consumer = ExposureQueue.startConsumer(memory, async ({ subject }) => void taken.push(subject))
 * while (taken.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
 * await consumer.close()
 * taken // => ["user-1"]
 * ```
 *
 * @category consuming
 * @since 0.2.0
 */
export const startConsumer = (
  store: Store<unknown>,
  handler: (exposure: Exposure, delivery: Delivery) => void | PromiseLike<void> | Effect.Effect<void, unknown>,
  options: ConsumerOptions = {}
): Consumer => {
  Durable.checkedConsumer("ExposureQueue.startConsumer", store, handler, options)
  return Durable.startConsumer(consuming(store, handler, options))
}
