/**
 * The series of a metric: a limited number, and one for all further attribute
 * sets, so totals stay exact.
 *
 * `Series` stores them by attributes. `SeriesLookup` finds them by the labels of
 * an evaluation, so attributes are made only once.
 */

import * as Metric from "effect/Metric"
import { oneLine } from "./text.ts"

export type Attributes = Readonly<Record<string, string | number | boolean>>

/** The labels that are known at the end of an evaluation. */
export interface Outcome {
  readonly variant?: string | undefined
  readonly reason?: string | undefined
  readonly errorCode?: string | undefined
}

export interface Labels extends Outcome {
  readonly flagKey: string
  readonly provider: string
  /** The additional attributes, as text. */
  readonly extra: string
}

/** The labels of an evaluation that has not ended. */
export const noOutcome: Outcome = {}

/** In characters. */
export const maxLabelLength = 256

/** Attributes in a different order belong to the same series. */
export class Series<A> {
  readonly #known = new Map<string, A>()
  readonly #overflow: A

  constructor(overflow: A) {
    this.#overflow = overflow
  }
  /** The limit is the caller's, since hooks with different limits share the series of a meter. */
  of<K extends Attributes>(attributes: K, limit: number, make: (attributes: K) => A): A {
    const key = JSON.stringify(Object.entries(attributes).sort(([a], [b]) => a < b ? -1 : 1))
    const found = this.#known.get(key)
    if (found !== undefined) return found
    if (this.#known.size >= limit) return this.#overflow
    const made = make(attributes)
    this.#known.set(key, made)
    return made
  }
}

interface Entry<A> extends Labels {
  readonly series: A
  readonly next: Entry<A> | undefined
}

// A longer label is truncated in the attributes. Storing it here would use memory without a bound.
const isLong = (text: string | undefined): boolean => (text?.length ?? 0) > maxLabelLength

export class SeriesLookup<A> {
  readonly #byFlag = new Map<string, Map<string | undefined, Entry<A>>>()
  readonly #limit: number
  readonly #resolve: (labels: Labels) => A
  #size = 0

  constructor(limit: number, resolve: (labels: Labels) => A) {
    this.#limit = limit
    this.#resolve = resolve
  }
  of(flagKey: string, provider: string, { errorCode, reason, variant }: Outcome, extra: string): A {
    const byVariant = this.#byFlag.get(flagKey)
    const next = byVariant?.get(variant)
    for (let entry = next; entry !== undefined; entry = entry.next) {
      const isSame = entry.provider === provider && entry.reason === reason && entry.errorCode === errorCode &&
        entry.extra === extra
      if (isSame) return entry.series
    }
    const labels = { errorCode, extra, flagKey, provider, reason, variant }
    const series = this.#resolve(labels)
    if (this.#size < this.#limit && ![flagKey, reason, variant].some(isLong)) {
      this.#size++
      const entry = { ...labels, series, next }
      if (byVariant === undefined) this.#byFlag.set(flagKey, new Map([[variant, entry]]))
      else byVariant.set(variant, entry)
    }
    return series
  }
}

/** The series of a counter of Effect by flag and outcome, under a name of the application. */
export const boundedCounter = (
  counter: Metric.Counter<number>,
  kind: string,
  name: string,
  limit: number
): (flagKey: string, outcome?: string) => Metric.Counter<number> => {
  const label = oneLine(name, 128)
  const make = (attributes: Readonly<Record<string, string>>) => Metric.withAttributes(counter, attributes)
  const series = new Series(make({ [kind]: label, flag_key: "overflow", outcome: "overflow" }))
  const lookup = new SeriesLookup(limit, ({ flagKey, reason }) =>
    series.of(
      {
        [kind]: label,
        flag_key: oneLine(flagKey, maxLabelLength),
        ...reason === undefined ? undefined : { outcome: reason }
      },
      limit,
      make
    ))
  return (flagKey, outcome) => lookup.of(flagKey, "", { reason: outcome }, "")
}
