/**
 * Overrides of flags from the configuration of an application, such as environment
 * variables.
 *
 * It has an import of its own, since Effect's `Config` cannot be loaded by Jest
 * with a transform to CommonJS.
 *
 * @since 0.2.0
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Check from "../internal/check.ts"
import * as Internal from "../internal/hook/overrides.ts"
import * as Started from "../internal/started.ts"
import { oneLine, quote } from "../internal/text.ts"
import { isRecord } from "../internal/untrusted.ts"
import type { Source } from "./OverrideHook.ts"

/**
 * The names of the variables.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** The variable with all overrides, `"FEATURE_FLAG_OVERRIDES"` by default. */
  readonly variable?: string | undefined
  /**
   * The flag keys that have a variable of their own: `FEATURE_FLAG_OVERRIDE_` and
   * the key in upper case, with `_` for each character that is no letter and no
   * digit. These come first. None by default.
   */
  readonly flags?: ReadonlyArray<string> | undefined
}

/**
 * Returns the name of the variable of a flag.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the flag key is not a text, or is empty.
 *
 * **Example** (Finding the variable)
 *
 * ```ts
 * import * as OverrideConfig from "effect-openfeature/hooks/OverrideConfig"
 *
 * OverrideConfig.variableOf("new-checkout") // => "FEATURE_FLAG_OVERRIDE_NEW_CHECKOUT"
 * ```
 *
 * @category getters
 * @since 0.2.0
 */
export const variableOf = (flagKey: string): string =>
  variableFor(Check.aText("OverrideConfig.variableOf", "the flag key", flagKey))

const variableFor = (flagKey: string): string =>
  `FEATURE_FLAG_OVERRIDE_${flagKey.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`

const optional = (variable: string): Config.Config<string | undefined> =>
  Config.map(Config.option(Config.String(variable)), Option.getOrUndefined)

// The error of a schema would have the text of the variable.
const refuse = (variable: string, text: string): Config.ConfigError =>
  new Config.ConfigError(new ConfigProvider.SourceError({ message: `${oneLine(variable, 128)}: ${text}` }))

const entriesOf = (variable: string, flag?: string): Config.Config<ReadonlyArray<Internal.Entry>> =>
  Config.mapEffect(optional(variable), (text) => {
    if (text === undefined || text.trim() === "") return Effect.succeed([])
    const entries = Internal.parseJson(text, flag)
    return Internal.isProblem(entries) ? Effect.fail(refuse(variable, entries.text)) : Effect.succeed(entries)
  })

const configOf = (owner: string, options: Options): Config.Config<Source> => {
  const { flags = [], variable = "FEATURE_FLAG_OVERRIDES" } = Check.options(owner, options, {
    variable: Check.aText,
    flags: Check.names
  })
  const variables = new Map<string, string | undefined>([[variable, undefined]])
  for (const flag of flags) {
    const own = variableFor(Check.aText(owner, "a flag key", flag))
    if (variables.has(own)) {
      const name = oneLine(own, 128)
      throw new RangeError(
        `${owner}: the variable ${name} of the flag ${quote(flag, 64)} stands for something else, too`
      )
    }
    variables.set(own, flag)
  }
  // The variables of single flags come first, since the first override that matches holds.
  const all = Array.from(variables, ([own, flag]) => entriesOf(own, flag)).reverse()
  return Config.map(Config.all(all), (found) => {
    const table = new Internal.Table(found.flat(), "environment")
    return Internal.sourceOf("environment", () => table)
  })
}

/**
 * Reads overrides with Effect's `Config`.
 *
 * **Details**
 *
 * A variable has JSON, in the form of the option `overrides` of `OverrideHook`:
 * `{"new-checkout":true}`. The variable of a single flag has its value: `true`,
 * `"Hello"` in quotes, or `{"value":true,"subjects":["user-1"]}`. A variable that is
 * missing or empty has no overrides.
 *
 * It fails with a `ConfigError` that names the variable when a variable is not JSON,
 * or has a value that is no flag value. The error never has the value.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when an option is invalid or unknown, or when two flags have
 * the same variable.
 *
 * **Example** (Reading the environment)
 *
 * ```ts
 * import { ConfigProvider, Effect } from "effect"
 * import { OverrideHook } from "effect-openfeature"
 * import * as OverrideConfig from "effect-openfeature/hooks/OverrideConfig"
 *
 * const program = Effect.gen(function*() {
 *   const environment = yield* OverrideConfig.config()
 *   const { list } = yield* OverrideHook.make({ enabled: true, sources: [environment], logLevel: false })
 *   return yield* list
 * })
 * const env = { FEATURE_FLAG_OVERRIDES: "{\"new-checkout\":true}" }
 * const inEnv = Effect.provideService(program, ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
 * await Effect.runPromise(inEnv) // => [{ source: "environment", flag: "new-checkout" }]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const config = (options: Options = {}): Config.Config<Source> => configOf("OverrideConfig.config", options)

/**
 * Reads overrides from environment variables, for an application without Effect.
 *
 * **Details**
 *
 * The same as `config`. The second argument has the variables, those of the process
 * by default.
 *
 * **Gotchas**
 *
 * Throws like `config`, and a `RangeError` that names the variable when a variable
 * is not valid.
 *
 * **Example** (Reading a variable of one flag)
 *
 * ```ts
 * import { OverrideHook } from "effect-openfeature"
 * import * as OverrideConfig from "effect-openfeature/hooks/OverrideConfig"
 *
 * const environment = OverrideConfig.fromEnvironment(
 *   { flags: ["new-checkout"] },
 *   { FEATURE_FLAG_OVERRIDE_NEW_CHECKOUT: "true" } // process.env by default
 * )
 * const { list } = OverrideHook.makeUnsafe({ enabled: true, sources: [environment], logLevel: false })
 * list() // => [{ source: "environment", flag: "new-checkout" }]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const fromEnvironment = (
  options: Options = {},
  env?: Readonly<Record<string, string | undefined>>
): Source => {
  const owner = "OverrideConfig.fromEnvironment"
  // A text in its place can have a secret.
  if (env !== undefined && !isRecord(env)) throw new RangeError(`${owner}: the environment must be an object`)
  const given = env === undefined
    ? undefined
    : { env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value ?? ""])) }
  const read = configOf(owner, options).parse(ConfigProvider.fromEnv(given))
  return Started.runSync(Effect.match(read, {
    onFailure: ({ cause: { message } }) => {
      throw new RangeError(`${owner}: ${message}`)
    },
    onSuccess: (source) => source
  }))
}
