// refused: no-cycles
import type { HookHints } from "./HookHints.ts"
// refused: telemetry-apart
import type { Span } from "@opentelemetry/api"

export type FlagFilter = HookHints | Span
