/** A text of plain data. Two values have the same one only if they are structurally equal. */
import { tryOr } from "./untrusted.ts"

const maxDepth = 32

/**
 * Returns `undefined` for what cannot be compared: cycles, instances of classes, functions, what throws when it is
 * read, and what is deeper than 32 levels or longer than the limit. The order of names has no effect.
 */
export const structureOf = (value: unknown, maxLength: number): string | undefined => {
  const writer = new Writer(maxLength)
  return tryOr(() => writer.write(value, 0), () => false) ? writer.text : undefined
}

class Writer {
  text = ""
  readonly #maxLength: number

  constructor(maxLength: number) {
    this.#maxLength = maxLength
  }

  /** Returns whether the value could be written. */
  write(value: unknown, depth: number): boolean {
    switch (typeof value) {
      case "string":
        return this.#add("s", value)
      case "number":
        return this.#add("n", String(value))
      case "boolean":
        return this.#add(value ? "t" : "f", "")
      case "bigint":
        return this.#add("i", String(value))
      case "undefined":
        return this.#add("u", "")
      case "object":
        return value === null ? this.#add("0", "") : this.#object(value, depth)
      default:
        return false
    }
  }

  // The length goes first, so that no text can look like two others.
  #add(kind: string, text: string): boolean {
    if (this.text.length + text.length > this.#maxLength) return false
    this.text += kind + text.length + ":" + text
    return true
  }

  #object(value: object, depth: number): boolean {
    if (depth >= maxDepth) return false
    if (value instanceof Date) return this.#add("d", String(value.getTime()))
    if (Array.isArray(value)) return this.#list(value, depth)
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) return false
    const names = Object.keys(value)
    if (names.length > this.#maxLength) return false
    return this.#add("o", String(names.length)) &&
      names.sort().every((name) => this.#add("k", name) && this.write(Reflect.get(value, name), depth + 1))
  }

  // A list can claim any length. A hole is no value.
  #list(value: ReadonlyArray<unknown>, depth: number): boolean {
    const { length } = value
    if (length > this.#maxLength || !this.#add("a", String(length))) return false
    for (let index = 0; index < length; index++) {
      if (!Object.hasOwn(value, index) || !this.write(value[index], depth + 1)) return false
    }
    return true
  }
}
