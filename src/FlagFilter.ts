/**
 * Says which evaluations a hook takes part in.
 *
 * A filter is a predicate over the hook context. Filters are values: `and`,
 * `or` and `not` build bigger ones, and `FeatureHook.when` puts one before a
 * hook.
 *
 * @since 0.1.0
 */
import type * as SDK from "@openfeature/server-sdk"
import { dual } from "effect/Function"
import type { HookContext } from "./HookContext.ts"
import * as Check from "./internal/check.ts"

/**
 * A predicate over an evaluation.
 *
 * **Details**
 *
 * Decided once per evaluation, in the first stage, and kept for the later ones.
 * Any function of this type is a filter, so a custom one needs no constructor.
 *
 * @category models
 * @since 0.1.0
 */
export type FlagFilter = (context: HookContext) => boolean

/**
 * Takes every evaluation.
 *
 * @category constructors
 * @since 0.1.0
 */
export const all: FlagFilter = () => true

const named = (module: string, value: string): string => {
  if (value === "") throw new RangeError(`FlagFilter.${module}: ${module} must not be empty`)
  return value
}

/**
 * Takes flags whose key starts with a text.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the text is empty; use `all` for every flag.
 *
 * **Example** (Only the flags of the checkout)
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
  return (context) => context.flagKey.startsWith(start)
}

/**
 * Takes flags whose key ends with a text.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the text is empty.
 *
 * @category constructors
 * @since 0.1.0
 */
export const suffix = (suffix: string): FlagFilter => {
  const end = named("suffix", suffix)
  return (context) => context.flagKey.endsWith(end)
}

/**
 * Takes the flags that are listed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const oneOf = (...flagKeys: ReadonlyArray<string>): FlagFilter => {
  if (flagKeys.length === 0) throw new RangeError("FlagFilter.oneOf: at least one flag key is needed")
  const keys = new Set(flagKeys)
  return (context) => keys.has(context.flagKey)
}

/**
 * Takes flags whose key fits a pattern: a text in which `*` stands for any text
 * and `?` for one character, or a regular expression.
 *
 * **Details**
 *
 * The whole key must fit a text pattern. Such patterns are matched in time
 * proportional to key times pattern, whatever the key is. A regular expression
 * is used without its `g` and `y` flags, so no state is kept between two keys.
 *
 * **Gotchas**
 *
 * A regular expression can take time exponential in the length of the key, and
 * nothing can stop it. Keys of more than 256 characters are not tried. Use one
 * only where both the expression and the keys are yours.
 *
 * Throws a `RangeError` when a text pattern is empty or longer than 256
 * characters.
 *
 * **Example** (Every experiment of the checkout)
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
    const stateless = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""))
    return (context) => context.flagKey.length <= maxPatternLength && stateless.test(context.flagKey)
  }
  if (named("pattern", pattern).length > maxPatternLength) {
    throw new RangeError(
      `FlagFilter.pattern: pattern must not be longer than ${maxPatternLength} characters, got ${pattern.length}`
    )
  }
  return (context) => matches(pattern, context.flagKey)
}

const maxPatternLength = 256

// Backtracks to the last `*` only, which is enough for globs and keeps the
// work below key × pattern.
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
 * Takes flags of some types.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` for anything but `boolean`, `string`, `number` and
 * `object`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const flagType = (...types: ReadonlyArray<SDK.FlagValueType>): FlagFilter => {
  const unknown = types.find((type) => !flagTypes.includes(type))
  if (types.length === 0 || unknown !== undefined) {
    throw new RangeError(`FlagFilter.flagType: types must be among ${flagTypes.join(", ")}, got ${String(unknown)}`)
  }
  return (context) => types.includes(context.flagValueType)
}

/**
 * Takes evaluations of clients that are bound to one of the domains.
 *
 * @category constructors
 * @since 0.1.0
 */
export const domain = (...domains: ReadonlyArray<string>): FlagFilter => {
  if (domains.length === 0) throw new RangeError("FlagFilter.domain: at least one domain is needed")
  return (context) => context.clientMetadata.domain !== undefined && domains.includes(context.clientMetadata.domain)
}

/**
 * Takes what both filters take.
 *
 * **Example** (Boolean flags of the checkout, but not the kill switches)
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
  return (context) => self(context) && that(context)
})

/**
 * Takes what at least one of two filters takes.
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
  return (context) => self(context) || that(context)
})

/**
 * Takes what a filter leaves.
 *
 * @category combining
 * @since 0.1.0
 */
export const not = (self: FlagFilter): FlagFilter => {
  Check.aFunction("FlagFilter.not", "self", self)
  return (context) => !self(context)
}
