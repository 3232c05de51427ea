/** Runs what owns resources for an application without Effect. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

/** What has been acquired, and how to end it. Closing twice is fine. */
export interface Started<A> {
  readonly value: A
  readonly close: () => Promise<void>
  /** The same as `close`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

// Its caller has no services.
export const runSync = Effect.runSyncWith(Context.empty())
export const runPromise = Effect.runPromiseWith(Context.empty())

export const start = <A>(acquire: Effect.Effect<A, never, Scope.Scope>): Started<A> => {
  const scope = Scope.makeUnsafe()
  const close = () => runPromise(Scope.close(scope, Exit.void))
  return { value: runSync(Scope.provide(acquire, scope)), close, [Symbol.asyncDispose]: close }
}
