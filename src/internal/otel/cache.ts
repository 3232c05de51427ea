/**
 * Remembers what was made for the labels of a metric, as far as there is room.
 * Found without making a text of the labels, which every evaluation would pay.
 */
export interface Labels {
  readonly flagKey: string
  readonly provider: string
  readonly variant: string | undefined
  readonly reason: string | undefined
  readonly errorType: string | undefined
  /** The text of all further attributes. */
  readonly extra: string
}

interface Entry<A> {
  readonly labels: Labels
  readonly value: A
}

const same = (self: Labels, that: Labels): boolean =>
  self.provider === that.provider && self.reason === that.reason && self.errorType === that.errorType &&
  self.extra === that.extra

export class LabelCache<A> {
  readonly #byFlag = new Map<string, Map<string | undefined, Array<Entry<A>>>>()
  readonly #limit: number
  #size = 0

  constructor(limit: number) {
    this.#limit = limit
  }
  get isFull(): boolean {
    return this.#size >= this.#limit
  }
  get(labels: Labels): A | undefined {
    const entries = this.#byFlag.get(labels.flagKey)?.get(labels.variant)
    if (entries !== undefined) {
      for (const entry of entries) if (same(entry.labels, labels)) return entry.value
    }
    return undefined
  }
  set(labels: Labels, value: A): void {
    if (this.isFull) return
    this.#size++
    const ofFlag = this.#byFlag.get(labels.flagKey) ?? new Map<string | undefined, Array<Entry<A>>>()
    this.#byFlag.set(labels.flagKey, ofFlag)
    const entries = ofFlag.get(labels.variant)
    if (entries === undefined) ofFlag.set(labels.variant, [{ labels, value }])
    else entries.push({ labels, value })
  }
}
