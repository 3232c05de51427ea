/** What a run of a program writes down, in the words of the model. */
import { Function } from "effect"
import type { Details, Entry } from "./model.ts"
import type { Record_, Stage } from "./program.ts"

/** A copy of all that is in an evaluation context. */
export const recordOf = (context: object): Record_ => Function.cast({ ...context })

export const detailsOf = (details: {
  readonly value: unknown
  readonly variant?: string | undefined
  readonly errorCode?: string | undefined
  readonly errorMessage?: string | undefined
}): Details => ({
  value: details.value,
  variant: details.variant,
  errorCode: details.errorCode,
  errorMessage: details.errorMessage
})

export class Journal {
  readonly trace: Array<Entry> = []
  readonly failures: Array<string> = []
  resolved: Record_ | undefined = undefined
  readonly #listeners = new Map<string, Array<() => void>>()

  /** Does something as soon as a hook is in a stage, before what already listens. */
  on(hook: string, stage: Stage, listener: () => void): void {
    const key = `${hook}.${stage}`
    this.#listeners.set(key, [listener, ...this.#listeners.get(key) ?? []])
  }
  /** Does something once all that listens to a hook in a stage is done. */
  onLast(hook: string, stage: Stage, listener: () => void): void {
    const key = `${hook}.${stage}`
    this.#listeners.set(key, [...this.#listeners.get(key) ?? [], listener])
  }
  /** A hook is in a stage, and so far that what listens may happen. */
  arrive(hook: string, stage: Stage): void {
    for (const listener of this.#listeners.get(`${hook}.${stage}`) ?? []) listener()
  }
}
