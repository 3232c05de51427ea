/** One invocation of the Effect client: its options, with what the client and the region have. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as EvaluationContext from "../../EvaluationContext.ts"
import { failed } from "../../EvaluationDetails.ts"
import { EvaluationError } from "../../EvaluationError.ts"
import * as FeatureHook from "../../FeatureHook.ts"
import * as HookHints from "../../HookHints.ts"
import * as Check from "../check.ts"
import { openOf } from "../hook/inTransaction.ts"
import * as Registration from "../hook/registration.ts"
import type { Stack } from "../runner/stack.ts"
import { isRecord, tryOr } from "../untrusted.ts"
import type { ClientHooks } from "./clientHooks.ts"
import { evaluate, type Target } from "./evaluate.ts"
import type { FlagType } from "./flagType.ts"
import { rangeMessageOf, unreadable } from "./options.ts"
import { recording } from "./recording.ts"
import { Region } from "./region.ts"
import type { Outcome } from "./resolved.ts"

interface Options<out H extends FeatureHook.Any> {
  readonly context?: EvaluationContext.EvaluationContext | undefined
  readonly hooks?: ReadonlyArray<H> | undefined
  readonly hints?: HookHints.HookHints | undefined
}

/** Evaluates flags for a client. Wrong options give the default value. */
export const of = (target: Target, clientHooks: ClientHooks) =>
<A, B, H extends FeatureHook.Any>(
  type: FlagType<A>,
  flagKey: string,
  defaultValue: A,
  options: Options<H> | undefined,
  select: (outcome: Outcome<A>) => B
): Effect.Effect<B, never, FeatureHook.Services<H>> =>
  Effect.callback((resume) => {
    const services = Fiber.getCurrent()?.context ?? Context.empty()
    const settle = (outcome: Outcome<A>) => resume(Exit.succeed(select(outcome)))
    // No hook sees an evaluation with wrong options, so the log must tell.
    const refuse = (message: string | undefined) => {
      const error = new EvaluationError({ code: "GENERAL", message: message ?? unreadable })
      const result = select({ value: defaultValue, details: failed(flagKey, defaultValue, error) })
      resume(message === undefined ? Exit.succeed(result) : Effect.as(Effect.logWarning(message), result))
    }
    const request = tryOr(
      () => requestOf(services, clientHooks.stack, options),
      (error) => refuse(rangeMessageOf(error)) ?? null
    )
    if (request === undefined) return refuse(undefined)
    if (request !== null) return evaluate(target, { type, flagKey, defaultValue, ...request }, services, settle)
  })

const optionNames = { context: true, hooks: true, hints: true, schema: true }

/** Throws a `RangeError` that names the option. JavaScript callers can pass anything. */
const requestOf = (services: Context.Context<never>, client: Stack, options: Options<FeatureHook.Any> | undefined) => {
  const region = Context.get(services, Region)
  const transaction = openOf({ around: undefined, services })
  if (region.isUnreadable) return undefined
  // A misspelt context would evaluate the flag for a different subject.
  if (isRecord(options)) Check.knownNames("the evaluation", options, optionNames)
  const given = options === undefined ? undefined : dataOf(region, options)
  const { context, hints } = given ?? region
  let stack = transaction === undefined ? client : client.with(recording)
  for (const registration of region.registrations) stack = stack.with(registration)
  const hooks = given?.hooks
  if (hooks !== undefined && hooks.length !== 0) stack = stack.with(registrationOf(hooks))
  return { stack, transaction, context, hints }
}

/** Getters can throw range errors, too. What these say can have anything of a user, and is no option. */
const dataOf = (region: Region, options: Options<FeatureHook.Any> | null) =>
  tryOr(() => {
    const context = options?.context
    const hints = options?.hints
    return {
      context: context === undefined ? region.context : EvaluationContext.merge(region.context, context),
      hints: hints === undefined ? region.hints : HookHints.merge(region.hints, hintsOf(hints)),
      hooks: options?.hooks
    }
  }, () => {
    throw new RangeError(unreadable)
  })

interface Registered {
  readonly hooks: ReadonlyArray<FeatureHook.Any>
  readonly registration: Registration.Registration
}

// Invocation hooks use only the services of the caller, so the same hooks can share a registration. It is
// found by the first of them.
const registered = new WeakMap<FeatureHook.Any, Registered>()

const registrationOf = (hooks: ReadonlyArray<FeatureHook.Any>): Registration.Registration => {
  const [first] = hooks
  const known = first && registered.get(first)
  const isKnown = known !== undefined && known.hooks.length === hooks.length &&
    hooks.every((hook, index) => hook === known.hooks[index])
  if (isKnown) return known.registration
  const registration = Registration.make(FeatureHook.combineAll(hooks).parts, Context.makeUnsafe<unknown>(new Map()))
  if (first !== undefined) registered.set(first, { hooks: Array.from(hooks), registration })
  return registration
}

// JavaScript callers can pass the SDK's hints.
const hintsOf = (hints: HookHints.HookHints): HookHints.HookHints =>
  HookHints.isHookHints(hints) ? hints : HookHints.fromRecord(hints)
