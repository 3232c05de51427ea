/** A plugin that is in use: its layer is built, and its hooks are in a registry, until its scope closes. */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { cast } from "effect/Function"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as FeatureHook from "../../../FeatureHook.ts"
import { readString } from "../../../internal/untrusted.ts"
import * as Definition from "./definition.ts"
import { HookPluginError, type Refusal } from "./error.ts"
import { within } from "./load.ts"

/** A hook with the services of the layer. Whether it requires others is known when it runs. */
type Hook = FeatureHook.FeatureHook<unknown> | Effect.Effect<FeatureHook.FeatureHook<unknown>, unknown, Scope.Scope>

/** An entry of a plugin with a hook that can run here. */
export interface Entry extends Omit<Definition.Entry, "hook"> {
  readonly hook: Hook
}

/** Adds hooks to a registry, until the scope closes. */
export type Add = (
  entries: ReadonlyArray<Entry>
) => Effect.Effect<unknown, unknown, Scope.Scope>

// Services of the caller must not take the place of those that the plugin brings for itself.
const provided = (hook: Definition.Hook, services: Context.Context<unknown>): Definition.Hook => {
  const own = FeatureHook.provide(services)
  return FeatureHook.isFeatureHook(hook) ? own(hook) : Effect.provideContext(Effect.map(hook, own), services)
}

const use = Effect.fnUntraced(function*(add: Add, plugin: Definition.Definition, scope: Scope.Scope) {
  const { layer } = plugin
  const services = layer && (yield* Layer.buildWithScope(layer, scope))
  const entries = plugin.hooks.map((entry): Entry => {
    const hook = Definition.adopt(entry.hook)
    return {
      ...entry,
      version: entry.version ?? plugin.version,
      hook: cast<Definition.Hook, Hook>(services === undefined ? hook : provided(hook, services))
    }
  })
  yield* Scope.provide(add(entries), scope)
})

const refusal = (cause: unknown): Refusal => {
  if (cause instanceof HookPluginError) return cause
  return readString(cause, "_tag") === "DuplicateHookError"
    ? { reason: "Duplicate", text: readString(cause, "message") ?? "a hook has the name of another one" }
    : { reason: "Start", text: "its layer or its hooks fail to start" }
}

/** Fails within the limit. Then the scope has to be closed. */
export const start = (
  add: Add,
  plugin: Definition.Definition,
  limit: Duration.Input,
  scope: Scope.Scope,
  file?: string
): Effect.Effect<void, HookPluginError> =>
  within(use(add, plugin, scope), limit, (outcome, cause) => {
    const { reason, text }: Refusal = outcome === "Timeout"
      ? { reason: "Timeout", text: "its layer or its hooks do not start in time" }
      : refusal(cause)
    return new HookPluginError({ reason, text, file, plugin: plugin.name, cause })
  })

/** The same, until the scope closes. */
export const scoped = (
  add: Add,
  plugin: Definition.Definition,
  limit: Duration.Input
): Effect.Effect<void, HookPluginError, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(Scope.make(), Scope.close),
    (scope) => Effect.onError(start(add, plugin, limit, scope), (cause) => Scope.close(scope, Exit.failCause(cause)))
  )
