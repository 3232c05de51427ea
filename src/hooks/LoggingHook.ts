/**
 * A hook that logs evaluations with Effect's logger.
 *
 * The fields are those of Appendix A of the OpenFeature specification.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as EvaluationContext from "../EvaluationContext.ts"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import { oneLine, printValue } from "../internal/text.ts"

/**
 * The settings of a logging hook.
 *
 * **Details**
 *
 * - `before`, `after`, `error`: the level of that stage's record, or `false` for
 *   none; `"Debug"`, `"Debug"` and `"Error"` by default.
 * - `values`: adds `default_value` and `value`; `false` by default.
 * - `errorMessage`: adds `error_message`; `false` by default.
 * - `context`: the attributes of the evaluation context to add as
 *   `evaluation_context`, by name, `targetingKey` among them; none by default.
 * - `maxLength`: the longest text of a field in characters, 500 by default.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly before?: LogLevel.Severity | false | undefined
  readonly after?: LogLevel.Severity | false | undefined
  readonly error?: LogLevel.Severity | false | undefined
  readonly values?: boolean | undefined
  readonly errorMessage?: boolean | undefined
  readonly context?: ReadonlyArray<string> | undefined
  readonly maxLength?: number | undefined
}

type Fields = Record<string, string>

/**
 * Creates a hook that logs a record per stage.
 *
 * **Details**
 *
 * Every record has `stage`, `flag_key`, `provider_name` and, where the client
 * has one, `domain`; after a success also `reason` and `variant`, after an error
 * `error_code`. They are log annotations, so they stand beside those of the
 * caller. A record is one line whatever the flag key contains: control
 * characters are escaped, long texts are cut.
 *
 * Values, error texts and the evaluation context are data of your users and stay
 * out unless you name them.
 *
 * It is an observer: a logger that throws is reported to `HookFailures` and
 * changes nothing.
 *
 * **Gotchas**
 *
 * Effect's default minimum level is `Info`, so the default levels of `before`
 * and `after` are silent until you lower it or raise them.
 *
 * Throws a `RangeError` when `maxLength` is not an integer of at least 1, or no
 * stage is logged.
 *
 * **Example** (Logging what was resolved, with the plan of the user)
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
  const maxLength = options.maxLength ?? 500
  if (!Number.isInteger(maxLength) || maxLength < 1) {
    throw new RangeError(`LoggingHook.make: maxLength must be an integer >= 1, got ${maxLength}`)
  }
  const { after = "Debug", before = "Debug", error = "Error" } = options
  if (before === false && after === false && error === false) {
    throw new RangeError("LoggingHook.make: at least one of before, after and error must be logged")
  }

  const common = (stage: string, context: HookContext): Fields => {
    const fields: Fields = {
      stage,
      provider_name: oneLine(context.providerMetadata.name, maxLength),
      flag_key: oneLine(context.flagKey, maxLength)
    }
    const { domain } = context.clientMetadata
    if (domain !== undefined) fields["domain"] = oneLine(domain, maxLength)
    if (options.values === true) fields["default_value"] = printValue(context.defaultValue, maxLength)
    if (options.context !== undefined) {
      fields["evaluation_context"] = printValue(EvaluationContext.pick(context.context, options.context), maxLength)
    }
    return fields
  }
  const resolved = (fields: Fields, details: EvaluationDetails): Fields => {
    if (details.reason !== undefined) fields["reason"] = oneLine(details.reason, maxLength)
    if (details.variant !== undefined) fields["variant"] = oneLine(details.variant, maxLength)
    if (options.values === true) fields["value"] = printValue(details.value, maxLength)
    return fields
  }
  // The fields are made only for a record that somebody will see.
  const log = (level: LogLevel.Severity, message: string, fields: () => Fields): Effect.Effect<void> =>
    Effect.withFiber((fiber) =>
      LogLevel.isGreaterThanOrEqualTo(level, fiber.cache.minimumLogLevel)
        ? Effect.annotateLogs(Effect.logWithLevel(level)(message), fields())
        : Effect.void
    )

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
          if (options.errorMessage === true) fields["error_message"] = oneLine(failure.message, maxLength)
          return fields
        })
  }))
}
