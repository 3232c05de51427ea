/** Selects audit records. */
import type { Line } from "../../audit/AuditRecord.ts"
import { globMatcher } from "../../FlagFilter.ts"
import * as Check from "../../internal/check.ts"
import { timeOf } from "../../internal/time.ts"
import type { Selection } from "../AuditTrail.ts"

const instant: Check.Rule = (owner, name, value) => {
  if (timeOf(value) === undefined) {
    Check.reject(owner, name, "a time, such as \"2026-01-31\" or \"2026-01-31T18:00:00Z\"", value)
  }
}

const aGlob: Check.Rule = (owner, name, value) => {
  const text = Check.aText(owner, name, value)
  if (text.length > 256) Check.reject(owner, name, "a glob of at most 256 characters", value)
}

export const rules: Check.Rules<Selection> = {
  flag: aGlob,
  since: instant,
  until: instant,
  error: (owner, name, value) => typeof value === "boolean" || Check.aText(owner, name, value),
  variant: Check.aText,
  targetingKey: Check.aText
}

/** Whether a record tells of an evaluation that ended with an error. */
export const isError = (record: Line): boolean => record.errorCode !== undefined || record.rejectedBy !== undefined

export const make = (selection: Selection): (record: Line) => boolean => {
  const { error, flag, targetingKey, variant } = selection
  const since = timeOf(selection.since)
  const until = timeOf(selection.until)
  const matchesFlag = flag === undefined ? undefined : globMatcher(flag)
  const matchesTime = (record: Line): boolean => {
    if (since === undefined && until === undefined) return true
    const time = timeOf(record.time) ?? Number.NaN
    return (since === undefined || time >= since) && (until === undefined || time < until)
  }
  return (record) =>
    (matchesFlag === undefined || matchesFlag(record.flagKey)) &&
    (error === undefined || (typeof error === "string" ? record.errorCode === error : isError(record) === error)) &&
    (variant === undefined || (record.variant !== undefined && String(record.variant) === variant)) &&
    (targetingKey === undefined || record.targetingKey === targetingKey) &&
    matchesTime(record)
}
