/** The command `effect-openfeature`. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { escapeUnsafe } from "../../internal/text.ts"
import { version } from "../../internal/version.ts"
import * as AuditReader from "../AuditReader.ts"
import type { BadLine, Entry } from "../AuditTrail.ts"
import { type Command, help, parse, UsageError } from "./arguments.ts"
import * as Print from "./print.ts"

/** What the command has of its process. */
export interface Terminal {
  readonly stdin: AsyncIterable<Uint8Array>
  /** Ends when the text is on its way, so that a slow reader slows the command. */
  readonly write: (text: string) => Effect.Effect<void>
  readonly writeError: (text: string) => Effect.Effect<void>
  readonly hasColours: boolean
}

/** Runs the command, and succeeds with its exit code. */
export const run = (args: ReadonlyArray<string>, terminal: Terminal): Effect.Effect<number> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.try({ try: () => parse(args, now), catch: usageErrorOf }))
    .pipe(
      Effect.flatMap((command) => perform(command, terminal)),
      Effect.catchTags({
        UsageError: ({ message }) => Effect.as(terminal.writeError(`effect-openfeature: ${message}\n`), 2),
        AuditReaderError: ({ message }) => Effect.as(terminal.writeError(`effect-openfeature: ${message}\n`), 1)
      })
    )

const usageErrorOf = (error: unknown): UsageError =>
  error instanceof UsageError ? error : new UsageError({ message: "the arguments cannot be read; see --help" })

const perform = (command: Command, terminal: Terminal): Effect.Effect<number, AuditReader.AuditReaderError> => {
  const { json, rotated, selection } = command
  const style = terminal.hasColours ? Print.coloured : Print.plain
  const sources = command.files.map((file) => file === "-" ? terminal.stdin : file)
  const print = (text: string): Effect.Effect<void> => terminal.write(`${text}\n`)
  const printJson = (value: unknown): Effect.Effect<void> => print(escapeUnsafe(JSON.stringify(value)))
  switch (command.mode) {
    case "help":
      return Effect.as(terminal.write(help), 0)
    case "version":
      return Effect.as(print(version), 0)
    case "verify":
      return Effect.flatMap(
        AuditReader.verify(sources, { rotated }),
        (found) =>
          Effect.as(json ? printJson(found) : print(Print.verification(found, rotated, style)), found.isIntact ? 0 : 1)
      )
    case "summary":
      return Effect.flatMap(
        AuditReader.summarize(sources, { ...selection, rotated }),
        (found) => Effect.as(json ? printJson(found) : print(Print.summary(found, style)), 0)
      )
    case "records":
      return printRecords(command, sources, terminal, style)
  }
}

const printRecords = Effect.fnUntraced(function*(
  { follow, json, rotated, selection }: Command,
  sources: ReadonlyArray<AuditReader.Source>,
  terminal: Terminal,
  style: Print.Style
) {
  let bad = 0
  let firstBad: BadLine | undefined = undefined
  const format = (entry: Entry): string => {
    if (entry._tag === "BadLine") {
      bad++
      firstBad ??= entry
      return ""
    }
    return `${json ? escapeUnsafe(entry.text) : Print.record(entry.record, style)}\n`
  }
  yield* Stream.runForEachArray(
    AuditReader.entries(sources, { ...selection, rotated, follow }),
    (entries) => terminal.write(entries.map(format).join(""))
  )
  if (firstBad !== undefined) yield* terminal.writeError(`effect-openfeature: ${Print.badLines(bad, firstBad)}\n`)
  return 0
})
