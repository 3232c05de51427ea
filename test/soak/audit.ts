/**
 * Kills processes that write audit records with SIGKILL, and reads what is left:
 * `npm run soak:audit -- 200`. Ends with 1 when an acknowledged record is lost, when
 * a good line is gone, or when numbers or hashes are not whole.
 */
import { build } from "esbuild"
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { fileURLToPath } from "node:url"

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const program = here("../../.cache/soak/auditing.mjs")
const guarantees = ["buffered", "written", "synced"] as const

export interface Result {
  readonly kills: number
  /** The records that were acknowledged with the guarantees `written` and `synced`. */
  readonly acknowledged: number
  /** The good lines at the end. */
  readonly lines: number
  /** The lines that a kill has cut off. */
  readonly torn: number
  readonly problems: ReadonlyArray<string>
}

const compile = (): Promise<unknown> =>
  build({
    entryPoints: [here("auditing.ts")],
    outfile: program,
    // With all that it imports, since starting takes most of the time.
    bundle: true,
    minify: true,
    alias: { "effect-openfeature/node": here("../../src/node/index.ts") },
    platform: "node",
    format: "esm",
    target: "es2022"
  })

/** Runs a process until some time after its first acknowledgement. Returns all acknowledgements. */
const killed = (path: string, guarantee: string, run: number, after: number): Promise<ReadonlyArray<string>> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, path, guarantee, String(run)], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    let printed = ""
    child.stdout.setEncoding("utf8").on("data", (text) => {
      if (printed === "") void setTimeout(after).then(() => child.kill("SIGKILL"))
      printed += text
    })
    child.once("close", (code, signal) =>
      signal === "SIGKILL"
        // The last line may be cut off, too.
        ? resolve(printed.split("\n").slice(0, -1))
        : reject(new Error(`ended by itself with ${code}`)))
  })

/** What is known of a trail after its first files. */
interface Content {
  readonly keys: ReadonlySet<string>
  readonly seq: number
  readonly hash: string
  readonly torn: number
  readonly problems: ReadonlyArray<string>
}

const nothing: Content = { keys: new Set(), seq: 0, hash: "0".repeat(64), torn: 0, problems: [] }

/** Reads one more file, independently of the library. */
const withFile = (path: string, before: Content): Content => {
  const keys = new Set(before.keys)
  const problems = [...before.problems]
  let { hash: last, seq, torn } = before
  for (const text of readFileSync(path, "utf8").split("\n")) {
    if (text === "") continue
    const [, line, hash = ""] = /^(.*),"hash":"([0-9a-f]{64})"}$/.exec(text) ?? []
    if (line === undefined) {
      torn++
      continue
    }
    const found: { readonly seq: number; readonly flagKey: string } = JSON.parse(text)
    if (found.seq !== ++seq) problems.push(`number ${found.seq} instead of ${seq}`)
    if (hash !== createHash("sha256").update(`${last}\n${line}}`).digest("hex")) problems.push(`hash of ${seq}`)
    if (keys.has(found.flagKey)) problems.push(`${found.flagKey} is there twice`)
    keys.add(found.flagKey)
    last = hash
  }
  return { keys, seq, hash: last, torn, problems }
}

/** Reads a trail. What is known of rotated files is not read again. */
const contentOf = (folder: string, known = new Map<string, Content>()): Content => {
  let content = nothing
  for (const name of readdirSync(folder).filter((name) => name !== "audit.jsonl").sort()) {
    content = known.get(name) ?? withFile(join(folder, name), content)
    known.set(name, content)
  }
  const present = join(folder, "audit.jsonl")
  return existsSync(present) ? withFile(present, content) : content
}

/** Kills processes one after the other that write to the same trail. */
const lane = async (folder: string, guarantee: string, kills: number): Promise<Result> => {
  const problems: Array<string> = []
  const acknowledged = new Set<string>()
  const known = new Map<string, Content>()
  const present = new Set<string>()
  for (let run = 0; run < kills; run++) {
    const keys = await killed(join(folder, "audit.jsonl"), guarantee, run, (run * 7) % 13)
    if (guarantee !== "buffered") { for (const key of keys) acknowledged.add(key) }
    for (const key of contentOf(folder, known).keys) present.add(key)
  }
  // Everything once more, in case that a later process has changed what an earlier one wrote.
  const content = contentOf(folder)
  problems.push(...content.problems)
  for (const key of present) if (!content.keys.has(key)) problems.push(`${guarantee}: good line ${key} is gone`)
  for (const key of acknowledged) if (!content.keys.has(key)) problems.push(`${guarantee}: ${key} is lost`)
  return { kills, acknowledged: acknowledged.size, lines: content.keys.size, torn: content.torn, problems }
}

export const run = async (kills: number, lanes = 6): Promise<Result> => {
  await compile()
  const base = mkdtempSync(join(tmpdir(), "audit-kills-"))
  try {
    const results = await Promise.all(Array.from({ length: lanes }, (_, index) => {
      const folder = join(base, String(index))
      mkdirSync(folder)
      const share = Math.floor(kills / lanes) + (index < kills % lanes ? 1 : 0)
      return lane(folder, guarantees[index % guarantees.length] ?? "written", share)
    }))
    const sum = (of: (result: Result) => number): number => results.reduce((total, result) => total + of(result), 0)
    return {
      kills: sum((result) => result.kills),
      acknowledged: sum((result) => result.acknowledged),
      lines: sum((result) => result.lines),
      torn: sum((result) => result.torn),
      problems: results.flatMap((result) => result.problems)
    }
  } finally {
    rmSync(base, { recursive: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const result = await run(Number(process.argv[2] ?? 200))
  process.stdout.write(`${JSON.stringify({ ...result, problems: result.problems.slice(0, 20) }, undefined, 2)}\n`)
  process.exitCode = result.problems.length === 0 ? 0 : 1
}
