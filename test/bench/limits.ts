/** A rate limit for each subject, and the same as it is written by hand. */
import type { Hook } from "@openfeature/server-sdk"
import { RateLimitHook } from "effect-openfeature"
import { addedTime } from "./comparisons.ts"

const limit = 1_000_000_000

/** It counts in fixed windows, and forgets nobody. */
const byHand = (): Hook => {
  const windows = new Map<string, { start: number; count: number }>()
  return {
    before: async (context) => {
      const key = context.context.targetingKey ?? ""
      const now = Date.now()
      const window = windows.get(key)
      if (window === undefined || now - window.start >= 1000) windows.set(key, { start: now, count: 1 })
      else if (++window.count > limit) throw new Error("too many evaluations")
    }
  }
}

export const added = addedTime(() => ({
  reference: [byHand()],
  ours: [RateLimitHook.start({ limit, window: "1 second", by: "subject" }).hook]
}))
