import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Context, Deferred, Effect, Exit, Fiber, Function, Option } from "effect"
import { TestClock } from "effect/testing"
import { expectTypeOf } from "vitest"
import {
  type EvaluationContext,
  EvaluationError,
  FeatureHook,
  FlagFilter,
  type HookContext,
  HookHints,
  OpenFeatureHook
} from "effect-openfeature"
import { Fixtures, RecordingHook, TestProvider } from "effect-openfeature/testing"
import {
  allPaths,
  client,
  collectFailures,
  deferred,
  paths,
  random,
  rangeError,
  turns,
  unhandledRejections
} from "./support.ts"
import { countingClock } from "./clocks.ts"

const Trail = HookHints.key<ReadonlyArray<string>>("test.trail")

type Journal = Array<string>

type Outcome = "ok" | "fail" | "die" | "reject"

const outcomes: ReadonlyArray<Outcome> = ["ok", "ok", "ok", "ok", "fail", "die", "reject"]

const end = (outcome: Outcome): Effect.Effect<void, string | EvaluationError.EvaluationError> => {
  switch (outcome) {
    case "ok":
      return Effect.void
    case "fail":
      return Effect.fail("failed")
    case "die":
      return Effect.die(new Error("died"))
    case "reject":
      return Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "rejected" }))
  }
}

/** A hook that writes down all it sees, contributes, and ends its stages in some way. */
const scripted = (
  name: string,
  journal: Journal,
  script: {
    readonly before: Outcome
    readonly after: Outcome
    readonly error: Outcome
    readonly finally: Outcome
    readonly isAsync: boolean
  }
): FeatureHook.FeatureHook<string | EvaluationError.EvaluationError> => {
  const note = (stage: string, context: HookContext.HookContext, hints: HookHints.HookHints, data: { n: number }) =>
    Effect.sync(() => {
      const trail = HookHints.getOrUndefined(hints, Trail)?.join("") ?? ""
      journal.push(`${name}.${stage}(${JSON.stringify(context.context)},${trail},${++data.n})`)
      return trail
    })
  const hook = FeatureHook.make(name, {
    hookData: () => ({ n: 0 }),
    before: (context, hints, data) =>
      Effect.gen(function*() {
        yield* note("before", context, hints, data)
        yield* end(script.before)
        return {
          context: { last: name, [name]: true } satisfies EvaluationContext.EvaluationContext,
          hints: HookHints.make(Trail, [...HookHints.getOrUndefined(hints, Trail) ?? [], name])
        }
      }),
    after: (context, details, hints, data) =>
      Effect.andThen(note(`after:${JSON.stringify(details.value)}`, context, hints, data), end(script.after)),
    error: (context, error, hints, data) =>
      Effect.andThen(note(`error:${error.code}`, context, hints, data), end(script.error)),
    finally: (context, details, hints, data) =>
      Effect.andThen(note(`finally:${String(details.errorCode)}`, context, hints, data), end(script.finally))
  })
  return script.isAsync ? deferred(hook) : hook
}

const behaviour = (
  make: (journal: Journal) => FeatureHook.FeatureHook<unknown>,
  options: Fixtures.RunOptions = {}
) =>
  Effect.gen(function*() {
    const journal: Journal = []
    const outcome = yield* Fixtures.run(make(journal), options)
    return { journal, context: outcome.context, details: outcome.details, hints: HookHints.toRecord(outcome.hints) }
  })

const randomScript = (rng: ReturnType<typeof random>) => ({
  before: rng.oneOf(outcomes),
  after: rng.oneOf(outcomes),
  error: rng.oneOf(outcomes),
  finally: rng.oneOf(outcomes),
  isAsync: rng.below(3) === 0
})

const randomRun = (rng: ReturnType<typeof random>): Fixtures.RunOptions =>
  rng.below(4) === 0 ? { error: new Error("provider") } : { context: { context: { plan: "pro" } } }

describe("combine", () => {
  it.effect("is associative in all that can be observed", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const rng = random(1)
        for (let round = 0; round < 300; round++) {
          const scripts = [randomScript(rng), randomScript(rng), randomScript(rng)] as const
          const options = randomRun(rng)
          const three = (journal: Journal) =>
            [
              scripted("a", journal, scripts[0]),
              scripted("b", journal, scripts[1]),
              scripted("c", journal, scripts[2])
            ] as const
          const left = yield* behaviour((journal) => {
            const [a, b, c] = three(journal)
            return FeatureHook.combine(FeatureHook.combine(a, b), c)
          }, options)
          const right = yield* behaviour((journal) => {
            const [a, b, c] = three(journal)
            return FeatureHook.combine(a, FeatureHook.combine(b, c))
          }, options)
          const all = yield* behaviour((journal) => FeatureHook.combineAll(three(journal)), options)
          assert.deepStrictEqual(left, right)
          assert.deepStrictEqual(left, all)
        }
      })
    ))

  it.effect("has empty as its identity on both sides", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const rng = random(2)
        for (let round = 0; round < 200; round++) {
          const script = randomScript(rng)
          const options = randomRun(rng)
          const alone = yield* behaviour((journal) => scripted("a", journal, script), options)
          const left = yield* behaviour(
            (journal) => FeatureHook.combine(FeatureHook.empty, scripted("a", journal, script)),
            options
          )
          const right = yield* behaviour(
            (journal) => FeatureHook.combine(scripted("a", journal, script), FeatureHook.empty),
            options
          )
          assert.deepStrictEqual(left, alone)
          assert.deepStrictEqual(right, alone)
        }
      })
    ))

  it.effect("of nothing takes part in nothing", () =>
    Effect.gen(function*() {
      const nothing = yield* behaviour(() => FeatureHook.combineAll([]))
      assert.deepStrictEqual(nothing, yield* behaviour(() => FeatureHook.empty))
      assert.strictEqual(FeatureHook.empty.name, "")
      assert.strictEqual(nothing.details.value, true)
      assert.deepStrictEqual(Object.keys(OpenFeatureHook.make(FeatureHook.empty)), [])
    }))

  it.effect("runs before in order and the later stages in reverse", () =>
    Effect.gen(function*() {
      for (const [, change] of allPaths) {
        const journal: Array<RecordingHook.Entry> = []
        const a = yield* RecordingHook.make("a", journal)
        const b = yield* RecordingHook.make("b", journal)
        yield* Fixtures.run(FeatureHook.combine(change(a.hook), change(b.hook)))
        assert.deepStrictEqual(yield* a.stages, [
          "a.before",
          "b.before",
          "b.after",
          "a.after",
          "b.finally",
          "a.finally"
        ])
        yield* a.clear
        yield* Fixtures.run(FeatureHook.combine(change(a.hook), change(b.hook)), { error: new Error("no") })
        assert.deepStrictEqual(yield* a.stages, [
          "a.before",
          "b.before",
          "b.error",
          "a.error",
          "b.finally",
          "a.finally"
        ])
      }
    }))

  it.effect("joins a hundred thousand hooks without recursion", () =>
    Effect.gen(function*() {
      let count = 0
      const hook = FeatureHook.make("counted", { before: () => Effect.sync(() => void count++) })
      yield* Fixtures.run(FeatureHook.combineAll(Array.from({ length: 100_000 }, () => hook)))
      assert.strictEqual(count, 100_000)
    }))

  it("names the hooks in the order they were written", () => {
    const hook = (name: string) => FeatureHook.make(name, { before: () => Effect.void })
    const combined = FeatureHook.combineAll([hook("a"), hook("b"), FeatureHook.combine(hook("c"), hook("d"))])
    assert.strictEqual(combined.name, "a + b + c + d")
  })
})

describe("a combinator", () => {
  const filter = FlagFilter.prefix("test")
  class Region extends Context.Service<Region, string>()("test/Region") {}
  const combinators: ReadonlyArray<
    readonly [
      string,
      (
        hook: FeatureHook.FeatureHook<string | EvaluationError.EvaluationError>
      ) => FeatureHook.FeatureHook<unknown>
    ]
  > = [
    ["when", FeatureHook.when(filter)],
    ["when that takes nothing", FeatureHook.when(FlagFilter.not(filter))],
    ["observe", FeatureHook.observe],
    ["failurePolicy", FeatureHook.failurePolicy({ before: "report", after: "ignore", finally: "ignore" })],
    ["timeout", FeatureHook.timeout("1 minute")],
    ["warnWhenSlow", FeatureHook.warnWhenSlow("1 minute")],
    ["onlyStages", FeatureHook.onlyStages("before", "after", "finally")],
    ["transform", (hook) => FeatureHook.transform(hook, (stage) => Effect.andThen(Effect.yieldNow, stage))],
    ["provide", (hook) => FeatureHook.provide(hook, Context.make(Region, "eu"))]
  ]

  for (const [name, combinator] of combinators) {
    it.effect(`distributes over combine: ${name}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const rng = random(3)
          for (let round = 0; round < 100; round++) {
            const scripts = [randomScript(rng), randomScript(rng)] as const
            const options = randomRun(rng)
            const two = (journal: Journal) =>
              [scripted("a", journal, scripts[0]), scripted("b", journal, scripts[1])] as const
            const outside = yield* behaviour((journal) => combinator(FeatureHook.combine(...two(journal))), options)
            const inside = yield* behaviour((journal) => {
              const [a, b] = two(journal)
              return FeatureHook.combine(combinator(a), combinator(b))
            }, options)
            assert.deepStrictEqual(outside, inside)
          }
        })
      ))

    it(`keeps empty and the names: ${name}`, () => {
      const empty: FeatureHook.FeatureHook<string | EvaluationError.EvaluationError> = FeatureHook.empty
      assert.strictEqual(combinator(empty).name, "")
      const hook = FeatureHook.make("a", { before: () => Effect.fail("a") })
      assert.strictEqual(combinator(FeatureHook.combine(hook, hook)).name, "a + a")
    })
  }

  it.effect("is dual: data first and data last do the same", () =>
    Effect.gen(function*() {
      const rng = random(4)
      const script = { ...randomScript(rng), before: "ok", after: "ok" } as const
      const pairs: ReadonlyArray<
        readonly [
          (journal: Journal) => FeatureHook.FeatureHook<unknown>,
          (journal: Journal) => FeatureHook.FeatureHook<unknown>
        ]
      > = [
        [
          (journal) => FeatureHook.combine(scripted("a", journal, script), scripted("b", journal, script)),
          (journal) => scripted("a", journal, script).pipe(FeatureHook.combine(scripted("b", journal, script)))
        ],
        [
          (journal) => FeatureHook.when(scripted("a", journal, script), filter),
          (journal) => scripted("a", journal, script).pipe(FeatureHook.when(filter))
        ],
        [
          (journal) => FeatureHook.timeout(scripted("a", journal, script), "1 second"),
          (journal) => scripted("a", journal, script).pipe(FeatureHook.timeout("1 second"))
        ],
        [
          (journal) => FeatureHook.warnWhenSlow(scripted("a", journal, script), "1 second", { logInterval: 0 }),
          (journal) => scripted("a", journal, script).pipe(FeatureHook.warnWhenSlow("1 second", { logInterval: 0 }))
        ],
        [
          (journal) => FeatureHook.onlyStages(scripted("a", journal, script), "after", "finally"),
          (journal) => scripted("a", journal, script).pipe(FeatureHook.onlyStages("after", "finally"))
        ],
        [
          (journal) => FeatureHook.failurePolicy(scripted("a", journal, script), { finally: "ignore" }),
          (journal) => scripted("a", journal, script).pipe(FeatureHook.failurePolicy({ finally: "ignore" }))
        ],
        [
          (journal) => FeatureHook.transform(scripted("a", journal, script), (stage) => Effect.asVoid(stage)),
          (journal) => scripted("a", journal, script).pipe(FeatureHook.transform((stage) => Effect.asVoid(stage)))
        ],
        [
          (journal) => FeatureHook.provide(scripted("a", journal, script), Context.make(Region, "eu")),
          (journal) => scripted("a", journal, script).pipe(FeatureHook.provide(Context.make(Region, "eu")))
        ]
      ]
      for (const [first, last] of pairs) assert.deepStrictEqual(yield* behaviour(first), yield* behaviour(last))
    }))
})

describe("make", () => {
  it("refuses a hook without a name, without a stage, or with a stage that is no function", () => {
    assert.strictEqual(
      rangeError(() => FeatureHook.make("", { before: () => Effect.void })),
      "FeatureHook.make: name must be a text that is not empty"
    )
    assert.strictEqual(
      rangeError(() => FeatureHook.make("audit", {})),
      "FeatureHook.make: hook \"audit\" needs at least one stage: before, after, error, finally"
    )
    assert.strictEqual(
      // @ts-expect-error a stage is a function
      rangeError(() => FeatureHook.make("audit", { after: "later" })),
      "FeatureHook.make(\"audit\"): after must be a function, got later"
    )
    assert.strictEqual(
      // @ts-expect-error a name is a text
      rangeError(() => FeatureHook.make(5, { after: () => Effect.void })),
      "FeatureHook.make: name must be a text that is not empty"
    )
    assert.strictEqual(
      rangeError(() => FeatureHook.around("", (_context, evaluate) => evaluate)),
      "FeatureHook.around: name must be a text that is not empty"
    )
  })

  it("tells its hooks from anything else", () => {
    assert.isTrue(FeatureHook.isFeatureHook(FeatureHook.empty))
    assert.isTrue(FeatureHook.isFeatureHook(FeatureHook.make("a", { before: () => Effect.void })))
    for (const other of [undefined, null, "a", {}, { before: () => undefined }, OpenFeatureHook.make()]) {
      assert.isFalse(FeatureHook.isFeatureHook(other))
    }
  })

  it("takes no stage from a polluted Object.prototype", () => {
    const stage = () => Effect.void
    try {
      // oxlint-disable-next-line no-extend-native -- pollution is what this is about
      Object.defineProperty(Object.prototype, "before", { value: stage, configurable: true, writable: true })
      assert.include(rangeError(() => FeatureHook.make("audit", {})), "needs at least one stage")
      const hook = FeatureHook.make("audit", { finally: stage })
      assert.isUndefined(hook.parts[0]?.before)
    } finally {
      Reflect.deleteProperty(Object.prototype, "before")
    }
  })

  for (const [path, change] of allPaths) {
    it.effect(`keeps the data of a hook to the hook and the evaluation, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        let made = 0
        const hook = (name: string) =>
          change(FeatureHook.make(name, {
            hookData: () => ({ id: ++made, stages: 0 }),
            before: (_context, _hints, data) => Effect.sync(() => void seen.push(`${name}${data.id}.${++data.stages}`)),
            after: (_context, _details, _hints, data) =>
              Effect.sync(() => seen.push(`${name}${data.id}.${++data.stages}`)),
            finally: (_context, _details, _hints, data) =>
              Effect.sync(() => seen.push(`${name}${data.id}.${++data.stages}`))
          }))
        const same = hook("a")
        yield* Fixtures.run(FeatureHook.combineAll([same, same, hook("b")]))
        assert.deepStrictEqual(seen, ["a1.1", "a2.1", "b3.1", "b3.2", "a2.2", "a1.2", "b3.3", "a2.3", "a1.3"])
        seen.length = 0
        yield* Fixtures.run(same)
        assert.deepStrictEqual(seen, ["a4.1", "a4.2", "a4.3"])
      }))
  }

  it.effect("gives error and finally fresh data when an earlier hook failed", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const gauge = FeatureHook.make("gauge", {
        hookData: () => ({ counted: false }),
        before: (_context, _hints, data) => Effect.sync(() => void (data.counted = true)),
        error: (_context, _error, _hints, data) => Effect.sync(() => seen.push(`error ${data.counted}`)),
        finally: (_context, _details, _hints, data) => Effect.sync(() => seen.push(`finally ${data.counted}`))
      })
      const failing = FeatureHook.make("failing", {
        before: () => Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no" }))
      })
      yield* Fixtures.run(FeatureHook.combine(failing, gauge))
      yield* Fixtures.run(FeatureHook.combine(gauge, failing))
      assert.deepStrictEqual(seen, ["error false", "finally false", "error true", "finally true"])
    }))
})

describe("observe", () => {
  const failing = (outcome: Outcome) =>
    FeatureHook.make("audit", {
      before: () => end(outcome),
      after: () => end(outcome),
      error: () => end(outcome),
      finally: () => end(outcome)
    })

  for (const [path, change] of allPaths) {
    it.effect(`keeps every failure from the evaluation and reports it, ${path}`, () =>
      Effect.gen(function*() {
        for (const outcome of ["fail", "die", "reject"] as const) {
          const stages = yield* collectFailures((failures) =>
            Effect.gen(function*() {
              const hook = FeatureHook.observe(change(failing(outcome)))
              const success = yield* Fixtures.run(hook)
              assert.strictEqual(success.details.value, true)
              assert.strictEqual(success.details.errorCode, undefined)
              const failure = yield* Fixtures.run(hook, { error: { code: "PARSE_ERROR", message: "provider" } })
              assert.strictEqual(failure.details.errorCode, "PARSE_ERROR")
              return failures.map(({ flagKey, hook, stage }) => `${hook}.${stage} of ${flagKey}`)
            })
          )
          assert.deepStrictEqual(
            stages,
            ["before", "after", "finally", "before", "error", "finally"].map((stage) => `audit.${stage} of test-flag`)
          )
        }
      }))
  }

  it.effect("keeps what the hook contributes", () =>
    Effect.gen(function*() {
      const enrich = FeatureHook.make("enrich", { before: () => Effect.succeed({ context: { region: "eu" } }) })
      const outcome = yield* Fixtures.run(FeatureHook.observe(enrich))
      assert.deepStrictEqual(outcome.context, { region: "eu" })
    }))

  it.effect("holds for a stage that gives back neither an effect nor a contribution", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        for (const result of [null, 5, "text", [1], Promise.reject(new Error("no")), Effect.fail("no")]) {
          failures.length = 0
          const stage = (): void => result as unknown as void
          const hook = FeatureHook.observe(FeatureHook.make("script", { before: stage, after: stage, finally: stage }))
          const outcome = yield* Fixtures.run(hook)
          assert.strictEqual(outcome.details.value, true)
          const fails = result instanceof Promise || Effect.isEffect(result)
          assert.deepStrictEqual(
            failures.map(({ stage }) => stage),
            fails ? ["before", "after", "finally"] : ["before"]
          )
        }
      })
    ))

  it.effect("holds for a stage that throws instead of giving back an effect", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const stage = (): Effect.Effect<void> => {
          throw new Error("while the effect is made")
        }
        const hook = FeatureHook.observe(FeatureHook.make("script", { before: stage, after: stage, finally: stage }))
        const outcome = yield* Fixtures.run(hook)
        assert.strictEqual(outcome.details.value, true)
        assert.deepStrictEqual(failures.map(({ stage }) => stage), ["before", "after", "finally"])
      })
    ))

  it.effect("holds when the hook data cannot be made", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const hook = FeatureHook.observe(FeatureHook.make("script", {
          hookData: (): number => {
            throw new Error("no data")
          },
          before: () => Effect.void
        }))
        const outcome = yield* Fixtures.run(hook)
        assert.strictEqual(outcome.details.value, true)
        assert.deepStrictEqual(failures.map(({ stage }) => stage), ["before"])
      })
    ))

  it("has the type of an observer", () => {
    expectTypeOf(FeatureHook.observe(failing("fail"))).toEqualTypeOf<FeatureHook.FeatureHook>()
    expectTypeOf(failing("fail")).toEqualTypeOf<
      FeatureHook.FeatureHook<string | EvaluationError.EvaluationError>
    >()
    expectTypeOf(FeatureHook.timeout(failing("fail"), "1 second")).toEqualTypeOf<
      FeatureHook.FeatureHook<string | EvaluationError.EvaluationError | Cause.TimeoutError>
    >()
  })
})

describe("timeout", () => {
  const hung: ReadonlyArray<readonly [string, Effect.Effect<void>]> = [
    ["never ends", Effect.never],
    ["is uninterruptible", Effect.uninterruptible(Effect.never)],
    ["has a finalizer that never ends", Effect.ensuring(Effect.never, Effect.never)],
    ["waits for a promise that never settles", Effect.promise(() => new Promise<void>(() => {}))]
  ]
  for (const [kind, work] of hung) {
    it.effect(`is a hard deadline for work that ${kind}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          for (const stage of ["before", "after", "error", "finally"] as const) {
            failures.length = 0
            const slow = FeatureHook.timeout(FeatureHook.make("slow", { [stage]: () => work }), "20 millis")
            const fiber = yield* Effect.forkChild(
              Fixtures.run(slow, stage === "error" ? { error: new Error("provider") } : {})
            )
            yield* turns()
            yield* TestClock.adjust("19 millis")
            yield* turns()
            assert.strictEqual(fiber.pollUnsafe(), undefined)
            yield* TestClock.adjust("1 millis")
            const { details } = yield* Fiber.join(fiber)
            if (stage === "before" || stage === "after") {
              assert.strictEqual(details.errorCode, "GENERAL")
              assert.strictEqual(details.errorMessage, `hook "slow" timed out in its ${stage} stage`)
              assert.strictEqual(details.value, false)
            }
            if (stage === "finally") assert.strictEqual(details.value, true)
            assert.deepStrictEqual(failures.map((failure) => failure.stage), [stage])
            assert.isTrue(Cause.isTimeoutError(Option.getOrUndefined(Cause.findErrorOption(failures[0].cause))))
          }
        })
      ))
  }

  it.effect("interrupts the stage it gives up on", () =>
    Effect.gen(function*() {
      let interrupted = 0
      const slow = FeatureHook.make("slow", {
        before: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++))
      }).pipe(FeatureHook.timeout("20 millis"))
      const fiber = yield* Effect.forkChild(collectFailures(() => Fixtures.run(slow)))
      yield* turns()
      yield* TestClock.adjust("20 millis")
      yield* Fiber.join(fiber)
      yield* turns()
      assert.strictEqual(interrupted, 1)
    }))

  it.effect("arms no timer for a stage that stays synchronous", () =>
    Effect.gen(function*() {
      const { clock, sleeping } = yield* countingClock()
      const hook = FeatureHook.make("quick", {
        before: () => Effect.succeed({ context: { quick: true } }),
        after: () => Effect.void,
        finally: () => Effect.void
      })
      const run = (hook: FeatureHook.FeatureHook<unknown>) =>
        Effect.provideService(Fixtures.run(hook), Clock.Clock, clock)
      const outcome = yield* run(FeatureHook.timeout(hook, "20 millis"))
      assert.deepStrictEqual(outcome.context, { quick: true })
      assert.strictEqual(sleeping.ever, 0)
      yield* run(FeatureHook.timeout(deferred(hook), "20 millis"))
      assert.strictEqual(sleeping.ever, 3)
    }))

  it.effect("passes results, failures and defects on", () =>
    Effect.gen(function*() {
      for (const [, change] of allPaths) {
        const rng = random(5)
        for (let round = 0; round < 20; round++) {
          const script = { ...randomScript(rng), isAsync: false }
          const plain = yield* collectFailures(() => behaviour((journal) => scripted("a", journal, script)))
          const bounded = yield* collectFailures(() =>
            behaviour((journal) => FeatureHook.timeout(change(scripted("a", journal, script)), "20 millis"))
          )
          assert.deepStrictEqual(bounded, plain)
        }
      }
    }))

  it.effect("releases the hook context that the stage may hold for ever", () =>
    Effect.gen(function*() {
      let held: HookContext.HookContext | undefined
      const slow = FeatureHook.make("slow", {
        before: (context) => {
          held = context
          return Effect.never
        }
      }).pipe(FeatureHook.timeout("20 millis"))
      const fiber = yield* Effect.forkChild(
        collectFailures(() =>
          Fixtures.run(slow, { context: { context: { secret: "s" }, defaultValue: { big: true } } })
        )
      )
      yield* turns()
      assert.deepStrictEqual(held?.context, { secret: "s" })
      yield* TestClock.adjust("20 millis")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(held?.context, {})
      assert.strictEqual(held?.defaultValue, false)
      assert.strictEqual(held?.flagKey, "test-flag")
    }))

  it.effect("leaves the hook context of the next hook alone", () =>
    Effect.gen(function*() {
      const slow = FeatureHook.make("slow", {
        before: () => Effect.never,
        after: () => Effect.never,
        finally: () => Effect.never
      }).pipe(FeatureHook.timeout("20 millis"), FeatureHook.observe)
      const recording = yield* RecordingHook.make("next")
      const fiber = yield* Effect.forkChild(collectFailures(() =>
        Fixtures.run(FeatureHook.combineAll([recording.hook, slow, recording.hook]), {
          context: { context: { plan: "pro" } }
        })
      ))
      for (let stage = 0; stage < 3; stage++) {
        yield* turns()
        yield* TestClock.adjust("20 millis")
      }
      yield* Fiber.join(fiber)
      const entries = yield* recording.entries
      assert.strictEqual(entries.length, 6)
      for (const entry of entries) {
        assert.deepStrictEqual(entry.context, { plan: "pro" }, entry.stage)
      }
    }))

  it.effect("holds for each hook of a combination by itself", () =>
    Effect.gen(function*() {
      const slow = (name: string) => FeatureHook.make(name, { before: () => Effect.sleep("15 millis") })
      const both = FeatureHook.timeout(FeatureHook.combine(slow("a"), slow("b")), "20 millis")
      const fiber = yield* Effect.forkChild(Fixtures.run(both))
      yield* turns()
      yield* TestClock.adjust("15 millis")
      yield* turns()
      yield* TestClock.adjust("15 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).details.value, true)
    }))

  it.effect("interrupts the stage when its caller is interrupted", () =>
    Effect.gen(function*() {
      const ended: Array<string> = []
      const stage = Effect.onInterrupt(Effect.never, () => Effect.sync(() => ended.push("stage")))
      const hook = FeatureHook.make("slow", { before: () => stage }).pipe(FeatureHook.timeout("1 minute"))
      const before = hook.parts[0].before!(Fixtures.hookContext(), HookHints.empty, undefined)
      const fiber = yield* Effect.forkChild(before as Effect.Effect<void>)
      yield* turns()
      yield* Fiber.interrupt(fiber)
      yield* turns()
      assert.deepStrictEqual(ended, ["stage"])
    }))

  it("refuses a duration that is not finite and positive", () => {
    const hook = FeatureHook.make("a", { before: () => Effect.void })
    for (const duration of ["0 millis", "-1 millis", "Infinity", Number.NaN] as const) {
      assert.include(
        rangeError(() => FeatureHook.timeout(hook, duration)),
        "FeatureHook.timeout: duration must be finite and positive, got "
      )
    }
  })
})

describe("when", () => {
  const seenBy = (filter: FlagFilter.FlagFilter, change: (typeof paths)[number][1], options?: Fixtures.RunOptions) =>
    Effect.gen(function*() {
      const recording = yield* RecordingHook.make("a")
      const outcome = yield* Fixtures.run(FeatureHook.when(change(recording.hook), filter), options)
      return { stages: yield* recording.stages, details: outcome.details }
    })

  for (const [path, change] of paths) {
    it.effect(`asks the filter once per evaluation and hook, ${path}`, () =>
      Effect.gen(function*() {
        let asked = 0
        const { stages } = yield* seenBy(() => ++asked === 1, change)
        assert.deepStrictEqual(stages, ["a.before", "a.after", "a.finally"])
        assert.strictEqual(asked, 1)
        const later = yield* seenBy(() => ++asked !== 2, change)
        assert.deepStrictEqual(later.stages, [])
        assert.strictEqual(asked, 2)
        const hook = FeatureHook.make("b", { finally: () => Effect.void })
        yield* Fixtures.run(FeatureHook.when(FeatureHook.combine(change(hook), change(hook)), () => ++asked > 0))
        assert.strictEqual(asked, 4)
      }))

    it.effect(`keeps the decision when an earlier hook has failed, ${path}`, () =>
      Effect.gen(function*() {
        let asked = 0
        const recording = yield* RecordingHook.make("a")
        const failing = FeatureHook.make("failing", { before: () => Effect.fail("no") })
        yield* collectFailures(() =>
          Fixtures.run(FeatureHook.combine(failing, FeatureHook.when(change(recording.hook), () => ++asked > 0)))
        )
        assert.deepStrictEqual(yield* recording.stages, ["a.error", "a.finally"])
        assert.strictEqual(asked, 1)
      }))

    it.effect(`counts a filter that throws as a failure of the first stage only, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const { details, stages } = yield* seenBy(() => {
            throw new Error("filter")
          }, change)
          assert.deepStrictEqual(stages, [])
          assert.strictEqual(details.errorCode, "GENERAL")
          assert.deepStrictEqual(failures.map(({ hook, stage }) => `${hook}.${stage}`), ["a.before"])
        })
      ))

    it.effect(`counts a filter that gives a promise as one that throws, whatever becomes of it, ${path}`, () =>
      Effect.gen(function*() {
        const yes: FlagFilter.FlagFilter = () => true
        for (const result of [() => Promise.resolve(true), () => Promise.reject(new Error("lost"))]) {
          const filter: FlagFilter.FlagFilter = Function.cast(result)
          for (const filters of [[filter], [yes, filter], [filter, yes]]) {
            const rejections = yield* unhandledRejections(collectFailures((failures) =>
              Effect.gen(function*() {
                const recording = yield* RecordingHook.make("a")
                const filtered = filters.reduce(
                  (hook, filter) => FeatureHook.when(hook, filter),
                  change(recording.hook)
                )
                const { details } = yield* Fixtures.run(filtered)
                assert.deepStrictEqual(yield* recording.stages, [])
                assert.strictEqual(details.errorCode, "GENERAL")
                assert.deepStrictEqual(failures.map(({ hook, stage }) => `${hook}.${stage}`), ["a.before"])
                assert.include(String(failures[0]?.cause), "has a filter that gives a promise")
              })
            ))
            assert.deepStrictEqual(rejections, [])
          }
        }
      }))
  }

  it.effect("keeps a hook out whose data cannot be made", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const data: Array<unknown> = []
        const hook = FeatureHook.make("a", {
          hookData: (): number => {
            throw new Error("no data")
          },
          before: (_context, _hints, n) => Effect.sync(() => void data.push(n)),
          finally: (_context, _details, _hints, n) => Effect.sync(() => data.push(n))
        })
        yield* Fixtures.run(FeatureHook.when(hook, FlagFilter.all))
        assert.deepStrictEqual(data, [])
        assert.isAtLeast(failures.length, 1)
      })
    ))

  it.effect("makes no hook data for an evaluation it does not take", () =>
    Effect.gen(function*() {
      let made = 0
      const hook = FeatureHook.make("a", { hookData: () => ++made, before: () => Effect.void })
      yield* Fixtures.run(FeatureHook.when(hook, FlagFilter.prefix("other-")))
      assert.strictEqual(made, 0)
      yield* Fixtures.run(FeatureHook.when(hook, FlagFilter.prefix("test-")))
      assert.strictEqual(made, 1)
    }))
})

describe("transform", () => {
  it.effect("is told about the stage and is called for no other", () =>
    Effect.gen(function*() {
      const infos: Array<string> = []
      const hook = FeatureHook.transform(
        FeatureHook.make("a", { before: () => Effect.void, error: () => Effect.void }),
        (stage, { context, hook, stage: name }) => {
          infos.push(`${hook}.${name} of ${context.flagKey}`)
          return stage
        }
      )
      yield* Fixtures.run(hook)
      yield* Fixtures.run(hook, { error: new Error("no") })
      assert.deepStrictEqual(infos, ["a.before of test-flag", "a.before of test-flag", "a.error of test-flag"])
    }))

  it.effect("may drop the contribution", () =>
    Effect.gen(function*() {
      const hook = FeatureHook.make("a", { before: () => Effect.succeed({ context: { a: 1 } }) })
      assert.deepStrictEqual((yield* Fixtures.run(hook)).context, { a: 1 })
      assert.deepStrictEqual(
        (yield* Fixtures.run(FeatureHook.transform(hook, (stage) => Effect.asVoid(stage)))).context,
        {}
      )
    }))
})

describe("provide", () => {
  class Region extends Context.Service<Region, string>()("test/Region") {}
  class Plan extends Context.Service<Plan, string>()("test/Plan") {}
  const enrich = FeatureHook.make("enrich", {
    before: Effect.fnUntraced(function*() {
      return { context: { region: yield* Region, plan: yield* Plan } }
    }),
    finally: () => Region
  })

  for (const [path, change] of paths) {
    it.effect(`gives services to every stage and wins over those of the caller, ${path}`, () =>
      Effect.gen(function*() {
        const hook = FeatureHook.provide(change(enrich), Context.make(Region, "eu"))
        const outcome = yield* Fixtures.run(hook).pipe(
          Effect.provideService(Plan, "pro"),
          Effect.provideService(Region, "caller")
        )
        assert.deepStrictEqual(outcome.context, { region: "eu", plan: "pro" })
      }))
  }

  it("takes what it provides out of the requirements, and nothing else", () => {
    expectTypeOf(enrich).toEqualTypeOf<FeatureHook.FeatureHook<never, Region | Plan>>()
    const rest = FeatureHook.provide(enrich, Context.make(Region, "eu"))
    expectTypeOf(rest).toEqualTypeOf<FeatureHook.FeatureHook<never, Plan>>()
    const none = FeatureHook.provide(rest, Context.make(Plan, "pro"))
    expectTypeOf(none).toEqualTypeOf<FeatureHook.FeatureHook>()
    // @ts-expect-error the hook still requires something
    assert.isObject(OpenFeatureHook.make(enrich))
    // @ts-expect-error the hook still requires something
    assert.isObject(OpenFeatureHook.make(rest))
    assert.isObject(OpenFeatureHook.make(none))
    // @ts-expect-error the services are not the ones that the hook requires
    assert.isObject(OpenFeatureHook.makeWith(Context.make(Region, "eu"), enrich))
    // @ts-expect-error a before gives a contribution
    assert.isObject(FeatureHook.make("a", { before: () => ({ region: "eu" }) }))
    // @ts-expect-error a before gives a contribution, a promise too
    assert.isObject(FeatureHook.make("a", { before: async () => ({ region: "eu" }) }))
    // @ts-expect-error a hook context is read-only
    FeatureHook.make("a", { before: (context) => Effect.sync(() => void (context.flagKey = "b")) })
    // @ts-expect-error nested values are read-only too
    FeatureHook.make("a", { after: (_context, details) => Effect.sync(() => void (details.flagMetadata["a"] = 1)) })
  })
})

describe("around", () => {
  class Failed extends Error {}
  const program = (journal: Journal, more: Effect.Effect<void, unknown> = Effect.void) =>
    FeatureHook.around("around", (context, evaluate) =>
      Effect.gen(function*() {
        journal.push(`open ${context.flagKey}`)
        const details = yield* evaluate
        journal.push(`value ${JSON.stringify(details.value)}`)
        yield* more
      }).pipe(
        Effect.tapError((error) =>
          Effect.sync(() => journal.push(error instanceof EvaluationError.EvaluationError ? error.code : "other"))
        ),
        Effect.ensuring(Effect.sync(() => journal.push("closed")))
      ))

  for (const [path, change] of allPaths) {
    it.effect(`sees the value or the error, and closes once, ${path}`, () =>
      Effect.gen(function*() {
        const journal: Journal = []
        const hook = change(program(journal))
        const success = yield* Fixtures.run(hook)
        assert.strictEqual(success.details.value, true)
        assert.deepStrictEqual(journal.splice(0), ["open test-flag", "value true", "closed"])
        const failure = yield* Fixtures.run(hook, { error: { code: "PARSE_ERROR", message: "provider" } })
        assert.strictEqual(failure.details.errorCode, "PARSE_ERROR")
        assert.strictEqual(failure.details.errorMessage, "provider")
        assert.deepStrictEqual(journal.splice(0), ["open test-flag", "PARSE_ERROR", "closed"])
      }))

    it.effect(`rejects the evaluation when it fails before or after, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const journal: Journal = []
          const early = FeatureHook.around("early", () =>
            Effect.ensuring(Effect.fail(new Failed()), Effect.sync(() => journal.push("closed"))))
          const first = yield* Fixtures.run(change(early))
          assert.strictEqual(first.details.errorMessage, "hook \"early\" failed in its before stage")
          assert.deepStrictEqual(journal.splice(0), ["closed"])
          const late = yield* Fixtures.run(change(program(journal, Effect.fail(new Failed()))))
          assert.strictEqual(late.details.errorMessage, "hook \"around\" failed in its after stage")
          assert.strictEqual(late.details.value, false)
          assert.deepStrictEqual(journal.splice(0), ["open test-flag", "value true", "other", "closed"])
          const deliberate = yield* Fixtures.run(change(program(
            journal,
            Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "too late" }))
          )))
          assert.strictEqual(deliberate.details.errorCode, "INVALID_CONTEXT")
          assert.strictEqual(deliberate.details.errorMessage, "too late")
          assert.deepStrictEqual(
            failures.map(({ hook, stage }) =>
              `${hook}.${stage}`
            ),
            [
              "early.before",
              "around.after"
            ]
          )
        })
      ))

    it.effect(`leaves the evaluation alone when it never evaluates, ${path}`, () =>
      Effect.gen(function*() {
        const hook = change(FeatureHook.around("idle", () => Effect.void))
        assert.strictEqual((yield* Fixtures.run(hook)).details.value, true)
        const failed = yield* Fixtures.run(hook, { error: { code: "PARSE_ERROR", message: "provider" } })
        assert.strictEqual(failed.details.errorCode, "PARSE_ERROR")
      }))

    it.effect(`reports a failure of its own after an error and keeps the error, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const hook = change(
            FeatureHook.around(
              "around",
              (_context, evaluate) => Effect.catch(evaluate, () => Effect.fail(new Failed()))
            )
          )
          const outcome = yield* Fixtures.run(hook, { error: { code: "PARSE_ERROR", message: "provider" } })
          assert.strictEqual(outcome.details.errorCode, "PARSE_ERROR")
          assert.deepStrictEqual(failures.map(({ stage }) => stage), ["error"])
        })
      ))
  }

  it.effect("is closed when an inner hook fails in before", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const journal: Journal = []
        const failing = FeatureHook.make("failing", { before: () => Effect.fail("no") })
        yield* Fixtures.run(FeatureHook.combine(program(journal), failing))
        assert.deepStrictEqual(journal, ["open test-flag", "GENERAL", "closed"])
        journal.length = 0
        yield* Fixtures.run(FeatureHook.combine(failing, program(journal)))
        assert.deepStrictEqual(journal, [])
      })
    ))

  it.effect("is closed once when it waits for something else when the evaluation is over", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const journal: Journal = []
        const hook = program(journal, Effect.never).pipe(FeatureHook.timeout("20 millis"), FeatureHook.observe)
        const fiber = yield* Effect.forkChild(Fixtures.run(hook))
        yield* turns()
        yield* TestClock.adjust("20 millis")
        const outcome = yield* Fiber.join(fiber)
        yield* turns()
        assert.strictEqual(outcome.details.value, true)
        assert.deepStrictEqual(journal, ["open test-flag", "value true", "closed"])
      })
    ))

  it.effect("is interrupted, with its finalizers, when its before runs into a timeout", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const journal: Journal = []
        const hook = FeatureHook.around("slow", (_context, evaluate) =>
          Effect.andThen(Effect.never, evaluate).pipe(Effect.ensuring(Effect.sync(() =>
            journal.push("closed")
          ))))
        const fiber = yield* Effect.forkChild(Fixtures.run(FeatureHook.timeout(hook, "20 millis")))
        yield* turns()
        yield* TestClock.adjust("20 millis")
        const outcome = yield* Fiber.join(fiber)
        assert.strictEqual(outcome.details.errorMessage, "hook \"slow\" timed out in its before stage")
        yield* turns()
        assert.deepStrictEqual(journal, ["closed"])
      })
    ))

  it.effect("goes on from a later fiber of its own and may evaluate more than once", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const hook = FeatureHook.around("twice", (_context, evaluate) =>
        Effect.gen(function*() {
          const both = yield* Effect.all([evaluate, Effect.andThen(Effect.yieldNow, evaluate)], {
            concurrency: "unbounded"
          })
          seen.push(...both.map((details) => details.value))
        }))
      yield* Fixtures.run(hook)
      assert.deepStrictEqual(seen, [true, true])
    }))

  it.effect("can be filtered, and sees hints", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const Key = HookHints.key<string>("test.key")
      const hook = FeatureHook.around("a", (context, evaluate, hints) => {
        seen.push(`${context.flagKey} ${HookHints.getOrUndefined(hints, Key)}`)
        return evaluate
      }).pipe(FeatureHook.when(FlagFilter.prefix("b")))
      yield* Fixtures.run(hook, { context: { flagKey: "a-flag" }, hints: HookHints.make(Key, "x") })
      yield* Fixtures.run(hook, { context: { flagKey: "b-flag" }, hints: HookHints.make(Key, "x") })
      assert.deepStrictEqual(seen, ["b-flag x"])
    }))

  it.effect("does not hold the evaluation when the program throws while it is made", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const hook = FeatureHook.around("broken", (): Effect.Effect<void> => {
          throw new Failed()
        })
        const outcome = yield* Fixtures.run(hook)
        assert.strictEqual(outcome.details.errorMessage, "hook \"broken\" died in its before stage")
      })
    ))

  const waits: ReadonlyArray<readonly [string, Effect.Effect<void>]> = [
    ["a turn of the scheduler", Effect.yieldNow],
    ["a promise", Effect.promise(() => Promise.resolve())],
    ["a lease", Effect.acquireUseRelease(Effect.yieldNow, () => Effect.yieldNow, () => Effect.void)]
  ]
  for (const [kind, wait] of waits) {
    it.effect(`sees the outcome when it waits for ${kind} before it evaluates`, () =>
      Effect.gen(function*() {
        const journal: Journal = []
        const hook = FeatureHook.around("a", (_context, evaluate) =>
          wait.pipe(
            Effect.andThen(evaluate),
            Effect.tap((details) => Effect.sync(() => journal.push(`value ${JSON.stringify(details.value)}`))),
            Effect.tapError((error) => Effect.sync(() => journal.push(error.code))),
            Effect.ensuring(Effect.sync(() => journal.push("closed")))
          ))
        yield* Fixtures.run(hook)
        assert.deepStrictEqual(journal.splice(0), ["value true", "closed"])
        yield* Fixtures.run(hook, { error: new Error("provider") })
        assert.deepStrictEqual(journal, ["GENERAL", "closed"])
      }))
  }

  it.effect("shares locals between its stages in one fiber", () =>
    Effect.gen(function*() {
      const latch = yield* Deferred.make<void>()
      const ids: Array<number> = []
      const id = Effect.withFiber((fiber) => Effect.sync(() => void ids.push(fiber.id)))
      const hook = FeatureHook.around("a", (_context, evaluate) =>
        id.pipe(Effect.andThen(Deferred.await(latch)), Effect.andThen(evaluate), Effect.andThen(id)))
      const fiber = yield* Effect.forkChild(Effect.exit(Fixtures.run(hook)))
      yield* turns()
      yield* Deferred.succeed(latch, undefined)
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(fiber)))
      assert.strictEqual(ids.length, 2)
      assert.strictEqual(ids[0], ids[1])
    }))
})

describe("around, when the program fails while the flag is being resolved", () => {
  const failing: ReadonlyArray<readonly [string, FeatureHook.FeatureHook<unknown>]> = [
    ["by a deadline", FeatureHook.around("slow", (_context, evaluate) => Effect.timeout(evaluate, "1 millis"))],
    [
      "by a defect beside it",
      FeatureHook.around(
        "slow",
        (_context, evaluate) =>
          Effect.all([evaluate, Effect.andThen(Effect.yieldNow, Effect.die("a bug"))], { concurrency: 2 })
      )
    ]
  ]
  for (const [how, hook] of failing) {
    it.live(`${how}, the evaluation is rejected`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const { flags } = yield* client({ slow: TestProvider.delayed("20 millis", TestProvider.value(true)) })
          const details = yield* flags.booleanDetails("slow", false, { hooks: [hook] })
          assert.strictEqual(details.errorCode, "GENERAL")
          assert.strictEqual(failures.length, 1)
          const observed = yield* flags.booleanDetails("slow", false, { hooks: [FeatureHook.observe(hook)] })
          assert.strictEqual(observed.value, true)
          assert.strictEqual(failures.length, 2)
        })
      ))
  }
})
