/** Reads the resolution that a `before` contributes. It can come from a store, or from code without types. */
import * as Effect from "effect/Effect"
import { cast } from "effect/Function"
import { snapshot } from "../../EvaluationContext.ts"
import type { FlagValue, ResolutionDetails } from "../../EvaluationDetails.ts"
import { type ErrorCode, isErrorCode } from "../../EvaluationError.ts"
import { Misuse } from "../check.ts"
import { providerCodes } from "../hook/part.ts"
import { nearest, oneLine } from "../text.ts"
import { ignoreRejection, isRecord, read } from "../untrusted.ts"

interface Found {
  /** Deeply frozen. */
  readonly details: ResolutionDetails
  /** What was left out of it, and why. */
  readonly flaw: string | undefined
}

const texts = ["variant", "reason", "errorMessage"] as const

const fields: ReadonlyArray<string> = ["value", "errorCode", "flagMetadata", ...texts]

// Evaluation details are resolution details with a flag key.
const known = new Set([...fields, "flagKey"])

/** Throws a `Misuse` when it cannot be used as a whole. */
export const from = (given: unknown): Found => {
  try {
    return take(given)
  } catch (error) {
    throw error instanceof Misuse ? error : new Misuse("gave a resolution that cannot be read")
  }
}

const take = (given: unknown): Found => {
  const from = isRecord(given) ? given : {}
  // Own names only, so that a polluted prototype resolves nothing.
  const own = (name: string): unknown => Object.hasOwn(from, name) ? from[name] ?? undefined : undefined
  const value = Object.hasOwn(from, "value") ? copyOf(from["value"]) : undefined
  const errorCode = codeOf(own("errorCode"))
  if (value === undefined && errorCode === undefined) {
    throw new Misuse("gave a resolution without a value or an error code")
  }
  let flaw = flawOfNames(from)
  const details: Record<string, unknown> = {}
  if (value !== undefined) details["value"] = value
  if (errorCode !== undefined) details["errorCode"] = errorCode
  for (const name of texts) {
    const text = own(name)
    if (typeof text === "string") details[name] = text
    else if (text !== undefined) flaw ??= `gave a resolution whose ${name} is not a text, and is left out,`
  }
  const metadata = metadataOf(own("flagMetadata"))
  if (!metadata.isWhole) {
    flaw ??= "gave a resolution with metadata that is not a text, number or boolean, and is left out,"
  }
  details["flagMetadata"] = metadata.kept
  return { details: cast<unknown, ResolutionDetails>(Object.freeze(details)), flaw }
}

// The SDK takes an empty code for none.
const codeOf = (code: unknown): ErrorCode | undefined => {
  if (code === undefined || code === "") return undefined
  if (!isErrorCode(code)) throw new Misuse("gave a resolution with an error code that OpenFeature does not have")
  if (providerCodes.has(code)) throw new Misuse("gave a resolution with an error code that only a provider can give")
  return code
}

const copyOf = (value: unknown): FlagValue | undefined => {
  if (typeof value !== "object" || value === null) return cast(value)
  if (Effect.isEffect(value) || typeof read(value, "then") === "function") {
    ignoreRejection(value)
    throw new Misuse("gave a resolution whose value would have to be awaited or run")
  }
  const copy = snapshot(value)
  if (copy === value) throw new Misuse("gave a resolution whose value is not plain data")
  return cast(copy)
}

const metadataOf = (given: unknown) => {
  const entries = isRecord(given) ? Object.entries(given) : []
  const kept = entries.filter(([, one]) => ["string", "number", "boolean"].includes(typeof one))
  const isWhole = kept.length === entries.length && (given === undefined || isRecord(given))
  return { kept: Object.freeze(Object.fromEntries(kept)), isWhole }
}

const flawOfNames = (given: Record<string, unknown>): string | undefined => {
  const other = Object.keys(given).find((name) => !known.has(name))
  if (other === undefined) return undefined
  const near = nearest(other, fields)
  // A name that is none of its own can come from a store.
  return near === undefined
    ? "gave a resolution with a field that it cannot have,"
    : `gave a resolution with "${oneLine(other, 64)}" where "${near}" was probably meant`
}
