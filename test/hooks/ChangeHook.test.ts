import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import {
  BackgroundHook,
  ChangeHook,
  type EvaluationDetails,
  type FeatureHook,
  OpenFeatureHook
} from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { client, collectFailures, paths, plainClient, random, turns } from "../support.ts"

interface Case {
  readonly flagKey?: string
  readonly user?: string | undefined
  readonly variant?: string
  readonly value?: EvaluationDetails.FlagValue
  readonly reason?: string
  readonly error?: unknown
}

const typeOf = (value: EvaluationDetails.FlagValue | undefined) => {
  const type = typeof value
  return type === "string" || type === "number" || type === "object" ? type : "boolean"
}

const evaluate = (hook: FeatureHook.FeatureHook, { error, flagKey = "a", user = "user-1", ...details }: Case) =>
  Fixtures.run(hook, {
    context: {
      flagKey,
      flagValueType: typeOf(details.value),
      context: user === "" ? {} : { targetingKey: user }
    },
    ...error === undefined ? { details } : { error }
  })

const watching = (options: ChangeHook.Options = {}) =>
  Effect.gen(function*() {
    const changes: Array<ChangeHook.Change> = []
    const hook = yield* ChangeHook.make((change) => void changes.push(change), { values: true, ...options })
    return { hook, changes }
  })

const shown = ({ current, flagKey, previous }: ChangeHook.Change) =>
  `${flagKey} ${JSON.stringify(previous.value)} ${JSON.stringify(current.value)}`

describe("a change", () => {
  for (const [path, change] of paths) {
    it.effect(`is another value or variant of the same flag for the same subject, ${path}`, () =>
      Effect.gen(function*() {
        const { changes, hook: made } = yield* watching()
        const hook = change(made)
        for (const value of [true, true, false]) yield* evaluate(hook, { value, reason: `reason-${value}` })
        yield* evaluate(hook, { value: true, user: "user-2" })
        yield* evaluate(hook, { value: true, flagKey: "b" })
        yield* evaluate(hook, { value: 5 })
        yield* evaluate(hook, { value: false, variant: "off", reason: "SPLIT" })
        assert.deepStrictEqual(changes.map(shown), ["a true false", "a false false"])
        assert.deepStrictEqual(changes[1]?.current, {
          value: false,
          variant: "off",
          reason: "SPLIT",
          errorCode: undefined
        })
      }))

    it.effect(`is no error, unless the options say so, ${path}`, () =>
      Effect.gen(function*() {
        for (const errors of [false, true]) {
          const { changes, hook: made } = yield* watching({ errors })
          const hook = change(made)
          for (const error of [undefined, new Error("no"), undefined]) yield* evaluate(hook, { value: true, error })
          assert.deepStrictEqual(
            changes.map(({ current }) => current.errorCode),
            errors ? ["GENERAL", undefined] : []
          )
        }
      }))

    it.effect(`can be handled by an effect or a promise, whose failures are reported, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const handled: Array<string> = []
          const handlers: ReadonlyArray<() => Effect.Effect<void, string> | Promise<void>> = [
            () => Effect.delay(Effect.sync(() => void handled.push("effect")), 0),
            async () => void handled.push("promise"),
            () => Effect.fail("no"),
            () => {
              throw new Error("bug")
            }
          ]
          for (const handler of handlers) {
            const hook = change(yield* ChangeHook.make(handler))
            for (const value of [true, false]) {
              assert.strictEqual((yield* evaluate(hook, { value })).details.value, value)
            }
          }
          yield* turns()
          assert.deepStrictEqual(handled, ["effect", "promise"])
          assert.deepStrictEqual(failures.map(({ hook }) => hook), ["change", "change"])
        })
      ))
  }

  it.effect("of an object is one of its content", () =>
    Effect.gen(function*() {
      const { changes, hook } = yield* watching()
      const live = { limits: [1, 2], plan: { name: "pro" } }
      yield* evaluate(hook, { value: live })
      yield* evaluate(hook, { value: { plan: { name: "pro" }, limits: [1, 2] } })
      assert.deepStrictEqual(changes, [])
      // The provider changes its own object: what was seen before is a copy.
      live.limits.push(3)
      yield* evaluate(hook, { value: live })
      assert.deepStrictEqual(changes.map(({ previous }) => previous.value), [{ limits: [1, 2], plan: { name: "pro" } }])
      yield* evaluate(hook, { value: Number.NaN })
      yield* evaluate(hook, { value: Number.NaN })
      assert.strictEqual(changes.length, 1)
    }))

  it.effect("of a value that is too large is one of its variant", () =>
    Effect.gen(function*() {
      const { changes, hook } = yield* watching()
      const large = (first: number) => [first, ...Array.from({ length: 100_000 }, () => 1)]
      const cyclic: { self?: unknown } = {}
      cyclic.self = cyclic
      yield* evaluate(hook, { value: large(1), variant: "a" })
      yield* evaluate(hook, { value: large(2), variant: "a" })
      yield* evaluate(hook, { value: JSON.stringify(large(3)), flagKey: "b", variant: "a" })
      yield* evaluate(hook, { value: JSON.stringify(large(4)), flagKey: "b", variant: "a" })
      assert.deepStrictEqual(changes, [])
      yield* evaluate(hook, { value: large(2), variant: "b" })
      assert.deepStrictEqual(
        changes.map(({ current, previous }) => [previous.variant, current.variant, current.value]),
        [
          ["a", "b", undefined]
        ]
      )
    }))

  it.effect("does not mix up subjects, flags and domains, whatever their texts", () =>
    Effect.gen(function*() {
      const changes: Array<ChangeHook.Change> = []
      const hook = yield* ChangeHook.make((change) => void changes.push(change))
      for (const [flagKey, user] of [["a", "bc"], ["ab", "c"], ["a b", "c"], ["a", "b c"], ["", "abc"]] as const) {
        yield* evaluate(hook, { flagKey, user, value: flagKey.length % 2 === 0 })
      }
      for (const value of [true, false]) {
        const { flags } = yield* client({ a: TestProvider.value(value) }, { hooks: [hook] })
        yield* flags.boolean("a", false, { context: { targetingKey: "user-1" } })
      }
      assert.deepStrictEqual(changes, [])
    }))

  it.effect("needs a subject, which an option can give", () =>
    Effect.gen(function*() {
      const { changes, hook } = yield* watching()
      for (const value of [true, false]) yield* evaluate(hook, { user: "", value })
      for (const value of [true, false]) yield* evaluate(hook, { user: "x".repeat(5000), value })
      assert.deepStrictEqual(changes, [])
      const all = yield* watching({ subject: () => "everybody" })
      for (const [user, value] of [["user-1", true], ["user-2", false]] as const) {
        yield* evaluate(all.hook, { user, value })
      }
      assert.deepStrictEqual(all.changes.map(shown), ["a true false"])
    }))

  it.effect("has no value and no targeting key by default", () =>
    Effect.gen(function*() {
      const changes: Array<ChangeHook.Change> = []
      const hook = yield* ChangeHook.make((change) => void changes.push(change))
      for (const value of ["secret-1", "secret-2"]) yield* evaluate(hook, { user: "secret", value })
      assert.strictEqual(changes.length, 1)
      assert.notInclude(JSON.stringify(changes), "secret")
      const open = yield* watching({ targetingKey: "raw", redact: (name, value) => name === "value" ? "<v>" : value })
      for (const value of ["secret-1", "secret-2"]) yield* evaluate(open.hook, { user: "user-1", value })
      assert.deepInclude(open.changes[0], { targetingKey: "user-1" })
      assert.strictEqual(open.changes[0]?.current.value, "<v>")
    }))

  it.effect("is found for a limited number of subjects, those that were evaluated last", () =>
    Effect.gen(function*() {
      const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
      const { below } = random(seed)
      const { changes, hook } = yield* watching({ capacity: 5 })
      // The same by a list: the last five subjects, and what they got.
      let last: ReadonlyArray<readonly [user: string, value: number]> = []
      const expected: Array<string> = []
      for (let step = 0; step < 500; step++) {
        const user = `user-${below(8)}`
        const value = below(3)
        const before = last.find(([known]) => known === user)
        if (before !== undefined && before[1] !== value) expected.push(`a ${before[1]} ${value}`)
        last = [...last.filter(([known]) => known !== user), [user, value] as const].slice(-5)
        yield* evaluate(hook, { user, value })
      }
      assert.deepStrictEqual(changes.map(shown), expected, `SEED=${seed}`)
    }))
})

describe("the stream of changes", () => {
  it.effect("has every change, and a slow reader loses the newest, which are counted", () =>
    Effect.gen(function*() {
      const { changes, dropped, hook } = yield* ChangeHook.makeStream({ values: true, bufferSize: 2 })
      const reader = yield* Effect.forkChild(Stream.runCollect(Stream.take(changes, 2)), { startImmediately: true })
      for (const value of [1, 2, 3]) {
        yield* evaluate(hook, { value })
        yield* turns(1)
      }
      assert.deepStrictEqual((yield* Fiber.join(reader)).map(shown), ["a 1 2", "a 2 3"])
      assert.strictEqual(yield* dropped, 0)
      const slow = yield* Effect.forkChild(Stream.runForEach(changes, () => Effect.never), { startImmediately: true })
      for (let value = 0; value < 10; value++) yield* evaluate(hook, { value })
      assert.isAbove(yield* dropped, 0)
      yield* Fiber.interrupt(slow)
    }))
})

describe("a change hook", () => {
  it.effect("works in the background, and in a plain application", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const hook = ChangeHook.makeUnsafe(async ({ current, flagKey }) => {
        await Promise.resolve()
        lines.push(`${flagKey} ${current.variant}`)
      })
      const background = BackgroundHook.start(hook)
      let isNew = false
      const answer = Effect.suspend(() => TestProvider.value(isNew, { variant: isNew ? "new" : "old" }))
      const { client } = yield* plainClient({ flags: { a: answer } })
      client.addHooks(OpenFeatureHook.make(background.hook))
      const evaluation = Effect.promise(() => client.getBooleanValue("a", false, { targetingKey: "user-1" }))
      yield* evaluation
      isNew = true
      yield* evaluation
      yield* Effect.promise(background.close)
      assert.deepStrictEqual(lines, ["a new"])
    }))
})
