// Starts programs, waits for them, and leaves none behind.
import { spawn } from "node:child_process"
import { createServer } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { environment, root } from "../support.mjs"

/** A port that nobody listens on. */
export const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer().once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })

/** Asks again until there is an answer. */
const until = async (what, seconds, ask) => {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain for ${what}`)
    await sleep(100)
  }
}

const children = new Set()
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL")
})

/** Starts a program. */
export const start = (command, args, env = {}) => {
  const child = spawn(command, args, {
    cwd: root,
    env: { ...environment, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const state = { output: "", hasEnded: false }
  children.add(child)
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => state.output += String(data))
  const ended = new Promise((resolve) => {
    child.once("error", (error) => {
      state.output += error.message
      resolve()
    })
    child.once("close", resolve)
  }).then(() => {
    state.hasEnded = true
    children.delete(child)
  })
  /** Waits for something of the child, in vain once the child has ended. */
  const wait = (what, seconds, ask) =>
    until(what, seconds, () => {
      if (state.hasEnded) throw new Error(`${command} has ended before ${what}\n${state.output}`)
      return ask(state.output)
    })
  const stop = async () => {
    child.kill("SIGTERM")
    if (await Promise.race([ended, sleep(3000, "late", { ref: false })]) === "late") child.kill("SIGKILL")
    await ended
  }
  return { wait, stop }
}
