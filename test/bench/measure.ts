/**
 * Measures variants of the same work against each other, in one process.
 *
 * The variants take turns in batches of about a millisecond, so whatever slows
 * the machine down slows all of them, and garbage collection is paid by whoever
 * makes the garbage. A round adds up many batches of each; ratios are taken
 * round by round, and their median counts.
 */
import type { HeapProfiler } from "node:inspector"
import { Session } from "node:inspector/promises"

/** Runs one batch of a variant: `count` times the same work, one after the other. */
export type Batch = (count: number) => Promise<void>

export type Variants<K extends string> = Readonly<Record<K, Batch>>

export interface Options {
  readonly rounds: number
  /** How many batches of each variant make a round. */
  readonly batches: number
}

export type Round<K extends string> = Readonly<Record<K, number>>

const timed = async (batch: Batch, count: number): Promise<number> => {
  const start = process.hrtime.bigint()
  await batch(count)
  return Number(process.hrtime.bigint() - start) / count
}

const keysOf = <K extends string>(record: Readonly<Record<K, unknown>>): Array<K> =>
  Object.keys(record).filter((key): key is K => key in record)

/** Times per run of the work in nanoseconds, for each variant and round. */
export const measure = async <K extends string>(
  variants: Variants<K>,
  options: Options
): Promise<ReadonlyArray<Round<K>>> => {
  const names = keysOf(variants)
  const counts = new Map<K, number>()
  for (const name of names) {
    // Warm-up, which also finds out how much fits into a batch.
    let perRun = 0
    for (let i = 0; i < 10; i++) perRun = await timed(variants[name], 200)
    counts.set(name, Math.max(1, Math.ceil(1e6 / perRun)))
  }
  const rounds: Array<Round<K>> = []
  for (let round = 0; round < options.rounds; round++) {
    const times = new Map<K, number>()
    for (let batch = 0; batch < options.batches; batch++) {
      // The order changes, so nobody always runs behind the same neighbour.
      const order = batch % 2 === 0 ? names : Array.from(names).reverse()
      for (const name of order) {
        const time = await timed(variants[name], counts.get(name) ?? 200)
        times.set(name, (times.get(name) ?? 0) + time / options.batches)
      }
    }
    rounds.push(fromEntries(names, (name) => times.get(name) ?? Number.NaN))
  }
  return rounds
}

const fromEntries = <K extends string>(names: ReadonlyArray<K>, f: (name: K) => number): Round<K> => {
  const round: Partial<Record<K, number>> = {}
  for (const name of names) round[name] = f(name)
  return isComplete(round, names) ? round : fail()
}

const isComplete = <K extends string>(
  round: Partial<Record<K, number>>,
  names: ReadonlyArray<K>
): round is Record<K, number> => names.every((name) => name in round)

const fail = (): never => {
  throw new Error("a variant was not measured")
}

export const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = Array.from(values).sort((a, b) => a - b)
  const at = (sorted.length - 1) * q
  const low = sorted[Math.floor(at)] ?? Number.NaN
  const high = sorted[Math.ceil(at)] ?? Number.NaN
  return low + (high - low) * (at - Math.floor(at))
}

export interface Summary {
  readonly median: number
  readonly low: number
  readonly high: number
}

/** The median and the middle half of some figure over the rounds. */
export const summarize = <R>(rounds: ReadonlyArray<R>, figure: (round: R) => number): Summary => {
  const values = rounds.map(figure)
  return { median: quantile(values, 0.5), low: quantile(values, 0.25), high: quantile(values, 0.75) }
}

/** Bytes allocated per run of the work, by V8's sampling of allocations. */
export const allocated = async (batch: Batch, count = 20_000): Promise<number> => {
  await batch(2000)
  const session = new Session()
  session.connect()
  await session.post("HeapProfiler.startSampling", {
    samplingInterval: 512,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true
  })
  await batch(count)
  const { profile } = await session.post("HeapProfiler.stopSampling")
  session.disconnect()
  return sizeOf(profile.head) / count
}

const sizeOf = (node: HeapProfiler.SamplingHeapProfileNode): number =>
  node.children.reduce((sum, child) => sum + sizeOf(child), node.selfSize)
