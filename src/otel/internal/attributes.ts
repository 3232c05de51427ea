/** An evaluation as the attributes of its event and its span. */
import type { EvaluationDetails } from "../../EvaluationDetails.ts"
import type { ErrorCode } from "../../EvaluationError.ts"
import type { HookContext } from "../../HookContext.ts"
import { providerNameOf } from "../../internal/hook/view.ts"
import type { Privacy } from "../../Privacy.ts"
import * as Conventions from "./conventions.ts"

export type Attributes = Record<string, string | number | boolean>

type Value = string | number | boolean | undefined

const errorTypes: ReadonlyMap<string, string> = new Map(Object.entries(
  {
    FLAG_NOT_FOUND: "flag_not_found",
    GENERAL: "general",
    INVALID_CONTEXT: "invalid_context",
    PARSE_ERROR: "parse_error",
    PROVIDER_FATAL: "provider_fatal",
    PROVIDER_NOT_READY: "provider_not_ready",
    TARGETING_KEY_MISSING: "targeting_key_missing",
    TYPE_MISMATCH: "type_mismatch"
  } satisfies Record<ErrorCode, string>
))

export const errorTypeOf = (errorCode: string | undefined): string | undefined =>
  errorCode === undefined ? undefined : errorTypes.get(errorCode)

/** Whether an attribute can hold the value without converting it to text. */
export const isScalar = (value: unknown): value is number | boolean =>
  typeof value === "boolean" || Number.isFinite(value)

/** Converts a value to one that an attribute can hold. */
export const written = (privacy: Privacy, kept: unknown): Value =>
  isScalar(kept) || kept === undefined ? kept : privacy.print(kept)

/** Writes attributes with the names of one version, within the limits of `Privacy`. */
export class Writer {
  readonly names: Conventions.Names
  readonly #privacy: Privacy

  constructor(privacy: Privacy, names: Conventions.Names) {
    this.names = names
    this.#privacy = privacy
  }
  /** The attributes that are known before the flag is resolved. */
  request(context: HookContext): Attributes {
    return {
      [this.names.key]: this.#privacy.print(context.flagKey),
      [this.names.provider]: this.#privacy.print(providerNameOf(context))
    }
  }
  /** Adds the attributes that are known afterwards. */
  result(attributes: Attributes, context: HookContext, details: EvaluationDetails): Attributes {
    const privacy = this.#privacy
    const { names } = this
    const { flagMetadata, value, variant } = details
    const errorType = errorTypeOf(details.errorCode)
    attributes[names.reason] = Conventions.reasonOf(details.reason)
    if (variant !== undefined) set(attributes, names.variant, privacy.write("variant", variant))
    if (errorType !== undefined) {
      attributes[names.errorType] = errorType
      set(attributes, names.errorMessage, privacy.errorMessage(details.errorMessage))
    } else if (privacy.values || (variant === undefined && (typeof value === "boolean" || typeof value === "number"))) {
      set(attributes, names.value, written(privacy, privacy.keep("value", value)))
    }
    set(attributes, names.setId, this.#metadata(flagMetadata, "flagSetId"))
    set(attributes, names.version, this.#metadata(flagMetadata, "version"))
    this.subject(attributes, context, flagMetadata)
    return attributes
  }
  /** Adds what `Privacy` allows of the evaluation context. */
  subject(attributes: Attributes, context: HookContext, flagMetadata: EvaluationDetails["flagMetadata"]): void {
    const contextId = own(flagMetadata, "contextId")
    set(
      attributes,
      this.names.contextId,
      this.#privacy.targetingKey(contextId === undefined ? context : { context: { targetingKey: String(contextId) } })
    )
    this.context(attributes, context)
  }
  /** Adds the attributes of the evaluation context that `context` names. */
  context(attributes: Attributes, context: HookContext): void {
    const kept = this.#privacy.attributes(context)
    if (kept === undefined) return
    for (const [name, value] of Object.entries(kept)) {
      set(attributes, `feature_flag.context.attribute.${name}`, written(this.#privacy, value))
    }
  }
  #metadata(flagMetadata: EvaluationDetails["flagMetadata"], name: string): string | undefined {
    const found = own(flagMetadata, name)
    return found === undefined ? undefined : this.#privacy.write(`metadata.${name}`, found)
  }
}

const own = (flagMetadata: EvaluationDetails["flagMetadata"], name: string) =>
  Object.hasOwn(flagMetadata, name) ? flagMetadata[name] : undefined

const set = (attributes: Attributes, name: string, value: Value): void => {
  if (value !== undefined) attributes[name] = value
}
