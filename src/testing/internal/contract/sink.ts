/** Everything that a hook emits: lines of loggers, spans, metrics, and what the user adds. */
import type * as SDK from "@openfeature/server-sdk"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import { masked, textOf } from "./text.ts"

export type Channel = "log" | "logger of the SDK" | "span" | "metric" | "console" | "emitted"

export interface Emission {
  readonly channel: Channel
  readonly text: string
}

class RecordedSpan extends Tracer.NativeSpan {
  readonly #onEnd: (span: RecordedSpan) => void
  constructor(options: ConstructorParameters<typeof Tracer.NativeSpan>[0], onEnd: (span: RecordedSpan) => void) {
    super(options)
    this.#onEnd = onEnd
  }
  override end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    const isOpen = this.status._tag === "Started"
    super.end(endTime, exit)
    if (isOpen) this.#onEnd(this)
  }
  /** As an exporter writes it: with the error that it ended with. */
  get text(): string {
    const { status } = this
    const error = status._tag === "Ended" && Exit.isFailure(status.exit) ? Cause.pretty(status.exit.cause) : ""
    const events = this.events.map(([name, , attributes]) => [name, attributes])
    return `${this.name} ${textOf([this.attributes, events, error])}`
  }
}

export class Sink {
  readonly records: Array<Emission> = []
  readonly openSpans = new Set<Tracer.Span>()
  readonly #registry: Metric.MetricRegistry = new Map()
  readonly #isKept: boolean

  /** Keeps nothing where only the memory counts. */
  constructor(isKept: boolean) {
    this.#isKept = isKept
  }

  add(channel: Channel, text: string): void {
    if (this.#isKept) this.records.push({ channel, text })
  }

  readonly logger: SDK.Logger = {
    error: (...values) => this.add("logger of the SDK", textOf(values)),
    warn: (...values) => this.add("logger of the SDK", textOf(values)),
    info: (...values) => this.add("logger of the SDK", textOf(values)),
    debug: (...values) => this.add("logger of the SDK", textOf(values))
  }

  get services(): Context.Context<never> {
    const tracer = Tracer.make({
      span: (options) => {
        const span = new RecordedSpan(options, (ended) => {
          this.openSpans.delete(ended)
          if (this.#isKept) this.add("span", ended.text)
        })
        if (this.#isKept) this.openSpans.add(span)
        return span
      }
    })
    const logger = Logger.map(Logger.formatJson, (line) => this.add("log", line))
    return Context.make(Logger.CurrentLoggers, new Set(this.#isKept ? [logger] : [])).pipe(
      Context.add(References.MinimumLogLevel, "Trace"),
      Context.add(Tracer.Tracer, tracer),
      Context.add(Metric.MetricRegistry, this.#registry)
    )
  }

  get metrics(): ReadonlyArray<Metric.Metric.Snapshot> {
    return Metric.snapshotUnsafe(Context.make(Metric.MetricRegistry, this.#registry))
  }

  /** All records, with the metrics as they are now. */
  get all(): ReadonlyArray<Emission> {
    return [
      ...this.records,
      ...this.metrics.map(({ attributes, id, state }): Emission => ({
        channel: "metric",
        text: `${id} ${textOf(attributes)} ${textOf(state)}`
      }))
    ]
  }

  /** The records without what differs from run to run, in a form that can be compared. */
  comparable(except: ReadonlyArray<Channel> = []): ReadonlyArray<string> {
    const records = this.records.filter(({ channel }) => !except.includes(channel))
    return [
      ...records.map(({ channel, text }) => `${channel}: ${masked(text)}`),
      ...this.metrics.map(({ attributes, id, state }) =>
        `metric: ${masked(`${id} ${textOf(attributes)}`)} ${"count" in state ? String(state.count) : ""}`
      )
    ].sort()
  }
}
