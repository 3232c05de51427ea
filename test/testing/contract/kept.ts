/** Every built-in hook and every combinator, as the contract sees them. */
import type * as SDK from "@openfeature/server-sdk"
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs"
import { MeterProvider } from "@opentelemetry/sdk-metrics"
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Context, Effect } from "effect"
import {
  BackgroundHook,
  CacheHook,
  ContextGuardHook,
  ContextValidatorHook,
  DedupeHook,
  EvaluationError,
  ExposureHook,
  FeatureHook,
  FlagFilter,
  LoggingHook,
  MetricsHook,
  OpenFeatureHook,
  OverrideHook,
  RateLimitHook,
  RequestFlags,
  TimingHook,
  UsageHook,
  ValueValidatorHook,
  VersionGateHook
} from "effect-openfeature"
import * as CircuitBreakerHook from "effect-openfeature/hooks/CircuitBreakerHook"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook } from "effect-openfeature/otel"
import { EvaluationJournal, type HookContract, RecordingHook } from "effect-openfeature/testing"
import { Reader } from "../../otel/reader.ts"

type Row = readonly [name: string, make: HookContract.Make, options?: HookContract.Options]

class Region extends Context.Service<Region, { readonly name: string }>()("Region") {}

const enrich = () => FeatureHook.make("enrich", { before: () => ({ context: { region: "eu" } }) })

const audit = () => FeatureHook.make("audit", { finally: ({ flagKey }) => Effect.logInfo(flagKey) })

/** Opens in `before` and closes in `finally`, if it has opened. */
const gauge = () => {
  let active = 0
  const hook = FeatureHook.make("gauge", {
    hookData: () => ({ isCounted: false }),
    before: (_context, _hints, data) => {
      active++
      data.isCounted = true
    },
    finally: (_context, _details, _hints, data) => {
      if (data.isCounted) active--
    }
  })
  return { hook, active: () => active }
}

const rejecting = () =>
  FeatureHook.make("rejecting", {
    before: ({ context }) =>
      context["plan"] === "pro"
        ? Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no" }))
        : Effect.void
  })

const counted = gauge()

const exposed: Array<ExposureHook.Exposure> = []

const spans = new InMemorySpanExporter()
const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })
const logRecords = new InMemoryLogRecordExporter()
const logs = new LoggerProvider({ processors: [new SimpleLogRecordProcessor({ exporter: logRecords })] })
const reader = new Reader()
const meterProvider = new MeterProvider({ readers: [reader] })

/** A new hook or combinator is one line here. */
export const kept: ReadonlyArray<Row> = [
  ["FeatureHook.empty", () => FeatureHook.empty],
  ["FeatureHook.make with plain results", () => counted.hook, { balance: counted.active }],
  [
    "FeatureHook.make with promises",
    () => FeatureHook.make("promised", { before: async () => {}, after: async () => {} })
  ],
  ["FeatureHook.make with effects", audit],
  ["FeatureHook.make with a contribution", enrich, { mayContribute: ["context"] }],
  ["FeatureHook.make with a rejection", rejecting, { mayReject: true }],
  [
    "FeatureHook.around",
    () =>
      FeatureHook.around(
        "around",
        ({ flagKey }, evaluate) => Effect.withSpan(Effect.exit(evaluate), "evaluation", { attributes: { flagKey } })
      )
  ],
  ["FeatureHook.combine", () => FeatureHook.combine(audit(), FeatureHook.combine(enrich(), audit())), {
    mayContribute: ["context"]
  }],
  ["FeatureHook.when", () => FeatureHook.when(audit(), FlagFilter.prefix("flag-"))],
  ["FlagFilter.sample", () => FeatureHook.when(audit(), FlagFilter.sample({ rate: 0.5, by: "targetingKey" }))],
  ["DedupeHook.make", () => DedupeHook.makeUnsafe(counted.hook).hook, { balance: counted.active }],
  ["DedupeHook.make with a contribution", () => DedupeHook.makeUnsafe(enrich()).hook, { mayContribute: ["context"] }],
  ["CacheHook.make", () => CacheHook.makeUnsafe({ key: "context" }).hook],
  [
    "CircuitBreakerHook.make",
    () => Effect.map(CircuitBreakerHook.make(counted.hook), ({ hook }) => FeatureHook.observe(hook)),
    { balance: counted.active }
  ],
  ["ExposureHook.make", () => ExposureHook.make({ send: (batch) => void exposed.push(...batch) }), {
    allow: { memory: "the sink keeps all exposures of the test" },
    mayEmit: ["variant"],
    emitted: () => exposed
  }],
  ["ExposureHook.makeCounts", () => ExposureHook.makeCounts({ send: () => {} })],
  [
    "RateLimitHook.make",
    () =>
      RateLimitHook.start({ limit: 1_000_000_000, window: "1 second", by: "subjectAndFlag", onLimited: "last" }).hook,
    { mayReject: true }
  ],
  ["RateLimitHook.make over the limit", () => RateLimitHook.start({ limit: 1, window: "1 day" }).hook, {
    mayReject: true
  }],
  [
    "UsageHook.make",
    () => UsageHook.start({ budget: 5, window: "1 day", resultCost: UsageHook.metadataCost("cost") }).hook
  ],
  ["FeatureHook.timeout", () => FeatureHook.timeout(audit(), "20 millis")],
  [
    "FeatureHook.timeout of a hook that hangs",
    () =>
      FeatureHook.make("hanging", { after: () => Effect.never }).pipe(
        FeatureHook.timeout("20 millis"),
        FeatureHook.observe
      ),
    { allow: { memory: "it waits in each evaluation" } }
  ],
  [
    "FeatureHook.observe of a hook that fails",
    () =>
      FeatureHook.observe(
        FeatureHook.make("failing", { before: () => Effect.fail("no"), after: () => Effect.die("no") })
      )
  ],
  ["FeatureHook.failurePolicy", () => {
    const failing = FeatureHook.make("failing", { before: () => Effect.fail("no"), finally: () => Effect.die("no") })
    return FeatureHook.failurePolicy(failing, { before: "ignore", finally: "ignore" })
  }],
  ["FeatureHook.onlyStages", () => FeatureHook.onlyStages(FeatureHook.combine(enrich(), audit()), "finally")],
  ["FeatureHook.warnWhenSlow", () => FeatureHook.warnWhenSlow(audit(), "10 millis")],
  ["FeatureHook.transform", () => FeatureHook.transform(audit(), (stage) => Effect.delay(stage, "10 millis")), {
    allow: { memory: "it waits in each evaluation" }
  }],
  [
    "FeatureHook.provide",
    () => {
      const hook = FeatureHook.make("region", {
        finally: () => Effect.flatMap(Region, ({ name }) => Effect.logInfo(name))
      })
      return FeatureHook.provide(hook, Context.make(Region, { name: "eu" }))
    }
  ],
  ["BackgroundHook.make", () => BackgroundHook.make(LoggingHook.make().pipe(FeatureHook.observe)), {
    mayEmit: ["variant"]
  }],
  ["BackgroundHook.start", () => BackgroundHook.start(audit())],
  ["LoggingHook.make", () => LoggingHook.make({ before: "Info", after: "Info" }), { mayEmit: ["variant"] }],
  ["LoggingHook.make with values", () => LoggingHook.make({ after: "Info", values: true, errorMessage: true }), {
    mayEmit: ["variant", "value", "error"]
  }],
  ["TimingHook.make", () => TimingHook.make(), { mayContribute: ["hints"] }],
  ["MetricsHook.makeMetric", () => MetricsHook.makeMetric(), { mayEmit: ["variant"] }],
  ["ContextGuardHook.make", () => Effect.map(ContextGuardHook.make(), ({ hook }) => hook), { mayReject: true }],
  [
    "ContextGuardHook.make that cleans",
    () => Effect.map(ContextGuardHook.make({ mode: "lenient" }), ({ hook }) => hook),
    { mayReject: true, mayContribute: ["context"] }
  ],
  ["ContextGuardHook.make that reports", () => ContextGuardHook.start({ mode: "report" }).hook],
  ["ContextValidatorHook.make", () => ContextValidatorHook.make({ requireTargetingKey: true, mode: "reject" }), {
    mayReject: true
  }],
  ["ContextValidatorHook.make that warns", () => ContextValidatorHook.make({ requiredAttributes: ["team"] })],
  [
    "ValueValidatorHook.make",
    () => ValueValidatorHook.make({ rules: [{ is: (value) => value !== true }, { flags: "none", min: 1 }] }),
    { mayReject: true }
  ],
  ["ValueValidatorHook.make that reports", () => {
    return ValueValidatorHook.make({ mode: "report", rules: [{ is: (value) => value !== true }] })
  }],
  ["VersionGateHook.make", () => VersionGateHook.make({ version: "1.0.0", metadataKey: "version" }), {
    mayReject: true
  }],
  [
    "OverrideHook.make",
    () =>
      Effect.map(OverrideHook.make({ enabled: true, overrides: { other: true }, logLevel: false }), ({ hook }) => hook)
  ],
  ["RequestFlags.make", () => RequestFlags.make()],
  ["OtelEventHook.make", () => OtelEventHook.make(), { mayEmit: ["variant"] }],
  ["OtelEventHook.make with a logger provider", () => OtelEventHook.make({ logs }), {
    allow: { memory: "the exporter keeps all records of the test" },
    mayEmit: ["variant"],
    emitted: () => logRecords.getFinishedLogRecords().map(({ attributes, body }) => [attributes, body])
  }],
  ["OtelTracingHook.make", () => OtelTracingHook.make(), { mayEmit: ["variant"] }],
  ["OtelTracingHook.make with a tracer provider", () => OtelTracingHook.make({ tracerProvider }), {
    allow: { memory: "the exporter keeps all spans of the test" },
    mayEmit: ["variant"],
    emitted: () => spans.getFinishedSpans().map(({ attributes, events, name }) => [name, attributes, events])
  }],
  ["OtelTracingHook.makeAttributes", () => OtelTracingHook.makeAttributes(), { mayEmit: ["variant"] }],
  ["OtelMetricsHook.make", () => OtelMetricsHook.make({ meterProvider }), {
    mayEmit: ["variant"],
    emitted: () => reader.collect()
  }],
  ["OtelMetricsHook.makeMetric", () => OtelMetricsHook.makeMetric(), { mayEmit: ["variant"] }],
  ["RecordingHook.make", () => Effect.map(RecordingHook.make("recording"), ({ hook }) => hook), {
    allow: { memory: "it keeps all entries of a test" }
  }],
  ["EvaluationJournal.make", () => Effect.map(EvaluationJournal.make, ({ hook }) => hook), {
    allow: { memory: "it keeps all entries of a test" }
  }],
  ["a hook of the SDK", (): SDK.Hook => ({ finally: ({ flagKey, logger }) => logger.info(flagKey) })],
  [
    "a converted hook of the SDK",
    () =>
      OpenFeatureHook.toFeatureHook("converted", { before: async () => ({ region: "eu" }), finally: async () => {} }),
    {
      mayContribute: ["context"]
    }
  ],
  ["a hook converted there and back", () => OpenFeatureHook.make(audit(), enrich()), { mayContribute: ["context"] }]
]
