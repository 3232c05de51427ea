/**
 * Reading values that somebody else made: a provider, another hook, a caller.
 * Any of them may be a hostile proxy or carry a getter that throws, so this is
 * the one place that catches exceptions.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"

export const attempt = <A, B>(evaluate: () => A, orElse: () => B): A | B => {
  try {
    return evaluate()
  } catch {
    return orElse()
  }
}

export const attemptEither = <A, B>(evaluate: () => A, onError: (error: unknown) => B): A | B => {
  try {
    return evaluate()
  } catch (error) {
    return onError(error)
  }
}

const nothing = () => undefined

export const read = (value: unknown, key: PropertyKey): unknown =>
  attempt(() => Predicate.hasProperty(value, key) ? value[key] : undefined, nothing)

export const readString = (value: unknown, key: PropertyKey): string | undefined => {
  const found = read(value, key)
  return typeof found === "string" ? found : undefined
}

/** Like `read`, but blind to what an object inherits, `Object.prototype` included. */
export const readOwn = (value: unknown, key: PropertyKey): unknown =>
  attempt(() => Predicate.isObject(value) && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined, nothing)

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  Predicate.isObject(value) && !Array.isArray(value)

type Typed = { readonly [Effect.TypeId]?: unknown }

// `Effect.isEffect` looks with `in`, which takes longer than many a stage does.
const isEffect = (value: Typed | null | undefined): boolean => value?.[Effect.TypeId] !== undefined

/** Takes what a stage gave back for an effect, if it is one: a hook written in JavaScript may give back anything. */
export const checkedEffect = <A, E, R>(stage: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  isEffect(stage) ? stage : Effect.die(new TypeError("the stage gave back something that is not an Effect"))
