import * as Effect from "effect/Effect"
import { type Bench, type Judge, tried } from "../bench.ts"
import { type Named, requests } from "../requests.ts"
import { textOf } from "../text.ts"
import type { Request } from "../lab.ts"
import { type Client, clients, type Hung, type Outcome, withWorld } from "../world.ts"

const without = ({ lab }: Bench, client: Client, requests: ReadonlyArray<Request>) =>
  withWorld(lab, { client, make: Effect.undefined }, (world) => Effect.forEach(requests, world.evaluate))

/** What a hook changes, given what it may change. */
export const changes = (
  { mayContribute, mayReject }: Pick<Bench, "mayContribute" | "mayReject">,
  plain: Outcome,
  hooked: Outcome
): ReadonlyArray<string> => {
  const isRejected = mayReject && hooked.details?.errorCode !== undefined
  const compared: ReadonlyArray<readonly [name: string, plain: unknown, hooked: unknown, isFree: boolean]> = [
    ["the evaluation details", plain.details, hooked.details, isRejected],
    ["the evaluation context", plain.context, hooked.context, isRejected || mayContribute.includes("context")],
    ["the hints", plain.hints, hooked.hints, isRejected || mayContribute.includes("hints")]
  ]
  return compared.flatMap(([name, plain, hooked, isFree]) => {
    const [from, to] = [textOf(plain), textOf(hooked)]
    return isFree || from === to ? [] : [`${name}: ${from} became ${to}`]
  })
}

/** Evaluates with and without the hook, and compares. */
const compared = (
  bench: Bench,
  client: Client,
  requests: () => ReadonlyArray<Named>
): Effect.Effect<ReadonlyArray<string>, Hung> =>
  Effect.gen(function*() {
    const [plain] = yield* without(bench, client, requests())
    const [hooked] = yield* tried(bench, { client }, (world) => Effect.forEach(requests(), world.evaluate))
    return requests().flatMap(({ kind }, index) => {
      const [before, after] = [plain[index], hooked[index]]
      if (before === undefined || after === undefined) return []
      return changes(bench, before, after).map((change) => `${kind}, with ${client}: ${change}`)
    })
  })

export const transparency: Judge = (bench) =>
  Effect.map(Effect.forEach(clients, (client) => compared(bench, client, requests)), (found) => found.flat())
