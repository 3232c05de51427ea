/**
 * An evaluation as the event of the semantic conventions.
 *
 * @since 0.1.0
 */
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import type { ErrorCode } from "../EvaluationError.ts"
import type { HookContext } from "../HookContext.ts"
import { providerNameOf } from "../internal/hook/view.ts"
import type * as Privacy from "../Privacy.ts"
import * as SemanticConventions from "./SemanticConventions.ts"

/**
 * The values that attributes have.
 *
 * @category models
 * @since 0.1.0
 */
export type Attributes = Record<string, string | number | boolean>

const errorTypes: Readonly<Record<ErrorCode, string>> = {
  FLAG_NOT_FOUND: "flag_not_found",
  GENERAL: "general",
  INVALID_CONTEXT: "invalid_context",
  PARSE_ERROR: "parse_error",
  PROVIDER_FATAL: "provider_fatal",
  PROVIDER_NOT_READY: "provider_not_ready",
  TARGETING_KEY_MISSING: "targeting_key_missing",
  TYPE_MISMATCH: "type_mismatch"
}

/**
 * The error's type as the conventions know it, `undefined` after a success.
 *
 * @category converting
 * @since 0.1.0
 */
export const errorTypeOf = (details: EvaluationDetails): string | undefined =>
  details.errorCode === undefined ? undefined : errorTypes[details.errorCode]

/**
 * Whether an attribute can hold a value as it is, without writing it as a text.
 *
 * @internal
 */
export const isScalar = (value: unknown): value is number | boolean =>
  typeof value === "boolean" || Number.isFinite(value)

/**
 * What an attribute can hold of a value that is kept.
 *
 * @internal
 */
export const written = (privacy: Privacy.Privacy, kept: unknown): string | number | boolean | undefined =>
  isScalar(kept) || kept === undefined ? kept : privacy.print(kept)

/**
 * The attributes of the event `feature_flag.evaluation`, in the names of a
 * version of the conventions.
 *
 * **Details**
 *
 * The set id, the version and, before the targeting key, the context id come
 * from the flag's metadata `flagSetId`, `version` and `contextId`
 * (OpenFeature specification, Appendix D).
 *
 * The value stands in for a missing variant. A boolean or a number does so by
 * itself; a text or a structure can hold anything and waits for `values`. After
 * an error there is no result, so there is no value.
 *
 * Attributes of the context that `Privacy` allows are written as
 * `feature_flag.context.attribute.<name>`, for which there is no convention.
 *
 * @category converting
 * @since 0.1.0
 */
export const attributesOf = (
  context: HookContext,
  details: EvaluationDetails,
  privacy: Privacy.Privacy,
  version: SemanticConventions.Version = "1.45"
): Attributes => {
  const attributes: Attributes = {}
  const set = (
    attribute: keyof typeof SemanticConventions.attributes,
    value: string | number | boolean | undefined
  ): void => {
    if (value !== undefined) attributes[SemanticConventions.attributes[attribute].names[version]] = value
  }
  const { flagMetadata, value, variant } = details
  const metadata = (name: string) => Object.hasOwn(flagMetadata, name) ? flagMetadata[name] : undefined
  const fromMetadata = (name: string): string | undefined => {
    const found = metadata(name)
    return found === undefined ? undefined : privacy.write(`metadata.${name}`, found)
  }
  const errorType = errorTypeOf(details)
  set("key", privacy.print(context.flagKey))
  set("provider", privacy.print(providerNameOf(context)))
  set("reason", SemanticConventions.reasonOf(details.reason))
  if (variant !== undefined) set("variant", privacy.write("variant", variant))
  if (errorType !== undefined) {
    set("errorType", errorType)
    set("errorMessage", privacy.errorMessage(details.errorMessage))
  } else if (privacy.values || (variant === undefined && (typeof value === "boolean" || typeof value === "number"))) {
    set("value", written(privacy, privacy.keep("value", value)))
  }
  const contextId = metadata("contextId")
  set(
    "contextId",
    privacy.targetingKey(contextId === undefined ? context : { context: { targetingKey: String(contextId) } })
  )
  set("setId", fromMetadata("flagSetId"))
  set("version", fromMetadata("version"))
  const kept = privacy.attributes(context)
  if (kept !== undefined) {
    for (const [name, value] of Object.entries(kept)) {
      const attribute = written(privacy, value)
      if (attribute !== undefined) attributes[`feature_flag.context.attribute.${name}`] = attribute
    }
  }
  return attributes
}
