import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { SemanticConventions } from "effect-openfeature/otel"
import { Aggregate, Follower } from "../../../src/internal/otel/aggregate.ts"
import { Open } from "../../../src/internal/otel/open.ts"
import { asGlobal, attributesOf, metering, total, withoutGlobal } from "../../otel/metering.ts"

const { active, requests, success } = SemanticConventions.metrics

describe("Aggregate", () => {
  it.effect("has one series for the same attributes, whatever their order", () =>
    Effect.gen(function*() {
      const { provider, series } = metering()
      const aggregate = new Aggregate()
      const first = aggregate.requests.of({ a: 1, b: "x" }, {}, 10)
      assert.strictEqual(aggregate.requests.of({ b: "x", a: 1 }, {}, 10), first)
      assert.notStrictEqual(aggregate.requests.of({ b: "x", a: "1" }, {}, 10), first)
      assert.notStrictEqual(aggregate.requests.of({ b: "x" }, {}, 10), first)
      assert.notStrictEqual(aggregate.results.of({ a: 1, b: "x" }, {}, 10), first)
      first.requests = 3
      aggregate.bind(provider.getMeter("test"))
      assert.deepStrictEqual(attributesOf(yield* series, requests.name), [{ a: 1, b: "x" }])
      assert.strictEqual(total(yield* series, requests.name), 3)
    }))

  it("has one series for the rest, behind the limit of whoever asks", () => {
    const { requests } = new Aggregate()
    const kept = [requests.of({ flag: "a" }, {}, 2), requests.of({ flag: "b" }, {}, 2)]
    const rest = requests.of({ flag: "c" }, {}, 2)
    assert.deepStrictEqual(rest.attributes, { "otel.metric.overflow": true })
    assert.deepStrictEqual(rest.durationAttributes, { "otel.metric.overflow": true })
    assert.strictEqual(requests.of({ flag: "d" }, {}, 2), rest)
    assert.deepStrictEqual([requests.of({ flag: "a" }, {}, 2), requests.of({ flag: "b" }, {}, 2)], kept)
    assert.notStrictEqual(requests.of({ flag: "c" }, {}, 3), rest)
  })

  it.effect("exports what it has counted before it had a meter, and what it counts after", () =>
    Effect.gen(function*() {
      const { provider, series } = metering()
      const aggregate = new Aggregate()
      const counts = aggregate.results.of({ flag: "a" }, {}, 10)
      counts.success = 2
      assert.isUndefined(aggregate.duration)
      aggregate.bind(provider.getMeter("test"))
      assert.isDefined(aggregate.duration)
      assert.strictEqual(total(yield* series, success.name), 2)
      counts.success = 5
      assert.strictEqual(total(yield* series, success.name), 5)
    }))

  it.effect("exports no series that has counted nothing, and none of the other table", () =>
    Effect.gen(function*() {
      const { provider, series } = metering()
      const aggregate = new Aggregate()
      aggregate.bind(provider.getMeter("test"))
      aggregate.requests.of({ flag: "a" }, {}, 10)
      aggregate.results.of({ flag: "a" }, {}, 10)
      assert.deepStrictEqual(yield* series, [])
      aggregate.results.of({ flag: "a" }, {}, 10).success++
      assert.deepStrictEqual((yield* series).map(({ metric }) => metric), [success.name])
    }))

  it.effect("lets go of what is open for ten minutes, at collection", () =>
    Effect.gen(function*() {
      const { provider, series } = metering()
      const aggregate = new Aggregate()
      const counts = aggregate.requests.of({ flag: "a" }, {}, 10)
      class Held extends Open {
        override onExpired(): void {
          counts.active--
        }
      }
      counts.requests = 1
      counts.active = 1
      yield* Effect.clockWith((clock) =>
        Effect.sync(() => {
          aggregate.clock = clock
          aggregate.open.add(new Held(), clock.monotonicTimeNanosUnsafe())
        })
      )
      aggregate.bind(provider.getMeter("test"))
      yield* TestClock.adjust("599 seconds")
      assert.strictEqual(total(yield* series, active.name), 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(total(yield* series, active.name), 0)
    }))
})

describe("Follower", () => {
  it("gives the same aggregate to all who follow one provider, and each its own cache", () => {
    const { provider } = metering()
    const [first, second] = [new Follower(provider, 10).current, new Follower(provider, 10).current]
    assert.strictEqual(first.aggregate, second.aggregate)
    assert.notStrictEqual(first.requests, second.requests)
    assert.notStrictEqual(first.aggregate, new Follower(metering().provider, 10).current.aggregate)
  })

  it.effect("stays with the global provider while it is the same, and follows it when it is not", () =>
    Effect.gen(function*() {
      yield* withoutGlobal
      const follower = new Follower(undefined, 10)
      const waiting = follower.current
      assert.strictEqual(follower.current, waiting)
      const { provider } = metering()
      yield* asGlobal(provider)
      const bound = follower.current
      assert.strictEqual(bound.aggregate, waiting.aggregate)
      assert.strictEqual(bound.provider, provider)
      assert.strictEqual(follower.current, bound)
      yield* asGlobal(metering().provider)
      assert.notStrictEqual(follower.current.aggregate, bound.aggregate)
    }))
})
