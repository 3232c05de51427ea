import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FeatureHook from "../../../../FeatureHook.ts"
import { type Bench, type Judge, tried } from "../bench.ts"
import { failure, late, success } from "../requests.ts"
import type { Request } from "../lab.ts"
import { type Client, clients, type Hook, type Hung, type Outcome, type World } from "../world.ts"

interface Scenario {
  readonly name: string
  readonly outer?: ReadonlyArray<Hook>
  readonly inner?: ReadonlyArray<Hook>
  readonly run: (world: World) => Effect.Effect<unknown, Hung>
}

const fails = () => Effect.fail("on purpose")
const failingBefore = FeatureHook.make("contract failing before", { before: fails })
const failingAfter = FeatureHook.make("contract failing after", { after: fails })

const evaluating = (request: () => Request) => (world: World): Effect.Effect<Outcome, Hung> => world.evaluate(request())

/** Interrupts an evaluation while its provider is asked. */
const interrupting = (world: World): Effect.Effect<void, Hung> =>
  Effect.gen(function*() {
    const gate = Deferred.makeUnsafe<void>()
    const fiber = world.fork(world.evaluation({ ...success(), wait: Deferred.await(gate) }))
    yield* Effect.yieldNow
    yield* world.run("the interruption of an evaluation", Fiber.interrupt(fiber))
    yield* Deferred.succeed(gate, undefined)
  })

const skipped = "where an earlier hook failed, so its before never ran"

const scenarios: ReadonlyArray<Scenario> = [
  { name: "that succeeds", run: evaluating(success) },
  { name: "that succeeds later", run: evaluating(() => late(success())) },
  { name: "that fails", run: evaluating(failure) },
  { name: skipped, outer: [failingBefore], run: evaluating(success) },
  { name: "where a later hook failed before", inner: [failingBefore], run: evaluating(success) },
  { name: "where an inner hook failed after", inner: [failingAfter], run: evaluating(success) },
  { name: "where an outer hook failed after", outer: [failingAfter], run: evaluating(success) },
  { name: "that is interrupted", run: interrupting }
]

const gauges = ({ sink }: World): ReadonlyMap<string, number> =>
  new Map(
    sink.metrics.flatMap(({ attributes, id, state, type }) =>
      type === "Gauge" && "value" in state ? [[`${id} ${JSON.stringify(attributes ?? {})}`, Number(state.value)]] : []
    )
  )

/** A gauge that moves on with each evaluation counts what is never closed, or closes what was never opened. */
const drifting = (rounds: ReadonlyArray<ReadonlyMap<string, number>>): ReadonlyArray<string> =>
  Array.from(rounds.at(-1)?.keys() ?? []).flatMap((gauge) => {
    const values = rounds.map((round) => round.get(gauge) ?? 0)
    const steps = values.slice(1).map((value, index) => Math.sign(value - (values[index] ?? 0)))
    return steps.every((step) => step === 1) || steps.every((step) => step === -1)
      ? [`gauge ${gauge} is at ${values.join(", then ")}`]
      : []
  })

const judged = (bench: Bench, client: Client, scenario: Scenario): Effect.Effect<ReadonlyArray<string>, Hung> =>
  Effect.gen(function*() {
    const [{ opened, rounds }, world] = yield* tried(bench, { client, ...scenario }, (world) =>
      Effect.gen(function*() {
        const opened = bench.balance?.() ?? 0
        const rounds: Array<ReadonlyMap<string, number>> = []
        for (let round = 0; round < 3; round++) {
          yield* scenario.run(world)
          rounds.push(gauges(world))
        }
        return { opened, rounds }
      }))
    const left = (bench.balance?.() ?? 0) - opened
    const late = world.failures.filter(({ stage }) => stage === "error" || stage === "finally")
    return [
      ...left === 0 ? [] : [`the balance has changed by ${left}`],
      ...drifting(rounds),
      ...Array.from(world.sink.openSpans, ({ name }) => `span "${name}" did not end`),
      ...scenario.name === skipped ? late.map(({ stage }) => `its ${stage} failed`) : []
    ].map((what) => `three evaluations ${scenario.name}, with ${client}: ${what}`)
  })

export const pairing: Judge = (bench) =>
  Effect.gen(function*() {
    const evidence: Array<string> = []
    for (const client of clients) {
      for (const scenario of scenarios) evidence.push(...yield* judged(bench, client, scenario))
    }
    return evidence
  })
