/** Counts the evaluations of an audit trail by flag and variant, in tables of bounded size. */
import type { Line } from "../../audit/AuditRecord.ts"
import type { Entry, FlagSummary, Summary } from "../AuditTrail.ts"
import { isError } from "./selection.ts"

const maxVariants = 50

// A name that is kept keeps its place in memory for the whole run.
const maxLength = 256

interface FlagTally {
  evaluations: number
  errors: number
  readonly variants: Map<string, number>
}

/** The name under which evaluations count that have no variant, or none of the first `maxVariants`. */
const none = "(none)"
const others = "(others)"

export class Tally {
  readonly #maxFlags: number
  readonly #flags = new Map<string, FlagTally>()
  #records = 0
  #errors = 0
  #notListed = 0
  #first: string | undefined = undefined
  #last: string | undefined = undefined
  #badLines = 0

  constructor(maxFlags: number) {
    this.#maxFlags = maxFlags
  }

  add(line: Entry): void {
    if (line._tag === "Recorded") this.#record(line.record)
    else this.#badLines++
  }

  #record(record: Line): void {
    this.#records++
    this.#first ??= record.time
    this.#last = record.time
    const failed = isError(record) ? 1 : 0
    this.#errors += failed
    const flag = this.#flagOf(record.flagKey)
    if (flag === undefined) {
      this.#notListed++
      return
    }
    flag.evaluations++
    flag.errors += failed
    // An evaluation with an error gives the default value, which is no variant.
    if (failed === 0) count(flag.variants, String(record.variant ?? none))
  }

  #flagOf(flagKey: string): FlagTally | undefined {
    const found = this.#flags.get(flagKey)
    if (found !== undefined || this.#flags.size >= this.#maxFlags || flagKey.length > maxLength) return found
    const made: FlagTally = { evaluations: 0, errors: 0, variants: new Map() }
    this.#flags.set(flagKey, made)
    return made
  }

  get result(): Summary {
    return {
      records: this.#records,
      errors: this.#errors,
      badLines: this.#badLines,
      first: this.#first,
      last: this.#last,
      flags: Array.from(this.#flags, summaryOf).sort((a, b) => b.evaluations - a.evaluations),
      notListed: this.#notListed
    }
  }
}

const count = (variants: Map<string, number>, variant: string): void => {
  const isListed = variants.has(variant) || (variants.size < maxVariants && variant.length <= maxLength)
  const name = isListed ? variant : others
  variants.set(name, (variants.get(name) ?? 0) + 1)
}

const summaryOf = ([flagKey, { errors, evaluations, variants }]: [string, FlagTally]): FlagSummary => ({
  flagKey,
  evaluations,
  errors,
  variants: Array.from(variants, ([variant, count]) => ({ variant, count })).sort((a, b) => b.count - a.count)
})
