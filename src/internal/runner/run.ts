/**
 * The runner: the only place that knows what the stages mean.
 *
 * A run is one stack of hooks in one evaluation. It has the shape of an SDK
 * hook, so it can take part in an evaluation itself.
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as EvaluationContext from "../../EvaluationContext.ts"
import * as EvaluationDetails from "../../EvaluationDetails.ts"
import * as EvaluationError from "../../EvaluationError.ts"
import * as HookHints from "../../HookHints.ts"
import { attempt, isRecord } from "../foreign.ts"
import type { Part } from "../part.ts"
import { View } from "../view.ts"
import { type Caller, find, refind } from "./caller.ts"
import type { Entry, Stack } from "./stack.ts"
import { type SdkHookContext, Stage } from "./stage.ts"

type SdkDetails = SDK.EvaluationDetails<SDK.FlagValue>

type Settled<A> = A | Promise<A>

/** Looks at what a flag resolved to before any hook does; throws to reject it. */
export type Accept = (details: SdkDetails) => void

export class Run<R> {
  readonly stack: Stack<R>
  readonly #accept: Accept | undefined
  #caller: Caller | undefined
  #sdk: SdkHookContext | undefined = undefined
  #services: Context.Context<R> | undefined = undefined
  #servicesOf: Caller | undefined = undefined
  #data: Array<unknown> | undefined = undefined
  #view: View | undefined = undefined
  #details: EvaluationDetails.EvaluationDetails | undefined = undefined
  #hasEntered = false
  #errorHasRun = false
  #finallyHasRun = false

  constructor(stack: Stack<R>, caller?: Caller | undefined, accept?: Accept | undefined) {
    this.stack = stack
    this.#caller = caller
    this.#accept = accept
  }

  /** Whether this is the run of a stack for a hook context. */
  isOf<R2>(stack: Stack<R2>, sdk: SdkHookContext): this is Run<R2> {
    const own: unknown = this.stack
    return own === stack && this.#sdk === sdk
  }

  before(sdk: SdkHookContext, hints: SDK.HookHints | undefined): Settled<SDK.EvaluationContext | undefined> {
    const caller = this.#enter(sdk, hints)
    if (this.stack.before.length === 0) return undefined
    const stage = new Before(this, caller, sdk, this.#viewOf(sdk))
    const pending = stage.guard()
    return pending === undefined ? stage.contributed : pending.then(() => stage.contributed)
  }

  after(sdk: SdkHookContext, details: SdkDetails, hints: SDK.HookHints | undefined): Settled<void> {
    const caller = this.#enter(sdk, hints)
    this.#accept?.(details)
    return this.stack.after.length === 0 ? undefined : this.#resolved("after", caller, sdk, details).guard()
  }

  error(sdk: SdkHookContext, error: unknown, hints: SDK.HookHints | undefined): Settled<void> {
    // A hostile hook next to this one can make the SDK run the stage again.
    if (this.#errorHasRun) return
    this.#errorHasRun = true
    const caller = this.#enter(sdk, hints)
    return this.stack.error.length === 0
      ? undefined
      : new OnError(this, caller, sdk, this.#viewOf(sdk), error).observe()
  }

  finally(sdk: SdkHookContext, details: SdkDetails, hints: SDK.HookHints | undefined): Settled<void> {
    if (this.#finallyHasRun) return
    this.#finallyHasRun = true
    const caller = this.#enter(sdk, hints)
    return this.stack.finally.length === 0 ? undefined : this.#resolved("finally", caller, sdk, details).observe()
  }

  /** Runs the stages that are owed when the SDK will not run them: it was given up on, or it rejected. */
  async finish(error: unknown): Promise<void> {
    const sdk = this.#sdk
    if (sdk === undefined || this.#finallyHasRun) return
    await this.error(sdk, error, undefined)
    const details = EvaluationDetails.failed(sdk.flagKey, sdk.defaultValue, error)
    await this.finally(sdk, EvaluationDetails.toSdk(details), undefined)
  }

  services(caller: Caller): Context.Context<R> | undefined {
    if (this.#services === undefined || this.#servicesOf !== caller) {
      this.#services = this.stack.services(caller.services)
      this.#servicesOf = caller
    }
    return this.#services
  }

  /** The data of one hook, made when the hook is first asked to do something. */
  dataOf(index: number): unknown {
    const make = this.stack.parts[index]?.hookData
    if (make === undefined) return undefined
    this.#data ??= []
    return this.#data[index] ??= make()
  }

  #resolved(name: "after" | "finally", caller: Caller, sdk: SdkHookContext, details: SdkDetails): Resolved<R> {
    const known = this.#details
    this.#details = known !== undefined && EvaluationDetails.isCopyOf(known, details)
      ? known
      : EvaluationDetails.fromSdk(details)
    return new Resolved(name, this, caller, sdk, this.#viewOf(sdk), this.#details)
  }

  #viewOf(sdk: SdkHookContext): View {
    return this.#view = this.#view === undefined ? new View(sdk) : View.next(this.#view, sdk)
  }

  #enter(sdk: SdkHookContext, hints: SDK.HookHints | undefined): Caller {
    this.#sdk = sdk
    if (this.#hasEntered && this.#caller !== undefined) return this.#caller = refind(this.#caller, sdk.context)
    this.#hasEntered = true
    this.#caller?.claim(sdk.context)
    const caller = this.#caller ?? find(sdk.context, hints)
    caller.runs?.push(this)
    return this.#caller = caller
  }
}

type Program<R> = Effect.Effect<unknown, unknown, R>
type Function<R, S extends "before" | "after" | "error" | "finally"> = NonNullable<Part<unknown, R>[S]>

const ignored = new WeakSet()

class Before<R> extends Stage<Function<R, "before">, R> {
  contributed: SDK.EvaluationContext | undefined = undefined
  #view: View

  constructor(run: Run<R>, caller: Caller, sdk: SdkHookContext, view: View) {
    super("before", run, run.stack.before, caller, sdk)
    this.#view = view
  }
  protected call(entry: Entry<Function<R, "before">>): Program<R> {
    return entry.run(this.#view, this.caller.hints, this.dataOf(entry))
  }
  protected override take(result: unknown, entry: Entry<unknown>): void {
    if (result === undefined) return
    if (!isRecord(result)) return this.#ignore(entry)
    // Own keys only: what a polluted prototype contributes is nobody's.
    const hints = Object.hasOwn(result, "hints") ? result["hints"] : undefined
    const context = Object.hasOwn(result, "context") ? result["context"] : undefined
    if (hints !== undefined) {
      if (!HookHints.isHookHints(hints)) throw new TypeError(`"${entry.name}" gave back hints that are not HookHints`)
      this.caller.addHints(hints)
    }
    if (context !== undefined) {
      if (!EvaluationContext.isEvaluationContext(context)) {
        throw new TypeError(`"${entry.name}" gave back a context that is not a record`)
      }
      this.contributed = { ...this.contributed, ...EvaluationContext.toSdk(context) }
      this.#view = new View(this.sdk, this.contributed)
    }
  }
  // What the hooks before the failing one contributed stays, as it does when they
  // are registered one by one. Somebody may have made the live context unwritable.
  protected override onReject(): void {
    const { contributed, sdk } = this
    if (contributed !== undefined) attempt(() => Object.assign(sdk.context, contributed), () => undefined)
  }
  // What the SDK ignores is ignored here too, but said once.
  #ignore(entry: Entry<unknown>): void {
    if (ignored.has(entry)) return
    ignored.add(entry)
    this.report(entry.name, Cause.die(new TypeError("the stage gave back something that is not a contribution")))
  }
}

class Resolved<R> extends Stage<Function<R, "after" | "finally">, R> {
  readonly #view: View
  readonly #details: EvaluationDetails.EvaluationDetails

  constructor(
    name: "after" | "finally",
    run: Run<R>,
    caller: Caller,
    sdk: SdkHookContext,
    view: View,
    details: EvaluationDetails.EvaluationDetails
  ) {
    super(name, run, run.stack[name], caller, sdk)
    this.#view = view
    this.#details = details
  }
  protected call(entry: Entry<Function<R, "after" | "finally">>): Program<R> {
    return entry.run(this.#view, this.#details, this.caller.hints, this.dataOf(entry))
  }
}

class OnError<R> extends Stage<Function<R, "error">, R> {
  readonly #view: View
  readonly #error: EvaluationError.EvaluationError

  constructor(run: Run<R>, caller: Caller, sdk: SdkHookContext, view: View, error: unknown) {
    super("error", run, run.stack.error, caller, sdk)
    this.#view = view
    this.#error = EvaluationError.isEvaluationError(error) ? error : EvaluationError.fromUnknown(error, sdk.flagKey)
  }
  protected call(entry: Entry<Function<R, "error">>): Program<R> {
    return entry.run(this.#view, this.#error, this.caller.hints, this.dataOf(entry))
  }
}
