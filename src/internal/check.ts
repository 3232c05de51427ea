/** Checks of options. An error names the function, the option, the expected value, and the actual one. */
import * as Duration from "effect/Duration"
import type { Severity } from "effect/LogLevel"
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

/** Allows zero. */
export const finiteDuration = (owner: string, name: string, input: Duration.Input): Duration.Duration => {
  // Effect converts NaN to zero.
  const found = Number.isNaN(input) ? undefined : Option.getOrUndefined(Duration.fromInput(input))
  return found !== undefined && Duration.isFinite(found) && !Duration.isNegative(found)
    ? found
    : reject(owner, name, "finite and not negative", input)
}

export const oneOf = <A>(owner: string, name: string, all: ReadonlyArray<A>, value: A): A =>
  all.includes(value) ? value : reject(owner, name, `one of ${all.map(String).join(", ")}`, value)

export const severities: ReadonlyArray<Severity> = ["Trace", "Debug", "Info", "Warn", "Error", "Fatal"]

export const severityOrFalse = (owner: string, name: string, value: Severity | false): Severity | false =>
  oneOf<Severity | false>(owner, name, [...severities, false], value)

export const aFunction = <A>(owner: string, name: string, value: A): A =>
  typeof value === "function" ? value : reject(owner, name, "a function", value)

export const optionalFunction = (owner: string, name: string, value: unknown): void => {
  if (value !== undefined) aFunction(owner, name, value)
}

export const names = (owner: string, name: string, value: ReadonlyArray<string>): ReadonlyArray<string> =>
  Array.isArray(value) && value.every((one) => typeof one === "string")
    ? value
    : reject(owner, name, "a list of names", value)
