/** Finds user names and passwords of HTTP's basic authentication. */
import { tryOr } from "../../untrusted.ts"

const basic = /\bbasic\s+([A-Za-z\d+/]{8,})/gi

// Longer than a header that servers take. A multiple of four, so that what is cut can be decoded.
const maxLength = 8192

// Ordinary words after "basic" are valid base64 as well, but give bytes of other kinds.
// Up to the first colon, so that a text full of them is not read again from each.
const credentials = /^[ -9;-~]*:[ -~]*$/

const decoded = (encoded: string): string => tryOr(() => atob(encoded.slice(0, maxLength)), () => "")

/** Takes time proportional to the length of the text. */
export const hasBasic = (text: string): boolean => {
  for (const [, encoded = ""] of text.matchAll(basic)) {
    if (credentials.test(decoded(encoded))) return true
  }
  return false
}
