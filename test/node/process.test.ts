import { assert, describe, it } from "@effect/vitest"
import { build } from "esbuild"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { folder, text } from "./support.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

const script = `
  import { Effect } from "effect"
  import { HookPlugin } from "${root}/src/node/index.ts"
  const { failures, plugins } = await Effect.runPromise(
    HookPlugin.discover(process.argv[2], { timeout: "500 millis" })
  )
  console.log(JSON.stringify([
    plugins.map(({ name }) => name),
    failures.map(({ file, reason }) => file.split("/").at(-1) + " " + reason)
  ]))
`

/** Runs the script without a loader of a tool, and gives what it printed when it ended by itself. */
const run = (file: string, argument: string) =>
  Effect.callback<{ readonly stdout: string; readonly stderr: string; readonly code: unknown }>((resume) => {
    execFile(process.execPath, [file, argument], { timeout: 240_000 }, (error, stdout, stderr) => {
      resume(Effect.succeed({ stdout, stderr, code: error?.code ?? error?.signal ?? 0 }))
    })
  })

describe("in a process of its own", () => {
  it.live("loads files with every kind of name, and ends although a module hangs", () =>
    Effect.gen(function*() {
      const program = yield* folder({}, join(root, ".cache"))
      yield* Effect.promise(() =>
        build({
          stdin: { contents: script, resolveDir: root, loader: "ts" },
          outfile: join(program.path, "main.mjs"),
          bundle: true,
          format: "esm",
          platform: "node",
          external: ["effect", "effect/*", "@openfeature/*"]
        })
      )
      const { path } = yield* folder({
        "a # 5% b?c=d&e.mjs": `export default ${text("sharp")}`,
        "b%20c.cjs": `module.exports = ${text("percent")}`,
        "c é 😀.js": `module.exports = ${text("unicode")}`,
        "d'\"`$(x).js": `export default ${text("quotes")}`,
        "e/index.js": `export default ${text("index")}`,
        "f/package.json": `{ "type": "module" }`,
        "f/index.js": `export default ${text("scoped")}`,
        "g.js": "setInterval(() => {}, 1000).unref(); await new Promise(() => {})",
        "h.mjs": "import fs from 'node:fs'; fs.nothing()"
      })
      const { code, stderr, stdout } = yield* run(join(program.path, "main.mjs"), path)
      assert.deepStrictEqual([code, stderr.replace(/^.*(Warning|--trace-warnings).*$/gm, "").trim()], [0, ""])
      assert.deepStrictEqual(JSON.parse(stdout), [
        ["sharp", "percent", "unicode", "quotes", "index", "scoped"],
        ["g.js Timeout", "h.mjs Import"]
      ])
    }))
})
