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

/** The longest text of an attribute. */
export const maxLength = 256

interface Entry<A> {
  readonly labels: Labels
  readonly value: A
}

export class LabelCache<A> {
  readonly #byFlag = new Map<string, Map<string | undefined, Array<Entry<A>>>>()
  readonly #limit: number
  #size = 0

  constructor(limit: number) {
    this.#limit = limit
  }
  get({ errorType, extra, flagKey, provider, reason, variant }: Labels): A | undefined {
    const entries = this.#byFlag.get(flagKey)?.get(variant)
    if (entries === undefined) return undefined
    for (const { labels, value } of entries) {
      const isSame = labels.provider === provider && labels.reason === reason && labels.errorType === errorType &&
        labels.extra === extra
      if (isSame) return value
    }
    return undefined
  }
  set(labels: Labels, value: A): void {
    // A text this long is cut in the attributes, and is not kept here either.
    if (labels.flagKey.length > maxLength || (labels.variant ?? "").length > maxLength) return
    if (this.#size >= this.#limit) return
    this.#size++
    const ofFlag = this.#byFlag.get(labels.flagKey) ?? new Map<string | undefined, Array<Entry<A>>>()
    this.#byFlag.set(labels.flagKey, ofFlag)
    const entries = ofFlag.get(labels.variant)
    if (entries === undefined) ofFlag.set(labels.variant, [{ labels, value }])
    else entries.push({ labels, value })
  }
}
