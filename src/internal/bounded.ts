/**
 * Waiting for what may never end.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/**
 * Waits for work up to a limit, however it ends. Detached, so that work which
 * does not end holds nobody.
 */
export const waitFor = Effect.fnUntraced(
  function*(work: Effect.Effect<unknown, unknown>, limit: Duration.Input): Effect.fn.Return<void> {
    const fiber = yield* Effect.forkDetach(Effect.exit(work), { startImmediately: true })
    yield* Effect.timeoutOption(Effect.interruptible(Fiber.await(fiber)), limit)
  }
)
