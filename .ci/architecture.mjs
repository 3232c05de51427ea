// Checks what the linter cannot express: the direction of imports below src, cycles of value imports, the use of
// ambient time and globals, and words that must not appear in the project.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parseSync, Visitor } from "oxc-parser"

const root = fileURLToPath(new URL("..", import.meta.url))
const errors = []

const walk = (folder) =>
  !existsSync(folder) ? [] : readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if ([".git", ".cache", "node_modules", "dist", "coverage"].includes(entry.name)) return []
    const path = join(folder, entry.name)
    return entry.isDirectory() ? walk(path) : entry.isFile() ? [path] : []
  })
const name = (path) => relative(root, path).replaceAll("\\", "/")

// Layers from bottom to top. A value import goes to the same or a lower layer.
const layers = [
  /^src\/internal\/(?!view|around)\w+\.ts$/,
  /^src\/(?!(?:OpenFeatureHook|FeatureFlags|index)\.ts$)[A-Z]\w*\.ts$|^src\/internal\/(view|around)\.ts$/, // the model
  /^src\/internal\/runner\/.+\.ts$/,
  /^src\/OpenFeatureHook\.ts$/,
  /^src\/FeatureFlags\.ts$/,
  /^src\/hooks\/.+\.ts$|^src\/otel\/(SemanticConventions|EvaluationEvent)\.ts$/,
  /^src\/internal\/otel\/.+\.ts$/,
  /^src\/otel\/.+\.ts$/,
  /^src\/testing\/.+\.ts$/,
  /^src\/index\.ts$/
]
const layerOf = (file) => layers.findIndex((layer) => layer.test(file))
const isTesting = (file) => file.startsWith("src/testing/")
const isOtel = (file) => /^src\/(internal\/)?otel\//.test(file)
const isHooks = (file) => file.startsWith("src/hooks/") || isOtel(file)
const isCore = (file) => !isTesting(file) && !isHooks(file) && file !== "src/index.ts"

const importsOf = (path) => {
  const source = readFileSync(path, "utf8")
  const { errors: failures, module, program } = parseSync(path, source)
  const at = (offset) => `${name(path)}:${source.slice(0, offset).split("\n").length}`
  for (const failure of failures) errors.push(`${name(path)}: ${failure.message}`)
  const found = []
  for (const node of program.body) {
    if (!/^(Import|ExportNamed|ExportAll)Declaration$/.test(node.type) || !node.source) continue
    const specifiers = node.specifiers ?? []
    const typeOnly = node.importKind === "type" || node.exportKind === "type" || (specifiers.length > 0 &&
      specifiers.every((specifier) => specifier.importKind === "type" || specifier.exportKind === "type"))
    found.push({ at: at(node.start), source: node.source.value, typeOnly })
  }
  for (const dynamic of module.dynamicImports) {
    const text = source.slice(dynamic.moduleRequest.start, dynamic.moduleRequest.end)
    found.push({ at: at(dynamic.start), source: text.replace(/^["'`]|["'`]$/g, ""), typeOnly: false })
  }
  if (!isTesting(name(path))) {
    // Date values may be recognised and copied; the current time comes from Clock or DateTime of Effect.
    new Visitor({
      CallExpression: ({ callee, start }) => {
        if (callee.name === "Date") errors.push(`${at(start)}: reads the current time`)
      },
      NewExpression: ({ arguments: args, callee, start }) => {
        if (callee.name === "Date" && args.length === 0) errors.push(`${at(start)}: reads the current time`)
      },
      MemberExpression: ({ object, property, start }) => {
        if (object.name === "globalThis" && /^(Date|console|setTimeout|setInterval|process)$/.test(property.name)) {
          errors.push(`${at(start)}: uses globalThis.${property.name}`)
        }
      }
    }).visit(program)
  }
  return found
}

const graph = new Map()
for (const path of walk(join(root, "src"))) {
  const file = name(path)
  const layer = layerOf(file)
  if (layer < 0) {
    errors.push(`${file}: belongs to no layer; add it to the table in .ci/architecture.mjs`)
    continue
  }
  const edges = []
  graph.set(file, edges)
  for (const { at, source, typeOnly } of importsOf(path)) {
    if (source.startsWith("@opentelemetry/") && !isOtel(file)) errors.push(`${at}: only src/otel may import ${source}`)
    if (!source.startsWith(".")) continue
    const target = name(resolve(dirname(path), source))
    if (!source.endsWith(".ts")) errors.push(`${at}: relative import ${source} does not end in .ts`)
    else if (!existsSync(join(root, target))) errors.push(`${at}: ${source} does not exist`)
    if (isTesting(target) && !isTesting(file)) errors.push(`${at}: only src/testing may import src/testing`)
    if (isHooks(target) && isCore(file)) errors.push(`${at}: the core must not import src/hooks`)
    if (typeOnly) continue
    edges.push({ at, target })
    if (layerOf(target) > layer) errors.push(`${at}: ${file} must not import values of the higher layer ${target}`)
  }
}

const state = new Map()
const visit = (file, trail) => {
  if (state.get(file) === "done") return
  if (state.get(file) === "open") {
    errors.push(`${file}: cycle of value imports: ${[...trail.slice(trail.indexOf(file)), file].join(" -> ")}`)
    return
  }
  state.set(file, "open")
  for (const { target } of graph.get(file) ?? []) visit(target, [...trail, file])
  state.set(file, "done")
}
for (const file of graph.keys()) visit(file, [])

const forbidden = [
  { word: ["..", "shared"].join("/"), boundary: "" },
  { word: ["TO", "DO"].join(""), boundary: "\\b" },
  { word: ["FIX", "ME"].join(""), boundary: "\\b" }
].map(({ boundary, word }) => ({
  word,
  pattern: new RegExp(`${boundary}${word.replaceAll(".", "\\.")}${boundary}`)
}))
for (const path of walk(root)) {
  if (name(path) === "package-lock.json" || path.endsWith(".tgz")) continue
  for (const [index, line] of readFileSync(path, "utf8").split("\n").entries()) {
    for (const { pattern, word } of forbidden) {
      if (pattern.test(line)) errors.push(`${name(path)}:${index + 1}: contains ${word}`)
    }
  }
}

if (errors.length > 0) {
  console.error(errors.join("\n"))
  console.error(`architecture: ${errors.length} errors`)
  process.exit(1)
}
console.log(`architecture: ${graph.size} files of src are in order`)
