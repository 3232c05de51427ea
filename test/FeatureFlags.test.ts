import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Option, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { expectTypeOf } from "vitest"
import {
  type EvaluationContext,
  type EvaluationDetails,
  EvaluationError,
  FeatureFlags,
  FeatureHook,
  Flag,
  HookHints,
  OpenFeatureHook
} from "effect-openfeature"
import { RecordingHook, TestProvider } from "effect-openfeature/testing"
import { client, collectFailures, deferred, type LogRecord, logsTo, newDomain, paths, turns, until } from "./support.ts"

class Region extends Context.Service<Region, string>()("test/Region") {}

const all = {
  bool: TestProvider.value(true, { variant: "on", reason: "TARGETING_MATCH", flagMetadata: { v: 1 } }),
  text: TestProvider.value("blue"),
  number: TestProvider.value(5),
  object: TestProvider.value({ a: [1, { b: true }] }),
  bad: TestProvider.error("PARSE_ERROR", "cannot parse"),
  throwing: TestProvider.throwing(new Error("thrown"))
}

describe("an evaluation", () => {
  it.effect("gives values and details of every type", () =>
    Effect.gen(function*() {
      const { flags, provider } = yield* client(all)
      assert.strictEqual(yield* flags.boolean("bool", false), true)
      assert.strictEqual(yield* flags.string("text", "red"), "blue")
      assert.strictEqual(yield* flags.number("number", 0), 5)
      assert.deepStrictEqual(yield* flags.object("object", {}), { a: [1, { b: true }] })
      assert.deepStrictEqual(yield* flags.booleanDetails("bool", false), {
        flagKey: "bool",
        value: true,
        variant: "on",
        reason: "TARGETING_MATCH",
        flagMetadata: { v: 1 }
      })
      assert.strictEqual((yield* flags.stringDetails("text", "red")).value, "blue")
      assert.strictEqual((yield* flags.numberDetails("number", 0)).value, 5)
      assert.deepStrictEqual((yield* flags.objectDetails("object", {})).value, { a: [1, { b: true }] })
      const types = (yield* provider.calls).map(({ flagValueType }) => flagValueType)
      assert.deepStrictEqual(types, [
        "boolean",
        "string",
        "number",
        "object",
        "boolean",
        "string",
        "number",
        "object"
      ])
    }))

  it.effect("never fails: there is the default value, and details say why", () =>
    Effect.gen(function*() {
      const { flags } = yield* client(all)
      const missing = yield* flags.numberDetails("missing", 7)
      assert.deepStrictEqual([missing.value, missing.errorCode, missing.reason], [7, "FLAG_NOT_FOUND", "ERROR"])
      const bad = yield* flags.stringDetails("bad", "x")
      assert.deepStrictEqual([bad.value, bad.errorCode, bad.errorMessage], ["x", "PARSE_ERROR", "cannot parse"])
      const thrown = yield* flags.booleanDetails("throwing", true)
      assert.deepStrictEqual([thrown.value, thrown.errorCode], [true, "GENERAL"])
    }))

  for (const [path, change] of paths) {
    it.effect(`gives TYPE_MISMATCH for a value of another type, and hooks see an error, ${path}`, () =>
      Effect.gen(function*() {
        const { flags } = yield* client(all)
        const evaluations: ReadonlyArray<
          (
            options?: FeatureFlags.EvaluationOptions<FeatureHook.FeatureHook>
          ) => Effect.Effect<EvaluationDetails.EvaluationDetails>
        > = [
          (options) => flags.booleanDetails("text", false, options),
          (options) => flags.stringDetails("number", "s", options),
          (options) => flags.numberDetails("bool", 1, options),
          (options) => flags.objectDetails("text", { d: 1 }, options)
        ]
        for (const evaluate of evaluations) {
          const recording = yield* RecordingHook.make("r")
          const details = yield* evaluate({ hooks: [change(recording.hook)] })
          assert.strictEqual(details.errorCode, "TYPE_MISMATCH")
          assert.deepStrictEqual(yield* recording.stages, ["r.before", "r.error", "r.finally"])
          assert.strictEqual((yield* recording.entries)[1]?.error?.code, "TYPE_MISMATCH")
          assert.strictEqual((yield* recording.entries)[2]?.details?.errorCode, "TYPE_MISMATCH")
          assert.deepStrictEqual((yield* evaluate()).errorCode, "TYPE_MISMATCH")
        }
        const plain: Array<string> = []
        flags.client.addHooks({
          after: () => void plain.push("after"),
          error: () => void plain.push("error")
        })
        assert.strictEqual(yield* flags.string("number", "default"), "default")
        assert.deepStrictEqual(plain, ["error"])
      }))
  }

  it.effect("does not type-check with a transaction that was not called, since pipe would lose all types", () =>
    Effect.gen(function*() {
      const sale = FeatureFlags.boolean("sale", false)
      const called = sale.pipe(FeatureFlags.transaction())
      // @ts-expect-error it takes options here
      sale.pipe(FeatureFlags.transaction)
      const { record, value } = yield* Effect.provide(called, FeatureFlags.layer({ domain: newDomain() }))
      assert.deepStrictEqual([value, record.evaluations], [false, 1])
    }))

  it.effect("with a misspelt option gives the default value, and says which it is", () =>
    Effect.gen(function*() {
      const { flags, provider } = yield* client({ a: TestProvider.value(true) })
      const records: Array<LogRecord> = []
      const details = yield* flags.booleanDetails(
        "a",
        false,
        // @ts-expect-error it is no option
        { contxt: { targetingKey: "u" } }
      ).pipe(Effect.provide(logsTo(records)))
      assert.deepStrictEqual(records.map(({ message }) => message), [details.errorMessage])
      assert.strictEqual(details.value, false)
      assert.strictEqual(
        details.errorMessage,
        "the evaluation: there is no option \"contxt\"; did you mean \"context\"?"
      )
      assert.deepStrictEqual(yield* provider.calls, [])
    }))

  it.effect("survives options and a context that cannot be read", () =>
    Effect.gen(function*() {
      const { flags } = yield* client(all)
      const trap = () => {
        throw new Error("trap")
      }
      const proxy: EvaluationContext.EvaluationContext = new Proxy({}, { get: trap, ownKeys: trap, has: trap })
      const details = yield* flags.booleanDetails("bool", false, { context: proxy })
      assert.deepStrictEqual([details.value, details.errorCode], [false, "GENERAL"])
      // @ts-expect-error options are a record
      assert.strictEqual(yield* flags.boolean("bool", false, null), true)
      const notHooks: ReadonlyArray<unknown> = [5, "text", [{ before: () => undefined }], [null]]
      for (const hooks of notHooks) {
        const options = { hooks } as FeatureFlags.EvaluationOptions
        const { errorCode, value } = yield* flags.booleanDetails("bool", false, options)
        assert.deepStrictEqual([value, errorCode], [false, "GENERAL"])
      }
    }))

  it.effect("gives the default value for details that cannot be read", () =>
    Effect.gen(function*() {
      const { flags } = yield* client(all)
      flags.client.addHooks({
        finally: (_context, details) => {
          Object.defineProperty(details, "errorCode", {
            enumerable: true,
            get: () => {
              throw new Error("getter")
            }
          })
        }
      })
      const fiber = yield* Effect.forkChild(flags.booleanDetails("bool", false))
      yield* until(() => fiber.pollUnsafe() !== undefined)
      const details = yield* Fiber.join(fiber)
      assert.deepStrictEqual([details.value, details.errorCode], [false, "GENERAL"])
    }))

  it.effect("finishes its hooks when the SDK gives up", () =>
    Effect.gen(function*() {
      for (const [, change] of paths) {
        const { flags } = yield* client(all)
        flags.client.addHooks({
          finally: () => {
            throw Symbol("hostile")
          }
        })
        const recording = yield* RecordingHook.make("r")
        flags.client.addHooks({
          error: () => {
            throw Object.create(null)
          }
        })
        const details = yield* flags.booleanDetails("bad", false, { hooks: [change(recording.hook)] })
        assert.strictEqual(details.value, false)
        assert.isDefined(details.errorCode)
        assert.deepStrictEqual(yield* recording.stages, ["r.before", "r.error", "r.finally"])
      }
    }))

  it.effect("gives a default value of an object as it is", () =>
    Effect.gen(function*() {
      const { flags } = yield* client(all)
      const byDefault = Object.freeze({ d: Object.freeze([1]) })
      assert.deepStrictEqual(yield* flags.object("missing", byDefault), { d: [1] })
    }))
})

describe("an object flag with a schema", () => {
  const Theme = Schema.Struct({ color: Schema.String, since: Schema.DateFromString })
  const since = new Date("2020-01-01T00:00:00.000Z")
  const byDefault = { color: "grey", since: new Date(0) }
  const flagsOf = client({
    good: TestProvider.value({ color: "blue", since: "2020-01-01T00:00:00.000Z" }),
    bad: TestProvider.value({ color: 5 })
  })

  for (const [path, change] of paths) {
    it.effect(`decodes the value, while hooks see the encoded form, ${path}`, () =>
      Effect.gen(function*() {
        const { flags, provider } = yield* flagsOf
        const recording = yield* RecordingHook.make("r")
        const value = yield* flags.object("good", byDefault, { schema: Theme, hooks: [change(recording.hook)] })
        expectTypeOf(value).toEqualTypeOf<{ readonly color: string; readonly since: Date }>()
        assert.deepStrictEqual(value, { color: "blue", since })
        const [call] = yield* provider.calls
        assert.deepStrictEqual(call?.defaultValue, { color: "grey", since: "1970-01-01T00:00:00.000Z" })
        const after = (yield* recording.entries)[1]
        assert.deepStrictEqual(after?.details?.value, { color: "blue", since: "2020-01-01T00:00:00.000Z" })
      }))

    it.effect(`gives the default value when the value does not fit, ${path}`, () =>
      Effect.gen(function*() {
        const { flags } = yield* flagsOf
        const recording = yield* RecordingHook.make("r")
        const details = yield* flags.objectDetails("bad", byDefault, {
          schema: Theme,
          hooks: [change(recording.hook)]
        })
        assert.strictEqual(details.value, byDefault)
        assert.strictEqual(details.errorCode, "TYPE_MISMATCH")
        assert.strictEqual(details.errorMessage, `the flag's value is not what the schema describes, at ["color"]`)
        assert.deepStrictEqual(yield* recording.stages, ["r.before", "r.error", "r.finally"])
      }))
  }

  it.effect("gives the very default value when the flag is missing, also one that cannot be encoded", () =>
    Effect.gen(function*() {
      const { flags } = yield* flagsOf
      assert.strictEqual(yield* flags.object("missing", byDefault, { schema: Theme }), byDefault)
      const odd = { color: "grey", since: new Date(Number.NaN) }
      assert.strictEqual(yield* flags.object("missing", odd, { schema: Theme }), odd)
    }))
})

describe("orFail", () => {
  it.effect("fails with the reason, and passes a value on", () =>
    Effect.gen(function*() {
      const { flags } = yield* client(all)
      assert.strictEqual((yield* FeatureFlags.orFail(flags.booleanDetails("bool", false))).value, true)
      const error = yield* Effect.flip(FeatureFlags.orFail(flags.booleanDetails("bad", false)))
      assert.instanceOf(error, EvaluationError.EvaluationError)
      assert.deepStrictEqual([error.code, error.message, error.flagKey], ["PARSE_ERROR", "cannot parse", "bad"])
    }))
})

describe("valueOrFail", () => {
  it.effect("gives the value, or fails with the reason", () =>
    Effect.gen(function*() {
      const { flags } = yield* client(all)
      assert.strictEqual(yield* FeatureFlags.valueOrFail(flags.numberDetails("number", 0)), 5)
      const error = yield* Effect.flip(FeatureFlags.valueOrFail(flags.stringDetails("bad", "")))
      assert.deepStrictEqual([error._tag, error.code, error.flagKey], ["EvaluationError", "PARSE_ERROR", "bad"])
    }))

  it("adds one failure, and takes nothing away", () => {
    const details = Effect.fail("other") as Effect.Effect<EvaluationDetails.EvaluationDetails<Date>, "other", Region>
    expectTypeOf(FeatureFlags.valueOrFail(details)).toEqualTypeOf<
      Effect.Effect<Date, "other" | EvaluationError.EvaluationError, Region>
    >()
  })
})

describe("the functions of the module", () => {
  const Theme = Schema.Struct({ color: Schema.String })
  const Bool = Flag.boolean("bool", { default: false })
  const Bad = Flag.boolean("bad", { default: false })

  it.effect("do what the methods of the provided client do", () =>
    Effect.gen(function*() {
      const { flags, provider } = yield* client({ ...all, theme: TestProvider.value({ color: "blue" }) })
      const same = Effect.fnUntraced(function*<A, E>(
        accessor: Effect.Effect<A, E, FeatureFlags.FeatureFlags>,
        method: Effect.Effect<A, E>
      ) {
        const provided = yield* Effect.exit(Effect.provideService(accessor, FeatureFlags.FeatureFlags, flags))
        assert.deepStrictEqual(provided, yield* Effect.exit(method))
        const [first, second] = (yield* provider.calls).slice(-2)
        assert.deepStrictEqual(first, second)
      })
      const options = { context: { plan: "pro" } }
      const withSchema = { ...options, schema: Theme }
      const grey = { color: "grey" }
      yield* same(FeatureFlags.boolean("bool", false, options), flags.boolean("bool", false, options))
      yield* same(FeatureFlags.booleanDetails("bool", false, options), flags.booleanDetails("bool", false, options))
      yield* same(FeatureFlags.string("text", "red", options), flags.string("text", "red", options))
      yield* same(FeatureFlags.stringDetails("text", "red", options), flags.stringDetails("text", "red", options))
      yield* same(FeatureFlags.number("number", 0, options), flags.number("number", 0, options))
      yield* same(FeatureFlags.numberDetails("number", 0, options), flags.numberDetails("number", 0, options))
      yield* same(FeatureFlags.object("object", {}, options), flags.object("object", {}, options))
      yield* same(FeatureFlags.objectDetails("object", {}, options), flags.objectDetails("object", {}, options))
      yield* same(FeatureFlags.object("theme", grey, withSchema), flags.object("theme", grey, withSchema))
      yield* same(FeatureFlags.objectDetails("theme", grey, withSchema), flags.objectDetails("theme", grey, withSchema))
      yield* same(FeatureFlags.get(Bool, options), flags.get(Bool, options))
      yield* same(FeatureFlags.details(Bool, options), flags.details(Bool, options))
      yield* same(FeatureFlags.getOrFail(Bool, options), flags.getOrFail(Bool, options))
      yield* same(FeatureFlags.getOrFail(Bad, options), flags.getOrFail(Bad, options))
      yield* same(FeatureFlags.status, flags.status)
      assert.isTrue((yield* provider.calls).every(({ context }) => context["plan"] === "pro"))

      yield* FeatureFlags.track("order", { details: { value: 5 } }).pipe(
        Effect.provideService(FeatureFlags.FeatureFlags, flags)
      )
      assert.deepStrictEqual(yield* provider.tracked, ["order"])
      const first = yield* FeatureFlags.events.pipe(
        Stream.runHead,
        Effect.provideService(FeatureFlags.FeatureFlags, flags)
      )
      assert.deepStrictEqual(Option.map(first, ({ type }) => type), Option.some(SDK.ProviderEvents.Ready))
    }))

  it("require the client, and the services of their hooks", () => {
    const hook = FeatureHook.make("region", { before: () => Effect.asVoid(Region) })
    expectTypeOf(FeatureFlags.boolean("bool", false)).toEqualTypeOf<
      Effect.Effect<boolean, never, FeatureFlags.FeatureFlags>
    >()
    expectTypeOf(FeatureFlags.get(Bool, { hooks: [hook] })).toEqualTypeOf<
      Effect.Effect<boolean, never, FeatureFlags.FeatureFlags | Region>
    >()
    expectTypeOf(FeatureFlags.object("theme", { color: "grey" }, { schema: Theme, hooks: [hook] })).toEqualTypeOf<
      Effect.Effect<{ readonly color: string }, never, FeatureFlags.FeatureFlags | Region>
    >()
    expectTypeOf(FeatureFlags.getOrFail(Bool)).toEqualTypeOf<
      Effect.Effect<boolean, EvaluationError.EvaluationError, FeatureFlags.FeatureFlags>
    >()
  })
})

describe("the context", () => {
  for (const [path, change] of paths) {
    it.effect(`merges API, client, region, call and before hooks, later ones winning, ${path}`, () =>
      Effect.gen(function*() {
        SDK.OpenFeature.setContext({ api: 1, a: 1, b: 1, c: 1, d: 1, e: 1 })
        const { flags, provider } = yield* client(all, { context: { client: 1, b: 2, c: 2, d: 2, e: 2 } })
        const enrich = FeatureHook.make("enrich", { before: () => Effect.succeed({ context: { hook: 1, e: 6 } }) })
        yield* flags.boolean("bool", false, { context: { call: 1, d: 5, e: 5 }, hooks: [change(enrich)] }).pipe(
          FeatureFlags.withContext({ inner: 1, c: 4, d: 4, e: 4 }),
          FeatureFlags.withContext({ outer: 1, c: 3, d: 3, e: 3 })
        )
        assert.deepStrictEqual((yield* provider.calls)[0]?.context, {
          api: 1,
          client: 1,
          outer: 1,
          inner: 1,
          call: 1,
          hook: 1,
          a: 1,
          b: 2,
          c: 4,
          d: 5,
          e: 6
        })
      }).pipe(Effect.ensuring(Effect.sync(() => SDK.OpenFeature.setContext({})))))

    it.effect(`stays the caller's: nothing of what was given is written to, ${path}`, () =>
      Effect.gen(function*() {
        const { flags } = yield* client(all)
        const context = { plan: "pro", nested: { a: 1 } }
        const raw = { hint: 1, nested: { h: 1 } }
        const Key = HookHints.key<number>("k")
        const enrich = FeatureHook.make("enrich", {
          before: () => Effect.succeed({ context: { plan: "free", more: 1 }, hints: HookHints.make(Key, 1) })
        })
        flags.client.addHooks({ before: () => undefined })
        const hints = HookHints.fromRecord(raw)
        yield* flags.boolean("bool", false, { context, hints, hooks: [change(enrich)] })
        assert.deepStrictEqual(context, { plan: "pro", nested: { a: 1 } })
        assert.deepStrictEqual(raw, { hint: 1, nested: { h: 1 } })
        assert.isFalse(Object.isFrozen(context) || Object.isFrozen(raw) || Object.isFrozen(raw.nested))
        assert.deepStrictEqual(HookHints.toRecord(hints), { hint: 1, nested: { h: 1 } })
      }))
  }
})

describe("hints", () => {
  const Key = HookHints.key<string>("test.key")
  const Note = HookHints.key<string>("test.note")

  for (const [path, change] of paths) {
    it.effect(`are visible at every level and in every stage, also those that a hook adds, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const see = (where: string, hints: HookHints.HookHints) =>
          Effect.sync(() =>
            void seen.push(
              `${where}:${HookHints.getOrUndefined(hints, Key)},${HookHints.getOrUndefined(hints, Note) ?? "-"}`
            )
          )
        const looking = (name: string, note?: string) =>
          change(FeatureHook.make(name, {
            before: (_context, hints) =>
              Effect.as(
                see(`${name}.before`, hints),
                note === undefined ? undefined : { hints: HookHints.make(Note, note) }
              ),
            after: (_context, _details, hints) => see(`${name}.after`, hints),
            finally: (_context, _details, hints) => see(`${name}.finally`, hints)
          }))
        yield* OpenFeatureHook.register(SDK.OpenFeature, looking("api", "from api"))
        const { flags } = yield* client(all, { hooks: [looking("client")] })
        yield* flags.boolean("bool", false, {
          hints: HookHints.make(Key, "call"),
          hooks: [looking("call", "from call")]
        }).pipe(FeatureFlags.withHooks(looking("region")))
        assert.deepStrictEqual(seen, [
          "api.before:call,-",
          "client.before:call,from api",
          "region.before:call,from api",
          "call.before:call,from api",
          "call.after:call,from call",
          "region.after:call,from call",
          "client.after:call,from call",
          "api.after:call,from call",
          "call.finally:call,from call",
          "region.finally:call,from call",
          "client.finally:call,from call",
          "api.finally:call,from call"
        ])
      }))
  }

  it.effect("of a call win over those of a region, inner regions over outer ones", () =>
    Effect.gen(function*() {
      const recording = yield* RecordingHook.make("r")
      const { flags } = yield* client(all, { hooks: [recording.hook] })
      const Outer = HookHints.key<string>("outer")
      yield* flags.boolean("bool", false, { hints: HookHints.make(Key, "call") }).pipe(
        FeatureFlags.withHints(HookHints.make(Note, "inner").pipe(HookHints.add(Key, "inner"))),
        FeatureFlags.withHints(HookHints.make(Note, "outer").pipe(HookHints.add(Outer, "outer")))
      )
      assert.deepStrictEqual(HookHints.toRecord((yield* recording.entries)[0].hints), {
        "test.key": "call",
        "test.note": "inner",
        outer: "outer"
      })
    }))

  it.effect("reach plain hooks as a record, and nothing of one evaluation stays for the next", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const enrich = FeatureHook.make("enrich", { before: () => Effect.succeed({ hints: HookHints.make(Note, "n") }) })
      const { flags } = yield* client(all)
      const recording = yield* RecordingHook.make("r")
      flags.client.addHooks({ before: (_context, hints) => void seen.push({ ...hints }) })
      const options = { hints: HookHints.make(Key, "k"), hooks: [enrich, recording.hook] }
      yield* flags.boolean("bool", false, options)
      yield* flags.boolean("bool", false, { ...options, hooks: [recording.hook] })
      assert.deepStrictEqual(seen, [{ "test.key": "k" }, { "test.key": "k" }])
      const notes = (yield* recording.entries).map(({ hints }) => HookHints.getOrUndefined(hints, Note))
      assert.deepStrictEqual(notes, ["n", "n", "n", undefined, undefined, undefined])
    }))

  it.effect("with an own __proto__ key get no prototype from it", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const { flags } = yield* client(all)
      flags.client.addHooks({ before: (_context, hints) => void seen.push(Reflect.get(hints ?? {}, "isAdmin")) })
      const raw: Record<string, unknown> = JSON.parse("{\"__proto__\":{\"isAdmin\":true}}")
      yield* flags.boolean("bool", false, { hints: HookHints.fromRecord(raw) })
      assert.deepStrictEqual(seen, [undefined])
    }))
})

describe("hooks", () => {
  for (const [path, change] of paths) {
    it.effect(`run API, client, outer region, inner region, call, ${path}`, () =>
      Effect.gen(function*() {
        const journal: Array<RecordingHook.Entry> = []
        const hook = (name: string) => Effect.map(RecordingHook.make(name, journal), ({ hook }) => change(hook))
        yield* OpenFeatureHook.register(SDK.OpenFeature, yield* hook("api"))
        const { flags } = yield* client(all, { hooks: [yield* hook("c1"), yield* hook("c2")] })
        yield* flags.boolean("bool", false, { hooks: [yield* hook("i1"), yield* hook("i2")] }).pipe(
          FeatureFlags.withHooks(yield* hook("inner")),
          FeatureFlags.withHooks(yield* hook("o1"), yield* hook("o2"))
        )
        const order = ["api", "c1", "c2", "o1", "o2", "inner", "i1", "i2"]
        const reversed = Array.from(order).reverse()
        assert.deepStrictEqual(journal.map(({ hook, stage }) => `${hook}.${stage}`), [
          ...order.map((name) => `${name}.before`),
          ...reversed.map((name) => `${name}.after`),
          ...reversed.map((name) => `${name}.finally`)
        ])
      }))
  }

  it.effect("are added for a while, listed, and cleared at run time", () =>
    Effect.gen(function*() {
      const journal: Array<RecordingHook.Entry> = []
      const make = (name: string) => RecordingHook.make(name, journal)
      const [one, two, three] = [yield* make("one"), yield* make("two"), yield* make("three")]
      const { flags } = yield* client(all, { hooks: [one.hook] })
      const run = Effect.gen(function*() {
        journal.length = 0
        yield* flags.boolean("bool", false)
        return journal.filter(({ stage }) => stage === "before").map(({ hook }) => hook)
      })
      const names = Effect.map(flags.hooks, (hooks) => hooks.map(({ name }) => name))
      const scope = yield* Scope.make()
      assert.deepStrictEqual(yield* run, ["one"])
      yield* Scope.provide(flags.addHooks(two.hook), scope)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* flags.addHooks(three.hook, two.hook)
        assert.deepStrictEqual(yield* run, ["one", "two", "three", "two"])
        assert.deepStrictEqual(yield* names, ["one", "two", "three", "two"])
      }))
      assert.deepStrictEqual(yield* run, ["one", "two"])
      yield* flags.clearHooks
      assert.deepStrictEqual(yield* names, [])
      assert.deepStrictEqual(yield* run, [])
      yield* flags.addHooks(three.hook)
      assert.deepStrictEqual(yield* run, ["three"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* run, ["three"])
    }))

  it.effect("added at run time keep the services of whoever added them", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const hook = (name: string) =>
        FeatureHook.make(name, {
          before: () => Effect.map(Region, (region) => void seen.push(`${name} ${region}`)),
          finally: () => Effect.map(Region, (region) => seen.push(`${name} ${region}`))
        })
      const { flags } = yield* client(all)
      yield* flags.addHooks(hook("one")).pipe(Effect.provideService(Region, "eu"))
      yield* flags.addHooks(hook("two")).pipe(Effect.provideService(Region, "us"))
      yield* flags.boolean("bool", false)
      assert.deepStrictEqual(seen, ["one eu", "two us", "two us", "one eu"])
      seen.length = 0
      yield* Effect.provideService(flags.boolean("bool", false), Region, "caller")
      assert.deepStrictEqual(seen, ["one caller", "two caller", "two caller", "one caller"])
    }))

  it.effect("do not join an evaluation that is running, and are skipped in it when their scope closes", () =>
    Effect.gen(function*() {
      const journal: Array<RecordingHook.Entry> = []
      const one = yield* RecordingHook.make("one", journal)
      const two = yield* RecordingHook.make("two", journal)
      const { flags } = yield* client({ slow: TestProvider.delayed("1 second", TestProvider.value(true)) })
      const scope = yield* Scope.make()
      yield* Scope.provide(flags.addHooks(one.hook), scope)
      const fiber = yield* Effect.forkChild(flags.boolean("slow", false))
      yield* turns()
      yield* flags.addHooks(two.hook)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), true)
      assert.deepStrictEqual(journal.map((entry) => `${entry.hook}.${entry.stage}`), ["one.before"])
    }))

  it.effect("are listed as they were given, in order", () =>
    Effect.gen(function*() {
      const hooks = [1, 2, 3].map((n) => FeatureHook.make(`h${n}`, { before: () => Effect.void }))
      const { flags } = yield* client(all, { hooks: hooks.slice(0, 2) })
      yield* flags.addHooks(...hooks.slice(2))
      const listed = yield* flags.hooks
      assert.strictEqual(listed.length, 3)
      listed.forEach((hook, index) => assert.strictEqual(hook, hooks[index]))
    }))

  it.effect("that are removed are interrupted, and waited for before their services are released", () =>
    Effect.gen(function*() {
      const events: Array<string> = []
      const { flags } = yield* client(all)
      const scope = yield* Scope.make()
      yield* Scope.addFinalizer(scope, Effect.sync(() => void events.push("service released")))
      const hook = FeatureHook.make("slow", {
        before: () =>
          Effect.never.pipe(
            Effect.ensuring(Effect.andThen(Effect.yieldNow, Effect.sync(() => void events.push("hook finalized"))))
          )
      })
      yield* Scope.provide(flags.addHooks(FeatureHook.timeout(hook, "1 hour")), scope)
      const fiber = yield* Effect.forkChild(flags.boolean("bool", false))
      yield* turns()
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(events, ["hook finalized", "service released"])
      assert.strictEqual(yield* Fiber.join(fiber), true)
    }))

  it.effect("require their services of whoever evaluates, adds or builds", () =>
    Effect.gen(function*() {
      const hook = FeatureHook.make("h", { before: () => Effect.asVoid(Region) })
      const { flags } = yield* client(all)
      expectTypeOf(flags.boolean("bool", false)).toEqualTypeOf<Effect.Effect<boolean>>()
      expectTypeOf(flags.boolean("bool", false, { hooks: [hook] })).toEqualTypeOf<
        Effect.Effect<boolean, never, Region>
      >()
      expectTypeOf(flags.addHooks(hook)).toEqualTypeOf<Effect.Effect<void, never, Region | Scope.Scope>>()
      expectTypeOf(FeatureFlags.layer({ hooks: [hook] })).toEqualTypeOf<
        Layer.Layer<FeatureFlags.FeatureFlags, FeatureFlags.ProviderError | FeatureFlags.OptionsError, Region>
      >()
      expectTypeOf(FeatureFlags.withHooks(hook)(Effect.void)).toEqualTypeOf<Effect.Effect<void, never, Region>>()
      const failing = FeatureHook.make("failing", { before: () => Effect.fail("no") })
      const both = FeatureFlags.withHooks(hook, failing)(Effect.void)
      expectTypeOf(both).toEqualTypeOf<Effect.Effect<void, never, Region>>()
      yield* flags.boolean("bool", false, { hooks: [hook] }).pipe(Effect.provideService(Region, "eu"))
    }))

  it.effect("of a region follow the fiber and its children, and end with the region", () =>
    Effect.gen(function*() {
      const recording = yield* RecordingHook.make("r")
      const { flags } = yield* client(all)
      yield* Effect.all([flags.boolean("bool", false), flags.boolean("bool", false)], { concurrency: 2 }).pipe(
        Effect.forkChild,
        Effect.flatMap(Fiber.join),
        FeatureFlags.withHooks(recording.hook)
      )
      assert.strictEqual((yield* recording.entries).length, 6)
      yield* flags.boolean("bool", false)
      assert.strictEqual((yield* recording.entries).length, 6)
    }))
})

describe("events, status, track, metadata", () => {
  it.effect("events come in order, the present status first, and handlers go with the stream", () =>
    Effect.gen(function*() {
      const { flags, provider } = yield* client(all)
      const seen: Array<string> = []
      const counts = () => Object.values(SDK.ProviderEvents).map((event) => flags.client.getHandlers(event).length)
      const before = counts()
      const fiber = yield* Effect.forkChild(
        Stream.runForEach(
          flags.events,
          ({ details, type }) => Effect.sync(() => void seen.push(`${type} ${details?.message ?? ""}`.trim()))
        )
      )
      yield* until(() => seen.length === 1)
      yield* provider.emit(SDK.ProviderEvents.ConfigurationChanged, { message: "changed" })
      yield* provider.emit(SDK.ProviderEvents.Stale)
      yield* until(() => seen.length === 3)
      assert.strictEqual(yield* flags.status, SDK.ProviderStatus.STALE)
      yield* provider.emit(SDK.ProviderEvents.Error, { message: "lost" })
      yield* until(() => seen.length === 4)
      assert.strictEqual(yield* flags.status, SDK.ProviderStatus.ERROR)
      yield* provider.emit(SDK.ProviderEvents.Ready)
      yield* until(() => seen.length === 5)
      assert.deepStrictEqual(seen, [
        "PROVIDER_READY",
        "PROVIDER_CONFIGURATION_CHANGED changed",
        "PROVIDER_STALE",
        "PROVIDER_ERROR lost",
        "PROVIDER_READY"
      ])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(counts(), before)
    }))

  it.effect("track tells the provider, with the context of the region and the call", () =>
    Effect.gen(function*() {
      const contexts: Array<SDK.EvaluationContext> = []
      const provider: SDK.Provider = {
        ...yield* TestProvider.make(),
        track: (name, context, details) => void contexts.push({ name, ...context, value: details.value ?? 0 })
      }
      const flags = yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(provider) })
      yield* flags.track("bought", { context: { call: 1 }, details: { value: 5 } }).pipe(
        FeatureFlags.withContext({ region: 1 })
      )
      yield* flags.track("seen")
      assert.deepStrictEqual(contexts, [
        { name: "bought", region: 1, call: 1, value: 5 },
        { name: "seen", value: 0 }
      ])
    }))

  it.effect("track survives a provider that throws", () =>
    Effect.gen(function*() {
      const provider: SDK.Provider = {
        ...yield* TestProvider.make(),
        track: () => {
          throw new Error("track")
        }
      }
      const flags = yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(provider) })
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(flags.track("bought"))))
    }))

  it.effect("metadata name the domain and the version", () =>
    Effect.gen(function*() {
      const domain = newDomain()
      const flags = yield* FeatureFlags.make({ domain, version: "1.2", provider: TestProvider.make({ name: "p" }) })
      const metadata = yield* flags.metadata
      assert.deepStrictEqual([metadata.domain, metadata.version], [domain, "1.2"])
      assert.strictEqual(metadata.providerMetadata.name, "p")
    }))
})

describe("the provider of a layer", () => {
  it.effect("is initialised, waited for, and closed once", () =>
    Effect.gen(function*() {
      const journal: Array<string> = []
      const provider = TestProvider.make({
        flags: all,
        initialize: Effect.sync(() => void journal.push("initialize")),
        close: Effect.sync(() => void journal.push("close"))
      })
      const domain = newDomain()
      yield* Effect.gen(function*() {
        const flags = yield* FeatureFlags.FeatureFlags
        assert.strictEqual(yield* flags.status, SDK.ProviderStatus.READY)
        journal.push(String(yield* flags.boolean("bool", false)))
      }).pipe(Effect.provide(FeatureFlags.layer({ domain, provider })))
      yield* turns()
      assert.deepStrictEqual(journal, ["initialize", "true", "close"])
      const after = yield* Effect.promise(() => SDK.OpenFeature.getClient(domain).getBooleanDetails("bool", false))
      assert.deepStrictEqual([after.value, after.errorCode], [false, SDK.ErrorCode.PROVIDER_NOT_READY])
    }))

  it.effect("is bound to the default domain when there is none", () =>
    Effect.gen(function*() {
      const value = yield* Effect.gen(function*() {
        const flags = yield* FeatureFlags.FeatureFlags
        assert.strictEqual((yield* flags.metadata).domain, undefined)
        return yield* flags.boolean("bool", false)
      }).pipe(Effect.provide(FeatureFlags.layer({ provider: TestProvider.make({ flags: all }) })))
      assert.isTrue(value)
      yield* Effect.promise(() => SDK.OpenFeature.clearProviders())
    }))

  it.effect("fails the layer when it cannot be initialised, and is closed", () =>
    Effect.gen(function*() {
      const domain = newDomain()
      let closed = 0
      const cause = new Error("no connection")
      const provider = TestProvider.make({
        initialize: Effect.fail(cause),
        close: Effect.sync(() => void closed++)
      })
      const error = yield* Effect.flip(Effect.scoped(FeatureFlags.make({ domain, provider })))
      assert.instanceOf(error, FeatureFlags.ProviderError)
      assert.strictEqual(error.domain, domain)
      assert.strictEqual(error.cause, cause)
      assert.strictEqual(error.message, `FeatureFlags.layer: the provider of domain "${domain}" is not ready`)
      assert.include(new FeatureFlags.ProviderError({ domain: undefined, cause }).message, "the default domain")
      yield* turns()
      assert.strictEqual(closed, 1)
      const own = yield* Effect.flip(Effect.scoped(FeatureFlags.make({ domain, provider: Effect.fail("no provider") })))
      assert.strictEqual(own, "no provider")
    }))

  it.effect("may be ignored when it cannot be initialised", () =>
    Effect.gen(function*() {
      for (const initialize of [Effect.fail(new Error("no")), Effect.fail({ code: "PROVIDER_FATAL" })]) {
        const flags = yield* FeatureFlags.make({
          domain: newDomain(),
          provider: TestProvider.make({ flags: all, initialize }),
          onProviderError: "ignore"
        })
        const status = yield* flags.status
        assert.include([SDK.ProviderStatus.ERROR, SDK.ProviderStatus.FATAL], status)
        const details = yield* flags.booleanDetails("bool", false)
        assert.strictEqual(details.value, status === SDK.ProviderStatus.ERROR)
      }
    }))

  it.effect("is given up on after initializeTimeout", () =>
    Effect.gen(function*() {
      const provider = TestProvider.make({ flags: all, initialize: Effect.never })
      const fail = yield* Effect.forkChild(Effect.exit(Effect.scoped(
        FeatureFlags.make({ domain: newDomain(), provider, initializeTimeout: "2 seconds" })
      )))
      yield* turns()
      yield* TestClock.adjust("1999 millis")
      yield* turns()
      assert.strictEqual(fail.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 millis")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(fail)))
      const ignore = yield* Effect.forkChild(Effect.scoped(Effect.flatMap(
        FeatureFlags.make({ domain: newDomain(), provider, initializeTimeout: "2 seconds", onProviderError: "ignore" }),
        (flags) => flags.booleanDetails("bool", false)
      )))
      yield* turns()
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(ignore)).errorCode, "PROVIDER_NOT_READY")
    }))

  it.effect("is waited for 30 seconds by default", () =>
    Effect.gen(function*() {
      const provider = TestProvider.make({ initialize: Effect.never })
      const fiber = yield* Effect.forkChild(
        Effect.exit(Effect.scoped(FeatureFlags.make({ domain: newDomain(), provider })))
      )
      yield* turns()
      yield* TestClock.adjust("29 seconds")
      yield* turns()
      assert.strictEqual(fiber.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
    }))

  it.effect("that does not close holds the end of the scope no longer than shutdownTimeout", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      yield* Scope.provide(
        FeatureFlags.make({
          domain: newDomain(),
          provider: TestProvider.make({ close: Effect.never }),
          shutdownTimeout: "2 seconds"
        }),
        scope
      )
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* turns()
      yield* TestClock.adjust("1999 millis")
      yield* turns()
      assert.strictEqual(closing.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(closing)
    }))

  it.effect("that fails to close does not fail the end of the scope", () =>
    Effect.gen(function*() {
      const program = FeatureFlags.make({
        domain: newDomain(),
        provider: TestProvider.make({ close: Effect.fail(new Error("no")) })
      })
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(Effect.scoped(program))))
      yield* turns()
    }))

  it.effect("that somebody else has replaced is closed once, and the other one is left alone", () =>
    Effect.gen(function*() {
      const domain = newDomain()
      let closed = 0
      const other = yield* TestProvider.make({ flags: all })
      yield* Effect.scoped(Effect.gen(function*() {
        yield* FeatureFlags.make({
          domain,
          provider: TestProvider.make({ close: Effect.sync(() => void closed++) })
        })
        yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, other))
        yield* turns()
        assert.strictEqual(closed, 1)
      }))
      assert.strictEqual(closed, 1)
      assert.isFalse(yield* other.isClosed)
      assert.strictEqual(SDK.OpenFeature.getProvider(domain), other)
    }))

  it.effect("passes everything on that a provider can have", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const base = yield* TestProvider.make({
        flags: all,
        name: "own",
        hooks: [{ before: () => void seen.push("hook") }]
      })
      const domain = newDomain()
      yield* FeatureFlags.make({ domain, provider: Effect.succeed(base) })
      const bound = SDK.OpenFeature.getProvider(domain)
      assert.strictEqual(bound.metadata.name, "own")
      assert.strictEqual(bound.runsOn, "server")
      assert.strictEqual(bound.hooks?.length, 1)
      const bare: SDK.Provider = {
        metadata: { name: "bare" },
        resolveBooleanEvaluation: (...args) => base.resolveBooleanEvaluation(...args),
        resolveStringEvaluation: (...args) => base.resolveStringEvaluation(...args),
        resolveNumberEvaluation: (...args) => base.resolveNumberEvaluation(...args),
        resolveObjectEvaluation: (...args) => base.resolveObjectEvaluation(...args)
      }
      const flags = yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(bare) })
      assert.strictEqual(yield* flags.boolean("bool", false), true)
      assert.strictEqual(yield* flags.number("number", 0), 5)
      yield* flags.track("nothing")
      assert.strictEqual(yield* flags.status, SDK.ProviderStatus.READY)
    }))
})

describe("make", () => {
  it.effect("fails with what is wrong with its options", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<readonly [message: string, options: unknown]> = [
        ["FeatureFlags.make: domain must be a text that is not empty, got ", { domain: "" }],
        ["FeatureFlags.make: there is no option \"domains\"; did you mean \"domain\"?", { domains: "" }],
        ["FeatureFlags.make: version needs a domain", { version: "1" }],
        [
          "FeatureFlags.make: interruptTimeout must be finite and not negative, got abc; " +
          "write it as \"50 millis\", or as a number of milliseconds",
          { interruptTimeout: "abc" }
        ],
        ["FeatureFlags.make: onProviderError must be one of fail, ignore, got Fail", { onProviderError: "Fail" }],
        [
          "hook 1 is a hook of the SDK; convert it with OpenFeatureHook.toFeatureHook(name, hook)",
          { hooks: [{ before: () => undefined }] }
        ]
      ]
      for (const [message, options] of wrong) {
        const made = FeatureFlags.make(options as FeatureFlags.Options)
        const error = yield* Effect.flip(Effect.scoped(made))
        assert.strictEqual(error._tag, "OptionsError")
        assert.strictEqual(error.message, message)
        const layer = FeatureFlags.layer(options as FeatureFlags.Options)
        assert.strictEqual((yield* Effect.flip(Effect.scoped(Layer.build(layer))))._tag, "OptionsError")
      }
    }))

  it.effect("ends the hooks before it closes the provider", () =>
    Effect.gen(function*() {
      const journal: Array<string> = []
      const slow = FeatureHook.make("slow", {
        before: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => journal.push("hook")))
      })
      const scope = yield* Scope.make()
      const flags = yield* Scope.provide(
        FeatureFlags.make({
          domain: newDomain(),
          provider: TestProvider.make({ flags: all, close: Effect.sync(() => void journal.push("provider")) }),
          hooks: [deferred(slow)]
        }),
        scope
      )
      const fiber = yield* Effect.forkChild(flags.boolean("bool", false))
      yield* turns()
      yield* collectFailures(() => Scope.close(scope, Exit.void))
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(journal, ["hook", "provider"])
    }))
})
