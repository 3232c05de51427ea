import * as Effect from "effect/Effect"
import { type Bench, type Judge, tried } from "../bench.ts"
import { usedHeap } from "../process.ts"
import { success } from "../requests.ts"
import type { Hung, World } from "../world.ts"

/** An entry of a table with a text as its key takes more, and what a collection of garbage leaves takes less. */
const bytesPerEvaluation = 16

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

export const memory: Judge = (bench) =>
  Effect.gen(function*() {
    const { evaluations, size } = bench
    const [allowed, unit] = size === undefined ? [bytesPerEvaluation, "bytes"] : [0.01, "entries"]
    const [growths] = yield* tried(bench, { client: "a client of the SDK", isKept: false }, (world) =>
      Effect.gen(function*() {
        // Caches fill and code is compiled in the first half.
        yield* evaluate(world, 0, evaluations / 2)
        const growths: Array<number | undefined> = []
        for (let round = 1; round <= 2; round++) {
          const before = yield* measured(bench)
          yield* evaluate(world, evaluations / 2 * round, evaluations / 2 * (round + 1))
          const after = yield* measured(bench)
          const growth = before === undefined || after === undefined ? undefined : (after - before) / (evaluations / 2)
          growths.push(growth)
          // A second look only where the first found something: others use the same heap.
          if (growth !== undefined && growth <= allowed) {
            break
          }
        }
        return growths
      }))
    if (growths.includes(undefined)) {
      return ["cannot be measured here: give the option size, or allow it"]
    }
    return growths.every((growth) =>
        growth !== undefined && growth > allowed
      )
      ? [
        `each evaluation with another key keeps ${
          growths.map((growth) => growth?.toFixed(1)).join(", then ")
        } ${unit}`
      ]
      : []
  })
