/**
 * What the rounds of a run have measured, and figures made of it.
 *
 * A figure is made of medians over all batches of a run. Sums and means would
 * also count the garbage collections, and a collection stops the variant that
 * happens to run, not the one that made the garbage.
 */
import type { Measured } from "./measure.ts"

export interface Quartiles {
  readonly low: number
  readonly median: number
  readonly high: number
}

export const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = Array.from(values).sort((a, b) => a - b)
  const at = (sorted.length - 1) * q
  const low = sorted[Math.floor(at)] ?? Number.NaN
  const high = sorted[Math.ceil(at)] ?? Number.NaN
  return low + (high - low) * (at - Math.floor(at))
}

const quartiles = (values: ReadonlyArray<number>): Quartiles => ({
  low: quantile(values, 0.25),
  median: quantile(values, 0.5),
  high: quantile(values, 0.75)
})

/**
 * What each variant takes more than `none` did in the same turn; where there is
 * no `none`, all of it. Differences of neighbours stay what they are when the
 * machine gets slower or faster in between, differences of medians do not.
 */
export const added = (round: Measured): Measured => {
  const { none, ...others } = round
  if (none === undefined) return round
  return Object.fromEntries(
    Object.entries(others).map(([variant, batches]) => [
      variant,
      batches.map((value, turn) => value - (none[turn] ?? Number.NaN))
    ])
  )
}

/** Something that is calculated from the medians of the variants. */
export type Figure = (median: (variant: string) => number) => number

export class Samples {
  readonly #rounds: ReadonlyArray<Measured>
  constructor(rounds: ReadonlyArray<Measured>) {
    this.#rounds = rounds
  }

  get variants(): ReadonlyArray<string> {
    return Object.keys(this.#rounds[0] ?? {})
  }

  /** The quartiles of one variant over all batches of all rounds. */
  of(variant: string): Quartiles {
    return quartiles(this.#rounds.flatMap((round) => round[variant] ?? []))
  }

  /** All variants with their quartiles. */
  get all(): Readonly<Record<string, Quartiles>> {
    return Object.fromEntries(this.variants.map((variant) => [variant, this.of(variant)]))
  }

  /**
   * The figure from the medians over all rounds; `low` and `high` are the
   * quartiles of what each round alone gives.
   */
  figure(figure: Figure): Quartiles {
    const ofRounds = this.#rounds.map((round) => figure((variant) => quantile(round[variant] ?? [], 0.5)))
    const { high, low } = quartiles(ofRounds)
    return { low, median: figure((variant) => this.of(variant).median), high }
  }
}
