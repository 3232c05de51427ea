/**
 * Runs a program through the real SDK and through `FeatureFlags`.
 */
import * as SDK from "@openfeature/server-sdk"
import { Effect, type Scope } from "effect"
import { FeatureFlags, ResolutionProvider } from "effect-openfeature"
import { detailsOf, Journal } from "./journal.ts"
import type { Observation } from "./model.ts"
import { hooksOf, type Program, replacement, type Slot } from "./program.ts"
import { Scripted } from "./provider.ts"
import { Registry } from "./slots.ts"

const flagKey = "flag"

const silent: SDK.Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined
}

interface Place {
  readonly provider: Scripted
  readonly client: SDK.Client
  readonly flags: FeatureFlags.FeatureFlags["Service"]
}

/** Runs programs, one after the other. */
export interface Runner {
  readonly plain: (program: Program) => Promise<Observation>
  readonly featureFlags: (program: Program) => Promise<Observation>
}

const served = (isServing: boolean, provider: SDK.Provider): SDK.Provider =>
  isServing ? ResolutionProvider.make(provider) : provider

const place = Effect.fnUntraced(function*(status: Program["status"], isServing: boolean) {
  const domain = `model-${status}-${isServing}`
  const provider = new Scripted(status)
  SDK.OpenFeature.setProvider(domain, served(isServing, provider))
  const client = SDK.OpenFeature.getClient(domain)
  // The status changes some turns after the promise of `initialize`.
  while (client.providerStatus !== SDK.ProviderStatus[status]) yield* Effect.promise(() => Promise.resolve())
  const place: Place = { provider, client, flags: yield* FeatureFlags.make({ domain }) }
  return place
})

const replacedDomain = "model-replaced"

/** Lets a hook replace the provider in its `before`. */
const replaceBy = (hook: string, journal: Journal): void =>
  journal.on(hook, "before", () => {
    const next = new Scripted()
    next.program = { answer: replacement, isAsync: false }
    next.journal = journal
    SDK.OpenFeature.setProvider(replacedDomain, next)
  })

/** Adds hooks to the client, those without a scope in as few registrations as there can be. */
const addHooks = Effect.fnUntraced(function*(
  flags: FeatureFlags.FeatureFlags["Service"],
  slots: ReadonlyArray<Slot>,
  registry: Registry
) {
  let together: Array<Slot> = []
  const flush = Effect.suspend(() => {
    const hooks = together.flatMap((slot) => registry.featureHooks(slot))
    together = []
    return flags.addHooks(...hooks)
  })
  for (const slot of slots) {
    if (slot.scope === undefined || slot.isAgain) together.push(slot)
    else {
      yield* flush
      yield* registry.scoped(slot.scope, slot.hooks, flags.addHooks(...registry.featureHooks(slot)))
    }
  }
  yield* flush
})

const prepare = (program: Program, provider: Scripted, isServing = program.isServing): Registry => {
  const { contexts, replacedBy, slots } = program
  const registry = new Registry(new Journal(), hooksOf(program).map(({ hook }) => hook), isServing)
  provider.program = program
  provider.journal = registry.journal
  provider.hooks = registry.sdkHooks(slots.provider)
  SDK.OpenFeature.clearHooks()
  SDK.OpenFeature.addHooks(...registry.sdkHooks(slots.api))
  SDK.OpenFeature.setContext({ ...contexts.api })
  if (replacedBy !== undefined) replaceBy(replacedBy, registry.journal)
  return registry
}

const observe = (
  { failures, resolved, trace }: Journal,
  details: Parameters<typeof detailsOf>[0]
): Observation => ({ trace, resolved, details: detailsOf(details), failures })

const plain = async (program: Program, place: Place): Promise<Observation> => {
  const isReplaced = program.replacedBy !== undefined
  const provider = isReplaced ? new Scripted() : place.provider
  if (isReplaced) SDK.OpenFeature.setProvider(replacedDomain, served(program.isServing, provider))
  const client = isReplaced ? SDK.OpenFeature.getClient(replacedDomain) : place.client
  const registry = prepare(program, provider)
  client.clearHooks()
  client.addHooks(...registry.sdkHooks(program.slots.client))
  client.setContext({ ...program.contexts.client })
  const details = await client.getBooleanDetails(flagKey, false, { ...program.contexts.invocation }, {
    hooks: registry.sdkHooks(program.slots.invocation)
  })
  await registry.close()
  return observe(registry.journal, details)
}

const featureFlags = Effect.fnUntraced(function*(program: Program, place: Place) {
  const { contexts, slots } = program
  const isReplaced = program.replacedBy !== undefined
  const provider = isReplaced ? new Scripted() : place.provider
  // What the client does about it, it does for a provider of its own.
  const flags = isReplaced
    ? yield* FeatureFlags.make({ domain: replacedDomain, provider: Effect.succeed(provider) })
    : place.flags
  const registry = prepare(program, provider, isReplaced || program.isServing)
  flags.client.setContext({ ...contexts.client })
  const invocation = slots.invocation.flatMap((slot) => registry.featureHooks(slot))
  const inRegion = invocation.length >> 1
  const evaluation = Effect.andThen(
    addHooks(flags, slots.client, registry),
    flags.booleanDetails(flagKey, false, { context: contexts.invocation, hooks: invocation.slice(inRegion) }).pipe(
      FeatureFlags.withHooks(...invocation.slice(0, inRegion))
    )
  )
  const details = yield* Effect.provideContext(evaluation, registry.services)
  yield* Effect.promise(() => registry.close())
  return observe(registry.journal, details)
})

export const makeRunner: Effect.Effect<Runner, FeatureFlags.ProviderError | FeatureFlags.OptionsError, Scope.Scope> =
  Effect.gen(function*() {
    yield* Effect.acquireRelease(
      Effect.sync(() => SDK.OpenFeature.setLogger(silent)),
      () =>
        Effect.sync(() => {
          SDK.OpenFeature.clearHooks()
          SDK.OpenFeature.setContext({})
        })
    )
    const places = Effect.fnUntraced(function*(isServing: boolean) {
      const places: Record<Program["status"], Place> = {
        READY: yield* place("READY", isServing),
        NOT_READY: yield* place("NOT_READY", isServing),
        FATAL: yield* place("FATAL", isServing)
      }
      return places
    })
    const serving = yield* places(true)
    const others = yield* places(false)
    const placeOf = ({ isServing, status }: Program): Place => (isServing ? serving : others)[status]
    return {
      plain: (program) => plain(program, placeOf(program)),
      featureFlags: (program) => Effect.runPromise(Effect.scoped(featureFlags(program, placeOf(program))))
    }
  })
