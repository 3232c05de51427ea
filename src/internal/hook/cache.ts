/** A cache around the provider: `before` answers from a store, and `after` puts there what the provider resolved. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { type EvaluationDetails, keep, type ResolutionDetails } from "../../EvaluationDetails.ts"
import * as EvaluationError from "../../EvaluationError.ts"
import type { HookContext } from "../../HookContext.ts"
import * as HookFailures from "../../HookFailures.ts"
import type { Stage } from "../../HookFailures.ts"
import { Misuse } from "../check.ts"
import * as Services from "../services.ts"
import { isRecord, tryOr } from "../untrusted.ts"
import type { Keys, Made } from "./cacheKey.ts"
import type { Key, Lookup, Store } from "./cacheStore.ts"
import { isInterruption } from "./interruption.ts"
import { type Call, Outage } from "./outage.ts"
import type { Contribution } from "./part.ts"
import { Nesting } from "./registration.ts"

export type Result = "hit" | "stale" | "shared" | "miss" | "bypass"

export interface Settings {
  readonly name: string
  readonly keys: Keys
  readonly store: Store
  readonly timeout: Duration.Duration
  /** In milliseconds. What has no positive time is not stored. */
  readonly timeToLive: (details: EvaluationDetails, context: HookContext) => number
  readonly errorTime: (error: EvaluationError.EvaluationError) => number
  readonly staleFor: number
  readonly waitTimeout: number
  readonly count: (flagKey: string, result: Result) => void
  readonly countError: () => void
}

/** An evaluation that asks the provider, and that others with its key wait for. */
class Flight {
  readonly version: Lookup["version"]
  /** In milliseconds of the monotonic clock. */
  readonly endsAt: number
  readonly done = Deferred.makeUnsafe<ResolutionDetails | undefined>()

  constructor(version: Lookup["version"], endsAt: number) {
    this.version = version
    this.endsAt = endsAt
  }
}

/** What the cache knows about one evaluation. */
export class Turn {
  /** None if the cache has no part in the evaluation. */
  key: Made | undefined = undefined
  version: Lookup["version"] = undefined
  isAnswered = false
  isRefresh = false
  flight: Flight | undefined = undefined
}

/** How many answers may be on their way to a slow store. */
const maxPending = 1000

/** How many flags the cache keeps away from one by one. */
const maxMisplaced = 1000

const now = (): number => Number(Services.clock().monotonicTimeNanosUnsafe()) / 1e6

const none: Lookup = { answer: undefined, isStale: false, isClaimed: false, version: undefined }

export class Cache {
  readonly #settings: Settings
  readonly #flights = new Map<string, Flight>()
  readonly #misplaced = new Set<string>()
  readonly #outage = new Outage(now)
  #pending = 0
  hits = 0
  stale = 0
  shared = 0
  misses = 0
  bypassed = 0
  errors = 0

  constructor(settings: Settings) {
    this.#settings = settings
  }

  before(context: HookContext, turn: Turn): Contribution | Effect.Effect<Contribution | undefined> | undefined {
    if (context.resolution !== undefined) return undefined
    const { count, keys, store, waitTimeout } = this.#settings
    const { flagKey } = context
    const key = this.#misplaced.size > 0 && this.#isMisplaced(flagKey) ? undefined : keys.of(context)
    if (key === undefined) {
      this.bypassed++
      count(flagKey, "bypass")
      return undefined
    }
    turn.key = key
    const call = this.#outage.begin()
    if (call === undefined) {
      this.#countError()
      return this.#decide(turn, key, none)
    }
    const found = tryOr(() => store.get(key, waitTimeout), Exit.die)
    if (Exit.isExit(found)) return this.#decide(turn, key, this.#read(key, found, call))
    return Effect.flatMap(this.#bounded(found), (exit) => {
      const result = this.#decide(turn, key, this.#read(key, exit, call))
      return Effect.isEffect(result) ? result : Exit.succeed(result)
    })
  }

  after(
    context: HookContext,
    details: EvaluationDetails,
    turn: Turn
  ): Effect.Effect<void, EvaluationError.EvaluationError> | undefined {
    const { key } = turn
    if (key === undefined) return undefined
    const { resolution } = context
    if (!this.#settings.keys.isStill(context, key)) {
      this.#settle(turn, undefined)
      return this.#misplace(context, turn.isAnswered && resolution !== undefined)
    }
    if (turn.isAnswered) return undefined
    if (resolution !== undefined) return this.#settle(turn, undefined)
    const timeToLive = this.#timeOf(context, "after", () => this.#settings.timeToLive(details, context))
    const { flagMetadata, value, variant } = details
    this.#keep(context, "after", turn, key, timeToLive, {
      value,
      ...variant === undefined ? undefined : { variant },
      reason: "CACHED",
      flagMetadata
    })
    return undefined
  }

  error(context: HookContext, error: EvaluationError.EvaluationError, turn: Turn): void {
    const { key } = turn
    if (key === undefined || turn.isAnswered) return
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

  #decide(
    turn: Turn,
    key: Key,
    lookup: Lookup
  ): Contribution | Effect.Effect<Contribution | undefined> | undefined {
    const { answer, isClaimed, isStale, version } = lookup
    turn.version = version
    if (answer !== undefined && !(isStale && isClaimed)) {
      if (isStale) this.stale++
      else this.hits++
      return this.#answer(turn, key, answer, isStale ? "stale" : "hit")
    }
    const flight = answer === undefined ? this.#flights.get(key.text) : undefined
    turn.isRefresh = answer !== undefined
    // What began before an invalidation tells nothing after it. A nested evaluation may be what the flight waits for.
    if (
      flight === undefined || flight.version !== version || now() >= flight.endsAt ||
      Context.get(Services.current(), Nesting).depth > 1
    ) {
      return this.#ask(turn, key)
    }
    const wait = Effect.timeoutOption(Deferred.await(flight.done), flight.endsAt - now())
    return Effect.map(wait, (found) => {
      const answer = found._tag === "Some" ? found.value : undefined
      if (answer === undefined) return this.#ask(turn, key)
      this.shared++
      return this.#answer(turn, key, answer, "shared")
    })
  }

  #read(key: Key, exit: Exit.Exit<Lookup, unknown>, call: Call): Lookup {
    if (Exit.isFailure(exit)) {
      if (this.#outage.failed(call)) this.#report("before", key.flagKey, exit.cause)
      else this.#countError()
      return none
    }
    this.#outage.answered()
    const { value: lookup } = exit
    if (isRecord(lookup) && (lookup.answer === undefined || fits(lookup.answer, key))) return lookup
    this.#report("before", key.flagKey, Cause.die(new Misuse("got what is no answer from the store of the cache")))
    return isRecord(lookup) ? { ...none, version: lookup.version } : none
  }

  #answer(turn: Turn, { flagKey }: Key, resolution: ResolutionDetails, result: Result): Contribution {
    turn.isAnswered = true
    this.#settings.count(flagKey, result)
    return { resolution }
  }

  /** Lets the provider resolve the flag, and others with the key wait for it. */
  #ask(turn: Turn, key: Key): undefined {
    this.misses++
    const { count, waitTimeout } = this.#settings
    count(key.flagKey, "miss")
    const known = this.#flights.get(key.text)
    const time = now()
    if (known !== undefined && known.version === turn.version && time < known.endsAt) return undefined
    turn.flight = new Flight(turn.version, time + waitTimeout)
    this.#flights.set(key.text, turn.flight)
    return undefined
  }

  #settle({ flight, key }: Turn, answer: ResolutionDetails | undefined): undefined {
    if (flight === undefined || key === undefined) return undefined
    if (this.#flights.get(key.text) === flight) this.#flights.delete(key.text)
    Deferred.doneUnsafe(flight.done, Exit.succeed(answer))
    return undefined
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
    const { staleFor, store } = this.#settings
    const { isRefresh, version } = turn
    const isKept = timeToLive > 0 && answer !== undefined
    if (version !== undefined && isKept) {
      this.#tell(stage, flagKey, () => store.set(key, answer, { version, timeToLive, staleFor }))
    } else if (isRefresh && !isKept) this.#tell(stage, flagKey, () => store.remove(key))
    this.#settle(turn, isKept ? answer : undefined)
  }

  // The evaluation does not wait for the store.
  #tell(stage: Stage, flagKey: string, tell: () => Effect.Effect<void, unknown>): void {
    const told = tryOr(tell, Exit.die)
    if (Exit.isExit(told)) {
      if (Exit.isFailure(told)) this.#report(stage, flagKey, told.cause)
      return
    }
    if (this.#pending >= maxPending) {
      this.#report(stage, flagKey, Cause.fail(new Misuse("the store of the cache is too slow to store an answer")))
      return
    }
    this.#pending++
    const services = Services.lasting(Services.current())
    const storing = Effect.flatMap(this.#bounded(told), (exit) => {
      this.#pending--
      return Exit.isFailure(exit) ? this.#failed(stage, flagKey, exit.cause) : Effect.void
    })
    Effect.runForkWith(services)(storing)
  }

  #timeOf({ flagKey }: HookContext, stage: Stage, time: () => number): number {
    return tryOr(time, (error) => {
      this.#report(stage, flagKey, Cause.die(error))
      return 0
    })
  }

  /** A store that does not answer in time is left behind. */
  #bounded<A>(asked: Effect.Effect<A, unknown>): Effect.Effect<Exit.Exit<A, unknown>> {
    const { timeout: duration } = this.#settings
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkDetach(restore(asked), { startImmediately: true }), (fiber) => {
        const exit = fiber.pollUnsafe()
        if (exit !== undefined) return Exit.succeed(exit)
        const leave = () => fiber.interruptUnsafe()
        const late = Effect.sync(() => {
          leave()
          return Exit.fail(new Cause.TimeoutError("the store of the cache did not answer in time"))
        })
        return restore(Effect.timeoutOrElse(Fiber.await(fiber), { duration, orElse: () => late })).pipe(
          Effect.onInterrupt(() => Effect.sync(leave))
        )
      })
    )
  }

  #isMisplaced(flagKey: string): boolean {
    return this.#misplaced.size >= maxMisplaced || this.#misplaced.has(flagKey)
  }

  /** The provider got another subject than the cache. What is answered already must not reach the caller. */
  #misplace(context: HookContext, isServed: boolean): Effect.Effect<void, EvaluationError.EvaluationError> | undefined {
    const { flagKey } = context
    if (!this.#isMisplaced(flagKey)) {
      this.#misplaced.add(flagKey)
      const what =
        "a later hook changes the attributes of the key, so this flag is no longer cached; put the cache last"
      this.#report("after", flagKey, Cause.die(new Misuse(what)))
    }
    if (!isServed) return undefined
    const message = "a hook after the cache changes the attributes of its key"
    return Exit.fail(new EvaluationError.EvaluationError({ code: "GENERAL", message }))
  }

  #countError(): void {
    this.errors++
    this.#settings.countError()
  }

  #failed(stage: Stage, flagKey: string, cause: Cause.Cause<unknown>): Effect.Effect<void> {
    this.#countError()
    return HookFailures.report({ hook: this.#settings.name, stage, flagKey, cause })
  }

  #report(stage: Stage, flagKey: string, cause: Cause.Cause<unknown>): void {
    Effect.runForkWith(Services.current())(this.#failed(stage, flagKey, cause))
  }
}

const fits = ({ errorCode, value }: ResolutionDetails, { flagValueType }: Key): boolean =>
  errorCode === undefined ? typeof value === flagValueType : EvaluationError.isErrorCode(errorCode)
