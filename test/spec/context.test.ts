import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type EvaluationContext, FeatureFlags, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { kinds, recording } from "./hook.ts"
import { apiContext, clientRule, flagKey, inTransaction, newDomain, rule, transactions } from "./rig.ts"

describe("3.1 the evaluation context", () => {
  rule("3.1.1 the targeting key reaches hooks and provider", (rig) =>
    Effect.gen(function*() {
      for (const [kind, looking] of kinds(rig)) {
        const seen: Array<unknown> = []
        const hook = looking((told) => seen.push(Reflect.get(told.context, "targetingKey")))
        const { calls } = yield* rig.evaluate({ client: [hook], context: { targetingKey: "user-1" } })
        assert.deepStrictEqual(calls, [{ targetingKey: "user-1" }])
        assert.deepStrictEqual(seen, ["user-1", "user-1", "user-1"], kind)
      }
    }))

  clientRule("3.1.1 the targeting key is optional", (rig) =>
    Effect.gen(function*() {
      const { calls, details } = yield* rig.evaluate({ context: { plan: "pro" } })
      assert.deepStrictEqual([details.value, details.errorCode], [true, undefined])
      assert.deepStrictEqual(calls, [{ plan: "pro" }])
    }))

  const custom: EvaluationContext.EvaluationContext = {
    isAdmin: true,
    plan: "pro",
    age: 42.5,
    since: new Date(0),
    tree: { list: [1, { deep: "b" }] }
  }

  rule("3.1.2 custom fields hold booleans, text, numbers, dates and structures", (rig) =>
    Effect.gen(function*() {
      for (const [kind, looking] of kinds(rig)) {
        const seen: Array<unknown> = []
        const hook = looking((told) => seen.push({ ...told.context }))
        const { calls } = yield* rig.evaluate({ client: [hook], context: custom })
        assert.deepStrictEqual(calls, [custom])
        assert.deepStrictEqual(seen, [custom, custom, custom], kind)
      }
    }))

  rule("3.1.3 a hook reads fields by key, and all of them", (rig) =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const hook = rig.hook("reading", {
        before: ({ context }) => void seen.push([context["plan"], context["missing"], Object.entries(context)])
      })
      yield* rig.evaluate({ client: [hook], context: custom })
      assert.deepStrictEqual(seen, [["pro", undefined, Object.entries(custom)]])
    }))

  rule("3.1.4 a field that several levels and hooks set is there once", (rig) =>
    Effect.gen(function*() {
      const journal: Parameters<typeof recording>[2] = []
      const adding = rig.hook("adding", { before: () => ({ context: { plan: "hook" } }) })
      const { calls } = yield* rig.evaluate({
        apiContext: { plan: "api" },
        clientContext: { plan: "client" },
        context: { plan: "invocation" },
        client: [adding, recording(rig, "hook", journal)]
      })
      assert.deepStrictEqual(calls.map(Object.entries), [[["plan", "hook"]]])
      assert.deepStrictEqual(journal.map(({ context }) => Object.entries(context)), [
        [["plan", "hook"]],
        [["plan", "hook"]],
        [["plan", "hook"]]
      ])
    }))
})

describe("3.2 levels of the evaluation context", () => {
  clientRule("3.2.1.1 API, client and invocation supply evaluation context", (rig) =>
    Effect.gen(function*() {
      for (const level of ["apiContext", "clientContext", "context"] as const) {
        const { calls } = yield* rig.evaluate({ [level]: { from: level } })
        assert.deepStrictEqual(calls, [{ from: level }])
      }
    }))

  it.effect("3.2.1.1 a region of code supplies evaluation context", () =>
    Effect.scoped(Effect.gen(function*() {
      const provider = yield* TestProvider.make({ flags: { [flagKey]: TestProvider.value(true) } })
      const flags = yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(provider) })
      yield* flags.boolean(flagKey, false).pipe(FeatureFlags.withContext({ region: "inner" }))
      yield* flags.boolean(flagKey, false)
      assert.deepStrictEqual((yield* provider.calls).map((call) => call.context), [{ region: "inner" }, {}])
    })))

  const levels = ["api", "transaction", "client", "region", "invocation", "hook", "converted"]

  // Each level sets its own key, and those of all levels that come after it.
  const contextOf = (level: string) =>
    Object.fromEntries(levels.slice(levels.indexOf(level)).map((key) => [key, level]))

  const own = (names: ReadonlyArray<string>) => Object.fromEntries(names.map((name) => [name, name]))

  it.effect("3.2.3 contexts are merged: API, transaction, client, region, invocation, before hooks", () =>
    Effect.scoped(Effect.gen(function*() {
      const seen: Array<unknown> = []
      yield* apiContext(contextOf("api"))
      yield* transactions
      const provider = yield* TestProvider.make({ flags: { [flagKey]: TestProvider.value(true) } })
      const flags = yield* FeatureFlags.make({
        domain: newDomain(),
        provider: Effect.succeed(provider),
        context: contextOf("client")
      })
      const adding = FeatureHook.make("adding", {
        before: (context) =>
          Effect.sync(() => {
            seen.push(context.context)
            return { context: contextOf("hook") }
          })
      })
      const converted = OpenFeatureHook.toFeatureHook("converted", { before: () => contextOf("converted") })
      yield* flags.boolean(flagKey, false, { context: contextOf("invocation"), hooks: [adding, converted] }).pipe(
        FeatureFlags.withContext(contextOf("region")),
        inTransaction(contextOf("transaction"))
      )
      const invocation = own(levels.slice(0, 5))
      assert.deepStrictEqual(seen, [{ ...invocation, hook: "invocation", converted: "invocation" }])
      assert.deepStrictEqual((yield* provider.calls).map((call) => call.context), [own(levels)])
    })))
})
