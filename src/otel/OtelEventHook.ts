/**
 * A hook that emits an event for each evaluation, through the Logs API of
 * OpenTelemetry or Effect's logger.
 *
 * @since 0.1.0
 */
import type * as Otel from "@opentelemetry/api"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Severity } from "effect/LogLevel"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as Check from "../internal/check.ts"
import * as Services from "../internal/services.ts"
import { version } from "../internal/version.ts"
import type { Attributes } from "./EvaluationEvent.ts"
import * as Conventions from "./internal/conventions.ts"
import { contextOf } from "./internal/span.ts"
import * as Vocabulary from "./internal/vocabulary.ts"

/**
 * The part of the Logs API that this hook uses: `logs` of
 * `@opentelemetry/api-logs`, or of `@opentelemetry/api` since 1.10, or a logger
 * provider.
 *
 * **Details**
 *
 * It is an option, so this library needs no dependency on
 * `@opentelemetry/api-logs`.
 *
 * **Gotchas**
 *
 * Version 3 of the OpenTelemetry SDK has its logger provider in
 * `@opentelemetry/api`. The `logs` of `@opentelemetry/api-logs` do not use it.
 *
 * @category models
 * @since 0.1.0
 */
export interface LoggerProvider {
  /** Returns the logger of a scope. */
  readonly getLogger: (name: string, version?: string) => {
    /** Takes a log record. */
    readonly emit: (record: {
      /** The name of the event, `feature_flag.evaluation`. */
      readonly eventName: string
      /** The severity as a number from 1 to 24. */
      readonly severityNumber: number
      /** The severity as text, such as `INFO`. */
      readonly severityText: string
      /** The attributes of the event. */
      readonly attributes: Attributes
      /** The context of the caller, with its span. */
      readonly context: Otel.Context
    }) => void
  }
}

/**
 * The options of an event hook, with those of `Privacy`.
 *
 * **Details**
 *
 * - `attributes`, `dimensions`, `exclude`, `rewrite`, `version`: as in
 *   `OtelTracingHook.Options`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Vocabulary.Options {
  /** The destination of log records; Effect's logger by default. */
  readonly logs?: LoggerProvider | undefined
  /** The severity after a success, `"Info"` by default. */
  readonly level?: Severity | undefined
  /** The severity after an error, `"Warn"` by default. */
  readonly errorLevel?: Severity | undefined
}

// https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber
const severityNumbers: Readonly<Record<Severity, number>> = {
  Trace: 1,
  Debug: 5,
  Info: 9,
  Warn: 13,
  Error: 17,
  Fatal: 21
}

/**
 * Creates a hook that emits one event per evaluation, in `finally`.
 *
 * **Details**
 *
 * The event is `feature_flag.evaluation` with the attributes of
 * `EvaluationEvent.attributesOf`, and those that the options add. A log record of the Logs API carries the
 * caller's context, so it belongs to the caller's trace. With Effect's logger,
 * the attributes and `event.name` are log annotations, which Effect's OTLP
 * exporter exports.
 *
 * The hook is an observer: its failures go to `HookFailures` and never change an
 * evaluation.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that names the option when an option is invalid.
 *
 * **Example** (Using the global logger provider)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { logs } from "@opentelemetry/api-logs"
 * import { OpenFeatureHook } from "effect-openfeature"
 * import { OtelEventHook } from "effect-openfeature/otel"
 *
 * OpenFeature.getClient("checkout").addHooks(OpenFeatureHook.make(OtelEventHook.make({ logs })))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): FeatureHook.FeatureHook => {
  const { errorLevel = "Warn", level = "Info", logs } = Check.options("OtelEventHook.make", options, {
    ...Vocabulary.rules,
    logs: Check.withMethods("getLogger"),
    level: Check.severity,
    errorLevel: Check.severity
  })
  const vocabulary = new Vocabulary.Vocabulary(options)

  const emit = (
    context: HookContext,
    details: EvaluationDetails,
    services: Context.Context<never>
  ): Effect.Effect<void> | undefined => {
    const severity = details.errorCode === undefined ? level : errorLevel
    if (logs !== undefined) {
      logs.getLogger("effect-openfeature", version).emit({
        eventName: Conventions.event,
        severityNumber: severityNumbers[severity],
        severityText: severity.toUpperCase(),
        attributes: vocabulary.whole(context, details),
        context: contextOf(services)
      })
      return undefined
    }
    // Attributes cost time, so they are made only for a log level that is enabled.
    if (LogLevel.isLessThan(severity, Context.get(services, References.MinimumLogLevel))) return undefined
    const annotations = { "event.name": Conventions.event, ...vocabulary.whole(context, details) }
    return Effect.annotateLogs(Effect.logWithLevel(severity)(Conventions.event), annotations)
  }
  return FeatureHook.watcher(FeatureHook.make("otel-event", {
    finally: (context, details) => emit(context, details, Services.current())
  }))
}
