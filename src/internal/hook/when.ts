/** Restricts a part to the evaluations that match a filter. */
import type { FlagFilter } from "../../FlagFilter.ts"
import { isMatch } from "../filtering.ts"
import type { Part } from "./part.ts"

/** The runner asks the filter, so that an evaluation that does not match costs nearly nothing. */
export const when = (part: Part, filter: FlagFilter): Part => {
  const inner = part.filter
  return { ...part, filter: inner === undefined ? filter : (context) => isMatch(filter, context) && inner(context) }
}
