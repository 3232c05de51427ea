/** What was evaluated in a transaction. */
import type * as SDK from "@openfeature/server-sdk"
import type * as Types from "effect/Types"
import type { EvaluationDetails, FlagValue } from "../../EvaluationDetails.ts"
import type { ErrorCode } from "../../EvaluationError.ts"
import { netstring } from "../hash.ts"
import { structureOf } from "../structure.ts"
import { truncate } from "../text.ts"

/** What the value of an evaluation came from. */
export type Source = "override" | "cache" | "hook" | "provider" | "none"

export interface Entry {
  /** The domain of the client, or `undefined` for the default domain. */
  readonly domain: string | undefined
  /** The key of the flag, of which the first 1,024 characters are kept. */
  readonly flagKey: string
  /** The type that the flag was evaluated with. */
  readonly flagValueType: SDK.FlagValueType
  /** The name of the variant, if it has one. */
  readonly variant?: string | undefined
  /** The reason that the caller got, such as `TARGETING_MATCH` or `CACHED`. */
  readonly reason?: string | undefined
  /** The error code, if the evaluation failed. */
  readonly errorCode?: ErrorCode | undefined
  /**
   * What resolved the flag: an override of the transaction or of an `OverrideHook`,
   * the cache of the transaction, a resolution of another hook, or the provider.
   * `"none"` if the evaluation failed before that.
   */
  readonly source: Source
  /** The number of evaluations with all of this in common. */
  readonly count: number
  /** The flag value, with the option `values`. */
  readonly value?: FlagValue | undefined
}

export interface EvaluationRecord {
  /** The evaluations in the order in which the first of each kind ended. */
  readonly entries: ReadonlyArray<Entry>
  /** The number of all evaluations. */
  readonly evaluations: number
  /** The number of evaluations without an entry, since there are `capacity` entries. */
  readonly omitted: number
  /**
   * The number of evaluations whose value could not be kept: `capacity` values were
   * kept, or their evaluation context is too large or cannot be compared.
   */
  readonly notKept: number
}

/** The flag that an evaluation asks for. */
export interface Question {
  readonly domain: string | undefined
  readonly flagKey: string
  readonly type: SDK.FlagValueType
}

const maxLength = 1024

/** A larger value has an entry of its own. */
const maxValueLength = 10_000

export class Recorder {
  readonly #entries = new Map<string, Types.Mutable<Entry>>()
  readonly #capacity: number
  readonly #hasValues: boolean
  #evaluations = 0
  #omitted = 0
  #notKept = 0

  constructor(capacity: number, hasValues: boolean) {
    this.#capacity = capacity
    this.#hasValues = hasValues
  }

  add({ domain, flagKey: given, type }: Question, details: EvaluationDetails, source: Source, isKept: boolean): void {
    this.#evaluations++
    if (!isKept) this.#notKept++
    const { errorCode, value } = details
    const flagKey = truncate(given, maxLength)
    const variant = bounded(details.variant)
    const reason = bounded(details.reason)
    const key = netstring(
      domain === undefined ? "" : `=${domain}`,
      type,
      flagKey,
      variant === undefined ? "" : `=${variant}`,
      reason === undefined ? "" : `=${reason}`,
      errorCode ?? "",
      source,
      this.#hasValues ? structureOf(value, maxValueLength) ?? `${this.#evaluations}` : ""
    )
    const known = this.#entries.get(key)
    if (known !== undefined) {
      known.count++
      return
    }
    if (this.#entries.size >= this.#capacity) {
      this.#omitted++
      return
    }
    const entry: Types.Mutable<Entry> = { domain, flagKey, flagValueType: type, source, count: 1 }
    if (variant !== undefined) entry.variant = variant
    if (reason !== undefined) entry.reason = reason
    if (errorCode !== undefined) entry.errorCode = errorCode
    if (this.#hasValues) entry.value = value
    this.#entries.set(key, entry)
  }

  get record(): EvaluationRecord {
    return Object.freeze({
      entries: Object.freeze(Array.from(this.#entries.values(), (entry) => Object.freeze({ ...entry }))),
      evaluations: this.#evaluations,
      omitted: this.#omitted,
      notKept: this.#notKept
    })
  }
}

const bounded = (text: string | undefined): string | undefined => text === undefined ? text : truncate(text, maxLength)
