/** A provider that answers as a program says. */
import * as SDK from "@openfeature/server-sdk"
import { Function } from "effect"
import { Journal, recordOf } from "./journal.ts"
import type { Program } from "./program.ts"

const initializers: Record<Program["status"], () => Promise<void>> = {
  READY: () => Promise.resolve(),
  NOT_READY: () => new Promise(() => undefined),
  FATAL: () => Promise.reject(new SDK.ProviderFatalError("fatal"))
}

const unscripted = () => Promise.reject(new Error("not scripted"))

export class Scripted implements SDK.Provider {
  readonly metadata = { name: "scripted" }
  readonly runsOn = "server"
  readonly resolveStringEvaluation = unscripted
  readonly resolveNumberEvaluation = unscripted
  readonly resolveObjectEvaluation = unscripted
  readonly initialize?: () => Promise<void>
  hooks: Array<SDK.Hook> = []
  program: Pick<Program, "answer" | "isAsync"> | undefined = undefined
  journal = new Journal()

  /** Without a status it is ready as soon as the SDK has it. */
  constructor(status?: Program["status"]) {
    if (status !== undefined) this.initialize = initializers[status]
  }
  resolveBooleanEvaluation(
    _flagKey: string,
    _defaultValue: boolean,
    context: SDK.EvaluationContext
  ): Promise<SDK.ResolutionDetails<boolean>> {
    this.journal.resolved = recordOf(context)
    // The types of the SDK do not say what it takes: no promise, and any value.
    return Function.cast(resolution(this.program))
  }
}

const resolution = (program: Pick<Program, "answer" | "isAsync"> | undefined): unknown => {
  const answer = program?.answer
  if (answer === undefined) return undefined
  if (answer._tag === "value") {
    const details = { value: answer.value, ...answer.variant === undefined ? {} : { variant: answer.variant } }
    return program?.isAsync === true ? Promise.resolve(details) : details
  }
  if (answer._tag === "errorCode") {
    return { value: false, errorCode: answer.code, errorMessage: answer.message }
  }
  const error = Object.assign(new Error(answer.message), answer.code === undefined ? {} : { code: answer.code })
  if (answer._tag === "reject") return Promise.reject(error)
  throw error
}
