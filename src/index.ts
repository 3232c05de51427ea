/**
 * Hooks for feature-flag evaluation with OpenFeature, as Effect programs.
 *
 * @since 0.1.0
 */
export * as EvaluationContext from "./EvaluationContext.ts"
export * as EvaluationDetails from "./EvaluationDetails.ts"
export * as EvaluationError from "./EvaluationError.ts"
export * as FeatureFlags from "./FeatureFlags.ts"
export * as FeatureHook from "./FeatureHook.ts"
export * as Flag from "./Flag.ts"
export * as FlagFilter from "./FlagFilter.ts"
export * as HookContext from "./HookContext.ts"
export * as HookFailures from "./HookFailures.ts"
export * as HookHints from "./HookHints.ts"
export * as BackgroundHook from "./hooks/BackgroundHook.ts"
export * as BatchHook from "./hooks/BatchHook.ts"
export * as ChangeHook from "./hooks/ChangeHook.ts"
export * as CircuitBreakerHook from "./hooks/CircuitBreakerHook.ts"
export * as ContextValidatorHook from "./hooks/ContextValidatorHook.ts"
export * as DedupeHook from "./hooks/DedupeHook.ts"
export * as EnrichmentHook from "./hooks/EnrichmentHook.ts"
export * as FallbackMonitorHook from "./hooks/FallbackMonitorHook.ts"
export * as LoggingHook from "./hooks/LoggingHook.ts"
export * as MetricsHook from "./hooks/MetricsHook.ts"
export * as RequestFlags from "./hooks/RequestFlags.ts"
export * as TimingHook from "./hooks/TimingHook.ts"
export * as OpenFeatureHook from "./OpenFeatureHook.ts"
export * as Privacy from "./Privacy.ts"
