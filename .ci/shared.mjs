// Helpers of the scripts in this folder.
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** The folder of the project. */
export const root = fileURLToPath(new URL("..", import.meta.url))

/** The environment without the variables by which npm tells a script about its package. */
export const environment = Object.fromEntries(
  Object.entries(process.env).filter(([key]) =>
    key !== "INIT_CWD" && key !== "NODE_OPTIONS" &&
    !/^npm_(package|lifecycle|command|execpath|node_execpath)/.test(key) &&
    !/^npm_config_(local_prefix|global_prefix|noproxy|node_gyp|user_agent)$/.test(key)
  )
)

/** Runs a command to its end and returns its status and output. */
export const execute = (command, args, options = {}) => {
  const { env, ...rest } = options
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    env: { ...environment, NO_COLOR: "1", FORCE_COLOR: undefined, ...env },
    maxBuffer: 64 * 1024 * 1024,
    stdio: ["ignore", "pipe", "pipe"],
    shell: process.platform === "win32" && /^(npm|npx)$/.test(command),
    ...rest
  })
  return {
    ok: result.status === 0,
    stdout: result.stdout ?? "",
    output: `${result.stdout ?? ""}${result.stderr ?? ""}${result.error ? `\n${result.error.message}` : ""}`
  }
}

/** Runs a command, throws with its output when it fails, and returns its standard output. */
export const must = (command, args, options) => {
  const result = execute(command, args, options)
  if (!result.ok) throw new Error(`${command} ${args.join(" ")} failed\n${result.output}`)
  return result.stdout
}

/** A new empty folder that is removed when the process ends. */
export const temporary = (label) => {
  const folder = mkdtempSync(join(tmpdir(), `effect-openfeature-${label}-`))
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130))
  return folder
}

// The compiler options of a user who is strict.
export const strictConsumer = {
  target: "ES2022",
  lib: ["ES2022", "ESNext.Disposable", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
  module: "NodeNext",
  moduleDetection: "force",
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noEmit: true,
  types: ["node"]
}
