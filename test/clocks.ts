import { Clock, Effect } from "effect"

/** The present clock, which counts who sleeps on it now, and who ever has. */
export const countingClock = (changed: Partial<Clock.Clock> = {}) =>
  Effect.map(Clock.Clock, (clock) => {
    const sleeping = { now: 0, ever: 0 }
    const counting: Clock.Clock = {
      currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
      currentTimeMillis: clock.currentTimeMillis,
      currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
      currentTimeNanos: clock.currentTimeNanos,
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
      monotonicTimeNanos: clock.monotonicTimeNanos,
      sleep: (duration) =>
        Effect.suspend(() => {
          sleeping.now++
          sleeping.ever++
          return Effect.ensuring(clock.sleep(duration), Effect.sync(() => void sleeping.now--))
        }),
      ...changed
    }
    return { clock: counting, sleeping }
  })
