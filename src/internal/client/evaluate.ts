/** One evaluation of the Effect client. */
import * as SDK from "@openfeature/server-sdk"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as EvaluationContext from "../../EvaluationContext.ts"
import * as EvaluationDetails from "../../EvaluationDetails.ts"
import * as EvaluationError from "../../EvaluationError.ts"
import type { HookHints } from "../../HookHints.ts"
import { stackOf } from "../bridge/sdkHook.ts"
import { type Begun, Evaluation, toSdkHints } from "../runner/evaluation.ts"
import { general } from "../runner/failure.ts"
import { Run } from "../runner/run.ts"
import type { Stack } from "../runner/stack.ts"
import { tryOr } from "../untrusted.ts"
import { waitFor } from "../wait.ts"
import type { FlagType } from "./flagType.ts"

export interface Target {
  readonly client: SDK.Client
  readonly domain: string | undefined
  /** The maximum time that an interrupted caller waits for hooks. */
  readonly interruptTimeout: Duration.Input
}

export interface Request<A> {
  readonly type: FlagType<A>
  readonly flagKey: string
  readonly defaultValue: A
  readonly context: EvaluationContext.EvaluationContext
  readonly hints: HookHints
  /** The hooks of the client, the region and the invocation. */
  readonly stack: Stack
}

type SdkDetails = SDK.EvaluationDetails<SDK.FlagValue>
type Details<A> = EvaluationDetails.EvaluationDetails<A>

export const evaluate = <A, B>(
  target: Target,
  request: Request<A>,
  services: Context.Context<never>,
  select: (details: Details<A>) => B
): Effect.Effect<B> =>
  Effect.callback((resume) => {
    const { defaultValue, flagKey, stack, type } = request
    const check = new ValueCheck(request)
    // Without client hooks, an empty stack still rejects values of the wrong type, so that hooks of other
    // levels see the error.
    const isHooked = !stack.isEmpty || sdkHooks(target).length > 0
    const evaluation = new Evaluation(services, request.hints)
    const run = isHooked ? new Run(stack, evaluation, check) : undefined
    if (isHooked) evaluation.runs = []
    const options = run && { hooks: [run], hookHints: toSdkHints(evaluation) }
    const resolution = tryOr(
      () => type.resolve(target.client, flagKey, defaultValue, EvaluationContext.toSdk(request.context), options),
      (error) => Promise.reject<SdkDetails>(error)
    )
    const finish = (error: EvaluationError.EvaluationError) => finishAll(target, request, evaluation, run, error)
    resolution.then(
      (details) => resume(Exit.succeed(select(check.details(details)))),
      // The SDK rejects when a hook throws something hostile. It then skips stages that other hooks rely on.
      async () => {
        const error = general("the SDK gave up on the evaluation", { flagKey })
        await finish(error)
        resume(Exit.succeed(select(EvaluationDetails.failed(flagKey, defaultValue, error))))
      }
    )
    return run && giveUp(target, flagKey, evaluation, resolution, finish)
  })

/** The hooks at the API, SDK client and provider levels. */
const sdkHooks = (target: Target): ReadonlyArray<object> => [...outerHooks(target), ...providerHooks(target)]

const outerHooks = ({ client }: Target): ReadonlyArray<object> => [...SDK.OpenFeature.getHooks(), ...client.getHooks()]

const providerHooks = ({ domain }: Target): ReadonlyArray<object> =>
  tryOr(() => Array.from(SDK.OpenFeature.getProvider(domain).hooks ?? []), () => [])

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
    const stack = stackOf(hook)
    if (stack === undefined) return []
    const index = begun.findIndex((other) => other.stack === stack)
    return index < 0 ? [new Run(stack, evaluation)] : begun.splice(index, 1)
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
  const error = general("the evaluation was interrupted", { flagKey })
  yield* waitFor(Effect.tryPromise(() => finish(error)), interruptTimeout)
})

/** Checks the type of a value once: before the first `after` stage, or at the end. */
class ValueCheck<A> {
  readonly #request: Request<A>
  #decoded: Option.Option<A> | undefined = undefined

  constructor(request: Request<A>) {
    this.#request = request
  }

  accept(details: SdkDetails): void {
    if (Option.isNone(this.#decode(details))) throw this.#mismatch()
  }

  details(details: SdkDetails): Details<A> {
    const { defaultValue, flagKey } = this.#request
    try {
      if (details.errorCode) return EvaluationDetails.withValue(EvaluationDetails.normalized(details), defaultValue)
      const decoded = this.#decode(details)
      return Option.isNone(decoded)
        ? EvaluationDetails.failed(flagKey, defaultValue, this.#mismatch())
        : EvaluationDetails.withValue(details, decoded.value)
    } catch {
      const error = general("the evaluation details cannot be read", { flagKey })
      return EvaluationDetails.failed(flagKey, defaultValue, error)
    }
  }

  #decode(details: SdkDetails): Option.Option<A> {
    return this.#decoded ??= tryOr(() => this.#request.type.decode(details.value), () => Option.none<A>())
  }

  #mismatch(): EvaluationError.EvaluationError {
    const { flagKey, type } = this.#request
    return Object.freeze(
      new EvaluationError.EvaluationError({
        code: "TYPE_MISMATCH",
        message: `the flag's value is not ${type.expected}`,
        flagKey
      })
    )
  }
}
