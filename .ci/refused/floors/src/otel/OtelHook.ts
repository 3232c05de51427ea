import type { Span } from "@opentelemetry/api"
import type { Label } from "./internal/labels.ts"

export type OtelHook = Label | Span
