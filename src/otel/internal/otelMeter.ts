/**
 * Counts evaluations per series, and reports the counts when a meter of
 * OpenTelemetry collects.
 *
 * An instrument converts its attributes to text on every update. Here a series
 * is found once, and an update is an addition.
 */
import type * as Otel from "@opentelemetry/api"
import { createNoopMeter, metrics, ValueType } from "@opentelemetry/api"
import type * as Clock from "effect/Clock"
import { durationBoundaries } from "../../internal/duration.ts"
import { Series, type SeriesLookup } from "../../internal/series.ts"
import { version } from "../../internal/version.ts"
import type { Attributes } from "./attributes.ts"
import * as Conventions from "./conventions.ts"
import { InFlight } from "./inFlight.ts"
import { type Labelling, overflow } from "./labels.ts"
import type { Evaluation, Meter, Recorder } from "./metering.ts"

type Count = "requests" | "active" | "success" | "error"

/** The counts of one series. Each series uses only some of them. */
export class Counts implements Recorder, Record<Count, number> {
  readonly attributes: Attributes
  readonly durationAttributes: Attributes
  requests = 0
  active = 0
  success = 0
  error = 0
  readonly #owner: OtelMeter
  readonly #reported = { requests: 0, active: 0, success: 0, error: 0 }

  constructor(owner: OtelMeter, attributes: Attributes, durationAttributes: Attributes) {
    this.#owner = owner
    this.attributes = attributes
    this.durationAttributes = durationAttributes
  }
  addRequest(): void {
    this.requests++
  }
  addActive(change: 1 | -1): void {
    this.active += change
  }
  addResult(isError: boolean): void {
    if (isError) this.error++
    else this.success++
  }
  addDuration(seconds: number): void {
    this.#owner.duration?.record(seconds, this.durationAttributes)
  }
  /** Returns the change since the last invocation. */
  take(count: Count): number {
    const taken = this[count] - this.#reported[count]
    this.#reported[count] = this[count]
    return taken
  }
}

/** The maximum time that a hung evaluation counts as active, in nanoseconds. */
const maxActive = 10n * 60n * 1_000_000_000n

/** The counts for one meter provider, or for the first one to come. */
export class OtelMeter {
  readonly requests: Series<Counts>
  readonly results: Series<Counts>
  readonly #counts: Array<Counts> = []
  readonly #adopted: Array<OtelMeter> = []
  #inFlight: Array<InFlight> = []
  /** The provider that exports these counts, once there is one. */
  provider: Otel.MeterProvider | undefined = undefined
  duration: Otel.Histogram | undefined = undefined

  constructor() {
    this.requests = new Series(this.countsOf(overflow, overflow))
    this.results = new Series(this.countsOf(overflow, overflow))
  }
  get hasCounted(): boolean {
    return this.#counts.some(({ requests, success, error }) => requests + success + error > 0)
  }
  countsOf(attributes: Attributes, durationAttributes: Attributes): Counts {
    const counts = new Counts(this, attributes, durationAttributes)
    this.#counts.push(counts)
    return counts
  }
  inFlight(clock: Clock.Clock): InFlight {
    const [latest] = this.#inFlight
    if (latest?.clock === clock) return latest
    const found = this.#inFlight.find((one) => one.clock === clock) ?? new InFlight(clock, maxActive)
    this.#inFlight = [found, ...this.#inFlight.filter((one) => one !== found && !one.isEmpty)]
    return found
  }
  /** Also exports the counts of another meter. Evaluations that it started end there. */
  adopt(other: OtelMeter): void {
    this.#adopted.push(other)
  }

  bind(meter: Otel.Meter): void {
    const { active, duration, error, requests, success } = Conventions.metrics
    const int = { valueType: ValueType.INT }
    const instruments = {
      requests: meter.createCounter(requests.name, { ...requests, ...int }),
      success: meter.createCounter(success.name, { ...success, ...int }),
      error: meter.createCounter(error.name, { ...error, ...int }),
      active: meter.createUpDownCounter(active.name, { ...active, ...int })
    }
    this.duration = meter.createHistogram(duration.name, {
      ...duration,
      advice: { explicitBucketBoundaries: Array.from(durationBoundaries) }
    })
    const report = (): void => {
      for (const one of [this, ...this.#adopted]) {
        for (const inFlight of one.#inFlight) inFlight.expire()
        for (const counts of one.#counts) {
          const { attributes } = counts
          const begun = counts.take("requests")
          const change = counts.take("active")
          const succeeded = counts.take("success")
          const failed = counts.take("error")
          if (begun > 0) instruments.requests.add(begun, attributes)
          if (begun > 0 || change !== 0) instruments.active.add(change, attributes)
          if (succeeded > 0) instruments.success.add(succeeded, attributes)
          if (failed > 0) instruments.error.add(failed, attributes)
        }
      }
    }
    // This gauge observes nothing and is never exported. A meter runs callbacks only for something observable, and
    // runs them before it reads its counters. The counts cannot be observable themselves: where a view drops
    // attributes, the SDK adds up what is counted, but keeps only the last of what is observed.
    meter.addBatchObservableCallback(report, [meter.createObservableGauge("feature_flag.collection")])
  }
}

const noop = createNoopMeter()

// All hooks share one meter per provider, so hooks made for a single evaluation leave nothing behind.
// Counts from before there is a provider wait for it.
const meters = new WeakMap<Otel.MeterProvider, OtelMeter>()
let waiting = new OtelMeter()

const meterOf = (provider: Otel.MeterProvider, takesWaiting: boolean): OtelMeter => {
  const known = meters.get(provider)
  if (known !== undefined) {
    if (takesWaiting && waiting.hasCounted) {
      known.adopt(waiting)
      waiting.provider = provider
      waiting = new OtelMeter()
    }
    return known
  }
  const found = provider.getMeter("effect-openfeature", version)
  // A provider that does nothing, given as an option, silences the hook.
  if (found === noop) return takesWaiting ? waiting : new OtelMeter()
  const meter = takesWaiting ? waiting : new OtelMeter()
  meter.bind(found)
  if (takesWaiting) waiting = new OtelMeter()
  meter.provider = provider
  meters.set(provider, meter)
  return meter
}

/** The meter of a provider, with the lookups of one hook. */
class BoundMeter implements Meter {
  readonly provider: Otel.MeterProvider
  readonly meter: OtelMeter
  readonly requests: SeriesLookup<Counts>
  readonly results: SeriesLookup<Counts>

  constructor(provider: Otel.MeterProvider, meter: OtelMeter, labelling: Labelling) {
    const countsOf = (attributes: Attributes, durationAttributes: Attributes) =>
      meter.countsOf(attributes, durationAttributes)
    this.provider = provider
    this.meter = meter
    this.requests = labelling.requests(meter.requests, countsOf)
    this.results = labelling.results(meter.results, countsOf)
  }
  begin(evaluation: Evaluation, clock: Clock.Clock): void {
    this.meter.inFlight(clock).begin(evaluation)
  }
  end(evaluation: Evaluation): boolean {
    return InFlight.end(evaluation)
  }
}

/** The time that an application has after its first evaluation to set the global meter provider, in nanoseconds. */
const patience = 10n * 1_000_000_000n

/** Follows the given meter provider, or the global one, which can change. */
export class CurrentMeter {
  readonly #given: Otel.MeterProvider | undefined
  readonly #labelling: Labelling
  #bound: BoundMeter | undefined = undefined
  #firstAt: bigint | undefined = undefined
  #isTold: boolean

  constructor(given: Otel.MeterProvider | undefined, labelling: Labelling) {
    this.#given = given
    this.#labelling = labelling
    // Given a provider that does nothing, the hook is silent on purpose.
    this.#isTold = given !== undefined
  }
  /** Returns whether to tell, once, that nothing reads the counts. */
  isUnread({ startedAt }: Evaluation): boolean {
    if (this.#isTold || this.#bound?.meter.provider !== undefined) return false
    this.#firstAt ??= startedAt
    return this.#isTold = startedAt - this.#firstAt >= patience
  }
  get(): BoundMeter {
    const provider = this.#given ?? metrics.getMeterProvider()
    const bound = this.#bound
    // Another hook may have moved the waiting counts to a different provider.
    if (bound?.provider === provider && (bound.meter.provider ?? provider) === provider) return bound
    return this.#bound = new BoundMeter(provider, meterOf(provider, this.#given === undefined), this.#labelling)
  }
}
