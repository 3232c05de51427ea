import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { isDeepStrictEqual } from "node:util"
import { type Observation, predict } from "./model.ts"
import { generate, type GenerateOptions, type Level, type Program, type Slot, type Style } from "./program.ts"
import { makeRunner, type Runner } from "./run.ts"

// A run can be repeated with the seed that a failure names: SEED=… COUNT=1.
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
const count = (programs: number): number => Number(process.env["COUNT"] ?? programs)

const everywhere = (...styles: readonly [Style, ...ReadonlyArray<Style>]): GenerateOptions["styles"] => ({
  api: styles,
  client: styles,
  invocation: styles,
  provider: styles
})

// Hooks of the plain SDK can be at the levels that the SDK alone knows.
const forFeatureFlags: GenerateOptions["styles"] = {
  ...everywhere("plain", "effect", "converted"),
  client: ["effect", "converted"],
  invocation: ["effect", "converted"]
}

const forEachProgram = (
  programs: number,
  options: GenerateOptions,
  check: (runner: Runner, program: Program) => Promise<void>
) =>
  Effect.scoped(Effect.gen(function*() {
    const runner = yield* makeRunner
    for (let i = 0; i < count(programs); i++) {
      const program = generate(seed + i, options)
      yield* Effect.promise(() =>
        check(runner, program).catch((error: unknown) => {
          throw new Error(`SEED=${seed + i}: ${JSON.stringify(program)}`, { cause: error })
        })
      )
    }
  }))

const assertSame = (actual: Observation, expected: Observation): void => {
  if (isDeepStrictEqual(actual, expected)) return
  assert.deepStrictEqual(
    actual.trace.map((entry) => `${entry.hook}.${entry.stage}`),
    expected.trace.map((entry) => `${entry.hook}.${entry.stage}`)
  )
  assert.deepStrictEqual(actual, expected)
}

const mapSlots = (program: Program, f: (slots: ReadonlyArray<Slot>) => ReadonlyArray<Slot>): Program => {
  const of = (level: Level) => f(program.slots[level])
  return {
    ...program,
    slots: { api: of("api"), client: of("client"), invocation: of("invocation"), provider: of("provider") }
  }
}

const once = (slots: ReadonlyArray<Slot>): ReadonlyArray<Slot> => slots.map((slot) => ({ ...slot, twice: false }))

const separate = (slots: ReadonlyArray<Slot>): ReadonlyArray<Slot> =>
  once(slots).flatMap((slot) => slot.hooks.map((hook) => ({ hooks: [hook], twice: false })))

const fused = (slots: ReadonlyArray<Slot>): ReadonlyArray<Slot> =>
  slots.length === 0 ? [] : [{ hooks: slots.flatMap((slot) => slot.hooks), twice: false }]

const inStyle = (style: Style) => (slots: ReadonlyArray<Slot>): ReadonlyArray<Slot> =>
  separate(slots).map((slot) => ({ ...slot, hooks: slot.hooks.map((hook) => ({ ...hook, style })) }))

it.effect(
  "does with 20,000 programs of hooks on a client of the SDK what the model says",
  () =>
    forEachProgram(
      20_000,
      { styles: everywhere("plain", "effect", "converted"), wrongTypes: true },
      (runner, program) => runner.plain(program).then((actual) => assertSame(actual, predict(program, false)))
    ),
  120_000
)

it.effect(
  "does with 6,000 programs of hooks through FeatureFlags what the model says",
  () =>
    forEachProgram(
      6000,
      { styles: forFeatureFlags, wrongTypes: true },
      (runner, program) => runner.featureFlags(program).then((actual) => assertSame(actual, predict(program, true)))
    ),
  120_000
)

it.effect(
  "does the same with hooks that are fused into one as with hooks that are registered one by one",
  () =>
    forEachProgram(3000, { styles: everywhere("effect", "converted"), wrongTypes: false }, async (runner, program) => {
      const oneByOne = await runner.plain(mapSlots(program, separate))
      assertSame(await runner.plain(mapSlots(program, (slots) => fused(once(slots)))), oneByOne)
    }),
  120_000
)

// What an Effect hook fails with is not what a plain hook throws: its message stays with the operator.
const withoutMessages = (observation: Observation): Observation => ({
  ...observation,
  trace: observation.trace.map((entry) => ({
    ...entry,
    error: entry.error && { ...entry.error, message: "" },
    details: entry.details && { ...entry.details, errorMessage: undefined }
  })),
  details: { ...observation.details, errorMessage: undefined },
  failures: []
})

it.effect(
  "does the same with plain hooks as with those that were turned into Effect hooks and bridged back",
  () =>
    forEachProgram(3000, { styles: everywhere("plain"), wrongTypes: false }, async (runner, program) => {
      const plain = await runner.plain(mapSlots(program, once))
      for (const change of [separate, (slots: ReadonlyArray<Slot>) => fused(separate(slots))]) {
        const bridged = await runner.plain(mapSlots(program, (slots) => change(inStyle("converted")(slots))))
        assertSame(withoutMessages(bridged), withoutMessages(plain))
      }
    }),
  120_000
)
