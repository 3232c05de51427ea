/**
 * The error of an evaluation, with an OpenFeature error code.
 *
 * A hook rejects an evaluation by failing with an `EvaluationError`. Its code
 * and message reach the caller's evaluation details. Any other failure of a hook
 * becomes `GENERAL` with a fixed message, so foreign codes and texts do not
 * leak. The `error` stage of a hook always receives an `EvaluationError`, even
 * when a provider or a hook of the SDK threw something else.
 *
 * @since 0.1.0
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Data from "effect/Data"
import { readString, tryOr } from "./internal/untrusted.ts"
import { oneLine } from "./internal/text.ts"

// Errors of another copy of this library, such as one that a plugin brings, are recognised by this name.
const TypeId = "~effect-openfeature/EvaluationError"

/**
 * The error codes of the OpenFeature specification (section 1.7), as a union of
 * strings.
 *
 * @category models
 * @since 0.1.0
 */
export type ErrorCode = `${SDK.ErrorCode}`

const codes: ReadonlySet<string> = new Set<ErrorCode>([
  "PROVIDER_NOT_READY",
  "PROVIDER_FATAL",
  "FLAG_NOT_FOUND",
  "PARSE_ERROR",
  "TYPE_MISMATCH",
  "TARGETING_KEY_MISSING",
  "INVALID_CONTEXT",
  "GENERAL"
])

/**
 * Checks whether a value is an OpenFeature error code.
 *
 * **Example** (Checking error codes)
 *
 * ```ts
 * import { EvaluationError } from "effect-openfeature"
 *
 * EvaluationError.isErrorCode("TYPE_MISMATCH") // => true
 * EvaluationError.isErrorCode("ECONNREFUSED") // => false
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isErrorCode = (value: unknown): value is ErrorCode => typeof value === "string" && codes.has(value)

/**
 * The maximum length of the message of an `EvaluationError` made by this
 * library: 1,000 characters.
 *
 * **Details**
 *
 * Longer messages are truncated.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxMessageLength = 1000

/**
 * An evaluation that failed, with an OpenFeature error code and a message.
 *
 * **When to use**
 *
 * Use to reject an evaluation from the `before` or `after` stage of a hook. It
 * is also the error of `getOrFail`, `valueOrFail` and `orFail` of `FeatureFlags`.
 *
 * **Details**
 *
 * Errors that this library rejects an evaluation with are frozen copies.
 *
 * **Gotchas**
 *
 * The message reaches the caller as `errorMessage`. Do not put user data into
 * it.
 *
 * **Example** (Rejecting an evaluation)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { EvaluationError, FeatureHook } from "effect-openfeature"
 *
 * const weekdaysOnly = FeatureHook.make("weekdays-only", {
 *   before: () =>
 *     Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "closed on weekends" }))
 * })
 * weekdaysOnly.name // => "weekdays-only"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class EvaluationError extends Data.TaggedError("EvaluationError")<{
  /** The error code, which reaches the caller as `errorCode`. */
  readonly code: ErrorCode
  /** The message, which reaches the caller as `errorMessage`. */
  readonly message: string
  /** The key of the flag, if it is known. */
  readonly flagKey?: string | undefined
}> {
  /** @internal */
  get [TypeId](): true {
    return true
  }
  constructor(options: {
    /** The error code. There is no default. */
    readonly code: ErrorCode
    /** The message. It reaches the caller as one line of at most `maxMessageLength` characters. */
    readonly message: string
    /** The key of the flag. By default the library fills it in when it rejects an evaluation. */
    readonly flagKey?: string | undefined
    /**
     * The original error. It is not enumerable, so serialisation leaves it out.
     * Printers that follow causes, such as `Cause.pretty`, show it. None by default.
     */
    readonly cause?: unknown
  }) {
    super({ code: options.code, message: options.message, flagKey: options.flagKey })
    if (options.cause !== undefined) {
      Object.defineProperty(this, "cause", { value: options.cause, enumerable: false })
    }
  }
}

/**
 * Checks whether a value is an `EvaluationError`.
 *
 * **Details**
 *
 * An error of another copy of this library is one too. Never throws, not even
 * for a hostile proxy.
 *
 * @category guards
 * @since 0.1.0
 */
export const isEvaluationError = (value: unknown): value is EvaluationError =>
  tryOr(() => value instanceof EvaluationError || isOfAnotherCopy(value), () => false)

const isOfAnotherCopy = (value: unknown): boolean =>
  value instanceof Error && TypeId in value && isErrorCode(readString(value, "code")) &&
  readString(value, "message") !== undefined

/**
 * Converts any thrown value to an `EvaluationError`.
 *
 * **Details**
 *
 * Keeps an OpenFeature `code`. Any other code becomes `GENERAL`. Keeps a
 * `message` that is a string, as one line of at most `maxMessageLength`
 * characters with control characters escaped. The value itself becomes the
 * `cause`.
 *
 * Never throws. It reads codes by name instead of using `instanceof`, since the
 * ESM and CommonJS builds of the SDK have different error classes.
 *
 * **Example** (Converting a foreign error)
 *
 * ```ts
 * import { EvaluationError } from "effect-openfeature"
 *
 * const error = EvaluationError.fromUnknown({ code: "ECONNREFUSED", message: "connect ECONNREFUSED" })
 * error.code // => "GENERAL"
 * error.message // => "connect ECONNREFUSED"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromUnknown = (error: unknown, flagKey?: string | undefined): EvaluationError => {
  const code = readString(error, "code")
  const message = readString(error, "message")
  return new EvaluationError({
    code: isErrorCode(code) ? code : "GENERAL",
    message: message === undefined || message === ""
      ? "the evaluation failed without a message"
      : oneLine(message, maxMessageLength),
    flagKey,
    cause: error
  })
}

/**
 * Converts evaluation details to their error, or `undefined` if there is none.
 *
 * **Example** (Reading the error of a missing flag)
 *
 * ```ts
 * import { EvaluationError } from "effect-openfeature"
 *
 * const error = EvaluationError.fromDetails({
 *   flagKey: "new-checkout",
 *   errorCode: "FLAG_NOT_FOUND",
 *   errorMessage: "no such flag"
 * })
 * error?.code // => "FLAG_NOT_FOUND"
 * error?.flagKey // => "new-checkout"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromDetails = (details: {
  /** The key of the flag. */
  readonly flagKey: string
  /** The error code. Without one there is no error. One that is not OpenFeature's becomes `GENERAL`. */
  readonly errorCode?: string | undefined
  /** The error message. By default the error has a fixed one. */
  readonly errorMessage?: string | undefined
}): EvaluationError | undefined =>
  details.errorCode
    ? fromUnknown({ code: details.errorCode, message: details.errorMessage }, details.flagKey)
    : undefined
