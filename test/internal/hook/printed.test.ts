import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import {
  BackgroundHook,
  ContextValidatorHook,
  FeatureHook,
  FlagFilter,
  LoggingHook,
  OpenFeatureHook,
  TimingHook
} from "effect-openfeature"
import { Fixtures } from "effect-openfeature/testing"
import { inspect } from "node:util"
import { hooksOf } from "../../../src/internal/hook/printed.ts"
import { random } from "../../support.ts"

const named = (name: string) => FeatureHook.make(name, { before: () => {}, after: () => {} })

const a = named("a")
const b = named("b")
const c = named("c")

const text = (hook: FeatureHook.Any): string => String(hook).slice("FeatureHook(".length, -1)

const sdkText = (hook: { readonly toString: () => string }): string => hook.toString()

describe("a hook prints", () => {
  it("as it was written, with its combinators in order", () => {
    const retryOnce = <A, E, R>(stage: Effect.Effect<A, E, R>) => Effect.retry(stage, { times: 1 })
    const hook = FeatureHook.combine(
      TimingHook.make(),
      LoggingHook.make().pipe(
        FeatureHook.when(FlagFilter.prefix("checkout-")),
        FeatureHook.onlyStages("after", "error"),
        FeatureHook.timeout("1500 millis"),
        FeatureHook.warnWhenSlow("100 millis"),
        FeatureHook.transform(retryOnce),
        FeatureHook.transform((stage) => stage),
        FeatureHook.provide(Context.empty()),
        FeatureHook.failurePolicy({ before: "report", after: "ignore", error: undefined }),
        FeatureHook.observe
      )
    )
    assert.strictEqual(
      String(hook),
      "FeatureHook(timing + logging.pipe(when(prefix(\"checkout-\")), " +
        "onlyStages(\"after\", \"error\"), timeout(1s 500ms), warnWhenSlow(100ms), transform(retryOnce), transform, " +
        "provide, failurePolicy({ before: \"report\", after: \"ignore\" }), observe))"
    )
  })

  it("with the combinators of a combination around the combination", () => {
    const both = FeatureHook.combine(a, b).pipe(FeatureHook.observe)
    assert.strictEqual(text(both), "(a + b).pipe(observe)")
    assert.strictEqual(
      text(FeatureHook.combineAll([c, both, both])),
      "c + (a + b).pipe(observe) + (a + b).pipe(observe)"
    )
    const nested = FeatureHook.combine(both, c.pipe(FeatureHook.timeout(5))).pipe(FeatureHook.when(FlagFilter.all))
    assert.strictEqual(text(nested), "((a + b).pipe(observe) + c.pipe(timeout(5ms))).pipe(when(all))")
    const one = FeatureHook.combineAll([FeatureHook.observe(a)]).pipe(FeatureHook.timeout("1 second"))
    assert.strictEqual(text(one), "a.pipe(observe, timeout(1s))")
    // A hook that lost all its stages was written nevertheless.
    const only = FeatureHook.combine(FeatureHook.make("x", { before: () => {} }), b).pipe(
      FeatureHook.onlyStages("after")
    )
    assert.strictEqual(text(FeatureHook.combine(only, c)), "(x + b).pipe(onlyStages(\"after\")) + c")
    assert.strictEqual(text(FeatureHook.empty), "empty")
    assert.strictEqual(text(FeatureHook.observe(FeatureHook.empty)), "empty")
  })

  it.effect("what another module has made of it", () =>
    Effect.gen(function*() {
      const { hook } = yield* BackgroundHook.make(FeatureHook.combine(a, b).pipe(FeatureHook.observe))
      assert.strictEqual(text(hook), "(a + b).pipe(observe, BackgroundHook)")
      assert.strictEqual(hook.name, "a + b")
      const validator = ContextValidatorHook.make({ requireTargetingKey: true })
      assert.strictEqual(text(validator), "context-validator")
    }))

  it("with each filter by what it matches", () => {
    const printed = (filter: FlagFilter.FlagFilter): string => text(FeatureHook.when(a, filter)).slice(12, -2)
    function isBeta(): boolean {
      return true
    }
    const filters: ReadonlyArray<readonly [FlagFilter.FlagFilter, string]> = [
      [FlagFilter.all, "all"],
      [FlagFilter.suffix("-x"), "suffix(\"-x\")"],
      [FlagFilter.oneOf("a", "b"), "oneOf(\"a\", \"b\")"],
      [FlagFilter.pattern("a-*"), "pattern(\"a-*\")"],
      [FlagFilter.pattern(/^a\/b/gi), "pattern(/^a\\/b/gi)"],
      [FlagFilter.flagType("boolean", "string"), "flagType(\"boolean\", \"string\")"],
      [FlagFilter.domain("shop"), "domain(\"shop\")"],
      [
        FlagFilter.or(FlagFilter.and(FlagFilter.prefix("a"), FlagFilter.not(FlagFilter.suffix("b"))), isBeta),
        "or(and(prefix(\"a\"), not(suffix(\"b\"))), isBeta)"
      ],
      [() => true, "custom"],
      [isBeta, "isBeta"]
    ]
    for (const [filter, expected] of filters) assert.strictEqual(printed(filter), expected)
    assert.strictEqual(inspect(FlagFilter.prefix("a")), "[Function: prefix(\"a\")]")
  })

  it("in a log, in JSON and as a text", () => {
    const hook = FeatureHook.combine(a, FeatureHook.observe(b))
    assert.strictEqual(inspect({ hook }), "{ hook: FeatureHook(a + b.pipe(observe)) }")
    assert.deepStrictEqual(JSON.parse(JSON.stringify(hook)), {
      _id: "FeatureHook",
      hooks: [{ name: "a", text: "a" }, { name: "b", text: "b.pipe(observe)" }]
    })
    assert.strictEqual(hook.name, "a + b")
  })

  it("with names that could be mistaken for code in quotes, in one line", () => {
    const odd = ["a + b", "x.pipe(observe)", "line\nbreak", "\u202eevil", "say \"hi\"", "\u001b[31m"]
    for (const name of odd) {
      const printed = text(named(name))
      assert.isTrue(printed.startsWith("\"") && printed.endsWith("\""), printed)
      // oxlint-disable-next-line no-control-regex -- control characters are what this is about
      assert.notMatch(printed, /[\u0000-\u001f\u202e]/)
      assert.strictEqual(named(name).name, name)
    }
    assert.strictEqual(text(named("team/audit.v2:überprüft")), "team/audit.v2:überprüft")
    const filter = Object.defineProperty(() => true, "name", { value: "a\nb" })
    assert.strictEqual(text(FeatureHook.when(a, filter)), "a.pipe(when(a\\u000ab))")
  })

  it("in a bounded length, however much there is", () => {
    const wide = FeatureHook.combineAll(Array.from({ length: 20_000 }, () => FeatureHook.observe(a)))
    const long = FeatureHook.when(
      named("n".repeat(100_000)),
      FlagFilter.oneOf(...Array.from({ length: 1000 }, () => "k"))
    )
    let deep: FeatureHook.FeatureHook = a
    for (let i = 0; i < 200; i++) deep = FeatureHook.combine(deep, b).pipe(FeatureHook.observe)
    let piped: FeatureHook.FeatureHook = a
    for (let i = 0; i < 1000; i++) piped = FeatureHook.observe(piped)
    let filter = FlagFilter.all
    for (let i = 0; i < 1000; i++) filter = FlagFilter.and(filter, filter)
    // What is nested deeply is left out, instead of all that is around it.
    assert.match(text(deep), /^\({9}…\)\.pipe\(observe\).* \+ b\)\.pipe\(observe\)$/)
    for (const hook of [wide, long, deep, piped, FeatureHook.when(a, filter)]) {
      assert.isAtMost(String(hook).length, 1013)
      assert.isAtMost(sdkText(OpenFeatureHook.make(hook)).length, 1017)
    }
  })

  it.effect("nothing of an evaluation", () =>
    Effect.gen(function*() {
      const hook = FeatureHook.when(named("a"), (context) => context.flagKey !== "").pipe(FeatureHook.timeout(50))
      const before = inspect(hook, { depth: 10, showHidden: true })
      yield* Fixtures.run(hook, {
        context: { flagKey: "secret-flag", context: { targetingKey: "secret-user" } },
        details: { value: "secret" }
      })
      assert.strictEqual(inspect(hook, { depth: 10, showHidden: true }), before)
      assert.notInclude(before, "secret")
    }))
})

describe("an SDK hook made of hooks", () => {
  it("prints them, and has only its stages as properties", () => {
    const hook = OpenFeatureHook.make(a, FeatureHook.observe(b))
    assert.strictEqual(sdkText(hook), "OpenFeatureHook(a + b.pipe(observe))")
    assert.strictEqual(inspect([hook]), "[ OpenFeatureHook(a + b.pipe(observe)) ]")
    assert.deepStrictEqual(JSON.parse(JSON.stringify({ hook })).hook.hooks[1], { name: "b", text: "b.pipe(observe)" })
    assert.deepStrictEqual(Object.keys(hook), ["before", "after"])
    const target = SDK.OpenFeature.getClient("printed").addHooks(hook)
    assert.strictEqual(target.getHooks()[0], hook)
  })
})

const seed = Number(process.env["SEED"] ?? 11)

it(`prints any combination in the order in which it was written, seed ${seed}`, () => {
  const rng = random(seed)
  type Pair = readonly [hook: FeatureHook.FeatureHook, text: string, operands: number]
  const combinators: ReadonlyArray<readonly [(hook: FeatureHook.FeatureHook) => FeatureHook.FeatureHook, string]> = [
    [FeatureHook.observe, "observe"],
    [FeatureHook.when(FlagFilter.all), "when(all)"],
    [FeatureHook.onlyStages("before"), "onlyStages(\"before\")"]
  ]
  const draw = (depth: number): Pair => {
    if (depth === 0) return rng.oneOf<Pair>([[a, "a", 1], [b, "b", 1], [c, "c", 1]])
    if (rng.chance(0.5)) {
      const [first, second] = [draw(depth - 1), draw(depth - 1)]
      return [FeatureHook.combine(first[0], second[0]), `${first[1]} + ${second[1]}`, first[2] + second[2]]
    }
    const [hook, inner, operands] = draw(depth - 1)
    const [change, label] = rng.oneOf(combinators)
    const joined = operands > 1
      ? `(${inner}).pipe(${label})`
      : inner.endsWith(")")
      ? `${inner.slice(0, -1)}, ${label})`
      : `${inner}.pipe(${label})`
    return [change(hook), joined, 1]
  }
  for (let round = 0; round < 2000; round++) {
    const [hook, expected, operands] = draw(rng.below(6))
    assert.strictEqual(text(hook), expected)
    const hooks = hooksOf(hook.parts)
    assert.strictEqual(hooks.length, operands)
    assert.strictEqual(hooks.map((hook) => hook.text).join(" + "), expected)
    assert.strictEqual(hooks.map(({ name }) => name).join(" + "), hook.name)
  }
})
