import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { type EvaluationDetails, type EvaluationError, Privacy } from "effect-openfeature"
import { EvaluationEvent } from "effect-openfeature/otel"
import { Fixtures } from "effect-openfeature/testing"

type Details = Partial<EvaluationDetails.EvaluationDetails>

const context = Fixtures.hookContext({
  flagKey: "checkout",
  providerName: "memory",
  context: { targetingKey: "user-1", plan: "pro", seats: 5, trial: true, address: { city: "Bonn" } }
})
const attributesOf = (
  details: Details,
  options: Privacy.Options = {},
  version?: Parameters<typeof EvaluationEvent.attributesOf>[3]
) => EvaluationEvent.attributesOf(context, Fixtures.details(details), Privacy.make("Test.make", options), version)

/** What is told of something, without what is always told. */
const told = (details: Details, options: Privacy.Options = {}) => {
  const { ["feature_flag.key"]: key, ["feature_flag.provider.name"]: provider, ...rest } = attributesOf(
    details,
    options
  )
  const { maxLength = 500 } = options
  if (maxLength >= 8) assert.deepStrictEqual([key, provider], ["checkout", "memory"])
  return rest
}
const without = { variant: undefined, reason: undefined }
const unknown = { "feature_flag.result.reason": "unknown" }
const failed: Details = { ...without, reason: "ERROR", errorCode: "PARSE_ERROR", errorMessage: "unexpected ]" }
const error = { "error.type": "parse_error", "feature_flag.result.reason": "error" }

describe("errorTypeOf", () => {
  const types: Readonly<Record<EvaluationError.ErrorCode, string>> = {
    FLAG_NOT_FOUND: "flag_not_found",
    GENERAL: "general",
    INVALID_CONTEXT: "invalid_context",
    PARSE_ERROR: "parse_error",
    PROVIDER_FATAL: "provider_fatal",
    PROVIDER_NOT_READY: "provider_not_ready",
    TARGETING_KEY_MISSING: "targeting_key_missing",
    TYPE_MISMATCH: "type_mismatch"
  }
  const codes: Array<EvaluationError.ErrorCode> = [
    "FLAG_NOT_FOUND",
    "GENERAL",
    "INVALID_CONTEXT",
    "PARSE_ERROR",
    "PROVIDER_FATAL",
    "PROVIDER_NOT_READY",
    "TARGETING_KEY_MISSING",
    "TYPE_MISMATCH"
  ]

  it("knows each of the 8 codes", () => {
    assert.sameMembers(Object.keys(types), codes)
    for (const errorCode of codes) {
      assert.strictEqual(EvaluationEvent.errorTypeOf(Fixtures.details({ errorCode })), types[errorCode])
    }
  })

  it("is undefined after a success", () => {
    assert.isUndefined(EvaluationEvent.errorTypeOf(Fixtures.details()))
    assert.isUndefined(EvaluationEvent.errorTypeOf(Fixtures.details({ errorMessage: "no error without a code" })))
  })
})

describe("attributesOf", () => {
  it("tells the key, the provider, the reason and the variant", () => {
    assert.deepStrictEqual(attributesOf({ variant: "on", reason: "TARGETING_MATCH" }), {
      "feature_flag.key": "checkout",
      "feature_flag.provider.name": "memory",
      "feature_flag.result.reason": "targeting_match",
      "feature_flag.result.variant": "on"
    })
  })

  it("has the names of the version it is asked for", () => {
    const details = { flagMetadata: { flagSetId: "shop", version: "7" } }
    const options = { values: true, targetingKey: "raw" } as const
    const same = ["feature_flag.context.id", "feature_flag.key", "feature_flag.set.id", "feature_flag.version"]
    const newer = ["feature_flag.provider.name", "feature_flag.result.reason"]
    const older = ["feature_flag.provider_name", "feature_flag.evaluation.reason"]
    const newest = [...same, ...newer, "feature_flag.result.value", "feature_flag.result.variant"]
    const oldest = [...same, ...older, "feature_flag.evaluation.value", "feature_flag.variant"]
    assert.sameMembers(Object.keys(attributesOf(details, options)), newest)
    assert.sameMembers(Object.keys(attributesOf(details, options, "1.45")), newest)
    assert.sameMembers(Object.keys(attributesOf(details, options, "1.37")), newest)
    assert.sameMembers(Object.keys(attributesOf(details, options, "1.31")), oldest)
    const message = { errorMessage: true }
    assert.include(attributesOf(failed, message), { "feature_flag.error.message": "unexpected ]" })
    assert.include(attributesOf(failed, message, "1.37"), { "error.message": "unexpected ]" })
    assert.include(attributesOf(failed, message, "1.31"), { "feature_flag.evaluation.error.message": "unexpected ]" })
  })

  it("does not write to what it is given", () => {
    const details = Fixtures.details({ flagMetadata: { flagSetId: "shop" } })
    assert.isFrozen(details)
    const privacy = Privacy.make("Test.make", { values: true, context: ["plan"], targetingKey: "raw" })
    const attributes = EvaluationEvent.attributesOf(context, details, privacy)
    const again = EvaluationEvent.attributesOf(context, details, privacy)
    assert.deepStrictEqual(attributes, again)
    assert.notStrictEqual(attributes, again)
  })

  it("cuts and escapes a key, a provider name and a variant", () => {
    const evil = `a\n\u001b[31m${"b".repeat(100)}`
    const attributes = EvaluationEvent.attributesOf(
      Fixtures.hookContext({ flagKey: evil, providerName: evil }),
      Fixtures.details({ variant: evil }),
      Privacy.make("Test.make", { maxLength: 20 })
    )
    for (const name of ["feature_flag.key", "feature_flag.provider.name", "feature_flag.result.variant"]) {
      assert.strictEqual(attributes[name], "a\\u000a\\u001b[31mbb…", name)
    }
  })
})

describe("the value", () => {
  it("of a boolean or a number stands in for a missing variant, as it is", () => {
    for (const value of [true, false, 0, -1.5, 1e300]) {
      assert.deepStrictEqual(told({ ...without, value }), { ...unknown, "feature_flag.result.value": value })
    }
  })

  it("of a text or a structure waits until values may be told", () => {
    for (const value of ["blue", "", { a: 1 }, [1, 2], null]) {
      assert.deepStrictEqual(told({ ...without, value }), unknown)
    }
    const written = (value: EvaluationDetails.FlagValue) =>
      told({ ...without, value }, { values: true })["feature_flag.result.value"]
    assert.strictEqual(written("blue"), "blue")
    assert.strictEqual(written(""), "")
    assert.strictEqual(written({ a: [1, "b"] }), "{\"a\":[1,\"b\"]}")
    assert.strictEqual(written(null), "null")
  })

  it("is not told beside a variant unless values may be told", () => {
    assert.notProperty(told({ variant: "on", value: true }), "feature_flag.result.value")
    assert.propertyVal(told({ variant: "on", value: true }, { values: true }), "feature_flag.result.value", true)
  })

  it("is not told after an error, since it is the default value", () => {
    for (const value of [true, 5, "blue"]) {
      assert.notProperty(told({ ...failed, value }, { values: true }), "feature_flag.result.value")
    }
  })

  it("is cut to its length, depth and size", () => {
    const written = (value: EvaluationDetails.FlagValue, options: Privacy.Options) =>
      told({ ...without, value }, { values: true, ...options })["feature_flag.result.value"]
    assert.strictEqual(written("abcdefgh", { maxLength: 5 }), "abcd…")
    assert.strictEqual(written({ a: { b: { c: 1 } } }, { maxDepth: 2 }), "{\"a\":{\"b\":…}}")
    assert.isBelow(String(written(Array.from({ length: 500 }, () => 1), { maxSize: 10 })).length, 30)
    assert.strictEqual(String(written("x".repeat(1000), {})).length, 500)
  })

  it("is redacted: replaced, left out, or unreadable where redact throws", () => {
    const redacted = (redact: Privacy.Options["redact"], value: EvaluationDetails.FlagValue = true) =>
      told({ ...without, value }, { redact })
    const name = "feature_flag.result.value"
    assert.deepStrictEqual(redacted(() => "hidden"), { ...unknown, [name]: "hidden" })
    assert.deepStrictEqual(redacted(() => 7), { ...unknown, [name]: 7 })
    assert.deepStrictEqual(redacted(() => ({ a: 1 })), { ...unknown, [name]: "{\"a\":1}" })
    assert.deepStrictEqual(redacted(() => undefined), unknown)
    assert.deepStrictEqual(
      redacted(() => {
        throw new Error("no")
      }),
      { ...unknown, [name]: "<redacted>" }
    )
  })
})

describe("the error", () => {
  it("has its type, and its message where that may be told", () => {
    assert.deepStrictEqual(told(failed), error)
    const message = { "feature_flag.error.message": "unexpected ]" }
    assert.deepStrictEqual(told(failed, { errorMessage: true }), { ...error, ...message })
    const { errorMessage: _, ...silent } = failed
    assert.deepStrictEqual(told(silent, { errorMessage: true }), error)
  })

  it("has a message that is redacted and cut", () => {
    const message = (options: Privacy.Options) =>
      told(failed, { errorMessage: true, ...options })["feature_flag.error.message"]
    assert.strictEqual(message({ maxLength: 4 }), "une…")
    assert.strictEqual(message({ redact: (name) => name }), "error_message")
    assert.isUndefined(message({ redact: () => undefined }))
  })

  it("is not there after a success with a message", () => {
    assert.deepStrictEqual(told({ ...without, errorMessage: "odd" }, { errorMessage: true }), {
      ...unknown,
      "feature_flag.result.value": true
    })
  })
})

describe("the metadata", () => {
  const metadata = { flagSetId: "shop", version: 7, contextId: "account-9", owner: "never told" }
  const details = { variant: "on", reason: "STATIC", flagMetadata: metadata }
  const usual = { "feature_flag.result.reason": "static", "feature_flag.result.variant": "on" }

  it("tell the set and the version, as texts, and nothing else", () => {
    assert.deepStrictEqual(told(details), { ...usual, "feature_flag.set.id": "shop", "feature_flag.version": "7" })
    assert.deepStrictEqual(told({ ...details, flagMetadata: { flagSetId: true } }), {
      ...usual,
      "feature_flag.set.id": "true"
    })
    assert.deepStrictEqual(told({ ...details, flagMetadata: {} }), usual)
  })

  it("tell them after an error too", () => {
    const attributes = told({ ...failed, flagMetadata: metadata })
    assert.deepStrictEqual(attributes, { ...error, "feature_flag.set.id": "shop", "feature_flag.version": "7" })
  })

  it("are redacted and cut by their names", () => {
    const names: Array<string> = []
    told(details, {
      redact: (name, value) => {
        names.push(name)
        return value
      }
    })
    assert.deepStrictEqual(names, ["variant", "metadata.flagSetId", "metadata.version"])
    assert.deepStrictEqual(
      told(details, { redact: (name, value) => name.startsWith("metadata.") ? undefined : value }),
      usual
    )
    const cut = told({ ...details, flagMetadata: { flagSetId: "abcdef" } }, { maxLength: 3 })
    assert.strictEqual(cut["feature_flag.set.id"], "ab…")
  })

  it("that are inherited are not told", () => {
    const flagMetadata: Record<string, string> = Object.create({ flagSetId: "polluted", version: "polluted" })
    const attributes = EvaluationEvent.attributesOf(
      context,
      { ...Fixtures.details({ variant: "on", reason: "STATIC" }), flagMetadata },
      Privacy.make("Test.make", { targetingKey: "raw" })
    )
    assert.notInclude(JSON.stringify(attributes), "polluted")
  })
})

describe("the context id", () => {
  const id = (options: Privacy.Options, flagMetadata: Details["flagMetadata"] = {}) =>
    told({ variant: "on", flagMetadata }, options)["feature_flag.context.id"]

  it("is the targeting key, where that may be told", () => {
    assert.isUndefined(id({}))
    assert.isUndefined(id({ targetingKey: "omit" }))
    assert.isUndefined(id({ context: ["targetingKey"] }))
    assert.strictEqual(id({ targetingKey: "raw" }), "user-1")
    assert.strictEqual(id({ targetingKey: (key) => `<${key}>` }), "<user-1>")
    const hmac = Privacy.hmac(Redacted.make("a secret of at least 16 bytes"))
    assert.strictEqual(id({ targetingKey: hmac }), hmac("user-1"))
  })

  it("is the one of the metadata before the targeting key, and just as private", () => {
    const metadata = { contextId: "account-9" }
    assert.isUndefined(id({}, metadata))
    assert.isUndefined(id({ targetingKey: "omit" }, metadata))
    assert.strictEqual(id({ targetingKey: "raw" }, metadata), "account-9")
    assert.strictEqual(id({ targetingKey: (key) => `<${key}>` }, metadata), "<account-9>")
    assert.strictEqual(id({ targetingKey: "raw" }, { contextId: 9 }), "9")
    assert.strictEqual(id({ targetingKey: "raw", redact: (name) => name }, metadata), "targeting_key")
    assert.isUndefined(id({ targetingKey: "raw", redact: () => undefined }, metadata))
  })

  it("is redacted where its writer throws", () => {
    const targetingKey = () => {
      throw new Error("user-1")
    }
    assert.strictEqual(id({ targetingKey }), "<redacted>")
  })
})

describe("attributes of the context", () => {
  const prefix = "feature_flag.context.attribute."
  const named = (options: Privacy.Options) =>
    Object.fromEntries(Object.entries(told({ variant: "on" }, options)).filter(([name]) => name.startsWith(prefix)))

  it("are told by name, booleans and numbers as they are", () => {
    assert.deepStrictEqual(named({}), {})
    assert.deepStrictEqual(named({ context: ["plan", "seats", "trial", "address", "missing"] }), {
      [`${prefix}plan`]: "pro",
      [`${prefix}seats`]: 5,
      [`${prefix}trial`]: true,
      [`${prefix}address`]: "{\"city\":\"Bonn\"}"
    })
  })

  it("are redacted by name and cut", () => {
    const context = ["plan", "seats", "address"]
    assert.deepStrictEqual(
      named({ context, maxLength: 5, redact: (name, value) => name === "context.seats" ? undefined : value }),
      { [`${prefix}plan`]: "pro", [`${prefix}address`]: "{\"ci…" }
    )
  })

  it("have the targeting key among them as it is written", () => {
    const context = ["targetingKey"]
    assert.deepStrictEqual(named({ context }), { [`${prefix}targetingKey`]: "user-1" })
    assert.deepStrictEqual(named({ context, targetingKey: "omit" }), {})
    assert.deepStrictEqual(named({ context, targetingKey: () => "x" }), { [`${prefix}targetingKey`]: "x" })
  })
})
