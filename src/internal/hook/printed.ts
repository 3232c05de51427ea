/** How hooks print: like the code that made them. */
import { oneLine, quote, truncate } from "../text.ts"
import type { Part } from "./part.ts"

/** A hook of a stack, as the user wrote it. */
export interface Printed {
  /** The name of the hook, which is not escaped. */
  readonly name: string
  /** The hook with its combinators: one line of bounded length. */
  readonly text: string
}

const maxLength = 1000

const maxDepth = 8

/** The hooks that were combined last: single parts, and the parts that one combinator made. */
export const operands = (parts: ReadonlyArray<Part>): ReadonlyArray<ReadonlyArray<Part>> => {
  const found: Array<ReadonlyArray<Part>> = []
  for (let index = 0; index < parts.length;) {
    const size = parts[index]?.written?.size ?? 1
    found.push(parts.slice(index, index + size))
    index += size
  }
  return found
}

// A name that could be mistaken for code is quoted.
const nameOf = ({ name }: Part): string => /^[\p{L}\p{N}_./:@#-]+$/u.test(name) ? oneLine(name, 128) : quote(name, 128)

const printHook = (hook: ReadonlyArray<Part>, depth: number): string => {
  const labels: Array<string> = []
  let inner = hook
  let written = inner[0]?.written
  while (written?.size === inner.length) {
    labels.push(written.label)
    inner = written.of
    written = inner[0]?.written
  }
  const base = inner.length > 1 ? `(${printAll(inner, depth + 1)})` : inner.map(nameOf).join("")
  return labels.length === 0 ? base : `${base}.pipe(${labels.reverse().join(", ")})`
}

const printAll = (parts: ReadonlyArray<Part>, depth: number): string => {
  if (depth > maxDepth) return "…"
  let text = ""
  for (const hook of operands(parts)) {
    text += `${text === "" ? "" : " + "}${printHook(hook, depth)}`
    if (text.length > maxLength) break
  }
  return text === "" ? "empty" : text
}

/** Prints a combination. */
export const print = (parts: ReadonlyArray<Part>): string => truncate(printAll(parts, 0), maxLength)

/** Prints each hook of a combination by itself, in the order of `before`. */
export const hooksOf = (parts: ReadonlyArray<Part>): ReadonlyArray<Printed> =>
  operands(parts).map((hook) => ({
    name: hook.map(({ name }) => name).join(" + "),
    text: truncate(printHook(hook, 0), maxLength)
  }))
