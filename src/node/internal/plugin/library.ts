/** The modules that a plugin gets as its argument, so that it needs no copy of this library. */
import * as AuditRecord from "../../../audit/AuditRecord.ts"
import * as AuditSink from "../../../audit/AuditSink.ts"
import * as EvaluationContext from "../../../EvaluationContext.ts"
import * as EvaluationDetails from "../../../EvaluationDetails.ts"
import * as EvaluationError from "../../../EvaluationError.ts"
import * as FeatureFlags from "../../../FeatureFlags.ts"
import * as FeatureHook from "../../../FeatureHook.ts"
import * as Flag from "../../../Flag.ts"
import * as FlagFilter from "../../../FlagFilter.ts"
import * as HookContext from "../../../HookContext.ts"
import * as HookFailures from "../../../HookFailures.ts"
import * as HookHints from "../../../HookHints.ts"
import * as AuditStream from "../../../audit/AuditStream.ts"
import * as AuditHook from "../../../hooks/AuditHook.ts"
import * as HookRegistry from "../../../HookRegistry.ts"
import * as BackgroundHook from "../../../hooks/BackgroundHook.ts"
import * as BatchHook from "../../../hooks/BatchHook.ts"
import * as CacheHook from "../../../hooks/CacheHook.ts"
import * as ChangeHook from "../../../hooks/ChangeHook.ts"
import * as ContextGuardHook from "../../../hooks/ContextGuardHook.ts"
import * as ContextValidatorHook from "../../../hooks/ContextValidatorHook.ts"
import * as DedupeHook from "../../../hooks/DedupeHook.ts"
import * as EnrichmentHook from "../../../hooks/EnrichmentHook.ts"
import * as ExposureHook from "../../../hooks/ExposureHook.ts"
import * as FallbackMonitorHook from "../../../hooks/FallbackMonitorHook.ts"
import * as LoggingHook from "../../../hooks/LoggingHook.ts"
import * as MetricsHook from "../../../hooks/MetricsHook.ts"
import * as OverrideHook from "../../../hooks/OverrideHook.ts"
import * as RateLimitHook from "../../../hooks/RateLimitHook.ts"
import * as RequestFlags from "../../../hooks/RequestFlags.ts"
import * as TimingHook from "../../../hooks/TimingHook.ts"
import * as UsageHook from "../../../hooks/UsageHook.ts"
import * as ValueValidatorHook from "../../../hooks/ValueValidatorHook.ts"
import * as VersionGateHook from "../../../hooks/VersionGateHook.ts"
import * as OpenFeatureHook from "../../../OpenFeatureHook.ts"
import * as Privacy from "../../../Privacy.ts"
import * as ResolutionProvider from "../../../ResolutionProvider.ts"
import { version } from "../../../internal/version.ts"

/** All modules of the root, and the version. */
export const library = Object.freeze({
  version,
  AuditRecord,
  AuditSink,
  EvaluationContext,
  EvaluationDetails,
  EvaluationError,
  FeatureFlags,
  FeatureHook,
  Flag,
  FlagFilter,
  HookContext,
  HookFailures,
  HookHints,
  AuditStream,
  AuditHook,
  HookRegistry,
  BackgroundHook,
  BatchHook,
  CacheHook,
  ChangeHook,
  ContextGuardHook,
  ContextValidatorHook,
  DedupeHook,
  EnrichmentHook,
  ExposureHook,
  FallbackMonitorHook,
  LoggingHook,
  MetricsHook,
  OverrideHook,
  RateLimitHook,
  RequestFlags,
  TimingHook,
  UsageHook,
  ValueValidatorHook,
  VersionGateHook,
  OpenFeatureHook,
  Privacy,
  ResolutionProvider
})

export type Library = typeof library
