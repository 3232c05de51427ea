import { assert, describe, it } from "@effect/vitest"
import { type ResolutionDetails, StandardResolutionReasons } from "@openfeature/server-sdk"
import { Deferred, Effect, Fiber, Schema } from "effect"
import { type EvaluationContext, type EvaluationDetails, FeatureFlags } from "effect-openfeature"
import { type RecordingHook, TestProvider } from "effect-openfeature/testing"
import { expectTypeOf } from "vitest"
import { recording, short } from "./hook.ts"
import { clientRule, flagKey, newDomain, rule } from "./rig.ts"

/** A value of each type of flag, and a default value beside it. */
const types = [
  [true, false],
  ["on", "off"],
  [1.5, 0],
  [{ plan: "pro", limits: [1, 2] }, { plan: "free" }]
] as const

/** A client of flags that answer so. */
const client = Effect.fnUntraced(function*(flags: Readonly<Record<string, TestProvider.Answer>>) {
  const provider = yield* TestProvider.make({ flags })
  return { provider, flags: yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(provider) }) }
})

const resolution = (details: Partial<ResolutionDetails<boolean>>): TestProvider.Answer =>
  Effect.succeed({ value: true, ...details })

describe("1.3 evaluation", () => {
  it.effect("1.3.1.1 booleans, text, numbers and structures are evaluated, with a context and hooks or without", () =>
    Effect.scoped(Effect.gen(function*() {
      const [boolean, string, number, object] = types
      const { flags, provider } = yield* client({
        boolean: TestProvider.value(boolean[0]),
        string: TestProvider.value(string[0]),
        number: TestProvider.value(number[0]),
        object: TestProvider.value(object[0])
      })
      for (const context of [undefined, { plan: "pro" }]) {
        const options = { context, hooks: [] }
        const values: ReadonlyArray<unknown> = [
          yield* flags.boolean("boolean", boolean[1], context && options),
          yield* flags.string("string", string[1], context && options),
          yield* flags.number("number", number[1], context && options),
          yield* flags.object("object", object[1], context && options)
        ]
        assert.deepStrictEqual(values, types.map(([value]) => value))
      }
      const asked = (context: EvaluationContext.EvaluationContext) =>
        types.map(([, defaultValue]) => ({
          flagKey: typeof defaultValue,
          flagValueType: typeof defaultValue,
          defaultValue,
          context
        }))
      assert.deepStrictEqual<unknown>(yield* provider.calls, [...asked({}), ...asked({ plan: "pro" })])
    })))

  it.effect("1.3.4 a value of another type gives the default value", () =>
    Effect.scoped(Effect.gen(function*() {
      const details: Array<readonly [EvaluationDetails.EvaluationDetails, unknown]> = []
      for (const value of [true, "on", 1.5, { plan: "pro" }]) {
        const { flags } = yield* client({ [flagKey]: TestProvider.value(value) })
        if (typeof value !== "boolean") details.push([yield* flags.booleanDetails(flagKey, false), false])
        if (typeof value !== "string") details.push([yield* flags.stringDetails(flagKey, "off"), "off"])
        if (typeof value !== "number") details.push([yield* flags.numberDetails(flagKey, 0), 0])
        if (typeof value !== "object") details.push([yield* flags.objectDetails(flagKey, { a: 1 }), { a: 1 }])
      }
      assert.strictEqual(details.length, 12)
      for (const [{ errorCode, reason, value }, defaultValue] of details) {
        assert.deepStrictEqual([value, errorCode, reason], [defaultValue, "TYPE_MISMATCH", "ERROR"])
      }
    })))

  rule("1.3.4 hooks see a value of another type as an error", (rig) =>
    Effect.gen(function*() {
      const journal: Array<RecordingHook.Entry> = []
      const { details } = yield* rig.evaluate({
        client: [recording(rig, "hook", journal)],
        answer: TestProvider.value("on", { flagMetadata: { team: "checkout" } })
      })
      assert.deepStrictEqual([details.value, details.errorCode], [false, "TYPE_MISMATCH"])
      assert.deepStrictEqual(short(journal), ["hook.before", "hook.error", "hook.finally"])
      assert.strictEqual(journal[1]?.error?.code, "TYPE_MISMATCH")
      assert.deepStrictEqual(journal[2]?.details, details)
    }), ["FeatureFlags"])
})

describe("1.4 evaluation details", () => {
  clientRule(
    "1.4.1.1 booleans, text, numbers and structures are evaluated with details",
    (rig) =>
      Effect.gen(function*() {
        for (const [value, defaultValue] of types) {
          for (const context of [{}, { plan: "pro" }]) {
            const answer = TestProvider.value(value, { variant: "on" })
            const { calls, details } = yield* rig.evaluate({ answer, defaultValue, context })
            assert.deepStrictEqual(
              { ...details },
              { flagKey, value, variant: "on", reason: "STATIC", flagMetadata: {} }
            )
            assert.deepStrictEqual(calls, [context])
          }
        }
      })
  )

  clientRule("1.4.3 the details hold the value of the flag, a falsy one too", (rig) =>
    Effect.gen(function*() {
      for (const [value, defaultValue] of [...types, [false, true], ["", "off"], [0, 1], [{}, { a: 1 }]] as const) {
        const { details } = yield* rig.evaluate({ answer: TestProvider.value(value), defaultValue })
        assert.deepStrictEqual<unknown>(details.value, value)
      }
    }))

  it.effect("1.4.4.1 the type of the details says which type the value has", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags } = yield* client({ [flagKey]: TestProvider.value({ limit: 5 }) })
      expectTypeOf(flags.booleanDetails(flagKey, false)).toEqualTypeOf<
        Effect.Effect<EvaluationDetails.EvaluationDetails<boolean>>
      >()
      expectTypeOf(flags.stringDetails(flagKey, "")).toEqualTypeOf<
        Effect.Effect<EvaluationDetails.EvaluationDetails<string>>
      >()
      expectTypeOf(flags.numberDetails(flagKey, 0)).toEqualTypeOf<
        Effect.Effect<EvaluationDetails.EvaluationDetails<number>>
      >()
      const schema = Schema.Struct({ limit: Schema.Number })
      const details = yield* flags.objectDetails(flagKey, { limit: 0 }, { schema })
      expectTypeOf(details.value.limit).toEqualTypeOf<number>()
      assert.strictEqual(details.value.limit, 5)
    })))

  clientRule("1.4.5 the details hold the flag key, in success and in error", (rig) =>
    Effect.gen(function*() {
      for (const answer of [resolution({}), TestProvider.error("PARSE_ERROR", "no"), TestProvider.throwing("no")]) {
        const { details } = yield* rig.evaluate({ answer })
        assert.strictEqual(details.flagKey, flagKey)
      }
    }))

  clientRule("1.4.6 the details hold the variant, if there is one", (rig) =>
    Effect.gen(function*() {
      const { details } = yield* rig.evaluate({ answer: resolution({ variant: "on" }) })
      assert.strictEqual(details.variant, "on")
      assert.notProperty((yield* rig.evaluate({ answer: resolution({}) })).details, "variant")
    }))

  clientRule(
    "1.4.7 the details hold the reason, if there is one, also one that is not standard",
    (rig) =>
      Effect.gen(function*() {
        for (const reason of [...Object.values(StandardResolutionReasons), "WEEKEND"]) {
          const { details } = yield* rig.evaluate({ answer: resolution({ reason }) })
          assert.strictEqual(details.reason, reason)
        }
        assert.notProperty((yield* rig.evaluate({ answer: resolution({}) })).details, "reason")
      })
  )

  clientRule(
    "1.4.14 the details hold the flag metadata, an empty record if there is none",
    (rig) =>
      Effect.gen(function*() {
        const flagMetadata = { team: "checkout", version: 3, isOld: false }
        const { details } = yield* rig.evaluate({ answer: resolution({ flagMetadata }) })
        assert.deepStrictEqual(details.flagMetadata, flagMetadata)
        for (const answer of [resolution({}), TestProvider.throwing("no"), TestProvider.error("PARSE_ERROR", "no")]) {
          assert.deepStrictEqual((yield* rig.evaluate({ answer })).details.flagMetadata, {})
        }
      })
  )

  clientRule("1.4.15.1 the flag metadata cannot be changed, in success and in error", (rig) =>
    Effect.gen(function*() {
      const flagMetadata = { team: "checkout" }
      for (const answer of [resolution({ flagMetadata }), resolution({}), TestProvider.throwing("no")]) {
        const { details } = yield* rig.evaluate({ answer })
        assert.isFalse(Reflect.set(details.flagMetadata, "team", "search"))
      }
    }))

  rule("1.4.15.1 a hook cannot change the flag metadata", (rig) =>
    Effect.gen(function*() {
      const written: Array<boolean> = []
      const write = (details: EvaluationDetails.EvaluationDetails) =>
        written.push(Reflect.set(details.flagMetadata, "team", "search"))
      const hook = rig.hook("hook", {
        after: (_context, details) => write(details),
        finally: (_context, details) => write(details)
      })
      const { details } = yield* rig.evaluate({
        client: [hook],
        answer: resolution({ flagMetadata: { team: "checkout" } })
      })
      assert.deepStrictEqual(written, [false, false])
      assert.deepStrictEqual(details.flagMetadata, { team: "checkout" })
    }))

  clientRule("1.4.15.1 the details that FeatureFlags gives cannot be changed at all", (rig) =>
    Effect.gen(function*() {
      for (const answer of [resolution({ variant: "on" }), TestProvider.throwing("no"), TestProvider.value("on")]) {
        const { details } = yield* rig.evaluate({ answer })
        assert.isTrue(Object.isFrozen(details))
      }
    }), ["FeatureFlags"])

  it.effect("1.4.12 an evaluation that waits for its provider keeps no other one from going on", () =>
    Effect.scoped(Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { flags } = yield* client({
        slow: Effect.andThen(Deferred.await(gate), TestProvider.value(true)),
        quick: TestProvider.value(true)
      })
      const slow = yield* Effect.forkScoped(flags.boolean("slow", false), { startImmediately: true })
      assert.isTrue(yield* flags.boolean("quick", false))
      assert.isUndefined(slow.pollUnsafe())
      yield* Deferred.succeed(gate, undefined)
      assert.isTrue(yield* Fiber.join(slow))
    })))
})
