/**
 * Feature flags for a test, in one line: `TestFlags.layer({ sale: true })`.
 *
 * Each layer has a domain of its own, so tests that run at the same time never
 * meet. Inside a test, flags are changed and made to fail, and a journal tells
 * which evaluations were made.
 *
 * @since 0.2.0
 */
import type * as SDK from "@openfeature/server-sdk"
import { OpenFeature } from "@openfeature/server-sdk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as EvaluationContext from "../EvaluationContext.ts"
import type { FlagValue } from "../EvaluationDetails.ts"
import * as EvaluationError from "../EvaluationError.ts"
import * as FeatureFlags from "../FeatureFlags.ts"
import * as FeatureHook from "../FeatureHook.ts"
import * as Check from "../internal/check.ts"
import { sourceOf } from "../internal/hook/view.ts"
import * as Evaluation from "../internal/runner/evaluation.ts"
import * as OpenFeatureHook from "../OpenFeatureHook.ts"
import * as EvaluationJournal from "./EvaluationJournal.ts"
import * as TestProvider from "./TestProvider.ts"

/**
 * A flag of a test: a value, an answer of a `TestProvider`, or a function of the
 * evaluation context that gives one of them.
 *
 * @category models
 * @since 0.2.0
 */
export type Flag =
  | FlagValue
  | TestProvider.Answer
  | ((context: EvaluationContext.EvaluationContext) => FlagValue | TestProvider.Answer)

/**
 * Flags by flag key.
 *
 * @category models
 * @since 0.2.0
 */
export type Flags = Readonly<Record<string, Flag>>

/**
 * The options of the client and the provider of a test.
 *
 * **Details**
 *
 * - `hooks`: the client hooks, in order; none by default.
 * - `context`: the evaluation context of the client, empty by default.
 * - `providerName`: the name of the provider, `"test"` by default.
 * - `domain`: the domain, for code that evaluates flags on a fixed one; a domain
 *   that nothing else uses by default.
 *
 * **Gotchas**
 *
 * Tests with the same `domain` must not run at the same time.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options<out H extends FeatureHook.Any = never> {
  /** The client hooks, in order; none by default. */
  readonly hooks?: ReadonlyArray<H> | undefined
  /** The evaluation context of the client, empty by default. */
  readonly context?: EvaluationContext.EvaluationContext | undefined
  /** The name of the provider, `"test"` by default. */
  readonly providerName?: string | undefined
  /**
   * The domain, for code that evaluates flags on a fixed one, or `null` for the
   * default one; a domain that nothing else uses by default.
   */
  readonly domain?: string | null | undefined
}

/**
 * The service that controls the flags of a test.
 *
 * **Details**
 *
 * A change applies to evaluations that reach the provider from then on. The
 * module has a function with the same name for most members, which takes the
 * service from the test.
 *
 * @category services
 * @since 0.2.0
 */
export class TestFlags extends Context.Service<TestFlags, {
  /** The domain of the layer, which is empty for the default one. */
  readonly domain: string
  /** Adds or replaces a flag. */
  readonly set: (flagKey: string, flag: Flag) => Effect.Effect<void>
  /** Makes a flag fail, with an error code or with a value that the provider throws. */
  readonly fail: (flagKey: string, error: EvaluationError.ErrorCode | object) => Effect.Effect<void>
  /** Removes a flag, so that it gives `FLAG_NOT_FOUND`. */
  readonly remove: (flagKey: string) => Effect.Effect<void>
  /** Restores the flags of the layer, and clears the journal. */
  readonly reset: Effect.Effect<void>
  /** The journal: the evaluations so far, in the order in which they ended. */
  readonly evaluations: Effect.Effect<ReadonlyArray<EvaluationJournal.Entry>>
  /** The evaluations of one flag so far, in order. */
  readonly evaluationsOf: (flagKey: string) => Effect.Effect<ReadonlyArray<EvaluationJournal.Entry>>
  /** Clears the journal. */
  readonly clearEvaluations: Effect.Effect<void>
  /** Emits a provider event, from which the SDK derives the status. */
  readonly emit: TestProvider.TestProvider["emit"]
  /** The names of the tracking events, in order. */
  readonly tracked: TestProvider.TestProvider["tracked"]
}>()("effect-openfeature/testing/TestFlags") {}

/** A flag in a region of a test. The domain tells which layer it belongs to. */
interface Override {
  readonly domain: string
  readonly flagKey: string
  readonly flag: Flag
}

/** Innermost region first. */
const Overrides = Context.Reference<ReadonlyArray<Override>>("effect-openfeature/testing/TestFlags/Overrides", {
  defaultValue: () => []
})

// The provider runs in no fiber. The evaluation leads it to the services of the caller.
const publishing = FeatureHook.make("test-flags", {
  before: (context) => sourceOf(context)?.publish?.()
})

const overrideOf = (domain: string, flagKey: string, context: SDK.EvaluationContext): Override | undefined => {
  const { services } = Evaluation.find(context, undefined)
  return services && Context.get(services, Overrides).find((one) => one.domain === domain && one.flagKey === flagKey)
}

/**
 * Provides `FeatureFlags` and `TestFlags` for a test.
 *
 * **Details**
 *
 * Each build of the layer has a provider and a domain of its own. The provider
 * is closed with the layer. A flag that is not there gives the default value,
 * with `FLAG_NOT_FOUND`.
 *
 * Hooks run as client hooks, with the services of the layer and of the caller.
 *
 * **Gotchas**
 *
 * Tests that share one built layer, as those inside `it.layer` do, share its
 * flags. Change a flag with `withFlag` there, or call `reset` in each test.
 *
 * Throws a `RangeError` when an option is unknown or has the wrong type, or when
 * a flag is none.
 *
 * **Example** (Testing a program with two flags)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 * import { TestFlags } from "effect-openfeature/testing"
 *
 * const price = Effect.gen(function*() {
 *   const flags = yield* FeatureFlags.FeatureFlags
 *   return (yield* flags.boolean("sale", false)) ? 20 : yield* flags.number("list-price", 50)
 * })
 * await Effect.runPromise(Effect.provide(price, TestFlags.layer({ sale: true }))) // => 20
 * await Effect.runPromise(Effect.provide(price, TestFlags.layer({ "list-price": 30 }))) // => 30
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = <H extends FeatureHook.Any = never>(
  flags: Flags = {},
  options: Options<H> = {}
): Layer.Layer<FeatureFlags.FeatureFlags | TestFlags, never, FeatureHook.Services<H>> => {
  const owner = "TestFlags.layer"
  const { context, domain: fixed, hooks = [], providerName = "test" } = Check.options(owner, options, {
    hooks: Check.aList,
    context: Check.aRecord,
    providerName: Check.aText,
    domain: aDomain
  })
  FeatureHook.combineAll(hooks)
  Check.aRecord(owner, "flags", flags)
  for (const [flagKey, flag] of Object.entries(flags)) checkFlag(owner, flagKey, flag)
  return Layer.effectContext(Effect.gen(function*() {
    const domain = fixed === null ? "" : fixed ?? newDomain()
    const current = new Map(Object.entries(flags))
    const journal = yield* EvaluationJournal.make
    const provider = yield* TestProvider.make({
      name: providerName,
      flags: (flagKey, context) => {
        const flag = overrideOf(domain, flagKey, context)?.flag ?? current.get(flagKey)
        return flag === undefined ? undefined : answerOf(flag, context)
      },
      hooks: [OpenFeatureHook.make(publishing, journal.hook)]
    })
    const client = yield* Effect.orDie(
      FeatureFlags.make({ domain: domain || undefined, context, hooks, provider: Effect.succeed(provider) })
    )
    const set = (flagKey: string, flag: Flag) => Effect.sync(() => void current.set(flagKey, flag))
    return Context.make(FeatureFlags.FeatureFlags, client).pipe(Context.add(TestFlags, {
      domain,
      set: (flagKey, flag) => set(flagKey, checkFlag("TestFlags.set", flagKey, flag)),
      fail: (flagKey, error) => set(flagKey, failure("TestFlags.fail", flagKey, error)),
      remove: (flagKey) => Effect.sync(() => void current.delete(flagKey)),
      reset: Effect.suspend(() => {
        current.clear()
        for (const [flagKey, flag] of Object.entries(flags)) current.set(flagKey, flag)
        return journal.clear
      }),
      evaluations: journal.entries,
      evaluationsOf: journal.entriesOf,
      clearEvaluations: journal.clear,
      emit: provider.emit,
      tracked: provider.tracked
    }))
  }))
}

/**
 * The check of the option `domain`.
 *
 * @internal
 */
export const aDomain: Check.Rule = (owner, name, value) => value === null || Check.aText(owner, name, value)

let domains = 0

// A domain keeps its provider for ever. So none is used twice, not even by a second copy of this module.
const newDomain = (): string => {
  const unbound = OpenFeature.getProvider()
  let domain: string
  do domain = `test-flags-${++domains}`
  while (OpenFeature.getProvider(domain) !== unbound)
  return domain
}

const answerOf = (flag: Flag, context: SDK.EvaluationContext): TestProvider.Answer => {
  const found = typeof flag === "function" ? flag(EvaluationContext.snapshot(context)) : flag
  return Effect.isEffect(found) ? found : TestProvider.value(found)
}

const kinds: ReadonlySet<string> = new Set(["boolean", "string", "number", "object", "function"])

const checkFlag = (owner: string, flagKey: string, flag: Flag): Flag =>
  kinds.has(typeof flag)
    ? flag
    : Check.reject(owner, `flag "${flagKey}"`, "a flag value, an answer of TestProvider, or a function", flag)

const failure = (
  owner: string,
  flagKey: string,
  error: EvaluationError.ErrorCode | object
): TestProvider.Answer => {
  if (typeof error !== "string") return TestProvider.throwing(error)
  return EvaluationError.isErrorCode(error)
    ? TestProvider.error(error, `flag "${flagKey}" fails in this test`)
    : Check.reject(owner, "error", "an error code of OpenFeature", error)
}

/**
 * Adds or replaces a flag for the rest of the test.
 *
 * **Details**
 *
 * All fibers see the change.
 *
 * **Gotchas**
 *
 * Inside a region of `withFlag`, the flag of the region stays in effect.
 *
 * **Example** (Changing a flag inside a test)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 * import { TestFlags } from "effect-openfeature/testing"
 *
 * const test = Effect.gen(function*() {
 *   const flags = yield* FeatureFlags.FeatureFlags
 *   const before = yield* flags.string("theme", "light")
 *   yield* TestFlags.set("theme", "dark")
 *   return [before, yield* flags.string("theme", "light")]
 * })
 * await Effect.runPromise(Effect.provide(test, TestFlags.layer({ theme: "blue" }))) // => ["blue", "dark"]
 * ```
 *
 * @category control
 * @since 0.2.0
 */
export const set = (flagKey: string, flag: Flag): Effect.Effect<void, never, TestFlags> =>
  TestFlags.use((test) => test.set(flagKey, flag))

/**
 * Makes a flag fail for the rest of the test.
 *
 * **Details**
 *
 * With an error code, the provider returns it. Anything else is thrown by the
 * provider as it is.
 *
 * **Example** (Testing what a program does without a flag)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 * import { TestFlags } from "effect-openfeature/testing"
 *
 * const test = Effect.gen(function*() {
 *   const flags = yield* FeatureFlags.FeatureFlags
 *   yield* TestFlags.fail("sale", "PARSE_ERROR")
 *   const first = yield* flags.booleanDetails("sale", false)
 *   yield* TestFlags.fail("sale", new Error("no connection"))
 *   return [first.errorCode, (yield* flags.booleanDetails("sale", false)).errorMessage]
 * })
 * await Effect.runPromise(Effect.provide(test, TestFlags.layer({ sale: true }))) // => ["PARSE_ERROR", "no connection"]
 * ```
 *
 * @category control
 * @since 0.2.0
 */
export const fail = (
  flagKey: string,
  error: EvaluationError.ErrorCode | object
): Effect.Effect<void, never, TestFlags> => TestFlags.use((test) => test.fail(flagKey, error))

/**
 * Removes a flag for the rest of the test, so that it gives `FLAG_NOT_FOUND`.
 *
 * @category control
 * @since 0.2.0
 */
export const remove = (flagKey: string): Effect.Effect<void, never, TestFlags> =>
  TestFlags.use((test) => test.remove(flagKey))

/**
 * Restores the flags that the layer was made with, and clears the journal.
 *
 * **When to use**
 *
 * Use at the start of tests that share one built layer.
 *
 * @category control
 * @since 0.2.0
 */
export const reset: Effect.Effect<void, never, TestFlags> = TestFlags.use((test) => test.reset)

/**
 * The evaluations so far, in the order in which they ended.
 *
 * **Details**
 *
 * Each evaluation has an entry, also one that failed or was interrupted, and one
 * with a client of the SDK for the same domain.
 *
 * **Gotchas**
 *
 * An evaluation with options that cannot be read never begins, so it has no
 * entry.
 *
 * **Example** (Asserting on evaluations)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 * import { TestFlags } from "effect-openfeature/testing"
 *
 * const test = Effect.gen(function*() {
 *   const flags = yield* FeatureFlags.FeatureFlags
 *   yield* flags.boolean("sale", false, { context: { targetingKey: "user-1" } })
 *   yield* flags.number("price-limit", 10)
 *   return yield* TestFlags.evaluations
 * })
 * const [sale, limit] = await Effect.runPromise(Effect.provide(test, TestFlags.layer({ sale: true })))
 * sale?.value // => true
 * sale?.context // => { targetingKey: "user-1" }
 * limit?.value // => 10
 * limit?.errorCode // => "FLAG_NOT_FOUND"
 * ```
 *
 * @category journal
 * @since 0.2.0
 */
export const evaluations: Effect.Effect<ReadonlyArray<EvaluationJournal.Entry>, never, TestFlags> = TestFlags.use((
  test
) => test.evaluations)

/**
 * The evaluations of one flag so far, in the order in which they ended.
 *
 * @category journal
 * @since 0.2.0
 */
export const evaluationsOf = (
  flagKey: string
): Effect.Effect<ReadonlyArray<EvaluationJournal.Entry>, never, TestFlags> =>
  TestFlags.use((test) => test.evaluationsOf(flagKey))

/**
 * Clears the journal.
 *
 * @category journal
 * @since 0.2.0
 */
export const clearEvaluations: Effect.Effect<void, never, TestFlags> = TestFlags.use((test) => test.clearEvaluations)

/**
 * Adds or replaces a flag for an effect.
 *
 * **Details**
 *
 * The change is part of the effect and of its child fibers. Other fibers never
 * see it, not even while the effect runs. When the effect ends, fails or is
 * interrupted, nothing has to be put back. The innermost region wins, also over
 * `set`.
 *
 * **Gotchas**
 *
 * It applies to evaluations with `FeatureFlags`. A client of the SDK that is
 * called in the effect sees it unless another hook of the SDK runs first. Code
 * that starts fibers of its own, such as a `ManagedRuntime`, does not see it.
 *
 * Throws a `RangeError` when the flag is none.
 *
 * **Example** (Overriding a flag in one test)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 * import { TestFlags } from "effect-openfeature/testing"
 *
 * const sale = Effect.gen(function*() {
 *   const flags = yield* FeatureFlags.FeatureFlags
 *   return yield* flags.boolean("sale", false)
 * })
 * const both = Effect.all([sale.pipe(TestFlags.withFlag("sale", true)), sale], { concurrency: 2 })
 * await Effect.runPromise(Effect.provide(both, TestFlags.layer({ sale: false }))) // => [true, false]
 * ```
 *
 * @category regions
 * @since 0.2.0
 */
export const withFlag: {
  (flagKey: string, flag: Flag): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | TestFlags>
  <A, E, R>(self: Effect.Effect<A, E, R>, flagKey: string, flag: Flag): Effect.Effect<A, E, R | TestFlags>
} = dual(
  3,
  <A, E, R>(self: Effect.Effect<A, E, R>, flagKey: string, flag: Flag): Effect.Effect<A, E, R | TestFlags> => {
    checkFlag("TestFlags.withFlag", flagKey, flag)
    return inRegion(self, flagKey, flag)
  }
)

/**
 * Makes a flag fail for an effect.
 *
 * **Details**
 *
 * A region like that of `withFlag`, with an error like that of `fail`.
 *
 * **Example** (Making a flag fail in one test)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 * import { TestFlags } from "effect-openfeature/testing"
 *
 * const program = Effect.gen(function*() {
 *   const flags = yield* FeatureFlags.FeatureFlags
 *   return yield* flags.numberDetails("price-limit", 10)
 * })
 * const details = await Effect.runPromise(program.pipe(
 *   TestFlags.withFailure("price-limit", "GENERAL"),
 *   Effect.provide(TestFlags.layer({ "price-limit": 20 }))
 * ))
 * details.value // => 10
 * details.errorCode // => "GENERAL"
 * ```
 *
 * @category regions
 * @since 0.2.0
 */
export const withFailure: {
  (
    flagKey: string,
    error: EvaluationError.ErrorCode | object
  ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | TestFlags>
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    flagKey: string,
    error: EvaluationError.ErrorCode | object
  ): Effect.Effect<A, E, R | TestFlags>
} = dual(
  3,
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    flagKey: string,
    error: EvaluationError.ErrorCode | object
  ): Effect.Effect<A, E, R | TestFlags> => inRegion(self, flagKey, failure("TestFlags.withFailure", flagKey, error))
)

const inRegion = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  flagKey: string,
  flag: Flag
): Effect.Effect<A, E, R | TestFlags> =>
  Effect.contextWith((services: Context.Context<TestFlags>) => {
    const { domain } = Context.get(services, TestFlags)
    return Effect.provideService(self, Overrides, [{ domain, flagKey, flag }, ...Context.get(services, Overrides)])
  })
