import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { EvaluationError, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { type RecordingHook, TestProvider } from "effect-openfeature/testing"
import { kinds, recording, short } from "./hook.ts"
import { failure, flagKey, rule } from "./rig.ts"

const rejected = new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "rejected" })

const reject = () => Effect.fail(rejected)

describe("4.3 stages", () => {
  it("4.3.1 a hook without any stage is refused", () => {
    assert.throws(() => FeatureHook.make("idle", {}), RangeError, /at least one stage/)
    assert.throws(() => OpenFeatureHook.toFeatureHook("idle", {}), RangeError, /at least one stage/)
  })

  rule("4.3.1 a hook needs no more than one stage", (rig) =>
    Effect.gen(function*() {
      const ran: Array<string> = []
      const note = (stage: string) => () => void ran.push(stage)
      const invocation = [
        rig.hook("before", { before: note("before") }),
        rig.hook("after", { after: note("after") }),
        rig.hook("error", { error: note("error") }),
        rig.hook("finally", { finally: note("finally") })
      ]
      yield* rig.evaluate({ invocation })
      yield* rig.evaluate({ invocation, answer: failure })
      assert.deepStrictEqual(ran, ["before", "after", "finally", "before", "error", "finally"])
    }))

  rule(
    "4.3.2.1 before runs before the resolution, with context and hints, and gives back a context",
    (rig) =>
      Effect.gen(function*() {
        const order: Array<string> = []
        const hook = rig.hook("hook", {
          before: (context, hints) => {
            order.push(`before ${JSON.stringify([context.context["plan"], hints.raw["audit"]])}`)
            return { context: { region: "eu" } }
          }
        })
        const answer = Effect.tap(TestProvider.value(true), () => Effect.sync(() => void order.push("resolve")))
        const { calls } = yield* rig.evaluate({
          client: [hook],
          context: { plan: "pro" },
          hints: { audit: "1" },
          answer
        })
        assert.deepStrictEqual(order, [`before ["pro","1"]`, "resolve"])
        assert.deepStrictEqual(calls, [{ plan: "pro", region: "eu" }])
      })
  )

  rule("4.3.2.1 a before that gives back nothing leaves the context as it is", (rig) =>
    Effect.gen(function*() {
      const nothing = rig.hook("nothing", { before: () => undefined })
      const { calls, details } = yield* rig.evaluate({ client: [nothing], context: { plan: "pro" } })
      assert.deepStrictEqual(calls, [{ plan: "pro" }])
      assert.isTrue(details.value)
    }))

  const levels = {
    apiContext: { api: "api", shared: "api" },
    clientContext: { client: "client", shared: "client", last: "client" },
    context: { invocation: "invocation", last: "invocation" }
  }
  const existing = { api: "api", client: "client", shared: "client", invocation: "invocation", last: "invocation" }

  rule(
    "4.3.4 what a before gives back is in the context of the befores after it, over what was there",
    (rig) =>
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const adding = (name: string) =>
          rig.hook(name, {
            before: (context) => {
              seen.push(context.context)
              return { context: { [name]: true, last: name } }
            }
          })
        const { calls } = yield* rig.evaluate({
          ...levels,
          api: [adding("a"), adding("b")],
          client: [adding("c")],
          invocation: [adding("d"), adding("e")],
          provider: [adding("f")]
        })
        assert.deepStrictEqual(seen, [
          existing,
          { ...existing, a: true, last: "a" },
          { ...existing, a: true, b: true, last: "b" },
          { ...existing, a: true, b: true, c: true, last: "c" },
          { ...existing, a: true, b: true, c: true, d: true, last: "d" },
          { ...existing, a: true, b: true, c: true, d: true, e: true, last: "e" }
        ])
        assert.deepStrictEqual(calls, [{
          ...existing,
          a: true,
          b: true,
          c: true,
          d: true,
          e: true,
          f: true,
          last: "f"
        }])
      })
  )

  rule(
    "4.3.5 what befores give back is merged over the contexts of API, client and invocation",
    (rig) =>
      Effect.gen(function*() {
        const hook = rig.hook("hook", { before: () => ({ context: { last: "hook", added: true } }) })
        for (const place of ["api", "client", "invocation", "provider"]) {
          const { calls } = yield* rig.evaluate({ ...levels, [place]: [hook] })
          assert.deepStrictEqual(calls, [{ ...existing, last: "hook", added: true }], place)
        }
      })
  )

  rule("4.3.5 the stages after before are told the merged context", (rig) =>
    Effect.gen(function*() {
      for (const [kind, looking] of kinds(rig)) {
        for (const answer of [TestProvider.value(true), failure]) {
          const seen: Array<unknown> = []
          const hook = rig.hook("hook", { before: () => ({ context: { last: "hook" } }) })
          const watching = looking((told, _hints, stage) => stage === "before" || seen.push({ ...told.context }))
          yield* rig.evaluate({ ...levels, client: [watching, hook], answer })
          assert.deepStrictEqual(seen, [{ ...existing, last: "hook" }, { ...existing, last: "hook" }], kind)
        }
      }
    }))

  rule("4.3.6 after runs after the resolution, with context, details and hints", (rig) =>
    Effect.gen(function*() {
      const order: Array<unknown> = []
      const hook = rig.hook("hook", {
        after: (context, details, hints) => {
          order.push([context.flagKey, context.context, details.value, details.variant, hints.raw["audit"]])
          return { value: "what after gives back is ignored" }
        }
      })
      const converted = OpenFeatureHook.toFeatureHook("converted", {
        after: (context, details, hints) => {
          order.push([context.flagKey, { ...context.context }, details.value, details.variant, hints?.["audit"]])
        }
      })
      const answer = Effect.tap(
        TestProvider.value(true, { variant: "on" }),
        () => Effect.sync(() => void order.push("resolve"))
      )
      const { details } = yield* rig.evaluate({
        client: [hook, converted],
        context: { plan: "pro" },
        hints: { audit: "1" },
        answer
      })
      const told = [flagKey, { plan: "pro" }, true, "on", "1"]
      assert.deepStrictEqual(order, ["resolve", told, told])
      assert.isTrue(details.value)
    }))

  rule("4.3.6 after does not run when the resolution gives an error", (rig) =>
    Effect.gen(function*() {
      for (const answer of [failure, TestProvider.error("PARSE_ERROR", "cannot be parsed")]) {
        const journal: Array<RecordingHook.Entry> = []
        yield* rig.evaluate({ client: [recording(rig, "hook", journal)], answer })
        assert.deepStrictEqual(short(journal), ["hook.before", "hook.error", "hook.finally"])
      }
    }))
})

describe("4.3.7 error", () => {
  rule(
    "4.3.7 error runs for errors of before, of the resolution and of after, and is told which",
    (rig) =>
      Effect.gen(function*() {
        const cases = [
          [{ invocation: [FeatureHook.make("failing", { before: reject })] }, "INVALID_CONTEXT", "rejected"],
          [{ answer: failure }, "GENERAL", "the provider is broken"],
          [{ answer: TestProvider.error("PARSE_ERROR", "cannot be parsed") }, "PARSE_ERROR", "cannot be parsed"],
          [{ invocation: [FeatureHook.make("failing", { after: reject })] }, "INVALID_CONTEXT", "rejected"]
        ] as const
        for (const [levels, code, message] of cases) {
          const journal: Array<RecordingHook.Entry> = []
          const { details } = yield* rig.evaluate({
            ...levels,
            client: [recording(rig, "hook", journal)],
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

  rule(
    "4.3.7 error runs once whatever the message of the error, and with what was thrown as its cause",
    (rig) =>
      Effect.gen(function*() {
        for (
          const thrown of [new Error("x".repeat(3000)), new Error("one\ntwo"), new Error(""), undefined, { code: 5 }]
        ) {
          const journal: Array<RecordingHook.Entry> = []
          const answer = TestProvider.throwing(thrown)
          yield* rig.evaluate({ client: [recording(rig, "hook", journal)], answer })
          assert.deepStrictEqual(short(journal), ["hook.before", "hook.error", "hook.finally"])
          assert.deepStrictEqual([journal[1]?.error?.code, journal[1]?.error?.cause], ["GENERAL", thrown])
          assert.isTrue(EvaluationError.isEvaluationError(journal[1]?.error))
        }
      })
  )

  rule("4.3.7 error of a converted hook is told the very error that was thrown", (rig) =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const hook = OpenFeatureHook.toFeatureHook("converted", { error: (_context, error) => void seen.push(error) })
      const thrown = new Error("the provider is broken\nin two lines")
      yield* rig.evaluate({ client: [hook], answer: TestProvider.throwing(thrown) })
      assert.strictEqual(seen.length, 1)
      assert.strictEqual(seen[0], thrown)
    }))

  rule("4.3.7 error does not run for an evaluation without an error", (rig) =>
    Effect.gen(function*() {
      const journal: Array<RecordingHook.Entry> = []
      yield* rig.evaluate({ client: [recording(rig, "hook", journal)] })
      assert.deepStrictEqual(short(journal), ["hook.before", "hook.after", "hook.finally"])
    }))
})
