/**
 * The result of an evaluation, as hooks and callers of `FeatureFlags` see it:
 * frozen.
 *
 * The SDK passes its hooks the object that the caller receives, so a hook that
 * writes to it changes the result. Hooks of this library receive a frozen copy.
 *
 * @since 0.1.0
 */
import type * as SDK from "@openfeature/server-sdk"
import { cast } from "effect/Function"
import type * as Types from "effect/Types"
import { type ErrorCode, fromUnknown, isErrorCode } from "./EvaluationError.ts"
import { clone, snapshot } from "./EvaluationContext.ts"
import { isRecord } from "./internal/untrusted.ts"

/**
 * A deeply read-only flag value.
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
 * The evaluation details (specification 1.4), deeply read-only.
 *
 * **Details**
 *
 * Details from this library are frozen at run time too, object values deeply.
 *
 * @category models
 * @since 0.1.0
 */
export interface EvaluationDetails<out A = FlagValue> {
  /** The key of the flag. */
  readonly flagKey: string
  /** The value that the caller gets. It is the default value when the evaluation failed. */
  readonly value: A
  /** The name of the variant that the provider chose, if it has names for them. */
  readonly variant?: string | undefined
  /** Why the flag has this value, such as `STATIC`, `TARGETING_MATCH`, `DEFAULT` or `ERROR`. */
  readonly reason?: string | undefined
  /** The error code. Details have one only when the evaluation failed. */
  readonly errorCode?: ErrorCode | undefined
  /** The error message. It can contain text of the provider and of other hooks. */
  readonly errorMessage?: string | undefined
  /** What the provider says about the flag, such as a version. Empty when it says nothing. */
  readonly flagMetadata: Readonly<Record<string, string | number | boolean>>
}

/**
 * Converts the SDK's evaluation details to a frozen copy, with a deeply frozen
 * value.
 *
 * **Details**
 *
 * Keeps the error message word for word. An error code that is not one of
 * OpenFeature's becomes `GENERAL`. Details that cannot be read, because of a
 * getter that throws for example, become details with the code `GENERAL` and a
 * message that says so.
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
 * Converts the SDK's details for callers of the Effect client: details with an
 * error always have a message, which is one bounded line.
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
 * Copies details with a value of another type, field by field, since providers
 * can return more than the SDK's types allow.
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
  // The SDK treats an empty code as none.
  if (errorCode) copy.errorCode = isErrorCode(errorCode) ? errorCode : "GENERAL"
  if (typeof errorMessage === "string") copy.errorMessage = errorMessage
  return Object.freeze(copy)
}

/**
 * Copies details that a caller got from a client, whatever its type of them.
 *
 * @internal
 */
export const shown = (
  details: {
    /** The key of the flag. */
    readonly flagKey: string
    /** The value of the caller. */
    readonly value: unknown
    /** What the provider says about the flag. */
    readonly flagMetadata?: EvaluationDetails["flagMetadata"] | undefined
  }
): EvaluationDetails =>
  withValue(
    cast({ ...details, flagMetadata: isRecord(details.flagMetadata) ? details.flagMetadata : {} }),
    cast<unknown, FlagValue>(snapshot(details.value))
  )

/**
 * Checks whether a copy still equals the SDK's details. A structure never does,
 * since it can change inside.
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

/**
 * The resolution of a flag (specification 1.4): what a provider gives for it, or
 * what a `before` stage contributes in its place.
 *
 * @category models
 * @since 0.2.0
 */
export interface ResolutionDetails<out A = FlagValue> {
  /**
   * The value of the flag. A value of another type than the flag's is a
   * `TYPE_MISMATCH`. `NaN` is a number here, as it is for the SDK. Only a resolution
   * with an error code has none.
   */
  readonly value?: A | undefined
  /** The name of the variant. None by default. */
  readonly variant?: string | undefined
  /** Why the flag has this value, such as `STATIC` or `CACHED`. None by default. */
  readonly reason?: string | undefined
  /** The error code when the flag cannot be resolved. The caller gets its default value. None by default. */
  readonly errorCode?: ErrorCode | undefined
  /** The error message, which the caller gets. None by default. */
  readonly errorMessage?: string | undefined
  /** Facts about the flag, such as a version, also beside an error. None by default. */
  readonly flagMetadata?: Readonly<Record<string, string | number | boolean>> | undefined
}

const kept = new WeakSet()

/**
 * Checks whether a resolution was made by `keep`.
 *
 * @internal
 */
export const isKept = (given: object): given is ResolutionDetails => kept.has(given)

/**
 * Returns a copy like `resolutionFrom`, for a resolution that is contributed often:
 * it need not be checked and copied each time.
 *
 * @internal
 */
export const keep = (given: ResolutionDetails): ResolutionDetails | undefined => {
  const copy = resolutionFrom(given)
  // What could not be copied must not pass. `null` needs no copy.
  if (copy && (typeof copy.value !== "object" || copy.value === null || copy.value !== given.value)) kept.add(copy)
  return copy
}

/**
 * Returns a deeply frozen copy of the resolution of a hook, a store or a
 * provider, or `undefined` when it is none. What has another type is left out.
 *
 * @internal
 */
export const resolutionFrom = (given: unknown): ResolutionDetails | undefined => {
  if (!isRecord(given)) return undefined
  const own = (name: string): unknown => Object.hasOwn(given, name) ? given[name] : undefined
  const value = own("value")
  const errorCode = own("errorCode")
  if (value === undefined && !isErrorCode(errorCode)) return undefined
  const variant = own("variant")
  const reason = own("reason")
  const errorMessage = own("errorMessage")
  return Object.freeze({
    ...value === undefined ? undefined : { value: cast<unknown, FlagValue>(snapshot(value)) },
    ...typeof variant === "string" ? { variant } : undefined,
    ...typeof reason === "string" ? { reason } : undefined,
    ...isErrorCode(errorCode) ? { errorCode } : undefined,
    ...typeof errorMessage === "string" ? { errorMessage } : undefined,
    flagMetadata: metadataFrom(own("flagMetadata"))
  })
}

const isPlain = (value: unknown): value is string | number | boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean"

const metadataFrom = (given: unknown): ResolutionDetails["flagMetadata"] & {} => {
  const metadata: Record<string, string | number | boolean> = {}
  for (const [name, value] of isRecord(given) ? Object.entries(given) : []) {
    if (isPlain(value)) Object.defineProperty(metadata, name, { value, enumerable: true })
  }
  return Object.freeze(metadata)
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
 * Creates the details of a failed evaluation: the default value, the reason
 * `ERROR`, and the code and message of the error.
 *
 * **Example** (Creating the details of a missing flag)
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
 * Converts details to a writable copy in the SDK's type, for hooks of the SDK.
 *
 * @category converting
 * @since 0.1.0
 */
export const toSdk = (details: EvaluationDetails): SDK.EvaluationDetails<SDK.FlagValue> =>
  cast({ ...details, value: clone(details.value) })

/**
 * Converts a flag value to a writable copy in the SDK's type.
 *
 * @category converting
 * @since 0.1.0
 */
export const toSdkValue = (value: FlagValue): SDK.FlagValue => cast(clone(value))
