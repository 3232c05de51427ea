import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Function, Metric, Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  CacheHook,
  DedupeHook,
  EvaluationError,
  FeatureFlags,
  FeatureHook,
  OpenFeatureHook,
  ResolutionProvider
} from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { Flights } from "../../src/internal/hook/cacheFlights.ts"
import { Memory } from "../../src/internal/hook/cacheMemory.ts"
import * as Registration from "../../src/internal/hook/registration.ts"
import {
  client,
  collectFailures,
  identifying,
  newDomain,
  paths,
  plainClient,
  rangeError,
  turns,
  unhandledRejections,
  until
} from "../support.ts"

type Flags = FeatureFlags.FeatureFlags["Service"]

const ana = { targetingKey: "ana" }
const ben = { targetingKey: "ben" }

const details = (flags: Flags, context: Record<string, string> = ana, flagKey = "sale") =>
  flags.booleanDetails(flagKey, false, { context })

/** A provider that counts, with a cache in front of it. */
const rig = Effect.fnUntraced(function*(
  options: Partial<CacheHook.Options> = {},
  answer: TestProvider.Answer = TestProvider.value(true, { variant: "on", flagMetadata: { version: 7 } }),
  change: <E, R>(hook: FeatureHook.FeatureHook<E, R>) => FeatureHook.FeatureHook<E, R> = (hook) => hook
) {
  const cache = yield* CacheHook.make({ key: ["targetingKey"], ...options })
  const { flags, provider } = yield* client({ sale: answer }, { hooks: [change(cache.hook)] })
  return { cache, flags, provider, asked: Effect.map(provider.calls, (calls) => calls.length) }
})

describe("a cache", () => {
  for (const [path, change] of paths) {
    it.effect(`answers what the provider resolved, until its time is over, ${path}`, () =>
      Effect.gen(function*() {
        const { asked, cache, flags } = yield* rig({ timeToLive: "1 minute" }, undefined, change)
        assert.strictEqual((yield* details(flags)).reason, "STATIC")
        for (let i = 0; i < 2; i++) {
          assert.deepInclude(yield* details(flags), {
            value: true,
            variant: "on",
            reason: "CACHED",
            flagMetadata: { version: 7 }
          })
        }
        yield* TestClock.adjust("59999 millis")
        yield* details(flags)
        assert.strictEqual(yield* asked, 1)
        yield* TestClock.adjust("1 millis")
        yield* details(flags)
        assert.strictEqual(yield* asked, 2)
        assert.deepStrictEqual(yield* cache.counts, {
          hits: 3,
          stale: 0,
          shared: 0,
          misses: 2,
          bypassed: 0,
          errors: 0,
          evicted: 0,
          size: 1
        })
      }))

    it.effect(`serves a stale answer while one evaluation asks the provider, ${path}`, () =>
      Effect.gen(function*() {
        const answer = TestProvider.delayed("1 second", TestProvider.value(true))
        const { asked, cache, flags } = yield* rig({ timeToLive: "1 minute", staleFor: "1 minute" }, answer, change)
        const evaluate = Effect.forkChild(details(flags), { startImmediately: true })
        const first = yield* evaluate
        yield* turns()
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(first)
        yield* TestClock.adjust("1 minute")
        const refresh = yield* evaluate
        yield* turns()
        for (let i = 0; i < 5; i++) assert.strictEqual((yield* details(flags)).reason, "CACHED")
        assert.strictEqual(yield* asked, 2)
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(refresh)).reason, "STATIC")
        yield* details(flags)
        assert.deepInclude(yield* cache.counts, { hits: 1, stale: 5, misses: 2 })
      }))

    it.effect(`asks the provider once for many evaluations at the same time, ${path}`, () =>
      Effect.gen(function*() {
        const answer = TestProvider.delayed("500 millis", TestProvider.value(true))
        const { asked, cache, flags } = yield* rig({}, answer, change)
        const many = Effect.all(Array.from({ length: 20 }, () => details(flags)), { concurrency: "unbounded" })
        const fiber = yield* Effect.forkChild(many, { startImmediately: true })
        yield* turns()
        yield* TestClock.adjust("500 millis")
        const reasons = (yield* Fiber.join(fiber)).map(({ reason }) => reason)
        assert.deepStrictEqual(reasons, ["STATIC", ...Array.from({ length: 19 }, () => "CACHED")])
        assert.strictEqual(yield* asked, 1)
        assert.deepInclude(yield* cache.counts, { shared: 19, misses: 1 })
      }))

    it.effect(`waits for another evaluation no longer than its bound, ${path}`, () =>
      Effect.gen(function*() {
        const { asked, flags } = yield* rig(
          { waitTimeout: "300 millis" },
          TestProvider.delayed("10 seconds", TestProvider.value(true)),
          change
        )
        const many = Effect.all(Array.from({ length: 3 }, () => details(flags)), { concurrency: "unbounded" })
        const fiber = yield* Effect.forkChild(many, { startImmediately: true })
        yield* turns()
        yield* TestClock.adjust("299 millis")
        yield* turns()
        assert.strictEqual(yield* asked, 1)
        yield* TestClock.adjust("1 millis")
        yield* turns()
        assert.strictEqual(yield* asked, 3)
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(fiber)
      }))

    it.effect(`lets the others go on when the one that asks fails, ${path}`, () =>
      Effect.gen(function*() {
        const answer = TestProvider.delayed("100 millis", TestProvider.error("GENERAL", "no"))
        const { asked, flags } = yield* rig({}, answer, change)
        const many = Effect.all(Array.from({ length: 4 }, () => details(flags)), { concurrency: "unbounded" })
        const fiber = yield* Effect.forkChild(many, { startImmediately: true })
        yield* turns()
        yield* TestClock.adjust("100 millis")
        yield* turns()
        assert.strictEqual(yield* asked, 4)
        yield* TestClock.adjust("100 millis")
        assert.isTrue((yield* Fiber.join(fiber)).every(({ errorCode }) => errorCode === "GENERAL"))
      }))

    it.effect(`lets the others go on when the one that asks is interrupted, ${path}`, () =>
      Effect.gen(function*() {
        const { asked, flags, provider } = yield* rig({ waitTimeout: "1 hour" }, TestProvider.never, change)
        const leader = yield* Effect.forkChild(details(flags), { startImmediately: true })
        yield* turns()
        const other = yield* Effect.forkChild(details(flags), { startImmediately: true })
        yield* turns()
        assert.strictEqual(yield* asked, 1)
        yield* provider.set("sale", TestProvider.value(true))
        leader.interruptUnsafe()
        // The provider still hangs, and the client gives it a while to end.
        yield* until(() => other.pollUnsafe() !== undefined)
        assert.isTrue((yield* Fiber.join(other)).value)
        assert.strictEqual(yield* asked, 2)
        yield* TestClock.adjust("30 seconds")
      }))

    it.effect(`lets one of the others ask when the scope of the one that asks closes, ${path}`, () =>
      Effect.gen(function*() {
        const cache = yield* CacheHook.make({ key: ["targetingKey"], waitTimeout: "1 hour" })
        const domain = newDomain()
        const provider = yield* TestProvider.make({ flags: { sale: TestProvider.never } })
        const flags = yield* FeatureFlags.make({
          domain,
          provider: Effect.succeed(provider),
          hooks: [change(cache.hook)]
        })
        const scope = yield* Scope.make()
        const closing = SDK.OpenFeature.getClient(domain)
        closing.addHooks(yield* Scope.provide(OpenFeatureHook.makeEffect(change(cache.hook)), scope))
        void closing.getBooleanValue("sale", false, ana)
        yield* turns()
        const others = yield* Effect.forkChild(
          Effect.all(Array.from({ length: 3 }, () => details(flags)), { concurrency: "unbounded" }),
          { startImmediately: true }
        )
        yield* turns()
        assert.strictEqual((yield* provider.calls).length, 1)
        yield* provider.set("sale", TestProvider.value(true))
        yield* Scope.close(scope, Exit.void)
        yield* until(() => others.pollUnsafe() !== undefined)
        const reasons = (yield* Fiber.join(others)).map(({ reason }) => reason)
        assert.deepStrictEqual(reasons, ["STATIC", "CACHED", "CACHED"])
        assert.strictEqual((yield* provider.calls).length, 2)
        assert.deepInclude(yield* cache.counts, { misses: 2, shared: 2 })
      }))

    it.effect(`waits for others in a row no longer than its bound, ${path}`, () =>
      Effect.gen(function*() {
        const { asked, flags, provider } = yield* rig({ waitTimeout: "1 second" }, TestProvider.never, change)
        const evaluate = Effect.forkChild(details(flags), { startImmediately: true })
        const [first, second, third] = [yield* evaluate, yield* evaluate, yield* evaluate]
        yield* turns()
        yield* TestClock.adjust("600 millis")
        first.interruptUnsafe()
        yield* turns()
        assert.strictEqual(yield* asked, 2)
        yield* provider.set("sale", TestProvider.value(true))
        yield* TestClock.adjust("399 millis")
        yield* turns()
        assert.strictEqual(yield* asked, 2)
        yield* TestClock.adjust("1 millis")
        yield* until(() => third.pollUnsafe() !== undefined)
        assert.strictEqual((yield* Fiber.join(third)).reason, "STATIC")
        second.interruptUnsafe()
        yield* turns()
        yield* TestClock.adjust("1 minute")
      }))

    it.effect(`that an evaluation has twice does not wait for itself, ${path}`, () =>
      Effect.gen(function*() {
        const cache = yield* CacheHook.make({ key: ["targetingKey"] })
        const hook = change(cache.hook)
        const { flags } = yield* client({ sale: TestProvider.value(true) }, { hooks: [hook, hook] })
        const fiber = yield* Effect.forkChild(details(flags), { startImmediately: true })
        yield* until(() => fiber.pollUnsafe() !== undefined)
        assert.strictEqual((yield* Fiber.join(fiber)).reason, "STATIC")
        const sdk = flags.client
        sdk.addHooks(yield* OpenFeatureHook.makeEffect(hook))
        const levels = { hooks: [yield* OpenFeatureHook.makeEffect(hook)] }
        let reason: string | undefined = undefined
        void sdk.getBooleanDetails("sale", false, ben, levels).then((found) => {
          reason = found.reason
        })
        yield* until(() => reason !== undefined)
        assert.strictEqual(reason, "STATIC")
        assert.strictEqual((yield* details(flags, ben)).reason, "CACHED")
      }))

    it.effect(`reports a time to live that is a promise, and stores nothing, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const promise = () => Promise.reject(new Error("no"))
          const { asked, cache, flags } = yield* rig({ timeToLive: Function.cast(promise) }, undefined, change)
          const rejections = yield* unhandledRejections(Effect.andThen(details(flags), details(flags)))
          assert.deepStrictEqual(rejections, [])
          assert.strictEqual(yield* asked, 2)
          assert.deepInclude(yield* cache.counts, { errors: 2, size: 0 })
          assert.include(String(failures[0]?.cause), "got a promise from timeToLive")
        })
      ))

    it.effect(`takes no part where the provider serves no answers of hooks, and tells so once, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const cache = yield* CacheHook.make({ key: ["targetingKey"], waitTimeout: "1 hour" })
          const { client, provider } = yield* plainClient({
            flags: { sale: TestProvider.delayed("1 second", TestProvider.value(true)) }
          })
          client.addHooks(yield* OpenFeatureHook.makeEffect(change(cache.hook)))
          for (let i = 0; i < 2; i++) {
            const both = Effect.promise(() =>
              Promise.all([1, 2].map(() => client.getBooleanDetails("sale", false, ana)))
            )
            const fiber = yield* Effect.forkChild(both, { startImmediately: true })
            yield* turns()
            yield* TestClock.adjust("1 second")
            assert.deepStrictEqual((yield* Fiber.join(fiber)).map(({ reason }) => reason), ["STATIC", "STATIC"])
          }
          assert.strictEqual((yield* provider.calls).length, 4)
          assert.deepInclude(yield* cache.counts, { bypassed: 4, hits: 0, misses: 0, shared: 0, errors: 0, size: 0 })
          assert.deepStrictEqual(failures.map(({ hook, stage }) => [hook, stage]), [["cache", "before"]])
          assert.include(String(failures[0]?.cause), "ResolutionProvider.make")
        })
      ))

    it.effect(`tells once which attribute of its key no evaluation has, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const told = (key: CacheHook.KeyChoice, plans: ReadonlyArray<string | undefined>) =>
            Effect.gen(function*() {
              const { hook } = yield* CacheHook.make({ key })
              const { flags } = yield* client({ sale: TestProvider.value(true) }, { hooks: [change(hook)] })
              failures.length = 0
              for (const plan of plans) {
                yield* flags.boolean("sale", false, {
                  context: { targetingKey: "ana", ...plan === undefined ? undefined : { plan } }
                })
              }
              yield* turns()
              return failures.map(({ cause, hook }) => [hook, String(cause)].join(" "))
            })
          const many = (plan: string | undefined) => Array.from({ length: 250 }, () => plan)
          const lines = yield* told(["targetingKey", "plan", "plann"], many("pro"))
          assert.strictEqual(lines.length, 1)
          assert.include(lines[0], "none of 100 evaluations had the attribute \"plann\" of the key")
          assert.notInclude(lines[0], "\"plan\"")
          assert.notInclude(lines[0], "pro")
          assert.strictEqual((yield* told({ shared: ["tennant"] }, many("pro"))).length, 1)
          assert.deepStrictEqual(yield* told({ shared: ["plan"] }, [...many(undefined).slice(0, 99), "pro"]), [])
          assert.deepStrictEqual(yield* told({ shared: ["plan"] }, ["pro", ...many(undefined)]), [])
          assert.deepStrictEqual(yield* told(["targetingKey"], many(undefined)), [])
          assert.deepStrictEqual(yield* told("context", many(undefined)), [])
        })
      ))

    it.effect(`keeps no value of another type than the flag's, and of no class, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          class Price {}
          const cache = yield* CacheHook.make({ key: ["targetingKey"], waitTimeout: "1 minute" })
          const cases: ReadonlyArray<readonly [TestProvider.Answer, "boolean" | "object", number]> = [
            [TestProvider.value("text"), "boolean", 2],
            [TestProvider.value(1), "boolean", 2],
            [TestProvider.value(null), "boolean", 2],
            [TestProvider.value(true), "object", 2],
            [Effect.sync(() => ({ value: Function.cast(new Price()) })), "object", 2],
            [TestProvider.value([1]), "object", 1],
            [TestProvider.value(true), "boolean", 1]
          ]
          for (const [index, [answer, type, times]] of cases.entries()) {
            const domain = newDomain()
            const provider = yield* TestProvider.make({ flags: { sale: TestProvider.delayed("1 second", answer) } })
            yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider)))
            const client = SDK.OpenFeature.getClient(domain)
            client.addHooks(yield* OpenFeatureHook.makeEffect(change(cache.hook)))
            const evaluate = () =>
              type === "boolean"
                ? client.getBooleanDetails("sale", false, ana)
                : client.getObjectDetails("sale", {}, ana)
            const fiber = yield* Effect.forkChild(
              Effect.promise(() => Promise.all([evaluate(), evaluate()])),
              { startImmediately: true }
            )
            yield* turns()
            yield* TestClock.adjust("1 second")
            yield* turns()
            yield* TestClock.adjust("1 second")
            yield* Fiber.join(fiber)
            assert.strictEqual((yield* provider.calls).length, times, `case ${index}`)
          }
          assert.deepInclude(yield* cache.counts, { hits: 0, shared: 2, size: 2, errors: 0 })
          assert.deepStrictEqual(failures, [])
        })
      ))

    it.effect(`keeps no error of an evaluation that was interrupted, ${path}`, () =>
      Effect.gen(function*() {
        const options = { errors: { GENERAL: "1 hour" }, timeToLive: "1 day" } as const
        const { flags, provider } = yield* rig(options, TestProvider.never, change)
        const fiber = yield* Effect.forkChild(details(flags), { startImmediately: true })
        yield* turns()
        fiber.interruptUnsafe()
        yield* turns()
        yield* TestClock.adjust("30 seconds")
        yield* until(() => fiber.pollUnsafe() !== undefined)
        yield* provider.set("sale", TestProvider.value(true))
        assert.isTrue((yield* details(flags)).value)
      }))

    it.effect(`lets the others go on when another hook rejects what the provider gave, ${path}`, () =>
      Effect.gen(function*() {
        const cache = yield* CacheHook.make({ key: ["targetingKey"], waitTimeout: "1 hour" })
        let rejects = true
        const guard = FeatureHook.make("guard", { after: () => rejects ? Effect.fail("no") : Effect.void })
        const answer = TestProvider.delayed("1 second", TestProvider.value(true))
        // The later stages run in reverse, so the guard comes before the cache.
        const { flags, provider } = yield* client({ sale: answer }, { hooks: [change(cache.hook), guard] })
        const many = Effect.all([details(flags), details(flags)], { concurrency: "unbounded" })
        const fiber = yield* Effect.forkChild(many, { startImmediately: true })
        yield* turns()
        yield* TestClock.adjust("1 second")
        yield* turns()
        assert.strictEqual((yield* provider.calls).length, 2)
        rejects = false
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual((yield* Fiber.join(fiber)).map(({ errorCode }) => errorCode), ["GENERAL", undefined])
      }))

    it.effect(`keeps no answer of another hook, ${path}`, () =>
      Effect.gen(function*() {
        for (const order of ["before", "after"] as const) {
          const cache = yield* CacheHook.make({ key: ["targetingKey"] })
          const override = FeatureHook.make("override", {
            before: ({ context }) =>
              context.targetingKey === "ana" && context["vip"] === "yes" ? { resolution: { value: false } } : undefined
          })
          const hooks = order === "before" ? [override, change(cache.hook)] : [change(cache.hook), override]
          const { flags } = yield* client({ sale: TestProvider.value(true) }, { hooks })
          assert.isFalse((yield* details(flags, { ...ana, vip: "yes" })).value, order)
          assert.isTrue((yield* details(flags)).value, order)
          assert.isTrue((yield* details(flags)).value, order)
          assert.deepInclude(yield* cache.counts, { hits: 1, size: 1 })
        }
      }))

    it.effect(`keeps errors and defaults only if it is asked to, ${path}`, () =>
      Effect.gen(function*() {
        const cases = [
          [TestProvider.value(true, { reason: "DEFAULT" }), {}, 2],
          [TestProvider.value(true, { reason: "ERROR" }), {}, 2],
          [TestProvider.value(true, { reason: "DISABLED" }), {}, 2],
          [TestProvider.value(true, { reason: "DEFAULT" }), { reasons: { DEFAULT: "1 second" } }, 1],
          [TestProvider.error("FLAG_NOT_FOUND", "secret"), {}, 2],
          [TestProvider.error("FLAG_NOT_FOUND", "secret"), { errors: { PARSE_ERROR: "1 second" } }, 2],
          [TestProvider.error("FLAG_NOT_FOUND", "secret"), { errors: { FLAG_NOT_FOUND: "1 second" } }, 1]
        ] as const
        for (const [index, [answer, options, times]] of cases.entries()) {
          const { asked, flags } = yield* rig({ timeToLive: () => "1 minute", ...options }, answer, change)
          yield* details(flags)
          const { errorCode, errorMessage = "" } = yield* details(flags)
          assert.strictEqual(yield* asked, times, `case ${index}`)
          if (index < 4) continue
          assert.strictEqual(errorCode, "FLAG_NOT_FOUND")
          if (times === 1) assert.notInclude(errorMessage, "secret")
        }
      }))

    it.effect(`gives no caller the default value of another one, ${path}`, () =>
      Effect.gen(function*() {
        const cache = yield* CacheHook.make({ key: ["targetingKey"] })
        const off = { variants: { on: true }, defaultVariant: "on", disabled: true } as const
        const flags = yield* FeatureFlags.make({
          domain: newDomain(),
          provider: Effect.sync(() => new SDK.InMemoryProvider({ sale: off })),
          hooks: [change(cache.hook)]
        })
        for (const value of [false, true]) {
          assert.strictEqual(yield* flags.boolean("sale", value, { context: ana }), value)
        }
      }))

    it.effect(`decides on the time by reason, or by the answer, ${path}`, () =>
      Effect.gen(function*() {
        const answer = TestProvider.value(true, { variant: "short" })
        const { asked, flags, provider } = yield* rig(
          {
            reasons: { TARGETING_MATCH: "10 seconds" },
            timeToLive: ({ variant }) => variant === "short" ? "1 second" : undefined
          },
          answer,
          change
        )
        yield* details(flags)
        yield* TestClock.adjust("999 millis")
        yield* details(flags)
        assert.strictEqual(yield* asked, 1)
        yield* TestClock.adjust("1 millis")
        yield* provider.set("sale", TestProvider.value(true, { variant: "short", reason: "TARGETING_MATCH" }))
        yield* details(flags)
        yield* TestClock.adjust("9999 millis")
        yield* details(flags)
        assert.strictEqual(yield* asked, 2)
        yield* TestClock.adjust("1 millis")
        yield* provider.set("sale", TestProvider.value(true, { variant: "other" }))
        yield* details(flags)
        yield* details(flags)
        assert.strictEqual(yield* asked, 4)
      }))

    it.effect(`tells subjects, flags, types and domains apart, ${path}`, () =>
      Effect.gen(function*() {
        const cache = yield* CacheHook.make({ key: ["targetingKey", "plan"] })
        const hook = change(cache.hook)
        let asked = 0
        const evaluate = (context: Fixtures.HookContextOptions) =>
          Effect.map(
            Fixtures.run(hook, {
              context,
              details: { value: context.flagValueType === "string" ? `${++asked}` : ++asked > 0, variant: `${asked}` }
            }),
            ({ details }) => details.variant
          )
        const different: ReadonlyArray<Fixtures.HookContextOptions> = [
          { context: {} },
          { context: { targetingKey: "undefined" } },
          { context: { targetingKey: "" } },
          { context: ana },
          { context: ben },
          { context: { ...ana, plan: "pro" } },
          { context: { ...ana, plan: null } },
          { context: { ...ana, plan: "undefined" } },
          { context: { ...ana, plan: "null" } },
          { context: { ...ana, plan: 1 } },
          { context: { ...ana, plan: "1" } },
          { context: { ...ana, plan: true } },
          { context: { ...ana, plan: "true" } },
          { context: { plan: "ana" } },
          { context: ana, flagKey: "other" },
          { context: ana, domain: "other" },
          { context: ana, providerName: "other" },
          { context: ana, flagValueType: "string", defaultValue: "" }
        ]
        for (const one of [...different, ...different]) yield* evaluate(one)
        const variants = yield* Effect.all(different.map(evaluate))
        assert.strictEqual(new Set(variants).size, different.length)
        assert.deepInclude(yield* cache.counts, { misses: different.length, hits: 2 * different.length })
        // An attribute that the key does not name makes no difference, and neither does the order.
        assert.strictEqual(yield* evaluate({ context: { other: 1, plan: "pro", ...ana } }), variants[5])
      }))

    it.effect(`shares answers among subjects only if it is told to, ${path}`, () =>
      Effect.gen(function*() {
        const { asked, flags } = yield* rig({ key: { shared: [] } }, undefined, change)
        yield* details(flags, ana)
        yield* details(flags, ben)
        assert.strictEqual(yield* asked, 1)
        const whole = yield* rig({ key: "context" }, undefined, change)
        for (const context of [ana, ben, { ...ana, plan: "pro" }, ana]) yield* details(whole.flags, context)
        assert.strictEqual(yield* whole.asked, 3)
      }))

    it.effect(`leaves a flag alone when a later hook changes its key, and gives nobody the wrong answer, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const cache = yield* CacheHook.make({ key: ["targetingKey"] })
          let user: string | undefined = undefined
          const identify = identifying(() => user)
          const hooks = [change(cache.hook), identify]
          const { flags, provider } = yield* client({ sale: TestProvider.value(true) }, { hooks })
          yield* details(flags, {})
          assert.strictEqual((yield* details(flags, {})).reason, "CACHED")
          user = "ana"
          for (let i = 0; i < 4; i++) assert.strictEqual((yield* details(flags, {})).reason, "STATIC")
          assert.strictEqual((yield* provider.calls).length, 5)
          assert.deepInclude(yield* cache.counts, { bypassed: 3 })
          assert.strictEqual(failures.filter(({ hook }) => hook === "cache").length, 1)
        })
      ))

    it.effect(`leaves a flag alone also when the provider fails for what a later hook made of the key, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const cache = yield* CacheHook.make({ key: ["targetingKey"] })
          let user: string | undefined = undefined
          const identify = identifying(() => user)
          const { flags, provider } = yield* client({ sale: TestProvider.value(true) }, {
            hooks: [change(cache.hook), identify]
          })
          yield* details(flags)
          yield* provider.set("sale", TestProvider.error("GENERAL", "no"))
          user = "ben"
          for (let i = 0; i < 4; i++) assert.strictEqual((yield* details(flags)).errorCode, "GENERAL")
          assert.strictEqual((yield* provider.calls).length, 5)
          assert.deepInclude(yield* cache.counts, { hits: 1, bypassed: 3 })
          assert.strictEqual(failures.filter(({ hook }) => hook === "cache").length, 1)
        })
      ))

    it.effect(`gives nobody the answer of another subject, whatever is around the cache, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const wrap: ReadonlyArray<
            (hook: FeatureHook.FeatureHook) => Effect.Effect<FeatureHook.FeatureHook<unknown>>
          > = [
            (hook) => Effect.succeed(FeatureHook.observe(hook)),
            (hook) => Effect.succeed(FeatureHook.timeout(hook, "1 second")),
            (hook) => Effect.succeed(FeatureHook.onlyStages(hook, "before")),
            (hook) => Effect.succeed(FeatureHook.failurePolicy(hook, { after: "ignore" })),
            (hook) => Effect.map(DedupeHook.make(hook), (dedupe) => dedupe.hook)
          ]
          for (const around of wrap) {
            const cache = yield* CacheHook.make({ key: ["targetingKey"] })
            const provider = yield* TestProvider.make({
              flags: (_, { targetingKey }) => TestProvider.value(`for ${targetingKey}`)
            })
            let user = "ana"
            const identify = identifying(() => user)
            const hooks = [change(yield* around(cache.hook)), identify]
            const domain = newDomain()
            const flags = yield* FeatureFlags.make({ domain, provider: Effect.succeed(provider), hooks })
            const evaluate = flags.string("sale", "none", { context: { targetingKey: "ana" } })
            // Another client puts the answer there, where the cache is in its place.
            const last = yield* FeatureFlags.make({ domain, hooks: [cache.hook] })
            assert.strictEqual(yield* last.string("sale", "none", { context: { targetingKey: "ana" } }), "for ana")
            assert.strictEqual(yield* evaluate, "for ana")
            user = "ben"
            for (let i = 0; i < 3; i++) assert.strictEqual(yield* evaluate, "for ben")
          }
        })
      ))

    it.effect(`gives nobody the answer of another subject when a hook of the SDK comes later, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const cache = yield* CacheHook.make({ key: ["targetingKey"] })
          const { client, domain, provider } = yield* plainClient({
            flags: (_, { targetingKey }) => TestProvider.value(`for ${targetingKey}`)
          })
          yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider)))
          let user = "ana"
          // What a stage has read of the context is kept for the others.
          const reader = FeatureHook.make("reader", { before: ({ context }) => void Object.keys(context) })
          client.addHooks(OpenFeatureHook.make(change(cache.hook), reader))
          client.addHooks({ before: () => ({ targetingKey: user }) })
          const evaluate = Effect.promise(() => client.getStringValue("sale", "none", { targetingKey: "ana" }))
          assert.deepStrictEqual([yield* evaluate, yield* evaluate], ["for ana", "for ana"])
          assert.deepInclude(yield* cache.counts, { hits: 1, misses: 1 })
          user = "ben"
          for (let i = 0; i < 3; i++) assert.strictEqual(yield* evaluate, "for ben")
        })
      ))
  }

  it.effect("has no key for what is no data, for what throws, and for what is too large", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const cache = yield* CacheHook.make({ key: ["targetingKey", "plan"] })
        class Plan {}
        const cyclic: Array<unknown> = []
        cyclic.push(cyclic)
        const hostile = new Proxy({}, {
          ownKeys: () => {
            throw new Error("no")
          }
        })
        const holes = Array.from<unknown>({ length: 3 })
        Reflect.deleteProperty(holes, 1)
        const named = Object.assign([...holes], { other: 1 })
        Reflect.deleteProperty(named, 1)
        const plans: ReadonlyArray<unknown> = [
          new Plan(),
          new Map(),
          () => 1,
          Symbol("a"),
          { [Symbol("a")]: 1 },
          cyclic,
          hostile,
          holes,
          named,
          "x".repeat(200_000),
          Array.from({ length: 2000 }, () => 1)
        ]
        const { flags, provider } = yield* client({ sale: TestProvider.value(true) }, { hooks: [cache.hook] })
        for (const plan of plans) {
          for (let i = 0; i < 2; i++) {
            const context: { targetingKey: string } = Function.cast({ ...ana, plan })
            assert.isTrue((yield* details(flags, context)).value)
          }
        }
        assert.strictEqual((yield* provider.calls).length, 2 * plans.length)
        assert.deepInclude(yield* cache.counts, { hits: 0, bypassed: 2 * plans.length })
      })
    ))

  it.effect("takes long keys without keeping them", () =>
    Effect.gen(function*() {
      const { asked, flags } = yield* rig()
      const long = "x".repeat(50_000)
      for (const key of [`${long}a`, `${long}b`, `${long}a`]) yield* details(flags, { targetingKey: key })
      assert.strictEqual(yield* asked, 2)
    }))

  it.effect("forgets the least recently used answer when it is full", () =>
    Effect.gen(function*() {
      const { asked, cache, flags } = yield* rig({ capacity: 2 })
      for (const targetingKey of ["a", "b", "a", "c", "a", "b"]) yield* details(flags, { targetingKey })
      assert.strictEqual(yield* asked, 4)
      assert.deepInclude(yield* cache.counts, { hits: 2, evicted: 2, size: 2 })
    }))

  it.effect("removes a stale answer when the new one is not to be stored, and keeps it when the provider fails", () =>
    Effect.gen(function*() {
      let time: string | undefined = "1 second"
      const { asked, flags, provider } = yield* rig({
        timeToLive: () => Function.cast(time),
        staleFor: "1 hour",
        waitTimeout: "2 seconds"
      })
      yield* details(flags)
      yield* TestClock.adjust("1 second")
      yield* provider.set("sale", TestProvider.error("GENERAL", "no"))
      assert.strictEqual((yield* details(flags)).errorCode, "GENERAL")
      for (let i = 0; i < 3; i++) assert.strictEqual((yield* details(flags)).reason, "CACHED")
      assert.strictEqual(yield* asked, 2)
      time = undefined
      yield* provider.set("sale", TestProvider.value(true))
      yield* TestClock.adjust("2 seconds")
      for (let i = 0; i < 3; i++) assert.strictEqual((yield* details(flags)).reason, "STATIC")
    }))

  it.effect("counts in metrics", () =>
    Effect.gen(function*() {
      const { flags } = yield* rig({ key: ["targetingKey"] })
      for (let i = 0; i < 3; i++) yield* details(flags)
      const of = (result: string) =>
        Effect.map(
          Metric.value(Metric.withAttributes(CacheHook.counter, { flag_key: "sale", result })),
          ({ count }) => count
        )
      assert.deepStrictEqual(yield* Effect.all([of("miss"), of("hit")]), [1, 2])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it("refuses a key that ignores the subject without saying so, and wrong options", () => {
    const message = (options: unknown) => rangeError(() => CacheHook.make(Function.cast(options)))
    assert.include(message({}), "CacheHook.make: key must be")
    assert.include(message({ key: ["plan"] }), "CacheHook.make: key must name \"targetingKey\"")
    assert.include(message({ key: [] }), "{ shared: [\"plan\"] }")
    assert.include(message({ key: { shard: [] } }), "did you mean \"shared\"?")
    assert.include(message({ key: "context", errors: { PROVIDER_NOT_READY: "1 second" } }), "CacheHook.make: errors")
    assert.include(message({ key: "context", errors: { NOT_FOUND: "1 second" } }), "CacheHook.make: errors")
    assert.include(message({ key: "context", reasons: { STATIC: 0 } }), "CacheHook.make: reasons.STATIC")
    assert.include(message({ key: "context", store: new Memory(1), capacity: 1 }), "store or capacity")
    assert.include(message({ key: "context", store: { get: () => undefined } }), "get, set, remove, invalidate")
  })

  it.effect("refuses to watch what is no client, and to invalidate what it does not know", () =>
    Effect.gen(function*() {
      for (const cache of [yield* CacheHook.make({ key: "context" }), CacheHook.makeUnsafe({ key: "context" })]) {
        for (
          const wrong of ["shop", undefined, null, {}, () => {}, { addHandler: () => {}, removeHandler: () => {} }]
        ) {
          const told = rangeError(() => cache.watch(Function.cast(wrong)))
          assert.include(
            told,
            "CacheHook.watch: the argument must be a client, such as OpenFeature.getClient(\"shop\")"
          )
        }
        const message = (flags: unknown) => rangeError(() => cache.invalidate(Function.cast(flags)))
        assert.include(message("sale"), "CacheHook.invalidate: the argument must be an object")
        assert.include(message({ flagkey: "sale" }), "did you mean \"flagKey\"?")
        assert.include(message({ flagKey: 1 }), "CacheHook.invalidate: flagKey must be a text")
      }
    }))
})

describe("an invalidation", () => {
  it.effect("during an evaluation keeps its answer out, and lets later ones ask anew", () =>
    Effect.gen(function*() {
      const old = yield* Deferred.make<void>()
      const { cache, flags, provider } = yield* rig(
        { waitTimeout: "1 hour" },
        Effect.andThen(Deferred.await(old), TestProvider.value(true, { variant: "old" }))
      )
      const first = yield* Effect.forkChild(details(flags), { startImmediately: true })
      yield* turns()
      yield* cache.invalidate({ flagKey: "sale" })
      yield* provider.set("sale", TestProvider.value(true, { variant: "new" }))
      // It does not wait for what began before.
      assert.strictEqual((yield* details(flags)).variant, "new")
      yield* Deferred.succeed(old, undefined)
      assert.strictEqual((yield* Fiber.join(first)).variant, "old")
      assert.deepInclude(yield* details(flags), { variant: "new", reason: "CACHED" })
    }))
})

describe("an evaluation whose provider hangs", () => {
  it.effect("is forgotten when its time is over, also after an invalidation", () =>
    Effect.gen(function*() {
      const flights = new Flights(1000)
      const registration = Registration.make([], Context.empty())
      const nesting = { depth: 1, budget: undefined, registration, isDetached: false }
      const key = { domain: undefined, flagKey: "sale", flagValueType: "boolean", text: "ana" } as const
      const closed: Array<number> = []
      for (const version of [1, 2, 3]) {
        const flight = yield* Effect.sync(() => flights.begin(Fixtures.hookContext(), key, version)).pipe(
          Effect.provideService(Registration.Nesting, nesting)
        )
        Object.assign(flight!, { onClose: () => closed.push(version) })
        if (version === 2) yield* TestClock.adjust("1 second")
      }
      yield* registration.close("1 second")
      assert.deepStrictEqual(closed, [3])
    }))
})

describe("a store that", () => {
  const bad = {
    hangs: () => Effect.never,
    "cannot be interrupted": () => Effect.uninterruptible(Effect.never),
    fails: () => Effect.fail("no"),
    "fails later": () => Effect.andThen(Effect.yieldNow, Effect.fail("no")),
    dies: () => Effect.die(new Error("no")),
    throws: () => {
      throw new Error("no")
    },
    "gives nothing": () => Exit.succeed(undefined),
    "gives no effect": () => undefined,
    "gives a wrong type": () =>
      Exit.succeed({ answer: { value: "text" }, isStale: false, isClaimed: false, version: 1 }),
    "is interrupted": () => Effect.interrupt
  }
  for (const [name, run] of Object.entries(bad)) {
    it.effect(`${name} delays no evaluation beyond the bound, and fails none`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const store: CacheHook.Store = Function.cast({ get: run, set: run, remove: run, invalidate: run })
          const { asked, cache, flags } = yield* rig({ store, timeout: "50 millis" })
          const rejections = yield* unhandledRejections(Effect.gen(function*() {
            for (let i = 0; i < 3; i++) {
              const fiber = yield* Effect.forkChild(details(flags), { startImmediately: true })
              yield* turns()
              yield* TestClock.adjust("50 millis")
              yield* until(() => fiber.pollUnsafe() !== undefined)
              assert.isTrue((yield* Fiber.join(fiber)).value)
            }
          }))
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(rejections, [])
          assert.strictEqual(yield* asked, 3)
          const { errors, misses } = yield* cache.counts
          assert.strictEqual(misses, 3)
          assert.isAtLeast(errors, 3)
          assert.isAtLeast(failures.length, 3)
          assert.isTrue(failures.every(({ flagKey, hook }) => hook === "cache" && flagKey === "sale"))
        })
      ))
  }

  it.effect("has what no cache may serve gets no hits", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const answers: ReadonlyArray<unknown> = [
          { errorCode: "PROVIDER_NOT_READY" },
          { value: true, errorCode: "PROVIDER_FATAL" },
          { errorCode: "OTHER" },
          { value: "true" },
          { value: Number.NaN },
          { value: null },
          { value: () => true },
          { value: Promise.resolve(true) },
          {},
          "text",
          [true]
        ]
        const stored: { answer: unknown } = { answer: undefined }
        const store: CacheHook.Store = {
          get: () => Exit.succeed(Function.cast({ ...stored, isStale: false, isClaimed: false, version: 1 })),
          set: () => Exit.void,
          remove: () => Exit.void,
          invalidate: () => Exit.void
        }
        const { asked, cache, flags } = yield* rig({ store })
        for (const answer of answers) {
          stored.answer = answer
          assert.strictEqual((yield* details(flags)).reason, "STATIC", String(answer))
        }
        const { length } = answers
        assert.strictEqual(yield* asked, length)
        assert.deepInclude(yield* cache.counts, { hits: 0, misses: length, errors: length })
        assert.strictEqual(failures.length, length)
        stored.answer = { value: true, variant: "stored" }
        assert.strictEqual((yield* details(flags)).variant, "stored")
        stored.answer = { errorCode: "FLAG_NOT_FOUND" }
        assert.strictEqual((yield* details(flags)).errorCode, "FLAG_NOT_FOUND")
        assert.deepInclude(yield* cache.counts, { hits: 2 })
      })
    ))

  for (const [path, change] of paths) {
    it.effect(`hangs is left alone, and asked again, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const memory = new Memory(10)
          let looked = 0
          let hangs = true
          const store: CacheHook.Store = {
            get: (key, claim) => {
              looked++
              return hangs ? Effect.never : memory.get(key, claim)
            },
            set: (key, answer, storing) => memory.set(key, answer, storing),
            remove: (key) => memory.remove(key),
            invalidate: (flags) => memory.invalidate(flags)
          }
          const { cache, flags } = yield* rig({ store }, undefined, change)
          const ask = Effect.gen(function*() {
            const fiber = yield* Effect.forkChild(details(flags), { startImmediately: true })
            yield* turns()
            yield* TestClock.adjust("50 millis")
            return yield* Fiber.join(fiber)
          })
          for (let i = 0; i < 3; i++) assert.isTrue((yield* ask).value)
          for (let i = 0; i < 10; i++) assert.strictEqual((yield* details(flags)).reason, "STATIC")
          assert.strictEqual(looked, 3)
          yield* TestClock.adjust("1 second")
          yield* ask
          yield* details(flags)
          assert.strictEqual(looked, 4)
          assert.strictEqual(failures.length, 3)
          assert.deepInclude(yield* cache.counts, { errors: 15, hits: 0, misses: 15 })
          hangs = false
          yield* TestClock.adjust("1 second")
          assert.strictEqual((yield* details(flags)).reason, "STATIC")
          for (let i = 0; i < 3; i++) assert.strictEqual((yield* details(flags)).reason, "CACHED")
          assert.deepInclude(yield* cache.counts, { errors: 15, hits: 3, misses: 16 })
        })
      ))
  }

  it.effect("takes long to store delays no evaluation", () =>
    Effect.gen(function*() {
      const memory = new Memory(10)
      const store: CacheHook.Store = {
        get: (key, claim) => memory.get(key, claim),
        set: (key, answer, storing) => Effect.delay(memory.set(key, answer, storing), "10 millis"),
        remove: (key) => memory.remove(key),
        invalidate: (flags) => memory.invalidate(flags)
      }
      const { flags } = yield* rig({ store })
      assert.strictEqual((yield* details(flags)).reason, "STATIC")
      yield* TestClock.adjust("10 millis")
    }))
})

describe("a client of the SDK", () => {
  it("is served by a cache, and hears of changes", async () => {
    const flag = { variants: { on: true, off: false }, defaultVariant: "on", disabled: false } as const
    const provider = new SDK.InMemoryProvider({ sale: flag })
    const domain = newDomain()
    await SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider))
    const cache = CacheHook.makeUnsafe({ key: ["targetingKey"] })
    const client = SDK.OpenFeature.getClient(domain).addHooks(OpenFeatureHook.make(cache.hook))
    const stop = cache.watch(client)
    await client.getBooleanValue("sale", false, ana)
    assert.strictEqual((await client.getBooleanDetails("sale", false, ana)).reason, "CACHED")
    provider.putConfiguration({ sale: { ...flag, defaultVariant: "off" } })
    assert.isFalse(await client.getBooleanValue("sale", true, ana))
    assert.isFalse(await client.getBooleanValue("sale", true, ana))
    stop()
    await cache.invalidate()
    await client.getBooleanValue("sale", true, ana)
    assert.deepStrictEqual(cache.counts(), {
      hits: 2,
      stale: 0,
      shared: 0,
      misses: 3,
      bypassed: 0,
      errors: 0,
      evicted: 0,
      size: 1
    })
  })

  it.effect("does not wait for itself when a hook evaluates the flag that it is asked for", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const cache = yield* CacheHook.make({ key: ["targetingKey"], waitTimeout: "1 hour" })
        const nested: { flags?: Flags } = {}
        const again = FeatureHook.make("again", {
          before: () => nested.flags === undefined ? Effect.void : Effect.asVoid(details(nested.flags))
        })
        const { flags } = yield* client({ sale: TestProvider.value(true) }, { hooks: [cache.hook, again] })
        nested.flags = flags
        yield* details(flags)
        nested.flags = Function.cast(undefined)
        assert.strictEqual((yield* details(flags)).reason, "CACHED")
      })
    ))
})

const rejection = new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no" })

describe("an error of another hook", () => {
  it.effect("is not kept", () =>
    Effect.gen(function*() {
      const cache = yield* CacheHook.make({ key: ["targetingKey"] })
      let rejects = true
      const guard = FeatureHook.make("guard", { before: () => rejects ? Effect.fail(rejection) : Effect.void })
      const { flags } = yield* client({ sale: TestProvider.value(true) }, { hooks: [cache.hook, guard] })
      assert.strictEqual((yield* details(flags)).errorCode, "INVALID_CONTEXT")
      rejects = false
      assert.strictEqual((yield* details(flags)).reason, "STATIC")
    }))
})
