import { assert, describe, it } from "@effect/vitest"
import * as SDK from "@openfeature/server-sdk"
import { Effect, Function, Schema, type StandardSchema } from "effect"
import { TestClock } from "effect/testing"
import {
  DedupeHook,
  type EvaluationDetails,
  FeatureHook,
  FlagFilter,
  OpenFeatureHook,
  ResolutionProvider,
  ValueValidatorHook
} from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { sdkDetails } from "../clients.ts"
import { client, collectFailures, newDomain, paths, plainClient, rangeError, unhandledRejections } from "../support.ts"

type Value = EvaluationDetails.FlagValue

const flagTypeOf = (value: Value): SDK.FlagValueType => {
  const type = typeof value
  return type === "boolean" || type === "string" || type === "number" ? type : "object"
}

/** Takes the hook through an evaluation of a flag with the value. */
const resolve = <E>(
  hook: FeatureHook.FeatureHook<E>,
  value: Value,
  { defaultValue, flagKey = "limit", type = flagTypeOf(value) }: {
    readonly flagKey?: string
    readonly type?: SDK.FlagValueType
    readonly defaultValue?: Value
  } = {}
) =>
  Effect.map(
    Fixtures.run(hook, { context: { flagKey, flagValueType: type, defaultValue }, details: { value } }),
    ({ details: { errorCode, errorMessage } }) => errorCode && `${errorCode}: ${errorMessage}`
  )

const is = (what: string) => `the flag's value is not ${what}`

const Limits = Schema.Struct({ limits: Schema.Struct({ daily: Schema.Int, names: Schema.Array(Schema.String) }) })

/** A schema with the Standard Schema interface, whose function decides. */
const standard = (validate: (value: unknown) => unknown): StandardSchema.StandardSchemaV1 => ({
  "~standard": { version: 1, vendor: "test", validate: (value) => Function.cast(validate(value)) }
})

/** Has an issue at the path. */
const issueAt = (...path: ReadonlyArray<unknown>) => standard(() => ({ issues: [{ message: "canary", path }] }))

describe("a value that does not fit", () => {
  const rows: ReadonlyArray<
    readonly [what: string, rule: ValueValidatorHook.Rule, good: ReadonlyArray<Value>, bad: Record<string, Value>]
  > = [
    ["a range", { min: 1, max: 100 }, [1, 50.5, 100], {
      [`GENERAL: ${is("a number >= 1 and <= 100")}`]: 0,
      [`GENERAL: ${is("a number >= 1 and <= 100")} `]: 100.1,
      [`GENERAL: ${is("a number >= 1 and <= 100")}  `]: Number.NaN,
      [`TYPE_MISMATCH: ${is("a number")}`]: "50"
    }],
    ["a lower bound", { min: 0 }, [0, 1e9, Infinity], {
      [`GENERAL: ${is("a number >= 0")}`]: -1,
      [`GENERAL: ${is("a number >= 0")} `]: Number.NaN
    }],
    ["an upper bound", { max: 0 }, [0, -1e9, -Infinity], {
      [`GENERAL: ${is("a number <= 0")}`]: 1,
      [`GENERAL: ${is("a number <= 0")} `]: Number.NaN
    }],
    ["a glob", { pattern: "https://*", maxLength: 40 }, ["https://a.example"], {
      [`GENERAL: ${is("a text that matches \"https://*\"")}`]: "http://a.example",
      [`GENERAL: ${is("a text of at most 40 characters")}`]: `https://${"a".repeat(40)}`,
      [`TYPE_MISMATCH: ${is("a text")}`]: true
    }],
    ["a sticky regular expression", { pattern: /https:/y }, ["https://a.example", "https:"], {
      [`GENERAL: ${is("a text that matches /https:/y")}`]: "javascript:alert('https:')"
    }],
    ["a regular expression", { pattern: /^#[0-9a-f]{6}$/gi }, ["#00ff00", "#00FF00"], {
      [`GENERAL: ${is("a text that matches /^#[0-9a-f]{6}$/gi")}`]: "red",
      [`GENERAL: ${is("a text of at most 256 characters")}`]: `#${"0".repeat(256)}`
    }],
    ["a length", { maxLength: 3 }, ["", "abc"], { [`GENERAL: ${is("a text of at most 3 characters")}`]: "abcd" }],
    ["a list", { oneOf: ["light", 2, true] }, ["light", 2, true], {
      [`GENERAL: ${is("one of the allowed values")}`]: "dark",
      [`GENERAL: ${is("one of the allowed values")} `]: 3,
      [`GENERAL: ${is("one of the allowed values")}  `]: { a: 2 }
    }],
    ["a predicate", { is: (value) => value === 1 || value === "a" }, [1, "a"], {
      [`GENERAL: ${is("a value that the rule allows")}`]: 2
    }],
    [
      "a predicate with a name",
      {
        is: function isEven(value) {
          return Number(value) % 2 === 0
        }
      },
      [2],
      { [`GENERAL: ${is("a value that isEven allows")}`]: 3 }
    ],
    ["a schema", { schema: Limits }, [{ limits: { daily: 3, names: [] } }], {
      [`TYPE_MISMATCH: ${is("what the schema describes, at [\"limits\"][\"daily\"]")}`]: {
        limits: { daily: "canary", names: [] }
      },
      [`TYPE_MISMATCH: ${is("what the schema describes, at [\"limits\"][\"names\"][1]")}`]: {
        limits: { daily: 1, names: ["a", 5] }
      },
      [`TYPE_MISMATCH: ${is("what the schema describes")}`]: null
    }],
    ["a schema with a record", { schema: Schema.Record(Schema.String, Schema.Number) }, [{ a: 1 }], {
      [`TYPE_MISMATCH: ${is("what the schema describes, at [*]")}`]: { canary: "x" }
    }],
    ["several checks", { min: 0, oneOf: [-1, 1] }, [1], {
      [`GENERAL: ${is("a number >= 0")}`]: -1,
      [`GENERAL: ${is("one of the allowed values")}`]: 2
    }]
  ]
  for (const [path, change] of paths) {
    for (const [what, rule, good, bad] of rows) {
      it.effect(`by ${what} is refused, and others are not, ${path}`, () =>
        Effect.gen(function*() {
          const hook = change(ValueValidatorHook.make({ rules: [rule] }))
          for (const value of good) assert.isUndefined(yield* resolve(hook, value))
          // Again, since a regular expression could keep a state.
          for (const value of good) assert.isUndefined(yield* resolve(hook, value))
          for (const [message, value] of Object.entries(bad)) {
            assert.strictEqual(yield* resolve(hook, value), message.trimEnd())
          }
        }))
    }
  }

  it.effect("of another type than the flag is refused without a rule, for all four types", () =>
    Effect.gen(function*() {
      const hook = ValueValidatorHook.make()
      const values = { boolean: true, string: "a", number: 1, object: { a: 1 } } as const
      const names = { boolean: "a boolean", string: "a string", number: "a number", object: "a structure" } as const
      for (const type of ["boolean", "string", "number", "object"] as const) {
        for (const [other, value] of Object.entries(values)) {
          const expected = other === type ? undefined : `TYPE_MISMATCH: ${is(names[type])}`
          assert.strictEqual(yield* resolve(hook, value, { type }), expected)
        }
      }
    }))

  it.effect("can be NaN or Infinity by a range, and never by the type of the flag alone", () =>
    Effect.gen(function*() {
      for (const value of [Number.NaN, Infinity]) {
        assert.isUndefined(yield* resolve(ValueValidatorHook.make(), value))
        const finite = ValueValidatorHook.make({ rules: [{ min: -Number.MAX_VALUE, max: Number.MAX_VALUE }] })
        assert.isDefined(yield* resolve(finite, value))
      }
    }))

  it.effect("on a plain client gives the default value, which the SDK alone does not", () =>
    Effect.gen(function*() {
      const { client } = yield* plainClient({ flags: { sale: TestProvider.value("yes") } })
      assert.strictEqual((yield* sdkDetails(client, "sale", false)).value, "yes")
      client.addHooks(OpenFeatureHook.make(ValueValidatorHook.make()))
      const { errorCode, errorMessage, value } = yield* sdkDetails(client, "sale", false)
      assert.deepStrictEqual([value, errorCode, errorMessage], [false, "TYPE_MISMATCH", is("a boolean")])
    }))

  it.effect("of a resolution of an earlier hook is refused as well, on both clients", () =>
    Effect.gen(function*() {
      const override = FeatureHook.make("override", { before: () => ({ resolution: { value: 0, reason: "CACHED" } }) })
      const hook = FeatureHook.combine(override, ValueValidatorHook.make({ rules: [{ min: 1 }] }))
      const answers = { limit: TestProvider.value(5) }
      const { flags } = yield* client(answers, { hooks: [hook] })
      assert.strictEqual((yield* flags.numberDetails("limit", 20)).errorMessage, is("a number >= 1"))
      const domain = newDomain()
      const provider = ResolutionProvider.make(yield* TestProvider.make({ flags: answers }))
      yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, provider))
      const plain = SDK.OpenFeature.getClient(domain).addHooks(OpenFeatureHook.make(hook))
      const details = yield* sdkDetails(plain, "limit", 20)
      assert.deepStrictEqual([details.value, details.errorMessage], [20, is("a number >= 1")])
    }))

  it.effect("is a failure for the hooks before it in the list, and a success for those behind it", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const note = (name: string) =>
        FeatureHook.make(name, {
          after: () => void seen.push(`${name}.after`),
          error: (_context, { code }) => void seen.push(`${name}.error ${code}`)
        })
      const validator = ValueValidatorHook.make({ rules: [{ max: 1 }] })
      yield* resolve(FeatureHook.combineAll([note("before"), validator, note("behind")]), 2)
      assert.deepStrictEqual(seen, ["behind.after", "behind.error GENERAL", "before.error GENERAL"])
    }))
})

describe("rules", () => {
  it.effect("a filter that gives a promise selects nothing, refuses the value, and is told", () =>
    Effect.gen(function*() {
      for (const result of [() => Promise.resolve(false), () => Promise.reject(new Error("lost"))]) {
        const hook = ValueValidatorHook.make({ rules: [{ flags: Function.cast(result), max: 1 }] })
        const rejections = yield* unhandledRejections(collectFailures((failures) =>
          Effect.gen(function*() {
            assert.include(yield* resolve(hook, 0), "GENERAL")
            assert.include(String(failures[0]?.cause), "has a filter that gives a promise")
          })
        ))
        assert.deepStrictEqual(rejections, [])
      }
    }))

  it.effect("all hold that are for a flag: by key, by keys, by a filter, and without a selection", () =>
    Effect.gen(function*() {
      const hook = ValueValidatorHook.make({
        rules: [
          { flags: "a", max: 10 },
          { flags: ["a", "b"], max: 20 },
          { flags: FlagFilter.prefix("a"), max: 5 },
          { max: 30 }
        ]
      })
      const largest: Record<string, number> = {}
      for (const flagKey of ["a", "b", "ab", "c", "__proto__", "constructor"]) {
        for (let value = 0; value <= 31; value++) {
          if ((yield* resolve(hook, value, { flagKey })) === undefined) largest[`flag ${flagKey}`] = value
        }
      }
      assert.deepStrictEqual(largest, {
        "flag a": 5,
        "flag b": 20,
        "flag ab": 5,
        "flag c": 30,
        "flag __proto__": 30,
        "flag constructor": 30
      })
    }))

  it.effect("and the type are checked only in the evaluations that `flags` takes", () =>
    Effect.gen(function*() {
      const hook = ValueValidatorHook.make({ rules: [{ max: 1 }], flags: FlagFilter.prefix("a") })
      assert.isDefined(yield* resolve(hook, 2, { flagKey: "a" }))
      assert.isUndefined(yield* resolve(hook, 2, { flagKey: "b" }))
      assert.isUndefined(yield* resolve(hook, "x", { flagKey: "b", type: "number" }))
    }))

  it.effect("get a frozen structure", () =>
    Effect.gen(function*() {
      let isFrozen = false
      const hook = ValueValidatorHook.make({
        rules: [{
          is: (value) => isFrozen = Object.isFrozen(value) && Object.isFrozen(Reflect.get(Object(value), "a"))
        }]
      })
      yield* resolve(hook, { a: { b: 1 } })
      assert.isTrue(isFrozen)
    }))
})

describe("a schema of another library", () => {
  it.effect("decides, and names a place only by what the code has as well", () =>
    Effect.gen(function*() {
      const at = (schema: StandardSchema.StandardSchemaV1, defaultValue: Value = {}) =>
        resolve(ValueValidatorHook.make({ rules: [{ schema }] }), { limits: [{ canary: 1 }] }, { defaultValue })
      const wrong = `TYPE_MISMATCH: ${is("what the schema describes")}`
      assert.isUndefined(yield* at(standard((value) => ({ value }))))
      // Those of some libraries are functions.
      assert.isUndefined(yield* at(Object.assign(() => "canary", standard((value) => ({ value })))))
      assert.strictEqual(yield* at(issueAt()), wrong)
      assert.strictEqual(yield* at(standard(() => ({ issues: [] }))), wrong)
      assert.strictEqual(yield* at(standard(() => ({ issues: [{ message: "canary", path: "canary" }] }))), wrong)
      assert.strictEqual(yield* at(issueAt("limits", 0, "canary")), `${wrong}, at [*][0][*]`)
      assert.strictEqual(
        yield* at(issueAt({ key: "limits" }, 0, "canary", Symbol("x")), { limits: [{ daily: 1 }] }),
        `${wrong}, at ["limits"][0][*][*]`
      )
      assert.strictEqual(
        yield* at(issueAt("limits", 0, "daily"), { limits: [{ daily: 1 }] }),
        `${wrong}, at ["limits"][0]["daily"]`
      )
      const deep = yield* at(issueAt(...Array.from({ length: 1000 }, () => "a")))
      assert.isBelow(String(deep).length, 300)
    }))

  it.effect("that answers later, throws, or gives no result, rejects and is told", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const rejections = yield* unhandledRejections(Effect.gen(function*() {
          const later = standard(() => Promise.reject(new Error("canary")))
          const throwing = standard(() => {
            throw new Error("canary")
          })
          const hidden = standard(() => ({
            get issues() {
              throw new Error("canary")
            }
          }))
          const silent = [undefined, null, true, "canary"].map((given) => standard(() => given))
          for (const schema of [later, throwing, hidden, ...silent]) {
            const outcome = yield* resolve(ValueValidatorHook.make({ rules: [{ schema }] }), 1)
            assert.match(String(outcome), /^GENERAL: /)
            assert.notInclude(String(outcome), "canary")
          }
        }))
        assert.deepStrictEqual(rejections, [])
        const told = failures.map(({ hook, stage }) => `${hook}.${stage}`)
        assert.deepStrictEqual(told, Array.from({ length: 7 }, () => "value-validator.after"))
      })
    ))
})

describe("a rule that fails itself", () => {
  it.effect("rejects the evaluation and is told", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const predicates: ReadonlyArray<() => unknown> = [
          () => {
            throw new Error("canary")
          },
          async () => true,
          () => Promise.reject(new Error("canary")),
          () => 1,
          () => undefined
        ]
        const rejections = yield* unhandledRejections(Effect.gen(function*() {
          for (const predicate of predicates) {
            const rule: ValueValidatorHook.Rule = Function.cast({ is: predicate })
            const outcome = yield* resolve(ValueValidatorHook.make({ rules: [rule] }), 1)
            assert.match(String(outcome), /^GENERAL: /)
            assert.notInclude(String(outcome), "canary")
          }
          const schema = Schema.Unknown.pipe(Schema.check(Schema.makeFilter(() => {
            throw new Error("canary")
          })))
          assert.match(String(yield* resolve(ValueValidatorHook.make({ rules: [{ schema }] }), 1)), /^GENERAL: /)
        }))
        assert.deepStrictEqual(rejections, [])
        assert.strictEqual(failures.length, 6)
      })
    ))

  it.effect("only reports in the mode \"report\"", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const hook = ValueValidatorHook.make({
          mode: "report",
          rules: [{
            is: () => {
              throw new Error("rule")
            }
          }]
        })
        assert.isUndefined(yield* resolve(hook, 1))
        assert.strictEqual(failures.length, 1)
      })
    ))
})

describe("telling", () => {
  for (const [path, change] of paths) {
    it.effect(`changes nothing in the mode "report", and is limited by flag and rule, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const violations: Array<ValueValidatorHook.Violation> = []
          const hook = change(ValueValidatorHook.make({
            mode: "report",
            rules: [{ max: 1 }],
            interval: "1 minute",
            onViolation: (violation) => void violations.push(violation)
          }))
          for (const flagKey of ["a", "b", "a", "a"]) assert.isUndefined(yield* resolve(hook, 2, { flagKey }))
          assert.deepStrictEqual(failures.map(({ flagKey }) => flagKey), ["a", "b"])
          yield* TestClock.adjust("1 minute")
          yield* resolve(hook, 2, { flagKey: "a" })
          yield* resolve(hook, true, { flagKey: "a", type: "number" })
          assert.strictEqual(failures.length, 4)
          assert.deepStrictEqual(violations.map(({ flagKey, rule, suppressed }) => [flagKey, rule, suppressed]), [
            ["a", 0, 0],
            ["b", 0, 0],
            ["a", 0, 2],
            ["a", -1, 0]
          ])
          assert.deepStrictEqual(violations[0], {
            flagKey: "a",
            flagValueType: "number",
            domain: "test",
            provider: "test",
            rule: 0,
            expected: "a number <= 1",
            path: "",
            errorCode: "GENERAL",
            suppressed: 0,
            isOverflow: false
          })
        })
      ))
  }

  it.effect("is limited in the mode \"reject\", in which every evaluation is rejected", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        let count = 0
        const hook = ValueValidatorHook.make({ rules: [{ max: 1 }], onViolation: () => void count++ })
        for (let i = 0; i < 3; i++) assert.isDefined(yield* resolve(hook, 2))
        assert.strictEqual(count, 1)
        assert.deepStrictEqual(failures, [])
      })
    ))

  it.effect("stays bounded under a flood of flag keys", () =>
    Effect.gen(function*() {
      const told: Array<boolean> = []
      const hook = ValueValidatorHook.make({
        rules: [{ max: 1 }],
        onViolation: ({ isOverflow }) => void told.push(isOverflow)
      })
      for (let i = 0; i < 1100; i++) yield* resolve(hook, 2, { flagKey: `flag-${i}` })
      assert.strictEqual(told.length, 1025)
      assert.deepStrictEqual(told.filter((isOverflow) => isOverflow), [true])
    }))

  it.effect("that fails changes nothing and is reported", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const rejections = yield* unhandledRejections(Effect.gen(function*() {
          for (
            const fail of [() => Promise.reject(new Error("x")), () => {
              throw new Error("x")
            }]
          ) {
            const hook = ValueValidatorHook.make({ rules: [{ max: 1 }], onViolation: Function.cast(fail) })
            assert.strictEqual(yield* resolve(hook, 2), `GENERAL: ${is("a number <= 1")}`)
          }
        }))
        assert.deepStrictEqual(rejections, [])
        assert.strictEqual(failures.length, 2)
      })
    ))
})

describe("make", () => {
  it("refuses rules that are none, by name", () => {
    const message = (rule: unknown) =>
      rangeError(() => ValueValidatorHook.make({ rules: [{ max: 1 }, Function.cast(rule)] }))
        .replace(/^ValueValidatorHook.make: rules\[1\]: /, "")
    assert.strictEqual(message({}), "needs at least one of schema, min, max, pattern, maxLength, oneOf, is")
    assert.strictEqual(message({ flags: "a" }), message({}))
    assert.strictEqual(message({ mim: 1 }), "there is no option \"mim\"; did you mean \"min\"?")
    assert.match(message(null), /^the argument must be an object with the options flags, schema/)
    assert.strictEqual(message({ min: 2, max: 1 }), "min must not be greater than max, got 2 and 1")
    assert.strictEqual(
      message({ min: 2, pattern: "a" }),
      "no value is a number (min, max) and a text (pattern, maxLength)"
    )
    for (
      const rule of [
        { min: "1" },
        { max: Number.NaN },
        { pattern: "" },
        { pattern: 1 },
        { pattern: "a".repeat(257) },
        { maxLength: 0 },
        { oneOf: [] },
        { oneOf: [{}] },
        { oneOf: "light" },
        { is: true },
        { schema: {} },
        { schema: { "~standard": {} } },
        { min: 1, flags: "" },
        { min: 1, flags: [] },
        { min: 1, flags: [1] },
        { min: 1, flags: /a/ }
      ]
    ) message(rule)
  })

  it.effect("gives a hook that combinators take: under `when`, deduped, and with a policy", () =>
    Effect.gen(function*() {
      const validator = ValueValidatorHook.make({ rules: [{ max: 1 }] })
      assert.isUndefined(yield* resolve(FeatureHook.when(validator, FlagFilter.prefix("x")), 2))
      assert.isUndefined(yield* resolve(FeatureHook.failurePolicy(validator, { after: "ignore" }), 2))
      const { hook } = DedupeHook.makeUnsafe(validator)
      assert.isDefined(yield* resolve(hook, 2))
    }))
})
