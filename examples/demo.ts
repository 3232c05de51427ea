// A small shop: a stream of users evaluates flags of flagd, with hooks at every level. One flag is broken, one hook is
// slow, one hook fails. Prints what the hooks saw, and checks that it adds up.
import { FlagdProvider } from "@openfeature/flagd-provider"
import { Effect, Layer, Logger, Metric, References, Stream } from "effect"
import {
  ContextValidatorHook,
  type EvaluationContext,
  FeatureFlags,
  FeatureHook,
  HookFailures,
  HookHints,
  LoggingHook,
  MetricsHook,
  OpenFeatureHook,
  TimingHook
} from "effect-openfeature"
import { fileURLToPath } from "node:url"

const print = (text = "") => Effect.sync(() => console.log(text))

// ---------------------------------------------------------------------------------------------------------------------
// The users: the same ones in each run
// ---------------------------------------------------------------------------------------------------------------------

const users = Array.from({ length: 60 }, (_, index): EvaluationContext.EvaluationContext => ({
  ...index % 10 === 9 ? {} : { targetingKey: `user-${index}` }, // every tenth has not logged in
  plan: index % 3 === 0 ? "pro" : "free",
  email: `user-${index}@${index % 20 === 5 ? "shop.example" : "mail.example"}`
}))

// ---------------------------------------------------------------------------------------------------------------------
// The hooks
// ---------------------------------------------------------------------------------------------------------------------

// Which hook ran which stage, for the picture. `transform` adds this to every stage of any hook.
interface Step {
  readonly hook: string
  readonly stage: string
}
let steps: Array<Step> = []
const drawn = <E, R>(hook: FeatureHook.FeatureHook<E, R>) =>
  FeatureHook.transform(hook, (stage, info) =>
    Effect.suspend(() => {
      steps.push({ hook: info.hook, stage: info.stage })
      return stage
    }))

const validator = ContextValidatorHook.make({ requireTargetingKey: true, mode: "reject" })
const logging = LoggingHook.make({ before: false, after: "Info" })

// Looks up the region of a user. The service behind it hangs for some of them.
const enrich = FeatureHook.make("enrich", {
  before: (context) => {
    const id = Number(context.context.targetingKey?.replace("user-", "") ?? 0)
    const region = { context: { region: id % 2 === 0 ? "eu" : "us" } }
    return id % 15 === 4 ? Effect.delay(Effect.succeed(region), "10 seconds") : Effect.succeed(region)
  }
}).pipe(
  FeatureHook.timeout("10 millis"),
  FeatureHook.observe
)

// Writes down every evaluation of a visit. Now and then the disk is full.
const VisitId = HookHints.key<number>("shop.visit")
const trail: Array<string> = []
const audit = FeatureHook.make("audit", {
  finally: (context, details, hints) => {
    const visit = HookHints.getOrUndefined(hints, VisitId) ?? 0
    if (visit % 12 === 7) return Effect.fail("the disk is full")
    return Effect.sync(() => trail.push(`${visit} ${context.flagKey} ${details.errorCode ?? details.variant}`))
  }
}).pipe(FeatureHook.observe)

// ---------------------------------------------------------------------------------------------------------------------
// The shop
// ---------------------------------------------------------------------------------------------------------------------

const visit = Effect.fnUntraced(function*(context: EvaluationContext.EvaluationContext, index: number) {
  const flags = yield* FeatureFlags.FeatureFlags
  const options = { hooks: [drawn(audit)], hints: HookHints.make(VisitId, index) }
  return yield* Effect.all([
    flags.booleanDetails("new-checkout", false, options),
    flags.numberDetails("price-limit", 100, options),
    flags.stringDetails("banner", "", options),
    flags.objectDetails("checkout-config", {}, options),
    flags.booleanDetails("loyalty-points", false, options) // for the plan pro it names a variant that is not there
  ]).pipe(
    FeatureFlags.withContext(context),
    FeatureFlags.withHooks(drawn(enrich))
  )
})

const FlagsLive = FeatureFlags.layer({
  domain: "shop",
  provider: Effect.sync(() =>
    new FlagdProvider({
      resolverType: "in-process",
      offlineFlagSourcePath: fileURLToPath(new URL("flags.json", import.meta.url))
    })
  ),
  hooks: [drawn(validator), drawn(logging)]
})
const ApiHooksLive = Layer.unwrap(Effect.map(
  MetricsHook.makeMetric(),
  (metrics) => OpenFeatureHook.layer(drawn(TimingHook.make()), drawn(metrics))
))

// ---------------------------------------------------------------------------------------------------------------------
// Printing
// ---------------------------------------------------------------------------------------------------------------------

const columns = [
  { level: "API", hook: "timing" },
  { level: "", hook: "metrics" },
  { level: "client", hook: "context-validator" },
  { level: "", hook: "logging" },
  { level: "region", hook: "enrich" },
  { level: "call", hook: "audit" }
]

// The numbers say when a stage ran, the lines which way it went.
const draw = (title: string) => {
  const width = 13
  const line = (label: string, cells: ReadonlyArray<string>) =>
    `   ${label.padEnd(9)}${cells.map((cell) => cell.padEnd(width)).join("")}`.trimEnd()
  const row = (stage: string) => {
    const isBefore = stage === "before"
    let hasBegun = false
    const cells = columns.map(({ hook }) => {
      const at = steps.findIndex((step) => step.hook === hook && step.stage === stage)
      if (at < 0) return hasBegun ? "-".repeat(width) : ""
      const mark = isBefore ? hasBegun ? `> ${at + 1} ` : `  ${at + 1} ` : `  ${at + 1} <`
      hasBegun = true
      return mark.padEnd(width, "-")
    })
    return line(stage, [...cells, isBefore ? "> flagd" : ""])
  }
  return [
    `   ${title}`,
    line("", columns.map(({ level }) => `  ${level}`)),
    line("", columns.map(({ hook }) => `  ${hook.replace("context-", "")}`)),
    ...["before", "after", "error", "finally"].map(row)
  ].join("\n")
}

const table = (rows: ReadonlyArray<ReadonlyArray<string | number>>) => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)))
  return rows.map((row) =>
    `   ${
      row.map((cell, column) =>
        typeof cell === "number" ? String(cell).padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)
      ).join("  ")
    }`.trimEnd()
  ).join("\n")
}

const sum = (numbers: Iterable<number>) => Array.from(numbers).reduce((total, next) => total + next, 0)

const countBy = (keys: Iterable<string>) => {
  const counts = new Map<string, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return counts
}

// ---------------------------------------------------------------------------------------------------------------------
// The demo
// ---------------------------------------------------------------------------------------------------------------------

const logs: Array<string> = []
const LogsLive = Logger.layer([
  Logger.make((options) => {
    logs.push(Logger.formatLogFmt.log(options).replace(/^timestamp=\S+ /, "").replace(/fiber=\S+ /, ""))
  })
])

const demo = Effect.gen(function*() {
  const failures = yield* HookFailures.HookFailures
  const failed: Array<HookFailures.HookFailure> = []
  yield* failures.stream.pipe(
    Stream.runForEach((failure) => Effect.sync(() => failed.push(failure))),
    Effect.forkScoped({ startImmediately: true })
  )

  yield* print("1. The order of the stages, in one evaluation that succeeds and in one that fails\n")
  const flags = yield* FeatureFlags.FeatureFlags
  const once = (flagKey: string) =>
    flags.boolean(flagKey, false, { context: { targetingKey: "user-0", plan: "pro" }, hooks: [drawn(audit)] }).pipe(
      FeatureFlags.withHooks(drawn(enrich)),
      // Not counted below.
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  yield* once("new-checkout")
  yield* print(`${draw("new-checkout: on")}\n`)
  steps = []
  yield* once("loyalty-points")
  yield* print(`${draw("loyalty-points: flagd gives an error")}\n`)
  trail.length = 0
  logs.length = 0

  const results = yield* Stream.fromIterable(users).pipe(
    Stream.zipWithIndex,
    Stream.mapEffect(([user, index]) => visit(user, index), { concurrency: 8 }),
    Stream.flattenIterable,
    Stream.runCollect
  )

  yield* print(`2. Some of ${logs.length} log lines\n`)
  for (const level of ["INFO", "WARN", "ERROR"]) {
    for (const line of logs.filter((line) => line.startsWith(`level=${level}`)).slice(0, 3)) yield* print(`   ${line}`)
  }
  yield* print()

  yield* print("3. What the metrics say\n")
  const snapshot = yield* Metric.snapshot
  const counters = snapshot.flatMap((metric) =>
    metric.type === "Counter" && metric.id === MetricsHook.counter.id
      ? [{ count: Number(metric.state.count), attributes: metric.attributes ?? {} }]
      : []
  )
  const durations = snapshot.flatMap((metric) =>
    metric.type === "Histogram" && metric.id === MetricsHook.histogram.id ? [metric.state] : []
  )
  const rows = counters.map(({ attributes, count }) => [
    attributes["flag_key"] ?? "",
    attributes["variant"] ?? "-",
    attributes["reason"] ?? "-",
    attributes["error_code"] ?? "-",
    count
  ])
  rows.sort((a, b) => a.join() < b.join() ? -1 : 1)
  yield* print(table([["flag_key", "variant", "reason", "error_code", "count"], ...rows]))
  const millis = sum(durations.map((state) => state.sum)) * 1000
  yield* print(
    `   mean duration of an evaluation: ${(millis / sum(durations.map((state) => state.count))).toFixed(2)} ms\n`
  )

  yield* print("4. Failures of hooks that reached nobody\n")
  const kinds = countBy(failed.map((failure) => `${HookFailures.describe(failure)}: `))
  for (const [description, count] of kinds) yield* print(`   ${description}${count} times`)
  yield* print()

  const { dropped, reported } = yield* failures.counts
  const metered = sum(counters.map(({ count }) => count))
  const withError = sum(counters.flatMap(({ attributes, count }) => "error_code" in attributes ? [count] : []))
  const auditsFailed = failed.filter((failure) => failure.hook === "audit").length
  const evaluations = users.length * 5
  const checks = [
    [`${evaluations} evaluations = ${results.length} results`, evaluations === results.length],
    [`${evaluations} evaluations = ${metered} counted by the metrics`, evaluations === metered],
    [
      `${evaluations} evaluations = ${trail.length} audited + ${auditsFailed} audits that failed`,
      evaluations === trail.length + auditsFailed
    ],
    [
      `${withError} errors in the metrics = ${
        results.filter((details) => details.errorCode !== undefined).length
      } in the results`,
      withError === results.filter((details) => details.errorCode !== undefined).length
    ],
    [
      `${reported} failures of hooks = ${failed.length} read from the stream + ${dropped} dropped`,
      reported === failed.length + dropped
    ]
  ] as const
  yield* print("5. It adds up\n")
  for (const [text, holds] of checks) yield* print(`   ${holds ? "yes" : "NO "}  ${text}`)
  if (!checks.every(([, holds]) => holds)) return yield* Effect.die(new Error("the totals do not add up"))
})

await Effect.runPromise(
  demo.pipe(
    Effect.scoped,
    Effect.provide([FlagsLive, ApiHooksLive, HookFailures.layer(), LogsLive]),
    Effect.provideService(References.UnhandledLogLevel, "Warn")
  )
)
