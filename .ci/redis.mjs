// Runs what needs Redis: `node .ci/redis.mjs [--install]` the tests, and `node .ci/redis.mjs NAME` an example.
// Needs the command `redis-server`, which it starts on the loopback, in a temporary folder.
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { environment, must, need, root } from "./support.mjs"

need("redis-server")
const example = process.argv.slice(2).find((argument) => !argument.startsWith("--"))
const folder = join(root, "examples", example ?? "durable-queue")
// These packages ask for a newer Node, though they run on this one. What they have as peers is in the project.
must("npm", ["ci", "--prefer-offline", "--legacy-peer-deps", "--no-audit", "--no-fund", "--loglevel=error"], {
  cwd: folder
})
const bin = (path, ...args) => [process.execPath, [join(root, "node_modules", path), ...args]]
const commands = [
  bin("typescript/bin/tsc", "-p", folder),
  example === undefined
    ? bin("vitest/vitest.mjs", "run", "--config", ".ci/redis/vitest.config.ts")
    : bin("tsx/dist/cli.mjs", join(folder, "main.ts"))
]
for (const [command, args] of commands) {
  const { status } = spawnSync(command, args, { cwd: root, env: environment, stdio: "inherit" })
  if (status !== 0) process.exit(status ?? 1)
}
