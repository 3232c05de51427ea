/** Audit trails for tests, written by hand from the description of their format. */
import type { AuditRecord } from "effect-openfeature"
import { createHash } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"

const origin = "0".repeat(64)

const hashOf = (before: string, body: string): string => createHash("sha256").update(`${before}\n${body}`).digest("hex")

/** The records of a trail, the first with the number `from`. */
export const line = (seq: number, fields: Partial<AuditRecord.AuditRecord> = {}): string =>
  JSON.stringify({
    seq,
    time: new Date(Date.UTC(2026, 0, 31, 18, 0, seq)).toISOString(),
    flagKey: "new-checkout",
    type: "boolean",
    ...fields
  })

/** Adds hashes to lines, as a writer with tamper evidence does. */
export const chained = (bodies: ReadonlyArray<string>, before = origin): ReadonlyArray<string> => {
  let last = before
  return bodies.map((body) => {
    last = hashOf(last, body)
    return `${body.slice(0, -1)},"hash":"${last}"}`
  })
}

/** The text of a file with these lines. */
export const text = (lines: ReadonlyArray<string>): string => lines.map((line) => `${line}\n`).join("")

/** Paths in a folder that is removed after the tests of the file. */
export const folder = (): (name: string) => string => {
  const made = mkdtempSync(join(tmpdir(), "effect-openfeature-audit-"))
  afterAll(() => rmSync(made, { recursive: true, force: true }))
  return (name) => join(made, name)
}

export const numbers = (from: number, to: number): ReadonlyArray<number> =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)
