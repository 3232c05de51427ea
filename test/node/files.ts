/** Audit files of tests: in folders of their own, on a disk that fails when it is told to. */
import { assert } from "@effect/vitest"
import { Effect, Predicate } from "effect"
import type { AuditRecord } from "effect-openfeature"
import { createHash } from "node:crypto"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Disk, DiskError, type File } from "../../src/node/internal/disk.ts"

/** A folder that is removed when the scope closes. */
export const newFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "audit-test-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

export const recordOf = (flagKey: string, time = "2026-11-21T10:00:00.000Z"): AuditRecord.AuditRecord => ({
  time,
  flagKey,
  type: "boolean"
})

export interface Content {
  readonly lines: ReadonlyArray<AuditRecord.Line>
  readonly bad: number
}

const isLine = (value: unknown): value is AuditRecord.Line =>
  Predicate.hasProperty(value, "seq") && Predicate.hasProperty(value, "flagKey")

/** The lines of files, in the order of the files, and the number of those that are none. */
export const contentOf = (...paths: ReadonlyArray<string>): Content => {
  const lines: Array<AuditRecord.Line> = []
  let bad = 0
  for (const path of paths) {
    for (const text of readFileSync(path, "utf8").split("\n")) {
      if (text === "") continue
      try {
        const value: unknown = JSON.parse(text)
        if (isLine(value)) lines.push(value)
      } catch {
        bad++
      }
    }
  }
  return { lines, bad }
}

/** All files of a trail, the oldest first. */
export const filesOf = (folder: string): ReadonlyArray<string> => {
  const names = readdirSync(folder).sort()
  return names.filter((name) => name !== "audit.jsonl").concat(names.includes("audit.jsonl") ? ["audit.jsonl"] : [])
    .map((name) => join(folder, name))
}

/** Numbers without a gap, from the first one on. */
export const assertNumbered = (lines: ReadonlyArray<AuditRecord.Line>, first = 1): void => {
  assert.deepStrictEqual(lines.map(({ seq }) => seq), lines.map((_, index) => first + index))
}

/** Each line has the hash of the one before, calculated independently of the library. */
export const assertChained = (...paths: ReadonlyArray<string>): void => {
  let last = "0".repeat(64)
  for (const text of paths.flatMap((path) => readFileSync(path, "utf8").split("\n"))) {
    if (text === "") continue
    const [, line, hash] = /^(.*),"hash":"([0-9a-f]{64})"}$/.exec(text) ?? []
    assert.strictEqual(hash, createHash("sha256").update(`${last}\n${line}}`).digest("hex"))
    last = hash ?? ""
  }
}

type Operation = "open" | "append" | "sync" | "rename" | "makeFolder" | "syncFolder" | "list" | "remove"

/** What the disk does from now on. */
export interface Faults {
  /** The operations that fail, with the code of the operating system. */
  readonly failing: Map<Operation, string>
  /** The operations that never end. */
  readonly hanging: Set<Operation>
  /** The maximum number of bytes of one write. */
  atOnce: number
  /** The number of bytes after which the disk is full. */
  room: number
  /** The number of synchronisations so far. */
  syncs: number
}

/** A disk that works until it is told not to. */
export const faultyDisk = Effect.gen(function*() {
  const real = yield* Disk
  const faults: Faults = { failing: new Map(), hanging: new Set(), atOnce: Infinity, room: Infinity, syncs: 0 }
  const guarded = <A>(operation: Operation, effect: Effect.Effect<A, DiskError>): Effect.Effect<A, DiskError> =>
    Effect.suspend(() => {
      const code = faults.failing.get(operation)
      if (faults.hanging.has(operation)) return Effect.never
      return code === undefined ? effect : Effect.fail(new DiskError({ code, cause: new Error(code) }))
    })
  const fileOf = (file: File): File => ({
    ...file,
    append: (bytes, offset) =>
      guarded(
        "append",
        Effect.suspend(() => {
          if (faults.room === 0) return Effect.fail(new DiskError({ code: "ENOSPC", cause: new Error("ENOSPC") }))
          const end = Math.min(bytes.length, offset + faults.atOnce, offset + faults.room)
          return Effect.tap(file.append(bytes.subarray(0, end), offset), (taken) =>
            Effect.sync(() => void (faults.room = Math.max(0, faults.room - taken))))
        })
      ),
    appendNow: (bytes) => {
      if (faults.failing.has("append") || faults.hanging.has("append")) return 0
      const taken = file.appendNow(bytes.subarray(0, Math.min(bytes.length, faults.atOnce, faults.room)))
      faults.room = Math.max(0, faults.room - taken)
      return taken
    },
    sync: guarded("sync", Effect.tap(file.sync, () => Effect.sync(() => faults.syncs++)))
  })
  const disk: Disk = {
    ...real,
    open: (path) => guarded("open", Effect.map(real.open(path), fileOf)),
    rename: (from, to) => guarded("rename", real.rename(from, to)),
    makeFolder: (path) => guarded("makeFolder", real.makeFolder(path)),
    syncFolder: (path) => guarded("syncFolder", real.syncFolder(path)),
    list: (path) => guarded("list", real.list(path)),
    remove: (path) => guarded("remove", real.remove(path))
  }
  return { faults, disk }
})

export const onDisk = (disk: Disk) => Effect.provideService(Disk, disk)
