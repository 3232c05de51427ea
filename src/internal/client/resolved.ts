/** What an evaluation came to, with the value checked against the type of the flag. */
import type * as SDK from "@openfeature/server-sdk"
import * as Result from "effect/Result"
import * as EvaluationDetails from "../../EvaluationDetails.ts"
import * as EvaluationError from "../../EvaluationError.ts"
import { general } from "../runner/failure.ts"
import { tryOr } from "../untrusted.ts"
import type { FlagType } from "./flagType.ts"

/** The flag that an evaluation asks for. */
export interface Question<out A> {
  readonly type: FlagType<A>
  readonly flagKey: string
  readonly defaultValue: A
}

export interface Outcome<out A> {
  readonly value: A
  readonly details: EvaluationDetails.EvaluationDetails<A>
}

type SdkDetails = SDK.EvaluationDetails<SDK.FlagValue>

export const gaveUp = (flagKey: string): EvaluationError.EvaluationError =>
  general("the SDK gave up on the evaluation", { flagKey })

/** Checks the type of a value once: before the first `after` stage, or at the end. */
export class Resolved<out A> implements Outcome<A> {
  readonly #question: Question<A>
  #decoded: Result.Result<A, string> | undefined = undefined
  #details: SdkDetails | undefined = undefined

  constructor(question: Question<A>) {
    this.#question = question
  }

  /** Throws if the value has the wrong type. */
  accept(details: SdkDetails): void {
    const decoded = this.#decode(details)
    if (Result.isFailure(decoded)) throw this.#mismatch(decoded.failure)
  }

  with(details: SdkDetails): this {
    this.#details = details
    return this
  }

  get value(): A {
    const details = this.#details
    try {
      const decoded = details === undefined || details.errorCode ? undefined : this.#decode(details)
      if (decoded !== undefined && Result.isSuccess(decoded)) return decoded.success
    } catch {
      // The default is all that is left.
    }
    return this.#question.defaultValue
  }

  get details(): EvaluationDetails.EvaluationDetails<A> {
    const details = this.#details
    const { defaultValue, flagKey } = this.#question
    if (details === undefined) return EvaluationDetails.failed(flagKey, defaultValue, gaveUp(flagKey))
    return tryOr(() => {
      if (details.errorCode) return EvaluationDetails.withValue(EvaluationDetails.normalized(details), defaultValue)
      const decoded = this.#decode(details)
      return Result.isFailure(decoded)
        ? EvaluationDetails.failed(flagKey, defaultValue, this.#mismatch(decoded.failure))
        : EvaluationDetails.withValue(details, decoded.success)
    }, () => {
      const error = general("the evaluation details cannot be read", { flagKey })
      return EvaluationDetails.failed(flagKey, defaultValue, error)
    })
  }

  #decode(details: SdkDetails): Result.Result<A, string> {
    const { type } = this.#question
    try {
      return this.#decoded ??= type.decode(details.value)
    } catch {
      return this.#decoded = Result.fail(type.expected)
    }
  }

  #mismatch(expected: string): EvaluationError.EvaluationError {
    const { flagKey } = this.#question
    return Object.freeze(
      new EvaluationError.EvaluationError({
        code: "TYPE_MISMATCH",
        message: `the flag's value is not ${expected}`,
        flagKey
      })
    )
  }
}
