/** Asks filters of users. */
import * as Predicate from "effect/Predicate"
import { Misuse } from "./check.ts"
import { ignoreRejection } from "./untrusted.ts"

// Code without types can give a promise, which is truthy, and Node ends when nobody handles its rejection. It must not
// select anything, also not within `not`, so such a filter counts as one that throws.
const ask = <A>(filter: (value: A) => boolean, value: A): unknown => {
  const found = filter(value)
  if (typeof found === "boolean" || !Predicate.isPromiseLike(found)) return found
  ignoreRejection(found)
  throw new Misuse("has a filter that gives a promise")
}

export const isMatch = <A>(filter: (value: A) => boolean, value: A): boolean => Boolean(ask(filter, value))

/** For what a filter must not let pass by a value that is only truthy. */
export const isTrue = <A>(filter: (value: A) => boolean, value: A): boolean => ask(filter, value) === true
