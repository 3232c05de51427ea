/**
 * Writes docs/spec-conformance.md out of the rules and the names of the tests:
 * `npm run docs:spec`.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { type Rule, rules, rulesOf, sections } from "./rules.ts"
import type { Section } from "./rules/section.ts"

const folder = new URL("./", import.meta.url)

export const path = new URL("../../docs/spec-conformance.md", import.meta.url)

interface Test {
  readonly number: string
  readonly name: string
  readonly file: string
}

const pattern = /\b(?:rule|clientRule|it(?:\.effect)?)\(\s*"(\d+(?:\.\d+)+) ([^"]+)"/g

/** The tests in this folder whose names start with the number of a rule. */
export const tests = (): ReadonlyArray<Test> =>
  readdirSync(folder).filter((file) => file.endsWith(".test.ts")).sort().flatMap((file) =>
    Array.from(
      readFileSync(new URL(file, folder), "utf8").matchAll(pattern),
      ([, number = "", name = ""]) => ({ number, name, file })
    )
  )

// A list in the specification leaves more than one space in its text.
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll(/\s+/g, " ")

const whereTested = (rule: Rule, tests: ReadonlyArray<Test>): string => {
  const names = tests.filter((test) => test.number === rule.number).map((test) => test.name)
  if (names.length > 0) return Array.from(new Set(names)).join("<br>")
  return rule.notApplicable === undefined ? "**not tested**" : `Not applicable: ${rule.notApplicable}.`
}

const titleOf = (section: Section): string => `${section.number} ${section.title.toLowerCase()}`

export const generate = (): string => {
  const found = tests()
  const applicable = rules.filter((rule) => rule.notApplicable === undefined)
  return [
    "# Conformance with the OpenFeature specification",
    "",
    `The page covers every rule of five sections: ${sections.map(titleOf).join(", ")}.`,
    "It leaves out section 2, which is about providers. Texts and numbers are those of the current specification.",
    "The page is generated from the rules and the names of the tests by `npm run docs:spec`.",
    "",
    `${applicable.length} of ${rules.length} rules apply to an evaluation client in JavaScript on a server. Each has a test for`,
    "`FeatureFlags`. The tests of hooks also run through a client of the plain SDK, and through both clients with hooks",
    "that give their results at once, as promises, and as effects that stay synchronous or do not.",
    "",
    ...sections.flatMap((
      section
    ) => [`## ${section.title}`, "", ...files(section, found), "", ...page(section, found), ""])
  ].join("\n")
}

const files = (section: Section, found: ReadonlyArray<Test>): ReadonlyArray<string> => {
  const names = found.filter((test) => test.number.startsWith(`${section.number}.`)).map((test) => test.file)
  const paths = Array.from(new Set(names), (file) => `\`test/spec/${file}\``)
  return [`Section ${section.number}. The tests are in:`, "", ...paths.map((path) => `- ${path}`)]
}

const page = (section: Section, found: ReadonlyArray<Test>): ReadonlyArray<string> =>
  table([
    ["Number", "Rule", "Tested by"],
    ...rulesOf(section).map((rule) => [rule.number, cell(rule.text), cell(whereTested(rule, found))])
  ])

const table = ([head = [], ...rows]: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  const pad = (row: ReadonlyArray<string>) => line(row.map((text, column) => text.padEnd(widths[column] ?? 0)))
  return [pad(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(pad)]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(path, generate())
