/**
 * Settings that decide which data of an evaluation may leave the process.
 *
 * All hooks that log, measure or trace take these options, so one object, spread
 * into their options, applies to all of them. By default no attribute of the
 * evaluation context, no flag value and no error message leaves the process.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type { EvaluationContext } from "./EvaluationContext.ts"
import * as Check from "./internal/check.ts"
import { createHmac } from "./internal/node.ts"
import { printValue } from "./internal/text.ts"
import { ignoreRejection, readOwn, tryOr } from "./internal/untrusted.ts"

/**
 * Options that select and format the data that may leave the process.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Includes flag values and default values; `false` by default. */
  readonly values?: boolean | undefined
  /** Includes error messages; `false` by default. Error codes are always included. */
  readonly errorMessage?: boolean | undefined
  /**
   * The attributes of the evaluation context to include; none by default. Either
   * their names, which can contain `targetingKey`, or `{ except: [...] }` for all
   * but the named ones and the targeting key.
   */
  readonly context?: ReadonlyArray<string> | {
    /** The attributes to leave out, besides the targeting key. */
    readonly except: ReadonlyArray<string>
  } | undefined
  /**
   * `"omit"`, `"raw"`, or a function that formats the targeting key, such as
   * `Privacy.hmac`. By default it is left out, unless `context` names it.
   */
  readonly targetingKey?: "omit" | "raw" | ((targetingKey: string) => string) | undefined
  /** The maximum length of a text in characters, 500 by default. */
  readonly maxLength?: number | undefined
  /** The maximum depth of printed structures, 8 by default. */
  readonly maxDepth?: number | undefined
  /** The maximum number of keys and values of a printed structure, 1,000 by default. */
  readonly maxSize?: number | undefined
  /**
   * Replaces values before they are written. It receives the name (`value`,
   * `default_value`, `error_message`, `error_stack`, `targeting_key`, `variant`,
   * `context.plan`, `metadata.version`) and the value, and returns the
   * replacement, or `undefined` to leave it out. If it throws or returns a promise,
   * `<redacted>` is written. It does not apply to the flag key, the provider, the domain and the
   * reason.
   */
  readonly redact?: ((name: string, value: unknown) => unknown) | undefined
}

/**
 * Checked settings, as functions that format what may leave the process.
 *
 * **When to use**
 *
 * Use in a custom hook that writes data of evaluations to a log, a metric or a
 * trace. Each function returns `undefined` for data to leave out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Privacy {
  /** Whether flag values may be written. */
  readonly values: boolean
  /** Formats any value as one bounded line. */
  readonly print: (value: unknown) => string
  /** Redacts a value without formatting it. */
  readonly keep: (name: string, value: unknown) => unknown
  /** Redacts and formats a value that may be written, such as a variant, or a flag value if `values` is set. */
  readonly write: (name: string, value: unknown) => string | undefined
  /** Redacts and formats an error message, if `errorMessage` is set. */
  readonly errorMessage: (message: string | undefined) => string | undefined
  /** Formats the targeting key, if `targetingKey` allows it. */
  readonly targetingKey: (evaluation: Evaluation) => string | undefined
  /** The attributes that `context` selects, redacted. */
  readonly attributes: (evaluation: Evaluation) => Readonly<Record<string, unknown>> | undefined
}

/**
 * Any object with an evaluation context, such as a hook context. The context is
 * read only if the settings allow it.
 */
type Evaluation = { readonly context: EvaluationContext }

const redacted = "<redacted>"

/** What a function of the user gives. One that throws or gives a promise has not decided, so nothing is revealed. */
const given = (call: () => unknown): unknown => {
  const result: unknown = tryOr(call, () => redacted)
  if (!tryOr(() => Predicate.isPromiseLike(result), () => false)) return result
  ignoreRejection(result)
  return redacted
}

/**
 * The checks of these options, for hooks that have more.
 *
 * @internal
 */
export const rules: Check.Rules<Options> = {
  values: Check.aBoolean,
  errorMessage: Check.aBoolean,
  context: (owner, name, value) => {
    if (Array.isArray(value)) return Check.names(owner, name, value)
    Check.aRecord(owner, `${name}, unless it is a list of names,`, value)
    return Check.names(owner, `${name}.except`, readOwn(value, "except"))
  },
  // A misspelt "omit" must not reveal the targeting key.
  targetingKey: (owner, name, value) => typeof value === "function" || Check.oneOf(owner, name, ["omit", "raw"], value),
  maxLength: Check.positiveInteger,
  maxDepth: Check.positiveInteger,
  maxSize: Check.positiveInteger,
  redact: Check.aFunction
}

/**
 * Checks the options of a hook. `owner` names its constructor, such as
 * `LoggingHook.make`, in errors. `also` names further options of that
 * constructor, which are not checked here.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that names the option when an option is unknown or has
 * an invalid value.
 *
 * **Example** (Including an attribute and a hashed targeting key)
 *
 * ```ts
 * import { Redacted } from "effect"
 * import { Privacy } from "effect-openfeature"
 *
 * const privacy = Privacy.make("AuditHook.make", {
 *   context: ["plan"],
 *   targetingKey: Privacy.hmac(Redacted.make("a secret of at least 16 bytes"))
 * })
 * const context = { targetingKey: "user-1", plan: "pro", email: "a@b.c" }
 * privacy.attributes({ context }) // => { plan: "pro" }
 * privacy.targetingKey({ context })?.length // => 64
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (owner: string, options: Options = {}, also: ReadonlyArray<string> = []): Privacy =>
  fromChecked(
    Check.options(owner, options, { ...Object.fromEntries(also.map((name) => [name, Check.anything])), ...rules })
  )

/**
 * The same for options that a hook has checked with its own.
 *
 * @internal
 */
export const fromChecked = (options: Options): Privacy => {
  const { context: named = [], maxLength = 500, redact, targetingKey: writer } = options
  const isSelected = "except" in named || named.length > 0
  const namesIn = (context: EvaluationContext): ReadonlyArray<string> =>
    "except" in named
      ? Object.keys(context).filter((name) => name !== "targetingKey" && !named.except.includes(name))
      : named
  const limits = { maxDepth: options.maxDepth ?? 8, maxNodes: options.maxSize ?? 1000 }
  const print = (value: unknown): string => printValue(value, maxLength, limits)
  const keep = (name: string, value: unknown): unknown =>
    redact === undefined ? value : given(() => redact(name, value))
  const write = (name: string, value: unknown): string | undefined => {
    const kept = keep(name, value)
    return kept === undefined ? undefined : print(kept)
  }
  const key = (found: unknown): unknown => {
    if (writer === "omit") return undefined
    if (typeof writer !== "function") return keep("targeting_key", found)
    // A function that cannot format the key must not reveal it.
    if (typeof found !== "string") return undefined
    return keep("targeting_key", given(() => writer(found)))
  }
  const attributes = ({ context }: Evaluation) => {
    const kept: Array<readonly [string, unknown]> = []
    for (const name of tryOr(() => namesIn(context), () => [])) {
      const found = readOwn(context, name)
      if (found === undefined) continue
      const value = name === "targetingKey" ? key(found) : keep(`context.${name}`, found)
      if (value !== undefined) kept.push([name, value])
    }
    return Object.fromEntries(kept)
  }
  return {
    values: options.values === true,
    print,
    keep,
    write,
    errorMessage: (message) =>
      options.errorMessage === true && message !== undefined ? write("error_message", message) : undefined,
    targetingKey: (evaluation) => {
      if (writer === undefined || writer === "omit") return undefined
      const found = readOwn(evaluation.context, "targetingKey")
      if (typeof found !== "string" || found === "") return undefined
      const written = key(found)
      return written === undefined ? undefined : print(written)
    },
    attributes: (evaluation) => isSelected ? attributes(evaluation) : undefined
  }
}

/**
 * Creates a function that replaces a targeting key with its HMAC-SHA-256, in
 * hexadecimal digits.
 *
 * **When to use**
 *
 * Use to recognise the same user in logs and traces without revealing the
 * targeting key.
 *
 * **Details**
 *
 * The same key always has the same digest. It covers the key's bytes in UTF-8.
 * Without a secret, the digest of something as short as a user number could be
 * reversed by trying all numbers.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the secret is shorter than 16 bytes, or outside of
 * Node.js.
 *
 * **Example** (Hashing targeting keys)
 *
 * ```ts
 * import { Redacted } from "effect"
 * import { Privacy } from "effect-openfeature"
 *
 * const write = Privacy.hmac(Redacted.make("a secret of at least 16 bytes"))
 * write("user-1") === write("user-1") // => true
 * write("user-1") === write("user-2") // => false
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const hmac = (secret: Redacted.Redacted): (targetingKey: string) => string => {
  if (!Redacted.isRedacted(secret)) throw new RangeError("Privacy.hmac: write Redacted.make(secret)")
  const key = Redacted.value(secret)
  if (new TextEncoder().encode(key).length < 16) {
    throw new RangeError("Privacy.hmac: the secret must have at least 16 bytes")
  }
  const hmacOf = createHmac("Privacy.hmac")
  return (targetingKey) => hmacOf("sha256", key).update(targetingKey, "utf8").digest("hex")
}
