import { assert, describe, it } from "@effect/vitest"
import { EvaluationContext } from "effect-openfeature"

const hostile = new Proxy({}, {
  ownKeys: () => {
    throw new Error("proxy")
  },
  getPrototypeOf: () => {
    throw new Error("proxy")
  }
})

const polluting = (): EvaluationContext.EvaluationContext => JSON.parse("{\"__proto__\":{\"isAdmin\":true},\"a\":1}")

describe("merge", () => {
  it("lets later levels override earlier ones, attribute by attribute", () => {
    assert.deepStrictEqual(
      EvaluationContext.merge({ a: 1, b: 1 }, undefined, { b: 2, c: 2 }, { c: 3, nested: { x: 1 } }),
      { a: 1, b: 2, c: 3, nested: { x: 1 } }
    )
    assert.deepStrictEqual(EvaluationContext.merge({ nested: { x: 1 } }, { nested: { y: 1 } }), { nested: { y: 1 } })
    assert.deepStrictEqual(EvaluationContext.merge(), {})
    assert.deepStrictEqual(EvaluationContext.merge(undefined, undefined), {})
  })

  it("counts what is no record as empty", () => {
    for (const level of [null, "text", ["list"], 5]) {
      assert.deepStrictEqual(
        EvaluationContext.merge({ a: 1 }, level as unknown as EvaluationContext.EvaluationContext, { b: 2 }),
        { a: 1, b: 2 }
      )
    }
  })

  it("writes to no level", () => {
    const levels = [Object.freeze({ a: 1 }), Object.freeze({ b: 2 }), Object.freeze({ c: 3 })]
    EvaluationContext.merge(...levels)
    assert.deepStrictEqual(levels, [{ a: 1 }, { b: 2 }, { c: 3 }])
  })

  it("makes no prototype out of a __proto__ key", () => {
    const merged = EvaluationContext.merge({ b: 2 }, polluting())
    assert.isUndefined(merged["isAdmin"])
    assert.strictEqual(Object.getPrototypeOf(merged), Object.prototype)
    assert.isUndefined(Reflect.get({}, "isAdmin"))
  })
})

describe("pick and omit", () => {
  it("keep and drop by name, as far as the name is there", () => {
    const context = { targetingKey: "user", plan: "pro", email: "a@b.c" }
    assert.deepStrictEqual(EvaluationContext.pick(context, ["plan", "missing", "toString"]), { plan: "pro" })
    assert.deepStrictEqual(EvaluationContext.omit(context, ["email", "missing"]), {
      targetingKey: "user",
      plan: "pro"
    })
    assert.deepStrictEqual(EvaluationContext.pick(context, []), {})
    assert.deepStrictEqual(EvaluationContext.omit(context, []), context)
  })

  it("keep a __proto__ key as data", () => {
    const picked = EvaluationContext.pick(polluting(), ["__proto__"])
    assert.isTrue(Object.hasOwn(picked, "__proto__"))
    assert.isUndefined(picked["isAdmin"])
  })
})

describe("snapshot", () => {
  it("copies all the way down and freezes the copy", () => {
    const date = new Date(0)
    const original = { list: [1, { deep: true }], date, nothing: null, text: "a" }
    const copy = EvaluationContext.snapshot(original)
    assert.deepStrictEqual(copy, original)
    assert.notStrictEqual(copy.list, original.list)
    assert.notStrictEqual(copy.date, date)
    assert.isTrue(Object.isFrozen(copy) && Object.isFrozen(copy.list) && Object.isFrozen(copy.list[1]))
    assert.isFalse(Object.isFrozen(original) || Object.isFrozen(original.list))
  })

  it("keeps cycles, shared parts and instances of other classes", () => {
    class Money {
      amount = 5
    }
    const shared = { x: 1 }
    const money = new Money()
    const original: Record<string, unknown> = { one: shared, two: shared, money, fn: Math.max }
    original["self"] = original
    const copy = EvaluationContext.snapshot(original)
    assert.strictEqual(copy["self"], copy)
    assert.strictEqual(copy["one"], copy["two"])
    assert.notStrictEqual(copy["one"], shared)
    assert.strictEqual(copy["money"], money)
    assert.isFalse(Object.isFrozen(money))
    assert.strictEqual(copy["fn"], Math.max)
  })

  it("has no limit of depth", () => {
    let deep: Record<string, unknown> = {}
    const root = deep
    for (let i = 0; i < 100_000; i++) {
      const next = {}
      deep["next"] = next
      deep = next
    }
    assert.isTrue(Object.isFrozen(EvaluationContext.snapshot(root)))
  })

  it("gives back what it cannot read, and what is no object", () => {
    assert.strictEqual(EvaluationContext.snapshot(hostile), hostile)
    for (const value of [undefined, null, 1, "a", true]) assert.strictEqual(EvaluationContext.snapshot(value), value)
  })

  it("copies records without a prototype and own __proto__ keys as data", () => {
    const copy = EvaluationContext.snapshot(Object.assign(Object.create(null), { a: { b: 1 } }))
    assert.deepStrictEqual({ ...copy }, { a: { b: 1 } })
    const proto = EvaluationContext.snapshot(polluting())
    assert.isTrue(Object.hasOwn(proto, "__proto__"))
    assert.isUndefined(proto["isAdmin"])
  })
})

describe("toSdk", () => {
  it("gives a fresh record with the same values", () => {
    const nested = { x: 1 }
    const context = Object.freeze({ a: 1, nested })
    const copy = EvaluationContext.toSdk(context)
    assert.deepStrictEqual(copy, { a: 1, nested: { x: 1 } })
    assert.notStrictEqual<unknown>(copy, context)
    assert.strictEqual(copy["nested"], nested)
    copy["b"] = 2
    assert.deepStrictEqual(context, { a: 1, nested: { x: 1 } })
  })

  it("drops an own __proto__ key and keeps constructor as data", () => {
    const copy = EvaluationContext.toSdk(polluting())
    assert.deepStrictEqual(copy, { a: 1 })
    assert.strictEqual(Object.getPrototypeOf(copy), Object.prototype)
    assert.deepStrictEqual(Object.keys(EvaluationContext.toSdk({ constructor: "c" })), ["constructor"])
  })
})

describe("isEvaluationContext", () => {
  it("takes records and nothing else", () => {
    assert.isTrue(EvaluationContext.isEvaluationContext({}))
    assert.isTrue(EvaluationContext.isEvaluationContext(Object.create(null)))
    for (const other of [undefined, null, "a", 1, [], () => 1]) {
      assert.isFalse(EvaluationContext.isEvaluationContext(other), String(other))
    }
  })

  it("leaves the empty context empty", () => {
    assert.isTrue(Object.isFrozen(EvaluationContext.empty))
    assert.deepStrictEqual(EvaluationContext.empty, {})
  })
})
