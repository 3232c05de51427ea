/**
 * One stage of a stack: its hooks one after the other, and what `before` hooks
 * contribute on the way.
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Effect from "effect/Effect"
import * as EvaluationContext from "../../EvaluationContext.ts"
import * as HookHints from "../../HookHints.ts"
import type { Caller } from "./caller.ts"
import { checkedEffect, isRecord } from "../foreign.ts"
import type { Entry } from "./stack.ts"
import { View } from "../view.ts"

type Program<R> = Effect.Effect<unknown, unknown, R>

/** The shape that `Effect.whileLoop` takes, so that a stage is one effect and no list of them. */
export class Steps<F, R> {
  #index = 0
  readonly #entries: ReadonlyArray<Entry<F>>
  readonly #run: (entry: Entry<F>) => Program<R>
  readonly #take: ((result: unknown, entry: Entry<F>) => void) | undefined

  constructor(
    entries: ReadonlyArray<Entry<F>>,
    run: (entry: Entry<F>) => Program<R>,
    take?: ((result: unknown, entry: Entry<F>) => void) | undefined
  ) {
    this.#entries = entries
    this.#run = run
    this.#take = take
  }
  get effect(): Effect.Effect<void, unknown, R> {
    return Effect.whileLoop(this)
  }
  /** The hook whose turn it is. */
  get hook(): string {
    return this.#entries[this.#index]?.name ?? ""
  }
  while(): boolean {
    return this.#index < this.#entries.length
  }
  body(): Program<R> {
    const entry = this.#entries[this.#index]
    return entry === undefined ? Effect.void : checkedEffect(this.#run(entry))
  }
  step(result?: unknown): void {
    const entry = this.#entries[this.#index]
    if (this.#take !== undefined && entry !== undefined) this.#take(result, entry)
    this.#index++
  }
  skip(): void {
    this.#index++
  }
}

/** Collects what the hooks of a `before` stage give back. */
export class Merge {
  contributed: SDK.EvaluationContext | undefined = undefined
  view: View
  readonly #caller: Caller
  readonly #sdk: Readonly<SDK.HookContext>

  constructor(caller: Caller, sdk: Readonly<SDK.HookContext>) {
    this.view = new View(sdk)
    this.#caller = caller
    this.#sdk = sdk
  }

  /** Says whether there was something to take. What it throws is a defect of the hook. */
  take(result: unknown, entry: Entry<unknown>): boolean {
    if (!isRecord(result)) return result === undefined
    const { context, hints } = result
    if (hints !== undefined) {
      if (!HookHints.isHookHints(hints)) throw new TypeError(`"${entry.name}" gave back hints that are not HookHints`)
      this.#caller.addHints(hints)
    }
    if (context !== undefined) {
      if (!EvaluationContext.isEvaluationContext(context)) {
        throw new TypeError(`"${entry.name}" gave back a context that is not a record`)
      }
      this.contributed = { ...this.contributed, ...EvaluationContext.toSdk(context) }
      this.view = new View(this.#sdk, this.contributed)
    }
    return true
  }
}
