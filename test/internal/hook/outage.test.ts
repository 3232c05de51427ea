import { assert, describe, it } from "@effect/vitest"
import { Outage } from "../../../src/internal/hook/outage.ts"

const rig = () => {
  const time = { now: 0 }
  const outage = new Outage(() => time.now)
  const begin = (): number => {
    const call = outage.begin()
    assert.isDefined(call)
    return call ?? Number.NaN
  }
  return { time, outage, begin }
}

describe("an outage", () => {
  it("begins with the third failure in a row", () => {
    const { begin, outage } = rig()
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 2; i++) assert.isTrue(outage.failed(begin()))
      begin()
      outage.answered()
    }
    for (let i = 0; i < 3; i++) assert.isTrue(outage.failed(begin()))
    assert.isUndefined(outage.begin())
  })

  it("takes calls that fail together for one failure", () => {
    const { begin, outage } = rig()
    const together = Array.from({ length: 1000 }, begin)
    for (const call of together) assert.isTrue(outage.failed(call))
    assert.isTrue(outage.failed(begin()))
    begin()
  })

  it("takes no notice of a failure that an answer has followed", () => {
    const { begin, outage } = rig()
    for (let i = 0; i < 2; i++) outage.failed(begin())
    const early = begin()
    outage.answered()
    outage.failed(early)
    for (let i = 0; i < 2; i++) outage.failed(begin())
    begin()
  })

  it("lets one call a second through, until one is answered", () => {
    const { begin, outage, time } = rig()
    for (let i = 0; i < 3; i++) outage.failed(begin())
    for (let round = 0; round < 3; round++) {
      time.now += 999
      assert.isUndefined(outage.begin())
      time.now += 1
      const probe = begin()
      assert.isUndefined(outage.begin())
      time.now += 50
      assert.isFalse(outage.failed(probe))
    }
    // A call that nobody waits for any more hinders no later one.
    time.now += 1000
    begin()
    time.now += 1000
    begin()
    outage.answered()
    for (let i = 0; i < 3; i++) begin()
  })
})
