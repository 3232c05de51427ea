/**
 * Hooks for the evaluation of feature flags.
 *
 * A hook takes part in an evaluation: `before` a flag is resolved, `after` it
 * was resolved, on an `error`, and `finally` in any case (OpenFeature
 * specification, section 4). A stage gives an effect, a promise, or its result
 * at once. A whole hook can also be one program `around` the evaluation.
 *
 * Hooks are values. `combine` joins them, with `empty` as the identity; `when`,
 * `timeout`, `observe`, `provide` and `transform` make new hooks out of old
 * ones. Each of them works on every hook of a combination by itself, so it does
 * not matter whether hooks are first combined and then changed, or first
 * changed and then combined.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { cast, dual, identity } from "effect/Function"
import type { Pipeable } from "effect/Pipeable"
import { Class as PipeableClass } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import type * as Types from "effect/Types"
import type { EvaluationDetails } from "./EvaluationDetails.ts"
import type { EvaluationError } from "./EvaluationError.ts"
import type { FlagFilter } from "./FlagFilter.ts"
import type { HookContext } from "./HookContext.ts"
import type { Stage } from "./HookFailures.ts"
import * as HookFailures from "./HookFailures.ts"
import type { HookHints } from "./HookHints.ts"
import * as Check from "./internal/check.ts"
import * as Around from "./internal/hook/around.ts"
import * as Part from "./internal/hook/part.ts"
import * as Registration from "./internal/hook/registration.ts"
import { detach, release } from "./internal/hook/view.ts"
import { oneLine } from "./internal/text.ts"
import { awaitWithin } from "./internal/wait.ts"

const TypeId = "~effect-openfeature/FeatureHook"

/**
 * A hook: an effect per stage, with the failures `E` and the requirements `R`
 * of all stages together.
 *
 * **Details**
 *
 * A hook of type `FeatureHook<never, R>` is an observer: no typed failure of it
 * can reject an evaluation.
 *
 * @category models
 * @since 0.1.0
 */
export interface FeatureHook<out E = never, out R = never> extends Pipeable {
  readonly [TypeId]: {
    readonly _E: Types.Covariant<E>
    readonly _R: Types.Covariant<R>
  }
  /** The name, or the names of a combination in the order it was written. */
  readonly name: string
  /** @internal */
  readonly parts: ReadonlyArray<Part.Part>
}

class FeatureHookImpl<out E, out R> extends PipeableClass implements FeatureHook<E, R> {
  readonly [TypeId] = { _E: (_: never): E => _, _R: (_: never): R => _ }
  readonly parts: ReadonlyArray<Part.Part>
  constructor(parts: ReadonlyArray<Part.Part>) {
    super()
    this.parts = parts
  }
  get name(): string {
    return this.parts.map((part) => part.name).join(" + ")
  }
}

/**
 * Any hook, whatever it fails with and requires.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Any = FeatureHook<unknown, unknown>

/**
 * The failures of a hook, or of a union of hooks.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Error<H> = H extends FeatureHook<infer E, infer _R> ? E : never

/**
 * The requirements of a hook, or of a union of hooks.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Services<H> = H extends FeatureHook<infer _E, infer R> ? R : never

/**
 * Tells whether a value is a hook of this library.
 *
 * @category guards
 * @since 0.1.0
 */
export const isFeatureHook = (value: unknown): value is FeatureHook<unknown, unknown> =>
  Predicate.hasProperty(value, TypeId)

/**
 * What a `before` stage may give: attributes to merge into the evaluation
 * context, hints for all hooks that come later, or both.
 *
 * @category models
 * @since 0.1.0
 */
export interface Contribution extends Part.Contribution {}

/**
 * What the function of a `before` stage may give: a contribution or nothing, at
 * once, as a promise, or as an effect.
 *
 * @category models
 * @since 0.2.0
 */
export type BeforeResult =
  | Contribution
  | void
  | PromiseLike<Contribution | void>
  | Effect.Effect<Contribution | void, unknown, unknown>

/**
 * The failures of a stage, from what its function gives: those of an effect, or
 * what the rejection of a promise becomes.
 *
 * @category utility types
 * @since 0.2.0
 */
export type StageError<A> = A extends Effect.Effect<infer _A, infer E, infer _R> ? E
  : A extends PromiseLike<unknown> ? EvaluationError | Cause.UnknownError
  : never

/**
 * The requirements of a stage, from what its function gives.
 *
 * @category utility types
 * @since 0.2.0
 */
export type StageServices<A> = A extends Effect.Effect<infer _A, infer _E, infer R> ? R : never

const stageNames: ReadonlyArray<Stage> = ["before", "after", "error", "finally"]

const checkName = (constructor: string, name: string): void => {
  if (typeof name !== "string" || name === "") {
    throw new RangeError(`FeatureHook.${constructor}: name must be a text that is not empty`)
  }
}

/**
 * Creates a hook from one part.
 *
 * @internal
 */
export const fromPart = <E, R>(constructor: string, part: Part.Part): FeatureHook<E, R> => {
  checkName(constructor, part.name)
  const name = oneLine(part.name, 128)
  const given = stageNames.filter((key) => part[key] !== undefined)
  if (given.length === 0) {
    throw new RangeError(
      `FeatureHook.${constructor}: hook "${name}" needs at least one stage: ${stageNames.join(", ")}`
    )
  }
  return new FeatureHookImpl([part])
}

/**
 * Creates a hook from its stages.
 *
 * **When to use**
 *
 * Use when the stages have little to do with each other. Where one needs the
 * locals of another, `around` reads better.
 *
 * **Details**
 *
 * Every stage is optional, one must be there (specification 4.3.1). Its function
 * gives an effect, a promise, or its result at once. A stage that gives its
 * result at once costs no fiber; neither does an effect that is an `Exit`, such
 * as `Effect.void` or `Effect.succeed`.
 *
 * `before` may give a `Contribution`. What the other stages give is ignored. A
 * failure of `before` or `after` rejects the evaluation: the caller gets the
 * default value, with the code of an `EvaluationError`, otherwise with
 * `GENERAL`. Failures of `error` and `finally` never change a result. They go to
 * `HookFailures`.
 *
 * A rejected promise is a failure: a `Cause.UnknownError`, or an
 * `EvaluationError` if the promise was rejected with that or with an error of
 * the SDK. What a function throws is a defect.
 *
 * `hookData` makes the hook's own data (specification 4.3.2): a fresh value for
 * each evaluation, given to each stage as the last argument, seen by no other
 * hook.
 *
 * **Gotchas**
 *
 * `error` and `finally` run for an evaluation even if an earlier hook failed and
 * the `before` of this hook never ran (specification 4.3.7, 4.3.8).
 *
 * Throws a `RangeError` when the name is empty or no stage is given.
 *
 * **Example** (Counting what is being evaluated)
 *
 * ```ts
 * import { FeatureHook } from "effect-openfeature"
 *
 * let active = 0
 * const gauge = FeatureHook.make("gauge", {
 *   hookData: () => ({ isCounted: false }),
 *   before: (_context, _hints, data) => {
 *     active++
 *     data.isCounted = true
 *   },
 *   finally: (_context, _details, _hints, data) => {
 *     if (data.isCounted) active--
 *   }
 * })
 * gauge.name // => "gauge"
 * ```
 *
 * **Example** (The three ways to give a result)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureHook } from "effect-openfeature"
 *
 * const region = { context: { region: "eu" } }
 * const atOnce = FeatureHook.make("at-once", { before: () => region })
 * const promised = FeatureHook.make("promised", { before: async () => region })
 * const effectful = FeatureHook.make("effectful", { before: () => Effect.succeed(region) })
 * FeatureHook.combineAll([atOnce, promised, effectful]).name // => "at-once + promised + effectful"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  S = undefined,
  B extends BeforeResult = void,
  A = void,
  F = void,
  L = void
>(name: string, stages: {
  readonly hookData?: (() => S) | undefined
  readonly before?: ((context: HookContext, hints: HookHints, data: S) => B) | undefined
  readonly after?: ((context: HookContext, details: EvaluationDetails, hints: HookHints, data: S) => A) | undefined
  readonly error?: ((context: HookContext, error: EvaluationError, hints: HookHints, data: S) => F) | undefined
  readonly finally?: ((context: HookContext, details: EvaluationDetails, hints: HookHints, data: S) => L) | undefined
}): FeatureHook<StageError<B | A | F | L>, StageServices<B | A | F | L>> => {
  checkName("make", name)
  const { hookData } = stages
  const wrong = stageNames.find((key) => stages[key] !== undefined && typeof stages[key] !== "function")
  if (wrong !== undefined) {
    throw new RangeError(`FeatureHook.make: stage "${wrong}" of hook "${oneLine(name, 128)}" must be a function`)
  }
  // A polluted Object.prototype is nobody's stage.
  const own = <F>(stage: F | undefined, key: Stage): F | undefined =>
    stage === Reflect.get(Object.prototype, key) ? undefined : stage
  const before = own(stages.before, "before")
  const after = own(stages.after, "after")
  const error = own(stages.error, "error")
  const last = own(stages.finally, "finally")
  const part: Part.Part<S> = { name, hookData, isObserved: false, before, after, error, finally: last }
  return fromPart("make", part)
}

/**
 * Creates a hook from one program around the evaluation.
 *
 * **When to use**
 *
 * Use when a hook opens something before the evaluation and closes it
 * afterwards: a span, a timer, a lease. Locals, spans, timing and finalizers
 * work as in any program.
 *
 * **Details**
 *
 * `evaluate` succeeds with the details, or fails with the error of the
 * evaluation. What the program does before it is the `before` stage, what it
 * does afterwards the `after` or the `error` stage. A failure before the flag
 * was resolved, or after a success, rejects the evaluation. The failure that
 * `evaluate` itself gave is passed on without harm, and a program that ends
 * without `evaluate` leaves the evaluation as it is.
 *
 * **Gotchas**
 *
 * The program is one fiber that waits between the stages; if the caller is
 * interrupted, so is the wait, and its finalizers run once. An inner hook can
 * still fail after this program has seen a success. A span opened here is not
 * the parent of what the provider does.
 *
 * Throws a `RangeError` when the name is empty.
 *
 * **Example** (A span around the evaluation)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureHook } from "effect-openfeature"
 *
 * const traced = FeatureHook.around("traced", (context, evaluate) =>
 *   evaluate.pipe(
 *     Effect.withSpan("feature_flag.evaluation", { attributes: { "feature_flag.key": context.flagKey } })
 *   ))
 * traced.name // => "traced"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const around = <E, R>(
  name: string,
  program: (
    context: HookContext,
    evaluate: Effect.Effect<EvaluationDetails, EvaluationError>,
    hints: HookHints
  ) => Effect.Effect<unknown, E, R>
): FeatureHook<E, R> => {
  Check.aFunction("FeatureHook.around", "program", program)
  return fromPart("around", Around.make(name, program))
}

/**
 * The hook that takes part in nothing: the identity of `combine`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const empty: FeatureHook = new FeatureHookImpl([])

/**
 * Joins two hooks: the first one's `before` runs first, its later stages last.
 *
 * **Details**
 *
 * `combine` is associative and `empty` is its identity. A combination behaves
 * as its hooks do when they are registered one after the other.
 *
 * **Example** (The order inside a combination)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const order: Array<string> = []
 * const hook = (name: string) =>
 *   FeatureHook.make(name, {
 *     before: () => Effect.sync(() => void order.push(`${name}.before`)),
 *     finally: () => Effect.sync(() => void order.push(`${name}.finally`))
 *   })
 *
 * const both = FeatureHook.combine(hook("a"), hook("b"))
 * both.name // => "a + b"
 * await Effect.runPromise(Fixtures.run(both))
 * order // => ["a.before", "b.before", "b.finally", "a.finally"]
 * ```
 *
 * @category combining
 * @since 0.1.0
 */
export const combine: {
  <E2, R2>(that: FeatureHook<E2, R2>): <E, R>(self: FeatureHook<E, R>) => FeatureHook<E | E2, R | R2>
  <E, R, E2, R2>(self: FeatureHook<E, R>, that: FeatureHook<E2, R2>): FeatureHook<E | E2, R | R2>
} = dual(
  2,
  <E, R, E2, R2>(self: FeatureHook<E, R>, that: FeatureHook<E2, R2>): FeatureHook<E | E2, R | R2> =>
    new FeatureHookImpl<E | E2, R | R2>([...self.parts, ...that.parts])
)

/**
 * Joins any number of hooks, in order.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when one of them is not a hook of this library.
 *
 * **Example** (A list of hooks as one)
 *
 * ```ts
 * import { FeatureHook, LoggingHook, TimingHook } from "effect-openfeature"
 *
 * FeatureHook.combineAll([TimingHook.make(), LoggingHook.make()]).name // => "timing + logging"
 * ```
 *
 * @category combining
 * @since 0.1.0
 */
export const combineAll = <H extends Any = never>(hooks: Iterable<H>): FeatureHook<Error<H>, Services<H>> =>
  new FeatureHookImpl(Array.from(hooks, partsOf).flat())

// From JavaScript, anything may come in place of a hook.
const partsOf = (hook: unknown, index: number): ReadonlyArray<Part.Part> => {
  if (isFeatureHook(hook)) return hook.parts
  throw new RangeError(
    `hook ${index + 1} is not a FeatureHook; OpenFeatureHook.toFeatureHook makes one from a hook of the SDK`
  )
}

/**
 * What `transform` tells about the stage it changes.
 *
 * @category models
 * @since 0.1.0
 */
export interface StageInfo {
  readonly hook: string
  readonly stage: Stage
  readonly context: HookContext
}

/**
 * Changes the effect of every stage.
 *
 * **When to use**
 *
 * Use to put something around each stage that no other combinator here does: a
 * retry, a span, a lock.
 *
 * **Details**
 *
 * The function may drop the result, which for a `before` means that it
 * contributes nothing. It is not called for a stage that the hook does not
 * have. A program made with `around` is changed stage by stage too.
 *
 * **Example** (Retrying each stage once)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureHook } from "effect-openfeature"
 *
 * let attempts = 0
 * const flaky = FeatureHook.make("flaky", {
 *   after: () => Effect.suspend(() => ++attempts === 1 ? Effect.fail("try again") : Effect.void)
 * })
 * const retried = FeatureHook.transform(flaky, (stage) => Effect.retry(stage, { times: 1 }))
 * retried.name // => "flaky"
 * ```
 *
 * @category mapping
 * @since 0.1.0
 */
export const transform: {
  <E, R, E2, R2>(
    f: <A>(stage: Effect.Effect<A, E, R>, info: StageInfo) => Effect.Effect<A | void, E2, R2>
  ): (self: FeatureHook<E, R>) => FeatureHook<E2, R2>
  <E, R, E2, R2>(
    self: FeatureHook<E, R>,
    f: <A>(stage: Effect.Effect<A, E, R>, info: StageInfo) => Effect.Effect<A | void, E2, R2>
  ): FeatureHook<E2, R2>
} = dual(2, <E, R, E2, R2>(
  self: FeatureHook<E, R>,
  f: <A>(stage: Effect.Effect<A, E, R>, info: StageInfo) => Effect.Effect<A | void, E2, R2>
): FeatureHook<E2, R2> => new FeatureHookImpl(self.parts.map((part) => transformPart(part, f))))

// Data that is made when a stage first asks for it, inside that stage.
class Lazy {
  readonly #make: () => unknown
  #made = false
  #value: unknown = undefined

  constructor(make: () => unknown) {
    this.#make = make
  }
  get value(): unknown {
    if (!this.#made) {
      this.#value = this.#make()
      this.#made = true
    }
    return this.#value
  }
}

// The stage's function runs inside the effect that `f` gets, so `f` also sees
// what it throws. The parts of a hook have its failures and requirements.
const transformPart = <E, R, E2, R2>(
  part: Part.Part,
  f: <A>(stage: Effect.Effect<A, E, R>, info: StageInfo) => Effect.Effect<A | void, E2, R2>,
  viewOf: (context: HookContext) => HookContext = identity
): Part.Part<Lazy | undefined> => {
  const { hookData, isObserved, name: hook } = part
  return Part.mapStages(part, hookData && (() => new Lazy(hookData)), (stage, given, data, run) => {
    const context = viewOf(given)
    const info = { hook, stage, context }
    const effect = Effect.suspend(() => Part.resultOf(run(context, data?.value), stage) ?? Effect.void)
    return f(
      cast<Effect.Effect<unknown, unknown, unknown>, Effect.Effect<unknown, E, R>>(
        isObserved ? caught(effect, info) : effect
      ),
      info
    )
  })
}

/**
 * Makes a hook unable to affect an evaluation. What goes wrong in it is reported
 * to `HookFailures`.
 *
 * **When to use**
 *
 * Use for hooks that only watch: logs, metrics, audits.
 *
 * **Details**
 *
 * Covers failures, defects, and timeouts. It is final: combinators around an
 * observed hook cannot make it affect an evaluation again, so
 * `pipe(observe, timeout("20 millis"))` is as safe as the other order. The hook
 * may still contribute to the context.
 *
 * **Gotchas**
 *
 * A hook that never ends still holds the evaluation, unless it has a `timeout`.
 *
 * **Example** (An audit that must not break the checkout)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureHook } from "effect-openfeature"
 *
 * const audit = FeatureHook.make("audit", { after: () => Effect.fail("the disk is full") }).pipe(
 *   FeatureHook.timeout("20 millis"),
 *   FeatureHook.observe
 * )
 * audit.name // => "audit"
 * ```
 *
 * @category error handling
 * @since 0.1.0
 */
export const observe = <E, R>(self: FeatureHook<E, R>): FeatureHook<never, R> =>
  // The runner handles the failures of an observed part, which costs nothing
  // while nothing fails.
  new FeatureHookImpl(self.parts.map((part) => ({ ...part, isObserved: true })))

// What is put around an observed part must not see its failures.
const caught = <A, E, R>(stage: Effect.Effect<A, E, R>, info: StageInfo): Effect.Effect<A | void, never, R> =>
  Effect.catchCause(
    stage,
    (cause) => HookFailures.report({ hook: info.hook, stage: info.stage, flagKey: info.context.flagKey, cause })
  )

/**
 * Sets a hard deadline for each stage of a hook.
 *
 * **Details**
 *
 * A stage that is not done by then fails with a `Cause.TimeoutError`: a
 * `before` or `after` rejects the evaluation with `GENERAL`, an `error` or
 * `finally` is given up. The stage is interrupted but not waited for, so the
 * deadline also holds for work that is uninterruptible or never ends. A stage
 * that stays synchronous arms no timer. Each hook of a combination has the
 * deadline for itself.
 *
 * **Gotchas**
 *
 * Work that blocks the thread cannot be interrupted by anything.
 *
 * Throws a `RangeError` when the duration is not finite and positive.
 *
 * **Example** (No more than 20 milliseconds per stage)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureHook } from "effect-openfeature"
 *
 * const enrich = FeatureHook.make("enrich", { before: () => Effect.never }).pipe(
 *   FeatureHook.timeout("20 millis"),
 *   FeatureHook.observe
 * )
 * enrich.name // => "enrich"
 * ```
 *
 * @category timeouts
 * @since 0.1.0
 */
export const timeout: {
  (duration: Duration.Input): <E, R>(self: FeatureHook<E, R>) => FeatureHook<E | Cause.TimeoutError, R>
  <E, R>(self: FeatureHook<E, R>, duration: Duration.Input): FeatureHook<E | Cause.TimeoutError, R>
} = dual(2, <E, R>(self: FeatureHook<E, R>, duration: Duration.Input): FeatureHook<E | Cause.TimeoutError, R> => {
  const limit = Check.positiveDuration("FeatureHook.timeout", "duration", duration)
  // A view of its own, since it is taken away from a stage that is given up on.
  return new FeatureHookImpl(
    self.parts.map((part) => transformPart(part, (stage, info) => within(stage, limit, info), detach))
  )
})

// The stage runs in a fiber of its own, so that giving up on it does not mean
// to wait for it. No interruption may come between the fork and the deadline.
const within = <A, E, R>(
  stage: Effect.Effect<A, E, R>,
  limit: Duration.Duration,
  info: StageInfo
): Effect.Effect<A, E | Cause.TimeoutError, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(restore(stage), { startImmediately: true }), (fiber) => {
      const exit = fiber.pollUnsafe()
      if (exit !== undefined) return exit
      const deadline = Effect.timeoutOrElse(restore(Fiber.join(fiber)), {
        duration: limit,
        orElse: () => {
          fiber.interruptUnsafe()
          release(info.context)
          return Effect.fail(new Cause.TimeoutError(`not done within ${Duration.format(limit)}`))
        }
      })
      // An interruption waits for the finalizers of the stage, up to the same limit.
      const interrupt = Effect.suspend(() => {
        fiber.interruptUnsafe()
        return awaitWithin(fiber, limit)
      })
      return Effect.andThen(Registration.track(fiber), Effect.onInterrupt(restore(deadline), () => interrupt))
    })
  )

/**
 * Lets a hook take part only in the evaluations that a filter takes.
 *
 * **Details**
 *
 * The filter is asked once per evaluation and hook, in the first stage that the
 * hook has. A filter that throws counts as a failure of that stage, and the
 * hook takes no part in the later ones.
 *
 * **Example** (Only flags of the checkout)
 *
 * ```ts
 * import { FeatureHook, FlagFilter, LoggingHook } from "effect-openfeature"
 *
 * const hook = LoggingHook.make().pipe(FeatureHook.when(FlagFilter.prefix("checkout-")))
 * hook.name // => "logging"
 * ```
 *
 * @category filtering
 * @since 0.1.0
 */
export const when: {
  (filter: FlagFilter): <E, R>(self: FeatureHook<E, R>) => FeatureHook<E, R>
  <E, R>(self: FeatureHook<E, R>, filter: FlagFilter): FeatureHook<E, R>
} = dual(
  2,
  <E, R>(self: FeatureHook<E, R>, filter: FlagFilter): FeatureHook<E, R> => {
    Check.aFunction("FeatureHook.when", "filter", filter)
    return new FeatureHookImpl(self.parts.map((part) => whenPart(part, filter)))
  }
)

class Gate {
  taken: boolean | undefined = undefined
  data: unknown = undefined
}

const whenPart = (part: Part.Part, filter: FlagFilter): Part.Part<Gate> => {
  const { hookData } = part
  const isOpen = (gate: Gate, context: HookContext): boolean => {
    if (gate.taken === undefined) {
      gate.taken = false
      const taken = filter(context)
      if (taken) gate.data = hookData?.()
      gate.taken = taken
    }
    return gate.taken
  }
  return Part.mapStages(
    part,
    () => new Gate(),
    (_stage, context, gate, run) => isOpen(gate, context) ? run(context, gate.data) : undefined
  )
}

/**
 * Provides services to every stage of a hook.
 *
 * **Gotchas**
 *
 * What is provided here wins over what the caller of the evaluation has. Give
 * only what the hook requires, not the whole context of some fiber, or the hook
 * is cut off from the log annotations and the span of the request.
 *
 * **Example** (A hook that needs a service)
 *
 * ```ts
 * import { Context, Effect } from "effect"
 * import { FeatureHook } from "effect-openfeature"
 *
 * class Region extends Context.Service<Region, { readonly name: string }>()("Region") {}
 *
 * const enrich = FeatureHook.make("enrich", {
 *   before: () => Effect.map(Region, (region) => ({ context: { region: region.name } }))
 * })
 * const inEurope = FeatureHook.provide(enrich, Context.make(Region, { name: "eu" }))
 * inEurope.name // => "enrich"
 * ```
 *
 * @category providing
 * @since 0.1.0
 */
export const provide: {
  <R2>(services: Context.Context<R2>): <E, R>(self: FeatureHook<E, R>) => FeatureHook<E, Exclude<R, R2>>
  <E, R, R2>(self: FeatureHook<E, R>, services: Context.Context<R2>): FeatureHook<E, Exclude<R, R2>>
} = dual(
  2,
  <E, R, R2>(self: FeatureHook<E, R>, services: Context.Context<R2>): FeatureHook<E, Exclude<R, R2>> =>
    transform(self, (stage) => Effect.provideContext(stage, services))
)
