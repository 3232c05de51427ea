/** One evaluation with each client, by the type of the default value. */
import type * as SDK from "@openfeature/server-sdk"
import * as Effect from "effect/Effect"
import { toSdk } from "../../../EvaluationContext.ts"
import { type EvaluationDetails, toSdkValue } from "../../../EvaluationDetails.ts"
import type * as FeatureFlags from "../../../FeatureFlags.ts"
import * as HookHints from "../../../HookHints.ts"
import type { Request } from "./lab.ts"

export type Details = (request: Request) => Effect.Effect<EvaluationDetails>

export const ofFlags =
  (flags: FeatureFlags.FeatureFlags["Service"]): Details => ({ context, defaultValue, flagKey, hints }) => {
    const options = { context, hints }
    switch (typeof defaultValue) {
      case "boolean":
        return flags.booleanDetails(flagKey, defaultValue, options)
      case "string":
        return flags.stringDetails(flagKey, defaultValue, options)
      case "number":
        return flags.numberDetails(flagKey, defaultValue, options)
      default:
        return flags.objectDetails(flagKey, defaultValue, options)
    }
  }

export const ofSdk = (client: SDK.Client): Details => ({ context: given, defaultValue, flagKey, hints }) =>
  Effect.promise((): Promise<EvaluationDetails> => {
    const context = given === undefined ? undefined : toSdk(given)
    const options = hints === undefined ? {} : { hookHints: HookHints.toRecord(hints) }
    const value = toSdkValue(defaultValue)
    switch (typeof value) {
      case "boolean":
        return client.getBooleanDetails(flagKey, value, context, options)
      case "string":
        return client.getStringDetails(flagKey, value, context, options)
      case "number":
        return client.getNumberDetails(flagKey, value, context, options)
      default:
        return client.getObjectDetails(flagKey, value, context, options)
    }
  })
