export type { Meter } from "@opentelemetry/api"
