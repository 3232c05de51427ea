/**
 * One round of one case. `bench.ts` starts it in a process of its own and reads
 * the measured batches from its output.
 */
import { cases } from "./cases.ts"
import * as Curve from "./curve.ts"
import { Warm } from "./measure.ts"
import type { Round } from "./run.ts"

const [name, asked] = process.argv.slice(2)
const batches = Number(asked)

const measured = async (): Promise<Round> => {
  if (name === "curve") return { times: await (await Warm.make(await Curve.variants())).times(batches), bytes: {} }
  const it = cases.find((it) => it.name === name)
  if (it === undefined) throw new Error(`there is no case ${name}`)
  const warm = await Warm.make(await it.variants())
  return {
    times: await warm.times(Math.min(batches, it.batches ?? batches)),
    bytes: it.compares === "bytes" || it.tellsBytes ? await warm.bytes(30) : {}
  }
}

process.stdout.write(JSON.stringify(await measured()))
