import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { FeatureHook, HookHints } from "effect-openfeature"
import { Fixtures, RecordingHook } from "effect-openfeature/testing"
import { paths } from "../support.ts"

describe("a recording hook", () => {
  for (const [path, change] of paths) {
    it.effect(`writes down what each stage was given, ${path}`, () =>
      Effect.gen(function*() {
        const Key = HookHints.key<string>("k")
        const { clear, entries, hook } = yield* RecordingHook.make("r")
        yield* Fixtures.run(change(hook), {
          context: { flagKey: "f", context: { plan: "pro" } },
          hints: HookHints.make(Key, "v")
        })
        const [before, after, last] = yield* entries
        assert.deepStrictEqual([before?.hook, before?.stage, before?.flagKey], ["r", "before", "f"])
        assert.deepStrictEqual(before?.context, { plan: "pro" })
        assert.strictEqual(HookHints.getOrUndefined(before.hints, Key), "v")
        assert.isUndefined(before?.details)
        assert.strictEqual(after?.details?.value, true)
        assert.strictEqual(last?.stage, "finally")
        yield* clear
        yield* Fixtures.run(change(hook), { error: { code: "PARSE_ERROR", message: "m" } })
        assert.strictEqual((yield* entries)[1]?.error?.code, "PARSE_ERROR")
        assert.strictEqual((yield* entries).length, 3)
      }))
  }

  it.effect("shares a journal with others", () =>
    Effect.gen(function*() {
      const journal: Array<RecordingHook.Entry> = []
      const a = yield* RecordingHook.make("a", journal)
      const b = yield* RecordingHook.make("b", journal)
      yield* Fixtures.run(FeatureHook.combine(a.hook, b.hook))
      assert.deepStrictEqual(yield* a.stages, yield* b.stages)
      assert.deepStrictEqual(yield* a.stages, ["a.before", "b.before", "b.after", "a.after", "b.finally", "a.finally"])
    }))
})
