// Weighs the packed package, for the table of docs/choosing.md: `node .ci/weigh.mjs`. Sizes are those of the files, times
// the shortest of 20 starts of Node without that of an empty program.
import { build } from "esbuild"
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { consumerIn, execute, manifest, packCopy, pinned, temporary } from "./support.mjs"

const folder = temporary("weigh")
const { consumer, install } = consumerIn(folder)
cpSync(new URL("weigh", import.meta.url), consumer, { recursive: true })
install(packCopy(folder), ...["effect", "@openfeature/server-sdk", "@openfeature/core"].map(pinned))

const sizeOf = (path) =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
for (const name of ["@openfeature", "effect", manifest.name]) {
  console.log(`installed ${name}: ${(sizeOf(join(consumer, "node_modules", name)) / 1e6).toFixed(1)} MB`)
}

const programs = ["sdk", "hook", "client"]
const files = ["empty.mjs"]
writeFileSync(join(consumer, "empty.mjs"), "")
for (const program of programs) {
  const outfile = join(consumer, `${program}.bundle.mjs`)
  await build({
    absWorkingDir: consumer,
    entryPoints: [`${program}.mjs`],
    outfile,
    bundle: true,
    minify: true,
    platform: "node",
    format: "esm"
  })
  const code = readFileSync(outfile)
  const kilobytes = (bytes) => `${(bytes / 1000).toFixed(0)} kB`
  console.log(
    `bundled ${program}: ${kilobytes(code.length)}, ${kilobytes(gzipSync(code, { level: 9 }).length)} with gzip`
  )
  files.push(`${program}.mjs`, `${program}.bundle.mjs`)
}

const shortest = new Map(files.map((file) => [file, Infinity]))
for (let round = 0; round < 20; round++) {
  for (const file of files) {
    const started = performance.now()
    const { ok, output } = execute(process.execPath, [file], { cwd: consumer })
    if (!ok) throw new Error(output)
    shortest.set(file, Math.min(shortest.get(file), performance.now() - started))
  }
}
for (const file of files.slice(1)) {
  console.log(`loading ${file}: ${(shortest.get(file) - shortest.get("empty.mjs")).toFixed(0)} ms`)
}
