/**
 * One round of one case. `bench.ts` starts it in a process of its own and reads
 * the measured batches from its output.
 */
import { cases } from "./cases.ts"
import * as Curve from "./curve.ts"
import { Warm } from "./measure.ts"
import type { Round } from "./run.ts"

const [name, batches, tellsBytes] = process.argv.slice(2)

const measured = async (): Promise<Round> => {
  if (name === "curve") {
    return { times: await (await Warm.make(await Curve.variants())).times(Curve.batches), bytes: {} }
  }
  const it = cases.find((it) => it.name === name)
  if (it === undefined) throw new Error(`there is no case ${name}`)
  const warm = await Warm.make(await it.variants())
  if (it.compares === "bytes") return { times: {}, bytes: await warm.bytes() }
  return {
    times: await warm.times(it.batches ?? Number(batches)),
    bytes: it.tellsBytes && tellsBytes === "true" ? await warm.bytes() : {}
  }
}

process.stdout.write(JSON.stringify(await measured()))
