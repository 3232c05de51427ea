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
  FeatureFlags: 46_500,
  FeatureHook: 16_500,
  Flag: 12_500,
  FlagFilter: 6_500,
  HookContext: 0,
  HookFailures: 6_500,
  HookHints: 4_500,
  OpenFeatureHook: 35_500,
  Privacy: 5_500,
  "hooks/BackgroundHook": 19_000,
  "hooks/CircuitBreakerHook": 21_500,
  "hooks/ContextValidatorHook": 17_500,
  "hooks/DedupeHook": 22_000,
  "hooks/LoggingHook": 19_500,
  "hooks/MetricsHook": 17_500,
  "hooks/RequestFlags": 18_500,
  "hooks/TimingHook": 18_000,
  index: 86_500,
  "otel/EvaluationEvent": 6_500,
  "otel/OtelEventHook": 22_500,
  "otel/OtelMetricsHook": 29_500,
  "otel/OtelTracingHook": 29_000,
  "otel/SemanticConventions": 3_000,
  "otel/index": 39_000,
  "testing/EvaluationJournal": 15_000,
  "testing/Fixtures": 28_500,
  "testing/PlainTestFlags": 54_500,
  "testing/RecordingHook": 15_000,
  "testing/TestFlags": 52_500,
  "testing/TestProvider": 16_500,
  "testing/index": 57_500
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
