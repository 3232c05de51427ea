import { assert, describe, it } from "@effect/vitest"
import * as SDK from "@openfeature/server-sdk"
import { Effect, Function, Redacted, Tracer } from "effect"
import { TestClock } from "effect/testing"
import {
  AuditHook,
  AuditRecord,
  AuditSink,
  BackgroundHook,
  EvaluationError,
  FeatureHook,
  OpenFeatureHook,
  Privacy
} from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { client, collectFailures, paths, plainClient, random, rangeError } from "../support.ts"

const memory = () => {
  const records: Array<AuditRecord.AuditRecord> = []
  const sink: AuditSink.AuditSink = {
    append: (record) => Effect.sync(() => void records.push(record))
  }
  return { records, sink }
}

const recorded = (options: AuditHook.Options, run: Fixtures.RunOptions = {}) =>
  Effect.gen(function*() {
    const { records, sink } = memory()
    yield* Fixtures.run(AuditHook.make(sink, options), run)
    assert.strictEqual(records.length, 1)
    return records[0]
  })

describe("a record", () => {
  for (const [path, change] of paths) {
    it.effect(`has what is known without data of the user, ${path}`, () =>
      Effect.gen(function*() {
        const { records, sink } = memory()
        const wait = FeatureHook.make("wait", { before: () => TestClock.adjust("2 seconds") })
        yield* TestClock.setTime(Date.UTC(2026, 10, 21, 10))
        yield* Fixtures.run(FeatureHook.combine(change(AuditHook.make(sink)), wait), {
          context: {
            flagKey: "checkout",
            domain: "shop",
            providerName: "memory",
            context: { targetingKey: "user-1", plan: "pro" }
          },
          details: { value: true, variant: "on", reason: "STATIC", flagMetadata: { version: "1" } }
        })
        assert.deepStrictEqual(records, [{
          time: "2026-11-21T10:00:02.000Z",
          flagKey: "checkout",
          type: "boolean",
          variant: "on",
          reason: "STATIC",
          durationMs: 2000,
          domain: "shop",
          provider: "memory"
        }])
      }))

    it.effect(`tells which hook rejected the evaluation, before and behind this one, ${path}`, () =>
      Effect.gen(function*() {
        const failing = new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "secret" })
        const guards = [
          FeatureHook.make("guard", { before: () => Effect.fail(failing) }),
          FeatureHook.make("check", { after: () => Effect.fail("no") })
        ]
        for (const guard of guards) {
          const { records, sink } = memory()
          const audit = change(AuditHook.make(sink))
          const { flags } = yield* client({ a: TestProvider.value(true) })
          yield* flags.boolean("a", false, { hooks: [guard, audit] })
          yield* flags.boolean("a", false, { hooks: [audit, guard] })
          const [first, second] = records
          const isBefore = guard.name === "guard"
          assert.strictEqual(first?.rejectedBy, isBefore ? "guard.before" : "check.after")
          assert.strictEqual(second?.rejectedBy, first?.rejectedBy)
          assert.strictEqual(first?.errorCode, isBefore ? "INVALID_CONTEXT" : "GENERAL")
          assert.strictEqual(first?.durationMs === undefined, isBefore)
          assert.isDefined(second?.durationMs)
          assert.notInclude(JSON.stringify(records), "secret")
        }
      }).pipe((program) => collectFailures(() => program)))
  }

  it.effect("tells which hook of another stack of the SDK rejected it", () =>
    Effect.gen(function*() {
      const { records, sink } = memory()
      const { client } = yield* plainClient({ flags: { a: TestProvider.value(true) } })
      const guard = FeatureHook.make("guard", {
        before: () => Effect.fail(new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no" }))
      })
      const stranger: SDK.Hook = {
        before: () => {
          throw new SDK.InvalidContextError("no")
        }
      }
      const audit = OpenFeatureHook.make(AuditHook.make(sink))
      client.addHooks(audit)
      yield* Effect.promise(() => client.getBooleanValue("a", false, {}, { hooks: [OpenFeatureHook.make(guard)] }))
      yield* Effect.promise(() =>
        client.getBooleanValue("a", false, {}, {
          hooks: [OpenFeatureHook.make(OpenFeatureHook.toFeatureHook("stranger", stranger))]
        })
      )
      yield* Effect.promise(() => client.getBooleanValue("a", false, {}, { hooks: [stranger] }))
      assert.deepStrictEqual(records.map(({ rejectedBy }) => rejectedBy), [
        "guard.before",
        "stranger.before",
        undefined
      ])
      assert.deepStrictEqual(records.map(({ errorCode }) => errorCode), Array(3).fill("INVALID_CONTEXT"))
    }))

  it.effect("has no rejecting hook when the provider failed", () =>
    Effect.gen(function*() {
      const record = yield* recorded({ errorMessage: true }, { error: { code: "PARSE_ERROR", message: "bad rule" } })
      assert.deepInclude(record, { errorCode: "PARSE_ERROR", errorMessage: "bad rule" })
      assert.notProperty(record, "rejectedBy")
    }))

  it.effect("has what the options allow", () =>
    Effect.gen(function*() {
      const record = yield* recorded({
        values: true,
        context: ["plan", "age", "tags", "missing"],
        targetingKey: Privacy.hmac(Redacted.make("a secret of at least 16 bytes")),
        metadata: true,
        redact: (name, value) => name === "metadata.secret" ? undefined : value,
        traceId: () => "trace-1"
      }, {
        context: { context: { targetingKey: "user-1", plan: "pro", age: 41, tags: ["a"], email: "a@b.c" } },
        details: { value: { a: 1 }, flagMetadata: { version: 3, secret: "s" } }
      })
      assert.deepInclude(record, {
        value: "{\"a\":1}",
        attributes: { plan: "pro", age: 41, tags: "[\"a\"]" },
        metadata: { version: 3 },
        traceId: "trace-1"
      })
      assert.match(record.targetingKey ?? "", /^[0-9a-f]{64}$/)
    }))

  it.effect("has the trace of the caller", () =>
    Effect.gen(function*() {
      const span = Tracer.externalSpan({ spanId: "1", traceId: "0af7651916cd43dd8448eb211c80319c" })
      const record = yield* Effect.withParentSpan(recorded({}), span)
      assert.strictEqual(record.traceId, span.traceId)
    }))

  it.effect("is bounded, whatever it is made of", () =>
    Effect.gen(function*() {
      const long = "x".repeat(100_000)
      const context = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`${i}${long.slice(0, 1000)}`, long]))
      const record = yield* recorded({ values: true, context: { except: [] }, metadata: true, maxSize: 10 }, {
        context: { flagKey: long, domain: long, context },
        details: { value: long, variant: long, reason: long, flagMetadata: { a: long } }
      })
      assert.isBelow(AuditRecord.toJson(record).length, 12_000)
    }))

  it.effect("survives metadata and a trace that throw", () =>
    Effect.gen(function*() {
      const record = yield* recorded({
        metadata: true,
        traceId: () => {
          throw new Error("no")
        }
      })
      assert.notProperty(record, "traceId")
    }))

  it.effect("is written without what should be a text and is none", () =>
    Effect.gen(function*() {
      for (const odd of [5, null, {}, Symbol("no"), Promise.resolve("late")]) {
        const traceId = Function.cast<unknown, string>(odd)
        const record = yield* recorded({ traceId: () => traceId }, { details: { reason: traceId } })
        assert.notProperty(record, "traceId")
        assert.notProperty(record, "reason")
      }
    }))
})

// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const unsafe = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/

describe("the JSON of a record", () => {
  it("is one line for each reader of lines, and gives the same record back", () => {
    const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1e9))
    const dice = random(seed)
    const odd = [
      "\n",
      "\r",
      "\r\n",
      "\u0085",
      "\u2028",
      "\u2029",
      "\u0000",
      "\u001b[31m",
      "\u007f",
      "\u009b",
      "\u202e",
      "\u2066",
      "\ufeff",
      "\"",
      "\\",
      "\ud800",
      "é",
      "𝄞",
      "a"
    ]
    const text = () => Array.from({ length: dice.below(12) }, () => dice.oneOf(odd)).join("")
    for (let i = 0; i < 2000; i++) {
      const record: AuditRecord.AuditRecord = {
        time: "2026-11-21T10:00:00.000Z",
        flagKey: text(),
        type: "string",
        value: text(),
        attributes: { [text()]: text(), __proto__x: true }
      }
      const json = AuditRecord.toJson(record)
      assert.notMatch(json, unsafe, `SEED=${seed}`)
      assert.deepStrictEqual(JSON.parse(json), record, `SEED=${seed}`)
    }
  })
})

describe("a sink", () => {
  for (const [path, change] of paths) {
    it.effect(`that fails does not affect the evaluation, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const error = new AuditSink.AuditError({ reason: "failed", message: "no" })
          const sinks: Array<AuditHook.Sink> = [
            { append: () => Effect.fail(error) },
            { append: () => Promise.reject(error) },
            {
              append: () => {
                throw error
              }
            }
          ]
          for (const sink of sinks) {
            const { flags } = yield* client({ a: TestProvider.value(true) }, { hooks: [change(AuditHook.make(sink))] })
            assert.isTrue(yield* flags.boolean("a", false))
          }
          assert.deepStrictEqual(failures.map(({ hook, stage }) => `${hook}.${stage}`), Array(3).fill("audit.finally"))
        })
      ))

    it.effect(`that is not available refuses evaluations, and has no record of them, ${path}`, () =>
      Effect.gen(function*() {
        const { records, sink } = memory()
        let isAvailable = false
        const audit = AuditHook.make({ ...sink, isAvailable: () => isAvailable })
        const { flags } = yield* client({ a: TestProvider.value(true) }, { hooks: [change(audit)] })
        const refused = yield* flags.booleanDetails("a", false)
        assert.deepInclude(refused, { value: false, errorCode: "GENERAL" })
        assert.strictEqual(refused.errorMessage, "the evaluation was refused, since no audit is possible")
        isAvailable = true
        assert.isTrue(yield* flags.boolean("a", false))
        assert.strictEqual(records.length, 1)
      }))
  }

  it.effect("without a wait needs no fiber", () =>
    Effect.gen(function*() {
      const records: Array<AuditRecord.AuditRecord> = []
      const sink: AuditSink.AuditSink = {
        append: () => Effect.die("not used"),
        appendUnsafe: (record) => void records.push(record)
      }
      yield* Fixtures.run(AuditHook.make(sink))
      assert.strictEqual(records.length, 1)
    }))

  it.effect("can work in the background", () =>
    Effect.gen(function*() {
      const { records, sink } = memory()
      const background = yield* AuditHook.make(sink).pipe(FeatureHook.observe, BackgroundHook.make())
      yield* Fixtures.run(background.hook)
      yield* background.flush
      assert.strictEqual(records.length, 1)
    }))

  it("needs append", () => {
    // @ts-expect-error it has none
    assert.include(rangeError(() => AuditHook.make({})), "AuditHook.make: sink must be an object with append")
  })
})
