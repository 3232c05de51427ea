/**
 * Conversions between hooks of this library and hooks of the OpenFeature SDK, in
 * both directions.
 *
 * Any number of Effect hooks become one SDK hook, for `OpenFeature.addHooks`,
 * `client.addHooks`, the `hooks` of evaluation options and `provider.hooks`. It
 * runs all its hooks in each stage, in stack order. It rejects an evaluation
 * only with an `EvaluationError`, or with the error of a converted SDK hook.
 *
 * @since 0.1.0
 */
import type * as SDK from "@openfeature/server-sdk"
import { OpenFeature } from "@openfeature/server-sdk"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import * as Scope from "effect/Scope"
import type { EvaluationError } from "./EvaluationError.ts"
import * as FeatureHook from "./FeatureHook.ts"
import * as Check from "./internal/check.ts"
import * as Converted from "./internal/bridge/converted.ts"
import * as SdkHook from "./internal/bridge/sdkHook.ts"
import * as Part from "./internal/hook/part.ts"
import * as Registration from "./internal/hook/registration.ts"

/**
 * What happens to evaluations when the scope of their hooks is closed: `"skip"`,
 * the default, or `"reject"`.
 *
 * **When to use**
 *
 * Use `"reject"` for hooks that guard something and must not be missing.
 *
 * **Details**
 *
 * - `"skip"`: the hooks are skipped, and a warning is logged once.
 * - `"reject"`: the evaluation is rejected with `GENERAL`.
 *
 * The reference is read when hooks are registered with a scope: by `makeEffect`,
 * `makeRuntime`, `register`, `layer` and `FeatureFlags`.
 *
 * **Gotchas**
 *
 * The registration dies with a `RangeError` when the value is neither of the
 * two.
 *
 * @category references
 * @since 0.1.0
 */
export const WhenClosed: Context.Reference<"skip" | "reject"> = Registration.WhenClosed

/**
 * The maximum time that closing a scope waits for stages that still run, 3
 * seconds by default.
 *
 * **Gotchas**
 *
 * The registration of hooks dies with a `RangeError` when the time is negative
 * or not finite.
 *
 * @category references
 * @since 0.1.0
 */
export const CloseTimeout: Context.Reference<Duration.Input> = Registration.CloseTimeout

/**
 * Converts Effect hooks without requirements to one SDK hook.
 *
 * **Details**
 *
 * The hooks run with the services, references, log annotations, span and clock
 * of the fiber that makes the evaluation. Outside of a fiber they run with
 * Effect's defaults.
 *
 * The SDK hook prints its hooks as they were written, such as
 * `OpenFeatureHook(timing + logging.pipe(timeout(20ms)))`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when a value is not a `FeatureHook`.
 *
 * **Example** (Adding hooks to a client)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { ContextValidatorHook, LoggingHook, OpenFeatureHook, TimingHook } from "effect-openfeature"
 *
 * OpenFeature.getClient("checkout").addHooks(
 *   OpenFeatureHook.make(
 *     TimingHook.make(),
 *     LoggingHook.make(),
 *     ContextValidatorHook.make({ requireTargetingKey: true })
 *   )
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (...hooks: ReadonlyArray<FeatureHook.FeatureHook<unknown>>): SDK.Hook =>
  makeWith(Context.empty(), ...hooks)

/**
 * Converts Effect hooks to one SDK hook, with the services that they require.
 *
 * **Details**
 *
 * Services of the fiber that makes the evaluation take precedence over those
 * given here, so hooks always see the data of the current request.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when a value is not a `FeatureHook`.
 *
 * **Example** (Providing a service)
 *
 * ```ts
 * import { Context, Effect } from "effect"
 * import { FeatureHook, OpenFeatureHook } from "effect-openfeature"
 *
 * class Region extends Context.Service<Region, { readonly name: string }>()("Region") {}
 *
 * const enrich = FeatureHook.make("enrich", {
 *   before: () => Effect.map(Region, (region) => ({ context: { region: region.name } }))
 * })
 * const sdkHook = OpenFeatureHook.makeWith(Context.make(Region, { name: "eu" }), enrich)
 * typeof sdkHook.before // => "function"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeWith = <R>(
  services: Context.Context<R>,
  ...hooks: ReadonlyArray<FeatureHook.FeatureHook<unknown, NoInfer<R>>>
): SDK.Hook => SdkHook.make(Registration.make(FeatureHook.combineAll(hooks).parts, services))

/**
 * Converts Effect hooks to one SDK hook that uses the services of the current
 * fiber, until the scope closes.
 *
 * **Details**
 *
 * When the scope closes, running stages are interrupted and waited for, up to
 * `CloseTimeout`. `WhenClosed` decides about later evaluations.
 *
 * **Gotchas**
 *
 * The hook stays registered with the SDK when the scope closes. Use `register`
 * or `layer` to remove it as well.
 *
 * **Example** (Building the hook inside a program)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { Effect } from "effect"
 * import { LoggingHook, OpenFeatureHook } from "effect-openfeature"
 *
 * const program = Effect.gen(function*() {
 *   const hook = yield* OpenFeatureHook.makeEffect(LoggingHook.make())
 *   const client = OpenFeature.getClient("checkout").addHooks(hook)
 *   return yield* Effect.promise(() => client.getBooleanValue("new-checkout", false))
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => false
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeEffect = <Hooks extends ReadonlyArray<FeatureHook.Any>>(
  ...hooks: Hooks
): Effect.Effect<SDK.Hook, never, FeatureHook.Services<Hooks[number]> | Scope.Scope> =>
  owned(FeatureHook.combineAll<Hooks[number]>(hooks))

const owned = Effect.fnUntraced(function*<E, R>(hook: FeatureHook.FeatureHook<E, R>) {
  return SdkHook.make(yield* Registration.scoped<R>(hook.parts))
})

/**
 * Converts Effect hooks to one SDK hook that uses the services of a
 * `ManagedRuntime`.
 *
 * **When to use**
 *
 * Use in an application that is not written with Effect but has a runtime for
 * some of its parts.
 *
 * **Details**
 *
 * Builds the layer of the runtime first. If that fails, the promise rejects, and
 * no evaluation is affected. After the runtime was disposed, `WhenClosed`
 * decides about evaluations.
 *
 * **Example** (Using a runtime)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { Layer, ManagedRuntime } from "effect"
 * import { LoggingHook, OpenFeatureHook } from "effect-openfeature"
 *
 * const runtime = ManagedRuntime.make(Layer.empty)
 * OpenFeature.getClient("checkout").addHooks(await OpenFeatureHook.makeRuntime(runtime, LoggingHook.make()))
 * await runtime.dispose()
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeRuntime = <R, ER>(
  runtime: ManagedRuntime.ManagedRuntime<R, ER>,
  ...hooks: ReadonlyArray<FeatureHook.FeatureHook<unknown, NoInfer<R>>>
): Promise<SDK.Hook> => runtime.runPromise(Scope.provide(owned(FeatureHook.combineAll(hooks)), runtime.scope))

/**
 * Converts an SDK hook to an Effect hook, which can be combined, filtered,
 * limited in time and observed.
 *
 * **Details**
 *
 * The SDK hook receives what the SDK would pass to it:
 *
 * - Hook context: one frozen object per hook and evaluation, the same in every
 *   stage. Its `context` is the SDK's live evaluation context. In `before`,
 *   writes and deletions take effect for later hooks and the provider, and a
 *   returned context is merged. Afterwards it is frozen.
 * - Hook data of its own.
 * - Hints: a frozen record, or `undefined` if there are none.
 * - Evaluation details: a copy with all fields, including those that the SDK
 *   does not know.
 *
 * A stage that returns no promise stays synchronous.
 *
 * An `Error` with an OpenFeature code rejects the evaluation with that code and
 * message. Other hooks of the SDK receive the same error object. Any other error
 * becomes a `Cause.UnknownError`, and the caller gets `GENERAL` with a fixed
 * message. The same holds for the codes `PROVIDER_NOT_READY` and
 * `PROVIDER_FATAL`, since they describe the state of a provider.
 *
 * **Gotchas**
 *
 * Writes to the evaluation details have no effect.
 *
 * Under `FeatureHook.timeout` the hook receives a copy of the evaluation
 * context. Attributes that its `before` sets are contributed; deletions are not.
 *
 * A `before` that returns a non-empty string or an array is a failure of the
 * hook.
 *
 * Throws a `RangeError` when the name is empty or the hook has no stage.
 *
 * **Example** (Guarding an SDK hook)
 *
 * ```ts
 * import type { Hook } from "@openfeature/server-sdk"
 * import { FeatureHook, OpenFeatureHook } from "effect-openfeature"
 *
 * const fromNpm: Hook = {
 *   before: async () => ({ region: "eu" })
 * }
 * const guarded = OpenFeatureHook.toFeatureHook("region", fromNpm).pipe(
 *   FeatureHook.timeout("20 millis"),
 *   FeatureHook.observe
 * )
 * guarded.name // => "region"
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const toFeatureHook = (
  name: string,
  hook: SDK.Hook
): FeatureHook.FeatureHook<EvaluationError | Cause.UnknownError> =>
  FeatureHook.fromPart("toFeatureHook", Converted.make(name, checkedHook(hook)))

// JavaScript callers can pass any value.
const checkedHook = (hook: SDK.Hook): SDK.Hook => {
  if (FeatureHook.isFeatureHook(hook)) {
    throw new RangeError("OpenFeatureHook.toFeatureHook: the hook is a FeatureHook already")
  }
  if (typeof hook !== "object" || hook === null) {
    Check.reject("OpenFeatureHook.toFeatureHook", "hook", "an object", hook)
  }
  for (const stage of Part.stages) {
    if (hook[stage] !== undefined) Check.aFunction("OpenFeatureHook.toFeatureHook", stage, hook[stage])
  }
  return hook
}

/**
 * An object of the SDK that hooks can be added to: the API object or a client.
 *
 * @category models
 * @since 0.1.0
 */
export interface Target<H> {
  /** Adds hooks behind those that it has. */
  addHooks(...hooks: Array<H | SDK.Hook>): unknown
  /** The hooks that it has, in their order. */
  getHooks(): Array<H>
  /** Removes all hooks. */
  clearHooks(): unknown
}

/**
 * Adds hooks to the API object or to a client of the SDK, and returns the
 * function that removes them.
 *
 * **When to use**
 *
 * Use in an application that is not written with Effect, where something that
 * stops has added hooks: a server, a module, a test. Use `register` in an Effect
 * program.
 *
 * **Details**
 *
 * The function removes only these hooks and keeps all others in their order. It
 * does nothing the second time, or if the hooks were cleared meanwhile. A running
 * evaluation keeps the hooks that it started with.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when a value is not a `FeatureHook`.
 *
 * **Example** (Adding hooks while a server runs)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { LoggingHook, OpenFeatureHook } from "effect-openfeature"
 * import { createServer } from "node:http"
 *
 * const removeHooks = OpenFeatureHook.add(OpenFeature, LoggingHook.make())
 * const server = createServer().on("close", removeHooks)
 * OpenFeature.getHooks().length // => 1
 * server.emit("close")
 * OpenFeature.getHooks().length // => 0
 * ```
 *
 * @category registering
 * @since 0.2.0
 */
export const add = <T>(
  target: Target<T>,
  ...hooks: ReadonlyArray<FeatureHook.FeatureHook<unknown>>
): () => void => {
  const owner = "OpenFeatureHook.add"
  Check.withMethods("addHooks", "getHooks", "clearHooks")(owner, "target", target)
  return addSdkHook(target, make(...hooks))
}

/**
 * Adds hooks to the API object or to a client of the SDK until the scope closes.
 *
 * **Details**
 *
 * Closing the scope removes only these hooks and keeps all others in their
 * order. It does nothing if the hooks were cleared meanwhile. A running
 * evaluation keeps the hooks that it started with; see `WhenClosed`.
 *
 * **Gotchas**
 *
 * Services of the caller take precedence over those of the registration. Use
 * `FeatureHook.provide` for a hook that must keep its own.
 *
 * **Example** (Adding hooks to a client for a limited time)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { Effect } from "effect"
 * import { LoggingHook, OpenFeatureHook } from "effect-openfeature"
 *
 * const client = OpenFeature.getClient("checkout")
 * const program = Effect.gen(function*() {
 *   yield* OpenFeatureHook.register(client, LoggingHook.make())
 *   return client.getHooks().length
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => 1
 * client.getHooks().length // => 0
 * ```
 *
 * @category registering
 * @since 0.1.0
 */
export const register = <T, Hooks extends ReadonlyArray<FeatureHook.Any>>(
  target: Target<T>,
  ...hooks: Hooks
): Effect.Effect<void, never, FeatureHook.Services<Hooks[number]> | Scope.Scope> =>
  Effect.flatMap(makeEffect(...hooks), (hook) =>
    Effect.asVoid(Effect.acquireRelease(
      Effect.sync(() => addSdkHook(target, hook)),
      (remove) => Effect.sync(remove)
    )))

/**
 * Adds an SDK hook, and returns the function that removes it.
 *
 * @internal
 */
export const addSdkHook = <T>(target: Target<T>, hook: SDK.Hook): () => void => {
  target.addHooks(hook)
  return () => remove(target, hook)
}

// The SDK can only remove all hooks at once. Nothing runs before the others are back.
const remove = <H>(target: Target<H>, hook: H | SDK.Hook): void => {
  const registered = target.getHooks()
  const kept = registered.filter((other) => other !== hook)
  if (kept.length === registered.length) return
  target.clearHooks()
  // Spread arguments are limited by the size of the stack.
  for (let i = 0; i < kept.length; i += 10_000) target.addHooks(...kept.slice(i, i + 10_000))
}

/**
 * Adds hooks to the API object of the SDK while the layer lives. They take part
 * in all evaluations of all clients.
 *
 * **Example** (Adding hooks to all clients)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { Effect } from "effect"
 * import { LoggingHook, OpenFeatureHook } from "effect-openfeature"
 *
 * const count = Effect.sync(() => OpenFeature.getHooks().length)
 * await Effect.runPromise(Effect.provide(count, OpenFeatureHook.layer(LoggingHook.make()))) // => 1
 * await Effect.runPromise(count) // => 0
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Hooks extends ReadonlyArray<FeatureHook.Any>>(
  ...hooks: Hooks
): Layer.Layer<never, never, Exclude<FeatureHook.Services<Hooks[number]>, Scope.Scope>> =>
  Layer.effectDiscard(register(OpenFeature, ...hooks))
