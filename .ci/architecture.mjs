// Holds docs/architecture.md against src: `node .ci/architecture.mjs [page]`.
//
// 1. Every path that the page names exists.
// 2. Every file of src is on one floor of the picture, and imports from its own floor and those below, types included.
// 3. A walk is a numbered list of at most five files. Of two neighbours, one imports the other. What is written as code
//    about a step is in its file.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, posix } from "node:path"
import { parseSync } from "oxc-parser"
import { root } from "./support.mjs"

const page = process.argv[2] ?? "docs/architecture.md"
const text = readFileSync(join(root, page), "utf8")
const errors = []

const files = readdirSync(join(root, "src"), { recursive: true })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => `src/${path.replaceAll("\\", "/")}`)
const sourceOf = new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]))

const importsOf = new Map(files.map((file) => {
  const { staticExports, staticImports } = parseSync(file, sourceOf.get(file)).module
  const requests = [
    ...staticImports.map(({ moduleRequest }) => moduleRequest),
    ...staticExports.flatMap(({ entries }) => entries.flatMap(({ moduleRequest }) => moduleRequest ?? []))
  ]
  const own = requests.map(({ value }) => value).filter((value) => value.startsWith("."))
  return [file, new Set(own.map((value) => posix.join(dirname(file), value)))]
}))

const pathsIn = (part) => part.match(/\bsrc\/[\w./-]*[\w/]/g) ?? []
for (const path of new Set(pathsIn(text))) {
  if (!existsSync(join(root, path))) errors.push(`${path} does not exist`)
}

const picture = /^```text\n(┌[^]*?)^```$/m.exec(text)?.[1] ?? ""
const floors = picture.split(/^├.*$/m).map(pathsIn)
// A folder stands for the files that are directly in it.
const floorsOf = (file) =>
  floors.flatMap((paths, floor) => paths.includes(file) || paths.includes(`${dirname(file)}/`) ? [floor] : [])
for (const file of files) {
  const own = floorsOf(file)
  if (own.length !== 1) errors.push(`${file} is on ${own.length} floors of the picture`)
  for (const other of importsOf.get(file)) {
    if (floorsOf(other)[0] < own[0]) errors.push(`${file} imports ${other}, which is on a floor above it`)
  }
}

const walks = text.match(/(?:^\d+\. \[`.*\n(?: .*\n)*)+/gm) ?? []
for (const walk of walks) {
  const steps = walk.split(/^(?=\d+\. )/m).map((step) => ({ file: pathsIn(step)[0], step }))
  if (steps.length > 5) errors.push(`the walk from ${steps[0].file} goes through ${steps.length} files`)
  for (const [index, { file, step }] of steps.entries()) {
    if (!files.includes(file)) continue
    for (const [, name] of step.matchAll(/`(\w+)`/g)) {
      if (!new RegExp(`\\b${name}\\b`).test(sourceOf.get(file))) errors.push(`${file} does not contain ${name}`)
    }
    const next = steps[index + 1]?.file
    if (next !== undefined && !importsOf.get(file).has(next) && !importsOf.get(next)?.has(file)) {
      errors.push(`neither of ${file} and ${next} imports the other`)
    }
  }
}
if (walks.length !== 2) errors.push(`${walks.length} walks found instead of 2`)

if (errors.length > 0) {
  console.error(errors.map((error) => `${page}: ${error}`).join("\n"))
  process.exit(1)
}
console.log(`architecture: ${files.length} files on ${floors.length} floors and ${walks.length} walks are in order`)
