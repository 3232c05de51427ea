/** What providers gave in a transaction. A value that holds is never replaced. */
import type * as SDK from "@openfeature/server-sdk"
import { cast } from "effect/Function"
import { type ResolutionDetails, resolutionFrom } from "../../EvaluationDetails.ts"
import * as EvaluationError from "../../EvaluationError.ts"
import * as Services from "../services.ts"
import { tryOr } from "../untrusted.ts"
import { Flight } from "./flight.ts"
import { serve } from "./serve.ts"

export interface Landed {
  /** What the provider gave, for the evaluation that asked it. */
  readonly given: unknown
  /** For the others. `undefined` if a provider gave something that is no resolution. */
  readonly shared: ResolutionDetails | undefined
  /** Whether the evaluation that asked gets `shared` too: it is of an earlier request, or a failure that is kept. */
  readonly isForAll: boolean
  /** Whether `shared` is of an earlier request. */
  readonly isOlder: boolean
}

export class TransactionCache {
  readonly #known = new Map<string, ResolutionDetails>()
  readonly #flights = new Map<string, Flight<Landed>>()
  readonly #keepsErrors: boolean
  // The SDK calls the provider outside of all fibers.
  readonly #clock = Services.clock()
  #capacity: number
  #users = 0

  constructor(capacity: number, keepsErrors: boolean) {
    this.#capacity = capacity
    this.#keepsErrors = keepsErrors
  }

  get(key: string): ResolutionDetails | undefined {
    return this.#known.get(key)
  }
  flight(key: string): Flight<Landed> | undefined {
    const found = this.#flights.get(key)
    return found?.isJoinable === true ? found : undefined
  }
  get isFull(): boolean {
    return this.#known.size + this.#flights.size >= this.#capacity
  }
  open(): this {
    this.#users++
    return this
  }
  /** The last transaction that uses it ends. It keeps no more, and forgets everything. */
  close(): void {
    if (--this.#users > 0) return
    this.#capacity = 0
    this.#known.clear()
    this.#flights.clear()
  }

  start(key: string, type: SDK.FlagValueType, ask: () => Promise<unknown>): Flight<Landed> {
    // A provider can throw at once.
    const asking = async () => ask()
    const flight = new Flight<Landed>(this.#clock, (flight) =>
      asking().then(
        (given) => this.#land(key, flight, given, resolved(given), type),
        (error: unknown) => {
          const landed = this.#land(key, flight, undefined, this.#keepsErrors ? failed(error) : undefined, type)
          if (landed.shared === undefined) throw error
          return landed
        }
      ))
    this.#flights.set(key, flight)
    return flight
  }

  /** Lets later evaluations ask anew. Of several requests, the first to end with a value holds. */
  abandon(key: string, flight: Flight<Landed>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
  }

  /** A hook gave what another hook has rejected. It can be for another subject, as a cache finds out afterwards. */
  forget(key: string, resolution: ResolutionDetails): void {
    if (this.#known.get(key) === resolution) this.#known.delete(key)
  }

  #land(
    key: string,
    flight: Flight<Landed>,
    given: unknown,
    shared: ResolutionDetails | undefined,
    type: SDK.FlagValueType
  ): Landed {
    const older = this.#known.get(key)
    this.abandon(key, flight)
    if (older !== undefined) return { given, shared: older, isForAll: true, isOlder: true }
    if (shared !== undefined && this.#keeps(shared, type) && this.#known.size < this.#capacity) {
      this.#known.set(key, shared)
      // Whoever waits for a later request need not wait for longer.
      const later = this.#flights.get(key)
      this.#flights.delete(key)
      later?.land({ given, shared, isForAll: true, isOlder: true })
    }
    return { given, shared, isForAll: given === undefined, isOlder: false }
  }

  #keeps({ errorCode, value }: ResolutionDetails, type: SDK.FlagValueType): boolean {
    return this.#keepsErrors || (errorCode === undefined && typeof value === type)
  }
}

const resolved = (given: unknown): ResolutionDetails | undefined => {
  const resolution = tryOr(() => resolutionFrom(given), () => undefined)
  return resolution && Object.freeze({ ...resolution, reason: "CACHED" })
}

const failed = (error: unknown): ResolutionDetails => {
  const { code, message } = EvaluationError.fromUnknown(error)
  return Object.freeze({ errorCode: code, errorMessage: message, flagMetadata: Object.freeze({}) })
}

/** What the evaluation that asked is given. */
export const given = <A>(
  type: SDK.FlagValueType,
  { given, isForAll, shared }: Landed
): Promise<SDK.ResolutionDetails<A>> =>
  isForAll && shared !== undefined
    ? serve(type, shared)
    : Promise.resolve(cast<unknown, SDK.ResolutionDetails<A>>(given))

/** What the others are given. */
export const shared = <A>(type: SDK.FlagValueType, { given, shared }: Landed): Promise<SDK.ResolutionDetails<A>> =>
  shared === undefined ? Promise.resolve(cast<unknown, SDK.ResolutionDetails<A>>(given)) : serve(type, shared)
