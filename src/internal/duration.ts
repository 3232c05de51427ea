/** The duration of evaluations. */
import type * as Clock from "effect/Clock"

/** Never negative, since a clock can run backwards. */
export const nanosSince = (start: bigint, clock: Clock.Clock): bigint => {
  const nanos = clock.monotonicTimeNanosUnsafe() - start
  return nanos > 0n ? nanos : 0n
}

export const secondsSince = (start: bigint, clock: Clock.Clock): number => Number(nanosSince(start, clock)) / 1e9

/** Bucket bounds in seconds, from an evaluation in the process to a slow one over a network. */
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
