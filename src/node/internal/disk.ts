/** The operations on files that an audit trail needs, as effects. A test puts a failing disk in their place. */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { readString, tryOr } from "../../internal/untrusted.ts"

export class DiskError extends Data.TaggedError("DiskError")<{
  /** The code of the operating system, such as `ENOSPC`. */
  readonly code: string
  readonly cause: unknown
}> {}

export interface File {
  /** Appends bytes from an offset on, and returns how many it took. */
  readonly append: (bytes: Uint8Array, offset: number) => Effect.Effect<number, DiskError>
  /** The same without a wait. Returns 0 when it fails. */
  readonly appendNow: (bytes: Uint8Array) => number
  readonly read: (position: number, length: number) => Effect.Effect<Buffer, DiskError>
  readonly stat: Effect.Effect<Fs.Stats, DiskError>
  readonly sync: Effect.Effect<void, DiskError>
  readonly close: Effect.Effect<void, DiskError>
}

export interface Disk {
  /** Opens a file to append, and creates it for its owner alone. Never follows a symbolic link. */
  readonly open: (path: string) => Effect.Effect<File, DiskError>
  readonly makeFolder: (path: string) => Effect.Effect<void, DiskError>
  readonly syncFolder: (path: string) => Effect.Effect<void, DiskError>
  readonly stat: (path: string) => Effect.Effect<Fs.Stats, DiskError>
  /** The same without a wait. Returns `undefined` when it fails. */
  readonly statNow: (path: string) => Fs.Stats | undefined
  readonly list: (folder: string) => Effect.Effect<ReadonlyArray<string>, DiskError>
  readonly rename: (from: string, to: string) => Effect.Effect<void, DiskError>
  readonly remove: (path: string) => Effect.Effect<void, DiskError>
}

export const failed = (cause: unknown): DiskError => new DiskError({ code: readString(cause, "code") ?? "EIO", cause })

const call = <A>(run: (done: (error: Error | null, value: A) => void) => void): Effect.Effect<A, DiskError> =>
  Effect.callback((resume) =>
    // Node throws at once where an argument is wrong.
    tryOr(
      () => run((error, value) => resume(error === null ? Effect.succeed(value) : Effect.fail(failed(error)))),
      (error) => resume(Effect.fail(failed(error)))
    )
  )

const command = (run: (done: (error: Error | null) => void) => void): Effect.Effect<void, DiskError> =>
  call((done) => run((error) => done(error, undefined)))

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = Fs.constants

// Opening a pipe must not wait for its reader. Windows does not know these two flags.
const flags = O_RDWR | O_APPEND | O_CREAT | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0)

/** A file that is opened after an interruption is closed again. */
const openFile = (path: string): Effect.Effect<number, DiskError> =>
  Effect.callback((resume, signal) =>
    tryOr(
      () =>
        Fs.open(path, flags, 0o600, (error, fd) => {
          if (error !== null) return resume(Effect.fail(failed(error)))
          if (signal.aborted) return Fs.close(fd, () => {})
          resume(Effect.succeed(fd))
        }),
      (error) => resume(Effect.fail(failed(error)))
    )
  )

const fileOf = (fd: number): File => ({
  append: (bytes, offset) => call((done) => Fs.write(fd, bytes, offset, bytes.length - offset, null, done)),
  appendNow: (bytes) => tryOr(() => Fs.writeSync(fd, bytes), () => 0),
  read: (position, length) =>
    Effect.suspend(() => {
      const buffer = Buffer.alloc(length)
      return Effect.map(
        call<number>((done) => Fs.read(fd, buffer, 0, length, position, done)),
        (count) => buffer.subarray(0, count)
      )
    }),
  stat: call((done) => Fs.fstat(fd, done)),
  sync: command((done) => Fs.fdatasync(fd, done)),
  close: command((done) => Fs.close(fd, done))
})

const real: Disk = {
  open: (path) => Effect.map(openFile(path), fileOf),
  makeFolder: (path) => command((done) => Fs.mkdir(path, { recursive: true, mode: 0o700 }, done)),
  syncFolder: (path) =>
    Effect.acquireUseRelease(
      call<number>((done) => Fs.open(path, "r", done)),
      (fd) => command((done) => Fs.fsync(fd, done)),
      (fd) => Effect.ignore(command((done) => Fs.close(fd, done)))
    ),
  stat: (path) => call((done) => Fs.lstat(path, done)),
  statNow: (path) => tryOr(() => Fs.lstatSync(path), () => undefined),
  list: (folder) => call((done) => Fs.readdir(folder, done)),
  rename: (from, to) => command((done) => Fs.rename(from, to, done)),
  remove: (path) => command((done) => Fs.unlink(path, done))
}

export const Disk: Context.Reference<Disk> = Context.Reference<Disk>("effect-openfeature/audit/Disk", {
  defaultValue: () => real
})
