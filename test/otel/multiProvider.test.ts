import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { FeatureFlags, OpenFeatureHook } from "effect-openfeature"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook, SemanticConventions } from "effect-openfeature/otel"
import { newDomain, paths } from "../support.ts"
import { attributesOf, metering, total } from "./metering.ts"
import { logsInMemory, spansInMemory } from "./support.ts"

const { active, duration, error, requests, success } = SemanticConventions.metrics

const memory = (value: boolean) =>
  new SDK.InMemoryProvider({
    sale: { variants: { on: true, off: false }, defaultVariant: value ? "on" : "off", disabled: false }
  })

const strategies = [
  ["first match", () => new SDK.FirstMatchStrategy()],
  ["first successful", () => new SDK.FirstSuccessfulStrategy()]
] as const

/** Three providers, of which the first has no flags. */
const multi = (strategy: SDK.FirstMatchStrategy | SDK.FirstSuccessfulStrategy) =>
  new SDK.MultiProvider(
    [new SDK.InMemoryProvider({}), memory(true), memory(false)].map((provider, i) => ({ provider, name: `p${i}` })),
    strategy
  )

const onApi = (hook: SDK.Hook) =>
  Effect.acquireRelease(
    Effect.sync(() => SDK.OpenFeature.addHooks(hook)),
    () => Effect.sync(() => SDK.OpenFeature.clearHooks())
  )

describe("an evaluation with a MultiProvider", () => {
  for (const [name, strategy] of strategies) {
    for (const [path, change] of paths) {
      for (const level of ["API", "client of the SDK", "FeatureFlags"] as const) {
        it.effect(`of three providers counts once, ${name}, hooks of the ${level}, ${path}`, () =>
          Effect.gen(function*() {
            const metrics = metering()
            const spans = spansInMemory()
            const logs = logsInMemory()
            const hooks = [
              OtelMetricsHook.make({ meterProvider: metrics.provider }),
              OtelTracingHook.make({ tracerProvider: spans.provider }),
              OtelEventHook.make({ logs: logs.provider })
            ].map((hook) => change(hook))
            const domain = newDomain()
            const keys = ["sale", "gone"]
            if (level === "FeatureFlags") {
              const flags = yield* FeatureFlags.make({ domain, provider: Effect.sync(() => multi(strategy())), hooks })
              for (const key of keys) yield* flags.boolean(key, false)
            } else {
              yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, multi(strategy())))
              const client = SDK.OpenFeature.getClient(domain)
              if (level === "API") yield* onApi(OpenFeatureHook.make(...hooks))
              else client.addHooks(OpenFeatureHook.make(...hooks))
              for (const key of keys) yield* Effect.promise(() => client.getBooleanValue(key, false))
            }
            const counted = yield* metrics.series
            const of = ({ name }: { readonly name: string }) => total(counted, name)
            assert.deepStrictEqual([of(requests), of(success), of(error), of(duration), of(active)], [2, 1, 1, 2, 0])
            assert.strictEqual((yield* spans.spans).length, 2)
            assert.strictEqual((yield* logs.records).length, 2)
            const [found] = attributesOf(counted, success.name)
            assert.strictEqual(found?.["feature_flag.result.variant"], "on")
            assert.strictEqual(found?.["feature_flag.provider.name"], multi(strategy()).metadata.name)
          }))
      }
    }
  }

  it.effect("counts once more for each provider that has hooks of its own", () =>
    Effect.gen(function*() {
      const { provider, series } = metering()
      const own = memory(true)
      Object.defineProperty(own, "hooks", {
        value: [OpenFeatureHook.make(OtelMetricsHook.make({ meterProvider: provider }))]
      })
      const flags = yield* FeatureFlags.make({
        domain: newDomain(),
        provider: Effect.sync(() => new SDK.MultiProvider([{ provider: own, name: "own" }])),
        hooks: [OtelMetricsHook.make({ meterProvider: provider })]
      })
      assert.isTrue(yield* flags.boolean("sale", false))
      const counted = yield* series
      assert.strictEqual(total(counted, requests.name), 2)
      assert.strictEqual(total(counted, success.name), 2)
      assert.strictEqual(total(counted, active.name), 0)
    }))
})
