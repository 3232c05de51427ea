import { assert, describe, it } from "@effect/vitest"
import { NOOP_PROVIDER } from "@openfeature/server-sdk"
import { Effect, Exit, Function, Predicate, Redacted, Scope } from "effect"
import {
  AuditHook,
  AuditStream,
  BackgroundHook,
  BatchHook,
  CacheHook,
  ChangeHook,
  ContextGuardHook,
  ContextValidatorHook,
  DedupeHook,
  EnrichmentHook,
  ExposureHook,
  FallbackMonitorHook,
  FeatureFlags,
  FeatureHook,
  Flag,
  FlagFilter,
  FlagTransaction,
  HookFailures,
  HookRegistry,
  LoggingHook,
  MetricsHook,
  OverrideHook,
  Privacy,
  RateLimitHook,
  RequestFlags,
  ResolutionProvider,
  TimingHook,
  UsageHook,
  ValueValidatorHook,
  VersionGateHook
} from "effect-openfeature"
import * as AuditQueue from "effect-openfeature/audit/AuditQueue"
import * as CircuitBreakerHook from "effect-openfeature/hooks/CircuitBreakerHook"
import * as OverrideConfig from "effect-openfeature/hooks/OverrideConfig"
import { AuditFile, AuditReader, HookPlugin, OverrideFile, OverrideToken } from "effect-openfeature/node"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook } from "effect-openfeature/otel"
import {
  ExposureQueue,
  RedisCacheStore,
  RedisExposureStore,
  RedisRateLimitStore,
  RedisUsageStore
} from "effect-openfeature/redis"
import { HookContract, TestFlags } from "effect-openfeature/testing"
import { rangeError } from "../support.ts"

/** The values that an option of a kind refuses. Each kind has the wrong type, null, and what is nearly right. */
const wrong = {
  boolean: ["true", "", 0, 1, Number.NaN, null, {}, []],
  positiveInteger: ["5", "", 0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, null, {}, [], true],
  duration: ["soon", "", "50 Millis", "50", Number.NaN, -1, Number.POSITIVE_INFINITY, null, true, [], () => 1],
  positiveDuration: ["soon", "", "50 Millis", 0, Number.NaN, -1, Number.POSITIVE_INFINITY, null, true, [], () => 1],
  lifetime: ["soon", "", "50 Millis", 0, Number.NaN, -1, null, true, [], () => 1],
  tripPolicy: ["rate", 5, null, true, {}, [], { _tag: "rate" }, () => 1],
  limitBy: ["user", "Flag", "", 1, null, true, {}, [], { attribute: "" }, { attribute: 1 }, { hint: "team" }],
  onLimited: ["Reject", "stale", "", 1, null, true, {}],
  whenNoLast: ["Pass", "report", "", 1, null, true, {}],
  whenDown: ["Open", "reject", "", 1, null, true, {}],
  limitStore: ["memory", 1, null, true, {}, [], { take: 1 }, { spend: 1 }, () => undefined],
  printKey: ["Raw", "hash", "", 1, null, true, {}, []],
  positiveNumber: ["5", "", 0, -1, Number.NaN, Number.POSITIVE_INFINITY, null, {}, [], true],
  cost: ["5", "", -1, Number.NaN, Number.POSITIVE_INFINITY, null, [-1], true, { a: "1" }, { a: -1 }],
  thresholds: [
    "5",
    "",
    1,
    null,
    true,
    {},
    [0],
    [80],
    [Number.NaN],
    ["1"],
    [1, 1],
    Array.from({ length: 17 }, (_, i) => i + 1)
  ],
  whenOpen: ["Skip", "ignore", "", 1, null, true],
  store: ["memory", 1, null, true, {}, [], { admit: () => undefined }],
  exposureStore: ["redis", 1, null, true, {}, [], { reserve: () => undefined }],
  written: ["omit", "RAW", "", 1, null, true, {}, []],
  drops: ["wait", "DropNewest", "", 1, null, true],
  nested: ["Join", "none", "", 1, null, true],
  flagValues: ["plan", "", 1, null, true, [], { plan: undefined }, { plan: () => true }, { plan: 1n }],
  window: ["Fixed", "debounce", "", 1, null, true],
  severity: ["info", "DEBUG", "", "All", 1, null, true, {}, []],
  function: ["x", "", 1, Number.NaN, null, true, {}, []],
  names: ["plan", "", 1, Number.NaN, null, true, {}, [1], ["plan", null]],
  context: ["plan", "", 1, null, true, [1], {}, { except: "plan" }, { except: [1] }],
  targetingKey: ["Omit", "RAW", "hash", "", 1, null, true, {}, []],
  string: [1, Number.NaN, null, true, {}, []],
  text: ["", 1, Number.NaN, null, true, {}, []],
  textOrNull: ["", 1, Number.NaN, true, {}, []],
  record: ["plan", "", 1, null, true, []],
  list: ["hook", "", 1, null, true, {}],
  mode: ["Warn", "REJECT", "", "throw", 1, null, true],
  onProviderError: ["Fail", "IGNORE", "", 1, null, true],
  guardRules: ["html", "", 1, null, true, {}, [1], ["xss"], ["HTML"]],
  guardExempt: ["html", "", 1, null, true, [], { a: "html" }, { a: ["xss"] }, { a: null }],
  globs: ["plan", "", 1, null, true, {}, [1], [""], ["a".repeat(257)]],
  patterns: ["a*", "", 1, null, true, [], { a: "" }, { a: 1 }, { a: /(?=a)b/ }, { a: null }],
  attributeTypes: ["string", "", 1, null, true, [], { a: "text" }, { a: ["string", "text"] }, { a: null }],
  atMost: ["5", "", 0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, null, {}, [], true, 1_000_001],
  version: ["1.44", "latest", "", 1.45, null, true],
  logger: ["console", "", 1, null, true, {}, [], { info: () => undefined }],
  logs: ["logs", "", 1, null, true, {}, []],
  attributes: ["team", "", 1, null, true, [], { team: {} }, { team: Number.NaN }],
  queueGuarantee: ["written", "Stored", "", 1, null, true],
  instant: ["yesterday", "", "2026-02-30", "2026-01-31T18:00:00", 1, null, true, {}],
  errorFilter: ["", 1, null, {}, []],
  precedence: ["Fill", "replace", "", 1, null, true],
  onFailure: ["Report", "fail", "", 1, null, true],
  cacheKey: ["plan", "Context", "", 1, null, true, [], ["plan"], [1], {}, { shared: "plan" }, { shared: [1] }],
  cacheTime: ["soon", "", "50 Millis", 0, Number.NaN, -1, null, true, []],
  cacheReasons: ["DEFAULT", 1, null, true, [], { DEFAULT: 0 }, { DEFAULT: "soon" }],
  cacheErrors: ["GENERAL", 1, null, true, [], { GENERAL: 0 }, { PROVIDER_FATAL: 1 }, { NOT_FOUND: 1 }],
  cacheStore: ["memory", 1, null, true, {}, [], { get: () => undefined }],
  schedule: ["forever", 3, Number.NaN, null, true, {}, [], () => true],
  overflow: ["DropNewest", "drop", "", 1, null, true],
  span: ["Root", "CURRENT", "", "parent", 1, null, true],
  policy: ["Reject", "throw", "", 1, null, true, false, {}],
  reportOrIgnore: ["reject", "Report", "", 1, null, true, false, {}],
  severityOrFalse: ["info", "DEBUG", "", "All", 1, null, true, {}, []],
  expiry: ["soon", "", "2027-13-01", "2027-01-31T18:00:00", Number.NaN, 1, null, true, {}, new Date(Number.NaN)],
  rate: ["0.5", "", -0.1, 1.1, Number.NaN, Number.POSITIVE_INFINITY, null, {}, [], true],
  by: ["user", "Flag", "", 1, null, true],
  aBoolean: ["true", "", 0, Number.NaN, null, {}],
  layer: ["layer", "", 1, null, true, {}, () => undefined],
  schema: ["string", "", 1, null, true, {}, () => true],
  number: ["5", "", Number.NaN, Number.POSITIVE_INFINITY, null, {}, [], true],
  valueMode: ["Reject", "warn", "", 1, null, true],
  onInvalid: ["Refuse", "reject", "", 1, null, true],
  semver: ["2.3", "v1.0.0", "", 1, null, true],
  hook: ["hook", "", 1, null, true, {}, [], () => undefined, { before: () => undefined }],
  effect: ["provider", "", 1, null, true, {}, () => undefined],
  guarantee: ["Written", "sync", "", 1, null, true],
  onError: ["Drop", "refuse", "", 1, null, true],
  signal: ["HUP", "sighup", "SIGKILL", "SIGSTOP", "SIGUSR1", "", 1, null, true],
  places: ["user", "value", "", 1, null, true, {}, [1], ["user"], ["targetingkey"]],
  contributions: ["context", "", 1, null, true, {}, [1], ["contexts"]],
  allowances: ["memory", "", 1, null, true, [], { memory: "" }, { memory: true }, { memory: null }],
  overrides: ["sale", "", 1, null, true, () => true, { sale: undefined }],
  sources: ["file", "", 1, null, true, {}, [1], [{ name: "file" }]],
  keys: ["secret", "", 1, null, true, {}, []],
  meterProvider: ["global", 1, null, true, {}, []],
  tracerProvider: ["global", 1, null, true, {}, []]
} satisfies Record<string, ReadonlyArray<unknown>>

type Kind = keyof typeof wrong

const privacy = {
  values: "boolean",
  errorMessage: "boolean",
  context: "context",
  targetingKey: "targetingKey",
  maxLength: "positiveInteger",
  maxDepth: "positiveInteger",
  maxSize: "positiveInteger",
  redact: "function"
} as const

// FeatureFlags fails with a typed error, and everything else throws.
const flags = (options: object): unknown => {
  const made = FeatureFlags.make(options).pipe(Effect.provideService(Scope.Scope, Effect.runSync(Scope.make())))
  const exit = Effect.runSyncExit(Effect.flip(made))
  if (Exit.isSuccess(exit)) throw new RangeError(exit.value.message)
  return exit
}

const guard = {
  mode: "mode",
  rules: "guardRules",
  exempt: "guardExempt",
  maxSize: "positiveInteger",
  maxAttributeSize: "atMost",
  maxNameLength: "atMost",
  maxDepth: "atMost",
  maxAttributes: "positiveInteger",
  maxElements: "positiveInteger",
  allowed: "globs",
  forbidden: "globs",
  patterns: "patterns",
  types: "attributeTypes",
  onViolation: "function",
  interval: "positiveDuration",
  maxCauses: "positiveInteger",
  logLevel: "severityOrFalse",
  logger: "logger",
  capacity: "positiveInteger",
  closeTimeout: "duration"
} as const

const constructors: Array<
  readonly [owner: string, make: (options: never) => unknown, kinds: Readonly<Record<string, Kind>>]
> = [
  ["Privacy.make", (options) => Privacy.make("Privacy.make", options), privacy],
  ["LoggingHook.make", LoggingHook.make, {
    ...privacy,
    before: "severity",
    after: "severity",
    error: "severity",
    logger: "logger"
  }],
  ["TimingHook.make", TimingHook.make, { slowerThan: "duration", logLevel: "severity", logger: "logger" }],
  ["ContextGuardHook.make", ContextGuardHook.make, guard],
  ["ContextGuardHook.start", ContextGuardHook.start, guard],
  ["ContextValidatorHook.make", ContextValidatorHook.make, {
    requireTargetingKey: "boolean",
    requiredAttributes: "names",
    schema: "schema",
    flags: "function",
    mode: "mode",
    logger: "logger"
  }],
  ["MetricsHook.makeMetric", MetricsHook.makeMetric, { maxSeries: "positiveInteger" }],
  ["HookFailures.make", HookFailures.make, {
    capacity: "positiveInteger",
    logCause: "boolean",
    logInterval: "duration"
  }],
  ["FeatureHook.make(\"a\")", (stages) => FeatureHook.make("a", stages), {
    hookData: "function",
    before: "function",
    after: "function",
    error: "function",
    finally: "function"
  }],
  ["FeatureHook.warnWhenSlow", (options) => FeatureHook.warnWhenSlow(LoggingHook.make(), "1 second", options), {
    logInterval: "duration",
    logLevel: "severity",
    logger: "logger"
  }],
  ["FeatureHook.failurePolicy", (policy) => FeatureHook.failurePolicy(LoggingHook.make(), policy), {
    before: "policy",
    after: "policy",
    error: "reportOrIgnore",
    finally: "reportOrIgnore"
  }],
  ["FeatureFlags.make", flags, {
    domain: "text",
    version: "text",
    context: "record",
    hooks: "list",
    provider: "effect",
    initializeTimeout: "duration",
    onProviderError: "onProviderError",
    shutdownTimeout: "duration",
    interruptTimeout: "duration",
    resolveWhenNotReady: "boolean"
  }]
]

const placement = {
  name: "text",
  description: "string",
  version: "string",
  priority: "number",
  before: "names",
  after: "names",
  isEnabled: "aBoolean"
} as const

const registry = Effect.runSync(Effect.scoped(HookRegistry.make()))

constructors.push(
  ["HookRegistry.make", HookRegistry.make, { failureCapacity: "positiveInteger", closeTimeout: "duration" }],
  ["HookRegistry.start", HookRegistry.start, { failureCapacity: "positiveInteger", closeTimeout: "duration" }],
  ["HookRegistry.add", (entry) => registry.add([entry]), { ...placement, hook: "hook" }],
  ["HookRegistry.debug", (options) => Effect.runSync(registry.debug(options)), {
    ...privacy,
    logLevel: "severity",
    logger: "logger"
  }]
)

const limits = {
  capacity: "positiveInteger",
  overflow: "overflow",
  concurrency: "positiveInteger",
  closeTimeout: "duration"
} as const

const enrichment = { name: "text", precedence: "precedence", onFailure: "onFailure" } as const

const changes = { ...privacy, subject: "function", capacity: "positiveInteger", errors: "boolean" } as const

const vocabulary = {
  ...privacy,
  attributes: "attributes",
  dimensions: "names",
  exclude: "names",
  rewrite: "function",
  version: "version"
} as const

const metrics = { ...vocabulary, maxSeries: "positiveInteger", duration: "boolean" } as const

const breaker = {
  failures: "positiveInteger",
  tripPolicy: "tripPolicy",
  openDuration: "positiveDuration",
  whenOpen: "whenOpen",
  probeTimeout: "positiveDuration",
  store: "store",
  onTransition: "function"
} as const

const dedupe = {
  key: "function",
  resultKey: "function",
  timeToLive: "lifetime",
  window: "window",
  capacity: "positiveInteger",
  keepFailures: "boolean",
  shareContributions: "boolean",
  waitTimeout: "duration"
} as const

const cache = {
  key: "cacheKey",
  timeToLive: "cacheTime",
  reasons: "cacheReasons",
  errors: "cacheErrors",
  staleFor: "duration",
  waitTimeout: "duration",
  capacity: "positiveInteger",
  store: "cacheStore",
  timeout: "positiveDuration",
  maxSeries: "positiveInteger"
} as const

// Each cache needs a key, which is no mistake here.
const withKey = (options: CacheHook.Options): CacheHook.Options =>
  Predicate.isObject(options) && !Array.isArray(options) ? Object.assign({ key: "context" }, options) : options
const transaction = {
  overrides: "flagValues",
  cache: "boolean",
  nested: "nested",
  keepErrors: "boolean",
  values: "boolean",
  capacity: "positiveInteger",
  onEnd: "function"
} as const

const whenLimited = {
  onLimited: "onLimited",
  whenNoLast: "whenNoLast",
  lastKey: "function",
  lastCapacity: "positiveInteger",
  lastTimeToLive: "lifetime",
  whenDown: "whenDown",
  window: "positiveDuration",
  name: "text",
  by: "limitBy",
  store: "limitStore",
  capacity: "positiveInteger",
  timeout: "positiveDuration",
  onAlert: "function",
  alertCapacity: "positiveInteger",
  printKey: "printKey",
  maxSeries: "positiveInteger",
  closeTimeout: "duration"
} as const

const rateLimit = {
  ...whenLimited,
  limit: "positiveInteger",
  burst: "positiveInteger",
  alertInterval: "positiveDuration",
  maxAlertKeys: "positiveInteger"
} as const

const budget = {
  ...whenLimited,
  budget: "positiveNumber",
  cost: "cost",
  resultCost: "function",
  thresholds: "thresholds",
  maxKeys: "positiveInteger"
} as const

const load = { timeout: "positiveDuration", allowWorldWritable: "boolean" } as const

const discover = { ...load, maxFiles: "positiveInteger" } as const

const install = { ...discover, directory: "text", modules: "list", maxReloads: "positiveInteger" } as const

const plainRegistry = HookRegistry.start()

const plugin = HookPlugin.make({ name: "a", version: "1", hooks: [{ name: "a", hook: LoggingHook.make() }] })

// Each hook needs functions, which are no mistake here.
const withFunctions = (options: BatchHook.Options<unknown>): BatchHook.Options<unknown> =>
  Predicate.isObject(options)
    ? Object.assign({ item: () => undefined, send: () => undefined }, options)
    : options

// Each definition needs a default value, which is no mistake here.
const withDefault = (options: Flag.Options<boolean>): Flag.Options<boolean> =>
  Predicate.isObject(options) ? Object.assign({ default: false }, options) : options

// A gate needs a version, which is no mistake here.
const withVersion = (options: VersionGateHook.Options): VersionGateHook.Options =>
  Predicate.isObject(options) && !Object.hasOwn(options, "version")
    ? Object.assign({ version: "1.0.0" }, options)
    : options

constructors.push(
  ["OtelMetricsHook.make", OtelMetricsHook.make, {
    ...metrics,
    meterProvider: "meterProvider",
    whenUnread: "severityOrFalse"
  }],
  ["OtelMetricsHook.makeMetric", OtelMetricsHook.makeMetric, metrics],
  ["OtelTracingHook.make", OtelTracingHook.make, {
    ...vocabulary,
    setStatus: "boolean",
    recordException: "boolean",
    maxDuration: "positiveDuration",
    tracerProvider: "tracerProvider"
  }],
  ["OtelTracingHook.makeAttributes", OtelTracingHook.makeAttributes, {
    ...vocabulary,
    span: "span",
    maxFlags: "positiveInteger"
  }],
  ["OtelEventHook.make", OtelEventHook.make, {
    ...vocabulary,
    logs: "logs",
    level: "severity",
    errorLevel: "severity"
  }],
  ["BackgroundHook.make", (options) => BackgroundHook.make(LoggingHook.make(), options), {
    ...limits,
    orderBy: "function"
  }],
  ["BatchHook.make", (options) => BatchHook.make("a", withFunctions(options)), {
    ...limits,
    item: "function",
    send: "function",
    maxSize: "positiveInteger",
    maxWait: "duration",
    retry: "schedule"
  }],
  ["EnrichmentHook.make", (options) => EnrichmentHook.make({}, options), enrichment],
  ["EnrichmentHook.makeCached", (options) => EnrichmentHook.makeCached(() => ({}), options), {
    ...enrichment,
    key: "function",
    capacity: "positiveInteger",
    timeToLive: "positiveDuration"
  }],
  ["FallbackMonitorHook.make", FallbackMonitorHook.make, {
    interval: "positiveDuration",
    maxCauses: "positiveInteger",
    defaultReason: "boolean",
    onFallback: "function",
    logLevel: "severityOrFalse",
    logger: "logger",
    capacity: "positiveInteger",
    maxSeries: "positiveInteger",
    closeTimeout: "duration"
  }],
  ["CircuitBreakerHook.make", (options) => CircuitBreakerHook.make(TimingHook.make(), options), breaker],
  ["CircuitBreakerHook.start", (options) => CircuitBreakerHook.start(TimingHook.make(), options), breaker],
  ["CacheHook.make", (options) => CacheHook.make(withKey(options)), cache],
  ["CacheHook.makeUnsafe", (options) => CacheHook.makeUnsafe(withKey(options)), cache],
  ["RedisCacheStore.make", RedisCacheStore.make, { prefix: "text", maxLength: "positiveInteger" }],
  ["DedupeHook.make", (options) => DedupeHook.make(TimingHook.make(), options), dedupe],
  ["DedupeHook.makeUnsafe", (options) => DedupeHook.makeUnsafe(TimingHook.make(), options), dedupe],
  [
    "FeatureFlags.transaction",
    (options) => Reflect.apply(FeatureFlags.transaction, undefined, [Effect.void, options]),
    transaction
  ],
  [
    "FlagTransaction.run",
    (options) => Reflect.apply(FlagTransaction.run, undefined, [options, () => undefined]),
    transaction
  ],
  ["ResolutionProvider.make", (options) => ResolutionProvider.make(NOOP_PROVIDER, options), {
    resolveWhenNotReady: "boolean"
  }],
  ["ValueValidatorHook.make", ValueValidatorHook.make, {
    rules: "list",
    flags: "function",
    mode: "valueMode",
    onViolation: "function",
    interval: "positiveDuration"
  }],
  ["VersionGateHook.make", (options) => VersionGateHook.make(withVersion(options)), {
    version: "semver",
    metadataKey: "text",
    maxMetadataKey: "text",
    onInvalid: "onInvalid",
    flags: "function",
    interval: "positiveDuration"
  }],
  ["RateLimitHook.make", RateLimitHook.make, rateLimit],
  ["RateLimitHook.start", RateLimitHook.start, rateLimit],
  ["UsageHook.make", UsageHook.make, budget],
  ["UsageHook.start", UsageHook.start, budget],
  ["RedisRateLimitStore.make", RedisRateLimitStore.make, { prefix: "string" }],
  ["RedisUsageStore.make", RedisUsageStore.make, { prefix: "string" }],
  ["FlagFilter.sample", FlagFilter.sample, { rate: "rate", by: "by", salt: "string" }],
  ["HookPlugin.make", HookPlugin.make, {
    name: "text",
    version: "text",
    description: "string",
    requires: "text",
    hooks: "list",
    layer: "layer"
  }],
  ["HookPlugin.load", (options) => HookPlugin.load("./plugin.mjs", options), load],
  ["HookPlugin.discover", (options) => HookPlugin.discover("plugins", options), discover],
  ["HookPlugin.register", (options) => HookPlugin.register(registry, plugin, options), { timeout: "positiveDuration" }],
  ["HookPlugin.install", (options) => HookPlugin.install(registry, options), install],
  ["HookPlugin.start", (options) => HookPlugin.start(plainRegistry, options), install],
  ["ChangeHook.make", (options) => ChangeHook.make(() => undefined, options), changes],
  ["ChangeHook.makeStream", ChangeHook.makeStream, { ...changes, bufferSize: "positiveInteger" }],
  ["RequestFlags.make", RequestFlags.make, { ...privacy, maxFlags: "positiveInteger", request: "function" }],
  ["Flag.boolean", (options) => Flag.boolean("a", withDefault(options)), {
    default: "aBoolean",
    description: "text",
    owner: "text",
    expiry: "expiry"
  }],
  ["HookContract.check", (options) => HookContract.checkEffect(() => LoggingHook.make(), options), {
    allow: "allowances",
    mayReject: "boolean",
    mayContribute: "contributions",
    mayEmit: "places",
    emitted: "function",
    balance: "function",
    size: "function",
    evaluations: "positiveInteger",
    timeout: "positiveDuration"
  }],
  ["TestFlags.layer", (options) => TestFlags.layer({}, options), {
    hooks: "list",
    context: "record",
    providerName: "text",
    domain: "textOrNull"
  }]
)

const selection = {
  flag: "text",
  since: "instant",
  until: "instant",
  error: "errorFilter",
  variant: "text",
  targetingKey: "text"
} as const

const trail = { rotated: "boolean", maxLineLength: "positiveInteger" } as const

const queue = {
  name: "text",
  guarantee: "queueGuarantee",
  capacity: "positiveInteger",
  concurrency: "positiveInteger",
  timeout: "positiveDuration",
  closeTimeout: "duration"
} as const

const consumer = {
  name: "text",
  concurrency: "positiveInteger",
  maxAttempts: "positiveInteger",
  renewInterval: "positiveDuration"
} as const

const reading = {
  ...selection,
  ...trail,
  follow: "boolean",
  pollInterval: "positiveDuration",
  onBadLine: "function"
} as const

const memory = AuditQueue.layerMemory

constructors.push(
  ["AuditReader.entries", (options) => AuditReader.entries("a", options), reading],
  ["AuditReader.records", (options) => AuditReader.records("a", options), reading],
  ["AuditReader.open", (options) => AuditReader.open("a", options), reading],
  ["AuditReader.verify", (options) => AuditReader.verify("a", options), trail],
  ["AuditReader.summarize", (options) => AuditReader.summarize("a", options), {
    ...selection,
    ...trail,
    maxFlags: "positiveInteger"
  }],
  ["AuditQueue.make", (options) => AuditQueue.make(memory, options), queue],
  ["AuditQueue.start", (options) => AuditQueue.start(memory, options), queue],
  ["AuditQueue.consume", (options) => AuditQueue.consume(memory, () => undefined, options), consumer],
  ["AuditQueue.startConsumer", (options) => AuditQueue.startConsumer(memory, () => undefined, options), consumer],
  ["AuditStream.make", AuditStream.make, {
    capacity: "positiveInteger",
    overflow: "overflow",
    replay: "positiveInteger"
  }],
  ["AuditStream.makeUnsafe", AuditStream.makeUnsafe, {
    capacity: "positiveInteger",
    overflow: "overflow",
    replay: "positiveInteger"
  }]
)

const sending = { name: "text", concurrency: "positiveInteger", timeout: "positiveDuration" } as const

const exposures = {
  ...privacy,
  targetingKey: "written",
  name: "text",
  subject: "function",
  filter: "function",
  automatic: "boolean",
  window: "lifetime",
  capacity: "positiveInteger",
  metadata: "names",
  maxSize: "positiveInteger",
  maxWait: "duration",
  retry: "schedule",
  maxPending: "positiveInteger",
  overflow: "drops",
  concurrency: "positiveInteger",
  closeTimeout: "duration",
  store: "exposureStore",
  timeout: "positiveDuration",
  lease: "positiveDuration",
  overrides: "boolean"
} as const

const totals = {
  send: "function",
  name: "text",
  interval: "positiveDuration",
  capacity: "positiveInteger",
  retry: "schedule",
  closeTimeout: "duration"
} as const

// Each needs a sink, which is no mistake here.
const withSink = (options: object): { readonly send: () => void } =>
  Predicate.isObject(options) ? Object.assign({ send: () => undefined }, options) : Function.cast(options)

constructors.push(
  ["ExposureHook.make", (options) => ExposureHook.make(withSink(options)), { ...exposures, send: "function" }],
  ["ExposureHook.start", (options) => ExposureHook.start(withSink(options)), { ...exposures, send: "function" }],
  ["ExposureHook.makeStream", ExposureHook.makeStream, exposures],
  ["ExposureHook.makeCounts", (options) => ExposureHook.makeCounts(withSink(options)), totals],
  ["ExposureHook.startCounts", (options) => ExposureHook.startCounts(withSink(options)), totals],
  ["RedisExposureStore.make", RedisExposureStore.make, { prefix: "string" }],
  ["RedisExposureStore.layer", RedisExposureStore.layer, { prefix: "string" }],
  ["ExposureQueue.layerRedis", ExposureQueue.layerRedis, {
    prefix: "string",
    pollInterval: "positiveDuration",
    lockExpiration: "positiveDuration",
    lockRefreshInterval: "positiveDuration",
    timeToLive: "positiveDuration"
  }],
  ["ExposureQueue.make", ExposureQueue.make, sending],
  ["ExposureQueue.start", (options) => ExposureQueue.start(memory, options), sending],
  ["ExposureQueue.consume", (options) => ExposureQueue.consume(memory, () => undefined, options), consumer],
  ["ExposureQueue.startConsumer", (options) => ExposureQueue.startConsumer(memory, () => undefined, options), consumer]
)

const audit = { ...privacy, metadata: "boolean", traceId: "function" } as const

const auditFile = {
  guarantee: "guarantee",
  onError: "onError",
  tamperEvidence: "boolean",
  maxSize: "positiveInteger",
  daily: "boolean",
  maxFiles: "positiveInteger",
  reopenOn: "signal",
  capacity: "positiveInteger",
  maxQueued: "positiveInteger",
  acknowledgeTimeout: "positiveDuration",
  retryAfter: "duration",
  warnInterval: "duration",
  closeTimeout: "duration"
} as const

constructors.push(
  ["AuditHook.make", (options) => AuditHook.make({ append: () => undefined }, options), audit],
  ["AuditFile.make", (options) => AuditFile.make("audit.jsonl", options), auditFile],
  ["AuditFile.start", (options) => AuditFile.start("audit.jsonl", options), { ...audit, ...auditFile }]
)

// Each hook says whether it is enabled, and each source has a key, which is no mistake here.
const withEnabled = (options: OverrideHook.Options): OverrideHook.Options =>
  Predicate.isObject(options) ? Object.assign({ enabled: true, logLevel: false }, options) : options

const withKeys = <A>(options: A): A & { readonly keys: ReadonlyArray<OverrideToken.Key> } => {
  const keys = [{ id: "1", secret: Redacted.make("a secret that has 32 bytes or more") }]
  return Predicate.isObject(options) ? Object.assign({ keys }, options) : Function.cast(options)
}

const override = {
  enabled: "boolean",
  overrides: "overrides",
  sources: "sources",
  values: "boolean",
  logLevel: "severityOrFalse",
  logger: "logger"
} as const

const overrideFile = {
  optional: "boolean",
  maxSize: "positiveInteger",
  allowSymbolicLink: "boolean",
  allowWorldWritable: "boolean",
  watch: "boolean",
  debounce: "duration",
  pollInterval: "positiveDuration",
  logger: "logger"
} as const

constructors.push(
  ["OverrideHook.make", (options) => OverrideHook.make(withEnabled(options)), override],
  ["OverrideHook.makeUnsafe", (options) => OverrideHook.makeUnsafe(withEnabled(options)), override],
  ["OverrideConfig.config", OverrideConfig.config, { variable: "text", flags: "names" }],
  ["OverrideConfig.fromEnvironment", (options) => OverrideConfig.fromEnvironment(options, {}), {
    variable: "text",
    flags: "names"
  }],
  ["OverrideFile.make", (options) => OverrideFile.make("overrides.json", options), overrideFile],
  ["OverrideFile.start", (options) => OverrideFile.start("overrides.json", options), overrideFile],
  ["OverrideToken.verify", (options) => OverrideToken.verify("a", withKeys(options)), {
    keys: "keys",
    maxLifetime: "positiveDuration"
  }],
  ["OverrideToken.make", (options) => OverrideToken.make(withKeys(options)), {
    keys: "keys",
    maxLifetime: "positiveDuration",
    allow: "function",
    logInterval: "duration",
    onRefused: "function"
  }]
)

const listed = (message: string): ReadonlyArray<string> => message.split("the options are ")[1]?.split(", ") ?? []

describe.each(constructors)("%s", (owner, make, kinds) => {
  const message = (options: unknown): string => rangeError(() => Reflect.apply(make, undefined, [options]))

  it("refuses a name that is no option, and lists those that are", () => {
    const told = message({ zzzzzzzzzzzzzzzz: 1 })
    assert.isTrue(told.startsWith(`${owner}: there is no option "zzzzzzzzzzzzzzzz"; `), told)
    // This also holds the table here to the options that there are.
    assert.sameMembers([...listed(told)], Object.keys(kinds))
  })

  it("tells the nearest name", () => {
    for (const name of Object.keys(kinds)) {
      for (const misspelt of [`${name}s`, name.toUpperCase(), name.slice(1)]) {
        if (misspelt === name || misspelt in kinds) continue
        assert.include(message({ [misspelt]: undefined }), "; did you mean \"", misspelt)
      }
      if (!(`${name}x` in kinds)) assert.include(message({ [`${name}x`]: 1 }), `did you mean "${name}"?`)
    }
  })

  it("refuses each value that an option must not have, by name", () => {
    for (const [name, kind] of Object.entries(kinds)) {
      for (const [index, value] of wrong[kind].entries()) {
        const told = message({ [name]: value })
        assert.isTrue(told.startsWith(`${owner}: ${name}`), `${name}, number ${index}: ${told}`)
      }
    }
  })

  it("refuses options that are no object", () => {
    for (const options of [null, "options", 5, true, [], () => undefined]) {
      assert.match(message(options), /must be|needs/, String(options))
    }
  })
})
