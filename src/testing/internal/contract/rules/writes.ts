import * as Effect from "effect/Effect"
import { clone, snapshot } from "../../../../EvaluationContext.ts"
import * as HookHints from "../../../../HookHints.ts"
import { type Bench, type Judge, tried } from "../bench.ts"
import { textOf } from "../text.ts"
import type { Request } from "../lab.ts"
import { type Client, clients, type Hung, type World } from "../world.ts"

/** What a hook gets to see, with values that it could write to. */
const given = () => ({
  context: { targetingKey: "user", tags: ["a"], address: { city: "Bonn" } },
  defaultValue: { colors: ["red"], size: { width: 1 } },
  hints: { audit: { ids: ["a"] } },
  resolution: {
    value: { colors: ["blue"], size: { width: 2 } },
    variant: "blue",
    reason: "STATIC",
    flagMetadata: { owner: "team" }
  }
})

const requestOf = ({ context, defaultValue, hints, resolution }: ReturnType<typeof given>): Request => ({
  flagKey: "flag",
  defaultValue,
  context,
  hints: HookHints.fromRecord(hints),
  answer: () => resolution
})

// The engine throws a TypeError with one of these where code in strict mode writes to a frozen object.
const refusal = /read.only|not extensible|Cannot (add|delete|redefine) property/

/** The writes to frozen values that the engine has refused. */
const refused = ({ failures }: World): ReadonlyArray<string> =>
  failures.flatMap(({ cause, stage }) =>
    cause.reasons.flatMap((reason) => {
      const thrown: unknown = reason._tag === "Die" ? reason.defect : reason._tag === "Fail" ? reason.error : undefined
      const errors = thrown instanceof Error ? [thrown, thrown.cause] : [thrown]
      const found = errors.find((error) => error instanceof TypeError && refusal.test(error.message))
      return found instanceof Error ? [`its ${stage} stage failed: ${found.message}`] : []
    })
  )

const judged = (bench: Bench, client: Client): Effect.Effect<ReadonlyArray<string>, Hung> =>
  Effect.gen(function*() {
    const values = clone(given())
    const [free] = yield* tried(bench, { client }, (world) => world.evaluate(requestOf(values)))
    const written = Object.entries(given()).flatMap(([name, value]) => {
      const [from, to] = [textOf(value), textOf(Reflect.get(values, name))]
      return from === to ? [] : [`the ${name} ${from} became ${to}`]
    })
    const [frozen, world] = yield* tried(bench, { client }, (world) => world.evaluate(requestOf(snapshot(given()))))
    const refusals = refused(world)
    const isUnlike = refusals.length === 0 && written.length === 0 && textOf(free) !== textOf(frozen)
    return [
      ...written,
      ...refusals,
      ...isUnlike ? [`with frozen values ${textOf(free)} became ${textOf(frozen)}`] : []
    ].map((what) => `with ${client}: ${what}`)
  })

export const writes: Judge = (bench) =>
  Effect.map(Effect.forEach(clients, (client) => judged(bench, client)), (found) => found.flat())
