/**
 * The parts of a hook. A combination is a list of parts. The runner only knows
 * parts, and every combinator maps parts to parts.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { cast, constVoid } from "effect/Function"
import type { EvaluationContext } from "../../EvaluationContext.ts"
import type { EvaluationDetails, ResolutionDetails } from "../../EvaluationDetails.ts"
import * as EvaluationError from "../../EvaluationError.ts"
import type { HookContext } from "../../HookContext.ts"
import type { FlagFilter } from "../../FlagFilter.ts"
import type { Stage } from "../../HookFailures.ts"
import type { HookHints } from "../../HookHints.ts"
import { Misuse } from "../check.ts"
import { readString, tryOr } from "../untrusted.ts"
import { type Policy, within } from "./policy.ts"

export interface Contribution {
  /**
   * Attributes to merge into the evaluation context, one by one. Later `before`
   * hooks and the provider see them. None by default.
   */
  readonly context?: EvaluationContext | undefined
  /** Hints for all later hooks and stages of the evaluation, at every level. None by default. */
  readonly hints?: HookHints | undefined
  /**
   * The resolution of the flag, in place of the provider's. The first one of an
   * evaluation holds; further ones have no effect. `FeatureFlags` with a `provider`
   * serves it, and a client of the SDK when its provider is a
   * `ResolutionProvider`. None by default: the provider resolves the flag.
   */
  readonly resolution?: ResolutionDetails | undefined
}

// Another copy of this library can run the hook.
export const settle: unique symbol = Symbol.for("effect-openfeature/settle")

/** A resolution for one subject. Later hooks can change the subject. */
export interface Settling extends Contribution {
  /**
   * Called instead of the provider, with the context as all hooks have left it.
   * Returns what is served, or `undefined` to ask the provider after all.
   */
  [settle](context: HookContext, resolution: ResolutionDetails): ResolutionDetails | undefined
}

export const isSettling = (contribution: object): contribution is Settling => settle in contribution

/** The contribution with what another one decides in the end. */
export const settledBy = (contribution: Contribution, other: Settling): Settling => ({
  ...contribution,
  [settle]: (context, resolution) => other[settle](context, resolution)
})

/**
 * The stages as the author of a hook writes them. They are methods, since only
 * method parameters can hide the type of the hook data without a cast.
 */
interface Stages<S> {
  before(context: HookContext, hints: HookHints, data: S): unknown
  after(context: HookContext, details: EvaluationDetails, hints: HookHints, data: S): unknown
  error(context: HookContext, error: EvaluationError.EvaluationError, hints: HookHints, data: S): unknown
  finally(context: HookContext, details: EvaluationDetails, hints: HookHints, data: S): unknown
}

/** The combinator that made a part, for printing. The parts that it made in one go share one object. */
export interface Written {
  readonly label: string
  /** The parts that it was applied to. */
  readonly of: ReadonlyArray<Part>
  /** The number of parts that it made. */
  readonly size: number
}

/** Stages are own properties, so nothing is read from a prototype. */
export interface Part<S = unknown> {
  readonly name: string
  readonly hookData: (() => S) | undefined
  readonly onFailure: Policy
  /** Whether the stages are one program, which needs them all. */
  readonly isProgram: boolean
  /** `undefined` without a combinator. */
  readonly written: Written | undefined
  /** Selects evaluations, once for all stages. The others are as if the part were not there. */
  readonly filter: FlagFilter | undefined
  readonly before: Stages<S>["before"] | undefined
  readonly after: Stages<S>["after"] | undefined
  readonly error: Stages<S>["error"] | undefined
  readonly finally: Stages<S>["finally"] | undefined
}

export const stages: ReadonlyArray<Stage> = ["before", "after", "error", "finally"]

export const hasStages = (part: Part): boolean => stages.some((stage) => part[stage] !== undefined)

/** Whether a failure of the stage rejects the evaluation. */
export const canReject = (part: Part, stage: Stage): boolean =>
  (stage === "before" || stage === "after") && part[stage] !== undefined && part.onFailure[stage] === undefined

/** The result of a stage: an effect, or `undefined` when it is done. A known result is an `Exit`. */
export type Result = Effect.Effect<unknown, unknown, unknown> | undefined

export const decide = (part: Part, policy: Policy): Part => ({ ...part, onFailure: within(part.onFailure, policy) })

/** Notes the combinator that made parts from others. */
export const writtenAs = (label: string, of: ReadonlyArray<Part>, parts: ReadonlyArray<Part>): ReadonlyArray<Part> => {
  const written: Written = { label, of, size: parts.length }
  return parts.map((part) => ({ ...part, written }))
}

/** What a stage is told about the result: nothing in `before`, and an error in `error`. */
export type Input = EvaluationDetails | EvaluationError.EvaluationError | undefined

/** Runs a stage and tells how it ended: at once if it stays synchronous. */
export const settling = (
  stage: Stage,
  run: () => unknown,
  settle: (exit: Exit.Exit<unknown, unknown>) => void
): Result => {
  const result = tryOr<Result, Result>(() => resultOf(run(), stage), Exit.die)
  if (result !== undefined && !Exit.isExit(result)) {
    return Effect.onExit(result, (exit) => Effect.sync(() => settle(exit)))
  }
  settle(result ?? Exit.void)
  return result
}

/** Decides whether a stage has anything to do. */
export type IsIn<S> = (stage: Stage, context: HookContext, data: S, input: Input) => boolean

const always = () => true

export const mapStages = <S>(
  part: Part,
  hookData: (() => S) | undefined,
  change: (
    stage: Stage,
    context: HookContext,
    data: S,
    run: (context: HookContext, data: unknown) => unknown
  ) => unknown,
  isIn: IsIn<S> = always
): Part<S> => {
  const { after, before, error, filter, finally: last, isProgram, name, onFailure, written } = part
  return {
    name,
    hookData,
    onFailure,
    isProgram,
    written,
    filter,
    before: before &&
      ((context, hints, data) =>
        isIn("before", context, data, undefined)
          ? change("before", context, data, (context, data) => before(context, hints, data))
          : undefined),
    after: after &&
      ((context, details, hints, data) =>
        isIn("after", context, data, details)
          ? change("after", context, data, (context, data) => after(context, details, hints, data))
          : undefined),
    error: error &&
      ((context, failure, hints, data) =>
        isIn("error", context, data, failure)
          ? change("error", context, data, (context, data) => error(context, failure, hints, data))
          : undefined),
    finally: last &&
      ((context, details, hints, data) =>
        isIn("finally", context, data, details)
          ? change("finally", context, data, (context, data) => last(context, details, hints, data))
          : undefined)
  }
}

const isEffect = (value: object): value is Effect.Effect<unknown, unknown, unknown> =>
  // `Effect.isEffect` uses `in`, which takes longer than many stages.
  cast<object, { readonly [Effect.TypeId]?: unknown }>(value)[Effect.TypeId] !== undefined

const isThenable = (value: object): value is PromiseLike<unknown> =>
  typeof cast<object, { readonly then?: unknown }>(value).then === "function"

// These codes describe the state of a provider, so a hook must not set them.
export const providerCodes: ReadonlySet<string> = new Set<EvaluationError.ErrorCode>([
  "PROVIDER_NOT_READY",
  "PROVIDER_FATAL"
])

// Other SDK hooks must receive the error object that an SDK hook threw, since they may check its class.
const sdkErrors = new WeakMap<EvaluationError.EvaluationError, Error>()

/** Returns the error of an SDK hook that this error was made from. */
export const sdkErrorOf = (error: EvaluationError.EvaluationError): Error | undefined => sdkErrors.get(error)

// Without accessors, all hooks can read it safely.
const isReadable = (error: unknown): error is Error =>
  tryOr(() => {
    const message = Object.getOwnPropertyDescriptor(error, "message")
    return error instanceof Error && Object.hasOwn(error, "code") &&
      Object.getOwnPropertyDescriptor(error, "code")?.get === undefined &&
      (message === undefined || typeof message.value === "string")
  }, () => false)

/** An error with an OpenFeature code rejects the evaluation on purpose. All others are unknown. */
export const failureOf = (error: unknown): EvaluationError.EvaluationError | Cause.UnknownError => {
  if (EvaluationError.isEvaluationError(error)) return error
  const code = readString(error, "code")
  if (!EvaluationError.isErrorCode(code) || providerCodes.has(code)) return new Cause.UnknownError(error)
  const failure = EvaluationError.fromUnknown(error)
  if (isReadable(error)) sdkErrors.set(failure, error)
  return failure
}

export const fromPromise = <A>(
  thenable: PromiseLike<A>
): Effect.Effect<A, EvaluationError.EvaluationError | Cause.UnknownError> => {
  const promise = Promise.resolve(thenable)
  // A combinator may drop the effect. Its rejection must not become an unhandled one.
  promise.catch(constVoid)
  return Effect.tryPromise({ try: () => promise, catch: failureOf })
}

// Effect 3 has no effects in common with Effect 4. Nothing would run them, and nobody would be told.
const effect3 = Symbol.for("effect/Effect")

/** Only `before` has a result that counts. */
export const resultOf = (value: unknown, stage: Stage): Result => {
  if (value === undefined) return undefined
  if ((typeof value === "object" && value !== null) || typeof value === "function") {
    if (isEffect(value)) return value
    if (isThenable(value)) return fromPromise(value)
    if (effect3 in value) return Exit.die(new Misuse("gave an effect of Effect 3"))
  }
  return stage === "before" ? Exit.succeed(value) : undefined
}
