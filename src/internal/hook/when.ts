/** Restricts a part to the evaluations that match a filter. */
import type { FlagFilter } from "../../FlagFilter.ts"
import type { HookContext } from "../../HookContext.ts"
import * as Part from "./part.ts"

class Gate {
  taken: boolean | undefined = undefined
  data: unknown = undefined
}

/** The filter runs once per evaluation, in the first stage. */
export const when = (part: Part.Part, filter: FlagFilter): Part.Part<Gate> => {
  const { hookData } = part
  const isOpen = (gate: Gate, context: HookContext): boolean => {
    if (gate.taken === undefined) {
      gate.taken = false
      const taken = filter(context)
      if (taken) gate.data = hookData?.()
      gate.taken = taken
    }
    return gate.taken
  }
  return Part.mapStages(
    part,
    () => new Gate(),
    (_stage, context, gate, run) => isOpen(gate, context) ? run(context, gate.data) : undefined
  )
}
