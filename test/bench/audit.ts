/**
 * Audit files, and hooks that write a record each by hand.
 */
import type { Hook } from "@openfeature/server-sdk"
import { OpenFeatureHook } from "effect-openfeature"
import { AuditFile } from "effect-openfeature/node"
import { mkdtempSync, rmSync } from "node:fs"
import { appendFile, open } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { client, evaluating } from "./clients.ts"
import * as Compare from "./comparisons.ts"
import { type Batch, timed } from "./measure.ts"

const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "bench-audit-"))
  process.once("exit", () => rmSync(folder, { recursive: true }))
  return folder
}

const written = { done: 0 }

/** By hand: one record of what a hook knows, for each evaluation. */
const handwritten = (write: (line: string) => Promise<void>): Hook => ({
  finally: async (context, details) => {
    const { flagKey, flagValueType: type, providerMetadata } = context
    const { errorCode, reason, variant } = details
    const time = new Date().toISOString()
    await write(
      `${JSON.stringify({ time, flagKey, type, variant, reason, errorCode, provider: providerMetadata.name })}\n`
    )
    written.done++
  }
})

const appending = (): Hook => {
  const path = join(newFolder(), "audit.jsonl")
  return handwritten((line) => appendFile(path, line))
}

// Node's documentation calls it unsafe to append to an open file before the append before has ended.
const syncing = async (): Promise<Hook> => {
  const file = await open(join(newFolder(), "audit.jsonl"), "a")
  let last = Promise.resolve()
  const write = async (line: string): Promise<void> => {
    await file.appendFile(line)
    await file.datasync()
  }
  return handwritten((line) => last = last.then(() => write(line)))
}

const auditing = async (guarantee: AuditFile.Options["guarantee"]) => {
  const file = await AuditFile.start(join(newFolder(), "audit.jsonl"), { guarantee })
  return { hook: OpenFeatureHook.make(file.hook), count: () => file.counts().written }
}

/** What a record that is written adds to an evaluation. */
export const oneByOne: Compare.Comparison = {
  variants: async () => {
    const audit = await auditing("written")
    const reference = evaluating(await client([appending()]))
    const ours = evaluating(await client([audit.hook]))
    await Compare.sameWork(reference, ours, () => written.done + audit.count())
    return { none: evaluating(await client([])), reference, ours }
  },
  ratio: (median) => median("ours") / median("reference"),
  compares: "times",
  tellsBytes: false
}

const crowd = 1000

/** The time of many evaluations at once, each with a record on the disk. */
export const atOnce: Compare.Comparison = {
  variants: async () => {
    const audit = await auditing("synced")
    const evaluatingAtOnce = async (hook: Hook): Promise<Batch> => {
      const audited = await client([hook])
      return timed(async (count) => {
        for (let i = 0; i < count; i++) {
          await Promise.all(Array.from({ length: crowd }, () => audited.getBooleanValue("new-checkout", false)))
        }
      })
    }
    return { reference: await evaluatingAtOnce(await syncing()), ours: await evaluatingAtOnce(audit.hook) }
  },
  ratio: (median) => median("ours") / median("reference"),
  compares: "times",
  tellsBytes: false
}
