/**
 * Writes audit records until it is killed, and prints each one that was
 * acknowledged: `audit.ts` starts and kills it.
 */
import { Effect, Exit, Logger } from "effect"
import type { AuditRecord } from "effect-openfeature"
import { AuditFile } from "effect-openfeature/node"
import { writeSync } from "node:fs"

const [path = "", guarantee = "", run = ""] = process.argv.slice(2)

const isGuarantee = (text: string): text is "buffered" | "written" | "synced" =>
  ["buffered", "written", "synced"].includes(text)

// Records that take many pages, so that a kill can hit the middle of a write.
const note = "x".repeat(60_000)

const record = (flagKey: string): AuditRecord.AuditRecord => ({
  time: "2026-11-21T10:00:00.000Z",
  flagKey,
  type: "boolean",
  attributes: { note }
})

const writing = (file: AuditFile.AuditFile, writer: number): Effect.Effect<void> => {
  let count = 0
  return Effect.forever(Effect.gen(function*() {
    const flagKey = `${run}-${writer}-${count++}`
    const exit = yield* Effect.exit(file.append(record(flagKey)))
    if (Exit.isSuccess(exit)) writeSync(1, `${flagKey}\n`)
    // A buffer that is full is emptied meanwhile.
    yield* Effect.sleep(Exit.isSuccess(exit) ? 0 : 1)
  }))
}

// Its output has nothing but acknowledgements.
const silent = Effect.provide(Logger.layer([]))

await Effect.runPromise(silent(Effect.scoped(Effect.gen(function*() {
  const file = yield* AuditFile.make(path, {
    ...isGuarantee(guarantee) && { guarantee },
    tamperEvidence: true,
    maxSize: 3_000_000,
    maxFiles: 10_000,
    capacity: 100
  })
  yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], (writer) => writing(file, writer), { concurrency: "unbounded" })
}))))
