/** Attaches a registry to what evaluates flags. */
import * as Predicate from "effect/Predicate"
import type { FeatureFlags } from "../../FeatureFlags.ts"
import * as OpenFeatureHook from "../../OpenFeatureHook.ts"
import * as Check from "../check.ts"
import { hooksOf } from "../client/clientHooks.ts"
import type { Registry } from "./registry.ts"

export type Target<T> = OpenFeatureHook.Target<T> | FeatureFlags["Service"]

const owner = "HookRegistry.attach"

const isFlags = <T>(target: Target<T>): target is FeatureFlags["Service"] => Predicate.hasProperty(target, "client")

/** Returns a function that ends it. */
export const attach = <T>(registry: Registry, target: Target<T>): () => void => {
  if (isFlags(target)) {
    const hooks = hooksOf(target)
    // A client that other code has made or wrapped has at least a client of the SDK.
    if (hooks === undefined) return attach(registry, target.client)
    if (hooks.has(registry)) throw new RangeError(`${owner}: the registry is attached to this client already`)
    return hooks.attach(registry)
  }
  Check.withMethods("addHooks", "getHooks", "clearHooks")(owner, "target", target)
  if (target.getHooks().some((hook: unknown) => hook === registry.sdkHook)) {
    throw new RangeError(`${owner}: the registry is attached to this target already`)
  }
  return OpenFeatureHook.addSdkHook(target, registry.sdkHook)
}
