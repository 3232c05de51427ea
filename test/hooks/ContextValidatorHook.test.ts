import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { ContextValidatorHook, type EvaluationContext, FeatureHook, FlagFilter } from "effect-openfeature"
import { Fixtures } from "effect-openfeature/testing"
import { collectFailures, type LogRecord, logsTo, paths, rangeError } from "../support.ts"

const User = Schema.Struct({ plan: Schema.Literals(["free", "pro"]) })

const check = (
  options: ContextValidatorHook.Options,
  context: EvaluationContext.EvaluationContext,
  change: (typeof paths)[number][1] = (hook) => hook
) =>
  Effect.gen(function*() {
    const records: Array<LogRecord> = []
    const { details } = yield* Fixtures.run(change(ContextValidatorHook.make(options)), { context: { context } }).pipe(
      Effect.provide(logsTo(records))
    )
    return { records, details }
  })

describe("reject", () => {
  for (const [path, change] of paths) {
    it.effect(`rejects by the first rule that is broken, ${path}`, () =>
      Effect.gen(function*() {
        const options: ContextValidatorHook.Options = {
          requireTargetingKey: true,
          requiredAttributes: ["plan", "region"],
          schema: User,
          mode: "reject"
        }
        const cases: ReadonlyArray<
          readonly [EvaluationContext.EvaluationContext, string | undefined, string | undefined]
        > = [
          [{}, "TARGETING_KEY_MISSING", "the evaluation context has no targeting key"],
          [{ targetingKey: "" }, "TARGETING_KEY_MISSING", "the evaluation context has no targeting key"],
          [
            { targetingKey: "u" },
            "INVALID_CONTEXT",
            "the evaluation context has no attribute \"plan\", \"region\""
          ],
          [
            { targetingKey: "u", plan: "pro" },
            "INVALID_CONTEXT",
            "the evaluation context has no attribute \"region\""
          ],
          [
            { targetingKey: "u", plan: "canary", region: "eu" },
            "INVALID_CONTEXT",
            "the evaluation context does not fit the schema"
          ],
          [{ targetingKey: "u", plan: "pro", region: "eu" }, undefined, undefined]
        ]
        for (const [context, code, message] of cases) {
          const { details, records } = yield* check(options, context, change)
          assert.strictEqual(details.errorCode, code)
          assert.strictEqual(details.errorMessage, message)
          assert.strictEqual(details.value, code === undefined)
          assert.deepStrictEqual(records, [])
        }
      }))
  }

  it.effect("takes no inherited attribute for an own one", () =>
    Effect.gen(function*() {
      const { details } = yield* check({ requiredAttributes: ["toString"], mode: "reject" }, {})
      assert.strictEqual(details.errorCode, "INVALID_CONTEXT")
    }))

  it.effect("sees what earlier hooks contributed", () =>
    Effect.gen(function*() {
      const enrich = FeatureHook.make("enrich", { before: () => Effect.succeed({ context: { plan: "pro" } }) })
      const validator = ContextValidatorHook.make({ schema: User, mode: "reject" })
      assert.strictEqual((yield* Fixtures.run(FeatureHook.combine(enrich, validator))).details.value, true)
      assert.strictEqual(
        (yield* Fixtures.run(FeatureHook.combine(validator, enrich))).details.errorCode,
        "INVALID_CONTEXT"
      )
    }))

  it.effect("rejects when the schema does not decode synchronously", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const slow = Schema.Unknown.pipe(
          Schema.check(Schema.makeFilter(() => {
            throw new Error("schema")
          }))
        )
        const { details } = yield* check({ schema: slow, mode: "reject" }, {})
        assert.isDefined(details.errorCode)
      })
    ))
})

describe("warn", () => {
  for (const [path, change] of paths) {
    it.effect(`logs names, never values, and changes nothing, ${path}`, () =>
      Effect.gen(function*() {
        const { details, records } = yield* check(
          { requireTargetingKey: true, requiredAttributes: ["region"], schema: User },
          { targetingKey: "canary", plan: "canary" },
          change
        )
        assert.strictEqual(details.value, true)
        assert.deepStrictEqual(records, [{
          level: "Warn",
          message: "the evaluation context has no attribute \"region\"",
          annotations: { flag_key: "test-flag", error_code: "INVALID_CONTEXT" }
        }])
        const good = yield* check({ requireTargetingKey: true }, { targetingKey: "u" }, change)
        assert.deepStrictEqual(good.records, [])
      }))
  }

  it.effect("is an observer: a schema that throws is reported only", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const throwing = Schema.Unknown.pipe(
          Schema.check(Schema.makeFilter(() => {
            throw new Error("schema")
          }))
        )
        const { details } = yield* check({ schema: throwing }, {})
        assert.strictEqual(details.value, true)
        assert.deepStrictEqual(failures.map(({ hook, stage }) => `${hook}.${stage}`), ["context-validator.before"])
      })
    ))
})

describe("make", () => {
  it.effect("checks only the evaluations that its filter takes", () =>
    Effect.gen(function*() {
      const validator = ContextValidatorHook.make({
        requireTargetingKey: true,
        flags: FlagFilter.prefix("checkout-"),
        mode: "reject"
      })
      const code = (flagKey: string) =>
        Effect.map(Fixtures.run(validator, { context: { flagKey } }), ({ details }) => details.errorCode)
      assert.strictEqual(yield* code("checkout-button"), "TARGETING_KEY_MISSING")
      assert.strictEqual(yield* code("theme"), undefined)
    }))

  it("without a rule is the hook that does nothing", () => {
    assert.strictEqual(ContextValidatorHook.make({}), FeatureHook.empty)
    assert.strictEqual(ContextValidatorHook.make({ requireTargetingKey: false, mode: "reject" }), FeatureHook.empty)
  })

  it("refuses an empty name", () => {
    assert.strictEqual(
      rangeError(() => ContextValidatorHook.make({ requiredAttributes: ["a", ""] })),
      "ContextValidatorHook.make: requiredAttributes must not contain an empty name"
    )
  })
})
