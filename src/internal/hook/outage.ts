/**
 * Leaves a store alone that does not answer, so that evaluations do not wait for it one after the other. Then one call
 * finds out whether it is back.
 */

/** So many calls in a row begin an outage. */
const enough = 3

/** In milliseconds. After such a pause, one call goes to the store. */
const pause = 1000

/** Tells calls that began before a failure, or an answer, from those that began after it. */
export type Call = number

export class Outage {
  readonly #now: () => number
  #failed = 0
  #call: Call = 0
  #askAt = 0

  /** The time is in milliseconds of the monotonic clock. */
  constructor(now: () => number) {
    this.#now = now
  }
  /** Returns `undefined` when the store is to be left alone. */
  begin(): Call | undefined {
    if (this.#failed < enough) return this.#call
    const now = this.#now()
    if (now < this.#askAt) return undefined
    this.#askAt = now + pause
    return this.#call
  }
  answered(): void {
    if (this.#failed === 0) return
    this.#failed = 0
    this.#call++
  }
  /** Returns whether the failure is news: whether it was not known before that the store does not answer. */
  failed(call: Call): boolean {
    const isNews = this.#failed < enough
    // Calls that fail together, such as after a pause of the process, are one failure.
    if (call !== this.#call) return isNews
    this.#call++
    this.#failed++
    this.#askAt = this.#now() + pause
    return isNews
  }
}
