import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Metric, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  ContextValidatorHook,
  FeatureFlags,
  FeatureHook,
  HookFailures,
  MetricsHook,
  OpenFeatureHook
} from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { answers, ending, makeClient, ways } from "../bridge/rig.ts"
import {
  client,
  collectFailures,
  type LogRecord,
  logsTo,
  newDomain,
  paths,
  plainClient,
  sdkContext,
  turns
} from "../support.ts"
import { untyped } from "./harness.ts"

describe("a HookFailures that is broken itself", () => {
  const broken: Readonly<Record<string, () => Effect.Effect<void>>> = {
    dies: () => Effect.die(new Error("no collector")),
    hangs: () => Effect.never,
    throws: () => {
      throw new Error("no collector")
    }
  }
  const order: Readonly<Record<string, (hook: FeatureHook.FeatureHook<unknown>) => FeatureHook.FeatureHook<unknown>>> =
    {
      alone: FeatureHook.observe,
      "and provide": (hook) => FeatureHook.provide(FeatureHook.observe(hook), Context.empty()),
      "and timeout": (hook) => FeatureHook.timeout(FeatureHook.observe(hook), "20 millis"),
      "and both": (hook) =>
        hook.pipe(FeatureHook.observe, FeatureHook.timeout("20 millis"), FeatureHook.provide(Context.empty()))
    }
  for (const [way, kind, change] of ways) {
    for (const [how, report] of Object.entries(broken)) {
      for (const [name, observed] of Object.entries(order)) {
        it.effect(`and ${how} changes nothing for observe ${name}, ${way}`, () =>
          Effect.gen(function*() {
            const real = yield* HookFailures.make()
            const failing = FeatureHook.make("failing", {
              before: () => Effect.fail("no"),
              after: () => Effect.die("no"),
              finally: () => Effect.fail("no")
            })
            const client = yield* makeClient(kind, { hooks: [observed(change(failing))] })
            const details = yield* ending(client.evaluate("good")).pipe(
              Effect.provideService(HookFailures.HookFailures, { ...real, report })
            )
            assert.strictEqual(details.value, true)
          }))
      }
    }
  }
})

describe("a failure line", () => {
  for (const [path, change] of paths) {
    it.effect(`is written for a flag key that is no text, too, ${path}`, () =>
      Effect.gen(function*() {
        const keys = { number: 5, symbol: Symbol("key"), record: { key: 1 }, null: null, undefined }
        for (const [what, flagKey] of Object.entries(keys)) {
          const records: Array<LogRecord> = []
          yield* Effect.gen(function*() {
            const { client } = yield* plainClient({ flags: answers })
            const failing = FeatureHook.observe(FeatureHook.make("failing", { before: () => Effect.fail("no") }))
            client.addHooks(OpenFeatureHook.make(change(failing)))
            yield* Effect.promise(() => client.getBooleanDetails(untyped(flagKey), false))
          }).pipe(Effect.provide(logsTo(records)))
          const lines = records.map(({ message }) => message).filter((message) => message.includes("\"failing\""))
          assert.deepStrictEqual(lines, [
            "hook \"failing\" failed in its before stage (HookFailures.onFailure has the error)"
          ], what)
        }
      }))
  }
})

// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/

describe("names with line breaks and controls in them", () => {
  const odd = "evil\u2028name\n\u001b[31m\u202e"

  for (const [path, change] of paths) {
    it.effect(`of attributes are one harmless line in what callers and logs are told, ${path}`, () =>
      Effect.gen(function*() {
        const records: Array<LogRecord> = []
        yield* Effect.gen(function*() {
          for (const mode of ["warn", "reject"] as const) {
            const validator = ContextValidatorHook.make({ requiredAttributes: [odd], mode })
            const { flags } = yield* client(answers, { hooks: [change(validator)] })
            const details = yield* flags.booleanDetails("good", false)
            assert.strictEqual(details.value, mode === "warn")
            assert.notMatch(String(details.errorMessage), unprintable)
          }
        }).pipe(Effect.provide(logsTo(records)))
        assert.isAbove(records.length, 0)
        for (const { annotations, message } of records) {
          for (const text of [message, ...Object.values(annotations).map(String)]) assert.notMatch(text, unprintable)
        }
      }))

    it.effect(`of hooks are one harmless line in what callers and logs are told, ${path}`, () =>
      Effect.gen(function*() {
        const records: Array<LogRecord> = []
        const messages: Array<string> = []
        yield* Effect.gen(function*() {
          const stages: ReadonlyArray<() => Effect.Effect<void, string>> = [
            () => Effect.fail("no"),
            () => untyped<Effect.Effect<void>>(Effect.succeed({ context: "text" })),
            () => untyped<Effect.Effect<void>>(Effect.succeed({ hints: {} })),
            () => untyped<Effect.Effect<void>>(Effect.succeed(5))
          ]
          for (const before of stages) {
            const { flags } = yield* client(answers, { hooks: [change(FeatureHook.make(odd, { before }))] })
            messages.push(String((yield* flags.booleanDetails("good", false)).errorMessage))
          }
          const scope = yield* Scope.make()
          const closed = change(FeatureHook.make(odd, { before: () => Effect.void }))
          const hook = yield* Scope.provide(OpenFeatureHook.makeEffect(closed), scope)
          yield* Scope.close(scope, Exit.void)
          const { client: plain } = yield* plainClient({ flags: answers })
          yield* Effect.promise(() => plain.addHooks(hook).getBooleanDetails("good", false))
        }).pipe(Effect.provide(logsTo(records)))
        assert.isAtLeast(records.length, 2)
        const texts = records.flatMap((
          { annotations, message }
        ) => [message, ...Object.values(annotations).map(String)])
        for (const text of [...messages, ...texts]) assert.notMatch(text, unprintable)
      }))
  }
})

describe("MetricsHook.makeMetric", () => {
  it.effect("gives a flag named overflow a series of its own", () =>
    Effect.gen(function*() {
      const hook = yield* MetricsHook.makeMetric({ maxSeries: 2 })
      const { flags } = yield* client({}, { hooks: [hook] })
      for (const flagKey of ["a", "overflow", "b", "c"]) yield* flags.boolean(flagKey, false)
      const snapshots = yield* Metric.snapshot
      const counts = snapshots.flatMap((snapshot) =>
        snapshot.type === "Histogram" && snapshot.id === "feature_flag_evaluation_duration_seconds"
          ? [snapshot.state.count]
          : []
      )
      assert.deepStrictEqual(counts.sort((a, b) => a - b), [1, 1, 2])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
})

describe("many streams of events", () => {
  it.live("cause no warning of a leak", () =>
    Effect.gen(function*() {
      const warnings: Array<string> = []
      const onWarning = (warning: Error) => void warnings.push(warning.name)
      process.on("warning", onWarning)
      const flags = yield* FeatureFlags.make({ domain: newDomain(), provider: TestProvider.make() })
      const fibers = yield* Effect.forEach(
        Array.from({ length: 12 }),
        () => Effect.forkChild(Stream.runDrain(flags.events))
      )
      yield* turns(10)
      yield* Fiber.interruptAll(fibers)
      yield* turns(10)
      process.off("warning", onWarning)
      assert.deepStrictEqual(warnings, [])
    }))
})

describe("a hook that is called by hand", () => {
  for (const [path, change] of paths) {
    it.effect(`runs although the hook context has no hook data, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const seen: Array<string> = []
          const note = (stage: string) => () => Effect.sync(() => void seen.push(stage))
          const hook = OpenFeatureHook.make(change(FeatureHook.make("noting", {
            hookData: () => ({ n: 1 }),
            before: note("before"),
            after: note("after"),
            error: note("error"),
            finally: note("finally")
          })))
          const context = sdkContext()
          Reflect.deleteProperty(context, "hookData")
          const details = { flagKey: "a", value: true, flagMetadata: {} }
          yield* Effect.promise(async () => {
            await hook.before?.(context)
            await hook.after?.(context, details)
            await hook.error?.(context, new Error("no"))
            await hook.finally?.(context, details)
          })
          assert.deepStrictEqual(seen, ["before", "after", "error", "finally"])
          assert.deepStrictEqual(failures, [])
          yield* TestClock.adjust("1 second")
        })
      ))
  }
})
