/** A map with a bounded number of entries. When it is full, it forgets the least recently used one. */
export class Recent<A> {
  // A Map iterates in the order of insertion, so the first entry is the least recently used one.
  readonly #entries = new Map<string, A>()
  readonly #capacity: number
  #newest: string | undefined = undefined

  constructor(capacity: number) {
    this.#capacity = capacity
  }
  get size(): number {
    return this.#entries.size
  }
  /** Returns the value without using it. */
  peek(key: string): A | undefined {
    return this.#entries.get(key)
  }
  /** Makes the entry the most recently used one. */
  use(key: string, value: A): void {
    // Moving it takes longer than a comparison, and bursts have the same key.
    if (this.#newest === key) return
    this.#newest = key
    this.#entries.delete(key)
    this.#entries.set(key, value)
  }
  /** Adds or replaces an entry. Returns the value that had to go for it. */
  set(key: string, value: A): A | undefined {
    this.#newest = key
    this.#entries.delete(key)
    const forgotten = this.#entries.size < this.#capacity ? undefined : this.#shift()
    this.#entries.set(key, value)
    return forgotten
  }
  /** Removes the entry if it still has the value. */
  delete(key: string, value: A): void {
    if (this.#entries.get(key) !== value) return
    this.#entries.delete(key)
    if (this.#newest === key) this.#newest = undefined
  }
  clear(): void {
    this.#entries.clear()
    this.#newest = undefined
  }
  #shift(): A | undefined {
    for (const [key, value] of this.#entries) {
      this.#entries.delete(key)
      return value
    }
    return undefined
  }
}
