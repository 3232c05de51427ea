/** Fibers that wait for a condition. */
import * as Effect from "effect/Effect"

export class Waiters {
  readonly #isMet: () => boolean
  readonly #waiting = new Set<() => void>()

  constructor(isMet: () => boolean) {
    this.#isMet = isMet
  }

  get size(): number {
    return this.#waiting.size
  }

  readonly wait: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.#isMet()) return resume(Effect.void)
    const done = () => resume(Effect.void)
    this.#waiting.add(done)
    return Effect.sync(() => void this.#waiting.delete(done))
  })

  /** Lets all go on if the condition is met. They run at once, and may change the condition and wait again. */
  notify(): void {
    if (!this.#isMet()) return
    const waiting = Array.from(this.#waiting)
    this.#waiting.clear()
    for (const done of waiting) done()
  }
}
