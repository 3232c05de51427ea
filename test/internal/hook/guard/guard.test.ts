import { assert, describe, it } from "@effect/vitest"
import { Guard, type Mode } from "../../../../src/internal/hook/guard/guard.ts"
import { chosen, type Settings } from "../../../../src/internal/hook/guard/rules.ts"

const settings: Settings = {
  maxSize: 10_000,
  maxAttributeSize: 1000,
  maxNameLength: 32,
  maxDepth: 3,
  maxAttributes: 10,
  maxElements: 50,
  rules: new Set(chosen),
  exempt: new Map(),
  allowed: undefined,
  forbidden: [],
  patterns: new Map(),
  types: new Map()
}

const modes: ReadonlyArray<Mode> = ["strict", "lenient", "report"]

describe("a guard", () => {
  it("reads no more of a context than its limits allow", () => {
    for (const mode of modes) {
      let reads = 0
      const counted = (list: ReadonlyArray<unknown>) =>
        new Proxy(list, {
          get: (target, key, receiver) => {
            reads++
            return Reflect.get(target, key, receiver)
          }
        })
      const lists = () => counted(Array.from({ length: 100_000 }, () => counted(["<b>", "a"])))
      const context = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`a${i}`, lists()]))
      assert.isDefined(new Guard(settings, mode).check(context))
      assert.isBelow(reads, 20 * 50 * 20, mode)
    }
  })

  it("cuts no more of a large text than an attribute may have", () => {
    const context = { a: ["<b>".repeat(10_000_000), "x".repeat(10_000_000), "y", "z"] }
    const start = performance.now()
    for (const mode of modes) assert.isDefined(new Guard(settings, mode).check(context))
    assert.isBelow(performance.now() - start, 2000)
  })

  it("lists no members of what it removes, such as the bytes of a buffer", () => {
    const context = { a: new Uint8Array(20_000_000), b: [new Uint8Array(20_000_000)] }
    const start = performance.now()
    const verdict = new Guard(settings, "lenient").check(context)
    assert.isBelow(performance.now() - start, 2000)
    assert.deepStrictEqual<unknown>(verdict?.context, { a: undefined, b: [] })
  })

  it("keeps what it knows about names, and nothing of values or of names that are too long", () => {
    const guard = new Guard(settings, "report")
    for (let i = 0; i < 10_000; i++) {
      assert.isUndefined(guard.check({ [`a${i}`]: "x", plan: "pro" }))
      assert.isDefined(guard.check({ ["<".repeat(1000) + i]: 1 }))
    }
    assert.isUndefined(guard.check({ plan: "pro" }))
  })

  it("gives the same with the names of the previous context and with others", () => {
    const guard = new Guard(settings, "strict")
    const contexts: ReadonlyArray<object> = [
      { a: 1, b: "<b>" },
      { b: 1, a: "<b>" },
      { a: 1 },
      { a: 1, b: 2, constructor: 3 },
      {},
      { "<b>": 1 }
    ]
    const verdictOf = (context: object) => JSON.stringify(guard.check(context)?.findings.map((it) => ({ ...it })))
    const fresh = contexts.map((context) => JSON.stringify(new Guard(settings, "strict").check(context)?.findings))
    for (let i = 0; i < 3; i++) assert.deepStrictEqual(contexts.map(verdictOf), fresh)
    assert.deepStrictEqual(fresh.map((it) => it === undefined), [false, false, true, false, true, false])
  })
})
