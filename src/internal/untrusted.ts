/** Reads values of providers, other hooks and callers. They can be hostile proxies or have getters that throw. */
import * as Predicate from "effect/Predicate"

/** Returns the fallback if the function throws. */
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

/** Ignores inherited properties. */
export const readOwn = (value: unknown, key: PropertyKey): unknown =>
  tryOr(() => Predicate.isObject(value) && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined, nothing)

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  Predicate.isObject(value) && !Array.isArray(value)
