import { assert, describe, it, layer } from "@effect/vitest"
import * as SDK from "@openfeature/server-sdk"
import { Context, Effect, Exit, Fiber, Latch, Layer } from "effect"
import { TestClock } from "effect/testing"
import { EvaluationError, FeatureFlags, FeatureHook, HookHints, OpenFeatureHook } from "effect-openfeature"
import { EvaluationJournal, RecordingHook, TestFlags, TestProvider } from "effect-openfeature/testing"
import { untyped } from "../faults/harness.ts"
import { deferred, newDomain, paths, rangeError, turns } from "../support.ts"

const evaluate = Effect.gen(function*() {
  const flags = yield* FeatureFlags.FeatureFlags
  return yield* flags.string("who", "nobody")
})

describe("a layer", () => {
  it.effect("gives values of every type, answers, and functions of the evaluation context", () =>
    Effect.gen(function*() {
      const flags = yield* FeatureFlags.FeatureFlags
      assert.strictEqual(yield* flags.boolean("sale", false), true)
      assert.strictEqual(yield* flags.number("price-limit", 0), 20)
      assert.strictEqual(yield* flags.string("theme", "light"), "dark")
      assert.deepStrictEqual(yield* flags.object("limits", {}), { a: [1, 2] })
      assert.strictEqual((yield* flags.booleanDetails("answer", false)).variant, "on")
      assert.strictEqual(yield* flags.boolean("targeted", false, { context: { plan: "pro" } }), true)
      assert.strictEqual(yield* flags.boolean("targeted", true, { context: { plan: "free" } }), false)
      assert.strictEqual((yield* flags.booleanDetails("targeted-answer", false)).errorCode, "TARGETING_KEY_MISSING")
      assert.strictEqual((yield* flags.booleanDetails("throws", true)).errorCode, "GENERAL")
    }).pipe(Effect.provide(TestFlags.layer({
      sale: true,
      "price-limit": 20,
      theme: "dark",
      limits: { a: [1, 2] },
      answer: TestProvider.value(true, { variant: "on" }),
      targeted: ({ plan }) => plan === "pro",
      "targeted-answer": () => TestProvider.error("TARGETING_KEY_MISSING", "who?"),
      throws: () => {
        throw new Error("a mistake in a test")
      }
    }))))

  it.effect("gives the default value and FLAG_NOT_FOUND for a flag that is not there", () =>
    Effect.gen(function*() {
      const flags = yield* FeatureFlags.FeatureFlags
      for (const flagKey of ["missing", "toString", "__proto__"]) {
        const details = yield* flags.stringDetails(flagKey, "default")
        assert.deepStrictEqual([details.value, details.errorCode], ["default", "FLAG_NOT_FOUND"])
      }
    }).pipe(Effect.provide(TestFlags.layer())))

  for (const [path, change] of paths) {
    it.effect(`runs client hooks with the services of the layer, ${path}`, () =>
      Effect.gen(function*() {
        class Region extends Context.Service<Region, { readonly name: string }>()("Region") {}
        const enrich = change(FeatureHook.make("enrich", {
          before: () => Effect.map(Region, ({ name }) => ({ context: { region: name } }))
        }))
        const test = TestFlags.layer({ who: ({ plan, region }) => JSON.stringify([region, plan]) }, {
          hooks: [enrich],
          context: { plan: "pro" },
          providerName: "scripted"
        })
        const [who, entries] = yield* Effect.all([evaluate, TestFlags.evaluations]).pipe(
          Effect.provide(Layer.provide(test, Layer.succeed(Region, { name: "eu" })))
        )
        assert.strictEqual(who, "[\"eu\",\"pro\"]")
        assert.deepStrictEqual(entries[0]?.context, { plan: "pro", region: "eu" })
      }))
  }

  it.effect("names its provider", () =>
    Effect.gen(function*() {
      const flags = yield* FeatureFlags.FeatureFlags
      assert.strictEqual((yield* flags.metadata).providerMetadata.name, "scripted")
    }).pipe(Effect.provide(TestFlags.layer({}, { providerName: "scripted" }))))

  it.effect("never meets another layer, also one of the same value and at the same time", () =>
    Effect.gen(function*() {
      const shared = TestFlags.layer({ who: "shared" })
      const domains = new Set<string>()
      const one = (index: number) =>
        Effect.gen(function*() {
          const test = yield* TestFlags.TestFlags
          domains.add(test.domain)
          yield* turns(index % 3)
          const seen = [yield* evaluate]
          yield* test.set("who", `changed ${index}`)
          yield* turns(1)
          seen.push(yield* evaluate)
          assert.deepStrictEqual(seen, [index % 2 === 0 ? `own ${index}` : "shared", `changed ${index}`])
          assert.strictEqual((yield* test.evaluations).length, 2)
        }).pipe(
          Effect.provide(index % 2 === 0 ? TestFlags.layer({ who: `own ${index}` }) : Layer.fresh(shared)),
          Effect.scoped
        )
      yield* Effect.all(Array.from({ length: 50 }, (_, index) => one(index)), { concurrency: "unbounded" })
      assert.strictEqual(domains.size, 50)
    }))

  it.effect("takes no domain that has a provider already", () =>
    Effect.gen(function*() {
      const domain = yield* TestFlags.TestFlags.use((test) => Effect.succeed(test.domain)).pipe(
        Effect.provide(TestFlags.layer())
      )
      const [, prefix = "", count = ""] = /^(.*-)(\d+)$/.exec(domain) ?? []
      const provider = yield* TestProvider.make()
      const taken = `${prefix}${Number(count) + 1}`
      yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(taken, provider))
      const next = yield* TestFlags.TestFlags.use((test) => Effect.succeed(test.domain)).pipe(
        Effect.provide(TestFlags.layer())
      )
      assert.strictEqual(next, `${prefix}${Number(count) + 2}`)
    }))

  it.effect("closes its provider when it ends", () =>
    Effect.gen(function*() {
      const { domain } = yield* Effect.provide(TestFlags.TestFlags, TestFlags.layer({ who: "me" }))
      const details = yield* Effect.promise(() => SDK.OpenFeature.getClient(domain).getStringDetails("who", "nobody"))
      assert.deepStrictEqual([details.value, details.errorCode], ["nobody", "PROVIDER_NOT_READY"])
    }))

  it.effect("waits by the clock of the test", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(evaluate)
      yield* turns()
      assert.strictEqual(fiber.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* Fiber.join(fiber), "late")
    }).pipe(Effect.provide(TestFlags.layer({ who: TestProvider.delayed("1 hour", TestProvider.value("late")) }))))

  it("refuses options, flags and errors that are none, by name", () => {
    assert.include(rangeError(() => TestFlags.layer({}, untyped<TestFlags.Options>({ hook: [] }))), "\"hooks\"")
    assert.include(rangeError(() => TestFlags.layer({}, { hooks: untyped<ReadonlyArray<never>>({}) })), "hooks")
    assert.include(
      rangeError(() => TestFlags.layer({}, { hooks: [untyped<FeatureHook.FeatureHook>({ before: () => {} })] })),
      "FeatureHook"
    )
    assert.include(rangeError(() => TestFlags.layer({}, { context: untyped("pro") })), "context")
    assert.include(rangeError(() => TestFlags.layer({}, { providerName: "" })), "providerName")
    assert.include(rangeError(() => TestFlags.layer(untyped(true))), "flags")
    assert.include(rangeError(() => TestFlags.layer({ sale: untyped(undefined) })), "flag \"sale\"")
    assert.include(rangeError(() => TestFlags.withFlag(Effect.void, "sale", untyped(1n))), "flag \"sale\"")
    assert.include(
      rangeError(() => TestFlags.withFailure(Effect.void, "sale", untyped("FLAG_NOTFOUND"))),
      "an error code"
    )
  })
})

describe("inside a test", () => {
  it.effect("a flag is changed, made to fail and removed, and comes back", () =>
    Effect.gen(function*() {
      const flags = yield* FeatureFlags.FeatureFlags
      const now = Effect.map(flags.booleanDetails("sale", false), ({ errorCode, value }) => errorCode ?? value)
      const seen: Array<unknown> = [yield* now]
      yield* TestFlags.set("sale", false)
      seen.push(yield* now)
      yield* TestFlags.set("sale", ({ plan }) => plan === undefined)
      seen.push(yield* now)
      yield* TestFlags.fail("sale", "PARSE_ERROR")
      seen.push(yield* now)
      yield* TestFlags.fail("sale", new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no" }))
      seen.push(yield* now)
      yield* TestFlags.fail("sale", new Error("no connection"))
      seen.push(yield* now)
      yield* TestFlags.remove("sale")
      seen.push(yield* now)
      yield* TestFlags.set("another", true)
      yield* TestFlags.reset
      assert.deepStrictEqual(yield* TestFlags.evaluations, [])
      seen.push(yield* now)
      assert.strictEqual(yield* flags.boolean("another", false), false)
      assert.deepStrictEqual(
        seen,
        [true, false, true, "PARSE_ERROR", "INVALID_CONTEXT", "GENERAL", "FLAG_NOT_FOUND", true]
      )
      const exit = yield* Effect.exit(Effect.suspend(() => TestFlags.set("sale", untyped(undefined))))
      assert.isTrue(Exit.isFailure(exit))
    }).pipe(Effect.provide(TestFlags.layer({ sale: true }))))

  it.effect("events change the status, and tracking events are told", () =>
    Effect.gen(function*() {
      const flags = yield* FeatureFlags.FeatureFlags
      const test = yield* TestFlags.TestFlags
      assert.strictEqual(yield* flags.status, SDK.ProviderStatus.READY)
      yield* test.emit(SDK.ProviderEvents.Stale)
      yield* turns()
      assert.strictEqual(yield* flags.status, SDK.ProviderStatus.STALE)
      yield* flags.track("bought")
      assert.deepStrictEqual(yield* test.tracked, ["bought"])
    }).pipe(Effect.provide(TestFlags.layer())))
})

describe("a region", () => {
  for (const [path, change] of paths) {
    const recording = Layer.unwrap(Effect.map(
      RecordingHook.make("r"),
      ({ hook }) => TestFlags.layer({ who: "layer" }, { hooks: [change(hook)] })
    ))
    it.effect(`changes a flag for an effect and its child fibers, and for no other fiber, ${path}`, () =>
      Effect.gen(function*() {
        const started = yield* Latch.make()
        const observed = yield* Latch.make()
        const inside = Effect.gen(function*() {
          const first = yield* evaluate
          yield* started.open
          yield* observed.await
          const children = yield* Effect.all([evaluate, Effect.andThen(Effect.yieldNow, evaluate)], {
            concurrency: "unbounded"
          })
          return [first, ...children]
        })
        const region = yield* Effect.forkChild(TestFlags.withFlag(inside, "who", "region"))
        yield* started.await
        assert.strictEqual(yield* evaluate, "layer")
        yield* TestFlags.set("who", "set")
        assert.strictEqual(yield* evaluate, "set")
        yield* observed.open
        assert.deepStrictEqual(yield* Fiber.join(region), ["region", "region", "region"])
        assert.strictEqual(yield* evaluate, "set")
      }).pipe(Effect.provide(recording)))

    it.effect(`may override a flag while fifty others do, ${path}`, () =>
      Effect.gen(function*() {
        const all = yield* Effect.forEach(
          Array.from({ length: 50 }, (_, index) => index),
          (index) => evaluate.pipe(TestFlags.withFlag("who", `region ${index}`)),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(all, all.map((_, index) => `region ${index}`))
      }).pipe(Effect.provide(recording)))
  }

  it.effect("ends with its effect, however that ends", () =>
    Effect.gen(function*() {
      yield* Effect.exit(Effect.andThen(evaluate, Effect.fail("no")).pipe(TestFlags.withFlag("who", "failed")))
      assert.strictEqual(yield* evaluate, "layer")
      yield* Effect.exit(Effect.andThen(evaluate, Effect.die("no")).pipe(TestFlags.withFlag("who", "died")))
      assert.strictEqual(yield* evaluate, "layer")
      const fiber = yield* Effect.forkChild(Effect.andThen(evaluate, Effect.never).pipe(TestFlags.withFlag("who", "i")))
      yield* turns()
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* evaluate, "layer")
      const values = (yield* TestFlags.evaluations).map(({ value }) => value)
      assert.deepStrictEqual(values, ["failed", "layer", "died", "layer", "i", "layer"])
    }).pipe(Effect.provide(TestFlags.layer({ who: "layer" }))))

  it.effect("nests: the innermost wins, and other flags stay", () =>
    Effect.gen(function*() {
      const flags = yield* FeatureFlags.FeatureFlags
      const both = Effect.all([evaluate, flags.boolean("sale", false)])
      const inner = both.pipe(TestFlags.withFlag("who", "inner"))
      assert.deepStrictEqual(
        yield* Effect.all([inner, both]).pipe(TestFlags.withFlag("who", "outer"), TestFlags.withFlag("sale", true)),
        [["inner", true], ["outer", true]]
      )
      assert.deepStrictEqual(yield* both, ["nobody", false])
    }).pipe(Effect.provide(TestFlags.layer())))

  it.effect("makes a flag fail", () =>
    Effect.gen(function*() {
      const flags = yield* FeatureFlags.FeatureFlags
      const code = Effect.map(flags.stringDetails("who", "nobody"), ({ errorCode }) => errorCode)
      assert.strictEqual(yield* TestFlags.withFailure(code, "who", "PARSE_ERROR"), "PARSE_ERROR")
      assert.strictEqual(yield* code.pipe(TestFlags.withFailure("who", new Error("no"))), "GENERAL")
      assert.isUndefined(yield* code)
    }).pipe(Effect.provide(TestFlags.layer({ who: "me" }))))

  it.effect("belongs to its layer", () =>
    Effect.gen(function*() {
      const inner = Effect.provide(evaluate, TestFlags.layer({ who: "other" }), { local: true })
      assert.strictEqual(yield* TestFlags.withFlag(inner, "who", "region"), "other")
    }).pipe(Effect.provide(TestFlags.layer({ who: "layer" }))))

  it.effect("also applies to a client of the SDK, unless another hook of the SDK runs first", () =>
    Effect.gen(function*() {
      const { client } = yield* FeatureFlags.FeatureFlags
      const plainly = Effect.promise(() => client.getStringValue("who", "nobody")).pipe(
        TestFlags.withFlag("who", "region")
      )
      assert.strictEqual(yield* plainly, "region")
      client.addHooks(OpenFeatureHook.make(deferred(FeatureHook.make("slow", { before: () => Effect.void }))))
      assert.strictEqual(yield* plainly, "region")
      client.clearHooks()
      client.addHooks({ before: () => Promise.resolve() })
      assert.strictEqual(yield* plainly, "layer")
    }).pipe(Effect.provide(TestFlags.layer({ who: "layer" }))))
})

describe("the journal", () => {
  it.effect("tells what an evaluation was made with and how it ended", () =>
    Effect.gen(function*() {
      const flags = yield* FeatureFlags.FeatureFlags
      const Key = HookHints.key<string>("audit.id")
      yield* flags.boolean("sale", false, {
        context: { targetingKey: "user-1", nested: { a: 1 } },
        hints: HookHints.make(Key, "12345")
      })
      const [entry] = yield* TestFlags.evaluations
      const { hints, ...rest } = entry ?? assert.fail("no entry")
      assert.deepStrictEqual(rest, {
        flagKey: "sale",
        flagValueType: "boolean",
        defaultValue: false,
        value: true,
        variant: "on",
        reason: "TARGETING_MATCH",
        flagMetadata: { v: 1 },
        context: { targetingKey: "user-1", nested: { a: 1 } }
      })
      assert.strictEqual(HookHints.getOrUndefined(hints, Key), "12345")
      assert.isTrue(Object.isFrozen(entry) && Object.isFrozen(rest.context["nested"]))
    }).pipe(Effect.provide(TestFlags.layer({
      sale: TestProvider.value(true, { variant: "on", reason: "TARGETING_MATCH", flagMetadata: { v: 1 } })
    }))))

  for (const [path, change] of paths) {
    it.effect(`has evaluations that failed for any reason, ${path}`, () => {
      const guard = change(FeatureHook.make("guard", {
        before: (context) =>
          context.flagKey === "before" ? Effect.fail(new EvaluationError.EvaluationError(rejected)) : Effect.void,
        after: (context) =>
          context.flagKey === "after" ? Effect.fail(new EvaluationError.EvaluationError(rejected)) : Effect.void
      }))
      const rejected = { code: "INVALID_CONTEXT", message: "no" } as const
      return Effect.gen(function*() {
        const flags = yield* FeatureFlags.FeatureFlags
        for (const flagKey of ["missing", "before", "after", "type", "fails"]) yield* flags.boolean(flagKey, false)
        const fiber = yield* Effect.forkChild(flags.boolean("hangs", false))
        yield* turns()
        fiber.interruptUnsafe()
        yield* turns()
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.await(fiber)
        const entries = yield* TestFlags.evaluations
        assert.deepStrictEqual(entries.map(({ errorCode, flagKey, value }) => [flagKey, errorCode, value]), [
          ["missing", "FLAG_NOT_FOUND", false],
          ["before", "INVALID_CONTEXT", false],
          ["after", "INVALID_CONTEXT", false],
          ["type", "TYPE_MISMATCH", false],
          ["fails", "GENERAL", false],
          ["hangs", "GENERAL", false]
        ])
      }).pipe(Effect.provide(TestFlags.layer({
        before: true,
        after: true,
        type: "text",
        fails: TestProvider.throwing(new Error("no")),
        hangs: TestProvider.never
      }, { hooks: [guard] })))
    })
  }

  it.effect("is in the order in which evaluations end, can be read by flag, and cleared", () =>
    Effect.gen(function*() {
      const flags = yield* FeatureFlags.FeatureFlags
      const slow = yield* Effect.forkChild(flags.number("slow", 0))
      yield* turns()
      yield* flags.number("quick", 0)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(slow)
      yield* flags.number("quick", 1)
      const before = yield* TestFlags.evaluations
      assert.deepStrictEqual(before.map(({ flagKey }) => flagKey), ["quick", "slow", "quick"])
      assert.deepStrictEqual(
        (yield* TestFlags.evaluationsOf("quick")).map(({ defaultValue }) => defaultValue),
        [0, 1]
      )
      yield* TestFlags.clearEvaluations
      assert.deepStrictEqual(yield* TestFlags.evaluations, [])
      assert.strictEqual(before.length, 3)
    }).pipe(Effect.provide(TestFlags.layer({
      slow: TestProvider.delayed("1 second", TestProvider.value(1)),
      quick: 2
    }))))

  it.effect("has evaluations of every client of the domain", () =>
    Effect.gen(function*() {
      const { domain } = yield* TestFlags.TestFlags
      yield* Effect.promise(() =>
        SDK.OpenFeature.getClient(domain).getStringValue("who", "nobody", {}, { hookHints: { id: 1 } })
      )
      const [entry] = yield* TestFlags.evaluations
      assert.strictEqual(entry?.value, "me")
      assert.deepStrictEqual(entry?.hints.raw, { id: 1 })
    }).pipe(Effect.provide(TestFlags.layer({ who: "me" }))))

  it.effect("works with a provider of one's own", () =>
    Effect.gen(function*() {
      const journal = yield* EvaluationJournal.make
      const provider = new SDK.InMemoryProvider({
        a: { variants: { on: true }, defaultVariant: "on", disabled: false }
      })
      const flags = yield* FeatureFlags.make({
        domain: newDomain(),
        hooks: [journal.hook],
        provider: Effect.succeed(provider)
      })
      yield* flags.boolean("a", false)
      yield* flags.boolean("b", false)
      assert.deepStrictEqual((yield* journal.entriesOf("b")).map(({ errorCode }) => errorCode), ["FLAG_NOT_FOUND"])
      assert.strictEqual((yield* journal.entries)[0]?.variant, "on")
      yield* journal.clear
      assert.deepStrictEqual(yield* journal.entries, [])
    }))
})

layer(TestFlags.layer({ who: "shared" }))("tests that share a layer", (it) => {
  it.effect("may set a flag", () =>
    Effect.gen(function*() {
      yield* TestFlags.set("who", "changed")
      assert.strictEqual(yield* evaluate, "changed")
    }))

  it.effect("may start anew", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* evaluate, "changed")
      yield* TestFlags.reset
      assert.strictEqual(yield* evaluate, "shared")
      assert.strictEqual((yield* TestFlags.evaluations).length, 1)
    }))

  it.effect("may override a flag", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* evaluate.pipe(TestFlags.withFlag("who", "region")), "region")
      assert.strictEqual(yield* evaluate, "shared")
    }))

  it.effect("have the clock of the test", () =>
    Effect.gen(function*() {
      const delayed = TestProvider.delayed("1 hour", TestProvider.value("late"))
      const fiber = yield* Effect.forkChild(evaluate.pipe(TestFlags.withFlag("who", delayed)))
      yield* turns()
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* Fiber.join(fiber), "late")
    }))
})
