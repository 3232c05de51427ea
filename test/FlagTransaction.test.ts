import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Function, Layer } from "effect"
import { TestClock } from "effect/testing"
import { expectTypeOf } from "vitest"
import {
  CacheHook,
  type EvaluationContext,
  EvaluationError,
  FeatureFlags,
  FeatureHook,
  FlagTransaction,
  OpenFeatureHook,
  OverrideHook,
  RateLimitHook,
  ResolutionProvider
} from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { untyped } from "./faults/harness.ts"
import {
  client,
  collectFailures,
  deferred,
  identifying,
  newDomain,
  paths,
  plainClient,
  rangeError,
  turns,
  unhandledRejections,
  until
} from "./support.ts"

/** A provider whose every answer differs from the one before. */
const counting = () => {
  let count = 0
  return TestProvider.make({
    flags: (flagKey) =>
      flagKey === "missing"
        ? undefined
        : Effect.sync(() => ({ value: `${flagKey} ${++count}`, variant: "v", reason: "TARGETING_MATCH" }))
  })
}

const countingClient = Effect.fnUntraced(function*<H extends FeatureHook.Any = never>(
  options: Omit<FeatureFlags.Options<never, never, H>, "provider" | "domain"> = {}
) {
  const provider = yield* counting()
  const flags = yield* FeatureFlags.make({ domain: newDomain(), ...options, provider: Effect.succeed(provider) })
  return { flags, provider, layer: Layer.succeed(FeatureFlags.FeatureFlags, flags) }
})

const countingPlain = Effect.fnUntraced(function*(...hooks: ReadonlyArray<FeatureHook.FeatureHook<unknown>>) {
  const provider = yield* counting()
  const domain = newDomain()
  yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider)))
  const plain = SDK.OpenFeature.getClient(domain)
  plain.addHooks(OpenFeatureHook.make(FlagTransaction.hook, ...hooks))
  return { client: plain, provider }
})

const short = ({ entries }: FlagTransaction.EvaluationRecord) =>
  entries.map(({ count, flagKey, source }) => `${flagKey} ${source} ${count}`)

const overridingTesters = () =>
  OverrideHook.makeUnsafe({
    enabled: true,
    overrides: [{ flags: "a", value: "override", subjects: ["tester"] }],
    logLevel: false
  }).hook

/** A hook that takes part without doing anything. */
const idle = FeatureHook.make("idle", { before: () => Effect.void, finally: () => Effect.void })

describe("a transaction of the Effect client", () => {
  for (const [path, change] of paths) {
    const hooks = [change(idle)]

    it.effect(`gives the same value for the same flag and context, and another one afterwards, ${path}`, () =>
      Effect.gen(function*() {
        const { flags } = yield* countingClient({ hooks })
        const evaluate = flags.string("a", "none")
        const { record, value } = yield* FeatureFlags.transaction(Effect.all([evaluate, evaluate, evaluate]))
        assert.deepStrictEqual(value, ["a 1", "a 1", "a 1"])
        assert.deepStrictEqual(short(record), ["a provider 1", "a cache 2"])
        assert.deepStrictEqual(record.entries.map(({ reason }) => reason), ["TARGETING_MATCH", "CACHED"])
        assert.strictEqual(record.evaluations, 3)
        assert.strictEqual(yield* evaluate, "a 2")
      }))

    it.effect(`compares contexts by structure, whatever level they come from, ${path}`, () =>
      Effect.gen(function*() {
        const { flags } = yield* countingClient({ hooks, context: { plan: "pro" } })
        const evaluate = (context: EvaluationContext.EvaluationContext) => flags.string("a", "none", { context })
        const { value } = yield* FeatureFlags.transaction(Effect.all([
          evaluate({ targetingKey: "ana", tags: [{ x: 1, y: 2 }], at: new Date(5) }),
          evaluate({ at: new Date(5), tags: [{ y: 2, x: 1 }], targetingKey: "ana" }),
          FeatureFlags.withContext(evaluate({ targetingKey: "ana" }), { tags: [{ x: 1, y: 2 }], at: new Date(5) }),
          evaluate({ targetingKey: "ana", tags: [{ x: 1, y: 2 }], at: new Date(5), plan: "pro" }),
          evaluate({ targetingKey: "ben", tags: [{ x: 1, y: 2 }], at: new Date(5) }),
          evaluate({ targetingKey: "ana", tags: [{ x: "1", y: 2 }], at: new Date(5) }),
          evaluate({ targetingKey: "ana", tags: [{ x: 1, y: 2 }], at: new Date(5), plan: "free" })
        ]))
        assert.deepStrictEqual(value, ["a 1", "a 1", "a 1", "a 1", "a 2", "a 3", "a 4"])
      }))

    it.effect(`tells types, flags and domains apart, but not default values, ${path}`, () =>
      Effect.gen(function*() {
        const first = yield* countingClient({ hooks })
        const second = yield* countingClient({ hooks })
        const { value } = yield* FeatureFlags.transaction(Effect.all([
          first.flags.string("a", "none"),
          first.flags.string("a", "other"),
          first.flags.string("b", "none"),
          second.flags.string("a", "none"),
          first.flags.number("a", 7)
        ]))
        assert.deepStrictEqual(value, ["a 1", "a 1", "b 2", "a 1", 7])
      }))

    it.effect(`asks the provider once for concurrent evaluations, ${path}`, () =>
      Effect.gen(function*() {
        const { flags, provider } = yield* client({
          slow: TestProvider.delayed("1 second", TestProvider.value("slow"))
        }, { hooks })
        const fiber = yield* Effect.forkChild(FeatureFlags.transaction(
          Effect.all(Array.from({ length: 20 }, () => flags.string("slow", "none")), { concurrency: "unbounded" })
        ))
        yield* turns()
        yield* TestClock.adjust("1 second")
        const { record, value } = yield* Fiber.join(fiber)
        assert.deepStrictEqual(new Set(value), new Set(["slow"]))
        assert.strictEqual((yield* provider.calls).length, 1)
        assert.deepStrictEqual(short(record).sort(), ["slow cache 19", "slow provider 1"])
      }))

    it.effect(`serves overrides ahead of the provider and of hooks of every level, ${path}`, () =>
      Effect.gen(function*() {
        const resolving = change(FeatureHook.make("resolving", { before: () => ({ resolution: { value: "hook" } }) }))
        const seen: Array<unknown> = []
        const watching = FeatureHook.make("watching", { before: ({ resolution }) => void seen.push(resolution?.value) })
        const { flags, provider } = yield* countingClient({ hooks: [watching, resolving] })
        const details = flags.stringDetails("a", "none", { hooks: [resolving] })
        const { record, value } = yield* FeatureFlags.transaction(details, { overrides: { a: "override" } })
        assert.strictEqual(value.value, "override")
        assert.strictEqual(value.reason, "STATIC")
        assert.deepStrictEqual(seen, ["override"])
        assert.deepStrictEqual(short(record), ["a override 1"])
        assert.deepStrictEqual(yield* provider.calls, [])
        assert.strictEqual(yield* flags.string("a", "none"), "hook")
      }))

    it.effect(`keeps what a hook resolved, ${path}`, () =>
      Effect.gen(function*() {
        let count = 0
        const resolving = change(FeatureHook.make("resolving", {
          before: () => ({ resolution: { value: `hook ${++count}` } })
        }))
        const { flags } = yield* countingClient({ hooks: [resolving] })
        const { record, value } = yield* FeatureFlags.transaction(
          Effect.all([flags.string("a", "none"), flags.string("a", "none")])
        )
        assert.deepStrictEqual(value, ["hook 1", "hook 1"])
        assert.deepStrictEqual(short(record), ["a hook 1", "a cache 1"])
      }))

    it.effect(`tells an override of a hook from other resolutions of hooks, ${path}`, () =>
      Effect.gen(function*() {
        const { hook } = OverrideHook.makeUnsafe({ enabled: true, overrides: { a: "forced" }, logLevel: false })
        const { flags } = yield* countingClient({ hooks: [...hooks, change(hook)] })
        const { record } = yield* FeatureFlags.transaction(
          Effect.all([flags.string("a", "none"), flags.string("b", "none")]),
          { cache: false }
        )
        assert.deepStrictEqual(short(record), ["a override 1", "b provider 1"])
      }))

    it.effect(`never gives a subject that a hook sets the value of another subject, ${path}`, () =>
      Effect.gen(function*() {
        let user = "ana"
        const enrich = change(FeatureHook.make("enrich", { before: () => ({ context: { targetingKey: user } }) }))
        const provider = yield* TestProvider.make({
          flags: (_, { targetingKey }) => TestProvider.value(`for ${targetingKey}`)
        })
        const flags = yield* FeatureFlags.make({
          domain: newDomain(),
          hooks: [enrich],
          provider: Effect.succeed(provider)
        })
        const { value } = yield* FeatureFlags.transaction(Effect.gen(function*() {
          const values = []
          for (user of ["ana", "ben", "ana", "ben"]) {
            values.push(yield* flags.string("a", "none"))
            values.push(yield* flags.string("a", "none", { context: { targetingKey: "cem" } }))
          }
          return values
        }))
        assert.deepStrictEqual(value, ["ana", "ana", "ben", "ben", "ana", "ana", "ben", "ben"].map((u) => `for ${u}`))
        assert.strictEqual((yield* provider.calls).length, 4)
      }))

    it.effect(`a cache stores no value that an evaluation shares with one of another key, ${path}`, () =>
      Effect.gen(function*() {
        const cache = yield* CacheHook.make({ key: ["targetingKey", "plan"] })
        let count = 0
        const plan = FeatureHook.make("plan", { before: () => ({ context: { plan: count++ === 0 ? "free" : "pro" } }) })
        const gate = yield* Deferred.make<void>()
        const provider = yield* TestProvider.make({
          flags: (_, { plan }) =>
            Effect.andThen(Deferred.await(gate), TestProvider.value(plan === "free" ? "for free" : "for pro"))
        })
        const flags = yield* FeatureFlags.make({
          domain: newDomain(),
          hooks: [plan, change(cache.hook)],
          provider: Effect.succeed(provider)
        })
        const evaluate = flags.string("a", "none", { context: { targetingKey: "ana" } })
        const both = FeatureFlags.transaction(Effect.all([evaluate, evaluate], { concurrency: 2 }))
        const fiber = yield* Effect.forkChild(both, { startImmediately: true })
        yield* turns()
        yield* Deferred.succeed(gate, undefined)
        assert.deepStrictEqual((yield* Fiber.join(fiber)).value, ["for free", "for free"])
        assert.strictEqual(yield* evaluate, "for pro")
      }))

    it.effect(`lets hooks answer and count for a subject that a hook sets and that has no value yet, ${path}`, () =>
      Effect.gen(function*() {
        let user: string | undefined = undefined
        const identify = identifying(() => user)
        const hook = overridingTesters()
        const limit = yield* RateLimitHook.make({ limit: 1, window: "1 hour", by: "subject" })
        const { flags, provider } = yield* countingClient({
          hooks: [change(identify), change(hook), change(limit.hook)]
        })
        const { value } = yield* FeatureFlags.transaction(Effect.gen(function*() {
          const values: Array<string> = []
          for (const subject of [undefined, "tester", "ana", "ana", "tester"]) {
            user = subject
            values.push(yield* flags.string("a", "none"))
          }
          return values
        }))
        assert.deepStrictEqual(value, ["a 1", "override", "a 2", "a 2", "override"])
        assert.strictEqual((yield* provider.calls).length, 2)
        // What is kept for the subject that a hook has set asks no provider, so it takes nothing from a limit.
        assert.deepInclude(yield* limit.counts, { passed: 1, unkeyed: 1, rejected: 0 })
      }))

    it.effect(`gives nobody the cached answer of another subject, which is not served, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const cache = yield* CacheHook.make({ key: ["targetingKey"] })
          let user = "ana"
          const identify = identifying(() => user)
          const provider = yield* TestProvider.make({
            flags: (_, { targetingKey }) => TestProvider.value(`for ${targetingKey}`)
          })
          const flags = yield* FeatureFlags.make({
            domain: newDomain(),
            hooks: [change(cache.hook), identify],
            provider: Effect.succeed(provider)
          })
          const evaluate = flags.string("a", "none", { context: { targetingKey: "ana" } })
          yield* evaluate
          user = "ben"
          const { value } = yield* FeatureFlags.transaction(Effect.all([evaluate, evaluate, evaluate]))
          assert.deepStrictEqual(value, ["for ben", "for ben", "for ben"])
        })
      ))

    it.effect(`asks again after an error, and keeps it if asked to, ${path}`, () =>
      Effect.gen(function*() {
        for (const keepErrors of [false, true]) {
          for (const answer of [TestProvider.error("PARSE_ERROR", "bad"), TestProvider.throwing(new Error("bad"))]) {
            const { flags, provider } = yield* client({ a: answer }, { hooks })
            const { record, value } = yield* FeatureFlags.transaction(
              Effect.gen(function*() {
                const first = yield* flags.stringDetails("a", "one")
                const second = yield* flags.stringDetails("a", "two")
                yield* provider.set("a", TestProvider.value("fine"))
                return [first, second, yield* flags.stringDetails("a", "three")] as const
              }),
              { keepErrors }
            )
            assert.deepStrictEqual(value.map(({ value }) => value), ["one", "two", keepErrors ? "three" : "fine"])
            assert.strictEqual(value[1].errorCode, value[0].errorCode)
            assert.isDefined(value[0].errorCode)
            assert.strictEqual((yield* provider.calls).length, keepErrors ? 1 : 3)
            assert.deepStrictEqual(
              short(record),
              keepErrors ? ["a provider 1", "a cache 2"] : ["a provider 2", "a provider 1"]
            )
          }
        }
      }))

    it.effect(`shares an error with concurrent evaluations, ${path}`, () =>
      Effect.gen(function*() {
        const { flags, provider } = yield* client({
          a: TestProvider.delayed("1 second", TestProvider.error("PARSE_ERROR", "bad"))
        }, { hooks })
        const evaluate = flags.stringDetails("a", "none")
        const fiber = yield* Effect.forkChild(
          FeatureFlags.transaction(Effect.all([evaluate, evaluate], { concurrency: 2 }))
        )
        yield* turns()
        yield* TestClock.adjust("1 second")
        const { value } = yield* Fiber.join(fiber)
        assert.deepStrictEqual(value.map(({ errorCode, errorMessage }) => [errorCode, errorMessage]), [
          ["PARSE_ERROR", "bad"],
          ["PARSE_ERROR", "bad"]
        ])
        assert.strictEqual((yield* provider.calls).length, 1)
      }))

    it.effect(`gives the record on failure and on interruption too, ${path}`, () =>
      Effect.gen(function*() {
        const { flags } = yield* client({ fine: TestProvider.value(true), never: TestProvider.never }, { hooks })
        const ends: Array<string> = []
        const onEnd = (record: FlagTransaction.EvaluationRecord, exit: Exit.Exit<unknown, unknown>) =>
          Effect.sync(() => void ends.push(`${exit._tag} ${short(record).join(", ")}`))
        const failing = Effect.andThen(flags.boolean("fine", false), Effect.fail("no"))
        const failure = yield* Effect.flip(FeatureFlags.transaction(failing, { onEnd }))
        assert.strictEqual(failure, "no")
        const hanging = Effect.andThen(flags.boolean("fine", false), flags.boolean("never", false))
        const fiber = yield* Effect.forkChild(FeatureFlags.transaction(hanging, { onEnd }))
        yield* turns()
        const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber))
        yield* turns()
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(interrupting)
        yield* FeatureFlags.transaction(flags.boolean("fine", false), { onEnd })
        assert.deepStrictEqual(ends, [
          "Failure fine provider 1",
          "Failure fine provider 1, never provider 1",
          "Success fine provider 1"
        ])
      }))

    it.effect(`no longer waits for a request whose evaluation was interrupted, ${path}`, () =>
      Effect.gen(function*() {
        const { flags, provider } = yield* client({ a: TestProvider.never }, { hooks })
        const fiber = yield* Effect.forkChild(FeatureFlags.transaction(Effect.gen(function*() {
          const first = yield* flags.string("a", "none").pipe(Effect.timeoutOption("1 second"))
          yield* provider.set("a", TestProvider.value("fine"))
          return [first._tag, yield* flags.string("a", "none"), yield* flags.string("a", "none")]
        })))
        for (let i = 0; i < 5; i++) {
          yield* turns()
          yield* TestClock.adjust("1 second")
        }
        assert.deepStrictEqual((yield* Fiber.join(fiber)).value, ["None", "fine", "fine"])
      }))

    it.effect(`goes on at once when the evaluation that asked is interrupted, ${path}`, () =>
      Effect.gen(function*() {
        const { flags, provider } = yield* client({ a: TestProvider.never }, { hooks })
        const evaluate = flags.string("a", "none")
        const { record, value } = yield* FeatureFlags.transaction(Effect.gen(function*() {
          const asking = yield* Effect.forkChild(evaluate, { startImmediately: true })
          const waiting = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(evaluate, { startImmediately: true }))
          yield* turns()
          yield* provider.set("a", TestProvider.value("fine"))
          const interrupting = yield* Effect.forkChild(Fiber.interrupt(asking), { startImmediately: true })
          yield* turns()
          const values = waiting.map((fiber) => fiber.pollUnsafe())
          // The client gives the hooks of an interrupted evaluation time to end.
          yield* TestClock.adjust("10 seconds")
          yield* Fiber.join(interrupting)
          return values
        }))
        assert.deepStrictEqual(value, [Exit.succeed("fine"), Exit.succeed("fine"), Exit.succeed("fine")])
        assert.strictEqual((yield* provider.calls).length, 2)
        assert.includeMembers(short(record), ["a cache 2"])
      }))

    it.effect(`waits for requests of others at most twice when each takes too long, ${path}`, () =>
      Effect.gen(function*() {
        const late = TestProvider.delayed("6 seconds", TestProvider.error("GENERAL", "timed out"))
        const { flags, provider } = yield* client({ a: late }, { hooks })
        const evaluate = flags.string("a", "none")
        const fiber = yield* Effect.forkChild(FeatureFlags.transaction(
          Effect.all(Array.from({ length: 10 }, () => evaluate), { concurrency: "unbounded" })
        ))
        const asked: Array<number> = []
        let end = 0
        for (let second = 1; second <= 60; second++) {
          yield* turns()
          yield* TestClock.adjust("1 second")
          yield* turns()
          if (second === 4 || second === 9 || second === 10) asked.push((yield* provider.calls).length)
          if (end === 0 && fiber.pollUnsafe() !== undefined) end = second
        }
        assert.deepStrictEqual(new Set((yield* Fiber.join(fiber)).value), new Set(["none"]))
        assert.deepStrictEqual(asked, [1, 2, 10])
        assert.strictEqual(end, 16)
      }))

    it.effect(`gives a late value at once to those that wait for a later request, ${path}`, () =>
      Effect.gen(function*() {
        const { flags, provider } = yield* client({
          a: TestProvider.delayed("6 seconds", TestProvider.value("late"))
        }, { hooks })
        const evaluate = flags.string("a", "none")
        const fiber = yield* Effect.forkChild(FeatureFlags.transaction(
          Effect.all(Array.from({ length: 5 }, () => evaluate), { concurrency: "unbounded" })
        ))
        yield* turns()
        yield* provider.set("a", TestProvider.never)
        yield* TestClock.adjust("5 seconds")
        yield* turns()
        const asked = (yield* provider.calls).length
        yield* TestClock.adjust("1 second")
        yield* turns()
        const exit = fiber.pollUnsafe()
        const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(interrupting)
        assert.strictEqual(asked, 2)
        assert.isTrue(exit !== undefined && Exit.isSuccess(exit), String(exit))
        if (exit === undefined || Exit.isFailure(exit)) return
        assert.deepStrictEqual(new Set(exit.value.value), new Set(["late"]))
        assert.strictEqual(exit.value.record.evaluations, 5)
      }))

    it.effect(`waits for no evaluation that was interrupted before it asked, ${path}`, () =>
      Effect.gen(function*() {
        let open = (): void => undefined
        const gate = new Promise<void>((resolve) => (open = resolve))
        let begun = 0
        const waiting: SDK.Hook = { before: () => begun++ === 0 ? gate : undefined }
        const provider = yield* TestProvider.make({ flags: { a: TestProvider.never }, hooks: [waiting] })
        const flags = yield* FeatureFlags.make({
          domain: newDomain(),
          hooks,
          provider: Effect.succeed(provider),
          interruptTimeout: "1 minute"
        })
        const evaluate = flags.string("a", "none")
        const fiber = yield* Effect.forkChild(FeatureFlags.transaction(Effect.gen(function*() {
          const asking = yield* Effect.forkChild(evaluate, { startImmediately: true })
          yield* turns()
          yield* Effect.forkChild(Fiber.interrupt(asking), { startImmediately: true })
          open()
          yield* turns()
          yield* provider.set("a", TestProvider.value("fine"))
          return yield* evaluate
        })))
        yield* turns(30)
        const seen = (yield* provider.calls).length
        yield* TestClock.adjust("3 minutes")
        yield* turns()
        assert.strictEqual((yield* Fiber.join(fiber)).value, "fine")
        assert.strictEqual(seen, 2)
      }))

    it.effect(`asks no provider for those that are interrupted together, ${path}`, () =>
      Effect.gen(function*() {
        const { flags, provider } = yield* client({ a: TestProvider.never }, { hooks })
        const evaluate = flags.string("a", "none")
        const all = Effect.all(Array.from({ length: 20 }, () => evaluate), { concurrency: "unbounded" })
        const fiber = yield* Effect.forkChild(FeatureFlags.transaction(all))
        yield* turns()
        const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
        for (let i = 0; i < 10; i++) {
          yield* turns()
          yield* TestClock.adjust("1 second")
        }
        yield* Fiber.join(interrupting)
        assert.strictEqual((yield* provider.calls).length, 1)
      }))

    it.effect(`includes child fibers, and evaluations in hooks, ${path}`, () =>
      Effect.gen(function*() {
        const asking = change(FeatureHook.make("asking", {
          before: ({ flagKey }) => flagKey === "a" ? Effect.asVoid(FeatureFlags.string("b", "none")) : Effect.void
        }))
        const { flags, layer } = yield* countingClient()
        const { record, value } = yield* FeatureFlags.transaction(
          Effect.gen(function*() {
            const fibers = yield* Effect.forEach([1, 2, 3], () =>
              Effect.forkChild(flags.string("a", "none", {
                hooks: [asking]
              })))
            return [...yield* Effect.forEach(fibers, Fiber.join), yield* flags.string("b", "none")]
          })
        ).pipe(Effect.provide(layer))
        assert.strictEqual(new Set(value).size, 2)
        assert.strictEqual(record.evaluations, 7)
        assert.strictEqual(record.entries.filter(({ source }) => source === "provider").length, 2)
      }))

    it.effect(`a hook that evaluates the flag of its own evaluation does not wait for itself, ${path}`, () =>
      Effect.gen(function*() {
        let isNested = false
        const asking = change(FeatureHook.make("asking", {
          before: () => {
            if (isNested) return Effect.void
            isNested = true
            return Effect.asVoid(FeatureFlags.string("a", "none"))
          }
        }))
        const { flags, layer } = yield* countingClient()
        const evaluate = flags.string("a", "none", { hooks: [FeatureHook.timeout(asking, "1 second")] })
        const { record, value } = yield* FeatureFlags.transaction(evaluate).pipe(Effect.provide(layer))
        assert.strictEqual(value, "a 1")
        assert.deepStrictEqual(short(record), ["a provider 1", "a cache 1"])
      }))

    it.effect(`a provider within the provider, wrapped as well, does not wait for itself, ${path}`, () =>
      Effect.gen(function*() {
        for (const isLater of [false, true]) {
          const provider = yield* counting()
          const inner = ResolutionProvider.make(provider)
          const outer: SDK.Provider = {
            ...inner,
            metadata: { name: "outer" },
            resolveStringEvaluation: async (...args) => {
              if (isLater) await Promise.resolve()
              return inner.resolveStringEvaluation(...args)
            }
          }
          const flags = yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(outer), hooks })
          const evaluate = flags.stringDetails("a", "none")
          const { record, value } = yield* FeatureFlags.transaction(Effect.all([evaluate, evaluate]))
          assert.deepStrictEqual(value.map(({ reason, value }) => [value, reason]), [
            ["a 1", "TARGETING_MATCH"],
            ["a 1", "CACHED"]
          ])
          assert.deepStrictEqual(short(record), ["a provider 1", "a cache 1"])
        }
      }))

    it.effect(`ends a nested evaluation with the deadline of its hook, ${path}`, () =>
      Effect.gen(function*() {
        const asking = FeatureHook.observe(FeatureHook.timeout(
          change(FeatureHook.make("asking", {
            before: ({ flagKey }) => flagKey === "a" ? Effect.asVoid(FeatureFlags.string("never", "none")) : Effect.void
          })),
          "1 second"
        ))
        const { flags } = yield* client({ a: TestProvider.value("fine"), never: TestProvider.never })
        yield* collectFailures(() =>
          Effect.gen(function*() {
            const fiber = yield* Effect.forkChild(
              FeatureFlags.transaction(flags.string("a", "none", { hooks: [asking] })).pipe(
                Effect.provideService(FeatureFlags.FeatureFlags, flags)
              )
            )
            for (let i = 0; i < 5; i++) {
              yield* turns()
              yield* TestClock.adjust("1 second")
            }
            const { record, value } = yield* Fiber.join(fiber)
            assert.strictEqual(value, "fine")
            assert.include(short(record), "a provider 1")
          })
        )
      }))

    it.effect(`a fiber that outlives it evaluates normally and leaves the record alone, ${path}`, () =>
      Effect.gen(function*() {
        const { flags } = yield* countingClient({ hooks })
        const gate = yield* Deferred.make<void>()
        const after = Effect.andThen(
          Deferred.await(gate),
          Effect.all([flags.string("a", "none"), flags.string("a", "none"), flags.string("b", "none")])
        )
        const { record, value } = yield* FeatureFlags.transaction(
          Effect.gen(function*() {
            yield* flags.string("a", "none")
            return yield* Effect.forkDetach(after)
          }),
          { overrides: { b: "override" } }
        )
        yield* Deferred.succeed(gate, undefined)
        assert.deepStrictEqual(yield* Fiber.join(value), ["a 2", "a 3", "b 4"])
        assert.deepStrictEqual(short(record), ["a provider 1"])
        assert.isTrue(Object.isFrozen(record) && Object.isFrozen(record.entries) && Object.isFrozen(record.entries[0]))
      }))

    it.effect(`joins the transaction around it, or is separate, ${path}`, () =>
      Effect.gen(function*() {
        const { flags } = yield* countingClient({ hooks })
        const all = Effect.all(["a", "b", "c"].map((flagKey) => flags.string(flagKey, "none")))
        const nested = (nested: "join" | "separate") =>
          FeatureFlags.transaction(
            Effect.gen(function*() {
              const first = yield* flags.string("a", "none")
              const inner = yield* FeatureFlags.transaction(all, { nested, overrides: { c: "inner" } })
              return { first, inner, after: yield* all }
            }),
            { overrides: { b: "outer" } }
          )
        const joined = yield* nested("join")
        assert.deepStrictEqual(joined.value.first, "a 1")
        assert.deepStrictEqual(joined.value.inner.value, ["a 1", "outer", "inner"])
        assert.deepStrictEqual(joined.value.after, ["a 1", "outer", "c 2"])
        assert.deepStrictEqual(short(joined.value.inner.record), ["a cache 1", "b override 1", "c override 1"])
        assert.deepStrictEqual(short(joined.record), [
          "a provider 1",
          "a cache 2",
          "b override 2",
          "c override 1",
          "c provider 1"
        ])
        const separate = yield* nested("separate")
        assert.deepStrictEqual(separate.value.inner.value, ["a 4", "b 5", "inner"])
        assert.deepStrictEqual(separate.value.after, ["a 3", "outer", "c 6"])
        assert.deepStrictEqual(short(separate.record), ["a provider 1", "a cache 1", "b override 1", "c provider 1"])
      }))

    it.effect(`a nested one that outlives the one around it stays consistent, ${path}`, () =>
      Effect.gen(function*() {
        const { flags } = yield* countingClient({ hooks })
        const gate = yield* Deferred.make<void>()
        const inner = FeatureFlags.transaction(Effect.gen(function*() {
          const first = yield* flags.string("a", "none")
          yield* Deferred.await(gate)
          return [
            first,
            yield* flags.string("a", "none"),
            yield* flags.string("b", "none"),
            yield* flags.string("b", "none")
          ]
        }))
        const { record, value } = yield* FeatureFlags.transaction(Effect.gen(function*() {
          const fiber = yield* Effect.forkDetach(inner)
          yield* turns()
          return fiber
        }))
        yield* Deferred.succeed(gate, undefined)
        const ended = yield* Fiber.join(value)
        assert.deepStrictEqual(ended.value, ["a 1", "a 1", "b 2", "b 2"])
        assert.deepStrictEqual(short(record), ["a provider 1"])
      }))

    it.effect(`without a cache it only overrides and records, ${path}`, () =>
      Effect.gen(function*() {
        const { flags } = yield* countingClient({ hooks })
        const { record, value } = yield* FeatureFlags.transaction(
          Effect.all([flags.string("a", "none"), flags.string("a", "none"), flags.string("b", "none")]),
          { cache: false, overrides: { b: "override" } }
        )
        assert.deepStrictEqual(value, ["a 1", "a 2", "override"])
        assert.deepStrictEqual(short(record), ["a provider 2", "b override 1"])
        assert.strictEqual(record.notKept, 0)
      }))

    it.effect(`says once that a provider does not take part, and records all the same, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const { domain } = yield* plainClient({ flags: { a: TestProvider.value("provider") } })
          const flags = yield* FeatureFlags.make({ domain, hooks })
          const { record, value } = yield* FeatureFlags.transaction(
            Effect.all([flags.stringDetails("a", "none"), flags.stringDetails("a", "none")]),
            { overrides: { a: "override" } }
          )
          assert.deepStrictEqual(value.map(({ value }) => value), ["provider", "provider"])
          assert.deepStrictEqual(short(record), ["a provider 2"])
          yield* turns()
          assert.deepStrictEqual(
            failures.map(({ cause, flagKey, hook }) => [hook, flagKey, String(cause)].join(" ")).map((text) =>
              text.includes("the provider serves no answers of hooks, so a transaction only records; wrap it")
            ),
            [true]
          )
          const only = yield* FeatureFlags.transaction(flags.string("a", "none"), { cache: false })
          assert.deepStrictEqual(short(only.record), ["a provider 1"])
          yield* turns()
          assert.strictEqual(failures.length, 1)
        })
      ))

    it.effect(`records an evaluation that a hook rejected, ${path}`, () =>
      Effect.gen(function*() {
        const rejecting = change(FeatureHook.make("rejecting", {
          before: () =>
            Effect.fail(new EvaluationError.EvaluationError({ code: "TARGETING_KEY_MISSING", message: "who?" }))
        }))
        const { flags } = yield* countingClient()
        const { record, value } = yield* FeatureFlags.transaction(Effect.all([
          flags.string("a", "none", { hooks: [rejecting] }),
          flags.string("a", "none")
        ]))
        assert.deepStrictEqual(value, ["none", "a 1"])
        assert.deepStrictEqual(record.entries.map(({ errorCode, source }) => [errorCode, source]), [
          ["TARGETING_KEY_MISSING", "none"],
          [undefined, "provider"]
        ])
      }))
  }

  for (const isAwaited of [true, false]) {
    it.effect(`hints that a hook passes on take no evaluation into its place, ${isAwaited ? "" : "not "}awaited`, () =>
      Effect.gen(function*() {
        const provider = yield* TestProvider.make({
          flags: (_, { targetingKey }) => TestProvider.value(`for ${targetingKey}`)
        })
        const domain = newDomain()
        const flags = yield* FeatureFlags.make({ domain, provider: Effect.succeed(provider) })
        const plain = SDK.OpenFeature.getClient(domain)
        const nested: Array<string> = []
        let isNested = false
        flags.client.addHooks({
          before: async (_context, hookHints) => {
            if (isNested || hookHints === undefined) return
            isNested = true
            const evaluating = plain.getStringValue("a", "none", { targetingKey: "ben" }, {
              hookHints,
              hooks: [OpenFeatureHook.make(idle, ...isAwaited ? [] : [deferred(idle)])]
            }).then((value) => nested.push(value))
            if (isAwaited) await evaluating
          }
        })
        const evaluate = flags.string("a", "none", { context: { targetingKey: "ana" } })
        const { value } = yield* FeatureFlags.transaction(Effect.all([evaluate, evaluate]))
        yield* turns()
        assert.deepStrictEqual(value, ["for ana", "for ana"])
        assert.deepStrictEqual(nested, ["for ben"])
      }))
  }

  it.effect("has the value of the first request to end, for those that wait for another one too", () =>
    Effect.gen(function*() {
      const { flags, provider } = yield* client({ a: TestProvider.delayed("5 seconds", TestProvider.value("old")) })
      const evaluate = flags.string("a", "none")
      const fiber = yield* Effect.forkChild(FeatureFlags.transaction(Effect.gen(function*() {
        const first = yield* Effect.forkChild(Effect.timeoutOption(evaluate, "1 second"))
        const second = yield* Effect.forkChild(evaluate)
        yield* Effect.sleep("500 millis")
        yield* provider.set("a", TestProvider.value("new"))
        const { _tag } = yield* Fiber.join(first)
        return [_tag, yield* evaluate, yield* Fiber.join(second), yield* evaluate]
      })))
      for (let i = 0; i < 8; i++) {
        yield* turns()
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual((yield* Fiber.join(fiber)).value, ["None", "new", "new", "new"])
      assert.strictEqual((yield* provider.calls).length, 2)
    }))

  it.effect("counts an evaluation once that also passes the hook for plain code", () =>
    Effect.gen(function*() {
      const { flags } = yield* countingClient({ hooks: [FlagTransaction.hook] })
      const { record } = yield* FeatureFlags.transaction(flags.string("a", "none"))
      assert.strictEqual(record.evaluations, 1)
    }))

  it.effect("a hook that was added within it takes no evaluation of others into it", () =>
    Effect.gen(function*() {
      const { flags } = yield* countingClient()
      const seen: Array<string> = []
      const asking = FeatureHook.make("asking", {
        before: ({ flagKey }) =>
          flagKey === "a" ? Effect.map(flags.string("b", "none"), (value) => void seen.push(value)) : Effect.void
      })
      const outer = yield* Effect.context()
      const { record } = yield* FeatureFlags.transaction(
        Effect.gen(function*() {
          yield* flags.addHooks(asking)
          yield* Effect.promise(() => Effect.runPromiseWith(outer)(flags.string("a", "none")))
        }),
        { overrides: { b: "override" } }
      )
      assert.deepStrictEqual(seen, ["b 1"])
      assert.deepStrictEqual(record.entries, [])
    }))

  it.effect("says that a wrapper within a MultiProvider does not take part", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const provider = yield* counting()
        const domain = newDomain()
        const multi = new SDK.MultiProvider([{ provider: ResolutionProvider.make(provider) }])
        yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, multi))
        const flags = yield* FeatureFlags.make({ domain })
        const { record, value } = yield* FeatureFlags.transaction(flags.string("a", "none"))
        assert.strictEqual(value, "a 1")
        assert.deepStrictEqual(short(record), ["a provider 1"])
        yield* turns()
        assert.deepStrictEqual(failures.map(({ hook }) => hook), ["FlagTransaction"])
      })
    ))

  it.effect("keeps values apart from what callers and providers write to them", () =>
    Effect.gen(function*() {
      const own = { deep: { list: [1] } }
      const provider = yield* TestProvider.make({ flags: { a: Effect.succeed({ value: own }) } })
      const domain = newDomain()
      yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider)))
      const plain = SDK.OpenFeature.getClient(domain).addHooks(OpenFeatureHook.make(FlagTransaction.hook))
      yield* Effect.promise(() =>
        FlagTransaction.run({}, async () => {
          for (let i = 0; i < 3; i++) {
            const value = await plain.getObjectValue<SDK.JsonObject>("a", {})
            assert.deepStrictEqual(value, { deep: { list: [1] } })
            Object.assign(value, { deep: "written" })
            own.deep = { list: [2] }
          }
        })
      )
    }))

  it.effect("bounds what it keeps and what it records, and says so", () =>
    Effect.gen(function*() {
      const { flags, provider } = yield* countingClient()
      const { record, value } = yield* FeatureFlags.transaction(
        Effect.forEach(["a", "b", "c", "a", "b", "c"], (flagKey) => flags.string(flagKey, "none")),
        { capacity: 2 }
      )
      assert.deepStrictEqual(value, ["a 1", "b 2", "c 3", "a 1", "b 2", "c 4"])
      assert.deepStrictEqual(short(record), ["a provider 1", "b provider 1"])
      assert.strictEqual(record.evaluations, 6)
      assert.strictEqual(record.omitted, 4)
      assert.strictEqual(record.notKept, 2)
      assert.strictEqual((yield* provider.calls).length, 4)
    }))

  it.effect("asks the provider for contexts that cannot be compared", () =>
    Effect.gen(function*() {
      const { flags } = yield* countingClient()
      const cyclic: Record<string, unknown> = {}
      cyclic["self"] = cyclic
      const contexts: ReadonlyArray<object> = [
        { cyclic },
        { map: new Map() },
        { run: () => 1 },
        { long: "x".repeat(10_001) },
        Object.fromEntries(Array.from({ length: 10_001 }, (_, index) => [`a${index}`, 1])),
        { list: Object.assign(new Array(3), [1]) },
        {
          deep: {
            get getter() {
              throw new Error("secret")
            }
          }
        }
      ]
      for (const context of contexts) {
        const evaluate = flags.string("a", "none", { context: untyped(context) })
        const { record } = yield* FeatureFlags.transaction(Effect.all([evaluate, evaluate]))
        assert.strictEqual(record.notKept, 2)
        assert.deepStrictEqual(short(record), ["a provider 2"])
      }
    }))

  it.effect("has values in the record only if asked to", () =>
    Effect.gen(function*() {
      const { flags } = yield* countingClient()
      const request = Effect.all([flags.string("a", "none"), flags.string("missing", "default")])
      const context = { targetingKey: "secret-user" }
      const without = yield* FeatureFlags.withContext(FeatureFlags.transaction(request), context)
      assert.notMatch(JSON.stringify(without.record), /a 1|default|secret/)
      const { record } = yield* FeatureFlags.transaction(request, { values: true })
      assert.deepStrictEqual(record.entries.map(({ errorCode, value }) => [value, errorCode]), [
        ["a 2", undefined],
        ["default", "FLAG_NOT_FOUND"]
      ])
    }))

  it.effect("takes hostile names of flags and overrides as they are", () =>
    Effect.gen(function*() {
      const { flags } = yield* countingClient()
      const overrides = JSON.parse("{\"__proto__\": \"own\", \"constructor\": \"built\"}")
      const long = "x".repeat(5000)
      const { record, value } = yield* FeatureFlags.transaction(
        Effect.forEach(["__proto__", "constructor", "toString", long], (flagKey) => flags.string(flagKey, "none")),
        { overrides }
      )
      assert.deepStrictEqual(value.slice(0, 3), ["own", "built", "toString 1"])
      assert.isAtMost(record.entries[3]?.flagKey.length ?? 0, 1024)
    }))

  it.effect("an override of the wrong type is a TYPE_MISMATCH", () =>
    Effect.gen(function*() {
      const { flags } = yield* countingClient()
      const { record, value } = yield* FeatureFlags.transaction(flags.numberDetails("a", 5), { overrides: { a: "x" } })
      assert.strictEqual(value.errorCode, "TYPE_MISMATCH")
      assert.strictEqual(value.value, 5)
      assert.deepStrictEqual(short(record), ["a override 1"])
    }))

  it("throws for wrong options, by name", () => {
    const wrong = (options: object, owner = "FeatureFlags.transaction") =>
      rangeError(() =>
        owner === "FlagTransaction.run"
          ? Reflect.apply(FlagTransaction.run, undefined, [options, () => 1])
          : Reflect.apply(FeatureFlags.transaction, undefined, [Effect.void, options])
      )
    for (const owner of ["FeatureFlags.transaction", "FlagTransaction.run"]) {
      assert.include(wrong({ cach: true }, owner), `${owner}: there is no option "cach"; did you mean "cache"?`)
      assert.include(wrong({ nested: "no" }, owner), `${owner}: nested must be one of join, separate`)
      assert.include(wrong({ capacity: 0 }, owner), `${owner}: capacity must be an integer >= 1`)
      assert.include(wrong({ overrides: [] }, owner), `${owner}: overrides must be an object`)
      assert.include(
        wrong({ overrides: { a: undefined } }, owner),
        `${owner}: overrides: flag "a" has no value`
      )
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, { deep: [Number.NaN] }]) {
        assert.include(wrong({ overrides: { a: value } }, owner), `flag "a" has a number that is not finite`)
      }
      assert.include(wrong({ overrides: { a: new Map() } }, owner), `flag "a" has an object in its value that is not`)
      assert.include(wrong(untyped("x"), owner), `${owner}: the argument must be an object with the options overrides`)
      assert.include(wrong({ onEnd: 1 }, owner), `${owner}: onEnd must be a function`)
    }
  })

  it("throws for what cannot run, by name", () => {
    const call = (...args: ReadonlyArray<unknown>) =>
      rangeError(() => Reflect.apply(FlagTransaction.run, undefined, args))
    assert.include(call("x"), "FlagTransaction.run: the argument must be an object")
    assert.include(call(() => 1), "FlagTransaction.run: the argument must be an object")
    assert.include(call({}), "FlagTransaction.run: the function must be a function")
    assert.include(
      rangeError(() => Reflect.apply(FeatureFlags.transaction({}), undefined, ["x"])),
      "FeatureFlags.transaction: the program must be an effect"
    )
  })

  it.effect("takes an onEnd that returns no effect, also a promise that rejects", () =>
    Effect.gen(function*() {
      for (const onEnd of [() => undefined, () => 1, () => Promise.reject(new Error("lost"))]) {
        const rejections = yield* unhandledRejections(
          Effect.map(
            FeatureFlags.transaction(Effect.succeed(5), { onEnd: Function.cast(onEnd) }),
            ({ value }) => assert.strictEqual(value, 5)
          )
        )
        assert.deepStrictEqual(rejections, [])
      }
    }))

  it("has the types of the effect and of onEnd", () => {
    const failing = Effect.fail("no" as const)
    expectTypeOf(FeatureFlags.transaction(failing)).toEqualTypeOf<
      Effect.Effect<FlagTransaction.Result<never>, "no">
    >()
    expectTypeOf(Effect.succeed(1).pipe(FeatureFlags.transaction({ cache: false }))).toEqualTypeOf<
      Effect.Effect<FlagTransaction.Result<number>>
    >()
    expectTypeOf(
      Effect.succeed(1).pipe(FeatureFlags.transaction({ onEnd: () => FeatureFlags.status }))
    ).toEqualTypeOf<Effect.Effect<FlagTransaction.Result<number>, never, FeatureFlags.FeatureFlags>>()
  })
})

describe("a transaction of plain code", () => {
  for (const [path, change] of paths) {
    it.effect(`gives the same value, overrides and records, ${path}`, () =>
      Effect.gen(function*() {
        const { client } = yield* countingPlain(change(idle))
        const evaluate = (flagKey: string) => client.getStringValue(flagKey, "none", { targetingKey: "ana" })
        const { record, value } = yield* Effect.promise(() =>
          FlagTransaction.run({ overrides: { b: "override" } }, async () => [
            await evaluate("a"),
            ...await Promise.all([evaluate("a"), evaluate("b"), evaluate("c"), evaluate("c")])
          ])
        )
        assert.deepStrictEqual(value, ["a 1", "a 1", "override", "c 2", "c 2"])
        assert.deepStrictEqual(short(record).sort(), [
          "a cache 1",
          "a provider 1",
          "b override 1",
          "c cache 1",
          "c provider 1"
        ])
        assert.strictEqual(yield* Effect.promise(() => evaluate("a")), "a 3")
      }))

    it.effect(`no longer joins a request that does not end, ${path}`, () =>
      Effect.gen(function*() {
        const provider = yield* TestProvider.make({ flags: { a: TestProvider.never } })
        const domain = newDomain()
        yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider)))
        const plain = SDK.OpenFeature.getClient(domain)
        plain.addHooks(OpenFeatureHook.make(FlagTransaction.hook, change(idle)))
        const evaluate = () => plain.getStringValue("a", "none")
        const gate = yield* Deferred.make<void>()
        const running = yield* Effect.promise(() =>
          FlagTransaction.run({}, async () => {
            void evaluate()
            await Effect.runPromise(Deferred.await(gate))
            return Promise.all([evaluate(), evaluate()])
          })
        ).pipe(Effect.forkChild({ startImmediately: true }))
        yield* turns()
        yield* provider.set("a", TestProvider.value("late"))
        yield* TestClock.adjust("5 seconds")
        yield* Deferred.succeed(gate, undefined)
        yield* until(() => running.pollUnsafe() !== undefined)
        assert.deepStrictEqual((yield* Fiber.join(running)).value, ["late", "late"])
        assert.strictEqual((yield* provider.calls).length, 2)
      }))

    it.effect(`no longer waits for a request that does not end, ${path}`, () =>
      Effect.gen(function*() {
        const provider = yield* TestProvider.make({ flags: { a: TestProvider.never } })
        const domain = newDomain()
        yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider)))
        const plain = SDK.OpenFeature.getClient(domain)
        plain.addHooks(OpenFeatureHook.make(FlagTransaction.hook, change(idle)))
        const evaluate = () => plain.getStringValue("a", "none")
        const running = yield* Effect.promise(() =>
          FlagTransaction.run({}, () => {
            void evaluate()
            return Promise.all([evaluate(), evaluate(), evaluate()])
          })
        ).pipe(Effect.forkChild({ startImmediately: true }))
        yield* turns()
        yield* provider.set("a", TestProvider.value("again"))
        yield* TestClock.adjust("4999 millis")
        yield* turns()
        assert.strictEqual((yield* provider.calls).length, 1)
        yield* TestClock.adjust("1 millis")
        yield* until(() => running.pollUnsafe() !== undefined)
        assert.deepStrictEqual((yield* Fiber.join(running)).value, ["again", "again", "again"])
        assert.strictEqual((yield* provider.calls).length, 2)
      }))

    it.effect(`waits for requests of others at most twice when none of them ends, ${path}`, () =>
      Effect.gen(function*() {
        const provider = yield* TestProvider.make({ flags: { a: TestProvider.never } })
        const domain = newDomain()
        yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider)))
        const plain = SDK.OpenFeature.getClient(domain)
        plain.addHooks(OpenFeatureHook.make(FlagTransaction.hook, change(idle)))
        let end = (): void => undefined
        const gate = new Promise<void>((resolve) => (end = resolve))
        const running = yield* Effect.promise(() =>
          FlagTransaction.run({}, () => {
            for (let i = 0; i < 6; i++) void plain.getStringValue("a", "none")
            return gate
          })
        ).pipe(Effect.forkChild({ startImmediately: true }))
        const asked: Array<number> = []
        for (let i = 0; i < 3; i++) {
          yield* turns()
          asked.push((yield* provider.calls).length)
          yield* TestClock.adjust("5 seconds")
        }
        end()
        yield* Fiber.join(running)
        assert.deepStrictEqual(asked, [1, 2, 6])
      }))

    it.effect(`goes on at once when what wraps the provider gives up, ${path}`, () =>
      Effect.gen(function*() {
        const provider = yield* TestProvider.make({ flags: { a: TestProvider.never } })
        const domain = newDomain()
        const serving = ResolutionProvider.make(provider)
        let giveUp = (): void => undefined
        const late = new Promise<never>((_, reject) => (giveUp = () => reject(new Error("late"))))
        let asked = 0
        const bounded: SDK.Provider = {
          metadata: serving.metadata,
          resolveBooleanEvaluation: (...args) => serving.resolveBooleanEvaluation(...args),
          resolveNumberEvaluation: (...args) => serving.resolveNumberEvaluation(...args),
          resolveObjectEvaluation: (...args) => serving.resolveObjectEvaluation(...args),
          resolveStringEvaluation: (...args) => {
            const resolving = serving.resolveStringEvaluation(...args)
            return asked++ === 0 ? Promise.race([resolving, late]) : resolving
          }
        }
        yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, bounded))
        const plain = SDK.OpenFeature.getClient(domain)
        plain.addHooks(OpenFeatureHook.make(FlagTransaction.hook, change(idle)))
        const evaluate = () => plain.getStringValue("a", "none")
        const { value } = yield* Effect.promise(() =>
          FlagTransaction.run({}, async () => {
            const all = Promise.all([evaluate(), evaluate(), evaluate()])
            await Effect.runPromise(Effect.andThen(turns(), provider.set("a", TestProvider.value("again"))))
            giveUp()
            return all
          })
        )
        assert.deepStrictEqual(value, ["none", "again", "again"])
        assert.strictEqual((yield* provider.calls).length, 2)
      }))

    it.effect(`gives the record when the function fails, and ignores what onEnd throws, ${path}`, () =>
      Effect.gen(function*() {
        const { client } = yield* countingPlain(change(idle))
        const seen: Array<ReadonlyArray<string>> = []
        const error = yield* Effect.flip(Effect.tryPromise({
          try: () =>
            FlagTransaction.run({
              onEnd: (record) => {
                seen.push(short(record))
                throw new Error("ignored")
              }
            }, async () => {
              await client.getStringValue("a", "none")
              throw new Error("failed")
            }),
          catch: (error) => String(error)
        }))
        assert.strictEqual(error, "Error: failed")
        assert.deepStrictEqual(seen, [["a provider 1"]])
      }))

    it.effect(`joins the one around it, and what outlives it evaluates normally, ${path}`, () =>
      Effect.gen(function*() {
        const { client } = yield* countingPlain(change(idle))
        const evaluate = () => client.getStringValue("a", "none")
        let later: Promise<ReadonlyArray<string>> | undefined = undefined
        let open = (): void => undefined
        const gate = new Promise<void>((resolve) => (open = resolve))
        const { record, value } = yield* Effect.promise(() =>
          FlagTransaction.run({}, async () => {
            later = gate.then(async () => [await evaluate(), await evaluate()])
            const inner = await FlagTransaction.run({}, async () => [await evaluate(), await evaluate()])
            const separate = await FlagTransaction.run({ nested: "separate" }, evaluate)
            return [...inner.value, await evaluate(), separate.value]
          })
        )
        open()
        assert.deepStrictEqual(value, ["a 1", "a 1", "a 1", "a 2"])
        assert.deepStrictEqual(yield* Effect.promise(async () => later), ["a 3", "a 4"])
        assert.deepStrictEqual(short(record), ["a provider 1", "a cache 2"])
      }))

    it.effect(`a hook ahead of it that waits loses no transaction, ${path}`, () =>
      Effect.gen(function*() {
        const provider = yield* counting()
        const domain = newDomain()
        yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider)))
        const plain = SDK.OpenFeature.getClient(domain)
        plain.addHooks(OpenFeatureHook.make(change(deferred(idle)), FlagTransaction.hook))
        const requests = yield* Effect.promise(() =>
          Promise.all(Array.from({ length: 50 }, (_, index) =>
            FlagTransaction.run({ overrides: { mine: `${index}` } }, () =>
              Promise.all([plain.getStringValue("mine", "none"), plain.getStringValue("mine", "none")]))))
        )
        assert.deepStrictEqual(
          requests.map(({ value }) =>
            value
          ),
          Array.from({ length: 50 }, (_, index) => [`${index}`, `${index}`])
        )
      }))

    it.effect(`takes evaluations of the SDK in a fiber into the transaction of the fiber, ${path}`, () =>
      Effect.gen(function*() {
        const { client } = yield* countingPlain(change(idle))
        const evaluate = Effect.promise(() => client.getStringValue("a", "none"))
        const { record, value } = yield* FeatureFlags.transaction(Effect.all([evaluate, evaluate]))
        assert.deepStrictEqual(value, ["a 1", "a 1"])
        assert.deepStrictEqual(short(record), ["a provider 1", "a cache 1"])
        const run = Effect.promise(() =>
          FlagTransaction.run({}, async () => [
            await client.getStringValue("a", "none"),
            await client.getStringValue("a", "none")
          ])
        )
        assert.deepStrictEqual((yield* run).value, ["a 2", "a 2"])
        const joined = yield* FeatureFlags.transaction(Effect.all([evaluate, run]))
        assert.deepStrictEqual(joined.value[1].value, ["a 3", "a 3"])
      }))
  }

  it.effect("lets hooks answer for a subject that a later hook sets, and that has no value yet", () =>
    Effect.gen(function*() {
      let user: string | undefined = undefined
      const identify = identifying(() => user)
      const hook = overridingTesters()
      const { client } = yield* countingPlain(identify, hook)
      const { value } = yield* Effect.promise(() =>
        FlagTransaction.run({}, async () => {
          const nobody = await client.getStringValue("a", "none")
          user = "tester"
          return [nobody, await client.getStringValue("a", "none")]
        })
      )
      assert.deepStrictEqual(value, ["a 1", "override"])
    }))

  it.effect("a fiber that plain code starts belongs to no transaction of plain code", () =>
    Effect.gen(function*() {
      const { client } = yield* countingPlain()
      const program = Effect.gen(function*() {
        const first = yield* Effect.promise(() => client.getStringValue("a", "none"))
        yield* Effect.yieldNow
        return [first, yield* Effect.promise(() => client.getStringValue("a", "none"))]
      })
      const { record, value } = yield* Effect.promise(() =>
        FlagTransaction.run({ overrides: { a: "override" } }, () => Effect.runPromise(program))
      )
      assert.deepStrictEqual(value, ["a 1", "a 2"])
      assert.deepStrictEqual(record.entries, [])
    }))

  it.effect("says that it has no effect within a timeout", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const { flags } = yield* countingClient({ hooks: [FeatureHook.timeout(FlagTransaction.hook, "1 second")] })
        assert.strictEqual(yield* flags.string("a", "none"), "a 1")
        yield* turns()
        assert.deepStrictEqual(failures.map(({ hook, stage }) => [hook, stage]), [["FlagTransaction", "before"]])
      })
    ))

  it.effect("ends at once for a function that returns no promise, and for one that throws", () =>
    Effect.gen(function*() {
      const { record, value } = yield* Effect.promise(() => FlagTransaction.run({}, () => 5))
      assert.strictEqual(value, 5)
      assert.deepStrictEqual(record.entries, [])
      const thrown = yield* Effect.promise(() =>
        FlagTransaction.run({}, () => {
          throw new Error("now")
        }).then(() => "no", String)
      )
      assert.strictEqual(thrown, "Error: now")
    }))
})
