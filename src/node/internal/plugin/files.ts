/** The files of plugins: where they are, and what is in them. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { createHash } from "node:crypto"
import type { Stats } from "node:fs"
import { opendir, readFile, realpath, stat } from "node:fs/promises"
import { extname, isAbsolute, join, relative, sep } from "node:path"
import { HookPluginError } from "./error.ts"

export interface Limits {
  readonly maxFiles: number
  readonly allowWorldWritable: boolean
}

const extensions: ReadonlySet<string> = new Set([".cjs", ".js", ".mjs"])
const indexes = ["index.mjs", "index.js", "index.cjs"]

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? ` (${cause.code})` : ""

const attempt = <A>(file: string, run: () => Promise<A>): Effect.Effect<A, HookPluginError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) =>
      new HookPluginError({ reason: "Unreadable", text: `it cannot be read${codeOf(cause)}`, file, cause })
  })

const real = (path: string): Effect.Effect<string, HookPluginError> => attempt(path, () => realpath(path))

const infoOf = (path: string): Effect.Effect<Stats, HookPluginError> => attempt(path, () => stat(path))

// Anybody could put code there, which would run with the rights of this process. Windows has no such mode.
const secure = (path: string, { mode }: Stats, { allowWorldWritable }: Limits): Effect.Effect<void, HookPluginError> =>
  allowWorldWritable || sep === "\\" || (mode & 0o002) === 0
    ? Effect.void
    : Effect.fail(new HookPluginError({ reason: "Insecure", text: "everybody can write to it", file: path }))

/** The real path of a file that a path leads to. */
export const fileAt = Effect.fnUntraced(function*(path: string, limits: Limits) {
  const file = yield* real(path)
  const info = yield* infoOf(file)
  if (!info.isFile()) {
    return yield* new HookPluginError({ reason: "Unreadable", text: "it is not a file", file: path })
  }
  yield* secure(file, info, limits)
  return file
})

export interface Folder {
  readonly path: string
  /** Names of files and folders that can be plugins, in the order of their code units. */
  readonly names: ReadonlyArray<string>
}

export const folderAt = Effect.fnUntraced(function*(path: string, limits: Limits): Effect.fn.Return<
  Folder,
  HookPluginError
> {
  const folder = yield* real(path)
  const info = yield* infoOf(folder)
  if (!info.isDirectory()) {
    return yield* new HookPluginError({ reason: "Unreadable", text: "it is not a folder", file: path })
  }
  yield* secure(folder, info, limits)
  const names = yield* attempt(path, () => namesIn(folder, limits.maxFiles))
  if (names.length > limits.maxFiles) {
    const text = `there are more than ${limits.maxFiles} files; the option maxFiles allows more`
    return yield* new HookPluginError({ reason: "TooMany", text, file: path })
  }
  return { path: folder, names: names.sort() }
})

// Stops early, so that a folder with millions of files takes no memory.
const namesIn = async (folder: string, max: number): Promise<Array<string>> => {
  const names: Array<string> = []
  for await (const entry of await opendir(folder)) {
    const { name } = entry
    if (name.startsWith("_") || name.startsWith(".")) continue
    if (entry.isDirectory() || entry.isSymbolicLink() || extensions.has(extname(name))) names.push(name)
    if (names.length > max) break
  }
  return names
}

/** The real path of the file that a name stands for, or `undefined` if it is not that of a plugin. */
export const fileIn = Effect.fnUntraced(function*(folder: Folder, name: string, limits: Limits): Effect.fn.Return<
  string | undefined,
  HookPluginError
> {
  const path = yield* inside(folder, name)
  const info = yield* infoOf(path)
  if (!info.isDirectory()) {
    return extensions.has(extname(name)) ? yield* fileAt(path, limits) : undefined
  }
  yield* secure(path, info, limits)
  for (const index of indexes) {
    const found = yield* Effect.option(real(join(path, index)))
    if (Option.isSome(found)) return yield* fileAt(yield* inside(folder, join(name, index)), limits)
  }
  return undefined
})

const inside = Effect.fnUntraced(function*(folder: Folder, name: string) {
  const path = join(folder.path, name)
  const target = yield* real(path)
  const way = relative(folder.path, target)
  if (way === "" || isAbsolute(way) || way.split(sep)[0] === "..") {
    return yield* new HookPluginError({
      reason: "Outside",
      text: "it is a link that leads out of the folder",
      file: path
    })
  }
  return target
})

/** A text that changes when the file does. */
export const digestOf = (file: string): Effect.Effect<string, HookPluginError> =>
  Effect.map(
    attempt(file, () => readFile(file)),
    (content) => createHash("sha256").update(content).digest("hex").slice(0, 16)
  )
