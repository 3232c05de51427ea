/**
 * Exposures in a durable queue, from which another process takes them.
 *
 * The queue is Effect's `PersistedQueue`, in memory or in Redis.
 *
 * @since 0.2.0
 */
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Schema from "effect/Schema"
import type { Exposure } from "../hooks/ExposureHook.ts"
import * as Check from "../internal/check.ts"

const value = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean])
const values = Schema.Record(Schema.String, value)

/**
 * The schema of the exposures in the queue, for a consumer.
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
 * Creates a `send` for an exposure hook that stores exposures in a queue.
 *
 * **Details**
 *
 * Exposures count as exposed once the queue has stored their whole batch. Those of a
 * batch that is sent again are stored once.
 *
 * A consumer takes them with `PersistedQueue.make({ name, schema })` and the `take`
 * of the queue. Each can come more than once: count it by `id` and `time`.
 *
 * **Gotchas**
 *
 * A Redis store remembers the identifier of each exposure. Provide
 * `PersistedQueue.layerCleanup` in one process, or it grows without end.
 *
 * Throws a `RangeError` when an option is invalid or unknown.
 *
 * **Example** (Exposing into a queue)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { ExposureHook } from "effect-openfeature"
 * import { ExposureQueue } from "effect-openfeature/redis"
 * import { Fixtures } from "effect-openfeature/testing"
 * import { PersistedQueue } from "effect/persistence"
 *
 * const program = Effect.gen(function*() {
 *   const send = yield* ExposureQueue.make()
 *   const exposures = yield* ExposureHook.make({ send, targetingKey: "raw" })
 *   yield* Fixtures.run(exposures.hook, { context: { context: { targetingKey: "user-1" } } })
 *   yield* exposures.flush
 *   // another process does this
 *   const queue = yield* PersistedQueue.make({ name: "feature-flag-exposures", schema: ExposureQueue.schema })
 *   return yield* queue.take((exposure) => Effect.succeed(exposure.subject))
 * })
 * const memory = Layer.provide(PersistedQueue.layer, PersistedQueue.layerStoreMemory)
 * await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(memory))) // => "user-1"
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (
  options: Options = {}
): Effect.Effect<
  (
    exposures: ReadonlyArray<Exposure>
  ) => Effect.Effect<void, PersistedQueue.PersistedQueueError | Schema.SchemaError | Cause.TimeoutError>,
  never,
  PersistedQueue.PersistedQueueFactory
> => {
  const { concurrency = 32, name = "feature-flag-exposures", timeout = "1 second" } = Check.options(
    "ExposureQueue.make",
    options,
    { name: Check.aText, concurrency: Check.positiveInteger, timeout: Check.positiveDuration }
  )
  return Effect.map(PersistedQueue.make({ name, schema }), (queue) => (exposures) =>
    // With its identifier, the store takes an exposure of a batch that is sent again once.
    Effect.forEach(exposures, (exposure) => queue.offer(exposure, { id: `${exposure.id}:${exposure.time}` }), {
      concurrency,
      discard: true
    }).pipe(Effect.timeout(timeout)))
}
