/**
 * One stage of one stack in one evaluation: its hooks one after the other, in
 * one fiber.
 *
 * A stage is its own loop, in the shape that `Effect.whileLoop` takes, so that
 * it costs one object and one effect for any number of hooks. It gives back
 * nothing when it stayed synchronous, otherwise a promise.
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as EvaluationError from "../../EvaluationError.ts"
import type { Stage as StageName } from "../../HookFailures.ts"
import * as HookFailures from "../../HookFailures.ts"
import { checkedEffect } from "../foreign.ts"
import type { Caller } from "./caller.ts"
import { type Entry, maxDepth, type Stack } from "./stack.ts"

export type SdkHookContext = Readonly<SDK.HookContext>

type Program<R> = Effect.Effect<unknown, unknown, R>

/** What a stage needs to know of the run that it belongs to. */
export interface RunOf<R> {
  readonly stack: Stack<R>
  /** The services to run with; `undefined` when evaluations are nested too deep. */
  readonly services: (caller: Caller) => Context.Context<R> | undefined
  readonly dataOf: (index: number) => unknown
}

export abstract class Stage<F, R> {
  readonly name: StageName
  readonly caller: Caller
  readonly sdk: SdkHookContext
  readonly run: RunOf<R>
  readonly #entries: ReadonlyArray<Entry<F>>
  #index = 0

  constructor(
    name: StageName,
    run: RunOf<R>,
    entries: ReadonlyArray<Entry<F>>,
    caller: Caller,
    sdk: SdkHookContext
  ) {
    this.name = name
    this.run = run
    this.caller = caller
    this.sdk = sdk
    this.#entries = entries
  }

  protected abstract call(entry: Entry<F>): Program<R>

  /** Takes what a hook gave back. What it throws is a defect of that hook. */
  protected take(_result: unknown, _entry: Entry<F>): void {}

  /** Called before the stage rejects the evaluation. */
  protected onReject(): void {}

  protected dataOf(entry: Entry<F>): unknown {
    return entry.hasData ? this.run.dataOf(entry.index) : undefined
  }

  while(): boolean {
    return this.#index < this.#entries.length
  }
  body(): Program<R> {
    const entry = this.#entries[this.#index]
    return entry === undefined ? Effect.void : checkedEffect(this.call(entry))
  }
  step(result: unknown): void {
    const entry = this.#entries[this.#index]
    if (entry !== undefined) this.take(result, entry)
    this.#index++
  }

  /** `before` and `after`: the first failure ends the stage and rejects the evaluation (4.4.6). */
  guard(): Promise<void> | undefined {
    if (this.caller.isInterrupted) throw this.#error("the evaluation was interrupted")
    const services = this.#admit()
    return services === undefined ? undefined : this.#proceed(services, true)
  }

  /** `error` and `finally`: a failure ends one hook's part, the others go on (4.4.3, 4.4.4). */
  observe(): Promise<void> | undefined {
    const services = this.run.services(this.caller)
    return services === undefined || this.run.stack.owner?.isClosed === true
      ? undefined
      : this.#proceed(services, false)
  }

  // One fiber for all hooks; another one behind each hook that failed and whose
  // failure does not end the stage.
  #proceed(services: Context.Context<R>, rejects: boolean): Promise<void> | undefined {
    while (this.while()) {
      const fiber = Effect.runForkWith(services)(Effect.whileLoop(this))
      const exit = fiber.pollUnsafe()
      if (exit === undefined) return this.#wait(fiber, services, rejects)
      this.#settle(exit, services, rejects)
    }
    return undefined
  }

  async #wait(
    fiber: Fiber.Fiber<void, unknown>,
    services: Context.Context<R>,
    rejects: boolean
  ): Promise<void> {
    this.run.stack.owner?.add(fiber)
    if (rejects) this.caller.running = fiber
    const exit = await new Promise<Exit.Exit<void, unknown>>((resolve) => {
      fiber.addObserver(resolve)
    })
    if (rejects) this.caller.running = undefined
    this.#settle(exit, services, rejects)
    return this.#proceed(services, rejects)
  }

  #settle(exit: Exit.Exit<void, unknown>, services: Context.Context<R>, rejects: boolean): void {
    if (exit._tag === "Success") return
    if (rejects) {
      if (this.#isClosedIn(exit.cause)) return this.#end()
      if (this.caller.isInterrupted) {
        this.onReject()
        throw this.#error("the evaluation was interrupted")
      }
      const entry = this.#entries[this.#index]
      if (entry === undefined || !entry.isObserved) {
        this.onReject()
        throw this.#rejection(this.#failure(this.#hook, exit.cause), services)
      }
    }
    this.#report(this.#failure(this.#hook, exit.cause), services)
    this.#index++
    // What the other hooks would run with is gone.
    if (!rejects && this.run.stack.owner?.isClosed === true) this.#end()
  }

  #end(): void {
    this.#index = this.#entries.length
  }

  report(hook: string, cause: Cause.Cause<unknown>): void {
    const services = this.run.services(this.caller)
    if (services !== undefined) this.#report(this.#failure(hook, cause), services)
  }

  // The caller learns the code and message of an EvaluationError and otherwise
  // only which hook it was; what happened goes to the operator.
  #rejection(failure: HookFailures.HookFailure, services: Context.Context<R>): EvaluationError.EvaluationError {
    const deliberate = failure.cause.reasons.find(Cause.isFailReason)?.error
    if (EvaluationError.isEvaluationError(deliberate) && !Cause.hasDies(failure.cause)) {
      return EvaluationError.fromUnknown(deliberate, failure.flagKey)
    }
    this.#report(failure, services)
    return this.#error(HookFailures.describe(failure), failure.cause)
  }

  // The services to run with; `undefined` when the stage is skipped.
  #admit(): Context.Context<R> | undefined {
    const { owner, parts } = this.run.stack
    const services = this.run.services(this.caller)
    if (services === undefined) throw this.#error(`hooks evaluate flags that are nested more than ${maxDepth} deep`)
    if (owner === undefined || !owner.isClosed) return services
    if (owner.whenClosed === "reject") {
      throw this.#error("the scope of a hook that guards this evaluation is closed")
    }
    if (!owner.hasWarned) {
      owner.hasWarned = true
      Effect.runForkWith(services)(
        Effect.logWarning("hooks are skipped, since the scope they were built in is closed").pipe(
          Effect.annotateLogs("hooks", parts.map((part) => part.name)),
          Effect.catchCause(() => Effect.void)
        )
      )
    }
    return undefined
  }

  #isClosedIn(cause: Cause.Cause<unknown>): boolean {
    const { owner } = this.run.stack
    return owner !== undefined && owner.isClosed && owner.whenClosed === "skip" && Cause.hasInterruptsOnly(cause)
  }

  get #hook(): string {
    return this.#entries[this.#index]?.name ?? ""
  }

  #failure(hook: string, cause: Cause.Cause<unknown>): HookFailures.HookFailure {
    return { hook, stage: this.name, flagKey: this.sdk.flagKey, cause }
  }

  #error(message: string, cause?: unknown): EvaluationError.EvaluationError {
    return new EvaluationError.EvaluationError({ code: "GENERAL", message, flagKey: this.sdk.flagKey, cause })
  }

  #report(failure: HookFailures.HookFailure, services: Context.Context<R>): void {
    Effect.runForkWith(services)(HookFailures.report(failure))
  }
}
