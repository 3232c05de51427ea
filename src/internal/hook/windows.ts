/** What was used in the present window, in memory. What was used in an earlier one is as good as forgotten. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { decimal } from "../decimal.ts"
import { Ledger } from "../ledger.ts"
import { isRecord } from "../untrusted.ts"
import { bounded } from "./buckets.ts"

export interface Rule {
  /**
   * The name and the window of the budget. What is used is counted for each
   * identity, so a budget may grow within a window.
   */
  readonly id: string
  /** The cost that each key may use in a window. */
  readonly budget: number
  /** The window in milliseconds. Windows start at multiples of it since 1970, in UTC. */
  readonly window: number
}

export interface Spent {
  /** Whether the cost was within the budget, or added anyway. */
  readonly isPassed: boolean
  /** What was used in this window before. */
  readonly usedBefore: number
  /** What is used in this window now. */
  readonly used: number
  /** The number of evaluations that were refused in this window, with this one. */
  readonly refused: number
  /** When the window started, in milliseconds since 1970. */
  readonly windowStart: number
  /** The milliseconds until the next window. */
  readonly resetsAfter: number
}

export const ruleOf = (
  name: string,
  { budget, window }: { readonly budget: number; readonly window: Duration.Input }
): Rule => {
  const millis = Math.max(1, Math.round(Duration.toMillis(window)))
  // Sums are rounded, so what they are compared with is, too.
  return { id: `${millis} ${name}`, budget: decimal(budget), window: millis }
}

const numbers = ["usedBefore", "used", "refused", "windowStart", "resetsAfter"] as const

export const isSpent = (answer: unknown): answer is Spent =>
  isRecord(answer) && typeof answer["isPassed"] === "boolean" &&
  numbers.every((name) => Number.isFinite(answer[name]))

interface Window {
  readonly key: string
  start: number
  used: number
  refused: number
}

/** Windows are aligned to the epoch. */
const startOf = (now: number, window: number): number => now - (now % window)

export class Windows {
  readonly #ledgers = new Map<string, Ledger<Window>>()
  readonly #capacity: number
  readonly #clock: Clock.Clock

  constructor(capacity: number, clock: Clock.Clock) {
    this.#capacity = capacity
    this.#clock = clock
  }
  get counts(): { readonly keys: number; readonly evicted: number } {
    const ledgers = Array.from(this.#ledgers.values())
    return {
      keys: ledgers.reduce((sum, { size }) => sum + size, 0),
      evicted: ledgers.reduce((sum, { evicted }) => sum + evicted, 0)
    }
  }
  readonly spend = (rule: Rule, given: string, cost: number, isForced: boolean): Effect.Effect<Spent> => {
    const now = this.#clock.currentTimeMillisUnsafe()
    const start = startOf(now, rule.window)
    const key = bounded(given)
    const ledger = this.#ledgerOf(rule)
    const found = ledger.get(key, now)
    const window = found ?? { key, start, used: 0, refused: 0 }
    // A clock that goes back stays in the later window, and one that goes on starts a new one.
    if (window.start < start || window.start > start + rule.window) {
      window.start = start
      window.used = 0
      window.refused = 0
    }
    const usedBefore = window.used
    // Beyond all numbers, nothing would count any more.
    const sum = Math.min(decimal(usedBefore + cost), Number.MAX_VALUE)
    // A cost of zero asks whether there is anything left.
    const isPassed = isForced || (cost === 0 ? usedBefore < rule.budget : sum <= rule.budget)
    if (isPassed) window.used = sum
    else window.refused++
    if (found === undefined && window.used + window.refused > 0) ledger.add(window, now)
    return Effect.succeed({
      isPassed,
      usedBefore,
      used: window.used,
      refused: window.refused,
      windowStart: window.start,
      resetsAfter: window.start + rule.window - now
    })
  }
  #ledgerOf(rule: Rule): Ledger<Window> {
    const found = this.#ledgers.get(rule.id)
    if (found !== undefined) return found
    const worth = ({ start, used }: Window, now: number): number =>
      start < startOf(now, rule.window) ? 0 : used + Number.MIN_VALUE
    const made = new Ledger<Window>(this.#capacity, worth)
    this.#ledgers.set(rule.id, made)
    return made
  }
}
