import { assert, describe, it } from "@effect/vitest"
import { DefaultLogger, OpenFeature, type ResolutionDetails } from "@openfeature/server-sdk"
import * as SDK from "@openfeature/server-sdk"
import { Effect, Exit } from "effect"
import { EvaluationError, FeatureFlags, FeatureHook } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { type LogRecord, logsTo } from "../support.ts"
import { clientRule, failure, flagKey, newDomain, silent } from "./rig.ts"

const codes = Object.values(SDK.ErrorCode)

const returned = (details: Partial<ResolutionDetails<boolean>>): TestProvider.Answer =>
  Effect.succeed({ value: true, ...details })

const thrown = [new Error("no"), "no", 5, undefined, null, { code: "ENOENT" }, new TypeError("no")]

describe("1.4 abnormal execution", () => {
  clientRule("1.4.8 the details hold the code that the provider gave, or GENERAL", (rig) =>
    Effect.gen(function*() {
      for (const code of codes) {
        const { details } = yield* rig.evaluate({ answer: TestProvider.error(code, "no") })
        assert.strictEqual(details.errorCode, code)
        const error = Object.assign(new Error("no"), { code })
        const second = yield* rig.evaluate({ answer: TestProvider.throwing(error) })
        assert.strictEqual(second.details.errorCode, code)
      }
      const { details } = yield* rig.evaluate({ answer: failure })
      assert.strictEqual(details.errorCode, "GENERAL")
    }))

  it.effect("1.4.8 the details of FeatureFlags hold no code but those of the specification", () =>
    Effect.scoped(Effect.gen(function*() {
      for (const code of ["ENOENT", 5, { a: 1 }, "toString"]) {
        const provider = TestProvider.make({ flags: { [flagKey]: TestProvider.throwing({ code, message: "no" }) } })
        const flags = yield* FeatureFlags.make({ domain: newDomain(), provider })
        assert.strictEqual((yield* flags.booleanDetails(flagKey, false)).errorCode, "GENERAL")
      }
    })))

  clientRule("1.4.9 the reason is ERROR", (rig) =>
    Effect.gen(function*() {
      const answers = [failure, TestProvider.error("PARSE_ERROR", "no"), TestProvider.throwing(undefined)]
      for (const answer of [...answers, returned({ errorCode: SDK.ErrorCode.GENERAL, reason: "STATIC" })]) {
        const { details } = yield* rig.evaluate({ answer })
        assert.strictEqual(details.reason, "ERROR")
      }
    }))

  clientRule("1.4.10 whatever a provider throws, the default value is returned", (rig) =>
    Effect.gen(function*() {
      for (const defaultValue of [false, "off", 0, { plan: "free" }]) {
        for (const answer of [...thrown.map(TestProvider.throwing), Effect.die("no")]) {
          const { details } = yield* rig.evaluate({ answer, defaultValue })
          assert.deepStrictEqual<unknown>(details.value, defaultValue)
          assert.isDefined(details.errorCode)
        }
      }
    }))

  clientRule(
    "1.4.10 whatever goes wrong in a hook, the default value or the flag's value is returned",
    (rig) =>
      silent(Effect.gen(function*() {
        const rejected = new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "rejected" })
        for (const wrong of [Effect.fail(rejected), Effect.fail("no"), Effect.die(undefined), Effect.interrupt]) {
          for (const stage of ["before", "after", "error", "finally"] as const) {
            const hook = FeatureHook.make("failing", { [stage]: () => wrong })
            const { details } = yield* rig.evaluate({ invocation: [hook] })
            assert.strictEqual(details.value, stage === "error" || stage === "finally", stage)
          }
        }
      }))
  )

  it.effect("1.4.10 a context that cannot be read gives the default value, and tracking with it does nothing", () =>
    Effect.scoped(Effect.gen(function*() {
      const provider = TestProvider.make({ flags: { [flagKey]: TestProvider.value(true) } })
      const flags = yield* FeatureFlags.make({ domain: newDomain(), provider })
      const context = {
        get plan(): string {
          throw new Error("no")
        }
      }
      assert.isFalse(yield* flags.boolean(flagKey, false, { context }))
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(flags.track("bought", { context }))))
    })))

  it.effect("1.4.10 a client without a provider gives default values, and its other functions work", () =>
    Effect.scoped(Effect.gen(function*() {
      const flags = yield* FeatureFlags.make({ domain: newDomain() })
      assert.isFalse(yield* flags.boolean(flagKey, false))
      assert.strictEqual(yield* flags.string(flagKey, "off"), "off")
      assert.strictEqual(yield* flags.number(flagKey, 0), 0)
      assert.deepStrictEqual(yield* flags.object(flagKey, { a: 1 }), { a: 1 })
      yield* flags.track("bought")
      yield* flags.clearHooks
      assert.strictEqual(yield* flags.status, SDK.ProviderStatus.NOT_READY)
    })))

  const quiet = (log: (level: string, message: unknown) => void): SDK.Logger => ({
    error: (message: unknown) => log("error", message),
    warn: (message: unknown) => log("warn", message),
    info: (message: unknown) => log("info", message),
    debug: (message: unknown) => log("debug", message)
  })

  it.effect("1.4.11 evaluations write no log messages, whether they succeed or not", () => {
    const records: Array<LogRecord> = []
    const written: Array<unknown> = []
    return Effect.scoped(Effect.gen(function*() {
      yield* Effect.acquireRelease(
        Effect.sync(() => OpenFeature.setLogger(quiet((level, message) => written.push([level, message])))),
        () => Effect.sync(() => OpenFeature.setLogger(new DefaultLogger()))
      )
      const idle = FeatureHook.make("idle", { before: () => Effect.void, finally: () => Effect.void })
      const answers = { found: TestProvider.value(true), broken: failure, text: TestProvider.value("on") }
      const provider = yield* TestProvider.make({ flags: answers })
      const flags = yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(provider), hooks: [idle] })
      const bare = yield* FeatureFlags.make({ domain: newDomain() })
      for (const { boolean } of [flags, bare]) {
        for (const key of ["found", "broken", "text", "missing"]) yield* boolean(key, false)
      }
      assert.strictEqual((yield* provider.calls).length, 4)
      assert.deepStrictEqual(records, [])
      assert.deepStrictEqual(written, [])
    })).pipe(Effect.provide(logsTo(records)))
  })

  clientRule("1.4.13 the details hold the message of the error", (rig) =>
    Effect.gen(function*() {
      for (const message of ["cannot be parsed", "x".repeat(3000), "one\ntwo"]) {
        for (const answer of [TestProvider.error("PARSE_ERROR", message), TestProvider.throwing(new Error(message))]) {
          const { details } = yield* rig.evaluate({ answer })
          assert.strictEqual(details.errorMessage, rig.told(message))
        }
      }
      assert.isUndefined((yield* rig.evaluate({ answer: returned({}) })).details.errorMessage)
    }))

  clientRule(
    "1.4.14 the flag metadata of an error that the provider gave is in the details",
    (rig) =>
      Effect.gen(function*() {
        const flagMetadata = { team: "checkout" }
        const answer = returned({ errorCode: SDK.ErrorCode.PARSE_ERROR, errorMessage: "no", flagMetadata })
        const { details } = yield* rig.evaluate({ answer })
        assert.deepStrictEqual(details.flagMetadata, flagMetadata)
      })
  )
})
