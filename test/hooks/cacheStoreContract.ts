/** What a cache may count on with any store. The store tells the time by a clock of its own. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { CacheHook, EvaluationDetails } from "effect-openfeature"

export const keyOf = (flagKey: string, text = flagKey, domain: string | undefined = "shop"): CacheHook.Key => ({
  domain,
  flagKey,
  flagValueType: "boolean",
  text
})

const answerOf = (variant: string): EvaluationDetails.ResolutionDetails => ({
  value: true,
  variant,
  reason: "CACHED",
  flagMetadata: { version: 1 }
})

type Store = CacheHook.Store

export interface Clock {
  /** Waits for so many milliseconds of the clock of the store. */
  readonly wait: (millis: number) => Effect.Effect<void>
  /** How much a time may be off, in milliseconds. */
  readonly slack: number
}

/** Looks up and stores, as a cache does around an evaluation. */
export const put = Effect.fnUntraced(function*(
  store: Store,
  key: CacheHook.Key,
  variant: string,
  times: { readonly timeToLive?: number; readonly staleFor?: number } = {}
) {
  const { version } = yield* store.get(key, 100)
  assert.isDefined(version)
  yield* store.set(key, answerOf(variant), { version: version ?? "", timeToLive: 60_000, staleFor: 0, ...times })
})

export const variantIn = (store: Store, key: CacheHook.Key) =>
  Effect.map(store.get(key, 100), ({ answer }) => answer?.variant)

/** `open` gives another client of the same data each time, or the same store where there is but one. */
export const contract = (
  name: string,
  open: () => Effect.Effect<Store>,
  { slack, wait }: Clock
): void => {
  let keys = 0
  const newKey = () => keyOf(`flag-${++keys}`)

  describe(`a store in ${name}`, () => {
    const it_ = (title: string, test: (one: Store, other: Store) => Effect.Effect<void, unknown>) =>
      it.effect(title, () =>
        Effect.gen(function*() {
          yield* test(yield* open(), yield* open())
        }))

    it_("gives back what was stored, in all that share it", (one, other) =>
      Effect.gen(function*() {
        const key = newKey()
        assert.deepInclude(yield* one.get(key, 100), { answer: undefined, isStale: false, isClaimed: false })
        yield* put(one, key, "on")
        for (const store of [one, other]) {
          assert.deepInclude(yield* store.get(key, 100), {
            answer: answerOf("on"),
            isStale: false,
            isClaimed: false
          })
        }
        yield* put(other, key, "off")
        assert.strictEqual(yield* variantIn(one, key), "off")
      }))

    it_("keeps values as they are", (one, other) =>
      Effect.gen(function*() {
        const values = [false, "", "\ud800 \n", 0, -1.5e300, [1, null, ["a"]], { a: { "": [] }, ["constructor"]: 1 }]
        for (const value of values) {
          const key = newKey()
          const { version = "" } = yield* one.get(key, 100)
          yield* one.set(key, { value, reason: "CACHED", flagMetadata: {} }, {
            version,
            timeToLive: 60_000,
            staleFor: 0
          })
          assert.deepStrictEqual((yield* other.get(key, 100)).answer?.value, value)
        }
        const key = newKey()
        const { version = "" } = yield* one.get(key, 100)
        const error = { errorCode: "FLAG_NOT_FOUND", reason: "ERROR", flagMetadata: {} } as const
        yield* one.set(key, error, { version, timeToLive: 60_000, staleFor: 0 })
        assert.deepStrictEqual((yield* other.get(key, 100)).answer, error)
      }))

    it_("tells keys apart that look alike", (one) =>
      Effect.gen(function*() {
        const texts = ["a", "A", "a ", "__proto__", "a:b", "a\n", "\ud800", "\ud801", "\ufffd", "é", "e\u0301"]
        const all = texts.map((text) => keyOf(`alike-${++keys}`, text))
        for (const [index, key] of all.entries()) yield* put(one, key, `v${index}`)
        for (const [index, key] of all.entries()) assert.strictEqual(yield* variantIn(one, key), `v${index}`)
      }))

    it_("forgets an answer when its time is over", (one, other) =>
      Effect.gen(function*() {
        const key = newKey()
        yield* put(one, key, "on", { timeToLive: 200 })
        yield* wait(200 - slack)
        assert.strictEqual(yield* variantIn(other, key), "on")
        yield* wait(2 * slack)
        assert.isUndefined(yield* variantIn(other, key))
      }))

    it_(
      "gives one of all the claim to refresh a stale answer, and again after a time",
      (one, other) =>
        Effect.gen(function*() {
          const key = newKey()
          yield* put(one, key, "on", { timeToLive: 100, staleFor: 2000 })
          yield* wait(100 + slack)
          const ask = (store: Store) => Effect.suspend(() => store.get(key, 500))
          const look = Effect.all([one, other, one, other].map(ask), { concurrency: "unbounded" })
          const claims = (found: ReadonlyArray<CacheHook.Lookup>) => found.filter(({ isClaimed }) => isClaimed).length
          const found = yield* look
          assert.deepStrictEqual(found.map(({ answer, isStale }) => [answer?.variant, isStale]), [
            ["on", true],
            ["on", true],
            ["on", true],
            ["on", true]
          ])
          assert.strictEqual(claims(found), 1)
          assert.strictEqual(claims(yield* look), 0)
          yield* wait(500 + slack)
          assert.strictEqual(claims(yield* look), 1)
          // A new answer ends the claim.
          yield* put(other, key, "off", { timeToLive: 100, staleFor: 2000 })
          assert.isFalse((yield* one.get(key, 500)).isStale)
          yield* wait(100 + slack)
          assert.strictEqual(claims(yield* look), 1)
        })
    )

    it_("removes an answer", (one, other) =>
      Effect.gen(function*() {
        const key = newKey()
        yield* put(one, key, "on")
        yield* other.remove(key)
        yield* other.remove(key)
        assert.isUndefined(yield* variantIn(one, key))
      }))

    it_("invalidates by flag, by domain, by both, and all", (one, other) =>
      Effect.gen(function*() {
        const [a, b] = [`flag-${++keys}`, `flag-${++keys}`]
        const [shop, admin] = [`shop-${keys}`, `admin-${keys}`]
        const all = {
          shopA: keyOf(a, `${shop} ${a}`, shop),
          shopB: keyOf(b, `${shop} ${b}`, shop),
          adminA: keyOf(a, `${admin} ${a}`, admin),
          noneA: { ...keyOf(a, `none ${a}`), domain: undefined }
        }
        const left = Effect.fnUntraced(function*(flags: CacheHook.Flags) {
          for (const key of Object.values(all)) yield* put(one, key, "on")
          yield* other.invalidate(flags)
          const names: Array<string> = []
          for (const [name, key] of Object.entries(all)) {
            if ((yield* variantIn(one, key)) !== undefined) names.push(name)
          }
          return names
        })
        assert.deepStrictEqual(yield* left({ domain: shop, flagKey: a }), ["shopB", "adminA", "noneA"])
        assert.deepStrictEqual(yield* left({ flagKey: a }), ["shopB"])
        assert.deepStrictEqual(yield* left({ domain: shop }), ["adminA", "noneA"])
        assert.deepStrictEqual(yield* left({}), [])
        assert.deepStrictEqual(yield* left({ flagKey: "other" }), ["shopA", "shopB", "adminA", "noneA"])
      }))

    it_("stores nothing that was looked up before an invalidation", (one, other) =>
      Effect.gen(function*() {
        for (const scope of ["flag", "domain", "both", "all"] as const) {
          const key = newKey()
          const { version = "" } = yield* one.get(key, 100)
          const { domain, flagKey } = key
          yield* other.invalidate({
            ...scope === "flag" || scope === "both" ? { flagKey } : {},
            ...scope === "domain" || scope === "both" ? { domain } : {}
          })
          yield* one.set(key, answerOf("old"), { version, timeToLive: 60_000, staleFor: 0 })
          assert.isUndefined(yield* variantIn(one, key), scope)
          yield* one.set(key, answerOf("old"), { version, timeToLive: 60_000, staleFor: 0 })
          assert.isUndefined(yield* variantIn(other, key), scope)
          yield* put(one, key, "new")
          assert.strictEqual(yield* variantIn(other, key), "new")
        }
      }))

    it_("takes hostile names", (one, other) =>
      Effect.gen(function*() {
        for (const name of ["__proto__", "constructor", " ", ":", "*", "\n", "{a}", "x".repeat(1_000_000), "\ud800"]) {
          const key = keyOf(name, `hostile ${name}`, name)
          yield* put(one, key, "on")
          assert.strictEqual(yield* variantIn(other, key), "on")
          yield* other.invalidate({ domain: name, flagKey: name })
          assert.isUndefined(yield* variantIn(one, key))
        }
      }))
  })
}
