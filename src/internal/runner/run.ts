/**
 * The runner: the only place that knows what the stages mean.
 *
 * A run is one stack of hooks in one evaluation. Each stage is one fiber for all
 * hooks that take part in it; a stage that stays synchronous gives its result
 * back as it is, any other a promise.
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as EvaluationDetails from "../../EvaluationDetails.ts"
import * as EvaluationError from "../../EvaluationError.ts"
import type { Stage } from "../../HookFailures.ts"
import * as HookFailures from "../../HookFailures.ts"
import { type Caller, find, refind } from "./caller.ts"
import { attempt } from "../foreign.ts"
import { maxDepth, type Stack } from "./stack.ts"
import { Merge, Steps } from "./steps.ts"

/** Looks at what a flag resolved to before any hook does; throws to reject it. */
export type Accept = (details: SDK.EvaluationDetails<SDK.FlagValue>) => void
import { View } from "../view.ts"

type SdkHookContext = Readonly<SDK.HookContext>

type Settled<A> = A | Promise<A>

export class Run<R> {
  readonly #stack: Stack<R>
  readonly #accept: Accept | undefined
  #caller: Caller | undefined
  #sdk: SdkHookContext | undefined = undefined
  #data: Array<unknown> | undefined = undefined
  #hasEntered = false
  #errorHasRun = false
  #finallyHasRun = false

  constructor(stack: Stack<R>, caller?: Caller | undefined, accept?: Accept | undefined) {
    this.#stack = stack
    this.#caller = caller
    this.#accept = accept
  }

  /** Whether this is the run of a stack for a hook context. */
  isOf<R2>(stack: Stack<R2>, sdk: SdkHookContext): this is Run<R2> {
    const own: unknown = this.#stack
    return own === stack && this.#sdk === sdk
  }

  before(sdk: SdkHookContext, hints: SDK.HookHints | undefined): Settled<SDK.EvaluationContext | undefined> {
    const caller = this.#enter(sdk, hints)
    if (this.#stack.before.length === 0) return
    const merge = new Merge(caller, sdk)
    const steps = new Steps(
      this.#stack.before,
      ({ index, run }) => run(merge.view, caller.hints, this.#dataOf(index)),
      (result, entry) => {
        if (!merge.take(result, entry)) this.#ignored(entry, caller, sdk)
      }
    )
    return this.#guard("before", caller, sdk, steps, () => merge.contributed, () => {
      // What the hooks before the failing one contributed stays, as it does when
      // they are registered one by one. Somebody may have made the live context
      // unwritable.
      const { contributed } = merge
      if (contributed !== undefined) attempt(() => Object.assign(sdk.context, contributed), () => undefined)
    })
  }

  after(
    sdk: SdkHookContext,
    details: SDK.EvaluationDetails<SDK.FlagValue>,
    hints: SDK.HookHints | undefined
  ): Settled<void> {
    this.#sdk = sdk
    this.#accept?.(details)
    if (this.#stack.after.length === 0) return
    const caller = this.#enter(sdk, hints)
    const view = new View(sdk)
    const copy = EvaluationDetails.fromSdk(details)
    const steps = new Steps(this.#stack.after, ({ index, run }) => run(view, copy, caller.hints, this.#dataOf(index)))
    return this.#guard("after", caller, sdk, steps, () => undefined)
  }

  error(sdk: SdkHookContext, error: unknown, hints: SDK.HookHints | undefined): Settled<void> {
    // A hostile hook next to this one can make the SDK run the stage again.
    if (this.#errorHasRun) return
    this.#sdk = sdk
    this.#errorHasRun = true
    if (this.#stack.error.length === 0) return
    const caller = this.#enter(sdk, hints)
    const view = new View(sdk)
    const reason = EvaluationError.isEvaluationError(error) ? error : EvaluationError.fromUnknown(error, sdk.flagKey)
    const steps = new Steps(this.#stack.error, ({ index, run }) => run(view, reason, caller.hints, this.#dataOf(index)))
    return this.#observe("error", caller, sdk, steps)
  }

  finally(
    sdk: SdkHookContext,
    details: SDK.EvaluationDetails<SDK.FlagValue>,
    hints: SDK.HookHints | undefined
  ): Settled<void> {
    if (this.#finallyHasRun) return
    this.#sdk = sdk
    this.#finallyHasRun = true
    if (this.#stack.finally.length === 0) return
    const caller = this.#enter(sdk, hints)
    const view = new View(sdk)
    const copy = EvaluationDetails.fromSdk(details)
    const steps = new Steps(this.#stack.finally, ({ index, run }) => run(view, copy, caller.hints, this.#dataOf(index)))
    return this.#observe("finally", caller, sdk, steps)
  }

  /** Runs the stages that are owed when the SDK will not run them: it was given up on, or it rejected. */
  async finish(error: unknown): Promise<void> {
    const sdk = this.#sdk
    if (sdk === undefined || this.#finallyHasRun) return
    await this.error(sdk, error, undefined)
    const details = EvaluationDetails.failed(sdk.flagKey, sdk.defaultValue, error)
    await this.finally(sdk, EvaluationDetails.toSdk(details), undefined)
  }

  /** The data of one hook, made when the hook is first asked to do something. */
  #dataOf(index: number): unknown {
    const make = this.#stack.parts[index]?.hookData
    if (make === undefined) return undefined
    this.#data ??= []
    return this.#data[index] ??= make()
  }

  #enter(sdk: SdkHookContext, hints: SDK.HookHints | undefined): Caller {
    this.#sdk = sdk
    const caller = this.#caller === undefined ? find(sdk.context, hints) : refind(this.#caller, sdk.context)
    if (!this.#hasEntered) {
      this.#hasEntered = true
      caller.runs?.push(this)
    }
    return this.#caller = caller
  }

  // `before` and `after`: the first failure ends the stage and rejects the
  // evaluation (4.4.6).
  #guard<F, A>(
    stage: Stage,
    caller: Caller,
    sdk: SdkHookContext,
    steps: Steps<F, R>,
    onSuccess: () => A,
    onReject?: () => void
  ): Settled<A> {
    if (caller.isInterrupted) throw interrupted(sdk.flagKey)
    const services = this.#admit(caller, sdk)
    if (services === undefined) return onSuccess()
    const settle = (exit: Exit.Exit<void, unknown>): A => {
      if (exit._tag === "Success" || this.#isClosed(exit)) return onSuccess()
      onReject?.()
      if (caller.isInterrupted) throw interrupted(sdk.flagKey)
      throw this.#rejection({ hook: steps.hook, stage, flagKey: sdk.flagKey, cause: exit.cause }, services)
    }
    const fiber = Effect.runForkWith(services)(steps.effect)
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return settle(exit)
    caller.running = fiber
    return this.#wait(fiber).then((exit) => {
      caller.running = undefined
      return settle(exit)
    })
  }

  // `error` and `finally`: a failure ends one hook's part, the others go on
  // (4.4.3, 4.4.4).
  #observe<F>(stage: Stage, caller: Caller, sdk: SdkHookContext, steps: Steps<F, R>): Settled<void> {
    const services = this.#stack.services(caller.services)
    if (services === undefined || this.#stack.owner?.isClosed === true) return
    const settle = (exit: Exit.Exit<void, unknown>): void => {
      if (exit._tag === "Success") return
      this.#report({ hook: steps.hook, stage, flagKey: sdk.flagKey, cause: exit.cause }, services)
      steps.skip()
    }
    while (steps.while()) {
      const fiber = Effect.runForkWith(services)(steps.effect)
      const exit = fiber.pollUnsafe()
      if (exit === undefined) {
        return this.#wait(fiber).then((exit) => {
          settle(exit)
          return this.#observe(stage, caller, sdk, steps)
        })
      }
      settle(exit)
    }
  }

  #admit(caller: Caller, sdk: SdkHookContext): Context.Context<R> | undefined {
    const owner = this.#stack.owner
    const services = this.#stack.services(caller.services)
    if (services === undefined) {
      throw new EvaluationError.EvaluationError({
        code: "GENERAL",
        message: `hooks evaluate flags that are nested more than ${maxDepth} deep`,
        flagKey: sdk.flagKey
      })
    }
    if (owner === undefined || !owner.isClosed) return services
    if (owner.whenClosed === "closed") {
      throw new EvaluationError.EvaluationError({
        code: "GENERAL",
        message: "the scope of a hook that guards this evaluation is closed",
        flagKey: sdk.flagKey
      })
    }
    if (!owner.hasWarned) {
      owner.hasWarned = true
      Effect.runForkWith(services)(
        Effect.logWarning("hooks are skipped, since the scope they were built in is closed").pipe(
          Effect.annotateLogs("hooks", this.#stack.parts.map((part) => part.name)),
          Effect.catchCause(() => Effect.void)
        )
      )
    }
    return undefined
  }

  #isClosed(exit: Exit.Exit<void, unknown>): boolean {
    const owner = this.#stack.owner
    return owner !== undefined && owner.isClosed && owner.whenClosed === "open" && exit._tag === "Failure" &&
      Cause.hasInterruptsOnly(exit.cause)
  }

  #wait<E>(fiber: Fiber.Fiber<void, E>): Promise<Exit.Exit<void, E>> {
    this.#stack.owner?.add(fiber)
    return new Promise((resolve) => {
      fiber.addObserver(resolve)
    })
  }

  // The caller learns the code and message of an EvaluationError and otherwise
  // only which hook it was; what happened goes to the operator.
  #rejection(
    failure: HookFailures.HookFailure,
    services: Context.Context<R>
  ): EvaluationError.EvaluationError {
    const deliberate = failure.cause.reasons.find(Cause.isFailReason)?.error
    if (EvaluationError.isEvaluationError(deliberate) && !Cause.hasDies(failure.cause)) {
      return EvaluationError.fromUnknown(deliberate, failure.flagKey)
    }
    this.#report(failure, services)
    return new EvaluationError.EvaluationError({
      code: "GENERAL",
      message: HookFailures.describe(failure),
      flagKey: failure.flagKey,
      cause: failure.cause
    })
  }

  // What the SDK ignores is ignored here too, but said once.
  #ignored(entry: object & { readonly name: string }, caller: Caller, sdk: SdkHookContext): void {
    const services = this.#stack.services(caller.services)
    if (services === undefined || ignored.has(entry)) return
    ignored.add(entry)
    const cause = Cause.die(new TypeError("the stage gave back something that is not a contribution"))
    this.#report({ hook: entry.name, stage: "before", flagKey: sdk.flagKey, cause }, services)
  }

  #report(failure: HookFailures.HookFailure, services: Context.Context<R>): void {
    Effect.runForkWith(services)(HookFailures.report(failure))
  }
}

const ignored = new WeakSet()

const interrupted = (flagKey: string) =>
  new EvaluationError.EvaluationError({ code: "GENERAL", message: "the evaluation was interrupted", flagKey })
