import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import { OverrideHook } from "effect-openfeature"
import { OverrideFile } from "effect-openfeature/node"
import { createHook } from "node:async_hooks"
import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { client, type LogRecord, logsTo, rangeError, turns, until } from "../support.ts"
import { newFolder } from "./files.ts"

const secret = "s3cret-value"

const makePipe = "mkfifo"

/** Changes are found by the interval, which the test clock drives. */
const polled = { watch: false, pollInterval: "1 second" } as const

/** A path in a folder of its own, with the given content. */
const pathWith = (content: string | Uint8Array) =>
  Effect.map(newFolder, (folder) => {
    const path = join(folder, "overrides.json")
    writeFileSync(path, content)
    return path
  })

/** As editors do. */
const replace = (path: string, content: string): void => {
  writeFileSync(`${path}.new`, content)
  renameSync(`${path}.new`, path)
}

const listOf = (file: { readonly source: OverrideHook.Source }) =>
  OverrideHook.makeUnsafe({ enabled: true, sources: [file.source], values: true, logLevel: false }).list()
    .map(({ flag, value }) => [flag, value])

/** A look at the file takes real time, in which no other one begins. */
const nextLook = TestClock.adjust("1 second")

const reloaded = (file: OverrideFile.OverrideFile) => Effect.andThen(file.reload, file.status)

/** A superuser may read everything. */
const unprivileged = <A>(use: Effect.Effect<A>): Effect.Effect<A> =>
  process.getuid?.() !== 0 ? use : Effect.acquireUseRelease(
    Effect.sync(() => process.seteuid?.(65534)),
    () => use,
    () => Effect.sync(() => process.seteuid?.(0))
  )

describe("overrides of a file", () => {
  it.effect("hold, say where they come from, and follow the file", () =>
    Effect.gen(function*() {
      const path = yield* pathWith("{\"sale\":true}")
      const file = yield* OverrideFile.make(path, polled)
      const { hook } = yield* OverrideHook.make({ enabled: true, sources: [file.source], logLevel: false })
      const { flags } = yield* client({}, { hooks: [hook] })
      const details = yield* flags.booleanDetails("sale", false)
      assert.deepInclude(details, { value: true, reason: "STATIC", flagMetadata: { override: "file" } })
      replace(path, "[{\"flags\":[\"sale\",\"banner\"],\"value\":\"Hello\",\"subjects\":[\"ana\"]}]")
      yield* turns()
      yield* until(() => listOf(file).length === 2, nextLook)
      assert.strictEqual(yield* flags.string("sale", "", { context: { targetingKey: "ana" } }), "Hello")
      assert.strictEqual(yield* flags.string("sale", ""), "")
    }))

  it.effect("come before those of the code, in the order of the sources", () =>
    Effect.gen(function*() {
      const first = yield* OverrideFile.make(yield* pathWith("{\"a\":1}"), polled)
      const second = yield* OverrideFile.make(yield* pathWith("{\"a\":2,\"b\":2}"), polled)
      const { hook } = yield* OverrideHook.make({
        enabled: true,
        sources: [first.source, second.source],
        overrides: { a: 3, b: 3, c: 3 },
        logLevel: false
      })
      const { flags } = yield* client({}, { hooks: [hook] })
      assert.deepStrictEqual(yield* Effect.all(["a", "b", "c"].map((key) => flags.number(key, 0))), [1, 2, 3])
    }))

  it.effect("stay the same while the file has not changed", () =>
    Effect.gen(function*() {
      const file = yield* OverrideFile.make(yield* pathWith("{\"a\":1}"), polled)
      for (let i = 0; i < 3; i++) yield* file.reload
      assert.strictEqual((yield* file.status).loads, 1)
      assert.deepStrictEqual(listOf(file), [["a", 1]])
    }))

  it.live("follow the file without an interval where the operating system reports changes", () =>
    Effect.gen(function*() {
      const path = yield* pathWith("{\"a\":1}")
      const file = yield* OverrideFile.make(path, { debounce: "1 millis", pollInterval: "1 hour" })
      for (const [index, write] of [replace, writeFileSync, replace].entries()) {
        write(path, `{"a":${index + 2}}`)
        yield* until(() => JSON.stringify(listOf(file)) === `[["a",${index + 2}]]`)
      }
    }).pipe(Effect.provide(logsTo([]))))

  it.effect("follow the file when the logger throws", () =>
    Effect.gen(function*() {
      const path = yield* pathWith("{\"a\":1}")
      const fail = () => {
        throw new Error("the disk is full")
      }
      const logger = { error: fail, warn: fail, info: fail, debug: fail }
      const file = yield* OverrideFile.make(path, { ...polled, logger })
      for (const content of ["{\"a\":2}", "{\"a\":", "{\"a\":3}"]) {
        replace(path, content)
        yield* turns()
        yield* TestClock.adjust("1 second")
        yield* turns(100)
      }
      yield* until(() => JSON.stringify(listOf(file)) === "[[\"a\",3]]", nextLook)
      replace(path, "{\"a\":4}")
      yield* file.reload
      assert.deepStrictEqual(listOf(file), [["a", 4]])
    }))

  it.effect("that cannot be used at the start are not watched", () =>
    Effect.gen(function*() {
      const path = join(yield* newFolder, "overrides.json")
      let watchers = 0
      const counting = createHook({ init: (_, type) => void (watchers += Number(type === "FSEVENTWRAP")) })
      yield* Effect.acquireRelease(Effect.sync(() => counting.enable()), () => Effect.sync(() => counting.disable()))
      // A program can try again and again in a scope that stays.
      for (let i = 0; i < 3; i++) yield* Effect.flip(OverrideFile.make(path))
      assert.strictEqual(watchers, 0)
      writeFileSync(path, "{}")
      yield* OverrideFile.make(path)
      assert.strictEqual(watchers, 1)
    }))

  const broken: ReadonlyArray<readonly [name: string, reason: string, breakIt: (path: string) => void]> = [
    ["torn", "Invalid", (path) => replace(path, `{"banner":"${secret}`)],
    ["empty", "Invalid", (path) => replace(path, "")],
    ["no map", "Invalid", (path) => replace(path, `"${secret}"`)],
    [
      "one with a key __proto__ in a value",
      "Invalid",
      (path) => replace(path, "{\"a\":{\"b\":{\"__proto__\":{\"c\":1}}}}")
    ],
    ["not in UTF-8", "Invalid", (path) => writeFileSync(path, new Uint8Array([123, 34, 0xff, 34, 125]))],
    ["huge", "TooLarge", (path) => replace(path, `{"a":"${secret.repeat(100_000)}"}`)],
    ["a folder", "Unreadable", (path) => {
      rmSync(path)
      mkdirSync(path)
    }],
    ["a pipe", "Unreadable", (path) => {
      rmSync(path)
      execFileSync(makePipe, [path])
    }],
    ["a symbolic link", "Insecure", (path) => {
      renameSync(path, `${path}.target`)
      symlinkSync(`${path}.target`, path)
    }],
    ["a symbolic link to itself", "Insecure", (path) => {
      rmSync(path)
      symlinkSync(path, path)
    }],
    ["writable for everybody", "Insecure", (path) => chmodSync(path, 0o666)]
  ]
  it.effect.each(broken)(
    "of a file that becomes %s stay, which is told once and without values",
    ([, reason, breakIt]) =>
      Effect.gen(function*() {
        const records: Array<LogRecord> = []
        yield* Effect.gen(function*() {
          const path = yield* pathWith("{\"sale\":true}")
          const file = yield* OverrideFile.make(path, polled)
          breakIt(path)
          const { problem } = yield* reloaded(file)
          assert.strictEqual(problem?.reason, reason)
          assert.deepStrictEqual(listOf(file), [["sale", true]])
          if (reason === "Invalid") {
            replace(path, `{"banner":${secret}`)
            yield* file.reload
          }
          assert.deepStrictEqual(records.map(({ annotations, level }) => [level, annotations["reason"]]), [[
            "Warn",
            reason
          ]])
          rmSync(path, { recursive: true })
          replace(path, `{"banner":"${secret}"}`)
          yield* file.reload
          assert.deepStrictEqual(listOf(file), [["banner", secret]])
          assert.deepStrictEqual(
            records.slice(1).map(({ annotations, message }) => [message, annotations["overrides"]]),
            [
              ["the overrides of a file have changed", "banner"]
            ]
          )
        }).pipe(Effect.provide(logsTo(records)))
        assert.notInclude(JSON.stringify(records), secret)
        const made = yield* Effect.flip(Effect.gen(function*() {
          const path = yield* pathWith("{}")
          breakIt(path)
          return yield* OverrideFile.make(path, polled)
        }))
        assert.instanceOf(made, OverrideFile.OverrideFileError)
        assert.strictEqual(made.reason, reason)
        assert.notInclude(String(made) + JSON.stringify(made), secret)
      })
  )

  it.effect(
    "of a file that may not be read any more stay",
    () =>
      Effect.gen(function*() {
        const path = yield* pathWith("{\"sale\":true}")
        const file = yield* Effect.provide(OverrideFile.make(path, polled), logsTo([]))
        chmodSync(path, 0o200)
        const { problem } = yield* unprivileged(Effect.provide(reloaded(file), logsTo([])))
        assert.match(problem?.message ?? "", /cannot be read \(EACCES\)/)
        assert.deepStrictEqual(listOf(file), [["sale", true]])
      })
  )

  it.effect("follow a file that is written in place, again and again, at the same size", () =>
    Effect.gen(function*() {
      const path = yield* pathWith("{\"a\":0}")
      const file = yield* Effect.provide(OverrideFile.make(path, polled), logsTo([]))
      for (let i = 1; i < 10; i++) {
        writeFileSync(path, `{"a":${i}}`)
        yield* file.reload
        assert.deepStrictEqual(listOf(file), [["a", i]])
      }
    }))

  it.effect("end when the file is removed", () =>
    Effect.gen(function*() {
      const records: Array<LogRecord> = []
      const path = yield* pathWith("{\"sale\":true}")
      const file = yield* Effect.provide(OverrideFile.make(path, polled), logsTo(records))
      rmSync(path)
      yield* Effect.provide(file.reload, logsTo(records))
      assert.deepStrictEqual(records.map(({ annotations }) => annotations["override_count"]), [0])
      assert.isUndefined((yield* file.status).problem)
    }))

  it.live("says what is wrong with the file, or with one of its flags or rules", () =>
    Effect.gen(function*() {
      const messageOf = (content: string) =>
        Effect.gen(function*() {
          const path = yield* pathWith(content)
          const { message } = yield* Effect.flip(OverrideFile.make(path))
          return message.replace(`overrides in ${path}: `, "")
        })
      assert.strictEqual(yield* messageOf("{"), "it is not JSON")
      assert.strictEqual(yield* messageOf("1"), "it must be an object by flag key, or a list of rules")
      assert.strictEqual(yield* messageOf("[1]"), "rule 1 is not an object")
      assert.strictEqual(
        yield* messageOf(JSON.stringify({ sale: { value: true, subject: "ana" } })),
        "flag \"sale\" has the unknown field \"subject\"; write an object as { \"value\": { … } }"
      )
      assert.strictEqual(
        yield* messageOf(JSON.stringify({ sale: { value: true, variant: "" } })),
        "flag \"sale\" has a variant that is not a text, or is empty"
      )
    }))

  it.effect("need the file at the start, unless it is optional", () =>
    Effect.gen(function*() {
      const path = join(yield* newFolder, "overrides.json")
      const error = yield* Effect.flip(OverrideFile.make(path, polled))
      assert.strictEqual(error.reason, "Missing")
      assert.strictEqual(error.message, `overrides in ${path}: there is no such file`)
      const file = yield* Effect.provide(OverrideFile.make(path, { ...polled, optional: true }), logsTo([]))
      assert.deepStrictEqual(listOf(file), [])
      writeFileSync(path, "{\"sale\":true}")
      yield* file.reload
    }))

  it.effect("follow a symbolic link where it is allowed, also when it leads elsewhere", () =>
    Effect.gen(function*() {
      const folder = yield* newFolder
      const path = join(folder, "overrides.json")
      writeFileSync(join(folder, "one"), "{\"a\":1}")
      writeFileSync(join(folder, "two"), "{\"a\":2}")
      symlinkSync("one", path)
      const file = yield* Effect.provide(OverrideFile.make(path, { ...polled, allowSymbolicLink: true }), logsTo([]))
      symlinkSync("two", `${path}.new`)
      renameSync(`${path}.new`, path)
      yield* file.reload
      assert.deepStrictEqual(listOf(file), [["a", 2]])
    }))

  it.effect("may be writable for everybody, or large, where it is allowed", () =>
    Effect.gen(function*() {
      const path = yield* pathWith(`{"a":"${"x".repeat(2 ** 20)}"}`)
      chmodSync(path, 0o666)
      const options = { ...polled, allowWorldWritable: true, maxSize: 2 ** 21 }
      assert.strictEqual(listOf(yield* OverrideFile.make(path, options)).length, 1)
    }))

  it.effect("are not read any more when the scope has closed", () =>
    Effect.gen(function*() {
      const path = yield* pathWith("{\"a\":1}")
      const scope = yield* Scope.make()
      const file = yield* Scope.provide(OverrideFile.make(path, { pollInterval: "1 second" }), scope)
      yield* Scope.close(scope, Exit.void)
      replace(path, "{\"a\":2}")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* file.status).loads, 1)
      assert.deepStrictEqual(listOf(file), [["a", 1]])
    }))

  it.effect("never change prototypes", () =>
    Effect.gen(function*() {
      const path = yield* pathWith(
        "{\"__proto__\":{\"value\":true},\"constructor\":{\"prototype\":{\"polluted\":true}}}"
      )
      const file = yield* OverrideFile.make(path, polled)
      assert.deepStrictEqual(listOf(file).map(([flag]) => flag), ["__proto__", "constructor"])
      assert.notProperty({}, "polluted")
    }))

  it.live("are read without Effect", () =>
    Effect.gen(function*() {
      const path = yield* pathWith("{\"a\":1}")
      const lines: Array<string> = []
      const note = (...args: ReadonlyArray<unknown>) => void lines.push(JSON.stringify(args))
      const logger = { error: note, warn: note, info: note, debug: note }
      const file = yield* Effect.promise(() =>
        OverrideFile.start(path, { logger, watch: false, pollInterval: "1 hour" })
      )
      replace(path, `{"a":"${secret}"}`)
      yield* Effect.promise(() => file.reload())
      assert.deepStrictEqual(listOf(file), [["a", secret]])
      assert.deepStrictEqual(file.status(), { overrides: 1, loads: 2, problem: undefined })
      assert.match(lines.join(), /^\["the overrides of a file have changed",\{/)
      assert.notInclude(lines.join(), secret)
      yield* Effect.promise(() => file.close())
      yield* Effect.promise(() => file.close())
      const rejection = yield* Effect.flip(
        Effect.tryPromise({ try: () => OverrideFile.start(`${path}.none`), catch: (e) => e })
      )
      assert.instanceOf(rejection, OverrideFile.OverrideFileError)
    }))

  it("refuse wrong options", () => {
    assert.match(rangeError(() => OverrideFile.make("")), /OverrideFile.make: path must be a text that is not empty/)
    assert.match(rangeError(() => OverrideFile.make("a", { maxSize: 0 })), /OverrideFile.make: maxSize/)
    assert.match(rangeError(() => OverrideFile.start("a", { pollInterval: 0 })), /OverrideFile.start: pollInterval/)
  })
})
