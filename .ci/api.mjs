// Writes the API reference, docs/api, from the comments and types of src: `node .ci/api.mjs [--check]`. With --check, it
// fails when the reference is not up to date.
//
// TypeDoc reads TypeScript through the compiler's JavaScript API, which TypeScript 7 does not have. So it runs beside a
// TypeScript of its own, and not from node_modules.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseSync } from "oxc-parser"
import { manifest, must, root, temporary } from "./support.mjs"

const tools = ["typedoc@0.28.20", "typedoc-plugin-markdown@4.14.1", "typescript@6.0.3"]
const target = join(root, "docs/api")
const made = join(temporary("api"), "api")
const packages = tools.flatMap((tool) => ["--package", tool])
must("npx", ["--yes", "--prefer-offline", ...packages, "typedoc", "--options", ".ci/typedoc.json", "--out", made])

const pagesIn = (folder) =>
  readdirSync(folder, { recursive: true })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".md"))
    .sort((a, b) => a < b ? -1 : 1)

/** The text of the comment at the top of a module, and its first sentence. */
const headerOf = (module) => {
  const [header] = parseSync("source.ts", readFileSync(join(root, "src", `${module}.ts`), "utf8")).comments
  const text = header.value.replace(/^\*|^\s*\* ?/gm, "").replace(/^@[^]*/m, "").trim()
  return { text, lead: /^[^]+?[.:](?=\s|$)/.exec(text)[0].replace(/\s+/g, " ").replace(/:$/, ".") }
}

/** Where a module is imported from: the subpath of its folder, the root, or its own subpath. */
const specifierOf = (module) =>
  /^(node|otel|redis|testing)\//.test(module) ? `${manifest.name}/${module.split("/")[0]}` : manifest.name
const nameOf = (module) => module.split("/").at(-1)
// The root leaves out what loads Effect's stores.
const rootModules = readFileSync(join(root, "src/index.ts"), "utf8")
const isApart = (module) => specifierOf(module) === manifest.name && !rootModules.includes(`"./${module}.ts"`)

const modules = pagesIn(made).filter((page) => page !== "README.md").map((page) => page.slice(0, -3))
for (const module of modules) {
  const file = join(made, `${module}.md`)
  const name = nameOf(module)
  const own = `import * as ${name} from "${manifest.name}/${module}"`
  const imports = isApart(module) ? [own] : [`import { ${name} } from "${specifierOf(module)}"`, `${own} // the same`]
  // Not the bare name, which is the anchor of a type of that name.
  const head = `# Module ${name}\n\n${headerOf(module).text}\n\n\`\`\`ts\n${imports.join("\n")}\n\`\`\`\n`
  // A type that nobody can import says nothing. Its properties are in the table.
  const page = readFileSync(file, "utf8").replace(/^#+ Extends\n\n- `[^`]*`(?:\\<.*\\>)?\n\n(?=#|\*)/gm, "")
  writeFileSync(file, page.replace(/^# .*\n/, () => head))
}
const rows = modules.map((module) => `| [${nameOf(module)}](${module}.md) | ${headerOf(module).lead} |`)
writeFileSync(
  join(made, "README.md"),
  `# API reference

Every module, with its exports by category, their options and defaults. \`npm run docs:api\` writes these pages from the
comments in \`src\`. The modules of \`node\`, \`otel\`, \`redis\` and \`testing\` are exported by \`${manifest.name}/node\`,
\`${manifest.name}/otel\`, \`${manifest.name}/redis\` and \`${manifest.name}/testing\`, and all others by \`${manifest.name}\`, but for those with
Effect's stores or \`Config\`: \`AuditQueue\`, \`CircuitBreakerHook\` and \`OverrideConfig\`.

| module | |
| --- | --- |
${rows.join("\n")}
`
)

if (process.argv.includes("--check")) {
  const contentOf = (folder, page) => existsSync(join(folder, page)) ? readFileSync(join(folder, page), "utf8") : ""
  const pages = new Set([...pagesIn(made), ...(existsSync(target) ? pagesIn(target) : [])])
  const stale = [...pages].filter((page) => contentOf(made, page) !== contentOf(target, page))
  if (stale.length > 0) {
    console.error(`${stale.map((page) => `docs/api/${page} is not up to date`).join("\n")}\nRun npm run docs:api`)
    process.exit(1)
  }
  console.log(`api: ${pages.size} pages are up to date`)
} else {
  rmSync(target, { recursive: true, force: true })
  cpSync(made, target, { recursive: true })
  console.log(`api: ${modules.length + 1} pages written`)
}
