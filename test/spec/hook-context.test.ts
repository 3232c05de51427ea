import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { type HookContext, OpenFeatureHook } from "effect-openfeature"
import { type RecordingHook, TestProvider } from "effect-openfeature/testing"
import { kinds, recording, type Told, writable } from "./hook.ts"
import { failure, flagKey, rule, silent } from "./rig.ts"

const answers = [TestProvider.value(true), failure]

describe("4.1 hook context", () => {
  rule(
    "4.1.1 every stage is told the flag key, the type, the context of all levels, the default value and its hook data",
    (rig) =>
      Effect.gen(function*() {
        const seen: Array<ReadonlyArray<unknown>> = []
        const see = (context: HookContext.HookContext, data: { readonly id: string }) =>
          void seen.push([
            context.flagKey,
            context.flagValueType,
            context.context,
            context.defaultValue,
            data.id
          ])
        const hook = rig.hook("hook", {
          hookData: () => ({ id: "data" }),
          before: (context, _hints, data) => see(context, data),
          after: (context, _details, _hints, data) => see(context, data),
          error: (context, _error, _hints, data) => see(context, data),
          finally: (context, _details, _hints, data) => see(context, data)
        })
        for (const answer of answers) {
          yield* rig.evaluate({
            client: [hook],
            apiContext: { api: "a" },
            clientContext: { client: "c" },
            context: { plan: "pro" },
            answer
          })
        }
        const expected = [flagKey, "boolean", { api: "a", client: "c", plan: "pro" }, false, "data"]
        assert.deepStrictEqual(seen, Array.from({ length: 6 }, () => expected))
      })
  )

  rule(
    "4.1.1 every stage of a converted hook is told the same, in one hook context",
    (rig) =>
      Effect.gen(function*() {
        const seen: Array<Told> = []
        const values: Array<unknown> = []
        const [, [, converted]] = kinds(rig)
        const hook = converted((told) => {
          seen.push(told)
          values.push([told.flagKey, told.flagValueType, { ...told.context }, told.defaultValue])
        })
        for (const answer of answers) {
          seen.length = 0
          yield* rig.evaluate({
            client: [hook],
            apiContext: { api: "a" },
            clientContext: { client: "c" },
            context: { plan: "pro" },
            answer
          })
          assert.strictEqual(new Set(seen).size, 1)
        }
        const expected = [flagKey, "boolean", { api: "a", client: "c", plan: "pro" }, false]
        assert.deepStrictEqual(values, Array.from({ length: 6 }, () => expected))
      })
  )

  rule(
    "4.1.2 every stage has access to the metadata of the client and of the provider",
    (rig) =>
      Effect.gen(function*() {
        for (const [kind, looking] of kinds(rig)) {
          const seen: Array<readonly [string | undefined, unknown]> = []
          const hook = looking((told) => seen.push([told.clientMetadata.domain, { ...told.providerMetadata }]))
          yield* rig.evaluate({ client: [hook] })
          assert.strictEqual(seen.length, 3, kind)
          for (const [domain, metadata] of seen) {
            assert.match(domain ?? "", /^spec-\d+$/)
            assert.deepStrictEqual(metadata, { name: "test", nested: { level: "live" } })
          }
        }
      })
  )

  rule("4.1.3 the flag key, the type and the default value cannot be changed", (rig) =>
    Effect.gen(function*() {
      for (const [kind, looking] of kinds(rig)) {
        for (const answer of answers) {
          const written: Array<string> = []
          const seen: Array<unknown> = []
          const writing = looking((told) => {
            const keys = ["flagKey", "flagValueType", "defaultValue", "extra"]
            written.push(...keys.filter((key) => Reflect.set(told, key, "written")))
          })
          const watching = looking((told) => seen.push([told.flagKey, told.flagValueType, told.defaultValue]))
          const { details } = yield* rig.evaluate({ api: [writing], invocation: [watching], answer })
          assert.deepStrictEqual(written, [], kind)
          assert.strictEqual(details.flagKey, flagKey)
          assert.deepStrictEqual(seen, Array.from({ length: 3 }, () => [flagKey, "boolean", false]))
        }
      }
    }))

  rule("4.1.3 a default value that is a structure cannot be changed inside", (rig) =>
    Effect.gen(function*() {
      for (const [kind, looking] of kinds(rig)) {
        for (const answer of [TestProvider.value({ plan: "pro" }), failure]) {
          const original = () => ({ plan: { limits: [1, 2] } })
          const defaultValue = original()
          const written: Array<string> = []
          const seen: Array<unknown> = []
          const writing = looking((told) => written.push(...writable(told.defaultValue)))
          const watching = looking((told) => seen.push(told.defaultValue))
          const { details } = yield* rig.evaluate({
            api: [writing],
            invocation: [watching],
            provider: [writing],
            defaultValue,
            answer
          })
          assert.deepStrictEqual(defaultValue, original(), kind)
          if (answer === failure) assert.deepStrictEqual(details.value, original(), kind)
          assert.deepStrictEqual(seen, Array.from({ length: 3 }, original), kind)
          assert.deepStrictEqual(written, [], kind)
        }
      }
    }))

  rule(
    "4.1.4.1 an Effect hook changes the context by what its before gives back, and by nothing else",
    (rig) =>
      Effect.gen(function*() {
        for (const answer of answers) {
          const written: Array<string> = []
          const seen: Array<unknown> = []
          const ran: Array<string> = []
          const write = (stage: string, context: HookContext.HookContext) => {
            ran.push(stage)
            written.push(...writable(context.context))
            return { context: { late: stage } }
          }
          const writing = rig.hook("writing", {
            before: (context) => {
              write("before", context)
              return { context: { returned: "yes" } }
            },
            after: (context) => write("after", context),
            error: (context) => write("error", context),
            finally: (context) => write("finally", context)
          })
          const [[, looking]] = kinds(rig)
          const outcome = yield* rig.evaluate({
            api: [looking((told) => seen.push(told.context))],
            client: [writing],
            answer
          })
          assert.deepStrictEqual(ran, ["before", answer === failure ? "error" : "after", "finally"])
          assert.deepStrictEqual(written, [])
          assert.deepStrictEqual(outcome.calls, [{ returned: "yes" }])
          assert.deepStrictEqual(seen, [{}, { returned: "yes" }, { returned: "yes" }])
        }
      })
  )

  rule(
    "4.1.4.1 a converted hook writes to the context in before, and cannot after it",
    (rig) =>
      Effect.gen(function*() {
        for (const answer of answers) {
          const thrown: Array<unknown> = []
          const journal: Array<{ readonly stage: string; readonly context: object }> = []
          const [[, effectful], [, converted]] = kinds(rig)
          const writing = converted((told, _hints, stage) => {
            try {
              Object.assign(told.context, { [stage]: "written" })
            } catch (error) {
              thrown.push([stage, error instanceof TypeError])
            }
          })
          const outcome = yield* rig.evaluate({
            api: [effectful((told, _hints, stage) => journal.push({ stage, context: told.context }))],
            client: [writing],
            answer
          })
          assert.deepStrictEqual(outcome.calls, [{ before: "written" }])
          const second = answer === failure ? "error" : "after"
          assert.deepStrictEqual(journal, [
            { stage: "before", context: {} },
            { stage: second, context: { before: "written" } },
            { stage: "finally", context: { before: "written" } }
          ])
          assert.deepStrictEqual(thrown, [[second, true], ["finally", true]])
        }
      })
  )

  rule(
    "4.1.4.1 a write to the context in the after of a converted hook rejects the evaluation",
    (rig) =>
      silent(Effect.gen(function*() {
        const [, [, converted]] = kinds(rig)
        const writing = converted((told, _hints, stage) => {
          if (stage === "after") Object.assign(told.context, { late: true })
        })
        const { details } = yield* rig.evaluate({ client: [writing] })
        assert.deepStrictEqual([details.value, details.errorCode], [false, "GENERAL"])
      }))
  )

  rule(
    "4.1.4.1 what a converted before sets or returns is in the context of all who come later",
    (rig) =>
      Effect.gen(function*() {
        const journal: Array<RecordingHook.Entry> = []
        const setting = OpenFeatureHook.toFeatureHook("setting", {
          before: (context) => {
            Object.assign(context.context, { set: "yes", email: undefined })
            return { returned: "yes" }
          }
        })
        const { calls } = yield* rig.evaluate({
          client: [setting, recording(rig, "later", journal)],
          context: { email: "a@b.c" }
        })
        const expected: unknown = { set: "yes", returned: "yes", email: undefined }
        assert.strictEqual(journal.length, 3)
        assert.deepEqual<unknown>(journal.map((entry) => entry.context), [expected, expected, expected])
        assert.deepEqual<unknown>(calls, [expected])
      })
  )

  rule("4.1.5 what one stage writes into the hook data is there in the next", (rig) =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const count = (data: { count: number }) => void seen.push(++data.count)
      const counting = rig.hook("counting", {
        hookData: () => ({ count: 0 }),
        before: (_context, _hints, data) => count(data),
        after: (_context, _details, _hints, data) => count(data),
        error: (_context, _error, _hints, data) => count(data),
        finally: (_context, _details, _hints, data) => count(data)
      })
      for (const answer of answers) yield* rig.evaluate({ client: [counting], answer })
      assert.deepStrictEqual(seen, [1, 2, 3, 1, 2, 3])
    }))
})
