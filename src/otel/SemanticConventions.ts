/**
 * The names of events, attributes and metrics.
 *
 * Events and attributes follow the semantic conventions for feature flags
 * (release candidate):
 * https://opentelemetry.io/docs/specs/semconv/feature-flags/feature-flags-events/
 *
 * The conventions define neither metrics nor spans. The first four metrics are
 * those of every OpenFeature SDK. This library adds the fifth.
 *
 * @since 0.1.0
 */
import { durationBoundaries as boundaries } from "../internal/duration.ts"
import * as Conventions from "./internal/conventions.ts"

/**
 * The version of the conventions that this module follows.
 *
 * @category versions
 * @since 0.1.0
 */
export const version = "1.45.0"

/**
 * The versions of the conventions that hooks can use.
 *
 * **Details**
 *
 * - `"1.45"`: the newest, and the default of all hooks.
 * - `"1.37"`: the names of `@openfeature/open-telemetry-hooks` 1.0.
 * - `"1.31"`: the names before some were changed to `result.*`.
 *
 * **Gotchas**
 *
 * In version 1.31 the value was a field of the event's body, not an attribute.
 * With `"1.31"` it is written as the attribute `feature_flag.evaluation.value`,
 * which spans and Effect's logger can carry.
 *
 * @category versions
 * @since 0.1.0
 */
export type Version = "1.45" | "1.37" | "1.31"

/**
 * The requirement level of an attribute in the conventions.
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
  /** The requirement level. */
  readonly level: RequirementLevel
  /** The condition of the requirement, or the meaning of the attribute. */
  readonly note: string
  /** The name in each version. */
  readonly names: Readonly<Record<Version, string>>
}

const attribute = (name: keyof Conventions.Names, level: RequirementLevel, note: string): Attribute => ({
  level,
  note,
  names: {
    "1.45": Conventions.names["1.45"][name],
    "1.37": Conventions.names["1.37"][name],
    "1.31": Conventions.names["1.31"][name]
  }
})

/**
 * The attributes of an evaluation.
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
export const attributes: Readonly<Record<keyof Conventions.Names, Attribute>> = {
  key: attribute("key", "required", "the key of the flag"),
  variant: attribute("variant", "conditionally required", "if the provider supplies a variant"),
  value: attribute("value", "conditionally required", "if the provider supplies no variant, otherwise opt-in"),
  errorType: attribute("errorType", "conditionally required", "if an error occurred"),
  errorMessage: attribute("errorMessage", "recommended", "if an error occurred and its type does not say enough"),
  reason: attribute("reason", "recommended", "why the flag resolved to this value"),
  provider: attribute("provider", "recommended", "the name of the provider"),
  contextId: attribute("contextId", "recommended", "the subject of the evaluation"),
  setId: attribute("setId", "recommended", "the set that the flag belongs to"),
  version: attribute("version", "recommended", "the version of the rules of the flag")
}

/**
 * The name of the evaluation event.
 *
 * @category names
 * @since 0.1.0
 */
export const event = Conventions.event

/**
 * The names, descriptions and units of the metrics.
 *
 * **Details**
 *
 * The duration is in seconds. Its buckets range from 10 microseconds, for an
 * evaluation in the process, to 10 seconds, for a slow evaluation over a
 * network.
 *
 * @category names
 * @since 0.1.0
 */
export const metrics = Conventions.metrics

/**
 * The upper bounds of the duration buckets, in seconds.
 *
 * @category names
 * @since 0.1.0
 */
export const durationBoundaries: ReadonlyArray<number> = boundaries

/**
 * Returns the reason in the form of the conventions: in lower case.
 *
 * **Details**
 *
 * A reason that the conventions do not know, such as `RULE_MATCH`, is kept as
 * one line of at most 64 characters. Without a reason it is `"unknown"`.
 *
 * **Example** (Converting reasons of providers)
 *
 * ```ts
 * import { SemanticConventions } from "effect-openfeature/otel"
 *
 * SemanticConventions.reasonOf("TARGETING_MATCH") // => "targeting_match"
 * SemanticConventions.reasonOf("RULE_MATCH") // => "rule_match"
 * SemanticConventions.reasonOf(undefined) // => "unknown"
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const reasonOf: (reason: string | undefined) => string = Conventions.reasonOf
