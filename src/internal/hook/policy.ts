/** What a failure of each stage does. */
import type { Stage } from "../../HookFailures.ts"
import * as Check from "../check.ts"

/** Without a decision, `before` and `after` reject, and the others report. */
export type Policy = { readonly [Name in Stage]: "report" | "ignore" | undefined }

export const undecided: Policy = { before: undefined, after: undefined, error: undefined, finally: undefined }

export const observed: Policy = { before: "report", after: "report", error: "report", finally: "report" }

type Given = { readonly [Name in Stage]?: "reject" | Policy[Name] }

const canReject = Check.among("reject", "report", "ignore")
const never = Check.among("report", "ignore")
const rules: Check.Rules<Given> = { before: canReject, after: canReject, error: never, finally: never }

/** Throws a `RangeError` that names the stage. */
export const from = (policy: Given): Policy => {
  const given = Check.options("FeatureHook.failurePolicy", policy, rules)
  const decision = (stage: Stage) => {
    const found = Object.hasOwn(given, stage) ? given[stage] : undefined
    return found === "reject" ? undefined : found
  }
  return {
    before: decision("before"),
    after: decision("after"),
    error: decision("error"),
    finally: decision("finally")
  }
}

/** The innermost decision holds, so nothing around an observed hook makes it reject an evaluation again. */
export const within = (inner: Policy, outer: Policy): Policy => ({
  before: inner.before ?? outer.before,
  after: inner.after ?? outer.after,
  error: inner.error ?? outer.error,
  finally: inner.finally ?? outer.finally
})

export const print = (policy: Policy): string => {
  const decisions = Object.entries(policy).flatMap(([stage, does]) => does === undefined ? [] : `${stage}: "${does}"`)
  return `failurePolicy({ ${decisions.join(", ")} })`
}
