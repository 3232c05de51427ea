/**
 * The names under which evaluations are told to OpenTelemetry, in one table.
 *
 * Events and attributes are those of the semantic conventions for feature flags,
 * https://opentelemetry.io/docs/specs/semconv/feature-flags/feature-flags-events/
 * (release candidate). The conventions know no metrics and no spans: the first
 * four metrics are those that every OpenFeature SDK exports, the fifth is ours.
 *
 * @since 0.1.0
 */
import { durationBoundaries as boundaries } from "../internal/durations.ts"
import * as Check from "../internal/check.ts"

/**
 * The version of the conventions that the table follows.
 *
 * @category versions
 * @since 0.1.0
 */
export const version = "1.45.0"

/**
 * Whose names are written.
 *
 * **Details**
 *
 * - `"1.45"`: the newest; the default of every hook.
 * - `"1.37"`: what `@openfeature/open-telemetry-hooks` 1.0 writes.
 * - `"1.31"`: those of before the attributes were renamed to `result.*`.
 *
 * @category versions
 * @since 0.1.0
 */
export type Version = "1.45" | "1.37" | "1.31"

const versions: ReadonlyArray<Version> = ["1.45", "1.37", "1.31"]

/**
 * The version that an option of a function asks for, the newest by default.
 *
 * @internal
 */
export const checkedVersion = (owner: string, given: Version | undefined): Version =>
  Check.oneOf(owner, "version", versions, given ?? "1.45")

/**
 * How much the conventions ask for an attribute.
 *
 * @category models
 * @since 0.1.0
 */
export type RequirementLevel = "required" | "conditionally required" | "recommended"

/**
 * An attribute of the conventions.
 *
 * @category models
 * @since 0.1.0
 */
export interface Attribute {
  readonly level: RequirementLevel
  /** When it is required, or what it is. */
  readonly note: string
  readonly names: Readonly<Record<Version, string>>
}

const attribute = (
  level: RequirementLevel,
  note: string,
  name: string,
  older: Partial<Record<"1.37" | "1.31", string>> = {}
): Attribute => ({ level, note, names: { "1.45": name, "1.37": name, "1.31": name, ...older } })

/**
 * The attributes.
 *
 * **Example** (Looking up a name)
 *
 * ```ts
 * import { SemanticConventions } from "effect-openfeature/otel"
 *
 * SemanticConventions.attributes.variant.names["1.45"] // => "feature_flag.result.variant"
 * SemanticConventions.attributes.variant.names["1.31"] // => "feature_flag.variant"
 * ```
 *
 * @category names
 * @since 0.1.0
 */
export const attributes = {
  key: attribute("required", "the key of the flag", "feature_flag.key"),
  variant: attribute("conditionally required", "if the provider supplies a variant", "feature_flag.result.variant", {
    "1.31": "feature_flag.variant"
  }),
  value: attribute(
    "conditionally required",
    "if the provider supplies no variant, otherwise opt-in",
    "feature_flag.result.value",
    { "1.31": "feature_flag.evaluation.value" }
  ),
  errorType: attribute("conditionally required", "if an error occurred", "error.type"),
  errorMessage: attribute(
    "recommended",
    "if an error occurred and its type does not say enough",
    "feature_flag.error.message",
    { "1.37": "error.message", "1.31": "feature_flag.evaluation.error.message" }
  ),
  reason: attribute("recommended", "why the flag resolved to this value", "feature_flag.result.reason", {
    "1.31": "feature_flag.evaluation.reason"
  }),
  provider: attribute("recommended", "the name of the provider", "feature_flag.provider.name", {
    "1.31": "feature_flag.provider_name"
  }),
  contextId: attribute("recommended", "whom the flag was evaluated for", "feature_flag.context.id"),
  setId: attribute("recommended", "the set that the flag belongs to", "feature_flag.set.id"),
  version: attribute("recommended", "the version of the rules of the flag", "feature_flag.version")
} as const satisfies Record<string, Attribute>

/**
 * The name of the event that tells of an evaluation.
 *
 * @category names
 * @since 0.1.0
 */
export const event = "feature_flag.evaluation"

/**
 * The metrics.
 *
 * **Details**
 *
 * The duration is in seconds, and its buckets reach from ten microseconds, which
 * an evaluation in the process takes, to ten seconds, which one over a network
 * may hang.
 *
 * @category names
 * @since 0.1.0
 */
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

/**
 * The upper bounds of the duration's buckets in seconds.
 *
 * @category names
 * @since 0.1.0
 */
export const durationBoundaries: ReadonlyArray<number> = boundaries

const reasons: ReadonlyMap<string, string> = new Map(
  ["static", "default", "targeting_match", "split", "cached", "disabled", "unknown", "stale", "error"].map(
    (reason) => [reason.toUpperCase(), reason]
  )
)

/**
 * The reason as the conventions write it, `"unknown"` for one that they do not
 * know.
 *
 * @category converting
 * @since 0.1.0
 */
export const reasonOf = (reason: string | undefined): string =>
  (reason === undefined ? undefined : reasons.get(reason)) ?? "unknown"
