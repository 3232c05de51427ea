/** Hands exposures to a sink, after the store was asked whether another process has done so. */
import * as SecureRandom from "effect/crypto/SecureRandom"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { cast } from "effect/Function"
import type * as Schedule from "effect/Schedule"
import * as HookFailures from "../../HookFailures.ts"
import { ignoreRejection, read, readString } from "../untrusted.ts"
import type { Sighting } from "./exposed.ts"
import type { Store } from "./exposureStore.ts"
import * as Part from "./part.ts"

export interface Sharing {
  readonly store: Store
  /** The maximum time for each question to the store. */
  readonly timeout: Duration.Duration
  readonly lease: Duration.Duration
  readonly window: Duration.Duration
}

export interface Settings<A, B> {
  readonly name: string
  readonly sharing: Sharing | undefined
  readonly retry: Schedule.Schedule<unknown> | undefined
  /** What the sink and the store get. It is made here, and not in the evaluation. */
  readonly finish: (value: A) => { readonly id: string; readonly exposure: B }
  /** Gives an effect, a promise, or nothing. */
  readonly send: (exposures: ReadonlyArray<B>) => unknown
}

/** `R` is what the result of `send` requires. */
export const publish = <A, B, R>({ finish, name, retry, send, sharing }: Settings<A, B>) => {
  const deliver = (
    sightings: ReadonlyArray<Sighting<A>>,
    exposures: ReadonlyArray<B>
  ): Effect.Effect<void, unknown, R> => {
    const sent = Effect.suspend(() =>
      cast<Part.Result, Effect.Effect<unknown, unknown, R> | undefined>(Part.resultOf(send(exposures), "finally")) ??
        Effect.void
    )
    return Effect.map(retry === undefined ? sent : Effect.retry(sent, retry), () => {
      for (const sighting of sightings) sighting.result = "accepted"
    })
  }

  return (sightings: ReadonlyArray<Sighting<A>>): Effect.Effect<void, unknown, R> =>
    Effect.suspend(() => {
      const made = sightings.map((sighting) => ({ sighting, ...finish(sighting.value) }))
      if (sharing === undefined) return deliver(sightings, made.map(({ exposure }) => exposure))
      const { lease, store, timeout, window } = sharing
      const owner = SecureRandom.uuidV4Unsafe()
      const ask = <C>(question: () => Effect.Effect<C, unknown>) =>
        bounded(question, timeout).pipe(
          Effect.catchCause((cause) =>
            HookFailures.report({ hook: name, stage: "finally", flagKey: sightings[0]?.flagKey ?? "", cause })
          )
        )
      return Effect.flatMap(ask(() => store.reserve(made.map(({ id }) => id), owner, lease)), (reservations) => {
        // A store that does not answer loses no exposure.
        const mine = made.filter(({ sighting }, index) => isOurs(sighting, read(reservations, index)))
        if (mine.length === 0) return Effect.void
        const ids = mine.map(({ id }) => id)
        return Effect.onExit(
          deliver(mine.map(({ sighting }) => sighting), mine.map(({ exposure }) => exposure)),
          (exit) => ask(() => Exit.isSuccess(exit) ? store.confirm(ids, owner, window) : store.release(ids, owner))
        )
      })
    })
}

const isOurs = <A>(sighting: Sighting<A>, reservation: unknown): boolean => {
  const state = readString(reservation, "state")
  if (state !== "pending" && state !== "exposed") return true
  sighting.result = "elsewhere"
  if (state === "exposed") {
    const remaining = read(reservation, "remaining")
    sighting.remaining = typeof remaining === "number" ? remaining : Number.POSITIVE_INFINITY
  }
  return false
}

// Code without types can give a promise.
const asEffect = <C>(asked: Effect.Effect<C, unknown>): Effect.Effect<C, unknown> => {
  if (Effect.isEffect(asked)) return asked
  ignoreRejection(asked)
  return Exit.die(new TypeError("the store gave no effect"))
}

// Detached, since the store may not end when it is interrupted, and since a reservation is released also when its
// batch is given up.
const bounded = <C>(question: () => Effect.Effect<C, unknown>, limit: Duration.Duration): Effect.Effect<C, unknown> =>
  Effect.flatMap(
    Effect.forkDetach(Effect.timeout(Effect.suspend(() => asEffect(question())), limit), { startImmediately: true }),
    (fiber) => Effect.timeout(Effect.interruptible(Fiber.join(fiber)), limit)
  )
