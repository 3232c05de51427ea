/**
 * What a hook is made of. A combined hook is a list of parts; the runner knows
 * nothing but parts, and every combinator maps one part to another.
 */
import type * as Effect from "effect/Effect"
import type { EvaluationContext } from "../EvaluationContext.ts"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import type { EvaluationError } from "../EvaluationError.ts"
import type { HookContext } from "../HookContext.ts"
import type { HookHints } from "../HookHints.ts"

export interface Contribution {
  readonly context?: EvaluationContext | undefined
  readonly hints?: HookHints | undefined
}

/**
 * The stages' functions. Methods on purpose: the type of a part's own
 * data is known only where the part is made, and the parameters of a method may
 * forget it without a cast.
 */
interface Stages<E, R, S> {
  before(context: HookContext, hints: HookHints, data: S): Effect.Effect<Contribution | void, E, R>
  after(context: HookContext, details: EvaluationDetails, hints: HookHints, data: S): Effect.Effect<unknown, E, R>
  error(context: HookContext, error: EvaluationError, hints: HookHints, data: S): Effect.Effect<unknown, E, R>
  finally(context: HookContext, details: EvaluationDetails, hints: HookHints, data: S): Effect.Effect<unknown, E, R>
}

/** Every stage is an own property, so nothing is ever read from a prototype. */
export interface Part<out E, out R, S = unknown> {
  readonly name: string
  readonly hookData: (() => S) | undefined
  /** Whether a failure of any stage is reported instead of rejecting the evaluation. */
  readonly isObserved: boolean
  readonly before: Stages<E, R, S>["before"] | undefined
  readonly after: Stages<E, R, S>["after"] | undefined
  readonly error: Stages<E, R, S>["error"] | undefined
  readonly finally: Stages<E, R, S>["finally"] | undefined
}
