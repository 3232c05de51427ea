/** A Redis that is connected to in the background. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import type * as Scope from "effect/Scope"
import * as Check from "../../internal/check.ts"
import { connect, inBackground, type Misconfigured } from "../../internal/hook/connecting.ts"
import * as Started from "../../internal/started.ts"

type Service = Redis.Redis["Service"]

export interface Connection {
  /** Fails at once while there is no connection, but waits for the first attempt. */
  readonly redis: Service
  /** Waits for the first attempt, which has one second. Fails only if no attempt can ever succeed. */
  readonly attempted: Effect.Effect<void, Misconfigured>
}

export const inScope = Effect.fnUntraced(function*(
  owner: string,
  layer: Layer.Layer<Redis.Redis, unknown>
): Effect.fn.Return<Connection, never, Scope.Scope> {
  const attempted = Deferred.makeUnsafe<void, Misconfigured>()
  let connected: Service | undefined
  let reason: unknown
  const late = Effect.flatMap(
    Deferred.succeed(attempted, undefined),
    (isNews) =>
      isNews ? Effect.logWarning(`${owner}: Redis does not answer; it is asked again in the background`) : Effect.void
  )
  const connecting = connect({
    layer,
    service: Redis.Redis,
    called: `${owner}: redis`,
    onFailure: (cause, mistake) => {
      reason = mistake ?? Cause.squash(cause)
      return mistake === undefined ? late : Effect.void
    }
  }).pipe(
    Effect.matchEffect({
      onFailure: (mistake) => Effect.andThen(Deferred.fail(attempted, mistake), Effect.logError(mistake.message)),
      onSuccess: (redis) => {
        connected = redis
        return Effect.flatMap(
          Deferred.succeed(attempted, undefined),
          (isFirst) => isFirst ? Effect.void : Effect.logInfo(`${owner}: Redis answers`)
        )
      }
    }),
    // The connection lasts as long as this.
    Effect.andThen(Effect.never)
  )
  const limit = Effect.timeoutOrElse(Effect.exit(Deferred.await(attempted)), {
    duration: "1 second",
    orElse: () => late
  })
  yield* inBackground(Effect.all([connecting, limit], { concurrency: 2, discard: true }))
  // Whoever asks after the end waits for no attempt.
  yield* Effect.addFinalizer(() => Deferred.succeed(attempted, undefined))

  const unconnected = Effect.suspend(() =>
    Effect.fail(new Redis.RedisError({ cause: new Error(`${owner}: Redis has not answered yet`, { cause: reason }) }))
  )
  const use = <A, R>(ask: (redis: Service) => Effect.Effect<A, Redis.RedisError, R>) =>
    Effect.suspend(() =>
      connected === undefined
        ? Effect.andThen(
          Effect.exit(Deferred.await(attempted)),
          Effect.suspend(() => connected === undefined ? unconnected : ask(connected))
        )
        : ask(connected)
    )
  return {
    attempted: Deferred.await(attempted),
    redis: {
      send: (...command) => use((redis) => redis.send(...command)),
      eval: (script) => (...params) => use((redis) => redis.eval(script)(...params)),
      subscribe: (channel) => Effect.orDie(use((redis) => redis.subscribe(channel))),
      reserve: use((redis) => redis.reserve)
    }
  }
})

const checkedLayer = (owner: string, redis: unknown): void => {
  if (!Layer.isLayer(redis)) Check.reject(owner, "redis", "a layer with Effect's Redis service", redis)
}

type Store<A> = { readonly store: A } & Omit<Started.Started<A>, "value">

/** Connects a store of an application without Effect, and waits for the first attempt. */
export const start = async <A, E>(
  owner: string,
  redis: Layer.Layer<Redis.Redis, E>,
  make: Effect.Effect<A, never, Redis.Redis>
): Promise<Store<A>> => {
  checkedLayer(owner, redis)
  const { value, ...closing } = await Started.startPromise(
    Effect.gen(function*() {
      const connection = yield* inScope(owner, redis)
      yield* connection.attempted
      return yield* Effect.provideService(make, Redis.Redis, connection.redis)
    })
  )
  return { store: value, ...closing }
}

/** The same, without waiting. */
export const startNow = <A>(
  owner: string,
  redis: Layer.Layer<Redis.Redis, unknown>,
  make: Effect.Effect<A, never, Redis.Redis>
): Store<A> => {
  checkedLayer(owner, redis)
  const { value, ...closing } = Started.start(
    Effect.flatMap(inScope(owner, redis), ({ redis }) => Effect.provideService(make, Redis.Redis, redis))
  )
  return { store: value, ...closing }
}
