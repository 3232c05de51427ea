/**
 * Programs of hooks: what each hook does in each stage, at which level, and how
 * the provider answers.
 */
import type { EvaluationError, FeatureHook } from "effect-openfeature"

export type Stage = "before" | "after" | "error" | "finally"

export const stages: ReadonlyArray<Stage> = ["before", "after", "error", "finally"]

export type Level = "api" | "client" | "invocation" | "provider"

const levels: ReadonlyArray<Level> = ["api", "client", "invocation", "provider"]

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
  /** Gives back a resolution, which counts in `before` only. */
  | {
    readonly _tag: "resolve"
    readonly value: unknown
    readonly variant: string
    readonly errorCode?: EvaluationError.ErrorCode
    readonly errorMessage?: string
  }
  /** Fails with an `EvaluationError`. */
  | { readonly _tag: "fail"; readonly code: EvaluationError.ErrorCode; readonly message: string }
  /** Fails with an error that has a code, as those of the SDK and of Node have. */
  | { readonly _tag: "failCode"; readonly code: string; readonly message: string }
  | { readonly _tag: "failOther"; readonly message: string }
  | { readonly _tag: "die"; readonly message: string }
  /** Lets the scope of its own hook close, and never ends by itself. */
  | { readonly _tag: "hang" }

/**
 * How a stage gives its result: at once, as an effect that is an `Exit`, as a
 * synchronous or an asynchronous effect, or as a promise. Hooks of the SDK know
 * `"now"` and `"promise"`.
 */
export type Way = "now" | "exit" | "sync" | "async" | "promise"

export interface Step {
  readonly act: Act
  readonly way: Way
}

/**
 * How a hook is made: for the plain SDK, as an Effect hook that is bridged, or
 * for the plain SDK, turned into an Effect hook, and bridged back.
 */
export type Style = "plain" | "effect" | "converted"

/** What is put around an Effect hook. The last three are filters: one that takes it, one that does not, one that throws. */
export type Change =
  | Deciding
  | "timeout"
  | "watch"
  | "transform"
  | "later"
  | "provide"
  | "take"
  | "leave"
  | "break"

/** A change that decides what a failure does. */
type Deciding = "observe" | "lenient" | "quiet"

export const policies: Readonly<Record<Deciding, FeatureHook.FailurePolicy>> = {
  observe: { before: "report", after: "report", error: "report", finally: "report" },
  lenient: { before: "reject", after: "report", finally: "ignore" },
  quiet: { before: "ignore", after: "ignore", error: "ignore" }
}

const isDeciding = (change: Change): change is Deciding => change in policies

/** What a failure of a stage does: the innermost decision holds. */
export const onFailure = ({ changes }: HookSpec, stage: Stage): "reject" | "report" | "ignore" => {
  const decisions = changes.filter(isDeciding).map((change) => policies[change][stage])
  return decisions.find((decision) => decision !== undefined && decision !== "reject") ??
    (rejects(stage) ? "reject" : "report")
}

export interface HookSpec {
  readonly name: string
  readonly style: Style
  /** Where a hook of the SDK keeps its count: in the hook data, or in a `WeakMap` by the hook context. */
  readonly memory: "hookData" | "WeakMap"
  /** From the inside out. */
  readonly changes: ReadonlyArray<Change>
  readonly steps: Readonly<Partial<Record<Stage, Step>>>
}

/** What a wrapper around a hook of the SDK hands on instead of the hook context. */
export type Form = "same" | "copy" | "proxy" | "deep"

/** When the scope of hooks closes: as soon as a hook is in a stage. */
export interface ScopeSpec {
  readonly whenClosed: "skip" | "reject"
  readonly closedBy: string
  readonly at: Stage
}

/** Hooks that are registered as one: a plain one, or any number of others that are fused into one bridge. */
export interface Slot {
  readonly hooks: ReadonlyArray<HookSpec>
  /** Whether the very same SDK hook is registered a second time. */
  readonly twice: boolean
  /** The wrapper around the SDK hook. */
  readonly form: Form
  /** Whether the SDK hook is made an Effect hook once more. */
  readonly isAgain: boolean
  readonly scope?: ScopeSpec | undefined
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
  /** Whether the provider serves the resolutions of hooks. */
  readonly isServing: boolean
  /** The hook that replaces the provider in its `before`. */
  readonly replacedBy?: string | undefined
}

/** What a provider answers that has replaced another one. */
export const replacement = { _tag: "value", value: true, variant: "replacement" } as const satisfies Answer

/** One hook where it takes part. */
export interface Placed {
  readonly level: Level
  readonly slot: Slot
  readonly hook: HookSpec
}

/** Every hook that takes part, in the order of `before`. */
export const hooksOf = ({ slots }: Pick<Program, "slots">): ReadonlyArray<Placed> =>
  levels.flatMap((level) =>
    slots[level].flatMap((slot) =>
      (slot.twice ? [...slot.hooks, ...slot.hooks] : slot.hooks).map((hook) => ({ level, slot, hook }))
    )
  )

/** Whether a stage can reject the evaluation. */
export const rejects = (stage: Stage): boolean => stage === "before" || stage === "after"
