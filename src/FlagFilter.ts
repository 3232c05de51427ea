/**
 * Predicates that select evaluations.
 *
 * `and`, `or` and `not` compose filters. `FeatureHook.when` restricts a hook to
 * the evaluations that match one.
 *
 * @since 0.1.0
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Context from "effect/Context"
import { dual } from "effect/Function"
import * as Random from "effect/Random"
import type { HookContext } from "./HookContext.ts"
import * as Check from "./internal/check.ts"
import { isMatch } from "./internal/filtering.ts"
import { murmur3, netstring } from "./internal/hash.ts"
import * as Services from "./internal/services.ts"
import { tester } from "./internal/regExp.ts"
import { functionName, quote, truncate } from "./internal/text.ts"
import { readOwn } from "./internal/untrusted.ts"

/**
 * A predicate over the hook context.
 *
 * **Details**
 *
 * `FeatureHook.when` evaluates a filter once per hook and evaluation, in the
 * first stage of the hook. Any function of this type is a filter, so a custom
 * one needs no constructor. One that gives a promise matches nothing, also within
 * `not`: it counts as one that throws.
 *
 * A filter has a name that says what it matches, such as
 * `and(prefix("checkout-"), not(suffix("-test")))`. A hook prints its filter by
 * that name, and a custom filter by the name of its function, or as `custom`.
 *
 * @category models
 * @since 0.1.0
 */
export type FlagFilter = (context: HookContext) => boolean

// A hook prints a filter by the name of its function, as it does with one of the user. A bundler can
// change the names in the code.
const describe = (name: string, filter: FlagFilter): FlagFilter =>
  Object.defineProperty(filter, "name", { value: truncate(name, 256) })

const nameOf = (filter: FlagFilter): string => functionName(filter) ?? "custom"

const call = (name: string, args: ReadonlyArray<string>): string =>
  `${name}(${args.slice(0, 10).map((arg) => quote(arg, 64)).join(", ")}${args.length > 10 ? ", …" : ""})`

/**
 * Matches every evaluation.
 *
 * @category constructors
 * @since 0.1.0
 */
export const all: FlagFilter = describe("all", () => true)

const named = (module: string, value: string): string => {
  if (value === "") throw new RangeError(`FlagFilter.${module}: ${module} must not be empty`)
  return value
}

/**
 * Matches flag keys with a prefix.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the prefix is empty. Use `all` to match every flag.
 *
 * **Example** (Selecting flags by prefix)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureHook, FlagFilter } from "effect-openfeature"
 *
 * const audit = FeatureHook.make("audit", { after: (context) => Effect.log(context.flagKey) }).pipe(
 *   FeatureHook.when(FlagFilter.prefix("checkout-"))
 * )
 * audit.name // => "audit"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const prefix = (prefix: string): FlagFilter => {
  const start = named("prefix", prefix)
  return describe(call("prefix", [start]), (context) => context.flagKey.startsWith(start))
}

/**
 * Matches flag keys with a suffix.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the suffix is empty.
 *
 * @category constructors
 * @since 0.1.0
 */
export const suffix = (suffix: string): FlagFilter => {
  const end = named("suffix", suffix)
  return describe(call("suffix", [end]), (context) => context.flagKey.endsWith(end))
}

/**
 * Matches the given flag keys.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when no flag key is given.
 *
 * **Example** (Selecting two flags)
 *
 * ```ts
 * import { FlagFilter } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const filter = FlagFilter.oneOf("new-checkout", "new-cart")
 * filter(Fixtures.hookContext({ flagKey: "new-cart" })) // => true
 * filter(Fixtures.hookContext({ flagKey: "new-search" })) // => false
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const oneOf = (...flagKeys: ReadonlyArray<string>): FlagFilter => {
  if (flagKeys.length === 0) throw new RangeError("FlagFilter.oneOf: at least one flag key is needed")
  const keys = new Set(flagKeys)
  return describe(call("oneOf", flagKeys), (context) => keys.has(context.flagKey))
}

/**
 * Matches flag keys against a pattern: a glob, or a regular expression.
 *
 * **Details**
 *
 * In a glob, `*` matches any text and `?` matches one character. A glob must
 * match the whole key, and takes time at most proportional to the length of the
 * key times the length of the glob.
 *
 * The flags `g` and `y` of a regular expression are ignored, so it keeps no
 * state between keys.
 *
 * **Gotchas**
 *
 * A regular expression can take exponential time, and nothing can interrupt it.
 * Use one only if you control both the expression and the keys. It never matches
 * keys of more than 256 characters.
 *
 * Throws a `RangeError` when a glob is empty or longer than 256 characters.
 *
 * **Example** (Selecting flags with a glob)
 *
 * ```ts
 * import { FlagFilter } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const experiments = FlagFilter.pattern("checkout-*-experiment")
 * experiments(Fixtures.hookContext({ flagKey: "checkout-button-experiment" })) // => true
 * experiments(Fixtures.hookContext({ flagKey: "checkout-button" })) // => false
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const pattern = (pattern: string | RegExp): FlagFilter => {
  if (pattern instanceof RegExp) {
    const test = tester(pattern)
    return describe(
      `pattern(${pattern})`,
      (context) => context.flagKey.length <= maxPatternLength && test(context.flagKey)
    )
  }
  const matches = globMatcher(pattern)
  return describe(call("pattern", [pattern]), (context) => matches(context.flagKey))
}

/**
 * The glob of `pattern`, for texts outside of an evaluation.
 *
 * @internal
 */
export const globMatcher = (pattern: string): (text: string) => boolean => {
  if (named("pattern", pattern).length > maxPatternLength) {
    throw new RangeError(
      `FlagFilter.pattern: pattern must not be longer than ${maxPatternLength} characters, got ${pattern.length}`
    )
  }
  return (text) => matches(pattern, text)
}

const maxPatternLength = 256

// Backtracking to the last `*` is enough for globs, and keeps the work below key × pattern.
const matches = (pattern: string, text: string): boolean => {
  let p = 0
  let t = 0
  let star = -1
  let mark = 0
  while (t < text.length) {
    if (pattern[p] === "*") {
      star = p++
      mark = t
    } else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === text[t])) {
      p++
      t++
    } else if (star >= 0) {
      p = star + 1
      t = ++mark
    } else {
      return false
    }
  }
  while (pattern[p] === "*") p++
  return p === pattern.length
}

const flagTypes: ReadonlyArray<string> = ["boolean", "string", "number", "object"] satisfies Array<SDK.FlagValueType>

/**
 * Matches flags of the given types.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when no type is given, or one is not `boolean`,
 * `string`, `number` or `object`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const flagType = (...types: ReadonlyArray<SDK.FlagValueType>): FlagFilter => {
  const unknown = types.find((type) => !flagTypes.includes(type))
  if (types.length === 0 || unknown !== undefined) {
    throw new RangeError(`FlagFilter.flagType: types must be among ${flagTypes.join(", ")}, got ${String(unknown)}`)
  }
  return describe(call("flagType", types), (context) => types.includes(context.flagValueType))
}

/**
 * Matches evaluations of clients with one of the given domains.
 *
 * **Details**
 *
 * Clients of the default domain have no domain and never match.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when no domain is given.
 *
 * @category constructors
 * @since 0.1.0
 */
export const domain = (...domains: ReadonlyArray<string>): FlagFilter => {
  if (domains.length === 0) throw new RangeError("FlagFilter.domain: at least one domain is needed")
  return describe(
    call("domain", domains),
    ({ clientMetadata: { domain } }) => domain !== undefined && domains.includes(domain)
  )
}

/**
 * The options of a sample.
 *
 * @category models
 * @since 0.2.0
 */
export interface SampleOptions {
  /** The share of evaluations to match, from 0 for none to 1 for all. */
  readonly rate: number
  /**
   * What the share is taken of. With `"evaluation"`, the default, each evaluation
   * is decided at random. The others always decide the same way: for a user
   * (`"targetingKey"`), a flag (`"flag"`), or a user and a flag
   * (`"targetingKeyAndFlag"`).
   */
  readonly by?: "evaluation" | "targetingKey" | "flag" | "targetingKeyAndFlag" | undefined
  /**
   * A text that makes a selection of its own. Samples with the same salt, an empty
   * one by default, select the same users. It has no effect by `"evaluation"`.
   */
  readonly salt?: string | undefined
}

const aRate: Check.Rule = (owner, name, value) => {
  if (typeof value !== "number" || !(value >= 0 && value <= 1)) {
    Check.reject(owner, name, "a number from 0 to 1", value)
  }
}

/**
 * Matches a share of the evaluations.
 *
 * **When to use**
 *
 * Use with `FeatureHook.when` to log, trace or record only some evaluations. It
 * decides once for all stages of an evaluation.
 *
 * **Details**
 *
 * A random decision uses Effect's `Random` of the caller, so a test can seed it.
 * Every other decision compares a hash (MurmurHash3, 32 bits) of the salt with
 * the targeting key or the flag key. It is the same in every process. Whatever
 * matches at a rate also matches at each higher rate.
 *
 * **Gotchas**
 *
 * An evaluation without a targeting key belongs to no user, so it is decided at
 * random.
 *
 * Throws a `RangeError` when the rate is not a number from 0 to 1, or when an
 * option is invalid or unknown.
 *
 * **Example** (Logging one user in ten)
 *
 * ```ts
 * import { FeatureHook, FlagFilter, LoggingHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const oneInTen = FlagFilter.sample({ rate: 0.1, by: "targetingKey" })
 * const hook = LoggingHook.make().pipe(FeatureHook.when(oneInTen))
 *
 * const evaluation = Fixtures.hookContext({ context: { targetingKey: "user-1" } })
 * oneInTen(evaluation) === oneInTen(evaluation) // => true
 * hook.name // => "logging"
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const sample = (options: SampleOptions): FlagFilter => {
  const { by = "evaluation", rate, salt = "" } = Check.options("FlagFilter.sample", options, {
    rate: aRate,
    by: Check.among("evaluation", "targetingKey", "flag", "targetingKeyAndFlag"),
    salt: Check.aString
  })
  aRate("FlagFilter.sample", "rate", rate)
  const name = by === "evaluation" ? `sample(${rate})` : `sample(${rate}, "${by}")`
  const random = (): boolean => Context.get(Services.current(), Random.Random).nextDoubleUnsafe() < rate
  if (by === "evaluation") return describe(name, random)
  const isIn = (...subject: ReadonlyArray<string>): boolean => murmur3(netstring(salt, ...subject)) / 2 ** 32 < rate
  if (by === "flag") return describe(name, (context) => isIn(context.flagKey))
  return describe(name, ({ context, flagKey }) => {
    const targetingKey = readOwn(context, "targetingKey")
    if (typeof targetingKey !== "string" || targetingKey === "") return random()
    return by === "targetingKey" ? isIn(targetingKey) : isIn(targetingKey, flagKey)
  })
}

/**
 * Matches evaluations that match both filters.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when a filter is not a function.
 *
 * **Example** (Excluding kill switches)
 *
 * ```ts
 * import { FlagFilter } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const checkout = FlagFilter.and(
 *   FlagFilter.prefix("checkout-"),
 *   FlagFilter.not(FlagFilter.suffix("-kill-switch"))
 * )
 * checkout(Fixtures.hookContext({ flagKey: "checkout-button" })) // => true
 * checkout(Fixtures.hookContext({ flagKey: "checkout-kill-switch" })) // => false
 * ```
 *
 * @category combining
 * @since 0.1.0
 */
export const and: {
  (that: FlagFilter): (self: FlagFilter) => FlagFilter
  (self: FlagFilter, that: FlagFilter): FlagFilter
} = dual(2, (self: FlagFilter, that: FlagFilter): FlagFilter => {
  Check.aFunction("FlagFilter.and", "self", self)
  Check.aFunction("FlagFilter.and", "that", that)
  return describe(`and(${nameOf(self)}, ${nameOf(that)})`, (context) =>
    isMatch(self, context) && isMatch(that, context))
})

/**
 * Matches evaluations that match at least one of two filters.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when a filter is not a function.
 *
 * **Example** (Selecting by prefix or suffix)
 *
 * ```ts
 * import { FlagFilter } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const filter = FlagFilter.or(FlagFilter.prefix("checkout-"), FlagFilter.suffix("-experiment"))
 * filter(Fixtures.hookContext({ flagKey: "search-experiment" })) // => true
 * ```
 *
 * @category combining
 * @since 0.1.0
 */
export const or: {
  (that: FlagFilter): (self: FlagFilter) => FlagFilter
  (self: FlagFilter, that: FlagFilter): FlagFilter
} = dual(2, (self: FlagFilter, that: FlagFilter): FlagFilter => {
  Check.aFunction("FlagFilter.or", "self", self)
  Check.aFunction("FlagFilter.or", "that", that)
  return describe(`or(${nameOf(self)}, ${nameOf(that)})`, (context) => isMatch(self, context) || isMatch(that, context))
})

/**
 * Matches evaluations that do not match a filter.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the filter is not a function.
 *
 * @category combining
 * @since 0.1.0
 */
export const not = (self: FlagFilter): FlagFilter => {
  Check.aFunction("FlagFilter.not", "self", self)
  return describe(`not(${nameOf(self)})`, (context) => !isMatch(self, context))
}
