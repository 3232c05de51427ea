import type * as Effect from "effect/Effect"
// refused: core-stands-alone, floors
import type { LoggingHook } from "./hooks/LoggingHook.ts"
// refused: every-file-has-a-floor
import type { Room } from "./elsewhere/room.ts"
// refused: core-stands-alone, floors
export type { OtelHook } from "./otel/OtelHook.ts"

export type FeatureHook = LoggingHook | Room | Effect.Effect<void>
