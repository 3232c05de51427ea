import { EventHook, MetricsHook, SpanHook } from "@openfeature/open-telemetry-hooks"
import * as SDK from "@openfeature/server-sdk"
import { SpanStatusCode, trace } from "@opentelemetry/api"
import { logs } from "@opentelemetry/api-logs"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { FeatureFlags, OpenFeatureHook } from "effect-openfeature"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook, SemanticConventions } from "effect-openfeature/otel"
import { TestProvider } from "effect-openfeature/testing"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll } from "vitest"
import { flagsDetails, sdkDetails } from "../clients.ts"
import { collectFailures, newDomain, plainClient, random } from "../support.ts"
import { asGlobal, metering, type Series, total, withoutGlobal } from "./metering.ts"
import { logsInMemory, spansInMemory } from "./support.ts"

// What the peer tells is made by the core of the SDK; that of the oldest SDK leaves the value out beside a variant.
const coreTellsValues = "feature_flag.result.value" in SDK.createEvaluationEvent({
  flagKey: "a",
  flagValueType: "string",
  defaultValue: "",
  context: {},
  clientMetadata: { providerMetadata: { name: "test" } },
  providerMetadata: { name: "test" },
  logger: console,
  hookData: new SDK.MapHookData()
}, { flagKey: "a", value: "x", variant: "on", flagMetadata: {} }).attributes

const { active, duration, error, requests, success } = SemanticConventions.metrics

/** The scopes in which the hook of the peer and ours count. */
const scopes = { peer: "js.openfeature.dev", ours: "effect-openfeature" }

const of = (series: ReadonlyArray<Series>, scope: keyof typeof scopes): ReadonlyArray<Series> =>
  series.filter((one) => one.scope === scopes[scope])

type Flags = Readonly<Record<string, TestProvider.Answer>>
type Evaluate = (flagKey: string, type?: SDK.FlagValueType) => Effect.Effect<unknown>

const defaults = { boolean: false, number: 0, string: "the default", object: { the: "default" } }

const context = { targetingKey: "user-1" }

/** A client of the SDK with hooks of the SDK, in order. */
const sdkClient = Effect.fnUntraced(function*(flags: Flags, hooks: ReadonlyArray<SDK.Hook>) {
  const { client } = yield* plainClient({ flags })
  client.addHooks(...hooks)
  return (flagKey: string, type: SDK.FlagValueType = "boolean"): Effect.Effect<unknown> =>
    sdkDetails(client, flagKey, defaults[type], context)
})

/** The client of this library, with hooks of the SDK on the client that it uses. */
const effectClient = Effect.fnUntraced(function*(flags: Flags, hooks: ReadonlyArray<SDK.Hook>) {
  const provider = yield* TestProvider.make({ flags })
  const client = yield* Effect.orDie(FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(provider) }))
  client.client.addHooks(...hooks)
  return (flagKey: string, type: SDK.FlagValueType = "boolean"): Effect.Effect<unknown> =>
    flagsDetails(client, flagKey, defaults[type], { context })
})

const clients: ReadonlyArray<
  readonly [
    name: string,
    make: (flags: Flags, hooks: ReadonlyArray<SDK.Hook>) => Effect.Effect<Evaluate, never, Scope.Scope>
  ]
> = [["a client of the SDK", sdkClient], ["FeatureFlags", effectClient]]

/** A global meter provider, and both hooks on it. */
const bothMetrics = Effect.gen(function*() {
  yield* withoutGlobal
  const { provider, series } = metering()
  yield* asGlobal(provider)
  const hooks: ReadonlyArray<SDK.Hook> = [new MetricsHook(), OpenFeatureHook.make(OtelMetricsHook.make())]
  return { hooks, series }
})

const answers: Flags = {
  on: TestProvider.value(true, { variant: "on" }),
  off: TestProvider.value(false, { variant: "off", reason: "DEFAULT" }),
  split: TestProvider.value(true, { variant: "b", reason: "SPLIT" }),
  bare: TestProvider.value(true),
  code: TestProvider.error("PARSE_ERROR", "a message"),
  throwing: TestProvider.throwing(new Error("a message"))
}

for (const [name, makeClient] of clients) {
  describe(`the metrics of the peer and ours, ${name}`, () => {
    it.effect("count the same for every flag, as long as no hook fails", () =>
      Effect.gen(function*() {
        const seed = 20_260_134
        console.log(`peer metrics seed ${seed}`)
        const { oneOf } = random(seed)
        const { hooks, series } = yield* bothMetrics
        const evaluate = yield* makeClient(answers, hooks)
        const keys = [...Object.keys(answers), "missing"]
        const expected = new Map<string, number>()
        for (let i = 0; i < 300; i++) {
          const key = oneOf(keys)
          const isError = key === "code" || key === "throwing" || key === "missing"
          for (const metric of [requests.name, isError ? error.name : success.name]) {
            expected.set(`${metric} ${key}`, (expected.get(`${metric} ${key}`) ?? 0) + 1)
          }
          expected.set(`${active.name} ${key}`, 0)
          yield* evaluate(key)
        }
        const counted = yield* series
        const totals = (scope: keyof typeof scopes) => {
          const found = new Map<string, number>()
          for (const { attributes, metric, value } of of(counted, scope)) {
            if (metric === duration.name) continue
            const key = `${metric} ${String(attributes["feature_flag.key"])}`
            found.set(key, (found.get(key) ?? 0) + value)
          }
          return Object.fromEntries(found)
        }
        assert.deepStrictEqual(totals("peer"), Object.fromEntries(expected))
        assert.deepStrictEqual(totals("ours"), Object.fromEntries(expected))
      }))

    it.effect("are named and described alike, but only ours have units and tell of the latency", () =>
      Effect.gen(function*() {
        const { hooks, series } = yield* bothMetrics
        const evaluate = yield* makeClient(answers, hooks)
        yield* evaluate("on")
        yield* evaluate("code")
        const counted = yield* series
        const described = (scope: keyof typeof scopes) =>
          Object.fromEntries(of(counted, scope).map(({ description, metric }) => [metric, description]))
        const { [duration.name]: latency, ...shared } = described("ours")
        assert.deepStrictEqual(shared, described("peer"))
        assert.strictEqual(latency, "duration of feature flag evaluations")
        const units = (scope: keyof typeof scopes) => Array.from(new Set(of(counted, scope).map(({ unit }) => unit)))
        assert.deepStrictEqual(units("peer"), [""])
        assert.deepStrictEqual(units("ours").sort(), ["s", "{error}", "{impression}", "{request}"])
        assert.strictEqual(total(of(counted, "ours"), duration.name), 2)
      }))

    it.effect("are all lost for the peer's hook that was made before the meter provider, and none for ours", () =>
      Effect.gen(function*() {
        yield* withoutGlobal
        const hooks = [new MetricsHook(), OpenFeatureHook.make(OtelMetricsHook.make())]
        const evaluate = yield* makeClient(answers, hooks)
        yield* evaluate("on")
        const { provider, series } = metering()
        yield* asGlobal(provider)
        yield* evaluate("on")
        const counted = yield* series
        assert.deepStrictEqual(of(counted, "peer"), [])
        assert.strictEqual(total(of(counted, "ours"), requests.name), 2)
        assert.strictEqual(total(of(counted, "ours"), success.name), 2)
      }))

    it.effect("go below zero for the peer when an earlier hook throws, with an error that nobody asked for; ours do not", () =>
      Effect.gen(function*() {
        const { hooks, series } = yield* bothMetrics
        const throwing: SDK.Hook = {
          before: () => {
            throw new Error("no")
          }
        }
        const evaluate = yield* makeClient(answers, [throwing, ...hooks])
        for (let i = 0; i < 3; i++) yield* evaluate("on")
        const counted = yield* series
        const totals = (scope: keyof typeof scopes) =>
          [active, requests, success, error].map(({ name }) => total(of(counted, scope), name))
        assert.deepStrictEqual(totals("peer"), [-3, 0, 0, 3])
        assert.deepStrictEqual(totals("ours"), [0, 3, 0, 3])
      }))

    it.effect("count a success and an error of one evaluation for the peer when a later hook fails, ours one error", () =>
      Effect.gen(function*() {
        const { hooks, series } = yield* bothMetrics
        const throwing: SDK.Hook = {
          after: () => {
            throw new Error("no")
          }
        }
        // In `after` the last hook comes first, so this one throws behind both.
        const evaluate = yield* makeClient(answers, [throwing, ...hooks])
        yield* evaluate("on")
        const counted = yield* series
        const totals = (scope: keyof typeof scopes) =>
          [requests, success, error].map(({ name }) => total(of(counted, scope), name))
        assert.deepStrictEqual(totals("peer"), [1, 1, 1])
        assert.deepStrictEqual(totals("ours"), [1, 0, 1])
      }))

    it.effect("have a series for every message of an error with the peer, and its type with ours", () =>
      Effect.gen(function*() {
        const { hooks, series } = yield* bothMetrics
        const evaluate = yield* makeClient({
          a: TestProvider.throwing(new Error("no user a@example.com")),
          b: TestProvider.throwing({ message: "no host", code: "ECONNREFUSED" })
        }, hooks)
        yield* evaluate("a")
        yield* evaluate("b")
        const counted = yield* series
        const labels = (scope: keyof typeof scopes) =>
          of(counted, scope).flatMap(({ attributes, metric }) => metric === error.name ? [attributes] : [])
        assert.deepStrictEqual(
          labels("peer").map((attributes) => attributes["exception"]),
          ["no user a@example.com", "no host"]
        )
        assert.deepStrictEqual(
          labels("ours").map((attributes) => [attributes["exception"], attributes["error.type"]]),
          [[undefined, "general"], [undefined, "general"]]
        )
        assert.notInclude(JSON.stringify(of(counted, "ours")), "example.com")
      }))

    it.effect("have reasons as the provider writes them with the peer, and in lower case with ours", () =>
      Effect.gen(function*() {
        const { hooks, series } = yield* bothMetrics
        const evaluate = yield* makeClient({
          a: TestProvider.value(true, { reason: "TARGETING_MATCH" }),
          b: TestProvider.value(true, { reason: "rule 4711" })
        }, hooks)
        yield* evaluate("a")
        yield* evaluate("b")
        const counted = yield* series
        const reasons = (scope: keyof typeof scopes) =>
          of(counted, scope).flatMap(({ attributes, metric }) =>
            metric === success.name ? [attributes["feature_flag.result.reason"]] : []
          )
        assert.deepStrictEqual(reasons("peer"), ["TARGETING_MATCH", "rule 4711"])
        assert.deepStrictEqual(reasons("ours"), ["targeting_match", "rule 4711"])
      }))

    it.effect("tell values for variants with the peer, and no value with ours", () =>
      Effect.gen(function*() {
        const { hooks, series } = yield* bothMetrics
        const evaluate = yield* makeClient({
          text: TestProvider.value("a secret"),
          object: TestProvider.value({ a: 1 })
        }, hooks)
        yield* evaluate("text", "string")
        yield* evaluate("object", "object")
        const counted = yield* series
        const variants = (scope: keyof typeof scopes) =>
          of(counted, scope).flatMap(({ attributes, metric }) =>
            metric === success.name ? [attributes["feature_flag.result.variant"]] : []
          )
        assert.deepStrictEqual(variants("peer"), ["a secret", "[object Object]"])
        assert.deepStrictEqual(variants("ours"), [undefined, undefined])
        assert.notInclude(JSON.stringify(of(counted, "ours")), "secret")
      }))
  })

  describe(`the events of the peer and ours, ${name}`, () => {
    /** What both write about one evaluation. */
    const events = Effect.fnUntraced(
      function*(answer: TestProvider.Answer, type: SDK.FlagValueType = "boolean", options: OtelEventHook.Options = {}) {
        const { provider, records } = logsInMemory()
        yield* Effect.acquireRelease(
          Effect.sync(() => logs.setGlobalLoggerProvider(provider)),
          () => Effect.sync(() => logs.disable())
        )
        const hooks = [new EventHook(), OpenFeatureHook.make(OtelEventHook.make({ logs, ...options }))]
        const evaluate = yield* makeClient({ flag: answer }, hooks)
        yield* evaluate("flag", type)
        const all = yield* records
        return {
          peer: all.filter(({ instrumentationScope }) =>
            instrumentationScope.name === "@openfeature/open-telemetry-hooks"
          ),
          ours: all.filter(({ instrumentationScope }) => instrumentationScope.name === "effect-openfeature")
        }
      }
    )
    const eventOf = (
      records: ReadonlyArray<{ readonly eventName?: string | undefined; readonly attributes: object }>
    ) =>
      new Map(
        Object.entries(records.find(({ eventName }) => eventName === SemanticConventions.event)?.attributes ?? {})
      )

    it.effect("name the message of an error differently: only ours as the conventions do", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* events(TestProvider.error("PARSE_ERROR", "at 5"), "boolean", {
          errorMessage: true
        })
        assert.strictEqual(eventOf(peer).get("error.message"), "at 5")
        assert.isFalse(eventOf(peer).has("feature_flag.error.message"))
        assert.strictEqual(eventOf(ours).get("feature_flag.error.message"), "at 5")
        assert.isFalse(eventOf(ours).has("error.message"))
      }))

    it.effect("tell the message of an error always with the peer, and only when asked to with ours", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* events(TestProvider.throwing(new Error("no user a@example.com")))
        assert.include(JSON.stringify(peer.map(({ attributes }) => attributes)), "a@example.com")
        assert.strictEqual(ours.length, 1)
        assert.notInclude(JSON.stringify(ours.map(({ attributes }) => attributes)), "a@example.com")
      }))

    it.effect.skipIf(!coreTellsValues)(
      "tell the value beside a variant with the peer, and only the variant with ours",
      () =>
        Effect.gen(function*() {
          const { ours, peer } = yield* events(TestProvider.value("a secret", { variant: "on" }), "string")
          assert.strictEqual(eventOf(peer).get("feature_flag.result.value"), "a secret")
          assert.isFalse(eventOf(ours).has("feature_flag.result.value"))
          for (const event of [eventOf(peer), eventOf(ours)]) {
            assert.strictEqual(event.get("feature_flag.result.variant"), "on")
          }
        })
    )

    it.effect("tell the default value as the result of an error with the peer, and no result with ours", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* events(TestProvider.error("PARSE_ERROR", "m"), "string", { values: true })
        assert.strictEqual(eventOf(peer).get("feature_flag.result.value"), "the default")
        assert.isFalse(eventOf(ours).has("feature_flag.result.value"))
        assert.strictEqual(eventOf(ours).get("error.type"), "parse_error")
      }))

    it.effect("tell the targeting key with the peer, and only when asked to with ours", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* events(TestProvider.value(true))
        assert.strictEqual(eventOf(peer).get("feature_flag.context.id"), "user-1")
        assert.strictEqual(eventOf(ours).get("feature_flag.key"), "flag")
        assert.isFalse(eventOf(ours).has("feature_flag.context.id"))
      }))

    it.effect("make a type of any code with the peer, and of those of the conventions with ours", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* events(
          TestProvider.throwing(Object.assign(new Error("m"), { code: "ECONNREFUSED" }))
        )
        assert.strictEqual(eventOf(peer).get("error.type"), "econnrefused")
        assert.strictEqual(eventOf(ours).get("error.type"), "general")
      }))

    it.effect("are two of an error with the peer, one a stack trace of no flag, and one with ours", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* events(TestProvider.throwing(new Error("m")))
        assert.deepStrictEqual(peer.map(({ eventName }) => eventName), ["exception", SemanticConventions.event])
        assert.include(JSON.stringify(peer[0]?.attributes["exception.stacktrace"]), "Error: m")
        assert.isUndefined(peer[0]?.attributes["feature_flag.key"])
        assert.deepStrictEqual(ours.map(({ eventName }) => eventName), [SemanticConventions.event])
        assert.strictEqual(ours[0]?.attributes["feature_flag.key"], "flag")
        assert.notInclude(JSON.stringify(ours.map(({ attributes }) => attributes)), "stacktrace")
      }))

    it.effect("have no severity with the peer, and one by the outcome with ours", () =>
      Effect.gen(function*() {
        const severities: Array<unknown> = []
        for (const answer of [TestProvider.value(true), TestProvider.error("PARSE_ERROR", "m")]) {
          const { ours, peer } = yield* Effect.scoped(events(answer))
          assert.isAbove(peer.length, 0)
          assert.isTrue(
            peer.every(({ severityNumber, severityText }) => (severityNumber ?? severityText) === undefined)
          )
          severities.push(ours.map(({ severityNumber, severityText }) => [severityNumber, severityText]))
        }
        assert.deepStrictEqual(severities, [[[9, "INFO"]], [[13, "WARN"]]])
      }))
  })
}

describe("the spans of the peer and ours", () => {
  // The peer's tracer is that of the first global provider, for as long as the process lives.
  const { provider, spans } = spansInMemory()
  beforeAll(() => void trace.setGlobalTracerProvider(provider))
  afterAll(() => trace.disable())

  for (const [name, makeClient] of clients) {
    it.effect(`have a status after an error only with ours, ${name}`, () =>
      Effect.gen(function*() {
        const hooks = [new SpanHook(), OpenFeatureHook.make(OtelTracingHook.make())]
        const evaluate = yield* makeClient({ [name]: TestProvider.throwing(new Error("m")) }, hooks)
        yield* evaluate(name)
        const own = (yield* spans).filter(({ attributes }) => attributes["feature_flag.key"] === name)
        const statusOf = (scope: string) =>
          own.flatMap(({ instrumentationScope, status }) => instrumentationScope.name === scope ? [status.code] : [])
        assert.deepStrictEqual(statusOf("@openfeature/open-telemetry-hooks"), [SpanStatusCode.UNSET])
        assert.deepStrictEqual(statusOf("effect-openfeature"), [SpanStatusCode.ERROR])
        const eventsOf = (scope: string) =>
          own.flatMap(({ events, instrumentationScope }) =>
            instrumentationScope.name === scope ? events.map(({ attributes }) => attributes) : []
          )
        assert.isDefined(eventsOf("@openfeature/open-telemetry-hooks")[0]?.["exception.stacktrace"])
        assert.deepStrictEqual(eventsOf("effect-openfeature"), [])
      }))
  }
})

describe("a hook that fails in our own", () => {
  it.effect("changes no count of the peer's beside it", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        yield* withoutGlobal
        const { provider, series } = metering()
        yield* asGlobal(provider)
        const broken = OtelMetricsHook.make({
          meterProvider: {
            getMeter: () => {
              throw new Error("no")
            }
          }
        })
        const evaluate = yield* sdkClient(answers, [OpenFeatureHook.make(broken), new MetricsHook()])
        yield* evaluate("on")
        assert.strictEqual(total(of(yield* series, "peer"), success.name), 1)
        assert.strictEqual(failures.length, 2)
      })
    ))
})

describe("without the package of the Logs API", () => {
  // Both ways of loading a module, for both are taken.
  const hide = `
    import Module, { register } from "node:module"
    const name = "@opentelemetry/api-logs"
    const resolve = Module._resolveFilename
    Module._resolveFilename = function(request, ...rest) {
      if (request === name) throw Object.assign(new Error("hidden: " + name), { code: "MODULE_NOT_FOUND" })
      return resolve.call(this, request, ...rest)
    }
    const hook = 'export const resolve = (request, context, next) => {' +
      'if (request === "' + name + '") throw new Error("hidden: ' + name + '"); return next(request, context) }'
    register("data:text/javascript," + encodeURIComponent(hook))
  `
  const load = `
    import(process.argv[1]).then(
      (loaded) => console.log("loaded", Object.keys(loaded).includes(process.argv[2])),
      (error) => console.log(String(error.message).split("\\n")[0])
    )
  `
  const root = fileURLToPath(new URL("../..", import.meta.url))
  const ours = new URL("../../src/otel/index.ts", import.meta.url).href
  // What the child says first; how it ends is not looked at, for Node loads the peer twice and rejects twice.
  const loading = (specifier: string, name: string, isHidden: boolean) =>
    Effect.promise(() => {
      const args = [
        ...specifier === ours ? ["--import", "tsx"] : [],
        ...isHidden ? ["--import", `data:text/javascript,${encodeURIComponent(hide)}`] : [],
        "--input-type=module",
        "-e",
        load,
        specifier,
        name
      ]
      return new Promise<string>((resolve) =>
        execFile(process.execPath, args, { cwd: root }, (_error, stdout) => resolve(stdout.trim()))
      )
    })

  it.effect("the peer cannot be imported, not even for its metrics", () =>
    Effect.gen(function*() {
      const peer = "@openfeature/open-telemetry-hooks"
      assert.strictEqual(yield* loading(peer, "MetricsHook", false), "loaded true")
      assert.strictEqual(yield* loading(peer, "MetricsHook", true), "hidden: @opentelemetry/api-logs")
    }))

  it.effect("ours can, with every hook", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* loading(ours, "OtelMetricsHook", true), "loaded true")
      assert.strictEqual(yield* loading(ours, "OtelEventHook", true), "loaded true")
    }))
})
