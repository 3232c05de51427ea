/**
 * One stage: its hooks one after the other.
 *
 * A hook that answers at once runs without a fiber. From the first hook on that
 * gives a real effect, the rest of the stage is one fiber.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { HookContext } from "../../HookContext.ts"
import type { Stage as Name } from "../../HookFailures.ts"
import type { Registration } from "../hook/registration.ts"
import * as Services from "../services.ts"
import type { Evaluation } from "./evaluation.ts"
import * as Failure from "./failure.ts"
import type { Entry } from "./stack.ts"

/** The run that a stage belongs to. */
export interface Host extends Services.Holder {
  readonly evaluation: Evaluation
  readonly view: HookContext
  /** The services for the registration that was admitted last. */
  readonly services: Context.Context<unknown>
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  /** Whether the hooks of a registration take part. Throws to reject the evaluation. */
  readonly admit: (registration: Registration, stage: Name) => boolean
  readonly dataOf: (entry: Entry) => unknown
  /** Takes what a `before` gave. */
  readonly take: (contribution: unknown, entry: Entry) => void
}

/** `before` and `after` reject the evaluation (4.4.6). `error` and `finally` change nothing (4.4.3, 4.4.4). */
export const rejects = (stage: Name): boolean => stage === "before" || stage === "after"

/** Runs a stage. Gives nothing when it stayed synchronous, otherwise a promise. */
export const run = (
  host: Host,
  stage: Name,
  entries: ReadonlyArray<Entry>,
  input: unknown
): Promise<void> | undefined => {
  if (rejects(stage) && host.evaluation.isInterrupted) throw Failure.interrupted(host.view)
  let registration: Registration | undefined = undefined
  let isAdmitted = false
  const outer = Services.hold(host)
  host.fiber = Fiber.getCurrent()
  try {
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[index]
      if (entry === undefined) break
      if (entry.registration !== registration) {
        registration = entry.registration
        isAdmitted = host.admit(registration, stage)
      }
      if (!isAdmitted) continue
      if (entry.givesEffects) return new Rest(host, stage, entries, input, index, undefined).proceed()
      const result = answer(host, stage, entry, input)
      if (result === undefined) continue
      if (!Exit.isExit(result)) {
        entry.givesEffects = true
        return new Rest(host, stage, entries, input, index, result).proceed()
      }
      if (result._tag === "Failure") Failure.settle(host, stage, entry, result.cause)
    }
  } finally {
    Services.hold(outer)
  }
  return undefined
}

/** Calls the hook, and takes an answer that it gives at once. */
const answer = (
  host: Host,
  stage: Name,
  entry: Entry,
  input: unknown
): Effect.Effect<unknown, unknown, unknown> | undefined => {
  try {
    const result = entry.run(host.view, host.evaluation.hints, host.dataOf(entry), input)
    if (result === undefined || !Exit.isExit(result) || result._tag === "Failure") return result
    if (stage === "before") host.take(result.value, entry)
    return undefined
  } catch (error) {
    return Exit.die(error)
  }
}

/** The rest of a stage, in fibers: a new one behind each hook that failed without ending the stage. */
class Rest {
  readonly #host: Host
  readonly #stage: Name
  readonly #entries: ReadonlyArray<Entry>
  readonly #input: unknown
  #index: number
  /** What the hook at the index has given already. */
  #given: Effect.Effect<unknown, unknown, unknown> | undefined
  #registration: Registration | undefined = undefined
  #fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined

  constructor(
    host: Host,
    stage: Name,
    entries: ReadonlyArray<Entry>,
    input: unknown,
    index: number,
    given: Effect.Effect<unknown, unknown, unknown> | undefined
  ) {
    this.#host = host
    this.#stage = stage
    this.#entries = entries
    this.#input = input
    this.#index = index
    this.#given = given
  }

  proceed(): Promise<void> | undefined {
    for (;;) {
      if (!this.#next()) return undefined
      const fiber = Effect.runForkWith(this.#host.services)(Effect.whileLoop(this))
      const exit = fiber.pollUnsafe()
      if (exit === undefined) return this.#wait(fiber)
      if (exit._tag === "Failure") this.#settle(exit.cause)
    }
  }

  // `while`, `body` and `step` make this the loop of the fiber, so that a stage
  // is one object and one effect for any number of hooks.
  while(): boolean {
    return this.#index < this.#entries.length
  }
  body(): Effect.Effect<unknown, unknown, unknown> {
    for (;;) {
      const entry = this.#entries[this.#index]
      if (entry === undefined) return Effect.void
      if (entry.registration !== this.#registration) {
        if (!this.#next()) return Effect.void
        Fiber.getCurrent()?.setContext(this.#host.services)
        continue
      }
      const given = this.#given
      this.#given = undefined
      const result = given ?? answer(this.#host, this.#stage, entry, this.#input)
      if (result !== undefined) return result
      this.#index++
    }
  }
  step(result: unknown): void {
    const entry = this.#entries[this.#index]
    if (entry === undefined) return
    if (this.#stage === "before") this.#host.take(result, entry)
    this.#index++
  }

  // Goes on to the next hook that takes part, if there is one.
  #next(): boolean {
    for (; this.#index < this.#entries.length; this.#index++) {
      const registration = this.#entries[this.#index]?.registration
      if (registration === undefined) continue
      if (!this.#host.admit(registration, this.#stage)) continue
      if (this.#registration !== registration && this.#fiber !== undefined) {
        this.#registration?.delete(this.#fiber)
        registration.add(this.#fiber, { onLate: this.#onLate })
      }
      this.#registration = registration
      return true
    }
    return false
  }

  #onLate = (): void => undefined

  async #wait(fiber: Fiber.Fiber<void, unknown>): Promise<void> {
    const { evaluation } = this.#host
    const canReject = rejects(this.#stage)
    if (canReject) evaluation.running = fiber
    const exit = await new Promise<Exit.Exit<void, unknown> | undefined>((resolve) => {
      this.#fiber = fiber
      this.#onLate = () => resolve(undefined)
      this.#registration?.add(fiber, { onLate: () => this.#onLate() })
      fiber.addObserver(resolve)
    })
    this.#fiber = undefined
    if (canReject) evaluation.running = undefined
    if (exit !== undefined) {
      if (exit._tag === "Failure") this.#settle(exit.cause)
      return this.proceed()
    }
    // The fiber may wake up later, and must find nothing to do then.
    const rest = new Rest(this.#host, this.#stage, this.#entries, this.#input, this.#index, undefined)
    this.#index = this.#entries.length
    rest.#settle(Cause.interrupt())
    return rest.proceed()
  }

  #settle(cause: Cause.Cause<unknown>): void {
    const entry = this.#entries[this.#index]
    if (entry === undefined) return
    Failure.settle(this.#host, this.#stage, entry, cause)
    this.#given = undefined
    this.#index++
  }
}
