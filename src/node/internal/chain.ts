/** The numbers and the hashes that link the lines of an audit trail. */
import { createHash } from "node:crypto"
import { read, readString, tryOr } from "../../internal/untrusted.ts"

/** The last line: its number, its hash, and the day on which it was written. */
export interface Link {
  readonly seq: number
  readonly hash: string
  readonly day: string
}

const noHash = "0".repeat(64)

export const start: Link = { seq: 0, hash: noHash, day: "" }

// The day becomes a part of the name of a file.
const isDay = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text)

/** In ISO 8601, the day is what comes before the time. */
export const dayOf = (time: string): string => {
  const day = time.slice(0, 10)
  return isDay(day) ? day : "0000-00-00"
}

export interface Linked {
  /** The line with its line feed. */
  readonly text: string
  readonly link: Link
}

/** Adds number and hash to the JSON text of a record. */
export const append = (json: string, day: string, last: Link, isHashed: boolean): Linked => {
  const seq = last.seq + 1
  const line = `{"seq":${seq},${json.slice(1)}`
  if (!isHashed) return { text: `${line}\n`, link: { seq, hash: noHash, day } }
  const hash = createHash("sha256").update(`${last.hash}\n${line}`).digest("hex")
  return { text: `${line.slice(0, -1)},"hash":"${hash}"}\n`, link: { seq, hash, day } }
}

const isHash = (value: string | undefined): value is string => value !== undefined && /^[0-9a-f]{64}$/.test(value)

const linkOf = (line: string): Link | undefined => {
  const record: unknown = tryOr(() => JSON.parse(line), () => undefined)
  const seq = read(record, "seq")
  const time = readString(record, "time")
  if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 1 || time === undefined) return undefined
  const hash = readString(record, "hash")
  return { seq, hash: isHash(hash) ? hash : noHash, day: dayOf(time) }
}

/** Finds the last good line of a text. A line that a crash cut off is none. */
export const lastIn = (text: string): Link | undefined => {
  for (let end = text.lastIndexOf("\n"); end >= 0;) {
    const start = end === 0 ? 0 : text.lastIndexOf("\n", end - 1) + 1
    const found = linkOf(text.slice(start, end))
    if (found !== undefined) return found
    end = start - 1
  }
  return undefined
}
