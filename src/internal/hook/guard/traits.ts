/** What is known about a text after it was read once: the kinds of characters and the letters in it. */

/** The traits of texts. */
export const T = {
  control: 1 << 0,
  line: 1 << 1,
  angle: 1 << 2,
  ampersand: 1 << 3,
  percent: 1 << 4,
  colon: 1 << 5,
  equals: 1 << 6,
  quote: 1 << 7,
  semicolon: 1 << 8,
  space: 1 << 9,
  star: 1 << 10,
  open: 1 << 11,
  brace: 1 << 12,
  slash: 1 << 13,
  digit: 1 << 14,
  at: 1 << 15,
  dash: 1 << 16,
  underscore: 1 << 17,
  dot: 1 << 18,
  plus: 1 << 19
}

const named: ReadonlyArray<readonly [trait: number, chars: string]> = [
  [T.line, "\n\r"],
  [T.angle, "<"],
  [T.ampersand, "&"],
  [T.percent, "%"],
  [T.colon, ":"],
  [T.equals, "="],
  [T.quote, "'\"`"],
  [T.semicolon, ";"],
  // A tab is harmless in a log line, and common in texts that somebody has pasted.
  [T.space, " \t"],
  [T.star, "*"],
  [T.open, "("],
  [T.brace, "{"],
  [T.slash, "/\\"],
  [T.digit, "0123456789"],
  [T.at, "@"],
  [T.dash, "-"],
  [T.underscore, "_"],
  [T.dot, "."],
  [T.plus, "+"]
]

/** The traits of ASCII characters, by their codes. */
export const ascii = Uint32Array.from({ length: 128 }, (_, code) => {
  const found = named.find(([, chars]) => chars.includes(String.fromCharCode(code)))
  return found?.[0] ?? (code < 32 || code === 127 ? T.control : 0)
})

// C1, the line and paragraph separators, the other spaces, and characters that change the direction or are not seen.
export const wide = (code: number): number => {
  if (code < 0x0600) return code === 0x85 ? T.line : code < 0xa0 ? T.control : code === 0xa0 ? T.space : 0
  if (code < 0x2000) return code === 0x061c ? T.control : 0
  if (code > 0x2069) return code === 0xfeff ? T.control : code === 0x3000 ? T.space : 0
  if (code === 0x2028 || code === 0x2029) return T.line
  if (code < 0x200b) return T.space
  return code === 0x200e || code === 0x200f || (code >= 0x202a && code <= 0x202e) || code >= 0x2066 ? T.control : 0
}

export const traitOf = (code: number): number => code < 128 ? ascii[code] ?? 0 : wide(code)

/** The letters of ASCII, in both cases, as bits. */
export const alphabet = Uint32Array.from({ length: 128 }, (_, code) => {
  const lower = code | 32
  return code >= 64 && lower >= 97 && lower <= 122 ? 1 << (lower - 97) : 0
})

/** The letters of a text, in both cases, as bits. */
export const lettersOf = (text: string): number => {
  let letters = 0
  for (let i = 0; i < text.length; i++) letters |= alphabet[text.charCodeAt(i)] ?? 0
  return letters
}
