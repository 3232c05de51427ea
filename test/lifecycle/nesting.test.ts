import { assert, describe, it } from "@effect/vitest"
import * as SDK from "@openfeature/server-sdk"
import { Effect, Exit, References, Scope } from "effect"
import { FeatureFlags, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { deferred, type LogRecord, logsTo, newDomain, paths, turns } from "../support.ts"

const resolving = (value: boolean): SDK.Provider => {
  const resolve = async () => ({ value })
  return {
    metadata: { name: "nesting" },
    runsOn: "server",
    resolveBooleanEvaluation: resolve,
    resolveStringEvaluation: () => Promise.reject(new Error("unused")),
    resolveNumberEvaluation: () => Promise.reject(new Error("unused")),
    resolveObjectEvaluation: () => Promise.reject(new Error("unused"))
  }
}

const plain = async () => {
  const domain = newDomain()
  await SDK.OpenFeature.setProviderAndWait(domain, resolving(true))
  return SDK.OpenFeature.getClient(domain)
}

/** So that a test fails where nothing else would end it. */
const enough = 8000

/** Ways of a stage to make another evaluation. */
type Nest = (evaluate: () => Promise<unknown>) => Effect.Effect<void> | Promise<void> | undefined

// A stage may give back an effect, a promise, or its result at once.

const nests: Readonly<Record<string, Nest>> = {
  "an effect": (evaluate) => Effect.asVoid(Effect.promise(evaluate)),
  "a promise": (evaluate) => evaluate().then(() => undefined),
  "its result at once, waiting for nothing": (evaluate) => {
    void evaluate()
    return undefined
  }
}

/** Waits until an evaluation and all that it has started are over. */
const settled = async (count: () => number): Promise<void> => {
  for (let last = -1; last !== count();) {
    last = count()
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
  }
}

describe("hooks that evaluate flags in each of their stages", () => {
  for (const [what, nest] of Object.entries(nests)) {
    for (const where of ["outside of any fiber", "inside a fiber"] as const) {
      it(`make a bounded number of evaluations, which is said once, giving back ${what}, ${where}`, async () => {
        const records: Array<LogRecord> = []
        const client = await plain()
        let count = 0
        let admitted = 0
        const again = () =>
          nest(async () => {
            if (++count < enough) await client.getBooleanValue("a", false)
          })
        const hook = (name: string) =>
          FeatureHook.make(name, {
            before: () => {
              if (name === "one") admitted++
              return again()
            },
            after: again,
            finally: again
          })
        // Where there is no fiber, the hook's own services say where the log goes.
        const services = await Effect.runPromise(Effect.scoped(Effect.provide(Effect.context(), logsTo(records))))
        client.addHooks(OpenFeatureHook.makeWith(services, hook("one"), hook("two")))
        const evaluation = Effect.promise(() => client.getBooleanValue("a", false))
        await (where === "inside a fiber"
          ? Effect.runPromiseWith(services)(evaluation)
          : client.getBooleanValue("a", false))
        await settled(() => count)
        assert.isAbove(admitted, 100)
        assert.isAtMost(admitted, 1100)
        assert.isBelow(count, enough)
        const told = records.filter(({ level }) => level === "Warn" || level === "Error")
        assert.strictEqual(told.length, 1, told.map(({ message }) => message).join("\n"))
      })

      it(`are nested 8 deep and no deeper, giving back ${what}, ${where}`, async () => {
        const client = await plain()
        let count = 0
        const counted = { error: 0, finally: 0 }
        const hook = FeatureHook.make("nested", {
          before: () =>
            nest(async () => {
              if (++count < enough) await client.getBooleanValue("a", false)
            }),
          error: () => Effect.sync(() => void counted.error++),
          finally: () => Effect.sync(() => void counted.finally++)
        })
        client.addHooks(OpenFeatureHook.make(hook))
        const evaluation = () => client.getBooleanDetails("a", false)
        const details =
          await (where === "inside a fiber" ? Effect.runPromise(Effect.promise(evaluation)) : evaluation())
        await settled(() => count)
        assert.isTrue(details.value)
        assert.strictEqual(count, 8)
        // The evaluation that is too deep runs no stage at all.
        assert.deepStrictEqual(counted, { error: 0, finally: 8 })
      })
    }
  }

  for (const [path, change] of paths) {
    it.effect(
      `through FeatureFlags make a bounded number of evaluations, which is said once, ${path}`,
      () =>
        Effect.gen(function*() {
          const records: Array<LogRecord> = []
          yield* Effect.gen(function*() {
            const flags = yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(resolving(true)) })
            let count = 0
            let admitted = 0
            const again = () =>
              Effect.suspend(() => ++count < enough ? Effect.asVoid(flags.boolean("a", false)) : Effect.void)
            const hook = (name: string) =>
              change(FeatureHook.make(name, {
                before: () => {
                  if (name === "one") admitted++
                  return again()
                },
                after: again,
                finally: again
              }))
            yield* flags.addHooks(hook("one"), hook("two"))
            yield* flags.boolean("a", false)
            assert.isAbove(admitted, 100)
            assert.isAtMost(admitted, 1100)
            assert.isBelow(count, enough)
            assert.strictEqual(records.filter(({ level }) => level === "Warn" || level === "Error").length, 1)
          }).pipe(Effect.provide(logsTo(records)))
        }),
      20_000
    )
  }
})

describe("an application that makes very many evaluations with a nested one each", () => {
  const nestedOnce = (evaluate: (flagKey: string) => Promise<unknown>) => (context: { readonly flagKey: string }) =>
    context.flagKey === "outer" ? Effect.asVoid(Effect.promise(() => evaluate("inner"))) : Effect.void

  for (const [path, change] of paths) {
    it(`is refused none, outside of any fiber, ${path}`, async () => {
      const client = await plain()
      const errors: Array<unknown> = []
      const before = nestedOnce(async (flagKey) => {
        const details = await client.getBooleanDetails(flagKey, false)
        if (details.errorCode !== undefined) errors.push(details.errorMessage)
      })
      client.addHooks(OpenFeatureHook.make(change(FeatureHook.make("nested", { before }))))
      for (let i = 0; i < 1500; i++) {
        const details = await client.getBooleanDetails("outer", false)
        if (details.errorCode !== undefined) errors.push(details.errorMessage)
      }
      await Promise.all(Array.from({ length: 1500 }, () => client.getBooleanDetails("outer", false)))
      assert.deepStrictEqual(errors.slice(0, 1), [])
    })

    it.effect(`is refused none, in one fiber, ${path}`, () =>
      Effect.gen(function*() {
        const flags = yield* FeatureFlags.make({ domain: newDomain(), provider: Effect.succeed(resolving(true)) })
        const errors: Array<unknown> = []
        const evaluate = (flagKey: string) =>
          Effect.map(flags.booleanDetails(flagKey, false), (details) => {
            if (details.errorCode !== undefined) errors.push(details.errorMessage)
          })
        yield* flags.addHooks(change(FeatureHook.make("nested", {
          before: ({ flagKey }) => flagKey === "outer" ? evaluate("inner") : Effect.void
        })))
        for (let i = 0; i < 1500; i++) yield* evaluate("outer")
        yield* Effect.forEach(Array.from({ length: 1500 }), () => evaluate("outer"), { concurrency: "unbounded" })
        assert.deepStrictEqual(errors.slice(0, 1), [])
      }))
  }
})

describe("an around program of a caller without a fiber", () => {
  for (const isLate of [false, true]) {
    it(`ends with the scope of its hook, ${isLate ? "asynchronous" : "synchronous"}`, async () => {
      const journal: Array<string> = []
      const around = FeatureHook.around(
        "around",
        (_context, evaluate) => Effect.ensuring(evaluate, Effect.sync(() => void journal.push("closed")))
      )
      const scope = Scope.makeUnsafe()
      const hook = await Effect.runPromise(
        OpenFeatureHook.makeEffect(isLate ? deferred(around) : around).pipe(
          Scope.provide(scope),
          Effect.provideService(References.UnhandledLogLevel, undefined)
        )
      )
      const domain = newDomain()
      const provider = await Effect.runPromise(TestProvider.make({ flags: { hung: TestProvider.never } }))
      await SDK.OpenFeature.setProviderAndWait(domain, provider)
      void SDK.OpenFeature.getClient(domain).addHooks(hook).getBooleanValue("hung", false)
      await Effect.runPromise(turns(5))
      assert.deepStrictEqual(journal, [])
      await Effect.runPromise(Scope.close(scope, Exit.void))
      assert.deepStrictEqual(journal, ["closed"])
    })
  }
})
