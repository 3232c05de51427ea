import { assert, describe, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import { FeatureHook, FlagFilter } from "effect-openfeature"
import { Fixtures } from "effect-openfeature/testing"
import { paths, random, rangeError } from "./support.ts"

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

  it("tries a sticky regular expression at the start of the key only", () => {
    const filter = FlagFilter.pattern(/a/y)
    for (let i = 0; i < 2; i++) assert.deepStrictEqual([takes(filter, "ab"), takes(filter, "ba")], [true, false])
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

describe("sample", () => {
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
  const ways = ["targetingKey", "flag", "targetingKeyAndFlag"] as const
  const rates = [0.01, 0.1, 0.5, 0.9]
  const count = 4000

  const evaluation = (subject: number | string, flagKey = `flag-${subject}`) =>
    Fixtures.hookContext({ flagKey, context: { targetingKey: `user-${subject}` } })

  // Five standard deviations: one run in 1.7 million fails by chance.
  const isNear = (taken: number, rate: number, message: string): void =>
    assert.isAtMost(Math.abs(taken - count * rate), 5 * Math.sqrt(count * rate * (1 - rate)), message)

  it("takes all at rate 1, and none at rate 0", () => {
    for (const by of [...ways, "evaluation"] as const) {
      for (let i = 0; i < 500; i++) {
        assert.isTrue(FlagFilter.sample({ rate: 1, by })(evaluation(i)), by)
        assert.isFalse(FlagFilter.sample({ rate: 0, by })(evaluation(i)), by)
      }
    }
  })

  it("takes the share that it should, of keys that hardly differ, and independently for each salt", () => {
    const { below } = random(seed)
    const salt = String(below(2 ** 31))
    for (const by of ways) {
      for (const rate of rates) {
        const first = FlagFilter.sample({ rate, by, salt: `first ${salt}` })
        const second = FlagFilter.sample({ rate, by, salt: `second ${salt}` })
        let both = 0
        let taken = 0
        for (let i = 0; i < count; i++) {
          const context = evaluation(i)
          if (first(context)) taken++
          if (first(context) && second(context)) both++
        }
        isNear(taken, rate, `${by} ${rate} SEED=${seed}`)
        isNear(both, rate * rate, `${by} ${rate} both SEED=${seed}`)
      }
    }
  })

  it("decides the same way each time, and whatever it takes it also takes at a higher rate", () => {
    const { next } = random(seed)
    for (const by of ways) {
      for (let i = 0; i < 1000; i++) {
        const [one, other] = [next(), next()]
        const [low, high] = [Math.min(one, other), Math.max(one, other)]
        const isTaken = FlagFilter.sample({ rate: low, by })(evaluation(i))
        assert.strictEqual(FlagFilter.sample({ rate: low, by })(evaluation(i)), isTaken)
        if (isTaken) assert.isTrue(FlagFilter.sample({ rate: high, by })(evaluation(i)), `${low} ${high} SEED=${seed}`)
      }
    }
  })

  it("decides by what it is told to", () => {
    const decisions = (by: typeof ways[number], subjects: number, flags: number): number => {
      const filter = FlagFilter.sample({ rate: 0.5, by })
      let taken = 0
      for (let subject = 0; subject < subjects; subject++) {
        for (let flag = 0; flag < flags; flag++) if (filter(evaluation(subject, `flag-${flag}`))) taken++
      }
      return taken
    }
    assert.include([0, 100], decisions("targetingKey", 1, 100))
    assert.include([0, 100], decisions("flag", 100, 1))
    for (const [subjects, flags] of [[1, 100], [100, 1]] as const) {
      const taken = decisions("targetingKeyAndFlag", subjects, flags)
      assert.isTrue(taken > 20 && taken < 80, String(taken))
    }
    // The same in every process.
    const filter = FlagFilter.sample({ rate: 0.1, by: "targetingKey" })
    const taken = Array.from({ length: 60 }, (_, i) => i).filter((i) => filter(evaluation(i)))
    assert.deepStrictEqual(taken, [8, 10, 20, 29, 36, 40, 52, 54])
  })

  it.effect("decides evaluations, and those without a targeting key, with Effect's Random", () =>
    Effect.gen(function*() {
      for (const by of ["evaluation", "targetingKey", "targetingKeyAndFlag"] as const) {
        const filter = FlagFilter.sample({ rate: 0.3, by })
        const decide = Effect.gen(function*() {
          const decisions: Array<boolean> = []
          const context = Fixtures.hookContext({ context: by === "evaluation" ? { targetingKey: "user-1" } : {} })
          for (let i = 0; i < count; i++) decisions.push(yield* Effect.sync(() => filter(context)))
          return decisions
        })
        const decisions = yield* Random.withSeed(decide, seed)
        assert.deepStrictEqual(yield* Random.withSeed(decide, seed), decisions)
        isNear(decisions.filter((isTaken) => isTaken).length, 0.3, `${by} SEED=${seed}`)
      }
    }))

  for (const [path, change] of paths) {
    it.effect(`decides once for all stages of an evaluation, ${path}`, () =>
      Effect.gen(function*() {
        const stages: Array<string> = []
        const hook = FeatureHook.make("a", {
          before: () => void stages.push("before"),
          after: () => void stages.push("after"),
          finally: () => void stages.push("finally")
        })
        const sampled = change(FeatureHook.when(hook, FlagFilter.sample({ rate: 0.5 })))
        for (let i = 0; i < 50; i++) yield* Fixtures.run(sampled)
        assert.match(stages.join(" "), /^(before after finally ?)+$/)
        assert.isBelow(stages.length, 150)
      }).pipe(Random.withSeed("sample")))
  }

  it("refuses what is no rate", () => {
    for (const rate of [Number.NaN, -0.1, 1.1, Number.POSITIVE_INFINITY]) {
      assert.strictEqual(
        rangeError(() => FlagFilter.sample({ rate })),
        `FlagFilter.sample: rate must be a number from 0 to 1, got ${rate}`
      )
    }
    // @ts-expect-error the rate has no default
    assert.include(rangeError(() => FlagFilter.sample({})), "FlagFilter.sample: rate must be")
  })
})
