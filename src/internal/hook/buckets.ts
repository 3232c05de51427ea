/** Token buckets in memory. A bucket that is full again is as good as forgotten. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { murmur3 } from "../hash.ts"
import { sha256 } from "../node.ts"
import { Ledger } from "../ledger.ts"
import { isRecord } from "../untrusted.ts"

export interface Rule {
  /**
   * The name and the numbers of the limit. Buckets of different identities have
   * nothing in common, so a limit whose numbers change starts with full buckets.
   */
  readonly id: string
  /** The number of tokens that come back in a window. */
  readonly limit: number
  /** The window in microseconds. */
  readonly window: number
  /** The number of tokens in a full bucket. */
  readonly burst: number
}

export interface Taken {
  /** Whether there was a token, which is taken now. */
  readonly isPassed: boolean
  /** The milliseconds until there is a token again. Zero when there was one. */
  readonly retryAfter: number
}

export const ruleOf = (
  name: string,
  { burst, limit, window }: {
    readonly burst?: number | undefined
    readonly limit: number
    readonly window: Duration.Input
  }
): Rule => {
  const rule = { limit, burst: burst ?? limit, window: Math.max(1, Math.round(Duration.toMillis(window) * 1000)) }
  return { id: `${rule.limit}/${rule.window}/${rule.burst} ${name}`, ...rule }
}

export const isTaken = (answer: unknown): answer is Taken =>
  isRecord(answer) && typeof answer["isPassed"] === "boolean" && typeof answer["retryAfter"] === "number" &&
  answer["retryAfter"] >= 0

/** In microseconds times the limit, so that all sums are exact: one token is the window in microseconds. */
interface Bucket {
  readonly key: string
  credit: number
  at: number
}

const passed: Taken = { isPassed: true, retryAfter: 0 }

/** In characters. Of a longer key, the digest is kept. */
const maxKeyLength = 256

/** A key that takes little memory. */
export const bounded = (key: string): string =>
  key.length <= maxKeyLength ? key : `\u0000${sha256(key) ?? `${key.length}:${murmur3(key)}`}`

const refilled = ({ at, credit }: Bucket, { burst, limit, window }: Rule, now: number): number =>
  // A clock that goes back refills nothing.
  Math.min(burst * window, credit + Math.max(0, now - at) * limit)

const ledgerOf = (rule: Rule, capacity: number): Ledger<Bucket> =>
  new Ledger<Bucket>(capacity, (bucket, now) => rule.burst * rule.window - refilled(bucket, rule, now))

export class Buckets {
  readonly #ledgers = new Map<string, Ledger<Bucket>>()
  readonly #capacity: number
  readonly #clock: Clock.Clock
  /** Most stores have one limit. */
  #latest: { readonly rule: Rule; readonly ledger: Ledger<Bucket> } | undefined = undefined

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
  readonly take = (rule: Rule, key: string): Effect.Effect<Taken> => Effect.succeed(this.takeNow(rule, key))
  /** Without an effect, which takes longer than the rest. */
  takeNow(rule: Rule, given: string): Taken {
    const now = Math.floor(Number(this.#clock.monotonicTimeNanosUnsafe()) / 1000)
    const key = bounded(given)
    const ledger = this.#ledgerOf(rule)
    const found = ledger.get(key, now)
    if (found === undefined) {
      ledger.add({ key, credit: (rule.burst - 1) * rule.window, at: now }, now)
      return passed
    }
    found.credit = refilled(found, rule, now)
    found.at = now
    if (found.credit < rule.window) {
      const retryAfter = Math.ceil((rule.window - found.credit) / rule.limit / 1000)
      return { isPassed: false, retryAfter }
    }
    found.credit -= rule.window
    return passed
  }
  #ledgerOf(rule: Rule): Ledger<Bucket> {
    if (this.#latest?.rule === rule) return this.#latest.ledger
    const ledger = this.#ledgers.get(rule.id) ?? ledgerOf(rule, this.#capacity)
    this.#ledgers.set(rule.id, ledger)
    this.#latest = { rule, ledger }
    return ledger
  }
}
