/**
 * A hook in the background. Evaluations are timed, and the rest of the work is
 * not: it is done before the next batch starts.
 */
import { Effect } from "effect"
import { BackgroundHook, FeatureHook } from "effect-openfeature"
import { bridged, client, evaluating } from "./clients.ts"
import { type Comparison, sameWork } from "./comparisons.ts"
import { handwritten, work } from "./hooks.ts"
import type { Batch } from "./measure.ts"

const slow = FeatureHook.make("slow", {
  finally: () =>
    Effect.map(Effect.sleep(1), () => {
      work.done += 3
    })
})

/** The same stage without work, in the evaluation: the least that a hook of this library costs. */
const empty = FeatureHook.make("empty", { finally: () => undefined })

const flushed = (batch: Batch, background: BackgroundHook.Running): Batch => async (count) => {
  const nanos = await batch(count)
  await background.flush()
  if (background.counts().dropped > 0) throw new Error("a stage was dropped, which costs less than running it")
  return nanos
}

/** The time that the hook adds to evaluations, beside the three stages of a hook by hand. */
export const added: Comparison = {
  variants: async () => {
    const background = BackgroundHook.start(slow, { capacity: 100_000, concurrency: 1000 })
    const reference = evaluating(await client([handwritten()]))
    const ours = flushed(evaluating(await client(bridged([background.hook]))), background)
    await sameWork(reference, ours)
    return {
      none: evaluating(await client([])),
      reference,
      ours,
      bare: evaluating(await client(bridged([empty])))
    }
  },
  ratio: (median) => median("ours") / median("reference"),
  floor: (median) => median("bare") / median("reference"),
  compares: "times",
  tellsBytes: false
}
