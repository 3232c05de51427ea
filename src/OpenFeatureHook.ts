/**
 * The bridge between hooks of this library and hooks of the OpenFeature SDK,
 * both ways.
 *
 * Any number of Effect hooks become one SDK hook, for `OpenFeature.addHooks`,
 * `client.addHooks`, the `hooks` of evaluation options and `provider.hooks`. It
 * runs each stage of all its hooks in one go, in true stack order, and only ever
 * throws an `EvaluationError`.
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
import * as Converted from "./internal/bridge/converted.ts"
import * as SdkHook from "./internal/bridge/sdkHook.ts"
import * as Registration from "./internal/hook/registration.ts"

/**
 * What happens to evaluations whose hook scope has closed: with `"skip"`, the
 * default, the hooks are skipped and a warning is logged once; with `"reject"`
 * the evaluation is rejected with `GENERAL`.
 *
 * **When to use**
 *
 * Use `"reject"` for hooks that guard something and must not be missing.
 *
 * **Details**
 *
 * Read when hooks are registered: by `makeEffect` and by the layers of
 * `FeatureFlags`.
 *
 * @category references
 * @since 0.1.0
 */
export const WhenClosed: Context.Reference<"skip" | "reject"> = Registration.WhenClosed

/**
 * How long the end of a scope waits for hooks that are still running, 3 seconds
 * by default.
 *
 * @category references
 * @since 0.1.0
 */
export const CloseTimeout: Context.Reference<Duration.Input> = Registration.CloseTimeout

/**
 * Turns Effect hooks without requirements into one SDK hook.
 *
 * **Details**
 *
 * A hook runs with the services, references, log annotations, span and clock of
 * the fiber that makes the evaluation. If none does, it runs with Effect's
 * defaults.
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
 * Turns Effect hooks into one SDK hook, with the services they require.
 *
 * **Details**
 *
 * What the fiber that makes the evaluation has wins over what is given here, so
 * that the data of a request is never the one of the registration.
 *
 * **Example** (A hook that needs a service)
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
 * Turns Effect hooks into one SDK hook, with the services of the current fiber.
 *
 * **Details**
 *
 * When the scope closes, stages that are running are interrupted and waited for
 * up to `CloseTimeout`, and later evaluations go by `WhenClosed`. Take the hook
 * off the SDK before.
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
export const makeEffect = <H extends FeatureHook.Any = never>(
  ...hooks: ReadonlyArray<H>
): Effect.Effect<SDK.Hook, never, FeatureHook.Services<H> | Scope.Scope> => owned(FeatureHook.combineAll(hooks))

const owned = Effect.fnUntraced(function*<E, R>(hook: FeatureHook.FeatureHook<E, R>) {
  return SdkHook.make(yield* Registration.scoped<R>(hook.parts))
})

/**
 * Turns Effect hooks into one SDK hook, with the services of a `ManagedRuntime`.
 *
 * **When to use**
 *
 * Use in an application that is not written in Effect but has a runtime for the
 * parts that are.
 *
 * **Details**
 *
 * Builds the runtime's layer first, so the promise rejects if that fails, and no
 * evaluation does. After the runtime was disposed, evaluations go by
 * `WhenClosed`.
 *
 * **Example** (Hooks that live as long as a runtime)
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
 * Turns an SDK hook into an Effect hook, so that it can be combined, filtered,
 * bounded in time and observed.
 *
 * **Details**
 *
 * The hook gets a hook context of its own with a copy of the evaluation context,
 * hook data of its own, and the hints as a record. What it returns from
 * `before`, and what it sets on the copy, is contributed to the evaluation; what
 * it deletes there is not. A stage that returns no promise stays synchronous.
 *
 * A stage that throws an error with an OpenFeature code rejects the evaluation
 * with that code and message. Everything else it throws is a
 * `Cause.UnknownError`, which the bridge turns into `GENERAL` with a fixed
 * message; so are the codes that only a provider gives, `PROVIDER_NOT_READY` and
 * `PROVIDER_FATAL`.
 *
 * **Gotchas**
 *
 * What the hook writes into evaluation details changes nothing: it gets a copy.
 *
 * Throws a `RangeError` when the name is empty or the hook has no stage.
 *
 * **Example** (Guarding a hook from npm)
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
  FeatureHook.fromPart("toFeatureHook", Converted.make(name, hook))

/**
 * Something of the SDK that hooks can be added to: the API object or a client.
 *
 * @category models
 * @since 0.1.0
 */
export interface Target<H> {
  addHooks(...hooks: Array<H | SDK.Hook>): unknown
  getHooks(): Array<H>
  clearHooks(): unknown
}

/**
 * Adds hooks to the API object or to a client of the SDK until the scope closes.
 *
 * **Details**
 *
 * Removes exactly what it added: hooks that others registered stay, in their
 * order, and hooks that somebody else has cleared are not missed. An evaluation
 * that is running keeps the hooks it started with; see `WhenClosed`.
 *
 * **Gotchas**
 *
 * A service that the caller of an evaluation has too is the caller's. Bind a
 * hook that must keep its own with `FeatureHook.provide`.
 *
 * **Example** (Hooks on a client, for a while)
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
export const register = <T, H extends FeatureHook.Any = never>(
  target: Target<T>,
  ...hooks: ReadonlyArray<H>
): Effect.Effect<void, never, FeatureHook.Services<H> | Scope.Scope> =>
  Effect.flatMap(makeEffect(...hooks), (hook) =>
    Effect.acquireRelease(
      Effect.sync(() => void target.addHooks(hook)),
      () => Effect.sync(() => remove(target, hook))
    ))

// The SDK can only remove all hooks. It runs nothing in between, so nobody sees
// the others missing.
const remove = <H>(target: Target<H>, hook: H | SDK.Hook): void => {
  const registered = target.getHooks()
  const kept = registered.filter((other) => other !== hook)
  if (kept.length === registered.length) return
  target.clearHooks()
  // Arguments go over the stack, which is not endless.
  for (let i = 0; i < kept.length; i += 10_000) target.addHooks(...kept.slice(i, i + 10_000))
}

/**
 * Adds hooks to the SDK's API object as long as the layer lives: they take part
 * in every evaluation of every client.
 *
 * **Example** (Hooks for everything)
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
export const layer = <H extends FeatureHook.Any = never>(
  ...hooks: ReadonlyArray<H>
): Layer.Layer<never, never, Exclude<FeatureHook.Services<H>, Scope.Scope>> =>
  Layer.effectDiscard(register(OpenFeature, ...hooks))
