import { assert, describe, it } from "@effect/vitest"
import { compile, maxTextLength } from "../../../../src/internal/hook/guard/pattern.ts"
import { type Random, random } from "../../../support.ts"

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))

const matcher = (expression: RegExp): (text: string) => boolean => {
  const compiled = compile(expression)
  if (typeof compiled === "string") throw new Error(`${expression}: ${compiled}`)
  return compiled
}

const atoms = ["a", "b", "[ab]", "[^a]", ".", "\\d", "\\w", "\\.", "\\]", "[\\]a]", "\\x61", "é"]
const quantifiers = ["", "", "", "*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "+?"]

const expressionOf = (it: Random, depth: number): string =>
  Array.from({ length: 1 + it.below(3) }, () => {
    const isGroup = depth > 0 && it.chance(0.4)
    const atom = isGroup
      ? `${it.oneOf(["(", "(?:", "(?<n" + it.below(1e9) + ">"])}${expressionOf(it, depth - 1)}${
        it.chance(0.4) ? `|${expressionOf(it, depth - 1)}` : ""
      })`
      : it.oneOf(atoms)
    return atom + it.oneOf(quantifiers)
  }).join("")

describe("an expression of a guard", () => {
  it(`matches what the same regular expression matches as a whole, SEED=${seed}`, () => {
    const it = random(seed)
    let matches = 0
    for (let i = 0; i < 2000; i++) {
      const source = expressionOf(it, 2)
      const flags = it.oneOf(["", "i", "u", "s", "g"])
      const expression = new RegExp(source, flags)
      const native = new RegExp(`^(?:${source})$`, flags.replace("g", ""))
      const matches1 = matcher(expression)
      for (let j = 0; j < 10; j++) {
        const text = Array.from({ length: it.below(6) }, () => it.oneOf([..."aabbAB1.]é\n", "💥"])).join("")
        assert.strictEqual(matches1(text), native.test(text), `${expression} on ${JSON.stringify(text)}`)
        if (native.test(text)) matches++
      }
    }
    assert.isAbove(matches, 100)
  })

  it("may have anchors at its ends", () => {
    for (const expression of [/^user-\d+$/, /user-\d+/, /^user-\d+/, /user-\d+$/]) {
      assert.isTrue(matcher(expression)("user-12"))
      assert.isFalse(matcher(expression)("a user-12"))
    }
    assert.isTrue(matcher(/^\$$/)("$"))
    assert.isTrue(matcher(/a\\$/)("a\\"))
    assert.isTrue(matcher(/^[\w.+-]{1,64}@[a-z\d-]+(?:\.[a-z\d-]+)+$/i)("Ana.B+c@mail.example.org"))
    assert.isTrue(matcher(/\/a{b}/)("/a{b}"))
  })

  it("without the flag u matches the two halves of a character", () => {
    for (const [expression, text] of [[/💥/, "💥"], [/a💥+b/, "a💥b"], [/💥|b/, "💥"], [/../, "💥"]] as const) {
      assert.isTrue(matcher(expression)(text), String(expression))
    }
    assert.isFalse(matcher(/a💥+b/)("a💥💥b"))
    assert.isTrue(matcher(/a💥+b/u)("a💥💥b"))
  })

  it("takes no exponential time, and matches no text that is too long", () => {
    const text = "a".repeat(maxTextLength - 1)
    for (const expression of [/(a+)+b/, /(a|a)*b/, /(a|aa)+b/, /(?:a*)*b/, /(.*)*(.*)*(.*)*b/, /a?a?a?a?a?a?a*a*a*b/]) {
      const matches = matcher(expression)
      assert.isFalse(matches(text))
      assert.isTrue(matches(`${text}b`))
      assert.isFalse(matches(`${text}ab`))
    }
  })

  it("is refused if it needs backtracking, or too much memory", () => {
    const refused = [
      /(?=a)b/,
      /(?!a)b/,
      /(?<=a)b/,
      /(?<!a)b/,
      /(a)\1/,
      /(?<a>a)\k<a>/,
      /\bab/,
      /a^b/,
      /a$b/,
      /a|^b/,
      /a/m,
      new RegExp("[a&&b]", "v"),
      /a{600}/,
      /a{1000}/,
      /a{0,1000}/,
      /(?:a{100}){100}/,
      /(?:(?:){999}){999}/,
      new RegExp("a".repeat(1001))
    ]
    for (const expression of refused) assert.isString(compile(expression), String(expression))
  })
})
