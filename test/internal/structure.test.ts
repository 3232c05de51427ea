import { assert, describe, it } from "@effect/vitest"
import { structureOf } from "../../src/internal/structure.ts"
import { type Random, random, scale } from "../support.ts"

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000)

const valueOf = (draws: Random, depth: number): unknown => {
  switch (draws.below(depth > 2 ? 6 : 8)) {
    case 0:
      return draws.oneOf(["", "a", "1", "s1:a", "null", "true", "a1:"])
    case 1:
      return draws.oneOf([0, 1, -1, 1.5, Number.NaN, Infinity])
    case 2:
      return draws.chance(0.5)
    case 3:
      return null
    case 4:
      return undefined
    case 5:
      return new Date(draws.below(3))
    case 6:
      return Array.from({ length: draws.below(3) }, () => valueOf(draws, depth + 1))
    default:
      return Object.fromEntries(
        ["a", "b", "a1:", ""].filter(() => draws.chance(0.4)).map((name) => [name, valueOf(draws, depth + 1)])
      )
  }
}

/** The same value with the names of its objects in another order. */
const turned = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(turned)
  if (typeof value !== "object" || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).reverse().map(([name, one]) => [name, turned(one)]))
}

const isEqual = (a: unknown, b: unknown): boolean => {
  try {
    assert.deepStrictEqual(a, b)
    return true
  } catch {
    return false
  }
}

describe(`the text of a structure, SEED=${seed}`, () => {
  it("is the same exactly for equal structures", () => {
    const draws = random(seed)
    const known = new Map<string, unknown>()
    for (let i = 0; i < 20_000 * scale; i++) {
      const value = valueOf(draws, 0)
      const text = structureOf(value, 10_000)
      assert.isDefined(text)
      if (text === undefined) continue
      assert.strictEqual(structureOf(turned(value), 10_000), text)
      if (known.has(text)) assert.isTrue(isEqual(known.get(text), value), text)
      known.set(text, value)
    }
    const all = Array.from(known)
    for (let i = 0; i < 2000; i++) {
      const [a, b] = [draws.oneOf(all), draws.oneOf(all)]
      if (a !== undefined && b !== undefined && a[0] !== b[0]) assert.isFalse(isEqual(a[1], b[1]), `${a[0]} ${b[0]}`)
    }
  })

  it("is missing for what cannot be compared, within the limit", () => {
    let deep: unknown = 1
    for (let i = 0; i < 100_000; i++) deep = { deep }
    const cyclic: Record<string, unknown> = {}
    cyclic["self"] = cyclic
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const bad: ReadonlyArray<unknown> = [
      deep,
      cyclic,
      proxy,
      new Map(),
      new (class Money {})(),
      () => 1,
      Symbol("a"),
      new Array(5),
      new Array(4_000_000_000),
      "x".repeat(1001),
      Array.from({ length: 1001 }, () => true)
    ]
    for (const [index, value] of bad.entries()) {
      assert.isUndefined(structureOf(value, 1000), `${index}`)
      assert.isUndefined(structureOf({ nested: [value] }, 1000), `${index}`)
    }
  })
})
