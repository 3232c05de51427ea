import * as Effect from "effect/Effect"
import { type Bench, type Judge, tried } from "../bench.ts"
import { usedHeap } from "../process.ts"
import { success } from "../requests.ts"
import type { Hung, World } from "../world.ts"

/** An entry of a table with a text as its key takes several times as much. */
const bytesPerEvaluation = 16

/** The heap is not the same after two collections of garbage. In bytes. */
const noise = 256 * 1024

/** A few kilobytes of compiled code look like an entry per evaluation when there are few evaluations. */
const enough = 10_000

/** The evaluations that have to end within the timeout. */
const chunk = 100

/** No two evaluations have the same flag or the same subject. */
const evaluate = (world: World, from: number, to: number): Effect.Effect<void, Hung> =>
  Effect.gen(function*() {
    for (let start = from; start < to; start += chunk) {
      let next = start
      const end = Math.min(start + chunk, to)
      yield* world.run(
        "many evaluations",
        Effect.whileLoop({
          while: () => next < end,
          body: () => {
            const id = `${(next * 7919).toString(36)}-${next++}`
            const context = { targetingKey: `user-${id}`, session: `session-${id}` }
            return world.evaluation({ ...success(), flagKey: `flag-${id}`, context })
          },
          step: () => {}
        })
      )
    }
  })

const measured = ({ size }: Bench): Effect.Effect<number | undefined> =>
  size === undefined ? usedHeap : Effect.sync(size)

/** The most by which the measure may grow over a number of evaluations. */
const allowed = ({ size }: Bench, evaluations: number): number =>
  size === undefined ? evaluations * bytesPerEvaluation + noise : evaluations / 100

export const memory: Judge = (bench) =>
  Effect.gen(function*() {
    const half = Math.ceil(bench.evaluations / 2)
    const most = Math.max(2 * half, enough)
    let growth = 0
    let isBounded = false
    const [isMeasured] = yield* tried(bench, { client: "a client of the SDK", isKept: false }, (world) =>
      Effect.gen(function*() {
        // Caches fill and code is compiled in the first half.
        yield* evaluate(world, 0, half)
        // Another look only where the last one found something: others use the same heap. Each look doubles the
        // number of keys, since a table grows by doubling and then not for a while.
        for (let from = half; from <= most && !isBounded; from *= 2) {
          const before = yield* measured(bench)
          yield* evaluate(world, from, 2 * from)
          const after = yield* measured(bench)
          if (before === undefined || after === undefined) {
            return false
          }
          isBounded = after - before <= allowed(bench, from)
          growth = (after - before) / from
        }
        return true
      }))
    if (!isMeasured) {
      return ["cannot be measured here: give the option size, or allow it"]
    }
    if (isBounded) {
      return []
    }
    const unit = bench.size === undefined ? "bytes" : "entries"
    return [`each evaluation with another key keeps ${growth.toFixed(1)} ${unit}`]
  })
