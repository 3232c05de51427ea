import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { type EvaluationContext, EvaluationError, FeatureHook, HookHints, OpenFeatureHook } from "effect-openfeature"
import { Fixtures, RecordingHook, TestProvider } from "effect-openfeature/testing"
import * as Registration from "../../../src/internal/hook/registration.ts"
import { Evaluation } from "../../../src/internal/runner/evaluation.ts"
import { Run } from "../../../src/internal/runner/run.ts"
import { Stack } from "../../../src/internal/runner/stack.ts"
import { client, collectFailures, paths, plainClient, sdkContext } from "../../support.ts"

const runOf = (hook: FeatureHook.FeatureHook<unknown>, services: Context.Context<never>): Run =>
  new Run(new Stack([Registration.make(hook.parts, services)]), new Evaluation(services, HookHints.empty))

const answers = { good: TestProvider.value(true), bad: TestProvider.error("PARSE_ERROR", "m") }

describe("a synchronous stage", () => {
  it.effect("gives its result back without a promise, an asynchronous one gives one", () =>
    Effect.gen(function*() {
      const services = yield* Effect.context()
      for (const [path, change] of paths) {
        const { hook } = yield* RecordingHook.make("r")
        const run = runOf(change(hook), services)
        const sdk = sdkContext()
        const before = run.before(sdk, undefined)
        assert.strictEqual(before instanceof Promise, path === "asynchronous")
        yield* Effect.promise(async () => before)
        const details = { flagKey: "a", value: true, flagMetadata: {} }
        const after = run.after(sdk, details, undefined)
        assert.strictEqual(after instanceof Promise, path === "asynchronous")
        yield* Effect.promise(async () => after)
        const last = run.finally(sdk, details, undefined)
        assert.strictEqual(last instanceof Promise, path === "asynchronous")
        yield* Effect.promise(async () => last)
      }
    }))

  it.effect("adds no turn of the microtask queue to an evaluation", () =>
    Effect.gen(function*() {
      const { client } = yield* plainClient({ flags: answers })
      const turnsOf = (hooks: Array<SDK.Hook>) =>
        Effect.promise(async () => {
          const state = { isDone: false, count: 0 }
          const evaluation = client.getBooleanValue("missing", false, {}, { hooks }).then(() => {
            state.isDone = true
          })
          while (!state.isDone && state.count < 1000) {
            state.count++
            await Promise.resolve()
          }
          await evaluation
          return state.count
        })
      const { hook } = yield* RecordingHook.make("r")
      const plain: SDK.Hook = {
        before: () => undefined,
        after: () => undefined,
        error: () => undefined,
        finally: () => undefined
      }
      yield* turnsOf([plain])
      assert.strictEqual(yield* turnsOf([OpenFeatureHook.make(hook)]), yield* turnsOf([plain]))
      assert.strictEqual(yield* turnsOf([OpenFeatureHook.make(hook, hook, hook)]), yield* turnsOf([plain]))
    }))
})

describe("error and finally", () => {
  for (const [path, change] of paths) {
    it.effect(`run once, though a hostile hook makes the SDK run error twice, ${path}`, () =>
      Effect.gen(function*() {
        const recording = yield* RecordingHook.make("r")
        const { client } = yield* plainClient({ flags: answers })
        const hostile: SDK.Hook = {
          error: () => {
            throw Symbol("hostile")
          }
        }
        const hooks = [hostile, OpenFeatureHook.make(change(recording.hook))]
        yield* Effect.exit(Effect.tryPromise(() => client.getBooleanValue("bad", false, {}, { hooks })))
        const stages = yield* recording.stages
        assert.strictEqual(stages.filter((stage) => stage === "r.error").length, 1)
        assert.isAtMost(stages.filter((stage) => stage === "r.finally").length, 1)
      }))

    it.effect(`of the other hooks go on when one fails, and change no result, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const journal: Array<RecordingHook.Entry> = []
          const a = yield* RecordingHook.make("a", journal)
          const b = yield* RecordingHook.make("b", journal)
          const broken = FeatureHook.make("broken", {
            error: () => Effect.die(new Error("no")),
            finally: () => {
              throw new Error("no")
            }
          })
          const hook = FeatureHook.combineAll([a.hook, change(broken), change(broken), b.hook])
          const { details } = yield* Fixtures.run(hook, { error: { code: "PARSE_ERROR", message: "m" } })
          assert.strictEqual(details.errorCode, "PARSE_ERROR")
          assert.deepStrictEqual(journal.map(({ hook, stage }) => `${hook}.${stage}`), [
            "a.before",
            "b.before",
            "b.error",
            "a.error",
            "b.finally",
            "a.finally"
          ])
          assert.deepStrictEqual(failures.map(({ stage }) => stage), ["error", "error", "finally", "finally"])
        })
      ))
  }

  it.effect("run once when the SDK does not run them, also for hooks that the SDK has not come to", () =>
    Effect.gen(function*() {
      const services = yield* Effect.context()
      const recording = yield* RecordingHook.make("r")
      const givenUp = new Error("given up")
      const run = runOf(recording.hook, services)
      yield* Effect.promise(async () => run.before(sdkContext(), undefined))
      for (let i = 0; i < 2; i++) {
        yield* Effect.promise(async () => run.finishError(givenUp, sdkContext()))
        yield* Effect.promise(async () => run.finishFinally(givenUp))
      }
      assert.deepStrictEqual(yield* recording.stages, ["r.before", "r.error", "r.finally"])
      const unbegun = runOf(recording.hook, services)
      yield* Effect.promise(async () => unbegun.finishError(givenUp, sdkContext()))
      yield* Effect.promise(async () => unbegun.finishFinally(givenUp))
      assert.deepStrictEqual((yield* recording.stages).slice(3), ["r.error", "r.finally"])
    }))
})

describe("before", () => {
  for (const [path, change] of paths) {
    it.effect(`keeps what earlier hooks contributed when a later one fails, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const recording = yield* RecordingHook.make("r")
          const enrich = FeatureHook.make("enrich", { before: () => Effect.succeed({ context: { region: "eu" } }) })
          const failing = FeatureHook.make("failing", { before: () => Effect.fail("no") })
          const hook = FeatureHook.combineAll([recording.hook, change(enrich), change(failing)])
          yield* Fixtures.run(hook, { context: { context: { plan: "pro" } } })
          const contexts = (yield* recording.entries).map(({ context }) => context)
          assert.deepStrictEqual(contexts, [
            { plan: "pro" },
            { plan: "pro", region: "eu" },
            { plan: "pro", region: "eu" }
          ])
        })
      ))

    it.effect(`refuses a contribution that is none, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const giving = (result: unknown) =>
            FeatureHook.make("giving", { before: () => Effect.succeed(result as FeatureHook.Contribution) })
          for (const result of [{ context: "text" }, { context: [1] }, { context: 5 }, { hints: {} }, { hints: "h" }]) {
            const { details } = yield* Fixtures.run(change(giving(result)))
            assert.strictEqual(details.errorMessage, "hook \"giving\" died in its before stage")
          }
          for (const result of [undefined, null, 5, "text", [1], true, {}, { other: 1 }, { context: undefined }]) {
            const { context, details } = yield* Fixtures.run(change(giving(result)))
            assert.strictEqual(details.value, true)
            assert.deepStrictEqual(context, {})
          }
        })
      ))
  }

  it.effect("makes no prototype out of a contributed __proto__", () =>
    Effect.gen(function*() {
      const context: EvaluationContext.EvaluationContext = JSON.parse("{\"__proto__\":{\"isAdmin\":true},\"a\":1}")
      const hook = FeatureHook.make("enrich", { before: () => Effect.succeed({ context }) })
      const { flags, provider } = yield* client(answers, { hooks: [hook] })
      yield* flags.boolean("good", false)
      const [call] = yield* provider.calls
      assert.deepStrictEqual(call?.context, { a: 1 })
      assert.isUndefined(call?.context["isAdmin"])
    }))
})

describe("a failure", () => {
  it.effect("that cannot be looked at is still an EvaluationError", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const trap = () => {
          throw Symbol("trap")
        }
        const evil: unknown = new Proxy({}, {
          get: trap,
          has: trap,
          getPrototypeOf: trap,
          ownKeys: trap,
          getOwnPropertyDescriptor: trap
        })
        const services = yield* Effect.context()
        for (const effect of [Effect.fail(evil), Effect.die(evil)]) {
          for (const [, change] of paths) {
            const hook = change(FeatureHook.make("evil", { before: () => effect }))
            const run = runOf(hook, services)
            const error = yield* Effect.flip(Effect.tryPromise({
              try: async () => run.before(sdkContext(), undefined),
              catch: (error) => error
            }))
            assert.instanceOf(error, EvaluationError.EvaluationError)
          }
        }
      })
    ))
})

describe("a registration", () => {
  it("leaves the span of the registration out, and keeps the last caller's services", () => {
    class Region extends Context.Service<Region, string>()("test/Region") {}
    const registration = Registration.make([], Context.make(Region, "base"))
    const caller = Context.make(Region, "caller")
    const sdk = { logger: new SDK.DefaultLogger() }
    assert.strictEqual(registration.services(caller, sdk), registration.services(caller, sdk))
    assert.strictEqual(Context.get(registration.services(caller, sdk), Region), "caller")
    assert.strictEqual(Context.get(registration.services(undefined, sdk), Region), "base")
  })
})

describe("hints of one evaluation passed on to another", () => {
  it.effect("by a plain hook carry the caller, but not the running evaluation", () =>
    Effect.gen(function*() {
      const Request = Context.Reference<string>("test/Request", { defaultValue: () => "none" })
      const seen: Array<string> = []
      const Key = HookHints.key<string>("k")
      const { client: inner } = yield* plainClient({ flags: answers })
      const looking = FeatureHook.make("looking", {
        before: (context, hints) =>
          Effect.gen(function*() {
            seen.push(`${context.flagKey} ${yield* Request} ${HookHints.getOrUndefined(hints, Key)}`)
          })
      })
      inner.addHooks(OpenFeatureHook.make(looking))
      const { flags } = yield* client(answers, { hooks: [looking] })
      flags.client.addHooks({
        before: async (_context, hints) => {
          await Promise.resolve()
          await inner.getBooleanValue("bad", false, {}, hints === undefined ? {} : { hookHints: hints })
        }
      })
      yield* flags.boolean("good", false, { hints: HookHints.make(Key, "v") }).pipe(
        Effect.provideService(Request, "r-1")
      )
      assert.deepStrictEqual(seen, ["bad r-1 v", "good r-1 v"])
    }))
})

describe("hints that a plain hook passes on", () => {
  for (const withApiHook of [true, false]) {
    it.effect(`take nothing back from the other evaluation, ${withApiHook ? "with" : "without"} a hook before it`, () =>
      Effect.gen(function*() {
        const Note = HookHints.key<string>("note")
        const seen: Array<string> = []
        const looking = (name: string) =>
          FeatureHook.make(name, {
            before: (context, hints) =>
              Effect.sync(() => {
                seen.push(`${name} ${context.flagKey} ${HookHints.getOrUndefined(hints, Note)}`)
                return { hints: HookHints.make(Note, `by ${name}`) }
              })
          })
        const { client: inner } = yield* plainClient({ flags: answers })
        inner.addHooks(OpenFeatureHook.make(looking("inner")))
        if (withApiHook) {
          const first = FeatureHook.make("first", { before: () => Effect.void })
          yield* OpenFeatureHook.register(SDK.OpenFeature, first)
        }
        const { flags } = yield* client(answers, { hooks: [looking("outer")] })
        flags.client.addHooks({
          before: async (_context, hints) => {
            await Promise.resolve()
            await inner.getBooleanValue("bad", false, {}, hints === undefined ? {} : { hookHints: hints })
          }
        })
        yield* flags.boolean("good", false)
        assert.deepStrictEqual(seen, ["inner bad undefined", "outer good undefined"])
      }))
  }
})

describe("a bridged hook", () => {
  it.effect("tells evaluations apart though they share their hook data", () =>
    Effect.gen(function*() {
      const data: Array<number> = []
      let made = 0
      const hook = OpenFeatureHook.make(FeatureHook.make("h", {
        hookData: () => ++made,
        before: (_context, _hints, n) => Effect.sync(() => void data.push(n)),
        finally: (_context, _details, _hints, n) => Effect.sync(() => data.push(n))
      }))
      const one = sdkContext()
      const two = { ...sdkContext(), hookData: one.hookData }
      const details = { flagKey: "a", value: true, flagMetadata: {} }
      yield* Effect.promise(async () => {
        await hook.before?.(one)
        await hook.before?.(two)
        await hook.finally?.(two, details)
        await hook.finally?.(one, details)
      })
      assert.deepStrictEqual(data, [1, 2, 2, 1])
    }))
})
