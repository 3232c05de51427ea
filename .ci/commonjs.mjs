// Uses the packed package from CommonJS and from Jest, and looks whether docs/commonjs-and-jest.md is right, also about
// what does not work: `node .ci/commonjs.mjs`.
import { cpSync, rmSync } from "node:fs"
import { join } from "node:path"
import { consumerIn, execute, nodeOf, packCopy, pinned, temporary } from "./support.mjs"

const folder = temporary("commonjs")
const { consumer, install } = consumerIn(folder)
rmSync(join(consumer, "package.json"))
cpSync(new URL("commonjs", import.meta.url), consumer, { recursive: true })
install(
  packCopy(folder),
  ...["effect", "@openfeature/server-sdk", "@swc/core"].map(pinned),
  "jest@30.5.2",
  "@swc/jest@0.2.39"
)

let failed = 0
const tell = (label, ok, output) => {
  console.log(`${ok ? "ok  " : "FAIL"} ${label}`)
  if (ok) return
  failed++
  console.log(output)
}

for (const version of ["20", "24"]) {
  const { ok, output } = execute(nodeOf(version), ["plain.cjs"], { cwd: consumer })
  // Warnings would be part of the output.
  tell(`require, Node ${version}`, ok && output === "new-checkout is on 0 function function\n", output)
}

const modules = "--experimental-vm-modules"
const jest = (version, flags, ...args) =>
  execute(nodeOf(version), [...flags, "node_modules/jest/bin/jest.js", ...args], { cwd: consumer })
const passes = (label, { ok, output }) => tell(`${label} passes`, ok && /^Tests: +2 passed/m.test(output), output)
const refuses = (label, text, { ok, output }) => tell(`${label} fails`, !ok && output.includes(text), output)

const cannotRequire = "Must use import to load ES Module"
for (const version of ["20", "24"]) {
  passes(`import in Jest, Node ${version}`, jest(version, [modules], "--testMatch", "**/import.test.mjs"))
  passes(
    `require in Jest with a transform, Node ${version}`,
    jest(version, [], "-c", "jest.commonjs.json", "require.test.js")
  )
  refuses(
    `require of effect's barrel with a transform, Node ${version}`,
    cannotRequire,
    jest(version, [], "-c", "jest.commonjs.json", "barrel.test.js")
  )
  refuses(`require in Jest, Node ${version}`, cannotRequire, jest(version, [], "require.test.js"))
}
refuses("require in Jest with modules, Node 20", cannotRequire, jest("20", [modules], "require.test.js"))
passes("require in Jest with modules, Node 24", jest("24", [modules], "require.test.js"))

if (failed > 0) {
  console.error(`commonjs: ${failed} checks failed`)
  process.exit(1)
}
console.log("commonjs: docs/commonjs-and-jest.md is right")
