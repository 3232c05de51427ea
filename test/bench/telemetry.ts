/**
 * One SDK of OpenTelemetry for this library's hooks and for those of its peer,
 * and what has arrived there.
 */
import { metrics, trace } from "@opentelemetry/api"
import { MeterProvider } from "@opentelemetry/sdk-metrics"
import { BasicTracerProvider, type SpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Reader } from "../otel/reader.ts"

class Counter implements SpanProcessor {
  ended = 0
  onStart(): void {}
  onEnd(): void {
    this.ended++
  }
  forceFlush = () => Promise.resolve()
  shutdown = () => Promise.resolve()
}

/** Registers a meter provider. Gives back what tells the sum of all counters. */
export const meter = (): () => Promise<number> => {
  const reader = new Reader()
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
  return async () => {
    const { resourceMetrics } = await reader.collect()
    let sum = 0
    for (const scope of resourceMetrics.scopeMetrics) {
      for (const metric of scope.metrics) {
        for (const { value } of metric.dataPoints) sum += typeof value === "number" ? value : 0
      }
    }
    return sum
  }
}

/** Registers a tracer provider. Gives back what tells how many spans have ended. */
export const tracer = (): () => number => {
  const counter = new Counter()
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [counter] }))
  return () => counter.ended
}
