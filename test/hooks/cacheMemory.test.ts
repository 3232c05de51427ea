import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Memory } from "../../src/internal/hook/cacheMemory.ts"
import { contract, keyOf, put, variantIn } from "./cacheStoreContract.ts"

const shared = new Memory(1000)

contract("memory", () => Effect.succeed(shared), {
  wait: (millis) => TestClock.adjust(millis),
  slack: 1
})

describe("a store in memory", () => {
  it.effect("forgets the least recently used answer when it is full", () =>
    Effect.gen(function*() {
      const store = new Memory(2)
      for (const name of ["a", "b"]) yield* put(store, keyOf(name), name)
      yield* store.get(keyOf("a"), 100)
      yield* put(store, keyOf("c"), "c")
      const left = yield* Effect.all(["a", "b", "c"].map((name) => variantIn(store, keyOf(name))))
      assert.deepStrictEqual(left, ["a", undefined, "c"])
      assert.deepStrictEqual([store.size, store.evicted], [2, 1])
    }))

  it.effect("remembers a bounded number of invalidations, and forgets too many answers then", () =>
    Effect.gen(function*() {
      const store = new Memory(10_000)
      const { version = 0 } = yield* store.get(keyOf("first"), 100)
      yield* store.invalidate({ flagKey: "first" })
      for (let i = 0; i < 3000; i++) {
        yield* put(store, keyOf(`flag-${i}`), "on")
        yield* store.invalidate({ flagKey: `flag-${i}` })
      }
      yield* store.set(keyOf("first"), { value: true }, { version, timeToLive: 1000, staleFor: 0 })
      assert.isUndefined(yield* variantIn(store, keyOf("first")))
      for (let i = 0; i < 3000; i += 100) assert.isUndefined(yield* variantIn(store, keyOf(`flag-${i}`)))
      yield* put(store, keyOf("first"), "on")
      assert.strictEqual(yield* variantIn(store, keyOf("first")), "on")
    }))
})
