/** Finds user names and passwords of HTTP's basic authentication. */
import { tryOr } from "../../untrusted.ts"

const basic = /\bbasic\s+([A-Za-z\d+/]{8,})/gi

// Longer than a header that servers take. A multiple of four, so that what is cut can be decoded.
const maxLength = 8192

// Ordinary words after "basic" are valid base64 as well, but give bytes of other kinds.
// Up to the first colon, so that a text full of them is not read again from each.
const credentials = /^[ -9;-~]*:[ -~]*$/

// A text can be cut behind one character of a group, which by itself decodes to nothing.
const decoded = (encoded: string): string => {
  const { length } = encoded
  return tryOr(() => atob(encoded.slice(0, Math.min(maxLength, length % 4 === 1 ? length - 1 : length))), () => "")
}

/** Takes time proportional to the length of the text. */
export const hasBasic = (text: string): boolean => {
  for (const [, encoded = ""] of text.matchAll(basic)) {
    if (credentials.test(decoded(encoded))) return true
  }
  return false
}
