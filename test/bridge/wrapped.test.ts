import { assert, describe, it } from "@effect/vitest"
import * as SDK from "@openfeature/server-sdk"
import { Effect } from "effect"
import { FeatureHook, HookHints, MetricsHook, OpenFeatureHook } from "effect-openfeature"
import { collectFailures, sdkContext, wrapping } from "../support.ts"
import { makeClient, ways } from "./rig.ts"

/** What strangers put between the SDK and a hook. */
const wrappers: Readonly<Record<string, (hook: SDK.Hook) => SDK.Hook>> = {
  "that copies the hook context": wrapping((context) => ({ ...context })),
  "that hands on a proxy of the hook context": wrapping((context) => new Proxy(context, {})),
  "that is the bridge there and back": (hook) => OpenFeatureHook.make(OpenFeatureHook.toFeatureHook("again", hook)),
  "that is the bridge there and back twice": (hook) =>
    OpenFeatureHook.make(
      OpenFeatureHook.toFeatureHook("outer", OpenFeatureHook.make(OpenFeatureHook.toFeatureHook("inner", hook)))
    )
}

const Id = HookHints.key<string>("test.id")

/** A hook that opens in before what it closes in finally, and one program that does the same. */
const resources = () => {
  const journal: Array<string> = []
  const note = (entry: string) => Effect.sync(() => void journal.push(entry))
  const around = FeatureHook.around(
    "around",
    ({ flagKey }, evaluate) =>
      Effect.acquireUseRelease(note(`acquire ${flagKey}`), () => evaluate, () => note(`release ${flagKey}`))
  )
  const data = FeatureHook.make("data", {
    hookData: () => ({ flagKey: "none" }),
    before: ({ flagKey }, _hints, data) =>
      Effect.sync(() => {
        data.flagKey = flagKey
        return { hints: HookHints.make(Id, flagKey) }
      }),
    finally: ({ flagKey }, _details, hints, data) =>
      note(`finally ${flagKey} ${data.flagKey} ${String(HookHints.getOrUndefined(hints, Id))}`)
  })
  const expected = (flagKey: string) => [
    `acquire ${flagKey}`,
    `finally ${flagKey} ${flagKey} ${flagKey}`,
    `release ${flagKey}`
  ]
  return { hooks: [around, data], journal, expected }
}

describe("a bridged hook behind a wrapper", () => {
  for (const [how, wrap] of Object.entries(wrappers)) {
    for (const [way, kind, change] of ways) {
      it.effect(`${how} releases what it acquired and keeps its data and hints, ${way}`, () =>
        collectFailures((failures) =>
          Effect.gen(function*() {
            const { expected, hooks, journal } = resources()
            const hook = wrap(OpenFeatureHook.make(...hooks.map((hook) => change<unknown, never>(hook))))
            const client = yield* makeClient(kind, { outer: [hook] })
            for (const flagKey of ["good", "bad"]) {
              journal.length = 0
              yield* client.evaluate(flagKey)
              assert.sameMembers(journal, expected(flagKey))
            }
            journal.length = 0
            const many = Array.from({ length: 20 }, (_, n) => `flag-${n}`)
            yield* Effect.forEach(many, client.evaluate, { concurrency: "unbounded" })
            assert.sameMembers(journal, many.flatMap(expected))
            assert.deepStrictEqual(failures, [])
          })
        ))

      it.effect(`${how} counts an evaluation once and measures it, ${way}`, () =>
        Effect.gen(function*() {
          const seen: Array<unknown> = []
          const metrics = MetricsHook.make(({ duration, flagKey, success }) =>
            Effect.sync(() => seen.push([flagKey, success, duration !== undefined]))
          )
          const client = yield* makeClient(kind, { outer: [wrap(OpenFeatureHook.make(change(metrics)))] })
          yield* client.evaluate("good")
          yield* client.evaluate("bad")
          assert.deepStrictEqual(seen, [["good", true, true], ["bad", false, true]])
        }))
    }
  }

  it.effect("registered twice keeps two sets of data, wrapped or not", () =>
    Effect.gen(function*() {
      for (const wrap of [(hook: SDK.Hook) => hook, ...Object.values(wrappers)]) {
        for (const [, kind, change] of ways) {
          let made = 0
          const seen: Array<string> = []
          const hook = OpenFeatureHook.make(change(FeatureHook.make("numbered", {
            hookData: () => ++made,
            before: (_context, _hints, n) => Effect.sync(() => void seen.push(`before ${n}`)),
            finally: (_context, _details, _hints, n) => Effect.sync(() => void seen.push(`finally ${n}`))
          })))
          const client = yield* makeClient(kind, { outer: [wrap(hook), wrap(hook)] })
          yield* client.evaluate("good")
          assert.deepStrictEqual(seen, ["before 1", "before 2", "finally 2", "finally 1"])
        }
      }
    }))

  it.effect("that is put into FeatureFlags converted keeps its data there as well", () =>
    Effect.gen(function*() {
      for (const [, kind, change] of ways) {
        const { expected, hooks, journal } = resources()
        const again = OpenFeatureHook.toFeatureHook(
          "again",
          OpenFeatureHook.make(...hooks.map((hook) => change<unknown, never>(hook)))
        )
        const client = yield* makeClient(kind, { hooks: [again] })
        for (const flagKey of ["good", "bad"]) {
          journal.length = 0
          yield* client.evaluate(flagKey)
          assert.sameMembers(journal, expected(flagKey))
        }
      }
    }))

  it.effect("tells the children of a MultiProvider apart, who share their hook data", () =>
    Effect.gen(function*() {
      for (const wrap of [(hook: SDK.Hook) => hook, ...Object.values(wrappers)]) {
        let made = 0
        const seen: Array<string> = []
        const hook = wrap(OpenFeatureHook.make(FeatureHook.make("numbered", {
          hookData: () => ++made,
          before: (_context, _hints, n) => Effect.sync(() => void seen.push(`before ${n}`)),
          finally: (_context, _details, _hints, n) => Effect.sync(() => void seen.push(`finally ${n}`))
        })))
        const hookData = new SDK.MapHookData()
        const child = (): SDK.HookContext => ({ ...sdkContext(), hookData })
        const [one, two] = [child(), child()]
        const details = { flagKey: "a", value: true, flagMetadata: {} }
        yield* Effect.promise(async () => {
          await hook.before?.(one)
          await hook.before?.(two)
          await hook.finally?.(two, details)
          await hook.finally?.(one, details)
        })
        assert.deepStrictEqual(seen, ["before 1", "before 2", "finally 2", "finally 1"])
      }
    }))
})
