/**
 * What an audit trail consists of, and what can be told about it.
 *
 * An audit trail is a file, or several after a rotation, with one JSON object per
 * line. `AuditReader` reads it.
 *
 * @since 0.2.0
 */
import type * as DateTime from "effect/DateTime"
import type { Line } from "../audit/AuditRecord.ts"

/**
 * A line with an audit record.
 *
 * @category models
 * @since 0.2.0
 */
export interface Recorded {
  /** Tells it from a `BadLine`. */
  readonly _tag: "Recorded"
  /** The path of the file, or `-` for a source that is no file. */
  readonly file: string
  /** The number of the line in its file, from 1. */
  readonly line: number
  /** The record. */
  readonly record: Line
  /** The text of the line. */
  readonly text: string
}

/**
 * A line that has no audit record.
 *
 * @category models
 * @since 0.2.0
 */
export interface BadLine {
  /** Tells it from a `Recorded` line. */
  readonly _tag: "BadLine"
  /** The path of the file, or `-` for a source that is no file. */
  readonly file: string
  /** The number of the line in its file, from 1. */
  readonly line: number
  /** What is wrong with it. */
  readonly reason: "longer than maxLineLength" | "not in UTF-8" | "not JSON" | "not an audit record"
}

/**
 * Any line of an audit trail.
 *
 * @category models
 * @since 0.2.0
 */
export type Entry = Recorded | BadLine

/**
 * Options that select records. Without any, all are selected.
 *
 * @category models
 * @since 0.2.0
 */
export interface Selection {
  /** Selects flags by key, with `*` for any text and `?` for one character. */
  readonly flag?: string | undefined
  /** Selects records from this time on: an ISO text, a `Date`, or a `DateTime`. */
  readonly since?: string | Date | DateTime.DateTime | undefined
  /** Selects records from before this time. */
  readonly until?: string | Date | DateTime.DateTime | undefined
  /** Selects evaluations with an error (`true`), without one (`false`), or with this error code. */
  readonly error?: boolean | string | undefined
  /** Selects evaluations with this variant. */
  readonly variant?: string | undefined
  /** Selects records with this targeting key, as it was written: possibly as a digest. */
  readonly targetingKey?: string | undefined
}

/**
 * The evaluations of a flag.
 *
 * @category models
 * @since 0.2.0
 */
export interface FlagSummary {
  /** The key of the flag. */
  readonly flagKey: string
  /** All evaluations, also those with an error. */
  readonly evaluations: number
  /** The evaluations with an error, which gave the default value. */
  readonly errors: number
  /** The other evaluations by variant, the most frequent first. At most 50 have names; the rest is `(others)`. */
  readonly variants: ReadonlyArray<{
    /** The variant, or `(none)`. */
    readonly variant: string
    /** The number of evaluations. */
    readonly count: number
  }>
}

/**
 * The evaluations of an audit trail, by flag.
 *
 * @category models
 * @since 0.2.0
 */
export interface Summary {
  /** The number of selected records. */
  readonly records: number
  /** The number of selected records with an error. */
  readonly errors: number
  /** The number of lines that could not be read. */
  readonly badLines: number
  /** The time of the first selected record. */
  readonly first: string | undefined
  /** The time of the last selected record. */
  readonly last: string | undefined
  /** The flags, the most evaluated first. */
  readonly flags: ReadonlyArray<FlagSummary>
  /** The evaluations of flags beyond `maxFlags`, and of those with a key of more than 256 characters. */
  readonly notListed: number
}

/**
 * The place where a trail was changed.
 *
 * @category models
 * @since 0.2.0
 */
export interface Break {
  /** The path of the file, or `-` for a source that is no file. */
  readonly file: string
  /** The number of the line in its file, from 1. */
  readonly line: number
  /** The number of the first record that was changed or removed. */
  readonly seq: number
  /** What does not fit, in one line. */
  readonly reason: string
}

/**
 * What the hashes of a trail tell.
 *
 * @category models
 * @since 0.2.0
 */
export interface Verification {
  /** Whether there are hashes, and all of them fit. */
  readonly isIntact: boolean
  /** Why the trail is not intact, in one line. */
  readonly reason: string | undefined
  /** The first place that does not fit. */
  readonly break: Break | undefined
  /** The records that are as they were written. */
  readonly verified: number
  /**
   * The records of which nothing is known: those before the first with a hash,
   * and the first one where the lines begin in the middle of a trail.
   */
  readonly unprotected: number
  /** The number of that first one, which could be checked only with the record before it. */
  readonly unchecked: number | undefined
  /** The lines that could not be read. They break no chain, unless a record is missing. */
  readonly badLines: number
  /** The number of the first record that was verified. */
  readonly first: number | undefined
  /** The number of the last record that fits. */
  readonly last: number | undefined
  /**
   * The hash of that record. Kept in another place, it tells later whether the
   * end of the trail was removed.
   */
  readonly lastHash: string | undefined
}
