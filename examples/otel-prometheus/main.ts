// A small shop with metrics of OpenTelemetry for its evaluations, which Prometheus scrapes. Prints what it has evaluated, for
// comparison with what Prometheus says.
//
// SHOP_VISITS=1000 makes it longer, SHOP_SERVE="1 minute" keeps the metrics up afterwards.
import { FlagdProvider } from "@openfeature/flagd-provider"
import { type EvaluationContext, OpenFeature } from "@openfeature/server-sdk"
import { Config, Console, Duration, Effect, Layer, Random, Schedule, Stream } from "effect"
import { FeatureFlags, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { OtelMetricsHook } from "effect-openfeature/otel"
import { fileURLToPath } from "node:url"
import { PrometheusLive } from "./prometheus.ts"

// ---------------------------------------------------------------------------------------------------------------------
// The clients and their hooks
// ---------------------------------------------------------------------------------------------------------------------

const metrics = OtelMetricsHook.make()

const FlagsLive = FeatureFlags.layer({
  domain: "shop",
  provider: Effect.sync(() =>
    new FlagdProvider({
      resolverType: "in-process",
      offlineFlagSourcePath: fileURLToPath(new URL("../flags.json", import.meta.url))
    })
  ),
  hooks: [metrics]
})

// The part of the shop that sends mail uses no Effect. It has the same hook, so both count together.
const mailClient = OpenFeature.getClient("shop").addHooks(OpenFeatureHook.make(metrics))

// Looks up the region of a user. The service behind it is slow now and then.
const enrich = FeatureHook.make("enrich", {
  before: Effect.fnUntraced(function*({ context }) {
    if ((yield* Random.next) < 0.125) yield* Effect.sleep("70 millis")
    const id = Number(context.targetingKey?.replace("user-", ""))
    return { context: { region: id % 2 === 0 ? "eu" : "us" } }
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// The shop
// ---------------------------------------------------------------------------------------------------------------------

const userOf = (visit: number): EvaluationContext => ({
  targetingKey: `user-${visit}`,
  plan: visit % 3 === 0 ? "pro" : "free",
  email: `user-${visit}@${visit % 20 === 5 ? "shop.example" : "mail.example"}`
})

interface Evaluation {
  readonly flagKey: string
  readonly errorCode?: string | undefined
  readonly millis: number
}

const measured = <E, R>(evaluate: Effect.Effect<Pick<Evaluation, "flagKey" | "errorCode">, E, R>) =>
  Effect.map(Effect.timed(evaluate), ([duration, { errorCode, flagKey }]): Evaluation => ({
    flagKey,
    errorCode,
    millis: Duration.toMillis(duration)
  }))

const pages = Effect.fnUntraced(function*(user: EvaluationContext) {
  const flags = yield* FeatureFlags.FeatureFlags
  return yield* Effect.all([
    measured(flags.booleanDetails("new-checkout", false)),
    measured(flags.numberDetails("price-limit", 100)),
    measured(flags.stringDetails("banner", "")),
    measured(flags.objectDetails("checkout-config", {})),
    measured(flags.booleanDetails("loyalty-points", false)), // for the plan pro it names a variant that is not there
    measured(flags.booleanDetails("gift-cards", false)), // nobody has defined it yet
    measured(flags.numberDetails("banner", 0)) // somebody takes it for a number
  ], { concurrency: "unbounded" }).pipe(
    FeatureFlags.withContext(user),
    FeatureFlags.withHooks(enrich)
  )
})

const mail = (user: EvaluationContext) =>
  measured(Effect.promise(() => mailClient.getStringDetails("banner", "", user)))

const visits = (count: number) =>
  Stream.range(1, count).pipe(
    Stream.schedule(Schedule.spaced("20 millis")),
    Stream.map(userOf),
    Stream.mapEffect((user) => Effect.all([pages(user), mail(user)], { concurrency: 2 }), { concurrency: 16 }),
    Stream.map(([pages, mail]) => [...pages, mail]),
    Stream.flattenIterable
  )

// ---------------------------------------------------------------------------------------------------------------------
// The report
// ---------------------------------------------------------------------------------------------------------------------

const row = (name: string, evaluations: ReadonlyArray<Evaluation>) => {
  const errors = evaluations.filter(({ errorCode }) => errorCode !== undefined).length
  const cells = [evaluations.length, evaluations.length - errors, errors]
  return `  ${name.padEnd(18)}${cells.map((count) => String(count).padStart(12)).join("")}`
}

const report = (evaluations: ReadonlyArray<Evaluation>, duration: Duration.Duration) => {
  const flagKeys = Array.from(new Set(evaluations.map(({ flagKey }) => flagKey))).sort()
  const errorCodes = Array.from(new Set(evaluations.flatMap(({ errorCode }) => errorCode ?? []))).sort()
  const millis = evaluations.map(({ millis }) => millis).sort((a, b) => a - b)
  const percentile = (share: number) => (millis[Math.ceil(millis.length * share) - 1] ?? 0).toFixed(2)
  return [
    `  ${"flag".padEnd(18)}${["evaluations", "successes", "errors"].map((name) => name.padStart(12)).join("")}`,
    ...flagKeys.map((flagKey) => row(flagKey, evaluations.filter((evaluation) => evaluation.flagKey === flagKey))),
    row("all", evaluations),
    "",
    ...errorCodes.map((code) => {
      const count = evaluations.filter(({ errorCode }) => errorCode === code).length
      return `  ${code.padEnd(18)}${String(count).padStart(12)}`
    }),
    "",
    `  50 % took at most ${percentile(0.5)} ms, 95 % at most ${percentile(0.95)} ms`,
    `  all of them within ${Duration.toSeconds(duration).toFixed(1)} s`
  ].join("\n")
}

// ---------------------------------------------------------------------------------------------------------------------
// The program
// ---------------------------------------------------------------------------------------------------------------------

const shop = Effect.gen(function*() {
  const count = yield* Config.Int("SHOP_VISITS").pipe(Config.withDefault(100))
  const serve = yield* Config.Duration("SHOP_SERVE").pipe(Config.withDefault(Duration.zero))

  const [duration, evaluations] = yield* Effect.timed(Stream.runCollect(visits(count)))
  yield* Console.log(report(evaluations, duration))

  if (Duration.isPositive(serve)) {
    yield* Effect.log(`the metrics stay up for ${Duration.format(serve)}`)
    yield* Effect.sleep(serve)
  }
})

// A signal closes the scopes of the shop: no evaluation is left unfinished, and the port is free again.
const stopped = Effect.callback<void>((resume) => {
  const stop = () => resume(Effect.void)
  process.once("SIGINT", stop).once("SIGTERM", stop)
  return Effect.sync(() => process.off("SIGINT", stop).off("SIGTERM", stop))
})

await Effect.runPromise(
  shop.pipe(
    Effect.provide(Layer.provideMerge(FlagsLive, PrometheusLive)),
    Effect.raceFirst(stopped)
  )
)
