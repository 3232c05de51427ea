/** Cuts bytes into lines. It keeps at most one line, of a bounded length, in memory. */

/** A line without its line break. `undefined` stands for one that is too long. */
export type Cut = Uint8Array | undefined

const lf = 10

export class Lines {
  readonly #maxLength: number
  #parts: Array<Uint8Array> = []
  #length = 0

  constructor(maxLength: number) {
    this.#maxLength = maxLength
  }

  /** Returns the lines that end in these bytes. */
  push(bytes: Uint8Array): ReadonlyArray<Cut> {
    const cuts: Array<Cut> = []
    let from = 0
    for (let to = bytes.indexOf(lf); to >= 0; to = bytes.indexOf(lf, from)) {
      this.#keep(bytes.subarray(from, to))
      cuts.push(this.#take())
      from = to + 1
    }
    this.#keep(bytes.subarray(from))
    return cuts
  }

  /** Returns the rest, which has no line break, if there is any. */
  end(): ReadonlyArray<Cut> {
    return this.#length === 0 ? [] : [this.#take()]
  }

  #keep(part: Uint8Array): void {
    this.#length += part.length
    if (this.#length <= this.#maxLength) this.#parts.push(part)
    else this.#parts = []
  }

  #take(): Cut {
    const [first, ...rest] = this.#parts
    const line = this.#length > this.#maxLength ? undefined : rest.length === 0 ? first : this.#joined()
    this.#parts = []
    this.#length = 0
    return line
  }

  #joined(): Uint8Array {
    const joined = new Uint8Array(this.#length)
    let offset = 0
    for (const part of this.#parts) {
      joined.set(part, offset)
      offset += part.length
    }
    return joined
  }
}
