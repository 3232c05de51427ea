/**
 * A part behind a circuit breaker. Evaluations look at the last known state of
 * the circuit and never wait for the breaker. It is told how they ended, and
 * asked for a probe when the time of an open circuit is over.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { constVoid } from "effect/Function"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as EvaluationError from "../../EvaluationError.ts"
import * as Services from "../services.ts"
import { oneLine } from "../text.ts"
import * as Part from "./part.ts"

type Outcome = CircuitBreaker.Outcome

/** The state of a circuit, as evaluations see it. */
export type State = "Closed" | "Open" | "HalfOpen"

export interface Settings {
  readonly breaker: CircuitBreaker.CircuitBreaker
  /** Whether the breaker needs a success even if none failed before. */
  readonly countsSuccesses: boolean
  readonly rejects: boolean
  readonly probeTimeout: Duration.Duration
}

/** How many outcomes may wait for the store of the breaker. */
const maxPending = 16

/** How long the hook stays off when there was no probe: another process has it, or the store does not answer. */
const noProbe = Duration.seconds(1)

/** What a circuit decided for one evaluation. */
class Turn {
  isRun: boolean | undefined = undefined
  probe: Deferred.Deferred<Outcome> | undefined = undefined
  outcome: Outcome = CircuitBreaker.success
  data: unknown = undefined
}

export class Circuit {
  readonly name: string
  readonly key: string
  readonly #part: Part.Part
  readonly #settings: Settings
  readonly #fibers = new Set<Fiber.Fiber<unknown, unknown>>()
  state: State = "Closed"
  /** The evaluations without the hook. */
  skipped = 0
  /** The outcomes that the store of the breaker had no time for. */
  unrecorded = 0
  /** When an open circuit may be probed, in nanoseconds of the monotonic clock. */
  #openUntil = 0n
  #openFor: Duration.Duration = noProbe
  #permit: Deferred.Deferred<Outcome> | undefined = undefined
  #hasFailed = false
  #isEnded = false

  constructor(part: Part.Part, key: string, settings: Settings) {
    this.name = oneLine(part.name, 128)
    this.key = key
    this.#part = part
    this.#settings = settings
  }

  get part(): Part.Part<Turn> {
    const hasFinally = this.#part.finally !== undefined
    // The last stage tells that the evaluation has ended.
    const part = hasFinally ? this.#part : { ...this.#part, finally: constVoid }
    return Part.mapStages(
      part,
      () => new Turn(),
      (stage, context, turn, run) => {
        if (turn.isRun === false) return Exit.fail(this.#rejection)
        return Part.settling(stage, () => {
          turn.data ??= this.#part.hookData?.()
          return run(context, turn.data)
        }, (exit) => this.#settle(turn, stage === "finally", exit))
      },
      (stage, _context, turn) => {
        if (turn.isRun === undefined) {
          // An evaluation that failed before the hook had a turn tells nothing about it.
          if (stage === "finally" && !hasFinally) return false
          this.#decide(turn)
        }
        return turn.isRun === true || (this.#settings.rejects && Part.canReject(part, stage))
      }
    )
  }

  get #rejection(): EvaluationError.EvaluationError {
    return new EvaluationError.EvaluationError({
      code: "GENERAL",
      message: `the circuit breaker of hook "${this.name}" is open`
    })
  }

  #decide(turn: Turn): void {
    if (this.state === "Open" && !this.#isEnded && now() >= this.#openUntil) this.#askForProbe()
    turn.probe = this.state === "HalfOpen" ? this.#permit : undefined
    this.#permit = undefined
    turn.isRun = this.#isEnded || this.state === "Closed" || turn.probe !== undefined
    if (!turn.isRun) this.skipped++
  }

  // A guard that rejects an evaluation does what it should.
  #settle(turn: Turn, isLast: boolean, exit: Exit.Exit<unknown, unknown>): void {
    if (Exit.isFailure(exit) && !isDeliberate(exit.cause)) {
      const isInterruption = Cause.hasInterruptsOnly(exit.cause)
      if (!isInterruption) turn.outcome = CircuitBreaker.failure()
      else if (turn.outcome._tag === "Success") turn.outcome = CircuitBreaker.ignored
    }
    if (!isLast) return
    if (turn.probe !== undefined) Deferred.doneUnsafe(turn.probe, Exit.succeed(turn.outcome))
    else this.#tell(turn.outcome)
  }

  // In a closed circuit without failures, nothing needs to be told: the hook costs a comparison.
  #tell(outcome: Outcome): void {
    if (outcome._tag === "Ignored" || this.#isEnded || this.state !== "Closed") return
    if (outcome._tag === "Success" && !this.#hasFailed && !this.#settings.countsSuccesses) return
    if (this.#fibers.size >= maxPending) {
      this.unrecorded++
      return
    }
    this.#hasFailed = outcome._tag === "Failure"
    this.#fork(this.#execute(Effect.succeed(outcome)))
  }

  #askForProbe(): void {
    this.state = "HalfOpen"
    const permit = Deferred.makeUnsafe<Outcome>()
    const probe = Effect.suspend(() => {
      this.#permit = permit
      return Effect.timeoutOrElse(Deferred.await(permit), {
        duration: this.#settings.probeTimeout,
        // It may be that nobody evaluated a flag.
        orElse: () => Effect.succeed(this.#permit === permit ? CircuitBreaker.ignored : CircuitBreaker.failure())
      })
    })
    this.#fork(Effect.flatMap(Effect.exit(this.#execute(probe)), (exit) =>
      Effect.sync(() => {
        if (this.#permit === permit) this.#permit = undefined
        // Without a transition, the store had no part in it, or another process has the probe.
        if (this.state !== "HalfOpen") return
        if (Exit.isSuccess(exit) && exit.value._tag === "Success") this.close()
        else this.open(Exit.isSuccess(exit) && exit.value._tag === "Failure" ? this.#openFor : noProbe)
      })))
  }

  #execute(outcome: Effect.Effect<Outcome>): Effect.Effect<Outcome, CircuitBreaker.CircuitBreakerError> {
    return this.#settings.breaker.execute(outcome, {
      key: this.key,
      classify: (exit) => Exit.isSuccess(exit) ? exit.value : CircuitBreaker.ignored
    })
  }

  #fork(effect: Effect.Effect<unknown, unknown>): void {
    const fiber = Effect.runForkWith(Services.current())(Effect.exit(effect))
    if (fiber.pollUnsafe() !== undefined) return
    this.#fibers.add(fiber)
    fiber.addObserver(() => this.#fibers.delete(fiber))
  }

  open(openFor: Duration.Duration): void {
    this.state = "Open"
    this.#openFor = openFor
    this.#openUntil = now() + Duration.toNanosUnsafe(openFor)
  }

  close(): void {
    this.state = "Closed"
    this.#hasFailed = false
  }

  /** From here on, the hook runs without a circuit breaker. */
  end(): void {
    this.#isEnded = true
    this.state = "Closed"
    for (const fiber of this.#fibers) fiber.interruptUnsafe()
  }
}

const now = (): bigint => Services.clock().monotonicTimeNanosUnsafe()

const isDeliberate = (cause: Cause.Cause<unknown>): boolean =>
  !Cause.hasDies(cause) && EvaluationError.isEvaluationError(cause.reasons.find(Cause.isFailReason)?.error)
