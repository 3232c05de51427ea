import { assert, describe, it } from "@effect/vitest"
import {
  createDenyListAttributesProcessor,
  DataPointType,
  MeterProvider,
  type ViewOptions
} from "@opentelemetry/sdk-metrics"
import { Effect } from "effect"
import { OtelMetricsHook, SemanticConventions } from "effect-openfeature/otel"
import { Fixtures } from "effect-openfeature/testing"
import { Reader } from "./reader.ts"

const { active, duration, requests, success } = SemanticConventions.metrics

const totals = Effect.fnUntraced(function*(view: ViewOptions, flagKeys: ReadonlyArray<string>) {
  const reader = new Reader()
  const meterProvider = new MeterProvider({ readers: [reader], views: [view] })
  const hook = OtelMetricsHook.make({ meterProvider })
  const found: Array<Record<string, number>> = []
  // Twice, so that what was collected is not collected again.
  for (let round = 0; round < 2; round++) {
    for (const flagKey of flagKeys) yield* Fixtures.run(hook, { context: { flagKey } })
    const { resourceMetrics } = yield* Effect.promise(() => reader.collect())
    const sums = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics).map((data) =>
      [
        data.descriptor.name,
        data.dataPointType === DataPointType.SUM
          ? data.dataPoints.reduce((sum, { value }) => sum + value, 0)
          : data.dataPointType === DataPointType.HISTOGRAM
          ? data.dataPoints.reduce((sum, { value }) => sum + value.count, 0)
          : Number.NaN
      ] as const
    )
    found.push(Object.fromEntries(sums))
  }
  return found
})

const expected = (count: number) => ({
  [requests.name]: count,
  [active.name]: 0,
  [success.name]: count,
  [duration.name]: count
})

describe("totals are exact", () => {
  it.effect("where a view drops attributes, and nothing else is exported", () =>
    Effect.gen(function*() {
      const view = {
        instrumentName: "*",
        attributesProcessors: [createDenyListAttributesProcessor(["feature_flag.key"])]
      }
      const flagKeys = [...Array.from({ length: 10 }, () => "a"), "b", "b", "b"]
      assert.deepStrictEqual(yield* totals(view, flagKeys), [expected(13), expected(26)])
    }))

  it.effect("where the SDK takes fewer series than the hook", () =>
    Effect.gen(function*() {
      const view = { instrumentName: "*", aggregationCardinalityLimit: 100 }
      const flagKeys = Array.from({ length: 300 }, (_, index) => `flag-${index}`)
      assert.deepStrictEqual(yield* totals(view, flagKeys), [expected(300), expected(600)])
    }))
})
