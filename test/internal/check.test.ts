import { assert, describe, it } from "@effect/vitest"
import { Function } from "effect"
import * as Check from "../../src/internal/check.ts"
import { rangeError } from "../support.ts"

describe("options", () => {
  it("are checked by their own rules also where somebody has polluted Object.prototype", () => {
    Reflect.set(Object.prototype, "isAdmin", true)
    try {
      assert.deepStrictEqual(Check.options("owner", { a: "x" }, { a: Check.aText }), { a: "x" })
    } finally {
      Reflect.deleteProperty(Object.prototype, "isAdmin")
    }
  })

  it("do not print what is in an object that stands in the wrong place", () => {
    const secret = "sk-live-1"
    for (
      const value of [
        { apiKey: secret },
        [secret],
        new (class Provider {
          readonly apiKey = secret
        })()
      ]
    ) {
      const message = rangeError(() =>
        Check.options("owner", { a: Function.cast<unknown, string>(value) }, { a: Check.aText })
      )
      assert.match(message, /^owner: a must be a text that is not empty, got [{[]…[}\]]$/)
    }
  })

  it("shows a list of numbers, and no other list", () => {
    const got = (value: unknown) =>
      rangeError(() => Check.options("owner", { a: Function.cast<unknown, string>(value) }, { a: Check.aText }))
        .replace(/.*got /, "")
    assert.deepStrictEqual([[80], [0.5, 80, Number.NaN], []].map(got), ["[80]", "[0.5,80,NaN]", "[]"])
    for (const list of [[80, "secret"], [[80]], Array.from({ length: 21 }, () => 1)]) {
      assert.strictEqual(got(list), "[…]")
    }
    const hostile = Object.defineProperty([1], 0, {
      get: () => {
        throw new Error("read")
      }
    })
    assert.strictEqual(got(hostile), "[…]")
  })
})
