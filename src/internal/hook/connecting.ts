/** Connections that are made in the background, so that a service that is down at the start keeps nobody from starting. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { readString } from "../untrusted.ts"
import { waitFor } from "../wait.ts"

/** How often what does not answer is asked again: until its user is closed. */
export const again = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])

/** A layer that can never be built, however often it is tried. */
export class Misconfigured extends RangeError {}

// Effect has no class for a service that is missing.
const missing = /^Service not found: ?(.*)/

const problemOf = (error: unknown): string | undefined => {
  if (Predicate.isTagged(error, "ConfigError")) return "lacks its configuration, or has a wrong one"
  if (error instanceof TypeError) return "cannot be built: it throws a TypeError, such as for a wrong address"
  const service = error instanceof Error ? missing.exec(error.message)?.[1] : undefined
  return service === undefined ? undefined : `needs the service ${service}; provide it with Layer.provide`
}

// The error of Node about an address has the address in it, and with it a password.
const printable = (error: unknown): unknown => readString(error, "code") === "ERR_INVALID_URL" ? undefined : error

const mistakeIn = (called: string, cause: Cause.Cause<unknown>): Misconfigured | undefined => {
  for (const reason of cause.reasons) {
    if (Cause.isInterruptReason(reason)) continue
    const error = Cause.isFailReason(reason) ? reason.error : reason.defect
    if (error instanceof Misconfigured) return error
    const problem = problemOf(error)
    if (problem !== undefined) return new Misconfigured(`${called} ${problem}`, { cause: printable(error) })
  }
  return undefined
}

/** With a mistake, no further attempt can help. */
export type OnFailure = (
  cause: Cause.Cause<unknown>,
  mistake: Misconfigured | undefined
) => Effect.Effect<void>

export interface Connecting<I, S, E, R> {
  readonly layer: Layer.Layer<I, E, R>
  /** What the layer must provide. */
  readonly service: Context.Key<I, S>
  /** What messages call the layer. */
  readonly called: string
  /** Runs after each attempt that has failed. */
  readonly onFailure: OnFailure
}

/** Tries until it succeeds, or until there is a mistake. An attempt that fails leaves nothing open. */
export const connect = <I, S, E, R>(
  { called, layer, onFailure, service }: Connecting<I, S, E, R>
): Effect.Effect<S, Misconfigured, R | Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => {
    const attempt = Effect.flatMap(Scope.fork(scope), (attempt) =>
      Layer.buildWithScope(layer, attempt).pipe(
        Effect.flatMap((services) =>
          // A layer of plain code can lack what its type says.
          Option.match(Context.getOption(services, service), {
            onNone: () => Effect.fail(new Misconfigured(`${called} must provide the service ${service.key}`)),
            onSome: (found) => Effect.succeed(found)
          })
        ),
        Effect.onError((cause) => Scope.close(attempt, Exit.failCause(cause)))
      ))
    return attempt.pipe(
      Effect.catchCause((cause) => {
        const mistake = mistakeIn(called, cause)
        return Effect.andThen(onFailure(cause, mistake), Effect.fail(mistake))
      }),
      Effect.retry({ schedule: again, while: (mistake) => mistake === undefined }),
      Effect.catch((mistake) => mistake === undefined ? Effect.never : Effect.fail(mistake))
    )
  })

/** Runs work until the scope closes, which does not wait for long for a service that hangs. */
export const inBackground = Effect.fnUntraced(function*<R>(work: Effect.Effect<unknown, never, R>) {
  const scope = yield* Scope.make()
  const fiber = yield* Effect.forkDetach(Scope.provide(work, scope))
  yield* Effect.addFinalizer(() => {
    fiber.interruptUnsafe()
    return waitFor(Scope.close(scope, Exit.void), "3 seconds")
  })
})
