/**
 * Measures variants of the same work against each other, in one process.
 *
 * The variants take turns in batches of about a millisecond, in an order that
 * alternates, so whatever slows the machine down slows all of them.
 */
import { setImmediate } from "node:timers/promises"
import { allocated } from "./allocation.ts"
import { quantile } from "./samples.ts"

/** Does the same work `count` times, one after the other, and tells the nanoseconds it took. */
export type Batch = (count: number) => Promise<number>

export type Variants = Readonly<Record<string, Batch>>

/** Figures of each variant, per run of the work. */
export type Measured = Readonly<Record<string, ReadonlyArray<number>>>

/** A batch that is timed from its first run to its last. */
export const timed = (work: (count: number) => Promise<unknown>): Batch => async (count) => {
  const start = process.hrtime.bigint()
  await work(count)
  return Number(process.hrtime.bigint() - start)
}

const batchNanos = 1e6
const warmUpTurns = 100
// Enough for everything but a batch that cannot be short, such as an import.
const warmUpMillisPerVariant = 1000
// With fewer, what V8 allocates once when sampling starts counts.
const allocationRuns = 10_000

class Variant {
  readonly name: string
  readonly batch: Batch
  /** How many runs of the work make a batch. */
  count = 1
  #times: Array<number> = []
  constructor(name: string, batch: Batch) {
    this.name = name
    this.batch = batch
  }

  async measure(): Promise<void> {
    this.#times.push(await this.batch(this.count) / this.count)
    // The event loop turns between batches, as it does between requests. V8 and Node
    // have work of their own, which would otherwise wait behind the promises.
    await setImmediate()
  }

  adjust(): void {
    this.count = Math.max(1, Math.round(batchNanos / quantile(this.#times.slice(-15), 0.5)))
  }

  /** What was measured since this was asked before. */
  take(): ReadonlyArray<number> {
    const times = this.#times
    this.#times = []
    return times
  }
}

/** Variants that are compiled, and that take turns. */
export class Warm {
  readonly #variants: ReadonlyArray<Variant>
  readonly #backwards: ReadonlyArray<Variant>
  private constructor(variants: Variants) {
    this.#variants = Object.entries(variants).map(([name, batch]) => new Variant(name, batch))
    this.#backwards = Array.from(this.#variants).reverse()
  }

  /**
   * Warms up by taking turns, too. Were they warmed up one after the other, V8
   * would compile the first for itself alone, and once more when there are others.
   */
  static async make(variants: Variants): Promise<Warm> {
    const warm = new Warm(variants)
    const end = performance.now() + warm.#variants.length * warmUpMillisPerVariant
    for (let turn = 0; turn < warmUpTurns && performance.now() < end; turn++) {
      await warm.#turn(turn)
      for (const variant of warm.#variants) variant.adjust()
    }
    for (const variant of warm.#variants) variant.take()
    return warm
  }

  async #turn(turn: number): Promise<void> {
    const order = turn % 2 === 0 ? this.#variants : this.#backwards
    for (const variant of order) await variant.measure()
  }

  /** Nanoseconds per run of the work, of each batch. */
  async times(batches: number): Promise<Measured> {
    for (let turn = 0; turn < batches; turn++) await this.#turn(turn)
    return Object.fromEntries(this.#variants.map((variant) => [variant.name, variant.take()]))
  }

  /** Bytes allocated per run of the work: one figure for each variant. */
  async bytes(): Promise<Measured> {
    const bytes: Record<string, ReadonlyArray<number>> = {}
    for (const { batch, count, name } of this.#variants) {
      bytes[name] = [await allocated(batch, Math.min(allocationRuns, 100 * count))]
    }
    return bytes
  }
}
