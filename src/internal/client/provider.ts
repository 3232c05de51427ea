/** A provider owned by a scope: registered, awaited, and closed once within a time limit. */
import * as SDK from "@openfeature/server-sdk"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Serving } from "../bridge/serving.ts"
import { tryOr } from "../untrusted.ts"
import { waitFor } from "../wait.ts"

// The SDK closes a replaced provider, but nothing can wait for that.
class Owned extends Serving {
  #initializing: Promise<void> | undefined = undefined
  #closing: Promise<void> | undefined = undefined
  /** Another layer covers this provider and will restore it, so the SDK must not close it. */
  isCovered = false

  protected override begin(initialize: () => Promise<void>): Promise<void> {
    // The SDK can bind it again while it initialises, and then takes it for not ready again.
    if (this.#initializing !== undefined) this.announce()
    return this.#initializing ??= super.begin(initialize)
  }
  override async onClose(): Promise<void> {
    if (!this.isCovered) await this.close()
  }
  close(): Promise<void> {
    return this.#closing ??= super.onClose()
  }
}

// Replaces a closed provider. It is never ready.
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
  tryOr(
    () =>
      domain === undefined
        ? SDK.OpenFeature.setProviderAndWait(provider)
        : SDK.OpenFeature.setProviderAndWait(domain, provider),
    (error) => Promise.reject(error)
  )

// The owned providers of each domain, oldest first.
const owners = new Map<string | undefined, ReadonlyArray<Owned>>()

const setOwners = (domain: string | undefined, owned: ReadonlyArray<Owned>): void => {
  if (owned.length === 0) owners.delete(domain)
  else owners.set(domain, owned)
}

const take = ({ domain, resolveWhenNotReady }: Options, provider: SDK.Provider) => {
  const below = owners.get(domain) ?? []
  const owned = new Owned(provider, resolveWhenNotReady)
  for (const other of below) other.isCovered = true
  setOwners(domain, [...below, owned])
  const ready = bind(domain, owned)
  // The layer may not wait for it, and then a rejection must not be an unhandled one.
  ready.catch(() => undefined)
  return { owned, ready }
}

const release = (owned: Owned, domain: string | undefined, limit: Duration.Input): Effect.Effect<void> =>
  Effect.suspend(() => {
    const others = (owners.get(domain) ?? []).filter((other) => other !== owned)
    setOwners(domain, others)
    owned.isCovered = false
    // If other code has replaced the provider, the SDK has already closed it.
    if (SDK.OpenFeature.getProvider(domain) === owned) {
      const next = others.at(-1)
      if (next !== undefined) next.isCovered = false
      bind(domain, next ?? closed()).catch(() => undefined)
    }
    return waitFor(Effect.tryPromise(() => owned.close()), limit)
  })

const warn = (domain: string | undefined): Effect.Effect<void> =>
  Effect.logWarning("the domain has a provider of another FeatureFlags layer, which is covered until this one ends")
    .pipe(Effect.annotateLogs("domain", domain ?? "default"))

interface Options {
  readonly domain: string | undefined
  readonly resolveWhenNotReady: boolean
  readonly shutdownTimeout: Duration.Input
}

/** Binds a provider to a domain until the scope closes. The inner effect waits until the provider is ready. */
export const acquire = (
  provider: SDK.Provider,
  options: Options
): Effect.Effect<Effect.Effect<void, unknown>, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      const isTaken = owners.has(options.domain)
      const taken = take(options, provider)
      return isTaken ? Effect.as(warn(options.domain), taken) : Effect.succeed(taken)
    }),
    ({ owned }) => release(owned, options.domain, options.shutdownTimeout)
  ).pipe(Effect.map(({ ready }) => Effect.tryPromise({ try: () => ready, catch: (error) => error })))
