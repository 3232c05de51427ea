/** A cache in memory. It answers at once. */
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { ResolutionDetails } from "../../EvaluationDetails.ts"
import { netstring } from "../hash.ts"
import { Recent } from "../recent.ts"
import * as Services from "../services.ts"
import type { Key, Lookup, Scope, Store, Storing } from "./cacheStore.ts"

interface Entry {
  readonly version: number
  /** The number of invalidations that have not made it outdated. */
  checked: number
  /** In milliseconds of the monotonic clock. */
  readonly freshUntil: number
  readonly staleUntil: number
  claimedUntil: number
  readonly answer: ResolutionDetails
  /** What a lookup of a fresh answer gives, made once. */
  readonly fresh: Effect.Effect<Lookup>
}

/** The most scopes whose last invalidation is remembered one by one. */
const maxScopes = 1024

const now = (): number => Number(Services.clock().monotonicTimeNanosUnsafe()) / 1e6

const nameOf = ({ domain, flagKey }: Scope): string =>
  `${domain === undefined ? "" : "d"}${flagKey === undefined ? "" : "f"}${netstring(domain ?? "", flagKey ?? "")}`

export class Memory implements Store {
  readonly #entries: Recent<Entry>
  /** The number of the last invalidation of a scope. */
  readonly #scopes = new Recent<number>(maxScopes)
  /** The number of the last invalidation of everything, and of scopes that are no longer remembered. */
  #all = 0
  #invalidations = 0
  evicted = 0

  constructor(capacity: number) {
    this.#entries = new Recent(capacity)
  }
  get size(): number {
    return this.#entries.size
  }

  get(key: Key, claim: number): Effect.Effect<Lookup> {
    const entry = this.#entries.peek(key.text)
    if (entry === undefined) return this.#miss(key)
    const time = now()
    if (time >= entry.staleUntil || !this.#isCurrent(key, entry)) {
      this.#entries.delete(key.text, entry)
      return this.#miss(key)
    }
    this.#entries.use(key.text, entry)
    if (time < entry.freshUntil) return entry.fresh
    const isClaimed = time >= entry.claimedUntil
    if (isClaimed) entry.claimedUntil = time + claim
    return Exit.succeed({ answer: entry.answer, isStale: true, isClaimed, version: entry.version })
  }

  set(key: Key, answer: ResolutionDetails, { staleFor, timeToLive, version }: Storing): Effect.Effect<void> {
    if (typeof version !== "number" || this.#last(key) !== version) return Exit.void
    const time = now()
    const forgotten = this.#entries.set(key.text, {
      version,
      checked: this.#invalidations,
      freshUntil: time + timeToLive,
      staleUntil: time + timeToLive + staleFor,
      claimedUntil: 0,
      answer,
      fresh: Exit.succeed({ answer, isStale: false, isClaimed: false, version })
    })
    if (forgotten !== undefined && time < forgotten.staleUntil) this.evicted++
    return Exit.void
  }

  remove({ text }: Key): Effect.Effect<void> {
    const entry = this.#entries.peek(text)
    if (entry !== undefined) this.#entries.delete(text, entry)
    return Exit.void
  }

  invalidate(scope: Scope): Effect.Effect<void> {
    const number = ++this.#invalidations
    if (scope.domain === undefined && scope.flagKey === undefined) {
      this.#all = number
      this.#entries.clear()
    } else {
      const forgotten = this.#scopes.set(nameOf(scope), number)
      // More answers than need be are outdated then, and never fewer.
      if (forgotten !== undefined) this.#all = Math.max(this.#all, forgotten)
    }
    return Exit.void
  }

  #miss(key: Key): Effect.Effect<Lookup> {
    return Exit.succeed({ answer: undefined, isStale: false, isClaimed: false, version: this.#last(key) })
  }

  #isCurrent(key: Key, entry: Entry): boolean {
    if (entry.checked === this.#invalidations) return true
    if (this.#last(key) !== entry.version) return false
    entry.checked = this.#invalidations
    return true
  }

  #last({ domain, flagKey }: Key): number {
    if (this.#scopes.size === 0) return this.#all
    const of = (scope: Scope): number => this.#scopes.peek(nameOf(scope)) ?? 0
    const ofFlag = Math.max(this.#all, of({ flagKey }))
    return domain === undefined ? ofFlag : Math.max(ofFlag, of({ domain }), of({ domain, flagKey }))
  }
}
