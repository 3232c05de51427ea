/**
 * A hook that writes down each evaluation when it has ended.
 *
 * @since 0.2.0
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Effect from "effect/Effect"
import { type EvaluationContext, snapshot } from "../EvaluationContext.ts"
import type { EvaluationDetails, FlagValue } from "../EvaluationDetails.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookHints } from "../HookHints.ts"

/**
 * An evaluation that has ended: its evaluation details, and what it was made
 * with.
 *
 * **Details**
 *
 * - `flagValueType`, `defaultValue`: the type and the default value of the flag.
 *
 * @category models
 * @since 0.2.0
 */
export interface Entry extends EvaluationDetails {
  /** The type of the flag: boolean, string, number or object. */
  readonly flagValueType: SDK.FlagValueType
  /** The default value of the flag. */
  readonly defaultValue: FlagValue
  /**
   * The evaluation context at the end of the evaluation, with that of every
   * level and the contributions of hooks.
   */
  readonly context: EvaluationContext
  /**
   * The hook hints at the end of the evaluation. Hints that were given to a
   * client of the SDK are in `hints.raw`.
   */
  readonly hints: HookHints
}

/**
 * The hook of a journal, and its entries.
 *
 * @category models
 * @since 0.2.0
 */
export interface EvaluationJournal {
  /** The hook that writes the entries. */
  readonly hook: FeatureHook.FeatureHook
  /** All entries so far, in the order in which the evaluations ended. */
  readonly entries: Effect.Effect<ReadonlyArray<Entry>>
  /** The entries of one flag, in order. */
  readonly entriesOf: (flagKey: string) => Effect.Effect<ReadonlyArray<Entry>>
  /** Removes all entries. */
  readonly clear: Effect.Effect<void>
}

/**
 * Creates a journal without entries.
 *
 * **When to use**
 *
 * Use to assert on the evaluations of a client with a provider of your own.
 * `TestFlags` and `PlainTestFlags` have a journal already.
 *
 * **Details**
 *
 * Evaluations that fail or are interrupted have an entry too, with their error
 * code. The entries are frozen.
 *
 * **Gotchas**
 *
 * The entries contain flag values and evaluation contexts. Use it in tests only.
 *
 * **Example** (Asserting on the evaluations of a client)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags } from "effect-openfeature"
 * import { EvaluationJournal } from "effect-openfeature/testing"
 *
 * const program = Effect.gen(function*() {
 *   const journal = yield* EvaluationJournal.make
 *   const flags = yield* FeatureFlags.make({ domain: "journal", hooks: [journal.hook] })
 *   yield* flags.boolean("new-checkout", false)
 *   return yield* journal.entries
 * })
 * const [entry] = await Effect.runPromise(Effect.scoped(program))
 * entry?.flagKey // => "new-checkout"
 * entry?.value // => false
 * entry?.errorCode // => "PROVIDER_NOT_READY"
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make: Effect.Effect<EvaluationJournal> = Effect.sync(() => {
  const entries: Array<Entry> = []
  return {
    hook: FeatureHook.make("evaluation-journal", {
      finally: ({ context, defaultValue, flagValueType }, details, hints) => {
        entries.push(Object.freeze({ ...details, flagValueType, defaultValue, context: snapshot(context), hints }))
      }
    }),
    entries: Effect.sync(() => Array.from(entries)),
    entriesOf: (flagKey) => Effect.sync(() => entries.filter((entry) => entry.flagKey === flagKey)),
    clear: Effect.sync(() => {
      entries.length = 0
    })
  }
})
