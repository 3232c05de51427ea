/**
 * The event `feature_flag.evaluation` of the semantic conventions.
 *
 * @since 0.1.0
 */
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import type { HookContext } from "../HookContext.ts"
import type * as Privacy from "../Privacy.ts"
import * as Internal from "./internal/attributes.ts"
import * as Conventions from "./internal/conventions.ts"
import type * as SemanticConventions from "./SemanticConventions.ts"

/**
 * The attributes of an event, a span or a metric.
 *
 * @category models
 * @since 0.1.0
 */
export type Attributes = Record<string, string | number | boolean>

/**
 * Returns the error type of the semantic conventions, or `undefined` after a
 * success.
 *
 * @category converting
 * @since 0.1.0
 */
export const errorTypeOf = (details: EvaluationDetails): string | undefined => Internal.errorTypeOf(details.errorCode)

/**
 * Returns the attributes of the event `feature_flag.evaluation`, with the names
 * of one version of the conventions.
 *
 * **Details**
 *
 * The set id, the version and the context id come from the flag metadata
 * `flagSetId`, `version` and `contextId` (OpenFeature specification, Appendix
 * D). Without a `contextId`, the context id is the targeting key.
 *
 * Without a variant, the value is included if it is a boolean or a number.
 * Strings and structures can contain personal data, so they require the option
 * `values`. An error has no value.
 *
 * Attributes of the evaluation context that `Privacy` allows get the name
 * `feature_flag.context.attribute.<name>`. The conventions do not define one.
 *
 * @category converting
 * @since 0.1.0
 */
export const attributesOf = (
  context: HookContext,
  details: EvaluationDetails,
  privacy: Privacy.Privacy,
  version?: SemanticConventions.Version | undefined
): Attributes => {
  const writer = new Internal.Writer(privacy, Conventions.names[version ?? Conventions.newestVersion])
  return writer.result(writer.request(context), context, details)
}
