/**
 * A provider that serves the resolutions that hooks contribute.
 *
 * @since 0.2.0
 */
import type * as SDK from "@openfeature/server-sdk"
import { Serving } from "./internal/bridge/serving.ts"
import * as Check from "./internal/check.ts"

/**
 * The options of `make`.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /**
   * Whether resolutions of hooks are served while the provider initialises;
   * `false` by default. The status of its clients is `STALE` then, and not
   * `NOT_READY`. Evaluations without such a resolution still give
   * `PROVIDER_NOT_READY`.
   */
  readonly resolveWhenNotReady?: boolean | undefined
}

/**
 * Wraps a provider, so that it serves the resolutions that hooks contribute.
 *
 * **When to use**
 *
 * Use with a client of the SDK and hooks that contribute resolutions, such as a
 * cache. `FeatureFlags` itself wraps the `provider` that it is given.
 *
 * **Details**
 *
 * An evaluation with such a resolution does not ask the provider. All other
 * evaluations, and events, hooks, tracking and metadata are those of the provider.
 * A resolution of the wrong type is a `TYPE_MISMATCH`. While the provider is in the
 * state `ERROR` or `STALE`, resolutions are served; in the state `FATAL` never.
 *
 * **Gotchas**
 *
 * Wrap a `MultiProvider` as a whole. The providers within it get copies of the
 * evaluation context, and a wrapper around one of them finds no resolution.
 *
 * Wrap a provider before it is given to the SDK, and give the SDK the wrapper alone.
 *
 * Throws a `RangeError` when the provider is not an object with the methods of a
 * provider, or when an option is invalid or unknown.
 *
 * **Example** (Answering in place of the provider)
 *
 * ```ts
 * import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
 * import { FeatureHook, OpenFeatureHook, ResolutionProvider } from "effect-openfeature"
 *
 * const provider = new InMemoryProvider({})
 * await OpenFeature.setProviderAndWait("resolutions", ResolutionProvider.make(provider))
 *
 * const night = FeatureHook.make("night", {
 *   before: ({ flagKey }) =>
 *     flagKey === "dark-mode" ? { resolution: { value: true, variant: "night", reason: "STATIC" } } : undefined
 * })
 * const client = OpenFeature.getClient("resolutions")
 * client.addHooks(OpenFeatureHook.make(night))
 * await client.getBooleanValue("dark-mode", false) // => true
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (provider: SDK.Provider, options: Options = {}): SDK.Provider => {
  const owner = "ResolutionProvider.make"
  Check.withMethods(
    "resolveBooleanEvaluation",
    "resolveStringEvaluation",
    "resolveNumberEvaluation",
    "resolveObjectEvaluation"
  )(owner, "provider", provider)
  const { resolveWhenNotReady = false } = Check.options(owner, options, { resolveWhenNotReady: Check.aBoolean })
  return new Serving(provider, resolveWhenNotReady)
}
