import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { FeatureFlags, FeatureHook, type HookFailures, OpenFeatureHook } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { client, collectFailures, paths, turns } from "../support.ts"

type Journal = Array<string>

const note = (journal: Journal, entry: string) => Effect.sync(() => void journal.push(entry))

const recording = (name: string, journal: Journal) =>
  FeatureHook.make(name, {
    before: () => note(journal, `${name}.before`),
    after: () => note(journal, `${name}.after`),
    error: (_context, error) => note(journal, `${name}.error ${error.message}`),
    finally: (_context, details) => note(journal, `${name}.finally ${String(details.errorCode)}`)
  })

/** A hook that never ends in one stage. */
const stuck = (stage: HookFailures.Stage, journal: Journal, started: Deferred.Deferred<void>) => {
  const wait = Deferred.succeed(started, undefined).pipe(
    Effect.andThen(Effect.never),
    Effect.onInterrupt(() => note(journal, "stuck.interrupted"))
  )
  const run = (here: HookFailures.Stage) =>
    Effect.andThen(note(journal, `stuck.${here}`), here === stage ? wait : Effect.void)
  return FeatureHook.make("stuck", {
    before: () => run("before"),
    after: () => run("after"),
    error: () => run("error"),
    finally: () => run("finally")
  })
}

const around = (name: string, journal: Journal) =>
  FeatureHook.around(name, (_context, evaluate) => Effect.ensuring(evaluate, note(journal, `${name}.closed`)))

/** Interrupts a fiber and lets virtual time pass until that is done; says how long it took. */
const interrupt = Effect.fnUntraced(function*(fiber: Fiber.Fiber<unknown, unknown>) {
  const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber))
  yield* turns(50)
  let millis = 0
  while (interrupting.pollUnsafe() === undefined) {
    assert.isBelow(millis, 5000, "the interruption does not end")
    millis += 100
    yield* TestClock.adjust("100 millis")
    yield* turns()
  }
  return millis
})

const answers = {
  good: TestProvider.value(true),
  bad: TestProvider.throwing(new Error("provider")),
  hung: TestProvider.never
}

const occurrences = (journal: Journal, entry: string): number => journal.filter((other) => other === entry).length

describe("an interrupted caller", () => {
  for (const [path, change] of paths) {
    for (const stage of ["before", "after"] as const) {
      it.effect(`interrupts ${stage}, and finally and finalizers run once, ${path}`, () =>
        collectFailures(() =>
          Effect.gen(function*() {
            const journal: Journal = []
            const started = yield* Deferred.make<void>()
            yield* OpenFeatureHook.register(
              SDK.OpenFeature,
              change(recording("api", journal)),
              change(around("api-around", journal))
            )
            const { flags } = yield* client(answers, {
              hooks: [change(recording("client", journal)), change(around("around", journal))]
            })
            const fiber = yield* Effect.forkChild(flags.boolean("good", false, {
              hooks: [change(recording("call", journal)), change(stuck(stage, journal, started))]
            }))
            yield* Deferred.await(started)
            assert.strictEqual(yield* interrupt(fiber), 0)
            for (const name of ["api", "client", "call"]) {
              assert.strictEqual(occurrences(journal, `${name}.finally GENERAL`), 1, name)
              assert.strictEqual(occurrences(journal, `${name}.error the evaluation was interrupted`), 1, name)
            }
            assert.strictEqual(occurrences(journal, "stuck.interrupted"), 1)
            assert.strictEqual(occurrences(journal, "stuck.finally"), 1)
            assert.strictEqual(occurrences(journal, "around.closed"), 1)
            assert.strictEqual(occurrences(journal, "api-around.closed"), 1)
            const length = journal.length
            yield* TestClock.adjust("1 minute")
            yield* turns()
            assert.strictEqual(journal.length, length)
          })
        ))

      it.effect(`interrupts ${stage} of the API level, and finally runs once, ${path}`, () =>
        collectFailures(() =>
          Effect.gen(function*() {
            const journal: Journal = []
            const started = yield* Deferred.make<void>()
            yield* OpenFeatureHook.register(SDK.OpenFeature, change(stuck(stage, journal, started)))
            const { flags } = yield* client(answers, { hooks: [change(recording("client", journal))] })
            const fiber = yield* Effect.forkChild(flags.boolean("good", false))
            yield* Deferred.await(started)
            assert.strictEqual(yield* interrupt(fiber), 0)
            assert.strictEqual(occurrences(journal, "stuck.interrupted"), 1)
            assert.strictEqual(occurrences(journal, "stuck.finally"), 1)
            assert.strictEqual(occurrences(journal, "client.finally GENERAL"), 1)
          })
        ))
    }

    for (const [stage, flagKey] of [["error", "bad"], ["finally", "good"]] as const) {
      it.effect(`waits for ${stage} no longer than interruptTimeout twice, ${path}`, () =>
        collectFailures(() =>
          Effect.gen(function*() {
            const journal: Journal = []
            const started = yield* Deferred.make<void>()
            const { flags } = yield* client(answers, {
              hooks: [change(recording("client", journal))],
              interruptTimeout: "500 millis"
            })
            const fiber = yield* Effect.forkChild(flags.boolean(flagKey, false, {
              hooks: [change(stuck(stage, journal, started)), change(around("around", journal))]
            }))
            yield* Deferred.await(started)
            const millis = yield* interrupt(fiber)
            assert.isAtLeast(millis, 500)
            assert.isAtMost(millis, 1000)
            assert.strictEqual(occurrences(journal, "around.closed"), 1)
            assert.isAtMost(occurrences(journal, "stuck.finally"), 1)
          })
        ))
    }

    it.effect(`of a provider that hangs: error and finally run once, within the limit, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const journal: Journal = []
          const { flags, provider } = yield* client(answers, {
            hooks: [change(recording("client", journal)), change(around("around", journal))],
            interruptTimeout: "500 millis"
          })
          const latch = yield* Deferred.make<void>()
          yield* provider.set("later", Effect.andThen(Deferred.await(latch), TestProvider.value(true)))
          const fiber = yield* Effect.forkChild(
            flags.boolean("later", false).pipe(FeatureFlags.withHooks(change(recording("region", journal))))
          )
          yield* turns()
          const millis = yield* interrupt(fiber)
          assert.isAtLeast(millis, 500)
          assert.isAtMost(millis, 1000)
          const expected = [
            "client.before",
            "region.before",
            "region.error the evaluation was interrupted",
            "around.closed",
            "client.error the evaluation was interrupted",
            "region.finally GENERAL",
            "client.finally GENERAL"
          ]
          assert.deepStrictEqual(journal, expected)
          // The provider comes back to life: nothing runs a second time.
          yield* Deferred.succeed(latch, undefined)
          yield* turns(20)
          assert.deepStrictEqual(journal, expected)
        })
      ))

    it.effect(`of a provider that hangs reaches hooks of the API level too, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const journal: Journal = []
          yield* OpenFeatureHook.register(
            SDK.OpenFeature,
            change(recording("api", journal)),
            change(around("around", journal))
          )
          const { flags } = yield* client(answers, { hooks: [change(recording("client", journal))] })
          flags.client.addHooks(OpenFeatureHook.make(change(around("plain", journal))))
          const fiber = yield* Effect.forkChild(flags.boolean("hung", false))
          yield* turns()
          assert.isAtMost(yield* interrupt(fiber), 2000)
          for (const entry of ["api.finally GENERAL", "client.finally GENERAL", "around.closed", "plain.closed"]) {
            assert.strictEqual(occurrences(journal, entry), 1, entry)
          }
        })
      ))

    it.effect(`of a plain hook that hangs: finally runs within the limit, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          for (const stage of ["before", "after", "finally"] as const) {
            const journal: Journal = []
            const { flags } = yield* client(answers, {
              hooks: [change(recording("client", journal)), change(around("around", journal))],
              interruptTimeout: "500 millis"
            })
            flags.client.addHooks({ [stage]: () => new Promise(() => {}) })
            const fiber = yield* Effect.forkChild(flags.boolean("good", false))
            yield* turns()
            assert.isAtMost(yield* interrupt(fiber), 1000, stage)
            assert.isAtMost(occurrences(journal, "client.finally GENERAL"), 1)
            assert.strictEqual(
              occurrences(journal, "around.closed"),
              stage === "before" ? 0 : 1,
              `${stage} ${journal.join()}`
            )
          }
        })
      ))
  }

  it.effect("that has only finally is owed it too, at the API level", () =>
    Effect.gen(function*() {
      const journal: Journal = []
      const last = FeatureHook.make("last", { finally: () => note(journal, "last.finally") })
      yield* OpenFeatureHook.register(SDK.OpenFeature, last)
      const { flags } = yield* client(answers)
      const fiber = yield* Effect.forkChild(flags.boolean("hung", false))
      yield* turns()
      yield* interrupt(fiber)
      assert.deepStrictEqual(journal, ["last.finally"])
    }))

  it.effect("leaves at once when there is no hook anywhere", () =>
    Effect.gen(function*() {
      const { flags } = yield* client(answers)
      const fiber = yield* Effect.forkChild(flags.boolean("hung", false))
      yield* turns()
      assert.strictEqual(yield* interrupt(fiber), 0)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
    }))

  it.effect("of an observed hook still interrupts it", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const journal: Journal = []
        const started = yield* Deferred.make<void>()
        const observed = FeatureHook.observe(stuck("before", journal, started))
        const { flags } = yield* client(answers, { hooks: [observed] })
        const fiber = yield* Effect.forkChild(flags.boolean("good", false))
        yield* Deferred.await(started)
        assert.isAtMost(yield* interrupt(fiber), 1000)
        assert.strictEqual(occurrences(journal, "stuck.interrupted"), 1)
        assert.strictEqual(occurrences(journal, "stuck.finally"), 1)
      })
    ))
})
