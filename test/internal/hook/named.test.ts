import { assert, describe, it } from "@effect/vitest"
import { Named, type Names } from "../../../src/internal/hook/named.ts"
import { random } from "../../support.ts"

describe("a map by names", () => {
  it("holds what a map by one text of all names holds, in any order of changes", () => {
    const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1e9))
    const rng = random(seed)
    const named = new Named<Names>()
    const expected = new Map<string, Names>()
    const name = () => rng.oneOf(["", "a", "b", "__proto__"])
    for (let step = 0; step < 5000; step++) {
      const names = { domain: name(), flagKey: name(), result: name(), subject: name() }
      const key = JSON.stringify([names.domain, names.flagKey, names.result, names.subject])
      if (rng.chance(0.5)) {
        named.add(names)
        expected.set(key, names)
      } else {
        named.delete(expected.get(key) ?? names)
        expected.delete(key)
      }
      const found = named.get(names.domain, names.flagKey, names.result, names.subject)
      assert.strictEqual(found, expected.get(key), `SEED=${seed}, step ${step}`)
    }
    for (const [key, value] of expected) {
      const [domain = "", flagKey = "", result = "", subject = ""]: ReadonlyArray<string> = JSON.parse(key)
      assert.strictEqual(named.get(domain, flagKey, result, subject), value, `SEED=${seed}`)
    }
  })
})
