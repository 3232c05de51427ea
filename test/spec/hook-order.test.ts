import { assert, describe, it } from "@effect/vitest"
import { OpenFeature } from "@openfeature/server-sdk"
import { Effect } from "effect"
import { EvaluationError, FeatureFlags, FeatureHook } from "effect-openfeature"
import { RecordingHook, TestProvider } from "effect-openfeature/testing"
import { recording, short } from "./hook.ts"
import { failure, flagKey, newDomain, rule, silent } from "./rig.ts"

const rejected = new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "rejected" })

describe("4.4 order and errors", () => {
  rule(
    "4.4.1 hooks are registered with the API, the client, the invocation and the provider",
    (rig) =>
      Effect.gen(function*() {
        const journal: Array<RecordingHook.Entry> = []
        yield* rig.evaluate({
          api: [recording(rig, "api", journal)],
          client: [recording(rig, "client", journal)],
          invocation: [recording(rig, "invocation", journal)],
          provider: [recording(rig, "provider", journal)]
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
      const flags = yield* FeatureFlags.make({ domain: newDomain() })
      const { hook } = yield* RecordingHook.make("hook", journal)
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
            const level = (name: string) => [recording(rig, `${name}1`, journal), recording(rig, `${name}2`, journal)]
            yield* rig.evaluate({
              api: level("api"),
              client: level("client"),
              invocation: level("call"),
              provider: level("provider"),
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
      const { details } = yield* rig.evaluate({
        api: [recording(rig, "a", journal)],
        client: [
          recording(rig, "b", journal),
          FeatureHook.make("failing", { finally: () => Effect.fail("no") }),
          recording(rig, "c", journal),
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
        const { details } = yield* rig.evaluate({
          api: [recording(rig, "a", journal)],
          client: [
            recording(rig, "b", journal),
            FeatureHook.make("failing", { error: () => Effect.fail("no") }),
            recording(rig, "c", journal),
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
        yield* rig.evaluate({
          api: [recording(rig, "a", journal)],
          client: [
            recording(rig, "b", journal),
            FeatureHook.make("failing", { [stage]: () => Effect.fail(rejected) }),
            recording(rig, "c", journal)
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
      const { calls } = yield* rig.evaluate({
        api: [recording(rig, "a", journal)],
        client: [
          recording(rig, "b", journal),
          FeatureHook.make("failing", { before: () => Effect.fail(rejected) }),
          recording(rig, "c", journal)
        ],
        invocation: [recording(rig, "d", journal)]
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
      yield* rig.evaluate({
        api: [recording(rig, "a", journal)],
        client: [
          recording(rig, "b", journal),
          FeatureHook.make("failing", { after: () => Effect.fail(rejected) }),
          recording(rig, "c", journal)
        ],
        invocation: [recording(rig, "d", journal)]
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
          const outcome = yield* rig.evaluate({ client: [FeatureHook.make("failing", { before: () => failed })] })
          assert.deepStrictEqual(outcome.calls, [])
          assert.deepStrictEqual([outcome.details.value, outcome.details.reason], [false, "ERROR"])
        }
      }))
  )
})

// Each test takes back what it registers, so that nothing is left for another one.
describe("the API object", () => {
  it("is left without hooks and without a context", () => {
    assert.deepStrictEqual(OpenFeature.getHooks(), [])
    assert.deepStrictEqual(OpenFeature.getContext(), {})
  })
})
