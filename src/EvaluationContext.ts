/**
 * Pure functions over the SDK's evaluation context.
 *
 * An evaluation context says who a flag is evaluated for: a targeting key and
 * any attributes. It is a plain record, so the functions here never write to
 * what they are given, keep own keys such as `constructor` as data, and never
 * let a key named `__proto__` become a prototype.
 *
 * @since 0.1.0
 */
import type * as SDK from "@openfeature/server-sdk"
import { cast } from "effect/Function"
import { isRecord, tryOr } from "./internal/untrusted.ts"

/**
 * A value in an evaluation context, all the way down read-only.
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
 * The evaluation context as hooks see it: the SDK's, all the way down
 * read-only.
 *
 * @category models
 * @since 0.1.0
 */
export type EvaluationContext = { readonly targetingKey?: string } & { readonly [key: string]: Value }

/**
 * The context without any attribute.
 *
 * @category constants
 * @since 0.1.0
 */
export const empty: EvaluationContext = Object.freeze({})

/**
 * Tells whether a value is a record and so can be an evaluation context.
 *
 * **Details**
 *
 * Looks at the outside only: the values in it are not checked.
 *
 * @category guards
 * @since 0.1.0
 */
export const isEvaluationContext = (value: unknown): value is EvaluationContext => isRecord(value)

/**
 * Merges contexts by level: a later one overrides an earlier one, attribute by
 * attribute (specification 3.2.3).
 *
 * **Details**
 *
 * The merge is shallow, as the SDK's is. `undefined` and anything that is not a
 * record counts as empty.
 *
 * **Example** (The invocation overrides the client)
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
 * Keeps the attributes that are named, as far as they are there.
 *
 * **Example** (What may be logged)
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
 * Drops the attributes that are named.
 *
 * **Example** (Everything but the e-mail address)
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
 * Copies a value all the way down and freezes the copy.
 *
 * **Details**
 *
 * Plain records, arrays and dates are copied; instances of other classes are
 * kept as they are. Works without recursion, so depth is no limit, and keeps
 * cycles and shared parts. A value that cannot be read (a hostile proxy) is
 * given back as it is.
 *
 * **Example** (A copy nobody can write to)
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
 * Copies a value all the way down into one that may be written to.
 *
 * @internal
 */
export const clone = <A>(value: A): A =>
  typeof value === "object" && value !== null ? tryOr(() => copyTree(value, false), () => value) : value

/**
 * Gives the SDK's form of a context.
 *
 * **Details**
 *
 * The result is a fresh record with the same keys and values, except two. An own
 * key `__proto__` is left out: the SDK assigns what a hook returns key by key,
 * and would make it the prototype of the live context. An attribute `then` that
 * is a function is left out too: the SDK awaits the context, and would call it.
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
