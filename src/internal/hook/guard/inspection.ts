/** Looks at the attributes of one context, up to the first rule that is broken. */
import type { Known, Names, Rule, Settings, Type } from "./rules.ts"

/** The size of a value that is no text, in characters. */
export const scalar = 8

const typeOf = (value: unknown): Type | undefined => {
  switch (typeof value) {
    case "string":
      return "string"
    case "number":
      return "number"
    case "boolean":
      return "boolean"
    case "object":
      if (value === null) return "null"
      if (value instanceof Date) return "date"
      return Array.isArray(value) ? "list" : "object"
    default:
      return undefined
  }
}

const isPrintable = (value: unknown): value is string | number | boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean"

/** Also records of another realm, such as those of a test runner. */
export const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return true
  return typeof prototype === "object" && Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, "hasOwnProperty")
}

/** Where an inspection is. */
export interface Mark {
  readonly size: number
  readonly elements: number
}

export class Inspection {
  readonly #settings: Settings
  readonly #names: Names
  readonly #maxSize: number
  readonly #maxAttributeSize: number
  #size = 0
  #elements = 0
  /** The size at which the present attribute is too large. */
  #end = 0

  constructor(settings: Settings, names: Names) {
    this.#settings = settings
    this.#names = names
    this.#maxSize = settings.maxSize
    this.#maxAttributeSize = settings.maxAttributeSize
  }

  get mark(): Mark {
    return { size: this.#size, elements: this.#elements }
  }
  /** Forgets what came after the mark. */
  reset({ elements, size }: Mark): void {
    this.#size = size
    this.#elements = elements
  }

  /** Returns the first rule that the attribute breaks. A value that cannot be read throws. */
  attribute(name: string, value: unknown, known: Known): Rule | undefined {
    if (known.isPlain) {
      if (value === undefined) return undefined
      this.#size += name.length
      this.#end = this.#size + this.#maxAttributeSize
      return this.#value(value, known, 0)
    }
    if (known.unsafe !== undefined) return known.unsafe
    // An attribute that is not there.
    if (value === undefined) return undefined
    if (known.refused !== undefined) return known.refused
    if (known.types !== undefined && !known.types.has(typeOf(value) ?? "")) return "type"
    this.#size += name.length
    this.#end = this.#size + this.#maxAttributeSize
    const broken = this.#value(value, known, 0)
    if (broken !== undefined || known.pattern === undefined) return broken
    return isPrintable(value) && known.pattern(String(value)) ? undefined : "pattern"
  }

  #grow(by: number): Rule | undefined {
    this.#size += by
    if (this.#size > this.#end) return "attribute-size"
    return this.#size > this.#maxSize ? "size" : undefined
  }

  #value(value: unknown, known: Known, depth: number): Rule | undefined {
    switch (typeof value) {
      case "string":
        return this.#grow(value.length) ?? known.contents.broken(value)
      case "number":
        // As a number, a card has no more digits than this.
        return this.#grow(scalar) ?? (value >= 1e13 ? known.contents.broken(String(value)) : undefined)
      case "boolean":
        return this.#grow(scalar)
      case "undefined":
        return undefined
      case "object":
        return value === null ? this.#grow(scalar) : this.#structure(value, known, depth + 1)
      default:
        return this.#grow(scalar) ?? (known.allowsAnyValue ? undefined : "unsupported-values")
    }
  }

  #structure(value: object, known: Known, depth: number): Rule | undefined {
    if (value instanceof Date) return this.#grow(scalar)
    if (depth > this.#settings.maxDepth) return "depth"
    if (Array.isArray(value)) return this.#list(value, known, depth)
    if (!isPlain(value)) return this.#grow(scalar) ?? (known.allowsAnyValue ? undefined : "unsupported-values")
    return this.#record(value, known, depth)
  }

  #count(elements: number): Rule | undefined {
    this.#elements += elements
    return this.#elements > this.#settings.maxElements ? "elements" : undefined
  }

  #list(list: ReadonlyArray<unknown>, known: Known, depth: number): Rule | undefined {
    const { length } = list
    const broken = this.#count(length)
    if (broken !== undefined) return broken
    for (let i = 0; i < length; i++) {
      const broken = this.#value(list[i], known, depth)
      if (broken !== undefined) return broken
    }
    return undefined
  }

  #record(record: object, known: Known, depth: number): Rule | undefined {
    const names = Object.keys(record)
    const broken = this.#count(names.length)
    if (broken !== undefined) return broken
    for (const name of names) {
      const broken = this.#grow(name.length) ?? this.#names.nested(name, known) ??
        this.#value(Reflect.get(record, name), known, depth)
      if (broken !== undefined) return broken
    }
    return undefined
  }
}
