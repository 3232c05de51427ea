/**
 * A hook of the SDK as the stages of an Effect hook.
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as EvaluationContext from "../../EvaluationContext.ts"
import * as EvaluationDetails from "../../EvaluationDetails.ts"
import * as EvaluationError from "../../EvaluationError.ts"
import type { HookContext } from "../../HookContext.ts"
import * as HookHints from "../../HookHints.ts"
import { readString } from "../foreign.ts"
import type { Contribution, Part } from "../part.ts"

/** What a hook of the SDK can fail with: a rejection on purpose, or anything else. */
type Failure = EvaluationError.EvaluationError | Cause.UnknownError

// The SDK takes these from a provider, where they say that it is broken.
const providerCodes: ReadonlySet<string> = new Set<EvaluationError.ErrorCode>(["PROVIDER_NOT_READY", "PROVIDER_FATAL"])

const failureOf = (error: unknown): Failure => {
  const code = readString(error, "code")
  return EvaluationError.isErrorCode(code) && !providerCodes.has(code)
    ? EvaluationError.fromUnknown(error)
    : new Cause.UnknownError(error)
}

// Awaits what a stage returned, if there is anything to await.
const settle = <A>(stage: () => A | PromiseLike<A>): Effect.Effect<A, Failure> =>
  Effect.flatMap(
    Effect.try({ try: stage, catch: failureOf }),
    (result) =>
      Predicate.isPromiseLike(result)
        ? Effect.tryPromise({ try: () => Promise.resolve(result), catch: failureOf })
        : Effect.succeed(result)
  )

// The SDK's hook data, which the bridge has to make for a hook that it runs itself.
class HookData implements SDK.HookData {
  readonly #data = new Map<string, unknown>()
  set(key: string, value: unknown): void {
    this.#data.set(key, value)
  }
  get(key: string): unknown {
    return this.#data.get(key)
  }
  has(key: string): boolean {
    return this.#data.has(key)
  }
  delete(key: string): boolean {
    return this.#data.delete(key)
  }
  clear(): void {
    this.#data.clear()
  }
}

// Each stage gets a copy of the evaluation context that it may write to.
const hookContext = (context: HookContext, hookData: SDK.HookData): SDK.BeforeHookContext => ({
  flagKey: context.flagKey,
  flagValueType: context.flagValueType,
  defaultValue: EvaluationDetails.toSdkValue(context.defaultValue),
  clientMetadata: context.clientMetadata,
  providerMetadata: context.providerMetadata,
  logger: context.logger,
  context: EvaluationContext.toSdk(context.context),
  hookData
})

// What the hook set on the context instead of returning it.
const changes = (
  before: EvaluationContext.EvaluationContext,
  after: SDK.EvaluationContext
): EvaluationContext.EvaluationContext => {
  const changed = Object.keys(after).filter((key) => !Object.hasOwn(before, key) || before[key] !== after[key])
  return EvaluationContext.pick(after, changed)
}

export const stages = (hook: SDK.Hook): Omit<Part<Failure, never, HookData>, "name" | "isObserved"> => ({
  hookData: () => new HookData(),
  before: hook.before && ((context, hints, data) =>
    Effect.suspend(() => {
      const given = hookContext(context, data)
      return Effect.map(
        settle(() => hook.before?.(given, HookHints.toRecord(hints))),
        (result): Contribution => ({
          context: { ...changes(context.context, given.context), ...contribution(result) }
        })
      )
    })),
  after: hook.after && ((context, details, hints, data) =>
    settle(() =>
      hook.after?.(
        hookContext(context, data),
        EvaluationDetails.toSdk(details),
        HookHints.toRecord(hints)
      )
    )),
  error: hook.error && ((context, error, hints, data) =>
    settle(() =>
      hook.error?.(
        hookContext(context, data),
        original(error),
        HookHints.toRecord(hints)
      )
    )),
  finally: hook.finally && ((context, details, hints, data) =>
    settle(() =>
      hook.finally?.(
        hookContext(context, data),
        EvaluationDetails.toSdk(details),
        HookHints.toRecord(hints)
      )
    ))
})

// What the provider or another hook threw, unless that was a hook of this library.
const original = (error: EvaluationError.EvaluationError): unknown =>
  error.cause === undefined || Cause.isCause(error.cause) ? error : error.cause

// The SDK spreads whatever is truthy, so texts and lists would become attributes
// named 0, 1, 2: they are refused. The rest that is no record has nothing in it.
const contribution = (result: unknown): EvaluationContext.EvaluationContext => {
  if (EvaluationContext.isEvaluationContext(result)) return EvaluationContext.toSdk(result)
  if ((typeof result === "string" && result !== "") || Array.isArray(result)) {
    throw new TypeError("the before stage gave back a context that is not a record")
  }
  return EvaluationContext.empty
}
