/** Values that a function of the user gets in the background, one by one or in batches. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { cast } from "effect/Function"
import type * as Metric from "effect/Metric"
import type * as Schedule from "effect/Schedule"
import * as HookFailures from "../../HookFailures.ts"
import { here } from "../node.ts"
import * as Services from "../services.ts"
import { Task } from "./backlog.ts"
import * as Part from "./part.ts"
import * as Work from "./work.ts"

export interface Options<A> extends Work.Limits {
  readonly name: string
  readonly counter: Metric.Counter<number> | undefined
  /** Is told what has become of each value. */
  readonly onEnd?: ((outcome: Work.Outcome, value: A) => void) | undefined
  /** Gives an effect, a promise, or nothing. */
  readonly send: (values: ReadonlyArray<A>) => unknown
  readonly retry?: Schedule.Schedule<unknown> | undefined
  readonly maxSize: number
  readonly maxWait: Duration.Input
}

class Item<A> extends Task {
  readonly value: A
  readonly flagKey: string

  constructor(value: A, flagKey: string) {
    super(undefined)
    this.value = value
    this.flagKey = flagKey
  }
}

export interface Delivery<in A> {
  /** Returns an effect if the evaluation has to wait. */
  readonly offer: (value: A, flagKey: string) => Effect.Effect<void> | undefined
  readonly counts: Effect.Effect<Work.Counts>
  readonly flush: Effect.Effect<void>
}

/** `R` is what the result of `send` requires. */
export const make = Effect.fnUntraced(function*<A, R>(
  { maxSize, maxWait, name, onEnd, retry, send, ...limits }: Options<A>
) {
  const services = Services.lasting(yield* Effect.context<R>())
  // What is sent belongs to many requests, so it must not see the asynchronous context of one.
  const inContext = here()
  const deliver = (items: ReadonlyArray<Item<A>>): Effect.Effect<unknown, unknown, R> => {
    const values = items.map(({ value }) => value)
    const sent = Effect.suspend(() =>
      cast<Part.Result, Effect.Effect<unknown, unknown, R> | undefined>(Part.resultOf(send(values), "finally")) ??
        Effect.void
    )
    return retry === undefined ? sent : Effect.retry(sent, retry)
  }
  const work = yield* Work.make<Item<A>>({
    ...limits,
    name,
    onEnd: onEnd && ((outcome, { value }) => onEnd(outcome, value)),
    batch: maxSize === 1 ? undefined : { maxSize, maxWait },
    start: ({ flagKey }, items) =>
      inContext(() =>
        Effect.runForkWith(services)(Effect.matchCauseEffect(deliver(items), {
          onFailure: (cause) => Effect.as(HookFailures.report({ hook: name, stage: "finally", flagKey, cause }), false),
          onSuccess: () => Effect.succeed(true)
        }))
      )
  })
  const delivery: Delivery<A> = {
    offer: (value, flagKey) => work.offer(new Item(value, flagKey)),
    counts: Effect.sync(() => work.counts),
    flush: work.flush
  }
  return delivery
})
