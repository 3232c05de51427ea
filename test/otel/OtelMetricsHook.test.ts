import * as SDK from "@openfeature/server-sdk"
import { createNoopMeter, metrics } from "@opentelemetry/api"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Metric, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { EvaluationError, FeatureFlags, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { OtelMetricsHook, SemanticConventions } from "effect-openfeature/otel"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { collectFailures, newDomain, paths, rangeError, turns, until } from "../support.ts"
import {
  asGlobal,
  attributesOf,
  effectSeries,
  isolated,
  metering,
  type Series,
  total,
  withoutGlobal
} from "./metering.ts"

const { active, duration, error, requests, success } = SemanticConventions.metrics

/** Someone who counts: a way to make the hook, and what it has counted. */
interface Backend {
  readonly hook: (options?: OtelMetricsHook.MetricOptions) => Effect.Effect<FeatureHook.FeatureHook>
  readonly series: Effect.Effect<ReadonlyArray<Series>>
}

type With = <A, E, R>(use: (backend: Backend) => Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const withOtel: With = (use) =>
  Effect.suspend(() => {
    const { provider, series } = metering()
    return use({
      hook: (options) => Effect.sync(() => OtelMetricsHook.make({ ...options, meterProvider: provider })),
      series
    })
  })

const withEffect: With = (use) => isolated(use({ hook: OtelMetricsHook.makeMetric, series: effectSeries }))

const backends: ReadonlyArray<readonly [name: string, with_: With]> = [["make", withOtel], ["makeMetric", withEffect]]

type Hook = FeatureHook.FeatureHook<unknown>
type Client = (flagKey: string) => Effect.Effect<unknown>

const plain = Effect.fnUntraced(function*(provider: SDK.Provider, hooks: ReadonlyArray<Hook>) {
  const domain = newDomain()
  yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, provider))
  const client = SDK.OpenFeature.getClient(domain).addHooks(...hooks.map((hook) => OpenFeatureHook.make(hook)))
  return (flagKey: string) => Effect.promise(() => client.getBooleanDetails(flagKey, false))
})

const effect = Effect.fnUntraced(function*(provider: SDK.Provider, hooks: ReadonlyArray<Hook>) {
  const flags = yield* Effect.orDie(
    FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(provider), hooks })
  )
  return (flagKey: string) => flags.booleanDetails(flagKey, false)
})

const clients: ReadonlyArray<
  readonly [
    name: string,
    make: (provider: SDK.Provider, hooks: ReadonlyArray<Hook>) => Effect.Effect<Client, never, Scope.Scope>
  ]
> = [["a client of the SDK", plain], ["FeatureFlags", effect]]

const failing = (stage: "before" | "after" | "error" | "finally", how: Effect.Effect<never, unknown>): Hook =>
  FeatureHook.make(`failing ${stage}`, { [stage]: () => how })

/** What can happen to one evaluation, and the type of error it is counted with. */
interface Case {
  readonly name: string
  readonly answer?: TestProvider.Answer
  readonly earlier?: Hook
  readonly later?: Hook
  readonly errorType?: string
  /** Only `FeatureFlags` looks at the type of the value. */
  readonly isFineForSdk?: boolean
  readonly throwsAtOnce?: boolean
  /** A hook that has failed before this one began leaves nothing to measure. */
  readonly hasNoDuration?: boolean
}

const typed = Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no" }))

const cases: ReadonlyArray<Case> = [
  { name: "nothing fails" },
  {
    name: "the before of an earlier hook fails",
    earlier: failing("before", Effect.fail("no")),
    errorType: "general",
    hasNoDuration: true
  },
  {
    name: "the before of an earlier hook rejects with a code",
    earlier: failing("before", typed),
    errorType: "invalid_context",
    hasNoDuration: true
  },
  { name: "the before of a later hook fails", later: failing("before", Effect.fail("no")), errorType: "general" },
  { name: "the before of a later hook dies", later: failing("before", Effect.die("a bug")), errorType: "general" },
  { name: "the after of an earlier hook fails", earlier: failing("after", Effect.fail("no")), errorType: "general" },
  {
    name: "the after of a later hook rejects with a code",
    later: failing("after", typed),
    errorType: "invalid_context"
  },
  {
    name: "the error stage of a hook fails after the provider did",
    answer: TestProvider.throwing(new Error("m")),
    later: failing("error", Effect.die("a bug")),
    errorType: "general"
  },
  { name: "the finally of a later hook fails", later: failing("finally", Effect.fail("no")) },
  { name: "the finally of an earlier hook dies", earlier: failing("finally", Effect.die("a bug")) },
  { name: "the provider throws", throwsAtOnce: true, errorType: "general" },
  { name: "the provider rejects with an error", answer: TestProvider.throwing(new Error("m")), errorType: "general" },
  { name: "the provider rejects with nothing", answer: TestProvider.throwing(undefined), errorType: "general" },
  {
    name: "the provider rejects with a code",
    answer: TestProvider.throwing(new SDK.ParseError("m")),
    errorType: "parse_error"
  },
  {
    name: "the provider rejects with a code nobody knows",
    answer: TestProvider.throwing({ code: "ECONNREFUSED", message: "m" }),
    errorType: "general"
  },
  {
    name: "the provider answers with a code",
    answer: TestProvider.error("TARGETING_KEY_MISSING", "m"),
    errorType: "targeting_key_missing"
  },
  {
    name: "the value is of another type",
    answer: TestProvider.value("text"),
    errorType: "type_mismatch",
    isFineForSdk: true
  }
]

const providerOf = ({ answer = TestProvider.value(true), throwsAtOnce = false }: Case) =>
  Effect.map(TestProvider.make({ flags: { flag: answer } }), (provider): SDK.Provider =>
    throwsAtOnce
      ? {
        ...provider,
        resolveBooleanEvaluation: () => {
          throw new Error("at once")
        }
      }
      : provider)

for (const [backend, with_] of backends) {
  for (const [client, makeClient] of clients) {
    for (const [path, change] of paths) {
      describe(`${backend}, ${client}, ${path}`, () => {
        for (const one of cases) {
          it.effect(`counts one request and one outcome, and nothing stays active, when ${one.name}`, () =>
            collectFailures(() =>
              with_(Effect.fnUntraced(function*({ hook, series }) {
                const { earlier, errorType, hasNoDuration, isFineForSdk, later } = one
                const hooks = [earlier, yield* hook(), later].flatMap((hook) =>
                  hook === undefined ? [] : [change(hook)]
                )
                const evaluate = yield* makeClient(yield* providerOf(one), hooks)
                yield* evaluate("flag")
                const counted = yield* series
                const expected = isFineForSdk === true && client !== "FeatureFlags" ? undefined : errorType
                assert.strictEqual(total(counted, requests.name), 1)
                assert.strictEqual(total(counted, success.name), expected === undefined ? 1 : 0)
                assert.strictEqual(total(counted, error.name), expected === undefined ? 0 : 1)
                assert.isTrue(counted.every(({ metric, value }) => metric !== active.name || value === 0))
                assert.strictEqual(total(counted, duration.name), hasNoDuration === true ? 0 : 1)
                const key = { "feature_flag.key": "flag", "feature_flag.provider.name": "test" }
                assert.deepStrictEqual(attributesOf(counted, requests.name), [key])
                assert.deepStrictEqual(
                  attributesOf(counted, expected === undefined ? success.name : error.name),
                  [
                    expected === undefined
                      ? { ...key, "feature_flag.result.reason": "static" }
                      : { ...key, "feature_flag.result.reason": "error", "error.type": expected }
                  ]
                )
                assert.deepStrictEqual(
                  attributesOf(counted, duration.name),
                  hasNoDuration === true ? [] : [expected === undefined ? key : { ...key, "error.type": expected }]
                )
              }))
            ))
        }

        it.effect("counts evaluations of a provider that is not ready", () =>
          with_(Effect.fnUntraced(function*({ hook, series }) {
            const domain = newDomain()
            SDK.OpenFeature.setProvider(domain, yield* TestProvider.make({ initialize: Effect.never }))
            const metricsHook = change(yield* hook())
            if (client === "FeatureFlags") {
              const flags = yield* FeatureFlags.make({ domain, hooks: [metricsHook] })
              yield* flags.boolean("flag", false)
            } else {
              const sdk = SDK.OpenFeature.getClient(domain).addHooks(OpenFeatureHook.make(metricsHook))
              yield* Effect.promise(() => sdk.getBooleanValue("flag", false))
            }
            const counted = yield* series
            assert.strictEqual(total(counted, requests.name), 1)
            assert.strictEqual(total(counted, active.name), 0)
            assert.deepStrictEqual(
              attributesOf(counted, error.name).map((attributes) => attributes["error.type"]),
              ["provider_not_ready"]
            )
          })))

        it.effect("puts durations into the bucket of the clock, one for each evaluation", () =>
          with_(Effect.fnUntraced(function*({ hook, series }) {
            const provider = yield* TestProvider.make({
              flags: {
                "at once": TestProvider.value(true),
                quick: TestProvider.delayed("3 millis", TestProvider.value(true)),
                slow: TestProvider.delayed("2500 millis", TestProvider.value(true)),
                "too slow": TestProvider.delayed("11 seconds", TestProvider.error("GENERAL", "m"))
              }
            })
            const evaluate = yield* makeClient(provider, [change(yield* hook())])
            for (const [key, millis] of [["at once", 0], ["quick", 3], ["slow", 2500], ["too slow", 11_000]] as const) {
              const fiber = yield* Effect.forkChild(evaluate(key))
              yield* turns()
              yield* TestClock.adjust(millis)
              yield* Fiber.join(fiber)
            }
            const measured = (yield* series).filter(({ metric }) => metric === duration.name)
            const bucketOf = (key: string) => {
              const one = measured.find(({ attributes }) => attributes["feature_flag.key"] === key)
              return [one?.sum, one?.buckets.filter(([, count]) => count > 0)]
            }
            assert.deepStrictEqual(bucketOf("at once"), [0, [[0.00001, 1]]])
            assert.deepStrictEqual(bucketOf("quick"), [0.003, [[0.005, 1]]])
            assert.deepStrictEqual(bucketOf("slow"), [2.5, [[2.5, 1]]])
            assert.deepStrictEqual(bucketOf("too slow"), [11, [[Infinity, 1]]])
            assert.strictEqual(measured.length, 4)
            assert.deepStrictEqual(
              measured[0]?.buckets.map(([boundary]) => boundary),
              [...SemanticConventions.durationBoundaries, Infinity]
            )
          })))

        it.effect("counts what is under way as active, by flag", () =>
          with_(Effect.fnUntraced(function*({ hook, series }) {
            const gate = yield* Deferred.make<void>()
            const waiting = Effect.andThen(Deferred.await(gate), TestProvider.value(true))
            const provider = yield* TestProvider.make({ flags: { a: waiting, b: waiting } })
            const evaluate = yield* makeClient(provider, [change(yield* hook())])
            const fiber = yield* Effect.forkChild(
              Effect.forEach(["a", "a", "b"], evaluate, { concurrency: "unbounded" })
            )
            const actives = Effect.map(
              series,
              (counted) =>
                counted.flatMap(({ attributes, metric, value }) =>
                  metric === active.name ? [[attributes["feature_flag.key"], value]] : []
                )
            )
            yield* turns(20)
            assert.deepStrictEqual(yield* actives, [["a", 2], ["b", 1]])
            yield* Deferred.succeed(gate, undefined)
            yield* Fiber.join(fiber)
            assert.deepStrictEqual(yield* actives, [["a", 0], ["b", 0]])
          })))
      })
    }
  }

  describe(backend, () => {
    for (const [path, change] of paths) {
      it.effect(`counts an evaluation that is interrupted as an error that is over, ${path}`, () =>
        with_(Effect.fnUntraced(function*({ hook, series }) {
          const evaluate = yield* effect(
            yield* TestProvider.make({ flags: { flag: TestProvider.never } }),
            [change(yield* hook())]
          )
          const fiber = yield* Effect.forkChild(evaluate("flag"))
          yield* turns()
          assert.strictEqual(total(yield* series, active.name), 1)
          const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber))
          yield* turns()
          yield* TestClock.adjust("1 second")
          yield* until(() => interrupting.pollUnsafe() !== undefined)
          const counted = yield* series
          assert.strictEqual(total(counted, active.name), 0)
          assert.strictEqual(total(counted, requests.name), 1)
          assert.strictEqual(total(counted, success.name), 0)
          assert.strictEqual(total(counted, error.name), 1)
          assert.strictEqual(total(counted, duration.name), 1)
        })))
    }

    const labelsOf = (
      options: OtelMetricsHook.MetricOptions,
      run: Fixtures.RunOptions
    ): Effect.Effect<ReadonlyArray<readonly [metric: string, attributes: Readonly<Record<string, unknown>>]>> =>
      with_(Effect.fnUntraced(function*({ hook, series }) {
        yield* Fixtures.run(yield* hook(options), run)
        // The active evaluations are none by now.
        return (yield* series).map(({ attributes, metric }) => [metric, attributes] as const)
      }))
    const labelsOfResult = (options: OtelMetricsHook.MetricOptions, run: Fixtures.RunOptions) =>
      Effect.map(labelsOf(options, run), (labels) => labels.find(([metric]) => metric === success.name)?.[1])

    it.effect("has the names of every SDK and one more, with descriptions", () =>
      with_(Effect.fnUntraced(function*({ hook, series }) {
        const metricsHook = yield* hook()
        yield* Fixtures.run(metricsHook)
        yield* Fixtures.run(metricsHook, { error: new Error("m") })
        assert.deepStrictEqual(
          Object.fromEntries((yield* series).map((one) => [one.metric, one.description])),
          {
            "feature_flag.evaluation_requests_total": "feature flag evaluation request counter",
            "feature_flag.evaluation_active_count": "active flag evaluations counter",
            "feature_flag.evaluation_success_total": "feature flag evaluation success counter",
            "feature_flag.evaluation_error_total": "feature flag evaluation error counter",
            "feature_flag.evaluation_duration": "duration of feature flag evaluations"
          }
        )
      })))

    it.effect("writes reasons in lower case, and none as unknown", () =>
      Effect.gen(function*() {
        const known = [
          "STATIC",
          "DEFAULT",
          "TARGETING_MATCH",
          "SPLIT",
          "CACHED",
          "DISABLED",
          "UNKNOWN",
          "STALE",
          "ERROR"
        ]
        for (const reason of known) {
          const labels = yield* labelsOfResult({}, { details: { reason } })
          assert.strictEqual(labels?.["feature_flag.result.reason"], reason.toLowerCase())
        }
        for (const reason of ["RULE_MATCH", "FALLTHROUGH", "OFF", "TARGET_MATCH", "static"]) {
          const labels = yield* labelsOfResult({}, { details: { reason } })
          assert.strictEqual(labels?.["feature_flag.result.reason"], reason.toLowerCase())
        }
        for (const reason of ["", undefined]) {
          const labels = yield* labelsOfResult({}, { details: { reason } })
          assert.strictEqual(labels?.["feature_flag.result.reason"], "unknown")
        }
      }))

    it.effect("has 32 reasons that the conventions do not know, and counts more of them as unknown", () =>
      with_(({ hook, series }) =>
        Effect.gen(function*() {
          const made = yield* hook()
          for (let i = 0; i < 100; i++) yield* Fixtures.run(made, { details: { reason: `rule-${i}` } })
          yield* Fixtures.run(made, { details: { reason: "RULE-0" } })
          const counted = (yield* series).filter(({ metric }) => metric === success.name)
          const of = (reason: string) =>
            counted.find(({ attributes }) => attributes["feature_flag.result.reason"] === reason)?.value
          assert.strictEqual(counted.length, 33)
          assert.deepStrictEqual([of("rule-0"), of("rule-31"), of("rule-32"), of("unknown")], [2, 1, undefined, 68])
        })
      ))

    it.effect("has the variant, but no value where there is none", () =>
      Effect.gen(function*() {
        const key = { "feature_flag.key": "test-flag", "feature_flag.provider.name": "test" }
        assert.deepStrictEqual(yield* labelsOfResult({}, { details: { variant: "on" } }), {
          ...key,
          "feature_flag.result.variant": "on",
          "feature_flag.result.reason": "static"
        })
        assert.deepStrictEqual(yield* labelsOfResult({}, { details: { variant: undefined, value: "secret" } }), {
          ...key,
          "feature_flag.result.reason": "static"
        })
      }))

    it.effect("adds the attributes of the mapper to all five metrics, and tells it of the result where there is one", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const options: OtelMetricsHook.MetricOptions = {
          attributes: (context, details) => {
            seen.push(`${context.flagKey} ${details?.variant}`)
            return { plan: context.context["plan"] === "pro" ? "pro" : "another" }
          }
        }
        const run = { context: { flagKey: "a", context: { plan: "pro" } } }
        const labels = [
          ...yield* labelsOf(options, run),
          ...yield* labelsOf(options, { ...run, error: new Error("m") })
        ]
        assert.deepStrictEqual(
          new Set(labels.map(([metric]) => metric)),
          new Set([requests.name, active.name, success.name, error.name, duration.name])
        )
        assert.isTrue(labels.every(([, attributes]) => attributes["plan"] === "pro"))
        assert.deepStrictEqual(seen, ["a undefined", "a on", "a undefined", "a undefined"])
      }))

    it.effect("loses nothing but its attributes when the mapper throws", () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const labels = yield* labelsOf({
            dimensions: ["team"],
            attributes: () => {
              throw new Error("no")
            }
          }, { details: { flagMetadata: { team: "shop" } } })
          const key = { "feature_flag.key": "test-flag", "feature_flag.provider.name": "test" }
          assert.deepStrictEqual(
            new Map(labels),
            new Map<string, Readonly<Record<string, unknown>>>([
              [requests.name, key],
              [active.name, key],
              [success.name, {
                ...key,
                "feature_flag.result.variant": "on",
                "feature_flag.result.reason": "static",
                team: "shop"
              }],
              [duration.name, { ...key, team: "shop" }]
            ])
          )
          assert.deepStrictEqual(failures, [])
        })
      ))

    it.effect("adds what is asked for of the flag's metadata to the metrics of results", () =>
      Effect.gen(function*() {
        const labels = new Map(
          yield* labelsOf({ dimensions: ["team", "tier", "missing", "toString"] }, {
            details: { flagMetadata: { team: "shop", tier: 3, owner: "somebody" } }
          })
        )
        for (const metric of [success.name, duration.name]) {
          const attributes = labels.get(metric) ?? {}
          assert.strictEqual(attributes["team"], "shop")
          assert.strictEqual(String(attributes["tier"]), "3")
          for (const name of ["owner", "missing", "toString"]) assert.isFalse(Object.hasOwn(attributes, name))
        }
        for (const metric of [requests.name, active.name]) {
          assert.isFalse(Object.hasOwn(labels.get(metric) ?? { team: 1 }, "team"))
        }
      }))

    it.effect("leaves out excluded attributes, wherever they come from", () =>
      Effect.gen(function*() {
        const labels = yield* labelsOf({
          exclude: ["feature_flag.provider.name", "feature_flag.result.variant", "team", "user"],
          dimensions: ["team"],
          attributes: () => ({ user: "u", region: "eu", "feature_flag.provider.name": "again" })
        }, { details: { flagMetadata: { team: "shop" } } })
        const kept = { "feature_flag.key": "test-flag", region: "eu" }
        assert.deepStrictEqual(
          new Map(labels),
          new Map<string, Readonly<Record<string, unknown>>>([
            [requests.name, kept],
            [active.name, kept],
            [success.name, { ...kept, "feature_flag.result.reason": "static" }],
            [duration.name, kept]
          ])
        )
      }))

    it.effect("has the names of an older version where that is asked for", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* labelsOfResult({ version: "1.31" }, {}), {
          "feature_flag.key": "test-flag",
          "feature_flag.provider_name": "test",
          "feature_flag.variant": "on",
          "feature_flag.evaluation.reason": "static"
        })
      }))

    it.effect("writes texts as one bounded line", () =>
      Effect.gen(function*() {
        const labels = yield* labelsOfResult({ attributes: () => ({ extra: "a\nb" }) }, {
          context: { flagKey: "k".repeat(10_000), providerName: "p\u001b[31m" },
          details: { variant: "v\n".repeat(1000) }
        })
        for (const value of Object.values(labels ?? {})) {
          assert.isAtMost(String(value).length, 256)
          for (const unsafe of ["\n", "\u001b"]) assert.notInclude(String(value), unsafe)
        }
        assert.strictEqual(labels?.["extra"], "a\\u000ab")
      }))

    it.effect("has only texts, finite numbers and booleans for attributes", () =>
      Effect.gen(function*() {
        const labels = yield* labelsOfResult({
          attributes: () => ({ text: "t", number: 5, yes: true, nan: Number.NaN, infinite: Infinity })
        }, {})
        assert.strictEqual(String(labels?.["text"]), "t")
        assert.strictEqual(String(labels?.["number"]), "5")
        assert.strictEqual(String(labels?.["yes"]), "true")
        for (const name of ["nan", "infinite"]) assert.notInclude(["null", ""], String(labels?.[name]))
      }))

    it.effect("tells no more series apart than it may, and keeps the totals exact", () =>
      with_(Effect.fnUntraced(function*({ hook, series }) {
        const metricsHook = yield* hook({ maxSeries: 10 })
        for (let i = 0; i < 300; i++) {
          yield* Fixtures.run(metricsHook, {
            context: { flagKey: `flag-${i % 50}` },
            details: { variant: `v${i}` },
            ...i % 3 === 0 ? { error: new Error("m") } : {}
          })
        }
        const counted = yield* series
        assert.strictEqual(total(counted, requests.name), 300)
        assert.strictEqual(total(counted, success.name), 200)
        assert.strictEqual(total(counted, error.name), 100)
        assert.strictEqual(total(counted, duration.name), 300)
        assert.strictEqual(total(counted, active.name), 0)
        const results = new Set(
          counted.filter(({ metric }) => metric === success.name || metric === error.name)
            .map(({ attributes }) => JSON.stringify(attributes))
        )
        assert.strictEqual(results.size, 11)
        for (const metric of [requests.name, active.name]) {
          assert.strictEqual(counted.filter((one) => one.metric === metric).length, 11)
        }
        for (const metric of [requests.name, success.name, error.name, duration.name]) {
          assert.isAtMost(counted.filter((one) => one.metric === metric).length, 11)
          const rest = counted.filter((one) => one.metric === metric && "otel.metric.overflow" in one.attributes)
          assert.deepStrictEqual(
            rest.map(({ attributes }) => Object.entries(attributes).map(([name, value]) => [name, String(value)])),
            [[["otel.metric.overflow", "true"]]]
          )
        }
        // A series from before the limit was reached still counts by itself.
        const before = counted.find((one) =>
          one.metric === requests.name && one.attributes["feature_flag.key"] === "flag-3"
        )
        yield* Fixtures.run(metricsHook, { context: { flagKey: "flag-3" } })
        const after = (yield* series).find((one) =>
          one.metric === requests.name && one.attributes["feature_flag.key"] === "flag-3"
        )
        assert.strictEqual(before?.value, 6)
        assert.strictEqual(after?.value, 7)
      })))

    it.effect("has room for series, not for the flags behind them", () =>
      with_(Effect.fnUntraced(function*({ hook, series }) {
        const metricsHook = yield* hook({ maxSeries: 2, exclude: ["feature_flag.key", "feature_flag.result.variant"] })
        for (let i = 0; i < 20; i++) {
          yield* Fixtures.run(metricsHook, { context: { flagKey: `flag-${i}` }, details: { variant: `v${i}` } })
        }
        const counted = yield* series
        assert.deepStrictEqual(
          counted.filter(({ metric }) => metric === requests.name || metric === success.name)
            .map(({ attributes, value }) => [attributes, value]),
          [
            [{ "feature_flag.provider.name": "test" }, 20],
            [{ "feature_flag.provider.name": "test", "feature_flag.result.reason": "static" }, 20]
          ]
        )
      })))

    it.effect("lets the variant and the metadata be redacted, but nothing of the mapper", () =>
      Effect.gen(function*() {
        const names: Array<string> = []
        const labels = yield* labelsOfResult({
          dimensions: ["team", "owner"],
          attributes: () => ({ plan: "pro" }),
          redact: (name, value) => {
            names.push(name)
            return name === "metadata.owner" ? undefined : `<${String(value)}>`
          }
        }, { details: { flagMetadata: { team: "shop", owner: "somebody" } } })
        assert.strictEqual(labels?.["feature_flag.result.variant"], "<on>")
        assert.strictEqual(labels?.["team"], "<shop>")
        assert.strictEqual(labels?.["plan"], "pro")
        assert.isFalse(Object.hasOwn(labels ?? { owner: 1 }, "owner"))
        assert.deepStrictEqual(new Set(names), new Set(["metadata.team", "metadata.owner", "variant"]))
      }))

    it.effect("measures no duration where that is not wanted", () =>
      Effect.gen(function*() {
        const labels = yield* labelsOf({ duration: false }, {})
        assert.deepStrictEqual(
          new Set(labels.map(([metric]) => metric)),
          new Set([requests.name, active.name, success.name])
        )
      }))

    it.effect("adds up what two hooks count", () =>
      with_(Effect.fnUntraced(function*({ hook, series }) {
        const hooks = [yield* hook(), yield* hook({ maxSeries: 5 })]
        for (const metricsHook of [...hooks, ...hooks]) yield* Fixtures.run(metricsHook)
        const counted = yield* series
        assert.strictEqual(counted.length, 4)
        assert.deepStrictEqual(
          Object.fromEntries(counted.map(({ metric, value }) => [metric, value])),
          { [active.name]: 0, [duration.name]: 4, [requests.name]: 4, [success.name]: 4 }
        )
      })))

    it("refuses a cap that is not an integer of at least 1", () => {
      for (const maxSeries of [0, -1, 1.5, Number.NaN, Infinity]) {
        const make = backend === "make"
          ? () => OtelMetricsHook.make({ maxSeries })
          : () => Effect.runSync(OtelMetricsHook.makeMetric({ maxSeries }))
        assert.strictEqual(
          rangeError(make),
          `OtelMetricsHook.${backend}: maxSeries must be an integer >= 1, got ${maxSeries}`
        )
      }
    })
  })
}

describe("make", () => {
  it.effect("exports with units, in the scope of the library", () =>
    Effect.gen(function*() {
      const { provider, series } = metering()
      const hook = OtelMetricsHook.make({ meterProvider: provider })
      yield* Fixtures.run(hook)
      yield* Fixtures.run(hook, { error: new Error("m") })
      const counted = yield* series
      assert.deepStrictEqual(
        new Map(counted.map(({ metric, unit }) => [metric, unit])),
        new Map<string, string>([
          [requests.name, "{request}"],
          [active.name, "{request}"],
          [success.name, "{impression}"],
          [error.name, "{error}"],
          [duration.name, "s"]
        ])
      )
      assert.deepStrictEqual(new Set(counted.map(({ scope }) => scope)), new Set(["effect-openfeature"]))
    }))

  for (const [client, makeClient] of clients) {
    it.effect(`counts a provider that hangs as active for ten minutes, and its answer whenever it comes, ${client}`, () =>
      withOtel(Effect.fnUntraced(function*({ hook, series }) {
        const gate = yield* Deferred.make<void>()
        const provider = yield* TestProvider.make({
          flags: { flag: Effect.andThen(Deferred.await(gate), TestProvider.value(true)) }
        })
        const evaluate = yield* makeClient(provider, [yield* hook()])
        const fiber = yield* Effect.forkChild(evaluate("flag"))
        yield* turns()
        assert.strictEqual(total(yield* series, active.name), 1)
        yield* TestClock.adjust("599 seconds")
        assert.strictEqual(total(yield* series, active.name), 1)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(total(yield* series, active.name), 0)
        assert.strictEqual(total(yield* series, success.name), 0)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(fiber)
        const counted = yield* series
        assert.strictEqual(total(counted, active.name), 0)
        assert.strictEqual(total(counted, requests.name), 1)
        assert.strictEqual(total(counted, success.name), 1)
        assert.strictEqual(counted.find(({ metric }) => metric === duration.name)?.sum, 600)
      })))
  }

  describe("without a meter provider of its own", () => {
    it.effect("counts for the global one, registered before the hook is made", () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        const { provider, series } = metering()
        yield* asGlobal(provider)
        yield* Fixtures.run(OtelMetricsHook.make())
        const counted = yield* series
        for (const metric of [requests, success, duration]) assert.strictEqual(total(counted, metric.name), 1)
      }))

    it.effect("counts for the global one, registered after the hook was made", () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        const hook = OtelMetricsHook.make()
        const { provider, series } = metering()
        yield* asGlobal(provider)
        yield* Fixtures.run(hook)
        const counted = yield* series
        for (const metric of [requests, success, duration]) assert.strictEqual(total(counted, metric.name), 1)
      }))

    it.effect("loses no count of before there was one", () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        const hooks = [OtelMetricsHook.make(), OtelMetricsHook.make()]
        for (let i = 0; i < 5; i++) {
          for (const hook of hooks) yield* Fixtures.run(hook, i === 0 ? { error: new Error("m") } : {})
        }
        const { provider, series } = metering()
        yield* asGlobal(provider)
        for (const hook of hooks) yield* Fixtures.run(hook)
        const counted = yield* series
        assert.strictEqual(total(counted, requests.name), 12)
        assert.strictEqual(total(counted, success.name), 10)
        assert.strictEqual(total(counted, error.name), 2)
        assert.strictEqual(total(counted, active.name), 0)
        assert.strictEqual(total(counted, duration.name), 2)
      }))

    it.effect("brings the gauge back to zero when a provider comes in the middle of an evaluation", () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        const gate = yield* Deferred.make<void>()
        const waiting = Effect.andThen(Deferred.await(gate), TestProvider.value(true))
        const evaluate = yield* effect(
          yield* TestProvider.make({ flags: { slow: waiting, quick: TestProvider.value(true) } }),
          [OtelMetricsHook.make()]
        )
        const fiber = yield* Effect.forkChild(evaluate("slow"))
        yield* turns()
        const { provider, series } = metering()
        yield* asGlobal(provider)
        yield* evaluate("quick")
        assert.strictEqual(total(yield* series, active.name), 1)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(fiber)
        const counted = yield* series
        assert.strictEqual(total(counted, active.name), 0)
        assert.strictEqual(total(counted, requests.name), 2)
        assert.strictEqual(total(counted, success.name), 2)
      }))

    it.effect("starts at zero for a provider that takes the place of another", () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        const [first, second] = [metering(), metering()]
        const hook = OtelMetricsHook.make()
        yield* asGlobal(first.provider)
        for (let i = 0; i < 3; i++) yield* Fixtures.run(hook)
        yield* asGlobal(second.provider)
        yield* Fixtures.run(hook)
        assert.strictEqual(total(yield* first.series, requests.name), 3)
        assert.strictEqual(total(yield* second.series, requests.name), 1)
        assert.strictEqual(total(yield* second.series, success.name), 1)
      }))

    it.effect("goes back to zero active where an evaluation began under one provider and ended under another", () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        const [first, second] = [metering(), metering()]
        const gate = yield* Deferred.make<void>()
        const waiting = Effect.andThen(Deferred.await(gate), TestProvider.value(true))
        const evaluate = yield* effect(yield* TestProvider.make({ flags: { flag: waiting } }), [OtelMetricsHook.make()])
        yield* asGlobal(first.provider)
        const fiber = yield* Effect.forkChild(evaluate("flag"))
        yield* turns()
        assert.strictEqual(total(yield* first.series, active.name), 1)
        yield* asGlobal(second.provider)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(fiber)
        assert.strictEqual(total(yield* first.series, active.name), 0)
        assert.strictEqual(total(yield* second.series, active.name), 0)
        assert.strictEqual(total(yield* first.series, requests.name) + total(yield* second.series, requests.name), 1)
        assert.strictEqual(total(yield* first.series, success.name) + total(yield* second.series, success.name), 1)
      }))

    it.effect("keeps what it counts after metrics.disable() for the next provider", () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        const [first, second] = [metering(), metering()]
        const hook = OtelMetricsHook.make()
        yield* asGlobal(first.provider)
        yield* Fixtures.run(hook)
        metrics.disable()
        for (let i = 0; i < 3; i++) yield* Fixtures.run(hook)
        assert.strictEqual(total(yield* first.series, requests.name), 1)
        yield* asGlobal(second.provider)
        yield* Fixtures.run(hook)
        assert.strictEqual(total(yield* second.series, requests.name), 4)
        assert.strictEqual(total(yield* second.series, success.name), 4)
        assert.strictEqual(total(yield* first.series, requests.name), 1)
      }))

    it.effect("loses no count when the same provider comes back after metrics.disable()", () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        const { provider, series } = metering()
        const hook = OtelMetricsHook.make()
        yield* asGlobal(provider)
        yield* Fixtures.run(hook)
        metrics.disable()
        yield* Fixtures.run(hook)
        yield* asGlobal(provider)
        yield* Fixtures.run(hook)
        assert.strictEqual(total(yield* series, requests.name), 3)
      }))

    it.effect("loses no count when a hook of the same provider was first", () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        const { provider, series } = metering()
        const hook = OtelMetricsHook.make()
        yield* Fixtures.run(hook)
        yield* Fixtures.run(OtelMetricsHook.make({ meterProvider: provider }))
        yield* asGlobal(provider)
        yield* Fixtures.run(hook)
        assert.strictEqual(total(yield* series, requests.name), 3)
      }))

    it.effect("loses no count of a hook that only saw the end of evaluations", () =>
      collectFailures(() =>
        Effect.gen(function*() {
          yield* withoutGlobal
          const { provider, series } = metering()
          const hook = OtelMetricsHook.make()
          yield* Fixtures.run(FeatureHook.combine(failing("before", Effect.fail("no")), hook))
          yield* Fixtures.run(OtelMetricsHook.make({ meterProvider: provider }))
          yield* asGlobal(provider)
          yield* Fixtures.run(hook)
          const counted = yield* series
          assert.strictEqual(total(counted, requests.name), 3)
          assert.strictEqual(total(counted, error.name), 1)
        })
      ))

    it.effect("keeps what it counts after metrics.disable() for the next provider, though another hook has seen the first", () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        const [first, second] = [metering(), metering()]
        const [hook, other] = [OtelMetricsHook.make(), OtelMetricsHook.make()]
        yield* Fixtures.run(hook)
        yield* asGlobal(first.provider)
        yield* Fixtures.run(other)
        assert.strictEqual(total(yield* first.series, requests.name), 2)
        metrics.disable()
        yield* Fixtures.run(hook)
        yield* asGlobal(second.provider)
        yield* Fixtures.run(hook)
        assert.strictEqual(total(yield* first.series, requests.name), 2)
        assert.strictEqual(total(yield* second.series, requests.name), 2)
      }))
  })

  describe("with a meter provider of its own", () => {
    it.effect("counts there and not for the global one", () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        const [given, global] = [metering(), metering()]
        yield* asGlobal(global.provider)
        yield* Fixtures.run(OtelMetricsHook.make({ meterProvider: given.provider }))
        assert.strictEqual(total(yield* given.series, requests.name), 1)
        assert.deepStrictEqual(yield* global.series, [])
      }))

    it.effect("does not take what waits for a global one", () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        yield* Fixtures.run(OtelMetricsHook.make())
        const { provider, series } = metering()
        yield* Fixtures.run(OtelMetricsHook.make({ meterProvider: provider }))
        assert.strictEqual(total(yield* series, requests.name), 1)
      }))

    it.effect("counts nothing for a global one when its own is without effect or shut down", () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        const shutDown = metering().provider
        yield* Effect.promise(() => shutDown.shutdown())
        for (const meterProvider of [{ getMeter: () => createNoopMeter() }, shutDown]) {
          const hook = OtelMetricsHook.make({ meterProvider })
          yield* Fixtures.run(hook)
          const { provider, series } = metering()
          yield* asGlobal(provider)
          yield* Fixtures.run(OtelMetricsHook.make())
          yield* Fixtures.run(hook)
          assert.strictEqual(total(yield* series, requests.name), 1)
          metrics.disable()
        }
      }))

    it.effect("reports a meter provider that throws, and changes nothing", () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const hook = OtelMetricsHook.make({
            meterProvider: {
              getMeter: () => {
                throw new Error("no")
              }
            }
          })
          const { details } = yield* Fixtures.run(hook)
          assert.strictEqual(details.value, true)
          assert.deepStrictEqual(failures.map(({ hook, stage }) => `${hook}.${stage}`), [
            "otel-metrics.before",
            "otel-metrics.finally"
          ])
        })
      ))
  })
})

describe("makeMetric", () => {
  it.effect("counts in the registry of the caller", () =>
    Effect.gen(function*() {
      const hook = yield* OtelMetricsHook.makeMetric()
      const count = (runs: number) =>
        isolated(Effect.gen(function*() {
          for (let i = 0; i < runs; i++) yield* Fixtures.run(hook)
          return total(yield* effectSeries, requests.name)
        }))
      assert.deepStrictEqual([yield* count(2), yield* count(3)], [2, 3])
    }))

  it.effect("makes counters that only grow, a gauge and a histogram", () =>
    isolated(Effect.gen(function*() {
      const hook = yield* OtelMetricsHook.makeMetric()
      yield* Fixtures.run(hook)
      yield* Fixtures.run(hook, { error: new Error("m") })
      const types = (yield* Metric.snapshot).map((one) => [
        one.id,
        one.type === "Counter" ? `${one.type} ${one.state.incremental}` : one.type
      ])
      assert.deepStrictEqual(
        new Set(types.map((one) => one.join(" "))),
        new Set([
          `${requests.name} Counter true`,
          `${success.name} Counter true`,
          `${error.name} Counter true`,
          `${active.name} Gauge`,
          `${duration.name} Histogram`
        ])
      )
      assert.deepStrictEqual(
        (yield* effectSeries).flatMap(({ metric, unit }) => metric === duration.name ? [unit] : []),
        ["s", "s"]
      )
    })))
})
