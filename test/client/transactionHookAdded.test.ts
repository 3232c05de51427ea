import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { FeatureHook, FlagFilter, FlagTransaction, OpenFeatureHook } from "effect-openfeature"
import { collectFailures, newDomain, turns } from "../support.ts"

describe("a transaction of plain code with the hook", () => {
  it.effect("tells nothing when no flag is evaluated, also before the first evaluation", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const filtered = FeatureHook.when(FlagTransaction.hook, FlagFilter.prefix("checkout-"))
        SDK.OpenFeature.getClient(newDomain()).addHooks(OpenFeatureHook.make(filtered))
        yield* Effect.promise(() => FlagTransaction.run({}, () => "health check"))
        yield* turns()
        assert.deepStrictEqual(failures, [])
      })
    ))
})
