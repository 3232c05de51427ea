import { assert, describe, it } from "@effect/vitest"
import { Open, OpenList } from "../../../src/internal/otel/open.ts"
import { random } from "../../support.ts"

class Named extends Open {
  expired = 0
  override onExpired(): void {
    this.expired++
  }
}

describe("OpenList", () => {
  it("is empty until something is open, and after it is not", () => {
    const list = new OpenList(10n)
    const open = new Named()
    assert.isTrue(list.isEmpty)
    list.add(open, 5n)
    assert.isFalse(list.isEmpty)
    assert.isTrue(open.isOpen)
    assert.strictEqual(open.startedAt, 5n)
    assert.isTrue(list.remove(open))
    assert.isTrue(list.isEmpty)
    assert.isFalse(open.isOpen)
  })

  it("removes once, and nothing that was never added", () => {
    const list = new OpenList(10n)
    const open = new Named()
    assert.isFalse(list.remove(open))
    list.add(open, 0n)
    assert.isTrue(list.remove(open))
    assert.isFalse(list.remove(open))
  })

  it("lets go of what is as old as it may be, the oldest first, once", () => {
    const list = new OpenList(10n)
    const [first, second, third] = [new Named(), new Named(), new Named()]
    list.add(first, 0n)
    list.add(second, 1n)
    list.add(third, 5n)
    list.expire(9n)
    assert.deepStrictEqual([first.expired, second.expired, third.expired], [0, 0, 0])
    list.expire(11n)
    assert.deepStrictEqual([first.expired, second.expired, third.expired], [1, 1, 0])
    assert.isFalse(list.remove(first))
    list.expire(1000n)
    assert.deepStrictEqual([first.expired, second.expired, third.expired], [1, 1, 1])
    assert.isTrue(list.isEmpty)
  })

  it("keeps nothing alive of what it has let go of", () => {
    const list = new OpenList(10n)
    const all = [new Named(), new Named(), new Named()]
    for (const open of all) list.add(open, 0n)
    list.remove(all[1])
    list.expire(10n)
    for (const { next, previous } of all) assert.deepStrictEqual([next, previous], [undefined, undefined])
  })

  it("does what a plain list does, whatever the order", () => {
    const seed = 20_260_131
    console.log(`open list seed ${seed}`)
    const { below, next } = random(seed)
    const list = new OpenList(100n)
    let expected: Array<Named> = []
    let now = 0n
    let expirations = 0
    for (let i = 0; i < 20_000; i++) {
      now += BigInt(below(4))
      const chance = next()
      if (chance < 0.5) {
        const open = new Named()
        list.add(open, now)
        expected.push(open)
      } else if (chance < 0.9 && expected.length > 0) {
        const [open] = expected.splice(below(expected.length), 1)
        assert.deepStrictEqual([list.remove(open), list.remove(open)], [true, false])
      } else {
        const old = expected.filter(({ startedAt }) => now - startedAt >= 100n)
        expected = expected.filter(({ startedAt }) => now - startedAt < 100n)
        list.expire(now)
        assert.isTrue(old.every(({ expired, isOpen }) => expired === 1 && !isOpen))
        assert.isTrue(expected.every(({ expired, isOpen }) => expired === 0 && isOpen))
        expirations += old.length
      }
      assert.strictEqual(list.isEmpty, expected.length === 0)
    }
    assert.isAbove(expirations, 100)
  })
})
