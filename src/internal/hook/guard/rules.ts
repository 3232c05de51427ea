/** The rules of a guard, and what it knows about the name of an attribute. */
import { globMatcher } from "../../../FlagFilter.ts"
import * as Content from "./content.ts"

/** The rules that limit the form of a context. They hold for every guard. */
export type Limit =
  | "size"
  | "attribute-size"
  | "name-length"
  | "depth"
  | "attributes"
  | "elements"
  | "unreadable"
  | "allowed"
  | "forbidden"
  | "pattern"
  | "type"

/** The rules that a user chooses. */
export type Chosen = Content.Name | "prototype-keys" | "unsupported-values"

export type Rule = Limit | Chosen

export const chosen: ReadonlyArray<Chosen> = [...Content.names, "prototype-keys", "unsupported-values"]

export type Type = "string" | "number" | "boolean" | "date" | "list" | "object" | "null"

export const types: ReadonlyArray<Type> = ["string", "number", "boolean", "date", "list", "object", "null"]

/** Whether a text or a name matches. */
type Matcher = (text: string) => boolean

export interface Settings {
  readonly maxSize: number
  readonly maxAttributeSize: number
  readonly maxNameLength: number
  readonly maxDepth: number
  readonly maxAttributes: number
  readonly maxElements: number
  readonly rules: ReadonlySet<string>
  readonly exempt: ReadonlyMap<string, ReadonlySet<string>>
  /** `undefined` allows all names. */
  readonly allowed: ReadonlyArray<string> | undefined
  readonly forbidden: ReadonlyArray<string>
  readonly patterns: ReadonlyMap<string, Matcher>
  readonly types: ReadonlyMap<string, ReadonlySet<string>>
}

/** What is known about a name. */
export interface Known {
  readonly name: string
  /** Whether only the value matters. */
  readonly isPlain: boolean
  /** Whether a report may have it. A name that somebody made up can be a secret, or an address. */
  readonly isTold: boolean
  /** The rule that the name itself breaks. A contribution cannot take a name away. */
  readonly unsafe: Rule | undefined
  /** The rule that an attribute of this name breaks, whatever its value. */
  readonly refused: Rule | undefined
  /** The rule that a member of a nested structure breaks. */
  readonly nested: Rule | undefined
  readonly contents: Content.Contents
  /** The rules that do not hold for an attribute of this name, nor for its members. */
  readonly exempt: ReadonlySet<string> | undefined
  readonly allowsAnyValue: boolean
  readonly pattern: Matcher | undefined
  readonly types: ReadonlySet<string> | undefined
}

const prototypeKeys: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"])

const maxKnown = 2048

const anyContent = new Content.Contents(new Set(Content.names))

const matcher = (globs: ReadonlyArray<string>): Matcher => {
  const matchers = globs.map(globMatcher)
  return (name) => matchers.some((matches) => matches(name))
}

/** Names come again and again, so each is checked once. */
export class Names {
  readonly #known = new Map<string, Known>()
  readonly #settings: Settings
  readonly #contents: Content.Contents
  readonly #isAllowed: Matcher
  readonly #isForbidden: Matcher

  constructor(settings: Settings) {
    this.#settings = settings
    this.#contents = new Content.Contents(settings.rules)
    this.#isAllowed = settings.allowed === undefined ? () => true : matcher(["targetingKey", ...settings.allowed])
    this.#isForbidden = matcher(settings.forbidden)
  }
  of(name: string): Known {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const made = this.#make(name)
    if (made.unsafe === "name-length") return made
    // A caller that makes names up starts over, again and again, and no memory grows.
    if (this.#known.size >= maxKnown) this.#known.clear()
    this.#known.set(name, made)
    return made
  }
  /** Returns the rule that a member of an attribute breaks by its name. */
  nested(name: string, { contents, exempt }: Known): Rule | undefined {
    const { nested } = this.of(name)
    if (nested === undefined || nested === "name-length" || exempt === undefined) return nested
    const isKey = prototypeKeys.has(name) && this.#settings.rules.has("prototype-keys")
    return contents.broken(name) ?? (isKey && !exempt.has("prototype-keys") ? "prototype-keys" : undefined)
  }
  #make(name: string): Known {
    const { exempt, maxNameLength, patterns, rules, types } = this.#settings
    const none = exempt.get(name)
    const contents = none === undefined
      ? this.#contents
      : new Content.Contents(new Set([...rules].filter((rule) => !none.has(rule))))
    const isKey = rules.has("prototype-keys") && prototypeKeys.has(name)
    const key = isKey && none?.has("prototype-keys") !== true ? "prototype-keys" : undefined
    const length = name.length > maxNameLength ? "name-length" : undefined
    const unsafe = length ?? contents.broken(name)
    const refused = key ?? (unsafe === undefined ? this.#refused(name) : undefined)
    return {
      name,
      isPlain: unsafe === undefined && refused === undefined && !patterns.has(name) && !types.has(name),
      isTold: unsafe === undefined && (none !== undefined || anyContent.broken(name) === undefined),
      unsafe,
      refused,
      nested: length ?? this.#contents.broken(name) ?? (isKey ? "prototype-keys" : undefined),
      contents,
      exempt: none,
      allowsAnyValue: !rules.has("unsupported-values") || none?.has("unsupported-values") === true,
      pattern: patterns.get(name),
      types: types.get(name)
    }
  }
  #refused(name: string): Rule | undefined {
    if (this.#isForbidden(name)) return "forbidden"
    return this.#isAllowed(name) ? undefined : "allowed"
  }
}
