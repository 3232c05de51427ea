import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { FeatureFlags, FeatureHook, type HookFailures, OpenFeatureHook } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { collectFailures, logsTo, newDomain, paths, plainClient, turns } from "../support.ts"

const answers = {
  good: TestProvider.value(true),
  bad: TestProvider.throwing(new Error("provider")),
  slow: TestProvider.delayed("1 second", TestProvider.value(true))
}

const stages = ["before", "after", "error", "finally"] as const

/** Work that an interruption does not end. */
const stubborn: Readonly<Record<string, Effect.Effect<void>>> = {
  "work that cannot be interrupted": Effect.uninterruptible(Effect.never),
  "a finalizer that never ends": Effect.ensuring(Effect.never, Effect.never)
}

const stuck = (stage: HookFailures.Stage, work: Effect.Effect<void>, started: Deferred.Deferred<void>) =>
  FeatureHook.make("stuck", { [stage]: () => Effect.andThen(Deferred.succeed(started, undefined), work) })

/** Lets virtual time pass in small steps until something is done, and says how long it took. */
const timeUntil = Effect.fnUntraced(function*(isDone: () => boolean) {
  yield* turns(20)
  let millis = 0
  for (; !isDone() && millis < 2000; millis += 10) {
    yield* TestClock.adjust("10 millis")
    yield* turns(2)
  }
  assert.isTrue(isDone(), "it does not end")
  return millis
})

const isOver = (fiber: Fiber.Fiber<unknown, unknown>) => () => fiber.pollUnsafe() !== undefined

describe("a scope that closes while a stage with a deadline runs", () => {
  for (const [path, change] of paths) {
    for (const [what, work] of Object.entries(stubborn)) {
      for (const stage of stages) {
        const flagKey = stage === "error" ? "bad" : "good"

        it.effect(`leaves the deadline of ${stage} in force for ${what}, ${path}`, () =>
          collectFailures(() =>
            Effect.gen(function*() {
              const started = yield* Deferred.make<void>()
              const scope = yield* Scope.make()
              const { client } = yield* plainClient({ flags: answers })
              const hook = change(FeatureHook.timeout(stuck(stage, work, started), "50 millis"))
              yield* OpenFeatureHook.register(client, hook).pipe(
                Scope.provide(scope),
                Effect.provideService(OpenFeatureHook.CloseTimeout, "200 millis")
              )
              const evaluation = yield* Effect.forkDetach(
                Effect.promise(() => client.getBooleanDetails(flagKey, false))
              )
              yield* Deferred.await(started)
              const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void))
              assert.isAtMost(yield* timeUntil(isOver(evaluation)), 50)
              assert.isAtMost(yield* timeUntil(isOver(closing)), 200)
              assert.strictEqual((yield* Fiber.join(evaluation)).flagKey, flagKey)
            })
          ))

        it.effect(`of FeatureFlags leaves the deadline of ${stage} in force for ${what}, ${path}`, () =>
          collectFailures(() =>
            Effect.gen(function*() {
              const started = yield* Deferred.make<void>()
              const scope = yield* Scope.make()
              const provider = yield* TestProvider.make({ flags: answers })
              const flags = yield* FeatureFlags.make({
                domain: newDomain(),
                provider: Effect.succeed(provider),
                hooks: [change(FeatureHook.timeout(stuck(stage, work, started), "50 millis"))]
              }).pipe(Scope.provide(scope), Effect.provideService(OpenFeatureHook.CloseTimeout, "200 millis"))
              const evaluation = yield* Effect.forkDetach(flags.booleanDetails(flagKey, false))
              yield* Deferred.await(started)
              const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void))
              assert.isAtMost(yield* timeUntil(isOver(evaluation)), 50)
              assert.isAtMost(yield* timeUntil(isOver(closing)), 200)
            })
          ))
      }
    }

    it.effect(`ends within CloseTimeout when the deadline is far away, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          for (const work of Object.values(stubborn)) {
            const started = yield* Deferred.make<void>()
            const scope = yield* Scope.make()
            const { client } = yield* plainClient({ flags: answers })
            const hook = change(FeatureHook.timeout(stuck("before", work, started), "1 second"))
            client.addHooks(
              yield* OpenFeatureHook.makeEffect(hook).pipe(
                Scope.provide(scope),
                Effect.provideService(OpenFeatureHook.CloseTimeout, "100 millis")
              )
            )
            const evaluation = yield* Effect.forkDetach(Effect.promise(() => client.getBooleanDetails("good", false)))
            yield* Deferred.await(started)
            const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void))
            assert.isAtMost(yield* timeUntil(isOver(closing)), 100)
            assert.isAtMost(yield* timeUntil(isOver(evaluation)), 1000)
          }
        })
      ))
  }
})

describe("a scope that closes", () => {
  for (const [path, change] of paths) {
    it.effect(`does not interrupt the next hook of another scope, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const started = yield* Deferred.make<void>()
          const scope = yield* Scope.make()
          const provider = yield* TestProvider.make({ flags: answers })
          const flags = yield* FeatureFlags.make({
            domain: newDomain(),
            provider: Effect.succeed(provider),
            hooks: [change(FeatureHook.timeout(stuck("before", Effect.never, started), "50 millis"))]
          }).pipe(Scope.provide(scope))
          const next = FeatureHook.make("next", { before: () => Effect.sleep("10 millis") })
          const evaluation = yield* Effect.forkDetach(flags.booleanDetails("good", false, { hooks: [next] }))
          yield* Deferred.await(started)
          yield* Effect.forkDetach(Scope.close(scope, Exit.void))
          yield* timeUntil(isOver(evaluation))
          assert.deepInclude(yield* Fiber.join(evaluation), { value: false, errorCode: "PROVIDER_NOT_READY" })
        })
      ))
  }
})

describe("an around program that makes its wait uninterruptible", () => {
  for (const [path, change] of paths) {
    for (const flagKey of ["slow", "never"]) {
      it.effect(`runs its finalizer once when the scope closes while ${flagKey} is resolved, ${path}`, () =>
        Effect.gen(function*() {
          const journal: Array<string> = []
          const note = (entry: string) => Effect.sync(() => void journal.push(entry))
          const around = FeatureHook.around("around", (_context, evaluate) =>
            Effect.acquireUseRelease(
              note("acquire"),
              () => Effect.uninterruptible(evaluate),
              () => note("release")
            ))
          const scope = yield* Scope.make()
          const { client } = yield* plainClient({ flags: { ...answers, never: TestProvider.never } })
          yield* OpenFeatureHook.register(client, change(around)).pipe(
            Scope.provide(scope),
            Effect.provideService(OpenFeatureHook.CloseTimeout, "200 millis")
          )
          const evaluation = yield* Effect.forkDetach(Effect.promise(() => client.getBooleanDetails(flagKey, false)))
          yield* turns(20)
          assert.deepStrictEqual(journal, ["acquire"])
          const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void))
          assert.isAtMost(yield* timeUntil(isOver(closing)), 200)
          yield* TestClock.adjust("2 seconds")
          yield* turns(20)
          assert.deepStrictEqual(journal, ["acquire", "release"])
          if (flagKey === "slow") assert.isTrue((yield* Fiber.join(evaluation)).value)
          else yield* Fiber.interrupt(evaluation)
        }).pipe(Effect.provide(logsTo([]))))
    }
  }
})
