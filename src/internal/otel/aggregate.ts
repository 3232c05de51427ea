/**
 * Counts evaluations per series, and reports them when a meter asks.
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

/** The counts of one series, some of which a series never uses. */
export class Counts {
  readonly attributes: Attributes
  readonly durationAttributes: Attributes
  requests = 0
  active = 0
  success = 0
  error = 0
  constructor(attributes: Attributes, durationAttributes: Attributes) {
    this.attributes = attributes
    this.durationAttributes = durationAttributes
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
  // A meter takes only one figure per series.
  #forEach(table: "requests" | "results", f: (counts: Counts) => void): void {
    if (this.#adopted.length === 0) return this[table].forEach(f)
    const sums = new Table(countsOf)
    for (const { [table]: own } of [this, ...this.#adopted]) {
      own.forEach((counts) => {
        const sum = sums.of(counts.attributes, counts.durationAttributes, Infinity)
        sum.requests += counts.requests
        sum.active += counts.active
        sum.success += counts.success
        sum.error += counts.error
      })
    }
    sums.forEach(f)
  }

  bind(meter: Otel.Meter): void {
    const { active, duration, error, requests, success } = SemanticConventions.metrics
    const int = { valueType: ValueType.INT }
    const instruments = {
      requests: meter.createObservableCounter(requests.name, { ...requests, ...int }),
      success: meter.createObservableCounter(success.name, { ...success, ...int }),
      error: meter.createObservableCounter(error.name, { ...error, ...int }),
      active: meter.createObservableUpDownCounter(active.name, { ...active, ...int })
    }
    this.duration = meter.createHistogram(duration.name, {
      ...duration,
      advice: { explicitBucketBoundaries: Array.from(SemanticConventions.durationBoundaries) }
    })
    meter.addBatchObservableCallback((result) => {
      for (const { clock, open } of [this, ...this.#adopted]) {
        if (clock !== undefined) open.expire(clock.monotonicTimeNanosUnsafe())
      }
      this.#forEach("requests", (counts) => {
        if (counts.requests === 0) return
        result.observe(instruments.requests, counts.requests, counts.attributes)
        result.observe(instruments.active, counts.active, counts.attributes)
      })
      this.#forEach("results", (counts) => {
        if (counts.success > 0) result.observe(instruments.success, counts.success, counts.attributes)
        if (counts.error > 0) result.observe(instruments.error, counts.error, counts.attributes)
      })
    }, Object.values(instruments))
  }
}

const scope = "effect-openfeature"
const noop = createNoopMeter()

// One for each meter provider, whichever hook counts: a meter takes only one
// figure per series. What is counted before there is a provider waits for it.
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
  const meter = provider.getMeter(scope)
  // One that is given and does nothing is meant to silence the hook.
  if (meter === noop) return takesWaiting ? waiting : new Aggregate()
  const aggregate = takesWaiting ? waiting : new Aggregate()
  if (takesWaiting) waiting = new Aggregate()
  aggregate.bind(meter)
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
