import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { ExposureHook } from "effect-openfeature"
import { rangeError } from "../support.ts"
import { contract } from "./exposureStoreContract.ts"

contract("memory", () => Effect.map(ExposureHook.makeMemoryStore(), (store) => [store, store] as const))

describe("a store in memory", () => {
  it.effect("has a bounded number of keys", () =>
    Effect.gen(function*() {
      const store = yield* ExposureHook.makeMemoryStore(2)
      const reserve = (key: string) => Effect.map(store.reserve([key], key, Duration.hours(1)), ([one]) => one?.state)
      for (const key of ["a", "b", "c"]) assert.strictEqual(yield* reserve(key), "reserved")
      yield* store.confirm(["c"], "c", Duration.infinity)
      assert.strictEqual(yield* reserve("c"), "exposed")
      assert.strictEqual(yield* reserve("a"), "reserved")
    }))

  it("refuses a capacity that is none", () => {
    assert.include(rangeError(() => ExposureHook.makeMemoryStore(0)), "ExposureHook.makeMemoryStore: capacity")
  })
})
