/** The file of overrides: whether it can be trusted, and what is in it. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { constants } from "node:fs"
import { type FileHandle, lstat, open } from "node:fs/promises"
import { sep } from "node:path"
import * as Overrides from "../../internal/hook/overrides.ts"
import { oneLine } from "../../internal/text.ts"
import { readString, tryOr } from "../../internal/untrusted.ts"

/** The error of a file that cannot be used. */
export class OverrideFileError extends Data.TaggedError("OverrideFileError")<{
  /** The kind of the failure. */
  readonly reason: "Missing" | "Unreadable" | "Insecure" | "TooLarge" | "Invalid"
  /** The path, and what is wrong, in one line. It has nothing of the content but flag keys. */
  readonly message: string
  /** The path. */
  readonly path: string
}> {}

export interface Policy {
  readonly maxSize: number
  readonly allowSymbolicLink: boolean
  readonly allowWorldWritable: boolean
}

const fail = (path: string, reason: OverrideFileError["reason"], text: string) =>
  new OverrideFileError({ reason, message: `overrides in ${oneLine(path, 500)}: ${oneLine(text, 500)}`, path })

const isLink = "it is a symbolic link; the option allowSymbolicLink allows it"

const refused = (path: string) => (cause: unknown): OverrideFileError => {
  const code = readString(cause, "code") ?? "unknown"
  if (code === "ENOENT") return fail(path, "Missing", "there is no such file")
  return code === "ELOOP" ? fail(path, "Insecure", isLink) : fail(path, "Unreadable", `it cannot be read (${code})`)
}

const attempt = <A>(path: string, run: () => Promise<A>): Effect.Effect<A, OverrideFileError> =>
  Effect.tryPromise({ try: run, catch: refused(path) })

// Opening a pipe must not wait for its writer. Windows does not know these two flags.
const flagsOf = ({ allowSymbolicLink }: Policy): number =>
  constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (allowSymbolicLink ? 0 : constants.O_NOFOLLOW ?? 0)

/** Returns one byte more than the file had if it has grown. */
const bytesOf = async (handle: FileHandle, size: number): Promise<Uint8Array> => {
  const buffer = new Uint8Array(size + 1)
  let length = 0
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return buffer.subarray(0, length)
}

const textOf = (bytes: Uint8Array): string | undefined =>
  tryOr(() => new TextDecoder("utf-8", { fatal: true }).decode(bytes), () => undefined)

const contentOf = Effect.fnUntraced(function*(path: string, handle: FileHandle, policy: Policy) {
  const info = yield* attempt(path, () => handle.stat())
  if (!info.isFile()) return yield* fail(path, "Unreadable", "it is not a regular file")
  // Windows has no such mode.
  if (!policy.allowWorldWritable && sep !== "\\" && (info.mode & 0o002) !== 0) {
    return yield* fail(path, "Insecure", "everybody can write to it; the option allowWorldWritable allows it")
  }
  if (info.size > policy.maxSize) {
    return yield* fail(path, "TooLarge", `it has more than ${policy.maxSize} bytes; the option maxSize allows more`)
  }
  const bytes = yield* attempt(path, () => bytesOf(handle, info.size))
  if (bytes.length !== info.size) return yield* fail(path, "Unreadable", "it has changed while it was read")
  return textOf(bytes) ?? (yield* fail(path, "Invalid", "it is not text in UTF-8"))
})

// Windows cannot refuse to follow a link when it opens the file.
const refuseLink = (path: string, { allowSymbolicLink }: Policy): Effect.Effect<void, OverrideFileError> =>
  allowSymbolicLink
    ? Effect.void
    : Effect.flatMap(
      attempt(path, () => lstat(path)),
      (info) => info.isSymbolicLink() ? Effect.fail(fail(path, "Insecure", isLink)) : Effect.void
    )

/** Reads the whole file, if it can be trusted. */
export const read = (path: string, policy: Policy): Effect.Effect<string, OverrideFileError> =>
  Effect.andThen(
    refuseLink(path, policy),
    Effect.acquireUseRelease(
      attempt(path, () => open(path, flagsOf(policy))),
      (handle) => contentOf(path, handle, policy),
      (handle) => Effect.ignore(attempt(path, () => handle.close()))
    )
  )

export const parse = (path: string, text: string): ReadonlyArray<Overrides.Entry> | OverrideFileError => {
  const entries = Overrides.parseJson(text)
  if (!Overrides.isProblem(entries)) return entries
  return fail(path, "Invalid", entries.isOfEntry ? entries.text : `it ${entries.text}`)
}
