import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect } from "effect"
import { vi } from "vitest"
import { collectFailures, newDomain, turns } from "../support.ts"

// What is told once per process needs modules of its own, since test files can share a process.
const fresh = Effect.promise(async () => {
  vi.resetModules()
  return { ...await import("effect-openfeature"), ...await import("effect-openfeature/testing") }
})

describe("a transaction of plain code without the hook", () => {
  it.effect("is told once, with what to do", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const { FeatureFlags, FeatureHook, FlagTransaction, OpenFeatureHook, ResolutionProvider, TestProvider } =
          yield* fresh
        const domain = newDomain()
        const provider = yield* TestProvider.make({ flags: { a: TestProvider.value("provider") } })
        yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider)))
        const client = SDK.OpenFeature.getClient(domain)
        client.addHooks(OpenFeatureHook.make(FeatureHook.make("other", { before: () => undefined })))
        const flags = yield* FeatureFlags.make({ domain })
        // This needs no hook, and has none.
        yield* FeatureFlags.transaction(flags.string("a", "none"))
        const run = Effect.promise(() =>
          FlagTransaction.run({ overrides: { a: "override" } }, () => client.getStringValue("a", "none"))
        )
        for (let i = 0; i < 3; i++) assert.strictEqual((yield* run).value, "provider")
        yield* turns()
        assert.deepStrictEqual(failures.map(({ hook, stage }) => [hook, stage]), [["FlagTransaction", "before"]])
        assert.include(
          failures.map(({ cause }) => Cause.pretty(cause)).join(),
          "add OpenFeatureHook.make(FlagTransaction.hook) to the API or to a client of the SDK"
        )
      })
    ))
})
