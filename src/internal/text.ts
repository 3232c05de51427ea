/** Text that is safe to print: one bounded line without characters that terminals or log readers interpret. */
import { readString, tryOr } from "./untrusted.ts"

// C0, DEL, C1, line and paragraph separators, and the bidirectional controls.
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const unsafe = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/
const everyUnsafe = new RegExp(unsafe, "g")

const escapeChar = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`

/** Escapes what `JSON.stringify` leaves as it is. Outside of strings, JSON has no such characters. */
export const escapeUnsafe = (json: string): string => unsafe.test(json) ? json.replace(everyUnsafe, escapeChar) : json

/** The result has at most `max` characters, including the ellipsis. */
export const truncate = (text: string, max: number): string =>
  text.length <= max ? text : `${text.slice(0, Math.max(0, max - 1))}…`

/** Truncates first, so that the work is bounded. */
export const oneLine = (text: string, max: number): string => {
  const cut = truncate(text, max)
  return unsafe.test(cut) ? truncate(cut.replace(everyUnsafe, escapeChar), max) : cut
}

/** Prints the first `max` characters of a text in quotes. JavaScript callers can pass any value. */
export const quote = (text: string, max: number): string =>
  typeof text === "string"
    ? JSON.stringify(truncate(text, max)).replace(everyUnsafe, escapeChar)
    : printValue(text, max)

/** The name of a function is part of the code, unlike what it returns. */
export const functionName = (f: unknown): string | undefined => {
  const name = readString(f, "name")
  return name === undefined || name === "" ? undefined : oneLine(name, 256)
}

/** Returns the most similar of the known names, or `undefined` if none is similar. */
export const nearest = (name: string, known: ReadonlyArray<string>): string | undefined => {
  const wanted = truncate(name, 64).toLowerCase()
  let found: string | undefined = undefined
  let least = Math.max(2, Math.ceil(wanted.length / 3)) + 1
  for (const one of known) {
    // Such as ttl for timeToLive.
    if (wanted.length > 1 && wanted === initials(one)) return one
    const edits = distance(wanted, one.toLowerCase())
    if (edits < least) [found, least] = [one, edits]
  }
  return found
}

const initials = (name: string): string => (name.slice(0, 1) + name.slice(1).replace(/[^A-Z]/g, "")).toLowerCase()

// The number of characters to insert, delete or replace (Levenshtein).
const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, replaced))
    }
    row = next
  }
  return row[to.length] ?? 0
}

export interface Limits {
  readonly maxDepth: number
  readonly maxNodes: number
}

const defaults: Limits = { maxDepth: 8, maxNodes: 1000 }

/**
 * Prints any value as one bounded line: JSON, with markers for values that JSON
 * cannot represent. It limits depth and number of nodes, cuts cycles, and never
 * throws.
 */
export const printValue = (value: unknown, max: number, { maxDepth, maxNodes }: Limits = defaults): string => {
  const path: Array<object> = []
  let nodes = 0
  let length = 0
  const emit = (text: string): string => {
    length += text.length
    return text
  }
  const unreadable = () => emit("<unreadable>")
  const print = (value: unknown): string => {
    if (++nodes > maxNodes || length > max) return "…"
    switch (typeof value) {
      case "string":
        return emit(JSON.stringify(truncate(value, max)))
      case "number":
        return emit(Object.is(value, -0) ? "-0" : String(value))
      case "boolean":
      case "undefined":
        return emit(String(value))
      case "bigint":
        return emit(`${value}n`)
      case "symbol":
        return emit("<symbol>")
      case "function":
        return emit("<function>")
      case "object":
        return value === null ? emit("null") : tryOr(() => printObject(value), unreadable)
    }
  }
  const printObject = (value: object): string => {
    if (value instanceof Date) {
      return emit(Number.isNaN(value.getTime()) ? "<invalid date>" : `"${value.toISOString()}"`)
    }
    if (value instanceof Error) return emit(`<${oneLine(value.name, 64)}>`)
    if (ArrayBuffer.isView(value)) return emit(`<${value.byteLength} bytes>`)
    if (path.includes(value)) return emit("<cycle>")
    if (path.length >= maxDepth) return emit("…")
    path.push(value)
    const printed = tryOr(() => printEntries(value), unreadable)
    path.pop()
    return printed
  }
  const printEntries = (value: object): string => {
    if (Array.isArray(value)) return `[${join(value, print)}]`
    if (value instanceof Set) return `<set>[${join(value, print)}]`
    if (value instanceof Map) return `<map>{${join(value, ([key, item]) => `${print(key)}:${print(item)}`)}}`
    return `{${join(Object.keys(value), (key) => `${print(key)}:${print(Reflect.get(value, key))}`)}}`
  }
  const join = <A>(items: Iterable<A>, f: (item: A) => string): string => {
    const parts: Array<string> = []
    for (const item of items) {
      parts.push(f(item))
      if (nodes > maxNodes || length > max) break
    }
    return parts.join(",")
  }
  return oneLine(typeof value === "string" ? value : print(value), max)
}
