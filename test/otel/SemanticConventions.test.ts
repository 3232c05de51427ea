import { assert, describe, it } from "@effect/vitest"
import * as Conventions from "@opentelemetry/semantic-conventions/incubating"
import { SemanticConventions } from "effect-openfeature/otel"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

const { attributes, metrics, reasonOf } = SemanticConventions

const constants = new Map<string, string>(
  Object.entries(Conventions).flatMap(([name, value]) => typeof value === "string" ? [[name, value]] : [])
)

describe("the names", () => {
  it("are of the version of the conventions that is installed", () => {
    const main = createRequire(import.meta.url).resolve("@opentelemetry/semantic-conventions")
    const manifest: unknown = JSON.parse(readFileSync(join(dirname(main), "..", "package.json"), "utf8"))
    assert.propertyVal(manifest, "version", SemanticConventions.version)
  })

  it("are the constants of the conventions", () => {
    assert.deepStrictEqual(
      Object.fromEntries(Object.entries(attributes).map(([attribute, { names }]) => [attribute, names["1.45"]])),
      {
        key: Conventions.ATTR_FEATURE_FLAG_KEY,
        variant: Conventions.ATTR_FEATURE_FLAG_RESULT_VARIANT,
        value: Conventions.ATTR_FEATURE_FLAG_RESULT_VALUE,
        errorType: Conventions.ATTR_ERROR_TYPE,
        errorMessage: Conventions.ATTR_FEATURE_FLAG_ERROR_MESSAGE,
        reason: Conventions.ATTR_FEATURE_FLAG_RESULT_REASON,
        provider: Conventions.ATTR_FEATURE_FLAG_PROVIDER_NAME,
        contextId: Conventions.ATTR_FEATURE_FLAG_CONTEXT_ID,
        setId: Conventions.ATTR_FEATURE_FLAG_SET_ID,
        version: Conventions.ATTR_FEATURE_FLAG_VERSION
      }
    )
    assert.strictEqual(SemanticConventions.event, Conventions.EVENT_FEATURE_FLAG_EVALUATION)
  })

  it("leave out no attribute that the conventions have for feature flags", () => {
    const deprecated = new Set([
      "ATTR_FEATURE_FLAG_EVALUATION_ERROR_MESSAGE",
      "ATTR_FEATURE_FLAG_EVALUATION_REASON",
      "ATTR_FEATURE_FLAG_VARIANT"
    ])
    const current = Array.from(constants).flatMap(([name, value]) =>
      name.startsWith("ATTR_FEATURE_FLAG_") && !deprecated.has(name) ? [value] : []
    )
    const own = Object.values(attributes).map(({ names }) => names["1.45"])
    assert.sameMembers(own.filter((name) => name !== Conventions.ATTR_ERROR_TYPE), current)
  })

  it("of former versions are the deprecated constants", () => {
    assert.strictEqual(attributes.variant.names["1.31"], Conventions.ATTR_FEATURE_FLAG_VARIANT)
    assert.strictEqual(attributes.reason.names["1.31"], Conventions.ATTR_FEATURE_FLAG_EVALUATION_REASON)
    assert.strictEqual(attributes.errorMessage.names["1.31"], Conventions.ATTR_FEATURE_FLAG_EVALUATION_ERROR_MESSAGE)
    assert.strictEqual(attributes.errorMessage.names["1.37"], Conventions.ATTR_ERROR_MESSAGE)
    assert.strictEqual(attributes.provider.names["1.31"], "feature_flag.provider_name")
    assert.strictEqual(attributes.value.names["1.31"], "feature_flag.evaluation.value")
  })

  it("are different for each attribute, in each version", () => {
    for (const version of ["1.45", "1.37", "1.31"] as const) {
      assert.strictEqual(new Set(Object.values(attributes).map(({ names }) => names[version])).size, 10)
    }
  })

  it("changed only where a version changed them", () => {
    const changed = (older: "1.37" | "1.31") =>
      Object.entries(attributes).flatMap(([attribute, { names }]) => names[older] === names["1.45"] ? [] : [attribute])
    assert.deepStrictEqual(changed("1.37"), ["errorMessage"])
    assert.deepStrictEqual(changed("1.31"), ["variant", "value", "errorMessage", "reason", "provider"])
  })
})

describe("the requirement levels", () => {
  it("are those of the conventions", () => {
    const byLevel = (level: SemanticConventions.RequirementLevel) =>
      Object.entries(attributes).flatMap(([attribute, found]) => found.level === level ? [attribute] : [])
    assert.deepStrictEqual(byLevel("required"), ["key"])
    assert.deepStrictEqual(byLevel("conditionally required"), ["variant", "value", "errorType"])
    assert.deepStrictEqual(byLevel("recommended"), [
      "errorMessage",
      "reason",
      "provider",
      "contextId",
      "setId",
      "version"
    ])
  })

  it("say when they hold", () => {
    for (const { note } of Object.values(attributes)) assert.isNotEmpty(note)
  })
})

describe("the reasons", () => {
  const known = Array.from(constants).flatMap(([name, value]) =>
    name.startsWith("FEATURE_FLAG_RESULT_REASON_VALUE_") ? [value] : []
  )

  it("are written as the conventions do, each of the 9", () => {
    assert.strictEqual(known.length, 9)
    for (const reason of known) assert.strictEqual(reasonOf(reason.toUpperCase()), reason)
  })

  it("of the conventions are found by their name in any case", () => {
    for (const reason of known) {
      assert.strictEqual(reasonOf(reason), reason)
      assert.strictEqual(reasonOf(reason.slice(0, 1).toUpperCase() + reason.slice(1)), reason)
    }
  })

  it("of providers are kept in lower case, as one bounded line", () => {
    for (const reason of ["RULE_MATCH", "FALLTHROUGH", "OFF", "TARGET_MATCH", "__proto__", "constructor"]) {
      assert.strictEqual(reasonOf(reason), reason.toLowerCase())
    }
    assert.strictEqual(reasonOf("S\nTATIC"), "s\\u000atatic")
    assert.strictEqual(reasonOf("x".repeat(1000)).length, 64)
  })

  it("are unknown where there is none", () => {
    for (const reason of [undefined, ""]) {
      assert.strictEqual(reasonOf(reason), Conventions.FEATURE_FLAG_RESULT_REASON_VALUE_UNKNOWN)
    }
  })
})

describe("the metrics", () => {
  it("are those of every SDK, and a duration", () => {
    assert.deepStrictEqual(Object.values(metrics).map(({ name, unit }) => [name, unit]), [
      ["feature_flag.evaluation_requests_total", "{request}"],
      ["feature_flag.evaluation_success_total", "{impression}"],
      ["feature_flag.evaluation_error_total", "{error}"],
      ["feature_flag.evaluation_active_count", "{request}"],
      ["feature_flag.evaluation_duration", "s"]
    ])
    for (const { description } of Object.values(metrics)) assert.isNotEmpty(description)
  })

  it("have no name that the conventions use for something else", () => {
    const taken = new Set(constants.values())
    for (const { name } of Object.values(metrics)) assert.isFalse(taken.has(name), name)
  })

  it("have buckets that rise from 10 microseconds to 10 seconds", () => {
    const { durationBoundaries } = SemanticConventions
    assert.strictEqual(durationBoundaries[0], 1e-5)
    assert.strictEqual(durationBoundaries.at(-1), 10)
    durationBoundaries.forEach((boundary, index) => {
      if (index > 0) assert.isAbove(boundary, durationBoundaries[index - 1] ?? Infinity)
    })
  })
})
