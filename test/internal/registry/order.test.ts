import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { type Ordered, sort } from "../../../src/internal/registry/order.ts"
import { random } from "../../support.ts"
import { byRule, edgesOf, hasCycle } from "./rule.ts"

const hook = (name: string, given: Partial<Ordered> = {}): Ordered => ({
  name,
  priority: 0,
  before: [],
  after: [],
  ...given
})

const names = (items: ReadonlyArray<Ordered>): ReadonlyArray<string> =>
  Result.getOrThrow(sort(items)).map(({ name }) => name)

const cycle = (items: ReadonlyArray<Ordered>): ReadonlyArray<string> => Result.getOrThrow(Result.flip(sort(items)))

describe("the running order", () => {
  it("is that of adding without anything else", () => {
    assert.deepStrictEqual(names([hook("c"), hook("a"), hook("b")]), ["c", "a", "b"])
  })

  it("puts a higher priority first, and keeps the order of adding for equal ones", () => {
    const items = [hook("a", { priority: -1 }), hook("b"), hook("c", { priority: 1.5 }), hook("d")]
    assert.deepStrictEqual(names(items), ["c", "b", "d", "a"])
  })

  it("puts constraints above priorities", () => {
    const items = [hook("a", { priority: 10, after: ["b"] }), hook("b", { priority: -10 }), hook("c")]
    assert.deepStrictEqual(names(items), ["c", "b", "a"])
  })

  it("takes a constraint from either side, and from both", () => {
    assert.deepStrictEqual(names([hook("a"), hook("b", { before: ["a"] })]), ["b", "a"])
    assert.deepStrictEqual(names([hook("a", { after: ["b"] }), hook("b")]), ["b", "a"])
    assert.deepStrictEqual(names([hook("a", { after: ["b", "b"] }), hook("b", { before: ["a"] })]), ["b", "a"])
  })

  it("ignores names of no hook, also those of every object", () => {
    assert.deepStrictEqual(names([hook("a", { before: ["x", "__proto__", "constructor"] }), hook("b")]), ["a", "b"])
    assert.deepStrictEqual(names([hook("a", { after: ["__proto__"] }), hook("__proto__")]), ["__proto__", "a"])
  })

  it("gives the cycle in the order in which its hooks would run", () => {
    assert.deepStrictEqual(cycle([hook("a", { before: ["a"] })]), ["a", "a"])
    const three = [hook("a", { before: ["b"] }), hook("b", { before: ["c"] }), hook("c", { before: ["a"] })]
    const found = cycle([hook("first", { before: ["a"] }), ...three, hook("last", { after: ["c"] })])
    assert.strictEqual(found.length, 4)
    assert.strictEqual(found[0], found[3])
    assert.include(["a b c a", "b c a b", "c a b c"], found.join(" "))
  })
})

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32))

describe(`random hooks (SEED=${seed})`, () => {
  it("respect every constraint, keep the rule for the rest, and have a cycle exactly when their graph has one", () => {
    const from = random(seed)
    const found = { sorted: 0, cycles: 0 }
    for (let round = 0; round < 5000; round++) {
      const count = 1 + from.below(9)
      const all = Array.from({ length: count + 1 }, (_, index) => `hook-${index}`)
      const some = () => all.filter(() => from.chance(0.6 / count))
      const items = all.slice(0, count).map((name) =>
        hook(name, { priority: from.below(3), before: some(), after: some() })
      )
      const result = sort(items)
      if (Result.isFailure(result)) {
        found.cycles++
        assert.isTrue(hasCycle(items), `round ${round}`)
        const edges = edgesOf(items).map((edge) => edge.join(" "))
        const { failure } = result
        assert.strictEqual(failure[0], failure.at(-1), `round ${round}`)
        assert.strictEqual(new Set(failure).size, failure.length - 1, `round ${round}`)
        for (let index = 1; index < failure.length; index++) {
          assert.include(edges, `${failure[index - 1]} ${failure[index]}`, `round ${round}`)
        }
      } else {
        found.sorted++
        const sorted = result.success.map(({ name }) => name)
        assert.isFalse(hasCycle(items), `round ${round}`)
        for (const [first, second] of edgesOf(items)) {
          assert.isBelow(sorted.indexOf(first), sorted.indexOf(second), `round ${round}`)
        }
        assert.deepStrictEqual(sorted, byRule(items), `round ${round}`)
      }
    }
    assert.isAbove(found.sorted, 500)
    assert.isAbove(found.cycles, 500)
  })
})
