/**
 * One stage: its hooks, one after the other.
 *
 * A hook with a plain result runs without a fiber. From the first hook that
 * returns an effect, the rest of the stage runs in one fiber.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { HookContext } from "../../HookContext.ts"
import type { Stage as Name } from "../../HookFailures.ts"
import { type Result, resultOf } from "../hook/part.ts"
import type { Registration, Tracked } from "../hook/registration.ts"
import * as Services from "../services.ts"
import { tryOr } from "../untrusted.ts"
import type { Evaluation } from "./evaluation.ts"
import * as Failure from "./failure.ts"
import type { Entry } from "./stack.ts"

/** The run that the stage belongs to. */
export interface Host extends Services.Holder {
  readonly evaluation: Evaluation
  readonly view: HookContext
  /** The services of the last admitted registration. */
  readonly services: Context.Context<unknown>
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  /** Whether the hooks of a registration take part. Throws to reject the evaluation. */
  readonly admit: (registration: Registration, stage: Name) => boolean
  readonly dataOf: (entry: Entry) => unknown
  /** Whether the filter of the hook selects the evaluation. */
  readonly isSelected: (entry: Entry) => boolean
  /** Takes the result of a `before`. */
  readonly take: (contribution: unknown, entry: Entry) => void
}

/** Returns `undefined` if the stage stayed synchronous, and otherwise a promise. */
export const run = (
  host: Host,
  stage: Name,
  entries: ReadonlyArray<Entry>,
  input: unknown
): Promise<void> | undefined => {
  if (Failure.rejects(stage) && host.evaluation.isInterrupted) throw Failure.interrupted(host.view)
  // A fiber carries the services of its hooks, so they need no holder.
  if (entries.length > 1 && entries[0]?.givesEffects) return new Rest(host, stage, entries, input, 0).proceed()
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
      const isLast = index === entries.length - 1
      if (entry.givesEffects && !isLast) return new Rest(host, stage, entries, input, index).proceed()
      const result = answer(host, stage, entry, input)
      if (result === undefined) continue
      if (!entry.givesEffects && Exit.isExit(result)) {
        settle(host, stage, entry, result)
        continue
      }
      entry.givesEffects = true
      if (!isLast) return new Rest(host, stage, entries, input, index, result).proceed()
      // The effect of the last hook needs no loop.
      const fiber = Effect.runForkWith(host.services)(result)
      const exit = fiber.pollUnsafe()
      if (exit === undefined) return new Rest(host, stage, entries, input, index).wait(fiber)
      settle(host, stage, entry, exit)
    }
  } finally {
    Services.hold(outer)
  }
  return undefined
}

const call = (host: Host, stage: Name, entry: Entry, input: unknown): Result => {
  if (entry.filter !== undefined && !host.isSelected(entry)) return undefined
  const { evaluation: { hints }, view } = host
  const data = entry.hookData === undefined ? undefined : host.dataOf(entry)
  const given = stage === "before" ? entry.run(view, hints, data) : entry.run(view, input, hints, data)
  return given === undefined ? undefined : resultOf(given, stage)
}

/** Outside of a fiber, an exception must become a defect of the hook here. */
const answer = (host: Host, stage: Name, entry: Entry, input: unknown): Result => {
  try {
    return call(host, stage, entry, input)
  } catch (error) {
    return Exit.die(error)
  }
}

const settle = (host: Host, stage: Name, entry: Entry, exit: Exit.Exit<unknown, unknown>): void => {
  if (exit._tag === "Failure") return Failure.settle(host, stage, entry, exit.cause)
  if (stage !== "before" || exit.value === undefined) return
  const cause = tryOr(() => host.take(exit.value, entry), Cause.die)
  if (cause !== undefined) Failure.settle(host, stage, entry, cause)
}

/** The rest of a stage, in fibers. A new fiber starts after each failure that does not end the stage. */
class Rest implements Tracked {
  readonly #host: Host
  readonly #stage: Name
  readonly #entries: ReadonlyArray<Entry>
  readonly #input: unknown
  #index: number
  /** The result of the hook at the index, if it has already run. */
  #given: Result
  #registration: Registration | undefined = undefined
  fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  #resolve: ((rest: Promise<void> | undefined) => void) | undefined = undefined
  #reject: ((error: unknown) => void) | undefined = undefined
  #rejection: { readonly error: unknown } | undefined = undefined

  constructor(
    host: Host,
    stage: Name,
    entries: ReadonlyArray<Entry>,
    input: unknown,
    index: number,
    given?: Result
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
      if (this.#rejection !== undefined) throw this.#rejection.error
      if (!this.#next()) return undefined
      const fiber = Effect.runForkWith(this.#host.services)(Effect.whileLoop(this))
      const exit = fiber.pollUnsafe()
      if (exit === undefined) return this.wait(fiber)
      this.#end(exit)
    }
  }

  // `while`, `body` and `step` make this object the loop of the fiber, so a stage needs one object and
  // one effect for any number of hooks.
  while(): boolean {
    return this.#index < this.#entries.length
  }
  body(): Effect.Effect<unknown, unknown, unknown> {
    for (;;) {
      const entry = this.#entries[this.#index]
      if (entry === undefined) return Effect.void
      if (entry.registration !== this.#registration) {
        if (!this.#switch()) return Effect.void
        continue
      }
      const result = this.#given ?? call(this.#host, this.#stage, entry, this.#input)
      this.#given = undefined
      if (result !== undefined) return result
      this.#index++
    }
  }
  step(result: unknown): void {
    const entry = this.#entries[this.#index]
    if (result !== undefined && entry !== undefined && this.#stage === "before") this.#host.take(result, entry)
    this.#index++
  }

  // Goes on with the services of another registration. Closed, one with `"reject"`
  // rejects the evaluation: this is no failure of the hook that comes next, and
  // that hook may be observed.
  #switch(): boolean {
    const isFound = tryOr(() => this.#next(), (error) => {
      this.#rejection = { error }
      this.#index = this.#entries.length
      return false
    })
    if (isFound) Fiber.getCurrent()?.setContext(this.#host.services)
    return isFound
  }

  // Moves to the next hook that takes part.
  #next(): boolean {
    for (; this.#index < this.#entries.length; this.#index++) {
      const registration = this.#entries[this.#index]?.registration
      if (registration === undefined) continue
      if (!this.#host.admit(registration, this.#stage)) continue
      if (this.#registration !== registration && this.fiber !== undefined) {
        this.#registration?.delete(this)
        registration.add(this)
      }
      this.#registration = registration
      return true
    }
    return false
  }

  wait(fiber: Fiber.Fiber<unknown, unknown>): Promise<void> {
    this.#registration ??= this.#entries[this.#index]?.registration
    if (Failure.rejects(this.#stage)) this.#host.evaluation.running = fiber
    this.fiber = fiber
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#registration?.add(this)
      fiber.addObserver((exit) => {
        if (this.fiber === fiber) this.#resume(this, exit)
      })
    })
  }

  /** The registration is closed, and the fiber did not end in time. */
  onLate(): void {
    const rest = new Rest(this.#host, this.#stage, this.#entries, this.#input, this.#index)
    // The fiber may wake up later and must find nothing to do.
    this.#index = this.#entries.length
    this.#resume(rest, Exit.interrupt())
  }

  #resume(rest: Rest, exit: Exit.Exit<unknown, unknown>): void {
    this.fiber = undefined
    this.#registration?.delete(this)
    if (Failure.rejects(this.#stage)) this.#host.evaluation.running = undefined
    try {
      rest.#end(exit)
      this.#resolve?.(rest.proceed())
    } catch (error) {
      this.#reject?.(error)
    }
  }

  // A successful loop leaves nothing to do. Only the effect of the last hook has a result.
  #end(exit: Exit.Exit<unknown, unknown>): void {
    const entry = this.#entries[this.#index]
    if (entry === undefined) return
    settle(this.#host, this.#stage, entry, exit)
    this.#given = undefined
    this.#index++
  }
}
