/** How an evaluation finds its transaction: by its fiber, or by the asynchronous calls of plain code. */
import * as Context from "effect/Context"
import * as Fiber from "effect/Fiber"
import { asyncLocalStorage } from "../node.ts"
import type { Ticket, Transaction } from "./transaction.ts"

/** What an evaluation lets a hook of this library do. */
export interface Sharing {
  /** The services of the caller. */
  readonly services: Context.Context<never> | undefined
  readonly ticket: Ticket | undefined
  /** The transaction of the asynchronous calls of plain code, at the time of the evaluation. */
  readonly around: Transaction | undefined
  /** The first ticket holds. */
  join(ticket: Ticket): void
  /** Runs when the caller is interrupted. The remaining stages can run much later. */
  onInterrupt(run: () => void): void
}

/** The transaction of the calling fiber. */
export const Current: Context.Reference<Transaction | undefined> = Context.Reference<Transaction | undefined>(
  "effect-openfeature/internal/Transaction",
  { defaultValue: () => undefined }
)

interface Around {
  readonly transaction: Transaction
  /** The fiber that called the code, if there was one. */
  readonly fiber: Fiber.Fiber<unknown, unknown> | undefined
}

let storage: ReturnType<typeof asyncLocalStorage<Around>> | undefined = undefined

/**
 * Returns what follows the asynchronous calls of plain code. Fibers share timers and queues, so in a fiber it can be
 * the transaction of another request. Only the turn of the caller tells it reliably.
 */
export const around = (): Transaction | undefined => {
  const found = storage?.getStore()
  if (found === undefined) return undefined
  const fiber = Fiber.getCurrent()
  return fiber === undefined || fiber === found.fiber ? found.transaction : undefined
}

/** Returns the transaction of an evaluation or of a nested transaction, if it has not ended. */
export const openOf = ({ around, services }: Pick<Sharing, "around" | "services">): Transaction | undefined =>
  (around ?? (services && Context.get(services, Current)))?.open

export const runAround = <A>(owner: string, transaction: Transaction, use: () => A): A => {
  storage ??= asyncLocalStorage<Around>(owner)
  return storage.run({ transaction, fiber: Fiber.getCurrent() }, use)
}
