/** Fixed resolutions of flags, and where they come from. */
import type * as Effect from "effect/Effect"
import { cast } from "effect/Function"
import * as EvaluationContext from "../../EvaluationContext.ts"
import type { EvaluationDetails, FlagValue, ResolutionDetails } from "../../EvaluationDetails.ts"
import type { FlagFilter } from "../../FlagFilter.ts"
import type { HookContext } from "../../HookContext.ts"
import type { HookHints } from "../../HookHints.ts"
import { isTrue } from "../filtering.ts"
import { functionName, oneLine, quote } from "../text.ts"
import { isRecord, tryOr } from "../untrusted.ts"
import { targetingKeyOf } from "./view.ts"

export type Origin = "code" | "environment" | "file" | "request"

/** Where overrides come from, with those of a transaction. */
const origins: ReadonlySet<unknown> = new Set<Origin | "transaction">([
  "code",
  "environment",
  "file",
  "request",
  "transaction"
])

/** Whether an override resolved the flag. A provider can have flag metadata of the same name. */
export const isOverride = ({ flagMetadata }: EvaluationDetails): boolean => {
  const origin = tryOr<unknown, undefined>(() => flagMetadata["override"], () => undefined)
  return origin !== undefined && origins.has(origin)
}

export interface Entry {
  /** The key of the flag, or the name of the filter. */
  readonly flag: string
  readonly filter: FlagFilter | undefined
  /** The targeting keys that it is for, or `undefined` for all. */
  readonly subjects: ReadonlySet<string> | undefined
  /** There is none where a request brings the values. */
  readonly value?: FlagValue
  readonly variant: string | undefined
}

/** A source has something to tell, and no resolution. */
export class Unresolved {
  readonly tell: Effect.Effect<void>
  constructor(tell: Effect.Effect<void>) {
    this.tell = tell
  }
}

/** Where resolutions come from. Its fields are checked, since JavaScript callers can pass anything. */
export interface Source {
  readonly name: Origin
  readonly find: (context: HookContext, hints: HookHints) => ResolutionDetails | Unresolved | undefined
  readonly entries: () => ReadonlyArray<Entry>
}

/** What is wrong with overrides, in words that begin after their name. It never has a value. */
export class Problem {
  readonly text: string
  /** Whether the words begin with a flag or a rule of them instead. */
  readonly isOfEntry: boolean
  constructor(text: string, entry?: string) {
    this.text = entry === undefined ? text : `${entry} ${text}`
    this.isOfEntry = entry !== undefined
  }
}

const maxDepth = 32

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === Object.prototype || prototype === null
}

/** Says why a value cannot be an override, in words that begin after its name. */
export const problemIn = (value: unknown, depth = 0): string | undefined => {
  if (typeof value === "boolean" || typeof value === "string" || value === null) return undefined
  if (typeof value === "number") return Number.isFinite(value) ? undefined : "has a number that is not finite"
  if (typeof value !== "object") return value === undefined ? "has no value" : `has a ${typeof value} in its value`
  if (depth === maxDepth) return `has a value that is nested deeper than ${maxDepth} levels`
  if (!isPlain(value)) return "has an object in its value that is not plain"
  for (const key of Object.keys(value)) {
    // Code that merges such a value with its own would change prototypes.
    if (key === "__proto__") return "has the key __proto__ in its value"
    const problem = problemIn(Reflect.get(value, key), depth + 1)
    if (problem !== undefined) return problem
  }
  return undefined
}

const isText = (value: unknown): value is string => typeof value === "string" && value !== ""

const textsOf = (given: unknown): ReadonlyArray<string> | undefined => {
  const texts = Array.isArray(given) ? Array.from<unknown>(given) : [given]
  return texts.length > 0 && texts.every(isText) ? texts : undefined
}

type Target = Pick<Entry, "flag" | "filter">

type Fields = Readonly<Record<string, unknown>>

const unknownFieldOf = (given: Fields, known: ReadonlyArray<string>): string | undefined =>
  Object.keys(given).find((name) => !known.includes(name))

const entryOf = ({ filter, flag }: Target, given: Fields): Entry | Problem => {
  const problem = (text: string) => new Problem(text, `flag ${quote(flag, 64)}`)
  const { variant } = given
  const subjects = textsOf(given["subjects"])
  const value = EvaluationContext.snapshot(given["value"])
  const wrong = problemIn(value)
  if (wrong !== undefined) return problem(wrong)
  if (variant !== undefined && !isText(variant)) return problem("has a variant that is not a text, or is empty")
  if (given["subjects"] !== undefined && subjects === undefined) {
    return problem("has subjects that are not a list of targeting keys, or are empty")
  }
  return { flag, filter, subjects: subjects && new Set(subjects), value: cast<unknown, FlagValue>(value), variant }
}

const ofKey = (flag: string, given: unknown): Entry | Problem => {
  const target: Target = { flag, filter: undefined }
  if (!isRecord(given) || !Object.hasOwn(given, "value")) return entryOf(target, { value: given })
  const unknown = unknownFieldOf(given, ["value", "variant", "subjects"])
  return unknown === undefined ? entryOf(target, given) : new Problem(
    `has the unknown field ${quote(unknown, 64)}; write an object as { "value": { … } }`,
    `flag ${quote(flag, 64)}`
  )
}

const isFilter = (flags: unknown): flags is FlagFilter => typeof flags === "function"

const ofRule = (rule: unknown, index: number): ReadonlyArray<Entry | Problem> => {
  const problem = (text: string) => [new Problem(text, `rule ${index + 1}`)]
  if (!isRecord(rule)) return problem("is not an object")
  const unknown = unknownFieldOf(rule, ["flags", "value", "variant", "subjects"])
  if (unknown !== undefined) return problem(`has the unknown field ${quote(unknown, 64)}`)
  const { flags } = rule
  if (isFilter(flags)) return [entryOf({ flag: functionName(flags) ?? "custom", filter: flags }, rule)]
  const keys = textsOf(flags)
  return keys === undefined
    ? problem("needs flags: a flag key, a list of them, or a FlagFilter")
    : keys.map((flag) => entryOf({ flag, filter: undefined }, rule))
}

const entriesOf = (given: unknown): ReadonlyArray<Entry> | Problem => {
  const expected = new Problem("must be an object by flag key, or a list of rules")
  if (typeof given !== "object" || given === null || !isPlain(given)) return expected
  const found = Array.isArray(given)
    ? Array.from<unknown>(given).flatMap(ofRule)
    : Object.keys(given).map((key) => ofKey(key, Reflect.get(given, key)))
  const entries: Array<Entry> = []
  for (const one of found) {
    if (one instanceof Problem) return one
    entries.push(one)
  }
  return entries
}

/** Reads overrides by flag key, or a list of rules. */
export const parse = (given: unknown): ReadonlyArray<Entry> | Problem =>
  tryOr(() => entriesOf(given), () => new Problem("cannot be read"))

/** The same of a text in JSON, which has the override of the flag alone if one is given. */
export const parseJson = (text: string, flag?: string): ReadonlyArray<Entry> | Problem => {
  // The error of the parser has a part of the text.
  const found = tryOr<{ readonly json: unknown }, undefined>(() => ({ json: JSON.parse(text) }), () => undefined)
  if (found === undefined) return new Problem("is not JSON")
  if (flag === undefined) return parse(found.json)
  const entry = ofKey(flag, found.json)
  return entry instanceof Problem ? entry : [entry]
}

export const isProblem = (parsed: unknown): parsed is Problem => parsed instanceof Problem

interface Rule {
  readonly entry: Entry
  readonly index: number
  readonly resolution: ResolutionDetails
}

const isFor = ({ entry: { subjects } }: Rule, context: HookContext): boolean => {
  if (subjects === undefined) return true
  const subject = targetingKeyOf(context)
  return subject !== undefined && subjects.has(subject)
}

/** Finds the first of the entries that matches an evaluation. */
export class Table {
  readonly entries: ReadonlyArray<Entry>
  readonly #keyed = new Map<string, Array<Rule>>()
  readonly #filtered: Array<Rule> = []

  constructor(entries: ReadonlyArray<Entry>, origin: Origin) {
    this.entries = entries
    const flagMetadata = Object.freeze({ override: origin })
    for (const [index, entry] of entries.entries()) {
      const { filter, flag, value, variant } = entry
      const resolution: ResolutionDetails = Object.freeze({
        ...value === undefined ? undefined : { value },
        ...variant === undefined ? undefined : { variant },
        reason: "STATIC",
        flagMetadata
      })
      const rule = { entry, index, resolution }
      if (filter !== undefined) this.#filtered.push(rule)
      else {
        const known = this.#keyed.get(flag)
        if (known === undefined) this.#keyed.set(flag, [rule])
        else known.push(rule)
      }
    }
  }
  find(context: HookContext): ResolutionDetails | undefined {
    const keyed = this.#keyed.get(context.flagKey)?.find((rule) => isFor(rule, context))
    const filtered = this.#filtered.find((rule) =>
      (keyed === undefined || rule.index < keyed.index) && isFor(rule, context) && rule.entry.filter !== undefined &&
      isTrue(rule.entry.filter, context)
    )
    return (filtered ?? keyed)?.resolution
  }
  /** Whether an override is for the flag, whoever its subjects are. */
  has({ flagKey }: HookContext): boolean {
    return this.#keyed.has(flagKey)
  }
}

export const sourceOf = (name: Origin, table: () => Table): Source => ({
  name,
  find: (context) => table().find(context),
  entries: () => table().entries
})

/** The flags of entries, without their values, as one bounded text. */
export const namesOf = (entries: ReadonlyArray<Pick<Entry, "flag">>): string => {
  const names = entries.slice(0, 50).map(({ flag }) => oneLine(flag, 64)).join(", ")
  return entries.length > 50 ? `${names}, …` : names
}
