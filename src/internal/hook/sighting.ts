/** What is kept of an evaluation until its exposure is sent, and the texts that tell exposures apart. */
import { cast } from "effect/Function"
import type { EvaluationContext } from "../../EvaluationContext.ts"
import type { EvaluationDetails } from "../../EvaluationDetails.ts"
import * as Privacy from "../../Privacy.ts"
import { netstring } from "../hash.ts"
import { truncate } from "../text.ts"
import { readOwn, tryOr } from "../untrusted.ts"
import type { Names } from "./named.ts"

/** A value of an exposure that fits into any format. */
export type Value = string | number | boolean

export interface Exposure {
  /**
   * A digest of the name of the hook, the domain, the flag, the variant and the
   * subject. Repeated exposures have the same, so a sink can count by it.
   */
  readonly id: string
  /** When the flag was evaluated, as ISO 8601 in UTC. */
  readonly time: string
  /** The subject, as `targetingKey` writes it. */
  readonly subject: string
  /** The key of the flag. */
  readonly flagKey: string
  /** The variant. None if the provider has no names for variants. */
  readonly variant?: Value | undefined
  /** The flag value, if `values` is set. */
  readonly value?: Value | undefined
  /** Why the flag has this value. None if the provider does not tell. */
  readonly reason?: string | undefined
  /** The domain of the client. None for the default domain. */
  readonly domain?: string | undefined
  /** The attributes that `context` names. None by default. */
  readonly attributes?: Readonly<Record<string, Value>> | undefined
  /** The flag metadata that `metadata` names. None by default. */
  readonly metadata?: Readonly<Record<string, Value>> | undefined
}

export interface Evaluation {
  /** The key of the flag. */
  readonly flagKey: string
  /** The evaluation context. */
  readonly context: EvaluationContext
}

/** An exposure without what takes long to make. */
export interface Seen {
  readonly subject: string
  readonly domain: string
  readonly result: string
  readonly flagKey: string
  readonly exposure: Omit<Exposure, "id" | "subject">
}

const maxNameLength = 256

/** Longer ones are kept as digests. */
const maxNamesLength = 512

/** A part of a text, such as of a header, would keep the whole text in memory. */
const copied = (text: string): string => (" " + text).slice(1)

/** A variant, or the value where there is none. No two of them have the same text. */
export const resultOf = ({ value, variant }: EvaluationDetails): string => {
  // A new text would have to be hashed each time, so a variant stays as it is.
  if (variant !== undefined) return variant.charCodeAt(0) === 0 ? "\0v" + variant : variant
  if (typeof value === "string") return "\0s" + value
  return typeof value === "object" ? "\0o" + JSON.stringify(value) : "\0=" + String(value)
}

export interface Options extends Omit<Privacy.Options, "targetingKey"> {
  readonly targetingKey?: "hash" | "raw" | ((subject: string) => string) | undefined
  readonly metadata?: ReadonlyArray<string> | undefined
}

/** Is told what a function of the user gave, and what it should have given. */
export type OnMisuse = (flagKey: string, given: unknown, wanted: string) => void

export class Records {
  readonly #name: string
  readonly #sha256: (text: string) => string
  readonly #metadata: ReadonlyArray<string>
  readonly #maxLength: number
  readonly #maxSize: number
  readonly #write: (subject: string) => string
  readonly #privacy: Privacy.Privacy
  readonly #onMisuse: OnMisuse

  constructor(
    name: string,
    options: Options,
    sha256: (text: string) => string,
    onMisuse: OnMisuse
  ) {
    const { maxLength = 500, maxSize = 1000, metadata = [], targetingKey = "hash" } = options
    this.#name = name
    this.#sha256 = sha256
    this.#onMisuse = onMisuse
    this.#metadata = metadata
    this.#maxLength = maxLength
    this.#maxSize = maxSize
    this.#write = targetingKey === "hash" ? sha256 : targetingKey === "raw" ? (subject) => subject : targetingKey
    this.#privacy = Privacy.fromChecked({ ...options, targetingKey: targetingKey === "raw" ? "raw" : this.#write })
  }

  /** The names to remember. Long ones would take memory without a bound, so they are a digest. */
  names(domain: string, flagKey: string, result: string, subject: string): Names {
    return domain.length + flagKey.length + result.length + subject.length > maxNamesLength
      ? { domain: "", flagKey: "", result: "", subject: this.#sha256(netstring(domain, flagKey, result, subject)) }
      : { domain, flagKey, result, subject: copied(subject) }
  }

  /** Takes what is needed now, since the evaluation context can change later. */
  see(
    evaluation: Evaluation,
    details: EvaluationDetails,
    subject: string,
    domain: string,
    result: string,
    time: string
  ): Seen {
    const { flagKey } = evaluation
    const { flagMetadata, reason, value, variant } = details
    const attributes = this.#privacy.attributes(evaluation)
    const metadata = this.#metadata.map((name) => [name, this.#keep(`metadata.${name}`, readOwn(flagMetadata, name))])
    return {
      subject,
      domain,
      result,
      flagKey,
      exposure: {
        time,
        flagKey: truncate(flagKey, maxNameLength),
        ...defined("variant", this.#keep("variant", variant)),
        ...defined("value", this.#privacy.values ? this.#keep("value", value) : undefined),
        ...defined("reason", typeof reason === "string" ? truncate(reason, maxNameLength) : undefined),
        ...defined("domain", domain === "" ? undefined : truncate(domain, maxNameLength)),
        ...defined("attributes", attributes && this.#values(Object.entries(attributes))),
        ...defined("metadata", metadata.length === 0 ? undefined : this.#values(metadata))
      }
    }
  }

  finish({ domain, exposure, flagKey, result, subject }: Seen): { readonly id: string; readonly exposure: Exposure } {
    const written = tryOr((): unknown => this.#write(subject), () => undefined)
    const known = typeof written === "string" ? written : undefined
    if (known === undefined) this.#onMisuse(flagKey, written, "a text for the targeting key")
    const id = this.#sha256(netstring(this.#name, domain, flagKey, result, known ?? this.#sha256(subject)))
    const kept = known === undefined ? redacted : this.#privacy.keep("targeting_key", known)
    const shown = kept === undefined ? redacted : String(this.#valueOf(kept))
    return { id, exposure: { id, subject: shown, ...exposure } }
  }

  #keep(name: string, value: unknown): Value | undefined {
    const kept = value === undefined ? undefined : this.#privacy.keep(name, value)
    return kept === undefined ? undefined : this.#valueOf(kept)
  }

  #valueOf(value: unknown): Value {
    if (typeof value === "string") return truncate(value, this.#maxLength)
    return typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))
      ? value
      : this.#privacy.print(value)
  }

  #values(entries: Iterable<ReadonlyArray<unknown>>): Record<string, Value> {
    const written: Array<readonly [string, Value]> = []
    for (const [name, value] of entries) {
      if (written.length >= this.#maxSize) break
      if (value !== undefined) written.push([truncate(String(name), maxNameLength), this.#valueOf(value)])
    }
    return Object.fromEntries(written)
  }
}

const redacted = "<redacted>"

const defined = <K extends string, V>(name: K, value: V | undefined): { readonly [_ in K]?: V } | undefined =>
  value === undefined ? undefined : cast({ [name]: value })
