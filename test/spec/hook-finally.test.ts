import { assert, describe, it } from "@effect/vitest"
import { ErrorCode, type EvaluationDetails as SdkDetails, type ResolutionDetails } from "@openfeature/server-sdk"
import { Effect } from "effect"
import { EvaluationError, FeatureFlags, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { type RecordingHook, TestProvider } from "effect-openfeature/testing"
import { recording, short } from "./hook.ts"
import { failure, flagKey, newDomain, rule, silent } from "./rig.ts"

const rejection = (message: string) => new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message })

const rejecting = (stage: "before" | "after", message = "rejected") =>
  FeatureHook.make("failing", { [stage]: () => Effect.fail(rejection(message)) })

const resolution = (details: Partial<ResolutionDetails<boolean>>): TestProvider.Answer =>
  Effect.succeed({ value: true, ...details })

const flagMetadata = { team: "checkout", version: 3, isOld: false }

describe("4.3.8 finally", () => {
  rule("4.3.8 finally runs last in any case, with context, details and hints", (rig) =>
    Effect.gen(function*() {
      const cases = [
        [{}, "after", undefined],
        [{ api: [rejecting("before")] }, "error", "INVALID_CONTEXT"],
        [{ api: [rejecting("after")] }, "error", "INVALID_CONTEXT"],
        [{ answer: failure }, "error", "GENERAL"]
      ] as const
      for (const [levels, stage, code] of cases) {
        const journal: Array<RecordingHook.Entry> = []
        const { details } = yield* rig.evaluate({
          ...levels,
          client: [recording(rig, "hook", journal)],
          hints: { audit: "1" }
        })
        const last = journal.at(-1)
        assert.deepStrictEqual(short(journal).slice(-2), [`hook.${stage}`, "hook.finally"])
        assert.strictEqual(journal.filter((entry) => entry.stage === "finally").length, 1)
        assert.deepStrictEqual([last?.flagKey, last?.hints.raw["audit"]], [flagKey, "1"])
        assert.deepStrictEqual(last?.details, details)
        assert.strictEqual(details.errorCode, code)
      }
    }))

  const messages = [
    "short",
    "",
    "x".repeat(3000),
    "one\ntwo\r\nthree\u2028four",
    "a tab\t and an escape \u001b[31m"
  ]

  const errors: ReadonlyArray<readonly [answer: TestProvider.Answer, message: string | undefined]> = [
    ...messages.flatMap((message) =>
      [
        [TestProvider.throwing(new Error(message)), message],
        [TestProvider.error("PARSE_ERROR", message), message],
        [resolution({ errorCode: ErrorCode.FLAG_NOT_FOUND, errorMessage: message, flagMetadata }), message]
      ] as const
    ),
    [TestProvider.throwing(undefined), undefined],
    [TestProvider.throwing({}), undefined],
    // The SDK makes an error of it, which has an empty message.
    [resolution({ errorCode: ErrorCode.PARSE_ERROR, flagMetadata }), ""]
  ]

  // Written out, since only the plain SDK has keys without a value.
  const fields = (details: Partial<SdkDetails<boolean>> | RecordingHook.Entry["details"]) => [
    details?.flagKey,
    details?.value,
    details?.variant,
    details?.reason,
    details?.errorCode,
    details?.errorMessage,
    details?.flagMetadata
  ]

  rule(
    "4.3.8 finally is told the details that the caller gets, whatever the message and with the metadata",
    (rig) =>
      Effect.gen(function*() {
        const successes = [resolution({}), resolution({ variant: "on", reason: "SPLIT", flagMetadata })]
        for (const answer of [...successes, ...errors.map(([answer]) => answer)]) {
          const journal: Array<RecordingHook.Entry> = []
          const converted: Array<unknown> = []
          const { details } = yield* rig.evaluate({
            client: [
              recording(rig, "hook", journal),
              OpenFeatureHook.toFeatureHook("converted", {
                finally: (_context, details) =>
                  void converted.push(fields({ ...details, value: details.value === true }))
              })
            ],
            answer
          })
          assert.deepStrictEqual(fields(journal.at(-1)?.details), fields(details))
          assert.deepStrictEqual(converted, [fields(details)])
        }
      })
  )

  rule(
    "4.3.8 finally is told the details that the caller gets when a hook has failed",
    (rig) =>
      Effect.gen(function*() {
        for (const stage of ["before", "after"] as const) {
          for (const message of messages) {
            const journal: Array<RecordingHook.Entry> = []
            const { details } = yield* rig.evaluate({
              client: [recording(rig, "hook", journal)],
              invocation: [rejecting(stage, message)],
              answer: resolution({ flagMetadata })
            })
            assert.strictEqual(details.errorCode, "INVALID_CONTEXT")
            assert.deepStrictEqual(fields(journal.at(-1)?.details), fields(details))
          }
        }
      })
  )

  rule("4.3.8 the caller gets the message of the error", (rig) =>
    Effect.gen(function*() {
      for (const [answer, message] of errors) {
        const { details } = yield* rig.evaluate({ client: [recording(rig, "hook", [])], answer })
        assert.strictEqual(details.errorMessage, rig.told(message))
      }
    }))

  it.effect("4.3.8 finally is told the code that the caller of FeatureFlags gets instead of a foreign one", () =>
    silent(Effect.scoped(Effect.gen(function*() {
      for (const code of ["ENOENT", 5, { a: 1 }]) {
        const seen: Array<unknown> = []
        const provider = TestProvider.make({ flags: { [flagKey]: TestProvider.throwing({ code, message: "no" }) } })
        const flags = yield* FeatureFlags.make({ domain: newDomain(), provider })
        const hook = FeatureHook.make("hook", {
          finally: (_context, details) => Effect.sync(() => void seen.push(details))
        })
        const details = yield* flags.booleanDetails(flagKey, false, { hooks: [hook] })
        assert.deepStrictEqual(seen, [details])
        assert.strictEqual(details.errorCode, "GENERAL")
      }
    }))))

  rule(
    "4.3.8 what a hook writes into the details changes nothing for the others and the caller",
    (rig) =>
      Effect.gen(function*() {
        for (const answer of [resolution({ flagMetadata }), failure]) {
          const journal: Array<RecordingHook.Entry> = []
          const write = (details: object) => {
            for (const key of ["value", "errorCode", "variant"]) Reflect.set(details, key, "written")
          }
          const { details } = yield* rig.evaluate({
            api: [recording(rig, "hook", journal)],
            client: [
              rig.hook("writing", {
                after: (_context, details) => write(details),
                finally: (_context, details) => write(details)
              })
            ],
            answer
          })
          assert.deepStrictEqual(fields(journal.at(-1)?.details), fields(details))
          assert.deepStrictEqual(
            [details.value, details.errorCode, details.variant],
            answer === failure ? [false, "GENERAL", undefined] : [true, undefined, undefined]
          )
        }
      })
  )
})
