import { context } from "@opentelemetry/api"
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Tracer } from "effect"
import { EvaluationError, type FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook, SemanticConventions } from "effect-openfeature/otel"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { TestClock } from "effect/testing"
import { readFileSync } from "node:fs"
import { afterAll, beforeAll } from "vitest"
import { client, paths, plainClient, turns } from "../support.ts"
import { attributesOf, effectSeries, isolated, metering } from "./metering.ts"
import { logsInMemory, spansInMemory } from "./support.ts"

beforeAll(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()))
afterAll(() => context.disable())

/** The options that all hooks have. */
type Options =
  & OtelMetricsHook.MetricOptions
  & OtelTracingHook.Options
  & OtelTracingHook.AttributeOptions
  & OtelEventHook.Options
type Attributes = Readonly<Record<string, unknown>>

/** A signal: a hook with options, and the attributes of the one evaluation. */
interface Signal {
  readonly name: string
  readonly isMetric: boolean
  /** Whether the attributes are those of the event. */
  readonly isRecord: boolean
  readonly run: (options: Options, use: (hook: FeatureHook.FeatureHook) => Effect.Effect<unknown>) => Effect.Effect<
    Attributes
  >
}

const { requests, success } = SemanticConventions.metrics
const first = (all: ReadonlyArray<Attributes>): Attributes => {
  assert.strictEqual(all.length, 1)
  return all[0] ?? {}
}

const signals: ReadonlyArray<Signal> = [
  {
    name: "OtelMetricsHook.make",
    isMetric: true,
    isRecord: false,
    run: Effect.fnUntraced(function*(options, use) {
      const { provider, series } = metering()
      yield* use(OtelMetricsHook.make({ ...options, meterProvider: provider }))
      return first(attributesOf(yield* series, success.name))
    })
  },
  {
    name: "OtelMetricsHook.makeMetric",
    isMetric: true,
    isRecord: false,
    run: (options, use) =>
      isolated(Effect.gen(function*() {
        yield* use(yield* OtelMetricsHook.makeMetric(options))
        return first(attributesOf(yield* effectSeries, success.name))
      }))
  },
  {
    name: "OtelTracingHook.make",
    isMetric: false,
    isRecord: true,
    run: Effect.fnUntraced(function*(options, use) {
      const { provider, spans } = spansInMemory()
      yield* use(OtelTracingHook.make({ ...options, tracerProvider: provider }))
      return first((yield* spans).map(({ attributes }) => attributes))
    })
  },
  {
    name: "OtelTracingHook.make, with Effect's tracer",
    isMetric: false,
    isRecord: true,
    run: Effect.fnUntraced(function*(options, use) {
      const { all, tracer } = recording()
      yield* Effect.provideService(use(OtelTracingHook.make(options)), Tracer.Tracer, tracer)
      return first(all.map(({ attributes }) => Object.fromEntries(attributes)))
    })
  },
  {
    name: "OtelTracingHook.makeAttributes",
    isMetric: false,
    isRecord: false,
    run: Effect.fnUntraced(function*(options, use) {
      const { all, tracer } = recording()
      yield* use(OtelTracingHook.makeAttributes(options)).pipe(
        Effect.withSpan("request"),
        Effect.provideService(Tracer.Tracer, tracer)
      )
      return first(all.map(({ attributes }) => Object.fromEntries(attributes)))
    })
  },
  {
    name: "OtelEventHook.make",
    isMetric: false,
    isRecord: true,
    run: Effect.fnUntraced(function*(options, use) {
      const { provider, records } = logsInMemory()
      yield* use(OtelEventHook.make({ ...options, logs: provider }))
      return first((yield* records).map(({ attributes }) => attributes))
    })
  }
]

const recording = () => {
  const all: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      all.push(span)
      return span
    }
  })
  return { all, tracer }
}

const evaluated = { targetingKey: "user-1", plan: "pro", email: "a@b.c" }

const evaluate = (change: <E, R>(hook: FeatureHook.FeatureHook<E, R>) => FeatureHook.FeatureHook<E, R>) => {
  return Effect.fnUntraced(
    function*(hook: FeatureHook.FeatureHook) {
      const answer = TestProvider.value(true, { variant: "on", flagMetadata: { tier: "gold", secret: "x", rank: 3 } })
      const { flags } = yield* client({ sale: answer }, { hooks: [change(hook)] })
      yield* flags.boolean("sale", false, { context: evaluated })
    },
    Effect.scoped,
    Effect.orDie
  )
}

for (const { isMetric, isRecord, name, run } of signals) {
  for (const [path, change] of paths) {
    const attributesWith = (options: Options) => run(options, evaluate(change))
    const prefix = isMetric || isRecord ? "" : "feature_flag.evaluation.sale."

    describe(`${name}, ${path}`, () => {
      it.effect("adds fixed attributes", () =>
        Effect.gen(function*() {
          const usual = yield* attributesWith({})
          const text = (value: unknown) => name === "OtelMetricsHook.makeMetric" ? String(value) : value
          assert.deepStrictEqual(
            yield* attributesWith({ attributes: { team: "shop", shard: 3, canary: true, none: undefined } }),
            { ...usual, team: "shop", shard: text(3), canary: text(true) }
          )
        }))

      it.effect("adds attributes of the evaluation, and nothing when their function throws", () =>
        Effect.gen(function*() {
          const usual = yield* attributesWith({})
          const attributes: Options["attributes"] = ({ context }, details) => ({
            plan: context["plan"] === "pro" ? "pro" : undefined,
            resolved: details?.variant
          })
          assert.deepStrictEqual(yield* attributesWith({ attributes }), { ...usual, plan: "pro", resolved: "on" })
          const throwing = () => {
            throw new Error("no")
          }
          assert.deepStrictEqual(yield* attributesWith({ attributes: throwing }), usual)
        }))

      it.effect("adds the flag metadata that `dimensions` names, redacted", () =>
        Effect.gen(function*() {
          const usual = yield* attributesWith({})
          assert.deepStrictEqual(
            yield* attributesWith({
              dimensions: ["tier", "secret", "missing"],
              redact: (name, value) => name === "metadata.secret" ? undefined : value
            }),
            { ...usual, [`${prefix}tier`]: "gold" }
          )
        }))

      it.effect("leaves out what `exclude` names, from any source", () =>
        Effect.gen(function*() {
          const usual = yield* attributesWith({})
          const some = Object.keys(usual)[0] ?? ""
          const { [some]: _, ...others } = usual
          assert.deepStrictEqual(
            yield* attributesWith({
              attributes: { team: "shop", [some]: "again" },
              dimensions: ["tier"],
              exclude: [some, "team", `${prefix}tier`],
              rewrite: (attributes) => ({ ...attributes, [some]: "again" })
            }),
            others
          )
        }))

      it.effect("writes what `rewrite` returns, and nothing when it throws", () =>
        Effect.gen(function*() {
          const usual = yield* attributesWith({ attributes: { team: "shop" } })
          let seen: Attributes = {}
          const rewritten = yield* attributesWith({
            attributes: { team: "shop" },
            rewrite: (attributes) => {
              if (Object.keys(attributes).length >= Object.keys(seen).length) seen = { ...attributes }
              return { ...attributes, team: attributes["team"] === "shop" ? "shop\n2" : "?", dropped: undefined }
            }
          })
          assert.deepStrictEqual(seen, usual)
          assert.deepStrictEqual(rewritten, { ...usual, team: "shop\\u000a2" })
          const rewrite = () => {
            throw new Error("no")
          }
          assert.deepStrictEqual(yield* attributesWith({ rewrite }), {})
        }))

      it.effect("writes attributes of the context that `context` names, and the targeting key only if asked to", () =>
        Effect.gen(function*() {
          const usual = yield* attributesWith({})
          const subject = isMetric ? {} : { "feature_flag.context.id": "<user-1>" }
          assert.deepStrictEqual(
            yield* attributesWith({
              context: ["plan"],
              errorMessage: true,
              targetingKey: (key) => `<${key}>`
            }),
            { ...usual, ...subject, "feature_flag.context.attribute.plan": "pro" }
          )
          assert.deepStrictEqual(
            yield* attributesWith({ context: ["targetingKey"], targetingKey: (key) => `<${key}>` }),
            { ...usual, ...subject, "feature_flag.context.attribute.targetingKey": "<user-1>" }
          )
        }))

      it.effect("takes one object of all options that the others take, too", () =>
        Effect.gen(function*() {
          const all = yield* attributesWith({
            values: true,
            errorMessage: true,
            context: ["plan"],
            targetingKey: "omit",
            maxLength: 100,
            maxDepth: 2,
            maxSize: 10,
            redact: (_name, value) => value,
            attributes: { team: "shop" },
            dimensions: ["tier"],
            exclude: ["feature_flag.provider.name"],
            rewrite: (attributes) => attributes,
            version: "1.37"
          })
          assert.include(all, { team: "shop", [`${prefix}tier`]: "gold" })
          assert.notProperty(all, "feature_flag.provider.name")
        }))
    })
  }
}

describe("the metrics", () => {
  for (const { isMetric, name, run } of signals) {
    if (!isMetric) continue
    it.effect(`tell true from false without a variant if \`values\` is set, and no other value, with ${name}`, () =>
      Effect.gen(function*() {
        const value = "feature_flag.result.value"
        const of = (options: Options, details: Parameters<typeof Fixtures.details>[0]) =>
          Effect.map(
            run(options, (hook) => Fixtures.run(hook, { details })),
            (attributes) => attributes[value]
          )
        const text = (value: boolean) => name === "OtelMetricsHook.makeMetric" ? String(value) : value
        for (const one of [true, false]) {
          assert.strictEqual(yield* of({ values: true }, { value: one, variant: undefined }), text(one))
          assert.isUndefined(yield* of({}, { value: one, variant: undefined }))
        }
        for (const one of [1, "secret", { a: 1 }, null]) {
          assert.isUndefined(yield* of({ values: true }, { value: one, variant: undefined }))
        }
        const redact = (name: string, value: unknown) => name === "value" ? undefined : value
        assert.isUndefined(yield* of({ values: true, redact }, { value: true, variant: undefined }))
      }))
  }

  it.effect("are rewritten once for each series, not for each evaluation", () =>
    Effect.gen(function*() {
      const { provider, series } = metering()
      let calls = 0
      const hook = OtelMetricsHook.make({
        meterProvider: provider,
        rewrite: (attributes) => {
          calls++
          return { ...attributes, "feature_flag.key": undefined }
        }
      })
      for (let i = 0; i < 10; i++) yield* Fixtures.run(hook)
      const before = calls
      for (let i = 0; i < 100; i++) yield* Fixtures.run(hook)
      assert.strictEqual(calls, before)
      const one = (yield* series).find(({ metric }) => metric === requests.name)
      assert.deepStrictEqual([one?.value, one?.attributes], [110, { "feature_flag.provider.name": "test" }])
    }))
})

describe("the span of an evaluation that hangs", () => {
  it.effect("ends with attributes that are excluded and rewritten, too", () =>
    Effect.gen(function*() {
      for (
        const [options, expected] of [
          [{}, "timeout"],
          [{ exclude: ["error.type"] }, undefined],
          [{ rewrite: () => ({ "error.type": "hung" }) }, "hung"]
        ] as const
      ) {
        const { provider, spans } = spansInMemory()
        const hook = OtelTracingHook.make({ ...options, tracerProvider: provider })
        const { flags } = yield* client({ hang: TestProvider.never }, { hooks: [hook] })
        yield* Effect.forkDetach(flags.boolean("hang", false))
        yield* turns()
        yield* TestClock.adjust("40 seconds")
        yield* turns()
        assert.deepStrictEqual((yield* spans).map(({ attributes }) => attributes["error.type"]), [expected])
      }
    }))
})

class CardDeclined extends Error {
  override name = "a name with data"
}

describe("a recorded exception", () => {
  for (const [path, change] of paths) {
    const exceptionOf = (error: unknown, options: OtelTracingHook.Options) =>
      Effect.gen(function*() {
        const { provider, spans } = spansInMemory()
        const hook = OtelTracingHook.make({ ...options, recordException: true, tracerProvider: provider })
        const { client } = yield* plainClient({ flags: { boom: TestProvider.throwing(error) } })
        client.addHooks(OpenFeatureHook.make(change(hook)))
        yield* Effect.promise(() => client.getBooleanValue("boom", false))
        const events = (yield* spans).flatMap(({ events }) => events)
        assert.deepStrictEqual(events.map(({ name }) => name), ["exception"])
        return events[0]?.attributes ?? {}
      })

    it.effect(`has the class of the error, and neither its name, its text nor its stack, ${path}`, () =>
      Effect.gen(function*() {
        const usual = { "exception.type": "CardDeclined", "exception.message": "general" }
        assert.deepStrictEqual(yield* exceptionOf(new CardDeclined("of user-1"), {}), usual)
        assert.strictEqual((yield* exceptionOf(new TypeError("x"), {}))["exception.type"], "TypeError")
        assert.strictEqual((yield* exceptionOf("thrown", {}))["exception.type"], "general")
        assert.strictEqual((yield* exceptionOf({ message: "thrown" }, {}))["exception.type"], "general")
      }))

    it.effect(`has the stack where the message may be written, with the redacted message, ${path}`, () =>
      Effect.gen(function*() {
        const redact = (name: string, value: unknown) =>
          name === "error_message" ? String(value).replaceAll("user-1", "<user>") : value
        const error = new CardDeclined("of user-1\n  at home of user-1")
        const written = yield* exceptionOf(error, { errorMessage: true, redact })
        const stack = String(written["exception.stacktrace"])
        assert.match(stack, /^CardDeclined: of <user>.*\n +at .*vocabulary\.test\.ts/)
        assert.notInclude(stack, "user-1")
        assert.notInclude(JSON.stringify(written), "user-1")
        const none = yield* exceptionOf(error, {
          errorMessage: true,
          redact: (name, value) => name === "error_stack" ? undefined : value
        })
        assert.notProperty(none, "exception.stacktrace")
        const excluded = yield* exceptionOf(error, { errorMessage: true, exclude: ["exception.stacktrace"] })
        assert.notProperty(excluded, "exception.stacktrace")
      }))

    it.effect(`has the class of what a hook rejected with, ${path}`, () =>
      Effect.gen(function*() {
        const { provider, spans } = spansInMemory()
        const hook = OtelTracingHook.make({ recordException: true, tracerProvider: provider })
        const failure = new EvaluationError.EvaluationError({
          code: "INVALID_CONTEXT",
          message: "no",
          cause: new CardDeclined("x")
        })
        yield* Fixtures.run(change(hook), { error: failure })
        const [span] = yield* spans
        assert.strictEqual(span?.events[0]?.attributes?.["exception.type"], "CardDeclined")
      }))
  }
})

describe("the scopes of meter, tracer and logger", () => {
  it.effect("have the name and the version of the package", () =>
    Effect.gen(function*() {
      const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
      const spans = spansInMemory()
      const logs = logsInMemory()
      const metrics: Array<readonly [name: string, version: string | undefined]> = []
      const { provider } = metering()
      const hooks = [
        OtelTracingHook.make({ tracerProvider: spans.provider }),
        OtelEventHook.make({ logs: logs.provider }),
        OtelMetricsHook.make({
          meterProvider: {
            getMeter: (name, version) => {
              metrics.push([name, version])
              return provider.getMeter(name, version)
            }
          }
        })
      ]
      for (const hook of hooks) yield* Fixtures.run(hook)
      const [span] = yield* spans.spans
      const [record] = yield* logs.records
      assert.include(span?.instrumentationScope, { name: "effect-openfeature", version })
      assert.include(record?.instrumentationScope, { name: "effect-openfeature", version })
      assert.deepStrictEqual(metrics, [["effect-openfeature", version]])
    }))
})

describe("the flags of a span", () => {
  const script = {
    reason: TestProvider.value(true, { variant: "of reason" }),
    "flag.reason": TestProvider.value(true, { variant: "of flag.reason" }),
    value: TestProvider.value(true, { variant: "of value" }),
    "error.message": TestProvider.value(true, { variant: "of error.message" }),
    flag: TestProvider.value(true, { variant: "of flag" }),
    sale: TestProvider.value(true, { variant: "on" }),
    bad: TestProvider.error("PARSE_ERROR", "text")
  }
  const evaluateAll = Effect.fnUntraced(
    function*(options: OtelTracingHook.AttributeOptions, keys: Iterable<string>) {
      const { flags } = yield* client(script, { hooks: [OtelTracingHook.makeAttributes(options)] })
      for (const key of keys) yield* flags.boolean(key, false)
    },
    Effect.scoped,
    Effect.orDie
  )

  it.effect("never have the name of an attribute of older conventions, nor that of each other", () =>
    Effect.gen(function*() {
      const { all, tracer } = recording()
      yield* evaluateAll({}, Object.keys(script)).pipe(
        Effect.withSpan("request"),
        Effect.provideService(Tracer.Tracer, tracer)
      )
      assert.deepStrictEqual(Object.fromEntries(all[0]?.attributes ?? []), {
        "feature_flag.evaluation.flag.reason": "of reason",
        "feature_flag.evaluation.flag.flag.reason": "of flag.reason",
        "feature_flag.evaluation.flag.value": "of value",
        "feature_flag.evaluation.flag.error.message": "of error.message",
        "feature_flag.evaluation.flag": "of flag",
        "feature_flag.evaluation.sale": "on",
        "feature_flag.evaluation.bad": "error:parse_error"
      })
    }))

  it.effect("have the message of an error if it may be written", () =>
    Effect.gen(function*() {
      const { all, tracer } = recording()
      yield* evaluateAll({ errorMessage: true }, ["bad"]).pipe(
        Effect.withSpan("request"),
        Effect.provideService(Tracer.Tracer, tracer)
      )
      assert.deepStrictEqual(Object.fromEntries(all[0]?.attributes ?? []), {
        "feature_flag.evaluation.bad": "error:parse_error",
        "feature_flag.evaluation.bad.error.message": "text"
      })
    }))

  for (const [path, change] of paths) {
    it.effect(`are on Effect's root span, or on the current one, ${path}`, () =>
      Effect.gen(function*() {
        for (const span of ["root", "current"] as const) {
          const { all, tracer } = recording()
          const { flags } = yield* client(script, { hooks: [change(OtelTracingHook.makeAttributes({ span }))] })
          yield* flags.boolean("sale", false).pipe(
            Effect.withSpan("query"),
            Effect.withSpan("handler"),
            Effect.withSpan("request", { parent: Tracer.externalSpan({ spanId: "1", traceId: "2" }) }),
            Effect.provideService(Tracer.Tracer, tracer)
          )
          assert.deepStrictEqual(
            all.filter(({ attributes }) => attributes.size > 0).map(({ name }) => name),
            [span === "root" ? "request" : "query"]
          )
        }
      }))

    it.effect(`are on the topmost of Effect's spans that is open and exported, ${path}`, () =>
      Effect.gen(function*() {
        const { all, tracer } = recording()
        const { flags } = yield* client(script, { hooks: [change(OtelTracingHook.makeAttributes({ span: "root" }))] })
        const ended = yield* Effect.provideService(Effect.makeSpan("ended"), Tracer.Tracer, tracer)
        ended.end(0n, yield* Effect.exit(Effect.void))
        yield* flags.boolean("sale", false).pipe(
          Effect.withSpan("query"),
          Effect.withSpan("handler"),
          Effect.withSpan("hidden", { parent: ended, annotations: Tracer.DisablePropagation.context(true) }),
          Effect.provideService(Tracer.Tracer, tracer)
        )
        assert.deepStrictEqual(
          all.filter(({ attributes }) => attributes.size > 0).map(({ name }) => name),
          ["handler"]
        )
      }))
  }
})
