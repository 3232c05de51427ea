import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Function, Layer, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  BackgroundHook,
  EvaluationError,
  FeatureFlags,
  FeatureHook,
  HookHints,
  HookRegistry,
  LoggingHook,
  OpenFeatureHook
} from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { clients, flagsDetails, sdkDetails } from "./clients.ts"
import { expectTypeOf } from "vitest"
import {
  asynchronous,
  client,
  collectFailures,
  type LogRecord,
  logsTo,
  newDomain,
  paths,
  plainClient,
  rangeError,
  turns,
  unhandledRejections,
  until
} from "./support.ts"

type Registry = HookRegistry.HookRegistry["Service"]

interface Setup {
  readonly attach: (registry: Registry) => Effect.Effect<void, never, Scope.Scope>
  readonly evaluate: (flagKey?: string) => Effect.Effect<boolean>
}

const sdkSetup = Effect.map(
  plainClient({ flags: { sale: TestProvider.value(true) } }),
  ({ client }): Setup => ({
    attach: (registry) => registry.attach(client),
    evaluate: (flagKey = "sale") => Effect.map(sdkDetails(client, flagKey, false), ({ value }) => value === true)
  })
)

const flagsSetup = Effect.map(
  client({ sale: TestProvider.value(true) }),
  ({ flags }): Setup => ({
    attach: (registry) => registry.attach(flags),
    evaluate: (flagKey = "sale") => Effect.map(flagsDetails(flags, flagKey, false), ({ value }) => value === true)
  })
)

const setupOf = { sdk: sdkSetup, FeatureFlags: flagsSetup }

const noting = (name: string, seen: Array<string>) =>
  FeatureHook.make(name, {
    before: () => void seen.push(`${name}.before`),
    after: () => void seen.push(`${name}.after`),
    error: () => void seen.push(`${name}.error`),
    finally: () => void seen.push(`${name}.finally`)
  })

const namesOf = (registry: Registry) =>
  Effect.map(registry.list, (list) => list.map(({ isEnabled, name }) => isEnabled ? name : `(${name})`).join(" "))

for (const kind of clients) {
  for (const [path, change] of paths) {
    describe(`a registry with ${kind === "sdk" ? "a client of the SDK" : "FeatureFlags"}, ${path}`, () => {
      it.effect("runs its hooks in their order while it is attached, and they come and go", () =>
        Effect.gen(function*() {
          const seen: Array<string> = []
          const taken = () => seen.splice(0).join(" ")
          const registry = yield* HookRegistry.make()
          const { attach, evaluate } = yield* setupOf[kind]
          const hook = (name: string) => change(noting(name, seen))
          const a = yield* registry.add({ name: "a", hook: hook("a") })
          yield* evaluate()
          assert.strictEqual(taken(), "")
          const scope = yield* Scope.make()
          yield* Scope.provide(attach(registry), scope)
          assert.isTrue(yield* evaluate())
          assert.strictEqual(taken(), "a.before a.after a.finally")
          yield* registry.add([{ name: "c", hook: hook("c"), priority: -1 }, {
            name: "b",
            hook: hook("b"),
            before: ["a"]
          }])
          yield* evaluate()
          assert.strictEqual(
            taken(),
            "b.before a.before c.before c.after a.after b.after c.finally a.finally b.finally"
          )
          yield* a.disable
          yield* evaluate("missing")
          assert.strictEqual(taken(), "b.before c.before c.error b.error c.finally b.finally")
          yield* a.enable
          yield* registry.clear
          yield* registry.add({ name: "a", hook: hook("a") })
          yield* evaluate()
          assert.strictEqual(taken(), "a.before a.after a.finally")
          yield* Scope.close(scope, Exit.void)
          assert.isTrue(yield* evaluate())
          assert.strictEqual(taken(), "")
        }))

      it.effect("gives an evaluation the hooks that its first stage saw", () =>
        Effect.gen(function*() {
          const seen: Array<string> = []
          const registry = yield* HookRegistry.make()
          const { attach, evaluate } = yield* setupOf[kind]
          yield* attach(registry)
          const disabled = yield* registry.add({ name: "disabled", hook: change(noting("disabled", seen)) })
          const changing = change(FeatureHook.make("changing", {
            before: () =>
              Effect.andThen(disabled.disable, registry.add({ name: "late", hook: change(noting("late", seen)) }))
                .pipe(Effect.ignore)
          }))
          yield* registry.add({ name: "changing", hook: changing })
          yield* evaluate()
          assert.deepStrictEqual(seen.splice(0), ["disabled.before", "disabled.after", "disabled.finally"])
          yield* evaluate()
          assert.deepStrictEqual(seen, ["late.before", "late.after", "late.finally"])
        }))

      it.effect("contributes to the evaluation, and rejects it, like any hook", () =>
        Effect.gen(function*() {
          const registry = yield* HookRegistry.make()
          const { attach, evaluate } = yield* setupOf[kind]
          yield* attach(registry)
          const contexts: Array<unknown> = []
          const rejecting = change(FeatureHook.make("rejecting", {
            before: ({ context }) => {
              contexts.push(context["plan"])
              return Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no" }))
            }
          }))
          yield* registry.add([
            { name: "rejecting", hook: rejecting },
            {
              name: "enriching",
              hook: change(FeatureHook.make("enriching", { before: () => ({ context: { plan: "pro" } }) })),
              priority: 1
            }
          ])
          assert.isFalse(yield* evaluate())
          assert.deepStrictEqual(contexts, ["pro"])
        }))

      it.effect("runs each hook with the services of the caller, and else with those of the fiber that added it", () =>
        Effect.gen(function*() {
          class Region extends Context.Service<Region, string>()("test/Region") {}
          const regions: Array<string> = []
          const hook = change(FeatureHook.make("region", {
            before: () => Effect.map(Region, (region) => void regions.push(region))
          }))
          const registry = yield* HookRegistry.make()
          const { attach, evaluate } = yield* setupOf[kind]
          yield* attach(registry)
          const adding = registry.add({ name: "region", hook })
          yield* Effect.provideService(adding, Region, "added")
          yield* evaluate()
          yield* Effect.provideService(evaluate(), Region, "caller")
          assert.deepStrictEqual(regions, ["added", "caller"])
        }))

      it.effect("interrupts and skips what runs of a hook that is removed, and releases what it owns afterwards", () =>
        Effect.gen(function*() {
          const seen: Array<string> = []
          const registry = yield* HookRegistry.make()
          const { attach, evaluate } = yield* setupOf[kind]
          yield* attach(registry)
          const begun = yield* Deferred.make<void>()
          const hanging = FeatureHook.make("hanging", {
            before: () =>
              Effect.andThen(Deferred.succeed(begun, undefined), Effect.never).pipe(
                Effect.onInterrupt(() => Effect.sync(() => void seen.push("interrupted")))
              ),
            finally: () => void seen.push("finally")
          })
          const hook = Effect.acquireRelease(
            Effect.as(Effect.sync(() => void seen.push("acquired")), change(hanging)),
            () => Effect.sync(() => void seen.push("released"))
          )
          const registration = yield* registry.add({ name: "hanging", hook })
          const evaluating = yield* Effect.forkChild(evaluate())
          yield* Deferred.await(begun)
          yield* turns(1)
          yield* registration.unregister
          assert.isTrue(yield* Fiber.join(evaluating))
          assert.deepStrictEqual(seen, ["acquired", "interrupted", "released"])
          yield* registration.unregister
          assert.strictEqual(yield* namesOf(registry), "")
        }))

      it.effect("lets a stage remove its own hook without waiting for itself", () =>
        Effect.gen(function*() {
          let runs = 0
          const registry = yield* HookRegistry.make()
          const { attach, evaluate } = yield* setupOf[kind]
          yield* attach(registry)
          const once = change(FeatureHook.make("once", {
            before: () => {
              runs++
              return Effect.flatMap(registry.get("once"), (found) => found?.unregister ?? Effect.void)
            }
          }))
          yield* registry.add({ name: "once", hook: once })
          // No time passes on the test clock, so a wait would never end.
          assert.isTrue(yield* evaluate())
          assert.isTrue(yield* evaluate())
          assert.strictEqual(runs, 1)
        }))

      it.effect("gives each registration the failures of its own hook, also of those with the same name", () =>
        collectFailures((all) =>
          Effect.gen(function*() {
            const registry = yield* HookRegistry.make({ failureCapacity: 2 })
            const { attach, evaluate } = yield* setupOf[kind]
            yield* attach(registry)
            const failing = (error: string) =>
              FeatureHook.observe(change(FeatureHook.make("failing", { after: () => Effect.fail(error) })))
            const [first, second] = yield* registry.add([
              { name: "first", hook: failing("1") },
              { name: "second", hook: failing("2") }
            ])
            assert.isDefined(first)
            assert.isDefined(second)
            const read = yield* Effect.forkChild(Stream.runCollect(first.failures), { startImmediately: true })
            const slow = yield* Effect.forkChild(
              Stream.runForEach(second.failures, () => Effect.never),
              { startImmediately: true }
            )
            for (let i = 0; i < 5; i++) {
              yield* evaluate()
              yield* turns(1)
            }
            assert.strictEqual((yield* first.failureCounts).reported, 5)
            const counts = yield* second.failureCounts
            assert.strictEqual(counts.reported, 5)
            assert.isAbove(counts.dropped, 0)
            yield* first.unregister
            const failures = yield* Fiber.join(read)
            assert.deepStrictEqual(
              failures.map(({ hook, stage }) => `${hook}.${stage}`),
              Array(5).fill("failing.after")
            )
            assert.strictEqual(all.length, 10)
            yield* Fiber.interrupt(slow)
          })
        ))

      it.effect("logs each stage that runs while the debug log is on, and only names of what it contributed", () =>
        Effect.gen(function*() {
          const records: Array<LogRecord> = []
          const registry = yield* HookRegistry.make()
          const { attach, evaluate } = yield* setupOf[kind]
          yield* attach(registry)
          const Secret = HookHints.key<string>("secret.hint")
          const hook = change(FeatureHook.make("enrich", {
            before: () =>
              Effect.as(Effect.sleep("5 millis"), {
                context: { email: "canary-1", plan: "pro" },
                hints: HookHints.make(Secret, "canary-2")
              }),
            finally: () => Effect.fail(new Error("canary-3"))
          }))
          yield* registry.add({ name: "enriching", hook })
          const run = Effect.gen(function*() {
            const fiber = yield* Effect.forkChild(evaluate())
            yield* turns()
            yield* TestClock.adjust("5 millis")
            yield* Fiber.join(fiber)
          }).pipe(Effect.provide(logsTo(records)))
          yield* run
          const stages = () =>
            records.splice(0).filter(({ message }) => message === "a stage of a hook ran")
              .map(({ annotations }) => annotations)
          assert.deepStrictEqual(stages(), [])
          yield* registry.debug()
          yield* run
          const logged = stages()
          const common = { registered_as: "enriching", hook: "enrich", flag_key: "sale" }
          assert.deepStrictEqual(logged, [
            {
              ...common,
              stage: "before",
              duration_ms: 5,
              outcome: "success",
              attributes: "email, plan",
              hints: "secret.hint"
            },
            { ...common, stage: "finally", duration_ms: 0, outcome: "failure" }
          ])
          yield* registry.debug({ context: ["plan"], values: true, errorMessage: true })
          yield* run
          assert.deepStrictEqual(
            stages().map(({ error_message, evaluation_context, hint_values }) => [
              evaluation_context,
              hint_values,
              error_message
            ]),
            [["{\"plan\":\"pro\"}", "secret.hint=canary-2", undefined], [undefined, undefined, "canary-3"]]
          )
          yield* registry.debug(false)
          yield* run
          assert.deepStrictEqual(stages(), [])
        }).pipe((program) => collectFailures(() => program)))
    })
  }
}

describe("a registry", () => {
  it.effect("runs at the API level for every client, and is attached to a target once", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const registry = yield* HookRegistry.make()
      yield* registry.add({ name: "a", hook: noting("a", seen) })
      const { flags } = yield* client({ sale: TestProvider.value(true) })
      const plain = yield* plainClient({ flags: { sale: TestProvider.value(true) } })
      const scope = yield* Scope.make()
      yield* Scope.provide(registry.attach(SDK.OpenFeature), scope)
      yield* flags.boolean("sale", false)
      yield* sdkDetails(plain.client, "sale", false)
      assert.deepStrictEqual(seen, [1, 2].flatMap(() => ["a.before", "a.after", "a.finally"]))
      for (const target of [SDK.OpenFeature, flags] as const) {
        const exit = yield* Effect.exit(Effect.scoped(Effect.andThen(registry.attach(target), registry.attach(target))))
        assert.include(String(exit), "is attached to this")
      }
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(SDK.OpenFeature.getHooks(), [])
      assert.include(
        String(yield* Effect.exit(registry.attach(Function.cast<object, HookRegistry.Target<unknown>>({})))),
        "target must be an object with addHooks, getHooks, clearHooks"
      )
    }))

  it.effect("runs in the client of the SDK when a FeatureFlags service was wrapped", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const registry = yield* HookRegistry.make()
      yield* registry.add({ name: "a", hook: noting("a", seen) })
      const { flags } = yield* client({ sale: TestProvider.value(true) })
      const wrapped = { ...flags }
      yield* registry.attach(wrapped)
      assert.deepStrictEqual(flags.client.getHooks(), [registry.sdkHook])
      yield* wrapped.boolean("sale", false)
      assert.deepStrictEqual(seen, ["a.before", "a.after", "a.finally"])
    }))

  it.effect("keeps the place among the hooks of a client, and goes with clearHooks", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const before = (name: string) => FeatureHook.make(name, { before: () => void seen.push(name) })
      const registry = yield* HookRegistry.make()
      const { flags } = yield* client({ sale: TestProvider.value(true) }, { hooks: [before("first")] })
      yield* registry.attach(flags)
      yield* flags.addHooks(before("last"))
      yield* registry.add({ name: "registered", hook: before("registered") })
      const options = { hooks: [before("invocation")] }
      const region = FeatureFlags.withHooks(before("region"))(flags.boolean("sale", false, options))
      yield* region
      assert.deepStrictEqual(seen.splice(0), ["first", "registered", "last", "region", "invocation"])
      assert.deepStrictEqual((yield* flags.hooks).map(({ name }) => name), ["first", "registered", "last"])
      yield* flags.clearHooks
      yield* region
      assert.deepStrictEqual(seen, ["region", "invocation"])
    }))

  it.effect("refuses a name twice, from outside and within a list, and adds nothing then", () =>
    Effect.gen(function*() {
      const registry = yield* HookRegistry.make()
      const hook = noting("a", [])
      yield* registry.add({ name: "a", hook })
      const released: Array<string> = []
      const owning = (name: string) =>
        Effect.acquireRelease(Effect.succeed(hook), () => Effect.sync(() => void released.push(name)))
      const error = yield* Effect.flip(registry.add([{ name: "b", hook: owning("b") }, { name: "a", hook }]))
      assert.strictEqual(error._tag, "DuplicateHookError")
      assert.strictEqual(error.message, "HookRegistry: there is a hook \"a\" already")
      yield* Effect.flip(registry.add([{ name: "c", hook: owning("c") }, { name: "c", hook }]))
      assert.deepStrictEqual(released, [])
      assert.strictEqual(yield* namesOf(registry), "a")
      const odd = yield* Effect.flip(registry.add([{ name: "x\u0000\n".repeat(100), hook }, {
        name: "x\u0000\n".repeat(100),
        hook
      }]))
      assert.isBelow(odd.message.length, 200)
      assert.match(odd.message, /^HookRegistry: there is a hook "x\\u0000\\u000a[^\n]*" already$/)
      yield* registry.add([{ name: "__proto__", hook }, { name: "constructor", hook }, { name: "toString", hook }])
      assert.strictEqual(yield* namesOf(registry), "a __proto__ constructor toString")
    }))

  it.effect("refuses a cycle with its names, and adds nothing then", () =>
    Effect.gen(function*() {
      const registry = yield* HookRegistry.make()
      const hook = noting("a", [])
      yield* registry.add([{ name: "a", hook, before: ["b"] }, { name: "c", hook, after: ["b"] }])
      const error = yield* Effect.flip(registry.add({ name: "b", hook, after: ["c"] }))
      assert.strictEqual(error._tag, "HookCycleError")
      assert.match(error.message, /: (b → c → b|c → b → c)$/)
      assert.strictEqual(yield* namesOf(registry), "a c")
      yield* registry.add({ name: "b", hook })
      assert.strictEqual(yield* namesOf(registry), "a b c")
    }))

  it.effect("adds all hooks or none, and releases those that were made when one cannot be", () =>
    Effect.gen(function*() {
      const registry = yield* HookRegistry.make()
      const hook = noting("a", [])
      const released: Array<string> = []
      const first = Effect.acquireRelease(Effect.succeed(hook), () => Effect.sync(() => void released.push("first")))
      const error = yield* Effect.flip(
        registry.add([{ name: "first", hook: first }, { name: "second", hook: Effect.fail("no connection" as const) }])
      )
      assert.strictEqual(error, "no connection")
      assert.deepStrictEqual(released.splice(0), ["first"])
      const adding = yield* Effect.forkChild(
        registry.add([{ name: "first", hook: first }, {
          name: "second",
          hook: Effect.as(Effect.never, hook)
        }])
      )
      yield* turns(1)
      assert.strictEqual(yield* namesOf(registry), "")
      const taken = yield* Effect.flip(registry.add({ name: "second", hook }))
      assert.strictEqual(taken._tag, "DuplicateHookError")
      yield* Fiber.interrupt(adding)
      assert.deepStrictEqual(released, ["first"])
      yield* registry.add({ name: "second", hook })
      assert.strictEqual(yield* namesOf(registry), "second")
    }))

  it.effect("removes all hooks when it closes, also those that are being made, and takes no more", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const registry = yield* Scope.provide(HookRegistry.make(), scope)
      const hook = noting("a", [])
      const released: Array<string> = []
      const owning = (name: string, made: Effect.Effect<void>) =>
        Effect.andThen(
          Effect.acquireRelease(Effect.succeed(hook), () => Effect.sync(() => void released.push(name))),
          Effect.as(made, hook)
        )
      yield* registry.add({ name: "a", hook: owning("a", Effect.void) })
      const latch = yield* Deferred.make<void>()
      const adding = yield* Effect.forkChild(registry.add({ name: "b", hook: owning("b", Deferred.await(latch)) }))
      yield* turns(1)
      yield* Scope.close(scope, Exit.void)
      assert.sameMembers(released, ["a", "b"])
      yield* Deferred.succeed(latch, undefined)
      assert.strictEqual((yield* Effect.flip(Fiber.join(adding)))._tag, "RegistryClosedError")
      const error = yield* Effect.flip(registry.add({ name: "c", hook }))
      assert.strictEqual(error.message, "HookRegistry: the registry is closed")
      assert.strictEqual(yield* namesOf(registry), "")
    }))

  it.effect("removes every hook, also when one cannot be released, and tells", () =>
    Effect.gen(function*() {
      const registry = yield* HookRegistry.make()
      const hook = noting("a", [])
      const released: Array<string> = []
      const [a] = yield* registry.add([
        { name: "a", hook: Effect.acquireRelease(Effect.succeed(hook), () => Effect.die("cannot close")) },
        {
          name: "b",
          hook: Effect.acquireRelease(Effect.succeed(hook), () => Effect.sync(() => void released.push("b")))
        }
      ])
      assert.include(String(yield* Effect.exit(registry.clear)), "cannot close")
      assert.deepStrictEqual(released, ["b"])
      assert.strictEqual(yield* namesOf(registry), "")
      // A reader of its failures must not wait for more.
      assert.deepStrictEqual(yield* Stream.runCollect(a?.failures ?? Stream.never), [])
    }))

  for (const way of ["unregister", "clear", "close"] as const) {
    it.effect(`waits a limited time for what a hook owns, and tells once, on ${way}`, () =>
      Effect.gen(function*() {
        const records: Array<LogRecord> = []
        const scope = yield* Scope.make()
        const registry = yield* Scope.provide(HookRegistry.make(), scope)
        const hook = noting("a", [])
        const released: Array<string> = []
        const [hanging] = yield* registry.add([
          { name: "hanging", hook: Effect.acquireRelease(Effect.succeed(hook), () => Effect.never) },
          {
            name: "late",
            hook: Effect.acquireRelease(
              Effect.succeed(hook),
              () => Effect.delay(Effect.sync(() => void released.push("late")), "1 second")
            )
          }
        ])
        const removal = {
          unregister: hanging?.unregister ?? Effect.die("it was not added"),
          clear: registry.clear,
          close: Scope.close(scope, Exit.void)
        }
        const removing = yield* Effect.forkChild(Effect.provide(removal[way], logsTo(records)), {
          startImmediately: true
        })
        yield* TestClock.adjust("9999 millis")
        assert.isUndefined(removing.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        yield* Fiber.join(removing)
        assert.deepStrictEqual(records.map(({ annotations, level, message }) => [level, message, annotations]), [
          ["Warn", "a hook was removed, and what it owns is not released in time", { registered_as: "hanging" }]
        ])
        assert.deepStrictEqual(released, way === "unregister" ? [] : ["late"])
        yield* hanging?.unregister ?? Effect.void
        assert.strictEqual(records.length, 1)
      }))
  }

  it.effect("waits for the stages of a hook first, then for what it owns, which goes on after the limit", () =>
    Effect.gen(function*() {
      const registry = yield* HookRegistry.make({ closeTimeout: "1 second" })
      const { attach, evaluate } = yield* sdkSetup
      yield* attach(registry)
      const released: Array<string> = []
      const stuck = FeatureHook.make("stuck", { before: () => Effect.uninterruptible(Effect.never) })
      const { unregister } = yield* registry.add({
        name: "stuck",
        hook: Effect.acquireRelease(
          Effect.succeed(stuck),
          () => Effect.delay(Effect.sync(() => void released.push("stuck")), "2 seconds")
        )
      })
      yield* Effect.forkChild(evaluate(), { startImmediately: true })
      yield* turns()
      const removing = yield* Effect.forkChild(unregister, { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      assert.isUndefined(removing.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(removing)
      assert.deepStrictEqual(released, [])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(released, ["stuck"])
    }).pipe(Effect.provide(logsTo([]))))

  it.effect("removes scoped hooks when their scope closes", () =>
    Effect.gen(function*() {
      const registry = yield* HookRegistry.make()
      const hook = noting("a", [])
      yield* registry.add({ name: "stays", hook })
      yield* Effect.scoped(Effect.gen(function*() {
        const one = yield* registry.addScoped({ name: "one", hook })
        yield* registry.addScoped([{ name: "two", hook }, { name: "three", hook }])
        assert.strictEqual(yield* namesOf(registry), "stays one two three")
        yield* one.unregister
      }))
      assert.strictEqual(yield* namesOf(registry), "stays")
    }))

  it.effect("lists its hooks with what is known about them", () =>
    Effect.gen(function*() {
      const registry = yield* HookRegistry.make()
      yield* registry.add([
        { name: "log", hook: LoggingHook.make(), description: "Logs", version: "1.2.0" },
        { name: "pair", hook: FeatureHook.combine(noting("a", []), noting("b", [])), priority: 2, isEnabled: false }
      ])
      assert.deepStrictEqual(yield* registry.list, [
        {
          name: "pair",
          hook: "a + b",
          description: undefined,
          version: undefined,
          priority: 2,
          isEnabled: false,
          stages: ["before", "after", "error", "finally"]
        },
        {
          name: "log",
          hook: "logging",
          description: "Logs",
          version: "1.2.0",
          priority: 0,
          isEnabled: true,
          stages: ["before", "after", "error"]
        }
      ])
      assert.strictEqual((yield* registry.get("log"))?.name, "log")
      assert.isUndefined(yield* registry.get("logs"))
    }))

  it.effect("streams its list, and only the latest to a slow reader, until it closes", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const registry = yield* Scope.provide(HookRegistry.make(), scope)
      const hook = noting("a", [])
      const seen: Array<string> = []
      const reader = yield* Effect.forkChild(
        Stream.runForEach(registry.changes, (list) =>
          Effect.andThen(
            Effect.sync(() => void seen.push(list.map(({ name }) => name).join(" "))),
            Effect.sleep("1 second")
          )),
        { startImmediately: true }
      )
      yield* turns(1)
      for (let i = 0; i < 100; i++) yield* registry.add({ name: `hook-${i}`, hook })
      yield* registry.clear
      yield* registry.add({ name: "last", hook })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, ["", "last"])
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(reader)
      assert.strictEqual(seen.at(-1), "")
    }))

  it.effect("rejects evaluations that are running when a hook that guards them is removed", () =>
    Effect.gen(function*() {
      const registry = yield* HookRegistry.make()
      const { attach, evaluate } = yield* flagsSetup
      yield* attach(registry)
      const begun = yield* Deferred.make<void>()
      const guard = FeatureHook.make("guard", {
        before: () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)
      })
      const registration = yield* registry.add({ name: "guard", hook: guard }).pipe(
        Effect.provideService(OpenFeatureHook.WhenClosed, "reject")
      )
      const evaluating = yield* Effect.forkChild(evaluate())
      yield* Deferred.await(begun)
      yield* registration.unregister
      assert.isFalse(yield* Fiber.join(evaluating))
      assert.isTrue(yield* evaluate())
    }).pipe((program) => collectFailures(() => program)))

  it.effect("finishes the stages of interrupted evaluations with the hooks that they began with", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const registry = yield* HookRegistry.make()
      const flags = yield* FeatureFlags.make({
        domain: newDomain(),
        provider: TestProvider.make({ flags: { sale: Effect.never } })
      })
      yield* registry.attach(SDK.OpenFeature)
      yield* registry.add({ name: "a", hook: noting("a", seen) })
      const evaluating = yield* Effect.forkChild(flags.boolean("sale", false))
      yield* until(() => seen.length === 1)
      yield* registry.add({ name: "b", hook: noting("b", seen) })
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(evaluating))
      yield* turns()
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(interrupting)
      assert.deepStrictEqual(seen, ["a.before", "a.error", "a.finally"])
    }))

  it.effect("streams the failures of a hook in the background to its registration", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const registry = yield* HookRegistry.make()
        const { attach, evaluate } = yield* flagsSetup
        yield* attach(registry)
        const failing = FeatureHook.observe(FeatureHook.make("failing", { finally: () => Effect.fail("no") }))
        const hook = Effect.map(BackgroundHook.make(failing), ({ hook }) => hook)
        const registration = yield* registry.add({ name: "background", hook })
        yield* evaluate()
        yield* turns()
        assert.deepStrictEqual(yield* registration.failureCounts, { reported: 1, dropped: 0 })
      })
    ))

  it.effect("comes as layers, in which each part of an application adds its own hooks", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const Hooks = Layer.mergeAll(
        HookRegistry.layerHooks({ name: "a", hook: noting("a", seen) }),
        HookRegistry.layerHooks({ name: "b", hook: Effect.succeed(noting("b", seen)), before: ["a"] }),
        HookRegistry.layerClient,
        HookRegistry.layerApi
      )
      const Live = Hooks.pipe(
        Layer.provideMerge(FeatureFlags.layer({ domain: newDomain() })),
        Layer.provideMerge(HookRegistry.layer())
      )
      yield* Effect.provide(FeatureFlags.boolean("sale", false), Live)
      assert.deepStrictEqual(
        seen.filter((one) => one.endsWith("before")),
        ["b.before", "a.before", "b.before", "a.before"]
      )
      assert.deepStrictEqual(SDK.OpenFeature.getHooks(), [])
    }))

  it("has the failures and requirements of its entries in its types", () => {
    class A extends Context.Service<A, string>()("test/A") {}
    class B extends Context.Service<B, string>()("test/B") {}
    const registry = Effect.runSync(Effect.scoped(HookRegistry.make()))
    const plain = { name: "plain", hook: noting("plain", []) }
    const needing = FeatureHook.make("needing", { before: () => Effect.asVoid(A) })
    const made = {
      name: "made",
      hook: Effect.as(
        Effect.andThen(Effect.andThen(B, Effect.addFinalizer(() => Effect.void)), Effect.fail("bad")),
        needing
      )
    }
    expectTypeOf(registry.add(plain)).toEqualTypeOf<
      Effect.Effect<HookRegistry.Registration, HookRegistry.AddError>
    >()
    expectTypeOf(registry.add({ name: "a", hook: needing })).toEqualTypeOf<
      Effect.Effect<HookRegistry.Registration, HookRegistry.AddError, A>
    >()
    expectTypeOf(registry.add([made, plain])).toEqualTypeOf<
      Effect.Effect<ReadonlyArray<HookRegistry.Registration>, HookRegistry.AddError | string, A | B>
    >()
    expectTypeOf(registry.addScoped(made)).toEqualTypeOf<
      Effect.Effect<HookRegistry.Registration, HookRegistry.AddError | string, A | B | Scope.Scope>
    >()
    expectTypeOf(HookRegistry.layerHooks(made, plain)).toEqualTypeOf<
      Layer.Layer<never, HookRegistry.AddError | string, A | B | HookRegistry.HookRegistry>
    >()
    // @ts-expect-error -- there is no such option
    assert.throws(() => registry.add({ ...plain, priorty: 1, name: "b" }))
  })

  it("has the compiler point to the mistake in an entry", () =>
    plainRegistry(async (plain) => {
      const registry = Effect.runSync(Effect.scoped(HookRegistry.make()))
      const hook = noting("a", [])
      const misuses = [
        () =>
          plain.add({
            name: "a",
            hook,
            // @ts-expect-error -- no such name
            prioritty: 1
          }),
        () =>
          registry.add({
            name: "a",
            hook,
            // @ts-expect-error -- no such name
            prioritty: 1
          }),
        () =>
          registry.addScoped({
            name: "a",
            // @ts-expect-error -- not a hook
            hook: {}
          })
      ]
      assert.include(await rejection(plain.add(Function.cast({ name: "a", hook, prioritty: 1 }))), "did you mean")
      assert.strictEqual(misuses.length, 3)
    }))

  it("refuses what is no entry, and tells the nearest name", () => {
    const registry = Effect.runSync(Effect.scoped(HookRegistry.make()))
    const hook = noting("a", [])
    const refused = (entry: object) => rangeError(() => registry.add(Function.cast<object, HookRegistry.Entry>(entry)))
    assert.include(refused({ name: "a", hook, priorty: 1 }), "did you mean \"priority\"?")
    assert.include(refused({ hook }), "HookRegistry.add: name must be a text that is not empty")
    assert.include(refused({ name: "a" }), "HookRegistry.add: hook must be a FeatureHook")
    assert.include(refused({ name: "a", hook: { before: () => {} } }), "HookRegistry.add: hook must be a FeatureHook")
    assert.include(refused({ name: "a", hook, before: "b" }), "HookRegistry.add: before must be a list of names")
  })
})

const plainRegistry = async <A>(
  use: (registry: HookRegistry.Running, client: SDK.Client) => Promise<A>
): Promise<A> => {
  const registry = HookRegistry.start()
  const client = SDK.OpenFeature.getClient(newDomain())
  try {
    return await use(registry, client)
  } finally {
    await registry.close()
  }
}

const rejection = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(() => "nothing", (error: unknown) => String(error))

describe("a registry without Effect", () => {
  it("adds, disables and removes hooks", () =>
    plainRegistry(async (registry, client) => {
      const seen: Array<string> = []
      const before = (name: string) => FeatureHook.make(name, { before: () => void seen.push(name) })
      const detach = registry.attach(client)
      const lists: Array<string> = []
      const stop = registry.onChange((list) => lists.push(list.map(({ name }) => name).join(" ")))
      registry.onChange(() => {
        throw new Error("a listener that throws")
      })
      const a = await registry.add({ name: "a", hook: before("a") })
      const evaluate = () => client.getBooleanValue("sale", false)
      await registry.add([{ name: "b", hook: before("b"), priority: 1 }, { name: "c", hook: before("c") }])
      await evaluate()
      assert.deepStrictEqual(seen.splice(0), ["b", "a", "c"])
      a.disable()
      registry.get("b")?.disable()
      await evaluate()
      assert.deepStrictEqual(seen.splice(0), ["c"])
      a.enable()
      assert.deepStrictEqual(registry.list().map(({ isEnabled }) => isEnabled), [false, true, true])
      await registry.get("c")?.unregister()
      await evaluate()
      assert.deepStrictEqual(seen.splice(0), ["a"])
      stop()
      detach()
      detach()
      await evaluate()
      assert.deepStrictEqual(seen, [])
      assert.deepStrictEqual(client.getHooks(), [])
      assert.deepStrictEqual(lists, ["a", "b a c", "b a c", "b a c", "b a c", "b a"])
      await registry.clear()
      assert.isUndefined(registry.get("a"))
    }))

  it("has a hook in place at once, unless a function returns a promise", () =>
    plainRegistry(async (registry) => {
      const hook = noting("a", [])
      const names = () => registry.list().map(({ name }) => name)
      const first = registry.add({ name: "a", hook })
      const second = registry.add({ name: "b", hook: () => hook })
      assert.deepStrictEqual(names(), ["a", "b"])
      const third = registry.add({ name: "c", hook: async () => hook })
      assert.deepStrictEqual(names(), ["a", "b"])
      await Promise.all([first, second, third])
      assert.deepStrictEqual(names(), ["a", "b", "c"])
    }))

  it("opens what a hook needs when it is added, and closes it when it is removed", () =>
    plainRegistry(async (registry, client) => {
      const seen: Array<string> = []
      registry.attach(client)
      const owned = (name: string): HookRegistry.Owned => ({
        hook: FeatureHook.make(name, { before: () => void seen.push(name) }),
        [Symbol.asyncDispose]: async () => void seen.push(`${name} closed`)
      })
      const registration = await registry.add({
        name: "a",
        hook: async () => {
          seen.push("opened")
          return owned("a")
        }
      })
      await registry.add([{ name: "b", hook: owned("b") }, { name: "c", hook: () => owned("c") }])
      await client.getBooleanValue("sale", false)
      assert.deepStrictEqual(seen.splice(0), ["opened", "a", "b", "c"])
      await registration[Symbol.asyncDispose]()
      await registration.unregister()
      assert.deepStrictEqual(seen.splice(0), ["a closed"])
      assert.match(
        await rejection(registry.add([{ name: "x", hook: () => owned("x") }, {
          name: "y",
          hook: () => Promise.reject(new Error("no connection"))
        }])),
        /no connection/
      )
      assert.deepStrictEqual(seen.splice(0), ["x closed"])
      await registry.close()
      await registry[Symbol.asyncDispose]()
      assert.sameMembers(seen, ["b closed", "c closed"])
      assert.deepStrictEqual(client.getHooks(), [])
      assert.match(await rejection(registry.add({ name: "z", hook: noting("z", []) })), /the registry is closed/)
    }))

  it("closes when what a hook owns never does", async () => {
    const registry = HookRegistry.start({ closeTimeout: 0 })
    const hanging = { hook: noting("a", []), [Symbol.asyncDispose]: () => new Promise<void>(() => {}) }
    await registry.add({ name: "hanging", hook: hanging })
    await registry.close()
    assert.deepStrictEqual(registry.list(), [])
  })

  it("tells each registration the failures of its hook", () =>
    plainRegistry(async (registry, client) => {
      registry.attach(client)
      const failing = FeatureHook.make("failing", { error: async () => Promise.reject(new Error("no")) })
      const registration = await registry.add({ name: "a", hook: failing })
      const told: Array<string> = []
      registration.onFailure(() => {
        throw new Error("a listener that throws")
      })
      const stop = registration.onFailure(({ error, flagKey, kind }) =>
        told.push(`${flagKey} ${kind} ${String(error)}`)
      )
      await client.getBooleanValue("sale", false)
      stop()
      await client.getBooleanValue("sale", false)
      assert.deepStrictEqual(told, ["sale failure Error: no"])
    }))

  it("survives asynchronous functions that reject", () =>
    plainRegistry(async (registry, client) => {
      registry.attach(client)
      const told: Array<string> = []
      const reject = (what: string) =>
        asynchronous(() => {
          told.push(what)
          return Promise.reject(new Error(what))
        })
      registry.onChange(reject("change"))
      const hook = FeatureHook.make("failing", { error: async () => Promise.reject(new Error("no")) })
      const evaluation = async () => {
        const registration = await registry.add({ name: "a", hook })
        registration.onFailure(reject("failure"))
        await client.getBooleanValue("sale", false)
      }
      assert.deepStrictEqual(await Effect.runPromise(unhandledRejections(Effect.promise(evaluation))), [])
      assert.deepStrictEqual(told, ["change", "failure"])
    }))

  it("logs stages to the logger of the application while the debug log is on", () =>
    plainRegistry(async (registry, client) => {
      const records: Array<unknown> = []
      const write = (...record: ReadonlyArray<unknown>) => void records.push(record)
      const logger = { error: write, warn: write, info: write, debug: write }
      registry.attach(client)
      registry.debug({ logger, logLevel: "Debug" })
      await registry.add({
        name: "a\n",
        hook: FeatureHook.make("enrich", { before: () => ({ context: { "plan\u001b": "pro" } }) })
      })
      await client.getBooleanValue("sale", false)
      registry.debug(false)
      await client.getBooleanValue("sale", false)
      assert.strictEqual(records.length, 1)
      assert.match(
        JSON.stringify(records),
        /^\[\["a stage of a hook ran",\{"registered_as":"a\\\\u000a","hook":"enrich","stage":"before","flag_key":"sale","duration_ms":[0-9.]+,"outcome":"success","attributes":"plan\\\\u001b"\}\]\]$/
      )
    }))

  it("is not disturbed by a logger that throws", () =>
    plainRegistry(async (registry, client) => {
      const broken = () => {
        throw new Error("a logger that throws")
      }
      const seen: Array<string> = []
      registry.attach(client)
      registry.debug({ logger: { error: broken, warn: broken, info: broken, debug: broken } })
      await registry.add({ name: "a", hook: noting("a", seen) })
      const { errorCode } = await client.getBooleanDetails("sale", false)
      assert.strictEqual(errorCode, "PROVIDER_NOT_READY")
      assert.deepStrictEqual(seen, ["a.before", "a.error", "a.finally"])
    }))

  it("lets a stage wait until its own hook is removed, without waiting for itself", () =>
    plainRegistry(async (registry, client) => {
      let runs = 0
      registry.attach(client)
      const once = FeatureHook.make("once", {
        before: async () => {
          runs++
          await registry.get("once")?.unregister()
        }
      })
      await registry.add({ name: "once", hook: once })
      const start = performance.now()
      await client.getBooleanValue("sale", false)
      await client.getBooleanValue("sale", false)
      assert.isBelow(performance.now() - start, 2000)
      assert.strictEqual(runs, 1)
    }))

  it("rejects what is no entry", () =>
    plainRegistry(async (registry) => {
      const hook = noting("a", [])
      const refused = (entry: object) => rejection(registry.add(Function.cast<object, HookRegistry.PlainEntry>(entry)))
      assert.include(await refused({ name: "a", hook, isEnable: true }), "did you mean \"isEnabled\"?")
      assert.include(await refused({ name: "a", hook: {} }), "HookRegistry.add: hook must be a FeatureHook")
      for (const made of [{}, () => hook, undefined, { hook }]) {
        assert.include(await refused({ name: "a", hook: () => made }), "HookRegistry.add: the result of hook must be")
      }
      await registry.add({ name: "a", hook })
      assert.include(await refused({ name: "a", hook }), "there is a hook \"a\" already")
      assert.deepStrictEqual(registry.list().map(({ name }) => name), ["a"])
    }))
})

class Foreign implements SDK.Hook {
  before(): void {}
}

describe("the table of a client", () => {
  const rows = (client: Parameters<typeof HookRegistry.table>[0]) =>
    HookRegistry.table(client).split("\n").map((row) => row.split(/ {2,}/))

  it.effect("has the hooks of every level in their running order", () =>
    Effect.gen(function*() {
      const registry = yield* HookRegistry.make()
      const provided = OpenFeatureHook.make(noting("provided", []))
      const provider = yield* TestProvider.make({ flags: {}, hooks: [provided, { finally: () => {} }] })
      const flags = yield* FeatureFlags.make({
        domain: newDomain(),
        provider: Effect.succeed(provider),
        hooks: [LoggingHook.make({ error: false })]
      })
      yield* OpenFeatureHook.register(SDK.OpenFeature, noting("api", []))
      flags.client.addHooks(new Foreign())
      yield* registry.attach(flags)
      yield* registry.add([
        { name: "last", hook: noting("pair-1", []).pipe(FeatureHook.combine(noting("pair-2", []))) },
        {
          name: "first\u0000",
          hook: FeatureHook.timeout(LoggingHook.make(), "20 millis"),
          priority: 5,
          version: "2",
          description: "Logs\nlines"
        },
        { name: "disabled", hook: noting("disabled", []), isEnabled: false }
      ])
      const all = "before, after, error, finally"
      assert.deepStrictEqual(rows(flags), [
        ["level", "hook", "stages", "registered as"],
        ["API", "api", all],
        ["client", "Foreign (SDK)", "before"],
        ["client", "logging", "before, after"],
        [
          "client",
          "logging.pipe(timeout(20ms))",
          "before, after, error",
          "first\\u0000, 2, priority 5, Logs\\u000alines"
        ],
        ["client", "pair-1", all, "last"],
        ["client", "pair-2", all, "last"],
        ["invocation", "(those of the evaluation)"],
        ["provider", "provided", all],
        ["provider", "(SDK)", "finally"]
      ])
    }))

  it("refuses what is not a client", () => {
    for (const client of [undefined, null, {}, "client", { client: {} }]) {
      const table = () => HookRegistry.table(Function.cast<unknown, SDK.Client>(client))
      assert.include(rangeError(table), "HookRegistry.table: client must be an object with getHooks")
    }
  })

  it.effect("shows a registry in the place of its hook of the SDK, also empty, and survives hostile hooks", () =>
    Effect.gen(function*() {
      const registry = yield* HookRegistry.make()
      const { client } = yield* plainClient({ flags: {} })
      yield* registry.attach(client)
      assert.deepStrictEqual(rows(client).slice(1, 3), [["API", "-"], ["client", "-"]])
      yield* registry.add({ name: "a", hook: noting("a", []) })
      const hostile = new Proxy({}, {
        get: () => {
          throw new Error("hostile")
        }
      })
      client.addHooks(hostile)
      assert.deepStrictEqual(rows(client).slice(2, 4), [
        ["client", "a", "before, after, error, finally", "a"],
        ["client", "(SDK)"]
      ])
    }))
})
