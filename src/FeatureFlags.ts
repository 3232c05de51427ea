/**
 * The Effect client for feature flags.
 *
 * `FeatureFlags` evaluates flags through the OpenFeature SDK: booleans, strings,
 * numbers and objects, as a value or with details. Hooks take part at three
 * levels: everything that uses the SDK (`OpenFeatureHook.layer`), one client
 * (`layer({ hooks })`, `addHooks`), and one call or one region of code (options,
 * `withHooks`).
 *
 * An evaluation never fails: whatever goes wrong, there is the default value,
 * and details say why. `orFail` turns such details into a typed error.
 *
 * @since 0.1.0
 */
import type * as SDK from "@openfeature/server-sdk"
import { OpenFeature } from "@openfeature/server-sdk"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { cast, dual } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as EvaluationContext from "./EvaluationContext.ts"
import { type EvaluationDetails, failed, type FlagValue } from "./EvaluationDetails.ts"
import * as EvaluationError from "./EvaluationError.ts"
import * as FeatureHook from "./FeatureHook.ts"
import * as HookHints from "./HookHints.ts"
import * as Check from "./internal/check.ts"
import { evaluate } from "./internal/client/evaluate.ts"
import * as Events from "./internal/client/events.ts"
import * as FlagType from "./internal/client/flagType.ts"
import * as Provider from "./internal/client/provider.ts"
import { inRegion, Region, requestOf } from "./internal/client/region.ts"
import * as Registration from "./internal/hook/registration.ts"
import * as Stack from "./internal/runner/stack.ts"
import { tryOr } from "./internal/untrusted.ts"

/**
 * What one evaluation can be given.
 *
 * **Details**
 *
 * `context` overrides the contexts of API, client and region, attribute by
 * attribute. `hooks` run after those of API, client and region in `before`, and
 * before them in the later stages. `hints` reach the hooks of every level.
 *
 * @category models
 * @since 0.1.0
 */
export interface EvaluationOptions<out H extends FeatureHook.Any = never> {
  readonly context?: EvaluationContext.EvaluationContext | undefined
  readonly hooks?: ReadonlyArray<H> | undefined
  readonly hints?: HookHints.HookHints | undefined
}

/**
 * What the evaluation of an object flag can be given: a schema that its value
 * has to fit.
 *
 * @category models
 * @since 0.1.0
 */
export interface ObjectOptions<A, out H extends FeatureHook.Any = never> extends EvaluationOptions<H> {
  readonly schema: Schema.Codec<A, FlagValue>
}

type Evaluate<A> = <H extends FeatureHook.Any = never>(
  flagKey: string,
  defaultValue: A,
  options?: EvaluationOptions<H> | undefined
) => Effect.Effect<A, never, FeatureHook.Services<H>>

type EvaluateDetails<A> = <H extends FeatureHook.Any = never>(
  flagKey: string,
  defaultValue: A,
  options?: EvaluationOptions<H> | undefined
) => Effect.Effect<EvaluationDetails<A>, never, FeatureHook.Services<H>>

/**
 * An event of the provider, with its type.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProviderEvent extends Events.ProviderEvent {}

/**
 * The provider of a layer could not be made ready.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProviderError extends Data.TaggedError("ProviderError")<{
  readonly domain: string | undefined
  readonly cause: unknown
}> {
  override get message(): string {
    return `FeatureFlags.layer: the provider of ${
      this.domain === undefined ? "the default domain" : `domain "${this.domain}"`
    } is not ready`
  }
}

/**
 * The Effect client for feature flags: a service.
 *
 * **Details**
 *
 * `boolean`, `string`, `number` and `object` give the value, the functions with
 * `Details` the evaluation details (specification 1.4). A value that is not of
 * the flag's type, or does not fit the schema, gives the default value with
 * `TYPE_MISMATCH`; hooks see that as an error. The SDK alone would let it
 * through.
 *
 * Interrupting an evaluation interrupts the running stage; the `error` and
 * `finally` stages still run, and the interruption waits for them up to
 * `interruptTimeout`.
 *
 * **Example** (Evaluating a flag with hooks)
 *
 * ```ts
 * import { InMemoryProvider } from "@openfeature/server-sdk"
 * import { Effect } from "effect"
 * import { FeatureFlags, LoggingHook } from "effect-openfeature"
 *
 * const provider = new InMemoryProvider({
 *   "new-checkout": { variants: { on: true, off: false }, defaultVariant: "on", disabled: false }
 * })
 * const program = Effect.gen(function*() {
 *   const flags = yield* FeatureFlags.FeatureFlags
 *   return yield* flags.boolean("new-checkout", false, { context: { targetingKey: "user-1" } })
 * })
 * const FlagsLive = FeatureFlags.layer({
 *   domain: "checkout",
 *   provider: Effect.succeed(provider),
 *   hooks: [LoggingHook.make()]
 * })
 * await Effect.runPromise(Effect.provide(program, FlagsLive)) // => true
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class FeatureFlags extends Context.Service<FeatureFlags, {
  readonly boolean: Evaluate<boolean>
  readonly booleanDetails: EvaluateDetails<boolean>
  readonly string: Evaluate<string>
  readonly stringDetails: EvaluateDetails<string>
  readonly number: Evaluate<number>
  readonly numberDetails: EvaluateDetails<number>
  readonly object: {
    <A, H extends FeatureHook.Any = never>(
      flagKey: string,
      defaultValue: A,
      options: ObjectOptions<A, H>
    ): Effect.Effect<A, never, FeatureHook.Services<H>>
    <H extends FeatureHook.Any = never>(
      flagKey: string,
      defaultValue: FlagValue,
      options?: EvaluationOptions<H> | undefined
    ): Effect.Effect<FlagValue, never, FeatureHook.Services<H>>
  }
  readonly objectDetails: {
    <A, H extends FeatureHook.Any = never>(
      flagKey: string,
      defaultValue: A,
      options: ObjectOptions<A, H>
    ): Effect.Effect<EvaluationDetails<A>, never, FeatureHook.Services<H>>
    <H extends FeatureHook.Any = never>(
      flagKey: string,
      defaultValue: FlagValue,
      options?: EvaluationOptions<H> | undefined
    ): Effect.Effect<EvaluationDetails, never, FeatureHook.Services<H>>
  }
  /**
   * Adds client hooks until the scope closes. They run with the services of whoever evaluates, and with those of whoever
   * adds them where the former has none. An evaluation that is running then goes by `OpenFeatureHook.WhenClosed`.
   */
  readonly addHooks: <H extends FeatureHook.Any = never>(
    ...hooks: ReadonlyArray<H>
  ) => Effect.Effect<void, never, FeatureHook.Services<H> | Scope.Scope>
  /** The client hooks, in order. */
  readonly hooks: Effect.Effect<ReadonlyArray<FeatureHook.Any>>
  /** Removes all client hooks that were added here. */
  readonly clearHooks: Effect.Effect<void>
  /** The events of the provider from now on, the one that tells its present status first. */
  readonly events: Stream.Stream<ProviderEvent>
  readonly status: Effect.Effect<SDK.ServerProviderStatus>
  /** Tells the provider that something happened that flags may have an influence on (specification 6.1). */
  readonly track: (name: string, options?: {
    readonly context?: EvaluationContext.EvaluationContext | undefined
    readonly details?: SDK.TrackingEventDetails | undefined
  }) => Effect.Effect<void>
  readonly metadata: Effect.Effect<SDK.ClientMetadata>
  /** The client of the SDK, for what is missing here. */
  readonly client: SDK.Client
}>()("effect-openfeature/FeatureFlags") {}

/**
 * The settings of a client.
 *
 * **Details**
 *
 * - `domain`, `version`: what the client is bound to (specification 1.1.6); by
 *   default the default domain.
 * - `context`: the client level of the evaluation context.
 * - `hooks`: the client hooks, first ones first.
 * - `provider`: makes the provider, which then belongs to the layer: registered,
 *   waited for, closed at the end. Without it, the client uses whatever provider
 *   the SDK has for the domain.
 * - `initializeTimeout`: how long to wait for the provider, 30 seconds by
 *   default.
 * - `onProviderError`: `"fail"`, the default, fails the layer when the provider
 *   is not ready in time; `"ignore"` goes on, and evaluations give default
 *   values until it is.
 * - `shutdownTimeout`: how long to wait for the provider to close, 3 seconds by
 *   default.
 * - `interruptTimeout`: how long an interrupted evaluation waits for its hooks to
 *   finish, 1 second by default.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<out E = never, out R = never, out H extends FeatureHook.Any = never> {
  readonly domain?: string | undefined
  readonly version?: string | undefined
  readonly context?: EvaluationContext.EvaluationContext | undefined
  readonly hooks?: ReadonlyArray<H> | undefined
  readonly provider?: Effect.Effect<SDK.Provider, E, R> | undefined
  readonly initializeTimeout?: Duration.Input | undefined
  readonly onProviderError?: "fail" | "ignore" | undefined
  readonly shutdownTimeout?: Duration.Input | undefined
  readonly interruptTimeout?: Duration.Input | undefined
}

/**
 * Options that a client cannot be made with.
 *
 * @category errors
 * @since 0.2.0
 */
export class OptionsError extends Data.TaggedError("OptionsError")<{
  readonly message: string
}> {}

/**
 * Creates a client that lives as long as the scope.
 *
 * **Gotchas**
 *
 * Fails with an `OptionsError` when an option has a wrong value: an empty domain,
 * a version without a domain, a duration that is not finite and positive.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*<E = never, R = never, H extends FeatureHook.Any = never>(
  options: Options<E, R, H> = {}
): Effect.fn.Return<
  FeatureFlags["Service"],
  E | ProviderError | OptionsError,
  R | FeatureHook.Services<H> | Scope.Scope
> {
  const { domain, initializeTimeout, interruptTimeout, onProviderError, shutdownTimeout } = yield* Effect.try({
    try: () => checked(options),
    catch: (error) => new OptionsError({ message: error instanceof RangeError ? error.message : unreadable })
  })
  if (options.provider !== undefined) {
    const ready = yield* Provider.acquire(yield* options.provider, { domain, shutdownTimeout })
    yield* ready.pipe(
      Effect.timeout(initializeTimeout),
      Effect.catch((cause) =>
        onProviderError === "ignore" ? Effect.void : Effect.fail(new ProviderError({ domain, cause }))
      )
    )
  }
  const client = makeClient(options)
  const target = { client, domain, interruptTimeout }

  const registered = new Set<
    { readonly hooks: ReadonlyArray<FeatureHook.Any>; readonly of: Registration.Registration }
  >()
  let stack = Stack.empty
  const compile = () => {
    stack = new Stack.Stack(Array.from(registered, ({ of }) => of))
  }
  const addHooks = <H2 extends FeatureHook.Any>(
    ...hooks: ReadonlyArray<H2>
  ): Effect.Effect<void, never, FeatureHook.Services<H2> | Scope.Scope> =>
    hooks.length === 0
      ? Effect.void
      : Effect.flatMap(Registration.scoped<FeatureHook.Services<H2>>(FeatureHook.combineAll(hooks).parts), (of) => {
        const entry = { hooks, of }
        return Effect.acquireRelease(
          Effect.sync(() => {
            registered.add(entry)
            compile()
          }),
          () =>
            Effect.sync(() => {
              registered.delete(entry)
              compile()
            })
        )
      })
  yield* addHooks(...options.hooks ?? [])

  const details = <A, H extends FeatureHook.Any>(
    type: FlagType.FlagType<A>,
    flagKey: string,
    defaultValue: A,
    options?: EvaluationOptions<H> | undefined
  ): Effect.Effect<EvaluationDetails<A>, never, FeatureHook.Services<H>> =>
    Effect.contextWith((services: Context.Context<FeatureHook.Services<H>>) => {
      const request = tryOr(() => requestOf(Context.get(services, Region), stack, options), () => undefined)
      return request === undefined
        ? Effect.succeed(failed(flagKey, defaultValue, unreadableOptions))
        : evaluate(target, { type, flagKey, defaultValue, ...request }, services)
    })

  const typed = <A>(type: FlagType.FlagType<A>): readonly [Evaluate<A>, EvaluateDetails<A>] => [
    (flagKey, defaultValue, options) =>
      Effect.map(details(type, flagKey, defaultValue, options), (details) => details.value),
    (flagKey, defaultValue, options) => details(type, flagKey, defaultValue, options)
  ]
  const [boolean, booleanDetails] = typed(FlagType.boolean)
  const [string, stringDetails] = typed(FlagType.string)
  const [number, numberDetails] = typed(FlagType.number)

  const objectDetails = <H extends FeatureHook.Any>(
    flagKey: string,
    defaultValue: FlagValue,
    options?: EvaluationOptions<H> | ObjectOptions<FlagValue, H> | undefined
  ) =>
    options !== undefined && "schema" in options
      ? details(FlagType.schema(options.schema), flagKey, defaultValue, options)
      : details(FlagType.object, flagKey, defaultValue, options)

  return FeatureFlags.of({
    boolean,
    booleanDetails,
    string,
    stringDetails,
    number,
    numberDetails,
    objectDetails,
    object: <H extends FeatureHook.Any>(
      flagKey: string,
      defaultValue: FlagValue,
      options?: EvaluationOptions<H> | ObjectOptions<FlagValue, H> | undefined
    ) => Effect.map(objectDetails(flagKey, defaultValue, options), (details) => details.value),
    addHooks,
    hooks: Effect.sync(() => Array.from(registered).flatMap(({ hooks }) => hooks)),
    clearHooks: Effect.sync(() => {
      registered.clear()
      compile()
    }),
    events: Events.make(client),
    status: Effect.sync(() => client.providerStatus),
    track: (name, options) =>
      Effect.withFiber((fiber) =>
        tryOr(() => {
          const region = fiber.getRef(Region)
          if (region.isUnreadable) return Effect.logWarning(unreadable)
          const context = EvaluationContext.merge(region.context, options?.context)
          client.track(name, EvaluationContext.toSdk(context), options?.details)
          return Effect.void
        }, () => Effect.logWarning("a tracking event was not sent: its context cannot be read"))
      ),
    metadata: Effect.sync(() => client.metadata),
    client
  })
})

const unreadable = "the options cannot be read"

const checked = (options: Options<unknown, unknown, FeatureHook.Any>) => {
  const owner = "FeatureFlags.make"
  const { domain, onProviderError = "fail", version } = options
  if (domain === "") throw new RangeError(`${owner}: domain must not be empty`)
  if (version !== undefined && domain === undefined) throw new RangeError(`${owner}: version needs a domain`)
  const duration = (name: "initializeTimeout" | "interruptTimeout" | "shutdownTimeout", otherwise: Duration.Input) =>
    Check.finiteDuration(owner, name, options[name] ?? otherwise)
  return {
    domain,
    initializeTimeout: duration("initializeTimeout", "30 seconds"),
    interruptTimeout: duration("interruptTimeout", "1 second"),
    shutdownTimeout: duration("shutdownTimeout", "3 seconds"),
    onProviderError: Check.oneOf(owner, "onProviderError", ["fail", "ignore"], onProviderError)
  }
}

const unreadableOptions = new EvaluationError.EvaluationError({
  code: "GENERAL",
  message: "the options of the evaluation are not EvaluationOptions"
})

const makeClient = (options: Options<unknown, unknown, FeatureHook.Any>): SDK.Client => {
  const context = EvaluationContext.toSdk(options.context ?? EvaluationContext.empty)
  if (options.domain === undefined) return OpenFeature.getClient(context)
  return options.version === undefined
    ? OpenFeature.getClient(options.domain, context)
    : OpenFeature.getClient(options.domain, options.version, context)
}

/**
 * Provides a client to everything below.
 *
 * **When to use**
 *
 * Use once per domain of flags in an application.
 *
 * **Details**
 *
 * When the layer ends, its hooks end first and the provider is closed then. The
 * domain is left with a provider that is never ready, so that later evaluations
 * give default values with `PROVIDER_NOT_READY`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` as `make` does.
 *
 * **Example** (A client on the provider that the SDK already has)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 *
 * const program = Effect.gen(function*() {
 *   const flags = yield* FeatureFlags.FeatureFlags
 *   return yield* flags.stringDetails("theme", "light")
 * })
 * const details = await Effect.runPromise(Effect.provide(program, FeatureFlags.layer({ domain: "web" })))
 * details.value // => "light"
 * details.errorCode // => "PROVIDER_NOT_READY"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E = never, R = never, H extends FeatureHook.Any = never>(
  options?: Options<E, R, H> | undefined
): Layer.Layer<FeatureFlags, E | ProviderError | OptionsError, Exclude<R | FeatureHook.Services<H>, Scope.Scope>> =>
  Layer.effect(FeatureFlags, make(options))

/**
 * Fails when the evaluation gave no value, with the reason as an
 * `EvaluationError`.
 *
 * **When to use**
 *
 * Use where the default value is not good enough.
 *
 * **Example** (A flag that must be there)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 *
 * const program = Effect.gen(function*() {
 *   const flags = yield* FeatureFlags.FeatureFlags
 *   return yield* flags.numberDetails("price-limit", 0).pipe(
 *     FeatureFlags.orFail,
 *     Effect.map((details) => `limit ${details.value}`),
 *     Effect.catchTag("EvaluationError", (error) => Effect.succeed(`no limit: ${error.code}`))
 *   )
 * })
 * await Effect.runPromise(Effect.provide(program, FeatureFlags.layer())) // => "no limit: PROVIDER_NOT_READY"
 * ```
 *
 * @category error handling
 * @since 0.1.0
 */
export const orFail = <A, E, R>(
  self: Effect.Effect<EvaluationDetails<A>, E, R>
): Effect.Effect<EvaluationDetails<A>, E | EvaluationError.EvaluationError, R> =>
  Effect.flatMap(self, (details) => {
    const error = EvaluationError.fromDetails(details)
    return error === undefined ? Effect.succeed(details) : Effect.fail(error)
  })

/**
 * Adds hooks to every evaluation in a region of code.
 *
 * **Details**
 *
 * Follows the fiber and its children. Hooks of an inner region run after those
 * of an outer one in `before`.
 *
 * **Example** (An audit of one request)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags, FeatureHook } from "effect-openfeature"
 *
 * const seen: Array<string> = []
 * const audit = FeatureHook.make("audit", {
 *   finally: (context) => Effect.sync(() => void seen.push(context.flagKey))
 * })
 * const request = Effect.gen(function*() {
 *   const flags = yield* FeatureFlags.FeatureFlags
 *   return yield* flags.boolean("new-checkout", false)
 * })
 * await Effect.runPromise(
 *   request.pipe(FeatureFlags.withHooks(audit), Effect.provide(FeatureFlags.layer()))
 * )
 * seen // => ["new-checkout"]
 * ```
 *
 * @category regions
 * @since 0.1.0
 */
export const withHooks =
  <H extends FeatureHook.Any>(...hooks: ReadonlyArray<H>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | FeatureHook.Services<H>> =>
    inRegion(self, (region, services: Context.Context<FeatureHook.Services<H>>) => ({
      registrations: [...region.registrations, Registration.make(FeatureHook.combineAll(hooks).parts, services)]
    }))

/**
 * Adds to the evaluation context of every evaluation in a region of code.
 *
 * **Details**
 *
 * Follows the fiber and its children. Overrides the contexts of API and client,
 * and is overridden by the context of a call and by `before` hooks.
 *
 * **Example** (Who the request is for)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 *
 * const program = Effect.gen(function*() {
 *   const flags = yield* FeatureFlags.FeatureFlags
 *   return yield* flags.boolean("new-checkout", false)
 * }).pipe(FeatureFlags.withContext({ targetingKey: "user-1", plan: "pro" }))
 *
 * await Effect.runPromise(Effect.provide(program, FeatureFlags.layer())) // => false
 * ```
 *
 * @category regions
 * @since 0.1.0
 */
export const withContext: {
  (context: EvaluationContext.EvaluationContext): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, context: EvaluationContext.EvaluationContext): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, context: EvaluationContext.EvaluationContext): Effect.Effect<A, E, R> =>
    inRegion(
      self,
      (region) => ({ context: { ...EvaluationContext.merge(region.context, context) } }),
      // A flag must not be evaluated for somebody else.
      { isUnreadable: true }
    )
)

/**
 * Gives hints to every evaluation in a region of code; the hints of a call win.
 *
 * @category regions
 * @since 0.1.0
 */
export const withHints: {
  (hints: HookHints.HookHints): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, hints: HookHints.HookHints): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, hints: HookHints.HookHints): Effect.Effect<A, E, R> =>
    inRegion(self, (region) => ({
      hints: HookHints.merge(
        region.hints,
        HookHints.isHookHints(hints) ? hints : HookHints.fromRecord({ ...cast<HookHints.HookHints, object>(hints) })
      )
    }))
)
