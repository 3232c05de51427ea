/** Which exposures are done or under way, and what has become of each one. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import { Named, type Names } from "./named.ts"
import type { Outcome } from "./work.ts"

/** What is remembered of an exposure. */
class Mark implements Names {
  readonly domain: string
  readonly flagKey: string
  readonly result: string
  readonly subject: string
  /** Whether it is on its way to the sink. Then it is not forgotten. */
  isPending = false
  /** The end of its window. */
  until = 0n
  /** The number of marks so far when it was used as the newest one. */
  usedAt = 0

  constructor({ domain, flagKey, result, subject }: Names) {
    this.domain = domain
    this.flagKey = flagKey
    this.result = result
    this.subject = subject
  }
}

/** An exposure on its way to the sink. */
export class Sighting<A> {
  readonly mark: Mark
  readonly flagKey: string
  readonly value: A
  /** Nanoseconds of the monotonic clock. */
  readonly seenAt: bigint
  /** How often everything was forgotten before. */
  readonly resets: number
  /** Set before the outcome of its batch is known: a batch can be given up after its sink has accepted it. */
  result: "accepted" | "elsewhere" | undefined = undefined
  /** The milliseconds for which it stays exposed elsewhere, which can be infinite. None if another only tries to. */
  remaining: number | undefined = undefined

  constructor(mark: Mark, flagKey: string, value: A, seenAt: bigint, resets: number) {
    this.mark = mark
    this.flagKey = flagKey
    this.value = value
    this.seenAt = seenAt
    this.resets = resets
  }
}

/** Later than any time of a clock. */
const never = 1n << 100n

export class Exposed<A> {
  readonly #clock: Clock.Clock
  readonly #window: bigint | undefined
  readonly #capacity: number
  /** Moving a mark takes longer than all else, so it is moved only when it could be forgotten soon. */
  readonly #moveAfter: number
  readonly #marks = new Named<Mark>()
  /** Those that are not pending, the least recently used one first. */
  readonly #done = new Set<Mark>()
  /** How many were done so far. */
  #added = 0
  #pending = 0
  #resets = 0
  readonly #ended: Record<Outcome, number> = { delivered: 0, dropped: 0, failed: 0 }
  #suppressed = 0
  #evicted = 0
  anonymous = 0

  constructor(clock: Clock.Clock, window: Duration.Duration, capacity: number) {
    this.#clock = clock
    this.#window = Duration.isFinite(window) ? Duration.toNanosUnsafe(window) : undefined
    this.#capacity = capacity
    this.#moveAfter = capacity / 4
  }

  get counts() {
    const { delivered, dropped, failed } = this.#ended
    const pending = this.#pending
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

  /** Whether there is nothing to do. If so, it counts. */
  isKnown(domain: string, flagKey: string, result: string, subject: string): boolean {
    const mark = this.#marks.get(domain, flagKey, result, subject)
    if (mark === undefined) return false
    if (!mark.isPending) {
      if (mark.until !== never && mark.until <= this.#clock.monotonicTimeNanosUnsafe()) return false
      if (this.#added - mark.usedAt > this.#moveAfter) {
        mark.usedAt = this.#added
        this.#done.delete(mark)
        this.#done.add(mark)
      }
    }
    this.#suppressed++
    return true
  }

  /** For what is not known. */
  begin(names: Names, flagKey: string, value: A): Sighting<A> {
    const found = this.#marks.get(names.domain, names.flagKey, names.result, names.subject)
    const mark = found ?? new Mark(names)
    if (found === undefined) this.#marks.add(mark)
    else this.#done.delete(mark)
    mark.isPending = true
    this.#pending++
    return new Sighting(mark, flagKey, value, this.#clock.monotonicTimeNanosUnsafe(), this.#resets)
  }

  /** Returns what has become of it in fact, if it was for this process to expose it. */
  end(outcome: Outcome, { mark, remaining, resets, result, seenAt }: Sighting<A>): Outcome | undefined {
    mark.isPending = false
    this.#pending--
    // What was on its way when everything was forgotten is forgotten as well.
    const isForgotten = resets !== this.#resets
    if (result === "elsewhere") {
      this.#suppressed++
      this.#keep(mark, remaining === undefined || isForgotten ? undefined : this.#after(remaining))
      return undefined
    }
    const actual = result === "accepted" ? "delivered" : outcome
    this.#ended[actual]++
    const until = this.#window === undefined ? never : seenAt + this.#window
    this.#keep(mark, actual === "delivered" && !isForgotten ? until : undefined)
    return actual
  }

  #after(millis: number): bigint {
    if (millis >= Number.MAX_SAFE_INTEGER) return never
    // What makes no sense must not suppress exposures for ever.
    return this.#clock.monotonicTimeNanosUnsafe() + (millis >= 0 ? BigInt(Math.floor(millis * 1e6)) : 0n)
  }

  #keep(mark: Mark, until: bigint | undefined): void {
    if (until === undefined) return this.#forget(mark)
    mark.until = until
    mark.usedAt = ++this.#added
    this.#done.add(mark)
    if (this.#done.size <= this.#capacity) return
    for (const oldest of this.#done) {
      this.#forget(oldest)
      if (oldest.until > this.#clock.monotonicTimeNanosUnsafe()) this.#evicted++
      return
    }
  }

  #forget(mark: Mark): void {
    this.#done.delete(mark)
    this.#marks.delete(mark)
  }

  reset(): void {
    this.#resets++
    for (const mark of this.#done) this.#forget(mark)
  }
}
