/** The lines of a source. No damage in them stops the reader. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { fields } from "../../internal/auditRecord.ts"
import { tryOr } from "../../internal/untrusted.ts"
import type { BadLine, Entry } from "../AuditTrail.ts"
import { type Cut, Lines } from "./lines.ts"
import * as Tail from "./tail.ts"

const decode = Schema.decodeUnknownOption(
  Schema.Struct({
    seq: Schema.Int.check(Schema.isGreaterThan(0)),
    ...fields,
    hash: Schema.optional(Schema.String)
  })
)

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const lineOf = (file: string, line: number, bytes: Cut): Entry | undefined => {
  const bad = (reason: BadLine["reason"]): BadLine => ({ _tag: "BadLine", file, line, reason })
  if (bytes === undefined) return bad("longer than maxLineLength")
  const text = tryOr(() => utf8.decode(bytes), () => undefined)?.replace(/\r$/, "")
  if (text === undefined) return bad("not in UTF-8")
  if (text === "") return undefined
  const json: unknown = tryOr(() => JSON.parse(text), () => undefined)
  if (json === undefined) return bad("not JSON")
  const record = tryOr(() => decode(json), Option.none)
  return Option.isSome(record)
    ? { _tag: "Recorded", file, line, record: record.value, text }
    : bad("not an audit record")
}

/** Makes lines of pieces, and numbers them. */
class Numbering {
  readonly #file: string
  readonly #maxLength: number
  #lines: Lines
  #number = 0

  constructor(file: string, maxLength: number) {
    this.#file = file
    this.#maxLength = maxLength
    this.#lines = new Lines(maxLength)
  }

  add(piece: Tail.Piece): ReadonlyArray<Entry> {
    if (typeof piece !== "string") return this.#numbered(this.#lines.push(piece))
    const rest = piece === "rotated" ? this.end() : []
    this.#lines = new Lines(this.#maxLength)
    this.#number = 0
    return rest
  }

  end(): ReadonlyArray<Entry> {
    return this.#numbered(this.#lines.end())
  }

  #numbered(cuts: ReadonlyArray<Cut>): ReadonlyArray<Entry> {
    return cuts.flatMap((bytes) => lineOf(this.#file, ++this.#number, bytes) ?? [])
  }
}

const piecesOf = (
  source: string | AsyncIterable<Uint8Array>,
  interval: Duration.Input | undefined
): Stream.Stream<Tail.Piece, Tail.Unreadable> =>
  typeof source === "string"
    ? Stream.unwrap(Effect.map(Tail.make(source, interval), (pull) => Stream.fromPull(Effect.succeed(pull))))
    : Stream.fromAsyncIterable(source, (cause) => new Tail.Unreadable({ cause }))

/** The name of a source in lines and errors. */
export const nameOf = (source: string | AsyncIterable<Uint8Array>): string => typeof source === "string" ? source : "-"

/** With an interval, the stream follows a file and does not end. */
export const read = (
  source: string | AsyncIterable<Uint8Array>,
  maxLength: number,
  interval?: Duration.Input
): Stream.Stream<Entry, Tail.Unreadable> =>
  Stream.mapAccum(
    piecesOf(source, interval),
    () => new Numbering(nameOf(source), maxLength),
    (numbering, piece) => [numbering, numbering.add(piece)],
    { onHalt: (numbering) => numbering.end() }
  )
