/**
 * Hooks of all registrations that take part in an evaluation, compiled: which of
 * them takes part in which stage, in which order. Made when a registration
 * changes, used for every evaluation.
 */
import type { Stage } from "../../HookFailures.ts"
import type { HookContext } from "../../HookContext.ts"
import type { Part } from "../hook/part.ts"
import type { Registration } from "../hook/registration.ts"

/** One hook in one stage. */
export interface Entry {
  readonly name: string
  /** The place in the stack, which is also the place of the hook's data. */
  readonly index: number
  readonly registration: Registration
  readonly isObserved: boolean
  readonly hookData: (() => unknown) | undefined
  /** Whether the hook has given a real effect in this stage before: it needs a fiber then, and probably will again. */
  givesEffects: boolean
  /** Whether it was said that the hook gave something that is no contribution. */
  hasWarned: boolean
  run(context: HookContext, ...rest: ReadonlyArray<unknown>): unknown
}

export class Stack {
  readonly registrations: ReadonlyArray<Registration>
  readonly before: ReadonlyArray<Entry>
  readonly after: ReadonlyArray<Entry>
  readonly error: ReadonlyArray<Entry>
  readonly finally: ReadonlyArray<Entry>
  readonly #longer = new WeakMap<Registration, Stack>()

  constructor(registrations: ReadonlyArray<Registration>) {
    this.registrations = registrations
    this.before = entriesOf(registrations, "before")
    this.after = entriesOf(registrations, "after").reverse()
    this.error = entriesOf(registrations, "error").reverse()
    this.finally = entriesOf(registrations, "finally").reverse()
  }

  get isEmpty(): boolean {
    return this.registrations.length === 0
  }
  /** The stack with one registration more. */
  with(registration: Registration): Stack {
    const known = this.#longer.get(registration)
    if (known !== undefined) return known
    const longer = new Stack([...this.registrations, registration])
    this.#longer.set(registration, longer)
    return longer
  }
}

const entriesOf = (registrations: ReadonlyArray<Registration>, stage: Stage): Array<Entry> => {
  const entries: Array<Entry> = []
  let index = 0
  for (const registration of registrations) {
    for (const part of registration.parts) {
      const entry = entryOf(part, stage, index++, registration)
      if (entry !== undefined) entries.push(entry)
    }
  }
  return entries
}

const entryOf = (
  part: Part,
  stage: Stage,
  index: number,
  registration: Registration
): Entry | undefined => {
  const { hookData, isObserved, name, [stage]: run } = part
  return run && { name, index, registration, isObserved, hookData, givesEffects: false, hasWarned: false, run }
}

export const empty: Stack = new Stack([])
