import { assert, describe, it } from "@effect/vitest"
import { Effect, Function } from "effect"
import { TestClock } from "effect/testing"
import { FlagFilter, OpenFeatureHook, VersionGateHook } from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { sdkDetails } from "../clients.ts"
import { client, collectFailures, type LogRecord, logsTo, paths, plainClient, rangeError } from "../support.ts"

type Metadata = Readonly<Record<string, string | number | boolean>>

const evaluate = (
  options: VersionGateHook.Options,
  flagMetadata: Metadata,
  change: (typeof paths)[number][1] = (hook) => hook
) =>
  Effect.map(
    Fixtures.run(change(VersionGateHook.make(options)), { details: { flagMetadata } }),
    ({ details: { errorCode, errorMessage } }) => errorCode && `${errorCode}: ${errorMessage}`
  )

const newer = (needed: string, version: string) =>
  `GENERAL: the flag needs version ${needed} or newer, this is ${version}`
const older = (needed: string, version: string) =>
  `GENERAL: the flag needs version ${needed} or older, this is ${version}`

describe("a flag for another version", () => {
  for (const [path, change] of paths) {
    it.effect(`is refused, and others are not, ${path}`, () =>
      Effect.gen(function*() {
        const rows: ReadonlyArray<readonly [version: string, Metadata, string | undefined]> = [
          ["2.3.0", {}, undefined],
          ["2.3.0", { minVersion: "2.3.0" }, undefined],
          ["2.10.0", { minVersion: "2.9.0" }, undefined],
          ["2.2.9", { minVersion: "2.3.0" }, newer("2.3.0", "2.2.9")],
          ["2.3.0-rc.1", { minVersion: "2.3.0" }, newer("2.3.0", "2.3.0-rc.1")],
          ["2.3.0-rc.1", { minVersion: "2.3.0-0" }, undefined],
          ["2.3.0-rc.2", { minVersion: "2.3.0-rc.10" }, newer("2.3.0-rc.10", "2.3.0-rc.2")],
          ["2.3.0+b", { minVersion: "2.3.0+a" }, undefined],
          ["3.0.0", { maxVersion: "3.0.0" }, undefined],
          ["3.0.1", { maxVersion: "3.0.0" }, older("3.0.0", "3.0.1")],
          ["2.0.0", { minVersion: "1.0.0", maxVersion: "3.0.0" }, undefined],
          ["3.0.1", { minVersion: "1.0.0", maxVersion: "3.0.0" }, older("3.0.0", "3.0.1")],
          ["0.9.0", { minVersion: "1.0.0", maxVersion: "0.1.0" }, newer("1.0.0", "0.9.0")]
        ]
        for (const [version, metadata, expected] of rows) {
          assert.strictEqual(yield* evaluate({ version }, metadata, change), expected)
        }
      }))
  }

  it.effect("gives the default value on both clients, and its hooks an error", () =>
    Effect.gen(function*() {
      const hook = VersionGateHook.make({ version: "1.0.0", flags: FlagFilter.prefix("new-") })
      const sale = TestProvider.value(true, { flagMetadata: { minVersion: "2.0.0" } })
      const answers = { "new-sale": sale, "old-sale": sale }
      const { flags } = yield* client(answers, { hooks: [hook] })
      const { client: plain } = yield* plainClient({ flags: answers })
      plain.addHooks(OpenFeatureHook.make(hook))
      for (
        const details of [yield* flags.booleanDetails("new-sale", false), yield* sdkDetails(plain, "new-sale", false)]
      ) {
        assert.deepStrictEqual([details.value, details.errorCode, details.errorMessage], [
          false,
          "GENERAL",
          "the flag needs version 2.0.0 or newer, this is 1.0.0"
        ])
      }
      assert.isTrue(yield* flags.boolean("old-sale", false))
    }))

  it.effect("is told by other names of metadata as well", () =>
    Effect.gen(function*() {
      const options = { version: "1.0.0", metadataKey: "since", maxMetadataKey: "until" }
      assert.strictEqual(yield* evaluate(options, { since: "1.1.0" }), newer("1.1.0", "1.0.0"))
      assert.strictEqual(yield* evaluate(options, { until: "0.1.0" }), older("0.1.0", "1.0.0"))
      assert.isUndefined(yield* evaluate(options, { minVersion: "2.0.0", maxVersion: "0.1.0" }))
      assert.isUndefined(yield* evaluate({ version: "1.0.0", metadataKey: "toString" }, {}))
    }))
})

describe("metadata that is not a version", () => {
  const wrong: ReadonlyArray<string | number | boolean> = [
    "canary",
    "",
    "v2.0.0",
    "2",
    2,
    true,
    `1.2.3-${"a".repeat(300)}`
  ]

  for (const [path, change] of paths) {
    it.effect(`refuses the flag, and is told without its text, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          for (const minVersion of wrong) {
            assert.strictEqual(
              yield* evaluate({ version: "1.0.0" }, { minVersion }, change),
              "PARSE_ERROR: the metadata \"minVersion\" of the flag is not a version"
            )
          }
          assert.strictEqual(failures.length, wrong.length)
          assert.notInclude(JSON.stringify(failures), "canary")
        })
      ))

    it.effect(`names the metadata in the log, and does not say that the hook died, ${path}`, () =>
      Effect.gen(function*() {
        const records: Array<LogRecord> = []
        yield* evaluate({ version: "1.0.0", onInvalid: "allow" }, { minVersion: "canary" }, change).pipe(
          Effect.provide(logsTo(records))
        )
        assert.deepStrictEqual(
          records.map(({ message }) => message),
          ["hook \"version-gate\": the metadata \"minVersion\" of the flag is not a version"]
        )
      }))

    it.effect(`lets the flag through if asked to, and is told once in an interval, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const hook = change(VersionGateHook.make({ version: "1.0.0", onInvalid: "allow", interval: "1 minute" }))
          const run = (flagMetadata: Metadata) =>
            Effect.map(Fixtures.run(hook, { details: { flagMetadata } }), ({ details }) => details.errorMessage)
          for (let i = 0; i < 3; i++) assert.isUndefined(yield* run({ minVersion: "soon" }))
          assert.strictEqual(failures.length, 1)
          // The other end still counts.
          assert.match(String(yield* run({ minVersion: "soon", maxVersion: "0.1.0" })), /0\.1\.0 or older/)
          assert.isUndefined(yield* run({ maxVersion: "soon" }))
          assert.strictEqual(failures.length, 2)
          yield* TestClock.adjust("1 minute")
          yield* run({ minVersion: "soon" })
          assert.strictEqual(failures.length, 3)
        })
      ))
  }

  it.effect("by its type, or cannot be read at all, does not fail the hook", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const hostile = new Proxy({}, {
          getOwnPropertyDescriptor: () => {
            throw new Error("no")
          }
        })
        const answers: Readonly<Record<string, object>> = { structure: { minVersion: {} }, hostile }
        const { client: plain } = yield* plainClient({
          flags: (flagKey) => Effect.succeed({ value: true, flagMetadata: Function.cast(answers[flagKey]) })
        })
        plain.addHooks(OpenFeatureHook.make(VersionGateHook.make({ version: "1.0.0" })))
        assert.strictEqual((yield* sdkDetails(plain, "structure", false)).errorCode, "PARSE_ERROR")
        assert.isTrue((yield* sdkDetails(plain, "hostile", false)).value)
      })
    ))
})

describe("make", () => {
  it("refuses what is no version, by name", () => {
    const message = (options: unknown) => rangeError(() => VersionGateHook.make(Function.cast(options)))
    assert.strictEqual(message({}), "VersionGateHook.make: version is missing")
    assert.strictEqual(message({ version: undefined }), "VersionGateHook.make: version is missing")
    assert.strictEqual(
      message({ version: "2.3" }),
      "VersionGateHook.make: version must be a semantic version, such as \"2.3.0\", got 2.3"
    )
    assert.strictEqual(
      message({ version: "1.0.0", metadataKey: "a", maxMetadataKey: "a" }),
      "VersionGateHook.make: metadataKey and maxMetadataKey must differ"
    )
    message({ version: "1.0.0", onInvalid: "reject" })
    message({ version: "1.0.0", minVersion: "1.0.0" })
  })
})
