/**
 * One evaluation of the Effect client.
 */
import type * as SDK from "@openfeature/server-sdk"
import { OpenFeature } from "@openfeature/server-sdk"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { EvaluationContext } from "../../EvaluationContext.ts"
import { toSdk } from "../../EvaluationContext.ts"
import * as EvaluationDetails from "../../EvaluationDetails.ts"
import * as EvaluationError from "../../EvaluationError.ts"
import type { HookHints } from "../../HookHints.ts"
import type { FlagType } from "./flagType.ts"
import { waitFor } from "../bounded.ts"
import { attempt, attemptEither } from "../foreign.ts"
import { Caller, toSdkHints } from "./caller.ts"
import type { Level } from "./level.ts"
import * as Levels from "./level.ts"

/** Where evaluations go to. */
export interface Target {
  readonly client: SDK.Client
  readonly domain: string | undefined
  /** How long an interrupted caller waits for hooks that have to finish. */
  readonly interruptTimeout: Duration.Input
}

export interface Request<A> {
  readonly type: FlagType<A>
  readonly flagKey: string
  readonly defaultValue: A
  readonly context: EvaluationContext
  readonly hints: HookHints
  readonly levels: ReadonlyArray<Level>
}

type SdkDetails = SDK.EvaluationDetails<SDK.FlagValue>
type Details<A> = EvaluationDetails.EvaluationDetails<A>

export const evaluate = <A>(
  target: Target,
  request: Request<A>,
  services: Context.Context<never>
): Effect.Effect<Details<A>> =>
  Effect.callback((resume) => {
    const { defaultValue, flagKey, levels, type } = request
    const typed = new Typed(request)
    const caller = new Caller(services, request.hints)
    const hooks = start(target, levels, caller, typed.accept)
    const options = hooks.length === 0 ? undefined : { hooks, hookHints: toSdkHints(caller) }
    const resolution = attemptEither(
      () => type.resolve(target.client, flagKey, defaultValue, toSdk(request.context), options),
      (error) => Promise.reject<SdkDetails>(error)
    )
    resolution.then(
      (details) => resume(Exit.succeed(attempt(() => typed.details(details), () => typed.unreadable()))),
      // The SDK rejects when something throws that it does not expect to, and
      // then skips stages that hooks count on.
      async () => {
        const error = general(flagKey, "the SDK gave up on the evaluation")
        await finishAll(caller, error)
        resume(Exit.succeed(EvaluationDetails.failed(flagKey, defaultValue, error)))
      }
    )
    return hooks.length === 0 ? undefined : giveUp(target, request, caller, resolution)
  })

// Each level is one hook for the SDK. Where the client has none but others do,
// an empty one lets them learn that a value was of the wrong type.
const start = (
  target: Target,
  levels: ReadonlyArray<Level>,
  caller: Caller,
  accept: (details: SdkDetails) => void
): Array<SDK.Hook> => {
  const last = levels.length - 1
  if (last < 0 && !hasSdkHooks(target)) return []
  caller.runs = []
  if (last < 0) return [Levels.empty.start(caller, accept)]
  return levels.map((level, index) => level.start(caller, index === last ? accept : undefined))
}

const hasSdkHooks = ({ client, domain }: Target): boolean =>
  OpenFeature.getHooks().length > 0 || client.getHooks().length > 0 ||
  attempt(() => (OpenFeature.getProvider(domain).hooks ?? []).length > 0, () => true)

// The hooks of the API level are among them.
const finishAll = async (caller: Caller, error: unknown): Promise<void> => {
  for (const run of (caller.runs ?? []).reverse()) await run.finish(error)
}

// The caller was interrupted: the running stage is, too. Then the SDK runs the
// error and finally stages. It may not get there, since a provider can hang.
const giveUp = Effect.fnUntraced(function*<A>(
  target: Target,
  request: Request<A>,
  caller: Caller,
  resolution: Promise<SdkDetails>
) {
  caller.interrupt()
  const error = general(request.flagKey, "the evaluation was interrupted")
  yield* waitFor(Effect.tryPromise(() => resolution), target.interruptTimeout)
  yield* waitFor(Effect.tryPromise(() => finishAll(caller, error)), target.interruptTimeout)
})

const general = (flagKey: string, message: string) =>
  new EvaluationError.EvaluationError({ code: "GENERAL", message, flagKey })

/** The value of a flag in its type. Looked at once: by the first `after` stage, or where there is none at the end. */
class Typed<A> {
  readonly #request: Request<A>
  #decoded: Option.Option<A> | undefined = undefined

  constructor(request: Request<A>) {
    this.#request = request
  }

  readonly accept = (details: SdkDetails): void => {
    if (Option.isNone(this.#decode(details))) throw this.#mismatch()
  }

  details(details: SdkDetails): Details<A> {
    const { defaultValue, flagKey } = this.#request
    const error = EvaluationError.fromDetails(details)
    if (error !== undefined) {
      return { ...EvaluationDetails.failed(flagKey, defaultValue, error), flagMetadata: details.flagMetadata }
    }
    const decoded = this.#decode(details)
    if (Option.isNone(decoded)) return EvaluationDetails.failed(flagKey, defaultValue, this.#mismatch())
    return EvaluationDetails.withValue(details, decoded.value)
  }

  unreadable(): Details<A> {
    const { defaultValue, flagKey } = this.#request
    return EvaluationDetails.failed(flagKey, defaultValue, general(flagKey, "the evaluation details cannot be read"))
  }

  #decode(details: SdkDetails): Option.Option<A> {
    return this.#decoded ??= attempt(() => this.#request.type.decode(details.value), () => Option.none<A>())
  }

  #mismatch(): EvaluationError.EvaluationError {
    const { flagKey, type } = this.#request
    return new EvaluationError.EvaluationError({
      code: "TYPE_MISMATCH",
      message: `the flag's value is not ${type.expected}`,
      flagKey
    })
  }
}
