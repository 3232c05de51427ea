/** Values that are looked up once per key, apart from the callers, and kept for a while. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { here } from "../node.ts"
import { Recent } from "../recent.ts"
import * as Services from "../services.ts"
import { awaitWithin } from "../wait.ts"
import * as Registration from "./registration.ts"

/** After this time, a lookup that has not ended is replaced by the next one. */
const maxLookupMillis = 30_000

class Lookup<out A, out E> {
  readonly fiber: Fiber.Fiber<A, E>
  expiresAt: number
  waiting = 0

  constructor(fiber: Fiber.Fiber<A, E>, expiresAt: number) {
    this.fiber = fiber
    this.expiresAt = expiresAt
  }
}

export interface Options<A, E, R> {
  readonly search: (key: string) => Effect.Effect<A, E, R>
  readonly capacity: number
  readonly timeToLive: Duration.Input
}

/**
 * A lookup has the services and the asynchronous context of the program that calls this. If that program has
 * a scope, no lookup that nobody waits for outlives it.
 */
export const make = Effect.fnUntraced(function*<A, E, R>(options: Options<A, E, R>) {
  const services = new Map((yield* Effect.context<R>()).mapUnsafe)
  // The span of this program may have ended when a lookup runs.
  services.delete(Tracer.ParentSpanKey)
  const lookups = new Lookups(options, Services.lasting(Context.makeUnsafe<R>(services)))
  const scope = yield* Effect.serviceOption(Scope.Scope)
  if (scope._tag === "Some") yield* Scope.addFinalizer(scope.value, lookups.close)
  return lookups
})

class Lookups<A, E, R> {
  readonly #search: (key: string) => Effect.Effect<A, E, R>
  readonly #timeToLive: number
  readonly #services: Context.Context<R>
  readonly #inContext = here()
  readonly #clock: Clock.Clock
  readonly #known: Recent<Lookup<A, E>>
  readonly #running = new Set<Lookup<A, E>>()
  #isClosed = false

  constructor({ capacity, search, timeToLive }: Options<A, E, R>, services: Context.Context<R>) {
    this.#search = search
    this.#timeToLive = Duration.toMillis(timeToLive)
    this.#services = services
    this.#clock = Context.get(services, Clock.Clock)
    this.#known = new Recent(capacity)
  }

  /** Returns an effect if the caller has to wait. */
  get(key: string): A | Effect.Effect<A, E> {
    const lookup = this.#find(key)
    const exit = lookup?.fiber.pollUnsafe()
    if (lookup !== undefined && exit !== undefined && Exit.isSuccess(exit)) {
      this.#known.use(key, lookup)
      return exit.value
    }
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        const lookup = this.#find(key) ?? this.#start(key)
        lookup.waiting++
        return lookup
      }),
      ({ fiber }) => Fiber.join(fiber),
      (lookup) =>
        Effect.sync(() => {
          lookup.waiting--
          this.#giveUp(key, lookup)
        })
    )
  }

  #find(key: string): Lookup<A, E> | undefined {
    const lookup = this.#known.peek(key)
    return lookup !== undefined && this.#clock.currentTimeMillisUnsafe() < lookup.expiresAt ? lookup : undefined
  }

  #start(key: string): Lookup<A, E> {
    // What is kept for others must not depend on this caller. Only flags that the lookup evaluates are nested.
    const services = Registration.detached(this.#services, Services.current())
    const fiber = this.#inContext(() => Effect.runForkWith(services)(Effect.suspend(() => this.#search(key))))
    const lookup = new Lookup(fiber, this.#clock.currentTimeMillisUnsafe() + maxLookupMillis)
    const replaced = this.#known.peek(key)
    const forgotten = this.#known.set(key, lookup)
    this.#running.add(lookup)
    for (const old of [replaced, forgotten]) if (old !== undefined) this.#giveUp(key, old)
    fiber.addObserver((exit) => {
      this.#running.delete(lookup)
      lookup.expiresAt = this.#clock.currentTimeMillisUnsafe() + this.#timeToLive
      if (Exit.isFailure(exit)) this.#known.delete(key, lookup)
    })
    return lookup
  }

  // One that is still known goes on without a caller, so that a caller with little time finds it later.
  #giveUp(key: string, lookup: Lookup<A, E>): void {
    if (lookup.waiting > 0 || !this.#running.has(lookup)) return
    if (!this.#isClosed && this.#known.peek(key) === lookup) return
    this.#known.delete(key, lookup)
    lookup.fiber.interruptUnsafe()
  }

  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.#isClosed = true
    const fibers = Array.from(this.#running).flatMap(({ fiber, waiting }) => waiting === 0 ? fiber : [])
    for (const fiber of fibers) fiber.interruptUnsafe()
    return Effect.flatMap(
      Registration.CloseTimeout,
      (limit) =>
        Effect.forEach(fibers, (fiber) => awaitWithin(fiber, limit), { concurrency: "unbounded", discard: true })
    )
  })
}
