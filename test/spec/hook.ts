/**
 * The hooks of the tests. Their stages are plain functions, so that one hook can
 * be an Effect hook that gives its results in any way, or a hook of the plain
 * SDK that is converted.
 */
import type * as SDK from "@openfeature/server-sdk"
import { Effect, Function } from "effect"
import {
  type EvaluationDetails,
  type EvaluationError,
  FeatureHook,
  type HookContext,
  type HookHints,
  OpenFeatureHook
} from "effect-openfeature"
import type { RecordingHook } from "effect-openfeature/testing"

/** An effect that is done at once, one that takes a turn, the result itself, or a promise of it. */
export type Way = "effect" | "later" | "value" | "promise"

// The type of a stage is that of an effect in every way, so that the hooks have one type.
const give: Readonly<Record<Way, <A>(result: () => A) => Effect.Effect<A>>> = {
  effect: Effect.sync,
  later: (result) => Effect.andThen(Effect.yieldNow, Effect.sync(result)),
  value: (result) => Function.cast(result()),
  promise: (result) => Function.cast(Promise.resolve().then(result))
}

type Context = HookContext.HookContext
type Hints = HookHints.HookHints
type Details = EvaluationDetails.EvaluationDetails
type Stage = RecordingHook.Entry["stage"]

export interface Stages<S> {
  readonly hookData?: () => S
  readonly before?: (context: Context, hints: Hints, data: S) => FeatureHook.Contribution | void
  readonly after?: (context: Context, details: Details, hints: Hints, data: S) => unknown
  readonly error?: (context: Context, error: EvaluationError.EvaluationError, hints: Hints, data: S) => unknown
  readonly finally?: (context: Context, details: Details, hints: Hints, data: S) => unknown
}

type Input<F> = F extends (...input: infer I) => unknown ? I : never

export const make = (way: Way) => <S = undefined>(name: string, stages: Stages<S>): FeatureHook.FeatureHook => {
  const { after, before, error, finally: last, hookData } = stages
  return FeatureHook.make(name, {
    hookData,
    before: before && ((...input: Input<typeof before>) => give[way](() => before(...input))),
    after: after && ((...input: Input<typeof after>) => give[way](() => after(...input))),
    error: error && ((...input: Input<typeof error>) => give[way](() => error(...input))),
    finally: last && ((...input: Input<typeof last>) => give[way](() => last(...input)))
  })
}

interface Maker {
  readonly hook: ReturnType<typeof make>
}

/** Writes down every stage it takes part in. */
export const recording = (rig: Maker, name: string, journal: Array<RecordingHook.Entry>): FeatureHook.FeatureHook => {
  const record = (
    stage: Stage,
    context: Context,
    hints: Hints,
    more: Partial<RecordingHook.Entry> = {}
  ) => {
    journal.push({ hook: name, stage, flagKey: context.flagKey, context: context.context, hints, ...more })
  }
  return rig.hook(name, {
    before: (context, hints) => record("before", context, hints),
    after: (context, details, hints) => record("after", context, hints, { details }),
    error: (context, error, hints) => record("error", context, hints, { error }),
    finally: (context, details, hints) => record("finally", context, hints, { details })
  })
}

export const short = (journal: ReadonlyArray<RecordingHook.Entry>): ReadonlyArray<string> =>
  journal.map((entry) => `${entry.hook}.${entry.stage}`)

/** What both kinds of hooks are told, as far as the types of both say so. */
export type Told = Readonly<Omit<SDK.HookContext, "context" | "hookData" | "defaultValue">> & {
  readonly defaultValue: unknown
  readonly context: object
}

/** Looks at the hook context and the hints, as a record, in each stage. */
export type Look = (context: Told, hints: SDK.HookHints, stage: Stage) => unknown

/** The kinds of hooks, each made of a function that looks at what each stage is told. */
export const kinds = (
  rig: Maker
): ReadonlyArray<readonly [kind: string, make: (look: Look) => FeatureHook.FeatureHook<unknown>]> => [
  ["Effect hook", (look) =>
    rig.hook("looking", {
      before: (context, hints) => void look(context, hints.raw, "before"),
      after: (context, _details, hints) => void look(context, hints.raw, "after"),
      error: (context, _error, hints) => void look(context, hints.raw, "error"),
      finally: (context, _details, hints) => void look(context, hints.raw, "finally")
    })],
  ["converted hook", (look) =>
    OpenFeatureHook.toFeatureHook("looking", {
      before: (context, hints = {}) => void look(context, hints, "before"),
      after: (context, _details, hints = {}) => void look(context, hints, "after"),
      error: (context, _error, hints = {}) => void look(context, hints, "error"),
      finally: (context, _details, hints = {}) => void look(context, hints, "finally")
    })]
]

/** Where an object, or anything nested in it, lets itself be written to; the writes are done. */
export const writable = (value: unknown, path = "it"): ReadonlyArray<string> => {
  if (typeof value !== "object" || value === null) return []
  const nested = Object.entries(value).flatMap(([key, nested]) => writable(nested, `${path}.${key}`))
  const own = [...Object.keys(value), "added"].filter((key) => Reflect.set(value, key, "written"))
  return [...nested, ...own.map((key) => `${path}.${key}`)]
}
