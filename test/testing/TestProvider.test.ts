import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { FeatureFlags } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { client, newDomain, plainClient, turns } from "../support.ts"

describe("a scripted provider", () => {
  it.effect("answers as the script says, and writes down what it was asked", () =>
    Effect.gen(function*() {
      const { flags, provider } = yield* client({
        good: TestProvider.value("blue", { variant: "b", reason: "CACHED", flagMetadata: { v: 1 } }),
        plain: TestProvider.value(1),
        bad: TestProvider.error("INVALID_CONTEXT", "no context"),
        throwing: TestProvider.throwing({ code: "PARSE_ERROR", message: "thrown" })
      })
      assert.deepStrictEqual(yield* flags.stringDetails("good", "red", { context: { plan: "pro" } }), {
        flagKey: "good",
        value: "blue",
        variant: "b",
        reason: "CACHED",
        flagMetadata: { v: 1 }
      })
      assert.strictEqual((yield* flags.numberDetails("plain", 0)).reason, "STATIC")
      assert.strictEqual((yield* flags.booleanDetails("bad", false)).errorCode, "INVALID_CONTEXT")
      assert.strictEqual((yield* flags.booleanDetails("throwing", false)).errorCode, "PARSE_ERROR")
      assert.strictEqual((yield* flags.booleanDetails("missing", false)).errorCode, "FLAG_NOT_FOUND")
      const calls = yield* provider.calls
      assert.strictEqual(calls.length, 5)
      assert.deepStrictEqual(calls[0], {
        flagKey: "good",
        flagValueType: "string",
        defaultValue: "red",
        context: { plan: "pro" }
      })
    }))

  it.effect("can be changed while it is in use", () =>
    Effect.gen(function*() {
      const { flags, provider } = yield* client({})
      yield* provider.set("a", TestProvider.value(true))
      assert.strictEqual(yield* flags.boolean("a", false), true)
      yield* provider.set("a", TestProvider.error("GENERAL", "off"))
      assert.strictEqual(yield* flags.boolean("a", false), false)
    }))

  it.effect("may find its answers with a function, which a set answer overrides", () =>
    Effect.gen(function*() {
      const provider = yield* TestProvider.make({
        flags: (flagKey, { plan }) => flagKey === "sale" ? TestProvider.value(plan === "pro") : undefined
      })
      const flags = yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(provider) })
      assert.strictEqual(yield* flags.boolean("sale", false, { context: { plan: "pro" } }), true)
      assert.strictEqual(yield* flags.boolean("sale", true, { context: { plan: "free" } }), false)
      assert.strictEqual((yield* flags.booleanDetails("other", false)).errorCode, "FLAG_NOT_FOUND")
      yield* provider.set("sale", TestProvider.value(true))
      assert.strictEqual(yield* flags.boolean("sale", false), true)
    }))

  it.effect("waits by the clock of the test, or for ever", () =>
    Effect.gen(function*() {
      const { flags } = yield* client({
        slow: TestProvider.delayed("1 hour", TestProvider.value(true)),
        never: TestProvider.never
      })
      const slow = yield* Effect.forkChild(flags.boolean("slow", false))
      const never = yield* Effect.forkChild(flags.boolean("never", false))
      yield* turns()
      assert.strictEqual(slow.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* Fiber.join(slow), true)
      assert.strictEqual(never.pollUnsafe(), undefined)
      yield* Fiber.interrupt(never)
    }))

  it.effect("tells that it was closed and what was tracked", () =>
    Effect.gen(function*() {
      const provider = yield* TestProvider.make()
      assert.strictEqual(provider.metadata.name, "test")
      assert.isFalse(yield* provider.isClosed)
      yield* Effect.scoped(Effect.gen(function*() {
        const flags = yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(provider) })
        yield* flags.track("bought")
      }))
      yield* turns()
      assert.isTrue(yield* provider.isClosed)
      assert.deepStrictEqual(yield* provider.tracked, ["bought"])
    }))

  it.effect("sets the status of the client by how it is initialised and by its events", () =>
    Effect.gen(function*() {
      const status = (script: TestProvider.Script) =>
        Effect.gen(function*() {
          const domain = newDomain()
          const provider = yield* TestProvider.make(script)
          const ready = SDK.OpenFeature.setProviderAndWait(domain, provider)
          ready.catch(() => undefined)
          yield* turns()
          return SDK.OpenFeature.getClient(domain).providerStatus
        })
      assert.strictEqual(yield* status({}), SDK.ProviderStatus.READY)
      assert.strictEqual(yield* status({ initialize: Effect.never }), SDK.ProviderStatus.NOT_READY)
      assert.strictEqual(yield* status({ initialize: Effect.fail(new Error("no")) }), SDK.ProviderStatus.ERROR)
      assert.strictEqual(
        yield* status({ initialize: Effect.fail({ code: "PROVIDER_FATAL", message: "no" }) }),
        SDK.ProviderStatus.FATAL
      )
      const { client, provider } = yield* plainClient({})
      yield* provider.emit(SDK.ProviderEvents.Stale)
      yield* turns()
      assert.strictEqual(client.providerStatus, SDK.ProviderStatus.STALE)
    }))

  it.effect("rejects with the very value that the script throws", () =>
    Effect.gen(function*() {
      const thrown = Symbol("thrown")
      const provider = yield* TestProvider.make({ flags: { a: TestProvider.throwing(thrown) } })
      const exit = yield* Effect.exit(Effect.tryPromise({
        try: () => provider.resolveBooleanEvaluation("a", false, {}, new SDK.DefaultLogger()),
        catch: (error) => error
      }))
      assert.deepStrictEqual(exit, Exit.fail(thrown))
    }))
})
