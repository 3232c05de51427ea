/** A digest that nobody can find a second text for, and that is the same in every process. */
import { murmur3 } from "./hash.ts"
import { createHash } from "./node.ts"

/** SHA-256 of the text in UTF-8, in 43 letters, digits, `-` and `_`. Without Node, a hash that is not for secrets. */
export const sha256 = (text: string): string =>
  createHash()?.("sha256").update(text).digest("base64url") ??
    [0, 1, 2, 3, 4].map((seed) => murmur3(text, seed).toString(36)).join("-")
