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

const startedIn = (scope: Scope.Closeable) => <A>(value: A): Started<A> => {
  const close = () => runPromise(Scope.close(scope, Exit.void))
  return { value, close, [Symbol.asyncDispose]: close }
}

export const start = <A>(acquire: Effect.Effect<A, never, Scope.Scope>): Started<A> => {
  const scope = Scope.makeUnsafe()
  return startedIn(scope)(runSync(Scope.provide(acquire, scope)))
}

/** The same for what has to wait. What it acquired before a failure is released. */
export const startPromise = <A, E>(acquire: Effect.Effect<A, E, Scope.Scope>): Promise<Started<A>> => {
  const scope = Scope.makeUnsafe()
  return runPromise(acquire.pipe(
    Scope.provide(scope),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
    Effect.map(startedIn(scope))
  ))
}

interface Counting<H, C> {
  readonly hook: H
  readonly counts: Effect.Effect<C>
  readonly flush: Effect.Effect<void>
}

/** A hook that counts and can be flushed, as plain code uses it. */
export const counting = <H, C>({ value: { counts, flush, hook }, ...closing }: Started<Counting<H, C>>) => ({
  hook,
  counts: (): C => runSync(counts),
  flush: (): Promise<void> => runPromise(flush),
  ...closing
})
