import { assert, describe, it } from "@effect/vitest"
import { FlagFilter } from "effect-openfeature"
import { Fixtures } from "effect-openfeature/testing"
import { random, rangeError } from "./support.ts"

const takes = (filter: FlagFilter.FlagFilter, flagKey: string): boolean => filter(Fixtures.hookContext({ flagKey }))

describe("filters by key", () => {
  it("take a prefix, a suffix, a list", () => {
    assert.isTrue(takes(FlagFilter.all, ""))
    assert.isTrue(takes(FlagFilter.prefix("a-"), "a-b"))
    assert.isFalse(takes(FlagFilter.prefix("a-"), "b-a-"))
    assert.isTrue(takes(FlagFilter.suffix("-a"), "b-a"))
    assert.isFalse(takes(FlagFilter.suffix("-a"), "-a-b"))
    assert.isTrue(takes(FlagFilter.oneOf("a", "b"), "b"))
    assert.isFalse(takes(FlagFilter.oneOf("a", "b"), "ab"))
    assert.isFalse(takes(FlagFilter.oneOf("a"), "constructor"))
  })

  it("refuse misuse at construction, with module, function and option", () => {
    assert.strictEqual(rangeError(() => FlagFilter.prefix("")), "FlagFilter.prefix: prefix must not be empty")
    assert.strictEqual(rangeError(() => FlagFilter.suffix("")), "FlagFilter.suffix: suffix must not be empty")
    assert.strictEqual(rangeError(() => FlagFilter.oneOf()), "FlagFilter.oneOf: at least one flag key is needed")
    assert.strictEqual(rangeError(() => FlagFilter.pattern("")), "FlagFilter.pattern: pattern must not be empty")
    assert.strictEqual(
      rangeError(() => FlagFilter.pattern("*".repeat(257))),
      "FlagFilter.pattern: pattern must not be longer than 256 characters, got 257"
    )
    assert.strictEqual(rangeError(() => FlagFilter.domain()), "FlagFilter.domain: at least one domain is needed")
    assert.include(rangeError(() => FlagFilter.flagType()), "FlagFilter.flagType: types must be among")
    // @ts-expect-error there is no such type
    assert.include(rangeError(() => FlagFilter.flagType("boolean", "date")), "got date")
  })
})

describe("pattern", () => {
  it("takes globs that fit the whole key", () => {
    const cases: ReadonlyArray<readonly [pattern: string, key: string, fits: boolean]> = [
      ["*", "", true],
      ["*", "anything", true],
      ["?", "", false],
      ["?", "a", true],
      ["?", "ab", false],
      ["a*c", "abbbc", true],
      ["a*c", "abbbd", false],
      ["a*b*c", "aXbYbZc", true],
      ["**a", "xa", true],
      ["a**", "a", true],
      ["a.c", "abc", false],
      ["a.c", "a.c", true],
      ["[a]", "a", false],
      ["checkout-*-experiment", "checkout-button-experiment", true],
      ["checkout-*-experiment", "checkout-experiment", false],
      ["*a*a*b", "aaaab", true]
    ]
    for (const [pattern, key, fits] of cases) {
      assert.strictEqual(takes(FlagFilter.pattern(pattern), key), fits, `${pattern} ~ ${key}`)
    }
  })

  it("agrees with a regular expression on random globs", () => {
    const rng = random(7)
    const text = (alphabet: ReadonlyArray<string>, length: number) =>
      Array.from({ length: rng.below(length) }, () => rng.oneOf(alphabet)).join("")
    for (let round = 0; round < 5000; round++) {
      const pattern = `${text(["a", "b", "*", "?", "."], 8)}${rng.oneOf(["a", "*"])}`
      const key = text(["a", "b", "."], 10)
      const source = Array.from(
        pattern,
        (char) => char === "*" ? "[^]*" : char === "?" ? "[^]" : char === "." ? "\\." : char
      ).join("")
      assert.strictEqual(
        takes(FlagFilter.pattern(pattern), key),
        new RegExp(`^${source}$`).test(key),
        `${pattern} ~ ${key}`
      )
    }
  })

  it("stays below key times pattern for a hostile key", () => {
    const filter = FlagFilter.pattern("a*".repeat(20) + "b")
    const hostile = "a".repeat(100_000)
    const started = process.hrtime.bigint()
    for (let i = 0; i < 5; i++) {
      assert.isFalse(takes(filter, hostile))
    }
    const perKey = Number(process.hrtime.bigint() - started) / 1e6 / 5
    assert.isBelow(perKey, 250)
  })

  it("keeps no state of a regular expression between keys", () => {
    for (const flags of ["g", "y", "gy", "gi"]) {
      const expression = new RegExp("a", flags)
      const filter = FlagFilter.pattern(expression)
      for (let i = 0; i < 4; i++) assert.isTrue(takes(filter, "a"), flags)
      assert.strictEqual(expression.lastIndex, 0)
    }
    assert.isTrue(takes(FlagFilter.pattern(/A/i), "a"))
  })

  it("does not try a regular expression on a key of more than 256 characters", () => {
    const filter = FlagFilter.pattern(/^a/)
    assert.isTrue(takes(filter, "a".repeat(256)))
    assert.isFalse(takes(filter, "a".repeat(257)))
  })
})

describe("other filters", () => {
  it("take types and domains", () => {
    const typed = FlagFilter.flagType("string", "object")
    assert.isTrue(typed(Fixtures.hookContext({ flagValueType: "string" })))
    assert.isTrue(typed(Fixtures.hookContext({ flagValueType: "object" })))
    assert.isFalse(typed(Fixtures.hookContext({ flagValueType: "boolean" })))
    assert.isFalse(typed(Fixtures.hookContext({ flagValueType: "number" })))
    const bound = FlagFilter.domain("shop", "web")
    assert.isTrue(bound(Fixtures.hookContext({ domain: "web" })))
    assert.isFalse(bound(Fixtures.hookContext({ domain: "app" })))
    const unbound = { ...Fixtures.hookContext(), clientMetadata: { providerMetadata: { name: "p" } } }
    assert.isFalse(bound({ ...unbound, flagKey: "a" }))
  })
})

describe("and, or, not", () => {
  const yes: FlagFilter.FlagFilter = () => true
  const no: FlagFilter.FlagFilter = () => false
  const context = Fixtures.hookContext()

  it("follow the laws of logic, data first and data last", () => {
    for (const a of [yes, no]) {
      assert.strictEqual(FlagFilter.not(FlagFilter.not(a))(context), a(context))
      for (const b of [yes, no]) {
        assert.strictEqual(FlagFilter.and(a, b)(context), a(context) && b(context))
        assert.strictEqual(FlagFilter.and(b)(a)(context), a(context) && b(context))
        assert.strictEqual(FlagFilter.or(a, b)(context), a(context) || b(context))
        assert.strictEqual(FlagFilter.or(b)(a)(context), a(context) || b(context))
        assert.strictEqual(
          FlagFilter.not(FlagFilter.and(a, b))(context),
          FlagFilter.or(FlagFilter.not(a), FlagFilter.not(b))(context)
        )
      }
    }
  })

  it("ask the second filter only when they have to", () => {
    const never: FlagFilter.FlagFilter = () => {
      throw new Error("asked")
    }
    assert.isFalse(FlagFilter.and(no, never)(context))
    assert.isTrue(FlagFilter.or(yes, never)(context))
  })
})
