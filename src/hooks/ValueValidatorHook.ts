/**
 * A hook that validates resolved values before anybody gets them.
 *
 * A provider gives what its store has. A page size of 0, or a theme that no code
 * knows, is a valid value for the SDK. With this hook it is an error, and the
 * caller gets its default value.
 *
 * @since 0.2.0
 */
import type * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { StandardSchemaV1 } from "effect/StandardSchema"
import type { FlagValue } from "../EvaluationDetails.ts"
import { type ErrorCode, EvaluationError } from "../EvaluationError.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { FlagFilter } from "../FlagFilter.ts"
import type { HookContext } from "../HookContext.ts"
import * as Check from "../internal/check.ts"
import * as ValueCheck from "../internal/client/valueCheck.ts"
import { isMatch } from "../internal/filtering.ts"
import { tell } from "../internal/hook/tell.ts"
import { domainOf, providerNameOf } from "../internal/hook/view.ts"
import { Limiter } from "../internal/limiter.ts"
import * as Services from "../internal/services.ts"
import { oneLine } from "../internal/text.ts"
import { tryOr } from "../internal/untrusted.ts"

/**
 * What the values of some flags must be. All that is given must hold.
 *
 * @category models
 * @since 0.2.0
 */
export interface Rule {
  /** The flags that the rule is for: a key, a list of keys, or a filter. All by default. */
  readonly flags?: string | ReadonlyArray<string> | FlagFilter | undefined
  /**
   * A schema of Effect, or of a library with the Standard Schema interface, such as
   * Zod or Valibot. It must decode synchronously. What it decodes to is not used.
   * None by default.
   */
  readonly schema?: Schema.ConstraintDecoder<unknown> | StandardSchemaV1 | undefined
  /** The smallest allowed number. None by default. */
  readonly min?: number | undefined
  /** The largest allowed number. None by default. */
  readonly max?: number | undefined
  /**
   * The pattern of a text: a glob for the whole text, as `FlagFilter.pattern` has it,
   * or a regular expression, which may match a part. None by default.
   */
  readonly pattern?: string | RegExp | undefined
  /** The maximum length of a text in UTF-16 code units. 256 by default with a `pattern`, otherwise none. */
  readonly maxLength?: number | undefined
  /** The allowed values. Structures need a `schema` instead. None by default. */
  readonly oneOf?: ReadonlyArray<string | number | boolean> | undefined
  /** Whether a value is allowed. The value is deeply frozen. None by default. */
  readonly is?: ((value: FlagValue, context: HookContext) => boolean) | undefined
}

/**
 * A value that does not fit. It has nothing of the value, nor of the user.
 *
 * @category models
 * @since 0.2.0
 */
export interface Violation {
  /** The key of the flag. */
  readonly flagKey: string
  /** The type of the flag. */
  readonly flagValueType: HookContext["flagValueType"]
  /** The domain of the client, if it has one. */
  readonly domain: string | undefined
  /** The name of the provider. */
  readonly provider: string
  /** The position of the rule in `rules`, or `-1` when the value is not of the type of the flag. */
  readonly rule: number
  /** What the value should be, such as `a number >= 1`. */
  readonly expected: string
  /** Where it does not fit, such as `["limits"]["daily"]`. It is empty for the value as a whole. */
  readonly path: string
  /** The error code of the evaluation in the mode `"reject"`. */
  readonly errorCode: ErrorCode
  /** The number of further ones of the same flag and rule that were left out since the previous one. */
  readonly suppressed: number
  /** Whether more than 1,024 flags violate a rule, so this one stands for all further ones. */
  readonly isOverflow: boolean
}

/**
 * The options of a value validator.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** The rules, none by default. All that are for a flag must hold. */
  readonly rules?: ReadonlyArray<Rule> | undefined
  /** The evaluations to validate; all by default. */
  readonly flags?: FlagFilter | undefined
  /**
   * `"reject"`, the default, rejects the evaluation, so the caller gets the default
   * value. `"report"` only reports to `HookFailures`.
   */
  readonly mode?: "reject" | "report" | undefined
  /** Runs for a violation, in both modes. None by default. */
  readonly onViolation?: ((violation: Violation) => void) | undefined
  /**
   * The minimum time between two reports, and between two runs of `onViolation`, for
   * the same flag and rule; 1 minute by default. Evaluations are rejected in any case.
   */
  readonly interval?: Duration.Input | undefined
}

/** A rule that is ready to use. */
interface Compiled {
  readonly index: number
  readonly checks: ReadonlyArray<ValueCheck.ValueCheck>
  readonly keys: ReadonlySet<string> | undefined
  readonly filter: FlagFilter | undefined
}

interface Found extends ValueCheck.Misfit {
  readonly rule: number
}

const maxCauses = 1024

type AnySchema = Schema.ConstraintDecoder<unknown> | StandardSchemaV1

const isOfEffect = (schema: AnySchema): schema is Schema.ConstraintDecoder<unknown> => Schema.isSchema(schema)

const flagsRule: Check.Rule = (owner, name, value) => {
  if (typeof value === "function") return
  const keys = Check.names(owner, name, typeof value === "string" ? [value] : value)
  if (keys.length === 0 || keys.includes("")) Check.reject(owner, name, "a flag key, flag keys, or a filter", value)
}

const allowed: Check.Rule = (owner, name, value) => {
  const isPlain = (one: unknown) => ["string", "number", "boolean"].includes(typeof one)
  if (!Array.isArray(value) || value.length === 0 || !value.every(isPlain)) {
    Check.reject(owner, name, "a list of texts, numbers and booleans that is not empty", value)
  }
}

const aPattern: Check.Rule = (owner, name, value) => {
  if (!(value instanceof RegExp)) Check.aText(owner, name, value)
}

const compile = (given: Rule, index: number, owner: string): Compiled => {
  const place = `${owner}: rules[${index}]`
  const { flags, is, max, maxLength, min, oneOf, pattern, schema } = Check.options(place, given, {
    flags: flagsRule,
    schema: ValueCheck.aSchema,
    min: Check.aNumber,
    max: Check.aNumber,
    pattern: aPattern,
    maxLength: Check.positiveInteger,
    oneOf: allowed,
    is: Check.aFunction
  })
  if (min !== undefined && max !== undefined && min > max) {
    throw new RangeError(`${place}: min must not be greater than max, got ${min} and ${max}`)
  }
  const isText = pattern !== undefined || maxLength !== undefined
  if (isText && (min !== undefined || max !== undefined)) {
    throw new RangeError(`${place}: no value is a number (min, max) and a text (pattern, maxLength)`)
  }
  const checks = [
    ...schema === undefined
      ? []
      : [isOfEffect(schema) ? ValueCheck.schema(schema) : ValueCheck.standard(schema)],
    ...min === undefined && max === undefined ? [] : [ValueCheck.range(min, max)],
    ...isText ? [ValueCheck.text(pattern, maxLength)] : [],
    ...oneOf === undefined ? [] : [ValueCheck.oneOf(oneOf)],
    ...is === undefined ? [] : [ValueCheck.predicate(is)]
  ]
  if (checks.length === 0) {
    throw new RangeError(`${place}: needs at least one of schema, min, max, pattern, maxLength, oneOf, is`)
  }
  const keys = typeof flags === "string" ? [flags] : flags
  return typeof keys === "function"
    ? { index, checks, keys: undefined, filter: keys }
    : { index, checks, keys: keys && new Set(keys), filter: undefined }
}

const first = (
  checks: ReadonlyArray<ValueCheck.ValueCheck>,
  rule: number,
  value: FlagValue,
  context: HookContext
): Found | undefined => {
  for (const check of checks) {
    const misfit = check(value, context)
    if (misfit !== undefined) return { ...misfit, rule }
  }
  return undefined
}

const isFor = ({ filter, keys }: Compiled, context: HookContext): boolean =>
  keys === undefined ? filter === undefined || isMatch(filter, context) : keys.has(context.flagKey)

const name = "value-validator"

const call = (onViolation: (violation: Violation) => unknown, violation: Violation): void => {
  const services = Services.current()
  const failed = (error: unknown) => tell(name, "after", violation.flagKey, error, services)
  const given = tryOr(() => onViolation(violation), failed)
  // TypeScript takes an asynchronous function as well.
  if (Predicate.isPromiseLike(given)) Promise.resolve(given).catch(failed)
}

const codeOf = ({ isType }: ValueCheck.Misfit): ErrorCode => isType ? "TYPE_MISMATCH" : "GENERAL"

const messageOf = ({ expected, path }: ValueCheck.Misfit): string =>
  `the flag's value is not ${expected}${path === "" ? "" : `, at ${path}`}`

/**
 * Creates a hook that validates resolved values.
 *
 * **When to use**
 *
 * Use where a wrong value in the flag management system must not reach the code:
 * limits, URLs, names of variants, structures.
 *
 * **Details**
 *
 * First, the value must be of the type of the flag, which the SDK does not check.
 * Then all rules that are for the flag must hold, in their order. It is the same
 * for values of the provider, of a cache and of an override.
 *
 * The error code is `TYPE_MISMATCH` for a value that is not of the type of the
 * flag or of the rule, or that does not fit a schema. It is `GENERAL` for a value
 * of the right type that a range, a pattern, a list or a predicate does not allow:
 * OpenFeature has no code for that. The message says what the value should be and
 * where it does not fit. It has nothing of the value. In a path, a key that the
 * schema does not name is a `*`. With a schema of another library, only keys that
 * the default value has as well are known to be named.
 *
 * With a predicate or a schema that throws, or that answers with a promise, the
 * evaluation is rejected with `GENERAL`, and `HookFailures` has the cause.
 *
 * **Gotchas**
 *
 * Put it last in the list of hooks, behind caches. The `after` stages run in the
 * reverse order, so all hooks before it in the list see a failure, and no cache
 * keeps the value. Hooks after it in the list see a success.
 *
 * A schema only decides. A default that it has is not filled in, and a text that it
 * takes for a number stays a text.
 *
 * A regular expression can take exponential time, and nothing can interrupt it. It
 * only sees texts up to `maxLength`. A glob takes bounded time.
 *
 * Throws a `RangeError` that names the option when an option is invalid or
 * unknown, and when a rule checks nothing.
 *
 * **Example** (Refusing values that the code cannot use)
 *
 * ```ts
 * import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
 * import { OpenFeatureHook, ValueValidatorHook } from "effect-openfeature"
 *
 * const validator = ValueValidatorHook.make({
 *   rules: [
 *     { flags: "page-size", min: 1, max: 100 },
 *     { flags: "theme", oneOf: ["light", "dark"] }
 *   ]
 * })
 * await OpenFeature.setProviderAndWait("validated", new InMemoryProvider({
 *   "page-size": { variants: { none: 0 }, defaultVariant: "none", disabled: false },
 *   theme: { variants: { dark: "dark" }, defaultVariant: "dark", disabled: false }
 * }))
 * const client = OpenFeature.getClient("validated").addHooks(OpenFeatureHook.make(validator))
 * const { value, errorMessage } = await client.getNumberDetails("page-size", 20)
 * value // => 20
 * errorMessage // => "the flag's value is not a number >= 1 and <= 100"
 * await client.getStringValue("theme", "light") // => "dark"
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: Options = {}): FeatureHook.FeatureHook<EvaluationError> => {
  const owner = "ValueValidatorHook.make"
  const { flags, interval = "1 minute", mode = "reject", onViolation, rules = [] } = Check.options(owner, options, {
    rules: Check.aList,
    flags: Check.aFunction,
    mode: Check.among("reject", "report"),
    onViolation: Check.aFunction,
    interval: Check.positiveDuration
  })
  const compiled = rules.map((rule, index) => compile(rule, index, owner))
  const limiter = new Limiter(interval, maxCauses)

  const misfitOf = (value: FlagValue, context: HookContext): Found | undefined => {
    const wrongType = ValueCheck.type(value, context)
    if (wrongType !== undefined) return { ...wrongType, rule: -1 }
    for (const rule of compiled) {
      const found = isFor(rule, context) ? first(rule.checks, rule.index, value, context) : undefined
      if (found !== undefined) return found
    }
    return undefined
  }
  /** Returns whether it is to be told. */
  const note = (found: Found, context: HookContext): boolean => {
    const flagKey = oneLine(context.flagKey, 256)
    const taken = limiter.take(`${found.rule}\n${flagKey}`, Services.clock().monotonicTimeNanosUnsafe())
    if (taken === undefined) return false
    const domain = domainOf(context)
    const { expected, path, rule } = found
    const violation: Violation = Object.freeze({
      flagKey,
      flagValueType: context.flagValueType,
      domain: domain === undefined ? undefined : oneLine(domain, 256),
      provider: oneLine(providerNameOf(context), 256),
      rule,
      expected,
      path,
      errorCode: codeOf(found),
      ...taken
    })
    if (onViolation !== undefined) call(onViolation, violation)
    return true
  }

  const validator = FeatureHook.make(name, {
    after: (context, { value }): Exit.Exit<void, EvaluationError> | undefined => {
      const found = misfitOf(value, context)
      if (found === undefined) return undefined
      const isTold = (mode === "report" || onViolation !== undefined) && note(found, context)
      if (mode === "report" && !isTold) return undefined
      return Exit.fail(
        new EvaluationError({ code: codeOf(found), message: messageOf(found), flagKey: context.flagKey })
      )
    }
  })
  const hook = mode === "reject" ? validator : FeatureHook.watcher(validator)
  return flags === undefined ? hook : FeatureHook.when(hook, flags)
}
