/**
 * Feature flags for a test of an application without Effect, in one line:
 * `await PlainTestFlags.forTest(t, { sale: true })`.
 *
 * Each has a client of the SDK and a domain of its own, so tests that run at the
 * same time never meet. It cleans up by itself in Vitest, Jest and `node:test`.
 *
 * @since 0.2.0
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import type { ErrorCode } from "../EvaluationError.ts"
import { FeatureFlags } from "../FeatureFlags.ts"
import * as FeatureHook from "../FeatureHook.ts"
import * as Check from "../internal/check.ts"
import { read } from "../internal/untrusted.ts"
import * as OpenFeatureHook from "../OpenFeatureHook.ts"
import type { Entry } from "./EvaluationJournal.ts"
import * as TestFlags from "./TestFlags.ts"

/**
 * The flags of a test, with a client to evaluate them.
 *
 * **Details**
 *
 * All functions but `close` take effect at once. The journal is complete as soon
 * as the promise of an evaluation has settled.
 *
 * @category models
 * @since 0.2.0
 */
export interface PlainTestFlags {
  /** The client of the SDK. */
  readonly client: SDK.Client
  /** The domain, for code that makes its own client with `OpenFeature.getClient(domain)`. Empty for the default one. */
  readonly domain: string
  /** Adds or replaces a flag. */
  readonly set: (flagKey: string, flag: TestFlags.Flag) => void
  /** Makes a flag fail, with an error code or with a value that the provider throws. */
  readonly fail: (flagKey: string, error: ErrorCode | object) => void
  /** Removes a flag, so that it gives `FLAG_NOT_FOUND`. */
  readonly remove: (flagKey: string) => void
  /** Restores the flags that it was made with, and clears the journal. */
  readonly reset: () => void
  /** The journal: the evaluations so far, in the order in which they ended. */
  readonly evaluations: ReadonlyArray<Entry>
  /** The evaluations of one flag so far, in order. */
  readonly evaluationsOf: (flagKey: string) => ReadonlyArray<Entry>
  /** Clears the journal. */
  readonly clearEvaluations: () => void
  /** Emits a provider event, from which the SDK derives the status. */
  readonly emit: (type: SDK.ServerProviderEvents, details?: SDK.EventContext) => void
  /** The names of the tracking events, in order. */
  readonly tracked: ReadonlyArray<string>
  /** Closes the provider and removes the hooks of the client. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** The same as `close`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * The options of the client and the provider that `make` creates.
 *
 * **Gotchas**
 *
 * Tests with the same `domain` must not run at the same time.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** The hooks of the client, in order: those of this library and those of the SDK; none by default. */
  readonly hooks?: ReadonlyArray<FeatureHook.FeatureHook<unknown> | SDK.Hook> | undefined
  /** The evaluation context of the client, empty by default. */
  readonly context?: SDK.EvaluationContext | undefined
  /** The name of the provider, `"test"` by default. */
  readonly providerName?: string | undefined
  /**
   * The domain, for code that evaluates flags on a fixed one, or `null` for the
   * default one; a domain that nothing else uses by default.
   */
  readonly domain?: string | null | undefined
}

/**
 * Creates flags for a test, which have to be closed.
 *
 * **When to use**
 *
 * Use with `await using`, which closes them, or with `close`. With the context
 * of a test at hand, use `forTest`.
 *
 * **Details**
 *
 * A flag that is not there gives the default value, with `FLAG_NOT_FOUND`.
 *
 * **Gotchas**
 *
 * Rejects with a `RangeError` when an option is unknown or has the wrong type,
 * or when a flag is none.
 *
 * After `close`, the domain gives default values with `PROVIDER_NOT_READY`, and
 * no event handler of the client is called any more.
 *
 * **Example** (Testing with a client of the SDK)
 *
 * ```ts
 * import { PlainTestFlags } from "effect-openfeature/testing"
 *
 * const flags = await PlainTestFlags.make({ sale: true, "price-limit": 20 })
 * await flags.client.getBooleanValue("sale", false) // => true
 *
 * flags.fail("price-limit", "PARSE_ERROR")
 * await flags.client.getNumberValue("price-limit", 10) // => 10
 *
 * flags.evaluations.map(({ flagKey, value }) => [flagKey, value]) // => [["sale", true], ["price-limit", 10]]
 * await flags.close()
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (flags: TestFlags.Flags = {}, options: Options = {}): Promise<PlainTestFlags> =>
  Effect.runPromise(Effect.suspend(() => open(flags, options)))

const owner = "PlainTestFlags.make"

const toSdkHook = (hook: FeatureHook.FeatureHook<unknown> | SDK.Hook): SDK.Hook => {
  if (FeatureHook.isFeatureHook(hook)) return OpenFeatureHook.make(hook)
  return Predicate.isObject(hook) ? hook : Check.reject(owner, "hooks", "FeatureHooks and hooks of the SDK", hook)
}

const open = Effect.fnUntraced(function*(flags: TestFlags.Flags, options: Options) {
  const { hooks = [], ...rest } = Check.options(owner, options, {
    hooks: Check.aList,
    context: Check.aRecord,
    providerName: Check.aText,
    domain: TestFlags.aDomain
  })
  const sdkHooks = hooks.map(toSdkHook)
  const scope = yield* Scope.make()
  const services = yield* Layer.buildWithScope(TestFlags.layer(flags, rest), scope)
  const { client } = Context.get(services, FeatureFlags)
  client.addHooks(...sdkHooks)
  return new Plain(client, Context.get(services, TestFlags.TestFlags), scope)
})

class Plain implements PlainTestFlags {
  readonly client: SDK.Client
  readonly #test: TestFlags.TestFlags["Service"]
  readonly #scope: Scope.Closeable

  constructor(client: SDK.Client, test: TestFlags.TestFlags["Service"], scope: Scope.Closeable) {
    this.client = client
    this.#test = test
    this.#scope = scope
  }
  get domain() {
    return this.#test.domain
  }
  get evaluations() {
    return Effect.runSync(this.#test.evaluations)
  }
  get tracked() {
    return Effect.runSync(this.#test.tracked)
  }
  // Properties, so that a test can take them out of the object.
  readonly set: PlainTestFlags["set"] = (flagKey, flag) => Effect.runSync(this.#test.set(flagKey, flag))
  readonly fail: PlainTestFlags["fail"] = (flagKey, error) => Effect.runSync(this.#test.fail(flagKey, error))
  readonly remove: PlainTestFlags["remove"] = (flagKey) => Effect.runSync(this.#test.remove(flagKey))
  readonly reset = () => Effect.runSync(this.#test.reset)
  readonly evaluationsOf = (flagKey: string) => Effect.runSync(this.#test.evaluationsOf(flagKey))
  readonly clearEvaluations = () => Effect.runSync(this.#test.clearEvaluations)
  readonly emit: PlainTestFlags["emit"] = (type, details) => Effect.runSync(this.#test.emit(type, details))
  readonly close = async () => {
    this.client.clearHooks()
    await Effect.runPromise(Scope.close(this.#scope, Exit.void))
  };
  [Symbol.asyncDispose]() {
    return this.close()
  }
}

/**
 * What can register a function that runs when a test has ended.
 *
 * **Details**
 *
 * - The context of a test of `node:test`, which has `after`.
 * - The context of a test of Vitest, which has `onTestFinished`.
 * - A function that registers it, such as Vitest's `onTestFinished`, or
 *   `afterAll` for flags that a file shares.
 *
 * @category models
 * @since 0.2.0
 */
export type Test =
  | {
    /** Registers a function that runs after the test. */
    readonly after: Register
  }
  | {
    /** Registers a function that runs when the test has finished. */
    readonly onTestFinished: Register
  }
  | Register

/**
 * Registers a function that closes the flags.
 *
 * @category models
 * @since 0.2.0
 */
export type Register = (close: () => Promise<void>) => unknown

/**
 * Creates flags for a test, which are closed when the test has ended.
 *
 * **When to use**
 *
 * Use in Vitest and `node:test`. In Jest, tests have no such context: use
 * `eachTest`, or `await using` with `make`.
 *
 * **Gotchas**
 *
 * Rejects like `make`, and with a `RangeError` when the first argument cannot
 * register anything.
 *
 * **Example** (Testing with node:test)
 *
 * ```ts
 * import { test } from "node:test"
 * import { PlainTestFlags } from "effect-openfeature/testing"
 *
 * test("sells", async (t) => {
 *   const flags = await PlainTestFlags.forTest(t, { sale: true })
 *   t.assert.equal(await flags.client.getBooleanValue("sale", false), true)
 * })
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const forTest = async (
  test: Test,
  flags: TestFlags.Flags = {},
  options: Options = {}
): Promise<PlainTestFlags> => {
  const register = registerOf(test)
  const made = await make(flags, options)
  register(made.close)
  return made
}

// The context of a test can be a function itself, so its methods come first. They need their object.
const registerOf = (test: Test): Register => {
  for (const name of ["onTestFinished", "after"]) {
    const method = read(test, name)
    if (typeof method === "function") return (close) => Reflect.apply(method, test, [close])
  }
  return typeof test === "function" ? test : Check.reject(
    "PlainTestFlags.forTest",
    "the test",
    "the context of a test of node:test or Vitest, or a function such as onTestFinished",
    test
  )
}

/**
 * The functions of a test runner that run around each test.
 *
 * @category models
 * @since 0.2.0
 */
export interface Runner {
  /** Registers a function that runs before each test. */
  readonly beforeEach: (open: () => Promise<void>) => unknown
  /** Registers a function that runs after each test. */
  readonly afterEach: (close: () => Promise<void>) => unknown
}

/**
 * Creates flags anew for each test of a file or a group, and closes them after
 * it.
 *
 * **When to use**
 *
 * Use in Jest, and where all tests of a group start with the same flags.
 *
 * **Gotchas**
 *
 * The tests of the group must not run at the same time. The flags throw an
 * `Error` when they are used outside of a test.
 *
 * **Example** (Testing with Jest)
 *
 * ```ts
 * import { afterEach, beforeEach, test } from "node:test" // from "@jest/globals" in Jest
 * import assert from "node:assert"
 * import { PlainTestFlags } from "effect-openfeature/testing"
 *
 * const flags = PlainTestFlags.eachTest({ beforeEach, afterEach }, { sale: true })
 *
 * test("sells nothing when there is no sale", async () => {
 *   flags.set("sale", false)
 *   assert.equal(await flags.client.getBooleanValue("sale", true), false)
 * })
 * test("sells", async () => {
 *   assert.equal(await flags.client.getBooleanValue("sale", false), true)
 * })
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const eachTest = (
  { afterEach, beforeEach }: Runner,
  flags: TestFlags.Flags = {},
  options: Options = {}
): PlainTestFlags => {
  let current: PlainTestFlags | undefined
  beforeEach(async () => {
    current = await make(flags, options)
  })
  afterEach(async () => {
    const ended = current
    current = undefined
    await ended?.close()
  })
  const now = (): PlainTestFlags => {
    if (current === undefined) throw new Error("PlainTestFlags.eachTest: the flags are there while a test runs")
    return current
  }
  return {
    get client() {
      return now().client
    },
    get domain() {
      return now().domain
    },
    get evaluations() {
      return now().evaluations
    },
    get tracked() {
      return now().tracked
    },
    set: (flagKey, flag) => now().set(flagKey, flag),
    fail: (flagKey, error) => now().fail(flagKey, error),
    remove: (flagKey) => now().remove(flagKey),
    reset: () => now().reset(),
    evaluationsOf: (flagKey) => now().evaluationsOf(flagKey),
    clearEvaluations: () => now().clearEvaluations(),
    emit: (type, details) => now().emit(type, details),
    close: () => now().close(),
    [Symbol.asyncDispose]: () => now().close()
  }
}
