/** What a queue of exposures promises with any store. It runs in real time, since a store has a clock of its own. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, type Scope } from "effect"
import { ExposureHook } from "effect-openfeature"
import { ExposureQueue } from "effect-openfeature/redis"
import { PersistedQueue } from "effect/persistence"

export const exposureOf = (
  subject: string,
  fields: Partial<ExposureHook.Exposure> = {}
): ExposureHook.Exposure => ({
  id: `id of ${subject}`,
  time: "2026-01-31T18:00:00.000Z",
  subject,
  flagKey: "sale",
  variant: "on",
  ...fields
})

/** Takes so many exposures out of a queue, and those that come right after them. */
const take = (store: ExposureQueue.Store, name: string, count: number) =>
  Effect.gen(function*() {
    const taken: Array<ExposureHook.Exposure> = []
    const isDone = yield* Deferred.make<void>()
    const fiber = yield* Effect.forkChild(ExposureQueue.consume(store, (exposure) => {
      taken.push(exposure)
      if (taken.length === count) Deferred.doneUnsafe(isDone, Effect.void)
    }, { name }))
    yield* Effect.timeout(Deferred.await(isDone), "1 minute")
    yield* Effect.sleep("150 millis")
    yield* Fiber.interrupt(fiber)
    return taken
  })

let queues = 0

/** `shared` is one store for producers and consumers. */
export const contract = (kind: string, shared: ExposureQueue.Store<unknown>): void => {
  const test = (
    what: string,
    body: (
      store: ExposureQueue.Store,
      name: string
    ) => Effect.Effect<void, unknown, Scope.Scope | PersistedQueue.PersistedQueueFactory>
  ) =>
    it.live(what, () =>
      Effect.scoped(Effect.gen(function*() {
        const factory = Context.get(yield* Effect.orDie(Layer.build(shared)), PersistedQueue.PersistedQueueFactory)
        const store = Layer.succeed(PersistedQueue.PersistedQueueFactory, factory)
        yield* Effect.provide(body(store, `exposures-${process.pid}-${++queues}`), store)
      })))

  describe(`a queue of exposures in ${kind}`, () => {
    test(
      "hands each one to a consumer as it was, once for each batch that is sent again",
      (store, name) =>
        Effect.gen(function*() {
          const send = yield* ExposureQueue.make({ name, concurrency: 1 })
          const exposures = [
            exposureOf("größe\u202e\n", { value: 0.5, attributes: { __proto: 1, plan: "pro", beta: true } }),
            exposureOf("b", { variant: 1, domain: "shop", reason: "STATIC", metadata: {} }),
            exposureOf("b", { time: "2026-01-31T19:00:00.000Z" })
          ]
          yield* send(exposures.slice(0, 1))
          yield* send(exposures)
          const taken = yield* take(store, name, 3)
          assert.deepStrictEqual(taken, exposures)
        })
    )

    test(
      "gets those of a hook, and what is left of them when the hook is closed",
      (store, name) =>
        Effect.gen(function*() {
          const queue = ExposureQueue.start(store, { name })
          const hook = ExposureHook.start({ automatic: false, targetingKey: "raw", send: queue.send })
          for (let i = 0; i < 250; i++) {
            hook.expose({ flagKey: "sale", variant: "on", value: true }, { targetingKey: `user-${i % 200}` })
          }
          yield* Effect.promise(() => hook.close())
          yield* Effect.promise(() => queue.close())
          yield* Effect.promise(() => queue.close())
          assert.deepInclude(hook.counts(), { delivered: 200, suppressed: 50, pending: 0 })
          const taken = yield* take(store, name, 200)
          assert.strictEqual(new Set(taken.map(({ id }) => id)).size, 200)
          assert.strictEqual(new Set(taken.map(({ subject }) => subject)).size, 200)
        })
    )

    test(
      "brings one back when its handler failed or was interrupted, with the same identifiers",
      (store, name) =>
        Effect.gen(function*() {
          const send = yield* ExposureQueue.make({ name })
          yield* send([exposureOf("a")])
          const seen: Array<ExposureQueue.Delivery> = []
          const isHandled = yield* Deferred.make<void>()
          const interrupted = yield* Effect.forkChild(ExposureQueue.consume(store, (_exposure, delivery) => {
            seen.push(delivery)
            Deferred.doneUnsafe(isHandled, Effect.void)
            return Effect.never
          }, { name }))
          yield* Effect.timeout(Deferred.await(isHandled), "1 minute")
          yield* Fiber.interrupt(interrupted)
          const isDone = yield* Deferred.make<void>()
          const failing = ExposureQueue.startConsumer(store, async (_exposure, delivery) => {
            seen.push(delivery)
            if (seen.length === 2) throw new Error("the database is down")
            Deferred.doneUnsafe(isDone, Effect.void)
          }, { name })
          yield* Effect.timeout(Deferred.await(isDone), "1 minute")
          yield* Effect.promise(() => failing.close())
          // What was interrupted is no attempt.
          const id = "id of a:2026-01-31T18:00:00.000Z"
          assert.deepStrictEqual(seen, [{ id, attempts: 1 }, { id, attempts: 1 }, { id, attempts: 2 }])
        })
    )

    test("shares them among consumers, each to one", (store, name) =>
      Effect.gen(function*() {
        const send = yield* ExposureQueue.make({ name })
        const seen: Array<string> = []
        const consumers = [1, 2].map(() =>
          ExposureQueue.startConsumer(store, ({ subject }) => void seen.push(subject), { name, concurrency: 4 })
        )
        yield* send(Array.from({ length: 200 }, (_, i) => exposureOf(`user-${i}`)))
        for (let i = 0; i < 100 && seen.length < 200; i++) yield* Effect.sleep("50 millis")
        yield* Effect.promise(() => Promise.all(consumers.map((consumer) => consumer.close())))
        assert.strictEqual(seen.length, 200)
        assert.strictEqual(new Set(seen).size, 200)
      }))
  })
}
