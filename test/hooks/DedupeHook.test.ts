import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Function } from "effect"
import { TestClock } from "effect/testing"
import { DedupeHook, EvaluationError, FeatureHook, HookFailures, HookHints, OpenFeatureHook } from "effect-openfeature"
import { Fixtures } from "effect-openfeature/testing"
import { collectFailures, newDomain, paths, random, rangeError, scale, turns } from "../support.ts"

interface Evaluation {
  readonly flagKey?: string
  readonly user?: string | undefined
  readonly domain?: string
  readonly value?: boolean
  readonly variant?: string
  readonly error?: Error
  readonly plan?: string
}

const evaluate = <E>(hook: FeatureHook.FeatureHook<E>, evaluation: Evaluation = {}) => {
  const { domain = "shop", error, flagKey = "sale", plan, user, value = true, variant = "on" } = evaluation
  return Fixtures.run(hook, {
    context: { flagKey, domain, context: { ...user !== undefined && { targetingKey: user }, ...plan && { plan } } },
    details: { value, variant },
    ...error && { error }
  })
}

const ana = { user: "ana" }

/** A hook that notes each stage that runs. */
const noting = (seen: Array<string>, ...stages: ReadonlyArray<"before" | "after" | "error" | "finally">) => {
  const note = (stage: string) => () => Effect.sync(() => void seen.push(stage))
  return FeatureHook.make("noting", Object.fromEntries(stages.map((stage) => [stage, note(stage)])))
}

const heapUsed = (): number => {
  assert.isDefined(globalThis.gc, "the tests run with --expose-gc")
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

describe("a hook that runs once per key", () => {
  for (const [path, change] of paths) {
    it.effect(`runs each stage once, and again after its time, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const { counts, hook } = yield* DedupeHook.make(change(noting(seen, "before", "after", "finally")), {
          timeToLive: "1 minute"
        })
        for (let i = 0; i < 3; i++) yield* evaluate(hook, ana)
        assert.deepStrictEqual(seen, ["before", "after", "finally"])
        yield* TestClock.adjust("59999 millis")
        yield* evaluate(hook, ana)
        assert.strictEqual(seen.length, 3)
        yield* TestClock.adjust("1 millis")
        yield* evaluate(hook, ana)
        assert.strictEqual(seen.length, 6)
        assert.deepStrictEqual(yield* counts, { runs: 2, hits: 3, evicted: 0, size: 1 })
      }))

    it.effect(`starts its time anew with each evaluation in a sliding window, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const { hook } = yield* DedupeHook.make(change(noting(seen, "before")), {
          timeToLive: "1 minute",
          window: "sliding"
        })
        for (let i = 0; i < 5; i++) {
          yield* evaluate(hook, ana)
          yield* TestClock.adjust("59 seconds")
        }
        assert.strictEqual(seen.length, 1)
        yield* TestClock.adjust("1 second")
        yield* evaluate(hook, ana)
        assert.strictEqual(seen.length, 2)
      }))

    it.effect(`never forgets a key while there is room, with an infinite time, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const { hook, reset } = yield* DedupeHook.make(change(noting(seen, "finally")), { timeToLive: "Infinity" })
        yield* evaluate(hook, ana)
        yield* TestClock.adjust("1000 days")
        yield* evaluate(hook, ana)
        assert.strictEqual(seen.length, 1)
        yield* reset
        yield* evaluate(hook, ana)
        assert.strictEqual(seen.length, 2)
      }))

    it.effect(`tells domains, flags, types, users and results apart, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const { hook } = yield* DedupeHook.make(change(noting(seen, "after")))
        const different: ReadonlyArray<Evaluation> = [
          ana,
          { user: "ben" },
          {},
          { user: "ana", flagKey: "sale2" },
          { user: "2:ana", flagKey: "sale" },
          { user: "ana", domain: "admin" },
          { user: "ana", value: false },
          { user: "ana", variant: "treatment" }
        ]
        for (const evaluation of [...different, ...different]) yield* evaluate(hook, evaluation)
        assert.strictEqual(seen.length, different.length)
        yield* Fixtures.run(hook, {
          context: { flagKey: "sale", domain: "shop", flagValueType: "string", context: { targetingKey: "ana" } },
          details: { value: "true", variant: "on" }
        })
        assert.strictEqual(seen.length, different.length + 1)
      }))

    it.effect(`sees a structure change deep inside, and an error by its code, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const { hook } = yield* DedupeHook.make(change(noting(seen, "finally")))
        const run = (last: number) =>
          Fixtures.run(hook, { details: { value: { list: [...Array.from({ length: 5000 }, () => 1), last] } } })
        for (const last of [1, 1, 2, 2]) yield* run(last)
        assert.strictEqual(seen.length, 2)
        const failed = (code: EvaluationError.ErrorCode) =>
          Fixtures.run(hook, { error: new EvaluationError.EvaluationError({ code, message: "no" }) })
        for (const code of ["GENERAL", "GENERAL", "PARSE_ERROR"] as const) yield* failed(code)
        assert.strictEqual(seen.length, 4)
      }))

    it.effect(`decides once, so that what was opened is closed, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const { hook } = yield* DedupeHook.make(change(noting(seen, "before", "error", "finally")))
        yield* evaluate(hook, ana)
        yield* evaluate(hook, { ...ana, error: new Error("no") })
        assert.deepStrictEqual(seen, ["before", "finally"])
      }))

    it.effect(`without a before, decides by the error in its error stage, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const { hook } = yield* DedupeHook.make(change(noting(seen, "after", "error", "finally")))
        const failing = { ...ana, error: new Error("no") }
        for (const evaluation of [ana, failing, ana, failing]) yield* evaluate(hook, evaluation)
        assert.deepStrictEqual(seen, ["after", "finally", "error", "finally"])
      }))

    it.effect(`contributes again what before did, to the same user only, ${path}`, () =>
      Effect.gen(function*() {
        const Request = HookHints.key<string>("request")
        let runs = 0
        const enrich = change(FeatureHook.make("enrich", {
          before: (context) => {
            runs++
            return {
              context: { greeting: [`hello ${context.context.targetingKey}`] },
              hints: HookHints.make(Request, `r-${runs}`)
            }
          }
        }))
        const { hook } = yield* DedupeHook.make(enrich)
        for (let i = 0; i < 2; i++) {
          const outcome = yield* evaluate(hook, ana)
          assert.deepStrictEqual(outcome.context, { targetingKey: "ana", greeting: ["hello ana"] })
          assert.strictEqual(HookHints.getOrUndefined(outcome.hints, Request), "r-1")
          // A neighbour that writes to it would reach the next evaluation.
          assert.isTrue(Object.isFrozen(outcome.context["greeting"]) || i === 0)
        }
        assert.strictEqual(runs, 1)

        const byFlag = yield* DedupeHook.make(enrich, { key: ({ flagKey }) => flagKey })
        runs = 0
        for (const user of ["ana", "ben", undefined, undefined, "ana"]) {
          const { context } = yield* evaluate(byFlag.hook, { user })
          assert.deepStrictEqual(context["greeting"], [`hello ${user}`])
        }
        assert.strictEqual(runs, 4)
        assert.deepInclude(yield* byFlag.counts, { runs: 4, hits: 1 })

        const shared = yield* DedupeHook.make(enrich, { key: ({ flagKey }) => flagKey, shareContributions: true })
        runs = 0
        for (const user of ["ana", "ben"]) {
          assert.deepStrictEqual((yield* evaluate(shared.hook, { user })).context["greeting"], ["hello ana"])
        }
        assert.strictEqual(runs, 1)
      }))

    it.effect(`keeps what an SDK hook writes to the context, ${path}`, () =>
      Effect.gen(function*() {
        let runs = 0
        const enrich = change(OpenFeatureHook.toFeatureHook("enrich", {
          before: ({ context }) => {
            runs++
            context["region"] = "eu"
          }
        }))
        const { hook } = yield* DedupeHook.make(enrich)
        for (let i = 0; i < 2; i++) {
          assert.deepStrictEqual((yield* evaluate(hook, ana)).context, { targetingKey: "ana", region: "eu" })
        }
        assert.strictEqual(runs, 1)
      }))

    it.effect(`runs again after a failure, and keeps the error as it was, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          for (const stage of ["before", "after"] as const) {
            for (const keepFailures of [false, true]) {
              let runs = 0
              const error = new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "closed today" })
              const guard = FeatureHook.make("guard", {
                [stage]: () =>
                  Effect.suspend(() => {
                    runs++
                    return Effect.fail(error)
                  })
              })
              const { hook } = yield* DedupeHook.make(change(guard), { keepFailures, key: () => "all" })
              for (let i = 0; i < 3; i++) {
                const { details } = yield* evaluate(hook, ana)
                assert.deepInclude(details, { errorCode: "INVALID_CONTEXT", errorMessage: "closed today" })
              }
              assert.strictEqual(runs, keepFailures ? 1 : 3, `${stage} ${keepFailures}`)
            }
          }
          assert.deepStrictEqual(failures, [])
        })
      ))

    it.effect(`reports a failure of an observed hook each time it runs, and rejects nothing, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          for (const stage of ["before", "after", "finally"] as const) {
            const fail = change(FeatureHook.make("flaky", { [stage]: () => Effect.fail("no") }))
            for (const keepFailures of [false, true]) {
              failures.length = 0
              const { hook } = yield* DedupeHook.make(FeatureHook.observe(fail), { keepFailures })
              for (let i = 0; i < 3; i++) assert.isTrue((yield* evaluate(hook, ana)).details.value)
              yield* turns()
              assert.strictEqual(failures.length, keepFailures ? 1 : 3, `${stage} ${keepFailures}`)
            }
          }
        })
      ))

    it.effect(`is run by one of many at once, and no other waits for a later stage, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const slow = change(FeatureHook.make("slow", {
          after: () => Effect.andThen(Effect.sleep("1 second"), Effect.sync(() => void seen.push("after")))
        }))
        const { counts, hook } = yield* DedupeHook.make(slow)
        const first = yield* Effect.forkChild(evaluate(hook, ana))
        yield* turns()
        for (let i = 0; i < 9; i++) yield* evaluate(hook, ana)
        assert.isUndefined(first.pollUnsafe())
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(first)
        assert.deepStrictEqual(seen, ["after"])
        assert.deepInclude(yield* counts, { runs: 1, hits: 9 })
      }))

    it.effect(`lets many at once wait for one before, and have what it contributes, ${path}`, () =>
      Effect.gen(function*() {
        let runs = 0
        const enrich = change(FeatureHook.make("enrich", {
          before: () =>
            Effect.as(Effect.andThen(Effect.sync(() => runs++), Effect.sleep("500 millis")), {
              context: { plan: "pro" }
            })
        }))
        const { counts, hook } = yield* DedupeHook.make(enrich)
        const all = yield* Effect.forkChild(
          Effect.all(Array.from({ length: 20 }, () => evaluate(hook, ana)), { concurrency: "unbounded" })
        )
        yield* turns()
        yield* TestClock.adjust("500 millis")
        for (const { context } of yield* Fiber.join(all)) assert.strictEqual(context["plan"], "pro")
        assert.strictEqual(runs, 1)
        assert.deepInclude(yield* counts, { runs: 1, hits: 19 })
      }))

    it.effect(`waits for a before no longer than it may, and takes over when one fails, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          let runs = 0
          const stuck = change(FeatureHook.make("stuck", {
            before: () => Effect.suspend(() => ++runs === 1 ? Effect.never : Effect.succeed({ context: { run: runs } }))
          }))
          const first = yield* DedupeHook.make(stuck, { waitTimeout: "200 millis" })
          yield* Effect.forkChild(evaluate(first.hook, ana))
          yield* turns()
          const second = yield* Effect.forkChild(evaluate(first.hook, ana))
          yield* turns()
          yield* TestClock.adjust("200 millis")
          assert.strictEqual((yield* Fiber.join(second)).context["run"], 2)

          runs = 0
          const failing = change(FeatureHook.make("failing", {
            before: () =>
              Effect.andThen(
                Effect.sleep("100 millis"),
                Effect.suspend(() => ++runs === 1 ? Effect.fail("no") : Effect.succeed({ context: { run: 1 } }))
              )
          }))
          const { counts, hook } = yield* DedupeHook.make(failing)
          const all = yield* Effect.forkChild(
            Effect.all(Array.from({ length: 5 }, () => evaluate(hook, ana)), { concurrency: "unbounded" })
          )
          yield* turns()
          yield* TestClock.adjust("100 millis")
          yield* turns()
          yield* TestClock.adjust("100 millis")
          const outcomes = yield* Fiber.join(all)
          assert.deepStrictEqual(outcomes.map(({ details }) => details.errorCode), [
            "GENERAL",
            ...Array(4).fill(undefined)
          ])
          // The others do not wait for each other in turn.
          assert.strictEqual(runs, 5)
          assert.strictEqual((yield* evaluate(hook, ana)).context["run"], 1)
          assert.deepInclude(yield* counts, { runs: 5, hits: 1 })
        })
      ))

    it.effect(`runs again when it was interrupted, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          let runs = 0
          const interrupted = change(FeatureHook.make("interrupted", {
            finally: () => Effect.suspend(() => ++runs === 1 ? Effect.interrupt : Effect.void)
          }))
          const { hook } = yield* DedupeHook.make(interrupted, { keepFailures: true, key: () => "all" })
          for (let i = 0; i < 3; i++) yield* evaluate(hook, ana)
          assert.strictEqual(runs, 2)
        })
      ))

    it.effect(`runs as one program around the evaluation, or not at all, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const around = change(FeatureHook.around("around", (_context, evaluation) =>
          Effect.gen(function*() {
            seen.push("opened")
            const { value } = yield* evaluation
            seen.push(JSON.stringify(value))
          }).pipe(Effect.ensuring(Effect.sync(() => void seen.push("closed"))))))
        const { hook } = yield* DedupeHook.make(around)
        for (let i = 0; i < 3; i++) yield* evaluate(hook, ana)
        assert.deepStrictEqual(seen, ["opened", "true", "closed"])
      }))

    it.effect(`lets each hook of a combination decide for itself, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const both = FeatureHook.combine(noting(seen, "before"), noting(seen, "finally"))
        const { counts, hook } = yield* DedupeHook.make(change(both))
        yield* evaluate(hook, ana)
        yield* evaluate(hook, { ...ana, value: false })
        assert.deepStrictEqual(seen, ["before", "finally", "finally"])
        assert.deepStrictEqual(yield* counts, { runs: 3, hits: 1, evicted: 0, size: 3 })
      }))

    it.effect(`runs its later stages once, too, when an earlier hook failed before it began, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const opened = yield* DedupeHook.make(change(FeatureHook.make("opening", {
          before: () => {
            seen.push("before")
            return { context: { plan: "pro" } }
          },
          finally: () => void seen.push("finally")
        })))
        const closed = new EvaluationError.EvaluationError({ code: "GENERAL", message: "closed" })
        const guard = FeatureHook.make("guard", { before: () => Effect.fail(closed) })
        const guarded = FeatureHook.combine(guard, opened.hook)
        for (let i = 0; i < 2; i++) yield* evaluate(guarded, ana)
        assert.deepStrictEqual(seen, ["finally"])
        // It must not count as a `before` without a contribution.
        for (let i = 0; i < 2; i++) assert.strictEqual((yield* evaluate(opened.hook, ana)).context["plan"], "pro")
        assert.deepStrictEqual(seen, ["finally", "before", "finally"])
      }))
  }

  it.effect("always runs without a key, and with a key that is too long", () =>
    Effect.gen(function*() {
      for (const key of [undefined, "k".repeat(DedupeHook.maxKeyLength + 1)]) {
        const seen: Array<string> = []
        const { counts, hook } = yield* DedupeHook.make(noting(seen, "before", "finally"), { key: () => key })
        for (let i = 0; i < 3; i++) yield* evaluate(hook, ana)
        assert.strictEqual(seen.length, 6)
        assert.deepInclude(yield* counts, { runs: 3, hits: 0, size: 0 })
      }
    }))

  it.effect("decides by a key of the result", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const { hook } = yield* DedupeHook.make(noting(seen, "after", "error"), {
        resultKey: (_context, { errorCode, variant }) => errorCode ?? variant
      })
      const evaluations = [{ variant: "a" }, { variant: "b" }, { variant: "a" }, { error: new Error() }, {
        variant: "b"
      }]
      for (const evaluation of evaluations) yield* evaluate(hook, evaluation)
      assert.deepStrictEqual(seen, ["after", "after", "error"])
    }))

  it.effect("reports a key that throws or is no text, and runs", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const bug = () => {
          throw new Error("bug")
        }
        const number = (): string => Function.cast(1)
        for (const key of [bug, number]) {
          const { hook } = yield* DedupeHook.make(noting(seen, "before", "finally"), { key })
          assert.isTrue((yield* evaluate(hook, ana)).details.value)
        }
        yield* turns()
        assert.deepStrictEqual(seen, ["before", "finally", "before", "finally"])
        assert.deepStrictEqual(failures.map(({ cause, hook, stage }) => [hook, stage, HookFailures.kind(cause)]), [
          ["noting", "before", "defect"],
          ["noting", "before", "defect"]
        ])
        assert.isTrue(failures.every(({ cause }) => Cause.hasDies(cause)))
      })
    ))

  it.effect("forgets the least recently used key when it is full", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const hookOf = FeatureHook.make("noting", { before: ({ flagKey }) => void seen.push(flagKey) })
      const { counts, hook } = yield* DedupeHook.make(hookOf, { capacity: 2 })
      for (const flagKey of ["a", "b", "a", "c", "a", "b"]) yield* evaluate(hook, { flagKey })
      assert.deepStrictEqual(seen, ["a", "b", "c", "b"])
      assert.deepStrictEqual(yield* counts, { runs: 4, hits: 2, evicted: 2, size: 2 })
    }))

  it.effect("does not wait for itself when it evaluates the flag that it runs for", () =>
    Effect.gen(function*() {
      let runs = 0
      const domain = newDomain()
      const client = SDK.OpenFeature.getClient(domain)
      const { hook } = yield* DedupeHook.make(FeatureHook.make("nested", {
        before: () => {
          runs++
          return Effect.as(Effect.promise(() => client.getBooleanValue("sale", false)), { context: { plan: "pro" } })
        }
      }))
      client.addHooks(OpenFeatureHook.make(FeatureHook.observe(hook)))
      // The clock stands still, so any wait would be for ever.
      yield* Effect.promise(() => client.getBooleanValue("sale", false))
      // Without the hook around it, it would also go as deep as hooks may.
      assert.strictEqual(runs, 8)
    }).pipe((program) => collectFailures(() => program)))

  it("serves an application without Effect, on a client of the SDK", async () => {
    const seen: Array<string> = []
    const once = DedupeHook.makeUnsafe({ key: ({ flagKey }) => flagKey, timeToLive: "Infinity" })(
      FeatureHook.make("notify", { finally: async ({ flagKey }) => void seen.push(flagKey) })
    )
    const client = SDK.OpenFeature.getClient(newDomain())
    client.addHooks(OpenFeatureHook.make(once.hook))
    await Promise.all([1, 2, 3].map(() => client.getBooleanValue("sale", false)))
    assert.deepStrictEqual(seen, ["sale"])
    assert.deepStrictEqual(once.counts(), { runs: 1, hits: 2, evicted: 0, size: 1 })
    once.reset()
    await client.getBooleanValue("sale", false)
    assert.deepStrictEqual(seen, ["sale", "sale"])
  })

  it("refuses a key that cannot be known in time, and two keys", () => {
    const hook = FeatureHook.make("early", { before: () => undefined, after: () => undefined })
    assert.strictEqual(
      rangeError(() => DedupeHook.make(hook, { resultKey: () => "a" })),
      "DedupeHook.make: resultKey needs a result, and the before of hook \"early\" runs without one; use key"
    )
    assert.strictEqual(
      rangeError(() => DedupeHook.makeUnsafe(hook, { key: () => "a", resultKey: () => "a" })),
      "DedupeHook.makeUnsafe: give key or resultKey, not both"
    )
  })
})

describe("a random program", () => {
  // The model: a list of keys, the most recently used one last.
  class Model {
    readonly keys: Array<{ readonly key: string; since: number }> = []
    readonly #capacity: number
    readonly #lifetime: number
    readonly #isSliding: boolean
    runs = 0
    hits = 0
    evicted = 0
    constructor(capacity: number, lifetime: number, isSliding: boolean) {
      this.#capacity = capacity
      this.#lifetime = lifetime
      this.#isSliding = isSliding
    }
    evaluate(key: string, now: number, fails: boolean): boolean {
      const index = this.keys.findIndex((one) => one.key === key)
      const known = index < 0 ? undefined : this.keys.splice(index, 1)[0]
      if (known !== undefined && now - known.since < this.#lifetime) {
        if (this.#isSliding) known.since = now
        this.keys.push(known)
        this.hits++
        return false
      }
      this.runs++
      if (this.keys.length === this.#capacity) {
        const gone = this.keys.shift()
        if (gone !== undefined && now - gone.since < this.#lifetime) this.evicted++
      }
      if (!fails) this.keys.push({ key, since: now })
      return true
    }
  }

  for (const [path, change] of paths) {
    it.effect(`runs what a simple model runs, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
          const { below, chance, oneOf } = random(seed)
          const shapes = [["before"], ["before", "after", "finally"], ["after", "error"], ["finally"]] as const
          for (let program = 0; program < 60; program++) {
            const stages = oneOf(shapes)
            let ran: Array<string> = []
            let fails = false
            const noted = stages.map((stage) => [stage, () => {
              ran.push(stage)
              return fails && stage === stages.at(-1) ? Effect.fail("no") : Effect.void
            }])
            const inner = change(FeatureHook.make("random", Object.fromEntries(noted)))
            const capacity = 1 + below(4)
            const lifetime = 1 + below(20)
            const isSliding = chance(0.5)
            const deduped = yield* DedupeHook.make(FeatureHook.observe(inner), {
              capacity,
              timeToLive: lifetime,
              window: isSliding ? "sliding" : "fixed"
            })
            const { counts } = deduped
            const hook = chance(0.5) ? change(deduped.hook) : deduped.hook
            const model = new Model(capacity, lifetime, isSliding)
            let now = 0
            for (let step = 0; step < 60; step++) {
              const user = oneOf(["ana", "ben", "cem"])
              const value = chance(0.5)
              const key = stages[0] === "before" ? user : `${user} ${value}`
              fails = chance(0.1)
              ran = []
              const expected = model.evaluate(key, now, fails && stages.at(-1) !== "error")
              yield* evaluate(hook, { user, value })
              const told = `SEED=${seed} program ${program} step ${step}`
              assert.deepStrictEqual(ran, expected ? stages.filter((stage) => stage !== "error") : [], told)
              const { evicted, hits, runs } = model
              assert.deepStrictEqual(yield* counts, { runs, hits, evicted, size: model.keys.length }, told)
              if (chance(0.4)) {
                const time = below(lifetime + 2)
                now += time
                yield* TestClock.adjust(time)
              }
            }
          }
        })
      ))
  }

  it.effect(
    "keeps stages paired and contributions with their users, whatever runs at the same time",
    () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
          const { below, chance, oneOf } = random(seed)
          for (let program = 0; program < 20; program++) {
            const open = new Set<object>()
            let running: Record<string, number> = {}
            const wait = () => chance(0.5) ? Effect.void : Effect.sleep(1 + below(20))
            const hookOf = FeatureHook.make("paired", {
              hookData: () => ({ user: "" }),
              before: ({ context }, _hints, data) => {
                const user = String(context.targetingKey)
                open.add(data)
                data.user = user
                running = { ...running, [user]: (running[user] ?? 0) + 1 }
                return Effect.andThen(
                  wait(),
                  chance(0.2) ? Effect.fail("no") : Effect.succeed({ context: { of: user } })
                )
              },
              after: wait,
              finally: (_context, _details, _hints, data) => {
                assert.isTrue(open.delete(data) || data.user === "", `SEED=${seed}`)
                return wait()
              }
            })
            const byFlag = chance(0.5) ? { key: () => "all" } : {}
            const { counts, hook } = yield* DedupeHook.make(hookOf, {
              ...byFlag,
              keepFailures: chance(0.5),
              timeToLive: chance(0.5) ? "Infinity" : 1 + below(50),
              capacity: 1 + below(3),
              waitTimeout: below(30)
            })
            const evaluations = Array.from({ length: 40 }, () => {
              const user = oneOf(["ana", "ben", "cem", "dot"])
              return Effect.map(Effect.delay(evaluate(hook, { user }), below(100)), ({ context, details }) => {
                if (details.errorCode === undefined) assert.strictEqual(context["of"], user, `SEED=${seed}`)
              })
            })
            const all = yield* Effect.forkChild(Effect.all(evaluations, { concurrency: "unbounded" }))
            for (let i = 0; i < 250 && all.pollUnsafe() === undefined; i++) {
              yield* TestClock.adjust(1)
              yield* turns(1)
            }
            assert.isTrue(Exit.isSuccess(yield* Fiber.await(all)), `SEED=${seed}`)
            assert.strictEqual(open.size, 0, `SEED=${seed}`)
            const { hits, runs } = yield* counts
            assert.strictEqual(hits + runs, 40, `SEED=${seed}`)
          }
        })
      ),
    30_000
  )
})

describe("a million random keys", () => {
  it.effect("take no more memory than the capacity allows", () =>
    Effect.gen(function*() {
      const { counts, hook } = yield* DedupeHook.make(
        FeatureHook.make("enrich", { before: ({ flagKey }) => ({ context: { flagKey } }) })
      )
      const [part] = hook.parts
      const { next } = random(1)
      const { clientMetadata, logger, providerMetadata } = Fixtures.hookContext()
      const run = (count: number) => {
        for (let i = 0; i < count; i++) {
          const key = `${next()}`
          part?.before?.(
            {
              flagKey: key,
              flagValueType: "boolean",
              defaultValue: false,
              context: { targetingKey: key },
              clientMetadata,
              providerMetadata,
              logger
            },
            HookHints.empty,
            part.hookData?.()
          )
        }
      }
      const runs = 1_000_000 * scale
      run(10_000)
      const before = heapUsed()
      run(runs - 10_000)
      assert.isBelow(heapUsed() - before, 2_000_000)
      assert.deepStrictEqual(yield* counts, { runs, hits: 0, evicted: runs - 1000, size: 1000 })
    }))
})
