import * as SDK from "@openfeature/server-sdk"
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs"
import { MeterProvider } from "@opentelemetry/sdk-metrics"
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Effect } from "effect"
import {
  type EvaluationContext,
  type EvaluationDetails,
  FeatureFlags,
  type FeatureHook,
  HookHints,
  OpenFeatureHook
} from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { flagsDetails, sdkDetails } from "../clients.ts"
import { newDomain } from "../support.ts"
import { Reader } from "./reader.ts"

/** Metrics of the OpenTelemetry SDK that stay in memory. */
export const metricsInMemory = () => {
  const reader = new Reader()
  return {
    provider: new MeterProvider({ readers: [reader] }),
    /** The attributes of each data point, by the name of the metric. */
    points: Effect.map(Effect.promise(() => reader.collect()), ({ resourceMetrics }) => {
      const metrics = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)
      return new Map(
        metrics.map(({ dataPoints, descriptor }) => [descriptor.name, dataPoints.map(({ attributes }) => attributes)])
      )
    })
  }
}

/** Log records of the OpenTelemetry SDK that stay in memory. */
export const logsInMemory = () => {
  const exporter = new InMemoryLogRecordExporter()
  const provider = new LoggerProvider({ processors: [new SimpleLogRecordProcessor({ exporter })] })
  const records = Effect.map(Effect.promise(() => provider.forceFlush()), () => exporter.getFinishedLogRecords())
  return { provider, records }
}

/** Spans of the OpenTelemetry SDK that stay in memory. */
export const spansInMemory = () => {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const spans = Effect.map(Effect.promise(() => provider.forceFlush()), () => exporter.getFinishedSpans())
  return { provider, spans }
}

/** A flag to evaluate, and what its provider does. */
export interface Request {
  readonly type: SDK.FlagValueType
  readonly answer: TestProvider.Answer
  readonly status?: "ready" | "not ready" | "fatal" | undefined
  readonly context: EvaluationContext.EvaluationContext
  readonly hints?: HookHints.HookHints | undefined
  readonly text?: string | undefined
}

/** The key of the flag that is evaluated. */
export const flagKey = "checkout-button"

const bind = Effect.fnUntraced(function*({ answer, status = "ready" }: Request) {
  const domain = newDomain()
  const fatal = { code: SDK.ErrorCode.PROVIDER_FATAL, message: "no licence" }
  const initialize = status === "fatal" ? Effect.fail(fatal) : status === "ready" ? Effect.void : Effect.never
  const provider = yield* TestProvider.make({ flags: { [flagKey]: answer }, initialize })
  if (status === "not ready") SDK.OpenFeature.setProvider(domain, provider)
  else yield* Effect.exit(Effect.tryPromise(() => SDK.OpenFeature.setProviderAndWait(domain, provider)))
  return domain
})

const defaultOf = ({ text = "default", type }: Request): EvaluationDetails.FlagValue =>
  ({ boolean: false, number: 0, string: text, object: { default: text } })[type]

type Hooks = ReadonlyArray<FeatureHook.FeatureHook<unknown>>

const viaSdk = Effect.fnUntraced(function*(request: Request, hooks: Hooks) {
  const client = SDK.OpenFeature.getClient(yield* bind(request)).addHooks(OpenFeatureHook.make(...hooks))
  const options = request.hints === undefined ? {} : { hookHints: HookHints.toRecord(request.hints) }
  yield* sdkDetails(client, flagKey, defaultOf(request), request.context, options)
})

const viaEffect = Effect.fnUntraced(function*(request: Request, hooks: Hooks) {
  const flags = yield* FeatureFlags.make({ domain: yield* bind(request), hooks })
  yield* flagsDetails(flags, flagKey, defaultOf(request), { context: request.context, hints: request.hints })
}, Effect.scoped)

/** The clients that evaluate one flag with some hooks. */
export const clients: ReadonlyArray<
  readonly [
    name: string,
    evaluate: (request: Request, hooks: Hooks) => Effect.Effect<void>
  ]
> = [
  ["a client of the SDK", viaSdk],
  ["FeatureFlags", (request, hooks) => Effect.orDie(viaEffect(request, hooks))]
]
