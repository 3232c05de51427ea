import { assert, describe, it } from "@effect/vitest"
import { OpenFeature } from "@openfeature/server-sdk"
import { Effect, Exit, Logger, Metric, Scope } from "effect"
import { TestClock } from "effect/testing"
import { AuditHook, AuditSink, OpenFeatureHook } from "effect-openfeature"
import { AuditFile } from "effect-openfeature/node"
import { TestProvider } from "effect-openfeature/testing"
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { client, newDomain, rangeError, turns, until } from "../support.ts"
import { assertChained, assertNumbered, contentOf, filesOf, newFolder, recordOf } from "./files.ts"

const guarantees = ["buffered", "written", "synced"] as const

/** Opens a file in a new folder, and closes it before the folder goes. */
const opened = Effect.fnUntraced(function*(options: AuditFile.Options = {}) {
  const folder = yield* newFolder
  const path = join(folder, "audit.jsonl")
  const scope = yield* Scope.fork(yield* Scope.Scope)
  const file = yield* Scope.provide(AuditFile.make(path, options), scope).pipe(Effect.provide(Logger.layer([])))
  return { folder, path, file, close: Scope.close(scope, Exit.void) }
})

/** Writes records one after the other to a file that is opened for them. */
const appendTo = (path: string, flagKeys: ReadonlyArray<string>, options: AuditFile.Options = {}) =>
  Effect.scoped(Effect.gen(function*() {
    const file = yield* AuditFile.make(path, options)
    yield* Effect.forEach(flagKeys, (flagKey) => file.append(recordOf(flagKey)), { discard: true })
  }))

const numbers = (count: number): ReadonlyArray<string> => Array.from({ length: count }, (_, index) => `flag-${index}`)

describe.each(guarantees)("%s", (guarantee) => {
  it.live("has one line for each evaluation, in order, also of evaluations at once", () =>
    Effect.gen(function*() {
      const { file, path } = yield* opened({ guarantee, tamperEvidence: true })
      const { flags } = yield* client({ a: TestProvider.value(true) }, { hooks: [AuditHook.make(file)] })
      yield* flags.boolean("a", false)
      yield* Effect.forEach(numbers(200), () => flags.boolean("a", false), { concurrency: "unbounded" })
      if (guarantee !== "buffered") assert.strictEqual((yield* file.counts).written, 201)
      yield* file.flush
      assert.deepStrictEqual(yield* file.counts, { offered: 201, written: 201, dropped: 0, failed: 0, pending: 0 })
      const { bad, lines } = contentOf(path)
      assert.strictEqual(bad, 0)
      assert.strictEqual(lines.length, 201)
      assertNumbered(lines)
      assertChained(path)
    }))

  it.live("continues numbers and hashes after a restart", () =>
    Effect.gen(function*() {
      const path = join(yield* newFolder, "audit.jsonl")
      yield* appendTo(path, ["a", "b"], { guarantee, tamperEvidence: true })
      yield* appendTo(path, ["c"], { guarantee, tamperEvidence: true })
      assert.deepStrictEqual(contentOf(path).lines.map(({ flagKey, seq }) => `${seq} ${flagKey}`), [
        "1 a",
        "2 b",
        "3 c"
      ])
      assertChained(path)
    }))

  it.live("writes what is pending when it closes, and drops what comes later", () =>
    Effect.gen(function*() {
      const { close, file, path } = yield* opened({ guarantee })
      const { appendUnsafe } = file
      const waiting = numbers(50).map((flagKey) => appendUnsafe?.(recordOf(flagKey)))
      yield* close
      for (const left of waiting) yield* left ?? Effect.void
      assert.strictEqual(contentOf(path).lines.length, 50)
      const { reason } = yield* Effect.flip(file.append(recordOf("late")))
      assert.strictEqual(reason, "closed")
      assert.deepInclude(yield* file.counts, { offered: 51, written: 50, dropped: 1 })
    }))
})

it.live.each(guarantees)(
  "waiting goes on until no record is pending, also right after an earlier wait, %s",
  (guarantee) =>
    Effect.gen(function*() {
      const { file } = yield* opened({ guarantee })
      for (let i = 1; i <= 3; i++) {
        file.appendUnsafe?.(recordOf("a"))
        yield* file.flush
        assert.deepInclude(yield* file.counts, { offered: i, written: i, pending: 0 })
      }
    })
)

describe("a torn last line", () => {
  it.live("stays as it is, and the next record is a line of its own", () =>
    Effect.gen(function*() {
      const path = join(yield* newFolder, "audit.jsonl")
      yield* appendTo(path, ["a", "b"], { tamperEvidence: true })
      appendFileSync(path, "{\"seq\":3,\"time\":\"2026-")
      yield* appendTo(path, ["c"], { tamperEvidence: true })
      const { bad, lines } = contentOf(path)
      assert.strictEqual(bad, 1)
      assertNumbered(lines)
      assert.include(readFileSync(path, "utf8"), "{\"seq\":3,\"time\":\"2026-\n{\"seq\":3,")
    }))

  it.live("counts when only its line feed is missing", () =>
    Effect.gen(function*() {
      const path = join(yield* newFolder, "audit.jsonl")
      yield* appendTo(path, ["a", "b"], { tamperEvidence: true })
      truncateSync(path, statSync(path).size - 1)
      yield* appendTo(path, ["c"], { tamperEvidence: true })
      assertNumbered(contentOf(path).lines)
      assertChained(path)
    }))

  it.live("longer than what is read first is skipped", () =>
    Effect.gen(function*() {
      const path = join(yield* newFolder, "audit.jsonl")
      yield* appendTo(path, ["a"])
      appendFileSync(path, `{"seq":2,"flagKey":"${"x".repeat(300_000)}`)
      yield* appendTo(path, ["b"])
      assertNumbered(contentOf(path).lines)
    }))
})

describe("permissions", () => {
  it.live("are those of the owner alone, under any umask", () =>
    Effect.gen(function*() {
      const folder = yield* newFolder
      const before = process.umask()
      for (const umask of [0o000, 0o022, 0o077]) {
        process.umask(umask)
        const path = join(folder, `${umask}`, "nested", "audit.jsonl")
        yield* Effect.ensuring(appendTo(path, ["a"], { maxSize: 1 }), Effect.sync(() => process.umask(before)))
        assert.strictEqual(statSync(path).mode & 0o777, 0o600)
        assert.strictEqual(statSync(join(folder, `${umask}`)).mode & 0o777, 0o700)
        assert.strictEqual(statSync(join(folder, `${umask}`, "nested")).mode & 0o777, 0o700)
      }
    }))

  it.live("of an existing file that others can read are refused", () =>
    Effect.gen(function*() {
      const path = join(yield* newFolder, "audit.jsonl")
      writeFileSync(path, "")
      for (const mode of [0o644, 0o620, 0o604]) {
        chmodSync(path, mode)
        const error = yield* Effect.flip(Effect.scoped(AuditFile.make(path)))
        assert.strictEqual(error.reason, "refused")
        assert.include(error.message, "chmod 600")
      }
      chmodSync(path, 0o600)
      yield* appendTo(path, ["a"])
    }))
})

describe("a path", () => {
  it.live("that is a symbolic link, a folder, a device, or too long is refused", () =>
    Effect.gen(function*() {
      const folder = yield* newFolder
      writeFileSync(join(folder, "target"), "", { mode: 0o600 })
      symlinkSync(join(folder, "target"), join(folder, "link"))
      symlinkSync(join(folder, "nothing"), join(folder, "dangling"))
      const refused = {
        [join(folder, "link")]: "symbolic link",
        [join(folder, "dangling")]: "symbolic link",
        [folder]: "a folder",
        "/dev/full": "not a regular file",
        "/dev/null": "not a regular file",
        [join(folder, "x".repeat(300))]: "too long"
      }
      for (const [path, text] of Object.entries(refused)) {
        const error = yield* Effect.flip(Effect.scoped(AuditFile.make(path)))
        assert.strictEqual(error.reason, "refused", path)
        assert.include(error.message, text)
      }
      assert.strictEqual(readFileSync(join(folder, "target"), "utf8"), "")
      assert.isFalse(existsSync(join(folder, "nothing")))
    }))

  it.live("with dots leads where Node's paths lead", () =>
    Effect.gen(function*() {
      const folder = yield* newFolder
      yield* appendTo(join(folder, "a", "..", "b", "audit.jsonl"), ["a"])
      assert.isTrue(existsSync(join(folder, "b", "audit.jsonl")))
    }))

  it("that is empty or has NUL is a mistake", () => {
    assert.include(rangeError(() => AuditFile.make("")), "AuditFile.make: path must be a text that is not empty")
    assert.include(rangeError(() => AuditFile.start("a\0b")), "AuditFile.start: path must be a path without NUL")
  })
})

describe("rotation", () => {
  it.live("by size keeps the newest files, and goes on in numbers and hashes", () =>
    Effect.gen(function*() {
      const { file, folder, path } = yield* opened({ maxSize: 2000, maxFiles: 3, tamperEvidence: true })
      yield* Effect.forEach(numbers(100), (flagKey) => file.append(recordOf(flagKey)), { discard: true })
      const files = filesOf(folder)
      assert.strictEqual(files.length, 4)
      for (const name of files) assert.isAtMost(statSync(name).size, 2000)
      const { lines } = contentOf(...files)
      assertNumbered(lines, lines[0]?.seq)
      assert.strictEqual(lines.at(-1)?.seq, 100)
      assert.match(files[0] ?? "", /audit\.2026-11-21\.\d{12}\.jsonl$/)
      assert.isTrue(existsSync(path))
    }))

  it.live("by size splits what is written together", () =>
    Effect.gen(function*() {
      const { file, folder } = yield* opened({
        guarantee: "synced",
        maxSize: 2000,
        maxFiles: 100,
        tamperEvidence: true
      })
      yield* Effect.forEach(numbers(100), (flagKey) => file.append(recordOf(flagKey)), { concurrency: "unbounded" })
      const files = filesOf(folder)
      for (const name of files) assert.isAtMost(statSync(name).size, 2000)
      assertNumbered(contentOf(...files).lines)
      assertChained(...files)
    }))

  it.live("by day begins a new file with the first record of a day", () =>
    Effect.gen(function*() {
      const { file, folder, path } = yield* opened({ daily: true })
      for (const day of ["20", "20", "21", "22", "21"]) {
        yield* file.append(recordOf("a", `2026-11-${day}T23:59:59.999Z`))
      }
      const [first, second] = filesOf(folder)
      assert.deepStrictEqual(filesOf(folder).map((name) => contentOf(name).lines.length), [2, 1, 2])
      assert.include(first, "audit.2026-11-20.000000000002.jsonl")
      assert.include(second, "audit.2026-11-21.000000000003.jsonl")
      assertNumbered(contentOf(...filesOf(folder)).lines)
      assert.strictEqual(contentOf(path).lines.length, 2)
    }))

  it.live("never overwrites a file, and leaves those of others alone", () =>
    Effect.gen(function*() {
      const { file, folder } = yield* opened({ maxSize: 1 })
      const others = ["audit.jsonl.bak", "audit.notes.jsonl", "other.2026-11-21.000000000001.jsonl"]
      for (const name of others) writeFileSync(join(folder, name), "mine")
      writeFileSync(join(folder, "audit.2026-11-21.000000000002.jsonl"), "mine")
      for (const flagKey of ["a", "b", "c"]) yield* file.append(recordOf(flagKey))
      for (const name of others) assert.strictEqual(readFileSync(join(folder, name), "utf8"), "mine")
      assert.strictEqual(contentOf(join(folder, "audit.2026-11-21.000000000002_1.jsonl")).lines[0]?.flagKey, "b")
    }))

  it.live("stays in the folder, whatever a record says about its time", () =>
    Effect.gen(function*() {
      const { file, folder } = yield* opened({ maxSize: 1 })
      for (const time of ["../../../x", "/etc/x", ""]) yield* file.append(recordOf("a", time))
      assert.deepStrictEqual(filesOf(folder).map((name) => name.slice(folder.length + 1)), [
        "audit.0000-00-00.000000000001.jsonl",
        "audit.0000-00-00.000000000002.jsonl",
        "audit.jsonl"
      ])
    }))

  it.live("that a crash has cut off continues from the newest rotated file", () =>
    Effect.gen(function*() {
      const folder = yield* newFolder
      const path = join(folder, "audit.jsonl")
      yield* appendTo(path, ["a", "b"], { tamperEvidence: true })
      renameSync(path, join(folder, "audit.2026-11-21.000000000002.jsonl"))
      yield* appendTo(path, ["c"], { tamperEvidence: true })
      assertNumbered(contentOf(...filesOf(folder)).lines)
      assertChained(...filesOf(folder))
    }))
})

describe("a file that another program", () => {
  it.live("moves goes on under its path when it is opened anew, and loses no record", () =>
    Effect.gen(function*() {
      const { file, folder, path } = yield* opened({ tamperEvidence: true })
      yield* file.append(recordOf("a"))
      renameSync(path, join(folder, "audit.0.jsonl"))
      yield* file.append(recordOf("b"))
      yield* file.reopen
      yield* file.append(recordOf("c"))
      assert.deepStrictEqual(contentOf(path).lines.map(({ flagKey }) => flagKey), ["c"])
      assertNumbered(contentOf(...filesOf(folder)).lines)
      assertChained(...filesOf(folder))
    }))

  it.effect.each(guarantees)("moves or removes is noticed by itself, %s", (guarantee) =>
    Effect.gen(function*() {
      const { file, folder, path } = yield* opened({ guarantee })
      for (const move of [() => renameSync(path, join(folder, "audit.0.jsonl")), () => rmSync(path)]) {
        yield* file.append(recordOf("a"))
        yield* file.flush
        move()
        yield* TestClock.adjust("1 second")
        yield* file.append(recordOf("b"))
        yield* file.flush
        assert.strictEqual(contentOf(path).lines.at(-1)?.flagKey, "b")
      }
      assert.deepStrictEqual(contentOf(path).lines.map(({ seq }) => seq), [4])
    }))

  it.live("truncates goes on at its end", () =>
    Effect.gen(function*() {
      const { file, path } = yield* opened()
      yield* file.append(recordOf("a"))
      truncateSync(path)
      yield* file.append(recordOf("b"))
      assert.deepStrictEqual(contentOf(path).lines.map(({ seq }) => seq), [2])
    }))

  it.live("moves is opened anew on a signal, until the file closes", () =>
    Effect.gen(function*() {
      const before = process.listenerCount("SIGHUP")
      const { close, file, folder, path } = yield* opened({ reopenOn: "SIGHUP" })
      yield* file.append(recordOf("a"))
      renameSync(path, join(folder, "audit.0.jsonl"))
      process.kill(process.pid, "SIGHUP")
      yield* until(() => existsSync(path))
      yield* turns()
      yield* file.append(recordOf("b"))
      assert.deepStrictEqual(contentOf(path).lines.map(({ flagKey }) => flagKey), ["b"])
      yield* close
      assert.strictEqual(process.listenerCount("SIGHUP"), before)
    }))
})

describe("the queue", () => {
  it.live("is bounded in records and in bytes, and counts what it drops", () =>
    Effect.gen(function*() {
      for (const options of [{ capacity: 5 }, { maxQueued: 5 * 200 }]) {
        const { file } = yield* opened({ guarantee: "synced", ...options })
        const exits = yield* Effect.forEach(numbers(20), (flagKey) => Effect.exit(file.append(recordOf(flagKey))), {
          concurrency: "unbounded"
        })
        const counts = yield* file.counts
        assert.strictEqual(counts.dropped, exits.filter(Exit.isFailure).length)
        assert.strictEqual(counts.offered, 20)
        assert.strictEqual(counts.written + counts.dropped, 20)
        assert.isAtLeast(counts.dropped, 10)
      }
    }))

  it.live("refuses a record that is too long", () =>
    Effect.gen(function*() {
      const { file } = yield* opened()
      const { reason } = yield* Effect.flip(file.append(recordOf("x".repeat(300_000))))
      assert.strictEqual(reason, "refused")
    }))

  it.live("is counted by Effect's metrics, too", () =>
    Effect.gen(function*() {
      const { close, file } = yield* opened({ guarantee: "synced" })
      yield* file.append(recordOf("a"))
      yield* close
      yield* Effect.exit(file.append(recordOf("b")))
      const count = (outcome: string) =>
        Effect.map(Metric.value(Metric.withAttributes(AuditFile.counter, { outcome })), ({ count }) => count)
      assert.deepStrictEqual([yield* count("written"), yield* count("dropped"), yield* count("failed")], [1, 1, 0])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
})

describe("for an application", () => {
  it.live("a layer provides the sink", () =>
    Effect.gen(function*() {
      const path = join(yield* newFolder, "audit.jsonl")
      const program = Effect.flatMap(AuditSink.AuditSink, (sink) => sink.append(recordOf("a")))
      yield* Effect.provide(program, AuditFile.layer(path))
      assert.strictEqual(contentOf(path).lines.length, 1)
    }))

  it.live("without Effect, one call gives hook, flush and close", () =>
    Effect.gen(function*() {
      const folder = yield* newFolder
      const path = join(folder, "audit.jsonl")
      yield* Effect.promise(async () => {
        const audit = await AuditFile.start(path, { guarantee: "buffered", context: ["plan"] })
        const domain = newDomain()
        const provider = await Effect.runPromise(TestProvider.make({ flags: { a: TestProvider.value(true) } }))
        await OpenFeature.setProviderAndWait(domain, provider)
        const client = OpenFeature.getClient(domain).addHooks(OpenFeatureHook.make(audit.hook))
        assert.isTrue(await client.getBooleanValue("a", false, { plan: "pro", targetingKey: "user-1" }))
        await audit.flush()
        assert.deepInclude(audit.counts(), { offered: 1, written: 1 })
        renameSync(path, join(folder, "audit.0.jsonl"))
        await audit.reopen()
        await client.getBooleanValue("a", false)
        await audit.close()
        await audit.close()
      })
      const { lines } = contentOf(...filesOf(folder))
      assert.deepStrictEqual(lines.map(({ attributes }) => attributes), [{ plan: "pro" }, {}])
      assert.notInclude(readFileSync(join(folder, "audit.0.jsonl"), "utf8"), "user-1")
    }))

  it.live("without Effect, a file that cannot be opened rejects", () =>
    Effect.gen(function*() {
      const folder = yield* newFolder
      mkdirSync(join(folder, "audit.jsonl"))
      const error = yield* Effect.flip(Effect.tryPromise({
        try: () => AuditFile.start(join(folder, "audit.jsonl")),
        catch: (error) => error
      }))
      assert.instanceOf(error, AuditSink.AuditError)
    }))
})

describe("an open file", () => {
  it.live.each(guarantees)("keeps no process alive, %s", (guarantee) =>
    Effect.gen(function*() {
      const before = process.getActiveResourcesInfo()
      const { file } = yield* opened({ guarantee, reopenOn: "SIGHUP" })
      yield* file.append(recordOf("a"))
      yield* file.flush
      // A timer of the test runner may have ended meanwhile.
      const added = process.getActiveResourcesInfo()
      for (const resource of before) {
        if (added.includes(resource)) added.splice(added.indexOf(resource), 1)
      }
      assert.deepStrictEqual(added, [])
    }))
})

describe("what a user sends", () => {
  it.live("is nowhere in the file by default, and makes no line of its own", () =>
    Effect.gen(function*() {
      const { file, path } = yield* opened()
      const canary = "canary\n{\"seq\":9}\u2028\u001b[2J"
      const { flags } = yield* client(
        { a: TestProvider.error("PARSE_ERROR", canary), b: TestProvider.value(canary) },
        { hooks: [AuditHook.make(file)] }
      )
      const context = { targetingKey: canary, [canary]: canary, nested: { canary } }
      yield* flags.string("a", canary, { context })
      yield* flags.string("b", canary, { context })
      assert.notInclude(readFileSync(path, "utf8"), "canary")
      yield* flags.string(canary, "", { context })
      const texts = readFileSync(path, "utf8").split(/[\n\r\u0085\u2028\u2029]/)
      assert.strictEqual(texts.length, 4)
      assert.strictEqual(contentOf(path).lines[2]?.flagKey, canary)
    }))
})
