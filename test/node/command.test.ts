import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { execFile, spawn } from "node:child_process"
import { appendFileSync, writeFileSync } from "node:fs"
import { Readable } from "node:stream"
import { fileURLToPath } from "node:url"
import { run, type Terminal } from "../../src/node/internal/command.ts"
import { version } from "../../src/internal/version.ts"
import { until } from "../support.ts"
import { chained, folder, line, numbers, text } from "./trail.ts"

const path = folder()
let files = 0

const file = (content: string): string => {
  const made = path(`${++files}.jsonl`)
  writeFileSync(made, content)
  return made
}

const terminal = (stdin = "", hasColours = false) => {
  const printed = { output: "", errors: "" }
  const given: Terminal = {
    stdin: Readable.from([Buffer.from(stdin)]),
    write: (text) => Effect.sync(() => void (printed.output += text)),
    writeError: (text) => Effect.sync(() => void (printed.errors += text)),
    hasColours
  }
  return { given, printed }
}

const audit = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const { given, printed } = terminal()
  const code = yield* run(["audit", ...args], given)
  return { code, ...printed }
})

const content = text([
  line(1, { variant: "on", value: true, reason: "TARGETING_MATCH", durationMs: 0.41234, targetingKey: "user-1" }),
  line(2, { flagKey: "banner", variant: "blue", provider: "flagd", domain: "checkout", attributes: { plan: "pro" } }),
  line(3, { reason: "ERROR", errorCode: "FLAG_NOT_FOUND", rejectedBy: "guard.before", errorMessage: "no such flag" })
])

describe("the command", () => {
  it.effect("prints a line for each record", () =>
    Effect.gen(function*() {
      const { code, errors, output } = yield* audit(file(content))
      assert.deepStrictEqual(output.split("\n"), [
        "2026-01-31T18:00:01.000Z  #1  new-checkout  on = true  TARGETING_MATCH  0.412 ms  user=user-1",
        "2026-01-31T18:00:02.000Z  #2  banner  blue  domain=checkout  provider=flagd  plan=pro",
        "2026-01-31T18:00:03.000Z  #3  new-checkout  FLAG_NOT_FOUND  by=guard.before  message=\"no such flag\"",
        ""
      ])
      assert.deepStrictEqual([code, errors], [0, ""])
    }))

  const selections: ReadonlyArray<readonly [ReadonlyArray<string>, ReadonlyArray<number>]> = [
    [["--flag", "new-*"], [1, 3]],
    [["--flag=banner"], [2]],
    [["--since", "2026-01-31T18:00:02Z"], [2, 3]],
    [["--until", "2026-01-31T18:00:02Z"], [1]],
    [["--error"], [3]],
    [["--error", "FLAG_NOT_FOUND"], [3]],
    [["--error", "flag_not_found"], [3]],
    [["--error=Flag_Not_Found"], [3]],
    [["--error=GENERAL"], []],
    [["--variant", "blue"], [2]],
    [["--targeting-key", "user-1"], [1]]
  ]
  for (const [args, expected] of selections) {
    it.effect(`selects with ${args.join(" ")}`, () =>
      Effect.gen(function*() {
        const { code, output } = yield* audit(...args, "--json", file(content))
        assert.strictEqual(code, 0)
        const printed = output.split("\n").filter((text) => text !== "")
        assert.deepStrictEqual(printed.map((text): unknown => JSON.parse(text).seq), [...expected])
      }))
  }

  it.effect("takes a time as how long ago", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 0, 31, 18, 30, 2))
      for (const since of ["30m", "30 m", "30 minutes", "1800 seconds ago", "1800s"]) {
        const { output } = yield* audit("--since", since, "--json", file(content))
        assert.strictEqual(output.trimEnd().split("\n").length, 2, since)
      }
    }))

  it.effect("reads the standard input", () =>
    Effect.gen(function*() {
      const { given, printed } = terminal(content)
      assert.strictEqual(yield* run(["audit", "-", "--flag", "banner", "--json"], given), 0)
      assert.strictEqual(JSON.parse(printed.output).flagKey, "banner")
    }))

  it.effect("tells how many lines could not be read, and where the first is", () =>
    Effect.gen(function*() {
      const source = file(`${content}{\n\u0000\n`)
      const { code, errors } = yield* audit(source)
      assert.strictEqual(errors, `effect-openfeature: 2 lines could not be read, the first at ${source}:4: not JSON\n`)
      assert.strictEqual(code, 0)
    }))

  it.effect("prints a summary with a bar for each variant", () =>
    Effect.gen(function*() {
      const lines = numbers(1, 4).map((seq) => line(seq, { variant: seq === 1 ? "off" : "on" }))
      const { output } = yield* audit("--summary", file(text([...lines, line(5, { errorCode: "GENERAL" }), "{"])))
      assert.deepStrictEqual(output.split("\n"), [
        "flag          evaluations  errors  variant                                count",
        "new-checkout            5       1  on       ███████████████·····  75.0 %      3",
        "                                   off      █████···············  25.0 %      1",
        "",
        "5 evaluations, 1 error, 2026-01-31T18:00:01.000Z to 2026-01-31T18:00:05.000Z",
        "1 line could not be read",
        ""
      ])
      const { output: json } = yield* audit("--summary", "--json", file(content))
      assert.strictEqual(JSON.parse(json).records, 3)
    }))

  it.effect("verifies, with exit code 1 and the place of the first change", () =>
    Effect.gen(function*() {
      const lines = chained(numbers(1, 3).map((seq) => line(seq)))
      const whole = yield* audit("--verify", file(text(lines)))
      assert.strictEqual(whole.code, 0)
      assert.match(whole.output, /^intact\n3 records verified, from #1 to #3\nlast hash [0-9a-f]{64}\n$/)
      const changed = file(text(lines).replace("new-checkout", "old-checkout"))
      const found = yield* audit("--verify", changed)
      assert.strictEqual(found.code, 1)
      assert.include(found.output, `CHANGED at ${changed}:1, record #1: `)
      const json = yield* audit("--verify", "--json", changed)
      assert.strictEqual(JSON.parse(json.output).break.seq, 1)
      assert.deepInclude(yield* audit("--verify", file(content)), { code: 1 })
    }))

  it.effect("says which record it could not check, and what helps", () =>
    Effect.gen(function*() {
      const lines = chained(numbers(1, 4).map((seq) => line(seq)))
      const present = path("middle.jsonl")
      writeFileSync(present, text(lines.slice(2)))
      const told = "#3 could not be checked, since the record before it is not in these files"
      const advice = "; --rotated reads the rotated files as well"
      const found = yield* audit("--verify", present)
      assert.strictEqual(found.code, 0)
      assert.include(found.output, `intact\n1 record verified, from #4 to #4\n${told}${advice}\nlast hash `)
      assert.include((yield* audit("--verify", "--rotated", present)).output, `${told}\nlast hash `)
      writeFileSync(path("middle.2026-01-31.000000000002.jsonl"), text(lines.slice(0, 2)))
      assert.notInclude((yield* audit("--verify", "--rotated", present)).output, "not be checked")
    }))

  it.effect("follows a file", () =>
    Effect.gen(function*() {
      const source = file(content)
      const { given, printed } = terminal()
      const fiber = yield* Effect.forkChild(run(["audit", "--follow", "--json", source], given))
      const printedLines = Effect.fnUntraced(function*(count: number) {
        yield* until(() => printed.output.split("\n").length > count, TestClock.adjust("250 millis"))
        assert.strictEqual(printed.output.split("\n").length, count + 1)
      })
      yield* printedLines(3)
      appendFileSync(source, text([line(4)]))
      yield* printedLines(4)
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("prints nothing that a terminal obeys, and no field that a text made up", () =>
    Effect.gen(function*() {
      const nasty = "a  user=root\u001b[2J\u202e\u0085\u2028\n\u009b31m"
      const raw = line(1, {
        flagKey: nasty,
        variant: nasty,
        errorCode: nasty,
        errorMessage: nasty,
        rejectedBy: nasty,
        targetingKey: nasty,
        attributes: { [nasty]: nasty },
        traceId: nasty
      })
      assert.include(raw, "\u202e")
      const source = file(`${raw}\n`)
      for (const args of [[], ["--json"], ["--summary"], ["--summary", "--json"]]) {
        const { output } = yield* audit(...args, source)
        assert.notMatch(
          output.replaceAll("\n", ""),
          /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e]/u,
          args.join()
        )
        assert.isAtMost(output.split("\n").length, 6)
      }
      const { output } = yield* audit(source)
      assert.strictEqual(output.split("\n").length, 2)
      assert.notInclude(output.replace(/"(\\.|[^"\\])*"/g, ""), "root")
    }))

  it.effect("uses colours where there are some", () =>
    Effect.gen(function*() {
      const { given, printed } = terminal("", true)
      yield* run(["audit", file(content)], given)
      assert.include(printed.output, "\u001b[31mFLAG_NOT_FOUND\u001b[0m")
    }))

  it.effect("prints its help and its version", () =>
    Effect.gen(function*() {
      for (const args of [["--help"], ["audit", "-h"]]) {
        const { given, printed } = terminal()
        assert.strictEqual(yield* run(args, given), 0)
        assert.match(printed.output, /^Usage: effect-openfeature audit/)
        assert.isTrue(printed.output.split("\n").every((line) => line.length <= 80))
      }
      const { given, printed } = terminal()
      yield* run(["--version"], given)
      assert.strictEqual(printed.output, `${version}\n`)
    }))

  const mistakes: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
    [[], "there is no command; see --help"],
    [["adit", "x"], "there is no command \"adit\"; did you mean \"audit\"?"],
    [["audit"], "there is no FILE; - is the standard input"],
    [["audit", "--flagg", "x", "f"], "there is no option --flagg; did you mean --flag?"],
    [["audit", "--sumary", "f"], "there is no option --sumary; did you mean --summary?"],
    [["audit", "-x", "f"], "there is no option -x; see --help"],
    [["audit", "--__proto__", "f"], "there is no option --__proto__; see --help"],
    [["audit", "--follow=yes", "f"], "--follow takes no value"],
    [["audit", "f", "--flag"], "--flag needs a value"],
    [["audit", "f", "--flag", "a", "--flag", "b"], "--flag is there twice"],
    [["audit", "f", "--flag", "x".repeat(257)], "--flag must not be longer than 256 characters"],
    [["audit", "f", "--error=NO_SUCH"], "there is no error code \"NO_SUCH\""],
    [["audit", "f", "--verify", "--follow"], "--verify does not go together with --follow"],
    [["audit", "f", "--verify", "--flag", "a"], "--verify does not go together with --flag"],
    [["audit", "f", "--summary", "--follow"], "--summary does not go together with --follow"],
    [["audit", "f", "--since", "yesterday"], "--since must be a time like"],
    [["audit", "f", "--until", "2026-02-30"], "--until must be a time like"],
    [["audit", "f", "--since", "99999999999 days"], "--since must be a time like"]
  ]
  for (const [args, told] of mistakes) {
    it.effect(`refuses ${args.map((arg) => arg.slice(0, 20)).join(" ") || "no arguments"}`, () =>
      Effect.gen(function*() {
        const { given, printed } = terminal()
        assert.strictEqual(yield* run(args, given), 2)
        assert.isTrue(printed.errors.startsWith(`effect-openfeature: ${told}`), printed.errors)
        assert.strictEqual(printed.output, "")
      }))
  }

  it.effect("fails for a file that cannot be read", () =>
    Effect.gen(function*() {
      const found = yield* audit(path("missing\u001b"))
      assert.strictEqual(found.code, 1)
      assert.match(found.errors, /cannot read \S+missing\\u001b: ENOENT\n$/)
    }))
})

describe("the executable", () => {
  const bin = fileURLToPath(new URL("../../src/node/internal/bin.ts", import.meta.url))
  const args = ["--import", "tsx", bin]

  it("gives its exit code, and no colours to what is no terminal", async () => {
    const changed = text(chained([line(1), line(2)])).replace("new", "old")
    const [code, output] = await new Promise<readonly [unknown, string]>((resolve) => {
      const child = execFile(process.execPath, [...args, "audit", "--verify", "-"], (error, stdout) => {
        resolve([error?.code, stdout])
      })
      child.stdin?.end(changed)
    })
    assert.strictEqual(code, 1)
    assert.match(output, /^CHANGED at -:1/)
  })

  it("ends without a word when nobody reads on", async () => {
    const large = file(text(numbers(1, 20_000).map((seq) => line(seq))))
    const child = spawn(process.execPath, [...args, "audit", large], { stdio: ["ignore", "pipe", "pipe"] })
    let errors = ""
    child.stderr.on("data", (data) => (errors += String(data)))
    child.stdout.once("data", () => child.stdout.destroy())
    const code = await new Promise((resolve) => child.once("close", resolve))
    assert.deepStrictEqual([code, errors], [0, ""])
  })
})
