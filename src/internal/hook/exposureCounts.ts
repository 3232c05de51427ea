/** Totals of evaluations by flag, variant and minute, each open until its batch is sent. */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type { EvaluationDetails } from "../../EvaluationDetails.ts"
import type { HookContext } from "../../HookContext.ts"
import * as Check from "../check.ts"
import { oneLine, truncate } from "../text.ts"
import { formatTime } from "../time.ts"
import * as Delivery from "./delivery.ts"
import { aSchedule } from "./exposureSettings.ts"
import { domainOf } from "./view.ts"
import type { Outcome } from "./work.ts"

export interface Total {
  readonly minute: string
  readonly flagKey: string
  readonly variant?: string | undefined
  readonly domain?: string | undefined
  readonly evaluations: number
}

export interface Options<out B = unknown> {
  /** Takes a batch of totals. Returns an effect, a promise, or nothing. */
  readonly send: (totals: ReadonlyArray<Total>) => B
  /** The name of the hook, `exposure-counts` by default. */
  readonly name?: string | undefined
  /** How long totals are collected before they are sent, 1 minute by default. */
  readonly interval?: Duration.Input | undefined
  /** The maximum number of totals that are collected, 1,000 by default. When it is reached, they are sent early. */
  readonly capacity?: number | undefined
  /** Sends a batch again when `send` fails, as long as the schedule continues. By default a batch is sent once. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** The maximum time that closing waits for the rest of the totals, 3 seconds by default. */
  readonly closeTimeout?: Duration.Input | undefined
}

class Series {
  readonly key: string
  readonly total: Omit<Total, "evaluations">
  evaluations = 0

  constructor(key: string, total: Omit<Total, "evaluations">) {
    this.key = key
    this.total = total
  }
}

const maxNameLength = 256

class Totals {
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

export const checked = <B>(owner: string, options: Options<B>): void => {
  const { send } = Check.options(owner, options, {
    send: Check.aFunction,
    name: Check.aText,
    interval: Check.positiveDuration,
    capacity: Check.positiveInteger,
    retry: aSchedule,
    closeTimeout: Check.finiteDuration
  })
  Check.aFunction(owner, "send", send)
}

export const nameOf = ({ name = "exposure-counts" }: Options): string => oneLine(name, 128)

/** `R` is what the result of `send` requires. */
export const make = Effect.fnUntraced(function*<R>(options: Options) {
  const { capacity = 1000, interval = "1 minute" } = options
  const totals = new Totals(yield* Clock.Clock)
  const delivery = yield* Delivery.make<Series, R>({
    name: nameOf(options),
    counter: undefined,
    send: (series) => options.send(series.map((one) => totals.seal(one))),
    onEnd: (outcome, series) => totals.end(outcome, series),
    retry: options.retry,
    capacity,
    maxSize: capacity,
    maxWait: interval,
    closeTimeout: options.closeTimeout
  })
  /** A `finally` stage. */
  const see = (context: HookContext, { errorCode, variant }: EvaluationDetails): void => {
    if (errorCode !== undefined) return
    const series = totals.add(context.flagKey, variant, domainOf(context))
    if (series !== undefined) delivery.offer(series, context.flagKey)
  }
  return { see, counts: Effect.sync(() => totals.counts), flush: delivery.flush }
})
