import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Redacted, Schedule, Scheduler, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { EvaluationError, ExposureHook, FeatureHook, FlagFilter, OpenFeatureHook, Privacy } from "effect-openfeature"
import { Fixtures } from "effect-openfeature/testing"
import { createHash } from "node:crypto"
import {
  client,
  collectFailures,
  type LogRecord,
  logsTo,
  paths,
  plainClient,
  random,
  rangeError,
  scale,
  turns,
  unhandledRejections
} from "../support.ts"

interface Shown {
  readonly subject?: string | undefined
  readonly flag?: string
  readonly variant?: string | undefined
  readonly value?: boolean | string
  readonly domain?: string
}

const evaluate = (hook: FeatureHook.FeatureHook, shown: Shown = {}) => {
  const { domain, flag = "sale", subject, value = true, variant } = { subject: "u", variant: "on", ...shown }
  return Fixtures.run(hook, {
    context: {
      flagKey: flag,
      context: subject === undefined ? { plan: "pro" } : { targetingKey: subject, plan: "pro" },
      ...domain === undefined ? undefined : { domain }
    },
    details: { value, variant }
  })
}

const label = ({ flagKey, subject, variant }: ExposureHook.Exposure) => `${subject}/${flagKey}/${variant}`

const collecting = (sent: Array<string>) => ({
  targetingKey: "raw" as const,
  send: (batch: ReadonlyArray<ExposureHook.Exposure>) => Effect.sync(() => void sent.push(...batch.map(label)))
})

const sum = ({ delivered, dropped, failed, pending, suppressed }: ExposureHook.Counts) =>
  delivered + dropped + failed + pending + suppressed

describe("an exposure", () => {
  for (const [path, change] of paths) {
    it.effect(`is sent once per subject, flag, variant and window, ${path}`, () =>
      Effect.gen(function*() {
        const sent: Array<string> = []
        const exposures = yield* ExposureHook.make({ ...collecting(sent), window: "10 minutes" })
        const hook = change(exposures.hook)
        for (const subject of ["a", "b", "a"]) yield* evaluate(hook, { subject })
        yield* evaluate(hook, { subject: "a", variant: "off" })
        yield* evaluate(hook, { subject: "a", flag: "dark" })
        yield* exposures.flush
        yield* evaluate(hook, { subject: "a" })
        assert.deepStrictEqual(sent, ["a/sale/on", "b/sale/on", "a/sale/off", "a/dark/on"])
        yield* TestClock.adjust("599 seconds")
        yield* evaluate(hook, { subject: "a" })
        yield* exposures.flush
        assert.strictEqual(sent.length, 4)
        yield* TestClock.adjust("1 seconds")
        yield* evaluate(hook, { subject: "a" })
        yield* exposures.flush
        assert.strictEqual(sent[4], "a/sale/on")
        assert.deepStrictEqual(yield* exposures.counts, {
          offered: 8,
          delivered: 5,
          dropped: 0,
          failed: 0,
          suppressed: 3,
          pending: 0,
          anonymous: 0,
          evicted: 0,
          size: 4
        })
      }))

    it.effect(`leaves overrides out, unless they are asked for, ${path}`, () =>
      Effect.gen(function*() {
        const see = Effect.fnUntraced(function*(overrides: boolean | undefined) {
          const sent: Array<string> = []
          const exposures = yield* ExposureHook.make({ ...collecting(sent), overrides })
          const hook = change(exposures.hook)
          for (const override of ["code", "environment", "file", "request", "transaction", "of the provider", false]) {
            const shown = { variant: String(override), flagMetadata: { override } }
            yield* Fixtures.run(hook, { context: { context: { targetingKey: "ana" } }, details: shown })
          }
          yield* Fixtures.run(hook, { context: { context: { targetingKey: "ana" } }, details: { variant: "none" } })
          const details = { flagKey: "dark", value: true, flagMetadata: { override: "request" } }
          const isExposed = yield* exposures.expose(details, { targetingKey: "ana" })
          yield* exposures.flush
          return { isExposed, offered: (yield* exposures.counts).offered, sent: sent.length }
        })
        assert.deepStrictEqual(yield* see(undefined), { isExposed: false, offered: 3, sent: 3 })
        assert.deepStrictEqual(yield* see(false), { isExposed: false, offered: 3, sent: 3 })
        assert.deepStrictEqual(yield* see(true), { isExposed: true, offered: 9, sent: 9 })
      }))

    it.effect(`depends on the value where there is no variant, ${path}`, () =>
      Effect.gen(function*() {
        const exposures = yield* ExposureHook.make({ send: () => {} })
        const hook = change(exposures.hook)
        for (const value of [true, false, true, "true", "on"]) yield* evaluate(hook, { variant: undefined, value })
        yield* evaluate(hook, { variant: "on" })
        yield* exposures.flush
        const { delivered, suppressed } = yield* exposures.counts
        assert.deepStrictEqual([delivered, suppressed], [5, 1])
      }))

    it.effect(`needs a subject and a success, ${path}`, () =>
      Effect.gen(function*() {
        const sent: Array<string> = []
        const exposures = yield* ExposureHook.make(collecting(sent))
        const hook = change(exposures.hook)
        yield* evaluate(hook, { subject: undefined })
        yield* evaluate(hook, { subject: "" })
        yield* Fixtures.run(hook, {
          context: { context: { targetingKey: "u" } },
          error: new EvaluationError.EvaluationError({ code: "FLAG_NOT_FOUND", message: "no" })
        })
        yield* exposures.flush
        assert.deepStrictEqual(sent, [])
        assert.deepInclude(yield* exposures.counts, { offered: 0, anonymous: 2 })
      }))

    it.effect(`is none when a later hook took the value away, ${path}`, () =>
      Effect.gen(function*() {
        const sent: Array<string> = []
        const exposures = yield* ExposureHook.make(collecting(sent))
        const veto = FeatureHook.make("veto", { after: () => Effect.fail("no") })
        yield* Fixtures.run(FeatureHook.combine(change(exposures.hook), veto), {
          context: { context: { targetingKey: "u" } }
        })
        yield* exposures.flush
        assert.deepStrictEqual(sent, [])
      }))

    it.effect(`is exposed again after its batch has failed, and not while it is on its way, ${path}`, () =>
      collectFailures((failures) =>
        Effect.gen(function*() {
          let isUp = false
          let sent = 0
          const exposures = yield* ExposureHook.make({
            send: (batch) => {
              if (!isUp) return Effect.delay(Effect.fail("down"), "1 second")
              sent += batch.length
              return Effect.void
            },
            retry: Schedule.recurs(1),
            maxWait: 0
          })
          const hook = change(exposures.hook)
          yield* evaluate(hook)
          yield* turns()
          yield* evaluate(hook)
          yield* TestClock.adjust("1500 millis")
          yield* turns()
          yield* evaluate(hook)
          assert.deepInclude(yield* exposures.counts, { offered: 3, suppressed: 2, pending: 1 })
          yield* TestClock.adjust("500 millis")
          yield* exposures.flush
          assert.deepInclude(yield* exposures.counts, { offered: 3, failed: 1, suppressed: 2, size: 0 })
          isUp = true
          yield* evaluate(hook)
          yield* exposures.flush
          assert.deepInclude(yield* exposures.counts, { offered: 4, failed: 1, delivered: 1, suppressed: 2 })
          assert.strictEqual(sent, 1)
          assert.strictEqual(failures.length, 1)
        })
      ))
  }

  it.effect("that found no place is not marked", () =>
    Effect.gen(function*() {
      const sent: Array<string> = []
      const exposures = yield* ExposureHook.make({ ...collecting(sent), maxPending: 2, maxSize: 2 })
      for (const subject of ["a", "b", "c", "c"]) yield* evaluate(exposures.hook, { subject })
      yield* exposures.flush
      yield* evaluate(exposures.hook, { subject: "c" })
      yield* exposures.flush
      assert.deepStrictEqual(sent, ["a/sale/on", "b/sale/on", "c/sale/on"])
      assert.deepInclude(yield* exposures.counts, { offered: 5, delivered: 3, dropped: 2, suppressed: 0 })
    }))

  it.effect(
    "that was forgotten can be sent again, and a million subjects take bounded memory",
    () =>
      Effect.gen(function*() {
        const exposures = yield* ExposureHook.make({
          send: () => {},
          targetingKey: "raw",
          capacity: 100,
          maxPending: 1000,
          automatic: false
        })
        const thousands = 1000 * scale
        for (let i = 0; i < thousands; i++) {
          for (let j = 0; j < 1000; j++) {
            yield* exposures.expose({ flagKey: "sale", value: true, variant: "on" }, { targetingKey: `${i}-${j}` })
          }
          yield* exposures.flush
        }
        const counts = yield* exposures.counts
        assert.strictEqual(counts.size, 100)
        assert.strictEqual(counts.evicted, thousands * 1000 - 100)
        assert.strictEqual(counts.delivered, thousands * 1000)
        yield* exposures.expose({ flagKey: "sale", value: true, variant: "on" }, { targetingKey: "0-0" })
        yield* exposures.flush
        assert.strictEqual((yield* exposures.counts).delivered, thousands * 1000 + 1)
      }),
    60_000
  )

  it.effect("is one for each domain, and no names run together", () =>
    Effect.gen(function*() {
      const exposures = yield* ExposureHook.make({
        send: () => {},
        subject: ({ context }) => typeof context["id"] === "string" ? context["id"] : undefined
      })
      const { expose, flush } = exposures
      const give = (flagKey: string, variant: string, id: string, domain?: string) =>
        expose({ flagKey, variant, value: 1 }, { id }, { domain })
      assert.isTrue(yield* give("a", "b", "c"))
      assert.isFalse(yield* give("a", "b", "c"))
      assert.isTrue(yield* give("a", "b", "c", "d"))
      assert.isTrue(yield* give("ab", "", "c"))
      assert.isTrue(yield* give("a", "", "bc"))
      assert.isTrue(yield* give("", "ab", "c"))
      assert.isTrue(yield* give("a", "bc", "__proto__"))
      assert.isTrue(yield* give("a", "b", "x".repeat(1e6)))
      assert.isFalse(yield* give("a", "b", "x".repeat(1e6)))
      assert.isTrue(yield* give("a", "b", "x".repeat(1e6 + 1)))
      assert.isFalse(yield* give("a", "b", ""))
      yield* flush
      const ids = yield* exposures.counts
      assert.deepInclude(ids, { delivered: 8, suppressed: 2, anonymous: 1 })
    }))

  it.effect("has what was selected, and nothing else", () =>
    Effect.gen(function*() {
      const sent: Array<ExposureHook.Exposure> = []
      const send = (batch: ReadonlyArray<ExposureHook.Exposure>) => void sent.push(...batch)
      const hmac = Privacy.hmac(Redacted.make("a secret of at least 16 bytes"))
      const all: ReadonlyArray<ExposureHook.Options> = [
        { send },
        { send, targetingKey: "raw", values: true, context: ["plan"], metadata: ["version", "none"] },
        { send, targetingKey: hmac },
        {
          send,
          targetingKey: () => {
            throw new Error("secret")
          }
        },
        {
          send,
          targetingKey: "raw",
          redact: (name, value) => name === "variant" ? undefined : `${name}!${String(value)}`
        }
      ]
      for (const options of all) {
        const exposures = yield* ExposureHook.make(options)
        yield* exposures.expose(
          { flagKey: "sale", value: "red", variant: "on", reason: "STATIC", flagMetadata: { version: 3 } },
          { targetingKey: "user-1", plan: "pro", email: "a@b.c" }
        )
        yield* exposures.flush
      }
      assert.deepStrictEqual(sent.map(({ id, ...rest }) => ({ ...rest, id: id.length })), [
        {
          id: 64,
          time: "1970-01-01T00:00:00.000Z",
          subject: createHash("sha256").update("user-1").digest("hex"),
          flagKey: "sale",
          variant: "on",
          reason: "STATIC"
        },
        {
          id: 64,
          time: "1970-01-01T00:00:00.000Z",
          subject: "user-1",
          flagKey: "sale",
          variant: "on",
          value: "red",
          reason: "STATIC",
          attributes: { plan: "pro" },
          metadata: { version: 3 }
        },
        {
          id: 64,
          time: "1970-01-01T00:00:00.000Z",
          subject: hmac("user-1"),
          flagKey: "sale",
          variant: "on",
          reason: "STATIC"
        },
        {
          id: 64,
          time: "1970-01-01T00:00:00.000Z",
          subject: "<redacted>",
          flagKey: "sale",
          variant: "on",
          reason: "STATIC"
        },
        {
          id: 64,
          time: "1970-01-01T00:00:00.000Z",
          subject: "targeting_key!user-1",
          flagKey: "sale",
          reason: "STATIC"
        }
      ])
      assert.strictEqual(new Set(sent.map(({ id }) => id)).size, 3)
    }))

  const later = (): never => Promise.reject(new Error("secret")) as never
  const misused: ReadonlyArray<readonly [string, Partial<ExposureHook.Options>, string, ReadonlyArray<string>]> = [
    ["a subject that is a promise", { subject: later }, "gave a promise instead of a text as the subject", []],
    ["a subject that is a promise, which the filter leaves out", { subject: later, filter: () => false }, "", []],
    ["a subject that is a number", { subject: () => 42 as never }, "gave something else instead of a text as", []],
    ["a filter that answers later", { filter: later }, "gave a promise instead of true or false in its filter", []],
    ["a targeting key that is a promise", { targetingKey: later }, "gave a promise instead of a text for the", [
      "<redacted>"
    ]],
    ["a replacement that is a promise", { redact: later }, "", ["<redacted>"]]
  ]
  for (const [what, options, message, subjects] of misused) {
    for (const [path, change] of paths) {
      it.effect(`with ${what} ends no process, and its author is told once, ${path}`, () =>
        Effect.gen(function*() {
          const sent: Array<string> = []
          const records: Array<LogRecord> = []
          const found = yield* unhandledRejections(
            Effect.gen(function*() {
              const exposures = yield* ExposureHook.make({
                send: (batch) => void sent.push(...batch.map(({ subject }) => subject)),
                ...options
              })
              for (const subject of ["u", "u", "u"]) yield* evaluate(change(exposures.hook), { subject })
              const { domain } = Fixtures.hookContext().clientMetadata
              yield* exposures.expose({ flagKey: "sale", value: true, variant: "on" }, { targetingKey: "u" }, {
                domain
              })
              yield* exposures.flush
            }).pipe(Effect.provide(logsTo(records)))
          )
          assert.deepStrictEqual(found, [])
          assert.deepStrictEqual(sent, subjects)
          assert.strictEqual(records.length, message === "" ? 0 : 1)
          for (const record of records) assert.include(record.message, `hook "exposure" ${message}`)
        }))
    }
  }

  it.effect("is selected by a filter of the result, and by the hook context", () =>
    Effect.gen(function*() {
      const sent: Array<string> = []
      const exposures = yield* ExposureHook.make({ ...collecting(sent), filter: ({ variant }) => variant === "on" })
      const hook = FeatureHook.when(exposures.hook, FlagFilter.prefix("s"))
      for (const flag of ["sale", "dark"]) {
        for (const variant of ["on", "off"]) yield* evaluate(hook, { flag, variant })
      }
      yield* exposures.flush
      assert.deepStrictEqual(sent, ["u/sale/on"])
      assert.strictEqual((yield* exposures.counts).offered, 1)
    }))

  it.effect("is explicit with automatic: false, whatever the caller passes", () =>
    collectFailures((failures) =>
      Effect.gen(function*() {
        const sent: Array<string> = []
        const exposures = yield* ExposureHook.make({ ...collecting(sent), automatic: false })
        const { flags } = yield* client({ sale: Effect.succeed({ value: true, variant: "on" }) }, {
          hooks: [exposures.hook]
        })
        const context = { targetingKey: "u" }
        const details = yield* flags.booleanDetails("sale", false, { context })
        yield* exposures.flush
        assert.deepStrictEqual(sent, [])
        assert.isTrue(yield* exposures.expose(details, context))
        assert.isFalse(yield* exposures.expose(details, context))
        assert.isFalse(yield* exposures.expose({ ...details, variant: "off", errorCode: "GENERAL" }, context))
        const hostile = Object.defineProperty({ flagKey: "sale", value: 1 }, "variant", {
          enumerable: true,
          get: () => {
            throw new Error("secret")
          }
        })
        assert.isFalse(yield* exposures.expose(hostile, context))
        yield* exposures.flush
        assert.deepStrictEqual(sent, ["u/sale/on"])
        assert.strictEqual(failures.length, 1)
      })
    ))

  it.effect("works with a client of the SDK, until it is closed", () =>
    Effect.gen(function*() {
      const sent: Array<string> = []
      const exposures = ExposureHook.start({
        targetingKey: "raw",
        send: async (batch) => void sent.push(...batch.map(label))
      })
      const { client } = yield* plainClient({ flags: { sale: Effect.succeed({ value: true, variant: "on" }) } })
      client.addHooks(OpenFeatureHook.make(exposures.hook))
      const user = { targetingKey: "u" }
      for (let i = 0; i < 3; i++) yield* Effect.promise(() => client.getBooleanValue("sale", false, user))
      const details = yield* Effect.promise(() => client.getBooleanDetails("sale", false, user))
      assert.isTrue(exposures.expose(details, { targetingKey: "v" }))
      yield* Effect.promise(() => exposures.close())
      assert.deepStrictEqual(sent, ["u/sale/on", "v/sale/on"])
      assert.isFalse(exposures.expose(details, { targetingKey: "w" }))
      yield* Effect.promise(() => exposures.close())
      const counts = exposures.counts()
      assert.deepInclude(counts, { offered: 6, delivered: 2, suppressed: 3, dropped: 1 })
    }))

  it.effect("that a sink never answers for is dropped when the scope closes, within the limit", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const exposures = yield* Scope.provide(ExposureHook.make({ send: () => Effect.never, maxWait: 0 }), scope)
      yield* evaluate(exposures.hook)
      yield* turns()
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(closing)
      assert.deepInclude(yield* exposures.counts, { offered: 1, dropped: 1, pending: 0, size: 0 })
    }))

  it.effect("can be forgotten", () =>
    Effect.gen(function*() {
      const exposures = yield* ExposureHook.make({ send: () => {} })
      yield* evaluate(exposures.hook)
      yield* exposures.flush
      yield* exposures.reset
      yield* evaluate(exposures.hook)
      yield* exposures.flush
      assert.deepInclude(yield* exposures.counts, { delivered: 2, size: 1 })
    }))

  it.effect("can be forgotten while it is on its way, without being queued twice", () =>
    Effect.gen(function*() {
      const exposures = yield* ExposureHook.make({ send: () => {} })
      yield* evaluate(exposures.hook)
      yield* exposures.reset
      yield* evaluate(exposures.hook)
      yield* exposures.flush
      assert.deepInclude(yield* exposures.counts, { delivered: 1, suppressed: 1, size: 0 })
      yield* evaluate(exposures.hook)
      yield* exposures.flush
      assert.deepInclude(yield* exposures.counts, { delivered: 2, suppressed: 1, size: 1 })
    }))

  it("refuses options by name", () => {
    const send = () => {}
    assert.include(rangeError(() => ExposureHook.make({} as never)), "ExposureHook.make: send must be a function")
    assert.include(rangeError(() => ExposureHook.make({ send, targetingKey: "omit" as never })), "targetingKey")
    assert.include(rangeError(() => ExposureHook.start({ send, windows: 1 } as never)), "did you mean \"window\"")
    assert.include(rangeError(() => ExposureHook.makeStream({ send } as never)), "ExposureHook.makeStream")
    assert.include(rangeError(() => ExposureHook.track({} as never)), "ExposureHook.track: client")
    assert.include(rangeError(() => ExposureHook.makeCounts({ send, interval: 0 })), "interval")
  })
})

it.effect("are flushed at once also when the fiber makes room for others meanwhile", () =>
  Effect.gen(function*() {
    for (let operations = 0; operations < 60; operations++) {
      const exposures = yield* ExposureHook.make({ send: () => {}, maxWait: "1 minute" })
      yield* exposures.expose({ flagKey: "sale", variant: "on", value: true }, { targetingKey: "u" })
      const flushed = yield* Effect.forkChild(
        Effect.andThen(Effect.replicateEffect(Effect.sync(() => 0), operations), exposures.flush).pipe(
          Effect.provideService(Scheduler.MaxOpsBeforeYield, 50)
        )
      )
      yield* turns(60)
      assert.isDefined(flushed.pollUnsafe(), `${operations}`)
    }
  }))

describe("the sinks", () => {
  it.effect("of a stream hand each exposure to one reader, and end with the scope", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const stream = yield* Scope.provide(ExposureHook.makeStream({ targetingKey: "raw", maxSize: 2 }), scope)
      const reader = yield* Effect.forkChild(Stream.runCollect(stream.exposures), { startImmediately: true })
      for (const subject of ["a", "b", "c", "a", "d", "e"]) yield* evaluate(stream.hook, { subject })
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual((yield* Fiber.join(reader)).map(({ subject }) => subject), ["a", "b", "c", "d", "e"])
      assert.deepInclude(yield* stream.counts, { delivered: 5, suppressed: 1 })
    }))

  it.effect("track events through a client, once its provider is ready", () =>
    Effect.gen(function*() {
      const tracked: Array<readonly [string, object, object]> = []
      const client = {
        track: (name: string, context: object, details: object) => void tracked.push([name, context, details])
      }
      const exposures = yield* ExposureHook.make({
        targetingKey: "raw",
        context: ["plan"],
        send: ExposureHook.track(client, "seen")
      })
      yield* evaluate(exposures.hook)
      yield* exposures.flush
      assert.strictEqual(tracked.length, 1)
      const [event] = tracked
      assert.strictEqual(event?.[0], "seen")
      assert.deepStrictEqual(event?.[1], { targetingKey: "u", plan: "pro" })
      assert.deepInclude(event?.[2], { flagKey: "sale", variant: "on" })
      const failure = yield* Effect.flip(
        ExposureHook.track({ track: () => {}, providerStatus: "NOT_READY" })([])
      )
      assert.strictEqual(failure.code, "PROVIDER_NOT_READY")
    }))
})

describe("totals", () => {
  for (const [path, change] of paths) {
    it.effect(`count evaluations by flag, variant and minute, ${path}`, () =>
      Effect.gen(function*() {
        const sent: Array<string> = []
        const totals = yield* ExposureHook.makeCounts({
          send: (all) => {
            for (const { evaluations, flagKey, minute, variant } of all) {
              sent.push(`${minute.slice(14, 16)} ${flagKey} ${variant} ${evaluations}`)
            }
          }
        })
        const hook = change(totals.hook)
        yield* evaluate(hook)
        yield* evaluate(hook, { subject: undefined })
        yield* evaluate(hook, { variant: "" })
        yield* evaluate(hook, { variant: undefined })
        yield* turns()
        yield* TestClock.adjust("59 seconds")
        yield* turns()
        yield* evaluate(hook)
        assert.deepInclude(yield* totals.counts, { offered: 5, pending: 5 })
        yield* TestClock.adjust("1 seconds")
        yield* turns()
        assert.deepStrictEqual(sent, ["00 sale on 3", "00 sale  1", "00 sale undefined 1"])
        yield* evaluate(hook)
        yield* totals.flush
        assert.deepStrictEqual(sent.slice(3), ["01 sale on 1"])
        assert.deepInclude(yield* totals.counts, { offered: 6, delivered: 6, pending: 0 })
      }))
  }

  it.effect("are bounded and exact, also when the sink fails", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        let delivered = 0
        let calls = 0
        const totals = yield* ExposureHook.makeCounts({
          capacity: 10,
          send: (batch) => {
            if (++calls % 3 === 0) return Effect.fail("down")
            for (const { evaluations } of batch) delivered += evaluations
            return Effect.void
          }
        })
        for (let i = 0; i < 1000; i++) {
          yield* evaluate(totals.hook, { flag: `flag-${i % 37}` })
          if (i % 100 === 0) yield* turns(1)
        }
        yield* totals.flush
        const counts = yield* totals.counts
        assert.strictEqual(counts.delivered, delivered)
        assert.strictEqual(counts.offered, 1000)
        assert.strictEqual(counts.delivered + counts.dropped + counts.failed, 1000)
        assert.isAbove(counts.dropped, 0)
        assert.isAbove(counts.failed, 0)
      })
    ))
})

// Each subject, flag and variant by itself: when it was accepted last, and whether it is on its way.
describe("in any order of evaluations, failures and time", () => {
  it.effect("no acknowledged exposure is lost or repeated, and the account is exact", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1e9))
        const rng = random(seed)
        for (let round = 0; round < 60; round++) {
          const where = `SEED=${seed}, round ${round}`
          const accepted = new Map<string, number>()
          const onTheWay = new Set<string>()
          // In the longer one, what is marked without having been accepted is never accepted.
          const window = rng.chance(0.5) ? 10_000 : 1_000_000_000
          const repeated: Array<string> = []
          let attempts: "accept" | "fail" | "slow" | "slow failure" | "throw" = "accept"
          let sentCount = 0
          const capacity = rng.chance(0.5) ? 1000 : 3
          const exposures = yield* ExposureHook.make({
            targetingKey: "raw",
            window,
            capacity,
            maxPending: rng.chance(0.5) ? 4 : 1000,
            maxSize: 1 + rng.below(5),
            maxWait: rng.below(3) * 500,
            concurrency: 1 + rng.below(3),
            overflow: rng.chance(0.5) ? "dropOldest" : "dropNewest",
            ...rng.chance(0.5) ? { retry: Schedule.recurs(1) } : undefined,
            send: (batch) => {
              const accept = Effect.sync(() => {
                for (const exposure of batch) {
                  sentCount++
                  const last = accepted.get(label(exposure))
                  const seen = Date.parse(exposure.time)
                  if (last !== undefined && seen - last < window) repeated.push(label(exposure))
                  accepted.set(label(exposure), seen)
                }
              })
              switch (attempts) {
                case "accept":
                  return accept
                case "slow":
                  return Effect.delay(accept, "700 millis")
                case "fail":
                  return Effect.fail("down")
                case "slow failure":
                  return Effect.delay(Effect.fail("down"), "700 millis")
                case "throw":
                  throw new Error("bug")
              }
            }
          })
          let evaluations = 0
          for (let step = 0; step < 80; step++) {
            const dice = rng.next()
            if (dice < 0.7) {
              evaluations++
              const shown = { subject: rng.oneOf(["a", "b", "c"]), variant: rng.oneOf(["on", "off"]) }
              yield* evaluate(exposures.hook, shown)
              onTheWay.add(`${shown.subject}/sale/${shown.variant}`)
            } else if (dice < 0.85) {
              const millis = rng.below(4000)
              yield* TestClock.adjust(millis)
              yield* turns(1)
            } else {
              attempts = rng.oneOf(["accept", "accept", "slow", "fail", "slow failure", "throw"] as const) ?? "accept"
            }
            const counts = yield* exposures.counts
            assert.strictEqual(counts.offered, sum(counts), where)
            assert.strictEqual(counts.offered, evaluations, where)
            assert.isAtMost(counts.size, capacity, where)
          }
          for (let i = 0; i < 10; i++) {
            yield* TestClock.adjust("3 seconds")
            yield* turns(2)
          }
          const counts = yield* exposures.counts
          assert.strictEqual(counts.pending, 0, where)
          assert.strictEqual(counts.delivered, sentCount, where)
          if (counts.evicted === 0) assert.deepStrictEqual(repeated, [], where)
          // Whatever was not accepted is accepted by a later evaluation.
          attempts = "accept"
          for (const name of onTheWay) {
            const [subject, , variant] = name.split("/")
            yield* evaluate(exposures.hook, { subject, variant })
            yield* exposures.flush
            const last = accepted.get(name)
            assert.isDefined(last, where)
          }
        }
      })
    ))
})

describe("a store", () => {
  const storeThat = (answers: Partial<ExposureHook.Store>): ExposureHook.Store => ({
    reserve: (keys) => Effect.succeed(keys.map(() => ({ state: "reserved" }))),
    confirm: () => Effect.void,
    release: () => Effect.void,
    ...answers
  })

  it.effect("lets two processes expose a subject once, and after a failure again", () =>
    collectFailures(() =>
      Effect.gen(function*() {
        const store = yield* ExposureHook.makeMemoryStore()
        const sent: Array<string> = []
        let isDown = true
        const make = ExposureHook.make({
          targetingKey: "raw",
          store,
          window: "1 hour",
          send: (batch) =>
            isDown
              ? Effect.delay(Effect.fail("down"), "1 second")
              : Effect.sync(() => void sent.push(...batch.map(label)))
        })
        const [one, two] = [yield* make, yield* make]
        yield* evaluate(one.hook)
        const first = yield* Effect.forkChild(one.flush, { startImmediately: true })
        yield* turns()
        yield* evaluate(two.hook)
        yield* two.flush
        // It is on its way in the other process, so nothing is known yet.
        assert.deepInclude(yield* two.counts, { suppressed: 1, delivered: 0, size: 0 })
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(first)
        assert.deepInclude(yield* one.counts, { failed: 1 })
        isDown = false
        yield* evaluate(two.hook)
        yield* two.flush
        yield* evaluate(one.hook)
        yield* one.flush
        assert.deepStrictEqual(sent, ["u/sale/on"])
        assert.deepInclude(yield* one.counts, { suppressed: 1, size: 1 })
        yield* TestClock.adjust("1 hour")
        yield* evaluate(one.hook)
        yield* one.flush
        assert.strictEqual(sent.length, 2)
      })
    ))

  const broken: ReadonlyArray<readonly [string, Partial<ExposureHook.Store>]> = [
    ["fails", { reserve: () => Effect.fail("down"), confirm: () => Effect.fail("down") }],
    ["dies", { reserve: () => Effect.die("bug"), confirm: () => Effect.die("bug") }],
    ["throws", {
      reserve: () => {
        throw new Error("bug")
      }
    }],
    ["hangs", { reserve: () => Effect.never, confirm: () => Effect.never, release: () => Effect.never }],
    ["hangs and cannot be interrupted", { reserve: () => Effect.uninterruptible(Effect.never) }],
    ["gives promises that reject", {
      reserve: () => Promise.reject(new Error("down")) as never,
      confirm: () => Promise.reject(new Error("down")) as never,
      release: () => Promise.reject(new Error("down")) as never
    }],
    ["holds garbage", { reserve: () => Effect.succeed([{ state: "?" as never }]) }],
    ["gives nothing", { reserve: () => Effect.succeed(null as never) }]
  ]
  for (const [what, answers] of broken) {
    for (const isUp of [true, false]) {
      it.effect(`that ${what} loses no exposure, with a sink that ${isUp ? "takes it" : "fails"}`, () =>
        collectFailures((failures) =>
          Effect.gen(function*() {
            const found = yield* unhandledRejections(Effect.gen(function*() {
              const exposures = yield* ExposureHook.make({
                send: () => isUp ? Effect.void : Effect.fail("down"),
                store: storeThat(answers)
              })
              yield* evaluate(exposures.hook)
              const flushed = yield* Effect.forkChild(exposures.flush, { startImmediately: true })
              for (let i = 0; i < 4; i++) {
                yield* turns()
                yield* TestClock.adjust("100 millis")
              }
              yield* Fiber.join(flushed)
              assert.deepInclude(yield* exposures.counts, isUp ? { delivered: 1 } : { failed: 1 })
            }))
            assert.deepStrictEqual(found, [])
            if (!/garbage|nothing/.test(what)) assert.isAbove(failures.length, 0)
          })
        ))
    }
  }

  for (const remaining of [-1, Number.NaN]) {
    it.effect(`that tells a remaining time of ${remaining} suppresses nothing later`, () =>
      Effect.gen(function*() {
        let asked = 0
        const exposures = yield* ExposureHook.make({
          send: () => {},
          maxWait: 0,
          store: storeThat({
            reserve: (keys) =>
              Effect.sync(() => {
                asked++
                return keys.map(() => asked === 1 ? { state: "exposed", remaining } : { state: "reserved" })
              })
          })
        })
        for (let i = 0; i < 2; i++) {
          yield* evaluate(exposures.hook)
          yield* exposures.flush
        }
        assert.deepInclude(yield* exposures.counts, { suppressed: 1, delivered: 1 })
      }))
  }

  it.effect("is asked in the background only, with digests", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const exposures = yield* ExposureHook.make({
        name: "shop",
        send: () => {},
        store: storeThat({
          reserve: (keys) =>
            Effect.sync(() => {
              asked.push(...keys)
              return keys.map(() => ({ state: "exposed" }))
            })
        })
      })
      yield* evaluate(exposures.hook)
      assert.deepStrictEqual(asked, [])
      yield* exposures.flush
      assert.match(asked.join(), /^[0-9a-f]{64}$/)
      assert.deepInclude(yield* exposures.counts, { suppressed: 1, delivered: 0, size: 1 })
      yield* TestClock.adjust("1000 days")
      yield* evaluate(exposures.hook)
      assert.deepInclude(yield* exposures.counts, { suppressed: 2, pending: 0 })
    }))
})
