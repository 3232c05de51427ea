/**
 * Evaluations that have started and not ended, oldest first. A provider can hang
 * forever, so evaluations that are too old are removed.
 */
import type * as Clock from "effect/Clock"

/** An evaluation that can be in flight, on at most one list. */
export abstract class Flight {
  list: InFlight | undefined = undefined
  previous: Flight | undefined = undefined
  next: Flight | undefined = undefined
  startedAt = 0n
  /** Runs once, when the evaluation is removed because it is too old. */
  abstract onExpired(): void
}

/** The evaluations that started on one clock, since times of different clocks are not comparable. */
export class InFlight {
  readonly clock: Clock.Clock
  readonly #maxAge: bigint
  #first: Flight | undefined = undefined
  #last: Flight | undefined = undefined

  constructor(clock: Clock.Clock, maxAge: bigint) {
    this.clock = clock
    this.#maxAge = maxAge
  }
  get isEmpty(): boolean {
    return this.#first === undefined
  }
  /** Adds an evaluation, and removes those that are too old. */
  begin(flight: Flight): void {
    const now = this.clock.monotonicTimeNanosUnsafe()
    if (this.#first !== undefined) this.#expire(now)
    flight.startedAt = now
    flight.list = this
    flight.previous = this.#last
    if (this.#last === undefined) this.#first = flight
    else this.#last.next = flight
    this.#last = flight
  }
  /** Returns whether the evaluation was still in flight. */
  static end(flight: Flight): boolean {
    if (flight.list === undefined) return false
    flight.list.#remove(flight)
    return true
  }
  /** Removes evaluations that are too old. */
  expire(): void {
    if (this.#first !== undefined) this.#expire(this.clock.monotonicTimeNanosUnsafe())
  }
  #expire(now: bigint): void {
    for (let one = this.#first; one !== undefined && now - one.startedAt >= this.#maxAge; one = this.#first) {
      this.#remove(one)
      one.onExpired()
    }
  }
  #remove(flight: Flight): void {
    const { next, previous } = flight
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    flight.list = undefined
    flight.previous = undefined
    flight.next = undefined
  }
}
