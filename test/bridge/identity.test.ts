import { assert, describe, it } from "@effect/vitest"
import * as SDK from "@openfeature/server-sdk"
import { Effect } from "effect"
import { FeatureFlags, FeatureHook, FlagFilter, OpenFeatureHook } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { newDomain } from "../support.ts"
import { clients } from "../clients.ts"
import { answers, ending, evaluate, makeClient, ways } from "./rig.ts"

type Stage = "before" | "after" | "error" | "finally"

/** A hook of the SDK that looks at its hook context in each stage. */
const looking = (look: (stage: Stage, context: SDK.BeforeHookContext) => void): SDK.Hook => ({
  before: (context) => look("before", context),
  after: (context) => look("after", context),
  error: (context) => look("error", context),
  finally: (context) => look("finally", context)
})

/** A hook that keeps its spans by hook context, as span hooks do. */
const spans = () => {
  const open = new WeakMap<object, string>()
  const journal: Array<string> = []
  const hook: SDK.Hook = {
    before: (context) => {
      open.set(context, context.flagKey)
      journal.push(`start ${context.flagKey}`)
    },
    finally: (context) => {
      journal.push(`end ${String(open.get(context))}`)
    }
  }
  return { hook, journal }
}

describe("the hook context of a converted hook", () => {
  for (const [way, kind, change] of ways) {
    it.effect(`is one object in all stages of an evaluation, ${way}`, () =>
      Effect.gen(function*() {
        const variants = [
          (hook: FeatureHook.FeatureHook<unknown>) => hook,
          FeatureHook.observe,
          FeatureHook.timeout("1 second"),
          FeatureHook.when(FlagFilter.all)
        ]
        for (const variant of variants) {
          const seen: Array<object> = []
          const other: Array<object> = []
          const client = yield* makeClient(kind, {
            hooks: [
              change(variant(OpenFeatureHook.toFeatureHook("a", looking((_, context) => seen.push(context))))),
              change(variant(OpenFeatureHook.toFeatureHook("b", looking((_, context) => other.push(context)))))
            ]
          })
          for (const flagKey of ["good", "bad"]) {
            seen.length = 0
            other.length = 0
            yield* client.evaluate(flagKey)
            assert.strictEqual(seen.length, 3)
            assert.strictEqual(new Set(seen).size, 1, "one for the hook")
            assert.strictEqual(new Set(other).size, 1, "one for the other hook")
            assert.notStrictEqual(seen[0], other[0], "each hook has its own")
          }
          const [first] = seen
          yield* client.evaluate("good")
          assert.notInclude(seen.slice(3), first, "each evaluation has its own")
        }
      }))

    it.effect(`is frozen, as the SDK's is, ${way}`, () =>
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const hook = looking((stage, context) => {
          seen.push(stage, Object.isFrozen(context), Reflect.set(context, "flagKey", "other"))
          seen.push(Reflect.set(context, "context", {}), Reflect.set(context, "extra", 1), context.flagKey)
        })
        const client = yield* makeClient(kind, { hooks: [change(OpenFeatureHook.toFeatureHook("looking", hook))] })
        yield* client.evaluate("good")
        yield* client.evaluate("bad")
        const of = (stage: Stage, flagKey: string) => [stage, true, false, false, false, flagKey]
        assert.deepStrictEqual(seen, [
          ...["before", "after", "finally"].flatMap((stage) => of(stage as Stage, "good")),
          ...["before", "error", "finally"].flatMap((stage) => of(stage as Stage, "bad"))
        ])
      }))

    it.effect(`has a default value that cannot be written, ${way}`, () =>
      Effect.gen(function*() {
        const written: Array<boolean> = []
        const defaultValue = { nested: { list: [1] } }
        const hook = looking((_, context) => {
          const given = context.defaultValue as typeof defaultValue
          written.push(Reflect.set(given, "added", 1), Reflect.set(given.nested, "added", 1))
          written.push(Reflect.set(given.nested.list, 0, 2))
        })
        const hooks = [change(OpenFeatureHook.toFeatureHook("looking", hook))]
        const domain = newDomain()
        const provider = yield* TestProvider.make({ flags: answers })
        yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, provider))
        const flags = yield* FeatureFlags.make({ domain })
        const value = kind === "FeatureFlags"
          ? yield* flags.object("missing", defaultValue, { hooks })
          : yield* Effect.promise(() =>
            flags.client.getObjectValue("missing", defaultValue, {}, { hooks: [OpenFeatureHook.make(...hooks)] })
          )
        assert.deepStrictEqual(written, Array.from({ length: 9 }, () => false))
        assert.deepStrictEqual(value, { nested: { list: [1] } })
        assert.deepStrictEqual(defaultValue, { nested: { list: [1] } })
      }))

    it.effect(`holds the live evaluation context: writable in before, frozen from then on, ${way}`, () =>
      Effect.gen(function*() {
        const plain: Array<object> = []
        const converted: Array<object> = []
        const written: Array<unknown> = []
        const hook = looking((stage, context) => {
          converted.push(context.context)
          written.push(stage, Reflect.set(context.context, stage, 1))
        })
        const setup = {
          hooks: [change(OpenFeatureHook.toFeatureHook("looking", hook))],
          outer: [looking((_, context) => plain.push(context.context))]
        }
        for (const flagKey of ["good", "bad"]) {
          plain.length = converted.length = written.length = 0
          const { context } = yield* evaluate(kind, { ...setup, flagKey })
          const last = flagKey === "good" ? "after" : "error"
          assert.deepStrictEqual(written, ["before", true, last, false, "finally", false])
          assert.strictEqual(new Set([...plain, ...converted]).size, 1)
          assert.strictEqual(converted[0], context, "the provider gets that object too")
          assert.deepStrictEqual(context, { before: 1 })
        }
      }))

    it.effect(`finds what a hook keeps by it, so that spans end, ${way}`, () =>
      Effect.gen(function*() {
        const { hook, journal } = spans()
        const client = yield* makeClient(kind, { hooks: [change(OpenFeatureHook.toFeatureHook("spans", hook))] })
        for (const flagKey of ["good", "bad", "missing"]) yield* client.evaluate(flagKey)
        assert.deepStrictEqual(
          journal,
          ["good", "bad", "missing"].flatMap((flagKey) => [`start ${flagKey}`, `end ${flagKey}`])
        )
        journal.length = 0
        const many = Array.from({ length: 20 }, (_, n) => `flag-${n}`)
        yield* Effect.forEach(many, client.evaluate, { concurrency: "unbounded" })
        const of = (word: string) => many.map((flagKey) => `${word} ${flagKey}`)
        assert.sameMembers(journal, [...of("start"), ...of("end")])
      }))
  }
})

describe("a MultiProvider with hooks that went over the bridge", () => {
  for (const [way, kind, change] of ways) {
    it.effect(`resolves flags, and its children's hooks keep what is theirs, ${way}`, () =>
      Effect.gen(function*() {
        const { hook, journal } = spans()
        const bridged = (name: string, hook: SDK.Hook) =>
          OpenFeatureHook.make(change(OpenFeatureHook.toFeatureHook(name, hook)))
        const first = yield* TestProvider.make({
          name: "first",
          flags: { "only-first": TestProvider.value(true) },
          hooks: [bridged("child", hook), bridged("context", { before: () => ({ child: "first" }) })]
        })
        const second = yield* TestProvider.make({
          name: "second",
          flags: { "only-second": TestProvider.value(true) },
          hooks: [bridged("child", hook)]
        })
        const multi = new SDK.MultiProvider([{ provider: first }, { provider: second }])
        const hooks = multi.hooks.map((hook) => bridged("multi", hook))
        Object.defineProperty(multi, "hooks", { value: hooks, configurable: true })
        const client = yield* makeClient(kind, { provider: multi, context: { plan: "pro" } })
        for (const flagKey of ["only-first", "only-second"]) {
          const details = yield* ending(client.evaluate(flagKey))
          assert.strictEqual(details.value, true, `${flagKey}: ${String(details.errorMessage)}`)
        }
        assert.deepStrictEqual((yield* first.calls).map(({ context }) => context), [
          { plan: "pro", child: "first" },
          { plan: "pro", child: "first" }
        ])
        assert.deepStrictEqual((yield* second.calls).map(({ context }) => context), [{ plan: "pro" }])
        assert.deepStrictEqual(
          journal,
          ["only-first", "only-second", "only-second"].flatMap((flagKey) => [`start ${flagKey}`, `end ${flagKey}`])
        )
      }))
  }
})

describe("hooks of the SDK", () => {
  it.effect("keep their hook data by evaluation on both clients", () =>
    Effect.gen(function*() {
      for (const kind of clients) {
        const seen: Array<unknown> = []
        const hook: SDK.Hook = {
          before: ({ flagKey, hookData }) => hookData.set("flag", flagKey),
          finally: ({ flagKey, hookData }) => void seen.push(hookData.get("flag") === flagKey)
        }
        const client = yield* makeClient(kind, { hooks: [OpenFeatureHook.toFeatureHook("data", hook)] })
        yield* Effect.forEach(Array.from({ length: 50 }, (_, n) => `flag-${n}`), client.evaluate, {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(seen, Array.from({ length: 50 }, () => true))
      }
    }))
})
