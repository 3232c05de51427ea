import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { AuditFile, AuditReader, type AuditTrail } from "effect-openfeature/node"
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { Readable } from "node:stream"
import { asynchronous, random, rangeError, turns, unhandledRejections, until } from "../support.ts"
import { chained, folder, line, numbers, text } from "./trail.ts"

const path = folder()
let files = 0

/** A new file with this content. */
const file = (content: string | Uint8Array): string => {
  const made = path(`${++files}.jsonl`)
  writeFileSync(made, content)
  return made
}

const seqs = (sources: AuditReader.Source | ReadonlyArray<AuditReader.Source>, options?: AuditReader.Options) =>
  Effect.map(Stream.runCollect(AuditReader.records(sources, options)), (records) => records.map(({ seq }) => seq))

const bad = (sources: AuditReader.Source | ReadonlyArray<AuditReader.Source>, options: AuditReader.Options = {}) =>
  Effect.gen(function*() {
    const found: Array<AuditTrail.BadLine> = []
    const read = yield* seqs(sources, { ...options, onBadLine: (line) => found.push(line) })
    return { read, reasons: found.map(({ line, reason }) => [line, reason]) }
  })

describe("reading", () => {
  it.effect("survives an asynchronous function for bad lines that rejects", () =>
    Effect.gen(function*() {
      const onBadLine = asynchronous(() => Promise.reject(new Error("bug")))
      const source = file(`no record\n${line(1)}\n`)
      assert.deepStrictEqual(
        yield* unhandledRejections(
          Effect.map(seqs(source, { onBadLine }), (read) => assert.deepStrictEqual(read, [1]))
        ),
        []
      )
    }))

  it.effect("returns the records in the order of their numbers, whatever the names of the files", () =>
    Effect.gen(function*() {
      const late = file(text(numbers(5, 6).map((seq) => line(seq))))
      const early = file(text(numbers(1, 4).map((seq) => line(seq))))
      const empty = file("")
      assert.deepStrictEqual(yield* seqs([empty, late, early]), [1, 2, 3, 4, 5, 6])
    }))

  it.effect("finds the rotated files of a path", () =>
    Effect.gen(function*() {
      const source = path("app.jsonl")
      writeFileSync(source, text([line(5)]))
      writeFileSync(path("app.2026-01-30.000000000002.jsonl"), text([line(1), line(2)]))
      writeFileSync(path("app.2026-01-31.000000000004.jsonl"), text([line(3), line(4)]))
      for (const other of ["app.old.jsonl", "app-2.2026-01-31.000000000004.jsonl", "app.jsonl.bak"]) {
        writeFileSync(path(other), text([line(9)]))
      }
      assert.deepStrictEqual(yield* seqs(source), [5])
      assert.deepStrictEqual(yield* seqs(source, { rotated: true }), [1, 2, 3, 4, 5])
      assert.strictEqual((yield* Effect.flip(seqs(path("none/app.jsonl"), { rotated: true })))._tag, "AuditReaderError")
    }))

  it.effect("reads back what AuditFile has written, over several files, and verifies it", () =>
    Effect.gen(function*() {
      const source = path("written.jsonl")
      const records = numbers(1, 40).map((number) => ({
        time: "2026-01-31T18:00:00.000Z",
        flagKey: `flag-\u202e\n${number}`,
        type: "boolean" as const,
        value: "x".repeat(100),
        attributes: { plan: "pro", seats: number }
      }))
      yield* Effect.scoped(Effect.gen(function*() {
        const audit = yield* AuditFile.make(source, { tamperEvidence: true, maxSize: 2000 })
        for (const record of records) yield* audit.append(record)
      }))
      const read = yield* Stream.runCollect(AuditReader.records(source, { rotated: true }))
      assert.deepStrictEqual(read.map(({ hash: _hash, seq: _seq, ...record }) => record), [...records])
      const found = yield* AuditReader.verify(source, { rotated: true })
      assert.deepInclude(found, { isIntact: true, verified: 40, unprotected: 0, badLines: 0, first: 1, last: 40 })
      assert.isTrue((yield* AuditReader.verify(source)).first! > 1)
    }))

  it.effect("skips what is no record, tells each, and reads on", () =>
    Effect.gen(function*() {
      const lines = [
        line(1),
        "{\"seq\":2,\"time\":\"2026-01-",
        "",
        "[]",
        "null",
        line(3, { flagKey: "x" }).replace("\"x\"", "1"),
        line(4).replace("2026", "20x6"),
        line(0),
        `${line(5)}\r`,
        "x".repeat(3000),
        line(6)
      ]
      assert.deepStrictEqual(yield* bad(file(lines.join("\n")), { maxLineLength: 2000 }), {
        read: [1, 5, 6],
        reasons: [
          [2, "not JSON"],
          [4, "not an audit record"],
          [5, "not an audit record"],
          [6, "not an audit record"],
          [7, "not an audit record"],
          [8, "not an audit record"],
          [10, "longer than maxLineLength"]
        ]
      })
    }))

  it.effect("counts a last line without a line break only if it is complete", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* bad(file(`${line(1)}\n${line(2)}`)), { read: [1, 2], reasons: [] })
      assert.deepStrictEqual(yield* bad(file(`${line(1)}\n${line(2).slice(0, -1)}`)), {
        read: [1],
        reasons: [[2, "not JSON"]]
      })
    }))

  it.effect("takes no damage from invalid UTF-8, deep JSON and names of prototypes", () =>
    Effect.gen(function*() {
      const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`
      const hostile = [
        Buffer.concat([Buffer.from(line(1).slice(0, -1)), Buffer.from([0xff, 0xfe]), Buffer.from("}\n")]),
        Buffer.from(`${line(2).slice(0, -1)},"value":${deep}}\n`),
        Buffer.from(`${line(3).slice(0, -1)},"attributes":{"__proto__":"polluted"},"__proto__":{"isAdmin":true}}\n`),
        Buffer.from(`${line(4).slice(0, -1)},"other":${deep}}\n`),
        Buffer.from([0, 10, 0xc3, 10])
      ]
      const found = yield* bad(file(Buffer.concat(hostile)))
      assert.deepStrictEqual(found, {
        read: [3, 4],
        reasons: [[1, "not in UTF-8"], [2, "not an audit record"], [5, "not JSON"], [6, "not in UTF-8"]]
      })
      const [record] = yield* Stream.runCollect(AuditReader.records(file(hostile[2])))
      assert.strictEqual(Object.getPrototypeOf(record), Object.prototype)
      assert.isUndefined(Reflect.get({}, "isAdmin"))
      assert.deepStrictEqual(Object.keys(record?.attributes ?? {}), ["__proto__"])
    }))

  it.effect("needs little memory for a line of 100 MB", () =>
    Effect.gen(function*() {
      const large = file(`${line(1)}\n`)
      const descriptor = openSync(large, "r+")
      ftruncateSync(descriptor, 100 * 1024 * 1024)
      closeSync(descriptor)
      appendFileSync(large, `\n${line(2)}\n`)
      global.gc?.()
      const before = process.memoryUsage().arrayBuffers
      let most = 0
      let chunks = 0
      const entries = Stream.runForEach(AuditReader.entries([Readable.from(watched(large))]), () => Effect.void)
      async function* watched(file: string): AsyncGenerator<Uint8Array> {
        for await (const chunk of (await import("node:fs")).createReadStream(file)) {
          if (chunks++ % 50 === 0) {
            // Counts what is kept, and not what waits for the garbage collector.
            global.gc?.()
            most = Math.max(most, process.memoryUsage().arrayBuffers - before)
          }
          yield chunk
        }
      }
      yield* entries
      assert.isBelow(most, 4 * 1024 * 1024)
      assert.deepStrictEqual(yield* bad(large), { read: [1, 2], reasons: [[2, "longer than maxLineLength"]] })
    }))

  it.effect("reads any cut of the bytes alike", () =>
    Effect.gen(function*() {
      const seed = Number(process.env["SEED"] ?? 7)
      const { below } = random(seed)
      const content = Buffer.from(
        text([line(1, { flagKey: "größe" }), "x".repeat(90), "", line(2, { variant: "日本" }), "{", line(3)])
      )
      const whole = yield* bad(Readable.from([content]), { maxLineLength: 200 })
      assert.deepStrictEqual(whole.read, [1, 2, 3])
      for (let i = 0; i < 200; i++) {
        const chunks: Array<Uint8Array> = []
        for (let from = 0; from < content.length;) {
          const to = from + 1 + below(i % 2 === 0 ? 4 : 150)
          chunks.push(content.subarray(from, to))
          from = to
        }
        assert.deepStrictEqual(yield* bad(Readable.from(chunks), { maxLineLength: 200 }), whole, `SEED=${seed}`)
      }
    }))

  it.effect("fails for a file that cannot be read, with the file and the code", () =>
    Effect.gen(function*() {
      mkdirSync(path("folder"))
      for (const [name, code] of [["missing", "ENOENT"], ["folder", "EISDIR"], ["a\0b", "ERR_INVALID_ARG_VALUE"]]) {
        const error = yield* Effect.flip(seqs(path(name)))
        assert.strictEqual(error._tag, "AuditReaderError")
        assert.isTrue(error.message.endsWith(`: ${code}`), error.message)
        assert.notMatch(error.message, /\p{Cc}/u)
      }
      const failing = Readable.from((async function*() {
        yield Buffer.from(text([line(1)]))
        throw new Error("gone")
      })())
      assert.strictEqual((yield* Effect.flip(seqs(failing))).message, "cannot read -: unknown error")
    }))

  it("refuses wrong options and sources by name", () => {
    const told = (options: object): string => rangeError(() => AuditReader.records("a", options))
    assert.include(told({ flags: "a" }), "did you mean \"flag\"?")
    assert.include(told({ since: "yesterday" }), "AuditReader.records: since must be a time")
    assert.include(told({ until: "2026-02-30" }), "AuditReader.records: until must be a time")
    assert.include(told({ flag: "x".repeat(257) }), "a glob of at most 256 characters")
    assert.include(rangeError(() => AuditReader.verify([])), "at least one source")
    assert.include(rangeError(() => AuditReader.open("")), "each source must be a path")
    assert.include(rangeError(() => AuditReader.summarize("a", { maxFlags: 0 })), "maxFlags must be an integer")
  })
})

describe("selecting", () => {
  const content = text([
    line(1, { flagKey: "checkout-a", variant: "on", targetingKey: "u1" }),
    line(2, { flagKey: "checkout-b", errorCode: "FLAG_NOT_FOUND", targetingKey: "u2" }),
    line(3, { flagKey: "search", variant: "off", rejectedBy: "guard.before" }),
    line(4, { flagKey: "search", variant: 1, targetingKey: "u1" })
  ])
  const cases: ReadonlyArray<readonly [AuditTrail.Selection, ReadonlyArray<number>]> = [
    [{}, [1, 2, 3, 4]],
    [{ flag: "checkout-?" }, [1, 2]],
    [{ flag: "search" }, [3, 4]],
    [{ since: "2026-01-31T18:00:03Z" }, [3, 4]],
    [{ until: new Date("2026-01-31T18:00:03Z") }, [1, 2]],
    [{ error: true }, [2, 3]],
    [{ error: false }, [1, 4]],
    [{ error: "FLAG_NOT_FOUND" }, [2]],
    [{ variant: "on" }, [1]],
    [{ variant: "1" }, [4]],
    [{ targetingKey: "u1", flag: "s*" }, [4]],
    [{ since: "2027-01-01" }, []]
  ]
  for (const [selection, expected] of cases) {
    it.effect(`by ${JSON.stringify(selection)}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* seqs(file(content), selection), expected)
      }))
  }
})

describe("following", () => {
  const follow = Effect.fnUntraced(function*(source: string | ReadonlyArray<string>) {
    const seen: Array<number> = []
    const fiber = yield* Effect.forkScoped(
      Stream.runForEach(
        AuditReader.records(source, { follow: true }),
        ({ seq }) => Effect.sync(() => void seen.push(seq))
      )
    )
    const expect = Effect.fnUntraced(function*(...expected: ReadonlyArray<number>) {
      yield* until(() => seen.length >= expected.length, TestClock.adjust("250 millis"))
      assert.deepStrictEqual(seen, expected)
    })
    return { fiber, expect }
  })

  const appendTo = (source: string, count: number) =>
    Effect.scoped(Effect.gen(function*() {
      const audit = yield* AuditFile.make(source, { maxSize: 300, maxFiles: 100 })
      const record = { time: "2026-01-31T18:00:00.000Z", flagKey: "a", type: "boolean" } as const
      for (let i = 0; i < count; i++) yield* audit.append(record)
    }))

  it.effect("waits for a file, and for the rest of a line", () =>
    Effect.gen(function*() {
      const source = path("grows.jsonl")
      const { expect, fiber } = yield* follow(source)
      yield* turns()
      writeFileSync(source, line(1))
      yield* TestClock.adjust("1 second")
      yield* turns(20)
      yield* expect()
      appendFileSync(source, `\n${line(2).slice(0, 20)}`)
      yield* expect(1)
      appendFileSync(source, `${line(2).slice(20)}\n`)
      yield* expect(1, 2)
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("goes on in the new file after a rotation, and misses nothing that was written before it", () =>
    Effect.gen(function*() {
      const source = file(text([line(1)]))
      const { expect } = yield* follow(source)
      yield* expect(1)
      renameSync(source, `${source}.1`)
      appendFileSync(`${source}.1`, text([line(2)]))
      yield* expect(1, 2)
      const descriptor = openSync(`${source}.1`, "a")
      writeFileSync(source, "")
      yield* TestClock.adjust("1 second")
      yield* turns(20)
      // A writer that has not noticed the rotation yet.
      writeSync(descriptor, line(3))
      closeSync(descriptor)
      appendFileSync(source, text([line(4)]))
      yield* expect(1, 2, 3, 4)
      appendFileSync(source, text([line(5)]))
      yield* expect(1, 2, 3, 4, 5)
    }))

  it.effect("misses no file of a writer that rotates often", () =>
    Effect.gen(function*() {
      const source = path("busy.jsonl")
      const { expect } = yield* follow(source)
      yield* turns()
      const audit = yield* AuditFile.make(source, { maxSize: 300, maxFiles: 100 })
      const record = { time: "2026-01-31T18:00:00.000Z", flagKey: "a", type: "boolean" } as const
      yield* audit.append(record)
      yield* expect(1)
      for (let i = 0; i < 40; i++) yield* audit.append(record)
      yield* expect(...numbers(1, 41))
      yield* audit.append(record)
      yield* expect(...numbers(1, 42))
    }))

  it.effect("waits for a file, and misses none of those that were rotated before it was found", () =>
    Effect.gen(function*() {
      const source = path("late.jsonl")
      writeFileSync(path("late.2026-01-30.000000000001.jsonl"), text([line(1)]))
      const { expect } = yield* follow(source)
      for (let i = 0; i < 20; i++) yield* turns()
      yield* appendTo(source, 40)
      yield* expect(...numbers(2, 41))
      yield* appendTo(source, 10)
      yield* expect(...numbers(2, 51))
    }))

  it.effect("goes on with the oldest file that is left when files are removed before they were read", () =>
    Effect.gen(function*() {
      const source = path("removed.jsonl")
      yield* appendTo(source, 1)
      const { expect } = yield* follow(source)
      yield* expect(1)
      // Readers look at the folder and open the next file at different times.
      const rotated = (seq: number) => path(`removed.2026-01-31.${String(seq).padStart(12, "0")}.jsonl`)
      renameSync(source, rotated(1))
      symlinkSync(path("nowhere"), rotated(2))
      writeFileSync(rotated(3), text([line(3)]))
      writeFileSync(source, text([line(4)]))
      yield* expect(1, 3, 4)
    }))

  it.effect("begins anew in a file that was copied and truncated", () =>
    Effect.gen(function*() {
      const source = file(text([line(1), line(2)]))
      const { expect } = yield* follow(source)
      yield* expect(1, 2)
      copyFileSync(source, `${source}.1`)
      truncateSync(source)
      appendFileSync(source, text([line(3)]))
      yield* expect(1, 2, 3)
    }))

  it.effect("reads the files before the last one, and follows that", () =>
    Effect.gen(function*() {
      const rotated = file(text([line(1)]))
      const source = file(text([line(2)]))
      const { expect } = yield* follow([source, rotated])
      yield* expect(1, 2)
      appendFileSync(source, text([line(3)]))
      yield* expect(1, 2, 3)
    }))
})

describe("verifying", () => {
  const bodies = numbers(1, 12).map((seq) => line(seq, { variant: seq % 2 === 0 ? "on" : "off" }))
  const whole = chained(bodies)
  const verify = (lines: ReadonlyArray<string>) => AuditReader.verify(file(text(lines)))
  const breakOf = (lines: ReadonlyArray<string>) =>
    Effect.map(verify(lines), (found) => found.break === undefined ? found.reason : [found.break.line, found.break.seq])

  it.effect("finds nothing in a trail that is as it was written, also in several files", () =>
    Effect.gen(function*() {
      const expected = { isIntact: true, verified: 12, unprotected: 0, badLines: 0, first: 1, last: 12 }
      assert.deepInclude(yield* verify(whole), expected)
      const parts = [file(text(whole.slice(7))), file(text(whole.slice(0, 7)))]
      assert.deepInclude(yield* AuditReader.verify(parts), expected)
    }))

  it.effect("finds each record that was changed, removed, doubled or moved", () =>
    Effect.gen(function*() {
      for (let index = 0; index < whole.length; index++) {
        const seq = index + 1
        const changed = whole.map((line, at) => at === index ? line.replace(/"o(n|ff)"/, "\"maybe\"") : line)
        assert.deepStrictEqual(yield* breakOf(changed), [seq, seq])
        const stripped = whole.map((line, at) => at === index ? bodies[at] : line)
        // Without the first hash, the chain would begin with the second record.
        assert.deepStrictEqual(yield* breakOf(stripped), seq === 1 ? [2, 2] : [seq, seq])
        if (seq > 1 && seq < 12) {
          assert.deepStrictEqual(yield* breakOf(whole.filter((_, at) => at !== index)), [seq, seq])
        }
        const doubled = whole.flatMap((line, at) => at === index ? [line, line] : [line])
        assert.deepStrictEqual(yield* breakOf(doubled), [seq + 1, seq])
        const rehashed = chained([bodies[index].replace("new", "old")], hashBefore(index))
        const forged = whole.map((line, at) => at === index ? rehashed[0] : line)
        assert.deepStrictEqual(yield* breakOf(forged), seq === 12 ? undefined : [seq + 1, seq + 1])
      }
    }))

  const hashBefore = (index: number): string | undefined => /"hash":"(\w+)"/.exec(whole[index - 1] ?? "")?.[1]

  it.effect("points to the line that can no longer be read", () =>
    Effect.gen(function*() {
      const broken = whole.map((line, at) => at === 4 ? line.replace(":", "") : line)
      assert.deepStrictEqual(yield* breakOf(broken), [5, 5])
      assert.strictEqual((yield* verify(broken)).break?.reason, "record 5 is missing, or can no longer be read")
    }))

  it.effect("is not broken by a line that a crash tore", () =>
    Effect.gen(function*() {
      const torn = [...whole.slice(0, 4), whole[4].slice(0, 30), ...whole.slice(4)]
      assert.deepInclude(yield* verify(torn), { isIntact: true, verified: 12, badLines: 1 })
    }))

  it.effect("says what it cannot know", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* verify(whole.slice(5)), {
        isIntact: true,
        unchecked: 6,
        first: 7,
        verified: 6,
        unprotected: 1
      })
      assert.deepInclude(yield* verify(bodies), { isIntact: false, reason: "no record has a hash", unprotected: 12 })
      assert.deepInclude(yield* verify([]), { isIntact: false, reason: "no record has a hash" })
      const startedLater = [...bodies.slice(0, 3), ...chained(bodies.slice(3))]
      assert.deepInclude(yield* verify(startedLater), { isIntact: true, first: 4, verified: 9, unprotected: 3 })
    }))
})

describe("summarizing", () => {
  it.effect("counts flags, errors and variants", () =>
    Effect.gen(function*() {
      const lines = [
        ...numbers(1, 5).map((seq) => line(seq, { variant: seq < 4 ? "on" : "off" })),
        line(6, { errorCode: "GENERAL" }),
        line(7, { flagKey: "other", value: true }),
        "{"
      ]
      assert.deepStrictEqual(yield* AuditReader.summarize(file(text(lines))), {
        records: 7,
        errors: 1,
        badLines: 1,
        first: "2026-01-31T18:00:01.000Z",
        last: "2026-01-31T18:00:07.000Z",
        flags: [
          {
            flagKey: "new-checkout",
            evaluations: 6,
            errors: 1,
            variants: [{ variant: "on", count: 3 }, { variant: "off", count: 2 }]
          },
          { flagKey: "other", evaluations: 1, errors: 0, variants: [{ variant: "(none)", count: 1 }] }
        ],
        notListed: 0
      })
      const filtered = yield* AuditReader.summarize(file(text(lines)), { flag: "other" })
      assert.deepInclude(filtered, { records: 1, errors: 0 })
    }))

  it.effect("keeps its tables small, and its sums right", () =>
    Effect.gen(function*() {
      const lines = numbers(1, 3000).map((seq) =>
        line(seq, seq % 2 === 0 ? { flagKey: `flag-${seq}` } : { variant: `variant-${seq}` })
      )
      const { flags, notListed, records } = yield* AuditReader.summarize(
        file(text([...lines, line(3001, { flagKey: "x".repeat(257) })])),
        { maxFlags: 10 }
      )
      assert.strictEqual(flags.length, 10)
      assert.strictEqual(notListed + flags.reduce((sum, { evaluations }) => sum + evaluations, 0), records)
      assert.strictEqual(flags[0]?.variants.length, 51)
      assert.deepStrictEqual(flags[0]?.variants[0], { variant: "(others)", count: 1450 })
    }))
})

describe("without Effect", () => {
  it("iterates again and again, verifies and summarizes", async () => {
    const reader = AuditReader.open(file(text(chained([line(1), line(2, { errorCode: "GENERAL" })]))), { error: true })
    for (let i = 0; i < 2; i++) {
      const seen: Array<number> = []
      for await (const { seq } of reader) seen.push(seq)
      assert.deepStrictEqual(seen, [2])
    }
    assert.strictEqual((await reader.verify()).verified, 2)
    assert.strictEqual((await reader.summarize()).records, 1)
  })

  it("closes a file that it follows when the loop is left", async () => {
    const { readdirSync, readlinkSync } = await import("node:fs")
    const source = file(text([line(1)]))
    const isOpen = () =>
      readdirSync("/proc/self/fd").some((descriptor) => {
        try {
          return readlinkSync(`/proc/self/fd/${descriptor}`) === source
        } catch {
          return false
        }
      })
    for await (const { seq } of AuditReader.open(source, { follow: true })) {
      assert.strictEqual(seq, 1)
      assert.isTrue(isOpen())
      break
    }
    assert.isFalse(isOpen())
  })
})
