/**
 * A hook that refuses flags that need another version of the code.
 *
 * A flag can be switched on before the code that it needs is deployed
 * everywhere. Its metadata says from which version on it is safe, and older
 * processes serve their default values.
 *
 * @since 0.2.0
 */
import * as Exit from "effect/Exit"
import type * as Duration from "effect/Duration"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import { EvaluationError } from "../EvaluationError.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { FlagFilter } from "../FlagFilter.ts"
import type { HookContext } from "../HookContext.ts"
import * as Check from "../internal/check.ts"
import { tell } from "../internal/hook/tell.ts"
import { Limiter } from "../internal/limiter.ts"
import * as Semver from "../internal/semver.ts"
import * as Services from "../internal/services.ts"
import { oneLine, quote } from "../internal/text.ts"
import { readOwn } from "../internal/untrusted.ts"

/**
 * The options of a version gate.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** The version of the running code, such as `"2.3.0"`: a semantic version (semver.org). */
  readonly version: string
  /** The name of the flag metadata with the lowest version that may use the flag, `"minVersion"` by default. */
  readonly metadataKey?: string | undefined
  /** The name of the flag metadata with the highest version that may use the flag, `"maxVersion"` by default. */
  readonly maxMetadataKey?: string | undefined
  /**
   * What happens when the metadata is not a version: `"refuse"`, the default, or
   * `"allow"`. It is reported to `HookFailures` in both cases.
   */
  readonly onInvalid?: "refuse" | "allow" | undefined
  /** The evaluations to check; all by default. */
  readonly flags?: FlagFilter | undefined
  /** The minimum time between two reports of invalid metadata of the same flag; 1 minute by default. */
  readonly interval?: Duration.Input | undefined
}

/** One end of the range of versions that may use a flag. */
interface End {
  readonly key: string
  /** Whether this code is beyond the version in the metadata, by the order of the two. */
  readonly isBeyond: (order: number) => boolean
  readonly needed: string
}

const maxCauses = 1024

const aVersion: Check.Rule = (owner, name, value) => {
  if (Semver.parse(value) === undefined) Check.reject(owner, name, "a semantic version, such as \"2.3.0\"", value)
}

/**
 * Creates a hook that refuses flags that need another version of the code.
 *
 * **When to use**
 *
 * Use when a flag must not reach instances that run old code, for example while
 * a deployment is rolled out, or after one was rolled back.
 *
 * **Details**
 *
 * A flag with the metadata `minVersion: "2.3.0"` is for the version 2.3.0 and
 * newer, one with `maxVersion: "3.0.0"` for 3.0.0 and older. Otherwise the caller
 * gets the default value with the code `GENERAL`: OpenFeature has no code for
 * that. The message has both versions. A flag without such metadata is for all.
 *
 * Versions have the order of semver.org, so `2.3.0-rc.1` is older than `2.3.0`, and
 * build metadata, as in `2.3.0+5114f85`, does not count. Metadata that is not a
 * version is an error of the flag's configuration, and has the code `PARSE_ERROR`.
 *
 * **Gotchas**
 *
 * A pre-release does not fulfil `minVersion: "2.3.0"`. Write `"2.3.0-0"` to allow the
 * pre-releases of 2.3.0.
 *
 * Put it last in the list of hooks, so that all others see the failure. Hooks after
 * it in the list see a success.
 *
 * Throws a `RangeError` that names the option when an option is missing, invalid
 * or unknown.
 *
 * **Example** (A flag for newer code)
 *
 * ```ts
 * import { VersionGateHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const gate = VersionGateHook.make({ version: "2.3.0-rc.1" })
 * const { details } = await Fixtures.runPromise(gate, {
 *   details: { value: true, flagMetadata: { minVersion: "2.3.0" } }
 * })
 * details.value // => false
 * details.errorMessage // => "the flag needs version 2.3.0 or newer, this is 2.3.0-rc.1"
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: Options): FeatureHook.FeatureHook<EvaluationError> => {
  const owner = "VersionGateHook.make"
  const {
    flags,
    interval = "1 minute",
    maxMetadataKey = "maxVersion",
    metadataKey = "minVersion",
    onInvalid = "refuse",
    version
  } = Check.options(owner, options, {
    version: aVersion,
    metadataKey: Check.aText,
    maxMetadataKey: Check.aText,
    onInvalid: Check.among("refuse", "allow"),
    flags: Check.aFunction,
    interval: Check.positiveDuration
  })
  const running = Semver.parse(version)
  if (running === undefined) throw new RangeError(`${owner}: version is missing`)
  if (metadataKey === maxMetadataKey) throw new RangeError(`${owner}: metadataKey and maxMetadataKey must differ`)
  const limiter = new Limiter(interval, maxCauses)
  const name = "version-gate"
  const ends: ReadonlyArray<End> = [
    { key: metadataKey, isBeyond: (order) => order < 0, needed: "or newer" },
    { key: maxMetadataKey, isBeyond: (order) => order > 0, needed: "or older" }
  ]

  const refusal = ({ flagKey }: HookContext, code: "GENERAL" | "PARSE_ERROR", message: string): EvaluationError =>
    new EvaluationError({ code, message, flagKey })

  const invalid = (context: HookContext, { key }: End): EvaluationError | undefined => {
    const error = refusal(context, "PARSE_ERROR", `the metadata ${quote(key, 64)} of the flag is not a version`)
    const cause = `${key}\n${oneLine(context.flagKey, 256)}`
    if (limiter.take(cause, Services.clock().monotonicTimeNanosUnsafe()) !== undefined) {
      // The flag is wrong and not the hook, so the log line says what is.
      tell(name, "after", context.flagKey, new Check.Advice(error.message))
    }
    return onInvalid === "refuse" ? error : undefined
  }

  const check = (context: HookContext, details: EvaluationDetails, end: End): EvaluationError | undefined => {
    const given = readOwn(details.flagMetadata, end.key)
    if (given === undefined) return undefined
    const bound = Semver.parse(given)
    if (bound === undefined) return invalid(context, end)
    if (!end.isBeyond(Semver.compare(running, bound))) return undefined
    return refusal(context, "GENERAL", `the flag needs version ${bound.text} ${end.needed}, this is ${version}`)
  }

  const gate = FeatureHook.make(name, {
    after: (context, details): Exit.Exit<void, EvaluationError> | undefined => {
      for (const end of ends) {
        const error = check(context, details, end)
        if (error !== undefined) return Exit.fail(error)
      }
      return undefined
    }
  })
  return flags === undefined ? gate : FeatureHook.when(gate, flags)
}
