/**
 * What the SDK's evaluator does with hooks, as a pure function: the oracle.
 */
import type { EvaluationError } from "effect-openfeature"
import { type Act, hooksOf, type HookSpec, type Program, type Record_, type Stage } from "./program.ts"

export interface Details {
  readonly value: unknown
  readonly variant: string | undefined
  readonly errorCode: string | undefined
  readonly errorMessage: string | undefined
}

/** What one stage of one hook got to see; `count` is the number of stages that its hook data has seen. */
export interface Entry {
  readonly hook: string
  readonly stage: Stage
  readonly count: number
  readonly context: Record_
  readonly error?: { readonly code: string; readonly message: string } | undefined
  readonly details?: Details | undefined
}

export interface Observation {
  readonly trace: ReadonlyArray<Entry>
  /** What the provider was asked with, if it was asked. */
  readonly resolved: Record_ | undefined
  readonly details: Details
  /** What was reported to `HookFailures`. */
  readonly failures: ReadonlyArray<string>
}

interface Failure {
  readonly code: EvaluationError.ErrorCode
  readonly message: string
  /** What a hook of the SDK is told, where it is converted: what another one has thrown. */
  readonly thrown?: { readonly code: string; readonly message: string }
}

const statuses = {
  NOT_READY: { code: "PROVIDER_NOT_READY", message: "provider has not yet initialized" },
  FATAL: { code: "PROVIDER_FATAL", message: "provider is in an irrecoverable error state" }
} as const

const failureOf = (hook: HookSpec, stage: Stage, act: Act | undefined): Failure | undefined => {
  switch (act?._tag) {
    case "fail":
      return { code: act.code, message: act.message }
    case "failOther":
    case "die": {
      if (hook.style === "plain") return { code: "GENERAL", message: act.message }
      const verb = act._tag === "die" && hook.style === "effect" ? "died" : "failed"
      const failure: Failure = { code: "GENERAL", message: `hook "${hook.name}" ${verb} in its ${stage} stage` }
      return hook.style === "converted" ? { ...failure, thrown: { code: "GENERAL", message: act.message } } : failure
    }
    default:
      return undefined
  }
}

/** Whether a stage gives back what is ignored and reported. */
export const ignores = (hook: HookSpec, stage: string): boolean => {
  const act = stage === "before" ? hook.acts.before : undefined
  return hook.style === "effect" && act?._tag === "garbage" && act.value !== undefined
}

/** The evaluator. With `check`, a value that is no boolean is refused where `FeatureFlags` does it. */
export const predict = (program: Program, check: boolean): Observation => {
  const hooks = hooksOf(program).map(([level, hook]) => ({ level, hook, count: 0 }))
  const trace: Array<Entry> = []
  const failures: Array<string> = []
  const context = { ...program.contexts.api, ...program.contexts.client, ...program.contexts.invocation }

  const run = (slot: typeof hooks[number], stage: Stage, more?: Pick<Entry, "error" | "details">) => {
    const act = slot.hook.acts[stage]
    if (act === undefined) return undefined
    trace.push({ hook: slot.hook.name, stage, count: ++slot.count, context: { ...context }, ...more })
    const failure = failureOf(slot.hook, stage, act)
    const rejects = stage === "before" || stage === "after"
    if (failure !== undefined && slot.hook.style !== "plain" && !(rejects && act._tag === "fail")) {
      failures.push(`${slot.hook.name}.${stage}`)
    }
    // What is neither a contribution nor nothing is ignored, and reported for the first time.
    const entry = `${slot.hook.name}.${stage}`
    if (ignores(slot.hook, stage) && !failures.includes(entry)) failures.push(entry)
    if (stage === "before" && (act._tag === "add" || act._tag === "mutate")) Object.assign(context, act.context)
    return failure
  }
  const firstFailure = (slots: typeof hooks, stage: Stage, more?: Pick<Entry, "details">): Failure | undefined => {
    for (const slot of slots) {
      const failure = run(slot, stage, more)
      if (failure !== undefined) return failure
    }
    return undefined
  }
  const reversed = Array.from(hooks).reverse()
  const isProvider = (slot: typeof hooks[number]) => slot.level === "provider"

  let resolved: Record_ | undefined = undefined
  const resolve = (): Failure | Details => {
    const rejected = firstFailure(hooks, "before")
    if (rejected !== undefined) return rejected
    if (program.status !== "READY") return statuses[program.status]
    resolved = { ...context }
    const { answer } = program
    if (answer._tag !== "value") return { code: answer.code ?? "GENERAL", message: answer.message }
    const details = { value: answer.value, variant: answer.variant, errorCode: undefined, errorMessage: undefined }
    return firstFailure(reversed.filter(isProvider), "after", { details }) ??
      (check && typeof answer.value !== "boolean"
        ? { code: "TYPE_MISMATCH", message: "the flag's value is not a boolean" }
        : firstFailure(reversed.filter((slot) => !isProvider(slot)), "after", { details })) ??
      details
  }

  const outcome = resolve()
  if ("value" in outcome) {
    for (const slot of reversed) run(slot, "finally", { details: outcome })
    return { trace, resolved, details: outcome, failures }
  }
  const details = { value: false, variant: undefined, errorCode: outcome.code, errorMessage: outcome.message }
  const { thrown, ...error } = outcome
  for (const slot of reversed) run(slot, "error", { error: slot.hook.style === "converted" ? thrown ?? error : error })
  for (const slot of reversed) run(slot, "finally", { details })
  return { trace, resolved, details, failures }
}
