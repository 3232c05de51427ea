import { assert, describe, it } from "@effect/vitest"
import type * as SDK from "@openfeature/server-sdk"
import { Clock, Context, Effect } from "effect"
import { FeatureFlags, FeatureHook, FlagFilter, HookHints, OpenFeatureHook } from "effect-openfeature"
import { Fixtures, RecordingHook, TestProvider } from "effect-openfeature/testing"
import { countingClock } from "../clocks.ts"
import { client, collectFailures, deferred, newDomain, paths, plainClient, rangeError } from "../support.ts"

const answers = { good: TestProvider.value(true), bad: TestProvider.throwing(new Error("provider")) }

describe("a deadline", () => {
  it.effect("arms no timer for a stage that stays synchronous, and one for each that does not", () =>
    Effect.gen(function*() {
      for (const isLate of [false, true]) {
        for (const flagKey of ["good", "bad"]) {
          const { clock, sleeping } = yield* countingClock()
          const { hook } = yield* RecordingHook.make("r")
          const { flags } = yield* client(answers, {
            hooks: [FeatureHook.timeout(isLate ? deferred(hook) : hook, "1 second")]
          })
          yield* Effect.provideService(flags.boolean(flagKey, false), Clock.Clock, clock)
          assert.strictEqual(sleeping.ever, isLate ? 3 : 0)
        }
      }
    }))
})

describe("the services of a hook", () => {
  class Who extends Context.Service<Who, string>()("test/guards/Who") {}

  for (const [path, change] of paths) {
    it.effect(`are those of each caller, one after the other and at once, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const look = (stage: string) => ({ flagKey }: { readonly flagKey: string }) =>
          Effect.map(Who, (who) => void seen.push(`${flagKey} ${stage} ${who}`))
        const hook = FeatureHook.make("look", { before: look("before"), finally: look("finally") })
        const { client } = yield* plainClient({ flags: {} })
        client.addHooks(OpenFeatureHook.makeWith(Context.make(Who, "nobody"), change(hook)))
        const evaluate = (name: string) =>
          Effect.provideService(Effect.promise(() => client.getBooleanValue(name, false)), Who, name)
        yield* evaluate("a")
        yield* evaluate("b")
        yield* Effect.all([evaluate("c"), evaluate("d")], { concurrency: 2 })
        const expected = ["a", "b", "c", "d"].flatMap((name) => [`${name} before ${name}`, `${name} finally ${name}`])
        assert.sameMembers(seen, expected)
      }))

    it(`become those of a fiber that a later hook of the evaluation was called in, ${path}`, async () => {
      const seen: Array<string> = []
      const look = (name: string) =>
        FeatureHook.make(name, {
          before: () => Effect.map(Who, (who) => void seen.push(`${name} before ${who}`)),
          finally: () => Effect.map(Who, (who) => void seen.push(`${name} finally ${who}`))
        })
      const bridge = (name: string) => OpenFeatureHook.makeWith(Context.make(Who, "nobody"), change(look(name)))
      const inner = bridge("inner")
      const wrapper: SDK.Hook = {
        ...inner,
        before: (context, hints) =>
          Effect.runPromise(
            Effect.provideService(Effect.promise(async () => inner.before?.(context, hints)), Who, "somebody")
          )
      }
      const { client } = await Effect.runPromise(plainClient({ flags: {} }))
      await client.addHooks(bridge("outer"), wrapper).getBooleanValue("a", false)
      assert.deepStrictEqual(seen, [
        "outer before nobody",
        "inner before somebody",
        "inner finally somebody",
        "outer finally somebody"
      ])
    })
  }
})

describe("the hints of an evaluation", () => {
  for (const [path, change] of paths) {
    for (const where of ["outside of any fiber", "inside a fiber"] as const) {
      it(`stay those of its first stage when somebody swaps the options meanwhile, ${where}, ${path}`, async () => {
        const seen: Array<unknown> = []
        const options: SDK.FlagEvaluationOptions = { hookHints: { id: "first" } }
        const look = FeatureHook.make("look", {
          before: (_context, hints) => Effect.sync(() => void seen.push(HookHints.toRecord(hints)["id"])),
          after: (_context, _details, hints) => Effect.sync(() => seen.push(HookHints.toRecord(hints)["id"])),
          finally: (_context, _details, hints) => Effect.sync(() => seen.push(HookHints.toRecord(hints)["id"]))
        })
        const swap: SDK.Hook = { before: () => void Object.assign(options, { hookHints: { id: "second" } }) }
        const { client } = await Effect.runPromise(plainClient({ flags: answers }))
        client.addHooks(OpenFeatureHook.make(change(look)), swap)
        const evaluate = () => client.getBooleanValue("good", false, {}, options)
        await (where === "inside a fiber" ? Effect.runPromise(Effect.promise(evaluate)) : evaluate())
        assert.deepStrictEqual(seen, ["first", "first", "first"])
      })
    }
  }

  it("keep a typed hint over a raw one of its name when both sides have the same record", () => {
    const name = HookHints.key<string>("name")
    const other = HookHints.key<string>("other")
    const base = HookHints.fromRecord({ name: "raw" })
    const left = HookHints.add(base, name, "left")
    const right = HookHints.add(base, other, "right")
    assert.deepStrictEqual(HookHints.toRecord(HookHints.merge(left, right)), { name: "left", other: "right" })
    assert.deepStrictEqual(HookHints.toRecord(HookHints.merge(left, base)), { name: "left" })
    assert.deepStrictEqual(HookHints.toRecord(HookHints.merge(left, HookHints.fromRecord({ name: "new" }))), {
      name: "new"
    })
  })
})

describe("something that is no contribution", () => {
  for (const [path, change] of paths) {
    it.effect(`is reported once for each hook, however often it comes, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const wrong = (name: string) =>
            change(FeatureHook.make(name, { before: () => Effect.succeed(5 as unknown as FeatureHook.Contribution) }))
          const { flags } = yield* client(answers, { hooks: [wrong("one"), wrong("two")] })
          for (let i = 0; i < 3; i++) assert.isTrue(yield* flags.boolean("good", false))
          assert.deepStrictEqual(failures.map(({ hook }) => hook), ["one", "two"])
        })
      ))
  }
})

describe("an evaluation that has hooks of the provider only", () => {
  const Who = Context.Reference<string>("test/guards/Caller", { defaultValue: () => "nobody" })
  const Id = HookHints.key<string>("test.id")

  for (const [path, change] of paths) {
    it.effect(`tells them of the wrong type, and gives them the caller's services and hints, ${path}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const note = (stage: string, hints: HookHints.HookHints, code = "") =>
          Effect.map(Who, (who) => void seen.push(`${stage} ${who} ${HookHints.getOrUndefined(hints, Id)} ${code}`))
        const hook = FeatureHook.make("provider", {
          before: (_context, hints) => note("before", hints),
          error: (_context, error, hints) => note("error", hints, error.code),
          finally: (_context, details, hints) => note("finally", hints, details.errorCode)
        })
        const provider = yield* TestProvider.make({
          flags: { text: TestProvider.value("text") },
          hooks: [OpenFeatureHook.make(change(hook))]
        })
        const flags = yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(provider) })
        const details = yield* flags.booleanDetails("text", false, {
          hints: HookHints.make(Id, "id-1")
        }).pipe(Effect.provideService(Who, "caller"))
        assert.strictEqual(details.errorCode, "TYPE_MISMATCH")
        assert.deepStrictEqual(seen, [
          "before caller id-1 ",
          "error caller id-1 TYPE_MISMATCH",
          "finally caller id-1 TYPE_MISMATCH"
        ])
      }))
  }
})

describe("a pattern", () => {
  const of = (length: number) => "a".repeat(length)

  it("may have 256 characters and no more", () => {
    const matches = FlagFilter.pattern(of(256))
    assert.isTrue(matches(Fixtures.hookContext({ flagKey: of(256) })))
    assert.isFalse(matches(Fixtures.hookContext({ flagKey: of(255) })))
    assert.include(rangeError(() => FlagFilter.pattern(of(257))), "256")
  })

  it("that is a regular expression looks at keys of up to 256 characters", () => {
    const matches = FlagFilter.pattern(/^a+$/)
    assert.isTrue(matches(Fixtures.hookContext({ flagKey: of(256) })))
    assert.isFalse(matches(Fixtures.hookContext({ flagKey: of(257) })))
  })
})
