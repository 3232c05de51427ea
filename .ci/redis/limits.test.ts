import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { RateLimitHook, UsageHook } from "effect-openfeature"
import { RedisRateLimitStore, RedisUsageStore } from "effect-openfeature/redis"
import { Fixtures } from "effect-openfeature/testing"
import { Redis } from "effect/persistence"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { afterAll } from "vitest"
import { redisConnection } from "../../examples/durable-queue/store.ts"
import { budgetOf, limitOf, rateLimitContract, usageContract } from "../../test/hooks/limitContract.ts"
import { measure, printed, testRedis, type Times } from "./outages.ts"

const redis = await testRedis()
const { url } = redis

const connection = await RedisRateLimitStore.start(redisConnection(url))
const usage = await RedisUsageStore.start(redisConnection(url))

afterAll(async () => {
  await connection.close()
  await usage.close()
  await redis.close()
})

rateLimitContract("Redis", { store: Effect.succeed(connection.store), pass: Effect.sleep, test: it.live })
usageContract("Redis", { store: Effect.succeed(usage.store), pass: Effect.sleep, test: it.live })

const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> => Effect.runPromise(Effect.orDie(effect))

/** Sends commands of its own. */
const commands = <A>(use: (send: Redis.Redis["Service"]["send"]) => Effect.Effect<A, unknown>): Promise<A> =>
  run(
    Effect.scoped(
      Effect.flatMap(Layer.build(redisConnection(url)), (services) => use(Context.get(services, Redis.Redis).send))
    )
  )

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const tsx = path("../../node_modules/tsx/dist/cli.mjs")
const tsconfig = path("../../examples/durable-queue/tsconfig.json")

interface Ran {
  readonly counts: ReadonlyArray<Record<string, number>>
  /** From the first evaluation to the last, at most. */
  readonly seconds: number
}

/** Processes that start to evaluate together, and what they counted. */
const processes = async (count: number, ...args: ReadonlyArray<string>): Promise<Ran> => {
  const children = Array.from({ length: count }, (_, index) => {
    const [kind = "", name = "", amount = "", window = "", millis = ""] = args
    const program = [url, kind, name, amount, window, String(index - 4), millis]
    const child = spawn(process.execPath, [tsx, "--tsconfig", tsconfig, path("limitsChild.ts"), ...program], {
      stdio: ["pipe", "pipe", "inherit"]
    })
    const output = { text: "" }
    child.stdout.on("data", (data) => {
      output.text += String(data)
    })
    return { child, output, ended: once(child, "exit") }
  })
  for (const { child, output } of children) {
    while (!output.text.includes("ready")) {
      if (child.exitCode !== null) throw new Error(`a process has ended\n${output.text}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const started = performance.now()
  for (const { child } of children) child.stdin.write("go\n")
  const counts = await Promise.all(children.map(async ({ ended, output }) => {
    await ended
    return JSON.parse(output.text.split("\n")[1] ?? "{}")
  }))
  return { counts, seconds: (performance.now() - started) / 1000 }
}

const sum = (counts: ReadonlyArray<Record<string, number>>, name: string): number =>
  counts.reduce((total, one) => total + (one[name] ?? Number.NaN), 0)

let names = 0
const newName = (): string => `process-${process.pid}-${++names}`

describe("eight processes with clocks that differ by hours", () => {
  it("never pass more than the limit together, and leave nothing of it", async () => {
    const { counts } = await processes(8, "limit", newName(), "100", "3600000", "0")
    console.log(`limit 100 an hour: ${counts.map(({ passed }) => passed).join(" + ")} of ${8 * 200} passed`)
    assert.strictEqual(sum(counts, "unchecked"), 0)
    assert.isAtMost(sum(counts, "passed"), 100)
    assert.isAtLeast(sum(counts, "passed"), 100 - 8)
  })

  it("pass what comes back meanwhile, and no more", async () => {
    const { counts, seconds } = await processes(8, "limit", newName(), "50", "1000", "3000")
    const passed = sum(counts, "passed")
    console.log(`limit 50 a second: ${passed} passed in 3 to ${seconds.toFixed(1)} seconds`)
    assert.strictEqual(sum(counts, "unchecked"), 0)
    assert.isAtMost(passed, 50 + 50 * seconds)
    assert.isAtLeast(passed, 50 + 50 * 3 - 50 - 8)
  })

  it("never spend more than the budget together, and one of them alerts", async () => {
    const { counts } = await processes(8, "usage", newName(), "100", "86400000000", "0")
    console.log(`budget 100: ${counts.map(({ cost }) => cost).join(" + ")}, alerts ${sum(counts, "alerts")}`)
    assert.strictEqual(sum(counts, "unchecked"), 0)
    assert.isAtMost(sum(counts, "cost"), 100)
    assert.isAtLeast(sum(counts, "cost"), 100 - 8)
    assert.strictEqual(sum(counts, "alerts"), 3)
  })
})

describe("a key in Redis", () => {
  it("has no text of a user, and one length", async () => {
    const rule = limitOf(1, 3_600_000)
    for (const key of ["ana@example.com", "x".repeat(1_000_000)]) await run(connection.store.take(rule, key))
    await run(usage.store.spend(budgetOf(1, 3_600_000), "ana@example.com", 1, false))
    const keys = await commands((send) => send<ReadonlyArray<string>>("KEYS", "openfeature:*"))
    assert.isAtLeast(keys.length, 3)
    for (const key of keys) assert.match(key, /^openfeature:(limit|usage):[\w-]{43}$/)
  })

  it("lives as long as it means something", async () => {
    await commands((send) => send("FLUSHALL"))
    await run(connection.store.take(limitOf(10, 20_000), "a"))
    await run(usage.store.spend(budgetOf(10, 3_600_000), "a", 1, false))
    const lives = await commands((send) =>
      Effect.flatMap(
        send<ReadonlyArray<string>>("KEYS", "openfeature:*"),
        (keys) => Effect.forEach(Array.from(keys).sort(), (key) => send<number>("PTTL", key))
      )
    )
    const [bucket = 0, window = 0] = lives
    assert.isAbove(bucket, 1000)
    assert.isAtMost(bucket, 2001)
    assert.isAbove(window, 0)
    assert.isAtMost(window, 3_601_000)
  })

  it("that holds garbage counts as unknown", async () => {
    const garbage: ReadonlyArray<ReadonlyArray<string>> = [
      ["SET", "KEY", "garbage"],
      ["RPUSH", "KEY", "1"],
      ["HSET", "KEY", "credit", "x", "at", "y"],
      ["HSET", "KEY", "credit", "nan", "at", "nan"],
      ["HSET", "KEY", "credit", "0", "at", "nan"],
      ["HSET", "KEY", "credit", "-5", "at", "1"],
      ["HSET", "KEY", "credit", "1e300", "at", "1"],
      ["HSET", "KEY", "start", "1", "used", "x", "refused", "y"],
      ["HSET", "KEY", "start", "1e300", "used", "5", "refused", "0"],
      ["HSET", "KEY", "start", "nan", "used", "inf", "refused", "0"],
      ["HSET", "KEY", "start", "1814400000000", "used", "1", "refused", "nan"],
      ["HSET", "KEY", "other", "1"]
    ]
    for (const command of garbage) {
      const limit = limitOf(1, 3_600_000)
      const budget = budgetOf(1, 86_400_000_000)
      await commands((send) => send("FLUSHALL"))
      await run(connection.store.take(limit, "a"))
      await run(usage.store.spend(budget, "a", 1, false))
      const keys = await commands((send) => send<ReadonlyArray<string>>("KEYS", "*"))
      await commands((send) =>
        Effect.forEach(keys, (key) => {
          const [name = "", ...args] = command.map((part) => part === "KEY" ? key : part)
          return Effect.andThen(send("DEL", key), send(name, ...args))
        })
      )
      assert.deepStrictEqual(
        [
          (await run(connection.store.take(limit, "a"))).isPassed,
          (await run(connection.store.take(limit, "a"))).isPassed,
          (await run(usage.store.spend(budget, "a", 1, false))).isPassed,
          (await run(usage.store.spend(budget, "a", 1, false))).isPassed
        ],
        [true, false, true, false],
        command.join(" ")
      )
    }
  })
})

describe.skipIf(!redis.isOwn)("Redis that", () => {
  it("is full refuses what it knows to be used up, fails for the rest at once, and is used again", async () => {
    const shared = { window: "1 day", by: "subject", onLimited: "reject", timeout: "5 seconds" } as const
    const maxmemory = (bytes: string) => commands((send) => send("CONFIG", "SET", "maxmemory", bytes))
    for (const whenDown of ["open", "closed"] as const) {
      const limit = RateLimitHook.start({ ...shared, name: newName(), limit: 5, store: connection.store, whenDown })
      const budget = UsageHook.start({ ...shared, name: newName(), budget: 5, store: usage.store, whenDown })
      for (const { counts, hook } of [limit, budget]) {
        const evaluate = async (targetingKey: string): Promise<boolean> => {
          const { details } = await Fixtures.runPromise(hook, { context: { context: { targetingKey } } })
          return details.errorCode === undefined
        }
        for (let i = 0; i < 6; i++) await evaluate("drained")
        assert.isTrue(await evaluate("known"))
        await maxmemory("1")
        try {
          const first = await evaluate("drained")
          // A bucket that is empty is only read. What was refused of a budget is written.
          assert.strictEqual(first, hook === budget.hook && whenDown === "open")
          let passed = 0
          let users = 0
          const times = await measure(async () => {
            if (await evaluate(++users % 2 === 0 ? "known" : `new-${users}`)) passed++
          })
          assert.strictEqual(passed, whenDown === "open" ? users : 0)
          assert.isBelow(times.longest, 500)
          assert.isAtLeast(counts().unchecked, users)
          console.log(
            `Redis is full, ${hook.name}, ${whenDown}: ${passed} of ${users} passed, slowest ${printed(times)}`
          )
        } finally {
          await maxmemory("0")
        }
        // After so long, an outage that goes on would have been found out again.
        await new Promise((resolve) => setTimeout(resolve, 1100))
        const { unchecked } = counts()
        assert.deepStrictEqual(
          [await evaluate("drained"), await evaluate("known"), await evaluate("new")],
          [false, true, true]
        )
        assert.strictEqual(counts().unchecked, unchecked)
      }
      await limit.close()
      await budget.close()
    }
  })

  for (const { begin, end, name } of redis.outages) {
    it(`${name} delays no evaluation beyond the bound, and is asked again afterwards`, async () => {
      const shared = { window: "1 day", timeout: "50 millis", name: newName() } as const
      const open = RateLimitHook.start({ ...shared, limit: 1_000_000, store: connection.store })
      const closed = UsageHook.start({
        ...shared,
        budget: 1_000_000,
        store: usage.store,
        onLimited: "reject",
        whenDown: "closed"
      })
      const both = async () => [
        await measure(() => Fixtures.runPromise(open.hook)),
        await measure(() => Fixtures.runPromise(closed.hook))
      ]
      const before = await both()
      const early = open.counts().unchecked
      await begin()
      const during = await both()
      const { rejected, unchecked } = closed.counts()
      assert.isAbove(open.counts().unchecked, early + 3)
      assert.strictEqual(open.counts().rejected, 0)
      assert.isAbove(rejected, 0)
      assert.strictEqual(rejected, unchecked)
      await end()
      const isBack = async (): Promise<boolean> => {
        const { passed } = open.counts()
        await Fixtures.runPromise(open.hook)
        return open.counts().passed > passed
      }
      const deadline = performance.now() + 10_000
      while (!await isBack() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50))
      assert.isTrue(await isBack())
      const text = (times: ReadonlyArray<Times>) => times.map(printed).join(" and ")
      console.log(`Redis ${name}: slowest evaluation ${text(before)} before, ${text(during)} meanwhile`)
      // Without the bound it would be as long as the outage, of two seconds. What it was is printed.
      for (const { longest } of during) assert.isBelow(longest, 500)
      await open.close()
      await closed.close()
    })
  }
})
