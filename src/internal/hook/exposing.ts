/** Decides which evaluations are exposures, and hands them to the sink, each subject once. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Predicate from "effect/Predicate"
import type { EvaluationContext } from "../../EvaluationContext.ts"
import * as EvaluationDetails from "../../EvaluationDetails.ts"
import type { HookContext } from "../../HookContext.ts"
import * as Check from "../check.ts"
import { sha256Hex } from "../node.ts"
import * as Services from "../services.ts"
import { formatTime } from "../time.ts"
import { ignoreRejection } from "../untrusted.ts"
import * as Delivery from "./delivery.ts"
import { Exposed, type Sighting } from "./exposed.ts"
import { nameOf, type Settings } from "./exposureSettings.ts"
import { isOverride } from "./overrides.ts"
import { publish } from "./publish.ts"
import * as Sightings from "./sighting.ts"
import { tell } from "./tell.ts"
import { domainOf, targetingKeyOf } from "./view.ts"
import type { Outcome } from "./work.ts"

export interface Details {
  /** The key of the flag. */
  readonly flagKey: string
  /** The flag value. */
  readonly value: unknown
  /** The variant. None by default. */
  readonly variant?: string | undefined
  /** Why the flag has this value. None by default. */
  readonly reason?: string | undefined
  /** The error code of a failed evaluation, which is no exposure. */
  readonly errorCode?: string | undefined
  /** Facts about the flag. None by default. */
  readonly flagMetadata?: Readonly<Record<string, string | number | boolean>> | undefined
}

/** All of it is synchronous but the wait, so that the plain form needs no fiber for it. */
export interface Exposing {
  /** A `finally` stage. */
  readonly see: (context: HookContext, details: EvaluationDetails.EvaluationDetails) => void
  /** Returns whether an exposure is on its way now. */
  readonly expose: (details: Details, context: EvaluationContext, domain?: string | undefined) => boolean
  readonly counts: () => Exposed<Sightings.Seen>["counts"]
  readonly flush: Effect.Effect<void>
  readonly reset: () => void
}

export interface Options extends Settings {
  /** Gives an effect, a promise, or nothing. */
  readonly send: (exposures: ReadonlyArray<Sightings.Exposure>) => unknown
  /** Counts exposures by what has become of them. */
  readonly counter: Metric.Counter<number>
}

const targetingKeyIn = ({ context }: Sightings.Evaluation): unknown => context.targetingKey

/** `owner` names the constructor in errors. `R` is what the result of `send` requires. */
export const make = Effect.fnUntraced(function*<R>(owner: string, options: Options) {
  const { capacity = 50_000, filter, maxPending = 10_000, overrides = false, send, store } = options
  const { subject: subjectOf } = options
  const name = nameOf(options)
  const clock = yield* Clock.Clock
  const services = Services.lasting(yield* Effect.context())
  const window = Duration.fromInputUnsafe(options.window ?? "1 hour")
  const told = new Set<string>()
  // It would be told for each evaluation.
  const tellOnce: Sightings.OnMisuse = (flagKey, given, wanted) => {
    ignoreRejection(given)
    if (told.has(wanted)) return
    told.add(wanted)
    const what = Predicate.isPromiseLike(given) ? "a promise" : given === undefined ? "nothing" : "something else"
    tell(name, "finally", flagKey, new Check.Misuse(`gave ${what} instead of ${wanted}`), services)
  }
  const records = new Sightings.Records(name, options, sha256Hex(owner), tellOnce)
  const exposed = new Exposed<Sightings.Seen>(clock, window, capacity)
  const metric = (outcome: Outcome) => Metric.withAttributes(options.counter, { hook: name, outcome })
  const metrics = { delivered: metric("delivered"), dropped: metric("dropped"), failed: metric("failed") }
  const delivery = yield* Delivery.make<Sighting<Sightings.Seen>, R>({
    name,
    counter: undefined,
    send: publish<Sightings.Seen, Sightings.Exposure, R>({
      name,
      retry: options.retry,
      send,
      finish: (seen) => records.finish(seen),
      sharing: store && {
        store,
        window,
        timeout: Duration.fromInputUnsafe(options.timeout ?? "100 millis"),
        lease: Duration.fromInputUnsafe(options.lease ?? "1 minute")
      }
    }),
    onEnd: (outcome, sighting) => {
      const actual = exposed.end(outcome, sighting)
      if (actual !== undefined) metrics[actual].updateUnsafe(1, services)
    },
    capacity: maxPending,
    overflow: options.overflow,
    concurrency: options.concurrency,
    closeTimeout: options.closeTimeout,
    maxSize: options.maxSize ?? 100,
    maxWait: options.maxWait ?? "1 second"
  })

  const expose = <E extends Sightings.Evaluation>(
    evaluation: E,
    subjectIn: (evaluation: E) => unknown,
    details: EvaluationDetails.EvaluationDetails,
    domain = ""
  ): boolean => {
    const { flagKey } = evaluation
    if (!overrides && isOverride(details)) return false
    const passes: unknown = filter === undefined || filter(details, evaluation)
    if (passes !== true) {
      if (!passes) return false
      if (Predicate.isPromiseLike(passes)) {
        tellOnce(flagKey, passes, "true or false in its filter")
        return false
      }
    }
    // Not before the filter, which would leave a promise without anybody to handle its rejection.
    const subject = subjectIn(evaluation)
    if (typeof subject !== "string" || subject === "") {
      exposed.anonymous++
      if (subjectOf !== undefined && typeof subject !== "string" && subject !== undefined && subject !== null) {
        tellOnce(flagKey, subject, "a text as the subject")
      }
      return false
    }
    const result = Sightings.resultOf(details)
    if (exposed.isKnown(domain, flagKey, result, subject)) return false
    const names = records.names(domain, flagKey, result, subject)
    const isDigest = names.subject !== subject
    if (isDigest && exposed.isKnown(names.domain, names.flagKey, names.result, names.subject)) return false
    const time = formatTime(clock.currentTimeMillisUnsafe())
    const sighting = exposed.begin(names, flagKey, records.see(evaluation, details, subject, domain, result, time))
    delivery.offer(sighting, flagKey)
    return sighting.mark.isPending
  }
  const exposing: Exposing = {
    see: (context, details) => {
      if (details.errorCode !== undefined) return
      expose(context, subjectOf ?? targetingKeyOf, details, domainOf(context))
    },
    expose: (details, context, domain) => {
      if (details.errorCode) return false
      const evaluation = { flagKey: details.flagKey, context }
      return expose(evaluation, subjectOf ?? targetingKeyIn, EvaluationDetails.shown(details), domain)
    },
    counts: () => exposed.counts,
    flush: delivery.flush,
    reset: () => exposed.reset()
  }
  return exposing
})
