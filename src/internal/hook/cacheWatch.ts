/** Invalidates in a cache what a provider says has changed. */
import { type Client, type EventDetails, OpenFeature, type Provider, ProviderEvents } from "@openfeature/server-sdk"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberHandle from "effect/FiberHandle"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Check from "../check.ts"
import * as Services from "../services.ts"
import { isRecord, read, readString, tryOr } from "../untrusted.ts"
import type * as Store from "./cacheStore.ts"
import { isServer } from "./server.ts"

export interface Settings {
  readonly invalidate: (flags: Store.Scope) => Effect.Effect<void, unknown>
  readonly failed: (cause: Cause.Cause<unknown>) => Effect.Effect<void>
}

/** More flags than this become all flags of the domain. */
const maxFlags = 1000

// Without an end: a store that missed it would serve outdated answers when it is back.
const again = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("30 seconds")])

const events = [ProviderEvents.Ready, ProviderEvents.Error, ProviderEvents.ConfigurationChanged] as const

/** The flags of a domain that are still to be invalidated. */
class Outdated {
  readonly #domain: string | undefined
  readonly #flagKeys = new Set<string>()
  #isWhole = false

  // Clients without a domain share their provider with domains that have none, so theirs are all domains.
  constructor(domain: string | undefined) {
    this.#domain = domain
  }
  get isEmpty(): boolean {
    return !this.#isWhole && this.#flagKeys.size === 0
  }
  add(flagKey: string | undefined): void {
    if (this.#isWhole) return
    if (flagKey !== undefined) this.#flagKeys.add(flagKey)
    this.#isWhole = flagKey === undefined || this.#flagKeys.size > maxFlags
    if (this.#isWhole) this.#flagKeys.clear()
  }
  take(): ReadonlyArray<Store.Scope> {
    const domain = this.#domain
    const scopes = this.#isWhole ? [{ domain }] : Array.from(this.#flagKeys, (flagKey) => ({ domain, flagKey }))
    this.#isWhole = false
    this.#flagKeys.clear()
    return scopes
  }
}

/** The provider of a domain, which can be replaced. */
class CurrentProvider {
  readonly #domain: string | undefined
  #provider: Provider | undefined
  #isServing: boolean

  constructor(domain: string | undefined) {
    this.#domain = domain
    this.#provider = this.#find()
    this.#isServing = isServing(this.#provider)
  }
  /** Returns whether there is another provider since the last time, and the cache can have answers of the old one. */
  hasChanged(): boolean {
    const provider = this.#find()
    if (provider === this.#provider) return false
    const wasServing = this.#isServing
    this.#provider = provider
    this.#isServing = isServing(provider)
    return wasServing
  }
  #find(): Provider | undefined {
    return tryOr(() => OpenFeature.getProvider(this.#domain), () => undefined)
  }
}

const isServing = (provider: Provider | undefined): boolean => {
  const metadata = read(provider, "metadata")
  return isRecord(metadata) && isServer(metadata)
}

const flagKeysOf = (event: EventDetails | undefined): ReadonlyArray<string | undefined> => {
  const flags: unknown = event?.flagsChanged
  const isList = Array.isArray(flags) && flags.length > 0 && flags.length <= maxFlags
  return isList && flags.every((flagKey) => typeof flagKey === "string") ? flags : [undefined]
}

const isClient = (client: unknown): client is Client =>
  isRecord(read(client, "metadata")) && typeof read(client, "addHandler") === "function" &&
  typeof read(client, "removeHandler") === "function"

const listen = (
  client: Client,
  domain: string | undefined,
  outdate: (flagKeys: ReadonlyArray<string | undefined>) => void
): () => void => {
  const current = new CurrentProvider(domain)
  let isOver = false
  const look = () => {
    if (!isOver && current.hasChanged()) outdate([undefined])
  }
  const onEvent = () => {
    look()
    // The SDK says that a provider without `initialize` is ready just before that provider takes its place.
    void Promise.resolve().then(look)
  }
  const onChange = (event: EventDetails | undefined) => outdate(flagKeysOf(event))
  for (const event of events) client.addHandler(event, onEvent)
  client.addHandler(ProviderEvents.ConfigurationChanged, onChange)
  return () => {
    isOver = true
    for (const event of events) client.removeHandler(event, onEvent)
    client.removeHandler(ProviderEvents.ConfigurationChanged, onChange)
  }
}

// The scope does not wait for a store that cannot be interrupted. Another call does, so that they do not pile up.
const bounded = (call: Effect.Effect<void, unknown>): Effect.Effect<void, unknown> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.forkDetach(restore(Effect.timeout(call, "5 seconds")), { startImmediately: true }),
      (fiber) => Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.sync(() => fiber.interruptUnsafe()))
    )
  )

/** Invalidates all that is outdated, and tries again what fails. */
const drain = (outdated: Outdated, { failed, invalidate }: Settings): Effect.Effect<void> => {
  const attempt = (flags: Store.Scope) =>
    Effect.map(Effect.exit(bounded(invalidate(flags))), (exit) => {
      if (Exit.isFailure(exit)) outdated.add(flags.flagKey)
      return exit
    })
  const round = Effect.suspend(() => Effect.forEach(outdated.take(), attempt, { concurrency: "unbounded" })).pipe(
    Effect.flatMap((exits) => exits.find(Exit.isFailure) ?? Exit.void),
    Effect.tapCause(failed),
    Effect.sandbox
  )
  return Effect.retry(round, again).pipe(
    Effect.repeat({ until: () => outdated.isEmpty }),
    Effect.catchCause(() => Effect.void)
  )
}

/** Throws a `RangeError` when it is not given a client. */
export const watch = (client: Client, settings: Settings): Effect.Effect<void, never, Scope.Scope> => {
  if (!isClient(client)) {
    const expected = "a client, such as OpenFeature.getClient(\"shop\") or flags.client"
    return Check.reject("CacheHook.watch", "the argument", expected, client)
  }
  return Effect.gen(function*() {
    const domain = readString(client.metadata, "domain")
    const outdated = new Outdated(domain)
    const run = yield* Effect.updateContext(FiberHandle.makeRuntime<never>(), Services.lasting<Scope.Scope>)
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        listen(client, domain, (flagKeys) => {
          for (const flagKey of flagKeys) outdated.add(flagKey)
          run(drain(outdated, settings), { onlyIfMissing: true })
        })
      ),
      (stop) => Effect.sync(stop)
    )
  })
}
