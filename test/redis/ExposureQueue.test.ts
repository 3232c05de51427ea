import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Schema } from "effect"
import { ExposureHook } from "effect-openfeature"
import { ExposureQueue } from "effect-openfeature/redis"
import { TestClock } from "effect/testing"
import { PersistedQueue } from "effect/persistence"
import { collectFailures, type LogRecord, logsTo, rangeError, turns } from "../support.ts"
import { contract, exposureOf } from "./exposureQueueContract.ts"

contract("memory", ExposureQueue.makeMemory())

const details = { flagKey: "sale", value: 1 }
const user = { targetingKey: "user-1" }

/** A store with one queue, which stores nothing unless it says so. */
const storeThat = (offer: () => Effect.Effect<string, PersistedQueue.PersistedQueueError>): ExposureQueue.Store =>
  Layer.succeed(PersistedQueue.PersistedQueueFactory, {
    make: () => Effect.succeed({ offer, take: () => Effect.never } as never)
  })

const refused = Effect.fail(new PersistedQueue.PersistedQueueError({ message: "OOM command not allowed" }))

describe("a queue of exposures", () => {
  for (const [what, answer] of [["does not answer", Effect.never], ["is full", refused]] as const) {
    it.live(`that ${what} fails the batch within the limit, and its subjects are exposed again`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const send = yield* ExposureQueue.make({ timeout: "20 millis" })
          const exposures = yield* ExposureHook.make({ send, automatic: false })
          for (let i = 1; i <= 2; i++) {
            assert.isTrue(yield* exposures.expose(details, user))
            yield* exposures.flush
            assert.deepInclude(yield* exposures.counts, { failed: i, size: 0 })
            assert.strictEqual(failures.length, i)
          }
        }).pipe(Effect.provide(storeThat(() => answer)))
      ))
  }

  it.live("that cannot be reached is connected to in the background", () =>
    Effect.gen(function*() {
      let attempts = 0
      const stored: Array<number> = []
      const store = Layer.unwrap(Effect.suspend((): Effect.Effect<ExposureQueue.Store, string> =>
        ++attempts < 3
          ? Effect.fail("down")
          : Effect.succeed(storeThat(() => Effect.sync(() => String(stored.push(attempts)))))
      ))
      const queue = ExposureQueue.start(store, { timeout: "20 millis" })
      const refused = yield* Effect.flip(queue.send([exposureOf("a")]))
      assert.strictEqual(refused._tag, "TimeoutError")
      const isReached = () => attempts >= 3
      for (let i = 0; i < 100 && !isReached(); i++) yield* Effect.sleep("20 millis")
      yield* queue.send([exposureOf("a")])
      assert.deepStrictEqual(stored, [3])
      yield* Effect.promise(() => queue.close())
    }))

  it.live("that hangs keeps nobody from closing", () =>
    Effect.gen(function*() {
      const hanging = Layer.effect(PersistedQueue.PersistedQueueFactory, Effect.never)
      const queue = ExposureQueue.start(hanging)
      const consumer = ExposureQueue.startConsumer(hanging, () => {})
      yield* Effect.promise(() => Promise.all([queue.close(), consumer.close()]))
    }))

  it.live("tells the failures of a handler without the exposure", () => {
    const records: Array<LogRecord> = []
    const memory = ExposureQueue.makeMemory()
    return Effect.gen(function*() {
      const send = yield* ExposureQueue.make()
      yield* send([exposureOf("secret")])
      const consumer = ExposureQueue.consume(memory, () => Effect.fail("secret"))
      yield* Effect.timeoutOption(consumer, "100 millis")
      assert.deepStrictEqual(records.map(({ message }) => message), ["the handler of an exposure failed"])
      assert.notInclude(JSON.stringify(records.map(({ message }) => message)), "secret")
    }).pipe(Effect.provide(Layer.merge(memory, logsTo(records, "Warn"))))
  })

  it.effect("tells that it sets aside what is no exposure, without a word of it", () => {
    const records: Array<LogRecord> = []
    const memory = ExposureQueue.makeMemory()
    return Effect.gen(function*() {
      const queue = yield* PersistedQueue.make({ name: "feature-flag-exposures", schema: Schema.Unknown })
      yield* queue.offer({ ...exposureOf("older"), variant: { secret: 1 } })
      yield* queue.offer({ ...exposureOf("newer"), added: "secret" })
      yield* queue.offer("secret")
      const taken: Array<unknown> = []
      yield* Effect.forkScoped(ExposureQueue.consume(memory, (exposure) => void taken.push(exposure)))
      yield* turns(50)
      assert.deepStrictEqual(taken, [exposureOf("newer")])
      const warning = "an exposure of another form is set aside"
      assert.deepStrictEqual(records.map(({ message }) => message), [warning, warning])
      assert.notInclude(JSON.stringify(records), "secret")
    }).pipe(Effect.provide(Layer.merge(memory, logsTo(records, "Warn"))))
  })

  for (
    const [kind, hang] of [["promise", () => new Promise<void>(() => {})], ["effect", () => Effect.never]] as const
  ) {
    it.effect(`goes on past a handler whose ${kind} never ends, and starts no more handlers than allowed`, () =>
      Effect.gen(function*() {
        const factory = Context.get(
          yield* Layer.build(ExposureQueue.makeMemory()),
          PersistedQueue.PersistedQueueFactory
        )
        let connections = 0
        const store = Layer.effect(
          PersistedQueue.PersistedQueueFactory,
          Effect.acquireRelease(
            Effect.sync(() => {
              connections++
              return factory
            }),
            () => Effect.sync(() => connections--)
          )
        )
        const send = yield* ExposureQueue.make().pipe(
          Effect.provideService(PersistedQueue.PersistedQueueFactory, factory)
        )
        const started: Array<string> = []
        yield* Effect.forkScoped(ExposureQueue.consume(store, ({ subject }) => {
          started.push(subject)
          return subject.startsWith("hangs") ? hang() : undefined
        }, { concurrency: 2 }))
        yield* send([exposureOf("hangs")])
        for (let i = 0; i < 5; i++) {
          yield* TestClock.adjust("1 minute")
          yield* send([exposureOf(`user-${i}`)])
          yield* turns(50)
        }
        assert.deepStrictEqual(started, ["hangs", "user-0", "user-1", "user-2", "user-3", "user-4"])
        assert.strictEqual(connections, 2)
        yield* send([exposureOf("hangs too"), exposureOf("waits")])
        yield* turns(50)
        for (let i = 0; i < 5; i++) {
          yield* TestClock.adjust("1 minute")
          yield* turns(50)
        }
        assert.deepStrictEqual(started.slice(6), ["hangs too"])
        assert.isAtMost(connections, 3)
      }))
  }

  it("refuses what it cannot use, by name", () => {
    const memory = ExposureQueue.makeMemory()
    assert.include(rangeError(() => ExposureQueue.make({ timeout: 0 })), "ExposureQueue.make: timeout")
    assert.include(rangeError(() => ExposureQueue.start({} as never)), "ExposureQueue.start: store")
    assert.include(rangeError(() => ExposureQueue.start(memory, { names: "" } as never)), "did you mean \"name\"")
    assert.include(rangeError(() => ExposureQueue.consume(memory, "" as never)), "ExposureQueue.consume: handler")
    assert.include(
      rangeError(() => ExposureQueue.startConsumer(memory, () => {}, { concurrency: 0 })),
      "ExposureQueue.startConsumer: concurrency"
    )
  })
})
