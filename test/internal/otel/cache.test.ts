import { assert, describe, it } from "@effect/vitest"
import { LabelCache, type Labels } from "../../../src/internal/otel/cache.ts"
import { random } from "../../support.ts"

const labels = (options: Partial<Labels> = {}): Labels => ({
  flagKey: "flag",
  provider: "test",
  variant: "on",
  reason: "static",
  errorType: undefined,
  extra: "",
  ...options
})

describe("LabelCache", () => {
  it("finds equal labels, whichever object they are", () => {
    const cache = new LabelCache<string>(10)
    assert.isUndefined(cache.get(labels()))
    cache.set(labels(), "a")
    assert.strictEqual(cache.get(labels()), "a")
  })

  it("tells labels apart by each of them", () => {
    const cache = new LabelCache<number>(100)
    const all = [
      labels(),
      labels({ flagKey: "other" }),
      labels({ provider: "other" }),
      labels({ variant: "other" }),
      labels({ variant: undefined }),
      labels({ variant: "undefined" }),
      labels({ variant: "" }),
      labels({ reason: "other" }),
      labels({ reason: undefined }),
      labels({ errorType: "general" }),
      labels({ extra: "{}" })
    ]
    all.forEach((one, i) => {
      assert.isUndefined(cache.get(one))
      cache.set(one, i)
    })
    assert.deepStrictEqual(all.map((one) => cache.get({ ...one })), all.map((_, i) => i))
  })

  it("does not take flags for what every object has", () => {
    const cache = new LabelCache<string>(10)
    for (const flagKey of ["__proto__", "constructor", "toString", ""]) {
      assert.isUndefined(cache.get(labels({ flagKey, variant: flagKey })))
      cache.set(labels({ flagKey, variant: flagKey }), flagKey)
      assert.strictEqual(cache.get(labels({ flagKey, variant: flagKey })), flagKey)
    }
  })

  it("takes nothing more when it is full, and forgets nothing", () => {
    const cache = new LabelCache<number>(3)
    for (let i = 0; i < 10; i++) cache.set(labels({ flagKey: `flag-${i}` }), i)
    const found = Array.from({ length: 10 }, (_, i) => cache.get(labels({ flagKey: `flag-${i}` })))
    assert.deepStrictEqual(found.filter((one) => one !== undefined), [0, 1, 2])
  })

  it("does what a map of texts does, whatever the labels", () => {
    const seed = 20_260_132
    console.log(`label cache seed ${seed}`)
    const { below, oneOf } = random(seed)
    const cache = new LabelCache<number>(200)
    const expected = new Map<string, number>()
    let overflown = 0
    for (let i = 0; i < 20_000; i++) {
      const one = labels({
        flagKey: `flag-${below(10)}`,
        provider: oneOf(["a", "b"]),
        variant: oneOf(["on", "off", undefined]),
        reason: oneOf(["static", "error"]),
        errorType: oneOf(["general", undefined]),
        extra: oneOf(["", "{}"])
      })
      const text = JSON.stringify([
        one.flagKey,
        one.provider,
        one.variant ?? 0,
        one.reason,
        one.errorType ?? 0,
        one.extra
      ])
      assert.strictEqual(cache.get(one), expected.get(text))
      if (expected.has(text)) continue
      cache.set(one, i)
      if (expected.size < 200) expected.set(text, i)
      else overflown++
    }
    assert.strictEqual(expected.size, 200)
    assert.isAbove(overflown, 100)
  })
})
