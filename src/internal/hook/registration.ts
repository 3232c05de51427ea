/** Hooks that were registered together, with their services and their lifetime. */
import type * as SDK from "@openfeature/server-sdk"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as Check from "../check.ts"
import * as SdkLogger from "../sdkLogger.ts"
import { awaitWithin } from "../wait.ts"
import type { Part } from "./part.ts"
import { Current } from "./inTransaction.ts"

/** The maximum depth of evaluations nested in hooks. */
export const maxDepth = 8

/**
 * The maximum number of evaluations that hooks make, directly or indirectly, for
 * one evaluation of the application.
 */
export const maxNested = 1000

/** Counts the evaluations that hooks make for one evaluation of the application. */
export class Budget {
  left = maxNested
  isTold = false
}

/** The nesting of an evaluation in the hooks of others, which every stage has in its services. */
export interface Nesting {
  readonly depth: number
  readonly budget: Budget | undefined
  /** The registration of the running hook. */
  readonly registration: Registration | undefined
  /** Whether the stage runs in the background, where it outlives the registration. */
  readonly isDetached: boolean
}

const notNested: Nesting = { depth: 0, budget: undefined, registration: undefined, isDetached: false }

export const Nesting: Context.Reference<Nesting> = Context.Reference<Nesting>(
  "effect-openfeature/internal/Nesting",
  { defaultValue: () => notNested }
)

/** Gives work that outlives the registration of its caller the nesting of the caller. */
export const detached = <R>(
  services: Context.Context<R>,
  caller: Context.Context<never>
): Context.Context<R> => Context.add(services, Nesting, { ...Context.get(caller, Nesting), isDetached: true })

export type WhenClosed = "skip" | "reject"

/** A fiber that a registration tracks until it ends. */
export interface Tracked {
  readonly fiber: Fiber.Fiber<unknown, unknown> | undefined
  /** Runs when the registration closes and interrupts the fiber. */
  onClose?(): void
  /** Runs when the fiber did not end in time. */
  onLate?(): void
}

export class Registration {
  /** The parts for stacks that are compiled from now on. */
  parts: ReadonlyArray<Part>
  readonly whenClosed: WhenClosed
  isClosed = false
  hasWarned = false
  readonly #base: Context.Context<unknown>
  readonly #hasLoggers: boolean
  #logger: SDK.Logger | undefined = undefined
  #plain: Context.Context<unknown> | undefined = undefined
  readonly #merged = new WeakMap<Context.Context<never>, Context.Context<unknown>>()
  readonly #tracked = new Set<Tracked>()

  constructor(
    parts: ReadonlyArray<Part>,
    base: Context.Context<unknown>,
    whenClosed: WhenClosed
  ) {
    this.parts = parts
    this.whenClosed = whenClosed
    this.#base = base
    this.#hasLoggers = base.mapUnsafe.has(References.CurrentLoggers.key)
  }

  /**
   * Returns the services of the caller, merged over those of the registration. For a caller without a
   * fiber, log records go to the logger that the application gave to the SDK.
   */
  services(
    caller: Context.Context<never> | undefined,
    sdk: { readonly logger: SDK.Logger }
  ): Context.Context<unknown> {
    if (caller === undefined) return this.#plainServices(sdk)
    // A request makes many evaluations with the same services. The map is weak, since a registration
    // outlives its requests.
    const known = this.#merged.get(caller)
    if (known !== undefined) return known
    const merged = Context.merge(this.#base, caller)
    this.#merged.set(caller, merged)
    return merged
  }

  #plainServices(sdk: { readonly logger: SDK.Logger }): Context.Context<unknown> {
    if (this.#hasLoggers) return this.#base
    const logger = SdkLogger.of(sdk)
    // A process has few loggers, so the last one is nearly always the present one.
    if (this.#plain === undefined || logger !== this.#logger) {
      this.#logger = logger
      this.#plain = logger !== undefined && SdkLogger.isSet(logger)
        ? Context.merge(SdkLogger.services(logger), this.#base)
        : this.#base
    }
    return this.#plain
  }

  /** Tracks a fiber. Its owner deletes it when it has ended. */
  add(tracked: Tracked): void {
    if (this.isClosed) {
      interrupt(tracked)
      return tracked.onLate?.()
    }
    this.#tracked.add(tracked)
  }
  delete(tracked: Tracked): void {
    this.#tracked.delete(tracked)
  }

  /** Interrupts all tracked fibers and waits for them, up to the limit. */
  close(limit: Duration.Input): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isClosed = true
      const tracked = Array.from(this.#tracked)
      const fibers = tracked.flatMap(({ fiber }) => fiber ?? [])
      for (const one of tracked) {
        // The end of an earlier one may have ended this one, and its owner may wait for a fiber of other hooks by now.
        if (this.#tracked.has(one)) interrupt(one)
      }
      return Effect.andThen(
        Effect.forEach(fibers, (fiber) => awaitWithin(fiber, limit), { concurrency: "unbounded", discard: true }),
        Effect.sync(() => {
          for (const late of this.#tracked) late.onLate?.()
          this.#tracked.clear()
        })
      )
    })
  }
}

const interrupt = (tracked: Tracked): void => {
  tracked.fiber?.interruptUnsafe()
  tracked.onClose?.()
}

/** Creates hooks that live as long as the process. */
export const make = <R>(
  parts: ReadonlyArray<Part>,
  services: Context.Context<R>,
  whenClosed: WhenClosed = "skip"
): Registration => {
  const base = new Map<string, unknown>(services.mapUnsafe)
  // The span of the registration has ended when a hook runs.
  base.delete(Tracer.ParentSpanKey)
  base.delete(Nesting.key)
  // A hook takes part in the transactions of its callers.
  base.delete(Current.key)
  return new Registration(parts, Context.makeUnsafe(base), whenClosed)
}

export const WhenClosed: Context.Reference<WhenClosed> = Context.Reference<WhenClosed>(
  "effect-openfeature/OpenFeatureHook/WhenClosed",
  { defaultValue: () => "skip" }
)

export const CloseTimeout: Context.Reference<Duration.Input> = Context.Reference<Duration.Input>(
  "effect-openfeature/OpenFeatureHook/CloseTimeout",
  { defaultValue: () => "3 seconds" }
)

/** Creates hooks with the services of the fiber, until the scope closes. */
export const scoped = <R>(
  parts: ReadonlyArray<Part>
): Effect.Effect<Registration, never, R | Scope.Scope> =>
  Effect.contextWith((services: Context.Context<R>) => {
    const limit = Check.finiteDuration("OpenFeatureHook", "CloseTimeout", Context.get(services, CloseTimeout))
    const whenClosed = Check.oneOf<WhenClosed>(
      "OpenFeatureHook",
      "WhenClosed",
      ["skip", "reject"],
      Context.get(services, WhenClosed)
    )
    return Effect.acquireRelease(
      Effect.sync(() => make(parts, services, whenClosed)),
      (registration) => registration.close(limit)
    )
  })

/** Tracks a fiber that outlives its stage with the registration of that stage, unless that runs in the background. */
export const track = (fiber: Fiber.Fiber<unknown, unknown>, onClose?: () => void): Effect.Effect<void> =>
  Effect.withFiber((current) => {
    const { isDetached, registration } = current.getRef(Nesting)
    if (registration === undefined || isDetached) return Effect.void
    const tracked: Tracked = onClose === undefined ? { fiber } : { fiber, onClose }
    registration.add(tracked)
    fiber.addObserver(() => registration.delete(tracked))
    return Effect.void
  })
