import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Schedule, Scope } from "effect"
import { TestClock } from "effect/testing"
import { BackgroundHook, BatchHook, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { Fixtures } from "effect-openfeature/testing"
import { AsyncLocalStorage } from "node:async_hooks"
import { collectFailures, logsTo, newDomain, paths, random, rangeError, turns } from "../support.ts"

const evaluate = (hook: FeatureHook.FeatureHook, flagKey: string) => Fixtures.run(hook, { context: { flagKey } })

const evaluateAll = (hook: FeatureHook.FeatureHook, flagKeys: string) =>
  Effect.forEach(flagKeys.split(""), (flagKey) => evaluate(hook, flagKey), { discard: true })

const collecting = (sent: Array<string>) => ({
  item: ({ flagKey }: { readonly flagKey: string }) => flagKey === "-" ? undefined : flagKey,
  send: (items: ReadonlyArray<string>) => Effect.sync(() => void sent.push(items.join("")))
})

describe("a batch", () => {
  for (const [path, change] of paths) {
    it.effect(`is sent when it is full, when it has waited, and by a flush, ${path}`, () =>
      Effect.gen(function*() {
        const sent: Array<string> = []
        const batches = yield* BatchHook.make("audit", { ...collecting(sent), maxSize: 3, maxWait: "1 second" })
        const hook = change(batches.hook)
        yield* evaluateAll(hook, "a-bc-d")
        yield* turns()
        assert.deepStrictEqual(sent, ["abc"])
        yield* TestClock.adjust("999 millis")
        yield* turns()
        assert.deepStrictEqual(sent, ["abc"])
        yield* TestClock.adjust("1 millis")
        yield* turns()
        assert.deepStrictEqual(sent, ["abc", "d"])
        yield* evaluateAll(hook, "ef")
        yield* batches.flush
        assert.deepStrictEqual(sent, ["abc", "d", "ef"])
        assert.deepInclude(yield* batches.counts, { offered: 6, delivered: 6, pending: 0 })
      }))

    it.effect(`that fails is reported once, and counts with all its items, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const sends: ReadonlyArray<() => Effect.Effect<void, string> | Promise<void>> = [
            () => Effect.fail("no"),
            () => Promise.reject(new Error("no")),
            () => {
              throw new Error("bug")
            }
          ]
          for (const send of sends) {
            const batches = yield* BatchHook.make("audit", { item: ({ flagKey }) => flagKey, send })
            yield* evaluateAll(change(batches.hook), "abc")
            yield* batches.flush
            assert.deepInclude(yield* batches.counts, { offered: 3, failed: 3 })
          }
          yield* turns()
          assert.deepStrictEqual(failures.map(({ flagKey, hook, stage }) => `${hook} ${stage} ${flagKey}`), [
            "audit finally a",
            "audit finally a",
            "audit finally a"
          ])
        })
      ))

    it.effect(`has no item of an evaluation if making it fails, which is reported, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const batches = yield* BatchHook.make("audit", {
            item: () => {
              throw new Error("bug")
            },
            send: () => undefined
          })
          assert.isTrue((yield* evaluate(change(batches.hook), "a")).details.value)
          yield* turns()
          assert.strictEqual(failures.length, 1)
          assert.strictEqual((yield* batches.counts).offered, 0)
        })
      ))
  }

  it.effect("is sent again as its schedule says", () =>
    Effect.gen(function*() {
      let attempts = 0
      const batches = yield* BatchHook.make("audit", {
        item: ({ flagKey }) => flagKey,
        send: () => Effect.suspend(() => ++attempts < 3 ? Effect.fail("no") : Effect.void),
        retry: Schedule.upTo(Schedule.spaced("1 second"), { times: 2 })
      })
      yield* evaluateAll(batches.hook, "ab")
      const flushed = yield* Effect.forkChild(batches.flush)
      yield* TestClock.adjust("1 second")
      yield* turns()
      assert.deepStrictEqual([attempts, (yield* batches.counts).pending], [2, 2])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(flushed)
      assert.deepInclude(yield* batches.counts, { offered: 2, delivered: 2, failed: 0 })
    }))

  it.effect("has the services of the program that made the hook", () =>
    Effect.gen(function*() {
      class Store extends Context.Service<Store, Array<string>>()("test/BatchStore") {}
      const store: Array<string> = []
      const make = BatchHook.make("audit", {
        item: ({ flagKey }) => flagKey,
        send: (items) => Effect.map(Store, (store) => void store.push(...items))
      })
      // @ts-expect-error the service is missing
      const missing: Effect.Effect<unknown, never, Scope.Scope> = make
      assert.isTrue(Effect.isEffect(missing))
      const batches = yield* Effect.provideService(make, Store, store)
      yield* evaluate(batches.hook, "a")
      yield* batches.flush
      assert.deepStrictEqual(store, ["a"])
    }))

  it("is sent outside of the asynchronous context of any request", async () => {
    const request = new AsyncLocalStorage<string>()
    const seen: Array<string> = []
    const batches = BatchHook.start("audit", {
      item: ({ flagKey }) => `${flagKey} in ${request.getStore() ?? "none"}`,
      send: async (items) => {
        await Promise.resolve()
        seen.push(...items, `sent in ${request.getStore() ?? "none"}`)
      },
      maxWait: 5
    })
    const sdk = SDK.OpenFeature.getClient(newDomain()).addHooks(OpenFeatureHook.make(batches.hook))
    await request.run("r-1", () => sdk.getBooleanValue("a", false))
    await request.run("r-2", () => sdk.getBooleanValue("b", false))
    await batches.close()
    assert.deepStrictEqual(seen, ["a in r-1", "b in r-2", "sent in none"])
  })

  it.effect("waits for more no longer than it may, also while another one is sent", () =>
    Effect.gen(function*() {
      const sent: Array<string> = []
      const batches = yield* BatchHook.make("audit", {
        item: ({ flagKey }) => flagKey,
        send: (items) => Effect.delay(Effect.sync(() => void sent.push(items.join(""))), "8 seconds"),
        maxSize: 2,
        maxWait: "10 seconds"
      })
      yield* evaluateAll(batches.hook, "abc")
      yield* turns()
      yield* TestClock.adjust("8 seconds")
      yield* turns()
      yield* evaluateAll(batches.hook, "d")
      yield* turns()
      yield* TestClock.adjust("8 seconds")
      yield* turns()
      assert.deepStrictEqual(sent, ["ab", "cd"])
      yield* evaluateAll(batches.hook, "efg")
      yield* turns()
      yield* TestClock.adjust("10 seconds")
      yield* turns()
      yield* TestClock.adjust("8 seconds")
      yield* turns()
      assert.deepStrictEqual(sent, ["ab", "cd", "ef", "g"])
    }))

  it.effect("that is due while another one is sent waits, and the queue stays bounded", () =>
    Effect.gen(function*() {
      const sent: Array<string> = []
      const batches = yield* BatchHook.make("audit", {
        item: ({ flagKey }) => flagKey,
        send: (items) => Effect.delay(Effect.sync(() => void sent.push(items.join(""))), "1 second"),
        maxSize: 2,
        capacity: 3
      })
      yield* evaluateAll(batches.hook, "ab")
      yield* turns()
      yield* evaluateAll(batches.hook, "cdefg")
      assert.deepInclude(yield* batches.counts, { offered: 7, dropped: 2, pending: 5 })
      const flushed = yield* Effect.forkChild(batches.flush)
      yield* TestClock.adjust("1 second")
      yield* turns()
      yield* TestClock.adjust("1 second")
      yield* turns()
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(flushed)
      assert.deepStrictEqual(sent, ["ab", "cd", "e"])
    }))
})

describe("closing", () => {
  it.effect("sends what is left, and drops what does not end in time", () =>
    Effect.gen(function*() {
      for (const isStuck of [false, true]) {
        const sent: Array<string> = []
        const scope = yield* Scope.make()
        const batches = yield* Scope.provide(
          BatchHook.make("audit", {
            item: ({ flagKey }) => flagKey,
            send: (items) => isStuck ? Effect.never : Effect.sync(() => void sent.push(items.join(""))),
            maxSize: 2,
            maxWait: "1 hour"
          }),
          scope
        )
        yield* evaluateAll(batches.hook, "abc")
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(closing)
        assert.deepStrictEqual(sent, isStuck ? [] : ["ab", "c"])
        const expected = isStuck ? { delivered: 0, dropped: 3, pending: 0 } : { delivered: 3, dropped: 0, pending: 0 }
        assert.deepInclude(yield* batches.counts, expected)
      }
    }))

  it.effect("reports no failure of what it gives up, and interrupts it", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        let interrupted = 0
        const stuck = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++))
        const scope = yield* Scope.make()
        const limits = { closeTimeout: 0 }
        const batches = BatchHook.make("batches", { item: () => 1, send: () => stuck, maxSize: 1, ...limits })
        const background = BackgroundHook.make(FeatureHook.make("stages", { finally: () => stuck }), limits)
        for (const { hook } of [yield* Scope.provide(batches, scope), yield* Scope.provide(background, scope)]) {
          yield* evaluate(hook, "a")
        }
        yield* turns()
        yield* Effect.provide(Scope.close(scope, Exit.void), logsTo([]))
        yield* turns()
        assert.deepStrictEqual([interrupted, failures], [2, []])
      })
    ))

  it.effect("a flush that is followed by more work and another flush waits for both", () =>
    Effect.gen(function*() {
      const sent: Array<string> = []
      const batches = yield* BatchHook.make("audit", {
        item: ({ flagKey }) => flagKey,
        send: (items) => Effect.delay(Effect.sync(() => void sent.push(...items)), "1 second")
      })
      const both = yield* Effect.forkChild(Effect.gen(function*() {
        for (const flagKey of ["a", "b"]) {
          yield* evaluate(batches.hook, flagKey)
          yield* batches.flush
          assert.include(sent, flagKey)
        }
      }))
      yield* turns()
      yield* TestClock.adjust("1 second")
      yield* turns()
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(both)
      assert.deepStrictEqual(sent, ["a", "b"])
    }))

  it("of a plain application sends the rest", async () => {
    const sent: Array<ReadonlyArray<string>> = []
    const batches = BatchHook.start("audit", {
      item: ({ flagKey }) => flagKey,
      send: async (items) => {
        await Promise.resolve()
        sent.push(items)
      }
    })
    const sdk = SDK.OpenFeature.getClient(newDomain()).addHooks(OpenFeatureHook.make(batches.hook))
    await sdk.getBooleanValue("a", false)
    await sdk.getBooleanValue("b", false)
    await batches.close()
    await batches.close()
    assert.deepStrictEqual(sent, [["a", "b"]])
    assert.deepStrictEqual(batches.counts(), { offered: 2, delivered: 2, dropped: 0, failed: 0, pending: 0 })
  })
})

describe("the counts of batches", () => {
  it.effect(
    "add up at every moment of random programs, and each item is sent once, in order",
    () =>
      Effect.gen(function*() {
        const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
        const { below, chance, oneOf } = random(seed)
        for (let program = 0; program < 150; program++) {
          const sent: Array<number> = []
          const maxSize = 1 + below(5)
          let largest = 0
          const concurrency = 1 + below(2)
          const scope = yield* Scope.make()
          const batches = yield* Scope.provide(
            BatchHook.make("audit", {
              item: ({ flagKey }) => Number(flagKey),
              send: (items) => {
                largest = Math.max(largest, items.length)
                sent.push(...items)
                const work = chance(0.2) ? Effect.fail("no") : Effect.void
                return Effect.andThen(Effect.sleep(below(5)), work)
              },
              retry: chance(0.3) ? Schedule.recurs(0) : undefined,
              capacity: 1 + below(6),
              concurrency,
              maxSize,
              maxWait: below(5),
              overflow: oneOf(["dropNewest", "dropOldest"] as const),
              closeTimeout: below(20)
            }),
            scope
          )
          let offered = 0
          const check = Effect.map(batches.counts, (counts) => {
            const { delivered, dropped, failed, pending } = counts
            assert.strictEqual(counts.offered, offered, `SEED=${seed}`)
            assert.strictEqual(delivered + dropped + failed + pending, offered, `SEED=${seed}`)
            return counts
          })
          for (let step = 0; step < 40; step++) {
            if (chance(0.7)) yield* evaluate(batches.hook, String(offered++))
            else yield* TestClock.adjust(below(4))
            yield* check
          }
          const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
          yield* TestClock.adjust("20 millis")
          yield* Fiber.join(closing)
          yield* evaluate(batches.hook, String(offered++))
          const { delivered, failed, pending } = yield* check
          assert.strictEqual(pending, 0, `SEED=${seed}`)
          assert.isAtMost(largest, maxSize, `SEED=${seed}`)
          assert.isAtLeast(sent.length, delivered + failed, `SEED=${seed}`)
          assert.deepStrictEqual(sent, [...new Set(sent)].sort((a, b) => a - b), `SEED=${seed}`)
        }
      }).pipe((program) => collectFailures(() => program)),
    20_000
  )
})

describe("misuse", () => {
  it("is refused", () => {
    const options = { item: () => 1, send: () => undefined }
    assert.include(rangeError(() => BatchHook.start("", options)), "name must be a text that is not empty")
    // @ts-expect-error there is nothing to send
    assert.include(rangeError(() => BatchHook.start("audit", { send: () => undefined })), "item must be a function")
    // @ts-expect-error nobody takes it
    assert.include(rangeError(() => BatchHook.start("audit", { item: () => 1 })), "send must be a function")
    // @ts-expect-error it is no option
    assert.include(rangeError(() => BatchHook.start("audit", { ...options, maxsize: 1 })), "did you mean \"maxSize\"?")
  })
})
