/**
 * What all hooks of one evaluation share: the services of the caller, the hints,
 * and the stage that is running.
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import * as HookHints from "../../HookHints.ts"
import { Budget, maxDepth, maxNested, Nesting } from "../hook/registration.ts"
import * as Services from "../services.ts"
import { tryOr } from "../untrusted.ts"
import type { Stack } from "./stack.ts"

/** The hooks of one stack in the evaluation. */
export interface Begun {
  readonly stack: Stack
  /** Runs `error` when the SDK will not: it rejected, or nobody waits for it any more. */
  finishError(error: unknown, sdk: Readonly<SDK.HookContext>): void | Promise<void>
  /** Runs `finally` when the SDK will not. */
  finishFinally(error: unknown): void | Promise<void>
}

export class Evaluation {
  /** The services of the calling fiber. */
  readonly services: Context.Context<never> | undefined
  readonly #given: HookHints.HookHints
  hints: HookHints.HookHints
  // The SDK hands one context object to all hooks of an evaluation, and only to
  // them, so it identifies the evaluation.
  context: SDK.EvaluationContext | undefined
  /** The fiber of the stage that can still reject the evaluation. */
  running: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** The runs that have begun, for a client that runs the stages that the SDK leaves out. */
  runs: Array<Begun> | undefined = undefined
  isInterrupted = false
  /** The client has run what was owed to all hooks; the SDK may still come to some of them. */
  isOver = false
  readonly #nesting: Nesting | undefined
  #budget: Budget | undefined = undefined
  #isCounted = false
  #isPublished = false

  constructor(
    services: Context.Context<never> | undefined,
    hints: HookHints.HookHints,
    context?: SDK.EvaluationContext | undefined
  ) {
    this.services = services
    this.#given = hints
    this.hints = hints
    this.context = context
    this.#nesting = services && Context.get(services, Nesting)
  }
  /** How deep the stages of its hooks are nested in those of other evaluations. */
  get depth(): number {
    return 1 + (this.#nesting?.depth ?? 0)
  }
  /** What is left of the evaluations that hooks may make, one for the application's evaluation and all within it. */
  get budget(): Budget {
    return this.#budget ??= this.#nesting?.budget ?? new Budget()
  }
  /** Says why hooks may not make the evaluation, if they do: hooks that evaluate flags must come to an end. */
  refusal(): string | undefined {
    if (this.depth === 1) return undefined
    if (this.depth > maxDepth) return `hooks evaluate flags that are nested more than ${maxDepth} deep`
    if (!this.#isCounted) {
      this.#isCounted = true
      this.budget.left--
    }
    return this.budget.left < 0 ? `hooks have made more than ${maxNested} evaluations for one evaluation` : undefined
  }
  /**
   * Binds the evaluation to its context. Only the client that made the evaluation
   * knows it; hooks before may have used its hints for an evaluation of their own.
   */
  claim(context: SDK.EvaluationContext): void {
    if (this.context === context) return
    if (this.context !== undefined) {
      this.hints = this.#given
      this.runs = []
    }
    this.context = context
    this.#isPublished = false
  }
  /** Whether the Effect client makes it, and so decides what the details say. */
  get isOfClient(): boolean {
    return this.runs !== undefined
  }
  addHints(hints: HookHints.HookHints): void {
    this.hints = HookHints.merge(this.hints, hints)
    this.publish()
  }
  /** Lets the other hooks of the evaluation find it by its context. */
  publish(): void {
    const { context } = this
    if (this.#isPublished || context === undefined) return
    this.#isPublished = true
    tryOr(() => Stamp.put(context, this), () => undefined)
  }
  interrupt(): void {
    this.isInterrupted = true
    this.running?.interruptUnsafe()
  }
}

class Target {
  constructor(target: object) {
    return target
  }
}

// Puts the evaluation into a private field of its context or its hints: nobody
// else can see or copy it, and a proxy is not asked. A WeakMap would do the same,
// but its entries for objects this short-lived cost more in garbage collection
// than all the rest.
class Stamp extends Target {
  #evaluation: Evaluation
  static #isUsed = false

  constructor(target: object, evaluation: Evaluation) {
    super(target)
    this.#evaluation = evaluation
  }
  static put(target: object, evaluation: Evaluation): object {
    Stamp.#isUsed = true
    if (!(#evaluation in target)) return new Stamp(target, evaluation)
    target.#evaluation = evaluation
    return target
  }
  static get(target: unknown): Evaluation | undefined {
    return Stamp.#isUsed && typeof target === "object" && target !== null && #evaluation in target
      ? target.#evaluation
      : undefined
  }
}

/** The hints for the SDK: a plain record that leads hooks of every level to the evaluation. */
export const toSdkHints = (evaluation: Evaluation): SDK.HookHints => {
  const record = evaluation.hints === HookHints.empty ? {} : { ...HookHints.toRecord(evaluation.hints) }
  if (Object.hasOwn(record, "__proto__")) Reflect.deleteProperty(record, "__proto__")
  Stamp.put(record, evaluation)
  return record
}

/** Finds the evaluation in the first stage of a run. */
export const find = (context: SDK.EvaluationContext, hints: SDK.HookHints | undefined): Evaluation => {
  const published = Stamp.get(context)
  if (published !== undefined) return published
  const given = Stamp.get(hints)
  if (given === undefined) {
    // The first stage of an evaluation runs in the turn of the caller, so the
    // fiber that is running now is the caller's.
    const evaluation = new Evaluation(Services.find(), HookHints.fromRecord(hints), context)
    if (evaluation.services !== undefined) evaluation.publish()
    return evaluation
  }
  given.context ??= context
  if (given.context === context) return given
  // Somebody passed the hints of one evaluation on to another.
  const evaluation = new Evaluation(given.services, given.hints, context)
  evaluation.publish()
  return evaluation
}

/** Looks again in a later stage: another run may have published one since. */
export const refind = (known: Evaluation, context: SDK.EvaluationContext): Evaluation => Stamp.get(context) ?? known
