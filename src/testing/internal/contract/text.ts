/** The text of any value, to look for data in it and to compare values by it. */
import * as Predicate from "effect/Predicate"
import { read, tryOr } from "../../../internal/untrusted.ts"

const maxDepth = 12
const maxNodes = 20_000

/** Includes the message, the stack and the cause of errors, and ends on cycles. */
export const textOf = (value: unknown): string => {
  const open = new Set<object>()
  let nodes = 0
  const walk = (value: unknown): string => {
    if (typeof value === "string") return JSON.stringify(value)
    if (typeof value === "function") return "function"
    if (!Predicate.isObjectOrArray(value)) return String(value)
    if (open.has(value) || open.size > maxDepth || ++nodes > maxNodes) return "…"
    open.add(value)
    const text = tryOr(() => ofObject(value), () => "unreadable")
    open.delete(value)
    return text
  }
  const ofObject = (value: object): string => {
    if (value instanceof Date) return String(value.getTime())
    if (value instanceof Uint8Array) return walk(new TextDecoder().decode(value))
    if (value instanceof Map) return `Map ${list(Array.from(value))}`
    if (value instanceof Set) return `Set ${list(Array.from(value))}`
    if (Array.isArray(value)) return list(value)
    const names: Array<PropertyKey> = Reflect.ownKeys(value)
    const more = value instanceof Error ? ["name", "message", "stack", "cause"] : []
    return `{${
      Array.from(new Set([...more, ...names]), (name) => `${String(name)}: ${walk(read(value, name))}`).join(", ")
    }}`
  }
  const list = (values: ReadonlyArray<unknown>): string => `[${values.map(walk).join(", ")}]`
  return walk(value)
}

/** Leaves out what differs from run to run: numbers, identifiers and stacks. */
export const masked = (text: string): string =>
  text.replaceAll(/(\\n|\n)\s+at [^"\\\n]*/g, "").replaceAll(/\b[0-9a-f]{16,}\b/g, "#").replaceAll(/\d+/g, "#")

/** What is in one list and not in the other, as evidence. */
export const difference = (
  expected: ReadonlyArray<string>,
  actual: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const rest = [...actual]
  const missing = expected.filter((text) => {
    const index = rest.indexOf(text)
    if (index >= 0) rest.splice(index, 1)
    return index < 0
  })
  return [...missing.map((text) => `missing ${text}`), ...rest.map((text) => `added ${text}`)]
}
