/**
 * The hook context that Effect hooks see: a read-only view of the SDK's, which
 * is one mutable object for all hooks of an evaluation and the provider.
 */
import type * as SDK from "@openfeature/server-sdk"
import * as EvaluationContext from "../EvaluationContext.ts"
import type { FlagValue } from "../EvaluationDetails.ts"
import type { HookContext } from "../HookContext.ts"
import * as Predicate from "effect/Predicate"
import { readString } from "./foreign.ts"
import { printValue } from "./text.ts"

// Getters on the prototype, not own properties: nothing is copied for a hook
// that does not look, and printing a view cannot show what it holds.
export class View implements HookContext {
  #sdk: Readonly<SDK.HookContext>
  #contributed: EvaluationContext.EvaluationContext | undefined
  #snapshot: EvaluationContext.EvaluationContext | undefined = undefined
  #isFinal = false
  readonly #flagKey: string

  constructor(sdk: Readonly<SDK.HookContext>, contributed?: EvaluationContext.EvaluationContext | undefined) {
    this.#sdk = sdk
    this.#contributed = contributed
    // The types of the SDK say so, its evaluator takes anything.
    this.#flagKey = Predicate.isString(sdk.flagKey) ? sdk.flagKey : printValue(sdk.flagKey, 256)
    // What it holds is in private fields, which freezing leaves alone.
    Object.freeze(this)
  }
  get flagKey(): string {
    return this.#flagKey
  }
  get flagValueType(): SDK.FlagValueType {
    return this.#sdk.flagValueType
  }
  get defaultValue(): FlagValue {
    return EvaluationContext.snapshot(this.#sdk.defaultValue)
  }
  get context(): EvaluationContext.EvaluationContext {
    return this.#snapshot ??= this.#take()
  }
  // The SDK freezes the context behind the last `before`.
  #take(): EvaluationContext.EvaluationContext {
    const { context } = this.#sdk
    this.#isFinal = Object.isFrozen(context)
    return Object.freeze({ ...context, ...this.#contributed })
  }
  get clientMetadata(): Readonly<SDK.ClientMetadata> {
    return Object.freeze({ ...this.#sdk.clientMetadata })
  }
  get providerMetadata(): Readonly<SDK.ProviderMetadata> {
    const { providerMetadata } = this.#sdk
    return Object.freeze({ ...providerMetadata, name: View.providerName(this) })
  }
  get logger(): SDK.Logger {
    return this.#sdk.logger
  }
  toJSON(): unknown {
    return {
      flagKey: this.flagKey,
      flagValueType: this.flagValueType,
      domain: this.#sdk.clientMetadata.domain,
      providerName: this.providerMetadata.name
    }
  }
  /** A view for the next stage: the same one, as long as it cannot show an older context. */
  static next(view: View, sdk: Readonly<SDK.HookContext>): View {
    const isCurrent = view.#contributed === undefined && (view.#snapshot === undefined || view.#isFinal)
    return isCurrent && view.#sdk === sdk ? view : new View(sdk)
  }
  static providerName(view: View): string {
    return readString(view.#sdk.providerMetadata, "name") ?? "unknown"
  }
  static copy(view: View): View {
    return new View(view.#sdk, view.#contributed)
  }
  static release(view: View): void {
    view.#sdk = { ...view.#sdk, context: EvaluationContext.toSdk(EvaluationContext.empty), defaultValue: false }
    view.#contributed = undefined
    view.#snapshot = undefined
  }
}

/** The provider's name, without a copy of what else it tells of itself. */
export const providerNameOf = (context: HookContext): string =>
  context instanceof View ? View.providerName(context) : context.providerMetadata.name

/** A view of the same evaluation that can be released by itself. */
export const copyOf = (context: HookContext): HookContext => context instanceof View ? View.copy(context) : context

/**
 * Drops what a view holds of its evaluation, for a stage that was given up on
 * but may hold the view for ever.
 */
export const release = (context: HookContext): void => {
  if (context instanceof View) View.release(context)
}
