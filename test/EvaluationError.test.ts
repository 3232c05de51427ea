import { ErrorCode, OpenFeatureError, ParseError, TypeMismatchError } from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { inspect } from "node:util"
import { EvaluationError } from "effect-openfeature"

const trap = () => {
  throw new Error("trap")
}
const hostile: ReadonlyArray<unknown> = [
  undefined,
  null,
  "",
  "text",
  0,
  5n,
  Symbol("s"),
  () => 1,
  [],
  {},
  Object.create(null),
  { code: "ECONNREFUSED" },
  { code: { nested: true } },
  { code: 0 },
  { message: 5 },
  { message: "" },
  { toString: trap },
  Object.defineProperty({}, "message", { get: trap }),
  Object.defineProperty(new Error("e"), "stack", { get: trap }),
  Object.defineProperty({}, "code", { get: trap }),
  new Proxy({}, { get: trap, has: trap, getPrototypeOf: trap, ownKeys: trap, getOwnPropertyDescriptor: trap })
]

describe("fromUnknown", () => {
  it("never throws, gives a known code and a text that is not empty", () => {
    for (const value of hostile) {
      const error = EvaluationError.fromUnknown(value, "a")
      assert.strictEqual(error.code, "GENERAL")
      assert.isString(error.message)
      assert.isAbove(error.message.length, 0)
      assert.strictEqual(error.flagKey, "a")
    }
  })

  it("keeps every OpenFeature code, of the errors of the SDK too", () => {
    for (const code of Object.values(ErrorCode)) {
      assert.strictEqual(EvaluationError.fromUnknown({ code, message: "m" }).code, code)
      assert.isTrue(EvaluationError.isErrorCode(code))
    }
    assert.strictEqual(EvaluationError.fromUnknown(new ParseError("m")).code, "PARSE_ERROR")
    assert.strictEqual(EvaluationError.fromUnknown(new TypeMismatchError("m")).code, "TYPE_MISMATCH")
    class Own extends OpenFeatureError {
      code = ErrorCode.INVALID_CONTEXT
    }
    assert.strictEqual(EvaluationError.fromUnknown(new Own("m")).message, "m")
    for (const other of ["ECONNREFUSED", "", 5, undefined, null, {}]) {
      assert.isFalse(EvaluationError.isErrorCode(other))
    }
  })

  it("cuts a message at the limit", () => {
    const limit = EvaluationError.maxMessageLength
    assert.strictEqual(EvaluationError.fromUnknown({ message: "a".repeat(limit) }).message.length, limit)
    const cut = EvaluationError.fromUnknown({ message: "a".repeat(limit * 50) }).message
    assert.strictEqual(cut.length, limit)
    assert.isTrue(cut.endsWith("…"))
  })
})

describe("EvaluationError", () => {
  it("keeps its cause out of what is printed and serialised", () => {
    const secret = new Error("canary-secret")
    const error = new EvaluationError.EvaluationError({ code: "GENERAL", message: "no", cause: secret })
    assert.strictEqual(error.cause, secret)
    assert.isFalse(Object.keys(error).includes("cause"))
    assert.notInclude(JSON.stringify(error), "canary")
    assert.notInclude(String(error), "canary")
  })

  it("is a tagged error that can be caught by its tag", () => {
    const error = new EvaluationError.EvaluationError({ code: "FLAG_NOT_FOUND", message: "no such flag" })
    const caught = Effect.runSync(
      Effect.catchTag(Effect.fail(error), "EvaluationError", ({ code, message }) => Effect.succeed([code, message]))
    )
    assert.deepStrictEqual(caught, ["FLAG_NOT_FOUND", "no such flag"])
    assert.instanceOf(error, Error)
    assert.strictEqual(error.cause, undefined)
    assert.include(inspect(error), "no such flag")
  })
})

describe("fromDetails", () => {
  it("reads the error of details, and nothing out of good ones", () => {
    assert.strictEqual(EvaluationError.fromDetails({ flagKey: "a" }), undefined)
    const error = EvaluationError.fromDetails({ flagKey: "a", errorCode: "PARSE_ERROR", errorMessage: "m" })
    assert.strictEqual(error?.code, "PARSE_ERROR")
    assert.strictEqual(error?.message, "m")
    assert.strictEqual(error?.flagKey, "a")
    assert.strictEqual(EvaluationError.fromDetails({ flagKey: "a", errorCode: "ENOENT" })?.code, "GENERAL")
  })
})
