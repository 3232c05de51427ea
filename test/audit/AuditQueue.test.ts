import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { AuditHook } from "effect-openfeature"
import * as AuditQueue from "effect-openfeature/audit/AuditQueue"
import { Fixtures } from "effect-openfeature/testing"
import { PersistedQueue } from "effect/persistence"
import { type LogRecord, logsTo, paths, random, rangeError, turns } from "../support.ts"
import { contract, recordOf } from "./queueContract.ts"

contract("memory", AuditQueue.layerMemory)

it.live("a memory that is given to both has the records of a queue for its consumer", () =>
  Effect.gen(function*() {
    const memory = AuditQueue.makeMemory()
    const taken = yield* Deferred.make<string>()
    const queue = yield* AuditQueue.make(memory)
    yield* Effect.forkScoped(AuditQueue.consume(memory, ({ flagKey }) => Deferred.succeed(taken, flagKey)))
    yield* run(AuditHook.make(queue), "sale")
    assert.strictEqual(yield* Deferred.await(taken), "sale")
  }).pipe(Effect.scoped))

/** A store that does what a test tells it, and remembers what it has acknowledged. */
const scripted = (offer: (id: string) => Effect.Effect<void, PersistedQueue.PersistedQueueError>) => {
  const stored: Array<string> = []
  const store = PersistedQueue.PersistedQueueStore.of({
    offer: ({ id }) => Effect.andThen(offer(id), Effect.sync(() => void stored.push(id))),
    take: () => Effect.never,
    cleanup: () => Effect.void
  })
  const layer = Layer.provide(PersistedQueue.layer, Layer.succeed(PersistedQueue.PersistedQueueStore, store))
  return { layer, stored }
}

const down = Effect.fail(new PersistedQueue.PersistedQueueError({ message: "down" }))

const run = (hook: ReturnType<typeof AuditHook.make>, flagKey: string) => Fixtures.run(hook, { context: { flagKey } })

describe("a store that is slow or down", () => {
  for (const [path, change] of paths) {
    it.effect(`delays no evaluation, loses what the buffer does not hold, and says so once, ${path}`, () =>
      Effect.gen(function*() {
        const logs: Array<LogRecord> = []
        let isDown = true
        const { layer, stored } = scripted(() => isDown ? down : Effect.void)
        yield* Effect.gen(function*() {
          const queue = yield* AuditQueue.make(layer, { capacity: 5, concurrency: 2 })
          const hook = change(AuditHook.make(queue))
          for (let i = 0; i < 20; i++) {
            assert.isTrue((yield* run(hook, `flag-${i}`)).details.value)
            yield* turns(2)
          }
          // Two are on their way.
          assert.deepStrictEqual(yield* queue.counts, { offered: 20, stored: 0, dropped: 13, pending: 7 })
          isDown = false
          yield* TestClock.adjust("10 seconds")
          yield* queue.flush
          assert.deepStrictEqual(yield* queue.counts, { offered: 20, stored: 7, dropped: 13, pending: 0 })
          assert.strictEqual(new Set(stored).size, 7)
        }).pipe(Effect.scoped, Effect.provide(logsTo(logs)))
        assert.deepStrictEqual(logs.map(({ annotations: { dropped }, message }) => [message, dropped]), [
          ["the store of the audit queue does not answer; records wait in the buffer", undefined],
          ["the store of the audit queue answers again", undefined],
          ["audit records were dropped, since the buffer was full", 13]
        ])
      }))

    it.effect(`delays an evaluation up to the timeout where it waits for the store, and never fails it, ${path}`, () =>
      Effect.gen(function*() {
        const attempts: Array<string> = []
        const { layer } = scripted((id) => Effect.andThen(Effect.sync(() => void attempts.push(id)), Effect.never))
        const queue = yield* AuditQueue.make(layer, { guarantee: "stored", timeout: "200 millis", closeTimeout: 0 })
        const evaluation = yield* Effect.forkChild(run(change(AuditHook.make(queue)), "a"), { startImmediately: true })
        yield* turns()
        yield* TestClock.adjust("199 millis")
        yield* turns()
        assert.isUndefined(evaluation.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.isTrue((yield* Fiber.join(evaluation)).details.value)
        yield* TestClock.adjust("2 seconds")
        yield* turns()
        assert.isAbove(attempts.length, 2)
        assert.strictEqual(new Set(attempts).size, 1)
      }))
  }

  it.effect("may be down at the start", () =>
    Effect.gen(function*() {
      let attempts = 0
      let released = 0
      const failing = Layer.unwrap(Effect.gen(function*() {
        yield* Effect.addFinalizer(() => Effect.sync(() => void released++))
        return ++attempts < 4 ? yield* Effect.fail("refused") : AuditQueue.layerMemory
      }))
      const queue = yield* AuditQueue.make(failing)
      yield* queue.append(recordOf("a")).pipe(Effect.timeoutOption(0))
      yield* turns()
      assert.strictEqual((yield* queue.counts).pending, 1)
      yield* TestClock.adjust("5 seconds")
      yield* queue.flush
      assert.deepInclude(yield* queue.counts, { stored: 1, dropped: 0 })
      assert.deepStrictEqual([attempts, released], [4, 3])
    }))

  it.effect("holds up closing within its bound, and what is left is dropped", () =>
    Effect.gen(function*() {
      const logs: Array<LogRecord> = []
      const { layer } = scripted(() => Effect.never)
      const closing = Deferred.makeUnsafe<void>()
      const hanging = Layer.merge(layer, Layer.effectDiscard(Effect.addFinalizer(() => Effect.never)))
      const counted = yield* Effect.gen(function*() {
        const queue = yield* AuditQueue.make(hanging, { closeTimeout: "2 seconds" })
        for (let i = 0; i < 3; i++) yield* run(AuditHook.make(queue), "a")
        yield* turns()
        Deferred.doneUnsafe(closing, Effect.void)
        return queue.counts
      }).pipe(Effect.scoped, Effect.provide(logsTo(logs)), Effect.forkChild)
      yield* Deferred.await(closing)
      yield* turns()
      yield* TestClock.adjust("2 seconds")
      yield* turns()
      yield* TestClock.adjust("2 seconds")
      const counts = yield* yield* Fiber.join(counted)
      assert.deepStrictEqual(counts, { offered: 3, stored: 0, dropped: 3, pending: 0 })
      assert.strictEqual(logs.at(-1)?.annotations["dropped"], 3)
    }))

  it.effect("has a defect: the record is dropped, and the next one is stored", () =>
    Effect.gen(function*() {
      let offers = 0
      const { layer } = scripted(() => ++offers === 1 ? Effect.die("bug") : Effect.void)
      const queue = yield* AuditQueue.make(layer, { guarantee: "stored" })
      assert.strictEqual((yield* Effect.flip(queue.append(recordOf("a")))).reason, "failed")
      yield* queue.append(recordOf("b"))
      assert.deepStrictEqual(yield* queue.counts, { offered: 2, stored: 1, dropped: 1, pending: 0 })
    }))

  it.effect("tells for what reason records were dropped, and never that it is down for a record that it refuses", () =>
    Effect.gen(function*() {
      const logs: Array<LogRecord> = []
      let offers = 0
      const { layer } = scripted(() => ++offers === 2 ? Effect.die("bug") : Effect.void)
      yield* Effect.gen(function*() {
        const queue = yield* AuditQueue.make(layer, { capacity: 3, concurrency: 1 })
        yield* turns()
        queue.appendUnsafe?.(recordOf("a", { durationMs: Number.NaN }))
        yield* queue.flush
        assert.deepStrictEqual(logs, [])
        for (const flagKey of ["b", "c", "d", "e", "f", "g"]) queue.appendUnsafe?.(recordOf(flagKey))
        yield* queue.flush
        assert.deepInclude(yield* queue.counts, { offered: 7, pending: 0 })
      }).pipe(Effect.scoped, Effect.provide(logsTo(logs)))
      assert.deepStrictEqual(logs.map(({ annotations: { dropped }, message }) => [message, dropped]), [
        ["audit records were dropped, since they do not fit their schema", 1],
        ["audit records were dropped, since the buffer was full", 3],
        ["audit records were dropped, since the store has a defect", 1]
      ])
    }))

  it.effect("does not get what is no audit record", () =>
    Effect.gen(function*() {
      const { layer, stored } = scripted(() => Effect.void)
      const queue = yield* AuditQueue.make(layer, { guarantee: "stored" })
      const error = yield* Effect.flip(queue.append(recordOf("a", { durationMs: Number.NaN })))
      assert.strictEqual(error.reason, "refused")
      yield* queue.append(recordOf("b"))
      assert.deepStrictEqual(yield* queue.counts, { offered: 2, stored: 1, dropped: 1, pending: 0 })
      assert.strictEqual(stored.length, 1)
    }))
})

it.effect("the counts always add up to what was offered, whatever the store does", () =>
  Effect.gen(function*() {
    const seed = Number(process.env["SEED"] ?? 11)
    const { below, chance, oneOf } = random(seed)
    for (let program = 0; program < 40; program++) {
      const answers = [Effect.void, down, Effect.never, Effect.die("bug"), Effect.delay(Effect.void, "300 millis")]
      let answer = answers[0]
      const { layer, stored } = scripted(() => answer)
      const scope = yield* Scope.make()
      const options = {
        capacity: 1 + below(8),
        concurrency: 1 + below(3),
        timeout: "500 millis",
        closeTimeout: 0
      } as const
      const queue = yield* Scope.provide(AuditQueue.make(layer, options), scope)
      let offered = 0
      const check = Effect.map(queue.counts, (counts) => {
        const sum = counts.stored + counts.dropped + counts.pending
        assert.deepStrictEqual([counts.offered, sum], [offered, offered], `SEED=${seed}, program ${program}`)
        return counts
      })
      for (let step = 0; step < 30; step++) {
        if (chance(0.3)) answer = oneOf(answers)
        for (let i = below(6); i > 0; i--) {
          offered++
          queue.appendUnsafe?.(recordOf(String(offered)))
        }
        yield* TestClock.adjust(below(1000))
        yield* turns(1)
        yield* check
      }
      yield* Scope.close(scope, Exit.void)
      const counts = yield* check
      assert.deepStrictEqual([counts.pending, counts.stored], [0, stored.length], `SEED=${seed}, program ${program}`)
      assert.strictEqual(new Set(stored).size, stored.length)
    }
  }))

describe("waiting", () => {
  it.effect("goes on until no record is pending, also right after an earlier wait has ended", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const queue = yield* Scope.provide(AuditQueue.make(AuditQueue.layerMemory), scope)
      for (let i = 1; i <= 3; i++) {
        queue.appendUnsafe?.(recordOf("a"))
        yield* queue.flush
        assert.deepStrictEqual(yield* queue.counts, { offered: i, stored: i, dropped: 0, pending: 0 })
      }
      queue.appendUnsafe?.(recordOf("last"))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* queue.counts, { offered: 4, stored: 4, dropped: 0, pending: 0 })
    }))
})

describe("a consumer", () => {
  it.effect("connects anew, also after a connection that could not be closed", () =>
    Effect.gen(function*() {
      let connections = 0
      const closing = Layer.effectDiscard(Effect.addFinalizer(() => Effect.die("down")))
      const store = Layer.unwrap(Effect.sync(() => {
        connections++
        return Layer.merge(AuditQueue.layerMemory, closing)
      }))
      yield* Effect.forkScoped(AuditQueue.consume(store, () => undefined, { renewInterval: "1 minute" }))
      yield* turns()
      assert.strictEqual(connections, 1)
      for (let i = 0; i < 2; i++) {
        yield* TestClock.adjust("61 seconds")
        yield* turns()
      }
      assert.strictEqual(connections, 3)
    }))

  it.effect("warns once of each outage of the store", () =>
    Effect.gen(function*() {
      const logs: Array<LogRecord> = []
      let isDown = true
      const store = Layer.unwrap(
        Effect.suspend(() => isDown ? Effect.fail("down") : Effect.succeed(AuditQueue.layerMemory))
      )
      yield* Effect.gen(function*() {
        yield* Effect.forkScoped(AuditQueue.consume(store, () => undefined, { renewInterval: "1 minute" }))
        for (const isNextDown of [false, true, false]) {
          for (let i = 0; i < 20; i++) {
            yield* turns()
            yield* TestClock.adjust("5 seconds")
          }
          isDown = isNextDown
        }
      }).pipe(Effect.scoped, Effect.provide(logsTo(logs)))
      const warning = "the store of the audit queue does not answer; it is asked again"
      assert.deepStrictEqual(logs.map(({ message }) => message), [warning, warning])
    }))

  for (const [path, isAsync] of [["synchronous", false], ["asynchronous", true]] as const) {
    it.effect(`lets a handler end before it connects anew, ${path}`, () =>
      Effect.gen(function*() {
        const factory = Context.get(yield* Layer.build(AuditQueue.layerMemory), PersistedQueue.PersistedQueueFactory)
        const store = Layer.succeed(PersistedQueue.PersistedQueueFactory, factory)
        const queue = yield* AuditQueue.make(store)
        const handled: Array<string> = []
        yield* Effect.forkScoped(AuditQueue.consume(store, ({ flagKey }, { attempts }) => {
          const end = Effect.sync(() => void handled.push(`${flagKey}${attempts}`))
          return isAsync ? Effect.delay(end, "3 minutes") : end
        }))
        for (const flagKey of ["a", "b"]) {
          yield* queue.append(recordOf(flagKey))
          yield* turns()
          yield* TestClock.adjust("4 minutes")
          yield* turns()
        }
        assert.deepStrictEqual(handled, ["a1", "b1"])
      }))
  }
})

it("refuses a store and a handler of the wrong kind", () => {
  const told = (misuse: () => unknown): string => rangeError(misuse)
  assert.include(told(() => Reflect.apply(AuditQueue.make, undefined, [{}])), "AuditQueue.make: store must be a layer")
  assert.include(told(() => Reflect.apply(AuditQueue.start, undefined, [null])), "AuditQueue.start: store must be")
  assert.include(
    told(() => Reflect.apply(AuditQueue.consume, undefined, [AuditQueue.layerMemory, "x"])),
    "AuditQueue.consume: handler must be a function"
  )
})
