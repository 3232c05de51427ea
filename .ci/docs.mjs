// Checks the documentation: `node .ci/docs.mjs [--keep]`.
//
// 1. What the linter cannot see of JSDoc: each module of src has a header, each export a lead sentence of its own, and
//    each field of an exported type or of options a comment of its own, which an editor shows where the field is typed.
// 2. Each ts fence in the JSDoc of src, in README.md and in docs type-checks under the strict options of the project
//    and runs to its end without failure. A trailing comment `// => <expression>` behind an expression statement
//    or a constant asserts that the value equals the expression; behind console.log it looks at the argument. The
//    fences of docs/api are those of the JSDoc.
import { readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { parseSync } from "oxc-parser"
import { undocumentedFields } from "./docs/fields.mjs"
import { lineOf } from "./docs/instrument.mjs"
import { cache, checkSnippets, snippetsOf } from "./docs/snippets.mjs"
import { root } from "./support.mjs"

const errors = []
const filesIn = (folder, extension) =>
  readdirSync(join(root, folder), { recursive: true })
    .filter((path) => path.endsWith(extension))
    .map((path) => `${folder}/${path.replaceAll("\\", "/")}`)
    .sort()
const read = (file) => readFileSync(join(root, file), "utf8")

/** The JSDoc blocks of a file, as lines without the comment signs. */
const blocksOf = (source) =>
  parseSync("source.ts", source).comments
    .filter(({ type, value }) => type === "Block" && value.startsWith("*"))
    .map(({ start, value }) => ({
      isFirst: source.slice(0, start).trim() === "",
      lines: value.split("\n").map((text, index) => ({
        line: lineOf(source, start) + index,
        text: text.replace(index === 0 ? /^\*\s?/ : /^\s*\*( |$)/, "").trimEnd()
      }))
    }))

const leads = new Map()
const checkModule = (file, blocks) => {
  const has = ({ lines }, tag) => lines.some(({ text }) => text.startsWith(`@${tag}`))
  const leadOf = ({ lines }) => {
    const start = lines.findIndex(({ text }) => text !== "")
    const length = lines.slice(start).findIndex(({ text }) => text === "" || text.startsWith("@"))
    const paragraph = lines.slice(start, length < 0 ? undefined : start + length).map(({ text }) => text).join(" ")
    return /^(?!\*\*|@|```)(.+?[.!?])(?=\s|$)/.exec(paragraph)?.[1]
  }
  const header = blocks[0]
  // With a category it would be the documentation of what follows.
  if (!header?.isFirst || !has(header, "since ") || has(header, "category") || leadOf(header) === undefined) {
    errors.push(`${file}:1: no module header at the top with a lead sentence and @since`)
  }
  for (const block of blocks.filter((block) => has(block, "category") && !has(block, "internal"))) {
    const at = `${file}:${block.lines[0].line}`
    const lead = leadOf(block)
    if (lead === undefined) errors.push(`${at}: no lead sentence that ends with a full stop`)
    else if (leads.has(lead)) errors.push(`${at}: the same lead sentence as ${leads.get(lead)}`)
    else leads.set(lead, at)
  }
}

const snippets = []
for (const file of filesIn("src", ".ts")) {
  const blocks = blocksOf(read(file))
  for (const { lines } of blocks) snippets.push(...snippetsOf(file, lines, errors))
  if (file.includes("/internal/")) continue
  checkModule(file, blocks)
  for (const { line, name } of undocumentedFields(read(file))) errors.push(`${file}:${line}: ${name} has no comment`)
}
for (const file of ["README.md", ...filesIn("docs", ".md").filter((file) => !file.startsWith("docs/api/"))]) {
  const lines = read(file).split("\n").map((text, index) => ({ line: index + 1, text }))
  snippets.push(...snippetsOf(file, lines, errors))
}
await checkSnippets(snippets, errors)
if (!process.argv.includes("--keep")) rmSync(cache, { recursive: true, force: true })

if (errors.length > 0) {
  console.error(errors.join("\n"))
  console.error(`docs: ${errors.length} errors in ${leads.size} declarations and ${snippets.length} snippets`)
  process.exit(1)
}
console.log(`docs: ${leads.size} declarations and ${snippets.length} snippets are in order`)
