/**
 * Metrics, traces and events of evaluations for OpenTelemetry.
 *
 * @since 0.1.0
 */
export * as EvaluationEvent from "./EvaluationEvent.ts"
export * as OtelEventHook from "./OtelEventHook.ts"
export * as OtelMetricsHook from "./OtelMetricsHook.ts"
export * as OtelTracingHook from "./OtelTracingHook.ts"
export * as SemanticConventions from "./SemanticConventions.ts"
