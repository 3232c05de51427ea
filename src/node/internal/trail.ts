/** The open file of an audit trail: what is checked before it is written, and how it moves on to the next file. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Stats } from "node:fs"
import * as Path from "node:path"
import { AuditError } from "../../audit/AuditSink.ts"
import * as Chain from "./chain.ts"
import { Disk, type DiskError, failed, type File } from "./disk.ts"
import * as Rotated from "./rotated.ts"

export interface Settings {
  readonly path: string
  readonly isHashed: boolean
  /** Whether records are on the disk before they count as written. */
  readonly isSynced: boolean
  /** In bytes. */
  readonly maxSize: number
  readonly isDaily: boolean
  readonly maxFiles: number
  /** Is told what went wrong where writing goes on all the same. */
  readonly warn: (error: AuditError) => void
}

/** A record as JSON, with its day and the bytes that it takes in the file at most. */
export interface Item {
  readonly json: string
  readonly day: string
  readonly bytes: number
}

export interface Trail {
  file: File
  /** Tells apart files that had the same path at different times. */
  id: string
  size: number
  /** The day of the last record in this file, or "" when it has none. */
  day: string
  /** The size at which the next file begins. */
  limit: number
  last: Chain.Link
}

/** What has become of the first records of a batch. The others were not tried, or did not fit. */
export interface Result {
  readonly written: number
  /** They are in the file, but may not survive a crash of the machine. */
  readonly unsure: number
  readonly error: AuditError | undefined
}

const maxBatchBytes = 1024 * 1024

const lineFeed = Buffer.from("\n")

const failedTo = (what: string) => (error: DiskError): AuditError =>
  new AuditError({ reason: "failed", message: `cannot ${what}: ${error.code}`, cause: error.cause })

const refused = (message: string): AuditError => new AuditError({ reason: "refused", message })

const refusals: ReadonlyMap<string, string> = new Map([
  ["ELOOP", "the path is a symbolic link"],
  ["EISDIR", "the path is a folder"],
  ["ENXIO", "the path is not a regular file"],
  ["ENAMETOOLONG", "the name is too long"]
])

/** Opens the file and continues after its last record, or after `last` when that is newer. */
export const open = Effect.fnUntraced(function*(settings: Settings, last: Chain.Link) {
  const disk = yield* Disk
  const folder = Path.dirname(settings.path)
  yield* Effect.mapError(disk.makeFolder(folder), failedTo("make the folder"))
  const file = yield* Effect.mapError(disk.open(settings.path), (error) => {
    const refusal = refusals.get(error.code)
    return refusal === undefined ? failedTo("open the file")(error) : refused(refusal)
  })
  return yield* Effect.onError(begin(settings, disk, file, last), () => Effect.ignore(file.close))
})

const begin = Effect.fnUntraced(function*(settings: Settings, disk: Disk, file: File, last: Chain.Link) {
  const stats = yield* Effect.mapError(file.stat, failedTo("read the state of the file"))
  if (!stats.isFile()) return yield* refused("the path is not a regular file")
  // Windows has no such permissions.
  if ((stats.mode & 0o077) !== 0 && process.platform !== "win32") {
    return yield* refused("others than its owner have access to the file; run chmod 600 on it")
  }
  const size = stats.size === 0 ? 0 : yield* heal(file, stats.size)
  const here = yield* lastOf(file, size)
  const newest = here ?? (yield* lastRotated(settings.path))
  if (settings.isSynced) {
    yield* Effect.mapError(disk.syncFolder(Path.dirname(settings.path)), failedTo("synchronise the folder"))
  }
  const trail: Trail = {
    file,
    id: idOf(stats),
    size,
    day: here?.day ?? "",
    limit: settings.maxSize,
    last: newest !== undefined && newest.seq > last.seq ? newest : last
  }
  return trail
})

// What a crash has cut off stays as it is, but the next record must not become a part of it.
const heal = Effect.fnUntraced(function*(file: File, size: number) {
  const end = yield* Effect.mapError(file.read(size - 1, 1), failedTo("read the file"))
  if (end[0] === lineFeed[0]) return size
  yield* Effect.mapError(file.append(lineFeed, 0), failedTo("write to the file"))
  return size + 1
})

const maxTail = 16 * 1024 * 1024

const lastOf = Effect.fnUntraced(function*(file: File, size: number) {
  for (let length = 64 * 1024;; length *= 4) {
    const tail = yield* Effect.mapError(file.read(Math.max(0, size - length), length), failedTo("read the file"))
    const found = Chain.lastIn(tail.toString("utf8"))
    if (found !== undefined || length >= size || length >= maxTail) return found
  }
})

const rotatedFiles = Effect.fnUntraced(function*(path: string) {
  const disk = yield* Disk
  const names = yield* Effect.mapError(disk.list(Path.dirname(path)), failedTo("list the folder"))
  return Rotated.ofPath(path, names)
})

// A crash right after a rotation leaves no record in the present file.
const lastRotated = Effect.fnUntraced(function*(path: string) {
  const disk = yield* Disk
  const newest = (yield* rotatedFiles(path)).at(-1)
  if (newest === undefined) return undefined
  const file = yield* Effect.mapError(disk.open(newest), failedTo("open the newest rotated file"))
  const last = Effect.flatMap(
    Effect.mapError(file.stat, failedTo("read the state of the newest rotated file")),
    ({ size }) => lastOf(file, size)
  )
  return yield* Effect.ensuring(last, Effect.ignore(file.close))
})

/**
 * Tells whether the path leads to another file by now, as after a rotation by
 * another program. A file that was cut short goes on from where it is.
 */
export const hasMoved = (trail: Trail, stats: Stats | undefined): boolean => {
  if (stats === undefined || idOf(stats) !== trail.id) return true
  trail.size = Math.min(trail.size, stats.size)
  return false
}

const idOf = ({ dev, ino }: Stats): string => `${dev}:${ino}`

/** Appends as many of the records as one write and the present file take. */
export const write = Effect.fnUntraced(function*(
  settings: Settings,
  trail: Trail,
  items: ReadonlyArray<Item>
): Effect.fn.Return<Result, AuditError> {
  const [first] = items
  if (first !== undefined && isFull(settings, trail, first)) yield* rotate(settings, trail, first.day)
  const lines = linesOf(settings, trail, items)
  const batch = Buffer.from(lines.map(({ text }) => text).join(""))
  const progress = { bytes: 0 }
  const error = yield* errorOf(append(trail.file, batch, progress), "write to the file")
  const count = error === undefined ? lines.length : wholeRecords(batch, progress.bytes)
  trail.size += progress.bytes
  trail.last = lines[count - 1]?.link ?? trail.last
  if (count > 0) trail.day = trail.last.day
  if (!settings.isSynced) return { written: count, unsure: 0, error }
  const unsynced = error ?? (yield* errorOf(trail.file.sync, "synchronise the file"))
  return unsynced === undefined
    ? { written: count, unsure: 0, error: undefined }
    : { written: 0, unsure: count, error: unsynced }
})

/**
 * Appends one record without a wait, and tells whether all of it is in the file. Unless its whole line is, the file has to
 * be opened anew.
 */
export const writeNow = (settings: Settings, trail: Trail, { day, json }: Item): "none" | "record" | "line" => {
  const { link, text } = Chain.append(json, day, trail.last, settings.isHashed)
  const bytes = Buffer.from(text)
  const taken = trail.file.appendNow(bytes)
  if (wholeRecords(bytes, taken) === 0) return "none"
  trail.size += taken
  trail.last = link
  trail.day = day
  return taken === bytes.length ? "line" : "record"
}

const errorOf = (operation: Effect.Effect<void, DiskError>, what: string): Effect.Effect<AuditError | undefined> =>
  Effect.match(operation, { onFailure: failedTo(what), onSuccess: () => undefined })

/** Whether the record belongs to the next file. An empty file takes any record. */
export const isFull = ({ isDaily }: Settings, { day, limit, size }: Trail, next: Item): boolean =>
  size > 0 && (size + next.bytes > limit || (isDaily && day !== "" && next.day > day))

const linesOf = (settings: Settings, trail: Trail, items: ReadonlyArray<Item>): ReadonlyArray<Chain.Linked> => {
  const lines: Array<Chain.Linked> = []
  const ahead = { ...trail }
  let bytes = 0
  for (const item of items) {
    if (lines.length > 0 && (bytes + item.bytes > maxBatchBytes || isFull(settings, ahead, item))) break
    const line = Chain.append(item.json, item.day, ahead.last, settings.isHashed)
    lines.push(line)
    bytes += item.bytes
    ahead.size += item.bytes
    ahead.day = item.day
    ahead.last = line.link
  }
  return lines
}

// One write may take a part only.
const append = Effect.fnUntraced(function*(file: File, bytes: Uint8Array, progress: { bytes: number }) {
  while (progress.bytes < bytes.length) {
    const taken = yield* file.append(bytes, progress.bytes)
    if (taken === 0) return yield* failed({ code: "EIO" })
    progress.bytes += taken
  }
})

// A record that lacks its line feed alone is whole: opening the file anew ends the line. Written again, it would be there
// twice.
const wholeRecords = (batch: Buffer, bytes: number): number => {
  let count = 0
  for (let end = batch.indexOf(lineFeed); end >= 0 && end <= bytes; end = batch.indexOf(lineFeed, end + 1)) count++
  return count
}

const rotate = Effect.fnUntraced(function*(settings: Settings, trail: Trail, today: string) {
  const { path } = settings
  const disk = yield* Disk
  // Another program may have moved the file, and put one of its own in its place.
  if (!hasMoved(trail, yield* presentStats(path))) {
    const rename = Effect.flatMap(freeName(path, trail.day || today, trail.last.seq), (name) => disk.rename(path, name))
    const error = yield* errorOf(rename, "rename the file")
    if (error !== undefined) {
      // The trail matters more than the size of the file.
      settings.warn(error)
      trail.limit = trail.size + settings.maxSize
      trail.day = ""
      return
    }
  }
  const { file } = trail
  Object.assign(trail, yield* open(settings, trail.last))
  yield* Effect.ignore(file.close)
  yield* Effect.catch(removeOldest(settings), (error) => Effect.sync(() => settings.warn(error)))
})

/** Returns `undefined` when there is no file at the path. */
export const presentStats = Effect.fnUntraced(function*(path: string) {
  const disk = yield* Disk
  return Option.getOrUndefined(yield* Effect.option(disk.stat(path)))
})

const freeName = Effect.fnUntraced(function*(path: string, day: string, seq: number) {
  const disk = yield* Disk
  for (let attempt = 0;; attempt++) {
    const name = Rotated.nameOf(path, day, seq, attempt)
    const isFree = yield* Effect.catch(
      Effect.as(disk.stat(name), false),
      (error) => error.code === "ENOENT" ? Effect.succeed(true) : Effect.fail(error)
    )
    if (isFree) return name
  }
})

const removeOldest = Effect.fnUntraced(function*({ maxFiles, path }: Settings) {
  const disk = yield* Disk
  const files = yield* rotatedFiles(path)
  for (const file of files.slice(0, Math.max(0, files.length - maxFiles))) {
    yield* Effect.mapError(disk.remove(file), failedTo("remove a rotated file"))
  }
})
