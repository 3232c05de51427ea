/** Runs many random programs, and says which one went wrong. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { isDeepStrictEqual } from "node:util"
import { scale } from "../support.ts"
import { generate, type GenerateOptions } from "./generate.ts"
import type { Observation } from "./model.ts"
import type { Program, Style } from "./program.ts"
import { makeRunner, type Runner } from "./run.ts"
import { shrink } from "./shrink.ts"

// A run can be repeated with the seed that a failure names: SEED=… COUNT=1.
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
const count = (programs: number): number => Number(process.env["COUNT"] ?? Math.ceil(programs * scale))

export const everywhere = (...styles: ReadonlyArray<Style>): GenerateOptions["styles"] => ({
  api: styles,
  client: styles,
  invocation: styles,
  provider: styles
})

/** Fails where an evaluation hangs: the seed must be told. */
const ending = async <A>(promise: Promise<A>): Promise<A> => {
  let timer: NodeJS.Timeout | undefined = undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the evaluation does not end")), 5000)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

export const forEachProgram = (
  programs: number,
  options: GenerateOptions,
  check: (runner: Runner, program: Program) => Promise<void>
) =>
  Effect.scoped(Effect.gen(function*() {
    const runner = yield* makeRunner
    const attempt = (program: Program) =>
      ending(check(runner, program)).then(() => undefined, (cause: unknown) => ({ cause }))
    yield* Effect.promise(async () => {
      for (let i = 0; i < count(programs); i++) {
        const program = generate(seed + i, options)
        const failure = await attempt(program)
        if (failure === undefined) continue
        const smaller = await shrink(program, async (program) => await attempt(program) !== undefined)
        const { cause } = await attempt(smaller) ?? failure
        throw new Error(`SEED=${seed + i}, made smaller: ${JSON.stringify(smaller)}`, { cause })
      }
    })
  }))

export const assertSame = (actual: Observation, expected: Observation): void => {
  if (isDeepStrictEqual(actual, expected)) return
  assert.deepStrictEqual(
    actual.trace.map((entry) => `${entry.hook}.${entry.stage}`),
    expected.trace.map((entry) => `${entry.hook}.${entry.stage}`)
  )
  assert.deepStrictEqual(actual, expected)
}
