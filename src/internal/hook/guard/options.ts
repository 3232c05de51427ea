/** What a user tells a guard to look for. */
import { globMatcher } from "../../../FlagFilter.ts"
import * as Check from "../../check.ts"
import { quote } from "../../text.ts"
import type { Mode } from "./guard.ts"
import * as Pattern from "./pattern.ts"
import * as Rules from "./rules.ts"

/** The options of a guard without those of its reports. */
export interface Options {
  /**
   * `"strict"`, the default, refuses the evaluation. `"lenient"` removes, truncates
   * or sanitises the attribute, and refuses only what cannot be cleaned. `"report"`
   * only tells.
   */
  readonly mode?: Mode | undefined
  /** The rules about the content, `defaultRules` by default. */
  readonly rules?: ReadonlyArray<Rules.Chosen> | undefined
  /** Rules about the content that do not hold for an attribute, by its name. None by default. */
  readonly exempt?: Readonly<Record<string, ReadonlyArray<Rules.Chosen>>> | undefined
  /** The maximum size of the whole context in characters, 65,536 by default. */
  readonly maxSize?: number | undefined
  /** The maximum size of the value of an attribute in characters, 4,096 by default. At most 1,000,000. */
  readonly maxAttributeSize?: number | undefined
  /** The maximum length of the name of an attribute or a member in characters, 128 by default. At most 1,000. */
  readonly maxNameLength?: number | undefined
  /** The maximum depth of structures, 5 by default. A list of texts has depth 1. At most 100. */
  readonly maxDepth?: number | undefined
  /** The maximum number of attributes, 100 by default. */
  readonly maxAttributes?: number | undefined
  /** The maximum number of elements of lists and members of objects in the whole context, 1,000 by default. */
  readonly maxElements?: number | undefined
  /**
   * The allowed attributes, besides the targeting key: names, or globs in which `*`
   * matches any text and `?` one character. All by default.
   */
  readonly allowed?: ReadonlyArray<string> | undefined
  /** The forbidden attributes: names or globs. None by default. */
  readonly forbidden?: ReadonlyArray<string> | undefined
  /**
   * Patterns that attributes must match as a whole: a glob, or a regular expression
   * without lookarounds, references and word boundaries. None by default.
   */
  readonly patterns?: Readonly<Record<string, string | RegExp>> | undefined
  /** The types that attributes must have, such as `{ age: "number" }`. See `AttributeType`. None by default. */
  readonly types?: Readonly<Record<string, Rules.Type | ReadonlyArray<Rules.Type>>> | undefined
}

/** All but `email`, since many applications use e-mail addresses to select users. */
export const defaultRules: ReadonlyArray<Rules.Chosen> = Rules.chosen.filter((rule) => rule !== "email")

export const secrets: ReadonlyArray<Rules.Chosen> = [
  "aws-key",
  "api-key",
  "jwt",
  "private-key",
  "bearer-token",
  "basic-auth",
  "url-password",
  "credit-card"
]

export const injections: ReadonlyArray<Rules.Chosen> = ["html", "sql", "template", "path-traversal"]

const matcherOf = (pattern: string | RegExp): (text: string) => boolean => {
  const compiled = typeof pattern === "string" ? globMatcher(pattern) : Pattern.compile(pattern)
  // The options have been checked.
  return typeof compiled === "string" ? () => false : (text) => text.length <= Pattern.maxTextLength && compiled(text)
}

const mapOf = <A, B>(record: Readonly<Record<string, A>> = {}, f: (value: A) => B): ReadonlyMap<string, B> =>
  new Map(Object.entries(record).map(([name, value]) => [name, f(value)]))

export const settingsOf = (options: Options): Rules.Settings => ({
  maxSize: options.maxSize ?? 65_536,
  maxAttributeSize: options.maxAttributeSize ?? 4096,
  maxNameLength: options.maxNameLength ?? 128,
  maxDepth: options.maxDepth ?? 5,
  maxAttributes: options.maxAttributes ?? 100,
  maxElements: options.maxElements ?? 1000,
  rules: new Set(options.rules ?? defaultRules),
  exempt: mapOf(options.exempt, (rules) => new Set(rules)),
  allowed: options.allowed,
  forbidden: options.forbidden ?? [],
  patterns: mapOf(options.patterns, matcherOf),
  types: mapOf(options.types, (types) => new Set([types].flat()))
})

const atMost = (max: number): Check.Rule => (owner, name, value) => {
  if (Check.positiveInteger(owner, name, value) > max) Check.reject(owner, name, `at most ${max}`, value)
}

const allOf = (all: ReadonlyArray<string>): Check.Rule => (owner, name, value) => {
  Check.names(owner, name, value).forEach((one, index) => Check.oneOf(owner, `${name}[${index}]`, all, one))
}

const glob: Check.Rule = (owner, name, value) => {
  if (Check.aText(owner, name, value).length > 256) Check.reject(owner, name, "at most 256 characters long", value)
}

const globs: Check.Rule = (owner, name, value) => {
  Check.names(owner, name, value).forEach((one, index) => glob(owner, `${name}[${index}]`, one))
}

/** Checks the value for each attribute. */
const perAttribute = (rule: Check.Rule): Check.Rule => (owner, name, value) => {
  Check.aRecord(owner, name, value)
  for (const [attribute, one] of Object.entries(Object(value))) rule(owner, `${name}[${quote(attribute, 64)}]`, one)
}

const pattern: Check.Rule = (owner, name, value) => {
  if (!(value instanceof RegExp)) return glob(owner, name, value)
  const compiled = Pattern.compile(value)
  if (typeof compiled === "string") Check.reject(owner, name, `an expression without backtracking (${compiled})`, value)
}

export const rules: Check.Rules<Options> = {
  mode: Check.among("strict", "lenient", "report"),
  rules: allOf(Rules.chosen),
  exempt: perAttribute(allOf(Rules.chosen)),
  maxSize: Check.positiveInteger,
  maxAttributeSize: atMost(1_000_000),
  maxNameLength: atMost(1000),
  maxDepth: atMost(100),
  maxAttributes: Check.positiveInteger,
  maxElements: Check.positiveInteger,
  allowed: globs,
  forbidden: globs,
  patterns: perAttribute(pattern),
  types: perAttribute((owner, name, value) => allOf(Rules.types)(owner, name, [value].flat()))
}
