/** Makes a copy of a value without what breaks a rule, as far as that can be done. */
import { cast } from "effect/Function"
import type { Value } from "../../../EvaluationContext.ts"
import { isRecord, tryOr } from "../../untrusted.ts"
import { sanitise } from "./content.ts"
import { isPlain, scalar } from "./inspection.ts"
import type { Known, Names, Settings } from "./rules.ts"

/** Nothing of the value can stay. */
export const removed: unique symbol = Symbol("removed")

/** How much is read behind a cut. Most of a secret is as good as all of it, and no rule finds it any more. */
const behind = 1024

type Cleaned = Value | typeof removed

export class Cleaner {
  readonly #settings: Settings
  readonly #names: Names
  readonly #known: Known
  #elements = 0
  /** The size of what is kept, as an inspection counts it. */
  #size = 0
  /** The length of all texts so far, so that not all of many bad ones are read. */
  #read = 0

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
      const isBad = typeof value === "number" && this.#known.contents.broken(String(value)) !== undefined
      return !isBad && this.#fits(scalar) ? value : removed
    }
    if (value instanceof Date) return this.#fits(scalar) ? value : removed
    const isList = Array.isArray(value)
    // A buffer has as many members as bytes, and other instances are nothing without their class.
    if (!isList && !(isRecord(value) && isPlain(value))) {
      return this.#known.allowsAnyValue && this.#fits(scalar) ? cast(value) : removed
    }
    if (depth >= this.#settings.maxDepth) return removed
    return isList ? this.#list(value, depth + 1) : this.#record(value, depth + 1)
  }

  #text(text: string): Cleaned {
    const { maxAttributeSize } = this.#settings
    const left = maxAttributeSize - this.#size
    if (this.#read > maxAttributeSize || (left <= 0 && text !== "")) return removed
    this.#read += text.length
    const read = text.slice(0, left + behind)
    const { contents } = this.#known
    const broken = contents.broken(read)
    const clean = broken === "line-breaks" || broken === "control-characters" ? sanitise(read, contents) : read
    if (broken !== undefined && contents.broken(clean) !== undefined) return removed
    // A cut that leaves half a character would be a text that not every encoder takes.
    const cut = clean.slice(0, left).replace(/[\ud800-\udbff]$/, "")
    const isFine = cut === clean || contents.broken(cut) === undefined
    return isFine && this.#fits(cut.length) ? cut : removed
  }

  #fits(size: number): boolean {
    if (this.#size + size > this.#settings.maxAttributeSize) return false
    this.#size += size
    return true
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
      const before = this.#size
      const clean = this.#fits(name.length) ? this.#value(record[name], depth) : removed
      if (clean === removed) this.#size = before
      else kept[name] = clean
    }
    return cast(kept)
  }
}
