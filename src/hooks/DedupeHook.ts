/**
 * Hooks that run once per user, flag and result, and again after a time.
 *
 * @since 0.2.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import type { EvaluationDetails, FlagValue } from "../EvaluationDetails.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as Check from "../internal/check.ts"
import { murmur3, netstring } from "../internal/hash.ts"
import { Dedupe, type Details, type Settings } from "../internal/hook/dedupe.ts"
import { attributeOf, domainOf } from "../internal/hook/view.ts"
import { oneLine } from "../internal/text.ts"
import { tryOr } from "../internal/untrusted.ts"

/**
 * The options of a hook that runs once per key.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /**
   * Returns the key of an evaluation, or `undefined` to run the hook in any case.
   * The default key has the domain, the flag key, the flag type and the targeting
   * key. For a hook without `before` it also has the variant, the value and the
   * error code.
   */
  readonly key?: ((context: HookContext) => string | undefined) | undefined
  /**
   * Returns the key from the result, instead of `key`. Not for a hook with a
   * `before`, which runs before there is a result.
   */
  readonly resultKey?: ((context: HookContext, details: EvaluationDetails) => string | undefined) | undefined
  /** The time after which a key runs again, 10 minutes by default. With `"Infinity"`, it runs only once. */
  readonly timeToLive?: Duration.Input | undefined
  /**
   * When that time starts: with the last run (`"fixed"`, the default), or with the
   * last evaluation (`"sliding"`), so that a key runs again only after a pause.
   */
  readonly window?: "fixed" | "sliding" | undefined
  /** The maximum number of keys per hook, 1,000 by default. The least recently used one is forgotten. */
  readonly capacity?: number | undefined
  /**
   * Whether a run that failed counts as done; `false` by default. With `true`, a
   * failure that rejected an evaluation also rejects later ones with the key.
   */
  readonly keepFailures?: boolean | undefined
  /**
   * Whether evaluations of different users share what a `before` contributed;
   * `false` by default. With `true`, `key` alone decides.
   */
  readonly shareContributions?: boolean | undefined
  /** The maximum time that an evaluation waits for the `before` of another one, 1 second by default. */
  readonly waitTimeout?: Duration.Input | undefined
}

/**
 * The number of evaluations in which the hook ran, and in which it did not.
 *
 * **Details**
 *
 * Each hook of a combination counts for itself. The figures are sums.
 *
 * @category models
 * @since 0.2.0
 */
export interface Counts {
  /** The evaluations in which the hook ran. */
  readonly runs: number
  /** The evaluations in which it did not run, since it had run for their key. */
  readonly hits: number
  /** The keys that were forgotten before their time, since `capacity` was reached. */
  readonly evicted: number
  /** The present number of keys. */
  readonly size: number
}

/**
 * A hook that runs once per key, and what is known about it.
 *
 * @category models
 * @since 0.2.0
 */
export interface DedupeHook<out E = never, out R = never> {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook<E, R>
  /** The counts at the time of the call. */
  readonly counts: Effect.Effect<Counts>
  /** Forgets all keys, such as after a new release of the flags. The counts stay. */
  readonly reset: Effect.Effect<void>
}

/**
 * The form of `DedupeHook` for an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Plain<out E = never, out R = never> {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook<E, R>
  /** Returns the present counts. */
  readonly counts: () => Counts
  /** Forgets all keys. The counts stay. */
  readonly reset: () => void
}

/**
 * The maximum length of a key, in characters. For a longer one, the hook always
 * runs.
 *
 * @category constants
 * @since 0.2.0
 */
export const maxKeyLength = 1024

// Too long to keep. Two results whose digests agree would count as the same one, and no more.
const digest = (text: string): string =>
  text.length <= 64 ? text : `${text.length} ${murmur3(text)} ${murmur3(text, 1)}`

const textOf = (value: FlagValue): string => digest(typeof value === "string" ? value : JSON.stringify(value))

// No two evaluations have the same text, whatever is in the names. Pieces that are added up take a third of the time
// that a template takes.
const evaluationKey = (context: HookContext, result: string): string => {
  const { flagKey, flagValueType } = context
  const domain = domainOf(context) ?? ""
  const targetingKey = attributeOf(context, "targetingKey")
  const subject = typeof targetingKey === "string" ? targetingKey : ""
  return flagValueType + " " + domain.length + " " + flagKey.length + " " + domain + flagKey + result + subject
}

const defaultKey = (context: HookContext, details: Details): string | undefined => {
  if (details === undefined) return evaluationKey(context, "")
  const { errorCode = "", value, variant = "" } = details
  return tryOr(
    () => evaluationKey(context, netstring(digest(variant), errorCode, textOf(value))),
    () => undefined
  )
}

const keyOf = (owner: string, hook: FeatureHook.Any, { key, resultKey }: Options): Settings["key"] => {
  if (resultKey === undefined) return key ?? defaultKey
  if (key !== undefined) throw new RangeError(`${owner}: give key or resultKey, not both`)
  const early = hook.parts.find(({ before }) => before !== undefined)
  if (early !== undefined) {
    const name = oneLine(early.name, 128)
    throw new RangeError(
      `${owner}: resultKey needs a result, and the before of hook "${name}" runs without one; use key`
    )
  }
  return (context, details) => details && resultKey(context, details)
}

const settingsOf = (owner: string, hook: FeatureHook.Any, options: Options): Settings => {
  FeatureHook.combineAll([hook])
  Check.options(owner, options, {
    key: Check.aFunction,
    resultKey: Check.aFunction,
    timeToLive: Check.lifetime,
    window: Check.among("fixed", "sliding"),
    capacity: Check.positiveInteger,
    keepFailures: Check.aBoolean,
    shareContributions: Check.aBoolean,
    waitTimeout: Check.finiteDuration
  })
  return {
    key: keyOf(owner, hook, options),
    timeToLive: Duration.fromInputUnsafe(options.timeToLive ?? "10 minutes"),
    isSliding: options.window === "sliding",
    capacity: options.capacity ?? 1000,
    keepsFailures: options.keepFailures === true,
    sharesContributions: options.shareContributions === true,
    waitTimeout: Duration.fromInputUnsafe(options.waitTimeout ?? "1 second"),
    maxKeyLength
  }
}

const create = <E, R>(hook: FeatureHook.FeatureHook<E, R>, settings: Settings): Plain<E, R> => {
  const parts: Array<Dedupe> = []
  const once = FeatureHook.mapParts<E, R>(hook, "DedupeHook", (part) => {
    const dedupe = new Dedupe(part, settings)
    parts.push(dedupe)
    return dedupe.part
  })
  const sum = (figure: (part: Dedupe) => number): number => parts.reduce((sum, part) => sum + figure(part), 0)
  return {
    hook: once,
    counts: () => ({
      runs: sum(({ runs }) => runs),
      hits: sum(({ hits }) => hits),
      evicted: sum(({ evicted }) => evicted),
      size: sum(({ size }) => size)
    }),
    reset: () => parts.forEach((part) => part.reset())
  }
}

/**
 * Runs a hook once per key, until the time of the key is over.
 *
 * **When to use**
 *
 * Use for a hook that tells another system who saw what, such as an exposure, or
 * that contributes what is expensive to find out.
 *
 * **Details**
 *
 * - It decides once per evaluation, in the first stage of the hook, so that what
 *   `before` opens is closed.
 * - A hook with a `before` decides by the hook context. A hook without one decides
 *   by the result, too: it runs again when a user gets another value.
 * - What `before` contributed is contributed again.
 * - When several evaluations with one key run at the same time, the hook runs in
 *   one of them. The others wait for its `before`, up to `waitTimeout`, and then
 *   run it. They never wait for other stages.
 * - The time is that of Effect's monotonic clock.
 * - Each hook of a combination decides for itself. An observed hook stays observed.
 *
 * **Gotchas**
 *
 * A contribution must depend on nothing but the key. Put each attribute that
 * `before` reads into the key.
 *
 * A user is known by the targeting key. A contribution or a kept failure is
 * repeated for the same user only, unless `shareContributions` is set, and without
 * a targeting key the `before` runs again.
 *
 * Failures that another combinator has already reported count as done: those of a
 * hook in the background, and those of an observed hook inside
 * `FeatureHook.timeout`, `transform` or `provide`. Put `FeatureHook.observe` and
 * `BackgroundHook` around this hook.
 *
 * A key that throws, or is not a text, is reported to `HookFailures`, and the hook
 * runs.
 *
 * Throws a `RangeError` when an option is invalid or unknown, or when `resultKey`
 * is given for a hook with a `before`.
 *
 * **Example** (Recording each exposure once)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { DedupeHook, FeatureHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const exposed: Array<unknown> = []
 * const exposure = FeatureHook.make("exposure", {
 *   after: (_context, details) => Effect.sync(() => exposed.push(details.value))
 * })
 * const program = Effect.gen(function*() {
 *   const { counts, hook } = yield* DedupeHook.make(exposure, { timeToLive: "1 hour" })
 *   for (const value of [true, true, false, true]) {
 *     yield* Fixtures.run(hook, { context: { context: { targetingKey: "user-1" } }, details: { value } })
 *   }
 *   return yield* counts
 * })
 * const { hits, runs } = await Effect.runPromise(program)
 * runs // => 2
 * hits // => 2
 * exposed // => [true, false]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make: {
  (options?: Options | undefined): <E, R>(hook: FeatureHook.FeatureHook<E, R>) => Effect.Effect<DedupeHook<E, R>>
  <E, R>(hook: FeatureHook.FeatureHook<E, R>, options?: Options | undefined): Effect.Effect<DedupeHook<E, R>>
} = dual(
  (args) => args.length > 1 || FeatureHook.isFeatureHook(args[0]),
  <E, R>(hook: FeatureHook.FeatureHook<E, R>, options: Options = {}): Effect.Effect<DedupeHook<E, R>> => {
    const settings = settingsOf("DedupeHook.make", hook, options)
    return Effect.sync(() => {
      const { counts, hook: once, reset } = create(hook, settings)
      return { hook: once, counts: Effect.sync(counts), reset: Effect.sync(reset) }
    })
  }
)

/**
 * Runs a hook once per key, for an application without Effect.
 *
 * **Details**
 *
 * Does the same as `make`, at once.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * **Example** (Warning once per flag)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { DedupeHook, FeatureHook, OpenFeatureHook } from "effect-openfeature"
 *
 * const warnings: Array<string> = []
 * const warn = FeatureHook.make("warn", {
 *   error: (context, error) => {
 *     warnings.push(`${context.flagKey}: ${error.code}`)
 *   }
 * })
 * const once = DedupeHook.makeUnsafe(warn, { key: (context) => context.flagKey, timeToLive: "Infinity" })
 *
 * const client = OpenFeature.getClient("dedupe")
 * client.addHooks(OpenFeatureHook.make(once.hook))
 * await client.getBooleanValue("sale", false) // there is no provider yet
 * await client.getBooleanValue("sale", false)
 * warnings // => ["sale: PROVIDER_NOT_READY"]
 * once.counts().hits // => 1
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeUnsafe: {
  (options?: Options | undefined): <E, R>(hook: FeatureHook.FeatureHook<E, R>) => Plain<E, R>
  <E, R>(hook: FeatureHook.FeatureHook<E, R>, options?: Options | undefined): Plain<E, R>
} = dual(
  (args) => args.length > 1 || FeatureHook.isFeatureHook(args[0]),
  <E, R>(hook: FeatureHook.FeatureHook<E, R>, options: Options = {}): Plain<E, R> =>
    create(hook, settingsOf("DedupeHook.makeUnsafe", hook, options))
)
