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
  FeatureFlags: 38_500,
  FeatureHook: 13_000,
  FlagFilter: 3_500,
  HookContext: 0,
  HookFailures: 2_500,
  HookHints: 2_500,
  OpenFeatureHook: 29_500,
  Privacy: 4_000,
  "hooks/ContextValidatorHook": 13_000,
  "hooks/LoggingHook": 14_600,
  "hooks/MetricsHook": 14_000,
  "hooks/TimingHook": 14_000,
  index: 57_500,
  "otel/EvaluationEvent": 6_500,
  "otel/OtelEventHook": 17_000,
  "otel/OtelMetricsHook": 22_500,
  "otel/OtelTracingHook": 21_000,
  "otel/SemanticConventions": 2_500,
  "otel/index": 30_500,
  "testing/Fixtures": 22_500,
  "testing/RecordingHook": 12_000,
  "testing/TestProvider": 2_500,
  "testing/index": 28_000
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
