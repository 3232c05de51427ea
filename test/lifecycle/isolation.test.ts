import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Predicate, References } from "effect"
import { FeatureFlags, FeatureHook, HookHints, OpenFeatureHook } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { client, deferred, plainClient, random, scale } from "../support.ts"

const Request = Context.Reference<number>("test/Request", { defaultValue: () => -1 })
const Caller = HookHints.key("test.caller", Predicate.isNumber)
const Added = HookHints.key<number>("test.added")

/** At the same time. */
const evaluations = 10_000 * scale

interface Data {
  id: number | undefined
  stages: number
}

/** Checks in every stage that everything it sees belongs to one evaluation. */
const witness = (name: string, problems: Array<string>, seen: { stages: number }) => {
  const check = (stage: string, id: number, hints: HookHints.HookHints, data: Data, isLater: boolean) =>
    Effect.gen(function*() {
      seen.stages++
      const annotations = yield* References.CurrentLogAnnotations
      const found = {
        request: yield* Request,
        annotation: annotations["request"],
        hint: HookHints.getOrUndefined(hints, Caller),
        data: data.id ?? id,
        added: isLater ? HookHints.getOrUndefined(hints, Added) : id
      }
      for (const [what, value] of Object.entries(found)) {
        if (value !== id) problems.push(`${name}.${stage} of ${id}: ${what} is ${String(value)}`)
      }
      if (data.stages !== (isLater ? data.stages : 0)) problems.push(`${name}.${stage}: data used before`)
      data.id = id
      data.stages++
    })
  const idOf = (flagKey: string): number => Number(flagKey.slice(flagKey.indexOf("-") + 1))
  return FeatureHook.make(name, {
    hookData: (): Data => ({ id: undefined, stages: 0 }),
    before: (context, hints, data) => {
      const id = idOf(context.flagKey)
      return Effect.as(check("before", id, hints, data, false), {
        context: { [name]: id },
        hints: HookHints.make(Added, id)
      })
    },
    after: (context, details, hints, data) =>
      Effect.andThen(
        check("after", idOf(context.flagKey), hints, data, true),
        Effect.sync(() => {
          if (details.flagKey !== context.flagKey || context.context[name] !== idOf(context.flagKey)) {
            problems.push(`${name}.after of ${context.flagKey}: ${details.flagKey}`)
          }
        })
      ),
    error: (context, _error, hints, data) => check("error", idOf(context.flagKey), hints, data, true),
    finally: (context, _details, hints, data) => check("finally", idOf(context.flagKey), hints, data, true)
  })
}

/** A provider that answers any key, some at once and some later, some not at all. */
const provider = (): SDK.Provider => {
  const rng = random(21)
  const resolve = async <A>(flagKey: string, value: A): Promise<SDK.ResolutionDetails<A>> => {
    const turns = rng.below(4)
    for (let i = 0; i < turns; i++) await Promise.resolve()
    if (rng.below(50) === 0) await new Promise((resolve) => setImmediate(resolve))
    if (flagKey.startsWith("bad")) throw new Error(flagKey)
    return { value }
  }
  return {
    metadata: { name: "isolation" },
    runsOn: "server",
    resolveBooleanEvaluation: (flagKey) => resolve(flagKey, true),
    resolveStringEvaluation: resolve,
    resolveNumberEvaluation: resolve,
    resolveObjectEvaluation: resolve
  }
}

describe("ten thousand concurrent evaluations", () => {
  it.live("share hooks without seeing each other, through FeatureFlags", () =>
    Effect.gen(function*() {
      const problems: Array<string> = []
      const seen = { stages: 0 }
      const sync = witness("sync", problems, seen)
      const later = deferred(witness("later", problems, seen))
      yield* OpenFeatureHook.register(SDK.OpenFeature, witness("api", problems, seen), later)
      const flags = yield* FeatureFlags.make({
        domain: "isolation",
        provider: Effect.succeed(provider()),
        hooks: [sync, later]
      })
      const rng = random(22)
      yield* Effect.forEach(Array.from({ length: evaluations }, (_, id) => id), (id) => {
        const flagKey = `${rng.below(10) === 0 ? "bad" : "flag"}-${id}`
        const hooks = rng.below(2) === 0 ? [sync] : [later, sync]
        const evaluation = flags.boolean(flagKey, false, { hints: HookHints.make(Caller, id), hooks })
        return evaluation.pipe(
          Effect.provideService(Request, id),
          Effect.annotateLogs("request", id)
        )
      }, { concurrency: "unbounded", discard: true })
      assert.deepStrictEqual(problems.slice(0, 5), [])
      assert.isAbove(seen.stages, evaluations * 3 * 5)
    }))

  it.live("share hooks without seeing each other, through the plain client in fibers", () =>
    Effect.gen(function*() {
      const problems: Array<string> = []
      const seen = { stages: 0 }
      const domain = "isolation-plain"
      yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, provider()))
      const client = SDK.OpenFeature.getClient(domain)
      client.addHooks(OpenFeatureHook.make(
        witness("sync", problems, seen),
        deferred(witness("later", problems, seen))
      ))
      const rng = random(23)
      yield* Effect.forEach(Array.from({ length: evaluations }, (_, id) => id), (id) => {
        const flagKey = `${rng.below(10) === 0 ? "bad" : "flag"}-${id}`
        const hints = HookHints.toRecord(HookHints.make(Caller, id))
        return Effect.promise(() => client.getBooleanValue(flagKey, false, {}, { hookHints: hints })).pipe(
          Effect.provideService(Request, id),
          Effect.annotateLogs("request", id)
        )
      }, { concurrency: "unbounded", discard: true })
      assert.deepStrictEqual(problems.slice(0, 5), [])
      assert.strictEqual(seen.stages, evaluations * 3 * 2)
    }))

  it.live("give every caller its own value", () =>
    Effect.gen(function*() {
      const answers = Object.fromEntries(
        Array.from({ length: 100 }, (_, n) => [`n-${n}`, Effect.andThen(Effect.yieldNow, TestProvider.value(n))])
      )
      const own = FeatureHook.make("own", {
        after: (context, details) =>
          context.flagKey === `n-${JSON.stringify(details.value)}` ? Effect.void : Effect.die(new Error("crossed"))
      })
      const { flags } = yield* client(answers, { hooks: [own, deferred(own)] })
      const { client: other } = yield* plainClient({ flags: answers })
      other.addHooks(OpenFeatureHook.make(own))
      yield* Effect.forEach(Array.from({ length: 2000 }, (_, n) => n % 100), (n) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* flags.number(`n-${n}`, -1), n)
          assert.strictEqual(yield* Effect.promise(() => other.getNumberValue(`n-${n}`, -1)), n)
        }), { concurrency: "unbounded", discard: true })
    }))
})
