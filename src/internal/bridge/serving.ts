/** A wrapper around a provider that serves the resolutions that hooks contribute. */
import * as SDK from "@openfeature/server-sdk"
import { cast } from "effect/Function"
import * as Predicate from "effect/Predicate"
import { serve } from "../hook/serve.ts"
import { noteServer } from "../hook/server.ts"
import type { Ticket } from "../hook/transaction.ts"
import { resolutionOf, ticketOf } from "../runner/evaluation.ts"
import { read, tryOr } from "../untrusted.ts"

type Events = SDK.ProviderEventEmitter<SDK.AnyProviderEvent>

type Resolving<A> = Promise<SDK.ResolutionDetails<A>>

type Resolver<A> = (
  flagKey: string,
  defaultValue: A,
  context: SDK.EvaluationContext,
  logger: SDK.Logger
) => Resolving<A>

const eventTypes = [
  SDK.ProviderEvents.Ready,
  SDK.ProviderEvents.Error,
  SDK.ProviderEvents.Stale,
  SDK.ProviderEvents.ConfigurationChanged
] as const

// The SDK calls methods of one provider on another when a provider is replaced during an evaluation, so
// the methods are bound.
export class Serving implements SDK.Provider {
  readonly #provider: SDK.Provider
  readonly #ownEvents: SDK.OpenFeatureEventEmitter | undefined = undefined
  #metadata: { readonly of: SDK.ProviderMetadata; readonly copy: SDK.ProviderMetadata } | undefined = undefined
  #isInitializing = false
  readonly events?: Events
  readonly initialize?: SDK.Provider["initialize"] & {}
  readonly resolveBooleanEvaluation: SDK.Provider["resolveBooleanEvaluation"]
  readonly resolveStringEvaluation: SDK.Provider["resolveStringEvaluation"]
  readonly resolveNumberEvaluation: SDK.Provider["resolveNumberEvaluation"]
  readonly resolveObjectEvaluation: SDK.Provider["resolveObjectEvaluation"]

  constructor(provider: SDK.Provider, resolvesWhenNotReady: boolean) {
    this.#provider = provider
    // The SDK takes a provider without `initialize` for ready.
    if (provider.initialize !== undefined) {
      this.initialize = (...args) => this.begin(async () => provider.initialize?.(...args))
      if (resolvesWhenNotReady) this.#ownEvents = this.#forwarding(provider.events)
    }
    const events = this.#ownEvents ?? provider.events
    if (events !== undefined) this.events = events
    const resolveBoolean: Resolver<boolean> = (flagKey, defaultValue, context, logger) =>
      this.#resolved("boolean", flagKey, context) ??
        provider.resolveBooleanEvaluation(flagKey, defaultValue, context, logger)
    const resolveString: Resolver<string> = (flagKey, defaultValue, context, logger) =>
      this.#resolved("string", flagKey, context) ??
        provider.resolveStringEvaluation(flagKey, defaultValue, context, logger)
    const resolveNumber: Resolver<number> = (flagKey, defaultValue, context, logger) =>
      this.#resolved("number", flagKey, context) ??
        provider.resolveNumberEvaluation(flagKey, defaultValue, context, logger)
    const resolveObject: SDK.Provider["resolveObjectEvaluation"] = (flagKey, defaultValue, context, logger) =>
      this.#resolved("object", flagKey, context) ??
        provider.resolveObjectEvaluation(flagKey, defaultValue, context, logger)
    this.resolveBooleanEvaluation = (flagKey, defaultValue, context, logger) =>
      resolve(resolveBoolean, flagKey, defaultValue, context, logger)
    this.resolveStringEvaluation = (flagKey, defaultValue, context, logger) =>
      resolve(resolveString, flagKey, defaultValue, context, logger)
    this.resolveNumberEvaluation = (flagKey, defaultValue, context, logger) =>
      resolve(resolveNumber, flagKey, defaultValue, context, logger)
    this.resolveObjectEvaluation = (flagKey, defaultValue, context, logger) =>
      resolve(resolveObject, flagKey, defaultValue, context, logger)
  }
  get metadata(): SDK.ProviderMetadata {
    const { metadata } = this.#provider
    if (this.#metadata === undefined || this.#metadata.of !== metadata) {
      this.#metadata = { of: metadata, copy: noteServer(copyOf(metadata)) }
    }
    return this.#metadata.copy
  }
  get runsOn(): SDK.Paradigm {
    return this.#provider.runsOn ?? "server"
  }
  get domainScoped(): boolean {
    // Older versions of the SDK do not have this property.
    return read(this.#provider, "domainScoped") === true
  }
  get hooks(): Array<SDK.Hook> {
    return this.#provider.hooks ?? []
  }
  protected async begin(initialize: () => Promise<void>): Promise<void> {
    this.#isInitializing = this.#ownEvents !== undefined
    this.announce()
    try {
      await initialize()
    } finally {
      this.#isInitializing = false
    }
  }
  // The SDK asks a provider of this status. It adds the handlers of the application later, so they do not hear of it.
  protected announce(): void {
    if (this.#isInitializing) this.#ownEvents?.emit(SDK.ProviderEvents.Stale)
  }
  async onClose(): Promise<void> {
    await this.#provider.onClose?.()
  }
  track(name: string, context: SDK.EvaluationContext, details: SDK.TrackingEventDetails): void {
    // As the SDK does while the status is `NOT_READY`.
    if (!this.#isInitializing) this.#provider.track?.(name, context, details)
  }

  /** Returns `undefined` when the provider has to be asked. */
  #resolved<A>(type: SDK.FlagValueType, flagKey: string, context: SDK.EvaluationContext): Resolving<A> | undefined {
    const resolution = resolutionOf(context, flagKey)
    if (resolution !== undefined) return serve(type, resolution)
    return this.#isInitializing
      ? Promise.reject(new SDK.ProviderNotReadyError("provider has not yet initialized"))
      : undefined
  }

  #forwarding(events: Events | undefined): SDK.OpenFeatureEventEmitter {
    const own = new SDK.OpenFeatureEventEmitter()
    for (const type of eventTypes) {
      events?.addHandler(type, (details) => {
        // The event says what the status is from now on.
        if (type !== SDK.ProviderEvents.ConfigurationChanged) this.#isInitializing = false
        own.emit(type, details)
      })
    }
    return own
  }
}

// Providers can share one object, and those that are not wrapped do not serve. An instance of a class can
// have private fields, which a copy would lose. A provider without types may have no metadata at all, and
// its hooks still need an object to know it by.
const copyOf = <A extends object>(metadata: A): A =>
  tryOr(() => {
    if (!Predicate.isObject(metadata)) return cast({})
    const prototype = Object.getPrototypeOf(metadata)
    if (prototype !== Object.prototype && prototype !== null) return metadata
    return cast(Object.create(prototype, Object.getOwnPropertyDescriptors(metadata)))
  }, () => metadata)

const resolve = <A>(
  resolver: Resolver<A>,
  flagKey: string,
  defaultValue: A,
  context: SDK.EvaluationContext,
  logger: SDK.Logger
): Resolving<A> => {
  const ticket = ticketOf(context, flagKey)
  return ticket === undefined
    ? resolver(flagKey, defaultValue, context, logger)
    : resolveWithin(ticket, resolver, flagKey, defaultValue, context, logger)
}

// Only transactions need a closure for each evaluation.
const resolveWithin = <A>(
  ticket: Ticket,
  resolver: Resolver<A>,
  flagKey: string,
  defaultValue: A,
  context: SDK.EvaluationContext,
  logger: SDK.Logger
): Resolving<A> =>
  ticket.resolve(
    context,
    resolutionOf(context, flagKey) !== undefined,
    () => resolver(flagKey, defaultValue, context, logger)
  )
