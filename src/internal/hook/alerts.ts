/** Alerts of a hook: a stream, and a function of the user that runs in the background. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Metric from "effect/Metric"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as Delivery from "./delivery.ts"

export interface Options<A> {
  readonly name: string
  readonly counter: Metric.Counter<number>
  readonly onAlert: ((alert: A) => unknown) | undefined
  readonly capacity: number
  readonly closeTimeout: Duration.Input | undefined
}

export interface Alerts<A> {
  readonly stream: Stream.Stream<A>
  readonly flush: Effect.Effect<void>
  readonly send: (alert: A, flagKey: string) => void
  readonly counts: { readonly alerts: number; readonly dropped: number }
}

/** `R` is what the result of `onAlert` requires. */
export const make = Effect.fnUntraced(function*<A, R>(
  { capacity, closeTimeout, counter, name, onAlert }: Options<A>
) {
  const pubsub = yield* Effect.acquireRelease(PubSub.dropping<A>(capacity), PubSub.shutdown)
  const delivery = onAlert && (yield* Delivery.make<A, R>({
    name,
    counter,
    send: ([alert]) => alert && onAlert(alert),
    maxSize: 1,
    maxWait: 0,
    capacity,
    closeTimeout
  }))
  const counts = { alerts: 0, dropped: 0 }
  const alerts: Alerts<A> = {
    stream: Stream.fromPubSub(pubsub),
    flush: delivery?.flush ?? Effect.void,
    counts,
    send: (alert, flagKey) => {
      counts.alerts++
      // A closed hook has no readers that could miss it.
      if (!PubSub.isShutdownUnsafe(pubsub) && !PubSub.publishUnsafe(pubsub, alert)) counts.dropped++
      delivery?.offer(alert, flagKey)
    }
  }
  return alerts
})
