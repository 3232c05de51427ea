/** What the stores in Redis have in common. */
import * as Check from "../../internal/check.ts"
import { sha256 } from "../../internal/node.ts"
import { netstring } from "../../internal/hash.ts"

export const prefixOf = (owner: string, options: { readonly prefix?: string | undefined }, orElse: string): string => {
  if (sha256("") === undefined) throw new RangeError(`${owner}: needs Node.js`)
  return Check.options(owner, options, { prefix: Check.aString }).prefix ?? orElse
}

/** A key of one length, whatever is in the names. */
export const keyOf = (prefix: string, rule: string, key: string): string =>
  prefix + (sha256(netstring(rule) + key) ?? "")

/** Reads the list of numbers that a script gives, as numbers or as texts. */
export const numbers = (answer: unknown, length: number): ReadonlyArray<number> =>
  Array.isArray(answer) && answer.length === length
    ? answer.map((one: unknown) => typeof one === "string" && one === "" ? Number.NaN : Number(one))
    : []
