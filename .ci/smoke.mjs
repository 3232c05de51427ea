// Packs the project, has the package looked at by publint and attw, installs it into an empty project and uses it from
// there as a user would.
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { consumerIn, execute, manifest, pack, pinned, root, temporary, typecheck } from "./support.mjs"

const failures = []
const check = (label, { ok, output }) => {
  console.log(`${ok ? "ok  " : "FAIL"} ${label}`)
  if (!ok) failures.push(`${label}\n${output}`)
}

const folder = temporary("smoke")
const tarball = pack(root, folder)
const { consumer, install } = consumerIn(folder)
install(tarball, ...["effect", "@openfeature/server-sdk"].map(pinned))

// What is in the package.
const installed = join(consumer, "node_modules", manifest.name)
const files = readdirSync(installed, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(installed.length + 1).replaceAll("\\", "/"))
const missing = ["README.md", "CHANGELOG.md", "LICENSE"].filter((file) => !files.includes(file))
check("the package contains what a reader wants", { ok: missing.length === 0, output: missing.join("\n") })
const stray = files.filter((file) =>
  !/^(dist|src|docs|examples)\/|^(README\.md|CHANGELOG\.md|LICENSE|package\.json)$/.test(file)
)
check("the package contains nothing else", { ok: stray.length === 0, output: stray.join("\n") })

// Which modules are open to users, and which are not.
const modules = files.filter((file) => /^dist\/.+\.js$/.test(file)).map((file) => file.slice(5, -3))
const isClosed = (module) => /(^|\/)(internal\/.+|index)$/.test(module)
const open = ["node", "otel", "redis", "testing", ...modules.filter((module) => !isClosed(module))]
const specifiers = [manifest.name, ...open.map((module) => `${manifest.name}/${module}`)]
const closed = [...modules.filter(isClosed), "internal/x", "hooks/index"].map((module) => `${manifest.name}/${module}`)

check(
  "publint has nothing to say",
  execute(process.execPath, ["node_modules/publint/src/cli.js", "run", tarball, "--strict"])
)
check(
  "the types are right",
  execute(process.execPath, [
    "node_modules/@arethetypeswrong/cli/dist/index.js",
    tarball,
    "--profile",
    "esm-only",
    "--include-entrypoints",
    ...open
  ])
)

const importing = (specifier) => execute(process.execPath, ["import.mjs", specifier], { cwd: consumer })
const needsTelemetry = new Set()
for (const specifier of specifiers) {
  const result = importing(specifier)
  if (!result.ok && /\/otel($|\/)/.test(specifier) && result.output.includes("'@opentelemetry/api'")) {
    needsTelemetry.add(specifier)
  } else check(`import ${specifier}`, result)
}
for (const specifier of closed) {
  const { ok, output } = importing(specifier)
  check(`${specifier} is not exported`, { ok: !ok && output.includes("ERR_PACKAGE_PATH_NOT_EXPORTED"), output })
}
install(
  ...["@opentelemetry/api", "@opentelemetry/sdk-metrics", "@opentelemetry/exporter-prometheus", "@types/node"].map(
    pinned
  )
)
for (const specifier of needsTelemetry) check(`import ${specifier} with @opentelemetry/api`, importing(specifier))

// The code samples of the README, unchanged.
const readme = readFileSync(join(root, "README.md"), "utf8")
const section = readme.split(/^## The three uses\s*$/m)[1]?.split(/^## /m)[0] ?? ""
const samples = [...section.matchAll(/^```ts\s*$\n([\s\S]*?)^```\s*$/gm)].map((match) => match[1])
check("README.md has three ts samples under \"The three uses\"", {
  ok: samples.length === 3,
  output: `${samples.length} samples`
})
for (const [index, sample] of samples.entries()) writeFileSync(join(consumer, `sample-${index + 1}.ts`), sample)

// The declarations, seen by a strict user.
writeFileSync(
  join(consumer, "all.ts"),
  specifiers.map((specifier, index) => `export * as module${index} from ${JSON.stringify(specifier)}\n`).join("")
)
check("a strict user compiles all modules and samples", typecheck(consumer, "--skipLibCheck"))
const libraries = typecheck(consumer)
check(`the declarations pass without skipLibCheck${libraries.foreign}`, libraries)

const tsx = pathToFileURL(join(root, "node_modules/tsx/dist/loader.mjs")).href
for (const index of samples.keys()) {
  const file = `sample-${index + 1}.ts`
  const result = execute(process.execPath, ["--import", tsx, file], { cwd: consumer, timeout: 20_000 })
  check(`README ${file} runs`, result)
  if (result.output.trim() !== "") console.log(result.output.trimEnd().replace(/^/gm, "       "))
}

if (failures.length > 0) {
  console.error(`\n${failures.join("\n")}\nsmoke: ${failures.length} checks failed`)
  process.exit(1)
}
console.log(`smoke: ${specifiers.length} modules and ${samples.length} samples work from the tarball`)
