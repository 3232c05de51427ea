import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { AuditHook, type AuditRecord, AuditStream } from "effect-openfeature"
import { Fixtures } from "effect-openfeature/testing"
import { paths, turns } from "../support.ts"

const record = (flagKey: string): AuditRecord.AuditRecord => ({
  time: "2026-01-31T18:00:00.000Z",
  flagKey,
  type: "boolean"
})

/** Collects the keys of so many records. */
const subscribe = (audit: AuditStream.AuditStream, count: number) =>
  audit.records.pipe(
    Stream.map(({ flagKey }) => flagKey),
    Stream.take(count),
    Stream.runCollect,
    Effect.forkChild({ startImmediately: true })
  )

describe("an audit stream", () => {
  for (const [path, change] of paths) {
    it.effect(`hands the records of a hook to each subscriber, ${path}`, () =>
      Effect.gen(function*() {
        const audit = yield* AuditStream.make()
        const hook = change(AuditHook.make(audit))
        const first = yield* subscribe(audit, 2)
        yield* Fixtures.run(hook, { context: { flagKey: "a" } })
        const second = yield* subscribe(audit, 1)
        yield* Fixtures.run(hook, { context: { flagKey: "b" } })
        assert.deepStrictEqual(yield* Fiber.join(first), ["a", "b"])
        assert.deepStrictEqual(yield* Fiber.join(second), ["b"])
        assert.deepStrictEqual(audit.counts(), { offered: 2, dropped: 0 })
      }))
  }

  it.effect("keeps nothing while nobody subscribes", () =>
    Effect.gen(function*() {
      const audit = yield* AuditStream.make({ capacity: 2 })
      for (let i = 0; i < 100; i++) yield* audit.append(record(`flag-${i}`))
      assert.deepStrictEqual(audit.counts(), { offered: 100, dropped: 0 })
    }))

  const overflowing = Effect.fnUntraced(function*(overflow: AuditStream.Options["overflow"]) {
    const audit = yield* AuditStream.make({ capacity: 4, overflow })
    const seen: Array<string> = []
    yield* Effect.forkScoped(
      Stream.runForEach(
        audit.records,
        ({ flagKey }) => Effect.andThen(Effect.sync(() => void seen.push(flagKey)), Effect.yieldNow)
      ),
      { startImmediately: true }
    )
    for (let i = 0; i < 10; i++) audit.appendUnsafe?.(record(String(i)))
    yield* turns()
    return { seen, counts: audit.counts() }
  })

  it.effect("drops the oldest records when a subscriber is slow, and counts them", () =>
    Effect.gen(function*() {
      const { counts, seen } = yield* overflowing(undefined)
      // The subscriber waited for the first.
      assert.deepStrictEqual(seen, ["0", "6", "7", "8", "9"])
      assert.deepStrictEqual(counts, { offered: 10, dropped: 5 })
    }))

  it.effect("drops the newest where that was chosen", () =>
    Effect.gen(function*() {
      const { counts, seen } = yield* overflowing("dropNewest")
      assert.deepStrictEqual(seen, ["0", "1", "2", "3", "4"])
      assert.deepStrictEqual(counts, { offered: 10, dropped: 5 })
    }))

  it("is an async iterable without Effect, with as many past records as were asked for", async () => {
    const audit = AuditStream.makeUnsafe({ replay: 2 })
    for (const flagKey of ["a", "b", "c"]) audit.appendUnsafe?.(record(flagKey))
    const seen: Array<string> = []
    for await (const { flagKey } of audit) {
      seen.push(flagKey)
      if (seen.length === 2) audit.appendUnsafe?.(record("d"))
      if (seen.length === 3) break
    }
    assert.deepStrictEqual(seen, ["b", "c", "d"])
    // A subscriber that has left takes no place.
    for (let i = 0; i < 5000; i++) audit.appendUnsafe?.(record("e"))
    assert.strictEqual(audit.counts().dropped, 0)
  })
})
