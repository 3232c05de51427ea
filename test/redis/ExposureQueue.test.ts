import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ExposureHook } from "effect-openfeature"
import { ExposureQueue } from "effect-openfeature/redis"
import { PersistedQueue } from "effect/persistence"
import { collectFailures, rangeError } from "../support.ts"

const memory = Layer.provide(PersistedQueue.layer, PersistedQueue.layerStoreMemory)

const exposure: ExposureHook.Exposure = {
  id: "a".repeat(64),
  time: "2026-01-31T18:00:00.000Z",
  subject: "größe\u202e",
  flagKey: "sale",
  variant: "on",
  value: 0.5,
  domain: "shop",
  attributes: { __proto: 1, plan: "pro", beta: true },
  metadata: {}
}

describe("a queue of exposures", () => {
  it.live("hands each one to a consumer as it was, once for each batch that is sent again", () =>
    Effect.gen(function*() {
      const send = yield* ExposureQueue.make()
      const other = { ...exposure, time: "2026-01-31T19:00:00.000Z" }
      yield* send([exposure])
      yield* send([exposure, other])
      const queue = yield* PersistedQueue.make({ name: "feature-flag-exposures", schema: ExposureQueue.schema })
      const taken = [yield* queue.take(Effect.succeed), yield* queue.take(Effect.succeed)]
      assert.deepStrictEqual(taken, [exposure, other])
      const third = yield* Effect.timeoutOption(queue.take(Effect.succeed), "50 millis")
      assert.strictEqual(third._tag, "None")
    }).pipe(Effect.provide(memory)))

  it.live("that does not answer fails the batch within the limit", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const send = yield* ExposureQueue.make({ timeout: "20 millis" })
        const exposures = yield* ExposureHook.make({ send, automatic: false })
        yield* exposures.expose({ flagKey: "sale", value: 1 }, { targetingKey: "user-1" })
        yield* exposures.flush
        assert.deepInclude(yield* exposures.counts, { failed: 1, size: 0 })
        assert.strictEqual(failures.length, 1)
      }).pipe(
        Effect.provideService(PersistedQueue.PersistedQueueFactory, {
          make: () => Effect.succeed({ offer: () => Effect.never, take: () => Effect.never } as never)
        } as never)
      )
    ))

  it("refuses options by name", () => {
    assert.include(rangeError(() => ExposureQueue.make({ timeout: 0 })), "ExposureQueue.make: timeout")
  })
})
