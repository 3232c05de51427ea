import { assert, it } from "@effect/vitest"
import { Clock, Context, Effect, Logger, Metric, References, Schema } from "effect"
import {
  AuditHook,
  ContextValidatorHook,
  FeatureHook,
  HookFailures,
  LoggingHook,
  MetricsHook,
  TimingHook
} from "effect-openfeature"
import { isDeepStrictEqual } from "node:util"
import {
  type Answer,
  broken,
  clients,
  makeHarness,
  ok,
  onPath,
  paths,
  type Stage,
  stages,
  watchProcess
} from "./harness.ts"
import { hostileValues } from "./values.ts"

type Hook = FeatureHook.FeatureHook<unknown>

const answers: Readonly<Record<string, Answer>> = {
  "a value": ok,
  "no metadata": () => ({ value: true }),
  nothing: () => undefined,
  "an empty answer": () => ({}),
  "a reason that is no text": () => ({ value: true, reason: 5, variant: 7 }),
  "an error code": () => ({ value: true, errorCode: "PARSE_ERROR", errorMessage: "no", flagMetadata: { a: 1 } }),
  "an error": broken
}

const thrower = (): never => {
  throw new Error("the service is broken")
}

/** What an observing hook works with, out of order. */
const services: Readonly<Record<string, Context.Context<never>>> = {
  "a clock that throws": Context.make(Clock.Clock, {
    currentTimeMillisUnsafe: thrower,
    currentTimeMillis: Effect.sync(thrower),
    currentTimeNanosUnsafe: thrower,
    currentTimeNanos: Effect.sync(thrower),
    monotonicTimeNanosUnsafe: thrower,
    monotonicTimeNanos: Effect.sync(thrower),
    sleep: () => Effect.sync(thrower)
  }),
  "a clock that runs backwards": Context.make(Clock.Clock, backwards()),
  "a logger that throws": Context.make(Logger.CurrentLoggers, new Set([Logger.make(thrower)])).pipe(
    Context.add(References.MinimumLogLevel, "All")
  ),
  "a metric registry that throws": Context.make(
    Metric.MetricRegistry,
    new Proxy(new Map(), { get: thrower })
  ),
  "everything in order": Context.empty()
}

function backwards(): Clock.Clock {
  let now = 10n ** 18n
  const nanos = () => now -= 10n ** 12n
  return {
    currentTimeMillisUnsafe: () => Number(nanos() / 1_000_000n),
    currentTimeMillis: Effect.sync(() => Number(nanos() / 1_000_000n)),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: () => Effect.void
  }
}

const thrownBy = (make: () => unknown) => (): never => {
  throw make()
}

/** Observing hooks, in order and out of order. */
const observing = Effect.map(MetricsHook.makeMetric({ maxSeries: 1 }), (metrics): Readonly<Record<string, Hook>> => {
  const hooks: Record<string, Hook> = {
    logging: LoggingHook.make({
      before: "Info",
      after: "Info",
      values: true,
      errorMessage: true,
      context: ["targetingKey", "plan"]
    }),
    audit: AuditHook.make({ append: () => undefined }, { values: true, errorMessage: true, metadata: true }),
    timing: TimingHook.make(),
    "timing of slow ones": TimingHook.make({ slowerThan: "0 millis" }),
    metrics,
    "a validator": ContextValidatorHook.make({ requireTargetingKey: true, requiredAttributes: ["plan"] }),
    "a validator of a schema": ContextValidatorHook.make({ schema: Schema.Struct({ plan: Schema.String }) }),
    "a validator of a schema that throws": ContextValidatorHook.make({
      schema: Schema.Unknown.check(Schema.makeFilter(thrower))
    }),
    "a validator with a filter that throws": ContextValidatorHook.make({ requireTargetingKey: true, flags: thrower })
  }
  for (const [name, make] of Object.entries(hostileValues)) {
    hooks[`metrics that fail with ${name}`] = MetricsHook.make(() => Effect.fail(make()))
    hooks[`metrics that throw ${name}`] = MetricsHook.make(thrownBy(make))
    const every = (stage: (value: unknown) => Effect.Effect<void, unknown>) => () => stage(make())
    for (const [kind, stage] of Object.entries({ fails: Effect.fail, dies: Effect.die, throws: thrownBy(make) })) {
      hooks[`an observed hook that ${kind} with ${name}`] = FeatureHook.observe(FeatureHook.make(name, {
        before: every(stage),
        after: every(stage),
        error: every(stage),
        finally: every(stage)
      }))
    }
    hooks[`an observed program that fails with ${name}`] = FeatureHook.observe(
      FeatureHook.around(name, (_context, evaluate) => Effect.andThen(evaluate, Effect.fail(make())))
    )
    hooks[`an observed program that dies with ${name}`] = FeatureHook.observe(
      FeatureHook.around(name, () => Effect.die(make()))
    )
    hooks[`an observed hook with a filter that throws ${name}`] = FeatureHook.observe(
      FeatureHook.when(FeatureHook.make(name, { before: () => Effect.void, after: () => Effect.void }), thrownBy(make))
    )
  }
  return hooks
})

const alone = (name: string): Readonly<Record<string, Context.Context<never>>> =>
  name.includes(" with ") || name.includes(" throw ") ? { "everything in order": Context.empty() } : services

it.live(
  "the details with an observing hook are those without it, whatever is wrong with the hook",
  () =>
    Effect.scoped(Effect.gen(function*() {
      const watch = watchProcess()
      const harness = yield* makeHarness
      const different: Array<string> = []
      let compared = 0
      for (const client of clients) {
        for (const [answered, answer] of Object.entries(answers)) {
          const plain = yield* Effect.promise(() => harness.evaluate({ client, hooks: [], answer }))
          for (const [name, hook] of Object.entries(yield* observing)) {
            for (const [state, context] of Object.entries(alone(name))) {
              for (const path of paths) {
                const provided = FeatureHook.provide(onPath(path, hook), context)
                const { details } = yield* Effect.promise(() => harness.evaluate({ client, hooks: [provided], answer }))
                compared++
                if (!isDeepStrictEqual(details, plain.details)) {
                  different.push(`${name}, ${state}, ${answered}, ${client}, ${path}`)
                }
              }
            }
          }
        }
      }
      yield* Effect.promise(watch.stop)
      assert.deepStrictEqual(different.slice(0, 20), [], `${different.length} of ${compared}`)
      assert.deepStrictEqual(watch.events, [])
      assert.isAtLeast(compared, 1000)
    })),
  60_000
)

it.live("an observed hook that is given up at its deadline does not change the details", () =>
  Effect.scoped(Effect.gen(function*() {
    const harness = yield* makeHarness
    for (const client of clients) {
      for (const answer of [ok, broken]) {
        const plain = yield* Effect.promise(() => harness.evaluate({ client, hooks: [], answer }))
        for (const stage of stages) {
          const never: Stage = stage
          const hook = FeatureHook.make("never", { [never]: () => Effect.never }).pipe(
            FeatureHook.timeout("1 millis"),
            FeatureHook.observe
          )
          const { details, failures } = yield* Effect.promise(() => harness.evaluate({ client, hooks: [hook], answer }))
          assert.deepStrictEqual(details, plain.details)
          const runs = stage === "after" ? answer === ok : stage === "error" ? answer === broken : true
          assert.deepStrictEqual(failures.map(({ cause }) => HookFailures.kind(cause)), runs ? ["timeout"] : [])
        }
      }
    }
  })))
