/**
 * The Effect client for feature flags.
 *
 * `FeatureFlags` evaluates flags through the OpenFeature SDK: booleans, strings,
 * numbers and objects, as values or as evaluation details. A flag that is
 * defined once, with `Flag`, is evaluated with `get` and `details`. Hooks can be
 * added to the whole SDK (`OpenFeatureHook.layer`), to a client
 * (`layer({ hooks })`, `addHooks`), to a region of a program (`withHooks`), and
 * to a single invocation (the option `hooks`).
 *
 * The functions of this module use the client that a layer provides, so
 * `FeatureFlags.boolean("sale", false)` is all that an application writes.
 *
 * An evaluation never fails. If something goes wrong, it returns the default
 * value, and the evaluation details contain the error. `getOrFail`,
 * `valueOrFail` and `orFail` turn it into a typed error.
 *
 * @since 0.1.0
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { cast, dual } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as EvaluationContext from "./EvaluationContext.ts"
import type { EvaluationDetails, FlagValue } from "./EvaluationDetails.ts"
import * as EvaluationError from "./EvaluationError.ts"
import * as FeatureHook from "./FeatureHook.ts"
import * as Flag from "./Flag.ts"
import * as FlagTransaction from "./FlagTransaction.ts"
import * as HookHints from "./HookHints.ts"
import { bind, ClientHooks } from "./internal/client/clientHooks.ts"
import * as Events from "./internal/client/events.ts"
import * as FlagType from "./internal/client/flagType.ts"
import * as Invocation from "./internal/client/invocation.ts"
import { checked, sdkClient, unreadable } from "./internal/client/options.ts"
import * as Provider from "./internal/client/provider.ts"
import { inRegion } from "./internal/client/region.ts"
import type { Outcome } from "./internal/client/resolved.ts"
import { track as sendEvent } from "./internal/client/track.ts"
import * as Registration from "./internal/hook/registration.ts"
import { read } from "./internal/untrusted.ts"

/**
 * The options of one invocation.
 *
 * **Gotchas**
 *
 * If an option is unknown, has an invalid value or cannot be read, the evaluation
 * returns the default value with `GENERAL`, and the message names the option.
 *
 * @category models
 * @since 0.1.0
 */
export interface EvaluationOptions<out H extends FeatureHook.Any = never> {
  /** Overrides the evaluation contexts of the API, client and region, attribute by attribute. */
  readonly context?: EvaluationContext.EvaluationContext | undefined
  /**
   * The invocation hooks. Their `before` stages run after those of the API,
   * client and region, and their later stages run first.
   */
  readonly hooks?: ReadonlyArray<H> | undefined
  /** The hook hints, for hooks of every level. They override those of the region. */
  readonly hints?: HookHints.HookHints | undefined
}

/**
 * The options of one invocation for an object flag with a schema.
 *
 * @category models
 * @since 0.1.0
 */
export interface ObjectOptions<A, out H extends FeatureHook.Any = never> extends EvaluationOptions<H> {
  /** Decodes the flag value. Hooks see the encoded value, and the caller gets the decoded one. */
  readonly schema: Schema.Codec<A, FlagValue>
}

type Evaluate<A, R = never> = <H extends FeatureHook.Any = never>(
  flagKey: string,
  defaultValue: A,
  options?: EvaluationOptions<H> | undefined
) => Effect.Effect<A, never, R | FeatureHook.Services<H>>

type EvaluateDetails<A, R = never> = <H extends FeatureHook.Any = never>(
  flagKey: string,
  defaultValue: A,
  options?: EvaluationOptions<H> | undefined
) => Effect.Effect<EvaluationDetails<A>, never, R | FeatureHook.Services<H>>

type EvaluateObject<R = never> = {
  <A, H extends FeatureHook.Any = never>(
    flagKey: string,
    defaultValue: A,
    options: ObjectOptions<A, H>
  ): Effect.Effect<A, never, R | FeatureHook.Services<H>>
  <H extends FeatureHook.Any = never>(
    flagKey: string,
    defaultValue: FlagValue,
    options?: EvaluationOptions<H> | undefined
  ): Effect.Effect<FlagValue, never, R | FeatureHook.Services<H>>
}

type EvaluateObjectDetails<R = never> = {
  <A, H extends FeatureHook.Any = never>(
    flagKey: string,
    defaultValue: A,
    options: ObjectOptions<A, H>
  ): Effect.Effect<EvaluationDetails<A>, never, R | FeatureHook.Services<H>>
  <H extends FeatureHook.Any = never>(
    flagKey: string,
    defaultValue: FlagValue,
    options?: EvaluationOptions<H> | undefined
  ): Effect.Effect<EvaluationDetails, never, R | FeatureHook.Services<H>>
}

type Get<R = never, E = never> = <A, H extends FeatureHook.Any = never>(
  flag: Flag.Flag<A>,
  options?: EvaluationOptions<H> | undefined
) => Effect.Effect<A, E, R | FeatureHook.Services<H>>

type GetOrFail<R = never> = Get<R, EvaluationError.EvaluationError>

type Details<R = never> = <A, H extends FeatureHook.Any = never>(
  flag: Flag.Flag<A>,
  options?: EvaluationOptions<H> | undefined
) => Effect.Effect<EvaluationDetails<A>, never, R | FeatureHook.Services<H>>

/**
 * The options of a tracking event.
 *
 * @category models
 * @since 0.2.0
 */
export interface TrackOptions {
  /** Overrides the evaluation contexts of the API, client and region, attribute by attribute. */
  readonly context?: EvaluationContext.EvaluationContext | undefined
  /** The value of the event, and other data for the provider. */
  readonly details?: SDK.TrackingEventDetails | undefined
}

/**
 * An event of the provider, with its type and its details.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProviderEvent extends Events.ProviderEvent {}

/**
 * The provider of a layer failed to initialise, or was not ready in time.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProviderError extends Data.TaggedError("ProviderError")<{
  /** The domain of the client, or `undefined` for the default domain. */
  readonly domain: string | undefined
  /** The error of the provider, or a `Cause.TimeoutError`. */
  readonly cause: unknown
  /** What is wrong, in one line. */
  readonly message: string
}> {
  constructor({ cause, domain }: {
    /** The domain of the client, or `undefined` for the default domain. */
    readonly domain: string | undefined
    /** The error of the provider, or a `Cause.TimeoutError`. */
    readonly cause: unknown
  }) {
    const name = domain === undefined ? "the default domain" : `domain "${domain}"`
    super({ domain, cause, message: `FeatureFlags.layer: the provider of ${name} is not ready` })
  }
}

/**
 * The service for the evaluation of feature flags.
 *
 * **When to use**
 *
 * Use in types, and to provide another client. To evaluate flags, use the
 * functions of this module: `FeatureFlags.boolean("sale", false)` requires this
 * service and calls its method.
 *
 * **Details**
 *
 * `boolean`, `string`, `number` and `object` return the flag value. The
 * functions with the suffix `Details` return evaluation details (specification
 * 1.4). They are frozen, and the same that `finally` stages see, except that a
 * schema decodes the value.
 *
 * If the value has the wrong type, or does not match the schema, the evaluation
 * returns the default value with `TYPE_MISMATCH`, and hooks run their `error`
 * stage. With a schema, the error message says where the value does not match.
 * The SDK alone would return such a value.
 *
 * Interrupting an evaluation interrupts its running stage. The `error` and
 * `finally` stages still run. The interruption waits for them up to
 * `interruptTimeout`, and for a provider that hangs up to the same time again.
 *
 * **Gotchas**
 *
 * Hooks that evaluate flags can nest 8 evaluations, the outermost included. They
 * can make 1,000 evaluations per outermost evaluation. Further ones return the
 * default value with `GENERAL`.
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
 * const program = FeatureFlags.boolean("new-checkout", false, { context: { targetingKey: "user-1" } })
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
  /** Evaluates a boolean flag. */
  readonly boolean: Evaluate<boolean>
  /** Evaluates a boolean flag and returns the evaluation details. */
  readonly booleanDetails: EvaluateDetails<boolean>
  /** Evaluates a string flag. */
  readonly string: Evaluate<string>
  /** Evaluates a string flag and returns the evaluation details. */
  readonly stringDetails: EvaluateDetails<string>
  /** Evaluates a number flag. */
  readonly number: Evaluate<number>
  /** Evaluates a number flag and returns the evaluation details. */
  readonly numberDetails: EvaluateDetails<number>
  /** Evaluates an object flag, with an optional schema. */
  readonly object: EvaluateObject
  /** Evaluates an object flag, with an optional schema, and returns the evaluation details. */
  readonly objectDetails: EvaluateObjectDetails
  /** Evaluates a flag by its definition. */
  readonly get: Get
  /** Evaluates a flag by its definition, and fails with an `EvaluationError` instead of returning the default value. */
  readonly getOrFail: GetOrFail
  /** Evaluates a flag by its definition and returns the evaluation details. */
  readonly details: Details
  /**
   * Adds client hooks until the scope closes. They use the services of the caller, and those of the
   * current fiber for services that the caller does not have. For running evaluations,
   * `OpenFeatureHook.WhenClosed` applies when the scope closes.
   */
  readonly addHooks: <Hooks extends ReadonlyArray<FeatureHook.Any>>(
    ...hooks: Hooks
  ) => Effect.Effect<void, never, FeatureHook.Services<Hooks[number]> | Scope.Scope>
  /** The client hooks, in order. */
  readonly hooks: Effect.Effect<ReadonlyArray<FeatureHook.Any>>
  /** Removes all hooks that were added through this service. Hooks of the SDK client stay. */
  readonly clearHooks: Effect.Effect<void>
  /** The events of the provider. A stream starts with an event for the present status. */
  readonly events: Stream.Stream<ProviderEvent>
  /** The status of the provider. */
  readonly status: Effect.Effect<SDK.ServerProviderStatus>
  /** Sends a tracking event to the provider (specification 6.1). */
  readonly track: (name: string, options?: TrackOptions | undefined) => Effect.Effect<void>
  /** The metadata of the client, with its domain. */
  readonly metadata: Effect.Effect<SDK.ClientMetadata>
  /** The client of the SDK, for features that this service does not have. */
  readonly client: SDK.Client
}>()("effect-openfeature/FeatureFlags") {}

/**
 * The options of a client.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<out E = never, out R = never, out H extends FeatureHook.Any = never> {
  /** The domain of the client (specification 1.1.6); the default domain by default. */
  readonly domain?: string | undefined
  /** The version of the client. It requires a domain. */
  readonly version?: string | undefined
  /** The evaluation context of the client. */
  readonly context?: EvaluationContext.EvaluationContext | undefined
  /** The client hooks, in order. */
  readonly hooks?: ReadonlyArray<H> | undefined
  /**
   * Creates the provider. The layer owns it: it registers it, waits until it
   * is ready, and closes it. Without this option, the client uses the SDK's
   * provider for the domain.
   */
  readonly provider?: Effect.Effect<SDK.Provider, E, R> | undefined
  /** The maximum time to wait for the provider to be ready. 30 seconds by default. */
  readonly initializeTimeout?: Duration.Input | undefined
  /**
   * `"fail"`, the default, fails with a `ProviderError` when the provider is
   * not ready in time. `"ignore"` goes on, and evaluations return default
   * values until it is ready.
   */
  readonly onProviderError?: "fail" | "ignore" | undefined
  /**
   * Whether resolutions that hooks contribute are served while `provider`
   * initialises; `false` by default. The status of the client is `STALE` then, and
   * not `NOT_READY`. Evaluations without such a resolution still give
   * `PROVIDER_NOT_READY`.
   */
  readonly resolveWhenNotReady?: boolean | undefined
  /** The maximum time to wait for the provider to close. 3 seconds by default. */
  readonly shutdownTimeout?: Duration.Input | undefined
  /** The maximum time that an interrupted evaluation waits for its hooks. 1 second by default. */
  readonly interruptTimeout?: Duration.Input | undefined
}

/**
 * The error of invalid client options.
 *
 * @category errors
 * @since 0.2.0
 */
export class OptionsError extends Data.TaggedError("OptionsError")<{
  /** Names the option, and the values it can have. */
  readonly message: string
}> {}

/**
 * Creates a client that lives until the scope closes.
 *
 * **Details**
 *
 * Fails with an `OptionsError` when an option is invalid: an empty domain, a
 * version without a domain, a duration that is negative or not finite, an
 * unknown `onProviderError`, or an element of `hooks` that is not a
 * `FeatureHook`. Fails with a `ProviderError` when the provider is
 * not ready in time.
 *
 * **Gotchas**
 *
 * A domain has one provider. If another client in scope already owns the
 * provider of the domain, the new provider covers it for both clients, and a
 * warning is logged. When the newer scope closes, the older provider is back. It
 * is not closed meanwhile.
 *
 * **Example** (Handling invalid options)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 *
 * const program = FeatureFlags.make({ version: "1" }).pipe(
 *   Effect.as("created"),
 *   Effect.catchTag("OptionsError", (error) => Effect.succeed(error.message))
 * )
 * await Effect.runPromise(Effect.scoped(program)) // => "FeatureFlags.make: version needs a domain"
 * ```
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
  const settings = yield* Effect.try({
    try: () => checked("FeatureFlags.make", options),
    catch: (error) => new OptionsError({ message: error instanceof RangeError ? error.message : unreadable })
  })
  const { domain, initializeTimeout, interruptTimeout, onProviderError } = settings
  if (options.provider !== undefined) {
    const ready = yield* Provider.acquire(yield* options.provider, settings)
    yield* ready.pipe(
      Effect.timeout(initializeTimeout),
      Effect.catch((cause) =>
        onProviderError === "ignore" ? Effect.void : Effect.fail(new ProviderError({ domain, cause }))
      )
    )
  }
  const client = sdkClient(options)
  const target = { client, domain, interruptTimeout }
  const clientHooks = new ClientHooks()
  yield* clientHooks.add(options.hooks ?? [])

  const selecting = Invocation.of(target, clientHooks)

  const typed = <A>(type: FlagType.FlagType<A>): readonly [Evaluate<A>, EvaluateDetails<A>] => [
    (flagKey, defaultValue, options) => selecting(type, flagKey, defaultValue, options, valueOf),
    (flagKey, defaultValue, options) => selecting(type, flagKey, defaultValue, options, detailsOf)
  ]
  const [boolean, booleanDetails] = typed(FlagType.boolean)
  const [string, stringDetails] = typed(FlagType.string)
  const [number, numberDetails] = typed(FlagType.number)

  const objectDetails = <H extends FeatureHook.Any>(
    flagKey: string,
    defaultValue: FlagValue,
    options?: EvaluationOptions<H> | ObjectOptions<FlagValue, H> | undefined
  ) =>
    hasSchema(options)
      ? selecting(FlagType.schema(options.schema), flagKey, defaultValue, options, detailsOf)
      : selecting(FlagType.object, flagKey, defaultValue, options, detailsOf)

  const selectingFlag = <A, B, H extends FeatureHook.Any>(
    owner: string,
    flag: Flag.Flag<A>,
    options: EvaluationOptions<H> | undefined,
    select: (outcome: Outcome<A>) => B
  ) => {
    const { defaultValue, flagKey, type } = Flag.questionOf(owner, flag)
    return selecting(type, flagKey, defaultValue, options, select)
  }

  const flags = FeatureFlags.of({
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
    ) => Effect.map(objectDetails(flagKey, defaultValue, options), valueOf),
    get: (flag, options) => selectingFlag("FeatureFlags.get", flag, options, valueOf),
    getOrFail: (flag, options) => valueOrFail(selectingFlag("FeatureFlags.getOrFail", flag, options, detailsOf)),
    details: (flag, options) => selectingFlag("FeatureFlags.details", flag, options, detailsOf),
    addHooks: (...hooks) => clientHooks.add(hooks),
    hooks: Effect.sync(() => clientHooks.all),
    clearHooks: Effect.sync(() => clientHooks.clear()),
    events: Events.make(client),
    status: Effect.sync(() => client.providerStatus),
    track: (name, options) => sendEvent(client, name, options),
    metadata: Effect.sync(() => client.metadata),
    client
  })
  return bind(flags, clientHooks)
})

const valueOf = <A>({ value }: { readonly value: A }): A => value
const detailsOf = <A>({ details }: { readonly details: A }): A => details

/**
 * Provides a client for feature flags.
 *
 * **When to use**
 *
 * Use once per domain of an application.
 *
 * **Details**
 *
 * When the layer ends, its hooks end first, and then its provider is closed. The
 * domain keeps a provider that is never ready, so later evaluations return
 * default values with `PROVIDER_NOT_READY`.
 *
 * Fails like `make`, with an `OptionsError` or a `ProviderError`.
 *
 * **Gotchas**
 *
 * When two layers have a provider for the same domain, the newer provider covers
 * the older one, and a warning is logged. The older provider is back when the
 * newer layer ends. Use a separate domain for each layer, also in parallel
 * tests.
 *
 * **Example** (Using the provider of the SDK)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 *
 * const program = FeatureFlags.stringDetails("theme", "light")
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
 * Evaluates a boolean flag with the provided client.
 *
 * **Example** (Reading a flag)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 *
 * const program = Effect.gen(function*() {
 *   return (yield* FeatureFlags.boolean("new-checkout", false)) ? "new" : "old"
 * })
 * await Effect.runPromise(Effect.provide(program, FeatureFlags.layer())) // => "old"
 * ```
 *
 * @category accessors
 * @since 0.2.0
 */
export const boolean: Evaluate<boolean, FeatureFlags> = (flagKey, defaultValue, options) =>
  FeatureFlags.use((flags) => flags.boolean(flagKey, defaultValue, options))

/**
 * Evaluates a boolean flag with the provided client and returns the evaluation
 * details.
 *
 * @category accessors
 * @since 0.2.0
 */
export const booleanDetails: EvaluateDetails<boolean, FeatureFlags> = (flagKey, defaultValue, options) =>
  FeatureFlags.use((flags) => flags.booleanDetails(flagKey, defaultValue, options))

/**
 * Evaluates a string flag with the provided client.
 *
 * @category accessors
 * @since 0.2.0
 */
export const string: Evaluate<string, FeatureFlags> = (flagKey, defaultValue, options) =>
  FeatureFlags.use((flags) => flags.string(flagKey, defaultValue, options))

/**
 * Evaluates a string flag with the provided client and returns the evaluation
 * details.
 *
 * @category accessors
 * @since 0.2.0
 */
export const stringDetails: EvaluateDetails<string, FeatureFlags> = (flagKey, defaultValue, options) =>
  FeatureFlags.use((flags) => flags.stringDetails(flagKey, defaultValue, options))

/**
 * Evaluates a number flag with the provided client.
 *
 * @category accessors
 * @since 0.2.0
 */
export const number: Evaluate<number, FeatureFlags> = (flagKey, defaultValue, options) =>
  FeatureFlags.use((flags) => flags.number(flagKey, defaultValue, options))

/**
 * Evaluates a number flag with the provided client and returns the evaluation
 * details.
 *
 * @category accessors
 * @since 0.2.0
 */
export const numberDetails: EvaluateDetails<number, FeatureFlags> = (flagKey, defaultValue, options) =>
  FeatureFlags.use((flags) => flags.numberDetails(flagKey, defaultValue, options))

/**
 * Evaluates an object flag with the provided client, with an optional schema.
 *
 * **Example** (Decoding a value)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 *
 * const Limits = Schema.Struct({ daily: Schema.Number })
 * const program = FeatureFlags.object("limits", { daily: 100 }, { schema: Limits })
 * await Effect.runPromise(Effect.provide(program, FeatureFlags.layer())) // => { daily: 100 }
 * ```
 *
 * @category accessors
 * @since 0.2.0
 */
export const object: EvaluateObject<FeatureFlags> = <H extends FeatureHook.Any>(
  flagKey: string,
  defaultValue: FlagValue,
  options?: EvaluationOptions<H> | ObjectOptions<FlagValue, H> | undefined
) =>
  FeatureFlags.use((flags) =>
    hasSchema(options)
      ? flags.object(flagKey, defaultValue, options)
      : flags.object(flagKey, defaultValue, options)
  )

/**
 * Evaluates an object flag with the provided client, with an optional schema,
 * and returns the evaluation details.
 *
 * @category accessors
 * @since 0.2.0
 */
export const objectDetails: EvaluateObjectDetails<FeatureFlags> = <H extends FeatureHook.Any>(
  flagKey: string,
  defaultValue: FlagValue,
  options?: EvaluationOptions<H> | ObjectOptions<FlagValue, H> | undefined
) =>
  FeatureFlags.use((flags) =>
    hasSchema(options)
      ? flags.objectDetails(flagKey, defaultValue, options)
      : flags.objectDetails(flagKey, defaultValue, options)
  )

const hasSchema = <H extends FeatureHook.Any>(
  options: EvaluationOptions<H> | ObjectOptions<FlagValue, H> | undefined
): options is ObjectOptions<FlagValue, H> => read(options, "schema") !== undefined

/**
 * Evaluates a flag by its definition, with the provided client.
 *
 * **Details**
 *
 * The value has the type of the definition. `Flag.evaluate` does the same for a
 * client of the plain SDK.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `flag` is not a `Flag`.
 *
 * **Example** (Evaluating a defined flag)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags, Flag } from "effect-openfeature"
 *
 * const MaxItems = Flag.integer("max-items", { default: 20 })
 *
 * const program = FeatureFlags.get(MaxItems, { context: { targetingKey: "user-1" } })
 * await Effect.runPromise(Effect.provide(program, FeatureFlags.layer())) // => 20
 * ```
 *
 * @category accessors
 * @since 0.2.0
 */
export const get: Get<FeatureFlags> = (flag, options) => FeatureFlags.use((flags) => flags.get(flag, options))

/**
 * Evaluates a flag by its definition, with the provided client, and fails with
 * an `EvaluationError` instead of returning the default value.
 *
 * **When to use**
 *
 * Use when the default value is not good enough. For a flag without a
 * definition, use `valueOrFail`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `flag` is not a `Flag`.
 *
 * **Example** (Requiring a defined flag)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags, Flag } from "effect-openfeature"
 *
 * const PriceLimit = Flag.number("price-limit", { default: 0 })
 *
 * const program = FeatureFlags.getOrFail(PriceLimit).pipe(
 *   Effect.map((limit) => `limit ${limit}`),
 *   Effect.catchTag("EvaluationError", (error) => Effect.succeed(`no limit: ${error.code}`))
 * )
 * await Effect.runPromise(Effect.provide(program, FeatureFlags.layer())) // => "no limit: PROVIDER_NOT_READY"
 * ```
 *
 * @category accessors
 * @since 0.2.0
 */
export const getOrFail: GetOrFail<FeatureFlags> = (flag, options) =>
  FeatureFlags.use((flags) => flags.getOrFail(flag, options))

/**
 * Evaluates a flag by its definition, with the provided client, and returns the
 * evaluation details.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when `flag` is not a `Flag`.
 *
 * @category accessors
 * @since 0.2.0
 */
export const details: Details<FeatureFlags> = (flag, options) =>
  FeatureFlags.use((flags) => flags.details(flag, options))

/**
 * Sends a tracking event to the provider of the provided client (specification
 * 6.1).
 *
 * **Example** (Tracking an order)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 *
 * const program = FeatureFlags.track("order", {
 *   context: { targetingKey: "user-1" },
 *   details: { value: 49.9 }
 * })
 * await Effect.runPromise(Effect.provide(program, FeatureFlags.layer()))
 * ```
 *
 * @category accessors
 * @since 0.2.0
 */
export const track = (name: string, options?: TrackOptions | undefined): Effect.Effect<void, never, FeatureFlags> =>
  FeatureFlags.use((flags) => flags.track(name, options))

/**
 * The status of the provider of the provided client.
 *
 * @category accessors
 * @since 0.2.0
 */
export const status: Effect.Effect<SDK.ServerProviderStatus, never, FeatureFlags> = FeatureFlags.use((flags) =>
  flags.status
)

/**
 * The events of the provider of the provided client.
 *
 * **Details**
 *
 * A stream starts with an event for the present status.
 *
 * @category accessors
 * @since 0.2.0
 */
export const events: Stream.Stream<ProviderEvent, never, FeatureFlags> = Stream.unwrap(
  FeatureFlags.useSync((flags) => flags.events)
)

/**
 * Fails with an `EvaluationError` if the evaluation details contain an error, and
 * returns the details otherwise.
 *
 * **When to use**
 *
 * Use when the default value is not good enough, and you want the variant, the
 * reason or the metadata too. For the value alone, use `valueOrFail`.
 *
 * **Example** (Requiring the variant of a flag)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 *
 * const program = FeatureFlags.stringDetails("theme", "light").pipe(
 *   FeatureFlags.orFail,
 *   Effect.map((details) => `variant ${details.variant}`),
 *   Effect.catchTag("EvaluationError", (error) => Effect.succeed(`no variant: ${error.code}`))
 * )
 * await Effect.runPromise(Effect.provide(program, FeatureFlags.layer())) // => "no variant: PROVIDER_NOT_READY"
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
 * Returns the value of evaluation details, and fails with an `EvaluationError` if
 * they contain an error.
 *
 * **When to use**
 *
 * Use when the default value is not good enough. For a flag that is defined with
 * `Flag`, `getOrFail` is shorter.
 *
 * **Example** (Requiring a flag)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 *
 * const program = FeatureFlags.numberDetails("price-limit", 0).pipe(
 *   FeatureFlags.valueOrFail,
 *   Effect.map((limit) => `limit ${limit}`),
 *   Effect.catchTag("EvaluationError", (error) => Effect.succeed(`no limit: ${error.code}`))
 * )
 * await Effect.runPromise(Effect.provide(program, FeatureFlags.layer())) // => "no limit: PROVIDER_NOT_READY"
 * ```
 *
 * @category error handling
 * @since 0.2.0
 */
export const valueOrFail = <A, E, R>(
  self: Effect.Effect<EvaluationDetails<A>, E, R>
): Effect.Effect<A, E | EvaluationError.EvaluationError, R> => Effect.map(orFail(self), valueOf)

/**
 * Adds hooks to all evaluations in a region of a program.
 *
 * **Details**
 *
 * The region includes child fibers. The `before` stages of an inner region run
 * after those of an outer region.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when a value is not a `FeatureHook`.
 *
 * **Example** (Auditing one request)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags, FeatureHook } from "effect-openfeature"
 *
 * const seen: Array<string> = []
 * const audit = FeatureHook.make("audit", {
 *   finally: (context) => Effect.sync(() => void seen.push(context.flagKey))
 * })
 * const request = FeatureFlags.boolean("new-checkout", false)
 * await Effect.runPromise(
 *   request.pipe(FeatureFlags.withHooks(audit), Effect.provide(FeatureFlags.layer()))
 * )
 * seen // => ["new-checkout"]
 * ```
 *
 * @category regions
 * @since 0.1.0
 */
export const withHooks = <Hooks extends ReadonlyArray<FeatureHook.Any>>(...hooks: Hooks) => {
  const { parts } = FeatureHook.combineAll(hooks)
  return <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | FeatureHook.Services<Hooks[number]>> =>
    inRegion(self, (region, services: Context.Context<FeatureHook.Services<Hooks[number]>>) => ({
      registrations: [...region.registrations, Registration.make(parts, services)]
    }))
}

/**
 * Adds an evaluation context to all evaluations in a region of a program.
 *
 * **Details**
 *
 * The region includes child fibers. The context overrides those of the API and
 * the client. The context of an invocation and the contributions of `before`
 * hooks override it.
 *
 * **Gotchas**
 *
 * If the context cannot be read, a warning is logged, and all evaluations in the
 * region return the default value with `GENERAL`.
 *
 * **Example** (Setting the subject of a request)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 *
 * const program = FeatureFlags.boolean("new-checkout", false).pipe(
 *   FeatureFlags.withContext({ targetingKey: "user-1", plan: "pro" })
 * )
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
      // No flag may be evaluated for a different subject.
      { isUnreadable: true }
    )
)

/**
 * Adds hook hints to all evaluations in a region of a program.
 *
 * **Details**
 *
 * The region includes child fibers. The hints of an invocation override those of
 * the region.
 *
 * **Example** (Passing an audit id)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags, FeatureHook, HookHints } from "effect-openfeature"
 *
 * const AuditId = HookHints.key<string>("audit.id")
 *
 * const seen: Array<string | undefined> = []
 * const audit = FeatureHook.make("audit", {
 *   finally: (_context, _details, hints) => {
 *     seen.push(HookHints.getOrUndefined(hints, AuditId))
 *   }
 * })
 * const request = FeatureFlags.boolean("new-checkout", false, { hooks: [audit] })
 * await Effect.runPromise(request.pipe(
 *   FeatureFlags.withHints(HookHints.make(AuditId, "12345")),
 *   Effect.provide(FeatureFlags.layer())
 * ))
 * seen // => ["12345"]
 * ```
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

/**
 * Runs an effect in a transaction: the same flag with the same evaluation context
 * has the same value, chosen flags have other values, and the record of what was
 * evaluated comes back.
 *
 * **When to use**
 *
 * Use around a request or a job, in which a flag that changes must not lead to two
 * answers. For plain code, use `FlagTransaction.run`.
 *
 * **Details**
 *
 * The transaction covers all `FeatureFlags` clients, child fibers, and evaluations
 * in hooks. Evaluations have the value in common when they have the domain, the
 * flag key, the type, the targeting key, and the evaluation context in common, as
 * it is before hooks contribute to it. The order of attributes, and the default
 * value, have no effect. Concurrent evaluations ask the provider once. Hooks run
 * for each evaluation.
 *
 * The transaction decides ahead of hooks of every level: overrides and kept values
 * win over the resolutions of hooks. What a hook resolved is kept like what the
 * provider resolved.
 *
 * An error is no value: the caller gets its default value, and the next evaluation
 * asks again. Concurrent evaluations get the same error. With `keepErrors`, errors
 * of the provider are kept too.
 *
 * With `onEnd`, the record is also there when the effect fails or is interrupted.
 * A fiber that outlives the transaction evaluates as if it had been started
 * around it, and no longer changes the record.
 *
 * **Gotchas**
 *
 * Overrides and kept values need a client with the option `provider`, or a provider
 * that is a `ResolutionProvider`. Without it, the record is all that a transaction
 * has, and `HookFailures` tells so once per transaction.
 *
 * An evaluation context that contains an instance of a class, or is longer than
 * 10,000 characters, cannot be compared. Such an evaluation asks the provider, and
 * `notKept` counts it.
 *
 * Throws a `RangeError` when an option is invalid or unknown.
 *
 * **Example** (A request with an override)
 *
 * ```ts
 * import { InMemoryProvider } from "@openfeature/server-sdk"
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 *
 * const provider = new InMemoryProvider({
 *   theme: { variants: { blue: "blue", green: "green" }, defaultVariant: "blue", disabled: false }
 * })
 * const request = Effect.all([
 *   FeatureFlags.string("theme", "grey"),
 *   FeatureFlags.string("theme", "grey"),
 *   FeatureFlags.boolean("new-checkout", false)
 * ])
 * const { record, value } = await Effect.runPromise(
 *   request.pipe(
 *     FeatureFlags.transaction({ overrides: { "new-checkout": true } }),
 *     Effect.provide(FeatureFlags.layer({ domain: "transaction", provider: Effect.succeed(provider) }))
 *   )
 * )
 * value // => ["blue", "blue", true]
 * record.entries.map(({ source }) => source) // => ["provider", "cache", "override"]
 * ```
 *
 * @category regions
 * @since 0.2.0
 */
export const transaction: {
  <A, E, R, R2 = never>(
    self: Effect.Effect<A, E, R>,
    options?: FlagTransaction.EffectOptions<R2> | undefined
  ): Effect.Effect<FlagTransaction.Result<A>, E, R | R2>
  // The last one, so that a `pipe` with `transaction` itself, without a call, does not compile. It would lose all types.
  <R2 = never>(
    options?: FlagTransaction.EffectOptions<R2> | undefined
  ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<FlagTransaction.Result<A>, E, R | R2>
} = dual((args) => Effect.isEffect(args[0]), FlagTransaction.within)
