/**
 * One evaluation at a time with faulty hooks, bounded, with everything that it
 * must not lose written down.
 */
import * as SDK from "@openfeature/server-sdk"
import { Context, Effect, Logger, type Scope } from "effect"
import {
  type EvaluationDetails,
  EvaluationError,
  FeatureFlags,
  FeatureHook,
  HookFailures,
  OpenFeatureHook
} from "effect-openfeature"
import { assert } from "vitest"
import { type Client, clients } from "../clients.ts"
import { deferred, newDomain } from "../support.ts"
import { canary } from "./values.ts"

export type Stage = HookFailures.Stage

export const stages: ReadonlyArray<Stage> = ["before", "after", "error", "finally"]

export { type Client, clients }

export type Path = "sync" | "async"

export const paths: ReadonlyArray<Path> = ["sync", "async"]

export const onPath = <E, R>(path: Path, hook: FeatureHook.FeatureHook<E, R>): FeatureHook.FeatureHook<E, R> =>
  path === "sync" ? hook : deferred(hook)

const flagKey = "flag"

export type Answer = () => unknown

export const ok: Answer = () => ({ value: true, variant: "on", reason: "STATIC", flagMetadata: { version: 1 } })

export const broken: Answer = () => {
  throw new Error("the provider is broken")
}

export interface Setup {
  readonly client: Client
  readonly hooks: ReadonlyArray<FeatureHook.FeatureHook<unknown>>
  /** Hooks of the plain SDK that surround ours. */
  readonly api?: ReadonlyArray<SDK.Hook>
  readonly provider?: ReadonlyArray<SDK.Hook>
  readonly answer?: Answer
  readonly context?: unknown
  readonly apiContext?: unknown
  readonly hints?: unknown
  readonly flagKey?: unknown
}

export interface Outcome {
  readonly details: EvaluationDetails.EvaluationDetails
  /** The live contexts that the provider was asked with. */
  readonly calls: ReadonlyArray<object>
  readonly failures: ReadonlyArray<HookFailures.HookFailure>
  readonly logs: ReadonlyArray<string>
}

export interface Harness {
  /** Rejects where the caller of the SDK would get a rejection. */
  readonly evaluate: (setup: Setup) => Promise<Outcome>
}

const bound = <A>(promise: Promise<A>): Promise<A> => {
  let timer: NodeJS.Timeout | undefined = undefined
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error("the evaluation hangs")), 10_000)
  })
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer))
}

const silent: SDK.Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined
}

/** What hostile callers hand over, for it has no type that anybody foresees. */
// oxlint-disable-next-line no-unnecessary-type-parameters -- stands where a type is wanted that the value does not have
export function untyped<A>(value: unknown): A
export function untyped(value: unknown): unknown {
  return value
}

export const makeHarness: Effect.Effect<Harness, FeatureFlags.ProviderError | FeatureFlags.OptionsError, Scope.Scope> =
  Effect.gen(function*() {
    const domain = newDomain()
    let calls: Array<object> = []
    let answer: Answer = ok
    const resolve = (_flagKey: string, _defaultValue: unknown, context: object) => {
      calls.push(context)
      return Promise.resolve().then(answer)
    }
    let providerHooks: Array<SDK.Hook> = []
    const provider = untyped<SDK.Provider>({
      metadata: { name: "faults" },
      runsOn: "server",
      get hooks() {
        return providerHooks
      },
      resolveBooleanEvaluation: resolve,
      resolveStringEvaluation: resolve,
      resolveNumberEvaluation: resolve,
      resolveObjectEvaluation: resolve
    })
    SDK.OpenFeature.setLogger(silent)
    yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, provider))
    const flags = yield* FeatureFlags.make({ domain })
    const client = SDK.OpenFeature.getClient(domain)

    const evaluate = async (setup: Setup): Promise<Outcome> => {
      const failures: Array<HookFailures.HookFailure> = []
      const logs: Array<string> = []
      const real = Effect.runSync(HookFailures.make())
      const services = Context.make(HookFailures.HookFailures, {
        ...real,
        report: (failure) => Effect.andThen(Effect.sync(() => void failures.push(failure)), real.report(failure))
      }).pipe(
        Context.add(
          Logger.CurrentLoggers,
          new Set([Logger.map(Logger.formatLogFmt, (line) => void logs.push(line))])
        )
      )
      calls = []
      answer = setup.answer ?? ok
      providerHooks = untyped(setup.provider ?? [])
      SDK.OpenFeature.clearHooks()
      SDK.OpenFeature.addHooks(...setup.api ?? [])
      SDK.OpenFeature.setContext(untyped(setup.apiContext ?? {}))
      const key = untyped<string>("flagKey" in setup ? setup.flagKey : flagKey)
      try {
        const details = setup.client === "sdk"
          ? await bound(client.getBooleanDetails(key, false, untyped(setup.context), {
            hooks: [OpenFeatureHook.makeWith(services, ...setup.hooks)],
            ...setup.hints === undefined ? {} : { hookHints: untyped<SDK.HookHints>(setup.hints) }
          }))
          : await bound(
            Effect.runPromiseWith(services)(flags.booleanDetails(key, false, {
              context: untyped(setup.context),
              hooks: setup.hooks,
              ...setup.hints === undefined ? {} : { hints: untyped(setup.hints) }
            }))
          )
        return { details, calls, failures, logs }
      } finally {
        SDK.OpenFeature.clearHooks()
        SDK.OpenFeature.setContext({})
      }
    }
    return { evaluate }
  })

export interface Witness {
  readonly trace: Array<string>
  readonly plain: SDK.Hook
  readonly effect: (name: string) => FeatureHook.FeatureHook
}

/** Well-behaved hooks that write down which of their stages ran. */
export const witness = (): Witness => {
  const trace: Array<string> = []
  return {
    trace,
    plain: {
      before: () => void trace.push("plain.before"),
      after: () => void trace.push("plain.after"),
      error: () => void trace.push("plain.error"),
      finally: () => void trace.push("plain.finally")
    },
    effect: (name) => {
      const note = (stage: Stage) => () => Effect.sync(() => void trace.push(`${name}.${stage}`))
      return FeatureHook.make(name, {
        before: note("before"),
        after: note("after"),
        error: note("error"),
        finally: note("finally")
      })
    }
  }
}

/** How often each hook's stage ran. */
export const ran = (trace: ReadonlyArray<string>, stage: Stage): ReadonlyArray<string> =>
  trace.filter((entry) => entry.endsWith(`.${stage}`)).map((entry) => entry.slice(0, entry.lastIndexOf("."))).sort()

// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/

/** What holds for the details of any evaluation that was harmed by a hook. */
export const assertSane = (details: EvaluationDetails.EvaluationDetails): void => {
  if (details.errorCode === undefined) {
    assert.isUndefined(details.errorMessage)
    return
  }
  assert.isTrue(EvaluationError.isErrorCode(details.errorCode), "the code is one of OpenFeature")
  assert.isFalse(details.value)
  const message: unknown = details.errorMessage
  if (typeof message !== "string") return assert.fail("the message is no text")
  assert.isAtLeast(message.length, 1)
  assert.isAtMost(message.length, 1000)
  assert.notInclude(message, canary)
  assert.notMatch(message, unprintable)
}

/** Counts what Node would end the process for, and what was put on all objects, while a test runs. */
export const watchProcess = (): { readonly events: ReadonlyArray<string>; readonly stop: () => Promise<void> } => {
  const events: Array<string> = []
  const rejected = () => void events.push("unhandledRejection")
  const uncaught = () => void events.push("uncaughtException")
  const own = Reflect.ownKeys(Object.prototype)
  process.on("unhandledRejection", rejected)
  process.on("uncaughtExceptionMonitor", uncaught)
  return {
    events,
    stop: async () => {
      // Node reports a rejection when the queue of microtasks is empty.
      await new Promise((resolve) => setImmediate(resolve))
      assert.deepStrictEqual(Reflect.ownKeys(Object.prototype), own)
      process.off("unhandledRejection", rejected)
      process.off("uncaughtExceptionMonitor", uncaught)
    }
  }
}
