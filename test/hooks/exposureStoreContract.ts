/** What a store of exposures promises. It runs in real time, since a store has a clock of its own. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, type Scope } from "effect"
import { ExposureHook } from "effect-openfeature"

let keys = 0

/** Keys that no other test uses. */
const newKeys = (count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, () => `key-${process.pid}-${++keys}`)

const minute = Duration.minutes(1)

/** `make` gives the store of another process each time. */
export const contract = (
  kind: string,
  make: () => Effect.Effect<readonly [ExposureHook.Store, ExposureHook.Store], never, Scope.Scope>
): void => {
  const states = (reservations: ReadonlyArray<ExposureHook.Reservation>) => reservations.map(({ state }) => state)

  const test = (
    name: string,
    body: (one: ExposureHook.Store, two: ExposureHook.Store) => Effect.Effect<void, unknown, Scope.Scope>
  ) => it.live(name, () => Effect.flatMap(make(), ([one, two]) => body(one, two)))

  describe(`exposures in ${kind}`, () => {
    test("are reserved by one owner, until they are confirmed", (one, two) =>
      Effect.gen(function*() {
        const all = newKeys(3)
        const [a = "", b = "", c = ""] = all
        assert.deepStrictEqual(states(yield* one.reserve([a, b], "one", minute)), ["reserved", "reserved"])
        assert.deepStrictEqual(states(yield* two.reserve([c, b], "two", minute)), ["reserved", "pending"])
        assert.deepStrictEqual(states(yield* one.reserve([a], "one", minute)), ["reserved"])
        yield* one.confirm([a, b], "one", minute)
        const found = yield* two.reserve([b, a, c], "two", minute)
        assert.deepStrictEqual(states(found), ["exposed", "exposed", "reserved"])
        assert.isAtMost(found[0]?.remaining ?? 0, 60_000)
        assert.isAbove(found[0]?.remaining ?? 0, 50_000)
        assert.deepStrictEqual(states(yield* one.reserve([a], "one", minute)), ["exposed"])
      }))

    test(
      "that were released can be reserved by another, and only their owner releases them",
      (one, two) =>
        Effect.gen(function*() {
          const [a = ""] = newKeys(1)
          yield* one.reserve([a], "one", minute)
          yield* two.release([a, "none"], "two")
          assert.deepStrictEqual(states(yield* two.reserve([a], "two", minute)), ["pending"])
          yield* one.release([a], "one")
          assert.deepStrictEqual(states(yield* two.reserve([a], "two", minute)), ["reserved"])
          yield* two.confirm([a], "two", minute)
          yield* two.release([a], "two")
          assert.deepStrictEqual(states(yield* one.reserve([a], "one", minute)), ["exposed"])
        })
    )

    test("come free when a lease or a window ends", (one, two) =>
      Effect.gen(function*() {
        const [a = "", b = "", c = ""] = newKeys(3)
        yield* one.reserve([a], "one", Duration.millis(100))
        yield* one.confirm([b], "one", Duration.millis(100))
        yield* one.confirm([c], "one", Duration.infinity)
        assert.deepStrictEqual(states(yield* two.reserve([a, b, c], "two", minute)), ["pending", "exposed", "exposed"])
        yield* Effect.sleep("150 millis")
        const later = yield* two.reserve([a, b, c], "two", minute)
        assert.deepStrictEqual(states(later), ["reserved", "reserved", "exposed"])
        assert.isUndefined(later[2]?.remaining)
        // Its sink has taken it after all.
        yield* one.confirm([a], "one", minute)
        yield* two.release([a], "two")
        assert.deepStrictEqual(states(yield* two.reserve([a], "two", minute)), ["exposed"])
      }))

    test("can have any key", (one, two) =>
      Effect.gen(function*() {
        const [base = ""] = newKeys(1)
        const odd = ["__proto__", "", "a b\r\n*1", "größe\u202e", "x".repeat(1_000_000), "{a}b"].map((text) =>
          base + text
        )
        assert.deepStrictEqual(states(yield* one.reserve(odd, "one", minute)), odd.map(() => "reserved"))
        assert.deepStrictEqual(states(yield* two.reserve(odd, "two", minute)), odd.map(() => "pending"))
        assert.deepStrictEqual(yield* one.reserve([], "one", minute), [])
      }))

    test("are reserved once among many at the same time", (one, two) =>
      Effect.gen(function*() {
        const all = newKeys(50)
        const found = yield* Effect.all(
          Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? one : two).reserve(all, `owner-${i}`, minute)),
          { concurrency: "unbounded" }
        )
        const won = found.flatMap(states).filter((state) => state === "reserved")
        assert.strictEqual(won.length, 50)
      }))

    test("reach a sink once from two hooks", (one, two) =>
      Effect.gen(function*() {
        const name = newKeys(1).join()
        const sent: Array<string> = []
        const hooks = yield* Effect.forEach([one, two], (store) =>
          ExposureHook.make({
            name,
            store,
            timeout: "5 seconds",
            automatic: false,
            targetingKey: "raw",
            concurrency: 4,
            maxSize: 10,
            send: (batch) => Effect.delay(Effect.sync(() => void sent.push(...batch.map(({ subject }) => subject))), 5)
          }))
        for (let i = 0; i < 200; i++) {
          for (const { expose } of hooks) {
            yield* expose({ flagKey: "sale", variant: "on", value: true }, { targetingKey: `user-${i}` })
          }
        }
        yield* Effect.forEach(hooks, ({ flush }) => flush, { concurrency: "unbounded" })
        assert.strictEqual(sent.length, 200)
        assert.strictEqual(new Set(sent).size, 200)
        const counts = yield* Effect.forEach(hooks, ({ counts }) => counts)
        assert.strictEqual(counts.reduce((sum, { delivered }) => sum + delivered, 0), 200)
        assert.strictEqual(counts.reduce((sum, { suppressed }) => sum + suppressed, 0), 200)
      }))
  })
}
