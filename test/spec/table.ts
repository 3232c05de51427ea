/**
 * Writes docs/spec-conformance.md out of the rules and the names of the tests:
 * `npm run docs:spec`.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { type Rule, rules } from "./rules.ts"

const folder = new URL("./", import.meta.url)

export const path = new URL("../../docs/spec-conformance.md", import.meta.url)

interface Test {
  readonly number: string
  readonly name: string
  readonly file: string
}

const pattern = /\b(?:rule|it(?:\.effect)?)\(\s*"(4(?:\.\d+)+) ([^"]+)"/g

/** The tests in this folder whose names start with the number of a rule. */
export const tests = (): ReadonlyArray<Test> =>
  readdirSync(folder).filter((file) => file.endsWith(".test.ts")).sort().flatMap((file) =>
    Array.from(
      readFileSync(new URL(file, folder), "utf8").matchAll(pattern),
      ([, number = "", name = ""]) => ({ number, name, file })
    )
  )

const cell = (text: string): string => text.replaceAll("|", "\\|")

const whereTested = (rule: Rule, tests: ReadonlyArray<Test>): string => {
  const names = tests.filter((test) => test.number === rule.number).map((test) => test.name)
  if (names.length > 0) return names.join("<br>")
  return rule.notApplicable === undefined ? "**not tested**" : `Not applicable: ${rule.notApplicable}.`
}

export const generate = (): string => {
  const found = tests()
  const applicable = rules.filter((rule) => rule.notApplicable === undefined)
  const files = Array.from(new Set(found.map((test) => `\`test/spec/${test.file}\``))).join(", ")
  return [
    "# Conformance with the OpenFeature specification",
    "",
    "Section 4, hooks. The numbers follow the current specification. This page is generated from the rules and the",
    "names of the tests by `npm run docs:spec`.",
    "",
    `${applicable.length} of ${rules.length} rules apply to JavaScript on a server. The tests are in ${files}. Each runs`,
    "through a client of the plain SDK and through `FeatureFlags`, and in both with hooks that stay synchronous and with",
    "hooks that do not.",
    "",
    ...table([
      ["Number", "Rule", "Tested by"],
      ...rules.map((rule) => [rule.number, cell(rule.text), cell(whereTested(rule, found))])
    ]),
    ""
  ].join("\n")
}

const table = ([head = [], ...rows]: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  const pad = (row: ReadonlyArray<string>) => line(row.map((text, column) => text.padEnd(widths[column] ?? 0)))
  return [pad(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(pad)]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(path, generate())
