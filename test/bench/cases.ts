/**
 * What is measured, and what it has to reach.
 *
 * "Added time" is the time of an evaluation minus the time of one without hooks,
 * in the same round.
 */
import { type Client, type EvaluationContext, type Hook } from "@openfeature/server-sdk"
import { Context, Effect, Exit, Scope } from "effect"
import {
  ContextValidatorHook,
  FeatureFlags,
  type FeatureHook,
  LoggingHook,
  MetricsHook,
  TimingHook
} from "effect-openfeature"
import { metrics, trace } from "@opentelemetry/api"
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics"
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base"
import * as Peer from "@openfeature/open-telemetry-hooks"
import { OtelMetricsHook, OtelTracingHook } from "effect-openfeature/otel"
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Clients from "./clients.ts"
import { type Batch, measure, type Options, summarize, type Summary } from "./measure.ts"

export interface Case {
  readonly name: string
  readonly title: string
  readonly target: number
  readonly run: (options: Options) => Promise<Result>
}

export interface Result extends Summary {
  /** The ratio of fibers that run the same effects and do nothing else. */
  readonly floor?: number | undefined
}

/** Ratio of the times that two variants add to a third, beside that of the least possible. */
const added = async (
  none: Batch,
  reference: Batch,
  ours: Batch,
  bare: Batch,
  options: Options
): Promise<Result> => {
  const rounds = await measure({ none, reference, ours, bare }, options)
  const over = (variant: "ours" | "bare") =>
    summarize(rounds, (round) => (round[variant] - round.none) / (round.reference - round.none))
  return { ...over("ours"), floor: over("bare").median }
}

const ratio = async (reference: Batch, ours: Batch, options: Options): Promise<Summary> =>
  summarize(await measure({ reference, ours }, options), (round) => round.ours / round.reference)

const addedBy = (
  reference: () => ReadonlyArray<Hook>,
  ours: () => ReadonlyArray<FeatureHook.FeatureHook<unknown>>,
  bare: () => Hook
): Case["run"] =>
async (options) =>
  added(
    Clients.evaluating(await Clients.client([])),
    Clients.evaluating(await Clients.client(reference())),
    Clients.evaluating(await Clients.client(Clients.bridged(ours()))),
    Clients.evaluating(await Clients.client([bare()])),
    options
  )

/** A client of this library that lives as long as the process. */
const flags = async (
  hooks: ReadonlyArray<FeatureHook.FeatureHook>
): Promise<readonly [FeatureFlags.FeatureFlags["Service"], Scope.Closeable]> => {
  const scope = Effect.runSync(Scope.make())
  const domain = await Clients.domain()
  return [await Effect.runPromise(Scope.provide(FeatureFlags.make({ domain, hooks }), scope)), scope]
}

// The work of a batch is one program, as it is in an application.
const looping =
  (evaluate: () => Effect.Effect<unknown>, services: Context.Context<never> = Context.empty()): Batch => (count) =>
    Effect.runPromiseWith(services)(
      Effect.gen(function*() {
        for (let i = 0; i < count; i++) yield* evaluate()
      })
    )

const sdkInEffect = (client: Client) => () =>
  Effect.promise(() => client.getBooleanValue("new-checkout", false, Clients.context))

const clientCase = (count: number): Case["run"] => async (options) => {
  const [ours] = await flags(Clients.times(count, Clients.effect))
  const reference = await Clients.client(Clients.times(count, Clients.handwritten))
  const request = { context: Clients.context }
  return ratio(
    looping(sdkInEffect(reference)),
    looping(() => ours.boolean("new-checkout", false, request)),
    options
  )
}

const seen = { calls: 0, failures: 0, nanos: 0n }

// The built-in hooks as they are written by hand for the SDK.
const builtinsByHand = (): ReadonlyArray<Hook> => {
  const starts = new WeakMap<object, bigint>()
  const level: "none" | "debug" = "none"
  const isLogged = (): boolean => level !== "none"
  return [
    {
      before: async (context) => context.hookData.set("start", process.hrtime.bigint())
    },
    {
      before: async (context) => {
        if (isLogged()) context.logger.debug("before", context.flagKey)
      },
      after: async (context, details) => {
        if (isLogged()) context.logger.debug("after", context.flagKey, details.variant)
      },
      error: async (context, error) => {
        if (isLogged()) context.logger.error("error", context.flagKey, error)
      }
    },
    {
      before: async (context) => {
        const { targetingKey, plan } = context.context
        if (typeof targetingKey !== "string" || targetingKey === "" || plan === undefined) seen.failures++
      }
    },
    {
      before: async (context) => void starts.set(context, process.hrtime.bigint()),
      finally: async (context, details) => {
        seen.nanos += process.hrtime.bigint() - (starts.get(context) ?? 0n)
        if (details.errorCode !== undefined) seen.failures++
        seen.calls++
      }
    }
  ]
}

const builtins = (): ReadonlyArray<FeatureHook.FeatureHook<unknown>> => [
  TimingHook.make(),
  LoggingHook.make(),
  ContextValidatorHook.make({ requireTargetingKey: true, requiredAttributes: ["plan"] }),
  MetricsHook.make(({ success }) =>
    Effect.sync(() => {
      seen.calls++
      if (!success) seen.failures++
    })
  )
]

const registration: Case["run"] = async (options) => {
  const [steady, scope] = await flags(Clients.times(1000, Clients.effect))
  const [changing] = await flags(Clients.times(999, Clients.effect))
  const request = { context: Clients.context }
  const one = Clients.effect(999)
  const evaluate = (client: FeatureFlags.FeatureFlags["Service"]) => client.boolean("new-checkout", false, request)
  // Only the evaluation counts, not adding and removing; so the batch measures
  // itself and waits for the rest of its time.
  let spent = 0n
  const afterAdding: Batch = (count) =>
    Effect.runPromise(Effect.gen(function*() {
      for (let i = 0; i < count; i++) {
        const scope = yield* Scope.make()
        yield* Scope.provide(changing.addHooks(one), scope)
        const start = process.hrtime.bigint()
        yield* evaluate(changing)
        spent += process.hrtime.bigint() - start
        yield* Scope.close(scope, Exit.void)
      }
    }))
  const rounds = await measure({ reference: looping(() => evaluate(steady)) }, { ...options, batches: 5 })
  const figures: Array<number> = []
  for (const round of rounds) {
    spent = 0n
    await afterAdding(10)
    figures.push(Number(spent) / 10 / round.reference)
  }
  await Effect.runPromise(Scope.close(scope, Exit.void))
  return summarize(figures, (figure) => figure)
}

class Reader extends MetricReader {
  protected override onForceFlush = () => Promise.resolve()
  protected override onShutdown = () => Promise.resolve()
}

// The same SDK for both: the peer finds it only when it is registered before.
const telemetry = (): void => {
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [new Reader()] }))
  trace.setGlobalTracerProvider(new BasicTracerProvider())
}

const otel = (peer: () => Hook, ours: () => FeatureHook.FeatureHook): Case["run"] => async (options) => {
  telemetry()
  const none = Clients.evaluating(await Clients.client([]))
  const reference = Clients.evaluating(await Clients.client([peer()]))
  const own = Clients.evaluating(await Clients.client(Clients.bridged([ours()])))
  return summarize(
    await measure({ none, reference, ours: own }, options),
    (round) => (round.ours - round.none) / (round.reference - round.none)
  )
}

const large = (): EvaluationContext => {
  const context: EvaluationContext = { targetingKey: "user-1" }
  for (let i = 0; i < 10_000; i++) context[`attribute-${i}`] = i
  return context
}

const evaluatingWith = (client: Client, context: EvaluationContext): Batch => async (count) => {
  for (let i = 0; i < count; i++) await client.getBooleanValue("new-checkout", false, context)
}

// A fresh process that imports some modules and says how long that took.
const importing = (specifiers: ReadonlyArray<string>): number => {
  const script = [
    "const start = process.hrtime.bigint()",
    ...specifiers.map((specifier) => `await import(${JSON.stringify(specifier)})`),
    "console.log(Number(process.hrtime.bigint() - start))"
  ].join("\n")
  const root = fileURLToPath(new URL("../..", import.meta.url))
  return Number(execFileSync(process.execPath, ["--input-type=module", "-e", script], { cwd: root, encoding: "utf8" }))
}

const imports: Case["run"] = (options) => {
  const alone = ["effect", "@openfeature/server-sdk"]
  const figures: Array<number> = []
  for (let round = 0; round < options.rounds; round++) {
    const reference = importing(alone)
    figures.push(importing([...alone, "effect-openfeature"]) / reference)
  }
  return Promise.resolve(summarize(figures, (figure) => figure))
}

export const cases: ReadonlyArray<Case> = [
  ...([[1, 1.5], [10, 0.5], [50, 0.35]] as const).map(([count, target]): Case => ({
    name: `hooks-${count}`,
    title: `added time: ${count} Effect hooks in one stack / as many hand-written async ones`,
    target,
    run: addedBy(
      () => Clients.times(count, Clients.handwritten),
      () => Clients.times(count, Clients.effect),
      () => Clients.bare(Clients.times(count, Clients.bareEffect))
    )
  })),
  {
    name: "sparse-10",
    title: "added time: 10 hooks of one stage each / the same by hand",
    target: 0.35,
    run: addedBy(
      () => Clients.times(10, Clients.sparseHandwritten),
      () => Clients.times(10, Clients.sparseEffect),
      () => Clients.bare(Clients.times(10, Clients.bareSparse))
    )
  },
  {
    name: "async-10",
    title: "added time: 10 hooks whose after awaits a promise / the same by hand",
    target: 1,
    run: addedBy(
      () => Clients.times(10, Clients.asyncHandwritten),
      () => Clients.times(10, Clients.asyncEffect),
      () => Clients.bare(Clients.times(10, Clients.bareAsync))
    )
  },
  {
    name: "growth",
    title: "added time per hook: at 100 hooks / at 10 hooks",
    target: 1,
    run: async (options) => {
      const none = Clients.evaluating(await Clients.client([]))
      const ten = Clients.evaluating(await Clients.client(Clients.bridged(Clients.times(10, Clients.effect))))
      const hundred = Clients.evaluating(await Clients.client(Clients.bridged(Clients.times(100, Clients.effect))))
      return summarize(
        await measure({ none, ten, hundred }, options),
        (round) => (round.hundred - round.none) / 100 / ((round.ten - round.none) / 10)
      )
    }
  },
  {
    name: "client-0",
    title: "FeatureFlags without hooks / Effect.promise around the SDK client",
    target: 1.1,
    run: clientCase(0)
  },
  {
    name: "client-10",
    title: "FeatureFlags with 10 client hooks / Effect.promise around the SDK client with 10 hand-written ones",
    target: 0.75,
    run: clientCase(10)
  },
  {
    name: "builtins",
    title: "added time: timing, logging (level off), validator, metrics callback / the same four by hand",
    target: 0.6,
    run: addedBy(builtinsByHand, builtins, () => {
      const { before } = Clients.bareEffect()
      return Clients.bare([{ before }, { before, after: before }, { before }, { before, finally: before }])
    })
  },
  {
    name: "registration",
    title: "an evaluation right after one hook was added to 999 / a steady one with 1,000",
    target: 3,
    run: registration
  },
  {
    name: "context-1e4",
    title: "an evaluation with a context of 10,000 attributes and 5 Effect hooks / with 5 hand-written ones",
    target: 0.5,
    run: async (options) => {
      const context = large()
      return ratio(
        evaluatingWith(await Clients.client(Clients.times(5, Clients.handwritten)), context),
        evaluatingWith(await Clients.client(Clients.bridged(Clients.times(5, Clients.effect))), context),
        options
      )
    }
  },
  {
    name: "otel-metrics",
    title: "added time: OtelMetricsHook without durations / the peer's MetricsHook, same meter provider",
    target: 0.3,
    run: otel(() => new Peer.MetricsHook(), () => OtelMetricsHook.make({ duration: false }))
  },
  {
    name: "otel-duration",
    title: "added time: OtelMetricsHook with durations / the peer's MetricsHook, which has none",
    target: 0.5,
    run: otel(() => new Peer.MetricsHook(), () => OtelMetricsHook.make())
  },
  {
    name: "otel-tracing",
    title: "added time: OtelTracingHook / the peer's SpanHook, same tracer provider",
    target: 0.8,
    run: otel(() => new Peer.SpanHook(), () => OtelTracingHook.make())
  },
  {
    name: "import",
    title: "importing effect, the SDK and this library / importing effect and the SDK",
    target: 1.15,
    run: imports
  }
]
