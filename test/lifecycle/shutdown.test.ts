import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, ManagedRuntime, Scope } from "effect"
import { TestClock } from "effect/testing"
import { FeatureFlags, FeatureHook, type HookFailures, OpenFeatureHook } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { collectFailures, deferred, logsTo, newDomain, plainClient, turns } from "../support.ts"

const answers = { good: TestProvider.value(true), bad: TestProvider.throwing(new Error("provider")) }

/** A hook that waits in one stage, and says when it is there and how it ended. */
const waiting = (stage: HookFailures.Stage, started: Deferred.Deferred<void>, ended: Array<string>) => {
  const wait = Deferred.succeed(started, undefined).pipe(
    Effect.andThen(Effect.never),
    Effect.onExit((exit) => Effect.sync(() => ended.push(exit._tag)))
  )
  return FeatureHook.make("waiting", { [stage]: () => wait })
}

const stages = ["before", "after", "error", "finally"] as const

describe("a scope that closes in the middle of a stage", () => {
  for (const stage of stages) {
    const flagKey = stage === "error" ? "bad" : "good"

    it.effect(`ends ${stage} of a hook as if it were not there, when it fails open`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const ended: Array<string> = []
          const started = yield* Deferred.make<void>()
          const scope = yield* Scope.make()
          const { client } = yield* plainClient({ flags: answers })
          yield* Scope.provide(OpenFeatureHook.register(client, waiting(stage, started, ended)), scope)
          const fiber = yield* Effect.forkChild(Effect.promise(() => client.getBooleanDetails(flagKey, false)))
          yield* Deferred.await(started)
          yield* Scope.close(scope, Exit.void)
          const details = yield* Fiber.join(fiber)
          assert.strictEqual(details.value, flagKey === "good")
          assert.strictEqual(details.errorCode, flagKey === "good" ? undefined : SDK.ErrorCode.GENERAL)
          assert.strictEqual(ended.length, 1)
          assert.deepStrictEqual(client.getHooks(), [])
        })
      ))

    it.effect(`rejects in ${stage} of a guard when it fails closed, and changes no result later`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const ended: Array<string> = []
          const started = yield* Deferred.make<void>()
          const scope = yield* Scope.make()
          const { client } = yield* plainClient({ flags: answers })
          yield* OpenFeatureHook.register(client, waiting(stage, started, ended)).pipe(
            Scope.provide(scope),
            Effect.provideService(OpenFeatureHook.WhenClosed, "reject")
          )
          const fiber = yield* Effect.forkChild(Effect.promise(() => client.getBooleanDetails(flagKey, false)))
          yield* Deferred.await(started)
          yield* Scope.close(scope, Exit.void)
          const details = yield* Fiber.join(fiber)
          assert.strictEqual(details.value, stage === "finally")
          assert.strictEqual(details.errorCode, stage === "finally" ? undefined : SDK.ErrorCode.GENERAL)
          assert.strictEqual(ended.length, 1)
        })
      ))

    it.effect(`of FeatureFlags ends ${stage} with the value preserved`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const ended: Array<string> = []
          const started = yield* Deferred.make<void>()
          const scope = yield* Scope.make()
          const flags = yield* FeatureFlags.make({
            domain: newDomain(),
            provider: TestProvider.make({ flags: answers }),
            hooks: [waiting(stage, started, ended)]
          }).pipe(Scope.provide(scope))
          const fiber = yield* Effect.forkChild(flags.booleanDetails(flagKey, false))
          yield* Deferred.await(started)
          yield* Scope.close(scope, Exit.void)
          const details = yield* Fiber.join(fiber)
          if (stage !== "before") assert.strictEqual(details.value, flagKey === "good")
          assert.strictEqual(ended.length, 1)
        })
      ))

    it.effect(`of a runtime that is disposed ends ${stage}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const ended: Array<string> = []
          const started = yield* Deferred.make<void>()
          const runtime = ManagedRuntime.make(Layer.empty)
          const { client } = yield* plainClient({ flags: answers })
          client.addHooks(
            yield* Effect.promise(() => OpenFeatureHook.makeRuntime(runtime, waiting(stage, started, ended)))
          )
          const fiber = yield* Effect.forkChild(Effect.promise(() => client.getBooleanDetails(flagKey, false)))
          yield* Deferred.await(started)
          yield* Effect.promise(() => runtime.dispose())
          const details = yield* Fiber.join(fiber)
          assert.strictEqual(details.value, flagKey === "good")
          assert.strictEqual(ended.length, 1)
        })
      ))
  }

  it.effect("closes an around program once, and the value is preserved", () =>
    Effect.gen(function*() {
      for (const isAsync of [false, true]) {
        const ended: Array<string> = []
        const scope = yield* Scope.make()
        const { client } = yield* plainClient({
          flags: { slow: TestProvider.delayed("1 second", TestProvider.value(true)) }
        })
        const around = FeatureHook.around("around", (_context, evaluate) =>
          Effect.onExit(evaluate, (exit) => Effect.sync(() => ended.push(exit._tag))))
        yield* Scope.provide(OpenFeatureHook.register(client, isAsync ? deferred(around) : around), scope)
        const fiber = yield* Effect.forkChild(Effect.promise(() =>
          client.getBooleanDetails("slow", false)
        ))
        yield* turns()
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(ended, ["Failure"])
        yield* TestClock.adjust("1 second")
        const details = yield* Effect.provide(Fiber.join(fiber), logsTo([]))
        assert.strictEqual(details.value, true)
        assert.deepStrictEqual(ended, ["Failure"])
      }
    }).pipe(Effect.provide(logsTo([]))))

  it.effect("waits for finalizers of a running stage, up to CloseTimeout", () =>
    Effect.gen(function*() {
      for (const ends of [true, false]) {
        const started = yield* Deferred.make<void>()
        const finish = yield* Deferred.make<void>()
        const scope = yield* Scope.make()
        const { client } = yield* plainClient({ flags: answers })
        const hook = FeatureHook.make("slow", {
          before: () =>
            Effect.ensuring(Effect.andThen(Deferred.succeed(started, undefined), Effect.never), Deferred.await(finish))
        })
        yield* OpenFeatureHook.register(client, hook).pipe(
          Scope.provide(scope),
          Effect.provideService(OpenFeatureHook.CloseTimeout, "500 millis")
        )
        const fiber = yield* Effect.forkChild(Effect.promise(() => client.getBooleanValue("good", false)))
        yield* Deferred.await(started)
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* turns()
        yield* TestClock.adjust("499 millis")
        yield* turns()
        assert.strictEqual(closing.pollUnsafe(), undefined)
        if (ends) yield* Deferred.succeed(finish, undefined)
        else yield* TestClock.adjust("1 millis")
        yield* Fiber.join(closing)
        yield* Deferred.succeed(finish, undefined)
        assert.isTrue(yield* Fiber.join(fiber))
      }
    }))
})

describe("nothing is left", () => {
  it.effect("of hooks, fibers, handlers and timers after many layers", () =>
    Effect.gen(function*() {
      let running = 0
      const hook = FeatureHook.around("around", (_context, evaluate) =>
        Effect.acquireUseRelease(
          Effect.sync(() => void running++),
          () => Effect.ignore(evaluate),
          () => Effect.sync(() => void running--)
        ))
      const hooks = SDK.OpenFeature.getHooks().length
      const handlers = () =>
        Object.values(SDK.ProviderEvents).reduce((sum, event) => sum + SDK.OpenFeature.getHandlers(event).length, 0)
      const before = handlers()
      const emitter = new SDK.OpenFeatureEventEmitter()
      const events = () =>
        Object.values(SDK.ServerProviderEvents).reduce((sum, event) => sum + emitter.getHandlers(event).length, 0)
      // What the SDK itself leaves on the emitter of a provider that was replaced.
      const bare = yield* TestProvider.make()
      yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait("left", { ...bare, events: emitter }))
      yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait("left", { ...bare }))
      const ofSdk = events()
      for (let round = 0; round < 20; round++) {
        const provider = Effect.map(
          TestProvider.make({ flags: answers }),
          (provider) => ({ ...provider, events: emitter })
        )
        yield* Effect.gen(function*() {
          const flags = yield* FeatureFlags.FeatureFlags
          yield* flags.addHooks(deferred(hook))
          yield* Effect.all([flags.boolean("good", false), flags.boolean("bad", false)], { concurrency: 2 })
        }).pipe(
          Effect.scoped,
          Effect.provide(FeatureFlags.layer({ domain: "left", provider, hooks: [hook] })),
          Effect.provide(OpenFeatureHook.layer(hook))
        )
        yield* turns()
      }
      assert.strictEqual(running, 0)
      assert.strictEqual(SDK.OpenFeature.getHooks().length, hooks)
      assert.strictEqual(handlers(), before)
      assert.isAtMost(events(), 21 * ofSdk)
    }))

  it.effect("a stage that a timeout gave up on holds no evaluation", () =>
    Effect.gen(function*() {
      const registry = { collected: 0 }
      const finalization = new FinalizationRegistry(() => void registry.collected++)
      const { client } = yield* plainClient({ flags: answers })
      const hung = FeatureHook.make("hung", { before: () => Effect.uninterruptible(Effect.never) }).pipe(
        FeatureHook.timeout("10 millis"),
        FeatureHook.observe
      )
      client.addHooks(OpenFeatureHook.make(hung))
      for (let i = 0; i < 20; i++) {
        const fiber = yield* Effect.forkChild(collectFailures(() =>
          Effect.promise(() => {
            const big = { big: new Array<number>(1000).fill(i) }
            finalization.register(big, i)
            return client.getBooleanValue("good", false, { attribute: big })
          })
        ))
        yield* turns()
        yield* TestClock.adjust("10 millis")
        yield* Fiber.join(fiber)
      }
      for (let i = 0; i < 50 && registry.collected < 19; i++) {
        globalThis.gc?.()
        yield* turns()
      }
      assert.isAtLeast(registry.collected, 19)
    }))
})
