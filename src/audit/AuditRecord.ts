/**
 * The record of one evaluation in an audit trail, and its form as a line of JSON.
 *
 * @since 0.2.0
 */
import type * as SDK from "@openfeature/server-sdk"
import { escapeUnsafe } from "../internal/text.ts"

/**
 * A value in a record. Numbers and booleans stay what they are, and everything
 * else is text.
 *
 * @category models
 * @since 0.2.0
 */
export type Value = string | number | boolean

/**
 * What an audit trail says about one evaluation. A field is absent when it is not
 * known, or when `Privacy` does not allow it.
 *
 * @category models
 * @since 0.2.0
 */
export interface AuditRecord {
  /** When the evaluation ended: ISO 8601, in UTC, with milliseconds. */
  readonly time: string
  /** The key of the flag. */
  readonly flagKey: string
  /** The type of the flag: `"boolean"`, `"string"`, `"number"` or `"object"`. */
  readonly type: SDK.FlagValueType
  /** The value that the caller got, if `values` is set. */
  readonly value?: Value | undefined
  /** The variant that the provider chose. */
  readonly variant?: Value | undefined
  /** Why the flag has this value, such as `TARGETING_MATCH` or `ERROR`. */
  readonly reason?: string | undefined
  /** The error code of a failed evaluation. */
  readonly errorCode?: string | undefined
  /** The error message of a failed evaluation, if `errorMessage` is set. */
  readonly errorMessage?: string | undefined
  /** The hook and the stage that rejected the evaluation, such as `guard.before`. */
  readonly rejectedBy?: string | undefined
  /** The duration in milliseconds, from the `before` stage of the audit hook to its `finally` stage. */
  readonly durationMs?: number | undefined
  /** The domain of the client. */
  readonly domain?: string | undefined
  /** The name of the provider. */
  readonly provider?: string | undefined
  /** The targeting key, in the form that `targetingKey` chooses. */
  readonly targetingKey?: string | undefined
  /** The attributes of the evaluation context that `context` selects. */
  readonly attributes?: Readonly<Record<string, Value>> | undefined
  /** The metadata of the flag, if `metadata` is set. */
  readonly metadata?: Readonly<Record<string, Value>> | undefined
  /** The trace that the evaluation belongs to. */
  readonly traceId?: string | undefined
}

/**
 * A record as a file has it: with its number, and with tamper evidence also its
 * hash.
 *
 * @category models
 * @since 0.2.0
 */
export interface Line extends AuditRecord {
  /** The number of the record: 1, 2, 3 and so on, across restarts and rotated files. */
  readonly seq: number
  /**
   * The SHA-256, in hexadecimal digits, of the hash of the record before (64 zeros
   * for the first), a line feed, and this line without its hash.
   */
  readonly hash?: string | undefined
}

/**
 * Converts a record to one line of JSON, without the line feed.
 *
 * **Details**
 *
 * Control characters, Unicode's line separators and bidirectional controls are
 * escaped, so no reader takes one record for two, and no terminal obeys it.
 *
 * **Example** (Writing a record as JSON)
 *
 * ```ts
 * import { AuditRecord } from "effect-openfeature"
 *
 * const json = AuditRecord.toJson({ time: "2026-11-21T10:00:00.000Z", flagKey: "a\u2028b", type: "boolean" })
 * json.includes("a\\u2028b") // => true
 * JSON.parse(json).flagKey // => "a\u2028b"
 * ```
 *
 * @category converting
 * @since 0.2.0
 */
export const toJson = (record: AuditRecord | Line): string => escapeUnsafe(JSON.stringify(record))
