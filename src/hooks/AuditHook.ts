/**
 * A hook that writes one record of each evaluation to an audit trail.
 *
 * @since 0.2.0
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Tracer from "effect/Tracer"
import type * as Types from "effect/Types"
import type { AuditRecord, Value } from "../audit/AuditRecord.ts"
import type { AuditError } from "../audit/AuditSink.ts"
import type { EvaluationDetails } from "../EvaluationDetails.ts"
import { EvaluationError } from "../EvaluationError.ts"
import * as FeatureHook from "../FeatureHook.ts"
import type { HookContext } from "../HookContext.ts"
import * as Check from "../internal/check.ts"
import { nanosSince } from "../internal/duration.ts"
import { domainOf, providerNameOf } from "../internal/hook/view.ts"
import { rejectedBy } from "../internal/runner/failure.ts"
import * as Services from "../internal/services.ts"
import { truncate } from "../internal/text.ts"
import { formatTime } from "../internal/time.ts"
import { tryOr } from "../internal/untrusted.ts"
import * as Privacy from "../Privacy.ts"

/**
 * The options of an audit hook, with those of `Privacy`.
 *
 * **Details**
 *
 * Of the options of `Privacy`, `values` adds `value`, `errorMessage` adds
 * `errorMessage`, `context` adds `attributes`, and `targetingKey` adds
 * `targetingKey`.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options extends Privacy.Options {
  /** Includes the metadata of the flag; `false` by default. */
  readonly metadata?: boolean | undefined
  /**
   * Returns the trace of the evaluation, for tracers other than Effect's. By
   * default it is the trace of the caller's span in Effect.
   */
  readonly traceId?: (() => string | undefined) | undefined
}

/**
 * A sink as `make` takes it: an `AuditSink`, or one with plain functions and
 * promises.
 *
 * @category models
 * @since 0.2.0
 */
export interface Sink {
  /** Takes a record, and answers with an effect, with a promise, or at once. Evaluations wait for it. */
  readonly append: (record: AuditRecord) => Effect.Effect<unknown, AuditError> | PromiseLike<unknown> | void
  /** The same at once, for a sink that often has nothing to wait for. By default, `append` is used. */
  readonly appendUnsafe?: ((record: AuditRecord) => Effect.Effect<unknown, AuditError> | void) | undefined
  /** Whether records can be taken now. With it, evaluations are refused while it returns `false`. */
  readonly isAvailable?: (() => boolean) | undefined
}

/**
 * The rules of these options, for constructors that have more.
 *
 * @internal
 */
export const rules: Check.Rules<Options> = {
  ...Privacy.rules,
  metadata: Check.aBoolean,
  traceId: Check.aFunction
}

/**
 * Creates a hook that gives a sink one record of each evaluation.
 *
 * **When to use**
 *
 * Use for a trail that says who got which variant, when and why. For a file, use
 * `AuditFile` of `effect-openfeature/node`, which makes the hook and the file.
 *
 * **Details**
 *
 * The record is made when the evaluation ends, also when it failed, when another
 * hook rejected it, and when the `before` stage of this hook never ran.
 *
 * By default it has no flag value, no attribute, no targeting key and no error
 * message. All texts are of bounded length.
 *
 * A failure of the sink goes to `HookFailures` and does not affect the
 * evaluation. With a sink that has `isAvailable`, evaluations are refused with
 * the code `GENERAL` while it returns `false`: the caller gets the default value.
 * There is no record of a refused evaluation.
 *
 * **Gotchas**
 *
 * Evaluations wait for `append`. For a sink that is slow and need not refuse, use
 * `AuditHook.make(sink).pipe(FeatureHook.observe, BackgroundHook.make())`.
 *
 * Throws a `RangeError` that names the option when an option is unknown or has an
 * invalid value, or when the sink has no `append`.
 *
 * **Example** (Keeping records in memory)
 *
 * ```ts
 * import { OpenFeature } from "@openfeature/server-sdk"
 * import { AuditHook, type AuditRecord, OpenFeatureHook } from "effect-openfeature"
 *
 * const records: Array<AuditRecord.AuditRecord> = []
 * const audit = AuditHook.make({ append: async (record) => void records.push(record) })
 *
 * const client = OpenFeature.getClient("audit")
 * client.addHooks(OpenFeatureHook.make(audit))
 * await client.getBooleanValue("new-checkout", false)
 * records.map(({ flagKey, type }) => `${flagKey} (${type})`) // => ["new-checkout (boolean)"]
 * ```
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (
  sink: Sink,
  options: Options = {}
): FeatureHook.FeatureHook<AuditError | EvaluationError | Cause.UnknownError> => {
  Check.withMethods("append")("AuditHook.make", "sink", sink)
  Check.options("AuditHook.make", options, rules)
  return fromChecked(sink, options)
}

/**
 * The same for options that a constructor has checked with its own.
 *
 * @internal
 */
export const fromChecked = (
  sink: Sink,
  options: Options
): FeatureHook.FeatureHook<AuditError | EvaluationError | Cause.UnknownError> => {
  const recordOf = writer(options)
  const take = (record: AuditRecord) =>
    sink.appendUnsafe === undefined ? sink.append(record) : sink.appendUnsafe(record)
  const hook = FeatureHook.make("audit", {
    hookData: () => new State(),
    before: (_context, _hints, state) => {
      state.startedAt = Services.clock().monotonicTimeNanosUnsafe()
      if (sink.isAvailable === undefined || tryOr(sink.isAvailable, () => false)) return undefined
      state.isRefused = true
      return Exit.fail(
        new EvaluationError({ code: "GENERAL", message: "the evaluation was refused, since no audit is possible" })
      )
    },
    error: (_context, error, _hints, state) => {
      state.rejectedBy = rejectedBy(error)
    },
    finally: (context, details, _hints, state) => state.isRefused ? undefined : take(recordOf(context, details, state))
  })
  // Only a hook that refuses evaluations may affect them.
  return sink.isAvailable === undefined ? FeatureHook.watcher(hook) : hook
}

class State {
  startedAt: bigint | undefined = undefined
  rejectedBy: string | undefined = undefined
  isRefused = false
}

const maxNameLength = 256

// The fields are set in the order in which a file has them.
const writer = (options: Options) => {
  const { maxLength = 500, maxSize = 1000, metadata = false } = options
  const traceIdOf = options.traceId ?? currentTraceId
  const privacy = Privacy.fromChecked(options)
  const name = (text: string): string => truncate(text, maxNameLength)
  // A provider or an option without types can give anything.
  const text = (value: unknown): string | undefined => typeof value === "string" ? name(value) : undefined
  const valueOf = (value: unknown): Value => {
    if (typeof value === "string") return truncate(value, maxLength)
    return typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))
      ? value
      : privacy.print(value)
  }
  const write = (field: string, value: unknown): Value | undefined => {
    const kept = privacy.keep(field, value)
    return kept === undefined ? undefined : valueOf(kept)
  }
  const values = (entries: Iterable<readonly [string, unknown]>): Record<string, Value> => {
    const written: Array<readonly [string, Value]> = []
    for (const [key, value] of entries) {
      if (written.length >= maxSize) break
      if (value !== undefined) written.push([name(key), valueOf(value)])
    }
    return Object.fromEntries(written)
  }
  return (context: HookContext, details: EvaluationDetails, state: State): AuditRecord => {
    const clock = Services.clock()
    const record: Types.Mutable<AuditRecord> = {
      time: formatTime(clock.currentTimeMillisUnsafe()),
      flagKey: name(context.flagKey),
      type: context.flagValueType
    }
    if (privacy.values) set(record, "value", write("value", details.value))
    if (details.variant !== undefined) set(record, "variant", write("variant", details.variant))
    set(record, "reason", text(details.reason))
    set(record, "errorCode", text(details.errorCode))
    set(record, "errorMessage", privacy.errorMessage(details.errorMessage))
    set(record, "rejectedBy", state.rejectedBy)
    if (state.startedAt !== undefined) record.durationMs = Number(nanosSince(state.startedAt, clock) / 1000n) / 1000
    const domain = domainOf(context)
    if (domain !== undefined) record.domain = name(domain)
    record.provider = name(providerNameOf(context))
    set(record, "targetingKey", privacy.targetingKey(context))
    const attributes = privacy.attributes(context)
    if (attributes !== undefined) record.attributes = values(Object.entries(attributes))
    if (metadata) {
      const entries = tryOr(() => Object.entries(details.flagMetadata), () => [])
      record.metadata = values(entries.map(([key, value]) => [key, privacy.keep(`metadata.${key}`, value)]))
    }
    set(record, "traceId", text(tryOr(traceIdOf, () => undefined)))
    return record
  }
}

const set = <K extends keyof AuditRecord>(
  record: Types.Mutable<AuditRecord>,
  field: K,
  value: AuditRecord[K] | undefined
): void => {
  if (value !== undefined) record[field] = value
}

const currentTraceId = (): string | undefined => Context.getOrUndefined(Services.current(), Tracer.ParentSpan)?.traceId
