/** Queues in a store that can be down, and consumers that hand their values to a function of the user. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { cast } from "effect/Function"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Check from "../check.ts"
import * as Started from "../started.ts"
import { waitFor } from "../wait.ts"
import * as Part from "./part.ts"

export type Store<E = never, R = never> = Layer.Layer<PersistedQueue.PersistedQueueFactory, E, R>

export const checkedStore = (owner: string, store: unknown): void => {
  if (!Layer.isLayer(store)) Check.reject(owner, "store", "a layer with a store for queues", store)
}

export const layerMemory: Store = Layer.provide(PersistedQueue.layer, PersistedQueue.layerStoreMemory)

/** One memory for all who build the layer. */
export const makeMemory = (): Store => {
  const memo = Layer.makeMemoMapUnsafe()
  // The memory holds nothing that has to be released.
  const scope = Scope.makeUnsafe()
  return Layer.effectContext(Effect.suspend(() => Layer.buildWithMemoMap(layerMemory, memo, scope)))
}

/** How often a store that does not answer is asked again: until its user is closed. */
export const again = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])

export interface Named<A> {
  readonly name: string
  readonly schema: Schema.Codec<A>
  readonly maxAttempts?: number | undefined
}

/** A store that is down at the start is asked again, like one that goes down later. */
export const connect = <A, E, R>(
  store: Store<E, R>,
  named: Named<A>,
  onFailure: Effect.Effect<void>
): Effect.Effect<PersistedQueue.PersistedQueue<A>, never, R | Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const build = Effect.flatMap(
      Scope.fork(scope),
      (attempt) => Layer.buildWithScope(store, attempt).pipe(Effect.onError(() => Scope.close(attempt, Exit.void)))
    )
    const services = yield* build.pipe(Effect.tapCause(() => onFailure), Effect.sandbox, Effect.retry(again))
    return yield* Context.get(services, PersistedQueue.PersistedQueueFactory).make(named)
  }).pipe(Effect.orDie)

export interface Delivery {
  readonly id: string
  readonly attempts: number
}

export interface ConsumerOptions {
  readonly name?: string | undefined
  readonly concurrency?: number | undefined
  readonly maxAttempts?: number | undefined
  readonly renewInterval?: Duration.Input | undefined
}

export const checkedConsumer = (owner: string, store: unknown, handler: unknown, options: ConsumerOptions): void => {
  checkedStore(owner, store)
  Check.aFunction(owner, "handler", handler)
  Check.options(owner, options, {
    name: Check.aText,
    concurrency: Check.positiveInteger,
    maxAttempts: Check.positiveInteger,
    renewInterval: Check.positiveDuration
  })
}

export interface Consumer<A, E, R> extends ConsumerOptions, Named<A> {
  readonly name: string
  readonly store: Store<E, R>
  /** Gives an effect, a promise, or nothing. */
  readonly handler: (value: A, delivery: Delivery) => unknown
  /** What warnings call the queue, and a value in it. */
  readonly called: readonly [queue: string, value: string]
}

/** `R2` is what the result of the handler requires. */
export const consume = <A, E, R, R2>(consumer: Consumer<A, E, R>): Effect.Effect<never, never, R | R2> => {
  const { called, concurrency = 1, renewInterval = "1 minute", store } = consumer
  const handle = handling<A, R2>(consumer)
  let isWarned = false
  const failed = Effect.suspend(() => {
    if (isWarned) return Effect.void
    isWarned = true
    return Effect.logWarning(`the store of the ${called[0]} does not answer; it is asked again`)
  })
  const schema = consumer.schema.pipe(
    Schema.catchDecoding((issue) =>
      Effect.andThen(Effect.logWarning(`${called[1]} of another form is set aside`), Effect.fail(issue))
    )
  )
  // Connections overlap while a handler of an old one is not done.
  const permits = Semaphore.makeUnsafe(concurrency)
  const work = (queue: PersistedQueue.PersistedQueue<A>) =>
    Effect.suspend(() => {
      const idle = Latch.makeUnsafe(true)
      const take = queue.take((value, delivery) => Effect.andThen(idle.close, handle(value, delivery)))
      const next = Effect.ensuring(permits.withPermit(take), idle.open).pipe(
        // The failure is logged already, by the handler or by the store.
        Effect.catchCause(() => Effect.sleep("500 millis"))
      )
      return Effect.raceFirst(Effect.forever(next), Effect.andThen(Effect.sleep(renewInterval), idle.await))
    })
  const connection = (isOver: Latch.Latch) =>
    connect(store, { ...consumer, schema }, failed).pipe(
      Effect.flatMap((queue) => {
        isWarned = false
        const works = Array.from({ length: concurrency }, () => work(queue))
        return Effect.all([...works, Effect.andThen(Effect.sleep(renewInterval), isOver.open)], {
          concurrency: "unbounded",
          discard: true
        })
      }),
      Effect.scoped,
      // A store that is down can fail to close as well.
      Effect.catchCause(() => Effect.sleep("500 millis")),
      Effect.ensuring(isOver.open)
    )
  // The store in Redis stops looking for the values of dead consumers after its first failure. A new one looks again.
  return Effect.suspend(() => {
    const isOver = Latch.makeUnsafe(false)
    return Effect.andThen(Effect.forkScoped(connection(isOver)), isOver.await)
  }).pipe(Effect.forever, Effect.scoped)
}

const handling =
  <A, R>({ called, handler }: Pick<Consumer<A, never, never>, "called" | "handler">) =>
  (value: A, { attempts, id }: Delivery): Effect.Effect<unknown, unknown, R> =>
    // Its requirements are those of the handler.
    cast<Effect.Effect<unknown, unknown, unknown>, Effect.Effect<unknown, unknown, R>>(
      Effect.suspend(() => Part.resultOf(handler(value, { attempts, id }), "finally") ?? Effect.void)
    ).pipe(
      Effect.tapCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.void
          : Effect.annotateLogs(Effect.logWarning(`the handler of ${called[1]} failed`), { attempts, id })
      )
    )

/** For an application without Effect. */
export const startConsumer = (consuming: Effect.Effect<never>): Omit<Started.Started<never>, "value"> => {
  const fiber = Effect.runForkWith(Context.empty())(consuming)
  // A store that hangs must not keep its caller from ending.
  const close = () => Started.runPromise(waitFor(Fiber.interrupt(fiber), "3 seconds"))
  return { close, [Symbol.asyncDispose]: close }
}
