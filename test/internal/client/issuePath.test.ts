import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { printIssuePath } from "../../../src/internal/client/issuePath.ts"

const pathOf = (schema: Schema.Codec<unknown, unknown>, value: unknown): string => {
  const decoded = Schema.decodeUnknownResult(schema)(value)
  if (Result.isSuccess(decoded)) throw new Error("the value fits")
  return printIssuePath(decoded.failure.issue)
}

const Limits = Schema.Struct({ daily: Schema.Number })

describe("the path to what does not fit", () => {
  it("names properties and positions", () => {
    assert.strictEqual(
      pathOf(Schema.Struct({ limits: Limits }), { limits: { daily: "secret" } }),
      `["limits"]["daily"]`
    )
    const dates = Schema.Struct({ list: Schema.Array(Schema.DateFromString) })
    assert.strictEqual(pathOf(dates, { list: ["2026-01-01", 5] }), `["list"][1]`)
  })

  it("names a missing property", () => {
    assert.strictEqual(pathOf(Limits, {}), `["daily"]`)
  })

  it("is empty for the value as a whole", () => {
    assert.strictEqual(pathOf(Limits, ["secret"]), "")
  })

  it("goes through checks and classes", () => {
    const checked = Schema.Struct({ daily: Schema.Number.check(Schema.isGreaterThan(5)) })
    assert.strictEqual(pathOf(checked, { daily: 1 }), `["daily"]`)
    class Plan extends Schema.Class<Plan>("Plan")({ limits: Limits }) {}
    assert.strictEqual(pathOf(Plan, { limits: { daily: "secret" } }), `["limits"]["daily"]`)
  })

  it("names what a check of its own names", () => {
    const range = Schema.Struct({ from: Schema.Number, to: Schema.Number }).check(
      Schema.makeFilter(({ from, to }) => from < to ? undefined : { path: ["to"], issue: "too small" })
    )
    assert.strictEqual(pathOf(range, { from: 2, to: 1 }), `["to"]`)
  })

  it("leaves out keys that come from the value", () => {
    const perUser = Schema.Struct({ users: Schema.Record(Schema.String, Limits) })
    assert.strictEqual(pathOf(perUser, { users: { "a@b.c": { daily: "secret" } } }), `["users"][*]["daily"]`)
  })

  it("ends at a union if several members could be meant", () => {
    const union = Schema.Struct({ a: Schema.Union([Limits, Schema.Struct({ weekly: Schema.Number })]) })
    assert.strictEqual(pathOf(union, { a: { daily: "x", weekly: "y" } }), `["a"]`)
    const tagged = Schema.Struct({
      a: Schema.Union([
        Schema.Struct({ kind: Schema.Literal("number"), value: Schema.Number }),
        Schema.Struct({ kind: Schema.Literal("text"), value: Schema.String })
      ])
    })
    assert.strictEqual(pathOf(tagged, { a: { kind: "number", value: "x" } }), `["a"]["value"]`)
  })

  it("is one bounded line", () => {
    const name = "line\nbreak".repeat(100)
    const path = pathOf(Schema.Struct({ [name]: Schema.Number }), { [name]: "x" })
    assert.isAtMost(path.length, 200)
    assert.notInclude(path, "\n")
    interface Nested {
      readonly next?: Nested
    }
    const Nested: Schema.Codec<Nested> = Schema.Struct({
      next: Schema.optionalKey(Schema.suspend((): Schema.Codec<Nested> => Nested))
    })
    let deep: unknown = { next: "x" }
    for (let i = 0; i < 200; i++) deep = { next: deep }
    assert.match(pathOf(Nested, deep), /^(\["next"\])+.{0,8}…$/)
    assert.isAtMost(pathOf(Nested, deep).length, 200)
  })
})
