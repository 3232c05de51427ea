/**
 * Hooks that are told when a subject gets something else for a flag than before.
 *
 * A flag that is switched on, a rollout that reaches a user, a user who changes
 * the plan: what depends on the old value, such as a cached page, is out of date.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as EvaluationContext from "../EvaluationContext.ts"
import type { EvaluationDetails, FlagValue } from "../EvaluationDetails.ts"
import type { ErrorCode } from "../EvaluationError.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as Check from "../internal/check.ts"
import { domainOf, targetingKeyOf } from "../internal/hook/view.ts"
import { Recent } from "../internal/recent.ts"
import * as Started from "../internal/started.ts"
import { tryOr } from "../internal/untrusted.ts"
import * as Privacy from "../Privacy.ts"

/**
 * What a subject gets for a flag.
 *
 * @category models
 * @since 0.2.0
 */
export interface Served {
  /** The value, if the option `values` is set and the value is not too large. */
  readonly value: unknown
  /** The variant, if the provider gave one. */
  readonly variant: string | undefined
  /** The reason, as the provider gave it. */
  readonly reason: string | undefined
  /** The error code after an error, if the option `errors` is set. */
  readonly errorCode: ErrorCode | undefined
}

/**
 * A change of what a subject gets for a flag.
 *
 * @category models
 * @since 0.2.0
 */
export interface Change {
  /** The key of the flag. */
  readonly flagKey: string
  /** The type of the flag. */
  readonly flagValueType: HookContext["flagValueType"]
  /** The domain of the client, if it has one. */
  readonly domain: string | undefined
  /** The targeting key, as the option `targetingKey` formats it. Left out by default. */
  readonly targetingKey: string | undefined
  /** What the subject got before. */
  readonly previous: Served
  /** What the subject gets now. */
  readonly current: Served
}

/**
 * The options of a hook that watches for changes, with those of `Privacy`.
 *
 * **Details**
 *
 * Of the options of `Privacy`, `values` adds the values, `targetingKey` adds the
 * targeting key, and `redact` applies to `value`, `variant` and `targeting_key`. The
 * others have no effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options extends Privacy.Options {
  /**
   * Returns the subject that a value belongs to. By default the targeting key.
   * Nothing is watched for `undefined`. Flags that are the same for everybody have
   * one subject: `() => "everybody"`.
   */
  readonly subject?: ((context: HookContext) => string | undefined) | undefined
  /**
   * The maximum number of flags times subjects that are watched, 10,000 by
   * default. Beyond it, the one that was evaluated the longest ago is forgotten.
   */
  readonly capacity?: number | undefined
  /**
   * Whether the default value after an error counts as what the subject gets;
   * `false` by default, so an outage is no change.
   */
  readonly errors?: boolean | undefined
}

/**
 * The options of `makeStream`.
 *
 * @category models
 * @since 0.2.0
 */
export interface StreamOptions extends Options {
  /** The maximum number of changes that wait for a slow reader, 1,024 by default. Further ones are dropped. */
  readonly bufferSize?: number | undefined
}

/**
 * A hook with a stream of changes.
 *
 * @category models
 * @since 0.2.0
 */
export interface Changes {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook
  /**
   * All changes from the subscription on. A fiber that reads them may subscribe
   * later than it is forked; `make` misses none.
   */
  readonly changes: Stream.Stream<Change>
  /** The number of changes that a slow reader has lost. */
  readonly dropped: Effect.Effect<number>
}

const rules: Check.Rules<Options> = {
  ...Privacy.rules,
  subject: Check.aFunction,
  capacity: Check.positiveInteger,
  errors: Check.aBoolean
}

interface Seen {
  /** `undefined` if it is too large to be kept. */
  readonly value: FlagValue | undefined
  readonly variant: string | undefined
  readonly reason: string | undefined
  readonly errorCode: ErrorCode | undefined
}

const maxKeyLength = 4096
const maxValueSize = 65_536

// About the bytes of a value, up to the maximum. It stops there, so cycles end as well.
const sizeOf = (value: unknown): number => {
  let size = 0
  const open = [value]
  while (open.length > 0 && size <= maxValueSize) {
    const next = open.pop()
    size += 8
    if (typeof next === "string") size += next.length
    if (typeof next !== "object" || next === null) continue
    for (const key in next) {
      if (size > maxValueSize) break
      if (!Object.hasOwn(next, key)) continue
      size += key.length
      open.push(Reflect.get(next, key))
    }
  }
  return size
}

const seenOf = ({ errorCode, reason, value, variant }: EvaluationDetails): Seen => {
  const isKept = typeof value === "boolean" || typeof value === "number" ||
    tryOr(() => sizeOf(value), () => Number.POSITIVE_INFINITY) <= maxValueSize
  return { value: isKept ? EvaluationContext.snapshot(value) : undefined, variant, reason, errorCode }
}

const isSame = (a: Seen, b: Seen): boolean =>
  a.variant === b.variant && a.errorCode === b.errorCode && Equal.equals(a.value, b.value)

// The lengths keep texts apart that contain each other's separators.
const keyOf = (context: HookContext, subject: string): string => {
  const { flagKey, flagValueType } = context
  const domain = domainOf(context)
  return `${flagValueType} ${domain?.length} ${flagKey.length} ${domain}${flagKey}${subject}`
}

const hookOf = <A>(options: Options, onChange: (change: Change) => A) => {
  const { capacity = 10_000, errors = false, subject = targetingKeyOf } = options
  const privacy = Privacy.fromChecked(options)
  const seen = new Recent<Seen>(capacity)

  const served = ({ errorCode, reason, value, variant }: Seen): Served => ({
    value: privacy.values && value !== undefined ? privacy.keep("value", value) : undefined,
    variant: variant === undefined ? undefined : privacy.write("variant", variant),
    reason: reason === undefined ? undefined : privacy.print(reason),
    errorCode
  })
  return FeatureHook.observe(FeatureHook.make("change", {
    finally: (context, details) => {
      if (details.errorCode !== undefined && !errors) return undefined
      const about = subject(context)
      if (typeof about !== "string") return undefined
      const key = keyOf(context, about)
      if (key.length > maxKeyLength) return undefined
      const current = seenOf(details)
      const previous = seen.peek(key)
      seen.set(key, current)
      if (previous === undefined || isSame(previous, current)) return undefined
      const domain = domainOf(context)
      return onChange(Object.freeze({
        flagKey: privacy.print(context.flagKey),
        flagValueType: context.flagValueType,
        domain: domain === undefined ? undefined : privacy.print(domain),
        targetingKey: privacy.targetingKey(context),
        previous: Object.freeze(served(previous)),
        current: Object.freeze(served(current))
      }))
    }
  }))
}

/**
 * Creates a hook that runs a function when what a subject gets for a flag has
 * changed. The function returns an effect, a promise, or nothing.
 *
 * **When to use**
 *
 * Use to invalidate a cache, or to note when a user moves to another variant.
 *
 * **Details**
 *
 * A change is another value or another variant than at the previous evaluation of
 * the same flag and type, with a client of the same domain, for the same subject.
 * The first evaluation is no change, and neither is another reason alone. Objects
 * are compared by their content. A value of more than about 64 kB is compared by its
 * variant alone.
 *
 * With several evaluations of a subject at the same time, the one that ends later is
 * the current one.
 *
 * The hook is an observer: a failure of the function goes to `HookFailures`. It is
 * an effect because each hook remembers what it has seen.
 *
 * **Gotchas**
 *
 * The hook only sees flags that are evaluated. To be told about changes of flags
 * that are not, use the events of the provider.
 *
 * The evaluation waits for an effect or a promise, so what depends on the flag is up
 * to date when the caller goes on. Move the hook to the background with
 * `BackgroundHook` if nobody has to wait.
 *
 * Evaluations without a targeting key are not watched, unless `subject` is set.
 * Neither are those whose flag key, domain and subject have more than 4,096
 * characters together.
 *
 * Throws a `RangeError` when the first argument is not a function, or when an option
 * is invalid or unknown.
 *
 * **Example** (Invalidating a cache)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ChangeHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const pages = new Map([["user-1", "the old checkout"]])
 * const program = Effect.gen(function*() {
 *   const hook = yield* ChangeHook.make(
 *     ({ targetingKey = "" }) => Effect.sync(() => void pages.delete(targetingKey)),
 *     { targetingKey: "raw" }
 *   )
 *   const context = { flagKey: "new-checkout", context: { targetingKey: "user-1" } }
 *   yield* Fixtures.run(hook, { context, details: { value: false } })
 *   yield* Fixtures.run(hook, { context, details: { value: true } })
 * })
 * await Effect.runPromise(program)
 * pages.size // => 0
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = <A>(
  onChange: (change: Change) => A,
  options: Options = {}
): Effect.Effect<FeatureHook.FeatureHook<never, FeatureHook.StageServices<A>>> => {
  Check.aFunction("ChangeHook.make", "onChange", onChange)
  Check.options("ChangeHook.make", options, rules)
  return Effect.sync(() => hookOf(options, onChange))
}

/**
 * The same as `make`, for an application without Effect.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * **Example** (Printing changes)
 *
 * ```ts
 * import { ChangeHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const lines: Array<string> = []
 * const hook = ChangeHook.makeUnsafe(({ flagKey, previous, current }) => {
 *   lines.push(`${flagKey}: ${previous.variant} -> ${current.variant}`)
 * })
 *
 * const context = { flagKey: "banner", context: { targetingKey: "user-1" } }
 * await Fixtures.runPromise(hook, { context, details: { variant: "welcome" } })
 * await Fixtures.runPromise(hook, { context, details: { variant: "sale" } })
 * lines // => ["banner: welcome -> sale"]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeUnsafe = <A>(
  onChange: (change: Change) => A,
  options?: Options | undefined
): FeatureHook.FeatureHook<never, FeatureHook.StageServices<A>> => Started.runSync(make(onChange, options))

/**
 * Creates a hook with a stream of the changes that it sees.
 *
 * **When to use**
 *
 * Use when several programs need the changes, and no evaluation may wait for them.
 *
 * **Details**
 *
 * A change is the same as for `make`. The evaluation never waits for a reader.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when an option is invalid or unknown.
 *
 * **Example** (Reading the first change)
 *
 * ```ts
 * import { Effect, Fiber, Stream } from "effect"
 * import { ChangeHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const program = Effect.gen(function*() {
 *   const { changes, hook } = yield* ChangeHook.makeStream({ values: true })
 *   const reader = yield* Effect.forkChild(Stream.runHead(changes), { startImmediately: true })
 *   for (const value of [1000, 2000]) {
 *     yield* Fixtures.run(hook, { context: { context: { targetingKey: "user-1" } }, details: { value } })
 *   }
 *   const { current, previous } = yield* Effect.fromOption(yield* Fiber.join(reader))
 *   return [previous.value, current.value]
 * })
 * await Effect.runPromise(program) // => [1000, 2000]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeStream = (options: StreamOptions = {}): Effect.Effect<Changes> => {
  const { bufferSize = 1024, ...rest } = Check.options("ChangeHook.makeStream", options, {
    ...rules,
    bufferSize: Check.positiveInteger
  })
  return Effect.map(PubSub.dropping<Change>(bufferSize), (pubsub) => {
    let dropped = 0
    return {
      hook: hookOf(rest, (change) => {
        if (!PubSub.publishUnsafe(pubsub, change)) dropped++
      }),
      changes: Stream.fromPubSub(pubsub),
      dropped: Effect.sync(() => dropped)
    }
  })
}
