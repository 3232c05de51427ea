/** Folders with modules, which Node loads. */
import { Effect, type Scope } from "effect"
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

export interface Folder {
  readonly path: string
  readonly write: (name: string, content: string) => string
}

/** A folder of its own, removed with the scope. */
export const folder = (
  files: Readonly<Record<string, string>> = {},
  parent = realpathSync(tmpdir())
): Effect.Effect<Folder, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      mkdirSync(parent, { recursive: true })
      const path = mkdtempSync(join(parent, "hook-plugins-"))
      const write = (name: string, content: string): string => {
        const file = join(path, name)
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(file, content)
        chmodSync(file, 0o644)
        return file
      }
      for (const [name, content] of Object.entries(files)) write(name, content)
      return { path, write }
    }),
    ({ path }) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )

/** The function of a plugin with one hook, which contributes its version. */
export const text = (name: string, version = "1.0.0", more = ""): string =>
  `({ FeatureHook }) => ({
    name: ${JSON.stringify(name)},
    version: "${version}",
    hooks: [{
      name: ${JSON.stringify(name)},
      hook: FeatureHook.make(${JSON.stringify(name)}, { before: () => ({ context: { ${name}: "${version}" } }) })
      ${more}
    }]
  })`

/** Waits for files, which take real time. */
export const eventually = (condition: () => boolean): Effect.Effect<void> =>
  Effect.promise(async () => {
    for (let i = 0; i < 5000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 1))
    if (!condition()) throw new Error(`never became true: ${String(condition)}`)
  })
