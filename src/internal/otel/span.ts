/**
 * A span of an evaluation, whoever traces: the OpenTelemetry API, or the tracer
 * of Effect where one is installed.
 */
import type * as Otel from "@opentelemetry/api"
import { context, ProxyTracerProvider, SpanStatusCode, trace } from "@opentelemetry/api"
import * as Context from "effect/Context"
import * as Clock from "effect/Clock"
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
  set(attributes: Attributes): void
  status(failure: Failure): void
  exception(failure: Failure): void
  end(): void
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

/** Starts spans for one hook, whoever traces at the time. */
export class Spans {
  readonly #given: Otel.TracerProvider | undefined
  #provider: Otel.TracerProvider | undefined = undefined
  #tracer: Otel.Tracer | undefined = undefined

  constructor(given: Otel.TracerProvider | undefined) {
    this.#given = given
  }
  // A provider looks its tracers up by a text that it makes of their names.
  #current(): Otel.Tracer {
    const found = this.#given ?? trace.getTracerProvider()
    const provider = found instanceof ProxyTracerProvider ? found.getDelegate() : found
    if (this.#tracer !== undefined && provider === this.#provider) return this.#tracer
    this.#provider = provider
    return this.#tracer = provider.getTracer("effect-openfeature")
  }
  start(fiber: AnyFiber, name: string, attributes: Attributes): Effect.Effect<EvaluationSpan> {
    if (this.#given === undefined && fiber.cache.tracer !== undefined) {
      return Effect.map(
        Effect.makeSpan(name, { attributes }),
        (span) => new EffectSpan(span, fiber.getRef(Clock.Clock))
      )
    }
    return Effect.succeed(new OtelSpan(this.#current().startSpan(name, { attributes }, contextOf(fiber))))
  }
}

/** The span that the caller is in, by the object that it is. */
export const current = (fiber: AnyFiber): Pick<EvaluationSpan, "set"> & { readonly key: object } | undefined => {
  const span = effectSpan(fiber)
  if (span?._tag === "Span") {
    return {
      key: span,
      set: (attributes) => new EffectSpan(span, fiber.getRef(Clock.Clock)).set(attributes)
    }
  }
  const active = trace.getActiveSpan()
  return active && { key: active, set: (attributes) => void active.setAttributes(attributes) }
}

class OtelSpan implements EvaluationSpan {
  readonly #span: Otel.Span
  constructor(span: Otel.Span) {
    this.#span = span
  }
  set(attributes: Attributes): void {
    this.#span.setAttributes(attributes)
  }
  status({ message, type }: Failure): void {
    this.#span.setStatus({ code: SpanStatusCode.ERROR, message: message ?? type })
  }
  exception({ message, type }: Failure): void {
    this.#span.recordException({ name: type, message: message ?? type })
  }
  end(): void {
    this.#span.end()
  }
}

class EffectSpan implements EvaluationSpan {
  readonly #span: Tracer.Span
  readonly #clock: Clock.Clock
  #exit: Exit.Exit<void, string> = Exit.void
  constructor(span: Tracer.Span, clock: Clock.Clock) {
    this.#span = span
    this.#clock = clock
  }
  set(attributes: Attributes): void {
    for (const [key, value] of Object.entries(attributes)) this.#span.attribute(key, value)
  }
  // An exit that failed is what Effect's tracers take a status from.
  status({ message, type }: Failure): void {
    this.#exit = Exit.fail(message ?? type)
  }
  exception({ message, type }: Failure): void {
    const attributes = { "exception.type": type, "exception.message": message ?? type }
    this.#span.event("exception", this.#clock.currentTimeNanosUnsafe(), attributes)
  }
  end(): void {
    this.#span.end(this.#clock.currentTimeNanosUnsafe(), this.#exit)
  }
}
