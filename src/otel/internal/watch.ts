/** Watches evaluations in flight, so that a hung one is removed even when no other evaluation follows. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { here } from "../../internal/node.ts"
import { type Flight, InFlight } from "./inFlight.ts"

class Watched {
  readonly inFlight: InFlight
  isWatched = false

  constructor(inFlight: InFlight) {
    this.inFlight = inFlight
  }
}

/** Watches each clock separately, since a clock that stands still must not delay evaluations on another. */
export class Watch {
  readonly #maxAge: bigint
  readonly #every: Duration.Duration
  readonly #byClock = new WeakMap<Clock.Clock, Watched>()
  // Fibers that start here keep nothing of the current request in memory.
  readonly #outside = here()

  constructor(maxAge: Duration.Duration) {
    this.#maxAge = Duration.toNanosUnsafe(maxAge)
    this.#every = Duration.min(maxAge, Duration.seconds(1))
  }
  begin(flight: Flight, clock: Clock.Clock): void {
    const watched = this.#of(clock)
    watched.inFlight.begin(flight)
    if (!watched.isWatched) this.#watch(watched)
  }
  #of(clock: Clock.Clock): Watched {
    const known = this.#byClock.get(clock)
    if (known !== undefined) return known
    const watched = new Watched(new InFlight(clock, this.#maxAge))
    this.#byClock.set(clock, watched)
    return watched
  }
  // The fiber has neither the services nor the asynchronous context of the evaluation that starts it.
  #watch(watched: Watched): void {
    const { inFlight } = watched
    const sleep = Effect.sleep(this.#every)
    const round: Effect.Effect<void> = Effect.suspend(() => {
      inFlight.expire()
      if (!inFlight.isEmpty) return Effect.andThen(sleep, round)
      watched.isWatched = false
      return Effect.void
    })
    const fork = Effect.runForkWith(Context.make(Clock.Clock, inFlight.clock))
    watched.isWatched = true
    this.#outside(() => void fork(Effect.andThen(sleep, round)))
  }
}
