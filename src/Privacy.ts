/**
 * What hooks that log, count or trace may tell the outside about an evaluation.
 *
 * All of them take these settings, so one object, spread into the options of
 * each, holds for everything that leaves the process. By default nothing of the
 * evaluation context, no value and no error text does.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import type { EvaluationContext } from "./EvaluationContext.ts"
import * as Check from "./internal/check.ts"
import { createHmac } from "./internal/node.ts"
import { printValue } from "./internal/text.ts"
import { readOwn, tryOr } from "./internal/untrusted.ts"

/**
 * What may leave the process, and how it is written.
 *
 * **Details**
 *
 * - `values`: flag values and default values; `false` by default.
 * - `errorMessage`: the messages of errors; `false` by default. Error codes are
 *   always told.
 * - `context`: attributes of the evaluation context, by name, `targetingKey`
 *   among them; none by default.
 * - `targetingKey`: `"omit"`, `"raw"`, or a function that writes it, such as
 *   `Privacy.hmac`. By default it is left out, unless `context` names it.
 * - `maxLength`: the longest text in characters, 500 by default.
 * - `maxDepth`, `maxSize`: how deep structures are written, and how many keys
 *   and values of them; 8 and 1000 by default.
 * - `redact`: sees what would be written of an evaluation, but for the flag's
 *   key, the provider, the domain and the reason, each with its name
 *   (`value`, `default_value`, `error_message`, `targeting_key`, `variant`,
 *   `context.plan`, `metadata.version`), and gives back what is written instead,
 *   or `undefined` to leave it out. One that throws leaves `<redacted>`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly values?: boolean | undefined
  readonly errorMessage?: boolean | undefined
  readonly context?: ReadonlyArray<string> | undefined
  readonly targetingKey?: "omit" | "raw" | ((targetingKey: string) => string) | undefined
  readonly maxLength?: number | undefined
  readonly maxDepth?: number | undefined
  readonly maxSize?: number | undefined
  readonly redact?: ((name: string, value: unknown) => unknown) | undefined
}

/**
 * Checked settings, as functions that write what may be written.
 *
 * **When to use**
 *
 * In a hook of your own that tells the outside about evaluations. Each function
 * gives `undefined` for what is to be left out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Privacy {
  /** Whether values may be told. */
  readonly values: boolean
  /** Writes anything as one bounded line. */
  readonly print: (value: unknown) => string
  /** Redacts what may be told, without writing it. */
  readonly keep: (name: string, value: unknown) => unknown
  /** Redacts and writes what may be told, such as a variant, or a value where `values` is set. */
  readonly write: (name: string, value: unknown) => string | undefined
  readonly errorMessage: (message: string | undefined) => string | undefined
  readonly targetingKey: (evaluation: Evaluation) => string | undefined
  /** The attributes that are named, redacted. */
  readonly attributes: (evaluation: Evaluation) => Readonly<Record<string, unknown>> | undefined
}

/** What has an evaluation context, such as a hook context; it is not read unless something of it may be told. */
type Evaluation = { readonly context: EvaluationContext }

const redacted = "<redacted>"

/**
 * Checks settings for the hook that is named, in the form `LoggingHook.make`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that names the option when a limit is not an integer of
 * at least 1, or another option is not what it may be.
 *
 * **Example** (Writing the plan and a hash of the user)
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
export const make = (owner: string, options: Options = {}): Privacy => {
  const { redact, targetingKey: writer } = options
  const names = Check.names(owner, "context", options.context ?? [])
  const maxLength = Check.positiveInteger(owner, "maxLength", options.maxLength ?? 500)
  const limits = {
    maxDepth: Check.positiveInteger(owner, "maxDepth", options.maxDepth ?? 8),
    maxNodes: Check.positiveInteger(owner, "maxSize", options.maxSize ?? 1000)
  }
  Check.optionalFunction(owner, "redact", redact)
  // A misspelt "omit" must not tell the key.
  if (typeof writer !== "function") Check.oneOf(owner, "targetingKey", [undefined, "omit", "raw"], writer)
  const print = (value: unknown): string => printValue(value, maxLength, limits)
  const keep = (name: string, value: unknown): unknown =>
    redact === undefined ? value : tryOr(() => redact(name, value), () => redacted)
  const write = (name: string, value: unknown): string | undefined => {
    const kept = keep(name, value)
    return kept === undefined ? undefined : print(kept)
  }
  const key = (found: unknown): unknown => {
    if (writer === "omit") return undefined
    if (typeof writer !== "function") return keep("targeting_key", found)
    // What the function cannot write is not told in its place.
    if (typeof found !== "string") return undefined
    return keep("targeting_key", tryOr(() => writer(found), () => redacted))
  }
  const attributes = ({ context }: Evaluation) => {
    const kept: Array<readonly [string, unknown]> = []
    for (const name of names) {
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
    attributes: (evaluation) => names.length === 0 ? undefined : attributes(evaluation)
  }
}

/**
 * Writes a targeting key as its HMAC-SHA-256 in hexadecimal digits, the same one
 * for the same key.
 *
 * **Details**
 *
 * What is hashed are the bytes of the key in UTF-8. Without the secret, a hash
 * of something as short as a user number could be found by trying all of them.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the secret is shorter than 16 bytes.
 *
 * **Example** (The same user, not recognisable)
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
  const key = Redacted.value(secret)
  if (new TextEncoder().encode(key).length < 16) {
    throw new RangeError("Privacy.hmac: the secret must have at least 16 bytes")
  }
  const hmacOf = createHmac("Privacy.hmac")
  return (targetingKey) => hmacOf("sha256", key).update(targetingKey, "utf8").digest("hex")
}
