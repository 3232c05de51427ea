/**
 * Hooks that guard the evaluation context against what users put into it.
 *
 * Attributes often come from requests, and reach providers, logs and the services
 * behind them. This hook limits their size and form, and finds injected code and
 * secrets in them, before the flag is resolved.
 *
 * @since 0.2.0
 */
import type { Logger } from "@openfeature/server-sdk"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Severity } from "effect/LogLevel"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { EvaluationError } from "../EvaluationError.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as Check from "../internal/check.ts"
import * as Alerts from "../internal/hook/alerts.ts"
import { type Finding, Guard, type Verdict } from "../internal/hook/guard/guard.ts"
import * as GuardOptions from "../internal/hook/guard/options.ts"
import * as Rules from "../internal/hook/guard/rules.ts"
import { domainOf, presentContextOf } from "../internal/hook/view.ts"
import { Limiter } from "../internal/limiter.ts"
import * as SdkLogger from "../internal/sdkLogger.ts"
import * as Services from "../internal/services.ts"
import * as Started from "../internal/started.ts"
import { oneLine, quote } from "../internal/text.ts"
import * as BackgroundHook from "./BackgroundHook.ts"

/**
 * The rules about the content of a context. The option `rules` chooses among them.
 *
 * **Details**
 *
 * - `control-characters`, `line-breaks`: what forges log lines and terminal output,
 *   bidirectional controls included. A tab is allowed.
 * - `html`, `sql`, `template`, `path-traversal`: typical injected code. `template`
 *   includes `${…}`, as in attacks by JNDI.
 * - `aws-key`, `api-key`, `jwt`, `private-key`, `bearer-token`, `basic-auth`,
 *   `url-password`, `credit-card`: secrets. A secret key of AWS is found behind its
 *   name. A card number must have the prefix and the length of an issuer, and pass the
 *   Luhn check.
 * - `email`: an e-mail address.
 * - `prototype-keys`: attributes, and members of structures, that are named
 *   `__proto__`, `constructor` or `prototype`.
 * - `unsupported-values`: functions, symbols, big integers, and instances of classes
 *   other than `Date`. Without this rule, nobody looks into them.
 *
 * @category models
 * @since 0.2.0
 */
export type ContentRule = Rules.Chosen

/**
 * The name of a rule: one about the content, or one about the form of a context,
 * which always holds.
 *
 * **Details**
 *
 * `unreadable` is an attribute with a getter that throws, or a hostile proxy. The
 * other rules have the names of the options that set them.
 *
 * @category models
 * @since 0.2.0
 */
export type Rule = Rules.Rule

/**
 * The type of an attribute: `"string"`, `"number"`, `"boolean"`, `"date"`, `"list"`,
 * `"object"` or `"null"`.
 *
 * @category models
 * @since 0.2.0
 */
export type AttributeType = Rules.Type

/**
 * All rules about the content of a context.
 *
 * @category constants
 * @since 0.2.0
 */
export const allRules: ReadonlyArray<ContentRule> = Object.freeze([...Rules.chosen])

/**
 * The default of the option `rules`: all but `email`, since many applications use
 * e-mail addresses to select users.
 *
 * @category constants
 * @since 0.2.0
 */
export const defaultRules: ReadonlyArray<ContentRule> = Object.freeze([...GuardOptions.defaultRules])

/**
 * The rules that find secrets: keys, tokens, passwords in addresses, and card
 * numbers.
 *
 * **Details**
 *
 * `rules: ContextGuardHook.secrets` looks for nothing else. Lists can be spread into
 * one: `rules: [...ContextGuardHook.secrets, "line-breaks"]`.
 *
 * @category constants
 * @since 0.2.0
 */
export const secrets: ReadonlyArray<ContentRule> = Object.freeze([...GuardOptions.secrets])

/**
 * The rules that find injected code: `html`, `sql`, `template` and `path-traversal`.
 *
 * @category constants
 * @since 0.2.0
 */
export const injections: ReadonlyArray<ContentRule> = Object.freeze([...GuardOptions.injections])

/**
 * A rule that an evaluation context broke. It has no value of an attribute.
 *
 * @category models
 * @since 0.2.0
 */
export interface Violation {
  /** The key of the flag. */
  readonly flagKey: string
  /** The type of the flag. */
  readonly flagValueType: HookContext["flagValueType"]
  /** The domain of the client, if it has one. */
  readonly domain: string | undefined
  /** The name of the rule. */
  readonly rule: Rule
  /**
   * The name of the attribute, as one line of at most 128 characters. `undefined`
   * for a rule about the whole context, and for a name that breaks a rule about the
   * content itself, chosen or not.
   */
  readonly attribute: string | undefined
  /** The mode of the guard. */
  readonly mode: "strict" | "lenient" | "report"
  /** What was done about it: `"none"` in the mode `"report"`. */
  readonly action: "refused" | "removed" | "truncated" | "sanitised" | "none"
  /** The number of further ones with the same flag, rule, attribute and action that were left out since. */
  readonly suppressed: number
  /** Whether there are more causes than `maxCauses`, so this one stands for all further ones. */
  readonly isOverflow: boolean
}

/**
 * The options of a guard.
 *
 * **Details**
 *
 * Sizes are in characters (UTF-16 code units, as in `length`), since these are known
 * without encoding a text. A character takes at most three bytes in UTF-8. Names and
 * texts count with their length, and any other value as 8.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options<out B = unknown> extends GuardOptions.Options {
  /**
   * Runs for each violation that is told, one after the other, in the background.
   * Returns an effect, a promise, or nothing. None by default.
   */
  readonly onViolation?: ((violation: Violation) => B) | undefined
  /** The minimum time between two reports of the same flag, rule, attribute and action, 1 minute by default. */
  readonly interval?: Duration.Input | undefined
  /** The maximum number of causes that are told apart, 1,024 by default. All further ones share one report per interval. */
  readonly maxCauses?: number | undefined
  /** The level of the log line, `"Warn"` by default, or `false` to not log it. */
  readonly logLevel?: Severity | false | undefined
  /** The logger. By default, that of the caller. */
  readonly logger?: Logger | undefined
  /** The maximum number of violations that wait for `onViolation` or a slow reader, 1,024 by default. Further ones are dropped. */
  readonly capacity?: number | undefined
  /** The maximum time that closing waits for `onViolation`, 3 seconds by default. */
  readonly closeTimeout?: Duration.Input | undefined
}

/**
 * The numbers of a guard so far.
 *
 * @category models
 * @since 0.2.0
 */
export interface Counts {
  /** The rules that contexts broke. A strict guard stops at the first one of a context. */
  readonly violations: number
  /** The evaluations that were refused. */
  readonly refused: number
  /** The evaluations whose context was cleaned. */
  readonly cleaned: number
  /** The violations that a slow reader of the stream lost. */
  readonly dropped: number
}

/**
 * A hook that guards the evaluation context, and what it found.
 *
 * @category models
 * @since 0.2.0
 */
export interface ContextGuard {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook<EvaluationError>
  /** All violations that are told from the subscription on, until the scope closes. */
  readonly violations: Stream.Stream<Violation>
  /** The present numbers. */
  readonly counts: Effect.Effect<Counts>
  /** Waits until `onViolation` has had all violations. */
  readonly flush: Effect.Effect<void>
}

/**
 * The guard of an application without Effect.
 *
 * @category models
 * @since 0.2.0
 */
export interface Running {
  /** The hook for an evaluation. */
  readonly hook: FeatureHook.FeatureHook<EvaluationError>
  /** Returns the present numbers. */
  readonly counts: () => Counts
  /** Waits until `onViolation` has had all violations. */
  readonly flush: () => Promise<void>
  /** Ends the reports. The hook still guards. Closing twice is fine. */
  readonly close: () => Promise<void>
  /** Ends the reports, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/**
 * Counts the rules that contexts broke, with Effect's `Metric`.
 *
 * **Details**
 *
 * The attributes are `rule`, `mode` and `action`. Their values are those of the types,
 * so the number of series is bounded.
 *
 * @category metrics
 * @since 0.2.0
 */
export const counter: Metric.Counter<number> = Metric.counter("feature_flag_context_violations_total", {
  description: "Rules of a guard that evaluation contexts of feature flags broke",
  incremental: true
})

/** Of one evaluation. The others are told in a later one. */
const maxReports = 10

const hookName = "context-guard"

const line = ({ action, attribute, domain, flagKey, isOverflow, mode, rule, suppressed }: Violation, level: Severity) =>
  Effect.annotateLogs(
    Effect.logWithLevel(level)(
      isOverflow ? "further evaluation contexts broke rules" : "an evaluation context broke a rule"
    ),
    {
      flag_key: flagKey,
      rule,
      mode,
      action,
      ...attribute === undefined ? undefined : { attribute },
      ...domain === undefined ? undefined : { domain },
      ...suppressed === 0 ? undefined : { suppressed }
    }
  )

const errorOf = ({ attribute, rule }: Finding): EvaluationError =>
  new EvaluationError({
    code: "INVALID_CONTEXT",
    message: attribute === undefined
      ? `the evaluation context breaks the rule "${rule}"`
      : `the attribute ${quote(attribute, 128)} of the evaluation context breaks the rule "${rule}"`
  })

const acquire = Effect.fnUntraced(function*<B>(options: Options<B>) {
  const { capacity = 1024, closeTimeout, interval = "1 minute", logLevel = "Warn", maxCauses = 1024 } = options
  const { mode = "strict", onViolation } = options
  const clock = yield* Clock.Clock
  const alerts = yield* Alerts.make<Violation, FeatureHook.StageServices<B>>({
    name: hookName,
    counter: BackgroundHook.counter,
    onAlert: onViolation,
    capacity,
    closeTimeout
  })
  const guard = new Guard(GuardOptions.settingsOf(options), mode)
  const limiter = new Limiter(interval, maxCauses)
  const log = SdkLogger.to(options.logger)
  const counts = { violations: 0, refused: 0, cleaned: 0 }
  const series = new Map<string, Metric.Counter<number>>()

  const count = ({ action, rule }: Finding): void => {
    counts.violations++
    const key = `${rule} ${action}`
    const known = series.get(key) ?? Metric.withAttributes(counter, { rule, mode, action })
    series.set(key, known)
    known.updateUnsafe(1, Services.current())
  }
  const report = (context: HookContext, { action, attribute: name, rule }: Finding): Violation | undefined => {
    const attribute = name === undefined ? undefined : oneLine(name, 128)
    const flagKey = oneLine(context.flagKey, 256)
    const found = domainOf(context)
    const domain = found === undefined ? undefined : oneLine(found, 256)
    const cause = [domain ?? "", flagKey, rule, action, attribute ?? ""].join("\n")
    const taken = limiter.take(cause, clock.monotonicTimeNanosUnsafe())
    const { flagValueType } = context
    return taken && Object.freeze({ flagKey, flagValueType, domain, rule, attribute, mode, action, ...taken })
  }
  const tell = (context: HookContext, { findings }: Verdict): Effect.Effect<void> | undefined => {
    findings.forEach(count)
    const told = findings.slice(0, maxReports).flatMap((finding) => report(context, finding) ?? [])
    for (const violation of told) alerts.send(violation, violation.flagKey)
    if (logLevel === false || told.length === 0) return undefined
    return log(Effect.forEach(told, (violation) => line(violation, logLevel), { discard: true }))
  }
  const hook = FeatureHook.make(hookName, {
    before: (context) => {
      const verdict = guard.check(presentContextOf(context))
      if (verdict === undefined) return undefined
      const { context: cleaned, refusal } = verdict
      if (refusal !== undefined) counts.refused++
      if (cleaned !== undefined) counts.cleaned++
      const told = tell(context, verdict)
      const end = refusal === undefined
        ? Exit.succeed(cleaned === undefined ? undefined : { context: cleaned })
        : Exit.fail(errorOf(refusal))
      return told === undefined ? end : Effect.andThen(told, end)
    }
  })
  const made: ContextGuard = {
    hook,
    violations: alerts.stream,
    counts: Effect.sync(() => ({ ...counts, dropped: alerts.counts.dropped })),
    flush: alerts.flush
  }
  return made
})

const checked = (owner: string, options: Options): void =>
  void Check.options(owner, options, {
    ...GuardOptions.rules,
    onViolation: Check.aFunction,
    interval: Check.positiveDuration,
    maxCauses: Check.positiveInteger,
    logLevel: Check.severityOrFalse,
    logger: SdkLogger.rule,
    capacity: Check.positiveInteger,
    closeTimeout: Check.finiteDuration
  })

/**
 * Creates a hook that guards the evaluation context, until the scope closes.
 *
 * **When to use**
 *
 * Use when attributes come from requests. Add the hook after those that contribute
 * attributes: it sees what earlier hooks have contributed, and not what later ones
 * do. It does not replace the escaping of what is put into a page or a query.
 *
 * **Details**
 *
 * In the mode `"strict"`, the first rule that is broken refuses the evaluation with
 * `INVALID_CONTEXT`, so the caller gets the default value. The message names the
 * rule and the attribute.
 *
 * In the mode `"lenient"`, control characters are removed, line breaks become
 * spaces, long texts are truncated, and offending members of structures are left
 * out. What still breaks a rule is removed: later hooks and the provider find the
 * attribute `undefined`. Three things cannot be cleaned, and are refused: the
 * targeting key, a name that breaks a rule itself, and a context with more than twice
 * `maxAttributes`.
 *
 * Each violation counts in `counter`. The first one for each flag, rule, attribute
 * and action in an interval is also a log line, an element of `violations`, and a run
 * of `onViolation`. None of them has a value of an attribute. Where the log line goes
 * is described at `LoggingHook.make`. The evaluation never waits for `onViolation`,
 * which has the services of the program that creates the hook.
 *
 * The work is bounded by the limits, whatever the size of the context. Regular
 * expressions of `patterns` run in a matcher that does not backtrack, and match no
 * text of more than 1,024 characters.
 *
 * **Gotchas**
 *
 * The SDK merges contributions, so an attribute cannot be deleted. One that is
 * removed keeps its name, with the value `undefined`, which JSON leaves out.
 *
 * Injected code and secrets are found by typical forms. Expect some that are missed,
 * and some harmless texts that are not: try the mode `"report"` first, and use
 * `exempt`.
 *
 * An object that answers differently each time it is read, such as a proxy, can hide
 * what it has.
 *
 * Throws a `RangeError` when an option is invalid or unknown.
 *
 * **Example** (Refusing and cleaning)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ContextGuardHook } from "effect-openfeature"
 * import { Fixtures } from "effect-openfeature/testing"
 *
 * const context = { plan: "pro", city: "Rome\r\nlogin ok", bio: "<script>" }
 * const program = Effect.gen(function*() {
 *   const strict = yield* ContextGuardHook.make({ logLevel: false })
 *   const { details } = yield* Fixtures.run(strict.hook, { context: { context } })
 *   const lenient = yield* ContextGuardHook.make({ mode: "lenient", logLevel: false })
 *   const outcome = yield* Fixtures.run(lenient.hook, { context: { context } })
 *   return [details.errorMessage, outcome.context]
 * })
 * const [message, cleaned] = await Effect.runPromise(Effect.scoped(program))
 * message // => "the attribute \"city\" of the evaluation context breaks the rule \"line-breaks\""
 * cleaned // => { plan: "pro", city: "Rome  login ok", bio: undefined }
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = <B = void>(
  options: Options<B> = {}
): Effect.Effect<ContextGuard, never, FeatureHook.StageServices<B> | Scope.Scope> => {
  checked("ContextGuardHook.make", options)
  return acquire(options)
}

/**
 * Creates a guard for an application without Effect.
 *
 * **Details**
 *
 * The same as `make`. Without `onViolation`, it needs no closing.
 *
 * **Gotchas**
 *
 * Throws like `make`.
 *
 * **Example** (Telling about what was refused)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { ContextGuardHook, OpenFeatureHook } from "effect-openfeature"
 *
 * const told: Array<string> = []
 * const guard = ContextGuardHook.start({
 *   types: { age: "number" },
 *   logLevel: false,
 *   onViolation: async ({ attribute, rule }) => {
 *     told.push(`${attribute}: ${rule}`) // await siem.send(...)
 *   }
 * })
 * const client = OpenFeature.getClient("guarded").addHooks(OpenFeatureHook.make(guard.hook))
 * const details = await client.getBooleanDetails("sale", false, { age: "42" })
 * details.errorCode // => "INVALID_CONTEXT"
 * await guard.close()
 * told // => ["age: type"]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const start = <B extends PromiseLike<unknown> | Effect.Effect<unknown, unknown> | void>(
  options: Options<B> = {}
): Running => {
  checked("ContextGuardHook.start", options)
  return Started.counting(Started.start(acquire<void>(options)))
}
