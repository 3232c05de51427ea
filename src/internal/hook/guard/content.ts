/**
 * Rules for what a text must not contain.
 *
 * A text is read once, which gives its traits: the kinds of characters in it. An
 * expression runs only on a text that has the traits and letters which a match needs.
 *
 * Every expression here takes time proportional to the length of the text: no
 * repetition can be entered at more places than it ends at.
 */

import { hasCard } from "./card.ts"
import { hasBasic } from "./credentials.ts"
import { alphabet, ascii, lettersOf, T, traitOf, wide } from "./traits.ts"

/** One way to break a rule. */
interface Form {
  /** A text must have one of these traits, unless there are none. */
  readonly any: number
  /** It must have all of these traits. */
  readonly all: number
  /** It must have all of these letters. */
  readonly letters: number
  /** A shorter text cannot have the form. */
  readonly min: number
  readonly has: (text: string) => boolean
}

interface Needs {
  readonly any?: number
  readonly all?: number
  readonly letters?: string
  readonly min?: number
}

const form = (has: RegExp | Form["has"], { all = 0, any = 0, letters = "", min = 1 }: Needs): Form => ({
  any,
  all,
  letters: lettersOf(letters),
  min,
  has: typeof has === "function" ? has : (text) => has.test(text)
})

const gap = T.space | T.star | T.slash | T.open | T.plus | T.line

const statement = /;\s*(?:drop|delete|insert|update|alter|create|exec|truncate|shutdown|select)\b/i
const statements = [
  /['")]\s*;\s*(?:drop|delete|insert|update|alter|create|exec|truncate|shutdown|select)\b/i,
  /;\s*(?:drop|alter|truncate|create)\s+(?:table|database|user|schema|view|index)\b/i
]

const contents = {
  "control-characters": [form(() => true, { all: T.control })],
  "line-breaks": [form(() => true, { all: T.line })],
  html: [
    // Not the address in a mailbox such as Ana <ana@example.org>, which is a name without attributes to a browser.
    form(/<(?![\w.+-]{1,64}@[a-z\d.-]{1,253}>)[a-z!/?]/i, { all: T.angle }),
    form(/%3c[a-z!/?]/i, { all: T.percent, letters: "c" }),
    form(/&(?:lt|#0{0,7}60|#x0{0,7}3c)(?![\da-z])/i, { all: T.ampersand }),
    form(/\b(?:java|vb)script\s*:/i, { all: T.colon, letters: "vscript" }),
    form(/["'`]\s*on[a-z]{3,20}\s*=/i, { all: T.quote | T.equals, letters: "on" })
  ],
  sql: [
    // Not a place such as Val-d'Or (Quebec).
    form(/'(?!(?<=\b[dl]')or\s*["\d(])[\s)]*(?:or|and)\s*['"\d(]/i, { all: T.quote }),
    form(/'\s*(?:--|#\s*$|\/\*)/, { all: T.quote }),
    form((text) => statement.test(text) && statements.some((it) => it.test(text)), { all: T.semicolon, min: 6 }),
    form(/\bunion[\s/*(+]{1,20}(?:all|distinct)?[\s/*(+]{0,20}select\b/i, {
      any: gap,
      letters: "unionselect",
      min: 12
    }),
    form(/\b(?:or|and)\s+\d{1,10}\s*=\s*\d/i, { all: T.equals | T.digit, any: T.space | T.line }),
    form(/\((?<=\b(?:pg_sleep|load_file|extractvalue|updatexml)\s*\()/i, { all: T.open, letters: "e", min: 8 }),
    // Not that of a fund, such as "benchmark (EUR)". The function takes a count and an expression.
    form(/\((?<=\bbenchmark\s*\()\s*[\d(][\w.+*()]{0,20}\s*,/i, {
      all: T.open | T.digit,
      letters: "benchmark",
      min: 12
    }),
    form(/\bsleep\(\d/i, { all: T.open | T.digit, letters: "slep" }),
    form(/\bxp_cmdshell\b/i, { all: T.underscore, letters: "xpcmdshel", min: 11 }),
    form(/\bwaitfor\s+delay\b/i, { any: T.space | T.line, letters: "waitfordely", min: 13 })
  ],
  template: [form(/[$#%]\{|\{\{|\{%/, { all: T.brace }), form(/<%/, { all: T.angle | T.percent })],
  "path-traversal": [
    form((text) => text.includes("..") && /\.\.(?:[\\/]|%2f|%5c)|[\\/]\.\.$/i.test(text), {
      all: T.dot,
      any: T.slash | T.percent
    }),
    // A slash that is encoded twice is ordinary, as in the URL of a redirect. A dot need not be encoded at all.
    form(/(?:\.|%2e){2}(?:[\\/]|%(?:25)?(?:2f|5c))|%252e/i, { all: T.percent | T.digit })
  ],
  "aws-key": [
    form(/A[KS]IA(?<![A-Z\d]A[KS]IA)[A-Z\d]{16}(?![A-Z\d])/, { letters: "ai", min: 20 }),
    // By itself, a secret key could be any text of 40 characters.
    form(/(?:secret[ _-]?(?:access[ _-]?)?key|aws[ _-]?secret)["'`\\\s:=>]{1,8}[a-z\d/+]{40}(?![a-z\d/+=])/i, {
      any: gap | T.colon | T.equals | T.quote | T.angle,
      letters: "secrt",
      min: 51
    })
  ],
  "api-key": [
    form(/\bgh[opsur]_[A-Za-z\d]{36}|\bgithub_pat_\w{22}/, {
      all: T.underscore,
      letters: "gh",
      min: 33
    }),
    form(/\bglpat-[\w-]{20}/, { all: T.dash, letters: "glpat", min: 26 }),
    form(/\bnpm_[A-Za-z\d]{36}/, { all: T.underscore, letters: "npm", min: 40 }),
    form(/\bxox(?:[abeprs]-[\w-]{10}|o-\d{1,20}-\d)/, { all: T.dash, letters: "xo", min: 15 }),
    form(/\bxapp-\d-[A-Z\d]{6}/, { all: T.dash | T.digit, letters: "xap", min: 13 }),
    form(/\bsk-(?:[A-Za-z\d]{32}|(?:proj|svcacct|admin|or-v1|ant-[a-z]{3,5}\d\d)-[\w-]{32})/, {
      all: T.dash,
      letters: "sk",
      min: 35
    }),
    form(/\b[rs]k_live_[A-Za-z\d]{10}/, { all: T.underscore, letters: "klive", min: 18 }),
    form(/\bAIza[\w-]{35}/, { letters: "aiz", min: 39 })
  ],
  // At the end of a text also without a signature: a lenient guard reads no more of a long one, and would leave the claims.
  jwt: [form(/eyJ(?<![\w-]eyJ)[\w-]{5,}\.eyJ[\w-]{2,}(?:\.|$)/, { all: T.dot, letters: "eyj", min: 20 })],
  "private-key": [
    form(/-----BEGIN [A-Z\d ]{0,40}PRIVATE KEY/, { all: T.dash | T.space, letters: "beginprivatekey", min: 22 })
  ],
  "bearer-token": [form(/\bbearer\s+[\w.~+/-]{16}/i, { any: T.space | T.line, letters: "bear", min: 23 })],
  "basic-auth": [form(hasBasic, { any: T.space | T.line, letters: "basic", min: 14 })],
  "url-password": [
    // Neither a password that is hidden already, nor a port in a list, nor the digest of an image.
    form(/:\/\/[^\s/?#@:"'<>]*:(?!(?:\*+|x+)@|\d{1,5}[,;|])[^\s/?#@"'<>]+@(?!sha256:)[^\s/]/i, {
      all: T.at | T.colon | T.slash,
      min: 7
    })
  ],
  "credit-card": [form(hasCard, { all: T.digit, min: 14 })],
  email: [form(/[\w.+%-]@[A-Za-z\d-]{1,63}\.[A-Za-z\d]/, { all: T.at | T.dot, min: 5 })]
} satisfies Readonly<Record<string, ReadonlyArray<Form>>>

export type Name = keyof typeof contents

interface Entry extends Form {
  readonly name: Name
}

const isName = (name: string): name is Name => Object.hasOwn(contents, name)

export const names: ReadonlyArray<Name> = Object.keys(contents).filter(isName)

const entriesOf = (name: Name): ReadonlyArray<Entry> =>
  contents[name].map(({ all, any, has, letters, min }) => ({ name, all, any, has, letters, min }))

const maxTraits = 1024

const isPossible = (traits: number) => ({ all, any }: Form): boolean =>
  (traits & all) === all && (any === 0 || (traits & any) !== 0)

/** A set of rules. */
export class Contents {
  readonly #entries: ReadonlyArray<Entry>
  /** The forms that texts with given traits can have. Few sets of traits are common. */
  readonly #possible = new Map<number, ReadonlyArray<Entry>>()

  constructor(rules: ReadonlySet<string>) {
    this.#entries = names.filter((name) => rules.has(name)).flatMap(entriesOf)
  }
  has(rule: Name): boolean {
    return this.#entries.some(({ name }) => name === rule)
  }
  /** Returns the first rule that the text breaks. */
  broken(text: string): Name | undefined {
    const { length } = text
    let traits = 0
    let letters = 0
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code < 128) {
        traits |= ascii[code] ?? 0
        letters |= alphabet[code] ?? 0
      } else traits |= wide(code)
    }
    if (traits === 0 && length < 20) return undefined
    const possible = this.#possible.get(traits) ?? this.#among(traits)
    // Measurably faster than an iteration that takes each form apart.
    for (let i = 0; i < possible.length; i++) {
      const form = possible[i]
      if (form === undefined || (form.letters & ~letters) !== 0 || length < form.min) continue
      if (form.has(text)) return form.name
    }
    return undefined
  }
  #among(traits: number): ReadonlyArray<Entry> {
    const possible = this.#entries.filter(isPossible(traits))
    if (this.#possible.size < maxTraits) this.#possible.set(traits, possible)
    return possible
  }
}

/** Removes control characters and replaces line breaks by spaces, as far as the rules ask for it. */
export const sanitise = (text: string, contents: Contents): string => {
  const replaced = new Map([
    ...contents.has("line-breaks") ? [[T.line, " "] as const] : [],
    ...contents.has("control-characters") ? [[T.control, ""] as const] : []
  ])
  let clean = ""
  for (const char of text) clean += replaced.get(traitOf(char.charCodeAt(0))) ?? char
  return clean
}
