import { assert, describe, it } from "@effect/vitest"
import * as SDK from "@openfeature/server-sdk"
import { Effect } from "effect"
import { FeatureHook, HookHints, OpenFeatureHook } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { answers, ending, evaluate, isDeepFrozen, makeClient, ways } from "./rig.ts"

const convert = (name: string, hook: SDK.Hook) => OpenFeatureHook.toFeatureHook(name, hook)

describe("hints of a converted hook", () => {
  for (const [way, kind, change] of ways) {
    it.effect(`are undefined where nobody gave any, ${way}`, () =>
      Effect.gen(function*() {
        const seen: Array<unknown> = []
        const hook: SDK.Hook = {
          before: (_context, hints) => void seen.push(hints),
          after: (_context, _details, hints) => void seen.push(hints),
          error: (_context, _error, hints) => void seen.push(hints),
          finally: (_context, _details, hints) => void seen.push(hints)
        }
        const client = yield* makeClient(kind, { hooks: [change(convert("look", hook))] })
        yield* client.evaluate("good")
        yield* client.evaluate("bad")
        assert.deepStrictEqual(seen, Array.from({ length: 6 }, () => undefined))
      }))

    it.effect(`are frozen all the way down, and the caller's own stay as they were, ${way}`, () =>
      Effect.gen(function*() {
        const seen: Array<SDK.HookHints | undefined> = []
        const hints = { audit: { id: 1, list: [{ n: 1 }] } }
        const hook: SDK.Hook = {
          before: (_context, hints) => void seen.push(hints),
          after: (_context, _details, hints) => void seen.push(hints),
          finally: (_context, _details, hints) => void seen.push(hints)
        }
        const effect = FeatureHook.make("effect", {
          before: (_context, hints) => Effect.sync(() => void seen.push(HookHints.toRecord(hints)))
        })
        yield* evaluate(kind, { hints, hooks: [change(convert("look", hook)), change(effect)] })
        assert.strictEqual(seen.length, 4)
        for (const record of seen) {
          assert.deepStrictEqual({ ...record }, { audit: { id: 1, list: [{ n: 1 }] } })
          assert.isTrue(isDeepFrozen(record))
          assert.isFalse(Reflect.set(Object(record?.["audit"]), "id", 2))
        }
        assert.deepStrictEqual(hints, { audit: { id: 1, list: [{ n: 1 }] } })
        assert.isFalse(Object.isFrozen(hints.audit) || Object.isFrozen(hints.audit.list))
      }))
  }
})

describe("the metadata in a hook context", () => {
  const names = ["clientMetadata", "providerMetadata"] as const
  for (const [way, kind, change] of ways) {
    it.effect(`is frozen all the way down, and nobody else sees an attempt to write, ${way}`, () =>
      Effect.gen(function*() {
        const problems: Array<string> = []
        let count = 0
        const attack = (who: string, context: Pick<SDK.HookContext, "clientMetadata" | "providerMetadata">) => {
          for (const name of names) {
            count++
            if (!isDeepFrozen(context[name])) problems.push(`${who}: ${name} is not frozen`)
          }
          for (const target of [context.providerMetadata, context.clientMetadata.providerMetadata]) {
            if (Reflect.set(target, "name", "evil")) problems.push(`${who}: a name was written`)
            const { deep } = Object(Reflect.get(target, "nested"))
            if (Reflect.set(deep, "n", 2)) problems.push(`${who}: nested metadata were written`)
          }
        }
        const plain: SDK.Hook = {
          before: (context) => attack("converted before", context),
          after: (context) => attack("converted after", context),
          finally: (context) => attack("converted finally", context)
        }
        const effect = FeatureHook.make("effect", {
          before: (context) => Effect.sync(() => attack("before", context)),
          after: (context) => Effect.sync(() => attack("after", context)),
          finally: (context) => Effect.sync(() => attack("finally", context))
        })
        const metadata = { name: "p", nested: { deep: { n: 1 } } }
        const provider: SDK.Provider = yield* TestProvider.make({ flags: answers })
        Object.defineProperty(provider, "metadata", { value: metadata, configurable: true })
        const seen: Array<unknown> = []
        yield* evaluate(kind, {
          provider,
          hooks: [change(convert("plain", plain)), change(effect)],
          inner: [{ finally: ({ providerMetadata }) => void seen.push(providerMetadata.name) }]
        })
        assert.strictEqual(count, 12)
        assert.deepStrictEqual(problems, [])
        assert.deepStrictEqual(metadata, { name: "p", nested: { deep: { n: 1 } } })
        assert.isFalse(Object.isFrozen(metadata), "the provider's own object is left as it is")
        assert.deepStrictEqual(seen, ["p"])
      }))

    it.effect(`of a MultiProvider protects those of its children, ${way}`, () =>
      Effect.gen(function*() {
        const written: Array<boolean> = []
        const rename = ({ clientMetadata, providerMetadata }: Pick<SDK.HookContext, (typeof names)[number]>) => {
          for (const target of [providerMetadata, clientMetadata.providerMetadata]) {
            written.push(Reflect.set(Object(Reflect.get(target, "first")), "name", "evil"))
          }
        }
        const first = yield* TestProvider.make({ name: "first", flags: answers })
        const { details } = yield* ending(evaluate(kind, {
          provider: new SDK.MultiProvider([{ provider: first }]),
          hooks: [
            change(convert("plain", { before: rename, finally: rename })),
            change(FeatureHook.make("effect", { after: (context) => Effect.sync(() => rename(context)) }))
          ]
        }))
        assert.deepStrictEqual(written, Array.from({ length: 6 }, () => false))
        assert.strictEqual(first.metadata.name, "first")
        assert.strictEqual(details.value, true)
      }))
  }
})
