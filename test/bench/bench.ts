/**
 * `npm run bench`: measures every case, prints a table and writes
 * bench-results.json. `npm run bench -- --case hooks-10` measures one;
 * `--rounds 60` and `--batches 200` make it longer.
 */
import { writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { parseArgs } from "node:util"
import { cases, type Result as Figure } from "./cases.ts"
import * as Clients from "./clients.ts"
import { allocated, measure, summarize } from "./measure.ts"

const { values } = parseArgs({
  options: {
    case: { type: "string" },
    rounds: { type: "string", default: "30" },
    batches: { type: "string", default: "100" }
  }
})
const options = { rounds: Number(values.rounds), batches: Number(values.batches) }

interface Result {
  readonly name: string
  readonly title: string
  readonly ratio: number
  readonly low: number
  readonly high: number
  readonly floor: number | undefined
  readonly target: number
  readonly met: boolean
}

const number = (value: number): string => value.toFixed(2)
const results: Array<Result> = []

const report = (name: string, title: string, target: number, figure: Figure) => {
  const ratio = figure.median
  const { floor, high, low } = figure
  const result = { name, title, ratio, low, high, floor, target, met: ratio <= target }
  results.push(result)
  console.log(
    `${name.padEnd(14)} ${number(ratio).padStart(6)}  (${number(result.low)} to ${number(result.high)})`.padEnd(42) +
      (floor === undefined ? "" : `floor ${number(floor)}`).padEnd(12) +
      `target ${number(target)}  ${result.met ? "met" : "MISSED"}  ${title}`
  )
}

const isAsked = (name: string): boolean => values.case === undefined || values.case === name

console.log(
  `Node ${process.version}, ${cpus()[0]?.model ?? "unknown"}; median of ${options.rounds} rounds (middle half)\n`
)
for (const { name, run, target, title } of cases) {
  if (isAsked(name)) report(name, title, target, await run(options))
}

if (isAsked("bytes-10")) {
  const none = await allocated(Clients.evaluating(await Clients.client([])))
  const reference = await allocated(
    Clients.evaluating(await Clients.client(Clients.times(10, Clients.handwritten)))
  )
  const ours = await allocated(
    Clients.evaluating(await Clients.client(Clients.bridged(Clients.times(10, Clients.effect))))
  )
  const median = (ours - none) / (reference - none)
  report("bytes-10", "allocated bytes added: 10 Effect hooks / 10 hand-written ones", 0.7, {
    median,
    low: median,
    high: median
  })
}

/** Cost against the number of hooks, for the plot. */
const curve: Array<{ readonly hooks: number; readonly [kind: string]: number }> = []
if (values.case === undefined) {
  for (const hooks of [0, 1, 2, 5, 10, 20, 50]) {
    const rounds = await measure({
      "hand-written, synchronous": Clients.evaluating(
        await Clients.client(Clients.times(hooks, Clients.handwrittenSync))
      ),
      "hand-written, async": Clients.evaluating(await Clients.client(Clients.times(hooks, Clients.handwritten))),
      "Effect.runPromise per stage": Clients.evaluating(await Clients.client(Clients.times(hooks, Clients.naive))),
      "effect-openfeature": Clients.evaluating(
        await Clients.client(hooks === 0 ? [] : Clients.bridged(Clients.times(hooks, Clients.effect)))
      )
    }, { rounds: 15, batches: 20 })
    const median = (name: keyof typeof rounds[number]): number => summarize(rounds, (round) => round[name]).median
    curve.push({
      hooks,
      "hand-written, synchronous": median("hand-written, synchronous"),
      "hand-written, async": median("hand-written, async"),
      "Effect.runPromise per stage": median("Effect.runPromise per stage"),
      "effect-openfeature": median("effect-openfeature")
    })
  }
  writeFileSync(
    new URL("../../bench-results.json", import.meta.url),
    `${JSON.stringify({ node: process.version, cpu: cpus()[0]?.model, options, results, curve }, undefined, 2)}\n`
  )
}

const missed = results.filter(({ met }) => !met)
console.log(`\n${results.length - missed.length} of ${results.length} targets met`)
if (missed.length > 0) console.log(`missed: ${missed.map(({ name }) => name).join(", ")}`)
if (Clients.work.done === 0 && values.case === undefined) throw new Error("no hook has run")
