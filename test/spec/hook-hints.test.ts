import { assert, describe } from "@effect/vitest"
import type * as SDK from "@openfeature/server-sdk"
import { Effect, Predicate } from "effect"
import { HookHints } from "effect-openfeature"
import { type RecordingHook, TestProvider } from "effect-openfeature/testing"
import { kinds, recording, writable } from "./hook.ts"
import { failure, rule } from "./rig.ts"

const answers = [TestProvider.value(true), failure]

describe("4.2 hook hints", () => {
  rule(
    "4.2.1 hints hold booleans, text, numbers, dates and structures under any name",
    (rig) =>
      Effect.gen(function*() {
        const hints: SDK.HookHints = {
          flag: true,
          text: "a",
          number: 1.5,
          when: new Date(0),
          tree: { list: [1, { deep: "b" }] }
        }
        for (const [kind, looking] of kinds(rig)) {
          const seen: Array<unknown> = []
          yield* rig.evaluate({ client: [looking((_told, hints) => seen.push({ ...hints }))], hints })
          assert.deepStrictEqual(seen, [hints, hints, hints], kind)
        }
      })
  )

  rule("4.2.2.1 a hook cannot change the hints, and nobody sees that it tried", (rig) =>
    Effect.gen(function*() {
      for (const [kind, looking] of kinds(rig)) {
        for (const answer of answers) {
          const hints = { audit: "12345" }
          const seen: Array<unknown> = []
          const written: Array<string> = []
          const writing = looking((_told, hints) => written.push(...writable(hints)))
          const watching = looking((_told, hints) => seen.push({ ...hints }))
          yield* rig.evaluate({ api: [watching], client: [writing], invocation: [watching], hints, answer })
          assert.deepStrictEqual(written, [], kind)
          assert.deepStrictEqual(seen, Array.from({ length: 6 }, () => ({ audit: "12345" })), kind)
          assert.deepStrictEqual(hints, { audit: "12345" })
        }
      }
    }))
})

describe("4.2.2 metadata in the hook context", () => {
  const metadata: unknown = { name: "test", nested: { level: "live" } }

  rule(
    "4.2.2.2 a hook cannot change the metadata of the client, nor the provider's in it",
    (rig) =>
      Effect.gen(function*() {
        for (const [kind, looking] of kinds(rig)) {
          const written: Array<string> = []
          const seen: Array<SDK.ClientMetadata> = []
          const writing = looking((told) => {
            if (Reflect.set(told, "clientMetadata", {})) written.push("clientMetadata")
            written.push(...writable(told.clientMetadata))
          })
          const watching = looking((told) => seen.push(told.clientMetadata))
          const { details, providerMetadata } = yield* rig.evaluate({ api: [writing], client: [watching] })
          assert.isUndefined(details.errorCode)
          assert.strictEqual(seen.length, 3)
          for (const client of seen) {
            assert.match(client.domain ?? "", /^spec-\d+$/)
            assert.deepEqual<unknown>({ ...client.providerMetadata }, metadata, kind)
          }
          assert.deepStrictEqual(providerMetadata, metadata, kind)
          assert.deepStrictEqual(written, [], kind)
        }
      })
  )

  rule("4.2.2.3 a hook cannot change the metadata of the provider", (rig) =>
    Effect.gen(function*() {
      for (const [kind, looking] of kinds(rig)) {
        const written: Array<string> = []
        const seen: Array<unknown> = []
        const writing = looking((told) => {
          if (Reflect.set(told, "providerMetadata", {})) written.push("providerMetadata")
          written.push(...writable(told.providerMetadata))
        })
        const watching = looking((told) => seen.push({ ...told.providerMetadata }))
        const { details, providerMetadata } = yield* rig.evaluate({ api: [writing], client: [watching] })
        assert.isUndefined(details.errorCode)
        assert.deepStrictEqual(seen, [metadata, metadata, metadata], kind)
        assert.deepStrictEqual(providerMetadata, metadata, kind)
        assert.deepStrictEqual(written, [], kind)
      }
    }))
})

describe("4.5 hook hints of an evaluation", () => {
  const AuditId = HookHints.key("audit.id", Predicate.isString)

  rule(
    "4.5.1 the hints of an evaluation reach the hooks, typed where they have a key",
    (rig) =>
      Effect.gen(function*() {
        const journal: Array<RecordingHook.Entry> = []
        yield* rig.evaluate({ invocation: [recording(rig, "hook", journal)], hints: { "audit.id": "12345" } })
        assert.deepStrictEqual(
          journal.map((entry) => HookHints.getOrUndefined(entry.hints, AuditId)),
          ["12345", "12345", "12345"]
        )
      })
  )

  rule("4.5.1 an evaluation needs no hints", (rig) =>
    Effect.gen(function*() {
      for (const [kind, looking] of kinds(rig)) {
        const seen: Array<unknown> = []
        yield* rig.evaluate({ invocation: [looking((_told, hints) => seen.push({ ...hints }))] })
        assert.deepStrictEqual(seen, [{}, {}, {}], kind)
      }
    }))

  rule("4.5.2 the hints are passed to each hook of each level in each stage", (rig) =>
    Effect.gen(function*() {
      for (const [kind, looking] of kinds(rig)) {
        for (const answer of answers) {
          const seen: Array<unknown> = []
          const hook = () => [looking((_told, hints, stage) => seen.push([stage, { ...hints }]))]
          yield* rig.evaluate({
            api: hook(),
            client: hook(),
            invocation: hook(),
            provider: hook(),
            hints: { audit: "1" },
            answer
          })
          const stages = ["before", answer === failure ? "error" : "after", "finally"]
          const expected = stages.flatMap((stage) => Array.from({ length: 4 }, () => [stage, { audit: "1" }]))
          assert.deepStrictEqual(seen, expected, kind)
        }
      }
    }))

  rule("4.5.3 a hook cannot alter what is nested in the hints", (rig) =>
    Effect.gen(function*() {
      const original = () => ({ audit: "1", nested: { list: [1, { deep: "a" }] } })
      for (const [kind, looking] of kinds(rig)) {
        for (const answer of answers) {
          const hints = original()
          const seen: Array<unknown> = []
          const written: Array<string> = []
          const writing = looking((_told, hints) => written.push(...writable(hints)))
          const watching = looking((_told, hints) => seen.push({ ...hints }))
          yield* rig.evaluate({ api: [watching], client: [writing], invocation: [watching], hints, answer })
          assert.deepStrictEqual(hints, original(), kind)
          assert.deepStrictEqual(seen, Array.from({ length: 6 }, original), kind)
          assert.deepStrictEqual(written, [], kind)
        }
      }
    }))

  rule(
    "4.5.3 the hints that the caller gave are as they were, also when a hook adds some",
    (rig) =>
      Effect.gen(function*() {
        const hints: SDK.HookHints = { audit: "1", nested: { list: [1] } }
        const journal: Array<RecordingHook.Entry> = []
        const adding = rig.hook("adding", { before: () => ({ hints: HookHints.make(AuditId, "later") }) })
        yield* rig.evaluate({ api: [adding], client: [recording(rig, "hook", journal)], hints })
        assert.deepStrictEqual(hints, { audit: "1", nested: { list: [1] } })
        assert.deepStrictEqual(
          journal.map((entry) => HookHints.getOrUndefined(entry.hints, AuditId)),
          ["later", "later", "later"]
        )
      })
  )
})
