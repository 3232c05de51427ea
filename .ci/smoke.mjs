// Packs the project, installs the tarball into an empty package and uses it from there as a user would.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { execute, must, root, strictConsumer, temporary } from "./shared.mjs"

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const folder = temporary("smoke")
const consumer = join(folder, "consumer")
mkdirSync(consumer)
const failures = []
const check = (label, ok, detail = "") => {
  console.log(`${ok ? "ok  " : "FAIL"} ${label}`)
  if (!ok) failures.push(`${label}\n${detail}`)
}

must("npm", ["pack", "--pack-destination", folder])
const tarball = join(folder, readdirSync(folder).find((file) => file.endsWith(".tgz")))
writeFileSync(join(consumer, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }))
const install = (...packages) =>
  must("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", ...packages], { cwd: consumer })
const pinned = (name) => `${name}@${manifest.devDependencies[name]}`
install(tarball, pinned("effect"), pinned("@openfeature/server-sdk"))

// What is in the package.
const installed = join(consumer, "node_modules", manifest.name)
const files = readdirSync(installed, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(installed.length + 1).replaceAll("\\", "/"))
for (
  const file of ["README.md", "CHANGELOG.md", "LICENSE", "dist/index.js", "dist/index.d.ts", "dist/testing/index.js"]
) {
  check(`the package contains ${file}`, files.includes(file))
}
const stray = files.filter((file) =>
  !/^(dist|src|docs)\/|^(README\.md|CHANGELOG\.md|LICENSE|package\.json)$/.test(file)
)
check("the package contains nothing else", stray.length === 0, stray.join("\n"))

// Which subpaths can be imported.
const modules = files.filter((file) => /^dist\/.+\.js$/.test(file)).map((file) => file.slice(5, -3))
const isBarrel = (module) => module === "index" || module.endsWith("/index")
const open = [
  manifest.name,
  `${manifest.name}/otel`,
  `${manifest.name}/testing`,
  ...modules.filter((module) => !isBarrel(module) && !module.startsWith("internal/"))
    .map((module) => `${manifest.name}/${module}`)
]
const blocked = [
  ...modules.filter((module) => isBarrel(module) || module.startsWith("internal/")),
  "internal/x",
  "hooks/index"
].map((module) => `${manifest.name}/${module}`)

const importing = (specifier) =>
  execute(process.execPath, [
    "--input-type=module",
    "-e",
    `const module = await import(${
      JSON.stringify(specifier)
    }); if (Object.keys(module).length === 0) console.log("empty")`
  ], { cwd: consumer })
const needsTelemetry = new Set()
for (const specifier of open) {
  const result = importing(specifier)
  if (!result.ok && /\/otel($|\/)/.test(specifier) && result.output.includes("'@opentelemetry/api'")) {
    needsTelemetry.add(specifier)
  } else check(`import ${specifier}`, result.ok, result.output)
}
for (const specifier of new Set(blocked)) {
  const { ok, output } = importing(specifier)
  check(`${specifier} is not exported`, !ok && output.includes("ERR_PACKAGE_PATH_NOT_EXPORTED"), output)
}
install(
  ...["@opentelemetry/api", "@opentelemetry/sdk-metrics", "@opentelemetry/exporter-prometheus", "@types/node"].map(
    pinned
  )
)
for (const specifier of needsTelemetry) {
  const { ok, output } = importing(specifier)
  check(`import ${specifier} together with @opentelemetry/api`, ok, output)
}

// The code samples of the README, unchanged.
const readme = existsSync(join(root, "README.md")) ? readFileSync(join(root, "README.md"), "utf8") : ""
const section = readme.split(/^## The three uses\s*$/m)[1]?.split(/^## /m)[0] ?? ""
const samples = [...section.matchAll(/^```ts\s*$\n([\s\S]*?)^```\s*$/gm)].map((match) => match[1])
check("README.md has three ts samples under \"The three uses\"", samples.length === 3, `${samples.length} samples`)
for (const [index, sample] of samples.entries()) writeFileSync(join(consumer, `sample-${index + 1}.ts`), sample)

// The declarations, seen by a strict user.
writeFileSync(
  join(consumer, "all.ts"),
  open.map((specifier, index) => `export * as module${index} from ${JSON.stringify(specifier)}\n`).join("")
)
const typecheck = (options, ...more) => {
  writeFileSync(
    join(consumer, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        ...strictConsumer,
        ...options
      },
      files: ["all.ts", ...more]
    })
  )
  return execute(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "--pretty", "false"], {
    cwd: consumer
  })
}
const sampleFiles = samples.map((_, index) => `sample-${index + 1}.ts`)
const strict = typecheck({ skipLibCheck: true }, ...sampleFiles)
check("a strict user compiles all modules and samples", strict.ok, strict.output)
// Declarations of other packages may have errors of their own; those of this package must have none.
const libraries = typecheck({ skipLibCheck: false })
const own = libraries.output.split("\n").filter((line) => line.includes(`node_modules/${manifest.name}/`))
const foreign = libraries.output.split("\n").filter((line) => /error TS/.test(line)).length - own.length
const suffix = foreign > 0 ? ` (${foreign} errors in other packages)` : ""
check(`the declarations pass without skipLibCheck${suffix}`, own.length === 0, own.join("\n"))

const tsx = pathToFileURL(join(root, "node_modules/tsx/dist/loader.mjs")).href
for (const file of sampleFiles) {
  const { ok, output } = execute(process.execPath, ["--import", tsx, file], { cwd: consumer, timeout: 20_000 })
  check(`README ${file} runs`, ok, output)
  if (output.trim() !== "") console.log(output.trimEnd().replace(/^/gm, "       "))
}

if (failures.length > 0) {
  console.error(`\n${failures.join("\n")}\nsmoke: ${failures.length} checks failed`)
  process.exit(1)
}
console.log(`smoke: ${open.length} modules and ${samples.length} samples work from the tarball`)
