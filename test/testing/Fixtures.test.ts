import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { EvaluationError, FeatureHook, HookHints } from "effect-openfeature"
import { Fixtures, RecordingHook } from "effect-openfeature/testing"
import { collectFailures, paths, turns } from "../support.ts"

describe("hookContext", () => {
  it("fills in what is not said, and is frozen all the way down", () => {
    const context = Fixtures.hookContext({ context: { nested: { a: 1 } }, defaultValue: { d: [1] } })
    assert.strictEqual(context.flagKey, "test-flag")
    assert.strictEqual(context.flagValueType, "boolean")
    assert.deepStrictEqual(context.context, { nested: { a: 1 } })
    assert.isTrue(Object.isFrozen(context.context) && Object.isFrozen(context.context["nested"]))
    assert.isTrue(Object.isFrozen(context.defaultValue))
    assert.strictEqual(context.clientMetadata.domain, "test")
    assert.strictEqual(context.providerMetadata.name, "test")
    assert.isTrue(Object.isFrozen(context.clientMetadata) && Object.isFrozen(context.providerMetadata))
    for (const level of ["error", "warn", "info", "debug"] as const) context.logger[level]("silent")
    const own = Fixtures.hookContext({ flagKey: "a", flagValueType: "object", domain: "d", providerName: "p" })
    assert.deepStrictEqual(
      [own.flagKey, own.flagValueType, own.clientMetadata.domain, own.providerMetadata.name, own.defaultValue],
      ["a", "object", "d", "p", false]
    )
  })

  it("shows no evaluation context when it is printed or serialised", () => {
    const context = Fixtures.hookContext({
      context: { targetingKey: "canary", nested: { a: "canary" } },
      defaultValue: "canary"
    })
    assert.deepStrictEqual(JSON.parse(JSON.stringify(context)), {
      flagKey: "test-flag",
      flagValueType: "boolean",
      domain: "test",
      providerName: "test"
    })
    assert.notInclude(inspect(context, { depth: 10, showHidden: true }), "canary")
    assert.notInclude(JSON.stringify({ ...context }), "canary")
  })
})

describe("details", () => {
  it("are frozen all the way down", () => {
    const details = Fixtures.details({ value: { a: [1] }, reason: "CACHED" })
    assert.deepStrictEqual(details, {
      flagKey: "test-flag",
      value: { a: [1] },
      variant: "on",
      reason: "CACHED",
      flagMetadata: {}
    })
    assert.isTrue(Object.isFrozen(details) && Object.isFrozen(details.value) && Object.isFrozen(details.flagMetadata))
    assert.strictEqual(Fixtures.details().value, true)
  })
})

describe("run", () => {
  for (const [path, change] of paths) {
    it.effect(`runs before, then after or error, then finally, ${path}`, () =>
      Effect.gen(function*() {
        const { clear, hook, stages } = yield* RecordingHook.make("r")
        yield* Fixtures.run(change(hook))
        assert.deepStrictEqual(yield* stages, ["r.before", "r.after", "r.finally"])
        yield* clear
        yield* Fixtures.run(change(hook), { error: undefined })
        assert.deepStrictEqual(yield* stages, ["r.before", "r.error", "r.finally"])
        yield* clear
        const outcome = yield* Fixtures.run(change(hook), {
          details: { errorCode: "PARSE_ERROR", errorMessage: "m" },
          context: { defaultValue: "d" }
        })
        assert.deepStrictEqual(yield* stages, ["r.before", "r.error", "r.finally"])
        assert.deepStrictEqual([outcome.details.value, outcome.details.errorCode], ["d", "PARSE_ERROR"])
      }))

    it.effect(`fails a hook that writes to what it is given, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const write = (target: unknown, key: string) =>
            Effect.sync(() => void ((target as Record<string, unknown>)[key] = 1))
          const hooks = [
            FeatureHook.make("w", { before: ({ context }) => write(context, "a") }),
            FeatureHook.make("w", { before: ({ context }) => write(context["nested"], "a") }),
            FeatureHook.make("w", { before: ({ defaultValue }) => write(defaultValue, "a") }),
            FeatureHook.make("w", { after: (_context, details) => write(details, "value") }),
            FeatureHook.make("w", { after: (_context, details) => write(details.value, "a") })
          ]
          for (const hook of hooks) {
            const { details } = yield* Fixtures.run(change(hook), {
              context: { context: { nested: {} }, defaultValue: {} },
              details: { value: {} }
            })
            assert.strictEqual(details.errorCode, "GENERAL")
          }
          assert.strictEqual(failures.length, hooks.length)
        })
      ))
  }

  it.effect("runs with the services and the clock of the test", () =>
    Effect.gen(function*() {
      const slow = FeatureHook.make("slow", {
        before: () => Effect.as(Effect.sleep("1 hour"), { context: { waited: true } })
      })
      const fiber = yield* Effect.forkChild(Fixtures.run(slow))
      yield* turns()
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual((yield* Fiber.join(fiber)).context, { waited: true })
    }))

  it.effect("tells what became of the evaluation", () =>
    Effect.gen(function*() {
      const Key = HookHints.key<number>("k")
      const hook = FeatureHook.make("a", {
        before: () => Effect.succeed({ context: { region: "eu" }, hints: HookHints.make(Key, 2) }),
        after: () => Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "late" }))
      })
      const outcome = yield* Fixtures.run(hook, {
        context: { flagKey: "f", context: { plan: "pro" }, defaultValue: 5 },
        hints: HookHints.make(Key, 1)
      })
      assert.deepStrictEqual(outcome.context, { plan: "pro", region: "eu" })
      assert.strictEqual(HookHints.getOrUndefined(outcome.hints, Key), 2)
      assert.deepStrictEqual(outcome.details, {
        flagKey: "f",
        value: 5,
        reason: "ERROR",
        errorCode: "INVALID_CONTEXT",
        errorMessage: "late",
        flagMetadata: {}
      })
    }))
})
