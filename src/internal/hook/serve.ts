/** Serves a resolution as a provider does. */
import * as SDK from "@openfeature/server-sdk"
import { cast } from "effect/Function"
import { clone } from "../../EvaluationContext.ts"
import type { ResolutionDetails } from "../../EvaluationDetails.ts"

// A copy, since the caller can write to a structure.
export const serve = async <A>(
  type: SDK.FlagValueType,
  resolution: ResolutionDetails
): Promise<SDK.ResolutionDetails<A>> => {
  const { errorCode, value } = resolution
  if (errorCode === undefined && typeof value !== type) {
    throw new SDK.TypeMismatchError(`the resolution of a hook is not of the type ${type}`)
  }
  return cast({ ...resolution, value: clone(value) })
}
