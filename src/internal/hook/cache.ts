/** A cache around the provider: `before` answers from a store, and `after` puts there what the provider resolved. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type EvaluationDetails, isKept, keep, type ResolutionDetails } from "../../EvaluationDetails.ts"
import type * as EvaluationError from "../../EvaluationError.ts"
import type { HookContext } from "../../HookContext.ts"
import type { Stage } from "../../HookFailures.ts"
import { Advice } from "../check.ts"
import * as Services from "../services.ts"
import { tryOr } from "../untrusted.ts"
import { Calls, fits, type Settings as CallSettings } from "./cacheCalls.ts"
import { type Flight, Flights, now } from "./cacheFlights.ts"
import type { Keys, Made } from "./cacheKey.ts"
import type { Key, Lookup } from "./cacheStore.ts"
import { isInterruption } from "./interruption.ts"
import { type Contribution, settle, type Settling } from "./part.ts"
import { Nesting } from "./registration.ts"
import { unserved } from "./server.ts"
import { tell } from "./tell.ts"
import { many, Unseen } from "./unseen.ts"
import { isServed } from "./view.ts"

export type Result = "hit" | "stale" | "shared" | "miss" | "bypass"

export interface Settings extends CallSettings {
  readonly keys: Keys
  /** In milliseconds. What has no positive time is not stored. */
  readonly timeToLive: (details: EvaluationDetails, context: HookContext) => number
  readonly errorTime: (error: EvaluationError.EvaluationError) => number
  readonly staleFor: number
  readonly waitTimeout: number
  readonly count: (flagKey: string, result: Result) => void
}

/** What the cache knows about one evaluation. */
export class Turn {
  /** None if the cache has no part in the evaluation. */
  key: Made | undefined = undefined
  version: Lookup["version"] = undefined
  isAnswered = false
  /** Whether its answer was for another subject in the end. */
  isUnserved = false
  isRefresh = false
  flight: Flight | undefined = undefined
}

class Answer implements Settling {
  readonly resolution: ResolutionDetails
  readonly #keys: Keys
  readonly #turn: Turn
  readonly #key: Made

  constructor(resolution: ResolutionDetails, keys: Keys, turn: Turn, key: Made) {
    this.resolution = resolution
    this.#keys = keys
    this.#turn = turn
    this.#key = key
  }
  [settle](context: HookContext, resolution: ResolutionDetails): ResolutionDetails | undefined {
    this.#turn.isUnserved = !this.#keys.isStill(context, this.#key)
    return this.#turn.isUnserved ? undefined : resolution
  }
}

/** How many flags the cache keeps away from one by one. */
const maxMisplaced = 1000

export class Cache {
  readonly calls: Calls
  readonly #settings: Settings
  readonly #flights: Flights
  readonly #misplaced = new Set<string>()
  #isTold = false
  /** Only until each attribute of the key was seen, or its lack was told. */
  #unseen: Unseen | undefined
  hits = 0
  stale = 0
  shared = 0
  misses = 0
  bypassed = 0

  constructor(settings: Settings) {
    this.#settings = settings
    this.#unseen = Unseen.of(settings.keys.names)
    this.calls = new Calls(settings)
    this.#flights = new Flights(settings.waitTimeout)
  }

  before(context: HookContext, turn: Turn): Contribution | Effect.Effect<Contribution | undefined> | undefined {
    if (context.resolution !== undefined) return undefined
    const { count, keys, waitTimeout } = this.#settings
    const { flagKey } = context
    const key = this.#hasPart(context) ? keys.of(context) : undefined
    if (key === undefined) {
      this.bypassed++
      count(flagKey, "bypass")
      return undefined
    }
    turn.key = key
    if (this.#unseen !== undefined) this.#look(this.#unseen, context)
    const found = this.calls.get(key, waitTimeout)
    if (!Effect.isEffect(found)) return this.#decide(context, turn, key, found)
    return Effect.flatMap(found, (lookup) => {
      const result = this.#decide(context, turn, key, lookup)
      return Effect.isEffect(result) ? result : Exit.succeed(result)
    })
  }

  after(context: HookContext, details: EvaluationDetails, turn: Turn): void {
    const { key } = turn
    if (key === undefined || (turn.isAnswered && !turn.isUnserved)) return
    if (!this.#settings.keys.isStill(context, key)) {
      this.#settle(turn, undefined)
      return this.#misplace(context, "after")
    }
    if (context.resolution !== undefined) return this.#settle(turn, undefined)
    const timeToLive = this.#timeOf(context, "after", () => this.#settings.timeToLive(details, context))
    const { flagMetadata, value, variant } = details
    this.#keep(context, "after", turn, key, timeToLive, {
      value,
      ...variant === undefined ? undefined : { variant },
      reason: "CACHED",
      flagMetadata
    })
  }

  error(context: HookContext, error: EvaluationError.EvaluationError, turn: Turn): void {
    const { key } = turn
    if (key === undefined) return
    if (turn.isAnswered) {
      // The provider was asked after all, and failed.
      if (turn.isUnserved) this.#misplace(context, "error")
      return
    }
    const timeToLive = isInterruption(error)
      ? 0
      : this.#timeOf(context, "error", () => this.#settings.errorTime(error))
    if (timeToLive > 0 && context.resolution === undefined && this.#settings.keys.isStill(context, key)) {
      const errorMessage = "the flag could not be resolved before, and the error was cached"
      this.#keep(context, "error", turn, key, timeToLive, { errorCode: error.code, errorMessage, reason: "ERROR" })
    } else this.#settle(turn, undefined)
  }

  /** Also for an evaluation that was interrupted, or whose other stages never ran. */
  finally(turn: Turn): void {
    this.#settle(turn, undefined)
  }

  #hasPart(context: HookContext): boolean {
    const { flagKey } = context
    if (isServed(context)) return this.#misplaced.size === 0 || !this.#isMisplaced(flagKey)
    if (!this.#isTold) {
      this.#isTold = true
      tell(this.#settings.name, "before", flagKey, unserved())
    }
    return false
  }

  // An attribute that nobody has makes no difference, so all would share the answers that it should keep apart.
  #look(unseen: Unseen, context: HookContext): void {
    const missing = unseen.look(context)
    if (missing === undefined) return
    this.#unseen = undefined
    if (missing === "") return
    const what =
      `none of ${many} evaluations had ${missing} of the key, so it keeps no answers apart; check the name, ` +
      "and put the hook after those that add it"
    tell(this.#settings.name, "before", context.flagKey, new Advice(what))
  }

  #decide(
    context: HookContext,
    turn: Turn,
    key: Made,
    { answer, isClaimed, isStale, version }: Lookup
  ): Contribution | Effect.Effect<Contribution | undefined> | undefined {
    turn.version = version
    if (answer !== undefined && !(isStale && isClaimed)) {
      if (isStale) this.stale++
      else this.hits++
      return this.#answer(turn, key, answer, isStale ? "stale" : "hit")
    }
    turn.isRefresh = answer !== undefined
    const flight = turn.isRefresh ? undefined : this.#flights.of(key, version)
    // A nested evaluation may be what the flight waits for.
    return flight === undefined || flight.isOf(context) || Context.get(Services.current(), Nesting).depth > 1
      ? this.#ask(context, turn, key)
      : this.#wait(context, turn, key, flight, now() + this.#settings.waitTimeout)
  }

  #wait(
    context: HookContext,
    turn: Turn,
    key: Made,
    flight: Flight,
    until: number
  ): Effect.Effect<Contribution | undefined> {
    return Effect.flatMap(this.#flights.landing(flight, until), (landing) => {
      if (landing === "lost") {
        const next = now() < until ? this.#flights.of(key, turn.version) : undefined
        if (next !== undefined) return this.#wait(context, turn, key, next, until)
      } else if (landing !== undefined) {
        this.shared++
        return Exit.succeed(this.#answer(turn, key, landing, "shared"))
      }
      return Exit.succeed(this.#ask(context, turn, key))
    })
  }

  #answer(turn: Turn, key: Made, resolution: ResolutionDetails, result: Result): Settling {
    turn.isAnswered = true
    this.#settings.count(key.flagKey, result)
    // A later hook can change the subject, and nobody may get the answer of another one.
    return new Answer(resolution, this.#settings.keys, turn, key)
  }

  /** Lets the provider resolve the flag, and others with the key wait for it. */
  #ask(context: HookContext, turn: Turn, key: Key): undefined {
    this.misses++
    this.#settings.count(key.flagKey, "miss")
    turn.flight = this.#flights.begin(context, key, turn.version)
  }

  #settle({ flight }: Turn, answer: ResolutionDetails | undefined): undefined {
    if (flight !== undefined) this.#flights.end(flight, answer)
  }

  #keep(
    { flagKey }: HookContext,
    stage: Stage,
    turn: Turn,
    key: Key,
    timeToLive: number,
    given: ResolutionDetails
  ): void {
    const answer = keep(given)
    const { staleFor } = this.#settings
    const { isRefresh, version } = turn
    const kept = timeToLive > 0 && answer !== undefined && isKept(answer) && fits(answer, key) ? answer : undefined
    if (version !== undefined && kept !== undefined) {
      this.calls.tell(stage, flagKey, (store) => store.set(key, kept, { version, timeToLive, staleFor }))
    } else if (isRefresh && kept === undefined) this.calls.tell(stage, flagKey, (store) => store.remove(key))
    this.#settle(turn, kept)
  }

  #timeOf({ flagKey }: HookContext, stage: Stage, time: () => number): number {
    return tryOr(time, (error) => {
      this.calls.report(stage, flagKey, Cause.die(error))
      return 0
    })
  }

  #isMisplaced(flagKey: string): boolean {
    return this.#misplaced.size >= maxMisplaced || this.#misplaced.has(flagKey)
  }

  /** The provider got another subject than the cache. */
  #misplace(context: HookContext, stage: Stage): void {
    const { flagKey } = context
    if (this.#isMisplaced(flagKey)) return
    this.#misplaced.add(flagKey)
    const what =
      "a later hook changes the attributes of the key, so this flag is no longer cached; put the cache behind that hook"
    tell(this.#settings.name, stage, flagKey, new Advice(what))
  }
}
