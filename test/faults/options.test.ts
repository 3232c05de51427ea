import { assert, describe, it } from "@effect/vitest"
import * as SDK from "@openfeature/server-sdk"
import { Cause, Effect, Exit, Layer, ManagedRuntime } from "effect"
import {
  ContextValidatorHook,
  FeatureFlags,
  FeatureHook,
  FlagFilter,
  LoggingHook,
  OpenFeatureHook,
  TimingHook
} from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { newDomain, rangeError } from "../support.ts"
import { untyped } from "./harness.ts"

const hook = FeatureHook.make("hook", { before: () => Effect.void })

/** What JavaScript lets through, and what a message about it has to name. */
const misuses: ReadonlyArray<readonly [what: string, misuse: () => unknown, named: ReadonlyArray<string>]> = [
  ...["Reject", "REJECT", "warning", true].map((mode) =>
    [
      `a validator's mode ${JSON.stringify(mode)}`,
      () => ContextValidatorHook.make({ requireTargetingKey: true, mode: untyped(mode) }),
      ["ContextValidatorHook.make", "mode"]
    ] as const
  ),
  [
    "a validator's flags that are no filter",
    () => ContextValidatorHook.make({ requireTargetingKey: true, flags: untyped("checkout-") }),
    ["ContextValidatorHook.make", "flags"]
  ],
  ...(["before", "after", "error"] as const).flatMap((stage) =>
    ["info", "Verbose", true, 3].map((level) =>
      [
        `a log level ${JSON.stringify(level)} for ${stage}`,
        () => LoggingHook.make({ [stage]: untyped(level) }),
        ["LoggingHook.make", stage]
      ] as const
    )
  ),
  ...["warn", "Warning", false].map((level) =>
    [
      `a log level ${JSON.stringify(level)} for slow evaluations`,
      () => TimingHook.make({ slowerThan: "1 second", logLevel: untyped(level) }),
      ["TimingHook.make", "logLevel"]
    ] as const
  ),
  ...[Number.NaN, "abc", Number.POSITIVE_INFINITY].map((limit) =>
    [
      `slowerThan ${String(limit)}`,
      () => TimingHook.make({ slowerThan: untyped(limit) }),
      ["TimingHook.make", "slowerThan"]
    ] as const
  ),
  ...["checkout-*", /checkout/, true, undefined].map((filter) =>
    [`a filter that is ${String(filter)}`, () => FeatureHook.when(hook, untyped(filter)), [
      "FeatureHook.when",
      "filter"
    ]] as const
  ),
  ["and of no filter", () => FlagFilter.and(FlagFilter.all, untyped("a")), ["FlagFilter.and"]],
  ["or of no filter", () => FlagFilter.or(untyped("a"), FlagFilter.all), ["FlagFilter.or"]],
  ["not of no filter", () => FlagFilter.not(untyped("a")), ["FlagFilter.not"]],
  ...["abc", Number.NaN, 0, -1, Number.POSITIVE_INFINITY].map((duration) =>
    [
      `a timeout of ${String(duration)}`,
      () => FeatureHook.timeout(hook, untyped(duration)),
      ["FeatureHook.timeout", "duration"]
    ] as const
  )
]

describe("a guard that is misspelt is refused where it is made:", () => {
  for (const [what, misuse, named] of misuses) {
    it(what, () => {
      const message = rangeError(misuse)
      for (const name of named) assert.include(message, name)
    })
  }

  it("what is spelt right is not", () => {
    for (const mode of ["warn", "reject", undefined] as const) {
      ContextValidatorHook.make({ requireTargetingKey: true, mode, flags: FlagFilter.all })
    }
    for (const level of ["Trace", "Debug", "Info", "Warn", "Error", "Fatal", undefined] as const) {
      LoggingHook.make({ before: level, after: level, error: level })
      TimingHook.make({ slowerThan: "1 milli", logLevel: level })
    }
    for (const after of [false, "Info"] as const) LoggingHook.make({ before: false, after })
  })
})

const messageOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (!Exit.isFailure(exit)) return assert.fail("it was let through")
  const error: unknown = Cause.squash(exit.cause)
  return error instanceof Error ? error.message : assert.fail("not an error")
}

const wrongReferences: ReadonlyArray<
  readonly [name: string, <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>]
> = [
  ["WhenClosed", Effect.provideService(OpenFeatureHook.WhenClosed, untyped("Reject"))],
  ["CloseTimeout", Effect.provideService(OpenFeatureHook.CloseTimeout, untyped("abc"))],
  ["CloseTimeout", Effect.provideService(OpenFeatureHook.CloseTimeout, Number.NaN)]
]

describe("a reference that is misspelt", () => {
  for (const [name, wrongly] of wrongReferences) {
    const ways = {
      makeEffect: Effect.scoped(OpenFeatureHook.makeEffect(hook)),
      register: Effect.scoped(OpenFeatureHook.register(SDK.OpenFeature.getClient(newDomain()), hook)),
      layer: Effect.scoped(Layer.build(OpenFeatureHook.layer(hook))),
      "FeatureFlags.make": Effect.scoped(FeatureFlags.make({ domain: newDomain(), hooks: [hook] }))
    }
    for (const [way, effect] of Object.entries<Effect.Effect<unknown, unknown>>(ways)) {
      it.effect(`is refused by name when hooks are registered: ${name}, ${way}`, () =>
        Effect.gen(function*() {
          const hooks = SDK.OpenFeature.getHooks().length
          assert.include(messageOf(yield* Effect.exit(wrongly(effect))), name)
          assert.strictEqual(SDK.OpenFeature.getHooks().length, hooks)
        }))
    }
  }

  it.effect("is refused by name when hooks come with a runtime", () =>
    Effect.gen(function*() {
      const runtime = ManagedRuntime.make(Layer.succeed(OpenFeatureHook.WhenClosed, untyped("Reject")))
      const exit = yield* Effect.exit(Effect.tryPromise({
        try: () => OpenFeatureHook.makeRuntime(runtime, hook),
        catch: (error) => error
      }))
      assert.include(messageOf(exit), "WhenClosed")
    }))
})

describe("an option of FeatureFlags that is misspelt", () => {
  const provider = TestProvider.make({ flags: {} })
  const wrong: ReadonlyArray<readonly [name: string, value: unknown]> = [
    ["interruptTimeout", "abc"],
    ["interruptTimeout", Number.NaN],
    ["onProviderError", "Fail"],
    ["onProviderError", true],
    ["initializeTimeout", "abc"],
    ["initializeTimeout", Number.NaN],
    ["shutdownTimeout", "abc"],
    ["shutdownTimeout", Number.NaN]
  ]
  for (const [name, value] of wrong) {
    it.effect(`fails with an OptionsError that names it: ${name} ${String(value)}`, () =>
      Effect.gen(function*() {
        const domain = newDomain()
        const options = { domain, provider, [name]: value }
        const error = yield* Effect.flip(Effect.scoped(FeatureFlags.make(untyped<FeatureFlags.Options>(options))))
        const tag: string = error._tag
        assert.strictEqual(tag, "OptionsError")
        assert.include(error.message, name)
        assert.include(error.message, "FeatureFlags")
        assert.notStrictEqual(SDK.OpenFeature.getProvider(domain).metadata.name, "test", "nothing was begun")
      }))
  }
})
