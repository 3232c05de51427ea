/** Finds the numbers of credit cards. */

const luhnDigit = (digits: string, from: number): number => {
  const digit = digits.charCodeAt(from) - 48
  return (digits.length - from) % 2 === 1 ? digit : digit > 4 ? 2 * digit - 9 : 2 * digit
}

const isLuhn = (digits: string): boolean => {
  let sum = 0
  for (let i = 0; i < digits.length; i++) sum += luhnDigit(digits, i)
  return sum % 10 === 0
}

// Without the prefixes and lengths of the issuers, one numeric identifier in ten would pass the check.
const issuers =
  /^(?:4\d{15}(?:\d{3})?|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12})$/
const card =
  /\d(?<![\w.-]\d)(?:\d{13,18}|\d{3}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{3}([ -])\d{6}\2\d{4,5})(?![\w-])/g

const iban = /\b[A-Z]{2}\d\d(?: [A-Z\d]{4}){2,7}(?: [A-Z\d]{1,3})?(?!\w)/g

// 34 characters in groups of four.
const maxIban = 42

const isIban = (text: string): boolean => {
  const compact = text.replaceAll(" ", "")
  let rest = 0
  for (const char of compact.slice(4) + compact.slice(0, 4)) {
    const value = Number.parseInt(char, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest === 1
}

/** Groups of an account number can look like those of a card. Its own check digits tell what it is. */
const isInIban = (text: string, at: number): boolean => {
  const from = Math.max(0, at - maxIban)
  for (const { 0: found, index } of text.slice(from, at + maxIban).matchAll(iban)) {
    const start = from + index
    if (start < at && at < start + found.length && isIban(found)) return true
  }
  return false
}

const isOfCard = (code: number): boolean => (code >= 48 && code <= 57) || code === 32 || code === 45

/** Whether the character is in a row of as many as a card has digits. */
const isInRow = (text: string, at: number): boolean => {
  let from = at
  let to = at
  while (to - from < 14 && isOfCard(text.charCodeAt(from))) from--
  while (to - from <= 14 && isOfCard(text.charCodeAt(to))) to++
  return to - from > 14
}

// In such a row, there is one of every 14 characters of the text.
const mayHaveCard = (text: string): boolean => {
  for (let i = 13; i < text.length; i += 14) {
    if (isOfCard(text.charCodeAt(i)) && isInRow(text, i)) return true
  }
  return false
}

/** Takes time proportional to the length of the text. */
export const hasCard = (text: string): boolean => {
  if (!mayHaveCard(text)) return false
  card.lastIndex = 0
  for (let found = card.exec(text); found !== null; found = card.exec(text)) {
    const digits = found[0].replace(/[ -]/g, "")
    if (issuers.test(digits) && isLuhn(digits) && !isInIban(text, found.index)) return true
    card.lastIndex = found.index + 1
  }
  return false
}
