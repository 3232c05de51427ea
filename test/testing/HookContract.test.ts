import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect, Metric } from "effect"
import { ContextValidatorHook, FeatureHook, LoggingHook, MetricsHook } from "effect-openfeature"
import { HookContract } from "effect-openfeature/testing"
import { untyped } from "../faults/harness.ts"
import { rangeError } from "../support.ts"
import { broken, release } from "./contract/broken.ts"
import { kept } from "./contract/kept.ts"

/** The rules that a hook breaks. */
const violations = async (make: HookContract.Make, options: HookContract.Options = {}) => {
  try {
    await HookContract.check(make, options)
    return []
  } catch (error) {
    if (error instanceof HookContract.ContractError) return error.violations
    throw error
  }
}

// The rule of memory takes longer than all others, so it has tests of its own.
const apart = { memory: "it is checked apart" }

const messageOf = (promise: Promise<void>): Promise<string> =>
  promise.then(() => assert.fail("nothing was found"), (error) => String(error.message))

describe("the contract is kept by", () => {
  for (const [name, make, options] of kept) {
    it(name, async () => {
      assert.deepStrictEqual(await violations(make, { ...options, allow: { ...apart, ...options?.allow } }), [])
    })
  }
})

describe("the contract is broken by a hook that", () => {
  const others = process.rawListeners("unhandledRejection")

  afterEach(() => {
    release()
    process.removeAllListeners("unhandledRejection")
    for (const other of others) process.on("unhandledRejection", untyped(other))
  })

  for (const [what, rules, make, options] of broken) {
    it(`${what}, and in no other way`, async () => {
      // Vitest would fail the run for what a broken hook is meant to do.
      process.removeAllListeners("unhandledRejection")
      process.on("unhandledRejection", () => {})
      const allow = rules.includes("memory") ? {} : apart
      const found = await violations(make, { evaluations: 20_000, allow, ...options })
      assert.deepStrictEqual(found.map(({ rule }) => rule), rules, JSON.stringify(found, undefined, 2))
    })
  }

  it("breaks any rule: each one has a hook here", () => {
    const all = new Set(broken.flatMap(([, rules]) => rules))
    assert.sameMembers(Array.from(all), HookContract.rules.map(({ name }) => name))
  })
})

const rule = (name: HookContract.RuleName): HookContract.Rule => {
  const found = HookContract.rules.find((rule) => rule.name === name)
  return found ?? assert.fail(`there is no rule ${name}`)
}

const growing = (seen: Set<string>) => FeatureHook.make("growing", { before: ({ flagKey }) => void seen.add(flagKey) })

/** `EVALUATIONS=1000000 npx vitest run test/testing/HookContract.test.ts` takes as many as a soak test. */
const { EVALUATIONS: evaluations = "0" } = process.env

describe.runIf(evaluations !== "0")(`over ${evaluations} keys, memory is bounded of`, () => {
  for (const [name, make, options] of kept) {
    it(name, () => rule("memory").check(make, { ...options, evaluations: Number(evaluations) }), 3_600_000)
  }
})

describe("the rule of memory", () => {
  it(
    "is kept over 100,000 keys by a hook with series of metrics",
    () => rule("memory").check(() => MetricsHook.makeMetric({ maxSeries: 100 })),
    30_000
  )

  it("counts entries where the hook tells them, without measuring the heap", async () => {
    let seen = new Set<string>()
    const options = { evaluations: 1_000, size: () => seen.size }
    const make = () => growing(seen = new Set())
    const [violation] = await violations(make, { ...options, allow: {} })
    assert.strictEqual(violation?.rule, "memory")
    assert.deepStrictEqual(violation.evidence, ["each evaluation with another key keeps 1.0 entries"])
    const bounded = FeatureHook.when(growing(seen), () => seen.size < 100)
    await rule("memory").check(() => bounded, options)
  })

  it("goes on with more keys where it found something in few", async () => {
    const table = new Map<string, string>()
    const full = () =>
      FeatureHook.make("full", {
        before: ({ flagKey }) => void (table.size < 5_000 && table.set(flagKey, flagKey.padEnd(500, "-").concat("!")))
      })
    await rule("memory").check(full, { evaluations: 2_000 })
    assert.strictEqual(table.size, 5_000)
  })
})

describe("checking a hook", () => {
  const logging = FeatureHook.make("logging", {
    before: ({ context: { targetingKey } }) =>
      Effect.logInfo(typeof targetingKey === "string" ? targetingKey : "nobody")
  })

  // It closes what it has never opened.
  const closing = FeatureHook.make("closing", { finally: () => Metric.modify(Metric.gauge("open"), -1) })

  it("rejects with an error that names each broken rule and its evidence", async () => {
    const error = await HookContract.check(() => FeatureHook.combine(logging, closing), { allow: apart }).catch((
      error
    ) => error)
    assert.instanceOf(error, HookContract.ContractError)
    const lines = error.message.split("\n")
    assert.include(lines, `pairing: ${rule("pairing").description}`)
    assert.include(lines, `privacy: ${rule("privacy").description}`)
    assert.isTrue(lines.some((line: string) => line.startsWith("  - with FeatureFlags, targetingKey is in log: …")))
  })

  it("leaves out the rules that are allowed, each with a reason", async () => {
    const allow = { ...apart, privacy: "the log is not kept" }
    await HookContract.check(() => logging, { allow })
    await rule("privacy").check(() => logging, { allow })
  })

  it("accepts what the hook may emit, and nothing else", async () => {
    await rule("privacy").check(() => logging, { mayEmit: ["targetingKey"] })
    const found = await violations(() => logging, { allow: apart, mayEmit: ["value", "context"] })
    assert.deepStrictEqual(found.map(({ rule }) => rule), ["privacy"])
  })

  it("fails with a rejection that the hook may not make, and with none that it may", async () => {
    const guard = () => ContextValidatorHook.make({ requiredAttributes: ["team"], mode: "reject" })
    await rule("transparency").check(guard, { mayReject: true })
    assert.include(await messageOf(rule("transparency").check(guard)), "INVALID_CONTEXT")
  })

  it("leaves out numbers that differ from run to run", async () => {
    let evaluations = 0
    const counting = () => FeatureHook.make("counting", { before: () => ({ context: { evaluation: ++evaluations } }) })
    const limiting = () =>
      FeatureHook.make("limiting", {
        before: () => ({ resolution: { errorCode: "GENERAL", flagMetadata: { retryAfter: ++evaluations } } })
      })
    for (const name of ["isolation", "paths"] as const) {
      await rule(name).check(counting, { mayContribute: ["context"] })
      await rule(name).check(limiting, { mayReject: true })
    }
    assert.isAbove(evaluations, 0)
  })

  it("finds what only a promise of the option emitted tells", async () => {
    const sent: Array<unknown> = []
    const hook = () => FeatureHook.make("sends", { after: (_context, { value }) => void sent.push({ value }) })
    await rule("privacy").check(hook)
    const message = await messageOf(rule("privacy").check(hook, { emitted: async () => sent }))
    assert.include(message, "value is in emitted")
  })

  it.effect("works as an effect under a test clock, with a typed error", () =>
    Effect.gen(function*() {
      yield* rule("ends").checkEffect(() => FeatureHook.make("slow", { before: () => Effect.sleep("30 seconds") }))
      const error = yield* Effect.flip(HookContract.checkEffect(() => logging, { allow: apart }))
      assert.deepStrictEqual(error.violations.map(({ rule }) => rule), ["privacy"])
    }))

  it("closes each hook that it has created", async () => {
    let open = 0
    const make = () => {
      open++
      return { hook: FeatureHook.empty, close: async () => void open-- }
    }
    await HookContract.check(make, { allow: apart })
    assert.strictEqual(open, 0)
  })

  it("rejects with the error of a hook that cannot be created", async () => {
    const thrown = new Error("no database")
    const failing = [
      () => {
        throw thrown
      },
      () => Promise.reject(thrown),
      () => Effect.fail(thrown)
    ]
    for (const make of failing) {
      assert.strictEqual(await HookContract.check(make).catch((error) => error), thrown)
    }
  })

  it("refuses what is no hook, no function, no rule and no reason", async () => {
    assert.include(await messageOf(HookContract.check(() => untyped({}))), "HookContract.check: the result of make")
    assert.include(await messageOf(HookContract.check(untyped(logging))), "HookContract.check: make must be a function")
    const mistake = (allow: unknown) =>
      rangeError(() => HookContract.checkEffect(() => logging, { allow: untyped(allow) }))
    assert.include(mistake({ memori: "x" }), "did you mean \"memory\"?")
    assert.include(mistake({ memory: "" }), "memory must be a text that is not empty")
  })
})

describe("each rule", () => {
  it("has a name of its own and says what it demands", () => {
    assert.strictEqual(new Set(HookContract.rules.map(({ name }) => name)).size, HookContract.rules.length)
    for (const { description } of HookContract.rules) assert.match(description, /^[A-Z].*[.]$/)
  })

  it("can be a test of its own, in any runner", async () => {
    const results: Array<string> = []
    const test = async (name: string, body: () => Promise<void>) => {
      await body()
      results.push(name)
    }
    for (const rule of HookContract.rules) {
      await test(rule.name, () => rule.check(() => LoggingHook.make(), { mayEmit: ["variant"], evaluations: 2_000 }))
    }
    assert.strictEqual(results.length, HookContract.rules.length)
  })
})
