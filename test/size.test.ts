import { assert, describe, it } from "@effect/vitest"
import { build } from "esbuild"
import { readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"

const src = fileURLToPath(new URL("../src", import.meta.url))

/**
 * The most that each subpath may take, in bytes: minified, with all that it
 * imports but its peers.
 */
const limits: Readonly<Record<string, number>> = {
  EvaluationContext: 1_500,
  EvaluationDetails: 3_500,
  EvaluationError: 1_500,
  FeatureFlags: 30_500,
  FeatureHook: 11_000,
  FlagFilter: 2_000,
  HookContext: 0,
  HookFailures: 2_500,
  HookHints: 2_000,
  OpenFeatureHook: 24_500,
  Privacy: 3_500,
  "hooks/ContextValidatorHook": 11_000,
  "hooks/LoggingHook": 12_000,
  "hooks/MetricsHook": 11_500,
  "hooks/TimingHook": 11_500,
  index: 45_000,
  "otel/EvaluationEvent": 6_500,
  "otel/OtelEventHook": 15_000,
  "otel/OtelMetricsHook": 21_000,
  "otel/OtelTracingHook": 20_500,
  "otel/SemanticConventions": 4_500,
  "otel/index": 28_000,
  "testing/Fixtures": 18_000,
  "testing/RecordingHook": 10_000,
  "testing/TestProvider": 3_000,
  "testing/index": 23_500
}

const modules = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !/(^|\/)internal\//.test(file))
  .map((file) => file.slice(0, -3))
  .filter((module) => module !== "hooks/index")

const sizeOf = async (module: string): Promise<number> => {
  const { outputFiles } = await build({
    entryPoints: [`${src}/${module}.ts`],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: ["effect", "effect/*", "@openfeature/*", "@opentelemetry/*"],
    write: false
  })
  return outputFiles.reduce((sum, { contents }) => sum + contents.length, 0)
}

describe("minified and without its peers", () => {
  it.each(modules)("%s stays within its limit", async (module) => {
    const size = await sizeOf(module)
    assert.isAtMost(size, limits[module] ?? -1)
  })
})
