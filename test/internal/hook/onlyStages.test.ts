import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { expectTypeOf } from "vitest"
import { FeatureHook, type HookFailures } from "effect-openfeature"
import { Fixtures } from "effect-openfeature/testing"
import { paths, rangeError } from "../../support.ts"

const stages: ReadonlyArray<HookFailures.Stage> = ["before", "after", "error", "finally"]

const noting = (name: string, seen: Array<string>, own: ReadonlyArray<HookFailures.Stage> = stages) =>
  FeatureHook.make(
    name,
    Object.fromEntries(own.map((stage) => [stage, () => Effect.sync(() => void seen.push(`${name}.${stage}`))]))
  )

describe("onlyStages", () => {
  for (const [path, change] of paths) {
    it.effect(`keeps the stages that it names, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const hook = FeatureHook.onlyStages(change(noting("a", seen)), "after", "error")
        yield* Fixtures.run(hook)
        yield* Fixtures.run(hook, { error: new Error("no") })
        assert.deepStrictEqual(seen, ["a.after", "a.error"])
        seen.length = 0
        yield* Fixtures.run(noting("b", seen).pipe(change, FeatureHook.onlyStages("before")))
        assert.deepStrictEqual(seen, ["b.before"])
      }))

    it.effect(`leaves out the hooks of a combination that have none of them, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const both = FeatureHook.combine(noting("a", seen, ["before"]), noting("b", seen, ["before", "after"]))
        const hook = FeatureHook.onlyStages(change(both), "after", "finally")
        assert.strictEqual(hook.name, "b")
        yield* Fixtures.run(hook)
        assert.deepStrictEqual(seen, ["b.after"])
      }))
  }

  it("refuses what would leave nothing, and stages that there are not", () => {
    const hook = noting("audit", [], ["before", "finally"])
    const message = (...only: ReadonlyArray<unknown>) =>
      rangeError(() => Reflect.apply(FeatureHook.onlyStages, undefined, [hook, ...only]))
    assert.strictEqual(
      message("after", "error"),
      "FeatureHook.onlyStages: hook \"audit\" has no after or error, only before, finally"
    )
    assert.strictEqual(
      message(),
      "FeatureHook.onlyStages: at least one stage is needed: before, after, error, finally"
    )
    assert.strictEqual(
      message("Before"),
      "FeatureHook.onlyStages: there is no stage \"Before\"; did you mean \"before\"?"
    )
    assert.strictEqual(
      message("a\nb"),
      "FeatureHook.onlyStages: there is no stage \"a\\u000ab\"; the stages are before, after, error, finally"
    )
    for (const value of [undefined, null, 5, {}, ["before"], Object.create(null)]) {
      assert.match(message(value), /^FeatureHook.onlyStages: there is no stage /)
    }
  })

  it("keeps a program around the evaluation whole", () => {
    const around = FeatureHook.around("traced", (_context, evaluate) => evaluate)
    const changed = FeatureHook.combine(noting("a", []), around).pipe(FeatureHook.timeout("1 second"))
    for (const stage of stages) {
      assert.strictEqual(
        rangeError(() => FeatureHook.onlyStages(changed, stage)),
        "FeatureHook.onlyStages: hook \"traced\" is one program around the evaluation and needs all its stages"
      )
    }
    assert.strictEqual(FeatureHook.onlyStages(changed, ...stages).name, "a + traced")
  })

  it("has the type of the hook", () => {
    const hook = FeatureHook.make("a", { before: () => Effect.fail("no") })
    expectTypeOf(FeatureHook.onlyStages(hook, "before")).toEqualTypeOf<FeatureHook.FeatureHook<string>>()
    expectTypeOf(hook.pipe(FeatureHook.onlyStages("before"))).toEqualTypeOf<FeatureHook.FeatureHook<string>>()
  })
})
