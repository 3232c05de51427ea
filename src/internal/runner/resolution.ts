/** Reads the resolution that a `before` contributes. It can come from a store, or from code without types. */
import * as Effect from "effect/Effect"
import { isKept, type ResolutionDetails, resolutionFrom } from "../../EvaluationDetails.ts"
import { isErrorCode } from "../../EvaluationError.ts"
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
  if (isRecord(given) && isKept(given)) return { details: given, flaw: undefined }
  // Each field is read once. Own names only, so that a polluted prototype resolves nothing.
  const from: Record<string, unknown> = isRecord(given) ? { ...given } : {}
  checkCode(from["errorCode"])
  const details = resolutionFrom(from)
  if (details === undefined) throw new Misuse("gave a resolution without a value or an error code")
  checkValue(from["value"], details.value)
  return { details, flaw: flawOfNames(from) ?? flawOfTexts(from) ?? flawOfMetadata(from["flagMetadata"], details) }
}

// The SDK takes an empty code for none.
const checkCode = (code: unknown): void => {
  if (code === undefined || code === null || code === "") return
  if (!isErrorCode(code)) throw new Misuse("gave a resolution with an error code that OpenFeature does not have")
  if (providerCodes.has(code)) throw new Misuse("gave a resolution with an error code that only a provider can give")
}

const checkValue = (value: unknown, copy: unknown): void => {
  if (typeof value !== "object" || value === null) return
  if (Effect.isEffect(value) || typeof read(value, "then") === "function") {
    ignoreRejection(value)
    throw new Misuse("gave a resolution whose value would have to be awaited or run")
  }
  if (copy === value) throw new Misuse("gave a resolution whose value is not plain data")
}

const flawOfTexts = (given: Record<string, unknown>): string | undefined => {
  const wrong = texts.find((name) => typeof (given[name] ?? "") !== "string")
  return wrong && `gave a resolution whose ${wrong} is not a text, and is left out,`
}

const flawOfMetadata = (given: unknown, { flagMetadata = {} }: ResolutionDetails): string | undefined => {
  const isWhole = isRecord(given)
    ? Object.keys(given).length === Object.keys(flagMetadata).length
    : given === undefined || given === null
  return isWhole ? undefined : "gave a resolution with metadata that is not a text, number or boolean, and is left out,"
}

const flawOfNames = (given: Record<string, unknown>): string | undefined => {
  const other = Object.keys(given).find((name) => !known.has(name))
  if (other === undefined) return undefined
  const near = nearest(other, fields)
  // A name that is like none of them can be data from a store, so it is not printed.
  return near === undefined
    ? "gave a resolution with a field that it cannot have,"
    : `gave a resolution with "${oneLine(other, 64)}" where "${near}" was probably meant`
}
