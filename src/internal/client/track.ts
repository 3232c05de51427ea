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

const notSent = (why: string): Effect.Effect<void> => Effect.logWarning(`a tracking event was not sent: ${why}`)

export const track = (client: SDK.Client, name: string, options: Options | undefined): Effect.Effect<void> =>
  Effect.withFiber((fiber) =>
    tryOr(
      () => {
        const region = fiber.getRef(Region)
        if (region.isUnreadable) return Effect.logWarning(unreadable)
        if (options !== undefined) Check.knownNames("the tracking event", options, { context: true, details: true })
        // A getter can throw a range error, too, and its message can have anything of a user.
        const context = tryOr(
          () => EvaluationContext.toSdk(EvaluationContext.merge(region.context, options?.context)),
          () => undefined
        )
        if (context === undefined) return notSent("its context cannot be read")
        client.track(name, context, options?.details)
        return Effect.void
      },
      (error) => notSent(rangeMessageOf(error) ?? "its options cannot be read")
    )
  )
