import { afterEach, assert, describe, it } from "@effect/vitest"
import * as SDK from "@openfeature/server-sdk"
import { Deferred, Effect, Fiber, References, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { FeatureFlags, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { client, collectFailures, type LogRecord, logsTo, paths, turns } from "../support.ts"

const answers = { good: TestProvider.value(true) }

const recording = (name: string, journal: Array<string>) => {
  const note = (entry: string) => Effect.sync(() => void journal.push(`${name}.${entry}`))
  return FeatureHook.make(name, {
    before: () => note("before"),
    error: (_context, error) => note(`error ${error.message}`),
    finally: (_context, details) => note(`finally ${String(details.errorCode)}`)
  })
}

// A test that fails may leave its hooks to the others.
afterEach(() => void SDK.OpenFeature.clearHooks())

const levels = ["first", "last", "client", "region", "invocation"]

describe("a caller that is interrupted while a stage with a deadline cannot be", () => {
  for (const [path, change] of paths) {
    for (const level of ["API", "client", "invocation"]) {
      it.effect(`gives error and finally to the hooks of all levels, the stage being of the ${level} level, ${path}`, () =>
        collectFailures(() =>
          Effect.gen(function*() {
            const journal: Array<string> = []
            const started = yield* Deferred.make<void>()
            const busy = FeatureHook.make("busy", {
              before: () =>
                Effect.andThen(
                  Deferred.succeed(started, undefined),
                  Effect.uninterruptible(Effect.asVoid(Effect.sleep("10 seconds")))
                )
            }).pipe(FeatureHook.timeout("5 seconds"))
            const hook = (name: string) => change(recording(name, journal))
            const at = (here: string) => here === level ? [change(busy)] : []
            yield* OpenFeatureHook.register(SDK.OpenFeature, hook("first"), ...at("API"))
            yield* OpenFeatureHook.register(SDK.OpenFeature, hook("last"))
            const { flags } = yield* client(answers, {
              hooks: [...at("client"), hook("client")],
              interruptTimeout: "500 millis"
            })
            const fiber = yield* Effect.forkDetach(
              flags.boolean("good", false, { hooks: [...at("invocation"), hook("invocation")] }).pipe(
                FeatureFlags.withHooks(hook("region"))
              )
            )
            yield* Deferred.await(started)
            const interrupting = yield* Effect.forkDetach(Fiber.interrupt(fiber))
            for (let i = 0; i < 12 && interrupting.pollUnsafe() === undefined; i++) {
              yield* turns(20)
              yield* TestClock.adjust("100 millis")
            }
            assert.isDefined(interrupting.pollUnsafe(), "the interruption does not end in time")
            const ends = () => journal.filter((entry) => !entry.endsWith("before"))
            const expected = levels.flatMap((name) => [
              `${name}.error the evaluation was interrupted`,
              `${name}.finally GENERAL`
            ])
            assert.sameMembers(ends(), expected)
            // The stage ends at last: nothing runs a second time.
            yield* TestClock.adjust("1 minute")
            yield* turns(50)
            assert.sameMembers(ends(), expected)
          })
        ))
    }
  }
})

/** Runs a number of operations of a fiber without a pause. */
const steps = (count: number) =>
  FeatureHook.make("steps", {
    before: () =>
      Effect.suspend(() => {
        let left = count
        return Effect.whileLoop({ while: () => left-- > 0, body: () => Effect.void, step: () => {} })
      })
  })

interface Counts {
  opened: number
  closed: number
}

const guarded = (counts: Counts) => {
  const held = <A>(work: Effect.Effect<A, unknown>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => void counts.opened++),
      () => work,
      () => Effect.sync(() => void counts.closed++)
    )
  return {
    timeout: FeatureHook.timeout(FeatureHook.make("held", { before: () => held(Effect.never) }), "1 second"),
    around: FeatureHook.around("held", (_context, evaluate) => held(evaluate)),
    "around that waits": FeatureHook.around(
      "held",
      (_context, evaluate) => held(Effect.andThen(Effect.never, evaluate))
    )
  }
}

// Around the number of operations after which a fiber lets others run, wherever
// exactly a hook starts the fiber that it guards.
const window = Array.from({ length: 64 }, (_, index) => 2000 + index)

/** Evaluates behind a number of operations, and interrupts the caller in the turn in which it stops. */
const interruptedAt = Effect.fnUntraced(function*(
  count: number,
  hook: FeatureHook.FeatureHook<unknown>
): Effect.fn.Return<void, FeatureFlags.ProviderError | FeatureFlags.OptionsError, Scope.Scope> {
  const { flags } = yield* client({ good: TestProvider.never }, { hooks: [steps(count), hook] })
  const fiber = Effect.runForkWith(yield* Effect.context())(flags.boolean("good", false))
  fiber.interruptUnsafe()
  for (let i = 0; i < 20 && fiber.pollUnsafe() === undefined; i++) {
    yield* turns(5)
    yield* TestClock.adjust("500 millis")
  }
  assert.isDefined(fiber.pollUnsafe(), `after ${count} operations it does not end`)
})

describe("a hook that starts a fiber just when its own has to let others run", () => {
  for (const what of ["timeout", "around", "around that waits"] as const) {
    it.effect(`leaves no fiber of ${what} behind when the caller is interrupted there`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const leaks: Array<number> = []
          let opened = 0
          for (const count of window) {
            const counts: Counts = { opened: 0, closed: 0 }
            yield* interruptedAt(count, guarded(counts)[what])
            yield* turns(5)
            opened += counts.opened
            if (counts.opened !== counts.closed) leaks.push(count)
          }
          assert.isAbove(opened, 0, "the window is too late")
          assert.isBelow(opened, window.length, "the window is too early")
          assert.deepStrictEqual(leaks, [])
        })
      ))
  }

  it.effect("keeps the deadline of a stage that never ends", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        for (const count of window) {
          const counts: Counts = { opened: 0, closed: 0 }
          const { flags } = yield* client(answers, { hooks: [steps(count), guarded(counts).timeout] })
          const fiber = yield* Effect.forkDetach(flags.booleanDetails("good", false))
          yield* turns(5)
          yield* TestClock.adjust("1 second")
          yield* turns(5)
          assert.isDefined(fiber.pollUnsafe(), `after ${count} operations it does not end`)
          const details = yield* Fiber.join(fiber)
          assert.strictEqual(details.errorMessage, "hook \"held\" timed out in its before stage")
          assert.deepStrictEqual(counts, { opened: 1, closed: 1 })
        }
      })
    ))
})

describe("an interruption", () => {
  for (const [path, change] of paths) {
    it.effect(`of an around program that has not come to evaluate is no failure of it, ${path}`, () =>
      Effect.gen(function*() {
        const records: Array<LogRecord> = []
        yield* collectFailures((failures) =>
          Effect.gen(function*() {
            for (const observed of [false, true]) {
              const started = yield* Deferred.make<void>()
              const around = FeatureHook.around("around", (_context, evaluate) =>
                Effect.andThen(Deferred.succeed(started, undefined), Effect.andThen(Effect.never, evaluate)))
              const hook = change(observed ? FeatureHook.observe(around) : around)
              const { flags } = yield* client(answers, { hooks: [hook] })
              const fiber = yield* Effect.forkDetach(flags.boolean("good", false))
              yield* Deferred.await(started)
              const interrupting = yield* Effect.forkDetach(Fiber.interrupt(fiber))
              yield* turns(20)
              assert.isDefined(interrupting.pollUnsafe())
              assert.deepStrictEqual(failures, [])
            }
          }).pipe(Effect.provideService(References.UnhandledLogLevel, "Error"))
        ).pipe(Effect.provide(logsTo(records, "Warn")))
        assert.deepStrictEqual(records, [])
      }))
  }
})
