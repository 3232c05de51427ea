/**
 * How long evaluations take.
 */
import type * as Clock from "effect/Clock"

/** Never less than nothing, whatever the clock does. */
export const nanosSince = (start: bigint, clock: Clock.Clock): bigint => {
  const nanos = clock.monotonicTimeNanosUnsafe() - start
  return nanos > 0n ? nanos : 0n
}

/** Buckets in seconds: from what one in the process takes to what one over a network may hang. */
export const durationBoundaries: ReadonlyArray<number> = [
  0.00001,
  0.000025,
  0.00005,
  0.0001,
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10
]
