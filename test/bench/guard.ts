/**
 * The guard of the evaluation context, beside the least that somebody can do with
 * a whole context by hand: print it.
 */
import type { EvaluationContext } from "@openfeature/server-sdk"
import { ContextGuardHook } from "effect-openfeature"
import { bridged, client, evaluating } from "./clients.ts"
import type { Comparison } from "./comparisons.ts"
import { timed } from "./measure.ts"

/** 50 attributes, as a shop has them. */
const contextOf = (): EvaluationContext => {
  const context: EvaluationContext = {
    targetingKey: "3f2b8a8e-7f0e-4d1c-9a57-2f1f6f0c9d11",
    userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
    url: "https://shop.example/cart?item=42&lang=en",
    language: "de-CH,de;q=0.9,en;q=0.8",
    version: "2.14.3"
  }
  for (let i = 0; i < 5; i++) {
    Object.assign(context, {
      [`plan${i}`]: "enterprise",
      [`country${i}`]: "Switzerland",
      [`city${i}`]: "San Francisco",
      [`age${i}`]: 42 + i,
      [`spent${i}`]: 12.5 * i,
      [`beta${i}`]: true,
      [`created${i}`]: "2026-11-22T01:39:52.000Z",
      [`account${i}`]: `3f2b8a8e-7f0e-4d1c-9a57-2f1f6f0c9d1${i}`,
      [`roles${i}`]: ["admin", "editor"]
    })
  }
  return context
}

const printed = { length: 0 }

/**
 * The time that the guard adds to evaluations. The floor is a hand-written hook
 * that does nothing: for any hook, the SDK copies the whole context.
 */
export const added: Comparison = {
  variants: async () => {
    const context = contextOf()
    const guard = ContextGuardHook.start()
    const withoutHooks = await client([])
    const ours = evaluating(await client(bridged([guard.hook])), context)
    await ours(1)
    if (Object.keys(context).length !== 50 || guard.counts().violations > 0) throw new Error("the context is not clean")
    return {
      none: evaluating(withoutHooks, context),
      reference: timed(async (count) => {
        for (let i = 0; i < count; i++) {
          await withoutHooks.getBooleanValue("new-checkout", false, context)
          printed.length += JSON.stringify(context).length
        }
      }),
      ours,
      bare: evaluating(await client([{ before: () => undefined }]), context)
    }
  },
  ratio: (median) => median("ours") / median("reference"),
  floor: (median) => median("bare") / median("reference"),
  compares: "times",
  tellsBytes: true
}
