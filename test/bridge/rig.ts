/**
 * One evaluation, through a client of the plain SDK or through FeatureFlags,
 * with hooks that came over the bridge and others beside them.
 */
import * as SDK from "@openfeature/server-sdk"
import { Effect, Fiber } from "effect"
import { type EvaluationContext, FeatureFlags, type FeatureHook, HookHints, OpenFeatureHook } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import { assert } from "vitest"
import { type Client, clients } from "../clients.ts"
import { newDomain, paths, turns } from "../support.ts"

type Change = (typeof paths)[number][1]

/** Each kind of client on each path. */
export const ways: ReadonlyArray<readonly [name: string, kind: Client, change: Change]> = clients.flatMap((kind) =>
  paths.map(([path, change]) => [`${kind}, ${path}`, kind, change] as const)
)

export const answers = {
  good: TestProvider.value(true, { variant: "on" }),
  bad: TestProvider.throwing(new Error("provider"))
}

export interface Setup {
  readonly flagKey?: string | undefined
  readonly flags?: Readonly<Record<string, TestProvider.Answer>> | undefined
  readonly provider?: SDK.Provider | undefined
  /** Hooks of this library: on the plain client one bridge for all of them, on FeatureFlags its client level. */
  readonly hooks?: ReadonlyArray<FeatureHook.FeatureHook<unknown>> | undefined
  /** Hooks of the SDK that run before ours. */
  readonly outer?: ReadonlyArray<SDK.Hook> | undefined
  /** Hooks of the SDK that run behind ours: the provider's. */
  readonly inner?: ReadonlyArray<SDK.Hook> | undefined
  readonly context?: SDK.EvaluationContext | undefined
  readonly hints?: SDK.HookHints | undefined
}

/** A provider like another one, with hooks of its own, that keeps the very contexts it is given. */
const watched = (
  provider: SDK.Provider,
  hooks: ReadonlyArray<SDK.Hook>,
  contexts: Array<SDK.EvaluationContext>
): SDK.Provider =>
  new Proxy(provider, {
    get: (target, key) => {
      if (key === "hooks") return [...hooks, ...target.hooks ?? []]
      if (key !== "resolveBooleanEvaluation") return Reflect.get(target, key, target)
      return (...args: Parameters<SDK.Provider["resolveBooleanEvaluation"]>) => {
        contexts.push(args[2])
        return target.resolveBooleanEvaluation(...args)
      }
    }
  })

export const makeClient = Effect.fnUntraced(function*(kind: Client, setup: Setup) {
  const { context, hints, hooks = [], inner = [], outer = [] } = setup
  const contexts: Array<SDK.EvaluationContext> = []
  const provider = setup.provider ?? (yield* TestProvider.make({ flags: setup.flags ?? answers }))
  const domain = newDomain()
  yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, watched(provider, inner, contexts)))
  if (kind === "sdk") {
    const client = SDK.OpenFeature.getClient(domain).addHooks(...outer, OpenFeatureHook.make(...hooks))
    const options = hints === undefined ? undefined : { hookHints: hints }
    return {
      evaluate: (flagKey: string) => Effect.promise(() => client.getBooleanDetails(flagKey, false, context, options)),
      contexts
    }
  }
  const flags = yield* FeatureFlags.make({ domain, hooks })
  flags.client.addHooks(...outer)
  return {
    evaluate: (flagKey: string) =>
      flags.booleanDetails(flagKey, false, {
        context: context as EvaluationContext.EvaluationContext | undefined,
        hints: hints && HookHints.fromRecord(hints)
      }),
    contexts
  }
})

/** One evaluation: its details, and the context that the provider was asked with. */
export const evaluate = Effect.fnUntraced(function*(kind: Client, setup: Setup) {
  const client = yield* makeClient(kind, setup)
  const details = yield* client.evaluate(setup.flagKey ?? "good")
  return { details, context: client.contexts[0] }
})

/** Fails the test where an effect that needs no time does not end. */
export const ending = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const fiber = yield* Effect.forkDetach(effect, { startImmediately: true })
  for (let i = 0; i < 300 && fiber.pollUnsafe() === undefined; i++) yield* turns(1)
  assert.isDefined(fiber.pollUnsafe(), "it does not end")
  return yield* Fiber.join(fiber)
})

/** Whether a value is frozen all the way down. */
export const isDeepFrozen = (value: unknown): boolean =>
  typeof value !== "object" || value === null ||
  (Object.isFrozen(value) && Reflect.ownKeys(value).every((key) => isDeepFrozen(Reflect.get(value, key))))
