/**
 * The time of an evaluation against the number of hooks, for the plot.
 */
import { bridged, client, evaluating } from "./clients.ts"
import { type Comparison, sameWork } from "./comparisons.ts"
import * as Hooks from "./hooks.ts"
import type { Batch } from "./measure.ts"
import type { Samples } from "./samples.ts"

const counts = [0, 1, 2, 3, 5, 7, 10, 20, 50]

/** There are many variants; few batches of each are enough for a line. */
export const batches = 30

/** The ways to write a hook that the plot has a line for. */
export const kinds = ["by hand, async", "by hand, synchronous", "effects", "plain functions"] as const

export type Kind = typeof kinds[number]

/** Microseconds per evaluation: the median, and the quartiles around it. */
export interface Spread {
  readonly low: number
  readonly median: number
  readonly high: number
}

/** The time of an evaluation with a number of hooks, for each kind. */
export interface Point {
  readonly hooks: number
  readonly micros: Readonly<Record<string, Spread>>
}

const hooksOf = (kind: Kind, count: number) => {
  switch (kind) {
    case "by hand, async":
      return Hooks.times(count, Hooks.handwritten)
    case "by hand, synchronous":
      return Hooks.times(count, Hooks.handwrittenSync)
    case "effects":
      return bridged(Hooks.times(count, Hooks.effect))
    case "plain functions":
      return bridged(Hooks.times(count, Hooks.plain))
  }
}

const nameOf = (kind: string, count: number): string => `${count} ${kind}`

/** All kinds with all numbers of hooks, measured together. */
export const variants: Comparison["variants"] = async () => {
  const batches: Record<string, Batch> = {}
  for (const count of counts) {
    const reference = evaluating(await client(Hooks.times(count, Hooks.handwritten)))
    for (const kind of kinds) {
      const batch = evaluating(await client(hooksOf(kind, count)))
      await sameWork(reference, batch)
      batches[nameOf(kind, count)] = batch
    }
  }
  return batches
}

export const pointsOf = (samples: Samples): ReadonlyArray<Point> =>
  counts.map((hooks) => ({
    hooks,
    micros: Object.fromEntries(kinds.map((kind) => {
      const { high, low, median } = samples.of(nameOf(kind, hooks))
      return [kind, { low: low / 1000, median: median / 1000, high: high / 1000 }]
    }))
  }))
