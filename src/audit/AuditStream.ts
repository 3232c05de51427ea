/**
 * Audit records as a stream, for live views and for sinks of your own.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as Check from "../internal/check.ts"
import * as Started from "../internal/started.ts"
import type { AuditRecord } from "./AuditRecord.ts"
import type { AuditSink } from "./AuditSink.ts"

/**
 * The options of an audit stream.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** The maximum number of records that wait for the slowest subscriber, 1,000 by default. */
  readonly capacity?: number | undefined
  /**
   * What happens when `capacity` is reached. `"dropOldest"`, the default, drops
   * the record that has waited longest, for those who have not seen it yet.
   * `"dropNewest"` drops the new one, for all subscribers.
   */
  readonly overflow?: "dropOldest" | "dropNewest" | undefined
  /** The number of past records that a new subscriber gets, none by default. */
  readonly replay?: number | undefined
}

/**
 * How many records there were, and how many were missed.
 *
 * @category models
 * @since 0.2.0
 */
export interface Counts {
  /** All records so far. */
  readonly offered: number
  /** The records that at least one subscriber missed, since it was too slow. */
  readonly dropped: number
}

/**
 * A sink with its records as a stream.
 *
 * **Details**
 *
 * It is also an async iterable, for an application without Effect. Each
 * subscriber gets the records from its start on. Nobody need subscribe.
 *
 * @category models
 * @since 0.2.0
 */
export interface AuditStream extends AuditSink, AsyncIterable<AuditRecord> {
  /** The records from now on, for any number of subscribers. It never ends. */
  readonly records: Stream.Stream<AuditRecord>
  /** Returns the present counts. */
  readonly counts: () => Counts
}

const checked = (owner: string, options: Options): Options =>
  Check.options(owner, options, {
    capacity: Check.positiveInteger,
    overflow: Check.among("dropOldest", "dropNewest"),
    replay: Check.positiveInteger
  })

/**
 * Creates a sink with its records as a stream.
 *
 * **When to use**
 *
 * Use for a live view, for tests, and to send records to a place that has no
 * sink here.
 *
 * **Details**
 *
 * A subscriber that is slow never delays an evaluation.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when an option is invalid or unknown.
 *
 * **Example** (Watching failed evaluations)
 *
 * ```ts
 * import { Effect, Fiber, Stream } from "effect"
 * import { AuditHook, AuditStream, FeatureFlags } from "effect-openfeature"
 *
 * const program = Effect.gen(function*() {
 *   const audit = yield* AuditStream.make({ capacity: 256 })
 *   const failed = audit.records.pipe(
 *     Stream.filter(({ errorCode }) => errorCode !== undefined),
 *     Stream.map(({ errorCode, flagKey }) => `${flagKey}: ${errorCode}`),
 *     Stream.take(1),
 *     Stream.runCollect
 *   )
 *   const fiber = yield* Effect.forkChild(failed, { startImmediately: true })
 *   const flags = yield* FeatureFlags.make({ hooks: [AuditHook.make(audit)] })
 *   yield* flags.boolean("new-checkout", false)
 *   return yield* Fiber.join(fiber)
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => ["new-checkout: PROVIDER_NOT_READY"]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: Options = {}): Effect.Effect<AuditStream> => acquire(checked("AuditStream.make", options))

const acquire = ({ capacity = 1000, overflow = "dropOldest", replay = 0 }: Options): Effect.Effect<AuditStream> =>
  Effect.map(
    overflow === "dropOldest"
      ? PubSub.sliding<AuditRecord>({ capacity, replay })
      : PubSub.dropping<AuditRecord>({ capacity, replay }),
    (pubsub) => {
      const counts = { offered: 0, dropped: 0 }
      const appendUnsafe = (record: AuditRecord): undefined => {
        counts.offered++
        if (PubSub.publishUnsafe(pubsub, record)) return
        counts.dropped++
        // Only this makes room for it.
        if (overflow === "dropOldest") Started.runSync(PubSub.publish(pubsub, record))
      }
      const records = Stream.fromPubSub(pubsub)
      return {
        append: (record) => Effect.sync(() => appendUnsafe(record)),
        appendUnsafe,
        records,
        counts: () => ({ ...counts }),
        [Symbol.asyncIterator]: () => Stream.toAsyncIterable(records)[Symbol.asyncIterator]()
      }
    }
  )

/**
 * The same as `make`, at once.
 *
 * **When to use**
 *
 * Use in an application without Effect.
 *
 * **Gotchas**
 *
 * Subscribing takes a turn of the event loop after the start of the loop. Throws
 * like `make`.
 *
 * **Example** (Watching records without Effect)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { AuditHook, AuditStream, OpenFeatureHook } from "effect-openfeature"
 *
 * const audit = AuditStream.makeUnsafe({ replay: 10 })
 * const client = OpenFeature.getClient("audit-stream")
 * client.addHooks(OpenFeatureHook.make(AuditHook.make(audit)))
 * await client.getBooleanValue("sale", false)
 *
 * const seen: Array<string> = []
 * for await (const record of audit) {
 *   seen.push(record.flagKey)
 *   break
 * }
 * seen // => ["sale"]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeUnsafe = (options: Options = {}): AuditStream =>
  Started.runSync(acquire(checked("AuditStream.makeUnsafe", options)))
