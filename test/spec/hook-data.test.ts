import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { OpenFeatureHook } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { failure, rule } from "./rig.ts"

describe("4.3.2 hook data of an evaluation", () => {
  rule(
    "4.3.2 hook data is made once for each hook and each evaluation, whichever stage is the first",
    (rig) =>
      Effect.gen(function*() {
        const seen: Array<readonly [string, number]> = []
        let made = 0
        const hook = (name: string) =>
          rig.hook(name, {
            hookData: () => ({ id: ++made }),
            before: (_context, _hints, data) => void seen.push([`${name}.before`, data.id]),
            finally: (_context, _details, _hints, data) => void seen.push([`${name}.finally`, data.id])
          })
        const late = rig.hook("late", {
          hookData: () => ({ id: ++made }),
          error: (_context, _error, _hints, data) => void seen.push(["late.error", data.id]),
          finally: (_context, _details, _hints, data) => void seen.push(["late.finally", data.id])
        })
        const levels = { api: [hook("a")], client: [hook("b"), late] }
        yield* rig.evaluate(levels)
        assert.deepStrictEqual(seen, [
          ["a.before", 1],
          ["b.before", 2],
          ["late.finally", 3],
          ["b.finally", 2],
          ["a.finally", 1]
        ])
        seen.length = 0
        yield* rig.evaluate({ ...levels, answer: failure })
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
      const hook = rig.hook("twice", {
        hookData: () => ({ id: ++made }),
        before: (_context, _hints, data) => void seen.push(data.id),
        finally: (_context, _details, _hints, data) => void seen.push(data.id)
      })
      yield* rig.evaluate({ api: [hook], invocation: [hook] })
      assert.deepStrictEqual(seen, [1, 2, 2, 1])
    }))

  // The data of a converted hook: what each stage finds, and then writes.
  const converted = (seen: Array<unknown>) => {
    let ids = 0
    const look = (stage: string, data: { get(key: string): unknown }) => void seen.push([stage, data.get("id")])
    return OpenFeatureHook.toFeatureHook("converted", {
      before: (context) => {
        look("before", context.hookData)
        context.hookData.set("id", ++ids)
      },
      after: (context) => look("after", context.hookData),
      error: (context) => look("error", context.hookData),
      finally: (context) => look("finally", context.hookData)
    })
  }

  rule(
    "4.3.2 a converted hook has hook data of its own in each evaluation, in all of its stages",
    (rig) =>
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const hook = converted(seen)
        yield* rig.evaluate({ client: [hook] })
        yield* rig.evaluate({ client: [hook], answer: failure })
        assert.deepStrictEqual(seen, [
          ["before", undefined],
          ["after", 1],
          ["finally", 1],
          ["before", undefined],
          ["error", 2],
          ["finally", 2]
        ])
      })
  )

  rule(
    "4.3.2 evaluations at the same time do not share the hook data of a converted hook",
    (rig) =>
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const hook = converted(seen)
        // The answer takes a turn, so both have begun before one of them ends.
        const answer = Effect.andThen(Effect.yieldNow, TestProvider.value(true))
        yield* Effect.all([rig.evaluate({ client: [hook], answer }), rig.evaluate({ client: [hook], answer })], {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(seen.slice(0, 2), [["before", undefined], ["before", undefined]])
        assert.sameDeepMembers(seen.slice(2), [["after", 1], ["after", 2], ["finally", 1], ["finally", 2]])
      })
  )

  rule("4.3.2 a converted hook at two levels has hook data of its own at each", (rig) =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const hook = converted(seen)
      yield* rig.evaluate({ api: [hook], invocation: [hook] })
      assert.deepStrictEqual(seen, [
        ["before", undefined],
        ["before", undefined],
        ["after", 2],
        ["after", 1],
        ["finally", 2],
        ["finally", 1]
      ])
    }))
})

describe("4.6 hook data", () => {
  const values = {
    flag: true,
    text: "a",
    number: 1.5,
    when: new Date(0),
    tree: { list: [{ deep: "b" }] },
    run: () => 1
  }

  rule("4.6.1 hook data holds anything under any name", (rig) =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const hook = rig.hook("hook", {
        hookData: () => new Map<string, unknown>(),
        before: (_context, _hints, data) => {
          for (const [key, value] of Object.entries(values)) data.set(key, value)
        },
        finally: (_context, _details, _hints, data) => void seen.push(Object.fromEntries(data))
      })
      yield* rig.evaluate({ client: [hook] })
      assert.deepStrictEqual(seen, [values])
    }))

  rule(
    "4.6.1 the hook data of a converted hook holds anything, and lets it be removed",
    (rig) =>
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const keys = Object.keys(values)
        const hook = OpenFeatureHook.toFeatureHook("converted", {
          before: (context) => {
            for (const [key, value] of Object.entries(values)) context.hookData.set(key, value)
          },
          after: ({ hookData }) => {
            seen.push(Object.fromEntries(keys.map((key) => [key, hookData.get(key)])))
            hookData.delete("flag")
          },
          finally: ({ hookData }) => {
            seen.push(keys.map((key) => hookData.has(key)))
            hookData.clear()
            seen.push(keys.map((key) => hookData.has(key)))
          }
        })
        yield* rig.evaluate({ client: [hook] })
        assert.deepStrictEqual(seen, [
          values,
          [false, true, true, true, true, true],
          [false, false, false, false, false, false]
        ])
      })
  )
})
