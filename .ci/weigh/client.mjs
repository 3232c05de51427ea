import { Effect } from "effect"
import { FeatureFlags, LoggingHook } from "effect-openfeature"
Effect.runSync(Effect.provide(Effect.void, FeatureFlags.layer({ domain: "a", hooks: [LoggingHook.make()] })))
