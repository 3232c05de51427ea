/**
 * Random programs of hooks: what each hook does in each stage, at which level,
 * and how the provider answers.
 */
import type { EvaluationError } from "effect-openfeature"

export type Stage = "before" | "after" | "error" | "finally"

export const stages: ReadonlyArray<Stage> = ["before", "after", "error", "finally"]

export type Level = "api" | "client" | "invocation" | "provider"

export const levels: ReadonlyArray<Level> = ["api", "client", "invocation", "provider"]

export type Record_ = Readonly<Record<string, string | number>>

/** What one stage does. */
export type Act =
  | { readonly _tag: "nothing" }
  /** Gives back attributes, which counts in `before` only. */
  | { readonly _tag: "add"; readonly context: Record_ }
  /** Writes an attribute to the context it is given, which a plain hook can do in `before`. */
  | { readonly _tag: "mutate"; readonly context: Record_ }
  /** Gives back what is no context and is ignored. */
  | { readonly _tag: "garbage"; readonly value: undefined | null | boolean | number }
  | { readonly _tag: "fail"; readonly code: EvaluationError.ErrorCode; readonly message: string }
  | { readonly _tag: "failOther"; readonly message: string }
  | { readonly _tag: "die"; readonly message: string }

/**
 * How a hook is made: for the plain SDK, as an Effect hook that is bridged, or
 * for the plain SDK, turned into an Effect hook, and bridged back.
 */
export type Style = "plain" | "effect" | "converted"

export interface HookSpec {
  readonly name: string
  readonly style: Style
  readonly isAsync: boolean
  readonly acts: Readonly<Partial<Record<Stage, Act>>>
}

/** Hooks that are registered as one: a plain one, or any number of others that are fused into one bridge. */
export interface Slot {
  readonly hooks: ReadonlyArray<HookSpec>
  /** Whether the very same SDK hook is registered a second time. */
  readonly twice: boolean
}

export type Answer =
  | { readonly _tag: "value"; readonly value: unknown; readonly variant: string | undefined }
  | { readonly _tag: "errorCode"; readonly code: EvaluationError.ErrorCode; readonly message: string }
  | {
    readonly _tag: "throw" | "reject"
    readonly code: EvaluationError.ErrorCode | undefined
    readonly message: string
  }

export interface Program {
  readonly slots: Readonly<Record<Level, ReadonlyArray<Slot>>>
  readonly contexts: Readonly<Record<"api" | "client" | "invocation", Record_>>
  readonly status: "READY" | "NOT_READY" | "FATAL"
  readonly answer: Answer
  readonly isAsync: boolean
}

/** Every hook that takes part, in the order of `before`. */
export const hooksOf = (program: Program): ReadonlyArray<readonly [Level, HookSpec]> =>
  levels.flatMap((level) =>
    program.slots[level].flatMap((slot) =>
      (slot.twice ? [...slot.hooks, ...slot.hooks] : slot.hooks).map((hook) => [level, hook] as const)
    )
  )

/** A small generator of numbers (mulberry32), so that a seed is all that a failure has to name. */
export class Random {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }
  chance(probability: number): boolean {
    return this.next() < probability
  }
  pick<A>(items: readonly [A, ...ReadonlyArray<A>]): A {
    return items[this.below(items.length)] ?? items[0]
  }
}

const codes = [
  "FLAG_NOT_FOUND",
  "PARSE_ERROR",
  "TYPE_MISMATCH",
  "TARGETING_KEY_MISSING",
  "INVALID_CONTEXT",
  "GENERAL"
] as const

const record = (random: Random): Record_ => {
  const entries: Array<readonly [string, string | number]> = []
  for (let i = random.below(3); i >= 0; i--) {
    entries.push([random.pick(["a", "b", "c", "constructor", "toString", "targetingKey"]), `v${random.below(100)}`])
  }
  return Object.fromEntries(entries)
}

const act = (random: Random, stage: Stage, style: Style, failing: number): Act => {
  if (random.chance(failing)) {
    const message = `m${random.below(1000)}`
    return random.pick<() => Act>([
      () => ({ _tag: "fail", code: random.pick(codes), message }),
      () => ({ _tag: "failOther", message }),
      () => ({ _tag: "die", message })
    ])()
  }
  if (stage !== "before") return random.chance(0.8) ? { _tag: "nothing" } : { _tag: "add", context: record(random) }
  if (style !== "effect" && random.chance(0.2)) return { _tag: "mutate", context: record(random) }
  if (random.chance(0.15)) {
    return { _tag: "garbage", value: random.pick([undefined, null, false, true, 0, 1, 7]) }
  }
  return random.chance(0.6) ? { _tag: "add", context: record(random) } : { _tag: "nothing" }
}

const hook = (random: Random, name: string, style: Style, failing: number, isAsync: boolean): HookSpec => {
  const taken = stages.filter(() => random.chance(0.8))
  return {
    name,
    style,
    isAsync: isAsync && random.chance(0.5),
    acts: Object.fromEntries(
      (taken.length === 0 ? [random.pick<Stage>(["before", "after", "error", "finally"])] : taken)
        .map((stage) => [stage, act(random, stage, style, failing)])
    )
  }
}

const slotsOf = (hooks: ReadonlyArray<HookSpec>, random: Random): ReadonlyArray<Slot> => {
  const slots: Array<Slot> = []
  for (const hook of hooks) {
    const last = slots.at(-1)
    const fuse = last !== undefined && last.hooks[0]?.style !== "plain" && hook.style !== "plain" && random.chance(0.6)
    if (fuse) slots[slots.length - 1] = { ...last, hooks: [...last.hooks, hook] }
    else slots.push({ hooks: [hook], twice: random.chance(0.05) })
  }
  return slots
}

export interface GenerateOptions {
  /** The styles there are at each level. */
  readonly styles: Readonly<Record<Level, readonly [Style, ...ReadonlyArray<Style>]>>
  /** Whether the provider may answer with a value that is not of the flag's type. */
  readonly wrongTypes: boolean
}

export const generate = (seed: number, options: GenerateOptions): Program => {
  const random = new Random(seed)
  const failing = random.pick([0, 0.05, 0.2])
  const isAsync = random.chance(0.4)
  let names = 0
  const level = (level: Level): ReadonlyArray<Slot> =>
    slotsOf(
      Array.from(
        { length: random.below(4) },
        () => hook(random, `h${names++}`, random.pick(options.styles[level]), failing, isAsync)
      ),
      random
    )
  const message = `p${random.below(1000)}`
  return {
    slots: { api: level("api"), client: level("client"), invocation: level("invocation"), provider: level("provider") },
    contexts: { api: record(random), client: record(random), invocation: record(random) },
    status: random.chance(0.9) ? "READY" : random.pick(["NOT_READY", "FATAL"]),
    isAsync,
    answer: random.chance(0.6)
      ? {
        _tag: "value",
        value: options.wrongTypes && random.chance(0.1) ? random.pick<unknown>(["text", 1, null, undefined]) : true,
        variant: random.pick([undefined, "on"])
      }
      : random.chance(0.5)
      ? { _tag: "errorCode", code: random.pick(codes), message }
      : { _tag: random.pick(["throw", "reject"]), code: random.pick([undefined, ...codes]), message }
  }
}
