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
  EvaluationDetails: 4_500,
  EvaluationError: 2_000,
  FeatureFlags: 71_000,
  FeatureHook: 25_000,
  Flag: 13_000,
  FlagFilter: 8_000,
  FlagTransaction: 36_500,
  HookContext: 0,
  HookFailures: 7_500,
  HookHints: 5_000,
  HookRegistry: 87_000,
  OpenFeatureHook: 47_000,
  Privacy: 6_000,
  ResolutionProvider: 7_500,
  index: 220_500,
  "audit/AuditQueue": 16_000,
  "audit/AuditRecord": 500,
  "audit/AuditSink": 500,
  "audit/AuditStream": 4_500,
  "hooks/AuditHook": 27_000,
  "hooks/BackgroundHook": 30_000,
  "hooks/BatchHook": 32_500,
  "hooks/CacheHook": 44_500,
  "hooks/ChangeHook": 27_500,
  "hooks/CircuitBreakerHook": 28_500,
  "hooks/ContextGuardHook": 55_500,
  "hooks/ContextValidatorHook": 24_500,
  "hooks/DedupeHook": 29_500,
  "hooks/EnrichmentHook": 28_000,
  "hooks/ExposureHook": 47_000,
  "hooks/FallbackMonitorHook": 36_000,
  "hooks/LoggingHook": 26_500,
  "hooks/MetricsHook": 25_500,
  "hooks/OverrideConfig": 12_000,
  "hooks/OverrideHook": 28_500,
  "hooks/RateLimitHook": 49_000,
  "hooks/RequestFlags": 26_500,
  "hooks/TimingHook": 25_000,
  "hooks/UsageHook": 51_500,
  "hooks/ValueValidatorHook": 30_500,
  "hooks/VersionGateHook": 26_000,
  "node/AuditFile": 43_500,
  "node/AuditReader": 17_000,
  "node/AuditTrail": 0,
  "node/HookPlugin": 235_500,
  "node/OverrideFile": 17_000,
  "node/OverrideToken": 18_500,
  "node/index": 272_500,
  "otel/EvaluationEvent": 7_000,
  "otel/OtelEventHook": 30_500,
  "otel/OtelMetricsHook": 37_500,
  "otel/OtelTracingHook": 37_000,
  "otel/SemanticConventions": 3_000,
  "otel/index": 47_000,
  "redis/ExposureQueue": 12_500,
  "redis/RedisCacheStore": 16_500,
  "redis/RedisExposureStore": 49_000,
  "redis/RedisRateLimitStore": 53_500,
  "redis/RedisUsageStore": 55_500,
  "redis/index": 86_500,
  "testing/EvaluationJournal": 23_500,
  "testing/Fixtures": 35_000,
  "testing/HookContract": 101_000,
  "testing/PlainTestFlags": 78_500,
  "testing/RecordingHook": 23_500,
  "testing/TestFlags": 76_500,
  "testing/TestProvider": 24_500,
  "testing/index": 111_000
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
