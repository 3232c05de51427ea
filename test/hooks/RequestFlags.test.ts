import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { FeatureHook, OpenFeatureHook, RequestFlags } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { AsyncLocalStorage } from "node:async_hooks"
import { client, paths, plainClient, rangeError } from "../support.ts"

const script = {
  sale: TestProvider.value(true, { variant: "on" }),
  bare: TestProvider.value(false),
  text: TestProvider.value("private"),
  limit: TestProvider.value(10),
  bad: TestProvider.error("PARSE_ERROR", "secret text")
}
const numbered = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`flag-${i}`, TestProvider.value(true)]))
const keysOf = (flags: ReadonlyArray<RequestFlags.RequestFlag>) => flags.map(({ flagKey }) => flagKey)

for (const [path, change] of paths) {
  describe(`the flags of a request, ${path}`, () => {
    const evaluated = Effect.fnUntraced(function*(options: RequestFlags.Options) {
      const { flags } = yield* client(script, { hooks: [change(RequestFlags.make(options))] })
      return yield* Effect.gen(function*() {
        yield* flags.boolean("sale", false)
        yield* flags.boolean("bare", true)
        yield* flags.string("text", "")
        yield* flags.number("limit", 0)
        yield* flags.boolean("bad", false)
        return yield* RequestFlags.flags
      }).pipe(RequestFlags.withScope)
    })

    it.effect("have key, variant, boolean value and error code, and no other value and no text", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* evaluated({ context: ["plan"], targetingKey: "raw" }), [
          { flagKey: "sale", variant: "on", value: true },
          { flagKey: "bare", value: false },
          { flagKey: "text" },
          { flagKey: "limit" },
          { flagKey: "bad", errorCode: "PARSE_ERROR" }
        ])
      }))

    it.effect("have values and error messages if they may, redacted", () =>
      Effect.gen(function*() {
        const redact = (name: string, value: unknown) => name === "variant" ? undefined : value
        assert.deepStrictEqual(yield* evaluated({ values: true, errorMessage: true, redact, maxLength: 6 }), [
          { flagKey: "sale", value: true },
          { flagKey: "bare", value: false },
          { flagKey: "text", value: "priva…" },
          { flagKey: "limit", value: 10 },
          { flagKey: "bad", errorCode: "PARSE_ERROR", errorMessage: "secre…" }
        ])
      }))

    it.effect("are the latest 100, or as many as they may be, the latest last", () =>
      Effect.gen(function*() {
        const latest = Effect.fnUntraced(function*(options: RequestFlags.Options) {
          const { flags } = yield* client(numbered, { hooks: [change(RequestFlags.make(options))] })
          return yield* Effect.gen(function*() {
            for (let i = 0; i < 200; i++) {
              yield* flags.boolean(`flag-${i}`, false)
              yield* flags.boolean("flag-0", false)
            }
            return keysOf(yield* RequestFlags.flags)
          }).pipe(RequestFlags.withScope)
        })
        const usual = yield* latest({})
        assert.strictEqual(usual.length, 100)
        assert.deepStrictEqual([usual[0], usual[98], usual[99]], ["flag-101", "flag-199", "flag-0"])
        assert.deepStrictEqual(yield* latest({ maxFlags: 2 }), ["flag-199", "flag-0"])
      }))

    it.effect("are those of the request, not of others that run at once, nor of an outer one", () =>
      Effect.gen(function*() {
        const { flags } = yield* client(numbered, { hooks: [change(RequestFlags.make())] })
        const request = (from: number) =>
          Effect.gen(function*() {
            for (let i = from; i < from + 3; i++) yield* flags.boolean(`flag-${i}`, false)
            // A child fiber belongs to the request.
            yield* Fiber.join(yield* Effect.forkChild(flags.boolean(`flag-${from + 3}`, false)))
            return keysOf(yield* RequestFlags.flags)
          }).pipe(RequestFlags.withScope)
        const all = yield* Effect.forEach([0, 10, 20, 30], request, { concurrency: "unbounded" })
        assert.deepStrictEqual(all, [0, 10, 20, 30].map((from) => [0, 1, 2, 3].map((i) => `flag-${from + i}`)))
        const [inner, outer] = yield* Effect.gen(function*() {
          yield* flags.boolean("flag-50", false)
          const inner = yield* request(60)
          return [inner, keysOf(yield* RequestFlags.flags)]
        }).pipe(RequestFlags.withScope)
        assert.strictEqual(inner?.length, 4)
        assert.deepStrictEqual(outer, ["flag-50"])
      }))

    it.effect("are none outside of a request", () =>
      Effect.gen(function*() {
        const { flags } = yield* client(script, { hooks: [change(RequestFlags.make())] })
        assert.isTrue(yield* flags.boolean("sale", false))
        assert.deepStrictEqual(yield* RequestFlags.flags, [])
        assert.deepStrictEqual(RequestFlags.current(), [])
        assert.deepStrictEqual(yield* RequestFlags.withScope(RequestFlags.flags), [])
      }))

    it.effect("are found by a callback in plain code, of requests that run at once", () =>
      Effect.gen(function*() {
        const { client } = yield* plainClient({ flags: numbered })
        // The second hook makes later stages of the first run in a fiber.
        client.addHooks(OpenFeatureHook.make(
          change(RequestFlags.make()),
          FeatureHook.make("slow", { finally: () => Effect.yieldNow })
        ))
        const request = (from: number) =>
          RequestFlags.run(async () => {
            for (let i = from; i < from + 3; i++) await client.getBooleanValue(`flag-${i}`, false)
            return keysOf(RequestFlags.current())
          })
        const all = yield* Effect.promise(() => Promise.all([0, 10, 20].map(request)))
        assert.deepStrictEqual(all, [0, 10, 20].map((from) => [0, 1, 2].map((i) => `flag-${from + i}`)))
        assert.deepStrictEqual(RequestFlags.current(), [])
      }))

    it.effect("are found in the region of the fiber that calls a plain client", () =>
      Effect.gen(function*() {
        const { client } = yield* plainClient({ flags: script })
        client.addHooks(OpenFeatureHook.make(change(RequestFlags.make())))
        const keys = yield* Effect.promise(() => client.getBooleanValue("sale", false)).pipe(
          Effect.andThen(Effect.sync(() => keysOf(RequestFlags.current()))),
          RequestFlags.withScope
        )
        assert.deepStrictEqual(keys, ["sale"])
      }))

    it.effect("are those of the application's own request, if it has one", () =>
      Effect.gen(function*() {
        const requests = new AsyncLocalStorage<object>()
        const { client } = yield* plainClient({ flags: numbered })
        const hook = RequestFlags.make({ request: () => requests.getStore() })
        client.addHooks(OpenFeatureHook.make(change(hook)))
        const [first, second] = [{}, {}]
        yield* Effect.promise(() =>
          Promise.all([
            requests.run(first, () => client.getBooleanValue("flag-1", false)),
            requests.run(second, () => client.getBooleanValue("flag-2", false)),
            RequestFlags.run(async () => {
              await client.getBooleanValue("flag-3", false)
              assert.deepStrictEqual(keysOf(RequestFlags.current()), ["flag-3"])
            })
          ])
        )
        assert.deepStrictEqual([first, second].map((one) => keysOf(RequestFlags.of(one))), [["flag-1"], ["flag-2"]])
        assert.deepStrictEqual(RequestFlags.of({}), [])
      }))
  })
}

describe("options of RequestFlags.make", () => {
  it("are refused by name", () => {
    for (
      const [options, message] of [
        [{ maxFlags: 0 }, "RequestFlags.make: maxFlags must be an integer >= 1, got 0"],
        [{ request: {} }, "RequestFlags.make: request must be a function"],
        [{ values: "yes" }, "RequestFlags.make: values must be true or false, got yes"],
        [{ max: 1 }, "RequestFlags.make: there is no option \"max\""]
      ] as const
    ) {
      const found = rangeError(() => Reflect.apply(RequestFlags.make, undefined, [options]))
      assert.isTrue(found.startsWith(message), found)
    }
  })

  it("may fail in `request`, which changes nothing", async () => {
    const throwing = () => {
      throw new Error("no")
    }
    const evaluated = Effect.gen(function*() {
      const { flags } = yield* client(script, { hooks: [RequestFlags.make({ request: throwing })] })
      yield* flags.boolean("sale", false)
      return yield* RequestFlags.flags
    }).pipe(RequestFlags.withScope, Effect.scoped)
    assert.deepStrictEqual(keysOf(await Effect.runPromise(evaluated)), ["sale"])
  })
})
