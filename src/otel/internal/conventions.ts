/**
 * The names of the semantic conventions, and the metrics of every OpenFeature
 * SDK. `SemanticConventions` documents them.
 */
import { oneLine } from "../../internal/text.ts"

export type Version = "1.45" | "1.37" | "1.31"

export const versions: ReadonlyArray<Version> = ["1.45", "1.37", "1.31"]

export const newestVersion: Version = "1.45"

/** The attribute names of one version. */
export interface Names {
  readonly key: string
  readonly variant: string
  readonly value: string
  readonly errorType: string
  readonly errorMessage: string
  readonly reason: string
  readonly provider: string
  readonly contextId: string
  readonly setId: string
  readonly version: string
}

const newest: Names = {
  key: "feature_flag.key",
  variant: "feature_flag.result.variant",
  value: "feature_flag.result.value",
  errorType: "error.type",
  errorMessage: "feature_flag.error.message",
  reason: "feature_flag.result.reason",
  provider: "feature_flag.provider.name",
  contextId: "feature_flag.context.id",
  setId: "feature_flag.set.id",
  version: "feature_flag.version"
}

export const names: Readonly<Record<Version, Names>> = {
  "1.45": newest,
  "1.37": { ...newest, errorMessage: "error.message" },
  "1.31": {
    ...newest,
    variant: "feature_flag.variant",
    value: "feature_flag.evaluation.value",
    errorMessage: "feature_flag.evaluation.error.message",
    reason: "feature_flag.evaluation.reason",
    provider: "feature_flag.provider_name"
  }
}

export const event = "feature_flag.evaluation"

export const metrics = {
  requests: {
    name: "feature_flag.evaluation_requests_total",
    description: "feature flag evaluation request counter",
    unit: "{request}"
  },
  success: {
    name: "feature_flag.evaluation_success_total",
    description: "feature flag evaluation success counter",
    unit: "{impression}"
  },
  error: {
    name: "feature_flag.evaluation_error_total",
    description: "feature flag evaluation error counter",
    unit: "{error}"
  },
  active: {
    name: "feature_flag.evaluation_active_count",
    description: "active flag evaluations counter",
    unit: "{request}"
  },
  duration: {
    name: "feature_flag.evaluation_duration",
    description: "duration of feature flag evaluations",
    unit: "s"
  }
} as const

const known: ReadonlySet<string> = new Set([
  "static",
  "default",
  "targeting_match",
  "split",
  "cached",
  "disabled",
  "unknown",
  "stale",
  "error"
])

const reasons: ReadonlyMap<string, string> = new Map(Array.from(known, (reason) => [reason.toUpperCase(), reason]))

/** The maximum number of reasons in a metric that the conventions do not know. */
const maxOtherReasons = 32

/** In characters. */
const maxReasonLength = 64

/** A reason of the conventions by its name in any case, and any other in lower case. */
export const reasonOf = (reason: string | undefined): string => {
  const known = reason === undefined ? "unknown" : reasons.get(reason)
  if (known !== undefined) return known
  return typeof reason === "string" && reason !== "" ? oneLine(reason, maxReasonLength).toLowerCase() : "unknown"
}

/** The reasons of a metric, which must not have more series than it has flags because of a provider. */
export const limitedReasons = (): (reason: string | undefined) => string => {
  const others = new Set<string>()
  return (reason) => {
    const found = reasonOf(reason)
    if (known.has(found) || others.has(found)) return found
    if (others.size >= maxOtherReasons) return "unknown"
    others.add(found)
    return found
  }
}
