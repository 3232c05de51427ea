/**
 * A program around the evaluation, as a part: it runs in a fiber of its own that
 * is suspended between the stages.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import type { EvaluationError } from "../EvaluationError.ts"
import type { HookContext } from "../HookContext.ts"
import type { HookHints } from "../HookHints.ts"
import * as Owner from "./owner.ts"
import type { Part } from "./part.ts"

export type Program<E, R> = (
  context: HookContext,
  evaluate: Effect.Effect<EvaluationDetails, EvaluationError>,
  hints: HookHints
) => Effect.Effect<unknown, E, R>

class Around<E> {
  readonly reached = Deferred.makeUnsafe<void>()
  readonly outcome = Deferred.makeUnsafe<EvaluationDetails, EvaluationError>()
  fiber: Fiber.Fiber<unknown, E> | undefined = undefined
  /** Whether a stage has taken note of how the program ended. */
  isSettled = false
}

// Interruption goes to the program first: its finalizers are what must run.
const endOf = <A, E>(fiber: Fiber.Fiber<A, E>): Effect.Effect<A, E> =>
  Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber))

export const make = <E, R>(name: string, program: Program<E, R>): Part<E, R, Around<E>> => ({
  name,
  hookData: () => new Around<E>(),
  isObserved: false,
  before: Effect.fnUntraced(function*(context: HookContext, hints: HookHints, around: Around<E>) {
    const evaluate = Effect.suspend(() => {
      Deferred.doneUnsafe(around.reached, Exit.void)
      return Deferred.await(around.outcome)
    })
    const fiber = yield* Effect.forkDetach(Effect.suspend(() => program(context, evaluate, hints)), {
      startImmediately: true
    })
    around.fiber = fiber
    yield* Owner.track(fiber)
    if (Deferred.isDoneUnsafe(around.reached) && fiber.pollUnsafe() === undefined) return
    // A program that ends without having evaluated leaves the evaluation alone.
    yield* Effect.raceFirst(Deferred.await(around.reached), Fiber.join(fiber)).pipe(
      Effect.tapCause(() => Effect.sync(() => void (around.isSettled = true))),
      Effect.onInterrupt(() => Fiber.interrupt(fiber))
    )
  }),
  after: (_context, details, _hints, around) => resume(around, Exit.succeed(details)),
  error: (_context, error, _hints, around) =>
    Effect.catchIf(resume(around, Exit.fail(error)), (failure: unknown) => failure === error, () => Effect.void),
  finally: (_context, _details, _hints, around) =>
    around.fiber === undefined ? Effect.void : Fiber.interrupt(around.fiber)
})

const resume = <E>(
  around: Around<E>,
  outcome: Exit.Exit<EvaluationDetails, EvaluationError>
): Effect.Effect<unknown, E> => {
  if (around.fiber === undefined || around.isSettled) return Effect.void
  around.isSettled = true
  Deferred.doneUnsafe(around.outcome, outcome)
  return endOf(around.fiber)
}
