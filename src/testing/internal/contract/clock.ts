/**
 * A clock that stands still until it is moved to the next sleep. The test clock
 * of Effect does not tell when that is.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

interface Sleep {
  readonly until: number
  readonly wake: () => void
}

/** The longest time that passes while a hook is waited for, in milliseconds. */
const limit = 60_000

export class VirtualClock implements Clock.Clock {
  #elapsed = 0
  readonly #sleeps = new Set<Sleep>()

  currentTimeMillisUnsafe(): number {
    return 1_700_000_000_000 + Math.floor(this.#elapsed)
  }
  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())

  monotonicTimeNanosUnsafe(): bigint {
    return BigInt(Math.round(this.#elapsed * 1_000_000))
  }
  readonly monotonicTimeNanos = Effect.sync(() => this.monotonicTimeNanosUnsafe())

  currentTimeNanosUnsafe(): bigint {
    return 1_700_000_000_000_000_000n + this.monotonicTimeNanosUnsafe()
  }
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const sleep = { until: this.#elapsed + Duration.toMillis(duration), wake: () => resume(Effect.void) }
      this.#sleeps.add(sleep)
      return Effect.sync(() => void this.#sleeps.delete(sleep))
    })
  }

  /** Moves to the next sleep. Returns whether one ended, at most `limit` after `since`. */
  next(since: number): boolean {
    let first: Sleep | undefined = undefined
    for (const sleep of this.#sleeps) if (first === undefined || sleep.until < first.until) first = sleep
    if (first === undefined || first.until > since + limit) return false
    this.#elapsed = Math.max(this.#elapsed, first.until)
    this.#sleeps.delete(first)
    first.wake()
    return true
  }

  get elapsed(): number {
    return this.#elapsed
  }
}
