/** Calls of a store that can be slow, hang, fail or hold garbage. None of it reaches the evaluation. */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HookFailures from "../../HookFailures.ts"
import { ignoreRejection, tryOr } from "../untrusted.ts"
import { type Call, Outage } from "./outage.ts"
import { effectOf, type Verdict } from "./overLimit.ts"

/** Calls that cannot be interrupted go on after their time. A store that is full of them is not asked again. */
const maxLeft = 1024

type Asked = Effect.Effect<unknown, unknown>

interface Down {
  readonly stage: HookFailures.Stage
  readonly flagKey: string
  readonly onDown: () => Verdict
}

interface Handler<A> extends Down {
  /** Whether the answer makes sense. */
  readonly is: (answer: unknown) => answer is A
  readonly onAnswer: (answer: A) => Verdict
}

const garbage = Symbol("garbage")

type Garbage = typeof garbage

const checked = (asked: Asked): Asked => {
  if (Effect.isEffect(asked)) return asked
  ignoreRejection(asked)
  return Exit.die(new TypeError("the store gave no effect"))
}

export class StoreCalls {
  readonly #hook: string
  readonly #timeout: Duration.Duration
  readonly #outage: Outage
  #left = 0

  constructor(hook: string, timeout: Duration.Duration, clock: Clock.Clock) {
    this.#hook = hook
    this.#timeout = timeout
    this.#outage = new Outage(() => Number(clock.monotonicTimeNanosUnsafe()) / 1e6)
  }
  /** At once if the store answers at once, which needs no fiber. */
  ask<A>(call: () => Asked, handler: Handler<A>): Verdict {
    const begun = this.#outage.begin()
    if (begun === undefined) return handler.onDown()
    const asked = this.#called(call)
    if (Exit.isExit(asked)) return this.#settled(handler, asked, begun)
    return Effect.flatMap(Effect.exit(this.#bounded(asked)), (exit) => effectOf(this.#settled(handler, exit, begun)))
  }
  /** Without a call, since there is nothing to ask the store about. */
  down({ flagKey, onDown, stage }: Down, cause: Cause.Cause<unknown>): Verdict {
    return Effect.andThen(
      HookFailures.report({ hook: this.#hook, stage, flagKey, cause }),
      Effect.suspend(() => effectOf(onDown()))
    )
  }
  #called(call: () => Asked): Asked {
    if (this.#left >= maxLeft) return Exit.fail(new Error("too many calls of the store go on after their time"))
    return tryOr(() => checked(call()), Exit.die)
  }
  #settled<A>(handler: Handler<A>, exit: Exit.Exit<unknown, unknown>, begun: Call): Verdict {
    if (Exit.isFailure(exit)) {
      return this.#outage.failed(begun) ? this.down(handler, exit.cause) : handler.onDown()
    }
    this.#outage.answered()
    const { value } = exit
    const verdict = tryOr<Verdict | Garbage, Garbage>(
      () => handler.is(value) ? handler.onAnswer(value) : garbage,
      () => garbage
    )
    return verdict === garbage
      ? this.down(handler, Cause.fail(new TypeError("the answer of the store makes no sense")))
      : verdict
  }
  // A call in a region that cannot be interrupted would hold the evaluation for ever, so it is detached.
  #bounded(asked: Asked): Effect.Effect<unknown, unknown> {
    return Effect.flatMap(Effect.forkDetach(asked, { startImmediately: true }), (fiber) =>
      fiber.pollUnsafe() ??
        Effect.ensuring(
          Effect.timeout(Effect.interruptible(Fiber.join(fiber)), this.#timeout),
          Effect.sync(() => this.#leave(fiber))
        ))
  }
  #leave(fiber: Fiber.Fiber<unknown, unknown>): void {
    if (fiber.pollUnsafe() !== undefined) return
    this.#left++
    fiber.addObserver(() => void this.#left--)
    fiber.interruptUnsafe()
  }
}
