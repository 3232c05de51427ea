import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  EnrichmentHook,
  type EvaluationContext,
  EvaluationError,
  FeatureHook,
  FlagFilter,
  OpenFeatureHook
} from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { AsyncLocalStorage } from "node:async_hooks"
import { client, collectFailures, newDomain, paths, plainClient, rangeError, turns } from "../support.ts"

const contextAfter = <R>(hook: FeatureHook.FeatureHook<unknown, R>, context: EvaluationContext.EvaluationContext) =>
  Effect.map(Fixtures.run(hook, { context: { context } }), ({ context }) => context)

type Computed =
  | EnrichmentHook.Attributes
  | Promise<EnrichmentHook.Attributes>
  | Effect.Effect<EnrichmentHook.Attributes, string>

describe("attributes", () => {
  for (const [path, change] of paths) {
    it.effect(`fill what is missing, or override, ${path}`, () =>
      Effect.gen(function*() {
        const given = { plan: "free", tenant: "acme" }
        const attributes = { plan: "pro", region: "eu", targetingKey: "user-1", none: undefined }
        const sources: ReadonlyArray<() => Computed> = [
          () => attributes,
          async () => attributes,
          () => Effect.succeed(attributes)
        ]
        for (const source of [attributes, ...sources]) {
          const filled = yield* contextAfter(change(EnrichmentHook.make(source)), given)
          assert.deepStrictEqual(filled, { plan: "free", tenant: "acme", region: "eu", targetingKey: "user-1" })
          const overridden = yield* contextAfter(
            change(EnrichmentHook.make(source, { precedence: "override" })),
            given
          )
          assert.deepStrictEqual(overridden, { plan: "pro", tenant: "acme", region: "eu", targetingKey: "user-1" })
        }
        const known = yield* contextAfter(EnrichmentHook.make(attributes), { targetingKey: "user-2" })
        assert.strictEqual(known.targetingKey, "user-2")
      }))

    it.effect(`of a request do not get into another one, ${path}`, () =>
      Effect.gen(function*() {
        class Tenant extends Context.Service<Tenant, string>()("test/Tenant") {}
        const hook = change(EnrichmentHook.make(() => Effect.map(Tenant, (tenant) => ({ tenant }))))
        const contexts = yield* Effect.forEach(["a", "b", "c"], (tenant) =>
          Effect.provideService(contextAfter(hook, {}), Tenant, tenant), { concurrency: "unbounded" })
        assert.deepStrictEqual(contexts, [{ tenant: "a" }, { tenant: "b" }, { tenant: "c" }])
        // @ts-expect-error the service is missing
        const missing: Effect.Effect<unknown> = contextAfter(hook, {})
        assert.isTrue(Effect.isEffect(missing))
      }))

    it.effect(`that cannot be computed are reported, or reject the evaluation, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const broken: ReadonlyArray<() => Computed> = [
            () => Effect.fail("no"),
            () => Promise.reject(new Error("no")),
            () => {
              throw new Error("bug")
            },
            // @ts-expect-error it is no record
            () => 5
          ]
          for (const compute of broken) {
            const { flags } = yield* client({ a: TestProvider.value(true) }, {
              hooks: [change(EnrichmentHook.make(compute))]
            })
            assert.isTrue(yield* flags.boolean("a", false))
            const guard = yield* client({ a: TestProvider.value(true) }, {
              hooks: [change(EnrichmentHook.make(compute, { onFailure: "reject" }))]
            })
            assert.strictEqual((yield* guard.flags.booleanDetails("a", false)).errorCode, "GENERAL")
          }
          yield* turns()
          assert.isAtLeast(failures.filter(({ stage }) => stage === "before").length, broken.length)
        })
      ))
  }

  it.effect("have the failures of a guard in its type, and otherwise none", () =>
    Effect.gen(function*() {
      const denied = new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no tenant" })
      const compute = () => Effect.fail(denied)
      const observed: FeatureHook.FeatureHook = EnrichmentHook.make(compute, { name: "tenant" })
      const guard = EnrichmentHook.make(compute, { onFailure: "reject" })
      // @ts-expect-error it can fail
      const safe: FeatureHook.FeatureHook = guard
      assert.strictEqual(safe, guard)
      assert.strictEqual(observed.name, "tenant")
      const { flags } = yield* client({ a: TestProvider.value(true) }, { hooks: [guard] })
      assert.strictEqual((yield* flags.booleanDetails("a", false)).errorCode, "INVALID_CONTEXT")
    }))

  it.effect("are data, and nothing can be changed through them", () =>
    Effect.gen(function*() {
      const roles = ["admin"]
      const attributes = JSON.parse("{\"__proto__\": { \"isAdmin\": true }, \"constructor\": \"data\"}")
      Object.assign(attributes, { roles, run: () => 1 })
      for (const source of [attributes, () => attributes]) {
        const given = Object.freeze({ nested: Object.freeze({ a: 1 }) })
        const context = yield* contextAfter(EnrichmentHook.make(source), given)
        assert.deepStrictEqual(Object.keys(context), ["nested", "constructor", "roles"])
        assert.isUndefined(Reflect.get(context, "isAdmin"))
        assert.notStrictEqual(context["roles"], roles)
        assert.throws(() => Reflect.apply(Array.prototype.push, context["roles"], ["owner"]))
      }
      assert.deepStrictEqual(roles, ["admin"])
      assert.isFalse("isAdmin" in {})
    }))

  it.effect("follow the request of a plain application", () =>
    Effect.gen(function*() {
      const requests = new AsyncLocalStorage<string>()
      const { client: sdk, provider } = yield* plainClient({ flags: { a: TestProvider.value(true) } })
      sdk.addHooks(OpenFeatureHook.make(EnrichmentHook.make(() => ({ requestId: requests.getStore() }))))
      yield* Effect.promise(() =>
        Promise.all(["r-1", "r-2"].map((id) => requests.run(id, () => sdk.getBooleanValue("a", false))))
      )
      yield* Effect.promise(() => sdk.getBooleanValue("a", false))
      const calls = yield* provider.calls
      assert.deepStrictEqual(calls.map(({ context }) => context["requestId"] ?? "none"), ["r-1", "r-2", "none"])
    }))
})

const counting = () => {
  const lookups: Array<string> = []
  return {
    lookups,
    lookup: (key: string) =>
      Effect.delay(
        Effect.sync(() => {
          lookups.push(key)
          return { plan: `plan of ${key}`, list: [key] }
        }),
        "1 second"
      )
  }
}

describe("attributes in a cache", () => {
  for (const [path, change] of paths) {
    it.effect(`never depend on the caller that looks them up, ${path}`, () =>
      Effect.gen(function*() {
        const Tenant = Context.Reference<string>("test/Tenant", { defaultValue: () => "none" })
        const requests = new AsyncLocalStorage<string>()
        const attributes = Effect.map(Tenant, (tenant) => ({ tenant, request: requests.getStore() ?? "none" }))
        const hook = change(
          yield* Effect.provideService(
            EnrichmentHook.makeCached(() => Effect.andThen(Effect.yieldNow, attributes)),
            Tenant,
            "program"
          )
        )
        const plain = EnrichmentHook.makeCachedUnsafe(async () => {
          await Promise.resolve()
          return { request: requests.getStore() ?? "none" }
        })
        const tenants = ["acme", "beta"]
        const contexts = yield* Effect.promise(() =>
          Promise.all(tenants.map((tenant) =>
            requests.run(tenant, () =>
              Effect.runPromiseWith(Context.make(Tenant, tenant))(
                Effect.all([
                  contextAfter(hook, { targetingKey: `user of ${tenant}` }),
                  contextAfter(hook, { targetingKey: "user" }),
                  contextAfter(change(plain), { targetingKey: "user" })
                ])
              ))
          ))
        )
        for (const [own, shared, unsafe] of contexts) {
          assert.deepInclude(own, { tenant: "program", request: "none" })
          assert.deepInclude(shared, { tenant: "program", request: "none" })
          assert.deepInclude(unsafe, { request: "none" })
        }
      }))

    it.effect(`are kept although they come too late for the first callers, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const { lookup, lookups } = counting()
          const hook = FeatureHook.observe(
            FeatureHook.timeout(change(yield* EnrichmentHook.makeCached(lookup)), "600 millis")
          )
          const plans: Array<unknown> = []
          for (let time = 0; time < 3; time++) {
            const evaluating = yield* Effect.forkChild(contextAfter(hook, { targetingKey: "a" }))
            yield* turns()
            yield* TestClock.adjust("600 millis")
            plans.push((yield* Fiber.join(evaluating))["plan"])
          }
          assert.deepStrictEqual(plans, [undefined, "plan of a", "plan of a"])
          assert.deepStrictEqual(lookups, ["a"])
        })
      ))

    it.effect(`are not looked up any more when nobody waits and the scope closes, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const open: Array<string> = []
          const stuck = (key: string) =>
            Effect.acquireUseRelease(
              Effect.sync(() => void open.push(key)),
              () => Effect.never,
              () => Effect.sync(() => void open.splice(open.indexOf(key), 1))
            )
          const scope = yield* Scope.make()
          const cached = yield* Scope.provide(EnrichmentHook.makeCached(stuck, { capacity: 2 }), scope)
          const limited = FeatureHook.observe(FeatureHook.timeout(change(cached), "10 millis"))
          const evaluate = (targetingKey: string) =>
            Effect.gen(function*() {
              const evaluating = yield* Effect.forkChild(contextAfter(limited, { targetingKey }))
              yield* turns()
              yield* TestClock.adjust("10 millis")
              yield* Fiber.join(evaluating)
              yield* turns()
            })
          for (const key of ["a", "b", "c"]) yield* evaluate(key)
          assert.deepStrictEqual(open, ["b", "c"])
          yield* TestClock.adjust("30 seconds")
          yield* evaluate("b")
          assert.deepStrictEqual(open, ["c", "b"])
          yield* Scope.close(scope, Exit.void)
          assert.deepStrictEqual(open, [])
          yield* evaluate("d")
          assert.deepStrictEqual(open, [])
        })
      ))

    it.effect(`come to an end when their lookup needs others, ${path}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const lookups: Array<string> = []
          const { flags } = yield* client({ a: TestProvider.value(true) }, {})
          const hook = change(
            yield* EnrichmentHook.makeCached((key): Effect.Effect<EnrichmentHook.Attributes> => {
              lookups.push(key)
              return Effect.map(evaluate(`${key} and`), (isPro) => ({ isPro }))
            })
          )
          const evaluate = (targetingKey: string) =>
            flags.boolean("a", false, { context: { targetingKey }, hooks: [hook] })
          assert.isTrue(yield* evaluate("a"))
          assert.strictEqual(lookups.length, 8)
        })
      ))

    it.effect(`are looked up once per subject and time, and never mixed up, ${path}`, () =>
      Effect.gen(function*() {
        const { lookup, lookups } = counting()
        const hook = change(yield* EnrichmentHook.makeCached(lookup, { timeToLive: "1 minute" }))
        const users = ["a", "b", "a", "a", "b"]
        const first = yield* Effect.forkChild(
          Effect.forEach(users, (targetingKey) => contextAfter(hook, { targetingKey }), { concurrency: "unbounded" })
        )
        yield* turns()
        yield* TestClock.adjust("1 second")
        const contexts = yield* Fiber.join(first)
        assert.deepStrictEqual(contexts.map(({ plan }) => plan), users.map((key) => `plan of ${key}`))
        assert.deepStrictEqual(lookups, ["a", "b"])
        yield* contextAfter(hook, { targetingKey: "a" })
        assert.deepStrictEqual(lookups, ["a", "b"])
        yield* TestClock.adjust("1 minute")
        const again = yield* Effect.forkChild(contextAfter(hook, { targetingKey: "a" }))
        yield* turns()
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(again)
        assert.deepStrictEqual(lookups, ["a", "b", "a"])
      }))

    it.effect(`are not there after a failure, which is not kept, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          let attempts = 0
          const hook = change(
            yield* EnrichmentHook.makeCached(() =>
              Effect.suspend(() => ++attempts === 1 ? Effect.fail("no") : Effect.succeed({ plan: "pro" }))
            )
          )
          assert.isUndefined((yield* contextAfter(hook, { targetingKey: "a" }))["plan"])
          assert.strictEqual((yield* contextAfter(hook, { targetingKey: "a" }))["plan"], "pro")
          yield* turns()
          assert.deepStrictEqual(failures.map(({ hook }) => hook), ["enrichment"])
        })
      ))
  }

  it.effect("are there at once when they are known, and the least recently used are forgotten", () =>
    Effect.gen(function*() {
      const lookups: Array<string> = []
      const hook = yield* EnrichmentHook.makeCached((key) => {
        lookups.push(key)
        return { plan: "pro" }
      }, { capacity: 2 })
      for (const targetingKey of ["a", "b", "a", "c", "a", "b"]) yield* contextAfter(hook, { targetingKey })
      assert.deepStrictEqual(lookups, ["a", "b", "c", "b"])
      // No fiber and no promise: the stage of the SDK hook gives its result at once.
      const sdk = OpenFeatureHook.make(hook)
      const domain = newDomain()
      let result: unknown = undefined
      const context = { targetingKey: "b" }
      yield* Effect.promise(() =>
        SDK.OpenFeature.getClient(domain).getBooleanValue("x", false, context, {
          hooks: [{ before: (given) => void (result = sdk.before?.(given)) }]
        })
      )
      assert.deepStrictEqual(result, { plan: "pro" })
    }))

  it.effect("are not looked up without a subject", () =>
    Effect.gen(function*() {
      const { lookup, lookups } = counting()
      const hook = yield* EnrichmentHook.makeCached(lookup)
      yield* contextAfter(hook, {})
      yield* contextAfter(hook, { targetingKey: "" })
      const byTenant = yield* EnrichmentHook.makeCached((key) => ({ quota: key.length }), {
        key: ({ context: { tenant } }) => typeof tenant === "string" ? tenant : undefined
      })
      assert.deepStrictEqual(yield* contextAfter(byTenant, { tenant: "acme" }), { tenant: "acme", quota: 4 })
      assert.deepStrictEqual(lookups, [])
    }))

  it.effect("survive a caller that gives up while others wait", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      let lookups = 0
      const hook = yield* EnrichmentHook.makeCached(() =>
        Effect.gen(function*() {
          lookups++
          yield* Deferred.succeed(started, undefined)
          yield* Deferred.await(go)
          return { plan: "pro" }
        })
      )
      const limited = FeatureHook.observe(FeatureHook.timeout(hook, "10 millis"))
      yield* collectFailures(() =>
        Effect.gen(function*() {
          const impatient = yield* Effect.forkChild(contextAfter(limited, { targetingKey: "a" }))
          yield* Deferred.await(started)
          const patient = yield* Effect.forkChild(contextAfter(hook, { targetingKey: "a" }))
          yield* turns()
          yield* TestClock.adjust("10 millis")
          assert.isUndefined((yield* Fiber.join(impatient))["plan"])
          yield* Deferred.succeed(go, undefined)
          assert.strictEqual((yield* Fiber.join(patient))["plan"], "pro")
          assert.strictEqual(lookups, 1)
        })
      )
    }))

  it("work in a plain application", async () => {
    const lookups: Array<string> = []
    const hook = EnrichmentHook.makeCachedUnsafe(async (key) => {
      lookups.push(key)
      return { plan: "pro" }
    }).pipe(FeatureHook.when(FlagFilter.prefix("checkout-")))
    for (const flagKey of ["checkout-a", "checkout-b", "other"]) {
      await Fixtures.runPromise(hook, { context: { flagKey, context: { targetingKey: "a" } } })
    }
    assert.deepStrictEqual(lookups, ["a"])
  })
})

describe("misuse", () => {
  it("is refused: what is neither a record nor a function", () => {
    for (const source of [5, "eu", null, ["eu"], Effect.succeed({ region: "eu" }), Promise.resolve({}), Exit.void]) {
      assert.include(
        rangeError(() => Reflect.apply(EnrichmentHook.make, undefined, [source])),
        "EnrichmentHook.make: the first argument must be a record of attributes, or a function"
      )
    }
    // @ts-expect-error there is nothing to look up with
    const misuse = () => EnrichmentHook.makeCached({})
    assert.include(rangeError(misuse), "EnrichmentHook.makeCached: lookup must be a function")
  })
})
