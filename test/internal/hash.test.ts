import { assert, describe, it } from "@effect/vitest"
import { murmur3, netstring } from "../../src/internal/hash.ts"

describe("MurmurHash3", () => {
  // The values of the reference implementation by Austin Appleby.
  it.each<readonly [text: string, seed: number, hash: number]>([
    ["", 0, 0],
    ["", 1, 0x514e28b7],
    ["", 0xffffffff, 0x81f16f39],
    ["test", 0, 0xba6bd213],
    ["test", 0x9747b28c, 0x704b81dc],
    ["Hello, world!", 0, 0xc0363e43],
    ["Hello, world!", 0x9747b28c, 0x24884cba],
    ["The quick brown fox jumps over the lazy dog", 0, 0x2e4ff723],
    ["aaa", 0x9747b28c, 0x283e0130],
    ["aa", 0x9747b28c, 0x5d211726],
    ["a", 0x9747b28c, 0x7fa09ea6],
    ["ππππππππ", 0x9747b28c, 0xd58063c1]
  ])("of %j with seed %i is that of the reference", (text, seed, hash) => {
    assert.strictEqual(murmur3(text, seed), hash)
  })
})

describe("joined texts", () => {
  it("tell different lists apart", () => {
    const lists = [["ab"], ["a", "b"], ["", "ab"], ["ab", ""], ["1:a", "b"], ["a1:b"], []]
    assert.strictEqual(new Set(lists.map((list) => netstring(...list))).size, lists.length)
  })
})
