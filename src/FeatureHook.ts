/**
 * Hooks as Effect programs.
 *
 * A hook takes part in the evaluation of feature flags: `before` a flag is
 * resolved, `after` it was, on an `error`, and `finally` in any case
 * (OpenFeature specification, section 4). Here each stage is an effect, or the
 * whole hook is one program `around` the evaluation.
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
import { dual, identity } from "effect/Function"
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
import * as Around from "./internal/around.ts"
import { checkedEffect } from "./internal/foreign.ts"
import * as Owner from "./internal/owner.ts"
import type * as Part from "./internal/part.ts"
import { copyOf, release } from "./internal/view.ts"

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
  readonly parts: ReadonlyArray<Part.Part<E, R>>
}

class FeatureHookImpl<out E, out R> extends PipeableClass implements FeatureHook<E, R> {
  readonly [TypeId] = { _E: (_: never): E => _, _R: (_: never): R => _ }
  readonly parts: ReadonlyArray<Part.Part<E, R>>
  constructor(parts: ReadonlyArray<Part.Part<E, R>>) {
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
 * What a `before` stage may give back: attributes to merge into the evaluation
 * context, hints for everybody who comes later, or both.
 *
 * @category models
 * @since 0.1.0
 */
export interface Contribution extends Part.Contribution {}

const stageNames: ReadonlyArray<Stage> = ["before", "after", "error", "finally"]

const nonEmptyName = (constructor: string, name: string): void => {
  if (typeof name !== "string" || name === "") {
    throw new RangeError(`FeatureHook.${constructor}: name must be a text that is not empty`)
  }
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
 * Every stage is optional, one must be there (specification 4.3.1). `before`
 * may give back a `Contribution`; what the other stages give back is ignored.
 * A failure of `before` or `after` rejects the evaluation: the caller gets the
 * default value, with the code of an `EvaluationError`, otherwise with
 * `GENERAL`. Failures of `error` and `finally` never change a result; they go
 * to `HookFailures`.
 *
 * `hookData` makes the hook's own data (specification 4.6): a fresh one for
 * each evaluation, given to each stage as the last argument, seen by no other
 * hook.
 *
 * **Gotchas**
 *
 * `error` and `finally` run for an evaluation even if an earlier hook failed
 * and the `before` of this one never ran (specification 4.3.8, 4.3.9).
 *
 * Throws a `RangeError` when the name is empty or no stage is given.
 *
 * **Example** (Counting what is being evaluated)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureHook } from "effect-openfeature"
 *
 * let active = 0
 * const gauge = FeatureHook.make("gauge", {
 *   hookData: () => ({ counted: false }),
 *   before: (_context, _hints, data) =>
 *     Effect.sync(() => {
 *       active++
 *       data.counted = true
 *     }),
 *   finally: (_context, _details, _hints, data) =>
 *     Effect.sync(() => {
 *       if (data.counted) active--
 *     })
 * })
 * gauge.name // => "gauge"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  S = undefined,
  EB = never,
  RB = never,
  EA = never,
  RA = never,
  EE = never,
  RE = never,
  EF = never,
  RF = never
>(name: string, stages: {
  readonly hookData?: (() => S) | undefined
  readonly before?:
    | ((context: HookContext, hints: HookHints, data: S) => Effect.Effect<Contribution | void, EB, RB>)
    | undefined
  readonly after?:
    | ((context: HookContext, details: EvaluationDetails, hints: HookHints, data: S) => Effect.Effect<unknown, EA, RA>)
    | undefined
  readonly error?:
    | ((context: HookContext, error: EvaluationError, hints: HookHints, data: S) => Effect.Effect<unknown, EE, RE>)
    | undefined
  readonly finally?:
    | ((context: HookContext, details: EvaluationDetails, hints: HookHints, data: S) => Effect.Effect<unknown, EF, RF>)
    | undefined
}): FeatureHook<EB | EA | EE | EF, RB | RA | RE | RF> => {
  nonEmptyName("make", name)
  // A polluted Object.prototype is nobody's stage.
  const stage = <A>(own: A | undefined, key: Stage): A | undefined =>
    own === Reflect.get(Object.prototype, key) ? undefined : own
  const part: Part.Part<EB | EA | EE | EF, RB | RA | RE | RF, S> = {
    name,
    hookData: stages.hookData,
    isObserved: false,
    before: stage(stages.before, "before"),
    after: stage(stages.after, "after"),
    error: stage(stages.error, "error"),
    finally: stage(stages.finally, "finally")
  }
  const given = stageNames.filter((key) => part[key] !== undefined)
  if (given.length === 0) {
    throw new RangeError(`FeatureHook.make: hook "${name}" needs at least one stage: ${stageNames.join(", ")}`)
  }
  const wrong = given.find((key) => typeof part[key] !== "function")
  if (wrong !== undefined) {
    throw new RangeError(`FeatureHook.make: stage "${wrong}" of hook "${name}" must be a function`)
  }
  return new FeatureHookImpl([part])
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
  nonEmptyName("around", name)
  return new FeatureHookImpl([Around.make(name, program)])
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
export function combineAll<H extends Any = never>(hooks: Iterable<H>): FeatureHook<Error<H>, Services<H>>
export function combineAll<E, R>(hooks: Iterable<FeatureHook<E, R>>): FeatureHook<E, R> {
  const parts: Array<Part.Part<E, R>> = []
  for (const hook of hooks) {
    for (const part of hook.parts) parts.push(part)
  }
  return new FeatureHookImpl(parts)
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

// Data that is made when a stage first asks for it, inside of that stage.
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

// The stage's function runs inside of what `f` is given, so that one that throws
// is no exception to what `f` does.
const transformPart = <E, R, E2, R2>(
  part: Part.Part<E, R>,
  f: <A>(stage: Effect.Effect<A, E, R>, info: StageInfo) => Effect.Effect<A | void, E2, R2>,
  viewOf: (context: HookContext) => HookContext = identity
): Part.Part<E2, R2, Lazy | undefined> => {
  const { after, before, error, finally: finalize, hookData, name: hook } = part
  const change = <A>(
    given: HookContext,
    stage: Stage,
    run: (context: HookContext) => Effect.Effect<A, E, R>
  ): Effect.Effect<A | void, E2, R2> => {
    const context = viewOf(given)
    const info = { hook, stage, context }
    const effect = Effect.suspend(() => checkedEffect(run(context)))
    return part.isObserved ? f(caught(effect, info), info) : f(effect, info)
  }
  return {
    name: hook,
    hookData: hookData && (() => new Lazy(hookData)),
    isObserved: false,
    before: before &&
      ((given, hints, data) => change(given, "before", (context) => before(context, hints, data?.value))),
    after: after &&
      ((given, details, hints, data) =>
        change(given, "after", (context) => after(context, details, hints, data?.value))),
    error: error &&
      ((given, cause, hints, data) => change(given, "error", (context) => error(context, cause, hints, data?.value))),
    finally: finalize &&
      ((given, details, hints, data) =>
        change(given, "finally", (context) => finalize(context, details, hints, data?.value)))
  }
}

/**
 * Makes a hook unable to affect an evaluation: whatever goes wrong in it, it is
 * reported to `HookFailures` and otherwise nothing happens.
 *
 * **When to use**
 *
 * Use for hooks that only watch: logs, metrics, audits.
 *
 * **Details**
 *
 * Covers failures, defects and a timeout that was put on before. The hook may
 * still contribute to the context. A hook that never ends still holds the
 * evaluation; put a `timeout` before this.
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
  new FeatureHookImpl(self.parts.map(observePart))

// The runner looks after an observed part, which costs nothing as long as
// nothing fails.
function observePart<E, R>(part: Part.Part<E, R>): Part.Part<never, R>
function observePart<E, R>(part: Part.Part<E, R>): Part.Part<E, R> {
  return { ...part, isObserved: true }
}

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
  const limit = Duration.fromInputUnsafe(duration)
  if (!Duration.isFinite(limit) || !Duration.isPositive(limit)) {
    throw new RangeError(`FeatureHook.timeout: duration must be finite and positive, got ${Duration.format(limit)}`)
  }
  // A view of its own, since it is taken away from a stage that is given up on.
  return new FeatureHookImpl(
    self.parts.map((part) => transformPart(part, (stage, info) => within(stage, limit, info), copyOf))
  )
})

// The stage runs in a fiber of its own, so that giving up on it does not mean
// to wait for it.
const within = Effect.fnUntraced(function*<A, E, R>(
  stage: Effect.Effect<A, E, R>,
  limit: Duration.Duration,
  info: StageInfo
): Effect.fn.Return<A, E | Cause.TimeoutError, R> {
  const fiber = yield* Effect.forkDetach(stage, { startImmediately: true })
  const exit = fiber.pollUnsafe()
  if (exit !== undefined) return yield* exit
  yield* Owner.track(fiber)
  return yield* Fiber.join(fiber).pipe(
    Effect.timeoutOrElse({
      duration: limit,
      orElse: () => {
        fiber.interruptUnsafe()
        release(info.context)
        return Effect.fail(new Cause.TimeoutError(`not done within ${Duration.format(limit)}`))
      }
    }),
    // Whoever interrupts has a limit of its own, and wants the finalizers done.
    Effect.onInterrupt(() => Fiber.interrupt(fiber))
  )
})

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
  <E, R>(self: FeatureHook<E, R>, filter: FlagFilter): FeatureHook<E, R> =>
    new FeatureHookImpl(self.parts.map((part) => whenPart(part, filter)))
)

class Gate {
  taken: boolean | undefined = undefined
  data: unknown = undefined
}

const whenPart = <E, R>(part: Part.Part<E, R>, filter: FlagFilter): Part.Part<E, R, Gate> => {
  const { after, before, error, finally: finalize, hookData } = part
  const isOpen = (gate: Gate, context: HookContext): boolean => {
    if (gate.taken === undefined) {
      gate.taken = false
      const taken = filter(context)
      if (taken) gate.data = hookData?.()
      gate.taken = taken
    }
    return gate.taken
  }
  return {
    name: part.name,
    hookData: () => new Gate(),
    isObserved: part.isObserved,
    before: before &&
      ((context, hints, gate) => isOpen(gate, context) ? before(context, hints, gate.data) : Effect.void),
    after: after &&
      ((context, details, hints, gate) =>
        isOpen(gate, context) ? after(context, details, hints, gate.data) : Effect.void),
    error: error &&
      ((context, cause, hints, gate) => isOpen(gate, context) ? error(context, cause, hints, gate.data) : Effect.void),
    finally: finalize &&
      ((context, details, hints, gate) =>
        isOpen(gate, context) ? finalize(context, details, hints, gate.data) : Effect.void)
  }
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
