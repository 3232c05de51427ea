/**
 * An evaluation as the event of the semantic conventions.
 *
 * @since 0.1.0
 */
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import type { HookContext } from "../HookContext.ts"
import type * as Privacy from "../Privacy.ts"
import * as Internal from "./internal/attributes.ts"
import type * as SemanticConventions from "./SemanticConventions.ts"

/**
 * Attributes of an event, a span or a metric.
 *
 * @category models
 * @since 0.1.0
 */
export type Attributes = Record<string, string | number | boolean>

/**
 * The type of an error in the words of the conventions, `undefined` after a
 * success.
 *
 * @category converting
 * @since 0.1.0
 */
export const errorTypeOf = (details: EvaluationDetails): string | undefined => Internal.errorTypeOf(details.errorCode)

/**
 * The attributes of the event `feature_flag.evaluation`, in the names of one
 * version of the conventions.
 *
 * **Details**
 *
 * The set id, the version and the context id come from the flag metadata
 * `flagSetId`, `version` and `contextId` (OpenFeature specification, Appendix
 * D). Without a `contextId` the targeting key is the context id.
 *
 * The value takes the place of a missing variant. A boolean or a number always
 * does; a text or a structure can hold personal data and needs the setting
 * `values`. After an error there is no result, so there is no value.
 *
 * Attributes of the evaluation context that `Privacy` allows are written as
 * `feature_flag.context.attribute.<name>`. The conventions have no name for
 * them.
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
  const writer = new Internal.Writer(privacy, version)
  return writer.result(writer.request(context), context, details)
}
