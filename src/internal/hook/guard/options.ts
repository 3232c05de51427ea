/** What a user tells a guard to look for. */
import { globMatcher } from "../../../FlagFilter.ts"
import * as Check from "../../check.ts"
import { quote } from "../../text.ts"
import type { Mode } from "./guard.ts"
import * as Pattern from "./pattern.ts"
import * as Rules from "./rules.ts"

/** The options of a guard without those of its reports. */
export interface Options {
  readonly mode?: Mode | undefined
  readonly rules?: ReadonlyArray<Rules.Chosen> | undefined
  readonly exempt?: Readonly<Record<string, ReadonlyArray<Rules.Chosen>>> | undefined
  readonly maxSize?: number | undefined
  readonly maxAttributeSize?: number | undefined
  readonly maxNameLength?: number | undefined
  readonly maxDepth?: number | undefined
  readonly maxAttributes?: number | undefined
  readonly maxElements?: number | undefined
  readonly allowed?: ReadonlyArray<string> | undefined
  readonly forbidden?: ReadonlyArray<string> | undefined
  readonly patterns?: Readonly<Record<string, string | RegExp>> | undefined
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
