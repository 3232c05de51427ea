import { assert, describe, it } from "@effect/vitest"
import { Option, Predicate } from "effect"
import { expectTypeOf } from "vitest"
import { HookHints } from "effect-openfeature"
import { rangeError } from "./support.ts"

const Text = HookHints.key("test.text", Predicate.isString)
const Num = HookHints.key<number>("test.number")

describe("a key", () => {
  it("reads what was set with it", () => {
    const hints = HookHints.make(Text, "a").pipe(HookHints.add(Num, 1))
    assert.strictEqual(HookHints.getOrUndefined(hints, Text), "a")
    assert.strictEqual(hints.pipe(HookHints.getOrUndefined(Num)), 1)
    assert.deepStrictEqual(HookHints.get(hints, Num), Option.some(1))
    assert.deepStrictEqual(HookHints.empty.pipe(HookHints.get(Num)), Option.none())
  })

  it("reads the record of a plain caller, and with a refinement only a value that it takes", () => {
    const hints = HookHints.fromRecord({ "test.text": "plain", "test.number": 5 })
    assert.strictEqual(HookHints.getOrUndefined(hints, Text), "plain")
    assert.strictEqual(HookHints.getOrUndefined(hints, Num), 5)
    assert.strictEqual(HookHints.getOrUndefined(hints, HookHints.key<string>("test.missing")), undefined)
    assert.strictEqual(HookHints.getOrUndefined(HookHints.fromRecord({ "test.text": 5 }), Text), undefined)
    assert.strictEqual(HookHints.getOrUndefined(HookHints.add(hints, Text, "typed"), Text), "typed")
  })

  it("reads no inherited and no throwing property of a record", () => {
    const ToText = HookHints.key("toString", Predicate.isFunction)
    assert.strictEqual(HookHints.getOrUndefined(HookHints.fromRecord({}), ToText), undefined)
    const throwing = {
      get "test.text"(): string {
        throw new Error("getter")
      }
    }
    assert.strictEqual(HookHints.getOrUndefined(HookHints.fromRecord(throwing), Text), undefined)
  })

  it("reads a hint that went through a record", () => {
    const AuditId = HookHints.key<string>("audit.id")
    const record = HookHints.toRecord(HookHints.make(AuditId, "12345"))
    assert.strictEqual(HookHints.getOrUndefined(HookHints.fromRecord(record), AuditId), "12345")
  })

  it("has a name", () => {
    assert.strictEqual(
      rangeError(() => HookHints.key("")),
      "HookHints.key: name must be a text that is not empty, got "
    )
    assert.strictEqual(Text.name, "test.text")
  })

  it("fixes the type of the value", () => {
    expectTypeOf(HookHints.getOrUndefined(HookHints.empty, Num)).toEqualTypeOf<number | undefined>()
    // @ts-expect-error the key is one of numbers
    assert.isTrue(HookHints.isHookHints(HookHints.make(Num, "a")))
    // @ts-expect-error the key is one of numbers
    assert.isTrue(HookHints.isHookHints(HookHints.add(HookHints.empty, Num, "a")))
  })
})

describe("hints", () => {
  it("are values: add and merge change nothing that is there", () => {
    const one = HookHints.make(Text, "a")
    const two = HookHints.add(one, Text, "b")
    assert.strictEqual(HookHints.getOrUndefined(one, Text), "a")
    assert.strictEqual(HookHints.getOrUndefined(two, Text), "b")
    const raw = Object.freeze({ other: 1 })
    const merged = HookHints.merge(HookHints.fromRecord(raw), two)
    assert.deepStrictEqual(HookHints.toRecord(merged), { other: 1, "test.text": "b" })
    assert.deepStrictEqual(raw, { other: 1 })
  })

  it("merge with the second one winning, and empty as the identity", () => {
    const one = HookHints.add(HookHints.fromRecord({ a: 1, b: 1 }), Text, "one")
    const two = HookHints.add(HookHints.fromRecord({ b: 2, c: 2 }), Text, "two")
    assert.deepStrictEqual(HookHints.toRecord(HookHints.merge(one, two)), { a: 1, b: 2, c: 2, "test.text": "two" })
    assert.deepStrictEqual(HookHints.toRecord(one.pipe(HookHints.merge(two))), {
      a: 1,
      b: 2,
      c: 2,
      "test.text": "two"
    })
    assert.strictEqual(HookHints.merge(one, HookHints.empty), one)
    assert.strictEqual(HookHints.merge(HookHints.empty, one), one)
    const typed = HookHints.make(Num, 1)
    assert.deepStrictEqual(HookHints.toRecord(HookHints.merge(one, typed)), {
      a: 1,
      b: 1,
      "test.text": "one",
      "test.number": 1
    })
    assert.deepStrictEqual(HookHints.toRecord(HookHints.merge(typed, HookHints.fromRecord({ a: 1 }))), {
      a: 1,
      "test.number": 1
    })
  })

  it("are a frozen copy of the caller's record, which stays as it is", () => {
    const raw: Record<string, unknown> = { a: 1 }
    const hints = HookHints.fromRecord(raw)
    raw["a"] = 2
    assert.deepStrictEqual(HookHints.toRecord(hints), { a: 1 })
    assert.isTrue(Object.isFrozen(hints.raw))
    assert.isFalse(Object.isFrozen(raw))
  })

  it("that cannot be read count as none", () => {
    const hostile = new Proxy({}, {
      ownKeys: () => {
        throw new Error("proxy")
      }
    })
    assert.strictEqual(HookHints.fromRecord(hostile), HookHints.empty)
  })

  it("count anything but a record as none", () => {
    for (const none of [undefined, null] as const) assert.strictEqual(HookHints.fromRecord(none), HookHints.empty)
    // @ts-expect-error a list is not a record
    assert.strictEqual(HookHints.fromRecord([1, 2]), HookHints.empty)
    // @ts-expect-error a text is not a record
    assert.strictEqual(HookHints.fromRecord("text"), HookHints.empty)
  })

  it("are told from anything else", () => {
    assert.isTrue(HookHints.isHookHints(HookHints.make(Num, 1)))
    assert.isTrue(HookHints.isHookHints(HookHints.empty))
    for (const other of [undefined, null, {}, { raw: {} }]) assert.isFalse(HookHints.isHookHints(other))
  })

  it("keep an own __proto__ of a record as data", () => {
    const raw: Record<string, unknown> = JSON.parse("{\"__proto__\":{\"isAdmin\":true}}")
    const record = HookHints.toRecord(HookHints.add(HookHints.fromRecord(raw), Num, 1))
    assert.strictEqual(Object.getPrototypeOf(record), Object.prototype)
    assert.isUndefined(Reflect.get(record, "isAdmin"))
  })
})

describe("merging typed hints and those of the plain SDK", () => {
  const Key = HookHints.key("k", Predicate.isString)

  it("the second set wins in either form", () => {
    const typed = HookHints.make(Key, "typed")
    const raw = HookHints.fromRecord({ k: "raw" })
    assert.strictEqual(HookHints.getOrUndefined(HookHints.merge(typed, raw), Key), "raw")
    assert.strictEqual(HookHints.getOrUndefined(HookHints.merge(raw, typed), Key), "typed")
  })

  it("gives records that cannot be written to", () => {
    const merged = HookHints.merge(HookHints.fromRecord({ a: 1 }), HookHints.fromRecord({ b: 2 }))
    assert.isTrue(Object.isFrozen(HookHints.toRecord(merged)))
    assert.isTrue(Object.isFrozen(HookHints.toRecord(HookHints.add(merged, Key, "v"))))
  })
})
