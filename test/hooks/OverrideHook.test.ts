import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Function } from "effect"
import {
  FeatureFlags,
  FeatureHook,
  FlagFilter,
  LoggingHook,
  OpenFeatureHook,
  OverrideHook,
  ResolutionProvider
} from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import {
  client,
  collectFailures,
  type LogRecord,
  logsTo,
  newDomain,
  paths,
  plainClient,
  rangeError,
  unhandledRejections
} from "../support.ts"

const enabled = { enabled: true, logLevel: false } as const

const secret = "s3cret-value"

const hookOf = (overrides: OverrideHook.Options["overrides"]) => OverrideHook.makeUnsafe({ ...enabled, overrides }).hook

/** A client of the plain SDK with a provider that serves resolutions. */
const servingClient = (flags: Readonly<Record<string, TestProvider.Answer>> = {}) =>
  Effect.gen(function*() {
    const provider = yield* TestProvider.make({ flags })
    const domain = newDomain()
    yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider)))
    return { client: SDK.OpenFeature.getClient(domain), provider }
  })

for (const [path, change] of paths) {
  describe(`an override, ${path}`, () => {
    it.effect("takes the place of the provider's resolution in the Effect client", () =>
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const watch = FeatureHook.make("watch", {
          finally: (_context, details) => void seen.push(details.flagMetadata)
        })
        const hook = change(hookOf({ sale: true, banner: { value: "Hello", variant: "fixed" }, limits: { max: 5 } }))
        const { flags, provider } = yield* client(
          { sale: TestProvider.value(false), other: TestProvider.value(true) },
          {
            hooks: [hook, watch]
          }
        )
        assert.isTrue(yield* flags.boolean("sale", false))
        const banner = yield* flags.stringDetails("banner", "")
        assert.deepInclude(banner, { value: "Hello", variant: "fixed", reason: "STATIC" })
        assert.deepStrictEqual(yield* flags.object("limits", {}), { max: 5 })
        assert.strictEqual((yield* provider.calls).length, 0)
        assert.isTrue(yield* flags.boolean("other", false))
        assert.strictEqual((yield* provider.calls).length, 1)
        assert.deepStrictEqual(seen.slice(0, 3), [{ override: "code" }, { override: "code" }, { override: "code" }])
      }))

    it.effect("takes the place of the provider's resolution in a client of the SDK", () =>
      Effect.gen(function*() {
        const { client, provider } = yield* servingClient({ other: TestProvider.value(true) })
        client.addHooks(OpenFeatureHook.make(change(hookOf({ sale: true }))))
        const details = yield* Effect.promise(() => client.getBooleanDetails("sale", false))
        assert.deepInclude(details, { value: true, reason: "STATIC", flagMetadata: { override: "code" } })
        assert.isTrue(yield* Effect.promise(() => client.getBooleanValue("other", false)))
        assert.strictEqual((yield* provider.calls).length, 1)
      }))

    it.effect("of the wrong type is a TYPE_MISMATCH", () =>
      Effect.gen(function*() {
        const hook = change(hookOf({ sale: "yes", banner: { value: null } }))
        const { flags } = yield* client({}, { hooks: [hook] })
        assert.deepInclude(yield* flags.booleanDetails("sale", false), { value: false, errorCode: "TYPE_MISMATCH" })
        const { client: plain } = yield* servingClient()
        plain.addHooks(OpenFeatureHook.make(hook))
        const details = yield* Effect.promise(() => plain.getStringDetails("banner", "default"))
        assert.deepStrictEqual<unknown>([details.value, details.errorCode], ["default", "TYPE_MISMATCH"])
      }))

    it.effect("holds for its subjects alone", () =>
      Effect.gen(function*() {
        const hook = change(
          hookOf({ sale: { value: true, subjects: ["ana", "ben"] }, one: { value: true, subjects: "ana" } })
        )
        const { flags } = yield* client({ sale: TestProvider.value(false), one: TestProvider.value(false) }, {
          hooks: [hook]
        })
        const of = (flag: string, targetingKey?: string) =>
          flags.boolean(flag, false, { context: targetingKey === undefined ? {} : { targetingKey } })
        assert.deepStrictEqual(
          yield* Effect.all([of("sale", "ana"), of("sale", "ben"), of("sale", "eve"), of("sale"), of("sale", "")]),
          [true, true, false, false, false]
        )
        assert.deepStrictEqual(yield* Effect.all([of("one", "ana"), of("one", "ben")]), [true, false])
      }))

    it.effect("is the first of a list that matches", () =>
      Effect.gen(function*() {
        const hook = change(hookOf([
          { flags: "sale", value: "ana's", subjects: ["ana"] },
          { flags: FlagFilter.prefix("sa"), value: "by filter", subjects: ["ben"] },
          { flags: ["sale", "salt"], value: "by key" },
          { flags: FlagFilter.all, value: "all" }
        ]))
        const value = (flagKey: string, targetingKey: string) =>
          Effect.map(
            Fixtures.run(hook, {
              context: { flagKey, flagValueType: "string", defaultValue: "", context: { targetingKey } }
            }),
            ({ details }) => details.value
          )
        assert.strictEqual(yield* value("sale", "ana"), "ana's")
        assert.strictEqual(yield* value("sale", "ben"), "by filter")
        assert.strictEqual(yield* value("sale", "eve"), "by key")
        assert.strictEqual(yield* value("salt", "ben"), "by filter")
        assert.strictEqual(yield* value("salt", "ana"), "by key")
        assert.strictEqual(yield* value("other", "ana"), "all")
      }))

    it.effect("leaves a resolution of an earlier hook alone", () =>
      Effect.gen(function*() {
        const first = change(
          FeatureHook.make("first", { before: () => ({ resolution: { value: false, variant: "cache" } }) })
        )
        const { flags } = yield* client({}, { hooks: [first, change(hookOf({ sale: true }))] })
        assert.deepInclude(yield* flags.booleanDetails("sale", true), { value: false, variant: "cache" })
      }))

    it.effect("with a filter that throws is reported, and the provider resolves the flag", () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const hook = change(hookOf([{
            flags: () => {
              throw new Error("no")
            },
            value: true
          }]))
          const { flags } = yield* client({ sale: TestProvider.value(false) }, { hooks: [hook] })
          assert.isFalse(yield* flags.boolean("sale", true))
          assert.deepStrictEqual(failures.map(({ hook, stage }) => [hook, stage]), [["override", "before"]])
        })
      ))

    it.effect("with a filter that gives a promise is reported, and the provider resolves the flag", () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const resolves: FlagFilter.FlagFilter = Function.cast(() => Promise.resolve(true))
          const rejects: FlagFilter.FlagFilter = Function.cast(() => Promise.reject(new Error("lost")))
          for (const filter of [resolves, rejects]) {
            failures.length = 0
            const hook = change(hookOf([{ flags: filter, value: true }]))
            const { flags } = yield* client({ sale: TestProvider.value(false) }, { hooks: [hook] })
            const rejections = yield* unhandledRejections(
              Effect.map(flags.boolean("sale", true), (value) => assert.isFalse(value))
            )
            assert.deepStrictEqual(rejections, [])
            assert.match(failures.map(({ cause }) => Cause.pretty(cause)).join(), /has a filter that gives a promise/)
          }
        })
      ))

    it.effect("without a provider that serves it is told, and not served", () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const { client } = yield* plainClient({ flags: { sale: TestProvider.value(false) } })
          client.addHooks(OpenFeatureHook.make(change(hookOf({ sale: true }))))
          assert.isFalse(yield* Effect.promise(() => client.getBooleanValue("sale", false)))
          assert.match(failures.map(({ cause }) => Cause.pretty(cause)).join(), /ResolutionProvider/)
        })
      ))

    it.effect("serves a copy, which a caller may change", () =>
      Effect.gen(function*() {
        const { client } = yield* servingClient()
        client.addHooks(OpenFeatureHook.make(change(hookOf({ limits: { value: { list: [1] } } }))))
        const get = () => Effect.promise(() => client.getObjectValue<{ list: Array<number> }>("limits", { list: [] }))
        const first = yield* get()
        first.list.push(2)
        assert.deepStrictEqual(yield* get(), { list: [1] })
      }))
  })
}

describe("a hook for overrides", () => {
  it.effect("does nothing unless it is enabled", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const { hook, list } = yield* Effect.provide(
        OverrideHook.make({ enabled: false, overrides: { sale: true } }),
        logsTo(records)
      )
      assert.strictEqual(hook, FeatureHook.empty)
      assert.deepStrictEqual(yield* list, [])
      assert.deepStrictEqual(records, [])
      const { flags } = yield* client({ sale: TestProvider.value(false) }, { hooks: [hook] })
      assert.isFalse(yield* flags.boolean("sale", true))
    }))

  it.effect("lists its overrides, and tells of them at creation, without values and subjects", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const overrides = [
        { flags: "banner", value: secret, variant: "fixed", subjects: ["ana", "ben"] },
        { flags: FlagFilter.prefix("checkout-"), value: { token: secret } }
      ]
      const { list } = yield* Effect.provide(OverrideHook.make({ enabled: true, overrides }), logsTo(records))
      assert.deepStrictEqual(yield* list, [
        { source: "code", flag: "banner", subjects: 2, variant: "fixed" },
        { source: "code", flag: "prefix(\"checkout-\")" }
      ])
      assert.deepStrictEqual(records, [{
        level: "Warn",
        message: "overrides of feature flags are enabled",
        annotations: { overrides: "banner (code), prefix(\"checkout-\") (code)", override_count: 2 }
      }])
      assert.notInclude(JSON.stringify(records), "ana")
    }))

  it.effect("has the values where it is told to", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const { list } = yield* Effect.provide(
        OverrideHook.make({ enabled: true, values: true, logLevel: "Info", overrides: { banner: secret } }),
        logsTo(records)
      )
      assert.deepStrictEqual(yield* list, [{ source: "code", flag: "banner", value: secret }])
      assert.strictEqual(records[0]?.level, "Info")
      assert.strictEqual(records[0]?.annotations["overrides"], `banner = ${secret} (code)`)
    }))

  it("tells the given logger, in a bounded line", () => {
    const lines: Array<string> = []
    const note = (...args: ReadonlyArray<unknown>) => void lines.push(JSON.stringify(args))
    const logger = { error: note, warn: note, info: note, debug: note }
    const overrides = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`${"x".repeat(1000)}${i}`, true]))
    OverrideHook.makeUnsafe({ enabled: true, overrides, logger })
    assert.strictEqual(lines.length, 1)
    assert.match(lines[0] ?? "", /"override_count":5000/)
    assert.isBelow(lines[0]?.length ?? 0, 5000)
  })

  it.effect("shows the origin in a log of evaluations, and no value", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const { flags } = yield* client({}, { hooks: [hookOf({ banner: secret }), LoggingHook.make({ after: "Info" })] })
      yield* Effect.provide(flags.string("banner", ""), logsTo(records))
      assert.notInclude(JSON.stringify(records), secret)
      assert.include(JSON.stringify(records), "STATIC")
    }))

  it.effect("is not fooled by names of Object.prototype", () =>
    Effect.gen(function*() {
      const overrides = Function.cast<unknown, OverrideHook.Overrides>(
        JSON.parse("{\"__proto__\":true,\"constructor\":true}")
      )
      const hook = hookOf(overrides)
      const { flags } = yield* client({}, { hooks: [hook] })
      assert.isTrue(yield* flags.boolean("__proto__", false))
      assert.isTrue(yield* flags.boolean("constructor", false))
      for (const key of ["toString", "hasOwnProperty", "value", "length"]) {
        assert.isFalse(yield* flags.boolean(key, false))
      }
    }))

  it.effect("works at the level of the API, before hooks of clients", () =>
    Effect.gen(function*() {
      const { client } = yield* servingClient()
      const remove = OpenFeatureHook.add(SDK.OpenFeature, hookOf({ [client.metadata.domain ?? ""]: true }))
      client.addHooks(
        OpenFeatureHook.make(FeatureHook.make("late", { before: () => ({ resolution: { value: false } }) }))
      )
      const value = yield* Effect.promise(() => client.getBooleanValue(client.metadata.domain ?? "", false))
      remove()
      assert.isTrue(value)
    }))

  it.effect("can be for one evaluation", () =>
    Effect.gen(function*() {
      const { flags } = yield* client({ sale: TestProvider.value(false) })
      const hook = hookOf({ sale: true })
      assert.isTrue(yield* flags.boolean("sale", false, { hooks: [hook] }))
      assert.isTrue(yield* FeatureFlags.withHooks(hook)(flags.boolean("sale", false)))
      assert.isFalse(yield* flags.boolean("sale", true))
    }))

  const wrong: ReadonlyArray<readonly [name: string, overrides: unknown, message: RegExp]> = [
    ["a text", "sale", /overrides: must be an object by flag key, or a list of rules/],
    ["a Map", new Map(), /overrides: must be an object by flag key/],
    ["undefined as a value", { sale: undefined }, /flag "sale" has no value/],
    ["a function", { sale: () => true }, /flag "sale" has a function in its value/],
    ["NaN", { sale: Number.NaN }, /flag "sale" has a number that is not finite/],
    ["a date", { sale: { value: new Date() } }, /flag "sale" has an object in its value that is not plain/],
    ["a bigint deep inside", { sale: { a: [{ b: 1n }] } }, /flag "sale" has a bigint in its value/],
    [
      "a key __proto__ deep inside",
      { sale: JSON.parse("{\"a\":{\"__proto__\":1}}") },
      /flag "sale" has the key __proto__/
    ],
    [
      "a misspelt field",
      { sale: { value: secret, varaint: "a" } },
      /flag "sale" has the unknown field "varaint"; write/
    ],
    ["an empty variant", { sale: { value: secret, variant: "" } }, /flag "sale" has a variant that is not a text/],
    ["no subject", { sale: { value: secret, subjects: [] } }, /flag "sale" has subjects that are not a list/],
    ["a subject that is a number", { sale: { value: secret, subjects: [1] } }, /flag "sale" has subjects that are not/],
    ["a rule without flags", [{ value: secret }], /rule 1 needs flags/],
    ["a rule that is no object", [{ flags: "a", value: true }, secret], /rule 2 is not an object/],
    ["a rule with an unknown field", [{ flag: "sale", value: secret }], /rule 1 has the unknown field "flag"/],
    [
      "a getter that throws",
      Object.defineProperty({}, "sale", {
        enumerable: true,
        get: () => {
          throw new Error(secret)
        }
      }),
      /overrides: cannot be read/
    ]
  ]
  it.each(wrong)("refuses %s, and says nothing of its value", (_name, overrides, message) => {
    const text = rangeError(() => hookOf(Function.cast(overrides)))
    assert.match(text, message)
    assert.notInclude(text, secret)
  })

  it("refuses a value that is nested too deeply, and one with a cycle", () => {
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    assert.match(rangeError(() => hookOf({ sale: Function.cast(cycle) })), /nested deeper than 32 levels/)
    const deep = JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`)
    assert.match(rangeError(() => hookOf({ sale: deep })), /nested deeper than 32 levels/)
  })

  it("refuses to be created without saying whether it is enabled", () => {
    const options = Function.cast<object, OverrideHook.Options>({ overrides: { sale: true } })
    assert.match(rangeError(() => OverrideHook.make(options)), /OverrideHook.make: enabled must be true or false/)
    assert.match(
      rangeError(() => OverrideHook.makeUnsafe({ enabled: true, sources: [Function.cast({ name: "file" })] })),
      /sources must be a list of sources/
    )
  })
})
