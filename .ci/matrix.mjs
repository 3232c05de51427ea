// Runs the tests under several versions of Node and of the OpenFeature SDK:
//
//   node .ci/matrix.mjs                            everything
//   node .ci/matrix.mjs --others                   everything but the installed versions
//   node .ci/matrix.mjs --node 24 --node 26        these versions of Node only
//   node .ci/matrix.mjs --sdk 1.20.1               this version of the SDK only
//   node .ci/matrix.mjs --coverage 24              everything, with the coverage under this version of Node
//
// Long tests make a tenth of their repetitions; `npm test` makes them all.
import { cpSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { execute, manifest, must, nodeOf, root, temporary } from "./support.mjs"

const { values } = parseArgs({
  options: {
    node: { type: "string", multiple: true },
    sdk: { type: "string", multiple: true },
    others: { type: "boolean", default: false },
    coverage: { type: "string" }
  }
})
const all = values.node === undefined && values.sdk === undefined
const oldest = manifest.peerDependencies["@openfeature/server-sdk"].replace("^", "")
const installed = JSON.parse(
  readFileSync(join(root, "node_modules/@openfeature/server-sdk/package.json"), "utf8")
).version
const newest = all && values.others
  ? must("npm", ["view", "@openfeature/server-sdk", "version"]).trim()
  : undefined
const isOther = (version) =>
  !values.others || (version !== process.versions.node.split(".")[0] && !(version === "latest" && newest === installed))
const nodes = values.node ?? (all ? ["20", "22", "24", "26"].filter(isOther) : [])
const sdks = values.sdk ?? (all ? [oldest, "latest"].filter(isOther) : [])

const rows = []
const record = (target, version, started, result) => {
  const tests = /^\s*Tests\s+(.+)$/m.exec(result.output)?.[1] ?? ""
  const seconds = `${((performance.now() - started) / 1000).toFixed(1)} s`
  rows.push({ target, version, result: result.ok ? "pass" : "FAIL", tests, seconds })
  console.log(`${target} ${version}: ${result.ok ? "pass" : "FAIL"} ${tests} ${seconds}`)
  if (!result.ok) console.log(result.output)
}
const attempt = (target, wanted, body) => {
  const started = performance.now()
  try {
    body(started)
  } catch (error) {
    record(target, wanted, started, { ok: false, output: error.message })
  }
}
const vitest = (node, cwd, ...args) =>
  execute(node, [join(cwd, "node_modules/vitest/vitest.mjs"), "run", ...args], { cwd, env: { SCALE: "0.1" } })

for (const wanted of nodes) {
  attempt("Node", wanted, (started) => {
    const node = nodeOf(wanted)
    const version = must(node, ["-p", "process.versions.node"]).trim()
    const tests = vitest(node, root, ...(wanted === values.coverage ? ["--coverage"] : []))
    record("Node", version, started, tests)
    const covered = /^All files.*$/m.exec(tests.output)?.[0].split("|").slice(1, 5).map((part) => part.trim())
    if (covered !== undefined) {
      console.log(`coverage of statements, branches, functions, lines: ${covered.join(", ")} %`)
    }
  })
}

if (sdks.length > 0) {
  const copy = temporary("matrix")
  const skipped = new Set([".git", ".cache", "coverage", "dist"])
  cpSync(root, copy, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !skipped.has(source.slice(root.length))
  })
  for (const wanted of sdks) {
    attempt("SDK", wanted, (started) => {
      const install = ["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"]
      // The oldest SDK comes with the oldest core it accepts, every other one with the newest.
      const range = must("npm", ["view", `@openfeature/server-sdk@${wanted}`, "peerDependencies.@openfeature/core"])
        .trim()
      const core = wanted === oldest ? range.replace("^", "") : range
      must("npm", [...install, `@openfeature/server-sdk@${wanted}`, `@openfeature/core@${core}`], { cwd: copy })
      const versionOf = (name) =>
        JSON.parse(readFileSync(join(copy, "node_modules", name, "package.json"), "utf8")).version
      const version = `${versionOf("@openfeature/server-sdk")} (core ${versionOf("@openfeature/core")})`
      const types = execute(process.execPath, ["node_modules/typescript/bin/tsc", "--noEmit"], { cwd: copy })
      const tests = vitest(process.execPath, copy)
      record("SDK", version, started, { ok: types.ok && tests.ok, output: `${types.output}${tests.output}` })
    })
  }
}

console.table(rows)
const failed = rows.filter((row) => row.result !== "pass").length
if (rows.length === 0 || failed > 0) {
  console.error(`matrix: ${failed} of ${rows.length} runs failed`)
  process.exit(1)
}
console.log(`matrix: ${rows.length} runs passed`)
