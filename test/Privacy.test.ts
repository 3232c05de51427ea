import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { EvaluationContext, LoggingHook, Privacy } from "effect-openfeature"
import { OtelEventHook, OtelTracingHook } from "effect-openfeature/otel"
import { Fixtures } from "effect-openfeature/testing"
import { createHmac } from "node:crypto"
import { collectFailures, type LogRecord, logsTo, paths, random, rangeError } from "./support.ts"

const secret = Redacted.make("a secret of at least 16 bytes")
const context = { targetingKey: "user-1", plan: "pro", seats: 5, address: { city: "Bonn" } }
const evaluation = { context }
const throws = (): never => {
  throw new Error("user-1")
}

/** Something of JavaScript that the types do not foresee. */
const parsed = (json: string): EvaluationContext.EvaluationContext => {
  const value: unknown = JSON.parse(json)
  if (!EvaluationContext.isEvaluationContext(value)) throw new Error(json)
  return value
}

describe("the limits", () => {
  const owners: ReadonlyArray<readonly [owner: string, make: (options: Privacy.Options) => unknown]> = [
    ["AuditHook.make", (options) => Privacy.make("AuditHook.make", options)],
    ["LoggingHook.make", LoggingHook.make],
    ["OtelEventHook.make", OtelEventHook.make],
    ["OtelTracingHook.make", OtelTracingHook.make],
    ["OtelTracingHook.makeAttributes", OtelTracingHook.makeAttributes]
  ]
  for (const [owner, make] of owners) {
    for (const name of ["maxLength", "maxDepth", "maxSize"] as const) {
      it(`of ${name} is checked, and the error names ${owner}`, () => {
        for (const limit of [0, -1, 1.5, NaN, Infinity, -Infinity]) {
          assert.strictEqual(
            rangeError(() => make({ [name]: limit })),
            `${owner}: ${name} must be an integer >= 1, got ${limit}`
          )
        }
        for (const limit of [1, 10, Number.MAX_SAFE_INTEGER, undefined]) make({ [name]: limit })
      })
    }
  }

  it("are 500 characters, 8 levels and 1000 members by default", () => {
    const { print } = Privacy.make("Test.make")
    assert.strictEqual(print("a".repeat(500)), "a".repeat(500))
    assert.strictEqual(print("a".repeat(501)), `${"a".repeat(499)}…`)
    const deep = (levels: number): unknown => levels === 0 ? 1 : [deep(levels - 1)]
    assert.strictEqual(print(deep(8)), "[[[[[[[[1]]]]]]]]")
    assert.strictEqual(print(deep(9)), "[[[[[[[[…]]]]]]]]")
    const { print: long } = Privacy.make("Test.make", { maxLength: 100_000 })
    const members = (text: string) => text.split(",").filter((item) => item.endsWith("1") || item === "1]").length
    assert.strictEqual(members(long(Array.from({ length: 5000 }, () => 1)).replace("[", "")), 999)
  })

  it("are what is given", () => {
    assert.strictEqual(Privacy.make("Test.make", { maxLength: 1 }).print("abc"), "…")
    assert.strictEqual(Privacy.make("Test.make", { maxLength: 3 }).print({ a: 1 }), "{\"…")
    assert.strictEqual(Privacy.make("Test.make", { maxDepth: 1 }).print({ a: { b: 1 } }), "{\"a\":…}")
    assert.strictEqual(Privacy.make("Test.make", { maxSize: 1 }).print([1, 2]), "[…]")
  })

  it("hold for what is printed, written, an error message and a targeting key", () => {
    const long = "x".repeat(100)
    const privacy = Privacy.make("Test.make", { maxLength: 10, errorMessage: true, targetingKey: () => long })
    const cut = `${"x".repeat(9)}…`
    assert.strictEqual(privacy.print(long), cut)
    assert.strictEqual(privacy.write("variant", long), cut)
    assert.strictEqual(privacy.errorMessage(long), cut)
    assert.strictEqual(privacy.targetingKey(evaluation), cut)
  })
})

describe("by default", () => {
  const privacy = Privacy.make("Test.make")

  it("nothing of the context, no value and no error text may be told", () => {
    assert.isFalse(privacy.values)
    assert.isUndefined(privacy.errorMessage("secret"))
    assert.isUndefined(privacy.targetingKey(evaluation))
    assert.isUndefined(privacy.attributes(evaluation))
  })

  it("the context is not even read", () => {
    const unread = Object.defineProperty({ context }, "context", { get: throws })
    assert.isUndefined(privacy.targetingKey(unread))
    assert.isUndefined(privacy.attributes(unread))
  })

  it("what may be told is written as it is, on one line", () => {
    assert.strictEqual(privacy.keep("variant", context), context)
    assert.strictEqual(privacy.write("variant", "on"), "on")
    assert.strictEqual(privacy.write("variant", "a\nb\u202e"), "a\\u000ab\\u202e")
    assert.strictEqual(privacy.write("value", { a: ["b\n"] }), "{\"a\":[\"b\\n\"]}")
    assert.strictEqual(privacy.write("value", null), "null")
    assert.strictEqual(privacy.print(undefined), "undefined")
    assert.isUndefined(privacy.write("value", undefined))
  })
})

describe("redact", () => {
  const seen = (options: Privacy.Options) => {
    const names: Array<readonly [name: string, value: unknown]> = []
    const redact = (name: string, value: unknown): unknown => {
      names.push([name, value])
      return value
    }
    return { names, privacy: Privacy.make("Test.make", { ...options, redact }) }
  }

  it("sees each text and value that would be written, with its name", () => {
    const { names, privacy } = seen({ errorMessage: true, targetingKey: "raw", context: ["plan", "targetingKey"] })
    privacy.keep("value", 1)
    privacy.write("metadata.version", "7")
    privacy.errorMessage("no")
    privacy.targetingKey(evaluation)
    privacy.attributes(evaluation)
    assert.deepStrictEqual(names, [
      ["value", 1],
      ["metadata.version", "7"],
      ["error_message", "no"],
      ["targeting_key", "user-1"],
      ["context.plan", "pro"],
      ["targeting_key", "user-1"]
    ])
  })

  it("sees nothing that would not be written", () => {
    const { names, privacy } = seen({ context: ["missing"] })
    privacy.errorMessage("no")
    privacy.targetingKey(evaluation)
    privacy.attributes(evaluation)
    assert.deepStrictEqual(names, [])
  })

  it("sees a targeting key after it was written as a hash", () => {
    const hash = Privacy.hmac(secret)
    const { names, privacy } = seen({ targetingKey: hash, context: ["targetingKey"] })
    privacy.targetingKey(evaluation)
    privacy.attributes(evaluation)
    const expected = ["targeting_key", hash("user-1")] as const
    assert.deepStrictEqual(names, [expected, expected])
  })

  it("gives back what is written instead, which is printed and cut like anything", () => {
    const privacy = Privacy.make("Test.make", {
      errorMessage: true,
      targetingKey: "raw",
      context: ["plan", "targetingKey"],
      maxLength: 12,
      redact: (name) => ({ [name]: "x" })
    })
    assert.strictEqual(privacy.write("variant", "on"), "{\"variant\":…")
    assert.strictEqual(privacy.errorMessage("no"), "{\"error_mes…")
    assert.strictEqual(privacy.targetingKey(evaluation), "{\"targeting…")
    assert.deepStrictEqual(privacy.attributes(evaluation), {
      plan: { "context.plan": "x" },
      targetingKey: { targeting_key: "x" }
    })
  })

  it("leaves out what it gives undefined for", () => {
    const privacy = Privacy.make("Test.make", {
      errorMessage: true,
      targetingKey: "raw",
      context: ["plan", "seats"],
      redact: (name, value) => name === "context.seats" ? value : undefined
    })
    assert.isUndefined(privacy.keep("value", 1))
    assert.isUndefined(privacy.write("variant", "on"))
    assert.isUndefined(privacy.errorMessage("no"))
    assert.isUndefined(privacy.targetingKey(evaluation))
    assert.deepStrictEqual(privacy.attributes(evaluation), { seats: 5 })
  })

  it("that throws leaves <redacted>, and nothing of what it threw", () => {
    const privacy = Privacy.make("Test.make", {
      errorMessage: true,
      targetingKey: "raw",
      context: ["plan", "targetingKey"],
      redact: throws
    })
    assert.strictEqual(privacy.keep("value", 1), "<redacted>")
    assert.strictEqual(privacy.write("variant", "on"), "<redacted>")
    assert.strictEqual(privacy.errorMessage("no"), "<redacted>")
    assert.strictEqual(privacy.targetingKey(evaluation), "<redacted>")
    assert.deepStrictEqual(privacy.attributes(evaluation), { plan: "<redacted>", targetingKey: "<redacted>" })
  })
})

describe("the targeting key", () => {
  const key = (options: Privacy.Options, found = context) => {
    const privacy = Privacy.make("Test.make", options)
    return [privacy.targetingKey({ context: found }), privacy.attributes({ context: found })]
  }
  const named = { context: ["targetingKey", "plan"] }

  it("is left out by default, and where it is omitted even if it is named", () => {
    assert.deepStrictEqual(key({}), [undefined, undefined])
    assert.deepStrictEqual(key({ targetingKey: "omit" }), [undefined, undefined])
    assert.deepStrictEqual(key({ targetingKey: "omit", ...named }), [undefined, { plan: "pro" }])
  })

  it("is told as it is where that is asked for, by name too", () => {
    assert.deepStrictEqual(key({ targetingKey: "raw" }), ["user-1", undefined])
    assert.deepStrictEqual(key({ targetingKey: "raw", ...named }), ["user-1", { targetingKey: "user-1", plan: "pro" }])
    assert.deepStrictEqual(key(named), [undefined, { targetingKey: "user-1", plan: "pro" }])
  })

  it("is written by a function, by name too", () => {
    const targetingKey = (text: string) => text.toUpperCase()
    assert.deepStrictEqual(key({ targetingKey }), ["USER-1", undefined])
    assert.deepStrictEqual(key({ targetingKey, ...named }), ["USER-1", { targetingKey: "USER-1", plan: "pro" }])
  })

  it("is <redacted> where the function throws", () => {
    assert.deepStrictEqual(key({ targetingKey: throws, ...named }), [
      "<redacted>",
      { targetingKey: "<redacted>", plan: "pro" }
    ])
  })

  it("that is missing or empty is not told, and asks no function", () => {
    const privacy = Privacy.make("Test.make", { targetingKey: throws })
    assert.isUndefined(privacy.targetingKey({ context: {} }))
    assert.isUndefined(privacy.targetingKey({ context: { targetingKey: "" } }))
    assert.isUndefined(Privacy.make("Test.make", { targetingKey: "raw" }).targetingKey({ context: {} }))
  })

  it("that is inherited is not told", () => {
    const inherited: EvaluationContext.EvaluationContext = Object.create({ targetingKey: "polluted", plan: "polluted" })
    const privacy = Privacy.make("Test.make", { targetingKey: "raw", ...named })
    assert.isUndefined(privacy.targetingKey({ context: inherited }))
    assert.deepStrictEqual(privacy.attributes({ context: inherited }), {})
  })

  it("that is no text is not told in place of its hash", () => {
    const privacy = Privacy.make("Test.make", { targetingKey: Privacy.hmac(secret), ...named })
    for (const json of ["4711", "[\"user-1\"]", "{\"id\":\"user-1\"}", "true"]) {
      const found = { context: parsed(`{"targetingKey":${json},"plan":"pro"}`) }
      assert.isUndefined(privacy.targetingKey(found))
      assert.deepStrictEqual(privacy.attributes(found), { plan: "pro" }, json)
    }
  })
})

describe("attributes of the context but for some", () => {
  const all = { targetingKey: "u", plan: "pro", email: "a@b.c", region: "eu" }

  it("are all but the named ones and the targeting key", () => {
    const privacy = Privacy.make("Test.make", { context: { except: ["email"] } })
    assert.deepStrictEqual(privacy.attributes({ context: all }), { plan: "pro", region: "eu" })
    assert.isUndefined(privacy.targetingKey({ context: all }))
  })

  it("are none that are inherited, or of a context that cannot be read", () => {
    const privacy = Privacy.make("Test.make", { context: { except: [] } })
    assert.deepStrictEqual(privacy.attributes({ context: Object.create(all) }), {})
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    assert.deepStrictEqual(privacy.attributes({ context: proxy }), {})
  })

  it("go through redact", () => {
    const privacy = Privacy.make("Test.make", { context: { except: ["email"] }, redact: (name) => name })
    assert.deepStrictEqual(privacy.attributes({ context: all }), { plan: "context.plan", region: "context.region" })
  })
})

describe("the names of further options", () => {
  it("are those of the hook, and no others", () => {
    const options = { context: ["plan"], level: "Info" }
    assert.include(
      rangeError(() => Privacy.make("AuditHook.make", options)),
      "AuditHook.make: there is no option \"level\"; the options are values, "
    )
    assert.isDefined(Privacy.make("AuditHook.make", options, ["level"]))
  })
})

describe("attributes of the context", () => {
  it("are those that are named and there, in that order", () => {
    const privacy = Privacy.make("Test.make", { context: ["seats", "missing", "plan", "address"] })
    const attributes = privacy.attributes(evaluation)
    assert.deepStrictEqual(attributes, { seats: 5, plan: "pro", address: { city: "Bonn" } })
    assert.deepStrictEqual(Object.keys(attributes ?? {}), ["seats", "plan", "address"])
    assert.deepStrictEqual(privacy.attributes({ context: {} }), {})
  })

  it("are undefined where none is named", () => {
    assert.isUndefined(Privacy.make("Test.make", { context: [] }).attributes(evaluation))
  })

  it("that are null are told, those that are undefined are not", () => {
    const privacy = Privacy.make("Test.make", { context: ["a", "b"] })
    assert.deepStrictEqual(privacy.attributes({ context: Object.assign(parsed("{\"a\":null}"), { b: undefined }) }), {
      a: null
    })
  })

  it("that are named like something every object has are data", () => {
    const names = ["constructor", "toString", "hasOwnProperty"]
    const privacy = Privacy.make("Test.make", { context: names })
    assert.deepStrictEqual(privacy.attributes(evaluation), {})
    assert.deepStrictEqual(privacy.attributes({ context: { constructor: "a", toString: "b" } }), {
      constructor: "a",
      toString: "b"
    })
  })

  it("that are named __proto__ are data and no prototype", () => {
    const attributes = Privacy.make("Test.make", { context: ["__proto__", "plan"] }).attributes({
      context: parsed("{\"__proto__\":{\"email\":\"e\"},\"plan\":\"pro\"}")
    })
    assert.isDefined(attributes)
    assert.notProperty(attributes, "email")
    assert.deepStrictEqual(Object.keys(attributes), ["__proto__", "plan"])
  })
})

describe("hostile values", () => {
  const all: Privacy.Options = {
    values: true,
    errorMessage: true,
    context: ["targetingKey", "plan"],
    targetingKey: "raw"
  }
  const everyTrap: ProxyHandler<EvaluationContext.EvaluationContext> = {
    get: throws,
    getOwnPropertyDescriptor: throws,
    getPrototypeOf: throws,
    has: throws,
    ownKeys: throws
  }
  const revoked = () => {
    const { proxy, revoke } = Proxy.revocable<EvaluationContext.EvaluationContext>({}, {})
    revoke()
    return proxy
  }
  const getters = Object.defineProperties<EvaluationContext.EvaluationContext>({}, {
    targetingKey: { enumerable: true, get: throws },
    plan: { enumerable: true, get: throws }
  })
  const cyclic: Record<string, EvaluationContext.Value> = { targetingKey: "user-1" }
  cyclic["plan"] = cyclic
  const contexts: ReadonlyArray<readonly [name: string, context: EvaluationContext.EvaluationContext]> = [
    ["a proxy whose every trap throws", new Proxy({}, everyTrap)],
    ["a revoked proxy", revoked()],
    ["getters that throw", getters],
    ["attributes that cannot be read", { plan: new Proxy({}, everyTrap) }],
    ["a text that throws when it is made", parsed("{\"plan\":{\"toString\":1,\"toJSON\":2}}")],
    ["a cycle", cyclic]
  ]
  for (const [name, context] of contexts) {
    it(`never throw: ${name}`, () => {
      for (const options of [{}, all, { ...all, redact: throws }, { ...all, targetingKey: throws }]) {
        const privacy = Privacy.make("Test.make", options)
        const written = [
          privacy.print(context),
          privacy.write("value", context),
          privacy.targetingKey({ context }),
          privacy.print(privacy.attributes({ context }))
        ]
        for (const text of written) if (text !== undefined) assert.isAtMost(text.length, 500)
        assert.isString(written[0])
      }
    })
  }

  it("that are promises reveal nothing, and none rejects without a handler", async () => {
    const found: Array<unknown> = []
    const listener = (reason: unknown) => void found.push(reason)
    process.on("unhandledRejection", listener)
    const later = (): never => Promise.reject(new Error("secret")) as never
    for (const options of [{ ...all, redact: later }, { ...all, targetingKey: later }]) {
      const privacy = Privacy.make("Test.make", options)
      assert.strictEqual(privacy.targetingKey(evaluation), "<redacted>")
    }
    await new Promise((resolve) => setImmediate(resolve))
    process.off("unhandledRejection", listener)
    assert.deepStrictEqual(found, [])
  })

  it("never throw where they come from redact", () => {
    const privacy = Privacy.make("Test.make", { ...all, redact: () => new Proxy({}, everyTrap) })
    assert.strictEqual(privacy.write("variant", "on"), "<unreadable>")
    assert.strictEqual(privacy.targetingKey(evaluation), "<unreadable>")
    assert.strictEqual(privacy.errorMessage("no"), "<unreadable>")
    assert.strictEqual(
      privacy.print(privacy.attributes(evaluation)),
      "{\"targetingKey\":<unreadable>,\"plan\":<unreadable>}"
    )
  })
})

describe("hmac", () => {
  it("is the HMAC-SHA-256 of a fixed vector", () => {
    // RFC 4231, test case 1.
    const key = "\u000b".repeat(20)
    assert.strictEqual(
      Privacy.hmac(Redacted.make(key))("Hi There"),
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    )
  })

  it("is that of the key's bytes in UTF-8", () => {
    const { oneOf, below } = random(20_240_815)
    const characters = ["a", "Z", "0", "\n", "\u0000", "ä", "ß", "€", "漢", "😀", "e\u0301", "\u202e"]
    const text = (length: number) => Array.from({ length }, () => oneOf(characters)).join("")
    for (let i = 0; i < 200; i++) {
      const [key, message] = [text(16 + below(100)), text(below(300))]
      const expected = createHmac("sha256", Buffer.from(key, "utf8")).update(Buffer.from(message, "utf8")).digest("hex")
      assert.strictEqual(Privacy.hmac(Redacted.make(key))(message), expected, "seed 20240815")
    }
  })

  it("is 64 hexadecimal digits, the same for the same key only", () => {
    const write = Privacy.hmac(secret)
    assert.match(write("user-1"), /^[0-9a-f]{64}$/)
    assert.match(write(""), /^[0-9a-f]{64}$/)
    assert.strictEqual(write("user-1"), write("user-1"))
    assert.strictEqual(write("user-1"), Privacy.hmac(Redacted.make(Redacted.value(secret)))("user-1"))
    assert.notStrictEqual(write("user-1"), write("user-2"))
    assert.notStrictEqual(write("\u00e9"), write("e\u0301"))
  })

  it("depends on the secret", () => {
    const other = Privacy.hmac(Redacted.make("another one of at least 16 bytes"))
    assert.notStrictEqual(Privacy.hmac(secret)("user-1"), other("user-1"))
  })

  it("needs a secret of 16 bytes, not characters, and does not tell it", () => {
    const message = "Privacy.hmac: the secret must have at least 16 bytes"
    for (const short of ["", "s3cret", "x".repeat(15), "ä".repeat(7)]) {
      assert.strictEqual(rangeError(() => Privacy.hmac(Redacted.make(short))), message)
    }
    for (const long of ["x".repeat(16), "ä".repeat(8), "😀".repeat(4)]) {
      assert.match(Privacy.hmac(Redacted.make(long))("user-1"), /^[0-9a-f]{64}$/)
    }
  })
})

describe("LoggingHook", () => {
  const logged = (options: LoggingHook.Options, run: Fixtures.RunOptions, change: (typeof paths)[number][1]) =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const records: Array<LogRecord> = []
        const hook = change(LoggingHook.make(options))
        yield* Effect.provide(Fixtures.run(hook, { context: { context }, ...run }), logsTo(records))
        assert.deepStrictEqual(failures, [])
        return records.map(({ annotations }) => annotations)
      })
    )
  const error = { error: new Error("the text of the error") }

  for (const [path, change] of paths) {
    it.effect(`has a field targeting_key in every record where the key may be told, ${path}`, () =>
      Effect.gen(function*() {
        const keys = (options: LoggingHook.Options) =>
          Effect.gen(function*() {
            const records = [...yield* logged(options, {}, change), ...yield* logged(options, error, change)]
            assert.deepStrictEqual(records.map(({ stage }) => stage), ["before", "after", "before", "error"])
            return new Set(records.map((fields) => fields["targeting_key"]))
          })
        const hmac = Privacy.hmac(secret)
        assert.deepStrictEqual(yield* keys({}), new Set([undefined]))
        assert.deepStrictEqual(yield* keys({ targetingKey: "omit" }), new Set([undefined]))
        assert.deepStrictEqual(yield* keys({ targetingKey: "raw" }), new Set(["user-1"]))
        assert.deepStrictEqual(yield* keys({ targetingKey: hmac }), new Set([hmac("user-1")]))
        assert.deepStrictEqual(yield* keys({ targetingKey: throws }), new Set(["<redacted>"]))
      }))

    it.effect(`writes the targeting key in the context as elsewhere, ${path}`, () =>
      Effect.gen(function*() {
        const written = (options: LoggingHook.Options) =>
          Effect.map(
            logged({ context: ["targetingKey", "plan"], ...options }, {}, change),
            ([before]) => before?.["evaluation_context"]
          )
        assert.strictEqual(yield* written({}), "{\"targetingKey\":\"user-1\",\"plan\":\"pro\"}")
        assert.strictEqual(yield* written({ targetingKey: "omit" }), "{\"plan\":\"pro\"}")
        assert.strictEqual(
          yield* written({ targetingKey: () => "hash" }),
          "{\"targetingKey\":\"hash\",\"plan\":\"pro\"}"
        )
      }))

    it.effect(`lets redact see and change each field that has data, ${path}`, () =>
      Effect.gen(function*() {
        const all = { values: true, errorMessage: true, targetingKey: "raw", context: ["plan"] } as const
        const data = (fields: Readonly<Record<string, unknown>> | undefined) => {
          const { stage, provider_name, flag_key, flag_type, domain, reason, error_code, duration_ms, ...rest } =
            fields ?? {}
          assert.strictEqual(flag_type, "boolean")
          assert.isTrue(stage === "before" || typeof duration_ms === "number")
          assert.isTrue([stage, provider_name, flag_key, domain].every((field) => typeof field === "string"))
          assert.isTrue(stage !== "error" || error_code === "GENERAL")
          assert.isTrue(stage !== "after" || reason === "STATIC")
          return rest
        }
        const upper = { ...all, redact: (name: string) => `<${name}>` }
        const [before, after] = yield* logged(upper, {}, change)
        const common = {
          default_value: "<default_value>",
          targeting_key: "<targeting_key>",
          evaluation_context: "{\"plan\":\"<context.plan>\"}"
        }
        assert.deepStrictEqual(data(before), common)
        assert.deepStrictEqual(data(after), { ...common, value: "<value>", variant: "<variant>" })
        const [, failed] = yield* logged(upper, error, change)
        assert.deepStrictEqual(data(failed), { ...common, error_message: "<error_message>" })

        const dropping = { ...all, redact: () => undefined }
        const nothing = { evaluation_context: "{}" }
        for (const fields of yield* logged(dropping, {}, change)) assert.deepStrictEqual(data(fields), nothing)
        for (const fields of yield* logged(dropping, error, change)) assert.deepStrictEqual(data(fields), nothing)

        const broken = { ...all, redact: throws }
        const records = [...yield* logged(broken, {}, change), ...yield* logged(broken, error, change)]
        assert.strictEqual(records.length, 4)
        for (const fields of records) {
          const { evaluation_context, ...texts } = data(fields)
          assert.strictEqual(evaluation_context, "{\"plan\":\"<redacted>\"}")
          assert.deepStrictEqual(new Set(Object.values(texts)), new Set(["<redacted>"]))
        }
      }))

    it.effect(`keeps to the limits, ${path}`, () =>
      Effect.gen(function*() {
        const limits = { values: true, maxLength: 20, maxDepth: 2, maxSize: 20, targetingKey: "raw" } as const
        const value = { a: { b: { c: 1 } } }
        const [before, after] = yield* logged(limits, {
          context: { context: { targetingKey: "k".repeat(50) }, defaultValue: "d".repeat(50) },
          details: { value }
        }, change)
        assert.strictEqual(before?.["targeting_key"], `${"k".repeat(19)}…`)
        assert.strictEqual(before?.["default_value"], `${"d".repeat(19)}…`)
        assert.strictEqual(after?.["value"], "{\"a\":{\"b\":…}}")
      }))
  }
})
