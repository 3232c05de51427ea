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
})
