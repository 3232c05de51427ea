/**
 * Overrides of flags that a request brings, for testers: a signed token in a header
 * or a cookie.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import { AsyncLocalStorage } from "node:async_hooks"
import type { KeyObject } from "node:crypto"
import type { FlagFilter } from "../FlagFilter.ts"
import type { HookContext } from "../HookContext.ts"
import * as HookHints from "../HookHints.ts"
import type { Overrides, Source } from "../hooks/OverrideHook.ts"
import * as Check from "../internal/check.ts"
import * as Internal from "../internal/hook/overrides.ts"
import { isTrue } from "../internal/filtering.ts"
import { targetingKeyOf } from "../internal/hook/view.ts"
import { LogLines } from "../internal/logLines.ts"
import { Recent } from "../internal/recent.ts"
import * as Services from "../internal/services.ts"
import { functionName, oneLine } from "../internal/text.ts"
import { notify, tryOr } from "../internal/untrusted.ts"
import * as Format from "./internal/token.ts"

/**
 * A secret that signs tokens, and its name.
 *
 * @category models
 * @since 0.2.0
 */
export interface Key {
  /** The name of the secret, which a token has in clear: 1 to 64 letters, digits, `-` or `_`. */
  readonly id: string
  /** The secret, with at least 32 bytes. */
  readonly secret: Redacted.Redacted
}

/**
 * What a token says.
 *
 * **Gotchas**
 *
 * A token is signed and not encrypted. Whoever has it can read it.
 *
 * @category models
 * @since 0.2.0
 */
export interface Claims {
  /** The overrides by flag key. */
  readonly flags: Overrides
  /** The time from which on the token is refused, which must be ahead. */
  readonly expiresAt: Date
  /** The targeting key that the overrides are for. By default, for all evaluations of the request. */
  readonly subject?: string | undefined
}

/**
 * Why a token was refused.
 *
 * **Details**
 *
 * - `TooLong`: it has more than 4,096 characters.
 * - `Malformed`: it is no token, or of another version.
 * - `UnknownKey`: no key has the name.
 * - `BadSignature`: it was changed, or signed with another secret.
 * - `Expired`: its time is over.
 * - `TooFarAhead`: its time is over later than `maxLifetime` allows.
 *
 * @category models
 * @since 0.2.0
 */
export type Reason = Format.Reason

/**
 * The error of a token that is refused. It has nothing of the token.
 *
 * @category errors
 * @since 0.2.0
 */
export class OverrideTokenError extends Data.TaggedError("OverrideTokenError")<{
  /** Why it was refused. */
  readonly reason: Reason
}> {
  override get message(): string {
    return `an override token was refused: ${this.reason}`
  }
}

/**
 * The options of `verify`.
 *
 * @category models
 * @since 0.2.0
 */
export interface VerifyOptions {
  /** The keys of which any may have signed a token. For a rotation, add the new one, and remove the old one later. */
  readonly keys: ReadonlyArray<Key>
  /**
   * The maximum time until a token expires, 7 days by default. Clocks differ, so sign
   * for less than that.
   */
  readonly maxLifetime?: Duration.Input | undefined
}

/**
 * A refused token that is told about. It has nothing of the token.
 *
 * @category models
 * @since 0.2.0
 */
export interface Refusal {
  /** Why it was refused. */
  readonly reason: Reason
  /** The number of further ones for this reason that were left out since the last time. */
  readonly suppressed: number
}

/**
 * The options of a source of overrides from requests.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options extends VerifyOptions {
  /** The flags that a token may override. All by default. */
  readonly allow?: FlagFilter | undefined
  /** The minimum time between two log lines for the same reason, 1 minute by default. */
  readonly logInterval?: Duration.Input | undefined
  /** Runs with each of these log lines, such as to raise an alarm. None by default. */
  readonly onRefused?: ((refusal: Refusal) => unknown) | undefined
}

/**
 * Counts evaluations with a token that was refused, with Effect's `Metric`, by
 * `reason`.
 *
 * @category metrics
 * @since 0.2.0
 */
export const counter: Metric.Counter<number> = Metric.counter("feature_flag_override_tokens_refused_total", {
  description: "Evaluations of feature flags with an override token that was refused",
  incremental: true
})

/**
 * Counts evaluations with a valid token that has the flag and did not override it,
 * with Effect's `Metric`, by `reason`.
 *
 * **Details**
 *
 * - `OtherSubject`: the token, or its override of the flag, is for another targeting
 *   key.
 * - `NotAllowed`: `allow` leaves the flag out.
 *
 * @category metrics
 * @since 0.2.0
 */
export const unusedCounter: Metric.Counter<number> = Metric.counter("feature_flag_override_tokens_unused_total", {
  description: "Evaluations of feature flags with a valid override token that has the flag and did not override it",
  incremental: true
})

/**
 * The maximum length of a token, in characters, so that it fits into a cookie.
 *
 * @category constants
 * @since 0.2.0
 */
export const maxLength = Format.maxLength

/**
 * The hint that carries the token of a request to the hook.
 *
 * **Details**
 *
 * Set it for a region with `FeatureFlags.withHints`. For a client of the SDK, set
 * `overrideToken` in the `hookHints` of an evaluation, or use `run`. A text that is
 * empty is no token.
 *
 * **Gotchas**
 *
 * Other hooks see the hints. `Redacted.make(token)` keeps the token out of what they
 * print.
 *
 * @category hints
 * @since 0.2.0
 */
export const Token: HookHints.Key<string | Redacted.Redacted> = HookHints.key(
  "overrideToken",
  (value): value is string | Redacted.Redacted => typeof value === "string" || Redacted.isRedacted(value)
)

const requests = new AsyncLocalStorage<string | undefined>()

/**
 * Runs a function as a request with a token. All evaluations in it have the token,
 * also those in the promises and fibers that it starts.
 *
 * **Details**
 *
 * A token in the hints takes precedence. `undefined`, `null` and an empty text are no
 * token, and an outer one does not hold either.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when the second argument is not a function.
 *
 * **Example** (Running a request with its token)
 *
 * ```ts
 * import { OverrideToken } from "effect-openfeature/node"
 *
 * // app.use((req, _res, next) => OverrideToken.run(req.get("x-flag-overrides"), next))
 * OverrideToken.run(undefined, () => "handled") // => "handled"
 * ```
 *
 * @category running
 * @since 0.2.0
 */
export const run = <A>(token: string | undefined | null, use: () => A): A =>
  requests.run(token ?? undefined, Check.aFunction("OverrideToken.run", "the function", use))

/**
 * Signs a token.
 *
 * **Gotchas**
 *
 * The token is not encrypted, so put nothing secret into it.
 *
 * Throws a `RangeError` when the secret has less than 32 bytes, a claim is invalid,
 * `expiresAt` has passed, or the token would be longer than `maxLength`. Its message
 * has no secret and no value.
 *
 * **Example** (Signing and verifying)
 *
 * ```ts
 * import { Effect, Redacted } from "effect"
 * import { OverrideToken } from "effect-openfeature/node"
 *
 * const key = { id: "2027-01", secret: Redacted.make("a secret with at least 32 bytes: 5up3r") }
 * const token = OverrideToken.sign(key, {
 *   flags: { "new-checkout": true },
 *   expiresAt: new Date(Date.now() + 3_600_000),
 *   subject: "tester-1"
 * })
 * token.split(".").length // => 4
 * const claims = await Effect.runPromise(OverrideToken.verify(token, { keys: [key] }))
 * claims.subject // => "tester-1"
 * claims.flags // => ["new-checkout"]
 * ```
 *
 * @category signing
 * @since 0.2.0
 */
export const sign = (key: Key, claims: Claims): string => {
  const owner = "OverrideToken.sign"
  const [id, secret] = Format.keyOf(owner, key)
  const { expiresAt, flags, subject } = Check.options(owner, claims, {
    flags: Check.anything,
    expiresAt: (owner, name, value) => {
      if (!(value instanceof Date) || Number.isNaN(value.getTime())) Check.reject(owner, name, "a valid Date", value)
    },
    subject: (owner, name, value) => {
      // The value of an option that is wrong is in the error, and a user's data must not be.
      if (typeof value !== "string" || value === "") throw new RangeError(`${owner}: ${name} must be a text, not empty`)
    }
  })
  const entries = Internal.parse(flags)
  if (Internal.isProblem(entries)) throw new RangeError(`${owner}: flags: ${entries.text}`)
  if (entries.some(({ filter }) => filter !== undefined)) {
    throw new RangeError(`${owner}: flags: a token has flag keys, and no filters`)
  }
  if (expiresAt === undefined) throw new RangeError(`${owner}: expiresAt must be a valid Date, got undefined`)
  const exp = expiresAt.getTime()
  if (exp <= Services.clock().currentTimeMillisUnsafe()) {
    throw new RangeError(`${owner}: expiresAt must be in the future, got ${expiresAt.toISOString()}`)
  }
  const token = Format.sign(id, secret, {
    flags,
    exp,
    ...subject === undefined ? {} : { sub: subject }
  })
  if (token.length > maxLength) {
    throw new RangeError(`${owner}: the token has more than ${maxLength} characters; override fewer flags`)
  }
  return token
}

interface Verifier {
  readonly keys: ReadonlyMap<string, KeyObject>
  readonly maxLifetime: number
}

const verifierOf = (owner: string, { keys, maxLifetime = "7 days" }: VerifyOptions): Verifier => {
  if (!Array.isArray(keys) || keys.length === 0) {
    throw new RangeError(`${owner}: keys must be a list of at least one key`)
  }
  const byId = new Map<string, KeyObject>()
  for (const key of keys) {
    const [id, secret] = Format.keyOf(owner, key)
    if (byId.has(id)) throw new RangeError(`${owner}: two keys have the id "${id}"`)
    byId.set(id, secret)
  }
  return { keys: byId, maxLifetime: Duration.toMillis(Check.positiveDuration(owner, "maxLifetime", maxLifetime)) }
}

const untimely = (verifier: Verifier, { expiresAt }: Format.Verified, now: number): Reason | undefined => {
  if (now >= expiresAt) return "Expired"
  return expiresAt - now > verifier.maxLifetime ? "TooFarAhead" : undefined
}

/**
 * Verifies a token, and returns what it says: the keys of its flags, without their
 * values.
 *
 * **Details**
 *
 * Fails with an `OverrideTokenError`. The hook verifies tokens itself, so this is
 * for pages that show what a token does.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when an option is invalid or unknown.
 *
 * @category signing
 * @since 0.2.0
 */
export const verify = (token: string, options: VerifyOptions): Effect.Effect<{
  /** The flag keys. */
  readonly flags: ReadonlyArray<string>
  /** When the token expires. */
  readonly expiresAt: Date
  /** The targeting key that it is for, if it is for one. */
  readonly subject: string | undefined
}, OverrideTokenError> => {
  const owner = "OverrideToken.verify"
  Check.options(owner, options, { keys: Check.anything, maxLifetime: Check.positiveDuration })
  const verifier = verifierOf(owner, options)
  return Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const found = typeof token === "string" ? Format.verify(verifier.keys, token) : "Malformed"
    if (typeof found === "string") return Effect.fail(new OverrideTokenError({ reason: found }))
    const reason = untimely(verifier, found, now)
    if (reason !== undefined) return Effect.fail(new OverrideTokenError({ reason }))
    const { expiresAt, subject, table } = found
    return Effect.succeed({ flags: table.entries.map(({ flag }) => flag), expiresAt: new Date(expiresAt), subject })
  })
}

// A `Redacted` that was wiped has no value.
const textOf = (given: unknown): unknown =>
  Redacted.isRedacted(given) ? tryOr(() => Redacted.value(given), () => undefined) : given

const maxKept = 100

/**
 * Creates the source of overrides of requests, for `OverrideHook`.
 *
 * **Details**
 *
 * - The token of an evaluation is the hint `Token`, or that of `run`.
 * - A token is verified with HMAC-SHA-256, in constant time, and by the clock of the
 *   caller. The last 100 valid tokens stay in memory, and their time is checked each
 *   time.
 * - A token that is refused has no effect. It counts in `counter`. A log line tells
 *   the reason, and `onRefused` is called, at most once per reason and `logInterval`.
 *   Neither has anything of the token.
 * - A token with a subject has an effect for that targeting key alone.
 * - A valid token that has the flag, and overrides it neither for this subject nor by
 *   `allow`, counts in `unusedCounter`. A log line of the level `Debug` tells the
 *   reason and the flag key, at most once per reason and `logInterval`.
 *
 * **Gotchas**
 *
 * A token can be used by whoever gets hold of it, until it expires. Keep lifetimes
 * short, set a `subject` and `allow`, and send it over TLS alone.
 *
 * Throws a `RangeError` when an option is invalid or unknown, a secret has less than
 * 32 bytes, or two keys have the same id. Its message has no secret.
 *
 * **Example** (Overriding a flag for one request)
 *
 * ```ts
 * import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
 * import { Redacted } from "effect"
 * import { OpenFeatureHook, OverrideHook, ResolutionProvider } from "effect-openfeature"
 * import { OverrideToken } from "effect-openfeature/node"
 *
 * const key = { id: "1", secret: Redacted.make("a secret with at least 32 bytes: 5up3r") }
 * const { hook } = OverrideHook.makeUnsafe({
 *   enabled: true,
 *   sources: [OverrideToken.make({ keys: [key] })],
 *   logLevel: false
 * })
 * await OpenFeature.setProviderAndWait("tokens", ResolutionProvider.make(new InMemoryProvider({})))
 * const client = OpenFeature.getClient("tokens").addHooks(OpenFeatureHook.make(hook))
 *
 * const token = OverrideToken.sign(key, { flags: { sale: true }, expiresAt: new Date(Date.now() + 60_000) })
 * await OverrideToken.run(token, () => client.getBooleanValue("sale", false)) // => true
 * const hookHints = { overrideToken: token }
 * await client.getBooleanValue("sale", false, {}, { hookHints }) // => true
 * await client.getBooleanValue("sale", false) // => false
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: Options): Source => {
  const owner = "OverrideToken.make"
  const { allow, logInterval = "1 minute", onRefused } = Check.options(owner, options, {
    // The value of an option that is wrong is in the error, and a secret must not be.
    keys: Check.anything,
    maxLifetime: Check.positiveDuration,
    allow: Check.aFunction,
    logInterval: Check.finiteDuration,
    onRefused: Check.aFunction
  })
  const verifier = verifierOf(owner, options)
  const kept = new Recent<Format.Verified>(maxKept)
  const lines = new LogLines(Duration.fromInputUnsafe(logInterval))
  const entries = [{
    flag: functionName(allow) ?? (allow === undefined ? "all" : "custom"),
    filter: allow,
    subjects: undefined,
    variant: undefined
  }]

  const check = (token: string): Format.Verified | Reason => {
    const known = kept.peek(token)
    const found = known ?? Format.verify(verifier.keys, token)
    if (typeof found === "string") return found
    const reason = untimely(verifier, found, Services.clock().currentTimeMillisUnsafe())
    if (reason === undefined) {
      if (known === undefined) kept.set(token, found)
      else kept.use(token, found)
      return found
    }
    kept.delete(token, found)
    return reason
  }
  const refuse = (reason: Reason): Internal.Unresolved => {
    Metric.withAttributes(counter, { reason }).updateUnsafe(1, Services.current())
    return new Internal.Unresolved(lines.log(reason, (suppressed) =>
      Effect.suspend(() => {
        if (onRefused !== undefined) notify(() => onRefused({ reason, suppressed }))
        return Effect.annotateLogs(
          Effect.logWarning("an override token was refused"),
          { reason, ...suppressed === 0 ? undefined : { suppressed } }
        )
      })))
  }
  const leave = (reason: "OtherSubject" | "NotAllowed", { flagKey }: HookContext): Internal.Unresolved => {
    Metric.withAttributes(unusedCounter, { reason }).updateUnsafe(1, Services.current())
    return new Internal.Unresolved(lines.log(reason, (suppressed) =>
      Effect.annotateLogs(
        Effect.logDebug("an override token has not overridden a flag"),
        { reason, flag_key: oneLine(flagKey, 256), ...suppressed === 0 ? undefined : { suppressed } }
      )))
  }
  return {
    name: "request",
    find: (context, hints) => {
      const given = HookHints.getOrUndefined(hints, Token) ?? requests.getStore()
      if (given === undefined || given === "") return undefined
      const token = textOf(given)
      const found = typeof token === "string" ? check(token) : "Malformed"
      if (typeof found === "string") return refuse(found)
      if (!found.table.has(context)) return undefined
      if (allow !== undefined && !isTrue(allow, context)) return leave("NotAllowed", context)
      const isForSubject = found.subject === undefined || found.subject === targetingKeyOf(context)
      return (isForSubject ? found.table.find(context) : undefined) ?? leave("OtherSubject", context)
    },
    entries: () => entries
  }
}
