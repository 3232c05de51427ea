import { metrics } from "@opentelemetry/api"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { OtelMetricsHook } from "effect-openfeature/otel"
import { TestProvider } from "effect-openfeature/testing"
import { client, type LogRecord, logsTo, paths } from "../support.ts"
import { asGlobal, metering, withoutGlobal } from "./metering.ts"

const flags = { sale: TestProvider.value(true) }

/** What is logged when a flag is evaluated at these times, in seconds. */
const logged = (
  options: OtelMetricsHook.Options,
  change: (typeof paths)[number][1],
  times: ReadonlyArray<number>
) => {
  const records: Array<LogRecord> = []
  return Effect.gen(function*() {
    const service = yield* client(flags, { hooks: [change(OtelMetricsHook.make(options))] })
    let now = 0
    for (const time of times) {
      yield* TestClock.adjust(`${time - now} seconds`)
      now = time
      assert.isTrue(yield* service.flags.boolean("sale", false))
    }
    return records.map(({ level, message }) => [level, message] as const)
  }).pipe(Effect.provide(logsTo(records)))
}

describe("a hook that counts for nobody", () => {
  for (const [path, change] of paths) {
    it.effect(`tells the caller's logger once, ten seconds after its first evaluation, ${path}`, () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        assert.deepStrictEqual(yield* logged({}, change, [0, 5, 9.9]), [])
        const [told, ...others] = yield* logged({}, change, [0, 5, 10, 11, 100])
        assert.deepStrictEqual(others, [])
        assert.strictEqual(told?.[0], "Warn")
        assert.include(told?.[1], "there is no global meter provider")
      }))

    it.effect(`tells on another level, or not at all, ${path}`, () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        assert.deepStrictEqual(
          (yield* logged({ whenUnread: "Error" }, change, [0, 20])).map(([level]) => level),
          ["Error"]
        )
        assert.deepStrictEqual(yield* logged({ whenUnread: false }, change, [0, 20]), [])
      }))

    it.effect(`tells nothing where there is a meter provider, given or global, ${path}`, () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        const { provider } = metering()
        assert.deepStrictEqual(yield* logged({ meterProvider: provider }, change, [0, 20]), [])
        const silent = metrics.getMeterProvider()
        assert.deepStrictEqual(yield* logged({ meterProvider: silent }, change, [0, 20]), [])
        yield* asGlobal(provider)
        assert.deepStrictEqual(yield* logged({}, change, [0, 20]), [])
      }))
  }
})
