/**
 * The memory of every hook over a million evaluations with ever new keys:
 * `npm run soak:contract`, with the number of evaluations as an argument.
 */
import * as SDK from "@openfeature/server-sdk"
import { HookContract } from "effect-openfeature/testing"
import { kept } from "../testing/contract/kept.ts"

const evaluations = Number(process.argv[2] ?? 1_000_000)
const memory = HookContract.rules.find(({ name }) => name === "memory")
if (memory === undefined) throw new Error("the rule is not there")

SDK.OpenFeature.setLogger({ error: () => {}, warn: () => {}, info: () => {}, debug: () => {} })

for (const [name, make, options] of kept) {
  const reason = options?.allow?.memory
  const started = performance.now()
  const found = await memory.check(make, { ...options, evaluations }).then(() => "bounded", (error) => error.message)
  console.log(`${name}: ${reason ?? found} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
  if (reason === undefined && found !== "bounded") process.exitCode = 1
}
