/** One evaluation of the Effect client. */
import * as SDK from "@openfeature/server-sdk"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as EvaluationContext from "../../EvaluationContext.ts"
import type * as EvaluationError from "../../EvaluationError.ts"
import type { HookHints } from "../../HookHints.ts"
import { sourceOf } from "../bridge/sdkHook.ts"
import { isServer } from "../hook/server.ts"
import type { Ticket, Transaction } from "../hook/transaction.ts"
import { type Begun, Evaluation, toSdkHints } from "../runner/evaluation.ts"
import { interrupted } from "../runner/failure.ts"
import { Run } from "../runner/run.ts"
import type { Stack } from "../runner/stack.ts"
import { printValue } from "../text.ts"
import { tryOr } from "../untrusted.ts"
import { waitFor } from "../wait.ts"
import { gaveUp, type Outcome, type Question, Resolved } from "./resolved.ts"

export interface Target {
  readonly client: SDK.Client
  readonly domain: string | undefined
  /** The maximum time that an interrupted caller waits for hooks. */
  readonly interruptTimeout: Duration.Input
}

export interface Request<A> extends Question<A> {
  readonly context: EvaluationContext.EvaluationContext
  readonly hints: HookHints
  /** The hooks of the client, the region and the invocation. */
  readonly stack: Stack
  readonly transaction: Transaction | undefined
}

type SdkDetails = SDK.EvaluationDetails<SDK.FlagValue>

/** Starts an evaluation. Returns what to do when the caller is interrupted. */
export const evaluate = <A>(
  target: Target,
  request: Request<A>,
  services: Context.Context<never>,
  settle: (outcome: Outcome<A>) => void
): Effect.Effect<void> | undefined => {
  const resolved = new Resolved(request)
  // Without client hooks, an empty stack still rejects values of the wrong type, so that hooks of other
  // levels see the error.
  if (request.stack.isEmpty && !hasSdkHooks(target)) {
    resolve(target, request, undefined).then(
      (details) => settle(resolved.with(details)),
      () => settle(resolved)
    )
    return undefined
  }
  const evaluation = new Evaluation(services, request.hints, undefined, ticketOf(target, request))
  const run = new Run(request.stack, evaluation, resolved)
  evaluation.runs = []
  const resolution = resolve(target, request, { hooks: [run], hookHints: toSdkHints(evaluation) })
  const finish = (error: EvaluationError.EvaluationError) => finishAll(target, request, evaluation, run, error)
  resolution.then(
    (details) => settle(resolved.with(details)),
    // The SDK rejects when a hook throws something hostile. It then skips stages that other hooks rely on.
    () => finish(gaveUp(request.flagKey)).then(() => settle(resolved))
  )
  return giveUp(target, request.flagKey, evaluation, resolution, finish)
}

const resolve = <A>(
  { client }: Target,
  { context, defaultValue, flagKey, type }: Request<A>,
  options: SDK.FlagEvaluationOptions | undefined
): Promise<SdkDetails> => {
  try {
    return type.resolve(client, flagKey, defaultValue, EvaluationContext.toSdk(context), options)
  } catch (error) {
    return Promise.reject(error)
  }
}

const ticketOf = <A>(
  { client, domain }: Target,
  { context, flagKey, transaction, type }: Request<A>
): Ticket | undefined =>
  transaction?.ticket(
    { domain, flagKey: typeof flagKey === "string" ? flagKey : printValue(flagKey, 256), type: type.name },
    isServer(client.metadata.providerMetadata),
    // As the SDK merges them.
    () => ({
      ...SDK.OpenFeature.getContext(),
      ...SDK.OpenFeature.getTransactionContext(),
      ...client.getContext(),
      ...EvaluationContext.toSdk(context)
    })
  )

const hasSdkHooks = (target: Target): boolean =>
  SDK.OpenFeature.getHooks().length > 0 || target.client.getHooks().length > 0 || providerHooks(target).length > 0

/** The hooks at the API and SDK client levels. */
const outerHooks = ({ client }: Target): ReadonlyArray<object> => [...SDK.OpenFeature.getHooks(), ...client.getHooks()]

const none: ReadonlyArray<object> = []

const providerHooks = ({ domain }: Target): ReadonlyArray<object> => {
  try {
    const { hooks } = SDK.OpenFeature.getProvider(domain)
    return hooks === undefined ? none : Array.from(hooks)
  } catch {
    return none
  }
}

// Runs the remaining stages for hooks of every level, including those that the SDK has not reached.
const finishAll = async <A>(
  target: Target,
  request: Request<A>,
  evaluation: Evaluation,
  run: Run | undefined,
  error: EvaluationError.EvaluationError
): Promise<void> => {
  evaluation.isOver = true
  const begun = (evaluation.runs ?? []).filter((other) => other !== run)
  const runOf = (hook: object): ReadonlyArray<Begun> => {
    const source = sourceOf(hook)
    if (source === undefined) return []
    const index = begun.findIndex((other) => other.source === source)
    return index < 0 ? [new Run(source, evaluation)] : begun.splice(index, 1)
  }
  const owed = [
    ...outerHooks(target).flatMap(runOf),
    ...run === undefined ? [] : [run],
    ...providerHooks(target).flatMap(runOf),
    ...begun
  ]
  const sdk = sdkHookContext(target, request, evaluation)
  owed.reverse()
  for (const one of owed) await one.finishError(error, sdk)
  for (const one of owed) await one.finishFinally(error)
}

const sdkHookContext = <A>(
  { client }: Target,
  { context, defaultValue, flagKey, type }: Request<A>,
  evaluation: Evaluation
): SDK.HookContext => ({
  flagKey,
  flagValueType: type.name,
  defaultValue: type.encode(defaultValue),
  context: evaluation.context ?? tryOr(() => EvaluationContext.toSdk(context), () => ({})),
  clientMetadata: client.metadata,
  providerMetadata: client.metadata.providerMetadata,
  logger: new SDK.DefaultLogger(),
  hookData: new SDK.MapHookData()
})

// After an interruption, the SDK runs the error and finally stages. It may not reach them, since a
// provider can hang.
const giveUp = Effect.fnUntraced(function*(
  { interruptTimeout }: Target,
  flagKey: string,
  evaluation: Evaluation,
  resolution: Promise<SdkDetails>,
  finish: (error: EvaluationError.EvaluationError) => Promise<void>
) {
  evaluation.interrupt()
  yield* waitFor(Effect.tryPromise(() => resolution), interruptTimeout)
  const error = interrupted({ flagKey })
  yield* waitFor(Effect.tryPromise(() => finish(error)), interruptTimeout)
})
