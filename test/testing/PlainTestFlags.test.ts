import { afterEach, assert, beforeEach, describe, it, onTestFinished, vi } from "@effect/vitest"
import * as SDK from "@openfeature/server-sdk"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { FeatureHook } from "effect-openfeature"
import { PlainTestFlags, TestProvider } from "effect-openfeature/testing"
import { untyped } from "../faults/harness.ts"
import { newDomain, paths } from "../support.ts"

const whoOf = async (domain: string): Promise<string | undefined> => {
  const details = await SDK.OpenFeature.getClient(domain).getStringDetails("who", "nobody")
  return details.errorCode ?? details.value
}

describe("flags for a test", () => {
  it("are evaluated by a client of the SDK", async (t) => {
    const { client, domain } = await PlainTestFlags.forTest(t, {
      sale: true,
      "price-limit": 20,
      theme: "dark",
      limits: { a: [1] },
      answer: TestProvider.value(true, { variant: "on" }),
      targeted: ({ plan }) => plan === "pro"
    }, { context: { plan: "pro" }, providerName: "scripted" })
    assert.strictEqual(await client.getBooleanValue("sale", false), true)
    assert.strictEqual(await client.getNumberValue("price-limit", 0), 20)
    assert.strictEqual(await client.getStringValue("theme", "light"), "dark")
    assert.deepStrictEqual(await client.getObjectValue("limits", {}), { a: [1] })
    assert.strictEqual((await client.getBooleanDetails("answer", false)).variant, "on")
    assert.strictEqual(await client.getBooleanValue("targeted", false), true)
    assert.strictEqual(await client.getBooleanValue("targeted", true, { plan: "free" }), false)
    assert.strictEqual((await client.getBooleanDetails("missing", false)).errorCode, "FLAG_NOT_FOUND")
    assert.deepStrictEqual([client.metadata.domain, client.metadata.providerMetadata.name], [domain, "scripted"])
  })

  it("are changed, made to fail and removed, and come back", async (t) => {
    const { clearEvaluations, client, evaluationsOf, fail, remove, reset, set } = await PlainTestFlags.forTest(t, {
      sale: true
    })
    await client.getBooleanValue("sale", false)
    set("sale", false)
    await client.getBooleanValue("sale", true)
    fail("sale", "PARSE_ERROR")
    await client.getBooleanValue("sale", false)
    fail("sale", new Error("no connection"))
    await client.getBooleanValue("sale", false)
    remove("sale")
    await client.getBooleanValue("sale", false)
    assert.deepStrictEqual(
      evaluationsOf("sale").map(({ errorCode, value }) => errorCode ?? value),
      [true, false, "PARSE_ERROR", "GENERAL", "FLAG_NOT_FOUND"]
    )
    reset()
    assert.deepStrictEqual(evaluationsOf("sale"), [])
    assert.strictEqual(await client.getBooleanValue("sale", false), true)
    assert.strictEqual(evaluationsOf("sale").length, 1)
    clearEvaluations()
    assert.deepStrictEqual(evaluationsOf("sale"), [])
  })

  it("have a journal that is complete as soon as an evaluation has ended", async (t) => {
    const flags = await PlainTestFlags.forTest(t, { sale: true })
    await flags.client.getBooleanValue("sale", false, { targetingKey: "user-1" }, { hookHints: { id: 1 } })
    const [entry] = flags.evaluations
    const { hints, ...rest } = entry ?? assert.fail("no entry")
    assert.deepStrictEqual(rest, {
      flagKey: "sale",
      flagValueType: "boolean",
      defaultValue: false,
      value: true,
      reason: "STATIC",
      flagMetadata: {},
      context: { targetingKey: "user-1" }
    })
    assert.deepStrictEqual(hints.raw, { id: 1 })
  })

  for (const [path, change] of paths) {
    it(`take hooks of this library and of the SDK, in order, ${path}`, async (t) => {
      const seen: Array<string> = []
      const hookOf = (name: string): SDK.Hook => ({
        before: () => void seen.push(name),
        finally: () => void seen.push("end")
      })
      const own = change(FeatureHook.make("own", { before: () => void seen.push("own") }))
      const flags = await PlainTestFlags.forTest(t, { sale: true }, { hooks: [hookOf("first"), own, hookOf("last")] })
      await flags.client.getBooleanValue("sale", false)
      assert.deepStrictEqual(seen, ["first", "own", "last", "end", "end"])
    })
  }

  it("may have the fixed domain of an application, one test after the other", async () => {
    const domain = newDomain()
    for (const who of ["first", "second"]) {
      await using flags = await PlainTestFlags.make({ who }, { domain })
      assert.strictEqual(flags.domain, domain)
      assert.strictEqual(await whoOf(domain), who)
    }
    assert.strictEqual(await whoOf(domain), "PROVIDER_NOT_READY")
  })

  it("emit events, and tell what was tracked", async (t) => {
    const flags = await PlainTestFlags.forTest(t)
    flags.emit(SDK.ServerProviderEvents.Stale)
    await vi.waitFor(() => assert.strictEqual(flags.client.providerStatus, SDK.ProviderStatus.STALE))
    flags.client.track("bought")
    assert.deepStrictEqual(flags.tracked, ["bought"])
  })

  it("never meet others with the same flag keys", async () => {
    const ended = await Promise.all(Array.from({ length: 50 }, async (_, index) => {
      await using flags = await PlainTestFlags.make({ who: `own ${index}`, index })
      const seen = [await whoOf(flags.domain)]
      flags.set("who", `changed ${index}`)
      await new Promise((resolve) => setImmediate(resolve))
      seen.push(await whoOf(flags.domain), String(await flags.client.getNumberValue("index", -1)))
      assert.deepStrictEqual(seen, [`own ${index}`, `changed ${index}`, String(index)])
      assert.deepStrictEqual(flags.evaluations.map(({ flagKey }) => flagKey), ["who", "who", "index"])
      return flags.domain
    }))
    assert.strictEqual(new Set(ended).size, 50)
    for (const domain of ended) assert.strictEqual(await whoOf(domain), "PROVIDER_NOT_READY")
  })

  it("work with fake timers", async (t) => {
    vi.useFakeTimers()
    t.onTestFinished(() => void vi.useRealTimers())
    await using flags = await PlainTestFlags.make({
      slow: TestProvider.delayed("1 second", TestProvider.value(true))
    })
    const slow = flags.client.getBooleanValue("slow", false)
    await vi.advanceTimersByTimeAsync(999)
    assert.deepStrictEqual(flags.evaluations, [])
    await vi.advanceTimersByTimeAsync(1)
    assert.strictEqual(await slow, true)
  })

  it("refuse options, flags, hooks and tests that are none, by name", async () => {
    const messageOf = async (made: Promise<unknown>): Promise<string> => {
      const error: unknown = await made.then(() => undefined, (error: unknown) => error)
      return error instanceof RangeError ? error.message : assert.fail("no RangeError")
    }
    assert.include(await messageOf(PlainTestFlags.make({}, untyped({ hook: [] }))), "did you mean \"hooks\"?")
    assert.include(await messageOf(PlainTestFlags.make({}, { hooks: [untyped(null)] })), "hooks")
    assert.include(await messageOf(PlainTestFlags.make({}, { context: untyped("pro") })), "context")
    assert.include(await messageOf(PlainTestFlags.make({ sale: untyped(undefined) })), "flag \"sale\"")
    assert.include(await messageOf(PlainTestFlags.forTest(untyped({ sale: true }))), "PlainTestFlags.forTest")
  })
})

describe("the default domain", () => {
  it("has the flags of a test, and none of them afterwards", async () => {
    const flags = await PlainTestFlags.make({ sale: true }, { domain: null })
    assert.isTrue(await SDK.OpenFeature.getClient().getBooleanValue("sale", false))
    assert.isTrue(await SDK.OpenFeature.getClient(flags.domain).getBooleanValue("sale", false))
    await flags.close()
    assert.isFalse(await SDK.OpenFeature.getClient().getBooleanValue("sale", false))
  })
})

describe("closing", () => {
  it("closes the provider, and leaves no hook and no event handler", async () => {
    const flags = await PlainTestFlags.make({ who: "me" }, { hooks: [{ before: () => {} }] })
    const apiHooks = SDK.OpenFeature.getHooks().length
    const types = Object.values(SDK.ServerProviderEvents)
    for (const type of types) assert.isEmpty([...flags.client.getHandlers(type), ...SDK.OpenFeature.getHandlers(type)])
    assert.strictEqual(await flags.client.getStringValue("who", "nobody"), "me")
    await Promise.all([flags.close(), flags.close()])
    await flags.close()
    assert.strictEqual(await whoOf(flags.domain), "PROVIDER_NOT_READY")
    assert.isEmpty(flags.client.getHooks())
    assert.strictEqual(SDK.OpenFeature.getHooks().length, apiHooks)
    for (const type of types) assert.isEmpty([...flags.client.getHandlers(type), ...SDK.OpenFeature.getHandlers(type)])
    assert.strictEqual(flags.evaluations.length, 1)
  })

  it("ends the events of a test's own handlers", async () => {
    const flags = await PlainTestFlags.make()
    let events = 0
    flags.client.addHandler(SDK.ServerProviderEvents.Stale, () => void events++)
    flags.emit(SDK.ServerProviderEvents.Stale)
    await vi.waitFor(() => assert.strictEqual(events, 1))
    await flags.close()
    flags.emit(SDK.ServerProviderEvents.Stale)
    await new Promise((resolve) => setImmediate(resolve))
    assert.strictEqual(events, 1)
  })

  describe("is done by Vitest when the test has ended,", () => {
    let domain = ""

    it("with the context of the test", async (t) => {
      domain = (await PlainTestFlags.forTest(t, { who: "me" })).domain
      assert.strictEqual(await whoOf(domain), "me")
    })
    it("which it was", async () => assert.strictEqual(await whoOf(domain), "PROVIDER_NOT_READY"))

    it("with the function that it exports", async () => {
      domain = (await PlainTestFlags.forTest(onTestFinished, { who: "me" })).domain
      assert.strictEqual(await whoOf(domain), "me")
    })
    it("which it was, too", async () => assert.strictEqual(await whoOf(domain), "PROVIDER_NOT_READY"))
  })

  it("is registered with the context of a test of node:test", async () => {
    class Context {
      readonly closing: Array<() => Promise<void>> = []
      after(close: () => Promise<void>): void {
        this.closing.push(close)
      }
    }
    const t = new Context()
    const { domain } = await PlainTestFlags.forTest(t, { who: "me" })
    assert.strictEqual(await whoOf(domain), "me")
    for (const close of t.closing) await close()
    assert.strictEqual(await whoOf(domain), "PROVIDER_NOT_READY")
  })

  it("is done by node:test", async () => {
    const file = fileURLToPath(new URL("nodeTest.ts", import.meta.url))
    const args = ["--import", "tsx", "--test", "--test-reporter=tap", file]
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const { stdout } = await promisify(execFile)(process.execPath, args, { env })
    assert.match(stdout, /^# pass 4$/m)
    assert.match(stdout, /^# fail 0$/m)
  })
})

describe("flags for each test", () => {
  const flags = PlainTestFlags.eachTest({ beforeEach, afterEach }, { who: "me" })
  const domains: Array<string> = []

  it("are there, and can be changed", async () => {
    domains.push(flags.domain)
    flags.set("who", "another")
    flags.set("sale", true)
    assert.strictEqual(await flags.client.getStringValue("who", "nobody"), "another")
    flags.fail("who", "GENERAL")
    assert.strictEqual(await flags.client.getStringValue("who", "nobody"), "nobody")
    flags.remove("sale")
    assert.strictEqual(await flags.client.getBooleanValue("sale", false), false)
    assert.strictEqual(flags.evaluations.length, 3)
    assert.strictEqual(flags.evaluationsOf("sale").length, 1)
    flags.clearEvaluations()
    assert.isEmpty(flags.evaluations)
    flags.reset()
    assert.strictEqual(await flags.client.getStringValue("who", "nobody"), "me")
    flags.client.track("bought")
    assert.deepStrictEqual(flags.tracked, ["bought"])
    flags.emit(SDK.ServerProviderEvents.Stale)
    await vi.waitFor(() => assert.strictEqual(flags.client.providerStatus, SDK.ProviderStatus.STALE))
    flags.set("who", "left behind")
  })

  it("are new in the next test, and closed after the last", async () => {
    assert.notInclude(domains, flags.domain)
    assert.strictEqual(await flags.client.getStringValue("who", "nobody"), "me")
    for (const domain of domains) assert.strictEqual(await whoOf(domain), "PROVIDER_NOT_READY")
  })

  it("may be closed by the test itself", async () => {
    await flags.close()
    await flags[Symbol.asyncDispose]()
    assert.strictEqual(await whoOf(flags.domain), "PROVIDER_NOT_READY")
  })

  it("are not there outside of a test", () => {
    const none = PlainTestFlags.eachTest({ beforeEach: () => {}, afterEach: () => {} })
    assert.throws(() => none.client, /while a test runs/)
  })
})
