/**
 * A million evaluations, and then nothing may be left: `npm run soak`.
 *
 * Prints evaluations per second, the heap at checkpoints, and how many bytes an
 * evaluation leaves behind. Ends with 1 when that is more than one byte, or when
 * fibers, timers or listeners are left.
 */
import * as SDK from "@openfeature/server-sdk"
import { Effect, Exit, Logger, References, Scope } from "effect"
import {
  FeatureFlags,
  HookFailures,
  HookHints,
  LoggingHook,
  MetricsHook,
  OpenFeatureHook,
  TimingHook
} from "effect-openfeature"
import { around, Attempt, converted, failing, gauge, instant, left, promised, slow, yielding } from "./hooks.ts"
import { soakRegistry } from "./registry.ts"
import { slope } from "./slope.ts"

const total = Number(process.argv[2] ?? 1_000_000)
const checkpoints = 20
const concurrency = 50

const provider = (): SDK.Provider & { readonly events: SDK.OpenFeatureEventEmitter } => {
  const answer = async <A>(flagKey: string, value: A) => {
    if (flagKey === "hung") return new Promise<never>(() => undefined)
    if (flagKey === "throwing") throw new Error("provider")
    return flagKey === "missing"
      ? { value, errorCode: SDK.ErrorCode.FLAG_NOT_FOUND, reason: "ERROR" }
      : { value, variant: "on", reason: "STATIC" }
  }
  return {
    metadata: { name: "soak" },
    runsOn: "server",
    events: new SDK.OpenFeatureEventEmitter(),
    resolveBooleanEvaluation: (flagKey) => answer(flagKey, true),
    resolveStringEvaluation: (flagKey, byDefault) => answer(flagKey, byDefault),
    resolveNumberEvaluation: (flagKey, byDefault) => answer(flagKey, byDefault),
    resolveObjectEvaluation: (flagKey, byDefault) => answer(flagKey, byDefault)
  }
}

const emitters: Array<SDK.OpenFeatureEventEmitter> = []
const listenersOf = (emitter: SDK.OpenFeatureEventEmitter): number =>
  Object.values(SDK.ServerProviderEvents).reduce((sum, event) => sum + emitter.getHandlers(event).length, 0)

/** The listeners beyond those that the SDK itself leaves on the emitter of a provider that is gone. */
const listeners = async (): Promise<number> => {
  const bare = provider()
  await SDK.OpenFeature.setProviderAndWait("soak-bare", bare)
  SDK.OpenFeature.getClient("soak-bare")
  await SDK.OpenFeature.clearProviders()
  const ofSdk = listenersOf(bare.events)
  return emitters.reduce((sum, emitter) => sum + Math.max(0, listenersOf(emitter) - ofSdk), 0)
}

const flagOf = (n: number): string => {
  if (n % 5000 === 1) return "hung"
  if (n % 1000 === 2) return "slow"
  if (n % 100 === 3) return "missing"
  if (n % 100 === 4) return "throwing"
  if (n % 100 === 5) return "rejected"
  if (n % 100 === 6) return "broken"
  if (n % 100 === 8) return "thrown"
  return n % 10 === 7 ? "async" : "flag"
}

const program = Effect.gen(function*() {
  const metrics = yield* MetricsHook.makeMetric()
  const own = provider()
  const plain = provider()
  emitters.push(own.events, plain.events)
  yield* OpenFeatureHook.register(SDK.OpenFeature, TimingHook.make(), failing)
  const flags = yield* FeatureFlags.make({
    domain: "soak",
    provider: Effect.succeed(own),
    hooks: [metrics, gauge, instant],
    context: { service: "soak" },
    interruptTimeout: "20 millis"
  })
  yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait("soak-plain", plain))
  const client = SDK.OpenFeature.getClient("soak-plain")
  yield* OpenFeatureHook.register(client, gauge, instant, yielding, converted, promised)

  const invocation = [instant, around, promised, yielding, converted]
  const logging = LoggingHook.make()
  const one = (n: number): Effect.Effect<unknown> => {
    const flagKey = flagOf(n)
    if (flagKey === "hung") {
      // The provider never answers: the caller gives up.
      return Effect.timeoutOption(flags.boolean(flagKey, false, { hooks: invocation }), "5 millis")
    }
    if (flagKey === "slow") return flags.boolean(flagKey, false, { hooks: [slow] })
    const options = { context: { targetingKey: `user-${n}` }, hints: HookHints.make(Attempt, 0) }
    switch (n % 4) {
      case 0:
        return Effect.promise(() => client.getBooleanValue(flagKey, false, { targetingKey: `user-${n}` }))
      case 1:
        return flags.boolean(flagKey, false, n % 8 === 1 ? { ...options, hooks: invocation } : options)
      case 2:
        return flags.objectDetails(
          flagKey,
          { n: 1 },
          n % 8 === 2 ? { ...options, hooks: [promised, converted] } : options
        )
      default:
        return FeatureFlags.withHooks(logging)(flags.string(flagKey, "default", options))
    }
  }

  const heaps: Array<readonly [evaluations: number, bytes: number]> = []
  const each = total / checkpoints
  const started = performance.now()
  for (let checkpoint = 0; checkpoint < checkpoints; checkpoint++) {
    const from = checkpoint * each
    let next = from
    const worker = Effect.whileLoop({
      while: () => next < from + each,
      body: () => Effect.suspend(() => one(next++)),
      step: () => {}
    })
    yield* Effect.all(Array.from({ length: concurrency }, () => worker), { concurrency: "unbounded", discard: true })
    yield* Effect.sleep("50 millis")
    globalThis.gc?.()
    yield* Effect.sleep("10 millis")
    globalThis.gc?.()
    heaps.push([from + each, process.memoryUsage().heapUsed])
  }
  const seconds = (performance.now() - started) / 1000
  return { heaps, seconds, failures: yield* Effect.flatMap(HookFailures.HookFailures, ({ counts }) => counts) }
})

const main = async (): Promise<boolean> => {
  if (globalThis.gc === undefined) throw new Error("run with --expose-gc")
  SDK.OpenFeature.setLogger({ error: () => {}, warn: () => {}, info: () => {}, debug: () => {} })
  const scope = await Effect.runPromise(Scope.make())
  const result = await Effect.runPromise(
    program.pipe(
      Scope.provide(scope),
      Effect.provideService(References.UnhandledLogLevel, undefined),
      Effect.provideService(References.CurrentLoggers, new Set([Logger.make(() => undefined)]))
    )
  )
  await Effect.runPromise(Scope.close(scope, Exit.void))
  await SDK.OpenFeature.clearProviders()
  await new Promise((resolve) => setTimeout(resolve, 300))

  const megabytes = (bytes: number): string => (bytes / 1024 / 1024).toFixed(2)
  for (const [evaluations, bytes] of result.heaps) console.log(`${evaluations} evaluations: ${megabytes(bytes)} MB`)
  // The first fifth is warm-up: code is compiled, series are made.
  const perEvaluation = slope(result.heaps.slice(checkpoints / 5))
  const timers = process.getActiveResourcesInfo().filter((kind) => kind === "Timeout" || kind === "Immediate")
  const all = { ...left, timers: timers.length, listeners: await listeners() }
  console.log(`${Math.round(total / result.seconds)} evaluations/s in ${result.seconds.toFixed(1)} s`)
  console.log(`${perEvaluation.toFixed(3)} bytes per evaluation are kept`)
  console.log("failures", result.failures)
  console.log("left", all)
  return perEvaluation <= 1 && Object.values(all).every((count) => count === 0)
}

const ok = await main() && await soakRegistry()
console.log(ok ? "nothing is left" : "something is left")
process.exitCode = ok ? 0 : 1
