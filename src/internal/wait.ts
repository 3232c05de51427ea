/** Bounded waits for work that may never end. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** Waits for a fiber, up to a limit. */
export const awaitWithin = (fiber: Fiber.Fiber<unknown, unknown>, limit: Duration.Input): Effect.Effect<void> =>
  Effect.asVoid(Effect.timeoutOption(Effect.interruptible(Fiber.await(fiber)), limit))

/**
 * Runs work and waits for it up to a limit, whatever its result. The work is
 * detached, so it never blocks the caller.
 */
export const waitFor = (work: Effect.Effect<unknown, unknown>, limit: Duration.Input): Effect.Effect<void> =>
  Effect.flatMap(
    Effect.forkDetach(Effect.exit(work), { startImmediately: true }),
    (fiber) => awaitWithin(fiber, limit)
  )
