/** Draws programs of hooks. A seed says which one. */
import type { Client } from "../clients.ts"
import { type Random, random } from "../support.ts"
import {
  type Act,
  type Change,
  type Form,
  hooksOf,
  type HookSpec,
  type Level,
  type Program,
  type Record_,
  type ScopeSpec,
  type Slot,
  type Stage,
  stages,
  type Step,
  type Style,
  type Way
} from "./program.ts"

export interface GenerateOptions {
  /** The styles there are at each level. */
  readonly styles: Readonly<Record<Level, ReadonlyArray<Style>>>
  /**
   * The client that the model predicts. For it there are also values of a wrong
   * type, wrappers, scopes that close, and providers that are replaced.
   */
  readonly client?: Client | undefined
}

const codes = [
  "FLAG_NOT_FOUND",
  "PARSE_ERROR",
  "TYPE_MISMATCH",
  "TARGETING_KEY_MISSING",
  "INVALID_CONTEXT",
  "GENERAL"
] as const

const providerCodes = ["PROVIDER_NOT_READY", "PROVIDER_FATAL"] as const

const record = (random: Random): Record_ => {
  const entries: Array<readonly [string, string | number]> = []
  for (let i = random.below(3); i >= 0; i--) {
    entries.push([random.oneOf(["a", "b", "c", "constructor", "toString", "targetingKey"]), `v${random.below(100)}`])
  }
  return Object.fromEntries(entries)
}

interface Draw {
  readonly random: Random
  readonly failing: number
  readonly isAsync: boolean
}

const failure = ({ random }: Draw, style: Style): Act => {
  const message = `m${random.below(1000)}`
  // The SDK passes on every code that a plain hook throws, and FeatureFlags only known ones.
  const isPlain = style === "plain"
  return random.oneOf<() => Act>([
    () => ({ _tag: "fail", code: random.oneOf(isPlain ? codes : [...codes, ...providerCodes]), message }),
    () => ({
      _tag: "failCode",
      code: random.oneOf<string>(isPlain ? codes : [...codes, ...providerCodes, "ENOENT"]),
      message
    }),
    () => ({ _tag: "failOther", message }),
    () => ({ _tag: "die", message })
  ])()
}

const act = (draw: Draw, stage: Stage, style: Style): Act => {
  const { failing, random } = draw
  if (random.chance(failing)) return failure(draw, style)
  if (stage !== "before") return random.chance(0.8) ? { _tag: "nothing" } : { _tag: "add", context: record(random) }
  if (style !== "effect" && random.chance(0.2)) return { _tag: "mutate", context: record(random) }
  if (style === "effect" && random.chance(0.1)) {
    return {
      _tag: "resolve",
      value: random.oneOf<unknown>([true, true, true, "text", null]),
      variant: `r${random.below(10)}`,
      ...random.chance(0.3) ? { errorCode: random.oneOf(codes), errorMessage: "refused" } : {}
    }
  }
  if (random.chance(0.15)) {
    return { _tag: "garbage", value: random.oneOf([undefined, null, false, true, 0, 1, 7]) }
  }
  return random.chance(0.6) ? { _tag: "add", context: record(random) } : { _tag: "nothing" }
}

const ways = (style: Style, isAsync: boolean): ReadonlyArray<Way> => {
  if (style !== "effect") return isAsync ? ["now", "promise"] : ["now"]
  return isAsync ? ["now", "exit", "sync", "async", "promise"] : ["now", "exit", "sync"]
}

const changes = ({ isAsync, random }: Draw, style: Style): ReadonlyArray<Change> => {
  if (style === "plain" || random.chance(0.6)) return []
  const some: ReadonlyArray<Change> = Array.from(
    { length: 1 + random.below(3) },
    () =>
      random.oneOf<Change>([
        "observe",
        "lenient",
        "quiet",
        "timeout",
        "watch",
        "transform",
        "provide",
        "take",
        ...isAsync ? ["later"] as const : []
      ])
  )
  // Of two filters that say no, only the outer one is asked: one is enough.
  const filter = random.chance(0.2) ? [random.oneOf<Change>(["leave", "break"])] : []
  const at = random.below(some.length + 1)
  return [...some.slice(0, at), ...filter, ...some.slice(at)]
}

const hook = (draw: Draw, name: string, style: Style): HookSpec => {
  const { isAsync, random } = draw
  const taken = stages.filter(() => random.chance(0.8))
  // Some hooks are all of one kind, others change from stage to stage.
  const own = random.chance(0.5) ? ways(style, isAsync) : [random.oneOf(ways(style, isAsync))]
  const step = (stage: Stage): Step => ({ act: act(draw, stage, style), way: random.oneOf(own) })
  return {
    name,
    style,
    memory: style !== "effect" && random.chance(0.5) ? "WeakMap" : "hookData",
    changes: changes(draw, style),
    steps: Object.fromEntries(
      (taken.length === 0 ? [random.oneOf(stages)] : taken).map((stage) => [stage, step(stage)])
    )
  }
}

const isPlain = (slot: Slot): boolean => slot.hooks[0]?.style === "plain"

const slotsOf = (hooks: ReadonlyArray<HookSpec>, random: Random): ReadonlyArray<Slot> => {
  const slots: Array<Slot> = []
  for (const hook of hooks) {
    const last = slots.at(-1)
    if (last !== undefined && !isPlain(last) && hook.style !== "plain" && random.chance(0.6)) {
      slots[slots.length - 1] = { ...last, hooks: [...last.hooks, hook] }
    } else slots.push({ hooks: [hook], twice: random.chance(0.05), form: "same", isAgain: false })
  }
  return slots
}

const fails = ({ changes, steps: { before } }: HookSpec): boolean =>
  before !== undefined && (changes.includes("break") || "message" in before.act)

// What is written to a copy of the evaluation context reaches only the hooks behind the same wrapper, and
// what one hook gives is lost with the copy when the next one fails.
const canBeDeep = ({ hooks }: Slot): boolean =>
  !hooks.some(({ steps }) => steps.before?.act._tag === "mutate" || steps.before?.act._tag === "resolve") &&
  (hooks.length === 1 || !hooks.some(fails))

const wrapped = (slot: Slot, level: Level, client: Client, random: Random): Slot => {
  if (random.chance(0.8)) return slot
  const form = random.oneOf<Form>(["same", "copy", "proxy", "deep"])
  // FeatureFlags takes hooks of the SDK as Effect hooks.
  const mustConvert = client === "FeatureFlags" && (level === "client" || level === "invocation")
  return {
    ...slot,
    form: form === "deep" && !canBeDeep(slot) ? "copy" : form,
    isAgain: mustConvert || (!isPlain(slot) && random.chance(0.3))
  }
}

const isSync = (hook: HookSpec): boolean =>
  !hook.changes.includes("later") &&
  Object.values(hook.steps).every(({ way }) => way !== "async" && way !== "promise")

// Behind a copy of the evaluation context, what was contributed would be lost.
const canHang = ({ form, hooks }: Slot): boolean => form !== "deep" || hooks.length === 1

/**
 * A scope that closes at a moment that is certain: when a hook of another
 * registration begins a stage, when the only hook of it does and stays
 * synchronous, or when a stage of its own waits for nothing else.
 */
const scoped = (slot: Slot, level: Level, client: Client, others: ReadonlyArray<HookSpec>, random: Random): Slot => {
  // Hooks of an invocation or a region have no scope of their own in FeatureFlags.
  const hasScope = client === "sdk" || (level !== "invocation" || slot.isAgain)
  const [first] = slot.hooks
  if (first === undefined || isPlain(slot) || !hasScope || random.chance(0.85)) return slot
  const closedIn = (by: HookSpec): ScopeSpec => ({
    whenClosed: random.oneOf(["skip", "reject"]),
    closedBy: by.name,
    at: random.oneOf(stages.filter((stage) => by.steps[stage] !== undefined))
  })
  const own = random.oneOf(slot.hooks)
  if (random.chance(0.3) && canHang(slot)) {
    const scope = closedIn(own)
    const hang: Step = {
      act: { _tag: "hang" },
      way: own.style === "effect" ? random.oneOf(["async", "promise"]) : "promise"
    }
    const hooks = slot.hooks.map((hook) =>
      hook === own ? { ...hook, steps: { ...hook.steps, [scope.at]: hang } } : hook
    )
    return { ...slot, hooks, scope }
  }
  // In FeatureFlags the hooks of a client share fibers with others.
  const isAlone = slot.hooks.length === 1 && !slot.twice && isSync(own) &&
    !(client === "FeatureFlags" && level === "client")
  const closers = others.filter((hook) => isAlone || !slot.hooks.includes(hook))
  return closers.length === 0 ? slot : { ...slot, scope: closedIn(random.oneOf(closers)) }
}

export const generate = (seed: number, { client, styles }: GenerateOptions): Program => {
  const dice = random(seed)
  const draw: Draw = { random: dice, failing: dice.oneOf([0, 0.05, 0.2]), isAsync: dice.chance(0.4) }
  let names = 0
  const level = (level: Level): ReadonlyArray<Slot> =>
    slotsOf(Array.from({ length: dice.below(4) }, () => hook(draw, `h${names++}`, dice.oneOf(styles[level]))), dice)
  const mapSlots = (slots: Program["slots"], f: (slot: Slot, level: Level) => Slot): Program["slots"] => {
    const of = (level: Level) => slots[level].map((slot) => f(slot, level))
    return { api: of("api"), client: of("client"), invocation: of("invocation"), provider: of("provider") }
  }
  const drawn = {
    api: level("api"),
    client: level("client"),
    invocation: level("invocation"),
    provider: level("provider")
  }
  const all = hooksOf({ slots: drawn }).map(({ hook }) => hook)
  const slots = client === undefined ?
    drawn :
    mapSlots(drawn, (slot, level) => scoped(wrapped(slot, level, client, dice), level, client, all, dice))
  const message = `p${dice.below(1000)}`
  const status = dice.chance(0.9) ? "READY" : dice.oneOf(["NOT_READY", "FATAL"] as const)
  const replacers = all.filter((hook) => hook.steps.before !== undefined)
  return {
    slots,
    contexts: { api: record(dice), client: record(dice), invocation: record(dice) },
    status,
    isAsync: draw.isAsync,
    isServing: dice.chance(0.5),
    answer: dice.chance(0.6)
      ? {
        _tag: "value",
        value: client !== undefined && dice.chance(0.1) ? dice.oneOf<unknown>(["text", 1, null, undefined]) : true,
        variant: dice.oneOf([undefined, "on"])
      }
      : dice.chance(0.5)
      ? { _tag: "errorCode", code: dice.oneOf(codes), message }
      : { _tag: dice.oneOf(["throw", "reject"]), code: dice.oneOf([undefined, ...codes]), message },
    ...client !== undefined && status === "READY" && replacers.length > 0 && dice.chance(0.05)
      ? { replacedBy: dice.oneOf(replacers).name }
      : {}
  }
}
