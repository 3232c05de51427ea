/**
 * A hook that logs evaluations with Effect's logger.
 *
 * The fields follow Appendix A of the OpenFeature specification.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import { MinimumLogLevel } from "effect/References"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as Check from "../internal/check.ts"
import { providerNameOf } from "../internal/hook/view.ts"
import * as Services from "../internal/services.ts"
import * as Privacy from "../Privacy.ts"

/**
 * The options of a logging hook, with those of `Privacy`.
 *
 * **Details**
 *
 * - `before`, `after`, `error`: the log level of the stage, or `false` to not
 *   log it; `"Debug"`, `"Debug"` and `"Error"` by default.
 * - `values`: adds `default_value` and `value`.
 * - `errorMessage`: adds `error_message`.
 * - `context`: adds `evaluation_context` with the named attributes.
 * - `targetingKey`: adds `targeting_key`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Privacy.Options {
  readonly before?: LogLevel.Severity | false | undefined
  readonly after?: LogLevel.Severity | false | undefined
  readonly error?: LogLevel.Severity | false | undefined
}

type Fields = Record<string, string>

const set = (fields: Fields, name: string, text: string | undefined): void => {
  if (text !== undefined) fields[name] = text
}

/**
 * Creates a hook that logs the stages of an evaluation.
 *
 * **Details**
 *
 * Each log record has the fields `stage`, `flag_key`, `provider_name` and, if
 * the client has a domain, `domain`. A success adds `reason` and `variant`, an
 * error adds `error_code`. The fields are log annotations, next to those of the
 * caller.
 *
 * Each field is one line of bounded length, with control characters escaped.
 *
 * Flag values, error messages and the evaluation context can contain personal
 * data. They are logged only if the options include them.
 *
 * The hook is an observer: if a logger throws, the failure goes to
 * `HookFailures`.
 *
 * **Gotchas**
 *
 * Effect's default minimum log level is `Info`, so the default levels of
 * `before` and `after` log nothing. Lower the minimum level, or raise these
 * levels.
 *
 * Throws a `RangeError` when a log level is unknown, all stages are `false`, or
 * an option of `Privacy` is invalid.
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
  const { after = "Debug", before = "Debug", error = "Error" } = Check.options("LoggingHook.make", options, {
    ...Privacy.rules,
    before: Check.severityOrFalse,
    after: Check.severityOrFalse,
    error: Check.severityOrFalse
  })
  const privacy = Privacy.fromChecked(options)

  const common = (stage: string, context: HookContext): Fields => {
    const fields: Fields = {
      stage,
      provider_name: privacy.print(providerNameOf(context)),
      flag_key: privacy.print(context.flagKey)
    }
    const { domain } = context.clientMetadata
    if (domain !== undefined) fields["domain"] = privacy.print(domain)
    if (privacy.values) set(fields, "default_value", privacy.write("default_value", context.defaultValue))
    set(fields, "targeting_key", privacy.targetingKey(context))
    const attributes = privacy.attributes(context)
    if (attributes !== undefined) fields["evaluation_context"] = privacy.print(attributes)
    return fields
  }
  const resolved = (fields: Fields, details: EvaluationDetails): Fields => {
    if (details.reason !== undefined) fields["reason"] = privacy.print(details.reason)
    if (details.variant !== undefined) set(fields, "variant", privacy.write("variant", details.variant))
    if (privacy.values) set(fields, "value", privacy.write("value", details.value))
    return fields
  }
  // Fields cost time, so they are made only for a log level that is enabled.
  const log = (level: LogLevel.Severity, message: string, fields: () => Fields): Effect.Effect<void> | undefined =>
    LogLevel.isGreaterThanOrEqualTo(level, Context.get(Services.current(), MinimumLogLevel))
      ? Effect.annotateLogs(Effect.logWithLevel(level)(message), fields())
      : undefined

  return FeatureHook.observe(FeatureHook.make("logging", {
    before: before === false
      ? undefined
      : (context) => log(before, "evaluating a feature flag", () => common("before", context)),
    after: after === false
      ? undefined
      : (context, details) => log(after, "evaluated a feature flag", () => resolved(common("after", context), details)),
    error: error === false
      ? undefined
      : (context, failure) =>
        log(error, "a feature flag evaluation failed", () => {
          const fields = common("error", context)
          fields["error_code"] = failure.code
          set(fields, "error_message", privacy.errorMessage(failure.message))
          return fields
        })
  }))
}
