/**
 * The services of the running code. A fiber carries its own. A synchronous stage
 * has no fiber, so its runner holds the services for it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"

export interface Holder {
  readonly services: Context.Context<never>
  /** The fiber that was running when the stage started. */
  readonly fiber: Fiber.Fiber<unknown, unknown> | undefined
}

let holder: Holder | undefined = undefined

/** Holds the services of a stage. Returns the previous holder, which the caller must restore. */
export const hold = (next: Holder | undefined): Holder | undefined => {
  const before = holder
  holder = next
  return before
}

/** Returns `undefined` outside of a stage or a fiber. */
export const find = (): Context.Context<never> | undefined => {
  const fiber = Fiber.getCurrent()
  // A fiber started by the stage itself has its own services.
  return holder !== undefined && holder.fiber === fiber ? holder.services : fiber?.context
}

export const current = (): Context.Context<never> => find() ?? Context.empty()

export const clock = (): Clock.Clock => Context.get(current(), Clock.Clock)

/** For fibers in the background. The scheduler of `runSync` would run them in the middle of an evaluation. */
export const lasting = <R>(services: Context.Context<R>): Context.Context<R> =>
  Context.add(services, Scheduler.Scheduler, new Scheduler.MixedScheduler())
