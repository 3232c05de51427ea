/**
 * A span of an evaluation, whoever traces: the OpenTelemetry API, or the tracer
 * of Effect where one is installed.
 */
import type * as Otel from "@opentelemetry/api"
import { context, SpanStatusCode, trace } from "@opentelemetry/api"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { Attributes } from "../../otel/EvaluationEvent.ts"

export interface Failure {
  readonly type: string
  readonly message: string | undefined
}

export interface EvaluationSpan {
  readonly set: (attributes: Attributes) => void
  readonly status: (failure: Failure) => void
  readonly exception: (failure: Failure) => void
  readonly end: () => void
}

type AnyFiber = Fiber.Fiber<unknown, unknown>

// Effect always has a span to give, but without a tracer nobody exports it.
const effectSpan = (fiber: AnyFiber): Tracer.AnySpan | undefined =>
  fiber.cache.tracer === undefined ? undefined : fiber.cache.span

// A span that is not exported has no children; those of its parent they are.
const propagated = (span: Tracer.AnySpan | undefined): Tracer.AnySpan | undefined => {
  if (span === undefined || !Context.get(span.annotations, Tracer.DisablePropagation)) return span
  return span._tag === "Span" ? propagated(Option.getOrUndefined(span.parent)) : undefined
}

/** The caller's OpenTelemetry context, with Effect's span where Effect is traced. */
export const contextOf = (fiber: AnyFiber): Otel.Context => {
  const active = context.active()
  const span = propagated(effectSpan(fiber))
  if (span === undefined) return active
  const { sampled, spanId, traceId } = span
  // Effect takes over the short trace ids of B3 as they are.
  return trace.setSpanContext(active, { traceId: traceId.padStart(32, "0"), spanId, traceFlags: sampled ? 1 : 0 })
}

export const start = (
  fiber: AnyFiber,
  name: string,
  provider: Otel.TracerProvider | undefined
): Effect.Effect<EvaluationSpan> =>
  provider === undefined && fiber.cache.tracer !== undefined
    ? Effect.clockWith((clock) =>
      Effect.map(Effect.makeSpan(name), (span) => ofEffect(span, () => clock.currentTimeNanosUnsafe()))
    )
    : Effect.sync(() =>
      ofOtel((provider ?? trace).getTracer("effect-openfeature").startSpan(name, {}, contextOf(fiber)))
    )

/** The span that the caller is in, by the object that it is. */
export const current = (fiber: AnyFiber): Pick<EvaluationSpan, "set"> & { readonly key: object } | undefined => {
  const span = effectSpan(fiber)
  if (span?._tag === "Span") return { key: span, set: setOn(span) }
  const active = trace.getActiveSpan()
  return active && { key: active, set: (attributes) => void active.setAttributes(attributes) }
}

const setOn = (span: Tracer.Span) => (attributes: Attributes): void => {
  for (const [key, value] of Object.entries(attributes)) span.attribute(key, value)
}

const ofOtel = (span: Otel.Span): EvaluationSpan => ({
  set: (attributes) => void span.setAttributes(attributes),
  status: ({ message, type }) => void span.setStatus({ code: SpanStatusCode.ERROR, message: message ?? type }),
  exception: ({ message, type }) => span.recordException({ name: type, message: message ?? type }),
  end: () => span.end()
})

const ofEffect = (span: Tracer.Span, now: () => bigint): EvaluationSpan => {
  let exit: Exit.Exit<void, string> = Exit.void
  return {
    set: setOn(span),
    // An exit that failed is what Effect's tracers take a status from.
    status({ message, type }) {
      exit = Exit.fail(message ?? type)
    },
    exception({ message, type }) {
      span.event("exception", now(), { "exception.type": type, "exception.message": message ?? type })
    },
    end: () => span.end(now(), exit)
  }
}
