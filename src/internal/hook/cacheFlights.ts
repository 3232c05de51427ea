/** Evaluations that ask the provider, and others with the same key that wait for them. */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { ResolutionDetails } from "../../EvaluationDetails.ts"
import type { HookContext } from "../../HookContext.ts"
import * as Services from "../services.ts"
import type { Key, Lookup } from "./cacheStore.ts"
import { Nesting, type Registration, type Tracked } from "./registration.ts"
import { sourceOf } from "./view.ts"

type Version = Lookup["version"]

/** What those that wait get. After `"lost"`, one of them asks; after `undefined`, each of them does. */
export type Landing = ResolutionDetails | "lost" | undefined

export const now = (): number => Number(Services.clock().monotonicTimeNanosUnsafe()) / 1e6

/** The SDK passes one context object to all hooks of an evaluation, and only to them. */
const evaluationOf = (context: HookContext): object | undefined => sourceOf(context)?.sdk.context

/** One evaluation that asks the provider. */
export class Flight implements Tracked {
  readonly #flights: Flights
  readonly text: string
  readonly version: Version
  /** In milliseconds of the monotonic clock. */
  readonly endsAt: number
  readonly registration: Registration | undefined
  readonly #evaluation: object | undefined
  readonly done = Deferred.makeUnsafe<Landing>()
  readonly fiber = undefined

  constructor(
    flights: Flights,
    text: string,
    version: Version,
    endsAt: number,
    registration: Registration | undefined,
    evaluation: object | undefined
  ) {
    this.#flights = flights
    this.text = text
    this.version = version
    this.endsAt = endsAt
    this.registration = registration
    this.#evaluation = evaluation
  }

  /** A hook that was given twice must not wait for itself. */
  isOf(context: HookContext): boolean {
    return this.#evaluation !== undefined && this.#evaluation === evaluationOf(context)
  }

  /** The later stages of the evaluation will not run. */
  onClose(): void {
    this.#flights.end(this, "lost")
  }
}

export class Flights {
  readonly #waitTimeout: number
  /** The one that ends first comes first. */
  readonly #flights = new Set<Flight>()
  /** The last one of each key. Others of it began before an invalidation. */
  readonly #byKey = new Map<string, Flight>()

  /** In milliseconds. */
  constructor(waitTimeout: number) {
    this.#waitTimeout = waitTimeout
  }

  /** What an evaluation can wait for. What began before an invalidation tells nothing after it. */
  of({ text }: Key, version: Version): Flight | undefined {
    const flight = this.#byKey.get(text)
    return flight !== undefined && flight.version === version && now() < flight.endsAt ? flight : undefined
  }

  /** Returns `undefined` if others wait for another evaluation already. */
  begin(context: HookContext, key: Key, version: Version): Flight | undefined {
    if (this.of(key, version) !== undefined) return undefined
    const time = now()
    this.#forget(time)
    const { isDetached, registration } = Context.get(Services.current(), Nesting)
    const flight = new Flight(
      this,
      key.text,
      version,
      time + this.#waitTimeout,
      isDetached ? undefined : registration,
      evaluationOf(context)
    )
    this.#flights.add(flight)
    this.#byKey.set(key.text, flight)
    flight.registration?.add(flight)
    sourceOf(context)?.evaluation?.onInterrupt(() => flight.onClose())
    return flight
  }

  end(flight: Flight, landing: Landing): void {
    this.#remove(flight)
    Deferred.doneUnsafe(flight.done, Exit.succeed(landing))
  }

  /** Waits no longer than until the given time. */
  landing(flight: Flight, until: number): Effect.Effect<Landing> {
    const wait = Effect.timeoutOption(Deferred.await(flight.done), Math.min(flight.endsAt, until) - now())
    return Effect.map(wait, (found) => found._tag === "Some" ? found.value : undefined)
  }

  // Of an evaluation whose provider hangs, nothing more may be heard.
  #forget(time: number): void {
    for (const flight of this.#flights) {
      if (time < flight.endsAt) return
      this.#remove(flight)
    }
  }

  #remove(flight: Flight): void {
    this.#flights.delete(flight)
    if (this.#byKey.get(flight.text) === flight) this.#byKey.delete(flight.text)
    flight.registration?.delete(flight)
  }
}
