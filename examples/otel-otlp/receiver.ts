// What a collector does in production: takes OTLP over HTTP, here as JSON on the loopback interface, and keeps it.
import { Context, Effect, Layer, Schema } from "effect"
import { createServer, type IncomingMessage, type Server } from "node:http"
import { text } from "node:stream/consumers"

// ---------------------------------------------------------------------------------------------------------------------
// The parts of OTLP as JSON that are read here
// ---------------------------------------------------------------------------------------------------------------------

const { optional, String } = Schema
const Int64 = Schema.Union([Schema.Finite, Schema.FiniteFromString])

const Attributes = optional(Schema.Array(Schema.Struct({
  key: String,
  value: Schema.Struct({
    stringValue: optional(String),
    boolValue: optional(Schema.Boolean),
    intValue: optional(Int64),
    doubleValue: optional(Schema.Finite)
  })
})))

const Traces = Schema.Struct({
  resourceSpans: Schema.Array(Schema.Struct({
    scopeSpans: Schema.Array(Schema.Struct({
      spans: Schema.Array(Schema.Struct({
        traceId: String,
        spanId: String,
        parentSpanId: optional(String),
        name: String,
        attributes: Attributes,
        status: optional(Schema.Struct({ code: optional(Schema.Finite) }))
      }))
    }))
  }))
})

const Logs = Schema.Struct({
  resourceLogs: Schema.Array(Schema.Struct({
    scopeLogs: Schema.Array(Schema.Struct({
      logRecords: Schema.Array(Schema.Struct({
        traceId: optional(String),
        spanId: optional(String),
        eventName: optional(String),
        severityText: optional(String),
        attributes: Attributes
      }))
    }))
  }))
})

const Points = Schema.Struct({
  dataPoints: Schema.Array(Schema.Struct({
    attributes: Attributes,
    asInt: optional(Int64),
    asDouble: optional(Schema.Finite),
    count: optional(Int64)
  }))
})
const Metrics = Schema.Struct({
  resourceMetrics: Schema.Array(Schema.Struct({
    scopeMetrics: Schema.Array(Schema.Struct({
      metrics: Schema.Array(Schema.Struct({
        name: String,
        sum: optional(Points),
        gauge: optional(Points),
        histogram: optional(Points)
      }))
    }))
  }))
})

// ---------------------------------------------------------------------------------------------------------------------
// The same, without its envelopes
// ---------------------------------------------------------------------------------------------------------------------

export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  readonly isError: boolean
  readonly attributes: ReadonlyMap<string, unknown>
}

export interface LogRecord {
  readonly traceId: string | undefined
  readonly spanId: string | undefined
  readonly event: unknown
  readonly severity: string | undefined
  readonly attributes: ReadonlyMap<string, unknown>
}

/** A point of a metric; that of a histogram has the number of its measurements as value. */
export interface Point {
  readonly metric: string
  readonly value: number
  readonly attributes: ReadonlyMap<string, unknown>
}

export interface Received {
  readonly spans: ReadonlyArray<Span>
  readonly logs: ReadonlyArray<LogRecord>
  readonly points: ReadonlyArray<Point>
}

const attributesOf = (attributes: typeof Attributes.Type): ReadonlyMap<string, unknown> =>
  new Map(
    attributes?.map(({ key, value }) => [
      key,
      value.stringValue ?? value.boolValue ?? value.intValue ?? value.doubleValue
    ])
  )

const spansOf = ({ resourceSpans }: typeof Traces.Type): ReadonlyArray<Span> =>
  resourceSpans.flatMap(({ scopeSpans }) => scopeSpans).flatMap(({ spans }) => spans).map((span) => ({
    ...span,
    parentSpanId: span.parentSpanId === "" ? undefined : span.parentSpanId,
    isError: span.status?.code === 2,
    attributes: attributesOf(span.attributes)
  }))

const logsOf = ({ resourceLogs }: typeof Logs.Type): ReadonlyArray<LogRecord> =>
  resourceLogs.flatMap(({ scopeLogs }) => scopeLogs).flatMap(({ logRecords }) => logRecords).map((record) => {
    const attributes = attributesOf(record.attributes)
    return {
      traceId: record.traceId,
      spanId: record.spanId,
      event: record.eventName ?? attributes.get("event.name"),
      severity: record.severityText?.toUpperCase(),
      attributes
    }
  })

const pointsOf = ({ resourceMetrics }: typeof Metrics.Type): ReadonlyArray<Point> =>
  resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics).flatMap(({ metrics }) => metrics).flatMap((metric) =>
    (metric.sum ?? metric.gauge ?? metric.histogram)?.dataPoints.map((point) => ({
      metric: metric.name,
      value: point.asInt ?? point.asDouble ?? point.count ?? 0,
      attributes: attributesOf(point.attributes)
    })) ?? []
  )

// ---------------------------------------------------------------------------------------------------------------------
// The server
// ---------------------------------------------------------------------------------------------------------------------

const listen = Effect.acquireRelease(
  Effect.callback<Server>((resume) => {
    const server = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      server.closeAllConnections()
    })
)

/** Gives the status of the response. */
const accept = <A>(schema: Schema.ConstraintDecoder<A>, keep: (data: A) => void) => {
  const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(schema))
  return (request: IncomingMessage): Effect.Effect<number> =>
    Effect.tryPromise(() => text(request)).pipe(
      Effect.flatMap(decode),
      Effect.map(keep),
      Effect.as(200),
      Effect.catch((error) => Effect.as(Effect.logError(`${request.url}: ${error.message}`), 400))
    )
}

export class OtlpReceiver extends Context.Service<OtlpReceiver, {
  /** What exporters have as their endpoint, `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly url: string
  /** What has arrived up to now. */
  readonly received: Effect.Effect<Received>
}>()("examples/OtlpReceiver") {
  static readonly layer = Layer.effect(
    OtlpReceiver,
    Effect.gen(function*() {
      let spans: ReadonlyArray<Span> = []
      let logs: ReadonlyArray<LogRecord> = []
      let points: ReadonlyArray<Point> = []
      const routes = new Map([
        ["/v1/traces", accept(Traces, (data) => void (spans = [...spans, ...spansOf(data)]))],
        ["/v1/logs", accept(Logs, (data) => void (logs = [...logs, ...logsOf(data)]))],
        // Cumulative: what comes later says it all.
        ["/v1/metrics", accept(Metrics, (data) => void (points = pointsOf(data)))]
      ])
      const server = yield* listen
      const runFork = Effect.runForkWith(yield* Effect.context())
      server.on("request", (request, response) => {
        const handled = (routes.get(request.url ?? "") ?? (() => Effect.succeed(404)))(request)
        runFork(
          Effect.map(handled, (status) => response.writeHead(status, { "content-type": "application/json" }).end("{}"))
        )
      })
      const address = server.address()
      const port = typeof address === "object" ? address?.port : address
      return {
        url: `http://127.0.0.1:${port}`,
        received: Effect.sync(() => ({ spans, logs, points }))
      }
    })
  )
}
