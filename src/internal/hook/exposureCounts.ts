/** Totals of evaluations by flag, variant and minute, each open until its batch is sent. */
import type * as Clock from "effect/Clock"
import { truncate } from "../text.ts"
import { formatTime } from "../time.ts"
import type { Outcome } from "./work.ts"

export interface Total {
  readonly minute: string
  readonly flagKey: string
  readonly variant?: string | undefined
  readonly domain?: string | undefined
  readonly evaluations: number
}

export class Series {
  readonly key: string
  readonly total: Omit<Total, "evaluations">
  evaluations = 0

  constructor(key: string, total: Omit<Total, "evaluations">) {
    this.key = key
    this.total = total
  }
}

const maxNameLength = 256

export class Totals {
  readonly #clock: Clock.Clock
  readonly #open = new Map<string, Series>()
  readonly #ended: Record<Outcome, number> = { delivered: 0, dropped: 0, failed: 0 }
  #offered = 0

  constructor(clock: Clock.Clock) {
    this.#clock = clock
  }

  get counts() {
    const { delivered, dropped, failed } = this.#ended
    return { offered: this.#offered, ...this.#ended, pending: this.#offered - delivered - dropped - failed }
  }

  /** Returns a series that is new, and has to be sent one day. */
  add(flagKey: string, variant: string | undefined, domain: string | undefined): Series | undefined {
    const minute = Math.floor(this.#clock.currentTimeMillisUnsafe() / 60_000)
    const flag = truncate(flagKey, maxNameLength)
    const named = variant === undefined ? undefined : truncate(variant, maxNameLength)
    const place = domain === undefined ? undefined : truncate(domain, maxNameLength)
    // The lengths tell none from an empty text.
    const key = minute + " " + flag.length + " " + (named?.length ?? "") + " " + (place?.length ?? "") + " " + flag +
      (named ?? "") + (place ?? "")
    this.#offered++
    const found = this.#open.get(key)
    if (found !== undefined) {
      found.evaluations++
      return undefined
    }
    const series = new Series(key, {
      minute: formatTime(minute * 60_000),
      flagKey: flag,
      ...named === undefined ? undefined : { variant: named },
      ...place === undefined ? undefined : { domain: place }
    })
    series.evaluations = 1
    this.#open.set(key, series)
    return series
  }

  /** Further evaluations belong to a new series. */
  seal(series: Series): Total {
    if (this.#open.get(series.key) === series) this.#open.delete(series.key)
    return { ...series.total, evaluations: series.evaluations }
  }

  end(outcome: Outcome, series: Series): void {
    this.#ended[outcome] += this.seal(series).evaluations
  }
}
