/**
 * Counts evaluations per series, and hands the counts over when a meter collects.
 *
 * An instrument that is updated makes a text of the attributes each time. Here a
 * series is found once and then costs an addition.
 */
import type * as Otel from "@opentelemetry/api"
import { createNoopMeter, metrics, ValueType } from "@opentelemetry/api"
import type * as Clock from "effect/Clock"
import type { Attributes } from "../../otel/EvaluationEvent.ts"
import * as SemanticConventions from "../../otel/SemanticConventions.ts"
import { LabelCache } from "./cache.ts"
import { OpenList } from "./open.ts"

type Metric = "requests" | "active" | "success" | "error"

/** The counts of one series, some of which a series never uses. */
export class Counts implements Record<Metric, number> {
  readonly attributes: Attributes
  readonly durationAttributes: Attributes
  requests = 0
  active = 0
  success = 0
  error = 0
  readonly #reported = { requests: 0, active: 0, success: 0, error: 0 }

  constructor(attributes: Attributes, durationAttributes: Attributes) {
    this.attributes = attributes
    this.durationAttributes = durationAttributes
  }
  /** What has come since it was last asked for. */
  take(metric: Metric): number {
    const taken = this[metric] - this.#reported[metric]
    this.#reported[metric] = this[metric]
    return taken
  }
}

// https://opentelemetry.io/docs/specs/otel/metrics/sdk/#overflow-attribute
const overflow: Attributes = { "otel.metric.overflow": true }

/** Series by their attributes; what finds no room counts on one series for the rest, so totals stay exact. */
export class Table<A> {
  readonly #known = new Map<string, A>()
  readonly #make: (attributes: Attributes, durationAttributes: Attributes) => A
  readonly #rest: A

  constructor(make: (attributes: Attributes, durationAttributes: Attributes) => A) {
    this.#make = make
    this.#rest = make(overflow, overflow)
  }
  of(attributes: Attributes, durationAttributes: Attributes, limit: number): A {
    const key = JSON.stringify(Object.entries(attributes).sort(([a], [b]) => a < b ? -1 : 1))
    const found = this.#known.get(key)
    if (found !== undefined) return found
    if (this.#known.size >= limit) return this.#rest
    const made = this.#make(attributes, durationAttributes)
    this.#known.set(key, made)
    return made
  }
  forEach(f: (counts: A) => void): void {
    this.#known.forEach(f)
    f(this.#rest)
  }
}

/** An evaluation counts as active for no longer than this; its provider hangs. */
const maxActive = 10n * 60n * 1_000_000_000n

const countsOf = (attributes: Attributes, durationAttributes: Attributes) => new Counts(attributes, durationAttributes)

export class Aggregate {
  readonly requests = new Table(countsOf)
  readonly results = new Table(countsOf)
  readonly #adopted: Array<Aggregate> = []
  readonly open = new OpenList(maxActive)
  clock: Clock.Clock | undefined = undefined
  /** Whose it is, as soon as it does not wait any more. */
  provider: Otel.MeterProvider | undefined = undefined
  duration: Otel.Histogram | undefined = undefined

  get hasCounted(): boolean {
    return this.clock !== undefined
  }
  /** Exports what another has counted, too. The evaluations that it has begun end there. */
  adopt(other: Aggregate): void {
    this.#adopted.push(other)
  }

  bind(meter: Otel.Meter): void {
    const { active, duration, error, requests, success } = SemanticConventions.metrics
    const int = { valueType: ValueType.INT }
    const instruments = {
      requests: meter.createCounter(requests.name, { ...requests, ...int }),
      success: meter.createCounter(success.name, { ...success, ...int }),
      error: meter.createCounter(error.name, { ...error, ...int }),
      active: meter.createUpDownCounter(active.name, { ...active, ...int })
    }
    const histogram = meter.createHistogram(duration.name, {
      ...duration,
      advice: { explicitBucketBoundaries: Array.from(SemanticConventions.durationBoundaries) }
    })
    const report = (): void => {
      for (const { clock, open, requests, results } of [this, ...this.#adopted]) {
        if (clock !== undefined) open.expire(clock.monotonicTimeNanosUnsafe())
        requests.forEach((counts) => {
          const begun = counts.take("requests")
          const change = counts.take("active")
          if (begun > 0) instruments.requests.add(begun, counts.attributes)
          if (begun > 0 || change !== 0) instruments.active.add(change, counts.attributes)
        })
        results.forEach((counts) => {
          const succeeded = counts.take("success")
          const failed = counts.take("error")
          if (succeeded > 0) instruments.success.add(succeeded, counts.attributes)
          if (failed > 0) instruments.error.add(failed, counts.attributes)
        })
      }
    }
    // It observes nothing and is never exported: a meter calls back only for something observable, and before it
    // looks at its counters. Counts that were observed themselves would be wrong where a view drops attributes: the
    // SDK adds up what is counted, and of what is observed keeps the last.
    meter.addBatchObservableCallback(report, [meter.createObservableGauge("feature_flag.collection")])
    this.duration = histogram
  }
}

const noop = createNoopMeter()

// One for each meter provider, whichever hook counts, so hooks that are made for
// a single evaluation leave nothing behind. What is counted before there is a
// provider waits for it.
const aggregates = new WeakMap<Otel.MeterProvider, Aggregate>()
let waiting = new Aggregate()

const aggregateOf = (provider: Otel.MeterProvider, takesWaiting: boolean): Aggregate => {
  const known = aggregates.get(provider)
  if (known !== undefined) {
    if (takesWaiting && waiting.hasCounted) {
      known.adopt(waiting)
      waiting.provider = provider
      waiting = new Aggregate()
    }
    return known
  }
  const meter = provider.getMeter("effect-openfeature")
  // One that is given and does nothing is meant to silence the hook.
  if (meter === noop) return takesWaiting ? waiting : new Aggregate()
  const aggregate = takesWaiting ? waiting : new Aggregate()
  aggregate.bind(meter)
  if (takesWaiting) waiting = new Aggregate()
  aggregate.provider = provider
  aggregates.set(provider, aggregate)
  return aggregate
}

/** The aggregate of a provider, and where one hook has found what in it. */
export interface Bound {
  readonly provider: Otel.MeterProvider
  readonly aggregate: Aggregate
  readonly requests: LabelCache<Counts>
  readonly results: LabelCache<Counts>
}

/** Follows the meter provider that was given, or else whichever is the global one. */
export class Follower {
  readonly #given: Otel.MeterProvider | undefined
  readonly #maxSeries: number
  #bound: Bound | undefined = undefined

  constructor(given: Otel.MeterProvider | undefined, maxSeries: number) {
    this.#given = given
    this.#maxSeries = maxSeries
  }
  get current(): Bound {
    const provider = this.#given ?? metrics.getMeterProvider()
    const bound = this.#bound
    // What waited may have gone to another provider since, by way of another hook.
    if (bound?.provider === provider && (bound.aggregate.provider ?? provider) === provider) return bound
    const aggregate = aggregateOf(provider, this.#given === undefined)
    const requests = new LabelCache<Counts>(this.#maxSeries)
    const results = new LabelCache<Counts>(this.#maxSeries)
    return this.#bound = { provider, aggregate, requests, results }
  }
}
