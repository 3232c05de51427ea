/** Checks of a resolved value. What they say has nothing of the value. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { StandardSchemaV1 } from "effect/StandardSchema"
import type { FlagValue } from "../../EvaluationDetails.ts"
import { globMatcher } from "../../FlagFilter.ts"
import type { HookContext } from "../../HookContext.ts"
import * as Check from "../check.ts"
import { tester } from "../regExp.ts"
import { functionName, oneLine, quote } from "../text.ts"
import { ignoreRejection, isRecord, read } from "../untrusted.ts"
import { printIssuePath } from "./issuePath.ts"

/** Why a value does not fit. */
export interface Misfit {
  /** Whether the value is of another type than the rule is for. */
  readonly isType: boolean
  /** What the value should be. */
  readonly expected: string
  /** Where it does not fit, such as `["limits"]["daily"]`; empty for the value as a whole. */
  readonly path: string
}

export type ValueCheck = (value: FlagValue, context: HookContext) => Misfit | undefined

const misfit = (expected: string, isType: boolean, path = ""): Misfit => ({ isType, expected, path })

const described = "what the schema describes"

/** Checks a value with a schema of Effect. */
export const schema = (schema: Schema.ConstraintDecoder<unknown>): ValueCheck => {
  const decode = Schema.decodeUnknownResult(schema)
  return (value) => {
    const decoded = decode(value)
    return Result.isSuccess(decoded) ? undefined : misfit(described, true, printIssuePath(decoded.failure.issue))
  }
}

const isStandardSchema = (value: unknown): value is StandardSchemaV1 =>
  typeof read(read(value, "~standard"), "validate") === "function"

/** Checks a value with the schema of another library. */
export const standard = (schema: StandardSchemaV1): ValueCheck => (value, context) => {
  const result: unknown = schema["~standard"].validate(value)
  if (typeof read(result, "then") === "function") {
    ignoreRejection(result)
    throw new Check.Misuse("has a schema that answers later, which is too late")
  }
  // What cannot be read says nothing about the value.
  if (!isRecord(result)) throw new Check.Misuse("has a schema that gave no result")
  const { issues } = result
  if (!issues) return undefined
  return misfit(described, true, printPath(read(read(issues, 0), "path"), context.defaultValue))
}

const maxSteps = 16

// A key of a record is part of the value. One that the default value has too is part of the code.
const printPath = (path: unknown, defaultValue: FlagValue): string => {
  if (!Array.isArray(path)) return ""
  let within: unknown = defaultValue
  let printed = ""
  for (const step of path.slice(0, maxSteps)) {
    const key: unknown = isRecord(step) ? step["key"] : step
    const isKnown = typeof key === "string" && isRecord(within) && Object.hasOwn(within, key)
    printed += typeof key === "number" ? `[${key}]` : isKnown ? `[${JSON.stringify(key)}]` : "[*]"
    within = isKnown && isRecord(within) ? within[key] : Array.isArray(within) ? within[0] : undefined
  }
  return oneLine(printed, 200)
}

/** Checks that a number is within bounds, which belong to the range. */
export const range = (min: number | undefined, max: number | undefined): ValueCheck => {
  const bounds = [...min === undefined ? [] : [`>= ${min}`], ...max === undefined ? [] : [`<= ${max}`]]
  const expected = `a number ${bounds.join(" and ")}`
  return (value) => {
    if (typeof value !== "number") return misfit("a number", true)
    // NaN is in no range.
    return value >= (min ?? -Infinity) && value <= (max ?? Infinity) ? undefined : misfit(expected, false)
  }
}

const maxPatternText = 256

/** Checks a text. Without a limit, a pattern has one, since a regular expression can take long. */
export const text = (pattern: string | RegExp | undefined, maxLength: number | undefined): ValueCheck => {
  const limit = maxLength ?? maxPatternText
  const matches = pattern === undefined ? () => true : matcher(pattern)
  const printed = pattern instanceof RegExp ? oneLine(String(pattern), 64) : quote(pattern ?? "", 64)
  return (value) => {
    if (typeof value !== "string") return misfit("a text", true)
    if (value.length > limit) return misfit(`a text of at most ${limit} characters`, false)
    return matches(value) ? undefined : misfit(`a text that matches ${printed}`, false)
  }
}

const matcher = (pattern: string | RegExp): (text: string) => boolean => {
  if (!(pattern instanceof RegExp)) return globMatcher(pattern)
  return tester(pattern)
}

/** Checks that a value is in a list. A structure never is. */
export const oneOf = (values: ReadonlyArray<unknown>): ValueCheck => {
  const allowed = new Set(values)
  return (value) => allowed.has(value) ? undefined : misfit("one of the allowed values", false)
}

/** Checks a value with a function of a user. */
export const predicate = (is: (value: FlagValue, context: HookContext) => boolean): ValueCheck => {
  const name = functionName(is)
  const expected = name === undefined || name === "is" ? "a value that the rule allows" : `a value that ${name} allows`
  return (value, context) => {
    const fits: unknown = is(value, context)
    if (typeof fits === "boolean") return fits ? undefined : misfit(expected, false)
    ignoreRejection(fits)
    throw new Check.Misuse("has a rule whose predicate gave neither true nor false")
  }
}

const types: Readonly<Record<HookContext["flagValueType"], string>> = {
  boolean: "a boolean",
  string: "a string",
  number: "a number",
  object: "a structure"
}

/** Checks that a value is of the type of its flag, which the SDK does not. */
export const type: ValueCheck = (value, { flagValueType }) =>
  typeof value === flagValueType ? undefined : misfit(types[flagValueType], true)

/** Refuses a schema of neither kind. */
export const aSchema = (owner: string, name: string, value: unknown): void => {
  if (!Schema.isSchema(value) && !isStandardSchema(value)) {
    Check.reject(owner, name, "a schema of Effect, or one with a \"~standard\" property", value)
  }
}
