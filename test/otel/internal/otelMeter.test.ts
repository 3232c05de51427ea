import { assert, describe, it } from "@effect/vitest"
import type { MeterProvider } from "@opentelemetry/api"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import { SemanticConventions } from "effect-openfeature/otel"
import type { Attributes } from "../../../src/otel/internal/attributes.ts"
import * as Labels from "../../../src/otel/internal/labels.ts"
import { Evaluation } from "../../../src/otel/internal/metering.ts"
import { CurrentMeter, OtelMeter } from "../../../src/otel/internal/otelMeter.ts"
import { asGlobal, attributesOf, metering, total, withoutGlobal } from "../metering.ts"

const { active, requests, success } = SemanticConventions.metrics

const countsOf = (meter: OtelMeter, metric: "requests" | "results", attributes: Attributes, limit = 10) =>
  meter[metric].of(attributes, limit, (attributes) => meter.countsOf(attributes, {}))
const labelling = Labels.make({})

describe("OtelMeter", () => {
  it.effect("has one series for the same attributes, whatever their order", () =>
    Effect.gen(function*() {
      const { provider, series } = metering()
      const meter = new OtelMeter()
      const first = countsOf(meter, "requests", { a: 1, b: "x" })
      assert.strictEqual(countsOf(meter, "requests", { b: "x", a: 1 }), first)
      assert.notStrictEqual(countsOf(meter, "requests", { b: "x", a: "1" }), first)
      assert.notStrictEqual(countsOf(meter, "requests", { b: "x" }), first)
      assert.notStrictEqual(countsOf(meter, "results", { a: 1, b: "x" }), first)
      first.requests = 3
      meter.bind(provider.getMeter("test"))
      assert.deepStrictEqual(attributesOf(yield* series, requests.name), [{ a: 1, b: "x" }])
      assert.strictEqual(total(yield* series, requests.name), 3)
    }))

  it("has one series for the rest, behind the limit of each hook", () => {
    const meter = new OtelMeter()
    const of = (flag: string, limit: number) => countsOf(meter, "requests", { flag }, limit)
    const kept = [of("a", 2), of("b", 2)]
    const rest = of("c", 2)
    assert.deepStrictEqual(rest.attributes, { "otel.metric.overflow": true })
    assert.deepStrictEqual(rest.durationAttributes, { "otel.metric.overflow": true })
    assert.strictEqual(of("d", 2), rest)
    assert.deepStrictEqual([of("a", 2), of("b", 2)], kept)
    assert.notStrictEqual(of("c", 3), rest)
  })

  it.effect("exports what it has counted before it had a meter, and what it counts after", () =>
    Effect.gen(function*() {
      const { provider, series } = metering()
      const meter = new OtelMeter()
      const counts = countsOf(meter, "results", { flag: "a" })
      counts.success = 2
      assert.isUndefined(meter.duration)
      meter.bind(provider.getMeter("test"))
      assert.isDefined(meter.duration)
      assert.strictEqual(total(yield* series, success.name), 2)
      counts.success = 5
      assert.strictEqual(total(yield* series, success.name), 5)
    }))

  it.effect("exports no series that has counted nothing, and none of the other table", () =>
    Effect.gen(function*() {
      const { provider, series } = metering()
      const meter = new OtelMeter()
      meter.bind(provider.getMeter("test"))
      countsOf(meter, "requests", { flag: "a" })
      countsOf(meter, "results", { flag: "a" })
      assert.deepStrictEqual(yield* series, [])
      countsOf(meter, "results", { flag: "a" }).success++
      assert.deepStrictEqual((yield* series).map(({ metric }) => metric), [success.name])
    }))

  it.effect("lets go of what is open for ten minutes, at collection", () =>
    Effect.gen(function*() {
      const { provider, series } = metering()
      const meter = new OtelMeter()
      const counts = countsOf(meter, "requests", { flag: "a" })
      counts.requests = 1
      counts.active = 1
      const evaluation = new Evaluation()
      evaluation.recorder = counts
      yield* Effect.clockWith((clock) => Effect.sync(() => meter.inFlight(clock).begin(evaluation)))
      meter.bind(provider.getMeter("test"))
      yield* TestClock.adjust("599 seconds")
      assert.strictEqual(total(yield* series, active.name), 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(total(yield* series, active.name), 0)
    }))

  it.effect("lets go of what is open on each clock by that clock", () =>
    Effect.gen(function*() {
      const { provider, series } = metering()
      const meter = new OtelMeter()
      const counts = countsOf(meter, "requests", { flag: "a" })
      const begin = Effect.clockWith((clock) =>
        Effect.sync(() => {
          counts.requests++
          counts.active++
          const evaluation = new Evaluation()
          evaluation.recorder = counts
          meter.inFlight(clock).begin(evaluation)
        })
      )
      const elsewhere = yield* TestClock.make()
      yield* elsewhere.adjust("1 hour")
      yield* begin
      yield* Effect.provideService(begin, Clock.Clock, elsewhere)
      yield* begin
      meter.bind(provider.getMeter("test"))
      assert.strictEqual(total(yield* series, active.name), 3)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(total(yield* series, active.name), 1)
      yield* elsewhere.adjust("10 minutes")
      assert.strictEqual(total(yield* series, active.name), 0)
    }))
})

describe("CurrentMeter", () => {
  it("gives the same meter to all hooks of one provider, and each its own lookups", () => {
    const { provider } = metering()
    const of = (provider: MeterProvider) => new CurrentMeter(provider, labelling).get()
    const [first, second] = [of(provider), of(provider)]
    assert.strictEqual(first.meter, second.meter)
    assert.notStrictEqual(first.requests, second.requests)
    assert.notStrictEqual(first.meter, of(metering().provider).meter)
  })

  it.effect("stays with the global provider while it is the same, and follows it when it is not", () =>
    Effect.gen(function*() {
      yield* withoutGlobal
      const current = new CurrentMeter(undefined, labelling)
      const waiting = current.get()
      assert.strictEqual(current.get(), waiting)
      const { provider } = metering()
      yield* asGlobal(provider)
      const bound = current.get()
      assert.strictEqual(bound.meter, waiting.meter)
      assert.strictEqual(bound.provider, provider)
      assert.strictEqual(current.get(), bound)
      yield* asGlobal(metering().provider)
      assert.notStrictEqual(current.get().meter, bound.meter)
    }))
})
