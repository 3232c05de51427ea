/**
 * A hook that logs evaluations.
 *
 * The fields follow Appendix A of the OpenFeature specification.
 *
 * @since 0.1.0
 */
import type { Logger } from "@openfeature/server-sdk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import { MinimumLogLevel } from "effect/References"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as Check from "../internal/check.ts"
import { nanosSince } from "../internal/duration.ts"
import { providerNameOf } from "../internal/hook/view.ts"
import * as SdkLogger from "../internal/sdkLogger.ts"
import * as Services from "../internal/services.ts"
import * as Privacy from "../Privacy.ts"

/**
 * The options of a logging hook, with those of `Privacy`.
 *
 * **Details**
 *
 * Of the options of `Privacy`, `values` adds `default_value` and `value`,
 * `errorMessage` adds `error_message`, `context` adds `evaluation_context`, and
 * `targetingKey` adds `targeting_key`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Privacy.Options {
  /** The log level of the `before` stage, `"Debug"` by default, or `false` to not log it. */
  readonly before?: LogLevel.Severity | false | undefined
  /** The log level of the `after` stage, `"Info"` by default, or `false` to not log it. */
  readonly after?: LogLevel.Severity | false | undefined
  /** The log level of the `error` stage, `"Error"` by default, or `false` to not log it. */
  readonly error?: LogLevel.Severity | false | undefined
  /** The logger. By default, that of the caller. */
  readonly logger?: Logger | undefined
}

type Fields = Record<string, string | number>

const set = (fields: Fields, name: string, text: string | undefined): void => {
  if (text !== undefined) fields[name] = text
}

/**
 * Creates a hook that logs the stages of an evaluation.
 *
 * **Details**
 *
 * The records go to Effect's loggers if a fiber evaluates the flag. For a caller
 * of the plain SDK, they go to the logger that the application gave to
 * `OpenFeature.setLogger` or `client.setLogger`, such as pino, winston or
 * `console`, and without one to Effect's default logger, which prints to the
 * console. Trace and Debug become `debug`, Error and Fatal become `error`. A
 * logger with levels of its own decides which records it keeps.
 *
 * Each record has the fields `stage`, `flag_key`, `flag_type`, `provider_name`
 * and, if the client has a domain, `domain`. A success adds `reason` and
 * `variant`, an error adds `error_code`, and both add `duration_ms`: the
 * milliseconds since the `before` stage of this hook. The fields are log
 * annotations, next to those of the caller.
 *
 * Each text is one line of bounded length, with control characters escaped.
 *
 * Flag values, error messages and the evaluation context can contain personal
 * data. They are logged only if the options include them.
 *
 * The hook is an observer: if a logger throws, the failure goes to
 * `HookFailures`. With all stages `false`, it does nothing.
 *
 * **Gotchas**
 *
 * Effect's default minimum log level is `Info`, so the default level of `before`
 * logs nothing there.
 *
 * Throws a `RangeError` that names the option when an option is unknown or has
 * an invalid value.
 *
 * **Example** (Logging values and an attribute)
 *
 * ```ts
 * import { LoggingHook } from "effect-openfeature"
 *
 * const hook = LoggingHook.make({ before: false, after: "Info", values: true, context: ["plan"] })
 * hook.name // => "logging"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): FeatureHook.FeatureHook => {
  const { after = "Info", before = "Debug", error = "Error", logger } = Check.options("LoggingHook.make", options, {
    ...Privacy.rules,
    before: Check.severityOrFalse,
    after: Check.severityOrFalse,
    error: Check.severityOrFalse,
    logger: SdkLogger.rule
  })
  if (before === false && after === false && error === false) return FeatureHook.empty
  const privacy = Privacy.fromChecked(options)
  const to = SdkLogger.to(logger)

  const common = (stage: string, context: HookContext): Fields => {
    const fields: Fields = {
      stage,
      provider_name: privacy.print(providerNameOf(context)),
      flag_key: privacy.print(context.flagKey),
      flag_type: context.flagValueType
    }
    const { domain } = context.clientMetadata
    if (domain !== undefined) fields["domain"] = privacy.print(domain)
    if (privacy.values) set(fields, "default_value", privacy.write("default_value", context.defaultValue))
    set(fields, "targeting_key", privacy.targetingKey(context))
    const attributes = privacy.attributes(context)
    if (attributes !== undefined) fields["evaluation_context"] = privacy.print(attributes)
    return fields
  }
  const ended = (stage: string, context: HookContext, { startedAt }: Start): Fields => {
    const fields = common(stage, context)
    if (startedAt !== undefined) fields["duration_ms"] = Number(nanosSince(startedAt, Services.clock()) / 1000n) / 1000
    return fields
  }
  const resolved = (fields: Fields, details: EvaluationDetails): Fields => {
    if (details.reason !== undefined) fields["reason"] = privacy.print(details.reason)
    if (details.variant !== undefined) set(fields, "variant", privacy.write("variant", details.variant))
    if (privacy.values) set(fields, "value", privacy.write("value", details.value))
    return fields
  }
  const isLogged = (level: LogLevel.Severity | false): level is LogLevel.Severity =>
    level !== false && (logger !== undefined ||
      LogLevel.isGreaterThanOrEqualTo(level, Context.get(Services.current(), MinimumLogLevel)))
  // Fields cost time, so they are made only for a log level that is enabled.
  const log = (
    level: LogLevel.Severity | false,
    message: string,
    fields: () => Fields
  ): Effect.Effect<void> | undefined =>
    isLogged(level) ? to(Effect.annotateLogs(Effect.logWithLevel(level)(message), fields())) : undefined

  return FeatureHook.watcher(FeatureHook.make("logging", {
    hookData: (): Start => ({ startedAt: undefined }),
    before: (context, _hints, start) => {
      if (isLogged(after) || isLogged(error)) start.startedAt = Services.clock().monotonicTimeNanosUnsafe()
      return log(before, "evaluating a feature flag", () => common("before", context))
    },
    after: after === false ?
      undefined :
      (context, details, _hints, start) =>
        log(after, "evaluated a feature flag", () => resolved(ended("after", context, start), details)),
    error: error === false ?
      undefined :
      (context, failure, _hints, start) =>
        log(error, "a feature flag evaluation failed", () => {
          const fields = ended("error", context, start)
          fields["error_code"] = failure.code
          set(fields, "error_message", privacy.errorMessage(failure.message))
          return fields
        })
  }))
}

interface Start {
  startedAt: bigint | undefined
}
