import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type EvaluationContext, FeatureFlags, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { answers, ending, makeClient, ways } from "../bridge/rig.ts"
import { client, collectFailures } from "../support.ts"
import { untyped } from "./harness.ts"

type Then = (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void

const thens: Readonly<Record<string, Then>> = {
  "never calls back": () => undefined,
  "gives another context": (resolve) => resolve({ leaked: true }),
  "rejects with a foreign code": (_resolve, reject) => reject({ code: "ENOENT", message: "secret" }),
  "rejects with an error that cannot be read": (_resolve, reject) =>
    reject({
      get message() {
        throw new Error("secret")
      }
    }),
  throws: () => {
    throw new Error("secret")
  }
}

const contextWith = (then: unknown): EvaluationContext.EvaluationContext =>
  // oxlint-disable-next-line unicorn/no-thenable -- this is what it is about
  untyped({ plan: "pro", then })

/** Hooks that put an attribute named `then` into the context, each in its own way. */
const putting = (then: Then): Readonly<Record<string, FeatureHook.FeatureHook<unknown>>> => ({
  "a hook": FeatureHook.make("putting", { before: () => Effect.succeed({ context: contextWith(then) }) }),
  "a bounded and observed hook": FeatureHook.make("putting", {
    before: () => Effect.succeed({ context: contextWith(then) })
  }).pipe(FeatureHook.timeout("20 millis"), FeatureHook.observe),
  "a converted hook that sets it": OpenFeatureHook.toFeatureHook("putting", {
    before: ({ context }) => void Object.assign(context, contextWith(then))
  }),
  "a converted hook that sets it later": OpenFeatureHook.toFeatureHook("putting", {
    before: async ({ context }) => {
      await Promise.resolve()
      Object.assign(context, contextWith(then))
    }
  })
})

/** Counts how the evaluation ends for a hook. */
const ends = () => {
  const journal: Array<string> = []
  const note = (stage: string) => Effect.sync(() => void journal.push(stage))
  const hook = FeatureHook.make("ends", {
    after: () => note("after"),
    error: () => note("error"),
    finally: (_context, details) => note(`finally ${String(details.errorCode)}`)
  })
  return { hook, journal }
}

const isClean = (context: object | undefined) => {
  assert.deepStrictEqual({ ...context }, { plan: "pro" })
  assert.isFalse(context !== undefined && "then" in context)
}

describe("a function named then in the evaluation context", () => {
  for (const [way, kind, change] of ways) {
    for (const [does, then] of Object.entries(thens)) {
      for (const who of Object.keys(putting(then))) {
        it.effect(`that ${does}, put there by ${who}, is dropped and never called, ${way}`, () =>
          collectFailures((failures) =>
            Effect.gen(function*() {
              let calls = 0
              const counting: Then = (resolve, reject) => {
                calls++
                then(resolve, reject)
              }
              const { hook, journal } = ends()
              const client = yield* makeClient(kind, { hooks: [change(hook), change(putting(counting)[who])] })
              const details = yield* ending(client.evaluate("good"))
              assert.strictEqual(details.value, true)
              assert.isUndefined(details.errorCode)
              assert.notInclude(JSON.stringify(details), "secret")
              assert.deepStrictEqual(journal, ["after", "finally undefined"])
              isClean(client.contexts[0])
              assert.strictEqual(calls, 0)
              assert.deepStrictEqual(failures, [])
            })
          ))
      }
    }

    it.effect(`does no harm when a later hook fails, ${way}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          for (const who of Object.keys(putting(thens["never calls back"]))) {
            const { hook, journal } = ends()
            const failing = FeatureHook.make("failing", { before: () => Effect.fail("no") })
            const client = yield* makeClient(kind, {
              hooks: [hook, putting(thens["never calls back"])[who], failing].map((hook) => change(hook))
            })
            const details = yield* ending(client.evaluate("good"))
            assert.strictEqual(details.errorMessage, "hook \"failing\" failed in its before stage")
            assert.deepStrictEqual(journal, ["error", "finally GENERAL"])
          }
        })
      ))

    it.effect(`that is no function stays, since it is data, ${way}`, () =>
      Effect.gen(function*() {
        const hooks = [FeatureHook.make("putting", { before: () => Effect.succeed({ context: contextWith("later") }) })]
        const client = yield* makeClient(kind, { hooks: hooks.map((hook) => change(hook)) })
        assert.strictEqual((yield* ending(client.evaluate("good"))).value, true)
        assert.deepStrictEqual({ ...client.contexts[0] }, { ...contextWith("later") })
      }))
  }
})

describe("a function named then in a context that FeatureFlags is given", () => {
  for (const [does, then] of Object.entries(thens)) {
    for (const where of ["invocation", "region", "client"] as const) {
      it.effect(`by the ${where} and that ${does} is dropped and never called`, () =>
        Effect.gen(function*() {
          for (const withHook of [true, false]) {
            let calls = 0
            const context = contextWith((resolve: (value: unknown) => void, reject: (error: unknown) => void) => {
              calls++
              then(resolve, reject)
            })
            const { hook, journal } = ends()
            const { flags, provider } = yield* client(answers, {
              hooks: withHook ? [hook] : [],
              ...where === "client" ? { context } : {}
            })
            const evaluation = flags.booleanDetails("good", false, where === "invocation" ? { context } : {}).pipe(
              FeatureFlags.withContext(where === "region" ? context : {})
            )
            const details = yield* ending(evaluation)
            assert.strictEqual(details.value, true)
            assert.isUndefined(details.errorCode)
            assert.deepStrictEqual(journal, withHook ? ["after", "finally undefined"] : [])
            const [call] = yield* provider.calls
            isClean(call?.context)
            assert.strictEqual(calls, 0)
          }
        }))
    }
  }

  it.effect("is dropped for a flag that the provider does not have, too", () =>
    Effect.gen(function*() {
      const { hook, journal } = ends()
      const { flags } = yield* client({ other: TestProvider.value(true) }, { hooks: [hook] })
      const context = contextWith(thens["never calls back"])
      const details = yield* ending(flags.booleanDetails("missing", false, { context }))
      assert.strictEqual(details.errorCode, "FLAG_NOT_FOUND")
      assert.deepStrictEqual(journal, ["error", "finally FLAG_NOT_FOUND"])
    }))
})
