/**
 * Checks of options. Their errors name the function and the option, since they
 * are read by whoever starts a service.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { printValue } from "./text.ts"

const reject = (owner: string, name: string, expected: string, value: unknown): never => {
  throw new RangeError(`${owner}: ${name} must be ${expected}, got ${printValue(value, 100)}`)
}

export const positiveInteger = (owner: string, name: string, value: number): number =>
  Number.isInteger(value) && value >= 1 ? value : reject(owner, name, "an integer >= 1", value)

export const positiveDuration = (owner: string, name: string, input: Duration.Input): Duration.Duration => {
  const found = Option.getOrUndefined(Duration.fromInput(input))
  return found !== undefined && Duration.isFinite(found) && Duration.isPositive(found)
    ? found
    : reject(owner, name, "finite and positive", input)
}

export const oneOf = <A>(owner: string, name: string, all: ReadonlyArray<A>, value: A): A =>
  all.includes(value) ? value : reject(owner, name, `one of ${all.map(String).join(", ")}`, value)

/** For what may be a function: JavaScript hands in anything. */
export const optionalFunction = (owner: string, name: string, value: unknown): void => {
  if (value !== undefined && typeof value !== "function") reject(owner, name, "a function", value)
}

export const names = (owner: string, name: string, value: ReadonlyArray<string>): ReadonlyArray<string> =>
  Array.isArray(value) && value.every((one) => typeof one === "string")
    ? value
    : reject(owner, name, "a list of names", value)
