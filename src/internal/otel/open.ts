/**
 * Evaluations that have begun and not ended, the oldest first. A provider can
 * hang for ever, so they are let go when they are too old.
 */

/** Something that is open; a member of at most one list. */
export class Open {
  previous: Open | undefined = undefined
  next: Open | undefined = undefined
  isOpen = false
  startedAt = 0n
  /** Called once, when the list lets go of it because it is too old. */
  onExpired(): void {}
}

export class OpenList {
  #first: Open | undefined = undefined
  #last: Open | undefined = undefined
  readonly #maxAge: bigint

  constructor(maxAge: bigint) {
    this.#maxAge = maxAge
  }
  get isEmpty(): boolean {
    return this.#first === undefined
  }
  add(open: Open, now: bigint): void {
    open.startedAt = now
    open.isOpen = true
    open.previous = this.#last
    if (this.#last === undefined) this.#first = open
    else this.#last.next = open
    this.#last = open
  }
  /** Whether it was still open. */
  remove(open: Open): boolean {
    if (!open.isOpen) return false
    open.isOpen = false
    const { next, previous } = open
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    open.previous = undefined
    open.next = undefined
    return true
  }
  /** Lets go of whatever is older than the list allows. */
  expire(now: bigint): void {
    for (let open = this.#first; open !== undefined && now - open.startedAt >= this.#maxAge; open = this.#first) {
      this.remove(open)
      open.onExpired()
    }
  }
}
