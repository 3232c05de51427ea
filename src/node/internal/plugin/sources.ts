/** Where plugins come from: a folder, files, and packages. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { isAbsolute, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { tryOr } from "../../../internal/untrusted.ts"
import { HookPluginError } from "./error.ts"
import * as Files from "./files.ts"
import { within } from "./load.ts"

export interface Limits extends Files.Limits {
  readonly timeout: Duration.Input
}

/** One plugin, which is not loaded yet. */
export interface Source {
  /** The path or the specifier as it was written, which stays the same when a link leads elsewhere. */
  readonly key: string
  /** The file with its present content, or the specifier of a package. */
  readonly module:
    | { readonly file: string; readonly digest: string }
    | { readonly specifier: string }
}

/** A source that cannot be read is not the same as one that is gone. */
export interface Found {
  readonly key: string
  readonly source: Result.Result<Source, HookPluginError>
}

/** Files and modules are read and loaded next to each other, up to this number. */
export const concurrency = 16

const read = (
  key: string,
  file: Effect.Effect<string | undefined, HookPluginError>,
  limits: Limits
): Effect.Effect<Found | undefined> =>
  Effect.flatMap(
    file,
    (file) => file === undefined ? Effect.void : Effect.map(Files.digestOf(file), (digest) => ({ file, digest }))
  ).pipe(
    (work) => within(work, limits.timeout, (_outcome, cause) => unreadable(key, cause)),
    Effect.result,
    Effect.map((result) => {
      if (Result.isFailure(result)) return { key, source: Result.fail(result.failure) }
      return result.success === undefined
        ? undefined
        : { key, source: Result.succeed({ key, module: result.success }) }
    })
  )

const unreadable = (file: string, cause: unknown): HookPluginError =>
  cause instanceof HookPluginError
    ? cause
    : new HookPluginError({ reason: "Timeout", text: "it cannot be read in time", file, cause })

export const inFolder = Effect.fnUntraced(function*(directory: string | URL, limits: Limits) {
  const path = pathOf(directory) ?? resolve(`${directory}`)
  const folder = yield* within(
    Files.folderAt(path, limits),
    limits.timeout,
    (_outcome, cause) => unreadable(path, cause)
  )
  const found = yield* Effect.forEach(
    folder.names,
    (name) => read(join(folder.path, name), Files.fileIn(folder, name, limits), limits),
    { concurrency }
  )
  return found.filter((one) => one !== undefined)
})

/** The path that a specifier means, or `undefined` if it is the name of a package. */
const pathOf = (specifier: string | URL): string | undefined => {
  const text = `${specifier}`
  if (text.startsWith("file:")) return tryOr(() => fileURLToPath(text), () => text)
  return isAbsolute(text) || /^[.]{1,2}([\\/]|$)/.test(text) ? resolve(text) : undefined
}

/** Anything else that has a scheme, such as `data:`, is code from elsewhere. */
const isPackage = (text: string): boolean => /^(@[\w.~-]+\/)?[\w.~-]+(\/[\w.~/-]+)?$/.test(text)

export const ofModule = (specifier: string | URL, limits: Limits): Effect.Effect<Found> => {
  const key = `${specifier}`
  const path = pathOf(specifier)
  if (path === undefined) {
    const source = isPackage(key) ? Result.succeed({ key, module: { specifier: key } }) : Result.fail(
      new HookPluginError({ reason: "Unreadable", text: "it is neither a path nor the name of a package", file: key })
    )
    return Effect.succeed({ key, source })
  }
  return Effect.map(
    read(path, Files.fileAt(path, limits), limits),
    (found) => found ?? { key: path, source: Result.fail(unreadable(path, undefined)) }
  )
}
