/**
 * Hooks for the evaluation of feature flags.
 *
 * A hook has up to four stages: `before` the flag is resolved, `after` a
 * success, on an `error`, and `finally` (OpenFeature specification, section 4).
 * A stage returns an effect, a promise, or a plain result. A hook can also be a
 * single program `around` the evaluation.
 *
 * Hooks are values. `combine` joins them, with `empty` as its identity. `when`,
 * `onlyStages`, `timeout`, `warnWhenSlow`, `observe`, `failurePolicy`, `provide`
 * and `transform` derive new hooks. They apply to each hook of a combination
 * separately, so it makes no difference whether you combine before or after. A
 * hook prints with its combinators, as it was written.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import { type Inspectable, NodeInspectSymbol } from "effect/Inspectable"
import type { Pipeable } from "effect/Pipeable"
import { Class as PipeableClass } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import type * as Types from "effect/Types"
import type { EvaluationDetails } from "./EvaluationDetails.ts"
import type { EvaluationError } from "./EvaluationError.ts"
import type { FlagFilter } from "./FlagFilter.ts"
import type { HookContext } from "./HookContext.ts"
import type { Stage } from "./HookFailures.ts"
import type { HookHints } from "./HookHints.ts"
import * as Check from "./internal/check.ts"
import * as Around from "./internal/hook/around.ts"
import * as OnlyStages from "./internal/hook/onlyStages.ts"
import * as Part from "./internal/hook/part.ts"
import * as Policy from "./internal/hook/policy.ts"
import * as Printed from "./internal/hook/printed.ts"
import * as Slow from "./internal/hook/slow.ts"
import * as Timeout from "./internal/hook/timeout.ts"
import * as Transform from "./internal/hook/transform.ts"
import * as When from "./internal/hook/when.ts"
import { functionName, oneLine } from "./internal/text.ts"
import { isRecord, notify, read, readString } from "./internal/untrusted.ts"
import { version } from "./internal/version.ts"

const TypeId = "~effect-openfeature/FeatureHook"

/**
 * A hook with failures `E` and requirements `R`, each the union over its stages.
 *
 * **Details**
 *
 * A `FeatureHook<never, R>` has no typed failure that can reject an evaluation.
 *
 * A hook prints as it was written, with its combinators, in one line of at most
 * 1,000 characters. It prints names, filters and limits, and nothing of an
 * evaluation.
 *
 * **Example** (Printing a hook)
 *
 * ```ts
 * import { FeatureHook, FlagFilter, LoggingHook, TimingHook } from "effect-openfeature"
 *
 * const logging = LoggingHook.make().pipe(
 *   FeatureHook.when(FlagFilter.prefix("checkout-")),
 *   FeatureHook.timeout("20 millis")
 * )
 * const both = FeatureHook.combine(TimingHook.make(), logging)
 * String(both) // => "FeatureHook(timing + logging.pipe(when(prefix(\"checkout-\")), timeout(20ms)))"
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface FeatureHook<out E = never, out R = never> extends Pipeable, Inspectable {
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
  readonly [TypeId] = { _E: (_: never): E => _, _R: (_: never): R => _, version }
  readonly parts: ReadonlyArray<Part.Part>
  constructor(parts: ReadonlyArray<Part.Part>) {
    super()
    this.parts = parts
  }
  get name(): string {
    return this.parts.map((part) => part.name).join(" + ")
  }
  override toString(): string {
    return `FeatureHook(${Printed.print(this.parts)})`
  }
  toJSON(): unknown {
    return { _id: "FeatureHook", hooks: Printed.hooksOf(this.parts) }
  }
  [NodeInspectSymbol](): unknown {
    return this.toString()
  }
  // The SDK runs this if JavaScript code adds the hook without a conversion. Otherwise it would ignore the hook
  // without a word.
  before(sdk: unknown): void {
    if (misplaced.has(this)) return
    misplaced.add(this)
    const error = read(read(sdk, "logger"), "error")
    const text = `hook "${oneLine(this.name, 128)}" does not run: add OpenFeatureHook.make(hook) to the SDK instead`
    if (typeof error === "function") notify(() => Reflect.apply(error, read(sdk, "logger"), [text]))
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
 * Returns the version of the copy of this library that made a hook, unless it is
 * this copy. It is empty before version 0.2.0.
 *
 * @internal
 */
export const foreignVersion = (hook: Any): string | undefined =>
  hook instanceof FeatureHookImpl ? undefined : readString(read(hook, TypeId), "version") ?? ""

/**
 * The result of a `before` stage: attributes for the evaluation context, hints,
 * and a resolution in place of the provider's.
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
  if (!Part.hasStages(part)) {
    throw new RangeError(
      `FeatureHook.${constructor}: hook "${name}" needs at least one stage: ${Part.stages.join(", ")}`
    )
  }
  return new FeatureHookImpl([part])
}

/**
 * Derives a hook with a combinator, which prints as the label.
 *
 * @internal
 */
export const mapParts = <E, R>(self: Any, label: string, f: (part: Part.Part) => Part.Part): FeatureHook<E, R> =>
  derived(self, label, partsOf(self).map(f))

const derived = <E, R>(self: Any, label: string, parts: ReadonlyArray<Part.Part>): FeatureHook<E, R> =>
  new FeatureHookImpl(Part.writtenAs(label, self.parts, parts))

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
    onFailure: Policy.undecided,
    isProgram: false,
    written: undefined,
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
    new FeatureHookImpl<E | E2, R | R2>([...partsOf(self, 0), ...partsOf(that, 1)])
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
const partsOf = (hook: unknown, index?: number): ReadonlyArray<Part.Part> => {
  if (isFeatureHook(hook)) return hook.parts
  const subject = index === undefined ? "the hook" : `hook ${index + 1}`
  throw new RangeError(`${subject} ${adviceOn(hook)}`)
}

const adviceOn = (given: unknown): string => {
  if (Array.isArray(given)) return "is a list; pass its hooks one by one, as in (...hooks)"
  if (Effect.isEffect(given)) return "is an effect; run it first, or use start or makeUnsafe where there is one"
  if (isRecord(given)) {
    if (typeof read(given, "then") === "function") return "is a promise; await it first"
    if (isFeatureHook(read(given, "hook"))) return "is more than a hook; pass its field \"hook\""
    if (Part.stages.some((stage) => typeof read(given, stage) === "function")) {
      return "is a hook of the SDK; convert it with OpenFeatureHook.toFeatureHook(name, hook)"
    }
  }
  return "is not a FeatureHook; create one with FeatureHook.make"
}

/**
 * Describes the stage that `transform` changes.
 *
 * @category models
 * @since 0.1.0
 */
export interface StageInfo extends Transform.StageInfo {}

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
): FeatureHook<E2, R2> => {
  const name = functionName(f)
  return mapParts(self, name === undefined ? "transform" : `transform(${name})`, (part) => Transform.transform(part, f))
})

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
 * context and the hints, and resolve the flag.
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
  // The runner applies the policy, which costs nothing until a stage fails.
  mapParts(self, "observe", (part) => Part.decide(part, Policy.observed))

/**
 * Observes a built-in hook, which prints as its name: nobody wrote `observe`.
 *
 * @internal
 */
export const watcher = <E, R>(self: FeatureHook<E, R>): FeatureHook<never, R> =>
  new FeatureHookImpl(self.parts.map((part) => Part.decide(part, Policy.observed)))

/**
 * What a failure of each stage does.
 *
 * @category models
 * @since 0.2.0
 */
export interface FailurePolicy {
  /** What a failure of `before` does: rejects the evaluation, the default, goes to `HookFailures`, or neither. */
  readonly before?: "reject" | "report" | "ignore" | undefined
  /** What a failure of `after` does: rejects the evaluation, the default, goes to `HookFailures`, or neither. */
  readonly after?: "reject" | "report" | "ignore" | undefined
  /** Whether a failure of `error` goes to `HookFailures`, the default, or nowhere. It never rejects. */
  readonly error?: "report" | "ignore" | undefined
  /** Whether a failure of `finally` goes to `HookFailures`, the default, or nowhere. It never rejects. */
  readonly finally?: "report" | "ignore" | undefined
}

/**
 * A policy with which no stage can reject an evaluation.
 *
 * @category models
 * @since 0.2.0
 */
export interface HarmlessPolicy extends FailurePolicy {
  /** A failure of `before` goes to `HookFailures`, or nowhere. */
  readonly before: "report" | "ignore"
  /** A failure of `after` goes to `HookFailures`, or nowhere. */
  readonly after: "report" | "ignore"
}

/**
 * Decides for each stage what its failures do.
 *
 * **When to use**
 *
 * Use for a hook that guards an evaluation in one stage and only watches in
 * another, or to silence a stage that fails often and harmlessly. Use `observe`
 * for a hook that only watches.
 *
 * **Details**
 *
 * - `"reject"`: the evaluation fails, and the caller gets the default value.
 * - `"report"`: the failure goes to `HookFailures`, and the evaluation goes on.
 * - `"ignore"`: the evaluation goes on, and nothing is reported.
 *
 * It covers failures, defects and timeouts. The innermost decision holds:
 * `"reject"`, and a stage that the policy leaves out, change nothing. So no
 * policy around an observed hook can make it affect an evaluation again.
 *
 * The result has no typed failure if neither `before` nor `after` can reject.
 *
 * **Gotchas**
 *
 * Nobody learns of a failure that is ignored.
 *
 * Throws a `RangeError` when a stage or a value is unknown.
 *
 * **Example** (Guarding before, and only watching afterwards)
 *
 * ```ts
 * import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
 * import { FeatureHook, OpenFeatureHook } from "effect-openfeature"
 *
 * const quota = FeatureHook.make("quota", {
 *   before: ({ context }) => {
 *     if (context.targetingKey === undefined) throw new Error("no targeting key")
 *   },
 *   after: async () => {
 *     throw new Error("the database is down")
 *   }
 * }).pipe(FeatureHook.failurePolicy({ after: "report" }))
 *
 * const on = { variants: { on: true }, defaultVariant: "on", disabled: false } as const
 * await OpenFeature.setProviderAndWait("policy", new InMemoryProvider({ sale: on }))
 * const client = OpenFeature.getClient("policy").addHooks(OpenFeatureHook.make(quota))
 * await client.getBooleanValue("sale", false) // => false
 * await client.getBooleanValue("sale", false, { targetingKey: "user-1" }) // => true
 * ```
 *
 * @category error handling
 * @since 0.2.0
 */
export const failurePolicy: {
  (policy: HarmlessPolicy): <E, R>(self: FeatureHook<E, R>) => FeatureHook<never, R>
  (policy: FailurePolicy): <E, R>(self: FeatureHook<E, R>) => FeatureHook<E, R>
  <E, R>(self: FeatureHook<E, R>, policy: HarmlessPolicy): FeatureHook<never, R>
  <E, R>(self: FeatureHook<E, R>, policy: FailurePolicy): FeatureHook<E, R>
} = dual(2, <E, R>(self: FeatureHook<E, R>, policy: FailurePolicy): FeatureHook<never, R> => {
  const decided = Policy.from(policy)
  return mapParts(self, Policy.print(decided), (part) => Part.decide(part, decided))
})

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
  return mapParts(self, `timeout(${Duration.format(limit)})`, (part) => Timeout.timeout(part, limit))
})

/**
 * The options of `warnWhenSlow`.
 *
 * @category models
 * @since 0.2.0
 */
export interface SlowOptions extends Slow.Options {}

/**
 * Logs a warning when a stage of a hook takes longer than a duration.
 *
 * **When to use**
 *
 * Use to find out which hook makes evaluations slow, and which one hangs. Use
 * `TimingHook` for the time of whole evaluations.
 *
 * **Details**
 *
 * The warning comes while the stage still runs, also if it never ends. Only for
 * a stage that blocks the thread, it comes when the stage ends. Each run of a
 * stage gives at most one.
 *
 * The log record has the fields `hook`, `stage`, `flag_key` and `duration_ms`,
 * the time until then. It goes to the logger of the caller, as those of
 * `LoggingHook` do.
 *
 * The stage keeps its result, its failure and its time. A stage that answers at
 * once starts no timer and no fiber. When a stage ends or is interrupted, its
 * timer is gone.
 *
 * The order of combinators counts: a `timeout` within the hook ends its stages
 * before they are slow, if it is shorter.
 *
 * **Gotchas**
 *
 * A stage that returns an effect is watched by a fiber, which starts only if the
 * effect waits for something.
 *
 * Throws a `RangeError` when the duration is not finite and positive, or when an
 * option is invalid or unknown.
 *
 * **Example** (Finding a slow hook)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { FeatureHook, OpenFeatureHook } from "effect-openfeature"
 *
 * const ignore = () => {}
 * const warnings: Array<unknown> = []
 * const logger = { error: ignore, warn: (text: unknown) => warnings.push(text), info: ignore, debug: ignore }
 *
 * const audit = FeatureHook.make("audit", {
 *   finally: () => new Promise<void>((resolve) => setTimeout(resolve, 50))
 * }).pipe(FeatureHook.warnWhenSlow("10 millis", { logger }))
 *
 * const client = OpenFeature.getClient("slow")
 * client.addHooks(OpenFeatureHook.make(audit))
 * await client.getBooleanValue("sale", false)
 * // hook "audit" is slow in its finally stage
 * warnings.length // => 1
 * ```
 *
 * @category timeouts
 * @since 0.2.0
 */
export const warnWhenSlow: {
  (slowerThan: Duration.Input, options?: SlowOptions | undefined): <E, R>(self: FeatureHook<E, R>) => FeatureHook<E, R>
  <E, R>(
    self: FeatureHook<E, R>,
    slowerThan: Duration.Input,
    options?: SlowOptions | undefined
  ): FeatureHook<E, R>
} = dual((args) => isFeatureHook(args[0]) || (args[1] !== undefined && !isRecord(args[1])), <E, R>(
  self: FeatureHook<E, R>,
  slowerThan: Duration.Input,
  options: SlowOptions = {}
): FeatureHook<E, R> => {
  const owner = "FeatureHook.warnWhenSlow"
  const limit = Check.positiveDuration(owner, "slowerThan", slowerThan)
  const slow = new Slow.Slow(limit, Check.options(owner, options, Slow.rules))
  return mapParts(self, `warnWhenSlow(${Duration.format(limit)})`, (part) => slow.watch(part))
})

/**
 * Restricts a hook to some of its stages.
 *
 * **When to use**
 *
 * Use to leave out stages of a hook that somebody else wrote, such as a `before`
 * that costs too much.
 *
 * **Details**
 *
 * Of a combination, the hooks that have none of these stages are left out.
 *
 * **Gotchas**
 *
 * A stage that stays does not find what a stage that is left out would have put
 * into the hook data, and what that stage would have closed stays open.
 *
 * Throws a `RangeError` when no stage is given, a stage is unknown, or none is
 * left. It also throws for a hook made with `around`, unless all its stages stay:
 * they are one program.
 *
 * **Example** (Keeping the end of an evaluation)
 *
 * ```ts
 * import { FeatureHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 * import { Effect } from "effect"
 *
 * const stages: Array<string> = []
 * const verbose = FeatureHook.make("verbose", {
 *   before: () => void stages.push("before"),
 *   after: () => void stages.push("after"),
 *   error: () => void stages.push("error"),
 *   finally: () => void stages.push("finally")
 * })
 * await Effect.runPromise(Fixtures.run(FeatureHook.onlyStages(verbose, "after", "error")))
 * stages // => ["after"]
 * ```
 *
 * @category filtering
 * @since 0.2.0
 */
export const onlyStages: {
  (...stages: ReadonlyArray<Stage>): <E, R>(self: FeatureHook<E, R>) => FeatureHook<E, R>
  <E, R>(self: FeatureHook<E, R>, ...stages: ReadonlyArray<Stage>): FeatureHook<E, R>
} = dual((args) => typeof args[0] !== "string", <E, R>(
  self: FeatureHook<E, R>,
  ...stages: ReadonlyArray<Stage>
): FeatureHook<E, R> => {
  const parts = OnlyStages.onlyStages(self.name, partsOf(self), stages)
  return derived(self, `onlyStages(${stages.map((stage) => `"${stage}"`).join(", ")})`, parts)
})

/**
 * Restricts a hook to the evaluations that match a filter.
 *
 * **Details**
 *
 * The filter runs once per hook and evaluation, in the first stage of the hook.
 * The result holds for the later stages. A filter that throws or gives a promise
 * is a defect of that stage, and the later stages of the hook do not run.
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
  (filter: FlagFilter): <E, R>(self: FeatureHook<E, R>) => FeatureHook<E, R>
  <E, R>(self: FeatureHook<E, R>, filter: FlagFilter): FeatureHook<E, R>
} = dual(
  2,
  <E, R>(self: FeatureHook<E, R>, filter: FlagFilter): FeatureHook<E, R> => {
    Check.aFunction("FeatureHook.when", "filter", filter)
    return mapParts(self, `when(${functionName(filter) ?? "custom"})`, (part) => When.when(part, filter))
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
    mapParts(
      self,
      "provide",
      (part) => Transform.transform<E, R, E, Exclude<R, R2>>(part, (stage) => Effect.provideContext(stage, services))
    )
)
