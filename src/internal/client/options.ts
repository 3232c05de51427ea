/** The options of a client, checked and with their defaults. */
import * as SDK from "@openfeature/server-sdk"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as EvaluationContext from "../../EvaluationContext.ts"
import * as FeatureHook from "../../FeatureHook.ts"
import * as Check from "../check.ts"
import { oneLine } from "../text.ts"
import { tryOr } from "../untrusted.ts"

interface Options {
  readonly domain?: string | undefined
  readonly version?: string | undefined
  readonly context?: EvaluationContext.EvaluationContext | undefined
  readonly hooks?: ReadonlyArray<FeatureHook.Any> | undefined
  readonly provider?: Effect.Effect<SDK.Provider, unknown, unknown> | undefined
  readonly initializeTimeout?: Duration.Input | undefined
  readonly onProviderError?: "fail" | "ignore" | undefined
  readonly shutdownTimeout?: Duration.Input | undefined
  readonly interruptTimeout?: Duration.Input | undefined
  readonly resolveWhenNotReady?: boolean | undefined
}

/** Throws a `RangeError` that names the option. */
export const checked = (owner: string, options: Options) => {
  const {
    domain,
    hooks = [],
    initializeTimeout = "30 seconds",
    interruptTimeout = "1 second",
    onProviderError = "fail",
    resolveWhenNotReady = false,
    shutdownTimeout = "3 seconds",
    version
  } = Check.options(owner, options, {
    domain: Check.aText,
    version: Check.aText,
    context: Check.aRecord,
    hooks: Check.aList,
    provider: (owner, name, value) => {
      if (!Effect.isEffect(value)) Check.reject(owner, name, "an effect", value, "; write Effect.succeed(provider)")
    },
    initializeTimeout: Check.finiteDuration,
    onProviderError: Check.among("fail", "ignore"),
    shutdownTimeout: Check.finiteDuration,
    interruptTimeout: Check.finiteDuration,
    resolveWhenNotReady: Check.aBoolean
  })
  if (version !== undefined && domain === undefined) throw new RangeError(`${owner}: version needs a domain`)
  FeatureHook.combineAll(hooks)
  return { domain, initializeTimeout, interruptTimeout, shutdownTimeout, onProviderError, resolveWhenNotReady }
}

export const sdkClient = (options: Pick<Options, "domain" | "version" | "context">): SDK.Client => {
  const context = EvaluationContext.toSdk(options.context ?? EvaluationContext.empty)
  if (options.domain === undefined) return SDK.OpenFeature.getClient(context)
  return options.version === undefined
    ? SDK.OpenFeature.getClient(options.domain, context)
    : SDK.OpenFeature.getClient(options.domain, options.version, context)
}

export const unreadable = "the options cannot be read"

/** The messages of range errors are about options. Other errors can contain anything. */
export const rangeMessageOf = (error: unknown): string | undefined =>
  tryOr(() => error instanceof RangeError ? oneLine(error.message, 500) : undefined, () => undefined)
