// Compiles a strict user's project against the packed package with old and new versions of TypeScript, and under the
// settings that docs/commonjs-and-jest.md tells about: `node .ci/consumers.mjs`.
//
// Declarations are checked too (skipLibCheck is off). Where a version cannot read those of another package, that package
// is named, and ours must still have no errors.
import { cpSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { consumerIn, execute, manifest, packCopy, pinned, temporary } from "./support.mjs"

const versions = ["5.4.5", "5.6.3", "5.9.3", "6.0.3", "7.0.2"]

const folder = temporary("consumers")
const { consumer, install } = consumerIn(folder)
install(
  packCopy(folder),
  ...["effect", "@openfeature/server-sdk", "@opentelemetry/api", "@types/node"].map(pinned)
)
cpSync(new URL("consumers", import.meta.url), consumer, { recursive: true })

// Every module by its own subpath.
const modules = readdirSync(join(consumer, "node_modules", manifest.name, "dist"), { recursive: true })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".d.ts") && !/(^|\/)(internal\/.+|index[.]d[.]ts)$/.test(path))
  .map((path) => path.slice(0, -".d.ts".length))
const everything = modules.map((path, index) => `export * as m${index} from "${manifest.name}/${path}"\n`).join("")
writeFileSync(join(consumer, "everything.mts"), everything)

// A user of CommonJS: a project without "type": "module".
const commonjs = consumerIn(folder, "commonjs").consumer
writeFileSync(join(commonjs, "package.json"), "{ \"private\": true }")
const root = `import { FeatureHook } from "${manifest.name}"\nexport const name: string = FeatureHook.empty.name\n`
const subpath = `import { Fixtures } from "${manifest.name}/testing"\nexport const run: object = Fixtures.run\n`
cpSync(join(consumer, "node_modules"), join(commonjs, "node_modules"), { recursive: true })
writeFileSync(join(commonjs, "root.ts"), root)
writeFileSync(join(commonjs, "subpath.ts"), subpath)

// The options are given on the command line.
for (const project of [consumer, commonjs]) rmSync(join(project, "tsconfig.json"))

const compile = (version, cwd, options, ...files) => {
  const line = [...options, "--noEmit", "--pretty", "false", ...files]
  const packages = ["--yes", "--prefer-offline", "--package", `typescript@${version}`]
  const { ok, output } = execute("npx", [...packages, "tsc", ...line], { cwd })
  const errors = output.split("\n").filter((text) => text.includes("error TS"))
  const places = errors.map((text) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(text)?.[1])
  const foreign = new Set(places.filter((name) => name !== undefined && name !== manifest.name))
  const own = errors.filter((_, index) => !foreign.has(places[index]))
  return { ok, own, foreign, output }
}

let failed = 0
const tell = (label, ok, output) => {
  console.log(`${ok ? "ok  " : "FAIL"} ${label}`)
  if (ok) return
  failed++
  console.log(output)
}

const strict = [
  "--target ES2022 --lib ES2022,ESNext.Disposable,DOM,DOM.Iterable --types node",
  "--module NodeNext --moduleDetection force --declaration",
  "--strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --noImplicitOverride",
  "--noPropertyAccessFromIndexSignature --noImplicitReturns --noFallthroughCasesInSwitch"
].flatMap((line) => line.split(" "))
for (const version of versions) {
  const { foreign, ok, output, own } = compile(version, consumer, strict, "everything.mts", "usage.mts")
  const names = [...foreign].join(", ")
  const note = names === "" ? "" : ` (errors in the declarations of ${names})`
  tell(`TypeScript ${version} without skipLibCheck${note}`, own.length === 0 && (ok || names !== ""), output)
  if (names === "") continue
  const lax = compile(version, consumer, [...strict, "--skipLibCheck"], "everything.mts", "usage.mts")
  tell(`TypeScript ${version} with skipLibCheck`, lax.ok, lax.output)
}

// What docs/commonjs-and-jest.md says about files that become CommonJS.
const cannotRequire = "TS1479"
const noSubpath = "TS2307"
const settings = [
  ["5.4.5", "--module NodeNext", cannotRequire],
  ["5.9.3", "--module NodeNext"],
  ["5.9.3", "--module Node20"],
  ["5.9.3", "--module Node16", cannotRequire],
  ["5.9.3", "--module CommonJS --moduleResolution Node10", noSubpath],
  ["6.0.3", "--module CommonJS --moduleResolution Bundler"],
  ["7.0.2", "--module CommonJS"],
  ["7.0.2", "--module NodeNext"],
  ["7.0.2", "--module Node16", cannotRequire]
]
for (const [version, options, error] of settings) {
  const line = ["--strict", "--skipLibCheck", "--target", "ES2022", "--types", "node", ...options.split(" ")]
  const { ok, output } = compile(version, commonjs, line, "root.ts", "subpath.ts")
  const label = `TypeScript ${version} ${options}, CommonJS`
  if (error === undefined) tell(`${label} compiles`, ok, output)
  else tell(`${label} says ${error}`, !ok && output.includes(error), output)
}

if (failed > 0) {
  console.error(`consumers: ${failed} checks failed`)
  process.exit(1)
}
console.log(`consumers: ${modules.length} modules compile with ${versions.length} versions of TypeScript`)
