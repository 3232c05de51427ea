/**
 * Reads values that somebody else made: a provider, another hook, a caller. Any
 * of them may be a hostile proxy or have a getter that throws, so this is the
 * one place that catches exceptions.
 */
import * as Predicate from "effect/Predicate"

/** Gives the fallback when the evaluation throws. */
export const tryOr = <A, B>(evaluate: () => A, orElse: (error: unknown) => B): A | B => {
  try {
    return evaluate()
  } catch (error) {
    return orElse(error)
  }
}

const nothing = () => undefined

export const read = (value: unknown, key: PropertyKey): unknown =>
  tryOr(() => Predicate.hasProperty(value, key) ? value[key] : undefined, nothing)

export const readString = (value: unknown, key: PropertyKey): string | undefined => {
  const found = read(value, key)
  return typeof found === "string" ? found : undefined
}

/** Reads a property that the value does not inherit. */
export const readOwn = (value: unknown, key: PropertyKey): unknown =>
  tryOr(() => Predicate.isObject(value) && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined, nothing)

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  Predicate.isObject(value) && !Array.isArray(value)
