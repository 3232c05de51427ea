/**
 * A hook that tells of every evaluation in one event, through the Logs API of
 * OpenTelemetry or through Effect's logger.
 *
 * @since 0.1.0
 */
import type * as Otel from "@opentelemetry/api"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Severity } from "effect/LogLevel"
import * as LogLevel from "effect/LogLevel"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import * as FeatureHook from "../FeatureHook.ts"
import * as Check from "../internal/check.ts"
import { contextOf } from "../internal/otel/span.ts"
import * as Privacy from "../Privacy.ts"
import type { Attributes } from "./EvaluationEvent.ts"
import * as EvaluationEvent from "./EvaluationEvent.ts"
import * as SemanticConventions from "./SemanticConventions.ts"

/**
 * What this hook needs of the Logs API: `logs` of `@opentelemetry/api-logs`, or
 * of `@opentelemetry/api` since 1.10, or a logger provider.
 *
 * **Details**
 *
 * It is handed in, so that nothing here imports a package that you may not have.
 *
 * **Gotchas**
 *
 * Version 3 of the OpenTelemetry SDK has its logger provider in
 * `@opentelemetry/api`; the `logs` of `@opentelemetry/api-logs` do not reach it.
 *
 * @category models
 * @since 0.1.0
 */
export interface LoggerProvider {
  readonly getLogger: (name: string) => {
    readonly emit: (record: {
      readonly eventName: string
      readonly severityNumber: number
      readonly severityText: string
      readonly attributes: Attributes
      readonly context: Otel.Context
    }) => void
  }
}

/**
 * The settings of an event hook, with those of `Privacy` for what may be told.
 *
 * **Details**
 *
 * - `logs`: where log records go to; by default Effect's logger.
 * - `level`, `errorLevel`: the severity of a success and of an error, `"Info"`
 *   and `"Warn"` by default.
 * - `version`: whose names the attributes have, `"1.45"` by default.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Privacy.Options {
  readonly logs?: LoggerProvider | undefined
  readonly level?: Severity | undefined
  readonly errorLevel?: Severity | undefined
  readonly version?: SemanticConventions.Version | undefined
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

const severities: ReadonlyArray<Severity> = ["Trace", "Debug", "Info", "Warn", "Error", "Fatal"]

const severityOf = (name: string, level: Severity): Severity =>
  Check.oneOf("OtelEventHook.make", name, severities, level)

/**
 * Creates a hook that tells of every evaluation in one event, in `finally`.
 *
 * **Details**
 *
 * The event is `feature_flag.evaluation` with the attributes of
 * `EvaluationEvent.attributesOf`. A log record of the Logs API carries the
 * caller's context, so it belongs to the caller's trace. Through Effect's logger
 * the attributes are log annotations, with `event.name` among them, and Effect's
 * own OTLP exporter carries them.
 *
 * It is an observer: whatever goes wrong in it is reported to `HookFailures`.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that names the option when one is not what it may be.
 *
 * **Example** (Events through the global logger provider)
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
  const { logs } = options
  const version = SemanticConventions.checkedVersion("OtelEventHook.make", options.version)
  const level = severityOf("level", options.level ?? "Info")
  const errorLevel = severityOf("errorLevel", options.errorLevel ?? "Warn")
  const privacy = Privacy.make("OtelEventHook.make", options)
  const levelOf = (details: EvaluationDetails): Severity => details.errorCode === undefined ? level : errorLevel
  const emit = (attributes: Attributes, severity: Severity, fiber: Fiber.Fiber<unknown, unknown>) => {
    if (logs === undefined) {
      const annotations = { "event.name": SemanticConventions.event, ...attributes }
      return Effect.annotateLogs(Effect.logWithLevel(severity)(SemanticConventions.event), annotations)
    }
    logs.getLogger("effect-openfeature").emit({
      eventName: SemanticConventions.event,
      severityNumber: severityNumbers[severity],
      severityText: severity.toUpperCase(),
      attributes,
      context: contextOf(fiber)
    })
    return Effect.void
  }
  // Attributes are made only for an event that somebody will see.
  const isSeen = (severity: Severity, fiber: Fiber.Fiber<unknown, unknown>): boolean =>
    logs !== undefined || LogLevel.isGreaterThanOrEqualTo(severity, fiber.cache.minimumLogLevel)
  return FeatureHook.observe(FeatureHook.make("otel-event", {
    finally: (context, details) =>
      Effect.withFiber((fiber) => {
        const severity = levelOf(details)
        return isSeen(severity, fiber)
          ? emit(EvaluationEvent.attributesOf(context, details, privacy, version), severity, fiber)
          : Effect.void
      })
  }))
}
