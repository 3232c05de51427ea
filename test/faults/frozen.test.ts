import { assert, describe, it } from "@effect/vitest"
import type * as SDK from "@openfeature/server-sdk"
import { Effect, Exit, Scope } from "effect"
import { EvaluationError, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { ending, makeClient, ways } from "../bridge/rig.ts"
import { collectFailures } from "../support.ts"

/** What a hook beside ours may try with an error that is not its own. */
const attacks: Readonly<Record<string, (error: object) => void>> = {
  "sets a foreign code": (error) => void Object.assign(error, { code: "ENOENT", message: "secret" }),
  "puts a getter there that throws": (error) => {
    for (const name of ["code", "message", "stack"]) {
      Object.defineProperty(error, name, {
        get: () => {
          throw new Error("secret")
        }
      })
    }
  },
  "takes its prototype away": (error) => void Object.setPrototypeOf(error, null)
}

const rejecting: Readonly<Record<string, () => Effect.Effect<never, unknown>>> = {
  "on purpose": () => Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no plan" })),
  "by a failure": () => Effect.fail("no"),
  "by a defect": () => Effect.die(new Error("no"))
}

describe("the error that the bridge throws", () => {
  for (const [way, kind, change] of ways) {
    for (const [what, attack] of Object.entries(attacks)) {
      it.effect(`cannot be altered by a plain hook that ${what}, ${way}`, () =>
        collectFailures(() =>
          Effect.gen(function*() {
            for (const [how, reject] of Object.entries(rejecting)) {
              for (const stage of ["before", "after"] as const) {
                let ends = 0
                let attacked = 0
                const plain: SDK.Hook = {
                  error: (_context, error) => {
                    attacked++
                    if (!Object.isFrozen(error)) ends += 100
                    attack(Object(error))
                  }
                }
                const client = yield* makeClient(kind, {
                  outer: [plain, { finally: () => void ends++ }],
                  inner: [plain],
                  hooks: [change(FeatureHook.make("rejecting", { [stage]: reject }))]
                })
                const details = yield* ending(client.evaluate("good"))
                const isDeliberate = how === "on purpose"
                assert.strictEqual(details.errorCode, isDeliberate ? "INVALID_CONTEXT" : "GENERAL")
                assert.notInclude(String(details.errorMessage), "secret")
                if (isDeliberate) assert.strictEqual(details.errorMessage, "no plan")
                assert.strictEqual(attacked, 2)
                assert.strictEqual(ends, 1, "finally runs once, and the errors were frozen")
              }
            }
          })
        ))
    }

    it.effect(`is frozen also when a guard's scope is closed, ${way}`, () =>
      Effect.gen(function*() {
        const errors: Array<unknown> = []
        const scope = yield* Scope.make()
        const guard = yield* OpenFeatureHook.makeEffect(change(FeatureHook.make("g", { before: () => Effect.void })))
          .pipe(Scope.provide(scope), Effect.provideService(OpenFeatureHook.WhenClosed, "reject"))
        yield* Scope.close(scope, Exit.void)
        const client = yield* makeClient(kind, {
          outer: [{ error: (_context, error) => void errors.push(error) }, guard]
        })
        assert.strictEqual((yield* client.evaluate("good")).errorCode, "GENERAL")
        assert.deepStrictEqual(errors.map((error) => Object.isFrozen(error)), [true])
      }))
  }
})
