/**
 * Hooks for the evaluation of feature flags.
 *
 * A hook has up to four stages: `before` the flag is resolved, `after` a
 * success, on an `error`, and `finally` (OpenFeature specification, section 4).
 * A stage returns an effect, a promise, or a plain result. A hook can also be a
 * single program `around` the evaluation.
 *
 * Hooks are values. `combine` joins them, with `empty` as its identity. `when`,
 * `timeout`, `observe`, `provide` and `transform` derive new hooks. They apply
 * to each hook of a combination separately, so it makes no difference whether
 * you combine before or after.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { cast, constVoid, dual, identity } from "effect/Function"
import type { Pipeable } from "effect/Pipeable"
import { Class as PipeableClass } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import type * as Types from "effect/Types"
import type { EvaluationDetails } from "./EvaluationDetails.ts"
import type { EvaluationError } from "./EvaluationError.ts"
import * as FlagFilter from "./FlagFilter.ts"
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
import { isRecord, read, tryOr } from "./internal/untrusted.ts"
import { awaitWithin } from "./internal/wait.ts"

const TypeId = "~effect-openfeature/FeatureHook"

/**
 * A hook with failures `E` and requirements `R`, each the union over its stages.
 *
 * **Details**
 *
 * A `FeatureHook<never, R>` has no typed failure that can reject an evaluation.
 *
 * @category models
 * @since 0.1.0
 */
export interface FeatureHook<out E = never, out R = never> extends Pipeable {
  readonly [TypeId]: {
    readonly _E: Types.Covariant<E>
    readonly _R: Types.Covariant<R>
  }
  /** The name of the hook. A combination joins the names of its hooks with ` + `. */
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
  // The SDK runs this if JavaScript code adds the hook without a conversion. Otherwise it would ignore the hook
  // without a word.
  before(sdk: unknown): void {
    if (misplaced.has(this)) return
    misplaced.add(this)
    const error = read(read(sdk, "logger"), "error")
    const text = `hook "${oneLine(this.name, 128)}" does not run: add OpenFeatureHook.make(hook) to the SDK instead`
    if (typeof error === "function") tryOr(() => Reflect.apply(error, read(sdk, "logger"), [text]), constVoid)
  }
}

const misplaced = new WeakSet()

/**
 * Any hook, with any failures and requirements.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Any = FeatureHook<unknown, unknown>

/**
 * Extracts the failures of a hook, or of a union of hooks.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Error<H> = H extends FeatureHook<infer E, infer _R> ? E : never

/**
 * Extracts the requirements of a hook, or of a union of hooks.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Services<H> = H extends FeatureHook<infer _E, infer R> ? R : never

/**
 * Checks whether a value is a `FeatureHook`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isFeatureHook = (value: unknown): value is FeatureHook<unknown, unknown> =>
  Predicate.hasProperty(value, TypeId)

/**
 * The result of a `before` stage: attributes for the evaluation context, hints,
 * or both.
 *
 * @category models
 * @since 0.1.0
 */
export interface Contribution extends Part.Contribution {}

/**
 * The allowed return types of a `before` stage: a `Contribution` or nothing, as
 * a plain result, a promise, or an effect.
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
 * Extracts the failures of a stage from its return type.
 *
 * **Details**
 *
 * An effect has its own failures. A rejected promise becomes an
 * `EvaluationError` or a `Cause.UnknownError`. A plain result cannot fail.
 *
 * @category utility types
 * @since 0.2.0
 */
export type StageError<A> = A extends Effect.Effect<infer _A, infer E, infer _R> ? E
  : A extends PromiseLike<unknown> ? EvaluationError | Cause.UnknownError
  : never

/**
 * Extracts the requirements of a stage from its return type.
 *
 * @category utility types
 * @since 0.2.0
 */
export type StageServices<A> = A extends Effect.Effect<infer _A, infer _E, infer R> ? R : never

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
  const given = Part.stages.filter((key) => part[key] !== undefined)
  if (given.length === 0) {
    throw new RangeError(
      `FeatureHook.${constructor}: hook "${name}" needs at least one stage: ${Part.stages.join(", ")}`
    )
  }
  return new FeatureHookImpl([part])
}

/**
 * Creates a hook from its stages.
 *
 * **When to use**
 *
 * Use when the stages share little state. Use `around` when a later stage needs
 * local variables of an earlier one.
 *
 * **Details**
 *
 * Every stage is optional, but at least one is required (specification 4.3.1).
 * Each returns an effect, a promise, or a plain result. A plain result needs no
 * fiber, and neither does an effect that is already an `Exit`, such as
 * `Effect.void` or `Effect.succeed(value)`.
 *
 * A failure that rejects the evaluation gives the caller the default value. The
 * error code is that of an `EvaluationError`, and otherwise `GENERAL`. A rejected
 * promise is a failure: an `EvaluationError` if it was rejected with one or with
 * an error of the SDK, otherwise a `Cause.UnknownError`. A stage that throws is a
 * defect.
 *
 * **Gotchas**
 *
 * `error` and `finally` also run when an earlier hook failed and the `before` of
 * this hook never ran (specification 4.3.7, 4.3.8).
 *
 * Throws a `RangeError` when the name is empty, no stage is given, a stage is
 * unknown, or a stage is not a function.
 *
 * **Example** (Counting active evaluations)
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
 * **Example** (Returning a contribution in three ways)
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
  /**
   * Creates the hook data (specification 4.3.2): a new value for each evaluation,
   * passed to each stage as the last argument. No other hook sees it. None by
   * default.
   */
  readonly hookData?: (() => S) | undefined
  /**
   * Runs before the flag is resolved, and can return a `Contribution`. A failure
   * rejects the evaluation.
   */
  readonly before?: ((context: HookContext, hints: HookHints, data: S) => B) | undefined
  /**
   * Runs after the flag was resolved without an error. The result is ignored. A
   * failure rejects the evaluation.
   */
  readonly after?: ((context: HookContext, details: EvaluationDetails, hints: HookHints, data: S) => A) | undefined
  /**
   * Runs when the evaluation fails, also because of another hook. A failure of
   * this stage goes to `HookFailures` and never changes the result.
   */
  readonly error?: ((context: HookContext, error: EvaluationError, hints: HookHints, data: S) => F) | undefined
  /**
   * Runs at the end of every evaluation, with the details that the caller gets.
   * A failure of this stage goes to `HookFailures` and never changes the result.
   */
  readonly finally?: ((context: HookContext, details: EvaluationDetails, hints: HookHints, data: S) => L) | undefined
}): FeatureHook<StageError<B | A | F | L>, StageServices<B | A | F | L>> => {
  checkName("make", name)
  const { hookData } = Check.options(`FeatureHook.make("${oneLine(name, 128)}")`, stages, {
    hookData: Check.aFunction,
    before: Check.aFunction,
    after: Check.aFunction,
    error: Check.aFunction,
    finally: Check.aFunction
  })
  // A polluted Object.prototype must not add a stage.
  const own = <F>(stage: F | undefined, key: Stage): F | undefined =>
    stage === Reflect.get(Object.prototype, key) ? undefined : stage
  const before = own(stages.before, "before")
  const after = own(stages.after, "after")
  const error = own(stages.error, "error")
  const last = own(stages.finally, "finally")
  const part: Part.Part<S> = {
    name,
    hookData,
    isObserved: false,
    filter: undefined,
    before,
    after,
    error,
    finally: last
  }
  return fromPart("make", part)
}

/**
 * Creates a hook from a single program around the evaluation.
 *
 * **When to use**
 *
 * Use when a hook acquires something before the evaluation and releases it
 * afterwards, such as a span, a timer or a lease. Local variables, spans and
 * finalizers work as in any program.
 *
 * **Details**
 *
 * `evaluate` succeeds with the evaluation details, or fails with the error of
 * the evaluation. The code before it is the `before` stage. The code after it is
 * the `after` stage, or the `error` stage.
 *
 * - A failure before `evaluate`, or after it succeeded, rejects the evaluation.
 * - A program may fail with the error of `evaluate`. It does not count as a
 *   failure of the hook.
 * - A program that ends without `evaluate` does not affect the evaluation.
 *
 * **Gotchas**
 *
 * The program is a fiber that is suspended between the stages. When the caller
 * is interrupted in code of the program, the program is interrupted too. While it
 * waits for `evaluate`, `evaluate` fails with `GENERAL` instead, so
 * `Effect.onInterrupt` does not run. Its finalizers run once in both cases.
 *
 * An inner hook can still fail after this program saw a success. A span of this
 * program is not the parent of spans of the provider.
 *
 * Throws a `RangeError` when the name is empty or the program is not a function.
 *
 * **Example** (Adding a span)
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
 * The hook without stages: the identity of `combine`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const empty: FeatureHook = new FeatureHookImpl([])

/**
 * Joins two hooks. The `before` stage of the first hook runs first, its later
 * stages run last.
 *
 * **Details**
 *
 * `combine` is associative, and `empty` is its identity. A combination behaves
 * like its hooks registered one after the other.
 *
 * **Example** (Observing the order of stages)
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
 * Throws a `RangeError` when a value is not a `FeatureHook`.
 *
 * **Example** (Joining a list of hooks)
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

// JavaScript callers can pass any value.
const partsOf = (hook: unknown, index: number): ReadonlyArray<Part.Part> => {
  if (isFeatureHook(hook)) return hook.parts
  const isSdkHook = isRecord(hook) && Part.stages.some((stage) => typeof read(hook, stage) === "function")
  const advice = Array.isArray(hook)
    ? "is a list; pass its hooks one by one, as in (...hooks)"
    : isSdkHook
    ? "is a hook of the SDK; convert it with OpenFeatureHook.toFeatureHook(name, hook)"
    : "is not a FeatureHook; create one with FeatureHook.make"
  throw new RangeError(`hook ${index + 1} ${advice}`)
}

/**
 * Describes the stage that `transform` changes.
 *
 * @category models
 * @since 0.1.0
 */
export interface StageInfo {
  /** The name of the hook. */
  readonly hook: string
  /** The stage: `"before"`, `"after"`, `"error"` or `"finally"`. */
  readonly stage: Stage
  /** The hook context of the evaluation. */
  readonly context: HookContext
}

/**
 * Transforms the effect of every stage.
 *
 * **When to use**
 *
 * Use to wrap each stage in something that has no combinator here, such as a
 * retry, a span or a lock.
 *
 * **Details**
 *
 * The function runs only for the stages that the hook has. It may drop the
 * result, and then a `before` contributes nothing. It also applies to the stages
 * of a hook made with `around`.
 *
 * The stages of an observed hook never fail here: their failures are reported
 * before the function sees them.
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

// Hook data that is created on first use, inside the stage, where its failure is one of the stage.
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

// The stage runs inside the effect passed to `f`, so `f` also sees its defects. All parts of a hook
// share its type of failures and requirements.
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
 * Prevents a hook from affecting an evaluation. Its failures go to
 * `HookFailures` instead.
 *
 * **When to use**
 *
 * Use for hooks that only watch, such as logs, metrics and audits.
 *
 * **Details**
 *
 * Covers failures, defects and timeouts. It is final: no combinator around an
 * observed hook can make it affect an evaluation again. So
 * `hook.pipe(FeatureHook.observe, FeatureHook.timeout("20 millis"))` is as safe
 * as the opposite order. An observed hook can still contribute to the evaluation
 * context and the hints.
 *
 * **Gotchas**
 *
 * An observed hook that never ends still blocks the evaluation. Add a `timeout`.
 *
 * **Example** (Guarding a failing audit)
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
  // The runner handles the failures of observed parts, which costs nothing until one fails.
  new FeatureHookImpl(self.parts.map((part) => ({ ...part, isObserved: true })))

// Combinators around an observed part must not see its failures. An interruption
// is for the runner, which knows whether it is a failure.
const caught = <A, E, R>(stage: Effect.Effect<A, E, R>, info: StageInfo): Effect.Effect<A | void, never, R> =>
  Effect.catchCause(
    stage,
    (cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.failCause(cast<Cause.Cause<E>, Cause.Cause<never>>(cause))
        : HookFailures.report({ hook: info.hook, stage: info.stage, flagKey: info.context.flagKey, cause })
  )

/**
 * Limits the duration of each stage of a hook.
 *
 * **Details**
 *
 * A stage that exceeds the limit fails with a `Cause.TimeoutError`. A `before`
 * or `after` then rejects the evaluation with `GENERAL`; an `error` or `finally`
 * is abandoned. The stage is interrupted, but the evaluation does not wait for
 * it, so the limit also holds for work that is uninterruptible or never ends.
 *
 * When the evaluation is interrupted, the interruption waits for the stage and
 * its finalizers, up to the same limit and at most
 * `OpenFeatureHook.CloseTimeout`.
 *
 * A stage without asynchronous work starts no timer. Each hook of a combination
 * has its own limit.
 *
 * **Gotchas**
 *
 * Nothing can interrupt work that blocks the thread.
 *
 * A hook from `OpenFeatureHook.toFeatureHook` receives a copy of the evaluation
 * context instead of the live one, since an abandoned stage must not write to
 * it. Attributes that its `before` sets on the copy are contributed. Deletions
 * are not.
 *
 * Throws a `RangeError` when the duration is not finite and positive.
 *
 * **Example** (Limiting each stage to 20 milliseconds)
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
  // The stage needs a view of its own, which can be emptied when the stage is abandoned.
  return new FeatureHookImpl(
    self.parts.map((part) => transformPart(part, (stage, info) => within(stage, limit, info), detach))
  )
})

// The stage runs in its own fiber, so abandoning it does not wait for it. No interruption may come
// between the fork and the deadline.
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
      // An interruption waits for the finalizers of the stage, but no longer than a closing scope does.
      const interrupt = Effect.withFiber((current) => {
        fiber.interruptUnsafe()
        const close = Duration.fromInputUnsafe(current.getRef(Registration.CloseTimeout))
        return awaitWithin(fiber, Duration.min(limit, close))
      })
      return Effect.andThen(Registration.track(fiber), Effect.onInterrupt(restore(deadline), () => interrupt))
    })
  )

/**
 * Restricts a hook to the evaluations that match a filter.
 *
 * **Details**
 *
 * The filter runs once per hook and evaluation, in the first stage of the hook.
 * The result holds for the later stages. A filter that throws is a defect of
 * that stage, and the later stages of the hook do not run.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the filter is not a function.
 *
 * **Example** (Filtering by prefix)
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
  (filter: FlagFilter.FlagFilter): <E, R>(self: FeatureHook<E, R>) => FeatureHook<E, R>
  <E, R>(self: FeatureHook<E, R>, filter: FlagFilter.FlagFilter): FeatureHook<E, R>
} = dual(
  2,
  <E, R>(self: FeatureHook<E, R>, filter: FlagFilter.FlagFilter): FeatureHook<E, R> => {
    Check.aFunction("FeatureHook.when", "filter", filter)
    // The runner asks the filter, so that evaluations that do not match cost nearly nothing.
    return new FeatureHookImpl(self.parts.map((part) => ({
      ...part,
      filter: part.filter === undefined ? filter : FlagFilter.and(filter, part.filter)
    })))
  }
)

/**
 * Provides services to every stage of a hook.
 *
 * **Gotchas**
 *
 * These services take precedence over those of the caller. Provide only what the
 * hook requires. With the whole context of a fiber, the hook would lose the log
 * annotations and the span of the request.
 *
 * **Example** (Providing a service)
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
