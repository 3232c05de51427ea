/** Fibers that wait for a condition. */
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"

export class Waiters {
  readonly #isMet: () => boolean
  readonly #waiting = new Set<() => void>()

  constructor(isMet: () => boolean) {
    this.#isMet = isMet
  }

  get size(): number {
    return this.#waiting.size
  }

  readonly wait: Effect.Effect<void> = this.waitWith(constVoid)

  /** Does something as soon as this waits. Before, the fiber could make room for others, who would see nobody waiting. */
  waitWith(onWait: () => void): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.#isMet()) return resume(Effect.void)
      const done = () => resume(Effect.void)
      this.#waiting.add(done)
      onWait()
      return Effect.sync(() => void this.#waiting.delete(done))
    })
  }

  /** Lets all go on if the condition is met. They run at once, and may change the condition and wait again. */
  notify(): void {
    if (!this.#isMet()) return
    const waiting = Array.from(this.#waiting)
    this.#waiting.clear()
    for (const done of waiting) done()
  }
}
