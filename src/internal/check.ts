/** Checks of options. An error names the function, the option, the expected value, and the actual one. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Severity } from "effect/LogLevel"
import * as Option from "effect/Option"
import { nearest, oneLine, printValue } from "./text.ts"
import { tryOr } from "./untrusted.ts"

/** Checks one option that is set. Throws a `RangeError`. */
export type Rule = (owner: string, name: string, value: unknown) => unknown

/** A rule for each option, so that no option is forgotten. */
export type Rules<Options> = { readonly [Name in keyof Options]-?: Rule }

export const reject = (owner: string, name: string, expected: string, value: unknown, advice = ""): never => {
  throw new RangeError(`${owner}: ${name} must be ${expected}, got ${shown(value)}${advice}`)
}

// A message goes into logs, and an object that is in the wrong place can hold a password or an API key.
const shown = (value: unknown): string => {
  if (typeof value !== "object" || value === null) return printValue(value, 100)
  if (!tryOr(() => Array.isArray(value), () => false)) return "{…}"
  return tryOr(() => hasOnlyNumbers(value), () => false) ? printValue(value, 100) : "[…]"
}

/** A text where an object belongs can be an address with a password, or a secret. */
const rejectForm = (owner: string, name: string, expected: string, value: unknown): never => {
  if (typeof value === "string") throw new RangeError(`${owner}: ${name} must be ${expected}, got a text`)
  return reject(owner, name, expected, value)
}

const hasOnlyNumbers = (value: unknown): boolean =>
  Array.isArray(value) && value.length <= 20 && Array.from<unknown>(value).every((one) => typeof one === "number")

/**
 * Checks all options. A misspelt name must not become a silent default.
 *
 * Only own names count, so a polluted `Object.prototype` has no effect here.
 */
export const options = <Options extends object>(owner: string, given: Options, rules: Rules<Options>): Options => {
  const actual: unknown = given
  if (!isOptions(actual)) {
    return rejectForm(owner, "the argument", `an object with the options ${Object.keys(rules).join(", ")}`, given)
  }
  knownNames(owner, actual, rules)
  for (const name in rules) {
    if (Object.hasOwn(rules, name) && actual[name] !== undefined) rules[name](owner, name, actual[name])
  }
  return given
}

/** Refuses names that are not options, whatever their values. */
export const knownNames = (owner: string, given: object, rules: object): void => {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(rules, name))
  if (unknown !== undefined) throw new RangeError(`${owner}: ${unknownName("option", unknown, Object.keys(rules))}`)
}

const isOptions = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Describes a name that does not exist, with the nearest one that does. */
export const unknownName = (kind: string, name: string, known: ReadonlyArray<string>): string => {
  const near = nearest(name, known)
  const hint = near === undefined ? `the ${kind}s are ${known.join(", ")}` : `did you mean "${near}"?`
  return `there is no ${kind} "${oneLine(name, 64)}"; ${hint}`
}

/** A mistake in the code of a hook. The message has no data of an evaluation, so it may be logged. */
export class Misuse extends TypeError {}

/** A mistake in how an application puts its parts together. The message is a sentence of its own. */
export class Advice extends Misuse {}

/** For options that have a check of their own, and for those that allow any value. */
export const anything: Rule = () => undefined

export const positiveInteger = (owner: string, name: string, value: unknown): number =>
  typeof value === "number" && Number.isInteger(value) && value >= 1
    ? value
    : reject(owner, name, "an integer >= 1", value)

export const aNumber: Rule = (owner, name, value) => {
  if (typeof value !== "number" || !Number.isFinite(value)) reject(owner, name, "a finite number", value)
}

export const aBoolean: Rule = (owner, name, value) => {
  if (typeof value !== "boolean") reject(owner, name, "true or false", value)
}

export const aText = (owner: string, name: string, value: unknown): string =>
  typeof value === "string" && value !== "" ? value : reject(owner, name, "a text that is not empty", value)

export const aString: Rule = (owner, name, value) => {
  if (typeof value !== "string") reject(owner, name, "a text", value)
}

// `Duration.fromInput` sorts out texts and objects of the wrong form. It converts NaN to zero.
const isDurationInput = (input: unknown): input is Duration.Input =>
  typeof input === "string" || typeof input === "bigint" || (typeof input === "object" && input !== null) ||
  (typeof input === "number" && !Number.isNaN(input))

const durationOf = (input: unknown): Duration.Duration | undefined =>
  isDurationInput(input) ? tryOr(() => Option.getOrUndefined(Duration.fromInput(input)), () => undefined) : undefined

const adviceOn = (found: Duration.Duration | undefined): string =>
  found === undefined ? "; write it as \"50 millis\", or as a number of milliseconds" : ""

export const positiveDuration = (owner: string, name: string, input: unknown): Duration.Duration => {
  const found = durationOf(input)
  return found !== undefined && Duration.isFinite(found) && Duration.isPositive(found)
    ? found
    : reject(owner, name, "finite and positive", input, adviceOn(found))
}

/** Allows zero. */
export const finiteDuration = (owner: string, name: string, input: unknown): Duration.Duration => {
  const found = durationOf(input)
  return found !== undefined && Duration.isFinite(found) && !Duration.isNegative(found)
    ? found
    : reject(owner, name, "finite and not negative", input, adviceOn(found))
}

/** Allows `"Infinity"`. */
export const lifetime = (owner: string, name: string, input: unknown): Duration.Duration => {
  const found = durationOf(input)
  return found !== undefined && Duration.isPositive(found)
    ? found
    : reject(owner, name, "a positive duration", input, adviceOn(found))
}

export const oneOf = <A>(owner: string, name: string, all: ReadonlyArray<A>, value: A): A =>
  all.includes(value) ? value : reject(owner, name, `one of ${all.map(String).join(", ")}`, value)

export const among = (...all: ReadonlyArray<unknown>): Rule => (owner, name, value) => oneOf(owner, name, all, value)

const severities: ReadonlyArray<Severity> = ["Trace", "Debug", "Info", "Warn", "Error", "Fatal"]

export const severity: Rule = among(...severities)

export const severityOrFalse: Rule = among(...severities, false)

export const aFunction = <A>(owner: string, name: string, value: A): A =>
  typeof value === "function" ? value : reject(owner, name, "a function", value)

/** Checks that an object has all the named methods. */
export const withMethods = (...methods: ReadonlyArray<string>): Rule => (owner, name, value) => {
  const isFine = ((typeof value === "object" && value !== null) || typeof value === "function") &&
    methods.every((method) => typeof Reflect.get(value, method) === "function")
  if (!isFine) rejectForm(owner, name, `an object with ${methods.join(", ")}`, value)
}

export const aList: Rule = (owner, name, value) => {
  if (!Array.isArray(value)) reject(owner, name, "a list", value)
}

export const anEffect: Rule = (owner, name, value) => {
  if (!Effect.isEffect(value)) reject(owner, name, "an effect", value)
}

export const aRecord: Rule = (owner, name, value) => {
  if (!isOptions(value)) reject(owner, name, "an object", value)
}

export const names = (owner: string, name: string, value: unknown): ReadonlyArray<string> =>
  Array.isArray(value) && value.every((one) => typeof one === "string")
    ? value
    : reject(owner, name, "a list of names", value)
