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
import { attempt, isRecord } from "./internal/foreign.ts"

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

const copyTree = (root: object, isFrozen: boolean): unknown => {
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
  return result
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
export function snapshot<A>(value: A): A
export function snapshot(value: unknown): unknown {
  return typeof value === "object" && value !== null ? attempt(() => copyTree(value, true), () => value) : value
}

/**
 * Copies a value all the way down, for somebody who may write to it.
 *
 * @internal
 */
export function clone<A>(value: A): A
export function clone(value: unknown): unknown {
  return typeof value === "object" && value !== null ? attempt(() => copyTree(value, false), () => value) : value
}

/**
 * Gives the SDK's form of a context, for a value that goes back to it.
 *
 * **Details**
 *
 * The same keys and values, in a fresh record without an own `__proto__` key:
 * the SDK assigns what a hook returns key by key, and would make that one the
 * prototype of the live context.
 *
 * @category converting
 * @since 0.1.0
 */
export const toSdk = (context: EvaluationContext): SDK.EvaluationContext => {
  const copy: SDK.EvaluationContext = {}
  if (!Object.hasOwn(context, "__proto__")) return Object.assign(copy, context)
  const { ["__proto__"]: _dropped, ...rest } = context
  return Object.assign(copy, rest)
}
