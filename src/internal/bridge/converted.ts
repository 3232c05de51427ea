/** An SDK hook as the stages of an Effect hook. It receives what the SDK would pass to it. */
import * as SDK from "@openfeature/server-sdk"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { cast, constVoid } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as EvaluationContext from "../../EvaluationContext.ts"
import * as EvaluationDetails from "../../EvaluationDetails.ts"
import type { FlagValue } from "../../EvaluationDetails.ts"
import type { EvaluationError } from "../../EvaluationError.ts"
import type { HookContext } from "../../HookContext.ts"
import * as HookHints from "../../HookHints.ts"
import { type Contribution, failureOf, fromPromise, type Part } from "../hook/part.ts"
import { undecided } from "../hook/policy.ts"
import { sourceOf, touch } from "../hook/view.ts"
import { original } from "../runner/failure.ts"
import { tryOr } from "../untrusted.ts"

type SdkDetails = SDK.EvaluationDetails<SDK.FlagValue>

/** The failures of an SDK hook: errors with an OpenFeature code, and all others. */
export type Failure = EvaluationError | Cause.UnknownError

/**
 * The arguments of an SDK hook in one evaluation: the same objects in every
 * stage, since hooks use them as keys of a WeakMap.
 */
class Given {
  readonly #hookData = new SDK.MapHookData()
  #hookContext: SDK.BeforeHookContext | undefined = undefined
  #hints: HookHints.HookHints = HookHints.empty
  #record: SDK.HookHints | undefined = undefined
  #source: SdkDetails | undefined = undefined
  #details: SdkDetails | undefined = undefined

  /** Frozen, except for the evaluation context, which is the SDK's own. */
  hookContext(context: HookContext): SDK.BeforeHookContext {
    return this.#hookContext ??= this.#make(context)
  }
  #make(context: HookContext): SDK.BeforeHookContext {
    const source = sourceOf(context)
    // Hooks within this hook find the evaluation by its context.
    source?.publish?.()
    const copy = source === undefined ? EvaluationContext.toSdk(context.context) : undefined
    return Object.freeze({
      flagKey: context.flagKey,
      flagValueType: context.flagValueType,
      defaultValue: cast<FlagValue, SDK.FlagValue>(context.defaultValue),
      clientMetadata: context.clientMetadata,
      providerMetadata: context.providerMetadata,
      logger: context.logger,
      // A wrapper may give another copy of the evaluation context in each stage.
      get context() {
        return copy ?? source?.sdk.context ?? {}
      },
      hookData: this.#hookData
    })
  }
  /** Under a timeout the evaluation context is a copy. It is updated and frozen after `before`. */
  later(context: HookContext): SDK.HookContext {
    const given = this.hookContext(context)
    if (sourceOf(context) === undefined && !Object.isFrozen(given.context)) {
      Object.freeze(Object.assign(given.context, EvaluationContext.toSdk(context.context)))
    }
    return given
  }
  hints(hints: HookHints.HookHints): SDK.HookHints | undefined {
    if (hints === HookHints.empty) return undefined
    if (this.#record === undefined || this.#hints !== hints) {
      this.#hints = hints
      this.#record = HookHints.toRecord(hints)
    }
    return this.#record
  }
  /** A copy, so that writes do not reach the caller. */
  details(context: HookContext, details: EvaluationDetails.EvaluationDetails): SdkDetails {
    const source = sourceOf(context)
    const given = source?.details
    if (given === undefined) return EvaluationDetails.toSdk(details)
    if (this.#details === undefined || this.#source !== given) {
      this.#source = given
      // The spread keeps fields that the SDK does not know.
      this.#details = source?.isOfClient === true
        ? { ...given, ...EvaluationDetails.toSdk(details) }
        : { ...given, value: EvaluationContext.clone(given.value) }
    }
    return this.#details
  }
}

const call = <A, B>(
  stage: () => A | PromiseLike<A>,
  take: (result: A) => B,
  done: () => void = constVoid
): Effect.Effect<B, Failure> => {
  const result = tryOr<Effect.Effect<A, Failure>, Exit.Exit<A, Failure>>(() => {
    const result = stage()
    return Predicate.isPromiseLike(result) ? fromPromise(result) : Exit.succeed(result)
  }, (error) => Exit.fail(failureOf(error)))
  if (!Exit.isExit(result)) return Effect.map(Effect.ensuring(result, Effect.sync(done)), take)
  done()
  return Exit.map(result, take)
}

// A hook with a copy of the context contributes what it sets there.
const changes = (
  before: EvaluationContext.EvaluationContext,
  after: SDK.EvaluationContext
): EvaluationContext.EvaluationContext =>
  Object.fromEntries(
    Object.entries(after).filter(([key, value]) => !Object.hasOwn(before, key) || before[key] !== value)
  )

export const make = (name: string, hook: SDK.Hook): Part<Given> => ({
  name,
  hookData: () => new Given(),
  onFailure: undecided,
  isProgram: false,
  written: undefined,
  filter: undefined,
  before: hook.before && ((context, hints, data) => {
    const source = sourceOf(context)
    const before = source === undefined ? context.context : undefined
    const given = data.hookContext(context)
    const done = (): void => {
      // The SDK awaits the context and would call this function.
      if (typeof given.context["then"] === "function") tryOr(() => delete given.context["then"], constVoid)
      touch(context)
    }
    const take = (returned: unknown): Contribution => ({
      context: { ...before && changes(before, given.context), ...contribution(returned) }
    })
    return call(() => hook.before?.(given, data.hints(hints)), take, done)
  }),
  after: hook.after &&
    ((context, details, hints, data) =>
      call(() => hook.after?.(data.later(context), data.details(context, details), data.hints(hints)), constVoid)),
  error: hook.error &&
    ((context, error, hints, data) =>
      call(() => hook.error?.(data.later(context), original(error), data.hints(hints)), constVoid)),
  finally: hook.finally &&
    ((context, details, hints, data) =>
      call(() => hook.finally?.(data.later(context), data.details(context, details), data.hints(hints)), constVoid))
})

// The SDK spreads every truthy result, so a string or an array would add attributes named 0, 1, 2.
// They are rejected. Other values that are not records have no attributes.
const contribution = (result: unknown): EvaluationContext.EvaluationContext => {
  if (EvaluationContext.isEvaluationContext(result)) return result
  if ((typeof result === "string" && result !== "") || Array.isArray(result)) {
    throw new TypeError("the before stage gave back a context that is not a record")
  }
  return EvaluationContext.empty
}
