/** The evaluation context, hints and hooks of a region of a program. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as EvaluationContext from "../../EvaluationContext.ts"
import * as HookHints from "../../HookHints.ts"
import type { Registration } from "../hook/registration.ts"
import { tryOr } from "../untrusted.ts"

export interface Region {
  readonly context: EvaluationContext.EvaluationContext
  readonly hints: HookHints.HookHints
  readonly registrations: ReadonlyArray<Registration>
  /** Part of the region cannot be read, so no flag may be evaluated with the rest. */
  readonly isUnreadable: boolean
}

export const Region = Context.Reference<Region>("effect-openfeature/FeatureFlags/Region", {
  defaultValue: () => ({
    context: EvaluationContext.empty,
    hints: HookHints.empty,
    registrations: [],
    isUnreadable: false
  })
})

export const inRegion = <A, E, R, R2>(
  self: Effect.Effect<A, E, R>,
  change: (region: Region, services: Context.Context<R2>) => Partial<Region>,
  unreadable: Partial<Region> = {}
): Effect.Effect<A, E, R | R2> =>
  Effect.contextWith((services: Context.Context<R2>) => {
    const region = Context.get(services, Region)
    const changed = tryOr(() => change(region, services), () => undefined)
    const within = Effect.provideService(self, Region, { ...region, ...changed ?? unreadable })
    return changed === undefined
      ? Effect.andThen(Effect.logWarning("the context or the hints of a region of code cannot be read"), within)
      : within
  })
