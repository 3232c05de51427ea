import { it } from "@effect/vitest"
import type { Observation } from "./model.ts"
import type { HookSpec, Level, Program, Slot, Style } from "./program.ts"
import { assertSame, everywhere, forEachProgram } from "./programs.ts"

const mapSlots = (program: Program, f: (slots: ReadonlyArray<Slot>) => ReadonlyArray<Slot>): Program => {
  const of = (level: Level) => f(program.slots[level])
  return {
    ...program,
    slots: { api: of("api"), client: of("client"), invocation: of("invocation"), provider: of("provider") }
  }
}

const once = (slots: ReadonlyArray<Slot>): ReadonlyArray<Slot> => slots.map((slot) => ({ ...slot, twice: false }))

const bridging = (hooks: ReadonlyArray<HookSpec>): Slot => ({ hooks, twice: false, form: "same", isAgain: false })

const separate = (slots: ReadonlyArray<Slot>): ReadonlyArray<Slot> =>
  slots.flatMap((slot) => slot.hooks.map((hook) => bridging([hook])))

const fused = (slots: ReadonlyArray<Slot>): ReadonlyArray<Slot> =>
  slots.length === 0 ? [] : [bridging(slots.flatMap((slot) => slot.hooks))]

const inStyle = (style: Style) => (slots: ReadonlyArray<Slot>): ReadonlyArray<Slot> =>
  separate(slots).map((slot) => ({ ...slot, hooks: slot.hooks.map((hook) => ({ ...hook, style })) }))

it.effect(
  "does the same with hooks that are fused into one as with hooks that are registered one by one",
  () =>
    forEachProgram(3000, { styles: everywhere("effect", "converted") }, async (runner, program) => {
      const oneByOne = await runner.plain(mapSlots(program, separate))
      assertSame(await runner.plain(mapSlots(program, fused)), oneByOne)
    }),
  300_000
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
    forEachProgram(3000, { styles: everywhere("plain") }, async (runner, program) => {
      const plain = await runner.plain(mapSlots(program, once))
      for (const change of [separate, (slots: ReadonlyArray<Slot>) => fused(separate(slots))]) {
        const bridged = await runner.plain(mapSlots(program, (slots) => change(inStyle("converted")(slots))))
        assertSame(withoutMessages(bridged), withoutMessages(plain))
      }
    }),
  300_000
)
