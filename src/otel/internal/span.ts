/** The span of an evaluation: Effect's if Effect has a tracer, otherwise one of the OpenTelemetry API. */
import type * as Otel from "@opentelemetry/api"
import { context, ProxyTracerProvider, SpanStatusCode, trace } from "@opentelemetry/api"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Tracer from "effect/Tracer"
import { read } from "../../internal/untrusted.ts"
import { version } from "../../internal/version.ts"
import type { Attributes } from "./attributes.ts"
import * as Roots from "./roots.ts"

export interface Failure {
  readonly type: string
  readonly message: string | undefined
}

export interface EvaluationSpan {
  set(attributes: Attributes): void
  status(failure: Failure): void
  event(name: string, attributes: Attributes): void
  end(): void
}

/** Where attributes of a caller's span go. Its `key` is its identity. */
export interface CallerSpan {
  readonly key: object
  set(attributes: Attributes): void
}

type Services = Context.Context<never>

// Looks up the tracer without its default, since spans of Effect's default tracer are not exported.
const isTraced = (services: Services): boolean => Context.getOrUndefined(services, Tracer.Tracer) !== undefined

const effectSpan = (services: Services): Tracer.AnySpan | undefined =>
  isTraced(services) ? Context.getOrUndefined(services, Tracer.ParentSpan) : undefined

// An unexported span is never a parent; use its nearest exported ancestor.
const propagated = (span: Tracer.AnySpan | undefined): Tracer.AnySpan | undefined => {
  if (span === undefined || !Context.get(span.annotations, Tracer.DisablePropagation)) return span
  return span._tag === "Span" ? propagated(Option.getOrUndefined(span.parent)) : undefined
}

/** The caller's OpenTelemetry context, with Effect's span if Effect is traced. */
export const contextOf = (services: Services): Otel.Context => {
  const active = context.active()
  const span = propagated(effectSpan(services))
  if (span === undefined) return active
  const { sampled, spanId, traceId } = span
  // Effect keeps the short trace ids of B3.
  return trace.setSpanContext(active, { traceId: traceId.padStart(32, "0"), spanId, traceFlags: sampled ? 1 : 0 })
}

/** Starts the spans of one hook, with the current tracer. */
export class Spans {
  readonly #given: Otel.TracerProvider | undefined
  #provider: Otel.TracerProvider | undefined = undefined
  #tracer: Otel.Tracer | undefined = undefined

  constructor(given: Otel.TracerProvider | undefined) {
    this.#given = given
  }
  // A provider builds a string to look up a tracer, so the tracer is kept.
  #current(): Otel.Tracer {
    const found = this.#given ?? trace.getTracerProvider()
    const provider = found instanceof ProxyTracerProvider ? found.getDelegate() : found
    if (this.#tracer !== undefined && provider === this.#provider) return this.#tracer
    this.#provider = provider
    return this.#tracer = provider.getTracer("effect-openfeature", version)
  }
  start(services: Services, name: string, attributes: Attributes): EvaluationSpan {
    if (this.#given === undefined && isTraced(services)) {
      const span = Effect.runSyncWith(services)(Effect.makeSpan(name, { attributes }))
      return new EffectSpan(span, Context.get(services, Clock.Clock))
    }
    return new OtelSpan(this.#current().startSpan(name, { attributes }, contextOf(services)))
  }
}

const ofOtel = (span: Otel.Span): CallerSpan => ({
  key: span,
  set: (attributes) => void span.setAttributes(attributes)
})

const ofEffect = (span: Tracer.Span, services: Services): CallerSpan => ({
  key: span,
  set: (attributes) => new EffectSpan(span, Context.get(services, Clock.Clock)).set(attributes)
})

/** The caller's current span. */
export const current = (services: Services): CallerSpan | undefined => {
  const span = effectSpan(services)
  if (span?._tag === "Span") return ofEffect(span, services)
  const active = trace.getActiveSpan()
  return active && ofOtel(active)
}

const rootOf = (span: Tracer.Span): Tracer.Span => {
  let root = span
  for (
    let next = Option.getOrUndefined(span.parent);
    next?._tag === "Span";
    next = Option.getOrUndefined(next.parent)
  ) {
    if (next.status._tag === "Started" && !Context.get(next.annotations, Tracer.DisablePropagation)) root = next
  }
  return root
}

/** The topmost known span of the caller in this process that has not ended. */
export const root = (services: Services): CallerSpan | undefined => {
  const span = effectSpan(services)
  if (span?._tag === "Span") {
    const top = rootOf(span)
    // A span of `@effect/opentelemetry` wraps one of the API, which can have a parent that Effect does not know.
    const wrapped = read(top, "span")
    const outer = Predicate.isObject(wrapped) ? Roots.find(wrapped) : undefined
    return outer === undefined || outer === wrapped ? ofEffect(top, services) : ofOtel(outer)
  }
  const active = trace.getActiveSpan()
  return active && ofOtel(Roots.find(active) ?? active)
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
  event(name: string, attributes: Attributes): void {
    this.#span.addEvent(name, attributes)
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
  // Effect's tracers derive the status of a span from its exit.
  status({ message, type }: Failure): void {
    this.#exit = Exit.fail(message ?? type)
  }
  event(name: string, attributes: Attributes): void {
    this.#span.event(name, this.#clock.currentTimeNanosUnsafe(), attributes)
  }
  end(): void {
    this.#span.end(this.#clock.currentTimeNanosUnsafe(), this.#exit)
  }
}
