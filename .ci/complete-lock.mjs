// Completes package-lock.json after `npm install` against a registry mirror that lacks the binaries of other platforms:
// npm then leaves those optional packages out of the lock file, and `npm ci` refuses it. Run it as
// `node .ci/complete-lock.mjs`; it changes nothing when the lock file is complete.
import { readFileSync, writeFileSync } from "node:fs"

const file = new URL("../package-lock.json", import.meta.url)
const lock = JSON.parse(readFileSync(file, "utf8"))
const systems = new Set(["android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"])
const processors = new Set(["arm64", "x64", "ia32", "arm", "ppc64", "riscv64", "s390x", "loong64"])

let added = 0
for (const [path, entry] of Object.entries(lock.packages)) {
  if (path === "") continue
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) continue
    // Beside the package that wants it where another version has the place at the top.
    const nested = `${path}/node_modules/${name}`
    const top = `node_modules/${name}`
    const key = (lock.packages[top]?.version ?? version) === version ? top : nested
    if (nested in lock.packages || key in lock.packages) continue
    const parts = name.replace(/^@[^/]+\//, "").split("-")
    const os = parts.find((part) => systems.has(part))
    const cpu = parts.find((part) => processors.has(part))
    if (os === undefined || cpu === undefined) {
      throw new Error(`cannot tell the platform of ${name}`)
    }
    const abi = parts.find((part) => /^(gnu|glibc|musl)/.test(part))
    lock.packages[key] = {
      version,
      cpu: [cpu],
      ...(entry.dev ? { dev: true } : {}),
      ...(abi === undefined || os !== "linux" ? {} : { libc: [abi.startsWith("musl") ? "musl" : "glibc"] }),
      optional: true,
      os: [os]
    }
    added++
  }
}
if (added > 0) {
  lock.packages = Object.fromEntries(
    Object.entries(lock.packages).toSorted(([a], [b]) => a === "" ? -1 : b === "" ? 1 : a.localeCompare(b, "en"))
  )
  writeFileSync(file, `${JSON.stringify(lock, undefined, 2)}\n`)
}
console.log(`${added} optional packages added to package-lock.json`)
