/** Tracking events of the Effect client, with the context of the region. */
import type * as SDK from "@openfeature/server-sdk"
import * as Effect from "effect/Effect"
import * as EvaluationContext from "../../EvaluationContext.ts"
import * as Check from "../check.ts"
import { tryOr } from "../untrusted.ts"
import { rangeMessageOf, unreadable } from "./options.ts"
import { Region } from "./region.ts"

interface Options {
  readonly context?: EvaluationContext.EvaluationContext | undefined
  readonly details?: SDK.TrackingEventDetails | undefined
}

export const track = (client: SDK.Client, name: string, options: Options | undefined): Effect.Effect<void> =>
  Effect.withFiber((fiber) =>
    tryOr(
      () => {
        const region = fiber.getRef(Region)
        if (region.isUnreadable) return Effect.logWarning(unreadable)
        if (options !== undefined) Check.knownNames("the tracking event", options, { context: true, details: true })
        const context = EvaluationContext.merge(region.context, options?.context)
        client.track(name, EvaluationContext.toSdk(context), options?.details)
        return Effect.void
      },
      (error) =>
        Effect.logWarning(`a tracking event was not sent: ${rangeMessageOf(error) ?? "its context cannot be read"}`)
    )
  )
