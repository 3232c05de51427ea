/**
 * How long imports take, each in a fresh process.
 */
import { execFileSync } from "node:child_process"
import type { Comparison } from "./comparisons.ts"
import type { Batch } from "./measure.ts"

// The process tells the time itself, without that of its start.
const importing = (specifiers: ReadonlyArray<string>): Batch => {
  const script = [
    "const start = process.hrtime.bigint()",
    ...specifiers.map((specifier) => `await import(${JSON.stringify(specifier)})`),
    "console.log(Number(process.hrtime.bigint() - start))"
  ].join("\n")
  const nanos = () =>
    Number(execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" }))
  return (count) => {
    let sum = 0
    for (let i = 0; i < count; i++) sum += nanos()
    return Promise.resolve(sum)
  }
}

const alone = ["effect", "@openfeature/server-sdk"]

export const imports: Comparison = {
  variants: () => Promise.resolve({ reference: importing(alone), ours: importing([...alone, "effect-openfeature"]) }),
  ratio: (median) => median("ours") / median("reference"),
  compares: "times",
  tellsBytes: false
}
