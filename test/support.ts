import * as SDK from "@openfeature/server-sdk"
import { Effect, Function, Layer, Logger, type LogLevel, References } from "effect"
import { FeatureFlags, FeatureHook, HookFailures } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"

/** The same hook with a scheduler turn before each stage, so that no stage stays synchronous. */
export const deferred = <E, R>(hook: FeatureHook.FeatureHook<E, R>): FeatureHook.FeatureHook<E, R> =>
  FeatureHook.transform(hook, (stage) => Effect.andThen(Effect.yieldNow, stage))

/** The same hook with more operations before each stage than a fiber does in one go. */
const busy = <E, R>(hook: FeatureHook.FeatureHook<E, R>): FeatureHook.FeatureHook<E, R> =>
  FeatureHook.transform(hook, (stage) => {
    let left = 3000
    return Effect.andThen(Effect.whileLoop({ while: () => left-- > 0, body: () => Effect.void, step: () => {} }), stage)
  })

/** The same hook with a promise before each stage. */
const promised = <E, R>(hook: FeatureHook.FeatureHook<E, R>): FeatureHook.FeatureHook<E, R> =>
  FeatureHook.transform(hook, (stage) => Effect.andThen(Effect.promise(() => Promise.resolve()), stage))

type Path = readonly [
  name: string,
  change: <E, R>(hook: FeatureHook.FeatureHook<E, R>) => FeatureHook.FeatureHook<E, R>
]

/** Every hook test runs on both. */
export const paths: ReadonlyArray<Path> = [
  ["synchronous", (hook) => hook],
  ["asynchronous", deferred]
]

/** Both, and two more ways of being asynchronous. */
export const allPaths: ReadonlyArray<Path> = [
  ...paths,
  ["asynchronous after many operations", busy],
  ["asynchronous with a promise", promised]
]

/** The hook context of the SDK for a flag `a`, for hooks that are called without the SDK. */
export const sdkContext = (): SDK.BeforeHookContext => ({
  flagKey: "a",
  flagValueType: "boolean",
  defaultValue: false,
  context: {},
  clientMetadata: { providerMetadata: { name: "p" } },
  providerMetadata: { name: "p" },
  logger: new SDK.DefaultLogger(),
  hookData: new SDK.MapHookData()
})

/** A hook that says who the subject is, if it knows. */
export const identifying = (subject: () => string | undefined): FeatureHook.FeatureHook =>
  FeatureHook.make("identify", {
    before: () => {
      const targetingKey = subject()
      return targetingKey === undefined ? undefined : { context: { targetingKey } }
    }
  })

/** A hook of the SDK around another one that hands on the hook context in its own form. */
export const wrapping = (form: (context: SDK.HookContext) => SDK.HookContext) => (hook: SDK.Hook): SDK.Hook => ({
  before: (context, hints) => hook.before?.(form(context), hints),
  after: (context, details, hints) => hook.after?.(form(context), details, hints),
  error: (context, error, hints) => hook.error?.(form(context), error, hints),
  finally: (context, details, hints) => hook.finally?.(form(context), details, hints)
})

/** Lets the event loop turn, which no test clock drives. */
export const turns = (count = 5): Effect.Effect<void> =>
  Effect.promise(async () => {
    for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
  })

/**
 * Turns of the event loop until a condition holds, each with something that is done again. A condition that does not
 * hold within a minute makes the test fail: a busy machine reads files slowly.
 */
export const until = (condition: () => boolean, again: Effect.Effect<void> = Effect.void): Effect.Effect<void> =>
  Effect.gen(function*() {
    for (const end = performance.now() + 60_000; performance.now() < end;) {
      if (condition()) return
      yield* again
      yield* turns(1)
    }
    return yield* Effect.die(new Error(`never became true: ${String(condition)}`))
  })

/** A function that returns a promise where nothing is expected. TypeScript takes it, and users write it. */
export const asynchronous = <A>(run: (value: A) => Promise<unknown>): (value: A) => void => Function.cast(run)

/** The promises that reject while an effect runs, and that nobody handles. Each would end Node. */
export const unhandledRejections = <A, E, R>(
  use: Effect.Effect<A, E, R>
): Effect.Effect<ReadonlyArray<unknown>, E, R> =>
  Effect.suspend(() => {
    const found: Array<unknown> = []
    const listener = (reason: unknown) => void found.push(reason)
    process.on("unhandledRejection", listener)
    return Effect.as(Effect.andThen(use, turns()), found).pipe(
      Effect.ensuring(Effect.sync(() => process.off("unhandledRejection", listener)))
    )
  })

export interface LogRecord {
  readonly level: LogLevel.LogLevel
  readonly message: string
  readonly annotations: Readonly<Record<string, unknown>>
}

/** A logger that keeps what it gets. */
export const logsTo = (records: Array<LogRecord>, minimum: LogLevel.LogLevel = "Trace") =>
  Layer.merge(
    Logger.layer([
      Logger.make((options) => {
        records.push({
          level: options.logLevel,
          message: Array.isArray(options.message) ? options.message.join(" ") : String(options.message),
          annotations: { ...options.fiber.getRef(References.CurrentLogAnnotations) }
        })
      })
    ]),
    Layer.succeed(References.MinimumLogLevel, minimum)
  )

let domains = 0

/** A domain that no other test uses. */
export const newDomain = (): string => `test-domain-${++domains}`

/** Like a client, on a scripted provider and a domain of its own. */
export const client = Effect.fnUntraced(function*<H extends FeatureHook.Any = never>(
  flags: Readonly<Record<string, TestProvider.Answer>>,
  options: Omit<FeatureFlags.Options<never, never, H>, "provider" | "domain"> = {}
) {
  const provider = yield* TestProvider.make({ flags })
  const service = yield* FeatureFlags.make({ domain: newDomain(), ...options, provider: Effect.succeed(provider) })
  return { flags: service, provider }
})

/** A client of the plain SDK, on a scripted provider and a domain of its own. */
export const plainClient = Effect.fnUntraced(function*(script: TestProvider.Script) {
  const provider = yield* TestProvider.make(script)
  const domain = newDomain()
  yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, provider))
  return { client: SDK.OpenFeature.getClient(domain), provider, domain }
})

/** Collects what hooks report, and keeps it out of the log. */
export const collectFailures = <A, E, R>(
  use: (failures: Array<HookFailures.HookFailure>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const failures: Array<HookFailures.HookFailure> = []
  return Effect.flatMap(HookFailures.make(), (collector) =>
    use(failures).pipe(
      Effect.provideService(HookFailures.HookFailures, {
        ...collector,
        report: (failure) =>
          Effect.suspend(() => {
            failures.push(failure)
            return collector.report(failure)
          })
      }),
      Effect.provideService(References.UnhandledLogLevel, undefined)
    ))
}

/** Pseudo-random numbers from a seed, the same in every run. */
export const random = (seed: number) => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    next,
    below,
    chance: (probability: number): boolean => next() < probability,
    oneOf: <A>(items: ReadonlyArray<A>): A => items[below(items.length)]
  }
}

export type Random = ReturnType<typeof random>

/** The message of the RangeError that something throws. */
export const rangeError = (misuse: () => unknown): string => {
  try {
    misuse()
  } catch (error) {
    if (error instanceof RangeError) return error.message
    throw error
  }
  throw new Error("nothing was thrown")
}

/** The share of its repetitions that a long test makes. Runs under further versions of Node need not make them all. */
export const scale = Number(process.env["SCALE"] ?? 1)
