/**
 * The built-in hooks, and the same four as they are written by hand for the SDK.
 */
import type { Hook } from "@openfeature/server-sdk"
import { Effect } from "effect"
import { ContextValidatorHook, type FeatureHook, LoggingHook, MetricsHook, TimingHook } from "effect-openfeature"
import { bareEffect, type Stages, work } from "./hooks.ts"

const seen = { failures: 0, nanos: 0n }

const level: "none" | "debug" = "none"
const isLogged = (): boolean => level !== "none"

export const byHand = (): ReadonlyArray<Hook> => {
  const starts = new WeakMap<object, bigint>()
  return [
    {
      before: async (context) => context.hookData.set("start", process.hrtime.bigint())
    },
    {
      before: async (context) => {
        if (isLogged()) context.logger.debug("before", context.flagKey)
      },
      after: async (context, details) => {
        if (isLogged()) context.logger.debug("after", context.flagKey, details.variant)
      },
      error: async (context, error) => {
        if (isLogged()) context.logger.error("error", context.flagKey, error)
      }
    },
    {
      before: async (context) => {
        const { plan, targetingKey } = context.context
        if (typeof targetingKey !== "string" || targetingKey === "" || plan === undefined) seen.failures++
      }
    },
    {
      before: async (context) => void starts.set(context, process.hrtime.bigint()),
      finally: async (context, details) => {
        seen.nanos += process.hrtime.bigint() - (starts.get(context) ?? 0n)
        if (details.errorCode !== undefined) seen.failures++
        work.done++
      }
    }
  ]
}

// The log level of the caller leaves out what the logging hook would write.
export const ours = (): ReadonlyArray<FeatureHook.FeatureHook<unknown>> => [
  TimingHook.make(),
  LoggingHook.make({ after: "Debug" }),
  ContextValidatorHook.make({ requireTargetingKey: true, requiredAttributes: ["plan"] }),
  MetricsHook.make(({ success }) =>
    Effect.sync(() => {
      work.done++
      if (!success) seen.failures++
    })
  )
]

/** An effect for each stage that the built-in hooks have. */
export const bare = (): ReadonlyArray<Stages> => {
  const { before } = bareEffect()
  return [{ before }, { before, after: before }, { before }, { before, finally: before }]
}
