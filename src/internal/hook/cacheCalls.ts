/** Calls of the store of a cache. It can be slow, hang, fail or hold garbage, and none of that reaches an evaluation. */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { isKept, keep, type ResolutionDetails } from "../../EvaluationDetails.ts"
import { isErrorCode } from "../../EvaluationError.ts"
import * as HookFailures from "../../HookFailures.ts"
import type { Stage } from "../../HookFailures.ts"
import { Misuse } from "../check.ts"
import * as Services from "../services.ts"
import { ignoreRejection, isRecord, tryOr } from "../untrusted.ts"
import { now } from "./cacheFlights.ts"
import type { Key, Lookup, Scope, Store } from "./cacheStore.ts"
import { type Call, Outage } from "./outage.ts"
import { providerCodes } from "./part.ts"

export interface Settings {
  readonly name: string
  readonly store: Store
  readonly timeout: Duration.Duration
  readonly countError: () => void
}

/** How many answers may be on their way to a slow store. */
const maxPending = 1000

const none: Lookup = { answer: undefined, isStale: false, isClaimed: false, version: undefined }

/** Whether an answer can be served for a key. */
export const fits = ({ errorCode, value }: ResolutionDetails, { flagValueType }: Key): boolean =>
  errorCode === undefined ? typeof value === flagValueType : isErrorCode(errorCode) && !providerCodes.has(errorCode)

// Code without types can give a promise.
const effectFrom = <A>(given: Effect.Effect<A, unknown>): Effect.Effect<A, unknown> => {
  if (Effect.isEffect(given)) return given
  ignoreRejection(given)
  return Exit.die(new Misuse("got no effect from the store of the cache"))
}

export class Calls {
  readonly #settings: Settings
  readonly #outage = new Outage(now)
  #pending = 0
  errors = 0

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** At once if the store answers at once. Without an answer in time, nothing is known about the key. */
  get(key: Key, claim: number): Lookup | Effect.Effect<Lookup> {
    const call = this.#outage.begin()
    if (call === undefined) {
      this.#countError()
      return none
    }
    const found = tryOr(() => this.#settings.store.get(key, claim), Exit.die)
    return Exit.isExit(found)
      ? this.#read(key, found, call)
      : Effect.map(this.#bounded(effectFrom(found)), (exit) => this.#read(key, exit, call))
  }

  /** The evaluation does not wait for it. */
  tell(stage: Stage, flagKey: string, tell: (store: Store) => Effect.Effect<void, unknown>): void {
    const told = tryOr(() => tell(this.#settings.store), Exit.die)
    if (Exit.isExit(told)) {
      if (Exit.isFailure(told)) this.report(stage, flagKey, told.cause)
      return
    }
    if (this.#pending >= maxPending) {
      this.report(stage, flagKey, Cause.fail(new Misuse("the store of the cache is too slow to store an answer")))
      return
    }
    this.#pending++
    const services = Services.lasting(Services.current())
    const storing = Effect.flatMap(this.#bounded(effectFrom(told)), (exit) => {
      this.#pending--
      return Exit.isFailure(exit) ? this.failed(stage, flagKey, exit.cause) : Effect.void
    })
    Effect.runForkWith(services)(storing)
  }

  /** Waits as long as the store takes. */
  invalidate(flags: Scope): Effect.Effect<void, unknown> {
    return Effect.suspend(() => effectFrom(this.#settings.store.invalidate(flags)))
  }

  /** Counts and reports a failure. */
  failed(stage: Stage, flagKey: string, cause: Cause.Cause<unknown>): Effect.Effect<void> {
    this.#countError()
    return HookFailures.report({ hook: this.#settings.name, stage, flagKey, cause })
  }

  report(stage: Stage, flagKey: string, cause: Cause.Cause<unknown>): void {
    Effect.runForkWith(Services.current())(this.failed(stage, flagKey, cause))
  }

  #countError(): void {
    this.errors++
    this.#settings.countError()
  }

  #read(key: Key, exit: Exit.Exit<Lookup, unknown>, call: Call): Lookup {
    if (Exit.isFailure(exit)) {
      if (this.#outage.failed(call)) this.report("before", key.flagKey, exit.cause)
      else this.#countError()
      return none
    }
    this.#outage.answered()
    const { value: lookup } = exit
    if (isRecord(lookup)) {
      const { answer } = lookup
      if (answer === undefined || (fits(answer, key) && isKept(answer))) return lookup
      const copy = fits(answer, key) ? tryOr(() => keep(answer), () => undefined) : undefined
      if (copy !== undefined && isKept(copy)) return { ...lookup, answer: copy }
    }
    this.report("before", key.flagKey, Cause.die(new Misuse("got what is no answer from the store of the cache")))
    return isRecord(lookup) ? { ...none, version: lookup.version } : none
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
}
