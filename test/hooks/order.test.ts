import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import {
  CacheHook,
  ContextGuardHook,
  EnrichmentHook,
  EvaluationContext,
  type EvaluationDetails,
  ExposureHook,
  FeatureFlags,
  FeatureHook,
  FlagTransaction,
  OpenFeatureHook,
  OverrideHook,
  RateLimitHook,
  ResolutionProvider,
  UsageHook,
  ValueValidatorHook
} from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { type Client, clients } from "../clients.ts"
import { newDomain, paths } from "../support.ts"

type Details = EvaluationDetails.EvaluationDetails<number>

type Overrides = NonNullable<FlagTransaction.Options["overrides"]>

interface Evaluating {
  /** Evaluates a flag some times, one after the other, and in a transaction if there are overrides. */
  (
    flagKey: string,
    context: EvaluationContext.EvaluationContext,
    times?: number,
    overrides?: Overrides
  ): Effect.Effect<ReadonlyArray<Details>>
}

const evaluating = Effect.fnUntraced(function*(
  kind: Client,
  provider: SDK.Provider,
  hooks: ReadonlyArray<FeatureHook.FeatureHook<unknown>>
) {
  const domain = newDomain()
  if (kind === "FeatureFlags") {
    const flags = yield* FeatureFlags.make({ domain, provider: Effect.succeed(provider), hooks: [...hooks] })
    const evaluate: Evaluating = (flagKey, context, times = 1, overrides) => {
      const all = Effect.forEach(Array.from({ length: times }), () => flags.numberDetails(flagKey, 0, { context }))
      if (overrides === undefined) return all
      return Effect.map(FeatureFlags.transaction(all, { overrides }), ({ value }) => value)
    }
    return evaluate
  }
  yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider)))
  const client = SDK.OpenFeature.getClient(domain).addHooks(OpenFeatureHook.make(FeatureHook.combineAll(hooks)))
  const evaluate: Evaluating = (flagKey, context, times = 1, overrides) => {
    const details = () => client.getNumberDetails(flagKey, 0, EvaluationContext.toSdk(context))
    // One promise for each, since hooks see the test clock until the first `await`.
    if (overrides === undefined) return Effect.forEach(Array.from({ length: times }), () => Effect.promise(details))
    const all = async () => {
      const found: Array<Details> = []
      for (let i = 0; i < times; i++) found.push(await details())
      return found
    }
    return Effect.promise(async () => (await FlagTransaction.run({ overrides }, all)).value)
  }
  return evaluate
})

const rig = Effect.fnUntraced(function*(kind: Client, change: (typeof paths)[number][1]) {
  const sent: Array<string> = []
  const cache = yield* CacheHook.make({ key: ["targetingKey", "plan"] })
  const guard = yield* ContextGuardHook.make({ logLevel: false })
  const overrides = yield* OverrideHook.make({
    enabled: true,
    overrides: [{ flags: "page-size", value: 50, subjects: "tester" }, { flags: "too-small", value: -2 }],
    logLevel: false
  })
  const limit = yield* RateLimitHook.make({ limit: 3, window: "1 hour" })
  const budget = yield* UsageHook.make({ budget: 100, window: "30 days" })
  const exposures = yield* ExposureHook.make({
    targetingKey: "raw",
    send: (batch) => Effect.sync(() => void sent.push(...batch.map((one) => `${one.subject} ${one.flagKey}`)))
  })
  const provider = yield* TestProvider.make({
    flags: (flagKey, { plan }) =>
      TestProvider.value(flagKey === "too-large" ? 1000 : plan === "pro" ? 20 : 10, { reason: "TARGETING_MATCH" })
  })
  const hooks = [
    FlagTransaction.hook,
    EnrichmentHook.make((context) => ({
      plan: context.context.targetingKey === "ben" ? "free" : "pro",
      source: context.context["isAttack"] === true ? "<script>" : "web"
    })),
    guard.hook,
    overrides.hook,
    cache.hook,
    limit.hook,
    budget.hook,
    ValueValidatorHook.make({ rules: [{ min: 1, max: 100 }] }),
    exposures.hook
  ]
  const evaluate = yield* evaluating(kind, provider, hooks.map((hook) => change(hook)))
  /** What each of them has done so far. */
  const done = Effect.gen(function*() {
    yield* exposures.flush
    const { hits, misses, size } = yield* cache.counts
    return {
      asked: (yield* provider.calls).length,
      cache: { hits, misses, size },
      limit: (yield* limit.counts).passed,
      rejected: (yield* limit.counts).rejected,
      budget: (yield* budget.counts).cost,
      sent: sent.splice(0)
    }
  })
  return { done, evaluate }
})

const nothing = {
  asked: 0,
  cache: { hits: 0, misses: 0, size: 0 },
  limit: 0,
  rejected: 0,
  budget: 0,
  sent: []
}

const short = (all: ReadonlyArray<Details>) =>
  all.map(({ errorCode, reason, value }) => errorCode ?? `${value} ${reason}`)

describe("hooks in the order transaction, enrichment, guard, override, cache, limit, budget, validator, exposures", () => {
  for (const kind of clients) {
    for (const [path, change] of paths) {
      const on = `${kind}, ${path}`

      it.effect(`ask the provider, count and expose once, ${on}`, () =>
        Effect.gen(function*() {
          const { done, evaluate } = yield* rig(kind, change)
          const results = yield* evaluate("page-size", { targetingKey: "ana" }, 3)
          assert.deepStrictEqual(short(results), ["20 TARGETING_MATCH", "20 CACHED", "20 CACHED"])
          assert.deepStrictEqual(yield* done, {
            asked: 1,
            cache: { hits: 2, misses: 1, size: 1 },
            limit: 1,
            rejected: 0,
            budget: 1,
            sent: ["ana page-size"]
          })
        }))

      it.effect(`keep answers apart by what was added, ${on}`, () =>
        Effect.gen(function*() {
          const { done, evaluate } = yield* rig(kind, change)
          assert.deepStrictEqual(short(yield* evaluate("page-size", { targetingKey: "ben" })), ["10 TARGETING_MATCH"])
          assert.deepStrictEqual(short(yield* evaluate("page-size", { targetingKey: "ana" })), ["20 TARGETING_MATCH"])
          assert.strictEqual((yield* done).cache.misses, 2)
        }))

      it.effect(`serve an override without asking, counting and exposing, ${on}`, () =>
        Effect.gen(function*() {
          const { done, evaluate } = yield* rig(kind, change)
          const results = yield* evaluate("page-size", { targetingKey: "tester" }, 2)
          assert.deepStrictEqual(short(results), ["50 STATIC", "50 STATIC"])
          assert.deepStrictEqual(yield* done, nothing)
        }))

      it.effect(`refuse a bad attribute that was added, also for an override, ${on}`, () =>
        Effect.gen(function*() {
          const { done, evaluate } = yield* rig(kind, change)
          const context = { targetingKey: "tester", isAttack: true }
          const [details] = yield* evaluate("page-size", context)
          assert.include(details?.errorMessage, "\"html\"")
          const inTransaction = yield* evaluate("page-size", context, 1, { "page-size": 30 })
          assert.deepStrictEqual(short(inTransaction), ["INVALID_CONTEXT"])
          assert.deepStrictEqual(yield* done, nothing)
        }))

      it.effect(`spend no budget on what is over the limit, and serve what is known, ${on}`, () =>
        Effect.gen(function*() {
          const { done, evaluate } = yield* rig(kind, change)
          for (const targetingKey of ["a", "b", "c"]) yield* evaluate("page-size", { targetingKey })
          const over = yield* evaluate("page-size", { targetingKey: "d" })
          assert.include(over[0]?.errorMessage, "the rate limit")
          assert.deepStrictEqual(short(yield* evaluate("page-size", { targetingKey: "a" })), ["20 CACHED"])
          assert.deepStrictEqual(short(yield* evaluate("page-size", { targetingKey: "tester" })), ["50 STATIC"])
          assert.deepStrictEqual(yield* done, {
            asked: 3,
            cache: { hits: 1, misses: 4, size: 3 },
            limit: 3,
            rejected: 1,
            budget: 3,
            sent: ["a page-size", "b page-size", "c page-size"]
          })
          yield* TestClock.adjust("20 minutes")
          assert.deepStrictEqual(short(yield* evaluate("page-size", { targetingKey: "d" })), ["20 TARGETING_MATCH"])
        }))

      it.effect(`neither keep nor expose a value that is refused, ${on}`, () =>
        Effect.gen(function*() {
          const { done, evaluate } = yield* rig(kind, change)
          const results = yield* evaluate("too-large", { targetingKey: "ana" }, 2)
          assert.deepStrictEqual(short(results), ["GENERAL", "GENERAL"])
          assert.deepStrictEqual(short(yield* evaluate("too-small", { targetingKey: "ana" })), ["GENERAL"])
          assert.deepStrictEqual(yield* done, {
            asked: 2,
            cache: { hits: 0, misses: 2, size: 0 },
            limit: 2,
            rejected: 0,
            budget: 2,
            sent: []
          })
        }))

      it.effect(`keep to the transaction first of all, ${on}`, () =>
        Effect.gen(function*() {
          const { done, evaluate } = yield* rig(kind, change)
          const forced = yield* evaluate("page-size", { targetingKey: "tester" }, 2, { "page-size": 30 })
          assert.deepStrictEqual(short(forced), ["30 STATIC", "30 STATIC"])
          assert.deepStrictEqual(yield* done, nothing)
          const kept = yield* evaluate("page-size", { targetingKey: "ana" }, 3, {})
          assert.deepStrictEqual(short(kept), ["20 TARGETING_MATCH", "20 CACHED", "20 CACHED"])
          assert.deepStrictEqual(yield* done, {
            asked: 1,
            cache: { hits: 0, misses: 1, size: 1 },
            limit: 1,
            rejected: 0,
            budget: 1,
            sent: ["ana page-size"]
          })
        }))
    }
  }
})
