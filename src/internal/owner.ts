/**
 * Who owns the fibers of a stack of hooks, and what surrounds an evaluation that
 * a hook makes itself.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { waitFor } from "./bounded.ts"

export type WhenClosed = "skip" | "reject"

/** Owns the fibers of one registration until its scope is closed. */
export class Owner {
  readonly #fibers = new Set<Fiber.Fiber<unknown, unknown>>()
  readonly whenClosed: WhenClosed
  isClosed = false
  hasWarned = false

  constructor(whenClosed: WhenClosed) {
    this.whenClosed = whenClosed
  }
  add(fiber: Fiber.Fiber<unknown, unknown>): void {
    if (this.isClosed) return fiber.interruptUnsafe()
    this.#fibers.add(fiber)
    fiber.addObserver(() => this.#fibers.delete(fiber))
  }
  get fibers(): ReadonlyArray<Fiber.Fiber<unknown, unknown>> {
    return Array.from(this.#fibers)
  }
}

const close = (owner: Owner, limit: Duration.Input): Effect.Effect<void> =>
  Effect.suspend(() => {
    owner.isClosed = true
    return owner.fibers.length === 0 ? Effect.void : waitFor(Fiber.interruptAll(owner.fibers), limit)
  })

/** An owner that interrupts its fibers, and waits for them up to a limit, when the scope closes. */
export const make = (
  whenClosed: WhenClosed,
  limit: Duration.Input
): Effect.Effect<Owner, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.sync(() => new Owner(whenClosed)), (owner) => close(owner, limit))

export interface Enclosing {
  readonly depth: number
  readonly owner: Owner | undefined
}

/** Set for every stage: how deep evaluations are nested in hooks, and who owns the stage. */
export const Enclosing: Context.Reference<Enclosing> = Context.Reference<Enclosing>(
  "effect-openfeature/internal/Enclosing",
  { defaultValue: () => ({ depth: 0, owner: undefined }) }
)

/** Hands a fiber that outlives its stage to the owner of the stage. */
export const track = (fiber: Fiber.Fiber<unknown, unknown>): Effect.Effect<void> =>
  Effect.withFiber((current) => {
    current.getRef(Enclosing).owner?.add(fiber)
    return Effect.void
  })
