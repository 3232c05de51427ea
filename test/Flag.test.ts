import { FlagdProvider } from "@openfeature/flagd-provider"
import type * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Exit, JsonSchema, Result, Schema, SchemaRepresentation, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expectTypeOf } from "vitest"
import { type EvaluationDetails, FeatureFlags, Flag, FlagFilter, OpenFeatureHook } from "effect-openfeature"
import { RecordingHook, TestProvider } from "effect-openfeature/testing"
import { untyped } from "./faults/harness.ts"
import manifestSchema from "./flag-manifest.schema.json" with { type: "json" }
import { client, newDomain, paths, plainClient, rangeError } from "./support.ts"

const LimitsSchema = Schema.Struct({ daily: Schema.Number, since: Schema.DateFromString })

const Sale = Flag.boolean("sale", {
  default: false,
  description: "Shows the prices of the sale",
  owner: "team-shop",
  expiry: "2027-01-31"
})
const Theme = Flag.string("theme", { default: "" })
const Discount = Flag.number("discount", { default: 1 })
const MaxItems = Flag.integer("max-items", { default: 20 })
const Layout = Flag.object("layout", { default: { columns: 2 } })
const Limits = Flag.object("limits", { schema: LimitsSchema, default: { daily: 100, since: new Date(0) } })

const all = [Sale, Theme, Discount, MaxItems, Layout, Limits]

describe("a definition", () => {
  it("has what it is given, and is frozen", () => {
    assert.deepStrictEqual({ ...Sale }, {
      key: "sale",
      type: "boolean",
      default: false,
      description: "Shows the prices of the sale",
      owner: "team-shop",
      expiry: "2027-01-31T00:00:00.000Z"
    })
    assert.deepStrictEqual({ ...Theme }, {
      key: "theme",
      type: "string",
      default: "",
      description: undefined,
      owner: undefined,
      expiry: undefined
    })
    assert.deepStrictEqual(all.map(({ type }) => type), ["boolean", "string", "number", "integer", "object", "object"])
    assert.isTrue(all.every(Object.isFrozen))
  })

  it("keeps its default value when the caller's object changes", () => {
    const given = { columns: [1, 2] }
    const flag = Flag.object("layout", { default: given })
    given.columns.push(3)
    assert.deepStrictEqual(flag.default, { columns: [1, 2] })
    assert.isTrue(Object.isFrozen(flag.default["columns"]))
  })

  it("keeps instances of a class as its default value", () => {
    class Plan extends Schema.Class<Plan>("Plan")({ name: Schema.String }) {}
    const flag = Flag.object("plan", { schema: Plan, default: new Plan({ name: "free" }) })
    assert.instanceOf(flag.default, Plan)
  })

  const expiries: ReadonlyArray<readonly [expiry: Flag.Time, iso: string]> = [
    ["2027-01-31", "2027-01-31T00:00:00.000Z"],
    ["2027-01-31T18:00Z", "2027-01-31T18:00:00.000Z"],
    ["2027-01-31T18:00:30.5+02:00", "2027-01-31T16:00:30.500Z"],
    [new Date(0), "1970-01-01T00:00:00.000Z"],
    [DateTime.makeUnsafe("2027-01-31T18:00:00Z"), "2027-01-31T18:00:00.000Z"]
  ]
  for (const [expiry, iso] of expiries) {
    it(`takes the expiry ${String(expiry)}`, () => {
      assert.strictEqual(Flag.boolean("sale", { default: false, expiry }).expiry, iso)
    })
  }

  const cyclic: Record<string, unknown> = {}
  cyclic["self"] = cyclic
  const unset = { default: undefined }
  const misuses: ReadonlyArray<readonly [what: string, misuse: () => unknown, message: string]> = [
    ["an empty key", () => Flag.boolean("", { default: false }), "Flag.boolean: key must be a text that is not empty"],
    ["a key of a wrong type", () => Flag.object(untyped(5), { default: {} }), "Flag.object: key must be a text"],
    ["no options", () => Flag.boolean("sale", untyped(undefined)), "Flag.boolean: the argument must be an object"],
    ["no default value", () => Flag.boolean("sale", untyped({})), "Flag.boolean: default must be true or false"],
    ["a text for a boolean", () => Flag.boolean("sale", untyped({ default: "true" })), "default must be true or false"],
    [
      "a number for a string",
      () => Flag.string("theme", untyped({ default: 5 })),
      "Flag.string: default must be a str"
    ],
    ["no string", () => Flag.string("theme", untyped(unset)), "Flag.string: default must be a string"],
    ["a text for a number", () => Flag.number("n", untyped({ default: "5" })), "Flag.number: default must be a finite"],
    [
      "NaN for a number",
      () => Flag.number("n", { default: Number.NaN }),
      "Flag.number: default must be a finite number"
    ],
    ["a fraction", () => Flag.integer("n", { default: 0.5 }), "Flag.integer: default must be an integer, got 0.5"],
    [
      "a list",
      () => Flag.object("o", { default: untyped<Flag.Structure>([1]) }),
      "Flag.object: default must be an object that JSON can"
    ],
    [
      "null",
      () => Flag.object("o", { default: untyped<Flag.Structure>(null) }),
      "Flag.object: default must be an object that JSON can"
    ],
    [
      "a date",
      () => Flag.object("o", { default: { at: untyped<string>(new Date(0)) } }),
      "Flag.object: default must be an obj"
    ],
    [
      "a cycle",
      () => Flag.object("o", { default: untyped<Flag.Structure>(cyclic) }),
      "Flag.object: default must be an object that JSON"
    ],
    [
      "a default value that the schema cannot encode",
      () =>
        Flag.object("limits", {
          schema: LimitsSchema,
          default: untyped<typeof LimitsSchema.Type>({ daily: 5, since: "today" })
        }),
      "Flag.object: default must be a value that the schema can encode"
    ],
    [
      "no default value for a schema",
      () => Flag.object("limits", untyped<Flag.Options<Flag.Structure>>({ schema: LimitsSchema })),
      "Flag.object: default must be a value that the schema can encode"
    ],
    [
      "a schema that encodes to a text",
      () => Flag.object("limits", { schema: Schema.DateFromString, default: new Date(0) }),
      "Flag.object: the encoded default must be an object"
    ],
    [
      "no schema",
      () => Flag.object("o", untyped<Flag.Options<Flag.Structure>>({ schema: {}, default: {} })),
      "Flag.object: schema must be a Schema"
    ],
    [
      "a misspelt option",
      () => Flag.boolean("sale", untyped({ default: false, expires: "x" })),
      `there is no option "expires"`
    ],
    ["a schema for a boolean", () => Flag.boolean("sale", untyped({ default: false, schema: {} })), `option "schema"`],
    ["an empty owner", () => Flag.boolean("sale", { default: false, owner: "" }), "Flag.boolean: owner must be a text"],
    ["no description", () => Flag.boolean("sale", { default: false, description: "" }), "description must be a text"],
    ...["soon", "31.01.2027", "2027-02-30", "2027-13-01", "2027-01-31T18:00", "2027-01-31T25:00Z", new Date(Number.NaN)]
      .map((expiry) =>
        [
          `the expiry ${String(expiry)}`,
          () => Flag.boolean("sale", { default: false, expiry }),
          "Flag.boolean: expiry must be an ISO date, an ISO time with a zone, or a date, got"
        ] as const
      ),
    ["an expiry in milliseconds", () => Flag.boolean("sale", { default: false, expiry: untyped(5) }), "expiry must be"]
  ]
  for (const [what, misuse, message] of misuses) {
    it(`is refused by name with ${what}`, () => {
      assert.include(rangeError(misuse), message)
    })
  }

  it("tells flags from other values", () => {
    assert.isTrue(all.every(Flag.isFlag))
    const others: ReadonlyArray<unknown> = [
      undefined,
      null,
      "sale",
      {},
      { ...Sale },
      new Proxy({}, {
        getPrototypeOf: () => {
          throw new Error("trap")
        }
      })
    ]
    assert.isFalse(others.some(Flag.isFlag))
  })
})

interface Evaluate {
  <A>(
    flag: Flag.Flag<A>,
    hook?: RecordingHook.RecordingHook["hook"]
  ): Effect.Effect<EvaluationDetails.EvaluationDetails<A>>
}

interface Evaluating {
  readonly value: <A>(flag: Flag.Flag<A>) => Effect.Effect<A>
  readonly details: Evaluate
  readonly provider: TestProvider.TestProvider
}

type Clients = ReadonlyArray<
  readonly [
    name: string,
    make: (flags: Readonly<Record<string, TestProvider.Answer>>) => Effect.Effect<Evaluating, unknown, Scope.Scope>
  ]
>

const context = { targetingKey: "user-1" }

/** The same evaluations with each of the two clients. */
const clients: Clients = [
  ["FeatureFlags", (answers) =>
    Effect.map(client(answers), ({ flags, provider }) => ({
      value: (flag) => flags.get(flag, { context }),
      details: (flag, hook) => flags.details(flag, { context, hooks: hook === undefined ? [] : [hook] }),
      provider
    }))],
  ["the plain SDK", (answers) =>
    Effect.map(plainClient({ flags: answers }), ({ client, provider }) => ({
      value: (flag) => Effect.promise(() => Flag.evaluate(client, flag, context)),
      details: (flag, hook) =>
        Effect.promise(() =>
          Flag.details(client, flag, context, { hooks: hook === undefined ? [] : [OpenFeatureHook.make(hook)] })
        ),
      provider
    }))]
]

const resolved = {
  sale: TestProvider.value(true, { variant: "on", reason: "TARGETING_MATCH", flagMetadata: { v: 1 } }),
  theme: TestProvider.value("dark"),
  discount: TestProvider.value(0.5),
  "max-items": TestProvider.value(30),
  layout: TestProvider.value({ columns: 3 }),
  limits: TestProvider.value({ daily: 5, since: "2026-01-01T00:00:00.000Z" })
}

for (const [name, make] of clients) {
  describe(`a defined flag, evaluated with ${name},`, () => {
    it.effect("has the value of the provider, decoded by its schema", () =>
      Effect.gen(function*() {
        const { details, provider, value } = yield* make(resolved)
        assert.strictEqual(yield* value(Sale), true)
        assert.strictEqual(yield* value(Theme), "dark")
        assert.strictEqual(yield* value(Discount), 0.5)
        assert.strictEqual(yield* value(MaxItems), 30)
        assert.deepStrictEqual(yield* value(Layout), { columns: 3 })
        assert.deepStrictEqual(yield* value(Limits), { daily: 5, since: new Date("2026-01-01") })
        assert.deepStrictEqual(yield* details(Sale), {
          flagKey: "sale",
          value: true,
          variant: "on",
          reason: "TARGETING_MATCH",
          flagMetadata: { v: 1 }
        })
        const calls = yield* provider.calls
        assert.deepStrictEqual(
          calls.slice(0, 6).map(({ context, defaultValue, flagKey, flagValueType }) => [
            flagKey,
            flagValueType,
            defaultValue,
            context.targetingKey
          ]),
          [
            ["sale", "boolean", false, "user-1"],
            ["theme", "string", "", "user-1"],
            ["discount", "number", 1, "user-1"],
            ["max-items", "number", 20, "user-1"],
            ["layout", "object", { columns: 2 }, "user-1"],
            ["limits", "object", { daily: 100, since: "1970-01-01T00:00:00.000Z" }, "user-1"]
          ]
        )
      }))

    it.effect("has its default value when it is missing", () =>
      Effect.gen(function*() {
        const { details, value } = yield* make({})
        for (const flag of all) {
          assert.strictEqual(yield* value<unknown>(flag), flag.default)
          const { errorCode, value: found } = yield* details<unknown>(flag)
          assert.deepStrictEqual([errorCode, found], ["FLAG_NOT_FOUND", flag.default])
        }
      }))

    for (const [path, change] of paths) {
      it.effect(`refuses a value of another type, and hooks see the error, ${path}`, () =>
        Effect.gen(function*() {
          const { details, value } = yield* make({
            sale: TestProvider.value("secret"),
            theme: TestProvider.value(5),
            discount: TestProvider.value("secret"),
            "max-items": TestProvider.value(2.5),
            layout: TestProvider.value(["secret"]),
            limits: TestProvider.value({ daily: "secret" })
          })
          const expected: ReadonlyArray<readonly [flag: Flag.Any, expected: string]> = [
            [Sale, "a boolean"],
            [Theme, "a string"],
            [Discount, "a number"],
            [MaxItems, "an integer"],
            [Layout, "a structure"],
            [Limits, `what the schema describes, at ["daily"]`]
          ]
          for (const [flag, what] of expected) {
            assert.strictEqual(yield* value(flag), flag.default)
            const recording = yield* RecordingHook.make("r")
            const found = yield* details(flag, change(recording.hook))
            assert.strictEqual(found.value, flag.default)
            assert.strictEqual(found.errorCode, "TYPE_MISMATCH")
            assert.strictEqual(found.errorMessage, `the flag's value is not ${what}`)
            assert.isTrue(Object.isFrozen(found))
            assert.deepStrictEqual(yield* recording.stages, ["r.before", "r.error", "r.finally"])
            assert.strictEqual((yield* recording.entries)[2]?.details?.errorMessage, found.errorMessage)
          }
        }))
    }
  })
}

describe("the plain SDK", () => {
  it.effect("gives the default value for a context and options that cannot be read", () =>
    Effect.gen(function*() {
      const { client } = yield* plainClient({ flags: resolved })
      const trap = () => {
        throw new Error("trap")
      }
      const hostile = new Proxy({}, { get: trap, ownKeys: trap, has: trap })
      const details = yield* Effect.promise(() => Flag.details(client, Sale, hostile))
      assert.deepStrictEqual([details.value, details.errorCode], [false, "GENERAL"])
      const options: SDK.FlagEvaluationOptions = untyped({ hooks: 5 })
      assert.strictEqual(yield* Effect.promise(() => Flag.evaluate(client, Sale, {}, options)), false)
    }))

  it.effect("passes hooks and hints on", () =>
    Effect.gen(function*() {
      const { client } = yield* plainClient({ flags: resolved })
      const seen: Array<unknown> = []
      const hook: SDK.Hook = { before: (_context, hints) => void seen.push(hints?.["id"]) }
      yield* Effect.promise(() => Flag.evaluate(client, Sale, {}, { hooks: [hook], hookHints: { id: 5 } }))
      assert.deepStrictEqual(seen, [5])
    }))

  it.effect("rejects with the name of the function for what is no flag", () =>
    Effect.gen(function*() {
      const { client } = yield* plainClient({ flags: resolved })
      const rejection = (evaluate: () => Promise<unknown>) =>
        Effect.promise(() => evaluate().then(() => "no rejection", (error: unknown) => String(error)))
      const value = yield* rejection(() => Flag.evaluate(client, untyped<Flag.Any>("sale")))
      assert.strictEqual(value, "RangeError: Flag.evaluate: flag must be a Flag, got sale")
      const details = yield* rejection(() => Flag.details(client, untyped<Flag.Any>({ ...Sale })))
      assert.include(details, "RangeError: Flag.details: flag must be a Flag, got {")
    }))
})

describe("FeatureFlags", () => {
  it.effect("names the function for what is no flag", () =>
    Effect.gen(function*() {
      const { flags } = yield* client(resolved)
      const message = "flag must be a Flag, got sale"
      assert.strictEqual(rangeError(() => flags.get(untyped<Flag.Any>("sale"))), `FeatureFlags.get: ${message}`)
      assert.strictEqual(
        rangeError(() => flags.getOrFail(untyped<Flag.Any>("sale"))),
        `FeatureFlags.getOrFail: ${message}`
      )
      assert.strictEqual(rangeError(() => flags.details(untyped<Flag.Any>("sale"))), `FeatureFlags.details: ${message}`)
    }))

  it.effect("gives the value or the typed error in one step", () =>
    Effect.gen(function*() {
      const { flags } = yield* client({ ...resolved, limits: TestProvider.value({ daily: "secret" }) })
      assert.strictEqual(yield* flags.getOrFail(Sale), true)
      const error = yield* Effect.flip(flags.getOrFail(Limits))
      assert.deepStrictEqual([error._tag, error.code, error.flagKey], ["EvaluationError", "TYPE_MISMATCH", "limits"])
    }))
})

describe("the compiler", () => {
  it("knows the type of a flag", () => {
    expectTypeOf(Sale).toEqualTypeOf<Flag.Flag<boolean>>()
    expectTypeOf(MaxItems).toEqualTypeOf<Flag.Flag<number>>()
    expectTypeOf(Layout).toEqualTypeOf<Flag.Flag<Flag.Structure>>()
    expectTypeOf<Flag.Value<typeof Limits>>().toEqualTypeOf<{ readonly daily: number; readonly since: Date }>()
    expectTypeOf(FeatureFlags.get(Sale)).toEqualTypeOf<Effect.Effect<boolean, never, FeatureFlags.FeatureFlags>>()
    expectTypeOf<typeof Flag.evaluate<boolean>>().returns.toEqualTypeOf<Promise<boolean>>()
    const anyFlag: Flag.Any = Limits
    assert.strictEqual(anyFlag, Limits)
  })

  it("refuses what is of a wrong type", () => {
    const never = (): void => {
      const sdk = untyped<SDK.Client>(undefined)
      // @ts-expect-error the default value is no boolean
      Flag.boolean("sale", { default: "no" })
      // @ts-expect-error the default value is no string
      Flag.string("theme", { default: 5 })
      // @ts-expect-error the default value is no number
      Flag.number("discount", { default: "5" })
      // @ts-expect-error there is no default value
      Flag.integer("max-items", {})
      // @ts-expect-error the default value is no structure
      Flag.object("layout", { default: "wide" })
      // @ts-expect-error the default value is not what the schema describes
      Flag.object("limits", { schema: LimitsSchema, default: { daily: "5", since: new Date(0) } })
      // @ts-expect-error there is no such option
      Flag.boolean("sale", { default: false, expires: "2027-01-31" })
      // @ts-expect-error a key is no flag
      FeatureFlags.get("sale")
      // @ts-expect-error only the constructors make flags
      FeatureFlags.get({ key: "sale", type: "boolean", default: false })
      // @ts-expect-error the flag is no string
      const text: Effect.Effect<string, unknown, unknown> = FeatureFlags.get(Sale)
      // @ts-expect-error the flag is no string
      const promised: Promise<string> = Flag.evaluate(sdk, Sale)
      // @ts-expect-error the default value is part of the definition
      FeatureFlags.get(Sale, true)
      // @ts-expect-error a flag is frozen
      Sale.default = true
      // @ts-expect-error a filter is no flag
      Flag.manifest([FlagFilter.all])
      void [text, promised]
    }
    assert.isFunction(never)
  })
})

describe("expired flags", () => {
  const flags = [
    Flag.boolean("gone", { default: false, expiry: "2026-01-01" }),
    Flag.boolean("new", { default: false, expiry: "2026-06-01T12:00:00Z" }),
    Flag.boolean("forever", { default: false })
  ]
  const keys = (flags: ReadonlyArray<Flag.Any>) => flags.map(({ key }) => key)

  it.effect("are those of which the expiry has come, by the Clock", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Flag.expired(flags), [])
      yield* TestClock.setTime(Date.UTC(2026, 5, 1, 11, 59, 59, 999))
      assert.deepStrictEqual(keys(yield* Flag.expired(flags)), ["gone"])
      yield* TestClock.adjust("1 milli")
      assert.deepStrictEqual(keys(yield* Flag.expired(flags)), ["gone", "new"])
    }))

  it("are told for any time", () => {
    assert.deepStrictEqual(keys(Flag.expiredAt(flags, "2025-12-31")), [])
    assert.deepStrictEqual(keys(Flag.expiredAt(new Set(flags), new Date("2026-01-01"))), ["gone"])
    assert.include(rangeError(() => Flag.expiredAt(flags, "soon")), "Flag.expiredAt: time must be an ISO date")
  })

  it("keep their type", () => {
    expectTypeOf(Flag.expiredAt([Sale], "2027-01-31")).toEqualTypeOf<ReadonlyArray<Flag.Flag<boolean>>>()
  })
})

describe("a flag manifest", () => {
  const decode = Schema.decodeUnknownResult(
    untyped<Schema.Codec<unknown>>(
      SchemaRepresentation.fromJsonSchemaDocument(JsonSchema.fromSchemaDraft2020_12(manifestSchema))
    ),
    { onExcessProperty: "error" }
  )
  const isManifest = (value: unknown) => Result.isSuccess(decode(value))

  it("lists flags with their types, default values and descriptions", () => {
    assert.deepStrictEqual(Flag.manifest(all), {
      $schema: "https://raw.githubusercontent.com/open-feature/cli/refs/heads/main/schema/v0/flag-manifest.json",
      flags: {
        sale: { flagType: "boolean", defaultValue: false, description: "Shows the prices of the sale" },
        theme: { flagType: "string", defaultValue: "" },
        discount: { flagType: "float", defaultValue: 1 },
        "max-items": { flagType: "integer", defaultValue: 20 },
        layout: { flagType: "object", defaultValue: { columns: 2 } },
        limits: { flagType: "object", defaultValue: { daily: 100, since: "1970-01-01T00:00:00.000Z" } }
      }
    })
  })

  it("is what the JSON schema of the OpenFeature CLI describes", () => {
    assert.isTrue(isManifest(JSON.parse(JSON.stringify(Flag.manifest(all)))))
    assert.isFalse(isManifest({ flags: { sale: { flagType: "boolean", defaultValue: "no" } } }))
    assert.isFalse(isManifest({ flags: { sale: { flagType: "boolean", defaultValue: false, owner: "x" } } }))
  })

  it("keeps the order, and any key", () => {
    const flags = ["b", "a", "__proto__", "constructor"].map((key) => Flag.boolean(key, { default: true }))
    const manifest = Flag.manifest(flags)
    assert.deepStrictEqual(Object.keys(manifest.flags), ["b", "a", "__proto__", "constructor"])
    assert.strictEqual(Object.getPrototypeOf(manifest.flags), Object.prototype)
  })

  it("refuses two flags with the same key, and what is no flag, by name", () => {
    const again = Flag.string("sale", { default: "" })
    assert.strictEqual(rangeError(() => Flag.manifest([Sale, again])), "Flag.manifest: two flags have the key sale")
    assert.strictEqual(rangeError(() => Flag.flagd([Sale, Sale])), "Flag.flagd: two flags have the key sale")
    assert.include(rangeError(() => Flag.manifest([untyped({ ...Sale })])), "Flag.manifest: flag must be a Flag, got {")
  })
})

describe("the file of flagd", () => {
  it("has variants for the default value, and metadata", () => {
    const { $schema, flags } = Flag.flagd(all)
    assert.strictEqual($schema, "https://flagd.dev/schema/v0/flags.json")
    assert.deepStrictEqual(flags["sale"], {
      state: "ENABLED",
      variants: { on: true, off: false },
      defaultVariant: "off",
      metadata: {
        description: "Shows the prices of the sale",
        owner: "team-shop",
        expiry: "2027-01-31T00:00:00.000Z"
      }
    })
    assert.deepStrictEqual(flags["limits"], {
      state: "ENABLED",
      variants: { default: { daily: 100, since: "1970-01-01T00:00:00.000Z" } },
      defaultVariant: "default",
      metadata: {}
    })
    const on = Flag.flagd([Flag.boolean("on", { default: true })])
    assert.strictEqual(on.flags["on"]?.defaultVariant, "on")
  })

  it.effect("is what flagd evaluates", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "flagd-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      const path = join(folder, "flags.json")
      writeFileSync(path, JSON.stringify(Flag.flagd(all)))
      const flags = yield* FeatureFlags.make({
        domain: newDomain(),
        provider: Effect.sync(() => new FlagdProvider({ resolverType: "in-process", offlineFlagSourcePath: path }))
      })
      for (const flag of all) {
        const details = yield* flags.details<unknown>(flag)
        assert.deepStrictEqual([details.errorCode, details.value], [undefined, flag.default], flag.key)
      }
      const { flagMetadata, variant } = yield* flags.details(Sale)
      assert.strictEqual(variant, "off")
      assert.strictEqual(flagMetadata["owner"], "team-shop")
      const missing = yield* Effect.exit(flags.getOrFail(Flag.boolean("missing", { default: false })))
      assert.isTrue(Exit.isFailure(missing))
    }))
})
