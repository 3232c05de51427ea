/** The events of the provider, as a stream. */
import type * as SDK from "@openfeature/server-sdk"
import { ProviderEvents } from "@openfeature/server-sdk"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

export interface ProviderEvent {
  readonly type: SDK.ServerProviderEvents
  readonly details: SDK.EventDetails<SDK.ServerProviderEvents> | undefined
}

const eventTypes = [
  ProviderEvents.Ready,
  ProviderEvents.Error,
  ProviderEvents.Stale,
  ProviderEvents.ConfigurationChanged
]

// All streams share one handler per type: the SDK warns of a leak when there are many handlers.
export const make = (client: SDK.Client): Stream.Stream<ProviderEvent> => {
  const subscribers = new Set<(event: ProviderEvent) => void>()
  const handlers = eventTypes.map((type) => {
    const handler: SDK.EventHandler = (details) => {
      for (const emit of subscribers) emit({ type, details })
    }
    return { type, handler }
  })
  return Stream.callback<ProviderEvent>((queue) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const emit = (event: ProviderEvent) => void Queue.offerUnsafe(queue, event)
        if (subscribers.size === 0) {
          for (const { handler, type } of handlers) client.addHandler(type, handler)
        }
        // The SDK calls a new handler with the present status.
        for (const type of eventTypes) {
          const handler: SDK.EventHandler = (details) => emit({ type, details })
          client.addHandler(type, handler)
          client.removeHandler(type, handler)
        }
        subscribers.add(emit)
        return emit
      }),
      (emit) =>
        Effect.sync(() => {
          subscribers.delete(emit)
          if (subscribers.size > 0) return
          for (const { handler, type } of handlers) client.removeHandler(type, handler)
        })
    ), { bufferSize: 256, strategy: "sliding" })
}
