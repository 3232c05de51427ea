/** A hook that counts and measures evaluations with any meter. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import { constUndefined } from "effect/Function"
import type { EvaluationDetails } from "../../EvaluationDetails.ts"
import * as FeatureHook from "../../FeatureHook.ts"
import type { HookContext } from "../../HookContext.ts"
import { secondsSince } from "../../internal/duration.ts"
import { noOutcome, type SeriesLookup } from "../../internal/series.ts"
import * as Current from "../../internal/services.ts"
import { providerNameOf } from "../../internal/hook/view.ts"
import { Flight } from "./inFlight.ts"
import type { Labelling } from "./labels.ts"

type Services = Context.Context<never>

/** Records the evaluations of one series. */
export interface Recorder {
  addRequest(services: Services): void
  addActive(change: 1 | -1, services: Services): void
  addResult(isError: boolean, services: Services): void
  addDuration(seconds: number, services: Services): void
}

/** Finds the series of a hook. */
export interface Meter {
  readonly requests: SeriesLookup<Recorder>
  readonly results: SeriesLookup<Recorder>
  begin(evaluation: Evaluation, clock: Clock.Clock): void
  /** Returns whether the evaluation still counted as active. */
  end(evaluation: Evaluation): boolean
}

/** The state of one evaluation. */
export class Evaluation extends Flight {
  provider = ""
  /** `undefined` when an earlier hook failed and `before` never ran. */
  recorder: Recorder | undefined = undefined

  override onExpired(): void {
    this.recorder?.addActive(-1, Context.empty())
  }
}

export const make = (
  { extraOf }: Labelling,
  isTimed: boolean,
  currentMeter: () => Meter,
  /** Runs after each evaluation, and can return something to tell. */
  then: (evaluation: Evaluation) => Effect.Effect<void> | undefined = constUndefined
): FeatureHook.FeatureHook => {
  const request = (meter: Meter, context: HookContext, evaluation: Evaluation, services: Services): Recorder => {
    const provider = evaluation.provider = providerNameOf(context)
    const recorder = meter.requests.of(context.flagKey, provider, noOutcome, extraOf(context, undefined))
    recorder.addRequest(services)
    return recorder
  }
  const begin = (context: HookContext, evaluation: Evaluation, services: Services): void => {
    const meter = currentMeter()
    const recorder = request(meter, context, evaluation, services)
    recorder.addActive(1, services)
    evaluation.recorder = recorder
    meter.begin(evaluation, Context.get(services, Clock.Clock))
  }
  const end = (
    context: HookContext,
    details: EvaluationDetails,
    evaluation: Evaluation,
    services: Services
  ): Effect.Effect<void> | undefined => {
    const meter = currentMeter()
    const { recorder: begun } = evaluation
    if (begun === undefined) request(meter, context, evaluation, services)
    else if (meter.end(evaluation)) begun.addActive(-1, services)
    const recorder = meter.results.of(context.flagKey, evaluation.provider, details, extraOf(context, details))
    recorder.addResult(details.errorCode !== undefined, services)
    if (isTimed && begun !== undefined) {
      recorder.addDuration(secondsSince(evaluation.startedAt, Context.get(services, Clock.Clock)), services)
    }
    return begun === undefined ? undefined : then(evaluation)
  }
  return FeatureHook.watcher(FeatureHook.make("otel-metrics", {
    hookData: () => new Evaluation(),
    before: (context, _hints, evaluation) => begin(context, evaluation, Current.current()),
    finally: (context, details, _hints, evaluation) => end(context, details, evaluation, Current.current())
  }))
}
