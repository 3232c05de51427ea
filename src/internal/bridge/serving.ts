/** A wrapper around a provider that serves the resolutions that hooks contribute. */
import * as SDK from "@openfeature/server-sdk"
import { serve } from "../hook/serve.ts"
import { noteServer } from "../hook/server.ts"
import { resolutionOf, ticketOf } from "../runner/evaluation.ts"
import { read } from "../untrusted.ts"

type Events = SDK.ProviderEventEmitter<SDK.AnyProviderEvent>

type Resolving<A> = Promise<SDK.ResolutionDetails<A>>

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
  #isInitializing = false
  readonly events?: Events
  readonly initialize?: SDK.Provider["initialize"] & {}
  readonly resolveBooleanEvaluation: SDK.Provider["resolveBooleanEvaluation"]
  readonly resolveStringEvaluation: SDK.Provider["resolveStringEvaluation"]
  readonly resolveNumberEvaluation: SDK.Provider["resolveNumberEvaluation"]
  readonly resolveObjectEvaluation: SDK.Provider["resolveObjectEvaluation"]

  constructor(provider: SDK.Provider, resolvesWhenNotReady: boolean) {
    this.#provider = provider
    // The SDK takes a provider without it for ready.
    if (provider.initialize !== undefined) {
      this.initialize = (...args) => this.begin(async () => provider.initialize?.(...args))
      if (resolvesWhenNotReady) this.#ownEvents = this.#forwarding(provider.events)
    }
    const events = this.#ownEvents ?? provider.events
    if (events !== undefined) this.events = events
    this.resolveBooleanEvaluation = (...args) =>
      this.#resolve("boolean", args[0], args[2], () => provider.resolveBooleanEvaluation(...args))
    this.resolveStringEvaluation = (...args) =>
      this.#resolve("string", args[0], args[2], () => provider.resolveStringEvaluation(...args))
    this.resolveNumberEvaluation = (...args) =>
      this.#resolve("number", args[0], args[2], () => provider.resolveNumberEvaluation(...args))
    this.resolveObjectEvaluation = (...args) =>
      this.#resolve("object", args[0], args[2], () => provider.resolveObjectEvaluation(...args))
  }
  get metadata(): SDK.ProviderMetadata {
    return noteServer(this.#provider.metadata)
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
    if (this.#ownEvents !== undefined) {
      this.#isInitializing = true
      // With this status the SDK asks the provider. Nobody else hears of it, since handlers are added later.
      this.#ownEvents.emit(SDK.ProviderEvents.Stale)
    }
    try {
      await initialize()
    } finally {
      this.#isInitializing = false
    }
  }
  async onClose(): Promise<void> {
    await this.#provider.onClose?.()
  }
  track(name: string, context: SDK.EvaluationContext, details: SDK.TrackingEventDetails): void {
    this.#provider.track?.(name, context, details)
  }

  #resolve<A>(
    type: SDK.FlagValueType,
    flagKey: string,
    context: SDK.EvaluationContext,
    ask: () => Resolving<A>
  ): Resolving<A> {
    const resolution = resolutionOf(context, flagKey)
    const answer = (): Resolving<A> => {
      if (resolution !== undefined) return serve(type, resolution)
      return this.#isInitializing
        ? Promise.reject(new SDK.ProviderNotReadyError("provider has not yet initialized"))
        : ask()
    }
    const ticket = ticketOf(context, flagKey)
    return ticket === undefined ? answer() : ticket.resolve(context, resolution !== undefined, answer)
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
