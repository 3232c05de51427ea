import { assert, describe, it } from "@effect/vitest"
import { OpenFeature, type Provider, type TrackingEventDetails } from "@openfeature/server-sdk"
import { Effect } from "effect"
import { FeatureFlags } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { apiContext, inTransaction, newDomain, transactions } from "./rig.ts"

interface Tracked {
  readonly name: string
  readonly context: object
  readonly details: unknown
}

/** A client whose provider writes down what it was told to track. */
const tracking = Effect.fnUntraced(function*(options: FeatureFlags.Options = {}) {
  const tracked: Array<Tracked> = []
  const scripted = yield* TestProvider.make()
  const provider = {
    ...scripted,
    track: (name: string, context: object, details: unknown) => void tracked.push({ name, context, details })
  }
  const flags = yield* FeatureFlags.make({ domain: newDomain(), ...options, provider: Effect.succeed(provider) })
  return { flags, tracked }
})

describe("6.1 tracking", () => {
  it.effect("6.1.1.1 a name is tracked, with a context and details or without, and nothing is given back", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags, tracked } = yield* tracking()
      const results: Array<unknown> = [
        yield* flags.track("bought", { context: { targetingKey: "user-1" }, details: { value: 5 } }),
        yield* flags.track("seen"),
        yield* flags.track("seen", { context: { plan: "pro" } }),
        yield* flags.track("seen", { details: { value: 1 } })
      ]
      assert.deepStrictEqual(results, [undefined, undefined, undefined, undefined])
      assert.deepStrictEqual(tracked, [
        { name: "bought", context: { targetingKey: "user-1" }, details: { value: 5 } },
        { name: "seen", context: {}, details: {} },
        { name: "seen", context: { plan: "pro" }, details: {} },
        { name: "seen", context: {}, details: { value: 1 } }
      ])
    })))

  const levels = ["api", "transaction", "client", "region", "invocation"]

  // Each level sets its own key, and those of all levels that come after it.
  const contextOf = (level: string) =>
    Object.fromEntries(levels.slice(levels.indexOf(level)).map((key) => [key, level]))

  it.effect("6.1.3 contexts are merged: API, transaction, client, region, invocation", () =>
    Effect.scoped(Effect.gen(function*() {
      yield* apiContext(contextOf("api"))
      yield* transactions
      const { flags, tracked } = yield* tracking({ context: contextOf("client") })
      yield* flags.track("bought", { context: contextOf("invocation") }).pipe(
        FeatureFlags.withContext(contextOf("region")),
        inTransaction(contextOf("transaction"))
      )
      assert.deepStrictEqual(
        tracked.map((event) => event.context),
        [Object.fromEntries(levels.map((level) => [level, level]))]
      )
    })))

  it.effect("6.1.4 tracking does nothing with a provider that cannot track", () =>
    Effect.scoped(Effect.gen(function*() {
      const provider: Provider = yield* TestProvider.make()
      delete provider.track
      const owned = yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(provider) })
      assert.isUndefined(yield* owned.track("bought", { details: { value: 5 } }))

      const domain = newDomain()
      yield* Effect.promise(() => OpenFeature.setProviderAndWait(domain, provider))
      const flags = yield* FeatureFlags.make({ domain })
      assert.isUndefined(yield* flags.track("bought", { details: { value: 5 } }))
    })))
})

describe("6.2 details of a tracking event", () => {
  it.effect("6.2.1 the details have a number as their value, or none", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags, tracked } = yield* tracking()
      const all: Array<TrackingEventDetails> = [{ value: 99.95 }, { value: 0 }, { currency: "EUR" }]
      for (const details of all) yield* flags.track("bought", { details })
      assert.deepStrictEqual(tracked.map((event) => event.details), all)
    })))

  it.effect("6.2.2 the details have custom fields: booleans, text, numbers and structures", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags, tracked } = yield* tracking()
      const details = { value: 1, isGift: true, currency: "EUR", items: 3, cart: { ids: [1, 2], shop: { id: "a" } } }
      yield* flags.track("bought", { details })
      assert.deepStrictEqual(tracked.map((event) => event.details), [details])
    })))
})
