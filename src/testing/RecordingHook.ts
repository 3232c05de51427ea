/**
 * A hook that records its stages.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { EvaluationContext } from "../EvaluationContext.ts"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import type { EvaluationError } from "../EvaluationError.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import type { Stage } from "../HookFailures.ts"
import type { HookHints } from "../HookHints.ts"

/**
 * A recorded stage.
 *
 * **Details**
 *
 * - `flagKey`, `context`, `hints`: the evaluation, at the time of the stage.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  /** The name of the recording hook. */
  readonly hook: string
  /** The stage. */
  readonly stage: Stage
  /** The key of the flag. */
  readonly flagKey: string
  /** The evaluation context at the time of the stage. */
  readonly context: EvaluationContext
  /** The hook hints at the time of the stage. */
  readonly hints: HookHints
  /** The evaluation details, in `after` and `finally`. */
  readonly details?: EvaluationDetails | undefined
  /** The error, in `error`. */
  readonly error?: EvaluationError | undefined
}

/**
 * A recording hook and its entries.
 *
 * @category models
 * @since 0.1.0
 */
export interface RecordingHook {
  /** The hook that records. */
  readonly hook: FeatureHook.FeatureHook
  /** All entries so far, in order. */
  readonly entries: Effect.Effect<ReadonlyArray<Entry>>
  /** The entries in the form `"name.stage"`. */
  readonly stages: Effect.Effect<ReadonlyArray<string>>
  /** Removes all entries. */
  readonly clear: Effect.Effect<void>
}

/**
 * Creates a hook that records its stages and does nothing else.
 *
 * **Details**
 *
 * Hooks with the same `journal` record into one list, which shows the order
 * between them.
 *
 * **Example** (Testing which stages ran)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Fixtures, RecordingHook } from "effect-openfeature/testing"
 *
 * const program = Effect.gen(function*() {
 *   const recording = yield* RecordingHook.make("audit")
 *   yield* Fixtures.run(recording.hook, { error: new Error("no connection") })
 *   return yield* recording.stages
 * })
 * await Effect.runPromise(program) // => ["audit.before", "audit.error", "audit.finally"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (name: string, journal: Array<Entry> = []): Effect.Effect<RecordingHook> =>
  Effect.sync(() => {
    const record = (
      stage: Stage,
      context: HookContext,
      hints: HookHints,
      more?: Pick<Entry, "details" | "error"> | undefined
    ): Effect.Effect<void> =>
      Effect.sync(() => {
        journal.push({ hook: name, stage, flagKey: context.flagKey, context: context.context, hints, ...more })
      })
    return {
      hook: FeatureHook.make(name, {
        before: (context, hints) => record("before", context, hints),
        after: (context, details, hints) => record("after", context, hints, { details }),
        error: (context, error, hints) => record("error", context, hints, { error }),
        finally: (context, details, hints) => record("finally", context, hints, { details })
      }),
      entries: Effect.sync(() => Array.from(journal)),
      stages: Effect.sync(() => journal.map((entry) => `${entry.hook}.${entry.stage}`)),
      clear: Effect.sync(() => {
        journal.length = 0
      })
    }
  })
