import { createRequire } from "node:module"
import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import {
  type Cause,
  Clock,
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  ManagedRuntime,
  References,
  Scope
} from "effect"
import { cast } from "effect/Function"
import { expectTypeOf } from "vitest"
import {
  EvaluationError,
  FeatureFlags,
  FeatureHook,
  type HookFailures,
  HookHints,
  OpenFeatureHook
} from "effect-openfeature"
import { Fixtures, RecordingHook, TestProvider } from "effect-openfeature/testing"
import {
  allPaths,
  client,
  collectFailures,
  type LogRecord,
  logsTo,
  paths,
  plainClient,
  rangeError,
  turns
} from "./support.ts"

class Region extends Context.Service<Region, string>()("test/Region") {}
const Request = Context.Reference<string>("test/Request", { defaultValue: () => "none" })

const good = { a: TestProvider.value(true) }

describe("hooks whose scope is closed", () => {
  for (const stage of ["before", "after", "error", "finally"] as const) {
    it.effect(`are told once, when their only stage is ${stage}`, () =>
      Effect.gen(function*() {
        const records: Array<LogRecord> = []
        const { client } = yield* plainClient({ flags: { a: TestProvider.value(true) } })
        let ran = 0
        const audit = FeatureHook.make("audit", { [stage]: () => void ran++ })
        const hook = yield* Effect.scoped(OpenFeatureHook.makeEffect(audit))
        client.addHooks(hook)
        const flagKey = stage === "error" ? "missing" : "a"
        const evaluation = Effect.promise(() => client.getBooleanValue(flagKey, false))
        yield* evaluation.pipe(Effect.andThen(evaluation), Effect.provide(logsTo(records)))
        assert.strictEqual(ran, 0)
        assert.deepStrictEqual(records.map(({ message }) => message), [
          "hooks are skipped, since the scope they were built in is closed"
        ])
      }))
  }
})

describe("a hook on the wrong side", () => {
  const hook = FeatureHook.make("audit", { before: () => undefined })

  it.effect("says once which function converts it, and leaves the evaluation alone", () =>
    Effect.gen(function*() {
      const { client } = yield* plainClient({ flags: { a: TestProvider.value(true) } })
      const told: Array<unknown> = []
      const silent = () => undefined
      client.setLogger({ error: (...args) => void told.push(...args), warn: silent, info: silent, debug: silent })
      client.addHooks(cast<object, SDK.Hook>(hook))
      for (let i = 0; i < 3; i++) assert.isTrue(yield* Effect.promise(() => client.getBooleanValue("a", false)))
      assert.deepStrictEqual(told, [
        "hook \"audit\" does not run: add OpenFeatureHook.make(hook) to the SDK instead"
      ])
    }))

  it("is refused with the name of the function that converts it", () => {
    const sdkHook: SDK.Hook = { before: () => undefined }
    // @ts-expect-error a hook of the SDK is no FeatureHook
    assert.include(rangeError(() => OpenFeatureHook.make(sdkHook)), "convert it with OpenFeatureHook.toFeatureHook")
    // @ts-expect-error a list is no FeatureHook
    assert.include(rangeError(() => OpenFeatureHook.make([hook])), "hook 1 is a list; pass its hooks one by one")
    // @ts-expect-error a FeatureHook is no hook of the SDK
    assert.include(rangeError(() => OpenFeatureHook.toFeatureHook("x", hook)), "the hook is a FeatureHook already")
    // @ts-expect-error a text is no hook
    assert.include(rangeError(() => OpenFeatureHook.toFeatureHook("x", "audit")), "hook must be an object, got audit")
    // @ts-expect-error a stage is a function
    assert.include(rangeError(() => OpenFeatureHook.toFeatureHook("x", { after: "log" })), "after must be a function")
  })
})

describe("make", () => {
  it("gives a frozen hook without a prototype, with the stages that there are", () => {
    const hook = OpenFeatureHook.make(
      FeatureHook.make("a", { before: () => Effect.void }),
      FeatureHook.make("b", { finally: () => Effect.void })
    )
    assert.deepStrictEqual(Object.keys(hook), ["before", "finally"])
    assert.isTrue(Object.isFrozen(hook))
    assert.isNull(Object.getPrototypeOf(hook))
    assert.deepStrictEqual(Object.keys(OpenFeatureHook.make()), [])
  })

  for (const [path, change] of allPaths) {
    it.effect(`runs at every level of the plain SDK, in true stack order, ${path}`, () =>
      Effect.gen(function*() {
        const journal: Array<RecordingHook.Entry> = []
        const hook = (name: string) => Effect.map(RecordingHook.make(name, journal), ({ hook }) => change(hook))
        const provider = OpenFeatureHook.make(yield* hook("p1"), yield* hook("p2"))
        const { client } = yield* plainClient({ flags: good, hooks: [provider] })
        yield* OpenFeatureHook.register(SDK.OpenFeature, yield* hook("api1"), yield* hook("api2"))
        client.addHooks(OpenFeatureHook.make(yield* hook("c1"), yield* hook("c2")))
        const invocation = OpenFeatureHook.make(yield* hook("i1"), yield* hook("i2"))
        yield* Effect.promise(() => client.getBooleanValue("a", false, {}, { hooks: [invocation] }))
        const order = ["api1", "api2", "c1", "c2", "i1", "i2", "p1", "p2"]
        assert.deepStrictEqual(journal.map((entry) => `${entry.hook}.${entry.stage}`), [
          ...order.map((name) => `${name}.before`),
          ...Array.from(order).reverse().map((name) => `${name}.after`),
          ...Array.from(order).reverse().map((name) => `${name}.finally`)
        ])
      }))

    it.effect(`only ever throws an EvaluationError with a fixed message, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const { client } = yield* plainClient({ flags: good })
          const fails: ReadonlyArray<readonly [Effect.Effect<void, unknown>, string, string]> = [
            [
              Effect.fail({ code: "ECONNREFUSED", message: "secret" }),
              "GENERAL",
              "hook \"h\" failed in its before stage"
            ],
            [Effect.fail(new Error("secret")), "GENERAL", "hook \"h\" failed in its before stage"],
            [Effect.die(Symbol("secret")), "GENERAL", "hook \"h\" died in its before stage"],
            [Effect.die(Object.create(null)), "GENERAL", "hook \"h\" died in its before stage"],
            [Effect.interrupt, "GENERAL", "hook \"h\" was interrupted in its before stage"],
            [
              Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "told" })),
              "INVALID_CONTEXT",
              "told"
            ]
          ]
          for (const [effect, code, message] of fails) {
            const hook = OpenFeatureHook.make(change(FeatureHook.make("h", { before: () => effect })))
            const details = yield* Effect.promise(() => client.getBooleanDetails("a", false, {}, { hooks: [hook] }))
            assert.strictEqual(details.errorCode, code)
            assert.strictEqual(details.errorMessage, message)
            assert.strictEqual(details.value, false)
          }
          assert.strictEqual(failures.length, 5)
        })
      ))
  }

  it.effect("runs for a plain caller outside of any fiber", () =>
    Effect.gen(function*() {
      const { client } = yield* plainClient({ flags: good })
      const seen: Array<string> = []
      const hook = OpenFeatureHook.make(FeatureHook.make("h", {
        before: () =>
          Effect.gen(function*() {
            seen.push(yield* Request)
          }),
        after: () =>
          Effect.gen(function*() {
            seen.push(yield* Request)
          })
      }))
      const evaluation = new Promise<boolean>((resolve, reject) => {
        setImmediate(() => {
          client.getBooleanValue("a", false, {}, { hooks: [hook] }).then(resolve, reject)
        })
      })
      assert.isTrue(yield* Effect.promise(() => evaluation))
      assert.deepStrictEqual(seen, ["none", "none"])
    }))

  it("does not take hooks that still require something", () => {
    const hook = FeatureHook.make("h", { before: () => Effect.asVoid(Region) })
    // @ts-expect-error a service is missing
    assert.isObject(OpenFeatureHook.make(hook))
    expectTypeOf(OpenFeatureHook.layer(hook)).toEqualTypeOf<Layer.Layer<never, never, Region>>()
    expectTypeOf(OpenFeatureHook.makeEffect(hook)).toEqualTypeOf<
      Effect.Effect<SDK.Hook, never, Region | Scope.Scope>
    >()
  })
})

describe("the caller's context", () => {
  interface Seen {
    readonly where: string
    readonly request: string
    readonly annotation: unknown
    readonly span: string
    readonly clock: Clock.Clock
  }
  const looking = (where: string, seen: Array<Seen>) => {
    const look = (stage: string) =>
      Effect.gen(function*() {
        const span = yield* Effect.option(Effect.currentParentSpan)
        const annotations = yield* References.CurrentLogAnnotations
        seen.push({
          where: `${where}.${stage}`,
          request: yield* Request,
          annotation: annotations["request"],
          span: span._tag === "Some" && span.value._tag === "Span" ? span.value.name : "none",
          clock: yield* Clock.Clock
        })
      })
    return FeatureHook.make(where, {
      before: () => look("before"),
      after: () => look("after"),
      error: () => look("error"),
      finally: () => look("finally")
    })
  }
  const asCaller = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(
      Effect.provideService(Request, "r-1"),
      Effect.annotateLogs("request", "a-1"),
      Effect.withSpan("caller")
    )
  const expectCaller = Effect.fnUntraced(function*(seen: ReadonlyArray<Seen>, count: number) {
    const clock = yield* Clock.Clock
    assert.strictEqual(seen.length, count)
    for (const entry of seen) {
      assert.strictEqual(entry.request, "r-1", entry.where)
      assert.strictEqual(entry.annotation, "a-1", entry.where)
      assert.strictEqual(entry.span, "caller", entry.where)
      assert.strictEqual(entry.clock, clock, entry.where)
    }
  })

  for (const [path, change] of allPaths) {
    it.effect(`is seen through FeatureFlags at every level and in every stage, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<Seen> = []
        yield* OpenFeatureHook.register(SDK.OpenFeature, change(looking("api", seen)))
        const { flags } = yield* client({ ...good, bad: TestProvider.throwing(new Error("no")) }, {
          hooks: [change(looking("client", seen))]
        })
        const program = Effect.gen(function*() {
          yield* flags.boolean("a", false, { hooks: [change(looking("invocation", seen))] })
          yield* flags.boolean("bad", false, { hooks: [change(looking("invocation", seen))] })
        }).pipe(FeatureFlags.withHooks(change(looking("region", seen))))
        yield* asCaller(program)
        yield* expectCaller(seen, 4 * 3 * 2)
      }))

    it.effect(`is seen in every stage when the plain client is called in a fiber and our hook is first, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<Seen> = []
        yield* OpenFeatureHook.register(SDK.OpenFeature, change(looking("api", seen)))
        const { client } = yield* plainClient({
          flags: { ...good, slow: Effect.andThen(Effect.promise(() => Promise.resolve()), TestProvider.value(true)) }
        })
        client.addHooks(OpenFeatureHook.make(change(looking("client", seen))))
        const hooks = [OpenFeatureHook.make(change(looking("invocation", seen)))]
        yield* asCaller(Effect.promise(() => client.getBooleanValue("slow", false, {}, { hooks })))
        yield* expectCaller(seen, 9)
        seen.length = 0
        yield* asCaller(Effect.promise(() => client.getBooleanValue("missing", false, {}, { hooks })))
        yield* expectCaller(seen, 9)
      }))
  }

  it.effect("is never the one of the registration", () =>
    Effect.gen(function*() {
      const seen: Array<Seen> = []
      const hook = yield* OpenFeatureHook.makeEffect(looking("h", seen)).pipe(
        Effect.provideService(Request, "registration"),
        Effect.annotateLogs("request", "registration"),
        Effect.withSpan("registration")
      )
      const { client } = yield* plainClient({ flags: good })
      client.addHooks(hook)
      yield* asCaller(Effect.promise(() => client.getBooleanValue("a", false)))
      yield* expectCaller(seen, 3)
      seen.length = 0
      const outside = new Promise((resolve) => {
        setImmediate(() => {
          client.getBooleanValue("a", false).then(resolve, resolve)
        })
      })
      yield* Effect.promise(() => outside)
      assert.deepStrictEqual(seen.map(({ span }) => span), ["none", "none", "none"])
      assert.deepStrictEqual(seen.map(({ request }) => request), ["registration", "registration", "registration"])
    }))

  it.effect("wins over the services of makeWith, which fill in what is missing", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const hook = OpenFeatureHook.makeWith(
        Context.make(Region, "given"),
        FeatureHook.make("h", { before: () => Effect.map(Region, (region) => void seen.push(region)) })
      )
      const { client } = yield* plainClient({ flags: good })
      client.addHooks(hook)
      const evaluate = Effect.promise(() => client.getBooleanValue("a", false))
      yield* evaluate
      yield* Effect.provideService(evaluate, Region, "caller")
      assert.deepStrictEqual(seen, ["given", "caller"])
    }))
})

describe("re-entrancy", () => {
  for (const [path, change] of paths) {
    it.effect(`a hook that evaluates another flag runs up to a depth of 8, ${path}`, () =>
      Effect.gen(function*() {
        let depth = 0
        const messages: Array<string | undefined> = []
        const { client, domain } = yield* plainClient({ flags: good })
        const nested = FeatureHook.make("nested", {
          before: () =>
            Effect.gen(function*() {
              depth++
              const details = yield* Effect.promise(() => client.getBooleanDetails("a", false))
              messages.push(details.errorMessage)
            })
        })
        client.addHooks(OpenFeatureHook.make(change(nested)))
        const value = yield* Effect.promise(() => client.getBooleanValue("a", false))
        assert.isTrue(value)
        assert.strictEqual(depth, 8)
        assert.strictEqual(messages[0], "hooks evaluate flags that are nested more than 8 deep")
        assert.deepStrictEqual(messages.slice(1), Array.from({ length: 7 }, () => undefined))
        assert.isDefined(domain)
      }))

    it.effect(`so does one that goes through FeatureFlags, ${path}`, () =>
      Effect.gen(function*() {
        let depth = 0
        const { flags } = yield* client(good)
        yield* flags.addHooks(change(FeatureHook.make("nested", {
          before: () =>
            Effect.suspend(() => {
              depth++
              return Effect.asVoid(flags.boolean("a", false))
            })
        })))
        assert.isTrue(yield* flags.boolean("a", false))
        assert.strictEqual(depth, 8)
        depth = 0
        assert.isTrue(yield* flags.boolean("a", false))
        assert.strictEqual(depth, 8)
      }))
  }
})

describe("add", () => {
  it.effect("returns a function that removes exactly what it added, once", () =>
    Effect.gen(function*() {
      const { client } = yield* plainClient({ flags: good })
      const plain = (): SDK.Hook => ({ before: () => undefined })
      const [one, two] = [plain(), plain()]
      const order: Array<string> = []
      const hook = (name: string) => FeatureHook.make(name, { before: () => void order.push(name) })
      for (const target of [SDK.OpenFeature, client]) {
        order.length = 0
        target.addHooks(one)
        const removeHooks = OpenFeatureHook.add(target, hook("a"), hook("b"))
        target.addHooks(two)
        yield* Effect.promise(() => client.getBooleanValue("a", false))
        assert.deepStrictEqual(order, ["a", "b"])
        removeHooks()
        assert.deepStrictEqual(target.getHooks(), [one, two])
        yield* Effect.promise(() => client.getBooleanValue("a", false))
        assert.deepStrictEqual(order, ["a", "b"])
        target.addHooks(one)
        removeHooks()
        assert.deepStrictEqual(target.getHooks(), [one, two, one])
        target.clearHooks()
      }
    }))

  it.effect("does not miss hooks that were cleared", () =>
    Effect.gen(function*() {
      const { client } = yield* plainClient({ flags: good })
      const removeHooks = OpenFeatureHook.add(client, FeatureHook.make("h", { before: () => {} }))
      client.clearHooks()
      removeHooks()
      assert.deepStrictEqual(client.getHooks(), [])
    }))

  it("refuses what is not a hook, and adds nothing", () => {
    const hooks = SDK.OpenFeature.getHooks().length
    // @ts-expect-error a hook of the SDK
    assert.throws(() => OpenFeatureHook.add(SDK.OpenFeature, { before: () => undefined }), RangeError)
    assert.strictEqual(SDK.OpenFeature.getHooks().length, hooks)
  })
})

describe("register", () => {
  it.effect("removes exactly what it added and keeps the others in their order", () =>
    Effect.gen(function*() {
      const { client } = yield* plainClient({ flags: good })
      const plain = (): SDK.Hook => ({ before: () => undefined })
      const [one, two, three] = [plain(), plain(), plain()]
      const hook = FeatureHook.make("h", { before: () => Effect.void })
      for (const target of [SDK.OpenFeature, client]) {
        const scope = yield* Scope.make()
        const other = yield* Scope.make()
        target.addHooks(one)
        yield* Scope.provide(OpenFeatureHook.register(target, hook, hook), scope)
        target.addHooks(two)
        yield* Scope.provide(OpenFeatureHook.register(target, hook), other)
        target.addHooks(three)
        assert.strictEqual(target.getHooks().length, 5)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(target.getHooks().length, 4)
        yield* Scope.close(other, Exit.void)
        assert.deepStrictEqual(target.getHooks(), [one, two, three])
        target.clearHooks()
      }
    }))

  it.effect("does not miss hooks that somebody else has cleared", () =>
    Effect.gen(function*() {
      const { client } = yield* plainClient({ flags: good })
      const scope = yield* Scope.make()
      yield* Scope.provide(
        OpenFeatureHook.register(client, FeatureHook.make("h", { before: () => Effect.void })),
        scope
      )
      client.clearHooks()
      const plain: SDK.Hook = { before: () => undefined }
      client.addHooks(plain)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(client.getHooks(), [plain])
    }))

  it.effect("keeps very many hooks of others", () =>
    Effect.gen(function*() {
      const { client } = yield* plainClient({ flags: good })
      const scope = yield* Scope.make()
      yield* Scope.provide(
        OpenFeatureHook.register(client, FeatureHook.make("h", { before: () => Effect.void })),
        scope
      )
      const plain: SDK.Hook = { before: () => undefined }
      for (let i = 0; i < 250; i++) client.addHooks(...Array.from({ length: 1000 }, () => plain))
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(client.getHooks().length, 250_000)
      client.clearHooks()
    }))

  it.effect("layer puts hooks on the API object as long as it lives, with the services below it", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const hook = FeatureHook.make("h", { before: () => Effect.map(Region, (region) => void seen.push(region)) })
      const before = SDK.OpenFeature.getHooks().length
      const { flags } = yield* client(good)
      yield* Effect.gen(function*() {
        assert.strictEqual(SDK.OpenFeature.getHooks().length, before + 1)
        yield* flags.boolean("a", false)
      }).pipe(Effect.provide(OpenFeatureHook.layer(hook).pipe(Layer.provide(Layer.succeed(Region, "eu")))))
      assert.deepStrictEqual(seen, ["eu"])
      assert.strictEqual(SDK.OpenFeature.getHooks().length, before)
    }))
})

describe("a closed scope", () => {
  const guard = (seen: Array<string>) =>
    FeatureHook.make("guard", {
      before: () => Effect.sync(() => void seen.push("before")),
      after: () => Effect.sync(() => seen.push("after")),
      error: () => Effect.sync(() => seen.push("error")),
      finally: () => Effect.sync(() => seen.push("finally"))
    })

  for (const [path, change] of paths) {
    it.effect(`leaves hooks out with one warning when it fails open, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const records: Array<LogRecord> = []
        const scope = yield* Scope.make()
        const hook = yield* Scope.provide(OpenFeatureHook.makeEffect(change(guard(seen))), scope)
        const { client } = yield* plainClient({ flags: good })
        client.addHooks(hook)
        yield* Scope.close(scope, Exit.void)
        const evaluate = Effect.promise(() => client.getBooleanDetails("a", false)).pipe(
          Effect.provide(logsTo(records))
        )
        for (let i = 0; i < 3; i++) {
          const details = yield* evaluate
          assert.strictEqual(details.value, true)
          assert.strictEqual(details.errorCode, undefined)
        }
        assert.deepStrictEqual(seen, [])
        assert.deepStrictEqual(records.map(({ level, message }) => [level, message]), [
          ["Warn", "hooks are skipped, since the scope they were built in is closed"]
        ])
      }))

    it.effect(`rejects evaluations when it fails closed, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const scope = yield* Scope.make()
        const hook = yield* OpenFeatureHook.makeEffect(change(guard(seen))).pipe(
          Scope.provide(scope),
          Effect.provideService(OpenFeatureHook.WhenClosed, "reject")
        )
        const { client } = yield* plainClient({ flags: good })
        client.addHooks(hook)
        yield* Scope.close(scope, Exit.void)
        const details = yield* Effect.promise(() => client.getBooleanDetails("a", false))
        assert.strictEqual(details.value, false)
        assert.strictEqual(details.errorCode, "GENERAL")
        assert.strictEqual(details.errorMessage, "the scope of a hook that guards this evaluation is closed")
        assert.deepStrictEqual(seen, [])
      }))
  }
})

describe("makeRuntime", () => {
  it.effect("rejects at construction when the layer fails", () =>
    Effect.gen(function*() {
      const runtime = ManagedRuntime.make(Layer.effect(Region, Effect.fail("no region")))
      const hook = FeatureHook.make("h", { before: () => Effect.asVoid(Region) })
      const exit = yield* Effect.exit(
        Effect.tryPromise({ try: () => OpenFeatureHook.makeRuntime(runtime, hook), catch: (error) => error })
      )
      assert.isTrue(Exit.isFailure(exit))
      yield* Effect.promise(() => runtime.dispose())
    }))

  for (const [path, change] of paths) {
    it.effect(`runs with the services of the runtime, and goes by WhenClosed after dispose, ${path}`, () =>
      Effect.gen(function*() {
        for (const whenClosed of ["skip", "reject"] as const) {
          const seen: Array<string> = []
          const runtime = ManagedRuntime.make(
            Layer.merge(Layer.succeed(Region, "eu"), Layer.succeed(OpenFeatureHook.WhenClosed, whenClosed))
          )
          const hook = FeatureHook.make("h", { before: () => Effect.map(Region, (region) => void seen.push(region)) })
          const sdkHook = yield* Effect.promise(() => OpenFeatureHook.makeRuntime(runtime, change(hook)))
          const { client } = yield* plainClient({ flags: good })
          client.addHooks(sdkHook)
          const evaluate = Effect.promise(() => client.getBooleanDetails("a", false)).pipe(
            Effect.provide(logsTo([]))
          )
          assert.strictEqual((yield* evaluate).value, true)
          yield* Effect.promise(() => runtime.dispose())
          yield* Effect.promise(() => runtime.dispose())
          const after = yield* evaluate
          assert.strictEqual(after.value, whenClosed === "skip")
          assert.strictEqual(after.errorCode, whenClosed === "skip" ? undefined : SDK.ErrorCode.GENERAL)
          assert.deepStrictEqual(seen, ["eu"])
        }
      }))
  }

  it.effect("waits for a stage that does not end, up to the limit", () =>
    Effect.gen(function*() {
      const runtime = ManagedRuntime.make(Layer.succeed(OpenFeatureHook.CloseTimeout, "20 millis"))
      const started = yield* Deferred.make<void>()
      const hook = FeatureHook.make("h", {
        before: () => Effect.andThen(Deferred.succeed(started, undefined), Effect.uninterruptible(Effect.never))
      })
      const sdkHook = yield* Effect.promise(() => OpenFeatureHook.makeRuntime(runtime, hook))
      const { client } = yield* plainClient({ flags: good })
      client.addHooks(sdkHook)
      const fiber = yield* Effect.forkChild(Effect.promise(() => client.getBooleanValue("a", false)))
      yield* Deferred.await(started)
      yield* Effect.promise(() => runtime.dispose())
      assert.strictEqual(fiber.pollUnsafe(), undefined)
      yield* Fiber.interrupt(fiber)
    }))
})

describe("toFeatureHook", () => {
  it.effect("keeps a synchronous hook synchronous and waits for an asynchronous one", () =>
    Effect.gen(function*() {
      const calls: Array<string> = []
      const note = (stage: string) => () => {
        calls.push(stage)
      }
      const sync: SDK.Hook = { before: note("b"), after: note("a"), error: note("e"), finally: note("f") }
      const hook = OpenFeatureHook.toFeatureHook("npm", sync)
      const [part] = hook.parts
      const before = part.before!(Fixtures.hookContext(), HookHints.empty, part.hookData?.())
      assert.isTrue(Exit.isExit(before))
      yield* Fixtures.run(hook)
      yield* Fixtures.run(hook, { error: new Error("no") })
      assert.deepStrictEqual(calls, ["b", "b", "a", "f", "b", "e", "f"])
      const later: SDK.Hook = {
        before: async () => {
          await Promise.resolve()
          return { region: "eu" }
        },
        finally: async () => {
          await Promise.resolve()
          calls.push("later")
        }
      }
      const outcome = yield* Fixtures.run(OpenFeatureHook.toFeatureHook("npm", later))
      assert.deepStrictEqual(outcome.context, { region: "eu" })
      assert.strictEqual(calls.at(-1), "later")
    }))

  it.effect("contributes what is returned, set and deleted, as the SDK lets it", () =>
    Effect.gen(function*() {
      const hook: SDK.Hook = {
        before: (context) => {
          context.context["set"] = 1
          context.context["both"] = "set"
          delete context.context["plan"]
          return { returned: 2, both: "returned" }
        }
      }
      const { context } = yield* Fixtures.run(OpenFeatureHook.toFeatureHook("npm", hook), {
        context: { context: { plan: "pro" } }
      })
      assert.deepStrictEqual(context, { set: 1, returned: 2, both: "returned" })
    }))

  it.effect("ignores what is no context, and refuses texts and lists", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const returning = (value: unknown): SDK.Hook => ({ before: () => value as SDK.EvaluationContext })
        for (const value of [undefined, null, false, true, 0, 5, "", Symbol("s")]) {
          const { context, details } = yield* Fixtures.run(OpenFeatureHook.toFeatureHook("npm", returning(value)))
          assert.deepStrictEqual(context, {})
          assert.strictEqual(details.value, true, String(value))
        }
        for (const value of ["abc", [1, 2]]) {
          const { context, details } = yield* Fixtures.run(OpenFeatureHook.toFeatureHook("npm", returning(value)))
          assert.deepStrictEqual(context, {})
          assert.strictEqual(details.errorCode, "GENERAL")
        }
      })
    ))

  it.effect("gives the hook data of its own, and hints as a record", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const Key = HookHints.key<number>("k")
      const hook: SDK.Hook = {
        before: (context, hints) => {
          seen.push(hints?.["k"], hints?.["raw"], context.hookData.has("n"), context.hookData.get("n"))
          context.hookData.set("n", 1)
          context.hookData.set("__proto__", 2)
          context.hookData.set("gone", 3)
        },
        after: (context) => {
          seen.push(context.hookData.get("n"), context.hookData.get("__proto__"), context.hookData.delete("gone"))
        },
        finally: (context, details) => {
          seen.push(context.hookData.has("gone"), details.value)
          context.hookData.clear()
          seen.push(context.hookData.has("n"))
        }
      }
      const converted = OpenFeatureHook.toFeatureHook("npm", hook)
      const hints = HookHints.add(HookHints.fromRecord({ raw: "r" }), Key, 5)
      yield* Fixtures.run(FeatureHook.combine(converted, converted), { hints })
      const once = [5, "r", false, undefined]
      const later = [1, 2, true]
      const last = [false, true, false]
      assert.deepStrictEqual(seen, [...once, ...once, ...later, ...later, ...last, ...last])
    }))

  it.effect("rejects on purpose with a code of a hook, and otherwise with a fixed message", () =>
    collectFailures((failures: Array<HookFailures.HookFailure>) =>
      Effect.gen(function*() {
        const throwing = (error: unknown): SDK.Hook => ({
          before: () => {
            throw error
          }
        })
        const details = (error: unknown) =>
          Effect.map(Fixtures.run(OpenFeatureHook.toFeatureHook("npm", throwing(error))), ({ details }) => details)
        const told = yield* details(new SDK.InvalidContextError("told"))
        assert.deepStrictEqual([told.errorCode, told.errorMessage], ["INVALID_CONTEXT", "told"])
        assert.strictEqual(failures.length, 0)
        for (
          const error of [
            new Error("secret"),
            { code: "ECONNREFUSED" },
            { code: "PROVIDER_FATAL", message: "secret" },
            { code: "PROVIDER_NOT_READY" },
            null,
            Symbol("s")
          ]
        ) {
          const { errorCode, errorMessage } = yield* details(error)
          assert.deepStrictEqual([errorCode, errorMessage], ["GENERAL", "hook \"npm\" failed in its before stage"])
        }
        assert.strictEqual(failures.length, 6)
        const rejecting = OpenFeatureHook.toFeatureHook("npm", { after: () => Promise.reject(new Error("secret")) })
        const outcome = yield* Fixtures.run(rejecting)
        assert.strictEqual(outcome.details.errorMessage, "hook \"npm\" failed in its after stage")
      })
    ))

  it.effect("changes no details and no error of others", () =>
    Effect.gen(function*() {
      const thrown = new Error("original")
      const errors: Array<unknown> = []
      const hook: SDK.Hook = {
        after: (_context, details) => {
          details.value = "changed"
        },
        error: (_context, error) => {
          errors.push(error)
        }
      }
      const recording = yield* RecordingHook.make("r")
      const both = FeatureHook.combine(recording.hook, OpenFeatureHook.toFeatureHook("npm", hook))
      assert.strictEqual((yield* Fixtures.run(both)).details.value, true)
      assert.strictEqual((yield* recording.entries)[1]?.details?.value, true)
      yield* Fixtures.run(both, { error: thrown })
      assert.strictEqual(errors[0], thrown)
    }))

  it.effect("can be bounded and observed", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const hook: SDK.Hook = { after: () => Promise.reject(new Error("no")) }
        const guarded = FeatureHook.observe(OpenFeatureHook.toFeatureHook("npm", hook))
        expectTypeOf(guarded).toEqualTypeOf<FeatureHook.FeatureHook>()
        expectTypeOf(OpenFeatureHook.toFeatureHook("npm", hook)).toEqualTypeOf<
          FeatureHook.FeatureHook<EvaluationError.EvaluationError | Cause.UnknownError>
        >()
        assert.strictEqual((yield* Fixtures.run(guarded)).details.value, true)
        yield* turns()
        assert.strictEqual(failures.length, 1)
      })
    ))

  it.effect("may write into its copy of an object value, which changes nothing", () =>
    Effect.gen(function*() {
      const value = { limits: { max: 1 } }
      const hook: SDK.Hook = {
        after: (_context, details) => {
          Object.assign(Reflect.get(Object(details.value), "limits"), { max: 2 })
        }
      }
      const outcome = yield* Fixtures.run(OpenFeatureHook.toFeatureHook("npm", hook), { details: { value } })
      assert.isUndefined(outcome.details.errorCode)
      assert.deepStrictEqual(outcome.details.value, { limits: { max: 1 } })
    }))

  it("refuses a hook without a stage or a name", () => {
    assert.include(rangeError(() => OpenFeatureHook.toFeatureHook("npm", {})), "needs at least one stage")
    assert.include(
      rangeError(() => OpenFeatureHook.toFeatureHook("", { before: () => undefined })),
      "name must be a text that is not empty"
    )
  })
})

/** How many turns of the microtask queue pass until a promise has settled. */
const microtasks = async (promise: Promise<unknown>): Promise<number> => {
  const state = { settled: false }
  void promise.then(() => {
    state.settled = true
  })
  let count = 0
  while (!state.settled) {
    await Promise.resolve()
    count++
  }
  return count
}

describe("a scope that closes in the middle of finally", () => {
  it.effect("ends the stage: no other hook of the stack runs, and the value stays", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const { client: sdk } = yield* plainClient({ flags: { flag: TestProvider.value(true) } })
        const scope = yield* Scope.make()
        const recording = yield* RecordingHook.make("outer")
        const hung = FeatureHook.make("hung", { finally: () => Effect.never })
        yield* Scope.provide(OpenFeatureHook.register(sdk, recording.hook, hung), scope)
        const evaluation = sdk.getBooleanValue("flag", false)
        yield* turns()
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* Effect.promise(() => evaluation), true)
        assert.deepStrictEqual(yield* recording.stages, ["outer.before", "outer.after"])
        assert.deepStrictEqual(failures.map(({ hook, stage }) => `${hook}.${stage}`), ["hung.finally"])
      })
    ))
})

describe("beside the SDK", () => {
  const count = () => Effect.sync(() => undefined)
  const hooks = Array.from(
    { length: 10 },
    (_, index) => FeatureHook.make(`hook-${index}`, { before: count, after: count, finally: count })
  )

  it.effect("ten synchronous hooks take no more turns than one hand-written one that does nothing", () =>
    Effect.gen(function*() {
      const flags = { flag: TestProvider.value(true) }
      const bridged = (yield* plainClient({ flags })).client.addHooks(OpenFeatureHook.make(...hooks))
      const empty = (yield* plainClient({ flags })).client.addHooks({ before: () => undefined })
      const turnsOf = (sdk: SDK.Client) => Effect.promise(() => microtasks(sdk.getBooleanValue("flag", false)))
      yield* turnsOf(bridged)
      assert.strictEqual(yield* turnsOf(bridged), yield* turnsOf(empty))
    }))

  it.effect("errors of the SDK's CommonJS copy keep their codes", () =>
    Effect.gen(function*() {
      const commonJs: typeof SDK = createRequire(import.meta.url)("@openfeature/server-sdk")
      const thrown = new commonJs.TypeMismatchError("not a boolean")
      assert.isFalse(thrown instanceof SDK.TypeMismatchError)
      assert.strictEqual(commonJs.OpenFeature, SDK.OpenFeature)
      const recording = yield* RecordingHook.make("recording")
      const { client: sdk } = yield* plainClient({ flags: { flag: TestProvider.throwing(thrown) } })
      sdk.addHooks(OpenFeatureHook.make(recording.hook))
      const details = yield* Effect.promise(() => sdk.getBooleanDetails("flag", false))
      assert.strictEqual(details.errorCode, SDK.ErrorCode.TYPE_MISMATCH)
      assert.strictEqual((yield* recording.entries)[1]?.error?.code, "TYPE_MISMATCH")
    }))
})
