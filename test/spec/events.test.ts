import { assert, describe, it } from "@effect/vitest"
import type * as SDK from "@openfeature/server-sdk"
import { OpenFeature, ProviderEvents, ProviderStatus } from "@openfeature/server-sdk"
import { Effect, Exit, Fiber, Queue, Scope, Stream } from "effect"
import { FeatureFlags } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { turns, until } from "../support.ts"
import { newDomain } from "./rig.ts"

type Flags = FeatureFlags.FeatureFlags["Service"]

const types = Object.values(ProviderEvents)

const client = Effect.fnUntraced(function*(script: TestProvider.Script = {}) {
  const domain = newDomain()
  const provider = yield* TestProvider.make(script)
  const flags = yield* FeatureFlags.make({
    domain,
    provider: Effect.succeed(provider),
    onProviderError: "ignore"
  })
  return { domain, flags, provider }
})

/** Listens until the scope closes. The event of the present state is taken already. */
const listen = Effect.fnUntraced(function*(flags: Flags) {
  const queue = yield* Queue.unbounded<FeatureFlags.ProviderEvent>()
  yield* Effect.forkScoped(Stream.runForEach(flags.events, (event) => Queue.offer(queue, event)))
  const first = yield* Queue.take(queue)
  return { first, next: Queue.take(queue), queue }
})

const handlers = (flags: Flags): number =>
  types.reduce((count, type) => count + flags.client.getHandlers(type).length, 0)

describe("5.1 events of providers", () => {
  it.effect("5.1.2 what the provider emits reaches the client, each type of event", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags, provider } = yield* client()
      const { next } = yield* listen(flags)
      for (const type of [...types, ...types]) {
        yield* provider.emit(type, { message: `about ${type}` })
        const event = yield* next
        assert.deepStrictEqual([event.type, event.details?.message], [type, `about ${type}`])
      }
    })))

  it.effect("5.1.3 what another provider emits does not", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags } = yield* client()
      const another = yield* client()
      const mine = yield* listen(flags)
      const others = yield* listen(another.flags)
      yield* another.provider.emit(ProviderEvents.Stale)
      assert.strictEqual((yield* others.next).type, ProviderEvents.Stale)
      yield* turns()
      assert.strictEqual(yield* Queue.size(mine.queue), 0)
    })))
})

describe("5.2 handlers", () => {
  it.effect("5.2.1 the events of the client are a stream, which says of which type each is", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags, provider } = yield* client()
      const stale = yield* Effect.forkScoped(
        flags.events.pipe(
          Stream.filter((event) => event.type === ProviderEvents.Stale),
          Stream.take(1),
          Stream.runCollect
        )
      )
      yield* until(() => handlers(flags) > 0)
      yield* provider.emit(ProviderEvents.ConfigurationChanged)
      yield* provider.emit(ProviderEvents.Stale)
      assert.deepStrictEqual((yield* Fiber.join(stale)).map((event) => event.type), [ProviderEvents.Stale])
    })))

  it.effect("5.2.3 the details of an event name the provider", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags, provider } = yield* client({ name: "flagd" })
      const { first, next } = yield* listen(flags)
      yield* provider.emit(ProviderEvents.Stale)
      assert.deepStrictEqual(
        [first, yield* next].map((event) => event.details?.providerName),
        ["flagd", "flagd"]
      )
    })))

  it.effect("5.2.4 the details of an event are given: domain, message, flags and metadata", () =>
    Effect.scoped(Effect.gen(function*() {
      const { domain, flags, provider } = yield* client()
      const { next } = yield* listen(flags)
      const told = { message: "changed", flagsChanged: ["a", "b"], metadata: { version: 3 } }
      yield* provider.emit(ProviderEvents.ConfigurationChanged, told)
      const { details } = yield* next
      assert.deepInclude(details, { ...told, domain, providerName: "test" })
    })))

  it.effect("5.2.5 a listener that dies or fails keeps no other one from listening", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags, provider } = yield* client()
      const wrong = [
        () => Effect.die(new Error("no")),
        () => Effect.fail("no"),
        (): Effect.Effect<void> => {
          throw new Error("no")
        }
      ]
      const fibers = []
      for (const run of wrong) {
        const stale = flags.events.pipe(Stream.filter((event) => event.type === ProviderEvents.Stale))
        fibers.push(yield* Effect.forkScoped(Stream.runForEach(stale, run), { startImmediately: true }))
      }
      const { next } = yield* listen(flags)
      yield* provider.emit(ProviderEvents.Stale)
      assert.strictEqual((yield* next).type, ProviderEvents.Stale)
      for (const fiber of fibers) assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
      yield* provider.emit(ProviderEvents.Ready)
      assert.strictEqual((yield* next).type, ProviderEvents.Ready)
    })))

  it.effect("5.2.6 a listener goes on when the provider is replaced", () =>
    Effect.scoped(Effect.gen(function*() {
      const { domain, flags, provider } = yield* client({ name: "old" })
      const { next } = yield* listen(flags)
      const replacement = yield* TestProvider.make({ name: "new" })
      yield* Effect.promise(() => OpenFeature.setProviderAndWait(domain, replacement))
      assert.strictEqual((yield* next).details?.providerName, "new")
      yield* provider.emit(ProviderEvents.Error)
      yield* replacement.emit(ProviderEvents.Stale)
      const { details, type } = yield* next
      assert.deepStrictEqual([type, details?.providerName], [ProviderEvents.Stale, "new"])
    })))

  it.effect("5.2.7 a stream that ends leaves no handler behind, and takes no other one's away", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags, provider } = yield* client()
      const scope = yield* Scope.make()
      yield* Scope.provide(listen(flags), scope)
      const one = handlers(flags)
      const { next } = yield* listen(flags)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(handlers(flags), one)
      assert.isAbove(one, 0)
      yield* provider.emit(ProviderEvents.Stale)
      assert.strictEqual((yield* next).type, ProviderEvents.Stale)
    })))

  it.effect("5.2.7 the last stream that ends takes the handlers away", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags } = yield* client()
      const scope = yield* Scope.make()
      yield* Scope.provide(Effect.andThen(listen(flags), listen(flags)), scope)
      assert.isAbove(handlers(flags), 0)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(handlers(flags), 0)
    })))
})

describe("5.3 the state of the provider", () => {
  it.effect("5.3.1 listeners are told when the provider becomes ready", () =>
    Effect.scoped(Effect.gen(function*() {
      const domain = newDomain()
      const waiting = yield* FeatureFlags.make({ domain })
      const first = yield* Effect.forkScoped(Stream.runHead(waiting.events))
      yield* until(() => handlers(waiting) > 0)
      yield* FeatureFlags.make({ domain, provider: TestProvider.make() })
      const event = yield* Fiber.join(first)
      assert.deepInclude(event, { _tag: "Some" })
      assert.propertyVal(Object(event).value, "type", ProviderEvents.Ready)
    })))

  it.effect("5.3.2 listeners are told when the provider fails, at its start too", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags, provider } = yield* client()
      const { next } = yield* listen(flags)
      yield* provider.emit(ProviderEvents.Error, { message: "no connection" })
      const event = yield* next
      assert.deepStrictEqual([event.type, event.details?.message], [ProviderEvents.Error, "no connection"])

      const unready = yield* client({ initialize: Effect.fail(new Error("no connection")) })
      assert.strictEqual((yield* listen(unready.flags)).first.type, ProviderEvents.Error)
    })))

  const states: ReadonlyArray<readonly [SDK.ServerProviderEvents, ProviderStatus]> = [
    [ProviderEvents.Ready, ProviderStatus.READY],
    [ProviderEvents.Stale, ProviderStatus.STALE],
    [ProviderEvents.Error, ProviderStatus.ERROR]
  ]

  it.effect("5.3.3 who listens later is told the present state first, at once", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags, provider } = yield* client()
      for (const [type] of states) {
        yield* provider.emit(type)
        assert.strictEqual((yield* listen(flags)).first.type, type)
      }
    })))

  it.effect("5.3.5 the status is the new one already when a handler runs", () =>
    Effect.scoped(Effect.gen(function*() {
      const { flags, provider } = yield* client()
      const { next } = yield* listen(flags)
      const seen: Array<unknown> = []
      for (const type of types) flags.client.addHandler(type, () => seen.push([type, flags.client.providerStatus]))
      seen.length = 0
      const expected: Array<unknown> = []
      for (const [type, status] of [...states, ...states]) {
        yield* provider.emit(type)
        assert.strictEqual((yield* next).type, type)
        assert.strictEqual(yield* flags.status, status)
        expected.push([type, status])
      }
      assert.deepStrictEqual(seen, expected)
    })))
})
