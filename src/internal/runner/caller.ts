/**
 * Who makes an evaluation: the services of the calling fiber, the hints of the
 * evaluation, and the stage that is running for it.
 */
import type * as SDK from "@openfeature/server-sdk"
import type * as Context from "effect/Context"
import * as Fiber from "effect/Fiber"
import * as HookHints from "../../HookHints.ts"
import { attempt } from "../foreign.ts"

// The SDK hands one context object to all hooks of an evaluation, and only to
// them, so it names the evaluation.
type Evaluation = SDK.EvaluationContext

/** The hooks of one level in one evaluation, as far as others have to finish them. */
export interface Unfinished {
  /** Runs the stages that are owed when the SDK will not run them. */
  readonly finish: (error: unknown) => Promise<void>
}

export class Caller {
  readonly services: Context.Context<never> | undefined
  readonly #given: HookHints.HookHints
  hints: HookHints.HookHints
  evaluation: Evaluation | undefined
  running: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** What has been started for the evaluation, for a caller that finishes what the SDK leaves. */
  runs: Array<Unfinished> | undefined = undefined
  isInterrupted = false

  constructor(
    services: Context.Context<never> | undefined,
    hints: HookHints.HookHints,
    evaluation?: Evaluation | undefined
  ) {
    this.services = services
    this.#given = hints
    this.hints = hints
    this.evaluation = evaluation
  }
  /**
   * Says which evaluation the caller makes. Only the client that made the caller
   * knows; hooks before may have handed its hints to an evaluation of their own.
   */
  claim(evaluation: Evaluation): void {
    if (this.evaluation === evaluation) return
    if (this.evaluation !== undefined) {
      this.hints = this.#given
      this.runs = []
    }
    this.evaluation = evaluation
  }
  addHints(hints: HookHints.HookHints): void {
    this.hints = HookHints.merge(this.hints, hints)
    this.publish()
  }
  publish(): void {
    const { evaluation } = this
    if (evaluation !== undefined) attempt(() => Published.set(evaluation, this), () => undefined)
  }
  interrupt(): void {
    this.isInterrupted = true
    this.running?.interruptUnsafe()
  }
}

class Returning {
  constructor(target: object) {
    return target
  }
}

// Puts the caller into a private field of the evaluation's context: nobody else
// can see or copy it. A WeakMap would do the same, but its entries for objects
// this short-lived cost more in garbage collection than all the rest.
class Published extends Returning {
  #caller: Caller
  constructor(evaluation: object, caller: Caller) {
    super(evaluation)
    this.#caller = caller
  }
  static set(evaluation: object, caller: Caller): void {
    if (#caller in evaluation) evaluation.#caller = caller
    else Reflect.construct(Published, [evaluation, caller])
  }
  static get(evaluation: object): Caller | undefined {
    return #caller in evaluation ? evaluation.#caller : undefined
  }
}

// The caller is a private field: a hook of the SDK sees plain hints, printing
// them shows nothing more, and a copy of them carries nothing.
class CarryingHints {
  readonly [name: string]: unknown
  readonly #caller: Caller
  constructor(caller: Caller) {
    this.#caller = caller
    const { ["__proto__"]: _dropped, ...record } = HookHints.toRecord(caller.hints)
    Object.assign(this, record)
  }
  static callerOf(hints: unknown): Caller | undefined {
    // A private field is looked for without asking a proxy.
    return typeof hints === "object" && hints !== null && #caller in hints ? hints.#caller : undefined
  }
}

/** The hints for the SDK, with the caller aboard for hooks of every level. */
export const toSdkHints = (caller: Caller): SDK.HookHints => new CarryingHints(caller)

/** Finds the caller in the first stage that a stack runs for an evaluation. */
export const find = (evaluation: Evaluation, hints: SDK.HookHints | undefined): Caller => {
  const published = Published.get(evaluation)
  if (published !== undefined) return published
  const given = CarryingHints.callerOf(hints)
  if (given === undefined) {
    // The first stage of an evaluation runs in the turn of whoever asked for
    // it, so a fiber that is running now is the caller.
    const caller = new Caller(Fiber.getCurrent()?.context, HookHints.fromRecord(hints), evaluation)
    if (caller.services !== undefined) caller.publish()
    return caller
  }
  given.evaluation ??= evaluation
  if (given.evaluation === evaluation) return given
  // Somebody passed the hints of one evaluation on to another.
  const caller = new Caller(given.services, given.hints, evaluation)
  caller.publish()
  return caller
}

/** Looks again in a later stage: another stack may have published one since. */
export const refind = (known: Caller, evaluation: Evaluation): Caller => Published.get(evaluation) ?? known
