/** Counts evaluations with Effect's metrics. */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import { durationBoundaries } from "../../internal/duration.ts"
import { Series, type SeriesLookup } from "../../internal/series.ts"
import type { Attributes } from "./attributes.ts"
import * as Conventions from "./conventions.ts"
import { type Labelling, overflow } from "./labels.ts"
import type { Evaluation, Meter, Recorder } from "./metering.ts"

const textsOf = (attributes: Attributes): Record<string, string> =>
  Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, String(value)]))

class EffectRecorder implements Recorder {
  readonly #requests: Metric.Counter<number>
  readonly #active: Metric.Gauge<number>
  readonly #success: Metric.Counter<number>
  readonly #error: Metric.Counter<number>
  readonly #duration: Metric.Histogram<number>

  constructor(series: Attributes, durationSeries: Attributes) {
    const { active, duration, error, requests, success } = Conventions.metrics
    const attributes = textsOf(series)
    this.#requests = Metric.counter(requests.name, { ...requests, attributes, incremental: true })
    this.#active = Metric.gauge(active.name, { ...active, attributes })
    this.#success = Metric.counter(success.name, { ...success, attributes, incremental: true })
    this.#error = Metric.counter(error.name, { ...error, attributes, incremental: true })
    this.#duration = Metric.histogram(duration.name, {
      ...duration,
      // Effect's OTLP exporter reads the unit from here.
      attributes: { ...textsOf(durationSeries), unit: duration.unit },
      boundaries: durationBoundaries
    })
  }
  addRequest(services: Context.Context<never>): void {
    this.#requests.updateUnsafe(1, services)
  }
  addActive(change: 1 | -1, services: Context.Context<never>): void {
    this.#active.modifyUnsafe(change, services)
  }
  addResult(isError: boolean, services: Context.Context<never>): void {
    const counter = isError ? this.#error : this.#success
    counter.updateUnsafe(1, services)
  }
  addDuration(seconds: number, services: Context.Context<never>): void {
    this.#duration.updateUnsafe(seconds, services)
  }
}

const recorderOf = (attributes: Attributes, durationAttributes: Attributes): Recorder =>
  new EffectRecorder(attributes, durationAttributes)

const newSeries = (): Series<Recorder> => new Series(recorderOf(overflow, overflow))

export class EffectMeter implements Meter {
  readonly requests: SeriesLookup<Recorder>
  readonly results: SeriesLookup<Recorder>

  constructor(labelling: Labelling) {
    this.requests = labelling.requests(newSeries(), recorderOf)
    this.results = labelling.results(newSeries(), recorderOf)
  }
  begin(evaluation: Evaluation, clock: Clock.Clock): void {
    evaluation.startedAt = clock.monotonicTimeNanosUnsafe()
  }
  // There is no event when these metrics are read, so a hung evaluation stays active.
  end(): boolean {
    return true
  }
}
