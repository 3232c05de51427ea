import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Function } from "effect"
import { OverrideHook } from "effect-openfeature"
import * as OverrideConfig from "effect-openfeature/hooks/OverrideConfig"
import { client, rangeError } from "../support.ts"

const secret = "s3cret-value"

const read = (env: Record<string, string>, options?: OverrideConfig.Options) =>
  OverrideConfig.config(options).parse(ConfigProvider.fromEnv({ env }))

const listOf = (source: OverrideHook.Source) =>
  OverrideHook.makeUnsafe({ enabled: true, sources: [source], values: true, logLevel: false }).list()

describe("overrides of the environment", () => {
  it.effect("are JSON in one variable", () =>
    Effect.gen(function*() {
      const source = yield* read({
        FEATURE_FLAG_OVERRIDES:
          "{\"new-checkout\":true,\"banner\":{\"value\":\"Hello\",\"variant\":\"a\",\"subjects\":[\"ana\"]}}"
      })
      assert.deepStrictEqual(listOf(source), [
        { source: "environment", flag: "new-checkout", value: true },
        { source: "environment", flag: "banner", subjects: 1, variant: "a", value: "Hello" }
      ])
      const { hook } = yield* OverrideHook.make({ enabled: true, sources: [source], logLevel: false })
      const { flags } = yield* client({}, { hooks: [hook] })
      const details = yield* flags.booleanDetails("new-checkout", false)
      assert.deepInclude(details, { value: true, reason: "STATIC", flagMetadata: { override: "environment" } })
    }))

  it.effect("come first from the variable of the flag", () =>
    Effect.gen(function*() {
      const source = yield* read({
        FEATURE_FLAG_OVERRIDES: "{\"new-checkout\":true}",
        FEATURE_FLAG_OVERRIDE_NEW_CHECKOUT: "false",
        FEATURE_FLAG_OVERRIDE_BANNER: "\"Hello\""
      }, { flags: ["new-checkout", "banner", "missing"] })
      const { hook } = yield* OverrideHook.make({ enabled: true, sources: [source], logLevel: false })
      const { flags } = yield* client({}, { hooks: [hook] })
      assert.isFalse(yield* flags.boolean("new-checkout", true))
      assert.strictEqual(yield* flags.string("banner", ""), "Hello")
    }))

  it.effect("are none where the variable is missing or empty", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(listOf(yield* read({})), [])
      assert.deepStrictEqual(listOf(yield* read({ FEATURE_FLAG_OVERRIDES: "" })), [])
      assert.deepStrictEqual(listOf(yield* read({ FEATURE_FLAG_OVERRIDES: " \n" })), [])
    }))

  const wrong = [
    [`{"sale":"${secret}"`, /^FEATURE_FLAG_OVERRIDES: is not JSON$/],
    [`"${secret}"`, /^FEATURE_FLAG_OVERRIDES: must be an object by flag key/],
    ["null", /^FEATURE_FLAG_OVERRIDES: must be an object by flag key/],
    [
      `{"sale":{"value":"${secret}","varaint":1}}`,
      /^FEATURE_FLAG_OVERRIDES: flag "sale" has the unknown field "varaint"/
    ],
    ["{\"sale\":{\"a\":{\"__proto__\":1}}}", /^FEATURE_FLAG_OVERRIDES: flag "sale" has the key __proto__/]
  ] as const
  it.effect.each(wrong)(
    "that are wrong are a typed error with the variable and without the value: %s",
    ([text, message]) =>
      Effect.gen(function*() {
        const env = { FEATURE_FLAG_OVERRIDES: text }
        // A default is for what is missing, and not for what is wrong.
        const withDefault = Config.withDefault(OverrideConfig.config(), undefined)
        const error = yield* Effect.flip(withDefault.parse(ConfigProvider.fromEnv({ env })))
        assert.instanceOf(error, Config.ConfigError)
        assert.match(error.cause.message, message)
        assert.notInclude(String(error), secret)
        const thrown = rangeError(() => OverrideConfig.fromEnvironment({}, env))
        assert.include(thrown, "OverrideConfig.fromEnvironment: FEATURE_FLAG_OVERRIDES: ")
        assert.notInclude(thrown, secret)
      })
  )

  it.effect("of one flag that are wrong name their variable", () =>
    Effect.gen(function*() {
      const env = { FEATURE_FLAG_OVERRIDE_BANNER: secret }
      const error = yield* Effect.flip(read(env, { flags: ["banner"] }))
      assert.strictEqual(error.cause.message, "FEATURE_FLAG_OVERRIDE_BANNER: is not JSON")
    }))

  it("are read without Effect from the environment of the process", () => {
    process.env["TEST_OVERRIDES"] = "{\"sale\":true}"
    const source = OverrideConfig.fromEnvironment({ variable: "TEST_OVERRIDES" })
    delete process.env["TEST_OVERRIDES"]
    assert.deepStrictEqual(listOf(source), [{ source: "environment", flag: "sale", value: true }])
    assert.deepStrictEqual(listOf(OverrideConfig.fromEnvironment({ variable: "TEST_OVERRIDES" })), [])
  })

  it("refuse flags that share a variable, and wrong options", () => {
    for (const wrong of [null, secret, []]) {
      assert.strictEqual(
        rangeError(() => OverrideConfig.fromEnvironment({}, Function.cast(wrong))),
        "OverrideConfig.fromEnvironment: the environment must be an object"
      )
    }
    assert.match(
      rangeError(() => OverrideConfig.variableOf(Function.cast(undefined))),
      /OverrideConfig.variableOf: the flag key must be a text that is not empty/
    )
    assert.match(
      rangeError(() => OverrideConfig.config({ flags: ["a-b", "a_b"] })),
      /OverrideConfig.config: the variable FEATURE_FLAG_OVERRIDE_A_B of the flag "a_b" stands for something else/
    )
    assert.match(
      rangeError(() => OverrideConfig.config({ flags: [""] })),
      /a flag key must be a text that is not empty/
    )
    assert.match(rangeError(() => OverrideConfig.config({ variable: "" })), /variable must be a text that is not empty/)
  })
})
