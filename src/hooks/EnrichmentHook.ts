/**
 * Hooks that add attributes to the evaluation context: fixed ones, those of the
 * current request, or those that are looked up for a subject.
 *
 * @since 0.2.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { cast } from "effect/Function"
import * as EvaluationContext from "../EvaluationContext.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as Check from "../internal/check.ts"
import * as Lookups from "../internal/hook/lookups.ts"
import * as Part from "../internal/hook/part.ts"
import { attributeOf, targetingKeyOf } from "../internal/hook/view.ts"
import * as Started from "../internal/started.ts"
import { isRecord } from "../internal/untrusted.ts"

/**
 * Attributes to add. Those that are `undefined` are left out.
 *
 * @category models
 * @since 0.2.0
 */
export type Attributes = { readonly [name: string]: EvaluationContext.Value | undefined }

/**
 * What computes attributes may return: attributes or nothing, as a plain result,
 * a promise, or an effect.
 *
 * @category models
 * @since 0.2.0
 */
export type Result =
  | Attributes
  | void
  | PromiseLike<Attributes | void>
  | Effect.Effect<Attributes | void, unknown, unknown>

/**
 * The options of a hook that enriches the evaluation context.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** The name of the hook, `"enrichment"` by default. */
  readonly name?: string | undefined
  /**
   * `"fill"`, the default, adds only attributes that the evaluation context does
   * not have. `"override"` replaces those that it has.
   */
  readonly precedence?: "fill" | "override" | undefined
  /**
   * What happens when the attributes cannot be computed. `"report"`, the default,
   * goes on without them and reports the failure to `HookFailures`. `"reject"`
   * rejects the evaluation, so the caller gets the default value.
   */
  readonly onFailure?: "report" | "reject" | undefined
}

/**
 * The options of a hook that looks attributes up.
 *
 * @category models
 * @since 0.2.0
 */
export interface CachedOptions extends Options {
  /**
   * Returns the subject to look up. By default the targeting key. Nothing is
   * looked up for `undefined` or an empty text.
   */
  readonly key?: ((context: HookContext) => string | undefined) | undefined
  /** The maximum number of subjects in the cache, 1,000 by default. Beyond it, the least recently used is forgotten. */
  readonly capacity?: number | undefined
  /** How long the attributes of a subject are used, 1 minute by default. */
  readonly timeToLive?: Duration.Input | undefined
}

/**
 * The failures of a hook with these options, which computes attributes with a
 * result `A`.
 *
 * @category utility types
 * @since 0.2.0
 */
export type Failure<A, O extends Options> = O extends Rejecting ? FeatureHook.StageError<A> : never

type Rejecting = { readonly onFailure: "reject" }

const rules: Check.Rules<Options> = {
  name: Check.aText,
  precedence: Check.among("fill", "override"),
  onFailure: Check.among("report", "reject")
}

// A neighbour that writes into a value must reach neither the application nor the cache. A function is no
// data, and the SDK would call `then`.
const attributesOf = (found: unknown): EvaluationContext.EvaluationContext => {
  if (found === undefined) return EvaluationContext.empty
  if (!isRecord(found)) throw new Check.Misuse("gave attributes that are not a record")
  return EvaluationContext.snapshot(Object.fromEntries(Object.entries(found).filter(isAttribute)))
}

const isAttribute = (entry: readonly [string, unknown]): entry is [string, EvaluationContext.Value] =>
  !["undefined", "function", "symbol", "bigint"].includes(typeof entry[1])

type Contribute = (
  context: HookContext,
  attributes: EvaluationContext.EvaluationContext
) => FeatureHook.Contribution | undefined

const override: Contribute = (_context, attributes) => ({ context: attributes })

const fill: Contribute = (context, attributes) => {
  const missing = Object.entries(attributes).filter(([name]) => attributeOf(context, name) === undefined)
  return missing.length === 0 ? undefined : { context: Object.fromEntries(missing) }
}

type Found<E, R> = EvaluationContext.EvaluationContext | Effect.Effect<EvaluationContext.EvaluationContext, E, R>

const hookOf = <E, R>(
  { name = "enrichment", onFailure = "report", precedence = "fill" }: Options,
  attributes: (context: HookContext) => Found<E, R>
): FeatureHook.FeatureHook<never, R> => {
  const contribute = precedence === "fill" ? fill : override
  const hook = FeatureHook.make(name, {
    before: (context) => {
      const found = attributes(context)
      return Effect.isEffect(found)
        ? Effect.map(found, (attributes) => contribute(context, attributes))
        : contribute(context, found)
    }
  })
  // The constructors say in their types whether it fails.
  return onFailure === "reject"
    ? cast<FeatureHook.FeatureHook<E, R>, FeatureHook.FeatureHook<never, R>>(hook)
    : FeatureHook.observe(hook)
}

// The failures and requirements of a result are those that its type says.
const computed = <A>(result: A): Found<FeatureHook.StageError<A>, FeatureHook.StageServices<A>> => {
  const given = Part.resultOf(result, "before")
  if (given === undefined) return EvaluationContext.empty
  if (Exit.isExit(given) && Exit.isSuccess(given)) return attributesOf(given.value)
  return Effect.map(
    cast<Part.Result, Effect.Effect<unknown, FeatureHook.StageError<A>, FeatureHook.StageServices<A>>>(given),
    attributesOf
  )
}

/**
 * Creates a hook that adds attributes to the evaluation context: a fixed record, or
 * those that a function computes in each evaluation.
 *
 * **When to use**
 *
 * Use for attributes that every flag may be targeted by, such as the region of the
 * server or the tenant of the request, so that no caller has to pass them.
 *
 * **Details**
 *
 * The function gets the hook context, with the attributes of earlier hooks. It
 * returns attributes as a plain result, a promise, or an effect, which can use the
 * services of the caller. Plain attributes keep the evaluation synchronous.
 *
 * `targetingKey` is an attribute like the others. By default an attribute that the
 * caller has set stays: see `precedence`.
 *
 * The hook adds whole attributes and never writes into a value. It adds a copy, so
 * no other hook can change the record that it was given. Functions are left out.
 *
 * By default a failure goes to `HookFailures`, and the evaluation goes on without
 * the attributes. Use `onFailure: "reject"` for attributes that keep a flag safe.
 *
 * **Gotchas**
 *
 * The evaluation waits for a promise or an effect. Limit it with
 * `FeatureHook.timeout`, or use `makeCached`.
 *
 * Throws a `RangeError` when the first argument is neither a record nor a function,
 * or when an option is invalid or unknown.
 *
 * **Example** (Adding a fixed attribute, and one of the request)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { EnrichmentHook, OpenFeatureHook } from "effect-openfeature"
 * import { AsyncLocalStorage } from "node:async_hooks"
 *
 * const requests = new AsyncLocalStorage<{ readonly tenant: string }>()
 * const client = OpenFeature.getClient("enriched").addHooks(OpenFeatureHook.make(
 *   EnrichmentHook.make({ region: "eu" }),
 *   EnrichmentHook.make(() => ({ tenant: requests.getStore()?.tenant }))
 * ))
 * await requests.run({ tenant: "acme" }, () => client.getBooleanValue("new-checkout", false)) // => false
 * ```
 *
 * **Example** (Using a service of the caller)
 *
 * ```ts
 * import { Context, Effect } from "effect"
 * import { EnrichmentHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * class Tenant extends Context.Service<Tenant, { readonly id: string }>()("Tenant") {}
 *
 * const hook = EnrichmentHook.make(() => Effect.map(Tenant, ({ id }) => ({ tenant: id })))
 * const program = Fixtures.run(hook).pipe(Effect.provideService(Tenant, { id: "acme" }))
 * const { context } = await Effect.runPromise(program)
 * context // => { tenant: "acme" }
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = <A extends Result = Attributes, const O extends Options = Options>(
  source: Attributes | ((context: HookContext) => A),
  options?: O
): FeatureHook.FeatureHook<Failure<A, O>, FeatureHook.StageServices<A>> => {
  const owner = "EnrichmentHook.make"
  const checked = Check.options<Options>(owner, options === undefined ? {} : options, rules)
  if (isCompute(source)) return hookOf(checked, (context) => computed(source(context)))
  if (!isRecord(source) || Effect.isEffect(source) || typeof source["then"] === "function") {
    return Check.reject(owner, "the first argument", "a record of attributes, or a function that computes them", source)
  }
  const attributes = attributesOf(source)
  return hookOf(checked, () => attributes)
}

type Source<A> = Attributes | ((context: HookContext) => A)

const isCompute = <A>(source: Source<A>): source is (context: HookContext) => A => typeof source === "function"

/**
 * Creates a hook that looks attributes up for a subject, and keeps them for a
 * while.
 *
 * **When to use**
 *
 * Use for attributes of a user or a tenant that are in a database or behind a
 * service.
 *
 * **Details**
 *
 * `lookup` gets the subject and nothing else of the evaluation, so what is kept for
 * one subject can never depend on another one. It runs with the services, the log
 * annotations and the asynchronous context of the program that creates the hook.
 *
 * Evaluations of one subject at the same time share one lookup. It goes on when none
 * of them waits any more, so a lookup that takes longer than `FeatureHook.timeout`
 * serves later evaluations. After 30 seconds, the next evaluation starts another one.
 * A lookup that fails is not kept.
 *
 * A lookup that nobody waits for is interrupted when its subject is forgotten, and
 * when the scope of that program closes, if it has one.
 *
 * Attributes that are in the cache keep the evaluation synchronous. Otherwise the
 * hook is like that of `make`.
 *
 * **Gotchas**
 *
 * The key has to tell all subjects apart: with several tenants, user numbers alone
 * may not.
 *
 * Throws a `RangeError` when `lookup` is not a function, or when an option is
 * invalid or unknown.
 *
 * **Example** (Looking up the plan of a user)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { EnrichmentHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * let queries = 0
 * const findPlan = (userId: string) =>
 *   Effect.sync(() => {
 *     queries++
 *     return userId === "user-1" ? "pro" : "free"
 *   })
 *
 * const program = Effect.gen(function*() {
 *   const hook = yield* EnrichmentHook.makeCached(
 *     (userId) => Effect.map(findPlan(userId), (plan) => ({ plan })),
 *     { capacity: 10_000, timeToLive: "5 minutes" }
 *   )
 *   const context = { context: { targetingKey: "user-1" } }
 *   yield* Fixtures.run(hook, { context })
 *   return (yield* Fixtures.run(hook, { context })).context
 * })
 * await Effect.runPromise(program) // => { targetingKey: "user-1", plan: "pro" }
 * queries // => 1
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeCached = <A extends Result, const O extends CachedOptions = CachedOptions>(
  lookup: (key: string) => A,
  options?: O
): Effect.Effect<FeatureHook.FeatureHook<Failure<A, O>>, never, FeatureHook.StageServices<A>> => {
  const owner = "EnrichmentHook.makeCached"
  Check.aFunction(owner, "lookup", lookup)
  const checked = Check.options<CachedOptions>(owner, options === undefined ? {} : options, {
    ...rules,
    key: Check.aFunction,
    capacity: Check.positiveInteger,
    timeToLive: Check.positiveDuration
  })
  const { capacity = 1000, key = targetingKeyOf, timeToLive = "1 minute" } = checked
  const search = (subject: string) => {
    const found = computed(lookup(subject))
    return Effect.isEffect(found) ? found : Effect.succeed(found)
  }
  return Effect.map(Lookups.make({ search, capacity, timeToLive }), (lookups) =>
    hookOf(checked, (context) => {
      const subject = key(context)
      return typeof subject !== "string" || subject === "" ? EvaluationContext.empty : lookups.get(subject)
    }))
}

/**
 * The same as `makeCached`, for an application without Effect.
 *
 * **Gotchas**
 *
 * Throws like `makeCached`.
 *
 * **Example** (Looking up the plan of a user with a promise)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { EnrichmentHook, FeatureHook, OpenFeatureHook } from "effect-openfeature"
 *
 * const queries: Array<string> = []
 * const plans = EnrichmentHook.makeCachedUnsafe(async (userId) => {
 *   queries.push(userId) // await database.findUser(userId)
 *   return { plan: "pro" }
 * })
 * const client = OpenFeature.getClient("plans")
 * client.addHooks(OpenFeatureHook.make(FeatureHook.observe(FeatureHook.timeout(plans, "50 millis"))))
 *
 * await client.getBooleanValue("new-checkout", false, { targetingKey: "user-1" })
 * await client.getBooleanValue("sale", false, { targetingKey: "user-1" })
 * queries // => ["user-1"]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeCachedUnsafe = <
  A extends Attributes | void | PromiseLike<Attributes | void> | Effect.Effect<Attributes | void, unknown>,
  const O extends CachedOptions = CachedOptions
>(lookup: (key: string) => A, options?: O): FeatureHook.FeatureHook<Failure<A, O>> =>
  Started.runSync(makeCached<void>(lookup, options))
