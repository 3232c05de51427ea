/** Follows the chain of hashes through the lines of an audit trail, up to the first line that does not fit. */
import { createHash } from "node:crypto"
import type { BadLine, Break, Entry, Recorded, Verification } from "../AuditTrail.ts"

/** The hash before the first record of a trail. */
const origin = "0".repeat(64)

const hashAtEnd = /,"hash":"([0-9a-f]{64})"\}$/

const hashOf = (before: string, body: string): string =>
  createHash("sha256").update(`${before}\n${body}`, "utf8").digest("hex")

export class Verifier {
  #hash: string | undefined = undefined
  #unchecked: number | undefined = undefined
  #first: number | undefined = undefined
  #last: number | undefined = undefined
  #verified = 0
  #unprotected = 0
  #badLines = 0
  /** The first bad line since the last record. It may be what is left of a record that was changed. */
  #suspect: BadLine | undefined = undefined
  #break: Break | undefined = undefined

  get isBroken(): boolean {
    return this.#break !== undefined
  }

  add(line: Entry): void {
    if (line._tag === "Recorded") return this.#record(line)
    this.#badLines++
    this.#suspect ??= line
  }

  #record(line: Recorded): void {
    const { record: { seq }, text } = line
    const found = hashAtEnd.exec(text)
    if (found === null) {
      if (this.#hash === undefined) this.#unprotected++
      else this.#breakAt(line, seq, "the record has no hash, unlike those before it")
      return
    }
    const [end, hash = ""] = found
    const expected = this.#last === undefined ? undefined : this.#last + 1
    if (expected !== undefined && seq !== expected) return this.#gap(line, expected)
    // Where the lines begin in the middle of a trail, nothing is known of the hash before the first.
    const isAnchored = this.#hash !== undefined || this.#unprotected > 0 || seq === 1
    const before = this.#hash ?? origin
    if (isAnchored && hashOf(before, `${text.slice(0, -end.length)}}`) !== hash) {
      return this.#breakAt(line, seq, "the record, or the one before it, was changed")
    }
    this.#last = seq
    this.#hash = hash
    this.#suspect = undefined
    if (isAnchored) {
      this.#first ??= seq
      this.#verified++
    } else {
      this.#unchecked = seq
      this.#unprotected++
    }
  }

  #gap(line: Recorded, expected: number): void {
    const { seq } = line.record
    if (seq < expected) {
      return this.#breakAt(
        line,
        seq,
        `the record has a number that was there before, or a second process writes to the file`
      )
    }
    const missing = seq - expected === 1
      ? `record ${expected} is missing`
      : `records ${expected} to ${seq - 1} are missing`
    this.#breakAt(this.#suspect ?? line, expected, `${missing}, or can no longer be read`)
  }

  #breakAt({ file, line }: Entry, seq: number, reason: string): void {
    this.#break = { file, line, seq, reason }
  }

  get result(): Verification {
    const reason = this.#hash === undefined && this.#break === undefined ? "no record has a hash" : this.#break?.reason
    return {
      isIntact: reason === undefined,
      reason,
      break: this.#break,
      verified: this.#verified,
      unprotected: this.#unprotected,
      unchecked: this.#unchecked,
      badLines: this.#badLines,
      first: this.#first,
      last: this.#last,
      lastHash: this.#hash
    }
  }
}
