import { assert, describe, it } from "@effect/vitest"
import * as SDK from "@openfeature/server-sdk"
import { Effect, Exit, Scope } from "effect"
import { FeatureFlags, FeatureHook } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { type LogRecord, logsTo, newDomain, paths } from "../support.ts"

const answering = (value: string) => TestProvider.make({ name: value, flags: { who: TestProvider.value(value) } })

/** A provider that keeps its flags where only its own methods get at them. */
class Private implements SDK.Provider {
  readonly metadata = { name: "private" }
  readonly runsOn = "server"
  readonly #value = "old"
  resolveBooleanEvaluation(): Promise<never> {
    return Promise.reject(new Error("unused"))
  }
  resolveNumberEvaluation(): Promise<never> {
    return Promise.reject(new Error("unused"))
  }
  resolveObjectEvaluation(): Promise<never> {
    return Promise.reject(new Error("unused"))
  }
  async resolveStringEvaluation() {
    return { value: this.#value }
  }
}

describe("a provider that is replaced while an evaluation is in its before stage", () => {
  const makers: Readonly<Record<string, Effect.Effect<SDK.Provider>>> = {
    "an ordinary provider": answering("old"),
    "a provider with private fields": Effect.sync(() => new Private())
  }
  for (const [path, change] of paths) {
    for (const [what, provider] of Object.entries(makers)) {
      it.effect(`by one of the SDK still resolves, ${what}, ${path}`, () =>
        Effect.gen(function*() {
          const domain = newDomain()
          const next = yield* answering("new")
          let isReplaced = false
          const replace = FeatureHook.make("replace", {
            before: () =>
              Effect.suspend(() => {
                if (isReplaced) return Effect.void
                isReplaced = true
                return Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, next))
              })
          })
          const flags = yield* FeatureFlags.make({ domain, provider, hooks: [change(replace)] })
          const details = yield* flags.stringDetails("who", "none")
          assert.isUndefined(details.errorMessage)
          assert.strictEqual(details.value, "old")
          assert.strictEqual(yield* flags.string("who", "none"), "new")
        }))

      it.effect(`by another layer still resolves, ${what}, ${path}`, () =>
        Effect.gen(function*() {
          const domain = newDomain()
          const scope = yield* Effect.scope
          let isReplaced = false
          const replace = FeatureHook.make("replace", {
            before: () =>
              Effect.suspend(() => {
                if (isReplaced) return Effect.void
                isReplaced = true
                const other = FeatureFlags.make({ domain, provider: answering("new") })
                return Effect.asVoid(Effect.orDie(Scope.provide(other, scope)))
              })
          })
          const flags = yield* FeatureFlags.make({ domain, provider, hooks: [change(replace)] })
          const details = yield* flags.stringDetails("who", "none")
          assert.isUndefined(details.errorMessage)
          assert.include(["old", "new"], details.value)
        }).pipe(Effect.provide(logsTo([]))))
    }
  }
})

const make = Effect.fnUntraced(function*(domain: string | undefined, name: string) {
  const scope = yield* Scope.make()
  const provider = yield* answering(name)
  const flags = yield* FeatureFlags.make({
    ...domain === undefined ? {} : { domain },
    provider: Effect.succeed(provider)
  }).pipe(Scope.provide(scope))
  return { flags, provider, who: flags.string("who", "none"), end: Scope.close(scope, Exit.void) }
})

const warnings = (records: ReadonlyArray<LogRecord>, domain: string) =>
  records.filter(({ annotations, level, message }) =>
    level === "Warn" && `${message} ${JSON.stringify(annotations)}`.includes(domain)
  )

describe("two layers with providers on one domain", () => {
  it.effect("warn and name the domain", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const domain = newDomain()
      yield* Effect.gen(function*() {
        const first = yield* make(domain, "first")
        assert.deepStrictEqual(records, [])
        const second = yield* make(domain, "second")
        assert.strictEqual(warnings(records, domain).length, 1)
        yield* second.end
        yield* first.end
        assert.strictEqual(records.length, 1)
      }).pipe(Effect.provide(logsTo(records, "Info")))
    }))

  it.effect("give the first its own flags again when the second ends", () =>
    Effect.gen(function*() {
      for (const domain of [newDomain(), undefined]) {
        const first = yield* make(domain, "first")
        assert.strictEqual(yield* first.who, "first")
        const second = yield* make(domain, "second")
        assert.strictEqual(yield* second.who, "second")
        assert.isFalse(yield* first.provider.isClosed)
        yield* second.end
        assert.isTrue(yield* second.provider.isClosed)
        assert.isFalse(yield* first.provider.isClosed)
        assert.strictEqual(yield* first.who, "first")
        yield* first.end
        assert.isTrue(yield* first.provider.isClosed)
        assert.strictEqual(yield* first.who, "none")
      }
    }).pipe(Effect.provide(logsTo([]))))

  it.effect("let the second go on when the first ends", () =>
    Effect.gen(function*() {
      const domain = newDomain()
      const first = yield* make(domain, "first")
      const second = yield* make(domain, "second")
      yield* first.end
      assert.isTrue(yield* first.provider.isClosed)
      assert.isFalse(yield* second.provider.isClosed)
      assert.strictEqual(yield* second.who, "second")
      yield* second.end
      assert.isTrue(yield* second.provider.isClosed)
      assert.strictEqual((yield* second.flags.stringDetails("who", "none")).errorCode, "PROVIDER_NOT_READY")
    }).pipe(Effect.provide(logsTo([]))))

  it.effect("go back through more than one, in any order of ending", () =>
    Effect.gen(function*() {
      const domain = newDomain()
      const first = yield* make(domain, "first")
      const second = yield* make(domain, "second")
      const third = yield* make(domain, "third")
      yield* second.end
      assert.strictEqual(yield* third.who, "third")
      yield* third.end
      assert.strictEqual(yield* first.who, "first")
      assert.deepStrictEqual(
        [yield* first.provider.isClosed, yield* second.provider.isClosed, yield* third.provider.isClosed],
        [false, true, true]
      )
      yield* first.end
    }).pipe(Effect.provide(logsTo([]))))

  it.effect("one after the other, or on domains of their own, warn of nothing", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      yield* Effect.gen(function*() {
        const domain = newDomain()
        const first = yield* make(domain, "first")
        yield* first.end
        const second = yield* make(domain, "second")
        const other = yield* make(newDomain(), "other")
        assert.strictEqual(yield* second.who, "second")
        assert.strictEqual(yield* other.who, "other")
        yield* second.end
        yield* other.end
      }).pipe(Effect.provide(logsTo(records, "Info")))
      assert.deepStrictEqual(records, [])
    }))
})
