import { assert, describe, it } from "@effect/vitest"
import { OpenFeature, ProviderEvents, ProviderStatus } from "@openfeature/server-sdk"
import * as SDK from "@openfeature/server-sdk"
import { Effect, Exit, Layer, Scope } from "effect"
import { FeatureFlags } from "effect-openfeature"
import { RecordingHook, TestProvider } from "effect-openfeature/testing"
import { recording, short } from "./hook.ts"
import { flagKey, newDomain, rule } from "./rig.ts"

const flags = { [flagKey]: TestProvider.value(true) }

/** A client with a provider of its own, which can be told to emit events. */
const client = Effect.gen(function*() {
  const provider = yield* TestProvider.make({ flags })
  const made = yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(provider) })
  return { provider, flags: made }
})

describe("1.1 creating a client", () => {
  it.effect("1.1.6 the domain binds a client to a provider, without one it has the default provider", () =>
    Effect.scoped(Effect.gen(function*() {
      yield* Effect.acquireRelease(Effect.void, () => Effect.promise(() => OpenFeature.clearProviders()))
      const bound = yield* FeatureFlags.make({ domain: newDomain(), provider: TestProvider.make({ flags }) })
      const answer = TestProvider.value("default")
      const unbound = yield* FeatureFlags.make({ provider: TestProvider.make({ flags: { [flagKey]: answer } }) })
      const another = yield* FeatureFlags.make({ domain: newDomain() })
      assert.isTrue(yield* bound.boolean(flagKey, false))
      assert.strictEqual(yield* unbound.string(flagKey, "none"), "default")
      assert.strictEqual(yield* another.string(flagKey, "none"), "default")
    })))

  it.effect("1.1.7 making a client with an option that is wrong does not throw, the effect fails", () =>
    Effect.gen(function*() {
      const make = FeatureFlags.make({ domain: "" })
      const layer = FeatureFlags.layer({ domain: "" })
      assert.propertyVal(yield* Effect.flip(Effect.scoped(make)), "_tag", "OptionsError")
      assert.propertyVal(yield* Effect.flip(Effect.scoped(Layer.build(layer))), "_tag", "OptionsError")
    }))

  it.effect("1.1.7 making a client without a provider, or with one that is not ready, gives a client", () =>
    Effect.scoped(Effect.gen(function*() {
      const broken = TestProvider.make({ initialize: Effect.fail(new Error("no connection")) })
      const options: ReadonlyArray<FeatureFlags.Options> = [
        {},
        { domain: newDomain() },
        { domain: newDomain(), version: "1.0.0" },
        { domain: newDomain(), provider: broken, onProviderError: "ignore" }
      ]
      for (const option of options) {
        const made = yield* FeatureFlags.make(option)
        assert.isFalse(yield* made.boolean(flagKey, false))
      }
    })))
})

describe("1.2 the client", () => {
  it.effect("1.2.1 hooks that are added come behind those that are there, and take none away", () =>
    Effect.scoped(Effect.gen(function*() {
      const journal: Array<RecordingHook.Entry> = []
      const hook = (name: string) => Effect.map(RecordingHook.make(name, journal), (made) => made.hook)
      const [a, b, c, d] = yield* Effect.all([hook("a"), hook("b"), hook("c"), hook("d")])
      const provider = TestProvider.make({ flags })
      const made = yield* FeatureFlags.make({ domain: newDomain(), provider, hooks: [a] })
      yield* made.addHooks(b)
      yield* made.addHooks(c, d)
      assert.deepStrictEqual(yield* made.hooks, [a, b, c, d])
      yield* made.boolean(flagKey, false)
      assert.deepStrictEqual(short(journal).slice(0, 4), ["a.before", "b.before", "c.before", "d.before"])
    })))

  it.effect("1.2.2 the metadata names the domain, and nobody can rename it", () =>
    Effect.scoped(Effect.gen(function*() {
      const domain = newDomain()
      const made = yield* FeatureFlags.make({ domain })
      Reflect.set(yield* made.metadata, "domain", "another")
      assert.strictEqual((yield* made.metadata).domain, domain)
      const unbound = yield* FeatureFlags.make()
      assert.isUndefined((yield* unbound.metadata).domain)
    })))
})

describe("1.5 evaluation options", () => {
  rule(
    "1.5.1 the hooks of an evaluation run in order, beside those of API and client, and for it alone",
    (rig) =>
      Effect.gen(function*() {
        const journal: Array<RecordingHook.Entry> = []
        const hook = (name: string) => recording(rig, name, journal)
        const levels = { api: [hook("api")], client: [hook("client")] }
        yield* rig.evaluate({ ...levels, invocation: [hook("a"), hook("b")] })
        const befores = ["api.before", "client.before", "a.before", "b.before"]
        assert.deepStrictEqual(short(journal).filter((entry) => entry.endsWith("before")), befores)
        journal.length = 0
        yield* rig.evaluate(levels)
        assert.deepStrictEqual(short(journal).filter((entry) => entry.endsWith("before")), befores.slice(0, 2))
      })
  )
})

describe("1.7 the status of the provider", () => {
  it.effect("1.7.1 the status is NOT_READY, READY, STALE, ERROR or FATAL", () =>
    Effect.scoped(Effect.gen(function*() {
      const never = TestProvider.make({ initialize: Effect.never })
      const waiting = yield* Effect.forkScoped(FeatureFlags.make({ domain: "spec-waiting", provider: never }))
      yield* Effect.yieldNow
      const early = yield* FeatureFlags.make({ domain: "spec-waiting" })
      assert.strictEqual(yield* early.status, ProviderStatus.NOT_READY)
      assert.isUndefined(waiting.pollUnsafe())

      const { flags, provider } = yield* client
      assert.strictEqual(yield* flags.status, ProviderStatus.READY)
      yield* provider.emit(ProviderEvents.Stale)
      assert.strictEqual(yield* flags.status, ProviderStatus.STALE)
      yield* provider.emit(ProviderEvents.Error, { errorCode: SDK.ErrorCode.GENERAL })
      assert.strictEqual(yield* flags.status, ProviderStatus.ERROR)
      yield* provider.emit(ProviderEvents.Error, { errorCode: SDK.ErrorCode.PROVIDER_FATAL })
      assert.strictEqual(yield* flags.status, ProviderStatus.FATAL)
    })))

  it.effect("1.7.3 the status is READY once the provider was initialised, and when it says so later", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags, provider } = yield* client
      assert.strictEqual(yield* flags.status, ProviderStatus.READY)
      yield* provider.emit(ProviderEvents.Error)
      assert.strictEqual(yield* flags.status, ProviderStatus.ERROR)
      yield* provider.emit(ProviderEvents.Ready)
      assert.strictEqual(yield* flags.status, ProviderStatus.READY)
    })))

  const failing = (error: unknown) =>
    FeatureFlags.make({
      domain: newDomain(),
      provider: TestProvider.make({ initialize: Effect.fail(error) }),
      onProviderError: "ignore"
    })

  it.effect("1.7.4 the status is ERROR when the provider emits an error, or fails to initialise", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags, provider } = yield* client
      yield* provider.emit(ProviderEvents.Error, { message: "no connection" })
      assert.strictEqual(yield* flags.status, ProviderStatus.ERROR)
      const unready = yield* failing(new Error("no connection"))
      assert.strictEqual(yield* unready.status, ProviderStatus.ERROR)
    })))

  it.effect("1.7.5 the status is FATAL when the error has the code PROVIDER_FATAL", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags, provider } = yield* client
      yield* provider.emit(ProviderEvents.Error, { errorCode: SDK.ErrorCode.PROVIDER_FATAL })
      assert.strictEqual(yield* flags.status, ProviderStatus.FATAL)
      const unready = yield* failing(new SDK.ProviderFatalError("no licence"))
      assert.strictEqual(yield* unready.status, ProviderStatus.FATAL)
    })))

  it.effect("1.7.6 the status is NOT_READY once the provider was shut down", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { flags, provider } = yield* Scope.provide(client, scope)
      assert.strictEqual(yield* flags.status, ProviderStatus.READY)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(yield* provider.isClosed)
      assert.strictEqual(yield* flags.status, ProviderStatus.NOT_READY)
      assert.strictEqual((yield* flags.booleanDetails(flagKey, false)).errorCode, "PROVIDER_NOT_READY")
    }))
})
