/**
 * The hook context that hooks see: a read-only view of the SDK's. The SDK shares
 * one mutable evaluation context between all hooks and the provider.
 */
import type * as SDK from "@openfeature/server-sdk"
import * as EvaluationContext from "../../EvaluationContext.ts"
import type { FlagValue, ResolutionDetails } from "../../EvaluationDetails.ts"
import type { HookContext } from "../../HookContext.ts"
import { printValue } from "../text.ts"
import { readString } from "../untrusted.ts"
import { isServer, noteServer } from "./server.ts"
import type { Sharing } from "./inTransaction.ts"

/** The content of a view, and the arguments of a converted SDK hook. */
export interface Source {
  readonly sdk: Readonly<SDK.HookContext>
  /** The details that the SDK passed to the running stage. */
  readonly details?: SDK.EvaluationDetails<SDK.FlagValue> | undefined
  /** Whether the Effect client makes the evaluation, and so determines its details. */
  readonly isOfClient?: boolean
  /** What a `before` has contributed. */
  readonly resolution?: ResolutionDetails | undefined
  /** Lets a hook of a transaction take part in the evaluation. */
  readonly evaluation?: Sharing
  /** Lets nested hooks find the evaluation by its context. */
  readonly publish?: () => void
}

// Getters on the prototype instead of own properties: they copy only on access, and printing a view
// does not reveal its content.
export class View implements HookContext {
  #source: Source
  /** A stage with a deadline must not reach live objects, since it could write to them after it was abandoned. */
  readonly #isDetached: boolean
  #context: EvaluationContext.EvaluationContext | undefined = undefined
  #isFinal = false

  constructor(source: Source, isDetached = false) {
    this.#source = source
    this.#isDetached = isDetached
    // The content is in private fields, which freezing does not affect.
    Object.freeze(this)
  }
  get flagKey(): string {
    // The SDK's types promise a string, but its evaluator accepts any value.
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
  // The SDK freezes the context after the last `before`.
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
    const { providerMetadata } = this.#source.sdk
    const copy = EvaluationContext.snapshot({ ...providerMetadata, name: View.providerName(this) })
    return isServer(providerMetadata) ? noteServer(copy) : copy
  }
  get resolution(): ResolutionDetails | undefined {
    return this.#source.resolution
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
  /** Avoids a copy of the whole context. */
  static attribute(view: View, name: string): unknown {
    const context = View.present(view)
    return Object.hasOwn(context, name) ? context[name] : undefined
  }
  static present(view: View): EvaluationContext.EvaluationContext {
    return view.#context ?? view.#source.sdk.context
  }
  static providerName(view: View): string {
    return readString(view.#source.sdk.providerMetadata, "name") ?? "unknown"
  }
  static isServed(view: View): boolean {
    return isServer(view.#source.sdk.providerMetadata)
  }
  static domain(view: View): string | undefined {
    return readString(view.#source.sdk.clientMetadata, "domain")
  }
  static source(view: View): Source | undefined {
    return view.#isDetached ? undefined : view.#source
  }
  static detach(view: View): View {
    const { resolution, sdk } = view.#source
    return new View({ sdk, resolution }, true)
  }
  /** The SDK's live context can still change, unless it is frozen. */
  static settle(view: View): View {
    const settled = View.detach(view)
    if (!Object.isFrozen(view.#source.sdk.context)) settled.#context = view.context
    return settled
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

/** Discards an outdated copy of the context. */
export const touch = (context: HookContext): void => {
  if (context instanceof View) View.touch(context)
}

/** Avoids a copy of the other metadata. */
export const providerNameOf = (context: HookContext): string =>
  context instanceof View ? View.providerName(context) : context.providerMetadata.name

/** Whether the provider serves resolutions. Avoids a copy of its metadata. */
export const isServed = (context: HookContext): boolean =>
  context instanceof View ? View.isServed(context) : isServer(context.providerMetadata)

/** Avoids a copy of the other metadata. */
export const domainOf = (context: HookContext): string | undefined =>
  context instanceof View ? View.domain(context) : context.clientMetadata.domain

/** Avoids a copy of the whole evaluation context. */
export const attributeOf = (context: HookContext, name: string): unknown =>
  context instanceof View ? View.attribute(context, name) : context.context[name]

/** The present evaluation context without a copy, only to be read and only now. */
export const presentContextOf = (context: HookContext): object =>
  context instanceof View ? View.present(context) : context.context

/** Returns the targeting key if it is a text that is not empty. */
export const targetingKeyOf = (context: HookContext): string | undefined => {
  const found = attributeOf(context, "targetingKey")
  return typeof found === "string" && found !== "" ? found : undefined
}

/** Returns the SDK's arguments of the stage, unless the stage must not reach them. */
export const sourceOf = (context: HookContext): Source | undefined =>
  context instanceof View ? View.source(context) : undefined

/** Returns a view of the same evaluation that can be released separately. */
export const detach = (context: HookContext): HookContext => context instanceof View ? View.detach(context) : context

/** Returns a view that stays what it is, for a stage that runs later. */
export const settled = (context: HookContext): HookContext => context instanceof View ? View.settle(context) : context

/** Empties a view, since an abandoned stage can hold it forever. */
export const release = (context: HookContext): void => {
  if (context instanceof View) View.release(context)
}
