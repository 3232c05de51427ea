/** A cache in memory, in front of a provider in memory, and in front of one that takes a millisecond. */
import { InMemoryProvider, OpenFeature, type Provider } from "@openfeature/server-sdk"
import { Effect, Scope } from "effect"
import { setTimeout as sleep } from "node:timers/promises"
import { CacheHook, FeatureFlags } from "effect-openfeature"
import { evaluation, looping, sdkEvaluation } from "./clients.ts"
import { type Comparison, totalTime } from "./comparisons.ts"

const inMemory = (): Provider =>
  new InMemoryProvider({
    "new-checkout": { variants: { on: true, off: false }, defaultVariant: "on", disabled: false }
  })

/** Takes a millisecond at least, as a service on the same network does. */
const remote = (): Provider => {
  const provider = inMemory()
  return {
    metadata: { name: "remote" },
    runsOn: "server",
    resolveBooleanEvaluation: async (...args) => {
      await sleep(1)
      return provider.resolveBooleanEvaluation(...args)
    },
    resolveStringEvaluation: (_key, value) => Promise.resolve({ value }),
    resolveNumberEvaluation: (_key, value) => Promise.resolve({ value }),
    resolveObjectEvaluation: (_key, value) => Promise.resolve({ value })
  }
}

let domains = 0

const cached = async (provider: Provider) => {
  const { hook } = CacheHook.makeUnsafe({ key: ["targetingKey"], timeToLive: "1 hour" })
  const domain = `bench-cached-${++domains}`
  const options = { domain, provider: Effect.succeed(provider), hooks: [hook] }
  const flags = await Effect.runPromise(
    Scope.provide(Effect.orDie(FeatureFlags.make(options)), Effect.runSync(Scope.make()))
  )
  return looping(evaluation(flags))
}

const asking = async (provider: Provider) => {
  const domain = `bench-asking-${++domains}`
  await OpenFeature.setProviderAndWait(domain, provider)
  return looping(sdkEvaluation(OpenFeature.getClient(domain)))
}

const comparing = (provider: () => Provider): Comparison =>
  totalTime(async () => ({ reference: await asking(provider()), ours: await cached(provider()) }))

export const hit = comparing(inMemory)

export const remoteHit = comparing(remote)
