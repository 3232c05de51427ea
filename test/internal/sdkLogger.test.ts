import * as SDK from "@openfeature/server-sdk"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Logger } from "effect"
import {
  ContextValidatorHook,
  FeatureHook,
  HookFailures,
  LoggingHook,
  OpenFeatureHook,
  TimingHook
} from "effect-openfeature"
import { AsyncLocalStorage } from "node:async_hooks"
import { Writable } from "node:stream"
import { pino } from "pino"
import * as winston from "winston"
import { type LogRecord, logsTo, newDomain, paths, turns, unhandledRejections } from "../support.ts"

type Lines = Array<Record<string, unknown>>

const lines = (into: Lines) =>
  new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      for (const line of String(chunk).trim().split("\n")) into.push(JSON.parse(line))
      done()
    }
  })

const request = new AsyncLocalStorage<string>()

/** Loggers as applications make them, each with the name of its field for the text. */
const loggers = {
  pino: {
    text: "msg",
    make: (into: Lines): SDK.Logger =>
      pino({ level: "debug", base: null, mixin: () => ({ request: request.getStore() }) }, lines(into))
  },
  "a child of pino": {
    text: "msg",
    make: (into: Lines): SDK.Logger =>
      pino({ level: "debug", base: null, mixin: () => ({ request: request.getStore() }) }, lines(into)).child({
        part: 1
      })
  },
  winston: {
    text: "message",
    make: (into: Lines): SDK.Logger =>
      winston.createLogger({
        level: "debug",
        format: winston.format.combine(
          winston.format((info) => ({ ...info, request: request.getStore() }))(),
          winston.format.json()
        ),
        transports: [new winston.transports.Stream({ stream: lines(into) })]
      })
  },
  console: {
    text: "text",
    make: (into: Lines): SDK.Logger => {
      const log = (level: string) => (text: string, fields: object) =>
        void into.push({ level, text, request: request.getStore(), ...fields })
      return { error: log("error"), warn: log("warn"), info: log("info"), debug: log("debug") }
    }
  }
}

const levelOf = ({ level }: Record<string, unknown>): unknown =>
  typeof level === "number" ? pino.levels.labels[level] : level

const provider = (): SDK.Provider =>
  new SDK.InMemoryProvider({
    sale: { variants: { on: true }, defaultVariant: "on", disabled: false }
  })

const clientWith = async (...hooks: ReadonlyArray<FeatureHook.FeatureHook<unknown>>): Promise<SDK.Client> => {
  const domain = newDomain()
  await SDK.OpenFeature.setProviderAndWait(domain, provider())
  return SDK.OpenFeature.getClient(domain).addHooks(OpenFeatureHook.make(...hooks))
}

describe("a caller without a fiber", () => {
  for (const [path, change] of paths) {
    for (const [name, { make, text }] of Object.entries(loggers)) {
      it(`has records of hooks in ${name}, with their fields and the id of the request, ${path}`, async () => {
        const written: Lines = []
        const client = await clientWith(change(LoggingHook.make()))
        client.setLogger(make(written))
        await request.run("r-1", () => client.getBooleanValue("sale", false))
        await request.run("r-2", () => client.getBooleanValue("missing", false))
        // The provider logs a line of its own.
        const ours = written.filter((line) => line["stage"] !== undefined)
        assert.deepStrictEqual(ours.map((line) => [levelOf(line), line[text], line["stage"], line["request"]]), [
          ["debug", "evaluating a feature flag", "before", "r-1"],
          ["info", "evaluated a feature flag", "after", "r-1"],
          ["debug", "evaluating a feature flag", "before", "r-2"],
          ["error", "a feature flag evaluation failed", "error", "r-2"]
        ])
        assert.deepInclude(ours[1], { flag_key: "sale", flag_type: "boolean", variant: "on", reason: "STATIC" })
        assert.strictEqual(ours[3]?.["error_code"], "FLAG_NOT_FOUND")
      })

      it(`has failures, slow evaluations and warnings of hooks in ${name}, ${path}`, async () => {
        const written: Lines = []
        const failing = FeatureHook.make(`failing in ${name} ${path}`, {
          finally: async () => {
            throw new Error("secret")
          }
        })
        const slow = FeatureHook.make("slow", { before: () => new Promise<void>((done) => setTimeout(done, 5)) })
        const client = await clientWith(
          TimingHook.make({ slowerThan: "1 millis" }),
          change(failing),
          ContextValidatorHook.make({ requireTargetingKey: true }),
          slow
        )
        client.setLogger(make(written))
        await client.getBooleanValue("sale", false)
        assert.deepStrictEqual(written.map((line) => [levelOf(line), line[text]]), [
          ["warn", "the evaluation context has no targeting key"],
          [
            "error",
            `hook "failing in ${name} ${path}" failed in its finally stage (HookFailures.onFailure has the error)`
          ],
          ["warn", "slow feature flag evaluation"]
        ])
        assert.notInclude(JSON.stringify(written), "secret")
      })
    }
  }

  it("has the records of one hook in the logger of that hook", async () => {
    const [own, other]: [Lines, Lines] = [[], []]
    const client = await clientWith(LoggingHook.make({ before: false, logger: loggers.pino.make(own) }))
    client.setLogger(loggers.winston.make(other))
    await client.getBooleanValue("sale", false)
    assert.deepStrictEqual([own.length, other.length], [1, 0])
  })

  it("has records in the loggers of the runtime that registered the hook", async () => {
    const [records, written]: [Array<LogRecord>, Lines] = [[], []]
    const services = await Effect.runPromise(Effect.scoped(Effect.provide(Effect.context(), logsTo(records))))
    const client = SDK.OpenFeature.getClient(newDomain()).addHooks(
      OpenFeatureHook.makeWith(services, LoggingHook.make({ before: false }))
    )
    client.setLogger(loggers.pino.make(written))
    await client.getBooleanValue("sale", false)
    assert.deepStrictEqual([records.length, written.length], [1, 0])
  })

  it("keeps Effect's default logger while the SDK has only its own", async () => {
    const printed: Array<unknown> = []
    const writing = Logger.make(({ message }) => void printed.push(message))
    const hook = LoggingHook.make({ before: false })
    const client = await clientWith(FeatureHook.provide(hook, Context.make(Logger.CurrentLoggers, new Set([writing]))))
    await client.getBooleanValue("sale", false)
    assert.deepStrictEqual(printed, [["evaluated a feature flag"]])
  })

  it("has a logger that throws, and gets the value of the flag", async () => {
    const fail = () => {
      throw new Error("disk full")
    }
    const broken = { error: fail, warn: fail, info: fail, debug: fail }
    const failures: Array<string> = []
    const stop = HookFailures.onFailure(({ hook, stage }) => failures.push(`${hook}.${stage}`))
    const client = await clientWith(LoggingHook.make({ before: false, logger: broken }))
    assert.isTrue(await client.getBooleanValue("sale", false))
    stop()
    assert.deepStrictEqual(failures, ["logging.after"])
  })

  it("has an asynchronous logger that rejects, and nothing is left unhandled", async () => {
    const written: Array<string> = []
    const fail = async (text: string) => {
      written.push(text)
      throw new Error("disk full")
    }
    const logger = { error: fail, warn: fail, info: fail, debug: fail }
    const client = await clientWith(LoggingHook.make({ before: false, logger }))
    const evaluation = Effect.promise(() => client.getBooleanValue("sale", false))
    assert.deepStrictEqual(await Effect.runPromise(unhandledRejections(evaluation)), [])
    assert.deepStrictEqual(written, ["evaluated a feature flag"])
  })
})

describe("a caller in a fiber", () => {
  it.effect("has the records in its own loggers", () =>
    Effect.gen(function*() {
      const [records, written]: [Array<LogRecord>, Lines] = [[], []]
      const client = yield* Effect.promise(() => clientWith(LoggingHook.make({ before: false })))
      client.setLogger(loggers.pino.make(written))
      yield* Effect.provide(Effect.promise(() => client.getBooleanValue("sale", false)), logsTo(records))
      yield* turns()
      assert.deepStrictEqual([records.length, written.length], [1, 0])
    }))
})
