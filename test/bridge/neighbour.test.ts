import { assert, describe, it } from "@effect/vitest"
import * as SDK from "@openfeature/server-sdk"
import { Effect } from "effect"
import { EvaluationError, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { collectFailures } from "../support.ts"
import { evaluate, ways } from "./rig.ts"

const convert = (name: string, hook: SDK.Hook) => OpenFeatureHook.toFeatureHook(name, hook)

/** A hook that keeps the errors that its error stage is given. */
const catching = () => {
  const errors: Array<unknown> = []
  const hook: SDK.Hook = { error: (_context, error) => void errors.push(error) }
  return { hook, errors }
}

const throwing = (thrown: unknown): ReadonlyArray<SDK.Hook> => [
  {
    before: () => {
      throw thrown
    }
  },
  { before: () => Promise.reject(thrown) }
]

describe("an attribute that a converted hook sets to undefined", () => {
  const redacting: Readonly<Record<string, SDK.Hook>> = {
    "by setting it": { before: ({ context }) => void Object.assign(context, { email: undefined }) },
    "by setting it later": {
      before: async ({ context }) => {
        await Promise.resolve()
        Object.assign(context, { email: undefined })
      }
    },
    "by giving it back": { before: () => ({ email: undefined }) as unknown as SDK.EvaluationContext }
  }
  for (const [way, kind, change] of ways) {
    for (const [how, hook] of Object.entries(redacting)) {
      it.effect(`${how} is undefined for the provider and all later hooks, ${way}`, () =>
        Effect.gen(function*() {
          const seen: Array<unknown> = []
          const enrich = FeatureHook.make("enrich", { before: () => Effect.succeed({ context: { email: "b@x.y" } }) })
          const look = FeatureHook.make("look", {
            before: ({ context }) => Effect.sync(() => void seen.push(context["email"])),
            after: ({ context }) => Effect.sync(() => seen.push(context["email"]))
          })
          const given = { context: { email: "a@x.y", plan: "pro" }, inner: [OpenFeatureHook.make(look)] }
          const redact = change(convert("redact", hook))
          for (const hooks of [[redact, look], [change(enrich), redact, look]]) {
            seen.length = 0
            const { context } = yield* evaluate(kind, { ...given, hooks })
            assert.deepStrictEqual({ ...context }, { email: undefined, plan: "pro" })
            assert.deepStrictEqual(seen, [undefined, undefined, undefined, undefined])
          }
        }))
    }
  }
})

describe("what was thrown", () => {
  const thrown = () => [new SDK.TargetingKeyMissingError("no key"), new Error("plain"), { code: "PARSE_ERROR" }]

  for (const [way, kind, change] of ways) {
    it.effect(`by the provider reaches converted hooks as it is, ${way}`, () =>
      Effect.gen(function*() {
        for (const error of thrown()) {
          const [same, other] = [catching(), catching()]
          yield* evaluate(kind, {
            flags: { good: TestProvider.throwing(error) },
            hooks: [change(convert("same", same.hook))],
            outer: [OpenFeatureHook.make(change(convert("other", other.hook)))]
          })
          for (const { errors } of [same, other]) {
            assert.strictEqual(errors.length, 1)
            assert.isTrue(errors[0] === error)
          }
        }
      }))

    it.effect(`by a converted hook reaches others as it is, in the same bridge and in another one, ${way}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          for (const error of thrown()) {
            for (const hook of throwing(error)) {
              const [before, behind, outer, inner] = [catching(), catching(), catching(), catching()]
              yield* evaluate(kind, {
                hooks: [convert("before", before.hook), convert("throwing", hook), convert("behind", behind.hook)].map(
                  (hook) => change(hook)
                ),
                outer: [OpenFeatureHook.make(change(convert("outer", outer.hook)))],
                inner: [OpenFeatureHook.make(change(convert("inner", inner.hook)))]
              })
              for (const { errors } of [before, behind, outer, inner]) {
                assert.strictEqual(errors.length, 1)
                assert.isTrue(errors[0] === error)
              }
            }
          }
        })
      ))

    it.effect(`by a converted hook in after reaches others as it is, ${way}`, () =>
      Effect.gen(function*() {
        const error = new SDK.ParseError("odd")
        const [same, outer] = [catching(), catching()]
        const hook: SDK.Hook = {
          after: () => {
            throw error
          }
        }
        const { details } = yield* evaluate(kind, {
          hooks: [change(convert("throwing", hook)), change(convert("same", same.hook))],
          outer: [OpenFeatureHook.make(change(convert("outer", outer.hook)))]
        })
        assert.isTrue(same.errors[0] === error)
        assert.isTrue(outer.errors[0] === error)
        assert.strictEqual(details.errorCode, SDK.ErrorCode.PARSE_ERROR)
      }))

    it.effect(`by a converted hook, if it is one of the SDK's errors, is one for plain hooks beside, ${way}`, () =>
      Effect.gen(function*() {
        for (const hook of throwing(new SDK.TargetingKeyMissingError("no key"))) {
          const [outer, inner] = [catching(), catching()]
          const { details } = yield* evaluate(kind, {
            hooks: [change(convert("throwing", hook))],
            outer: [outer.hook],
            inner: [inner.hook]
          })
          for (const { errors: [error] } of [outer, inner]) {
            if (!(error instanceof SDK.OpenFeatureError)) return assert.fail("not an error of the SDK")
            assert.strictEqual(error.code, SDK.ErrorCode.TARGETING_KEY_MISSING)
            assert.strictEqual(error.message, "no key")
          }
          assert.strictEqual(details.errorCode, SDK.ErrorCode.TARGETING_KEY_MISSING)
          assert.strictEqual(details.errorMessage, "no key")
        }
      }))

    it.effect(`by a hook of this library is an EvaluationError for all, ${way}`, () =>
      Effect.gen(function*() {
        const [same, outer] = [catching(), catching()]
        const error = new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no" })
        const { details } = yield* evaluate(kind, {
          hooks: [change(FeatureHook.make("failing", { before: () => Effect.fail(error) })), convert("a", same.hook)],
          outer: [outer.hook]
        })
        for (const seen of [same.errors[0], outer.errors[0]]) {
          if (!EvaluationError.isEvaluationError(seen)) return assert.fail("not an EvaluationError")
          assert.strictEqual(seen.code, "INVALID_CONTEXT")
        }
        assert.strictEqual(details.errorCode, "INVALID_CONTEXT")
      }))
  }
})

describe("a converted hook whose before throws", () => {
  for (const [way, kind, change] of ways) {
    it.effect(`sees in error and finally what it had set until then, ${way}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          for (const isLate of [false, true]) {
            const seen: Array<unknown> = []
            const look = ({ context, hookData }: SDK.HookContext) => {
              seen.push(context["set"], hookData.get("set"))
            }
            const set = ({ context, hookData }: SDK.BeforeHookContext) => {
              context["set"] = 1
              hookData.set("set", 2)
            }
            const hook: SDK.Hook = {
              before: isLate
                ? async (context) => {
                  set(context)
                  await Promise.resolve()
                  throw new Error("no")
                }
                : (context) => {
                  set(context)
                  throw new Error("no")
                },
              error: look,
              finally: look
            }
            const { details } = yield* evaluate(kind, { hooks: [change(convert("throwing", hook))] })
            assert.deepStrictEqual(seen, [1, 2, 1, 2])
            assert.strictEqual(details.errorCode, SDK.ErrorCode.GENERAL)
          }
        })
      ))
  }
})

describe("the fields of a resolution that nobody foresees", () => {
  for (const [way, kind, change] of ways) {
    it.effect(`reach after and finally of converted hooks, ${way}`, () =>
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const look = (_context: object, details: object) => void seen.push(Reflect.get(details, "cost"))
        const answer = Effect.succeed({ value: true, reason: "STATIC", cost: { millis: 3 } })
        yield* evaluate(kind, {
          flags: { good: answer },
          hooks: [change(convert("look", { after: look, finally: look }))]
        })
        assert.deepStrictEqual(seen, [{ millis: 3 }, { millis: 3 }])
      }))
  }
})

describe("an Effect hook that rejects because of another error", () => {
  for (const [way, kind, change] of ways) {
    it.effect(`tells its own message, not that of its cause, ${way}`, () =>
      Effect.gen(function*() {
        const cause = new SDK.InvalidContextError("secret")
        const rejection = new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no plan", cause })
        const hook = FeatureHook.make("guard", { before: () => Effect.fail(rejection) })
        const { details } = yield* evaluate(kind, { hooks: [change(hook)] })
        assert.strictEqual(details.errorCode, "INVALID_CONTEXT")
        assert.strictEqual(details.errorMessage, "no plan")
      }))
  }
})
