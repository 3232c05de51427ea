// Helpers of the scripts in this folder.
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** The folder of the project. */
export const root = fileURLToPath(new URL("..", import.meta.url))

/** The project's package.json. */
export const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

/** The version of a package that the project is developed with. */
export const pinned = (name) => `${name}@${manifest.devDependencies[name]}`

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

/** The executable of a version of Node. */
export const nodeOf = (wanted) =>
  process.versions.node === wanted || process.versions.node.startsWith(`${wanted}.`)
    ? process.execPath
    : must("npx", ["-y", "-p", `node@${wanted}`, "node", "-p", "process.execPath"]).trim()

/** Packs a checkout of the project and returns the path of the tarball. */
export const pack = (checkout, folder) => {
  must("npm", ["pack", "--pack-destination", folder], { cwd: checkout })
  return join(folder, readdirSync(folder).find((file) => file.endsWith(".tgz")))
}

/** Packs a copy of this project: packing builds, and the folder dist may be in use. */
export const packCopy = (folder) => {
  const copy = join(folder, "copy")
  mkdirSync(copy)
  for (const name of ["src", ".ci", "package.json", ...manifest.files.filter((file) => file.endsWith(".md"))]) {
    cpSync(join(root, name), join(copy, name), { recursive: true })
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"), "junction")
  return pack(copy, folder)
}

/** An empty project of a user, with what is in .ci/consumer, and how packages get into it. */
export const consumerIn = (folder, name = "consumer") => {
  const consumer = join(folder, name)
  cpSync(join(root, ".ci/consumer"), consumer, { recursive: true })
  const install = (...packages) =>
    must("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", ...packages], { cwd: consumer })
  return { consumer, install }
}

/** Type-checks a user's project. Declarations of other packages may have errors of their own. */
export const typecheck = (consumer, ...args) => {
  const tsc = join(root, "node_modules/typescript/bin/tsc")
  const { ok, output } = execute(process.execPath, [tsc, "--pretty", "false", ...args], { cwd: consumer })
  const errors = output.split("\n").filter((line) => line.includes("error TS"))
  const own = errors.filter((line) =>
    !line.startsWith("node_modules/") || line.startsWith(`node_modules/${manifest.name}/`)
  )
  return {
    ok: own.length === 0 && (ok || errors.length > 0),
    output,
    foreign: errors.length > own.length ? ` (${errors.length - own.length} errors in other packages)` : ""
  }
}

/** Makes sure that a command of Debian is there. Installs its package where that was asked for, and in CI. */
export const need = (command) => {
  if (execute("which", [command]).ok) return
  if (process.env.CI !== "true" && !process.argv.includes("--install")) {
    console.error(
      `${command} is missing. Install Debian's package "${command}", or run this again with --install, which does it.`
    )
    process.exit(1)
  }
  const asRoot = (...line) => {
    const words = process.getuid() === 0 ? line : ["sudo", "-n", ...line]
    must(words[0], words.slice(1), { env: { DEBIAN_FRONTEND: "noninteractive" } })
  }
  console.log(`installing ${command}`)
  const apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120"]
  asRoot(...apt, "update")
  asRoot(...apt, "install", "-y", "--no-install-recommends", command)
  // The package starts a service of its own where there is systemd.
  if (command === "prometheus" && existsSync("/run/systemd/system")) {
    asRoot("systemctl", "disable", "--now", "prometheus")
  }
}
