// Shows that the rules bite: `.ci/refused` has files with a comment `// refused: <what is said>` above each line that
// the linter or the check of the floors has to refuse. They refuse these lines, and nothing else.
import { cpSync, readdirSync, readFileSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { execute, root, temporary } from "./support.mjs"

const bin = join(root, "node_modules")
const errors = []
let count = 0

const compare = (tree, file, refused) => {
  const lines = readFileSync(join(tree, file), "utf8").split("\n")
  const expected = lines.flatMap((line, index) => {
    const [, text] = /^\s*\/\/ refused: (.+)$/.exec(line) ?? []
    return text === undefined ? [] : [`${file}:${index + 2}: ${text}`]
  })
  const actual = refused(lines).map(({ line, text }) => `${file}:${line}: ${text}`)
  count += expected.length
  const among = (texts, text) => texts.some((other) => text.startsWith(other) || other.startsWith(text))
  errors.push(...expected.filter((text) => !among(actual, text)).map((text) => `not refused: ${text}`))
  errors.push(...actual.filter((text) => !among(expected, text)).map((text) => `refused too: ${text}`))
}
const copy = (name) => {
  const tree = temporary(name)
  cpSync(join(root, ".ci/refused", name), tree, { recursive: true })
  for (const file of ["package.json", ".oxlintrc.json"]) cpSync(join(root, file), join(tree, file))
  symlinkSync(bin, join(tree, "node_modules"), "junction")
  return tree
}
const filesIn = (tree) =>
  readdirSync(join(tree, "src"), { recursive: true }).filter((path) => path.endsWith(".ts")).map((path) =>
    ["src", path].join("/")
  )

const lint = copy("lint")
const { diagnostics } = JSON.parse(
  execute(process.execPath, [join(bin, "oxlint/bin/oxlint"), "--format", "json", "src"], { cwd: lint }).stdout
)
for (const file of filesIn(lint)) {
  compare(lint, file, (lines) =>
    diagnostics.filter(({ filename }) => filename === file).map(({ labels, message }) => {
      // A report about a tag is about its block.
      const { line } = labels[0].span
      return { line: lines.slice(0, line).findLastIndex((text) => !/^\s+\*/.test(text)) + 1, text: message }
    }))
}

const floors = copy("floors")
const { modules, summary } = JSON.parse(
  execute(process.execPath, [
    join(bin, "dependency-cruiser/bin/dependency-cruise.mjs"),
    "--config",
    join(root, ".ci/.dependency-cruiser.cjs"),
    "--output-type",
    "json",
    "src"
  ], { cwd: floors }).stdout
)
for (const file of filesIn(floors)) {
  compare(floors, file, (lines) => {
    const { dependencies } = modules.find(({ source }) => source === file)
    const reaching = summary.violations.filter(({ from, type }) => from === file && type === "reachability")
    return dependencies.flatMap(({ module, resolved, rules = [] }) => {
      const names = [...rules, ...reaching.filter(({ via }) => via[0].name === resolved).map(({ rule }) => rule)]
      const text = [...new Set(names.map(({ name }) => name))].sort((a, b) => a < b ? -1 : 1).join(", ")
      return text === "" ? [] : [{ line: lines.findIndex((line) => line.includes(`${module}"`)) + 1, text }]
    })
  })
}

if (errors.length > 0) {
  console.error(errors.join("\n"))
  process.exit(1)
}
console.log(`refused: ${count} lines, as they should be`)
