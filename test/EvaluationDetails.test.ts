import { StandardResolutionReasons } from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { EvaluationDetails, EvaluationError } from "effect-openfeature"

const sdk = () => ({
  flagKey: "a",
  value: { list: [1, { x: 1 }] },
  variant: "on",
  reason: StandardResolutionReasons.STATIC,
  flagMetadata: { version: 1 }
})

describe("fromSdk", () => {
  it("copies and freezes, an object value all the way down", () => {
    const details = sdk()
    const copy = EvaluationDetails.fromSdk(details)
    assert.deepStrictEqual(copy, details)
    assert.isTrue(Object.isFrozen(copy))
    assert.isTrue(Object.isFrozen(copy.value))
    assert.isFalse(Object.isFrozen(details))
    assert.isFalse(Object.isFrozen(details.value))
    details.value.list.push(2)
    assert.deepStrictEqual(copy.value, { list: [1, { x: 1 }] })
    assert.isTrue(Object.isFrozen(EvaluationDetails.fromSdk({ ...details, value: true })))
    assert.strictEqual(EvaluationDetails.fromSdk({ ...details, value: null }).value, null)
  })

  it("replaces details that cannot be read", () => {
    const hostile = Object.defineProperty(sdk(), "value", {
      enumerable: true,
      get: () => {
        throw new Error("getter")
      }
    })
    const copy = EvaluationDetails.fromSdk(hostile)
    assert.strictEqual(copy.errorCode, "GENERAL")
    assert.strictEqual(copy.errorMessage, "the evaluation details cannot be read")
    assert.strictEqual(copy.reason, "ERROR")
  })
})

describe("failed", () => {
  it("says why there is the default value", () => {
    const error = new EvaluationError.EvaluationError({ code: "PARSE_ERROR", message: "cannot parse" })
    assert.deepStrictEqual(EvaluationDetails.failed("a", 5, error), {
      flagKey: "a",
      value: 5,
      reason: "ERROR",
      errorCode: "PARSE_ERROR",
      errorMessage: "cannot parse",
      flagMetadata: {}
    })
    assert.strictEqual(EvaluationDetails.failed("a", 5, { code: "ENOENT" }).errorCode, "GENERAL")
  })
})

describe("toSdk", () => {
  it("gives a copy that may be written to", () => {
    const frozen = EvaluationDetails.fromSdk(sdk())
    const copy = EvaluationDetails.toSdk(frozen)
    copy.variant = "off"
    assert.strictEqual(copy.variant, "off")
    assert.strictEqual(frozen.variant, "on")
    assert.strictEqual(EvaluationDetails.toSdkValue(true), true)
  })
})
