/** Changes the effect of each stage of a part. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { cast, identity } from "effect/Function"
import type { HookContext } from "../../HookContext.ts"
import type { Stage } from "../../HookFailures.ts"
import * as HookFailures from "../../HookFailures.ts"
import * as Part from "./part.ts"

export interface StageInfo {
  /** The name of the hook. */
  readonly hook: string
  /** The stage: `"before"`, `"after"`, `"error"` or `"finally"`. */
  readonly stage: Stage
  /** The hook context of the evaluation. */
  readonly context: HookContext
}

// Hook data that is created on first use, inside the stage, where its failure is one of the stage.
class Lazy {
  readonly #make: () => unknown
  #made = false
  #value: unknown = undefined

  constructor(make: () => unknown) {
    this.#make = make
  }
  get value(): unknown {
    if (!this.#made) {
      this.#value = this.#make()
      this.#made = true
    }
    return this.#value
  }
}

// The stage runs inside the effect passed to `f`, so `f` also sees its defects. All parts of a hook
// share its type of failures and requirements.
export const transform = <E, R, E2, R2>(
  part: Part.Part,
  f: <A>(stage: Effect.Effect<A, E, R>, info: StageInfo) => Effect.Effect<A | void, E2, R2>,
  viewOf: (context: HookContext) => HookContext = identity
): Part.Part<Lazy | undefined> => {
  const { hookData, name: hook, onFailure } = part
  return Part.mapStages(part, hookData && (() => new Lazy(hookData)), (stage, given, data, run) => {
    const context = viewOf(given)
    const info = { hook, stage, context }
    const effect = Effect.suspend(() => Part.resultOf(run(context, data?.value), stage) ?? Effect.void)
    return f(
      cast<Effect.Effect<unknown, unknown, unknown>, Effect.Effect<unknown, E, R>>(
        onFailure[stage] === undefined ? effect : caught(effect, info, onFailure[stage])
      ),
      info
    )
  })
}

// A combinator around a part must not see a failure that the part reports or ignores. An interruption is
// for the runner, which knows whether it is a failure.
const caught = <A, E, R>(
  stage: Effect.Effect<A, E, R>,
  { context, hook, stage: name }: StageInfo,
  onFailure: "report" | "ignore"
): Effect.Effect<A | void, never, R> =>
  Effect.catchCause(stage, (cause) => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cast<Cause.Cause<E>, Cause.Cause<never>>(cause))
    if (onFailure === "ignore") return Effect.void
    return HookFailures.report({ hook, stage: name, flagKey: context.flagKey, cause })
  })
