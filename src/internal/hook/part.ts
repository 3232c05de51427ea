/**
 * What a hook is made of. A combined hook is a list of parts. The runner knows
 * nothing but parts, and every combinator maps one part to another.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { cast, constVoid } from "effect/Function"
import type { EvaluationContext } from "../../EvaluationContext.ts"
import type { EvaluationDetails } from "../../EvaluationDetails.ts"
import * as EvaluationError from "../../EvaluationError.ts"
import type { HookContext } from "../../HookContext.ts"
import type { Stage } from "../../HookFailures.ts"
import type { HookHints } from "../../HookHints.ts"
import { readString } from "../untrusted.ts"

export interface Contribution {
  readonly context?: EvaluationContext | undefined
  readonly hints?: HookHints | undefined
}

/** What a stage gives: an effect, or nothing when it is done. A result that is known at once is an `Exit`. */
export type Result<A, E, R> = Effect.Effect<A, E, R> | undefined

/**
 * The functions of the stages. They are methods, since only the parameters of a
 * method may hide the type of a part's own data without a cast.
 */
interface Stages<E, R, S> {
  before(context: HookContext, hints: HookHints, data: S, input: undefined): Result<Contribution | void, E, R>
  after(context: HookContext, hints: HookHints, data: S, details: EvaluationDetails): Result<unknown, E, R>
  error(context: HookContext, hints: HookHints, data: S, error: EvaluationError.EvaluationError): Result<unknown, E, R>
  finally(context: HookContext, hints: HookHints, data: S, details: EvaluationDetails): Result<unknown, E, R>
}

/** Every stage is an own property, so nothing is ever read from a prototype. */
export interface Part<out E, out R, S = unknown> {
  readonly name: string
  readonly hookData: (() => S) | undefined
  /** Whether a failure of a stage is reported instead of rejecting the evaluation. */
  readonly isObserved: boolean
  readonly before: Stages<E, R, S>["before"] | undefined
  readonly after: Stages<E, R, S>["after"] | undefined
  readonly error: Stages<E, R, S>["error"] | undefined
  readonly finally: Stages<E, R, S>["finally"] | undefined
}

/** Changes every stage of a part. What is observed stays observed. */
export const mapStages = <E, R, S, E2, R2>(
  part: Part<E, R>,
  hookData: (() => S) | undefined,
  change: <A>(
    stage: Stage,
    context: HookContext,
    data: S,
    run: (context: HookContext, data: unknown) => Result<A, E, R>
  ) => Result<A | void, E2, R2>
): Part<E2, R2, S> => {
  const { after, before, error, finally: last, isObserved, name } = part
  return {
    name,
    hookData,
    isObserved,
    before: before &&
      ((context, hints, data, input) =>
        change("before", context, data, (context, data) => before(context, hints, data, input))),
    after: after &&
      ((context, hints, data, input) =>
        change("after", context, data, (context, data) => after(context, hints, data, input))),
    error: error &&
      ((context, hints, data, input) =>
        change("error", context, data, (context, data) => error(context, hints, data, input))),
    finally: last &&
      ((context, hints, data, input) =>
        change("finally", context, data, (context, data) => last(context, hints, data, input)))
  }
}

const isEffect = (value: object): value is Effect.Effect<unknown, unknown, unknown> =>
  // `Effect.isEffect` looks with `in`, which takes longer than many a stage does.
  cast<object, { readonly [Effect.TypeId]?: unknown }>(value)[Effect.TypeId] !== undefined

const isThenable = (value: object): value is PromiseLike<unknown> =>
  typeof cast<object, { readonly then?: unknown }>(value).then === "function"

// The SDK takes these from a provider, where they say that the provider is broken.
const providerCodes: ReadonlySet<string> = new Set<EvaluationError.ErrorCode>(["PROVIDER_NOT_READY", "PROVIDER_FATAL"])

/** What a thrown value means: a rejection on purpose, where it has a code for that, or something unknown. */
export const failureOf = (error: unknown): EvaluationError.EvaluationError | Cause.UnknownError => {
  if (EvaluationError.isEvaluationError(error)) return error
  const code = readString(error, "code")
  return EvaluationError.isErrorCode(code) && !providerCodes.has(code)
    ? EvaluationError.fromUnknown(error)
    : new Cause.UnknownError(error)
}

/** Awaits a promise that somebody else made. */
export const fromPromise = <A>(
  thenable: PromiseLike<A>
): Effect.Effect<A, EvaluationError.EvaluationError | Cause.UnknownError> => {
  const promise = Promise.resolve(thenable)
  // A combinator may drop the effect. The rejection is still not an unhandled one.
  promise.catch(constVoid)
  return Effect.tryPromise({ try: () => promise, catch: failureOf })
}

/**
 * Takes what the function of a stage gave back: an effect, a promise, or its
 * result. Only `before` has a result that counts.
 */
export const settle = (value: unknown, stage: Stage): Result<unknown, unknown, unknown> => {
  if (value === undefined) return undefined
  if ((typeof value === "object" && value !== null) || typeof value === "function") {
    if (isEffect(value)) return value
    if (isThenable(value)) return fromPromise(value)
  }
  return stage === "before" ? Exit.succeed(value) : undefined
}
