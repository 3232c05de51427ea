import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { rules, sections } from "./rules.ts"
import { generate, path, tests } from "./table.ts"

describe("the table of rules", () => {
  it("has the 117 rules of sections 1, 3, 4, 5 and 6, each once", () => {
    assert.deepStrictEqual(
      sections.map((section) => [section.number, Object.keys(section.texts).length]),
      [[1, 45], [3, 17], [4, 30], [5, 19], [6, 6]]
    )
    assert.strictEqual(new Set(rules.map((rule) => rule.number)).size, 117)
  })

  it("has every rule in its section, and a reason only for a rule that is there", () => {
    for (const { notApplicable, number, texts } of sections) {
      for (const rule of Object.keys(texts)) assert.isTrue(rule.startsWith(`${number}.`), rule)
      for (const rule of Object.keys(notApplicable)) assert.isTrue(Object.hasOwn(texts, rule), rule)
    }
  })

  it("has a test for each rule that applies, and none for one that does not exist", () => {
    const tested = new Set(tests().map((test) => test.number))
    const applicable = rules.filter((rule) => rule.notApplicable === undefined).map((rule) => rule.number)
    assert.deepStrictEqual(Array.from(tested).sort(), Array.from(applicable).sort())
  })

  it("is what docs/spec-conformance.md shows", () => {
    assert.strictEqual(readFileSync(path, "utf8"), generate())
  })
})
