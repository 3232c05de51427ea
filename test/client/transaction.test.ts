import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { FeatureFlags, FeatureHook, FlagTransaction, OpenFeatureHook, ResolutionProvider } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { newDomain, paths, type Random, random, scale, turns } from "../support.ts"

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000)
const told = `SEED=${seed}`

const flagKeys = ["a", "b", "c"]
const users = ["ana", "ben"]
const requests = Math.max(50, Math.round(1000 * scale))

/** A turn of the event loop, or a microtask, or none. */
const pause = async (draws: Random): Promise<void> => {
  const kind = draws.below(3)
  if (kind === 1) await Promise.resolve()
  if (kind < 2) return
  for (let turns = draws.below(3); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve))
}

/** Gives each request to it an answer of its own, after a while. */
const serials = (draws: Random) => {
  let last = 0
  const provider = TestProvider.make({
    flags: () =>
      Effect.promise(async () => {
        await pause(draws)
        const value = `${++last}`
        await pause(draws)
        return { value }
      })
  })
  return { provider, now: () => last }
}

interface Seen {
  readonly flagKey: string
  readonly user: string
  readonly value: string
}

interface History {
  readonly request: number
  readonly from: number
  readonly to: number
  readonly seen: ReadonlyArray<Seen>
  readonly record: FlagTransaction.EvaluationRecord
}

/** Each answer is seen in one transaction only, during which it was given, and for one flag and user only. */
const check = (histories: ReadonlyArray<History>): void => {
  const owners = new Map<string, number>()
  for (const { from, record, request, seen, to } of histories) {
    const values = new Map<string, string>()
    for (const { flagKey, user, value } of seen) {
      if (flagKey === "override") {
        assert.strictEqual(value, `override ${request}`, told)
        continue
      }
      const key = `${flagKey} ${user}`
      assert.strictEqual(values.get(key) ?? value, value, `${told}: request ${request} is not consistent`)
      values.set(key, value)
      assert.strictEqual(owners.get(value) ?? request, request, `${told}: ${value} is of another request`)
      owners.set(value, request)
      assert.isAbove(Number(value), from, told)
      assert.isAtMost(Number(value), to, told)
    }
    assert.strictEqual(new Set(values.values()).size, values.size, told)
    assert.strictEqual(record.evaluations, seen.length, told)
    const asked = record.entries.filter(({ source }) => source === "provider")
    assert.strictEqual(asked.reduce((sum, { count }) => sum + count, 0), values.size, told)
  }
}

const question = (draws: Random) => ({
  flagKey: draws.chance(0.2) ? "override" : draws.oneOf(flagKeys) ?? "a",
  user: draws.oneOf(users) ?? "ana"
})

describe(`${requests} concurrent requests, ${told}`, () => {
  for (const [path, change] of paths) {
    const hooks = [change(FeatureHook.make("idle", { before: () => Effect.void, finally: () => Effect.void }))]

    it.effect(`see no value of another one with the Effect client, ${path}`, () =>
      Effect.gen(function*() {
        const draws = random(seed)
        const { now, provider } = serials(draws)
        const flags = yield* FeatureFlags.make({ domain: newDomain(), provider, hooks })
        const wait = Effect.promise(() => pause(draws))
        const request = (request: number) =>
          Effect.gen(function*() {
            yield* wait
            const from = now()
            const evaluate = Effect.suspend(() => {
              const { flagKey, user } = question(draws)
              const context = draws.chance(0.5) ? { targetingKey: user, x: 1 } : { x: 1, targetingKey: user }
              return wait.pipe(
                Effect.andThen(flags.string(flagKey, "none", { context })),
                Effect.map((value): Seen => ({ flagKey, user, value }))
              )
            })
            const { record, value } = yield* FeatureFlags.transaction(
              Effect.all(Array.from({ length: 6 }, () => evaluate), { concurrency: 3 }),
              { overrides: { override: `override ${request}` } }
            )
            return { request, from, to: now(), seen: value, record }
          })
        const all = Array.from({ length: requests }, (_, index) => request(index))
        check(yield* Effect.all(all, { concurrency: "unbounded" }))
      }))

    it.effect(`see no value of another one with a client of the SDK, ${path}`, () =>
      Effect.gen(function*() {
        const draws = random(seed)
        const { now, provider } = serials(draws)
        const domain = newDomain()
        const serving = ResolutionProvider.make(yield* provider)
        yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, serving))
        const client = SDK.OpenFeature.getClient(domain)
        // The asynchronous hook comes first, so that fibers of all requests take turns before the transaction is joined.
        client.addHooks(OpenFeatureHook.make(...hooks, FlagTransaction.hook))
        const request = async (request: number): Promise<History> => {
          await pause(draws)
          const from = now()
          const evaluate = async (): Promise<Seen> => {
            const { flagKey, user } = question(draws)
            await pause(draws)
            const value = await client.getStringValue(flagKey, "none", { targetingKey: user })
            return { flagKey, user, value }
          }
          const overrides = { override: `override ${request}` }
          const { record, value } = await FlagTransaction.run({ overrides }, async () => {
            const seen = await Promise.all([evaluate(), evaluate(), evaluate()])
            return [...seen, await evaluate(), ...await Promise.all([evaluate(), evaluate()])]
          })
          return { request, from, to: now(), seen: value, record }
        }
        const all = Array.from({ length: requests }, (_, index) => request(index))
        check(yield* Effect.promise(() => Promise.all(all)))
      }))
  }
})

describe(`evaluations that are interrupted and requests that never end, ${told}`, () => {
  for (const [path, change] of paths) {
    it.effect(`leave one value for all that end, and nobody waiting for long, ${path}`, () =>
      Effect.gen(function*() {
        const draws = random(seed)
        let asked = 0
        const provider = TestProvider.make({
          flags: () =>
            Effect.suspend(() => {
              const answer = TestProvider.value(`${++asked}`)
              return draws.chance(0.3) ? TestProvider.never : TestProvider.delayed(draws.below(8) * 1000, answer)
            })
        })
        const hooks = [change(FeatureHook.make("idle", { before: () => Effect.void }))]
        const flags = yield* FeatureFlags.make({ domain: newDomain(), provider, hooks, interruptTimeout: "1 second" })
        for (let round = 0; round < Math.max(10, Math.round(50 * scale)); round++) {
          const values: Array<string> = []
          // Whoever asks a provider that hangs waits with it.
          const limits = Array.from({ length: 8 }, () => 1000 * (draws.chance(0.5) ? draws.below(10) : 60))
          const evaluate = (limit: number) =>
            Effect.andThen(Effect.sleep(draws.below(5000)), flags.string("a", "none")).pipe(
              Effect.tap((value) => Effect.sync(() => void values.push(value))),
              Effect.timeoutOption(limit)
            )
          const fiber = yield* Effect.forkChild(FeatureFlags.transaction(
            Effect.forEach(limits, evaluate, { concurrency: "unbounded" })
          ))
          asked = 0
          for (let second = 0; second < 70; second++) {
            yield* turns(3)
            yield* TestClock.adjust("1 second")
          }
          yield* Fiber.join(fiber)
          assert.isAtMost(new Set(values).size, 1, `${told}, round ${round}: ${values.join()}`)
          assert.isAtMost(asked, 16, `${told}, round ${round}`)
          const patient = limits.filter((limit) => limit === 60_000).length
          if (values.length > 0) assert.isAtLeast(values.length, patient - asked + 1, `${told}, round ${round}`)
        }
      }), 60_000)
  }
})

type Step =
  | { readonly _tag: "evaluate"; readonly flagKey: string; readonly user: string }
  | {
    readonly _tag: "transaction"
    readonly options: FlagTransaction.Options & { readonly overrides: Readonly<Record<string, string>> }
    readonly steps: ReadonlyArray<Step>
  }

const programOf = (draws: Random, depth: number): ReadonlyArray<Step> =>
  Array.from({ length: 1 + draws.below(5) }, (): Step =>
    depth < 3 && draws.chance(0.3)
      ? {
        _tag: "transaction",
        options: {
          cache: draws.chance(0.8),
          nested: draws.chance(0.7) ? "join" : "separate",
          keepErrors: draws.chance(0.3),
          values: true,
          overrides: Object.fromEntries(
            flagKeys.filter(() => draws.chance(0.2)).map((flagKey) => [flagKey, `override ${draws.below(1000)}`])
          )
        },
        steps: programOf(draws, depth + 1)
      }
      : { _tag: "evaluate", flagKey: draws.oneOf(flagKeys) ?? "a", user: draws.oneOf(users) ?? "ana" })

interface Noted {
  readonly flagKey: string
  readonly source: string
  readonly value: string
}

/** A transaction of the reference: nothing but maps and lists. */
interface Reference {
  readonly kept: Map<string, string> | undefined
  readonly keepsErrors: boolean
  readonly overrides: ReadonlyMap<string, string>
  readonly noted: Array<Noted>
  readonly outer: Reference | undefined
}

/** The provider gives an error for every fifth question. */
const answerOf = (question: number): string => question % 5 === 0 ? "error" : `answer ${question}`

const reference = (steps: ReadonlyArray<Step>): ReadonlyArray<unknown> => {
  let asked = 0
  const log: Array<unknown> = []
  const ask = (
    within: Reference | undefined,
    flagKey: string,
    user: string
  ): readonly [source: string, value: string] => {
    const override = within?.overrides.get(flagKey)
    if (override !== undefined) return ["override", override]
    const key = `${flagKey} ${user}`
    const kept = within?.kept?.get(key)
    if (kept !== undefined) return ["cache", kept]
    const value = answerOf(++asked)
    if (value !== "error" || within?.keepsErrors === true) within?.kept?.set(key, value)
    return ["provider", value]
  }
  const run = (steps: ReadonlyArray<Step>, within: Reference | undefined): void => {
    for (const step of steps) {
      if (step._tag === "evaluate") {
        const [source, value] = ask(within, step.flagKey, step.user)
        log.push(value)
        for (let one = within; one !== undefined; one = one.outer) {
          one.noted.push({ flagKey: step.flagKey, source, value })
        }
        continue
      }
      const { cache, keepErrors, nested, overrides } = step.options
      const outer = nested === "join" ? within : undefined
      const inner: Reference = {
        kept: cache === false ? undefined : outer?.kept ?? new Map(),
        keepsErrors: cache !== false && outer?.kept !== undefined ? outer.keepsErrors : keepErrors === true,
        overrides: new Map([...outer?.overrides ?? [], ...Object.entries(overrides)]),
        noted: [],
        outer
      }
      run(step.steps, inner)
      log.push(tally(inner.noted))
    }
  }
  run(steps, undefined)
  return log
}

const tally = (noted: ReadonlyArray<Noted>): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const { flagKey, source, value } of noted) {
    const key = `${flagKey} ${source} ${value}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return Array.from(counts, ([key, count]) => `${key} ${count}`)
}

describe(`transactions in transactions, ${told}`, () => {
  for (const [path, change] of paths) {
    const rounds = Math.max(100, Math.round((path === "synchronous" ? 10_000 : 2000) * scale))
    it.effect(`are what a simple reference says, ${path}`, () =>
      Effect.gen(function*() {
        const draws = random(seed)
        let asked = 0
        const provider = TestProvider.make({
          flags: () =>
            Effect.suspend(() => {
              const value = answerOf(++asked)
              return value === "error"
                ? draws.chance(0.5) ? TestProvider.error("GENERAL", "bad") : TestProvider.throwing(new Error("bad"))
                : Effect.succeed({ value, variant: value })
            })
        })
        const hooks = [change(FeatureHook.make("idle", { before: () => Effect.void }))]
        const flags = yield* FeatureFlags.make({ domain: newDomain(), provider, hooks })
        const run = (steps: ReadonlyArray<Step>, log: Array<unknown>): Effect.Effect<void> =>
          Effect.forEach(steps, (step) =>
            step._tag === "evaluate"
              ? Effect.map(
                flags.string(step.flagKey, "error", { context: { targetingKey: step.user } }),
                (value) => void log.push(value)
              )
              : Effect.map(
                FeatureFlags.transaction(run(step.steps, log), step.options),
                ({ record }) =>
                  void log.push(
                    record.entries.map(({ count, flagKey, source, value }) =>
                      `${flagKey} ${source} ${String(Object(value))} ${count}`
                    )
                  )
              ), { discard: true })
        for (let round = 0; round < rounds; round++) {
          const steps = programOf(draws, 0)
          const log: Array<unknown> = []
          asked = 0
          yield* run(steps, log)
          assert.deepStrictEqual(log, reference(steps), `${told}, round ${round}: ${JSON.stringify(steps)}`)
        }
      }), 60_000)
  }
})
