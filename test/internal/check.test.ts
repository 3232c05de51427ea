import { assert, describe, it } from "@effect/vitest"
import * as Check from "../../src/internal/check.ts"

describe("options", () => {
  it("are checked by their own rules also where somebody has polluted Object.prototype", () => {
    Reflect.set(Object.prototype, "isAdmin", true)
    try {
      assert.deepStrictEqual(Check.options("owner", { a: "x" }, { a: Check.aText }), { a: "x" })
    } finally {
      Reflect.deleteProperty(Object.prototype, "isAdmin")
    }
  })
})
