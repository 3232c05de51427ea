import { assert, describe, it } from "@effect/vitest"
import * as SDK from "@openfeature/server-sdk"
import { Cause, Effect, Exit, Fiber, Function, Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  DedupeHook,
  type EvaluationDetails,
  EvaluationError,
  FeatureFlags,
  FeatureHook,
  FlagFilter,
  HookRegistry,
  OpenFeatureHook,
  ResolutionProvider
} from "effect-openfeature"
import { Fixtures, PlainTestFlags, TestFlags } from "effect-openfeature/testing"
import { clients, sdkDetails } from "../clients.ts"
import { answering, giving, resolving, rig } from "../resolving.ts"
import { collectFailures, logsTo, newDomain, paths, unhandledRejections, wrapping } from "../support.ts"

type Hook = FeatureHook.FeatureHook<unknown>

type Details = EvaluationDetails.EvaluationDetails

/** What reaches the caller, without what is empty. */
const outcome = ({ errorCode, errorMessage, flagMetadata, reason, value, variant }: Details) => ({
  value,
  ...variant === undefined ? {} : { variant },
  ...reason === undefined ? {} : { reason },
  ...errorCode === undefined ? {} : { errorCode, errorMessage },
  ...Object.keys(flagMetadata).length === 0 ? {} : { flagMetadata }
})

/** What is told about hooks, as the text of the mistake. */
const told = (failures: ReadonlyArray<{ readonly hook: string; readonly cause: Cause.Cause<unknown> }>) =>
  failures.map(({ cause, hook }) => `${hook}: ${String(Reflect.get(Object(Cause.squash(cause)), "message"))}`)

for (const kind of clients) {
  for (const [path, change] of paths) {
    describe(`a resolution of a hook, ${kind}, ${path}`, () => {
      const make = (hooks: ReadonlyArray<Hook>, settings = {}) =>
        Effect.flatMap(
          answering(),
          (provider) =>
            Effect.map(rig(kind, provider, hooks.map((hook) => change(hook)), settings), (made) => ({
              ...made,
              calls: provider.calls
            }))
        )

      it.effect("takes the place of the provider, with value, variant, reason and metadata", () =>
        Effect.gen(function*() {
          const seen: Array<unknown> = []
          const resolution = {
            value: true,
            variant: "on",
            reason: "CACHED",
            flagMetadata: { version: 3, team: "a", isOld: false }
          }
          const after = FeatureHook.make("after", { after: (_context, details) => void seen.push(outcome(details)) })
          const { calls, evaluate } = yield* make([after, resolving(resolution)])
          assert.deepStrictEqual(outcome(yield* evaluate("boolean", false)), resolution)
          assert.deepStrictEqual(seen, [resolution])
          assert.deepStrictEqual(yield* calls, [])
        }))

      it.effect("has no reason and no variant unless it gives one", () =>
        Effect.gen(function*() {
          const { evaluate } = yield* make([giving(true)])
          assert.deepStrictEqual(outcome(yield* evaluate("boolean", false)), { value: true })
        }))

      it.effect("holds when it is the first, and later hooks run and see it", () =>
        Effect.gen(function*() {
          const seen: Array<unknown> = []
          const see = (name: string) =>
            FeatureHook.make(name, { before: ({ resolution }) => void seen.push([name, resolution?.value]) })
          const { evaluate } = yield* make([see("a"), giving("first"), see("b"), giving("second"), see("c")])
          assert.strictEqual((yield* evaluate("string", "none")).value, "first")
          assert.deepStrictEqual(seen, [["a", undefined], ["b", "first"], ["c", "first"]])
        }))

      it.effect("comes with attributes and hints, and without one the provider answers", () =>
        Effect.gen(function*() {
          const onlySome = FeatureHook.make("some", {
            before: ({ flagKey }) => ({
              context: { region: "eu" },
              resolution: flagKey === "string" ? { value: "hook" } : undefined
            })
          })
          const { calls, evaluate } = yield* make([onlySome])
          assert.strictEqual((yield* evaluate("string", "none")).value, "hook")
          assert.deepStrictEqual(outcome(yield* evaluate("boolean", true)), {
            value: false,
            variant: "provider",
            reason: "STATIC"
          })
          assert.deepStrictEqual((yield* calls).map(({ context }) => context), [{ region: "eu" }])
        }))

      it.effect("works for all four types, and of another type is a TYPE_MISMATCH", () =>
        Effect.gen(function*() {
          const values = { boolean: true, string: "hook", number: 5, object: { from: "hook" } } as const
          const defaults = { boolean: false, string: "none", number: 1, object: {} } as const
          const types = ["boolean", "string", "number", "object"] as const
          for (const given of types) {
            const { evaluate } = yield* make([giving(values[given])])
            for (const asked of types) {
              const details = yield* evaluate(asked, defaults[asked])
              const expected = given === asked ? [values[asked], undefined] : [defaults[asked], "TYPE_MISMATCH"]
              assert.deepStrictEqual([details.value, details.errorCode], expected, `${given} for ${asked}`)
              assert.notInclude(String(details.errorMessage), "hook is not of the type hook")
            }
          }
        }))

      it.effect("may be any number, as one of a provider may", () =>
        Effect.gen(function*() {
          for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
            const { evaluate } = yield* make([giving(value)])
            const details = yield* evaluate("number", 1)
            assert.deepStrictEqual([details.value, details.errorCode], [value, undefined])
          }
        }))

      it.effect("that is an error gives code, message and metadata, and runs the error stages", () =>
        Effect.gen(function*() {
          const seen: Array<string> = []
          const watch = FeatureHook.make("watch", {
            after: () => void seen.push("after"),
            error: (_context, { code, message }) => void seen.push(`error ${code} ${message}`),
            finally: (_context, { flagMetadata }) => void seen.push(`finally ${JSON.stringify(flagMetadata)}`)
          })
          const refusal = resolving({
            errorCode: "FLAG_NOT_FOUND",
            errorMessage: "switched off",
            flagMetadata: { ticket: "A-1" }
          })
          const { calls, evaluate } = yield* make([watch, refusal])
          assert.deepStrictEqual(outcome(yield* evaluate("boolean", true)), {
            value: true,
            reason: "ERROR",
            errorCode: "FLAG_NOT_FOUND",
            errorMessage: "switched off",
            flagMetadata: { ticket: "A-1" }
          })
          assert.deepStrictEqual(seen, ["error FLAG_NOT_FOUND switched off", "finally {\"ticket\":\"A-1\"}"])
          assert.deepStrictEqual(yield* calls, [])
        }))

      it.effect("with a structure is a copy, which neither the caller nor its giver can write through", () =>
        Effect.gen(function*() {
          const kept = { list: [{ a: 1 }] }
          const metadata: Record<string, string> = { a: "1" }
          const { evaluate } = yield* make([resolving({ value: kept, flagMetadata: metadata })])
          const first = yield* evaluate("object", {})
          // The SDK's callers may write to what they get.
          Reflect.set(Reflect.get(Object(first.value), "list"), "0", "written")
          Reflect.set(Object(first.value), "b", 2)
          Reflect.set(first.flagMetadata, "a", "2")
          assert.deepStrictEqual(kept, { list: [{ a: 1 }] })
          assert.deepStrictEqual(metadata, { a: "1" })
          const second = yield* evaluate("object", {})
          assert.deepStrictEqual(second.value, { list: [{ a: 1 }] })
          assert.notStrictEqual(second.value, first.value)
        }))

      it.effect("is frozen for later hooks, and does not follow its giver", () =>
        Effect.gen(function*() {
          const kept = { value: { list: [1] } }
          let isFrozen = false
          const giver = FeatureHook.make("giver", { before: () => ({ resolution: kept }) })
          const later = FeatureHook.make("later", {
            before: ({ resolution }) => {
              kept.value.list.push(2)
              const list = Reflect.get(Object(resolution?.value), "list")
              isFrozen = Object.isFrozen(resolution) && Object.isFrozen(list) &&
                Object.isFrozen(resolution?.flagMetadata)
            }
          })
          const { evaluate } = yield* make([giver, later])
          assert.deepStrictEqual((yield* evaluate("object", {})).value, { list: [1] })
          assert.isTrue(isFrozen)
        }))

      it.effect("does not help when a later hook fails", () =>
        Effect.gen(function*() {
          const guard = FeatureHook.make("guard", {
            before: () => Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no" }))
          })
          const { calls, evaluate } = yield* make([giving(true), guard])
          const details = yield* evaluate("boolean", false)
          assert.deepStrictEqual([details.value, details.errorCode], [false, "INVALID_CONTEXT"])
          assert.deepStrictEqual(yield* calls, [])
        }))

      it.effect("with the value null is a structure", () =>
        Effect.gen(function*() {
          const { evaluate } = yield* make([giving(null)])
          assert.strictEqual((yield* evaluate("object", { a: 1 })).value, null)
          assert.strictEqual((yield* evaluate("string", "none")).errorCode, "TYPE_MISMATCH")
        }))

      it.effect("is not inherited by an evaluation that a later hook makes", () =>
        Effect.gen(function*() {
          const domain = newDomain()
          const inner = yield* answering()
          yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(inner)))
          const plain = SDK.OpenFeature.getClient(domain)
          const flags = yield* FeatureFlags.make({ domain })
          const seen: Array<unknown> = []
          const nested = FeatureHook.make("nested", {
            before: ({ context }) =>
              Effect.gen(function*() {
                seen.push((yield* sdkDetails(plain, "string", "none", context)).value)
                seen.push(yield* flags.string("string", "none"))
              })
          })
          const { evaluate } = yield* make([giving("hook"), nested])
          assert.strictEqual((yield* evaluate("string", "none")).value, "hook")
          assert.deepStrictEqual(seen, ["provider", "provider"])
        }))

      it.effect("is of its evaluation only: the next one, and one beside it, ask the provider", () =>
        Effect.gen(function*() {
          const forSome = FeatureHook.make("some", {
            before: ({ context }) => context["isIn"] === true ? { resolution: { value: "hook" } } : undefined
          })
          const { evaluate } = yield* make([forSome])
          const all = yield* Effect.all(
            Array.from({ length: 40 }, (_, i) => evaluate("string", "none", { isIn: i % 2 === 0 })),
            { concurrency: "unbounded" }
          )
          for (const [i, { value }] of all.entries()) assert.strictEqual(value, i % 2 === 0 ? "hook" : "provider")
        }))

      it.effect("comes from a hook under combinators as well", () =>
        Effect.gen(function*() {
          const hook = giving("hook")
          const derived: Readonly<Record<string, Hook>> = {
            timeout: FeatureHook.timeout(hook, "1 second"),
            "timeout of an effect": FeatureHook.timeout(
              FeatureHook.make("later", {
                before: () => Effect.as(Effect.yieldNow, { resolution: { value: "hook" } })
              }),
              "1 second"
            ),
            when: FeatureHook.when(hook, FlagFilter.all),
            observe: FeatureHook.observe(hook),
            failurePolicy: FeatureHook.failurePolicy(hook, { before: "ignore" }),
            transform: FeatureHook.transform(hook, (stage) => Effect.tap(stage, () => Effect.void)),
            onlyStages: FeatureHook.onlyStages(hook, "before"),
            warnWhenSlow: FeatureHook.warnWhenSlow(hook, "1 second"),
            combine: FeatureHook.combine(FeatureHook.make("other", { before: () => ({ context: { a: 1 } }) }), hook),
            promise: FeatureHook.make("promised", { before: async () => ({ resolution: { value: "hook" } }) }),
            "there and back": OpenFeatureHook.toFeatureHook("back", OpenFeatureHook.make(hook))
          }
          for (const [name, one] of Object.entries(derived)) {
            const { evaluate } = yield* make([one])
            assert.strictEqual((yield* evaluate("string", "none")).value, "hook", name)
          }
          const { evaluate } = yield* make([FeatureHook.when(hook, FlagFilter.prefix("other-"))])
          assert.strictEqual((yield* evaluate("string", "none")).value, "provider")
        }))

      it.effect("is repeated by a DedupeHook that shares contributions, and made anew by one that does not", () =>
        Effect.gen(function*() {
          let runs = 0
          const counting = FeatureHook.make("counting", { before: () => ({ resolution: { value: `run ${++runs}` } }) })
          const shared = yield* DedupeHook.make(counting, { shareContributions: true })
          const own = yield* DedupeHook.make(counting, { key: ({ flagKey }) => flagKey })
          const first = yield* make([shared.hook])
          const values = (evaluate: typeof first.evaluate) =>
            Effect.all(
              ["ana", "ana", "ben"].map((targetingKey) =>
                Effect.map(evaluate("string", "none", { targetingKey }), ({ value }) => value)
              )
            )
          assert.deepStrictEqual(yield* values(first.evaluate), ["run 1", "run 1", "run 2"])
          runs = 0
          const second = yield* make([own.hook])
          // That of another subject runs on its own.
          assert.deepStrictEqual(yield* values(second.evaluate), ["run 1", "run 1", "run 2"])
        }))

      it.effect("is what the program of an `around` hook gets, which cannot give one itself", () =>
        collectFailures(() =>
          Effect.gen(function*() {
            const seen: Array<unknown> = []
            const around = FeatureHook.around("around", ({ resolution }, evaluate) =>
              Effect.map(evaluate, ({ value }) => {
                seen.push(resolution?.value, value)
                return { resolution: { value: "around" } }
              }))
            for (const hooks of [[around, giving("hook")], [giving("hook"), around]]) {
              const { evaluate } = yield* make(hooks)
              assert.strictEqual((yield* evaluate("string", "none")).value, "hook")
            }
            assert.deepStrictEqual(seen, [undefined, "hook", "hook", "hook"])
          })
        ))

      it.effect("that comes too late does not count", () =>
        collectFailures((failures) =>
          Effect.gen(function*() {
            const slow = FeatureHook.make("slow", {
              before: () => Effect.delay(Effect.succeed({ resolution: { value: "late" } }), "1 second")
            }).pipe(FeatureHook.timeout("10 millis"), FeatureHook.observe)
            const { evaluate } = yield* make([slow])
            const fiber = yield* Effect.forkChild(evaluate("string", "none"), { startImmediately: true })
            while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("10 millis")
            assert.strictEqual((yield* Fiber.join(fiber)).value, "provider")
            assert.deepStrictEqual(failures.map(({ hook }) => hook), ["slow"])
          })
        ))
    })

    describe(`an invalid resolution, ${kind}, ${path}`, () => {
      const throwing = () => {
        throw new Error("canary")
      }
      const proxy = new Proxy({}, {
        get: throwing,
        has: throwing,
        ownKeys: throwing,
        getOwnPropertyDescriptor: throwing
      })
      const evaluated = (resolution: unknown, times = 1) =>
        Effect.gen(function*() {
          const provider = yield* answering()
          const hook = FeatureHook.make("wrong", { before: () => ({ resolution: Function.cast(resolution) }) })
          const { evaluate } = yield* rig(kind, provider, [change(hook)])
          let details = yield* evaluate("object", { a: "default" })
          for (let i = 1; i < times; i++) details = yield* evaluate("object", { a: "default" })
          return { details, calls: yield* provider.calls }
        })

      it.effect("that cannot be used rejects, and is told by name", () =>
        collectFailures((failures) =>
          Effect.gen(function*() {
            const none = "wrong: gave a resolution without a value or an error code"
            const unread = "wrong: gave a resolution that cannot be read"
            const awaited = "wrong: gave a resolution whose value would have to be awaited or run"
            const plain = "wrong: gave a resolution whose value is not plain data"
            const rows: ReadonlyArray<readonly [unknown, string]> = [
              [{}, none],
              [{ value: undefined }, none],
              [{ variant: "on" }, none],
              [null, none],
              [true, none],
              ["on", none],
              [[true], none],
              [Object.create({ value: true }), none],
              [{ errorCode: "" }, none],
              [{ errorCode: "NOPE" }, "wrong: gave a resolution with an error code that OpenFeature does not have"],
              [
                { value: {}, errorCode: "NOPE" },
                "wrong: gave a resolution with an error code that OpenFeature does not have"
              ],
              [
                { errorCode: "PROVIDER_NOT_READY" },
                "wrong: gave a resolution with an error code that only a provider can give"
              ],
              [
                { value: {}, errorCode: "PROVIDER_FATAL" },
                "wrong: gave a resolution with an error code that only a provider can give"
              ],
              [Object.defineProperty({}, "value", { get: throwing, enumerable: true }), unread],
              [{
                value: {},
                get reason() {
                  return throwing()
                }
              }, unread],
              [proxy, unread],
              [{ value: {}, flagMetadata: proxy }, unread],
              [{ value: proxy }, unread],
              [{ value: Object.defineProperty({}, "a", { get: throwing, enumerable: true }) }, plain],
              [{ value: { deep: Object.defineProperty({}, "a", { get: throwing, enumerable: true }) } }, plain],
              [{ value: new Map() }, plain],
              [{ value: Promise.resolve({}) }, awaited],
              [{
                get value() {
                  return Promise.reject(new Error("canary"))
                }
              }, awaited],
              [{ value: Effect.succeed({}) }, awaited]
            ]
            const rejections = yield* unhandledRejections(Effect.gen(function*() {
              for (const [resolution, expected] of rows) {
                failures.length = 0
                const { calls, details } = yield* evaluated(resolution)
                assert.deepStrictEqual(told(failures), [expected])
                assert.deepStrictEqual([details.value, details.errorCode], [{ a: "default" }, "GENERAL"])
                assert.notInclude(String(details.errorMessage), "canary")
                assert.deepStrictEqual(calls, [])
              }
            }))
            assert.strictEqual(rejections.length, 0)
          })
        ))

      it.effect("in a part is served without it, and is told once", () =>
        collectFailures((failures) =>
          Effect.gen(function*() {
            const value = { a: 1 }
            const meta =
              "wrong: gave a resolution with metadata that is not a text, number or boolean, and is left out,"
            const rows: ReadonlyArray<readonly [object, string, Details["flagMetadata"]?]> = [
              [{ variant: 5 }, "wrong: gave a resolution whose variant is not a text, and is left out,"],
              [{ reason: {} }, "wrong: gave a resolution whose reason is not a text, and is left out,"],
              [{ errorMessage: true }, "wrong: gave a resolution whose errorMessage is not a text, and is left out,"],
              [{ flagMetadata: "a" }, meta],
              [{ flagMetadata: [1] }, meta],
              [{ flagMetadata: { a: {}, b: 1 } }, meta, { b: 1 }],
              [
                { metadata: {} },
                "wrong: gave a resolution with a field that it cannot have,"
              ],
              [{ varient: "a" }, "wrong: gave a resolution with \"varient\" where \"variant\" was probably meant"],
              [
                { flagmetadata: {} },
                "wrong: gave a resolution with \"flagmetadata\" where \"flagMetadata\" was probably meant"
              ]
            ]
            for (const [part, expected, flagMetadata] of rows) {
              failures.length = 0
              const { calls, details } = yield* evaluated({ value, ...part }, 3)
              assert.deepStrictEqual<unknown>(outcome(details), { value, ...flagMetadata ? { flagMetadata } : {} })
              assert.deepStrictEqual(told(failures), [expected])
              assert.deepStrictEqual(calls, [])
            }
          })
        ))

      it.effect("is none when it only has what other details have, or nothing", () =>
        collectFailures((failures) =>
          Effect.gen(function*() {
            const whole = {
              flagKey: "other",
              value: { a: 1 },
              variant: null,
              reason: undefined,
              errorCode: null,
              errorMessage: undefined,
              flagMetadata: null
            }
            assert.deepStrictEqual(outcome((yield* evaluated(whole)).details), { value: { a: 1 } })
            assert.deepStrictEqual(outcome((yield* evaluated(undefined)).details).value, { from: "provider" })
            assert.deepStrictEqual(failures, [])
          })
        ))
    })

    describe(`a provider that does not serve resolutions, ${kind}, ${path}`, () => {
      it.effect("resolves, and each hook is told of once", () =>
        collectFailures((failures) =>
          Effect.gen(function*() {
            const provider = yield* answering()
            const { evaluate } = yield* rig(
              kind,
              provider,
              [change(giving("a", "first")), change(giving("b", "second"))],
              { isWrapped: false }
            )
            for (let i = 0; i < 3; i++) assert.strictEqual((yield* evaluate("string", "none")).value, "provider")
            const what =
              "the provider serves no answers of hooks; wrap it: setProvider(ResolutionProvider.make(provider))"
            assert.deepStrictEqual(told(failures), [`first: ${what}`, `second: ${what}`])
          })
        ))

      it.effect("is told of also after the hook was told of something else", () =>
        collectFailures((failures) =>
          Effect.gen(function*() {
            const provider = yield* answering()
            const both = FeatureHook.make("both", {
              before: (): FeatureHook.Contribution => Function.cast({ region: "eu", resolution: { value: "hook" } })
            })
            const { evaluate } = yield* rig(kind, provider, [change(both)], { isWrapped: false })
            for (let i = 0; i < 2; i++) yield* evaluate("string", "none")
            assert.strictEqual(failures.length, 2)
          })
        ))

      it.effect("leaves `context.resolution` empty", () =>
        collectFailures(() =>
          Effect.gen(function*() {
            const seen: Array<unknown> = []
            const see = FeatureHook.make("see", { before: ({ resolution }) => void seen.push(resolution) })
            const { evaluate } = yield* rig(kind, yield* answering(), [giving("a"), change(see)], { isWrapped: false })
            yield* evaluate("string", "none")
            assert.deepStrictEqual(seen, [undefined])
          })
        ))
    })
  }

  describe(`a provider that resolves another flag with the same context, ${kind}`, () => {
    it.effect("gets no resolution for that one", () =>
      Effect.gen(function*() {
        const inner = ResolutionProvider.make(yield* answering())
        const outer: SDK.Provider = {
          ...inner,
          metadata: { name: "outer" },
          runsOn: "server",
          resolveStringEvaluation: async (flagKey, defaultValue, context, logger) => {
            const other = await inner.resolveStringEvaluation("string", defaultValue, context, logger)
            return { value: `${flagKey} depends on ${other.value}` }
          }
        }
        const hook = FeatureHook.make("some", {
          before: ({ flagKey }) => flagKey === "direct" ? { resolution: { value: "hook" } } : undefined
        })
        const { evaluate } = yield* rig(kind, outer, [hook])
        assert.strictEqual((yield* evaluate("derived", "none")).value, "derived depends on provider")
        // The outer provider is not asked at all.
        assert.strictEqual((yield* evaluate("direct", "none")).value, "hook")
      }))
  })

  describe(`a provider that is replaced while a hook resolves, ${kind}`, () => {
    for (const [what, wrap] of [["serves", true], ["does not serve", false]] as const) {
      it.effect(`by another one that ${what}: the resolution is served`, () =>
        collectFailures((failures) =>
          Effect.gen(function*() {
            const bare = yield* answering()
            const next = wrap ? ResolutionProvider.make(bare) : bare
            let domain = ""
            const replace = FeatureHook.make("replace", {
              before: () =>
                Effect.as(Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, next)), {
                  resolution: { value: "hook" }
                })
            })
            const made = yield* rig(kind, yield* answering(), [replace])
            domain = made.domain
            assert.strictEqual((yield* made.evaluate("string", "none")).value, "hook")
            assert.strictEqual((yield* made.evaluate("string", "none")).value, wrap ? "hook" : "provider")
            assert.strictEqual(failures.length, wrap ? 0 : 1)
          })
        ))
    }
  })
}

describe("hooks of a registry", () => {
  it.effect("resolve flags while they are on", () =>
    Effect.gen(function*() {
      const registry = yield* HookRegistry.make()
      const domain = newDomain()
      const flags = yield* FeatureFlags.make({ domain, provider: answering() })
      yield* registry.attach(flags)
      const override = yield* registry.add({ name: "override", hook: giving("hook") })
      assert.strictEqual(yield* flags.string("string", "none"), "hook")
      yield* override.disable
      assert.strictEqual(yield* flags.string("string", "none"), "provider")
    }))
})

describe("hooks of several levels", () => {
  it.effect("share one resolution: that of the first level holds, for a plain client", () =>
    Effect.gen(function*() {
      const domain = newDomain()
      const provider = yield* answering({ hooks: [OpenFeatureHook.make(giving("provider hook"))] })
      yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider)))
      const client = SDK.OpenFeature.getClient(domain)
      const value = (hooks: ReadonlyArray<SDK.Hook>) =>
        Effect.map(sdkDetails(client, "string", "none", {}, { hooks: [...hooks] }), (details) => details.value)
      assert.strictEqual(yield* value([]), "provider hook")
      assert.strictEqual(yield* value([OpenFeatureHook.make(giving("invocation"))]), "invocation")
      client.addHooks(OpenFeatureHook.make(giving("client")))
      assert.strictEqual(yield* value([OpenFeatureHook.make(giving("invocation"))]), "client")
    }))

  it.effect("share one resolution with FeatureFlags: client, region, invocation, provider", () =>
    Effect.gen(function*() {
      const provider = yield* answering({ hooks: [OpenFeatureHook.make(giving("provider hook"))] })
      const flags = yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(provider) })
      assert.strictEqual(yield* flags.string("string", "none"), "provider hook")
      assert.strictEqual(yield* flags.string("string", "none", { hooks: [giving("invocation")] }), "invocation")
    }).pipe(Effect.provide(logsTo([]))))

  it.effect("tell of one that nobody serves once, also for a hook of many invocations", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const domain = newDomain()
        const provider = yield* answering()
        yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, provider))
        const flags = yield* FeatureFlags.make({ domain })
        const hook = giving("hook")
        for (let i = 0; i < 3; i++) {
          assert.strictEqual(yield* flags.string("string", "none", { hooks: [hook] }), "provider")
        }
        assert.strictEqual(failures.length, 1)
      })
    ))
})

describe("a neighbour that wraps a hook of the SDK", () => {
  const forms: Readonly<Record<string, (context: SDK.HookContext) => SDK.HookContext>> = {
    "and hands on a copy of the hook context": (context) => ({ ...context }),
    "and hands on a proxy": (context) => new Proxy(context, {})
  }
  for (const [how, form] of Object.entries(forms)) {
    it.effect(`${how} lets it resolve`, () =>
      Effect.gen(function*() {
        const domain = newDomain()
        const provider = yield* answering()
        yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider)))
        const hook = wrapping(form)(OpenFeatureHook.make(giving("hook")))
        const client = SDK.OpenFeature.getClient(domain).addHooks(hook)
        assert.strictEqual((yield* sdkDetails(client, "string", "none")).value, "hook")
      }))
  }
})

describe("the test kit", () => {
  it.effect("serves resolutions: a layer, plain flags, and a run", () =>
    Effect.gen(function*() {
      const hook = giving("hook")
      const layer = TestFlags.layer({ string: "provider" }, { hooks: [hook] })
      assert.strictEqual(
        yield* FeatureFlags.FeatureFlags.pipe(
          Effect.flatMap((flags) => flags.string("string", "none")),
          Effect.provide(layer)
        ),
        "hook"
      )
      const plain = yield* Effect.promise(() => PlainTestFlags.make({ string: "provider" }, { hooks: [hook] }))
      assert.strictEqual(yield* Effect.promise(() => plain.client.getStringValue("string", "none")), "hook")
      yield* Effect.promise(() => plain.close())
      const { details } = yield* Fixtures.run(hook, { context: { flagValueType: "string", defaultValue: "none" } })
      assert.strictEqual(details.value, "hook")
    }))
})

describe("two layers of FeatureFlags with providers that initialise", () => {
  it.effect("serve early, also after the first is alone again", () =>
    Effect.gen(function*() {
      const domain = newDomain()
      const make = Effect.fnUntraced(function*() {
        const scope = yield* Scope.make()
        const flags = yield* FeatureFlags.make({
          domain,
          provider: answering({ initialize: Effect.never }),
          hooks: [giving("hook")],
          resolveWhenNotReady: true,
          initializeTimeout: 0,
          onProviderError: "ignore"
        }).pipe(Scope.provide(scope))
        return { value: flags.string("string", "none"), end: Scope.close(scope, Exit.void) }
      })
      const first = yield* make()
      assert.strictEqual(yield* first.value, "hook")
      const second = yield* make()
      assert.strictEqual(yield* second.value, "hook")
      yield* second.end
      assert.strictEqual(yield* first.value, "hook")
      yield* first.end
    }).pipe(Effect.provide(logsTo([]))))
})
