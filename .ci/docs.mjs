// Checks the documentation: `node .ci/docs.mjs [--keep]`.
//
// 1. Every public declaration of src has a JSDoc block of the agreed shape.
// 2. Every ts fence in the JSDoc of src, in README.md and in docs/*.md type-checks under the strict options of the
//    project and runs without failure within 10 seconds. A trailing comment `// => <expression>` behind an expression
//    statement or a constant asserts that the value equals the expression; behind console.log it looks at the argument.
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { parseSync, Visitor } from "oxc-parser"

const root = fileURLToPath(new URL("..", import.meta.url))
const cache = join(root, ".cache", "docs")
const timeout = 10_000
const errors = []
const snippets = []

const walk = (folder) =>
  !existsSync(folder) ? [] : readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => a.name < b.name ? -1 : 1)
    .flatMap((entry) => entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)])
const name = (path) => relative(root, path).replaceAll("\\", "/")
const lineOf = (source, offset) => source.slice(0, offset).split("\n").length

// ---------------------------------------------------------------------------------------------------------------------
// Fences
// ---------------------------------------------------------------------------------------------------------------------

const otherLanguages = new Set(["text", "sh", "json", "jsonc", "yaml", "mermaid", "diff"])

// `lines` has { text, line }. Returns the ts fences and reports fences with an unknown language.
const fencesOf = (file, lines) => {
  const found = []
  let open
  for (const { line, text } of lines) {
    const fence = /^(\s*)(`{3,})\s*([^\s`]*)/.exec(text)
    if (open === undefined) {
      if (fence === null) continue
      open = { indent: fence[1].length, ticks: fence[2], language: fence[3], line, body: [] }
      if (open.language !== "ts" && !otherLanguages.has(open.language)) {
        errors.push(
          `${file}:${line}: fence with language "${open.language}"; use ts (checked) or ${
            [...otherLanguages].join(", ")
          }`
        )
      }
    } else if (fence !== null && fence[3] === "" && fence[2].length >= open.ticks.length) {
      if (open.language === "ts") found.push(open)
      open = undefined
    } else {
      open.body.push(text.slice(0, open.indent).trim() === "" ? text.slice(open.indent) : text)
    }
  }
  if (open !== undefined) errors.push(`${file}:${open.line}: fence is not closed`)
  return found
}

const addSnippets = (file, fences) => {
  for (const fence of fences) snippets.push({ file, line: fence.line + 1, code: `${fence.body.join("\n")}\n` })
}

// ---------------------------------------------------------------------------------------------------------------------
// JSDoc of src
// ---------------------------------------------------------------------------------------------------------------------

const sections = ["When to use", "Details", "Gotchas"]
const leads = new Map()

const docLines = (source, comment) => {
  const first = lineOf(source, comment.start)
  return `/*${comment.value}*/`.split("\n").map((text, index) => ({
    line: first + index,
    text: text.replace(/^\s*\/\*\*\s?/, "").replace(/\s*\*\/\s*$/, "").replace(/^\s*\*( |$)/, "")
  }))
}

const checkBlock = (file, lines, what) => {
  let inFence = false
  let last = -1
  let example
  const closeExample = () => {
    if (example !== undefined && example.fences !== 1) {
      errors.push(`${file}:${example.line}: **Example** of ${what} has ${example.fences} ts fences instead of one`)
    }
    example = undefined
  }
  for (const { line, text } of lines) {
    const fence = /^\s*```\s*(\S*)/.exec(text)
    if (fence !== null) {
      if (!inFence && fence[1] === "ts") {
        if (example === undefined) {
          errors.push(`${file}:${line}: ts fence of ${what} is not below an **Example** (Title)`)
        } else example.fences++
      }
      inFence = !inFence
      continue
    }
    if (inFence) continue
    if (/^@example\b/.test(text)) errors.push(`${file}:${line}: ${what}: write **Example** (Title) instead of @example`)
    if (/^@param\b/.test(text)) errors.push(`${file}:${line}: ${what}: @param is not used`)
    if (/^@(category|since|see|internal|deprecated|template)\b/.test(text)) closeExample()
    if (/^\*\*Examples?\*\*/.test(text)) {
      closeExample()
      if (!/^\*\*Example\*\* \(.+\)$/.test(text)) {
        errors.push(`${file}:${line}: ${what}: an example is headed by **Example** (Title)`)
      }
      example = { line, fences: 0 }
      last = sections.length
      continue
    }
    const heading = /^\*\*([^*]+)\*\*:?$/.exec(text)
    if (heading === null) continue
    closeExample()
    const index = sections.indexOf(heading[1])
    if (index < 0) errors.push(`${file}:${line}: ${what}: unknown section **${heading[1]}**`)
    else if (index <= last) errors.push(`${file}:${line}: ${what}: section **${heading[1]}** is out of order`)
    else last = index
  }
  closeExample()
}

const checkDeclaration = (file, line, what, lines) => {
  if (lines === undefined) {
    errors.push(`${file}:${line}: ${what} has no JSDoc block`)
    return
  }
  const texts = lines.map(({ text }) => text.trim())
  if (texts.some((text) => /^@internal\b/.test(text))) return
  for (const tag of ["since", "category"]) {
    if (!texts.some((text) => new RegExp(`^@${tag} \\S`).test(text))) {
      errors.push(`${file}:${line}: ${what} has no @${tag}`)
    }
  }
  const start = texts.findIndex((text) => text !== "")
  const length = texts.slice(start).findIndex((text) => text === "" || text.startsWith("@"))
  const paragraph = texts.slice(start, length < 0 ? undefined : start + length).join(" ")
  const lead = /^(.+?[.!?])(?=\s|$)/.exec(paragraph)?.[1]
  if (start < 0 || lead === undefined || /^(\*\*|@|```)/.test(paragraph)) {
    errors.push(`${file}:${line}: ${what} has no lead sentence that ends with a full stop`)
  } else if (leads.has(lead)) {
    errors.push(`${file}:${line}: ${what} has the same lead sentence as ${leads.get(lead)}`)
  } else {
    leads.set(lead, `${file}:${line} ${what}`)
  }
  checkBlock(file, lines, what)
}

const namesOf = (declaration) =>
  declaration.type === "VariableDeclaration"
    ? declaration.declarations.map((declarator) => declarator.id.name ?? "a pattern")
    : [declaration.id?.name ?? declaration.id?.value ?? "default"]

const checkSource = (path) => {
  const file = name(path)
  const source = readFileSync(path, "utf8")
  const { comments, errors: failures, program } = parseSync(path, source)
  for (const failure of failures) errors.push(`${file}: ${failure.message}`)
  const docs = comments.filter((comment) => comment.type === "Block" && comment.value.startsWith("*"))
  const barrel = file.endsWith("/index.ts")
  const isPublic = !file.startsWith("src/internal/")

  for (const comment of docs) addSnippets(file, fencesOf(file, docLines(source, comment)))
  if (!isPublic) return 0

  const header = docs[0]
  if (header === undefined || source.slice(0, header.start).trim() !== "") {
    errors.push(`${file}:1: no module header comment at the top`)
  } else {
    const lines = docLines(source, header)
    if (!lines.some(({ text }) => /^@since \S/.test(text))) errors.push(`${file}:1: module header has no @since`)
    if (!barrel && /^(@|$)/.test(lines.map(({ text }) => text.trim()).find((text) => text !== "") ?? "")) {
      errors.push(`${file}:1: module header has no lead sentence`)
    }
    checkBlock(file, lines, "the module header")
  }
  if (barrel) return 0

  // The last JSDoc block in front of an offset with nothing but white space and other comments in between.
  const docBefore = (offset) => {
    const doc = docs.findLast((comment) => comment.end <= offset)
    if (doc === undefined || doc === header) return undefined
    let between = source.slice(doc.end, offset)
    for (const comment of comments) {
      if (comment.start >= doc.end && comment.end <= offset) {
        between = between.replace(source.slice(comment.start, comment.end), "")
      }
    }
    return between.trim() === "" ? docLines(source, doc) : undefined
  }

  let count = 0
  const visit = (body, prefix, ambient) => {
    const overloads = new Set()
    for (const node of body) {
      let declaration
      if (node.type === "ExportNamedDeclaration") {
        for (const specifier of node.specifiers) {
          count++
          const what = `${prefix}${specifier.exported.name ?? specifier.exported.value}`
          checkDeclaration(file, lineOf(source, specifier.start), what, docBefore(specifier.start))
        }
        declaration = node.declaration
      } else if (node.type === "ExportDefaultDeclaration") {
        declaration = node.declaration
      } else if (node.type === "ExportAllDeclaration") {
        count++
        const what = `export * from ${node.source.value}`
        checkDeclaration(file, lineOf(source, node.start), what, docBefore(node.start))
      } else if (ambient && node.type.endsWith("Declaration")) {
        declaration = node
      }
      if (declaration === null || declaration === undefined) continue
      for (const id of namesOf(declaration)) {
        const what = `${prefix}${id}`
        if (/Function/.test(declaration.type)) {
          if (overloads.has(what)) continue
          overloads.add(what)
        }
        count++
        checkDeclaration(file, lineOf(source, node.start), what, docBefore(node.start))
      }
      if (declaration.type === "TSModuleDeclaration" && declaration.body?.body) {
        visit(declaration.body.body, `${prefix}${namesOf(declaration)[0]}.`, declaration.declare === true)
      }
    }
  }
  visit(program.body, "", false)
  return count
}

// ---------------------------------------------------------------------------------------------------------------------
// Snippets
// ---------------------------------------------------------------------------------------------------------------------

// Replaces `value // => expected` by a call of the assertion, on the same line.
const instrument = (snippet, path) => {
  const { comments, errors: failures, program } = parseSync(path, snippet.code)
  if (failures.length > 0) return { code: snippet.code, assertions: 0 } // reported by the type check
  const expectations = comments.flatMap((comment) => {
    const match = comment.type === "Line" ? /^\s*=>\s*(.+?)\s*$/.exec(comment.value) : null
    return match === null ? [] : [{ comment, expected: match[1], line: lineOf(snippet.code, comment.start) }]
  })
  const edits = []
  const attach = (statement, edit) => {
    const line = lineOf(snippet.code, statement.end)
    const found = expectations.find((expectation) =>
      expectation.line === line && expectation.comment.start >= statement.end && !expectation.used
    )
    if (found === undefined) return
    found.used = true
    const at = `${snippet.file}:${snippet.line + found.line - 1}`
    if (parseSync("expected.ts", `(${found.expected})`).errors.length > 0) {
      errors.push(`${at}: "// => ${found.expected}" is not an expression`)
      return
    }
    edits.push(edit(`() => (${found.expected}), ${JSON.stringify(at)}`))
  }
  new Visitor({
    ExpressionStatement: (node) => {
      let target = node.expression
      const isLog = target.type === "CallExpression" && target.callee.type === "MemberExpression" &&
        target.callee.object.name === "console" && target.arguments.length === 1
      if (isLog) target = target.arguments[0]
      attach(node, (rest) => ({
        start: target.start,
        end: target.end,
        text: `__assert((${snippet.code.slice(target.start, target.end)}), ${rest})`
      }))
    },
    VariableDeclaration: (node) => {
      const id = node.declarations[0]?.id
      if (node.declarations.length !== 1 || id.type !== "Identifier") return
      attach(node, (rest) => ({ start: node.end, end: node.end, text: `; __assert(${id.name}, ${rest});` }))
    }
  }).visit(program)
  for (const { expected, line, used } of expectations) {
    if (!used) {
      errors.push(
        `${snippet.file}:${snippet.line + line - 1}: "// => ${expected}" is not behind an expression statement`
      )
    }
  }
  let code = snippet.code
  // An inner edit lies before the end of an outer one only in nested statements, which never share a line end.
  for (const edit of edits.sort((a, b) => b.start - a.start)) {
    code = code.slice(0, edit.start) + edit.text + code.slice(edit.end)
  }
  return { code, assertions: edits.length }
}

const assertion = `
import * as __Equal from "effect/Equal"
import { inspect as __inspect, isDeepStrictEqual as __deep } from "node:util"
let __hits = 0
export const __assert = (actual: unknown, expected: () => unknown, at: string) => {
  __hits++
  const value = expected()
  if (!__Equal.equals(actual, value) && !__deep(actual, value)) {
    console.error(at + ": expected " + __inspect(value, { depth: 8 }) + ", got " + __inspect(actual, { depth: 8 }))
    process.exit(1)
  }
  return actual
}
export const __expect = (count: number, at: string) => {
  process.on("exit", (code) => {
    if (code === 0 && __hits < count) {
      console.error(at + ": " + (count - __hits) + " of " + count + " assertions were not reached")
      process.exitCode = 1
    }
  })
}
`

const run = (snippet) =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, ["--import", "tsx", snippet.runPath], {
      cwd: root,
      env: { ...process.env, NO_COLOR: "1", NODE_NO_WARNINGS: "1", TSX_TSCONFIG_PATH: join(cache, "tsconfig.json") },
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

const checkSnippets = async () => {
  rmSync(cache, { recursive: true, force: true })
  mkdirSync(cache, { recursive: true })
  writeFileSync(join(cache, "assertion.ts"), assertion)
  const byPath = new Map()
  for (const [index, snippet] of snippets.entries()) {
    const id = `${String(index + 1).padStart(3, "0")}-${snippet.file.replace(/\W+/g, "-")}-${snippet.line}`
    snippet.checkPath = join(cache, `${id}.ts`)
    snippet.runPath = join(cache, "run", `${id}.ts`)
    byPath.set(`${id}.ts`, snippet)
    writeFileSync(snippet.checkPath, snippet.code)
    const { assertions, code } = instrument(snippet, snippet.checkPath)
    const at = JSON.stringify(`${snippet.file}:${snippet.line}`)
    const prelude = assertions === 0
      ? ""
      : `import { __assert, __expect } from "../assertion.ts"; __expect(${assertions}, ${at}); `
    mkdirSync(join(cache, "run"), { recursive: true })
    writeFileSync(snippet.runPath, prelude + code)
  }
  writeFileSync(
    join(cache, "tsconfig.json"),
    JSON.stringify({
      extends: "../../.ci/tsconfig.base.json",
      compilerOptions: {
        noEmit: true,
        types: ["node"],
        paths: {
          "effect-openfeature": ["../../src/index.ts"],
          "effect-openfeature/otel": ["../../src/otel/index.ts"],
          "effect-openfeature/testing": ["../../src/testing/index.ts"],
          "effect-openfeature/*": ["../../src/*.ts"]
        },
        noUnusedLocals: false,
        noUnusedParameters: false
      },
      files: snippets.map((snippet) => `./${relative(cache, snippet.checkPath)}`)
    })
  )
  const tsc = spawnSync(
    process.execPath,
    [join(root, "node_modules/typescript/bin/tsc"), "-p", cache, "--pretty", "false"],
    { cwd: cache, encoding: "utf8" }
  )
  if (tsc.status !== 0) {
    const text = `${tsc.stdout}${tsc.stderr}`.trimEnd().replace(
      /^([^\s(][^(]*)\((\d+),(\d+)\)/gm,
      (all, path, line, column) => {
        const snippet = byPath.get(path.split("/").at(-1))
        if (snippet !== undefined) snippet.broken = true
        return snippet === undefined ? all : `${snippet.file}:${snippet.line + Number(line) - 1}:${column}`
      }
    )
    errors.push(text === "" ? `tsc failed: ${tsc.error ?? tsc.signal ?? tsc.status}` : text)
  }
  const queue = snippets.filter((snippet) => !snippet.broken)
  await Promise.all(Array.from({ length: availableParallelism() }, async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await run(next)
  }))
}

let declarations = 0
for (const path of walk(join(root, "src"))) if (path.endsWith(".ts")) declarations += checkSource(path)
for (const path of [join(root, "README.md"), ...walk(join(root, "docs"))]) {
  if (!path.endsWith(".md") || !existsSync(path)) continue
  const lines = readFileSync(path, "utf8").split("\n").map((text, index) => ({ line: index + 1, text }))
  addSnippets(name(path), fencesOf(name(path), lines))
}
if (snippets.length > 0) await checkSnippets()
if (!process.argv.includes("--keep")) rmSync(cache, { recursive: true, force: true })

if (errors.length > 0) {
  console.error(errors.join("\n"))
  console.error(`docs: ${errors.length} errors in ${declarations} declarations and ${snippets.length} snippets`)
  process.exit(1)
}
console.log(`docs: ${declarations} declarations and ${snippets.length} snippets are in order`)
