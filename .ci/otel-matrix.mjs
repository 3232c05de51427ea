// Packs the project, installs the tarball together with each major version of the OpenTelemetry SDK, and looks whether
// metrics, spans and log records of evaluations arrive: through given providers, and through the global ones by OTLP.
import { cpSync, existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import {
  consumerIn,
  execute,
  manifest,
  must,
  nodeOf,
  packCopy,
  pinned,
  root,
  temporary,
  typecheck
} from "./support.mjs"

const scoped = (version, ...names) => names.map((name) => `@opentelemetry/${name}@${version}`)

const combinations = [
  {
    sdk: "sdk-2.mjs",
    node: process.versions.node,
    packages: [
      "api",
      "api-logs",
      "context-async-hooks",
      "exporter-logs-otlp-http",
      "exporter-metrics-otlp-http",
      "exporter-trace-otlp-http",
      "sdk-logs",
      "sdk-metrics",
      "sdk-trace-base"
    ].map((name) => pinned(`@opentelemetry/${name}`))
  },
  {
    sdk: "sdk-3.mjs",
    node: "26",
    packages: [
      ...scoped("1.10.0", "api"),
      ...scoped("3.1.1", "context-async-hooks", "sdk-logs", "sdk-metrics", "sdk-trace"),
      ...scoped("0.301.0", "exporter-logs-otlp-http", "exporter-metrics-otlp-http", "exporter-trace-otlp-http")
    ]
  }
]

const folder = temporary("otel-matrix")
const tarball = packCopy(folder)

const run = ({ node: wanted, packages, sdk }) => {
  const { consumer, install } = consumerIn(folder, sdk)
  cpSync(join(root, ".ci/otel-matrix"), consumer, { recursive: true })
  cpSync(join(consumer, sdk), join(consumer, "sdk.mjs"))
  install(
    tarball,
    ...["effect", "@openfeature/server-sdk", "@openfeature/core", "@types/node"].map(pinned),
    ...packages
  )

  // One copy of the API, the one under test.
  const modules = join(consumer, "node_modules")
  if (existsSync(join(modules, manifest.name, "node_modules"))) {
    throw new Error("the package has dependencies of its own")
  }
  const versionOf = (name) => JSON.parse(readFileSync(join(modules, "@opentelemetry", name, "package.json"))).version
  const versions = `SDK ${versionOf("sdk-metrics")}, API ${versionOf("api")}`

  const node = nodeOf(wanted)
  const version = must(node, ["-p", "process.versions.node"]).trim()
  const result = execute(node, ["program.mjs"], { cwd: consumer, timeout: 60_000 })
  const types = typecheck(consumer)
  const verdict = `types ${types.ok ? "pass" : "FAIL"}${types.foreign}`
  return {
    ok: result.ok && types.ok,
    text: `${versions}, Node ${version}: ${result.stdout.trim() || "FAIL"}; ${verdict}`,
    output: `${result.ok ? "" : result.output}${types.ok ? "" : types.output}`
  }
}

let failed = 0
for (const combination of combinations) {
  const started = performance.now()
  const { ok, output, text } = (() => {
    try {
      return run(combination)
    } catch (error) {
      return { ok: false, text: `${combination.sdk}: could not be run`, output: error.message }
    }
  })()
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${ok ? "pass" : "FAIL"} ${text} (${seconds} s)`)
  if (!ok) {
    failed++
    console.log(output)
  }
}
if (failed > 0) {
  console.error(`otel-matrix: ${failed} of ${combinations.length} combinations failed`)
  process.exit(1)
}
