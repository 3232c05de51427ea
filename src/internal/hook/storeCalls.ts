/** Calls of a store that can be slow, hang, fail or hold garbage. None of it reaches the evaluation. */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HookFailures from "../../HookFailures.ts"
import { tryOr } from "../untrusted.ts"
import { effectOf, type Verdict } from "./overLimit.ts"

/** Calls that cannot be interrupted go on after their time. A store that is full of them is not asked again. */
const maxPending = 1024

export interface Call<A> {
  readonly stage: HookFailures.Stage
  readonly flagKey: string
  readonly ask: () => Effect.Effect<unknown, unknown>
  /** Returns `undefined` for an answer that makes no sense. */
  readonly parse: (answer: unknown) => A | undefined
  readonly onAnswer: (answer: A) => Verdict
  readonly onDown: () => Verdict
}

export class StoreCalls {
  readonly #hook: string
  readonly #timeout: Duration.Duration
  #pending = 0

  constructor(hook: string, timeout: Duration.Duration) {
    this.#hook = hook
    this.#timeout = timeout
  }
  /** A store that answers at once needs no fiber. */
  run<A>(call: Call<A>): Verdict {
    const asked = tryOr(call.ask, Exit.die)
    if (Exit.isExit(asked)) return this.#settle(call, asked)
    if (!Effect.isEffect(asked)) return this.#down(call, Cause.die(new TypeError("the store gave no effect")))
    if (this.#pending >= maxPending) return this.#down(call, Cause.fail(new Error("too many calls of the store wait")))
    const bounded = this.#bounded(asked)
    return Effect.flatMap(Effect.exit(bounded), (exit) => effectOf(this.#settle(call, exit)))
  }
  #settle<A>(call: Call<A>, exit: Exit.Exit<unknown, unknown>): Verdict {
    if (Exit.isFailure(exit)) return this.#down(call, exit.cause)
    const answer = tryOr(() => call.parse(exit.value), () => undefined)
    return answer === undefined
      ? this.#down(call, Cause.fail(new TypeError("the answer of the store makes no sense")))
      : call.onAnswer(answer)
  }
  #down<A>({ flagKey, onDown, stage }: Call<A>, cause: Cause.Cause<unknown>): Verdict {
    return Effect.andThen(
      HookFailures.report({ hook: this.#hook, stage, flagKey, cause }),
      Effect.suspend(() => effectOf(onDown()))
    )
  }
  // A call in a region that cannot be interrupted would hold the evaluation for ever, so it is detached.
  #bounded(asked: Effect.Effect<unknown, unknown>): Effect.Effect<unknown, unknown> {
    return Effect.suspend(() => {
      this.#pending++
      const counted = Effect.ensuring(asked, Effect.sync(() => void this.#pending--))
      return Effect.flatMap(Effect.forkDetach(counted, { startImmediately: true }), (fiber) =>
        fiber.pollUnsafe() ??
          Effect.ensuring(
            Effect.timeout(Effect.interruptible(Fiber.join(fiber)), this.#timeout),
            Effect.sync(() => fiber.interruptUnsafe())
          ))
    })
  }
}
