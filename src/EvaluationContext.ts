/**
 * Pure functions over the evaluation context of the SDK.
 *
 * An evaluation context describes the subject of an evaluation: a targeting key
 * and any number of attributes. It is a plain record. The functions of this
 * module never write to their input. They keep own keys such as `constructor` as
 * data, and no key named `__proto__` ever becomes a prototype.
 *
 * @since 0.1.0
 */
import type * as SDK from "@openfeature/server-sdk"
import { cast } from "effect/Function"
import { isRecord, tryOr } from "./internal/untrusted.ts"

/**
 * A deeply read-only value of an evaluation context.
 *
 * @category models
 * @since 0.1.0
 */
export type Value =
  | string
  | number
  | boolean
  | null
  | Date
  | { readonly [key: string]: Value }
  | ReadonlyArray<Value>

/**
 * An evaluation context as hooks see it: the SDK's type, deeply read-only.
 *
 * @category models
 * @since 0.1.0
 */
export type EvaluationContext = {
  /** The subject of the evaluation, such as the id of a user. None by default. */
  readonly targetingKey?: string
} & { readonly [key: string]: Value }

/**
 * The evaluation context without attributes.
 *
 * @category constants
 * @since 0.1.0
 */
export const empty: EvaluationContext = Object.freeze({})

/**
 * Checks whether a value is a record and can serve as an evaluation context.
 *
 * **Details**
 *
 * The check is shallow. It does not look at the attributes.
 *
 * @category guards
 * @since 0.1.0
 */
export const isEvaluationContext = (value: unknown): value is EvaluationContext => isRecord(value)

/**
 * Merges evaluation contexts: later ones override earlier ones, attribute by
 * attribute (specification 3.2.3).
 *
 * **Details**
 *
 * The merge is shallow, like the SDK's. `undefined` and values that are not
 * records count as empty.
 *
 * **Example** (Overriding the context of a client)
 *
 * ```ts
 * import { EvaluationContext } from "effect-openfeature"
 *
 * EvaluationContext.merge({ region: "eu", plan: "free" }, { plan: "pro" }) // => { region: "eu", plan: "pro" }
 * ```
 *
 * @category combining
 * @since 0.1.0
 */
export const merge = (...levels: ReadonlyArray<EvaluationContext | undefined>): EvaluationContext => {
  let merged: EvaluationContext = empty
  for (const level of levels) {
    if (!isRecord(level)) continue
    merged = merged === empty ? level : { ...merged, ...level }
  }
  return merged
}

/**
 * Keeps the named attributes.
 *
 * **Details**
 *
 * Names without an attribute are ignored, and so are inherited properties.
 *
 * **Example** (Selecting attributes for a log)
 *
 * ```ts
 * import { EvaluationContext } from "effect-openfeature"
 *
 * EvaluationContext.pick({ targetingKey: "user-1", plan: "pro", email: "a@b.c" }, ["plan"]) // => { plan: "pro" }
 * ```
 *
 * @category filtering
 * @since 0.1.0
 */
export const pick = (context: EvaluationContext, names: ReadonlyArray<string>): EvaluationContext =>
  Object.fromEntries(names.flatMap((name) => {
    const value = Object.hasOwn(context, name) ? context[name] : undefined
    return value === undefined ? [] : [[name, value]]
  }))

/**
 * Removes the named attributes.
 *
 * **Example** (Removing personal data)
 *
 * ```ts
 * import { EvaluationContext } from "effect-openfeature"
 *
 * EvaluationContext.omit({ plan: "pro", email: "a@b.c" }, ["email"]) // => { plan: "pro" }
 * ```
 *
 * @category filtering
 * @since 0.1.0
 */
export const omit = (context: EvaluationContext, names: ReadonlyArray<string>): EvaluationContext =>
  Object.fromEntries(Object.entries(context).filter(([name]) => !names.includes(name)))

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const copyTree = <A extends object>(root: A, isFrozen: boolean): A => {
  const copies = new Map<object, object>()
  const open: Array<readonly [from: object, to: object]> = []
  const copy = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value
    const seen = copies.get(value)
    if (seen !== undefined) return seen
    if (value instanceof Date) return new Date(value.getTime())
    if (!Array.isArray(value) && !isPlain(value)) return value
    const to = Array.isArray(value) ? new Array(value.length) : {}
    copies.set(value, to)
    open.push([value, to])
    return to
  }
  const result = copy(root)
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [from, to] = next
    for (const key of Object.keys(from)) {
      Object.defineProperty(to, key, {
        value: copy(Reflect.get(from, key)),
        enumerable: true,
        writable: true,
        configurable: true
      })
    }
    if (isFrozen) Object.freeze(to)
  }
  return cast(result)
}

/**
 * Returns a deeply frozen copy of a value.
 *
 * **Details**
 *
 * Copies plain records, arrays and dates. Instances of other classes stay as
 * they are. The copy keeps cycles and shared parts, and its depth is not
 * limited, since it is made without recursion.
 *
 * **Gotchas**
 *
 * A value that cannot be read, such as a hostile proxy, is returned as it is,
 * without a copy.
 *
 * **Example** (Copying a nested value)
 *
 * ```ts
 * import { EvaluationContext } from "effect-openfeature"
 *
 * const original = { user: { roles: ["admin"] } }
 * const copy = EvaluationContext.snapshot(original)
 * original.user.roles.push("owner")
 * copy // => { user: { roles: ["admin"] } }
 * ```
 *
 * @category copying
 * @since 0.1.0
 */
export const snapshot = <A>(value: A): A =>
  typeof value === "object" && value !== null ? tryOr(() => copyTree(value, true), () => value) : value

/**
 * Returns a deep copy that is writable.
 *
 * @internal
 */
export const clone = <A>(value: A): A =>
  typeof value === "object" && value !== null ? tryOr(() => copyTree(value, false), () => value) : value

/**
 * Converts a context to the SDK's type.
 *
 * **Details**
 *
 * Returns a new record with the same keys and values, except for two:
 *
 * - An own key `__proto__`. The SDK assigns the result of a hook key by key, so
 *   this key would set the prototype of the live context.
 * - An attribute `then` that is a function. The SDK awaits the context and would
 *   call it.
 *
 * @category converting
 * @since 0.1.0
 */
export const toSdk = (context: EvaluationContext): SDK.EvaluationContext => {
  const copy = cast<EvaluationContext, Record<string, SDK.EvaluationContextValue>>({ ...context })
  if (Object.hasOwn(copy, "__proto__")) delete copy["__proto__"]
  if (typeof copy["then"] === "function") delete copy["then"]
  return copy
}
