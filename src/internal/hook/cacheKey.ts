/** Keys of a cache: texts that are the same only for evaluations that are the same. */
import type { HookContext } from "../../HookContext.ts"
import { netstring } from "../hash.ts"
import { sha256 } from "../node.ts"
import { tryOr } from "../untrusted.ts"
import type { Key } from "./cacheStore.ts"
import { attributeOf, domainOf, providerNameOf } from "./view.ts"

/** `undefined` stands for the whole evaluation context. */
export type Names = ReadonlyArray<string> | undefined

const maxDepth = 16
const maxNodes = 1000

/** Longer keys are hashed, so that the capacity also bounds the memory. In characters. */
const maxLength = 1024

/** Hashing what is longer takes too long for an evaluation. */
const maxHashedLength = 100_000

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

class Writer {
  text = ""
  #nodes = 0

  /** Returns whether the value is data that can be told from all other data. */
  write(value: unknown, depth = 0): boolean {
    if (++this.#nodes > maxNodes || this.text.length > maxHashedLength) return false
    switch (typeof value) {
      case "string":
        this.text += `s${value.length}:${value}`
        return true
      case "undefined":
        this.text += "u"
        return true
      case "boolean":
        this.text += value ? "t" : "f"
        return true
      case "number":
        this.text += Object.is(value, -0) ? "d-0;" : `d${value};`
        return true
      case "bigint":
        this.text += `i${value};`
        return true
      case "object":
        if (value === null) {
          this.text += "n"
          return true
        }
        return depth < maxDepth && this.#structure(value, depth + 1)
      default:
        return false
    }
  }

  #structure(value: object, depth: number): boolean {
    if (value instanceof Date) {
      this.text += `D${value.getTime()};`
      return isPlain(Object.getPrototypeOf(value))
    }
    const isArray = Array.isArray(value)
    if (!isArray && !isPlain(value)) return false
    // The names of a long list take milliseconds.
    if (isArray && value.length > maxNodes) return false
    const names = Reflect.ownKeys(value)
    if (names.length > maxNodes) return false
    const texts = names.filter((name) => typeof name === "string" && !(isArray && name === "length")).map(String)
    // Symbols, holes and names of an array would make a difference that the text does not tell.
    const length = isArray ? value.length : texts.length
    if (texts.length !== length || names.length !== length + (isArray ? 1 : 0)) return false
    this.text += `${isArray ? "a" : "o"}${length}:`
    return isArray
      ? texts.every((name, index) => name === String(index) && this.write(value[index], depth))
      : texts.sort().every((name) => this.write(name, depth) && this.write(Reflect.get(value, name), depth))
  }
}

/**
 * Returns a text that no different value has, or `undefined` for what is no data,
 * such as an instance of a class, and for what is too large.
 */
export const canonical = (value: unknown): string | undefined => {
  const writer = new Writer()
  return tryOr(() => writer.write(value) ? writer.text : undefined, () => undefined)
}

// Pieces that are added up take a third of the time that a template takes.
const written = (values: ReadonlyArray<unknown>): string | undefined => {
  let text = ""
  for (const value of values) {
    if (typeof value === "string") text += "s" + value.length + ":" + value
    else {
      const piece = canonical(value)
      if (piece === undefined) return undefined
      text += piece
    }
  }
  return text
}

/** No text of a key starts like a hashed one. */
const bounded = (text: string): string | undefined => {
  if (text.length <= maxLength) return text
  if (text.length > maxHashedLength) return undefined
  const hash = sha256(text)
  return hash && `#${hash}`
}

/** The key of one evaluation, and what it was made from. */
export interface Made extends Key {
  readonly values: ReadonlyArray<unknown>
}

const isSame = (value: unknown, other: unknown): boolean =>
  value === other && (typeof value !== "object" || value === null)

export class Keys {
  readonly names: Names
  readonly #choice: string

  constructor(names: Names) {
    this.names = names && Array.from(new Set(names)).sort()
    // Hooks with different choices can share a store.
    this.#choice = this.names === undefined ? "*" : `${this.names.length}${netstring(...this.names)}`
  }

  /** Returns the key of an evaluation, or `undefined` if it has none. */
  of(context: HookContext): Made | undefined {
    const values = this.#valuesOf(context)
    const attributes = written(values)
    if (attributes === undefined) return undefined
    const { flagKey, flagValueType } = context
    const domain = domainOf(context)
    const provider = providerNameOf(context)
    const text = bounded(
      this.#choice + flagValueType + (domain === undefined ? "-" : domain.length) + " " + flagKey.length + " " +
        provider.length + " " + (domain ?? "") + flagKey + provider + attributes
    )
    return text === undefined ? undefined : { domain, flagKey, flagValueType, text, values }
  }

  /** Whether the evaluation still has the key that was made in an earlier stage. */
  isStill(context: HookContext, { text, values }: Made): boolean {
    const names = this.names
    return (names !== undefined && names.every((name, index) => isSame(attributeOf(context, name), values[index]))) ||
      this.of(context)?.text === text
  }

  #valuesOf(context: HookContext): ReadonlyArray<unknown> {
    return this.names === undefined ? [context.context] : this.names.map((name) => attributeOf(context, name))
  }
}
