/**
 * Reads audit trails: files with one JSON object per line.
 *
 * A trail may have several files, since a writer rotates them. Lines that cannot
 * be read are counted and left out. Memory stays constant for files of any size.
 *
 * @since 0.2.0
 */
import { dirname } from "node:path"
import * as Arr from "effect/Array"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as Stream from "effect/Stream"
import type { Line } from "../audit/AuditRecord.ts"
import * as Check from "../internal/check.ts"
import * as Started from "../internal/started.ts"
import { oneLine } from "../internal/text.ts"
import { notify, read, readString } from "../internal/untrusted.ts"
import type * as AuditTrail from "./AuditTrail.ts"
import * as Rotated from "./internal/rotated.ts"
import * as Selecting from "./internal/selection.ts"
import { nameOf, read as linesOf } from "./internal/source.ts"
import { find, namesIn, type Unreadable } from "./internal/tail.ts"
import { Tally } from "./internal/tally.ts"
import { Verifier } from "./internal/verifier.ts"

/**
 * Where lines come from: the path of a file, or their bytes, such as
 * `process.stdin` or a stream that unpacks a file.
 *
 * @category models
 * @since 0.2.0
 */
export type Source = string | AsyncIterable<Uint8Array>

/**
 * Options for finding the lines of a trail.
 *
 * @category models
 * @since 0.2.0
 */
export interface LineOptions {
  /** Also reads the rotated files of each path, as `AuditFile` names them; `false` by default. */
  readonly rotated?: boolean | undefined
  /** The maximum length of a line in bytes, 1,048,576 by default. A longer one is a bad line. */
  readonly maxLineLength?: number | undefined
}

/**
 * Options for reading.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options extends AuditTrail.Selection, LineOptions {
  /**
   * Waits for more at the end of the last file, also after it was rotated or
   * truncated; `false` by default. The file need not exist yet.
   */
  readonly follow?: boolean | undefined
  /** How often a file that is followed is looked at, 250 milliseconds by default. */
  readonly pollInterval?: Duration.Input | undefined
  /** Is told each bad line. What it throws or rejects with is ignored. None by default. */
  readonly onBadLine?: ((line: AuditTrail.BadLine) => void) | undefined
}

/**
 * Options for a summary.
 *
 * @category models
 * @since 0.2.0
 */
export interface SummaryOptions extends AuditTrail.Selection, LineOptions {
  /** The maximum number of flags, 1,000 by default. Evaluations of others count in `notListed`. */
  readonly maxFlags?: number | undefined
}

/**
 * A failure to read a file.
 *
 * @category errors
 * @since 0.2.0
 */
export class AuditReaderError extends Data.TaggedError("AuditReaderError")<{
  /** The path of the file, or `-` for a source that is no file. */
  readonly file: string
  /** The error of the file system. */
  readonly cause: unknown
  /** What is wrong, in one line. */
  readonly message: string
}> {
  constructor({ cause, file }: {
    /** The path of the file, or `-` for a source that is no file. */
    readonly file: string
    /** The error of the file system. */
    readonly cause: unknown
  }) {
    const message = `cannot read ${oneLine(file, 512)}: ${readString(cause, "code") ?? "unknown error"}`
    super({ file, cause, message })
  }
}

/**
 * An open audit trail, for an application without Effect.
 *
 * **Details**
 *
 * As an async iterable, it has the selected records. Each iteration begins anew,
 * and closes the file when it ends or is left with `break`.
 *
 * @category models
 * @since 0.2.0
 */
export interface AuditReader extends AsyncIterable<Line> {
  /** Checks the hashes of all records, as `verify` does. */
  readonly verify: () => Promise<AuditTrail.Verification>
  /** Counts the selected records by flag and variant, as `summarize` does. */
  readonly summarize: () => Promise<AuditTrail.Summary>
}

type Sources = Source | ReadonlyArray<Source>

const isList = (sources: Sources): sources is ReadonlyArray<Source> => Array.isArray(sources)

const checked = (owner: string, sources: Sources): ReadonlyArray<Source> => {
  const list = isList(sources) ? sources : [sources]
  if (list.length === 0) Check.reject(owner, "the argument", "at least one source", sources)
  for (const source of list) {
    const isFine = typeof source === "string" ? source !== "" : typeof read(source, Symbol.asyncIterator) === "function"
    if (!isFine) Check.reject(owner, "each source", "a path, or an async iterable of bytes", source)
  }
  return list
}

const failWith = (source: Source) => ({ cause }: Unreadable): AuditReaderError =>
  new AuditReaderError({ file: nameOf(source), cause })

const readSource = (source: Source, maxLength: number, interval?: Duration.Input) =>
  Stream.mapError(linesOf(source, maxLength, interval), failWith(source))

// A pipe must not be read twice, and a file that a writer has not made yet comes last.
const firstNumber = Effect.fnUntraced(function*(source: Source, maxLength: number) {
  if (typeof source !== "string") return Infinity
  const found = yield* Effect.mapError(find(source), failWith(source))
  if (found?.isFile() !== true) return Infinity
  const records = Stream.filter(readSource(source, maxLength), (line) => line._tag === "Recorded")
  return Option.match(yield* Stream.runHead(records), {
    onNone: () => Infinity,
    onSome: (line) => line._tag === "Recorded" ? line.record.seq : Infinity
  })
})

const byNumber = Order.mapInput(Order.Number, ([, number]: readonly [Source, number]) => number)

const withRotated = (source: Source) =>
  typeof source === "string"
    ? Effect.map(
      Effect.mapError(namesIn(dirname(source)), failWith(source)),
      (names): ReadonlyArray<Source> => [...Rotated.ofPath(source, names), source]
    )
    : Effect.succeed([source])

const inOrder = Effect.fnUntraced(function*(given: ReadonlyArray<Source>, rotated: boolean, maxLength: number) {
  const sources = rotated ? Arr.flatten(yield* Effect.forEach(given, withRotated)) : given
  if (sources.length === 1) return sources
  const numbered = yield* Effect.forEach(
    sources,
    (source) => Effect.map(firstNumber(source, maxLength), (number) => [source, number] as const)
  )
  return Arr.sort(numbered, byNumber).map(([source]) => source)
})

const readAll = (
  sources: ReadonlyArray<Source>,
  { maxLineLength = 1024 * 1024, rotated = false }: LineOptions,
  interval?: Duration.Input
) =>
  Stream.unwrap(Effect.map(inOrder(sources, rotated, maxLineLength), (ordered) =>
    Stream.flatMap(
      Stream.fromIterable(ordered.entries()),
      ([index, source]) => readSource(source, maxLineLength, index === ordered.length - 1 ? interval : undefined)
    )))

/**
 * Reads all lines of an audit trail, also those that are no records.
 *
 * **When to use**
 *
 * Use to see where a trail was damaged. `records` leaves bad lines out.
 *
 * **Details**
 *
 * Several files are read in the order of their records, whatever their names. A
 * last line without a line break counts if it is complete.
 *
 * Options that select records do not affect bad lines.
 *
 * **Gotchas**
 *
 * While it follows a file, it can miss records of a file that another program than
 * `AuditFile` rotates twice within `pollInterval`. Their numbers show the gap.
 *
 * Throws a `RangeError` when an option is invalid or unknown, or when there is no
 * source.
 *
 * @category reading
 * @since 0.2.0
 */
export const entries = (sources: Sources, options: Options = {}): Stream.Stream<AuditTrail.Entry, AuditReaderError> => {
  const owner = "AuditReader.entries"
  return select(checked(owner, sources), checkedOptions(owner, options))
}

const lineRules: Check.Rules<LineOptions> = {
  rotated: Check.aBoolean,
  maxLineLength: Check.positiveInteger
}

const checkedOptions = (owner: string, options: Options): Options =>
  Check.options(owner, options, {
    ...Selecting.rules,
    ...lineRules,
    follow: Check.aBoolean,
    pollInterval: Check.positiveDuration,
    onBadLine: Check.aFunction
  })

const select = (sources: ReadonlyArray<Source>, options: Options) => {
  const { follow, onBadLine, pollInterval = "250 millis" } = options
  const isSelected = Selecting.make(options)
  return Stream.filter(readAll(sources, options, follow === true ? pollInterval : undefined), (line) => {
    if (line._tag === "Recorded") return isSelected(line.record)
    // A callback that throws must not stop the reader.
    if (onBadLine !== undefined) notify(() => onBadLine(line))
    return true
  })
}

/**
 * Reads the records of an audit trail.
 *
 * **Details**
 *
 * The same as `entries`, without the bad ones.
 *
 * **Gotchas**
 *
 * Throws like `entries`.
 *
 * **Example** (Reading the errors of some flags)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { AuditReader } from "effect-openfeature/node"
 * import { mkdtempSync, writeFileSync } from "node:fs"
 *
 * const file = `${mkdtempSync("/tmp/audit-")}/audit.jsonl`
 * writeFileSync(
 *   file,
 *   `{"seq":1,"time":"2026-01-31T18:00:00.000Z","flagKey":"checkout-new","type":"boolean","variant":"on"}
 * {"seq":2,"time":"2026-01-31T18:00:01.000Z","flagKey":"checkout-old","type":"boolean","errorCode":"FLAG_NOT_FOUND"}
 * {"seq":3,"time":"2026-01-31T1`
 * )
 *
 * const errors = AuditReader.records(file, { flag: "checkout-*", error: true }).pipe(
 *   Stream.map(({ errorCode, flagKey }) => `${flagKey}: ${errorCode}`)
 * )
 * await Effect.runPromise(Stream.runCollect(errors)) // => ["checkout-old: FLAG_NOT_FOUND"]
 * ```
 *
 * @category reading
 * @since 0.2.0
 */
export const records = (
  sources: Sources,
  options: Options = {}
): Stream.Stream<Line, AuditReaderError> => {
  const owner = "AuditReader.records"
  return recordsOf(checked(owner, sources), checkedOptions(owner, options))
}

const recordsOf = (sources: ReadonlyArray<Source>, options: Options) =>
  Stream.flatMap(
    select(sources, options),
    (line) => line._tag === "Recorded" ? Stream.succeed(line.record) : Stream.empty
  )

/**
 * Checks the hashes of an audit trail, and finds the first record that was
 * changed or removed.
 *
 * **When to use**
 *
 * Use for a trail that was written with tamper evidence.
 *
 * **Details**
 *
 * Each hash covers the record and the hash before it. So a record that was
 * changed, removed, added or moved does not fit, or the one behind it does not.
 * A line that was torn by a crash breaks nothing.
 *
 * **Gotchas**
 *
 * The hashes have no secret. Somebody who can write to all files can compute them
 * anew, and can remove the end of the trail. Keep `lastHash` in another place,
 * from time to time, to notice that.
 *
 * Checks one trail. Throws a `RangeError` when an option is invalid or unknown, or
 * when there is no source.
 *
 * @category verifying
 * @since 0.2.0
 */
export const verify = (
  sources: Sources,
  options: LineOptions = {}
): Effect.Effect<AuditTrail.Verification, AuditReaderError> => {
  const owner = "AuditReader.verify"
  return verifyAll(checked(owner, sources), Check.options(owner, options, lineRules))
}

const verifyAll = (
  sources: ReadonlyArray<Source>,
  options: LineOptions
): Effect.Effect<AuditTrail.Verification, AuditReaderError> =>
  Effect.suspend(() => {
    const verifier = new Verifier()
    const isDone = (entry: AuditTrail.Entry): boolean => {
      verifier.add(entry)
      return verifier.isBroken
    }
    return Effect.map(Stream.runDrain(Stream.takeUntil(readAll(sources, options), isDone)), () => verifier.result)
  })

/**
 * Counts the evaluations in an audit trail by flag and variant.
 *
 * **Details**
 *
 * An evaluation with an error counts for its flag, and for no variant.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when an option is invalid or unknown, or when there is no
 * source.
 *
 * @category summarizing
 * @since 0.2.0
 */
export const summarize = (
  sources: Sources,
  options: SummaryOptions = {}
): Effect.Effect<AuditTrail.Summary, AuditReaderError> => {
  const owner = "AuditReader.summarize"
  Check.options(owner, options, {
    ...Selecting.rules,
    ...lineRules,
    maxFlags: Check.positiveInteger
  })
  return summarizeAll(checked(owner, sources), options)
}

const summarizeAll = (
  sources: ReadonlyArray<Source>,
  { maxFlags = 1000, ...options }: SummaryOptions
): Effect.Effect<AuditTrail.Summary, AuditReaderError> =>
  Effect.suspend(() => {
    const tally = new Tally(maxFlags)
    const add = (line: AuditTrail.Entry) => Effect.sync(() => tally.add(line))
    return Effect.map(Stream.runForEach(select(sources, options), add), () => tally.result)
  })

/**
 * Opens an audit trail for an application without Effect.
 *
 * **Gotchas**
 *
 * A file that cannot be read rejects with an `AuditReaderError`, not before it is
 * read.
 *
 * Throws like `entries`.
 *
 * **Example** (Reading without Effect)
 *
 * ```ts
 * import { AuditReader } from "effect-openfeature/node"
 * import { mkdtempSync, writeFileSync } from "node:fs"
 *
 * const file = `${mkdtempSync("/tmp/audit-")}/audit.jsonl`
 * writeFileSync(file, `{"seq":1,"time":"2026-01-31T18:00:00.000Z","flagKey":"sale","type":"boolean","variant":"on"}\n`)
 *
 * const reader = AuditReader.open(file)
 * const seen: Array<string> = []
 * for await (const record of reader) seen.push(record.flagKey)
 * seen // => ["sale"]
 *
 * const { flags } = await reader.summarize()
 * flags[0]?.variants // => [{ variant: "on", count: 1 }]
 * ```
 *
 * @category reading
 * @since 0.2.0
 */
export const open = (sources: Sources, options: Options = {}): AuditReader => {
  const owner = "AuditReader.open"
  const list = checked(owner, sources)
  const { follow: _follow, onBadLine: _onBadLine, pollInterval: _pollInterval, ...rest } = checkedOptions(
    owner,
    options
  )
  return {
    [Symbol.asyncIterator]: () => Stream.toAsyncIterable(recordsOf(list, options))[Symbol.asyncIterator](),
    verify: () => Started.runPromise(verifyAll(list, options)),
    summarize: () => Started.runPromise(summarizeAll(list, rest))
  }
}
