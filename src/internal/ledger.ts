/**
 * A map with a bounded number of entries that lose their worth with time. It forgets those that are worth nothing
 * while it is used, and when it is full, one of the least worth.
 */

export interface Entry {
  readonly key: string
}

/** How many entries are compared when one has to go. Comparing all of them would make a flood of keys expensive. */
const compared = 16

export class Ledger<A extends Entry> {
  readonly #entries = new Map<string, A>()
  readonly #capacity: number
  readonly #worth: (entry: A, now: number) => number
  // It stays valid while entries come and go, so each use looks at a few, and all are looked at in turn.
  #cursor = this.#entries.values()
  #uses = 0
  /** The entries that were forgotten although they were worth something. */
  evicted = 0

  constructor(capacity: number, worth: (entry: A, now: number) => number) {
    this.#capacity = capacity
    this.#worth = worth
  }
  get size(): number {
    return this.#entries.size
  }
  get(key: string, now: number): A | undefined {
    if ((++this.#uses & 7) === 0) this.#sweep(2, now)
    return this.#entries.get(key)
  }
  /** Adds an entry with a new key. */
  add(entry: A, now: number): void {
    this.#sweep(2, now)
    if (this.#entries.size >= this.#capacity) this.#evict(now)
    this.#entries.set(entry.key, entry)
  }
  #next(): A | undefined {
    const { done, value } = this.#cursor.next()
    if (done !== true) return value
    this.#cursor = this.#entries.values()
    return this.#cursor.next().value
  }
  #sweep(count: number, now: number): void {
    for (let i = 0; i < count; i++) {
      const entry = this.#next()
      if (entry === undefined) return
      if (this.#worth(entry, now) <= 0) this.#entries.delete(entry.key)
    }
  }
  #evict(now: number): void {
    let least = this.#next()
    let worth = least === undefined ? 0 : this.#worth(least, now)
    for (let i = 1; i < compared && worth > 0; i++) {
      const entry = this.#next()
      const other = entry === undefined ? worth : this.#worth(entry, now)
      if (other < worth) [least, worth] = [entry, other]
    }
    if (least === undefined) return
    this.#entries.delete(least.key)
    if (worth > 0) this.evicted++
  }
}
