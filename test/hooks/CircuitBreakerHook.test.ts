import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Schedule, Scope, Stream } from "effect"
import { constVoid } from "effect/Function"
import { CircuitBreaker } from "effect/persistence"
import { TestClock } from "effect/testing"
import { EvaluationError, FeatureHook, HookHints, OpenFeatureHook } from "effect-openfeature"
import * as CircuitBreakerHook from "effect-openfeature/hooks/CircuitBreakerHook"
import { Fixtures } from "effect-openfeature/testing"
import {
  asynchronous,
  collectFailures,
  type LogRecord,
  logsTo,
  newDomain,
  paths,
  random,
  rangeError,
  turns,
  unhandledRejections
} from "../support.ts"

/** A hook that notes its stages, and fails in one of them while it is told to. */
const flaky = (failing: "before" | "after" | "finally" = "finally") => {
  const seen: Array<string> = []
  const state = { fails: true }
  const stage = (name: string) => () =>
    Effect.suspend(() => {
      seen.push(name)
      return state.fails && name === failing ? Effect.fail("no") : Effect.void
    })
  const hook = FeatureHook.make("flaky", { before: stage("before"), after: stage("after"), finally: stage("finally") })
  return { hook, seen, state }
}

const statesOf = (circuits: ReadonlyArray<CircuitBreakerHook.CircuitState>) => circuits.map(({ state }) => state)

const times = <A, E, R>(count: number, effect: Effect.Effect<A, E, R>) =>
  Effect.all(Array.from({ length: count }, () => effect))

const quietly = <A, E, R>(program: Effect.Effect<A, E, R>) => collectFailures(() => program)

const memoryStore = Effect.map(
  Layer.build(CircuitBreaker.layerStoreMemory()),
  (context) => Context.get(context, CircuitBreaker.CircuitBreakerStore)
)

describe("a hook behind a circuit breaker", () => {
  for (const [path, change] of paths) {
    it.effect(`is left out after failures in a row, and tried again after its time, ${path}`, () =>
      Effect.gen(function*() {
        for (const failing of ["before", "after", "finally"] as const) {
          const { hook: inner, seen, state } = flaky(failing)
          const { circuits, hook } = yield* CircuitBreakerHook.make(change(inner), {
            failures: 2,
            openDuration: "10 seconds"
          })
          state.fails = false
          yield* times(3, Fixtures.run(hook))
          assert.strictEqual(seen.length, 9)
          state.fails = true
          yield* times(2, Fixtures.run(hook))
          assert.deepStrictEqual(statesOf(yield* circuits), ["Open"])
          seen.length = 0
          for (const { details } of yield* times(3, Fixtures.run(hook))) assert.isTrue(details.value)
          assert.deepStrictEqual(seen, [])

          yield* TestClock.adjust("9999 millis")
          yield* Fixtures.run(hook)
          assert.deepStrictEqual(seen, [])
          yield* TestClock.adjust("1 millis")
          yield* Fixtures.run(hook)
          assert.include(seen, failing)
          assert.deepStrictEqual(statesOf(yield* circuits), ["Open"])

          yield* TestClock.adjust("10 seconds")
          state.fails = false
          yield* times(2, Fixtures.run(hook))
          assert.deepStrictEqual(yield* circuits, [{ hook: "flaky", state: "Closed", skipped: 4, unrecorded: 0 }])
        }
      }).pipe(quietly))

    it.effect(`stays in while failures are not in a row, ${path}`, () =>
      Effect.gen(function*() {
        const { hook: inner, state } = flaky()
        const { circuits, hook } = yield* CircuitBreakerHook.make(change(inner), { failures: 2 })
        for (let i = 0; i < 20; i++) {
          state.fails = i % 2 === 0
          yield* Fixtures.run(hook)
        }
        assert.deepStrictEqual(statesOf(yield* circuits), ["Closed"])
      }).pipe(quietly))

    it.effect(`decides once: what began before the circuit opened gets its later stages, ${path}`, () =>
      Effect.gen(function*() {
        const { hook: inner, seen, state } = flaky("after")
        const { circuits, hook } = yield* CircuitBreakerHook.make(change(inner), { failures: 1 })
        const slow = FeatureHook.make("slow", { before: () => Effect.sleep("1 second") })
        const begun = yield* Effect.forkChild(Fixtures.run(FeatureHook.combine(hook, slow)))
        yield* turns()
        yield* Fixtures.run(hook)
        assert.deepStrictEqual(statesOf(yield* circuits), ["Open"])
        state.fails = false
        seen.length = 0
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(begun)
        assert.deepStrictEqual(seen, ["after", "finally"])
      }).pipe(quietly))

    it.effect(`lets one evaluation probe, while the others go on without the hook, ${path}`, () =>
      Effect.gen(function*() {
        const { hook: inner, seen, state } = flaky()
        const waiting = FeatureHook.make("waiting", { before: () => Effect.sleep("1 second") })
        const { circuits, hook } = yield* CircuitBreakerHook.make(change(inner), {
          failures: 1,
          openDuration: "10 seconds"
        })
        yield* Fixtures.run(hook)
        yield* TestClock.adjust("10 seconds")
        state.fails = false
        seen.length = 0
        const probe = yield* Effect.forkChild(Fixtures.run(FeatureHook.combine(hook, waiting)))
        yield* turns()
        assert.deepStrictEqual(statesOf(yield* circuits), ["HalfOpen"])
        yield* times(3, Fixtures.run(hook))
        assert.deepStrictEqual(seen, ["before"])
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(probe)
        yield* turns()
        assert.deepStrictEqual(statesOf(yield* circuits), ["Closed"])
      }).pipe(quietly))

    it.effect(`takes a rejection by a guard for a success, ${path}`, () =>
      Effect.gen(function*() {
        const closed = new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "closed" })
        const guard = FeatureHook.make("guard", { before: () => Effect.fail(closed) })
        const { circuits, hook } = yield* CircuitBreakerHook.make(change(guard), { failures: 1 })
        for (const { details } of yield* times(3, Fixtures.run(hook))) {
          assert.strictEqual(details.errorCode, "INVALID_CONTEXT")
        }
        assert.deepStrictEqual(statesOf(yield* circuits), ["Closed"])
      }))

    it.effect(`rejects evaluations while the circuit is open, if asked to, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const guard = FeatureHook.make("guard", {
          before: () => Effect.fail("no connection"),
          finally: () => Effect.sync(() => void seen.push("finally"))
        })
        const { hook } = yield* CircuitBreakerHook.make(change(guard), { failures: 1, whenOpen: "reject" })
        const [first, second] = yield* times(2, Fixtures.run(hook))
        assert.strictEqual(first?.details.errorCode, "GENERAL")
        assert.deepInclude(second?.details, {
          errorCode: "GENERAL",
          errorMessage: "the circuit breaker of hook \"guard\" is open"
        })
        assert.deepStrictEqual(seen, ["finally"])
      }).pipe(quietly))

    it.effect(`sees the failures of an observed hook, and of a program around the evaluation, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const observed = FeatureHook.make("observed", { after: () => Effect.fail("no") })
          const around = FeatureHook.around("around", (_context, evaluation) =>
            Effect.andThen(evaluation, Effect.fail("no")))
          for (const inner of [observed, around]) {
            failures.length = 0
            const { hook } = yield* CircuitBreakerHook.make(FeatureHook.observe(change(inner)), { failures: 2 })
            for (const { details } of yield* times(4, Fixtures.run(hook))) {
              assert.isTrue(details.value)
            }
            yield* turns()
            assert.strictEqual(failures.length, 2)
          }
        })
      ))

    it.effect(`has a circuit for each hook of a combination, ${path}`, () =>
      Effect.gen(function*() {
        const both = FeatureHook.combineAll([
          flaky().hook,
          FeatureHook.empty,
          flaky("before").hook,
          flaky("after").hook
        ])
        const { circuits, hook } = yield* CircuitBreakerHook.make(FeatureHook.observe(change(both)), { failures: 2 })
        const { hook: good } = yield* CircuitBreakerHook.make(
          change(FeatureHook.make("good", { before: () => undefined }))
        )
        yield* times(2, Fixtures.run(FeatureHook.combine(hook, good)))
        assert.deepStrictEqual(statesOf(yield* circuits), ["Open", "Open", "Open"])
      }).pipe(quietly))

    it.effect(`counts a rate, ${path}`, () =>
      Effect.gen(function*() {
        const { hook: inner, state } = flaky()
        const { circuits, hook } = yield* CircuitBreakerHook.make(change(inner), {
          tripPolicy: CircuitBreaker.rate({ threshold: 0.5, size: 4 })
        })
        for (const fails of [true, false, false, false, true, false, true]) {
          assert.deepStrictEqual(statesOf(yield* circuits), ["Closed"])
          state.fails = fails
          yield* Fixtures.run(hook)
        }
        assert.deepStrictEqual(statesOf(yield* circuits), ["Open"])
      }).pipe(quietly))
  }

  it.effect("opens for longer each time, as a schedule says", () =>
    Effect.gen(function*() {
      const { circuits, hook } = yield* CircuitBreakerHook.make(flaky().hook, {
        failures: 1,
        openDuration: Schedule.exponential("1 second")
      })
      for (const seconds of [1, 2, 4]) {
        yield* Fixtures.run(hook)
        assert.deepStrictEqual(statesOf(yield* circuits), ["Open"])
        yield* TestClock.adjust(`${seconds * 1000 - 1} millis`)
        const skipped = Effect.map(circuits, ([circuit]) => circuit?.skipped ?? Number.NaN)
        const before = yield* skipped
        yield* Fixtures.run(hook)
        assert.strictEqual(yield* skipped, before + 1)
        yield* TestClock.adjust("1 millis")
      }
    }).pipe(quietly))

  it.effect("tells each transition once: in the log, in a stream, and to a callback that may fail", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const told: Array<string> = []
      const { hook: inner, state } = flaky()
      const { hook, transitions } = yield* CircuitBreakerHook.make(inner, {
        failures: 1,
        openDuration: "10 seconds",
        onTransition: ({ from, to }) => {
          told.push(`${from} ${to}`)
          throw new Error("bug")
        }
      })
      const streamed = yield* Effect.forkChild(
        Stream.runCollect(Stream.take(transitions, 3)),
        { startImmediately: true }
      )
      yield* turns()
      yield* times(3, Fixtures.run(hook))
      state.fails = false
      yield* TestClock.adjust("10 seconds")
      yield* times(3, Fixtures.run(hook)).pipe(Effect.provide(logsTo(records)))
      const expected = ["Closed Open", "Open HalfOpen", "HalfOpen Closed"]
      assert.deepStrictEqual(told, expected)
      assert.deepStrictEqual((yield* Fiber.join(streamed)).map(({ from, to }) => `${from} ${to}`), expected)
      assert.deepStrictEqual(records.map(({ annotations, level }) => [level, annotations]), [
        ["Info", { hook: "flaky", from: "Open", to: "HalfOpen" }],
        ["Info", { hook: "flaky", from: "HalfOpen", to: "Closed" }]
      ])
    }).pipe(quietly))

  it.effect("survives an asynchronous callback that rejects", () =>
    Effect.gen(function*() {
      const told: Array<string> = []
      const { hook: inner } = flaky()
      const { hook } = yield* CircuitBreakerHook.make(inner, {
        failures: 1,
        onTransition: asynchronous(({ to }) => {
          told.push(to)
          return Promise.reject(new Error("bug"))
        })
      })
      assert.deepStrictEqual(yield* unhandledRejections(Fixtures.run(hook)), [])
      assert.deepStrictEqual(told, ["Open"])
    }).pipe(quietly))

  it.effect("takes a probe that never ends for a failure, and asks for another one", () =>
    Effect.gen(function*() {
      const modes: Array<() => Effect.Effect<void, string>> = [
        () => Effect.fail("no"),
        () => Effect.never,
        () => Effect.void
      ]
      const { circuits, hook } = yield* CircuitBreakerHook.make(
        FeatureHook.make("hanging", { finally: () => modes.shift()?.() ?? Effect.void }),
        { failures: 1, openDuration: "5 seconds", probeTimeout: "2 seconds" }
      )
      yield* Fixtures.run(hook)
      yield* TestClock.adjust("5 seconds")
      const hanging = yield* Effect.forkChild(Fixtures.run(hook))
      yield* turns()
      assert.deepStrictEqual(statesOf(yield* circuits), ["HalfOpen"])
      yield* TestClock.adjust("2 seconds")
      yield* turns()
      assert.deepStrictEqual(statesOf(yield* circuits), ["Open"])
      yield* TestClock.adjust("5 seconds")
      yield* Fixtures.run(hook)
      assert.deepStrictEqual(statesOf(yield* circuits), ["Closed"])
      yield* Fiber.interrupt(hanging)
    }).pipe(quietly))

  it("answers at once while the circuit is closed", () => {
    const { hook } = CircuitBreakerHook.start(
      FeatureHook.make("plain", { before: () => ({ context: { plan: "pro" } }) })
    )
    const [part] = hook.parts
    assert.deepStrictEqual(
      part?.before?.(Fixtures.hookContext(), HookHints.empty, part.hookData?.()),
      Exit.succeed({ context: { plan: "pro" } })
    )
  })

  it.effect("runs without a circuit breaker when its scope is closed", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { hook: inner, seen } = flaky()
      const { circuits, hook } = yield* Scope.provide(CircuitBreakerHook.make(inner, { failures: 1 }), scope)
      yield* Fixtures.run(hook)
      assert.deepStrictEqual(statesOf(yield* circuits), ["Open"])
      yield* Scope.close(scope, Exit.void)
      seen.length = 0
      yield* times(3, Fixtures.run(hook))
      assert.strictEqual(seen.length, 9)
    }).pipe(quietly))

  it("serves an application without Effect, on a client of the SDK", async () => {
    let calls = 0
    const transitions: Array<string> = []
    const failing = FeatureHook.make("exposure", {
      finally: async () => {
        calls++
        await Promise.reject(new Error("no connection"))
      }
    })
    await using breaker = CircuitBreakerHook.start(FeatureHook.observe(failing), {
      failures: 2,
      onTransition: ({ to }) => void transitions.push(to)
    })
    const client = SDK.OpenFeature.getClient(newDomain())
    client.setLogger({ error: constVoid, warn: constVoid, info: constVoid, debug: constVoid })
    client.addHooks(OpenFeatureHook.make(breaker.hook))
    for (let i = 0; i < 4; i++) await client.getBooleanValue("sale", false)
    assert.strictEqual(calls, 2)
    assert.deepStrictEqual(transitions, ["Open"])
    assert.deepStrictEqual(breaker.circuits(), [{ hook: "exposure", state: "Open", skipped: 2, unrecorded: 0 }])
  })

  it("refuses what has no effect", () => {
    const silent = FeatureHook.make("silent", { finally: () => undefined })
    assert.strictEqual(
      rangeError(() => CircuitBreakerHook.make(silent, { whenOpen: "reject" })),
      "CircuitBreakerHook.make: whenOpen \"reject\" has no effect, since hook \"silent\" cannot reject an evaluation"
    )
    const observed = FeatureHook.observe(flaky().hook)
    assert.include(rangeError(() => CircuitBreakerHook.start(observed, { whenOpen: "reject" })), "cannot reject")
    assert.include(
      rangeError(() => CircuitBreakerHook.make(silent, { failures: 1, tripPolicy: CircuitBreaker.consecutive(1) })),
      "give failures or tripPolicy, not both"
    )
  })
})

describe("a store of another process", () => {
  it.effect("opens the circuit of both at the first failure here", () =>
    Effect.gen(function*() {
      const store = yield* memoryStore
      const here = flaky()
      const there = flaky()
      const options = { failures: 3, store, openDuration: "10 seconds" } as const
      const first = yield* CircuitBreakerHook.make(here.hook, options)
      const second = yield* CircuitBreakerHook.make(there.hook, options)
      yield* times(3, Fixtures.run(first.hook))
      assert.deepStrictEqual(statesOf(yield* first.circuits), ["Open"])
      yield* Fixtures.run(second.hook)
      assert.deepStrictEqual(statesOf(yield* second.circuits), ["Open"])
      // One of them has the probe.
      yield* TestClock.adjust("10 seconds")
      here.state.fails = there.state.fails = false
      const waiting = FeatureHook.make("waiting", { before: () => Effect.sleep("500 millis") })
      const probe = yield* Effect.forkChild(Fixtures.run(FeatureHook.combine(first.hook, waiting)))
      yield* turns()
      there.seen.length = 0
      yield* Fixtures.run(second.hook)
      assert.deepStrictEqual(there.seen, [])
      yield* TestClock.adjust("500 millis")
      yield* Fiber.join(probe)
      yield* TestClock.adjust("1 second")
      yield* Fixtures.run(second.hook)
      assert.deepStrictEqual(statesOf(yield* second.circuits), ["Closed"])
    }).pipe(quietly))

  it.effect("that is slow, hangs or fails makes no evaluation wait, and no hook stay out", () =>
    Effect.gen(function*() {
      const memory = yield* memoryStore
      const failed = Effect.fail(
        new CircuitBreaker.CircuitBreakerError({
          reason: new CircuitBreaker.CircuitBreakerStoreError({ message: "gone" })
        })
      )
      const answers: Record<
        string,
        <A, R>(call: Effect.Effect<A, CircuitBreaker.CircuitBreakerError, R>) => typeof call
      > = {
        slow: (call) => Effect.delay(call, "300 millis"),
        hanging: () => Effect.uninterruptible(Effect.never),
        failing: () => failed
      }
      for (const [name, answer] of Object.entries(answers)) {
        const { hook: inner, seen, state } = flaky()
        const { circuits, hook } = yield* CircuitBreakerHook.make(inner, {
          failures: 2,
          openDuration: "10 seconds",
          store: {
            admit: (key) => answer(memory.admit(`${name} ${key}`)),
            record: (options) => answer(memory.record({ ...options, key: `${name} ${options.key}` })),
            state: memory.state
          }
        })
        // The clock stands still, so any wait would be for ever.
        yield* times(100, Fixtures.run(hook))
        assert.isAtLeast(seen.length, name === "slow" ? 6 : 300, name)
        assert.strictEqual((yield* circuits)[0]?.unrecorded, name === "failing" ? 0 : 84, name)
        yield* TestClock.adjust("2 seconds")
        yield* turns()
        state.fails = false
        yield* TestClock.adjust("20 seconds")
        for (let i = 0; i < 10; i++) {
          yield* times(5, Fixtures.run(hook))
          yield* turns()
          yield* TestClock.adjust("1 second")
        }
        seen.length = 0
        yield* Fixtures.run(hook)
        assert.strictEqual(seen.length, 3, name)
      }
    }).pipe(quietly))
})

describe("a random program", () => {
  it.effect("opens and closes the circuit like a simple model", () =>
    Effect.gen(function*() {
      const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
      const { below, chance, oneOf } = random(seed)
      for (let program = 0; program < 40; program++) {
        const { hook: inner, seen, state } = flaky(oneOf(["before", "after", "finally"]))
        const failures = 1 + below(3)
        const openFor = 1 + below(10)
        const { hook } = yield* CircuitBreakerHook.make(FeatureHook.observe(inner), { failures, openDuration: openFor })
        let inARow = 0
        let openUntil: number | undefined = undefined
        let now = 0
        for (let step = 0; step < 60; step++) {
          state.fails = chance(0.5)
          const isRun: boolean = openUntil === undefined || now >= openUntil
          if (isRun) {
            inARow = state.fails ? inARow + 1 : 0
            const opens: boolean = openUntil === undefined ? inARow === failures : state.fails
            openUntil = opens ? now + openFor : undefined
            if (opens) inARow = 0
          }
          seen.length = 0
          yield* Fixtures.run(hook)
          assert.strictEqual(seen.length, isRun ? 3 : 0, `SEED=${seed} program ${program} step ${step}`)
          const time = below(4)
          now += time
          yield* TestClock.adjust(time)
        }
      }
    }).pipe(quietly))
})
