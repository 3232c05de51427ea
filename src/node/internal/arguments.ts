/** The arguments of the command. */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { parseArgs } from "node:util"
import { isErrorCode } from "../../EvaluationError.ts"
import { nearest, oneLine } from "../../internal/text.ts"
import { formatTime, timeOf } from "../../internal/time.ts"
import type { Selection } from "../AuditTrail.ts"

export const help = `Usage: effect-openfeature audit [options] FILE...

Prints the records of an audit trail, one per line. FILE may be several files of
one trail, in any order, or - for the standard input.

Options
  --flag GLOB           only flags with this key; * is any text, ? one character
  --since TIME          only from this time on: 2026-01-31, 2026-01-31T18:00Z,
                        or how long ago: "1 hour", 15m
  --until TIME          only before this time
  --error [CODE]        only evaluations with an error, or with this error code
  --variant NAME        only evaluations with this variant
  --targeting-key KEY   only this targeting key, as it was written
  --rotated             read the rotated files of FILE as well
  -f, --follow          wait for more, also after a rotation
  --summary             a table of flags, errors and variants
  --verify              check the hashes; says where the trail was changed
  --json                print JSON
  -h, --help            this text
  --version             the version

Exit codes: 0; 1 if the trail was changed, or a file cannot be read; 2 for
wrong arguments. NO_COLOR turns off colours.
`

/** A wrong argument. */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {}

export interface Command {
  readonly mode: "help" | "version" | "records" | "summary" | "verify"
  readonly files: ReadonlyArray<string>
  readonly selection: Selection
  readonly rotated: boolean
  readonly follow: boolean
  readonly json: boolean
}

const options = {
  flag: { type: "string" },
  since: { type: "string" },
  until: { type: "string" },
  error: { type: "boolean" },
  variant: { type: "string" },
  "targeting-key": { type: "string" },
  rotated: { type: "boolean" },
  follow: { type: "boolean", short: "f" },
  summary: { type: "boolean" },
  verify: { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" }
} as const

const names = Object.keys(options).map((name) => `--${name}`)

const wrong = (message: string): never => {
  throw new UsageError({ message })
}

// The value of --error is optional, which Node's parser does not know.
const withErrorCode = (args: ReadonlyArray<string>): Array<string> =>
  args.flatMap((arg, index) => {
    if (args[index - 1] === "--error" && errorCodeOf(arg) !== undefined) return []
    const next = arg === "--error" ? errorCodeOf(args[index + 1]) : undefined
    return next === undefined ? [arg] : [`--error=${next}`]
  })

const errorCodeOf = (text: string | undefined): string | undefined => {
  const code = text?.toUpperCase()
  return isErrorCode(code) ? code : undefined
}

/** Throws a `UsageError`. */
export const parse = (args: ReadonlyArray<string>, now: number): Command => {
  const { tokens } = parseArgs({
    args: withErrorCode(args),
    options,
    strict: false,
    allowPositionals: true,
    tokens: true
  })
  const given = new Map<string, string | true>()
  const words: Array<string> = []
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value)
    if (token.kind !== "option") continue
    const { name, rawName, value } = token
    if (!Object.hasOwn(options, name)) {
      const near = nearest(rawName, names)
      wrong(
        `there is no option ${oneLine(rawName, 64)}; ${near === undefined ? "see --help" : `did you mean ${near}?`}`
      )
    }
    if (given.has(name)) wrong(`${rawName} is there twice`)
    given.set(name, checkedValue(name, value))
  }
  return commandOf(given, words, now)
}

const takesText: ReadonlySet<string> = new Set(["flag", "since", "until", "variant", "targeting-key"])

const checkedValue = (name: string, value: string | undefined): string | true => {
  if (takesText.has(name)) return value === undefined || value === "" ? wrong(`--${name} needs a value`) : value
  if (value === undefined) return true
  if (name !== "error") return wrong(`--${name} takes no value`)
  return errorCodeOf(value) ?? wrong(`there is no error code "${oneLine(value, 64)}"`)
}

const commandOf = (given: ReadonlyMap<string, string | true>, words: ReadonlyArray<string>, now: number): Command => {
  const has = (name: string): boolean => given.has(name)
  const [verb, ...files] = words
  const mode = has("help") ? "help" : has("version") ? "version" : modeOf(given)
  if (mode !== "help" && mode !== "version") {
    if (verb === undefined) wrong("there is no command; see --help")
    if (verb !== "audit") wrong(`there is no command "${oneLine(verb ?? "", 64)}"; did you mean "audit"?`)
    if (files.length === 0) wrong("there is no FILE; - is the standard input")
  }
  const text = (name: string): string | undefined => {
    const value = given.get(name)
    return value === true ? undefined : value
  }
  const flag = text("flag")
  if (flag !== undefined && flag.length > 256) wrong("--flag must not be longer than 256 characters")
  const selection: Selection = {
    flag,
    since: instant("since", text("since"), now),
    until: instant("until", text("until"), now),
    error: given.get("error"),
    variant: text("variant"),
    targetingKey: text("targeting-key")
  }
  return { mode, files, selection, rotated: has("rotated"), follow: has("follow"), json: has("json") }
}

const modeOf = (given: ReadonlyMap<string, string | true>): "records" | "summary" | "verify" => {
  const mode = given.has("verify") ? "verify" : given.has("summary") ? "summary" : "records"
  const together = {
    records: names,
    summary: names.filter((name) => name !== "--follow"),
    verify: ["--json", "--rotated", "--verify"]
  }[mode]
  const other = Array.from(given.keys(), (name) => `--${name}`).find((name) => !together.includes(name))
  return other === undefined ? mode : wrong(`--${mode} does not go together with ${other}`)
}

const units: Readonly<Record<string, string>> = { s: "seconds", m: "minutes", h: "hours", d: "days", w: "weeks" }

const agoOf = (text: string): number | undefined => {
  const [, count, unit = ""] = /^(\d+) ?([smhdw])$/.exec(text) ?? []
  const input: unknown = count === undefined ? text : `${count} ${units[unit]}`
  return isInput(input) ? Option.getOrUndefined(Option.map(Duration.fromInput(input), Duration.toMillis)) : undefined
}

const isInput = (input: unknown): input is Duration.Input => typeof input === "string" && /^\d+ [a-z]+$/.test(input)

const instant = (name: string, text: string | undefined, now: number): string | undefined => {
  if (text === undefined || timeOf(text) !== undefined) return text
  const ago = agoOf(text.replace(/ ago$/, ""))
  return ago === undefined || !Number.isFinite(ago) || ago > now
    ? wrong(`--${name} must be a time like 2026-01-31 or 2026-01-31T18:00Z, or how long ago, like "1 hour" or 15m`)
    : formatTime(now - ago)
}
