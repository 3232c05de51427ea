/** The consequence of a hook's failure: it rejects the evaluation, or it is reported. */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as EvaluationError from "../../EvaluationError.ts"
import type { HookContext } from "../../HookContext.ts"
import * as HookFailures from "../../HookFailures.ts"
import { noteInterruption } from "../hook/interruption.ts"
import { sdkErrorOf } from "../hook/part.ts"
import { oneLine } from "../text.ts"
import { tryOr } from "../untrusted.ts"
import type { Evaluation } from "./evaluation.ts"
import type { Entry } from "./stack.ts"

export interface Host {
  readonly evaluation: Evaluation
  readonly view: HookContext
  readonly services: Context.Context<never>
}

/** Frozen, since all other hooks receive the same error. */
export const general = (
  message: string,
  { flagKey }: Pick<HookContext, "flagKey">,
  cause?: unknown
): EvaluationError.EvaluationError =>
  Object.freeze(new EvaluationError.EvaluationError({ code: "GENERAL", message, flagKey, cause }))

export const interrupted = (view: Pick<HookContext, "flagKey">): EvaluationError.EvaluationError =>
  noteInterruption(general("the evaluation was interrupted", view))

/** `before` and `after` reject the evaluation (4.4.6). `error` and `finally` never change it (4.4.3, 4.4.4). */
export const rejects = (stage: HookFailures.Stage): boolean => stage === "before" || stage === "after"

/** Throws to reject the evaluation if the stage is a `before` or `after`, unless its policy says otherwise. */
export const settle = (host: Host, stage: HookFailures.Stage, entry: Entry, cause: Cause.Cause<unknown>): void => {
  const { name, onFailure, registration } = entry
  const isInterruption = Cause.hasInterruptsOnly(cause)
  const canReject = rejects(stage)
  // A closing scope interrupts its hooks. They count as done.
  if (canReject && isInterruption && registration.isClosed && registration.whenClosed === "skip") return
  if (host.evaluation.isInterrupted && canReject) throw interrupted(host.view)
  const failure = { hook: name, stage, flagKey: host.view.flagKey, cause }
  if (canReject && onFailure === undefined) throw rejection(host, failure)
  if (onFailure === "ignore") return
  if (!isInterruption || !host.evaluation.isInterrupted) report(host, failure)
}

export const report = (host: Host, failure: HookFailures.HookFailure): void => {
  Effect.runForkWith(host.services)(HookFailures.report(failure))
}

// The caller learns the code and message of an EvaluationError. Of other failures it learns only the
// name of the hook; the cause goes to the operator.
const rejection = (host: Host, failure: HookFailures.HookFailure): unknown => {
  const deliberate = failure.cause.reasons.find(Cause.isFailReason)?.error
  if (EvaluationError.isEvaluationError(deliberate) && !Cause.hasDies(failure.cause)) {
    return by(
      failure,
      sdkErrorOf(deliberate) ?? Object.freeze(EvaluationError.fromUnknown(deliberate, failure.flagKey))
    )
  }
  report(host, failure)
  return by(failure, general(HookFailures.describe(failure), host.view, failure.cause))
}

// A message can have data of the evaluation, so it does not say which hook it was.
const rejections = new WeakMap<Error, string>()

const by = ({ hook, stage }: HookFailures.HookFailure, error: Error): Error => {
  rejections.set(error, `${oneLine(hook, 128)}.${stage}`)
  return error
}

/** Returns the hook and the stage that rejected an evaluation with this error, such as `guard.before`. */
export const rejectedBy = (error: EvaluationError.EvaluationError): string | undefined =>
  rejections.get(error) ?? (error.cause instanceof Error ? rejections.get(error.cause) : undefined)

/** Returns what the provider or an SDK hook threw, without the errors that this library wrapped around it. */
export const original = (error: unknown): unknown => {
  let found = error
  while (EvaluationError.isEvaluationError(found) && found.cause !== undefined) {
    const { cause } = found
    if (!Cause.isCause(cause)) {
      found = cause
      continue
    }
    const unknown = cause.reasons.find(Cause.isFailReason)?.error
    return tryOr(() => Cause.isUnknownError(unknown) ? unknown.cause : found, () => found)
  }
  return found
}
