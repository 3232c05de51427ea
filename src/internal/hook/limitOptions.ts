/** The options that rate limits and budgets have in common. */
import * as Check from "../check.ts"
import * as LimitKey from "./limitKey.ts"
import * as OverLimit from "./overLimit.ts"

export const rules = {
  name: Check.aText,
  by: LimitKey.rule,
  ...OverLimit.rules,
  capacity: Check.positiveInteger,
  timeout: Check.positiveDuration,
  onAlert: Check.aFunction,
  alertCapacity: Check.positiveInteger,
  printKey: LimitKey.printRule,
  maxSeries: Check.positiveInteger,
  closeTimeout: Check.finiteDuration
}
