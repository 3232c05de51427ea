/** What becomes of an evaluation that is over a limit: rejected, served from the last answer, or only told. */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { EvaluationDetails } from "../../EvaluationDetails.ts"
import { EvaluationError } from "../../EvaluationError.ts"
import type { HookContext } from "../../HookContext.ts"
import * as HookFailures from "../../HookFailures.ts"
import * as Check from "../check.ts"
import { tryOr } from "../untrusted.ts"
import { LastAnswers } from "./lastAnswers.ts"
import type { Contribution } from "./part.ts"
import { isServer } from "./server.ts"

export interface Options {
  /**
   * What happens over the limit:
   *
   * - `"reject"`: the evaluation fails with the code `GENERAL`, and the caller gets
   *   its default value.
   * - `"last"`: the caller gets the last answer that the same subject got for the
   *   same flag and type, with the reason `STALE`.
   * - `"report"`: the evaluation goes on, and is only counted and told.
   */
  readonly onLimited?: "reject" | "last" | "report" | undefined
  /** What `"last"` does when there is no last answer: `"reject"`, the default, or `"pass"`. */
  readonly whenNoLast?: "reject" | "pass" | undefined
  /**
   * Returns whose last answer it is, together with the domain, the flag and the
   * type, or `undefined` for none. By default it is the targeting key. Without one,
   * only an empty evaluation context has last answers.
   */
  readonly lastKey?: ((context: HookContext) => string | undefined) | undefined
  /** The maximum number of last answers, 10,000 by default. The least recently used one is forgotten. */
  readonly lastCapacity?: number | undefined
  /** The maximum age of a last answer, 1 hour by default, or `"Infinity"`. */
  readonly lastTimeToLive?: Duration.Input | undefined
  /**
   * What happens when the store does not answer in time, or the key cannot be
   * found out: `"open"`, the default, lets the evaluation pass, and `"closed"`
   * treats it as one over the limit.
   */
  readonly whenDown?: "open" | "closed" | undefined
}

export const rules: Check.Rules<Options> = {
  onLimited: Check.among("reject", "last", "report"),
  whenNoLast: Check.among("reject", "pass"),
  lastKey: Check.aFunction,
  lastCapacity: Check.positiveInteger,
  lastTimeToLive: Check.lifetime,
  whenDown: Check.among("open", "closed")
}

/** A guard that cannot guard is a mistake. */
export const check = (owner: string, { onLimited, whenDown }: Options): void => {
  if (onLimited === "report" && whenDown === "closed") {
    throw new RangeError(
      `${owner}: whenDown "closed" has no effect, since onLimited "report" lets every evaluation pass`
    )
  }
}

/** What a `before` gives: at once, or as an effect when something has to be waited for. */
export type Verdict = Contribution | undefined | Effect.Effect<Contribution | undefined, EvaluationError>

export type Outcome = "rejected" | "served" | "passed"

export interface Decision {
  readonly outcome: Outcome
  readonly verdict: Verdict
}

/** The state of one evaluation. */
export class Turn {
  /** Where its answer is remembered. */
  lastKey: string | undefined = undefined
  /** Whether the answer is not one of the provider. */
  isOurs = false
}

/** For a hook that needs to know nothing in its later stages. */
export const noTurn = new Turn()

const passed: Decision = { outcome: "passed", verdict: undefined }

export class OverLimit {
  readonly #name: string
  readonly #mode: "reject" | "last" | "report"
  readonly #passesWithoutLast: boolean
  readonly #isOpen: boolean
  readonly #clock: Clock.Clock
  readonly #last: LastAnswers | undefined
  #isTold = false

  constructor(name: string, mode: "reject" | "last" | "report", options: Options, clock: Clock.Clock) {
    this.#name = name
    this.#mode = mode
    this.#passesWithoutLast = options.whenNoLast === "pass"
    this.#isOpen = options.whenDown !== "closed"
    this.#clock = clock
    if (mode !== "last") return
    const timeToLive = Duration.fromInputUnsafe(options.lastTimeToLive ?? "1 hour")
    this.#last = new LastAnswers(
      options.lastCapacity ?? 10_000,
      Duration.isFinite(timeToLive) ? Duration.toNanosUnsafe(timeToLive) : undefined,
      options.lastKey
    )
  }
  /** Whether evaluations over the limit go on, and count. */
  get isReport(): boolean {
    return this.#mode === "report"
  }
  get remembers(): boolean {
    return this.#last !== undefined
  }
  /** Whether the evaluation counts. Finds out, before other hooks add attributes, whose answer it will be. */
  begin(context: HookContext, turn: Turn): boolean {
    // An answer of an earlier hook asks no provider.
    if (context.resolution !== undefined) {
      turn.isOurs = true
      return false
    }
    if (this.#last !== undefined) turn.lastKey = tryOr(() => this.#last?.keyOf(context), () => undefined)
    return true
  }
  /** Keeps the answer of the provider. An answer that was kept before gets no older by being served. */
  remember(context: HookContext, details: EvaluationDetails, { isOurs, lastKey }: Turn): void {
    if (isOurs || lastKey === undefined || this.#last === undefined) return
    // A hook that ran later may have changed the subject, and the answer is for that one.
    if (tryOr(() => this.#last?.keyOf(context), () => undefined) !== lastKey) return
    this.#last.set(lastKey, details, this.#clock.monotonicTimeNanosUnsafe())
  }
  /** `retryAfter` is in milliseconds, or `undefined` if nobody knows it. */
  decide(context: HookContext, turn: Turn, message: string, retryAfter: number | undefined): Decision {
    if (this.#mode === "report") return passed
    const isServed = isServer(context.providerMetadata)
    if (this.#last !== undefined && isServed) {
      const { lastKey } = turn
      const resolution = lastKey === undefined
        ? undefined
        : this.#last.get(lastKey, this.#clock.monotonicTimeNanosUnsafe())
      if (resolution !== undefined) {
        turn.isOurs = true
        return { outcome: "served", verdict: { resolution } }
      }
    }
    const decision = this.#mode === "last" && this.#passesWithoutLast
      ? passed
      : this.#reject(isServed, turn, message, retryAfter)
    return this.#mode === "last" && !isServed ? this.#told(context, decision) : decision
  }
  /** Returns `undefined` for an evaluation that goes on although nothing is known about its limit. */
  decideUnchecked(context: HookContext, turn: Turn, message: string): Decision | undefined {
    return this.#isOpen ? undefined : this.decide(context, turn, message, undefined)
  }
  #reject(isServed: boolean, turn: Turn, errorMessage: string, retryAfter: number | undefined): Decision {
    turn.isOurs = true
    const verdict = isServed
      ? {
        resolution: {
          errorCode: "GENERAL",
          errorMessage,
          flagMetadata: retryAfter === undefined ? {} : { retryAfter }
        }
      } as const
      : Exit.fail(new EvaluationError({ code: "GENERAL", message: errorMessage }))
    return { outcome: "rejected", verdict }
  }
  #told(context: HookContext, decision: Decision): Decision {
    if (this.#isTold) return decision
    this.#isTold = true
    const cause = Cause.die(
      new Check.Misuse("cannot serve last answers, since the provider is not a ResolutionProvider")
    )
    const told = HookFailures.report({ hook: this.#name, stage: "before", flagKey: context.flagKey, cause })
    return { ...decision, verdict: Effect.andThen(told, effectOf(decision.verdict)) }
  }
}

export const effectOf = (verdict: Verdict): Effect.Effect<Contribution | undefined, EvaluationError> =>
  Effect.isEffect(verdict) ? verdict : Effect.succeed(verdict)
