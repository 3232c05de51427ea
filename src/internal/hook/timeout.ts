/** Ends stages that take too long. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { awaitWithin } from "../wait.ts"
import type * as Part from "./part.ts"
import * as Registration from "./registration.ts"
import { type StageInfo, transform } from "./transform.ts"
import { detach, release } from "./view.ts"

/** The stage gets a view of its own, which can be emptied when the stage is abandoned. */
export const timeout = (part: Part.Part, limit: Duration.Duration): Part.Part =>
  transform(part, (stage, info) => within(stage, limit, info), detach)

// The stage runs in its own fiber, so abandoning it does not wait for it. No interruption may come
// between the fork and the deadline.
const within = <A, E, R>(
  stage: Effect.Effect<A, E, R>,
  limit: Duration.Duration,
  info: StageInfo
): Effect.Effect<A, E | Cause.TimeoutError, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(restore(stage), { startImmediately: true }), (fiber) => {
      const exit = fiber.pollUnsafe()
      if (exit !== undefined) return exit
      const deadline = Effect.timeoutOrElse(restore(Fiber.join(fiber)), {
        duration: limit,
        orElse: () => {
          fiber.interruptUnsafe()
          release(info.context)
          return Effect.fail(new Cause.TimeoutError(`not done within ${Duration.format(limit)}`))
        }
      })
      // An interruption waits for the finalizers of the stage, but no longer than a closing scope does.
      const interrupt = Effect.withFiber((current) => {
        fiber.interruptUnsafe()
        const close = Duration.fromInputUnsafe(current.getRef(Registration.CloseTimeout))
        return awaitWithin(fiber, Duration.min(limit, close))
      })
      return Effect.andThen(Registration.track(fiber), Effect.onInterrupt(restore(deadline), () => interrupt))
    })
  )
