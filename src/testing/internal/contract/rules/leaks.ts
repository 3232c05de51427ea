import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { type Bench, type Judge, tried } from "../bench.ts"
import { resources } from "../process.ts"
import { failure, success } from "../requests.ts"
import { type Client, clients, type Hung } from "../world.ts"

/** What ends by itself soon after closing is no leak. Milliseconds. */
const grace = 100

const lost = (before: ReadonlyMap<string, number>): ReadonlyArray<string> =>
  Array.from(resources()).flatMap(([kind, count]) => {
    const more = count - (before.get(kind) ?? 0)
    return more > 0 ? [`${more} ${kind}`] : []
  })

const settled = (left: () => ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function*() {
    for (let waited = 0; left().length > 0 && waited < grace; waited += 5) {
      yield* Effect.sleep("5 millis")
      // The timer of the sleep is active while it fires.
      yield* Effect.yieldNow
    }
    return left()
  })

/** One evaluation that ends well, one that fails, and one that is given up. */
const used = (bench: Bench, client: Client): Effect.Effect<ReadonlyArray<string>, Hung> =>
  Effect.gen(function*() {
    const before = resources()
    const gate = Deferred.makeUnsafe<void>()
    const [, world] = yield* tried(bench, { client }, (world) =>
      Effect.gen(function*() {
        yield* world.evaluate(success())
        yield* world.evaluate(failure())
        const fiber = world.fork(world.evaluation({ ...success(), flagKey: "given-up", wait: Deferred.await(gate) }))
        yield* Effect.yieldNow
        yield* world.run("the interruption of an evaluation", Fiber.interrupt(fiber))
      }))
    yield* Deferred.succeed(gate, undefined)
    return yield* settled(() => [
      ...lost(before),
      ...world.fibers > 0 ? [`${world.fibers} fibers of Effect`] : []
    ])
  })

/** Looks twice, since other code of the process can hold resources for a while. */
export const leaks: Judge = (bench) =>
  Effect.gen(function*() {
    const evidence: Array<string> = []
    for (const client of clients) {
      let found = yield* used(bench, client)
      if (found.length > 0) found = yield* used(bench, client)
      evidence.push(...found.map((what) => `left after closing, with ${client}: ${what}`))
    }
    return evidence
  })
