// Starts processes, kills them, and leaves none behind.
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

const children = new Set<ChildProcess>()

/** A folder that is removed at the end. */
export const folder = mkdtempSync(join(tmpdir(), "effect-openfeature-queue-"))

process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL")
  rmSync(folder, { recursive: true, force: true })
})

export interface Process {
  /** Kills it at once, and waits for its end. */
  readonly kill: () => Promise<void>
  /** Stops it without its knowing, or lets it go on. */
  readonly pause: () => void
  readonly resume: () => void
}

/** Starts a program, and waits until its output has a text. */
export const start = async (
  command: string,
  args: ReadonlyArray<string>,
  ready: string,
  env: Readonly<Record<string, string>> = {}
): Promise<Process> => {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "inherit"] })
  children.add(child)
  const ended = once(child, "exit").then(() => {
    children.delete(child)
  })
  let output = ""
  child.stdout.on("data", (data) => {
    output += String(data)
  })
  for (let i = 0; i < 600 && !output.includes(ready); i++) {
    if (child.exitCode !== null) throw new Error(`${command} has ended\n${output}`)
    await sleep(50)
  }
  return {
    kill: async () => {
      child.kill("SIGKILL")
      await ended
    },
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT")
  }
}

/** A port of this machine that nobody listens on. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  return typeof address === "object" && address !== null ? address.port : 0
}

/** Redis that keeps what it has acknowledged, also when it is killed. */
export const startRedis = (port: number): Promise<Process> =>
  start(
    "redis-server",
    `--port ${port} --bind 127.0.0.1 --dir ${folder} --appendonly yes --appendfsync always`.split(" "),
    "Ready to accept connections"
  )

/** Makes one file of a program and its modules, so that it is back soon after it was killed. */
export const bundled = async (file: URL): Promise<string> => {
  const entry = fileURLToPath(file)
  const outfile = join(dirname(entry), "node_modules/.cache", `${basename(entry, ".ts")}.mjs`)
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    packages: "external",
    format: "esm",
    platform: "node",
    tsconfig: join(dirname(entry), "tsconfig.json")
  })
  return outfile
}
