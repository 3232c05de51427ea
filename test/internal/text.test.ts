import { assert, describe, it } from "@effect/vitest"
import { nearest, oneLine, printValue, truncate } from "../../src/internal/text.ts"
import { random } from "../support.ts"

const unsafe = [
  "\n",
  "\r",
  "\u0000",
  "\u001b",
  "\u007f",
  "\u0085",
  "\u009b",
  "\u2028",
  "\u2029",
  "\u202a",
  "\u202e",
  "\u2066",
  "\u2069",
  "\u200e",
  "\u200f",
  "\u061c",
  "\ufeff"
]

describe("nearest", () => {
  const options = ["key", "timeToLive", "staleFor", "timeout"]

  it("takes a name for its first letters", () => {
    assert.deepStrictEqual(["ttl", "TTL", "sf", "timeToLove"].map((name) => nearest(name, options)), [
      "timeToLive",
      "timeToLive",
      "staleFor",
      "timeToLive"
    ])
  })

  it("finds nothing where nothing is similar", () => {
    assert.deepStrictEqual(["zzzzzz", "max"].map((name) => nearest(name, options.slice(1))), [undefined, undefined])
  })
})

describe("oneLine", () => {
  it("escapes whatever breaks a line or steers a terminal", () => {
    for (const char of unsafe) {
      const code = char.charCodeAt(0).toString(16).padStart(4, "0")
      assert.strictEqual(oneLine(`a${char}b`, 100), `a\\u${code}b`)
    }
    assert.strictEqual(oneLine("añ漢😀 \"b\"", 100), "añ漢😀 \"b\"")
  })

  it("is bounded and one line whatever it is given", () => {
    const rng = random(11)
    for (let round = 0; round < 2000; round++) {
      const length = rng.below(60)
      const text = Array.from({ length }, () => rng.oneOf([...unsafe, "a", "b", " ", "漢"])).join("")
      const max = 1 + rng.below(40)
      const line = oneLine(text, max)
      assert.isAtMost(line.length, max)
      for (const char of unsafe) assert.isFalse(line.includes(char))
    }
  })

  it("cuts with a mark", () => {
    assert.strictEqual(truncate("abc", 3), "abc")
    assert.strictEqual(truncate("abcd", 3), "ab…")
    assert.strictEqual(truncate("abcd", 1), "…")
    assert.strictEqual(oneLine("abcd", 3), "ab…")
  })
})

describe("printValue", () => {
  const cases: ReadonlyArray<readonly [value: unknown, text: string]> = [
    ["text", "text"],
    [1.5, "1.5"],
    [-0, "-0"],
    [Number.NaN, "NaN"],
    [Number.POSITIVE_INFINITY, "Infinity"],
    [true, "true"],
    [undefined, "undefined"],
    [null, "null"],
    [12n, "12n"],
    [Symbol("s"), "<symbol>"],
    [() => 1, "<function>"],
    [new Date(0), "\"1970-01-01T00:00:00.000Z\""],
    [new Date(Number.NaN), "<invalid date>"],
    [new TypeError("secret"), "<TypeError>"],
    [new Uint8Array(4), "<4 bytes>"],
    [Buffer.from("abc"), "<3 bytes>"],
    [[1, "a", [null]], "[1,\"a\",[null]]"],
    [{ a: 1, b: { c: "x" } }, "{\"a\":1,\"b\":{\"c\":\"x\"}}"],
    [new Set([1, "a"]), "<set>[1,\"a\"]"],
    [new Map([["a", 1]]), "<map>{\"a\":1}"],
    [Object.assign(Object.create(null), { a: 1 }), "{\"a\":1}"]
  ]
  for (const [value, text] of cases) {
    it(`prints ${text}`, () => {
      assert.strictEqual(printValue(value, 500), text)
    })
  }

  it("cuts cycles but not shared parts", () => {
    const shared = { x: 1 }
    const value: Record<string, unknown> = { one: shared, two: shared }
    value["self"] = value
    assert.strictEqual(printValue(value, 500), "{\"one\":{\"x\":1},\"two\":{\"x\":1},\"self\":<cycle>}")
  })

  it("bounds depth, nodes and length", () => {
    let deep: unknown = "end"
    for (let i = 0; i < 100_000; i++) deep = [deep]
    assert.strictEqual(printValue(deep, 500), `${"[".repeat(8)}…${"]".repeat(8)}`)
    let wide: unknown = "leaf"
    for (let i = 0; i < 25; i++) wide = [wide, wide]
    assert.isAtMost(printValue(wide, 500).length, 500)
    assert.isAtMost(printValue(Array.from({ length: 1_000_000 }, () => 1), 500).length, 500)
    assert.isAtMost(printValue({ a: "x".repeat(10_000_000) }, 100).length, 100)
    assert.isAtMost(printValue("x".repeat(10_000_000), 100).length, 100)
    const nodes = printValue(Array.from({ length: 5000 }, () => 1), 1_000_000)
    assert.isBelow(nodes.length, 2100)
    assert.include(nodes, "…")
  })

  it("is one line", () => {
    for (const char of unsafe) {
      const text = printValue({ [`k${char}`]: `v${char}`, list: [char] }, 500)
      for (const other of unsafe) assert.isFalse(text.includes(other))
    }
  })

  it("survives getters that throw, hostile proxies and toJSON", () => {
    const trap = () => {
      throw new Error("trap")
    }
    const proxy = new Proxy({}, { get: trap, ownKeys: trap, getPrototypeOf: trap, has: trap })
    assert.strictEqual(printValue(proxy, 500), "<unreadable>")
    assert.strictEqual(printValue({ toJSON: trap }, 500), "{\"toJSON\":<function>}")
    assert.strictEqual(
      printValue([Object.defineProperty({}, "x", { get: trap, enumerable: true })], 500),
      "[<unreadable>]"
    )
  })

  it("a value that cannot be read does not change how its siblings are printed", () => {
    const throwing = () => ({
      get x(): never {
        throw new Error("getter")
      }
    })
    const one = throwing()
    assert.strictEqual(printValue([one, one], 500), "[<unreadable>,<unreadable>]")
    const many = [...Array.from({ length: 10 }, throwing), { a: 1 }]
    assert.strictEqual(printValue(many, 500), `[${"<unreadable>,".repeat(10)}{"a":1}]`)
  })
})
