import { assert, describe, it } from "@effect/vitest"
import * as SDK from "@openfeature/server-sdk"
import { Effect, Function } from "effect"
import { FeatureFlags, FeatureHook, OpenFeatureHook, ResolutionProvider } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { type Client, clients, sdkDetails } from "./clients.ts"
import { answering, giving, rig } from "./resolving.ts"
import { collectFailures, logsTo, newDomain, paths, rangeError, turns, until } from "./support.ts"

const { ERROR, FATAL, NOT_READY, READY, STALE } = SDK.ServerProviderStatus
const { ConfigurationChanged, Error: Failed, Ready, Stale } = SDK.ProviderEvents

/** Resolves the flag `hook`, and leaves all others to the provider. */
const some = FeatureHook.make("some", {
  before: ({ flagKey }) => flagKey === "hook" ? { resolution: { value: "hook" } } : undefined
})

/** A promise that is settled from outside. */
const gate = () => {
  let open: () => void = () => undefined
  let fail: (error: unknown) => void = () => undefined
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  promise.catch(() => undefined)
  return { wait: Effect.tryPromise({ try: () => promise, catch: (error) => error }), open, fail }
}

const statusOf = (domain: string) => SDK.OpenFeature.getClient(domain).providerStatus

for (const kind of clients) {
  for (const [path, change] of paths) {
    describe(`the state of the provider, ${kind}, ${path}`, () => {
      it.effect("ERROR and STALE serve, and FATAL never does", () =>
        Effect.gen(function*() {
          const provider = yield* answering()
          const { domain, evaluate } = yield* rig(kind, provider, [change(giving("hook"))])
          const states = [
            [Failed, undefined, ERROR],
            [Stale, undefined, STALE],
            [Ready, undefined, READY],
            [Failed, SDK.ErrorCode.PROVIDER_FATAL, FATAL]
          ] as const
          for (const [event, errorCode, status] of states) {
            yield* provider.emit(event, Function.cast({ errorCode }))
            assert.strictEqual(statusOf(domain), status)
            const details = yield* evaluate("string", "none")
            const expected = status === FATAL ? ["none", "PROVIDER_FATAL"] : ["hook", undefined]
            assert.deepStrictEqual([details.value, details.errorCode], expected)
          }
          assert.deepStrictEqual(yield* provider.calls, [])
        }))

      it.effect("not ready refuses, unless asked to serve", () =>
        Effect.gen(function*() {
          const { open, wait } = gate()
          const provider = yield* answering({ initialize: Effect.orDie(wait) })
          const { domain, evaluate } = yield* rig(kind, provider, [change(giving("hook"))], { isAwaited: false })
          assert.strictEqual(statusOf(domain), NOT_READY)
          assert.strictEqual((yield* evaluate("string", "none")).errorCode, "PROVIDER_NOT_READY")
          open()
          yield* until(() => statusOf(domain) === READY)
          assert.strictEqual((yield* evaluate("string", "none")).value, "hook")
        }).pipe(Effect.provide(logsTo([]))))

      it.effect("not ready serves with `resolveWhenNotReady`, and is READY once it is", () =>
        Effect.gen(function*() {
          const { open, wait } = gate()
          const provider = yield* answering({ initialize: Effect.orDie(wait) })
          const { domain, evaluate } = yield* rig(kind, provider, [change(some)], {
            isAwaited: false,
            resolveWhenNotReady: true
          })
          assert.strictEqual(statusOf(domain), STALE)
          assert.strictEqual((yield* evaluate("hook", "none")).value, "hook")
          const other = yield* evaluate("string", "none")
          assert.deepStrictEqual([other.value, other.errorCode], ["none", "PROVIDER_NOT_READY"])
          assert.deepStrictEqual(yield* provider.calls, [])
          open()
          yield* until(() => statusOf(domain) === READY)
          assert.strictEqual((yield* evaluate("hook", "none")).value, "hook")
          assert.strictEqual((yield* evaluate("string", "none")).value, "provider")
        }).pipe(Effect.provide(logsTo([]))))

      for (const [code, status] of [[undefined, ERROR], ["PROVIDER_FATAL", FATAL]] as const) {
        it.effect(`that fails to initialise is ${status} with \`resolveWhenNotReady\``, () =>
          Effect.gen(function*() {
            const { fail, wait } = gate()
            const provider = yield* answering({ initialize: wait })
            const { domain, evaluate } = yield* rig(kind, provider, [change(some)], {
              isAwaited: false,
              resolveWhenNotReady: true
            })
            assert.strictEqual((yield* evaluate("hook", "none")).value, "hook")
            fail(Object.assign(new Error("no connection"), { code }))
            yield* until(() => statusOf(domain) === status)
            const served = yield* evaluate("hook", "none")
            const other = yield* evaluate("string", "none")
            if (status === FATAL) {
              assert.deepStrictEqual([served.errorCode, other.errorCode], ["PROVIDER_FATAL", "PROVIDER_FATAL"])
            } else {
              // As without the wrapper: in this state the SDK asks the provider.
              assert.deepStrictEqual([served.value, other.value], ["hook", "provider"])
            }
          }).pipe(Effect.provide(logsTo([]))))
      }

      it.effect("of one without `initialize` is READY at once", () =>
        Effect.gen(function*() {
          for (const resolveWhenNotReady of [true, false]) {
            const provider: SDK.Provider = { ...yield* answering() }
            Reflect.deleteProperty(provider, "initialize")
            const { domain, evaluate } = yield* rig(kind, provider, [change(some)], {
              isAwaited: false,
              resolveWhenNotReady
            })
            assert.strictEqual(statusOf(domain), READY)
            assert.strictEqual((yield* evaluate("string", "none")).value, "provider")
            assert.strictEqual((yield* evaluate("hook", "none")).value, "hook")
          }
        }))

      it.effect("of one without metadata serves, and asks the provider", () =>
        Effect.gen(function*() {
          const provider: SDK.Provider = { ...yield* answering() }
          Reflect.deleteProperty(provider, "metadata")
          const { evaluate } = yield* rig(kind, provider, [change(some)])
          const other = yield* evaluate("string", "none")
          assert.deepStrictEqual([other.value, other.errorMessage], ["provider", undefined])
          assert.strictEqual((yield* evaluate("hook", "none")).value, "hook")
        }))

      it.effect("of a MultiProvider that is wrapped as a whole serves", () =>
        Effect.gen(function*() {
          const first = yield* TestProvider.make({ name: "first", flags: {} })
          const second = yield* answering({ name: "second" })
          const multi = new SDK.MultiProvider([{ provider: first }, { provider: second }])
          const { evaluate } = yield* rig(kind, multi, [change(some)])
          assert.strictEqual((yield* evaluate("hook", "none")).value, "hook")
          assert.deepStrictEqual([...yield* first.calls, ...yield* second.calls], [])
          assert.strictEqual((yield* evaluate("string", "none")).value, "provider")
          assert.strictEqual((yield* second.calls).length, 1)
        }))

      it.effect("of a MultiProvider with a wrapped one in it resolves, and is told of once", () =>
        collectFailures((failures) =>
          Effect.gen(function*() {
            const inner = ResolutionProvider.make(yield* answering())
            const multi = new SDK.MultiProvider([{ provider: inner }])
            const { evaluate } = yield* rig(kind, multi, [change(giving("hook"))], { isWrapped: false })
            for (let i = 0; i < 3; i++) assert.strictEqual((yield* evaluate("string", "none")).value, "provider")
            assert.strictEqual(failures.length, 1)
          })
        ))
    })
  }

  describe(`handlers of events, ${kind}`, () => {
    const heard = (events: Array<string>) => {
      const client = (domain: string) => SDK.OpenFeature.getClient(domain)
      return (domain: string) => {
        for (const type of [Ready, Stale, Failed, ConfigurationChanged]) {
          client(domain).addHandler(type, () => void events.push(type))
        }
      }
    }
    const bound = (kind: Client, domain: string, provider: SDK.Provider) =>
      kind === "sdk"
        ? Effect.sync(() => SDK.OpenFeature.setProvider(domain, provider))
        : Effect.asVoid(FeatureFlags.make({
          domain,
          provider: Effect.succeed(provider),
          resolveWhenNotReady: true,
          initializeTimeout: 0,
          onProviderError: "ignore"
        }))

    it.effect("that were there before hear of READY, and not of the STALE of the beginning", () =>
      Effect.gen(function*() {
        const domain = newDomain()
        const events: Array<string> = []
        // The SDK hands events of a provider to handlers of its domain.
        yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, SDK.NOOP_PROVIDER))
        heard(events)(domain)
        yield* turns()
        events.length = 0
        const { open, wait } = gate()
        const provider = yield* answering({ initialize: Effect.orDie(wait) })
        const wrapped = kind === "sdk" ? ResolutionProvider.make(provider, { resolveWhenNotReady: true }) : provider
        yield* bound(kind, domain, wrapped)
        yield* turns()
        assert.strictEqual(statusOf(domain), STALE)
        assert.deepStrictEqual(events, [])
        open()
        yield* until(() => statusOf(domain) === READY)
        yield* turns()
        assert.deepStrictEqual(events, [Ready])
        for (const type of [ConfigurationChanged, Stale, Failed, Ready] as const) yield* provider.emit(type)
        yield* turns()
        assert.deepStrictEqual(events, [Ready, ConfigurationChanged, Stale, Failed, Ready])
      }).pipe(Effect.provide(logsTo([]))))
  })
}

describe("make", () => {
  it.effect("forwards events, with their details, with and without `resolveWhenNotReady`", () =>
    Effect.gen(function*() {
      for (const resolveWhenNotReady of [true, false]) {
        const provider = yield* answering()
        const domain = newDomain()
        const wrapped = ResolutionProvider.make(provider, { resolveWhenNotReady })
        yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, wrapped))
        const changed: Array<unknown> = []
        SDK.OpenFeature.getClient(domain).addHandler(ConfigurationChanged, (details) => {
          changed.push([details?.flagsChanged, details?.metadata])
        })
        yield* provider.emit(ConfigurationChanged, { flagsChanged: ["a"], metadata: { b: 1 } })
        yield* turns()
        assert.deepStrictEqual(changed, [[["a"], { b: 1 }]])
      }
    }))

  it.effect("forwards tracking, hooks, metadata, `runsOn`, `domainScoped`, `initialize` and `onClose`", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const hook: SDK.Hook = { finally: ({ flagKey }) => void seen.push(`hook ${flagKey}`) }
      const metadata = { name: "own", region: "eu" }
      const provider: SDK.Provider & { readonly domainScoped: boolean } = {
        ...yield* answering(),
        metadata,
        runsOn: "server",
        domainScoped: true,
        hooks: [hook],
        initialize: async (context) => void seen.push(["initialize", context]),
        onClose: async () => void seen.push("close"),
        track: (name, context, details) => void seen.push([name, context, details])
      }
      const wrapped = ResolutionProvider.make(provider)
      assert.deepStrictEqual<unknown>(wrapped.metadata, metadata)
      assert.strictEqual(wrapped.metadata, wrapped.metadata)
      assert.strictEqual(wrapped.runsOn, "server")
      assert.isTrue(Reflect.get(wrapped, "domainScoped"))
      const domain = newDomain()
      yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, wrapped))
      const client = SDK.OpenFeature.getClient(domain)
      yield* sdkDetails(client, "sale", false)
      client.track("bought", { targetingKey: "u" }, { value: 5 })
      yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, SDK.NOOP_PROVIDER))
      assert.deepStrictEqual(seen, [
        ["initialize", {}],
        "hook sale",
        ["bought", { targetingKey: "u" }, { value: 5 }],
        "close"
      ])
      const bare = ResolutionProvider.make(SDK.NOOP_PROVIDER)
      assert.deepStrictEqual([bare.hooks, bare.runsOn, Reflect.get(bare, "domainScoped")], [[], "server", false])
      assert.isUndefined(Reflect.get(bare, "initialize"))
      bare.track?.("nothing", {}, {})
      yield* Effect.promise(async () => bare.onClose?.())
    }))

  it.effect("hands on no tracking before the provider is initialised, as the SDK does", () =>
    Effect.gen(function*() {
      for (const resolveWhenNotReady of [true, false]) {
        const seen: Array<string> = []
        const { open, wait } = gate()
        const provider: SDK.Provider = {
          ...yield* answering({ initialize: Effect.orDie(wait) }),
          track: (name) => void seen.push(name)
        }
        const domain = newDomain()
        SDK.OpenFeature.setProvider(domain, ResolutionProvider.make(provider, { resolveWhenNotReady }))
        const client = SDK.OpenFeature.getClient(domain)
        client.track("early")
        open()
        yield* until(() => statusOf(domain) === READY)
        client.track("later")
        assert.deepStrictEqual(seen, ["later"])
      }
    }))

  it.effect("refuses a provider for the client, as the SDK does", () =>
    Effect.gen(function*() {
      const wrapped = ResolutionProvider.make({ ...yield* answering(), runsOn: "client" })
      const refused = yield* Effect.promise(async () => {
        try {
          await SDK.OpenFeature.setProviderAndWait(newDomain(), wrapped)
          return undefined
        } catch (error) {
          return String(error)
        }
      })
      assert.match(String(refused), /intended for use on the client/)
    }))

  it.effect("asks the provider with its own `this`, the default value, the context and the logger", () =>
    Effect.gen(function*() {
      const seen: Array<ReadonlyArray<unknown>> = []
      class Own implements SDK.Provider {
        readonly metadata = { name: "own" }
        readonly runsOn = "server"
        readonly #value = "private"
        #answer<A>(args: ReadonlyArray<unknown>, value: A): Promise<SDK.ResolutionDetails<A>> {
          seen.push(args.slice(0, 3))
          assert.isDefined(args[3])
          return Promise.resolve({ value })
        }
        resolveBooleanEvaluation(...args: Parameters<SDK.Provider["resolveBooleanEvaluation"]>) {
          return this.#answer(args, this.#value === "private")
        }
        resolveStringEvaluation(...args: Parameters<SDK.Provider["resolveStringEvaluation"]>) {
          return this.#answer(args, this.#value)
        }
        resolveNumberEvaluation(...args: Parameters<SDK.Provider["resolveNumberEvaluation"]>) {
          return this.#answer(args, this.#value.length)
        }
        resolveObjectEvaluation<A extends SDK.JsonValue>(
          flagKey: string,
          defaultValue: A,
          context: SDK.EvaluationContext,
          logger: SDK.Logger
        ) {
          return this.#answer([flagKey, defaultValue, context, logger], defaultValue)
        }
      }
      const { evaluate } = yield* rig("sdk", new Own(), [])
      const context = { targetingKey: "u" }
      assert.isTrue((yield* evaluate("a", false, context)).value)
      assert.strictEqual((yield* evaluate("b", "none", context)).value, "private")
      assert.strictEqual((yield* evaluate("c", 1, context)).value, 7)
      assert.deepStrictEqual((yield* evaluate("d", { x: 1 }, context)).value, { x: 1 })
      assert.deepStrictEqual(seen, [
        ["a", false, context],
        ["b", "none", context],
        ["c", 1, context],
        ["d", { x: 1 }, context]
      ])
    }))

  it.effect("serves for its own clients only, also when providers share their metadata", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const metadata = { name: "shared" }
        const wrapped = yield* rig("sdk", { ...yield* answering(), metadata }, [some])
        const bare = yield* rig("sdk", { ...yield* answering(), metadata }, [some], { isWrapped: false })
        assert.strictEqual((yield* wrapped.evaluate("hook", "none")).value, "hook")
        assert.strictEqual((yield* bare.evaluate("hook", "none")).value, "none")
        assert.strictEqual(failures.length, 1)
      })
    ))

  it.effect("serves for a provider with strange metadata", () =>
    Effect.gen(function*() {
      class Own {
        readonly #name = "own"
        get name() {
          return this.#name
        }
      }
      const throwing = () => {
        throw new Error("no")
      }
      const strange: ReadonlyArray<unknown> = [
        Object.freeze({ name: "a" }),
        new Proxy({ name: "a" }, { ownKeys: throwing, getPrototypeOf: throwing }),
        Object.create(null, { name: { get: () => "b", enumerable: true } }),
        new Own()
      ]
      for (const metadata of strange) {
        const provider: SDK.Provider = { ...yield* answering(), metadata: Function.cast(metadata) }
        const { evaluate } = yield* rig("FeatureFlags", provider, [some])
        assert.strictEqual((yield* evaluate("hook", "none")).value, "hook")
      }
    }))

  it.effect("serves on the default domain, and for clients that were there before", () =>
    Effect.gen(function*() {
      const domain = newDomain()
      const client = SDK.OpenFeature.getClient(domain).addHooks(OpenFeatureHook.make(giving("hook")))
      const provider = yield* answering()
      yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider)))
      assert.strictEqual((yield* sdkDetails(client, "string", "none")).value, "hook")
    }))

  it.effect("serves for a provider that is wrapped twice", () =>
    Effect.gen(function*() {
      const provider = ResolutionProvider.make(yield* answering(), { resolveWhenNotReady: true })
      for (const kind of clients) {
        const { evaluate } = yield* rig(kind, provider, [some], { resolveWhenNotReady: true })
        assert.strictEqual((yield* evaluate("hook", "none")).value, "hook")
        assert.strictEqual((yield* evaluate("string", "none")).value, "provider")
      }
    }))

  it.effect("asks a provider that is wrapped twice once within a transaction", () =>
    Effect.gen(function*() {
      for (const isAsync of [false, true]) {
        const provider = yield* answering()
        const inner = ResolutionProvider.make(provider)
        const between: SDK.Provider = {
          ...inner,
          metadata: inner.metadata,
          async resolveStringEvaluation(...args) {
            if (isAsync) await Promise.resolve()
            return inner.resolveStringEvaluation(...args)
          }
        }
        const { evaluate } = yield* rig("FeatureFlags", between, [some])
        const evaluations = Effect.all([evaluate("string", "none"), evaluate("string", "none")])
        const { record, value } = yield* FeatureFlags.transaction(evaluations)
        assert.deepStrictEqual(value.map(({ reason, value }) => [value, reason]), [
          ["provider", "STATIC"],
          ["provider", "CACHED"]
        ])
        assert.deepStrictEqual(record.entries.map(({ source }) => source), ["provider", "cache"])
        assert.strictEqual((yield* provider.calls).length, 1)
      }
    }))

  it.effect("lets a provider fail as it fails alone", () =>
    Effect.gen(function*() {
      const provider = yield* answering({ flags: { broken: TestProvider.throwing(new SDK.ParseError("broken")) } })
      for (const kind of clients) {
        const { evaluate } = yield* rig(kind, provider, [some])
        const { errorCode, errorMessage } = yield* evaluate("broken", "none")
        assert.deepStrictEqual([errorCode, errorMessage], ["PARSE_ERROR", "broken"])
      }
    }))

  it("refuses what is no provider, and unknown options, by name", () => {
    const message = (provider: unknown, options?: unknown) =>
      rangeError(() => ResolutionProvider.make(Function.cast(provider), Function.cast(options)))
    assert.match(message({}), /^ResolutionProvider\.make: provider must be an object with resolveBooleanEvaluation/)
    assert.match(message(null), /^ResolutionProvider\.make: provider must be/)
    assert.match(message(SDK.NOOP_PROVIDER, { resolveWhenReady: true }), /did you mean "resolveWhenNotReady"\?$/)
    assert.match(message(SDK.NOOP_PROVIDER, { resolveWhenNotReady: 1 }), /resolveWhenNotReady must be true or false/)
  })
})
