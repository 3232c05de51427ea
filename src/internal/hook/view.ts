/**
 * The hook context that hooks see: a read-only view of the SDK's, whose
 * evaluation context is one mutable object for all hooks and the provider.
 */
import type * as SDK from "@openfeature/server-sdk"
import * as EvaluationContext from "../../EvaluationContext.ts"
import type { FlagValue } from "../../EvaluationDetails.ts"
import type { HookContext } from "../../HookContext.ts"
import { printValue } from "../text.ts"
import { readString } from "../untrusted.ts"

/** What a view shows, and what a converted hook of the SDK is given. */
export interface Source {
  readonly sdk: Readonly<SDK.HookContext>
  /** The details that the SDK gave to the stage that runs. */
  readonly details?: SDK.EvaluationDetails<SDK.FlagValue> | undefined
  /** Whether the Effect client makes the evaluation, and so decides what the details say. */
  readonly isOfClient?: boolean
  /** Makes the evaluation known to hooks that are found by its context. */
  readonly publish?: () => void
}

// Getters on the prototype, not own properties: nothing is copied for a hook
// that does not look, and printing a view cannot show what it holds.
export class View implements HookContext {
  #source: Source
  /** A stage with a deadline must not reach what it could write to after it was given up. */
  readonly #isDetached: boolean
  #context: EvaluationContext.EvaluationContext | undefined = undefined
  #isFinal = false

  constructor(source: Source, isDetached = false) {
    this.#source = source
    this.#isDetached = isDetached
    // What it holds is in private fields, which freezing leaves alone.
    Object.freeze(this)
  }
  get flagKey(): string {
    // The types of the SDK say that it is a string. Its evaluator takes anything.
    const { flagKey } = this.#source.sdk
    return typeof flagKey === "string" ? flagKey : printValue(flagKey, 256)
  }
  get flagValueType(): SDK.FlagValueType {
    return this.#source.sdk.flagValueType
  }
  get defaultValue(): FlagValue {
    return EvaluationContext.snapshot(this.#source.sdk.defaultValue)
  }
  get context(): EvaluationContext.EvaluationContext {
    return this.#context ??= this.#take()
  }
  // The SDK freezes the context behind the last `before`.
  #take(): EvaluationContext.EvaluationContext {
    const { context } = this.#source.sdk
    this.#isFinal = Object.isFrozen(context)
    return Object.freeze({ ...context })
  }
  get clientMetadata(): Readonly<SDK.ClientMetadata> {
    const { clientMetadata } = this.#source.sdk
    return EvaluationContext.snapshot({
      ...clientMetadata,
      providerMetadata: { ...clientMetadata.providerMetadata }
    })
  }
  get providerMetadata(): Readonly<SDK.ProviderMetadata> {
    return EvaluationContext.snapshot({ ...this.#source.sdk.providerMetadata, name: View.providerName(this) })
  }
  get logger(): SDK.Logger {
    return this.#source.sdk.logger
  }
  toJSON(): unknown {
    return {
      flagKey: this.flagKey,
      flagValueType: this.flagValueType,
      domain: this.#source.sdk.clientMetadata.domain,
      providerName: View.providerName(this)
    }
  }
  static touch(view: View): void {
    if (!view.#isFinal) view.#context = undefined
  }
  /** One attribute, without a copy of the others. */
  static attribute(view: View, name: string): unknown {
    const context = view.#context ?? view.#source.sdk.context
    return Object.hasOwn(context, name) ? context[name] : undefined
  }
  static providerName(view: View): string {
    return readString(view.#source.sdk.providerMetadata, "name") ?? "unknown"
  }
  static source(view: View): Source | undefined {
    return view.#isDetached ? undefined : view.#source
  }
  static detach(view: View): View {
    return new View({ sdk: view.#source.sdk }, true)
  }
  static release(view: View): void {
    const { flagValueType, logger } = view.#source.sdk
    const { clientMetadata, flagKey, providerMetadata } = view
    view.#source = {
      sdk: {
        flagKey,
        flagValueType,
        clientMetadata,
        providerMetadata,
        logger,
        context: {},
        defaultValue: false,
        hookData: new Map()
      }
    }
    view.#context = undefined
  }
}

/** Drops the copy of a context that has changed since. */
export const touch = (context: HookContext): void => {
  if (context instanceof View) View.touch(context)
}

/** The provider's name, without a copy of its other metadata. */
export const providerNameOf = (context: HookContext): string =>
  context instanceof View ? View.providerName(context) : context.providerMetadata.name

/** One attribute of the evaluation context, without a copy of the others. */
export const attributeOf = (context: HookContext, name: string): unknown =>
  context instanceof View ? View.attribute(context, name) : context.context[name]

/** What the SDK gave to the stage, unless the stage must not reach it. */
export const sourceOf = (context: HookContext): Source | undefined =>
  context instanceof View ? View.source(context) : undefined

/** A view of the same evaluation that can be released by itself. */
export const detach = (context: HookContext): HookContext => context instanceof View ? View.detach(context) : context

/**
 * Drops what a view holds of its evaluation: a stage that was given up may hold
 * the view for ever.
 */
export const release = (context: HookContext): void => {
  if (context instanceof View) View.release(context)
}
