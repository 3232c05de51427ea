/** Reads a file to its end, or follows it while it grows, is rotated or is truncated. */
import { dirname } from "node:path"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import type { Stats } from "node:fs"
import { type FileHandle, open, readdir, stat } from "node:fs/promises"
import { readString } from "../../internal/untrusted.ts"
import * as Rotated from "./rotated.ts"

/** Bytes, or that the next bytes begin a new file: after a rotation, or since the file was truncated. */
export type Piece = Uint8Array | "rotated" | "truncated"

/** A file that cannot be read. */
export class Unreadable extends Data.TaggedError("Unreadable")<{ readonly cause: unknown }> {}

const attempt = <A>(evaluate: () => Promise<A>): Effect.Effect<A, Unreadable> =>
  Effect.tryPromise({ try: evaluate, catch: (cause) => new Unreadable({ cause }) })

const isMissing = ({ cause }: Unreadable): boolean => readString(cause, "code") === "ENOENT"

const chunkSize = 64 * 1024

/** Returns `undefined` if there is no such file. */
export const find = (path: string): Effect.Effect<Stats | undefined, Unreadable> =>
  Effect.catchIf(attempt(() => stat(path)), isMissing, () => Effect.undefined)

export const namesIn = (folder: string): Effect.Effect<ReadonlyArray<string>, Unreadable> =>
  attempt(() => readdir(folder))

class Tail {
  readonly #path: string
  readonly #interval: Duration.Input | undefined
  /** The file to open next: the path, or a rotated file that was not read yet. */
  #next: string
  /** While that is missing: the file before the first one to read, by the order of their names. */
  #before: string | undefined = undefined
  #handle: FileHandle | undefined = undefined
  #isFile = false
  #offset = 0

  constructor(path: string, interval: Duration.Input | undefined) {
    this.#path = path
    this.#next = path
    this.#interval = interval
  }

  readonly next: Pull.Pull<readonly [Piece], Unreadable> = Effect.suspend(() =>
    Effect.flatMap(
      this.#handle === undefined ? this.#open : Effect.succeed(this.#handle),
      (handle) =>
        Effect.flatMap(this.#read(handle), (bytes) =>
          bytes.length > 0 ? Effect.succeed<readonly [Piece]>([bytes]) : this.#atEnd(handle))
    )
  )

  readonly #open: Effect.Effect<FileHandle, Unreadable> = Effect.suspend(() => attempt(() => open(this.#next))).pipe(
    Effect.flatMap(Effect.fnUntraced({ self: this }, function*(handle) {
      this.#handle = handle
      this.#offset = 0
      this.#isFile = (yield* attempt(() => handle.stat())).isFile()
      return handle
    })),
    // A handle that nobody holds stays open.
    Effect.uninterruptible,
    Effect.flatMap((handle) => this.#fromFirst(handle)),
    Effect.catchIf((error) => this.#interval !== undefined && isMissing(error), () => this.#retry)
  )

  // The path may not be there yet, or is between two files. A rotated file can be removed before it is read.
  readonly #retry: Effect.Effect<FileHandle, Unreadable> = Effect.suspend(() =>
    this.#next === this.#path ? Effect.map(this.#rotated, (files) => files.at(-1) ?? "") : Effect.succeed(this.#next)
  ).pipe(
    Effect.flatMap((newest) => {
      this.#before ??= newest
      this.#next = this.#path
      return Effect.andThen(this.#pause, this.#open)
    })
  )

  // Files can be rotated while the path is missing, or before it is looked at again.
  #fromFirst(handle: FileHandle): Effect.Effect<FileHandle, Unreadable> {
    const before = this.#before
    this.#before = undefined
    if (before === undefined) return Effect.succeed(handle)
    return Effect.flatMap(this.#rotated, (files) => {
      const first = files.find((file) => file > before)
      if (first === undefined) return Effect.succeed(handle)
      this.#next = first
      return Effect.andThen(this.close, this.#open)
    })
  }

  get #rotated(): Effect.Effect<ReadonlyArray<string>, Unreadable> {
    return namesIn(dirname(this.#path)).pipe(
      Effect.catchIf(isMissing, () => Effect.succeed([])),
      Effect.map((names) => Rotated.ofPath(this.#path, names))
    )
  }

  get #pause(): Effect.Effect<void> {
    return Effect.sleep(this.#interval ?? 0)
  }

  #read(handle: FileHandle): Effect.Effect<Uint8Array, Unreadable> {
    return Effect.map(
      // A pipe has no position.
      attempt(() => handle.read(new Uint8Array(chunkSize), 0, chunkSize, this.#isFile ? this.#offset : null)),
      ({ buffer, bytesRead }) => {
        this.#offset += bytesRead
        return buffer.subarray(0, bytesRead)
      }
    )
  }

  #atEnd(handle: FileHandle): Pull.Pull<readonly [Piece], Unreadable> {
    if (this.#interval === undefined || !this.#isFile) return Cause.done()
    return Effect.flatMap(this.#changed(handle), (change) => {
      switch (change) {
        case "truncated":
          this.#offset = 0
          return Effect.succeed<readonly [Piece]>(["truncated"])
        case "rotated":
          return this.#leave(handle)
        case undefined:
          return Effect.andThen(this.#pause, this.next)
      }
    })
  }

  #changed = Effect.fnUntraced({ self: this }, function*(handle: FileHandle) {
    const old = yield* attempt(() => handle.stat())
    if (old.size < this.#offset) return "truncated"
    const now = yield* find(this.#path)
    // A new file that is empty may wait for a writer that still writes to the old one.
    const isAnother = now !== undefined && now.size > 0 && (now.ino !== old.ino || now.dev !== old.dev)
    return isAnother ? "rotated" : undefined
  })

  // The writer may have written to the old file until just before it opened the new one.
  #leave = Effect.fnUntraced(
    { self: this },
    function*(handle: FileHandle): Effect.fn.Return<readonly [Piece], Unreadable> {
      const bytes = yield* this.#read(handle)
      if (bytes.length > 0) return [bytes]
      this.#next = yield* this.#following(yield* attempt(() => handle.stat()))
      yield* this.close
      return ["rotated"]
    }
  )

  // The file may have been rotated more than once since the last look at it.
  #following = Effect.fnUntraced({ self: this }, function*(old: Stats) {
    const rotated = yield* this.#rotated
    for (const [index, path] of rotated.entries()) {
      if ((yield* find(path))?.ino === old.ino) return rotated[index + 1] ?? this.#path
    }
    return this.#path
  })

  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    const handle = this.#handle
    this.#handle = undefined
    return handle === undefined ? Effect.void : Effect.ignore(attempt(() => handle.close()))
  })
}

/** The pieces of a file. With an interval, it looks for more whenever that has passed, and never ends. */
export const make = (
  path: string,
  interval: Duration.Input | undefined
): Effect.Effect<Pull.Pull<readonly [Piece], Unreadable>, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(Effect.sync(() => new Tail(path, interval)), (tail) => tail.close),
    ({ next }) => next
  )
