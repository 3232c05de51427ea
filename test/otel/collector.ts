import { Effect, Layer, Schema } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"

// What of OTLP is looked at.
const Attributes = Schema.Array(
  Schema.Struct({ key: Schema.String, value: Schema.Record(Schema.String, Schema.Unknown) })
)
const Span = Schema.Struct({
  traceId: Schema.String,
  spanId: Schema.String,
  parentSpanId: Schema.optional(Schema.String),
  name: Schema.String,
  attributes: Attributes,
  events: Schema.Array(Schema.Struct({ name: Schema.String, attributes: Attributes })),
  status: Schema.Struct({ code: Schema.Number, message: Schema.optional(Schema.String) })
})
const Traces = Schema.Struct({
  resourceSpans: Schema.Array(Schema.Struct({ scopeSpans: Schema.Array(Schema.Struct({ spans: Schema.Array(Span) })) }))
})
const Record = Schema.Struct({
  traceId: Schema.optional(Schema.String),
  spanId: Schema.optional(Schema.String),
  severityNumber: Schema.Number,
  body: Schema.Struct({ stringValue: Schema.String }),
  attributes: Attributes
})
const Logs = Schema.Struct({
  resourceLogs: Schema.Array(
    Schema.Struct({ scopeLogs: Schema.Array(Schema.Struct({ logRecords: Schema.Array(Record) })) })
  )
})
const Points = Schema.Struct({
  dataPoints: Schema.Array(Schema.Struct({
    attributes: Attributes,
    asDouble: Schema.optional(Schema.Number),
    asInt: Schema.optional(Schema.Number),
    count: Schema.optional(Schema.Number),
    sum: Schema.optional(Schema.Number)
  }))
})
const Metrics = Schema.Struct({
  resourceMetrics: Schema.Array(Schema.Struct({
    scopeMetrics: Schema.Array(Schema.Struct({
      metrics: Schema.Array(Schema.Struct({
        name: Schema.String,
        unit: Schema.String,
        sum: Schema.optional(Points),
        gauge: Schema.optional(Points),
        histogram: Schema.optional(Points)
      }))
    }))
  }))
})

export const recordOf = (attributes: typeof Attributes.Type): Readonly<Record<string, unknown>> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

/** A collector that takes everything, and what it has got. */
export const collector = () => {
  const bodies = new Map<string, Array<unknown>>()
  const layer = Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request, url) =>
      Effect.sync(() => {
        if (request.body._tag === "Uint8Array") {
          const body: unknown = JSON.parse(new TextDecoder().decode(request.body.body))
          bodies.set(url.pathname, [...bodies.get(url.pathname) ?? [], body])
        }
        return HttpClientResponse.fromWeb(request, new Response("{}"))
      })
    )
  )
  const of = <A>(path: string, schema: Schema.Decoder<A>): ReadonlyArray<A> =>
    (bodies.get(path) ?? []).map((body) => Schema.decodeUnknownSync(schema)(body))
  return {
    layer,
    spans: () =>
      of("/v1/traces", Traces).flatMap(({ resourceSpans }) =>
        resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
      ),
    records: () =>
      of("/v1/logs", Logs).flatMap(({ resourceLogs }) =>
        resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords))
      ),
    metrics: () =>
      of("/v1/metrics", Metrics).flatMap(({ resourceMetrics }) =>
        resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
      )
  }
}
