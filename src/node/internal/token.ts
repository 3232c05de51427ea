/** The format of a token: `v1.<key>.<payload>.<signature>`, the last two in base64url. */
import * as Redacted from "effect/Redacted"
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto"
import * as Overrides from "../../internal/hook/overrides.ts"
import { read, tryOr } from "../../internal/untrusted.ts"

export const maxLength = 4096

const minSecretLength = 32

export type Reason =
  | "TooLong"
  | "Malformed"
  | "UnknownKey"
  | "BadSignature"
  | "Expired"
  | "TooFarAhead"

export interface Verified {
  readonly table: Overrides.Table
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  readonly subject: string | undefined
}

const isId = (id: unknown): id is string => typeof id === "string" && /^[\w-]{1,64}$/.test(id)

/** Returns the id and the secret of a key. No error has the secret. */
export const keyOf = (owner: string, key: unknown): readonly [id: string, secret: KeyObject] => {
  const id = read(key, "id")
  if (!isId(id)) {
    throw new RangeError(`${owner}: the id of a key must have 1 to 64 letters, digits, "-" or "_"`)
  }
  const redacted = read(key, "secret")
  const secret: unknown = Redacted.isRedacted(redacted)
    // One that was wiped has no value.
    ? tryOr(() => Redacted.value(redacted), () => undefined)
    : undefined
  const bytes = typeof secret === "string" ? Buffer.from(secret, "utf8") : undefined
  if (bytes === undefined || bytes.length < minSecretLength) {
    throw new RangeError(`${owner}: the secret of key "${id}" must be Redacted, with at least ${minSecretLength} bytes`)
  }
  return [id, createSecretKey(bytes)]
}

// The same secret may sign other things. Nothing of those can be taken for a token.
const signatureOf = (secret: KeyObject, signed: string): string =>
  createHmac("sha256", secret).update(`effect-openfeature/OverrideToken\n${signed}`, "utf8").digest("base64url")

export const sign = (id: string, secret: KeyObject, payload: object): string => {
  const signed = `v1.${id}.${Buffer.from(JSON.stringify(payload), "utf8").toString("base64url")}`
  return `${signed}.${signatureOf(secret, signed)}`
}

const form = /^(v1\.([\w-]{1,64})\.([\w-]+))\.([\w-]{43})$/

const verifiedOf = (payload: string): Verified | undefined =>
  tryOr(() => {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"))
    const expiresAt = read(claims, "exp")
    const subject = read(claims, "sub")
    const entries = Overrides.parse(read(claims, "flags"))
    if (Overrides.isProblem(entries) || typeof expiresAt !== "number" || !Number.isFinite(expiresAt)) return undefined
    if (subject !== undefined && typeof subject !== "string") return undefined
    return { table: new Overrides.Table(entries, "request"), expiresAt, subject }
  }, () => undefined)

/** Checks the signature. Compares it as a text, so that no two texts are the same token. */
export const verify = (keys: ReadonlyMap<string, KeyObject>, token: string): Verified | Reason => {
  if (token.length > maxLength) return "TooLong"
  const [, signed, id, payload, signature] = form.exec(token) ?? []
  if (signed === undefined || id === undefined || payload === undefined || signature === undefined) return "Malformed"
  const secret = keys.get(id)
  if (secret === undefined) return "UnknownKey"
  const expected = signatureOf(secret, signed)
  if (!timingSafeEqual(Buffer.from(signature, "latin1"), Buffer.from(expected, "latin1"))) return "BadSignature"
  return verifiedOf(payload) ?? "Malformed"
}
