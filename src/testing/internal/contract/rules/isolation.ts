import * as Effect from "effect/Effect"
import * as HookHints from "../../../../HookHints.ts"
import { type Bench, type Judge, tried } from "../bench.ts"
import { late, success } from "../requests.ts"
import { difference, masked, textOf } from "../text.ts"
import type { Request } from "../lab.ts"
import { type Client, clients, type Hung } from "../world.ts"

/** Texts without digits, which comparing leaves out. */
const requestOf = (name: string, turns: number): Request =>
  late({
    flagKey: `flag-of-${name}`,
    defaultValue: `default-of-${name}`,
    context: { targetingKey: name, plan: `plan-of-${name}`, nested: { of: name } },
    hints: HookHints.fromRecord({ of: name }),
    answer: () => {
      if (name === "carol") throw new Error(`error-of-${name}`)
      return { value: `value-of-${name}`, variant: `variant-of-${name}`, reason: "STATIC" }
    }
  }, turns)

// The first to start is the last to end, the second starts and ends in between.
const all = () => [requestOf("alice", 9), requestOf("bob", 3), requestOf("carol", 6), success()]

const observed = (
  bench: Bench,
  client: Client,
  concurrency: 1 | "unbounded"
): Effect.Effect<ReadonlyArray<string>, Hung> =>
  Effect.map(
    tried(bench, { client }, (world) => {
      const one = (request: Request) =>
        Effect.map(world.evaluation(request), (outcome) => `${request.flagKey}: ${masked(textOf(outcome))}`)
      return world.run("evaluating concurrently", Effect.forEach(all(), one, { concurrency }))
    }),
    ([outcomes, { sink }]) => [
      ...outcomes,
      ...sink.comparable()
    ]
  )

/** Evaluations at the same time do what they do one after the other. */
export const isolation: Judge = (bench) =>
  Effect.map(
    Effect.forEach(clients, (client) =>
      Effect.map(
        Effect.all([observed(bench, client, 1), observed(bench, client, "unbounded")]),
        ([alone, together]) =>
          difference(alone, together).map((text) => `concurrent evaluations with ${client}: ${text}`)
      )),
    (found) => found.flat()
  )
