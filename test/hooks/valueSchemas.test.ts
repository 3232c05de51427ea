import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type EvaluationDetails, OpenFeatureHook, ValueValidatorHook } from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import * as v from "valibot"
import * as z from "zod"
import { sdkDetails } from "../clients.ts"
import {
  client,
  collectFailures,
  type LogRecord,
  logsTo,
  paths,
  plainClient,
  turns,
  unhandledRejections
} from "../support.ts"

type Value = EvaluationDetails.FlagValue
type AnySchema = NonNullable<ValueValidatorHook.Rule["schema"]>

const canary = "CANARY"

const defaultValue = { kind: "daily", limits: { daily: 1, names: ["a"] } }

type Case = readonly [what: string, schemas: Readonly<Record<string, AnySchema>>, good: Value, bad: Value, at: string]

/** What must be the same with all libraries, save where they tell no place. */
const cases: ReadonlyArray<Case> = [
  [
    "a structure",
    {
      zod: z.object({ limits: z.object({ daily: z.number().int() }) }),
      valibot: v.object({ limits: v.object({ daily: v.pipe(v.number(), v.integer()) }) })
    },
    { limits: { daily: 5 }, more: true },
    { limits: { daily: canary } },
    ", at [\"limits\"][\"daily\"]"
  ],
  [
    "a list in a structure",
    {
      zod: z.object({ limits: z.object({ names: z.array(z.string().max(3)) }) }),
      valibot: v.object({ limits: v.object({ names: v.array(v.pipe(v.string(), v.maxLength(3))) }) })
    },
    { limits: { names: ["a", "abc"] } },
    { limits: { names: ["a", canary] } },
    ", at [\"limits\"][\"names\"][1]"
  ],
  [
    "a union",
    {
      zod: z.union([z.object({ a: z.number() }), z.object({ b: z.number() })]),
      valibot: v.union([v.object({ a: v.number() }), v.object({ b: v.number() })])
    },
    { b: 1 },
    { b: canary },
    ""
  ],
  [
    "a union by a member",
    {
      zod: z.discriminatedUnion("kind", [z.object({ kind: z.literal("daily"), a: z.number() })]),
      valibot: v.variant("kind", [v.object({ kind: v.literal("daily"), a: v.number() })])
    },
    { kind: "daily", a: 1 },
    { kind: canary, a: 1 },
    ", at [\"kind\"]"
  ],
  [
    "a record",
    { zod: z.record(z.string(), z.number()), valibot: v.record(v.string(), v.number()) },
    { [canary]: 1 },
    { [canary]: canary },
    ", at [*]"
  ],
  [
    "a text that must have a form",
    { zod: z.email(), valibot: v.pipe(v.string(), v.email()) },
    "ana@example.org",
    canary,
    ""
  ],
  [
    "a choice",
    { zod: z.enum(["light", "dark"]), valibot: v.picklist(["light", "dark"]) },
    "dark",
    canary,
    ""
  ],
  [
    "a message and a path of the user, with the value in them",
    {
      zod: z.string().superRefine((value, context) => {
        if (value !== "a") context.addIssue({ code: "custom", message: value, path: [value, 0] })
      }),
      valibot: v.pipe(
        v.string(),
        v.rawCheck(({ addIssue, dataset }) => {
          if (dataset.value === "a") return
          const input = { [String(dataset.value)]: 1 }
          addIssue({
            message: String(dataset.value),
            path: [
              { type: "object", origin: "value", input, key: String(dataset.value), value: 1 },
              { type: "array", origin: "value", input: [1], key: 0, value: 1 }
            ]
          })
        })
      )
    },
    "a",
    canary,
    ", at [*][0]"
  ]
]

/** What comes of a value, and everything that is told about it. */
const resolve = Effect.fnUntraced(function*(
  schema: AnySchema,
  value: Value,
  change: (typeof paths)[number][1] = (hook) => hook
) {
  const violations: Array<ValueValidatorHook.Violation> = []
  const records: Array<LogRecord> = []
  const hook = ValueValidatorHook.make({
    rules: [{ schema }],
    onViolation: (violation) => void violations.push(violation)
  })
  const flagValueType = typeof value === "string" ? "string" : typeof value === "number" ? "number" : "object"
  const { details } = yield* Effect.provide(
    Fixtures.run(change(hook), { context: { flagValueType, defaultValue }, details: { value } }),
    logsTo(records)
  )
  return { details, told: JSON.stringify([details.errorCode, details.errorMessage, violations, records]) }
})

for (const [path, change] of paths) {
  for (const library of ["zod", "valibot"]) {
    describe(`a schema of ${library}, ${path}`, () => {
      for (const [what, { [library]: schema }, good, bad, at] of cases) {
        it.effect(`decides about ${what}, and tells the place and nothing of the value`, () =>
          Effect.gen(function*() {
            assert.isDefined(schema)
            if (schema === undefined) return
            const fine = yield* resolve(schema, good, change)
            assert.deepStrictEqual([fine.details.value, fine.details.errorCode], [good, undefined])
            const { details, told } = yield* resolve(schema, bad, change)
            assert.strictEqual(details.errorCode, "TYPE_MISMATCH")
            assert.strictEqual(details.errorMessage, `the flag's value is not what the schema describes${at}`)
            assert.notInclude(told, canary)
          }))
      }
    })
  }
}

describe("what a schema makes of the value", () => {
  const changing: ReadonlyArray<readonly [what: string, schema: AnySchema, value: Value]> = [
    ["a transformation of Zod", z.string().transform((text) => text.length), "a text"],
    ["a transformation of Valibot", v.pipe(v.string(), v.transform(Number)), "12"],
    ["a default of Zod", z.object({ size: z.number().default(5) }), {}],
    ["a default of Valibot", v.object({ size: v.optional(v.number(), 5) }), {}],
    ["a conversion of Zod", z.object({ size: z.coerce.number() }), { size: "12" }],
    ["the members that Zod removes", z.object({}), { more: [1, 2] }],
    ["the members that Valibot removes", v.object({}), { more: [1, 2] }],
    [
      "a transformation that turns a list around",
      z.object({ list: z.array(z.number()).transform((list) => list.reverse()) }),
      { list: [1, 2] }
    ]
  ]
  for (const [what, schema, value] of changing) {
    it.effect(`is not used: ${what}`, () =>
      Effect.gen(function*() {
        const before = JSON.stringify(value)
        const { details } = yield* resolve(schema, value)
        assert.isUndefined(details.errorCode)
        assert.strictEqual(JSON.stringify(details.value), before)
      }))
  }

  it.effect("does not make a text the value of a flag of numbers, on both clients", () =>
    Effect.gen(function*() {
      const hook = ValueValidatorHook.make({ rules: [{ schema: z.coerce.number() }] })
      const answers = { limit: TestProvider.value("12") }
      const { flags } = yield* client(answers, { hooks: [hook] })
      const { client: plain } = yield* plainClient({ flags: answers })
      plain.addHooks(OpenFeatureHook.make(hook))
      for (const details of [yield* flags.numberDetails("limit", 20), yield* sdkDetails(plain, "limit", 20)]) {
        assert.deepStrictEqual([details.value, details.errorCode], [20, "TYPE_MISMATCH"])
      }
    }))
})

describe("a schema that answers later", () => {
  // Without a check of Zod that rejects: Zod itself drops its promise, which nobody can catch then.
  const late: Readonly<Record<string, AnySchema>> = {
    "a check of Zod that is fulfilled": z.string().refine(async () => true),
    // Zod runs it once more, with a promise.
    "a transformation of Zod that throws": z.string().transform((text) => {
      throw new Error(text)
    }),
    "a check of Valibot that is fulfilled": v.pipeAsync(v.string(), v.checkAsync(async () => true)),
    "a check of Valibot that rejects": v.pipeAsync(v.string(), v.checkAsync((text) => Promise.reject(new Error(text))))
  }
  for (const [what, schema] of Object.entries(late)) {
    for (const [path, change] of paths) {
      it.effect(`rejects the evaluation, is told, and leaves no rejection behind: ${what}, ${path}`, () =>
        collectFailures((failures) =>
          Effect.gen(function*() {
            const rejections = yield* unhandledRejections(Effect.gen(function*() {
              const { details, told } = yield* resolve(schema, canary, change)
              assert.strictEqual(details.errorCode, "GENERAL")
              assert.notInclude(told, canary)
              yield* turns()
            }))
            assert.deepStrictEqual(rejections, [])
            assert.deepStrictEqual(failures.map(({ hook, stage }) => `${hook}.${stage}`), ["value-validator.after"])
            assert.include(String(failures[0]?.cause), "has a schema that answers later, which is too late")
          })
        ))
    }
  }
})
