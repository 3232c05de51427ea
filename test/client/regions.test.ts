import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { FeatureFlags, FeatureHook, HookHints } from "effect-openfeature"
import { answers } from "../bridge/rig.ts"
import { untyped } from "../faults/harness.ts"
import { client, type LogRecord, logsTo, paths } from "../support.ts"

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const withGetter = () => ({
  get plan(): never {
    throw new Error("secret")
  }
})

describe("a region whose context or hints cannot be read", () => {
  type Region = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  const regions: Readonly<Record<string, Region>> = {
    "a context that is a revoked proxy": (self) => FeatureFlags.withContext(self, untyped(revoked())),
    "a context with a getter that throws": (self) => FeatureFlags.withContext(self, withGetter()),
    "contexts one in the other": (self) =>
      self.pipe(
        FeatureFlags.withContext({ a: 1 }),
        FeatureFlags.withContext(withGetter()),
        (inner) => FeatureFlags.withContext(inner, { b: 1 })
      ),
    "hints that are a hostile proxy": (self) => FeatureFlags.withHints(self, untyped(revoked())),
    "hints in hints": (self) =>
      self.pipe(
        FeatureFlags.withHints(HookHints.fromRecord({ a: 1 })),
        FeatureFlags.withHints(untyped<HookHints.HookHints>(revoked()))
      )
  }
  for (const [path, change] of paths) {
    for (const [what, region] of Object.entries(regions)) {
      it.effect(`ends no program, gives default values and is told: ${what}, ${path}`, () =>
        Effect.gen(function*() {
          const records: Array<LogRecord> = []
          yield* Effect.gen(function*() {
            const hooks = [change(FeatureHook.make("hook", { before: () => Effect.void }))]
            const { flags } = yield* client(answers, { hooks })
            assert.strictEqual(yield* region(Effect.succeed(5)), 5)
            const isContext = what.startsWith("context") || what.startsWith("a context")
            const details = yield* region(flags.booleanDetails("good", false))
            if (isContext) {
              assert.strictEqual(details.value, false)
              assert.isDefined(details.errorCode)
            }
            assert.isAtLeast(records.filter(({ level }) => level === "Warn" || level === "Error").length, 1)
            assert.notInclude(JSON.stringify(records), "secret")
            yield* region(flags.track("bought"))
            yield* region(flags.track("bought", { context: { c: 1 } }))
          }).pipe(Effect.provide(logsTo(records, "Warn")))
        }))
    }
  }
})

describe("a context of a call with a getter that throws a range error", () => {
  // As Intl and many others do, with the text that they were given.
  const price = {
    get price(): string {
      throw new RangeError("Invalid currency code : secret")
    }
  }
  const calls: ReadonlyArray<readonly [what: string, options: object]> = [
    ["a context", { context: price }],
    ["options", Object.defineProperty({}, "context", { enumerable: true, get: () => price.price })],
    ["options with hooks", Object.defineProperty({}, "hooks", { enumerable: true, get: () => price.price })]
  ]
  for (const [path, change] of paths) {
    for (const [what, options] of calls) {
      it.effect(`reveals nothing of the error: ${what}, ${path}`, () =>
        Effect.gen(function*() {
          const records: Array<LogRecord> = []
          yield* Effect.gen(function*() {
            const hooks = [change(FeatureHook.make("hook", { before: () => Effect.void }))]
            const { flags } = yield* client(answers, { hooks })
            const details = yield* flags.booleanDetails("good", false, options).pipe(
              FeatureFlags.withContext({ region: "eu" })
            )
            assert.deepStrictEqual([details.value, details.errorCode], [false, "GENERAL"])
            assert.notInclude(details.errorMessage ?? "", "secret")
            assert.isAtLeast(records.length, 1)
            yield* flags.track("bought", options).pipe(FeatureFlags.withContext({ region: "eu" }))
            yield* flags.track("bought", options)
            assert.notInclude(JSON.stringify(records), "secret")
          }).pipe(Effect.provide(logsTo(records, "Warn")))
        }))
    }
  }
})
