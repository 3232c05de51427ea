import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { AuditHook } from "effect-openfeature"
import { AuditFile } from "effect-openfeature/node"
import { TestProvider } from "effect-openfeature/testing"
import { existsSync, readdirSync, readlinkSync, statSync } from "node:fs"
import { join } from "node:path"
import { tryOr } from "../../src/internal/untrusted.ts"
import { Disk } from "../../src/node/internal/disk.ts"
import { client, collectFailures, type LogRecord, logsTo, random, turns, until } from "../support.ts"
import { assertChained, assertNumbered, contentOf, faultyDisk, filesOf, newFolder, onDisk, recordOf } from "./files.ts"

const guarantees = ["buffered", "written", "synced"] as const

const opened = Effect.fnUntraced(function*(options: AuditFile.Options = {}) {
  const folder = yield* newFolder
  const path = join(folder, "audit.jsonl")
  const { disk, faults } = yield* faultyDisk
  const logs: Array<LogRecord> = []
  const scope = yield* Scope.fork(yield* Scope.Scope)
  const file = yield* Scope.provide(AuditFile.make(path, { tamperEvidence: true, ...options }), scope).pipe(
    onDisk(disk),
    Effect.provide(logsTo(logs))
  )
  return { faults, file, folder, logs, path, close: Scope.close(scope, Exit.void) }
})

const append = (file: AuditFile.AuditFile, flagKey: string) => Effect.exit(file.append(recordOf(flagKey)))

/** Waits until the writer has given up what it could not write. */
const settled = (file: AuditFile.AuditFile): Effect.Effect<void> =>
  Effect.flatMap(file.counts, ({ pending }) => pending === 0 ? Effect.void : Effect.andThen(turns(1), settled(file)))

describe.each(guarantees)("%s", (guarantee) => {
  it.effect("completes short writes", () =>
    Effect.gen(function*() {
      const { faults, file, path } = yield* opened({ guarantee })
      faults.atOnce = 7
      for (const flagKey of ["a", "b", "c"]) yield* append(file, flagKey)
      yield* file.flush
      assert.deepInclude(yield* file.counts, { offered: 3, written: 3 })
      assertNumbered(contentOf(path).lines)
      assert.strictEqual(contentOf(path).lines.length, 3)
    }))

  for (const code of ["ENOSPC", "EIO", "EACCES", "EISDIR", "EMFILE", "EDQUOT", "EROFS"]) {
    it.effect(`drops, counts and warns once while writing fails with ${code}, and recovers by itself`, () =>
      Effect.gen(function*() {
        const { faults, file, logs, path } = yield* opened({ guarantee })
        const operation = code === "EMFILE" || code === "EISDIR" || code === "EACCES" ? "open" : "append"
        yield* append(file, "a")
        yield* file.flush
        faults.failing.set(operation, code)
        // What opens the file anew is a write that failed.
        faults.failing.set("append", code)
        for (let i = 0; i < 5; i++) {
          yield* append(file, "lost")
          yield* settled(file)
        }
        const counts = yield* file.counts
        assert.deepInclude(counts, { offered: 6, written: 1, pending: 0 })
        assert.strictEqual(counts.dropped + counts.failed, 5)
        assert.strictEqual(logs.length, 1)
        assert.include(logs[0]?.message, code)
        faults.failing.clear()
        yield* TestClock.adjust("1 second")
        yield* append(file, "b")
        yield* file.flush
        assert.deepInclude(yield* file.counts, { offered: 7, written: 2 })
        assert.deepStrictEqual(logs.map(({ level }) => level), ["Warn", "Info"])
        assert.deepStrictEqual(contentOf(path).lines.map(({ flagKey }) => flagKey), ["a", "b"])
        assertNumbered(contentOf(path).lines)
        assertChained(path)
      }))
  }

  it.effect("that runs out of space within a record loses no other one", () =>
    Effect.gen(function*() {
      const { faults, file, path } = yield* opened({ guarantee })
      yield* append(file, "a")
      yield* file.flush
      faults.room = 50
      yield* append(file, "b")
      yield* settled(file)
      faults.room = Infinity
      yield* TestClock.adjust("1 second")
      yield* append(file, "c")
      yield* file.flush
      const { bad, lines } = contentOf(path)
      assert.strictEqual(bad, 1)
      assert.strictEqual(lines.at(-1)?.flagKey, "c")
      assertNumbered(lines)
    }))

  it.effect("refuses evaluations while nothing can be recorded, and then has all of those that it let through", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const { faults, file, path } = yield* opened({ guarantee, onError: "reject" })
        const { flags } = yield* client({ a: TestProvider.value(true) }, { hooks: [AuditHook.make(file)] })
        assert.isTrue(yield* flags.boolean("a", false))
        yield* file.flush
        faults.failing.set("append", "ENOSPC")
        assert.isTrue(yield* flags.boolean("a", false))
        yield* until(() => file.isAvailable?.() === false)
        for (let i = 0; i < 3; i++) {
          const refused = yield* flags.booleanDetails("a", false)
          assert.deepInclude(refused, { value: false, errorCode: "GENERAL" })
        }
        assert.deepInclude(yield* file.counts, { offered: 2, pending: 1, dropped: 0, failed: 0 })
        faults.failing.clear()
        yield* TestClock.adjust("1 second")
        assert.isFalse(yield* flags.boolean("a", false))
        yield* file.flush
        assert.isTrue(yield* flags.boolean("a", false))
        yield* file.flush
        assert.deepInclude(yield* file.counts, { offered: 3, written: 3 })
        assertNumbered(contentOf(path).lines)
        assertChained(path)
      })
    ))

  it.effect("that cannot be opened again refuses evaluations until it can, also without a record to write", () =>
    Effect.gen(function*() {
      const { faults, file } = yield* opened({ guarantee, onError: "reject" })
      faults.failing.set("open", "EMFILE")
      yield* Effect.exit(file.reopen)
      assert.isFalse(file.isAvailable?.())
      faults.failing.clear()
      yield* TestClock.adjust("1 second")
      assert.isFalse(file.isAvailable?.())
      yield* until(() => file.isAvailable?.() === true)
    }))

  it.live("that hangs makes no evaluation wait longer than the bound, closes in time, and counts all", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const { close, faults, file } = yield* opened({
          guarantee,
          acknowledgeTimeout: "50 millis",
          closeTimeout: "50 millis"
        })
        const { flags } = yield* client({ a: TestProvider.value(true) }, { hooks: [AuditHook.make(file)] })
        faults.hanging.add("append")
        const start = performance.now()
        assert.isTrue(yield* flags.boolean("a", false))
        const first = performance.now() - start
        for (let i = 0; i < 100; i++) assert.isTrue(yield* flags.boolean("a", false))
        assert.isBelow(first, 500)
        assert.isBelow(performance.now() - start - first, 500)
        yield* file.flush
        yield* close
        assert.deepStrictEqual(yield* file.counts, { offered: 101, written: 0, dropped: 101, failed: 0, pending: 0 })
      })
    ))
})

describe("synced", () => {
  it.effect("synchronises once for all records of a batch", () =>
    Effect.gen(function*() {
      const { faults, file } = yield* opened({ guarantee: "synced" })
      yield* Effect.all(Array.from({ length: 500 }, (_, index) => append(file, `${index}`)), {
        concurrency: "unbounded"
      })
      assert.strictEqual(faults.syncs, 1)
      assert.strictEqual((yield* file.counts).written, 500)
    }))

  it.effect("does not acknowledge what is not synchronised, nor write it again", () =>
    Effect.gen(function*() {
      const { faults, file, path } = yield* opened({ guarantee: "synced", onError: "reject" })
      faults.failing.set("sync", "EIO")
      assert.isTrue(Exit.isFailure(yield* append(file, "a")))
      assert.deepInclude(yield* file.counts, { offered: 1, failed: 1, written: 0 })
      assert.isFalse(file.isAvailable?.())
      faults.failing.clear()
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isSuccess(yield* append(file, "b")))
      assertNumbered(contentOf(path).lines)
      assertChained(path)
    }))

  it.effect("needs a folder that can be synchronised", () =>
    Effect.gen(function*() {
      const { disk, faults } = yield* faultyDisk
      faults.failing.set("syncFolder", "EIO")
      const path = join(yield* newFolder, "audit.jsonl")
      const error = yield* Effect.flip(Effect.scoped(AuditFile.make(path, { guarantee: "synced" })).pipe(onDisk(disk)))
      assert.include(error.message, "cannot synchronise the folder: EIO")
    }))
})

describe("closing while the file is being opened", () => {
  it.live("answers those that wait for it", () =>
    Effect.gen(function*() {
      const { close, faults, file } = yield* opened({ closeTimeout: "20 millis" })
      faults.hanging.add("open")
      const reopening = yield* Effect.forkChild(Effect.flip(file.reopen), { startImmediately: true })
      yield* turns()
      const later = yield* Effect.forkChild(Effect.flip(file.reopen), { startImmediately: true })
      yield* close
      const answers = yield* Effect.timeout(Fiber.joinAll([reopening, later]), "2 seconds")
      assert.deepStrictEqual(answers.map(({ reason }) => reason), ["closed", "closed"])
    }))

  it.live.runIf(process.platform === "linux")(
    "leaves no file open that was opened too late",
    () =>
      Effect.gen(function*() {
        const { open } = yield* Disk
        const path = join(yield* newFolder, "late.jsonl")
        const descriptors = () => readdirSync("/proc/self/fd").filter((descriptor) => linkOf(descriptor) === path)
        const opening = yield* Effect.forkChild(open(path), { startImmediately: true })
        yield* Fiber.interrupt(opening)
        yield* until(() => existsSync(path))
        yield* until(() => descriptors().length === 0)
      })
  )
})

const linkOf = (descriptor: string): string => tryOr(() => readlinkSync(`/proc/self/fd/${descriptor}`), () => "")

describe("a rotation that fails", () => {
  it.effect("goes on in the same file, and warns", () =>
    Effect.gen(function*() {
      const { faults, file, folder, logs } = yield* opened({ maxSize: 500 })
      faults.failing.set("rename", "EACCES")
      for (let i = 0; i < 5; i++) yield* append(file, `${i}`)
      assert.strictEqual((yield* file.counts).written, 5)
      assert.strictEqual(filesOf(folder).length, 1)
      assert.include(logs[0]?.message, "cannot rename the file: EACCES")
      faults.failing.clear()
      for (let i = 0; i < 5; i++) yield* append(file, `${i}`)
      assert.isAbove(filesOf(folder).length, 1)
      assertNumbered(contentOf(...filesOf(folder)).lines)
    }))

  it.effect("behind the new name recovers in the new file", () =>
    Effect.gen(function*() {
      const { faults, file, folder } = yield* opened({ maxSize: 450 })
      for (let i = 0; i < 2; i++) yield* append(file, `${i}`)
      faults.failing.set("open", "EMFILE")
      for (let i = 0; i < 2; i++) yield* append(file, "lost")
      faults.failing.clear()
      yield* TestClock.adjust("1 second")
      yield* append(file, "last")
      const { lines } = contentOf(...filesOf(folder))
      assert.strictEqual(lines.at(-1)?.flagKey, "last")
      assertNumbered(lines)
      assertChained(...filesOf(folder))
    }))

  it.effect("to remove old files only warns", () =>
    Effect.gen(function*() {
      const { faults, file, folder, logs } = yield* opened({ maxSize: 1, maxFiles: 1 })
      faults.failing.set("remove", "EACCES")
      for (let i = 0; i < 4; i++) yield* append(file, `${i}`)
      assert.strictEqual(filesOf(folder).length, 4)
      assert.include(logs[0]?.message, "cannot remove a rotated file: EACCES")
    }))
})

describe("a record that lacks its line feed alone", () => {
  for (const guarantee of guarantees) {
    for (const onError of ["drop", "reject"] as const) {
      it.effect(`is in the file once, ${guarantee}, ${onError}`, () =>
        Effect.gen(function*() {
          const { close, faults, file, folder } = yield* opened({ guarantee, onError })
          yield* append(file, "a")
          yield* file.flush
          faults.room = statSync(filesOf(folder)[0] ?? "").size - 1
          yield* Effect.forkChild(append(file, "b"), { startImmediately: true })
          yield* Effect.forkChild(append(file, "c"), { startImmediately: true })
          yield* turns(10)
          faults.room = Infinity
          yield* TestClock.adjust("1 second")
          yield* append(file, "d")
          yield* file.flush
          yield* close
          const { lines } = contentOf(...filesOf(folder))
          assertNumbered(lines)
          assertChained(...filesOf(folder))
          const keys = lines.map(({ flagKey }) => flagKey)
          assert.deepStrictEqual(keys, Array.from(new Set(keys)))
          assert.includeMembers(keys, ["a", "b", "d"])
        }))
    }
  }
})

describe("any run of faults", () => {
  it.effect("keeps the counts exact, the numbers without a gap and the chain whole", () =>
    Effect.gen(function*() {
      const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1e9))
      const dice = random(seed)
      for (let run = 0; run < 30; run++) {
        const { close, faults, file, folder } = yield* opened({
          guarantee: dice.oneOf(guarantees),
          onError: dice.oneOf(["drop", "reject"]),
          maxSize: dice.oneOf([400, 2000, 1e9]),
          maxFiles: 1000,
          capacity: 20
        })
        const acknowledged: Array<string> = []
        let offered = 0
        for (let step = 0; step < 40; step++) {
          const key = `${run}-${step}`
          const what = dice.below(10)
          if (what === 0) faults.failing.set(dice.oneOf(["append", "open", "sync", "rename"]), "EIO")
          if (what === 1) faults.room = dice.below(300)
          if (what === 2) faults.atOnce = 1 + dice.below(200)
          if (what >= 8) {
            faults.failing.clear()
            faults.room = faults.atOnce = Infinity
            yield* TestClock.adjust("1 second")
          }
          offered++
          const fiber = yield* Effect.forkChild(append(file, key), { startImmediately: true })
          if (dice.chance(0.5)) yield* turns(3)
          const exit = fiber.pollUnsafe()
          if (exit !== undefined && Exit.isSuccess(exit) && Exit.isSuccess(exit.value)) acknowledged.push(key)
          else {yield* Effect.forkChild(
              Effect.map(Fiber.join(fiber), (exit) => Exit.isSuccess(exit) && acknowledged.push(key))
            )}
          const counts = yield* file.counts
          assert.strictEqual(counts.offered, offered, `SEED=${seed}`)
        }
        faults.failing.clear()
        faults.room = faults.atOnce = Infinity
        yield* TestClock.adjust("1 second")
        yield* file.flush
        const { dropped, failed, pending, written } = yield* file.counts
        assert.strictEqual(pending, 0, `SEED=${seed}`)
        assert.strictEqual(written + dropped + failed, offered, `SEED=${seed}`)
        yield* close
        const { lines } = contentOf(...filesOf(folder))
        assertNumbered(lines)
        assert.strictEqual(new Set(lines.map(({ flagKey }) => flagKey)).size, lines.length, `SEED=${seed}`)
        assert.isAtLeast(lines.length, written, `SEED=${seed}`)
      }
    }))
})
