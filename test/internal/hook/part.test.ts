import { assert, describe, it } from "@effect/vitest"
import { type Cause, Context, Effect, Function } from "effect"
import { expectTypeOf } from "vitest"
import {
  BackgroundHook,
  EvaluationError,
  FeatureFlags,
  FeatureHook,
  type HookFailures,
  OpenFeatureHook
} from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { clients, flagsDetails, sdkDetails } from "../../clients.ts"
import { allPaths, collectFailures, paths, plainClient, turns } from "../../support.ts"

type Stage = HookFailures.Stage

const stages: ReadonlyArray<Stage> = ["before", "after", "error", "finally"]

const failures: Readonly<Record<string, () => Effect.Effect<never, unknown> | Promise<never>>> = {
  fails: () => Effect.fail("no"),
  dies: () => Effect.die(new Error("no")),
  throws: () => {
    throw new Error("no")
  },
  "rejects a promise": () => Promise.reject(new Error("no")),
  "rejects on purpose": () =>
    Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no" }))
}

// The stages before the given one do nothing, so that the evaluation reaches it.
const failingIn = (stage: Stage, fail: () => Effect.Effect<never, unknown> | Promise<never>) =>
  FeatureHook.make(
    "guard",
    Function.cast<object, { readonly before: () => Effect.Effect<never, unknown> }>({
      [stage]: fail
    })
  )

const policies = ["reject", "report", "ignore"] as const

describe("failurePolicy", () => {
  for (const [path, change] of allPaths) {
    for (const [kind, fail] of Object.entries(failures)) {
      it.effect(`decides about a stage that ${kind}, ${path}`, () =>
        Effect.gen(function*() {
          for (const stage of stages) {
            for (const policy of policies) {
              const canReject = stage === "before" || stage === "after"
              if (policy === "reject" && !canReject) continue
              const hook = FeatureHook.failurePolicy(change(failingIn(stage, fail)), { [stage]: policy })
              const error = stage === "error" ? { error: new Error("provider") } : {}
              const [isFailed, reports] = yield* collectFailures((failures) =>
                Effect.map(Fixtures.run(hook, error), ({ details }) => [
                  details.errorCode !== undefined,
                  failures.map(({ stage }) => stage)
                ])
              )
              const rejects = policy === "reject"
              assert.strictEqual(isFailed, rejects || stage === "error", `${stage} ${policy}`)
              // The caller learns of a rejection on purpose, so nobody else does.
              const isReported = policy === "report" || (rejects && kind !== "rejects on purpose")
              assert.deepStrictEqual(reports, isReported ? [stage] : [], `${stage} ${policy}`)
            }
          }
        }))
    }
  }

  for (const client of clients) {
    for (const [path, change] of paths) {
      it.effect(`lets the other hooks and the caller go on, ${client}, ${path}`, () =>
        collectFailures((reports) =>
          Effect.gen(function*() {
            const seen: Array<string> = []
            const hook = change(failingIn("before", () => Effect.fail("no")))
            const hooks = [
              FeatureHook.failurePolicy(hook, { before: "report" }),
              FeatureHook.failurePolicy(hook, { before: "ignore" }),
              FeatureHook.make("last", {
                before: () => void seen.push("before"),
                after: () => void seen.push("after"),
                finally: () => void seen.push("finally")
              })
            ]
            const { client: sdk, domain } = yield* plainClient({
              flags: { sale: TestProvider.value(true) }
            })
            const services = yield* Effect.context()
            const details = client === "sdk"
              ? yield* sdkDetails(sdk, "sale", false, {}, { hooks: [OpenFeatureHook.makeWith(services, ...hooks)] })
              : yield* flagsDetails(yield* FeatureFlags.make({ domain }), "sale", false, { hooks })
            assert.deepStrictEqual([details.value, details.errorCode], [true, undefined])
            assert.deepStrictEqual(seen, ["before", "after", "finally"])
            yield* turns()
            assert.deepStrictEqual(reports.map(({ hook, stage }) => `${hook}.${stage}`), ["guard.before"])
          })
        ))
    }
  }

  it.effect("holds from the inside out: no combinator and no policy takes a decision back", () =>
    Effect.gen(function*() {
      const failing = failingIn("after", () => Effect.fail("no"))
      const always = FeatureHook.failurePolicy({ before: "reject", after: "reject" })
      const cases: ReadonlyArray<readonly [FeatureHook.FeatureHook<unknown>, number]> = [
        [failing.pipe(FeatureHook.observe, always), 1],
        [failing.pipe(FeatureHook.observe, FeatureHook.failurePolicy({ after: "ignore" })), 1],
        [failing.pipe(FeatureHook.failurePolicy({ after: "ignore" }), FeatureHook.observe), 0],
        [failing.pipe(FeatureHook.failurePolicy({ after: "ignore" }), FeatureHook.timeout("1 second"), always), 0],
        [
          failing.pipe(
            FeatureHook.failurePolicy({ after: "report" }),
            FeatureHook.provide(Context.empty()),
            FeatureHook.transform((stage) => stage),
            FeatureHook.when(() => true),
            FeatureHook.warnWhenSlow("1 second"),
            FeatureHook.onlyStages("after"),
            FeatureHook.failurePolicy({ after: "ignore" })
          ),
          1
        ],
        [always(failing).pipe(FeatureHook.failurePolicy({ after: "ignore" })), 0]
      ]
      for (const [index, [hook, count]] of cases.entries()) {
        const reports = yield* collectFailures((failures) =>
          Effect.map(Fixtures.run(hook), ({ details }) => {
            assert.isUndefined(details.errorCode, String(index))
            return failures.length
          })
        )
        assert.strictEqual(reports, count, String(index))
      }
    }))

  it.effect("is silent about an ignored before that gives no contribution", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const hook = FeatureHook.make("script", { before: () => Function.cast<number, void>(5) })
        yield* Fixtures.run(FeatureHook.failurePolicy(hook, { before: "ignore" }))
        assert.deepStrictEqual(failures, [])
        yield* Fixtures.run(FeatureHook.failurePolicy(hook, { before: "report" }))
        assert.strictEqual(failures.length, 1)
      })
    ))

  it.effect("lets a hook with an after that cannot reject run in the background", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        for (const policy of ["report", "ignore"] as const) {
          const after = FeatureHook.failurePolicy(failingIn("after", () => Effect.die("no")), { after: policy })
          const hook: FeatureHook.FeatureHook = Function.cast(after)
          const background = yield* BackgroundHook.make(hook)
          yield* Fixtures.run(background.hook)
          yield* background.flush
          yield* turns()
          assert.strictEqual((yield* background.counts).failed, 1)
          assert.deepStrictEqual(failures.splice(0).map(({ stage }) => stage), policy === "report" ? ["after"] : [])
        }
      })
    ))

  it.effect("leaves a before that can reject in the evaluation, also where the rest is in the background", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const hook = FeatureHook.make("guard", {
          before: () => {
            throw new Error("no")
          },
          after: () => {}
        })
        const rejecting = yield* BackgroundHook.make(FeatureHook.failurePolicy(hook, { after: "report" }))
        assert.strictEqual((yield* Fixtures.run(rejecting.hook)).details.errorCode, "GENERAL")
        const observed = yield* BackgroundHook.make(FeatureHook.observe(hook))
        assert.isUndefined((yield* Fixtures.run(observed.hook)).details.errorCode)
      })
    ))

  it("has no typed failure if neither before nor after can reject", () => {
    const hook = FeatureHook.make("a", { before: () => Effect.fail("no"), after: async () => {} })
    type E = string | EvaluationError.EvaluationError | Cause.UnknownError
    expectTypeOf(FeatureHook.failurePolicy(hook, { before: "report", after: "ignore" })).toEqualTypeOf<
      FeatureHook.FeatureHook
    >()
    expectTypeOf(hook.pipe(FeatureHook.failurePolicy({ before: "report", after: "ignore", error: "ignore" })))
      .toEqualTypeOf<FeatureHook.FeatureHook>()
    expectTypeOf(FeatureHook.failurePolicy(hook, { after: "ignore" })).toEqualTypeOf<FeatureHook.FeatureHook<E>>()
    expectTypeOf(hook.pipe(FeatureHook.failurePolicy({ before: "reject", after: "report" }))).toEqualTypeOf<
      FeatureHook.FeatureHook<E>
    >()
  })

  it("reads no policy from a polluted Object.prototype", () => {
    const failing = failingIn("after", () => Effect.fail("no"))
    Reflect.set(Object.prototype, "before", "ignore")
    try {
      const hook = FeatureHook.failurePolicy(failing, { after: "ignore" })
      assert.strictEqual(String(hook), "FeatureHook(guard.pipe(failurePolicy({ after: \"ignore\" })))")
    } finally {
      Reflect.deleteProperty(Object.prototype, "before")
    }
  })
})
