/**
 * The hooks of all registrations of an evaluation, compiled by stage and in
 * order. A stack is compiled when a registration changes, and used for every
 * evaluation.
 */
import type { Stage } from "../../HookFailures.ts"
import type { HookContext } from "../../HookContext.ts"
import type { FlagFilter } from "../../FlagFilter.ts"
import type { Part } from "../hook/part.ts"
import type { Registration } from "../hook/registration.ts"
import { noteHook } from "../hook/transactionHook.ts"

/** One hook in one stage. */
export interface Entry {
  readonly name: string
  /** The position in the stack, which is also the position of the hook data. */
  readonly index: number
  readonly registration: Registration
  /** `undefined` if a failure does what the specification says. */
  readonly onFailure: "report" | "ignore" | undefined
  readonly hookData: (() => unknown) | undefined
  readonly filter: FlagFilter | undefined
  /** Whether the hook has returned an effect in this stage before. It needed a fiber then and probably will again. */
  givesEffects: boolean
  /** Whether an invalid contribution of the hook was reported. */
  hasWarned: boolean
  /** The same for its resolution. */
  hasWarnedOfResolution: boolean
  run(context: HookContext, ...rest: ReadonlyArray<unknown>): unknown
}

/** Something that has a stack at any time: hooks that never change, or a registry. */
export interface Stacked {
  readonly stack: Stack
}

export class Stack implements Stacked {
  readonly registrations: ReadonlyArray<Registration>
  readonly before: ReadonlyArray<Entry>
  readonly after: ReadonlyArray<Entry>
  readonly error: ReadonlyArray<Entry>
  readonly finally: ReadonlyArray<Entry>
  /** The number of hooks. */
  readonly size: number
  readonly #longer = new WeakMap<Registration, Stack>()

  constructor(registrations: ReadonlyArray<Registration>) {
    this.registrations = registrations
    this.size = registrations.reduce((sum, { parts }) => sum + parts.length, 0)
    this.before = entriesOf(registrations, "before")
    for (const { name } of this.before) noteHook(name)
    this.after = entriesOf(registrations, "after").reverse()
    this.error = entriesOf(registrations, "error").reverse()
    this.finally = entriesOf(registrations, "finally").reverse()
  }

  get stack(): Stack {
    return this
  }
  get isEmpty(): boolean {
    return this.registrations.length === 0
  }
  /** Returns the stack with an additional registration. */
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
  const { filter, hookData, name, onFailure, [stage]: run } = part
  return run && {
    name,
    index,
    registration,
    onFailure: onFailure[stage],
    hookData,
    filter,
    givesEffects: false,
    hasWarned: false,
    hasWarnedOfResolution: false,
    run
  }
}

export const empty: Stack = new Stack([])
