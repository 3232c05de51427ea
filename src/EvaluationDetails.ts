/**
 * What an evaluation resolved to, as hooks see it: read-only.
 *
 * The SDK gives its hooks the very object that the caller receives, so a hook
 * that writes to it changes the flag. Hooks of this library receive a frozen
 * copy.
 *
 * @since 0.1.0
 */
import type * as SDK from "@openfeature/server-sdk"
import { cast } from "effect/Function"
import type * as Types from "effect/Types"
import { type ErrorCode, fromUnknown, isErrorCode } from "./EvaluationError.ts"
import { clone, snapshot } from "./EvaluationContext.ts"

/**
 * A value that a flag can have, all the way down read-only.
 *
 * @category models
 * @since 0.1.0
 */
export type FlagValue =
  | boolean
  | string
  | number
  | null
  | { readonly [key: string]: FlagValue }
  | ReadonlyArray<FlagValue>

/**
 * Evaluation details (specification 1.4), all the way down read-only.
 *
 * @category models
 * @since 0.1.0
 */
export interface EvaluationDetails<out A = FlagValue> {
  readonly flagKey: string
  readonly value: A
  readonly variant?: string | undefined
  readonly reason?: string | undefined
  readonly errorCode?: ErrorCode | undefined
  readonly errorMessage?: string | undefined
  readonly flagMetadata: Readonly<Record<string, string | number | boolean>>
}

/**
 * Copies the SDK's evaluation details: frozen, an object value all the way down.
 *
 * **Details**
 *
 * The error message is kept word for word. A foreign error code becomes
 * `GENERAL`. Details that cannot be read (a getter that throws) are replaced by
 * details with the code `GENERAL` that say so.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromSdk = (details: SDK.EvaluationDetails<SDK.FlagValue>): EvaluationDetails => {
  try {
    return withValue(details, snapshot(details.value))
  } catch {
    return unreadable
  }
}

/**
 * Copies the SDK's details as callers of the Effect client get them: after an
 * error there is always a message, of one line and bounded.
 *
 * @internal
 */
export const normalized = (details: SDK.EvaluationDetails<SDK.FlagValue>): EvaluationDetails => {
  const copy = fromSdk(details)
  if (copy.errorCode === undefined) return copy
  const { message } = fromUnknown({ code: copy.errorCode, message: copy.errorMessage })
  return Object.freeze({ ...copy, errorMessage: message })
}

/**
 * Copies details with a value of another type, field by field: the types of the
 * SDK promise more than its evaluator checks.
 *
 * @internal
 */
export const withValue = <A>(
  details: Omit<SDK.EvaluationDetails<SDK.FlagValue> | EvaluationDetails, "value">,
  value: A
): EvaluationDetails<A> => {
  const { errorCode, errorMessage, flagKey, flagMetadata, reason, variant } = details
  const copy: Types.Mutable<EvaluationDetails<A>> = { flagKey, value, flagMetadata }
  if (typeof variant === "string") copy.variant = variant
  if (typeof reason === "string") copy.reason = reason
  // An empty code is none, as it is for the SDK.
  if (errorCode) copy.errorCode = isErrorCode(errorCode) ? errorCode : "GENERAL"
  if (typeof errorMessage === "string") copy.errorMessage = errorMessage
  return Object.freeze(copy)
}

/**
 * Tells whether a copy still equals the SDK's details. A structure may have
 * changed inside, so it never does.
 *
 * @internal
 */
export const isCopyOf = (copy: EvaluationDetails, details: SDK.EvaluationDetails<SDK.FlagValue>): boolean => {
  try {
    return copy.value === details.value && (typeof copy.value !== "object" || copy.value === null) &&
      copy.flagKey === details.flagKey && copy.flagMetadata === details.flagMetadata &&
      copy.variant === details.variant && copy.reason === details.reason &&
      !copy.errorCode && !details.errorCode
  } catch {
    return false
  }
}

const unreadable: EvaluationDetails = Object.freeze({
  flagKey: "",
  value: null,
  reason: "ERROR",
  errorCode: "GENERAL",
  errorMessage: "the evaluation details cannot be read",
  flagMetadata: Object.freeze({})
})

/**
 * Makes the details of an evaluation that gave no value: the default value, the
 * reason `ERROR`, and the code and message of the error.
 *
 * **Example** (What the caller of a missing flag gets)
 *
 * ```ts
 * import { EvaluationDetails, EvaluationError } from "effect-openfeature"
 *
 * const error = new EvaluationError.EvaluationError({ code: "FLAG_NOT_FOUND", message: "no such flag" })
 * EvaluationDetails.failed("new-checkout", false, error).errorCode // => "FLAG_NOT_FOUND"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const failed = <A>(flagKey: string, defaultValue: A, error: unknown): EvaluationDetails<A> => {
  const { code, message } = fromUnknown(error)
  return Object.freeze({
    flagKey,
    value: defaultValue,
    reason: "ERROR",
    errorCode: code,
    errorMessage: message,
    flagMetadata: Object.freeze({})
  })
}

/**
 * Gives a writable copy in the SDK's type, for a hook of the plain SDK.
 *
 * @category converting
 * @since 0.1.0
 */
export const toSdk = (details: EvaluationDetails): SDK.EvaluationDetails<SDK.FlagValue> =>
  cast({ ...details, value: clone(details.value) })

/**
 * Gives a writable copy of a value in the SDK's type.
 *
 * @category converting
 * @since 0.1.0
 */
export const toSdkValue = (value: FlagValue): SDK.FlagValue => cast(clone(value))
