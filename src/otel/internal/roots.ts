/**
 * The roots of spans of the OpenTelemetry API. A span does not lead to its
 * parent, so a span processor remembers its root.
 */
import type * as Otel from "@opentelemetry/api"
import { trace } from "@opentelemetry/api"

const roots = new WeakMap<object, Otel.Span>()

// Some tracers pass the parent on by its ids only.
const open = new Map<string, WeakRef<Otel.Span>>()

/** The maximum number of spans to find by their ids, for programs that never end their spans. */
const maxOpen = 10_000

const idOf = ({ spanId, traceId }: Otel.SpanContext): string => traceId + spanId

const rootOf = (parent: Otel.Span): Otel.Span | undefined => {
  const known = roots.get(parent)
  if (known !== undefined) return known
  const same = open.get(idOf(parent.spanContext()))?.deref()
  if (same !== undefined) return roots.get(same)
  return parent.isRecording() ? parent : undefined
}

/** A span starts. Its root is that of its parent, unless the parent is in another process. */
export const begin = (span: Otel.Span, parentContext: Otel.Context): void => {
  const parent = trace.getSpan(parentContext)
  roots.set(span, (parent && rootOf(parent)) ?? span)
  if (open.size >= maxOpen) {
    for (const oldest of open.keys()) {
      open.delete(oldest)
      break
    }
  }
  open.set(idOf(span.spanContext()), new WeakRef(span))
}

/** A span ends. Spans below it can still be open. */
export const end = (span: Pick<Otel.Span, "spanContext">): void => {
  open.delete(idOf(span.spanContext()))
}

/** Returns the root of a span, unless it is unknown or has ended. */
export const find = (span: object): Otel.Span | undefined => {
  const found = roots.get(span)
  return found?.isRecording() === true ? found : undefined
}
