/** A program around the evaluation, as a part. Its fiber is suspended between the stages. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { EvaluationDetails } from "../../EvaluationDetails.ts"
import type { EvaluationError } from "../../EvaluationError.ts"
import type { HookContext } from "../../HookContext.ts"
import type { HookHints } from "../../HookHints.ts"
import type { Part } from "./part.ts"
import { undecided } from "./policy.ts"
import * as Registration from "./registration.ts"

export type Program<E, R> = (
  context: HookContext,
  evaluate: Effect.Effect<EvaluationDetails, EvaluationError>,
  hints: HookHints
) => Effect.Effect<unknown, E, R>

class Around<E> {
  readonly reached = Deferred.makeUnsafe<void>()
  readonly outcome = Deferred.makeUnsafe<EvaluationDetails, EvaluationError>()
  fiber: Fiber.Fiber<unknown, E> | undefined = undefined
  /** Whether a stage has taken the program's result. */
  isSettled = false

  /** Ends a wait for an outcome that will never come, even an uninterruptible one. */
  readonly abandon = (): void => {
    Deferred.doneUnsafe(this.outcome, Exit.interrupt())
  }
}

// The program is interrupted first, since its finalizers must run.
const endOf = <A, E>(fiber: Fiber.Fiber<A, E>): Effect.Effect<A, E> =>
  Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber))

const start = <E, R>(
  around: Around<E>,
  program: Effect.Effect<unknown, E, R>
): Effect.Effect<void, E, R> =>
  // No interruption may come between the fork and the guard of the fiber.
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkDetach(restore(program), { startImmediately: true })
      around.fiber = fiber
      yield* Registration.track(fiber, around.abandon)
      if (Deferred.isDoneUnsafe(around.reached) && fiber.pollUnsafe() === undefined) return
      // A program that ends without `evaluate` does not affect the evaluation.
      yield* restore(Effect.raceFirst(Deferred.await(around.reached), Fiber.join(fiber))).pipe(
        Effect.onExit((exit) => Effect.sync(() => void (around.isSettled = Exit.isFailure(exit)))),
        Effect.onInterrupt(() => Fiber.interrupt(fiber))
      )
    })
  )

export const make = <E, R>(name: string, program: Program<E, R>): Part<Around<E>> => ({
  name,
  hookData: () => new Around<E>(),
  onFailure: undecided,
  isProgram: true,
  written: undefined,
  filter: undefined,
  before: (context, hints, around) => {
    const evaluate = Effect.suspend(() => {
      Deferred.doneUnsafe(around.reached, Exit.void)
      return Deferred.await(around.outcome)
    })
    return start(around, Effect.suspend(() => program(context, evaluate, hints)))
  },
  after: (_context, details, _hints, around) => resume(around, Exit.succeed(details)),
  error: (_context, error, _hints, around) => {
    const ending = resume(around, Exit.fail(error))
    return ending && Effect.catchIf(ending, (failure: unknown) => failure === error, () => Effect.void)
  },
  finally: (_context, _details, _hints, { abandon, fiber }) => {
    if (fiber === undefined || fiber.pollUnsafe() !== undefined) return undefined
    return Effect.suspend(() => {
      fiber.interruptUnsafe()
      abandon()
      return Fiber.await(fiber)
    })
  }
})

const resume = <E>(
  around: Around<E>,
  outcome: Exit.Exit<EvaluationDetails, EvaluationError>
): Effect.Effect<unknown, E> | undefined => {
  if (around.fiber === undefined || around.isSettled) return undefined
  around.isSettled = true
  Deferred.doneUnsafe(around.outcome, outcome)
  return endOf(around.fiber)
}
