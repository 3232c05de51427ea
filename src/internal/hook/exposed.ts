/** Which exposures are done or under way, and what has become of each one. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import { Recent } from "../recent.ts"
import type { Outcome } from "./work.ts"

/** An exposure on its way to the sink. */
export class Sighting<A> {
  readonly key: string
  readonly flagKey: string
  readonly value: A
  /** Nanoseconds of the monotonic clock. */
  readonly seenAt: bigint
  /** Set before the outcome of its batch is known: a batch can be given up after its sink has accepted it. */
  result: "accepted" | "elsewhere" | undefined = undefined
  /** The milliseconds for which it stays exposed elsewhere, which can be infinite. None if another only tries to. */
  remaining: number | undefined = undefined

  constructor(key: string, flagKey: string, value: A, seenAt: bigint) {
    this.key = key
    this.flagKey = flagKey
    this.value = value
    this.seenAt = seenAt
  }
}

/** What is remembered of an exposure. */
interface Mark {
  /** The end of its window. */
  readonly until: bigint
  /** The number of marks so far when it was used as the newest one. */
  usedAt: number
}

/** What a flag was last evaluated for. */
interface Latest {
  result: string
  domain: string
  subject: string
  key: string
  mark: Mark
}

/** In flags, and in characters. */
const maxLatest = 1000
const maxLatestLength = 512

/** Later than any time of a clock. */
const never = 1n << 100n

export class Exposed<A> {
  readonly #clock: Clock.Clock
  readonly #window: bigint | undefined
  readonly #done: Recent<Mark>
  /** Moving a mark takes longer than all else, so it is moved only when it could be forgotten soon. */
  readonly #moveAfter: number
  #marks = 0
  /** Many evaluations repeat the last one of their flag. Comparing texts takes less than making and finding a key. */
  readonly #latest = new Map<string, Latest>()
  /** Those that wait for the sink are never forgotten. Their number is that of the tasks. */
  readonly #pending = new Map<string, Sighting<A>>()
  readonly #ended: Record<Outcome, number> = { delivered: 0, dropped: 0, failed: 0 }
  #suppressed = 0
  #evicted = 0
  anonymous = 0

  constructor(clock: Clock.Clock, window: Duration.Duration, capacity: number) {
    this.#clock = clock
    this.#window = Duration.isFinite(window) ? Duration.toNanosUnsafe(window) : undefined
    this.#done = new Recent(capacity)
    this.#moveAfter = capacity / 4
  }

  get counts() {
    const { delivered, dropped, failed } = this.#ended
    const pending = this.#pending.size
    return {
      offered: delivered + dropped + failed + this.#suppressed + pending,
      ...this.#ended,
      suppressed: this.#suppressed,
      pending,
      anonymous: this.anonymous,
      evicted: this.#evicted,
      size: this.#done.size
    }
  }

  /** Whether the last evaluation of the flag that was found exposed was the same one. If so, it counts. */
  isLatest(flagKey: string, result: string, domain: string, subject: string): boolean {
    const latest = this.#latest.get(flagKey)
    return latest !== undefined && latest.subject === subject && latest.result === result &&
      latest.domain === domain && this.#hit(latest.key, latest.mark)
  }

  /** Whether there is nothing to do for the key. If so, it counts. */
  isKnown(key: string, flagKey: string, result: string, domain: string, subject: string): boolean {
    const mark = this.#done.peek(key)
    if (mark !== undefined && this.#hit(key, mark)) {
      if (subject.length + result.length + domain.length + flagKey.length > maxLatestLength) return true
      const latest = this.#latest.get(flagKey)
      if (latest === undefined) {
        if (this.#latest.size >= maxLatest) this.#latest.clear()
        this.#latest.set(flagKey, { result, domain, subject, key, mark })
      } else {
        latest.result = result
        latest.domain = domain
        latest.subject = subject
        latest.key = key
        latest.mark = mark
      }
      return true
    }
    if (!this.#pending.has(key)) return false
    this.#suppressed++
    return true
  }

  #hit(key: string, mark: Mark): boolean {
    if (mark.until !== never && mark.until <= this.#clock.monotonicTimeNanosUnsafe()) return false
    if (this.#marks - mark.usedAt > this.#moveAfter) {
      mark.usedAt = this.#marks
      if (this.#done.peek(key) === mark) this.#done.use(key, mark)
    }
    this.#suppressed++
    return true
  }

  begin(key: string, flagKey: string, value: A): Sighting<A> {
    const sighting = new Sighting(key, flagKey, value, this.#clock.monotonicTimeNanosUnsafe())
    this.#pending.set(key, sighting)
    return sighting
  }

  isPending(sighting: Sighting<A>): boolean {
    return this.#pending.get(sighting.key) === sighting
  }

  /** Returns what has become of it in fact, if it was for this process to expose it. */
  end(outcome: Outcome, { key, remaining, result, seenAt }: Sighting<A>): Outcome | undefined {
    this.#pending.delete(key)
    if (result === "elsewhere") {
      this.#suppressed++
      if (remaining !== undefined) this.#mark(key, this.#after(remaining))
      return undefined
    }
    const actual = result === "accepted" ? "delivered" : outcome
    this.#ended[actual]++
    if (actual === "delivered") this.#mark(key, this.#window === undefined ? never : seenAt + this.#window)
    return actual
  }

  #after(millis: number): bigint {
    if (millis >= Number.MAX_SAFE_INTEGER) return never
    // What makes no sense must not suppress exposures for ever.
    return this.#clock.monotonicTimeNanosUnsafe() + (millis >= 0 ? BigInt(Math.floor(millis * 1e6)) : 0n)
  }

  #mark(key: string, until: bigint): void {
    const forgotten = this.#done.set(key, { until, usedAt: ++this.#marks })
    if (forgotten !== undefined && forgotten.until > this.#clock.monotonicTimeNanosUnsafe()) this.#evicted++
  }

  reset(): void {
    this.#done.clear()
    this.#latest.clear()
  }
}
