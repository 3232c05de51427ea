import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, References } from "effect"
import { EvaluationError, FeatureHook, HookFailures, HookHints, LoggingHook } from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { client, collectFailures, type LogRecord, logsTo, paths, rangeError } from "../support.ts"

const logged = <R>(hook: FeatureHook.FeatureHook<unknown, R>, options: Fixtures.RunOptions = {}) =>
  Effect.gen(function*() {
    const records: Array<LogRecord> = []
    yield* Effect.provide(Fixtures.run(hook, options), logsTo(records))
    return records
  })

describe("the records", () => {
  for (const [path, change] of paths) {
    it.effect(`have the fields of the specification, ${path}`, () =>
      Effect.gen(function*() {
        const context = { flagKey: "checkout", domain: "shop", providerName: "memory" }
        const hook = change(LoggingHook.make())
        const common = { provider_name: "memory", flag_key: "checkout", flag_type: "boolean", domain: "shop" }
        assert.deepStrictEqual(yield* logged(hook, { context, details: { variant: "on", reason: "STATIC" } }), [
          { level: "Debug", message: "evaluating a feature flag", annotations: { stage: "before", ...common } },
          {
            level: "Info",
            message: "evaluated a feature flag",
            annotations: { stage: "after", ...common, duration_ms: 0, reason: "STATIC", variant: "on" }
          }
        ])
        const error = { code: "PARSE_ERROR", message: "secret" }
        assert.deepStrictEqual((yield* logged(hook, { context, error })).slice(1), [{
          level: "Error",
          message: "a feature flag evaluation failed",
          annotations: { stage: "error", ...common, duration_ms: 0, error_code: "PARSE_ERROR" }
        }])
      }))

    it.effect(`have more when it is asked for, ${path}`, () =>
      Effect.gen(function*() {
        const hook = change(LoggingHook.make({
          before: "Warn",
          after: "Info",
          error: "Fatal",
          values: true,
          errorMessage: true,
          context: ["plan", "targetingKey", "missing"]
        }))
        const options: Fixtures.RunOptions = {
          context: { defaultValue: { a: 1 }, context: { targetingKey: "u", plan: "pro", email: "e" } },
          details: { value: { b: [1] } }
        }
        const [before, after] = yield* logged(hook, options)
        assert.strictEqual(before?.level, "Warn")
        assert.strictEqual(before?.annotations["default_value"], "{\"a\":1}")
        assert.strictEqual(before?.annotations["evaluation_context"], "{\"plan\":\"pro\",\"targetingKey\":\"u\"}")
        assert.strictEqual(after?.level, "Info")
        assert.strictEqual(after?.annotations["value"], "{\"b\":[1]}")
        const failed = yield* logged(hook, { ...options, error: { message: "line\nbreak" } })
        assert.strictEqual(failed[1]?.level, "Fatal")
        assert.strictEqual(failed[1]?.annotations["error_message"], "line\\u000abreak")
      }))
  }

  it.effect("are left out by stage and by the minimum level", () =>
    Effect.gen(function*() {
      const messages = (options: LoggingHook.Options, run: Fixtures.RunOptions = {}) =>
        Effect.map(
          logged(LoggingHook.make(options), run),
          (records) => records.map(({ annotations }) => annotations["stage"])
        )
      assert.deepStrictEqual(yield* messages({ before: false }), ["after"])
      assert.deepStrictEqual(yield* messages({ after: false }), ["before"])
      assert.deepStrictEqual(yield* messages({ error: false }, { error: new Error("no") }), ["before"])
      const records: Array<LogRecord> = []
      yield* Effect.provide(Fixtures.run(LoggingHook.make()), logsTo(records, "Info"))
      assert.deepStrictEqual(records.map(({ annotations }) => annotations["stage"]), ["after"])
    }))

  it("are none, and need no hook, when all stages are left out", () => {
    assert.strictEqual(LoggingHook.make({ before: false, after: false, error: false }), FeatureHook.empty)
  })

  it.effect("make no field for a record that nobody sees", () =>
    Effect.gen(function*() {
      let read = 0
      const context = Object.defineProperty({}, "plan", { enumerable: true, get: () => ++read })
      const hook = LoggingHook.make({ context: ["plan"] })
      const before = hook.parts[0].before!
      const view = { ...Fixtures.hookContext(), flagKey: "a", context }
      const stage = Effect.sync(() => before(view, HookHints.empty, { startedAt: undefined }))
      yield* Effect.provideService(stage, References.MinimumLogLevel, "Info")
      assert.strictEqual(read, 0)
    }))

  it.effect("stand beside the annotations of the caller", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const { flags } = yield* client({ a: TestProvider.value(true) }, { hooks: [LoggingHook.make()] })
      yield* flags.boolean("a", false).pipe(
        Effect.annotateLogs("request", "r-1"),
        Effect.provide(logsTo(records))
      )
      assert.deepStrictEqual(records.map(({ annotations }) => annotations["request"]), ["r-1", "r-1"])
    }))

  it.effect("are one bounded line each, whatever the data are", () =>
    Effect.gen(function*() {
      const evil = "a\nlevel=FATAL\r\u001b[31m\u2028\u0085\u202e"
      const lines: Array<string> = []
      const hook = LoggingHook.make({
        before: "Info",
        after: "Info",
        values: true,
        errorMessage: true,
        context: [evil, "targetingKey"],
        maxLength: 60
      })
      const capture = Logger.layer([Logger.map(Logger.formatLogFmt, (line) => void lines.push(line))])
      const options: Fixtures.RunOptions = {
        context: {
          flagKey: evil,
          domain: evil,
          providerName: evil,
          defaultValue: { [evil]: evil.repeat(1000) },
          context: { targetingKey: evil, [evil]: evil.repeat(1000) }
        },
        details: { value: evil.repeat(1000), variant: evil, reason: evil }
      }
      yield* Effect.provide(Fixtures.run(hook, options), capture)
      yield* Effect.provide(Fixtures.run(hook, { ...options, error: { message: evil } }), capture)
      assert.strictEqual(lines.length, 4)
      for (const line of lines) {
        // oxlint-disable-next-line no-control-regex -- control characters are what this is about
        assert.notMatch(line, /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202e]/)
        assert.isBelow(line.length, 1000)
      }
    }))

  it.effect("survive a variant, a reason and a provider name that are no text", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        for (const odd of [null, 5, { a: 1 }]) {
          const details = { variant: odd, reason: odd } as unknown as NonNullable<Fixtures.RunOptions["details"]>
          const context = { providerName: odd } as unknown as Fixtures.HookContextOptions
          const records = yield* logged(LoggingHook.make(), { details, context })
          assert.strictEqual(records.length, 2)
        }
        assert.deepStrictEqual(failures, [])
      })
    ))
})

describe("privacy", () => {
  for (const [path, change] of paths) {
    it.effect(`no data of a user appear by default, ${path}`, () =>
      Effect.gen(function*() {
        const lines: Array<string> = []
        const capture = Logger.layer([
          Logger.map(Logger.formatLogFmt, (line) => void lines.push(line)),
          Logger.map(Logger.formatJson, (line) => void lines.push(line)),
          Logger.map(Logger.formatSimple, (line) => void lines.push(line))
        ])
        const Secret = HookHints.key<string>("secret")
        const provider = {
          good: TestProvider.value("canary-value", { flagMetadata: { m: "canary-metadata" } }),
          bad: TestProvider.error("PARSE_ERROR", "canary-error"),
          throwing: TestProvider.throwing(new Error("canary-thrown"))
        }
        const failing = FeatureHook.make("failing", {
          before: () => Effect.fail(new Error("canary-hook")),
          error: () => Effect.die("canary-defect"),
          finally: () => Effect.fail({ canary: "canary-finally" })
        })
        const rejecting = FeatureHook.make("rejecting", {
          after: () =>
            Effect.fail(new EvaluationError.EvaluationError({ code: "GENERAL", message: "canary-rejection" }))
        })
        const program = Effect.gen(function*() {
          const { flags } = yield* client(provider, {
            hooks: [change(LoggingHook.make())],
            context: { client: "canary-client" }
          })
          const options = {
            context: { targetingKey: "canary-key", email: "canary-email", nested: { deep: "canary-deep" } },
            hints: HookHints.add(HookHints.fromRecord({ raw: "canary-raw" }), Secret, "canary-hint")
          }
          for (const key of ["good", "bad", "throwing", "missing"]) {
            yield* flags.stringDetails(key, "canary-default", options)
            yield* flags.stringDetails(key, "canary-default", { ...options, hooks: [change(failing)] })
            yield* flags.stringDetails(key, "canary-default", { ...options, hooks: [change(rejecting)] })
            yield* flags.objectDetails(key, { a: "canary-object" }, options)
          }
        })
        yield* program.pipe(
          Effect.provideService(References.MinimumLogLevel, "Trace"),
          Effect.provide(capture),
          Effect.provide(HookFailures.layer())
        )
        assert.isAbove(lines.length, 60)
        for (const line of lines) assert.notInclude(line, "canary")
      }))
  }
})

describe("make", () => {
  it.effect("is an observer: a logger that throws is reported and changes nothing", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const throwing = Logger.layer([Logger.make(() => {
          throw new Error("logger")
        })])
        const outcome = yield* Fixtures.run(LoggingHook.make({ before: "Error", after: false })).pipe(
          Effect.provide(throwing)
        )
        assert.strictEqual(outcome.details.value, true)
        assert.deepStrictEqual(failures.map(({ hook, stage }) => `${hook}.${stage}`), ["logging.before"])
      })
    ))

  it("refuses misuse", () => {
    for (const maxLength of [0, -1, 1.5, Number.NaN]) {
      assert.strictEqual(
        rangeError(() => LoggingHook.make({ maxLength })),
        `LoggingHook.make: maxLength must be an integer >= 1, got ${maxLength}`
      )
    }
  })
})
