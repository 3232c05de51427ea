/**
 * Exposures of a subject that was exposed before, which is what most evaluations
 * are.
 */
import type { Hook } from "@openfeature/server-sdk"
import { ExposureHook, FeatureHook } from "effect-openfeature"
import { bridged, client, evaluating } from "./clients.ts"
import type { Comparison } from "./comparisons.ts"

/** By hand, as it is often written: without a window and without a bound, and a failed request loses what it had. */
const byHand = (): Hook => {
  const seen = new Set<string>()
  const batch: Array<object> = []
  return {
    after: async (context, { value, variant }) => {
      const subject = context.context.targetingKey
      const key = `${context.clientMetadata.domain}:${context.flagKey}:${variant ?? JSON.stringify(value)}:${subject}`
      if (seen.has(key)) return
      seen.add(key)
      batch.push({ flagKey: context.flagKey, variant, subject })
    }
  }
}

/** The same stage without work: the least that a hook of this library costs. */
const empty = FeatureHook.make("empty", { finally: () => undefined })

/** The time that the hook adds, once the subject was exposed. */
export const repeated: Comparison = {
  variants: async () => {
    const exposures = ExposureHook.start({ send: () => {} })
    const ours = evaluating(await client(bridged([exposures.hook])))
    await ours(10)
    await exposures.flush()
    const { delivered } = exposures.counts()
    await ours(100)
    const after = exposures.counts()
    if (delivered !== 1 || after.delivered !== 1 || after.suppressed !== 109) throw new Error("it does not expose once")
    return {
      none: evaluating(await client([])),
      reference: evaluating(await client([byHand()])),
      ours,
      bare: evaluating(await client(bridged([empty])))
    }
  },
  ratio: (median) => median("ours") / median("reference"),
  floor: (median) => median("bare") / median("reference"),
  compares: "times",
  tellsBytes: true
}
