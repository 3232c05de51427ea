/**
 * A hook that validates the evaluation context before a flag is resolved.
 *
 * @since 0.1.0
 */
import type { Logger } from "@openfeature/server-sdk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { EvaluationError } from "../EvaluationError.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { FlagFilter } from "../FlagFilter.ts"
import type { HookContext } from "../HookContext.ts"
import * as Check from "../internal/check.ts"
import { attributeOf } from "../internal/hook/view.ts"
import * as SdkLogger from "../internal/sdkLogger.ts"
import { oneLine } from "../internal/text.ts"

/**
 * The options of a context validator.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Requires a targeting key that is a non-empty string; `false` by default. */
  readonly requireTargetingKey?: boolean | undefined
  /** Names of required attributes; none by default. */
  readonly requiredAttributes?: ReadonlyArray<string> | undefined
  /** A schema for the whole evaluation context; none by default. */
  readonly schema?: Schema.ConstraintDecoder<unknown> | undefined
  /** The evaluations to validate; all by default. */
  readonly flags?: FlagFilter | undefined
  /**
   * `"warn"`, the default, logs a warning. `"reject"` rejects the evaluation, so
   * the caller gets the default value.
   */
  readonly mode?: "warn" | "reject" | undefined
  /** The logger of the warnings. By default, that of the caller. */
  readonly logger?: Logger | undefined
}

type Rule = (context: HookContext) => EvaluationError | undefined

const targetingKey: Rule = (context) => {
  const found = attributeOf(context, "targetingKey")
  return typeof found === "string" && found !== "" ? undefined : new EvaluationError({
    code: "TARGETING_KEY_MISSING",
    message: "the evaluation context has no targeting key"
  })
}

// An operator wants to know all of them at once.
const attributes = (names: ReadonlyArray<string>): Rule => (context) => {
  const missing = names.filter((name) => attributeOf(context, name) === undefined)
  return missing.length === 0 ? undefined : new EvaluationError({
    code: "INVALID_CONTEXT",
    message: `the evaluation context has no attribute ${missing.map((name) => `"${oneLine(name, 128)}"`).join(", ")}`
  })
}

const fits = (schema: Schema.ConstraintDecoder<unknown>): Rule => {
  const decode = Schema.decodeUnknownOption(schema)
  return (context) =>
    Option.isSome(decode(context.context)) ? undefined : new EvaluationError({
      code: "INVALID_CONTEXT",
      message: "the evaluation context does not fit the schema"
    })
}

/**
 * Creates a hook that validates the evaluation context.
 *
 * **Details**
 *
 * The rules run in the order targeting key, attributes, schema, up to the first
 * violation, which names all missing attributes. They see the contributions of
 * earlier hooks. Without a rule, the hook does nothing.
 *
 * In the mode `"reject"`, the error code is `TARGETING_KEY_MISSING` for the
 * targeting key and `INVALID_CONTEXT` for the other rules. Warnings and error
 * messages contain names of attributes, never values.
 *
 * **Gotchas**
 *
 * The schema must decode synchronously. An asynchronous schema never matches. In
 * the mode `"warn"` the hook is an observer, so a schema that throws does not
 * affect the evaluation.
 *
 * Throws a `RangeError` that names the option when an option is unknown or has
 * an invalid value.
 *
 * **Example** (Requiring a targeting key)
 *
 * ```ts
 * import { ContextValidatorHook, FlagFilter } from "effect-openfeature"
 *
 * const hook = ContextValidatorHook.make({
 *   requireTargetingKey: true,
 *   requiredAttributes: ["plan"],
 *   flags: FlagFilter.prefix("checkout-"),
 *   mode: "reject"
 * })
 * hook.name // => "context-validator"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): FeatureHook.FeatureHook<EvaluationError> => {
  const owner = "ContextValidatorHook.make"
  const { flags, mode = "warn", requiredAttributes = [] } = Check.options(owner, options, {
    requireTargetingKey: Check.aBoolean,
    requiredAttributes: Check.names,
    schema: (owner, name, value) => Schema.isSchema(value) || Check.reject(owner, name, "a schema", value),
    flags: Check.aFunction,
    mode: Check.among("warn", "reject"),
    logger: SdkLogger.rule
  })
  const logger = SdkLogger.to(options.logger)
  if (requiredAttributes.includes("")) {
    throw new RangeError("ContextValidatorHook.make: requiredAttributes must not contain an empty name")
  }
  const rules: Array<Rule> = [
    ...options.requireTargetingKey === true ? [targetingKey] : [],
    ...requiredAttributes.length === 0 ? [] : [attributes(requiredAttributes)],
    ...options.schema === undefined ? [] : [fits(options.schema)]
  ]
  if (rules.length === 0) return FeatureHook.empty
  const broken = (context: HookContext): EvaluationError | undefined => {
    for (const rule of rules) {
      const error = rule(context)
      if (error !== undefined) return error
    }
    return undefined
  }

  const validator = FeatureHook.make("context-validator", {
    before: (context) => {
      const error = broken(context)
      if (error === undefined) return undefined
      if (mode === "reject") return Effect.fail(error)
      return logger(Effect.annotateLogs(Effect.logWarning(error.message), {
        flag_key: oneLine(context.flagKey, 256),
        error_code: error.code
      }))
    }
  })
  const hook = mode === "reject" ? validator : FeatureHook.watcher(validator)
  return flags === undefined ? hook : FeatureHook.when(hook, flags)
}
