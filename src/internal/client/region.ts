/** The evaluation context, hints and hooks of a region and an invocation. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as EvaluationContext from "../../EvaluationContext.ts"
import * as FeatureHook from "../../FeatureHook.ts"
import * as HookHints from "../../HookHints.ts"
import * as Registration from "../hook/registration.ts"
import { openOf } from "../hook/inTransaction.ts"
import type { Stack } from "../runner/stack.ts"
import { recording } from "./recording.ts"
import * as Check from "../check.ts"
import { isRecord, tryOr } from "../untrusted.ts"

export interface Region {
  readonly context: EvaluationContext.EvaluationContext
  readonly hints: HookHints.HookHints
  readonly registrations: ReadonlyArray<Registration.Registration>
  /** Part of the region cannot be read, so no flag may be evaluated with the rest. */
  readonly isUnreadable: boolean
}

export const Region = Context.Reference<Region>("effect-openfeature/FeatureFlags/Region", {
  defaultValue: () => ({
    context: EvaluationContext.empty,
    hints: HookHints.empty,
    registrations: [],
    isUnreadable: false
  })
})

export const inRegion = <A, E, R, R2>(
  self: Effect.Effect<A, E, R>,
  change: (region: Region, services: Context.Context<R2>) => Partial<Region>,
  unreadable: Partial<Region> = {}
): Effect.Effect<A, E, R | R2> =>
  Effect.contextWith((services: Context.Context<R2>) => {
    const region = Context.get(services, Region)
    const changed = tryOr(() => change(region, services), () => undefined)
    const within = Effect.provideService(self, Region, { ...region, ...changed ?? unreadable })
    return changed === undefined
      ? Effect.andThen(Effect.logWarning("the context or the hints of a region of code cannot be read"), within)
      : within
  })

interface Options {
  readonly context?: EvaluationContext.EvaluationContext | undefined
  readonly hooks?: ReadonlyArray<FeatureHook.Any> | undefined
  readonly hints?: HookHints.HookHints | undefined
}

const optionNames = { context: true, hooks: true, hints: true, schema: true }

/** Throws a `RangeError` that names the option. JavaScript callers can pass anything. */
export const requestOf = (services: Context.Context<never>, client: Stack, options: Options | undefined) => {
  const region = Context.get(services, Region)
  const transaction = openOf({ around: undefined, services })
  if (region.isUnreadable) return undefined
  // A misspelt context would evaluate the flag for a different subject.
  if (isRecord(options)) Check.knownNames("the evaluation", options, optionNames)
  let stack = transaction === undefined ? client : client.with(recording)
  for (const registration of region.registrations) stack = stack.with(registration)
  const hooks = options?.hooks
  if (hooks !== undefined && hooks.length !== 0) stack = stack.with(invocation(hooks))
  return {
    stack,
    transaction,
    context: options?.context === undefined
      ? region.context
      : EvaluationContext.merge(region.context, options.context),
    hints: options?.hints === undefined ? region.hints : HookHints.merge(region.hints, hintsOf(options.hints))
  }
}

interface Invocation {
  readonly hooks: ReadonlyArray<FeatureHook.Any>
  readonly registration: Registration.Registration
}

// Invocation hooks use only the services of the caller, so the same hooks can share a registration.
const invocations = new WeakMap<FeatureHook.Any, Invocation>()

const invocation = (hooks: ReadonlyArray<FeatureHook.Any>): Registration.Registration => {
  const [first] = hooks
  const known = first && invocations.get(first)
  const isKnown = known !== undefined && known.hooks.length === hooks.length &&
    hooks.every((hook, index) => hook === known.hooks[index])
  if (isKnown) return known.registration
  const registration = Registration.make(FeatureHook.combineAll(hooks).parts, Context.makeUnsafe<unknown>(new Map()))
  if (first !== undefined) invocations.set(first, { hooks: Array.from(hooks), registration })
  return registration
}

// JavaScript callers can pass the SDK's hints.
const hintsOf = (hints: HookHints.HookHints): HookHints.HookHints =>
  HookHints.isHookHints(hints) ? hints : HookHints.fromRecord(hints)
