/**
 * Where the records of an audit trail go: a file, a queue, or anything else.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type { AuditRecord } from "./AuditRecord.ts"

/**
 * Why a record was not acknowledged.
 *
 * **Details**
 *
 * - `"failed"`: the sink tried and could not, as with a full disk.
 * - `"full"`: too many records wait already.
 * - `"timeout"`: no acknowledgement came in time. The record can still arrive.
 * - `"refused"`: the sink does not take it, or the place for it is not safe.
 * - `"closed"`: the sink is closed.
 *
 * @category errors
 * @since 0.2.0
 */
export type Reason = "failed" | "full" | "timeout" | "refused" | "closed"

/**
 * The error of a sink. Its message has no data of an evaluation.
 *
 * @category errors
 * @since 0.2.0
 */
export class AuditError extends Data.TaggedError("AuditError")<{
  /** Why the record was not acknowledged. */
  readonly reason: Reason
  /** What happened, for the operator. */
  readonly message: string
  /** The original error, if there is one. */
  readonly cause?: unknown
}> {}

/**
 * A sink for the records of an audit trail.
 *
 * **When to use**
 *
 * Use to send records to a place that has no sink here.
 *
 * @category models
 * @since 0.2.0
 */
export interface AuditSink {
  /** Takes a record. Succeeds when the record is as safe as the sink promises. */
  readonly append: (record: AuditRecord) => Effect.Effect<void, AuditError>
  /**
   * The same at once: it returns `undefined` when nothing is left to wait for. No
   * evaluation needs a fiber then. By default, `append` is used.
   */
  readonly appendUnsafe?: ((record: AuditRecord) => Effect.Effect<void, AuditError> | undefined) | undefined
  /**
   * Whether records can be taken now. With it, evaluations are refused while it
   * returns `false`. By default none is refused.
   */
  readonly isAvailable?: (() => boolean) | undefined
}

/**
 * The service for the sink of an application.
 *
 * **Example** (Using the sink of the application)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AuditHook, AuditSink } from "effect-openfeature"
 *
 * const hook = Effect.map(AuditSink.AuditSink, (sink) => AuditHook.make(sink))
 * const memory = { append: () => Effect.void }
 * const program = Effect.provideService(hook, AuditSink.AuditSink, memory)
 * Effect.runSync(program).name // => "audit"
 * ```
 *
 * @category services
 * @since 0.2.0
 */
export const AuditSink: Context.Service<AuditSink, AuditSink> = Context.Service<AuditSink>(
  "effect-openfeature/AuditSink"
)
