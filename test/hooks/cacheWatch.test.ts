/** What a cache makes of the events of a provider. */
import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { cast } from "effect/Function"
import { TestClock } from "effect/testing"
import { CacheHook, type FeatureFlags, OpenFeatureHook, ResolutionProvider } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { Memory } from "../../src/internal/hook/cacheMemory.ts"
import { client, collectFailures, newDomain, turns } from "../support.ts"

type Flags = FeatureFlags.FeatureFlags["Service"]

const ana = { targetingKey: "ana" }

const details = (flags: Flags, context: Record<string, string> = ana, flagKey = "sale") =>
  flags.booleanDetails(flagKey, false, { context })

const changed = SDK.ServerProviderEvents.ConfigurationChanged

const rig = Effect.fnUntraced(function*(options: Partial<CacheHook.Options> = {}) {
  const cache = yield* CacheHook.make({ key: ["targetingKey"], ...options })
  return { cache, ...yield* client({ sale: TestProvider.value(true) }, { hooks: [cache.hook] }) }
})

/** A store in memory whose invalidations can fail or hang. */
const flaky = (down: Effect.Effect<void, string>) => {
  const memory = new Memory(10_000)
  const state = { isDown: true, attempts: 0, scopes: Array<CacheHook.Flags>() }
  const store: CacheHook.Store = {
    get: (key, claim) => memory.get(key, claim),
    set: (key, answer, storing) => memory.set(key, answer, storing),
    remove: (key) => memory.remove(key),
    invalidate: (flags) =>
      Effect.suspend(() => {
        state.attempts++
        if (state.isDown) return down
        state.scopes.push(flags)
        return memory.invalidate(flags)
      })
  }
  return { state, store }
}

describe("an event of the provider", () => {
  it.effect("invalidates the flags that it names, or all of the domain", () =>
    Effect.gen(function*() {
      const cache = yield* CacheHook.make({ key: ["targetingKey"] })
      const flagsOf = { sale: TestProvider.value(true), other: TestProvider.value(true) }
      const { flags, provider } = yield* client(flagsOf, { hooks: [cache.hook] })
      yield* cache.watch(flags.client)
      const reasons = Effect.all([
        Effect.map(details(flags), ({ reason }) => reason),
        Effect.map(details(flags, ana, "other"), ({ reason }) => reason)
      ])
      yield* reasons
      assert.deepStrictEqual(yield* reasons, ["CACHED", "CACHED"])
      yield* provider.emit(changed, { flagsChanged: ["sale"] })
      assert.deepStrictEqual(yield* reasons, ["STATIC", "CACHED"])
      yield* provider.emit(changed, { flagsChanged: ["unknown"] })
      assert.deepStrictEqual(yield* reasons, ["CACHED", "CACHED"])
      yield* provider.emit(changed)
      assert.deepStrictEqual(yield* reasons, ["STATIC", "STATIC"])
      for (const wrong of [[], [1], [{ toString: null }, "sale"], "sale"]) {
        yield* provider.emit(changed, { flagsChanged: cast(wrong) })
        assert.deepStrictEqual(yield* reasons, ["STATIC", "STATIC"])
      }
      yield* cache.invalidate({ flagKey: "other" })
      assert.deepStrictEqual(yield* reasons, ["CACHED", "STATIC"])
      yield* cache.invalidate()
      assert.deepStrictEqual(yield* reasons, ["STATIC", "STATIC"])
    }))

  it.effect("has no effect after the scope of the watch", () =>
    Effect.gen(function*() {
      const { cache, flags, provider } = yield* rig()
      yield* Effect.scoped(cache.watch(flags.client))
      yield* details(flags)
      yield* provider.emit(changed)
      assert.strictEqual((yield* details(flags)).reason, "CACHED")
    }))

  it.effect("that names many flags invalidates them in its turn", () =>
    Effect.gen(function*() {
      const { cache, flags, provider } = yield* rig()
      yield* cache.watch(flags.client)
      yield* details(flags)
      yield* provider.emit(changed, { flagsChanged: [...Array.from({ length: 999 }, (_, i) => `flag ${i}`), "sale"] })
      assert.strictEqual((yield* details(flags)).reason, "STATIC")
    }))
})

describe("an invalidation that fails", () => {
  it.effect("is made again for ever, at the latest after 30 seconds", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const { state, store } = flaky(Effect.fail("down"))
        const { cache, flags, provider } = yield* rig({ store, timeToLive: "1 day" })
        yield* cache.watch(flags.client)
        yield* details(flags)
        yield* provider.emit(changed, { flagsChanged: ["sale"] })
        assert.strictEqual(state.attempts, 1)
        yield* TestClock.adjust("99 millis")
        assert.strictEqual(state.attempts, 1)
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(state.attempts, 2)
        yield* TestClock.adjust("2 hours")
        assert.isAbove(state.attempts, 240)
        assert.isBelow(state.attempts, 260)
        assert.strictEqual((yield* details(flags)).reason, "CACHED")
        state.isDown = false
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(state.scopes, [{ domain: flags.client.metadata.domain, flagKey: "sale" }])
        assert.strictEqual((yield* details(flags)).reason, "STATIC")
        const { errors } = yield* cache.counts
        assert.deepStrictEqual([errors, failures.length], [state.attempts - 1, state.attempts - 1])
        yield* provider.emit(changed, { flagsChanged: ["sale"] })
        assert.strictEqual((yield* details(flags)).reason, "STATIC")
      })
    ))

  const ways: Readonly<Record<string, Effect.Effect<void, string>>> = {
    fails: Effect.fail("down"),
    hangs: Effect.never,
    "cannot be interrupted": Effect.uninterruptible(Effect.never)
  }
  for (const [name, down] of Object.entries(ways)) {
    it.effect(`ends with the scope of the watch, with a store that ${name}`, () =>
      collectFailures(() =>
        Effect.gen(function*() {
          const { state, store } = flaky(down)
          const { cache, flags, provider } = yield* rig({ store })
          const scope = yield* Scope.make()
          yield* Scope.provide(cache.watch(flags.client), scope)
          yield* provider.emit(changed)
          yield* TestClock.adjust("10 seconds")
          const { attempts } = state
          yield* Scope.close(scope, Exit.void)
          yield* provider.emit(changed)
          yield* TestClock.adjust("1 hour")
          assert.strictEqual(state.attempts, attempts)
        })
      ))
  }

  it.effect("is one of all flags when there are too many of them, and one for each flag", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const { state, store } = flaky(Effect.never)
        const { cache, flags, provider } = yield* rig({ store })
        yield* cache.watch(flags.client)
        const { domain } = flags.client.metadata
        const emit = (event: number) =>
          provider.emit(changed, { flagsChanged: Array.from({ length: 100 }, (_, index) => `flag ${event} ${index}`) })
        for (const event of [1, 2, 1, 2]) yield* emit(event)
        yield* TestClock.adjust("6 seconds")
        state.isDown = false
        yield* TestClock.adjust("6 seconds")
        assert.strictEqual(state.scopes.length, 200)
        assert.isAtMost(failures.length, 3)
        state.isDown = true
        for (let event = 0; event < 12; event++) yield* emit(event)
        yield* TestClock.adjust("6 seconds")
        state.isDown = false
        state.scopes = []
        yield* TestClock.adjust("6 seconds")
        assert.deepStrictEqual(state.scopes, [{ domain }])
      })
    ))
})

describe("a provider that takes the place of another one", () => {
  const resolving = (variant: string): SDK.Provider => {
    const resolve = async () => ({ value: Object(variant), variant, reason: "STATIC" })
    return {
      metadata: { name: "flags" },
      runsOn: "server",
      events: new SDK.OpenFeatureEventEmitter(),
      resolveBooleanEvaluation: resolve,
      resolveStringEvaluation: async () => ({ value: variant, variant, reason: "STATIC" }),
      resolveNumberEvaluation: resolve,
      resolveObjectEvaluation: resolve
    }
  }
  const kinds: Readonly<Record<string, (variant: string) => SDK.Provider>> = {
    "without initialize": resolving,
    "with initialize": (variant) => ({ ...resolving(variant), initialize: () => Promise.resolve() }),
    "that fails to initialize": (variant) => ({
      ...resolving(variant),
      initialize: () => Promise.reject(new Error("no"))
    })
  }

  const plain = Effect.fnUntraced(function*() {
    const { state, store } = flaky(Effect.void)
    state.isDown = false
    const cache = yield* CacheHook.make({ key: ["targetingKey"], store })
    const domain = newDomain()
    const client = SDK.OpenFeature.getClient(domain)
    client.addHooks(yield* OpenFeatureHook.makeEffect(cache.hook))
    const set = (provider: SDK.Provider) =>
      Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, provider).catch(() => undefined))
    const found = Effect.promise(async () => {
      const { reason, value } = await client.getStringDetails("sale", "", ana)
      return [value, reason]
    })
    return { cache, client, domain, set, found, state }
  })

  for (const [name, make] of Object.entries(kinds)) {
    it.effect(`under the same name invalidates all flags of the domain, ${name}`, () =>
      Effect.gen(function*() {
        const { cache, client, domain, found, set, state } = yield* plain()
        yield* set(ResolutionProvider.make(resolving("old")))
        yield* cache.watch(client)
        yield* found
        assert.deepStrictEqual(yield* found, ["old", "CACHED"])
        const provider = make("new")
        yield* set(ResolutionProvider.make(provider))
        assert.deepStrictEqual(yield* found, ["new", "STATIC"])
        assert.deepStrictEqual(yield* found, ["new", "CACHED"])
        assert.deepStrictEqual(state.scopes, [{ domain }])
        // The client hears of its events, too. Being ready again is no change.
        for (const type of [SDK.ProviderEvents.Stale, SDK.ProviderEvents.Ready] as const) {
          provider.events?.emit(type, { flagsChanged: undefined })
          yield* turns()
        }
        assert.strictEqual(state.scopes.length, 1)
        provider.events?.emit(changed, { flagsChanged: ["sale"] })
        yield* turns()
        assert.deepStrictEqual(yield* found, ["new", "STATIC"])
      }))
  }

  it.effect("invalidates nothing if nothing was cached of that one", () =>
    Effect.gen(function*() {
      const { cache, client, found, set, state } = yield* plain()
      yield* cache.watch(client)
      yield* set(ResolutionProvider.make(resolving("first")))
      yield* found
      assert.deepStrictEqual(yield* found, ["first", "CACHED"])
      assert.deepStrictEqual(state.scopes, [])
    }))

  it.effect("invalidates nothing after the scope of the watch", () =>
    Effect.gen(function*() {
      const { cache, client, found, set, state } = yield* plain()
      yield* set(ResolutionProvider.make(resolving("old")))
      yield* Effect.scoped(cache.watch(client))
      yield* found
      yield* set(ResolutionProvider.make(resolving("new")))
      assert.deepStrictEqual(yield* found, ["old", "CACHED"])
      assert.deepStrictEqual(state.scopes, [])
    }))
})
