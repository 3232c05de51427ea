import { assert, describe, it } from "@effect/vitest"
import * as SDK from "@openfeature/server-sdk"
import { Effect, Layer } from "effect"
import { type EvaluationDetails, FeatureFlags, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { isDeepFrozen } from "../bridge/rig.ts"
import { untyped } from "../faults/harness.ts"
import { client, newDomain, paths, plainClient } from "../support.ts"

/** What a provider may answer that is hard to say in details. */
const answers: Readonly<Record<string, TestProvider.Answer>> = {
  "a value": TestProvider.value(true, { variant: "on", flagMetadata: { version: 1 } }),
  "an error without a message": TestProvider.throwing(new Error()),
  "a message of many lines": TestProvider.throwing(new SDK.ParseError("first\nsecond\u2028third\u001b[31m")),
  "a message of 3,000 characters": TestProvider.throwing(new SDK.ParseError("x".repeat(3000))),
  "nothing, thrown": TestProvider.throwing(undefined),
  "a text, thrown": TestProvider.throwing("no"),
  "a foreign code, thrown": TestProvider.throwing(Object.assign(new Error("refused"), { code: "ECONNREFUSED" })),
  "a code without a message": Effect.succeed({ value: false, errorCode: SDK.ErrorCode.PARSE_ERROR }),
  "a code with metadata": Effect.succeed({
    value: false,
    errorCode: SDK.ErrorCode.PARSE_ERROR,
    errorMessage: "odd",
    flagMetadata: { version: 2 }
  }),
  "a foreign code": Effect.succeed({ value: false, errorCode: untyped<SDK.ErrorCode>("ENOENT"), errorMessage: "none" }),
  "a value of another type": TestProvider.value("text")
}

type Details = EvaluationDetails.EvaluationDetails

const telling = (name: string, told: Map<string, unknown>) =>
  FeatureHook.make(name, {
    finally: (_context, details) => Effect.sync(() => void told.set(name, details))
  })

describe("the details that finally is told", () => {
  for (const [path, change] of paths) {
    for (const flagKey of Object.keys(answers)) {
      it.effect(`are those that a caller of FeatureFlags gets, at every level, for ${flagKey}, ${path}`, () =>
        Effect.gen(function*() {
          const told = new Map<string, unknown>()
          const hook = (name: string) => change(telling(name, told))
          yield* OpenFeatureHook.register(SDK.OpenFeature, hook("API"))
          const { flags } = yield* client(answers, { hooks: [hook("client")] })
          const details: Details = yield* flags.booleanDetails(flagKey, false, { hooks: [hook("invocation")] }).pipe(
            FeatureFlags.withHooks(hook("region"))
          )
          for (const level of ["API", "client", "region", "invocation"]) {
            assert.deepStrictEqual(told.get(level), details, level)
          }
          assert.isTrue(details.errorCode === undefined || typeof details.errorMessage === "string")
        }))

      it.effect(`have the message that a plain caller gets, word by word, for ${flagKey}, ${path}`, () =>
        Effect.gen(function*() {
          const told = new Map<string, unknown>()
          const converted: Array<unknown> = []
          const { client } = yield* plainClient({ flags: answers })
          const plain: SDK.Hook = { finally: (_context, details) => void converted.push({ ...details }) }
          client.addHooks(OpenFeatureHook.make(
            change(telling("hook", told)),
            change(OpenFeatureHook.toFeatureHook("converted", plain))
          ))
          const details = yield* Effect.promise(() => client.getBooleanDetails(flagKey, false))
          const { errorMessage, flagMetadata, reason, value, variant } = Object(told.get("hook"))
          assert.strictEqual(errorMessage, details.errorMessage)
          assert.deepStrictEqual(
            { flagMetadata, reason, value, variant },
            {
              flagMetadata: details.flagMetadata,
              reason: details.reason,
              value: details.value,
              variant: details.variant
            }
          )
          assert.deepStrictEqual(converted, [{ ...details }], "a converted hook is told the SDK's own")
        }))
    }
  }
})

describe("the details that a caller of FeatureFlags gets", () => {
  it.effect("are frozen, object values all the way down, whether there are hooks or not", () =>
    Effect.gen(function*() {
      const value = { list: [{ n: 1 }] }
      const metadata = { version: 1 }
      const provider: SDK.Provider = {
        ...(yield* plainProvider),
        resolveObjectEvaluation: async () => ({ value: untyped(value), flagMetadata: metadata })
      }
      const recorded: Array<unknown> = []
      const hook = FeatureHook.make("look", { after: (_context, details) => Effect.sync(() => recorded.push(details)) })
      for (const hooks of [[], [hook]]) {
        const flags = yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(provider), hooks })
        const all = [
          yield* flags.objectDetails("object", {}),
          yield* flags.booleanDetails("bad", false),
          yield* flags.stringDetails("missing", "none")
        ]
        for (const details of all) {
          assert.isTrue(isDeepFrozen(details))
          assert.isFalse(Reflect.set(details, "value", "other"))
        }
        assert.deepStrictEqual(all[0]?.value, { list: [{ n: 1 }] })
        assert.isTrue(isDeepFrozen(yield* flags.object("object", {})))
      }
      assert.isFalse(Object.isFrozen(value) || Object.isFrozen(value.list), "the provider's own value stays as it is")
      assert.isTrue(recorded.every(isDeepFrozen))
    }))

  it.effect("do not let a caller change what the provider answers next", () =>
    Effect.gen(function*() {
      const value = { limit: 1, list: [1] }
      const provider: SDK.Provider = {
        ...(yield* plainProvider),
        resolveObjectEvaluation: async () => ({ value: untyped(value) })
      }
      const flags = yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(provider) })
      const first = Object(yield* flags.object("object", {}))
      Reflect.set(first, "limit", 2)
      Reflect.set(first.list, 0, 2)
      assert.deepStrictEqual(yield* flags.object("object", {}), { limit: 1, list: [1] })
      assert.deepStrictEqual(value, { limit: 1, list: [1] })
    }))
})

const plainProvider = Effect.map(TestProvider.make(), (provider): SDK.Provider => {
  const { calls: _calls, emit: _emit, isClosed: _closed, set: _set, tracked: _tracked, ...rest } = provider
  return rest
})

describe("options of a client that cannot be right", () => {
  const wrong: Readonly<Record<string, FeatureFlags.Options>> = {
    domain: { domain: "" },
    version: { version: "1" }
  }
  for (const [name, options] of Object.entries(wrong)) {
    it.effect(`fail with an OptionsError that names ${name}, and nothing is thrown`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(FeatureFlags.make(options))
        const tag: string = error._tag
        assert.strictEqual(tag, "OptionsError")
        assert.include(error.message, name)
        const layer = FeatureFlags.layer(options)
        const ofLayer = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
        const tagOfLayer: string = ofLayer._tag
        assert.strictEqual(tagOfLayer, "OptionsError")
      }))
  }
})
