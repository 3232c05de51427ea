/** Makes a copy of a value without what breaks a rule, as far as that can be done. */
import { cast } from "effect/Function"
import type { Value } from "../../../EvaluationContext.ts"
import { isRecord, tryOr } from "../../untrusted.ts"
import { sanitise } from "./content.ts"
import { isPlain } from "./inspection.ts"
import type { Known, Names, Settings } from "./rules.ts"

/** Nothing of the value can stay. */
export const removed: unique symbol = Symbol("removed")

type Cleaned = Value | typeof removed

export class Cleaner {
  readonly #settings: Settings
  readonly #names: Names
  readonly #known: Known
  #elements = 0
  #size = 0

  constructor(settings: Settings, names: Names, known: Known) {
    this.#settings = settings
    this.#names = names
    this.#known = known
  }

  clean(value: unknown): Cleaned {
    return tryOr(() => this.#value(value, 0), () => removed)
  }

  #value(value: unknown, depth: number): Cleaned {
    if (typeof value === "string") return this.#text(value)
    if (typeof value === "number" || typeof value === "boolean" || value === null) {
      return typeof value === "number" && this.#known.contents.broken(String(value)) !== undefined ? removed : value
    }
    if (value instanceof Date) return value
    const isList = Array.isArray(value)
    // A buffer has as many members as bytes, and other instances are nothing without their class.
    if (!isList && !(isRecord(value) && isPlain(value))) return this.#known.allowsAnyValue ? cast(value) : removed
    if (depth >= this.#settings.maxDepth) return removed
    return isList ? this.#list(value, depth + 1) : this.#record(value, depth + 1)
  }

  #text(text: string): Cleaned {
    const { maxAttributeSize } = this.#settings
    this.#size += text.length
    if (this.#size - text.length > maxAttributeSize) return removed
    // A cut that leaves half a character would be a text that not every encoder takes.
    const cut = text.slice(0, maxAttributeSize).replace(/[\ud800-\udbff]$/, "")
    const { contents } = this.#known
    const broken = contents.broken(cut)
    if (broken === undefined) return cut
    const clean = broken === "line-breaks" || broken === "control-characters" ? sanitise(cut, contents) : cut
    return contents.broken(clean) === undefined ? clean : removed
  }

  #list(list: ReadonlyArray<unknown>, depth: number): Cleaned {
    const kept: Array<Value> = []
    for (let i = 0; i < list.length && this.#elements < this.#settings.maxElements; i++) {
      this.#elements++
      const clean = this.#value(list[i], depth)
      if (clean !== removed) kept.push(clean)
    }
    return kept
  }

  #record(record: Record<string, unknown>, depth: number): Cleaned {
    const kept: Record<string, Value> = {}
    for (const name of Object.keys(record)) {
      if (this.#elements++ >= this.#settings.maxElements) break
      // Only here could it become a prototype.
      if (name === "__proto__" || this.#names.nested(name, this.#known) !== undefined) continue
      const clean = this.#value(record[name], depth)
      if (clean !== removed) kept[name] = clean
    }
    return cast(kept)
  }
}
