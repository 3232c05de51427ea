/**
 * The ways in which a case compares this library with its reference.
 *
 * "Added" is what an evaluation takes more than one without hooks does.
 */
import type { Hook } from "@openfeature/server-sdk"
import type { FeatureHook } from "effect-openfeature"
import { bridged, client, evaluating } from "./clients.ts"
import { bare as bareHook } from "./floor.ts"
import { type Stages, work } from "./hooks.ts"
import type { Batch, Variants } from "./measure.ts"
import type { Figure } from "./samples.ts"

/** What is compared, and how. */
export interface Comparison {
  readonly variants: () => Promise<Variants>
  readonly ratio: Figure
  /** The ratio of fibers that run the same effects and do nothing else. */
  readonly floor?: Figure | undefined
  /** Whether times are compared, or allocated bytes. */
  readonly compares: "times" | "bytes"
  /** Whether what ours and the reference allocate is told beside the times. */
  readonly tellsBytes: boolean
}

export interface Hooks {
  readonly reference: ReadonlyArray<Hook>
  readonly ours: ReadonlyArray<FeatureHook.FeatureHook<unknown>>
  readonly bare?: ReadonlyArray<Stages> | undefined
}

/** Tells how much work hooks have done so far. */
export type Count = () => number | Promise<number>

const doneBy = async (batch: Batch, count: Count): Promise<number> => {
  const before = await count()
  await batch(100)
  return await count() - before
}

/** A variant that does less than the other, since a hook fails or is left out, is no faster variant. */
export const sameWork = async (reference: Batch, ours: Batch, count: Count = () => work.done): Promise<void> => {
  const expected = await doneBy(reference, count)
  const actual = await doneBy(ours, count)
  if (expected !== actual) throw new Error(`in 100 evaluations ours does ${actual} steps, the reference ${expected}`)
}

// Where there are evaluations without hooks (`none`), they are taken off before.
const over = (variant: string): Figure => (median) => median(variant) / median("reference")

const withAndWithout = (make: () => Hooks, counter: () => Count) => async (): Promise<Variants> => {
  const count = counter()
  const { bare, ...hooks } = make()
  const reference = evaluating(await client(hooks.reference))
  const ours = evaluating(await client(bridged(hooks.ours)))
  await sameWork(reference, ours, count)
  const compared = { none: evaluating(await client([])), reference, ours }
  return bare === undefined ? compared : { ...compared, bare: evaluating(await client([bareHook(bare)])) }
}

const workDone = (): Count => () => work.done

/** The time that hooks add, divided by the time that the hooks of the reference add. */
export const addedTime = (make: () => Hooks, counter = workDone): Comparison => ({
  variants: withAndWithout(make, counter),
  ratio: over("ours"),
  compares: "times",
  tellsBytes: true
})

/** The same, beside the least that effects can cost. */
export const addedTimeAndFloor = (make: () => Required<Hooks>): Comparison => ({
  ...addedTime(make),
  floor: over("bare")
})

/** What hooks allocate more, divided by the same of the hooks of the reference. */
export const addedBytes = (make: () => Hooks): Comparison => ({ ...addedTime(make), compares: "bytes" })

/** The time of a whole evaluation, divided by that of the reference. */
export const totalTime = (
  make: () => Promise<{ readonly reference: Batch; readonly ours: Batch }>
): Comparison => ({
  variants: async () => {
    const { ours, reference } = await make()
    await sameWork(reference, ours)
    return { reference, ours }
  },
  ratio: over("ours"),
  compares: "times",
  tellsBytes: true
})

/** The time that a hook adds when there are a hundred, divided by the same when there are ten. */
export const growth = (hook: (index: number) => FeatureHook.FeatureHook): Comparison => ({
  variants: async () => {
    const evaluatingWith = async (count: number) =>
      evaluating(await client(bridged(Array.from({ length: count }, (_, index) => hook(index)))))
    return { none: await evaluatingWith(0), ten: await evaluatingWith(10), hundred: await evaluatingWith(100) }
  },
  ratio: (median) => median("hundred") / 100 / (median("ten") / 10),
  compares: "times",
  tellsBytes: false
})
