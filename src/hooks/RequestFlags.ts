/**
 * The flags of the current request, for error trackers.
 *
 * A report of an error is easier to understand with the flags that the request
 * has evaluated. This module keeps the latest ones of each request, a limited
 * number, until the request ends.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { EvaluationDetails, FlagValue } from "../EvaluationDetails.ts"
import type { ErrorCode } from "../EvaluationError.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as Check from "../internal/check.ts"
import { asyncLocalStorage } from "../internal/node.ts"
import * as Services from "../internal/services.ts"
import { tryOr } from "../internal/untrusted.ts"
import * as Privacy from "../Privacy.ts"

/**
 * A flag that a request has evaluated.
 *
 * @category models
 * @since 0.2.0
 */
export interface RequestFlag {
  /** The key of the flag. */
  readonly flagKey: string
  /** The variant, if the provider gave one. */
  readonly variant?: string
  /** The value if it is a boolean, or any value as text if the option `values` is set. An error has no value. */
  readonly value?: string | number | boolean
  /** The error code after an error. */
  readonly errorCode?: ErrorCode
  /** The message of the error, if the option `errorMessage` is set. */
  readonly errorMessage?: string
}

/**
 * The options of the hook, with those of `Privacy`.
 *
 * **Details**
 *
 * - `context`, `targetingKey`: have no effect. An error tracker has a user of its
 *   own.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options extends Privacy.Options {
  /**
   * The maximum number of flags per request, 100 by default. Beyond it, the
   * flag whose evaluation is the longest ago is dropped.
   */
  readonly maxFlags?: number | undefined
  /**
   * Returns an object that stands for the current request, such as the store
   * of an `AsyncLocalStorage` of the application. Read the flags of that
   * object with `of`. By default, and if it returns `undefined`, the request
   * is the innermost `withScope`, or else `run`.
   */
  readonly request?: (() => object | undefined) | undefined
}

type Flags = Map<string, RequestFlag>

const none: ReadonlyArray<RequestFlag> = Object.freeze([])

// The object of a request owns its flags, so they end with it.
const flagsOf = new WeakMap<object, Flags>()

const Current = Context.Reference<object | undefined>("effect-openfeature/RequestFlags", {
  defaultValue: () => undefined
})

let storage: ReturnType<typeof asyncLocalStorage<object>> | undefined = undefined

const currentOf = (services: Context.Context<never> | undefined): object | undefined =>
  (services && Context.get(services, Current)) ?? storage?.getStore()

/**
 * Creates a hook that keeps the flags of the current request.
 *
 * **When to use**
 *
 * Use together with `withScope` in Effect programs, and with `run` or the option
 * `request` in plain code.
 *
 * **Details**
 *
 * Keeps the key, the variant, boolean values and the error code, which is what
 * error trackers show. Other values and error messages need the options of
 * `Privacy`. Outside of a request it keeps nothing.
 *
 * The hook is an observer: its failures go to `HookFailures` and never change an
 * evaluation.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that names the option when an option is unknown or has an
 * invalid value.
 *
 * **Example** (Attaching flags to the report of an error)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { OpenFeatureHook, RequestFlags } from "effect-openfeature"
 *
 * OpenFeature.addHooks(OpenFeatureHook.make(RequestFlags.make()))
 * const client = OpenFeature.getClient()
 *
 * // Such as `beforeSend` of Sentry.
 * const report = (error: Error) => ({ error: error.name, flags: RequestFlags.current() })
 *
 * const handled = await RequestFlags.run(async () => {
 *   await client.getBooleanValue("new-checkout", false)
 *   return report(new Error("the card was declined"))
 * })
 * handled.flags.map(({ flagKey }) => flagKey) // => ["new-checkout"]
 * OpenFeature.clearHooks()
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: Options = {}): FeatureHook.FeatureHook => {
  const { maxFlags = 100, request } = Check.options("RequestFlags.make", options, {
    ...Privacy.rules,
    maxFlags: Check.positiveInteger,
    request: Check.aFunction
  })
  const privacy = Privacy.fromChecked(options)
  const given = request === undefined ? () => undefined : () => tryOr(request, () => undefined)

  const keep = (context: HookContext, details: EvaluationDetails): void => {
    const owner = given() ?? currentOf(Services.find())
    if (owner === undefined) return
    const flags = flagsOf.get(owner) ?? new Map<string, RequestFlag>()
    flagsOf.set(owner, flags)
    const flag = flagOf(privacy, context, details)
    // A map keeps the order of insertion, so the first flag is the oldest.
    flags.delete(flag.flagKey)
    flags.set(flag.flagKey, flag)
    for (const oldest of flags.keys()) {
      if (flags.size <= maxFlags) break
      flags.delete(oldest)
    }
  }
  return FeatureHook.watcher(FeatureHook.make("request-flags", { finally: keep }))
}

const flagOf = (privacy: Privacy.Privacy, { flagKey }: HookContext, details: EvaluationDetails): RequestFlag => {
  const { errorCode, variant } = details
  const written = variant === undefined ? undefined : privacy.write("variant", variant)
  const value = errorCode === undefined ? valueOf(privacy, details.value) : undefined
  const errorMessage = errorCode === undefined ? undefined : privacy.errorMessage(details.errorMessage)
  return Object.freeze({
    flagKey: privacy.print(flagKey),
    ...written === undefined ? undefined : { variant: written },
    ...value === undefined ? undefined : { value },
    ...errorCode === undefined ? undefined : { errorCode },
    ...errorMessage === undefined ? undefined : { errorMessage }
  })
}

const valueOf = (privacy: Privacy.Privacy, value: FlagValue): string | number | boolean | undefined => {
  if (typeof value !== "boolean" && !privacy.values) return undefined
  const kept = privacy.keep("value", value)
  if (kept === undefined || typeof kept === "boolean") return kept
  return typeof kept === "number" && Number.isFinite(kept) ? kept : privacy.print(kept)
}

/**
 * Runs an effect as one request: flags that it evaluates are kept separately.
 *
 * **Details**
 *
 * The flags of an outer `withScope` are not those of an inner one. Child fibers
 * belong to the request.
 *
 * **Example** (Reading the flags of a request)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags, RequestFlags } from "effect-openfeature"
 *
 * const request = Effect.gen(function*() {
 *   const flags = yield* FeatureFlags.FeatureFlags
 *   yield* flags.boolean("new-checkout", false)
 *   return yield* RequestFlags.flags
 * }).pipe(RequestFlags.withScope)
 *
 * const FlagsLive = FeatureFlags.layer({ hooks: [RequestFlags.make()] })
 * const flags = await Effect.runPromise(Effect.provide(request, FlagsLive))
 * flags.map(({ flagKey }) => flagKey) // => ["new-checkout"]
 * ```
 *
 * @category combinators
 * @since 0.2.0
 */
export const withScope = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => Effect.provideService(self, Current, {}))

/**
 * Runs a function of plain code as one request. Flags that it evaluates, and that
 * the promises evaluate that it starts, are kept separately.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` outside of Node.js. There, use the option `request`.
 *
 * @category running
 * @since 0.2.0
 */
export const run = <A>(use: () => A): A => {
  storage ??= asyncLocalStorage<object>("RequestFlags.run")
  return storage.run({}, use)
}

/**
 * Returns the flags of an object that the option `request` has returned, the
 * latest last.
 *
 * **Example** (Using the storage of an application)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { OpenFeatureHook, RequestFlags } from "effect-openfeature"
 * import { AsyncLocalStorage } from "node:async_hooks"
 *
 * const requests = new AsyncLocalStorage<{ readonly id: string }>()
 * const client = OpenFeature.getClient("of-requests").addHooks(
 *   OpenFeatureHook.make(RequestFlags.make({ request: () => requests.getStore() }))
 * )
 *
 * const request = { id: "request-1" }
 * await requests.run(request, () => client.getBooleanValue("new-checkout", false))
 * RequestFlags.of(request).length // => 1
 * ```
 *
 * @category getters
 * @since 0.2.0
 */
export const of = (request: object): ReadonlyArray<RequestFlag> => {
  const found = flagsOf.get(request)
  return found === undefined ? none : Array.from(found.values())
}

/**
 * Returns the flags of the current request, the latest last, from plain code or
 * from a callback such as `beforeSend` of an error tracker.
 *
 * **Details**
 *
 * The request is that of the running fiber, or else that of `run`. Outside of
 * both there are no flags.
 *
 * **Gotchas**
 *
 * After an `await` inside of `Effect.promise`, in a timer, and after
 * `Effect.runPromise` has ended, no fiber is running. Report inside of
 * `withScope`, for example with `Effect.tapCause`.
 *
 * @category getters
 * @since 0.2.0
 */
export const current = (): ReadonlyArray<RequestFlag> => {
  const owner = currentOf(Services.find())
  return owner === undefined ? none : of(owner)
}

/**
 * The flags of the current request, the latest last.
 *
 * @category getters
 * @since 0.2.0
 */
export const flags: Effect.Effect<ReadonlyArray<RequestFlag>> = Effect.contextWith((services: Context.Context<never>) =>
  Effect.sync(() => {
    const owner = currentOf(services)
    return owner === undefined ? none : of(owner)
  })
)
