/**
 * Runs rounds, each in a fresh process.
 *
 * V8 compiles the same program a bit differently each time, so two processes
 * differ by more than two halves of one process do. And a case gives the same
 * alone as among others: it does not see what another one has compiled or registered.
 */
import { build } from "esbuild"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import type { Measured } from "./measure.ts"

export interface Round {
  readonly times: Measured
  readonly bytes: Measured
}

const program = fileURLToPath(new URL("../../.cache/bench/round.mjs", import.meta.url))

// A loader that compiles TypeScript would take longer to start than a round, and
// would stand between Node and the package that is measured.
export const compile = (): Promise<unknown> =>
  build({
    entryPoints: [fileURLToPath(new URL("round.ts", import.meta.url))],
    outfile: program,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "es2022",
    // Without the paths of tsconfig.json, which lead to the sources instead of the built package.
    tsconfigRaw: {}
  })

const isRound = (value: unknown): value is Round =>
  typeof value === "object" && value !== null && "times" in value && "bytes" in value

export const round = async (name: string, batches: number, tellsBytes: boolean): Promise<Round> => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [program, name, String(batches), String(tellsBytes)],
    { maxBuffer: 64 * 1024 * 1024 }
  )
  const result: unknown = JSON.parse(stdout)
  if (!isRound(result)) throw new Error(`${name} gave no figures`)
  return result
}
