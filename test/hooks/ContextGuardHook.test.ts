import type * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Function, Metric, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { ContextGuardHook, type EvaluationContext, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import {
  client,
  collectFailures,
  type LogRecord,
  logsTo,
  paths,
  plainClient,
  type Random,
  random,
  rangeError,
  turns
} from "../support.ts"

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))

const canary = "CANARY"

/** Contexts of JavaScript code have values that the types forbid. */
const contextOf = (attributes: object): EvaluationContext.EvaluationContext => Function.cast(attributes)

type Options = ContextGuardHook.Options<void>

const silent: Options = { logLevel: false }

const throwing = (): object =>
  Object.defineProperty({}, "a", {
    enumerable: true,
    get: () => {
      throw new Error(canary)
    }
  })

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const cyclic = (): object => {
  const cycle: Record<string, unknown> = { name: "a" }
  cycle["self"] = cycle
  cycle["list"] = [cycle, cycle]
  return cycle
}

const nested = (depth: number): unknown => depth === 0 ? "end" : { a: nested(depth - 1) }

class Session {
  readonly secret = canary
}

type Case = readonly [rule: ContextGuardHook.Rule, attribute: string | undefined, context: object, options?: Options]

/** What a guard finds first. */
const cases: ReadonlyArray<Case> = [
  ["size", "b", { a: canary.repeat(10), b: canary.repeat(10) }, { maxSize: 100 }],
  ["attribute-size", "a", { a: canary.repeat(10) }, { maxAttributeSize: 50 }],
  ["attribute-size", "a", { a: canary.repeat(10_000_000) }],
  ["attribute-size", "a", { a: [canary, [canary]], b: 1 }, { maxAttributeSize: 10 }],
  ["name-length", undefined, { [canary.repeat(30)]: 1 }],
  ["name-length", "a", { a: { [canary.repeat(30)]: 1 } }],
  ["depth", "a", { a: nested(6) }],
  ["depth", "a", { a: cyclic() }],
  ["elements", "a", { a: Array.from({ length: 1001 }, () => 1) }],
  ["elements", "a", { a: new Array(4_000_000_000) }],
  ["elements", "b", { a: { x: 1, y: 2 }, b: [1, 2] }, { maxElements: 3 }],
  ["attributes", undefined, { a: 1, b: 2, c: 3 }, { maxAttributes: 2 }],
  ["attributes", undefined, Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`a${i}`, canary]))],
  ["allowed", "email", { plan: "pro", email: canary }, { allowed: ["plan"] }],
  ["allowed", "b", { targetingKey: "user-1", app_a: 1, b: canary }, { allowed: ["app_*"] }],
  ["forbidden", "internal_id", { plan: "pro", internal_id: canary }, { forbidden: ["internal_*"] }],
  ["pattern", "plan", { plan: canary }, { patterns: { plan: /free|pro/ } }],
  ["pattern", "id", { id: canary }, { patterns: { id: "user-*" } }],
  ["pattern", "id", { id: ["user-1"] }, { patterns: { id: "user-*" } }],
  ["pattern", "id", { id: "a".repeat(2000) }, { patterns: { id: "a*" } }],
  ["type", "age", { age: canary }, { types: { age: "number" } }],
  ["type", "age", { age: null }, { types: { age: ["number", "string"] } }],
  ["unreadable", "a", { a: throwing() }],
  ["unreadable", "a", { a: [revoked()] }],
  ["unsupported-values", "a", { a: () => canary }],
  ["unsupported-values", "a", { a: 10n }],
  ["unsupported-values", "a", { a: Symbol(canary) }],
  ["unsupported-values", "a", { a: new Map([[canary, canary]]) }],
  ["unsupported-values", "a", { a: [new Session()] }],
  ["unsupported-values", "a", { a: new Uint8Array(50_000_000) }],
  ["prototype-keys", "constructor", { constructor: canary }],
  ["prototype-keys", "a", { a: [JSON.parse(`{"__proto__":{"isAdmin":"${canary}"}}`)] }],
  ["html", "a", { a: `<script>${canary}` }],
  ["html", "a", { a: { b: [1, `<script>${canary}`] } }],
  ["html", "a", { a: { "<b>": canary } }],
  ["html", undefined, { [`<script>${canary}`]: 1 }],
  ["html", undefined, { [`${canary}@example.org`]: "<b>" }],
  ["sql", "<b>", { "<b>": `' or 1=1 ${canary}` }, { exempt: { "<b>": ["html"] } }],
  ["api-key", undefined, { [`sk-proj-${canary.repeat(10)}`]: 1 }],
  ["api-key", "a", { a: { [`sk-proj-${canary.repeat(10)}`]: 1 } }],
  ["forbidden", undefined, { [`<${canary}\n>`]: 1 }, { rules: [], forbidden: ["*"] }],
  ["allowed", undefined, { [`ghp_${canary.repeat(6)}`]: 1 }, { rules: [], allowed: ["a"] }],
  ["type", undefined, { [`https://ana:${canary}@a.example`]: 1 }, {
    rules: [],
    types: { [`https://ana:${canary}@a.example`]: "string" }
  }],
  ["basic-auth", "a", { a: `Basic ${btoa(`ana:${canary}`)}` }],
  ["url-password", "a", { a: { b: `postgres://ana:${canary}@db.example` } }],
  ["line-breaks", "a", { a: `x\n${canary}` }],
  ["control-characters", "a", { a: `${canary}\u0000` }],
  ["credit-card", "a", { a: 4111111111111111 }],
  ["email", "a", { a: `${canary}@example.org` }, { rules: ContextGuardHook.allRules }],
  ["sql", "targetingKey", { targetingKey: `${canary}' or 1=1` }]
]

const fine = {
  targetingKey: "user-1",
  plan: "pro",
  age: 42,
  admin: false,
  nothing: null,
  none: undefined,
  since: new Date(0),
  roles: ["admin", "editor"],
  address: { city: "Zürich", lines: ["a", { b: "c" }] },
  mail: "ana@example.org",
  bare: Object.assign(Object.create(null), { a: 1 })
}

const printed = (value: unknown): string =>
  JSON.stringify(value, (_key, value: unknown) => typeof value === "bigint" ? String(value) : value) ?? ""

describe("a strict guard", () => {
  for (const [path, change] of paths) {
    it.effect(`refuses the evaluation, and names the rule and the attribute, ${path}`, () =>
      Effect.gen(function*() {
        for (const [rule, attribute, context, options] of cases) {
          const told: Array<ContextGuardHook.Violation> = []
          const records: Array<LogRecord> = []
          const guard = yield* ContextGuardHook.make({
            ...options,
            onViolation: (violation) => void told.push(violation)
          })
          const { details } = yield* Effect.provide(
            Fixtures.run(change(guard.hook), { context: { context: contextOf(context), flagKey: "sale" } }),
            logsTo(records)
          )
          yield* guard.flush
          const what = `${rule} of ${String(attribute)}`
          assert.strictEqual(details.errorCode, "INVALID_CONTEXT", what)
          assert.strictEqual(
            details.errorMessage,
            attribute === undefined
              ? `the evaluation context breaks the rule "${rule}"`
              : `the attribute "${attribute}" of the evaluation context breaks the rule "${rule}"`
          )
          assert.strictEqual(told.length, 1, what)
          assert.deepInclude(told[0], { flagKey: "sale", domain: "test", rule, attribute, mode: "strict" })
          assert.strictEqual(told[0]?.action, "refused")
          assert.deepStrictEqual(records.map(({ level }) => level), ["Warn"])
          assert.deepInclude(records[0]?.annotations, { flag_key: "sale", rule, mode: "strict", action: "refused" })
          assert.notInclude(printed([details, told, records]), canary)
          assert.deepStrictEqual(yield* guard.counts, { violations: 1, refused: 1, cleaned: 0, dropped: 0 })
        }
      }))

    it.effect(`leaves a context alone that is in order, ${path}`, () =>
      Effect.gen(function*() {
        for (const mode of ["strict", "lenient", "report"] as const) {
          const guard = yield* ContextGuardHook.make({
            mode,
            allowed: [...Object.keys(fine), "x"],
            forbidden: ["y"],
            types: { age: "number", roles: "list", since: "date", nothing: ["null", "string"], address: "object" },
            patterns: { plan: /^(?:free|pro)$/, age: "4?", admin: "*" }
          })
          const { context, details } = yield* Fixtures.run(change(guard.hook), {
            context: { context: contextOf(fine) }
          })
          assert.isUndefined(details.errorCode)
          assert.deepStrictEqual(context, contextOf(fine))
          assert.deepStrictEqual(yield* guard.counts, { violations: 0, refused: 0, cleaned: 0, dropped: 0 })
        }
      }))
  }

  it.effect("has only the chosen rules, and none for what is exempt", () =>
    Effect.gen(function*() {
      const runs = Effect.fnUntraced(function*(context: object, options: Options) {
        const { hook } = yield* ContextGuardHook.make({ ...silent, ...options })
        return (yield* Fixtures.run(hook, { context: { context: contextOf(context) } })).details.errorCode
      })
      assert.isUndefined(yield* runs({ a: "<b>" }, { rules: [] }))
      assert.isUndefined(yield* runs({ a: "<b>", constructor: 1, b: () => 1 }, { rules: ["sql"] }))
      assert.isUndefined(yield* runs({ a: "<b>" }, { exempt: { a: ["html"] } }))
      assert.strictEqual(yield* runs({ a: "<b>\n" }, { exempt: { a: ["html"] } }), "INVALID_CONTEXT")
      assert.strictEqual(yield* runs({ b: "<b>" }, { exempt: { a: ["html"] } }), "INVALID_CONTEXT")
      const keys = { a: { "<b>": { "<i>": 1 } } }
      assert.isUndefined(yield* runs(keys, { exempt: { a: ["html"] } }))
      assert.strictEqual(yield* runs(keys, { exempt: { "<b>": ["html"] } }), "INVALID_CONTEXT")
      for (const name of ["' or 1=1 <b>", "constructor", "n".repeat(200)]) {
        assert.strictEqual(yield* runs({ a: { [name]: 1 } }, { exempt: { a: ["html"] } }), "INVALID_CONTEXT")
      }
      assert.isUndefined(yield* runs({ a: { constructor: 1 } }, { exempt: { a: ["prototype-keys"] } }))
      // In a literal, TypeScript would take the type of `constructor` from `Object`.
      const exempt = Object.fromEntries<ReadonlyArray<ContextGuardHook.ContentRule>>([
        ["constructor", ["prototype-keys"]],
        ["f", ["unsupported-values"]]
      ])
      assert.isUndefined(yield* runs({ constructor: 1, f: () => 1 }, { exempt }))
      assert.strictEqual(yield* runs({ targetingKey: "a" }, { forbidden: ["targetingKey"] }), "INVALID_CONTEXT")
    }))

  it.effect("gives its answer at once", () =>
    Effect.gen(function*() {
      const { hook } = yield* ContextGuardHook.make(silent)
      const sdk = OpenFeatureHook.make(hook)
      const before = (context: object) =>
        sdk.before?.(
          {
            flagKey: "sale",
            flagValueType: "boolean",
            defaultValue: false,
            context: { ...context },
            clientMetadata: { providerMetadata: { name: "test" } },
            providerMetadata: { name: "test" },
            logger: console,
            hookData: new Map()
          },
          {}
        )
      assert.isUndefined(before({ plan: "pro" }))
      assert.throws(() => void before({ plan: "<b>" }), /html/)
    }))
})

describe("a guard that only reports", () => {
  it.effect("tells all of it, and changes nothing", () =>
    Effect.gen(function*() {
      const guard = yield* ContextGuardHook.make({ mode: "report", logLevel: false, maxAttributes: 3 })
      const reader = yield* Effect.forkChild(Stream.runCollect(Stream.take(guard.violations, 3)), {
        startImmediately: true
      })
      const context = { a: "<b>", b: "1", targetingKey: "${x}", d: 1 }
      const outcome = yield* Fixtures.run(guard.hook, { context: { context } })
      assert.deepStrictEqual(outcome.context, context)
      assert.isUndefined(outcome.details.errorCode)
      assert.deepStrictEqual(
        (yield* Fiber.join(reader)).map(({ action, attribute, rule }) => [rule, attribute, action]),
        [["html", "a", "none"], ["template", "targetingKey", "none"], ["attributes", undefined, "none"]]
      )
    }))

  for (const [rule, attribute, context, options] of cases) {
    it.effect(`never refuses: ${rule} of ${String(attribute)}`, () =>
      Effect.gen(function*() {
        const { counts, hook } = yield* ContextGuardHook.make({ ...options, ...silent, mode: "report" })
        const { details } = yield* Fixtures.run(hook, { context: { context: contextOf(context) } })
        assert.isUndefined(details.errorCode)
        assert.deepInclude(yield* counts, { refused: 0, cleaned: 0 })
      }))
  }
})

/** What becomes of a context: what later hooks and the provider see, or the error code. */
const lenient = Effect.fnUntraced(function*(context: object, options: Options = {}) {
  const guard = yield* ContextGuardHook.make({ ...options, ...silent, mode: "lenient" })
  const outcome = yield* Fixtures.run(guard.hook, { context: { context: contextOf(context) } })
  return outcome.details.errorCode ?? outcome.context
})

describe("a lenient guard", () => {
  it.effect("removes, truncates and sanitises what breaks a rule, and leaves the rest", () =>
    Effect.gen(function*() {
      const clean = [
        [{ a: "x\r\ny\u0000z", b: 1 }, { a: "x  yz", b: 1 }],
        [{ a: "<b>", b: 1 }, { a: undefined, b: 1 }],
        [{ a: ["x", "<b>", 1], b: { c: "<b>", d: 1, constructor: 2 } }, { a: ["x", 1], b: { d: 1 } }],
        [{ a: "abcdef", b: 1 }, { a: "abcd", b: 1 }, { maxAttributeSize: 10 }],
        [{ constructor: "x" }, { constructor: undefined }],
        [{ a: JSON.parse("{\"__proto__\":1,\"b\":2}") }, { a: { b: 2 } }],
        [{ a: 1, b: 2, c: 3 }, { a: 1, b: 2, c: undefined }, { maxAttributes: 2 }],
        [{ a: "b", internal: 1 }, { a: "b", internal: undefined }, { forbidden: ["internal"] }],
        [{ a: "b", other: 1 }, { a: "b", other: undefined }, { allowed: ["a"] }],
        [{ age: "x" }, { age: undefined }, { types: { age: "number" } }],
        [{ a: [1, 2, 3, 4] }, { a: [1, 2, 3] }, { maxElements: 3 }],
        [{ a: () => 1, b: throwing() }, { a: undefined, b: undefined }],
        // Without the line break, it is what another rule forbids.
        [{ a: "jav\u0000ascript:x" }, { a: undefined }]
      ] as const
      for (const [context, expected, options] of clean) {
        const length = "a" in context && context.a === "abcdef" ? { maxAttributeSize: 8 } : {}
        const wanted = "a" in context && context.a === "abcdef" ? { a: "abcdef", b: 1 } : expected
        assert.deepStrictEqual(yield* lenient(context, { ...options, ...length }), contextOf(wanted))
      }
      // Without its class, an instance would be another value.
      const map = new Map([["a", 1]])
      assert.deepStrictEqual(
        yield* lenient({ a: new Session(), b: [new Session(), 1], c: { d: map, e: 2 } }),
        contextOf({ a: undefined, b: [1], c: { e: 2 } })
      )
      assert.deepStrictEqual(
        yield* lenient({ a: { "<b>": 1, constructor: 2 } }, { exempt: { a: ["html"] } }),
        contextOf({ a: { "<b>": 1 } })
      )
      const kept = { bad: "<b>", d: map, e: 10n, f: canary }
      assert.deepStrictEqual(
        yield* lenient({ a: kept, b: [map, "<b>"] }, { rules: ["html"] }),
        contextOf({ a: { d: map, e: 10n, f: canary }, b: [map] })
      )
      assert.deepStrictEqual(yield* lenient({ a: "abcdefghijk" }, { maxAttributeSize: 8 }), { a: "abcdefgh" })
      assert.deepStrictEqual(yield* lenient({ a: "abcdefg💥" }, { maxAttributeSize: 8 }), { a: "abcdefg" })
    }))

  it.effect("truncates long texts in structures, and leaves the other members", () =>
    Effect.gen(function*() {
      const maxAttributeSize = 20
      const cases = [
        [{ plan: "pro", bio: "b".repeat(50) }, { plan: "pro", bio: "b".repeat(10) }],
        [["a".repeat(15), "b".repeat(15), "c"], ["a".repeat(15), "b".repeat(5)]],
        [["a".repeat(16), 1, "bcd", 2], ["a".repeat(16), "bcd"]],
        [{ a: "<b>".repeat(6), b: "b".repeat(15) }, { b: "b".repeat(15) }],
        [{ a: { b: { c: "x".repeat(30) } }, d: true }, { a: { b: { c: "x".repeat(17) } } }]
      ] as const
      for (const [a, expected] of cases) {
        assert.deepStrictEqual(yield* lenient({ a }, { maxAttributeSize }), contextOf({ a: expected }))
      }
    }))

  it.effect("leaves no part of a secret in front of a cut", () =>
    Effect.gen(function*() {
      const secrets = [
        "AKIAIOSFODNN7EXAMPLE",
        `ghp_${"aB3".repeat(12)}`,
        "https://ana:hunter2@shop.example/",
        "4111111111111111",
        "Bearer abcdefghijklmnop"
      ]
      for (const secret of secrets) {
        const maxAttributeSize = 100
        for (let part = 1; part < secret.length; part++) {
          const a = `${"x".repeat(maxAttributeSize - part - 1)} ${secret}`
          assert.deepStrictEqual(yield* lenient({ a, b: 1 }, { maxAttributeSize }), contextOf({ a: undefined, b: 1 }))
        }
      }
    }))

  it.effect("leaves no part of a token that is longer than what is read behind a cut", () =>
    Effect.gen(function*() {
      const maxAttributeSize = 100
      for (const claims of [900, 1100, 5000, 200_000]) {
        for (const before of ["", "x".repeat(50)]) {
          const a = `${before} eyJhbGciOiJIUzI1NiJ9.eyJ${"c3Vi".repeat(claims / 4)}.${"s".repeat(86)}`
          assert.deepStrictEqual(yield* lenient({ a, b: 1 }, { maxAttributeSize }), contextOf({ a: undefined, b: 1 }))
        }
      }
    }))

  it.effect("refuses no targeting key for the size of the other attributes", () =>
    Effect.gen(function*() {
      const [a, b] = ["x".repeat(20), "y".repeat(17)]
      for (const context of [{ a, b, targetingKey: "u-1" }, { targetingKey: "u-1", a, b }]) {
        assert.deepStrictEqual(
          yield* lenient(context, { maxSize: 40 }),
          contextOf({ a, b: undefined, targetingKey: "u-1" })
        )
      }
      // By itself it is too large.
      assert.strictEqual(yield* lenient({ a: 1, targetingKey: "u".repeat(40) }, { maxSize: 40 }), "INVALID_CONTEXT")
    }))

  it.effect("never removes the targeting key, wherever it is among too many attributes", () =>
    Effect.gen(function*() {
      for (
        const [context, expected] of [
          [{ a: 1, b: 2, targetingKey: "u" }, { a: 1, b: undefined, targetingKey: "u" }],
          [{ a: 1, targetingKey: "u", b: 2 }, { a: 1, targetingKey: "u", b: undefined }],
          [{ a: 1, b: 2, targetingKey: undefined }, { a: 1, b: 2, targetingKey: undefined }]
        ]
      ) {
        const cleaned = yield* lenient(contextOf({ ...context }), { maxAttributes: 2 })
        assert.deepStrictEqual(cleaned, contextOf({ ...expected }))
        // A second guard finds nothing.
        const again = yield* ContextGuardHook.make({ ...silent, maxAttributes: 2 })
        yield* Fixtures.run(again.hook, { context: { context: contextOf({ ...expected }) } })
        assert.strictEqual((yield* again.counts).violations, 0)
      }
    }))

  it.effect("refuses what cannot be cleaned", () =>
    Effect.gen(function*() {
      const many = Object.fromEntries(Array.from({ length: 201 }, (_, i) => [`a${i}`, 1]))
      for (
        const context of [
          { targetingKey: "a\nb" },
          { ["<b>"]: 1 },
          { ["<b>"]: undefined },
          many
        ]
      ) {
        assert.strictEqual(yield* lenient(context), "INVALID_CONTEXT")
      }
    }))

  it.effect("removes an attribute without telling its name, if that looks like a secret or an address", () =>
    Effect.gen(function*() {
      const told: Array<ContextGuardHook.Violation> = []
      const { flush, hook } = yield* ContextGuardHook.make({
        ...silent,
        mode: "lenient",
        onViolation: (violation) => void told.push(violation)
      })
      const { context } = yield* Fixtures.run(hook, { context: { context: { "ana@example.org": "<b>", b: 1 } } })
      yield* flush
      assert.deepStrictEqual(context, contextOf({ "ana@example.org": undefined, b: 1 }))
      assert.deepStrictEqual(told.map(({ action, attribute, rule }) => [rule, attribute, action]), [
        ["html", undefined, "removed"]
      ])
    }))

  it.effect("refuses the key __proto__, which no contribution can have", () =>
    Effect.gen(function*() {
      const { hook } = yield* ContextGuardHook.make({ ...silent, mode: "lenient" })
      const { client } = yield* plainClient({ flags: { sale: TestProvider.value(true) } })
      client.addHooks(OpenFeatureHook.make(hook))
      const context: SDK.EvaluationContext = Function.cast(JSON.parse("{\"__proto__\":{\"isAdmin\":true}}"))
      const details = yield* Effect.promise(() => client.getBooleanDetails("sale", false, context))
      assert.strictEqual(
        details.errorMessage,
        "the attribute \"__proto__\" of the evaluation context breaks the rule \"prototype-keys\""
      )
    }))

  const seen = (context: EvaluationContext.EvaluationContext): ReadonlyArray<unknown> => [
    Object.keys(context).sort(),
    JSON.stringify(context),
    context["bio"]
  ]
  const given = { targetingKey: "u", bio: "<script>", city: "a\nb" }
  const cleaned = [["bio", "city", "targetingKey"], "{\"targetingKey\":\"u\",\"city\":\"a b\"}", undefined]

  for (const [path, change] of paths) {
    it.effect(`decides what the provider and later hooks see, with FeatureFlags, ${path}`, () =>
      Effect.gen(function*() {
        const contexts: Array<EvaluationContext.EvaluationContext> = []
        const later = FeatureHook.make("later", { before: ({ context }) => void contexts.push(context) })
        const { hook } = yield* ContextGuardHook.make({ ...silent, mode: "lenient" })
        const { flags } = yield* client(
          { sale: TestProvider.value(true) },
          { hooks: [change(FeatureHook.combine(hook, later))] }
        )
        const details = yield* flags.booleanDetails("sale", false, {
          context: given,
          hooks: [FeatureHook.make("last", { after: ({ context }) => void contexts.push(context) }), later]
        })
        assert.isTrue(details.value)
        assert.deepStrictEqual(contexts.map(seen), [cleaned, cleaned, cleaned])
      }).pipe(Effect.scoped))

    it.effect(`decides what the provider and later hooks see, with a client of the SDK, ${path}`, () =>
      Effect.gen(function*() {
        const contexts: Array<EvaluationContext.EvaluationContext> = []
        const { hook } = yield* ContextGuardHook.make({ ...silent, mode: "lenient" })
        const { client } = yield* plainClient({
          flags: (_flagKey, context) => {
            contexts.push(context)
            return TestProvider.value(true)
          }
        })
        client.addHooks(OpenFeatureHook.make(change(hook)))
        const value = yield* Effect.promise(() =>
          client.getBooleanValue("sale", false, given, {
            hooks: [{ before: ({ context }) => void contexts.push(contextOf({ ...context })) }]
          })
        )
        assert.isTrue(value)
        assert.deepStrictEqual(contexts.map(seen), [cleaned, cleaned])
        assert.deepStrictEqual(given, { targetingKey: "u", bio: "<script>", city: "a\nb" })
      }))
  }
})

const pieces = [
  "a",
  "Zürich ",
  "<b>",
  "\n",
  "\u0000",
  "' or 1=1",
  "${x}",
  "../",
  "4111",
  " 1111 1111 1111",
  "💥",
  "jav",
  "ascript:",
  "eyJhbGciOiJIUzI1NiJ9.",
  "eyJzdWIiOiIxIn0.x",
  "AKIAIOSFODNN7EXAMPLE",
  "x".repeat(30)
]

const names = [
  "a",
  "b",
  "targetingKey",
  "constructor",
  "__proto__",
  "<b>",
  "n".repeat(40),
  "internal",
  "plan",
  "c",
  "d"
]

const textOf = (it: Random): string =>
  `${canary}${Array.from({ length: it.below(5) }, () => it.oneOf(pieces)).join("")}`

const valueOf = (it: Random, depth: number): unknown => {
  const list = () => Array.from({ length: it.below(4) }, () => valueOf(it, depth - 1))
  switch (it.below(depth > 0 ? 10 : 7)) {
    case 0:
      return it.oneOf<unknown>([1, true, null, undefined, Number.NaN, 4111111111111111])
    case 1:
      return it.oneOf<unknown>([new Date(0), throwing(), revoked(), cyclic(), 10n, new Session(), () => canary])
    case 7:
      return list()
    case 8:
    case 9:
      return recordOf(it, depth - 1, 4)
    default:
      return textOf(it)
  }
}

const recordOf = (it: Random, depth: number, size: number): object =>
  // Unlike an assignment, it makes `__proto__` an attribute.
  Object.fromEntries(
    Array.from(
      { length: it.below(size) },
      () => [it.chance(0.7) ? it.oneOf(["a", "b", "plan", "e", "f", "g"]) : it.oneOf(names), valueOf(it, depth)]
    )
  )

describe("random contexts", () => {
  it.effect(`are clean after a lenient guard, or refused, and no value is told, SEED=${seed}`, () =>
    Effect.gen(function*() {
      const it = random(seed)
      const registry = new Map()
      const figures = { refused: 0, cleaned: 0, clean: 0 }
      const options = {
        maxSize: 300,
        maxAttributeSize: 100,
        maxNameLength: 32,
        maxDepth: 3,
        maxAttributes: 5,
        maxElements: 12,
        forbidden: ["internal"],
        types: { plan: "string" },
        patterns: { f: "*a*" }
      } as const
      const records: Array<LogRecord> = []
      const told: Array<unknown> = []
      const make = (mode: "strict" | "lenient" | "report") =>
        ContextGuardHook.make({ ...options, mode, onViolation: (violation) => void told.push(violation) })
      const [strict, lenient, report] = yield* Effect.all([make("strict"), make("lenient"), make("report")])
      const run = (guard: ContextGuardHook.ContextGuard, context: object) =>
        Fixtures.run(guard.hook, { context: { context: contextOf(context) } }).pipe(
          Effect.provide(logsTo(records)),
          Effect.provideService(Metric.MetricRegistry, registry)
        )
      for (let i = 0; i < 1000; i++) {
        const context = recordOf(it, 4, 13)
        const first = yield* run(strict, context)
        const cleaned = yield* run(lenient, context)
        const reported = yield* run(report, context)
        assert.isUndefined(reported.details.errorCode)
        told.push(first.details, cleaned.details)
        if (first.details.errorCode === undefined) {
          figures.clean++
          assert.isUndefined(cleaned.details.errorCode)
          continue
        }
        if (cleaned.details.errorCode !== undefined) {
          figures.refused++
          continue
        }
        figures.cleaned++
        const before = yield* strict.counts
        const second = yield* run(strict, cleaned.context)
        assert.isUndefined(second.details.errorCode, second.details.errorMessage)
        const again = yield* run(lenient, cleaned.context)
        assert.deepStrictEqual(again.context, cleaned.context)
        assert.deepStrictEqual(yield* strict.counts, before)
      }
      yield* Effect.all([strict.flush, lenient.flush, report.flush])
      assert.isTrue(Object.values(figures).every((count) => count > 30), printed(figures))
      assert.isAbove(told.length, 300)
      assert.isAbove(records.length, 10)
      assert.notInclude(printed([told, records]), canary)
      assert.notInclude(printed([...registry.keys()]), canary)
    }))
})

describe("the reports of a guard", () => {
  for (const [path, change] of paths) {
    it.effect(`come once per flag, rule, attribute and action in an interval, ${path}`, () =>
      Effect.gen(function*() {
        const records: Array<LogRecord> = []
        const guard = yield* ContextGuardHook.make({ interval: "10 seconds", mode: "lenient" })
        const run = (flagKey: string, context: EvaluationContext.EvaluationContext) =>
          Effect.provide(Fixtures.run(change(guard.hook), { context: { flagKey, context } }), logsTo(records))
        yield* run("a", { x: "<b>" })
        yield* run("a", { x: "<b>" })
        yield* run("a", { x: "a\nb", y: "<b>" })
        yield* run("b", { x: "<b>" })
        yield* TestClock.adjust("10 seconds")
        yield* run("a", { x: "<i>" })
        assert.deepStrictEqual(
          records.map((
            { annotations: it }
          ) => [it["flag_key"], it["rule"], it["attribute"], it["action"], it["suppressed"]]),
          [
            ["a", "html", "x", "removed", undefined],
            ["a", "line-breaks", "x", "sanitised", undefined],
            ["a", "html", "y", "removed", undefined],
            ["b", "html", "x", "removed", undefined],
            ["a", "html", "x", "removed", 1]
          ]
        )
        assert.deepStrictEqual(yield* guard.counts, { violations: 6, refused: 0, cleaned: 5, dropped: 0 })
      }))
  }

  it.effect("are bounded when names are made up", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const guard = yield* ContextGuardHook.make({ mode: "report", maxCauses: 20, allowed: ["a"] })
      for (let i = 0; i < 200; i++) {
        const context = Object.fromEntries(Array.from({ length: 50 }, (_, j) => [`x${i}-${j}`, 1]))
        yield* Effect.provide(Fixtures.run(guard.hook, { context: { context } }), logsTo(records))
      }
      assert.strictEqual(records.length, 21)
      assert.strictEqual((yield* guard.counts).violations, 10_000)
    }))

  it.effect("count in a metric whose series are bounded", () =>
    Effect.gen(function*() {
      const guard = yield* ContextGuardHook.make({ ...silent, mode: "lenient" })
      for (const context of [{ x: "<b>", y: "<b>" }, { z: "<b>" }, { targetingKey: "<b>" }, { x: "a\nb" }]) {
        yield* Fixtures.run(guard.hook, { context: { context } })
      }
      const count = (rule: string, action: string) =>
        Effect.map(
          Metric.value(Metric.withAttributes(ContextGuardHook.counter, { rule, mode: "lenient", action })),
          ({ count }) => count
        )
      assert.deepStrictEqual(
        [yield* count("html", "removed"), yield* count("html", "refused"), yield* count("line-breaks", "sanitised")],
        [3, 1, 1]
      )
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("run a function with the services of the program, and never wait for it", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        class Siem extends Context.Service<Siem, Array<string>>()("test/Siem") {}
        const make = ContextGuardHook.make({
          logLevel: false,
          onViolation: ({ attribute }) => Effect.map(Siem, (siem) => void siem.push(String(attribute)))
        })
        // @ts-expect-error the service is missing
        const missing: Effect.Effect<unknown, never, Scope.Scope> = make
        assert.isTrue(Effect.isEffect(missing))
        const siem: Array<string> = []
        const guard = yield* Effect.provideService(make, Siem, siem)
        yield* Fixtures.run(guard.hook, { context: { context: { x: "<b>" } } })
        yield* guard.flush
        assert.deepStrictEqual(siem, ["x"])

        const failing = yield* ContextGuardHook.make({ ...silent, onViolation: () => Promise.reject(new Error("no")) })
        const hanging = yield* ContextGuardHook.make({ ...silent, onViolation: () => Effect.never, closeTimeout: 0 })
        for (const { hook } of [failing, hanging]) {
          const { details } = yield* Fixtures.run(hook, { context: { context: { x: "<b>" } } })
          assert.strictEqual(details.errorCode, "INVALID_CONTEXT")
        }
        yield* turns()
        assert.deepStrictEqual(failures.map(({ hook }) => hook), ["context-guard"])
      })
    ))

  it.effect("end with the scope, and the hook goes on guarding", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const guard = yield* Scope.provide(ContextGuardHook.make(silent), scope)
      yield* Scope.close(scope, Exit.void)
      const { details } = yield* Fixtures.run(guard.hook, { context: { context: { x: "<b>" } } })
      assert.strictEqual(details.errorCode, "INVALID_CONTEXT")
    }))

  it("work without Effect", async () => {
    const told: Array<string> = []
    const guard = ContextGuardHook.start({
      logLevel: false,
      onViolation: async ({ attribute, rule }) => {
        told.push(`${attribute}: ${rule}`)
      }
    })
    const { details } = await Fixtures.runPromise(guard.hook, { context: { context: { x: "<b>" } } })
    assert.strictEqual(details.errorCode, "INVALID_CONTEXT")
    assert.deepInclude(guard.counts(), { refused: 1 })
    await guard.flush()
    assert.deepStrictEqual(told, ["x: html"])
    await guard.close()
    await guard.close()
  })
})

describe("lists of rules", () => {
  for (const [path, change] of paths) {
    it.effect(`look for secrets or for injected code alone, ${path}`, () =>
      Effect.gen(function*() {
        const code = Effect.fnUntraced(function*(rules: Options["rules"], attribute: string) {
          const { hook } = yield* ContextGuardHook.make({ ...silent, rules })
          const { details } = yield* Fixtures.run(change(hook), { context: { context: { attribute } } })
          return details.errorCode
        })
        const secret = "https://user:hunter2@example.org"
        const { injections, secrets } = ContextGuardHook
        assert.strictEqual(yield* code(secrets, secret), "INVALID_CONTEXT")
        assert.isUndefined(yield* code(secrets, "<script>"))
        assert.isUndefined(yield* code(injections, secret))
        assert.strictEqual(yield* code(injections, "<script>"), "INVALID_CONTEXT")
        for (const attribute of [secret, "<script>"]) {
          assert.strictEqual(yield* code([...secrets, ...injections], attribute), "INVALID_CONTEXT")
        }
      }))
  }
  it("divide all rules", () => {
    const { allRules, injections, secrets } = ContextGuardHook
    const others = ["control-characters", "line-breaks", "email", "prototype-keys", "unsupported-values"]
    assert.sameMembers([...secrets, ...injections, ...others], [...allRules])
  })
})

it("options that cannot be meant are refused by name", () => {
  const wrong: ReadonlyArray<readonly [options: object, message: string]> = [
    [{ mode: "Strict" }, "mode must be one of strict, lenient, report"],
    [{ rules: ["xss"] }, "rules[0] must be one of control-characters"],
    [{ exempt: { a: ["xss"] } }, "exempt[\"a\"][0] must be one of"],
    [{ maxDepth: 101 }, "maxDepth must be at most 100"],
    [{ maxAttributeSize: 2_000_000 }, "maxAttributeSize must be at most 1000000"],
    [{ allowed: [""] }, "allowed[0] must be a text that is not empty"],
    [{ patterns: { a: /(?=a)b/ } }, "patterns[\"a\"] must be an expression without backtracking (it has lookarounds"],
    [{ patterns: { a: 1 } }, "patterns[\"a\"] must be"],
    [{ types: { a: "text" } }, "types[\"a\"][0] must be one of string, number"],
    [{ maxDept: 1 }, "there is no option \"maxDept\"; did you mean \"maxDepth\"?"]
  ]
  for (const [options, message] of wrong) {
    assert.include(
      rangeError(() => ContextGuardHook.make(Function.cast<object, Options>(options))),
      `ContextGuardHook.make: ${message}`
    )
    assert.include(
      rangeError(() => ContextGuardHook.start(Function.cast<object, Options>(options))),
      `ContextGuardHook.start: ${message}`
    )
  }
})
