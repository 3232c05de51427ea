/**
 * `npm run bench`: measures every case, prints a table and writes
 * bench-results.json. `npm run bench -- --case hooks-1,hooks-10` measures some;
 * `--rounds 10` and `--batches 300` make it longer.
 */
import { writeFileSync } from "node:fs"
import { cpus, loadavg } from "node:os"
import { parseArgs } from "node:util"
import { type Case, cases } from "./cases.ts"
import { pointsOf } from "./curve.ts"
import type { Measured } from "./measure.ts"
import { compile, type Round, round } from "./run.ts"
import { added, type Quartiles, Samples } from "./samples.ts"

const { values } = parseArgs({
  options: {
    case: { type: "string" },
    rounds: { type: "string", default: "5" },
    batches: { type: "string", default: "200" }
  }
})
const options = { rounds: Number(values.rounds), batches: Number(values.batches) }
const names = [...cases.map(({ name }) => name), "curve"]
const asked = values.case?.split(",") ?? names
const unknown = asked.filter((name) => !names.includes(name))
if (unknown.length > 0) throw new Error(`there is no case ${unknown.join(", ")}, only ${names.join(", ")}`)

interface Result {
  readonly name: string
  readonly title: string
  readonly ratio: number
  readonly low: number
  readonly high: number
  readonly floor: number | undefined
  readonly target: number
  readonly met: boolean
  /** Bytes per evaluation, without those of one that has no hooks where added times are compared. */
  readonly bytes: { readonly ours: number; readonly reference: number } | undefined
  /** Nanoseconds per evaluation, over all batches. */
  readonly times: Readonly<Record<string, Quartiles>>
}

// Only the first round of a case tells bytes beside times.
const isMeasured = (round: Measured): boolean => Object.keys(round).length > 0

const resultOf = (it: Case, rounds: ReadonlyArray<Round>): Result => {
  const times = new Samples(rounds.map((round) => added(round.times)))
  const bytes = new Samples(rounds.map((round) => added(round.bytes)).filter(isMeasured))
  const { high, low, median } = (it.compares === "times" ? times : bytes).figure(it.ratio)
  const bytesOf = (variant: string): number => Math.round(bytes.of(variant).median)
  return {
    name: it.name,
    title: it.title,
    ratio: median,
    low,
    high,
    floor: it.floor === undefined ? undefined : times.figure(it.floor).median,
    target: it.target,
    met: median <= it.target,
    bytes: bytes.variants.length === 0 ? undefined : { ours: bytesOf("ours"), reference: bytesOf("reference") },
    times: new Samples(rounds.map((round) => round.times)).all
  }
}

const row = (columns: ReadonlyArray<string>): void => {
  const widths = [-16, 6, 14, 7, 8, -8, 19]
  console.log(
    columns.map((text, index) => {
      const width = widths[index] ?? 0
      return width < 0 ? text.padEnd(-width) : text.padStart(width)
    }).join("  ")
  )
}

const figure = (value: number): string => value.toFixed(2)

const print = ({ bytes, floor, high, low, met, name, ratio, target, title }: Result): void =>
  row([
    name,
    figure(ratio),
    `${figure(low)} to ${figure(high)}`,
    floor === undefined ? "" : figure(floor),
    figure(target),
    met ? "met" : "MISSED",
    bytes === undefined ? "" : `${bytes.ours} / ${bytes.reference}`,
    title
  ])

const cpu = cpus()[0]?.model ?? "unknown"
const load = (): string => (loadavg()[0] ?? 0).toFixed(1)
console.log(
  `Node ${process.version}, ${cpu}; ${options.rounds} rounds of ${options.batches} batches; load ${load()} at the start`
)

await compile()
const measured = new Map<string, Array<Round>>(names.filter((name) => asked.includes(name)).map((name) => [name, []]))
const failed = new Set<string>()
// Round by round through all cases, so that a minute in which the machine is busy
// is a bad round of many cases and not the result of one.
for (let i = 0; i < options.rounds; i++) {
  for (const [name, rounds] of measured) {
    if (failed.has(name)) continue
    try {
      // What is allocated hardly differs from round to round, and takes long to measure.
      rounds.push(await round(name, options.batches, i === 0))
    } catch (cause) {
      failed.add(name)
      console.error(cause instanceof Error ? cause.message : cause)
    }
  }
}

console.log("")
row(["case", "ratio", "rounds' half", "floor", "target", "", "bytes", "ours / reference"])
const results: Array<Result> = []
for (const it of cases.filter(({ name }) => measured.has(name) && !failed.has(name))) {
  const result = resultOf(it, measured.get(it.name) ?? [])
  results.push(result)
  print(result)
}
const curve = failed.has("curve") || !measured.has("curve")
  ? []
  : pointsOf(new Samples((measured.get("curve") ?? []).map((round) => round.times)))
writeFileSync(
  new URL("../../bench-results.json", import.meta.url),
  `${JSON.stringify({ node: process.version, cpu, options, results, curve }, undefined, 2)}\n`
)

const missed = results.filter(({ met }) => !met).map(({ name }) => name)
console.log(`\n${results.length - missed.length} of ${results.length} targets met; load ${load()} at the end`)
if (missed.length > 0) console.log(`missed: ${missed.join(", ")}`)
if (failed.size > 0) {
  console.log(`failed: ${Array.from(failed).join(", ")}`)
  process.exitCode = 1
}
