/** The state that all hooks of an evaluation share: the services of the caller, the hints, and the running stage. */
import type * as SDK from "@openfeature/server-sdk"
import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import type { ResolutionDetails } from "../../EvaluationDetails.ts"
import type { HookContext } from "../../HookContext.ts"
import * as HookHints from "../../HookHints.ts"
import { Budget, maxDepth, maxNested, Nesting } from "../hook/registration.ts"
import { around, type Sharing } from "../hook/inTransaction.ts"
import { settle, type Settling } from "../hook/part.ts"
import type { Ticket, Transaction } from "../hook/transaction.ts"
import { touch } from "../hook/view.ts"
import * as Services from "../services.ts"
import { tryOr } from "../untrusted.ts"
import type { Stacked } from "./stack.ts"

/** What a `before` has contributed. */
interface Resolved {
  readonly flagKey: string
  readonly details: ResolutionDetails
  /** What decides in the end, and its view of the evaluation. */
  readonly last: { readonly contribution: Settling; readonly view: HookContext } | undefined
}

/** The run of one stack in an evaluation. */
export interface Begun {
  /** What the stack was taken from. It can have another one by now. */
  readonly source: Stacked
  /** Runs `error` when the SDK will not: it rejected, or the caller no longer waits. */
  finishError(error: unknown, sdk: Readonly<SDK.HookContext>): void | Promise<void>
  /** Runs `finally` when the SDK will not. */
  finishFinally(error: unknown): void | Promise<void>
}

export class Evaluation implements Sharing {
  /** The services of the calling fiber. */
  readonly services: Context.Context<never> | undefined
  /** The transaction of plain code. */
  around: Transaction | undefined = undefined
  readonly #given: HookHints.HookHints
  readonly #givenTicket: Ticket | undefined
  hints: HookHints.HookHints
  // The SDK passes one context object to all hooks of an evaluation and only to them, so it identifies
  // the evaluation.
  context: SDK.EvaluationContext | undefined
  #resolution: Resolved | undefined = undefined
  /** Its part in a transaction, and the context that it was taken for. */
  #taken: { readonly ticket: Ticket; readonly context: SDK.EvaluationContext | undefined } | undefined = undefined
  /** The fiber of a stage that can still reject the evaluation. */
  running: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** All runs so far, for a client that runs the stages that the SDK skips. */
  runs: Array<Begun> | undefined = undefined
  isInterrupted = false
  #whenInterrupted: Array<() => void> | undefined = undefined
  /** The client has run all remaining stages, but the SDK may still reach some of them. */
  isOver = false
  readonly #nesting: Nesting | undefined
  #budget: Budget | undefined = undefined
  #isCounted = false
  #isPublished = false

  constructor(
    services: Context.Context<never> | undefined,
    hints: HookHints.HookHints,
    context?: SDK.EvaluationContext | undefined,
    ticket?: Ticket | undefined
  ) {
    this.services = services
    this.#given = hints
    this.#givenTicket = ticket
    this.hints = hints
    this.context = context
    this.#nesting = services && Context.get(services, Nesting)
  }
  /** The nesting depth of its hooks in those of other evaluations. */
  get depth(): number {
    return 1 + (this.#nesting?.depth ?? 0)
  }
  /** The remaining number of nested evaluations, shared with the outermost evaluation. */
  get budget(): Budget {
    return this.#budget ??= this.#nesting?.budget ?? new Budget()
  }
  /**
   * Returns why hooks may not make this evaluation, or `undefined`. Hooks that evaluate flags must come
   * to an end.
   */
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
   * Binds the evaluation to its context. Only the client that made the evaluation knows it; earlier
   * hooks may have used its hints for an evaluation of their own.
   */
  claim(context: SDK.EvaluationContext): void {
    if (this.context !== context) this.#bind(context)
    if (this.#givenTicket !== undefined) this.join(this.#givenTicket)
  }
  #bind(context: SDK.EvaluationContext): void {
    if (this.context !== undefined) {
      this.hints = this.#given
      const published = Stamp.get(context)
      this.#resolution = published && published.#resolution
      this.#taken = published && published.#taken
      this.runs = []
    }
    this.context = context
    this.#isPublished = false
  }
  /** Its part in a transaction, which the client can give before the evaluation has a context. */
  get ticket(): Ticket | undefined {
    return this.#taken?.ticket ?? this.#givenTicket
  }
  /** The first one holds. */
  join(ticket: Ticket): void {
    if (this.#taken !== undefined) return
    this.#taken = { ticket, context: this.context }
    this.publish()
  }
  /** Hooks can pass the hints of an evaluation on to another one, which is not in its place in the transaction. */
  ticketOf(context: SDK.EvaluationContext, flagKey: string): Ticket | undefined {
    const taken = this.#taken
    return taken !== undefined && taken.context === context && taken.ticket.flagKey === flagKey
      ? taken.ticket
      : undefined
  }
  /** Whether the Effect client makes the evaluation, and so determines its details. */
  get isOfClient(): boolean {
    return this.runs !== undefined
  }
  addHints(hints: HookHints.HookHints): void {
    this.hints = HookHints.merge(this.hints, hints)
    this.publish()
  }
  get resolution(): ResolutionDetails | undefined {
    return this.ticket?.resolutionIn(this.context) ?? this.#resolution?.details
  }
  /** The first one holds. */
  resolve(flagKey: string, details: ResolutionDetails, last: Resolved["last"]): void {
    this.#resolution ??= { flagKey, details, last }
    this.publish()
  }
  /** What is served in place of the provider's. A provider can pass the context on for another flag. */
  resolutionOf(flagKey: string): ResolutionDetails | undefined {
    const given = this.#resolution
    if (given === undefined || given.flagKey !== flagKey) return undefined
    const { details, last } = given
    if (last === undefined) return details
    touch(last.view)
    const settled = tryOr(() => last.contribution[settle](last.view, details), () => undefined)
    this.#resolution = settled && { flagKey, details: settled, last: undefined }
    return settled
  }
  /** Lets other hooks of the evaluation find it by its context. */
  publish(): void {
    const { context } = this
    if (this.#isPublished || context === undefined) return
    this.#isPublished = true
    tryOr(() => Stamp.put(context, this), () => undefined)
  }
  onInterrupt(run: () => void): void {
    if (this.isInterrupted) return run()
    this.#whenInterrupted ??= []
    this.#whenInterrupted.push(run)
  }
  interrupt(): void {
    this.isInterrupted = true
    this.ticket?.abandon()
    this.running?.interruptUnsafe()
    for (const run of this.#whenInterrupted ?? []) run()
  }
}

class Target {
  constructor(target: object) {
    return target
  }
}

// Stores the evaluation in a private field of its context or its hints. Other code can neither see nor
// copy it, and it triggers no proxy trap. A WeakMap would work too, but its entries for short-lived
// objects cost more garbage collection than all the rest.
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

/** The SDK's hints: a plain record that leads hooks of every level to the evaluation. */
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
    // The first stage of an evaluation runs in the caller's turn, so the current fiber is the caller's.
    const evaluation = new Evaluation(Services.find(), HookHints.fromRecord(hints), context)
    evaluation.around = around()
    if (evaluation.services !== undefined) evaluation.publish()
    return evaluation
  }
  given.context ??= context
  if (given.context === context) return given
  // Other code passed the hints of one evaluation to another.
  const evaluation = new Evaluation(given.services, given.hints, context)
  evaluation.publish()
  return evaluation
}

/** Returns what a hook has contributed in place of the provider's resolution. */
export const resolutionOf = (context: SDK.EvaluationContext, flagKey: string): ResolutionDetails | undefined =>
  Stamp.get(context)?.resolutionOf(flagKey)

export const ticketOf = (context: SDK.EvaluationContext, flagKey: string): Ticket | undefined =>
  Stamp.get(context)?.ticketOf(context, flagKey)

/** Another run may have published the evaluation since. */
export const refind = (known: Evaluation, context: SDK.EvaluationContext): Evaluation => Stamp.get(context) ?? known
