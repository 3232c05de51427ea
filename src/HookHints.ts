/**
 * Hook hints: data of one evaluation, from the caller to its hooks and from a
 * hook to later hooks.
 *
 * The SDK's hints are an untyped record. Here they have typed keys, and a
 * `before` stage can add some. All later hooks and stages of the evaluation see
 * them, at every level. The caller's own record is never written to.
 *
 * @since 0.1.0
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Context from "effect/Context"
import { cast, dual } from "effect/Function"
import * as Option from "effect/Option"
import type { Pipeable } from "effect/Pipeable"
import { Class as PipeableClass } from "effect/Pipeable"
import { isNotUndefined, type Refinement } from "effect/Predicate"
import { snapshot } from "./EvaluationContext.ts"
import * as Check from "./internal/check.ts"
import { isRecord, readOwn, tryOr } from "./internal/untrusted.ts"

/**
 * A typed key of a hint.
 *
 * @category models
 * @since 0.1.0
 */
export interface Key<A> {
  /** The identity of the hint, and its name in the `hookHints` of the SDK. */
  readonly name: string
  /** The key that stores the value among the typed hints. */
  readonly slot: Context.Key<A, A>
  /** Accepts a value that a caller of the plain SDK set under this name. */
  readonly is: Refinement<unknown, A>
}

/**
 * An immutable set of hints.
 *
 * @category models
 * @since 0.1.0
 */
export interface HookHints extends Pipeable {
  /** The hints that were set with a `Key`. */
  readonly typed: Context.Context<never>
  /** The hints that the caller passed to the SDK, as a frozen record. */
  readonly raw: SDK.HookHints
}

// Hints of another copy of this library, such as one that a plugin brings, are recognised by this name.
const TypeId = "~effect-openfeature/HookHints"

class HookHintsImpl extends PipeableClass implements HookHints {
  readonly typed: Context.Context<never>
  readonly raw: SDK.HookHints
  constructor(typed: Context.Context<never>, raw: SDK.HookHints) {
    super()
    this.typed = typed
    this.raw = raw
  }
  get [TypeId](): true {
    return true
  }
}

/**
 * Checks whether a value is a `HookHints`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isHookHints = (value: unknown): value is HookHints =>
  tryOr(() => value instanceof HookHintsImpl || isOfAnotherCopy(value), () => false)

const isOfAnotherCopy = (value: unknown): boolean =>
  isRecord(value) && TypeId in value && Context.isContext(value["typed"]) && isRecord(value["raw"])

/**
 * Creates a typed key for a hint.
 *
 * **Details**
 *
 * The key also reads the hint of this name in the `hookHints` of a plain SDK
 * caller, if the refinement accepts its value.
 *
 * **Gotchas**
 *
 * Without a refinement, the key trusts the caller: it reads any value of this
 * name. Add one where callers of the plain SDK may set a value of another type.
 *
 * The name is the identity, as for the services of Effect: keys with the same
 * name refer to the same hint. Use the name of your hook as a prefix.
 *
 * Throws a `RangeError` when the name is empty.
 *
 * **Example** (Reading hints of plain SDK callers)
 *
 * ```ts
 * import { Predicate } from "effect"
 * import { HookHints } from "effect-openfeature"
 *
 * const AuditId = HookHints.key("audit.id", Predicate.isString)
 *
 * HookHints.getOrUndefined(HookHints.make(AuditId, "12345"), AuditId) // => "12345"
 * HookHints.getOrUndefined(HookHints.fromRecord({ "audit.id": "12345" }), AuditId) // => "12345"
 * HookHints.getOrUndefined(HookHints.fromRecord({ "audit.id": 5 }), AuditId) // => undefined
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const key = <A>(name: string, is: Refinement<unknown, A> = cast(isNotUndefined)): Key<A> => {
  Check.aText("HookHints.key", "name", name)
  Check.aFunction("HookHints.key", "is", is)
  return { name, slot: Context.Service<A>(name), is }
}

/**
 * The empty set of hints.
 *
 * @category constructors
 * @since 0.1.0
 */
export const empty: HookHints = new HookHintsImpl(Context.empty(), Object.freeze({}))

/**
 * Creates hints with a single value. Use `add` for more.
 *
 * **Example** (Creating hints)
 *
 * ```ts
 * import { HookHints } from "effect-openfeature"
 *
 * const AuditId = HookHints.key<string>("audit.id")
 * const Attempt = HookHints.key<number>("retry.attempt")
 *
 * const hints = HookHints.make(AuditId, "12345").pipe(HookHints.add(Attempt, 2))
 * HookHints.toRecord(hints) // => { "audit.id": "12345", "retry.attempt": 2 }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A>(key: Key<A>, value: NoInfer<A>): HookHints => add(empty, key, value)

/**
 * Creates hints from the `hookHints` of the plain SDK, as a deeply frozen copy
 * (specification 4.2.2.1, 4.5.3).
 *
 * **Details**
 *
 * Keeps keys that are symbols. A value that is not a record, or that cannot be
 * read, becomes `empty`.
 *
 * **Example** (Copying the hints of the SDK)
 *
 * ```ts
 * import { Predicate } from "effect"
 * import { HookHints } from "effect-openfeature"
 *
 * const AuditId = HookHints.key("audit.id", Predicate.isString)
 *
 * const record = { "audit.id": "12345" }
 * const hints = HookHints.fromRecord(record)
 * record["audit.id"] = "changed"
 * HookHints.getOrUndefined(hints, AuditId) // => "12345"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromRecord = (record: SDK.HookHints | null | undefined): HookHints =>
  record === undefined ? empty : tryOr(
    () => isRecord(record) ? new HookHintsImpl(empty.typed, frozenCopy(record)) : empty,
    () => empty
  )

// Object.entries would drop keys that are symbols.
const frozenCopy = (record: Record<PropertyKey, unknown>): SDK.HookHints => {
  const copy: Record<PropertyKey, unknown> = { ...record }
  for (const key of Reflect.ownKeys(copy)) {
    Object.defineProperty(copy, key, { value: snapshot(copy[key]), enumerable: true })
  }
  return Object.freeze(copy)
}

/**
 * Returns a copy with one more hint. It replaces an earlier one with the same
 * name.
 *
 * @category combining
 * @since 0.1.0
 */
export const add: {
  <A>(key: Key<A>, value: NoInfer<A>): (self: HookHints) => HookHints
  <A>(self: HookHints, key: Key<A>, value: NoInfer<A>): HookHints
} = dual(
  3,
  <A>(self: HookHints, key: Key<A>, value: A): HookHints =>
    new HookHintsImpl(Context.add(self.typed, key.slot, value), self.raw)
)

/**
 * Merges two sets of hints. Those of the second set take precedence.
 *
 * **Example** (Overriding the hints of a region)
 *
 * ```ts
 * import { HookHints } from "effect-openfeature"
 *
 * const AuditId = HookHints.key<string>("audit.id")
 *
 * const merged = HookHints.merge(HookHints.make(AuditId, "region"), HookHints.make(AuditId, "invocation"))
 * HookHints.getOrUndefined(merged, AuditId) // => "invocation"
 * ```
 *
 * @category combining
 * @since 0.1.0
 */
export const merge: {
  (that: HookHints): (self: HookHints) => HookHints
  (self: HookHints, that: HookHints): HookHints
} = dual(2, (self: HookHints, that: HookHints): HookHints => {
  if (self === empty) return that
  if (that === empty) return self
  if (self.raw === that.raw || that.raw === empty.raw) {
    return new HookHintsImpl(Context.merge(self.typed, that.typed), self.raw)
  }
  const kept = new Map(self.typed.mapUnsafe)
  for (const name of Object.keys(that.raw)) kept.delete(name)
  return new HookHintsImpl(
    Context.merge(Context.makeUnsafe(kept), that.typed),
    Object.freeze({ ...self.raw, ...that.raw })
  )
})

/**
 * Reads a hint, or `undefined` if it is not set.
 *
 * @category getters
 * @since 0.1.0
 */
export const getOrUndefined: {
  <A>(key: Key<A>): (self: HookHints) => A | undefined
  <A>(self: HookHints, key: Key<A>): A | undefined
} = dual(2, <A>(self: HookHints, key: Key<A>): A | undefined => {
  const typed = Context.getOrUndefined(self.typed, key.slot)
  if (typed !== undefined || self.raw === empty.raw) return typed
  const raw = readOwn(self.raw, key.name)
  return key.is(raw) ? raw : undefined
})

/**
 * Reads a hint as an `Option`.
 *
 * **Example** (Reading an optional hint)
 *
 * ```ts
 * import { Option } from "effect"
 * import { HookHints } from "effect-openfeature"
 *
 * const AuditId = HookHints.key<string>("audit.id")
 *
 * Option.isSome(HookHints.get(HookHints.make(AuditId, "12345"), AuditId)) // => true
 * Option.isNone(HookHints.get(HookHints.empty, AuditId)) // => true
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const get: {
  <A>(key: Key<A>): (self: HookHints) => Option.Option<A>
  <A>(self: HookHints, key: Key<A>): Option.Option<A>
} = dual(2, <A>(self: HookHints, key: Key<A>): Option.Option<A> => Option.fromUndefinedOr(getOrUndefined(self, key)))

/**
 * Converts hints to the record that a hook of the plain SDK receives: the
 * caller's entries, and each typed hint under its name.
 *
 * @category converting
 * @since 0.1.0
 */
export const toRecord = (self: HookHints): SDK.HookHints =>
  self.typed.mapUnsafe.size === 0
    ? self.raw
    : Object.freeze({ ...self.raw, ...Object.fromEntries(self.typed.mapUnsafe) })
