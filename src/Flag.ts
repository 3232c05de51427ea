/**
 * Flags that are defined once: key, type or schema, default value, description,
 * owner and expiry.
 *
 * The Effect client (`FeatureFlags.get`) and the plain SDK (`Flag.evaluate`)
 * evaluate a flag by its definition, so that no caller repeats its key and its
 * default value, or takes it for a flag of another type. A list of definitions
 * becomes the flag manifest of the OpenFeature CLI or the file of flagd.
 *
 * @since 0.2.0
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type EvaluationContext, snapshot } from "./EvaluationContext.ts"
import type { EvaluationDetails, FlagValue } from "./EvaluationDetails.ts"
import * as Check from "./internal/check.ts"
import * as FlagType from "./internal/client/flagType.ts"
import { evaluatePlain } from "./internal/client/plain.ts"
import type { Question } from "./internal/client/resolved.ts"
import { printValue } from "./internal/text.ts"
import { formatTime, timeOf } from "./internal/time.ts"
import { tryOr } from "./internal/untrusted.ts"

const TypeId = "~effect-openfeature/Flag"

/**
 * The type of a flag.
 *
 * **Details**
 *
 * OpenFeature has one type of numbers. Its CLI and many other SDKs have two, so
 * a definition says whether a number is an integer.
 *
 * @category models
 * @since 0.2.0
 */
export type Type = "boolean" | "string" | "integer" | "number" | "object"

/**
 * The value of an object flag without a schema.
 *
 * @category models
 * @since 0.2.0
 */
export interface Structure {
  readonly [key: string]: FlagValue
}

/**
 * A flag that is defined once. It is frozen.
 *
 * **When to use**
 *
 * Use the constructors of this module to create one. Objects of this shape that
 * they did not create are refused.
 *
 * @category models
 * @since 0.2.0
 */
export interface Flag<out A> {
  /** Marks the flags that this module made. */
  readonly [TypeId]: typeof TypeId
  /** The key of the flag. */
  readonly key: string
  /** The type of the flag. */
  readonly type: Type
  /** The value of evaluations that fail. */
  readonly default: A
  /** What the flag is for. */
  readonly description: string | undefined
  /** Who is responsible for the flag: a team, or an address. */
  readonly owner: string | undefined
  /** The time from which the flag is expired, as an ISO text in UTC such as `2027-01-31T00:00:00.000Z`. */
  readonly expiry: string | undefined
}

/**
 * Any flag.
 *
 * @category utility types
 * @since 0.2.0
 */
export type Any = Flag<unknown>

/**
 * Extracts the type of the values of a flag.
 *
 * **Example** (Naming the type of a flag)
 *
 * ```ts
 * import { Flag } from "effect-openfeature"
 *
 * const Theme = Flag.string("theme", { default: "light" })
 * const theme: Flag.Value<typeof Theme> = "dark"
 * theme // => "dark"
 * ```
 *
 * @category utility types
 * @since 0.2.0
 */
export type Value<F> = F extends Flag<infer A> ? A : never

/**
 * A point in time: an ISO text, a `Date`, or a `DateTime` of Effect.
 *
 * **Details**
 *
 * A text is a date (`2027-01-31`), which means its beginning in UTC, or a time
 * with a zone (`2027-01-31T18:00:00Z`, `2027-01-31T18:00+02:00`).
 *
 * @category models
 * @since 0.2.0
 */
export type Time = string | Date | DateTime.DateTime

/**
 * The options of a definition.
 *
 * **Details**
 *
 * - `default`: the value of evaluations that fail; required.
 * - `description`: what the flag is for; none by default.
 * - `owner`: who is responsible for the flag; none by default.
 * - `expiry`: the time from which the flag is expired; never by default.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options<out A> {
  /** The value of evaluations that fail. */
  readonly default: A
  /** What the flag is for. None by default. */
  readonly description?: string | undefined
  /** Who is responsible for the flag: a team, or an address. None by default. */
  readonly owner?: string | undefined
  /** The time from which the flag is expired. Never by default. A date such as `2027-01-31` means its beginning in UTC. */
  readonly expiry?: Time | undefined
}

/**
 * The options of the definition of an object flag with a schema.
 *
 * @category models
 * @since 0.2.0
 */
export interface ObjectOptions<A> extends Options<NoInfer<A>> {
  /**
   * Decodes the value of the flag, and encodes the default value for the
   * provider and the hooks. Its encoded form is an object.
   */
  readonly schema: Schema.Codec<A, FlagValue>
}

// What the evaluation needs is private, so that only the constructors of this module make flags.
class Definition<out A> implements Flag<A> {
  readonly key: string
  readonly type: Type
  readonly default: A
  readonly description: string | undefined
  readonly owner: string | undefined
  readonly expiry: string | undefined
  readonly #question: Question<A>

  constructor(key: string, type: Type, flagType: FlagType.FlagType<A>, options: Options<A>) {
    const { description, expiry, owner } = options
    const time = timeOf(expiry)
    this.key = key
    this.type = type
    this.default = snapshot(options.default)
    this.description = description
    this.owner = owner
    this.expiry = time === undefined ? undefined : formatTime(time)
    this.#question = { type: flagType, flagKey: key, defaultValue: this.default }
    Object.freeze(this)
  }

  get [TypeId](): typeof TypeId {
    return TypeId
  }

  get question(): Question<A> {
    return this.#question
  }
}

/**
 * Checks whether a value is a flag that was defined with this module.
 *
 * @category guards
 * @since 0.2.0
 */
export const isFlag = (value: unknown): value is Any => tryOr(() => value instanceof Definition, () => false)

const isDefinition = <A>(flag: Flag<A>): flag is Definition<A> => isFlag(flag)

/**
 * Returns what the clients evaluate.
 *
 * @internal
 */
export const questionOf = <A>(owner: string, flag: Flag<A>): Question<A> =>
  isDefinition(flag) ? flag.question : Check.reject(owner, "flag", "a Flag", flag)

const anExpiry: Check.Rule = (owner, name, value) => {
  if (timeOf(value) === undefined) Check.reject(owner, name, "an ISO date, an ISO time with a zone, or a date", value)
}

const rules = {
  default: Check.anything,
  description: Check.aText,
  owner: Check.aText,
  expiry: anExpiry
}

const primitive =
  <A>(type: Type, flagType: FlagType.FlagType<A>, aDefault: Check.Rule) =>
  (key: string, options: Options<A>): Flag<A> => {
    const owner = `Flag.${type}`
    Check.aText(owner, "key", key)
    Check.options(owner, options, rules)
    aDefault(owner, "default", options.default)
    return new Definition(key, type, flagType, options)
  }

/**
 * Defines a boolean flag.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the key is empty, the default value is not a
 * boolean, or another option is invalid or unknown.
 *
 * **Example** (Defining a flag once)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags, Flag } from "effect-openfeature"
 *
 * const Sale = Flag.boolean("sale", {
 *   default: false,
 *   description: "Shows the prices of the sale",
 *   owner: "team-shop",
 *   expiry: "2027-01-31"
 * })
 * await Effect.runPromise(FeatureFlags.get(Sale).pipe(Effect.provide(FeatureFlags.layer()))) // => false
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const boolean: (key: string, options: Options<boolean>) => Flag<boolean> = primitive(
  "boolean",
  FlagType.boolean,
  Check.aBoolean
)

/**
 * Defines a string flag.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the key is empty, the default value is not a
 * string, or another option is invalid or unknown.
 *
 * **Example** (Defining a theme)
 *
 * ```ts
 * import { Flag } from "effect-openfeature"
 *
 * const Theme = Flag.string("theme", { default: "light" })
 * Theme.default // => "light"
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const string: (key: string, options: Options<string>) => Flag<string> = primitive(
  "string",
  FlagType.string,
  (owner, name, value) => {
    if (typeof value !== "string") Check.reject(owner, name, "a string", value)
  }
)

/**
 * Defines a number flag.
 *
 * **When to use**
 *
 * Use for numbers that can have a fraction. It is of the type `float` in a flag
 * manifest, also when its default value is an integer.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the key is empty, the default value is not a finite
 * number, or another option is invalid or unknown.
 *
 * **Example** (Defining a rate)
 *
 * ```ts
 * import { Flag } from "effect-openfeature"
 *
 * const Discount = Flag.number("discount", { default: 0.1 })
 * Discount.type // => "number"
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const number: (key: string, options: Options<number>) => Flag<number> = primitive(
  "number",
  FlagType.number,
  (owner, name, value) => {
    if (!Number.isFinite(value)) Check.reject(owner, name, "a finite number", value)
  }
)

/**
 * Defines a number flag with integers as its values.
 *
 * **Details**
 *
 * A value with a fraction gives the default value with `TYPE_MISMATCH`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the key is empty, the default value is not a safe
 * integer, or another option is invalid or unknown.
 *
 * **Example** (Defining a limit)
 *
 * ```ts
 * import { Flag } from "effect-openfeature"
 *
 * const MaxItems = Flag.integer("max-items", { default: 20 })
 * MaxItems.type // => "integer"
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const integer: (key: string, options: Options<number>) => Flag<number> = primitive(
  "integer",
  FlagType.integer,
  (owner, name, value) => {
    if (!Number.isSafeInteger(value)) Check.reject(owner, name, "an integer", value)
  }
)

const isStructure = Schema.is(Schema.JsonObject)

const aStructure: Check.Rule = (owner, name, value) => {
  if (!tryOr(() => isStructure(value), () => false)) {
    Check.reject(owner, name, "an object that JSON can represent", value)
  }
}

/**
 * Defines an object flag, with an optional schema.
 *
 * **Details**
 *
 * With a schema, callers get the decoded value, and the default value is a
 * decoded one. The provider and the hooks see the encoded value. A value that
 * the schema does not accept gives the default value with `TYPE_MISMATCH`, and
 * the error message says where it does not fit.
 *
 * **Gotchas**
 *
 * The value of an object flag is an object, as in flagd and in a flag manifest.
 * Put a list into a property.
 *
 * Throws a `RangeError` when the key is empty, the default value is not an
 * object that JSON can represent, the schema cannot encode the default value to
 * one, or another option is invalid or unknown.
 *
 * **Example** (Defining a flag with a schema)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Flag } from "effect-openfeature"
 *
 * const Limits = Flag.object("limits", {
 *   schema: Schema.Struct({ daily: Schema.Number, since: Schema.DateFromString }),
 *   default: { daily: 100, since: new Date("2026-01-01") }
 * })
 * Limits.default.daily // => 100
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export function object(key: string, options: Options<Structure>): Flag<Structure>
export function object<A>(key: string, options: ObjectOptions<A>): Flag<A>
export function object<A>(key: string, options: ObjectOptions<A> | Options<Structure>): Flag<A> | Flag<Structure> {
  const owner = "Flag.object"
  Check.aText(owner, "key", key)
  Check.options<ObjectOptions<A> | Options<Structure> & { readonly schema?: undefined }>(owner, options, {
    ...rules,
    schema: (owner, name, value) => {
      if (!Schema.isSchema(value)) Check.reject(owner, name, "a Schema", value)
    }
  })
  if (!hasSchema(options)) {
    aStructure(owner, "default", options.default)
    return new Definition(key, "object", FlagType.record, options)
  }
  const encoded = tryOr(
    () => Result.getOrUndefined(Schema.encodeUnknownResult(options.schema)(options.default)),
    () => undefined
  )
  if (encoded === undefined) Check.reject(owner, "default", "a value that the schema can encode", options.default)
  aStructure(owner, "the encoded default", encoded)
  return new Definition(key, "object", FlagType.schema(options.schema), options)
}

const hasSchema = <A>(options: ObjectOptions<A> | Options<Structure>): options is ObjectOptions<A> =>
  "schema" in options && options.schema !== undefined

/**
 * Evaluates a flag with a client of the plain SDK.
 *
 * **When to use**
 *
 * Use where there is no Effect. In Effect programs, use `FeatureFlags.get`.
 *
 * **Details**
 *
 * Returns the default value if something goes wrong, and if the value is not of
 * the type of the flag, or does not match its schema. `details` says which.
 *
 * **Gotchas**
 *
 * Rejects only with a `RangeError`, when `flag` is not a `Flag`.
 *
 * **Example** (Evaluating a flag without Effect)
 *
 * ```ts
 * import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
 * import { Flag } from "effect-openfeature"
 *
 * const Sale = Flag.boolean("sale", { default: false })
 *
 * await OpenFeature.setProviderAndWait(
 *   new InMemoryProvider({
 *     sale: { variants: { on: true, off: false }, defaultVariant: "on", disabled: false }
 *   })
 * )
 * const client = OpenFeature.getClient()
 * await Flag.evaluate(client, Sale, { targetingKey: "user-1" }) // => true
 * ```
 *
 * @category evaluating
 * @since 0.2.0
 */
export const evaluate = async <A>(
  client: SDK.Client,
  flag: Flag<A>,
  context?: EvaluationContext | undefined,
  options?: SDK.FlagEvaluationOptions | undefined
): Promise<A> => (await evaluatePlain(client, questionOf("Flag.evaluate", flag), context, options)).value

/**
 * Evaluates a flag with a client of the plain SDK and returns the evaluation
 * details.
 *
 * **Details**
 *
 * The details are frozen, and those that hooks see, except that a schema decodes
 * the value. If the value is not of the type of the flag, or does not match its
 * schema, hooks run their `error` stage, and the details have the default value
 * and `TYPE_MISMATCH`.
 *
 * **Gotchas**
 *
 * Rejects only with a `RangeError`, when `flag` is not a `Flag`.
 *
 * **Example** (Finding out where a value does not fit)
 *
 * ```ts
 * import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
 * import { Schema } from "effect"
 * import { Flag } from "effect-openfeature"
 *
 * const Limits = Flag.object("limits", {
 *   schema: Schema.Struct({ daily: Schema.Number }),
 *   default: { daily: 100 }
 * })
 *
 * await OpenFeature.setProviderAndWait(
 *   new InMemoryProvider({
 *     limits: { variants: { odd: { daily: "many" } }, defaultVariant: "odd", disabled: false }
 *   })
 * )
 * const details = await Flag.details(OpenFeature.getClient(), Limits)
 * details.value // => { daily: 100 }
 * details.errorCode // => "TYPE_MISMATCH"
 * details.errorMessage // => 'the flag\'s value is not what the schema describes, at ["daily"]'
 * ```
 *
 * @category evaluating
 * @since 0.2.0
 */
export const details = async <A>(
  client: SDK.Client,
  flag: Flag<A>,
  context?: EvaluationContext | undefined,
  options?: SDK.FlagEvaluationOptions | undefined
): Promise<EvaluationDetails<A>> =>
  (await evaluatePlain(client, questionOf("Flag.details", flag), context, options)).details

/**
 * Returns the flags that are expired at a time.
 *
 * **When to use**
 *
 * Use where there is no Effect, or for a time other than now. `expired` takes
 * the time from Effect's `Clock`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the time is invalid.
 *
 * **Example** (Looking ahead)
 *
 * ```ts
 * import { Flag } from "effect-openfeature"
 *
 * const flags = [
 *   Flag.boolean("sale", { default: false, expiry: "2027-01-31" }),
 *   Flag.boolean("new-checkout", { default: false })
 * ]
 * Flag.expiredAt(flags, "2027-02-01").map(({ key }) => key) // => ["sale"]
 * ```
 *
 * @category expiry
 * @since 0.2.0
 */
export const expiredAt = <F extends Any>(flags: Iterable<F>, time: Time): ReadonlyArray<F> =>
  expiredBy(
    flags,
    timeOf(time) ?? Check.reject("Flag.expiredAt", "time", "an ISO date, an ISO time with a zone, or a date", time)
  )

const expiredBy = <F extends Any>(flags: Iterable<F>, now: number): ReadonlyArray<F> =>
  Array.from(flags).filter(({ expiry }) => (timeOf(expiry) ?? Number.POSITIVE_INFINITY) <= now)

/**
 * Returns the flags that are expired now, by the `Clock`.
 *
 * **Example** (Warning about expired flags at the start)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Flag } from "effect-openfeature"
 *
 * const flags = [Flag.boolean("sale", { default: false, owner: "team-shop", expiry: "2020-01-31" })]
 * const warn = Effect.gen(function*() {
 *   const expired = yield* Flag.expired(flags)
 *   for (const { key, owner } of expired) yield* Effect.logWarning(`flag ${key} of ${owner} is expired`)
 *   return expired.length
 * })
 * await Effect.runPromise(warn) // => 1
 * ```
 *
 * @category expiry
 * @since 0.2.0
 */
export const expired = <F extends Any>(flags: Iterable<F>): Effect.Effect<ReadonlyArray<F>> =>
  Effect.map(Clock.currentTimeMillis, (now) => expiredBy(flags, now))

/**
 * A flag in the flag manifest of the OpenFeature CLI.
 *
 * @category models
 * @since 0.2.0
 */
export interface ManifestFlag {
  /** The type of the flag, as the CLI calls it. A `number` is a `float`. */
  readonly flagType: "boolean" | "string" | "integer" | "float" | "object"
  /** The default value, encoded by the schema of the flag. */
  readonly defaultValue: FlagValue
  /** What the flag is for. */
  readonly description?: string
}

/**
 * The flag manifest of the OpenFeature CLI.
 *
 * @category models
 * @since 0.2.0
 */
export interface Manifest {
  /** The address of the JSON schema of flag manifests. */
  readonly $schema: string
  /** The flags, by key. */
  readonly flags: { readonly [key: string]: ManifestFlag }
}

/**
 * Lists flags as a flag manifest of the OpenFeature CLI, which generates typed
 * accessors for other languages from it.
 *
 * **Details**
 *
 * A flag has its type, default value and description. A manifest has no field
 * for the owner and the expiry.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when two flags have the same key, or an element is not a
 * `Flag`.
 *
 * **Example** (Listing the flags of a module)
 *
 * ```ts
 * import { Flag } from "effect-openfeature"
 *
 * const flags = [Flag.boolean("sale", { default: false, description: "Shows the prices of the sale" })]
 * const { flags: listed } = Flag.manifest(flags)
 * listed["sale"]?.flagType // => "boolean"
 * listed["sale"]?.description // => "Shows the prices of the sale"
 * ```
 *
 * @category listing
 * @since 0.2.0
 */
export const manifest = (flags: Iterable<Any>): Manifest => ({
  $schema: "https://raw.githubusercontent.com/open-feature/cli/refs/heads/main/schema/v0/flag-manifest.json",
  flags: byKey("Flag.manifest", flags, ({ description, type }, defaultValue): ManifestFlag => ({
    flagType: type === "number" ? "float" : type,
    defaultValue,
    ...description !== undefined && { description }
  }))
})

/**
 * A flag in the file of flagd.
 *
 * @category models
 * @since 0.2.0
 */
export interface FlagdFlag {
  /** Whether flagd evaluates the flag. */
  readonly state: "ENABLED"
  /** The values that the flag can have: `on` and `off` for a boolean, `default` otherwise. */
  readonly variants: { readonly [variant: string]: FlagValue }
  /** The variant of the default value. */
  readonly defaultVariant: string
  /** The description, the owner and the expiry, if the definition has them. */
  readonly metadata: { readonly [name: string]: string }
}

/**
 * The file of flagd.
 *
 * @category models
 * @since 0.2.0
 */
export interface Flagd {
  /** The address of the JSON schema of flagd's files. */
  readonly $schema: string
  /** The flags, by key. */
  readonly flags: { readonly [key: string]: FlagdFlag }
}

/**
 * Lists flags as the file of flagd, in which every flag has its default value.
 *
 * **When to use**
 *
 * Use for a first version of the file, to which you add variants and targeting.
 *
 * **Details**
 *
 * A boolean flag has the variants `on` and `off`, another flag the variant
 * `default`. The description, the owner and the expiry are metadata, which flagd
 * adds to the evaluation details as `flagMetadata`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when two flags have the same key, or an element is not a
 * `Flag`.
 *
 * **Example** (Writing a flag for flagd)
 *
 * ```ts
 * import { Flag } from "effect-openfeature"
 *
 * const flags = [Flag.boolean("sale", { default: false, owner: "team-shop" })]
 * const file = Flag.flagd(flags)
 * file.flags["sale"]?.variants // => { on: true, off: false }
 * file.flags["sale"]?.defaultVariant // => "off"
 * file.flags["sale"]?.metadata // => { owner: "team-shop" }
 * ```
 *
 * @category listing
 * @since 0.2.0
 */
export const flagd = (flags: Iterable<Any>): Flagd => ({
  $schema: "https://flagd.dev/schema/v0/flags.json",
  flags: byKey("Flag.flagd", flags, ({ description, expiry, owner }, value): FlagdFlag => ({
    state: "ENABLED",
    ...typeof value === "boolean"
      ? { variants: { on: true, off: false }, defaultVariant: value ? "on" : "off" }
      : { variants: { default: value }, defaultVariant: "default" },
    metadata: {
      ...description !== undefined && { description },
      ...owner !== undefined && { owner },
      ...expiry !== undefined && { expiry }
    }
  }))
})

const byKey = <A>(
  owner: string,
  flags: Iterable<Any>,
  describe: (flag: Any, encodedDefault: FlagValue) => A
): { readonly [key: string]: A } => {
  const entries = new Map<string, A>()
  for (const flag of flags) {
    const { defaultValue, flagKey, type } = questionOf(owner, flag)
    if (entries.has(flagKey)) throw new RangeError(`${owner}: two flags have the key ${printValue(flagKey, 100)}`)
    entries.set(flagKey, describe(flag, type.encode(defaultValue)))
  }
  return Object.fromEntries(entries)
}
