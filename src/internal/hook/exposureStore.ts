/** What processes tell each other about exposures, so that a subject is exposed once. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Recent } from "../recent.ts"

export interface Reservation {
  /**
   * `"reserved"` for the caller, `"pending"` while another holds the reservation, or
   * `"exposed"` when a sink has accepted the exposure.
   */
  readonly state: "reserved" | "pending" | "exposed"
  /** The milliseconds for which it stays exposed. By default without end. */
  readonly remaining?: number | undefined
}

export interface Store {
  /** Reserves keys for the owner, for the time of the lease. Gives one reservation per key, in their order. */
  readonly reserve: (
    keys: ReadonlyArray<string>,
    owner: string,
    lease: Duration.Duration
  ) => Effect.Effect<ReadonlyArray<Reservation>, unknown>
  /** Marks keys as exposed for the time of the window, which can be infinite, whoever has reserved them. */
  readonly confirm: (
    keys: ReadonlyArray<string>,
    owner: string,
    window: Duration.Duration
  ) => Effect.Effect<void, unknown>
  /** Gives up the reservations that the owner still has. */
  readonly release: (keys: ReadonlyArray<string>, owner: string) => Effect.Effect<void, unknown>
}

interface Entry {
  /** `undefined` once it is exposed. */
  readonly owner: string | undefined
  /** Nanoseconds of the monotonic clock; without end if `undefined`. */
  readonly until: bigint | undefined
}

const endOf = (now: bigint, time: Duration.Duration): bigint | undefined =>
  Duration.isFinite(time) ? now + Duration.toNanosUnsafe(time) : undefined

export const makeMemory = (capacity: number): Effect.Effect<Store> =>
  Effect.map(Clock.Clock, (clock) => {
    const entries = new Recent<Entry>(capacity)
    const find = (key: string, now: bigint): Entry | undefined => {
      const entry = entries.peek(key)
      return entry?.until !== undefined && entry.until <= now ? undefined : entry
    }
    return {
      reserve: (keys, owner, lease) =>
        Effect.sync(() => {
          const now = clock.monotonicTimeNanosUnsafe()
          const until = endOf(now, lease)
          return keys.map((key): Reservation => {
            const entry = find(key, now)
            if (entry === undefined) {
              entries.set(key, { owner, until })
              return { state: "reserved" }
            }
            if (entry.owner === owner) return { state: "reserved" }
            if (entry.owner !== undefined) return { state: "pending" }
            const remaining = entry.until === undefined ? undefined : Number(entry.until - now) / 1e6
            return { state: "exposed", remaining }
          })
        }),
      confirm: (keys, _owner, window) =>
        Effect.sync(() => {
          const until = endOf(clock.monotonicTimeNanosUnsafe(), window)
          for (const key of keys) entries.set(key, { owner: undefined, until })
        }),
      release: (keys, owner) =>
        Effect.sync(() => {
          for (const key of keys) {
            const entry = entries.peek(key)
            if (entry?.owner === owner) entries.delete(key, entry)
          }
        })
    }
  })
