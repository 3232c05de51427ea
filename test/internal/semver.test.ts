import { assert, describe, it } from "@effect/vitest"
import * as Semver from "../../src/internal/semver.ts"
import { type Random, random, scale } from "../support.ts"

const parse = (text: string): Semver.Version => {
  const version = Semver.parse(text)
  assert.isDefined(version, text)
  return version
}

const order = (a: string, b: string): number => Math.sign(Semver.compare(parse(a), parse(b)))

/** In rising order. The second line is that of rule 11 of semver.org. */
const rising: ReadonlyArray<string> = (
  "0.0.0-0 0.0.0 0.0.1 0.1.0 0.9.0 0.10.0 " +
  "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 " +
  "1.0.0 1.0.1 2.0.0 2.1.0 2.1.1 10.0.0 9007199254740993.0.0 9007199254740994.0.0"
).split(" ")

/** In rising order, all pre-releases of one version. */
const preReleases: ReadonlyArray<string> = [
  "0",
  "1",
  "2",
  "11",
  "11.0",
  "99999999999999999999",
  "-",
  "--",
  "1-",
  "A",
  "Z",
  "a",
  "a.0",
  "a.0.0",
  "a.1",
  "a.a",
  "aa",
  "b"
]

const anyVersion = ({ below, chance, oneOf }: Random): string => {
  const core = [below(3), below(3), below(12)].join(".")
  const identifier = () => oneOf(["0", "1", "2", "10", "a", "b", "A", "-", "a1", "1a", "rc"])
  const list = (length: number) => Array.from({ length }, identifier).join(".")
  return `${core}${chance(0.6) ? `-${list(1 + below(3))}` : ""}${chance(0.3) ? `+${list(1 + below(2))}` : ""}`
}

describe("the order of versions", () => {
  it("is that of the table, both ways", () => {
    for (const list of [rising, preReleases.map((one) => `1.2.3-${one}`)]) {
      for (const [i, a] of list.entries()) {
        for (const [j, b] of list.entries()) assert.strictEqual(order(a, b), Math.sign(i - j), `${a} and ${b}`)
      }
    }
  })

  it("does not depend on build metadata", () => {
    assert.strictEqual(order("1.0.0+a", "1.0.0+b"), 0)
    assert.strictEqual(order("1.0.0", "1.0.0+0.build.1-rc.10000aaa-kk-0.1"), 0)
    assert.strictEqual(order("1.0.0-rc.1+b", "1.0.0-rc.1+a"), 0)
  })

  it("is total: reflexive, antisymmetric, transitive, and sorts one way", () => {
    const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
    const source = random(seed)
    for (let round = 0; round < 5000 * scale; round++) {
      const [a, b, c] = [anyVersion(source), anyVersion(source), anyVersion(source)]
      const why = `SEED=${seed}: ${a}, ${b}, ${c}`
      assert.strictEqual(order(a, a), 0, why)
      assert.strictEqual(order(a, b), order(b, a) === 0 ? 0 : -order(b, a), why)
      if (order(a, b) <= 0 && order(b, c) <= 0) assert.isAtMost(order(a, c), 0, why)
      // Equal versions differ at most in their build metadata.
      const bare = (text: string) => text.replace(/\+.*/, "")
      assert.strictEqual(order(a, b) === 0, bare(a) === bare(b), why)
    }
  })
})

describe("parse", () => {
  it("takes what semver.org takes", () => {
    for (
      const text of [
        "0.0.4",
        "1.0.0-0A.is.legal",
        "1.0.0-alpha0.valid",
        "1.0.0--",
        "1.1.2-prerelease+meta",
        "1.2.3----RC-SNAPSHOT.12.9.1--.12+788",
        "1.0.0+0.build",
        "99999999999999999999999.999999999999999999.99999999"
      ]
    ) {
      assert.strictEqual(parse(text).text, text)
    }
  })

  it("refuses what semver.org refuses, and what is no text", () => {
    const wrong: ReadonlyArray<unknown> = [
      "",
      "1",
      "1.2",
      "v1.2.3",
      "1.2.3.4",
      "01.1.1",
      "1.01.1",
      "1.1.01",
      "1.2.3-",
      "1.2.3-01",
      "1.2.3-a..b",
      "1.2.3+",
      "1.2.3+a+b",
      "1.2.3-é",
      " 1.2.3",
      "1.2.3\n",
      "1.2.3-0123.0123",
      "-1.0.3",
      "*",
      2,
      true,
      null,
      undefined,
      {},
      ["1.2.3"]
    ]
    for (const text of wrong) assert.isUndefined(Semver.parse(text), String(text))
  })

  it("answers in time, whatever the text", () => {
    const startedAt = performance.now()
    for (const piece of ["1", "-", "1-", "1a.", "0.", "1.1.1-", "+"]) {
      for (const length of [256, 100_000]) {
        const text = `1.2.3-${piece.repeat(length)}`
        Semver.parse(`${text.slice(0, 255)}!`)
        Semver.parse(text)
      }
    }
    assert.isBelow(performance.now() - startedAt, 1000)
  })
})
