/** What an audit queue promises with any store. It runs in real time, since a store has a clock of its own. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, type Scope } from "effect"
import { AuditHook, type AuditRecord } from "effect-openfeature"
import * as AuditQueue from "effect-openfeature/audit/AuditQueue"
import { Fixtures } from "effect-openfeature/testing"
import { PersistedQueue } from "effect/persistence"

export const recordOf = (flagKey: string, fields: Partial<AuditRecord.AuditRecord> = {}): AuditRecord.AuditRecord => ({
  time: "2026-01-31T18:00:00.000Z",
  flagKey,
  type: "boolean",
  ...fields
})

/** Takes so many records out of a queue. */
const take = (store: AuditQueue.Store, name: string, count: number) =>
  Effect.gen(function*() {
    const taken: Array<readonly [record: AuditRecord.AuditRecord, delivery: AuditQueue.Delivery]> = []
    const isDone = yield* Deferred.make<void>()
    const fiber = yield* Effect.forkChild(AuditQueue.consume(store, (record, delivery) => {
      taken.push([record, delivery])
      if (taken.length === count) Deferred.doneUnsafe(isDone, Effect.void)
    }, { name }))
    yield* Effect.timeout(Deferred.await(isDone), "1 minute")
    // The last one is acknowledged by now.
    yield* Effect.sleep("50 millis")
    yield* Fiber.interrupt(fiber)
    return taken
  })

let queues = 0

/** Each test has a queue of its own. */
const newName = (): string => `queue-${++queues}`

/** `shared` is one store for producers and consumers. */
export const contract = (kind: string, shared: AuditQueue.Store<unknown>): void => {
  const withStore = <A, E>(
    use: (store: AuditQueue.Store, name: string) => Effect.Effect<A, E, Scope.Scope>
  ): Effect.Effect<A, E> =>
    Effect.scoped(Effect.gen(function*() {
      const factory = Context.get(yield* Effect.orDie(Layer.build(shared)), PersistedQueue.PersistedQueueFactory)
      return yield* use(Layer.succeed(PersistedQueue.PersistedQueueFactory, factory), newName())
    }))

  describe(`an audit queue in ${kind}`, () => {
    it.live("hands each record to a consumer, as it was", () =>
      withStore((store, name) =>
        Effect.gen(function*() {
          const records = [
            recordOf("größe\u202e\n", { value: "x".repeat(5000), attributes: { __proto: 1, plan: "pro", beta: true } }),
            recordOf("b", { variant: 1, errorCode: "GENERAL", durationMs: 0.125, metadata: {} }),
            recordOf("")
          ]
          const queue = yield* AuditQueue.make(store, { name, concurrency: 1 })
          for (const record of records) yield* queue.append(record)
          const taken = yield* take(store, name, 3)
          assert.deepStrictEqual(taken.map(([record]) => record), records)
          assert.strictEqual(new Set(taken.map(([, { id }]) => id)).size, 3)
          assert.deepStrictEqual(yield* queue.counts, { offered: 3, stored: 3, dropped: 0, pending: 0 })
        })
      ))

    it.live("takes the records of a hook, with either guarantee", () =>
      withStore((store, name) =>
        Effect.gen(function*() {
          for (const guarantee of ["buffered", "stored"] as const) {
            const queue = yield* AuditQueue.make(store, { name, guarantee })
            yield* Fixtures.run(AuditHook.make(queue), { context: { flagKey: guarantee } })
            if (guarantee === "stored") assert.strictEqual((yield* queue.counts).stored, 1)
          }
          const taken = yield* take(store, name, 2)
          assert.sameMembers(taken.map(([{ flagKey }]) => flagKey), ["buffered", "stored"])
        })
      ))

    it.live("stores what is left in the buffer when it is closed", () =>
      withStore((store, name) =>
        Effect.gen(function*() {
          const queue = AuditQueue.start(store, { name })
          for (let i = 0; i < 100; i++) queue.appendUnsafe?.(recordOf(`flag-${i}`))
          yield* Effect.promise(() => queue.close())
          assert.deepStrictEqual(queue.counts(), { offered: 100, stored: 100, dropped: 0, pending: 0 })
          queue.appendUnsafe?.(recordOf("late"))
          assert.deepStrictEqual(queue.counts(), { offered: 101, stored: 100, dropped: 1, pending: 0 })
          yield* Effect.promise(() => queue.close())
          assert.strictEqual((yield* take(store, name, 100)).length, 100)
        })
      ))

    it.live("brings a record back when its handler failed or was interrupted, with the same identifier", () =>
      withStore((store, name) =>
        Effect.gen(function*() {
          const queue = yield* AuditQueue.make(store, { name, guarantee: "stored" })
          yield* queue.append(recordOf("a"))
          const seen: Array<AuditQueue.Delivery> = []
          const isHandled = yield* Deferred.make<void>()
          const interrupted = yield* Effect.forkChild(AuditQueue.consume(store, (_record, delivery) => {
            seen.push(delivery)
            Deferred.doneUnsafe(isHandled, Effect.void)
            return Effect.never
          }, { name }))
          yield* Effect.timeout(Deferred.await(isHandled), "1 minute")
          yield* Fiber.interrupt(interrupted)
          const isDone = yield* Deferred.make<void>()
          const failing = AuditQueue.startConsumer(store, async (_record, delivery) => {
            seen.push(delivery)
            if (seen.length === 2) throw new Error("the database is down")
            Deferred.doneUnsafe(isDone, Effect.void)
          }, { name })
          yield* Effect.timeout(Deferred.await(isDone), "1 minute")
          yield* Effect.promise(() => failing.close())
          assert.strictEqual(new Set(seen.map(({ id }) => id)).size, 1)
          // What was interrupted is no attempt.
          assert.deepStrictEqual(seen.map(({ attempts }) => attempts), [1, 1, 2])
        })
      ))

    it.live("shares the records among consumers, each to one", () =>
      withStore((store, name) =>
        Effect.gen(function*() {
          const queue = yield* AuditQueue.make(store, { name })
          const seen: Array<string> = []
          const consumers = [1, 2].map(() =>
            AuditQueue.startConsumer(store, ({ flagKey }) => void seen.push(flagKey), { name, concurrency: 4 })
          )
          for (let i = 0; i < 200; i++) yield* queue.append(recordOf(`flag-${i}`))
          for (let i = 0; i < 100 && seen.length < 200; i++) yield* Effect.sleep("50 millis")
          yield* Effect.promise(() => Promise.all(consumers.map((consumer) => consumer.close())))
          assert.strictEqual(seen.length, 200)
          assert.strictEqual(new Set(seen).size, 200)
        })
      ))
  })
}
