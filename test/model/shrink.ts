/** Makes a program that fails smaller, as long as it still fails. */
import { type HookSpec, type Level, type Program, type Slot, type Stage, stages } from "./program.ts"

const without = <A>(items: ReadonlyArray<A>, index: number): ReadonlyArray<A> => items.filter((_, i) => i !== index)

/** A list with one item less, or with one item that is smaller. */
const smallerLists = <A>(items: ReadonlyArray<A>, smaller: (item: A) => ReadonlyArray<A>): Array<ReadonlyArray<A>> => [
  ...items.map((_, index) => without(items, index)),
  ...items.flatMap((item, index) => smaller(item).map((other) => items.map((same, i) => i === index ? other : same)))
]

const smallerSteps = (hook: HookSpec, stage: Stage): ReadonlyArray<HookSpec> => {
  const { [stage]: step, ...steps } = hook.steps
  // Nothing else would close the scope of a stage that hangs.
  if (step === undefined || step.act._tag === "hang") return []
  const others = Object.keys(steps).length === 0 ? [] : [{ ...hook, steps }]
  const simple = { act: { _tag: "nothing" }, way: "now" } as const
  return [
    ...others,
    ...step.act._tag === "nothing" ? [] : [{ ...hook, steps: { ...steps, [stage]: { ...step, act: simple.act } } }],
    ...step.way === "now" ? [] : [{ ...hook, steps: { ...steps, [stage]: { ...step, way: simple.way } } }]
  ]
}

const smallerHooks = (hook: HookSpec): ReadonlyArray<HookSpec> => [
  ...smallerLists(hook.changes, () => []).map((changes) => ({ ...hook, changes })),
  ...stages.flatMap((stage) => smallerSteps(hook, stage)),
  ...hook.memory === "hookData" ? [] : [{ ...hook, memory: "hookData" as const }]
]

const hangs = (slot: Slot): boolean =>
  slot.hooks.some(({ steps }) => Object.values(steps).some(({ act }) => act._tag === "hang"))

const smallerSlots = (slot: Slot): ReadonlyArray<Slot> =>
  [
    ...smallerLists(slot.hooks, smallerHooks).filter((hooks) => hooks.length > 0).map((hooks) => ({ ...slot, hooks })),
    ...slot.twice ? [{ ...slot, twice: false }] : [],
    ...slot.form === "same" ? [] : [{ ...slot, form: "same" as const }],
    ...slot.isAgain && slot.form === "same" ? [{ ...slot, isAgain: false }] : [],
    ...slot.scope === undefined || hangs(slot) ? [] : [{ ...slot, scope: undefined }]
  ].filter((smaller) => smaller.scope !== undefined || !hangs(smaller))

const smallerPrograms = (program: Program): ReadonlyArray<Program> => {
  const { contexts, slots } = program
  const none = { api: {}, client: {}, invocation: {} }
  const at = (level: Level): ReadonlyArray<Program> =>
    smallerLists(slots[level], smallerSlots).map((other) => ({ ...program, slots: { ...slots, [level]: other } }))
  return [
    ...at("api"),
    ...at("client"),
    ...at("invocation"),
    ...at("provider"),
    ...JSON.stringify(contexts) === JSON.stringify(none) ? [] : [{ ...program, contexts: none }],
    ...program.replacedBy === undefined ? [] : [{ ...program, replacedBy: undefined }],
    ...program.isAsync ? [{ ...program, isAsync: false }] : []
  ]
}

export const shrink = async (program: Program, fails: (program: Program) => Promise<boolean>): Promise<Program> => {
  for (const smaller of smallerPrograms(program)) {
    if (await fails(smaller)) return shrink(smaller, fails)
  }
  return program
}
