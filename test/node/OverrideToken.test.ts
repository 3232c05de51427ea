import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Function, Metric, Redacted, Semaphore } from "effect"
import { TestClock } from "effect/testing"
import {
  FeatureFlags,
  FeatureHook,
  FlagFilter,
  HookHints,
  OpenFeatureHook,
  OverrideHook,
  ResolutionProvider
} from "effect-openfeature"
import { OverrideToken } from "effect-openfeature/node"
import { TestProvider } from "effect-openfeature/testing"
import { createHmac } from "node:crypto"
import {
  client,
  collectFailures,
  type LogRecord,
  logsTo,
  newDomain,
  paths,
  random,
  rangeError,
  scale,
  unhandledRejections
} from "../support.ts"

const secretText = "a secret that has 32 bytes or more"

const key = { id: "2027-01", secret: Redacted.make(secretText) }
const other = { id: "2027-02", secret: Redacted.make("another secret that has 32 bytes or more") }

const wiped = (): Redacted.Redacted => {
  const secret = Redacted.make(secretText)
  Redacted.wipeUnsafe(secret)
  return secret
}

const at = (millis: number): Date => new Date(millis)

const claims = { flags: { sale: true, banner: { value: "Hello", variant: "fixed" } }, expiresAt: at(60_000) }

const sourceOf = (options: Partial<OverrideToken.Options> = {}) => OverrideToken.make({ keys: [key], ...options })

const hookOf = (source: OverrideHook.Source) =>
  OverrideHook.makeUnsafe({ enabled: true, sources: [source], logLevel: false }).hook

const withToken = (token: string | Redacted.Redacted) =>
  FeatureFlags.withHints(HookHints.make(OverrideToken.Token, token))

const reasonOf = (token: string, options: Partial<OverrideToken.VerifyOptions> = {}) =>
  Effect.map(Effect.flip(OverrideToken.verify(token, { keys: [key], ...options })), ({ reason }) => reason)

/** A token with any payload, signed as the library does. */
const signed = (payload: string, id = key.id, version = "v1"): string => {
  const text = `${version}.${id}.${Buffer.from(payload).toString("base64url")}`
  const signature = createHmac("sha256", secretText).update(`effect-openfeature/OverrideToken\n${text}`)
  return `${text}.${signature.digest("base64url")}`
}

for (const [path, change] of paths) {
  describe(`the token of a request, ${path}`, () => {
    it.effect("overrides flags in a region of the Effect client, and for one evaluation", () =>
      Effect.gen(function*() {
        const { flags } = yield* client({ sale: TestProvider.value(false) }, { hooks: [change(hookOf(sourceOf()))] })
        const token = OverrideToken.sign(key, claims)
        const request = Effect.all([flags.booleanDetails("sale", false), flags.string("banner", "")])
        const [sale, banner] = yield* withToken(token)(request)
        assert.deepInclude(sale, { value: true, reason: "STATIC", flagMetadata: { override: "request" } })
        assert.strictEqual(banner, "Hello")
        assert.isFalse(yield* flags.boolean("sale", true))
        assert.isTrue(yield* flags.boolean("sale", false, { hints: HookHints.make(OverrideToken.Token, token) }))
        assert.isTrue(yield* withToken(Redacted.make(token))(flags.boolean("sale", false)))
      }))

    it.live("overrides flags of a client of the SDK", () =>
      Effect.gen(function*() {
        const domain = newDomain()
        const provider = yield* TestProvider.make({ flags: { sale: TestProvider.value(false) } })
        yield* Effect.promise(() => SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(provider)))
        const client = SDK.OpenFeature.getClient(domain).addHooks(OpenFeatureHook.make(change(hookOf(sourceOf()))))
        const overrideToken = OverrideToken.sign(key, { ...claims, expiresAt: at(Date.now() + 60_000) })
        const get = (hookHints?: SDK.HookHints) =>
          Effect.promise(() => client.getBooleanValue("sale", true, {}, hookHints && { hookHints }))
        assert.isFalse(yield* get())
        assert.isTrue(yield* get({ overrideToken }))
        assert.isTrue(yield* get({ overrideToken: Redacted.make(overrideToken) }))
        for (const none of ["", undefined, 1, {}]) assert.isFalse(yield* get({ overrideToken: Function.cast(none) }))
      }))

    it.live("never reaches another request that runs at the same time", () =>
      Effect.gen(function*() {
        const domain = newDomain()
        yield* Effect.promise(() =>
          SDK.OpenFeature.setProviderAndWait(domain, ResolutionProvider.make(new SDK.InMemoryProvider({})))
        )
        // The fibers of the requests wait for each other, and resume each other.
        const turn = Semaphore.makeUnsafe(1)
        const waiting = FeatureHook.make("waiting", { before: () => turn.withPermit(Effect.yieldNow) })
        const client = SDK.OpenFeature.getClient(domain).addHooks(
          OpenFeatureHook.make(waiting, change(hookOf(sourceOf())))
        )
        const tokenOf = (sale: boolean) =>
          OverrideToken.sign(key, { flags: { sale }, expiresAt: at(Date.now() + 60_000) })
        const tokens = [tokenOf(true), undefined, tokenOf(false), ""]
        const get = async () => {
          const first = await client.getStringDetails("sale", "none")
          const second = await client.getBooleanDetails("sale", true)
          return [first.errorCode, second.flagMetadata["override"], second.value]
        }
        const requests = Array.from({ length: 100 }, (_, i) => OverrideToken.run(tokens[i % 4], get))
        const found = yield* Effect.promise(() => Promise.all(requests))
        for (const [i, one] of found.entries()) {
          const expected = i % 2 === 1
            ? ["FLAG_NOT_FOUND", undefined, true]
            : ["TYPE_MISMATCH", "request", i % 4 === 0]
          assert.deepStrictEqual<ReadonlyArray<unknown>>(one, expected, `request ${i}`)
        }
      }))

    it.live("in the hints takes precedence over that of the request", () =>
      Effect.gen(function*() {
        const { flags } = yield* client({}, { hooks: [change(hookOf(sourceOf()))] })
        const tokenOf = (value: number) =>
          OverrideToken.sign(key, { flags: { limit: value }, expiresAt: at(Date.now() + 60_000) })
        const limit = flags.number("limit", 0)
        const inner = () => Effect.runPromise(Effect.all([limit, withToken(tokenOf(2))(limit)]))
        assert.deepStrictEqual(yield* Effect.promise(() => OverrideToken.run(tokenOf(1), inner)), [1, 2])
        assert.deepStrictEqual(
          yield* Effect.promise(() =>
            OverrideToken.run(tokenOf(1), () => OverrideToken.run(undefined, () => Effect.runPromise(limit)))
          ),
          0
        )
      }))

    it.live("is none when the Fetch API finds no header", () =>
      Effect.gen(function*() {
        const refused: Array<unknown> = []
        const source = sourceOf({ onRefused: (refusal) => void refused.push(refusal) })
        const { flags } = yield* client({}, { hooks: [change(hookOf(source))] })
        const { headers } = new Request("http://localhost/")
        const request = () => Effect.runPromise(flags.number("limit", 0))
        assert.strictEqual(
          yield* Effect.promise(() => OverrideToken.run(headers.get("x-flag-overrides"), request)),
          0
        )
        assert.deepStrictEqual(refused, [])
      }).pipe(Effect.provide(logsTo([]))))

    it.effect("has an effect for its subject alone", () =>
      Effect.gen(function*() {
        const { flags } = yield* client({ sale: TestProvider.value(false) }, { hooks: [change(hookOf(sourceOf()))] })
        const token = OverrideToken.sign(key, { ...claims, subject: "ana" })
        const of = (context: { readonly targetingKey?: string }) =>
          withToken(token)(flags.boolean("sale", false, { context }))
        assert.deepStrictEqual(
          yield* Effect.all([of({ targetingKey: "ana" }), of({ targetingKey: "eve" }), of({})]),
          [true, false, false]
        )
      }))

    it.effect("overrides nothing when the filter gives neither true nor false", () =>
      Effect.gen(function*() {
        const token = OverrideToken.sign(key, claims)
        for (const given of ["false", 1, {}, undefined]) {
          const source = sourceOf({ allow: () => Function.cast(given) })
          const { flags } = yield* client({ sale: TestProvider.value(false) }, { hooks: [change(hookOf(source))] })
          assert.isFalse(yield* withToken(token)(flags.boolean("sale", false)))
        }
      }))

    it.effect("overrides nothing when the filter gives a promise, and this is told", () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const token = OverrideToken.sign(key, claims)
          const resolves: FlagFilter.FlagFilter = Function.cast(() => Promise.resolve(true))
          const rejects: FlagFilter.FlagFilter = Function.cast(() => Promise.reject(new Error("lost")))
          for (const one of [resolves, rejects]) {
            const filters = [
              one,
              FlagFilter.not(one),
              FlagFilter.and(one, FlagFilter.all),
              FlagFilter.and(FlagFilter.all, one),
              FlagFilter.or(one, FlagFilter.all)
            ]
            for (const allow of filters) {
              failures.length = 0
              const { flags } = yield* client({ sale: TestProvider.value(false) }, {
                hooks: [change(hookOf(sourceOf({ allow })))]
              })
              const rejections = yield* unhandledRejections(
                Effect.map(withToken(token)(flags.boolean("sale", false)), (value) => assert.isFalse(value))
              )
              assert.deepStrictEqual(rejections, [])
              assert.match(failures.map(({ cause }) => Cause.pretty(cause)).join(), /has a filter that gives a promise/)
            }
          }
        })
      ))

    it.effect("that has the flag and does not override it counts, and is told at the level Debug", () =>
      Effect.gen(function*() {
        const records: Array<LogRecord> = []
        const source = sourceOf({ allow: FlagFilter.prefix("ban") })
        const { flags } = yield* client({}, { hooks: [change(hookOf(source))] })
        const banner = flags.string("banner", "", { context: { targetingKey: "kim" } })
        const forOther = OverrideToken.sign(key, { ...claims, subject: "ana" })
        const ruleForOther = OverrideToken.sign(key, {
          ...claims,
          flags: { banner: { value: "Hello", subjects: ["ana"] } }
        })
        yield* Effect.gen(function*() {
          yield* Effect.all([banner, banner]).pipe(withToken(forOther))
          yield* withToken(ruleForOther)(banner)
          yield* withToken(forOther)(flags.boolean("sale", false))
          // The token says nothing about this flag.
          yield* withToken(forOther)(flags.boolean("other", false))
          yield* TestClock.adjust("59 seconds")
          yield* withToken(forOther)(banner)
        }).pipe(Effect.provide(logsTo(records)))
        assert.deepStrictEqual(records.map(({ annotations, level, message }) => [level, message, annotations]), [
          ["Debug", "an override token has not overridden a flag", { reason: "OtherSubject", flag_key: "banner" }],
          ["Debug", "an override token has not overridden a flag", { reason: "NotAllowed", flag_key: "sale" }]
        ])
        for (const hidden of ["ana", "kim", "Hello"]) assert.notInclude(JSON.stringify(records), hidden)
        const count = (reason: string) =>
          Effect.map(Metric.value(Metric.withAttributes(OverrideToken.unusedCounter, { reason })), ({ count }) => count)
        assert.deepStrictEqual([yield* count("OtherSubject"), yield* count("NotAllowed")], [4, 1])
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

    it.effect("that was wiped is refused", () =>
      Effect.gen(function*() {
        const records: Array<LogRecord> = []
        const { flags } = yield* client({}, { hooks: [change(hookOf(sourceOf()))] })
        yield* Effect.provide(withToken(wiped())(flags.boolean("sale", false)), logsTo(records))
        assert.deepStrictEqual(records.map(({ annotations }) => annotations), [{ reason: "Malformed" }])
      }))

    it.effect("overrides the flags that are allowed, and lists them", () =>
      Effect.gen(function*() {
        const source = sourceOf({ allow: FlagFilter.prefix("ban") })
        const { flags } = yield* client({ sale: TestProvider.value(false) }, { hooks: [change(hookOf(source))] })
        const request = Effect.all([flags.boolean("sale", false), flags.string("banner", "")])
        assert.deepStrictEqual(yield* withToken(OverrideToken.sign(key, claims))(request), [false, "Hello"])
        const list = (source: OverrideHook.Source) =>
          OverrideHook.makeUnsafe({ enabled: true, sources: [source], logLevel: false }).list()
        assert.deepStrictEqual(list(source), [{ source: "request", flag: "prefix(\"ban\")" }])
        assert.deepStrictEqual(list(sourceOf()), [{ source: "request", flag: "all" }])
      }))

    it.effect("ends by the clock, also when it has been used before", () =>
      Effect.gen(function*() {
        const { flags } = yield* client({ sale: TestProvider.value(false) }, { hooks: [change(hookOf(sourceOf()))] })
        const sale = withToken(OverrideToken.sign(key, claims))(flags.boolean("sale", false))
        assert.isTrue(yield* sale)
        yield* TestClock.adjust("59999 millis")
        assert.isTrue(yield* sale)
        yield* TestClock.adjust("1 millis")
        assert.isFalse(yield* Effect.provide(sale, logsTo([])))
      }))

    it.effect("is refused without an effect, and told in few lines without the token", () =>
      Effect.gen(function*() {
        const records: Array<LogRecord> = []
        const refused: Array<unknown> = []
        const source = sourceOf({ onRefused: (refusal) => void refused.push(refusal) })
        const { flags } = yield* client({ sale: TestProvider.value(false) }, { hooks: [change(hookOf(source))] })
        const good = OverrideToken.sign(key, claims)
        const bad = `${good.slice(0, -1)}${good.endsWith("A") ? "B" : "A"}`
        yield* Effect.gen(function*() {
          for (let i = 0; i < 10; i++) assert.isFalse(yield* withToken(bad)(flags.boolean("sale", false)))
          assert.isTrue(yield* withToken(good)(flags.boolean("sale", false)))
          assert.isFalse(yield* withToken("nonsense")(flags.boolean("sale", false)))
          yield* TestClock.adjust("59 seconds")
          yield* TestClock.adjust("1 second")
          assert.isFalse(yield* withToken(bad)(flags.boolean("sale", false)))
        }).pipe(Effect.provide(logsTo(records)))
        assert.deepStrictEqual(records.map(({ annotations, level, message }) => [level, message, annotations]), [
          ["Warn", "an override token was refused", { reason: "BadSignature" }],
          ["Warn", "an override token was refused", { reason: "Malformed" }],
          ["Warn", "an override token was refused", { reason: "BadSignature", suppressed: 9 }]
        ])
        assert.deepStrictEqual(refused, [
          { reason: "BadSignature", suppressed: 0 },
          { reason: "Malformed", suppressed: 0 },
          { reason: "BadSignature", suppressed: 9 }
        ])
        const counted = yield* Metric.value(Metric.withAttributes(OverrideToken.counter, { reason: "BadSignature" }))
        assert.strictEqual(counted.count, 11)
        const told = JSON.stringify([records, refused])
        for (const part of [...bad.split("."), "Hello", secretText]) assert.notInclude(told, part)
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

    it.effect("that is refused leaves the other sources to answer, whatever the logger does", () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          const throwing = () => {
            throw new Error("the disk is full")
          }
          const logger = { error: throwing, warn: throwing, info: throwing, debug: throwing }
          const options = { enabled: true, sources: [sourceOf()], overrides: { sale: true } }
          const { hook } = yield* OverrideHook.make({ ...options, logger })
          OverrideHook.makeUnsafe({ ...options, logger })
          const { flags } = yield* client({}, { hooks: [change(hook)] })
          const sale = withToken("nonsense")(flags.boolean("sale", false))
          assert.deepStrictEqual(yield* Effect.all([sale, sale]), [true, true])
          assert.match(failures.map(({ cause }) => Cause.pretty(cause)).join(), /the disk is full/)
        })
      ))

    it.effect("that is refused leaves the other sources to answer", () =>
      Effect.gen(function*() {
        const { hook } = yield* OverrideHook.make({
          enabled: true,
          sources: [sourceOf()],
          overrides: { sale: true },
          logLevel: false
        })
        const { flags } = yield* client({}, { hooks: [change(hook)] })
        const details = withToken("nonsense")(flags.booleanDetails("sale", false))
        assert.deepInclude(yield* Effect.provide(details, logsTo([])), {
          value: true,
          flagMetadata: { override: "code" }
        })
      }))
  })
}

describe("a token", () => {
  it.effect("says what was signed", () =>
    Effect.gen(function*() {
      const verified = yield* OverrideToken.verify(OverrideToken.sign(key, { ...claims, subject: "ana" }), {
        keys: [key]
      })
      assert.deepStrictEqual(verified, { flags: ["sale", "banner"], expiresAt: at(60_000), subject: "ana" })
    }))

  it.effect("is refused with any bit flipped, any character changed, and any part cut or doubled", () =>
    Effect.gen(function*() {
      const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32))
      const numbers = random(seed)
      const options = { keys: [key, other] }
      const mustFail = (token: string, how: string) =>
        Effect.map(
          Effect.exit(OverrideToken.verify(token, options)),
          (exit) => assert.isTrue(Exit.isFailure(exit), `${how}; SEED=${seed}`)
        )
      for (let round = 0; round < Math.ceil(5 * scale); round++) {
        const flags = Object.fromEntries(
          Array.from(
            { length: 1 + numbers.below(5) },
            (_, i) => [`flag-${i}-${"é".repeat(numbers.below(3))}`, numbers.next()]
          )
        )
        const token = OverrideToken.sign(numbers.oneOf([key, other]) ?? key, {
          flags,
          expiresAt: at(1 + numbers.below(1e6))
        })
        yield* OverrideToken.verify(token, options)
        const bytes = Buffer.from(token, "latin1")
        for (let index = 0; index < bytes.length; index++) {
          for (let bit = 0; bit < 8; bit++) {
            const flipped = Buffer.from(bytes)
            flipped.writeUInt8(bytes.readUInt8(index) ^ (1 << bit), index)
            yield* mustFail(flipped.toString("latin1"), `bit ${bit} of character ${index} of ${token}`)
          }
        }
        for (let i = 0; i < 200; i++) {
          const index = numbers.below(token.length)
          const end = index + 1 + numbers.below(5)
          yield* mustFail(token.slice(0, index) + token.slice(end), `cut ${index} to ${end} of ${token}`)
          yield* mustFail(token.slice(0, end) + token.slice(index), `doubled ${index} to ${end} of ${token}`)
        }
        for (const extra of ["=", " ", "\n", ".", "\0"]) {
          yield* mustFail(token + extra, `with ${JSON.stringify(extra)} at the end`)
          yield* mustFail(extra + token, `with ${JSON.stringify(extra)} at the start`)
        }
      }
    }))

  it.effect("is refused for a reason", () =>
    Effect.gen(function*() {
      const good = OverrideToken.sign(key, claims)
      assert.strictEqual(yield* reasonOf(OverrideToken.sign(other, claims)), "UnknownKey")
      assert.strictEqual(yield* reasonOf(OverrideToken.sign({ ...other, id: key.id }, claims)), "BadSignature")
      assert.strictEqual(yield* reasonOf(signed("{\"flags\":{},\"exp\":0}")), "Expired")
      assert.strictEqual(yield* reasonOf(good, { maxLifetime: "59 seconds" }), "TooFarAhead")
      assert.strictEqual(yield* reasonOf(good + "A".repeat(5000)), "TooLong")
      assert.strictEqual(yield* reasonOf(""), "Malformed")
      assert.strictEqual(yield* reasonOf(good.replace("v1", "v2")), "Malformed")
      assert.strictEqual(yield* reasonOf(Function.cast(undefined)), "Malformed")
      assert.strictEqual(yield* reasonOf(Function.cast({ length: 1 })), "Malformed")
    }))

  it.effect("is refused when it is signed well but says nothing that is valid", () =>
    Effect.gen(function*() {
      yield* OverrideToken.verify(signed("{\"flags\":{\"a\":1},\"exp\":1000}"), { keys: [key] })
      const wrong = [
        "",
        "null",
        "{}",
        "{\"flags\":{\"a\":1}}",
        "{\"flags\":{\"a\":1},\"exp\":\"1000\"}",
        "{\"flags\":{\"a\":1},\"exp\":1e999}",
        "{\"flags\":{\"a\":1},\"exp\":1000,\"sub\":1}",
        "{\"flags\":1,\"exp\":1000}",
        "{\"flags\":{\"a\":{\"b\":{\"__proto__\":1}}},\"exp\":1000}",
        "{\"__proto__\":{\"flags\":{},\"exp\":1000}}"
      ]
      for (const payload of wrong) assert.strictEqual(yield* reasonOf(signed(payload)), "Malformed", payload)
      assert.strictEqual(yield* reasonOf(signed("{}", key.id, "v2")), "Malformed")
    }))

  it.effect("cannot be made from another signature with the same secret", () =>
    Effect.gen(function*() {
      const text = `v1.${key.id}.${Buffer.from("{\"flags\":{},\"exp\":1000}").toString("base64url")}`
      const signature = createHmac("sha256", secretText).update(text).digest("base64url")
      assert.strictEqual(yield* reasonOf(`${text}.${signature}`), "BadSignature")
    }))

  it.effect("holds through a rotation of keys", () =>
    Effect.gen(function*() {
      const [before, after] = [OverrideToken.sign(key, claims), OverrideToken.sign(other, claims)]
      const keys = [other, key]
      yield* OverrideToken.verify(before, { keys })
      yield* OverrideToken.verify(after, { keys })
      assert.strictEqual(yield* reasonOf(before, { keys: [other] }), "UnknownKey")
    }))

  it("refuses to be signed wrongly, without naming the secret or a value", () => {
    const value = "s3cret-value"
    const ahead = { ...claims, expiresAt: at(Date.now() + 60_000) }
    const cases: ReadonlyArray<readonly [message: RegExp, misuse: () => unknown]> = [
      [
        /the secret of key "a" must be Redacted, with at least 32 bytes/,
        () => OverrideToken.sign({ id: "a", secret: Redacted.make("short") }, ahead)
      ],
      [
        /the secret of key "a" must be Redacted/,
        () => OverrideToken.sign({ id: "a", secret: Function.cast(secretText) }, ahead)
      ],
      [/the id of a key must have 1 to 64 letters/, () => OverrideToken.sign({ ...key, id: "a.b" }, ahead)],
      [
        /flags: flag "a" has a function/,
        () => OverrideToken.sign(key, { ...ahead, flags: { a: Function.cast(() => value) } })
      ],
      [
        /flags: flag "a" has the unknown field "b"/,
        () => OverrideToken.sign(key, { ...ahead, flags: { a: Function.cast({ value, b: value }) } })
      ],
      [/expiresAt must be a valid Date/, () => OverrideToken.sign(key, { ...ahead, expiresAt: new Date(Number.NaN) })],
      [/expiresAt must be a valid Date/, () => OverrideToken.sign(key, Function.cast({ flags: {} }))],
      [/expiresAt must be in the future, got 1970-/, () => OverrideToken.sign(key, { ...ahead, expiresAt: at(0) })],
      [
        /flags: a token has flag keys, and no filters/,
        () => OverrideToken.sign(key, { ...ahead, flags: Function.cast([{ flags: FlagFilter.all, value }]) })
      ],
      [/OverrideToken.sign: the id of a key/, () => OverrideToken.sign(Function.cast(undefined), ahead)],
      [/OverrideToken.sign: the argument must be/, () => OverrideToken.sign(key, Function.cast("x"))],
      [/OverrideToken.run: the function must be a function/, () => OverrideToken.run("x", Function.cast(undefined))],
      [/OverrideToken.verify: the argument must be/, () => OverrideToken.verify("a", Function.cast(undefined))],
      [/OverrideToken.make: the argument must be/, () => OverrideToken.make(Function.cast(undefined))],
      [/OverrideToken.make: the argument must be/, () => OverrideToken.make(Function.cast(secretText))],
      [/OverrideToken.verify: the argument must be/, () => OverrideToken.verify("a", Function.cast(secretText))],
      [/OverrideToken.sign: the argument must be/, () => OverrideToken.sign(key, Function.cast(value))],
      [/the secret of key "a" must be Redacted/, () => OverrideToken.sign({ id: "a", secret: wiped() }, ahead)],
      [/subject must be a text, not empty/, () => OverrideToken.sign(key, { ...ahead, subject: "" })],
      [
        /more than 4096 characters; override fewer flags/,
        () => OverrideToken.sign(key, { ...ahead, flags: { a: value.repeat(400) } })
      ],
      [/OverrideToken.make: two keys have the id "2027-01"/, () => sourceOf({ keys: [key, key] })],
      [/OverrideToken.make: keys must be a list of at least one key/, () => sourceOf({ keys: [] })],
      [/OverrideToken.make: keys must be a list/, () => sourceOf({ keys: Function.cast(secretText) })],
      [/the id of a key must have/, () => sourceOf({ keys: [Function.cast(secretText)] })],
      [/OverrideToken.verify: keys must be a list/, () => OverrideToken.verify("a", Function.cast({}))]
    ]
    for (const [message, misuse] of cases) {
      const text = rangeError(misuse)
      assert.match(text, message)
      for (const hidden of [secretText, value, "short"]) assert.notInclude(text, hidden)
    }
  })

  it.effect("prints neither itself nor its secret", () =>
    Effect.gen(function*() {
      const token = OverrideToken.sign(key, claims)
      const source = sourceOf()
      const error = yield* Effect.flip(OverrideToken.verify(`${token}A`, { keys: [key] }))
      const told = `${JSON.stringify([source, error, key])} ${String(error)} ${error.stack ?? ""}`
      for (const hidden of [secretText, token]) assert.notInclude(told, hidden)
    }))
})
