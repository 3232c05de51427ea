import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { cast } from "effect/Function"
import { CacheHook, type EvaluationContext } from "effect-openfeature"
import { Fixtures } from "effect-openfeature/testing"
import { isDeepStrictEqual } from "node:util"
import { canonical } from "../../src/internal/hook/cacheKey.ts"
import { type Random, random, scale } from "../support.ts"

const names = ["targetingKey", "plan", "a", "__proto__", "constructor", "a:b", "1", "é", "\ud800", ""]

const texts = [
  "",
  "a",
  "b",
  "ab",
  "1",
  "true",
  "null",
  "undefined",
  "NaN",
  "s1:a",
  "u",
  "\ud800",
  "\ud801",
  "\ufffd",
  ":"
]

// Node takes two of them for different.
const invalidDate = new Date(Number.NaN)

const value = (source: Random, depth = 0): unknown => {
  const { below, chance, oneOf } = source
  if (depth < 3 && chance(0.35)) {
    const parts = Array.from({ length: below(3) }, () => value(source, depth + 1))
    if (chance(0.5)) return parts
    const record = {}
    for (const part of parts) {
      Object.defineProperty(record, oneOf(names), {
        value: part,
        enumerable: true,
        writable: true,
        configurable: true
      })
    }
    return record
  }
  return oneOf<unknown>([
    ...texts,
    0,
    -0,
    1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    true,
    false,
    null,
    undefined,
    new Date(0),
    new Date(1),
    invalidDate
  ])
}

const contextOf = (source: Random): EvaluationContext.EvaluationContext => {
  const context = {}
  for (const name of names) {
    if (source.chance(0.3)) {
      Object.defineProperty(context, name, {
        value: value(source),
        enumerable: true,
        writable: true,
        configurable: true
      })
    }
  }
  return context
}

/** The named attributes. One that is `undefined` is missing, and one named `__proto__` never gets to a provider. */
const picked = (context: EvaluationContext.EvaluationContext, chosen: ReadonlyArray<string>): unknown =>
  chosen.filter((name) => name !== "__proto__").map((name) => {
    const own = Object.getOwnPropertyDescriptor(context, name)
    return own?.value === undefined ? [] : [own.value]
  })

describe("random contexts", () => {
  it.effect("get each other's answers only if the named attributes are the same", () =>
    Effect.gen(function*() {
      const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
      const source = random(seed)
      const programs = Math.ceil(300 * scale)
      let hits = 0
      for (let program = 0; program < programs; program++) {
        const chosen = ["targetingKey", ...names.slice(1).filter(() => source.chance(0.2))]
        const kind = source.below(3)
        const { counts, hook } = yield* CacheHook.make({
          key: kind === 0 ? "context" : kind === 1 ? { shared: chosen } : chosen
        })
        const pool = Array.from({ length: 6 }, () => contextOf(source))
        const seen: Array<EvaluationContext.EvaluationContext> = []
        for (let step = 0; step < 30; step++) {
          const base = source.oneOf(pool)
          const context: EvaluationContext.EvaluationContext = source.chance(0.5)
            ? base
            : cast({ ...base, [source.oneOf(names.slice(0, 3))]: value(source) })
          const { details } = yield* Fixtures.run(hook, {
            context: { context },
            details: { variant: String(seen.push(context) - 1) }
          })
          if (details.reason !== "CACHED") continue
          const other = seen[Number(details.variant)] ?? {}
          const all = kind === 0 ? names : chosen
          const told = `SEED=${seed} program ${program} step ${step}`
          assert.isTrue(isDeepStrictEqual(picked(context, all), picked(other, all)), told)
        }
        hits += (yield* counts).hits
      }
      // The test would tell nothing if there were no hits.
      assert.isAbove(hits, programs)
    }))
})

describe("a long list in a context", () => {
  it("has no key, without a look at what is in it", () => {
    let looks = 0
    const list = new Proxy(Array.from({ length: 100_000 }, () => 1), {
      ownKeys: (target) => {
        looks++
        return Reflect.ownKeys(target)
      }
    })
    assert.isUndefined(canonical({ list }))
    assert.strictEqual(looks, 0)
  })
})
