/**
 * Why an evaluation failed: one tagged error with a code from the OpenFeature
 * set.
 *
 * A hook that wants to reject an evaluation fails with an `EvaluationError`;
 * its code and message reach the caller's evaluation details. Any other failure
 * of a hook becomes `GENERAL` with a fixed message, so neither foreign codes
 * nor the text of foreign errors leak. The `error` stage of a hook receives one
 * too, whatever the provider or another hook has thrown.
 *
 * @since 0.1.0
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Data from "effect/Data"
import { readString, tryOr } from "./internal/untrusted.ts"
import { oneLine } from "./internal/text.ts"

/**
 * The error codes of the OpenFeature specification (section 1.7 and the types
 * page), as a union of strings.
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
 * Tells whether a value is an OpenFeature error code.
 *
 * **Example** (Telling codes from foreign ones)
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
 * The longest message, in characters, that an `EvaluationError` made by this
 * library carries; what is longer is cut.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxMessageLength = 1000

/**
 * An evaluation that did not give a value, with an OpenFeature error code and a
 * message of one line.
 *
 * **When to use**
 *
 * Use to reject an evaluation from the `before` or `after` stage of a hook, and
 * as the failure of `FeatureFlags.orFail`.
 *
 * **Details**
 *
 * `code` defaults to nothing: name it. `flagKey` is filled in by the library.
 * `cause` holds what was originally thrown. It is not enumerable, so serialising
 * the error leaves it out; printers that follow causes, `Cause.pretty` among
 * them, show it.
 *
 * **Gotchas**
 *
 * The message of an error that a hook fails with reaches the caller as
 * `errorMessage`. Put no user data into it.
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
  readonly code: ErrorCode
  readonly message: string
  readonly flagKey?: string | undefined
}> {
  constructor(options: {
    readonly code: ErrorCode
    readonly message: string
    readonly flagKey?: string | undefined
    readonly cause?: unknown
  }) {
    super({ code: options.code, message: options.message, flagKey: options.flagKey })
    if (options.cause !== undefined) {
      Object.defineProperty(this, "cause", { value: options.cause, enumerable: false })
    }
  }
}

/**
 * Tells whether a value is an `EvaluationError`. Never throws, whatever the
 * value is.
 *
 * @category guards
 * @since 0.1.0
 */
export const isEvaluationError = (value: unknown): value is EvaluationError =>
  tryOr(() => value instanceof EvaluationError, () => false)

/**
 * Turns whatever was thrown or returned as an error into an `EvaluationError`.
 *
 * **Details**
 *
 * A `code` from the OpenFeature set is kept, every other one becomes `GENERAL`.
 * A `message` that is a string is kept as one line of up to `maxMessageLength`
 * characters, control characters escaped. The value itself becomes the `cause`. Never throws, whatever the value is: codes
 * are read by name, not with `instanceof`, since the ESM and the CommonJS copy
 * of the SDK have different error classes.
 *
 * **Example** (A foreign code does not get through)
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
 * Reads the error out of evaluation details, `undefined` when they carry none.
 *
 * **Example** (Details of a missing flag)
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
  readonly flagKey: string
  readonly errorCode?: string | undefined
  readonly errorMessage?: string | undefined
}): EvaluationError | undefined =>
  details.errorCode
    ? fromUnknown({ code: details.errorCode, message: details.errorMessage }, details.flagKey)
    : undefined
