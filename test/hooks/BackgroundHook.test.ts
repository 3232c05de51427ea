import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Metric, Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  BackgroundHook,
  EvaluationError,
  FeatureFlags,
  FeatureHook,
  HookFailures,
  HookRegistry,
  OpenFeatureHook
} from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { AsyncLocalStorage } from "node:async_hooks"
import {
  client,
  collectFailures,
  type LogRecord,
  logsTo,
  newDomain,
  paths,
  random,
  rangeError,
  turns
} from "../support.ts"

const sum = ({ delivered, dropped, failed, pending }: BackgroundHook.Counts): number =>
  delivered + dropped + failed + pending

const slow = (name: string, seen: Array<string>) =>
  FeatureHook.make(name, {
    finally: ({ flagKey }) => Effect.andThen(Effect.sleep("1 second"), Effect.sync(() => void seen.push(flagKey)))
  })

const evaluate = (hook: FeatureHook.FeatureHook, flagKey: string) => Fixtures.run(hook, { context: { flagKey } })

describe("a hook in the background", () => {
  for (const [path, change] of paths) {
    it.effect(`runs later, and no evaluation waits for it, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const background = yield* BackgroundHook.make(change(slow("audit", seen)))
        for (const flagKey of ["a", "b", "c"]) yield* evaluate(background.hook, flagKey)
        assert.deepStrictEqual(seen, [])
        assert.strictEqual((yield* background.counts).pending, 3)
        const flushed = yield* Effect.forkChild(background.flush)
        yield* TestClock.adjust("2 seconds")
        yield* turns()
        assert.deepStrictEqual(seen, ["a", "b"])
        assert.isUndefined(flushed.pollUnsafe())
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(flushed)
        assert.deepStrictEqual(seen, ["a", "b", "c"])
        assert.deepStrictEqual(yield* background.counts, {
          offered: 3,
          delivered: 3,
          dropped: 0,
          failed: 0,
          pending: 0
        })
        yield* background.flush
      }))

    it.effect(`keeps its before in the evaluation, and its hook data, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const hook = change(FeatureHook.make("paired", {
          hookData: () => ({ count: 0 }),
          before: (_context, _hints, data) => {
            data.count++
            return { context: { plan: "pro" } }
          },
          finally: ({ context, flagKey }, { errorCode }, _hints, data) => {
            seen.push([flagKey, context, errorCode, ++data.count])
          }
        }))
        const background = yield* BackgroundHook.make(FeatureHook.observe(hook))
        const first = yield* evaluate(background.hook, "a")
        assert.deepStrictEqual(first.context, { plan: "pro" })
        yield* Fixtures.run(background.hook, { context: { flagKey: "b" }, error: new Error("no") })
        yield* background.flush
        assert.deepStrictEqual(seen, [["a", { plan: "pro" }, undefined, 2], ["b", { plan: "pro" }, "GENERAL", 2]])
      }))

    it.effect(`reports its failures, and counts them, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const fail: ReadonlyArray<() => Effect.Effect<void, string> | Promise<void>> = [
            () => Effect.fail("no"),
            () => Effect.die("bug"),
            () => Promise.reject(new Error("no")),
            () => {
              throw new Error("bug")
            }
          ]
          for (const [index, last] of fail.entries()) {
            const hook = change(FeatureHook.make(`hook-${index}`, { finally: last }))
            const background = yield* BackgroundHook.make(FeatureHook.observe(hook))
            assert.isTrue((yield* evaluate(background.hook, "a")).details.value)
            yield* background.flush
            const counts = yield* background.counts
            assert.deepStrictEqual([counts.failed, counts.delivered], [1, 0])
          }
          yield* turns()
          assert.deepStrictEqual(
            failures.map(({ hook, stage }) => `${hook}.${stage}`),
            [0, 1, 2, 3].map((index) => `hook-${index}.finally`)
          )
        })
      ))

    it.effect(`has the services of the caller, ${path}`, () =>
      Effect.gen(function*() {
        const records: Array<LogRecord> = []
        const hook = change(FeatureHook.make("audit", { finally: () => Effect.log("audited") }))
        const background = yield* BackgroundHook.make(hook)
        yield* evaluate(background.hook, "a").pipe(
          Effect.annotateLogs("request", "r-1"),
          Effect.provide(logsTo(records))
        )
        yield* background.flush
        assert.deepStrictEqual(records.map(({ annotations }) => annotations["request"]), ["r-1"])
      }))

    it.effect(`sees the evaluation as it was, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const hook = change(FeatureHook.make("audit", { error: ({ context }) => void seen.push(context) }))
        const background = yield* BackgroundHook.make(hook)
        const domain = newDomain()
        const sdk = SDK.OpenFeature.getClient(domain)
        const failing: SDK.Hook = {
          before: () => {
            throw new Error("no")
          },
          // The context is not frozen after such an error, so a neighbour can write to it.
          finally: ({ context }) => void Reflect.set(context, "plan", "changed")
        }
        sdk.addHooks(failing, OpenFeatureHook.make(background.hook))
        yield* Effect.promise(() => sdk.getBooleanValue("a", false, { plan: "pro" }))
        yield* background.flush
        assert.deepStrictEqual(seen, [{ plan: "pro" }])
      }))
  }

  it.effect("runs several stages at the same time where it may", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const background = yield* BackgroundHook.make(slow("audit", seen), { concurrency: 2 })
      for (const flagKey of ["a", "b", "c"]) yield* evaluate(background.hook, flagKey)
      yield* TestClock.adjust("1 second")
      yield* turns()
      assert.deepStrictEqual(seen, ["a", "b"])
      yield* TestClock.adjust("1 second")
      yield* background.flush
    }))

  it.effect("runs in the asynchronous context of the caller", () =>
    Effect.gen(function*() {
      const request = new AsyncLocalStorage<string>()
      const seen: Array<string | undefined> = []
      const hook = FeatureHook.make("audit", {
        error: () => Effect.sync(() => void seen.push(request.getStore())),
        finally: async () => {
          await Promise.resolve()
          seen.push(request.getStore())
        }
      })
      const background = yield* BackgroundHook.make(FeatureHook.observe(hook))
      const sdk = SDK.OpenFeature.getClient(newDomain())
      sdk.addHooks(OpenFeatureHook.make(background.hook))
      yield* Effect.promise(() => request.run("r-1", () => sdk.getBooleanValue("a", false)))
      yield* background.flush
      assert.deepStrictEqual(seen, ["r-1", "r-1"])
    }))
})

describe("stages with keys", () => {
  const keyed = (seen: Array<string>, options: BackgroundHook.Options) =>
    BackgroundHook.make(slow("audit", seen), {
      concurrency: 2,
      orderBy: ({ flagKey }) => flagKey === "none" ? undefined : flagKey[0],
      ...options
    })

  it.effect("run in their order, and beside those of other keys", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const background = yield* keyed(seen, {})
      for (const flagKey of ["a1", "a2", "b1", "a3", "none", "none"]) yield* evaluate(background.hook, flagKey)
      const after: Array<ReadonlyArray<string>> = []
      for (let second = 0; second < 4; second++) {
        yield* TestClock.adjust("1 second")
        yield* turns()
        after.push(seen.splice(0))
      }
      assert.deepStrictEqual(after, [["a1", "b1"], ["a2", "none"], ["a3", "none"], []])
    }))

  it.effect("leave a full queue by their age", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const background = yield* keyed(seen, { capacity: 3, overflow: "dropOldest" })
      for (const flagKey of ["a1", "a2", "a3"]) yield* evaluate(background.hook, flagKey)
      // The worker that is free has found both a2 and a3 while a1 runs.
      yield* turns()
      for (const flagKey of ["b1", "c1", "c2"]) yield* evaluate(background.hook, flagKey)
      yield* TestClock.adjust("10 seconds")
      yield* background.flush
      assert.sameMembers(seen, ["a1", "b1", "c1", "c2"])
      assert.deepInclude(yield* background.counts, { offered: 6, delivered: 4, dropped: 2 })
    }))
})

describe("a full queue", () => {
  const filled = (overflow: NonNullable<BackgroundHook.Options["overflow"]>) =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const background = yield* BackgroundHook.make(slow("audit", seen), { capacity: 2, overflow })
      // The first is taken out of the queue at once.
      yield* evaluate(background.hook, "running")
      yield* turns()
      for (const flagKey of ["a", "b"]) yield* evaluate(background.hook, flagKey)
      return { background, seen }
    })

  it.effect("drops the newest by default", () =>
    Effect.gen(function*() {
      const { background, seen } = yield* filled("dropNewest")
      yield* evaluate(background.hook, "c")
      yield* TestClock.adjust("10 seconds")
      yield* background.flush
      assert.deepStrictEqual(seen, ["running", "a", "b"])
      assert.deepInclude(yield* background.counts, { offered: 4, delivered: 3, dropped: 1 })
    }))

  it.effect("drops the oldest", () =>
    Effect.gen(function*() {
      const { background, seen } = yield* filled("dropOldest")
      yield* evaluate(background.hook, "c")
      yield* TestClock.adjust("10 seconds")
      yield* background.flush
      assert.deepStrictEqual(seen, ["running", "b", "c"])
      assert.deepInclude(yield* background.counts, { offered: 4, delivered: 3, dropped: 1 })
    }))

  it.effect("lets the evaluation wait", () =>
    Effect.gen(function*() {
      const { background, seen } = yield* filled("wait")
      const waiting = yield* Effect.forkChild(evaluate(background.hook, "c"))
      yield* turns()
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(waiting)
      yield* TestClock.adjust("10 seconds")
      yield* background.flush
      assert.deepStrictEqual(seen, ["running", "a", "b", "c"])
      assert.deepInclude(yield* background.counts, { offered: 4, delivered: 4, dropped: 0 })
    }))
})

describe("a full queue that drops", () => {
  it.effect("says so in the log, at most once per minute", () =>
    Effect.gen(function*() {
      for (const overflow of ["dropNewest", "dropOldest"] as const) {
        const records: Array<LogRecord> = []
        const background = yield* Effect.provide(
          BackgroundHook.make(FeatureHook.make("stuck", { finally: () => Effect.never }), {
            capacity: 1,
            overflow,
            closeTimeout: 0
          }),
          logsTo(records)
        )
        const evaluateTwice = Effect.andThen(
          Effect.repeat(evaluate(background.hook, "a"), { times: 2 }),
          Effect.andThen(turns(), Effect.sync(() => records.map(({ annotations }) => annotations)))
        )
        const first = { hook: "stuck", dropped: 2 }
        assert.deepStrictEqual(yield* evaluateTwice, [first])
        yield* TestClock.adjust("59 seconds")
        assert.deepStrictEqual(yield* evaluateTwice, [first])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* evaluateTwice, [first, { hook: "stuck", dropped: 7 }])
      }
    }))
})

describe("a caller that waits for a full queue", () => {
  it.effect("and gives up after a timeout, or outlives the hook, is one dropped stage", () =>
    Effect.gen(function*() {
      for (const end of ["timeout", "close"] as const) {
        const scope = yield* Scope.make()
        const background = yield* Scope.provide(
          BackgroundHook.make(FeatureHook.make("stuck", { finally: () => Effect.never }), {
            capacity: 1,
            overflow: "wait",
            closeTimeout: "1 second"
          }),
          scope
        )
        const limited = FeatureHook.observe(FeatureHook.timeout(background.hook, "10 millis"))
        const hooks = [end === "timeout" ? limited : background.hook]
        const { flags } = yield* client({ a: TestProvider.value(true) }, { hooks })
        yield* flags.boolean("a", false)
        yield* turns()
        yield* flags.boolean("a", false)
        const waiting = yield* Effect.forkChild(flags.boolean("a", false))
        yield* turns()
        assert.isUndefined(waiting.pollUnsafe())
        if (end === "timeout") {
          yield* TestClock.adjust("10 millis")
          assert.isTrue(yield* Fiber.join(waiting))
          yield* turns()
          assert.deepInclude(yield* background.counts, { offered: 3, pending: 2, dropped: 1 })
        }
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(closing)
        yield* Fiber.await(waiting)
        yield* turns()
        assert.deepInclude(yield* background.counts, { offered: 3, pending: 0, dropped: 3 }, end)
      }
    }).pipe((program) => collectFailures(() => program)))
})

describe("the counts", () => {
  it.effect("add up at every moment of random programs", () =>
    Effect.gen(function*() {
      const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
      const { below, chance, oneOf } = random(seed)
      const overflows = ["dropNewest", "dropOldest"] as const
      for (let program = 0; program < 100; program++) {
        const hook = FeatureHook.make("audit", {
          finally: () => {
            const millis = below(5)
            const work = chance(0.3) ? Effect.fail("no") : Effect.void
            return millis === 0 ? work : Effect.andThen(Effect.sleep(millis), work)
          }
        })
        const scope = yield* Scope.make()
        const background = yield* Scope.provide(
          BackgroundHook.make(FeatureHook.observe(hook), {
            capacity: 1 + below(4),
            concurrency: 1 + below(3),
            overflow: oneOf(overflows),
            closeTimeout: below(10)
          }),
          scope
        )
        let offered = 0
        for (let step = 0; step < 30; step++) {
          if (chance(0.7)) {
            offered++
            yield* evaluate(background.hook, "a")
          } else yield* TestClock.adjust(below(4))
          const counts = yield* background.counts
          assert.strictEqual(counts.offered, offered, `SEED=${seed}`)
          assert.strictEqual(sum(counts), offered, `SEED=${seed}`)
        }
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* TestClock.adjust("10 millis")
        yield* Fiber.join(closing)
        yield* evaluate(background.hook, "late")
        yield* TestClock.adjust("1 second")
        const counts = yield* background.counts
        assert.strictEqual(counts.pending, 0, `SEED=${seed}`)
        assert.strictEqual(sum(counts), offered + 1, `SEED=${seed}`)
      }
    }).pipe((program) => collectFailures(() => program)))

  it.effect(
    "add up with keys, whose stages keep their order and never run twice at once",
    () =>
      Effect.gen(function*() {
        const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
        const { below, chance, oneOf } = random(seed)
        const overflows = ["dropNewest", "dropOldest", "wait"] as const
        for (let program = 0; program < 150; program++) {
          // What fails in a stage is a failed stage, so nothing is asserted there.
          const wrong: Array<string> = []
          const running = new Set<string>()
          const last = new Map<string, number>()
          const hook = FeatureHook.make("audit", {
            finally: ({ flagKey }) => {
              const [key = "", number = ""] = flagKey.split(" ")
              if (key !== "none" && running.has(key)) wrong.push(`${flagKey} at the same time`)
              if (key !== "none" && Number(number) <= (last.get(key) ?? -1)) wrong.push(`${flagKey} out of order`)
              running.add(key)
              last.set(key, Number(number))
              const millis = below(6)
              const work = millis === 0 ? Effect.void : Effect.sleep(millis)
              return Effect.andThen(
                work,
                Effect.suspend(() => {
                  running.delete(key)
                  return chance(0.2) ? Effect.fail("no") : Effect.void
                })
              )
            }
          })
          const scope = yield* Scope.make()
          const capacity = 1 + below(6)
          const concurrency = 1 + below(4)
          const background = yield* Scope.provide(
            BackgroundHook.make(FeatureHook.observe(hook), {
              capacity,
              concurrency,
              overflow: oneOf(overflows),
              closeTimeout: below(20),
              orderBy: ({ flagKey }) => flagKey.startsWith("none") ? undefined : flagKey.split(" ")[0]
            }),
            scope
          )
          let offered = 0
          const open: Array<Fiber.Fiber<unknown>> = []
          for (let step = 0; step < 40; step++) {
            if (chance(0.7)) {
              const flagKey = `${oneOf(["a", "b", "c", "none"])} ${offered++}`
              open.push(yield* Effect.forkChild(evaluate(background.hook, flagKey)))
              while ((yield* background.counts).offered < offered) yield* turns(1)
            } else yield* TestClock.adjust(below(4))
            const counts = yield* background.counts
            assert.strictEqual(counts.offered, offered, `SEED=${seed}`)
            assert.strictEqual(sum(counts), offered, `SEED=${seed}`)
            assert.deepStrictEqual(wrong, [], `SEED=${seed}`)
            const waiting = counts.pending - open.filter((fiber) => fiber.pollUnsafe() === undefined).length
            assert.isAtMost(waiting, capacity + concurrency, `SEED=${seed}`)
          }
          if (chance(0.5)) {
            const flushed = yield* Effect.forkChild(background.flush)
            yield* TestClock.adjust("1 second")
            yield* Fiber.join(flushed)
            assert.strictEqual((yield* background.counts).pending, 0, `SEED=${seed}`)
          }
          const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
          yield* TestClock.adjust("20 millis")
          yield* Fiber.join(closing)
          yield* Fiber.joinAll(open)
          const counts = yield* background.counts
          assert.strictEqual(counts.pending, 0, `SEED=${seed}`)
          assert.strictEqual(sum(counts), offered, `SEED=${seed}`)
        }
      }).pipe((program) => collectFailures(() => program)),
    20_000
  )

  it.effect("are metrics, too", () =>
    Effect.gen(function*() {
      const hook = FeatureHook.make("counted", {
        finally: ({ flagKey }) => flagKey === "bad" ? Effect.fail("no") : Effect.void
      })
      const background = yield* BackgroundHook.make(FeatureHook.observe(hook))
      for (const flagKey of ["a", "bad", "b"]) yield* evaluate(background.hook, flagKey)
      yield* background.flush
      const count = (outcome: string) =>
        Effect.map(
          Metric.value(Metric.withAttributes(BackgroundHook.counter, { hook: "counted", outcome })),
          ({ count }) => count
        )
      assert.deepStrictEqual([yield* count("delivered"), yield* count("failed")], [2, 1])
    }).pipe((program) => collectFailures(() => program), Effect.provideService(Metric.MetricRegistry, new Map())))
})

describe("closing", () => {
  it.effect("waits for the rest of the work, and then drops what is offered", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const scope = yield* Scope.make()
      const background = yield* Scope.provide(BackgroundHook.make(slow("audit", seen)), scope)
      for (const flagKey of ["a", "b"]) yield* evaluate(background.hook, flagKey)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(closing)
      assert.deepStrictEqual(seen, ["a", "b"])
      assert.isTrue((yield* evaluate(background.hook, "late")).details.value)
      assert.deepInclude(yield* background.counts, { offered: 3, delivered: 2, dropped: 1, pending: 0 })
    }))

  it.effect("drops what is left after its time, interrupts it, and says how much it was", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const interrupted = yield* Deferred.make<void>()
      const hook = FeatureHook.make("stuck", {
        finally: () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
      })
      const scope = yield* Scope.make()
      const background = yield* Scope.provide(BackgroundHook.make(hook, { closeTimeout: "1 second" }), scope)
      for (const flagKey of ["a", "b", "c"]) yield* evaluate(background.hook, flagKey)
      yield* turns()
      const flushed = yield* Effect.forkChild(background.flush)
      const closing = yield* Effect.forkChild(Effect.provide(Scope.close(scope, Exit.void), logsTo(records)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closing)
      yield* Fiber.join(flushed)
      yield* Deferred.await(interrupted)
      assert.deepInclude(yield* background.counts, { offered: 3, dropped: 3, pending: 0 })
      assert.deepStrictEqual(records.map(({ annotations }) => annotations), [{ hook: "stuck", dropped: 3 }])
    }))

  // `timeout` runs its stage in a fiber that it tracks with the registration of the hook.
  const limited = (name: string, seen: Array<string>) =>
    FeatureHook.observe(FeatureHook.timeout(slow(name, seen), "1 minute"))

  for (const [path, change] of paths) {
    it.effect(`drains stages with a timeout after their client has closed, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const scope = yield* Scope.make()
        const background = yield* Effect.gen(function*() {
          const background = yield* BackgroundHook.make(change(limited("audit", seen)), { closeTimeout: "10 seconds" })
          const flags = yield* FeatureFlags.make({ hooks: [background.hook] })
          for (const flagKey of ["a", "b", "c"]) yield* flags.boolean(flagKey, false)
          return background
        }).pipe(Scope.provide(scope))
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(closing)
        assert.deepStrictEqual(seen, ["a", "b", "c"])
        assert.deepInclude(yield* background.counts, { offered: 3, delivered: 3, dropped: 0, failed: 0 })
      }))

    it.effect(`drains stages with a timeout when a registry gives the hook up, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const registry = yield* HookRegistry.make()
        const hook = Effect.map(
          BackgroundHook.make(change(limited("audit", seen)), { closeTimeout: "10 seconds" }),
          ({ hook }) => hook
        )
        const registration = yield* registry.add({ name: "audit", hook })
        const flags = yield* FeatureFlags.make()
        yield* registry.attach(flags)
        for (const flagKey of ["a", "b", "c"]) yield* flags.boolean(flagKey, false)
        const closing = yield* Effect.forkChild(registration.unregister)
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(closing)
        assert.deepStrictEqual(seen, ["a", "b", "c"])
      }))
  }

  it.effect("interrupts a stage with a timeout when the time for closing is over", () =>
    Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      const stuck = FeatureHook.make("stuck", {
        finally: () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
      })
      const scope = yield* Scope.make()
      const background = yield* Effect.gen(function*() {
        const hook = FeatureHook.observe(FeatureHook.timeout(stuck, "1 minute"))
        const background = yield* BackgroundHook.make(hook, { closeTimeout: "1 second" })
        const flags = yield* FeatureFlags.make({ hooks: [background.hook] })
        yield* flags.boolean("a", false)
        yield* turns()
        return background
      }).pipe(Scope.provide(scope))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* turns()
      assert.isFalse(yield* Deferred.isDone(interrupted))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closing)
      yield* Deferred.await(interrupted)
      assert.deepInclude(yield* background.counts, { offered: 1, dropped: 1, failed: 0 })
    }))

  it("of a plain application drains the work, twice at most", async () => {
    const seen: Array<string> = []
    const audit = FeatureHook.make("audit", {
      after: async ({ flagKey }) => {
        await new Promise((done) => setTimeout(done, 5))
        seen.push(flagKey)
      }
    }).pipe(FeatureHook.observe)
    const background = BackgroundHook.start(audit)
    const provider = await Effect.runPromise(TestProvider.make({ flags: { a: TestProvider.value(true) } }))
    const domain = newDomain()
    await SDK.OpenFeature.setProviderAndWait(domain, provider)
    const sdk = SDK.OpenFeature.getClient(domain).addHooks(OpenFeatureHook.make(background.hook))
    for (let i = 0; i < 3; i++) assert.isTrue(await sdk.getBooleanValue("a", false))
    await background.flush()
    assert.deepStrictEqual(seen, ["a", "a", "a"])
    await sdk.getBooleanValue("a", false)
    await background.close()
    await background.close()
    assert.deepStrictEqual(background.counts(), { offered: 4, delivered: 4, dropped: 0, failed: 0, pending: 0 })
  })
})

describe("misuse", () => {
  it("is refused: a hook that can reject, and one without a stage for the background", () => {
    const guard = FeatureHook.make("guard", { after: () => {} })
    assert.include(
      rangeError(() => BackgroundHook.start(guard)),
      "hook \"guard\" can reject an evaluation in its after"
    )
    const failing = FeatureHook.make("failing", { after: () => Effect.fail("no") })
    // @ts-expect-error its failure can reject an evaluation
    assert.include(rangeError(() => BackgroundHook.start(failing)), "put FeatureHook.observe around it")
    const enrich = FeatureHook.make("enrich", { before: () => {} })
    assert.include(rangeError(() => BackgroundHook.start(enrich)), "hook \"enrich\" has no stage for the background")
    const program = FeatureHook.observe(FeatureHook.around("program", (_context, evaluate) => evaluate))
    assert.include(
      rangeError(() => BackgroundHook.start(program)),
      "BackgroundHook.make: hook \"program\" is one program around the evaluation"
    )
    // @ts-expect-error a text is no hook
    assert.include(rangeError(() => BackgroundHook.start("audit")), "hook 1 is not a FeatureHook")
    assert.include(
      // @ts-expect-error it is no option
      rangeError(() => BackgroundHook.start(FeatureHook.observe(guard), { capacty: 1 })),
      "BackgroundHook.make: there is no option \"capacty\"; did you mean \"capacity\"?"
    )
  })

  it.effect("leaves a guard beside it in force", () =>
    Effect.gen(function*() {
      const background = yield* BackgroundHook.make(FeatureHook.make("audit", { error: () => Effect.void }))
      const guard = FeatureHook.make("guard", {
        before: () => Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no" }))
      })
      const { flags } = yield* client({}, { hooks: [background.hook, guard] })
      assert.strictEqual((yield* flags.booleanDetails("a", false)).errorCode, "INVALID_CONTEXT")
      yield* background.flush
      assert.deepInclude(yield* background.counts, { delivered: 1, failed: 0 })
    }))

  it.effect("of a hook with a service is told by the types", () =>
    Effect.gen(function*() {
      class Store extends Context.Service<Store, Array<string>>()("test/Store") {}
      const hook = FeatureHook.make("audit", {
        finally: ({ flagKey }) => Effect.map(Store, (store) => void store.push(flagKey))
      })
      const background = yield* BackgroundHook.make(hook)
      const store: Array<string> = []
      // @ts-expect-error the service is missing
      assert.isTrue(Effect.isEffect(Effect.scoped(evaluate(background.hook, "a"))))
      yield* Effect.provideService(Fixtures.run(background.hook), Store, store)
      yield* background.flush
      assert.deepStrictEqual(store, ["test-flag"])
    }))
})

describe("HookFailures of a hook in the background", () => {
  it.effect("are those of the caller", () =>
    Effect.gen(function*() {
      const hook = FeatureHook.make("audit", { finally: () => Effect.fail("no") })
      const background = yield* BackgroundHook.make(FeatureHook.observe(hook))
      const failures = yield* HookFailures.HookFailures
      yield* evaluate(background.hook, "a")
      yield* background.flush
      yield* turns()
      assert.strictEqual((yield* failures.counts).reported, 1)
    }).pipe(Effect.provide(HookFailures.layer())))
})
