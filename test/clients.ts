/** The two ways to evaluate a flag: a client of the plain SDK, and `FeatureFlags`. */
import type * as SDK from "@openfeature/server-sdk"
import { Effect, Function } from "effect"
import { EvaluationContext, type EvaluationDetails, type FeatureFlags, type FeatureHook } from "effect-openfeature"

export type Client = "sdk" | "FeatureFlags"

export const clients: ReadonlyArray<Client> = ["sdk", "FeatureFlags"]

type Flags = FeatureFlags.FeatureFlags["Service"]

type Details = EvaluationDetails.EvaluationDetails

/** Evaluates a flag of the type of the default value with a client of the SDK. */
export const sdkDetails = (
  client: SDK.Client,
  flagKey: string,
  defaultValue: EvaluationDetails.FlagValue,
  given: EvaluationContext.EvaluationContext = {},
  options: SDK.FlagEvaluationOptions = {}
): Effect.Effect<Details> =>
  Effect.promise((): Promise<Details> => {
    const context = EvaluationContext.toSdk(given)
    switch (typeof defaultValue) {
      case "boolean":
        return client.getBooleanDetails(flagKey, defaultValue, context, options)
      case "string":
        return client.getStringDetails(flagKey, defaultValue, context, options)
      case "number":
        return client.getNumberDetails(flagKey, defaultValue, context, options)
      default: {
        // The caller's very object, which the SDK's type would have writable.
        const value: SDK.JsonValue = Function.cast(defaultValue)
        return client.getObjectDetails(flagKey, value, context, options)
      }
    }
  })

/** Evaluates a flag of the type of the default value with `FeatureFlags`. */
export const flagsDetails = (
  flags: Flags,
  flagKey: string,
  defaultValue: EvaluationDetails.FlagValue,
  options: FeatureFlags.EvaluationOptions<FeatureHook.FeatureHook<unknown>> = {}
): Effect.Effect<Details> => {
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
