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

/** TypeScript takes `async` for a function that returns nothing, and Node ends when nobody handles its rejection. */
export const ignoreRejection = (result: unknown): void =>
  tryOr(() => Predicate.isPromiseLike(result) ? void result.then(nothing, nothing) : undefined, nothing)

/** Calls a function of a user. Ignores what it throws, and what the promise that it returns rejects with. */
export const notify = (call: () => unknown): void => ignoreRejection(tryOr(call, nothing))

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
