/** What becomes of an evaluation that is over a limit: rejected, served from the last answer, or only told. */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Metric from "effect/Metric"
import type { EvaluationDetails, ResolutionDetails } from "../../EvaluationDetails.ts"
import { EvaluationError } from "../../EvaluationError.ts"
import type { HookContext } from "../../HookContext.ts"
import * as HookFailures from "../../HookFailures.ts"
import * as Check from "../check.ts"
import * as Services from "../services.ts"
import { oneLine } from "../text.ts"
import { tryOr } from "../untrusted.ts"
import { LastAnswers } from "./lastAnswers.ts"
import { type Contribution, settle, type Settling } from "./part.ts"
import { isServer, unserved } from "./server.ts"
import { tell } from "./tell.ts"

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
  /** Whether the provider was asked after all, since a later hook has changed the subject. */
  isUnserved = false
}

/** For a hook that needs to know nothing in its later stages. */
export const noTurn = new Turn()

const passed: Decision = { outcome: "passed", verdict: undefined }

export interface Settings {
  /** The name of the hook. */
  readonly name: string
  readonly kind: "rate limit" | "budget"
  readonly exceeded: "is exceeded" | "is used up"
  readonly onLimited: "reject" | "last" | "report"
  readonly series: (flagKey: string, outcome: Outcome | "unchecked") => Metric.Counter<number>
  readonly clock: Clock.Clock
}

export class OverLimit {
  readonly #settings: Settings
  readonly #subject: string
  readonly #passesWithoutLast: boolean
  readonly #isOpen: boolean
  readonly #last: LastAnswers | undefined
  #isTold = false
  readonly counts = { limited: 0, rejected: 0, served: 0, unchecked: 0 }

  constructor(settings: Settings, options: Options) {
    this.#settings = settings
    this.#subject = `the ${settings.kind} "${oneLine(settings.name, 128)}"`
    this.#passesWithoutLast = options.whenNoLast === "pass"
    this.#isOpen = options.whenDown !== "closed"
    if (settings.onLimited !== "last") return
    const timeToLive = Duration.fromInputUnsafe(options.lastTimeToLive ?? "1 hour")
    this.#last = new LastAnswers(
      options.lastCapacity ?? 10_000,
      Duration.isFinite(timeToLive) ? Duration.toNanosUnsafe(timeToLive) : undefined,
      options.lastKey
    )
  }
  /** Whether the evaluation goes on and asks the provider, also over the limit. Then it counts in any case. */
  passes(context: HookContext, turn: Turn): boolean {
    if (this.#settings.onLimited === "report") return true
    return this.#last !== undefined && this.#passesWithoutLast && this.#lastOf(context, turn) === undefined
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
    turn.lastKey = this.#lastKeyOf(context)
    return true
  }
  /** A hook that runs later may change the subject, so it is asked again. */
  #lastKeyOf(context: HookContext): string | undefined {
    return this.#last && tryOr(() => this.#last?.keyOf(context), () => undefined)
  }
  /** Keeps the answer of the provider, and none that a hook gave for this evaluation, such as an override. */
  remember(context: HookContext, details: EvaluationDetails, { lastKey }: Turn): void {
    if (lastKey === undefined || this.#last === undefined || context.resolution !== undefined) return
    if (this.#lastKeyOf(context) !== lastKey) return
    this.#last.set(lastKey, context, details, this.#settings.clock.monotonicTimeNanosUnsafe())
  }
  /** An evaluation over the limit. `retryAfter` is in milliseconds. */
  decide(context: HookContext, turn: Turn, retryAfter: number): Decision {
    this.counts.limited++
    const decision = this.#decide(context, turn, `${this.#subject} ${this.#settings.exceeded}`, retryAfter)
    this.#count(context.flagKey, decision.outcome)
    return decision
  }
  /** An evaluation that has exceeded the limit, which was known only afterwards. */
  passed(context: HookContext): void {
    this.counts.limited++
    this.#count(context.flagKey, "passed")
    const advice = this.#unserved(context)
    if (advice !== undefined) tell(this.#settings.name, "before", context.flagKey, advice)
  }
  /** An evaluation about whose limit nothing is known. */
  decideUnchecked(context: HookContext, turn: Turn): Verdict {
    if (this.#isOpen) return this.passedUnchecked(context.flagKey)
    this.counts.unchecked++
    const { outcome, verdict } = this.#decide(context, turn, `${this.#subject} cannot be checked`, undefined)
    this.#count(context.flagKey, outcome)
    return verdict
  }
  passedUnchecked(flagKey: string): undefined {
    this.counts.unchecked++
    this.#count(flagKey, "unchecked")
  }
  #count(flagKey: string, outcome: Outcome | "unchecked"): void {
    if (outcome === "rejected" || outcome === "served") this.counts[outcome]++
    this.#settings.series(flagKey, outcome).updateUnsafe(1, Services.current())
  }
  #decide(context: HookContext, turn: Turn, message: string, retryAfter: number | undefined): Decision {
    const { onLimited } = this.#settings
    if (onLimited === "report") return passed
    const passes = onLimited === "last" && this.#passesWithoutLast
    const resolution = this.#lastOf(context, turn)
    if (resolution !== undefined) {
      const { lastKey } = turn
      turn.isOurs = true
      const other = passes ? undefined : refusal(message, retryAfter)
      const verdict: Settling = {
        resolution,
        [settle]: (context, last) => {
          if (this.#lastKeyOf(context) === lastKey) return last
          turn.isUnserved = other === undefined
          turn.isOurs = !turn.isUnserved
          return other
        }
      }
      return { outcome: "served", verdict }
    }
    const isServed = isServer(context.providerMetadata)
    return this.#told(context, passes ? passed : this.#reject(isServed, turn, message, retryAfter))
  }
  #lastOf(context: HookContext, { lastKey }: Turn): ResolutionDetails | undefined {
    if (lastKey === undefined || !isServer(context.providerMetadata)) return undefined
    return this.#last?.get(lastKey, this.#settings.clock.monotonicTimeNanosUnsafe())
  }
  #reject(isServed: boolean, turn: Turn, message: string, retryAfter: number | undefined): Decision {
    turn.isOurs = true
    const verdict = isServed
      ? { resolution: refusal(message, retryAfter) }
      : Exit.fail(new EvaluationError({ code: "GENERAL", message }))
    return { outcome: "rejected", verdict }
  }
  #told(context: HookContext, decision: Decision): Decision {
    const advice = this.#unserved(context)
    if (advice === undefined) return decision
    const cause = Cause.die(advice)
    const told = HookFailures.report({ hook: this.#settings.name, stage: "before", flagKey: context.flagKey, cause })
    return { ...decision, verdict: Effect.andThen(told, effectOf(decision.verdict)) }
  }
  /** Once, for a provider with which there are no last answers. */
  #unserved(context: HookContext): Check.Advice | undefined {
    if (this.#isTold || this.#last === undefined || isServer(context.providerMetadata)) return undefined
    this.#isTold = true
    return unserved(", so there are no last answers")
  }
}

const refusal = (errorMessage: string, retryAfter: number | undefined): ResolutionDetails => ({
  errorCode: "GENERAL",
  errorMessage,
  flagMetadata: retryAfter === undefined ? {} : { retryAfter }
})

export const effectOf = (verdict: Verdict): Effect.Effect<Contribution | undefined, EvaluationError> =>
  Effect.isEffect(verdict) ? verdict : Effect.succeed(verdict)
