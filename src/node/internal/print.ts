/** What the command prints. No text of a file reaches a terminal as it is. */
import type { Line } from "../../audit/AuditRecord.ts"
import { oneLine } from "../../internal/text.ts"
import type { BadLine, FlagSummary, Summary, Verification } from "../AuditTrail.ts"

/** Styles text where the output is a terminal that has colours. */
export type Style = (kind: "bad" | "strong" | "faint", text: string) => string

const codes = { bad: 31, strong: 1, faint: 2 }

export const coloured: Style = (kind, text) => `\u001b[${codes[kind]}m${text}\u001b[0m`

export const plain: Style = (_kind, text) => text

const bare = /^[\p{L}\p{N}_.:/@+-]+$/u

// Quotes keep a text from looking like two.
const word = (value: unknown): string => {
  const text = oneLine(String(value), 200)
  return bare.test(text) ? text : JSON.stringify(text).replaceAll("\\\\u", "\\u")
}

const named = (name: string, value: unknown): ReadonlyArray<string> =>
  value === undefined ? [] : [`${name}=${word(value)}`]

export const record = (line: Line, style: Style): string => {
  const { durationMs, errorCode, errorMessage, reason, rejectedBy, value, variant } = line
  const failed = [errorCode ?? (rejectedBy === undefined ? undefined : "ERROR")].flatMap((code) =>
    code === undefined ? [] : [style("bad", word(code)), ...named("by", rejectedBy), ...named("message", errorMessage)]
  )
  const answer = Array.from(new Set([variant, value].filter((one) => one !== undefined).map(word))).join(" = ")
  return [
    style("faint", `${word(line.time)}  #${line.seq}`),
    style("strong", word(line.flagKey)),
    ...(answer === "" ? [] : [answer]),
    ...failed,
    ...(reason === undefined || reason === "ERROR" ? [] : [word(reason)]),
    ...(durationMs === undefined ? [] : [`${Number(durationMs.toPrecision(3))} ms`]),
    ...named("user", line.targetingKey),
    ...named("domain", line.domain),
    ...named("provider", line.provider),
    ...Object.entries(line.attributes ?? {}).flatMap(([name, value]) => named(word(name), value)),
    ...named("trace", line.traceId)
  ].join("  ")
}

const place = ({ file, line }: { readonly file: string; readonly line: number }): string =>
  `${oneLine(file, 512)}:${line}`

const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`

export const badLines = (count: number, first: BadLine): string =>
  `${plural(count, "line", "lines")} could not be read, the first at ${place(first)}: ${first.reason}`

const barLength = 20

const bar = (share: number): string => "█".repeat(Math.round(share * barLength)).padEnd(barLength, "·")

const rowsOf = ({ errors, evaluations, flagKey, variants }: FlagSummary): ReadonlyArray<ReadonlyArray<string>> => {
  const all = variants.reduce((sum, { count }) => sum + count, 0)
  const bars = variants.map(({ count, variant }) => [
    word(variant),
    `${bar(count / all)} ${((count / all) * 100).toFixed(1).padStart(5)} %`,
    String(count)
  ])
  const [first = ["", "", ""], ...rest] = bars
  return [
    [word(flagKey), String(evaluations), String(errors), ...first],
    ...rest.map((cells) => ["", "", "", ...cells])
  ]
}

const isNumeric = [false, true, true, false, false, true]

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = isNumeric.map((_, column) => rows.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0))
  return rows.map((row) =>
    row.map((cell, column) => isNumeric[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))
      .join("  ").trimEnd()
  )
}

export const summary = (found: Summary, style: Style): string => {
  const [head = "", ...rows] = table([
    ["flag", "evaluations", "errors", "variant", "", "count"],
    ...found.flags.flatMap(rowsOf)
  ])
  const span = found.first === undefined ? "" : `, ${word(found.first)} to ${word(found.last)}`
  return [
    ...(found.flags.length === 0 ? [] : [style("strong", head), ...rows, ""]),
    `${plural(found.records, "evaluation", "evaluations")}, ${plural(found.errors, "error", "errors")}${span}`,
    ...(found.notListed === 0 ? [] : [`${plural(found.notListed, "evaluation", "evaluations")} of flags not listed`]),
    ...(found.badLines === 0 ? [] : [`${plural(found.badLines, "line", "lines")} could not be read`])
  ].join("\n")
}

export const verification = (found: Verification, hasRotated: boolean, style: Style): string => {
  const { badLines, break: broken, first, last, lastHash, reason, unchecked, unprotected, verified } = found
  const unknown = unchecked === undefined ? unprotected : unprotected - 1
  const advice = hasRotated ? "" : "; --rotated reads the rotated files as well"
  const known = first === undefined || last === undefined
    ? `${plural(verified, "record", "records")} verified`
    : `${plural(verified, "record", "records")} verified, from #${first} to #${last}`
  const rest = [
    ...(unchecked === undefined
      ? []
      : [`#${unchecked} could not be checked, since the record before it is not in these files${advice}`]),
    ...(unknown === 0 ? [] : [`${plural(unknown, "record", "records")} of which nothing is known`]),
    ...(badLines === 0 ? [] : [`${plural(badLines, "line", "lines")} could not be read`]),
    ...(lastHash === undefined ? [] : [`last hash ${lastHash}`])
  ]
  const verdict = reason === undefined
    ? style("strong", "intact")
    : broken === undefined
    ? style("bad", `not verified: ${reason}`)
    : style("bad", `CHANGED at ${place(broken)}, record #${broken.seq}: ${reason}`)
  return [verdict, known, ...rest].join("\n")
}
