/** Where a cache keeps its answers. */
import type * as SDK from "@openfeature/server-sdk"
import type * as Effect from "effect/Effect"
import type { ResolutionDetails } from "../../EvaluationDetails.ts"

/** What an answer is stored under. */
export interface Key {
  /** The domain of the client, if it has one. */
  readonly domain: string | undefined
  /** The key of the flag. */
  readonly flagKey: string
  /** The type of the flag. */
  readonly flagValueType: SDK.FlagValueType
  /**
   * The whole key, with the attributes of the evaluation context in clear. No two
   * different evaluations have the same text. A store that others can read should
   * keep a hash of it, over its UTF-16 code units.
   */
  readonly text: string
}

/** The flags whose answers are outdated. Without a name, all of them. */
export interface Scope {
  /** The domain of the clients. All domains by default. */
  readonly domain?: string | undefined
  /** The key of the flag. All flags by default. */
  readonly flagKey?: string | undefined
}

/** What a store knows about a key. */
export interface Lookup {
  /** The answer, unless there is none. */
  readonly answer: ResolutionDetails | undefined
  /** Whether the time to live of the answer is over. */
  readonly isStale: boolean
  /** Whether the caller is the one that refreshes a stale answer. */
  readonly isClaimed: boolean
  /**
   * Changes whenever the key is invalidated. Without it, nothing can be stored for
   * this lookup.
   */
  readonly version: string | number | undefined
}

/** How an answer is stored. */
export interface Storing {
  /** The version that the lookup before the evaluation told. */
  readonly version: string | number
  /** How long the answer is fresh, in milliseconds. Can be infinite. */
  readonly timeToLive: number
  /** How long it may be served after that, in milliseconds. */
  readonly staleFor: number
}

/**
 * Where a cache keeps its answers. An effect that is already an `Exit` costs an
 * evaluation no fiber.
 */
export interface Store {
  /**
   * Looks up a key. Of all that find the same stale answer within `claim`
   * milliseconds, one gets the claim to refresh it.
   */
  readonly get: (key: Key, claim: number) => Effect.Effect<Lookup, unknown>
  /**
   * Stores an answer, unless the key was invalidated since the version was told. When
   * the store takes no such answer, it forgets the one before.
   */
  readonly set: (key: Key, answer: ResolutionDetails, storing: Storing) => Effect.Effect<void, unknown>
  /** Forgets an answer. */
  readonly remove: (key: Key) => Effect.Effect<void, unknown>
  /**
   * Makes sure that no answer is served that was stored, or that was looked up for,
   * before.
   */
  readonly invalidate: (scope: Scope) => Effect.Effect<void, unknown>
}
