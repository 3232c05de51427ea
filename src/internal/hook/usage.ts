/** What is known about the use of a budget in the present window, and when somebody has to be told. */
import type * as Clock from "effect/Clock"
import * as Check from "../check.ts"
import { decimal } from "../decimal.ts"
import { bounded } from "./buckets.ts"
import type { Rule, Spent } from "./windows.ts"

export interface Alert {
  /** The name of the budget. */
  readonly name: string
  /** The key, if `printKey` allows it. */
  readonly key: string | undefined
  /** The key of the flag whose evaluation reached the threshold. */
  readonly flagKey: string
  /** The share of the budget. */
  readonly threshold: number
  /** What is used. */
  readonly used: number
  /** The budget. */
  readonly budget: number
  /** When the window started, in milliseconds since 1970. */
  readonly windowStart: number
  /** When it ends. */
  readonly windowEnd: number
}

export interface Used {
  /** The key, as it is: the report goes to nobody but its caller. Of one with more than 256 characters, the digest. */
  readonly key: string
  /** What it has used, of all processes that share the store, as this process saw it last. */
  readonly used: number
  /** The same as a share of the budget. */
  readonly share: number
}

export interface Report {
  /** When the window started, in milliseconds since 1970. */
  readonly windowStart: number
  /** When it ends. */
  readonly windowEnd: number
  /** The keys that this process has seen in it, at most `maxKeys`, those that used most first. */
  readonly keys: ReadonlyArray<Used>
  /** What further keys have used in this process. */
  readonly overflow: number
}

// A larger one is meant as a percentage.
const maxThreshold = 10

const isThreshold = (one: unknown): boolean => typeof one === "number" && one > 0 && one <= maxThreshold

export const thresholdsRule: Check.Rule = (owner, name, value) => {
  const isFine = Array.isArray(value) && value.length <= 16 && new Set(value).size === value.length &&
    value.every(isThreshold)
  const expected = `a list of at most 16 different shares of the budget, such as 0.8, up to ${maxThreshold}`
  if (!isFine) Check.reject(owner, name, expected, value)
}

/** The thresholds that an evaluation is the first to reach, of all that share the store. */
export const reached = (
  thresholds: ReadonlyArray<number>,
  budget: number,
  { isPassed, refused, used, usedBefore }: Spent
): ReadonlyArray<number> => {
  // What does not fit into the rest of a budget has used it up. That is told once, and not again when the rest is used.
  if (!isPassed) return refused === 1 && used < budget ? thresholds.filter((threshold) => threshold === 1) : []
  if (used === usedBefore) return []
  return thresholds.filter((threshold) => {
    const at = decimal(threshold * budget)
    return usedBefore < at && used >= at && (threshold !== 1 || refused === 0)
  })
}

export const alertOf = (
  { budget, window }: Rule,
  { used, windowStart }: Spent,
  about: Pick<Alert, "name" | "key" | "flagKey" | "threshold">
): Alert => Object.freeze({ ...about, used, budget, windowStart, windowEnd: windowStart + window })

export class Usage {
  readonly #rule: Rule
  readonly #maxKeys: number
  readonly #clock: Clock.Clock
  readonly #used = new Map<string, number>()
  #start = 0
  /** How far the clock of the store is ahead, in milliseconds. */
  #ahead = 0
  #overflow = 0

  constructor(rule: Rule, maxKeys: number, clock: Clock.Clock) {
    this.#rule = rule
    this.#maxKeys = maxKeys
    this.#clock = clock
  }
  note(given: string, { resetsAfter, used, usedBefore, windowStart }: Spent): void {
    // Answers of a shared store can arrive in another order, and a clock that was far ahead can go back.
    if (windowStart < this.#start && this.#start <= windowStart + this.#rule.window) return
    if (windowStart !== this.#start) {
      this.#start = windowStart
      this.#ahead = windowStart + this.#rule.window - resetsAfter - this.#clock.currentTimeMillisUnsafe()
      this.#used.clear()
      this.#overflow = 0
    }
    const key = bounded(given)
    const known = this.#used.get(key)
    if (known !== undefined || this.#used.size < this.#maxKeys) this.#used.set(key, Math.max(known ?? 0, used))
    else this.#overflow = decimal(this.#overflow + used - usedBefore)
  }
  report(): Report {
    const { budget, window } = this.#rule
    const now = this.#clock.currentTimeMillisUnsafe() + this.#ahead
    const isOver = now >= this.#start + window
    const windowStart = isOver ? now - (now % window) : this.#start
    const used = isOver
      ? []
      : Array.from(this.#used, ([key, used]): Used => ({ key, used, share: decimal(used / budget) }))
    return {
      windowStart,
      windowEnd: windowStart + window,
      keys: used.sort((one, other) => other.used - one.used),
      overflow: isOver ? 0 : this.#overflow
    }
  }
}
