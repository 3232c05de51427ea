/** Clients whose hooks can resolve flags: one of the plain SDK, and `FeatureFlags`. */
import * as SDK from "@openfeature/server-sdk"
import { Effect } from "effect"
import {
  type EvaluationContext,
  type EvaluationDetails,
  FeatureFlags,
  FeatureHook,
  OpenFeatureHook,
  ResolutionProvider
} from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { type Client, flagsDetails, sdkDetails } from "./clients.ts"
import { newDomain } from "./support.ts"

export type Resolution = EvaluationDetails.ResolutionDetails

/** A hook that resolves every flag. */
export const resolving = (resolution: Resolution, name = "resolving") =>
  FeatureHook.make(name, { before: () => ({ resolution }) })

/** The same with a value and nothing else. */
export const giving = (value: EvaluationDetails.FlagValue, name?: string) => resolving({ value }, name)

export interface Rig {
  readonly provider: SDK.Provider
  readonly domain: string
  readonly evaluate: (
    flagKey: string,
    defaultValue: EvaluationDetails.FlagValue,
    context?: EvaluationContext.EvaluationContext
  ) => Effect.Effect<EvaluationDetails.EvaluationDetails>
}

export interface Settings extends ResolutionProvider.Options {
  /** `false`: the plain client has the provider itself, and `FeatureFlags` the one of the domain. */
  readonly isWrapped?: boolean
  /** `false`: nobody waits for the provider. */
  readonly isAwaited?: boolean
}

/** A client of a kind on a provider, with hooks. */
export const rig = Effect.fnUntraced(function*(
  kind: Client,
  provider: SDK.Provider,
  hooks: ReadonlyArray<FeatureHook.FeatureHook<unknown>>,
  { isAwaited = true, isWrapped = true, resolveWhenNotReady }: Settings = {}
) {
  const domain = newDomain()
  const bind = (bound: SDK.Provider) =>
    isAwaited
      ? Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, bound))
      : Effect.sync(() => void SDK.OpenFeature.setProviderAndWait(domain, bound).catch(() => undefined))
  if (kind === "sdk") {
    yield* bind(isWrapped ? ResolutionProvider.make(provider, { resolveWhenNotReady }) : provider)
    const client = SDK.OpenFeature.getClient(domain).addHooks(OpenFeatureHook.make(FeatureHook.combineAll(hooks)))
    const made: Rig = {
      provider,
      domain,
      evaluate: (flagKey, defaultValue, context) => sdkDetails(client, flagKey, defaultValue, context)
    }
    return made
  }
  if (!isWrapped) yield* bind(provider)
  const flags = yield* FeatureFlags.make({
    domain,
    hooks: [...hooks],
    ...isWrapped ? { provider: Effect.succeed(provider), resolveWhenNotReady } : {},
    ...isAwaited ? {} : { initializeTimeout: 0, onProviderError: "ignore" as const }
  })
  const made: Rig = {
    provider,
    domain,
    evaluate: (flagKey, defaultValue, context = {}) => flagsDetails(flags, flagKey, defaultValue, { context })
  }
  return made
})

/** A provider with a flag of each type, which counts what it is asked. */
export const answering = (script: TestProvider.Script = {}) =>
  TestProvider.make({
    flags: {
      boolean: TestProvider.value(false, { variant: "provider" }),
      string: TestProvider.value("provider"),
      number: TestProvider.value(0),
      object: TestProvider.value({ from: "provider" })
    },
    ...script
  })
