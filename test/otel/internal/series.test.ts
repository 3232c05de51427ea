import { assert, describe, it } from "@effect/vitest"
import { type Labels, Series, SeriesLookup } from "../../../src/internal/series.ts"
import { random } from "../../support.ts"

const labels = (options: Partial<Labels> = {}): Labels => ({
  flagKey: "flag",
  provider: "test",
  variant: "on",
  reason: "static",
  errorCode: undefined,
  extra: "",
  ...options
})

const numbered = (limit: number) => {
  let made = 0
  const series = new SeriesLookup(limit, () => made++)
  return {
    of: ({ extra, flagKey, provider, ...outcome }: Labels) => series.of(flagKey, provider, outcome, extra),
    get made() {
      return made
    }
  }
}

describe("Series", () => {
  it("has one series for the same attributes, whatever their order", () => {
    const series = new Series<object>({})
    const of = (attributes: Record<string, string | number>) => series.of(attributes, 10, () => ({}))
    const first = of({ a: 1, b: "x" })
    assert.strictEqual(of({ b: "x", a: 1 }), first)
    assert.notStrictEqual(of({ b: "x", a: "1" }), first)
    assert.notStrictEqual(of({ b: "x" }), first)
  })

  it("has one series for the rest, behind the limit of each caller", () => {
    const overflow = {}
    const series = new Series<object>(overflow)
    const of = (flag: string, limit: number) => series.of({ flag }, limit, () => ({}))
    const kept = [of("a", 2), of("b", 2)]
    assert.strictEqual(of("c", 2), overflow)
    assert.strictEqual(of("d", 2), overflow)
    assert.deepStrictEqual([of("a", 2) === kept[0], of("b", 2) === kept[1]], [true, true])
    assert.notStrictEqual(of("c", 3), overflow)
  })
})

describe("SeriesLookup", () => {
  it("finds equal labels, whichever object they are, and asks once", () => {
    const series = numbered(10)
    const first = series.of(labels())
    assert.strictEqual(series.of(labels()), first)
    assert.strictEqual(series.made, 1)
  })

  it("asks with all labels", () => {
    const asked: Array<Labels> = []
    const { extra, flagKey, provider, ...outcome } = labels({ errorCode: "GENERAL", extra: "{}" })
    new SeriesLookup(10, (labels) => asked.push(labels)).of(flagKey, provider, outcome, extra)
    assert.deepStrictEqual(asked, [{ flagKey, provider, ...outcome, extra }])
  })

  it("distinguishes labels by each of them", () => {
    const series = numbered(100)
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
      labels({ errorCode: "GENERAL" }),
      labels({ extra: "{}" })
    ]
    assert.deepStrictEqual(all.map(series.of), all.map((_, i) => i))
    assert.deepStrictEqual(all.map((one) => series.of({ ...one })), all.map((_, i) => i))
    assert.strictEqual(series.made, all.length)
  })

  it("does not take flags for what every object has", () => {
    const series = numbered(10)
    const keys = ["__proto__", "constructor", "toString", ""]
    for (let round = 0; round < 2; round++) {
      const found = keys.map((flagKey) => series.of(labels({ flagKey, variant: flagKey })))
      assert.deepStrictEqual(found, [0, 1, 2, 3])
    }
  })

  it("takes nothing more when it is full, and forgets nothing", () => {
    const series = numbered(3)
    const all = Array.from({ length: 10 }, (_, i) => labels({ flagKey: `flag-${i}` }))
    assert.deepStrictEqual(all.map(series.of), all.map((_, i) => i))
    assert.deepStrictEqual(all.slice(0, 3).map(series.of), [0, 1, 2])
    assert.deepStrictEqual(all.slice(3).map(series.of), [10, 11, 12, 13, 14, 15, 16])
  })

  it("keeps no text that is longer than an attribute", () => {
    const long = "x".repeat(257)
    const all = [
      labels({ flagKey: long }),
      labels({ variant: long }),
      labels({ reason: long })
    ]
    for (const one of all) {
      const series = numbered(10)
      assert.deepStrictEqual([series.of(one), series.of(one)], [0, 1])
    }
    const series = numbered(10)
    const longest = labels({ flagKey: "x".repeat(256), variant: "x".repeat(256) })
    assert.deepStrictEqual([series.of(longest), series.of(longest)], [0, 0])
  })

  it("does what a map of texts does, whatever the labels", () => {
    const seed = 20_260_132
    console.log(`series lookup seed ${seed}`)
    const { below, oneOf } = random(seed)
    const series = numbered(200)
    const expected = new Map<string, number>()
    let overflown = 0
    for (let i = 0; i < 20_000; i++) {
      const one = labels({
        flagKey: `flag-${below(10)}`,
        provider: oneOf(["a", "b"]),
        variant: oneOf(["on", "off", undefined]),
        reason: oneOf(["static", "error"]),
        errorCode: oneOf(["GENERAL", undefined]),
        extra: oneOf(["", "{}"])
      })
      const text = JSON.stringify([
        one.flagKey,
        one.provider,
        one.variant ?? 0,
        one.reason,
        one.errorCode ?? 0,
        one.extra
      ])
      const made = series.made
      const found = series.of(one)
      assert.strictEqual(found, expected.get(text) ?? made)
      if (expected.has(text)) continue
      assert.strictEqual(series.made, made + 1)
      if (expected.size < 200) expected.set(text, found)
      else overflown++
    }
    assert.strictEqual(expected.size, 200)
    assert.isAbove(overflown, 100)
  })
})
