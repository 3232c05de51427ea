import { assert, describe, it } from "@effect/vitest"
import { type Clock, Effect } from "effect"
import { Flight, InFlight } from "../../../src/otel/internal/inFlight.ts"
import { random } from "../../support.ts"

class Named extends Flight {
  expired = 0
  override onExpired(): void {
    this.expired++
  }
}

/** A clock that stands wherever it is put. */
class Standing implements Clock.Clock {
  now = 0n
  currentTimeMillisUnsafe = () => Number(this.now / 1_000_000n)
  currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  currentTimeNanosUnsafe = () => this.now
  currentTimeNanos = Effect.sync(() => this.now)
  monotonicTimeNanosUnsafe = () => this.now
  monotonicTimeNanos = Effect.sync(() => this.now)
  sleep = () => Effect.never
}

const beginAt = (list: InFlight, clock: Standing, flight: Flight, now: bigint): void => {
  clock.now = now
  list.begin(flight)
}
const expireAt = (list: InFlight, clock: Standing, now: bigint): void => {
  clock.now = now
  list.expire()
}
const newList = (maxAge: bigint) => {
  const clock = new Standing()
  return { clock, list: new InFlight(clock, maxAge) }
}

describe("InFlight", () => {
  it("is empty until an evaluation is in flight, and after the last has ended", () => {
    const { clock, list } = newList(10n)
    const flight = new Named()
    assert.isTrue(list.isEmpty)
    beginAt(list, clock, flight, 5n)
    assert.isFalse(list.isEmpty)
    assert.strictEqual(flight.list, list)
    assert.strictEqual(flight.startedAt, 5n)
    assert.isTrue(InFlight.end(flight))
    assert.isTrue(list.isEmpty)
    assert.isUndefined(flight.list)
  })

  it("ends an evaluation once, and none that never began", () => {
    const { list } = newList(10n)
    const flight = new Named()
    assert.isFalse(InFlight.end(flight))
    list.begin(flight)
    assert.isTrue(InFlight.end(flight))
    assert.isFalse(InFlight.end(flight))
  })

  it("lets go of what is as old as it may be, the oldest first, once", () => {
    const { clock, list } = newList(10n)
    const [first, second, third] = [new Named(), new Named(), new Named()]
    beginAt(list, clock, first, 0n)
    beginAt(list, clock, second, 1n)
    beginAt(list, clock, third, 5n)
    expireAt(list, clock, 9n)
    assert.deepStrictEqual([first.expired, second.expired, third.expired], [0, 0, 0])
    expireAt(list, clock, 11n)
    assert.deepStrictEqual([first.expired, second.expired, third.expired], [1, 1, 0])
    assert.isFalse(InFlight.end(first))
    expireAt(list, clock, 1000n)
    assert.deepStrictEqual([first.expired, second.expired, third.expired], [1, 1, 1])
    assert.isTrue(list.isEmpty)
  })

  it("lets go of what is too old when another evaluation begins", () => {
    const { clock, list } = newList(10n)
    const [first, second] = [new Named(), new Named()]
    beginAt(list, clock, first, 0n)
    beginAt(list, clock, second, 10n)
    assert.deepStrictEqual([first.expired, second.expired], [1, 0])
    assert.deepStrictEqual([first.list, second.list], [undefined, list])
  })

  it("keeps nothing alive of what it has let go of", () => {
    const { clock, list } = newList(10n)
    const all = [new Named(), new Named(), new Named()]
    for (const flight of all) beginAt(list, clock, flight, 0n)
    InFlight.end(all[1])
    expireAt(list, clock, 10n)
    for (const { list, next, previous } of all) {
      assert.deepStrictEqual([list, next, previous], [undefined, undefined, undefined])
    }
  })

  it("does what a plain list does, whatever the order", () => {
    const seed = 20_260_131
    console.log(`in flight seed ${seed}`)
    const { below, next } = random(seed)
    const { clock, list } = newList(100n)
    let expected: Array<Named> = []
    let now = 0n
    let expirations = 0
    const expire = (): void => {
      const old = expected.filter(({ startedAt }) => now - startedAt >= 100n)
      expected = expected.filter(({ startedAt }) => now - startedAt < 100n)
      assert.isTrue(old.every(({ expired, list }) => expired === 1 && list === undefined))
      assert.isTrue(expected.every((one) => one.expired === 0 && one.list === list))
      expirations += old.length
    }
    for (let i = 0; i < 20_000; i++) {
      now += BigInt(below(4))
      const chance = next()
      if (chance < 0.5) {
        const flight = new Named()
        beginAt(list, clock, flight, now)
        expected.push(flight)
        expire()
      } else if (chance < 0.9 && expected.length > 0) {
        const [flight] = expected.splice(below(expected.length), 1)
        assert.deepStrictEqual([InFlight.end(flight), InFlight.end(flight)], [true, false])
      } else {
        expireAt(list, clock, now)
        expire()
      }
      assert.strictEqual(list.isEmpty, expected.length === 0)
    }
    assert.isAbove(expirations, 100)
  })
})
