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
  EvaluationError: 1_500,
  FeatureFlags: 69_000,
  FeatureHook: 24_000,
  Flag: 12_500,
  FlagFilter: 7_500,
  FlagTransaction: 35_000,
  HookContext: 0,
  HookFailures: 7_000,
  HookHints: 5_000,
  HookRegistry: 85_500,
  OpenFeatureHook: 46_000,
  Privacy: 6_000,
  ResolutionProvider: 7_500,
  index: 214_500,
  "audit/AuditQueue": 13_500,
  "audit/AuditRecord": 500,
  "audit/AuditSink": 500,
  "audit/AuditStream": 4_000,
  "hooks/AuditHook": 26_500,
  "hooks/BackgroundHook": 29_000,
  "hooks/BatchHook": 31_500,
  "hooks/CacheHook": 42_500,
  "hooks/ChangeHook": 27_000,
  "hooks/CircuitBreakerHook": 27_500,
  "hooks/ContextGuardHook": 53_500,
  "hooks/ContextValidatorHook": 24_000,
  "hooks/DedupeHook": 28_500,
  "hooks/EnrichmentHook": 27_000,
  "hooks/ExposureHook": 45_500,
  "hooks/FallbackMonitorHook": 35_000,
  "hooks/LoggingHook": 25_500,
  "hooks/MetricsHook": 24_500,
  "hooks/OverrideConfig": 11_500,
  "hooks/OverrideHook": 28_000,
  "hooks/RateLimitHook": 46_500,
  "hooks/RequestFlags": 26_000,
  "hooks/TimingHook": 24_500,
  "hooks/UsageHook": 48_500,
  "hooks/ValueValidatorHook": 30_000,
  "hooks/VersionGateHook": 25_500,
  "node/AuditFile": 42_500,
  "node/AuditReader": 17_000,
  "node/AuditTrail": 0,
  "node/HookPlugin": 229_500,
  "node/OverrideFile": 16_500,
  "node/OverrideToken": 18_000,
  "node/index": 266_500,
  "otel/EvaluationEvent": 7_000,
  "otel/OtelEventHook": 29_500,
  "otel/OtelMetricsHook": 36_500,
  "otel/OtelTracingHook": 36_000,
  "otel/SemanticConventions": 3_000,
  "otel/index": 46_000,
  "redis/ExposureQueue": 10_000,
  "redis/RedisCacheStore": 14_000,
  "redis/RedisExposureStore": 45_000,
  "redis/RedisRateLimitStore": 47_500,
  "redis/RedisUsageStore": 49_500,
  "redis/index": 81_500,
  "testing/EvaluationJournal": 22_500,
  "testing/Fixtures": 34_000,
  "testing/HookContract": 99_000,
  "testing/PlainTestFlags": 76_500,
  "testing/RecordingHook": 22_500,
  "testing/TestFlags": 74_500,
  "testing/TestProvider": 24_000,
  "testing/index": 109_500
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
