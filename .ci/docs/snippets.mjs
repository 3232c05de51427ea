// Finds, type-checks and runs the ts fences of the documentation.
import { build } from "esbuild"
import { spawn } from "node:child_process"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { execute, root } from "../support.mjs"
import { instrument } from "./instrument.mjs"

/** Where the snippets are written to. */
export const cache = join(root, ".cache", "docs")

// Of a snippet that hangs. A busy machine takes some seconds for one that does not.
const timeout = 60_000
const otherLanguages = ["text", "sh", "json", "jsonc", "yaml", "mermaid", "diff"]

/** The ts fences in lines of `{ text, line }`. Reports what is not closed and languages that nothing checks. */
export const snippetsOf = (file, lines, errors) => {
  const found = []
  let open
  for (const { line, text } of lines) {
    const fence = /^(\s*)(`{3,})\s*([^\s`]*)/.exec(text)
    if (open === undefined) {
      if (fence === null) continue
      open = { indent: fence[1].length, ticks: fence[2], language: fence[3], line, body: [] }
      if (open.language !== "ts" && !otherLanguages.includes(open.language)) {
        const others = otherLanguages.join(", ")
        errors.push(`${file}:${line}: fence with language "${open.language}"; use ts (checked) or ${others}`)
      }
    } else if (fence !== null && fence[3] === "" && fence[2].length >= open.ticks.length) {
      if (open.language === "ts") found.push({ file, line: open.line + 1, code: `${open.body.join("\n")}\n` })
      open = undefined
    } else {
      open.body.push(text.slice(0, open.indent).trim() === "" ? text.slice(open.indent) : text)
    }
  }
  if (open !== undefined) errors.push(`${file}:${open.line}: fence is not closed`)
  return found
}

const write = (snippets, errors) => {
  rmSync(cache, { recursive: true, force: true })
  mkdirSync(join(cache, "run"), { recursive: true })
  for (const [index, snippet] of snippets.entries()) {
    const { file, line } = snippet
    snippet.name = `${String(index + 1).padStart(3, "0")}-${file.replace(/\W+/g, "-")}-${line}.ts`
    const path = join(cache, snippet.name)
    writeFileSync(path, snippet.code)
    const { assertions, code } = instrument(snippet, path, errors)
    const prelude = assertions === 0 ? "" : `import { __assert, __expect } from "../../../.ci/docs/assertion.ts"; ` +
      `__expect(${assertions}, ${JSON.stringify(`${file}:${line}`)}); `
    writeFileSync(join(cache, "run", snippet.name), prelude + code)
  }
}

const typecheck = (snippets, errors) => {
  const byName = new Map(snippets.map((snippet) => [snippet.name, snippet]))
  const tsc = execute(process.execPath, ["node_modules/typescript/bin/tsc", "-p", ".ci/docs", "--pretty", "false"])
  if (tsc.ok) return
  errors.push(
    tsc.output.trimEnd().replace(/^([^\s(][^(]*)\((\d+),(\d+)\)/gm, (all, path, line, column) => {
      const snippet = byName.get(path.split("/").at(-1))
      if (snippet === undefined) return all
      snippet.broken = true
      return `${snippet.file}:${snippet.line + Number(line) - 1}:${column}`
    })
  )
}

// One file for each snippet, with the library in it, starts in half the time.
const bundle = (snippets) =>
  build({
    entryPoints: snippets.map(({ name }) => join(cache, "run", name)),
    outdir: join(cache, "run"),
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    sourcemap: "inline",
    tsconfig: join(root, ".ci/docs/tsconfig.json"),
    plugins: [{
      name: "packages",
      setup: (builder) =>
        builder.onResolve({ filter: /^[^./]/ }, ({ kind, path }) =>
          kind === "entry-point" || path.startsWith("effect-openfeature") ? undefined : { path, external: true })
    }]
  })

const run = (snippet, errors) =>
  new Promise((resolve) => {
    const file = join(cache, "run", snippet.name.replace(/\.ts$/, ".mjs"))
    const child = spawn(process.execPath, ["--enable-source-maps", file], {
      cwd: root,
      env: { ...process.env, NO_COLOR: "1", NODE_NO_WARNINGS: "1" },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    let late = false
    child.stdout.on("data", (data) => output += data)
    child.stderr.on("data", (data) => output += data)
    const timer = setTimeout(() => {
      late = true
      child.kill("SIGKILL")
    }, timeout)
    child.on("close", (code, signal) => {
      clearTimeout(timer)
      output = output.trim().split("\n").slice(0, 20).join("\n")
      const at = `${snippet.file}:${snippet.line}`
      if (late) errors.push(`${at}: snippet did not end within ${timeout / 1000} s\n${output}`)
      else if (code !== 0) errors.push(`${at}: snippet failed with ${signal ?? `code ${code}`}\n${output}`)
      resolve()
    })
  })

/** Type-checks all snippets and runs those that pass. */
export const checkSnippets = async (snippets, errors) => {
  write(snippets, errors)
  typecheck(snippets, errors)
  const queue = snippets.filter((snippet) => !snippet.broken)
  await bundle(queue)
  await Promise.all(Array.from({ length: availableParallelism() }, async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await run(next, errors)
  }))
}
