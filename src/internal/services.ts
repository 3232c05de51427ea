/**
 * The services for the code that runs now. A fiber carries its own. A stage that
 * answers at once has no fiber, so its runner holds the services of the stage
 * for that time.
 */
import * as Context from "effect/Context"
import * as Fiber from "effect/Fiber"

export interface Holder {
  readonly services: Context.Context<never>
  /** The fiber that was running when the stage began. */
  readonly fiber: Fiber.Fiber<unknown, unknown> | undefined
}

let holder: Holder | undefined = undefined

/** Makes a stage the one that runs now, and gives back the one before, to be restored. */
export const hold = (next: Holder | undefined): Holder | undefined => {
  const before = holder
  holder = next
  return before
}

/** The services of the stage or the fiber that runs now, `undefined` where neither does. */
export const find = (): Context.Context<never> | undefined => {
  const fiber = Fiber.getCurrent()
  // A fiber that the stage has started itself has its own.
  return holder !== undefined && holder.fiber === fiber ? holder.services : fiber?.context
}

export const current = (): Context.Context<never> => find() ?? Context.empty()
