/**
 * Fixed values of flags, in place of those of the provider.
 *
 * Overrides come from code, from the environment (`OverrideConfig`), from a file
 * (`OverrideFile`), or from a signed token of a request (`OverrideToken`).
 *
 * @since 0.2.0
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Effect from "effect/Effect"
import type { Severity } from "effect/LogLevel"
import type { FlagValue } from "../EvaluationDetails.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { FlagFilter } from "../FlagFilter.ts"
import * as HookFailures from "../HookFailures.ts"
import * as Check from "../internal/check.ts"
import * as Internal from "../internal/hook/overrides.ts"
import * as SdkLogger from "../internal/sdkLogger.ts"
import * as Started from "../internal/started.ts"
import { oneLine, printValue } from "../internal/text.ts"
import { read } from "../internal/untrusted.ts"

/**
 * The value of a flag, with more about it.
 *
 * @category models
 * @since 0.2.0
 */
export interface Override {
  /** The value. A value of another type than the flag's is a `TYPE_MISMATCH`. */
  readonly value: FlagValue
  /** The name of the variant. None by default. */
  readonly variant?: string | undefined
  /** The targeting keys that the override is for. All subjects by default, also evaluations without one. */
  readonly subjects?: string | ReadonlyArray<string> | undefined
}

/**
 * Overrides by flag key: a value, or an `Override`.
 *
 * **Gotchas**
 *
 * An object with the field `value` is an `Override`. So write the object
 * `{ value: 1 }` as `{ value: { value: 1 } }`.
 *
 * @category models
 * @since 0.2.0
 */
export type Overrides = Readonly<Record<string, FlagValue | Override>>

/**
 * An override of a list. The first one that matches an evaluation holds.
 *
 * @category models
 * @since 0.2.0
 */
export interface Rule extends Override {
  /** A flag key, a list of flag keys, or a filter. */
  readonly flags: string | ReadonlyArray<string> | FlagFilter
}

/**
 * Where overrides come from. `OverrideConfig`, `OverrideFile` and `OverrideToken`
 * make one.
 *
 * @category models
 * @since 0.2.0
 */
export interface Source {
  /** The origin, which is in the flag metadata of each override as `override`. */
  readonly name: "code" | "environment" | "file" | "request"
  /** @internal */
  readonly find: Internal.Source["find"]
  /** @internal */
  readonly entries: Internal.Source["entries"]
}

/**
 * An override in the list of a hook.
 *
 * @category models
 * @since 0.2.0
 */
export interface Listed {
  /** The origin. */
  readonly source: Source["name"]
  /** The flag key, or the name of the filter. */
  readonly flag: string
  /** The number of subjects that it is for. `undefined` for all. */
  readonly subjects?: number
  /** The name of the variant. */
  readonly variant?: string
  /** The value, if the option `values` is set. */
  readonly value?: FlagValue
}

/**
 * The options of the hook.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** Whether overrides hold. There is no default, so that nobody switches them on by accident. */
  readonly enabled: boolean
  /** The overrides of the code, by flag key or as a list of rules. None by default. */
  readonly overrides?: Overrides | ReadonlyArray<Rule> | undefined
  /** Further sources, none by default. They are asked in this order, and before `overrides`. */
  readonly sources?: ReadonlyArray<Source> | undefined
  /** Whether the log line and the list have the values; `false` by default. */
  readonly values?: boolean | undefined
  /** The level of the log line at creation, `"Warn"` by default, or `false` to not log it. */
  readonly logLevel?: Severity | false | undefined
  /**
   * The logger of all log lines. By default, the line at creation goes to the
   * loggers of Effect, and those of an evaluation to the logger of the caller.
   */
  readonly logger?: SDK.Logger | undefined
}

/**
 * A hook with overrides, and what they are.
 *
 * @category models
 * @since 0.2.0
 */
export interface OverrideHook {
  /** The hook for an evaluation. `FeatureHook.empty` when the overrides are not enabled. */
  readonly hook: FeatureHook.FeatureHook
  /** The present overrides in the order in which they are asked. None when they are not enabled. */
  readonly list: Effect.Effect<ReadonlyArray<Listed>>
}

/**
 * The form of `OverrideHook` for an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Plain {
  /** The hook for an evaluation. `FeatureHook.empty` when the overrides are not enabled. */
  readonly hook: FeatureHook.FeatureHook
  /** Returns the present overrides in the order in which they are asked. */
  readonly list: () => ReadonlyArray<Listed>
}

const areSources: Check.Rule = (owner, name, value) => {
  const isSource = (one: unknown) =>
    typeof read(one, "find") === "function" && typeof read(one, "entries") === "function"
  if (!Array.isArray(value) || !value.every(isSource)) {
    throw new RangeError(
      `${owner}: ${name} must be a list of sources, such as OverrideFile and OverrideToken make them`
    )
  }
}

const sourcesOf = (owner: string, options: Options): ReadonlyArray<Internal.Source> => {
  const { enabled, overrides = {}, sources = [] } = Check.options(owner, options, {
    enabled: Check.aBoolean,
    // The value of an option that is wrong is in the error, and these values must not be.
    overrides: Check.anything,
    sources: areSources,
    values: Check.aBoolean,
    logLevel: Check.severityOrFalse,
    logger: SdkLogger.rule
  })
  Check.aBoolean(owner, "enabled", enabled)
  const entries = Internal.parse(overrides)
  if (Internal.isProblem(entries)) throw new RangeError(`${owner}: overrides: ${entries.text}`)
  const table = new Internal.Table(entries, "code")
  return enabled ? [...sources, Internal.sourceOf("code", () => table)] : []
}

const name = "override"

const hookOf = (sources: ReadonlyArray<Internal.Source>, logger: SDK.Logger | undefined): FeatureHook.FeatureHook => {
  if (sources.length === 0) return FeatureHook.empty
  const log = SdkLogger.to(logger)
  return FeatureHook.observe(FeatureHook.make(name, {
    before: (context, hints) => {
      if (context.resolution !== undefined) return undefined
      let told: Effect.Effect<void> | undefined = undefined
      for (const source of sources) {
        const found = source.find(context, hints)
        if (found === undefined) continue
        if (found instanceof Internal.Unresolved) {
          const tell = Effect.catchCause(
            log(found.tell),
            (cause) => HookFailures.report({ hook: name, stage: "before", flagKey: context.flagKey, cause })
          )
          told = told === undefined ? tell : Effect.andThen(told, tell)
          continue
        }
        return told === undefined ? { resolution: found } : Effect.as(told, { resolution: found })
      }
      return told
    }
  }))
}

const listOf = (sources: ReadonlyArray<Internal.Source>, withValues: boolean): ReadonlyArray<Listed> =>
  sources.flatMap(({ entries, name }) =>
    entries().map(({ flag, subjects, value, variant }): Listed => ({
      source: name,
      flag,
      ...subjects === undefined ? undefined : { subjects: subjects.size },
      ...variant === undefined ? undefined : { variant },
      ...withValues && value !== undefined ? { value } : undefined
    }))
  )

const maxPrinted = 50

const printed = ({ flag, source, value }: Listed): string =>
  `${oneLine(flag, 64)}${value === undefined ? "" : ` = ${printValue(value, 100)}`} (${source})`

const announce = (listed: ReadonlyArray<Listed>, { logLevel = "Warn", logger }: Options): Effect.Effect<void> => {
  if (logLevel === false || listed.length === 0) return Effect.void
  const overrides = listed.slice(0, maxPrinted).map(printed).join(", ")
  return Effect.logWithLevel(logLevel)("overrides of feature flags are enabled").pipe(
    Effect.annotateLogs({
      overrides: listed.length > maxPrinted ? `${overrides}, …` : overrides,
      override_count: listed.length
    }),
    SdkLogger.to(logger),
    // A logger that throws must not end the start of an application.
    Effect.catchCause(() => Effect.void)
  )
}

const create = (sources: ReadonlyArray<Internal.Source>, options: Options): Plain => ({
  hook: hookOf(sources, options.logger),
  list: () => listOf(sources, options.values === true)
})

/**
 * Creates a hook that gives flags fixed values.
 *
 * **When to use**
 *
 * Use for testers, demonstrations, local development, and to fix a flag while its
 * provider is wrong.
 *
 * **Details**
 *
 * - The provider is not asked for a flag with an override. The resolution has the
 *   reason `STATIC` and the flag metadata `override`, which is the origin: `code`,
 *   `environment`, `file` or `request`. Hooks for logs, audit and telemetry see it.
 * - The sources are asked in their order, then the overrides of the code. The first
 *   override that matches holds.
 * - An override by `subjects` compares the targeting key.
 * - At creation, a log line has the flag keys and the origins. It has no value and
 *   no subject.
 * - What goes wrong in a filter is reported to `HookFailures`, and the provider
 *   resolves the flag.
 *
 * **Gotchas**
 *
 * The first hook with a resolution wins, so add this hook before others that have
 * one, such as a cache: to the API object, or first in the list. Attributes of later
 * hooks have no effect on an override.
 *
 * `FeatureFlags` with a `provider` serves overrides. With a client of the SDK, wrap
 * the provider with `ResolutionProvider.make`. Otherwise the provider resolves the
 * flag, and `HookFailures` is told.
 *
 * Throws a `RangeError` when `enabled` is not given, an option is invalid or
 * unknown, or an override is no flag value. Its message has no value.
 *
 * **Example** (Fixing two flags)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FeatureFlags, FlagFilter, OverrideHook } from "effect-openfeature"
 * import { TestProvider } from "effect-openfeature/testing"
 *
 * const program = Effect.gen(function*() {
 *   const { hook, list } = yield* OverrideHook.make({
 *     enabled: true,
 *     overrides: [
 *       { flags: "new-checkout", value: true, subjects: ["user-1"] },
 *       { flags: FlagFilter.prefix("banner-"), value: "Hello", variant: "fixed" }
 *     ],
 *     logLevel: false
 *   })
 *   const flags = yield* FeatureFlags.make({
 *     domain: "override-example",
 *     provider: TestProvider.make(),
 *     hooks: [hook]
 *   })
 *   const banner = yield* flags.stringDetails("banner-top", "")
 *   return [
 *     yield* flags.boolean("new-checkout", false, { context: { targetingKey: "user-1" } }),
 *     banner.value,
 *     banner.flagMetadata["override"],
 *     (yield* list).length
 *   ]
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => [true, "Hello", "code", 2]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: Options): Effect.Effect<OverrideHook> => {
  const sources = sourcesOf("OverrideHook.make", options)
  return Effect.suspend(() => {
    const { hook, list } = create(sources, options)
    return Effect.as(announce(list(), options), { hook, list: Effect.sync(list) })
  })
}

/**
 * Creates a hook that gives flags fixed values, for an application without Effect.
 *
 * **Details**
 *
 * Does the same as `make`, at once.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * **Example** (Fixing a flag of a client of the SDK)
 *
 * ```ts
 * import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
 * import { OpenFeatureHook, OverrideHook, ResolutionProvider } from "effect-openfeature"
 *
 * await OpenFeature.setProviderAndWait("overridden", ResolutionProvider.make(new InMemoryProvider({})))
 * const { hook } = OverrideHook.makeUnsafe({
 *   enabled: true, // such as process.env.NODE_ENV !== "production"
 *   overrides: { "new-checkout": true, banner: { value: "Hello", variant: "fixed" } },
 *   logLevel: false
 * })
 * const client = OpenFeature.getClient("overridden").addHooks(OpenFeatureHook.make(hook))
 * const { reason, value } = await client.getBooleanDetails("new-checkout", false)
 * value // => true
 * reason // => "STATIC"
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const makeUnsafe = (options: Options): Plain => {
  const plain = create(sourcesOf("OverrideHook.makeUnsafe", options), options)
  Started.runSync(announce(plain.list(), options))
  return plain
}
