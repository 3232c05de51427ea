import { assert, describe, it } from "@effect/vitest"
import type * as SDK from "@openfeature/server-sdk"
import { OpenFeature } from "@openfeature/server-sdk"
import { Effect, References } from "effect"
import {
  EvaluationError,
  FeatureFlags,
  FeatureHook,
  type HookContext,
  HookHints,
  OpenFeatureHook
} from "effect-openfeature"
import { RecordingHook, TestProvider } from "effect-openfeature/testing"
import { readFileSync } from "node:fs"
import { flagKey, rule } from "./rig.ts"
import { rules } from "./rules.ts"
import { generate, path, tests } from "./table.ts"

const rejected = new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "rejected" })

const failure = TestProvider.throwing(new Error("the provider is broken"))

/** A recording hook and, under the same name, something that is done in one stage. */
const recording = (name: string, journal: Array<RecordingHook.Entry>) =>
  Effect.map(RecordingHook.make(name, journal), (made) => made.hook)

const short = (journal: ReadonlyArray<RecordingHook.Entry>): ReadonlyArray<string> =>
  journal.map((entry) => `${entry.hook}.${entry.stage}`)

const silent = Effect.provideService(References.UnhandledLogLevel, undefined)

/** Collects the context of every stage. */
const watching = (seen: Array<HookContext.HookContext>) => {
  const watch = (context: HookContext.HookContext) => Effect.sync(() => void seen.push(context))
  return FeatureHook.make("watching", { before: watch, after: watch, error: watch, finally: watch })
}

const writes = (target: object, key: string): boolean => Reflect.set(target, key, "written")

describe("4.1 hook context", () => {
  rule(
    "4.1.1 every stage is told the flag key, the type, the context, the default value and its hook data",
    (rig) =>
      Effect.gen(function*() {
        const seen: Array<ReadonlyArray<unknown>> = []
        const see = (context: HookContext.HookContext, data: { readonly id: string }) =>
          Effect.sync(() =>
            void seen.push([
              context.flagKey,
              context.flagValueType,
              context.context,
              context.defaultValue,
              data.id
            ])
          )
        const hook = FeatureHook.make("hook", {
          hookData: () => ({ id: "data" }),
          before: (context, _hints, data) => see(context, data),
          after: (context, _details, _hints, data) => see(context, data),
          error: (context, _error, _hints, data) => see(context, data),
          finally: (context, _details, _hints, data) => see(context, data)
        })
        yield* rig({ client: [hook], context: { plan: "pro" } })
        yield* rig({ client: [hook], context: { plan: "pro" }, answer: failure })
        const expected = [flagKey, "boolean", { plan: "pro" }, false, "data"]
        assert.deepStrictEqual(seen, Array.from({ length: 6 }, () => expected))
      })
  )

  rule(
    "4.1.2 every stage has access to the metadata of the client and of the provider",
    (rig) =>
      Effect.gen(function*() {
        const seen: Array<HookContext.HookContext> = []
        yield* rig({ client: [watching(seen)] })
        assert.strictEqual(seen.length, 3)
        for (const context of seen) {
          assert.match(context.clientMetadata.domain ?? "", /^spec-\d+$/)
          assert.strictEqual(context.providerMetadata.name, "test")
        }
      })
  )

  rule("4.1.3 the flag key, the type and the default value cannot be changed", (rig) =>
    Effect.gen(function*() {
      const seen: Array<HookContext.HookContext> = []
      const writer = FeatureHook.make("writer", {
        before: (context) =>
          Effect.sync(() => {
            for (const key of ["flagKey", "flagValueType", "defaultValue", "extra"]) {
              assert.isFalse(writes(context, key), key)
            }
          })
      })
      const { details } = yield* rig({ client: [writer], invocation: [watching(seen)] })
      assert.strictEqual(details.flagKey, flagKey)
      for (const context of seen) {
        assert.deepStrictEqual([context.flagKey, context.flagValueType, context.defaultValue], [
          flagKey,
          "boolean",
          false
        ])
      }
    }))

  rule(
    "4.1.4.1 the evaluation context changes by what before gives back, and by nothing else",
    (rig) =>
      Effect.gen(function*() {
        const journal: Array<RecordingHook.Entry> = []
        const mutate = (context: HookContext.HookContext) =>
          Effect.sync(() => assert.isFalse(writes(context.context, "mutated")))
        const mutating = FeatureHook.make("mutating", {
          before: (context) => Effect.as(mutate(context), { context: { returned: "yes" } }),
          after: (context) => Effect.as(mutate(context), { context: { late: "no" } }),
          finally: (context) => Effect.as(mutate(context), { context: { late: "no" } })
        })
        const outcome = yield* rig({ client: [mutating], api: [yield* recording("hook", journal)] })
        assert.isUndefined(outcome.details.errorCode)
        assert.deepStrictEqual(outcome.calls, [{ returned: "yes" }])
        assert.deepStrictEqual(journal.map((entry) => entry.context), [
          {},
          { returned: "yes" },
          { returned: "yes" }
        ])
      })
  )

  rule("4.1.5 what one stage writes into the hook data is there in the next", (rig) =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const count = (data: { count: number }) => Effect.sync(() => void seen.push(++data.count))
      const counting = FeatureHook.make("counting", {
        hookData: () => ({ count: 0 }),
        before: (_context, _hints, data) => count(data),
        after: (_context, _details, _hints, data) => count(data),
        finally: (_context, _details, _hints, data) => count(data)
      })
      yield* rig({ client: [counting] })
      assert.deepStrictEqual(seen, [1, 2, 3])
    }))
})

describe("4.2 hook hints", () => {
  rule(
    "4.2.1 hints hold booleans, text, numbers, dates and structures under any name",
    (rig) =>
      Effect.gen(function*() {
        const hints: SDK.HookHints = {
          flag: true,
          text: "a",
          number: 1.5,
          when: new Date(0),
          tree: { list: [1, { deep: "b" }] }
        }
        const journal: Array<RecordingHook.Entry> = []
        yield* rig({ client: [yield* recording("hook", journal)], hints })
        assert.strictEqual(journal.length, 3)
        for (const entry of journal) assert.deepStrictEqual({ ...HookHints.toRecord(entry.hints) }, hints)
      })
  )

  rule("4.2.2.1 a hook cannot change the hints", (rig) =>
    Effect.gen(function*() {
      const hints = { audit: "12345" }
      const journal: Array<RecordingHook.Entry> = []
      const write = (hints: HookHints.HookHints) =>
        Effect.sync(() => {
          writes(hints.raw, "audit")
          writes(hints.raw, "more")
        })
      const writer = FeatureHook.make("writer", {
        before: (_context, hints) => write(hints),
        after: (_context, _details, hints) => write(hints),
        finally: (_context, _details, hints) => write(hints)
      })
      yield* rig({ api: [yield* recording("hook", journal)], invocation: [writer], hints })
      for (const entry of journal) assert.deepStrictEqual({ ...HookHints.toRecord(entry.hints) }, { audit: "12345" })
      assert.deepStrictEqual(hints, { audit: "12345" })
    }))

  rule("4.2.2.2 a hook cannot change the metadata of the client", (rig) =>
    Effect.gen(function*() {
      const seen: Array<HookContext.HookContext> = []
      const writer = FeatureHook.make("writer", {
        before: (context) =>
          Effect.sync(() => {
            assert.isFalse(writes(context, "clientMetadata"))
            assert.isFalse(writes(context.clientMetadata, "domain"))
          })
      })
      const { details } = yield* rig({ api: [writer], client: [watching(seen)] })
      assert.isUndefined(details.errorCode)
      for (const context of seen) assert.match(context.clientMetadata.domain ?? "", /^spec-\d+$/)
    }))

  rule("4.2.2.3 a hook cannot change the metadata of the provider", (rig) =>
    Effect.gen(function*() {
      const seen: Array<HookContext.HookContext> = []
      const writer = FeatureHook.make("writer", {
        before: (context) =>
          Effect.sync(() => {
            assert.isFalse(writes(context, "providerMetadata"))
            assert.isFalse(writes(context.providerMetadata, "name"))
          })
      })
      const { details } = yield* rig({ api: [writer], client: [watching(seen)] })
      assert.isUndefined(details.errorCode)
      for (const context of seen) assert.strictEqual(context.providerMetadata.name, "test")
    }))
})

describe("4.3 stages", () => {
  it("4.3.1 a hook without any stage is refused", () => {
    assert.throws(() => FeatureHook.make("idle", {}), RangeError, /at least one stage/)
  })

  rule("4.3.1 a hook needs no more than one stage", (rig) =>
    Effect.gen(function*() {
      const ran: Array<string> = []
      const note = (stage: string) => () => Effect.sync(() => void ran.push(stage))
      const invocation = [
        FeatureHook.make("before", { before: note("before") }),
        FeatureHook.make("after", { after: note("after") }),
        FeatureHook.make("error", { error: note("error") }),
        FeatureHook.make("finally", { finally: note("finally") })
      ]
      yield* rig({ invocation })
      yield* rig({ invocation, answer: failure })
      assert.deepStrictEqual(ran, ["before", "after", "finally", "before", "error", "finally"])
    }))

  rule(
    "4.3.2 hook data is made once for each hook and each evaluation, whichever stage is the first",
    (rig) =>
      Effect.gen(function*() {
        const seen: Array<readonly [string, number]> = []
        let made = 0
        const hook = (name: string) =>
          FeatureHook.make(name, {
            hookData: () => ({ id: ++made }),
            before: (_context, _hints, data) => Effect.sync(() => void seen.push([`${name}.before`, data.id])),
            finally: (_context, _details, _hints, data) =>
              Effect.sync(() => void seen.push([`${name}.finally`, data.id]))
          })
        const late = FeatureHook.make("late", {
          hookData: () => ({ id: ++made }),
          error: (_context, _error, _hints, data) => Effect.sync(() => void seen.push(["late.error", data.id])),
          finally: (_context, _details, _hints, data) => Effect.sync(() => void seen.push(["late.finally", data.id]))
        })
        const levels = { api: [hook("a")], client: [hook("b"), late] }
        yield* rig(levels)
        assert.deepStrictEqual(seen, [["a.before", 1], ["b.before", 2], ["late.finally", 3], ["b.finally", 2], [
          "a.finally",
          1
        ]])
        seen.length = 0
        yield* rig({ ...levels, answer: failure })
        assert.deepStrictEqual(seen, [
          ["a.before", 4],
          ["b.before", 5],
          ["late.error", 6],
          ["late.finally", 6],
          ["b.finally", 5],
          ["a.finally", 4]
        ])
      })
  )

  rule("4.3.2 one hook at two levels has hook data of its own at each", (rig) =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      let made = 0
      const hook = FeatureHook.make("twice", {
        hookData: () => ({ id: ++made }),
        before: (_context, _hints, data) => Effect.sync(() => void seen.push(data.id)),
        finally: (_context, _details, _hints, data) => Effect.sync(() => void seen.push(data.id))
      })
      yield* rig({ api: [hook], invocation: [hook] })
      assert.deepStrictEqual(seen, [1, 2, 2, 1])
    }))

  rule(
    "4.3.3.1 before runs before the resolution, with context and hints, and gives back a context",
    (rig) =>
      Effect.gen(function*() {
        const order: Array<string> = []
        const hook = FeatureHook.make("hook", {
          before: (context, hints) =>
            Effect.sync(() => {
              order.push(`before ${JSON.stringify([context.context["plan"], hints.raw["audit"]])}`)
              return { context: { region: "eu" } }
            })
        })
        const answer = Effect.tap(TestProvider.value(true), () => Effect.sync(() => void order.push("resolve")))
        const { calls } = yield* rig({ client: [hook], context: { plan: "pro" }, hints: { audit: "1" }, answer })
        assert.deepStrictEqual(order, [`before ["pro","1"]`, "resolve"])
        assert.deepStrictEqual(calls, [{ plan: "pro", region: "eu" }])
      })
  )

  rule("4.3.3.1 a before that gives back nothing leaves the context as it is", (rig) =>
    Effect.gen(function*() {
      const nothing = FeatureHook.make("nothing", { before: () => Effect.void })
      const { calls, details } = yield* rig({ client: [nothing], context: { plan: "pro" } })
      assert.deepStrictEqual(calls, [{ plan: "pro" }])
      assert.isTrue(details.value)
    }))

  rule("4.3.5 what a before gives back is in the context of the befores after it", (rig) =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const adding = (name: string) =>
        FeatureHook.make(name, {
          before: (context) =>
            Effect.sync(() => {
              seen.push(context.context)
              return { context: { [name]: true, last: name } }
            })
        })
      const { calls } = yield* rig({
        api: [adding("a"), adding("b")],
        client: [adding("c")],
        invocation: [adding("d"), adding("e")],
        provider: [adding("f")]
      })
      assert.deepStrictEqual(seen, [
        {},
        { a: true, last: "a" },
        { a: true, b: true, last: "b" },
        { a: true, b: true, c: true, last: "c" },
        { a: true, b: true, c: true, d: true, last: "d" },
        { a: true, b: true, c: true, d: true, e: true, last: "e" }
      ])
      assert.deepStrictEqual(calls, [{ a: true, b: true, c: true, d: true, e: true, f: true, last: "f" }])
    }))

  rule(
    "4.3.6 what befores give back is merged over the contexts of API, client and invocation",
    (rig) =>
      Effect.gen(function*() {
        const saved = OpenFeature.getContext()
        yield* Effect.acquireRelease(
          Effect.sync(() => OpenFeature.setContext({ api: "api", kept: "api", plan: "api" })),
          () => Effect.sync(() => OpenFeature.setContext(saved))
        )
        const hook = FeatureHook.make("hook", { before: () => Effect.succeed({ context: { plan: "hook" } }) })
        const { calls } = yield* rig({ client: [hook], context: { kept: "invocation", plan: "invocation" } })
        assert.deepStrictEqual(calls, [{ api: "api", kept: "invocation", plan: "hook" }])
      })
  )

  rule("4.3.7 after runs after the resolution, with context, details and hints", (rig) =>
    Effect.gen(function*() {
      const order: Array<unknown> = []
      const hook = FeatureHook.make("hook", {
        after: (context, details, hints) =>
          Effect.sync(() => {
            order.push([context.flagKey, details.value, details.variant, hints.raw["audit"]])
            return { value: "what after gives back is ignored" }
          })
      })
      const answer = Effect.tap(
        TestProvider.value(true, { variant: "on" }),
        () => Effect.sync(() => void order.push("resolve"))
      )
      const { details } = yield* rig({ client: [hook], hints: { audit: "1" }, answer })
      assert.deepStrictEqual(order, ["resolve", [flagKey, true, "on", "1"]])
      assert.isTrue(details.value)
    }))

  rule("4.3.7 after does not run when the resolution gives an error", (rig) =>
    Effect.gen(function*() {
      for (const answer of [failure, TestProvider.error("PARSE_ERROR", "cannot be parsed")]) {
        const journal: Array<RecordingHook.Entry> = []
        yield* rig({ client: [yield* recording("hook", journal)], answer })
        assert.deepStrictEqual(short(journal), ["hook.before", "hook.error", "hook.finally"])
      }
    }))

  rule(
    "4.3.8 error runs for errors of before, of the resolution and of after, and is told which",
    (rig) =>
      Effect.gen(function*() {
        const reject = () => Effect.fail(rejected)
        const cases = [
          [{ invocation: [FeatureHook.make("failing", { before: reject })] }, "INVALID_CONTEXT", "rejected"],
          [{ answer: failure }, "GENERAL", "the provider is broken"],
          [{ answer: TestProvider.error("PARSE_ERROR", "cannot be parsed") }, "PARSE_ERROR", "cannot be parsed"],
          [{ invocation: [FeatureHook.make("failing", { after: reject })] }, "INVALID_CONTEXT", "rejected"]
        ] as const
        for (const [levels, code, message] of cases) {
          const journal: Array<RecordingHook.Entry> = []
          const { details } = yield* rig({
            ...levels,
            client: [yield* recording("hook", journal)],
            hints: { audit: "1" }
          })
          const errors = journal.filter((entry) => entry.stage === "error")
          assert.deepStrictEqual(
            errors.map((entry) => [entry.flagKey, entry.error?.code, entry.error?.message, entry.hints.raw["audit"]]),
            [[flagKey, code, message, "1"]]
          )
          assert.deepStrictEqual([details.errorCode, details.errorMessage], [code, message])
        }
      })
  )

  rule("4.3.8 error does not run for an evaluation without an error", (rig) =>
    Effect.gen(function*() {
      const journal: Array<RecordingHook.Entry> = []
      yield* rig({ client: [yield* recording("hook", journal)] })
      assert.deepStrictEqual(short(journal), ["hook.before", "hook.after", "hook.finally"])
    }))

  rule("4.3.9 finally runs last in any case, with context, details and hints", (rig) =>
    Effect.gen(function*() {
      const reject = () => Effect.fail(rejected)
      const cases = [
        [{}, undefined],
        [{ api: [FeatureHook.make("failing", { before: reject })] }, "INVALID_CONTEXT"],
        [{ api: [FeatureHook.make("failing", { after: reject })] }, "INVALID_CONTEXT"],
        [{ answer: failure }, "GENERAL"]
      ] as const
      for (const [levels, code] of cases) {
        const journal: Array<RecordingHook.Entry> = []
        const { details } = yield* rig({
          ...levels,
          client: [yield* recording("hook", journal)],
          hints: { audit: "1" }
        })
        const last = journal.at(-1)
        assert.strictEqual(journal.filter((entry) => entry.stage === "finally").length, 1)
        assert.deepStrictEqual([last?.stage, last?.flagKey, last?.hints.raw["audit"]], ["finally", flagKey, "1"])
        assert.deepStrictEqual(last?.details, details)
        assert.strictEqual(details.errorCode, code)
      }
    }))
})

describe("4.4 order and errors", () => {
  rule(
    "4.4.1 hooks are registered with the API, the client, the invocation and the provider",
    (rig) =>
      Effect.gen(function*() {
        const journal: Array<RecordingHook.Entry> = []
        yield* rig({
          api: [yield* recording("api", journal)],
          client: [yield* recording("client", journal)],
          invocation: [yield* recording("invocation", journal)],
          provider: [yield* recording("provider", journal)]
        })
        assert.sameMembers(
          journal.filter((entry) => entry.stage === "finally").map((entry) => entry.hook),
          ["api", "client", "invocation", "provider"]
        )
      })
  )

  it.effect("4.4.1 hooks are added to and taken from a running client", () =>
    Effect.scoped(Effect.gen(function*() {
      const journal: Array<RecordingHook.Entry> = []
      const flags = yield* FeatureFlags.make({ domain: "spec-added" })
      const hook = yield* recording("hook", journal)
      yield* Effect.scoped(Effect.andThen(flags.addHooks(hook), flags.boolean(flagKey, false)))
      assert.isAbove(journal.length, 0)
      journal.length = 0
      yield* flags.boolean(flagKey, false)
      yield* flags.boolean(flagKey, false).pipe(FeatureFlags.withHooks(hook))
      assert.deepStrictEqual(short(journal), ["hook.before", "hook.error", "hook.finally"])
    })))

  rule(
    "4.4.2 before runs from the API to the provider, the later stages run in reverse",
    (rig) =>
      Effect.gen(function*() {
        const forwards = ["api1", "api2", "client1", "client2", "call1", "call2", "provider1", "provider2"]
        const run = (answer: TestProvider.Answer) =>
          Effect.gen(function*() {
            const journal: Array<RecordingHook.Entry> = []
            const level = (name: string) => Effect.all([recording(`${name}1`, journal), recording(`${name}2`, journal)])
            yield* rig({
              api: yield* level("api"),
              client: yield* level("client"),
              invocation: yield* level("call"),
              provider: yield* level("provider"),
              answer
            })
            return short(journal)
          })
        const stage = (names: ReadonlyArray<string>, stage: string) => names.map((name) => `${name}.${stage}`)
        const backwards = Array.from(forwards).reverse()
        assert.deepStrictEqual(yield* run(TestProvider.value(true)), [
          ...stage(forwards, "before"),
          ...stage(backwards, "after"),
          ...stage(backwards, "finally")
        ])
        assert.deepStrictEqual(yield* run(failure), [
          ...stage(forwards, "before"),
          ...stage(backwards, "error"),
          ...stage(backwards, "finally")
        ])
      })
  )

  rule("4.4.3 a finally that fails or dies keeps no other one from running", (rig) =>
    silent(Effect.gen(function*() {
      const journal: Array<RecordingHook.Entry> = []
      const { details } = yield* rig({
        api: [yield* recording("a", journal)],
        client: [
          yield* recording("b", journal),
          FeatureHook.make("failing", { finally: () => Effect.fail("no") }),
          yield* recording("c", journal),
          FeatureHook.make("dying", { finally: () => Effect.die(new Error("no")) })
        ]
      })
      assert.deepStrictEqual(
        short(journal).filter((entry) => entry.endsWith("finally")),
        ["c.finally", "b.finally", "a.finally"]
      )
      assert.deepStrictEqual([details.value, details.errorCode], [true, undefined])
    })))

  rule(
    "4.4.4 an error hook that fails or dies keeps no other one from running",
    (rig) =>
      silent(Effect.gen(function*() {
        const journal: Array<RecordingHook.Entry> = []
        const { details } = yield* rig({
          api: [yield* recording("a", journal)],
          client: [
            yield* recording("b", journal),
            FeatureHook.make("failing", { error: () => Effect.fail("no") }),
            yield* recording("c", journal),
            FeatureHook.make("dying", { error: () => Effect.die(new Error("no")) })
          ],
          answer: TestProvider.error("PARSE_ERROR", "cannot be parsed")
        })
        assert.deepStrictEqual(
          short(journal).filter((entry) => !entry.endsWith("before")),
          ["c.error", "b.error", "a.error", "c.finally", "b.finally", "a.finally"]
        )
        assert.deepStrictEqual([details.value, details.errorCode], [false, "PARSE_ERROR"])
      }))
  )

  rule("4.4.5 error runs for all hooks when a before or an after fails", (rig) =>
    Effect.gen(function*() {
      for (const stage of ["before", "after"] as const) {
        const journal: Array<RecordingHook.Entry> = []
        yield* rig({
          api: [yield* recording("a", journal)],
          client: [
            yield* recording("b", journal),
            FeatureHook.make("failing", { [stage]: () => Effect.fail(rejected) }),
            yield* recording("c", journal)
          ]
        })
        assert.deepStrictEqual(
          short(journal).filter((entry) => entry.endsWith("error")),
          ["c.error", "b.error", "a.error"]
        )
      }
    }))

  rule("4.4.6 a before that fails keeps the rest of the befores from running", (rig) =>
    Effect.gen(function*() {
      const journal: Array<RecordingHook.Entry> = []
      const { calls } = yield* rig({
        api: [yield* recording("a", journal)],
        client: [
          yield* recording("b", journal),
          FeatureHook.make("failing", { before: () => Effect.fail(rejected) }),
          yield* recording("c", journal)
        ],
        invocation: [yield* recording("d", journal)]
      })
      assert.deepStrictEqual(
        short(journal).filter((entry) => entry.endsWith("before") || entry.endsWith("after")),
        ["a.before", "b.before"]
      )
      assert.deepStrictEqual(calls, [])
    }))

  rule("4.4.6 an after that fails keeps the rest of the afters from running", (rig) =>
    Effect.gen(function*() {
      const journal: Array<RecordingHook.Entry> = []
      yield* rig({
        api: [yield* recording("a", journal)],
        client: [
          yield* recording("b", journal),
          FeatureHook.make("failing", { after: () => Effect.fail(rejected) }),
          yield* recording("c", journal)
        ],
        invocation: [yield* recording("d", journal)]
      })
      assert.deepStrictEqual(
        short(journal).filter((entry) => entry.endsWith("after")),
        ["d.after", "c.after"]
      )
    }))

  rule(
    "4.4.7 a before that fails gives the default value, the provider is not asked",
    (rig) =>
      silent(Effect.gen(function*() {
        const failures: ReadonlyArray<Effect.Effect<never, unknown>> = [
          Effect.fail(rejected),
          Effect.fail("no"),
          Effect.die(new Error("no")),
          Effect.interrupt
        ]
        for (const failed of failures) {
          const outcome = yield* rig({ client: [FeatureHook.make("failing", { before: () => failed })] })
          assert.deepStrictEqual(outcome.calls, [])
          assert.deepStrictEqual([outcome.details.value, outcome.details.reason], [false, "ERROR"])
        }
      }))
  )
})

describe("4.5 hook hints", () => {
  rule(
    "4.5.1 the hints of an evaluation reach the hooks, typed where they have a key",
    (rig) =>
      Effect.gen(function*() {
        const isText = (value: unknown): value is string => typeof value === "string"
        const AuditId = HookHints.key("audit.id", isText)
        const journal: Array<RecordingHook.Entry> = []
        yield* rig({ invocation: [yield* recording("hook", journal)], hints: { "audit.id": "12345" } })
        assert.deepStrictEqual(
          journal.map((entry) => HookHints.getOrUndefined(entry.hints, AuditId)),
          ["12345", "12345", "12345"]
        )
      })
  )

  rule("4.5.1 an evaluation needs no hints", (rig) =>
    Effect.gen(function*() {
      const journal: Array<RecordingHook.Entry> = []
      yield* rig({ invocation: [yield* recording("hook", journal)] })
      assert.strictEqual(journal.length, 3)
      for (const entry of journal) assert.deepStrictEqual({ ...HookHints.toRecord(entry.hints) }, {})
    }))

  rule("4.5.2 the hints are passed to each hook of each level in each stage", (rig) =>
    Effect.gen(function*() {
      for (const answer of [TestProvider.value(true), failure]) {
        const journal: Array<RecordingHook.Entry> = []
        yield* rig({
          api: [yield* recording("a", journal)],
          client: [yield* recording("b", journal)],
          invocation: [yield* recording("c", journal)],
          provider: [yield* recording("d", journal)],
          hints: { audit: "1" },
          answer
        })
        assert.strictEqual(journal.length, 12)
        for (const entry of journal) assert.deepStrictEqual({ ...HookHints.toRecord(entry.hints) }, { audit: "1" })
      }
    }))

  rule(
    "4.5.3 the hints that the caller gave are as they were, also when a hook adds some",
    (rig) =>
      Effect.gen(function*() {
        const Added = HookHints.key<string>("added")
        const hints: SDK.HookHints = { audit: "1", nested: { list: [1] } }
        const journal: Array<RecordingHook.Entry> = []
        const adding = FeatureHook.make("adding", {
          before: () => Effect.succeed({ hints: HookHints.make(Added, "later") })
        })
        yield* rig({ api: [adding], client: [yield* recording("hook", journal)], hints })
        assert.deepStrictEqual(hints, { audit: "1", nested: { list: [1] } })
        assert.deepStrictEqual(
          journal.map((entry) => HookHints.getOrUndefined(entry.hints, Added)),
          ["later", "later", "later"]
        )
      })
  )
})

describe("4.6 hook data", () => {
  rule("4.6.1 hook data holds anything under any name", (rig) =>
    Effect.gen(function*() {
      const values = { flag: true, text: "a", number: 1.5, when: new Date(0), tree: { list: [{ deep: "b" }] } }
      const seen: Array<unknown> = []
      const hook = FeatureHook.make("hook", {
        hookData: () => new Map<string, unknown>(),
        before: (_context, _hints, data) =>
          Effect.sync(() => {
            for (const [key, value] of Object.entries(values)) data.set(key, value)
          }),
        finally: (_context, _details, _hints, data) => Effect.sync(() => void seen.push(Object.fromEntries(data)))
      })
      yield* rig({ client: [hook] })
      assert.deepStrictEqual(seen, [values])
    }))

  rule(
    "4.6.1 a hook of the plain SDK that was turned into an Effect hook has hook data too",
    (rig) =>
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const hook = OpenFeatureHook.toFeatureHook("plain", {
          before: (context) => context.hookData.set("when", new Date(0)),
          finally: (context) => void seen.push(context.hookData.get("when"))
        })
        yield* rig({ client: [hook] })
        assert.deepStrictEqual(seen, [new Date(0)])
      })
  )
})

describe("the table of rules", () => {
  it("has the 30 rules of the section, each once", () => {
    assert.strictEqual(rules.length, 30)
    assert.strictEqual(new Set(rules.map((rule) => rule.number)).size, 30)
  })

  it("has a test for each rule that applies, and none for one that does not exist", () => {
    const tested = new Set(tests().map((test) => test.number))
    const applicable = rules.filter((rule) => rule.notApplicable === undefined).map((rule) => rule.number)
    assert.deepStrictEqual(Array.from(tested).sort(), Array.from(applicable).sort())
  })

  it("is what docs/spec-conformance.md shows", () => {
    assert.strictEqual(readFileSync(path, "utf8"), generate())
  })
})

// Each rule restores what it registers, so that no hook is left for another file.
describe("the API object", () => {
  it("is left without hooks", () => {
    assert.deepStrictEqual(OpenFeature.getHooks(), [])
  })
})
