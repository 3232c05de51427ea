/**
 * Audit records in a durable queue, from which another process takes them.
 *
 * The queue is Effect's `PersistedQueue`, in memory or in Redis. A buffer in front
 * of it keeps evaluations from waiting for a store that is slow or down.
 *
 * It uses Effect's stores, which the root of the package does not load, so it has
 * an import of its own: `effect-openfeature/audit/AuditQueue`.
 *
 * @since 0.2.0
 */
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import type * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import type { StageServices } from "../FeatureHook.ts"
import { fields } from "../internal/auditRecord.ts"
import * as Check from "../internal/check.ts"
import * as Durable from "../internal/hook/durable.ts"
import * as Started from "../internal/started.ts"
import { waitFor } from "../internal/wait.ts"
import type { AuditRecord } from "./AuditRecord.ts"
import type { AuditSink } from "./AuditSink.ts"
import { Buffer, type Task } from "./internal/buffer.ts"

/**
 * The schema of the records in the queue, for a consumer of your own.
 *
 * @category schemas
 * @since 0.2.0
 */
export const schema: Schema.Codec<AuditRecord> = Schema.Struct(fields)

/**
 * The options of an audit queue.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** The name of the queue, `feature-flag-audit` by default. Consumers use the same. */
  readonly name?: string | undefined
  /**
   * When a record is acknowledged: `"buffered"`, the default, as soon as it is in
   * the buffer, so no evaluation waits; `"stored"` when the store has it, so an
   * evaluation waits up to `timeout`.
   */
  readonly guarantee?: "buffered" | "stored" | undefined
  /** The maximum number of records in the buffer, 1,000 by default. Further ones are dropped. */
  readonly capacity?: number | undefined
  /** The maximum number of records that are on their way to the store at the same time, 32 by default. */
  readonly concurrency?: number | undefined
  /** The maximum time for an attempt to store a record, 1 second by default. */
  readonly timeout?: Duration.Input | undefined
  /** The maximum time that closing waits for the records in the buffer, 3 seconds by default. */
  readonly closeTimeout?: Duration.Input | undefined
}

/**
 * The options of a consumer.
 *
 * @category models
 * @since 0.2.0
 */
export interface ConsumerOptions {
  /** The name of the queue, `feature-flag-audit` by default. */
  readonly name?: string | undefined
  /** The maximum number of records that are handled at the same time, 1 by default. */
  readonly concurrency?: number | undefined
  /** How often a record is handed to a handler that fails, 10 times by default. Then the store sets it aside. */
  readonly maxAttempts?: number | undefined
  /** How often the consumer connects anew, 1 minute by default. Handlers that are not done go on. */
  readonly renewInterval?: Duration.Input | undefined
}

/**
 * What has become of the records of a queue.
 *
 * **Details**
 *
 * `offered` is always the sum of the others.
 *
 * @category models
 * @since 0.2.0
 */
export interface Counts {
  /** All records so far. */
  readonly offered: number
  /** The records that the store has acknowledged. */
  readonly stored: number
  /**
   * The records that are lost: the buffer was full or closed, the record does not
   * fit `schema`, the store has a defect, or closing took longer than
   * `closeTimeout`.
   */
  readonly dropped: number
  /** The records in the buffer, and on their way to the store. */
  readonly pending: number
}

/**
 * A sink that puts records into a queue.
 *
 * @category models
 * @since 0.2.0
 */
export interface AuditQueue extends AuditSink {
  /** The present counts. */
  readonly counts: Effect.Effect<Counts>
  /** Waits until no record is pending. */
  readonly flush: Effect.Effect<void>
}

/**
 * A sink that puts records into a queue, for an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running extends AuditSink {
  /** Returns the present counts. */
  readonly counts: () => Counts
  /** Waits until no record is pending. */
  readonly flush: () => Promise<void>
  /** Stores the rest within `closeTimeout`. Later records are dropped. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** The same as `close`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * A running consumer, for an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Consumer {
  /** Stops. A record that is being handled goes back to the queue. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** The same as `close`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * What is known of a record besides its fields.
 *
 * @category models
 * @since 0.2.0
 */
export interface Delivery {
  /** The identifier of the record, the same in each delivery. Count by it, and nothing counts twice. */
  readonly id: string
  /** The number of this attempt, from 1. */
  readonly attempts: number
}

/**
 * A layer with a store for queues, in memory or in Redis.
 *
 * @category models
 * @since 0.2.0
 */
export type Store<E = never, R = never> = Layer.Layer<PersistedQueue.PersistedQueueFactory, E, R>

/**
 * Queues in the memory of the process, for development and tests.
 *
 * **Gotchas**
 *
 * Each queue and each consumer has a memory of its own. For both in one process,
 * use `makeMemory`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory: Store = Durable.layerMemory

/**
 * Creates one memory for a queue and its consumers in the same process.
 *
 * **Gotchas**
 *
 * Records that nobody takes stay in the memory.
 *
 * **Example** (Consuming what a queue has stored)
 *
 * ```ts
 * import * as AuditQueue from "effect-openfeature/audit/AuditQueue"
 *
 * const memory = AuditQueue.makeMemory()
 * const queue = AuditQueue.start(memory)
 * const taken: Array<string> = []
 * const consumer = AuditQueue.startConsumer(memory, ({ flagKey }) => void taken.push(flagKey))
 * queue.appendUnsafe?.({ time: "2026-11-21T10:00:00.000Z", flagKey: "sale", type: "boolean" })
 * await queue.close()
 * while (taken.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
 * await consumer.close()
 * taken // => ["sale"]
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const makeMemory = (): Store => Durable.makeMemory()

const defaultName = "feature-flag-audit"

const checked = (owner: string, store: Store<unknown, unknown>, options: Options): void => {
  Durable.checkedStore(owner, store)
  Check.options(owner, options, {
    name: Check.aText,
    guarantee: Check.among("buffered", "stored"),
    capacity: Check.positiveInteger,
    concurrency: Check.positiveInteger,
    timeout: Check.positiveDuration,
    closeTimeout: Check.finiteDuration
  })
}

/**
 * Creates a sink that puts records into a queue, until the scope closes.
 *
 * **When to use**
 *
 * Use when another process or machine stores the records, and when a record must
 * survive a crash of this process.
 *
 * **Details**
 *
 * A record waits in a buffer until the store has it. A store that is slow or down
 * delays no evaluation beyond `timeout`, also when it is down at the start.
 * Records are then offered again, with the same identifier, so that the store
 * takes each once. Warnings tell when the store stops answering, and how many
 * records were dropped for what reason.
 *
 * **Gotchas**
 *
 * The records in the buffer are lost when the process is killed. With the
 * guarantee `"stored"`, an evaluation that has ended has its record in the store,
 * unless `timeout` passed.
 *
 * A Redis store remembers the identifier of each record. Provide
 * `PersistedQueue.layerCleanup` in one process, or it grows without end.
 *
 * Throws a `RangeError` when an option is invalid or unknown.
 *
 * **Example** (Auditing into a queue in memory)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AuditHook, FeatureFlags } from "effect-openfeature"
 * import * as AuditQueue from "effect-openfeature/audit/AuditQueue"
 *
 * const program = Effect.gen(function*() {
 *   const queue = yield* AuditQueue.make(AuditQueue.layerMemory)
 *   const flags = yield* FeatureFlags.make({ hooks: [AuditHook.make(queue)] })
 *   yield* flags.boolean("new-checkout", false)
 *   yield* queue.flush
 *   return (yield* queue.counts).stored
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => 1
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = <E, R>(
  store: Store<E, R>,
  options: Options = {}
): Effect.Effect<AuditQueue, never, R | Scope.Scope> => {
  checked("AuditQueue.make", store, options)
  return acquire(store, options)
}

const acquire = Effect.fnUntraced(function*<E, R>(
  store: Store<E, R>,
  {
    capacity = 1000,
    closeTimeout = "3 seconds",
    concurrency = 32,
    guarantee = "buffered",
    name = defaultName,
    timeout = "1 second"
  }: Options
) {
  const queue = yield* Queue.make<Task, Cause.Done>({ capacity, strategy: "dropping" })
  const buffer = new Buffer(queue, timeout)
  const scope = yield* Scope.make()
  const moving = Durable.connect(store, { name, schema }, buffer.failed).pipe(
    Effect.flatMap((durable) =>
      Effect.all(Array.from({ length: concurrency }, () => buffer.work(durable)), {
        concurrency: "unbounded",
        discard: true
      })
    ),
    Scope.provide(scope)
  )
  const fiber = yield* Effect.forkDetach(moving)
  yield* Effect.addFinalizer(Effect.fnUntraced(function*() {
    yield* Queue.end(queue)
    yield* Effect.timeoutOption(Effect.interruptible(buffer.flush), closeTimeout)
    buffer.giveUp()
    fiber.interruptUnsafe()
    yield* waitFor(Scope.close(scope, Exit.void), closeTimeout)
    yield* buffer.warn
  }))
  const sink: AuditQueue = {
    append: buffer.append,
    counts: Effect.sync(() => buffer.counts),
    flush: buffer.flush
  }
  return guarantee === "stored" ? sink : { ...sink, appendUnsafe: (record: AuditRecord) => void buffer.offer(record) }
})

/**
 * Creates a sink that puts records into a queue, for an application without
 * Effect.
 *
 * **Details**
 *
 * The same as `make`. Close it before the process ends, or the records in the
 * buffer are lost.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * **Example** (Auditing without Effect)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { AuditHook, OpenFeatureHook } from "effect-openfeature"
 * import * as AuditQueue from "effect-openfeature/audit/AuditQueue"
 *
 * const queue = AuditQueue.start(AuditQueue.layerMemory)
 * const client = OpenFeature.getClient("audit-queue")
 * client.addHooks(OpenFeatureHook.make(AuditHook.make(queue)))
 * await client.getBooleanValue("sale", false)
 *
 * await queue.close()
 * queue.counts() // => { offered: 1, stored: 1, dropped: 0, pending: 0 }
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const start = (store: Store<unknown>, options: Options = {}): Running => {
  checked("AuditQueue.start", store, options)
  const { value: { counts, flush, ...sink }, ...closing } = Started.start(acquire(store, options))
  return {
    ...sink,
    counts: () => Started.runSync(counts),
    flush: () => Started.runPromise(flush),
    ...closing
  }
}

/**
 * Takes records out of a queue, one after the other, and hands them to a handler.
 * It never ends.
 *
 * **Details**
 *
 * The handler returns an effect, a promise, or nothing. A record leaves the queue
 * when the handler has succeeded. After a failure, it comes back later.
 *
 * A record also comes back when this process is killed while it handles it. So a
 * record can come more than once: use `id` to count it once.
 *
 * What the schema cannot read, such as from another version, is set aside at once.
 *
 * A store that is down is asked again. Failures are logged without the record.
 *
 * **Gotchas**
 *
 * The records of a process that was killed come back when its locks expire, after
 * 90 seconds unless the store has another `lockExpiration`. After a failure of the
 * store, it can take `renewInterval` longer.
 *
 * Throws a `RangeError` when an option is invalid or unknown.
 *
 * **Example** (Counting records once)
 *
 * ```ts
 * import { Effect } from "effect"
 * import * as AuditQueue from "effect-openfeature/audit/AuditQueue"
 *
 * const seen = new Set<string>()
 * const consumer = AuditQueue.consume(AuditQueue.layerMemory, (record, { id }) =>
 *   Effect.sync(() => {
 *     if (seen.has(id)) return
 *     seen.add(id)
 *     console.log(record.flagKey)
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
  handler: (record: AuditRecord, delivery: Delivery) => A,
  options: ConsumerOptions = {}
): Effect.Effect<never, never, R | StageServices<A>> => {
  Durable.checkedConsumer("AuditQueue.consume", store, handler, options)
  return consuming(store, handler, options)
}

const consuming = <A, E, R>(
  store: Store<E, R>,
  handler: (record: AuditRecord, delivery: Delivery) => A,
  options: ConsumerOptions
): Effect.Effect<never, never, R | StageServices<A>> =>
  Durable.consume<AuditRecord, E, R, StageServices<A>>({
    ...options,
    name: options.name ?? defaultName,
    schema,
    store,
    handler,
    called: ["audit queue", "an audit record"]
  })

/**
 * Starts a consumer, for an application without Effect.
 *
 * **Details**
 *
 * The same as `consume`, until it is closed.
 *
 * **Gotchas**
 *
 * Throws like `consume`.
 *
 * **Example** (Handling records without Effect)
 *
 * ```ts
 * import * as AuditQueue from "effect-openfeature/audit/AuditQueue"
 *
 * const consumer = AuditQueue.startConsumer(AuditQueue.layerMemory, async (record, { id }) => {
 *   console.log(id, record.flagKey) // await database.insert(...)
 * })
 * await consumer.close()
 * ```
 *
 * @category consuming
 * @since 0.2.0
 */
export const startConsumer = (
  store: Store<unknown>,
  handler: (record: AuditRecord, delivery: Delivery) => void | PromiseLike<void> | Effect.Effect<void, unknown>,
  options: ConsumerOptions = {}
): Consumer => {
  Durable.checkedConsumer("AuditQueue.startConsumer", store, handler, options)
  return Durable.startConsumer(consuming(store, handler, options))
}
