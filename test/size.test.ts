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
  FeatureFlags: 52_500,
  FeatureHook: 23_500,
  Flag: 12_500,
  FlagFilter: 7_000,
  HookContext: 0,
  HookFailures: 7_000,
  HookHints: 4_500,
  HookRegistry: 68_500,
  OpenFeatureHook: 42_000,
  Privacy: 5_500,
  "audit/AuditQueue": 13_500,
  "audit/AuditRecord": 500,
  "audit/AuditSink": 500,
  "audit/AuditStream": 4_000,
  "hooks/AuditHook": 26_000,
  "hooks/BackgroundHook": 28_500,
  "hooks/BatchHook": 31_000,
  "hooks/ChangeHook": 26_000,
  "hooks/CircuitBreakerHook": 27_500,
  "hooks/ContextValidatorHook": 23_500,
  "hooks/DedupeHook": 28_000,
  "hooks/EnrichmentHook": 26_500,
  "hooks/ExposureHook": 45_000,
  "hooks/FallbackMonitorHook": 34_000,
  "hooks/LoggingHook": 25_500,
  "hooks/MetricsHook": 24_500,
  "hooks/OverrideConfig": 11_000,
  "hooks/OverrideHook": 27_500,
  "hooks/RequestFlags": 25_500,
  "hooks/TimingHook": 24_000,
  "hooks/ValueValidatorHook": 29_500,
  "hooks/VersionGateHook": 25_000,
  index: 130_500,
  "node/AuditFile": 41_500,
  "node/AuditReader": 16_500,
  "node/AuditTrail": 0,
  "node/HookPlugin": 146_500,
  "node/OverrideFile": 16_000,
  "node/OverrideToken": 17_000,
  "node/index": 176_500,
  "otel/EvaluationEvent": 6_500,
  "otel/OtelEventHook": 29_500,
  "otel/OtelMetricsHook": 36_000,
  "otel/OtelTracingHook": 36_000,
  "otel/SemanticConventions": 3_000,
  "otel/index": 45_500,
  "redis/RedisExposureStore": 43_000,
  "redis/index": 43_000,
  "testing/EvaluationJournal": 22_500,
  "testing/Fixtures": 29_500,
  "testing/HookContract": 83_500,
  "testing/PlainTestFlags": 60_500,
  "testing/RecordingHook": 22_500,
  "testing/TestFlags": 58_500,
  "testing/TestProvider": 23_500,
  "testing/index": 93_000
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
