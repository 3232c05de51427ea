import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type FeatureHook, HookHints } from "effect-openfeature"
import { OtelMetricsHook, SemanticConventions } from "effect-openfeature/otel"
import { Fixtures } from "effect-openfeature/testing"
import { random, scale } from "../support.ts"
import { effectSeries, isolated, metering, type Series, total } from "./metering.ts"

const { active, duration, error, requests, success } = SemanticConventions.metrics

const evaluations = 1_000_000 * scale
const maxSeries = 1000
const seed = 20_260_133

const heap = Effect.sync(() => {
  assert.isDefined(globalThis.gc, "the tests run with --expose-gc")
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
})

/** The stages that the hook has, one evaluation after another in one fiber. */
const drive = (hook: FeatureHook.FeatureHook, count: number, { below }: ReturnType<typeof random>) => {
  const { before, finally: finalize, hookData } = hook.parts[0]
  const expected = { success: 0, error: 0 }
  const context = { ...Fixtures.hookContext(), providerMetadata: { name: "test" } }
  const good = Fixtures.details({ variant: undefined })
  const bad = Fixtures.details({ variant: undefined, reason: "ERROR", errorCode: "FLAG_NOT_FOUND" })
  const one = Effect.suspend(() => {
    const flagKey = `${below(1_000_000_000).toString(36)}-${below(1_000_000_000).toString(36)}`
    const seen = { ...context, flagKey }
    const data = hookData?.()
    const failed = below(10) === 0
    if (failed) expected.error++
    else expected.success++
    const details = failed ? bad : { ...good, variant: `user-${below(1_000_000_000)}` }
    before!(seen, HookHints.empty, data)
    finalize!(seen, details, HookHints.empty, data)
    return Effect.void
  })
  return Effect.as(Effect.repeat(one, { times: count - 1 }), expected)
}

const check = Effect.fnUntraced(function*(
  hook: FeatureHook.FeatureHook,
  series: Effect.Effect<ReadonlyArray<Series>>,
  name: string
) {
  console.log(`cardinality of ${name}, seed ${seed}`)
  const source = random(seed)
  // The caches are full and the code is compiled after the first of them.
  const warm = yield* drive(hook, 20_000, source)
  yield* series
  const before = yield* heap
  const rest = yield* drive(hook, evaluations - 20_000, source)
  const growth = (yield* heap) - before
  const counted = yield* series
  console.log(`${name}: ${total(counted, requests.name)} requests, heap ${(growth / 1024).toFixed(0)} KiB`)
  assert.strictEqual(total(counted, requests.name), evaluations)
  assert.strictEqual(total(counted, success.name), warm.success + rest.success)
  assert.strictEqual(total(counted, error.name), warm.error + rest.error)
  assert.strictEqual(total(counted, duration.name), evaluations)
  assert.strictEqual(total(counted, active.name), 0)
  for (const { name } of [requests, active, success, error, duration]) {
    assert.isAtMost(counted.filter(({ metric }) => metric === name).length, maxSeries + 1)
  }
  const results = counted.filter(({ metric }) => metric === success.name || metric === error.name)
  assert.strictEqual(new Set(results.map(({ attributes }) => JSON.stringify(attributes))).size, maxSeries + 1)
  assert.strictEqual(counted.filter(({ metric }) => metric === requests.name).length, maxSeries + 1)
  assert.isBelow(growth, 2 * 1024 * 1024)
})

describe("a million evaluations of flags that were never seen before", () => {
  it.effect("stay within the cap, with exact totals and a flat heap, with OpenTelemetry", () =>
    Effect.suspend(() => {
      const { provider, series } = metering()
      return check(OtelMetricsHook.make({ maxSeries, meterProvider: provider }), series, "make")
    }))

  it.effect(
    "stay within the cap, with exact totals and a flat heap, with Effect's metrics",
    () =>
      isolated(Effect.flatMap(
        OtelMetricsHook.makeMetric({ maxSeries }),
        (hook) => check(hook, effectSeries, "makeMetric")
      )),
    120_000
  )
})
