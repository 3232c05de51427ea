/** Tells the first occurrence of each cause in an interval, and counts the rest. */
import * as Duration from "effect/Duration"

interface Cause {
  readonly at: bigint
  suppressed: number
}

/** What is told of a cause. */
export interface Taken {
  /** The number left out since it was told last. */
  readonly suppressed: number
  /** Whether there are more causes than the limit, so this one stands for all further ones. */
  readonly isOverflow: boolean
}

/** At most one alert per cause and interval. */
export class Limiter {
  readonly #causes = new Map<string, Cause>()
  readonly #overflow = new Map<"", Cause>()
  readonly #interval: bigint
  readonly #max: number
  #sweptAt: bigint | undefined = undefined

  constructor(interval: Duration.Input, max: number) {
    this.#interval = Duration.toNanosUnsafe(interval)
    this.#max = max
  }

  /** Returns nothing if there has been an alert in this interval. */
  take(key: string, now: bigint): Taken | undefined {
    const isOverflow = !this.#causes.has(key) && this.#isFull(now)
    const suppressed = isOverflow ? this.#alert(this.#overflow, "", now) : this.#alert(this.#causes, key, now)
    return suppressed === undefined ? undefined : { suppressed, isOverflow }
  }

  #alert<K extends string>(causes: Map<K, Cause>, key: K, now: bigint): number | undefined {
    const cause = causes.get(key)
    if (cause !== undefined && now - cause.at < this.#interval) {
      cause.suppressed++
      return undefined
    }
    causes.set(key, { at: now, suppressed: 0 })
    return cause?.suppressed ?? 0
  }

  // A cause that has not come back makes room, at most once per interval: a flood of flag keys must cost little.
  #isFull(now: bigint): boolean {
    if (this.#causes.size < this.#max) return false
    if (this.#sweptAt !== undefined && now - this.#sweptAt < this.#interval) return true
    this.#sweptAt = now
    for (const [key, { at }] of this.#causes) {
      if (now - at >= this.#interval) this.#causes.delete(key)
    }
    return this.#causes.size >= this.#max
  }
}
