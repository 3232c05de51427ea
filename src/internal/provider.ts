/**
 * A provider that is owned by a scope: registered, waited for, closed once and
 * within a bound.
 */
import * as SDK from "@openfeature/server-sdk"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Duration from "effect/Duration"
import { waitFor } from "./bounded.ts"
import { attemptEither, read } from "./foreign.ts"

// Stands between the SDK and the provider because the SDK closes a provider
// that is replaced, but lets nobody wait for it.
class Owned implements SDK.Provider {
  readonly #provider: SDK.Provider
  readonly initialize: SDK.Provider["initialize"] & {}
  readonly events?: SDK.ProviderEventEmitter<SDK.AnyProviderEvent>
  closing: Promise<void> | undefined = undefined

  constructor(provider: SDK.Provider) {
    this.#provider = provider
    if (provider.events !== undefined) this.events = provider.events
    this.initialize = async (...args) => provider.initialize?.(...args)
  }
  get metadata(): SDK.ProviderMetadata {
    return this.#provider.metadata
  }
  get runsOn(): SDK.Paradigm {
    return this.#provider.runsOn ?? "server"
  }
  get domainScoped(): boolean {
    // Not known to the oldest SDK.
    return read(this.#provider, "domainScoped") === true
  }
  get hooks(): Array<SDK.Hook> {
    return this.#provider.hooks ?? []
  }
  onClose(): Promise<void> {
    return this.closing ??= Promise.resolve().then(() => this.#provider.onClose?.())
  }
  track(name: string, context: SDK.EvaluationContext, details: SDK.TrackingEventDetails): void {
    this.#provider.track?.(name, context, details)
  }
  resolveBooleanEvaluation(...args: Parameters<SDK.Provider["resolveBooleanEvaluation"]>) {
    return this.#provider.resolveBooleanEvaluation(...args)
  }
  resolveStringEvaluation(...args: Parameters<SDK.Provider["resolveStringEvaluation"]>) {
    return this.#provider.resolveStringEvaluation(...args)
  }
  resolveNumberEvaluation(...args: Parameters<SDK.Provider["resolveNumberEvaluation"]>) {
    return this.#provider.resolveNumberEvaluation(...args)
  }
  resolveObjectEvaluation<A extends SDK.JsonValue>(
    flagKey: string,
    defaultValue: A,
    context: SDK.EvaluationContext,
    logger: SDK.Logger
  ) {
    return this.#provider.resolveObjectEvaluation(flagKey, defaultValue, context, logger)
  }
}

// Never ready: what a client is left with when its provider is gone.
const closed = (): SDK.Provider => {
  const refuse = async () => {
    throw new SDK.ProviderNotReadyError("the provider is closed")
  }
  return {
    metadata: { name: "closed" },
    runsOn: "server",
    initialize: () => new Promise(() => undefined),
    resolveBooleanEvaluation: refuse,
    resolveStringEvaluation: refuse,
    resolveNumberEvaluation: refuse,
    resolveObjectEvaluation: refuse
  }
}

const bind = (domain: string | undefined, provider: SDK.Provider): Promise<void> =>
  domain === undefined
    ? SDK.OpenFeature.setProviderAndWait(provider)
    : SDK.OpenFeature.setProviderAndWait(domain, provider)

const release = (owned: Owned, domain: string | undefined, limit: Duration.Input): Effect.Effect<void> =>
  Effect.suspend(() => {
    // Whoever replaced the provider meanwhile has made the SDK close it.
    if (SDK.OpenFeature.getProvider(domain) === owned) void bind(domain, closed())
    return waitFor(Effect.tryPromise(() => owned.onClose()), limit)
  })

/** Binds a provider to a domain until the scope closes; the effect inside waits until it is ready. */
export const acquire = (
  provider: SDK.Provider,
  options: { readonly domain: string | undefined; readonly shutdownTimeout: Duration.Input }
): Effect.Effect<Effect.Effect<void, unknown>, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const owned = new Owned(provider)
        const ready = attemptEither(() => bind(options.domain, owned), (error) => Promise.reject(error))
        // Waited for by the effect below, if at all: a rejection has an owner.
        ready.catch(() => undefined)
        return { owned, ready }
      }),
      ({ owned }) => release(owned, options.domain, options.shutdownTimeout)
    ),
    ({ ready }) => Effect.tryPromise({ try: () => ready, catch: (error) => error })
  )
